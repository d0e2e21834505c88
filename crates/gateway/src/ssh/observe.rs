//! What a channel's bytes mean, for the recording, and which of them go on. What goes on is untouched.

use super::words;
use bytes::Bytes;
use sekisho_core::desk::Event;
use sekisho_core::reconcile::{FileSeen, Kept, PUT_REFUSED};
use sekisho_protocol::files::{self, Content, Direction, FileOp, Op, Outcome, Quota, Refused, Rule, Why, hex};
use sekisho_protocol::keep::Keep;
use sekisho_protocol::ssh::RsyncTransfer;
use sekisho_protocol::ssh::command::ScpTransfer;
use sekisho_protocol::terminal::{Present, Typed, Watcher};
use sekisho_protocol::{scp, sftp};
use std::sync::Arc;

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
    /// The command line, if it is one.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Command(line) => Some(line),
            Self::File(_) => None,
        }
    }

    /// As an event of the recording.
    pub fn event(&self) -> Event<'_> {
        match self {
            Self::Command(line) => Event::Command(line),
            Self::File(file) => Event::File(file),
        }
    }
}

/// What an observer makes of some bytes.
#[derive(Default)]
pub struct Passed {
    /// What goes on, in its order.
    pub on: Vec<Bytes>,
    /// Contents of files for the recording.
    pub keep: Vec<Keep>,
    /// What was understood.
    pub seen: Vec<Seen>,
    /// What does not go on.
    pub refused: Vec<Refused>,
    /// Something waits for the other way.
    pub due: bool,
    /// The channel's work ends here.
    pub stop: Option<Why>,
}

impl Passed {
    fn whole(bytes: Bytes, seen: Vec<Seen>) -> Self {
        Self { on: vec![bytes], seen, ..Self::default() }
    }

    fn guarded(passed: files::Passed, at_ms: u64) -> Self {
        let files::Passed { on, keep, done, refused, due } = passed;
        Self { on, keep, seen: done.iter().map(|op| Seen::File(Box::new(file(op, at_ms)))).collect(), refused, due, stop: None }
    }
}

/// Follows one channel.
pub enum Observer {
    /// A terminal: commands as the target echoed them.
    Terminal(Box<Watcher>),
    /// One command without a terminal: its output is stored, nothing is read out of it.
    Plain,
    /// File transfer by SFTP.
    Sftp(Box<sftp::Guard>),
    /// File transfer by SFTP whose uploads wait.
    Quarantined(Box<sftp::Quarantined>),
    /// File transfer by legacy SCP.
    Scp(Box<scp::Guard>),
    /// File transfer by rsync, whose stream is only counted.
    Rsync(Box<Rsync>),
}

/// A transfer by rsync.
pub struct Rsync {
    transfer: RsyncTransfer,
    quota: Arc<Quota>,
    up: u64,
    down: u64,
    stopped: bool,
}

impl Rsync {
    /// Counts the stream in the direction in which content goes; the other one carries checksums.
    fn pass(&mut self, bytes: Bytes, to_target: bool) -> Passed {
        let length = bytes.len() as u64;
        let direction = if self.transfer.sender { Direction::Download } else { Direction::Upload };
        if to_target != self.transfer.sender && !self.quota.bytes(direction, length) {
            self.stopped = true;
        }
        if self.stopped {
            return Passed { stop: Some(Why::Bytes(direction)), ..Passed::default() };
        }
        *(if to_target { &mut self.up } else { &mut self.down }) += length;
        Passed::whole(bytes, Vec::new())
    }

    fn file(&self, at_ms: u64, exit: &str) -> FileSeen {
        let paths: Vec<String> = self.transfer.paths.iter().map(|path| files::display(path)).collect();
        FileSeen {
            at_ms,
            op: if self.transfer.sender { "rsync-get" } else { "rsync-put" }.to_owned(),
            path: paths.join(" "),
            bytes: if self.transfer.sender { self.down } else { self.up },
            sha256: None,
            ok: exit == "exit 0" && !self.stopped,
            // rsync sends differences in a form of its own, which nothing here reads.
            kept: None,
        }
    }
}

impl Observer {
    /// A terminal of this size.
    pub fn terminal(columns: u32, rows: u32) -> Self {
        Self::Terminal(Box::new(Watcher::new(columns, rows)))
    }

    /// An SFTP channel.
    pub fn sftp(rule: Rule) -> Self {
        Self::Sftp(Box::new(sftp::Guard::new(rule)))
    }

    /// An SFTP channel whose uploads wait.
    pub fn quarantined(rule: Rule) -> Self {
        let room = rule.room.clone().unwrap_or_default();
        Self::Quarantined(Box::new(sftp::Quarantined::new(rule, room)))
    }

    /// True if uploads wait here.
    pub fn is_staging(&self) -> bool {
        matches!(self, Self::Quarantined(_))
    }

    /// The stage, if uploads wait here.
    pub fn staged(&mut self) -> Option<&mut sftp::Quarantined> {
        match self {
            Self::Quarantined(stage) => Some(stage),
            _ => None,
        }
    }

