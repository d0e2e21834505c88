//! Logins: two factors, one answer for every failure, codes that work once, lock-outs, links, and how logins end.

use super::base::{Base, enrol, new_person, on_both, reset_ask, resident, source, told};
use super::ward::{PASSWORD, WORKER_KEY, facts_of};
use sekisho_core::desk::{Cause, Desk as _, FirstProof, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::{Enrolment, PersonChange, VendorAsk};
use std::net::IpAddr;
use std::time::Duration;

on_both!(
    every_failure_has_one_answer,
    five_failures_lock_out_and_a_person_or_time_unlocks,
    a_source_with_many_failures_waits,
    a_code_works_once_by_whichever_door,
    a_link_works_once_and_not_for_ever,
    a_vendors_link_opens_at_its_lines_and_while_it_is_in_force,
    whoever_guesses_the_code_of_a_link_is_made_to_wait_and_that_is_written_down,
    logins_end,
    passwords_follow_the_rules,
    step_up_is_fresh_for_minutes,
    keys_are_for_workers_who_may_act,
    the_first_administrator_comes_by_the_printed_link,
);

const MINUTE: Duration = Duration::from_secs(60);

fn other_source() -> IpAddr {
    IpAddr::from([192, 168, 7, 7])
}

async fn every_failure_has_one_answer(base: Base) {
    let town = base.town().await;
    let (store, wrong) = (&town.store, || Secret::new("wrong-password-1!"));
    let good = || Secret::new(PASSWORD);
    let (fresh, _) = store.add_person(&Actor::console(), new_person("shinjin", Role::Operator, None)).await.unwrap();
    assert_eq!(fresh.login, "shinjin");
    let answers = [
        told(store.log_in("ono", wrong(), town.code(&town.operator), source(), Via::Web).await).map(|_| ()),
        told(store.log_in("ono", good(), Secret::new("000000"), source(), Via::Web).await).map(|_| ()),
        told(store.log_in("nobody", good(), town.code(&town.operator), source(), Via::Web).await).map(|_| ()),
        told(store.log_in("shinjin", good(), Secret::new("123456"), source(), Via::Web).await).map(|_| ()),
        told(store.log_in("no such\nname", good(), Secret::new("123456"), source(), Via::Web).await).map(|_| ()),
        told(store.log_in("ono", Secret::new("a".repeat(100_000)), town.code(&town.operator), source(), Via::Web).await).map(|_| ()),
        // A code without the password of its person, and the code of somebody else.
        told(store.log_in("ono", good(), town.code(&town.planner), source(), Via::Web).await).map(|_| ()),
    ];
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, Err(Refusal::LoginFailed), "attempt {place}");
    }
    let refused = town.facts("refused").await;
    assert_eq!(refused.len(), answers.len(), "each is written down");
    for entry in &refused {
        let Fact::Refused { login, .. } = &entry.fact else { panic!() };
        assert!(!login.contains('\n') && entry.actor.person.is_none(), "a failed login proves nobody");
    }
    // None of the failures spent the good code or broke the good login.
    town.log_in(&town.operator).await;
}

