//! What was asked and not answered, and what is open.

use super::Breach;
use crate::content::Hasher;
use crate::files::{Content, Direction, FileOp, NoDigest, Op, Outcome};
use crate::limits;
use std::collections::HashMap;

const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;
const EXCLUSIVE: u32 = 32;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) enum Pending {
    Open { path: Vec<u8>, flags: u32 },
    OpenFolder { path: Vec<u8> },
    Close { handle: Vec<u8> },
    Read { handle: Option<u64>, offset: u64, length: u32 },
    Write { handle: Option<u64> },
    /// The file is to end where the content that went over ends.
    Ended { handle: Option<u64>, act: FileOp },
    Act(FileOp),
    Quiet,
}

/// Something open on the target.
#[derive(Debug)]
pub(super) struct Handle {
    /// Handles are named by the target and their names used again: the number is what requests remember.
    serial: u64,
    path: Vec<u8>,
    folder: bool,
    reads: Option<Traffic>,
    writes: Option<Traffic>,
}

#[derive(Debug)]
struct Traffic {
    bytes: u64,
    hasher: Hasher,
    /// What went over is all that the file holds: it was emptied or newly made before, or cut off behind it.
    whole: bool,
}

impl Traffic {
    fn new(whole: bool) -> Self {
        Self { bytes: 0, hasher: Hasher::new(), whole }
    }

    fn content(self) -> Content {
        match self.hasher.finish() {
            content @ Content::Unknown(NoDigest::Failed | NoDigest::ChangedOnTarget) => content,
            content if self.whole => content,
            _ => Content::Unknown(NoDigest::NotWhole),
        }
    }
}

impl Handle {
    pub(super) fn file(path: Vec<u8>, flags: u32) -> Self {
        let emptied = flags & TRUNCATE != 0 || (flags & CREATE != 0 && flags & EXCLUSIVE != 0);
        let writes = (flags & (WRITE | APPEND) != 0).then(|| {
            let mut traffic = Traffic::new(emptied);
            if flags & APPEND != 0 {
                // The target writes at the file's end, whatever offset is named.
                traffic.hasher.spoil(NoDigest::NotWhole);
            }
            traffic
        });
        // A handle for neither is a read of nothing: it is reported rather than lost.
        let reads = (flags & READ != 0 || writes.is_none()).then(|| Traffic::new(true));
        Self { serial: 0, path, folder: false, reads, writes }
    }

    pub(super) fn folder(path: Vec<u8>) -> Self {
        Self { serial: 0, path, folder: true, reads: None, writes: None }
    }

    /// The acts that this handle was used for.
    pub(super) fn report(self, outcome: Outcome) -> Vec<FileOp> {
        if self.folder {
            return vec![FileOp { outcome, ..FileOp::without_content(Op::List, self.path, None) }];
        }
        // A handle for both is reported for what it was used for, and as an upload if for nothing.
        let read_only = self.writes.is_none();
        let mut acts = Vec::new();
        for (traffic, op, direction) in
            [(self.writes, Op::Upload, Direction::Upload), (self.reads, Op::Download, Direction::Download)]
        {
            let Some(traffic) = traffic else { continue };
            if traffic.bytes == 0 && direction == Direction::Download && !read_only {
                continue;
            }
            acts.push(FileOp {
                op,
                path: self.path.clone(),
                path2: None,
                direction: Some(direction),
                bytes: traffic.bytes,
                content: traffic.content(),
                outcome,
            });
        }
        acts
    }

    fn waiting(&self) -> usize {
        [&self.reads, &self.writes].into_iter().flatten().map(|traffic| traffic.hasher.waiting()).sum()
    }
}

/// Requests and handles of one channel, both bounded.
#[derive(Debug, Default)]
pub(super) struct Table {
    requests: HashMap<u32, Pending>,
    handles: HashMap<Vec<u8>, Handle>,
    serials: u64,
    kept: Vec<FileOp>,
}

impl Table {
    pub(super) fn ask(&mut self, id: u32, pending: Pending) -> Result<(), Breach> {
        if self.requests.len() >= limits::SFTP_REQUESTS {
            return Err(Breach::TooMany);
        }
        match self.requests.insert(id, pending) {
            None => Ok(()),
            Some(_) => Err(Breach::RequestId),
        }
    }

    pub(super) fn answered(&mut self, id: u32) -> Result<Pending, Breach> {
        self.requests.remove(&id).ok_or(Breach::RequestId)
    }

    pub(super) fn open(&mut self, name: Vec<u8>, handle: Handle) -> Result<(), Breach> {
        if self.handles.len() >= limits::SFTP_HANDLES {
            return Err(Breach::TooMany);
        }
        self.serials += 1;
        match self.handles.insert(name, Handle { serial: self.serials, ..handle }) {
            None => Ok(()),
            Some(_) => Err(Breach::Answer),
        }
    }

