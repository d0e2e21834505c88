//! Control of running sessions: who may, what stands in log and recording, what reaches the gateway, and the witness.

use super::base::{Base, on_both};
use super::ward::{Ward, recalled, until};
use sekisho_core::control::{Control, Standstill};
use sekisho_core::desk::{Admission, Cause, Desk, Recall, RecallWord, RefusedAsk};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::plan::content::PlanContent;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Witness;
use sekisho_store::{Denied, Done, ViewEvent};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

on_both! {
    a_pause_is_a_fact_stands_in_the_recording_and_outlasts_whoever_pressed,
    a_rule_of_the_box_pauses_and_alerts_and_a_person_lets_it_go_on,
    one_act_pauses_every_connection_of_a_plan,
    nobody_else_takes_the_reins_and_nothing_grows_without_end,
    a_witness_starts_the_session_and_the_last_one_who_leaves_freezes_it,
    who_cannot_be_a_witness_starts_nothing_and_silence_is_absence,
    a_log_that_cannot_be_written_pauses_all_the_same_and_lets_nothing_go_on,
    marks_are_set_live_and_afterwards_and_the_seal_holds,
}

const SOON: Duration = Duration::from_secs(5);

fn refused<T>(done: Done<T>) -> Option<Refusal> {
    match done {
        Ok(_) => None,
        Err(Denied::Refusal(refusal)) => Some(refusal),
        Err(Denied::Fault(fault)) => panic!("a fault: {fault}"),
    }
}

async fn word(recalls: &mut Receiver<Recall>) -> RecallWord {
    recalled(recalls, SOON).await.word
}

async fn witnessed(ward: &Ward, witness: Witness) -> Admission {
    ward.approved(PlanContent { witness, ..ward.content() }).await;
    let principal = ward.principal().await;
    ward.try_enter(&principal).await.unwrap()
}

async fn controls(ward: &Ward) -> Vec<(String, Control)> {
    let facts = ward.facts("controlled").await;
    facts.into_iter().filter_map(|entry| if let Fact::Controlled { control, .. } = entry.fact { Some((entry.actor.login, control)) } else { None }).collect()
}

fn named(controls: &[(String, Control)]) -> Vec<(&str, &str)> {
    controls.iter().map(|(login, control)| (login.as_str(), control.name())).collect()
}

async fn replayed(ward: &Ward, session: &sekisho_core::ids::SessionId) -> Vec<Control> {
    let mut replay = ward.store.replay(&ward.operator, session).await.unwrap();
    let mut found = Vec::new();
    while let Some(event) = replay.next().await {
        if let ViewEvent::Control { control, .. } = event.unwrap() {
            found.push(control);
        }
    }
    found
}

async fn a_pause_is_a_fact_stands_in_the_recording_and_outlasts_whoever_pressed(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    assert_eq!(admission.standstill, Standstill::None);
    let session = admission.session.clone();
    let mut recalls = ward.store.recalls();
    let watch = ward.store.watch(&ward.clerk, &session).await.unwrap();
    ward.store.pause(&ward.clerk, &session, "手術が始まる").await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::Paused));
    assert_eq!(word(&mut recalls).await, RecallWord::Say("toda: 手術が始まる".into()));
    drop(watch);
    // A second press changes nothing, and the pause does not go with the one who pressed.
    ward.store.pause(&ward.operator, &session, "").await.unwrap();
    let standing = ward.store.standing(&ward.operator, &session).await.unwrap().unwrap();
    assert_eq!((standing.state, standing.paused.unwrap().by.as_str()), (Standstill::Paused, "toda"));
    let rows = ward.store.sessions(&ward.worker_actor(), &Default::default()).await.unwrap().rows;
    assert_eq!(rows[0].standing.as_ref().unwrap().state, Standstill::Paused, "the worker's list does not show it");
    ward.store.say(&ward.operator, &session, "あと 5 分です").await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Say("ono: あと 5 分です".into()));
    ward.store.chat(&ward.worker_actor(), &session, "了解しました").await.unwrap();
    ward.store.chat(&ward.clerk, &session, "ありがとう").await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Say("toda: ありがとう".into()), "the worker's own line came back to the terminal");
    ward.store.resume(&ward.operator, &session).await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    let written = controls(&ward).await;
    let order = [("toda", "paused"), ("ono", "said"), ("sato", "chat"), ("toda", "chat"), ("ono", "resumed")];
    assert_eq!(named(&written), order);
    let talk = ward.store.talk(&ward.worker_actor(), &session).await.unwrap();
    assert_eq!(talk.len(), order.len());
    ward.left(admission, Cause::Closed).await;
    assert_eq!(replayed(&ward, &session).await, written.into_iter().map(|(_, control)| control).collect::<Vec<_>>(), "log and recording differ");
    assert_eq!(refused(ward.store.pause(&ward.clerk, &session, "").await), Some(Refusal::NotFound));
    assert!(ward.store.standing(&ward.operator, &session).await.unwrap().is_none());
}

