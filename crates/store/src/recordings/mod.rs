//! The recordings of the box: where they lie, which are being written, and whether there is room for one more.

mod agree;
mod auditors;
pub(crate) mod content;
mod copies;
mod flush;
mod notes;
mod offline;
mod read;
pub(crate) mod recipient;
mod reserve;
mod viewed;
mod writer;

pub use agree::{Agreeing, ReadRequest, RecordingAgreement, agree_to_recording, agree_to_request, read_agreeing};
pub use offline::{NewAuditorKey, OpenedRecording, new_auditor_key, open_recording};
pub use copies::{CopyPlace, CopyRemoval, RecordingCopy};
pub use read::Replay;
pub use viewed::ViewedSession;
pub(crate) use read::{cause_of, frames, play, scan_file};
use read::function_of;
pub(crate) use flush::Pulse;
pub(crate) use notes::{Note, Notes};
pub(crate) use writer::{Ending, Sink, Writer};

use crate::fault::Fault;
use crate::faults::Faults;
use crate::log::sync_folder;
use rustix::fs::statvfs;
use sekisho_core::desk::Recall;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::recording::{DataKey, FILE_SUFFIX, Header, RECORDINGS_DIR};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, mpsc};

/// Folder of recordings that belong to no entry of the log, beside the recordings in the data folder.
pub(crate) const ORPHANS_DIR: &str = "orphans";
/// Folder of recordings that were found damaged, beside the recordings.
pub(crate) const ASIDE_DIR: &str = "damaged";
/// Alarms that are kept for the page of the box's health; the technical log has all.
const ALARMS: usize = 50;
/// How long a header may take to reach the disk before the worker is refused.
const HEADER_PATIENCE: Duration = Duration::from_secs(3);

/// All recordings of one data folder.
pub(crate) struct Shelf {
    data_dir: PathBuf,
    folder: PathBuf,
    faults: Arc<Faults>,
    recalls: broadcast::Sender<Recall>,
    open: Mutex<HashMap<SessionId, Arc<Writer>>>,
    places: Arc<Semaphore>,
    /// Sessions whose recording was dropped without leaving. Unbounded in type only: each of the admitted sessions
    /// sends once.
    vanished: mpsc::UnboundedSender<SessionId>,
    vanished_ones: Mutex<Option<mpsc::UnboundedReceiver<SessionId>>>,
    halted: AtomicBool,
    /// The disk was full when it was last looked at.
    was_full: AtomicBool,
    /// The last sentences, and how many went before them.
    alarms: Mutex<(usize, Vec<String>)>,
}

impl Shelf {
    /// The shelf of a data folder.
    pub(crate) fn new(data_dir: &Path, faults: Arc<Faults>, recalls: broadcast::Sender<Recall>) -> Self {
        let (vanished, receiver) = mpsc::unbounded_channel();
        Self {
            data_dir: data_dir.to_owned(),
            folder: data_dir.join(RECORDINGS_DIR),
            faults,
            recalls,
            open: Mutex::default(),
            places: Arc::new(Semaphore::new(limits::SESSIONS)),
            vanished,
            vanished_ones: Mutex::new(Some(receiver)),
            halted: AtomicBool::new(false),
            was_full: AtomicBool::new(false),
            alarms: Mutex::default(),
        }
    }

