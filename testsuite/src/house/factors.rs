//! Factors: passkeys and what they refuse, recovery codes, what a role asks for, replacement, the hand-over of a link.

use super::authenticator::Authenticator;
use super::base::{Base, Resident, Town, new_person, on_both, reset_ask, source, told};
use super::ward::PASSWORD;
use sekisho_core::desk::{Arrival, Desk as _, FirstProof};
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Proof};
use sekisho_core::identity::{CheckMethod, IdentityClaim};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::{Enrolment, NewPasskey, ResetAsk, WebLogin};
use std::collections::BTreeSet;
use std::time::Duration;

on_both!(
    a_passkey_logs_in_alone_and_is_a_fresh_factor,
    what_a_passkey_must_not_do_is_refused,
    a_copied_passkey_is_suspended_and_told,
    a_question_to_a_name_tells_nothing,
    wrong_passwords_to_a_name_keep_no_passkey_out,
    a_box_that_is_renamed_says_how_many_passkeys_that_costs,
    the_last_factor_stays,
    a_recovery_code_works_once_beside_the_password,
    a_role_that_asks_for_a_passkey_gets_one,
    a_lost_authenticator_is_replaced_by_whoever_holds_a_passkey,
    a_link_after_a_reset_opens_with_its_code_alone,
    who_was_checked_how_stands_in_the_ledger,
    a_clock_that_goes_back_gives_no_code_twice,
    a_link_takes_a_passkey_where_the_role_asks_for_one,
);

const BROWSER: &str = "a browser";
const MINUTE: Duration = Duration::from_secs(60);

fn passkeys_for_administrators(mut base: Base) -> Base {
    base.policy.factors.insert(Role::Administrator, BTreeSet::from([FactorKind::Passkey]));
    base
}

async fn login_of(town: &Town, who: &Resident) -> WebLogin {
    let new = town.log_in(who).await;
    town.store.login_of(new.token.expose(), source()).await.unwrap()
}

/// Registers a passkey in a fresh login.
async fn with_passkey(town: &Town, who: &Resident, seed: u8) -> Authenticator {
    let login = login_of(town, who).await;
    let mut key = Authenticator::new(seed);
    let question = town.store.ask_new_passkey(&login).await.unwrap();
    town.store.add_passkey(&login, "青いキー", &key.make(&question)).await.unwrap();
    key
}

async fn by_passkey(town: &Town, key: &mut Authenticator, name: &str) -> Result<WebLogin, Refusal> {
    let question = told(town.store.ask_passkey_login(BROWSER, name, source()).await)?;
    let new = told(town.store.log_in_with_passkey(BROWSER, &key.prove(&question), None, source()).await)?;
    told(town.store.login_of(new.token.expose(), source()).await)
}

async fn a_passkey_logs_in_alone_and_is_a_fresh_factor(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let mut key = with_passkey(&town, &town.planner, 7).await;
    for name in ["", "kida"] {
        let login = by_passkey(&town, &mut key, name).await.unwrap();
        assert_eq!((login.proof, login.person.login.as_str(), login.confined), (Some(Proof::Passkey), "kida", false));
        store.require_step_up(&login, Action::ApprovePlan).unwrap();
    }
    assert_eq!(town.facts("passkey_used").await.len(), 2);
    // As a fresh factor, wherever a code is one.
    let login = login_of(&town, &town.planner).await;
    town.pass(MINUTE * 6);
    assert_eq!(store.require_step_up(&login, Action::ApprovePlan), Err(Refusal::StepUpNeeded));
    let question = store.ask_passkey_step_up(&login).await.unwrap();
    store.step_up_with_passkey(&login, &key.prove(&question)).await.unwrap();
    let again = town.facts("stepped_up").await;
    assert!(matches!(again.last().unwrap().fact, Fact::SteppedUp { by: Some(FactorKind::Passkey) }));
    // What the person sees of it.
    assert_eq!(store.my_passkeys(&town.planner.actor).await.unwrap().len(), 1);
    assert_eq!(store.notices(&town.planner.actor).await.unwrap().len(), 1);
}

