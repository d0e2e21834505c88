//! Opening a recording away from the box: with the file, and the key of an auditor for whom it was wrapped.
//!
//! Nothing here needs the box, its database or its keys. What is written stands in a folder of its own, under names of ours:
//! what a vendor called a file never becomes a path.
//!
//! The public key of an auditor stands in each recording that opens with it, so that anybody can make one more that does: what is
//! read is nobody's word yet, and what is written is bounded by the length of the file.

use super::agree::{SHARE, joined};
use super::content::{Broken, Open, hand_out, survey_within};
use crate::fault::Fault;
use age::secrecy::ExposeSecret as _;
use sekisho_core::reconcile::FileSeen;
use sekisho_evidence::recording::{DataKey, Decoder, End, Frame, Header, asciicast};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest file of keys that is read.
const KEY_FILE_BYTES: u64 = 64 * 1024;
/// Keys of it that are tried.
const KEYS: usize = 16;
/// Channels that are written out.
const CHANNELS: usize = 64;
/// Files whose contents are written out.
const FILES: usize = 1_000;
/// Of these, the ones that are put together from parts which lie apart: each takes many readings of the recording.
const SCATTERED: usize = 32;
/// What a recording may unpack to, and be written out as: so many times its length, and so many bytes for a small one.
const UNPACKS: u64 = 100;
const UNPACKS_LEAST: u64 = 64 * 1024 * 1024;
/// The first line of what happened.
const UNPROVED: &str = "# この内容は、`sekisho verify` でこの録画が証跡と一致すると確かめるまで、何の証明にもなりません。 / Nothing of this is proved until `sekisho verify` holds the recording against the log.";

/// A key that was just made, for an auditor on a machine of their own.
pub struct NewAuditorKey {
    /// The public key, for the hospital.
    pub public: String,
    /// The text of the file that holds the private key, in the form of `age-keygen`.
    pub file: Zeroizing<String>,
}

/// What was opened.
#[derive(Clone, Debug)]
pub struct OpenedRecording {
    /// Its header.
    pub header: Header,
    /// It ended with its seal.
    pub sealed: bool,
    /// The chain value at its end, hexadecimal: the log's `left` entry holds the same.
    pub digest: String,
    /// Frames that were read.
    pub frames: u64,
    /// Files that were written.
    pub written: Vec<PathBuf>,
}

/// Makes a key. `made` is when, as text.
#[must_use]
pub fn new_auditor_key(made: &str) -> NewAuditorKey {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let secret = identity.to_string();
    let file = Zeroizing::new(format!("# created: {made}\n# public key: {public}\n{}\n", secret.expose_secret()));
    NewAuditorKey { public, file }
}

/// Reads a file of keys as `age-keygen` writes it. One that others can read is refused.
pub(super) fn identities(path: &Path) -> Result<Vec<age::x25519::Identity>, Fault> {
    let file = File::open(path).map_err(Fault::io("the file of keys cannot be opened"))?;
    let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(Fault::io("the file of keys cannot be looked at"))?);
    if mode & 0o077 != 0 {
        return Err(Fault::Folder(format!("{} can be read by others; set it right with: chmod 600 {0}", path.display())));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES).read_to_string(&mut text).map_err(Fault::io("the file of keys cannot be read"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(KEYS);
    let keys: Result<Vec<_>, _> = lines.map(str::parse::<age::x25519::Identity>).collect();
    let keys = keys.map_err(|why| Fault::Crypto(format!("{} holds a line that is no key of age: {why}", path.display())))?;
    if keys.is_empty() { Err(Fault::Crypto(format!("{} holds no key", path.display()))) } else { Ok(keys) }
}

/// Opens the key of a recording with any of these keys; where two persons open it together, its one half.
fn unwrap(header: &Header, keys: &[age::x25519::Identity]) -> Result<Zeroizing<[u8; SHARE]>, Fault> {
    let crypto = |why: String| Fault::Crypto(format!("the recording does not open with this key: {why}"));
    let decryptor = age::Decryptor::new(header.wrapped_key.as_slice()).map_err(|error| crypto(error.to_string()))?;
    let mut reader = decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).map_err(|error| crypto(error.to_string()))?;
    let mut key = Zeroizing::new([0_u8; SHARE]);
    reader.read_exact(key.as_mut_slice()).map_err(|error| crypto(error.to_string()))?;
    let mut more = [0_u8; 1];
    match reader.read(&mut more) {
        Ok(0) => Ok(key),
        _ => Err(crypto("what is wrapped is no key".into())),
    }
}

fn open(path: &Path, key: &DataKey) -> Result<Decoder<BufReader<File>>, Fault> {
    super::frames(path, |_| Ok(key.clone()))
}

