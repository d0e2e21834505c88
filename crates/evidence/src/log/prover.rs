//! Inclusion proofs for many entries of one log, one after the other.

use std::collections::HashMap;

use super::proof::{Nodes, split_point};
use super::{Files, LogBreach};
use crate::digest::Digest;
use crate::limits::MAX_LOG_ENTRIES;

/// Roots of ranges that are kept for the next proof; neighbours share nearly all of theirs.
const RANGES_KEPT: usize = 1 << 16;

/// Proves entries of a log of one size from its published tiles. What neighbours share is read and computed once, in
/// bounded memory.
pub struct Prover<'a> {
    nodes: Nodes<'a>,
    size: u64,
    ranges: HashMap<(u64, u64), Digest>,
}

impl<'a> Prover<'a> {
    /// Proofs for the log of `size` entries.
    ///
    /// # Errors
    /// [`LogBreach::OutOfRange`] for a size that no log has.
    pub fn new(size: u64, files: &'a dyn Files) -> Result<Self, LogBreach> {
        if size > MAX_LOG_ENTRIES {
            return Err(LogBreach::OutOfRange(size));
        }
        Ok(Self {
            nodes: Nodes::new(files, size),
            size,
            ranges: HashMap::new(),
        })
    }

    /// The same proof as [`super::prove`] gives.
    ///
    /// # Errors
    /// If `seq` is not below the size, or a tile is missing, malformed or cannot be read.
    pub fn prove(&mut self, seq: u64) -> Result<Vec<Digest>, LogBreach> {
        if seq >= self.size {
            return Err(LogBreach::OutOfRange(seq));
        }
        let mut proof = Vec::new();
        let (mut lo, mut hi) = (0, self.size);
        while hi - lo > 1 {
            let split = lo + split_point(hi - lo);
            if seq < split {
                proof.push(self.range(split, hi)?);
                hi = split;
            } else {
                proof.push(self.range(lo, split)?);
                lo = split;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    fn range(&mut self, lo: u64, hi: u64) -> Result<Digest, LogBreach> {
        if let Some(known) = self.ranges.get(&(lo, hi)) {
            return Ok(*known);
        }
        let root = self.nodes.range(lo, hi)?;
        self.nodes.shed();
        if self.ranges.len() >= RANGES_KEPT {
            self.ranges.clear();
        }
        self.ranges.insert((lo, hi), root);
        Ok(root)
    }
}
