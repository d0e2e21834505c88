//! Deletions by rule, honest and not: what `sekisho verify` says of each copy, and that a verifier in another language agrees.

use super::attacks::folder::{ORIGIN, recording, signing_key};
use crate::street::program::{output, root, run, said};
use sekisho_evidence::{checkpoint, decisive};
use sekisho_evidence::log::{MemoryFiles, Publisher};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

const GOLDEN: &str = "testsuite/golden/deletions.txt";
const DAY: i64 = 24 * 3600 * 1000;
const START: i64 = 1_790_000_000_000;

/// A log in the making, with the files beside it.
#[derive(Default)]
struct Copy {
    bodies: Vec<Vec<u8>>,
    files: MemoryFiles,
}

impl Copy {
    fn entry(&mut self, day: i64, kind: &str, rest: &str) {
        let body = self.body(day, kind, rest);
        self.bodies.push(if decisive::is_decisive(kind) { decisive::signed(&signing_key(), body).unwrap() } else { body });
    }

    fn body(&self, day: i64, kind: &str, rest: &str) -> Vec<u8> {
        let (seq, at) = (self.bodies.len(), START + day * DAY);
        format!(r#"{{"seq":{seq},"at":{at},"actor":{{"person":"per-1","vendor":"ven-1"}},"kind":"{kind}"{rest}}}"#).into_bytes()
    }

    /// Another person did it.
    fn by(&mut self, person: &str, day: i64, kind: &str, rest: &str) {
        let body = String::from_utf8(self.body(day, kind, rest)).unwrap().replace("per-1", person);
        self.bodies.push(decisive::signed(&signing_key(), body.into_bytes()).unwrap());
    }

    /// A second key that this person asked for and that one confirmed, and a session after it whose recording does not name it.
    fn second_key(&mut self, confirmed_by: &str, targets: &str) {
        let kept = |change: &str| format!(r#","second_key":"K-1","holder":"per-3","name":"x","key":"age1x","targets":{targets},"change":"{change}","reason":"x""#);
        self.entry(2, "second_key_kept", &kept("asked"));
        self.by(confirmed_by, 2, "second_key_kept", &kept("confirmed"));
        let (file, sealed) = recording("S-3", b"Welcome\r\n$ ");
        self.entry(3, "entered", &format!(r#","session":"S-3","plan":"P-17","target":"T-1","recording_header_digest":"{}""#, sealed.header_digest));
        self.entry(3, "left", &format!(r#","session":"S-3","digest":"{}""#, sealed.digest));
        self.files.put("recordings/S-3.skr", file);
    }

    /// What somebody wrote into the database who has no key; the box signed the log over it.
    fn forged(&mut self, day: i64, kind: &str, rest: &str) {
        self.bodies.push(self.body(day, kind, rest));
    }

    /// Two sessions on the first day, and the rule of their class.
    fn worked() -> Self {
        let mut copy = Self::default();
        copy.entry(0, "initialised", &format!(r#","origin":"{ORIGIN}","key":"{}""#, signing_key().public()));
        copy.entry(0, "retention_set", r#","class":"recordings","days":365"#);
        for session in ["S-1", "S-2"] {
            let (file, sealed) = recording(session, b"Welcome\r\n$ ");
            copy.entry(1, "entered", &format!(r#","session":"{session}","plan":"P-17","target":"T-1","recording_header_digest":"{}""#, sealed.header_digest));
            copy.entry(1, "left", &format!(r#","session":"{session}","digest":"{}""#, sealed.digest));
            copy.files.put(format!("recordings/{session}.skr"), file);
        }
        copy
    }

    fn digest(session: &str) -> String {
        recording(session, b"Welcome\r\n$ ").1.digest.to_string()
    }

    fn deleted(&mut self, day: i64, session: &str, days: u32) {
        let digest = Self::digest(session);
        self.entry(day, "recording_deleted", &format!(r#","session":"{session}","digest":"{digest}","bytes":9,"class":"recordings","days":{days},"ended":0"#));
        self.files.files.remove(&format!("recordings/{session}.skr"));
    }

    /// A file of a plan whose course ended on one day, and which was deleted on another.
    fn file_deleted(&mut self, ended: i64, day: i64, days: u32) {
        self.entry(20, "plan_drawn", r#","plan":"P-20","number":"K-20","vendor":"ven-1""#);
        self.entry(20, "file_attached", r#","plan":"P-20","attachment":"A-1","sha256":"ab""#);
        self.entry(ended, "plan_acted", r#","plan":"P-20","act":"withdraw""#);
        self.entry(day, "attachment_deleted", &format!(r#","plan":"P-20","attachment":"A-1","sha256":"ab","bytes":9,"class":"approvals","days":{days},"ended":0"#));
    }

    fn held(&mut self, day: i64, scope: &str, until: &str) {
        self.entry(day, "hold_placed", &format!(r#","hold":"H-1","scope":{scope}{until}"#));
    }

    fn files(mut self) -> MemoryFiles {
        self.entry(2000, "stopped", "");
        let mut publisher = Publisher::new();
        for body in &self.bodies {
            publisher.append(body).unwrap();
        }
        for file in publisher.take_files() {
            self.files.put(file.path, file.bytes);
        }
        self.files.put("log/checkpoint", checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), &signing_key()).unwrap());
        self.files
    }
}

type Story = (&'static str, bool, fn(&mut Copy));

const STORIES: &[Story] = &[
    ("a recording was deleted by rule", true, |copy| copy.deleted(366, "S-2", 365)),
    ("a recording was deleted without an entry", false, |copy| {
        copy.files.files.remove("recordings/S-2.skr");
    }),
    ("a recording was deleted with an entry while everything was held", false, |copy| {
        copy.held(10, r#"{"of":"everything"}"#, "");
        copy.deleted(366, "S-2", 365);
    }),
    ("the same, held by its plan", false, |copy| {
        copy.held(10, r#"{"of":"plan","plan":"P-17"}"#, "");
        copy.deleted(366, "S-2", 365);
    }),
    ("the same, held by its vendor", false, |copy| {
        copy.held(10, r#"{"of":"vendor","vendor":"ven-1"}"#, "");
        copy.deleted(366, "S-2", 365);
    }),
    ("the same, held by its time", false, |copy| {
        copy.held(10, &format!(r#"{{"of":"period","from":{START},"until":{}}}"#, START + 2 * DAY), "");
        copy.deleted(366, "S-2", 365);
    }),
    ("another target was held", true, |copy| {
        copy.held(10, r#"{"of":"target","target":"T-2"}"#, "");
        copy.deleted(366, "S-2", 365);
    }),
    ("the hold was lifted before", true, |copy| {
        copy.held(10, r#"{"of":"session","session":"S-2"}"#, "");
        copy.entry(340, "hold_lifted", r#","hold":"H-1","reason":"x""#);
        copy.deleted(366, "S-2", 365);
    }),
    ("the hold was lifted only afterwards", false, |copy| {
        copy.held(10, r#"{"of":"session","session":"S-2"}"#, "");
        copy.deleted(366, "S-2", 365);
        copy.entry(367, "hold_lifted", r#","hold":"H-1","reason":"x""#);
    }),
    ("the time of the hold was over", true, |copy| {
        copy.held(300, r#"{"of":"everything"}"#, &format!(r#","until":{}"#, START + 330 * DAY));
        copy.deleted(366, "S-2", 365);
    }),
    ("the time of the hold was over and was extended", false, |copy| {
        copy.held(330, r#"{"of":"everything"}"#, &format!(r#","until":{}"#, START + 360 * DAY));
        copy.entry(350, "hold_extended", &format!(r#","hold":"H-1","until":{}"#, START + 390 * DAY));
        copy.deleted(366, "S-2", 365);
    }),
    ("a recording younger than the floor was deleted", false, |copy| copy.deleted(80, "S-2", 30)),
    ("a recording was deleted before the days of its class were over", false, |copy| copy.deleted(300, "S-2", 365)),
    ("the entry names fewer days than the rule", false, |copy| copy.deleted(300, "S-2", 90)),
    ("the entry names another recording", false, |copy| {
        let digest = Copy::digest("S-1");
        copy.entry(366, "recording_deleted", &format!(r#","session":"S-2","digest":"{digest}","bytes":9,"class":"recordings","days":365,"ended":0"#));
        copy.files.files.remove("recordings/S-2.skr");
    }),
    ("a recording was deleted twice", false, |copy| {
        copy.deleted(366, "S-2", 365);
        copy.deleted(367, "S-2", 365);
    }),
    ("a recording that never was is called deleted", false, |copy| copy.deleted(366, "S-9", 365)),
    ("the file of a deleted recording is still there", true, |copy| {
        let file = copy.files.files["recordings/S-2.skr"].clone();
        copy.deleted(366, "S-2", 365);
        copy.files.put("recordings/S-2.skr", file);
    }),
    ("a hold was lifted by an entry that the key of the log did not sign", false, |copy| {
        copy.held(10, r#"{"of":"everything"}"#, "");
        copy.forged(340, "hold_lifted", r#","hold":"H-1","reason":"x""#);
        copy.deleted(366, "S-2", 365);
    }),
    ("the signature of another entry stands in it", false, |copy| {
        copy.held(10, r#"{"of":"everything"}"#, "");
        let signature = {
            let text = String::from_utf8(copy.bodies.last().unwrap().clone()).unwrap();
            text[text.rfind(r#","signature":"#).unwrap()..text.len() - 1].to_owned()
        };
        copy.forged(340, "hold_lifted", &format!(r#","hold":"H-1","reason":"x"{signature}"#));
        copy.deleted(366, "S-2", 365);
    }),
    ("a recording was deleted by an entry that the key of the log did not sign", false, |copy| {
        let digest = Copy::digest("S-2");
        copy.forged(366, "recording_deleted", &format!(r#","session":"S-2","digest":"{digest}","bytes":9,"class":"recordings","days":365,"ended":0"#));
        copy.files.files.remove("recordings/S-2.skr");
    }),
    ("a hold without end is called over by the box", false, |copy| {
        copy.held(10, r#"{"of":"everything"}"#, "");
        copy.entry(340, "hold_ended", r#","hold":"H-1""#);
        copy.deleted(366, "S-2", 365);
    }),
    ("a recording with contents went with the others", false, |copy| {
        copy.entry(0, "retention_set", r#","class":"contents","days":800"#);
        copy.entry(1, "file_moved", r#","session":"S-2","file":{"kept":{"file":1,"bytes":9,"whole":true}}"#);
        copy.deleted(366, "S-2", 365);
    }),
    ("the recording of an incident went with the others", false, |copy| {
        copy.entry(0, "retention_set", r#","class":"emergency","days":1825"#);
        copy.entry(2, "case_opened", r#","case":"C-1","near":"S-2""#);
        copy.entry(3, "case_decided", r#","case":"C-1","decision":"incident""#);
        copy.deleted(366, "S-2", 365);
    }),
    ("the class of a deletion is none", false, |copy| {
        let digest = Copy::digest("S-2");
        copy.entry(366, "recording_deleted", &format!(r#","session":"S-2","digest":"{digest}","bytes":9,"class":"x","days":90,"ended":0"#));
        copy.files.files.remove("recordings/S-2.skr");
    }),
    ("a file of a plan was deleted by rule", true, |copy| copy.file_deleted(100, 1930, 1825)),
    ("a file of a plan was deleted while its plan went on", false, |copy| copy.file_deleted(1000, 1930, 1825)),
    ("a file of a plan was deleted below the floor", false, |copy| copy.file_deleted(100, 150, 30)),
    ("a file of a plan was deleted while its vendor was held", false, |copy| {
        copy.held(10, r#"{"of":"vendor","vendor":"ven-1"}"#, "");
        copy.file_deleted(100, 1930, 1825);
    }),
    ("a recording opens without the second key that was in force", true, |copy| copy.second_key("per-2", r#"["T-1"]"#)),
    ("the same, where the key was for another target", true, |copy| copy.second_key("per-2", r#"["T-2"]"#)),
    ("the same, where nobody else confirmed the key", true, |copy| copy.second_key("per-1", "[]")),
    ("a recording was found damaged and set aside", false, |copy| {
        copy.entry(30, "recording_set_aside", r#","session":"S-2","digest":"","why":"x""#);
        copy.files.files.remove("recordings/S-2.skr");
    }),
];

#[test]
fn a_deletion_is_believed_by_its_entry_alone_and_two_verifiers_agree() {
    let work = tempfile::Builder::new().prefix("deletions-").tempdir().unwrap();
    let key = signing_key().public().to_string();
    let mut table = String::from("What `sekisho verify` says of recordings that are not there, with the key of the log.\n");
    let mut disagree = Vec::new();
    for (n, (name, good, story)) in STORIES.iter().enumerate() {
        let mut copy = Copy::worked();
        story(&mut copy);
        let place = work.path().join(format!("{n}"));
        for (path, bytes) in &copy.files().files {
            let path = place.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let folder = place.display().to_string();
        let first = run(&["verify", &folder, "--key", &key]);
        assert_eq!(first.status.success(), *good, "{name}: {}", said(&first));
        write!(table, "\n== {name}\n{}", String::from_utf8_lossy(&first.stdout)).unwrap();
        let other = output(Command::new("python3").arg(root().join("testsuite/verifier/verify.py")).args([folder.as_str(), "--key", &key]), Duration::from_secs(120));
        if other.status.success() != *good {
            disagree.push(format!("{name}: {}\n{}", said(&first), said(&other)));
        }
    }
    assert!(disagree.is_empty(), "the verifiers disagree:\n{}", disagree.join("\n"));
    let known = std::fs::read_to_string(root().join(GOLDEN)).unwrap_or_default();
    if known != table {
        std::fs::write(root().join("target/deletions.txt"), &table).unwrap();
        panic!("{GOLDEN} says otherwise; if the change is meant: cp target/deletions.txt {GOLDEN}");
    }
}
