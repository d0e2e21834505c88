//! The legacy SCP protocol (`scp -t` and `scp -f`, as in OpenSSH's scp.c) guarded from between the peers.
//!
//! The source sends `C`, `D`, `E` and `T` lines and content; the sink answers each with a byte, and a refused
//! file's content is not sent. So both directions must be followed together. A line goes on once it was judged; what may
//! not go on is refused in the sink's place, and everything else goes on untouched.

use crate::content::Hasher;
use crate::files::{Content, Direction, FileOp, NoDigest, Op, Outcome, Passed, Refused, Right, Rule, Why};
use crate::keep::Kept;
use crate::limits;
use crate::ssh::command::{ScpDirection, ScpTransfer};
use crate::stream::Run;
use bytes::Bytes;

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
    /// The source's own word on the content it sent. PuTTY's sink answers as soon as it has the content, and that answer
    /// may come by before the word does.
    Word { file: File, answer: Option<Outcome> },
    /// The sink's word on the whole file.
    Judged { file: File },
}

#[derive(Debug)]
enum Asked {
    File(File),
    Folder(Vec<u8>),
    Other,
}

#[derive(Debug)]
struct File {
    path: Vec<u8>,
    bytes: u64,
    /// As the source announced it.
    size: u64,
    hasher: Hasher,
    kept: Option<Kept>,
}

/// Guards one SCP channel.
#[derive(Debug)]
pub struct Guard {
    transfer: ScpTransfer,
    rule: Rule,
    state: State,
    folders: Vec<Vec<u8>>,
    line: Vec<u8>,
    /// What the source sent before the sink agreed; it waits here.
    eager: Vec<u8>,
    /// What waited and may go on to the sink.
    released: Vec<Bytes>,
    /// Answers of ours to the source, in the sink's place.
    replies: Vec<Bytes>,
    /// The sink's first answer says that it is ready and answers no line.
    started: bool,
    /// The sink is in the middle of an error message of so many bytes.
    message: Option<usize>,
    broken: Option<Breach>,
    kept: Vec<FileOp>,
}

impl Guard {
    /// A channel that has just started `transfer`.
    #[must_use]
    pub fn new(transfer: ScpTransfer, rule: Rule) -> Self {
        Self {
            transfer,
            rule,
            state: State::Line,
            folders: Vec::new(),
            line: Vec::new(),
            eager: Vec::new(),
            released: Vec::new(),
            replies: Vec::new(),
            started: false,
            message: None,
            broken: None,
            kept: Vec::new(),
        }
    }

    /// Judges bytes that come from the worker. Only [`Passed::on`] may be sent on to the target.
    ///
    /// # Errors
    /// [`Breach`], from then on always the same one: the channel must be closed and nothing sent on.
    pub fn from_worker(&mut self, bytes: Bytes) -> Result<Passed, Breach> {
        self.guarded(bytes, self.transfer.direction == ScpDirection::Upload)
    }

    /// Judges bytes that come from the target. Only [`Passed::on`] may be sent on to the worker.
    ///
    /// # Errors
    /// As [`Guard::from_worker`].
    pub fn from_target(&mut self, bytes: Bytes) -> Result<Passed, Breach> {
        self.guarded(bytes, self.transfer.direction == ScpDirection::Download)
    }

    /// What the worker can get at this moment besides what the target sends.
    pub fn due_to_worker(&mut self) -> Vec<Bytes> {
        self.due(self.transfer.direction == ScpDirection::Download)
    }

    /// What the target can get at this moment besides what the worker sends.
    pub fn due_to_target(&mut self) -> Vec<Bytes> {
        self.due(self.transfer.direction == ScpDirection::Upload)
    }

    fn due(&mut self, to_sink: bool) -> Vec<Bytes> {
        if self.broken.is_some() {
            Vec::new()
        } else if to_sink {
            std::mem::take(&mut self.released)
        } else if self.message.is_none() {
            std::mem::take(&mut self.replies)
        } else {
            Vec::new()
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
            State::Word { file, .. } | State::Judged { file } | State::Asked(Asked::File(file)) => {
                acts.push(self.act(file, Outcome::Cut));
            }
            State::Asked(Asked::Folder(path)) => acts.push(self.folder(path, Outcome::Cut)),
            State::Line | State::Asked(Asked::Other) => {}
        }
        if self.broken.is_some() {
            crate::keep::broken(&mut acts);
        }
        acts
    }

