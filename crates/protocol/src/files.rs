//! One act on a file of the target, as SFTP and SCP guards report it, and what a guard lets happen.

use crate::keep::{Keep, Keeper, Kept};
use crate::sftp::{Room, Staging};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Content went to the target.
    Upload,
    /// Content came from the target.
    Download,
    /// A folder was listed.
    List,
    /// A file was removed.
    Remove,
    /// `path` became `path2`.
    Rename,
    /// A folder was made.
    MakeFolder,
    /// A folder was removed.
    RemoveFolder,
    /// Size, owner, mode or times were set.
    SetAttributes,
    /// `path` is a symbolic link to `path2`.
    Symlink,
    /// `path2` is another name of `path`.
    Hardlink,
    /// The target copied `path` to `path2` itself.
    Copy,
}

/// Which way content went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the worker to the target.
    Upload,
    /// From the target to the worker.
    Download,
}

/// What is known of the content that went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The SHA-256 of the first [`FileOp::bytes`] bytes, which went over once each, from the first on.
    Sha256([u8; 32]),
    /// No digest, with the reason.
    Unknown(NoDigest),
}

/// Why content has no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDigest {
    /// The act moves no content.
    NoContent,
    /// It began in the middle, left a gap, or went over some part twice.
    NotSequential,
    /// Parts came so far out of order that keeping them would have passed the limit.
    TooFarApart,
    /// It was written into a file that was not emptied or newly made.
    NotWhole,
    /// The target refused a part.
    Failed,
    /// The target changed it itself (a copy on the target, a set size).
    ChangedOnTarget,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target said that it is done.
    Done,
    /// The target refused, with SFTP's status code (SCP: 4, its general failure).
    Failed(u32),
    /// The channel ended before the target answered.
    Cut,
    /// It waited for the hospital and was not let pass: nothing of it reached the target.
    Refused,
}

/// One act on a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOp {
    /// What was done.
    pub op: Op,
    /// The name as raw bytes of the target's own encoding. SCP: the name that was sent, with its folders.
    pub path: Vec<u8>,
    /// The second name, where the act has one. SCP: the path that the worker asked for.
    pub path2: Option<Vec<u8>>,
    /// Which way content went.
    pub direction: Option<Direction>,
    /// Bytes of content that went over (parts that went over twice count twice).
    pub bytes: u64,
    /// The content's digest, or why there is none.
    pub content: Content,
    /// What of the content was kept; nothing if it was not to be.
    pub kept: Option<Kept>,
    /// How it ended.
    pub outcome: Outcome,
}

impl FileOp {
    /// An act that moves no content.
    pub(crate) fn without_content(op: Op, path: Vec<u8>, path2: Option<Vec<u8>>) -> Self {
        Self {
            op,
            path,
            path2,
            direction: None,
            bytes: 0,
            content: Content::Unknown(NoDigest::NoContent),
            kept: None,
            outcome: Outcome::Cut,
        }
    }

    /// The first name for people: what is no UTF-8 is replaced, and so is every control and direction mark, so
    /// that a name can forge no line of a log.
    #[must_use]
    pub fn display_path(&self) -> String {
        display(&self.path)
    }

    /// The second name for people, as [`FileOp::display_path`].
    #[must_use]
    pub fn display_path2(&self) -> Option<String> {
        self.path2.as_deref().map(display)
    }
}

/// What may be done with files. The default allows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Content comes from the target.
    pub download: bool,
    /// Content goes to the target; folders and links are made, attributes set.
    pub upload: bool,
    /// Files and folders are removed.
    pub delete: bool,
    /// Files get another name.
    pub rename: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Self = Self { download: true, upload: true, delete: true, rename: true };

    /// True if it has this one.
    #[must_use]
    pub fn has(self, right: Right) -> bool {
        match right {
            Right::Download => self.download,
            Right::Upload => self.upload,
            Right::Delete => self.delete,
            Right::Rename => self.rename,
        }
    }
}

/// One of the [`Rights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// [`Rights::download`].
    Download,
    /// [`Rights::upload`].
    Upload,
    /// [`Rights::delete`].
    Delete,
    /// [`Rights::rename`].
    Rename,
}

impl Right {
    /// The name in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Rename => "rename",
        }
    }
}

/// Why a guard did not let something pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A right is missing.
    Right(Right),
    /// So many bytes of content may not go this way.
    Bytes(Direction),
    /// So many files may not go this way.
    Files(Direction),
    /// The handle was opened for the other direction, or is none.
    Handle,
    /// An SFTP extension that Sekisho does not know.
    Extension,
    /// Uploads wait for the hospital, and this cannot.
    Staging(Staging),
}

/// Something that a guard did not let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// What was asked for, in one word.
    pub act: &'static str,
    /// The file, or the extension's name. Empty where none was named.
    pub path: Vec<u8>,
}

impl Refused {
    /// The ask for people: `sftp remove /etc/passwd`.
    #[must_use]
    pub fn display(&self) -> String {
        format!("{} {}", self.act, display(&self.path)).trim_end().to_owned()
    }
}

