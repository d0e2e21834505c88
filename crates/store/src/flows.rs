//! What the forwards of a session carried: each with its counts, and the bytes of those that were kept in full. Reading
//! them is viewing the recording, and stands in the log as such.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::frames;
use crate::views::Viewing;
use sekisho_core::facts::ViewMode;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::recording::{ChannelKind, Decoder, Frame, Timed};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use tokio::sync::mpsc;

/// Pieces that may wait for a slow reader; each is a frame, whose size the recording's format bounds.
const PIECES: usize = 4;

/// One connection that a forward carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSeen {
    /// Number of its channel, by which its bytes are asked for.
    pub channel: u32,
    /// Milliseconds from the start of the session.
    pub at_ms: u64,
    /// When it was closed; `None` if the recording ends before.
    pub closed_ms: Option<u64>,
    /// `host:port` as the plan names it.
    pub place: String,
    /// Bytes from the worker to that place.
    pub to_target: u64,
    /// Bytes from that place to the worker.
    pub to_worker: u64,
    /// Bytes of the first direction that the recording holds.
    pub kept_to_target: u64,
    /// Bytes of the second direction that the recording holds.
    pub kept_to_worker: u64,
}

/// The connections of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowsSeen {
    /// In the order in which they began.
    pub flows: Vec<FlowSeen>,
    /// There were more than are listed.
    pub more: bool,
}

/// A part of what one connection carried in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowPart {
    /// The connection.
    pub flow: FlowSeen,
    /// Where the part begins.
    pub from: u64,
    /// The part, of at most [`limits::FLOW_SHOWN_BYTES`].
    pub bytes: Vec<u8>,
}

/// Kept bytes of one direction on their way out of a recording. Dropping it ends the view.
pub struct TakenFlow {
    /// How many they are.
    pub bytes: u64,
    pieces: mpsc::Receiver<Result<Vec<u8>, Fault>>,
    _viewing: Viewing,
}

impl TakenFlow {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// A fault if the recording cannot be read further; nothing follows it.
    pub async fn next(&mut self) -> Option<Done<Vec<u8>>> {
        self.pieces.recv().await.map(|piece| piece.map_err(Into::into))
    }
}

type Reader = Decoder<BufReader<File>>;

/// Walks along the recording and collects its connections; `each` gets every kept byte that passes.
fn walk(mut reader: Reader, mut each: impl FnMut(u32, bool, Vec<u8>) -> Go) -> Result<FlowsSeen, Fault> {
    let mut seen: BTreeMap<u32, FlowSeen> = BTreeMap::new();
    let mut more = false;
    while let Some(Timed { at_ms, channel, frame }) = reader.next_frame().map_err(|breach| Fault::Damaged(breach.to_string()))? {
        match frame {
            Frame::ChannelOpen { kind: ChannelKind::Forward, text } => {
                if seen.len() >= limits::FLOWS_LISTED {
                    more = true;
                } else {
                    let flow = FlowSeen { channel, at_ms, closed_ms: None, place: text, to_target: 0, to_worker: 0, kept_to_target: 0, kept_to_worker: 0 };
                    seen.insert(channel, flow);
                }
            }
            Frame::Flow { to_target, to_worker } => {
                if let Some(flow) = seen.get_mut(&channel) {
                    flow.to_target = flow.to_target.saturating_add(to_target);
                    flow.to_worker = flow.to_worker.saturating_add(to_worker);
                }
            }
            Frame::Forwarded { to_target, data } => {
                if let Some(flow) = seen.get_mut(&channel) {
                    let sum = if to_target { &mut flow.kept_to_target } else { &mut flow.kept_to_worker };
                    *sum = sum.saturating_add(data.len() as u64);
                }
                if each(channel, to_target, data) == Go::Stop {
                    break;
                }
            }
            Frame::ChannelClose { .. } => {
                if let Some(flow) = seen.get_mut(&channel) {
                    flow.closed_ms = Some(at_ms);
                }
            }
            _ => {}
        }
    }
    let mut flows: Vec<FlowSeen> = seen.into_values().collect();
    flows.sort_by_key(|flow| (flow.at_ms, flow.channel));
    Ok(FlowsSeen { flows, more })
}

