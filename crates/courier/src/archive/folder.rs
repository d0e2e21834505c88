//! A folder on another machine or medium. It cannot keep anybody from deleting what is in it.
//!
//! Others can write there. It is opened once for each work, no name in it is followed if it is a link, nothing is waited for that
//! is no file, and nothing that exists is opened for writing.

use super::{PIECE, whole};
use sekisho_core::archive::{Kept, Parcel, Removed, Trouble, Vault};
use sekisho_core::desk::Answer;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, stat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A folder that keeps copies.
#[derive(Clone, Debug)]
pub struct FolderSettings {
    /// What pages and log call it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// A folder on whose file system it must not lie, so that a medium that is not mounted is not taken for itself.
    pub not_with: Option<PathBuf>,
    /// The box's own recordings: a folder that is this one keeps no copy.
    pub own: PathBuf,
}

/// The probe of whether the folder takes files.
const PROBE: &str = ".sekisho-probe";

/// A folder.
pub struct Folder {
    settings: FolderSettings,
    /// A medium that hangs holds one thread, and not one for each try.
    one: Arc<Semaphore>,
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> Trouble {
    let what = what.to_owned();
    move |error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Trouble::Denied(format!("{what}: {error}")),
        _ => Trouble::Unreachable(format!("{what}: {error}")),
    }
}

/// Copies at most `most` bytes and gives their number and digest.
fn copy(from: &mut dyn Read, to: &mut dyn Write, most: u64) -> io::Result<(u64, [u8; 32])> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    let mut piece = vec![0_u8; PIECE];
    loop {
        let read = from.read(&mut piece)?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else { return Ok((bytes, hasher.finalize().into())) };
        bytes += read as u64;
        if bytes > most {
            return Err(ErrorKind::FileTooLarge.into());
        }
        hasher.update(part);
        to.write_all(part)?;
    }
}

impl Folder {
    /// Prepares the way; nothing is written.
    #[must_use]
    pub fn new(settings: FolderSettings) -> Self {
        Self { settings, one: Arc::new(Semaphore::new(1)) }
    }

    async fn work<T: Send + 'static>(&self, bytes: u64, work: impl FnOnce(Shelf) -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
        let place = Arc::clone(&self.one).try_acquire_owned().map_err(|_| Trouble::Unreachable("an earlier work on it has not come back".into()))?;
        let settings = self.settings.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(Shelf::open(settings)?)
        });
        match tokio::time::timeout(whole(bytes), task).await {
            Ok(Ok(done)) => done,
            Ok(Err(lost)) => Err(Trouble::Other(lost.to_string())),
            Err(_) => Err(Trouble::Unreachable("it did not answer in time".into())),
        }
    }
}

/// The folder, open: nobody can put another one in its place while it is used.
struct Shelf {
    base: OwnedFd,
    own: PathBuf,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn errno(what: &str) -> impl FnOnce(Errno) -> Trouble {
    let failed = failed(what);
    move |errno| failed(errno.into())
}

impl Shelf {
    /// Opens the folder, which is not a place on the box's own disk where it would be mounted.
    fn open(settings: FolderSettings) -> Result<Self, Trouble> {
        // The path of the configuration is its owner's, and may go over links.
        let base = openat(CWD, &settings.path, FOLDER, Mode::empty()).map_err(errno("the folder cannot be opened"))?;
        if let Some(other) = &settings.not_with {
            let here = fstat(&base).map_err(errno("the folder cannot be looked at"))?;
            let other = stat(other).map_err(errno("the data folder cannot be looked at"))?;
            if other.st_dev == here.st_dev {
                return Err(Trouble::Unreachable("it lies on the disk of the data folder: nothing is mounted there".into()));
            }
        }
        Ok(Self { base, own: settings.own })
    }

    /// The folder and the name in it of what the box calls an object.
    fn place<'a>(&self, object: &'a str, make: bool) -> Result<(OwnedFd, &'a str), Trouble> {
        let mut dir = openat(&self.base, ".", FOLDER, Mode::empty()).map_err(errno("the folder cannot be opened"))?;
        let mut rest = object;
        while let Some((folder, name)) = rest.split_once('/') {
            plain(folder)?;
            if make {
                match mkdirat(&dir, folder, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(why) => return Err(errno("a folder cannot be made")(why)),
                }
            }
            dir = match openat(&dir, folder, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => return Err(Trouble::Missing),
                Err(Errno::LOOP | Errno::NOTDIR) => return Err(Trouble::Denied(format!("{folder} is a link or a file, and no folder of its own"))),
                Err(why) => return Err(errno("a folder cannot be opened")(why)),
            };
            rest = name;
        }
        plain(rest)?;
        // A copy in the box's own folder is none: it would go with the recording.
        if let Ok(own) = stat(&self.own) {
            let here = fstat(&dir).map_err(errno("the folder cannot be looked at"))?;
            if (here.st_dev, here.st_ino) == (own.st_dev, own.st_ino) {
                return Err(Trouble::Denied("it is the box's own folder of recordings, and no other place".into()));
            }
        }
        Ok((dir, rest))
    }

