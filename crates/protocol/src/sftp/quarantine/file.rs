//! One staged file: what it is to be called, what is known of its content, and how far it is on its way.

use super::Staging;
use super::lineup::Lineup;
use crate::limits;
use crate::sftp::Breach;
use crate::sftp::packet::Fields;

pub(super) const READ: u32 = 1;
pub(super) const WRITE: u32 = 2;
pub(super) const APPEND: u32 = 4;
pub(super) const CREATE: u32 = 8;
pub(super) const TRUNCATE: u32 = 16;
pub(super) const EXCLUSIVE: u32 = 32;

/// Attributes that a request sets (draft-ietf-secsh-filexfer-02 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) size: Option<u64>,
    owner: Option<u64>,
    mode: Option<u32>,
    times: Option<u64>,
    /// Something that version 3 does not name.
    pub(super) foreign: bool,
}

impl Set {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Breach> {
        let flags = fields.u32()?;
        Ok(Self {
            size: if flags & 1 != 0 { Some(fields.u64()?) } else { None },
            owner: if flags & 2 != 0 { Some(fields.u64()?) } else { None },
            mode: if flags & 4 != 0 { Some(fields.u32()?) } else { None },
            times: if flags & 8 != 0 { Some(fields.u64()?) } else { None },
            foreign: flags & !15 != 0,
        })
    }

    /// Takes over what a later request sets.
    pub(super) fn then(&mut self, later: Self) {
        self.owner = later.owner.or(self.owner);
        self.mode = later.mode.or(self.mode);
        self.times = later.times.or(self.times);
    }

    /// True if it sets nothing but a size.
    pub(super) fn is_empty(&self) -> bool {
        self.owner.is_none() && self.mode.is_none() && self.times.is_none()
    }

    /// As the draft writes it.
    pub(super) fn write(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        let flags = flag(self.size.is_some(), 1) | flag(self.owner.is_some(), 2) | flag(self.mode.is_some(), 4) | flag(self.times.is_some(), 8);
        let mut out = flags.to_be_bytes().to_vec();
        self.size.iter().for_each(|size| out.extend(size.to_be_bytes()));
        self.owner.iter().for_each(|owner| out.extend(owner.to_be_bytes()));
        self.mode.iter().for_each(|mode| out.extend(mode.to_be_bytes()));
        self.times.iter().for_each(|times| out.extend(times.to_be_bytes()));
        out
    }
}

/// A status as a server gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u32,
    pub(super) text: String,
}

/// A file that goes to the target, after it was let pass.
#[derive(Debug)]
pub(super) struct Pour {
    pub(super) close: u32,
    pub(super) handle: Vec<u8>,
    /// Bytes that were asked of the spool.
    pub(super) asked: u64,
    /// Parts that were asked of the spool, or sent and not answered.
    pub(super) under_way: usize,
    /// The first thing that went wrong.
    pub(super) failed: Option<Status>,
}

/// How far a file is.
#[derive(Debug)]
pub(super) enum Phase {
    /// The worker writes it.
    Writing,
    /// It is complete and waits for a decision; this close waits for its answer.
    Waiting { close: u32 },
    /// It was let pass, and the target is asked to open it.
    Opening { close: u32 },
    /// Content goes to the target.
    Pouring(Pour),
    /// Its attributes are set.
    Setting(Pour),
    /// The target is asked to close it.
    Closing(Pour),
}

/// One staged file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: Vec<u8>,
    flags: u32,
    /// Attributes for a file that is made.
    made_with: Set,
    pub(super) set: Set,
    pub(super) line: Lineup,
    /// A size was set, which cuts off what the target's file held behind it.
    sized: Option<u64>,
    /// Bytes of the session's room that it takes.
    pub(super) taken: u64,
    pub(super) spoiled: Option<Staging>,
    pub(super) phase: Phase,
}

impl File {
    /// A file for which the worker asks.
    ///
    /// # Errors
    /// Why it cannot be checked before it arrives.
    pub(super) fn new(path: Vec<u8>, flags: u32, made_with: Set) -> Result<Self, Staging> {
        if flags & READ != 0 || flags & WRITE == 0 {
            return Err(Staging::BothWays);
        }
        if flags & APPEND != 0 {
            return Err(Staging::Append);
        }
        if flags & (CREATE | TRUNCATE) == 0 {
            return Err(Staging::InPlace);
        }
        if made_with.foreign {
            return Err(Staging::Attributes);
        }
        Ok(Self {
            path,
            flags,
            made_with: Set { size: None, ..made_with },
            set: Set::default(),
            line: Lineup::default(),
            sized: None,
            taken: 0,
            spoiled: None,
            phase: Phase::Writing,
        })
    }

    /// The worker sets attributes.
    ///
    /// # Errors
    /// The size cuts off content that came already.
    pub(super) fn set(&mut self, set: Set) -> Result<(), Staging> {
        if let Some(size) = set.size {
            if size < self.line.end() {
                return Err(Staging::NotWhole);
            }
            self.sized = Some(self.sized.map_or(size, |sized| sized.max(size)));
        }
        self.set.then(set);
        Ok(())
    }

    /// The digest of all that the file will hold, if that is known.
    pub(super) fn whole(&self) -> Option<[u8; 32]> {
        let fresh = self.flags & TRUNCATE != 0 || self.flags & EXCLUSIVE != 0;
        let ends = self.sized.is_none_or(|size| size <= self.line.bytes());
        self.line.digest().filter(|_| (fresh || self.sized.is_some()) && ends)
    }

    /// What an ATTRS answer tells of it.
    pub(super) fn attributes(&self) -> Vec<u8> {
        let mut told = Set { size: Some(self.line.end().max(self.sized.unwrap_or(0))), mode: self.made_with.mode, ..Set::default() };
        told.then(self.set);
        // An owner that the target has not given is none.
        told.owner = None;
        told.write()
    }

    /// The open that the target is asked for: emptied in any case, so that it holds what was checked and nothing else.
    pub(super) fn open(&self) -> Vec<u8> {
        let flags = WRITE | TRUNCATE | (self.flags & (CREATE | EXCLUSIVE));
        [string(&self.path), flags.to_be_bytes().to_vec(), self.made_with.write()].concat()
    }

    /// True if the target can be sent a further part.
    pub(super) fn is_hungry(&self) -> bool {
        let Phase::Pouring(pour) = &self.phase else { return false };
        pour.failed.is_none() && pour.under_way < limits::STAGED_PARTS && pour.asked < self.line.bytes()
    }

    /// The next part that the target can be sent: offset and length.
    pub(super) fn wants(&mut self) -> Option<(u64, usize)> {
        if !self.is_hungry() {
            return None;
        }
        let total = self.line.bytes();
        let Phase::Pouring(pour) = &mut self.phase else { return None };
        let offset = pour.asked;
        let length = (total - offset).min(limits::STAGED_PART_BYTES as u64);
        pour.asked += length;
        pour.under_way += 1;
        Some((offset, usize::try_from(length).unwrap_or(0)))
    }
}

/// The handle of a staged file.
pub(super) fn handle(number: u32) -> Vec<u8> {
    [super::HANDLES, &number.to_be_bytes()].concat()
}

/// The number of the staged file that a handle names. A handle of ours that is none any more names nothing.
pub(super) fn number(handle: &[u8]) -> Option<u32> {
    let rest = handle.strip_prefix(super::HANDLES)?;
    Some(<[u8; 4]>::try_from(rest).map_or(0, u32::from_be_bytes))
}

pub(super) fn string(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap_or(0).to_be_bytes()[..], text].concat()
}