async fn what_a_passkey_must_not_do_is_refused(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let mut key = with_passkey(&town, &town.planner, 7).await;
    let mut other = with_passkey(&town, &town.operator, 8).await;
    let ask = async || store.ask_passkey_login(BROWSER, "", source()).await.unwrap();
    let answer = async |text: String| {
        // Each failure counts; the lock-out has a test of its own.
        for who in [&town.planner, &town.operator, &town.clerk] {
            store.unlock_person(&Actor::console(), who.id(), "試験").await.unwrap();
        }
        told(store.log_in_with_passkey(BROWSER, &text, None, source()).await).map(|_| ())
    };

    let mut elsewhere = key.clone();
    for origin in ["https://gateway.example", "https://gateway.example.evil.test:8443", "http://gateway.example:8443", "https://10.0.0.1:8443"] {
        elsewhere.origin = origin.into();
        assert_eq!(answer(elsewhere.prove(&ask().await)).await, Err(Refusal::PasskeyRefused), "{origin}");
    }
    let mut elsewhere = key.clone();
    elsewhere.site = "evil.test".into();
    assert_eq!(answer(elsewhere.prove(&ask().await)).await, Err(Refusal::PasskeyRefused), "another relying party");
    let mut unverified = key.clone();
    unverified.verifies = false;
    assert_eq!(answer(unverified.prove(&ask().await)).await, Err(Refusal::PasskeyRefused), "no PIN, no biometry");
    // The same answer twice, and another answer to the same question.
    let question = ask().await;
    let given = key.prove(&question);
    assert_eq!(answer(given.clone()).await, Ok(()));
    assert_eq!(answer(given).await, Err(Refusal::CeremonyOver), "replayed");
    assert_eq!(answer(key.prove(&question)).await, Err(Refusal::CeremonyOver), "a question used twice");
    // Old, and from another browser.
    let question = ask().await;
    let late = key.prove(&question);
    town.pass(MINUTE * 5);
    assert_eq!(answer(late).await, Err(Refusal::CeremonyOver), "expired");
    let question = store.ask_passkey_login("another browser", "", source()).await.unwrap();
    assert_eq!(answer(key.prove(&question)).await, Err(Refusal::CeremonyOver), "another browser's question");
    // Somebody else's key: for a typed name, for a login's step-up, and with this person's handle on it.
    let question = store.ask_passkey_login(BROWSER, "kida", source()).await.unwrap();
    assert_eq!(answer(other.prove(&question)).await, Err(Refusal::PasskeyRefused), "another person's key for a typed name");
    let login = login_of(&town, &town.planner).await;
    let question = store.ask_passkey_step_up(&login).await.unwrap();
    assert_eq!(told(store.step_up_with_passkey(&login, &other.prove(&question)).await), Err(Refusal::PasskeyRefused), "another person's key as a fresh factor");
    let mut stranger = Authenticator::new(9);
    assert_eq!(answer(stranger.prove(&ask().await)).await, Err(Refusal::PasskeyRefused), "a key that nobody registered");
    for broken in [String::new(), "{}".into(), "x".repeat(100_000), key.prove(&ask().await).replace("signature", "signed")] {
        assert_eq!(answer(broken).await, Err(Refusal::PasskeyRefused));
    }
    // A question of one kind is no question of another.
    let question = store.ask_passkey_step_up(&login).await.unwrap();
    assert_eq!(answer(key.prove(&question)).await, Err(Refusal::CeremonyOver));
    // The same key for a second person.
    let login = login_of(&town, &town.clerk).await;
    let question = store.ask_new_passkey(&login).await.unwrap();
    assert_eq!(told(store.add_passkey(&login, "写し", &key.clone().make(&question)).await).err(), Some(Refusal::PasskeyRefused));
    let mut unverified = Authenticator::new(10);
    unverified.verifies = false;
    let question = store.ask_new_passkey(&login).await.unwrap();
    assert_eq!(told(store.add_passkey(&login, "PINなし", &unverified.make(&question)).await).err(), Some(Refusal::PasskeyRefused));
    // Each refusal says in the log why; the person read one sentence.
    let causes: BTreeSet<String> = town.facts("refused").await.into_iter().filter_map(|entry| match entry.fact { Fact::Refused { detail, .. } if !detail.is_empty() => Some(detail), _ => None }).collect();
    for cause in ["origin", "not_verified", "ceremony", "another_person", "unknown", "malformed"] {
        assert!(causes.contains(cause), "{cause} is not among {causes:?}");
    }
    // None of it spent the good key.
    by_passkey(&town, &mut key, "").await.unwrap();
}

