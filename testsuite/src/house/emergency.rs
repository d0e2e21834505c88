//! Emergency accounts: sealed in quiet times, opened with an alarm, ended and renewed on the return to normal.

use super::base::{Base, Town, on_both, reset_ask, source, told};
use crate::postbox::{Mode, Postbox};
use sekisho_core::emergency::{EmergencyAccount, EmergencyCause, EmergencyState, Half, OpeningClaim};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::factors::Proof;
use sekisho_core::letter::{Carried, Courier, Parcel};
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::state::PlanState;
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::review::ReviewEnding;
use sekisho_core::secret::Secret;
use sekisho_store::{EmergencyAsk, LockSubject, LogFilter, MailSettings, NewLogin, PersonChange, ReviewAsk, ReviewGroupAsk, Store, WebLogin};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

on_both!(
    opening_it_is_told_to_everybody_and_ends_with_the_return_to_normal,
    it_opens_while_nothing_else_answers,
    no_one_person_prints_both_envelopes_where_two_are_asked_for,
    what_is_not_in_the_envelopes_opens_nothing_and_is_told,
    it_does_nothing_that_outlives_the_emergency,
    an_opening_that_cannot_be_written_opens_nothing,
    broken_envelopes_end_at_once_and_old_ones_are_asked_for,
    nobody_who_writes_to_the_database_opens_it,
    whoever_opened_it_does_not_decide_on_what_it_allowed,
    a_review_of_accounts_leaves_it_as_it_is,
);

/// An account with the contents of its envelopes.
struct Ready {
    account: EmergencyAccount,
    password: Secret,
    codes: Vec<Secret>,
}

async fn town(base: Base, policy: Policy) -> Town {
    Base { policy, mail: Some(MailSettings { alarm: vec!["alarm@aoba.example".into()] }), ..base }.town().await
}

fn ask(town: &Town) -> EmergencyAsk {
    EmergencyAsk {
        login: "hijo-01".into(),
        name: "非常時用 01".into(),
        roles: BTreeSet::from([Role::DutyClerk, Role::Operator]),
        purpose: "手順書は事務当直室の赤いファイル".into(),
        told: vec![town.planner.id().clone(), town.operator.id().clone()],
    }
}

async fn give_mail(town: &Town) {
    for (resident, mail) in [(&town.planner, "planner@aoba.example"), (&town.operator, "operator@aoba.example")] {
        let change = PersonChange { mail: mail.into(), ..PersonChange::of(&resident.person) };
        town.store.change_person(&Actor::console(), resident.id(), change).await.unwrap();
    }
}

async fn ready(town: &Town) -> Ready {
    give_mail(town).await;
    let account = town.store.add_emergency(&town.admin.actor, ask(town)).await.unwrap();
    assert_eq!(account.state(), EmergencyState::Unprepared);
    sealed(town, account).await
}

async fn sealed(town: &Town, account: EmergencyAccount) -> Ready {
    let first = town.store.make_envelope(&town.operator.actor, &account.id, Half::Password, "森 情報管理室長", "情報管理室の金庫").await.unwrap();
    let second = town.store.make_envelope(&town.planner.actor, &account.id, Half::Card, "当直師長", "事務当直室").await.unwrap();
    assert_eq!(second.account.state(), EmergencyState::Sealed);
    Ready { account: second.account, password: first.secrets[0].clone(), codes: second.secrets }
}

fn claim() -> OpeningClaim {
    OpeningClaim { openers: vec!["戸田 当直".into(), "原 看護".into()], cause: EmergencyCause::Attack, reason: "職員認証基盤が停止し、緊急接続を許可できない".into() }
}

async fn open(store: &Store, ready: &Ready, code: usize) -> Result<NewLogin, Refusal> {
    told(store.open_emergency("hijo-01", ready.password.clone(), ready.codes[code].clone(), &claim(), source()).await)
}

async fn inside(store: &Store, login: &NewLogin) -> WebLogin {
    store.login_of(login.token.expose(), source()).await.unwrap()
}

