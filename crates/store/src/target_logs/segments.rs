//! The lines of targets' logs as they came, before anybody reads them: parts of bounded size on the disk, encrypted, each
//! batch bound to the one before it.
//!
//! A file begins with a line that names form, number and time. Batches follow: a length of four bytes, and the sealed bytes.
//! The place that a batch is sealed for holds its number and the digest of everything before it, so that none can be changed,
//! left out or moved; where a file ends, the log says once it is closed.

use crate::fault::Fault;
use crate::keys::Keys;
use crate::log::sync_folder;
use crate::secrets::{Place, Sealed};
use sekisho_core::around::LineRef;
use sekisho_core::ids::LogSourceId;
use sekisho_core::time::Timestamp;
use sekisho_evidence::{Digest, Hasher};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder below the data folder.
const FOLDER: &str = "target-logs";
/// What the files end with.
const SUFFIX: &str = ".skl";
/// What a file begins with.
const FORM: &str = "sekisho-target-log/1";
/// Bytes after which a part is closed.
pub(super) const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// One sealed batch; more is neither written nor read.
const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of lines that are put into one batch.
const PIECE_BYTES: usize = 4 * 1024 * 1024;
/// What a line takes in a batch beside its bytes, at the most.
const LINE_HEAD: usize = 8 + 1 + 255 + 4;

/// One line as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawLine {
    /// When we received it.
    pub received: Timestamp,
    /// From which source.
    pub source: LogSourceId,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What a part holds, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub lines: u64,
    pub bytes: u64,
    pub digest: String,
}

/// The part that is being written.
pub(super) struct Segment {
    file: File,
    pub number: u64,
    pub began: Timestamp,
    batch: u64,
    pub lines: u64,
    pub bytes: u64,
    chain: Digest,
}

pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

fn path(data_dir: &Path, number: u64) -> PathBuf {
    folder(data_dir).join(format!("{number:010}{SUFFIX}"))
}

/// The parts that there are, the oldest first, with their sizes.
pub(super) fn list(data_dir: &Path) -> Result<Vec<(u64, u64)>, Fault> {
    let folder = folder(data_dir);
    DirBuilder::new().mode(0o700).recursive(true).create(&folder).map_err(Fault::io("the folder of targets' logs cannot be made"))?;
    let entries = fs::read_dir(&folder).map_err(Fault::io("the folder of targets' logs cannot be read"))?;
    let mut found: Vec<(u64, u64)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_suffix(SUFFIX)?.parse().ok()?, entry.metadata().ok()?.len()))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// When a part was begun, by its own first line.
pub(super) fn began(data_dir: &Path, number: u64) -> Result<Timestamp, Fault> {
    let words = || Fault::io("a part of targets' logs cannot be read");
    let mut first = Vec::new();
    File::open(path(data_dir, number)).map_err(words())?.take(128).read_to_end(&mut first).map_err(words())?;
    let line = first.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok()).and_then(|line| line.rsplit(' ').next()?.parse().ok());
    line.map(Timestamp).ok_or_else(|| Fault::Damaged(format!("part {number} of targets' logs has no beginning")))
}

/// Deletes a part.
pub(super) fn remove(data_dir: &Path, number: u64) -> Result<(), Fault> {
    fs::remove_file(path(data_dir, number)).map_err(Fault::io("a part of targets' logs cannot be deleted"))
}

fn head(number: u64, began: Timestamp) -> String {
    format!("{FORM} {number} {}\n", began.0)
}

fn chained(chain: Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(chain.as_bytes());
    hasher.update(bytes);
    hasher.finish()
}

fn row(number: u64, batch: u64, chain: Digest) -> String {
    format!("{number}:{batch}:{chain}")
}

/// The same lines in pieces, each of which makes a batch that can be read again.
pub(super) fn pieces(lines: &[RawLine]) -> Vec<&[RawLine]> {
    let (mut pieces, mut rest) = (Vec::new(), lines);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|line| {
            bytes += line.bytes.len() + LINE_HEAD;
            bytes <= PIECE_BYTES
        });
        let (piece, after) = rest.split_at(fits.count().max(1));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