async fn a_copied_passkey_is_suspended_and_told(base: Base) {
    let town = base.town().await;
    let mut key = with_passkey(&town, &town.planner, 7).await;
    let mut copy = key.clone();
    by_passkey(&town, &mut key, "").await.unwrap();
    by_passkey(&town, &mut key, "").await.unwrap();
    // The copy's counter stands where the key's stood before.
    assert_eq!(by_passkey(&town, &mut copy, "").await.err(), Some(Refusal::PasskeyCloned));
    let told = town.facts("passkey_cloned").await;
    assert_eq!(told.len(), 1);
    assert!(town.store.my_passkeys(&town.planner.actor).await.unwrap()[0].suspended);
    assert!(town.store.notices(&town.planner.actor).await.unwrap().iter().any(|notice| notice.kind == sekisho_store::NoticeKind::PasskeyCloned));
    // Nobody can say which of the two is the copy, so neither works.
    copy.counter += 100;
    assert_eq!(by_passkey(&town, &mut copy, "").await.err(), Some(Refusal::PasskeyCloned));
    assert_eq!(by_passkey(&town, &mut key, "").await.err(), Some(Refusal::PasskeyCloned));
    // The person comes in another way and removes it.
    let login = login_of(&town, &town.planner).await;
    let id = town.store.my_passkeys(&login.actor).await.unwrap()[0].id.clone();
    town.store.remove_passkey(&login, &id).await.unwrap();
}

async fn a_question_to_a_name_tells_nothing(base: Base) {
    let town = base.town().await;
    with_passkey(&town, &town.planner, 7).await;
    let ask = async |name: &str| town.store.ask_passkey_login(BROWSER, name, source()).await.unwrap().options["allowCredentials"].clone();
    let mut before = Vec::new();
    for name in ["kida", "ono", "nobody", "someone", "noone"] {
        let first = ask(name).await;
        assert!((1..=2).contains(&first.as_array().unwrap().len()), "{name}");
        assert!((22..=86).contains(&first[0]["id"].as_str().unwrap().len()), "{name}");
        assert_eq!(first, ask(name).await, "{name}: the same each time");
        before.push((name, first));
    }
    assert_eq!(ask("").await.as_array().unwrap().len(), 0);
    town.store.shut().await;
    let store = town.base.open().await.unwrap();
    for (name, first) in before {
        let again = store.ask_passkey_login(BROWSER, name, source()).await.unwrap().options["allowCredentials"].clone();
        assert_eq!(first, again, "{name}: the same after a restart");
    }
}

async fn wrong_passwords_to_a_name_keep_no_passkey_out(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let mut key = with_passkey(&town, &town.planner, 7).await;
    let login = login_of(&town, &town.planner).await;
    let stranger = std::net::IpAddr::from([203, 0, 113, 7]);
    for _ in 0..5 {
        let _ = store.log_in("kida", Secret::new("wrong"), Secret::new("000000"), stranger, Via::Web).await;
    }
    let typed = async || told(store.log_in("kida", Secret::new(PASSWORD), town.code(&town.planner), source(), Via::Web).await).err();
    assert_eq!(typed().await, Some(Refusal::LockedOut), "who types must wait");
    by_passkey(&town, &mut key, "kida").await.unwrap();
    let question = store.ask_passkey_step_up(&login).await.unwrap();
    store.step_up_with_passkey(&login, &key.prove(&question)).await.unwrap();
    assert_eq!(typed().await, Some(Refusal::LockedOut), "a passkey gives nobody more guesses at the password");
    // An answer that fails is no guess at a name, and a flood of them makes its source wait.
    let mut stolen = key.clone();
    stolen.verifies = false;
    for _ in 0..6 {
        let question = store.ask_passkey_login("elsewhere", "kida", stranger).await.unwrap();
        assert_eq!(told(store.log_in_with_passkey("elsewhere", &stolen.prove(&question), None, stranger).await).err(), Some(Refusal::PasskeyRefused));
    }
    by_passkey(&town, &mut key, "").await.unwrap();
    while store.ask_passkey_login("elsewhere", "", stranger).await.is_ok() {
        assert!(store.log_in_with_passkey("elsewhere", "{}", None, stranger).await.is_err());
    }
    assert_eq!(told(store.ask_passkey_login("elsewhere", "", stranger).await).err(), Some(Refusal::SourceBlocked));
    by_passkey(&town, &mut key, "").await.unwrap();
}

