//! Reading recordings: from the disk, one segment at a time.

use crate::fault::{Done, Fault};
use crate::live::ViewEvent;
use crate::views::Viewing;
use sekisho_core::desk::Cause;
use sekisho_core::target::Function;
use sekisho_evidence::recording::{ChannelKind, DataKey, Decoder, End, Exit, Frame, Header, RecordingBreach, Scan, Timed, scan};
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Events handed over at once. With the few batches that may wait, this bounds the memory of a replay.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_EVENTS: usize = 512;
const BATCHES: usize = 4;

/// A recording that is being replayed. Events come in the order in which they happened; whoever shows them keeps the
/// pace. Dropping it ends the view, which the log tells.
pub struct Replay {
    /// Start of the session in milliseconds since 1970.
    pub started_at: i64,
    batches: mpsc::Receiver<Result<Vec<ViewEvent>, Fault>>,
    waiting: VecDeque<ViewEvent>,
    viewing: Viewing,
}

impl Replay {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// A fault if the recording is damaged from here on; nothing follows it.
    pub async fn next(&mut self) -> Option<Done<ViewEvent>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            match self.batches.recv().await? {
                Ok(batch) => self.waiting = batch.into(),
                Err(fault) => {
                    self.batches.close();
                    self.viewing.look_again(&fault);
                    return Some(Err(fault.into()));
                }
            }
        }
    }
}

/// Opens a recording for reading with its data key.
pub(crate) fn frames(path: &Path, unwrap: impl FnOnce(&Header) -> Result<DataKey, Fault>) -> Result<Decoder<BufReader<File>>, Fault> {
    let file = File::open(path).map_err(Fault::io("a recording cannot be opened"))?;
    let mut decoder = Decoder::open(BufReader::new(file)).map_err(damaged)?;
    let key = unwrap(decoder.header())?;
    decoder.unlock(key);
    Ok(decoder)
}

/// Walks along a recording without its key.
pub(crate) fn scan_file(path: &Path) -> Result<Scan, Fault> {
    let file = File::open(path).map_err(Fault::io("a recording cannot be opened"))?;
    scan(BufReader::new(file)).map_err(damaged)
}

pub(super) fn damaged(breach: RecordingBreach) -> Fault {
    match breach {
        RecordingBreach::Read(source) => Fault::Io { what: "a recording cannot be read".into(), source },
        breach => Fault::Damaged(breach.to_string()),
    }
}

/// Begins a replay. The view is in the log already; it ends with the replay.
pub(crate) async fn play(
    path: PathBuf,
    unwrap: impl FnOnce(&Header) -> Result<DataKey, Fault> + Send + 'static,
    viewing: Viewing,
) -> Result<Replay, Fault> {
    let opened = tokio::task::spawn_blocking(move || frames(&path, unwrap)).await;
    let decoder = opened.map_err(|lost| Fault::Damaged(format!("a recording could not be opened: {lost}")))?.inspect_err(|fault| viewing.look_again(fault))?;
    let started_at = decoder.header().started_at;
    let (sender, batches) = mpsc::channel(BATCHES);
    tokio::task::spawn_blocking(move || feed(decoder, &sender));
    Ok(Replay { started_at, batches, waiting: VecDeque::new(), viewing })
}

/// Reads to the end, or until nobody listens.
fn feed(mut decoder: Decoder<BufReader<File>>, sender: &mpsc::Sender<Result<Vec<ViewEvent>, Fault>>) {
    let mut batch = Vec::new();
    let mut bytes = 0;
    loop {
        match decoder.next_frame() {
            Ok(Some(timed)) => {
                bytes += frame_bytes(&timed.frame);
                batch.extend(event_of(timed));
                if (bytes >= BATCH_BYTES || batch.len() >= BATCH_EVENTS) && sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                    return;
                }
                bytes %= BATCH_BYTES;
            }
            Ok(None) => {
                if let Some(End::Sealed(sealed)) = decoder.end() {
                    batch.extend(cause_of(&sealed.seal.cause).map(|cause| ViewEvent::End { cause }));
                }
                let _ = sender.blocking_send(Ok(batch));
                return;
            }
            Err(breach) => {
                // What was sound before the damage is shown; then the damage is told.
                if sender.blocking_send(Ok(batch)).is_ok() {
                    let _ = sender.blocking_send(Err(damaged(breach)));
                }
                return;
            }
        }
    }
}

fn frame_bytes(frame: &Frame) -> usize {
    match frame {
        Frame::Output(bytes) | Frame::Error(bytes) | Frame::Forwarded { data: bytes, .. } => bytes.len(),
        _ => 64,
    }
}

/// The cause by the name that stands in a seal.
pub(crate) fn cause_of(name: &str) -> Option<Cause> {
    serde_json::from_value(serde_json::Value::from(name)).ok()
}

/// What a channel was for.
pub(crate) fn function_of(kind: ChannelKind) -> Option<Function> {
    match kind {
        ChannelKind::Shell => Some(Function::Shell),
        ChannelKind::Exec => Some(Function::Exec),
        ChannelKind::Sftp => Some(Function::Sftp),
        ChannelKind::Scp => Some(Function::Scp),
        ChannelKind::Rsync => Some(Function::Rsync),
        ChannelKind::Forward => Some(Function::Forward),
        _ => None,
    }
}

fn event_of(timed: Timed) -> Option<ViewEvent> {
    let Timed { at_ms, channel: ch, frame } = timed;
    let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
    Some(match frame {
        Frame::ChannelOpen { kind, text } => ViewEvent::Open { ch, at_ms, function: function_of(kind)?, text, size: None },
        Frame::Output(bytes) => ViewEvent::Output { ch, at_ms, bytes: bytes.into() },
        Frame::Error(bytes) => ViewEvent::Error { ch, at_ms, bytes: bytes.into() },
        Frame::Resize { cols, rows } => ViewEvent::Resize { ch, at_ms, cols: side(cols), rows: side(rows) },
        Frame::Command { text, .. } => ViewEvent::Command { ch, at_ms, text },
        Frame::FileOp { json } => ViewEvent::File { ch, at_ms, file: serde_json::from_str(&json).ok()? },
        Frame::Message { text } => ViewEvent::Message { ch, at_ms, text },
        Frame::Marker { text } => ViewEvent::Control { at_ms, control: serde_json::from_str(&text).ok()? },
        Frame::Flow { to_target, to_worker } => ViewEvent::Flow { ch, at_ms, to_target, to_worker },
        Frame::ChannelClose { exit } => {
            let exit = match exit {
                Some(Exit::Status(status)) => format!("exit {status}"),
                Some(Exit::Signal(name)) => format!("signal {name}"),
                None => String::new(),
            };
            ViewEvent::Close { ch, at_ms, exit }
        }
        _ => return None,
    })
}
