//! Copies of recordings outside of the box, and the keys of auditors that open recordings without it.

use super::base::{Base, on_both};
use super::ward::{Ward, facts_of, shell};
use crate::object_store::{Between, Does, ObjectStore, settings};
use sekisho_core::archive::{Kept, LockMode, Parcel, Removed, Trouble, Vault};
use sekisho_core::auditor_key::{AuditorKeyAsk, KeyState};
use sekisho_core::desk::{Answer, Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::hold::{HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{PersonId, SessionId};
use sekisho_core::people::{Actor, Role};
use sekisho_core::refusal::Refusal;
use sekisho_courier::archive::{Folder, FolderSettings, S3, S3Settings};
use sekisho_evidence::recording::RecipientKind;
use sekisho_evidence::verify::{Recordings, verify};
use sekisho_store::{ArchiveSettings, CopyPlace, DataFolder, Denied, Store, new_auditor_key, open_recording};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LOCKED: ArchiveSettings = ArchiveSettings { lock: Some(LockMode::Compliance), keep_local_days: Some(7) };

on_both! {
    a_copy_is_locked_in_the_object_store_and_comes_back_when_somebody_opens_it,
    an_archive_that_is_down_denies_or_lies_loses_nothing_and_says_so,
    a_bucket_without_object_lock_takes_nothing,
    a_copy_that_somebody_changed_is_not_used_and_not_believed,
    a_hold_prolongs_the_lock_of_a_copy_that_was_moved_out_and_says_where_it_cannot,
    a_sound_copy_is_opened_in_place_of_a_recording_that_was_set_aside,
    the_key_of_an_auditor_counts_after_a_second_person_and_opens_what_begins_then,
}

fn refused<T>(done: Result<T, Denied>) -> Option<Refusal> {
    match done {
        Err(Denied::Refusal(refusal)) => Some(refusal),
        _ => None,
    }
}

/// Somebody else, of this role.
fn another(actor: &Actor, role: Role, number: u8) -> Actor {
    Actor { person: Some(PersonId::from_random([number; 10])), login: "betsu".into(), name: "別 人".into(), roles: [role].into(), ..actor.clone() }
}

async fn worked(ward: &Ward) -> SessionId {
    let first = ward.facts("entered").await.is_empty();
    let admission = if first { ward.entered().await } else { ward.try_enter(&ward.principal().await).await.unwrap() };
    let session = admission.session.clone();
    shell(&admission);
    admission.recording.append(1, Event::Output(&"systemctl restart ehr\r\n".to_owned().into())).unwrap();
    admission.recording.append(1, Event::Command("systemctl restart ehr")).unwrap();
    ward.left(admission, Cause::Closed).await;
    session
}

fn vault(ward: &Ward, settings: S3Settings) -> Arc<S3> {
    Arc::new(S3::new(settings, ward.clock.clone()).unwrap())
}

fn folder(ward: &Ward) -> std::path::PathBuf {
    let folder = ward.dir.with_extension("archive");
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn plays(store: &Store, actor: &Actor, session: &SessionId) -> Result<usize, Denied> {
    let mut replay = store.replay(actor, session).await?;
    let mut events = 0;
    while let Some(event) = replay.next().await {
        event?;
        events += 1;
    }
    Ok(events)
}

/// What the verifier that was written from the pages of the formats alone says.
fn second_opinion(ward: &Ward) -> String {
    let script = crate::street::program::root().join("testsuite/verifier/verify.py");
    let done = std::process::Command::new("python3").arg(script).arg(&ward.dir).args(["--key", &ward.store.log_public_key()]).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// What an offline verification says: whether it holds, and the codes that it names.
fn verified(ward: &Ward) -> (bool, Vec<&'static str>) {
    let key = sekisho_evidence::checkpoint::PublicKey::parse(&ward.store.log_public_key()).unwrap();
    let verdict = verify(&DataFolder(ward.dir.clone()), &key, None, Recordings::Check { running: &BTreeSet::new() });
    (verdict.ok, verdict.findings.iter().map(|finding| finding.code).collect())
}

async fn a_copy_is_locked_in_the_object_store_and_comes_back_when_somebody_opens_it(base: Base) {
    let ward = Ward::over(base).await;
    let objects = ObjectStore::start().await;
    objects.bucket("evidence", true).await;
    let vault = vault(&ward, settings(objects.address, "evidence"));
    ward.store.set_archive(vault.clone(), LOCKED);
    let session = worked(&ward).await;
    let ended = ward.store.now();
    let file = fs::read(ward.recording(&session)).unwrap();
    assert!(ward.store.archive_round(true).await.unwrap());

    // The store has it under its name, and cannot delete it for as long as recordings of its class are kept.
    let there = ward.dir.with_extension("there");
    vault.fetch(&format!("recordings/{session}.skr"), "", file.len() as u64, &there).await.unwrap();
    assert_eq!(fs::read(there).unwrap(), file);
    let told = ward.facts("recording_archived").await;
    let Some(Fact::RecordingArchived { sha256, locked_until: Some(until), object, .. }) = told.first().map(|entry| &entry.fact) else { panic!("{told:?}") };
    assert_eq!((told.len(), sha256.as_str()), (1, sekisho_evidence::Digest::of(&file).to_string().as_str()));
    assert!((ended.plus(DAY * 365).0 - until.0).abs() < 60_000, "{until:?}");
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.recording.copies.len(), 2);
    assert!(view.recording.copies.iter().any(|copy| copy.place == CopyPlace::Archive { name: "nas".into() } && copy.locked_until == Some(*until)));
    assert_eq!(vault.remove(object, "").await, Ok(Removed::LockedUntil(*until)));
    // A second round hands nothing over again.
    assert!(ward.store.archive_round(true).await.unwrap());
    assert_eq!(ward.facts("recording_archived").await.len(), 1);

    // After its days on the box it is taken off, and verification says where it lies.
    ward.clock.pass(DAY * 8);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(!ward.recording(&session).exists());
    assert_eq!(ward.facts("recording_moved_out").await.len(), 1);
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.recording.copies.len(), 1);
    assert!(!view.recording.recipients.is_empty(), "who can open it is told although it is away");
    ward.store.publish().await.unwrap();
    assert_eq!(verified(&ward), (true, vec!["recording-elsewhere"]));
    assert_eq!(second_opinion(&ward), format!("NOTE recordings/{session}.skr: it lies in the archive, and was not examined\nOK\n"));

    // Whoever opens it has it carried back, and after a day it is taken off again.
    assert!(plays(&ward.store, &ward.operator, &session).await.unwrap() > 0);
    assert_eq!(fs::read(ward.recording(&session)).unwrap(), file);
    assert_eq!(fs::metadata(ward.recording(&session)).unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(ward.facts("recording_fetched").await.len(), 1);
    ward.store.publish().await.unwrap();
    assert_eq!(verified(&ward), (true, vec![]));
    assert_eq!(second_opinion(&ward), "OK\n");
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(ward.recording(&session).exists(), "it is looked at today");
    ward.clock.pass(DAY * 2);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(!ward.recording(&session).exists());
    assert_eq!(ward.facts("recording_moved_out").await.len(), 1, "it was moved out once");
    // Something newer under the same name is another version, and not what is carried back.
    let other = ward.dir.with_extension("other");
    fs::write(&other, b"something else").unwrap();
    let digest = sekisho_evidence::Digest::of(b"something else");
    vault.put(Parcel { path: &other, object, bytes: 14, sha256: digest.as_bytes(), lock: None }).await.unwrap();
    assert!(vault.look(object, "", 14, digest.as_bytes()).await.is_ok());
    assert!(plays(&ward.store, &ward.operator, &session).await.unwrap() > 0);
    // The store gone: the page says so, and nothing is made up.
    ward.clock.pass(DAY * 2);
    assert!(ward.store.archive_round(false).await.unwrap());
    drop(objects);
    assert_eq!(refused(plays(&ward.store, &ward.operator, &session).await), Some(Refusal::RecordingAway));
}

async fn an_archive_that_is_down_denies_or_lies_loses_nothing_and_says_so(base: Base) {
    let ward = Ward::over(base).await;
    let objects = ObjectStore::start().await;
    objects.bucket("evidence", true).await;
    let between = Between::start(objects.address).await;
    let settings = S3Settings { patience: Duration::from_secs(6), ..settings(between.address, "evidence") };
    ward.store.set_archive(vault(&ward, settings), LOCKED);
    let session = worked(&ward).await;
    let standing = async || ward.store.archive(&ward.planner).await.unwrap().unwrap();

    // Down, or silent: nothing is told at once, but somebody who looks sees it.
    for does in [Does::HangUp, Does::Silent] {
        between.does(does);
        assert!(!ward.store.archive_round(true).await.unwrap(), "{does:?}");
        assert_eq!((standing().await.waiting, standing().await.code.as_deref()), (1, Some("SKA-01")), "{does:?}");
    }
    assert!(ward.facts("archive_trouble").await.is_empty());
    // After more than a day of waiting it is an alarm, once.
    ward.clock.pass(DAY + Duration::from_secs(60));
    between.does(Does::HangUp);
    for _ in 0..2 {
        assert!(!ward.store.archive_round(true).await.unwrap());
    }
    assert_eq!((ward.facts("archive_behind").await.len(), ward.facts("archive_trouble").await.len()), (1, 1));
    // A wrong key is another thing, and told at once.
    between.does(Does::Deny);
    assert!(!ward.store.archive_round(true).await.unwrap());
    let told = ward.facts("archive_trouble").await;
    assert!(matches!(told.last().map(|entry| &entry.fact), Some(Fact::ArchiveTrouble { code, .. }) if code == "SKA-02"), "{told:?}");
    assert!(told.iter().all(|entry| !format!("{entry:?}").contains("himitsu")), "the key stands in no log");
    // A store that tells another digest has not taken it.
    between.does(Does::Lie);
    ward.store.archive_round(false).await.unwrap();
    assert!(ward.facts("recording_archived").await.is_empty());
    assert!(standing().await.stuck.is_some_and(|(id, why)| id == session.as_str() && why.contains("SKA-04")));
    // Once it works again, what waited goes there by itself.
    between.does(Does::Pass);
    ward.clock.pass(Duration::from_secs(3600));
    assert!(ward.store.archive_round(true).await.unwrap());
    assert_eq!((ward.facts("recording_archived").await.len(), ward.facts("archive_works").await.len()), (1, 1));
    let now = standing().await;
    assert_eq!((now.waiting, now.kept, now.failing_since, now.stuck), (0, 1, None, None));
}

async fn a_bucket_without_object_lock_takes_nothing(base: Base) {
    let ward = Ward::over(base).await;
    let objects = ObjectStore::start().await;
    objects.bucket("plain", false).await;
    let vault = vault(&ward, settings(objects.address, "plain"));
    ward.store.set_archive(vault.clone(), LOCKED);
    let session = worked(&ward).await;
    assert!(!ward.store.archive_round(true).await.unwrap());
    let told = ward.facts("archive_trouble").await;
    assert!(matches!(told.last().map(|entry| &entry.fact), Some(Fact::ArchiveTrouble { code, .. }) if code == "SKA-03"), "{told:?}");
    assert_eq!(vault.look(&format!("recordings/{session}.skr"), "", 1, &[0; 32]).await, Err(Trouble::Missing));
    assert_eq!(ward.store.archive(&ward.planner).await.unwrap().unwrap().waiting, 1);
}

async fn a_copy_that_somebody_changed_is_not_used_and_not_believed(base: Base) {
    let ward = Ward::over(base).await;
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    let (first, second) = (worked(&ward).await, worked(&ward).await);
    assert!(ward.store.archive_round(true).await.unwrap());
    let copy = |session: &SessionId| place.join(format!("recordings/{session}.skr"));
    let write = |session: &SessionId, bytes: &[u8]| {
        fs::set_permissions(copy(session), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(copy(session), bytes).unwrap();
    };
    let sound = fs::read(copy(&first)).unwrap();
    let mut other = sound.clone();
    *other.last_mut().unwrap() ^= 1;

    // Before it is taken off the box the archive is asked once more: a copy that is another one keeps the recording here, and is
    // made again.
    write(&first, &other);
    ward.clock.pass(DAY * 8);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(ward.recording(&first).exists() && !ward.recording(&second).exists());
    assert_eq!(ward.facts("archive_copy_bad").await.len(), 1);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert_eq!(fs::read(copy(&first)).unwrap(), sound, "it was laid down anew");

    // What lies there alone and was changed is carried back to nobody.
    let mut changed = fs::read(copy(&second)).unwrap();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    write(&second, &changed);
    assert_eq!(refused(plays(&ward.store, &ward.operator, &second).await), Some(Refusal::RecordingDiffers));
    assert!(!ward.recording(&second).exists());
    assert!(fs::read_dir(ward.dir.join("carried-back")).unwrap().next().is_none(), "nothing of it stays");
    assert_eq!(ward.facts("archive_copy_bad").await.len(), 2);
    // One that is longer is not even read to its end, and one that is gone is told as gone.
    write(&second, &vec![0; changed.len() + 1_000_000]);
    assert_eq!(refused(plays(&ward.store, &ward.operator, &second).await), Some(Refusal::RecordingDiffers));
    fs::remove_file(copy(&second)).unwrap();
    assert_eq!(refused(plays(&ward.store, &ward.operator, &second).await), Some(Refusal::RecordingDiffers));
    let told = ward.facts("archive_copy_bad").await;
    assert!(matches!(told.last().map(|entry| &entry.fact), Some(Fact::ArchiveCopyBad { code, .. }) if code == "SKA-05"), "{told:?}");
    fs::remove_dir_all(place).unwrap();
}

async fn a_hold_prolongs_the_lock_of_a_copy_that_was_moved_out_and_says_where_it_cannot(base: Base) {
    let ward = Ward::over(base).await;
    let objects = ObjectStore::start().await;
    objects.bucket("evidence", true).await;
    let between = Between::start(objects.address).await;
    let settings = S3Settings { patience: Duration::from_secs(6), ..settings(between.address, "evidence") };
    let vault = vault(&ward, settings);
    ward.store.set_archive(vault.clone(), LOCKED);
    let session = worked(&ward).await;
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    assert!(ward.store.archive_round(true).await.unwrap());
    ward.clock.pass(DAY * 8);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(!ward.recording(&session).exists(), "it lies in the archive alone");
    let object = format!("recordings/{session}.skr");
    let until = async || if let Ok(Removed::LockedUntil(until)) = vault.remove(&object, "").await { until } else { panic!("no lock holds it") };
    let first = until().await;
    // Two weeks before its time is over somebody holds it. While the archive does not do as it should, the page says so, and it is
    // an alarm; nobody is told twice.
    ward.clock.pass(DAY * 343);
    between.does(Does::Deny);
    let ask = HoldAsk { scope: HoldScope::Session { session: session.clone() }, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: "漏えいの疑い".into(), days: None };
    let hold = ward.store.place_hold(&ward.operator, ask).await.unwrap();
    for _ in 0..2 {
        assert!(!ward.store.archive_round(false).await.unwrap());
    }
    let held = ward.store.held_copies(&ward.planner, &hold.id).await.unwrap().unwrap();
    assert_eq!((held.copies, held.short, held.until), (1, 1, Some(first)));
    assert_eq!(held.trouble.as_ref().map(|(code, _)| code.as_str()), Some("SKA-02"));
    let told = ward.facts("hold_copies_unlocked").await;
    assert!(matches!(&told[..], [entry] if matches!(&entry.fact, Fact::HoldCopiesUnlocked { hold: named, copies: 1, code, .. } if *named == hold.id && code == "SKA-02")), "{told:?}");
    // Once it does, the lock lasts for months beyond, as the store itself says, and goes on doing so for as long as the hold stands.
    between.does(Does::Pass);
    assert!(ward.store.archive_round(false).await.unwrap());
    let second = until().await;
    assert!(ward.store.now().plus(DAY * 170) < second, "{second:?}");
    let held = ward.store.held_copies(&ward.planner, &hold.id).await.unwrap().unwrap();
    assert_eq!((held.copies, held.short, held.until, held.trouble), (1, 0, Some(second), None));
    assert!(ward.store.archive_round(true).await.unwrap());
    assert_eq!(until().await, second, "what lasts is not asked for again");
    ward.clock.pass(DAY * 100);
    assert!(ward.store.archive_round(true).await.unwrap());
    assert!(second < until().await);
    assert_eq!(ward.facts("archive_lock_prolonged").await.len(), 2);
    // A folder has nothing to lock, which its page says.
    let ward = Ward::new().await;
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    worked(&ward).await;
    assert!(ward.store.archive_round(true).await.unwrap());
    let ask = HoldAsk { scope: HoldScope::Everything, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: "漏えいの疑い".into(), days: None };
    let hold = ward.store.place_hold(&ward.operator, ask).await.unwrap();
    assert!(ward.store.archive_round(false).await.unwrap());
    let held = ward.store.held_copies(&ward.planner, &hold.id).await.unwrap().unwrap();
    assert_eq!((held.locks, held.copies, held.short), (false, 1, 0));
    assert!(ward.facts("hold_copies_unlocked").await.is_empty());
    fs::remove_dir_all(place).unwrap();
}

async fn a_sound_copy_is_opened_in_place_of_a_recording_that_was_set_aside(base: Base) {
    let ward = Ward::over(base).await;
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    let session = worked(&ward).await;
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    assert!(ward.store.archive_round(true).await.unwrap());
    let path = ward.recording(&session);
    let sound = fs::read(&path).unwrap();
    let mut broken = sound.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    fs::write(&path, &broken).unwrap();
    ward.clock.pass(DAY * 91);
    ward.store.publish().await.unwrap();
    assert!(ward.store.check_next_recording().await.unwrap());
    let aside = ward.dir.join("damaged").join(path.file_name().unwrap());
    assert!(aside.exists() && !path.exists());
    assert!(plays(&ward.store, &ward.operator, &session).await.unwrap() > 0, "it plays from its first moment to its last");
    assert_eq!(fs::read(&path).unwrap(), sound);
    assert_eq!(fs::read(&aside).unwrap(), broken, "the damaged one stays as it was");
    assert_eq!(ward.facts("recording_fetched").await.len(), 1);
    // It stays beside the damaged one, and whoever verifies finds a sound one.
    ward.clock.pass(DAY * 10);
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(path.exists() && aside.exists());
    ward.store.publish().await.unwrap();
    assert_eq!(verified(&ward), (true, vec![]));
    // Without the copy, what is left of the damaged one is better than nothing.
    fs::remove_file(&path).unwrap();
    fs::remove_dir_all(&place).unwrap();
    assert!(plays(&ward.store, &ward.operator, &session).await.is_err());
    assert!(aside.exists());
    // By its rule all of it goes.
    ward.clock.pass(DAY * 300);
    ward.store.keep_round().await.unwrap();
    assert!(!aside.exists() && !path.exists());
}

/// What the database says of a session's end, and of what was handed over, decides neither a lock nor a copy.
#[tokio::test]
async fn a_column_of_the_database_shortens_no_lock_and_what_is_erased_gets_no_copy() {
    let ward = Ward::over(Base::postgres()).await;
    let objects = ObjectStore::start().await;
    objects.bucket("evidence", true).await;
    let vault = vault(&ward, settings(objects.address, "evidence"));
    let session = worked(&ward).await;
    let file = fs::read(ward.recording(&session)).unwrap();
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    let ended = ward.facts("left").await[0].at;
    ward.db().sql("UPDATE sessions SET ended_at = 1000 WHERE ended_at IS NOT NULL");
    ward.store.set_archive(vault.clone(), LOCKED);
    assert!(ward.store.archive_round(true).await.unwrap());
    let told = ward.facts("recording_archived").await;
    assert!(matches!(&told[0].fact, Fact::RecordingArchived { locked_until: Some(until), .. } if (ended.plus(DAY * 365).0 - until.0).abs() < 1000), "{told:?}");
    assert!(ward.store.archive_round(false).await.unwrap());
    assert!(ward.recording(&session).exists(), "nor is it moved out before its days");
    // Another one is deleted by its rule, and then somebody puts its file back and asks for a copy of it.
    let ward = Ward::over(Base::postgres()).await;
    let session = worked(&ward).await;
    let kept = fs::read(ward.recording(&session)).unwrap();
    assert_ne!(kept, file);
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    ward.clock.pass(DAY * 370);
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    assert_eq!(facts_of(&ward.store, "recording_deleted").await.len(), 1);
    fs::write(ward.recording(&session), &kept).unwrap();
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: None });
    for _ in 0..2 {
        assert!(ward.store.archive_round(true).await.unwrap());
    }
    assert!(!place.join(format!("recordings/{session}.skr")).exists(), "what is erased is copied nowhere");
    assert!(facts_of(&ward.store, "recording_archived").await.is_empty());
    fs::remove_dir_all(place).unwrap();
}

/// An archive that has lost its copies and goes on saying what it was told of them.
struct Parrot;

impl Vault for Parrot {
    fn name(&self) -> &str {
        "nas"
    }

    fn check(&self) -> Answer<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }

    fn put<'a>(&'a self, _: Parcel<'a>) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(async { Ok(Kept::default()) })
    }

    fn look<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(async { Ok(Kept::default()) })
    }

    fn read_back<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        Box::pin(async { Err(Trouble::Differs("it is another".into())) })
    }

    fn fetch<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: &'a std::path::Path) -> Answer<'a, Result<(), Trouble>> {
        Box::pin(async { Err(Trouble::Missing) })
    }

    fn remove<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Removed, Trouble>> {
        Box::pin(async { Ok(Removed::NotThere) })
    }
}

