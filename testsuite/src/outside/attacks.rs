//! Every attack on the log of threats.md, tried on a copy of a data folder: what `sekisho verify` says, the same twice, and what a
//! verifier in another language says that was written from the format's page alone. The attackers have what they say they have:
//! the files, or the files and today's key.

#[path = "../../../crates/evidence/tests/folder/mod.rs"]
pub(super) mod folder;

use crate::street::program::{output, root, run, said};
use folder::{Folder, ORIGIN, signing_key};
use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::cosignature::WitnessKey;
use sekisho_evidence::decisive;
use sekisho_evidence::log::{MemoryFiles, Publisher};
use sekisho_evidence::rotation;
use sekisho_evidence::verify::cosigned_path;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const GOLDEN: &str = "testsuite/golden/attacks.txt";
/// Entries that the log had when a witness and a mail saw it.
const SEEN: usize = 12;
/// The entry that tells of the exchange of the key.
const EXCHANGED: usize = 7;

fn second() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap()
}

fn witness() -> WitnessKey {
    WitnessKey::from_seed("witness.example", &[3; 32]).unwrap()
}

/// Nineteen entries, three sessions, one exchange of the key.
fn story() -> Folder {
    let mut folder = Folder::new();
    folder.entry("initialised", &format!(r#","origin":"{ORIGIN}","key":"{}""#, signing_key().public()));
    folder.note("started");
    folder.session("S-1", true);
    folder.note("approved");
    folder.session("S-2", true);
    folder.entry("key_rotated", &format!(r#","old":"{}","new":"{}""#, signing_key().public(), second().public()));
    for n in 0..4 {
        folder.entry("refused", &format!(r#","login":"evil{n}\n\u001b[2J\u202e{}""#, "x".repeat(200)));
    }
    folder.session("S-3", true);
    for _ in 0..4 {
        folder.note("identified");
    }
    folder.note("stopped");
    folder
}

/// Publishes bodies; `current` signs the head. The exchange and what was seen outside are those of the honest log.
fn publish(files: &mut MemoryFiles, bodies: &[Vec<u8>], current: &SigningKey) {
    files.files.retain(|path, _| !path.starts_with("log/tile/") && path != "log/checkpoint");
    let mut publisher = Publisher::new();
    for body in bodies {
        publisher.append(body).unwrap();
    }
    for file in publisher.take_files() {
        files.put(file.path, file.bytes);
    }
    files.put("log/checkpoint", checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), current).unwrap());
}

fn head(bodies: &[Vec<u8>]) -> Publisher {
    let mut publisher = Publisher::new();
    for body in bodies {
        publisher.append(body).unwrap();
    }
    publisher
}

/// The honest log with the exchange and what a witness signed; and the checkpoint that went out by mail.
fn honest() -> (MemoryFiles, Vec<Vec<u8>>, String) {
    let story = story();
    let (mut files, bodies) = (story.files, story.bodies);
    publish(&mut files, &bodies, &second());
    let turn = head(&bodies[..=EXCHANGED]);
    let note = checkpoint::sign(ORIGIN, turn.size(), &turn.root(), &signing_key()).unwrap();
    let note = checkpoint::sign_again(&note, &second()).unwrap();
    files.put(rotation::path_of(EXCHANGED as u64), rotation::text_of(EXCHANGED as u64, &signing_key(), &second(), &note).unwrap());
    let seen = head(&bodies[..SEEN]);
    let mailed = checkpoint::sign(ORIGIN, seen.size(), &seen.root(), &second()).unwrap();
    files.put(cosigned_path(witness().public()), format!("{mailed}{}", witness().cosign(&mailed, 1_800_000_000).unwrap()));
    (files, bodies, mailed)
}

fn swap(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap_or_else(|| panic!("no {from}"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

/// Puts a time of keeping in the place of an entry, signed by the log's first key.
fn decided(bodies: &mut [Vec<u8>], seq: usize) {
    let body = format!(r#"{{"seq":{seq},"at":1790000000000,"actor":{{"person":"per-1","vendor":null}},"kind":"retention_set","class":"recordings","days":90}}"#);
    bodies[seq] = decisive::signed(&signing_key(), body.into_bytes()).unwrap();
}

fn flip(files: &mut MemoryFiles, path: &str, at: usize) {
    let bytes = files.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"));
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
}

/// Numbers the entries anew, as whoever takes some out must.
fn renumbered(bodies: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    bodies
        .into_iter()
        .enumerate()
        .map(|(seq, body)| {
            let text = String::from_utf8(body).unwrap();
            let (_, rest) = text.split_once(',').unwrap();
            format!("{{\"seq\":{seq},{rest}").into_bytes()
        })
        .collect()
}

/// What no verifier can call altered: nothing was done; a clock that was moved is told, and the log is that of the box; and what
/// is not a minute old was seen by nobody outside, so that a missing end of a session is told and no more.
const TOLD_ALONE: &[&str] = &["nothing was done", "the clock was moved back by an hour", "the clock was moved ahead by a year for one entry", "the same, of a session after the last checkpoint that left the box"];

type Attack = (&'static str, fn(&mut MemoryFiles, Vec<Vec<u8>>));

const ATTACKS: &[Attack] = &[
    ("nothing was done", |_, _| {}),
    ("an entry is edited in the files", |files, _| {
        let path = "log/tile/entries/000.p/19";
        let bytes = files.files[path].clone();
        files.put(path, swap(&bytes, "started", "startex"));
    }),
    ("an entry is edited and the whole tree computed anew, unsigned", |files, mut bodies| {
        let signed = files.files["log/checkpoint"].clone();
        bodies[1] = swap(&bodies[1], "started", "startex");
        publish(files, &bodies, &second());
        files.put("log/checkpoint", signed);
    }),
    ("an entry before the exchange is edited and history sealed again with today's key", |files, mut bodies| {
        bodies[1] = swap(&bodies[1], "started", "startex");
        publish(files, &bodies, &second());
    }),
    ("an entry after the exchange is edited and history sealed again with today's key", |files, mut bodies| {
        bodies[10] = swap(&bodies[10], "evil2", "evil9");
        publish(files, &bodies, &second());
    }),
    ("a middle entry is deleted, the rest numbered anew and sealed", |files, mut bodies| {
        bodies.remove(10);
        publish(files, &renumbered(bodies), &second());
    }),
    ("a middle entry is deleted, and the numbers left", |files, mut bodies| {
        bodies.remove(16);
        publish(files, &bodies, &second());
    }),
    ("the tail is cut to what the exchange signed", |files, bodies| publish(files, &bodies[..=EXCHANGED], &second())),
    ("the tail is cut and other entries written on", |files, mut bodies| {
        let spare = bodies[10].clone();
        bodies.truncate(EXCHANGED + 1);
        bodies.extend(std::iter::repeat_n(spare, 11));
        publish(files, &renumbered(bodies), &second());
    }),
    ("two entries are exchanged and sealed", |files, mut bodies| {
        bodies.swap(9, 11);
        publish(files, &bodies, &second());
    }),
    ("yesterday's copy is put back", |files, bodies| publish(files, &bodies[..10], &second())),
    ("another log under the same name", |files, bodies| {
        let mut other = vec![bodies[0].clone()];
        other.extend(std::iter::repeat_n(bodies[1].clone(), 30));
        files.files.remove(&rotation::path_of(EXCHANGED as u64));
        publish(files, &renumbered(other), &SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap());
    }),
    ("the clock was moved back by an hour", |files, mut bodies| {
        bodies[17] = swap(&bodies[17], "\"at\":1790000000", "\"at\":1789996400");
        publish(files, &bodies, &second());
    }),
    ("the clock was moved ahead by a year for one entry", |files, mut bodies| {
        bodies[16] = swap(&bodies[16], "\"at\":1790000000", "\"at\":1821536000");
        publish(files, &bodies, &second());
    }),
    ("a second instance with the same key went on from a copy", |files, mut bodies| {
        for body in bodies.iter_mut().skip(SEEN - 3).filter(|body| String::from_utf8_lossy(body).contains("refused")) {
            *body = swap(body, "evil", "good");
        }
        publish(files, &bodies, &second());
    }),
    ("the files of the exchange are removed", |files, _| {
        files.files.remove(&rotation::path_of(EXCHANGED as u64));
    }),
    ("the exchange names a key of the thief", |files, _| {
        let path = rotation::path_of(EXCHANGED as u64);
        let thief = SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap();
        let text = swap(&files.files[&path].clone(), &second().public().to_string(), &thief.public().to_string());
        files.put(path, text);
    }),
    ("a thief without any key puts a key of their own behind today's, beside a genuine checkpoint", |files, mut bodies| {
        // The newest head is public. A signature of one's own can be put beside it; the exchange that it would make is signed by
        // the thief alone.
        let thief = SigningKey::from_seed(ORIGIN, &[66; 32]).unwrap();
        let head = String::from_utf8(files.files["log/checkpoint"].clone()).unwrap();
        let seq = bodies.len() - 1;
        bodies[seq] = format!(r#"{{"seq":{seq},"at":1790000000000,"kind":"key_rotated","old":"{}","new":"{}"}}"#, second().public(), thief.public()).into_bytes();
        let note = checkpoint::sign_again(&head, &thief).unwrap();
        let own = rotation::text_of(seq as u64, &thief, &thief, &note).unwrap();
        let text = own.replacen(&thief.public().to_string(), &second().public().to_string(), 1);
        files.put(rotation::path_of(seq as u64), text);
        publish(files, &bodies, &thief);
    }),
    ("who found the former key in a backup decides with it, and the box signed the log over it", |files, mut bodies| {
        decided(&mut bodies, EXCHANGED + 8);
        publish(files, &bodies, &second());
    }),
    ("the witness's checkpoint is removed", |files, _| {
        files.files.remove(&cosigned_path(witness().public()));
    }),
    ("a byte in the middle of a recording is flipped", |files, _| {
        let middle = files.files["recordings/S-2.skr"].len() / 2;
        flip(files, "recordings/S-2.skr", middle);
    }),
    ("the last byte of a recording is flipped", |files, _| flip(files, "recordings/S-2.skr", usize::MAX)),
    ("a byte of a recording's header is flipped", |files, _| flip(files, "recordings/S-2.skr", 40)),
    ("two recordings are exchanged", |files, _| {
        let (one, two) = (files.files["recordings/S-1.skr"].clone(), files.files["recordings/S-2.skr"].clone());
        files.put("recordings/S-1.skr", two);
        files.put("recordings/S-2.skr", one);
    }),
    ("a recording is deleted", |files, _| {
        files.files.remove("recordings/S-3.skr");
    }),
    ("a recording that the log does not name is added", |files, _| {
        files.put("recordings/S-9.skr", folder::recording("S-9", b"evil").0);
    }),
    ("the entry that a session left is dropped and the log sealed", |files, mut bodies| {
        bodies.remove(6);
        publish(files, &renumbered(bodies), &second());
    }),
    ("the same, of a session after the last checkpoint that left the box", |files, mut bodies| {
        bodies.remove(13);
        publish(files, &renumbered(bodies), &second());
    }),
    ("a tile is altered", |files, _| flip(files, "log/tile/0/000.p/19", 70)),
    ("a byte of the checkpoint is flipped", |files, _| flip(files, "log/checkpoint", 24)),
];

fn write(files: &MemoryFiles, to: &Path) {
    for (path, bytes) in &files.files {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_found_and_two_verifiers_agree() {
    let own = super::database::attacks().await;
    tokio::task::spawn_blocking(move || each_of_them(&own)).await.unwrap();
}

fn each_of_them(own: &[(&'static str, String)]) {
    let work = tempfile::Builder::new().prefix("attacks-").tempdir().unwrap();
    let (files, bodies, mailed) = honest();
    let outside = work.path().join("mailed");
    std::fs::write(&outside, mailed).unwrap();
    let (key, witness_key) = (signing_key().public().to_string(), witness().public().to_string());
    let mut table = String::from("What `sekisho verify` says of each attack, with the first key, a mailed checkpoint and the key of a witness.\n");
    let mut disagree = Vec::new();
    for (n, (name, attack)) in ATTACKS.iter().enumerate() {
        let mut copy = MemoryFiles::new();
        copy.files.clone_from(&files.files);
        attack(&mut copy, bodies.clone());
        let place: PathBuf = work.path().join(format!("{n}"));
        write(&copy, &place);
        let text_of = |path: &Path| path.display().to_string();
        let args = ["verify", &text_of(&place), "--key", &key, "--checkpoint", &text_of(&outside), "--witness", &witness_key].map(str::to_owned);
        let borrowed: Vec<&str> = args.iter().map(String::as_str).collect();
        let (first, again) = (run(&borrowed), run(&borrowed));
        assert_eq!(first.stdout, again.stdout, "{name}: the same copy gave two texts");
        let said_of_it = String::from_utf8_lossy(&first.stdout).into_owned();
        assert_eq!(first.status.success(), TOLD_ALONE.contains(name), "{name}: {}", said(&first));
        write!(table, "\n== {name}\n{said_of_it}").unwrap();
        let other = output(Command::new("python3").arg(root().join("testsuite/verifier/verify.py")).args(&args[1..]), Duration::from_secs(120));
        if other.status.success() != first.status.success() {
            disagree.push(format!("{name}: {}\n{}", said(&first), said(&other)));
        }
    }
    table.push_str("\nWhat the box itself says of its database, at the start or where it would publish. Numbers are left out.\n");
    for (name, words) in own {
        write!(table, "\n== {name}\n{words}\n").unwrap();
    }
    assert!(disagree.is_empty(), "the verifiers disagree:\n{}", disagree.join("\n"));
    let golden = root().join(GOLDEN);
    let known = std::fs::read_to_string(&golden).unwrap_or_default();
    if known != table {
        std::fs::write(root().join("target/attacks.txt"), &table).unwrap();
        panic!("{GOLDEN} says otherwise; if the change is meant: cp target/attacks.txt {GOLDEN}");
    }
}
