//! What a recording holds: frames.

use super::RecordingBreach;
use super::bytes::{Cursor, put_bytes, put_varint};
use crate::digest::Digest;
use crate::limits::{
    MAX_FRAME_DATA_BYTES, MAX_FRAME_JSON_BYTES, MAX_FRAME_PAYLOAD_BYTES, MAX_FRAME_TEXT_BYTES,
};

/// What a channel of a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelKind {
    /// An interactive shell.
    Shell,
    /// One command.
    Exec,
    /// File transfer.
    Sftp,
    /// File transfer by the old SCP protocol.
    Scp,
    /// File transfer by rsync.
    Rsync,
    /// A local forward.
    Forward,
    /// A kind that this reader does not know.
    Other(u8),
}

/// How a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// An exit status.
    Status(u32),
    /// The name of a signal, without `SIG`.
    Signal(String),
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// Bytes that the target wrote to its standard output.
    Output(Vec<u8>),
    /// Bytes that the target wrote to its standard error.
    Error(Vec<u8>),
    /// The worker's window has this size.
    Resize {
        /// Columns.
        cols: u32,
        /// Rows.
        rows: u32,
    },
    /// A channel opened.
    ChannelOpen {
        /// What for.
        kind: ChannelKind,
        /// The command of an exec, the terminal of a shell, or nothing.
        text: String,
    },
    /// A channel closed.
    ChannelClose {
        /// How, if the target said so.
        exit: Option<Exit>,
    },
    /// The worker entered a command.
    Command {
        /// The command as reconstructed from what the target echoed.
        text: String,
        /// The whole visible line, with its prompt.
        line: String,
    },
    /// One operation on a file, as JSON.
    FileOp {
        /// An object; its fields belong to the gateway.
        json: String,
    },
    /// Bytes from the worker that are counted and never stored.
    InputCount {
        /// How many.
        bytes: u64,
        /// Their SHA-256, on file-transfer channels only: the digest of typed input would give a password away to
        /// anyone who can guess it, so the encoder drops it elsewhere.
        sha256: Option<Digest>,
    },
    /// A sentence that Sekisho showed to the worker.
    Message {
        /// The sentence.
        text: String,
    },
    /// A mark that a person or a rule set.
    Marker {
        /// What for.
        text: String,
    },
    /// Bytes carried since the previous such frame of the channel, where the content is not in the recording.
    Flow {
        /// From the worker to the target.
        to_target: u64,
        /// From the target to the worker.
        to_worker: u64,
    },
    /// Bytes of a local forward that is kept in full.
    Forwarded {
        /// From the worker to the target, or the other way.
        to_target: bool,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Content of a file is kept from here on.
    KeptFile {
        /// Its number, by which the frames of its content and the entry of the transfer name it; unique in the recording.
        file: u32,
        /// From the worker to the target, or the other way.
        to_target: bool,
        /// The file's name as raw bytes, in the target's encoding.
        path: Vec<u8>,
    },
    /// A part of the content of a file that is kept. Parts stand in the order in which they went over; where two
    /// overlap, the later one counts.
    Content {
        /// The number of the file.
        file: u32,
        /// Where the part begins in the file.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// A kind that this reader does not know; it is kept, not judged.
    Unknown {
        /// The number of the kind.
        kind: u8,
        /// Its payload.
        payload: Vec<u8>,
    },
}

/// A frame with its place in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// Milliseconds since the recording's start; never less than that of the frame before.
    pub at_ms: u64,
    /// Channel number within the session.
    pub channel: u32,
    /// What happened.
    pub frame: Frame,
}

