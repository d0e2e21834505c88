//! Logins by certificate: how a device comes by one, for whom and from where it counts, and what ends it.

use super::base::{Base, Resident, Town, on_both, source, told};
use super::ward::{PASSWORD, WORKER_KEY};
use crate::roads;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use sekisho_core::desk::{Arrival, Cause, ClientCertificate, Desk, Entry, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{ConnectId, DeviceId, KeyWindowId};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::plan::act::PlanAct;
use sekisho_core::porter::{PendingLogin, Porter, TypedCode};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::ssh_login::{LoginAsk, LoginIssued};
use sekisho_store::{KeyWindowAsk, OpenLoginId, OpenLoginKind, Origin, PersonChange, Store, WebLogin};
use std::net::IpAddr;
use std::time::Duration;

on_both! {
    a_confirmed_device_logs_in_without_password_and_code,
    a_certificate_counts_for_its_person_device_line_and_time_alone,
    what_ends_a_person_or_a_device_ends_its_certificate_and_what_it_let_in,
    a_request_is_confirmed_by_who_uses_the_device_and_with_a_fresh_factor,
    there_is_no_login_without_work_and_none_that_outlives_it,
    a_device_that_goes_takes_its_request_along,
    everybody_sees_and_ends_their_own_logins,
    a_device_elsewhere_is_confirmed_by_its_typed_code_alone,
    an_administrator_ends_the_logins_of_everybody_else,
    a_login_through_the_door_is_bound_in_the_change_that_begins_it,
}

/// A key that some device made. What matters here is the certificate over it.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn porter(store: &Store) -> &dyn Porter {
    store
}

fn desk(store: &Store) -> &dyn Desk {
    store
}

fn ask() -> LoginAsk {
    LoginAsk { key: KEY.into(), host: "note-01".into() }
}

/// Enrols a device and gives what its tunnels show.
async fn enrolled(town: &Town, id: &DeviceId) -> ClientCertificate {
    let code = town.store.issue_device_code(&Actor::console(), id).await.unwrap();
    let code = TypedCode::parse(code.code.expose()).unwrap();
    let request = CertificateParams::new(Vec::new()).unwrap().serialize_request(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).unwrap().der().to_vec();
    porter(&town.store).enrol(source(), code.ticket, request).await.unwrap();
    let held = town.store.device_certificates(&Actor::console(), id).await.unwrap();
    ClientCertificate::assertion(held.certificates[0].serial.clone())
}

async fn device_of(town: &Town) -> DeviceId {
    let devices = town.store.devices(&Actor::console()).await.unwrap();
    devices.into_iter().find(|device| device.vendor == town.vendor.id).unwrap().id
}

async fn browser(town: &Town, who: &Resident) -> WebLogin {
    let new = town.log_in(who).await;
    town.store.login_of(new.token.expose(), source()).await.unwrap()
}

async fn asked(town: &Town, shown: &ClientCertificate) -> PendingLogin {
    porter(&town.store).ask_login(source(), shown.serial(), ask()).await.unwrap()
}

/// A device of the worker's asks for a login.
pub async fn asking(town: &Town) -> PendingLogin {
    let shown = enrolled(town, &device_of(town).await).await;
    asked(town, &shown).await
}

/// A worker whose device is logged in.
async fn logged_in(town: &Town) -> (Arrival, LoginIssued) {
    let shown = enrolled(town, &device_of(town).await).await;
    let web = browser(town, &town.worker).await;
    let pending = asked(town, &shown).await;
    town.store.confirm_connect(&web, &pending.offer.id, "").await.unwrap();
    (Arrival { source: source(), certificate: Some(shown) }, pending.answer.await.unwrap())
}

/// Why the last certificate did not count, in the log's words.
async fn why(town: &Town) -> Option<String> {
    let refused = town.facts("refused").await.into_iter().rev();
    let mut words = refused.filter_map(|entry| if let Fact::Refused { stage, code, detail, .. } = entry.fact { (stage == "certificate").then(|| format!("{code} {detail}")) } else { None });
    words.next()
}

