//! What was asked and not answered, and what is open.

use super::Breach;
use super::packet::Attributes;
use crate::content::Hasher;
use crate::files::{Content, Direction, FileOp, NoDigest, Op, Outcome};
use crate::keep::{Keep, Keeper, Kept};
use crate::limits;
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};

const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;
const EXCLUSIVE: u32 = 32;
/// SFTP's general failure, for content that Sekisho stopped.
const FAILURE: u32 = 4;

/// What an open asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) download: bool,
    pub(super) upload: bool,
}

/// What these flags of an open ask for. Whoever does not ask for writing can read, as OpenSSH's server opens it; and
/// whatever makes, empties or lengthens a file changes it, also without the flag for writing.
pub(super) fn needs(flags: u32) -> Needs {
    Needs {
        download: flags & READ != 0 || flags & WRITE == 0,
        upload: flags & (WRITE | APPEND | CREATE | TRUNCATE | EXCLUSIVE) != 0,
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) enum Pending {
    Open { path: Vec<u8>, flags: u32 },
    OpenFolder { path: Vec<u8> },
    /// The handle's number. Its name is free from the asking on: the target may give it to the next file at once.
    Close { handle: u64 },
    Read { handle: u64, offset: u64, length: u32 },
    Write { handle: u64 },
    /// Attributes are set. `plain`: of a file that was just brought, they are part of the bringing. `ends`: the file is
    /// to end where the content that went over ends.
    Attributes { handle: Option<u64>, plain: bool, ends: bool, act: FileOp },
    Act(FileOp),
    Quiet,
    /// Never sent on; an answer of ours waits for its turn.
    Refused,
}

impl Pending {
    /// The file that it is about.
    pub(super) fn path(self) -> Vec<u8> {
        match self {
            Self::Open { path, .. } | Self::OpenFolder { path } => path,
            Self::Attributes { act, .. } | Self::Act(act) => act.path,
            Self::Close { .. } | Self::Read { .. } | Self::Write { .. } | Self::Quiet | Self::Refused => Vec::new(),
        }
    }
}

/// Content on its way, part by part.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) serial: u64,
    pub(super) direction: Direction,
    pub(super) offset: u64,
    pub(super) left: usize,
}

/// Whether content may go over by a handle.
#[derive(Debug)]
pub(super) enum Asked {
    Yes(u64),
    /// Not any more: the session's limit was passed.
    Stopped,
    /// The handle is none, or was opened for the other way; with the file's path the first time.
    No { first: Option<Vec<u8>> },
}

/// Something open on the target.
#[derive(Debug)]
pub(super) struct Handle {
    path: Vec<u8>,
    folder: bool,
    reads: Option<Traffic>,
    writes: Option<Traffic>,
    /// It was used for the other way and that was told.
    told: bool,
}

#[derive(Debug)]
struct Traffic {
    bytes: u64,
    hasher: Hasher,
    kept: Option<Kept>,
    /// Nothing more of it is kept.
    left_out: bool,
    /// What went over is all that the file holds: it was emptied or newly made before, or cut off behind it.
    whole: bool,
    /// The session's limit was passed on the way.
    stopped: bool,
}

impl Traffic {
    fn new(whole: bool) -> Self {
        Self { bytes: 0, hasher: Hasher::new(), kept: None, left_out: false, whole, stopped: false }
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
        let reads = needs(flags).download.then(|| Traffic::new(true));
        Self { path, folder: false, reads, writes, told: false }
    }

    pub(super) fn folder(path: Vec<u8>) -> Self {
        Self { path, folder: true, reads: None, writes: None, told: false }
    }

