//! The folder of the index: what the search engine writes lies encrypted, and is opened block by block as it is read.
//!
//! A file is a head (format name, 16 random bytes) and blocks of [`BLOCK_BYTES`]. Each block is sealed with
//! XChaCha20-Poly1305, as recordings are. The nonce is the file's random bytes and the block's number. File name, block
//! number and whether it is the last one are bound in, so that blocks cannot change places, neither within a file nor
//! between files, and a file cannot be cut: its length is part of what is authenticated.

use crate::limits::{BLOCK_BYTES, BLOCKS_KEPT};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng as _;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{AntiCallToken, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback, WatchHandle, WritePtr};
use tantivy::{Directory, HasLen};
use zeroize::{Zeroize, ZeroizeOnDrop};

const FORMAT: &[u8; 16] = b"sekisho-search/1";
const HEAD_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = BLOCK_BYTES + TAG_BYTES;
/// Suffix of a file that takes the place of another once it is whole.
const UNFINISHED: &str = ".new";

/// The secret bytes that encrypt an index. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// Takes 32 bytes of the operating system's randomness.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A folder of sealed files. Clones are the same folder.
#[derive(Clone)]
pub(crate) struct SealedFolder(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    key: Key,
    kept: Blocks,
    opened: AtomicU64,
}

impl fmt::Debug for SealedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedFolder").field(&self.0.folder).finish()
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

impl SealedFolder {
    pub(crate) fn new(folder: &Path, key: Key) -> Self {
        Self(Arc::new(Inner { folder: folder.to_owned(), key, kept: Blocks::default(), opened: AtomicU64::new(0) }))
    }

    /// The engine's names are plain file names; anything else is refused before it becomes a path.
    fn place(&self, path: &Path) -> io::Result<(PathBuf, String)> {
        let name = path.to_str().filter(|name| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !name.is_empty() && name.len() <= 200 && name.bytes().all(plain) && *name != "." && *name != ".."
        });
        let name = name.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "no name of a file of the index"))?;
        Ok((self.0.folder.join(name), name.to_owned()))
    }

    fn read(&self, path: &Path) -> io::Result<SealedFile> {
        let (place, name) = self.place(path)?;
        let file = File::open(place)?;
        let length = file.metadata()?.len();
        let mut head = [0_u8; HEAD_BYTES];
        file.read_exact_at(&mut head, 0).map_err(|_| damaged("a file of the index has no head"))?;
        let (format, prefix) = head.split_at(FORMAT.len());
        if format != FORMAT {
            return Err(damaged("a file of the index has another format"));
        }
        let body = usize::try_from(length).map_err(|_| damaged("a file of the index is too long"))?.saturating_sub(HEAD_BYTES);
        let blocks = body.div_ceil(SEALED_BYTES);
        let plain = body.checked_sub(blocks * TAG_BYTES).filter(|_| blocks > 0).ok_or_else(|| damaged("a file of the index is cut"))?;
        let mut nonce = [0_u8; 16];
        nonce.copy_from_slice(prefix);
        let id = self.0.opened.fetch_add(1, Ordering::Relaxed);
        let sealed = SealedFile { folder: self.clone(), file, name, prefix: nonce, blocks: blocks as u64, plain, id };
        // Opens with the mark of the last block, or the file was cut.
        sealed.block(sealed.blocks - 1)?;
        Ok(sealed)
    }

    fn create(&self, place: &Path, name: String) -> io::Result<SealedWriter> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
        let mut prefix = [0_u8; 16];
        rand::rngs::SysRng.try_fill_bytes(&mut prefix).map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
        let mut file = BufWriter::with_capacity(4 * SEALED_BYTES, file);
        file.write_all(FORMAT)?;
        file.write_all(&prefix)?;
        Ok(SealedWriter { file, cipher: self.cipher(), name, prefix, number: 0, waiting: Vec::with_capacity(BLOCK_BYTES) })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.key.0.into())
    }
}

/// The number of a block occurs once in a file, and each file draws its own prefix, so no nonce is used twice.
fn nonce(prefix: &[u8; 16], number: u64) -> XNonce {
    let mut nonce = [0_u8; 24];
    for (place, byte) in nonce.iter_mut().zip(prefix.iter().copied().chain(number.to_be_bytes())) {
        *place = byte;
    }
    nonce.into()
}

fn associated(name: &str, number: u64, last: bool) -> Vec<u8> {
    // The number and the mark have a fixed length, so the joined form has one reading only.
    [FORMAT.as_slice(), &number.to_be_bytes(), &[u8::from(last)], name.as_bytes()].concat()
}

