//! The seal that ends a recording. It needs no key, so that a sweeper can close what a crash left open.

use serde::{Deserialize, Serialize};

use super::RecordingBreach;
use super::scan::Scan;
use super::segment::{Head, put};
use crate::digest::Digest;
use crate::limits::MAX_CAUSE_BYTES;

/// Why and when a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The cause, as in the log's `left` entry. Cut at [`MAX_CAUSE_BYTES`].
    pub cause: String,
    /// End in milliseconds since 1970-01-01 UTC.
    pub ended_at: i64,
}

/// What a sealed recording holds. The byte counts are `None` if the seal was set after a crash, without the data key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Segments before the seal.
    pub segments: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes of standard output recorded.
    pub output_bytes: Option<u64>,
    /// Bytes of standard error recorded.
    pub error_bytes: Option<u64>,
    /// Bytes of input counted.
    pub input_bytes: Option<u64>,
}

/// A recording that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// H_0, the digest of the header; the log's `entered` entry holds it.
    pub header_digest: Digest,
    /// The chain value after the seal; the log's `left` entry holds it, and it covers every byte of the file.
    pub digest: Digest,
    /// Why and when.
    pub seal: Seal,
    /// How much.
    pub totals: Totals,
}

/// The JSON in the seal segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealRecord {
    cause: String,
    ended_at: i64,
    totals: Totals,
    last: Digest,
}

impl SealRecord {
    pub(super) fn new(seal: Seal, totals: Totals, last: Digest) -> Self {
        let mut cause = seal.cause;
        cause.truncate(cause.floor_char_boundary(MAX_CAUSE_BYTES));
        Self {
            cause,
            ended_at: seal.ended_at,
            totals,
            last,
        }
    }

    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(body).ok()?;
        let canonical =
            serde_json::to_vec(&record).ok()? == body && record.cause.len() <= MAX_CAUSE_BYTES;
        canonical.then_some(record)
    }

    /// Whether the seal says of the recording before it what is there.
    pub(super) fn belongs(&self, last: &Digest, segments: u64, frames: u64) -> bool {
        self.last == *last && self.totals.segments == segments && self.totals.frames == frames
    }

    pub(super) fn sealed(self, header_digest: Digest, digest: Digest) -> Sealed {
        let seal = Seal {
            cause: self.cause,
            ended_at: self.ended_at,
        };
        Sealed {
            header_digest,
            digest,
            seal,
            totals: self.totals,
        }
    }

    /// Appends the seal segment to `out`.
    pub(super) fn write(
        self,
        header_digest: Digest,
        out: &mut Vec<u8>,
    ) -> Result<Sealed, RecordingBreach> {
        let body = serde_json::to_vec(&self).map_err(|_| RecordingBreach::Header)?;
        let length = body.len() as u32;
        let number = self.totals.segments + 1;
        let head = Head {
            seal: true,
            number,
            first_ms: 0,
            last_ms: 0,
            frames: 0,
            plain: length,
            body: length,
        };
        let digest = put(out, &self.last, &head.to_bytes(), &body);
        Ok(self.sealed(header_digest, digest))
    }
}

/// Seals a recording that a crash left open, after `scan` walked along it. The caller cuts the file at
/// [`Scan::whole_bytes`] and appends the bytes.
///
/// # Errors
/// [`RecordingBreach::Sealed`] if it already has a seal.
pub fn seal_after(scan: &Scan, seal: Seal) -> Result<(Vec<u8>, Sealed), RecordingBreach> {
    if scan.seal.is_some() {
        return Err(RecordingBreach::Sealed);
    }
    let totals = Totals {
        segments: scan.segments,
        frames: scan.frames,
        ..Totals::default()
    };
    let mut out = Vec::new();
    let sealed = SealRecord::new(seal, totals, scan.digest).write(scan.header_digest, &mut out)?;
    Ok((out, sealed))
}