async fn five_failures_lock_out_and_a_person_or_time_unlocks(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let fail = async || told(store.log_in("sato", Secret::new("wrong-password-1!"), Secret::new("000000"), source(), Via::Web).await).map(|_| ());
    let works = async || told(store.log_in("sato", Secret::new(PASSWORD), town.code(&town.worker), source(), Via::Web).await).map(|_| ());
    for _ in 0..5 {
        assert_eq!(fail().await, Err(Refusal::LoginFailed));
    }
    assert_eq!(town.facts("locked_out").await.len(), 1);
    assert_eq!(works().await, Err(Refusal::LockedOut), "the right factors do not help");
    let half = store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::Password(Secret::new(PASSWORD))).await;
    assert_eq!(half.err(), Some(Refusal::LockedOut), "nor do they by SSH");
    let row = store.person(&Actor::console(), town.worker.id()).await.unwrap();
    assert!(row.locked_until.is_some());
    let by_worker = told(store.unlock_person(&town.stranger.actor, town.worker.id(), "本人に確認").await);
    assert_eq!(by_worker, Err(Refusal::NotAllowed));
    store.unlock_person(&town.operator.actor, town.worker.id(), "本人に電話で確認").await.unwrap();
    assert_eq!(town.facts("unlocked").await.len(), 1);
    works().await.unwrap();
    // The second lock in a row lasts twice as long as the first.
    let mut waits = Vec::new();
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(fail().await, Err(Refusal::LoginFailed));
        }
        let until = store.person(&Actor::console(), town.worker.id()).await.unwrap().locked_until.unwrap();
        waits.push(store.now().until(until));
        town.pass(store.now().until(until));
    }
    assert!(waits[0] > MINUTE * 29 && waits[1] > MINUTE * 59, "{waits:?}");
    works().await.unwrap();
    // Names that belong to nobody lock alike, so a lock tells nothing.
    for _ in 0..5 {
        let _ = store.log_in("daremo", Secret::new("x"), Secret::new("1"), other_source(), Via::Web).await;
    }
    assert_eq!(told(store.log_in("daremo", Secret::new("x"), Secret::new("1"), other_source(), Via::Web).await).err(), Some(Refusal::LockedOut));
}

async fn a_source_with_many_failures_waits(base: Base) {
    let town = base.town().await;
    for n in 0..30 {
        let name = format!("guess{n}");
        assert_eq!(told(town.store.log_in(&name, Secret::new("x"), Secret::new("1"), other_source(), Via::Web).await).err(), Some(Refusal::LoginFailed));
    }
    let entries = town.log().await.len();
    let code = town.code(&town.operator);
    assert_eq!(told(town.store.log_in("ono", Secret::new(PASSWORD), code, other_source(), Via::Web).await).err(), Some(Refusal::SourceBlocked));
    assert_eq!(town.log().await.len(), entries, "a blocked source cannot fill the log");
    town.log_in(&town.operator).await;
    town.pass(MINUTE * 11);
    let code = town.code(&town.operator);
    told(town.store.log_in("ono", Secret::new(PASSWORD), code, other_source(), Via::Web).await).unwrap();
}

async fn a_code_works_once_by_whichever_door(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let password = || Secret::new(PASSWORD);
    let code = town.code(&town.worker);
    store.log_in("sato", password(), code.clone(), source(), Via::Web).await.unwrap();
    assert_eq!(told(store.log_in("sato", password(), code.clone(), source(), Via::Web).await).err(), Some(Refusal::LoginFailed));
    let half = store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::Password(password())).await.unwrap();
    let Err((_, refusal)) = store.second_factor(half, code).await else { panic!("a spent code was taken") };
    assert_eq!(refusal, Refusal::LoginFailed);
    let code = town.code(&town.worker);
    let half = store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::Password(password())).await.unwrap();
    store.second_factor(half, code.clone()).await.unwrap();
    assert_eq!(told(store.log_in("sato", password(), code, source(), Via::Web).await).err(), Some(Refusal::LoginFailed));
    // Many at once with the same code: one gets in.
    let code = town.code(&town.operator);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, code) = (store.clone(), code.clone());
        tasks.spawn(async move { store.log_in("ono", Secret::new(PASSWORD), code, source(), Via::Web).await.is_ok() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|entered| *entered).count(), 1);
}

