//! A bundle that is packed, opened and verified, and what can be done to it on the way.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../evidence/tests/folder/mod.rs"]
mod folder;

use folder::{Folder, ORIGIN, START, signing_key};
use sekisho_bundle::{Content, Document, ZipFiles, pack};
use sekisho_evidence::bundle::{BundleVerdict, Head, SIGN_CONTEXT, Scope, verify_bundle};
use sekisho_evidence::checkpoint::{self, SigningKey, sign_bytes};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::log::{Files, MemoryFiles};
use sekisho_evidence::verify::Trust;
use std::io::Write as _;
use zip::write::SimpleFileOptions;

/// The verdict of somebody who holds a key and perhaps a checkpoint.
fn verdict_of(files: &dyn Files, key: &PublicKey, outside: Option<&str>) -> BundleVerdict {
    let outside: Vec<String> = outside.map(str::to_owned).into_iter().collect();
    verify_bundle(files, &Trust { keys: std::slice::from_ref(key), outside: &outside, witnesses: &[], timestamps: None })
}

/// Sessions S-1 and S-2 that ended, among other entries.
fn house() -> Folder {
    let mut folder = Folder::new();
    folder.note("login");
    folder.session("S-1", true);
    folder.note("approved");
    folder.session("S-2", true);
    folder.note("login");
    folder.publish();
    folder
}

fn content(folder: &Folder, scope: Scope, seqs: Vec<u64>, sessions: &[&str]) -> Content {
    let head = checkpoint::open(&folder.checkpoint(), signing_key().public()).unwrap();
    Content {
        facility: "北病院".into(),
        origin: ORIGIN.into(),
        made_at: START + 1000,
        scope,
        all_entries: false,
        checkpoint: folder.checkpoint(),
        head: Head { size: head.size, root: head.root },
        public_key: signing_key().public().to_string(),
        seqs,
        earlier: vec![2],
        sessions: sessions.iter().map(|session| (*session).to_owned()).collect(),
        lacking: Vec::new(),
        plans: Vec::new(),
        documents: vec![Document { path: "plans/P-17.html".into(), bytes: "<p>計画</p>".into() }],
    }
}

fn packed(folder: &Folder, content: &Content) -> Vec<u8> {
    let sign = |bytes: &[u8]| sign_bytes(&signing_key(), SIGN_CONTEXT, bytes).map(|signature| signature.to_string()).map_err(|breach| breach.to_string());
    let mut out = Vec::new();
    pack(content, &folder.files, &sign, &mut out).unwrap();
    out
}

fn session(folder: &Folder) -> Vec<u8> {
    packed(folder, &content(folder, Scope::Session { session: "S-1".into() }, vec![1, 2], &["S-1"]))
}

fn period(folder: &Folder) -> Vec<u8> {
    packed(folder, &content(folder, Scope::Period { from: START + 10, until: START + 50 }, (0..=5).collect(), &["S-1", "S-2"]))
}

fn opened(bytes: &[u8]) -> Result<ZipFiles, &'static str> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    ZipFiles::open(file.path()).map_err(|breach| breach.code)
}

/// All files of an archive, in memory.
fn files(bytes: &[u8]) -> MemoryFiles {
    let archive = opened(bytes).unwrap();
    let mut all = MemoryFiles::new();
    for folder in ["", "log", "recordings", "plans"] {
        for name in archive.list(folder).unwrap().into_iter().filter(|name| !name.ends_with('/')) {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            all.put(path.clone(), archive.read(&path).unwrap().unwrap());
        }
    }
    all
}

fn judged(files: &MemoryFiles) -> BundleVerdict {
    let verdict = verdict_of(files, signing_key().public(), None);
    assert_eq!(verdict.to_string(), verdict_of(files, signing_key().public(), None).to_string());
    verdict
}

#[test]
fn an_honest_bundle_holds_and_says_what_it_does_not_show() {
    let folder = house();
    let one = verdict_of(&opened(&session(&folder)).unwrap(), signing_key().public(), None);
    assert!(one.ok, "{one}");
    assert_eq!((one.entries, one.first, one.last, one.recordings, one.size), (2, Some(1), Some(2), 1, 7));
    assert!(one.to_string().contains("does not show that nothing else happened"), "{one}");
    let time = judged(&files(&period(&folder)));
    assert!(time.ok && time.recordings == 2, "{time}");
    let other = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    assert!(!verdict_of(&opened(&session(&folder)).unwrap(), other.public(), None).ok);
}

#[test]
fn a_checkpoint_from_outside_is_joined_or_missed_or_contradicted() {
    let folder = house();
    let files = files(&session(&folder));
    let early = |bodies: &[Vec<u8>]| {
        let mut publisher = sekisho_evidence::log::Publisher::new();
        for body in bodies {
            publisher.append(body).unwrap();
        }
        checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), &signing_key()).unwrap()
    };
    let judge = |note: &str| verdict_of(&files, signing_key().public(), Some(note));
    assert!(judge(&early(&folder.bodies[..2])).joined && judge(&folder.checkpoint()).joined);
    assert_eq!(judge(&early(&folder.bodies[..3])).findings[0].code, "outside-unjoined");
    assert_eq!(judge(&early(&[b"x".to_vec(), b"y".to_vec()])).findings[0].code, "log-forked");
}