async fn counts(town: &Town, login: &str, arrival: &Arrival, certificate: &str) -> bool {
    let known = desk(&town.store).knows_certificate(login, arrival, certificate).await;
    let held = desk(&town.store).certificate(login, arrival, certificate).await;
    assert_eq!(known, held.is_ok(), "an offer is answered as the signature is");
    held.is_ok()
}

async fn a_confirmed_device_logs_in_without_password_and_code(base: Base) {
    let town = base.town().await;
    let plan = town.approved().await;
    let (arrival, issued) = logged_in(&town).await;
    assert_eq!((issued.login.as_str(), issued.until), ("sato", plan.window().1), "it ends with the plan's window");
    let targets: Vec<_> = issued.targets.iter().map(|reach| (reach.target.as_str(), reach.plan.as_str())).collect();
    assert_eq!(targets, [("ehr-db01", plan.number.as_str())]);
    let principal = desk(&town.store).certificate("sato", &arrival, &issued.certificate).await.unwrap();
    let Ok(Entry::Open(admission)) = desk(&town.store).enter(&principal, "ehr-db01", None).await else { panic!("no session was opened") };
    assert_eq!(admission.grant.road.device_proof, "certificate");
    let told = town.facts("ssh_login_issued").await;
    let Fact::SshLoginIssued { serial, device_name, host, plans, .. } = &told[0].fact else { panic!("{told:?}") };
    assert_eq!((*serial, device_name.as_str(), host.as_str(), plans.as_slice()), (told[0].seq, "NOTE-01", "note-01", std::slice::from_ref(&plan.number)), "the number of the certificate is that of its entry");
    let identified = town.facts("identified").await;
    assert!(matches!(&identified.last().unwrap().fact, Fact::Identified { first, device_name, ssh_login: Some(_), .. } if first == "certificate" && device_name == "NOTE-01"), "{identified:?}");
    // The certificate gives no right: without the plan nobody enters.
    assert_eq!(desk(&town.store).enter(&principal, "pacs01", None).await.err(), Some(Refusal::NoPlan));
}

async fn a_certificate_counts_for_its_person_device_line_and_time_alone(base: Base) {
    let town = base.town().await;
    town.approved().await;
    let (arrival, issued) = logged_in(&town).await;
    let other = town.store.add_device(&Actor::console(), &town.vendor.id, roads::device("NOTE-02", [10, 20, 0, 6].into())).await.unwrap();
    let other = Arrival { source: source(), certificate: Some(enrolled(&town, &other.id).await) };
    let nobody = Arrival { source: source(), certificate: Some(ClientCertificate::assertion("00".repeat(16))) };
    let elsewhere = Arrival { source: IpAddr::from([127, 0, 0, 1]), ..arrival.clone() };
    let whole = issued.certificate.clone();
    let bent = { let at = whole.len() - 20; format!("{}{}{}", &whole[..at], if &whole[at..=at] == "A" { "B" } else { "A" }, &whole[at + 1..]) };
    let mut rows = Vec::new();
    for (taken_away, login, from, certificate, word) in [
        ("the tunnel of the outer door", "sato", &Arrival::plain(source()), &whole, "tunnel"),
        ("its device", "sato", &other, &whole, "device"),
        ("a device at all", "sato", &nobody, &whole, "device"),
        ("its line", "sato", &elsewhere, &whole, "source"),
        ("its person", "mori", &arrival, &whole, "principal"),
        ("a person at all", "sato,root", &arrival, &whole, "principal"),
        ("the authority's signature", "sato", &arrival, &bent, "authority"),
        ("the certificate", "sato", &arrival, &KEY.to_owned(), "form"),
    ] {
        // A few lines of one source are written within ten minutes.
        town.pass(Duration::from_secs(601));
        assert!(!counts(&town, login, from, certificate).await, "without {taken_away}");
        let told = why(&town).await.unwrap_or_default();
        rows.push(format!("{taken_away:32} {told}"));
        assert!(told.starts_with(&format!("SKS-1052 {word}")), "without {taken_away}: {told}");
    }
    assert!(counts(&town, "sato", &arrival, &whole).await, "with all of them it counts");
    town.pass(Duration::from_secs(4 * 3600));
    assert!(!counts(&town, "sato", &arrival, &whole).await);
    rows.push(format!("{:32} {}", "its time", why(&town).await.unwrap()));
    assert!(rows.last().unwrap().ends_with("SKS-1052 expired"), "{rows:?}");
    println!("what is taken away                what the log says\n{}", rows.join("\n"));
}

