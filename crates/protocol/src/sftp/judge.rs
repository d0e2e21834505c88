//! What each packet means, and whether it may pass.

use super::packet::{Attributes, DATA, EXTENDED_REPLY, Fields, HANDLE, INIT, NAME, STATUS, ATTRS, VERSION, status};
use super::table::{Asked, Flow, Handle, Pending, needs};
use super::{Breach, Guard, Verdict};
use crate::files::{Direction, FileOp, Op, Outcome, Passed, Refused, Right, Why};
use bytes::Bytes;

const OK: u32 = 0;
const EOF: u32 = 1;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;
const UNSUPPORTED: u32 = 8;

/// What a request asks for, once its fields are read.
enum Ask {
    /// It may pass without any right.
    Free(Pending),
    /// It needs this right.
    Needs(Right, &'static str, Pending),
    /// It does not pass, whatever the rights are.
    Never(Why, &'static str, Vec<u8>),
}

impl Ask {
    fn act(right: Right, name: &'static str, op: Op, path: Vec<u8>, path2: Option<Vec<u8>>) -> Self {
        Self::Needs(right, name, Pending::Act(FileOp::without_content(op, path, path2)))
    }
}

impl Guard {
    /// One request of the worker; `left` bytes of it are still to come.
    pub(super) fn request(&mut self, head: &[u8], left: usize, passed: &mut Passed) -> Result<Verdict, Breach> {
        let mut fields = Fields::new(head);
        let kind = fields.byte()?;
        if kind == INIT {
            fields.u32()?;
            return if std::mem::replace(&mut self.asked, true) { Err(Breach::Order) } else { Ok(Verdict::Pass) };
        }
        // OpenSSH's client waits for the version, but pipelining after INIT is allowed.
        if !self.asked {
            return Err(Breach::Order);
        }
        let id = fields.u32()?;
        let ask = match kind {
            3 => return self.open(id, &mut fields, passed),
            5 => return self.read(id, &mut fields, passed),
            6 => return self.write(id, &mut fields, left, passed),
            4 => match self.table.closing(&fields.handle()?) {
                Some(handle) => Ask::Free(Pending::Close { handle }),
                None => Ask::Never(Why::Handle, "sftp close", Vec::new()),
            },
            7 | 8 | 12 | 16 | 17 | 19 => Ask::Free(Pending::Quiet),
            9 => {
                let path = fields.path()?;
                let plain = fields.attributes()?;
                self.attributes(path, plain)
            }
            10 => {
                let handle = fields.handle()?;
                let set = fields.attributes()?;
                match self.table.attributes(&handle, set) {
                    Some(pending) => Ask::Needs(Right::Upload, "sftp setattr", pending),
                    None => Ask::Never(Why::Handle, "sftp setattr", Vec::new()),
                }
            }
            11 => Ask::Free(Pending::OpenFolder { path: fields.path()? }),
            13 => Ask::act(Right::Delete, "sftp remove", Op::Remove, fields.path()?, None),
            14 => Ask::act(Right::Upload, "sftp mkdir", Op::MakeFolder, fields.path()?, None),
            15 => Ask::act(Right::Delete, "sftp rmdir", Op::RemoveFolder, fields.path()?, None),
            18 => {
                let from = fields.path()?;
                Ask::act(Right::Rename, "sftp rename", Op::Rename, from, Some(fields.path()?))
            }
            20 => {
                // OpenSSH sends what the link says first and the link second, against the draft; all follow it.
                let says = fields.path()?;
                Ask::act(Right::Upload, "sftp symlink", Op::Symlink, fields.path()?, Some(says))
            }
            200 => self.extended(&mut fields)?,
            _ => return Err(Breach::PacketType),
        };
        match ask {
            Ask::Free(pending) => self.ask(id, pending),
            Ask::Needs(right, _, pending) if self.rule.rights.has(right) => self.ask(id, pending),
            Ask::Needs(right, act, pending) => self.refuse(id, Why::Right(right), Some((act, pending.path())), passed),
            Ask::Never(why, act, path) => self.refuse(id, why, Some((act, path)), passed),
        }
    }

    fn ask(&mut self, id: u32, pending: Pending) -> Result<Verdict, Breach> {
        self.table.ask(id, pending)?;
        Ok(Verdict::Pass)
    }

    /// Answers in the target's place. With `told`, the refusal is worth being noted.
    fn refuse(&mut self, id: u32, why: Why, told: Option<(&'static str, Vec<u8>)>, passed: &mut Passed) -> Result<Verdict, Breach> {
        self.table.refuse(id, Bytes::from(self.status(id, why)))?;
        if let Some((act, path)) = told {
            passed.refused.push(Refused { why, act, path });
        }
        passed.due = true;
        Ok(Verdict::Drop)
    }

    fn status(&self, id: u32, why: Why) -> Vec<u8> {
        let code = match why {
            Why::Right(_) | Why::Staging(_) => DENIED,
            Why::Handle | Why::Bytes(_) | Why::Files(_) => FAILURE,
            Why::Extension => UNSUPPORTED,
        };
        status(id, code, &(self.rule.words)(why))
    }

    fn open(&mut self, id: u32, fields: &mut Fields<'_>, passed: &mut Passed) -> Result<Verdict, Breach> {
        let path = fields.path()?;
        let flags = fields.u32()?;
        let needs = needs(flags);
        let act = if needs.upload { "sftp put" } else { "sftp get" };
        let ways = [(needs.upload, Right::Upload, Direction::Upload), (needs.download, Right::Download, Direction::Download)];
        for (wanted, right, _) in ways {
            if wanted && !self.rule.rights.has(right) {
                return self.refuse(id, Why::Right(right), Some((act, path)), passed);
            }
        }
        let mut counted = Vec::new();
        for (wanted, _, direction) in ways {
            if !wanted {
                continue;
            }
            if !self.rule.quota.file(direction) {
                counted.into_iter().for_each(|direction| self.rule.quota.give_back(direction, 0));
                return self.refuse(id, Why::Files(direction), Some((act, path)), passed);
            }
            counted.push(direction);
        }
        self.ask(id, Pending::Open { path, flags })
    }

    fn read(&mut self, id: u32, fields: &mut Fields<'_>, passed: &mut Passed) -> Result<Verdict, Breach> {
        let handle = fields.handle()?;
        let offset = fields.u64()?;
        let length = fields.u32()?;
        match self.table.may(&handle, Direction::Download) {
            Asked::Yes(serial) => self.ask(id, Pending::Read { handle: serial, offset, length }),
            Asked::Stopped => self.refuse(id, Why::Bytes(Direction::Download), None, passed),
            Asked::No { first } => self.refuse(id, Why::Handle, first.map(|path| ("sftp get", path)), passed),
        }
    }

    fn write(&mut self, id: u32, fields: &mut Fields<'_>, left: usize, passed: &mut Passed) -> Result<Verdict, Breach> {
        let handle = fields.handle()?;
        let offset = fields.u64()?;
        let length = fields.u32()? as usize;
        if length > left {
            return Err(Breach::Truncated);
        }
        let serial = match self.table.may(&handle, Direction::Upload) {
            Asked::Yes(serial) => serial,
            Asked::Stopped => return self.refuse(id, Why::Bytes(Direction::Upload), None, passed),
            Asked::No { first } => return self.refuse(id, Why::Handle, first.map(|path| ("sftp put", path)), passed),
        };
        if !self.rule.quota.bytes(Direction::Upload, length as u64) {
            let path = self.table.stop(serial, Direction::Upload);
            return self.refuse(id, Why::Bytes(Direction::Upload), Some(("sftp put", path)), passed);
        }
        self.ask(id, Pending::Write { handle: serial })?;
        Ok(Verdict::Carry(Flow { serial, direction: Direction::Upload, offset, left: length }))
    }

    /// Attributes set by name.
    fn attributes(&self, path: Vec<u8>, set: Attributes) -> Ask {
        let act = FileOp::without_content(Op::SetAttributes, path, None);
        let plain = set.plain && set.size.is_none();
        Ask::Needs(Right::Upload, "sftp setattr", Pending::Attributes { handle: None, plain, ends: false, act })
    }

    fn extended(&mut self, fields: &mut Fields<'_>) -> Result<Ask, Breach> {
        let name = fields.path()?;
        Ok(match name.as_slice() {
            b"posix-rename@openssh.com" => {
                let from = fields.path()?;
                Ask::act(Right::Rename, "sftp rename", Op::Rename, from, Some(fields.path()?))
            }
            b"hardlink@openssh.com" => {
                let from = fields.path()?;
                Ask::act(Right::Rename, "sftp hardlink", Op::Hardlink, from, Some(fields.path()?))
            }
            b"lsetstat@openssh.com" => {
                let path = fields.path()?;
                let set = fields.attributes()?;
                self.attributes(path, set)
            }
            b"copy-data" => {
                let from = fields.handle()?;
                fields.u64()?;
                fields.u64()?;
                let to = fields.handle()?;
                // The content moves on the target alone, but only where the worker could have moved it.
                match (self.table.may(&from, Direction::Download), self.table.may(&to, Direction::Upload)) {
                    (Asked::Yes(_), Asked::Yes(serial)) => {
                        self.table.spoil(serial);
                        let (from, to) = (self.table.path(&from), self.table.path(&to));
                        Ask::act(Right::Upload, "sftp copy", Op::Copy, from, Some(to))
                    }
                    _ => Ask::Never(Why::Handle, "sftp copy", self.table.path(&to)),
                }
            }
            b"fsync@openssh.com"
            | b"statvfs@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"limits@openssh.com"
            | b"expand-path@openssh.com"
            | b"home-directory"
            | b"users-groups-by-id@openssh.com" => Ask::Free(Pending::Quiet),
            _ => Ask::Never(Why::Extension, "sftp extension", name),
        })
    }

    /// One answer of the target; `left` bytes of it are still to come.
    pub(super) fn answer(&mut self, head: &[u8], left: usize, passed: &mut Passed) -> Result<Verdict, Breach> {
        let mut fields = Fields::new(head);
        let kind = fields.byte()?;
        if kind == VERSION {
            if !self.asked || std::mem::replace(&mut self.agreed, true) {
                return Err(Breach::Order);
            }
            return if fields.u32()? == 3 { Ok(Verdict::Pass) } else { Err(Breach::Version) };
        }
        if !self.agreed {
            return Err(Breach::Order);
        }
        if !matches!(kind, STATUS | HANDLE | DATA | NAME | ATTRS | EXTENDED_REPLY) {
            return Err(Breach::PacketType);
        }
        let id = fields.u32()?;
        let pending = self.table.answered(id)?;
        let done = &mut passed.done;
        match (pending, kind) {
            (Pending::Open { path, flags }, HANDLE) => self.table.open(fields.handle()?, Handle::file(path, flags))?,
            (Pending::OpenFolder { path }, HANDLE) => self.table.open(fields.handle()?, Handle::folder(path))?,
            (Pending::Open { path, flags }, STATUS) => {
                let needs = needs(flags);
                for (wanted, direction) in [(needs.upload, Direction::Upload), (needs.download, Direction::Download)] {
                    if wanted {
                        self.rule.quota.give_back(direction, 0);
                    }
                }
                self.table.tell(Handle::file(path, flags).report(failed(fields.u32()?)), done);
            }
            (Pending::OpenFolder { path }, STATUS) => self.table.tell(Handle::folder(path).report(failed(fields.u32()?)), done),
            (Pending::Close { handle }, STATUS) => {
                let acts = self.table.close(handle, outcome(fields.u32()?));
                self.table.tell(acts, done);
            }
            (Pending::Read { handle, offset, length }, DATA) => {
                let given = fields.u32()?;
                if given > length {
                    return Err(Breach::Answer);
                }
                if given as usize > left {
                    return Err(Breach::Truncated);
                }
                if self.table.is_stopped(handle) {
                    return Ok(Verdict::Replace(Bytes::from(self.status(id, Why::Bytes(Direction::Download)))));
                }
                if !self.rule.quota.bytes(Direction::Download, u64::from(given)) {
                    let path = self.table.stop(handle, Direction::Download);
                    let why = Why::Bytes(Direction::Download);
                    passed.refused.push(Refused { why, act: "sftp get", path });
                    return Ok(Verdict::Replace(Bytes::from(self.status(id, why))));
                }
                let flow = Flow { serial: handle, direction: Direction::Download, offset, left: given as usize };
                return Ok(Verdict::Carry(flow));
            }
            (Pending::Read { .. }, STATUS) => {}
            (Pending::Write { handle }, STATUS) => {
                if fields.u32()? != OK {
                    self.table.failed(handle);
                }
            }
            (Pending::Attributes { handle, plain, ends, mut act }, STATUS | EXTENDED_REPLY) => {
                act.outcome = if kind == STATUS { outcome(fields.u32()?) } else { Outcome::Done };
                let did = act.outcome == Outcome::Done;
                if did && ends {
                    self.table.ended(handle);
                }
                if !(did && plain && self.table.belongs(handle, &act.path)) {
                    self.table.tell(vec![act], done);
                }
            }
            (Pending::Act(mut act), STATUS | EXTENDED_REPLY) => {
                act.outcome = if kind == STATUS { outcome(fields.u32()?) } else { Outcome::Done };
                self.table.tell(vec![act], done);
            }
            (Pending::Quiet, STATUS | NAME | ATTRS | EXTENDED_REPLY) => {}
            _ => return Err(Breach::Answer),
        }
        Ok(Verdict::Pass)
    }
}

fn outcome(status: u32) -> Outcome {
    if status == OK { Outcome::Done } else { Outcome::Failed(status) }
}

/// An open that is answered by a status has failed even if the status is OK or end of file.
fn failed(status: u32) -> Outcome {
    if status == OK || status == EOF { Outcome::Failed(FAILURE) } else { Outcome::Failed(status) }
}
