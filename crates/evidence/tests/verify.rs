//! The verifier against a small data folder and everything that can be done to it.
#![allow(clippy::unwrap_used, missing_docs)]

mod folder;

use std::collections::BTreeSet;

use folder::{Folder, ORIGIN, signing_key};
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::log::{Files, MemoryFiles, Publisher, ReadFault};
use sekisho_evidence::verify::{Recordings, Severity, Verdict, verify};

fn check(files: &dyn Files, outside: Option<&str>) -> Verdict {
    verify(
        files,
        signing_key().public(),
        outside,
        Recordings::Check {
            running: &BTreeSet::new(),
        },
    )
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}

/// Ten entries with three sessions: S-1 and S-2 ended, S-3 running.
fn small() -> Folder {
    let mut folder = Folder::new();
    folder.note("login");
    folder.session("S-1", true);
    folder.note("approved");
    folder.session("S-2", true);
    folder.note("login");
    folder.session("S-3", false);
    folder.note("login");
    folder.note("login");
    folder.publish();
    folder
}

#[test]
fn an_honest_folder_is_accepted_and_the_unfinished_session_is_named() {
    let folder = small();
    let verdict = check(&folder.files, None);
    assert!(verdict.ok, "{verdict}");
    assert_eq!(codes(&verdict), ["session-unfinished"]);
    assert_eq!((verdict.entries, verdict.recordings), (10, 3));
    assert_eq!(verdict.origin.as_deref(), Some(ORIGIN));
    let running = BTreeSet::from(["S-3".to_owned()]);
    let quiet = verify(
        &folder.files,
        signing_key().public(),
        None,
        Recordings::Check { running: &running },
    );
    assert_eq!(quiet.findings, []);
    assert_eq!(verdict.to_string(), check(&folder.files, None).to_string());
    assert!(
        verdict.to_string().contains("S-3")
            && verdict.to_string().contains("終了の記録がありません")
    );
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["findings"][0]["severity"], "warning");
}

#[test]
fn every_changed_byte_of_the_folder_is_found() {
    let mut folder = Folder::new();
    folder.note("login");
    folder.session("S-1", true);
    folder.session("S-2", false);
    folder.publish();
    let honest = check(&folder.files, None).findings;
    let examine = |path: &String, bytes: &[u8], part: usize| {
        for place in (part..bytes.len()).step_by(2) {
            let mut files = folder.files.clone();
            files.files.get_mut(path).unwrap()[place] ^= 1;
            let verdict = check(&files, None);
            // Without a seal nobody knows how the torn tail was; the session is reported as unfinished all the same.
            let torn = path.ends_with("S-2.skr") && verdict.findings == honest;
            assert!(!verdict.ok || torn, "{path} byte {place}: {verdict}");
        }
    };
    for (path, bytes) in &folder.files.files {
        std::thread::scope(|scope| {
            scope.spawn(|| examine(path, bytes, 0));
            examine(path, bytes, 1);
        });
    }
}

#[test]
fn every_missing_file_is_found() {
    let folder = small();
    for path in folder.files.files.keys() {
        let mut files = folder.files.clone();
        files.files.remove(path);
        let verdict = check(&files, None);
        assert!(!verdict.ok, "{path}");
        assert!(
            verdict
                .findings
                .iter()
                .any(|finding| finding.place.starts_with(path)),
            "{path}: {verdict}"
        );
    }
}

#[test]
fn the_first_changed_entry_is_named() {
    let mut folder = small();
    let bundle = folder
        .files
        .files
        .get_mut("log/tile/entries/000.p/10")
        .unwrap();
    let text = String::from_utf8_lossy(bundle).find("approved").unwrap();
    bundle[text] = b'A';
    let verdict = check(&folder.files, None);
    assert_eq!(verdict.first_bad.as_deref(), Some("log entry 3"));
    assert_eq!(codes(&verdict)[0], "entry-altered");
    assert!(verdict.to_string().contains("NOT OK"));
}

#[test]
fn history_that_was_rewritten_with_all_its_hashes_is_found() {
    let folder = small();
    let mut other = small();
    other.bodies[3] = String::from_utf8(other.bodies[3].clone())
        .unwrap()
        .replace("approved", "rejected")
        .into_bytes();
    other
        .files
        .files
        .retain(|path, _| !path.starts_with("log/"));
    other.publish();
    // With the old checkpoint the root differs; with the key of the house it takes a checkpoint from outside.
    let mut kept = other.files.clone();
    kept.put(
        "log/checkpoint",
        folder.files.files["log/checkpoint"].clone(),
    );
    assert!(codes(&check(&kept, None)).contains(&"root"));
    assert!(check(&other.files, None).ok);
    let outside = folder.checkpoint();
    assert!(codes(&check(&other.files, Some(&outside))).contains(&"log-forked"));
}

