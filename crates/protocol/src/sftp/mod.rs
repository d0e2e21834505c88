//! SFTP version 3 (draft-ietf-secsh-filexfer-02, OpenSSH's PROTOCOL file) watched from between the peers.
//!
//! The bytes are never changed. What cannot be understood cannot be vouched for, so it is a [`Breach`], and the
//! gateway closes the channel.

mod packet;
mod table;

use crate::files::{FileOp, Op, Outcome};
use packet::{Fields, Packets};
use table::{Handle, Pending, Table};

/// Why the bytes are no SFTP that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A packet that is empty or longer than [`crate::limits::SFTP_PACKET_BYTES`].
    PacketLength,
    /// A packet that ends before its fields do.
    Truncated,
    /// A packet type that this side may not send, or that version 3 does not have.
    PacketType,
    /// The target chose another version than 3.
    Version,
    /// A packet before the version was agreed, or a second agreement.
    Order,
    /// A request number that is still in use, or an answer to no request.
    RequestId,
    /// An answer of a kind that its request cannot have.
    Answer,
    /// More requests, handles, or longer names than the limits allow.
    TooMany,
}

const INIT: u8 = 1;
const VERSION: u8 = 2;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

const OK: u32 = 0;
const EOF: u32 = 1;

/// Follows one SFTP channel.
#[derive(Debug, Default)]
pub struct Observer {
    worker: Packets,
    target: Packets,
    table: Table,
    asked: bool,
    agreed: bool,
    broken: Option<Breach>,
}

impl Observer {
    /// A channel whose subsystem has just started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads bytes that go from the worker to the target; call it before they are sent on.
    ///
    /// # Errors
    /// [`Breach`], from then on always the same one: the channel must be closed and the bytes not sent on.
    pub fn from_worker(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        self.guarded(|observer, _done| {
            let mut rest = bytes;
            while let Some(packet) = observer.worker.next(&mut rest)? {
                observer.request(&packet)?;
            }
            Ok(())
        })
    }

    /// Reads bytes that go from the target to the worker; call it before they are sent on.
    ///
    /// # Errors
    /// As [`Observer::from_worker`].
    pub fn from_target(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        self.guarded(|observer, done| {
            let mut rest = bytes;
            while let Some(packet) = observer.target.next(&mut rest)? {
                observer.answer(&packet, done)?;
            }
            Ok(())
        })
    }

    /// The channel ended: what was under way ends as [`Outcome::Cut`].
    #[must_use]
    pub fn finish(mut self) -> Vec<FileOp> {
        self.table.cut()
    }

