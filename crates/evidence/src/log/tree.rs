//! The Merkle tree of RFC 6962, kept as its frontier.

use super::proof::Nodes;
use super::{Files, LogBreach};
use crate::digest::{Digest, Hasher};
use crate::limits::MAX_LOG_ENTRIES;

/// Hash of a leaf: SHA-256 of 0x00 and the body (RFC 6962, 2.1).
pub fn leaf_hash(body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]).update(body);
    hasher.finish()
}

/// Hash of an inner node: SHA-256 of 0x01, the left and the right hash (RFC 6962, 2.1).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher
        .update(&[1])
        .update(left.as_bytes())
        .update(right.as_bytes());
    hasher.finish()
}

/// Root of the empty tree: the SHA-256 of nothing.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// The right edge of a Merkle tree: enough to append and to give the root, in memory of at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the complete subtrees, largest first, one for each bit set in `size`.
    peaks: Vec<Digest>,
}

impl Tree {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree over these leaf hashes.
    pub fn from_leaves(leaves: impl IntoIterator<Item = Digest>) -> Self {
        let mut tree = Self::new();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }

    /// The tree of the first `size` entries, from published tiles. It trusts the tiles: compare [`Tree::root`] with a
    /// signed checkpoint.
    ///
    /// # Errors
    /// If a tile is missing, malformed or cannot be read.
    pub fn from_tiles(size: u64, files: &dyn Files) -> Result<Self, LogBreach> {
        if size > MAX_LOG_ENTRIES {
            return Err(LogBreach::OutOfRange(size));
        }
        let mut nodes = Nodes::new(files, size);
        let mut peaks = Vec::new();
        let mut start = 0;
        for level in (0..64).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(nodes.node(level, start >> level)?);
            start += 1 << level;
        }
        Ok(Self { size, peaks })
    }

    /// Adds a leaf hash (see [`leaf_hash`]).
    pub fn append(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root hash (RFC 6962, 2.1).
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
