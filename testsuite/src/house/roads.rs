//! Lines and devices: who comes by which road, what takes it away, and what an older box brings along.

use super::base::{Base, new_person, on_both, source, told};
use super::ward::{PASSWORD, Ward};
use crate::roads;
use sekisho_core::authorize::Principal;
use sekisho_core::country::{Country, Reading};
use sekisho_core::desk::{Arrival, Cause, Desk, Entry, FirstProof, RecallWord};
use sekisho_core::device::DeviceContent;
use sekisho_core::facts::Fact;
use sekisho_core::ids::VendorId;
use sekisho_core::line::{Hours, Line, LineClass, LineContent, Standing};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::plan::act::PlanAct;
use sekisho_core::policy::{DeviceRule, Policy};
use sekisho_core::reconcile::{Item, Verdict};
use sekisho_core::refusal::Refusal;
use sekisho_core::road::Barrier;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sekisho_store::{VendorAsk, read_countries};
use std::collections::BTreeSet;
use std::net::IpAddr;

on_both! {
    each_part_of_the_road_keeps_a_worker_out_with_its_own_code,
    a_lost_device_and_an_ended_line_cut_what_runs_at_once,
    a_road_that_changes_under_a_session_ends_it,
    a_deviation_that_policy_lets_pass_stands_everywhere,
    a_vendors_person_logs_in_by_their_lines_alone,
    what_is_not_sound_is_not_registered,
    who_may_keep_read_and_declare,
    a_vendor_that_cannot_come_in_is_named_before_it_has_to,
    a_line_that_names_countries_is_used_from_those_alone,
    who_may_bring_a_table_of_countries,
}

async fn ready(base: Base) -> Ward {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    ward
}

async fn line_of(ward: &Ward) -> Line {
    ward.store.lines(&Actor::console()).await.unwrap().remove(0)
}

async fn change_line(ward: &Ward, change: impl FnOnce(&mut LineContent)) {
    let line = line_of(ward).await;
    let mut content = line.content;
    change(&mut content);
    ward.store.change_line(&Actor::console(), &line.id, content).await.unwrap();
}

async fn change_device(ward: &Ward, change: impl FnOnce(&mut DeviceContent)) {
    let device = ward.store.devices(&Actor::console()).await.unwrap().remove(0);
    let mut content = device.content;
    change(&mut content);
    ward.store.change_device(&Actor::console(), &device.id, content).await.unwrap();
}

async fn prove(ward: &Ward, from: IpAddr) -> Principal {
    let half = ward.store.first_factor("sato", &Arrival::plain(from), FirstProof::Password(Secret::new(PASSWORD))).await.unwrap();
    ward.store.second_factor(half, ward.code()).await.unwrap()
}

/// Enters with two factors from an address, and leaves again.
async fn tries(ward: &Ward, from: IpAddr) -> Result<(), Refusal> {
    let principal = prove(ward, from).await;
    match ward.store.enter(&principal, "ehr-db01", None).await? {
        Entry::Open(admission) => {
            ward.left(*admission, Cause::Closed).await;
            Ok(())
        }
        Entry::Choose(_) => panic!("one plan alone is open"),
    }
}

