//! Every attack on an evidence bundle, tried on a copy: what `sekisho verify --bundle` says, the same twice, and what a verifier in
//! another language says that was written from the format's pages alone. The attackers have the bundle; some have a key of the log.

#[path = "../../../crates/evidence/tests/folder/mod.rs"]
mod folder;

use crate::street::program::{output, root, run, said};
use folder::{Folder, ORIGIN, START, signing_key};
use sekisho_bundle::{Content, Document, ZipFiles, pack};
use sekisho_evidence::{Digest, decisive};
use sekisho_evidence::bundle::{Approvals, FileLine, Head, Lacking, Manifest, SIGN_CONTEXT, Scope, SignedApproval};
use sekisho_evidence::checkpoint::{self, SigningKey, sign_bytes};
use sekisho_evidence::cosignature::WitnessKey;
use sekisho_evidence::log::{Files as _, MemoryFiles, Publisher};
use sekisho_evidence::rotation;
use sekisho_evidence::verify::{answer_path, cosigned_path, stamped_path};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const GOLDEN: &str = "testsuite/golden/bundle-attacks.txt";
/// The entry that tells of the exchange of the key.
const EXCHANGED: u64 = 7;
const LINE: &[u8] = b"Accepted password for root from 10.0.0.1 port 1 ssh2";

pub(super) fn second() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap()
}

pub(super) fn first_key() -> String {
    signing_key().public().to_string()
}

pub(super) fn origin() -> &'static str {
    ORIGIN
}

fn thief() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap()
}

fn witness() -> WitnessKey {
    WitnessKey::from_seed("witness.example", &[3; 32]).unwrap()
}

fn approval(by: &str, key: &SigningKey) -> SignedApproval {
    let mut approval = SignedApproval { slot: "Final".into(), by: by.into(), name: "木田".into(), at: START + 30, digest: Digest::of(b"plan P-17"), signature: String::new() };
    approval.signature = sign_bytes(key, "approve/v1", approval.signed().as_bytes()).unwrap().to_string();
    approval
}

/// A log with three sessions, an approval, a case and one exchange of its key; and the checkpoint that went out by mail.
pub(super) struct Log {
    files: MemoryFiles,
    note: String,
    /// The head of three entries, by the first key.
    pub(super) early: String,
    /// The head of nine entries.
    pub(super) mailed: String,
    /// Answers of a time stamp authority and what they are over, by their paths.
    pub(super) stamps: Vec<(u64, Vec<u8>, Vec<u8>)>,
}

pub(super) fn log() -> Log {
    log_and(|_| {})
}