    /// Makes the folder and occupies the reserve.
    pub(crate) fn set_up(&self) -> Result<(), Fault> {
        if !self.folder.is_dir() {
            let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&self.folder);
            made.map_err(Fault::io("the folder of recordings cannot be made"))?;
            sync_folder(&self.data_dir)?;
        }
        self.keep_reserve();
        Ok(())
    }

    /// The sessions that will vanish; given once.
    pub(crate) fn vanished(&self) -> Option<mpsc::UnboundedReceiver<SessionId>> {
        self.vanished_ones.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Nothing is written any more: the folder may have another owner from here on.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
        for writer in self.writers() {
            writer.lose(&"the store was closed");
        }
    }

    /// Tells the technical log and the page of the box's health that somebody should look.
    pub(crate) fn alarm(&self, sentence: String) {
        tracing::error!("ALARM: {sentence}");
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest are kept: a flood of harmless ones must not be what is seen of all that comes after it.
        if alarms.1.len() >= ALARMS {
            alarms.1.remove(0);
            alarms.0 += 1;
        }
        alarms.1.push(sentence);
    }

    /// What somebody should look at, since the start.
    pub(crate) fn alarms(&self) -> Vec<String> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Those after the first so many since the start, as far as they are kept, and how many there were in all.
    pub(crate) fn alarms_after(&self, seen: usize) -> (Vec<String>, usize) {
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let (gone, kept) = (&alarms.0, &alarms.1);
        (kept.iter().skip(seen.saturating_sub(*gone)).cloned().collect(), gone + kept.len())
    }

    /// True once nothing may be written.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }

    /// The file of a session's recording; among those that were set aside, if it lies there. The id has a checked form, so it is
    /// a plain file name.
    pub(crate) fn path(&self, session: &SessionId) -> PathBuf {
        let [place, aside] = self.places(session);
        if place.exists() || !aside.exists() { place } else { aside }
    }

    /// The places where a recording can lie: among the others, where a sound copy of a damaged one is carried back to as well, and
    /// among the damaged ones.
    pub(crate) fn places(&self, session: &SessionId) -> [PathBuf; 2] {
        let name = format!("{session}{FILE_SUFFIX}");
        [self.folder.join(&name), self.data_dir.join(ASIDE_DIR).join(name)]
    }

    /// The folder of recordings.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The recording that is being written for a session.
    pub(crate) fn writer(&self, session: &SessionId) -> Option<Arc<Writer>> {
        self.writers_map().get(session).cloned()
    }

    /// All recordings that are being written.
    pub(crate) fn writers(&self) -> Vec<Arc<Writer>> {
        self.writers_map().values().cloned().collect()
    }

    /// Sessions whose recording is being written.
    pub(crate) fn running(&self) -> Vec<SessionId> {
        self.writers_map().keys().cloned().collect()
    }

    fn writers_map(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Writer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Free bytes for others than root on the disk of the recordings.
    pub(crate) fn free_bytes(&self) -> Result<u64, Fault> {
        let seen = statvfs(&self.folder).map_err(|error| Fault::Io { what: "the disk cannot be asked for its space".into(), source: error.into() })?;
        Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
    }

    /// Opens a recording: when this returns, its header and its name in the folder are on the disk.
    ///
    /// # Errors
    /// [`Refusal::Busy`], [`Refusal::DiskFull`] or [`Refusal::NoRecording`]; then there is no file, or an orphan.
    pub(crate) async fn begin(self: &Arc<Self>, session: SessionId, header: Header, key: DataKey, worker: Actor) -> Result<Arc<Writer>, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let shelf = Arc::clone(self);
        let given_up = Arc::new(AtomicBool::new(false));
        let gave_up = Arc::clone(&given_up);
        let work = tokio::task::spawn_blocking(move || {
            if shelf.free_bytes().map_err(no_recording)? < limits::DISK_RESERVE_BYTES as u64 {
                return Err(Refusal::DiskFull);
            }
            let path = shelf.path(&session);
            let hands = writer::Hands { faults: Arc::clone(&shelf.faults), recalls: shelf.recalls.clone(), _place: place, worker };
            match Writer::create(session, &path, &shelf.folder, &header, key, hands) {
                Ok(writer) if !gave_up.load(Ordering::SeqCst) => Ok(Arc::new(writer)),
                refused => {
                    // What was left behind has no entry in the log. If it cannot be removed, the sweep finds it.
                    let _ = fs::remove_file(&path);
                    Err(refused.map_or_else(no_recording, |_| Refusal::NoRecording))
                }
            }
        });
        match tokio::time::timeout(HEADER_PATIENCE, work).await {
            Ok(Ok(Ok(writer))) => {
                self.writers_map().insert(writer.session().clone(), Arc::clone(&writer));
                Ok(writer)
            }
            Ok(Ok(Err(refusal))) => Err(refusal),
            Ok(Err(fault)) => Err(no_recording(fault)),
            Err(_) => {
                given_up.store(true, Ordering::SeqCst);
                Err(no_recording("the disk does not answer"))
            }
        }
    }

    /// Takes back a recording whose `entered` entry was not written.
    pub(crate) fn abandon(&self, writer: &Writer) {
        self.writers_map().remove(writer.session());
        let _ = fs::remove_file(self.path(writer.session()));
    }

    /// The recording has ended; its place is free.
    pub(crate) fn close(&self, session: &SessionId) {
        self.writers_map().remove(session);
    }

    /// The handle that goes to the gateway.
    pub(crate) fn sink(&self, writer: &Arc<Writer>) -> Sink {
        Sink::new(Arc::clone(writer), self.vanished.clone())
    }
}

fn no_recording(fault: impl std::fmt::Display) -> Refusal {
    tracing::error!(%fault, "a recording cannot be opened");
    Refusal::NoRecording
}