#[test]
fn each_attack_has_its_verdict() {
    let folder = house();
    let (one, time) = (files(&session(&folder)), files(&period(&folder)));
    let text = |files: &MemoryFiles, path: &str| String::from_utf8(files.files[path].clone()).unwrap();
    let attack = |files: &MemoryFiles, act: &dyn Fn(&mut MemoryFiles)| {
        let mut copy = files.clone();
        act(&mut copy);
        let verdict = judged(&copy);
        assert!(!verdict.ok, "{verdict}");
        format!("{} at {}", verdict.findings[0].code, verdict.first_bad.unwrap())
    };
    let replaced = |path: &'static str, from: &'static str, to: &'static str| move |files: &mut MemoryFiles| files.put(path, text(files, path).replacen(from, to, 1));
    let without = |path: &'static str, place: usize| move |files: &mut MemoryFiles| {
        let lines: Vec<String> = text(files, path).lines().enumerate().filter(|(at, _)| *at != place).map(|(_, line)| format!("{line}\n")).collect();
        files.put(path, lines.concat());
    };
    assert_eq!(attack(&one, &replaced("log/entries.jsonl", "peer_gone", "peer_done")), "entry-altered at log entry 2");
    assert_eq!(attack(&one, &replaced("log/proofs.txt", "2 ", "3 ")), "entry-altered at log entry 3");
    assert_eq!(attack(&one, &|files| files.put("recordings/S-1.skr", time.files["recordings/S-2.skr"].clone())), "recording-exchanged at recordings/S-1.skr");
    assert_eq!(attack(&one, &|files| drop(files.files.remove("recordings/S-1.skr"))), "recording-missing at recordings/S-1.skr");
    assert_eq!(attack(&one, &|files| files.put("plans/P-17.html", "<p>another</p>")), "file-altered at plans/P-17.html");
    assert_eq!(attack(&one, &|files| files.put("plans/P-18.html", "x")), "extra-file at plans/P-18.html");
    assert_eq!(attack(&one, &replaced("manifest.json", "1000", "2000")), "manifest-signature at manifest.sig");
    assert_eq!(attack(&one, &|files| files.put("manifest.json", "{}")), "manifest-malformed at manifest.json");
    assert_eq!(attack(&one, &replaced("log/checkpoint", "\n7\n", "\n8\n")), "checkpoint at log/checkpoint");
    let both = |place| move |files: &mut MemoryFiles| {
        without("log/entries.jsonl", place)(files);
        without("log/proofs.txt", place)(files);
    };
    assert_eq!(attack(&time, &both(3)), "entry-gap at log entry 3");
    assert_eq!(attack(&time, &both(5)), "entries-count at log/entries.jsonl");
    assert_eq!(attack(&time, &without("log/proofs.txt", 5)), "entry-unproved at log/entries.jsonl line 6");
}

#[test]
fn every_changed_byte_of_the_archives_files_is_found() {
    let honest = files(&session(&house()));
    for (path, bytes) in &honest.files {
        for at in (0..bytes.len()).step_by(7) {
            let mut copy = honest.clone();
            copy.files.get_mut(path).unwrap()[at] ^= 1;
            assert!(!verdict_of(&copy, signing_key().public(), None).ok, "{path} at {at}");
        }
    }
}

#[test]
fn no_other_archive_is_opened() {
    let honest = session(&house());
    let made = |act: &dyn Fn(&mut zip::ZipWriter<std::io::Cursor<Vec<u8>>>)| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        act(&mut zip);
        zip.finish().unwrap().into_inner()
    };
    let plain = SimpleFileOptions::default();
    assert_eq!(opened(&made(&|zip| zip.start_file("../evil", plain).unwrap())).err(), Some("archive-name"));
    let bomb = made(&|zip| {
        zip.start_file("README.txt", plain.compression_method(zip::CompressionMethod::Deflated)).unwrap();
        zip.write_all(&vec![0; 8 * 1024 * 1024]).unwrap();
    });
    assert_eq!(opened(&bomb).err(), Some("archive-ratio"));
    // A second file of one name: the name is changed where the archive keeps it.
    let mut twins = made(&|zip| {
        zip.start_file("plans/a.html", plain).unwrap();
        zip.start_file("plans/b.html", plain).unwrap();
    });
    while let Some(at) = twins.windows(12).position(|part| part == b"plans/b.html") {
        twins[at + 6] = b'a';
    }
    assert_eq!(opened(&twins).err(), Some("archive"));
    assert_eq!(opened(&[honest.as_slice(), b"tail"].concat()).err(), Some("archive"));
    assert_eq!(opened(&[b"head".as_slice(), &honest].concat()).err(), Some("archive"));
    assert_eq!(opened(&honest[..honest.len() / 2]).err(), Some("archive"));
    assert_eq!(opened(b"").err(), Some("archive"));
}