async fn each_part_of_the_road_keeps_a_worker_out_with_its_own_code(base: Base) {
    let ward = ready(base).await;
    assert_eq!(tries(&ward, source()).await, Ok(()));
    assert_eq!(tries(&ward, [10, 20, 0, 6].into()).await, Err(Refusal::DeviceUnknown));
    assert_eq!(tries(&ward, [198, 51, 100, 7].into()).await, Err(Refusal::SourceNotAllowed));
    // 2026-11-21 is a Saturday.
    change_line(&ward, |line| line.times = vec![Hours::parse("sun 09:00-10:00").unwrap()]).await;
    assert_eq!(tries(&ward, source()).await, Err(Refusal::LineOutsideTimes { line: "保守センター".into() }));
    change_line(&ward, |line| (line.times, line.class) = (Vec::new(), LineClass::Tls13)).await;
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceNeedsCertificate));
    change_line(&ward, |line| line.class = LineClass::Leased).await;
    change_device(&ward, |device| device.check.as_mut().unwrap().until = "2026-11-02".into()).await;
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceNotChecked));
    change_device(&ward, |device| device.check.as_mut().unwrap().until = "2027-03-31".into()).await;
    assert_eq!(tries(&ward, source()).await, Ok(()));
    let device = ward.store.devices(&Actor::console()).await.unwrap().remove(0);
    ward.store.lose_device(&ward.operator, &device.id, "駅で").await.unwrap();
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceLost));
    let line = line_of(&ward).await;
    ward.store.end_line(&Actor::console(), &line.id, "解約").await.unwrap();
    assert_eq!(tries(&ward, source()).await, Err(Refusal::SourceNotAllowed));
}

async fn a_lost_device_and_an_ended_line_cut_what_runs_at_once(base: Base) {
    let ward = ready(base).await;
    let mut recalls = ward.store.recalls();
    for which in ["device", "line"] {
        let principal = prove(&ward, source()).await;
        let Entry::Open(admission) = ward.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("one plan alone is open") };
        let console = Actor::console();
        if which == "device" {
            let device = ward.store.devices(&console).await.unwrap().remove(0);
            ward.store.lose_device(&ward.clerk, &device.id, "").await.unwrap();
        } else {
            let line = line_of(&ward).await;
            ward.store.end_line(&console, &line.id, "解約").await.unwrap();
        }
        // Sent with the commit, so it is there; a sweep may have said the same.
        let told = std::iter::from_fn(|| recalls.try_recv().ok()).any(|recall| recall.session.as_ref() == Some(&admission.session) && recall.word == RecallWord::End(Cause::Recalled));
        assert!(told, "{which}");
        ward.left(*admission, Cause::Recalled).await;
        // For the next round.
        ward.store.add_device(&console, &ward.vendor.id, roads::device("NOTE-02", source())).await.ok();
    }
}

async fn a_road_that_changes_under_a_session_ends_it(base: Base) {
    let ward = ready(base).await;
    let principal = prove(&ward, source()).await;
    let Entry::Open(admission) = ward.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("one plan alone is open") };
    let mut recalls = ward.store.recalls();
    ward.store.recall_what_ended().await.unwrap();
    assert!(recalls.try_recv().is_err(), "nothing has changed");
    change_line(&ward, |line| line.carrier = "別の通信会社".into()).await;
    assert!(recalls.try_recv().is_err(), "what changed is no reason");
    change_device(&ward, |device| device.check.as_mut().unwrap().usb_restricted = false).await;
    assert_eq!(recalls.try_recv().expect("a recall").session, Some(admission.session.clone()));
    ward.left(*admission, Cause::Recalled).await;
}

async fn a_deviation_that_policy_lets_pass_stands_everywhere(base: Base) {
    let base = Base { policy: Policy { devices: DeviceRule::Observed, ..base.policy.clone() }, ..base };
    let ward = Ward::over(base).await;
    let plan = ward.approved(ward.content()).await;
    assert_eq!(tries(&ward, [10, 20, 0, 6].into()).await, Ok(()));
    let entered = super::ward::facts_of(&ward.store, "entered").await;
    let Fact::Entered { line_name, device, deviation, .. } = &entered[0].fact else { panic!("not entered") };
    assert_eq!((line_name.as_str(), device, deviation.as_str()), ("保守センター", &None, "SKS-4023"));
    let findings = ward.store.act_on_plan(&ward.worker_actor(), &plan.id, PlanAct::FinishWork, None).await.unwrap().findings;
    assert!(findings.iter().any(|row| row.item == Item::Device && row.verdict == Verdict::Different), "{findings:?}");
}

