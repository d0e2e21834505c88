//! Uploads that wait for the hospital (隔離): a server of our own, between the guard and the target.
//!
//! A file that is opened for writing is opened here and nowhere else. What is written to it is staged; its close is
//! answered when a person, or the plan's list, has decided. Only then are open, content and attributes sent to the
//! target, by requests of our own. Everything else goes through, with request numbers of our own, so that the two can
//! never be taken for each other.

mod file;
mod lineup;
mod room;
mod whole;

pub use room::Room;
pub use whole::Quarantined;

use super::Breach;
use super::packet::{ATTRS, Fields, HANDLE, INIT, STATUS, VERSION, status};
use super::table::needs;
use crate::files::{Refused, Why};
use crate::limits;
use bytes::{Bytes, BytesMut};
use file::{File, Phase, Pour, Set, Status, handle, number, string};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const FSTAT: u8 = 8;
const FSETSTAT: u8 = 10;
const READDIR: u8 = 12;
const EXTENDED: u8 = 200;

const OK: u32 = 0;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;
const UNSUPPORTED: u32 = 8;

/// What handles of staged files begin with. A target that gives out one of these is not followed.
const HANDLES: &[u8] = b"sekisho staged ";

/// Why something cannot be done with a file that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Staging {
    /// It was opened for appending.
    Append,
    /// It was opened for reading and writing.
    BothWays,
    /// It was opened to change what the target has.
    InPlace,
    /// What was written is not all that the file would hold, or came twice.
    NotWhole,
    /// It is larger than [`limits::STAGED_FILE_BYTES`].
    FileBytes,
    /// The session's staged files are larger than [`limits::STAGED_SESSION_BYTES`], or all that it ever staged than
    /// [`limits::STAGED_TOTAL_BYTES`].
    SessionBytes,
    /// More than [`limits::STAGED_FILES`] are open or wait.
    Files,
    /// It has attributes that version 3 does not name.
    Attributes,
    /// It is read, copied or synced before it has arrived.
    NotThere,
    /// Its content could not be kept.
    Spool,
}

/// What is to be done with staged content, in this order. Files are named by numbers that a channel uses once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A file begins.
    Begin {
        /// Its number.
        file: u32,
    },
    /// Content of it, from the first byte to the last.
    Content {
        /// Its number.
        file: u32,
        /// The bytes.
        bytes: Bytes,
    },
    /// It is complete and waits: [`Quarantined::decided`] answers.
    Hold {
        /// Its number.
        file: u32,
        /// The name as raw bytes, in the target's encoding.
        path: Vec<u8>,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: [u8; 32],
    },
    /// It is not needed any more.
    Drop {
        /// Its number.
        file: u32,
    },
}

/// A part of staged content that the target is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The file's number.
    pub file: u32,
    /// Where it begins.
    pub offset: u64,
    /// Its length.
    pub length: usize,
}

/// Whose request the target answers.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Worker(u32),
    Open(u32),
    Part(u32),
    Set(u32),
    Close(u32),
}

/// Packets out of a stream.
#[derive(Debug, Default)]
struct Frames(BytesMut);

impl Frames {
    fn next(&mut self) -> Result<Option<Bytes>, Breach> {
        let Some(field) = self.0.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*field) as usize;
        if length == 0 || length > limits::SFTP_PACKET_BYTES {
            return Err(Breach::PacketLength);
        }
        Ok((self.0.len() >= 4 + length).then(|| self.0.split_to(4 + length).freeze()))
    }
}

/// The server between guard and target.
#[derive(Debug)]
struct Stage {
    words: fn(Why) -> String,
    room: Arc<Room>,
    worker: Frames,
    target: Frames,
    asked: HashMap<u32, Asked>,
    next_request: u32,
    files: BTreeMap<u32, File>,
    next_file: u32,
    to_target: Vec<Bytes>,
    /// Answers for the worker; true with one that ends an upload which did not pass.
    to_worker: Vec<(Bytes, bool)>,
    effects: Vec<Effect>,
    refused: Vec<Refused>,
    /// Closes that wait for a decision since the last look, with the numbers of their files.
    aside: Vec<(u32, u32)>,
    /// Handles of files that can pass no more, since the last look.
    spoiled: Vec<Vec<u8>>,
}

