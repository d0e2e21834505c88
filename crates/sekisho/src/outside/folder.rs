//! A folder on another machine or medium: one file for each checkpoint and for each exchange of the log's key, and the newest
//! checkpoint as `latest`.
//!
//! Others can write there. No name in it is followed if it is a link, nothing is waited for that is no file, and nothing that
//! exists is opened for writing.

use super::settings::FolderSection;
use crate::config::Config;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use sekisho_core::desk::Answer;
use sekisho_evidence::limits::MAX_CHECKPOINT_BYTES;
use sekisho_evidence::rotation::{MAX_ROTATION_BYTES, MAX_ROTATIONS, Rotation, read};
use sekisho_store::{Head, Kept, Place};
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Before the number of the entry that an exchange belongs to.
const EXCHANGE: &str = "rotation-";
/// Names in the folder that are looked through for exchanges: checkpoints of some years, one a minute.
const NAMES: usize = 4_000_000;

/// Before the number of entries of a head.
const HEAD: &str = "checkpoint-";
/// Between two looks at all names: a folder of some years has a million.
const LIST: Duration = Duration::from_secs(3600);

/// The folder.
pub struct Folder {
    name: String,
    path: PathBuf,
    mounted: bool,
    data_dir: PathBuf,
    /// The folder of this log in it: several boxes may share one.
    own: String,
    /// A share that hangs is waited for by one thread, and not by one more for each try.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When its names were listed, and the size of the head that was written last.
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    listed: Option<Instant>,
    written: Option<u64>,
}

impl Folder {
    /// A folder; nothing is looked at.
    pub fn new(section: &FolderSection, config: &Config) -> Self {
        let own = config.origin().replace('/', "-");
        Self { name: section.name.clone(), path: section.path.clone(), mounted: section.mounted, data_dir: config.data.dir.clone(), own, turn: Arc::default(), known: Arc::default() }
    }

    async fn at_it<T: Send + 'static>(&self, work: impl FnOnce(&Shelf) -> Result<T, String> + Send + 'static) -> Result<T, String> {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else { return Err("the folder hangs".into()) };
        let (path, data_dir, own, mounted) = (self.path.clone(), self.data_dir.clone(), self.own.clone(), self.mounted);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let there = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let here = std::fs::metadata(&data_dir).map_err(|error| format!("{}: {error}", data_dir.display()))?;
            // A share that is not mounted leaves an empty folder of our own disk, which is no place outside.
            if mounted && there.dev() == here.dev() {
                return Err(format!("{} lies on the disk of the data folder: it is not mounted", path.display()));
            }
            work(&Shelf::open(&path, &own)?)
        });
        done.await.map_err(|lost| lost.to_string())?
    }
}

/// The folder of this log, open: nobody can put another one in its place while it is used.
struct Shelf {
    dir: OwnedFd,
    path: PathBuf,
}

impl Shelf {
    fn open(path: &std::path::Path, own: &str) -> Result<Self, String> {
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let words = |errno: Errno| format!("{}: {errno}", path.display());
        // The path of the configuration is its owner's, and may go over links.
        let base = openat(CWD, path, folder, Mode::empty()).map_err(words)?;
        match mkdirat(&base, own, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(words(errno)),
        }
        let dir = openat(&base, own, folder | OFlags::NOFOLLOW, Mode::empty());
        let path = path.join(own);
        Ok(Self { dir: dir.map_err(|errno| format!("{} is no folder of its own: {errno}", path.display()))?, path })
    }

