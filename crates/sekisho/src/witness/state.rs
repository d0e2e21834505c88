//! What a witness keeps: its key, the keys of logs, and the newest head that it signed of each.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FlockOperation, flock};
use sekisho_core::limits;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{self, Checkpoint, PublicKey};
use sekisho_evidence::cosignature::{WitnessKey, WitnessPublic};
use sekisho_evidence::limits::MAX_CHECKPOINT_BYTES;
use sekisho_evidence::log::verify_consistency;
use sekisho_store::write_file;
use serde::Serialize;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Hashes of a consistency proof (C2SP tlog-witness).
const PROOF_HASHES: usize = 63;
/// Keys of one log.
const KEYS: usize = 100;

/// An answer, as HTTP gives it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The status.
    pub status: u16,
    /// Its type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Verdict {
    /// An answer in plain text.
    pub fn plain(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// A log, for lists.
#[derive(Debug, Serialize)]
pub struct Followed {
    /// Its origin.
    pub origin: String,
    /// Entries of the newest head that was signed.
    pub entries: Option<u64>,
}

/// The folder of a witness.
pub struct Folder {
    dir: PathBuf,
    key: WitnessKey,
}

impl Folder {
    /// Makes a folder with a key.
    ///
    /// # Errors
    /// It holds something already, or cannot be written.
    pub fn create(dir: &Path, name: &str, seed: &[u8; 32]) -> Result<WitnessPublic> {
        let key = WitnessKey::from_seed(name, seed).map_err(|breach| anyhow::anyhow!("{name:?}: {breach}"))?;
        DirBuilder::new().mode(0o700).recursive(true).create(dir.join("logs")).with_context(|| format!("cannot make {}", dir.display()))?;
        if dir.join("witness.key").exists() {
            bail!("{} holds a witness already", dir.display());
        }
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        write_file(&dir.join("witness.key"), format!("{name}\n{hex}\n").as_bytes(), 0o600)?;
        write_file(&dir.join("witness.pub"), format!("{}\n", key.public()).as_bytes(), 0o644)?;
        Ok(key.public().clone())
    }

    /// Opens it.
    ///
    /// # Errors
    /// There is none, or its key cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let text = small(&dir.join("witness.key"))?.with_context(|| format!("{} holds no witness; `sekisho witness init` makes one", dir.display()))?;
        let mut lines = text.lines();
        let (Some(name), Some(hex)) = (lines.next(), lines.next()) else { bail!("witness.key is malformed") };
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
        let seed: [u8; 32] = bytes.and_then(|bytes| bytes.try_into().ok()).context("witness.key is malformed")?;
        let key = WitnessKey::from_seed(name, &seed).map_err(|breach| anyhow::anyhow!("witness.key: {breach}"))?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// The public key.
    pub fn public(&self) -> &WitnessPublic {
        self.key.public()
    }

    /// Origins of others never become names of files; their digests do.
    fn log(&self, origin: &str) -> PathBuf {
        self.dir.join("logs").join(Digest::of(origin.as_bytes()).to_string())
    }

    /// One act at a time, of this process or another: two heads that are judged at once could both be taken.
    fn turn(&self) -> Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.dir.join("lock")).context("the witness's lock cannot be opened")?;
        flock(&file, FlockOperation::LockExclusive).context("the witness's lock cannot be taken")?;
        Ok(file)
    }

    /// Follows a log, by one key more.
    ///
    /// # Errors
    /// Too many logs or keys; the folder cannot be written.
    pub fn trust(&self, key: &PublicKey) -> Result<usize> {
        let _turn = self.turn()?;
        let folder = self.log(key.name());
        if !folder.exists() && std::fs::read_dir(self.dir.join("logs"))?.count() >= limits::WITNESS_LOGS {
            bail!("a witness follows {} logs at most", limits::WITNESS_LOGS);
        }
        let mut keys = self.keys(key.name())?;
        if !keys.contains(key) {
            keys.push(key.clone());
        }
        if keys.len() > KEYS {
            bail!("a log has {KEYS} keys at most");
        }
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        write_file(&folder.join("keys"), text.as_bytes(), 0o644)?;
        Ok(keys.len())
    }

    fn keys(&self, origin: &str) -> Result<Vec<PublicKey>> {
        let text = small(&self.log(origin).join("keys"))?.unwrap_or_default();
        text.lines().map(|line| PublicKey::parse(line).map_err(|breach| anyhow::anyhow!("a key of {origin:?}: {breach}"))).collect()
    }

    /// The newest head that was signed of a log, by the digest of its origin.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn seen(&self, digest: &str) -> Result<Option<String>> {
        if digest.len() != 64 || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        small(&self.dir.join("logs").join(digest).join("head"))
    }

    /// The logs.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Followed>> {
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(self.dir.join("logs"))? {
            let path = entry?.path();
            let Some(first) = small(&path.join("keys"))?.and_then(|text| text.lines().next().map(str::to_owned)) else { continue };
            let key = PublicKey::parse(&first).map_err(|breach| anyhow::anyhow!("{}: {breach}", path.display()))?;
            let seen = small(&path.join("head"))?.map(|note| checkpoint::unproved(&note).map(|head| head.size)).transpose()?;
            logs.push(Followed { origin: key.name().to_owned(), entries: seen });
        }
        logs.sort_by(|a, b| a.origin.cmp(&b.origin));
        Ok(logs)
    }

    /// Lets a log begin again at `first`, a checkpoint of the box by a key of the log that is followed; without one at the next head that comes, which anybody may be the
    /// first to bring who has an old one. Gives the entries of what was seen before.
    ///
    /// # Errors
    /// Nothing was seen of such a log; the folder cannot be written.
    pub fn accept_restore(&self, origin: &str, reason: &str, first: Option<&str>, at: Timestamp) -> Result<u64> {
        let _turn = self.turn()?;
        let folder = self.log(origin);
        let note = small(&folder.join("head"))?.with_context(|| format!("この立会人は {origin:?} を見ていません。 / nothing was seen of this log"))?;
        let entries = checkpoint::unproved(&note)?.size;
        let keys = self.keys(origin)?;
        let first = first
            .map(|text| {
                let opened = keys.iter().rev().find_map(|key| checkpoint::open(text, key).ok().and_then(|head| Some((head, checkpoint::only(text, key).ok()?))));
                let (head, only) = opened.context("チェックポイントに、信頼している鍵の署名がありません。先に `sekisho witness trust` で新しい鍵を教えてください。 / no key that is followed signed the checkpoint; tell the new key first: sekisho witness trust")?;
                anyhow::ensure!(head.origin == origin, "別の台帳のチェックポイントです。 / it is of another log");
                let line = self.key.cosign(&only, u64::try_from(at.0 / 1000).unwrap_or(0))?;
                Ok(format!("{only}{line}"))
            })
            .transpose()?;
        let mut journal = OpenOptions::new().append(true).create(true).mode(0o644).open(self.dir.join("journal"))?;
        writeln!(journal, "{}", serde_json::json!({ "at": at.rfc3339(), "what": "restore_accepted", "origin": origin, "entries": entries, "reason": reason, "head": note }))?;
        journal.sync_all()?;
        write_file(&folder.join(format!("head-until-{}", at.0)), note.as_bytes(), 0o644)?;
        match first {
            Some(first) => write_file(&folder.join("head"), first.as_bytes(), 0o644)?,
            None => std::fs::remove_file(folder.join("head"))?,
        }
        File::open(&folder)?.sync_all()?;
        Ok(entries)
    }

    /// Judges a head and, if it continues the one before, signs it: `add-checkpoint` of C2SP tlog-witness. What was signed is
    /// durable before it is answered.
    ///
    /// # Errors
    /// A fault of this host; the log learns nothing and tries again.
    pub fn add(&self, body: &str, now: Timestamp) -> Result<Verdict> {
        let Some((old, proof, note)) = read_ask(body) else { return Ok(Verdict::plain(400, "the request is malformed\n")) };
        let Ok(unproved) = checkpoint::unproved(note) else { return Ok(Verdict::plain(400, "the checkpoint is malformed\n")) };
        let _turn = self.turn()?;
        let keys = self.keys(&unproved.origin)?;
        if keys.is_empty() {
            return Ok(Verdict::plain(404, "this log is not followed\n"));
        }
        // What is judged, kept and signed is the head with the one signature that was checked: other lines are anybody's.
        // The newest key that signed it counts.
        let Some((opener, head, note)) = keys.iter().enumerate().rev().find_map(|(at, key)| Some((at, checkpoint::open(note, key).ok()?, checkpoint::only(note, key).ok()?))) else {
            return Ok(Verdict::plain(403, "no key of this log signed it\n"));
        };
        if old > head.size {
            return Ok(Verdict::plain(400, "the old size is larger than the checkpoint\n"));
        }
        let folder = self.log(&head.origin);
        let before = small(&folder.join("head"))?;
        // Who stole a key that was laid down would extend the honest head by it.
        if before.as_ref().is_some_and(|before| keys.iter().rposition(|key| checkpoint::open(before, key).is_ok()).is_some_and(|at| opener < at)) {
            return Ok(Verdict::plain(403, "it is signed by a key that this log has laid down\n"));
        }
        let before = before.map(|note| checkpoint::unproved(&note)).transpose()?;
        let before = before.unwrap_or_else(|| Checkpoint { origin: head.origin.clone(), size: 0, root: sekisho_evidence::log::empty_root() });
        if old != before.size || (before.size == head.size && before.root != head.root) {
            return Ok(Verdict { status: 409, content_type: "text/x.tlog.size", body: format!("{}\n", before.size) });
        }
        if verify_consistency(before.size, &before.root, head.size, &head.root, &proof).is_err() {
            return Ok(Verdict::plain(422, "the proof does not hold\n"));
        }
        let line = self.key.cosign(&note, u64::try_from(now.0 / 1000).unwrap_or(0))?;
        write_file(&folder.join("head"), format!("{note}{line}").as_bytes(), 0o644)?;
        Ok(Verdict::plain(200, line))
    }
}

/// `old N`, the hashes of the proof, an empty line, the checkpoint.
fn read_ask(body: &str) -> Option<(u64, Vec<Digest>, &str)> {
    let (head, note) = body.split_once("\n\n")?;
    let mut lines = head.split('\n');
    let number = lines.next()?.strip_prefix("old ")?;
    let old: u64 = number.parse().ok().filter(|old: &u64| old.to_string() == number)?;
    let proof: Option<Vec<Digest>> = lines.map(|line| Digest::from_slice(&STANDARD.decode(line).ok()?)).collect();
    let proof = proof.filter(|proof| proof.len() <= PROOF_HASHES)?;
    // Room must be left for our own line.
    (note.len() + 512 <= MAX_CHECKPOINT_BYTES).then_some((old, proof, note))
}

/// Reads a small file; `None` if there is none.
fn small(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let mut text = String::new();
    file.take(256 * 1024).read_to_string(&mut text).with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(text))
}
