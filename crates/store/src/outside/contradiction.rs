//! A log that is behind what was seen of it outside, or another one: an older copy that was put back, or rewritten history.
//! No session is admitted until a person at the console decides on it.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::read_checkpoint;
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::letter::one_line;
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::{self, Checkpoint};
use sekisho_evidence::log::{prove_consistency, verify_consistency};
use sekisho_evidence::rotation::open_by_any;
use serde::Serialize;
use sqlx::Row;
use std::sync::PoisonError;

/// What a place outside has seen of this log, and this log does not continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// What the configuration calls the place.
    pub place: String,
    /// Entries that the log had here.
    pub here: u64,
    /// Entries that the checkpoint there covers.
    pub there: u64,
    /// Its root, 64 hexadecimal digits.
    pub root: String,
}

impl Store {
    /// What contradicts the log, and was not decided on.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Contradiction> {
        self.inner.outside.contradictions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether sessions may be admitted, as far as the log is concerned.
    pub(crate) fn log_stands(&self) -> Result<(), Refusal> {
        let held = self.inner.outside.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_empty() { Ok(()) } else { Err(Refusal::LogContradicted) }
    }

    /// Holds the log against a checkpoint that `place` has. A contradiction is written down, every session ends, and none
    /// is admitted from there on. Gives whether the log stands.
    ///
    /// # Errors
    /// In words, if the text is no checkpoint of this log, so that it says nothing; a fault is one, too.
    pub async fn compare_outside(&self, place: &str, note: &str) -> Result<bool, String> {
        let words = |fault: Fault| fault.to_string();
        let seen = checkpoint::unproved(note).map_err(|breach| format!("what it has is no checkpoint: {breach}"))?;
        if seen.origin != self.inner.settings.origin {
            return Err(format!("it has a checkpoint of another log, {:?}", one_line(&seen.origin)));
        }
        if self.continues(&seen, note).map_err(words)? {
            return Ok(true);
        }
        let found = Contradiction { place: place.to_owned(), here: self.inner.log.size(), there: seen.size, root: seen.root.to_string() };
        if self.is_accepted(&found).await.map_err(words)? {
            return Ok(true);
        }
        self.contradicted(found).await.map_err(words)?;
        Ok(false)
    }

    /// Whether the published log continues this head, and one of its keys signed it. A key of the log that this copy does
    /// not know was made after the copy was taken.
    fn continues(&self, seen: &Checkpoint, note: &str) -> Result<bool, Fault> {
        if open_by_any(note, &self.inner.keys.log_keys()).is_err() {
            return Ok(false);
        }
        let files = self.folder();
        let keys = self.inner.keys.log_keys();
        let Some(own) = keys.iter().rev().find_map(|key| read_checkpoint(&files, key).ok().flatten()) else {
            return Err(Fault::LogBroken("the published checkpoint cannot be read".into()));
        };
        if seen.size > own.size {
            return Ok(false);
        }
        let proof = prove_consistency(seen.size, own.size, &files).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        Ok(verify_consistency(seen.size, &seen.root, own.size, &own.root, &proof).is_ok())
    }

    /// Whether somebody decided to go on against just this checkpoint.
    async fn is_accepted(&self, found: &Contradiction) -> Result<bool, Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE kind = 'restore_accepted' ORDER BY seq DESC LIMIT 1000").fetch_all(self.read()).await?;
        for row in rows {
            let entry: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            if let Fact::RestoreAccepted { there, root, .. } = entry.fact
                && there == found.there
                && root == found.root
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn contradicted(&self, found: Contradiction) -> Result<(), Fault> {
        {
            let mut held = self.inner.outside.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
            if held.iter().any(|one| one.place == found.place && one.there == found.there && one.root == found.root) {
                return Ok(());
            }
            // In memory first: nobody is let in while the entry is being written.
            held.push(found.clone());
        }
        let Contradiction { place, here, there, root } = found;
        tracing::error!(
            place,
            here,
            there,
            "ALARM: the log contradicts what was seen of it outside: an older copy was put back, or history was rewritten. No session is admitted. \
             If nobody restored anything, change nothing and keep everything as it is. If somebody did: sekisho log accept-restore --reason \"...\""
        );
        let _ = self.inner.recall.send(Recall { session: None, word: RecallWord::End(Cause::Recalled) });
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogContradicted { place, here, there, root });
        tx.commit().await
    }

    /// Goes on with a log that checkpoints outside contradict, after a restore that somebody knows of. Only at the console.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] elsewhere; [`Refusal::BadField`] without a reason; [`Refusal::NotFound`] if nothing
    /// contradicts the log.
    pub async fn accept_restore(&self, actor: &Actor, reason: &str) -> Done<Vec<Contradiction>> {
        if actor.via != Via::Console {
            return Err(Refusal::NotAllowed.into());
        }
        let reason = one_line(reason);
        if reason.chars().count() < 4 {
            return Err(Refusal::bad_field("reason").into());
        }
        let held = self.contradictions();
        if held.is_empty() {
            return Err(Refusal::NotFound.into());
        }
        let mut tx = self.write(actor).await?;
        for Contradiction { place, here, there, root } in held.clone() {
            tx.fact(Fact::RestoreAccepted { place, here, there, root, reason: reason.clone() });
        }
        tx.commit().await?;
        let mut now = self.inner.outside.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
        now.retain(|one| !held.contains(one));
        drop(now);
        self.send_outside_now();
        Ok(held)
    }
}