    fn words(&self, name: &str, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.path.join(name).display())
    }

    /// Reads a file of at most `limit` bytes; `None` if there is none.
    fn read(&self, name: &str, limit: usize) -> Result<Option<String>, String> {
        let file = match openat(&self.dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.words(name, errno)),
        };
        let found = fstat(&file).map_err(|errno| self.words(name, errno))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(self.words(name, "it is no file"));
        }
        let mut text = String::new();
        File::from(file).take(limit as u64 + 1).read_to_string(&mut text).map_err(|error| self.words(name, error))?;
        Ok(Some(text))
    }

    /// Writes a file durably under a name that nobody can foresee, and gives it its own.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let mut random = [0_u8; 8];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut random).map_err(|error| self.words(name, error))?;
        let temporary = format!(".new-{:016x}", u64::from_be_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, temporary.as_str(), flags, Mode::from_raw_mode(0o644)).map_err(|errno| self.words(name, errno))?;
        let mut file = File::from(file);
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| self.words(name, error));
        // A name that is a link is replaced itself, and what it leads to is left alone.
        let kept = written.and_then(|()| renameat(&self.dir, temporary.as_str(), &self.dir, name).map_err(|errno| self.words(name, errno)));
        if kept.is_err() {
            let _ = unlinkat(&self.dir, temporary.as_str(), AtFlags::empty());
        }
        kept?;
        fsync(&self.dir).map_err(|errno| self.words(name, errno))
    }

    /// Writes a file unless it is there with just this content. One that is there with another is what somebody may look for:
    /// it is left, and the new one lies beside it as `NAME.BESIDE`.
    ///
    /// Gives what is there.
    fn keep(&self, name: &str, bytes: &[u8], beside: &str) -> Result<Option<String>, String> {
        match self.read(name, MAX_ROTATION_BYTES) {
            Ok(None) => self.write(name, bytes).map(|()| None),
            Ok(Some(there)) if there.as_bytes() == bytes => Ok(None),
            there => {
                let name = format!("{name}.{beside}");
                if self.read(&name, MAX_ROTATION_BYTES).ok().flatten().is_none_or(|there| there.as_bytes() != bytes) {
                    self.write(&name, bytes)?;
                }
                Ok(Some(there.ok().flatten().unwrap_or_default()))
            }
        }
    }

    /// The heads of the largest names.
    fn heads(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(|errno| self.words("", errno))?.take(NAMES) {
            let entry = entry.map_err(|errno| self.words("", errno))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let number = name.strip_prefix(HEAD).map(|rest| rest.split('.').next().unwrap_or_default()).and_then(|number| number.parse::<u64>().ok());
            names.extend(number.map(|number| (number, name.to_owned())));
            // Names are others': no more of them are held than are read.
            if names.len() > 4096 {
                largest(&mut names);
            }
        }
        largest(&mut names);
        // What cannot be read was put there by somebody else: it is judged as what it is, and hides no other.
        Ok(names.into_iter().map(|(_, name)| self.read(&name, MAX_CHECKPOINT_BYTES).ok().flatten().unwrap_or_default()).collect())
    }

    /// The numbers of the entries whose exchanges are kept.
    fn exchanges(&self) -> Result<Vec<u64>, String> {
        let mut numbers = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(|errno| self.words("", errno))?.take(NAMES) {
            let entry = entry.map_err(|errno| self.words("", errno))?;
            if let Some(number) = entry.file_name().to_str().ok().and_then(|name| name.strip_prefix(EXCHANGE)).and_then(|number| number.parse().ok()) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        numbers.truncate(MAX_ROTATIONS);
        Ok(numbers)
    }
}

fn largest(names: &mut Vec<(u64, String)>) {
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.truncate(sekisho_core::limits::FOLDER_HEADS);
}

/// The number of entries of a head, whoever signed it.
fn size_of(note: &str) -> u64 {
    sekisho_evidence::checkpoint::unproved(note).map_or(0, |head| head.size)
}

impl Place for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn remembers(&self) -> bool {
        true
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        let written = self.known.lock().unwrap_or_else(PoisonError::into_inner).written;
        Box::pin(self.at_it(move |shelf| {
            let latest = shelf.read("latest", MAX_CHECKPOINT_BYTES)?;
            // Storage that forbids to replace a file keeps its first `latest` for ever.
            let written = written.and_then(|size| shelf.read(&format!("{HEAD}{size:012}"), MAX_CHECKPOINT_BYTES).ok().flatten());
            Ok(match (latest, written) {
                (Some(latest), Some(written)) if size_of(&written) > size_of(&latest) => Some(written),
                (latest, written) => latest.or(written),
            })
        }))
    }

    fn others(&self) -> Answer<'_, Result<Vec<String>, String>> {
        let known = Arc::clone(&self.known);
        if known.lock().unwrap_or_else(PoisonError::into_inner).listed.is_some_and(|listed| listed.elapsed() < LIST) {
            return Box::pin(async { Ok(Vec::new()) });
        }
        Box::pin(self.at_it(move |shelf| {
            let heads = shelf.heads()?;
            known.lock().unwrap_or_else(PoisonError::into_inner).listed = Some(Instant::now());
            Ok(heads)
        }))
    }

    fn exchanges(&self) -> Answer<'_, Result<Vec<Rotation>, String>> {
        Box::pin(self.at_it(|shelf| {
            let mut found = Vec::new();
            for number in shelf.exchanges()? {
                // What does not hold was put there by somebody else, and leads nowhere.
                let text = shelf.read(&format!("{EXCHANGE}{number}"), MAX_ROTATION_BYTES).ok().flatten().unwrap_or_default();
                found.extend(read(&number.to_string(), &text));
            }
            Ok(found)
        }))
    }

    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>> {
        let (entries, note, exchanges) = (head.entries, head.note.clone(), head.exchanges());
        let known = Arc::clone(&self.known);
        let beside: String = head.root.chars().take(16).collect();
        Box::pin(self.at_it(move |shelf| {
            // Before the head that they lead to.
            for (seq, text) in exchanges? {
                shelf.keep(&format!("{EXCHANGE}{seq}"), &text, &beside)?;
            }
            // In the order of the names, which are those of the sizes.
            let there = shelf.keep(&format!("{HEAD}{entries:012}"), note.as_bytes(), &beside)?;
            known.lock().unwrap_or_else(PoisonError::into_inner).written = Some(entries);
            // For people, and for the next start; storage that forbids it has the other.
            if let Err(why) = shelf.write("latest", note.as_bytes()) {
                tracing::debug!(why, "the newest head of a folder could not be named");
            }
            Ok(there.map_or(Kept::Kept, |there| Kept::Beside(vec![there])))
        }))
    }
}
