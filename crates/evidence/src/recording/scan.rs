//! Checking a recording without its key.

use std::io::Read;

use super::seal::{Seal, Totals};
use super::segment::{Step, Walk};
use super::{Header, RecordingBreach};
use crate::digest::Digest;

/// What a recording shows without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The header.
    pub header: Header,
    /// H_0.
    pub header_digest: Digest,
    /// Whole segments before the seal or the end.
    pub segments: u64,
    /// Frames that they claim.
    pub frames: u64,
    /// Milliseconds from the start to the last frame.
    pub last_ms: u64,
    /// The chain value after the last whole segment, the seal included.
    pub digest: Digest,
    /// The seal; `None` for a recording that is still running or was broken off.
    pub seal: Option<Seal>,
    /// What the seal counts.
    pub totals: Option<Totals>,
    /// The file ends inside a segment.
    pub torn: bool,
    /// Bytes of the file that are whole: where a sweeper cuts before it seals.
    pub whole_bytes: u64,
    /// Bytes after them.
    pub torn_bytes: u64,
}

/// Walks along a recording to its end, checks the chain and the seal, and holds one segment in memory at a time.
///
/// # Errors
/// A [`RecordingBreach`] if the file is no recording, was altered, or goes on after its seal. A torn tail is no error.
pub fn scan(source: impl Read) -> Result<Scan, RecordingBreach> {
    let mut walk = Walk::open(source)?;
    let (sealed, torn_bytes) = loop {
        match walk.step()? {
            Step::Frames { .. } => {}
            Step::Sealed(sealed) => break (Some(sealed), 0),
            Step::Unsealed { torn_bytes } => break (None, torn_bytes),
        }
    };
    Ok(Scan {
        header: walk.header,
        header_digest: walk.header_digest,
        segments: walk.segments,
        frames: walk.frames,
        last_ms: walk.last_ms,
        digest: walk.digest,
        totals: sealed.as_ref().map(|sealed| sealed.totals),
        seal: sealed.map(|sealed| sealed.seal),
        torn: torn_bytes > 0,
        whole_bytes: walk.whole,
        torn_bytes,
    })
}
