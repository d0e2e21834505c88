//! Files of released formats must verify for ever.
#![allow(clippy::unwrap_used, missing_docs)]

mod folder;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use folder::{Folder, data_key, signing_key};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::log::MemoryFiles;
use sekisho_evidence::recording::{Decoder, Frame, scan};
use sekisho_evidence::verify::{Recordings, verify};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testsuite/fixtures/v1")
}

fn load(dir: &Path, prefix: &str, files: &mut MemoryFiles) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            load(&entry.path(), &format!("{name}/"), files);
        } else {
            files.put(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// Writes the fixture of a format that has none yet, and asks for it to be committed. A released one is never touched.
#[test]
fn the_released_format_has_its_fixture() {
    if root().join("data").exists() {
        return;
    }
    let mut folder = Folder::new();
    folder.note("login");
    folder.session("S-1", true);
    for _ in 0..258 {
        folder.note("noted");
    }
    folder.session("S-2", false);
    folder.publish();
    fs::create_dir_all(root()).unwrap();
    fs::write(
        root().join("key.pub"),
        format!("{}\n", signing_key().public()),
    )
    .unwrap();
    fs::write(
        root().join("data-key.hex"),
        format!("{}\n", hex::encode(data_key().expose())),
    )
    .unwrap();
    fs::write(root().join("outside-checkpoint"), folder.checkpoint()).unwrap();
    for (path, bytes) in &folder.files.files {
        let path = root().join("data").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    panic!("the fixture was written to {}: commit it", root().display());
}

#[test]
fn the_fixture_of_v1_still_verifies() {
    let mut files = MemoryFiles::new();
    load(&root().join("data"), "", &mut files);
    let key: PublicKey = fs::read_to_string(root().join("key.pub"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let outside = fs::read_to_string(root().join("outside-checkpoint")).unwrap();
    let running = BTreeSet::from(["S-2".to_owned()]);
    let verdict = verify(
        &files,
        &key,
        Some(&outside),
        Recordings::Check { running: &running },
    );
    assert!(verdict.ok && verdict.findings.is_empty(), "{verdict}");
    assert_eq!((verdict.entries, verdict.recordings), (262, 2));
    assert_eq!(
        verdict.root.unwrap().to_string(),
        fs::read_to_string(root().join("root")).unwrap().trim(),
        "the root beside the fixture was computed apart from this code"
    );
}

#[test]
fn the_recordings_of_v1_still_play() {
    let sealed = fs::read(root().join("data/recordings/S-1.skr")).unwrap();
    let mut decoder = Decoder::open(sealed.as_slice()).unwrap();
    decoder.unlock(data_key());
    let frames: Vec<_> = decoder.by_ref().map(|timed| timed.unwrap()).collect();
    assert_eq!(frames.len(), 5);
    assert_eq!(
        (frames[2].at_ms, &frames[2].frame),
        (40, &Frame::Output(b"Welcome\r\n$ ".to_vec()))
    );
    assert_eq!(
        frames[3].frame,
        Frame::Command {
            text: "exit".into(),
            line: "$ exit".into()
        }
    );

    let broken = fs::read(root().join("data/recordings/S-2.skr")).unwrap();
    let scan = scan(broken.as_slice()).unwrap();
    assert!(scan.seal.is_none() && scan.torn && scan.segments == 1);
}
