//! Recordings: no session without one, nothing lost but a second, nothing altered unseen, every look at one a fact.

use super::base::{Base, on_both};
use super::ward::{PASSWORD, Ward, facts_of, recalled, settings, shell, source, until};
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::desk::{Admission, Cause, Event, RecallWord, RecordingLost};
use sekisho_core::facts::{Fact, ViewMode};
use sekisho_core::ids::SessionId;
use sekisho_core::people::{Actor, Via};
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::target::Function;
use sekisho_store::{EvidenceAsk, Store, ViewEvent};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

on_both! {
    what_happened_is_replayed_listed_exported_and_every_look_is_in_the_log,
    after_a_crash_the_recording_is_sealed_as_vanished_and_the_rest_goes_on,
    a_recording_that_cannot_be_written_ends_the_session_also_an_idle_one,
    a_damaged_recording_and_an_orphan_block_nothing,
}

fn output(admission: &Admission, text: &str) {
    admission.recording.append(1, Event::Output(&text.to_owned().into())).unwrap();
}

async fn replayed(store: &Store, actor: &Actor, session: &SessionId) -> Vec<ViewEvent> {
    let mut replay = store.replay(actor, session).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = replay.next().await {
        events.push(event.unwrap());
    }
    events
}

fn text(events: &[ViewEvent]) -> String {
    let bytes = events.iter().filter_map(|event| match event {
        ViewEvent::Output { bytes, .. } => Some(bytes.to_vec()),
        _ => None,
    });
    String::from_utf8_lossy(&bytes.flatten().collect::<Vec<u8>>()).into_owned()
}

async fn what_happened_is_replayed_listed_exported_and_every_look_is_in_the_log(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    shell(&admission);
    output(&admission, "$ systemctl restart ehr\r\n");
    admission.recording.append(1, Event::Command("systemctl restart ehr")).unwrap();
    let file = FileSeen { at_ms: 0, op: "put".into(), path: "/tmp/patch.tar".into(), bytes: 42, sha256: Some("ab".repeat(32)), ok: true, kept: None };
    admission.recording.append(2, Event::Open { function: Function::Sftp, text: "", size: None }).unwrap();
    admission.recording.append(2, Event::File(&file)).unwrap();
    admission.recording.append(1, Event::Resize(132, 50)).unwrap();
    admission.recording.append(1, Event::Close { exit: "exit 3" }).unwrap();

    // Before the first byte of the live view is handed out, the look stands in the log.
    let mut watch = ward.store.watch(&ward.clerk, &session).await.unwrap();
    let seen = ward.facts("view_began").await;
    assert!(matches!(&seen[..], [entry] if matches!(&entry.fact, Fact::ViewBegan { mode: ViewMode::Live, .. }) && entry.actor.login == "toda"));
    assert!(text(&watch.backlog).contains("restart ehr"));
    output(&admission, "later\r\n");
    assert!(matches!(watch.next().await, Some(ViewEvent::Output { bytes, .. }) if &bytes[..] == b"later\r\n"));
    ward.left(admission, Cause::Closed).await;
    assert_eq!(watch.next().await, Some(ViewEvent::End { cause: Cause::Closed }));
    assert_eq!(watch.next().await, None);
    drop(watch);

    let events = replayed(&ward.store, &ward.operator, &session).await;
    assert!(text(&events).contains("restart ehr") && text(&events).ends_with("later\r\n"));
    assert!(matches!(&events[0], ViewEvent::Open { ch: 1, function: Function::Shell, .. }));
    assert!(events.iter().any(|event| matches!(event, ViewEvent::Command { text, .. } if text == "systemctl restart ehr")));
    assert!(events.iter().any(|event| matches!(event, ViewEvent::File { file, .. } if file.path == "/tmp/patch.tar")));
    assert!(events.iter().any(|event| matches!(event, ViewEvent::Close { exit, .. } if exit == "exit 3")));
    assert_eq!(events.last(), Some(&ViewEvent::End { cause: Cause::Closed }));

    let view = ward.store.session(&ward.worker_actor(), &session).await.unwrap();
    assert_eq!((view.row.commands, view.row.files), (1, 1));
    assert_eq!(view.row.facts.commands[0].text, "systemctl restart ehr");
    assert_eq!(view.row.facts.files[0].bytes, 42);
    assert!(view.row.facts.functions.contains(&Function::Sftp));
    assert!(view.entries.iter().all(|entry| entry.actor.login == "sato"), "a worker does not read who looked");
    assert_eq!(ward.facts("file_moved").await.len(), 1);

    let cast = ward.store.export_asciicast(&ward.operator, &session, 1).await.unwrap();
    let cast = String::from_utf8(cast).unwrap();
    assert!(cast.starts_with("{\"version\":2") || cast.contains("\"version\":2"), "{cast}");
    assert!(cast.contains("restart ehr") && cast.contains("132x50"));

    for refused in [ward.store.replay(&ward.worker_actor(), &session).await.err(), ward.store.watch(&ward.worker_actor(), &session).await.err()] {
        assert_eq!(refused.unwrap().refusal(), Refusal::NotAllowed);
    }
    let mut ended = 0;
    for _ in 0..200 {
        ended = ward.facts("view_ended").await.len();
        if ended == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!((ward.facts("view_began").await.len(), ended), (3, 3));
}

/// What is typed while the target does not echo is counted and kept nowhere.
#[tokio::test]
async fn typed_input_is_nowhere() {
    let ward = Ward::new().await;
    let admission = ward.entered().await;
    let typed = b"hanako-no-password-77";
    shell(&admission);
    output(&admission, "Password: ");
    let watch = ward.store.watch(&ward.clerk, &admission.session).await.unwrap();
    admission.recording.append(1, Event::Input { bytes: typed.len() as u64 }).unwrap();
    output(&admission, "\r\nwelcome\r\n");
    let session = ward.left(admission, Cause::Closed).await;
    let shown = format!("{:?}{:?}", watch.backlog, replayed(&ward.store, &ward.operator, &session).await);
    assert!(!shown.contains("hanako"));
    for file in walk(&ward.dir) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(typed.len()).any(|window| window == typed), "{}", file.display());
        // Nor is what the target wrote readable without the key.
        assert!(!bytes.windows(7).any(|window| window == b"welcome"), "{}", file.display());
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

async fn after_a_crash_the_recording_is_sealed_as_vanished_and_the_rest_goes_on(base: Base) {
    let mut ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let header = fs::metadata(ward.recording(&session)).unwrap().len();
    shell(&admission);
    output(&admission, "before the crash\r\n");
    admission.recording.append(1, Event::Command("uptime")).unwrap();
    let watch = ward.store.watch(&ward.clerk, &session).await.unwrap();
    ward.written(&session, header + 1).await;
    // A crash in the middle of a write leaves half a segment.
    ward.store.shut().await;
    let mut file = fs::OpenOptions::new().append(true).open(ward.recording(&session)).unwrap();
    file.write_all(&[1, 0, 0, 0, 0, 0]).unwrap();
    ward.crash().await;
    drop((admission, watch));

    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.row.facts.cause.as_deref(), Some("vanished"));
    assert_eq!(view.recording.verified, Some(true));
    assert_eq!(view.row.facts.commands.len(), 1, "what the rows lacked is taken from the recording");
    assert!(text(&replayed(&ward.store, &ward.operator, &session).await).contains("before the crash"));
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
    let (began, ended) = (ward.facts("view_began").await, ward.facts("view_ended").await);
    assert!(began.len() == 2 && !ended.is_empty(), "the look that the crash broke off is ended");
    assert!(matches!(ended[0].fact, Fact::ViewEnded { mode: ViewMode::Live, .. }));
}

