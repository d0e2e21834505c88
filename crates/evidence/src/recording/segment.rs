//! Segments in the file: their clear header, their chain value, and how a reader walks along them.

use std::io::{self, Read};

use super::cipher::TAG_BYTES;
use super::seal::{SealRecord, Sealed};
use super::{Header, RecordingBreach};
use crate::digest::{Digest, Hasher};
use crate::limits::{
    MAX_SEAL_BYTES, MAX_SEGMENT_BODY_BYTES, MAX_SEGMENT_PLAIN_BYTES, SEGMENT_HEADER_BYTES,
};

const CHAIN_DOMAIN: &[u8] = b"sekisho-rec-v1";
const FRAMES: u8 = 1;
const SEAL: u8 = 2;

/// The clear header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seal: bool,
    pub(super) number: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    pub(super) frames: u32,
    pub(super) plain: u32,
    pub(super) body: u32,
}

impl Head {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.push(if self.seal { SEAL } else { FRAMES });
        for value in [self.number, self.first_ms, self.last_ms] {
            out.extend_from_slice(&value.to_be_bytes());
        }
        for value in [self.frames, self.plain, self.body] {
            out.extend_from_slice(&value.to_be_bytes());
        }
        out
    }

    fn parse(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let seal = match kind {
            FRAMES => false,
            SEAL => true,
            _ => return None,
        };
        let long = |at: usize| Some(u64::from_be_bytes(rest.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            seal,
            number: long(0)?,
            first_ms: long(8)?,
            last_ms: long(16)?,
            frames: short(24)?,
            plain: short(28)?,
            body: short(32)?,
        })
    }

    /// Whether the header may stand here, after `number` - 1 segments that ended at `last_ms`.
    fn fits(&self, number: u64, last_ms: u64) -> bool {
        let (plain, body) = (self.plain as usize, self.body as usize);
        let kind = if self.seal {
            (self.first_ms, self.last_ms, self.frames) == (0, 0, 0)
                && plain == body
                && body <= MAX_SEAL_BYTES
        } else {
            last_ms <= self.first_ms
                && self.first_ms <= self.last_ms
                && self.frames > 0
                && plain <= MAX_SEGMENT_PLAIN_BYTES
                && (TAG_BYTES..=MAX_SEGMENT_BODY_BYTES).contains(&body)
        };
        kind && self.number == number
    }
}

/// H_n from H_(n-1).
pub(super) fn chain(previous: &Digest, head: &[u8], body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher
        .update(CHAIN_DOMAIN)
        .update(previous.as_bytes())
        .update(head)
        .update(body);
    hasher.finish()
}

/// Appends a whole segment to `out` and gives its chain value.
pub(super) fn put(out: &mut Vec<u8>, previous: &Digest, head: &[u8], body: &[u8]) -> Digest {
    let digest = chain(previous, head, body);
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    out.extend_from_slice(digest.as_bytes());
    digest
}

/// Fills as much of `buffer` as the source has and says how much that was.
pub(super) fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What stands next in the file.
pub(super) enum Step {
    /// A whole segment of frames.
    Frames {
        head: Head,
        head_bytes: Vec<u8>,
        previous: Digest,
        body: Vec<u8>,
    },
    /// The seal, with nothing after it.
    Sealed(Sealed),
    /// The end of the file without a seal, after this many bytes of a torn segment.
    Unsealed { torn_bytes: u64 },
}

/// Walks along the segments of a recording and checks the chain. It needs no key.
pub(super) struct Walk<R> {
    source: R,
    pub(super) header: Header,
    pub(super) header_digest: Digest,
    pub(super) digest: Digest,
    pub(super) segments: u64,
    pub(super) frames: u64,
    pub(super) last_ms: u64,
    /// Bytes of the file that are whole.
    pub(super) whole: u64,
}

impl<R: Read> Walk<R> {
    pub(super) fn open(mut source: R) -> Result<Self, RecordingBreach> {
        let (header, header_digest, whole) = Header::read(&mut source)?;
        Ok(Self {
            source,
            header,
            header_digest,
            digest: header_digest,
            segments: 0,
            frames: 0,
            last_ms: 0,
            whole,
        })
    }

    pub(super) fn step(&mut self) -> Result<Step, RecordingBreach> {
        let number = self.segments + 1;
        let mut head_bytes = [0_u8; SEGMENT_HEADER_BYTES];
        let got = read_full(&mut self.source, &mut head_bytes)?;
        if got < SEGMENT_HEADER_BYTES {
            return Ok(Step::Unsealed {
                torn_bytes: got as u64,
            });
        }
        let Some(head) = Head::parse(&head_bytes).filter(|head| head.fits(number, self.last_ms))
        else {
            return self.zeros(&head_bytes, number);
        };
        let mut rest = vec![0_u8; head.body as usize + 32];
        let got = read_full(&mut self.source, &mut rest)?;
        if got < rest.len() {
            return Ok(Step::Unsealed {
                torn_bytes: (SEGMENT_HEADER_BYTES + got) as u64,
            });
        }
        let stored = rest.split_off(head.body as usize);
        let body = rest;
        let digest = chain(&self.digest, &head_bytes, &body);
        if digest.as_bytes().as_slice() != stored {
            // A crash can leave a segment of full length whose pages never reached the disk, but only as the last one.
            return if self.ended()? {
                Ok(Step::Unsealed {
                    torn_bytes: (SEGMENT_HEADER_BYTES + body.len() + 32) as u64,
                })
            } else {
                Err(RecordingBreach::Altered(number))
            };
        }
        let previous = std::mem::replace(&mut self.digest, digest);
        self.whole += (SEGMENT_HEADER_BYTES + body.len() + 32) as u64;
        if head.seal {
            let record = SealRecord::parse(&body).ok_or(RecordingBreach::Malformed(number))?;
            if !record.belongs(&previous, self.segments, self.frames) {
                return Err(RecordingBreach::Altered(number));
            }
            if !self.ended()? {
                return Err(RecordingBreach::AfterSeal);
            }
            return Ok(Step::Sealed(record.sealed(self.header_digest, digest)));
        }
        self.segments = number;
        self.frames += u64::from(head.frames);
        self.last_ms = head.last_ms;
        Ok(Step::Frames {
            head,
            head_bytes: head_bytes.to_vec(),
            previous,
            body,
        })
    }

    fn ended(&mut self) -> io::Result<bool> {
        Ok(read_full(&mut self.source, &mut [0])? == 0)
    }

    /// A file system may leave zeros where the last write never arrived; anything else that is no segment is an
    /// alteration.
    fn zeros(&mut self, head: &[u8], number: u64) -> Result<Step, RecordingBreach> {
        let mut torn_bytes = head.len() as u64;
        let mut buffer = [0_u8; 4096];
        let mut clean = head.iter().all(|byte| *byte == 0);
        while clean {
            let got = read_full(&mut self.source, &mut buffer)?;
            if got == 0 {
                return Ok(Step::Unsealed { torn_bytes });
            }
            torn_bytes += got as u64;
            clean = buffer.iter().take(got).all(|byte| *byte == 0);
        }
        Err(RecordingBreach::Malformed(number))
    }
}
