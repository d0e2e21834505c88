//! Exchanging the key of the log: an entry that names the new key, and a checkpoint over it that both sign. A crash at any point
//! leaves either the old key or an exchange that the next publishing finishes.

use super::DataFolder;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::keeping::entry_of;
use crate::keys::{Keys, LogKeys, signing_key};
use crate::secrets::random_bytes;
use crate::settings::Settings;
use sekisho_core::facts::Fact;
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{PublicKey, SigningKey};
use sekisho_evidence::decisive::{Term, terms};
use sekisho_evidence::log::{Files, ReadFault, read_bounded};
use sekisho_evidence::rotation::{self, MAX_ROTATION_BYTES, MAX_ROTATIONS, ROTATIONS_DIR, Rotation};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The seed of the key that signs.
const CURRENT: &str = "log.key";
/// The seed of the key that an exchange leads to, from before its entry until both keys have signed.
const NEXT: &str = "log.next";
/// The public keys before, one a line.
const FORMER: &str = "log.former";

/// An exchange, for the console.
#[derive(Clone, Debug)]
pub struct KeyRotation {
    /// Number of the entry that tells of it.
    pub seq: u64,
    /// The key before.
    pub old: String,
    /// The key after.
    pub new: String,
}

/// Reads the keys beside the one that signs.
pub(crate) fn log_keys(current: SigningKey, settings: &Settings, load: &dyn Fn(&str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault>) -> Result<LogKeys, Fault> {
    let mut former = Vec::new();
    if let Some(text) = load(FORMER)? {
        let text = std::str::from_utf8(&text).map_err(|_| Fault::Crypto("log.former is no text".into()))?;
        for line in text.lines() {
            former.push(PublicKey::parse(line).map_err(|breach| Fault::Crypto(format!("log.former: {breach}")))?);
        }
    }
    // A head of both keys says when each was laid down. Whoever has an old key alone cannot make one that says later.
    let rotations = if former.is_empty() { Vec::new() } else { rotations(&settings.data_dir)? };
    let keys: Vec<PublicKey> = former.iter().chain([current.public()]).cloned().collect();
    let former = terms(&keys, &rotations).into_iter().take(former.len()).collect();
    let next = load(NEXT)?.map(|seed| signing_key(settings, &seed)).transpose()?.map(Arc::new);
    Ok(LogKeys { current: Arc::new(current), former, next })
}

/// The exchanges so far, as far as their files can be read.
fn rotations(data_dir: &Path) -> Result<Vec<Rotation>, Fault> {
    let files = DataFolder(data_dir.to_owned());
    let unread = |fault: ReadFault| Fault::Damaged(format!("an exchange of the key: {fault}"));
    let mut found = Vec::new();
    for name in files.list(ROTATIONS_DIR).map_err(unread)?.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).take(MAX_ROTATIONS) {
        let bytes = read_bounded(&files, &format!("{ROTATIONS_DIR}/{name}"), MAX_ROTATION_BYTES).map_err(unread)?.unwrap_or_default();
        found.extend(std::str::from_utf8(&bytes).ok().and_then(|text| rotation::read(&name, text).ok()));
    }
    Ok(found)
}

/// Decides at the start what an exchange that was interrupted came to, by the key that the database names. Gives the key that
/// it must name.
pub(crate) fn settle_log_key(keys: &Keys, kept: Option<&str>) -> Result<String, Fault> {
    let current = keys.log().public().to_string();
    let Some(next) = keys.next_log().map(|next| next.public().to_string()) else { return Ok(current) };
    if kept == Some(next.as_str()) && next != current {
        // The entry is written. Publishing finishes what is left.
        return Ok(next);
    }
    // The entry was never written, or everything was done but the last removal.
    keys.change_log(|log| log.next = None);
    keys.drop_file(NEXT)?;
    Ok(current)
}

impl Store {
    /// Exchanges the key that signs the log. The old one is destroyed once both have signed. Only at the console.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] elsewhere; [`Refusal::ChangedMeanwhile`] while an exchange is under way.
    pub async fn rotate_log_key(&self, actor: &Actor) -> Done<KeyRotation> {
        if actor.via != Via::Console {
            return Err(Refusal::NotAllowed.into());
        }
        self.log_stands()?;
        // One at a time: two that began together would leave two entries and one exchange.
        let _turn = self.inner.rotation.lock().await;
        // What is not published yet is signed by the old key first, so that a trouble with publishing is met before anything changes.
        self.publish().await?;
        if self.inner.keys.next_log().is_some() || self.inner.keys.load_file(NEXT)?.is_some() {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        if self.inner.keys.log_keys().len() >= MAX_ROTATIONS {
            return Err(Refusal::TooMany { limit: "MAX_ROTATIONS".into() }.into());
        }
        let seed = Zeroizing::new(random_bytes::<32>()?);
        let next = signing_key(&self.inner.settings, seed.as_slice())?;
        let (old, new) = (self.inner.keys.log().public().to_string(), next.public().to_string());
        self.inner.keys.keep_file(NEXT, seed.as_slice())?;
        let mut tx = self.write(actor).await?;
        let seq = tx.next_seq();
        sqlx::query("UPDATE meta SET value = $1 WHERE key = 'log_key'").bind(new.clone()).execute(tx.sql()).await?;
        tx.fact(Fact::KeyRotated { old: old.clone(), new: new.clone() });
        // From here the new key signs what decides. If the answer to the commit is lost, the file stays and the next start decides
        // by the database.
        self.inner.keys.change_log(|log| log.next = Some(Arc::new(next)));
        tx.commit().await.inspect_err(|_| self.inner.keys.change_log(|log| log.next = None))?;
        self.publish().await?;
        self.send_outside_now();
        Ok(KeyRotation { seq, old, new })
    }

    /// The exchange under way: the entry that tells of it, and its key.
    pub(super) async fn turning(&self) -> Result<Option<(u64, Arc<SigningKey>)>, Fault> {
        let Some(next) = self.inner.keys.next_log() else { return Ok(None) };
        let row = sqlx::query("SELECT seq, body FROM log WHERE kind = 'key_rotated' ORDER BY seq DESC LIMIT 1").fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let (entry, _) = entry_of(&row)?;
        // Its entry may be on its way still, behind one of an earlier exchange.
        Ok(matches!(&entry.fact, Fact::KeyRotated { new, .. } if *new == next.public().to_string()).then_some((entry.seq, next)))
    }

    /// Both keys have signed a head of this size: the new one takes the place of the old one, which is destroyed.
    pub(super) fn turned(&self, size: u64) -> Result<(), Fault> {
        let keys = &self.inner.keys;
        let Some(seed) = keys.load_file(NEXT)? else { return Err(Fault::Crypto("log.next is missing".into())) };
        let old = keys.log().public().clone();
        let mut former: String = keys.change_log(|log| log.former.iter().map(|term| format!("{}\n", term.key)).collect());
        // A crash after this line and before the next one finds the old key twice; it is written once.
        if !former.lines().any(|line| line == old.to_string()) {
            former.push_str(&format!("{old}\n"));
        }
        keys.keep_file(FORMER, former.as_bytes())?;
        keys.keep_file(CURRENT, &seed)?;
        keys.change_log(|log| {
            if let Some(next) = log.next.take() {
                if !log.former.iter().any(|term| term.key == old) {
                    log.former.push(Term { key: old.clone(), until: size });
                }
                log.current = next;
            }
        });
        keys.drop_file(NEXT)
    }
}
