//! What was seen of the log outside stands against it: no session is admitted until somebody decides on it. And the key of the
//! log is exchanged without a gap, whatever breaks in between.

use super::base::{Base, on_both, whole_log};
use super::ward::Ward;
use sekisho_core::desk::Answer;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{self, PublicKey, SigningKey};
use sekisho_evidence::verify::{Recordings, verify};
use sekisho_store::{DataFolder, Head, Kept, MailSettings, OutsideSettings, Place, VendorAsk};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

on_both!(
    a_contradiction_from_outside_admits_nobody_until_it_is_decided_on,
    the_log_goes_on_over_an_exchange_of_its_key,
    an_exchange_that_breaks_off_anywhere_is_finished_or_never_was,
    a_checkpoint_goes_by_mail_once_a_day_and_when_it_is_asked_for,
    a_place_that_fails_is_told_once_and_so_is_its_end,
);

/// A place that has what the test gives it.
struct Shelf(Mutex<Option<String>>, AtomicBool);

impl Place for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    fn vouches(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        Box::pin(async {
            *self.0.lock().unwrap() = Some(head.note.clone());
            Ok(Kept::Kept)
        })
    }
}

async fn a_contradiction_from_outside_admits_nobody_until_it_is_decided_on(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    ward.store.publish().await.unwrap();
    let shelf = Arc::new(Shelf(Mutex::new(None), AtomicBool::new(false)));
    let places: Vec<Arc<dyn Place>> = vec![shelf.clone()];
    // What the place has is an earlier head of this log: all is well.
    *shelf.0.lock().unwrap() = Some(ward.store.checkpoint().unwrap());
    ward.store.check_outside(&places).await;
    assert!(ward.store.contradictions().is_empty());
    // Of another log it says nothing.
    let stranger = SigningKey::from_seed("sekisho.example/other", &[5; 32]).unwrap();
    *shelf.0.lock().unwrap() = Some(checkpoint::sign("sekisho.example/other", 9, &sekisho_evidence::Digest::of(b"x"), &stranger).unwrap());
    ward.store.check_outside(&places).await;
    assert!(ward.store.contradictions().is_empty());
    // A head under this log's name by a key that nobody knows was written by whoever can write there: they stop nobody, and it
    // is told at once.
    let later = SigningKey::from_seed("sekisho.example/aoba", &[5; 32]).unwrap();
    *shelf.0.lock().unwrap() = Some(checkpoint::sign("sekisho.example/aoba", 100_000, &sekisho_evidence::Digest::of(b"x"), &later).unwrap());
    ward.store.check_outside(&places).await;
    ward.store.check_outside(&places).await;
    assert!(ward.store.contradictions().is_empty());
    let told = ward.facts("checkpoint_stuck").await;
    assert!(told.len() == 1, "{told:?}");
    // If a witness stands for it, the key was made after this copy was taken.
    shelf.1.store(true, Ordering::SeqCst);
    ward.store.check_outside(&places).await;
    ward.store.check_outside(&places).await;
    assert_eq!(ward.store.contradictions().len(), 1);
    assert_eq!(ward.facts("log_contradicted").await.len(), 1, "it is told once");
    let principal = ward.principal().await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::LogContradicted));

    // Only the console decides, and only with a reason.
    assert!(ward.store.accept_restore(&ward.operator, "復元した").await.is_err());
    assert!(ward.store.accept_restore(&Actor::console(), " ").await.is_err());
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::LogContradicted));
    ward.store.accept_restore(&Actor::console(), "ディスク故障のため夜間の写しから復元した").await.unwrap();
    assert_eq!(ward.facts("restore_accepted").await.len(), 1);
    let entered = ward.try_enter(&principal).await;
    assert!(entered.is_ok(), "{:?}", entered.err());
    // It was decided on for good, and the same checkpoint stops nobody again.
    ward.store.check_outside(&places).await;
    assert!(ward.store.contradictions().is_empty());
    assert!(ward.store.accept_restore(&Actor::console(), "もう一度").await.is_err(), "there is nothing to decide on");
}

async fn the_log_goes_on_over_an_exchange_of_its_key(base: Base) {
    let mut ward = Ward::over(base).await;
    let first = ward.store.log_public_key();
    // What was approved under the first key stays approved.
    ward.approved(ward.content()).await;
    assert!(ward.store.rotate_log_key(&ward.operator).await.is_err(), "only at the console");
    let done = ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    assert_eq!((done.old.as_str(), done.new.as_str()), (first.as_str(), ward.store.log_public_key().as_str()));
    assert_ne!(done.old, done.new);
    ward.crash().await;
    assert_eq!(ward.store.log_public_key(), done.new);
    let again = ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    assert_eq!(again.old, done.new);
    let principal = ward.principal().await;
    let entered = ward.try_enter(&principal).await;
    assert!(entered.is_ok(), "{:?}", entered.err());
    ward.store.publish().await.unwrap();
    let files = DataFolder(ward.store.data_dir().to_owned());
    for key in [&first, &done.new, &again.new] {
        let verdict = verify(&files, &PublicKey::parse(key).unwrap(), None, Recordings::Skip);
        assert!(verdict.ok, "{verdict}");
    }
    let restarted = ward.restarted().await;
    assert!(restarted.store.verify_now().await.unwrap().ok);
}

