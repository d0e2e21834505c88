//! Exchanging credentials, with a target that answers as the test tells it.

use super::base::{Base, on_both, told};
use super::two_person::{agreement, asked, in_force};
use super::ward::Ward;
use sekisho_core::desk::{Answer, Cause, TargetCredential};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_core::rotation::{Opening, Rotated, RotationEnd, RotationOrder, RotationTrouble, Rotator};
use sekisho_core::secret::Secret;
use sekisho_core::target::HostKeyDecision;
use sekisho_store::CredentialAsk;
use std::sync::Arc;
use tokio::sync::Semaphore;

on_both! {
    nobody_enters_while_the_credential_is_exchanged,
    a_credential_that_a_person_sets_under_an_exchange_is_not_overwritten,
    a_host_key_that_changed_under_an_exchange_raises_the_alarm,
    a_host_key_that_changed_before_it_is_found_out_raises_the_alarm_too,
    an_exchange_on_a_target_of_two_persons_is_seen_like_a_session,
}

/// A target that waits for a word before each answer.
struct Played {
    outcome: Rotated,
    other_host_key: Option<String>,
    begun: Semaphore,
    go_on: Semaphore,
}

impl Played {
    fn new(outcome: Rotated, other_host_key: Option<&str>) -> Arc<Self> {
        Arc::new(Self { outcome, other_host_key: other_host_key.map(str::to_owned), begun: Semaphore::new(0), go_on: Semaphore::new(0) })
    }
}

impl Rotator for Played {
    fn rotate(&self, order: RotationOrder) -> Answer<'_, RotationEnd> {
        Box::pin(async move {
            self.begun.add_permits(1);
            self.go_on.acquire().await.unwrap().forget();
            RotationEnd { outcome: self.outcome.clone(), other_host_key: self.other_host_key.clone(), recording: order.recording }
        })
    }

    fn which<'a>(&'a self, _: &'a str, _: u16, _: &'a [String], _: &'a str, _: Vec<TargetCredential>) -> Answer<'a, Opening> {
        Box::pin(async { Opening { at: None, other_host_key: self.other_host_key.clone() } })
    }

    fn new_key(&self) -> Result<Secret, String> {
        Err("the ward's account has a password".into())
    }
}

/// A target that one credential opens.
struct Opens(&'static str);

impl Rotator for Opens {
    fn rotate(&self, _: RotationOrder) -> Answer<'_, RotationEnd> {
        unreachable!("it is found out first")
    }

    fn which<'a>(&'a self, _: &'a str, _: u16, _: &'a [String], _: &'a str, tried: Vec<TargetCredential>) -> Answer<'a, Opening> {
        let opens = |credential: &TargetCredential| matches!(credential, TargetCredential::Password(secret) if secret.expose() == self.0);
        Box::pin(async move { Opening { at: tried.iter().position(opens), other_host_key: None } })
    }

    fn new_key(&self) -> Result<Secret, String> {
        Err("the ward's account has a password".into())
    }
}

/// A ward whose account is to be exchanged at once, and the exchange, which waits on the target.
async fn under_way(ward: &Ward, played: &Arc<Played>) -> tokio::task::JoinHandle<()> {
    ward.store.ask_rotation(&Actor::console(), &ward.account.id).await.unwrap();
    let (store, rotator) = (ward.store.clone(), Arc::clone(played) as Arc<dyn Rotator>);
    let round = tokio::spawn(async move { store.rotate_due(&rotator).await.unwrap() });
    played.begun.acquire().await.unwrap().forget();
    round
}

async fn nobody_enters_while_the_credential_is_exchanged(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let played = Played::new(Rotated::Done, None);
    let round = under_way(&ward, &played).await;
    let refusal = ward.try_enter(&principal).await.err().expect("nobody knows which credential opens the account");
    assert_eq!((refusal.clone(), refusal.code()), (Refusal::CredentialChanging, "SKS-4021"));
    let refused = ward.facts("refused").await;
    assert!(matches!(&refused.last().unwrap().fact, Fact::Refused { code, login, .. } if code == "SKS-4021" && login == "sato"), "{refused:?}");
    assert!(ward.facts("entered").await.is_empty());
    played.go_on.add_permits(1);
    round.await.unwrap();
    let admission = ward.try_enter(&principal).await.expect("it is over");
    let TargetCredential::Password(password) = &admission.credential else { panic!("the account has a password") };
    assert_ne!(password.expose(), "db-secret", "the new one is in force");
    ward.left(admission, Cause::Closed).await;
}