    /// Lets the stage act.
    pub fn act(&mut self, at_ms: u64, act: impl FnOnce(&mut sftp::Quarantined) -> Result<files::Passed, sftp::Breach>) -> Result<Passed, Breach> {
        match self {
            Self::Quarantined(stage) => Ok(Passed::guarded(act(stage).map_err(|breach| log(&breach))?, at_ms)),
            _ => Ok(Passed::default()),
        }
    }

    /// A legacy SCP transfer.
    pub fn scp(transfer: ScpTransfer, rule: Rule) -> Self {
        Self::Scp(Box::new(scp::Guard::new(transfer, rule)))
    }

    /// A transfer by rsync.
    pub fn rsync(transfer: RsyncTransfer, rule: &Rule) -> Self {
        Self::Rsync(Box::new(Rsync { transfer, quota: Arc::clone(&rule.quota), up: 0, down: 0, stopped: false }))
    }

    /// Takes keys up to the first that enters a line, and gives how many bytes those were.
    pub fn up_to_enter(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Terminal(watcher) => watcher.input_up_to_enter(bytes),
            _ => bytes.len(),
        }
    }

    /// The line that Enter would enter.
    pub fn present(&self) -> Present {
        match self {
            Self::Terminal(watcher) => watcher.present(),
            _ => Present::Blank,
        }
    }

    /// True if a line was entered that the target has not left.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Terminal(watcher) if watcher.is_behind())
    }

    /// The line was not entered.
    pub fn take_back(&mut self) {
        if let Self::Terminal(watcher) = self {
            watcher.take_back();
        }
    }

    /// The terminal's size in use: columns, rows.
    pub fn size(&self) -> Option<(u16, u16)> {
        match self {
            Self::Terminal(watcher) => Some(watcher.size()),
            _ => None,
        }
    }

    /// Judges bytes on their way to the target.
    pub fn worker_sends(&mut self, bytes: Bytes, at_ms: u64) -> Result<Passed, Breach> {
        match self {
            Self::Terminal(watcher) => {
                watcher.input(&bytes);
                Ok(Passed::whole(bytes, Vec::new()))
            }
            Self::Plain => Ok(Passed::whole(bytes, Vec::new())),
            Self::Sftp(guard) => Ok(Passed::guarded(guard.from_worker(bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Quarantined(stage) => Ok(Passed::guarded(stage.from_worker(bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Scp(guard) => Ok(Passed::guarded(guard.from_worker(bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Rsync(rsync) => Ok(rsync.pass(bytes, true)),
        }
    }

    /// Judges bytes on their way to the worker.
    pub fn target_sends(&mut self, bytes: Bytes, at_ms: u64) -> Result<Passed, Breach> {
        match self {
            Self::Terminal(watcher) => {
                let seen = watcher.output(&bytes).into_iter().filter_map(command).collect();
                Ok(Passed::whole(bytes, seen))
            }
            Self::Plain => Ok(Passed::whole(bytes, Vec::new())),
            Self::Sftp(guard) => Ok(Passed::guarded(guard.from_target(bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Quarantined(stage) => Ok(Passed::guarded(stage.from_target(&bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Scp(guard) => Ok(Passed::guarded(guard.from_target(bytes).map_err(|breach| log(&breach))?, at_ms)),
            Self::Rsync(rsync) => Ok(rsync.pass(bytes, false)),
        }
    }

    /// What the worker can get at this moment besides what the target sends.
    pub fn due_to_worker(&mut self) -> Vec<Bytes> {
        match self {
            Self::Sftp(guard) => guard.due_to_worker(),
            Self::Quarantined(stage) => stage.due_to_worker(),
            Self::Scp(guard) => guard.due_to_worker(),
            _ => Vec::new(),
        }
    }

    /// What the target can get at this moment besides what the worker sends.
    pub fn due_to_target(&mut self) -> Vec<Bytes> {
        match self {
            Self::Scp(guard) => guard.due_to_target(),
            Self::Quarantined(stage) => stage.due_to_target(),
            _ => Vec::new(),
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

    /// The channel ended so: what was under way is reported as not finished.
    pub fn finish(self, at_ms: u64, exit: &str) -> Vec<Seen> {
        let left = match self {
            Self::Terminal(_) | Self::Plain => Vec::new(),
            Self::Sftp(guard) => guard.finish(),
            Self::Quarantined(stage) => stage.finish(),
            Self::Scp(guard) => guard.finish(),
            Self::Rsync(rsync) => return vec![Seen::File(Box::new(rsync.file(at_ms, exit)))],
        };
        left.into_iter().map(|op| Seen::File(Box::new(file(&op, at_ms)))).collect()
    }
}

/// Content of a file as an event of the recording.
pub fn kept(keep: &Keep) -> Event<'_> {
    match keep {
        Keep::File { file, direction, path } => Event::KeepFile { file: *file, to_target: *direction == Direction::Upload, path },
        Keep::Content { file, offset, data } => Event::Content { file: *file, offset: *offset, bytes: data },
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

fn file(op: &FileOp, at_ms: u64) -> FileSeen {
    let (name, second) = match &op.op {
        Op::Upload if op.outcome == Outcome::Refused => (PUT_REFUSED.to_owned(), None),
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
        kept: op.kept.map(|kept| Kept { file: kept.file, bytes: kept.bytes, whole: kept.whole }),
    }
}