const OUTPUT: u8 = 1;
const ERROR: u8 = 2;
const RESIZE: u8 = 3;
const CHANNEL_OPEN: u8 = 4;
const CHANNEL_CLOSE: u8 = 5;
const COMMAND: u8 = 6;
const FILE_OP: u8 = 7;
const INPUT_COUNT: u8 = 8;
const MESSAGE: u8 = 9;
const MARKER: u8 = 10;
const FLOW: u8 = 11;
const FORWARDED: u8 = 12;
const KEPT_FILE: u8 = 13;
const CONTENT: u8 = 14;

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Output(_) => OUTPUT,
            Self::Error(_) => ERROR,
            Self::Resize { .. } => RESIZE,
            Self::ChannelOpen { .. } => CHANNEL_OPEN,
            Self::ChannelClose { .. } => CHANNEL_CLOSE,
            Self::Command { .. } => COMMAND,
            Self::FileOp { .. } => FILE_OP,
            Self::InputCount { .. } => INPUT_COUNT,
            Self::Message { .. } => MESSAGE,
            Self::Marker { .. } => MARKER,
            Self::Flow { .. } => FLOW,
            Self::Forwarded { .. } => FORWARDED,
            Self::KeptFile { .. } => KEPT_FILE,
            Self::Content { .. } => CONTENT,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn payload(&self) -> Result<Vec<u8>, RecordingBreach> {
        let mut out = Vec::new();
        match self {
            Self::Output(data) | Self::Error(data) => {
                if data.len() > MAX_FRAME_DATA_BYTES {
                    return Err(RecordingBreach::FrameTooLong(data.len()));
                }
                out.extend_from_slice(data);
            }
            Self::Resize { cols, rows } => {
                put_varint(&mut out, u64::from(*cols));
                put_varint(&mut out, u64::from(*rows));
            }
            Self::ChannelOpen { kind, text } => {
                out.push(match kind {
                    ChannelKind::Shell => 1,
                    ChannelKind::Exec => 2,
                    ChannelKind::Sftp => 3,
                    ChannelKind::Scp => 4,
                    ChannelKind::Rsync => 5,
                    ChannelKind::Forward => 6,
                    ChannelKind::Other(kind) => *kind,
                });
                put_text(&mut out, text);
            }
            Self::ChannelClose { exit } => match exit {
                None => out.push(0),
                Some(Exit::Status(status)) => {
                    out.push(1);
                    put_varint(&mut out, u64::from(*status));
                }
                Some(Exit::Signal(name)) => {
                    out.push(2);
                    put_text(&mut out, name);
                }
            },
            Self::Command { text, line } => {
                put_text(&mut out, text);
                put_text(&mut out, line);
            }
            Self::FileOp { json } => {
                if json.len() > MAX_FRAME_JSON_BYTES {
                    return Err(RecordingBreach::FrameTooLong(json.len()));
                }
                put_bytes(&mut out, json.as_bytes());
            }
            Self::InputCount { bytes, sha256 } => {
                put_varint(&mut out, *bytes);
                if let Some(digest) = sha256 {
                    out.extend_from_slice(digest.as_bytes());
                }
            }
            Self::Message { text } | Self::Marker { text } => put_text(&mut out, text),
            Self::Flow {
                to_target,
                to_worker,
            } => {
                put_varint(&mut out, *to_target);
                put_varint(&mut out, *to_worker);
            }
            Self::Forwarded { to_target, data } => {
                if data.len() > MAX_FRAME_DATA_BYTES {
                    return Err(RecordingBreach::FrameTooLong(data.len()));
                }
                out.push(if *to_target { 1 } else { 2 });
                out.extend_from_slice(data);
            }
            Self::KeptFile {
                file,
                to_target,
                path,
            } => {
                if path.len() > MAX_FRAME_TEXT_BYTES {
                    return Err(RecordingBreach::FrameTooLong(path.len()));
                }
                put_varint(&mut out, u64::from(*file));
                out.push(if *to_target { 1 } else { 2 });
                out.extend_from_slice(path);
            }
            Self::Content { file, offset, data } => {
                if data.len() > MAX_FRAME_DATA_BYTES {
                    return Err(RecordingBreach::FrameTooLong(data.len()));
                }
                put_varint(&mut out, u64::from(*file));
                put_varint(&mut out, *offset);
                out.extend_from_slice(data);
            }
            Self::Unknown { payload, .. } => {
                if payload.len() > MAX_FRAME_PAYLOAD_BYTES {
                    return Err(RecordingBreach::FrameTooLong(payload.len()));
                }
                out.extend_from_slice(payload);
            }
        }
        Ok(out)
    }

    /// Appends the frame to a segment; `delta_ms` counts from the frame before it in the same segment.
    pub(super) fn write(
        &self,
        delta_ms: u64,
        channel: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordingBreach> {
        match self {
            Self::Output(data) => return write_data(Stream::Output, delta_ms, channel, data, out),
            Self::Error(data) => return write_data(Stream::Error, delta_ms, channel, data, out),
            _ => {}
        }
        let payload = self.payload()?;
        put_varint(out, delta_ms);
        put_varint(out, u64::from(channel));
        out.push(self.kind());
        put_bytes(out, &payload);
        Ok(())
    }

    /// Reads one frame and its delta and channel.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<(u64, u32, Self)> {
        let delta = cursor.varint()?;
        let channel = u32::try_from(cursor.varint()?).ok()?;
        let kind = cursor.byte()?;
        let payload = cursor
            .bytes()
            .filter(|payload| payload.len() <= MAX_FRAME_PAYLOAD_BYTES)?;
        let mut rest = Cursor(payload);
        let frame = Self::parse(kind, &mut rest)?;
        rest.0.is_empty().then_some((delta, channel, frame))
    }

    fn parse(kind: u8, payload: &mut Cursor<'_>) -> Option<Self> {
        let number =
            |cursor: &mut Cursor<'_>| cursor.varint().and_then(|value| u32::try_from(value).ok());
        let to_target = |cursor: &mut Cursor<'_>| match cursor.byte()? {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        };
        Some(match kind {
            OUTPUT | ERROR => {
                let data = payload.take(payload.0.len())?.to_vec();
                if kind == OUTPUT {
                    Self::Output(data)
                } else {
                    Self::Error(data)
                }
            }
            RESIZE => Self::Resize {
                cols: number(payload)?,
                rows: number(payload)?,
            },
            CHANNEL_OPEN => {
                let kind = match payload.byte()? {
                    1 => ChannelKind::Shell,
                    2 => ChannelKind::Exec,
                    3 => ChannelKind::Sftp,
                    4 => ChannelKind::Scp,
                    5 => ChannelKind::Rsync,
                    6 => ChannelKind::Forward,
                    other => ChannelKind::Other(other),
                };
                Self::ChannelOpen {
                    kind,
                    text: payload.text()?,
                }
            }
            CHANNEL_CLOSE => {
                let exit = match payload.byte()? {
                    0 => None,
                    1 => Some(Exit::Status(number(payload)?)),
                    2 => Some(Exit::Signal(payload.text()?)),
                    _ => return None,
                };
                Self::ChannelClose { exit }
            }
            COMMAND => Self::Command {
                text: payload.text()?,
                line: payload.text()?,
            },
            FILE_OP => Self::FileOp {
                json: payload.text()?,
            },
            INPUT_COUNT => {
                let bytes = payload.varint()?;
                let sha256 = if payload.0.is_empty() {
                    None
                } else {
                    Some(Digest::from_slice(payload.take(32)?)?)
                };
                Self::InputCount { bytes, sha256 }
            }
            MESSAGE => Self::Message {
                text: payload.text()?,
            },
            MARKER => Self::Marker {
                text: payload.text()?,
            },
            FLOW => Self::Flow {
                to_target: payload.varint()?,
                to_worker: payload.varint()?,
            },
            FORWARDED => Self::Forwarded {
                to_target: to_target(payload)?,
                data: payload.take(payload.0.len())?.to_vec(),
            },
            KEPT_FILE => Self::KeptFile {
                file: number(payload)?,
                to_target: to_target(payload)?,
                path: payload.take(payload.0.len())?.to_vec(),
            },
            CONTENT => Self::Content {
                file: number(payload)?,
                offset: payload.varint()?,
                data: payload.take(payload.0.len())?.to_vec(),
            },
            kind => Self::Unknown {
                kind,
                payload: payload.take(payload.0.len())?.to_vec(),
            },
        })
    }
}