async fn what_ends_a_person_or_a_device_ends_its_certificate_and_what_it_let_in(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    town.approved().await;
    let (arrival, issued) = logged_in(&town).await;
    let principal = desk(store).certificate("sato", &arrival, &issued.certificate).await.unwrap();
    let Ok(Entry::Open(admission)) = desk(store).enter(&principal, "ehr-db01", None).await else { panic!("no session was opened") };
    let mut recalls = store.recalls();
    let standing = store.open_logins(&town.worker.actor, town.worker.id(), None).await.unwrap();
    let certificate = standing.iter().find(|login| login.kind == OpenLoginKind::Certificate).unwrap();
    store.end_login(&town.worker.actor, town.worker.id(), &certificate.id).await.unwrap();
    let recall = recalls.recv().await.unwrap();
    assert!(recall.session.as_ref() == Some(&admission.session) && matches!(recall.word, RecallWord::End(_)), "{recall:?}");
    assert!(!counts(&town, "sato", &arrival, &issued.certificate).await);
    assert_eq!(why(&town).await.as_deref(), Some("SKS-1052 revoked"));
    assert_eq!(desk(store).enter(&principal, "ehr-db01", None).await.err(), Some(Refusal::SshLoginRefused), "who had proved themselves before the end enters nothing after it");
    // A new login, and the password changes.
    let again = async || {
        let web = browser(&town, &town.worker).await;
        let pending = asked(&town, arrival.certificate.as_ref().unwrap()).await;
        store.confirm_connect(&web, &pending.offer.id, "").await.unwrap();
        (web, pending.answer.await.unwrap().certificate)
    };
    let (web, held) = again().await;
    assert!(counts(&town, "sato", &arrival, &held).await);
    store.change_password(&web, Secret::new(PASSWORD), Secret::new("yama-no-michi-77!"), false).await.unwrap();
    assert!(!counts(&town, "sato", &arrival, &held).await, "the password changed");
    let new = store.log_in("sato", Secret::new("yama-no-michi-77!"), town.code(&town.worker), source(), Via::Web).await.unwrap();
    let web = store.login_of(new.token.expose(), source()).await.unwrap();
    let pending = asked(&town, arrival.certificate.as_ref().unwrap()).await;
    store.confirm_connect(&web, &pending.offer.id, "").await.unwrap();
    let held = pending.answer.await.unwrap().certificate;
    assert!(counts(&town, "sato", &arrival, &held).await);
    // The person is disabled and comes back: what ended does not rise again.
    let person = store.person(&Actor::console(), town.worker.id()).await.unwrap().person;
    let change = |active: bool| PersonChange { active, ..PersonChange::of(&person) };
    store.change_person(&Actor::console(), town.worker.id(), change(false)).await.unwrap();
    assert!(!counts(&town, "sato", &arrival, &held).await, "the person was disabled");
    store.change_person(&Actor::console(), town.worker.id(), change(true)).await.unwrap();
    assert!(!counts(&town, "sato", &arrival, &held).await, "a certificate rose with its person");
    assert!(town.facts("ssh_login_ended").await.len() >= 3);
    // The device is lost.
    let new = store.log_in("sato", Secret::new("yama-no-michi-77!"), town.code(&town.worker), source(), Via::Web).await.unwrap();
    let web = store.login_of(new.token.expose(), source()).await.unwrap();
    let pending = asked(&town, arrival.certificate.as_ref().unwrap()).await;
    store.confirm_connect(&web, &pending.offer.id, "").await.unwrap();
    let held = pending.answer.await.unwrap().certificate;
    assert!(counts(&town, "sato", &arrival, &held).await);
    store.lose_device(&Actor::console(), &device_of(&town).await, "電車に置き忘れた").await.unwrap();
    assert!(!counts(&town, "sato", &arrival, &held).await, "the device is lost");
}

