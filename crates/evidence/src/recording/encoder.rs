//! Writing a recording, in two hands: the encoder gathers frames into batches, the packer makes segments of them. The
//! first must keep up with a session; the second compresses and encrypts, and may do so on another thread.

use std::collections::{BTreeSet, VecDeque};

use super::cipher::{DataKey, TAG_BYTES, compress, encrypt};
use super::frame::{ChannelKind, Frame, Stream, write_content, write_data};
use super::seal::{Seal, SealRecord, Sealed, Totals};
use super::segment::{Head, put};
use super::{Header, RecordingBreach};
use crate::digest::Digest;
use crate::limits::{CUT_AT_BYTES, MAX_FRAME_DATA_BYTES};

/// Frames that become one segment.
#[derive(Debug, Default)]
pub struct Batch {
    plain: Vec<u8>,
    frames: u32,
    first_ms: u64,
    last_ms: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.plain.len() >= CUT_AT_BYTES
    }
}

/// Turns frames into batches. It writes nothing itself: the caller hands each batch, in order, to the [`Packer`].
#[derive(Debug)]
pub struct Encoder {
    /// The batch that is being filled.
    open: Batch,
    /// Batches that are full and not yet taken, the oldest first.
    full: VecDeque<Batch>,
    /// The room of a batch that was packed, for the next one.
    spare: Vec<u8>,
    last_ms: u64,
    totals: Totals,
    transfers: BTreeSet<u32>,
}

/// Turns batches into the bytes of segments, and ends the recording. It writes nothing itself either: the caller
/// appends what it gives, in order.
#[derive(Debug)]
pub struct Packer {
    key: DataKey,
    header_digest: Digest,
    digest: Digest,
    segments: u64,
    frames: u64,
}

impl Encoder {
    /// Begins a recording and gives the bytes of its header, which must be durable before the session goes on.
    ///
    /// # Errors
    /// [`RecordingBreach::Header`] if a name is too long, holds control characters, or the session id is none.
    pub fn start(
        header: &Header,
        data_key: DataKey,
    ) -> Result<(Self, Packer, Vec<u8>), RecordingBreach> {
        let bytes = header.to_bytes()?;
        let header_digest = Digest::of(&bytes);
        let encoder = Self {
            open: Batch::default(),
            full: VecDeque::new(),
            spare: Vec::new(),
            last_ms: 0,
            totals: Totals {
                output_bytes: Some(0),
                error_bytes: Some(0),
                input_bytes: Some(0),
                ..Totals::default()
            },
            transfers: BTreeSet::new(),
        };
        let packer = Packer {
            key: data_key,
            header_digest,
            digest: header_digest,
            segments: 0,
            frames: 0,
        };
        Ok((encoder, packer, bytes))
    }

    /// Adds a frame at `at_ms` milliseconds since the start. A time before that of the last frame counts as equal to it,
    /// so that a clock that steps back cannot stop a recording. Output of any length is split.
    ///
    /// # Errors
    /// [`RecordingBreach::FrameTooLong`] for a file operation or unknown payload above its limit, with nothing added.
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
        if self.open.is_full() {
            let room = std::mem::take(&mut self.spare);
            let next = Batch {
                plain: room,
                ..Batch::default()
            };
            self.full
                .push_back(std::mem::replace(&mut self.open, next));
        }
        let batch = &mut self.open;
        let at_ms = at_ms.max(self.last_ms);
        let before = if batch.frames == 0 {
            at_ms
        } else {
            self.last_ms
        };
        write(at_ms - before, &mut batch.plain)?;
        if batch.frames == 0 {
            batch.first_ms = at_ms;
        }
        batch.last_ms = at_ms;
        batch.frames += 1;
        self.last_ms = at_ms;
        Ok(())
    }

    /// Batches that are full and wait for the packer. What waits longer than a second would be lost in a crash, and
    /// whoever pushes on while many wait lets memory grow: the caller bounds both.
    pub fn full_batches(&self) -> usize {
        self.full.len() + usize::from(self.open.is_full())
    }

    /// The oldest batch that is full.
    pub fn take_full(&mut self) -> Option<Batch> {
        self.full
            .pop_front()
            .or_else(|| self.open.is_full().then(|| std::mem::take(&mut self.open)))
    }

    /// The oldest batch, full or not. Without any the session is idle, and holds no memory for its recording.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.take_full().or_else(|| {
            (self.open.frames > 0).then(|| std::mem::take(&mut self.open))
        });
        if batch.is_none() {
            self.open = Batch::default();
            self.spare = Vec::new();
        }
        batch
    }

    /// Takes back the room of a batch that was packed: a full one is followed by others.
    pub fn reuse(&mut self, batch: Batch) {
        if batch.is_full() {
            let mut room = batch.plain;
            room.clear();
            self.spare = room;
        }
    }
}

impl Packer {
    /// H_0, for the `recording_header_digest` of the log's `entered` entry.
    pub fn header_digest(&self) -> Digest {
        self.header_digest
    }

    /// The chain value after all segments packed so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Appends the segment of a batch to `out`, which the caller appends to the file.
    ///
    /// # Errors
    /// [`RecordingBreach::Compression`]; nothing was appended and the call may be repeated.
    pub fn pack(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), RecordingBreach> {
        let packed = compress(&batch.plain)?;
        let number = self.segments + 1;
        let head = Head {
            seal: false,
            number,
            first_ms: batch.first_ms,
            last_ms: batch.last_ms,
            frames: batch.frames,
            plain: batch.plain.len() as u32,
            body: (packed.len() + TAG_BYTES) as u32,
        };
        let head = head.to_bytes();
        let body = encrypt(&self.key, number, &self.digest, &head, &packed)?;
        self.digest = put(out, &self.digest, &head, &body);
        self.segments = number;
        self.frames += u64::from(batch.frames);
        Ok(())
    }

    /// Ends the recording with what the encoder still holds and the seal, and gives the last bytes, at most
    /// [`crate::limits::SEAL_RESERVE_BYTES`] if at most [`crate::limits::BATCHES_WAITING`] batches were full.
    ///
    /// # Errors
    /// [`RecordingBreach::Compression`] if the last frames could not be compressed.
    pub fn seal(
        mut self,
        mut encoder: Encoder,
        seal: Seal,
    ) -> Result<(Vec<u8>, Sealed), RecordingBreach> {
        let mut out = Vec::new();
        while let Some(batch) = encoder.take() {
            self.pack(&batch, &mut out)?;
        }
        let totals = Totals {
            segments: self.segments,
            frames: self.frames,
            ..encoder.totals
        };
        let sealed =
            SealRecord::new(seal, totals, self.digest).write(self.header_digest, &mut out)?;
        Ok((out, sealed))
    }
}

fn add(total: &mut Option<u64>, bytes: u64) {
    *total = total.map(|total| total.saturating_add(bytes));
}