    fn guarded(&mut self, bytes: Bytes, from_source: bool) -> Result<Passed, Breach> {
        if let Some(breach) = self.broken {
            return Err(breach);
        }
        let mut passed = Passed::default();
        let read = if from_source {
            self.source(bytes, &mut passed).map(|mut on| {
                // What was held back until now goes first.
                passed.on = std::mem::take(&mut self.released);
                passed.on.append(&mut on);
            })
        } else {
            self.sink(&bytes, &mut passed).map(|()| passed.on = vec![bytes])
        };
        match read {
            Ok(()) => {
                passed.due |= !self.replies.is_empty() || !self.released.is_empty();
                Ok(passed)
            }
            Err(breach) => {
                self.broken = Some(breach);
                self.kept = passed.done;
                Err(breach)
            }
        }
    }

    /// Judges bytes of the source. Gives those that go on.
    fn source(&mut self, bytes: Bytes, passed: &mut Passed) -> Result<Vec<Bytes>, Breach> {
        let direction = self.direction();
        let mut run = Run::new(bytes);
        while !run.rest().is_empty() {
            match &mut self.state {
                State::Asked(_) | State::Judged { .. } => {
                    // What the sink has not agreed to cannot be judged yet, so it waits.
                    let rest = run.peek(usize::MAX);
                    if self.eager.len() + rest.len() > limits::SCP_EAGER_BYTES {
                        return Err(Breach::Eager);
                    }
                    self.eager.extend_from_slice(&rest);
                    run.drop(rest.len());
                }
                State::Data { file, left } => {
                    let data = run.peek(usize::try_from(*left).unwrap_or(usize::MAX));
                    file.hasher.part(file.bytes, &data, 0);
                    if let Some(keeper) = &self.rule.keeper {
                        keeper.part(&mut file.kept, (direction, &file.path), file.bytes, &data, &mut passed.keep);
                    }
                    file.bytes += data.len() as u64;
                    *left -= data.len() as u64;
                    run.pass(data.len());
                    if *left == 0 {
                        self.content_sent();
                    }
                }
                State::Word { .. } => self.word(&mut run, passed)?,
                State::Line => self.control(&mut run, passed)?,
            }
        }
        Ok(run.finish())
    }

    fn content_sent(&mut self) {
        if let State::Data { file, .. } = std::mem::replace(&mut self.state, State::Line) {
            self.state = State::Word { file, answer: None };
        }
    }

    /// The source's word after content: a zero byte, or a message that its own reading failed.
    fn word(&mut self, run: &mut Run, passed: &mut Passed) -> Result<(), Breach> {
        let failed = if self.line.is_empty() && run.rest().first() == Some(&0) {
            run.pass(1);
            false
        } else {
            let Some(line) = self.collect(run)? else { return Ok(()) };
            if !matches!(line.first(), Some(1 | 2)) {
                return Err(Breach::Line);
            }
            run.put(line);
            true
        };
        if let State::Word { mut file, answer } = std::mem::replace(&mut self.state, State::Line) {
            if failed {
                file.hasher.spoil(NoDigest::Failed);
            }
            match answer {
                Some(outcome) => passed.done.push(self.act(file, outcome)),
                None => self.state = State::Judged { file },
            }
        }
        Ok(())
    }

    /// Holds bytes back up to a line's end. Gives the whole line when it is there.
    fn collect(&mut self, run: &mut Run) -> Result<Option<Bytes>, Breach> {
        let rest = run.rest();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let part = run.peek(end.map_or(rest.len(), |at| at + 1));
        if self.line.len() + part.len() > limits::SCP_LINE_BYTES {
            return Err(Breach::TooLong);
        }
        self.line.extend_from_slice(&part);
        run.drop(part.len());
        Ok(end.map(|_| Bytes::from(std::mem::take(&mut self.line))))
    }

