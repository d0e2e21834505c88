//! Writing a recording.

use std::collections::BTreeSet;

use super::cipher::{DataKey, TAG_BYTES, compress, encrypt};
use super::frame::{ChannelKind, Frame, Stream, write_content, write_data};
use super::seal::{Seal, SealRecord, Sealed, Totals};
use super::segment::{Head, put};
use super::{Header, RecordingBreach};
use crate::digest::Digest;
use crate::limits::{CUT_AT_BYTES, MAX_FRAME_DATA_BYTES};

/// Turns frames into the bytes of a recording. It writes nothing itself: the caller appends what it gives, in order.
#[derive(Debug)]
pub struct Encoder {
    key: DataKey,
    header_digest: Digest,
    digest: Digest,
    /// Frames that wait for their segment.
    plain: Vec<u8>,
    waiting: u32,
    first_ms: u64,
    last_ms: u64,
    /// Segments that were closed because `plain` was full, and not yet taken.
    ready: Vec<u8>,
    totals: Totals,
    transfers: BTreeSet<u32>,
}

impl Encoder {
    /// Begins a recording and gives the bytes of its header, which must be durable before the session goes on.
    ///
    /// # Errors
    /// [`RecordingBreach::Header`] if a name is too long, holds control characters, or the session id is none.
    pub fn start(header: &Header, data_key: DataKey) -> Result<(Self, Vec<u8>), RecordingBreach> {
        let bytes = header.to_bytes()?;
        let header_digest = Digest::of(&bytes);
        let encoder = Self {
            key: data_key,
            header_digest,
            digest: header_digest,
            plain: Vec::new(),
            waiting: 0,
            first_ms: 0,
            last_ms: 0,
            ready: Vec::new(),
            totals: Totals {
                output_bytes: Some(0),
                error_bytes: Some(0),
                input_bytes: Some(0),
                ..Totals::default()
            },
            transfers: BTreeSet::new(),
        };
        Ok((encoder, bytes))
    }

    /// H_0, for the `recording_header_digest` of the log's `entered` entry.
    pub fn header_digest(&self) -> Digest {
        self.header_digest
    }

    /// The chain value after all segments closed so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Adds a frame at `at_ms` milliseconds since the start. A time before that of the last frame counts as equal to it,
    /// so that a clock that steps back cannot stop a recording. Output of any length is split.
    ///
    /// # Errors
    /// [`RecordingBreach::FrameTooLong`] for a file operation or unknown payload above its limit, with nothing added;
    /// [`RecordingBreach::Compression`] if a full segment could not be closed.
    pub fn push(&mut self, at_ms: u64, channel: u32, frame: Frame) -> Result<(), RecordingBreach> {
        match frame {
            Frame::Output(data) => self.output(at_ms, channel, &data)?,
            Frame::Error(data) => self.error(at_ms, channel, &data)?,
            Frame::Forwarded { to_target, data } => {
                for part in data.chunks(MAX_FRAME_DATA_BYTES) {
                    let data = part.to_vec();
                    self.put(at_ms, channel, &Frame::Forwarded { to_target, data })?;
                }
            }
            Frame::Content { file, offset, data } => {
                self.content(at_ms, channel, file, offset, &data)?;
            }
            Frame::InputCount { bytes, sha256 } => {
                let sha256 = sha256.filter(|_| self.transfers.contains(&channel));
                self.put(at_ms, channel, &Frame::InputCount { bytes, sha256 })?;
                add(&mut self.totals.input_bytes, bytes);
            }
            frame => {
                match &frame {
                    Frame::ChannelOpen {
                        kind: ChannelKind::Sftp,
                        ..
                    } => {
                        self.transfers.insert(channel);
                    }
                    Frame::ChannelOpen { .. } | Frame::ChannelClose { .. } => {
                        self.transfers.remove(&channel);
                    }
                    _ => {}
                }
                self.put(at_ms, channel, &frame)?;
            }
        }
        Ok(())
    }

