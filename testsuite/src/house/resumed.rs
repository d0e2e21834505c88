//! Deleting that unsigned entries of the log stopped, and two persons who let it go on.

use super::base::{Base, on_both};
use super::ward::{Ward, facts_of, shell};
use sekisho_core::desk::{Cause, Event};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::hold::{HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{HoldId, PersonId, SessionId};
use sekisho_core::people::{Actor, Role};
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::StopCause;
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_store::{Denied, Store};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

on_both! {
    two_persons_let_deleting_go_on_and_another_unsigned_entry_stops_it_again,
    a_wish_that_was_taken_back_or_declined_lets_nothing_go_on,
}

fn refused<T>(done: Result<T, Denied>) -> Option<Refusal> {
    match done {
        Err(Denied::Refusal(refusal)) => Some(refusal),
        _ => None,
    }
}

/// A safety manager, who is another person than the planner.
fn chief(ward: &Ward) -> Actor {
    Actor { person: Some(PersonId::from_random([77; 10])), login: "anzen".into(), name: "安全 花子".into(), roles: [Role::SafetyManager].into(), ..ward.planner.clone() }
}

/// Writes into the database of a data folder beside the box.
pub fn sql_beside(data: &Path, text: &str) {
    let script = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]); base.executescript(sys.argv[2]); base.commit()";
    let done = Command::new("python3").args(["-c", script]).arg(data.join("sekisho.db")).arg(text).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An entry behind the last one, as whoever has the database and no key writes it. `more` are the fields of the fact.
