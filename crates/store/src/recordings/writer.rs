//! One recording that is being written.

use super::notes::{Note, Notes, short_file, shortened};
use crate::control::Reins;
use crate::disk::{on_disk, shared_runtime};
use crate::fault::Fault;
use crate::faults::{Faults, Write};
use crate::live::{Hub, ViewEvent};
use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use sekisho_core::desk::{Cause, Event, Recall, RecallWord, RecordingLost, RecordingSink};
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::target::Function;
use sekisho_evidence::Digest;
use sekisho_evidence::limits::{BATCHES_WAITING, MAX_FRAME_JSON_BYTES, SEAL_RESERVE_BYTES};
use sekisho_evidence::recording::{Batch, ChannelKind, DataKey, Encoder, Exit, Frame, Header, Packer, RecordingBreach, Seal};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};

/// A write or sync that has not come back after this time has failed.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(4);
/// What was written and still waits for a sync to begin after this time counts as lost too.
const UNSYNCED_AFTER: Duration = Duration::from_secs(8);
/// Full batches for which another thread is called; to wake it for each would cost more than to pack it.
const BATCHES_WORTH_A_CALL: usize = 2;
/// Space is taken from the disk in steps of this size, ahead of the writing.
const RESERVE_STEP: u64 = 128 * 1024;

/// What a recording that is being written needs from the box.
pub(super) struct Hands {
    pub faults: Arc<Faults>,
    pub recalls: broadcast::Sender<Recall>,
    /// One of the places for running sessions; given back with this.
    pub _place: OwnedSemaphorePermit,
    pub worker: Actor,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The cause that stands in the seal and belongs into the log.
    pub cause: Cause,
    /// Chain value of the file: of the seal, or of what is whole if there is none.
    pub digest: Digest,
    /// Size of the file.
    pub bytes: u64,
}

/// One recording that is being written.
pub(crate) struct Writer {
    session: SessionId,
    path: PathBuf,
    file: File,
    began: Instant,
    header_digest: Digest,
    hands: Hands,
    /// What the session says. Held for moments only: whoever carries bytes takes it.
    state: Mutex<State>,
    /// What the disk has. Taken before `state`, never while it is held.
    disk: Mutex<Disk>,
    /// Somebody is on the way to pack what is full.
    packing: AtomicBool,
    /// What waits is to be written whether it fills a batch or not.
    cut_due: AtomicBool,
    /// Bytes of the file that were written.
    written: AtomicU64,
    hub: Arc<Hub>,
    reins: Arc<Reins>,
    lost: AtomicBool,
    left: AtomicBool,
    refusals: AtomicU32,
    /// Milliseconds after `began`, plus one, at which the write or sync that is under way began, and since when
    /// something written waits for a sync; 0 for not at all.
    writing_since: AtomicU64,
    syncing_since: AtomicU64,
    unsynced_since: AtomicU64,
    /// Held by whoever moves notes into the database, so that they get there in their order.
    pub(crate) keeping: tokio::sync::Mutex<()>,
}

struct State {
    /// `None` once sealed.
    encoder: Option<Encoder>,
    notes: Notes,
}

struct Disk {
    /// `None` once sealed.
    packer: Option<Packer>,
    /// Bytes for which the disk has promised space.
    promised: u64,
    /// Segments that were packed and could not be written; the seal tries them again.
    unwritten: Vec<u8>,
}