async fn facts(store: &Store, wanted: fn(&Fact) -> bool) -> Vec<Entry> {
    let entries = store.log_entries(&Actor::console(), &LogFilter { rows: Some(500), ..LogFilter::default() }).await.unwrap();
    entries.into_iter().filter(|entry| wanted(&entry.fact)).collect()
}

async fn opening_it_is_told_to_everybody_and_ends_with_the_return_to_normal(base: Base) {
    let mut town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let postbox = Postbox::new(Mode::StartTls);
    let courier: Arc<dyn Courier> = Arc::new(postbox.courier());
    // One person, and none at all who says why, do not open it.
    let alone = OpeningClaim { openers: vec!["戸田 当直".into()], ..claim() };
    assert_eq!(told(town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[0].clone(), &alone, source()).await).err(), Some(Refusal::bad_field("opener2")));
    let silent = OpeningClaim { reason: String::new(), ..claim() };
    assert_eq!(told(town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[0].clone(), &silent, source()).await).err(), Some(Refusal::ReasonNeeded));
    assert!(town.store.open_emergencies().is_empty());

    let login = open(&town.store, &ready, 0).await.unwrap();
    let seen = inside(&town.store, &login).await;
    assert!(seen.proof == Some(Proof::Envelopes) && seen.actor.emergency && !seen.confined && seen.stepped_up_until.is_some());
    assert_eq!(town.store.open_emergencies().len(), 1, "every page shows it");
    let opened = facts(&town.store, |fact| matches!(fact, Fact::EmergencyOpened { .. })).await;
    assert!(matches!(&opened[..], [Entry { fact: Fact::EmergencyOpened { openers, mails: 3, again: false, .. }, .. }] if openers.len() == 2), "{opened:?}");
    town.store.carry_due(&courier).await.unwrap();
    for address in ["planner@aoba.example", "operator@aoba.example", "alarm@aoba.example"] {
        let letter = postbox.letter_to(address);
        assert!(letter.subject.contains("開封されました") && letter.text.contains("職員認証基盤が停止") && letter.text.contains("サイバー攻撃"), "{letter:?}");
    }
    // A code opens once. The next one raises the alarm again, within the same use.
    assert_eq!(open(&town.store, &ready, 0).await.err(), Some(Refusal::LoginFailed));
    open(&town.store, &ready, 1).await.unwrap();
    let uses = town.store.emergency_uses(&town.planner.actor, None).await.unwrap();
    assert_eq!((uses.len(), uses[0].openings.len()), (1, 2));
    assert_eq!(uses[0].told.len(), 3, "each of those who were told stands there once: {:?}", uses[0].told);
    // A fresh factor is the next code of the card.
    town.pass(Duration::from_secs(600));
    assert_eq!(town.store.require_step_up(&inside(&town.store, &login).await, Action::ViewRecording).err(), Some(Refusal::StepUpNeeded));
    assert_eq!(told(town.store.step_up(&seen, ready.codes[1].clone()).await).err(), Some(Refusal::LoginFailed));
    town.store.step_up(&seen, ready.codes[2].clone()).await.unwrap();
    assert!(town.store.require_step_up(&inside(&town.store, &login).await, Action::ViewRecording).is_ok());
    // Nobody reviews what goes on, and the account itself ends nothing.
    let usage = uses[0].id.clone();
    assert_eq!(told(town.store.review_emergency(&town.planner.actor, &usage, true, "問題なし").await).err(), Some(Refusal::EmergencyState));
    assert!(told(town.store.close_emergency(&seen.actor, &ready.account.id, "復旧").await).is_err());
    // A restart forgets nothing of it.
    town.store.close().await.unwrap();
    town.store = town.base.open().await.unwrap();
    assert_eq!(town.store.open_emergencies().len(), 1);
    inside(&town.store, &login).await;

    town.store.close_emergency(&town.operator.actor, &ready.account.id, "認証基盤が復旧した").await.unwrap();
    assert!(town.store.login_of(login.token.expose(), source()).await.is_err(), "logins end");
    assert!(town.store.open_emergencies().is_empty());
    for code in 3..6 {
        assert_eq!(open(&town.store, &ready, code).await.err(), Some(Refusal::LoginFailed), "what was in the envelopes opens nothing any more");
    }
    let account = town.store.emergency(&town.planner.actor, &ready.account.id).await.unwrap();
    assert_eq!(account.state(), EmergencyState::Unprepared);
    assert_eq!(town.store.emergency_duties(&town.operator.actor).await.unwrap().unprepared, 1, "new envelopes are asked for");
    // The review: by another person than those who opened it, with all that was done.
    assert_eq!(town.store.emergency_duties(&town.planner.actor).await.unwrap().unreviewed, [usage.clone()]);
    let done = town.store.emergency_entries(&town.planner.actor, &usage, 1).await.unwrap();
    assert_eq!((done.total, done.pages), (done.entries.len() as u64, 1));
    assert!(town.store.emergency_entries(&town.planner.actor, &usage, 2).await.unwrap().entries.is_empty());
    let done = done.entries;
    assert!(done.windows(2).all(|two| two[0].seq < two[1].seq), "the oldest first");
    assert!(done.iter().any(|entry| matches!(entry.fact, Fact::SteppedUp { .. })) && done.iter().all(|entry| entry.actor.emergency), "{done:?}");
    let closer = Actor { roles: town.planner.actor.roles.clone(), ..town.operator.actor.clone() };
    assert_eq!(told(town.store.review_emergency(&closer, &usage, true, "問題なし").await).err(), Some(Refusal::SameHand), "nor by whoever ended it");
    let opener = Actor { name: "原　看護".into(), ..town.planner.actor.clone() };
    assert_eq!(told(town.store.review_emergency(&opener, &usage, true, "問題なし").await).err(), Some(Refusal::SameHand));
    let reviewed = town.store.review_emergency(&town.planner.actor, &usage, true, "理由と操作が一致").await.unwrap();
    assert!(reviewed.review.is_some_and(|review| review.entries == done.len() as u64));
    assert!(town.store.emergency_duties(&town.planner.actor).await.unwrap().unreviewed.is_empty());
    // With new envelopes it is ready again.
    let fresh = sealed(&town, account).await;
    open(&town.store, &fresh, 0).await.unwrap();
}