async fn an_exchange_that_breaks_off_anywhere_is_finished_or_never_was(base: Base) {
    let mut store = base.store().await;
    let first = PublicKey::parse(&store.log_public_key()).unwrap();
    let mut exchanged = 0;
    for nth in 0..24 {
        let before = store.log_public_key();
        store.faults().fail_nth_write(nth);
        let outcome = store.rotate_log_key(&Actor::console()).await;
        store.faults().clear();
        store.shut().await;
        store = base.open().await.unwrap();
        let told = super::ward::facts_of(&store, "key_rotated").await.len();
        let after = store.log_public_key();
        assert!(told == exchanged || told == exchanged + 1, "after a break at write {nth}");
        assert_eq!(after != before, told == exchanged + 1, "the key and its entry go together (write {nth})");
        if outcome.is_ok() {
            assert_eq!(told, exchanged + 1);
        }
        exchanged = told;
        store.add_vendor(&Actor::console(), VendorAsk { name: format!("会社{nth}"), ..VendorAsk::default() }).await.unwrap();
        let verdict = store.verify_now().await.unwrap();
        assert!(verdict.ok, "after a break at write {nth}: {verdict}");
        let files = DataFolder(store.data_dir().to_owned());
        assert!(verify(&files, &first, None, Recordings::Skip).ok, "the first key still leads to the last (write {nth})");
    }
    assert!(exchanged >= 2, "some of them were finished");
    assert!(whole_log(&store).await.len() > 24);
}

async fn a_checkpoint_goes_by_mail_once_a_day_and_when_it_is_asked_for(mut base: Base) {
    base.mail = Some(MailSettings { alarm: Vec::new() });
    let store = base.store().await;
    let settings = OutsideSettings { patience: Duration::from_secs(600), mail: vec!["audit@aoba.example".into()], mail_every: Duration::from_secs(24 * 3600) };
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.run_outside(Vec::new(), settings).await }
    });
    let sent = async || store.outbox(&Actor::console()).await.unwrap().rows.iter().filter(|row| row.letter == "checkpoint" && row.to == "audit@aoba.example").count();
    let until = async |wanted: usize| {
        for _ in 0..600 {
            if sent().await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{wanted} letters: there are {}", sent().await);
    };
    until(1).await;
    store.publish().await.unwrap();
    store.send_outside_now();
    until(2).await;
    base.clock.pass(Duration::from_secs(25 * 3600));
    until(3).await;
    let (places, _) = store.outside(&Actor::console()).await.unwrap();
    assert!(places[0].name == "mail" && places[0].entries > 0, "{places:?}");
    task.abort();
}

/// A place that is away until the test brings it back.
struct Away(Mutex<bool>);

impl Place for Away {
    fn name(&self) -> &str {
        "away"
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn keep<'a>(&'a self, _: &'a Head) -> Answer<'a, Result<Kept, String>> {
        Box::pin(async { if *self.0.lock().unwrap() { Ok(Kept::Kept) } else { Err("it is\naway".into()) } })
    }
}

async fn a_place_that_fails_is_told_once_and_so_is_its_end(base: Base) {
    let store = base.store().await;
    let away = Arc::new(Away(Mutex::new(false)));
    let places: Vec<Arc<dyn Place>> = vec![away.clone()];
    store.check_outside(&places).await;
    let settings = OutsideSettings { patience: Duration::from_secs(600), mail: Vec::new(), mail_every: Duration::from_secs(1) };
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.run_outside(places, settings).await }
    });
    let place = async || store.outside(&Actor::console()).await.unwrap().0.remove(0);
    let until = async |what: &str, holds: fn(&sekisho_store::OutsidePlace) -> bool| {
        for _ in 0..600 {
            if holds(&place().await) {
                return;
            }
            store.send_outside_now();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what}: {:?}", place().await);
    };
    until("it fails", |place| place.failing_since.is_some()).await;
    assert!(!place().await.told, "ten minutes have not passed");
    base.clock.pass(Duration::from_secs(601));
    until("it is told", |place| place.told).await;
    until("it is tried again", |place| place.trouble.as_deref() == Some("it is away")).await;
    assert_eq!(super::ward::facts_of(&store, "checkpoint_stuck").await.len(), 1);
    *away.0.lock().unwrap() = true;
    until("it has the head", |place| place.entries > 0 && place.failing_since.is_none()).await;
    assert_eq!(super::ward::facts_of(&store, "checkpoint_stuck").await.len(), 1);
    assert_eq!(super::ward::facts_of(&store, "checkpoint_leaves").await.len(), 1);
    task.abort();
}
