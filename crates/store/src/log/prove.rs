//! The proof that one entry is in the log, for whoever gets the entry alone.

use super::as_i64;
use crate::Store;
use crate::fault::{Done, Fault};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint;
use sekisho_evidence::log::{leaf_hash, prove, verify_inclusion};
use serde::Serialize;
use sqlx::Row;

/// An entry with its proof (RFC 6962, 2.1.1) under a signed checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct LogProof {
    /// Sequence number.
    pub seq: u64,
    /// The entry, exactly as it was written.
    pub body: String,
    /// Hash of the entry, 64 hexadecimal digits.
    pub leaf: String,
    /// Hashes from the leaf's sibling up, 64 hexadecimal digits each.
    pub proof: Vec<String>,
    /// The signed checkpoint, under which it holds.
    pub checkpoint: String,
}

impl Store {
    /// Proves that an entry is in the log. The proof was checked before it is given.
    ///
    /// # Errors
    /// Without the right to read the log; [`Refusal::NotFound`] if there is no such entry in the published log.
    pub async fn prove_entry(&self, actor: &Actor, seq: u64) -> Done<LogProof> {
        may(actor, Action::ReadLog, None)?;
        let checkpoint = self.checkpoint()?;
        let head = checkpoint::unproved(&checkpoint).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        if seq >= head.size {
            return Err(Refusal::NotFound.into());
        }
        let row = sqlx::query("SELECT body FROM log WHERE seq = $1").bind(as_i64(seq)).fetch_optional(self.read()).await?.ok_or(Refusal::NotFound)?;
        let body: Vec<u8> = row.try_get("body")?;
        let leaf = leaf_hash(&body);
        let proof = prove(seq, head.size, &self.folder()).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        verify_inclusion(&leaf, seq, head.size, &head.root, &proof).map_err(|breach| Fault::LogBroken(format!("entry {seq}: {breach}")))?;
        let body = String::from_utf8(body).map_err(|_| Fault::LogBroken(format!("entry {seq} is no text")))?;
        Ok(LogProof { seq, body, leaf: leaf.to_string(), proof: proof.iter().map(ToString::to_string).collect(), checkpoint })
    }
}
