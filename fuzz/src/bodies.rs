//! What each fuzzer does with its bytes. `fuzz_targets` gives these functions to libFuzzer, and the testsuite runs them over
//! the committed corpus and over changes to it, without nightly.

use bytes::Bytes;
use sekisho_core::command::{CommandRule, Judge, RuleAct, sets};
use sekisho_core::target::{TargetClass, Witness};
use sekisho_core::time::Timestamp;
use sekisho_detect::frame::{Framer, Framing};
use sekisho_evidence::checkpoint::{self, PublicKey};
use sekisho_evidence::log::{self, MemoryFiles};
use sekisho_evidence::recording::{DataKey, Decoder, Encoder, Frame, Header, scan};
use sekisho_evidence::verify::{Recordings, verify};
use sekisho_protocol::files::{Quota, Rights, Rule};
use sekisho_protocol::passwd::Dialogue;
use sekisho_protocol::ssh::command::{Command, ScpDirection, ScpTransfer, read};
use sekisho_protocol::terminal::Watcher;
use sekisho_protocol::{login, scp, sftp};
use std::collections::BTreeSet;

/// Every target by the name of its binary and of its folder in `corpus`.
pub const ALL: &[(&str, fn(&[u8]))] = &[
    ("command", rules),
    ("evidence", evidence),
    ("exec", exec),
    ("login", login_name),
    ("logline", log_line),
    ("passwd", passwd),
    ("recording", recording),
    ("scp", scp_channel),
    ("sftp", sftp_channel),
    ("terminal", terminal),
];

/// Pieces of a conversation: a head byte, whose upper bits are a length, and as many bytes.
fn pieces(data: &[u8], shift: u32) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first()?;
        let (piece, after) = after.split_at(usize::from(head >> shift).min(after.len()));
        rest = after;
        Some((*head, piece))
    })
}

/// A pattern, a line's end, and a command line, for each class of targets.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, line) = text.split_once('\n').unwrap_or((&text, "rm -rf /"));
    for class in TargetClass::ALL {
        let mut rules = vec![CommandRule { pattern: pattern.to_owned(), act: RuleAct::Refuse, reason: String::new() }];
        rules.extend(sets::whole(class));
        let judge = Judge::new(class, &rules, &[pattern.to_owned()], Some(RuleAct::Hold), Witness::None);
        let _ = judge.judge(line);
    }
}

/// A stream of a log source in pieces, and each message that comes of it; the first byte says which form.
pub fn log_line(data: &[u8]) {
    let Some((form, rest)) = data.split_first() else { return };
    let mut framer = Framer::new(if form & 1 == 0 { Framing::Counted } else { Framing::Either });
    for (_, piece) in pieces(rest, 1) {
        framer.push(piece);
        while let Ok(Some(message)) = framer.next() {
            let _ = sekisho_detect::read::read(message, Timestamp(1_795_334_410_000), 540);
        }
    }
    let _ = framer.finish();
    let _ = sekisho_detect::read::read(rest, Timestamp(i64::from(*form) << 40), i32::from(*form) * 60);
    // The same bytes as a file that somebody brings: as it is, and as the records of an event log.
    let _ = sekisho_detect::import::read(rest, form & 2 == 0, 100);
    let mut file = vec![0; 4096 + 65_536];
    file[..8].copy_from_slice(b"ElfFile\0");
    file[4096..4104].copy_from_slice(b"ElfChnk\0");
    let records = &rest[..rest.len().min(65_536 - 512)];
    file[4096 + 512..4096 + 512 + records.len()].copy_from_slice(records);
    let free = u32::try_from(512 + records.len()).unwrap_or(0).to_le_bytes();
    file[4096 + 0x30..4096 + 0x34].copy_from_slice(&free);
    let _ = sekisho_detect::import::read(&file, false, 100);
}

