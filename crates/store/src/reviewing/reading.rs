//! Reading the log from its first entry to its signed head. What is listed or counted is what that head vouches for, byte by byte: the
//! hashes of all that was read must give its root, whatever columns beside the entries say.

use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use sekisho_core::facts::Entry;
use sekisho_core::limits;
use sekisho_core::time::Timestamp;
use sekisho_evidence::checkpoint::{self, Checkpoint};
use sekisho_evidence::log::{Tree, leaf_hash};
use serde::Deserialize;
use sqlx::Row;
use std::borrow::Cow;

/// Entries that are read at once.
const CHUNK: i64 = 2_000;

/// The parts of an entry that say whether it has to be read at all.
#[derive(Deserialize)]
struct Outline<'a> {
    at: Timestamp,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

/// One entry while the log is read.
pub(super) struct Step<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The name of its kind.
    pub kind: &'a str,
    /// The tree over all entries before it.
    pub tree: &'a Tree,
    body: &'a [u8],
}

impl Step<'_> {
    /// The whole entry.
    pub fn entry(&self) -> Result<Entry, Fault> {
        Ok(serde_json::from_slice(self.body)?)
    }
}

/// What was read.
pub(super) struct Passage {
    /// The signed checkpoint, as text.
    pub note: String,
    /// What it covers, and its root.
    pub head: Checkpoint,
}

impl Store {
    /// Reads every entry up to the signed head of this moment.
    ///
    /// # Errors
    /// [`Fault::LogBroken`] if the entries are not those of the head: nothing is listed or counted then.
    pub(super) async fn read_log(&self, mut each: impl FnMut(&Step<'_>) -> Result<(), Fault> + Send) -> Result<Passage, Fault> {
        self.publish().await?;
        let note = self.checkpoint()?;
        let head = checkpoint::open(&note, self.inner.keys.log().public()).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        if head.size > limits::SPAN_ENTRIES as u64 {
            return Err(Fault::Damaged(format!("the log has more than {} entries", limits::SPAN_ENTRIES)));
        }
        let mut tree = Tree::new();
        while tree.size() < head.size {
            let from = tree.size();
            let rows = sqlx::query("SELECT seq, body FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3").bind(as_i64(from)).bind(as_i64(head.size)).bind(CHUNK).fetch_all(self.read()).await?;
            for row in &rows {
                let seq = tree.size();
                if row.try_get::<i64, _>("seq")? != as_i64(seq) {
                    return Err(Fault::LogBroken(format!("entry {seq} is missing")));
                }
                let body: &[u8] = row.try_get("body")?;
                let outline: Outline<'_> = serde_json::from_slice(body)?;
                each(&Step { seq, at: outline.at, kind: &outline.kind, tree: &tree, body })?;
                tree.append(leaf_hash(body));
            }
            if tree.size() == from {
                return Err(Fault::LogBroken(format!("the log ends at entry {from}, and its head covers {}", head.size)));
            }
        }
        if tree.root() != head.root {
            return Err(Fault::LogBroken("the entries in the database are not those that the signed head covers".into()));
        }
        Ok(Passage { note, head })
    }
}
