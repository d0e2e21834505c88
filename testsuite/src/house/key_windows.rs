//! Key windows: a registered key alone opens sessions for minutes, and only where everything agrees.

use super::base::{Base, on_both};
use super::ward::{Ward, WORKER_KEY, shell, source};
use sekisho_core::desk::{Cause, Desk, Entry};
use sekisho_core::key_window::KeyWindow;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::content::PlanContent;
use sekisho_core::reconcile::{Item, Verdict};
use sekisho_core::refusal::Refusal;
use sekisho_store::{Denied, Done, KeyWindowAsk, PersonChange};
use std::net::IpAddr;
use std::time::Duration;

const OTHER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBR1mgFJZaHMzkr6dGHI1OZkYz2OQrzMTWdUBQMoqiDu";

on_both! {
    an_open_window_lets_the_key_in_without_a_prompt_and_the_log_tells_it,
    any_other_key_address_target_or_name_is_not_let_in,
    a_window_ends_by_time_by_its_worker_and_by_the_hospital,
    a_disabled_worker_and_a_withdrawn_plan_are_not_let_in,
    a_key_that_was_removed_is_not_let_in,
    neither_plan_nor_policy_without_the_switch_opens_one,
    windows_and_what_they_let_in_are_counted,
    a_window_never_outlives_the_plans_own,
    others_neither_see_nor_close_it,
}

/// A ward whose worker has a key, and an approved plan whose switch stands as given.
async fn ready(base: Base, allowed: bool) -> (Ward, Plan) {
    let ward = Ward::over(base).await;
    ward.store.add_key(&ward.worker_actor(), &format!("{WORKER_KEY} laptop")).await.unwrap();
    let plan = ward.approved(keyed(&ward, allowed)).await;
    (ward, plan)
}

fn keyed(ward: &Ward, allowed: bool) -> PlanContent {
    let mut content = ward.content();
    content.targets[0].key_window = allowed;
    content
}

async fn ask(ward: &Ward, plan: &Plan, minutes: u32) -> Done<KeyWindow> {
    let key = ward.store.my_keys(&ward.worker_actor()).await.unwrap().remove(0).id;
    ward.store.open_key_window(&ward.worker_actor(), KeyWindowAsk { plan: plan.id.clone(), target: ward.target.id.clone(), key, minutes }).await
}

async fn lets_in(ward: &Ward) -> bool {
    ward.store.key_window("sato", &sekisho_core::desk::Arrival::plain(source()), WORKER_KEY, "ehr-db01").await.is_some()
}

fn refusal<T>(done: Done<T>) -> Refusal {
    match done {
        Err(Denied::Refusal(refusal)) => refusal,
        Err(Denied::Fault(fault)) => panic!("{fault}"),
        Ok(_) => panic!("it was allowed"),
    }
}

async fn an_open_window_lets_the_key_in_without_a_prompt_and_the_log_tells_it(base: Base) {
    let (ward, plan) = ready(base, true).await;
    assert!(!lets_in(&ward).await, "nothing is open before it is opened");
    let window = ask(&ward, &plan, 5).await.unwrap();
    assert_eq!(window.ends_at, window.opened_at.plus(Duration::from_secs(300)));
    let principal = ward.store.key_window("sato", &sekisho_core::desk::Arrival::plain(source()), WORKER_KEY, "ehr-db01").await.unwrap();
    assert_eq!(principal.only(), Some(&ward.target.id));
    let Entry::Open(admission) = ward.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("a choice") };
    shell(&admission);
    let session = ward.left(*admission, Cause::Closed).await;
    assert!(ward.store.session(&ward.operator, &session).await.unwrap().row.facts.key_window);
    assert_eq!((ward.facts("key_window_opened").await.len(), ward.facts("key_window_used").await.len()), (1, 1));
    assert_eq!(ward.facts("identified").await.len(), 0, "no code was given at the gateway");
    // Both sides see it while it is open.
    for actor in [ward.worker_actor(), ward.operator.clone(), ward.clerk.clone()] {
        assert_eq!(ward.store.key_windows(&actor).await.unwrap().len(), 1);
    }
    let plan = ward.store.act_on_plan(&ward.worker_actor(), &plan.id, PlanAct::FinishWork, None).await.unwrap();
    let row = plan.findings.iter().find(|row| row.item == Item::KeyWindow).unwrap();
    assert_eq!((row.verdict, row.planned.as_str()), (Verdict::Match, "allowed"));
}