/// The same with more entries at its end.
fn log_and(more: impl FnOnce(&mut Folder)) -> Log {
    let mut folder = Folder::new();
    folder.entry("initialised", &format!(r#","origin":"{ORIGIN}","key":"{}""#, signing_key().public()));
    folder.session("S-1", true);
    folder.entry("plan_acted", &format!(r#","plan":"P-17","act":"approve","signature":"{}""#, approval("kida", &signing_key()).signature));
    folder.session("S-2", true);
    folder.note("started");
    folder.entry("key_rotated", &format!(r#","old":"{}","new":"{}""#, signing_key().public(), second().public()));
    folder.entry("case_opened", &format!(r#","case":"cas-1","line":"{}","near":"S-2""#, Digest::of(LINE)));
    folder.session("S-3", true);
    folder.note("stopped");
    // Recordings that are gone: by rule, before their time, and into an archive.
    for (session, days) in [("S-4", 100), ("S-5", 10)] {
        folder.session(session, true);
        let left: serde_json::Value = serde_json::from_slice(folder.bodies.last().unwrap()).unwrap();
        let (seq, at) = (folder.bodies.len(), START + days * 86_400_000);
        let body = format!(r#"{{"seq":{seq},"at":{at},"kind":"recording_deleted","session":"{session}","digest":{},"class":"recordings","days":90,"ended":{}}}"#, left["digest"], left["at"]).into_bytes();
        folder.bodies.push(decisive::signed(&second(), body).unwrap());
    }
    folder.session("S-6", true);
    folder.entry("recording_moved_out", r#","session":"S-6","place":"archive","object":"S-6.skr","sha256":"00""#);
    more(&mut folder);
    let head = |count: usize| {
        let mut publisher = Publisher::new();
        for body in &folder.bodies[..count] {
            publisher.append(body).unwrap();
        }
        publisher
    };
    let mut files = folder.files.clone();
    let mut whole = head(folder.bodies.len());
    for file in whole.take_files() {
        files.put(file.path, file.bytes);
    }
    let note = checkpoint::sign(ORIGIN, whole.size(), &whole.root(), &second()).unwrap();
    let turn = head(EXCHANGED as usize + 1);
    let both = checkpoint::sign_again(&checkpoint::sign(ORIGIN, turn.size(), &turn.root(), &signing_key()).unwrap(), &second()).unwrap();
    files.put(rotation::path_of(EXCHANGED), rotation::text_of(EXCHANGED, &signing_key(), &second(), &both).unwrap());
    let seen = head(9);
    let mailed = checkpoint::sign(ORIGIN, seen.size(), &seen.root(), &second()).unwrap();
    files.put(cosigned_path(witness().public()), format!("{mailed}{}", witness().cosign(&mailed, 1_800_000_000).unwrap()));
    let first = head(3);
    let early = checkpoint::sign(ORIGIN, first.size(), &first.root(), &signing_key()).unwrap();
    Log { files, note, early, mailed, stamps: Vec::new() }
}

pub(super) type Parts = BTreeMap<String, Vec<u8>>;

/// The files of an honest bundle.
pub(super) fn honest(log: &Log, scope: Scope, seqs: Vec<u64>, sessions: &[&str]) -> (Vec<u8>, Parts) {
    let head = checkpoint::open(&log.note, second().public()).unwrap();
    let json = |value: &Approvals| serde_json::to_vec_pretty(value).unwrap();
    let document = |path: &str, bytes: &[u8]| Document { path: path.into(), bytes: bytes.to_vec() };
    let mut documents: Vec<Document> = [rotation::path_of(EXCHANGED), cosigned_path(witness().public())].iter().map(|path| document(path, &log.files.files[path])).collect();
    documents.push(document("plans/P-17.html", "<p>計画</p>".as_bytes()));
    documents.push(document("plans/P-17.json", b"{}"));
    documents.push(document("plans/P-17.signed", b"plan P-17"));
    documents.push(document("approvals/P-17.json", &json(&Approvals { plan: "P-17".into(), approvals: vec![approval("kida", &signing_key())] })));
    documents.push(document("report.html", b"<p>report</p>"));
    for (size, over, answer) in &log.stamps {
        documents.push(document(&stamped_path(*size), over));
        documents.push(document(&answer_path(*size), answer));
    }
    if seqs.contains(&8) {
        documents.push(document("cases/cas-1.line", LINE));
    }
    let content = Content {
        facility: "北病院".into(),
        origin: ORIGIN.into(),
        made_at: START + 1000,
        scope,
        all_entries: false,
        checkpoint: log.note.clone(),
        head: Head { size: head.size, root: head.root },
        public_key: second().public().to_string(),
        seqs,
        earlier: [8, 9].into_iter().chain(log.stamps.iter().map(|(size, ..)| *size)).collect::<BTreeSet<u64>>().into_iter().collect(),
        sessions: sessions.iter().map(|session| (*session).to_owned()).collect(),
        lacking: Vec::<Lacking>::new(),
        plans: vec!["P-17".into()],
        documents,
    };
    let sign = |bytes: &[u8]| sign_bytes(&second(), SIGN_CONTEXT, bytes).map(|signature| signature.to_string()).map_err(|breach| breach.to_string());
    let mut zip = Vec::new();
    pack(&content, &log.files, &sign, &mut zip).unwrap();
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), &zip).unwrap();
    let files = ZipFiles::open(place.path()).unwrap_or_else(|breach| panic!("{}", breach.what));
    let mut parts = Parts::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in files.list(&folder).unwrap() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match path.strip_suffix('/') {
                Some(inner) => folders.push(inner.to_owned()),
                None => drop(parts.insert(path.clone(), files.read(&path).unwrap().unwrap())),
            }
        }
    }
    (zip, parts)
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }))
}

/// A ZIP that this test writes itself, so that it can also write what no library does.
#[derive(Default)]
pub(super) struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> Self {
        let mut zip = Self::default();
        for (path, bytes) in parts {
            zip.file(path, bytes, bytes.len(), 0, crc(bytes));
        }
        zip
    }

    fn file(&mut self, path: &str, packed: &[u8], size: usize, method: u16, crc: u32) {
        let at = self.bytes.len() as u32;
        let common = |out: &mut Vec<u8>| {
            for half in [20_u16, 0, method, 0, 0x5B76] {
                out.extend(half.to_le_bytes());
            }
            for whole in [crc, packed.len() as u32, size as u32] {
                out.extend(whole.to_le_bytes());
            }
            out.extend((path.len() as u16).to_le_bytes());
            out.extend([0, 0]);
        };
        self.bytes.extend(b"PK\x03\x04");
        common(&mut self.bytes);
        self.bytes.extend(path.as_bytes());
        self.bytes.extend(packed);
        self.directory.extend(b"PK\x01\x02\x14\x00");
        common(&mut self.directory);
        self.directory.extend([0; 10]);
        self.directory.extend(at.to_le_bytes());
        self.directory.extend(path.as_bytes());
        self.count += 1;
    }

    /// Closes the archive; `disk` is the number of the disk that it claims to end on.
    pub(super) fn end(mut self, disk: u16) -> Vec<u8> {
        let at = self.bytes.len() as u32;
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06");
        for half in [disk, disk, self.count, self.count] {
            self.bytes.extend(half.to_le_bytes());
        }
        self.bytes.extend((self.directory.len() as u32).to_le_bytes());
        self.bytes.extend(at.to_le_bytes());
        self.bytes.extend([0, 0]);
        self.bytes
    }
}

/// Makes the manifest anew over what is there, as whoever holds this key can.
pub(super) fn sealed(parts: &mut Parts, key: &SigningKey, change: impl FnOnce(&mut Manifest)) {
    let mut manifest: Manifest = serde_json::from_slice(&parts["manifest.json"]).unwrap();
    manifest.files = parts.iter().filter(|(path, _)| !path.starts_with("manifest.")).map(|(path, bytes)| FileLine { path: path.clone(), bytes: bytes.len() as u64, sha256: Digest::of(bytes) }).collect();
    change(&mut manifest);
    let bytes = serde_json::to_vec(&manifest).unwrap();
    parts.insert("manifest.sig".into(), format!("{}\n", sign_bytes(key, SIGN_CONTEXT, &bytes).unwrap()).into_bytes());
    parts.insert("manifest.json".into(), bytes);
}

fn without_line(parts: &mut Parts, line: usize) {
    for path in ["log/entries.jsonl", "log/proofs.txt"] {
        let text = String::from_utf8(parts[path].clone()).unwrap();
        let kept: String = text.lines().enumerate().filter(|(at, _)| *at != line).map(|(_, line)| format!("{line}\n")).collect();
        parts.insert(path.into(), kept.into_bytes());
    }
}

fn swapped(parts: &mut Parts, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(parts[path].clone()).unwrap();
    assert!(text.contains(from), "no {from} in {path}");
    parts.insert(path.into(), text.replacen(from, to, 1).into_bytes());
}

type Attack = (&'static str, fn(&mut Parts, &Log));

/// What is done to the files of the bundle of session S-2, which holds the entries 0 (none), 3 to 5, 7 and 8.
const ATTACKS: &[Attack] = &[
    ("an entry is edited", |parts, _| swapped(parts, "log/entries.jsonl", "peer_gone", "peer_done")),
    ("an entry is edited, and the log's key signs a new manifest", |parts, _| {
        swapped(parts, "log/entries.jsonl", "peer_gone", "peer_done");
        sealed(parts, &second(), |_| {});
    }),
    ("an entry is left out with its proof", |parts, _| without_line(parts, 2)),
    ("an entry is left out, and the log's key signs a new manifest", |parts, _| {
        without_line(parts, 2);
        sealed(parts, &second(), |manifest| manifest.entries.count -= 1);
    }),
    ("the proof of another entry is given", |parts, _| swapped(parts, "log/proofs.txt", "\n4 ", "\n6 ")),
    ("the recordings of two sessions are exchanged", |parts, log| drop(parts.insert("recordings/S-2.skr".into(), log.files.files["recordings/S-3.skr"].clone()))),
    ("a recording is left out", |parts, _| drop(parts.remove("recordings/S-2.skr"))),
    ("a recording is left out and named as lacking by the log's key", |parts, _| {
        parts.remove("recordings/S-2.skr");
        sealed(parts, &second(), |manifest| manifest.lacking.push(Lacking { session: "S-2".into(), why: "absent".into() }));
    }),
    ("a recording that belongs to nothing is added", |parts, log| {
        parts.insert("recordings/S-3.skr".into(), log.files.files["recordings/S-3.skr"].clone());
        sealed(parts, &second(), |_| {});
    }),
    ("the plan's page is another one", |parts, _| drop(parts.insert("plans/P-17.html".into(), b"<p>other</p>".to_vec()))),
    ("the instructions are others", |parts, _| drop(parts.insert("README.txt".into(), b"all is well\n".to_vec()))),
    ("a file is added", |parts, _| drop(parts.insert("plans/P-18.html".into(), b"x".to_vec()))),
    ("the manifest is signed by another key", |parts, _| sealed(parts, &thief(), |_| {})),
    ("the manifest is signed by the key before", |parts, _| sealed(parts, &signing_key(), |_| {})),
    ("the manifest is missing", |parts, _| drop(parts.remove("manifest.json"))),
    ("the scope is another session", |parts, _| sealed(parts, &second(), |manifest| manifest.scope = Scope::Session { session: "S-9".into() })),
    ("the scope writes on the reader's terminal", |parts, _| sealed(parts, &second(), |manifest| manifest.scope = Scope::Session { session: "x\u{1b}[2J\nOK: what is in the bundle is as the log has it.\u{1b}[8m".into() })),
    ("the checkpoint says another size", |parts, _| swapped(parts, "log/checkpoint", "\n21\n", "\n22\n")),
    ("an approval is signed by nobody", |parts, _| {
        let approvals = Approvals { plan: "P-17".into(), approvals: vec![approval("kida", &thief())] };
        parts.insert("approvals/P-17.json".into(), serde_json::to_vec(&approvals).unwrap());
        sealed(parts, &second(), |_| {});
    }),
    ("an approval is signed by a former key, and no entry tells of it", |parts, _| {
        let approvals = Approvals { plan: "P-17".into(), approvals: vec![approval("kida", &signing_key()), approval("ono", &signing_key())] };
        parts.insert("approvals/P-17.json".into(), serde_json::to_vec(&approvals).unwrap());
        sealed(parts, &second(), |_| {});
    }),
    ("the line of the case is another one", |parts, _| {
        parts.insert("cases/cas-1.line".into(), b"Accepted password for nobody".to_vec());
        sealed(parts, &second(), |_| {});
    }),
    ("the exchange of the key is left out", |parts, _| {
        parts.remove(&rotation::path_of(EXCHANGED));
        sealed(parts, &second(), |_| {});
    }),
    ("the entry of the exchange is left out", |parts, _| {
        without_line(parts, 3);
        sealed(parts, &second(), |manifest| manifest.entries.count -= 1);
    }),
    ("a thief without a key puts one of their own behind a genuine checkpoint", |parts, log| {
        let note = checkpoint::sign_again(&log.note, &thief()).unwrap();
        let own = rotation::text_of(8, &thief(), &thief(), &note).unwrap();
        parts.insert(rotation::path_of(8), own.replacen(&thief().public().to_string(), &second().public().to_string(), 1).into_bytes());
        sealed(parts, &thief(), |_| {});
    }),
    ("today's key hands over to another, and the entry of that number tells of something else", |parts, log| {
        let note = checkpoint::sign_again(&log.note, &thief()).unwrap();
        parts.insert(rotation::path_of(8), rotation::text_of(8, &second(), &thief(), &note).unwrap().into_bytes());
        parts.insert("log/checkpoint".into(), note.into_bytes());
        sealed(parts, &thief(), |_| {});
    }),
    ("the head of the witness is taken out", |parts, _| {
        parts.remove(&cosigned_path(witness().public()));
        sealed(parts, &second(), |_| {});
    }),
    ("the proof that the log continues the mailed head is taken out", |parts, _| {
        let text = String::from_utf8(parts["log/consistency.txt"].clone()).unwrap();
        parts.insert("log/consistency.txt".into(), text.lines().filter(|line| !line.starts_with("9 ")).map(|line| format!("{line}\n")).collect::<String>().into_bytes());
        sealed(parts, &second(), |_| {});
    }),
];

struct Court<'a> {
    place: &'a Path,
    key: String,
    witness: String,
    mailed: String,
    table: String,
    disagree: Vec<String>,
}

impl Court<'_> {
    /// Both verifiers on one archive; gives what the first said.
    fn judge(&mut self, name: &str, zip: &[u8], holds: bool, tell: bool) {
        let path = self.place.join("bundle.zip");
        std::fs::write(&path, zip).unwrap();
        let file = path.display().to_string();
        let args = ["verify", "--bundle", &file, "--key", &self.key, "--checkpoint", &self.mailed, "--witness", &self.witness];
        let first = run(&args);
        assert_eq!(first.status.success(), holds, "{name}: {}", said(&first));
        assert!(!first.stdout.contains(&0x1b), "{name}: the terminal was written on");
        if tell {
            assert_eq!(first.stdout, run(&args).stdout, "{name}: the same bundle gave two texts");
            write!(self.table, "\n== {name}\n{}", String::from_utf8_lossy(&first.stdout)).unwrap();
        }
        let mut second = Command::new("python3");
        second.arg(root().join("testsuite/verifier/bundle.py")).arg(&file).args(&args[3..]);
        let other = output(&mut second, Duration::from_secs(120));
        // Papers that are missing change no verdict, and yet both name the same ones.
        let (ours, theirs) = (String::from_utf8_lossy(&first.stdout), String::from_utf8_lossy(&other.stdout));
        let missing: Vec<&str> = ours.lines().filter_map(|line| line.strip_prefix("WARNING ")?.strip_suffix(": An entry tells of this review or report, and the bundle does not hold it. [paper-missing]")).collect();
        let noted: Vec<&str> = theirs.lines().filter_map(|line| line.strip_prefix("NOTE ")?.strip_suffix(": an entry tells of it, and it is missing")).collect();
        if missing != noted || other.status.success() != first.status.success() || other.status.code().is_none_or(|code| code > 1) {
            self.disagree.push(format!("{name}: {}\n{}", said(&first), said(&other)));
        }
    }
}

#[test]
fn every_attack_on_a_bundle_is_found_and_two_verifiers_agree() {
    let work = tempfile::Builder::new().prefix("bundles-").tempdir().unwrap();
    let log = log();
    let mailed = work.path().join("mailed");
    std::fs::write(&mailed, &log.mailed).unwrap();
    let mut court = Court {
        place: work.path(),
        key: signing_key().public().to_string(),
        witness: witness().public().to_string(),
        mailed: mailed.display().to_string(),
        table: String::from("What `sekisho verify --bundle` says of each attack on the bundle of a session, with the first key, a mailed checkpoint and the key of a witness.\n"),
        disagree: Vec::new(),
    };
    let about = |session: &str| Scope::Session { session: session.into() };
    let (zip, parts) = honest(&log, about("S-2"), vec![3, 4, 5, 7, 8], &["S-2"]);
    court.judge("nothing was done", &zip, true, true);
    court.judge("it was packed by another program", &Zip::of(&parts).end(0), true, false);
    let (plan, _) = honest(&log, Scope::Plan { plan: "P-17".into() }, vec![1, 2, 3, 4, 5, 7], &["S-1", "S-2"]);
    court.judge("a bundle of a plan", &plan, true, true);
    let (case, _) = honest(&log, Scope::Case { case: "cas-1".into() }, vec![3, 4, 5, 7, 8], &["S-2"]);
    court.judge("a bundle of a case", &case, true, true);
    let (period, of_period) = honest(&log, Scope::Period { from: START + 40, until: START + 75 }, (3..=8).collect(), &["S-2"]);
    court.judge("a bundle of a period", &period, true, true);
    for (name, session, first, holds) in [
        ("the recording was deleted by rule, as its entry says", "S-4", 12, true),
        ("the recording was deleted before its time", "S-5", 15, false),
        ("the recording lay in an archive, as its entry says", "S-6", 18, true),
    ] {
        let (_, mut gone) = honest(&log, about(session), vec![3, 7, first, first + 1, first + 2], &[session]);
        gone.remove(&format!("recordings/{session}.skr"));
        sealed(&mut gone, &second(), |manifest| manifest.lacking.push(Lacking { session: session.into(), why: "absent".into() }));
        court.judge(name, &Zip::of(&gone).end(0), holds, true);
        without_line(&mut gone, 4);
        sealed(&mut gone, &second(), |manifest| (manifest.entries.count, manifest.entries.last) = (4, Some(first + 1)));
        court.judge(&format!("{name}: that entry is left out"), &Zip::of(&gone).end(0), false, true);
    }
    for (name, attack) in ATTACKS {
        let mut copy = parts.clone();
        attack(&mut copy, &log);
        court.judge(name, &Zip::of(&copy).end(0), false, true);
    }
    for line in 0..6 {
        let mut copy = of_period.clone();
        without_line(&mut copy, line);
        sealed(&mut copy, &second(), |manifest| {
            manifest.entries.count -= 1;
            manifest.entries.first = Some(if line == 0 { 4 } else { 3 });
            manifest.entries.last = Some(if line == 5 { 7 } else { 8 });
        });
        court.judge(&format!("entry {} of a period is left out, and the log's key signs a new manifest", line + 3), &Zip::of(&copy).end(0), false, true);
    }
    papers(&mut court);
    // Whatever byte is changed, in whatever file.
    for (path, bytes) in &parts {
        for at in [bytes.len() / 2, bytes.len() - 1] {
            let mut copy = parts.clone();
            copy.get_mut(path).unwrap()[at] ^= 1;
            court.judge(&format!("byte {at} of {path} is flipped"), &Zip::of(&copy).end(0), false, false);
        }
    }
    archives(&mut court, &parts);
    assert!(court.disagree.is_empty(), "the verifiers disagree:\n{}", court.disagree.join("\n"));
    let golden = root().join(GOLDEN);
    if std::fs::read_to_string(&golden).unwrap_or_default() != court.table {
        std::fs::write(root().join("target/bundle-attacks.txt"), &court.table).unwrap();
        panic!("{GOLDEN} says otherwise; if the change is meant: cp target/bundle-attacks.txt {GOLDEN}");
    }
}

/// What is done to the reviews and reports of a period: one review is confirmed, one only signed, and a report is issued.
fn papers(court: &mut Court<'_>) {
    let (review, signed, report) = (b"{\"review\":\"rev-1\"}", b"{\"review\":\"rev-2\"}", b"{\"report\":\"rep-1\"}");
    let log = log_and(|folder| {
        for (kind, field, id, bytes) in [
            ("log_review_signed", "review", "rev-1", &review[..]),
            ("log_review_confirmed", "review", "rev-1", review),
            ("log_review_signed", "review", "rev-2", signed),
            ("report_issued", "report", "rep-1", report),
        ] {
            folder.entry(kind, &format!(r#","{field}":"{id}","digest":"{}""#, Digest::of(bytes)));
        }
    });
    let period = |seqs: std::ops::RangeInclusive<u64>| {
        let from = START + 10 * *seqs.start() as i64 + 1;
        let (_, mut parts) = honest(&log, Scope::Period { from, until: START + 10_000 }, seqs.collect(), &[]);
        for (path, bytes) in [("reviews/rev-1.json", &review[..]), ("reviews/rev-2.json", signed), ("reports/rep-1.json", report)] {
            parts.insert(path.into(), bytes.to_vec());
        }
        parts
    };
    let whole = period(20..=24);
    let mut without = |name: &str, gone: &[&str], change: &dyn Fn(&mut Parts), holds: bool| {
        let mut copy = whole.clone();
        copy.retain(|path, _| !gone.contains(&path.as_str()));
        change(&mut copy);
        sealed(&mut copy, &second(), |_| {});
        court.judge(name, &Zip::of(&copy).end(0), holds, true);
    };
    without("a period with its reviews and its report", &[], &|_| {}, true);
    without("a review that was confirmed is left out, and the log's key signs a new manifest", &["reviews/rev-1.json"], &|_| {}, true);
    without("a report that was issued is left out, and the log's key signs a new manifest", &["reports/rep-1.json"], &|_| {}, true);
    without("both are left out, and the log's key signs a new manifest", &["reviews/rev-1.json", "reports/rep-1.json"], &|_| {}, true);
    without("a review that was only signed is left out", &["reviews/rev-2.json"], &|_| {}, true);
    without("a review is another one", &[], &|parts| drop(parts.insert("reviews/rev-1.json".into(), signed.to_vec())), false);
    without("a report is another one", &[], &|parts| drop(parts.insert("reports/rep-1.json".into(), b"{}".to_vec())), false);
    without("a report is added of which no entry tells", &[], &|parts| drop(parts.insert("reports/rep-2.json".into(), report.to_vec())), false);
    // Whoever leaves out a recording as well is told of that first, and of the papers all the same.
    let mut about_one = whole;
    about_one.retain(|path, _| !path.starts_with("reviews/rev-1"));
    sealed(&mut about_one, &second(), |manifest| manifest.sessions.push("S-6".into()));
    court.judge("a review is left out, and a recording that the manifest names", &Zip::of(&about_one).end(0), false, true);
}

/// What is done to the archive around the files.
fn archives(court: &mut Court<'_>, parts: &Parts) {
    let whole = Zip::of(parts).end(0);
    let other: Parts = [("README.txt".to_owned(), b"all is well\n".to_vec())].into();
    court.judge("bytes are appended", &[whole.as_slice(), b"tail"].concat(), false, true);
    court.judge("bytes are put before it", &[b"head".as_slice(), &whole].concat(), false, false);
    court.judge("it is cut", &whole[..whole.len() - 30], false, false);
    court.judge("it is empty", b"", false, false);
    // Behind the first archive a second one, whose end claims to lie on another disk: a library that searches sees the first.
    let mut behind = Zip { bytes: whole.clone(), ..Zip::default() };
    behind.file("README.txt", &other["README.txt"], 12, 0, crc(&other["README.txt"]));
    court.judge("two directories, the second on another disk", &behind.end(1), false, true);
    let mut behind = Zip { bytes: whole.clone(), ..Zip::default() };
    behind.file("README.txt", &other["README.txt"], 12, 0, crc(&other["README.txt"]));
    court.judge("two directories", &behind.end(0), false, true);
    let mut twice = Zip::of(parts);
    twice.file("README.txt", &other["README.txt"], 12, 0, crc(&other["README.txt"]));
    court.judge("two files of one name", &twice.end(0), false, true);
    let mut hidden = Zip::of(parts);
    hidden.bytes.extend(b"nobody sees this");
    hidden.bytes.extend(b"nor this");
    hidden.bytes.extend(b"!");
    court.judge("bytes between the last file and the directory", &hidden.end(0), false, true);
    let mut foreign = Zip::of(parts);
    foreign.file("plans/../evil.html", b"x", 1, 0, crc(b"x"));
    court.judge("a name that climbs", &foreign.end(0), false, true);
    // A deflate stream of one stored block, and bytes behind its end.
    let text = &parts["README.txt"];
    let mut block = vec![1];
    block.extend((text.len() as u16).to_le_bytes());
    block.extend((!(text.len() as u16)).to_le_bytes());
    block.extend(text);
    let mut deflated = Zip::of(parts.iter().filter(|(path, _)| *path != "README.txt"));
    deflated.file("README.txt", &block, text.len(), 8, crc(text));
    court.judge("a file is deflated by another program", &deflated.end(0), true, false);
    block.extend(b"behind the end");
    let mut deflated = Zip::of(parts.iter().filter(|(path, _)| *path != "README.txt"));
    deflated.file("README.txt", &block, text.len(), 8, crc(text));
    court.judge("bytes behind the end of a deflated file", &deflated.end(0), false, true);
}
