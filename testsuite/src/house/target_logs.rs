//! How logs tell of targets: the addresses by which sensors name them, how far their clocks are off, and what stands in the place
//! of a log where there is none.

use super::around::{GATEWAY, Scene};
use super::base::{Base, on_both, told};
use super::ward::Ward;
use sekisho_core::alarm::{Level, What};
use sekisho_core::around::{AroundRule, SourceAsk};
use sekisho_core::desk::{Cause, Desk, Dialled};
use sekisho_core::facts::Fact;
use sekisho_core::gather::Gatherer;
use sekisho_core::ids::LogSourceId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::state::PlanState;
use sekisho_core::plan::{DiaryEntry, Plan, ReportContent};
use sekisho_core::reconcile::{Decision, Item, Verdict};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::TargetLogs;
use sekisho_core::time::Timestamp;
use sekisho_store::{KnownFrom, TargetAsk};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

on_both! {
    a_sensor_knows_a_target_that_is_registered_by_name_once_it_was_dialled,
    an_address_that_somebody_registers_is_one_of_the_target,
    a_session_notes_how_far_the_clock_of_its_target_is_off,
    work_on_a_target_without_a_log_owes_an_entry_of_the_diary,
    a_storm_of_cases_is_told_as_few_alarms_and_each_critical_one_by_itself,
}

const ITS_OWN: &str = "10.30.0.11";

async fn sensor(scene: &Scene) -> LogSourceId {
    let ask = SourceAsk { target: None, hosts: ["ids01".to_owned()].into(), legacy: None, zone_minutes: 540, silent_minutes: None, tells_logins: false };
    scene.ward.store.add_log_source(&Actor::console(), ask).await.unwrap().source.id
}

