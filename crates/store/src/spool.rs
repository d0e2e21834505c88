//! Where the content of uploads lies while they wait (隔離): in files without a name, under keys that only the memory
//! has. Whatever ends the program ends them.

use crate::disk::{on_disk, shared_runtime};
use crate::fault::Fault;
use crate::faults::{Faults, Write};
use crate::recordings::Shelf;
use crate::secrets::random_bytes;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sekisho_core::desk::{Spool, SpoolLost};
use sekisho_core::limits;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use zeroize::Zeroizing;

/// The folder, beside the recordings in the data folder.
const STAGED_DIR: &str = "staged";
/// Content that is sealed at a time.
const CHUNK: usize = 32 * 1024;
/// What the seal adds to it.
const TAG: usize = 16;
/// Chunks between two looks at the disk's space: all spools of the box together must not reach beyond the reserve.
const LOOK_EVERY: u64 = 16;

/// All spools of one box.
pub(crate) struct Spools {
    folder: PathBuf,
    shelf: Arc<Shelf>,
    faults: Arc<Faults>,
    known: Mutex<(u64, BTreeMap<u64, Weak<SpoolFile>>)>,
}

impl Spools {
    pub(crate) fn new(data_dir: &Path, shelf: Arc<Shelf>, faults: Arc<Faults>) -> Self {
        Self { folder: data_dir.join(STAGED_DIR), shelf, faults, known: Mutex::default() }
    }

    /// Removes what a crash left between the making of a file and the removal of its name. Nobody has its key.
    pub(crate) fn sweep(&self) -> Result<(), Fault> {
        let words = || Fault::io("the folder of waiting uploads cannot be cleared");
        match fs::read_dir(&self.folder) {
            Ok(entries) => entries.into_iter().try_for_each(|entry| fs::remove_file(entry.map_err(words())?.path()).map_err(words())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(words()(error)),
        }
    }

    fn known(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Weak<SpoolFile>>)> {
        // A panic in here leaves at worst a spool that nobody finds.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new spool.
    pub(crate) fn open(&self) -> Result<Box<dyn Spool>, Fault> {
        on_disk(|| self.begin())
    }

    fn begin(&self) -> Result<Box<dyn Spool>, Fault> {
        self.has_room()?;
        self.faults.gate(Write::Spool)?;
        let words = || Fault::io("a waiting upload cannot be staged");
        if !self.folder.is_dir() {
            DirBuilder::new().mode(0o700).recursive(true).create(&self.folder).map_err(words())?;
        }
        let number = {
            let mut known = self.known();
            known.0 += 1;
            known.0
        };
        let path = self.folder.join(number.to_string());
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(words())?;
        fs::remove_file(&path).map_err(words())?;
        let key = Zeroizing::new(random_bytes::<32>()?);
        let inside = Inside { file: Some(file), cipher: XChaCha20Poly1305::new(&(*key).into()), chunks: 0, tail: Zeroizing::new(Vec::with_capacity(CHUNK)), lost: false };
        let spool = Arc::new(SpoolFile { number, inside: Mutex::new(inside), shelf: Arc::clone(&self.shelf), faults: Arc::clone(&self.faults) });
        let mut known = self.known();
        known.1.retain(|_, spool| spool.strong_count() > 0);
        known.1.insert(number, Arc::downgrade(&spool));
        Ok(Box::new(Handle(spool)))
    }

    fn has_room(&self) -> Result<(), Fault> {
        room(&self.shelf)
    }

    /// A spool that somebody still holds.
    pub(crate) fn find(&self, number: u64) -> Option<Arc<SpoolFile>> {
        self.known().1.get(&number).and_then(Weak::upgrade)
    }

    /// How many there are.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.known().1.values().filter(|spool| spool.strong_count() > 0).count()
    }
}

fn room(shelf: &Shelf) -> Result<(), Fault> {
    if shelf.free_bytes()? < limits::DISK_RESERVE_BYTES as u64 {
        return Err(Fault::Folder("not enough disk space for an upload that waits".into()));
    }
    Ok(())
}

/// The content of one upload.
pub(crate) struct SpoolFile {
    number: u64,
    inside: Mutex<Inside>,
    shelf: Arc<Shelf>,
    faults: Arc<Faults>,
}

struct Inside {
    /// Always there until the spool is dropped.
    file: Option<File>,
    cipher: XChaCha20Poly1305,
    /// Chunks that were written. Each is sealed once, under its number.
    chunks: u64,
    tail: Zeroizing<Vec<u8>>,
    lost: bool,
}

fn nonce(chunk: u64) -> XNonce {
    let mut bytes = [0_u8; 24];
    let (head, _) = bytes.split_at_mut(8);
    head.copy_from_slice(&chunk.to_be_bytes());
    XNonce::from(bytes)
}

impl Inside {
    fn file(&self) -> Result<&File, Fault> {
        self.file.as_ref().ok_or_else(|| Fault::Damaged("a waiting upload has no file".into()))
    }

