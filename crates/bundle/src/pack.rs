//! A bundle, written to whoever takes the bytes. Nothing is held but one entry bundle of the log and one piece of a recording.

use crate::readme::readme;
use sekisho_evidence::bundle::{self, CHECKPOINT, CONSISTENCY, ENTRIES, FORMAT, FileLine, Head, Lacking, MANIFEST, Manifest, PROOFS, PUBLIC_KEY, README, SIGNATURE, Scope, Span, WriteBreach};
use sekisho_evidence::log::{Files, ReadFault};
use sekisho_evidence::recording::path_of;
use sekisho_evidence::{Digest, Hasher};
use std::io::{self, BufWriter, Read as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// Pieces in which a recording is read.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes that are gathered before they go out.
const OUT_BYTES: usize = 64 * 1024;
/// From this length on a file may not fit into the fields of a plain ZIP; a margin for what the archive adds.
const LARGE_BYTES: u64 = 0xF000_0000;
/// Entries from which on their files may be that long.
const LARGE_ENTRIES: usize = 60_000;

/// A file whose bytes are there already.
pub struct Document {
    /// Its path in the bundle.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What goes into a bundle.
pub struct Content {
    /// Name of the facility, for the page of instructions.
    pub facility: String,
    /// Origin of the log.
    pub origin: String,
    /// When it is made, in milliseconds since 1970.
    pub made_at: i64,
    /// What it is about.
    pub scope: Scope,
    /// All entries of the log are in it.
    pub all_entries: bool,
    /// The signed checkpoint, as text.
    pub checkpoint: String,
    /// What it covers.
    pub head: Head,
    /// The log's public key, as text.
    pub public_key: String,
    /// Numbers of the entries, ascending.
    pub seqs: Vec<u64>,
    /// Sizes of earlier heads that the log is shown to continue.
    pub earlier: Vec<u64>,
    /// Sessions whose recordings belong into it, in the order of their beginning.
    pub sessions: Vec<String>,
    /// Recordings that belong into it and cannot be.
    pub lacking: Vec<Lacking>,
    /// Plans whose documents are in it.
    pub plans: Vec<String>,
    /// Everything else: exchanges of the key, plans, approvals.
    pub documents: Vec<Document>,
}

/// Signs the manifest and gives the signature as base64.
pub type Sign<'a> = &'a dyn Fn(&[u8]) -> Result<String, String>;

/// A bundle could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum PackFault {
    /// What the log or a recording says cannot be read.
    #[error(transparent)]
    Log(#[from] WriteBreach),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// A name that no bundle has.
    #[error("no bundle has a file {0}")]
    Name(String),
    /// The archive, or whoever takes its bytes.
    #[error("the archive cannot be written: {0}")]
    Archive(String),
    /// The manifest could not be signed.
    #[error("the manifest cannot be signed: {0}")]
    Sign(String),
}

impl From<zip::result::ZipError> for PackFault {
    fn from(fault: zip::result::ZipError) -> Self {
        Self::Archive(fault.to_string())
    }
}

impl From<io::Error> for PackFault {
    fn from(fault: io::Error) -> Self {
        Self::Archive(fault.to_string())
    }
}

/// Writes a bundle.
///
/// # Errors
/// A [`PackFault`]. What was written by then is no archive: its directory stands at the end and is missing.
pub fn pack(content: &Content, files: &dyn Files, sign: Sign<'_>, out: &mut dyn Write) -> Result<(), PackFault> {
    let broken = Arc::new(AtomicBool::new(false));
    let tap = Tap { out, broken: Arc::clone(&broken) };
    let mut packer = Packer { zip: ZipWriter::new_stream(BufWriter::with_capacity(OUT_BYTES, tap)), lines: Vec::new() };
    let done = fill(&mut packer, content, files, sign).and_then(|()| packer.zip.set_comment("").map_err(PackFault::from));
    match done {
        Ok(()) => {
            let out = packer.zip.finish()?.into_inner();
            out.into_inner().map_err(|fault| PackFault::Archive(fault.to_string()))?;
            Ok(())
        }
        Err(fault) => {
            // The archive would end itself properly when it is dropped, and half a bundle would look like a whole one.
            broken.store(true, Ordering::SeqCst);
            Err(fault)
        }
    }
}

fn fill(packer: &mut Packer<'_>, content: &Content, files: &dyn Files, sign: Sign<'_>) -> Result<(), PackFault> {
    let (size, seqs) = (content.head.size, &content.seqs);
    let long = seqs.len() >= LARGE_ENTRIES;
    packer.bytes(README, readme(content).as_bytes())?;
    packer.bytes(CHECKPOINT, content.checkpoint.as_bytes())?;
    packer.bytes(PUBLIC_KEY, format!("{}\n", content.public_key).as_bytes())?;
    packer.file(ENTRIES, true, long, |out| Ok(bundle::entries(files, size, seqs, out)?))?;
    packer.file(PROOFS, true, long, |out| Ok(bundle::proofs(files, size, seqs, out)?))?;
    packer.file(CONSISTENCY, true, false, |out| Ok(bundle::consistency(files, size, &content.earlier, out)?))?;
    for document in &content.documents {
        packer.bytes(&document.path, &document.bytes)?;
    }
    let mut lacking = content.lacking.clone();
    for session in &content.sessions {
        let path = path_of(session).ok_or_else(|| PackFault::Name(session.clone()))?;
        // What is wrong with a recording is for the verifier to say; one that is gone is named.
        let Some(mut source) = files.open(&path)? else {
            lacking.push(Lacking { session: session.clone(), why: "absent".to_owned() });
            continue;
        };
        let large = files.size(&path)?.is_none_or(|bytes| bytes >= LARGE_BYTES);
        packer.file(&path, false, large, |out| {
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                let read = source.read(&mut piece).map_err(|fault| ReadFault::new(path.clone(), fault))?;
                if read == 0 {
                    return Ok(());
                }
                out.write_all(piece.get(..read).unwrap_or_default())?;
            }
        })?;
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        origin: content.origin.clone(),
        made_at: content.made_at,
        scope: content.scope.clone(),
        all_entries: content.all_entries,
        entries: Span { count: seqs.len() as u64, first: seqs.first().copied(), last: seqs.last().copied() },
        checkpoint: content.head,
        sessions: content.sessions.clone(),
        lacking,
        plans: content.plans.clone(),
        files: std::mem::take(&mut packer.lines),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).map_err(|fault| PackFault::Archive(fault.to_string()))?;
    bytes.push(b'\n');
    let signature = sign(&bytes).map_err(PackFault::Sign)?;
    packer.bytes(MANIFEST, &bytes)?;
    packer.bytes(SIGNATURE, format!("{signature}\n").as_bytes())
}

type Out<'a> = StreamWriter<BufWriter<Tap<'a>>>;

struct Packer<'a> {
    zip: ZipWriter<Out<'a>>,
    lines: Vec<FileLine>,
}