#[test]
fn a_cut_tail_or_a_restored_copy_is_found_by_the_checkpoint_from_outside() {
    let mut folder = small();
    let yesterday = folder.files.clone();
    let early = folder.checkpoint();
    folder.note("login");
    folder.publish();
    let outside = folder.checkpoint();
    assert!(check(&folder.files, Some(&outside)).ok);
    assert!(
        check(&folder.files, Some(&early)).ok,
        "the log continues the earlier checkpoint"
    );
    let verdict = check(&yesterday, Some(&outside));
    assert_eq!(codes(&verdict)[0], "log-cut", "{verdict}");
    // Cut, then written on: as long as before, but not the same.
    let mut again = small();
    again.files = yesterday;
    again.note("logout");
    again.publish();
    assert!(codes(&check(&again.files, Some(&outside))).contains(&"log-forked"));
    assert!(codes(&check(&folder.files, Some("nonsense"))).contains(&"outside-checkpoint"));
    let elsewhere = checkpoint::sign("sekisho/other", 0, &Digest::of(b""), &signing_key()).unwrap();
    assert!(codes(&check(&folder.files, Some(&elsewhere))).contains(&"outside-origin"));
}

#[test]
fn another_key_is_not_believed() {
    let mut folder = small();
    let thief = SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap();
    let publisher = folder.publisher();
    let text = checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), &thief).unwrap();
    folder.files.put("log/checkpoint", text);
    let verdict = check(&folder.files, None);
    assert_eq!((verdict.ok, codes(&verdict)), (false, vec!["checkpoint"]));
}