impl Stage {
    fn new(words: fn(Why) -> String, room: Arc<Room>) -> Self {
        Self {
            words,
            room,
            worker: Frames::default(),
            target: Frames::default(),
            asked: HashMap::new(),
            next_request: 0,
            files: BTreeMap::new(),
            next_file: 1,
            to_target: Vec::new(),
            to_worker: Vec::new(),
            effects: Vec::new(),
            refused: Vec::new(),
            aside: Vec::new(),
            spoiled: Vec::new(),
        }
    }

    /// Bytes that the guard let pass.
    fn from_worker(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        self.worker.0.extend_from_slice(bytes);
        while let Some(packet) = self.worker.next()? {
            self.request(&packet)?;
        }
        Ok(())
    }

    fn from_target(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        self.target.0.extend_from_slice(bytes);
        while let Some(packet) = self.target.next()? {
            self.answered(&packet)?;
        }
        Ok(())
    }

    fn request(&mut self, packet: &Bytes) -> Result<(), Breach> {
        let mut fields = Fields::new(packet);
        let kind = fields.byte()?;
        if kind == INIT {
            self.to_target.push(packet.clone());
            return Ok(());
        }
        let id = fields.u32()?;
        match kind {
            OPEN => {
                let path = fields.path()?;
                let flags = fields.u32()?;
                if needs(flags).upload {
                    let set = Set::read(&mut fields)?;
                    self.open(id, path, flags, set);
                    return Ok(());
                }
            }
            CLOSE | READ | WRITE | FSTAT | FSETSTAT | READDIR => {
                if let Some(number) = number(&fields.handle()?) {
                    return self.on_staged(kind, id, number, &mut fields, packet);
                }
            }
            EXTENDED => {
                let name = fields.path()?;
                let staged = match name.as_slice() {
                    b"fsync@openssh.com" | b"fstatvfs@openssh.com" => number(&fields.handle()?).is_some(),
                    b"copy-data" => {
                        let from = fields.handle()?;
                        fields.u64()?;
                        fields.u64()?;
                        number(&from).is_some() || number(&fields.handle()?).is_some()
                    }
                    _ => false,
                };
                if staged {
                    self.say(id, UNSUPPORTED, Staging::NotThere);
                    return Ok(());
                }
            }
            _ => {}
        }
        self.ask(Asked::Worker(id), kind, packet.get(9..).unwrap_or_default());
        Ok(())
    }

    /// Asks the target under a number that no other open request has.
    fn ask(&mut self, whose: Asked, kind: u8, fields: &[u8]) {
        while self.asked.contains_key(&self.next_request) {
            self.next_request = self.next_request.wrapping_add(1);
        }
        let id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        self.asked.insert(id, whose);
        self.to_target.push(packet(kind, id, fields));
    }

    fn say(&mut self, id: u32, code: u32, why: Staging) {
        let text = (self.words)(Why::Staging(why));
        self.to_worker.push((Bytes::from(status(id, code, &text)), false));
    }

    /// Answers the close of an upload that does not pass.
    fn deny(&mut self, close: u32, words: &str) {
        self.to_worker.push((Bytes::from(status(close, DENIED, words)), true));
    }

    fn ok(&mut self, id: u32) {
        self.to_worker.push((Bytes::from(status(id, OK, "")), false));
    }

