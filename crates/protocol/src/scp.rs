//! The legacy SCP protocol (`scp -t` and `scp -f`, as in OpenSSH's scp.c) watched from between the peers.
//!
//! The source sends `C`, `D`, `E` and `T` lines and content; the sink answers each with a byte, and a refused
//! file's content is not sent. So both directions must be followed together. The bytes are never changed.

use crate::content::Hasher;
use crate::files::{Content, Direction, FileOp, NoDigest, Op, Outcome};
use crate::limits;
use crate::ssh::command::{ScpDirection, ScpTransfer};

/// Why the bytes are no SCP that can be followed; the gateway closes the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A control line that is none.
    Line,
    /// A name with a slash or a zero byte, an empty one, `.` or `..`.
    Name,
    /// A line, a name or the depth of folders passes its limit.
    TooLong,
    /// The source ran too far ahead of the sink's answers.
    Eager,
}

/// What the sink refused, in the words of SFTP: its general failure.
const FAILURE: u32 = 4;

#[derive(Debug)]
enum State {
    /// The source's next line.
    Line,
    /// The sink's answer to a line; then what follows.
    Asked(Asked),
    /// Content, with what is still to come.
    Data { file: File, left: u64 },
    /// The source's own word on the content it sent.
    Word { file: File },
    /// The sink's word on the whole file.
    Judged { file: File },
}

#[derive(Debug)]
enum Asked {
    File(File, u64),
    Folder(Vec<u8>),
    Other,
}

#[derive(Debug)]
struct File {
    path: Vec<u8>,
    bytes: u64,
    hasher: Hasher,
}

/// How one direction is read.
type Reader = fn(&mut Observer, &[u8], &mut Vec<FileOp>) -> Result<(), Breach>;

/// Follows one SCP channel.
#[derive(Debug)]
pub struct Observer {
    transfer: ScpTransfer,
    state: State,
    folders: Vec<Vec<u8>>,
    line: Vec<u8>,
    eager: Vec<u8>,
    /// The sink's first answer says that it is ready and answers no line.
    started: bool,
    /// The sink is in the middle of an error message of so many bytes.
    message: Option<usize>,
    broken: Option<Breach>,
    kept: Vec<FileOp>,
}

impl Observer {
    /// A channel that has just started `transfer`.
    #[must_use]
    pub fn new(transfer: ScpTransfer) -> Self {
        Self {
            transfer,
            state: State::Line,
            folders: Vec::new(),
            line: Vec::new(),
            eager: Vec::new(),
            started: false,
            message: None,
            broken: None,
            kept: Vec::new(),
        }
    }

    /// Reads bytes that go from the worker to the target; call it before they are sent on.
    ///
    /// # Errors
    /// [`Breach`], from then on always the same one: the channel must be closed and the bytes not sent on.
    pub fn from_worker(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        match self.transfer.direction {
            ScpDirection::Upload => self.guarded(bytes, Self::source),
            ScpDirection::Download => self.guarded(bytes, Self::sink),
        }
    }

    /// Reads bytes that go from the target to the worker; call it before they are sent on.
    ///
    /// # Errors
    /// As [`Observer::from_worker`].
    pub fn from_target(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        match self.transfer.direction {
            ScpDirection::Upload => self.guarded(bytes, Self::sink),
            ScpDirection::Download => self.guarded(bytes, Self::source),
        }
    }

    /// The channel ended: what was under way ends as [`Outcome::Cut`].
    #[must_use]
    pub fn finish(mut self) -> Vec<FileOp> {
        let mut acts = std::mem::take(&mut self.kept);
        match std::mem::replace(&mut self.state, State::Line) {
            State::Data { mut file, left } => {
                if left > 0 {
                    file.hasher.spoil(NoDigest::NotWhole);
                }
                acts.push(self.act(file, Outcome::Cut));
            }
            State::Word { file } | State::Judged { file } | State::Asked(Asked::File(file, _)) => {
                acts.push(self.act(file, Outcome::Cut));
            }
            State::Asked(Asked::Folder(path)) => acts.push(self.folder(path, Outcome::Cut)),
            State::Line | State::Asked(Asked::Other) => {}
        }
        acts
    }

