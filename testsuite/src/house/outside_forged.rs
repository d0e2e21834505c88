//! What somebody else puts where the log is held against it: rows that decide, keys that follow, silence, and what was taken away.

use super::base::{Base, on_both};
use super::ward::{Ward, facts_of};
use crate::street::program::copy_folder;
use sekisho_core::desk::{Answer, Cause};
use sekisho_core::hold::{HoldAsk, HoldBasis, HoldScope};
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::rotation::{self, Rotation};
use sekisho_store::{Head, Kept, Place, Store, VendorAsk};
use std::sync::{Arc, Mutex};

on_both!(a_contradiction_outlives_a_restart_with_every_place_silent, a_place_that_is_silent_or_has_forgotten_is_told_at_once, keys_are_exchanged_one_after_the_other);

/// A place that says what the test has it say.
#[derive(Default)]
struct Shelf {
    note: Mutex<Option<String>>,
    silent: Mutex<bool>,
    vouches: bool,
    exchanges: Mutex<Vec<Rotation>>,
}

impl Place for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    fn vouches(&self) -> bool {
        self.vouches
    }

    fn remembers(&self) -> bool {
        true
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(async { if *self.silent.lock().unwrap() { Err("nobody answers".into()) } else { Ok(self.note.lock().unwrap().clone()) } })
    }

    fn exchanges(&self) -> Answer<'_, Result<Vec<Rotation>, String>> {
        Box::pin(async { Ok(self.exchanges.lock().unwrap().clone()) })
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        Box::pin(async {
            *self.note.lock().unwrap() = Some(head.note.clone());
            Ok(Kept::Kept)
        })
    }
}

async fn look(store: &Store, shelf: &Arc<Shelf>) {
    let places: Vec<Arc<dyn Place>> = vec![shelf.clone()];
    store.check_outside(&places).await;
}

async fn add(store: &Store, name: &str) {
    store.add_vendor(&Actor::console(), VendorAsk { name: name.into(), ..VendorAsk::default() }).await.unwrap();
    store.publish().await.unwrap();
}

/// A head of another log under this one's name, for which a witness stands.
fn vouched() -> Shelf {
    let key = SigningKey::from_seed("sekisho.example/aoba", &[5; 32]).unwrap();
    let note = checkpoint::sign("sekisho.example/aoba", 100_000, &Digest::of(b"x"), &key).unwrap();
    Shelf { vouches: true, note: Mutex::new(Some(note)), ..Shelf::default() }
}

async fn a_contradiction_outlives_a_restart_with_every_place_silent(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let shelf = Arc::new(vouched());
    look(&ward.store, &shelf).await;
    assert_eq!(ward.store.contradictions().len(), 1);
    let ward = ward.restarted().await;
    let held = ward.store.contradictions();
    assert_eq!(held.len(), 1, "a restart decides nothing");
    let principal = ward.principal().await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::LogContradicted));
    look(&ward.store, &shelf).await;
    assert_eq!((ward.store.contradictions().len(), ward.facts("log_contradicted").await.len()), (1, 1), "it is told once");
    ward.store.accept_restore(&Actor::console(), "夜間の写しから復元した").await.unwrap();
    // The decision is signed, and outlives the exchange of the key that signed it.
    ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    let ward = ward.restarted().await;
    look(&ward.store, &shelf).await;
    assert!(ward.store.contradictions().is_empty());
    let entered = ward.try_enter(&ward.principal().await).await;
    assert!(entered.is_ok(), "{:?}", entered.err());
}