    fn open(&mut self, id: u32, path: Vec<u8>, flags: u32, set: Set) {
        let told = path.clone();
        let file = File::new(path, flags, set).and_then(|file| if self.room.enter() { Ok(file) } else { Err(Staging::Files) });
        match file {
            Ok(file) => {
                let number = self.next_file;
                self.next_file = self.next_file.wrapping_add(1);
                self.files.insert(number, file);
                self.effects.push(Effect::Begin { file: number });
                let handle = handle(number);
                self.to_worker.push((packet(HANDLE, id, &string(&handle)), false));
            }
            Err(why) => {
                self.refused.push(Refused { why: Why::Staging(why), act: "sftp put", path: told });
                self.say(id, DENIED, why);
            }
        }
    }

    fn on_staged(&mut self, kind: u8, id: u32, number: u32, fields: &mut Fields<'_>, packet_: &Bytes) -> Result<(), Breach> {
        let waiting: usize = self.files.values().map(|file| file.line.waiting()).sum();
        let Some(file) = self.files.get_mut(&number).filter(|file| matches!(file.phase, Phase::Writing)) else {
            self.say(id, FAILURE, Staging::NotThere);
            return Ok(());
        };
        match kind {
            FSTAT => {
                let told = file.attributes();
                self.to_worker.push((packet(ATTRS, id, &told), false));
            }
            WRITE => {
                let offset = fields.u64()?;
                let data = packet_.slice_ref(fields.string()?);
                if let Some(why) = file.spoiled {
                    self.say(id, FAILURE, why);
                    return Ok(());
                }
                let more = data.len() as u64;
                if !self.room.take(more) {
                    self.spoil(number, Staging::SessionBytes);
                    self.say(id, FAILURE, Staging::SessionBytes);
                    return Ok(());
                }
                file.taken = file.taken.saturating_add(more);
                match file.line.part(offset, data, limits::REORDER_TOTAL_BYTES.saturating_sub(waiting)) {
                    Ok(parts) => {
                        self.effects.extend(parts.into_iter().map(|bytes| Effect::Content { file: number, bytes }));
                        self.ok(id);
                    }
                    Err(why) => {
                        self.spoil(number, why);
                        self.say(id, FAILURE, why);
                    }
                }
            }
            FSETSTAT => {
                let set = Set::read(fields)?;
                if set.foreign {
                    self.say(id, UNSUPPORTED, Staging::Attributes);
                    return Ok(());
                }
                match file.set(set) {
                    Ok(()) => self.ok(id),
                    Err(why) => {
                        self.spoil(number, why);
                        self.say(id, FAILURE, why);
                    }
                }
            }
            CLOSE => self.close(id, number),
            _ => self.say(id, FAILURE, Staging::NotThere),
        }
        Ok(())
    }

    /// The file can be nothing that is checked: what was staged of it goes at once, what is still written is refused.
    fn spoil(&mut self, number: u32, why: Staging) {
        let Some(file) = self.files.get_mut(&number) else { return };
        if file.spoiled.is_some() {
            return;
        }
        file.spoiled = Some(why);
        self.spoiled.push(handle(number));
        file.line = lineup::Lineup::default();
        self.room.give(std::mem::take(&mut file.taken));
        self.effects.push(Effect::Drop { file: number });
        self.refused.push(Refused { why: Why::Staging(why), act: "sftp put", path: file.path.clone() });
    }

    fn close(&mut self, id: u32, number: u32) {
        let Some(file) = self.files.get_mut(&number) else { return };
        let digest = file.whole().filter(|_| file.spoiled.is_none());
        if let Some(sha256) = digest {
            file.phase = Phase::Waiting { close: id };
            self.aside.push((id, number));
            self.effects.push(Effect::Hold { file: number, path: file.path.clone(), bytes: file.line.bytes(), sha256 });
            return;
        }
        self.spoil(number, Staging::NotWhole);
        let why = self.files.get(&number).and_then(|file| file.spoiled).unwrap_or(Staging::NotWhole);
        self.deny(id, &(self.words)(Why::Staging(why)));
        self.forget(number);
    }