async fn any_other_key_address_target_or_name_is_not_let_in(base: Base) {
    let (ward, plan) = ready(base, true).await;
    ask(&ward, &plan, 5).await.unwrap();
    ward.store.add_key(&ward.worker_actor(), &format!("{OTHER_KEY} desktop")).await.unwrap();
    let elsewhere = IpAddr::from([10, 20, 0, 6]);
    for (login, from, key, target) in [
        ("sato", elsewhere, WORKER_KEY, "ehr-db01"),
        ("sato", source(), OTHER_KEY, "ehr-db01"),
        ("sato", source(), WORKER_KEY, "ehr-db02"),
        ("ono", source(), WORKER_KEY, "ehr-db01"),
        ("nobody", source(), WORKER_KEY, "ehr-db01"),
        ("sato", source(), "ssh-ed25519 ????", "ehr-db01"),
    ] {
        assert!(ward.store.key_window(login, &sekisho_core::desk::Arrival::plain(from), key, target).await.is_none(), "{login} {from} {key} {target}");
    }
    assert!(lets_in(&ward).await);
    // The proof holds for the one target, also where a plan of the same worker names another.
    let principal = ward.store.key_window("sato", &sekisho_core::desk::Arrival::plain(source()), WORKER_KEY, "ehr-db01").await.unwrap();
    assert!(ward.store.enter(&principal, "no-such-host", None).await.is_err());
}

async fn a_window_ends_by_time_by_its_worker_and_by_the_hospital(base: Base) {
    let (ward, plan) = ready(base, true).await;
    ask(&ward, &plan, 5).await.unwrap();
    ward.clock.pass(Duration::from_secs(299));
    assert!(lets_in(&ward).await);
    ward.clock.pass(Duration::from_secs(1));
    assert!(!lets_in(&ward).await, "its time is over");
    ward.store.run_jobs_once().await.unwrap();
    ward.store.run_jobs_once().await.unwrap();
    assert_eq!(ward.facts("key_window_expired").await.len(), 1);

    for closer in [ward.worker_actor(), ward.clerk.clone()] {
        let window = ask(&ward, &plan, 5).await.unwrap();
        assert!(lets_in(&ward).await);
        ward.store.close_key_window(&closer, &window.id).await.unwrap();
        assert!(!lets_in(&ward).await, "{} closed it", closer.login);
        ward.store.close_key_window(&closer, &window.id).await.unwrap();
    }
    assert_eq!(ward.facts("key_window_closed").await.len(), 2, "closing twice is told once");
}