async fn one_act_pauses_every_connection_of_a_plan(base: Base) {
    let ward = Ward::over(base).await;
    let first = ward.entered().await;
    let principal = ward.principal().await;
    let second = ward.try_enter(&principal).await.unwrap();
    assert_ne!(first.session, second.session);
    ward.store.pause(&ward.clerk, &first.session, "先に止めた").await.unwrap();
    let stands = |session: sekisho_core::ids::SessionId| {
        let ward = &ward;
        async move { ward.store.standing(&ward.operator, &session).await.unwrap().unwrap().state }
    };
    assert_eq!(stands(second.session.clone()).await, Standstill::None, "a pause holds one connection alone");
    assert_eq!(refused(ward.store.pause_plan_of(&ward.worker_actor(), &first.session, "").await), Some(Refusal::NotAllowed));
    ward.store.pause_plan_of(&ward.operator, &first.session, "手術が始まる").await.unwrap();
    assert_eq!(stands(second.session.clone()).await, Standstill::Paused);
    // One fact for each connection that the act stopped, and none for the one that stood still already.
    assert_eq!(named(&controls(&ward).await), [("toda", "paused"), ("ono", "paused")]);
    ward.store.resume(&ward.operator, &second.session).await.unwrap();
    assert_eq!(stands(first.session.clone()).await, Standstill::Paused, "each connection goes on by itself");
    ward.left(second, Cause::Closed).await;
    // The plan is named by a connection that runs; one that is over names none.
    let over = first.session.clone();
    ward.left(first, Cause::Closed).await;
    assert_eq!(refused(ward.store.pause_plan_of(&ward.operator, &over, "").await), Some(Refusal::NotFound));
}

async fn nobody_else_takes_the_reins_and_nothing_grows_without_end(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let worker = ward.worker_actor();
    for refusal in [
        refused(ward.store.pause(&worker, &session, "").await),
        refused(ward.store.resume(&worker, &session).await),
        refused(ward.store.say(&worker, &session, "x").await),
        refused(ward.store.mark(&worker, &session, "x").await),
        refused(ward.store.watch(&worker, &session).await),
    ] {
        assert_eq!(refusal, Some(Refusal::NotAllowed));
    }
    assert!(controls(&ward).await.is_empty());
    let long = "あ".repeat(limits::LINE_CHARS + 1);
    for text in ["", "   ", "a\u{1b}[2J", "a\u{202e}b", long.as_str()] {
        assert_eq!(refused(ward.store.say(&ward.operator, &session, text).await), Some(Refusal::bad_field("text")), "{text:?}");
    }
    assert_eq!(refused(ward.store.pause(&ward.operator, &session, &long).await), Some(Refusal::bad_field("reason")));
    for _ in 0..limits::CHAT_A_MINUTE {
        ward.store.chat(&worker, &session, "もしもし").await.unwrap();
    }
    assert_eq!(refused(ward.store.chat(&worker, &session, "もしもし").await), Some(Refusal::too_many("CHAT_A_MINUTE")));
    ward.store.chat(&ward.operator, &session, "はい").await.unwrap();
    ward.clock.pass(Duration::from_secs(61));
    ward.store.chat(&worker, &session, "もしもし").await.unwrap();
    ward.left(admission, Cause::Closed).await;
}