    fn put(&mut self, mut bytes: &[u8], shelf: &Shelf, faults: &Faults) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at((CHUNK - self.tail.len()).min(bytes.len()));
            self.tail.extend_from_slice(part);
            bytes = rest;
            if self.tail.len() == CHUNK {
                if self.chunks.is_multiple_of(LOOK_EVERY) {
                    room(shelf)?;
                }
                faults.gate(Write::Spool)?;
                let sealed = self.cipher.encrypt(&nonce(self.chunks), self.tail.as_slice()).map_err(|_| Fault::Crypto("a waiting upload could not be sealed".into()))?;
                self.file()?.write_all_at(&sealed, self.chunks * (CHUNK + TAG) as u64).map_err(Fault::io("a waiting upload cannot be written"))?;
                self.chunks += 1;
                zeroize::Zeroize::zeroize(&mut *self.tail);
                self.tail.clear();
            }
        }
        Ok(())
    }

    fn get(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let short = || Fault::Damaged("a waiting upload is shorter than it was".into());
        let mut out = Vec::with_capacity(length);
        let mut at = offset;
        while out.len() < length {
            let (chunk, from) = (at / CHUNK as u64, usize::try_from(at % CHUNK as u64).unwrap_or(0));
            let plain = if chunk < self.chunks {
                let mut sealed = vec![0_u8; CHUNK + TAG];
                self.file()?.read_exact_at(&mut sealed, chunk * (CHUNK + TAG) as u64).map_err(Fault::io("a waiting upload cannot be read"))?;
                Zeroizing::new(self.cipher.decrypt(&nonce(chunk), sealed.as_slice()).map_err(|_| Fault::Crypto("a waiting upload does not open".into()))?)
            } else if chunk == self.chunks {
                self.tail.clone()
            } else {
                return Err(short());
            };
            let part = plain.get(from..).filter(|part| !part.is_empty()).ok_or_else(short)?;
            let part = part.get(..part.len().min(length - out.len())).ok_or_else(short)?;
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(out)
    }
}