#[test]
fn entries_that_lie_about_their_place_or_time_are_found() {
    let mut folder = small();
    folder
        .bodies
        .push(br#"{"seq":99,"at":1,"kind":"x"}"#.to_vec());
    folder.bodies.push(b"not json".to_vec());
    folder
        .bodies
        .push(br#"{"seq":12,"at":1790000099999,"kind":"left","session":"../../etc"}"#.to_vec());
    folder
        .bodies
        .push(br#"{"seq":13,"at":1790000099999,"kind":"left","session":"S-9"}"#.to_vec());
    folder
        .bodies
        .push(br#"{"seq":14,"at":1790000099999,"kind":"left","session":"S-1"}"#.to_vec());
    folder.bodies.push(br#"{"seq":15,"at":1790000099999,"kind":"entered","session":"S-1","recording_header_digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#.to_vec());
    folder.publish();
    let verdict = check(&folder.files, None);
    let log: Vec<&str> = codes(&verdict).into_iter().take(7).collect();
    assert_eq!(
        log,
        [
            "entry-sequence",
            "time-backwards",
            "entry-malformed",
            "session-id",
            "left-without-entered",
            "left-twice",
            "entered-twice"
        ]
    );
}

#[test]
fn recordings_exchanged_deleted_orphaned_or_unsealed_are_found() {
    let folder = small();
    let change = |edit: &dyn Fn(&mut MemoryFiles)| {
        let mut files = folder.files.clone();
        edit(&mut files);
        let verdict = check(&files, None);
        assert!(!verdict.ok);
        verdict
    };
    let (one, two) = ("recordings/S-1.skr", "recordings/S-2.skr");
    let verdict = change(&|files| {
        let (a, b) = (files.files[one].clone(), files.files[two].clone());
        files.put(one, b);
        files.put(two, a);
    });
    assert_eq!(codes(&verdict)[..2], ["recording-exchanged"; 2]);
    assert_eq!(verdict.first_bad.as_deref(), Some(one));
    assert!(codes(&change(&|files| drop(files.files.remove(two)))).contains(&"recording-missing"));
    let verdict = change(&|files| files.put("recordings/S-7.skr", files.files[one].clone()));
    assert!(codes(&verdict).contains(&"recording-orphan"));
    let verdict = change(&|files| {
        let mut bytes = files.files[one].clone();
        bytes.pop();
        files.put(one, bytes);
    });
    assert_eq!(codes(&verdict)[0], "recording-unsealed");
    // A recording of the right session, sealed rightly, but not the one that the log saw.
    let verdict = change(&|files| files.put(one, folder::recording("S-1", b"other output").0));
    assert_eq!(codes(&verdict)[0], "recording-altered");
    let stray = {
        let mut files = folder.files.clone();
        files.put("recordings/notes\u{202e}.txt", "x");
        check(&files, None)
    };
    assert!(stray.ok && codes(&stray).contains(&"unknown-file"));
    assert!(
        !stray.to_string().contains('\u{202e}'),
        "names from outside are printed harmlessly"
    );
}

#[test]
fn files_newer_than_the_checkpoint_are_reported_and_prove_nothing() {
    let mut folder = small();
    let before = folder.files.clone();
    folder.note("login");
    folder.publish();
    folder
        .files
        .put("log/checkpoint", before.files["log/checkpoint"].clone());
    folder.files.put("log/tile/0/000.tmp", "x");
    // The narrower files are gone already; the wider ones hold the same beginning.
    let verdict = check(&folder.files, None);
    assert!(verdict.ok, "{verdict}");
    folder.files.files.extend(before.files);
    let verdict = check(&folder.files, None);
    assert!(verdict.ok, "{verdict}");
    assert!(
        codes(&verdict).contains(&"newer-than-checkpoint")
            && codes(&verdict).contains(&"unknown-file")
    );
    assert_eq!(verdict.entries, 10);
}

#[test]
fn leftover_partial_files_must_agree_with_the_wider_ones() {
    let mut folder = Folder::new();
    for count in [3, 250, 30] {
        for _ in 0..count {
            folder.note("login");
        }
        folder.publish_keeping_partials();
    }
    assert!(check(&folder.files, None).ok);
    for path in [
        "log/tile/entries/000.p/3",
        "log/tile/0/000.p/253",
        "log/tile/1/000.p/1",
        "log/tile/0/001.p/27",
    ] {
        let mut files = folder.files.clone();
        *files.files.get_mut(path).unwrap().last_mut().unwrap() ^= 1;
        assert!(!check(&files, None).ok, "{path}");
    }
}

#[test]
fn a_claimed_size_without_files_ends_quickly() {
    let mut files = MemoryFiles::new();
    let text = checkpoint::sign(ORIGIN, 1 << 40, &Digest::of(b"x"), &signing_key()).unwrap();
    files.put("log/checkpoint", text);
    let verdict = check(&files, None);
    assert!(!verdict.ok);
    assert!(verdict.findings.len() < 10);
}

#[test]
fn an_empty_log_is_honest_too() {
    let mut folder = Folder::new();
    folder.publish();
    let verdict = check(&folder.files, Some(&folder.checkpoint()));
    assert!(verdict.ok && verdict.findings.is_empty(), "{verdict}");
}

struct Failing<'a>(&'a MemoryFiles, &'a str);

impl Files for Failing<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        if path == self.1 {
            Err(ReadFault::new(path, "input/output error"))
        } else {
            self.0.read(path)
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault> {
        if dir == self.1 {
            Err(ReadFault::new(dir, "input/output error"))
        } else {
            self.0.list(dir)
        }
    }
}

#[test]
fn what_cannot_be_read_is_never_taken_for_good() {
    let folder = small();
    let paths = folder.files.files.keys().map(String::as_str).chain([
        "log/tile",
        "log/tile/0",
        "recordings",
    ]);
    for path in paths {
        let verdict = check(&Failing(&folder.files, path), None);
        assert!(!verdict.ok, "{path}");
    }
}

#[test]
fn a_log_of_many_tiles_is_verified() {
    let (mut files, mut publisher) = (MemoryFiles::new(), Publisher::new());
    for seq in 0..70_000_u64 {
        let body = format!(
            r#"{{"seq":{seq},"at":{},"actor":{{"person":"W-{}","role":"worker","source":"203.0.113.7"}},"kind":"noted","session":"S-{}","what":{{"op":"put","name":"/var/lib/ehr/update-{seq}.zip","bytes":123456,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}}}"#,
            1_790_000_000_000 + seq,
            seq % 40,
            seq % 900,
        );
        publisher.append(body.as_bytes()).unwrap();
        if seq % 10_000 == 9_999 {
            for file in publisher.take_files() {
                files.put(file.path, file.bytes);
            }
        }
    }
    files.put(
        "log/checkpoint",
        checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), &signing_key()).unwrap(),
    );
    let verdict = verify(&files, signing_key().public(), None, Recordings::Skip);
    assert!(verdict.ok, "{verdict}");
    assert!(
        verdict
            .findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    );
}

#[test]
fn a_session_that_left_without_a_digest_is_no_evidence() {
    let mut folder = small();
    folder.session("S-8", false);
    folder.entry("left", r#","session":"S-8","cause":"peer_gone""#);
    folder.publish();
    let verdict = check(&folder.files, None);
    assert!(!verdict.ok && codes(&verdict).contains(&"recording-unbound"), "{verdict}");
}
