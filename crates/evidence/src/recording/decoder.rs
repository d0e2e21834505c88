//! Reading a recording with its key.

use std::io::Read;

use super::bytes::Cursor;
use super::cipher::{DataKey, decompress, decrypt};
use super::frame::{Frame, Timed};
use super::seal::Sealed;
use super::segment::{Head, Step, Walk};
use super::{Header, RecordingBreach};
use crate::digest::Digest;

/// How a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a seal.
    Sealed(Sealed),
    /// Without: it is still running, or a crash broke it off.
    Unsealed {
        /// The chain value after the last whole segment.
        digest: Digest,
        /// Bytes of a torn segment at the end of the file.
        torn_bytes: u64,
    },
}

/// Reads frames. It checks the chain as it goes and holds one segment in memory.
///
/// Open it, unwrap the data key that [`Decoder::header`] carries, [`Decoder::unlock`], then iterate.
pub struct Decoder<R> {
    walk: Walk<R>,
    key: Option<DataKey>,
    segment: Option<Segment>,
    end: Option<End>,
    failed: bool,
}

struct Segment {
    head: Head,
    plain: Vec<u8>,
    position: usize,
    at_ms: u64,
    left: u32,
}

impl Segment {
    fn next(&mut self) -> Result<Option<Timed>, RecordingBreach> {
        let malformed = || RecordingBreach::Malformed(self.head.number);
        let rest = self.plain.get(self.position..).unwrap_or_default();
        if self.left == 0 {
            let whole = rest.is_empty() && self.at_ms == self.head.last_ms;
            return if whole { Ok(None) } else { Err(malformed()) };
        }
        let mut cursor = Cursor(rest);
        let (delta, channel, frame): (u64, u32, Frame) =
            Frame::read(&mut cursor).ok_or_else(malformed)?;
        let at_ms = self
            .at_ms
            .checked_add(delta)
            .filter(|at| *at <= self.head.last_ms)
            .ok_or_else(malformed)?;
        self.position = self.plain.len() - cursor.0.len();
        self.at_ms = at_ms;
        self.left -= 1;
        Ok(Some(Timed {
            at_ms,
            channel,
            frame,
        }))
    }
}

impl<R: Read> Decoder<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// A [`RecordingBreach`] if the file does not begin with a header.
    pub fn open(source: R) -> Result<Self, RecordingBreach> {
        Ok(Self {
            walk: Walk::open(source)?,
            key: None,
            segment: None,
            end: None,
            failed: false,
        })
    }

    /// The header, with the wrapped data key.
    pub fn header(&self) -> &Header {
        &self.walk.header
    }

    /// H_0.
    pub fn header_digest(&self) -> Digest {
        self.walk.header_digest
    }

    /// Gives the data key.
    pub fn unlock(&mut self, key: DataKey) {
        self.key = Some(key);
    }

    /// How the recording ended, once all frames were read.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The next frame, or `None` at the end. After an error there is no next frame.
    ///
    /// # Errors
    /// A [`RecordingBreach`] at the first segment that is altered, malformed or does not open with the key.
    pub fn next_frame(&mut self) -> Result<Option<Timed>, RecordingBreach> {
        if self.failed {
            return Ok(None);
        }
        let result = self.advance();
        self.failed = result.is_err();
        result
    }

    fn advance(&mut self) -> Result<Option<Timed>, RecordingBreach> {
        while self.end.is_none() {
            if let Some(segment) = &mut self.segment {
                if let Some(timed) = segment.next()? {
                    return Ok(Some(timed));
                }
                self.segment = None;
            }
            let key = self.key.as_ref().ok_or(RecordingBreach::Locked)?;
            match self.walk.step()? {
                Step::Frames {
                    head,
                    head_bytes,
                    previous,
                    body,
                } => {
                    let packed = decrypt(key, head.number, &previous, &head_bytes, &body)?;
                    let plain = decompress(&packed, head.plain as usize)
                        .ok_or(RecordingBreach::Malformed(head.number))?;
                    self.segment = Some(Segment {
                        head,
                        plain,
                        position: 0,
                        at_ms: head.first_ms,
                        left: head.frames,
                    });
                }
                Step::Sealed(sealed) => self.end = Some(End::Sealed(sealed)),
                Step::Unsealed { torn_bytes } => {
                    self.end = Some(End::Unsealed {
                        digest: self.walk.digest,
                        torn_bytes,
                    });
                }
            }
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for Decoder<R> {
    type Item = Result<Timed, RecordingBreach>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}