async fn a_credential_that_a_person_sets_under_an_exchange_is_not_overwritten(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let (store, id, console) = (&ward.store, &ward.account.id, Actor::console());
    let played = Played::new(Rotated::Done, None);
    let round = under_way(&ward, &played).await;
    // Another kind would leave what the target is being told without a place; the same kind stands beside it.
    assert_eq!(told(store.set_credential(&console, id, CredentialAsk::Certificate).await).err(), Some(Refusal::CredentialChanging));
    store.set_credential(&console, id, CredentialAsk::Password(Secret::new("set-by-hand"))).await.unwrap();
    played.go_on.add_permits(1);
    round.await.unwrap();
    let rotation = store.rotations(&console, &ward.target.id).await.unwrap().remove(0);
    assert!(rotation.under_way && rotation.last == Some(Rotated::Unsure { why: RotationTrouble::SetMeanwhile }), "{rotation:?}");
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::CredentialChanging));
    // The next round tries both. The person's opens the account, so it stays.
    ward.clock.pass(std::time::Duration::from_secs(120));
    store.rotate_due(&(Arc::new(Opens("set-by-hand")) as Arc<dyn Rotator>)).await.unwrap();
    let admission = ward.try_enter(&principal).await.expect("it is known which opens the account");
    assert!(matches!(&admission.credential, TargetCredential::Password(password) if password.expose() == "set-by-hand"));
    ward.left(admission, Cause::Closed).await;
    assert!(store.verify_now().await.unwrap().ok);
}

async fn a_host_key_that_changed_under_an_exchange_raises_the_alarm(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let played = Played::new(Rotated::Unchanged { why: RotationTrouble::HostKeyChanged }, Some("SHA256:other"));
    let round = under_way(&ward, &played).await;
    played.go_on.add_permits(1);
    round.await.unwrap();
    let robots = ward.store.robot_sessions(&Actor::console(), &ward.target.id).await.unwrap();
    let alarms = ward.store.host_key_alarms(&ward.operator).await.unwrap();
    let alarm = alarms.first().and_then(|target| target.host_key_alarm.clone()).expect("the alarm stands");
    assert_eq!((alarm.seen.as_str(), alarm.session.as_ref()), ("SHA256:other", Some(&robots[0].session)));
    let told_of = ward.facts("host_key_alarmed").await;
    let [entry] = told_of.as_slice() else { panic!("{told_of:?}") };
    let fact = Fact::HostKeyAlarmed { target: ward.target.id.clone(), session: Some(robots[0].session.clone()), seen: "SHA256:other".into() };
    assert_eq!(entry.fact, fact);
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::HostKeyChanged));

    // While it stands nothing is tried on the target; decided, everything goes on with the credential that was in force.
    told(ward.store.ask_rotation(&Actor::console(), &ward.account.id).await).unwrap();
    ward.store.rotate_due(&(Arc::clone(&played) as Arc<dyn Rotator>)).await.unwrap();
    assert_eq!(ward.store.robot_sessions(&Actor::console(), &ward.target.id).await.unwrap().len(), 1);
    ward.store.decide_host_key(&Actor::console(), &ward.target.id, HostKeyDecision::Keep, "スイッチの誤設定").await.unwrap();
    let admission = ward.try_enter(&principal).await.unwrap();
    assert!(matches!(&admission.credential, TargetCredential::Password(password) if password.expose() == "db-secret"));
    ward.left(admission, Cause::Closed).await;
    assert!(ward.store.verify_now().await.unwrap().ok);
}

async fn a_host_key_that_changed_before_it_is_found_out_raises_the_alarm_too(base: Base) {
    let ward = Ward::over(base).await;
    let played = Played::new(Rotated::Unsure { why: RotationTrouble::NewRefused }, None);
    let round = under_way(&ward, &played).await;
    played.go_on.add_permits(1);
    round.await.unwrap();
    assert!(ward.store.host_key_alarms(&ward.operator).await.unwrap().is_empty());
    // The next round asks the target which of the two opens the account, and another host answers.
    ward.clock.pass(std::time::Duration::from_secs(120));
    let other = Played::new(Rotated::Done, Some("SHA256:third"));
    ward.store.rotate_due(&(other as Arc<dyn Rotator>)).await.unwrap();
    let alarms = ward.store.host_key_alarms(&ward.operator).await.unwrap();
    let alarm = alarms.first().and_then(|target| target.host_key_alarm.clone()).expect("the alarm stands");
    assert_eq!((alarm.seen.as_str(), alarm.session), ("SHA256:third", None));
    let rotations = ward.store.rotations(&Actor::console(), &ward.target.id).await.unwrap();
    assert!(rotations[0].under_way && rotations[0].last == Some(Rotated::Unsure { why: RotationTrouble::HostKeyChanged }), "{rotations:?}");
}

async fn an_exchange_on_a_target_of_two_persons_is_seen_like_a_session(base: Base) {
    let ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let played = Played::new(Rotated::Done, None);
    let round = under_way(&ward, &played).await;
    played.go_on.add_permits(1);
    round.await.unwrap();
    let session = ward.store.robot_sessions(&ward.planner, &ward.target.id).await.unwrap().remove(0).session;
    ward.store.wait_until_sealed(&session, std::time::Duration::from_secs(10)).await;
    let replay = async || told(ward.store.replay(&ward.operator, &session).await).map(drop);
    assert_eq!(replay().await, Err(Refusal::TwoPersons));
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.clerk, &request.id, &holder).await;
    ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(replay().await, Ok(()));
    let viewed = ward.store.sessions_of_viewing(&ward.clerk, &request.id).await.unwrap().remove(0);
    assert_eq!((viewed.worker, viewed.target, viewed.ended.is_some()), (None, ward.target.id.clone(), true));
}
