//! Command rules: kept by administrators, sealed, in force for who enters; and what happens to a command that one names.

use super::base::{Base, on_both};
use super::ward::Ward;
use sekisho_core::command::{CommandRule, RuleAct, sets};
use sekisho_core::control::Control;
use sekisho_core::desk::{Admission, Cause, Desk, RuledCommand};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::TargetClass;
use sekisho_store::{Denied, RulesChange};
use std::time::Duration;

on_both!(
    rules_are_kept_by_administrators_and_hold_for_who_enters,
    notes_and_alerts_pass_and_an_alert_stands_until_it_was_seen,
    a_held_command_waits_for_a_person_of_the_hospital,
    a_command_that_nobody_decides_on_is_refused,
    a_command_that_is_given_up_waits_no_more,
);

fn rule(pattern: &str, act: RuleAct) -> CommandRule {
    CommandRule { pattern: pattern.to_owned(), act, reason: "理由".to_owned() }
}

fn refused<T>(done: Result<T, Denied>) -> Refusal {
    match done {
        Err(Denied::Refusal(refusal)) => refusal,
        Err(Denied::Fault(fault)) => panic!("{fault}"),
        Ok(_) => panic!("it was not refused"),
    }
}

fn ruled(act: RuleAct, line: &str) -> RuledCommand {
    RuledCommand { channel: 1, line: line.to_owned(), act, reason: "理由".to_owned() }
}

/// A worker of a vendor who would decide on the own commands.
fn worker(ward: &Ward) -> Actor {
    ward.worker_actor()
}

async fn rules_are_kept_by_administrators_and_hold_for_who_enters(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let all = store.command_rules(&ward.operator).await.unwrap();
    assert!(all.iter().all(|kept| kept.version == 0 && kept.rules == sets::basic(kept.class)), "the basic rules hold before anybody decided");
    assert_eq!(refused(store.change_rules(&ward.operator, TargetClass::Linux, 0, RulesChange::Clear).await), Refusal::NotAllowed);
    assert_eq!(refused(store.command_rules(&worker(&ward)).await), Refusal::NotAllowed);
    let admin = Actor::console();
    let kept = store.change_rules(&admin, TargetClass::Linux, 0, RulesChange::Add(rule("systemctl stop", RuleAct::Hold), Some(0))).await.unwrap();
    assert_eq!((kept.version, kept.rules[0].pattern.as_str()), (1, "systemctl stop"));
    assert_eq!(refused(store.change_rules(&admin, TargetClass::Linux, 0, RulesChange::Clear).await), Refusal::ChangedMeanwhile);
    assert_eq!(refused(store.change_rules(&admin, TargetClass::Linux, 1, RulesChange::Add(rule(" ", RuleAct::Hold), None)).await), Refusal::bad_field("rules.pattern"));
    assert_eq!(refused(store.change_rules(&admin, TargetClass::Linux, 1, RulesChange::Remove(999)).await), Refusal::NotFound);
    let kept = store.change_rules(&admin, TargetClass::Linux, 1, RulesChange::Move(0, 1)).await.unwrap();
    assert_eq!(kept.rules[1].pattern, "systemctl stop");
    let kept = store.change_rules(&admin, TargetClass::Linux, 2, RulesChange::Whole).await.unwrap();
    assert_eq!(kept.rules, sets::whole(TargetClass::Linux));
    // It is there after a new start, and in the grant of whoever enters.
    let ward = ward.restarted().await;
    let admission = ward.entered().await;
    assert_eq!(admission.grant.rules, sets::whole(TargetClass::Linux));
    let told = ward.facts("rules_kept").await.into_iter().filter_map(|entry| match entry.fact {
        Fact::RulesKept { change, pattern, rules, .. } => Some((change, pattern, rules)),
        _ => None,
    });
    let told: Vec<(String, String, usize)> = told.collect();
    let basic = sets::basic(TargetClass::Linux).len();
    assert_eq!(told, [
        ("added".to_owned(), "systemctl stop".to_owned(), basic + 1),
        ("moved".to_owned(), "systemctl stop".to_owned(), basic + 1),
        ("whole".to_owned(), String::new(), sets::whole(TargetClass::Linux).len()),
    ]);
}

/// What was done to sessions.
async fn facts(ward: &Ward) -> Vec<Fact> {
    ward.facts("controlled").await.into_iter().map(|entry| entry.fact).collect()
}

#[tokio::test]
async fn a_row_of_rules_that_somebody_else_touched_lets_nobody_in() {
    let ward = Ward::over(Base::postgres()).await;
    ward.store.change_rules(&Actor::console(), TargetClass::Linux, 0, RulesChange::Whole).await.unwrap();
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    for sql in [r#"UPDATE command_rules SET body = '{"class":"linux","rules":[],"version":1}'"#, "DELETE FROM command_rules"] {
        ward.db().sql(sql);
        assert!(ward.try_enter(&principal).await.is_err(), "{sql}");
        assert!(matches!(ward.store.command_rules(&ward.operator).await, Err(Denied::Fault(_))), "{sql}");
    }
}

/// Whoever decides on a plan is told what it takes away from the hospital's rules; the vendor is not told those rules.
#[tokio::test]
async fn the_hospital_is_told_which_rules_a_plan_loosens() {
    let ward = Ward::new().await;
    ward.store.change_rules(&Actor::console(), TargetClass::Linux, 0, RulesChange::All(vec![rule("rm", RuleAct::Refuse), rule("su", RuleAct::Note)])).await.unwrap();
    let mut content = ward.content();
    content.rules = vec![rule("*", RuleAct::Note)];
    let plan = ward.approved(content).await;
    let told = ward.store.plan(&ward.operator, &plan.id).await.unwrap().loosened;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].pattern.as_str(), told[0].act, told[0].by.as_str(), told[0].to), ("rm", RuleAct::Refuse, "*", RuleAct::Note));
    assert!(ward.store.plan(&worker(&ward), &plan.id).await.unwrap().loosened.is_empty());
}