/// Bytes that may still come of a recording.
struct Budget {
    left: u64,
    most: u64,
}

impl Budget {
    fn of(path: &Path) -> Result<Self, Fault> {
        let length = fs::metadata(path).map_err(Fault::io("the recording cannot be looked at"))?.len();
        let most = length.saturating_mul(UNPACKS).saturating_add(UNPACKS_LEAST);
        Ok(Self { left: most, most })
    }

    fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Fault::Damaged(format!("the recording unpacks to more than {} bytes, which no recording of its length does; it is not opened", self.most)))?;
        Ok(())
    }
}

/// A file that takes no more than the budget has.
struct Out<'a> {
    file: BufWriter<File>,
    budget: &'a mut Budget,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.budget.take(bytes.len() as u64).map_err(std::io::Error::other)?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What one reading to the end tells.
struct Seen {
    frames: u64,
    channels: BTreeSet<u32>,
    kept: BTreeSet<u32>,
    sealed: bool,
    digest: String,
}

fn weight(frame: &Frame) -> u64 {
    let bytes = match frame {
        Frame::Output(data) | Frame::Error(data) | Frame::Content { data, .. } => data.len(),
        Frame::Command { text, line } => text.len() + line.len(),
        Frame::ChannelOpen { text, .. } | Frame::Message { text } | Frame::Marker { text } => text.len(),
        Frame::FileOp { json } => json.len(),
        _ => 0,
    };
    // A frame without anything in it is written out as a line.
    bytes as u64 + 32
}

/// Reads a recording to its end; nothing is written before all of it was seen to open, and to be no more than it may.
fn look_through(path: &Path, key: &DataKey) -> Result<Seen, Fault> {
    let mut budget = Budget::of(path)?;
    let mut decoder = open(path, key)?;
    let mut seen = Seen { frames: 0, channels: BTreeSet::new(), kept: BTreeSet::new(), sealed: false, digest: String::new() };
    while let Some(timed) = decoder.next_frame().map_err(super::read::damaged)? {
        seen.frames += 1;
        budget.take(weight(&timed.frame))?;
        match &timed.frame {
            Frame::ChannelOpen { .. } | Frame::Output(_) | Frame::Error(_) if seen.channels.len() < CHANNELS => {
                seen.channels.insert(timed.channel);
            }
            Frame::FileOp { json } if seen.kept.len() < FILES => {
                let content = serde_json::from_str::<FileSeen>(json).ok().and_then(|file| file.kept);
                seen.kept.extend(content.map(|content| content.file));
            }
            _ => {}
        }
    }
    match decoder.end() {
        Some(End::Sealed(sealed)) => (seen.sealed, seen.digest) = (true, sealed.digest.to_string()),
        Some(End::Unsealed { digest, .. }) => seen.digest = digest.to_string(),
        None => {}
    }
    Ok(seen)
}