async fn a_place_that_is_silent_or_has_forgotten_is_told_at_once(base: Base) {
    let store = base.store().await;
    let shelf = Arc::new(Shelf::default());
    let stuck = async || facts_of(&store, "checkpoint_stuck").await;
    look(&store, &shelf).await;
    assert!(stuck().await.is_empty(), "it never had anything");
    *shelf.silent.lock().unwrap() = true;
    look(&store, &shelf).await;
    assert_eq!(stuck().await.len(), 1, "silence at the start is told at the start");
    *shelf.silent.lock().unwrap() = false;
    // It takes a head, and loses it.
    let settings = sekisho_store::OutsideSettings { patience: std::time::Duration::from_secs(600), mail: Vec::new(), mail_every: std::time::Duration::from_secs(1) };
    let task = tokio::spawn({
        let (store, shelf) = (store.clone(), shelf.clone());
        async move { store.run_outside(vec![shelf], settings).await }
    });
    super::ward::until("the head is there", || {
        store.send_outside_now();
        shelf.note.lock().unwrap().is_some()
    })
    .await;
    for _ in 0..400 {
        if facts_of(&store, "checkpoint_leaves").await.len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(facts_of(&store, "checkpoint_leaves").await.len(), 1, "that it is over is told, too");
    task.abort();
    let _ = task.await;
    *shelf.note.lock().unwrap() = None;
    look(&store, &shelf).await;
    assert_eq!(stuck().await.len(), 2, "{:?}", stuck().await);
    assert!(store.contradictions().is_empty());
}

async fn keys_are_exchanged_one_after_the_other(base: Base) {
    let store = base.store().await;
    let console = Actor::console();
    let (one, two, three) = tokio::join!(store.rotate_log_key(&console), store.rotate_log_key(&console), store.rotate_log_key(&console));
    let done: Vec<_> = [one, two, three].into_iter().flatten().collect();
    let told = facts_of(&store, "key_rotated").await;
    assert!(!done.is_empty() && told.len() == done.len(), "{} were done and {} told", done.len(), told.len());
    store.shut().await;
    let store = base.open().await.unwrap();
    let verdict = store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
}

/// Who can write to the database decides on nothing.
#[tokio::test]
async fn a_row_without_the_logs_signature_accepts_no_restore() {
    let base = Base::postgres();
    let store = base.store().await;
    let shelf = Arc::new(vouched());
    let root = Digest::of(b"x");
    let row = |seq: u64, signature: &str| {
        let actor = r#"{"name":"console","roles":[],"via":"console"}"#;
        let body = format!(r#"{{"seq":{seq},"at":1790000000000,"actor":{actor},"kind":"restore_accepted","place":"shelf","here":3,"there":100000,"root":"{root}","reason":"written by hand","signature":"{signature}"}}"#);
        base.db.as_ref().unwrap().sql(&format!("INSERT INTO log (seq, at, kind, body) VALUES ({seq}, 1790000000000, 'restore_accepted', convert_to('{body}', 'UTF8'))"));
    };
    row(9_000_000_000_000_001, "");
    row(9_000_000_000_000_002, &"A".repeat(88));
    look(&store, &shelf).await;
    assert_eq!(store.contradictions().len(), 1);
    store.shut().await;
}

/// The key was exchanged after the copy was taken: a folder leads to the new key, and a forged head leads nowhere.
#[tokio::test]
async fn an_older_copy_is_known_by_a_head_of_a_later_key() {
    let base = Base::sqlite();
    let store = base.store().await;
    add(&store, "北斗").await;
    let first = store.log_public_key();
    store.shut().await;
    let copy = base.folder.path().join("copy");
    copy_folder(&base.dir(), &copy);
    let store = base.open().await.unwrap();
    let turned = store.rotate_log_key(&Actor::console()).await.unwrap();
    add(&store, "南斗").await;
    let (note, path) = (store.checkpoint().unwrap(), rotation::path_of(turned.seq));
    let exchange = rotation::read(&turned.seq.to_string(), &std::fs::read_to_string(base.dir().join(path)).unwrap()).unwrap();
    assert_eq!((exchange.old.to_string(), exchange.new.to_string()), (first, store.log_public_key()));
    store.shut().await;
    std::fs::remove_dir_all(base.dir()).unwrap();
    std::fs::rename(copy, base.dir()).unwrap();
    let store = base.open().await.unwrap();
    let shelf = Arc::new(Shelf { note: Mutex::new(Some(note)), ..Shelf::default() });
    look(&store, &shelf).await;
    assert!(store.contradictions().is_empty(), "nothing leads to that key");
    assert_eq!(facts_of(&store, "checkpoint_stuck").await.len(), 1);
    *shelf.exchanges.lock().unwrap() = vec![exchange];
    look(&store, &shelf).await;
    assert_eq!(store.contradictions().len(), 1);
    store.shut().await;
}

/// A backup of the whole box holds the key that was laid down since. Who has it, and the database, puts a decision behind the last entry.
#[tokio::test]
async fn a_key_that_was_laid_down_decides_about_nothing_that_comes_after() {
    let mut ward = Ward::over(Base::sqlite()).await;
    let ask = |reason: &str| HoldAsk { scope: HoldScope::Everything, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: reason.into(), days: None };
    let first = ward.store.place_hold(&ward.operator, ask("交換の前の指定")).await.unwrap();
    ward.store.shut().await;
    let copy = ward.dir.with_file_name("backup");
    copy_folder(&ward.dir, &copy);

    let settings = sekisho_store::Settings { data_dir: copy.clone(), ..ward.settings.clone() };
    let stolen = Store::open(settings, ward.clock.clone()).await.unwrap();
    for n in 0..20 {
        stolen.place_hold(&ward.operator, ask(&format!("盗んだ鍵 {n}"))).await.unwrap();
    }
    stolen.shut().await;

    ward.store = Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
    ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    ward.store.shut().await;
    let next = format!("ATTACH '{}' AS stolen; INSERT INTO log SELECT * FROM stolen.log WHERE seq = (SELECT MAX(seq) + 1 FROM main.log)", copy.join("sekisho.db").display());
    super::resumed::sql_beside(&ward.dir, &next);

    ward.store = Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
    ward.store.publish().await.unwrap();
    let held: Vec<_> = ward.store.holds(&ward.operator).await.unwrap().into_iter().map(|hold| hold.id).collect();
    assert_eq!(held, std::slice::from_ref(&first.id), "what the key decided in its time stands, and nothing after");
    let verdict = ward.store.verify_now().await.unwrap();
    assert_eq!(verdict.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["decisive-unsigned"], "{verdict}");
    ward.store.keep_round().await.unwrap();
    assert_eq!(facts_of(&ward.store, "retention_stopped").await.len(), 1);

    // The new key decides, also after a restart.
    let second = ward.store.place_hold(&ward.operator, ask("交換の後の指定")).await.unwrap();
    let ward = ward.restarted().await;
    let held = ward.store.holds(&ward.operator).await.unwrap();
    assert!([&first, &second].iter().all(|hold| held.iter().any(|one| one.id == hold.id)) && held.len() == 2, "{held:?}");

    // How long a key counted lies with the keys: a file of the log that is lost takes nothing from what it decided.
    std::fs::remove_dir_all(ward.dir.join(rotation::ROTATIONS_DIR)).unwrap();
    let ward = ward.restarted().await;
    assert_eq!(ward.store.holds(&ward.operator).await.unwrap().len(), 2);
}

/// The same for an approval: with the backup a plan is approved of which the log knows nothing, and its rows go into the database.
#[tokio::test]
async fn an_approval_of_which_the_log_did_not_tell_ends_with_its_key() {
    let mut ward = Ward::over(Base::sqlite()).await;
    ward.store.shut().await;
    let copy = ward.dir.with_file_name("backup");
    copy_folder(&ward.dir, &copy);
    let settings = sekisho_store::Settings { data_dir: copy.clone(), ..ward.settings.clone() };
    ward.store = Store::open(settings, ward.clock.clone()).await.unwrap();
    let plan = ward.approved(ward.content()).await;
    ward.store.shut().await;
    let rows = format!(
        "ATTACH '{}' AS stolen; INSERT INTO plans SELECT * FROM stolen.plans WHERE id = '{id}'; INSERT INTO plan_workers SELECT * FROM stolen.plan_workers WHERE plan = '{id}'",
        copy.join("sekisho.db").display(),
        id = plan.id,
    );
    super::resumed::sql_beside(&ward.dir, &rows);

    ward.store = Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    ward.left(admission, Cause::Closed).await;
    ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    let refused = ward.try_enter(&ward.principal().await).await.err();
    assert_eq!(refused, Some(Refusal::ApprovalBroken), "the key signs no more, and in its time the log told of no approval");
}

/// Whoever has the database puts an exchange of their own far behind the log, so that the publisher takes it for the newest.
#[tokio::test]
async fn a_row_behind_the_log_keeps_no_exchange_from_its_end() {
    let ward = Ward::over(Base::sqlite()).await;
    let (before, far) = (ward.store.log_public_key(), 9_000_000_000_000_000_u64);
    let actor = serde_json::to_string(&Actor::console()).unwrap();
    let body = format!(r#"{{"seq":{far},"at":{},"actor":{actor},"kind":"key_rotated","old":"{before}","new":"{before}"}}"#, ward.store.now().0);
    super::resumed::sql_beside(&ward.dir, &format!("INSERT INTO log (seq, at, kind, body) VALUES ({far}, {}, 'key_rotated', CAST('{body}' AS BLOB))", ward.store.now().0));
    let done = ward.store.rotate_log_key(&Actor::console()).await.unwrap();
    assert_eq!((done.old.as_str(), done.new.as_str()), (before.as_str(), ward.store.log_public_key().as_str()), "what is said to be done is done");
    assert!(!ward.dir.join("keys/log.next").exists());
    super::resumed::sql_beside(&ward.dir, &format!("DELETE FROM log WHERE seq = {far}"));
    let ward = ward.restarted().await;
    assert_eq!(ward.store.log_public_key(), done.new);
    assert!(ward.store.verify_now().await.unwrap().ok);
}