async fn a_vendors_link_opens_at_its_lines_and_while_it_is_in_force(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let console = Actor::console();
    let (_, link) = store.add_person(&console, new_person("hara", Role::Worker, Some(&town.vendor))).await.unwrap();
    let token = link.token.expose();
    // Whoever reads the vendor's mail somewhere else in the world.
    let away = std::net::IpAddr::from([203, 0, 113, 7]);
    let code = totp_rs::Totp::from_url(store.enrolment(token, "", source()).await.unwrap().totp_url.expose()).unwrap();
    let code = || Secret::new(code.generate(town.now().0 as u64 / 1000).to_string());
    assert_eq!(told(store.enrolment(token, "", away).await).err(), Some(Refusal::SourceNotAllowed));
    assert_eq!(told(store.ask_enrolment_passkey(token, "", away).await).err(), Some(Refusal::SourceNotAllowed));
    assert_eq!(told(store.enrol(token, "", away, Enrolment::with_code(Secret::new(PASSWORD), code())).await).err(), Some(Refusal::SourceNotAllowed));
    // A vendor that is away sets no factors for the day on which it returns.
    let gone = |active| VendorAsk { name: town.vendor.name.clone(), active, ..VendorAsk::default() };
    store.change_vendor(&console, &town.vendor.id, gone(false)).await.unwrap();
    assert_eq!(told(store.enrolment(token, "", source()).await).err(), Some(Refusal::EnrolmentInvalid));
    assert_eq!(told(store.enrol(token, "", source(), Enrolment::with_code(Secret::new(PASSWORD), code())).await).err(), Some(Refusal::EnrolmentInvalid));
    store.change_vendor(&console, &town.vendor.id, gone(true)).await.unwrap();
    store.enrol(token, "", source(), Enrolment::with_code(Secret::new(PASSWORD), code())).await.unwrap();
    let last = town.facts("enrolled").await.pop().unwrap();
    assert_eq!(last.actor.source, Some(source().to_string()), "the log says from where");
    // The hospital's own persons come from anywhere.
    let (_, link) = store.add_person(&console, new_person("mita", Role::Supervisor, None)).await.unwrap();
    store.enrolment(link.token.expose(), "", away).await.unwrap();
}

async fn whoever_guesses_the_code_of_a_link_is_made_to_wait_and_that_is_written_down(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let console = Actor::console();
    let mut tries = 0;
    while tries < limits::SOURCE_FAILURES {
        let link = store.reset_person(&console, town.clerk.id(), reset_ask("端末紛失")).await.unwrap();
        for _ in 0..limits::HANDOVER_TRIES.min(limits::SOURCE_FAILURES - tries) {
            assert_eq!(told(store.open_link(link.token.expose(), "", &Secret::new("x"), source()).await), Err(Refusal::HandoverNeeded));
            tries += 1;
        }
    }
    let facts = town.facts("source_locked").await;
    assert!(matches!(&facts[..], [entry] if matches!(&entry.fact, Fact::SourceLocked { source: from } if *from == source().to_string())), "{facts:?}");
}

async fn a_link_works_once_and_not_for_ever(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let console = Actor::console();
    let (person, first) = store.add_person(&console, new_person("hara", Role::Supervisor, None)).await.unwrap();
    assert!(first.url.expose().starts_with("https://gateway.example:8443/enrol/"));
    let again = store.enrolment(first.token.expose(), "", source()).await.unwrap();
    assert_eq!(again.totp_url.expose(), store.enrolment(first.token.expose(), "", source()).await.unwrap().totp_url.expose(), "the secret stays the same until it is used");
    let second = store.reset_person(&console, &person.id, reset_ask("リンク紛失")).await.unwrap();
    assert_eq!(told(store.enrolment(first.token.expose(), "", source()).await).err(), Some(Refusal::EnrolmentInvalid), "a new link ends the old one");
    store.open_link(second.token.expose(), "", second.handover.as_ref().unwrap(), source()).await.unwrap();
    let wrong = told(store.enrol(second.token.expose(), "", source(), Enrolment::with_code(Secret::new(PASSWORD), Secret::new("000000"))).await);
    assert_eq!(wrong, Err(Refusal::LoginFailed));
    enrol(&town.base, store, &second).await;
    assert_eq!(told(store.enrolment(second.token.expose(), "", source()).await).err(), Some(Refusal::EnrolmentInvalid), "a link works once");
    let third = store.reset_person(&console, &person.id, reset_ask("端末紛失")).await.unwrap();
    assert!(told(store.log_in("hara", Secret::new(PASSWORD), Secret::new("1"), source(), Via::Web).await).is_err());
    town.pass(MINUTE * 60 * 72);
    assert_eq!(told(store.enrolment(third.token.expose(), "", source()).await).err(), Some(Refusal::EnrolmentInvalid), "72 hours");
    assert_eq!(told(store.enrolment("", "", source()).await).err(), Some(Refusal::EnrolmentInvalid));
}

