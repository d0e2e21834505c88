//! The keys folder: one key in clear, everything else sealed with it.
//!
//! `store.key` (or the file named by the settings) is the one secret that opens the rest. It wraps `data.key`, which
//! seals columns and files, so that the outer key can be exchanged without touching a row.

use crate::fault::Fault;
use crate::log::{sync_folder, write_durably};
use crate::secrets::{Place, Sealed, SealingKey, random_bytes};
use crate::settings::Settings;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{PublicKey, SigningKey};
use sekisho_evidence::decisive::Term;
use sekisho_evidence::recording::Recipient;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// Longest file of the keys folder that is read.
const KEY_FILE_BYTES: u64 = 64 * 1024;

/// The keys of the log.
pub(crate) struct LogKeys {
    /// The one that signs.
    pub current: Arc<SigningKey>,
    /// Those before it, the first one first, and until which entry each of them counted.
    pub former: Vec<Term>,
    /// The one that an exchange under way leads to: its entry is written, and the checkpoint of both is not.
    pub next: Option<Arc<SigningKey>>,
}

/// The keys of this box, open.
pub(crate) struct Keys {
    dir: PathBuf,
    data: SealingKey,
    log: RwLock<LogKeys>,
    recordings: age::x25519::Identity,
}

impl Keys {
    /// Makes the keys of a new box.
    pub fn create(settings: &Settings) -> Result<Self, Fault> {
        let dir = settings.data_dir.join("keys");
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(Fault::io(format!("creating {}", dir.display())))?;
        let outer_path = outer_path(settings);
        if outer_path.exists() {
            return Err(Fault::Folder(format!("{} exists already; it may be the key of another box", outer_path.display())));
        }
        let outer = Zeroizing::new(random_bytes::<32>()?);
        write_durably(&outer_path, hex::encode(outer.as_slice()).as_bytes(), 0o600, None)?;
        let outer = SealingKey::from_bytes(*outer);
        let data = Zeroizing::new(random_bytes::<32>()?);
        let wrapped = outer.seal(at("data.key"), data.as_slice())?;
        write_durably(&dir.join("data.key"), &wrapped.into_bytes(), 0o600, None)?;
        let data = SealingKey::from_bytes(*data);
        let seed = Zeroizing::new(random_bytes::<32>()?);
        let log = signing_key(settings, seed.as_slice())?;
        let log = RwLock::new(LogKeys { current: Arc::new(log), former: Vec::new(), next: None });
        let keys = Self { dir, data, log, recordings: age::x25519::Identity::generate() };
        keys.keep_file("log.key", seed.as_slice())?;
        let identity = keys.recordings.to_string();
        keys.keep_file("recordings.key", age::secrecy::ExposeSecret::expose_secret(&identity).as_bytes())?;
        Ok(keys)
    }