/// The log's texts as an outsider gets them: a checkpoint, a path, a bundle of entries, a whole folder.
pub fn evidence(data: &[u8]) {
    const KEY: &str = include_str!("../../testsuite/fixtures/v1/key.pub");
    let key = PublicKey::parse(KEY.trim()).expect("the fixture's key");
    let _ = log::split_bundle(data).take(10_000).count();
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = PublicKey::parse(text);
        let _ = log::Tile::parse(text);
        // Whatever opens says what it was signed over; nothing but the fixture's own text was.
        if checkpoint::open(text, &key).is_ok() {
            assert!(text.contains("\n\n— "), "{text}");
        }
    }
    let mut files = MemoryFiles::new();
    files.put("log/checkpoint", include_bytes!("../../testsuite/fixtures/v1/data/log/checkpoint").to_vec());
    files.put("log/tile/0/000", include_bytes!("../../testsuite/fixtures/v1/data/log/tile/0/000").to_vec());
    files.put("log/tile/0/001.p/6", include_bytes!("../../testsuite/fixtures/v1/data/log/tile/0/001.p/6").to_vec());
    files.put("log/tile/1/000.p/1", include_bytes!("../../testsuite/fixtures/v1/data/log/tile/1/000.p/1").to_vec());
    files.put("log/tile/entries/000", include_bytes!("../../testsuite/fixtures/v1/data/log/tile/entries/000").to_vec());
    // The last bundle is the fuzzer's.
    files.put("log/tile/entries/001.p/6", data.to_vec());
    let _ = verify(&files, &key, None, Recordings::Check { running: &BTreeSet::new() });
}

/// An exec command line: SCP, rsync, or anything else.
pub fn exec(data: &[u8]) {
    for command in [data.to_vec(), [b"rsync --server ", data].concat(), [b"rsync --server --sender -re.x . ", data].concat()] {
        if let Command::Rsync(rsync) = read(&command) {
            // What counts as a transfer has no byte that could begin a second command.
            let mut quoted = false;
            for byte in &command {
                assert!(quoted || !b";&|<>$`(){}\n\r\t\"'#!".contains(byte), "{}", String::from_utf8_lossy(&command));
                quoted = *byte == b'\\' && !quoted;
            }
            assert!(!rsync.paths.is_empty() && !rsync.needs.is_empty());
        }
    }
}

/// The login name: what parses must be spelled in one way.
pub fn login_name(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    if let Ok(login) = login::parse(name) {
        let plan = login.plan.map_or(String::new(), |plan| format!("+{plan}"));
        assert_eq!(format!("{}+{}{plan}", login.worker, login.target), name);
    }
}

/// What a target says while a password is changed.
pub fn passwd(data: &[u8]) {
    let mut dialogue = Dialogue::default();
    for (_, piece) in pieces(data, 1) {
        if dialogue.heard(piece).is_err() {
            return;
        }
    }
    let _ = dialogue.is_complete();
}

/// Frames as somebody with the key could have written them: of any kind, with any payload. What is read is what is
/// written again.
fn frames(data: &[u8]) {
    let name = String::new;
    let header = Header { session: "S-1".into(), plan: name(), target: name(), person: name(), protocol: name(), started_at: 0, log_origin: name(), wrapped_key: Vec::new(), recipients: Vec::new(), second: None };
    let (mut encoder, mut packer, mut file) = Encoder::start(&header, DataKey::from_bytes([7; 32])).expect("a header of ours");
    for (kind, piece) in pieces(data, 0) {
        let _ = encoder.push(0, 1, Frame::Unknown { kind: kind % 16, payload: piece.to_vec() });
    }
    while let Some(batch) = encoder.take() {
        packer.pack(&batch, &mut file).expect("frames that were taken");
    }
    let mut decoder = Decoder::open(file.as_slice()).expect("a recording of ours");
    decoder.unlock(DataKey::from_bytes([7; 32]));
    let (mut again, ..) = Encoder::start(&header, DataKey::from_bytes([7; 32])).expect("a header of ours");
    while let Ok(Some(timed)) = decoder.next_frame() {
        assert!(again.push(timed.at_ms, timed.channel, timed.frame).is_ok());
    }
}