    /// What waits is not in the recording whole, so that nobody could see afterwards what was decided on.
    fn unkept(&mut self, number: u32, close: u32) {
        self.effects.retain(|effect| !matches!(effect, Effect::Hold { file, .. } if *file == number));
        self.spoil(number, Staging::SessionBytes);
        self.deny(close, &(self.words)(Why::Staging(Staging::SessionBytes)));
        self.forget(number);
    }

    fn forget(&mut self, number: u32) {
        if let Some(file) = self.files.remove(&number) {
            self.room.give(file.taken);
            self.room.leave();
            self.effects.push(Effect::Drop { file: number });
        }
    }

    /// It was decided on a file that waits. `Err`: it does not pass, in these words.
    fn decided(&mut self, number: u32, decision: Result<(), String>) {
        let Some(file) = self.files.get_mut(&number) else { return };
        let Phase::Waiting { close } = file.phase else { return };
        match decision {
            Ok(()) => {
                file.phase = Phase::Opening { close };
                let open = file.open();
                self.ask(Asked::Open(number), OPEN, &open);
            }
            Err(words) => {
                self.deny(close, &words);
                self.forget(number);
            }
        }
    }

    /// The next part of a file that was let pass.
    fn wants(&mut self) -> Option<Want> {
        self.files.iter_mut().find_map(|(file, staged)| staged.wants().map(|(offset, length)| Want { file: *file, offset, length }))
    }

    /// True if [`Stage::wants`] has something.
    fn is_hungry(&self) -> bool {
        self.files.values().any(File::is_hungry)
    }

    /// A part that was wanted. `None`: it could not be read.
    fn content(&mut self, want: Want, bytes: Option<Bytes>) {
        let words = (self.words)(Why::Staging(Staging::Spool));
        let Some(Phase::Pouring(pour)) = self.files.get_mut(&want.file).map(|file| &mut file.phase) else { return };
        match bytes.filter(|bytes| bytes.len() == want.length) {
            Some(bytes) => {
                let fields = [string(&pour.handle), want.offset.to_be_bytes().to_vec(), string(&bytes)].concat();
                self.ask(Asked::Part(want.file), WRITE, &fields);
            }
            None => {
                pour.under_way = pour.under_way.saturating_sub(1);
                pour.failed.get_or_insert(Status { code: FAILURE, text: words });
                self.pour_on(want.file);
            }
        }
    }

    /// One answer of the target.
    fn answered(&mut self, bytes: &Bytes) -> Result<(), Breach> {
        let mut fields = Fields::new(bytes);
        let kind = fields.byte()?;
        if kind == VERSION {
            self.to_worker.push((bytes.clone(), false));
            return Ok(());
        }
        let id = fields.u32()?;
        let whose = self.asked.remove(&id).ok_or(Breach::RequestId)?;
        if let Asked::Worker(id) = whose {
            if kind == HANDLE && fields.handle()?.starts_with(HANDLES) {
                return Err(Breach::Answer);
            }
            self.to_worker.push((packet(kind, id, bytes.get(9..).unwrap_or_default()), false));
            return Ok(());
        }
        match (whose, kind) {
            (Asked::Open(number), HANDLE) => {
                let handle = fields.handle()?;
                if let Some(file) = self.files.get_mut(&number)
                    && let Phase::Opening { close } = file.phase
                {
                    file.phase = Phase::Pouring(Pour { close, handle, asked: 0, under_way: 0, failed: None });
                    self.pour_on(number);
                }
            }
            (Asked::Open(number), STATUS) => {
                let mut status = told(&mut fields)?;
                // An open that is answered by a status has failed, whatever the status says.
                status.code = if status.code == OK { FAILURE } else { status.code };
                if let Some(Phase::Opening { close }) = self.files.get(&number).map(|file| &file.phase) {
                    let close = *close;
                    self.end(number, close, &status);
                }
            }
            (Asked::Part(number), STATUS) => {
                let status = told(&mut fields)?;
                if let Some(Phase::Pouring(pour)) = self.files.get_mut(&number).map(|file| &mut file.phase) {
                    pour.under_way = pour.under_way.saturating_sub(1);
                    if status.code != OK {
                        pour.failed.get_or_insert(status);
                    }
                    self.pour_on(number);
                }
            }
            (Asked::Set(number), STATUS) => {
                let refused = told(&mut fields)?.code != OK;
                let Some(file) = self.files.get_mut(&number) else { return Ok(()) };
                if refused {
                    // The content has arrived as it was checked; only this is not as the worker asked.
                    self.refused.push(Refused { why: Why::Staging(Staging::Attributes), act: "sftp setattr", path: file.path.clone() });
                }
                self.shut(number);
            }
            (Asked::Close(number), STATUS) => {
                let status = told(&mut fields)?;
                let Some(file) = self.files.get_mut(&number) else { return Ok(()) };
                if let Phase::Closing(pour) = &mut file.phase {
                    let (close, status) = (pour.close, pour.failed.take().unwrap_or(status));
                    self.end(number, close, &status);
                }
            }
            _ => return Err(Breach::Answer),
        }
        Ok(())
    }