async fn a_witness_starts_the_session_and_the_last_one_who_leaves_freezes_it(base: Base) {
    let ward = Ward::over(base).await;
    let admission = witnessed(&ward, Witness::Watch).await;
    let session = admission.session.clone();
    assert_eq!(admission.standstill, Standstill::NoWitness, "it began without a witness");
    let mut recalls = ward.store.recalls();
    let clerk = ward.store.watch(&ward.clerk, &session).await.unwrap();
    // The page is open, but nobody was seen before it.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(recalls.try_recv().is_err(), "an open page alone let it begin");
    assert!(controls(&ward).await.is_empty());
    clerk.here();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    assert_eq!(named(&controls(&ward).await), [("toda", "witness_came")], "it went on before the coming was in the log");
    assert!(clerk.standing().unwrap().watchers.iter().any(|watcher| watcher.name == "toda" && watcher.witness));

    let operator = ward.store.watch(&ward.operator, &session).await.unwrap();
    operator.here();
    until("the second witness is seen", || operator.standing().unwrap().watchers.iter().filter(|watcher| watcher.witness).count() == 2).await;
    drop(clerk);
    until("one witness is left", || operator.standing().unwrap().watchers.len() == 1).await;
    assert!(recalls.try_recv().is_err(), "it froze although one witness is left");
    // Paused by a person AND without a witness: it goes on only when neither is left.
    ward.store.pause(&ward.operator, &session, "").await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::Paused));
    drop(operator);
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::NoWitness));
    ward.store.resume(&ward.operator, &session).await.unwrap();
    assert!(recalls.try_recv().is_err(), "a resume let it go on without a witness");
    let again = ward.store.watch(&ward.operator, &session).await.unwrap();
    again.here();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    drop(again);
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::NoWitness));
    for _ in 0..200 {
        if controls(&ward).await.len() == 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let written = controls(&ward).await;
    let order = ["witness_came", "witness_came", "witness_left", "paused", "witness_left", "resumed", "witness_came", "witness_left"];
    // A going is written after the session stands still, so it may follow what was done at the same moment.
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(written.iter().map(|(_, control)| control.name()).collect()), sorted(order.to_vec()));
    ward.left(admission, Cause::Closed).await;
    assert_eq!(replayed(&ward, &session).await.len(), order.len());
}

async fn who_cannot_be_a_witness_starts_nothing_and_silence_is_absence(base: Base) {
    let ward = Ward::over(base).await;
    let admission = witnessed(&ward, Witness::Step).await;
    let session = admission.session.clone();
    let mut recalls = ward.store.recalls();
    // Somebody with the right to watch who belongs to no hospital.
    let outsider = Actor { vendor: Some(ward.vendor.id.clone()), ..ward.clerk.clone() };
    assert!(ward.store.watch(&outsider, &session).await.is_err());
    assert!(ward.store.watch(&Actor::console(), &session).await.is_err());
    let clerk = ward.store.watch(&ward.clerk, &session).await.unwrap();
    clerk.here();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    ward.clock.pass(Duration::from_secs(limits::WITNESS_LOST_SECONDS as u64 - 1));
    clerk.here();
    ward.clock.pass(Duration::from_secs(limits::WITNESS_LOST_SECONDS as u64 - 1));
    assert_eq!(clerk.standing().unwrap().state, Standstill::None);
    ward.clock.pass(Duration::from_secs(2));
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::NoWitness), "a page without a sign still counted");
    clerk.here();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    ward.left(admission, Cause::Closed).await;
}