    /// Opens what lies under a name, if it is a file.
    fn file(&self, object: &str) -> Result<File, Trouble> {
        let (dir, name) = self.place(object, false)?;
        let file = match openat(&dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(Trouble::Missing),
            Err(Errno::LOOP | Errno::NXIO) => return Err(Trouble::Differs("the copy is a link, or no file".into())),
            Err(why) => return Err(errno("the copy cannot be opened")(why)),
        };
        let found = fstat(&file).map_err(errno("the copy cannot be looked at"))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile { Ok(file.into()) } else { Err(Trouble::Differs("the copy is no file".into())) }
    }

    /// What lies under a name, compared with what it should be.
    fn compare(&self, object: &str, bytes: u64, sha256: &[u8; 32]) -> Result<(), Trouble> {
        let mut file = self.file(object)?;
        let seen = match copy(&mut file, &mut io::sink(), bytes) {
            Ok(seen) => seen,
            Err(error) if error.kind() == ErrorKind::FileTooLarge => return Err(Trouble::Differs("the copy is longer than what was handed over".into())),
            Err(error) => return Err(failed("the copy cannot be read")(error)),
        };
        if seen == (bytes, *sha256) { Ok(()) } else { Err(Trouble::Differs("the copy is not what was handed over".into())) }
    }

    /// Whether a name is another one of the recording itself.
    fn is_itself(&self, object: &str, from: &Path) -> bool {
        let there = self.file(object).ok().and_then(|file| file.metadata().ok());
        let here = std::fs::metadata(from).ok();
        there.zip(here).is_some_and(|(there, here)| (there.dev(), there.ino()) == (here.dev(), here.ino()))
    }

    /// A new file, whatever lay under its name before: a link there is taken away itself, and what it leads to is left alone.
    fn new_file(dir: &OwnedFd, name: &str, mode: u32, what: &str) -> Result<File, Trouble> {
        let _ = unlinkat(dir, name, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(dir, name, flags, Mode::from_raw_mode(mode)).map(File::from).map_err(errno(what))
    }

    fn lay_down(&self, from: &Path, object: &str, bytes: u64, sha256: &[u8; 32]) -> Result<(), Trouble> {
        let (dir, name) = self.place(object, true)?;
        let part = format!(".{name}.part");
        let mut source = File::open(from).map_err(|error| Trouble::Other(format!("the recording cannot be opened: {error}")))?;
        let mut file = Self::new_file(&dir, &part, 0o400, "the copy cannot be made")?;
        let written = copy(&mut source, &mut file, bytes).map_err(failed("the copy cannot be written"))?;
        if written != (bytes, *sha256) {
            let _ = unlinkat(&dir, part.as_str(), AtFlags::empty());
            return Err(Trouble::Differs("the recording changed while it was copied".into()));
        }
        file.sync_all().map_err(failed("the copy cannot be synced"))?;
        renameat(&dir, part.as_str(), &dir, name).map_err(errno("the copy cannot be named"))?;
        fsync(&dir).map_err(errno("the folder cannot be synced"))?;
        self.compare(object, bytes, sha256)
    }
}

/// Names are the box's own; one that leads elsewhere is a mistake.
fn plain(name: &str) -> Result<(), Trouble> {
    if name.is_empty() || name == "." || name == ".." { Err(Trouble::Other("a copy has no name".into())) } else { Ok(()) }
}

impl Vault for Folder {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn check(&self) -> Answer<'_, Result<(), Trouble>> {
        Box::pin(self.work(0, |shelf| {
            match shelf.place("recordings/any", false) {
                Ok(_) | Err(Trouble::Missing) => {}
                Err(trouble) => return Err(trouble),
            }
            Shelf::new_file(&shelf.base, PROBE, 0o600, "nothing can be written to it")?;
            unlinkat(&shelf.base, PROBE, AtFlags::empty()).map_err(errno("nothing can be written to it"))
        }))
    }

    fn put<'a>(&'a self, parcel: Parcel<'a>) -> Answer<'a, Result<Kept, Trouble>> {
        let (path, object, bytes, sha256) = (parcel.path.to_owned(), parcel.object.to_owned(), parcel.bytes, *parcel.sha256);
        let locked = parcel.lock.is_some();
        Box::pin(self.work(bytes, move |shelf| {
            if locked {
                return Err(Trouble::NoLock("a folder cannot keep a copy from being deleted".into()));
            }
            // After a crash between copy and row it is there already.
            if shelf.compare(&object, bytes, &sha256).is_err() || shelf.is_itself(&object, &path) {
                shelf.lay_down(&path, &object, bytes, &sha256)?;
            }
            Ok(Kept::default())
        }))
    }