    /// Goes on to the attributes when all content was answered, or to the close when something went wrong.
    fn pour_on(&mut self, number: u32) {
        let Some(file) = self.files.get_mut(&number) else { return };
        let total = file.line.bytes();
        let Phase::Pouring(pour) = &mut file.phase else { return };
        if pour.under_way > 0 || (pour.failed.is_none() && pour.asked < total) {
            return;
        }
        if pour.failed.is_none() && !file.set.is_empty() {
            let fields = [string(&pour.handle), file.set.write()].concat();
            let Phase::Pouring(pour) = std::mem::replace(&mut file.phase, Phase::Writing) else { return };
            file.phase = Phase::Setting(pour);
            self.ask(Asked::Set(number), FSETSTAT, &fields);
        } else {
            self.shut(number);
        }
    }

    fn shut(&mut self, number: u32) {
        let Some(file) = self.files.get_mut(&number) else { return };
        match std::mem::replace(&mut file.phase, Phase::Writing) {
            Phase::Pouring(pour) | Phase::Setting(pour) => {
                let fields = string(&pour.handle);
                file.phase = Phase::Closing(pour);
                self.ask(Asked::Close(number), CLOSE, &fields);
            }
            other => file.phase = other,
        }
    }

    /// Answers the worker's close with what became of the file.
    fn end(&mut self, number: u32, close: u32, outcome: &Status) {
        self.to_worker.push((Bytes::from(status(close, outcome.code, &outcome.text)), false));
        self.forget(number);
    }

    /// True if the target was asked to take a file of this name, whatever came of it.
    fn poured(&self, path: &[u8]) -> bool {
        self.files.values().any(|file| file.path == path && !matches!(file.phase, Phase::Writing | Phase::Waiting { .. }))
    }

    /// True if a file waits or is on its way.
    fn is_busy(&self) -> bool {
        self.files.values().any(|file| !matches!(file.phase, Phase::Writing))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for file in self.files.values() {
            self.room.give(file.taken);
            self.room.leave();
        }
    }
}

fn packet(kind: u8, id: u32, fields: &[u8]) -> Bytes {
    let length = u32::try_from(fields.len() + 5).unwrap_or(0);
    Bytes::from([&length.to_be_bytes()[..], &[kind], &id.to_be_bytes(), fields].concat())
}

fn told(fields: &mut Fields<'_>) -> Result<Status, Breach> {
    let code = fields.u32()?;
    // Servers of the first versions give no words.
    let text = fields.string().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
    Ok(Status { code, text: text.chars().take(limits::STAGED_WORDS).collect() })
}

#[cfg(test)]
mod tests;