async fn a_box_that_is_renamed_says_how_many_passkeys_that_costs(base: Base) {
    let town = base.town().await;
    with_passkey(&town, &town.planner, 7).await;
    assert_eq!(town.store.passkeys_of_another_name().await.unwrap(), 0);
    town.store.shut().await;
    for (origins, lost) in [(vec!["https://renamed.example:8443".to_owned()], 1), (Vec::new(), 1), (vec!["https://gateway.example".to_owned()], 0)] {
        let settings = sekisho_store::Settings { passkey_origins: origins, ..town.base.settings() };
        let store = sekisho_store::Store::open(settings, town.base.clock.clone()).await.unwrap();
        assert_eq!(store.passkeys_of_another_name().await.unwrap(), lost);
        store.shut().await;
    }
}

async fn the_last_factor_stays(base: Base) {
    let town = passkeys_for_administrators(base).town().await;
    let store = &town.store;
    // The administrator holds a code, but their role asks for the passkey.
    let mut key = with_passkey(&town, &town.admin, 7).await;
    let login = by_passkey(&town, &mut key, "").await.unwrap();
    let id = store.my_passkeys(&login.actor).await.unwrap()[0].id.clone();
    assert_eq!(told(store.remove_passkey(&login, &id).await), Err(Refusal::LastFactor));
    let mut second = Authenticator::new(8);
    let question = store.ask_new_passkey(&login).await.unwrap();
    store.add_passkey(&login, "予備", &second.make(&question)).await.unwrap();
    store.remove_passkey(&login, &id).await.unwrap();
    assert_eq!(by_passkey(&town, &mut key, "").await.err(), Some(Refusal::PasskeyRefused), "a removed passkey");
    by_passkey(&town, &mut second, "").await.unwrap();
    // Without a fresh factor nothing changes.
    town.pass(MINUTE * 6);
    let login = by_passkey(&town, &mut second, "").await.unwrap();
    town.pass(MINUTE * 6);
    let id = store.my_passkeys(&login.actor).await.unwrap()[0].id.clone();
    assert_eq!(told(store.remove_passkey(&login, &id).await), Err(Refusal::StepUpNeeded));
    assert_eq!(told(store.ask_new_passkey(&login).await).err(), Some(Refusal::StepUpNeeded));
}

async fn a_recovery_code_works_once_beside_the_password(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let good = || Secret::new(PASSWORD);
    let old = store.make_recovery_codes(&login_of(&town, &town.planner).await).await.unwrap();
    let codes = store.make_recovery_codes(&login_of(&town, &town.planner).await).await.unwrap();
    assert_eq!((codes.len(), codes.iter().map(Secret::expose).collect::<BTreeSet<_>>().len()), (10, 10));
    let by = async |password: Secret, code: &str| told(store.log_in_with_recovery("kida", password, Secret::new(code), source()).await);
    assert_eq!(by(good(), old[0].expose()).await.err(), Some(Refusal::LoginFailed), "new ones end the old");
    assert_eq!(by(Secret::new("wrong-password-1!"), codes[0].expose()).await.err(), Some(Refusal::LoginFailed), "the password is needed");
    let new = by(good(), &codes[0].expose().to_lowercase().replace('-', " ")).await.unwrap();
    assert_eq!(by(good(), codes[0].expose()).await.err(), Some(Refusal::LoginFailed), "once");
    assert!(matches!(town.facts("recovery_used").await[0].fact, Fact::RecoveryUsed { left: 9, .. }));
    // It is no fresh factor, and leads to a new one.
    let login = store.login_of(new.token.expose(), source()).await.unwrap();
    assert_eq!(login.proof, Some(Proof::PasswordRecovery));
    for action in [Action::ApprovePlan, Action::KeepOwnLogin, Action::ViewRecording] {
        assert_eq!(store.require_step_up(&login, action), Err(Refusal::StepUpNeeded), "{action:?}");
    }
    assert_eq!(told(store.make_recovery_codes(&login).await).err(), Some(Refusal::StepUpNeeded), "no chain of codes out of one");
    store.require_step_up(&login, Action::KeepOwnFactors).unwrap();
    let offer = store.offer_authenticator(&login).await.unwrap();
    let code = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap().generate(town.now().0 as u64 / 1000).to_string();
    store.replace_authenticator(&login, Secret::new(code)).await.unwrap();
    let login = store.login_of(new.token.expose(), source()).await.unwrap();
    assert_eq!(store.require_step_up(&login, Action::KeepOwnFactors), Err(Refusal::StepUpNeeded), "the recovery has done its work");
    // Never by SSH.
    let codes = store.make_recovery_codes(&login_of(&town, &town.worker).await).await.unwrap();
    let half = store.first_factor("sato", &Arrival::plain(source()), FirstProof::Password(good())).await.unwrap();
    let Err((_, refusal)) = store.second_factor(half, codes[0].clone()).await else { panic!("a recovery code opened SSH") };
    assert_eq!(refusal, Refusal::LoginFailed);
    // Guessing locks the name out.
    for _ in 0..5 {
        let _ = store.log_in_with_recovery("ono", good(), Secret::new("00000-00000"), source()).await;
    }
    assert_eq!(told(store.log_in_with_recovery("ono", good(), Secret::new("00000-00000"), source()).await).err(), Some(Refusal::LockedOut));
}