    fn way(&mut self, direction: Direction) -> Option<&mut Traffic> {
        match direction {
            Direction::Upload => self.writes.as_mut(),
            Direction::Download => self.reads.as_mut(),
        }
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
            let outcome = if traffic.stopped && outcome == Outcome::Done { Outcome::Failed(FAILURE) } else { outcome };
            acts.push(FileOp {
                op,
                path: self.path.clone(),
                path2: None,
                direction: Some(direction),
                bytes: traffic.bytes,
                kept: traffic.kept,
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
    /// Each with its place in the order of requests.
    requests: HashMap<u32, (u64, Pending)>,
    asked: u64,
    /// Requests whose answers wait for a person.
    aside: HashSet<u32>,
    /// Answers of ours with the place of their requests, in that order.
    refused: VecDeque<(u64, u32, Bytes)>,
    /// Handles are named by the target and their names used again: the number is what requests remember.
    names: HashMap<Vec<u8>, u64>,
    handles: HashMap<u64, Handle>,
    serials: u64,
    /// The file that was brought by the act before.
    brought: Option<Vec<u8>>,
    kept: Vec<FileOp>,
}

impl Table {
    pub(super) fn ask(&mut self, id: u32, pending: Pending) -> Result<u64, Breach> {
        if self.requests.len() >= limits::SFTP_REQUESTS {
            return Err(Breach::TooMany);
        }
        self.asked += 1;
        match self.requests.insert(id, (self.asked, pending)) {
            None => Ok(self.asked),
            Some(_) => Err(Breach::RequestId),
        }
    }

    /// Keeps an answer of ours for its turn.
    pub(super) fn refuse(&mut self, id: u32, answer: Bytes) -> Result<(), Breach> {
        let place = self.ask(id, Pending::Refused)?;
        self.refused.push_back((place, id, answer));
        Ok(())
    }

    /// Answers of ours whose turn has come: everything that was asked before was answered.
    pub(super) fn due(&mut self) -> Vec<Bytes> {
        if self.refused.is_empty() {
            return Vec::new();
        }
        let open = self.requests.iter().filter(|(id, (_, pending))| !matches!(pending, Pending::Refused) && !self.aside.contains(id));
        let first = open.map(|(_, (place, _))| *place).min().unwrap_or(u64::MAX);
        let mut due = Vec::new();
        while let Some((_, id, answer)) = self.refused.pop_front_if(|(place, ..)| *place < first) {
            self.requests.remove(&id);
            due.push(answer);
        }
        due
    }

    /// Answers of ours do not wait for the answer to this request.
    pub(super) fn set_aside(&mut self, id: u32) {
        self.aside.insert(id);
    }

    pub(super) fn answered(&mut self, id: u32) -> Result<Pending, Breach> {
        self.aside.remove(&id);
        match self.requests.remove(&id) {
            None | Some((_, Pending::Refused)) => Err(Breach::RequestId),
            Some((_, pending)) => Ok(pending),
        }
    }

    pub(super) fn open(&mut self, name: Vec<u8>, handle: Handle) -> Result<(), Breach> {
        if self.handles.len() >= limits::SFTP_HANDLES {
            return Err(Breach::TooMany);
        }
        self.serials += 1;
        self.handles.insert(self.serials, handle);
        match self.names.insert(name, self.serials) {
            None => Ok(()),
            Some(_) => Err(Breach::Answer),
        }
    }

    /// The worker closes a handle. Nothing more goes over by its name: what is asked behind the close meets whatever the
    /// target has given that name to since, which is known only from its answer. `None` if there is no such handle.
    pub(super) fn closing(&mut self, name: &[u8]) -> Option<u64> {
        self.names.remove(name)
    }

    pub(super) fn close(&mut self, serial: u64, outcome: Outcome) -> Vec<FileOp> {
        // A close that the target refuses may have closed the handle or not: POSIX leaves it open, so the
        // report is made all the same; a later use of the name finds no handle and is refused.
        self.handles.remove(&serial).map(|handle| handle.report(outcome)).unwrap_or_default()
    }

    fn named(&mut self, name: &[u8]) -> Option<(u64, &mut Handle)> {
        let serial = *self.names.get(name)?;
        Some((serial, self.handles.get_mut(&serial)?))
    }

    pub(super) fn path(&self, name: &[u8]) -> Vec<u8> {
        let handle = self.names.get(name).and_then(|serial| self.handles.get(serial));
        handle.map(|handle| handle.path.clone()).unwrap_or_default()
    }

    /// Whether content may go over by this handle.
    pub(super) fn may(&mut self, name: &[u8], direction: Direction) -> Asked {
        let Some((serial, handle)) = self.named(name) else { return Asked::No { first: None } };
        match handle.way(direction) {
            Some(traffic) if traffic.stopped => Asked::Stopped,
            Some(_) => Asked::Yes(serial),
            None => {
                let first = (!std::mem::replace(&mut handle.told, true)).then(|| handle.path.clone());
                Asked::No { first }
            }
        }
    }

    /// No more content goes over by this handle. Gives the file's path.
    pub(super) fn stop(&mut self, serial: u64, direction: Direction) -> Vec<u8> {
        let Some(handle) = self.handles.get_mut(&serial) else { return Vec::new() };
        if let Some(traffic) = handle.way(direction) {
            traffic.stopped = true;
            traffic.hasher.spoil(NoDigest::Failed);
        }
        handle.path.clone()
    }

    /// True if content from the target by this handle was stopped.
    pub(super) fn is_stopped(&self, serial: u64) -> bool {
        let reads = self.handles.get(&serial).and_then(|handle| handle.reads.as_ref());
        reads.is_some_and(|traffic| traffic.stopped)
    }

    /// A part of content that goes over. Gives what is to be kept of it to `keep`.
    pub(super) fn carry(&mut self, flow: &mut Flow, data: &Bytes, keeper: Option<&Keeper>, keep: &mut Vec<Keep>) {
        let data = &data.slice(..flow.left.min(data.len()));
        // What waits is only looked up where something could be added to it.
        let handle = self.handles.get(&flow.serial);
        let in_order = handle.and_then(|handle| match flow.direction {
            Direction::Upload => handle.writes.as_ref(),
            Direction::Download => handle.reads.as_ref(),
        });
        let room = if in_order.is_some_and(|traffic| traffic.hasher.continues_at(flow.offset)) {
            0
        } else {
            let waiting: usize = self.handles.values().map(Handle::waiting).sum();
            limits::REORDER_TOTAL_BYTES.saturating_sub(waiting)
        };
        if let Some(Handle { path, reads, writes, .. }) = self.handles.get_mut(&flow.serial)
            && let Some(traffic) = if flow.direction == Direction::Upload { writes } else { reads }
        {
            traffic.bytes = traffic.bytes.saturating_add(data.len() as u64);
            traffic.hasher.part(flow.offset, data, room);
            if let Some(keeper) = keeper.filter(|_| !traffic.left_out) {
                keeper.part(&mut traffic.kept, (flow.direction, path), flow.offset, data, keep);
            }
        }
        flow.offset = flow.offset.saturating_add(data.len() as u64);
        flow.left -= data.len();
    }

    /// True if all that the worker sent by the handle that this request closes was kept.
    pub(super) fn keeps_whole(&self, close: u32) -> bool {
        let Some((_, Pending::Close { handle })) = self.requests.get(&close) else { return false };
        let traffic = self.handles.get(handle).and_then(|handle| handle.writes.as_ref());
        traffic.is_some_and(|traffic| traffic.kept.is_none_or(|kept| kept.whole))
    }

    /// Nothing more is kept of what the worker sends by this handle: it goes nowhere.
    pub(super) fn leave_out(&mut self, name: &[u8]) {
        let Some(traffic) = self.named(name).and_then(|(_, handle)| handle.writes.as_mut()) else { return };
        traffic.left_out = true;
        traffic.kept.iter_mut().for_each(|kept| kept.whole = false);
    }

    /// The target refused a part that was already hashed.
    pub(super) fn failed(&mut self, serial: u64) {
        if let Some(traffic) = self.handles.get_mut(&serial).and_then(|handle| handle.writes.as_mut()) {
            traffic.hasher.spoil(NoDigest::Failed);
        }
    }

    /// The target changes the file by itself.
    pub(super) fn spoil(&mut self, serial: u64) {
        if let Some(traffic) = self.handles.get_mut(&serial).and_then(|handle| handle.writes.as_mut()) {
            traffic.hasher.spoil(NoDigest::ChangedOnTarget);
        }
    }

    /// The worker sets attributes of an open file. A size may cut the file off right behind the content that went over,
    /// as OpenSSH's `scp` does at the end because it does not empty the file at the beginning. `None` if there is no such
    /// handle.
    pub(super) fn attributes(&mut self, name: &[u8], set: Attributes) -> Option<Pending> {
        let act = FileOp::without_content(Op::SetAttributes, self.path(name), None);
        let (serial, handle) = self.named(name)?;
        let fits = match (set.size, handle.writes.as_mut()) {
            (Some(size), Some(traffic)) => {
                let fits = traffic.hasher.ends_at(size);
                if !fits {
                    traffic.hasher.spoil(NoDigest::ChangedOnTarget);
                }
                fits
            }
            (Some(_), None) => false,
            (None, _) => true,
        };
        let plain = set.plain && fits && handle.writes.is_some();
        Some(Pending::Attributes { handle: Some(serial), plain, ends: set.size.is_some() && fits, act })
    }

    /// True if attributes of this file are part of its bringing: it is open for that, or was brought by the act before.
    pub(super) fn belongs(&self, serial: Option<u64>, path: &[u8]) -> bool {
        serial.is_some() || self.brought.as_deref() == Some(path)
    }

    /// The target cut the file off behind its content.
    pub(super) fn ended(&mut self, serial: Option<u64>) {
        let handle = serial.and_then(|serial| self.handles.get_mut(&serial));
        if let Some(traffic) = handle.and_then(|handle| handle.writes.as_mut()) {
            traffic.whole = true;
        }
    }

    /// Acts that are finished.
    pub(super) fn tell(&mut self, acts: Vec<FileOp>, done: &mut Vec<FileOp>) {
        for act in acts {
            self.brought = (act.op == Op::Upload && act.outcome == Outcome::Done).then(|| act.path.clone());
            done.push(act);
        }
    }

    /// Acts that were finished in the same bytes as a breach.
    pub(super) fn keep(&mut self, done: Vec<FileOp>) {
        self.kept = done;
    }

    /// Everything that was under way, in the order of handles and requests.
    pub(super) fn cut(&mut self) -> Vec<FileOp> {
        let mut acts = std::mem::take(&mut self.kept);
        let mut handles: Vec<(u64, Handle)> = self.handles.drain().collect();
        handles.sort_by_key(|(serial, _)| *serial);
        acts.extend(handles.into_iter().flat_map(|(_, handle)| handle.report(Outcome::Cut)));
        let mut requests: Vec<(u64, Pending)> = self.requests.drain().map(|(_, request)| request).collect();
        requests.sort_by_key(|(place, _)| *place);
        for (_, pending) in requests {
            match pending {
                Pending::Act(act) | Pending::Attributes { act, .. } => acts.push(act),
                Pending::Open { path, flags } => acts.extend(Handle::file(path, flags).report(Outcome::Cut)),
                Pending::OpenFolder { path } => acts.extend(Handle::folder(path).report(Outcome::Cut)),
                Pending::Close { .. } | Pending::Read { .. } | Pending::Write { .. } | Pending::Quiet | Pending::Refused => {}
            }
        }
        acts
    }
}