/// Opens a recording with the key of an auditor and writes what is in it into a new folder: what happened as text, each channel
/// as asciicast, the contents of files that were kept. Without a folder it is read to its end, which shows that all of it opens.
/// Where two persons open it together, `agreement` is the file that the holder of a second key gave for this recording and this key.
///
/// # Errors
/// A fault: a key that does not open it, an agreement that is missing or belongs to another recording, a recording that was altered
/// or unpacks to more than it may, a folder that exists.
pub fn open_recording(path: &Path, key_file: &Path, agreement: Option<&Path>, folder: Option<&Path>) -> Result<OpenedRecording, Fault> {
    let keys = identities(key_file)?;
    let file = File::open(path).map_err(Fault::io("the recording cannot be opened"))?;
    let header = Decoder::open(BufReader::new(file)).map_err(super::read::damaged)?.header().clone();
    let key = joined(&*unwrap(&header, &keys)?, &header, &keys, agreement)?;
    let seen = look_through(path, &key)?;
    let mut opened = OpenedRecording { header, sealed: seen.sealed, digest: seen.digest, frames: seen.frames, written: Vec::new() };
    let Some(folder) = folder else { return Ok(opened) };
    DirBuilder::new().mode(0o700).create(folder).map_err(Fault::io(format!("the folder {} cannot be made (it must be new)", folder.display())))?;
    let mut make = |name: String| {
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(Fault::io(format!("{} cannot be written", path.display())))?;
        opened.written.push(path);
        Ok::<_, Fault>(BufWriter::new(file))
    };
    let failed = |error: std::io::Error| Fault::io("what was opened cannot be written")(error);
    let mut budget = Budget::of(path)?;
    let mut text = Out { file: make("events.txt".into())?, budget: &mut budget };
    writeln!(text, "{UNPROVED}").map_err(failed)?;
    let mut decoder = open(path, &key)?;
    while let Some(timed) = decoder.next_frame().map_err(super::read::damaged)? {
        if let Some(line) = line_of(&timed.frame, &seen.kept) {
            let seconds = timed.at_ms / 1000;
            writeln!(text, "{:02}:{:02}:{:02}.{:03}  [{}]  {line}", seconds / 3600, seconds / 60 % 60, seconds % 60, timed.at_ms % 1000, timed.channel).map_err(failed)?;
        }
    }
    text.flush().map_err(failed)?;
    for channel in &seen.channels {
        let mut out = Out { file: make(format!("channel-{channel}.cast"))?, budget: &mut budget };
        let written = asciicast(&opened.header, open(path, &key)?, *channel, &mut out);
        written.map_err(|fault| Fault::Damaged(fault.to_string()))?;
        out.flush().map_err(failed)?;
    }
    let mut scattered = 0;
    for number in &seen.kept {
        let (path, key) = (path.to_owned(), key.clone());
        let again: Box<Open> = Box::new(move || open(&path, &key));
        let mut out = make(format!("file-{number}.bin"))?;
        // What never went over is zeros: a byte far out must not fill the disk.
        let apart = if scattered < SCATTERED { budget.left } else { 0 };
        let written = survey_within(&*again, *number, apart).and_then(|survey| {
            scattered += usize::from(survey.is_scattered());
            budget.take(survey.bytes)?;
            hand_out(&*again, *number, &survey, &mut |part| out.write_all(part).map_err(|error| Broken::Fault(Fault::io("a content cannot be written")(error))))
        });
        match written {
            Ok(()) => out.flush().map_err(failed)?,
            Err(Broken::Fault(fault)) => return Err(fault),
            // One that lies too far apart is told by its size of nothing; the others follow.
            Err(Broken::Refused(_) | Broken::Gone) => {}
        }
    }
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(opened)
}

/// What a frame tells, for people, without what would move a cursor or turn the order of letters round; nothing for what is seen
/// in the replay alone.
fn line_of(frame: &Frame, kept: &BTreeSet<u32>) -> Option<String> {
    Some(match frame {
        Frame::ChannelOpen { kind, text } => format!("open {kind:?} {}", plain(text)),
        Frame::ChannelClose { exit } => format!("close {}", plain(&format!("{exit:?}"))),
        Frame::Command { text, .. } => format!("$ {}", plain(text)),
        Frame::FileOp { json } => {
            let seen: FileSeen = serde_json::from_str(json).ok()?;
            let line = format!("file {} {} ({} bytes)", plain(&seen.op), plain(&seen.path), seen.bytes);
            match seen.kept.filter(|content| kept.contains(&content.file)) {
                Some(content) => format!("{line} -> file-{}.bin", content.file),
                None => line,
            }
        }
        Frame::Message { text } => format!("told: {}", plain(text)),
        Frame::Marker { text } => format!("mark: {}", plain(text)),
        _ => return None,
    })
}