    /// Opens the keys of a box that was set up.
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        let dir = settings.data_dir.join("keys");
        let outer_path = outer_path(settings);
        let text = Zeroizing::new(read_private(&outer_path)?.ok_or_else(|| Fault::Folder(format!("{} is missing", outer_path.display())))?);
        let mut outer = Zeroizing::new([0_u8; 32]);
        let decoded = hex::decode_to_slice(text.trim_ascii(), outer.as_mut_slice());
        decoded.map_err(|_| Fault::Crypto(format!("{} is not a key of 64 hexadecimal digits", outer_path.display())))?;
        let outer = SealingKey::from_bytes(*outer);
        let wrapped = read_private(&dir.join("data.key"))?.ok_or_else(|| Fault::Folder(format!("{} is missing", dir.join("data.key").display())))?;
        let data = outer.unseal(at("data.key"), &Sealed::from_bytes(wrapped))?;
        let data: [u8; 32] = data.as_slice().try_into().map_err(|_| Fault::Crypto("data.key has the wrong length".into()))?;
        let data = SealingKey::from_bytes(data);
        let missing = |name: &str| Fault::Folder(format!("{} is missing", dir.join(name).display()));
        let seed = load(&dir, &data, "log.key")?.ok_or_else(|| missing("log.key"))?;
        let log = crate::log::log_keys(signing_key(settings, &seed)?, settings, &|name| load(&dir, &data, name))?;
        let log = RwLock::new(log);
        let identity = load(&dir, &data, "recordings.key")?.ok_or_else(|| missing("recordings.key"))?;
        let identity = std::str::from_utf8(&identity).map_err(|_| Fault::Crypto("recordings.key is no text".into()))?;
        let recordings = age::x25519::Identity::from_str(identity).map_err(|error| Fault::Crypto(format!("recordings.key: {error}")))?;
        Ok(Self { dir, data, log, recordings })
    }

    /// The key that signs checkpoints and approvals.
    pub fn log(&self) -> Arc<SigningKey> {
        Arc::clone(&self.log.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// Every key of the log, the first one first and the one that signs last.
    pub fn log_keys(&self) -> Vec<PublicKey> {
        let keys = self.log.read().unwrap_or_else(PoisonError::into_inner);
        keys.former.iter().map(|term| &term.key).chain([keys.current.public()]).chain(keys.next.as_ref().map(|next| next.public())).cloned().collect()
    }

    /// The keys by which entries decide, and how long each of them counts.
    pub fn terms(&self) -> Vec<Term> {
        let keys = self.log.read().unwrap_or_else(PoisonError::into_inner);
        // Until both keys have signed, what is to decide may be signed by either of them.
        let standing = [keys.current.public()].into_iter().chain(keys.next.as_ref().map(|next| next.public()));
        keys.former.iter().cloned().chain(standing.map(|key| Term { key: key.clone(), until: u64::MAX })).collect()
    }

    /// The key that signs what decides: the next one as soon as its entry is on its way, so that the key before has decided nothing
    /// behind the head with which it is laid down.
    pub fn deciding(&self) -> Arc<SigningKey> {
        self.next_log().unwrap_or_else(|| self.log())
    }

    /// The key that an exchange under way leads to.
    pub fn next_log(&self) -> Option<Arc<SigningKey>> {
        self.log.read().unwrap_or_else(PoisonError::into_inner).next.clone()
    }

    /// Changes the keys of the log in memory.
    pub fn change_log<T>(&self, change: impl FnOnce(&mut LogKeys) -> T) -> T {
        change(&mut self.log.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a column value.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Sealed, Fault> {
        self.data.seal(place, plain)
    }

    /// Opens a column value.
    pub fn unseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.data.unseal(place, sealed)
    }

    /// A secret for one purpose, the same as long as this box has its keys.
    pub fn derived(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        self.data.derive(purpose)
    }

    /// The public key of age that recordings are wrapped for.
    pub fn recordings_public(&self) -> String {
        self.recordings.to_public().to_string()
    }

    /// Opens an armored age file that somebody made for the key of recordings, and gives the digest of it without its armour, which
    /// can be written in several ways; `None` for what is none, is for another key, or holds more than `most` bytes.
    pub fn open_for_recordings(&self, armored: &[u8], most: usize) -> Option<(Zeroizing<Vec<u8>>, Digest)> {
        let mut closed = Vec::new();
        age::armor::ArmoredReader::new(armored).read_to_end(&mut closed).ok()?;
        let decryptor = age::Decryptor::new_buffered(closed.as_slice()).ok()?;
        let mut reader = decryptor.decrypt(std::iter::once(&self.recordings as &dyn age::Identity)).ok()?;
        // Room for all of it from the start: growing would leave copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(most + 1));
        reader.by_ref().take(most as u64 + 1).read_to_end(&mut plain).ok()?;
        (plain.len() <= most).then(|| (plain, Digest::of(&closed)))
    }

    /// Opens what [`wrap_for`] gave, if the hospital is among those it was wrapped for.
    pub fn unwrap_recording_key(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let plain = age::decrypt(&self.recordings, wrapped).map_err(|error| Fault::Crypto(format!("a recording's key does not open: {error}")))?;
        let plain = Zeroizing::new(plain);
        let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| Fault::Crypto("a recording's key has the wrong length".into()))?;
        Ok(Zeroizing::new(key))
    }

    /// Keeps a secret as a sealed file of the keys folder. `name` is one of ours, never text of others.
    pub fn keep_file(&self, name: &str, plain: &[u8]) -> Result<(), Fault> {
        let sealed = self.data.seal(at(name), plain)?;
        write_durably(&self.dir.join(name), &sealed.into_bytes(), 0o600, None)
    }

    /// Takes away what [`Keys::keep_file`] kept, for good.
    pub fn drop_file(&self, name: &str) -> Result<(), Fault> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.dir),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Fault::io(format!("removing {}", path.display()))(error)),
        }
    }

    /// Reads what [`Keys::keep_file`] kept; `None` if there is no such file.
    pub fn load_file(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        load(&self.dir, &self.data, name)
    }
}

/// Wraps the data key of a recording, or a share of it, as an age file that each of these keys opens alone.
pub(crate) fn wrap_for(recipients: &[Recipient], key: &[u8; 32]) -> Result<Vec<u8>, Fault> {
    let failed = |why: String| Fault::Crypto(format!("a recording's key could not be wrapped: {why}"));
    let keys = recipients.iter().map(|one| one.key.parse::<age::x25519::Recipient>());
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|why| failed(why.to_owned()))?;
    let keys = keys.iter().map(|key| key as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(keys).map_err(|error| failed(error.to_string()))?;
    let mut wrapped = Vec::new();
    let written = encryptor.wrap_output(&mut wrapped).and_then(|mut writer| {
        writer.write_all(key)?;
        writer.finish().map(drop)
    });
    written.map_err(|error| failed(error.to_string()))?;
    Ok(wrapped)
}

fn load(dir: &Path, data: &SealingKey, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let Some(sealed) = read_private(&dir.join(name))? else { return Ok(None) };
    data.unseal(at(name), &Sealed::from_bytes(sealed)).map(Some)
}

fn at(name: &str) -> Place<'_> {
    Place { table: "file", row: name, column: "keys" }
}

fn outer_path(settings: &Settings) -> PathBuf {
    settings.key_file.clone().unwrap_or_else(|| settings.data_dir.join("keys").join("store.key"))
}

pub(crate) fn signing_key(settings: &Settings, seed: &[u8]) -> Result<SigningKey, Fault> {
    let seed: [u8; 32] = seed.try_into().map_err(|_| Fault::Crypto("log.key has the wrong length".into()))?;
    let seed = Zeroizing::new(seed);
    SigningKey::from_seed(&settings.origin, &seed).map_err(|breach| Fault::Settings(format!("the origin of the log cannot name its key: {breach}")))
}

/// Reads a file that nobody else may read; one that others can read is refused, as `ssh` refuses such keys.
fn read_private(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    let words = || format!("reading {}", path.display());
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(words())(error)),
    };
    let mode = file.metadata().map_err(Fault::io(words()))?.mode();
    if mode & 0o077 != 0 {
        return Err(Fault::Folder(format!("{} can be read by others; set it right with: chmod 600 {0}", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES).read_to_end(&mut bytes).map_err(Fault::io(words()))?;
    Ok(Some(bytes))
}