/// Runs as a process of its own, in the folder it is started in, until it is killed. In any other run it has nothing
/// to do: it is the child of `kill_nine_loses_at_most_one_second`.
#[test]
fn child_that_records() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ward = Ward::at(&std::env::current_dir().unwrap().join("data")).await;
        let admission = ward.entered().await;
        shell(&admission);
        let mut progress = fs::File::create("progress").unwrap();
        for line in 0_u64.. {
            output(&admission, &format!("line {line}\r\n"));
            progress.write_all(&line.to_be_bytes()).unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Tells the test binary that it was started as the child.
const CHILD: &str = "SEKISHO_TEST_CHILD_THAT_RECORDS";

#[tokio::test]
async fn kill_nine_loses_at_most_one_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "house::recordings::child_that_records", "--nocapture"])
        .env(CHILD, "1")
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let progress = folder.path().join("progress");
    let lines = || fs::metadata(&progress).map_or(0, |file| file.len() / 8);
    let began = Instant::now();
    while lines() < 150 && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let written = lines();
    assert!(written >= 150, "the child recorded {written} lines");

    let store = Store::open(settings(&folder.path().join("data")), super::ward::SetClock::new()).await.unwrap();
    let entered = facts_of(&store, "entered").await;
    let Fact::Entered { session, .. } = &entered[0].fact else { panic!("not entered") };
    let operator = Actor { roles: [sekisho_core::people::Role::Operator].into(), via: Via::Web, ..Actor::console() };
    let seen = text(&replayed(&store, &operator, session).await);
    let last: u64 = seen.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(last + 100 >= written - 1, "{written} lines were recorded, the last one kept is {last}; one second is at most 100 lines");
    let left = facts_of(&store, "left").await;
    assert!(matches!(left[0].fact, Fact::Left { cause: Cause::Vanished, .. }));
    let verdict = store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
}

