//! Checkpoints leave the box: to folders, syslog, mail and witnesses, each by a task of its own, so that one that is slow holds
//! up no other. What the places have is held against the log before anything new is sent to them.
//!
//! Success writes no entry: it would be a new head, which would have to be sent.

mod contradiction;
mod rows;
mod run;

pub use contradiction::Contradiction;
pub use rows::OutsidePlace;

use crate::log::DataFolder;
use sekisho_core::desk::Answer;
use sekisho_evidence::log::{Files as _, prove_consistency};
use sekisho_evidence::rotation::{MAX_ROTATIONS, ROTATIONS_DIR, Rotation, path_of};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A head of the log on its way out.
pub struct Head {
    /// Which log.
    pub origin: String,
    /// Entries that it covers.
    pub entries: u64,
    /// Root over them, 64 hexadecimal digits.
    pub root: String,
    /// The signed checkpoint.
    pub note: String,
    pub(crate) data_dir: PathBuf,
}

impl Head {
    /// The proof that this head continues the one of `old` entries (RFC 6962, 2.1.2).
    ///
    /// # Errors
    /// In words, if the published files do not give it.
    pub fn proof(&self, old: u64) -> Result<Vec<[u8; 32]>, String> {
        let proof = prove_consistency(old, self.entries, &DataFolder(self.data_dir.clone())).map_err(|breach| breach.to_string())?;
        Ok(proof.iter().map(|hash| *hash.as_bytes()).collect())
    }

    /// The exchanges of the log's key, as its files tell them: the number of the entry, and the text.
    ///
    /// # Errors
    /// In words, if they cannot be read.
    pub fn exchanges(&self) -> Result<Vec<(u64, Vec<u8>)>, String> {
        let files = DataFolder(self.data_dir.clone());
        let mut numbers: Vec<u64> = files.list(ROTATIONS_DIR).map_err(|fault| fault.to_string())?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        let read = |seq: u64| files.read(&path_of(seq)).map_err(|fault| fault.to_string()).map(|text| (seq, text.unwrap_or_default()));
        numbers.into_iter().take(MAX_ROTATIONS).map(read).collect()
    }
}

/// What came of handing a head over.
pub enum Kept {
    /// The place has it.
    Kept,
    /// The place has it, and had others under the same names: these.
    Beside(Vec<String>),
    /// A witness signed it: its key hash, 8 hexadecimal digits, and the checkpoint with its signature, which was checked.
    Cosigned {
        /// The key hash.
        id: String,
        /// The text.
        note: String,
    },
}

/// A place outside of the box. Implementations bound what they read and how long they wait.
pub trait Place: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &str;

    /// The newest checkpoint of this log that the place has; `None` if it has none, or cannot be asked by its nature.
    ///
    /// # Errors
    /// In words of one line, why it could not be asked.
    fn newest(&self) -> Answer<'_, Result<Option<String>, String>>;

    /// Whether what [`Place::newest`] gives bears a signature of the place itself that was checked, so that no other can have
    /// written it.
    fn vouches(&self) -> bool {
        false
    }

    /// Whether the place can be asked and forgets nothing by its nature.
    fn remembers(&self) -> bool {
        false
    }

    /// Further heads of this log that the place has under names of their own, the largest first and some at most: whoever puts an
    /// older one in the place of the newest leaves them. Not every time it is asked.
    ///
    /// # Errors
    /// In words of one line, why it could not be asked.
    fn others(&self) -> Answer<'_, Result<Vec<String>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The legacy network through which it is spoken to in clear, if the configuration allows that.
    fn clear_network(&self) -> Option<&str> {
        None
    }

    /// Exchanges of the log's key that the place keeps, in the order of their entries; each was read by
    /// [`sekisho_evidence::rotation::read`].
    ///
    /// # Errors
    /// In words of one line, why it could not be asked.
    fn exchanges(&self) -> Answer<'_, Result<Vec<Rotation>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Hands a head over.
    ///
    /// # Errors
    /// In words of one line, why it was not taken.
    fn keep<'a>(&'a self, head: &'a Head) -> Answer<'a, Result<Kept, String>>;
}

/// When a place that fails becomes an alarm, and where checkpoints go by mail.
#[derive(Clone, Debug)]
pub struct OutsideSettings {
    /// How long a place may fail before it is told.
    pub patience: Duration,
    /// Addresses that get checkpoints by mail.
    pub mail: Vec<String>,
    /// Between two such mails.
    pub mail_every: Duration,
}

/// What memory holds of the places.
#[derive(Default)]
pub(crate) struct Outside {
    contradictions: Mutex<Vec<contradiction::HeldAgainst>>,
    /// The names of the places, with the legacy network through which each is spoken to in clear.
    configured: Mutex<Vec<(String, Option<String>)>>,
    /// Somebody asked that every place be sent to at once.
    pub(crate) asked: tokio::sync::Notify,
    pub(crate) mails_now: AtomicBool,
}
