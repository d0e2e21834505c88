//! Inclusion and consistency proofs (RFC 6962, 2.1.1 and 2.1.2).

use std::collections::HashMap;

use super::path::{Tile, TileKind};
use super::tree::{empty_root, node_hash};
use super::{Files, LogBreach, ReadFault};
use crate::digest::Digest;
use crate::limits::{MAX_LOG_ENTRIES, MAX_TILE_BYTES, TILE_WIDTH};

/// Tiles that are kept in memory over many proofs: 4 MiB.
const TILES_KEPT: usize = 512;

/// A proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofBreach {
    /// The sizes or the sequence number make no sense.
    #[error("the sizes of the proof make no sense")]
    Range,
    /// The proof has too few or too many hashes.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// Reads nodes of the tree of a given size from published tiles.
pub(super) struct Nodes<'a> {
    files: &'a dyn Files,
    size: u64,
    cache: HashMap<(u8, u64), Vec<u8>>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(files: &'a dyn Files, size: u64) -> Self {
        Self {
            files,
            size,
            cache: HashMap::new(),
        }
    }

    /// Forgets tiles once there are many, so that a walk over a long log stays in bounded memory.
    pub(super) fn shed(&mut self) {
        if self.cache.len() > TILES_KEPT {
            self.cache.clear();
        }
    }

    /// The bytes of a tile as wide as it is at this size; the full tile stands in for a partial one that was removed.
    pub(super) fn tile(&mut self, level: u8, index: u64) -> Result<&[u8], LogBreach> {
        if !self.cache.contains_key(&(level, index)) {
            let bytes = read_tile(
                self.files,
                TileKind::Level(level),
                index,
                self.size,
                MAX_TILE_BYTES,
            )?;
            self.cache.insert((level, index), bytes);
        }
        Ok(self.cache.get(&(level, index)).map_or(&[], Vec::as_slice))
    }

    /// Hash of the complete subtree of `2^level` leaves with this index.
    pub(super) fn node(&mut self, level: u32, index: u64) -> Result<Digest, LogBreach> {
        let tile_level = (level / 8) as u8;
        let below = level % 8;
        let first = index << below;
        let tile_index = first / TILE_WIDTH;
        let path = Tile {
            kind: TileKind::Level(tile_level),
            index: tile_index,
            width: TILE_WIDTH as u16,
        };
        let from = (first % TILE_WIDTH) as usize * 32;
        let bytes = self.tile(tile_level, tile_index)?;
        let part = bytes
            .get(from..from + (32 << below))
            .ok_or_else(|| LogBreach::Malformed(path.to_string()))?;
        let mut hashes: Vec<Digest> = part
            .chunks_exact(32)
            .filter_map(Digest::from_slice)
            .collect();
        while hashes.len() > 1 {
            hashes = hashes
                .chunks_exact(2)
                .filter_map(|p| Some(node_hash(p.first()?, p.last()?)))
                .collect();
        }
        hashes
            .first()
            .copied()
            .ok_or_else(|| LogBreach::Malformed(path.to_string()))
    }

    /// Root over the leaves `lo..hi`, where `lo` is a multiple of the largest power of two below `hi - lo`.
    pub(super) fn range(&mut self, lo: u64, hi: u64) -> Result<Digest, LogBreach> {
        let count = hi - lo;
        if count.is_power_of_two() {
            let level = count.trailing_zeros();
            return self.node(level, lo >> level);
        }
        let split = lo + split_point(count);
        let left = self.range(lo, split)?;
        let right = self.range(split, hi)?;
        Ok(node_hash(&left, &right))
    }
}

/// Width of a tile at a size of the log, 0 if it does not exist.
pub(crate) fn width_at(kind: TileKind, index: u64, size: u64) -> u16 {
    let level = match kind {
        TileKind::Entries => 0,
        TileKind::Level(level) => level,
    };
    let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    count
        .saturating_sub(index.saturating_mul(TILE_WIDTH))
        .min(TILE_WIDTH) as u16
}

