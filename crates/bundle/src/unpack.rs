//! A bundle that others hand in. Accepted is the one form that a careful reader and a careless one understand alike: files
//! one behind the other from the first byte to the directory, each name of the format and once.

use sekisho_evidence::bundle::is_known;
use sekisho_evidence::limits::MAX_ARCHIVE_FILES;
use sekisho_evidence::log::{Files, ReadFault};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// Length of the record at the end of an archive without a comment.
const END_BYTES: u64 = 22;
/// Lengths of what may stand behind the content of a file: nothing, or its lengths in 32 or in 64 bits.
const DESCRIPTORS: [u64; 3] = [0, 16, 24];
/// Longest directory of an archive in bytes.
const MAX_DIRECTORY_BYTES: u64 = 64 * 1024 * 1024;
/// How many times its compressed length a file may be, beyond [`RATIO_FROM_BYTES`]. Proofs, which repeat much, stay below 30.
const MAX_RATIO: u64 = 200;
/// Shorter files may be as small as they like.
const RATIO_FROM_BYTES: u64 = 1024 * 1024;

/// Why a file is no bundle that may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// A word for it that never changes.
    pub code: &'static str,
    /// Where: a name in the archive, or `archive`.
    pub place: String,
    /// What, in an English sentence.
    pub what: &'static str,
    /// What, in a Japanese sentence.
    pub ja: &'static str,
}

impl Unpack {
    fn archive(what: &'static str, ja: &'static str) -> Self {
        Self { code: "archive", place: "archive".to_owned(), what, ja }
    }

    fn file(code: &'static str, place: &str, what: &'static str, ja: &'static str) -> Self {
        Self { code, place: place.to_owned(), what, ja }
    }
}

/// Where a file lies in the archive.
#[derive(Debug, Clone, Copy)]
struct Member {
    start: u64,
    packed: u64,
    bytes: u64,
    deflated: bool,
}

/// The files of a bundle.
pub struct ZipFiles {
    source: At,
    members: BTreeMap<String, Member>,
}