async fn notes_and_alerts_pass_and_an_alert_stands_until_it_was_seen(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    store.command(&session, ruled(RuleAct::Note, "rm a")).await.unwrap();
    store.command(&session, ruled(RuleAct::Alert, "rm b")).await.unwrap();
    assert_eq!(store.command(&session, ruled(RuleAct::Refuse, "rm c")).await, Err(Refusal::CommandRefused { reason: "理由".into() }));
    let rulings: Vec<(RuleAct, String)> = facts(&ward).await.into_iter().filter_map(|fact| match fact {
        Fact::Controlled { control: Control::Ruled { act, line, hold: 0, .. }, .. } => Some((act, line)),
        _ => None,
    }).collect();
    assert_eq!(rulings, [(RuleAct::Note, "rm a".to_owned()), (RuleAct::Alert, "rm b".to_owned()), (RuleAct::Refuse, "rm c".to_owned())]);
    let alerts = store.alerts(&ward.operator).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert!(matches!(&alerts[0].control, Control::Ruled { line, .. } if line == "rm b"));
    assert_eq!(refused(store.alerts(&worker(&ward)).await), Refusal::NotAllowed);
    assert_eq!(refused(store.see_alert(&worker(&ward), alerts[0].n).await), Refusal::NotAllowed);
    store.leave(&session, admission.recording, Cause::Closed).await;
    // It outlives its session, and one look is enough.
    assert_eq!(store.alerts(&ward.operator).await.unwrap().len(), 1);
    store.see_alert(&ward.operator, alerts[0].n).await.unwrap();
    assert_eq!(refused(store.see_alert(&ward.operator, alerts[0].n).await), Refusal::NotFound);
    assert!(store.alerts(&ward.operator).await.unwrap().is_empty());
    assert!(matches!(&ward.facts("alert_seen").await[..], [entry] if matches!(&entry.fact, Fact::AlertSeen { text, .. } if text == "rm b")));
    assert_eq!(store.command(&session, ruled(RuleAct::Note, "rm d")).await, Err(Refusal::Cut), "a session that ended has no commands");
}

/// A command that waits, and its number.
async fn held(ward: &Ward, session: &SessionId, line: &str) -> (tokio::task::JoinHandle<Result<(), Refusal>>, u32) {
    let (store, of, command) = (ward.store.clone(), session.clone(), ruled(RuleAct::Hold, line));
    let waiting = tokio::spawn(async move { store.command(&of, command).await });
    for _ in 0..400 {
        let rows = ward.store.held_commands(&ward.operator).await.unwrap();
        if let Some(row) = rows.iter().find(|row| row.held.line == line && row.session == *session) {
            return (waiting, row.held.hold);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{line} does not wait");
}

async fn a_held_command_waits_for_a_person_of_the_hospital(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission: Admission = ward.entered().await;
    let session = admission.session.clone();
    let (waiting, hold) = held(&ward, &session, "reboot").await;
    assert_eq!(refused(store.decide_command(&worker(&ward), &session, hold, true).await), Refusal::NotAllowed);
    let auditor = Actor { roles: [Role::Auditor].into(), ..ward.operator.clone() };
    assert_eq!(refused(store.decide_command(&auditor, &session, hold, true).await), Refusal::NotAllowed, "who audits does not decide");
    assert!(!waiting.is_finished());
    store.decide_command(&ward.operator, &session, hold, true).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(refused(store.decide_command(&ward.operator, &session, hold, false).await), Refusal::NotFound, "it is decided once");
    let (waiting, hold) = held(&ward, &session, "halt").await;
    store.decide_command(&ward.clerk, &session, hold, false).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(Refusal::CommandDenied { reason: "理由".into() }));
    assert!(store.held_commands(&ward.operator).await.unwrap().is_empty());
    let decided: Vec<(String, bool)> = facts(&ward).await.into_iter().filter_map(|fact| match fact {
        Fact::Controlled { control: Control::Decided { by, allowed, .. }, .. } => Some((by, allowed)),
        _ => None,
    }).collect();
    assert_eq!(decided, [(ward.operator.name.clone(), true), (ward.clerk.name.clone(), false)]);
    store.leave(&session, admission.recording, Cause::Closed).await;
}

async fn a_command_that_nobody_decides_on_is_refused(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let (waiting, hold) = held(&ward, &session, "reboot").await;
    ward.clock.pass(Duration::from_secs(limits::HOLD_SECONDS as u64 + 1));
    assert_eq!(waiting.await.unwrap(), Err(Refusal::CommandUndecided { reason: "理由".into() }));
    assert_eq!(refused(ward.store.decide_command(&ward.operator, &session, hold, true).await), Refusal::NotFound);
    assert!(facts(&ward).await.iter().any(|fact| matches!(fact, Fact::Controlled { control: Control::Decided { by, allowed: false, .. }, .. } if by == "Sekisho")));
    drop(admission);
}

async fn a_command_that_is_given_up_waits_no_more(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let (waiting, hold) = held(&ward, &session, "reboot").await;
    waiting.abort();
    let _ = waiting.await;
    assert!(ward.store.held_commands(&ward.operator).await.unwrap().is_empty());
    assert_eq!(refused(ward.store.decide_command(&ward.operator, &session, hold, true).await), Refusal::NotFound);
    drop(admission);
}