async fn a_vendors_person_logs_in_by_their_lines_alone(base: Base) {
    let town = base.town().await;
    let elsewhere: IpAddr = [198, 51, 100, 7].into();
    let worker = &town.worker.person.login;
    let try_from = async |login: &str, from: IpAddr, code: Secret| told(town.store.log_in(login, Secret::new(PASSWORD), code, from, Via::Web).await);
    assert_eq!(try_from(worker, elsewhere, town.code(&town.worker)).await.err(), Some(Refusal::SourceNotAllowed));
    let login = try_from(worker, source(), town.code(&town.worker)).await.unwrap();
    assert!(town.store.login_of(login.token.expose(), source()).await.is_ok());
    assert_eq!(told(town.store.login_of(login.token.expose(), elsewhere).await).err(), Some(Refusal::SourceNotAllowed), "a stolen cookie is of no use elsewhere");
    assert!(try_from(&town.operator.person.login, elsewhere, town.code(&town.operator)).await.is_ok(), "the hospital's own staff come from anywhere");
    let refused = town.facts("refused").await;
    assert!(refused.iter().any(|entry| matches!(&entry.fact, Fact::Refused { login, code, .. } if login == worker && code == "SKS-4006")), "{refused:?}");
}

async fn what_is_not_sound_is_not_registered(base: Base) {
    let ward = ready(base).await;
    let console = Actor::console();
    let vendor = &ward.vendor.id;
    let add = async |change: &dyn Fn(&mut LineContent)| {
        let mut line = roads::line("別の回線", "10.30.0.0/16");
        change(&mut line);
        told(ward.store.add_line(&console, vendor, line).await).map(drop)
    };
    assert_eq!(add(&|line| line.boundary = None).await, Err(Refusal::bad_field("boundary")), "guideline 13 ①");
    assert_eq!(add(&|line| line.class = LineClass::Undeclared).await, Err(Refusal::bad_field("class")));
    assert_eq!(add(&|line| line.name = "保守センター".into()).await, Err(Refusal::NameTaken));
    let nobody = VendorId::from_random([9; 10]);
    assert_eq!(told(ward.store.add_line(&console, &nobody, roads::line("x", "10.30.0.0/16")).await).err(), Some(Refusal::bad_field("vendor")));
    let same = roads::device("NOTE-02", source());
    assert_eq!(told(ward.store.add_device(&console, vendor, same).await).err(), Some(Refusal::bad_field("addresses")), "two devices at one address");
    let foreign = DeviceContent { persons: vec![ward.operator.person.clone().unwrap()], ..roads::device("NOTE-02", [10, 20, 0, 9].into()) };
    assert_eq!(told(ward.store.add_device(&console, vendor, foreign).await).err(), Some(Refusal::bad_field("persons")));
    assert_eq!(add(&|_| {}).await, Ok(()));
}

async fn a_vendor_that_cannot_come_in_is_named_before_it_has_to(base: Base) {
    let ward = ready(base).await;
    let (store, console) = (&ward.store, Actor::console());
    let kept_out = async || told(store.kept_out(&console).await).unwrap().into_iter().map(|out| (out.name, out.why)).collect::<Vec<_>>();
    assert_eq!(kept_out().await, []);
    // What an older box brings along: a vendor with workers, and neither lines nor devices.
    let vendor = store.add_vendor(&console, VendorAsk { name: "南十字システム".into(), ..VendorAsk::default() }).await.unwrap();
    assert_eq!(kept_out().await, [], "it has no workers");
    store.add_person(&console, new_person("mori", Role::Worker, Some(&vendor))).await.unwrap();
    let expects = async |why| assert_eq!(kept_out().await, [("南十字システム".to_owned(), why)]);
    expects(Barrier::NoLine).await;
    let line = store.add_line(&console, &vendor.id, LineContent { class: LineClass::Other, ..roads::line("回線", "10.40.0.0/16") }).await.unwrap();
    expects(Barrier::NoDevice).await;
    let sound = roads::device("NOTE-09", [10, 40, 0, 5].into());
    let device = store.add_device(&console, &vendor.id, DeviceContent { check: None, ..sound.clone() }).await.unwrap();
    expects(Barrier::NoCheck).await;
    store.change_device(&console, &device.id, sound).await.unwrap();
    expects(Barrier::NoProof).await;
    store.change_line(&console, &line.id, roads::line("回線", "10.40.0.0/16")).await.unwrap();
    assert_eq!(kept_out().await, []);
    store.lose_device(&console, &device.id, "").await.unwrap();
    expects(Barrier::NoDevice).await;
    store.change_vendor(&console, &vendor.id, VendorAsk { name: vendor.name.clone(), active: false, ..VendorAsk::default() }).await.unwrap();
    assert_eq!(kept_out().await, [], "nobody expects one that is not in force");
}

