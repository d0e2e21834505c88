//! Every write is made to fail in turn: the verb refuses, nothing has changed, and the next try succeeds.

use super::base::{Base, Town, new_person, on_both, reset_ask, source, target_ask};
use super::ward::PASSWORD;
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::plan::act::PlanAct;
use sekisho_core::secret::Secret;
use sekisho_store::{Enrolment, AccountAsk, CredentialAsk, Denied, LogFilter, PersonChange, PlanFilter, Store, VendorAsk};
use std::future::Future;
use std::time::Duration;

on_both!(no_change_without_its_write, publishing_goes_on_where_it_stopped, a_lasting_fault_refuses_everything_and_passes);

/// Everything that a change could show in.
async fn picture(store: &Store) -> String {
    let console = Actor::console();
    let log = store.log_entries(&console, &LogFilter { rows: Some(500), ..LogFilter::default() }).await.unwrap();
    let persons = store.persons(&console).await.unwrap();
    let vendors = store.vendors(&console).await.unwrap();
    let targets = store.targets(&console).await.unwrap();
    let plans = store.plans(&console, &PlanFilter::default()).await.unwrap();
    format!("{log:?}{persons:?}{vendors:?}{targets:?}{plans:?}")
}

async fn fails_then_works<T, F: Future<Output = Result<T, Denied>>>(store: &Store, name: &str, verb: impl Fn() -> F) -> T {
    let before = picture(store).await;
    store.faults().fail_nth_write(0);
    let failed = verb().await;
    store.faults().clear();
    assert!(matches!(failed, Err(Denied::Fault(_))), "{name} refuses when its write fails");
    assert_eq!(picture(store).await, before, "{name} left something behind");
    match verb().await {
        Ok(value) => value,
        Err(denied) => panic!("{name} after the fault: {denied}"),
    }
}

async fn no_change_without_its_write(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let console = Actor::console();
    let vendor = fails_then_works(store, "add_vendor", || store.add_vendor(&console, VendorAsk { name: "新会社".into(), ..VendorAsk::default() })).await;
    let again = VendorAsk { name: "改名会社".into(), ..VendorAsk::default() };
    fails_then_works(store, "change_vendor", || store.change_vendor(&console, &vendor.id, again.clone())).await;
    let line = fails_then_works(store, "add_line", || store.add_line(&console, &vendor.id, crate::roads::line("保守センター", "10.20.0.0/16"))).await;
    fails_then_works(store, "change_line", || store.change_line(&console, &line.id, crate::roads::line("本社", "10.20.0.0/16"))).await;
    let second = store.add_line(&console, &vendor.id, crate::roads::line("予備", "10.30.0.0/16")).await.unwrap();
    fails_then_works(store, "end_line", || store.end_line(&console, &second.id, "解約")).await;
    let device = fails_then_works(store, "add_device", || store.add_device(&console, &vendor.id, crate::roads::device("NOTE-01", source()))).await;
    fails_then_works(store, "change_device", || store.change_device(&console, &device.id, crate::roads::device("NOTE-02", source()))).await;
    fails_then_works(store, "lose_device", || store.lose_device(&console, &device.id, "駅で")).await;
    let (person, link) = fails_then_works(store, "add_person", || store.add_person(&console, new_person("hara", Role::Worker, Some(&vendor)))).await;
    let offer = store.enrolment(link.token.expose(), "", source()).await.unwrap();
    let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
    let code = || Secret::new(codes.generate(town.now().0 as u64 / 1000).to_string());
    fails_then_works(store, "enrol", || store.enrol(link.token.expose(), "", source(), Enrolment::with_code(Secret::new(PASSWORD), code()))).await;
    town.pass(Duration::from_secs(30));
    // A failed write must not spend the code either: the same one works afterwards.
    let login = fails_then_works(store, "log_in", || store.log_in("hara", Secret::new(PASSWORD), code(), source(), Via::Web)).await;
    let web = store.login_of(login.token.expose(), source()).await.unwrap();
    town.pass(Duration::from_secs(30));
    fails_then_works(store, "step_up", || store.step_up(&web, code())).await;
    fails_then_works(store, "set_lang", || store.set_lang(&web, "en")).await;
    let key = fails_then_works(store, "add_key", || store.add_key(&web.actor, super::ward::WORKER_KEY)).await;
    fails_then_works(store, "remove_key", || store.remove_key(&web.actor, &key.id)).await;
    fails_then_works(store, "change_password", || store.change_password(&web, Secret::new(PASSWORD), Secret::new("yama-no-michi-77!"), false)).await;
    fails_then_works(store, "log_out", || store.log_out(login.token.expose())).await;
    assert!(store.login_of(login.token.expose(), source()).await.is_err());
    fails_then_works(store, "reset_person", || store.reset_person(&console, &person.id, reset_ask("紛失"))).await;
    let change = PersonChange { active: false, ..PersonChange::of(&person) };
    fails_then_works(store, "change_person", || store.change_person(&console, &person.id, change.clone())).await;
    fails_then_works(store, "unlock_person", || store.unlock_person(&console, &person.id, "本人に確認")).await;
    let target = fails_then_works(store, "add_target", || store.add_target(&console, target_ask("pacs01", &vendor))).await;
    fails_then_works(store, "change_target", || store.change_target(&console, &target.id, target_ask("pacs02", &vendor))).await;
    let ask = AccountAsk { username: "root".into(), privileged: true, credential: CredentialAsk::Password(Secret::new("x1")) };
    let account = fails_then_works(store, "add_account", || store.add_account(&console, &target.id, ask.clone())).await;
    fails_then_works(store, "set_credential", || store.set_credential(&console, &account.id, CredentialAsk::Password(Secret::new("x2")))).await;
    plans(&town).await;
    assert!(store.verify_now().await.unwrap().ok);
}