async fn a_role_that_asks_for_a_passkey_gets_one(base: Base) {
    let town = passkeys_for_administrators(base).town().await;
    let store = &town.store;
    // A code leads as far as setting the passkey up.
    let new = town.log_in(&town.admin).await;
    let again = async || store.login_of(new.token.expose(), source()).await.unwrap();
    let login = again().await;
    assert!(login.confined);
    let mut key = Authenticator::new(7);
    let question = store.ask_new_passkey(&login).await.unwrap();
    store.add_passkey(&login, "鍵", &key.make(&question)).await.unwrap();
    assert_eq!(told(store.ask_new_passkey(&again().await).await).err(), Some(Refusal::StepUpNeeded), "the code that led here leads no further");
    // Proving it opens the rest of the same login.
    let question = store.ask_passkey_step_up(&login).await.unwrap();
    store.step_up_with_passkey(&login, &key.prove(&question)).await.unwrap();
    let login = again().await;
    assert_eq!((login.confined, login.proof), (false, Some(Proof::PasswordPasskey)));
    // From then on the weaker way is shut at every door.
    let code = town.code(&town.admin);
    let refused = told(store.log_in("kanri", Secret::new(PASSWORD), code, source(), Via::Web).await).err();
    assert!(matches!(refused, Some(Refusal::FactorRequired { .. })), "{refused:?}");
    town.pass(MINUTE * 6);
    let refused = told(store.step_up(&login, town.code(&town.admin)).await).err();
    assert!(matches!(refused, Some(Refusal::FactorRequired { .. })), "{refused:?}");
    by_passkey(&town, &mut key, "kanri").await.unwrap();
    // Others are not asked for one.
    assert!(!login_of(&town, &town.planner).await.confined);
}

async fn a_lost_authenticator_is_replaced_by_whoever_holds_a_passkey(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let mut key = with_passkey(&town, &town.operator, 7).await;
    let other = town.log_in(&town.operator).await;
    let login = by_passkey(&town, &mut key, "").await.unwrap();
    let offer = store.offer_authenticator(&login).await.unwrap();
    assert_eq!(offer.totp_url.expose(), store.offer_authenticator(&login).await.unwrap().totp_url.expose(), "the picture stays the same");
    let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
    assert_eq!(told(store.replace_authenticator(&login, Secret::new("000000")).await), Err(Refusal::bad_field("new_code")));
    let old = town.code(&town.operator);
    store.replace_authenticator(&login, Secret::new(codes.generate(town.now().0 as u64 / 1000).to_string())).await.unwrap();
    assert_eq!(told(store.login_of(other.token.expose(), source()).await).err(), Some(Refusal::LoginNeeded), "the other login ended");
    assert_eq!(told(store.log_in("ono", Secret::new(PASSWORD), old, source(), Via::Web).await).err(), Some(Refusal::LoginFailed), "the old app");
    town.pass(Duration::from_secs(30));
    let code = Secret::new(codes.generate(town.now().0 as u64 / 1000).to_string());
    store.log_in("ono", Secret::new(PASSWORD), code, source(), Via::Web).await.unwrap();
    let notices = store.notices(&town.operator.actor).await.unwrap();
    assert!(notices.iter().any(|notice| notice.kind == sekisho_store::NoticeKind::AuthenticatorReplaced), "{notices:?}");
    store.notices_seen(&town.operator.actor, notices[0].seq).await.unwrap();
    assert!(store.notices(&town.operator.actor).await.unwrap().is_empty());
}