async fn a_request_is_confirmed_by_who_uses_the_device_and_with_a_fresh_factor(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    town.approved().await;
    let shown = enrolled(&town, &device_of(&town).await).await;
    let pending = asked(&town, &shown).await;
    let id = pending.offer.id.clone();
    assert!(pending.offer.url.ends_with(&format!("/connect/{id}")) && pending.offer.code.len() == 7, "{:?}", pending.offer);
    // A worker of another vendor sees nothing, and a planner is no worker.
    let mori = browser(&town, &town.stranger).await;
    assert_eq!(told(store.connect_request(&mori, &id).await).unwrap_err(), Refusal::ConnectOver);
    assert_eq!(told(store.confirm_connect(&mori, &id, "").await).unwrap_err(), Refusal::ConnectOver);
    let planner = browser(&town, &town.planner).await;
    assert_eq!(told(store.confirm_connect(&planner, &id, "").await).unwrap_err(), Refusal::NotAllowed);
    let web = browser(&town, &town.worker).await;
    assert_eq!(told(store.connect_request(&web, &id).await).unwrap().code, pending.offer.code);
    town.pass(Duration::from_secs(60));
    assert_eq!(told(store.confirm_connect(&web, &id, "").await).err(), None);
    assert!(pending.answer.await.is_ok());
    let pending = asked(&town, &shown).await;
    town.pass(Duration::from_secs(245));
    assert_eq!(told(store.confirm_connect(&web, &pending.offer.id, "").await).unwrap_err(), Refusal::StepUpNeeded);
    let web = browser(&town, &town.worker).await;
    store.deny_connect(&web, &pending.offer.id).await.unwrap();
    assert_eq!(pending.answer.await.unwrap_err(), Refusal::ConnectDenied);
    assert_eq!(town.facts("connect_denied").await.len(), 1);
    let late = asked(&town, &shown).await;
    town.pass(Duration::from_secs(270));
    let fresh = browser(&town, &town.worker).await;
    assert_eq!(told(store.confirm_connect(&fresh, &late.offer.id, "").await).unwrap_err(), Refusal::ConnectOver, "too late");
    assert_eq!(told(store.confirm_connect(&fresh, &ConnectId::from_random([1; 10]), "").await).unwrap_err(), Refusal::ConnectOver);
    // What a device says is bounded.
    for bad in [LoginAsk { key: "ssh-rsa AAAA".into(), ..ask() }, LoginAsk { key: KEY.repeat(30), ..ask() }, LoginAsk { host: "a\nb".into(), ..ask() }, LoginAsk { key: format!("{KEY}\n{KEY}"), ..ask() }] {
        assert!(matches!(porter(store).ask_login(source(), shown.serial(), bad).await.err(), Some(Refusal::BadField { .. })));
    }
    assert_eq!(porter(store).ask_login(source(), &"00".repeat(16), ask()).await.err(), Some(Refusal::CertificateEnded));
}

async fn there_is_no_login_without_work_and_none_that_outlives_it(base: Base) {
    let mut base = base;
    base.policy.ssh_login_hours = 2;
    let town = base.town().await;
    let store = &town.store;
    let shown = enrolled(&town, &device_of(&town).await).await;
    let web = browser(&town, &town.worker).await;
    let pending = asked(&town, &shown).await;
    assert_eq!(told(store.confirm_connect(&web, &pending.offer.id, "").await).unwrap_err(), Refusal::NoPlan);
    let plan = town.approved().await;
    let web = browser(&town, &town.worker).await;
    let now = town.now();
    let made = store.confirm_connect(&web, &pending.offer.id, "").await.unwrap();
    assert!(made.ends_at <= now.plus(Duration::from_secs(2 * 3600 + 60)) && made.ends_at < plan.window().1, "the policy's hours come first");
    let held = pending.answer.await.unwrap().certificate;
    let arrival = Arrival { source: source(), certificate: Some(shown.clone()) };
    let principal = desk(store).certificate("sato", &arrival, &held).await.unwrap();
    let Ok(Entry::Open(admission)) = desk(store).enter(&principal, "ehr-db01", None).await else { panic!("no session was opened") };
    desk(store).leave(&admission.session, admission.recording, Cause::Closed).await;
    // The work was declared ended: the worker is told that, and not that there was no plan.
    town.act(&town.worker, &plan, PlanAct::FinishWork).await.unwrap();
    assert_eq!(desk(store).enter(&principal, "ehr-db01", None).await.err().map(|refusal| refusal.code().to_owned()).as_deref(), Some("SKS-4040"));
}

