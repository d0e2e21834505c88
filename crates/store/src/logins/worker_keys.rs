//! Public keys that workers register for their SSH client.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use crate::write::Tx;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, WorkerKeyId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sqlx::Row;

/// Algorithms that are accepted. A certificate is no key, and DSA is broken.
const ALGORITHMS: [&str; 5] = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
/// Longest public key line that is read; RSA with 8192 bits needs about 1400 characters.
const KEY_LINE_BYTES: usize = 4096;
/// Least length of an RSA modulus in bits (CRYPTREC: 2048 until 2030).
const RSA_BITS: usize = 2048;

/// A registered public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerKey {
    /// Identifier.
    pub id: WorkerKeyId,
    /// The comment of the line, such as `sato@laptop`.
    pub comment: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// When it was registered.
    pub added_at: Timestamp,
    /// `ssh-ed25519` and the like.
    pub algorithm: String,
}

/// A public key line, taken apart and checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyLine {
    pub algorithm: String,
    /// Algorithm and base64, without comment: the one spelling in which keys are compared.
    pub key: String,
    pub comment: String,
    pub fingerprint: String,
}

impl KeyLine {
    /// Reads `ssh-ed25519 AAAA… comment`.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.len() > KEY_LINE_BYTES || line.contains(['\n', '\r']) {
            return None;
        }
        let mut parts = line.splitn(3, ' ');
        let (algorithm, base64) = (parts.next()?, parts.next()?);
        let comment: String = parts.next().unwrap_or("").trim().chars().filter(|c| !c.is_control()).take(limits::LINE_CHARS).collect();
        ALGORITHMS.contains(&algorithm).then_some(())?;
        let blob = STANDARD.decode(base64).ok()?;
        let (inner, rest) = field(&blob)?;
        if inner != algorithm.as_bytes() {
            return None;
        }
        is_sound(algorithm, rest)?;
        let digest = sekisho_evidence::Digest::of(&blob);
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(digest.as_bytes()));
        Some(Self { algorithm: algorithm.to_owned(), key: format!("{algorithm} {}", STANDARD.encode(&blob)), comment, fingerprint })
    }
}

/// One length-prefixed field (RFC 4251, 5) and what follows it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The number of fields and their lengths are those of the algorithm, with nothing after them.
fn is_sound(algorithm: &str, rest: &[u8]) -> Option<()> {
    let (first, rest) = field(rest)?;
    match algorithm {
        "ssh-ed25519" => (first.len() == 32 && rest.is_empty()).then_some(()),
        "ssh-rsa" => {
            let (modulus, rest) = field(rest)?;
            let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
            let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
            (rest.is_empty() && !first.is_empty() && first.len() <= 8 && (RSA_BITS..=8192).contains(&bits)).then_some(())
        }
        _ => {
            let (point, rest) = field(rest)?;
            (rest.is_empty() && algorithm.strip_prefix("ecdsa-sha2-").map(str::as_bytes) == Some(first) && point.first() == Some(&4)).then_some(())
        }
    }
}