async fn a_link_after_a_reset_opens_with_its_code_alone(base: Base) {
    let town = base.town().await;
    let (store, console) = (&town.store, Actor::console());
    with_passkey(&town, &town.planner, 7).await;
    let link = store.reset_person(&console, town.planner.id(), reset_ask("紛失")).await.unwrap();
    let code = link.handover.clone().unwrap();
    assert!(code.expose().len() == 8 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
    assert!(store.my_passkeys(&town.planner.actor).await.unwrap().is_empty(), "the passkey went with the reset");
    let token = link.token.expose();
    assert_eq!(told(store.enrolment(token, BROWSER, source()).await).err(), Some(Refusal::HandoverNeeded));
    assert_eq!(told(store.open_link(token, BROWSER, &Secret::new("00000000"), source()).await), Err(Refusal::HandoverNeeded));
    store.open_link(token, BROWSER, &code, source()).await.unwrap();
    store.enrolment(token, BROWSER, source()).await.unwrap();
    assert_eq!(told(store.enrolment(token, "another browser", source()).await).err(), Some(Refusal::HandoverNeeded), "opened for one browser");
    assert_eq!(town.facts("link_opened").await.len(), 1);
    // Five wrong codes end the link.
    let link = store.reset_person(&console, town.planner.id(), reset_ask("紛失")).await.unwrap();
    let (token, right) = (link.token.expose(), link.handover.clone().unwrap());
    let wrong = if right.expose() == "12345678" { "87654321" } else { "12345678" };
    for _ in 0..5 {
        assert_eq!(told(store.open_link(token, BROWSER, &Secret::new(wrong), source()).await), Err(Refusal::HandoverNeeded));
    }
    assert_eq!(told(store.open_link(token, BROWSER, &right, source()).await), Err(Refusal::EnrolmentInvalid));
}

async fn who_was_checked_how_stands_in_the_ledger(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let claim = |method| IdentityClaim { method, checked_by: "総務課 川上".into(), evidence: "文書番号 2026-114".into(), reason: "機種変更".into() };
    let letter = || ResetAsk { claim: claim(CheckMethod::VendorLetter), proof: Some(("../確認書.pdf".into(), b"%PDF-1.7 proof".to_vec())), by_hand: false };
    let bare = ResetAsk { claim: claim(CheckMethod::VendorLetter), proof: None, by_hand: false };
    assert_eq!(told(store.reset_person(&town.admin.actor, town.worker.id(), bare).await).err(), Some(Refusal::bad_field("proof")), "a letter is attached");
    let mut silent = reset_ask("紛失");
    silent.claim.evidence = " ".into();
    assert_eq!(told(store.reset_person(&town.admin.actor, town.worker.id(), silent).await).err(), Some(Refusal::bad_field("evidence")));
    store.reset_person(&town.admin.actor, town.worker.id(), letter()).await.unwrap();
    let lines = store.identity_checks(&town.admin.actor).await.unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((line.person_login.as_str(), line.by.as_ref(), line.claim.method), ("sato", Some(town.admin.id()), CheckMethod::VendorLetter));
    assert_eq!(line.proof.as_ref().unwrap().name, "確認書.pdf", "a path is no name");
    let (_, bytes) = store.identity_proof(&town.admin.actor, &line.id).await.unwrap();
    assert_eq!(bytes, b"%PDF-1.7 proof");
    assert_eq!(town.facts("identity_checked").await.len(), 1);
    assert_eq!(town.facts("identity_proof_read").await.len(), 1);
    for who in [&town.operator, &town.planner, &town.stranger] {
        assert_eq!(told(store.identity_checks(&who.actor).await).err(), Some(Refusal::NotAllowed));
        assert_eq!(told(store.identity_proof(&who.actor, &line.id).await).err(), Some(Refusal::NotAllowed));
    }
    let held = std::fs::read(town.base.dir().join("sekisho.db")).unwrap_or_default();
    assert!(!held.windows(14).any(|part| part == b"%PDF-1.7 proof"), "the proof lies sealed");
}

async fn a_clock_that_goes_back_gives_no_code_twice(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let code = town.code(&town.planner);
    let log_in = async |code: Secret| told(store.log_in("kida", Secret::new(PASSWORD), code, source(), Via::Web).await).map(|_| ());
    log_in(code.clone()).await.unwrap();
    let next = town.code(&town.planner);
    log_in(next.clone()).await.unwrap();
    town.base.clock.set_back(Duration::from_secs(60));
    for (place, code) in [code, next, town.code_now(&town.planner)].into_iter().enumerate() {
        assert_eq!(log_in(code).await, Err(Refusal::LoginFailed), "code {place}");
    }
    town.pass(Duration::from_secs(60));
    log_in(town.code(&town.planner)).await.unwrap();
}

async fn a_link_takes_a_passkey_where_the_role_asks_for_one(base: Base) {
    let base = passkeys_for_administrators(base);
    let store = base.store().await;
    let console = Actor::console();
    let (person, link) = store.add_person(&console, new_person("kanri2", Role::Administrator, None)).await.unwrap();
    let token = link.token.expose();
    store.enrolment(token, BROWSER, source()).await.unwrap();
    assert_eq!(told(store.enrol(token, BROWSER, source(), Enrolment { password: Secret::new(PASSWORD), code: None, passkey: None }).await).err(), Some(Refusal::bad_field("code")), "nothing but a password");
    let mut key = Authenticator::new(7);
    let question = store.ask_enrolment_passkey(token, BROWSER, source()).await.unwrap();
    let made = |answer: String| Enrolment { password: Secret::new(PASSWORD), code: None, passkey: Some(NewPasskey { name: "鍵".into(), answer }) };
    let stolen = told(store.enrol(token, "another browser", source(), made(key.clone().make(&question))).await).err();
    assert_eq!(stolen, Some(Refusal::CeremonyOver), "the question was this browser's");
    let question = store.ask_enrolment_passkey(token, BROWSER, source()).await.unwrap();
    store.enrol(token, BROWSER, source(), made(key.make(&question))).await.unwrap();
    let question = store.ask_passkey_login(BROWSER, "", source()).await.unwrap();
    let new = store.log_in_with_passkey(BROWSER, &key.prove(&question), None, source()).await.unwrap();
    let login = store.login_of(new.token.expose(), source()).await.unwrap();
    assert_eq!((login.person.id, login.confined, login.held.totp), (person.id, false, false));
    // Without an authenticator app no code is right, not even by SSH.
    let any = store.log_in("kanri2", Secret::new(PASSWORD), Secret::new("000000"), source(), Via::Web).await;
    assert_eq!(told(any).err(), Some(Refusal::LoginFailed));
}

/// Postgres alone: what is done here with the database is done by hand.
#[tokio::test]
async fn a_passkey_that_was_removed_and_codes_that_were_spent_cannot_be_put_back() {
    let town = Base::postgres().town().await;
    let (store, db) = (&town.store, town.base.db.as_ref().unwrap());
    let mut stolen = with_passkey(&town, &town.planner, 7).await;
    let login = login_of(&town, &town.planner).await;
    let codes = store.make_recovery_codes(&login).await.unwrap();
    let by_code = async |code: &Secret| store.log_in_with_recovery("kida", Secret::new(PASSWORD), code.clone(), source()).await;
    by_passkey(&town, &mut stolen, "").await.unwrap();
    db.sql("CREATE TABLE kept AS SELECT * FROM passkeys; CREATE TABLE kept_codes AS SELECT * FROM recovery_codes");
    let id = store.my_passkeys(&login.actor).await.unwrap()[0].id.clone();
    let login = login_of(&town, &town.planner).await;
    store.remove_passkey(&login, &id).await.unwrap();
    by_code(&codes[0]).await.unwrap();
    // A restart knows it from the log again.
    let town = town.restarted().await;
    let (store, db) = (&town.store, town.base.db.as_ref().unwrap());
    db.sql("INSERT INTO passkeys SELECT * FROM kept; UPDATE recovery_codes r SET made_at = k.made_at, body = k.body FROM kept_codes k WHERE k.person = r.person");
    let question = store.ask_passkey_login(BROWSER, "", source()).await.unwrap();
    assert!(store.log_in_with_passkey(BROWSER, &stolen.prove(&question), None, source()).await.is_err(), "a passkey that was removed");
    assert!(store.log_in_with_recovery("kida", Secret::new(PASSWORD), codes[0].clone(), source()).await.is_err(), "a code that was spent");
    // A reset ends them also for who kept the rows.
    db.sql("DELETE FROM passkeys; DELETE FROM recovery_codes");
    store.reset_person(&Actor::console(), town.planner.id(), reset_ask("紛失")).await.unwrap();
    db.sql("INSERT INTO recovery_codes SELECT * FROM kept_codes");
    assert!(store.log_in_with_recovery("kida", Secret::new(PASSWORD), codes[1].clone(), source()).await.is_err());
}