/// A mail server that answers nobody, for ever.
struct Silent;

impl Courier for Silent {
    fn carry(&self, _: Parcel) -> sekisho_core::desk::Answer<'_, Carried> {
        Box::pin(async { std::future::pending::<Carried>().await })
    }
}

async fn it_opens_while_nothing_else_answers(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let store = town.store.clone();
    let stuck = tokio::spawn(async move { store.run_mail(Arc::new(Silent)).await });
    let login = open(&town.store, &ready, 0).await.unwrap();
    assert!(inside(&town.store, &login).await.actor.is(Role::Operator));
    assert_eq!(town.store.outbox(&Actor::console()).await.unwrap().waiting, 3, "the alarms wait for the mail server and hold up nobody");
    stuck.abort();
}

async fn no_one_person_prints_both_envelopes_where_two_are_asked_for(base: Base) {
    let town = town(base, Policy::default()).await;
    give_mail(&town).await;
    let account = town.store.add_emergency(&town.admin.actor, ask(&town)).await.unwrap();
    let first = town.store.make_envelope(&town.operator.actor, &account.id, Half::Password, "森", "金庫").await.unwrap();
    assert_eq!(told(town.store.make_envelope(&town.operator.actor, &account.id, Half::Card, "森", "金庫").await).err(), Some(Refusal::SameHand));
    // The console keeps on its screen what it shows, and a clerk keeps no accounts.
    assert!(told(town.store.make_envelope(&Actor::console(), &account.id, Half::Card, "森", "金庫").await).is_err());
    assert_eq!(told(town.store.make_envelope(&town.clerk.actor, &account.id, Half::Card, "森", "金庫").await).err(), Some(Refusal::NotAllowed));
    assert_eq!(told(town.store.open_emergency("hijo-01", first.secrets[0].clone(), Secret::new("AAAAA-AAAAA"), &claim(), source()).await).err(), Some(Refusal::LoginFailed), "one half opens nothing");
    town.store.make_envelope(&town.planner.actor, &account.id, Half::Card, "師長", "当直室").await.unwrap();
    // What lies sealed is printed anew: the old sheet is waste paper.
    let again = town.store.make_envelope(&town.operator.actor, &account.id, Half::Password, "森", "金庫").await.unwrap();
    assert_ne!(again.envelope.number, first.envelope.number);
    for bad in [EmergencyAsk { roles: BTreeSet::from([Role::Administrator]), login: "hijo-02".into(), ..ask(&town) }, EmergencyAsk { told: Vec::new(), login: "hijo-02".into(), ..ask(&town) }] {
        assert!(told(town.store.add_emergency(&town.admin.actor, bad).await).is_err());
    }
}