async fn who_may_keep_read_and_declare(base: Base) {
    let ward = ready(base).await;
    let (line, device) = (line_of(&ward).await, ward.store.devices(&Actor::console()).await.unwrap().remove(0));
    let other = ward.store.add_vendor(&Actor::console(), VendorAsk { name: "南十字システム".into(), ..VendorAsk::default() }).await.unwrap();
    let (stranger, _) = ward.store.add_person(&Actor::console(), new_person("mori", Role::Worker, Some(&other))).await.unwrap();
    let stranger = Actor::of(&stranger, Via::Web, None);
    for actor in [&ward.operator, &ward.worker_actor(), &ward.clerk] {
        assert_eq!(told(ward.store.end_line(actor, &line.id, "x").await).err(), Some(Refusal::NotAllowed));
        assert_eq!(told(ward.store.end_device(actor, &device.id, "x").await).err(), Some(Refusal::NotAllowed));
        assert_eq!(ward.store.lines(actor).await.unwrap().len(), 1);
        assert_eq!(ward.store.devices(actor).await.unwrap().len(), 1);
    }
    assert_eq!(ward.store.road_workers(&ward.clerk, &ward.vendor.id).await.unwrap().len(), 1);
    assert_eq!(told(ward.store.road_workers(&stranger, &ward.vendor.id).await).err(), Some(Refusal::NotFound));
    assert!(ward.store.lines(&stranger).await.unwrap().is_empty() && ward.store.devices(&stranger).await.unwrap().is_empty());
    assert_eq!(told(ward.store.line(&stranger, &line.id).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(ward.store.lose_device(&stranger, &device.id, "x").await).err(), Some(Refusal::NotFound));
    ward.store.lose_device(&ward.worker_actor(), &device.id, "電車で").await.unwrap();
    assert_eq!(told(ward.store.lose_device(&ward.operator, &device.id, "").await).err(), Some(Refusal::NotFound), "once is enough");
}

/// A box of the version that kept a list of sources with each vendor, and had neither lines nor devices.
#[tokio::test]
async fn an_older_box_brings_its_sources_as_an_undeclared_line() {
    let ward = ready(Base::postgres()).await;
    let console = Actor::console();
    ward.db().sql("DELETE FROM lines; DELETE FROM devices; UPDATE vendors SET seal = NULL, body = replace(body, '{\"id\"', '{\"sources\":[\"10.20.0.0/16\",\"2001:db8::/32\"],\"id\"')");
    std::fs::remove_file(ward.dir.join("keys/rows.sealed")).unwrap();
    let ward = ward.restarted().await;
    let lines = ward.store.lines(&console).await.unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let addresses: Vec<String> = line.content.addresses.iter().map(ToString::to_string).collect();
    assert_eq!((line.content.class, addresses.join(" ")), (LineClass::Undeclared, "10.20.0.0/16 2001:db8::/32".into()));
    let verdict = line.verdict(ward.store.now());
    assert_eq!((verdict.standing, verdict.control), (Standing::NotConforming, "ops-13-02"));
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceUnknown), "nobody comes in by what nobody declared");
    ward.store.add_device(&console, &ward.vendor.id, roads::device("NOTE-01", source())).await.unwrap();
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceNeedsCertificate), "an undeclared line is an open network");
    ward.store.change_line(&console, &line.id, roads::line("保守センター", "10.20.0.0/16")).await.unwrap();
    assert_eq!(tries(&ward, source()).await, Ok(()), "declared, it is a line like any other");
    let ward = ward.restarted().await;
    assert_eq!(ward.store.lines(&console).await.unwrap().len(), 1, "once");
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_is_no_road() {
    let ward = ready(Base::postgres()).await;
    let elsewhere: IpAddr = [198, 51, 100, 7].into();
    ward.db().sql("UPDATE devices SET body = replace(body, '10.20.0.5', '10.20.0.6')");
    assert_eq!(tries(&ward, [10, 20, 0, 6].into()).await, Err(Refusal::DeviceUnknown));
    ward.db().sql("UPDATE lines SET body = replace(body, '10.20.0.0/16', '0.0.0.0/0')");
    assert_eq!(tries(&ward, elsewhere).await, Err(Refusal::SourceNotAllowed));
    assert_eq!(tries(&ward, source()).await, Err(Refusal::SourceNotAllowed), "the whole row counts for nothing");
}