impl Segment {
    /// Begins a part. Its name and first line are on the disk when this returns.
    pub fn begin(data_dir: &Path, number: u64, now: Timestamp) -> Result<Self, Fault> {
        let head = head(number, now);
        let words = || Fault::io("a part of targets' logs cannot be begun");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path(data_dir, number)).map_err(words())?;
        file.write_all(head.as_bytes()).and_then(|()| file.sync_data()).map_err(words())?;
        sync_folder(&folder(data_dir))?;
        Ok(Self { file, number, began: now, batch: 0, lines: 0, bytes: head.len() as u64, chain: Digest::of(head.as_bytes()) })
    }

    /// Adds lines; they are on the disk when this returns. Gives the place of the first.
    pub fn append(&mut self, keys: &Keys, lines: &[RawLine]) -> Result<LineRef, Fault> {
        let mut plain = Vec::with_capacity(lines.iter().map(|line| line.bytes.len() + 40).sum());
        for line in lines {
            plain.extend_from_slice(&line.received.0.to_be_bytes());
            let source = line.source.as_str().as_bytes();
            plain.push(u8::try_from(source.len()).unwrap_or(u8::MAX));
            plain.extend_from_slice(source);
            plain.extend_from_slice(&u32::try_from(line.bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            plain.extend_from_slice(&line.bytes);
        }
        let row = row(self.number, self.batch, self.chain);
        let sealed = keys.seal(Place { table: "target_logs", row: &row, column: "batch" }, &plain)?.into_bytes();
        let length = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= BATCH_BYTES);
        let mut frame = length.ok_or_else(|| Fault::Damaged("a batch of lines is too long".into()))?.to_be_bytes().to_vec();
        frame.extend_from_slice(&sealed);
        let words = || Fault::io("targets' logs cannot be written");
        self.file.write_all(&frame).and_then(|()| self.file.sync_data()).map_err(words())?;
        let first = LineRef { segment: self.number, line: self.lines };
        self.chain = chained(self.chain, &frame);
        self.batch += 1;
        self.lines += lines.len() as u64;
        self.bytes += frame.len() as u64;
        Ok(first)
    }

    /// What it holds.
    pub fn whole(&self) -> Whole {
        Whole { lines: self.lines, bytes: self.bytes, digest: self.chain.to_string() }
    }
}

/// Reads a part, each line of which is handed to `each` with its number. What a crash left half-written at the end is not read.
pub(super) fn read(data_dir: &Path, number: u64, keys: &Keys, each: impl FnMut(u64, RawLine)) -> Result<Whole, Fault> {
    read_marked(data_dir, number, keys, each, |_, _| {})
}

/// The same, and after each batch tells how many lines there are up to there, and the digest of the chain.
pub(super) fn read_marked(data_dir: &Path, number: u64, keys: &Keys, mut each: impl FnMut(u64, RawLine), mut mark: impl FnMut(u64, &Digest)) -> Result<Whole, Fault> {
    let bytes = fs::read(path(data_dir, number)).map_err(Fault::io("a part of targets' logs cannot be read"))?;
    let damaged = || Fault::Damaged(format!("part {number} of targets' logs was changed by somebody else"));
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)? + 1;
    let first = bytes.get(..end).ok_or_else(damaged)?;
    if !first.starts_with(format!("{FORM} {number} ").as_bytes()) {
        return Err(damaged());
    }
    let (mut chain, mut at, mut batch, mut lines) = (Digest::of(first), end, 0_u64, 0_u64);
    while let Some(length) = bytes.get(at..at + 4) {
        let length = usize::try_from(u32::from_be_bytes(length.try_into().map_err(|_| damaged())?)).map_err(|_| damaged())?;
        if length > BATCH_BYTES {
            return Err(damaged());
        }
        let Some(frame) = bytes.get(at..at + 4 + length) else { break };
        let row = row(number, batch, chain);
        let sealed = frame.get(4..).ok_or_else(damaged)?.to_vec();
        let plain = keys.unseal(Place { table: "target_logs", row: &row, column: "batch" }, &Sealed::from_bytes(sealed)).map_err(|_| damaged())?;
        let mut rest = plain.as_slice();
        while !rest.is_empty() {
            let (line, after) = one(rest).ok_or_else(damaged)?;
            each(lines, line);
            lines += 1;
            rest = after;
        }
        chain = chained(chain, frame);
        mark(lines, &chain);
        batch += 1;
        at += 4 + length;
    }
    Ok(Whole { lines, bytes: at as u64, digest: chain.to_string() })
}

fn one(bytes: &[u8]) -> Option<(RawLine, &[u8])> {
    let (received, rest) = bytes.split_at_checked(8)?;
    let (length, rest) = rest.split_first()?;
    let (source, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_at_checked(4)?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)?;
    let source = LogSourceId::parse(std::str::from_utf8(source).ok()?)?;
    Some((RawLine { received: Timestamp(i64::from_be_bytes(received.try_into().ok()?)), source, bytes: bytes.to_vec() }, rest))
}