    fn guarded(
        &mut self,
        bytes: &[u8],
        read: Reader,
    ) -> Result<Vec<FileOp>, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut done = Vec::new();
        match read(self, bytes, &mut done) {
            Ok(()) => Ok(done),
            Err(breach) => {
                self.broken = Some(breach);
                self.kept = done;
                Err(breach)
            }
        }
    }

    fn source(&mut self, bytes: &[u8], done: &mut Vec<FileOp>) -> Result<(), Breach> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Asked(_) | State::Judged { .. } => {
                    if self.eager.len() + rest.len() > limits::SCP_EAGER_BYTES {
                        return Err(Breach::Eager);
                    }
                    self.eager.extend_from_slice(rest);
                    return Ok(());
                }
                State::Data { file, left } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    let (data, after) = rest.split_at(take);
                    file.hasher.part(file.bytes, data, 0);
                    file.bytes += data.len() as u64;
                    *left -= data.len() as u64;
                    rest = after;
                    if *left == 0 {
                        self.content_sent();
                    }
                }
                State::Word { .. } => rest = self.word(rest)?,
                State::Line => rest = self.control(rest, done)?,
            }
        }
        Ok(())
    }

    fn content_sent(&mut self) {
        if let State::Data { file, .. } = std::mem::replace(&mut self.state, State::Line) {
            self.state = State::Word { file };
        }
    }

    /// The source's word after content: a zero byte, or a message that its own reading failed.
    fn word<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], Breach> {
        let mut rest = rest;
        let failed = if self.line.is_empty() && rest.first() == Some(&0) {
            rest = rest.get(1..).unwrap_or_default();
            false
        } else {
            match self.collect(rest)? {
                (after, None) => return Ok(after),
                (after, Some(line)) => {
                    if !matches!(line.first(), Some(1 | 2)) {
                        return Err(Breach::Line);
                    }
                    rest = after;
                    true
                }
            }
        };
        if let State::Word { mut file } = std::mem::replace(&mut self.state, State::Line) {
            if failed {
                file.hasher.spoil(NoDigest::Failed);
            }
            self.state = State::Judged { file };
        }
        Ok(rest)
    }

    /// Collects up to a line's end. Gives what is left, and the line when it is whole.
    fn collect<'a>(&mut self, rest: &'a [u8]) -> Result<(&'a [u8], Option<Vec<u8>>), Breach> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (part, after) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
        if self.line.len() + part.len() > limits::SCP_LINE_BYTES {
            return Err(Breach::TooLong);
        }
        self.line.extend_from_slice(part);
        if end.is_none() {
            return Ok((after, None));
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        Ok((after, Some(line)))
    }

    fn control<'a>(&mut self, rest: &'a [u8], done: &mut Vec<FileOp>) -> Result<&'a [u8], Breach> {
        // A lone zero byte at a line's start is an answer that some sources send at their end.
        if self.line.is_empty() && rest.first() == Some(&0) {
            return Ok(rest.get(1..).unwrap_or_default());
        }
        let (after, Some(line)) = self.collect(rest)? else { return Ok(&[]) };
        let (kind, fields) = line.split_first().ok_or(Breach::Line)?;
        self.state = match kind {
            b'C' => {
                let (size, name) = entry(fields)?;
                let file = File { path: self.join(name)?, bytes: 0, hasher: Hasher::new() };
                State::Asked(Asked::File(file, size))
            }
            b'D' => {
                let (_, name) = entry(fields)?;
                if self.folders.len() >= limits::SCP_DEPTH {
                    return Err(Breach::TooLong);
                }
                self.join(name)?;
                State::Asked(Asked::Folder(name.to_vec()))
            }
            b'E' if fields.is_empty() => {
                self.folders.pop().ok_or(Breach::Line)?;
                State::Asked(Asked::Other)
            }
            b'T' if fields.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-')) => {
                State::Asked(Asked::Other)
            }
            // The source's complaint about a file that it could not read, which goes unanswered.
            1 | 2 => {
                let file = File {
                    path: self.transfer.path.clone(),
                    bytes: 0,
                    hasher: Hasher::void(NoDigest::Failed),
                };
                done.push(self.act(file, Outcome::Failed(FAILURE)));
                State::Line
            }
            _ => return Err(Breach::Line),
        };
        Ok(after)
    }

    fn sink(&mut self, bytes: &[u8], done: &mut Vec<FileOp>) -> Result<(), Breach> {
        for byte in bytes {
            if let Some(length) = &mut self.message {
                *length += 1;
                if *byte == b'\n' {
                    self.message = None;
                } else if *length > limits::SCP_LINE_BYTES {
                    return Err(Breach::TooLong);
                }
                continue;
            }
            match byte {
                0 => self.answered(Outcome::Done, done)?,
                1 | 2 => {
                    self.message = Some(0);
                    self.answered(Outcome::Failed(FAILURE), done)?;
                }
                _ => return Err(Breach::Line),
            }
        }
        Ok(())
    }

    /// One answer of the sink. Answers beyond those that are owed are complaints and change nothing.
    fn answered(&mut self, outcome: Outcome, done: &mut Vec<FileOp>) -> Result<(), Breach> {
        if !self.started {
            self.started = true;
            return Ok(());
        }
        let agreed = outcome == Outcome::Done;
        match std::mem::replace(&mut self.state, State::Line) {
            State::Asked(Asked::File(file, size)) if agreed => {
                self.state = State::Data { file, left: size };
                if size == 0 {
                    self.content_sent();
                }
            }
            State::Asked(Asked::File(file, _)) | State::Judged { file } => done.push(self.act(file, outcome)),
            State::Asked(Asked::Folder(name)) => {
                done.push(self.folder(name.clone(), outcome));
                if agreed {
                    self.folders.push(name);
                }
            }
            State::Asked(Asked::Other) => {}
            other => {
                self.state = other;
                return Ok(());
            }
        }
        let eager = std::mem::take(&mut self.eager);
        self.source(&eager, done)
    }

    fn join(&self, name: &[u8]) -> Result<Vec<u8>, Breach> {
        let mut path = Vec::new();
        for folder in &self.folders {
            path.extend_from_slice(folder);
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if path.len() > limits::PATH_BYTES { Err(Breach::TooLong) } else { Ok(path) }
    }

    fn act(&self, file: File, outcome: Outcome) -> FileOp {
        let (op, direction) = match self.transfer.direction {
            ScpDirection::Upload => (Op::Upload, Direction::Upload),
            ScpDirection::Download => (Op::Download, Direction::Download),
        };
        let content = if file.bytes == 0 && outcome != Outcome::Done {
            Content::Unknown(NoDigest::Failed)
        } else {
            file.hasher.finish()
        };
        FileOp {
            op,
            path: file.path,
            path2: Some(self.transfer.path.clone()),
            direction: Some(direction),
            bytes: file.bytes,
            content,
            outcome,
        }
    }

    fn folder(&self, name: Vec<u8>, outcome: Outcome) -> FileOp {
        let op = match self.transfer.direction {
            ScpDirection::Upload => Op::MakeFolder,
            ScpDirection::Download => Op::List,
        };
        let path = self.join(&name).unwrap_or(name);
        FileOp { outcome, ..FileOp::without_content(op, path, Some(self.transfer.path.clone())) }
    }
}