    /// The same as a frame of output, without taking the bytes over: they are copied once.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn output(&mut self, at_ms: u64, channel: u32, data: &[u8]) -> Result<(), RecordingBreach> {
        for part in data.chunks(MAX_FRAME_DATA_BYTES) {
            self.place(at_ms, |delta, out| {
                write_data(Stream::Output, delta, channel, part, out)
            })?;
        }
        add(&mut self.totals.output_bytes, data.len() as u64);
        Ok(())
    }

    /// The same as a frame of errors, without taking the bytes over.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn error(&mut self, at_ms: u64, channel: u32, data: &[u8]) -> Result<(), RecordingBreach> {
        for part in data.chunks(MAX_FRAME_DATA_BYTES) {
            self.place(at_ms, |delta, out| {
                write_data(Stream::Error, delta, channel, part, out)
            })?;
        }
        add(&mut self.totals.error_bytes, data.len() as u64);
        Ok(())
    }

    /// The same as a frame of a kept file's content, without taking the bytes over.
    ///
    /// # Errors
    /// As [`Encoder::push`].
    pub fn content(
        &mut self,
        at_ms: u64,
        channel: u32,
        file: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), RecordingBreach> {
        let mut offset = offset;
        for part in data.chunks(MAX_FRAME_DATA_BYTES) {
            self.place(at_ms, |delta, out| {
                write_content((file, offset), delta, channel, part, out)
            })?;
            offset = offset.saturating_add(part.len() as u64);
        }
        Ok(())
    }

    fn put(&mut self, at_ms: u64, channel: u32, frame: &Frame) -> Result<(), RecordingBreach> {
        self.place(at_ms, |delta, out| frame.write(delta, channel, out))
    }

    /// Finds a frame its place in the segment and in time.
    fn place(
        &mut self,
        at_ms: u64,
        write: impl FnOnce(u64, &mut Vec<u8>) -> Result<(), RecordingBreach>,
    ) -> Result<(), RecordingBreach> {
        if self.plain.len() >= CUT_AT_BYTES {
            self.close_segment()?;
        }
        let at_ms = at_ms.max(self.last_ms);
        let before = if self.waiting == 0 {
            at_ms
        } else {
            self.last_ms
        };
        write(at_ms - before, &mut self.plain)?;
        if self.waiting == 0 {
            self.first_ms = at_ms;
        }
        self.last_ms = at_ms;
        self.waiting += 1;
        Ok(())
    }

    fn close_segment(&mut self) -> Result<(), RecordingBreach> {
        if self.waiting == 0 {
            // A round without anything: the session is idle, and holds no memory for its recording.
            self.plain = Vec::new();
            return Ok(());
        }
        let packed = compress(&self.plain)?;
        let number = self.totals.segments + 1;
        let head = Head {
            seal: false,
            number,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            frames: self.waiting,
            plain: self.plain.len() as u32,
            body: (packed.len() + TAG_BYTES) as u32,
        };
        let head = head.to_bytes();
        let body = encrypt(&self.key, number, &self.digest, &head, &packed)?;
        self.digest = put(&mut self.ready, &self.digest, &head, &body);
        self.totals.segments = number;
        self.totals.frames += u64::from(self.waiting);
        self.waiting = 0;
        // A full segment is followed by the next one, for which the buffer stays.
        if self.plain.len() >= CUT_AT_BYTES {
            self.plain.clear();
        } else {
            self.plain = Vec::new();
        }
        Ok(())
    }

    /// Bytes that wait in memory. Cut at the latest at [`CUT_AT_BYTES`]; what waits longer is lost in a crash.
    pub fn pending_bytes(&self) -> usize {
        self.plain.len() + self.ready.len()
    }

    /// Closes the segment and gives the bytes to append and sync; empty if nothing waits.
    ///
    /// # Errors
    /// [`RecordingBreach::Compression`]; the frames stay and the call may be repeated.
    pub fn cut_segment(&mut self) -> Result<Vec<u8>, RecordingBreach> {
        self.close_segment()?;
        Ok(std::mem::take(&mut self.ready))
    }

    /// Ends the recording and gives the last bytes, at most [`crate::limits::SEAL_RESERVE_BYTES`] for a writer that cut
    /// in time.
    ///
    /// # Errors
    /// [`RecordingBreach::Compression`] if the last frames could not be compressed.
    pub fn seal(mut self, seal: Seal) -> Result<(Vec<u8>, Sealed), RecordingBreach> {
        let mut out = self.cut_segment()?;
        let sealed =
            SealRecord::new(seal, self.totals, self.digest).write(self.header_digest, &mut out)?;
        Ok((out, sealed))
    }
}

fn add(total: &mut Option<u64>, bytes: u64) {
    *total = total.map(|total| total.saturating_add(bytes));
}