/// What a guard makes of some bytes that go one way.
#[derive(Debug, Default)]
pub struct Passed {
    /// What goes on, in its order. Pieces of what came, wherever that is possible.
    pub on: Vec<Bytes>,
    /// What belongs into the recording before any of it goes on.
    pub keep: Vec<Keep>,
    /// Acts that are finished.
    pub done: Vec<FileOp>,
    /// What does not go on.
    pub refused: Vec<Refused>,
    /// Something waits for the other way: the guard's `due_to_worker` or `due_to_target` gives it.
    pub due: bool,
}

/// How much may go over in one session, and how much did. All channels share one.
#[derive(Debug, Default)]
pub struct Quota {
    upload: Way,
    download: Way,
}

#[derive(Debug, Default)]
struct Way {
    most_bytes: Option<u64>,
    most_files: Option<u64>,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Way {
    fn new((most_bytes, most_files): (Option<u64>, Option<u64>)) -> Self {
        Self { most_bytes, most_files, ..Self::default() }
    }
}

fn take(used: &AtomicU64, more: u64, most: Option<u64>) -> bool {
    let fits = |used: u64| used.checked_add(more).filter(|sum| most.is_none_or(|most| *sum <= most));
    used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
}

impl Quota {
    /// Most bytes and most files, each way. `None` is no limit.
    #[must_use]
    pub fn new(upload: (Option<u64>, Option<u64>), download: (Option<u64>, Option<u64>)) -> Arc<Self> {
        Arc::new(Self { upload: Way::new(upload), download: Way::new(download) })
    }

    fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::Upload => &self.upload,
            Direction::Download => &self.download,
        }
    }

    /// Counts bytes of content that are about to go over. False, and nothing is counted, if they may not.
    #[must_use]
    pub fn bytes(&self, direction: Direction, more: u64) -> bool {
        let way = self.way(direction);
        take(&way.bytes, more, way.most_bytes)
    }

    /// Counts one file that is about to go over, likewise.
    #[must_use]
    pub fn file(&self, direction: Direction) -> bool {
        let way = self.way(direction);
        take(&way.files, 1, way.most_files)
    }

    /// A file that was counted did not go over.
    pub fn give_back(&self, direction: Direction, bytes: u64) {
        let way = self.way(direction);
        let less = |counter: &AtomicU64, by: u64| {
            let _ = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| Some(used.saturating_sub(by)));
        };
        less(&way.files, 1);
        less(&way.bytes, bytes);
    }

    /// True if files are limited in number that way.
    #[must_use]
    pub fn counts_files(&self, direction: Direction) -> bool {
        self.way(direction).most_files.is_some()
    }
}

/// What a guard holds a channel to.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What may be done.
    pub rights: Rights,
    /// How much may go over.
    pub quota: Arc<Quota>,
    /// The words that the worker's client gets with a refusal.
    pub words: fn(Why) -> String,
    /// What keeps contents of files, if any are kept.
    pub keeper: Option<Arc<Keeper>>,
    /// Where uploads wait until the hospital lets them pass, if they do.
    pub room: Option<Arc<Room>>,
}

impl Default for Rule {
    fn default() -> Self {
        Self { rights: Rights::default(), quota: Arc::default(), words: |why| format!("{why:?}"), keeper: None, room: None }
    }
}

/// A name for people.
#[must_use]
pub fn display(name: &[u8]) -> String {
    let marks = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    String::from_utf8_lossy(name)
        .chars()
        .map(|c| if c.is_control() || marks(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// Lower-case hexadecimal of a digest.
#[must_use]
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(u32::from(half), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_to_the_byte_and_gives_back() {
        let quota = Quota::new((Some(10), Some(1)), (None, None));
        assert!(quota.bytes(Direction::Upload, 10) && !quota.bytes(Direction::Upload, 1) && quota.bytes(Direction::Upload, 0));
        assert!(quota.file(Direction::Upload) && !quota.file(Direction::Upload));
        quota.give_back(Direction::Upload, 4);
        assert!(quota.file(Direction::Upload) && quota.bytes(Direction::Upload, 4) && !quota.bytes(Direction::Upload, 1));
        assert!(quota.bytes(Direction::Download, u64::MAX) && !quota.bytes(Direction::Download, 1), "a sum that overflows is too much");
    }

    #[test]
    fn a_name_cannot_forge_a_line_or_turn_the_text_round() {
        assert_eq!(display(b"a\nb\x1b[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(display("x\u{202e}gpj.exe".as_bytes()), "x\u{fffd}gpj.exe");
        assert_eq!(display("x\u{61c}123-456".as_bytes()), "x\u{fffd}123-456", "the Arabic letter mark turns what follows");
        assert_eq!(display("報告書.txt".as_bytes()), "報告書.txt");
        assert_eq!(hex(&[0xab; 32]), "ab".repeat(32));
    }
}