async fn a_recording_that_cannot_be_written_ends_the_session_also_an_idle_one(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let mut recalls = ward.store.recalls();
    shell(&admission);
    ward.store.faults().fail_from_nth_write(0);
    // Nothing more is appended: the beat itself meets the disk.
    let recall = recalled(&mut recalls, Duration::from_secs(5)).await;
    assert_eq!((recall.session, recall.word), (Some(admission.session.clone()), RecallWord::End(Cause::RecordingLost)));
    assert_eq!(admission.recording.append(1, Event::Output(&bytes::Bytes::from_static(b"more"))), Err(RecordingLost));
    ward.store.faults().clear();
    let session = ward.left(admission, Cause::Closed).await;
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.row.facts.cause.as_deref(), Some("recording_lost"), "the cause that was given does not hide the loss");
    assert_eq!(view.recording.verified, Some(true), "what there is of it is sealed");
}

#[tokio::test]
async fn a_burst_that_meets_a_full_disk_is_refused_at_once() {
    let ward = Ward::new().await;
    let admission = ward.entered().await;
    ward.store.faults().fail_from_nth_write(0);
    let chunk = bytes::Bytes::from(vec![b'x'; 32 * 1024]);
    let taken = (0..10).take_while(|_| admission.recording.append(1, Event::Output(&chunk)).is_ok()).count();
    assert!(taken <= 3, "{taken} chunks were taken without reaching the disk");
    ward.store.faults().clear();
    ward.left(admission, Cause::RecordingLost).await;
    assert!(ward.store.verify_now().await.unwrap().ok);
}

/// A disk of its own that can really be filled.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=400m", "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_cuts_the_session_seals_it_and_locks_nobody_out() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: mounting a small disk needs root; the injected faults of the other tests stand for it");
        return;
    };
    let ward = Ward::at(&disk.0.path().join("data")).await;
    let admission = ward.entered().await;
    let principal = ward.principal().await;
    let mut recalls = ward.store.recalls();
    shell(&admission);
    output(&admission, "still here\r\n");
    let mut filler = fs::File::create(disk.0.path().join("filler")).unwrap();
    let chunk = vec![7_u8; 1024 * 1024];
    while filler.write_all(&chunk).is_ok() {}
    let mut small = fs::File::create(disk.0.path().join("crumbs")).unwrap();
    while small.write_all(&[7; 512]).is_ok() {}

    assert!(matches!(ward.try_enter(&principal).await, Err(Refusal::DiskFull | Refusal::NoRecording)));
    let recall = recalled(&mut recalls, Duration::from_secs(5)).await;
    assert_eq!(recall.word, RecallWord::End(Cause::RecordingLost));
    let session = ward.left(admission, Cause::RecordingLost).await;
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.recording.verified, Some(true));
    assert!(text(&replayed(&ward.store, &ward.operator, &session).await).contains("still here"));
    let login = ward.store.log_in("sato", Secret::new(PASSWORD), ward.code(), source(), Via::Web).await;
    assert!(login.is_ok(), "a full disk locks nobody out");
    // What makes room works on the full disk, too: the evidence is taken out, and what is past its time is deleted.
    let ask = EvidenceAsk { scope: EvidenceScope::Session { session: session.clone() }, all_entries: false, reason: "満杯".into(), outside: String::new() };
    assert!(ward.store.take_evidence(&ward.planner, &ask).await.is_ok());
    ward.store.keep_round().await.unwrap();
    ward.clock.pass(Duration::from_secs(366 * 24 * 3600));
    ward.store.keep_round().await.unwrap();
    assert!(!ward.recording(&session).exists(), "what is due is deleted on a full disk");
    assert!(matches!(ward.facts("recording_deleted").await[..], [_]));
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok && verdict.deleted.len() == 1, "{verdict}");
    ward.store.shut().await;
}