#[tokio::test]
async fn a_device_that_was_lost_cannot_be_put_back() {
    let ward = ready(Base::postgres()).await;
    ward.db().sql("CREATE TABLE kept AS SELECT * FROM devices");
    let device = ward.store.devices(&Actor::console()).await.unwrap().remove(0);
    ward.store.lose_device(&ward.operator, &device.id, "").await.unwrap();
    ward.db().sql("UPDATE devices d SET active = k.active, body = k.body, seal = k.seal FROM kept k WHERE k.id = d.id");
    assert_eq!(tries(&ward, source()).await, Err(Refusal::DeviceUnknown));
}

/// A table that gives the tests' own addresses to countries.
fn table(text: &str) -> Reading {
    read_countries(&[text.as_bytes()]).unwrap()
}

const JAPAN: &str = "198.51.100.0/25,JP\n198.51.100.128/25,US\n";

fn countries(names: &[&str]) -> BTreeSet<Country> {
    names.iter().map(|name| Country::parse(name).unwrap()).collect()
}

async fn a_line_that_names_countries_is_used_from_those_alone(base: Base) {
    let base = Base { policy: Policy { devices: DeviceRule::Observed, ..base.policy.clone() }, ..base };
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let (console, store) = (Actor::console(), &ward.store);
    let (japan, america, nowhere): (IpAddr, IpAddr, IpAddr) = ([198, 51, 100, 7].into(), [198, 51, 100, 200].into(), [203, 0, 113, 7].into());
    let home = source();
    change_line(&ward, |line| {
        line.class = LineClass::Tls13;
        line.addresses = ["198.51.100.0/24", "203.0.113.0/24", "10.20.0.0/16"].map(|text| Network::parse(text).unwrap()).to_vec();
    })
    .await;
    assert_eq!(tries(&ward, america).await, Ok(()), "a line that names no country asks for none");

    change_line(&ward, |line| line.countries = countries(&["JP"])).await;
    assert_eq!(tries(&ward, japan).await, Err(Refusal::CountryTableMissing), "without a table nobody from outside comes in");
    assert_eq!(tries(&ward, home).await, Ok(()), "an inner address has no country");
    assert_eq!(store.kept_out(&console).await.unwrap().first().map(|kept| kept.why), Some(Barrier::NoTable));

    store.take_countries(&console, table(JAPAN), "2026-11-01").await.unwrap();
    assert!(store.kept_out(&console).await.unwrap().is_empty());
    assert_eq!(tries(&ward, japan).await, Ok(()));
    assert_eq!(tries(&ward, america).await, Err(Refusal::CountryNotAllowed { country: "US".into() }));
    assert_eq!(tries(&ward, nowhere).await, Err(Refusal::CountryNotAllowed { country: "--".into() }));
    assert_eq!(tries(&ward, home).await, Ok(()));
    assert_eq!(store.country_of(america), Country::parse("US"));

    // Inner addresses that the table names count as named.
    store.take_countries(&console, table(&format!("{JAPAN}10.0.0.0/8,US\n")), "2026-11-01").await.unwrap();
    assert_eq!(tries(&ward, home).await, Err(Refusal::CountryNotAllowed { country: "US".into() }));

    // A table under which a running session could not come in ends it.
    let principal = prove(&ward, japan).await;
    let Entry::Open(admission) = store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("one plan alone is open") };
    let mut recalls = store.recalls();
    store.take_countries(&console, table("198.51.100.0/24,US\n"), "2026-11-02").await.unwrap();
    assert_eq!(recalls.try_recv().expect("a recall").session, Some(admission.session.clone()));
    ward.left(*admission, Cause::Recalled).await;
    let told = super::ward::facts_of(store, "countries_taken").await;
    let Fact::CountriesTaken { dated, rows, digest, .. } = &told.last().expect("an entry").fact else { panic!("not taken") };
    assert_eq!((dated.as_str(), *rows), ("2026-11-02", 1));
    let csv = store.countries_csv(&console).unwrap();
    assert_eq!(*digest, sekisho_evidence::Digest::of(csv.as_bytes()).to_string(), "what is given out is what the log names");
}

