//! What a channel's bytes mean, for the recording. The bytes themselves go on untouched.

use super::words;
use sekisho_core::desk::Event;
use sekisho_core::reconcile::FileSeen;
use sekisho_protocol::files::{Content, FileOp, Op, Outcome, hex};
use sekisho_protocol::ssh::command::ScpTransfer;
use sekisho_protocol::terminal::{Typed, Watcher};
use sekisho_protocol::{scp, sftp};

/// The bytes are no longer ones that can be vouched for; the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach;

/// Something that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A command line.
    Command(String),
    /// An act on a file.
    File(Box<FileSeen>),
}

impl Seen {
    /// As an event of the recording.
    pub fn event(&self) -> Event<'_> {
        match self {
            Self::Command(line) => Event::Command(line),
            Self::File(file) => Event::File(file),
        }
    }
}

/// Follows one channel.
pub enum Observer {
    /// A terminal: commands as the target echoed them.
    Terminal(Box<Watcher>),
    /// One command without a terminal: its output is stored, nothing is read out of it.
    Plain,
    /// File transfer by SFTP.
    Sftp(Box<sftp::Observer>),
    /// File transfer by legacy SCP.
    Scp(Box<scp::Observer>),
}

impl Observer {
    /// A terminal of this size.
    pub fn terminal(columns: u32, rows: u32) -> Self {
        Self::Terminal(Box::new(Watcher::new(columns, rows)))
    }

    /// An SFTP channel.
    pub fn sftp() -> Self {
        Self::Sftp(Box::default())
    }

    /// A legacy SCP transfer.
    pub fn scp(transfer: ScpTransfer) -> Self {
        Self::Scp(Box::new(scp::Observer::new(transfer)))
    }

    /// The terminal's size in use: columns, rows.
    pub fn size(&self) -> Option<(u16, u16)> {
        match self {
            Self::Terminal(watcher) => Some(watcher.size()),
            _ => None,
        }
    }

    /// Looks at bytes on their way to the target.
    pub fn worker_sends(&mut self, bytes: &[u8], at_ms: u64) -> Result<Vec<Seen>, Breach> {
        match self {
            Self::Terminal(watcher) => {
                watcher.input(bytes);
                Ok(Vec::new())
            }
            Self::Plain => Ok(Vec::new()),
            Self::Sftp(observer) => files(observer.from_worker(bytes).map_err(|breach| log(&breach))?, at_ms),
            Self::Scp(observer) => files(observer.from_worker(bytes).map_err(|breach| log(&breach))?, at_ms),
        }
    }

    /// Looks at bytes on their way to the worker.
    pub fn target_sends(&mut self, bytes: &[u8], at_ms: u64) -> Result<Vec<Seen>, Breach> {
        match self {
            Self::Terminal(watcher) => Ok(watcher.output(bytes).into_iter().filter_map(command).collect()),
            Self::Plain => Ok(Vec::new()),
            Self::Sftp(observer) => files(observer.from_target(bytes).map_err(|breach| log(&breach))?, at_ms),
            Self::Scp(observer) => files(observer.from_target(bytes).map_err(|breach| log(&breach))?, at_ms),
        }
    }

    /// The worker's window changed. Gives the size in use.
    pub fn resize(&mut self, columns: u32, rows: u32) -> Option<(u16, u16)> {
        match self {
            Self::Terminal(watcher) => watcher.resize(columns, rows),
            _ => return None,
        }
        self.size()
    }

    /// The channel ended: what was under way is reported as not finished.
    pub fn finish(self, at_ms: u64) -> Vec<Seen> {
        let left = match self {
            Self::Terminal(_) | Self::Plain => Vec::new(),
            Self::Sftp(observer) => observer.finish(),
            Self::Scp(observer) => observer.finish(),
        };
        left.into_iter().map(|op| Seen::File(Box::new(file(&op, at_ms)))).collect()
    }
}

fn log(breach: &dyn std::fmt::Debug) -> Breach {
    tracing::warn!(?breach, "a file transfer cannot be followed");
    Breach
}

fn command(typed: Typed) -> Option<Seen> {
    match typed {
        Typed::Command { line } => Some(Seen::Command(words::visible(&line))),
        Typed::FullScreen { .. } => None,
    }
}

fn files(ops: Vec<FileOp>, at_ms: u64) -> Result<Vec<Seen>, Breach> {
    Ok(ops.iter().map(|op| Seen::File(Box::new(file(op, at_ms)))).collect())
}

fn file(op: &FileOp, at_ms: u64) -> FileSeen {
    let (name, second) = match &op.op {
        Op::Upload => ("put".to_owned(), None),
        Op::Download => ("get".to_owned(), None),
        Op::List => ("list".to_owned(), None),
        Op::Remove => ("remove".to_owned(), None),
        Op::Rename => ("rename".to_owned(), op.display_path2()),
        Op::MakeFolder => ("mkdir".to_owned(), None),
        Op::RemoveFolder => ("rmdir".to_owned(), None),
        Op::SetAttributes => ("setattr".to_owned(), None),
        Op::Symlink => ("symlink".to_owned(), op.display_path2()),
        Op::Hardlink => ("hardlink".to_owned(), op.display_path2()),
        Op::Copy => ("copy".to_owned(), op.display_path2()),
        Op::Extension(name) => (format!("extension {}", sekisho_protocol::files::display(name)), None),
    };
    let path = match second {
        Some(second) => format!("{} → {second}", op.display_path()),
        None => op.display_path(),
    };
    FileSeen {
        at_ms,
        op: name,
        path,
        bytes: op.bytes,
        sha256: match &op.content {
            Content::Sha256(digest) => Some(hex(digest)),
            Content::Unknown(_) => None,
        },
        ok: op.outcome == Outcome::Done,
    }
}