/// Which of the target's streams bytes belong to.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Appends a frame of bytes that the target wrote.
pub(super) fn write_data(
    stream: Stream,
    delta_ms: u64,
    channel: u32,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordingBreach> {
    if data.len() > MAX_FRAME_DATA_BYTES {
        return Err(RecordingBreach::FrameTooLong(data.len()));
    }
    put_varint(out, delta_ms);
    put_varint(out, u64::from(channel));
    out.push(match stream {
        Stream::Output => OUTPUT,
        Stream::Error => ERROR,
    });
    put_bytes(out, data);
    Ok(())
}

/// Appends a frame of a kept file's content.
pub(super) fn write_content(
    (file, offset): (u32, u64),
    delta_ms: u64,
    channel: u32,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordingBreach> {
    if data.len() > MAX_FRAME_DATA_BYTES {
        return Err(RecordingBreach::FrameTooLong(data.len()));
    }
    let mut place = Vec::with_capacity(16);
    put_varint(&mut place, u64::from(file));
    put_varint(&mut place, offset);
    put_varint(out, delta_ms);
    put_varint(out, u64::from(channel));
    out.push(CONTENT);
    put_varint(out, (place.len() + data.len()) as u64);
    out.extend_from_slice(&place);
    out.extend_from_slice(data);
    Ok(())
}

/// Appends a text of at most [`MAX_FRAME_TEXT_BYTES`]; a longer one ends in an ellipsis, so that the cut is seen.
fn put_text(out: &mut Vec<u8>, text: &str) {
    const ELLIPSIS: &str = "\u{2026}";
    if text.len() <= MAX_FRAME_TEXT_BYTES {
        return put_bytes(out, text.as_bytes());
    }
    let end = text.floor_char_boundary(MAX_FRAME_TEXT_BYTES - ELLIPSIS.len());
    let kept = text.get(..end).unwrap_or_default();
    put_bytes(out, format!("{kept}{ELLIPSIS}").as_bytes());
}
