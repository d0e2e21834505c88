//! Exchanges of the log's key: each is an entry, and a checkpoint over it that the key before signs.

use crate::checkpoint::{self, Checkpoint, CheckpointBreach, PublicKey};
use crate::limits::{MAX_CHECKPOINT_BYTES, MAX_LOG_ENTRIES};

/// Folder of the exchanges.
pub const ROTATIONS_DIR: &str = "log/rotations";
/// Kind of the entry that tells of an exchange.
pub const KEY_ROTATED: &str = "key_rotated";
/// Most exchanges of one log.
pub const MAX_ROTATIONS: usize = 1000;
/// Longest file of an exchange in bytes.
pub const MAX_ROTATION_BYTES: usize = MAX_CHECKPOINT_BYTES + 1024;

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

/// The text of an exchange: both keys, an empty line, the checkpoint.
pub fn text_of(old: &PublicKey, new: &PublicKey, note: &str) -> String {
    format!("{old}\n{new}\n\n{note}")
}

/// Reads the file `name` of [`ROTATIONS_DIR`]. Both signatures are checked; whether the old key is to be believed is what
/// [`chain`] says.
///
/// # Errors
/// A [`CheckpointBreach`].
pub fn read(name: &str, text: &str) -> Result<Rotation, CheckpointBreach> {
    let seq: u64 = name.parse().map_err(|_| CheckpointBreach::Form)?;
    if seq.to_string() != name || seq >= MAX_LOG_ENTRIES {
        return Err(CheckpointBreach::Form);
    }
    let (keys, note) = text.split_once("\n\n").ok_or(CheckpointBreach::Form)?;
    let (old, new) = keys.split_once('\n').ok_or(CheckpointBreach::Form)?;
    let key = |text: &str| PublicKey::parse(text).map_err(|_| CheckpointBreach::Form);
    let (old, new) = (key(old)?, key(new)?);
    let checkpoint = checkpoint::open(note, &old)?;
    checkpoint::open(note, &new)?;
    if old == new || checkpoint.size <= seq || text_of(&old, &new, note) != text {
        return Err(CheckpointBreach::Form);
    }
    Ok(Rotation { seq, old, new, checkpoint })
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