/// A sealed file that is read.
struct SealedFile {
    folder: SealedFolder,
    file: File,
    name: String,
    prefix: [u8; 16],
    blocks: u64,
    plain: usize,
    id: u64,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedFile").field(&self.name).finish()
    }
}

impl SealedFile {
    fn block(&self, number: u64) -> io::Result<Arc<[u8]>> {
        let kept = &self.folder.0.kept;
        if let Some(block) = kept.get((self.id, number)) {
            return Ok(block);
        }
        let last = number + 1 == self.blocks;
        let length = if last { self.plain - (number as usize) * BLOCK_BYTES + TAG_BYTES } else { SEALED_BYTES };
        let mut sealed = vec![0_u8; length];
        self.file.read_exact_at(&mut sealed, HEAD_BYTES as u64 + number * SEALED_BYTES as u64)?;
        let opened = self.folder.cipher().decrypt(&nonce(&self.prefix, number), Payload { msg: &sealed, aad: &associated(&self.name, number, last) });
        let block: Arc<[u8]> = opened.map_err(|_| damaged("a block of the index does not open"))?.into();
        kept.put((self.id, number), &block);
        Ok(block)
    }
}

impl HasLen for SealedFile {
    fn len(&self) -> usize {
        self.plain
    }
}

impl FileHandle for SealedFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.plain {
            return Err(damaged("the index points beyond one of its files"));
        }
        let mut bytes = Vec::with_capacity(range.len());
        while bytes.len() < range.len() {
            let at = range.start + bytes.len();
            let block = self.block((at / BLOCK_BYTES) as u64)?;
            let from = at % BLOCK_BYTES;
            let until = (from + range.len() - bytes.len()).min(block.len());
            let part = block.get(from..until).filter(|part| !part.is_empty()).ok_or_else(|| damaged("a block of the index is short"))?;
            bytes.extend_from_slice(part);
        }
        Ok(OwnedBytes::new(bytes))
    }
}

/// A sealed file that is written.
struct SealedWriter {
    file: BufWriter<File>,
    cipher: XChaCha20Poly1305,
    name: String,
    prefix: [u8; 16],
    number: u64,
    waiting: Vec<u8>,
}

impl SealedWriter {
    fn seal(&mut self, last: bool) -> io::Result<()> {
        let aad = associated(&self.name, self.number, last);
        let sealed = self.cipher.encrypt(&nonce(&self.prefix, self.number), Payload { msg: &self.waiting, aad: &aad });
        self.file.write_all(&sealed.map_err(|_| io::Error::other("a block of the index could not be sealed"))?)?;
        self.number += 1;
        self.waiting.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.seal(true)?;
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block is sealed only when more follows, because the last block bears its mark.
        if self.waiting.len() == BLOCK_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let room = BLOCK_BYTES - self.waiting.len();
        let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.waiting.extend_from_slice(part);
        Ok(part.len())
    }

    /// What waits for its block stays in memory; the engine ends each file by [`TerminatingWrite::terminate`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for SealedWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.finish()
    }
}

impl Directory for SealedFolder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.read(path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
            Err(error) => Err(OpenReadError::wrap_io_error(error, path.to_owned())),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let gone = self.place(path).and_then(|(place, _)| fs::remove_file(place));
        gone.map_err(|error| match error.kind() {
            ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        let wrap = |error| OpenReadError::wrap_io_error(error, path.to_owned());
        let (place, _) = self.place(path).map_err(wrap)?;
        place.try_exists().map_err(wrap)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let opened = self.place(path).and_then(|(place, name)| self.create(&place, name));
        match opened {
            Ok(writer) => Ok(BufWriter::new(Box::new(writer))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(OpenWriteError::FileAlreadyExists(path.to_owned())),
            Err(error) => Err(OpenWriteError::wrap_io_error(error, path.to_owned())),
        }
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.get_file_handle(path)?;
        let bytes = file.read_bytes(0..file.len()).map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))?;
        Ok(bytes.to_vec())
    }

    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (place, name) = self.place(path)?;
        let mut unfinished = place.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Sealed under the name that it will have.
        let mut writer = self.create(&unfinished, name)?;
        writer.write_all(bytes)?;
        writer.finish()?;
        fs::rename(&unfinished, &place)
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.0.folder)?.sync_all()
    }

    /// The data folder is locked by the store for as long as the program lives. A lock file of the engine's would
    /// outlive a crash and keep the index shut.
    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    /// Readers are told of a commit by whoever made it.
    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// Opened blocks, by file and number. When there are too many, the half that was used longest ago goes.
#[derive(Default)]
struct Blocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    blocks: HashMap<(u64, u64), (Arc<[u8]>, u64)>,
    used: u64,
}