    fn look<'a>(&'a self, object: &'a str, _version: &'a str, bytes: u64, sha256: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        let (object, sha256) = (object.to_owned(), *sha256);
        Box::pin(self.work(bytes, move |shelf| shelf.compare(&object, bytes, &sha256).map(|()| Kept::default())))
    }

    fn fetch<'a>(&'a self, object: &'a str, _version: &'a str, bytes: u64, into: &'a Path) -> Answer<'a, Result<(), Trouble>> {
        let (object, into) = (object.to_owned(), into.to_owned());
        Box::pin(self.work(bytes, move |shelf| {
            let mut from = shelf.file(&object)?;
            let here = |error: io::Error| Trouble::Other(format!("what is carried back cannot be written: {error}"));
            let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&into).map_err(here)?;
            match copy(&mut from, &mut to, bytes) {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(Trouble::Differs("the copy is longer than what was handed over".into())),
                Err(error) => Err(failed("the copy cannot be read")(error)),
            }
        }))
    }

    fn remove<'a>(&'a self, object: &'a str, _version: &'a str) -> Answer<'a, Result<Removed, Trouble>> {
        let object = object.to_owned();
        Box::pin(self.work(0, move |shelf| {
            let (dir, name) = match shelf.place(&object, false) {
                Ok(place) => place,
                Err(Trouble::Missing) => return Ok(Removed::NotThere),
                Err(trouble) => return Err(trouble),
            };
            match unlinkat(&dir, name, AtFlags::empty()) {
                Ok(()) => fsync(&dir).map(|()| Removed::Gone).map_err(errno("the folder cannot be synced")),
                Err(Errno::NOENT) => Ok(Removed::NotThere),
                Err(why) => Err(errno("the copy cannot be deleted")(why)),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Place {
        root: PathBuf,
        vault: Folder,
    }

    impl Place {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("sekisho-folder-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(root.join("data/recordings")).unwrap();
            fs::create_dir(root.join("share")).unwrap();
            fs::write(root.join("data/recordings/a.skr"), b"what was done").unwrap();
            fs::write(root.join("data/log.key"), b"secret").unwrap();
            let vault = Folder::new(FolderSettings { name: "nas".into(), path: root.join("share"), not_with: None, own: root.join("data/recordings") });
            Self { root, vault }
        }

        async fn put(&self) -> Result<Kept, Trouble> {
            let (path, sha256) = (self.root.join("data/recordings/a.skr"), digest());
            self.vault.put(Parcel { path: &path, object: "recordings/a.skr", bytes: 13, sha256: &sha256, lock: None }).await
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    fn digest() -> [u8; 32] {
        Sha256::digest(b"what was done").into()
    }

    #[tokio::test]
    async fn links_that_others_lay_lead_to_no_file_of_the_box() {
        let place = Place::new("links");
        let (share, key, own) = (place.root.join("share"), place.root.join("data/log.key"), place.root.join("data/recordings/a.skr"));
        symlink(&key, share.join(PROBE)).unwrap();
        place.vault.check().await.unwrap();
        assert_eq!(fs::read(&key).unwrap(), b"secret", "the probe empties nothing");
        fs::create_dir(share.join("recordings")).unwrap();
        symlink(&key, share.join("recordings/.a.skr.part")).unwrap();
        symlink(&own, share.join("recordings/a.skr")).unwrap();
        assert!(matches!(place.vault.look("recordings/a.skr", "", 13, &digest()).await, Err(Trouble::Differs(_))), "the box's own file is no copy");
        place.put().await.unwrap();
        assert!(fs::symlink_metadata(share.join("recordings/a.skr")).unwrap().is_file());
        assert_eq!((fs::read(&key).unwrap(), fs::read(&own).unwrap()), (b"secret".to_vec(), b"what was done".to_vec()));
        // A second name of the recording itself goes with it; a copy does not.
        fs::remove_file(share.join("recordings/a.skr")).unwrap();
        fs::hard_link(&own, share.join("recordings/a.skr")).unwrap();
        place.put().await.unwrap();
        fs::write(&own, b"something else").unwrap();
        place.vault.look("recordings/a.skr", "", 13, &digest()).await.unwrap();
        // What is no file is not waited for.
        assert_eq!(place.vault.remove("recordings/a.skr", "").await, Ok(Removed::Gone));
        fs::create_dir(share.join("recordings/a.skr")).unwrap();
        assert!(matches!(place.vault.look("recordings/a.skr", "", 13, &digest()).await, Err(Trouble::Differs(_))));
        assert!(matches!(place.vault.look("recordings/../../data/log.key", "", 6, &digest()).await, Err(Trouble::Other(_))));
    }

    #[tokio::test]
    async fn a_folder_that_is_a_link_or_the_boxs_own_takes_nothing() {
        let place = Place::new("own");
        symlink(place.root.join("data/recordings"), place.root.join("share/recordings")).unwrap();
        assert!(matches!(place.vault.check().await, Err(Trouble::Denied(_))));
        assert!(matches!(place.put().await, Err(Trouble::Denied(_))));
        assert!(matches!(place.vault.remove("recordings/a.skr", "").await, Err(Trouble::Denied(_))));
        assert!(place.root.join("data/recordings/a.skr").exists());
        let itself = Folder::new(FolderSettings { name: "nas".into(), path: place.root.join("data"), not_with: None, own: place.root.join("data/recordings") });
        assert!(matches!(itself.check().await, Err(Trouble::Denied(_))));
    }
}