async fn what_is_not_in_the_envelopes_opens_nothing_and_is_told(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let wrong = |password: Secret, code: Secret| {
        let store = town.store.clone();
        async move { told(store.open_emergency("hijo-01", password, code, &claim(), std::net::IpAddr::from([10, 20, 0, 77])).await).err() }
    };
    let guess = Secret::new("AAAAA-AAAAA-AAAAA-AAAAA");
    assert_eq!(wrong(guess.clone(), ready.codes[0].clone()).await, Some(Refusal::LoginFailed));
    assert_eq!(wrong(ready.password.clone(), Secret::new("AAAAA-AAAAA")).await, Some(Refusal::LoginFailed));
    assert_eq!(wrong(ready.password.clone(), ready.password.clone()).await, Some(Refusal::LoginFailed));
    assert_eq!(facts(&town.store, |fact| matches!(fact, Fact::EmergencyTried { .. })).await.len(), 3, "each attempt is in the log");
    assert_eq!(town.store.outbox(&Actor::console()).await.unwrap().waiting, 3, "one letter each, once an hour");
    town.pass(Duration::from_secs(3700));
    assert_eq!(wrong(guess, Secret::new("")).await, Some(Refusal::LoginFailed));
    assert_eq!(town.store.outbox(&Actor::console()).await.unwrap().waiting, 6);
    // A stranger who guesses on and on shuts the door for his own address, and for nobody else's.
    for _ in 0..40 {
        let _ = wrong(Secret::new("x"), Secret::new("y")).await;
    }
    assert_eq!(wrong(Secret::new("x"), Secret::new("y")).await, Some(Refusal::SourceBlocked));
    let locks = town.store.locks(&town.admin.actor).await.unwrap();
    assert!(matches!(&locks[..], [lock] if lock.of == LockSubject::EmergencySource("10.20.0.77".into())), "{locks:?}");
    // The usual doors know no such name.
    assert!(town.store.log_in("hijo-01", ready.password.clone(), ready.codes[0].clone(), source(), Via::Web).await.is_err());
    // Who types wrong passwords at the usual door keeps nobody behind the same address from opening it.
    for n in 0..40 {
        let _ = town.store.log_in(&format!("nobody-{n}"), Secret::new("x"), Secret::new("000000"), source(), Via::Web).await;
    }
    assert_eq!(told(town.store.log_in("nobody-x", Secret::new("x"), Secret::new("000000"), source(), Via::Web).await).err(), Some(Refusal::SourceBlocked));
    let spoken = Secret::new(ready.codes[0].expose().to_lowercase().replace('-', " "));
    told(town.store.open_emergency("hijo-01", ready.password.clone(), spoken, &claim(), source()).await).unwrap();
}