async fn a_device_that_goes_takes_its_request_along(base: Base) {
    let town = base.town().await;
    town.approved().await;
    let shown = enrolled(&town, &device_of(&town).await).await;
    let web = browser(&town, &town.worker).await;
    let pending = asked(&town, &shown).await;
    let id = pending.offer.id.clone();
    drop(pending);
    assert_eq!(told(town.store.confirm_connect(&web, &id, "").await).unwrap_err(), Refusal::ConnectOver);
    assert!(town.facts("ssh_login_issued").await.is_empty());
}

async fn everybody_sees_and_ends_their_own_logins(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    town.approved().await;
    let (arrival, issued) = logged_in(&town).await;
    let (first, here) = (town.log_in(&town.worker).await, town.log_in(&town.worker).await);
    let web = store.login_of(here.token.expose(), source()).await.unwrap();
    let own = store.open_logins(&web.actor, town.worker.id(), Some(&web.id)).await.unwrap();
    assert_eq!(own.len(), 4, "{own:?}");
    assert_eq!(own.iter().filter(|login| login.current).count(), 1);
    assert!(own.iter().all(|login| login.source == source().to_string()));
    assert_eq!(told(store.open_logins(&town.stranger.actor, town.worker.id(), None).await).unwrap_err(), Refusal::NotAllowed);
    let other = OpenLoginId::Web(first.login.clone());
    assert_eq!(told(store.end_login(&town.stranger.actor, town.worker.id(), &other).await).unwrap_err(), Refusal::NotFound);
    assert_eq!(told(store.end_login(&town.stranger.actor, town.stranger.id(), &other).await).unwrap_err(), Refusal::NotFound, "another's, under one's own name");
    store.end_login(&web.actor, town.worker.id(), &other).await.unwrap();
    assert_eq!(told(store.login_of(first.token.expose(), source()).await).unwrap_err(), Refusal::LoginNeeded);
    assert_eq!(told(store.end_login(&web.actor, town.worker.id(), &other).await).unwrap_err(), Refusal::NotFound, "it is over");
    let ended = store.end_other_logins(&web.actor, town.worker.id(), Some(&web.id), true).await.unwrap();
    assert_eq!(ended, 2, "the login of the first browser, and the certificate");
    assert!(!counts(&town, "sato", &arrival, &issued.certificate).await);
    assert!(store.login_of(here.token.expose(), source()).await.is_ok(), "this one stays");
    // An administrator ends what is left.
    store.end_other_logins(&town.admin.actor, town.worker.id(), None, false).await.unwrap();
    assert_eq!(told(store.login_of(here.token.expose(), source()).await).unwrap_err(), Refusal::LoginNeeded);
    assert!(town.admin.person.roles.contains(&Role::Administrator));
    let facts = town.facts("login_ended").await;
    assert_eq!(facts.len(), 3, "each of them stands in the log: {facts:?}");
}

async fn a_device_elsewhere_is_confirmed_by_its_typed_code_alone(base: Base) {
    let town = base.town().await;
    town.approved().await;
    let shown = enrolled(&town, &device_of(&town).await).await;
    let mut away = browser(&town, &town.worker).await;
    away.source = IpAddr::from([198, 51, 100, 77]);
    let pending = asked(&town, &shown).await;
    for typed in ["", "AAA-AAA", "はい"] {
        assert_eq!(told(town.store.confirm_connect(&away, &pending.offer.id, typed).await).unwrap_err(), Refusal::bad_field("shown_code"), "{typed}");
    }
    let typed = pending.offer.code.to_ascii_lowercase().replace('-', " ");
    town.store.confirm_connect(&away, &pending.offer.id, &typed).await.unwrap();
    assert_eq!(pending.answer.await.unwrap().login, "sato");
}