/// The sensor saw somebody go to this address. Then time goes by, so that nothing waits for its explanation any more.
async fn saw(scene: &Scene, sensor: &LogSourceId, from: &str, to: &str) {
    let seen = format!(r#"{{"event_type":"ssh","src_ip":"{from}","src_port":52000,"dest_ip":"{to}","dest_port":22,"proto":"TCP"}}"#);
    scene.ward.store.take(sensor, vec![format!("<134>1 - ids01 suricata - - - {seen}").into_bytes()]).await.unwrap();
    scene.pass(11);
}

async fn by_name(ward: &Ward) {
    let target = ward.target.clone();
    let ask = TargetAsk {
        name: target.name,
        title: target.title,
        protocol: target.protocol,
        host: "ehr-db01.aoba.local".into(),
        port: target.port,
        owner: target.owner,
        vendor: target.vendor,
        host_keys: target.host_keys,
        personal_data: target.personal_data,
        class: target.class,
        witness: target.witness,
        quarantine: target.quarantine,
        active: true,
    };
    ward.store.change_target(&Actor::console(), &target.id, ask).await.unwrap();
}

async fn known(ward: &Ward) -> Vec<(String, bool)> {
    let all = ward.store.addresses_of_target(&Actor::console(), &ward.target.id).await.unwrap();
    all.into_iter().map(|(address, from)| (address.to_string(), from == KnownFrom::Registered)).collect()
}

/// A session whose target answered at this address.
async fn session_at(scene: &Scene, peer: &str) {
    let admission = scene.ward.entered().await;
    let (local, peer): (SocketAddr, IpAddr) = (SocketAddr::new(GATEWAY.parse().unwrap(), 50_001), peer.parse().unwrap());
    let connected = Dialled::Connected { host_key: "SHA256:x".into(), local: Some(local), peer: Some(peer) };
    scene.ward.store.dialled(&admission.session, connected).await.unwrap();
    scene.ward.left(admission, Cause::Closed).await;
}

async fn a_sensor_knows_a_target_that_is_registered_by_name_once_it_was_dialled(base: Base) {
    let scene = Scene::new(base).await;
    by_name(&scene.ward).await;
    let sensor = sensor(&scene).await;
    saw(&scene, &sensor, "192.168.30.6", ITS_OWN).await;
    session_at(&scene, ITS_OWN).await;
    saw(&scene, &sensor, "192.168.30.7", ITS_OWN).await;
    let case = scene.case("R1 of the sensor", |case| case.key.from == "192.168.30.7").await;
    assert_eq!((case.key.rule, case.key.target.as_ref()), (AroundRule::Elsewhere, Some(&scene.ward.target.id)));
    assert!(scene.open().await.iter().all(|case| case.key.from != "192.168.30.6"), "nobody knew whose address it was");
    assert_eq!(known(&scene.ward).await, [(ITS_OWN.to_owned(), false)]);

    // Weeks later and after a restart the log still tells of it.
    scene.pass(20 * 24 * 3600);
    let scene = scene.restarted().await;
    saw(&scene, &sensor, "192.168.30.8", ITS_OWN).await;
    scene.case("R1 after the restart", |case| case.key.from == "192.168.30.8").await;
    // However long nobody serviced it, a sensor sees it where it was last.
    scene.pass(80 * 24 * 3600);
    saw(&scene, &sensor, "192.168.30.9", ITS_OWN).await;
    scene.case("R1 after months", |case| case.key.from == "192.168.30.9").await;
    // Somewhere else since, and the old address may be another machine's.
    session_at(&scene, "10.30.0.12").await;
    saw(&scene, &sensor, "192.168.30.10", "10.30.0.12").await;
    scene.case("R1 at the new address", |case| case.key.from == "192.168.30.10").await;
    assert_eq!(known(&scene.ward).await, [("10.30.0.12".to_owned(), false)]);
}

async fn an_address_that_somebody_registers_is_one_of_the_target(base: Base) {
    let scene = Scene::new(base).await;
    by_name(&scene.ward).await;
    let (store, target, sensor) = (&scene.ward.store, &scene.ward.target.id, sensor(&scene).await);
    let logs = |addresses: &[&str]| TargetLogs { addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(), none: false };
    for bad in ["127.0.0.1", "0.0.0.0", "224.0.0.1"] {
        assert_eq!(told(store.set_target_logs(&Actor::console(), target, logs(&[bad]), "").await).err(), Some(Refusal::bad_field("addresses")), "{bad}");
    }
    assert_eq!(told(store.set_target_logs(&scene.ward.operator, target, logs(&[ITS_OWN]), "").await).err(), Some(Refusal::NotAllowed));
    store.set_target_logs(&Actor::console(), target, logs(&["::ffff:10.30.0.11"]), "予備の口").await.unwrap();
    assert!(matches!(&scene.ward.facts("target_kept").await.last().unwrap().fact, Fact::TargetKept { addresses, reason, .. } if addresses.iter().any(|address| address.to_string() == ITS_OWN) && reason == "予備の口"));
    assert_eq!(known(&scene.ward).await, [(ITS_OWN.to_owned(), true)]);
    // What a form of the target says leaves it alone.
    by_name(&scene.ward).await;
    saw(&scene, &sensor, "192.168.30.7", ITS_OWN).await;
    scene.case("R1 at the registered address", |case| case.key.from == "192.168.30.7").await;
}

async fn a_session_notes_how_far_the_clock_of_its_target_is_off(base: Base) {
    let scene = Scene::new(base).await;
    let admission = scene.session(50_001).await;
    let its_clock = Timestamp(scene.ward.store.now().0 - 40_000).rfc3339();
    let line = format!("<38>1 {its_clock} ehr-db01 sshd 9 - - Accepted password for maint from {GATEWAY} port 50001 ssh2");
    scene.ward.store.take(&scene.source, vec![line.into_bytes()]).await.unwrap();
    let facts = scene.fact("session_told", 1).await;
    assert!(matches!(&facts[..], [Fact::SessionTold { session, clock_seconds: Some(-40), .. }] if *session == admission.session), "{facts:?}");
    // A line without a time tells nothing of a clock.
    scene.ward.left(admission, Cause::Closed).await;
    reconciled(&scene.ward).await;
    let second = scene.session(50_002).await;
    scene.say(&format!("Accepted password for maint from {GATEWAY} port 50002 ssh2")).await;
    let facts = scene.fact("session_told", 2).await;
    assert!(matches!(&facts[1], Fact::SessionTold { session, clock_seconds: None, .. } if *session == second.session), "{facts:?}");
}

/// The worker ends the work, and the hospital finds all that there is to be in order.
async fn reconciled(ward: &Ward) -> Plan {
    let plans = ward.store.plans(&Actor::console(), &Default::default()).await.unwrap();
    let id = plans.rows.first().unwrap().id.clone();
    let mut plan = ward.store.act_on_plan(&ward.worker_actor(), &id, PlanAct::FinishWork, None).await.unwrap();
    for index in 0..plan.findings.len() {
        if plan.findings[index].is_open() {
            let decide = PlanAct::DecideFinding { index, decision: Decision::NoProblem, reason: "確認済".into() };
            plan = ward.store.act_on_plan(&ward.operator, &id, decide, None).await.unwrap();
        }
    }
    ward.store.act_on_plan(&ward.operator, &id, PlanAct::FinishReconcile, None).await.unwrap()
}

async fn work_on_a_target_without_a_log_owes_an_entry_of_the_diary(base: Base) {
    let ward = Ward::over(base).await;
    let none = TargetLogs { none: true, ..TargetLogs::default() };
    assert_eq!(told(ward.store.set_target_logs(&Actor::console(), &ward.target.id, none.clone(), " ").await).err(), Some(Refusal::ReasonNeeded));
    ward.store.set_target_logs(&Actor::console(), &ward.target.id, none, "機器にログの機能がない").await.unwrap();
    assert!(matches!(&ward.facts("target_kept").await.last().unwrap().fact, Fact::TargetKept { no_log: true, reason, .. } if reason == "機器にログの機能がない"));
    let admission = ward.entered().await;
    let session = ward.left(admission, Cause::Closed).await;
    let plan = reconciled(&ward).await;
    assert!(plan.findings.iter().all(|row| row.item != Item::Diary), "nothing is owed before the report");

    let act = async |actor: &Actor, act: PlanAct| told(ward.store.act_on_plan(actor, &plan.id, act, None).await);
    let report = |diary: Vec<DiaryEntry>| PlanAct::SubmitReport { content: Box::new(ReportContent { result: "正常".into(), diary, ..ReportContent::default() }) };
    let entry = |session, text: &str| DiaryEntry { session, text: text.into() };
    let stranger = sekisho_core::ids::SessionId::from_random([9; 10]);
    assert_eq!(act(&ward.worker_actor(), report(vec![entry(stranger, "別の作業")])).await.err(), Some(Refusal::bad_field("diary")));
    let twice = report(vec![entry(session.clone(), "基板を交換した"), entry(session.clone(), "別の話")]);
    assert_eq!(act(&ward.worker_actor(), twice).await.err(), Some(Refusal::bad_field("diary")), "the second would stand uncompared");
    let silent = act(&ward.worker_actor(), report(Vec::new())).await.unwrap();
    let owed: Vec<_> = silent.findings.iter().filter(|row| row.item == Item::Diary).collect();
    assert!(matches!(&owed[..], [row] if row.verdict == Verdict::NotDone && row.is_open() && row.session.as_ref() == Some(&session)), "{owed:?}");
    assert_eq!(act(&ward.planner, PlanAct::Confirm).await.err(), Some(Refusal::FindingsOpen), "nobody confirms work of which nothing tells");

    act(&ward.planner, PlanAct::ReturnReport { reason: "作業日誌がない".into() }).await.unwrap();
    let told = act(&ward.worker_actor(), report(vec![entry(session, "基板を交換し、起動を確かめた")])).await.unwrap();
    let rows: Vec<_> = told.findings.iter().filter(|row| row.item == Item::Diary).map(|row| (row.verdict, row.actual.as_str())).collect();
    assert_eq!(rows, [(Verdict::Match, "基板を交換し、起動を確かめた")]);
    assert_eq!(act(&ward.planner, PlanAct::Confirm).await.unwrap().state, PlanState::Closed);
}

async fn a_storm_of_cases_is_told_as_few_alarms_and_each_critical_one_by_itself(base: Base) {
    let scene = Scene::new(base).await;
    for n in 0..40 {
        scene.say(&format!("Accepted password for root from 198.51.{n}.7 port 1 ssh2")).await;
    }
    for n in 0..3 {
        scene.say(&format!("Accepted password for maint from 203.0.{n}.7 port 1 ssh2")).await;
    }
    scene.pass(11);
    scene.case("the last", |case| case.key.from == "203.0.2.7").await;
    scene.ward.store.raise_due().await.unwrap();
    let filter = sekisho_store::AlarmFilter::default();
    let rows = scene.ward.store.alarms(&Actor::console(), &filter).await.unwrap().rows;
    let rows: Vec<_> = rows.into_iter().filter(|alarm| matches!(alarm.what, What::Around { .. })).collect();
    let (critical, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|alarm| alarm.level == Level::Critical);
    assert_eq!(critical.len(), 3, "what is critical is told by itself: {critical:?}");
    assert!(others.len() <= limits::ALARMS_AN_HOUR + 1 && others.len() < 40, "a storm is few alarms: {}", others.len());
    assert_eq!(others.iter().map(|alarm| alarm.count).sum::<u64>(), 40, "and none of it is missing in the counts");
}

/// The work that was done before somebody said so owes nothing, and neither does work on other targets.
#[tokio::test]
async fn work_on_a_target_with_a_log_owes_no_diary() {
    let ward = Ward::over(Base::sqlite()).await;
    let admission = ward.entered().await;
    ward.left(admission, Cause::Closed).await;
    ward.clock.pass(Duration::from_secs(60));
    let none = TargetLogs { none: true, ..TargetLogs::default() };
    ward.store.set_target_logs(&Actor::console(), &ward.target.id, none, "ログの機能を外した").await.unwrap();
    let plan = reconciled(&ward).await;
    let report = PlanAct::SubmitReport { content: Box::new(ReportContent { result: "正常".into(), ..ReportContent::default() }) };
    let plan = ward.store.act_on_plan(&ward.worker_actor(), &plan.id, report, None).await.unwrap();
    assert!(plan.findings.iter().all(|row| row.item != Item::Diary), "{:?}", plan.findings);
}