async fn it_does_nothing_that_outlives_the_emergency(base: Base) {
    let town = town(base, Policy { emergency_persons: 1, login_hours: 24, login_idle_minutes: 480, ..Policy::default() }).await;
    let ready = ready(&town).await;
    let login = open(&town.store, &ready, 0).await.unwrap();
    let seen = inside(&town.store, &login).await;
    for action in [Action::KeepLedger, Action::KeepOwnLogin, Action::KeepOwnFactors, Action::KeepEmergency, Action::ReviewEmergency, Action::CertifyDevice, Action::UnlockPerson, Action::ApprovePlan, Action::ApproveAfterFact, Action::DecideFinding, Action::ConfirmReport, Action::DecideExtension] {
        assert_eq!(sekisho_core::permission::may(&seen.actor, action, None), Err(Refusal::NotAllowed), "{action:?}");
    }
    assert!(sekisho_core::permission::may(&seen.actor, Action::AllowEmergency, None).is_ok());
    assert!(told(town.store.ask_new_passkey(&seen).await).is_err());
    assert!(told(town.store.make_recovery_codes(&seen).await).is_err());
    // Neither does the ledger of persons make a way in of its own.
    let person = &ready.account.person;
    assert_eq!(told(town.store.reset_person(&town.admin.actor, person, reset_ask("紛失")).await).err(), Some(Refusal::NotAllowed));
    let change = PersonChange { roles: BTreeSet::from([Role::Administrator]), ..PersonChange::of(&seen.person) };
    assert_eq!(told(town.store.change_person(&town.admin.actor, person, change).await).err(), Some(Refusal::NotAllowed));
    // The opening ends by itself; whoever needs it longer opens it again, and the alarm goes again.
    for _ in 0..4 {
        town.pass(Duration::from_secs(6 * 3600));
        let _ = town.store.login_of(login.token.expose(), source()).await;
    }
    assert!(town.store.login_of(login.token.expose(), source()).await.is_err());
    open(&town.store, &ready, 1).await.unwrap();
    assert_eq!(facts(&town.store, |fact| matches!(fact, Fact::EmergencyOpened { again: true, .. })).await.len(), 1);
    // Idle for months, it is still there: that is what it is for.
    town.store.close_emergency(&town.operator.actor, &ready.account.id, "復旧").await.unwrap();
    town.pass(Duration::from_secs(200 * 86_400));
    town.store.run_jobs_once().await.unwrap();
    assert!(town.store.person(&Actor::console(), person).await.unwrap().person.active);
}

async fn an_opening_that_cannot_be_written_opens_nothing(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    town.store.faults().fail_nth_write(0);
    assert!(town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[0].clone(), &claim(), source()).await.is_err());
    town.store.faults().clear();
    assert!(town.store.open_emergencies().is_empty());
    assert_eq!(town.store.outbox(&Actor::console()).await.unwrap().waiting, 0);
    assert!(facts(&town.store, |fact| matches!(fact, Fact::EmergencyOpened { .. } | Fact::EmergencyCodeUsed { .. })).await.is_empty());
    open(&town.store, &ready, 0).await.expect("the code was not spent");
}

async fn broken_envelopes_end_at_once_and_old_ones_are_asked_for(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let (store, id) = (&town.store, &ready.account.id);
    town.pass(Duration::from_secs(91 * 86_400));
    assert_eq!(store.emergency_duties(&town.operator.actor).await.unwrap().look_due, 1);
    store.see_envelopes(&town.operator.actor, id, true, "").await.unwrap();
    assert_eq!(store.emergency_duties(&town.operator.actor).await.unwrap().look_due, 0);
    assert_eq!(told(store.see_envelopes(&town.operator.actor, id, false, " ").await).err(), Some(Refusal::ReasonNeeded));
    store.see_envelopes(&town.operator.actor, id, false, "封筒2の封が切られていた").await.unwrap();
    assert_eq!(open(store, &ready, 0).await.err(), Some(Refusal::LoginFailed));
    assert_eq!(facts(store, |fact| matches!(fact, Fact::EmergencyEnded { .. })).await.len(), 1);
    store.retire_emergency(&town.admin.actor, id).await.unwrap();
    assert_eq!(store.emergency(&town.planner.actor, id).await.unwrap().state(), EmergencyState::Retired);
    assert_eq!(told(store.make_envelope(&town.operator.actor, id, Half::Card, "森", "金庫").await).err(), Some(Refusal::EmergencyState));
}

async fn nobody_who_writes_to_the_database_opens_it(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let Some(db) = &town.base.db else { return };
    db.sql("CREATE TABLE kept AS SELECT * FROM emergency_accounts");
    // A spent code is put back together with the whole row.
    open(&town.store, &ready, 0).await.unwrap();
    db.sql("UPDATE emergency_accounts a SET body = k.body, seal = k.seal, is_open = k.is_open FROM kept k WHERE k.id = a.id");
    assert!(town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[0].clone(), &claim(), source()).await.is_err(), "the log knows a later state");
}