    fn control(&mut self, run: &mut Run, passed: &mut Passed) -> Result<(), Breach> {
        // A lone zero byte at a line's start is an answer that some sources send at their end.
        if self.line.is_empty() && run.rest().first() == Some(&0) {
            run.pass(1);
            return Ok(());
        }
        let Some(whole) = self.collect(run)? else { return Ok(()) };
        let line = whole.strip_suffix(b"\n").unwrap_or(&whole);
        let (kind, fields) = line.split_first().ok_or(Breach::Line)?;
        self.state = match kind {
            b'C' => {
                let (size, name) = entry(fields)?;
                let file = File { path: self.join(name)?, bytes: 0, size, hasher: Hasher::new(), kept: None };
                if let Err(why) = self.may(size) {
                    self.refuse(why, file.path, run, passed);
                    return Ok(());
                }
                State::Asked(Asked::File(file))
            }
            b'D' => {
                let (_, name) = entry(fields)?;
                if self.folders.len() >= limits::SCP_DEPTH {
                    return Err(Breach::TooLong);
                }
                let path = self.join(name)?;
                if let Err(why) = self.right() {
                    self.refuse(why, path, run, passed);
                    return Ok(());
                }
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
                    size: 0,
                    hasher: Hasher::void(NoDigest::Failed),
                    kept: None,
                };
                passed.done.push(self.act(file, Outcome::Failed(FAILURE)));
                State::Line
            }
            _ => return Err(Breach::Line),
        };
        run.put(whole);
        Ok(())
    }

    fn direction(&self) -> Direction {
        match self.transfer.direction {
            ScpDirection::Upload => Direction::Upload,
            ScpDirection::Download => Direction::Download,
        }
    }

    fn right(&self) -> Result<(), Why> {
        let right = match self.transfer.direction {
            ScpDirection::Upload => Right::Upload,
            ScpDirection::Download => Right::Download,
        };
        if self.rule.rights.has(right) { Ok(()) } else { Err(Why::Right(right)) }
    }

    /// Whether a file of this size may go over. The whole of it is counted beforehand: content that was begun is not
    /// broken off.
    fn may(&self, size: u64) -> Result<(), Why> {
        self.right()?;
        let direction = self.direction();
        if !self.rule.quota.file(direction) {
            return Err(Why::Files(direction));
        }
        if !self.rule.quota.bytes(direction, size) {
            self.rule.quota.give_back(direction, 0);
            return Err(Why::Bytes(direction));
        }
        Ok(())
    }

    /// Answers the source in the sink's place, as a sink that cannot take the file; the source goes on to its next one.
    /// A worker that is the sink is told as well.
    fn refuse(&mut self, why: Why, path: Vec<u8>, run: &mut Run, passed: &mut Passed) {
        let act = match self.transfer.direction {
            ScpDirection::Upload => "scp put",
            ScpDirection::Download => "scp get",
        };
        let words = (self.rule.words)(why).replace(['\n', '\r'], " ");
        let complaint = Bytes::from(format!("\u{1}{words}\n"));
        if self.transfer.direction == ScpDirection::Download {
            run.put(complaint.clone());
        }
        self.replies.push(complaint);
        passed.refused.push(Refused { why, act, path });
    }

    fn sink(&mut self, bytes: &[u8], passed: &mut Passed) -> Result<(), Breach> {
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
                0 => self.answered(Outcome::Done, passed)?,
                1 | 2 => {
                    self.message = Some(0);
                    self.answered(Outcome::Failed(FAILURE), passed)?;
                }
                _ => return Err(Breach::Line),
            }
        }
        Ok(())
    }

    /// One answer of the sink. Answers beyond those that are owed are complaints and change nothing.
    fn answered(&mut self, outcome: Outcome, passed: &mut Passed) -> Result<(), Breach> {
        if !self.started {
            self.started = true;
            return Ok(());
        }
        let agreed = outcome == Outcome::Done;
        match std::mem::replace(&mut self.state, State::Line) {
            State::Asked(Asked::File(file)) if agreed => {
                let left = file.size;
                self.state = State::Data { file, left };
                if left == 0 {
                    self.content_sent();
                }
            }
            State::Asked(Asked::File(file)) => {
                self.rule.quota.give_back(self.direction(), file.size);
                passed.done.push(self.act(file, outcome));
            }
            State::Judged { file } => passed.done.push(self.act(file, outcome)),
            State::Asked(Asked::Folder(name)) => {
                passed.done.push(self.folder(name.clone(), outcome));
                if agreed {
                    self.folders.push(name);
                }
            }
            State::Asked(Asked::Other) => {}
            State::Word { file, answer: None } => {
                self.state = State::Word { file, answer: Some(outcome) };
                return Ok(());
            }
            other => {
                self.state = other;
                return Ok(());
            }
        }
        let eager = std::mem::take(&mut self.eager);
        let mut on = self.source(Bytes::from(eager), passed)?;
        self.released.append(&mut on);
        Ok(())
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
            kept: file.kept,
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
mod tests;