impl SpoolFile {
    fn inside(&self) -> Result<MutexGuard<'_, Inside>, SpoolLost> {
        // A panic while it was held may have left half a chunk.
        self.inside.lock().map_err(|_| SpoolLost)
    }

    /// Reads content back.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, SpoolLost> {
        let inside = self.inside()?;
        if inside.lost {
            return Err(SpoolLost);
        }
        inside.get(offset, length).map_err(|fault| {
            tracing::error!(%fault, "a waiting upload is lost");
            SpoolLost
        })
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // To close it frees its space, which takes a while for a large one, and never ends on a disk that hangs.
        let file = self.inside.get_mut().ok().and_then(|inside| inside.file.take());
        if let (Some(file), Some(runtime)) = (file, shared_runtime()) {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

/// What the gateway holds. The content lives as long as this does.
struct Handle(Arc<SpoolFile>);

impl Spool for Handle {
    fn number(&self) -> u64 {
        self.0.number
    }

    fn append(&self, bytes: &[u8]) -> Result<(), SpoolLost> {
        on_disk(|| {
            let mut inside = self.0.inside()?;
            if inside.lost {
                return Err(SpoolLost);
            }
            let written = inside.put(bytes, &self.0.shelf, &self.0.faults);
            written.map_err(|fault| {
                tracing::error!(%fault, "a waiting upload is lost");
                inside.lost = true;
                SpoolLost
            })
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, SpoolLost> {
        on_disk(|| self.0.read(offset, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spools(folder: &Path) -> Spools {
        let faults = Arc::<Faults>::default();
        let shelf = Arc::new(Shelf::new(folder, Arc::clone(&faults), tokio::sync::broadcast::channel(1).0));
        shelf.set_up().unwrap();
        Spools::new(folder, shelf, faults)
    }

    #[test]
    fn what_is_read_is_what_was_written_and_lies_nowhere_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let spools = spools(folder.path());
        let spool = spools.open().unwrap();
        let content: Vec<u8> = (0..200_001_u32).flat_map(|n| n.to_be_bytes()).collect();
        for part in content.chunks(7919) {
            spool.append(part).unwrap();
        }
        for (offset, length) in [(0, content.len()), (1, 1), (32_767, 2), (32_768, 32_768), (content.len() - 1, 1), (5, 0)] {
            assert_eq!(spool.read(offset as u64, length).unwrap(), &content[offset..offset + length]);
        }
        assert!(spool.read(content.len() as u64, 1).is_err() && spool.read(u64::MAX - 5, 10).is_err());
        let file = spools.find(spool.number()).unwrap();
        let lies = {
            let inside = file.inside().unwrap();
            let mut bytes = vec![0; (inside.chunks as usize) * (CHUNK + TAG)];
            inside.file().unwrap().read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert!(!lies.windows(64).any(|window| window == &content[..64]));
        assert_eq!(fs::read_dir(folder.path().join(STAGED_DIR)).unwrap().count(), 0, "it has no name");
        drop(file);
        drop(spool);
        assert_eq!(spools.count(), 0);
    }

    #[test]
    fn a_disk_that_hangs_holds_up_its_own_session_only() {
        let folder = tempfile::tempdir().unwrap();
        let spools = spools(folder.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let spool = Arc::new(spools.open().unwrap());
        let file = spools.find(spool.number()).unwrap();
        let hung = file.inside().unwrap();
        let own = Arc::clone(&spool);
        let session = runtime.spawn(async move { own.append(b"x").is_ok() && own.read(0, 1).is_ok() });
        let (sender, receiver) = std::sync::mpsc::channel();
        // One thread carries all sessions; the other one gets its turn all the same.
        runtime.spawn(async move {
            tokio::task::yield_now().await;
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert!(!session.is_finished());
        drop(hung);
        assert!(runtime.block_on(session).unwrap());
    }

    #[test]
    fn one_whose_disk_fails_is_lost_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let spools = spools(folder.path());
        let spool = spools.open().unwrap();
        spools.faults.fail_each(Write::Spool);
        assert!(spool.append(&[0; CHUNK]).is_err());
        spools.faults.clear();
        assert!(spool.append(b"x").is_err() && spool.read(0, 1).is_err());
    }

    #[test]
    fn what_a_crash_left_goes_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let spools = spools(folder.path());
        spools.sweep().unwrap();
        drop(spools.open().unwrap());
        fs::write(folder.path().join(STAGED_DIR).join("7"), b"left").unwrap();
        spools.sweep().unwrap();
        assert_eq!(fs::read_dir(folder.path().join(STAGED_DIR)).unwrap().count(), 0);
    }
}