#[tokio::test]
async fn a_changed_exchanged_or_missing_recording_is_found() {
    let ward = Ward::new().await;
    let mut sessions = Vec::new();
    for text in ["one", "two"] {
        let admission = if sessions.is_empty() { ward.entered().await } else { ward.try_enter(&ward.principal().await).await.unwrap() };
        shell(&admission);
        output(&admission, text);
        sessions.push(ward.left(admission, Cause::Closed).await);
    }
    let [one, two] = [ward.recording(&sessions[0]), ward.recording(&sessions[1])];
    let sound = fs::read(&one).unwrap();
    assert!(ward.store.verify_now().await.unwrap().ok);
    // The magic, inside the header, inside a segment, inside the seal, the last byte.
    for at in [0, 40, sound.len() / 2, sound.len() - 40, sound.len() - 1] {
        let mut bad = sound.clone();
        bad[at] ^= 1;
        fs::write(&one, &bad).unwrap();
        assert!(!ward.store.verify_now().await.unwrap().ok, "byte {at} of {} was changed", sound.len());
        assert_ne!(ward.store.session(&ward.operator, &sessions[0]).await.unwrap().recording.verified, Some(true));
    }
    fs::write(&one, &sound[..sound.len() - 1]).unwrap();
    assert!(!ward.store.verify_now().await.unwrap().ok, "the last byte was cut off");
    let other = fs::read(&two).unwrap();
    fs::write(&one, &other).unwrap();
    fs::write(&two, &sound).unwrap();
    assert!(!ward.store.verify_now().await.unwrap().ok, "two recordings were exchanged");
    fs::write(&one, &sound).unwrap();
    fs::remove_file(&two).unwrap();
    assert!(!ward.store.verify_now().await.unwrap().ok, "a recording was deleted");
    fs::write(&two, &other).unwrap();
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok, "{verdict}");
}

async fn a_damaged_recording_and_an_orphan_block_nothing(base: Base) {
    let mut ward = Ward::over(base).await;
    let broken = ward.entered().await;
    let header = fs::metadata(ward.recording(&broken.session)).unwrap().len();
    shell(&broken);
    output(&broken, &"x".repeat(500));
    ward.written(&broken.session, header + 1).await;
    output(&broken, &"y".repeat(500));
    let first = fs::metadata(ward.recording(&broken.session)).unwrap().len();
    ward.written(&broken.session, first + 1).await;
    ward.store.shut().await;
    let path = ward.recording(&broken.session);
    let mut bytes = fs::read(&path).unwrap();
    bytes[header as usize + 60] ^= 1;
    fs::write(&path, bytes).unwrap();
    let orphan = "ses-aaaaaaaaaaaaaaaa.skr";
    fs::write(ward.dir.join("recordings").join(orphan), b"left by a crash").unwrap();
    ward.crash().await;

    let view = ward.store.session(&ward.operator, &broken.session).await.unwrap();
    assert_eq!((view.row.facts.cause.as_deref(), view.recording.verified), (Some("vanished"), Some(false)));
    assert!(!path.exists() && ward.dir.join("damaged").join(path.file_name().unwrap()).is_file(), "the damaged one is set aside");
    assert_eq!(ward.facts("recording_set_aside").await.len(), 1);
    let problems = ward.store.health(&ward.planner).await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains(broken.session.as_str())), "nobody is told: {problems:?}");
    assert!(!ward.dir.join("recordings").join(orphan).exists());
    assert!(ward.dir.join("orphans").join(orphan).is_file());
    assert!(matches!(&ward.facts("orphan_found").await[0].fact, Fact::OrphanFound { file } if file == orphan));
    let admission = ward.try_enter(&ward.principal().await).await.unwrap();
    ward.left(admission, Cause::Closed).await;
    assert!(!ward.store.verify_now().await.unwrap().ok, "the damage is reported");
}

#[tokio::test]
async fn a_watcher_who_does_not_read_costs_the_session_nothing() {
    let ward = Ward::new().await;
    let admission = ward.entered().await;
    shell(&admission);
    let mut watch = ward.store.watch(&ward.clerk, &admission.session).await.unwrap();
    let line = "0123456789abcdef".repeat(64) + "\r\n";
    for _ in 0..20_000 {
        output(&admission, &line);
    }
    output(&admission, "the end\r\n");
    assert_eq!(watch.next().await, Some(ViewEvent::Restart));
    let mut seen = Vec::new();
    while !text(&seen).ends_with("the end\r\n") {
        seen.push(tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap());
    }
    assert!(text(&seen).len() <= 1024 * 1024, "what is kept for a watcher is bounded");
    assert!(matches!(seen[0], ViewEvent::Open { ch: 1, size: Some((80, 24)), .. }), "the picture begins with its terminal");
    let session = ward.left(admission, Cause::Closed).await;
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!(view.recording.verified, Some(true));
}

#[tokio::test]
async fn a_running_recording_can_be_replayed_so_far() {
    let ward = Ward::new().await;
    let admission = ward.entered().await;
    shell(&admission);
    output(&admission, "so far");
    assert!(text(&replayed(&ward.store, &ward.operator, &admission.session).await).contains("so far"));
    until("the session still takes output", || admission.recording.append(1, Event::Output(&bytes::Bytes::from_static(b"!"))).is_ok()).await;
    ward.left(admission, Cause::Closed).await;
}