async fn plans(town: &Town) {
    let store = &town.store;
    let (worker, vendor) = (&town.worker.actor, &town.vendor.id);
    let plan = fails_then_works(store, "draw_plan", || store.draw_plan(worker, vendor, town.content())).await;
    fails_then_works(store, "attach", || store.attach(worker, &plan.id, "手順書.pdf", b"%PDF-1.7")).await;
    let plan = fails_then_works(store, "submit", || store.act_on_plan(worker, &plan.id, PlanAct::Submit, None)).await;
    let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
    let approve = || PlanAct::Approve { digest: digest.clone() };
    fails_then_works(store, "approve", || store.act_on_plan(&town.operator.actor, &plan.id, approve(), None)).await;
    let withdraw = || PlanAct::Withdraw { reason: "中止".into() };
    fails_then_works(store, "withdraw", || store.act_on_plan(worker, &plan.id, withdraw(), None)).await;
}

async fn publishing_goes_on_where_it_stopped(base: Base) {
    let mut store = base.store().await;
    let mut failures = 0;
    for n in 0..12 {
        store.add_vendor(&Actor::console(), VendorAsk { name: format!("vendor {n}"), ..VendorAsk::default() }).await.unwrap();
        store.faults().fail_nth_write(n);
        failures += u32::from(store.publish().await.is_err());
        store.faults().clear();
        if n % 2 == 0 {
            // The box dies before it can try again.
            store.shut().await;
            store = base.open().await.unwrap();
        }
        assert!(store.verify_now().await.unwrap().ok, "after a fault at write {n}");
    }
    assert!(failures > 5, "the faults hit files, syncs and rows: {failures}");
}

async fn a_lasting_fault_refuses_everything_and_passes(base: Base) {
    let town = base.town().await;
    let login = town.log_in(&town.planner).await;
    let plan = town.submitted(town.content()).await;
    let before = picture(&town.store).await;
    town.store.faults().fail_from_nth_write(0);
    let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
    assert!(town.store.act_on_plan(&town.operator.actor, &plan.id, PlanAct::Approve { digest }, None).await.is_err());
    let code = town.code(&town.operator);
    assert!(town.store.log_in("ono", Secret::new(PASSWORD), code, source(), Via::Web).await.is_err());
    assert!(town.store.publish().await.is_err());
    let health = town.store.health(&Actor::console()).await.unwrap();
    assert!(health.problems.iter().any(|problem| problem.contains("cannot be published")), "{:?}", health.problems);
    // Reading goes on: whoever is logged in sees what there is.
    town.store.login_of(login.token.expose(), source()).await.unwrap();
    assert_eq!(picture(&town.store).await, before);
    town.store.faults().clear();
    town.approve(&town.operator, &plan).await.unwrap();
    town.store.publish().await.unwrap();
    assert!(town.store.health(&Actor::console()).await.unwrap().problems.iter().all(|problem| !problem.contains("published")));
}