pub fn forged(is_postgres: bool, at: Timestamp, by: &Actor, kind: &str, more: &str) -> String {
    let rest = format!(r#","at":{},"actor":{},"kind":"{kind}",{more}}}"#, at.0, serde_json::to_string(by).unwrap());
    let entry: Entry = serde_json::from_str(&format!(r#"{{"seq":0{rest}"#)).unwrap();
    let body = format!(r#"'{{"seq":' || n || '{}'"#, rest.replace('\'', "''"));
    let body = if is_postgres { format!("convert_to({body}, 'UTF8')") } else { format!("CAST({body} AS BLOB)") };
    let column = |id: Option<&str>| id.map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
    let columns = [entry.fact.session().map(|id| id.as_str()), entry.fact.plan().map(|id| id.as_str()), by.person.as_ref().map(|id| id.as_str())].map(column).join(", ");
    format!("INSERT INTO log (seq, at, kind, session, plan, person, body) SELECT n, {}, '{kind}', {columns}, {body} FROM (SELECT MAX(seq) + 1 AS n FROM log) AS next;", at.0)
}

/// Fields of a hold over everything.
pub fn spoilt_hold(reason: &str) -> String {
    format!(r#""hold":"{}","scope":{{"of":"everything"}},"about":"","basis":"own","case_number":"院内-7","reason":"{reason}","until":null"#, HoldId::from_random([5; 10]))
}

/// The box was stopped while somebody wrote this entry.
async fn forge(ward: &mut Ward, is_postgres: bool, kind: &str, more: &str) {
    ward.store.close().await.unwrap();
    let text = forged(is_postgres, ward.clock.now(), &ward.planner, kind, more);
    if is_postgres { ward.db().sql(&text) } else { sql_beside(&ward.dir, &text) }
    ward.store = Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
}

async fn worked(ward: &Ward) -> SessionId {
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    let session = admission.session.clone();
    shell(&admission);
    admission.recording.append(1, Event::Command("systemctl restart ehr")).unwrap();
    ward.left(admission, Cause::Closed).await;
    session
}

async fn round(ward: &Ward) {
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    ward.store.publish().await.unwrap();
}

async fn doubted(ward: &Ward) -> Vec<u64> {
    ward.store.doubted(&ward.planner).await.unwrap().map(|state| state.entries.iter().map(|entry| entry.seq).collect()).unwrap_or_default()
}

async fn asked(ward: &Ward) -> u64 {
    ward.store.doubted(&ward.planner).await.unwrap().unwrap().wish.unwrap().seq
}

async fn two_persons_let_deleting_go_on_and_another_unsigned_entry_stops_it_again(base: Base) {
    let is_postgres = base.db.is_some();
    let mut ward = Ward::over(base).await;
    let chief = chief(&ward);
    let first = ward.entered().await;
    let session = first.session.clone();
    shell(&first);
    ward.left(first, Cause::Closed).await;
    let later = worked(&ward).await;
    round(&ward).await;
    ward.clock.pass(DAY * 400);
    assert!(ward.store.doubted(&ward.planner).await.unwrap().is_none());
    assert_eq!(refused(ward.store.ask_resume(&ward.planner, 3, "調べた").await), Some(Refusal::ChangedMeanwhile), "nothing stopped deleting");
    forge(&mut ward, is_postgres, "hold_placed", &spoilt_hold("x")).await;
    round(&ward).await;
    let kept = |ward: &Ward| ward.recording(&session).is_file() && ward.recording(&later).is_file();
    assert!(kept(&ward) && facts_of(&ward.store, "retention_stopped").await.len() == 1);

    let state = ward.store.doubted(&ward.planner).await.unwrap().unwrap();
    let [seen] = &state.entries[..] else { panic!("{state:?}") };
    assert!(seen.is_in_log && state.more == 0 && state.wish.is_none(), "{state:?}");
    assert!(matches!(&seen.entry.as_ref().unwrap().fact, Fact::HoldPlaced { case_number, .. } if case_number == "院内-7"), "what it says is shown");
    let last = seen.seq;
    for nobody in [&ward.operator, &ward.clerk, &Actor::console()] {
        assert_eq!(refused(ward.store.ask_resume(nobody, last, "ディスクの不足").await), Some(Refusal::NotAllowed), "{nobody:?}");
    }
    assert_eq!(refused(ward.store.ask_resume(&ward.planner, last, " ").await), Some(Refusal::bad_field("reason")));
    assert_eq!(refused(ward.store.ask_resume(&ward.planner, last + 1, "調べた").await), Some(Refusal::ChangedMeanwhile));
    assert_eq!(refused(ward.store.decide_resume(&chief, last, true, "").await), Some(Refusal::NothingAsked));
    ward.store.ask_resume(&ward.planner, last, "保全を指定し直した").await.unwrap();
    let wish = asked(&ward).await;
    assert_eq!(refused(ward.store.decide_resume(&ward.planner, wish, true, "").await), Some(Refusal::SameHand));
    assert_eq!(refused(ward.store.decide_resume(&chief, wish + 1, true, "").await), Some(Refusal::ChangedMeanwhile));
    assert_eq!(refused(ward.store.decide_resume(&ward.operator, wish, true, "").await), Some(Refusal::NotAllowed));
    round(&ward).await;
    assert!(kept(&ward), "one person alone lets nothing go on");

    // Nor does whoever writes the second person's answer into the database.
    forge(&mut ward, is_postgres, "deleting_resumed", &format!(r#""entries":[{last}],"asked_by":"x","reason":"""#)).await;
    let both = doubted(&ward).await;
    assert!(both.len() == 2 && both[0] == last, "{both:?}");
    round(&ward).await;
    assert!(kept(&ward));

    // The wish outlives a restart, and frees what it names.
    assert!(!ward.store.decide_resume(&chief, wish, true, "同じく確かめた").await.unwrap(), "the other entry stops it still");
    assert_eq!(doubted(&ward).await, both[1..]);
    round(&ward).await;
    assert!(kept(&ward));
    ward.store.ask_resume(&chief, both[1], "これも確かめた").await.unwrap();
    let stale = asked(&ward).await;
    ward.clock.pass(DAY * 14);
    assert!(ward.store.doubted(&ward.planner).await.unwrap().unwrap().wish.is_none());
    assert_eq!(refused(ward.store.decide_resume(&ward.planner, stale, true, "").await), Some(Refusal::NothingAsked), "what was asked 14 days ago lapsed");
    ward.store.ask_resume(&chief, both[1], "これも確かめた").await.unwrap();
    assert!(ward.store.decide_resume(&ward.planner, asked(&ward).await, true, "").await.unwrap());
    ward.store.place_hold(&ward.planner, HoldAsk { scope: HoldScope::Session { session: later.clone() }, basis: HoldBasis::Own, case_number: "院内-7".into(), reason: "x".into(), days: None }).await.unwrap();
    round(&ward).await;
    assert!(!ward.recording(&session).exists() && ward.recording(&later).is_file(), "what is due goes, and what is held anew stays");
    ward.store.raise_due().await.unwrap();
    let raised: Vec<String> = ward.facts("alarm_raised").await.into_iter().filter_map(|entry| if let Fact::AlarmRaised { text, .. } = entry.fact { Some(text) } else { None }).collect();
    assert!(raised.iter().any(|text| text.contains("Deleting goes on") && text.contains(&chief.name)), "{raised:?}");

    // What was agreed to stands after a restart, and frees no entry that comes later.
    ward.store.lift_hold(&chief, &ward.store.holds(&chief).await.unwrap()[0].id, "済", "").await.unwrap();
    let stopped = facts_of(&ward.store, "retention_stopped").await.len();
    forge(&mut ward, is_postgres, "recording_deleted", &format!(r#""session":"{later}","digest":"00","bytes":1,"class":"recordings","days":365,"ended":0"#)).await;
    assert_eq!(doubted(&ward).await.len(), 1);
    ward.clock.pass(DAY * 20);
    round(&ward).await;
    assert!(ward.recording(&later).is_file());
    assert_eq!(facts_of(&ward.store, "retention_stopped").await.len(), stopped + 1, "and it is told again");
    let verdict = ward.store.verify_now().await.unwrap();
    let unsigned = verdict.findings.iter().filter(|finding| finding.code == "decisive-unsigned").count();
    assert_eq!(unsigned, 3, "all of them stay errors: {verdict}");
}

async fn a_wish_that_was_taken_back_or_declined_lets_nothing_go_on(base: Base) {
    let is_postgres = base.db.is_some();
    let mut ward = Ward::over(base).await;
    let chief = chief(&ward);
    round(&ward).await;
    forge(&mut ward, is_postgres, "hold_lifted", &format!(r#""hold":"{}","reason":"x""#, HoldId::from_random([5; 10]))).await;
    let last = doubted(&ward).await[0];
    for decider in [ward.planner.clone(), chief.clone()] {
        ward.store.ask_resume(&ward.planner, last, "調べた").await.unwrap();
        assert!(!ward.store.decide_resume(&decider, asked(&ward).await, false, "まだ調べる").await.unwrap());
        assert_eq!(refused(ward.store.decide_resume(&chief, last + 1, true, "").await), Some(Refusal::NothingAsked));
    }
    assert_eq!(ward.facts("deleting_declined").await.len(), 2);
    assert_eq!(doubted(&ward).await, [last]);
    // Who asks anew takes the place of who asked before: the first one may agree then.
    ward.store.ask_resume(&ward.planner, last, "調べた").await.unwrap();
    ward.store.ask_resume(&chief, last, "調べた").await.unwrap();
    assert_eq!(refused(ward.store.decide_resume(&chief, asked(&ward).await, true, "").await), Some(Refusal::SameHand));
    assert!(ward.store.decide_resume(&ward.planner, asked(&ward).await, true, "").await.unwrap());
}

/// Rows that tell another story than the log are another stop, which no two persons lift.
#[tokio::test]
async fn rows_that_were_changed_stop_deleting_whatever_two_persons_agreed() {
    let mut ward = Ward::over(Base::postgres()).await;
    let chief = chief(&ward);
    let first = ward.entered().await;
    let session = first.session.clone();
    shell(&first);
    ward.left(first, Cause::Closed).await;
    round(&ward).await;
    let early = HoldScope::Period { from: Timestamp(0), until: Timestamp(1) };
    ward.store.place_hold(&ward.planner, HoldAsk { scope: early, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: "x".into(), days: None }).await.unwrap();
    ward.clock.pass(DAY * 400);
    forge(&mut ward, true, "hold_placed", &spoilt_hold("x")).await;
    let last = doubted(&ward).await[0];
    ward.db().sql(&format!("UPDATE log SET kind = 'x' WHERE kind = 'hold_placed' AND seq < {last}"));
    ward.store.ask_resume(&ward.planner, last, "調べた").await.unwrap();
    ward.store.decide_resume(&chief, asked(&ward).await, true, "").await.unwrap();
    round(&ward).await;
    assert!(ward.recording(&session).is_file() && doubted(&ward).await.is_empty());
    let told = facts_of(&ward.store, "retention_stopped").await;
    assert!(told.iter().any(|entry| matches!(&entry.fact, Fact::RetentionStopped { cause: Some(StopCause::Holds), .. })), "{told:?}");
    ward.db().sql(&format!("UPDATE log SET kind = 'hold_placed' WHERE kind = 'x' AND seq < {last}"));
    round(&ward).await;
    assert!(!ward.recording(&session).exists());
}

/// What an unsigned entry said when it was found may be changed once more, so that it looks harmless.
#[tokio::test]
async fn an_unsigned_entry_whose_row_was_changed_again_is_shown_as_such() {
    let mut ward = Ward::over(Base::postgres()).await;
    round(&ward).await;
    forge(&mut ward, true, "hold_placed", &spoilt_hold("患者からの申出")).await;
    ward.store.publish().await.unwrap();
    let last = doubted(&ward).await[0];
    ward.db().sql(&format!("UPDATE log SET body = convert_to(replace(convert_from(body, 'UTF8'), '患者からの申出', 'テスト'), 'UTF8') WHERE seq = {last}"));
    let state = ward.store.doubted(&ward.planner).await.unwrap().unwrap();
    assert!(!state.entries[0].is_in_log, "{state:?}");
}
