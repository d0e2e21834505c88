//! Attacks on the database under the log, by whoever can write to its files: what the box says of each.

use crate::house::base::Base;
use crate::street::program::{copy_folder, output, said};
use sekisho_core::people::Actor;
use sekisho_store::{Settings, Store, VendorAsk};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

async fn add(store: &Store, name: &str) {
    store.add_vendor(&Actor::console(), VendorAsk { name: name.into(), ..VendorAsk::default() }).await.unwrap();
}

fn sql(database: &Path, text: &str) {
    let script = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]); base.executescript(sys.argv[2]); base.commit()";
    let done = output(Command::new("python3").args(["-c", script]).arg(database).arg(text), Duration::from_secs(60));
    assert!(done.status.success(), "{}", said(&done));
}

/// The database of a data folder.
fn database(data: &Path) -> PathBuf {
    let names = std::fs::read_dir(data).unwrap().flatten().map(|entry| entry.path());
    names.into_iter().find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))).expect("a database")
}

fn wal(data: &Path) -> PathBuf {
    let mut path = database(data).into_os_string();
    path.push("-wal");
    path.into()
}

/// The frames of a write-ahead log with their checksums computed anew from the first on (SQLite's file format, section 4.1).
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let is_big = word(&bytes, 0) & 1 == 1;
    let page = word(&bytes, 8) as usize;
    let sums = |bytes: &[u8], mut sum: (u32, u32)| {
        for pair in bytes.chunks_exact(8) {
            let half = |part: &[u8]| if is_big { u32::from_be_bytes(part.try_into().unwrap()) } else { u32::from_le_bytes(part.try_into().unwrap()) };
            sum.0 = sum.0.wrapping_add(half(&pair[..4])).wrapping_add(sum.1);
            sum.1 = sum.1.wrapping_add(half(&pair[4..])).wrapping_add(sum.0);
        }
        sum
    };
    let mut sum = sums(&bytes[..24], (0, 0));
    assert_eq!(sum, (word(&bytes, 24), word(&bytes, 28)), "the header of the write-ahead log is as its format says");
    let salt = bytes[16..24].to_vec();
    let mut at = 32;
    while at + 24 + page <= bytes.len() && bytes[at + 8..at + 16] == salt[..] {
        sum = sums(&bytes[at..at + 8], sum);
        sum = sums(&bytes[at + 24..at + 24 + page], sum);
        bytes[at + 16..at + 20].copy_from_slice(&sum.0.to_be_bytes());
        bytes[at + 20..at + 24].copy_from_slice(&sum.1.to_be_bytes());
        at += 24 + page;
    }
    bytes
}

fn without_numbers(words: &str, folder: &Path) -> String {
    let mut text = String::new();
    for letter in words.replace(&folder.display().to_string(), "FOLDER").chars() {
        if !letter.is_ascii_digit() {
            text.push(letter);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    text
}

async fn refused(settings: &Settings, base: &Base) -> String {
    match Store::open(settings.clone(), base.clock.clone()).await {
        Ok(_) => "IT OPENED".into(),
        Err(fault) => without_numbers(&fault.to_string(), base.folder.path()),
    }
}

/// Each attack, and what the box says.
pub async fn attacks() -> Vec<(&'static str, String)> {
    let base = Base::sqlite();
    let store = base.store().await;
    for name in ["hokuto-medical", "minami-medical", "higashi-systems"] {
        add(&store, name).await;
    }
    store.publish().await.unwrap();
    let mut found = Vec::new();
    found.push(("a second instance is started on the same folder", refused(&base.settings(), &base).await));

    // A copy of the running box, with what its database has not yet taken over from the write-ahead log.
    let copied = |name: &str| {
        let settings = Settings { data_dir: base.folder.path().join(name), ..base.settings() };
        copy_folder(&base.dir(), &settings.data_dir);
        settings
    };
    let settings = copied("flipped");
    let bytes = std::fs::read(wal(&settings.data_dir)).unwrap();
    let place = |bytes: &[u8], text: &str| bytes.windows(text.len()).rposition(|part| part == text.as_bytes()).expect("the text in the write-ahead log");
    let mut flipped = bytes.clone();
    let at = place(&bytes, "minami-medical");
    // In every frame that holds it: a page is written more than once.
    while let Some(at) = flipped.windows(14).position(|part| part == b"minami-medical") {
        flipped[at] ^= 1;
    }
    assert!(at > 0);
    std::fs::write(wal(&settings.data_dir), &flipped).unwrap();
    found.push(("bytes of the write-ahead log are edited", refused(&settings, &base).await));
    let settings = copied("sealed");
    std::fs::write(wal(&settings.data_dir), sealed(flipped)).unwrap();
    found.push(("bytes of the write-ahead log are edited, and its checksums computed anew", refused(&settings, &base).await));
    let settings = copied("none");
    std::fs::remove_file(wal(&settings.data_dir)).unwrap();
    found.push(("the write-ahead log is removed", refused(&settings, &base).await));

    // A trigger, while the box is stopped and while it runs.
    let settings = copied("trigger");
    sql(&database(&settings.data_dir), "CREATE TRIGGER hide AFTER INSERT ON log BEGIN DELETE FROM log WHERE seq = NEW.seq AND kind = 'left'; END");
    found.push(("a trigger is added to the database of a box that is stopped", refused(&settings, &base).await));
    let signed = store.checkpoint().unwrap();
    sql(&database(&base.dir()), "CREATE TRIGGER alter_it AFTER INSERT ON log BEGIN UPDATE log SET body = CAST(replace(CAST(body AS TEXT), 'honest', 'forged') AS BLOB) WHERE seq = NEW.seq; END");
    add(&store, "honest").await;
    let words = store.publish().await.err().map_or_else(|| "IT SIGNED".into(), |fault| without_numbers(&fault.to_string(), base.folder.path()));
    assert_eq!(store.checkpoint().unwrap(), signed, "what was not written is not signed");
    found.push(("a trigger is added to the database of a box that runs", words));
    store.shut().await;
    found
}