impl Store {
    /// The keys that the actor registered.
    ///
    /// # Errors
    /// Without a person.
    pub async fn my_keys(&self, actor: &Actor) -> Done<Vec<WorkerKey>> {
        let person = own(actor)?;
        let rows = sqlx::query("SELECT id, comment, fingerprint, added_at, algorithm FROM worker_keys WHERE person = $1 ORDER BY added_at, id")
            .bind(person.as_str().to_owned())
            .fetch_all(self.read())
            .await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<WorkerKey, Fault> {
            let id: String = row.try_get("id")?;
            Ok(WorkerKey {
                id: WorkerKeyId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a key")))?,
                comment: row.try_get("comment")?,
                fingerprint: row.try_get("fingerprint")?,
                added_at: Timestamp(row.try_get("added_at")?),
                algorithm: row.try_get("algorithm")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Registers a public key, as one line of OpenSSH's form.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for a line that is no sound key, [`Refusal::NameTaken`] for one that is registered,
    /// [`Refusal::TooMany`].
    pub async fn add_key(&self, actor: &Actor, line: &str) -> Done<WorkerKey> {
        let person = own(actor)?;
        let KeyLine { algorithm, key, comment, fingerprint } = KeyLine::parse(line).ok_or_else(|| Refusal::bad_field("key"))?;
        let id: WorkerKeyId = random_id()?;
        let mut tx = self.write(actor).await?;
        let added_at = tx.now();
        let rows = sqlx::query("SELECT key FROM worker_keys WHERE person = $1").bind(person.as_str().to_owned()).fetch_all(tx.sql()).await?;
        if rows.len() >= limits::WORKER_KEYS {
            return Err(Refusal::too_many("WORKER_KEYS").into());
        }
        for row in rows {
            if row.try_get::<&str, _>("key")? == key {
                return Err(Refusal::NameTaken.into());
            }
        }
        sqlx::query("INSERT INTO worker_keys (id, person, algorithm, key, comment, fingerprint, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(id.as_str().to_owned())
            .bind(person.as_str().to_owned())
            .bind(algorithm.clone())
            .bind(key)
            .bind(comment.clone())
            .bind(fingerprint.clone())
            .bind(added_at.0)
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::KeyAdded { person: person.clone(), key: id.clone(), fingerprint: fingerprint.clone() });
        tx.commit().await?;
        Ok(WorkerKey { id, comment, fingerprint, added_at, algorithm })
    }

    /// Removes one of the actor's keys.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a key that is not the actor's.
    pub async fn remove_key(&self, actor: &Actor, key: &WorkerKeyId) -> Done<()> {
        let person = own(actor)?;
        let mut tx = self.write(actor).await?;
        let gone = sqlx::query("DELETE FROM worker_keys WHERE id = $1 AND person = $2")
            .bind(key.as_str().to_owned())
            .bind(person.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        if gone.rows_affected() != 1 {
            return Err(Refusal::NotFound.into());
        }
        tx.fact(Fact::KeyRemoved { person: person.clone(), key: key.clone() });
        Ok(tx.commit().await?)
    }
}

/// Removes every key of a person, as part of a change.
pub(crate) async fn remove_all_keys(tx: &mut Tx, person: &PersonId) -> Result<(), Fault> {
    let rows = sqlx::query("SELECT id FROM worker_keys WHERE person = $1 ORDER BY added_at, id").bind(person.as_str().to_owned()).fetch_all(tx.sql()).await?;
    for row in rows {
        let id: String = row.try_get("id")?;
        let key = WorkerKeyId::parse(&id).ok_or_else(|| Fault::Damaged(format!("{id:?} is no identifier of a key")))?;
        tx.fact(Fact::KeyRemoved { person: person.clone(), key });
    }
    sqlx::query("DELETE FROM worker_keys WHERE person = $1").bind(person.as_str().to_owned()).execute(tx.sql()).await?;
    Ok(())
}

fn own(actor: &Actor) -> Result<&PersonId, Refusal> {
    may(actor, Action::KeepOwnLogin, None)?;
    actor.person.as_ref().ok_or(Refusal::NotAllowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6cJd2CJxVNvJxKRSFrMhV2rEbFTYRTRTNH1IzLT8dC";

    #[test]
    fn a_sound_line_is_read_and_its_spelling_is_one() {
        let read = KeyLine::parse(&format!("  {ED25519}   sato@laptop \n")).unwrap();
        assert_eq!((read.key.as_str(), read.comment.as_str()), (ED25519, "sato@laptop"));
        assert!(read.fingerprint.starts_with("SHA256:") && read.fingerprint.len() == 50);
    }

    #[test]
    fn what_is_no_plain_key_is_refused() {
        let blob = |fields: &[&[u8]]| {
            let mut out = Vec::new();
            for field in fields {
                out.extend_from_slice(&u32::try_from(field.len()).unwrap().to_be_bytes());
                out.extend_from_slice(field);
            }
            STANDARD.encode(out)
        };
        let small_rsa = blob(&[b"ssh-rsa", &[1, 0, 1], &[0xff; 128]]);
        let sound_rsa = blob(&[b"ssh-rsa", &[1, 0, 1], &[0xff; 256]]);
        assert!(KeyLine::parse(&format!("ssh-rsa {sound_rsa}")).is_some());
        for line in [
            String::new(),
            "ssh-ed25519".into(),
            "ssh-ed25519 ????".into(),
            format!("ssh-rsa {}", ED25519.split(' ').nth(1).unwrap()),
            format!("ssh-rsa {small_rsa}"),
            format!("ssh-rsa {}", blob(&[b"ssh-rsa", &[1, 0, 1], &[]])),
            format!("ssh-ed25519 {}", blob(&[b"ssh-ed25519", &[1; 32], b"more"])),
            format!("ssh-ed25519-cert-v01@openssh.com {}", blob(&[b"ssh-ed25519-cert-v01@openssh.com", &[1; 32]])),
            format!("command=\"x\" {ED25519}"),
            format!("{ED25519}\nssh-rsa {sound_rsa}"),
        ] {
            assert_eq!(KeyLine::parse(&line), None, "{line}");
        }
    }
}