impl ZipFiles {
    /// Opens an archive and checks its form. Nothing is unpacked yet.
    ///
    /// # Errors
    /// An [`Unpack`] that names what is wrong.
    pub fn open(path: &Path) -> Result<Self, Unpack> {
        let unreadable = || Unpack::archive("The file cannot be read.", "ファイルを読み取れません。");
        let file = File::open(path).map_err(|_| unreadable())?;
        let length = file.metadata().map_err(|_| unreadable())?.len();
        let source = At { file: Arc::new(file), at: 0, length };
        let directory = end_of(&source)?;
        let no_zip = || Unpack::archive("The file is not a ZIP archive, or a damaged one.", "ZIP ファイルではないか、壊れています。");
        let mut archive = ZipArchive::new(BufReader::new(source.clone())).map_err(|_| no_zip())?;
        if archive.len() > MAX_ARCHIVE_FILES {
            return Err(Unpack::archive("The archive has too many files.", "ファイル数が上限を超えています。"));
        }
        if archive.has_duplicate_names() || directory.files != archive.len() as u64 {
            return Err(Unpack::archive("The archive has two files of one name.", "同じ名前のファイルが二つあります。"));
        }
        let names: Vec<String> = archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        // The name is looked at before anything of the file is.
        for name in &names {
            if !is_known(name) {
                return Err(Unpack::file("archive-name", name, "The archive has a file that no bundle has.", "証拠の束にはない名前のファイルが入っています。"));
            }
        }
        if archive.offset() != 0 || !archive.comment().is_empty() || archive.validate_header_consistency().is_err() {
            return Err(Unpack::archive("The archive says one thing in its directory and another beside its files.", "ZIP の目次と中身が食い違っています。"));
        }
        let directory_start = archive.central_directory_start();
        if directory_start != directory.start {
            return Err(hidden());
        }
        let (mut members, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (index, name) in names.into_iter().enumerate() {
            let file = archive.by_index_raw(index).map_err(|_| no_zip())?;
            let deflated = match file.compression() {
                CompressionMethod::Stored if file.size() == file.compressed_size() => false,
                CompressionMethod::Deflated => true,
                _ => return Err(Unpack::file("archive-method", &name, "The file is packed in a way that no bundle is.", "証拠の束では使わない方式で圧縮されています。")),
            };
            if file.encrypted() || !file.is_file() {
                return Err(Unpack::file("archive-method", &name, "The file is encrypted, or no plain file.", "暗号化されているか、通常のファイルではありません。"));
            }
            let (packed, bytes) = (file.compressed_size(), file.size());
            if bytes > RATIO_FROM_BYTES && bytes / MAX_RATIO > packed {
                return Err(Unpack::file("archive-ratio", &name, "The file would grow far more than any file of a bundle does.", "展開すると異常に大きくなるファイルです(ZIP 爆弾の疑い)。"));
            }
            let start = file.data_start().ok_or_else(no_zip)?;
            let end = start.checked_add(packed).filter(|end| *end <= directory_start).ok_or_else(no_zip)?;
            places.insert(file.header_start(), (start, end));
            members.insert(name, Member { start, packed, bytes, deflated });
        }
        let mut at = 0;
        for (header, (start, end)) in &places {
            let between = header.checked_sub(at).filter(|gap| DESCRIPTORS.contains(gap) && (at > 0 || *gap == 0));
            if between.is_none() || start < header {
                return Err(hidden());
            }
            at = *end;
        }
        if places.len() != members.len() || directory_start.checked_sub(at).is_none_or(|gap| !DESCRIPTORS.contains(&gap)) {
            return Err(hidden());
        }
        Ok(Self { source, members })
    }
}

fn hidden() -> Unpack {
    Unpack::archive("The archive has bytes that belong to no file of its directory.", "目次にないデータが ZIP の中に隠れています。")
}

/// What the records at the end of an archive say of its directory.
struct Directory {
    /// Where it begins.
    start: u64,
    /// How many files it names.
    files: u64,
}

/// Looks at the end of the archive: nothing stands behind it, nothing between the directory and the records that lead to it, and
/// there is one such record only. A library that finds the directory by searching would otherwise see another one than the
/// tools of other people.
fn end_of(source: &At) -> Result<Directory, Unpack> {
    let no_end = || Unpack::archive("The file is not a ZIP archive, or something follows its end.", "ZIP ファイルではないか、末尾に余分なデータがあります。");
    let start = source.length.checked_sub(END_BYTES).ok_or_else(no_end)?;
    let mut end = [0; END_BYTES as usize];
    source.file.read_exact_at(&mut end, start).map_err(|_| no_end())?;
    // Signature, this disk, disk of the directory, files here, files, length and place of the directory, no comment.
    let [b'P', b'K', 5, 6, 0, 0, 0, 0, here @ .., 0, 0] = end else { return Err(no_end()) };
    let [a, b, c, d, e, f, g, h, i, j, k, l] = here;
    let (files, all) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let (length, place) = (u32::from_le_bytes([e, f, g, h]), u32::from_le_bytes([i, j, k, l]));
    if files != all {
        return Err(no_end());
    }
    let (directory, bytes, until) = if all == u16::MAX || length == u32::MAX || place == u32::MAX {
        long_end_of(source, start).ok_or_else(no_end)?
    } else {
        (Directory { start: place.into(), files: all.into() }, length.into(), start)
    };
    if bytes > MAX_DIRECTORY_BYTES || directory.files > MAX_ARCHIVE_FILES as u64 {
        return Err(Unpack::archive("The archive has too many files.", "ファイル数が上限を超えています。"));
    }
    if directory.start.checked_add(bytes) != Some(until) {
        return Err(hidden());
    }
    Ok(directory)
}

/// The records of a ZIP64 archive, which stand right before the end record: its directory, the length of that, and where they
/// begin.
fn long_end_of(source: &At, end: u64) -> Option<(Directory, u64, u64)> {
    let locator_at = end.checked_sub(20)?;
    let mut locator = [0; 20];
    source.file.read_exact_at(&mut locator, locator_at).ok()?;
    // Signature, disk of the record, its place, disks.
    let [b'P', b'K', 6, 7, 0, 0, 0, 0, place @ .., 1, 0, 0, 0] = locator else { return None };
    let place = u64::from_le_bytes(place);
    let mut record = [0; 56];
    if place.checked_add(56)? != locator_at {
        return None;
    }
    source.file.read_exact_at(&mut record, place).ok()?;
    // Signature, length of the rest, two versions, two disks, files here, files, length and place of the directory.
    let [b'P', b'K', 6, 6, 44, 0, 0, 0, 0, 0, 0, 0, _, _, _, _, 0, 0, 0, 0, 0, 0, 0, 0, rest @ ..] = record else { return None };
    let number = |at: usize| Some(u64::from_le_bytes(rest.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let (here, files, length, start) = (number(0)?, number(8)?, number(16)?, number(24)?);
    (here == files).then_some((Directory { start, files }, length, place))
}

impl Files for ZipFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        let Some(mut source) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|fault| ReadFault::new(path, fault))?;
        Ok(Some(bytes))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadFault> {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let inside = self.members.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: BTreeSet<String> = inside.map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(folder, _)| format!("{folder}/"))).collect();
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, ReadFault> {
        let Some(member) = self.members.get(path) else { return Ok(None) };
        let packed = BufReader::new(At { at: member.start, ..self.source.clone() }.take(member.packed));
        let content: Box<dyn Read> = if member.deflated { Box::new(Inflate(flate2::bufread::DeflateDecoder::new(packed))) } else { Box::new(packed) };
        Ok(Some(Box::new(Exactly { content, left: member.bytes })))
    }

    fn size(&self, path: &str) -> Result<Option<u64>, ReadFault> {
        Ok(self.members.get(path).map(|member| member.bytes))
    }
}

/// Inflates, and refuses bytes that stand behind the end of what was deflated: nobody would ever see them.
struct Inflate<R: BufRead>(flate2::bufread::DeflateDecoder<R>);

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::other("bytes are hidden behind its end"));
        }
        Ok(read)
    }
}

/// Gives as many bytes as the directory says, and an error if there are fewer or more.
struct Exactly<'a> {
    content: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return match self.content.read(&mut [0; 1])? {
                0 => Ok(0),
                _ => Err(io::Error::other("it is longer than the archive's directory says")),
            };
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.content.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Err(io::Error::other("it is shorter than the archive's directory says"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A place in a file, so that many can read it at once.
#[derive(Clone)]
struct At {
    file: Arc<File>,
    at: u64,
    length: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