/// Reads a tile or bundle at the width it has at `size`, falling back to the full one; hash tiles are cut to the width.
pub(crate) fn read_tile(
    files: &dyn Files,
    kind: TileKind,
    index: u64,
    size: u64,
    limit: usize,
) -> Result<Vec<u8>, LogBreach> {
    let width = width_at(kind, index, size);
    let tile = Tile { kind, index, width };
    let full = Tile {
        width: TILE_WIDTH as u16,
        ..tile
    };
    if width == 0 {
        return Err(LogBreach::Missing(full.to_string()));
    }
    let mut path = tile.to_string();
    let mut bytes = super::read_bounded(files, &path, limit)?;
    if bytes.is_none() && u64::from(width) < TILE_WIDTH {
        path = full.to_string();
        bytes = super::read_bounded(files, &path, limit)?;
    }
    let mut bytes = bytes.ok_or_else(|| LogBreach::Missing(tile.to_string()))?;
    if kind != TileKind::Entries {
        let wanted = usize::from(width) * 32;
        let full_length = bytes.len() == MAX_TILE_BYTES && path == full.to_string();
        if bytes.len() != wanted && !full_length {
            return Err(LogBreach::Malformed(path));
        }
        bytes.truncate(wanted);
    }
    Ok(bytes)
}

/// Largest power of two smaller than `count`, for `count` above 1.
pub(super) fn split_point(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Proof that entry `seq` is in the log of `size` entries, from published tiles.
///
/// # Errors
/// If `seq` is not below `size`, or a tile is missing, malformed or cannot be read.
pub fn prove(seq: u64, size: u64, files: &dyn Files) -> Result<Vec<Digest>, LogBreach> {
    if seq >= size || size > MAX_LOG_ENTRIES {
        return Err(LogBreach::OutOfRange(seq));
    }
    let mut nodes = Nodes::new(files, size);
    let mut proof = Vec::new();
    let (mut lo, mut hi) = (0, size);
    while hi - lo > 1 {
        let split = lo + split_point(hi - lo);
        if seq < split {
            proof.push(nodes.range(split, hi)?);
            hi = split;
        } else {
            proof.push(nodes.range(lo, split)?);
            lo = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the entry with hash `leaf` is number `seq` in the log of `size` entries with this root.
///
/// # Errors
/// A [`ProofBreach`] if it does not hold.
pub fn verify_inclusion(
    leaf: &Digest,
    seq: u64,
    size: u64,
    root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofBreach> {
    if seq >= size || size > MAX_LOG_ENTRIES {
        return Err(ProofBreach::Range);
    }
    let (mut node, mut last) = (seq, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofBreach::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofBreach::Length);
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofBreach::Root)
    }
}

/// Proof that the log of `new` entries continues the log of `old` entries, from published tiles.
///
/// # Errors
/// If `old` exceeds `new`, or a tile is missing, malformed or cannot be read.
pub fn prove_consistency(old: u64, new: u64, files: &dyn Files) -> Result<Vec<Digest>, LogBreach> {
    if old > new || new > MAX_LOG_ENTRIES {
        return Err(LogBreach::OutOfRange(old));
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(proof);
    }
    let mut nodes = Nodes::new(files, new);
    let (mut lo, mut hi) = (0, new);
    // While the old tree's edge lies inside `lo..hi`; `whole` says that the old tree is exactly `lo..old` from the start.
    let mut whole = true;
    while old != hi {
        let split = lo + split_point(hi - lo);
        if old <= split {
            proof.push(nodes.range(split, hi)?);
            hi = split;
        } else {
            proof.push(nodes.range(lo, split)?);
            lo = split;
            whole = false;
        }
    }
    if !whole {
        proof.push(nodes.range(lo, hi)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the log of `new_size` entries with `new_root` begins with the log of `old_size` entries with `old_root`.
///
/// # Errors
/// A [`ProofBreach`] if it does not hold.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Digest,
    new_size: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofBreach> {
    if old_size > new_size || new_size > MAX_LOG_ENTRIES {
        return Err(ProofBreach::Range);
    }
    if old_size == new_size || old_size == 0 {
        if !proof.is_empty() {
            return Err(ProofBreach::Length);
        }
        let expected = if old_size == 0 {
            empty_root()
        } else {
            *new_root
        };
        return if *old_root == expected {
            Ok(())
        } else {
            Err(ProofBreach::Root)
        };
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut rest = proof.iter();
    // A complete old tree is itself the first node of the proof and is left out of it.
    let start = if old_size.is_power_of_two() {
        old_root
    } else {
        rest.next().ok_or(ProofBreach::Length)?
    };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return Err(ProofBreach::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofBreach::Length);
    }
    if old_hash == *old_root && new_hash == *new_root {
        Ok(())
    } else {
        Err(ProofBreach::Root)
    }
}

impl From<LogBreach> for ReadFault {
    fn from(breach: LogBreach) -> Self {
        match breach {
            LogBreach::Read(fault) => fault,
            other => Self::new("log", other),
        }
    }
}