/// A recording as a copy has it, without its key; and the same bytes as its frames.
pub fn recording(data: &[u8]) {
    frames(data);
    let _ = scan(data);
    let Ok(mut decoder) = Decoder::open(data) else { return };
    while let Ok(Some(_)) = decoder.next_frame() {}
    let _ = decoder.end();
}

/// Both directions of an SCP channel; the first byte chooses which side is the source, and whether it has the right.
pub fn scp_channel(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let direction = if first & 1 == 0 { ScpDirection::Upload } else { ScpDirection::Download };
    let rights = if first & 2 == 0 { Rights::ALL } else { Rights::default() };
    let quota = Quota::new((Some(400), Some(3)), (Some(400), Some(3)));
    let mut guard = scp::Guard::new(ScpTransfer { direction, path: b"/tmp".to_vec() }, Rule { rights, quota, ..Rule::default() });
    for (head, piece) in pieces(data, 1) {
        let piece = Bytes::copy_from_slice(piece);
        let _ = if head & 1 == 0 { guard.from_worker(piece) } else { guard.from_target(piece) };
        let _ = (guard.due_to_worker(), guard.due_to_target());
    }
    let _ = guard.finish();
}

/// Both directions of an SFTP channel. The first byte says which rights there are, and a limit is near.
pub fn sftp_channel(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let has = |bit: u8| first & (1 << bit) != 0;
    let rights = Rights { download: has(0), upload: has(1), delete: has(2), rename: has(3) };
    staged_channel(rights, data);
    let quota = Quota::new((Some(400), Some(3)), (Some(400), Some(3)));
    let mut guard = sftp::Guard::new(Rule { rights, quota, ..Rule::default() });
    // Past the agreement, so that the fuzzer spends its time behind it.
    let _ = guard.from_worker(Bytes::from_static(&[0, 0, 0, 5, 1, 0, 0, 0, 3]));
    let _ = guard.from_target(Bytes::from_static(&[0, 0, 0, 5, 2, 0, 0, 0, 3]));
    for (head, piece) in pieces(data, 1) {
        let piece = Bytes::copy_from_slice(piece);
        let _ = if head & 1 == 0 { guard.from_worker(piece) } else { guard.from_target(piece) };
        let _ = guard.due_to_worker();
    }
    let _ = guard.finish();
}

/// The same channel where uploads wait: what the target is sent is a request of the stage or one that the guard let pass,
/// and every decision and part of content may come at any moment.
fn staged_channel(rights: Rights, data: &[u8]) {
    let room = std::sync::Arc::default();
    let mut stage = sftp::Quarantined::new(Rule { rights, ..Rule::default() }, room);
    let _ = stage.from_worker(Bytes::from_static(&[0, 0, 0, 5, 1, 0, 0, 0, 3]));
    let _ = stage.from_target(&[0, 0, 0, 5, 2, 0, 0, 0, 3]);
    for (head, piece) in pieces(data, 1) {
        let _ = match head & 3 {
            0 | 1 => stage.from_worker(Bytes::copy_from_slice(piece)),
            2 => stage.from_target(piece),
            _ => stage.decided(u32::from(head >> 4), if head & 4 == 0 { Ok(()) } else { Err(String::new()) }),
        };
        while let Some(want) = stage.wants() {
            let _ = stage.content(want, (head & 8 == 0).then(|| Bytes::from(vec![0; want.length])));
        }
        let _ = (stage.effects(), stage.due_to_worker(), stage.due_to_target());
    }
    let _ = stage.finish();
}

/// A terminal: pieces of output, input and resizes.
pub fn terminal(data: &[u8]) {
    let mut watcher = Watcher::new(20, 6);
    for (head, piece) in pieces(data, 2) {
        match head & 3 {
            0 | 1 => drop(watcher.output(piece)),
            2 => {
                let taken = watcher.input_up_to_enter(piece);
                let _ = watcher.present();
                watcher.input(piece.get(taken..).unwrap_or_default());
            }
            _ => watcher.resize(piece.first().copied().unwrap_or(1).into(), piece.get(1).copied().unwrap_or(1).into()),
        }
    }
    let _ = watcher.screen_text();
    let _ = watcher.screen_restore();
}