impl Packer<'_> {
    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), PackFault> {
        self.file(path, true, false, |out| Ok(out.write_all(bytes)?))
    }

    /// One file. What is sealed already is not compressed again.
    fn file(&mut self, path: &str, compress: bool, large: bool, write: impl FnOnce(&mut dyn Write) -> Result<(), PackFault>) -> Result<(), PackFault> {
        if !bundle::is_known(path) {
            return Err(PackFault::Name(path.to_owned()));
        }
        let method = if compress { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        // Readable for the one who unpacks; the moment of each file says nothing, the manifest's does.
        let options = SimpleFileOptions::default().compression_method(method).large_file(large).unix_permissions(0o644);
        self.zip.start_file(path, options)?;
        let mut measured = Measured { out: &mut self.zip, hasher: Hasher::new(), bytes: 0 };
        write(&mut measured)?;
        let (bytes, sha256): (u64, Digest) = (measured.bytes, measured.hasher.finish());
        self.lines.push(FileLine { path: path.to_owned(), bytes, sha256 });
        Ok(())
    }
}

/// Counts and digests what goes through.
struct Measured<'a, W: Write> {
    out: &'a mut W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> Write for Measured<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Lets bytes through until the bundle is broken; nothing follows what broke it.
struct Tap<'a> {
    out: &'a mut dyn Write,
    broken: Arc<AtomicBool>,
}

impl Write for Tap<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.load(Ordering::SeqCst) {
            return Ok(bytes.len());
        }
        self.out.write(bytes).inspect_err(|fault| {
            if fault.kind() != io::ErrorKind::Interrupted {
                self.broken.store(true, Ordering::SeqCst);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) { Ok(()) } else { self.out.flush() }
    }
}
