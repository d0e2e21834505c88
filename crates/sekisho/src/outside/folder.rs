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
use std::sync::Arc;

/// Before the number of the entry that an exchange belongs to.
const EXCHANGE: &str = "rotation-";
/// Names in the folder that are looked through for exchanges: checkpoints of some years, one a minute.
const NAMES: usize = 4_000_000;

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
}

impl Folder {
    /// A folder; nothing is looked at.
    pub fn new(section: &FolderSection, config: &Config) -> Self {
        let own = config.origin().replace('/', "-");
        Self { name: section.name.clone(), path: section.path.clone(), mounted: section.mounted, data_dir: config.data.dir.clone(), own, turn: Arc::default() }
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
    fn keep(&self, name: &str, bytes: &[u8], beside: &str) -> Result<(), String> {
        match self.read(name, MAX_ROTATION_BYTES) {
            Ok(None) => self.write(name, bytes),
            Ok(Some(there)) if there.as_bytes() == bytes => Ok(()),
            _ => self.write(&format!("{name}.{beside}"), bytes),
        }
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

impl Place for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn remembers(&self) -> bool {
        true
    }

    fn newest(&self) -> Answer<'_, Result<Option<String>, String>> {
        Box::pin(self.at_it(|shelf| shelf.read("latest", MAX_CHECKPOINT_BYTES)))
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
        let beside: String = head.root.chars().take(16).collect();
        Box::pin(self.at_it(move |shelf| {
            // Before the head that they lead to.
            for (seq, text) in exchanges? {
                shelf.keep(&format!("{EXCHANGE}{seq}"), &text, &beside)?;
            }
            // In the order of the names, which are those of the sizes.
            shelf.keep(&format!("checkpoint-{entries:012}"), note.as_bytes(), &beside)?;
            shelf.write("latest", note.as_bytes())?;
            Ok(Kept::Kept)
        }))
    }
}