async fn logins_end(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let of = async |token: &Secret| told(store.login_of(token.expose(), source()).await).map(|login| login.person.login);
    let idle = town.log_in(&town.operator).await;
    assert_eq!(of(&idle.token).await.unwrap(), "ono");
    town.pass(MINUTE * 31);
    assert_eq!(of(&idle.token).await, Err(Refusal::LoginNeeded), "idle");
    let long = town.log_in(&town.planner).await;
    for _ in 0..24 {
        town.pass(MINUTE * 25);
        if of(&long.token).await.is_err() {
            break;
        }
    }
    assert!(store.now() >= long.ends_at, "requests keep it alive until its end");
    assert_eq!(of(&long.token).await, Err(Refusal::LoginNeeded));
    store.run_jobs_once().await.unwrap();
    let causes: Vec<String> = town.facts("logged_out").await.into_iter().map(|entry| match entry.fact {
        Fact::LoggedOut { cause } => cause,
        other => panic!("{other:?}"),
    }).collect();
    assert_eq!(causes, ["idle", "expired"]);
    // Disabling a person, or their vendor, ends everything at once.
    let login = town.log_in(&town.worker).await;
    store.change_vendor(&Actor::console(), &town.vendor.id, VendorAsk { name: town.vendor.name.clone(), active: false, ..VendorAsk::default() }).await.unwrap();
    assert_eq!(of(&login.token).await, Err(Refusal::LoginNeeded));
    let login = town.log_in(&town.clerk).await;
    let change = PersonChange { active: false, ..PersonChange::of(&town.clerk.person) };
    store.change_person(&town.admin.actor, town.clerk.id(), change).await.unwrap();
    assert_eq!(of(&login.token).await, Err(Refusal::LoginNeeded));
    assert_eq!(of(&Secret::new("")).await, Err(Refusal::LoginNeeded));
    let login = town.log_in(&town.safety).await;
    store.log_out(login.token.expose()).await.unwrap();
    store.log_out(login.token.expose()).await.unwrap();
    assert_eq!(of(&login.token).await, Err(Refusal::LoginNeeded));
}

async fn passwords_follow_the_rules(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let (here, there) = (town.log_in(&town.planner).await, town.log_in(&town.planner).await);
    let login = store.login_of(there.token.expose(), source()).await.unwrap();
    let change = async |old: &str, new: &str| told(store.change_password(&login, Secret::new(old), Secret::new(new), false).await);
    assert_eq!(change(PASSWORD, "kida-kida-2026").await, Err(Refusal::PasswordGuessable));
    assert!(matches!(change(PASSWORD, "short-1!").await, Err(Refusal::PasswordTooShort { .. })));
    assert_eq!(change(PASSWORD, PASSWORD).await, Err(Refusal::PasswordReused));
    assert_eq!(change("wrong-password-1!", "hoshi-no-michi-01!").await, Err(Refusal::LoginFailed));
    let mut old = PASSWORD.to_owned();
    for n in 1..=5 {
        let new = format!("hoshi-no-michi-0{n}!");
        change(&old, &new).await.unwrap();
        if n < 5 {
            assert_eq!(change(&new, PASSWORD).await, Err(Refusal::PasswordReused), "after {n}");
        }
        town.pass(Duration::from_secs(1));
        old = new;
    }
    change(&old, PASSWORD).await.unwrap();
    assert_eq!(told(store.login_of(here.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded), "other logins end");
    store.login_of(there.token.expose(), source()).await.unwrap();
    assert!(facts_of(store, "password_changed").await.len() == 6);
}

async fn step_up_is_fresh_for_minutes(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let token = town.log_in(&town.planner).await.token;
    let login = async || store.login_of(token.expose(), source()).await.unwrap();
    store.require_step_up(&login().await, Action::ApprovePlan).unwrap();
    town.pass(MINUTE * 6);
    assert_eq!(store.require_step_up(&login().await, Action::ApprovePlan), Err(Refusal::StepUpNeeded));
    store.require_step_up(&login().await, Action::ReadPlan).unwrap();
    assert_eq!(told(store.change_password(&login().await, Secret::new(PASSWORD), Secret::new("hoshi-no-michi-01!"), false).await), Err(Refusal::StepUpNeeded));
    assert_eq!(told(store.step_up(&login().await, Secret::new("000000")).await), Err(Refusal::LoginFailed));
    let code = town.code(&town.planner);
    store.step_up(&login().await, code).await.unwrap();
    store.require_step_up(&login().await, Action::ViewRecording).unwrap();
    assert_eq!(town.facts("stepped_up").await.len(), 1);
}

async fn keys_are_for_workers_who_may_act(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let worker = &town.worker.actor;
    let key = store.add_key(worker, &format!("{WORKER_KEY} sato@laptop")).await.unwrap();
    assert_eq!(told(store.add_key(worker, WORKER_KEY).await).err(), Some(Refusal::NameTaken));
    assert_eq!(told(store.add_key(worker, "ssh-ed25519 nonsense").await).err(), Some(Refusal::bad_field("key")));
    assert!(store.knows_key("sato", source(), WORKER_KEY).await);
    assert!(!store.knows_key("ono", source(), WORKER_KEY).await);
    assert_eq!(told(store.remove_key(&town.stranger.actor, &key.id).await).err(), Some(Refusal::NotFound));
    let half = store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::VerifiedKey(WORKER_KEY.into())).await.unwrap();
    let code = town.code(&town.worker);
    store.second_factor(half, code).await.unwrap();
    store.change_person(&Actor::console(), town.worker.id(), PersonChange { active: false, ..PersonChange::of(&town.worker.person) }).await.unwrap();
    assert!(!store.knows_key("sato", source(), WORKER_KEY).await);
    assert!(store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::VerifiedKey(WORKER_KEY.into())).await.is_err());
}