/// A key window of the worker, opened in a browser.
async fn key_window(town: &Town) -> KeyWindowId {
    let actor = &browser(town, &town.worker).await.actor;
    town.store.add_key(actor, &format!("{WORKER_KEY} laptop")).await.unwrap();
    let mut content = town.content();
    content.targets[0].key_window = true;
    let plan = town.submitted(content).await;
    town.approve(&town.operator, &plan).await.unwrap();
    town.approve(&town.planner, &plan).await.unwrap();
    let key = town.store.my_keys(actor).await.unwrap().remove(0).id;
    let ask = KeyWindowAsk { plan: plan.id, target: town.target.clone(), key, minutes: 10 };
    town.store.open_key_window(actor, ask).await.unwrap().id
}

async fn an_administrator_ends_the_logins_of_everybody_else(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    town.approved().await;
    let (arrival, issued) = logged_in(&town).await;
    let (worker, clerk, admin) = (town.log_in(&town.worker).await, town.log_in(&town.clerk).await, town.log_in(&town.admin).await);
    let own = store.login_of(admin.token.expose(), source()).await.unwrap();
    let stand = store.everybodys_logins(&own.actor).await.unwrap();
    assert_eq!((stand.certificates, stand.web >= 3), (1, true), "{stand:?}");
    assert_eq!(told(store.end_everybodys_logins(&own.actor, Some(&own.id), false, " ").await).unwrap_err(), Refusal::ReasonNeeded);
    assert_eq!(told(store.end_everybodys_logins(&town.operator.actor, None, false, "不正の疑い").await).unwrap_err(), Refusal::NotAllowed);
    let (window, waits) = (key_window(&town).await, asked(&town, &arrival.certificate.clone().unwrap()).await);
    let stand = store.everybodys_logins(&own.actor).await.unwrap();
    let ended = store.end_everybodys_logins(&own.actor, Some(&own.id), true, "不正の疑い").await.unwrap();
    assert!(desk(store).key_window("sato", &Arrival::plain(source()), WORKER_KEY, "ehr-db01").await.is_none(), "a key window that somebody opened in a browser is a way in");
    assert!(matches!(&town.facts("key_window_closed").await[..], [entry] if matches!(&entry.fact, Fact::KeyWindowClosed { window: closed, .. } if *closed == window)));
    assert!(waits.answer.await.is_err(), "what waits to be confirmed waits in vain");
    assert_eq!(told(store.confirm_connect(&browser(&town, &town.worker).await, &waits.offer.id, "").await).unwrap_err(), Refusal::ConnectOver);
    assert_eq!(ended, stand.logins() - 1, "all but this one");
    for other in [&worker, &clerk] {
        assert_eq!(told(store.login_of(other.token.expose(), source()).await).unwrap_err(), Refusal::LoginNeeded);
    }
    assert!(!counts(&town, "sato", &arrival, &issued.certificate).await);
    assert!(store.login_of(admin.token.expose(), source()).await.is_ok(), "whoever did it goes on");
    let facts = town.facts("everybody_logged_out").await;
    assert!(matches!(&facts[0].fact, Fact::EverybodyLoggedOut { reason, logins, tokens: 0 } if reason == "不正の疑い" && *logins == ended), "{facts:?}");
}

async fn a_login_through_the_door_is_bound_in_the_change_that_begins_it(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let device = device_of(&town).await;
    let origin = |device: &DeviceId| Origin { source: source(), device: Some(device.clone()) };
    let new = store.log_in("sato", Secret::new(PASSWORD), town.code(&town.worker), origin(&device), Via::Web).await.unwrap();
    assert_eq!(store.login_of(new.token.expose(), source()).await.unwrap().device, Some(device.clone()));
    let told_of = town.facts("logged_in").await;
    assert!(matches!(&told_of.last().unwrap().fact, Fact::LoggedIn { device: Some(id), device_name, .. } if *id == device && device_name == "NOTE-01"), "{told_of:?}");
    // Somebody of another vendor from this device: nothing begins, and the log says why.
    let refused = told(store.log_in("mori", Secret::new(PASSWORD), town.code(&town.stranger), origin(&device), Via::Web).await).unwrap_err();
    assert_eq!(refused, Refusal::DeviceNotYours);
    assert!(store.open_logins(&town.stranger.actor, town.stranger.id(), None).await.unwrap().is_empty());
}
