//! One act on a file of the target, as SFTP and SCP observers report it.

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
    /// An SFTP extension that Sekisho does not know, by its name. `path` is empty.
    Extension(Vec<u8>),
}

/// Which way content went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A name for people.
#[must_use]
pub fn display(name: &[u8]) -> String {
    let marks = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
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
    fn a_name_cannot_forge_a_line_or_turn_the_text_round() {
        assert_eq!(display(b"a\nb\x1b[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(display("x\u{202e}gpj.exe".as_bytes()), "x\u{fffd}gpj.exe");
        assert_eq!(display("報告書.txt".as_bytes()), "報告書.txt");
        assert_eq!(hex(&[0xab; 32]), "ab".repeat(32));
    }
}