impl Blocks {
    fn get(&self, place: (u64, u64)) -> Option<Arc<[u8]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.used += 1;
        let used = kept.used;
        kept.blocks.get_mut(&place).map(|(block, at)| {
            *at = used;
            Arc::clone(block)
        })
    }

    fn put(&self, place: (u64, u64), block: &Arc<[u8]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.used += 1;
        let used = kept.used;
        kept.blocks.insert(place, (Arc::clone(block), used));
        if kept.blocks.len() > BLOCKS_KEPT {
            let mut ages: Vec<u64> = kept.blocks.values().map(|(_, at)| *at).collect();
            ages.sort_unstable();
            let oldest = ages.get(ages.len() / 2).copied().unwrap_or_default();
            kept.blocks.retain(|_, (_, at)| *at >= oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, SealedFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = SealedFolder::new(dir.path(), Key::from_bytes([7; 32]));
        (dir, folder)
    }

    fn write(folder: &SealedFolder, name: &str, bytes: &[u8]) {
        let mut writer = folder.open_write(Path::new(name)).unwrap();
        writer.write_all(bytes).unwrap();
        writer.terminate().unwrap();
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn every_range_of_every_length_is_read_as_it_was_written() {
        let (_dir, folder) = folder();
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 17] {
            let (name, bytes) = (format!("{length}.pos"), sample(length));
            write(&folder, &name, &bytes);
            let file = folder.get_file_handle(Path::new(&name)).unwrap();
            assert_eq!(file.len(), length);
            for (from, until) in [(0, length), (length / 3, length / 2), (length.saturating_sub(1), length), (length / 2, length)] {
                assert_eq!(file.read_bytes(from..until).unwrap().as_slice(), &bytes[from..until]);
            }
            assert!(file.read_bytes(0..length + 1).is_err());
        }
        folder.atomic_write(Path::new("meta.json"), b"one").unwrap();
        folder.atomic_write(Path::new("meta.json"), b"two").unwrap();
        assert_eq!(folder.atomic_read(Path::new("meta.json")).unwrap(), b"two");
        assert!(folder.open_write(Path::new("1.pos")).is_err());
        assert!(folder.open_write(Path::new("../x")).is_err());
    }

    #[test]
    fn a_file_that_was_touched_does_not_open() {
        let (dir, folder) = folder();
        let bytes = sample(2 * BLOCK_BYTES + 100);
        write(&folder, "a.store", &bytes);
        let whole = fs::read(dir.path().join("a.store")).unwrap();
        let opens = |bytes: &[u8], name: &str| {
            fs::write(dir.path().join(name), bytes).unwrap();
            let file = folder.get_file_handle(Path::new(name));
            file.is_ok_and(|file| file.read_bytes(0..file.len()).is_ok())
        };
        assert!(opens(&whole, "a.store"));
        // Under another name, cut at a block, cut within one, with two blocks exchanged.
        assert!(!opens(&whole, "b.store"));
        assert!(!opens(&whole[..HEAD_BYTES + 2 * SEALED_BYTES], "a.store"));
        assert!(!opens(&whole[..whole.len() - 1], "a.store"));
        assert!(!opens(&whole[..HEAD_BYTES], "a.store"));
        assert!(!opens(b"", "a.store"));
        let (one, two) = (HEAD_BYTES..HEAD_BYTES + SEALED_BYTES, HEAD_BYTES + SEALED_BYTES..HEAD_BYTES + 2 * SEALED_BYTES);
        let swapped = [&whole[..HEAD_BYTES], &whole[two.clone()], &whole[one], &whole[two.end..]].concat();
        assert!(!opens(&swapped, "a.store"));
        for at in [0, 20, HEAD_BYTES + 5, whole.len() - 1] {
            let mut touched = whole.clone();
            touched[at] ^= 1;
            assert!(!opens(&touched, "a.store"), "byte {at}");
        }
        let other = SealedFolder::new(dir.path(), Key::from_bytes([8; 32]));
        fs::write(dir.path().join("a.store"), &whole).unwrap();
        assert!(other.get_file_handle(Path::new("a.store")).is_err());
    }

    #[test]
    fn blocks_in_memory_are_bounded() {
        let (_dir, folder) = folder();
        let block: Arc<[u8]> = vec![0_u8].into();
        for number in 0..4 * BLOCKS_KEPT as u64 {
            folder.0.kept.put((1, number), &block);
        }
        let kept = folder.0.kept.0.lock().unwrap();
        assert!(kept.blocks.len() <= BLOCKS_KEPT && kept.blocks.contains_key(&(1, 4 * BLOCKS_KEPT as u64 - 1)));
    }
}