    fn guarded(
        &mut self,
        run: impl FnOnce(&mut Self, &mut Vec<FileOp>) -> Result<(), Breach>,
    ) -> Result<Vec<FileOp>, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut done = Vec::new();
        match run(self, &mut done) {
            Ok(()) => Ok(done),
            Err(breach) => {
                self.broken = Some(breach);
                // What was finished before the breach is reported by `finish`, so that no act is lost.
                self.table.keep(done);
                Err(breach)
            }
        }
    }

    fn request(&mut self, packet: &[u8]) -> Result<(), Breach> {
        let mut fields = Fields::new(packet);
        let kind = fields.byte()?;
        if kind == INIT {
            fields.u32()?;
            return if std::mem::replace(&mut self.asked, true) { Err(Breach::Order) } else { Ok(()) };
        }
        // OpenSSH's client waits for the version, but pipelining after INIT is allowed.
        if !self.asked {
            return Err(Breach::Order);
        }
        let id = fields.u32()?;
        let pending = match kind {
            3 => {
                let path = fields.path()?;
                let flags = fields.u32()?;
                Pending::Open { path, flags }
            }
            4 => Pending::Close { handle: fields.handle()? },
            5 => {
                let handle = fields.handle()?;
                let offset = fields.u64()?;
                let length = fields.u32()?;
                Pending::Read { handle: self.table.serial(&handle), offset, length }
            }
            6 => {
                let handle = fields.handle()?;
                let offset = fields.u64()?;
                let data = fields.string()?;
                Pending::Write { handle: self.table.write(&handle, offset, data) }
            }
            7 | 8 | 16 | 17 | 19 => Pending::Quiet,
            9 => Pending::Act(FileOp::without_content(Op::SetAttributes, fields.path()?, None)),
            10 => {
                let handle = fields.handle()?;
                let size = if fields.u32()? & 1 != 0 { Some(fields.u64()?) } else { None };
                let act = FileOp::without_content(Op::SetAttributes, self.table.path(&handle), None);
                match size {
                    Some(size) if self.table.resized(&handle, size) => Pending::Ended { handle: self.table.serial(&handle), act },
                    _ => Pending::Act(act),
                }
            }
            11 => Pending::OpenFolder { path: fields.path()? },
            12 => Pending::Quiet,
            13 => Pending::Act(FileOp::without_content(Op::Remove, fields.path()?, None)),
            14 => Pending::Act(FileOp::without_content(Op::MakeFolder, fields.path()?, None)),
            15 => Pending::Act(FileOp::without_content(Op::RemoveFolder, fields.path()?, None)),
            18 => {
                let from = fields.path()?;
                Pending::Act(FileOp::without_content(Op::Rename, from, Some(fields.path()?)))
            }
            20 => {
                // OpenSSH sends what the link says first and the link second, against the draft; all follow it.
                let says = fields.path()?;
                Pending::Act(FileOp::without_content(Op::Symlink, fields.path()?, Some(says)))
            }
            200 => self.extended(&mut fields)?,
            _ => return Err(Breach::PacketType),
        };
        self.table.ask(id, pending)
    }

    fn extended(&mut self, fields: &mut Fields<'_>) -> Result<Pending, Breach> {
        let name = fields.path()?;
        Ok(match name.as_slice() {
            b"posix-rename@openssh.com" => {
                let from = fields.path()?;
                Pending::Act(FileOp::without_content(Op::Rename, from, Some(fields.path()?)))
            }
            b"hardlink@openssh.com" => {
                let from = fields.path()?;
                Pending::Act(FileOp::without_content(Op::Hardlink, from, Some(fields.path()?)))
            }
            b"lsetstat@openssh.com" => Pending::Act(FileOp::without_content(Op::SetAttributes, fields.path()?, None)),
            b"copy-data" => {
                let from = fields.handle()?;
                fields.u64()?;
                fields.u64()?;
                let to = fields.handle()?;
                self.table.changed(&to);
                let to = self.table.path(&to);
                Pending::Act(FileOp::without_content(Op::Copy, self.table.path(&from), Some(to)))
            }
            b"fsync@openssh.com"
            | b"statvfs@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"limits@openssh.com"
            | b"expand-path@openssh.com"
            | b"home-directory"
            | b"users-groups-by-id@openssh.com" => Pending::Quiet,
            _ => Pending::Act(FileOp::without_content(Op::Extension(name), Vec::new(), None)),
        })
    }

    fn answer(&mut self, packet: &[u8], done: &mut Vec<FileOp>) -> Result<(), Breach> {
        let mut fields = Fields::new(packet);
        let kind = fields.byte()?;
        if kind == VERSION {
            if !self.asked || std::mem::replace(&mut self.agreed, true) {
                return Err(Breach::Order);
            }
            return if fields.u32()? == 3 { Ok(()) } else { Err(Breach::Version) };
        }
        if !self.agreed {
            return Err(Breach::Order);
        }
        if !matches!(kind, STATUS | HANDLE | DATA | NAME | ATTRS | EXTENDED_REPLY) {
            return Err(Breach::PacketType);
        }
        let pending = self.table.answered(fields.u32()?)?;
        match (pending, kind) {
            (Pending::Open { path, flags }, HANDLE) => self.table.open(fields.handle()?, Handle::file(path, flags)),
            (Pending::OpenFolder { path }, HANDLE) => self.table.open(fields.handle()?, Handle::folder(path)),
            (Pending::Open { path, flags }, STATUS) => {
                let status = fields.u32()?;
                done.extend(Handle::file(path, flags).report(failed(status)));
                Ok(())
            }
            (Pending::OpenFolder { path }, STATUS) => {
                let status = fields.u32()?;
                done.extend(Handle::folder(path).report(failed(status)));
                Ok(())
            }
            (Pending::Close { handle }, STATUS) => {
                let status = fields.u32()?;
                done.extend(self.table.close(&handle, outcome(status)));
                Ok(())
            }
            (Pending::Read { handle, offset, length }, DATA) => {
                let data = fields.string()?;
                if data.len() > length as usize {
                    return Err(Breach::Answer);
                }
                self.table.read(handle, offset, data);
                Ok(())
            }
            (Pending::Read { .. }, STATUS) => Ok(()),
            (Pending::Write { handle }, STATUS) => {
                if fields.u32()? != OK {
                    self.table.refused(handle);
                }
                Ok(())
            }
            (Pending::Ended { handle, mut act }, STATUS) => {
                act.outcome = outcome(fields.u32()?);
                if act.outcome == Outcome::Done {
                    self.table.ended(handle);
                }
                done.push(act);
                Ok(())
            }
            (Pending::Act(mut act), STATUS | EXTENDED_REPLY) => {
                act.outcome = if kind == STATUS { outcome(fields.u32()?) } else { Outcome::Done };
                done.push(act);
                Ok(())
            }
            (Pending::Quiet, STATUS | NAME | ATTRS | EXTENDED_REPLY) => Ok(()),
            _ => Err(Breach::Answer),
        }
    }
}

fn outcome(status: u32) -> Outcome {
    if status == OK { Outcome::Done } else { Outcome::Failed(status) }
}

/// An open that is answered by a status has failed even if the status is OK or end of file.
fn failed(status: u32) -> Outcome {
    if status == OK || status == EOF { Outcome::Failed(4) } else { Outcome::Failed(status) }
}

#[cfg(test)]
mod tests;