async fn a_log_that_cannot_be_written_pauses_all_the_same_and_lets_nothing_go_on(base: Base) {
    let ward = Ward::over(base).await;
    let admission = witnessed(&ward, Witness::Watch).await;
    let session = admission.session.clone();
    let mut recalls = ward.store.recalls();
    let clerk = ward.store.watch(&ward.clerk, &session).await.unwrap();
    let operator = ward.store.watch(&ward.operator, &session).await.unwrap();
    clerk.here();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    ward.store.faults().fail_each(sekisho_store::faults::Write::Sql);
    assert!(ward.store.pause(&ward.operator, &session, "").await.is_err());
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::Paused), "the pause waited for the log");
    drop(clerk);
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::NoWitness), "the freeze waited for the log");
    assert!(ward.store.resume(&ward.operator, &session).await.is_err());
    operator.here();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(recalls.try_recv().is_err(), "it went on without an entry in the log");
    ward.store.faults().clear();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::Paused), "the witness is written down once the log works again");
    ward.store.resume(&ward.operator, &session).await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    let names: Vec<&str> = controls(&ward).await.iter().map(|(_, control)| control.name()).collect();
    assert_eq!(names.iter().filter(|name| **name == "witness_left").count(), 1, "the going was lost: {names:?}");
    ward.left(admission, Cause::Closed).await;
}

async fn marks_are_set_live_and_afterwards_and_the_seal_holds(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    ward.store.mark(&ward.clerk, &session, "再起動の前").await.unwrap();
    assert_eq!(refused(ward.store.mark_afterwards(&ward.operator, &session, 0, "早い").await), Some(Refusal::SessionRunning));
    ward.clock.pass(Duration::from_secs(60));
    ward.left(admission, Cause::Closed).await;
    let sealed = std::fs::read(ward.recording(&session)).unwrap();
    ward.store.mark_afterwards(&ward.operator, &session, 30_000, "ここで設定を変えた").await.unwrap();
    ward.store.mark_afterwards(&ward.operator, &session, 5_000, "最初の確認").await.unwrap();
    assert_eq!(refused(ward.store.mark_afterwards(&ward.clerk, &session, 0, "当直").await), Some(Refusal::NotAllowed), "who may not view the recording marked it");
    assert_eq!(refused(ward.store.mark_afterwards(&ward.operator, &session, 3_600_000, "外").await), Some(Refusal::bad_field("at")));
    let marks = ward.store.marks(&ward.operator, &session).await.unwrap();
    assert_eq!(marks.iter().map(|mark| (mark.at_ms, mark.text.as_str())).collect::<Vec<_>>(), [(5_000, "最初の確認"), (30_000, "ここで設定を変えた")]);
    assert_eq!(ward.facts("marked").await.len(), 2);
    assert_eq!(replayed(&ward, &session).await.len(), 1);
    assert!(std::fs::read(ward.recording(&session)).unwrap() == sealed, "a mark changed the sealed recording");
    assert_eq!(ward.store.session(&ward.operator, &session).await.unwrap().recording.verified, Some(true));
}

async fn a_rule_of_the_box_pauses_and_alerts_and_a_person_lets_it_go_on(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let mut recalls = ward.store.recalls();
    Desk::pause(&ward.store, &session, "出力の量が上限を超えました").await;
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::Paused));
    let standing = ward.store.standing(&ward.operator, &session).await.unwrap().unwrap();
    assert_eq!((standing.state, standing.paused.unwrap().by.as_str()), (Standstill::Paused, "Sekisho"));
    ward.store.resume(&ward.operator, &session).await.unwrap();
    assert_eq!(word(&mut recalls).await, RecallWord::Stand(Standstill::None));
    // Another volume later it stands still again; while a person holds it, only the alert is added.
    ward.store.pause(&ward.clerk, &session, "").await.unwrap();
    Desk::pause(&ward.store, &session, "また").await;
    assert_eq!(named(&controls(&ward).await).iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["alert", "paused", "resumed", "paused", "alert"]);
    let written = controls(&ward).await;
    ward.left(admission, Cause::Closed).await;
    assert_eq!(replayed(&ward, &session).await.len(), written.len());
    // Before there is a session, a refusal stands with the login.
    let principal = ward.principal().await;
    let ask = RefusedAsk { ask: "tcpip-forward 0.0.0.0:80".into(), refusal: Refusal::ForwardingRefused };
    Desk::refused_before(&ward.store, &principal, "ehr-db01", ask).await;
    let facts = ward.facts("refused").await;
    let told = |entry: &&sekisho_core::facts::Entry| matches!(&entry.fact, Fact::Refused { code, detail, .. } if code == "SKS-4009" && detail.contains("tcpip-forward"));
    assert_eq!(facts.iter().filter(told).count(), 1);
}