/// Whoever took the telephone or the laptop is out at once, with the keys that they registered.
#[tokio::test]
async fn a_reset_ends_sessions_and_takes_the_keys_away() {
    let ward = super::ward::Ward::new().await;
    ward.store.add_key(&ward.worker_actor(), WORKER_KEY).await.unwrap();
    let admission = ward.entered().await;
    let mut recalls = ward.store.recalls();
    let link = ward.store.reset_person(&Actor::console(), &ward.worker.id, reset_ask("盗難")).await.unwrap();
    let word = super::ward::recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((word.session.as_ref(), word.word), (Some(&admission.session), RecallWord::End(Cause::Recalled)));
    ward.left(admission, Cause::Recalled).await;
    ward.store.open_link(link.token.expose(), "", link.handover.as_ref().unwrap(), source()).await.unwrap();
    let code = totp_rs::Totp::from_url(ward.store.enrolment(link.token.expose(), "", source()).await.unwrap().totp_url.expose()).unwrap();
    let code = Secret::new(code.generate(ward.store.now().0 as u64 / 1000).to_string());
    ward.store.enrol(link.token.expose(), "", source(), Enrolment::with_code(Secret::new("hoshi-no-michi-43!"), code)).await.unwrap();
    assert!(!ward.store.knows_key("sato", source(), WORKER_KEY).await);
    assert_eq!(ward.facts("key_removed").await.len(), 1);
}

async fn the_first_administrator_comes_by_the_printed_link(base: Base) {
    let report = base.init().await.unwrap();
    let store = base.open().await.unwrap();
    assert!(store.log_public_key() == report.log_public_key);
    let codes = enrol(&base, &store, &report.first_admin).await;
    base.clock.pass(Duration::from_secs(30));
    let code = Secret::new(codes.generate(sekisho_core::time::Clock::now(&*base.clock).0 as u64 / 1000).to_string());
    let login = store.log_in("admin", Secret::new(PASSWORD), code, source(), Via::Web).await.unwrap();
    assert!(login.actor.is(Role::Administrator));
    let admin = store.persons(&login.actor).await.unwrap().remove(0).person;
    // Nobody else could keep the ledgers, so this one stays.
    let change = PersonChange { active: false, ..PersonChange::of(&admin) };
    assert_eq!(told(store.change_person(&login.actor, &admin.id, change.clone()).await).err(), Some(Refusal::LastAdministrator));
    resident(&base, &store, new_person("kanri", Role::Administrator, None)).await;
    store.change_person(&login.actor, &admin.id, change).await.unwrap();
}