/// A text of others as it may be shown to people: on one line, without what would move a cursor or turn the order of letters round.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() || is_mark(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Letters that are not seen and change how others are.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_evidence::recording::{Encoder, Recipient, RecipientKind, Seal};

    #[test]
    fn a_recording_opens_with_the_auditors_key_alone_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        };
        let (mine, other) = (new_auditor_key("2026"), new_auditor_key("2026"));
        let recipient: age::x25519::Recipient = mine.public.parse().unwrap();
        let header = Header {
            session: "ses-aaaaaaaaaaaaaaaa".into(),
            plan: String::new(),
            target: String::new(),
            person: String::new(),
            protocol: "ssh".into(),
            started_at: 0,
            log_origin: "sekisho/aoba".into(),
            wrapped_key: age::encrypt(&recipient, &[7; 32]).unwrap(),
            recipients: vec![Recipient { kind: RecipientKind::Auditor, name: "監査".into(), key: mine.public.clone() }],
            second: None,
        };
        let (mut encoder, packer, mut bytes) = Encoder::start(&header, DataKey::from_bytes([7; 32])).unwrap();
        encoder.push(0, 1, Frame::ChannelOpen { kind: sekisho_evidence::recording::ChannelKind::Shell, text: "xterm".into() }).unwrap();
        encoder.push(1_500, 1, Frame::Command { text: "uptime".into(), line: "$ uptime".into() }).unwrap();
        encoder.output(1_600, 1, b"up 3 days\r\n").unwrap();
        let (end, sealed) = packer.seal(encoder, Seal { cause: "closed".into(), ended_at: 2_000 }).unwrap();
        bytes.extend(end);
        let recording = folder.path().join("a.skr");
        fs::write(&recording, &bytes).unwrap();
        let (own, foreign) = (write("own", &mine.file), write("foreign", &other.file));
        let out = folder.path().join("out");
        let opened = open_recording(&recording, &own, None, Some(&out)).unwrap();
        assert!(opened.sealed && opened.digest == sealed.digest.to_string() && opened.frames == 3);
        assert!(fs::read_to_string(out.join("events.txt")).unwrap().contains("00:00:01.500  [1]  $ uptime"));
        assert!(fs::read_to_string(out.join("channel-1.cast")).unwrap().contains("up 3 days"));
        assert!(matches!(open_recording(&recording, &foreign, None, None), Err(Fault::Crypto(_))));
        assert!(open_recording(&recording, &own, None, Some(&out)).is_err(), "what is there already is not written over");
        let place = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
        fs::write(&recording, &bytes).unwrap();
        assert!(open_recording(&recording, &own, None, None).is_err());
        fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(open_recording(&recording, &own, None, None), Err(Fault::Folder(_))), "a key that others can read is refused");
    }

    /// A recording with these frames that opens with a key, which anybody can make who knows the public half.
    fn crafted(folder: &Path, frames: Vec<Frame>) -> (PathBuf, PathBuf) {
        let mine = new_auditor_key("2026");
        let key_file = folder.join("key");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key_file).unwrap().write_all(mine.file.as_bytes()).unwrap();
        let recipient: age::x25519::Recipient = mine.public.parse().unwrap();
        let header = Header {
            session: "ses-aaaaaaaaaaaaaaaa".into(),
            plan: String::new(),
            target: String::new(),
            person: String::new(),
            protocol: "ssh".into(),
            started_at: 0,
            log_origin: "sekisho/aoba".into(),
            wrapped_key: age::encrypt(&recipient, &[7; 32]).unwrap(),
            recipients: vec![Recipient { kind: RecipientKind::Auditor, name: "監査".into(), key: mine.public.clone() }],
            second: None,
        };
        let (mut encoder, mut packer, mut bytes) = Encoder::start(&header, DataKey::from_bytes([7; 32])).unwrap();
        for frame in frames {
            encoder.push(0, 1, frame).unwrap();
            while let Some(batch) = encoder.take_full() {
                packer.pack(&batch, &mut bytes).unwrap();
            }
        }
        let (end, _) = packer.seal(encoder, Seal { cause: "closed".into(), ended_at: 2_000 }).unwrap();
        bytes.extend(end);
        let recording = folder.join("a.skr");
        fs::write(&recording, &bytes).unwrap();
        (recording, key_file)
    }

    #[test]
    fn a_recording_that_somebody_made_to_fill_a_disk_or_a_terminal_does_neither() {
        let folder = tempfile::tempdir().unwrap();
        let (bomb, key) = crafted(folder.path(), (0..12_000).map(|_| Frame::Output(vec![b'a'; 8192])).collect());
        assert!(fs::metadata(&bomb).unwrap().len() < 300_000);
        let out = folder.path().join("out");
        assert!(matches!(open_recording(&bomb, &key, None, Some(&out)), Err(Fault::Damaged(_))));
        assert!(!out.exists(), "nothing is written of what unpacks to more than it may");

        let folder = tempfile::tempdir().unwrap();
        let mut frames = Vec::new();
        for file in 0..FILES as u32 + 5 {
            frames.push(Frame::Content { file, offset: (1 << 30) - 1, data: vec![1] });
            let seen = FileSeen { at_ms: 0, bytes: 1, sha256: None, ok: true, op: "put\n00:00:09.000  [1]  $ rm\u{1b}[2J".into(), path: "/a\u{202e}b\u{2028}c".into(), kept: Some(sekisho_core::reconcile::Kept { file, bytes: 1, whole: true }) };
            frames.push(Frame::FileOp { json: serde_json::to_string(&seen).unwrap() });
        }
        let (apart, key) = crafted(folder.path(), frames);
        let out = folder.path().join("out");
        let opened = open_recording(&apart, &key, None, Some(&out)).unwrap();
        assert!(opened.written.len() <= FILES + 2, "{}", opened.written.len());
        let bytes: u64 = fs::read_dir(&out).unwrap().map(|file| file.unwrap().metadata().unwrap()).map(|file| file.len()).sum();
        assert!(bytes < 1_000_000, "{bytes} bytes of zeros");
        let told = fs::read_to_string(out.join("events.txt")).unwrap();
        assert!(told.starts_with(UNPROVED));
        assert_eq!(told.lines().count(), FILES + 6, "a name of an operation makes no line of its own");
        assert!(!told.chars().any(|letter| (letter.is_control() && letter != '\n') || is_mark(letter)));
    }
}