async fn a_disabled_worker_and_a_withdrawn_plan_are_not_let_in(base: Base) {
    let (ward, plan) = ready(base, true).await;
    ask(&ward, &plan, 5).await.unwrap();
    let change = |active| PersonChange { active, ..PersonChange::of(&ward.worker) };
    ward.store.change_person(&Actor::console(), &ward.worker.id, change(false)).await.unwrap();
    assert!(!lets_in(&ward).await);
    ward.store.change_person(&Actor::console(), &ward.worker.id, change(true)).await.unwrap();
    ward.store.act_on_plan(&ward.planner, &plan.id, PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    assert!(!lets_in(&ward).await);
    assert_eq!(ward.facts("key_window_used").await.len(), 0);
}

async fn a_key_that_was_removed_is_not_let_in(base: Base) {
    let (ward, plan) = ready(base, true).await;
    let window = ask(&ward, &plan, 5).await.unwrap();
    ward.store.remove_key(&ward.worker_actor(), &window.key).await.unwrap();
    assert!(!lets_in(&ward).await);
    // The same key under a new identifier is a new key.
    ward.store.add_key(&ward.worker_actor(), WORKER_KEY).await.unwrap();
    assert!(!lets_in(&ward).await);
}

async fn neither_plan_nor_policy_without_the_switch_opens_one(base: Base) {
    let (ward, without) = ready(base, false).await;
    assert_eq!(refusal(ask(&ward, &without, 5).await), Refusal::KeyWindowOff);
    let with = ward.approved(keyed(&ward, true)).await;
    for minutes in [0, 11, u32::MAX] {
        assert_eq!(refusal(ask(&ward, &with, minutes).await), Refusal::bad_field("minutes"));
    }
    ask(&ward, &with, 5).await.unwrap();
    // The plan that allows it is withdrawn; the one that is left does not.
    ward.store.act_on_plan(&ward.planner, &with.id, PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    assert!(!lets_in(&ward).await);

    let mut base = Base::sqlite();
    base.policy.key_window_minutes = 0;
    let (never, plan) = ready(base, true).await;
    assert_eq!(refusal(ask(&never, &plan, 1).await), Refusal::KeyWindowOff);
}

async fn windows_and_what_they_let_in_are_counted(base: Base) {
    let (ward, plan) = ready(base, true).await;
    for _ in 0..limits::KEY_WINDOWS {
        ask(&ward, &plan, 10).await.unwrap();
    }
    assert_eq!(refusal(ask(&ward, &plan, 10).await), Refusal::too_many("KEY_WINDOWS"));
    for window in ward.store.key_windows(&ward.worker_actor()).await.unwrap().iter().skip(1) {
        ward.store.close_key_window(&ward.worker_actor(), &window.id).await.unwrap();
    }
    for _ in 0..limits::KEY_WINDOW_SESSIONS {
        assert!(lets_in(&ward).await);
    }
    assert!(!lets_in(&ward).await, "it is used up");
}

async fn a_window_never_outlives_the_plans_own(base: Base) {
    let ward = Ward::over(base).await;
    ward.store.add_key(&ward.worker_actor(), WORKER_KEY).await.unwrap();
    let mut content = keyed(&ward, true);
    content.until = sekisho_core::time::Clock::now(&*ward.clock).plus(Duration::from_secs(90));
    let plan = ward.approved(content).await;
    assert_eq!(ask(&ward, &plan, 10).await.unwrap().ends_at, plan.content.until);
    ward.clock.pass(Duration::from_secs(90));
    assert!(!lets_in(&ward).await);
    assert!(ask(&ward, &plan, 10).await.is_err());
}

async fn others_neither_see_nor_close_it(base: Base) {
    let (ward, plan) = ready(base, true).await;
    let window = ask(&ward, &plan, 5).await.unwrap();
    let colleague = Actor { person: Some(sekisho_core::ids::PersonId::from_random([9; 10])), ..ward.worker_actor() };
    assert_eq!(ward.store.key_windows(&colleague).await.unwrap(), Vec::new());
    assert_eq!(refusal(ward.store.close_key_window(&colleague, &window.id).await), Refusal::NotFound);
    let key = window.key.clone();
    let ask = KeyWindowAsk { plan: plan.id.clone(), target: ward.target.id.clone(), key, minutes: 5 };
    assert_eq!(refusal(ward.store.open_key_window(&ward.operator, ask).await), Refusal::NotAllowed);
    assert!(lets_in(&ward).await);
}

#[tokio::test]
async fn who_writes_to_the_database_opens_no_window_and_no_closed_one_again() {
    let (ward, plan) = ready(Base::postgres(), true).await;
    let window = ask(&ward, &plan, 10).await.unwrap();
    let db = ward.db();
    db.sql("CREATE TABLE kept AS SELECT * FROM key_windows");
    ward.store.close_key_window(&ward.worker_actor(), &window.id).await.unwrap();
    db.sql("UPDATE key_windows w SET is_open = k.is_open, body = k.body, seal = k.seal FROM kept k WHERE k.id = w.id");
    assert!(!lets_in(&ward).await, "the log knows that it was closed");
    db.sql("UPDATE key_windows SET body = replace(body, '10.20.0.5', '10.20.0.6')");
    assert!(ward.store.key_window("sato", &sekisho_core::desk::Arrival::plain(IpAddr::from([10, 20, 0, 6])), WORKER_KEY, "ehr-db01").await.is_none());
}
