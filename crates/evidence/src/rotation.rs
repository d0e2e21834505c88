//! Exchanges of the log's key: each is an entry, a statement of both keys that signs it, and a checkpoint over it that both
//! sign.

use crate::checkpoint::{self, Checkpoint, CheckpointBreach, Note, PublicKey, Signature, SigningKey, sign_bytes, verify_bytes};
use crate::limits::{MAX_CHECKPOINT_BYTES, MAX_LOG_ENTRIES};

/// Folder of the exchanges.
pub const ROTATIONS_DIR: &str = "log/rotations";
/// Kind of the entry that tells of an exchange.
pub const KEY_ROTATED: &str = "key_rotated";
/// Most exchanges of one log.
pub const MAX_ROTATIONS: usize = 1000;
/// Longest file of an exchange in bytes.
pub const MAX_ROTATION_BYTES: usize = MAX_CHECKPOINT_BYTES + 1024;

/// The context of the signatures over an exchange. A checkpoint that the key before signed leaves the box every minute, and
/// anybody can put a signature of their own beside it: what is signed here says that one key follows the other.
const CONTEXT: &str = "rotate/v1";

/// One exchange, as its file tells it: both keys, and the checkpoint that both of them signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Sequence number of the entry.
    pub seq: u64,
    /// The key before.
    pub old: PublicKey,
    /// The key after.
    pub new: PublicKey,
    /// The head that both signed; it covers the entry.
    pub checkpoint: Checkpoint,
}

/// The path of an exchange.
pub fn path_of(seq: u64) -> String {
    format!("{ROTATIONS_DIR}/{seq}")
}

/// What both keys sign: the entry, both keys, and what the checkpoint says.
fn statement(seq: u64, old: &PublicKey, new: &PublicKey, note: &str) -> Result<String, CheckpointBreach> {
    Ok(format!("{seq}\n{old}\n{new}\n{}", Note::split(note)?.body))
}

/// The text of an exchange: both keys, the signatures of both over the exchange, an empty line, and the checkpoint, which both
/// must have signed.
///
/// # Errors
/// [`CheckpointBreach::Form`] if `note` is no checkpoint.
pub fn text_of(seq: u64, old: &SigningKey, new: &SigningKey, note: &str) -> Result<String, CheckpointBreach> {
    let said = statement(seq, old.public(), new.public(), note)?;
    let sign = |key: &SigningKey| sign_bytes(key, CONTEXT, said.as_bytes()).map_err(|_| CheckpointBreach::Form);
    Ok(joined(old.public(), new.public(), &sign(old)?, &sign(new)?, note))
}

fn joined(old: &PublicKey, new: &PublicKey, by_old: &Signature, by_new: &Signature, note: &str) -> String {
    format!("{old}\n{new}\n{by_old}\n{by_new}\n\n{note}")
}

/// Reads the file `name` of [`ROTATIONS_DIR`]. The signatures of both keys over the exchange and over the checkpoint are
/// checked; whether the old key is to be believed is what [`chain`] says.
///
/// # Errors
/// A [`CheckpointBreach`].
pub fn read(name: &str, text: &str) -> Result<Rotation, CheckpointBreach> {
    let seq: u64 = name.parse().map_err(|_| CheckpointBreach::Form)?;
    if seq.to_string() != name || seq >= MAX_LOG_ENTRIES {
        return Err(CheckpointBreach::Form);
    }
    let (keys, note) = text.split_once("\n\n").ok_or(CheckpointBreach::Form)?;
    let mut lines = keys.split('\n');
    let (Some(old), Some(new), Some(by_old), Some(by_new), None) = (lines.next(), lines.next(), lines.next(), lines.next(), lines.next()) else {
        return Err(CheckpointBreach::Form);
    };
    let key = |text: &str| PublicKey::parse(text).map_err(|_| CheckpointBreach::Form);
    let signature = |text: &str| text.parse::<Signature>().map_err(|_| CheckpointBreach::Form);
    let (old, new, by_old, by_new) = (key(old)?, key(new)?, signature(by_old)?, signature(by_new)?);
    let checkpoint = checkpoint::open(note, &old)?;
    checkpoint::open(note, &new)?;
    if old == new || checkpoint.size <= seq || joined(&old, &new, &by_old, &by_new, note) != text {
        return Err(CheckpointBreach::Form);
    }
    let said = statement(seq, &old, &new, note)?;
    for (key, signature) in [(&old, &by_old), (&new, &by_new)] {
        verify_bytes(key, CONTEXT, said.as_bytes(), signature).map_err(|_| CheckpointBreach::Signature)?;
    }
    Ok(Rotation { seq, old, new, checkpoint })
}

impl Rotation {
    /// Whether the body of entry [`Rotation::seq`] tells of this exchange. Where the entry is at hand and does not, the exchange
    /// is none of this log.
    pub fn is_told_by(&self, body: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Told<'a> {
            seq: u64,
            #[serde(borrow)]
            kind: std::borrow::Cow<'a, str>,
            old: PublicKey,
            new: PublicKey,
        }
        serde_json::from_slice::<Told<'_>>(body).is_ok_and(|told| told.seq == self.seq && told.kind == KEY_ROTATED && told.old == self.old && told.new == self.new)
    }
}

/// Why keys do not follow from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreach {
    /// An exchange begins with another key than the one before it ended with.
    #[error("the exchange at entry {0} does not follow from the one before it")]
    Broken(u64),
    /// The key that is trusted is none of them.
    #[error("the given key is none of this log's keys")]
    Stranger,
}

/// The keys of a log in their order, if the exchanges (ordered by their entries) follow from each other and `trusted` is one
/// of the keys.
///
/// # Errors
/// A [`ChainBreach`].
pub fn chain(rotations: &[Rotation], trusted: &PublicKey) -> Result<Vec<PublicKey>, ChainBreach> {
    let Some(first) = rotations.first() else {
        return Ok(vec![trusted.clone()]);
    };
    let mut keys = vec![first.old.clone()];
    for rotation in rotations {
        // A key that was laid down signs nothing again: whoever holds it would have a second log.
        if keys.last() != Some(&rotation.old) || keys.contains(&rotation.new) {
            return Err(ChainBreach::Broken(rotation.seq));
        }
        keys.push(rotation.new.clone());
    }
    if keys.contains(trusted) { Ok(keys) } else { Err(ChainBreach::Stranger) }
}

/// The keys of a log in their order, if every one of the keys that are trusted is among them. Who has a former key alone can
/// make exchanges that begin with it, and none that lead to a newer one.
///
/// # Errors
/// A [`ChainBreach`].
pub fn chain_over(rotations: &[Rotation], trusted: &[PublicKey]) -> Result<Vec<PublicKey>, ChainBreach> {
    let keys = chain(rotations, trusted.first().ok_or(ChainBreach::Stranger)?)?;
    if trusted.iter().all(|key| keys.contains(key)) { Ok(keys) } else { Err(ChainBreach::Stranger) }
}

/// Opens a checkpoint that any of the log's keys may have signed, and says by which.
///
/// # Errors
/// The breach of the last key.
pub fn open_by_any<'a>(text: &str, keys: &'a [PublicKey]) -> Result<(Checkpoint, &'a PublicKey), CheckpointBreach> {
    let mut last = CheckpointBreach::NotSigned;
    for key in keys.iter().rev() {
        match checkpoint::open(text, key) {
            Ok(checkpoint) => return Ok((checkpoint, key)),
            Err(CheckpointBreach::NotSigned) => {}
            Err(breach) => last = breach,
        }
    }
    Err(last)
}