    pub(super) fn close(&mut self, name: &[u8], outcome: Outcome) -> Vec<FileOp> {
        // A close that the target refuses may have closed the handle or not: POSIX leaves it open, so the
        // report is made and the name given free; a later use of it finds no handle and is the target's to refuse.
        self.handles.remove(name).map(|handle| handle.report(outcome)).unwrap_or_default()
    }

    pub(super) fn serial(&self, name: &[u8]) -> Option<u64> {
        self.handles.get(name).map(|handle| handle.serial)
    }

    pub(super) fn path(&self, name: &[u8]) -> Vec<u8> {
        self.handles.get(name).map(|handle| handle.path.clone()).unwrap_or_default()
    }

    fn room(&self) -> usize {
        let waiting: usize = self.handles.values().map(Handle::waiting).sum();
        limits::REORDER_TOTAL_BYTES.saturating_sub(waiting)
    }

    /// Content on its way to the target. Gives the handle's number for the answer.
    pub(super) fn write(&mut self, name: &[u8], offset: u64, data: &[u8]) -> Option<u64> {
        let room = self.room();
        let handle = self.handles.get_mut(name)?;
        if let Some(traffic) = &mut handle.writes {
            traffic.bytes = traffic.bytes.saturating_add(data.len() as u64);
            traffic.hasher.part(offset, data, room);
        }
        Some(handle.serial)
    }

    /// Content on its way to the worker.
    pub(super) fn read(&mut self, serial: Option<u64>, offset: u64, data: &[u8]) {
        let room = self.room();
        let Some(serial) = serial else { return };
        let Some(handle) = self.handles.values_mut().find(|handle| handle.serial == serial) else { return };
        // A target that answers a read on a handle opened for writing alone sends content all the same.
        let traffic = handle.reads.get_or_insert_with(|| Traffic::new(true));
        traffic.bytes = traffic.bytes.saturating_add(data.len() as u64);
        traffic.hasher.part(offset, data, room);
    }

    /// The target refused a part that was already hashed.
    pub(super) fn refused(&mut self, serial: Option<u64>) {
        let handle = self.handles.values_mut().find(|handle| Some(handle.serial) == serial);
        if let Some(traffic) = handle.and_then(|handle| handle.writes.as_mut()) {
            traffic.hasher.spoil(NoDigest::Failed);
        }
    }

    /// The target changes the file by itself.
    pub(super) fn changed(&mut self, name: &[u8]) {
        if let Some(traffic) = self.handles.get_mut(name).and_then(|handle| handle.writes.as_mut()) {
            traffic.hasher.spoil(NoDigest::ChangedOnTarget);
        }
    }

    /// The worker sets the file's size. True if that cuts the file off right behind the content that went over, as
    /// OpenSSH's `scp` does at the end because it does not empty the file at the beginning.
    pub(super) fn resized(&mut self, name: &[u8], size: u64) -> bool {
        let Some(traffic) = self.handles.get_mut(name).and_then(|handle| handle.writes.as_mut()) else { return false };
        let fits = traffic.hasher.ends_at(size);
        if !fits {
            traffic.hasher.spoil(NoDigest::ChangedOnTarget);
        }
        fits
    }

    /// The target did so.
    pub(super) fn ended(&mut self, serial: Option<u64>) {
        let handle = self.handles.values_mut().find(|handle| Some(handle.serial) == serial);
        if let Some(traffic) = handle.and_then(|handle| handle.writes.as_mut()) {
            traffic.whole = true;
        }
    }

    /// Acts that were finished in the same bytes as a breach.
    pub(super) fn keep(&mut self, done: Vec<FileOp>) {
        self.kept = done;
    }

    /// Everything that was under way, in the order of handles and requests.
    pub(super) fn cut(&mut self) -> Vec<FileOp> {
        let mut acts = std::mem::take(&mut self.kept);
        let mut handles: Vec<Handle> = self.handles.drain().map(|(_, handle)| handle).collect();
        handles.sort_by_key(|handle| handle.serial);
        acts.extend(handles.into_iter().flat_map(|handle| handle.report(Outcome::Cut)));
        let mut requests: Vec<(u32, Pending)> = self.requests.drain().collect();
        requests.sort_by_key(|(id, _)| *id);
        for (_, pending) in requests {
            match pending {
                Pending::Act(act) | Pending::Ended { act, .. } => acts.push(act),
                Pending::Open { path, flags } => acts.extend(Handle::file(path, flags).report(Outcome::Cut)),
                Pending::OpenFolder { path } => acts.extend(Handle::folder(path).report(Outcome::Cut)),
                Pending::Close { .. } | Pending::Read { .. } | Pending::Write { .. } | Pending::Quiet => {}
            }
        }
        acts
    }
}