#[tokio::test]
async fn nothing_leaves_the_box_that_is_held_or_that_the_archive_does_not_show() {
    let ward = Ward::new().await;
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    let (held, free) = (worked(&ward).await, worked(&ward).await);
    let ask = HoldAsk { scope: HoldScope::Session { session: held.clone() }, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: "漏えいの疑い".into(), days: None };
    let hold = ward.store.place_hold(&ward.operator, ask).await.unwrap();
    ward.clock.pass(DAY * 8);
    for _ in 0..3 {
        assert!(ward.store.archive_round(true).await.unwrap());
    }
    assert!(ward.recording(&held).exists() && !ward.recording(&free).exists(), "what is held stays, and keeps no other here");
    ward.store.lift_hold(&ward.planner, &hold.id, "調べが終わった", "").await.unwrap();
    for _ in 0..3 {
        assert!(ward.store.archive_round(false).await.unwrap());
    }
    assert!(!ward.recording(&held).exists(), "after the hold it goes like the others");
    fs::remove_dir_all(place).unwrap();

    let ward = Ward::new().await;
    ward.store.set_archive(Arc::new(Parrot), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    let session = worked(&ward).await;
    ward.store.archive_round(true).await.unwrap();
    ward.clock.pass(DAY * 8);
    ward.store.archive_round(false).await.unwrap();
    assert!(ward.recording(&session).exists());
    assert_eq!((ward.facts("archive_copy_bad").await.len(), ward.facts("recording_moved_out").await.len()), (1, 0));
}

#[tokio::test]
async fn a_row_that_says_there_is_a_copy_does_not_make_one() {
    let ward = Ward::over(Base::postgres()).await;
    let place = folder(&ward);
    let settings = FolderSettings { name: "nas".into(), path: place.clone(), not_with: None, own: ward.dir.join("recordings") };
    ward.store.set_archive(Arc::new(Folder::new(settings)), ArchiveSettings { lock: None, keep_local_days: Some(7) });
    let session = worked(&ward).await;
    let text = format!("INSERT INTO archive_copies (id, kept, local, ended_at, body) VALUES ('{session}', 1, 1, 0, '{{}}')");
    ward.db().sql(&text);
    ward.clock.pass(DAY * 8);
    assert!(ward.store.archive_round(true).await.unwrap());
    assert!(place.join(format!("recordings/{session}.skr")).exists(), "it was copied all the same");
    assert!(!ward.store.health(&ward.planner).await.unwrap().problems.is_empty(), "and somebody is told");
    fs::remove_dir_all(place).unwrap();
}

async fn the_key_of_an_auditor_counts_after_a_second_person_and_opens_what_begins_then(base: Base) {
    let ward = Ward::over(base).await;
    let keys = tempfile::tempdir().unwrap();
    let made = new_auditor_key("2026-11-21");
    let own = keys.path().join("own.key");
    fs::write(&own, made.file.as_bytes()).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    let ask = |key: &str| AuditorKeyAsk { name: "みどり監査法人".into(), key: key.into(), reason: "年次監査".into() };
    let chief = another(&ward.planner, Role::SafetyManager, 91);

    for bad in ["", "age1", "AGE-SECRET-KEY-1QQ", "ssh-ed25519 AAAA", &made.public.to_uppercase()] {
        assert_eq!(refused(ward.store.ask_auditor_key(&ward.planner, ask(bad)).await), Some(Refusal::bad_field("key")), "{bad}");
    }
    assert_eq!(refused(ward.store.ask_auditor_key(&ward.operator, ask(&made.public)).await), Some(Refusal::NotAllowed));
    let key = ward.store.ask_auditor_key(&ward.planner, ask(&made.public)).await.unwrap();
    assert!(refused(ward.store.ask_auditor_key(&chief, ask(&made.public)).await).is_some(), "it is here already");
    let before = worked(&ward).await;
    // Nobody confirms what they asked for, and the console is no second person.
    assert_eq!(refused(ward.store.decide_auditor_key(&ward.planner, &key.id, true, "電話で確認").await), Some(Refusal::SameHand));
    assert!(ward.store.decide_auditor_key(&Actor::console(), &key.id, true, "電話で確認").await.is_err());
    let key = ward.store.decide_auditor_key(&chief, &key.id, true, "電話で読み上げて確認").await.unwrap();
    assert_eq!(key.state, KeyState::Active);
    let during = worked(&ward).await;
    ward.store.end_auditor_key(&ward.planner, &key.id, "契約終了").await.unwrap();
    let after = worked(&ward).await;

    let opens = |session: &SessionId| open_recording(&ward.recording(session), &own, None, None);
    let opened = opens(&during).unwrap();
    assert!(opened.sealed && opened.frames > 0);
    let named: Vec<(RecipientKind, &str)> = opened.header.recipients.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(named, [(RecipientKind::Hospital, ""), (RecipientKind::Auditor, "みどり監査法人")]);
    assert!(opens(&before).is_err() && opens(&after).is_err(), "only what began in its time");
    // The box opens all of them, and its page says who else does.
    for session in [&before, &during, &after] {
        assert!(plays(&ward.store, &ward.operator, session).await.unwrap() > 0);
    }
    let told = async |session: &SessionId| ward.store.session(&ward.operator, session).await.unwrap().recording.recipients.len();
    assert_eq!((told(&before).await, told(&during).await, told(&after).await), (1, 2, 1));
    let changes: Vec<String> = facts_of(&ward.store, "auditor_key_kept").await.into_iter().filter_map(|entry| if let Fact::AuditorKeyKept { change, .. } = entry.fact { Some(change) } else { None }).collect();
    assert_eq!(changes, ["asked", "confirmed", "ended"]);
}

#[tokio::test]
async fn who_can_write_to_the_database_makes_no_key_of_an_auditor_count() {
    let ward = Ward::over(Base::postgres()).await;
    let made = new_auditor_key("2026-11-21");
    let ask = AuditorKeyAsk { name: "みどり監査法人".into(), key: made.public.to_string(), reason: "年次監査".into() };
    let key = ward.store.ask_auditor_key(&ward.planner, ask).await.unwrap();
    let recipients = async || {
        let session = worked(&ward).await;
        ward.store.session(&ward.operator, &session).await.unwrap().recording.recipients.len()
    };
    ward.db().sql(&format!("UPDATE auditor_keys SET body = REPLACE(body, '\"asked\",', '\"active\",') WHERE id = '{}'", key.id));
    assert_eq!(recipients().await, 1);
    let problems = async || ward.store.health(&ward.planner).await.unwrap().problems;
    assert!(problems().await.iter().any(|text| text.contains("passed over")));
    ward.db().sql(&format!("DELETE FROM auditor_keys WHERE id = '{}'", key.id));
    assert_eq!(recipients().await, 1);
    assert!(problems().await.iter().any(|text| text.contains("taken away")));
}