#[tokio::test]
async fn a_table_of_countries_that_somebody_else_put_back_is_none() {
    let base = Base::postgres();
    let store = base.store().await;
    let db = base.db.as_ref().unwrap();
    let (console, japan): (_, IpAddr) = (Actor::console(), [198, 51, 100, 7].into());
    let old = store.take_countries(&console, table(JAPAN), "2026-11-01").await.unwrap();
    db.sql("CREATE TABLE kept AS SELECT * FROM country_tables");
    let new = store.take_countries(&console, table("198.51.100.0/24,US\n"), "2026-11-02").await.unwrap();
    assert_ne!(old.digest, new.digest);
    store.close().await.unwrap();
    let store = base.open().await.unwrap();
    assert_eq!(told(store.countries(&console)).unwrap(), Some(new), "it is there after a start");
    for attack in [
        "UPDATE country_tables SET data = k.data FROM kept k",
        "UPDATE country_tables SET body = k.body, seal = k.seal, data = k.data FROM kept k",
        "DELETE FROM country_tables",
    ] {
        store.shut().await;
        db.sql(attack);
        let store = base.open().await.unwrap();
        assert_eq!((told(store.countries(&console)).unwrap(), store.country_of(japan)), (None, None), "{attack}");
        store.shut().await;
    }
}

async fn who_may_bring_a_table_of_countries(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let console = Actor::console();
    for who in [&ward.operator, &ward.clerk, &ward.worker_actor()] {
        assert_eq!(told(store.take_countries(who, table(JAPAN), "2026-11-01").await).err(), Some(Refusal::NotAllowed), "{}", who.login);
    }
    assert_eq!(told(store.countries(&ward.worker_actor())).err(), Some(Refusal::NotAllowed));
    assert_eq!(store.countries_are_old(), None);
    for bad in ["", "yesterday", "2027-01-01"] {
        assert_eq!(told(store.take_countries(&console, table(JAPAN), bad).await).err(), Some(Refusal::bad_field("dated")), "{bad:?}");
    }
    store.take_countries(&console, table(JAPAN), "2026-11-01").await.unwrap();
    assert!(!told(store.countries(&ward.operator)).unwrap().unwrap().is_old(ward.store.now()));
    let kept = store.take_countries(&console, table(JAPAN), "2026-06-01").await.unwrap();
    assert_eq!((kept.is_old(ward.store.now()), store.countries_are_old()), (true, Some(true)));
}
