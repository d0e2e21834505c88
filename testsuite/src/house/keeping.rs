//! Keeping and deleting: by rule and announced, never while held, with the entry first; and recordings that were damaged.

use super::base::{Base, on_both};
use super::ward::{Ward, facts_of, shell};
use sekisho_core::archive::{self as vault, Lock, LockMode, Parcel, Removed, Trouble, Vault};
use sekisho_core::desk::{Admission, Answer, Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::hold::{HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{PersonId, SessionId};
use sekisho_core::people::{Actor, Role};
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::content::PlanContent;
use sekisho_core::reconcile::{FileSeen, Kept};
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::KeepClass;
use sekisho_core::time::{Clock as _, Timestamp};
use sekisho_store::{ArchiveSettings, Denied, LedgerFilter, RecordQuery, TimeSet};
use std::fs;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

on_both! {
    a_recording_goes_after_its_days_and_its_announcement_and_the_log_tells_of_it,
    what_is_held_stays_and_who_placed_the_hold_does_not_lift_it,
    a_request_of_the_police_ends_after_thirty_days_and_after_sixty_at_the_latest,
    a_time_is_shortened_by_two_persons_and_lengthened_by_one,
    a_recording_with_contents_is_kept_as_its_contents_are,
    a_damaged_recording_is_set_aside_and_the_others_are_checked_by_pace,
    an_attachment_goes_with_its_class_and_a_hold_on_the_plan_keeps_it,
    a_copy_under_a_lock_waits_until_its_date_and_goes_then,
    what_the_console_placed_is_lifted_by_who_names_another_and_the_others_are_told,
    recordings_of_emergencies_and_of_incidents_are_kept_by_their_class,
}

fn refused<T>(done: Result<T, Denied>) -> Option<Refusal> {
    match done {
        Err(Denied::Refusal(refusal)) => Some(refusal),
        _ => None,
    }
}

/// The same person's work by somebody else.
fn another(actor: &Actor, role: Role) -> Actor {
    Actor { person: Some(PersonId::from_random([77; 10])), login: "betsu".into(), name: "別 人".into(), roles: [role].into(), ..actor.clone() }
}

fn hold(scope: HoldScope) -> HoldAsk {
    HoldAsk { scope, basis: HoldBasis::Own, case_number: "院内-12".into(), reason: "漏えいの疑い".into(), days: None }
}

async fn worked(ward: &Ward) -> SessionId {
    let admission = ward.entered().await;
    let session = admission.session.clone();
    shell(&admission);
    admission.recording.append(1, Event::Output(&"患者 4711 件\r\n".to_owned().into())).unwrap();
    admission.recording.append(1, Event::Command("systemctl restart ehr")).unwrap();
    ward.left(admission, Cause::Closed).await;
    session
}

async fn found(ward: &Ward, words: &str) -> usize {
    ward.store.index_now().await.unwrap();
    ward.store.search_records(&ward.operator, &RecordQuery { words: words.into(), ..RecordQuery::default() }).await.unwrap().total
}

/// A round with the log published, as it is all the time while the box runs.
async fn round(ward: &Ward) {
    ward.store.publish().await.unwrap();
    ward.store.keep_round().await.unwrap();
    ward.store.publish().await.unwrap();
}

async fn a_recording_goes_after_its_days_and_its_announcement_and_the_log_tells_of_it(base: Base) {
    let ward = Ward::over(base).await;
    let session = worked(&ward).await;
    let path = ward.recording(&session);
    round(&ward).await;
    assert_eq!(ward.facts("retention_set").await.len(), KeepClass::ALL.len(), "the rules stand in the log from the first round on");
    assert!(found(&ward, "4711").await > 0 && found(&ward, "restart").await > 0);
    ward.clock.pass(DAY * 364);
    round(&ward).await;
    assert!(path.is_file());
    let ahead = ward.store.deletions_ahead(&ward.operator, 0).await.unwrap();
    assert_eq!((ahead.rows.len(), ahead.rows[0].days, ahead.rows[0].held.len()), (1, 365, 0), "{ahead:?}");
    ward.clock.pass(DAY * 2);
    round(&ward).await;
    assert!(!path.exists());
    let told = ward.facts("recording_deleted").await;
    let left = ward.facts("left").await;
    let (Fact::RecordingDeleted { digest, class, days, ended, .. }, Fact::Left { digest: sealed, .. }) = (&told[0].fact, &left[0].fact) else { panic!("{told:?}") };
    assert_eq!((digest, *class, *days, *ended), (sealed, KeepClass::Recordings, 365, left[0].at));
    // What everybody sees of it from here on.
    assert_eq!(refused(ward.store.replay(&ward.operator, &session).await), Some(Refusal::RecordingDeleted));
    assert_eq!(refused(ward.store.export_asciicast(&ward.operator, &session, 1).await), Some(Refusal::RecordingDeleted));
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.row.facts.commands[0].text, "systemctl restart ehr", "the list of commands stays");
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
    assert_eq!((verdict.deleted.len(), verdict.deleted[0].days), (1, 365));
    assert!(verdict.to_string().contains("規則により削除済み"), "{verdict}");
    let ledger = ward.store.deletions(&ward.operator, &LedgerFilter::default()).await.unwrap();
    assert_eq!((ledger.rows.len(), ledger.rows[0].what, ledger.rows[0].about.as_str()), (1, "recording", "佐藤 健 ehr-db01"));
    assert_eq!(refused(ward.store.deletions(&ward.worker_actor(), &LedgerFilter::default()).await), Some(Refusal::NotAllowed));
    assert!(found(&ward, "4711").await == 0 && found(&ward, "restart").await > 0, "what stood on the screen is not found any more, what was entered is");
    // Once only, also after a restart.
    let ward = ward.restarted().await;
    round(&ward).await;
    assert_eq!(ward.facts("recording_deleted").await.len(), 1);
    assert_eq!(refused(ward.store.replay(&ward.operator, &session).await), Some(Refusal::RecordingDeleted));
}

async fn what_is_held_stays_and_who_placed_the_hold_does_not_lift_it(base: Base) {
    let ward = Ward::over(base).await;
    let session = worked(&ward).await;
    let path = ward.recording(&session);
    round(&ward).await;
    assert_eq!(refused(ward.store.place_hold(&ward.clerk, hold(HoldScope::Everything)).await), Some(Refusal::NotAllowed));
    assert_eq!(refused(ward.store.place_hold(&ward.worker_actor(), hold(HoldScope::Everything)).await), Some(Refusal::NotAllowed));
    let placed = ward.store.place_hold(&ward.planner, hold(HoldScope::Vendor { vendor: ward.vendor.id.clone() })).await.unwrap();
    assert_eq!(placed.about, "北斗メディカル");
    assert_eq!(ward.store.holds_of_session(&session).await.unwrap().len(), 1);
    ward.clock.pass(DAY * 1000);
    round(&ward).await;
    assert!(path.is_file() && ward.facts("recording_deleted").await.is_empty());
    assert_eq!(ward.store.deletions_ahead(&ward.operator, 0).await.unwrap().rows[0].held, ["院内-12"]);

    let lift = |actor: Actor| {
        let (store, id) = (ward.store.clone(), placed.id.clone());
        async move { store.lift_hold(&actor, &id, "捜査が終わったため", "").await }
    };
    assert_eq!(refused(lift(ward.operator.clone()).await), Some(Refusal::NotAllowed), "an operator places and does not lift");
    assert_eq!(refused(lift(Actor::console()).await), Some(Refusal::NotAllowed), "the console is nobody");
    assert_eq!(refused(lift(ward.planner.clone()).await), Some(Refusal::SameHand));
    let ward = ward.restarted().await;
    assert!(ward.store.holds_of_session(&session).await.unwrap().len() == 1, "a hold outlives a restart");
    ward.store.lift_hold(&another(&ward.planner, Role::SafetyManager), &placed.id, "捜査が終わったため", "").await.unwrap();
    round(&ward).await;
    assert!(path.is_file(), "what a hold kept is announced before it goes");
    assert_eq!(ward.store.deletions_ahead(&ward.operator, 0).await.unwrap().rows.len(), 1);
    ward.clock.pass(DAY * 15);
    round(&ward).await;
    assert!(!path.exists());
    assert!(ward.store.verify_now().await.unwrap().ok);
    assert_eq!(refused(ward.store.lift_hold(&another(&ward.planner, Role::Planner), &placed.id, "x", "").await), Some(Refusal::HoldOver));
}

async fn a_request_of_the_police_ends_after_thirty_days_and_after_sixty_at_the_latest(base: Base) {
    let ward = Ward::over(base).await;
    let session = worked(&ward).await;
    round(&ward).await;
    ward.clock.pass(DAY * 360);
    let ask = |days| HoldAsk { basis: HoldBasis::Police, case_number: "県警 令8-4".into(), days: Some(days), ..hold(HoldScope::Session { session: session.clone() }) };
    assert_eq!(refused(ward.store.place_hold(&ward.operator, ask(31)).await), Some(Refusal::bad_field("days")));
    let placed = ward.store.place_hold(&ward.operator, ask(30)).await.unwrap();
    ward.clock.pass(DAY * 20);
    round(&ward).await;
    assert!(ward.recording(&session).is_file());
    assert_eq!(refused(ward.store.extend_hold(&ward.operator, &placed.id, 61, "延長").await), Some(Refusal::bad_field("days")));
    ward.store.extend_hold(&ward.operator, &placed.id, 60, "延長の要請").await.unwrap();
    ward.clock.pass(DAY * 35);
    // A week before its end it is told of.
    ward.store.watch_time().await.unwrap();
    let soon = ward.facts("ends_soon").await;
    assert!(soon.iter().any(|entry| matches!(&entry.fact, Fact::EndsSoon { thing, name, .. } if thing.as_str() == "hold" && name.contains("県警"))), "{soon:?}");
    round(&ward).await;
    assert!(ward.recording(&session).is_file());
    ward.clock.pass(DAY * 6);
    round(&ward).await;
    assert_eq!(ward.facts("hold_ended").await.len(), 1);
    assert!(ward.recording(&session).is_file(), "its end announces what it kept");
    ward.clock.pass(DAY * 15);
    round(&ward).await;
    assert!(!ward.recording(&session).exists());
    assert!(ward.store.verify_now().await.unwrap().ok);
}

async fn a_time_is_shortened_by_two_persons_and_lengthened_by_one(base: Base) {
    let ward = Ward::over(base).await;
    let session = worked(&ward).await;
    round(&ward).await;
    ward.clock.pass(DAY * 100);
    let class = KeepClass::Recordings;
    let reason = "ディスクの不足";
    assert_eq!(refused(ward.store.ask_time(&ward.planner, class, 89, reason).await), Some(Refusal::bad_field("days")), "the floor is 90 days");
    assert_eq!(refused(ward.store.ask_time(&ward.clerk, class, 90, reason).await), Some(Refusal::NotAllowed));
    assert_eq!(ward.store.ask_time(&ward.planner, class, 90, reason).await.unwrap(), TimeSet::Asked);
    ward.clock.pass(DAY * 20);
    round(&ward).await;
    assert!(ward.recording(&session).is_file(), "a wish is no rule");
    let second = another(&ward.planner, Role::Planner);
    assert_eq!(refused(ward.store.decide_time(&second, class, 90, true, "").await), Some(Refusal::NothingAsked), "what was asked 20 days ago lapsed");
    assert_eq!(ward.store.ask_time(&ward.planner, class, 90, reason).await.unwrap(), TimeSet::Asked);
    assert_eq!(refused(ward.store.decide_time(&second, class, 120, true, "").await), Some(Refusal::ChangedMeanwhile));
    assert_eq!(refused(ward.store.decide_time(&ward.planner, class, 90, true, "").await), Some(Refusal::SameHand));
    assert_eq!(refused(ward.store.decide_time(&ward.operator, class, 90, true, "").await), Some(Refusal::NotAllowed));
    ward.store.decide_time(&second, class, 90, true, "").await.unwrap();
    round(&ward).await;
    assert!(ward.recording(&session).is_file(), "what a shorter time makes due is announced");
    assert_eq!(ward.store.deletions_ahead(&ward.operator, 0).await.unwrap().rows.len(), 1);
    // Longer is one person's act, and holds at once.
    assert_eq!(ward.store.ask_time(&ward.operator, class, 200, "調査のため").await.unwrap(), TimeSet::Longer);
    ward.clock.pass(DAY * 30);
    round(&ward).await;
    assert!(ward.recording(&session).is_file());
    ward.clock.pass(DAY * 60);
    round(&ward).await;
    assert!(!ward.recording(&session).exists());
    assert!(ward.store.verify_now().await.unwrap().ok);
    let ward = ward.restarted().await;
    let state = ward.store.retention(&ward.planner).await.unwrap();
    assert_eq!(state.classes.iter().find(|state| state.class == class).unwrap().rule.unwrap().days, 200);
}

async fn a_recording_with_contents_is_kept_as_its_contents_are(base: Base) {
    let ward = Ward::over(base).await;
    let admission: Admission = ward.entered().await;
    let session = admission.session.clone();
    shell(&admission);
    let file = FileSeen { at_ms: 0, op: "put".into(), path: "/tmp/patch.tar".into(), bytes: 42, sha256: Some("ab".repeat(32)), ok: true, kept: Some(Kept { file: 1, bytes: 42, whole: true }) };
    admission.recording.append(1, Event::File(&file)).unwrap();
    ward.left(admission, Cause::Closed).await;
    round(&ward).await;
    ward.store.ask_time(&ward.operator, KeepClass::Contents, 800, "持込みファイルの調査のため").await.unwrap();
    ward.clock.pass(DAY * 700);
    round(&ward).await;
    assert!(ward.recording(&session).is_file());
    ward.clock.pass(DAY * 101);
    round(&ward).await;
    assert!(!ward.recording(&session).exists());
    assert!(matches!(ward.facts("recording_deleted").await[0].fact, Fact::RecordingDeleted { class: KeepClass::Contents, days: 800, .. }));
}

async fn a_damaged_recording_is_set_aside_and_the_others_are_checked_by_pace(base: Base) {
    let ward = Ward::over(base).await;
    let broken = worked(&ward).await;
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    shell(&admission);
    let sound = ward.left(admission, Cause::Closed).await;
    round(&ward).await;
    assert!(!ward.store.check_next_recording().await.unwrap(), "nobody's turn has come");
    ward.clock.pass(DAY * 91);
    let path = ward.recording(&broken);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(ward.store.check_next_recording().await.unwrap());
    assert!(ward.store.check_next_recording().await.unwrap());
    assert!(!ward.store.check_next_recording().await.unwrap(), "each has its turn once");
    let aside = ward.dir.join("damaged").join(path.file_name().unwrap());
    assert!(!path.exists() && fs::read(&aside).unwrap() == bytes, "it is moved, and no byte of it is changed");
    assert!(ward.recording(&sound).is_file());
    let told = ward.facts("recording_set_aside").await;
    assert!(matches!(&told[..], [entry] if matches!(&entry.fact, Fact::RecordingSetAside { session, .. } if *session == broken)), "{told:?}");
    let care = ward.store.care_state().await.unwrap();
    assert_eq!((care.kept, care.checked, care.aside), (1, 1, 1));
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(!verdict.ok && verdict.findings.iter().any(|finding| finding.code == "recording-set-aside"), "{verdict}");
    // Sessions go on, and the class of the damaged one takes it, too.
    let admission = ward.entered().await;
    ward.left(admission, Cause::Closed).await;
    ward.clock.pass(DAY * 300);
    round(&ward).await;
    assert!(!aside.exists());
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
}

async fn an_attachment_goes_with_its_class_and_a_hold_on_the_plan_keeps_it(base: Base) {
    let ward = Ward::over(base).await;
    let plan = ward.store.draw_plan(&ward.worker_actor(), &ward.vendor.id, ward.content()).await.unwrap();
    let file = ward.store.attach(&ward.worker_actor(), &plan.id, "手順書.pdf", b"%PDF-1.7 secret").await.unwrap();
    ward.store.act_on_plan(&ward.worker_actor(), &plan.id, sekisho_core::plan::act::PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    round(&ward).await;
    let placed = ward.store.place_hold(&ward.operator, hold(HoldScope::Plan { plan: plan.id.clone() })).await.unwrap();
    ward.clock.pass(DAY * (5 * 365 + 1));
    round(&ward).await;
    assert!(ward.store.attachment(&ward.planner, &plan.id, &file.id).await.is_ok());
    ward.store.lift_hold(&ward.planner, &placed.id, "済", "").await.unwrap();
    ward.clock.pass(DAY * 15);
    round(&ward).await;
    assert_eq!(refused(ward.store.attachment(&ward.planner, &plan.id, &file.id).await), Some(Refusal::RecordingDeleted));
    let told = ward.facts("attachment_deleted").await;
    assert!(matches!(&told[0].fact, Fact::AttachmentDeleted { sha256, .. } if *sha256 == file.sha256));
    assert!(ward.store.plan(&ward.planner, &plan.id).await.is_ok(), "the plan itself stays");
}

/// An archive that locks each copy until a date and keeps its word by the test's clock.
struct Locking(std::sync::Arc<super::ward::SetClock>, Timestamp);

impl Vault for Locking {
    fn name(&self) -> &str {
        "nas"
    }

    fn check(&self) -> Answer<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }

    fn put<'a>(&'a self, parcel: Parcel<'a>) -> Answer<'a, Result<vault::Kept, Trouble>> {
        let lock = parcel.lock.map(|lock| Lock { until: self.1, ..lock });
        Box::pin(async move { Ok(vault::Kept { version: "1".into(), lock }) })
    }

    fn look<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: &'a [u8; 32]) -> Answer<'a, Result<vault::Kept, Trouble>> {
        Box::pin(async { Ok(vault::Kept::default()) })
    }

    fn fetch<'a>(&'a self, _: &'a str, _: &'a str, _: u64, _: &'a std::path::Path) -> Answer<'a, Result<(), Trouble>> {
        Box::pin(async { Err(Trouble::Missing) })
    }

    fn remove<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Removed, Trouble>> {
        let removed = if self.0.now() < self.1 { Removed::LockedUntil(self.1) } else { Removed::Gone };
        Box::pin(async move { Ok(removed) })
    }
}

async fn a_copy_under_a_lock_waits_until_its_date_and_goes_then(base: Base) {
    let ward = Ward::over(base).await;
    let until = ward.store.now().plus(DAY * 400);
    let archive = std::sync::Arc::new(Locking(ward.clock.clone(), until));
    ward.store.set_archive(archive, ArchiveSettings { lock: Some(LockMode::Compliance), keep_local_days: None });
    let session = worked(&ward).await;
    round(&ward).await;
    assert!(ward.store.archive_round(true).await.unwrap());
    ward.clock.pass(DAY * 370);
    round(&ward).await;
    assert_eq!(ward.facts("recording_deleted").await.len(), 1);
    let waits = ward.facts("copy_waits").await;
    assert!(matches!(&waits[..], [entry] if matches!(&entry.fact, Fact::CopyWaits { place, until: Some(told), .. } if place == "nas" && *told == until)), "{waits:?}");
    assert_eq!(refused(ward.store.replay(&ward.operator, &session).await), Some(Refusal::RecordingDeleted), "nobody opens it meanwhile");
    // It is asked for again, and told once.
    ward.clock.pass(DAY * 2);
    round(&ward).await;
    assert_eq!((ward.facts("copy_waits").await.len(), ward.store.care_state().await.unwrap().waiting), (1, 1));
    // A hold that comes now keeps what is left.
    let placed = ward.store.place_hold(&ward.operator, hold(HoldScope::Session { session: session.clone() })).await.unwrap();
    ward.clock.pass(DAY * 40);
    round(&ward).await;
    assert!(ward.facts("copy_erased").await.is_empty());
    ward.store.lift_hold(&ward.planner, &placed.id, "済", "").await.unwrap();
    round(&ward).await;
    assert_eq!((ward.facts("copy_erased").await.len(), ward.store.care_state().await.unwrap().waiting), (1, 0));
    assert!(!ward.recording(&session).exists());
    let ledger = ward.store.deletions(&ward.planner, &LedgerFilter::default()).await.unwrap();
    assert_eq!(ledger.rows.iter().map(|row| row.what).collect::<Vec<_>>(), ["copy_erased", "copy_waits", "recording"]);
}

async fn what_the_console_placed_is_lifted_by_who_names_another_and_the_others_are_told(base: Base) {
    let ward = Ward::over(base).await;
    let placed = ward.store.place_hold(&Actor::console(), hold(HoldScope::Everything)).await.unwrap();
    let lift = async |said: &str| ward.store.lift_hold(&ward.planner, &placed.id, "調査が終わったため", said).await;
    assert_eq!(refused(lift(" ").await), Some(Refusal::bad_field("console")), "the console names nobody, so somebody must be named");
    let own = ward.planner.name.replace(' ', "\u{3000}");
    assert_eq!(refused(lift(&own).await), Some(Refusal::SameHand), "and not oneself");
    lift("情報 太郎").await.unwrap();
    let told = ward.facts("hold_lifted").await;
    assert!(matches!(&told[0].fact, Fact::HoldLifted { console, .. } if console == "情報 太郎"), "{told:?}");
    // A shorter time that the console asked for is agreed to by one hand, as far as the box can know.
    round(&ward).await;
    ward.store.ask_time(&Actor::console(), KeepClass::Recordings, 200, "ディスクの不足").await.unwrap();
    ward.store.decide_time(&ward.planner, KeepClass::Recordings, 200, true, "").await.unwrap();
    ward.store.ask_time(&ward.operator, KeepClass::Recordings, 100, "ディスクの不足").await.unwrap();
    ward.store.decide_time(&ward.planner, KeepClass::Recordings, 100, true, "").await.unwrap();
    let set = ward.facts("retention_set").await;
    let lone: Vec<u32> = set.iter().filter_map(|entry| if let Fact::RetentionSet { days, of_console: true, .. } = entry.fact { Some(days) } else { None }).collect();
    assert_eq!(lone, [200], "of two persons nobody is warned");
    ward.store.raise_due().await.unwrap();
    let raised: Vec<String> = ward.facts("alarm_raised").await.into_iter().filter_map(|entry| if let Fact::AlarmRaised { text, .. } = entry.fact { Some(text) } else { None }).collect();
    assert!(raised.iter().any(|text| text.contains("placed at the console was lifted")) && raised.iter().any(|text| text.contains("was shortened to 200 days")), "{raised:?}");
}

async fn recordings_of_emergencies_and_of_incidents_are_kept_by_their_class(base: Base) {
    let ward = Ward::over(base).await;
    let content = PlanContent { emergency_reason: Some("電子カルテ停止".into()), ..ward.content() };
    let plan = ward.store.draw_plan(&ward.worker_actor(), &ward.vendor.id, content).await.unwrap();
    for (who, act) in [(ward.worker_actor(), PlanAct::Submit), (ward.clerk.clone(), PlanAct::AllowEmergency { hours: 2 })] {
        ward.store.act_on_plan(&who, &plan.id, act, None).await.unwrap();
    }
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    shell(&admission);
    let session = ward.left(admission, Cause::Closed).await;
    round(&ward).await;
    ward.clock.pass(DAY * 400);
    round(&ward).await;
    assert!(ward.recording(&session).is_file(), "an ordinary recording would be gone by now");
    ward.clock.pass(DAY * (5 * 365 - 399));
    round(&ward).await;
    assert!(!ward.recording(&session).exists());
    assert!(matches!(&ward.facts("recording_deleted").await[0].fact, Fact::RecordingDeleted { class: KeepClass::Emergency, days: 1825, .. }));
    assert!(ward.store.verify_now().await.unwrap().ok);
}

/// Lines of targets' logs bear no session: a hold on one, or on its plan, keeps those of its time, and no others.
#[tokio::test]
async fn a_hold_on_a_session_or_its_plan_keeps_the_targets_logs_of_its_time() {
    let ward = Ward::new().await;
    let folder = ward.dir.join("target-logs");
    fs::create_dir_all(&folder).unwrap();
    let write = |number: u64, mib: u64| {
        let path = folder.join(format!("{number:010}.skl"));
        fs::write(&path, format!("sekisho-target-log/1 {number} {}\n", ward.store.now().0)).unwrap();
        if mib > 0 {
            fs::File::options().write(true).open(&path).unwrap().set_len(mib << 20).unwrap();
        }
    };
    // Each is closed when the next one begins.
    for part in [1, 2] {
        write(part, 600);
        ward.clock.pass(DAY * 10);
    }
    write(3, 600);
    let session = worked(&ward).await;
    ward.clock.pass(DAY * 10);
    write(4, 0);
    round(&ward).await;
    let plan = ward.store.session(&ward.operator, &session).await.unwrap().row.plan.clone();
    for scope in [HoldScope::Session { session: session.clone() }, HoldScope::Plan { plan }] {
        let placed = ward.store.place_hold(&ward.operator, hold(scope)).await.unwrap();
        ward.clock.pass(DAY * 390);
        let ahead = ward.store.deletions_ahead(&ward.operator, 0).await.unwrap();
        let held = |part| ahead.rows.iter().find(|row| matches!(row.thing, sekisho_store::DueThing::Lines { segment } if segment == part)).map(|row| row.held.len());
        assert_eq!((held(1), held(3)), (Some(0), Some(1)), "{ahead:?}");
        ward.clock.set_back(DAY * 390);
        ward.store.lift_hold(&ward.planner, &placed.id, "済", "").await.unwrap();
    }
}

/// Two attachments of a plan, each sealed for its own place.
#[tokio::test]
async fn the_contents_of_two_attachments_that_somebody_exchanged_are_refused() {
    let ward = Ward::over(Base::postgres()).await;
    let plan = ward.store.draw_plan(&ward.worker_actor(), &ward.vendor.id, ward.content()).await.unwrap();
    let one = ward.store.attach(&ward.worker_actor(), &plan.id, "手順書.pdf", b"%PDF-1.7 the real one").await.unwrap();
    let other = ward.store.attach(&ward.worker_actor(), &plan.id, "同意書.pdf", b"%PDF-1.7 another one").await.unwrap();
    let exchange = "UPDATE attachments a SET content = b.content FROM attachments b WHERE a.id <> b.id AND a.plan = b.plan";
    ward.db().sql(exchange);
    for file in [&one, &other] {
        let read = ward.store.attachment(&ward.planner, &plan.id, &file.id).await;
        assert!(matches!(read, Err(Denied::Fault(_))), "{read:?}");
    }
    ward.db().sql(exchange);
    assert!(ward.store.attachment(&ward.planner, &plan.id, &one.id).await.is_ok(), "put back, it is what it was");
    // The same with all that the rows say of them.
    ward.db().sql("UPDATE attachments a SET content = b.content, sha256 = b.sha256, bytes = b.bytes, name = b.name FROM attachments b WHERE a.id <> b.id AND a.plan = b.plan");
    assert!(matches!(ward.store.attachment(&ward.planner, &plan.id, &one.id).await, Err(Denied::Fault(_))));
}

/// Parts of targets' logs beyond their limit, held by a hold on one target: nobody can say whom their lines tell of.
#[tokio::test]
async fn a_hold_keeps_targets_logs_also_from_the_limit_of_the_disk() {
    let ward = Ward::new().await;
    let folder = ward.dir.join("target-logs");
    fs::create_dir_all(&folder).unwrap();
    for (number, mib) in [(1_u64, 600_u64), (2, 600), (3, 0)] {
        let path = folder.join(format!("{number:010}.skl"));
        fs::write(&path, format!("sekisho-target-log/1 {number} {}\n", ward.store.now().0)).unwrap();
        if mib > 0 {
            fs::File::options().write(true).open(&path).unwrap().set_len(mib << 20).unwrap();
        }
    }
    let placed = ward.store.place_hold(&ward.operator, hold(HoldScope::Target { target: ward.target.id.clone() })).await.unwrap();
    ward.store.open_gathering().await.unwrap();
    let task = tokio::spawn({
        let store = ward.store.clone();
        async move { store.run_gathering().await }
    });
    let mut pressed = Vec::new();
    for _ in 0..400 {
        ward.clock.pass(Duration::from_secs(11));
        pressed = ward.facts("hold_pressed").await;
        if !pressed.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(pressed.len(), 1, "that the limit cannot be kept is told");
    assert!(folder.join("0000000001.skl").is_file() && ward.facts("log_segments_dropped").await.is_empty());
    ward.store.lift_hold(&ward.planner, &placed.id, "済", "").await.unwrap();
    for _ in 0..400 {
        ward.clock.pass(Duration::from_secs(11));
        if !folder.join("0000000001.skl").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    task.abort();
    let dropped = ward.facts("log_segments_dropped").await;
    assert!(matches!(&dropped[..], [entry] if matches!(&entry.fact, Fact::LogSegmentsDropped { first: 1, last: 1, why } if why == "size")), "{dropped:?}");
    assert!(folder.join("0000000002.skl").is_file(), "no more than has to go");
}

/// Somebody who can write to the database, and has no key.
#[tokio::test]
async fn who_edits_the_database_makes_no_hold_vanish_and_deletes_nothing() {
    let ward = Ward::over(Base::postgres()).await;
    let session = worked(&ward).await;
    round(&ward).await;
    ward.store.place_hold(&ward.operator, hold(HoldScope::Everything)).await.unwrap();
    ward.store.publish().await.unwrap();
    ward.clock.pass(DAY * 400);
    let db = ward.db();
    db.sql("CREATE TABLE kept AS SELECT * FROM log WHERE kind = 'hold_placed'");
    db.sql("UPDATE log SET kind = 'stopped' WHERE kind = 'hold_placed'");
    round(&ward).await;
    assert!(ward.recording(&session).is_file(), "the box goes by what the log told");
    assert_eq!(facts_of(&ward.store, "retention_stopped").await.len(), 1, "and tells that the rows say otherwise, once");
    round(&ward).await;
    assert_eq!(facts_of(&ward.store, "retention_stopped").await.len(), 1);
    db.sql("UPDATE log SET kind = 'hold_placed' WHERE seq IN (SELECT seq FROM kept)");
    // A column that calls a recording deleted deletes none.
    db.sql(&format!("UPDATE recording_care SET state = 'going', next_at = 0 WHERE session = '{session}'"));
    round(&ward).await;
    assert!(ward.recording(&session).is_file() && ward.facts("recording_deleted").await.is_empty());
    // Nor does an earlier end, in a column or in the entry itself.
    db.sql(&format!("UPDATE recording_care SET state = 'kept', ended_at = 0 WHERE session = '{session}'"));
    ward.store.lift_hold(&ward.planner, &ward.store.holds(&ward.planner).await.unwrap()[0].id, "済", "").await.unwrap();
    let at = ward.facts("left").await[0].at.0;
    db.sql(&format!("UPDATE log SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"at\":{at}', '\"at\":1'), 'UTF8') WHERE kind = 'left'"));
    ward.clock.pass(DAY * 20);
    ward.store.keep_round().await.unwrap();
    assert!(ward.recording(&session).is_file(), "what is deleted goes by entries that are proved");
}

/// The same somebody writes entries behind the last one while the box is stopped: it takes them into its log, and they decide nothing.
#[tokio::test]
async fn who_writes_entries_into_the_database_lifts_no_hold_and_deletes_nothing() {
    let mut ward = Ward::over(Base::postgres()).await;
    let session = worked(&ward).await;
    round(&ward).await;
    let placed = ward.store.place_hold(&ward.operator, hold(HoldScope::Everything)).await.unwrap();
    round(&ward).await;
    ward.clock.pass(DAY * 400);
    ward.store.close().await.unwrap();
    let now = ward.clock.now().0;
    let lifted = format!(r#"{{"seq":' || n || ',"at":{now},"actor":' || a || ',"kind":"hold_lifted","hold":"{}","reason":"x"}}"#, placed.id);
    let deleted = format!(r#"{{"seq":' || n || ',"at":{now},"actor":' || a || ',"kind":"recording_deleted","session":"{session}","digest":"00","bytes":1,"class":"recordings","days":365,"ended":0}}"#);
    let system = serde_json::to_string(&Actor::system()).unwrap();
    for (kind, about, body) in [("hold_lifted", "NULL".to_owned(), lifted), ("recording_deleted", format!("'{session}'"), deleted)] {
        ward.db().sql(&format!(
            "INSERT INTO log (seq, at, kind, session, plan, person, body) SELECT n, {now}, '{kind}', {about}, NULL, NULL, convert_to('{body}', 'UTF8') FROM (SELECT MAX(seq) + 1 AS n, '{system}' AS a FROM log) AS next"
        ));
    }
    ward.db().sql(&format!("UPDATE recording_care SET state = 'going', next_at = 0 WHERE session = '{session}'"));
    ward.store = sekisho_store::Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
    round(&ward).await;
    ward.clock.pass(DAY * 20);
    round(&ward).await;
    assert!(ward.recording(&session).is_file(), "entries without the key's signature lift nothing and delete nothing");
    assert!(ward.store.hold(&ward.planner, &placed.id).await.unwrap().stands(ward.clock.now()));
    assert_eq!(facts_of(&ward.store, "retention_stopped").await.len(), 1, "and are told");
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.findings.iter().filter(|finding| finding.code == "decisive-unsigned").count() == 2, "{verdict}");
}

/// Columns of the log put one session's entries below another one's name, and hide what makes a recording stay longer.
#[tokio::test]
async fn who_moves_rows_of_the_log_gets_no_other_recording_deleted() {
    let ward = Ward::over(Base::postgres()).await;
    let admission: Admission = ward.entered().await;
    let kept = admission.session.clone();
    shell(&admission);
    let file = FileSeen { at_ms: 0, op: "put".into(), path: "/tmp/patch.tar".into(), bytes: 42, sha256: Some("ab".repeat(32)), ok: true, kept: Some(Kept { file: 1, bytes: 42, whole: true }) };
    admission.recording.append(1, Event::File(&file)).unwrap();
    ward.left(admission, Cause::Closed).await;
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    shell(&admission);
    let due = ward.left(admission, Cause::Closed).await;
    round(&ward).await;
    ward.store.ask_time(&ward.operator, KeepClass::Contents, 800, "持込みファイルの調査のため").await.unwrap();
    ward.clock.pass(DAY * 360);
    round(&ward).await;
    let db = ward.db();
    // What makes it a recording with contents is hidden, and the entries of a session that is due stand below its name.
    db.sql("UPDATE log SET kind = 'x' WHERE kind = 'file_moved'");
    db.sql(&format!("UPDATE log SET session = NULL WHERE session = '{kept}'"));
    db.sql(&format!("UPDATE log SET session = '{kept}' WHERE session = '{due}' AND kind IN ('entered', 'left')"));
    db.sql(&format!("UPDATE recording_care SET ended_at = 0, checked_at = 0, class = 'recordings' WHERE session = '{kept}'"));
    ward.clock.pass(DAY * 20);
    round(&ward).await;
    ward.store.check_next_recording().await.ok();
    assert!(ward.recording(&kept).is_file(), "what the row says of another session deletes and moves nothing");
    assert!(facts_of(&ward.store, "recording_deleted").await.is_empty() && facts_of(&ward.store, "recording_set_aside").await.is_empty());
    // With its own entries back, and what makes it stay still hidden, it stays for its own class.
    db.sql(&format!("UPDATE log SET session = '{due}' WHERE session = '{kept}'"));
    db.sql(&format!("UPDATE log SET session = '{kept}' WHERE session IS NULL AND kind IN ('entered', 'left')"));
    round(&ward).await;
    assert!(ward.recording(&kept).is_file() && !ward.recording(&due).exists());
}