/// Reads `0644 123 name` after its letter.
fn entry(fields: &[u8]) -> Result<(u64, &[u8]), Breach> {
    let mut parts = fields.splitn(3, |byte| *byte == b' ');
    let (Some(mode), Some(size), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Breach::Line);
    };
    let octal = (4..=6).contains(&mode.len()) && mode.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let digits = (1..=18).contains(&size.len()) && size.iter().all(u8::is_ascii_digit);
    if !octal || !digits {
        return Err(Breach::Line);
    }
    if name.is_empty() || name == b"." || name == b".." || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(Breach::Name);
    }
    let size = size.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok((size, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    fn upload() -> Observer {
        let mut observer =
            Observer::new(ScpTransfer { direction: ScpDirection::Upload, path: b"/tmp".to_vec() });
        observer.from_target(b"\0").unwrap();
        observer
    }

    fn sha(data: &[u8]) -> Content {
        Content::Sha256(Sha256::digest(data).into())
    }

    #[test]
    fn an_upload_is_seen_with_its_digest_when_the_sink_confirms() {
        let mut observer = upload();
        assert!(observer.from_worker(b"T1 0 2 0\n").unwrap().is_empty());
        observer.from_target(b"\0").unwrap();
        observer.from_worker(b"C0644 5 a b.txt\n").unwrap();
        observer.from_target(b"\0").unwrap();
        assert!(observer.from_worker(b"hel").unwrap().is_empty());
        assert!(observer.from_worker(b"lo\0").unwrap().is_empty());
        let acts = observer.from_target(b"\0").unwrap();
        assert_eq!(acts.len(), 1);
        assert_eq!((acts[0].path.as_slice(), acts[0].path2.as_deref()), (&b"a b.txt"[..], Some(&b"/tmp"[..])));
        assert_eq!((acts[0].bytes, acts[0].content, acts[0].outcome), (5, sha(b"hello"), Outcome::Done));
        assert!(observer.finish().is_empty());
    }

    #[test]
    fn folders_and_empty_files_of_a_download_are_seen() {
        let mut observer =
            Observer::new(ScpTransfer { direction: ScpDirection::Download, path: b"logs".to_vec() });
        observer.from_worker(b"\0").unwrap();
        observer.from_target(b"D0755 0 logs\n").unwrap();
        assert_eq!(observer.from_worker(b"\0").unwrap()[0].op, Op::List);
        observer.from_target(b"C0600 0 empty\n").unwrap();
        observer.from_worker(b"\0").unwrap();
        observer.from_target(b"\0").unwrap();
        let acts = observer.from_worker(b"\0").unwrap();
        assert_eq!((acts[0].path.as_slice(), acts[0].content), (&b"logs/empty"[..], sha(b"")));
        observer.from_target(b"E\n").unwrap();
        observer.from_worker(b"\0").unwrap();
        assert!(observer.finish().is_empty());
    }

    #[test]
    fn a_refused_file_is_followed_by_the_next_line_and_not_by_its_content() {
        let mut observer = upload();
        observer.from_worker(b"C0644 5 x\n").unwrap();
        let acts = observer.from_target(b"\x01scp: x: Permission denied\n").unwrap();
        assert_eq!(acts[0].outcome, Outcome::Failed(FAILURE));
        observer.from_worker(b"C0644 2 y\n").unwrap();
        observer.from_target(b"\0").unwrap();
        observer.from_worker(b"ab\0").unwrap();
        assert_eq!(observer.from_target(b"\0").unwrap()[0].content, sha(b"ab"));
    }

    #[test]
    fn a_source_that_does_not_wait_is_followed_up_to_a_limit() {
        let mut observer = upload();
        observer.from_worker(b"C0644 2 y\nab\0C0644 1 z\nc\0").unwrap();
        observer.from_target(b"\0").unwrap();
        assert_eq!(observer.from_target(b"\0").unwrap()[0].content, sha(b"ab"));
        let acts = observer.from_target(b"\0\0").unwrap();
        assert_eq!(acts[0].content, sha(b"c"));
        let mut far = upload();
        far.from_worker(b"C0644 9999999 y\n").unwrap();
        assert_eq!(far.from_worker(&vec![0; limits::SCP_EAGER_BYTES + 1]), Err(Breach::Eager));
    }

    #[test]
    fn what_is_under_way_at_the_end_is_cut() {
        let mut observer = upload();
        observer.from_worker(b"C0644 5 x\n").unwrap();
        observer.from_target(b"\0").unwrap();
        observer.from_worker(b"he").unwrap();
        let acts = observer.finish();
        assert_eq!((acts[0].bytes, acts[0].outcome), (2, Outcome::Cut));
        assert_eq!(acts[0].content, Content::Unknown(NoDigest::NotWhole));
    }

    #[test]
    fn lines_and_names_that_are_none_are_breaches() {
        for (line, breach) in [
            (&b"X\n"[..], Breach::Line),
            (b"C644 1 x\n", Breach::Line),
            (b"C0644 -1 x\n", Breach::Line),
            (b"C0644 99999999999999999999 x\n", Breach::Line),
            (b"C0644 1 ../x\n", Breach::Name),
            (b"C0644 1 ..\n", Breach::Name),
            (b"D0755 0 .\n", Breach::Name),
            (b"C0644 1 \n", Breach::Name),
            (b"E\n", Breach::Line),
            (b"\n", Breach::Line),
        ] {
            let mut observer = upload();
            assert_eq!(observer.from_worker(line), Err(breach), "{:?}", String::from_utf8_lossy(line));
            assert_eq!(observer.from_target(b"\0"), Err(breach), "a broken channel stays broken");
        }
        assert_eq!(upload().from_worker(&vec![b'C'; limits::SCP_LINE_BYTES + 1]), Err(Breach::TooLong));
        assert_eq!(upload().from_target(b"x"), Err(Breach::Line));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(download in any::<bool>(), pieces in proptest::collection::vec((any::<bool>(), "[CDET\\x00\\x01\\x02 0-7a\\n]{0,40}"), 0..40)) {
            let direction = if download { ScpDirection::Download } else { ScpDirection::Upload };
            let mut observer = Observer::new(ScpTransfer { direction, path: b"x".to_vec() });
            for (worker, text) in pieces {
                let _ = if worker { observer.from_worker(text.as_bytes()) } else { observer.from_target(text.as_bytes()) };
            }
            let _ = observer.finish();
        }
    }
}