async fn whoever_opened_it_does_not_decide_on_what_it_allowed(base: Base) {
    let town = town(base, Policy::default()).await;
    let ready = ready(&town).await;
    let mut content = town.content();
    content.emergency_reason = Some("電子カルテ停止".into());
    let plan = town.submitted(content).await;
    // The planner is one of the two who open it; their name is typed with another blank.
    let typed = town.planner.person.name.replace(' ', "\u{3000}");
    let claim = OpeningClaim { openers: vec!["戸田 当直".into(), format!("{typed} ")], ..claim() };
    let login = town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[0].clone(), &claim, source()).await.unwrap();
    let seen = inside(&town.store, &login).await;
    let allowed = told(town.store.act_on_plan(&seen.actor, &plan.id, PlanAct::AllowEmergency { hours: 2 }, None).await).unwrap();
    assert_eq!(allowed.state, PlanState::Emergency, "that is what the account is for");
    let decide = || PlanAct::DecideAfterFact { approved: true, reason: String::new() };
    assert_eq!(told(town.store.act_on_plan(&seen.actor, &plan.id, decide(), None).await).err(), Some(Refusal::NotAllowed));
    assert_eq!(town.act(&town.planner, &allowed, decide()).await, Err(Refusal::SameHand));
    assert!(!town.store.plan(&town.planner.actor, &plan.id).await.unwrap().allowed.contains(&"decide_after_fact"), "no button for what is refused");
    // Nor after the return to normal; somebody else does.
    town.store.close_emergency(&town.operator.actor, &ready.account.id, "復旧").await.unwrap();
    assert_eq!(town.act(&town.planner, &allowed, decide()).await, Err(Refusal::SameHand));
    assert!(!town.act(&town.safety, &allowed, decide()).await.unwrap().owes_after_fact());
}

async fn a_review_of_accounts_leaves_it_as_it_is(base: Base) {
    let town = town(base, Policy::default()).await;
    let places = async || -> usize { town.store.review_places(&town.admin.actor).await.unwrap().iter().map(|place| place.accounts).sum() };
    let before = places().await;
    let ready = ready(&town).await;
    assert_eq!(places().await, before, "nobody could answer for it");
    let of_hospital = |place: &sekisho_store::ReviewPlace| ReviewGroupAsk { vendor: place.vendor.clone(), name: place.name.clone(), reviewer: Some(town.planner.id().clone()) };
    let reviewers = town.store.review_places(&town.admin.actor).await.unwrap().iter().map(of_hospital).collect();
    let ask = ReviewAsk { title: "棚卸".into(), deadline: town.now().plus(Duration::from_secs(7 * 86_400)), reviewers };
    let review = told(town.store.start_review(&town.admin.actor, ask).await).unwrap();
    assert!(review.groups.iter().flat_map(|group| &group.lines).all(|line| line.person != ready.account.person));
    town.store.close_review(&town.admin.actor, &review.id).await.unwrap();
    town.store.disable_reviewed(&town.admin.actor, &review.id, ReviewEnding::Unanswered).await.unwrap();
    open(&town.store, &ready, 0).await.expect("nobody answered for anybody, and it still opens");
}

#[tokio::test]
async fn envelopes_of_yesterday_are_not_put_back() {
    let town = town(Base::postgres(), Policy::default()).await;
    let ready = ready(&town).await;
    let db = town.base.db.as_ref().unwrap();
    open(&town.store, &ready, 0).await.unwrap();
    db.sql("CREATE TABLE kept AS SELECT * FROM emergency_accounts");
    town.store.close_emergency(&town.operator.actor, &ready.account.id, "復旧").await.unwrap();
    // The hashes alone, and the row with them.
    db.sql("UPDATE emergency_accounts a SET password = k.password, card = k.card FROM kept k WHERE k.id = a.id");
    assert!(open(&town.store, &ready, 1).await.is_err());
    db.sql("UPDATE emergency_accounts a SET body = k.body, seal = k.seal FROM kept k WHERE k.id = a.id");
    assert!(town.store.open_emergency("hijo-01", ready.password.clone(), ready.codes[1].clone(), &claim(), source()).await.is_err());
}