/// Whether a walk goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Stop,
}

impl Store {
    /// The connections that forwards of a session carried.
    ///
    /// # Errors
    /// As [`Store::replay`].
    pub async fn flows(&self, actor: &Actor, session: &SessionId) -> Done<FlowsSeen> {
        let (reader, _viewing) = self.flow_reader(actor, session, ViewMode::Replay).await?;
        Ok(walked(move || walk(reader()?, |_, _, _| Go::On)).await?)
    }

    /// A part of the bytes that one connection carried to the target, or from it, beginning at a byte.
    ///
    /// # Errors
    /// As [`Store::replay`]; [`Refusal::NotFound`] for a channel that was no forward or is not listed.
    pub async fn flow_part(&self, actor: &Actor, session: &SessionId, channel: u32, to_target: bool, from: u64) -> Done<FlowPart> {
        let (reader, _viewing) = self.flow_reader(actor, session, ViewMode::Replay).await?;
        let work = move || {
            let (mut bytes, mut at) = (Vec::new(), 0_u64);
            let seen = walk(reader()?, |of, way, data| {
                if of == channel && way == to_target {
                    let skipped = usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX);
                    let room = limits::FLOW_SHOWN_BYTES.saturating_sub(bytes.len());
                    bytes.extend(data.iter().skip(skipped).take(room));
                    at = at.saturating_add(data.len() as u64);
                }
                Go::On
            })?;
            Ok((seen, bytes))
        };
        let (seen, bytes) = walked(work).await?;
        let flow = seen.flows.into_iter().find(|flow| flow.channel == channel).ok_or(Refusal::NotFound)?;
        Ok(FlowPart { flow, from, bytes })
    }

    /// All bytes that one connection carried in one direction and the recording holds.
    ///
    /// # Errors
    /// As [`Store::replay`]; [`Refusal::NotFound`] if nothing of it was kept.
    pub async fn take_flow(&self, actor: &Actor, session: &SessionId, channel: u32, to_target: bool) -> Done<TakenFlow> {
        let (reader, viewing) = self.flow_reader(actor, session, ViewMode::Export).await?;
        let (again, flows) = walked(move || {
            let flows = walk(reader()?, |_, _, _| Go::On)?;
            Ok((reader, flows.flows))
        })
        .await?;
        let flow = flows.into_iter().find(|flow| flow.channel == channel).ok_or(Refusal::NotFound)?;
        let bytes = if to_target { flow.kept_to_target } else { flow.kept_to_worker };
        if bytes == 0 {
            return Err(Refusal::NotFound.into());
        }
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            // Of a running session no more is handed out than was said at the beginning.
            let mut left = bytes;
            let done = again().and_then(|reader| {
                walk(reader, |of, way, mut data| {
                    if of != channel || way != to_target {
                        return Go::On;
                    }
                    data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    left = left.saturating_sub(data.len() as u64);
                    if sender.blocking_send(Ok(data)).is_err() || left == 0 { Go::Stop } else { Go::On }
                })
            });
            if let Err(fault) = done {
                let _ = sender.blocking_send(Err(fault));
            }
        });
        Ok(TakenFlow { bytes, pieces, _viewing: viewing })
    }

    /// What opens the recording, again and again, and the view that stands in the log before its first byte is read.
    async fn flow_reader(&self, actor: &Actor, session: &SessionId, mode: ViewMode) -> Done<(impl Fn() -> Result<Reader, Fault> + Send + 'static, Viewing)> {
        let (viewing, opener) = self.viewing(actor, session, mode).await?;
        let path = self.at_hand(session).await?;
        Ok((move || frames(&path, |header| opener.open(header)), viewing))
    }
}

async fn walked<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|lost| Fault::Damaged(format!("a recording could not be read: {lost}")))?
}
