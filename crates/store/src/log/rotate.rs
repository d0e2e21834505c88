//! Exchanging the key of the log: an entry that names the new key, and a checkpoint over it that both sign. A crash at any point
//! leaves either the old key or an exchange that the next publishing finishes.

use super::{as_i64, entry_in};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::keys::{Keys, LogKeys, signing_key};
use crate::secrets::random_bytes;
use crate::settings::Settings;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{PublicKey, SigningKey};
use sekisho_evidence::decisive::Term;
use sekisho_evidence::rotation::MAX_ROTATIONS;
use sqlx::AnyConnection;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The seed of the key that signs.
const CURRENT: &str = "log.key";
/// The seed of the key that an exchange leads to, from before its entry until both keys have signed.
const NEXT: &str = "log.next";
/// The public keys before, one a line, each with the size of the log with which it was laid down. It lies sealed: a file of the log that
/// is lost or that somebody put there gives no former key another term.
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
            let unread = |what: &str| Fault::Crypto(format!("log.former: {what}"));
            let (key, until) = line.split_once(' ').ok_or_else(|| unread("a key without the size of the log with which it was laid down"))?;
            let key = PublicKey::parse(key).map_err(|breach| unread(&breach.to_string()))?;
            former.push(Term { key, until: until.parse().map_err(|_| unread("a size that is no number"))? });
        }
    }
    let next = load(NEXT)?.map(|seed| signing_key(settings, &seed)).transpose()?.map(Arc::new);
    Ok(LogKeys { current: Arc::new(current), former, next })
}

/// Whether an entry tells of the exchange that leads to this key.
fn leads_to(entry: &Entry, key: &str) -> bool {
    matches!(&entry.fact, Fact::KeyRotated { new, .. } if new == key)
}

/// Decides at the start what an exchange that was interrupted came to, by the key that the database names. Gives the key that
/// it must name.
pub(crate) async fn settle_log_key(conn: &mut AnyConnection, keys: &Keys, kept: Option<&str>) -> Result<String, Fault> {
    let current = keys.log().public().to_string();
    let Some(next) = keys.next_log().map(|next| next.public().to_string()) else { return Ok(current) };
    // The name alone is a row that anybody with the database changes, and what the next key signed would count no more.
    let rows = sqlx::query("SELECT seq, body FROM log WHERE kind = 'key_rotated' ORDER BY seq LIMIT $1").bind(2 * MAX_ROTATIONS as i64).fetch_all(conn).await?;
    let told = rows.iter().any(|row| entry_in(row).ok().flatten().is_some_and(|entry| leads_to(&entry, &next)));
    if (told || kept == Some(next.as_str())) && next != current {
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
        // From its commit on the new key signs what decides. If the answer to the commit is lost, the file stays and the next start
        // decides by the database.
        tx.exchanged(Arc::new(next));
        tx.commit().await?;
        self.publish().await?;
        if self.inner.keys.next_log().is_some() {
            return Err(Fault::LogBroken("the exchange of the key is written down and not finished".into()).into());
        }
        self.send_outside_now();
        Ok(KeyRotation { seq, old, new })
    }

    /// The exchange under way: the entry that tells of it, and its key.
    pub(super) async fn turning(&self) -> Result<Option<(u64, Arc<SigningKey>)>, Fault> {
        let Some(next) = self.inner.keys.next_log() else { return Ok(None) };
        // Whoever has the database can put a row behind the last one.
        let size = self.inner.log.size();
        let row = sqlx::query("SELECT seq, body FROM log WHERE kind = 'key_rotated' AND seq < $1 ORDER BY seq DESC LIMIT 1").bind(as_i64(size)).fetch_optional(self.read()).await?;
        let broken = || Fault::LogBroken("the key was exchanged, and the log does not tell of it".into());
        let entry = entry_in(&row.ok_or_else(broken)?)?.filter(|entry| leads_to(entry, &next.public().to_string()));
        Ok(Some((entry.ok_or_else(broken)?.seq, next)))
    }

    /// Both keys have signed a head of this size: the new one takes the place of the old one, which is destroyed.
    pub(super) fn turned(&self, size: u64, next: Arc<SigningKey>) -> Result<(), Fault> {
        let keys = &self.inner.keys;
        let Some(seed) = keys.load_file(NEXT)? else { return Err(Fault::Crypto("log.next is missing".into())) };
        let old = keys.log().public().clone();
        // A crash after this and before the next finds the old key twice; it counts until the head that is signed then.
        let former = keys.change_log(|log| {
            log.former.retain(|term| term.key != old);
            log.former.push(Term { key: old, until: size });
            log.former.iter().map(|term| format!("{} {}\n", term.key, term.until)).collect::<String>()
        });
        keys.keep_file(FORMER, former.as_bytes())?;
        keys.keep_file(CURRENT, &seed)?;
        keys.change_log(|log| {
            log.current = next;
            log.next = None;
        });
        keys.drop_file(NEXT)
    }
}