impl Writer {
    /// Creates the file. When this returns, header and name are on the disk.
    pub(super) fn create(session: SessionId, path: &Path, folder: &Path, header: &Header, key: DataKey, hands: Hands) -> Result<Self, Fault> {
        let (encoder, packer, bytes) = Encoder::start(header, key).map_err(|breach| Fault::Crypto(breach.to_string()))?;
        hands.faults.gate(Write::RecordingHeader)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Fault::io("a recording cannot be created"))?;
        let written = bytes.len() as u64;
        // The room for the seal is taken before the session begins, so that a full disk cannot prevent its end.
        let promised = promise(&file, 0, written + SEAL_RESERVE_BYTES as u64).map_err(Fault::io("no room for a recording"))?;
        file.write_all_at(&bytes, 0).map_err(Fault::io("the header of a recording cannot be written"))?;
        hands.faults.gate(Write::Fsync)?;
        file.sync_all().map_err(Fault::io("a recording cannot be synced"))?;
        hands.faults.gate(Write::Fsync)?;
        crate::log::sync_folder(folder)?;
        Ok(Self {
            session,
            path: path.to_owned(),
            file,
            began: Instant::now(),
            header_digest: packer.header_digest(),
            hands,
            state: Mutex::new(State { encoder: Some(encoder), notes: Notes::default() }),
            disk: Mutex::new(Disk { packer: Some(packer), promised, unwritten: Vec::new() }),
            packing: AtomicBool::new(false),
            cut_due: AtomicBool::new(false),
            written: AtomicU64::new(written),
            hub: Arc::default(),
            reins: Arc::default(),
            lost: AtomicBool::new(false),
            left: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
            writing_since: AtomicU64::new(0),
            syncing_since: AtomicU64::new(0),
            unsynced_since: AtomicU64::new(0),
            keeping: tokio::sync::Mutex::default(),
        })
    }

    /// The session.
    pub(crate) fn session(&self) -> &SessionId {
        &self.session
    }

    /// H_0.
    pub(crate) fn header_digest(&self) -> Digest {
        self.header_digest
    }

    /// The worker, as the facts of the session name them.
    pub(crate) fn worker(&self) -> &Actor {
        &self.hands.worker
    }

    /// The watchers.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether it stands still, who watches, what waits.
    pub(crate) fn reins(&self) -> &Arc<Reins> {
        &self.reins
    }

    /// Bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// True once nothing more can be recorded.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Counts one more refusal inside the session and gives their number.
    pub(crate) fn count_refusal(&self) -> u32 {
        self.refusals.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Claims the right to end the recording; true for the first who asks.
    pub(crate) fn claim_end(&self) -> bool {
        !self.left.swap(true, Ordering::SeqCst)
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, RecordingLost> {
        self.state.lock().map_err(|_| {
            // A panic while the state was held may have left half a frame: nothing more can be recorded.
            self.lose(&"its state is not sound");
            RecordingLost
        })
    }

    fn disk(&self) -> Result<MutexGuard<'_, Disk>, RecordingLost> {
        self.disk.lock().map_err(|_| {
            self.lose(&"its end on the disk is not sound");
            RecordingLost
        })
    }

    fn since_start(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Gives the recording up and ends its session, also if it is idle.
    pub(crate) fn lose(&self, fault: &dyn std::fmt::Display) {
        if !self.lost.swap(true, Ordering::SeqCst) {
            tracing::error!(session = %self.session, %fault, "a recording is lost; its session is cut");
            // Without a receiver no gateway carries the session, and nobody is left to tell.
            let _ = self.hands.recalls.send(Recall {
                session: Some(self.session.clone()),
                word: RecallWord::End(Cause::RecordingLost),
            });
        }
    }

    /// Takes an event into the buffer, which reaches the disk within a second.
    pub(crate) fn append(&self, channel: u32, event: Event<'_>) -> Result<(), RecordingLost> {
        if self.take_in(channel, event)? >= BATCHES_WAITING { on_disk(|| self.pack_full()) } else { Ok(()) }
    }

    /// The same for a session's bytes: what is full is packed and written on another thread; only if that falls behind,
    /// whoever records more does it, and waits for the disk.
    fn append_flow(self: &Arc<Self>, channel: u32, event: Event<'_>) -> Result<(), RecordingLost> {
        let full = self.take_in(channel, event)?;
        if full < BATCHES_WORTH_A_CALL {
            return Ok(());
        }
        match shared_runtime() {
            Some(runtime) if full < BATCHES_WAITING => {
                if !self.packing.swap(true, Ordering::SeqCst) {
                    let writer = Arc::clone(self);
                    runtime.spawn_blocking(move || writer.pack_full());
                }
                Ok(())
            }
            _ => on_disk(|| self.pack_full()),
        }
    }

    /// Takes an event into the buffer and gives the number of batches that are full.
    fn take_in(&self, channel: u32, event: Event<'_>) -> Result<usize, RecordingLost> {
        if self.is_lost() {
            return Err(RecordingLost);
        }
        let at_ms = self.since_start();
        let mut state = self.state()?;
        state.record(at_ms, channel, event).map_err(|breach| {
            self.lose(&breach);
            RecordingLost
        })?;
        if let Some(shown) = view(at_ms, channel, event) {
            self.hub.publish(shown);
        }
        if let Event::Control(control) = event {
            self.reins.saw(at_ms, control);
        }
        Ok(state.encoder.as_ref().map_or(0, Encoder::full_batches))
    }

    /// Packs and writes the batches that are full.
    fn pack_full(&self) -> Result<(), RecordingLost> {
        let mut disk = self.disk()?;
        // What fills up from here on may have to call somebody else.
        self.packing.store(false, Ordering::SeqCst);
        if let Err(fault) = self.write_out(&mut disk, Encoder::take_full) {
            self.lose(&fault);
        }
        drop(disk);
        self.make_up_for_a_cut();
        if self.is_lost() { Err(RecordingLost) } else { Ok(()) }
    }

    /// A cut that came while somebody else held the disk is made as soon as it is free.
    fn make_up_for_a_cut(&self) {
        if self.cut_due.load(Ordering::SeqCst) {
            self.cut();
        }
    }

    /// Writes what waits in memory, so that a crash of the program loses nothing older. Blocks on the disk.
    pub(super) fn cut(&self) {
        // Whoever holds the disk is writing, and makes up for it afterwards; if that hangs, the watchdog sees it.
        self.cut_due.store(true, Ordering::SeqCst);
        let Ok(mut disk) = self.disk.try_lock() else { return };
        self.cut_due.store(false, Ordering::SeqCst);
        if let Err(fault) = self.write_out(&mut disk, Encoder::take) {
            self.lose(&fault);
        }
    }

    /// Writes what waits, for somebody who wants to read the file at once. Blocks on the disk.
    pub(crate) fn flush(&self) {
        if let Ok(mut disk) = self.disk()
            && let Err(fault) = self.write_out(&mut disk, Encoder::take)
        {
            self.lose(&fault);
        }
        self.make_up_for_a_cut();
    }

    /// Packs and writes the batches that wait at this moment, one after the other, as `take` gives them. Whoever holds
    /// the disk is the only one who takes batches, so they keep their order. What comes meanwhile waits for the next
    /// time: a session that never pauses holds up neither the pulse of all the others nor whoever wants to read.
    fn write_out(&self, disk: &mut Disk, take: fn(&mut Encoder) -> Option<Batch>) -> Result<(), Fault> {
        let unsound = |_| Fault::Crypto("a recording's state is not sound".to_owned());
        let waits = self.state().map_err(unsound)?.encoder.as_ref().map_or(0, |encoder| encoder.full_batches() + 1);
        for _ in 0..waits {
            // After a segment that could not be written, the next one would leave a gap.
            if self.is_lost() {
                return Ok(());
            }
            let batch = self.state().map_err(unsound)?.encoder.as_mut().and_then(take);
            let (Some(batch), Some(packer)) = (batch, disk.packer.as_mut()) else { return Ok(()) };
            let mut segment = Vec::new();
            packer.pack(&batch, &mut segment).map_err(|breach| Fault::Crypto(breach.to_string()))?;
            if let Some(encoder) = self.state().map_err(unsound)?.encoder.as_mut() {
                encoder.reuse(batch);
            }
            self.writing_since.store(self.since_start() + 1, Ordering::SeqCst);
            let result = self.write_segment(disk, &segment);
            self.writing_since.store(0, Ordering::SeqCst);
            if let Err(fault) = result {
                disk.unwritten = segment;
                return Err(fault);
            }
            self.written.fetch_add(segment.len() as u64, Ordering::SeqCst);
            // Unless something older waits already.
            let _ = self.unsynced_since.compare_exchange(0, self.since_start() + 1, Ordering::SeqCst, Ordering::SeqCst);
        }
        Ok(())
    }

    fn write_segment(&self, disk: &mut Disk, segment: &[u8]) -> Result<(), Fault> {
        self.hands.faults.gate(Write::RecordingSegment)?;
        let written = self.bytes();
        let need = written + segment.len() as u64 + SEAL_RESERVE_BYTES as u64;
        if need > disk.promised {
            disk.promised = promise(&self.file, disk.promised, need).map_err(Fault::io("no room for a recording"))?;
        }
        // At its exact place: if this breaks off, the seal is written over the torn part.
        self.file.write_all_at(segment, written).map_err(Fault::io("a recording cannot be written"))
    }

    /// True if something was written and no sync is under way. Whoever asked must call [`Writer::sync`].
    pub(super) fn wants_sync(&self) -> bool {
        let waits = self.unsynced_since.load(Ordering::SeqCst) != 0;
        waits && self.syncing_since.compare_exchange(0, self.since_start() + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Syncs what was written, after [`Writer::wants_sync`]. Blocks on the disk.
    pub(super) fn sync(&self) {
        self.unsynced_since.store(0, Ordering::SeqCst);
        if !self.is_lost() {
            let synced = self.hands.faults.gate(Write::Fsync);
            let synced = synced.and_then(|()| self.file.sync_data().map_err(Fault::io("a recording cannot be synced")));
            if let Err(fault) = synced {
                self.lose(&fault);
            }
        }
        self.syncing_since.store(0, Ordering::SeqCst);
    }

    /// Loses the recording if the disk has not answered for too long. Never blocks.
    pub(super) fn watch_disk(&self) {
        let now = self.since_start() + 1;
        let stuck = |since: &AtomicU64, patience: Duration| {
            let since = since.load(Ordering::SeqCst);
            since != 0 && u128::from(now.saturating_sub(since)) > patience.as_millis()
        };
        let hangs = stuck(&self.writing_since, STUCK_AFTER) || stuck(&self.syncing_since, STUCK_AFTER);
        if hangs || stuck(&self.unsynced_since, UNSYNCED_AFTER) {
            self.lose(&"the disk does not answer");
        }
    }

    /// True if notes wait.
    pub(crate) fn has_notes(&self) -> bool {
        self.state().is_ok_and(|state| !state.notes.waiting.is_empty())
    }

    /// Notes that were not yet kept.
    pub(crate) fn take_notes(&self) -> Vec<Note> {
        self.state().map(|mut state| std::mem::take(&mut state.notes.waiting)).unwrap_or_default()
    }

    /// Gives notes back that could not be kept.
    pub(crate) fn put_back(&self, mut notes: Vec<Note>) {
        if let Ok(mut state) = self.state() {
            notes.append(&mut state.notes.waiting);
            state.notes.waiting = notes;
        }
    }

    /// Ends the recording: the rest, the seal, the sync. Blocks on the disk. To be called once.
    pub(crate) fn seal(&self, cause: Cause, ended_at: i64) -> Ending {
        match self.try_seal(cause, ended_at) {
            Ok(ending) => ending,
            Err(fault) => {
                self.lose(&fault);
                self.unsealed()
            }
        }
    }

    fn try_seal(&self, cause: Cause, ended_at: i64) -> Result<Ending, Fault> {
        let broken = |what: &str| Fault::Crypto(format!("a recording cannot be sealed: {what}"));
        let mut disk = self.disk().map_err(|_| broken("its end on the disk is not sound"))?;
        let encoder = self.state().map_err(|_| broken("its state is not sound"))?.encoder.take();
        let cause = if self.is_lost() { Cause::RecordingLost } else { cause };
        let (Some(encoder), Some(packer)) = (encoder, disk.packer.take()) else { return Err(broken("it is sealed")) };
        let seal = Seal { cause: cause.as_str().to_owned(), ended_at };
        let (rest, sealed) = packer.seal(encoder, seal).map_err(|breach| broken(&breach.to_string()))?;
        let mut end = std::mem::take(&mut disk.unwritten);
        end.extend_from_slice(&rest);
        self.hands.faults.gate(Write::RecordingSegment)?;
        let written = self.bytes();
        let bytes = written + end.len() as u64;
        self.file.write_all_at(&end, written).map_err(Fault::io("the seal of a recording cannot be written"))?;
        // Behind the seal may lie the torn rest of a write that failed, and space that was taken beforehand.
        self.file.set_len(bytes).map_err(Fault::io("a recording cannot be cut behind its seal"))?;
        self.hands.faults.gate(Write::Fsync)?;
        self.file.sync_all().map_err(Fault::io("a recording cannot be synced"))?;
        self.written.store(bytes, Ordering::SeqCst);
        Ok(Ending { cause, digest: sealed.digest, bytes })
    }

    /// What there is of a recording that cannot be sealed.
    fn unsealed(&self) -> Ending {
        let left = super::scan_file(&self.path).map(|scan| (scan.digest, scan.whole_bytes + scan.torn_bytes));
        let (digest, bytes) = left.unwrap_or((self.header_digest, 0));
        Ending { cause: Cause::RecordingLost, digest, bytes }
    }
}

/// Takes space from the disk up to `need` bytes or a step beyond, and gives how far it reaches.
fn promise(file: &File, promised: u64, need: u64) -> std::io::Result<u64> {
    for end in [need + RESERVE_STEP, need] {
        match fallocate(file, FallocateFlags::KEEP_SIZE, promised, end - promised) {
            Ok(()) => return Ok(end),
            // A file system without this: the reserve of the whole box is what protects.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(u64::MAX),
            Err(Errno::NOSPC | Errno::DQUOT) if end > need => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::NOSPC.into())
}

impl State {
    fn record(&mut self, at_ms: u64, channel: u32, event: Event<'_>) -> Result<(), RecordingBreach> {
        let encoder = self.encoder.as_mut().ok_or(RecordingBreach::Sealed)?;
        let mut push = |frame| encoder.push(at_ms, channel, frame);
        match event {
            Event::Open { function, text, size } => {
                let kind = match function {
                    Function::Shell => ChannelKind::Shell,
                    Function::Exec => ChannelKind::Exec,
                    Function::Sftp => ChannelKind::Sftp,
                    Function::Scp => ChannelKind::Scp,
                    Function::Rsync => ChannelKind::Rsync,
                    Function::Forward => ChannelKind::Forward,
                };
                push(Frame::ChannelOpen { kind, text: text.to_owned() })?;
                if let Some((cols, rows)) = size {
                    push(Frame::Resize { cols: cols.into(), rows: rows.into() })?;
                }
                self.notes.used(function);
                if function == Function::Forward {
                    self.notes.forward(at_ms, channel, text);
                }
                Ok(())
            }
            Event::Output(bytes) => {
                encoder.output(at_ms, channel, bytes)?;
                self.notes.output(channel, bytes.len());
                Ok(())
            }
            Event::Error(bytes) => encoder.error(at_ms, channel, bytes),
            Event::Forwarded { to_target, bytes } => {
                push(Frame::Forwarded { to_target, data: bytes.to_vec() })?;
                self.notes.forwarded(at_ms, channel, to_target, bytes.len());
                Ok(())
            }
            Event::Resize(cols, rows) => push(Frame::Resize { cols: cols.into(), rows: rows.into() }),
            Event::Input { bytes } => push(Frame::InputCount { bytes, sha256: None }),
            Event::Command(text) => {
                push(Frame::Command { text: text.to_owned(), line: String::new() })?;
                self.notes.command(at_ms, channel, text);
                Ok(())
            }
            Event::File(file) => {
                let file = FileSeen { at_ms, ..short_file(file) };
                let json = serde_json::to_string(&file).unwrap_or_default();
                // Control characters grow sixfold in JSON; the shortened names keep the whole below the limit.
                push(Frame::FileOp { json: if json.len() <= MAX_FRAME_JSON_BYTES { json } else { String::from("{}") } })?;
                self.notes.file(&file);
                Ok(())
            }
            Event::KeepFile { file, to_target, path } => push(Frame::KeptFile { file, to_target, path: path.to_vec() }),
            Event::Content { file, offset, bytes } => encoder.content(at_ms, channel, file, offset, bytes),
            Event::Message(text) => push(Frame::Message { text: text.to_owned() }),
            Event::Control(control) => {
                push(Frame::Marker { text: serde_json::to_string(control).unwrap_or_default() })?;
                self.notes.control(at_ms, control);
                Ok(())
            }
            Event::Flow { to_target, to_worker } => {
                push(Frame::Flow { to_target, to_worker })?;
                self.notes.flow(at_ms, channel, to_target, to_worker);
                Ok(())
            }
            Event::Close { exit } => {
                let exit = match exit.split_once(' ') {
                    Some(("exit", status)) => status.parse().ok().map(Exit::Status),
                    Some(("signal", name)) => Some(Exit::Signal(shortened(name))),
                    _ => None,
                };
                push(Frame::ChannelClose { exit })?;
                self.notes.closed(channel);
                Ok(())
            }
        }
    }
}

fn view(at_ms: u64, ch: u32, event: Event<'_>) -> Option<ViewEvent> {
    Some(match event {
        Event::Open { function, text, size } => ViewEvent::Open { ch, at_ms, function, text: text.to_owned(), size },
        Event::Output(bytes) => ViewEvent::Output { ch, at_ms, bytes: Bytes::clone(bytes) },
        Event::Error(bytes) => ViewEvent::Error { ch, at_ms, bytes: Bytes::clone(bytes) },
        Event::Resize(cols, rows) => ViewEvent::Resize { ch, at_ms, cols, rows },
        // Nothing that could be drawn.
        Event::Input { .. } | Event::Forwarded { .. } | Event::KeepFile { .. } | Event::Content { .. } => return None,
        Event::Command(text) => ViewEvent::Command { ch, at_ms, text: text.to_owned() },
        Event::File(file) => ViewEvent::File { ch, at_ms, file: FileSeen { at_ms, ..file.clone() } },
        Event::Message(text) => ViewEvent::Message { ch, at_ms, text: text.to_owned() },
        Event::Control(control) => ViewEvent::Control { at_ms, control: control.clone() },
        Event::Flow { to_target, to_worker } => ViewEvent::Flow { ch, at_ms, to_target, to_worker },
        Event::Close { exit } => ViewEvent::Close { ch, at_ms, exit: exit.to_owned() },
    })
}

/// The end of a recording that goes to the gateway. Dropping it before the session left reports it as vanished.
pub(crate) struct Sink {
    writer: Arc<Writer>,
    vanished: mpsc::UnboundedSender<SessionId>,
}

impl Sink {
    pub(super) fn new(writer: Arc<Writer>, vanished: mpsc::UnboundedSender<SessionId>) -> Self {
        Self { writer, vanished }
    }
}

impl RecordingSink for Sink {
    fn append(&self, channel: u32, event: Event<'_>) -> Result<(), RecordingLost> {
        self.writer.append_flow(channel, event)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.writer.left.load(Ordering::SeqCst) {
            // If the store is gone too, the sweep of the next start does it.
            let _ = self.vanished.send(self.writer.session.clone());
        }
    }
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
