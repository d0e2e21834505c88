//! Which files to write when the log grows.

use super::path::{Tile, TileKind};
use super::proof::{read_tile, width_at};
use super::tree::{Tree, leaf_hash};
use super::{Files, LogBreach, ReadFault};
use crate::digest::Digest;
use crate::limits::{
    MAX_BUNDLE_BYTES, MAX_ENTRY_BYTES, MAX_LOG_ENTRIES, MAX_TILE_BYTES, TILE_WIDTH,
};

/// One file to write. Its content never changes once written, except that a wider form may replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Path relative to the data folder, such as `log/tile/0/000.p/5`.
    pub path: String,
    /// The whole content.
    pub bytes: Vec<u8>,
}

impl TileFile {
    /// The folder of partial forms that this full tile makes superfluous; it may be removed once this file is durable.
    pub fn supersedes(&self) -> Option<String> {
        let tile = Tile::parse(&self.path)?;
        (u64::from(tile.width) == TILE_WIDTH).then(|| tile.partial_folder())
    }
}

/// Where the bodies of entries come from when tiles are written for them.
pub trait Bodies {
    /// The body of entry `seq`.
    ///
    /// # Errors
    /// A fault if it cannot be read or does not exist.
    fn body(&self, seq: u64) -> Result<Vec<u8>, ReadFault>;
}

impl<T: AsRef<[u8]>> Bodies for Vec<T> {
    fn body(&self, seq: u64) -> Result<Vec<u8>, ReadFault> {
        let entry = usize::try_from(seq).ok().and_then(|index| self.get(index));
        entry
            .map(|body| body.as_ref().to_vec())
            .ok_or_else(|| ReadFault::new(format!("entry {seq}"), "there is no such entry"))
    }
}

/// The growing edge of the published log: takes bodies in order, gives the files that must be written.
///
/// Memory between calls is one partial bundle and one partial tile a level, plus what was not yet taken.
#[derive(Debug, Clone, Default)]
pub struct Publisher {
    tree: Tree,
    /// The partial tile at the right edge of each level.
    levels: Vec<Vec<Digest>>,
    bundle: Vec<u8>,
    full: Vec<TileFile>,
    /// Size at the last call of [`Publisher::take_files`].
    taken: u64,
}

impl Publisher {
    /// The edge of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a published log of `size` entries, read back from its files. Compare [`Publisher::root`] with the
    /// signed checkpoint before going on: the files are not proof by themselves.
    ///
    /// # Errors
    /// If a file is missing, malformed or cannot be read.
    pub fn restore(size: u64, files: &dyn Files) -> Result<Self, LogBreach> {
        let tree = Tree::from_tiles(size, files)?;
        let mut levels = Vec::new();
        let mut level = 0_u8;
        while size.checked_shr(8 * u32::from(level)).unwrap_or(0) > 0 {
            let kind = TileKind::Level(level);
            let index = (size >> (8 * u32::from(level))) / TILE_WIDTH;
            let hashes = if width_at(kind, index, size) == 0 {
                Vec::new()
            } else {
                let bytes = read_tile(files, kind, index, size, MAX_TILE_BYTES)?;
                bytes
                    .chunks_exact(32)
                    .filter_map(Digest::from_slice)
                    .collect()
            };
            levels.push(hashes);
            level += 1;
        }
        let index = size / TILE_WIDTH;
        let width = usize::from(width_at(TileKind::Entries, index, size));
        let mut bundle = Vec::new();
        if width > 0 {
            let bytes = read_tile(files, TileKind::Entries, index, size, MAX_BUNDLE_BYTES)?;
            let mut bodies = split_bundle(&bytes);
            for number in 0..width {
                let malformed = || {
                    LogBreach::Malformed(format!(
                        "log/tile/entries (entry {number} of bundle {index})"
                    ))
                };
                let body = bodies.next().flatten().ok_or_else(malformed)?;
                push_entry(&mut bundle, body);
            }
        }
        Ok(Self {
            tree,
            levels,
            bundle,
            full: Vec::new(),
            taken: size,
        })
    }

    /// Adds the next entry and gives its leaf hash.
    ///
    /// # Errors
    /// [`LogBreach::EntryTooLong`], with nothing added.
    pub fn append(&mut self, body: &[u8]) -> Result<Digest, LogBreach> {
        if body.len() > MAX_ENTRY_BYTES {
            return Err(LogBreach::EntryTooLong(body.len()));
        }
        if self.tree.size() >= MAX_LOG_ENTRIES {
            return Err(LogBreach::OutOfRange(self.tree.size()));
        }
        let seq = self.tree.size();
        let leaf = leaf_hash(body);
        self.tree.append(leaf);
        push_entry(&mut self.bundle, body);
        if (seq + 1).is_multiple_of(TILE_WIDTH) {
            let tile = Tile {
                kind: TileKind::Entries,
                index: seq / TILE_WIDTH,
                width: TILE_WIDTH as u16,
            };
            self.full.push(TileFile {
                path: tile.to_string(),
                bytes: std::mem::take(&mut self.bundle),
            });
        }
        let (mut hash, mut index, mut level) = (leaf, seq, 0_u8);
        loop {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(edge) = self.levels.get_mut(usize::from(level)) else {
                break;
            };
            edge.push(hash);
            if edge.len() as u64 != TILE_WIDTH {
                break;
            }
            let hashes = std::mem::take(edge);
            index /= TILE_WIDTH;
            let tile = Tile {
                kind: TileKind::Level(level),
                index,
                width: TILE_WIDTH as u16,
            };
            self.full.push(TileFile {
                path: tile.to_string(),
                bytes: concat(&hashes),
            });
            hash = Tree::from_leaves(hashes).root();
            level += 1;
        }
        Ok(leaf)
    }

    /// The files to write since the last call, bundles and tiles that are full and the partial ones at the edge. Write
    /// and sync them all before the checkpoint of [`Publisher::size`] is published.
    pub fn take_files(&mut self) -> Vec<TileFile> {
        let mut files = std::mem::take(&mut self.full);
        let size = self.tree.size();
        let mut partial = |kind, bytes: &dyn Fn() -> Vec<u8>| {
            let level = if let TileKind::Level(level) = kind {
                u32::from(level)
            } else {
                0
            };
            let (count, before) = (size >> (8 * level), self.taken >> (8 * level));
            let index = count / TILE_WIDTH;
            let width = width_at(kind, index, size);
            if width > 0 && count != before {
                files.push(TileFile {
                    path: Tile { kind, index, width }.to_string(),
                    bytes: bytes(),
                });
            }
        };
        partial(TileKind::Entries, &|| self.bundle.clone());
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            partial(TileKind::Level(level), &|| concat(hashes));
        }
        self.taken = size;
        files
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over all entries.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The tree over all entries.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}

/// The files to write when the log grows from `old_size` to `new_size`: the edge is read back from `published`, the new
/// bodies from `bodies`.
///
/// # Errors
/// If the sizes are out of order, a published file is missing or malformed, or a body cannot be read.
pub fn tiles(
    old_size: u64,
    new_size: u64,
    bodies: &dyn Bodies,
    published: &dyn Files,
) -> Result<Vec<TileFile>, LogBreach> {
    if old_size > new_size {
        return Err(LogBreach::OutOfRange(old_size));
    }
    let mut publisher = Publisher::restore(old_size, published)?;
    for seq in old_size..new_size {
        publisher.append(&bodies.body(seq)?)?;
    }
    Ok(publisher.take_files())
}

/// The bodies in an entry bundle, in order; the last item is `None` if the bundle ends inside an entry.
pub fn split_bundle(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(bundle);
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        if bytes.is_empty() {
            return None;
        }
        let split = bytes.split_at_checked(2).and_then(|(length, bytes)| {
            let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
            bytes.split_at_checked(length)
        });
        Some(split.map(|(body, after)| {
            rest = Some(after);
            body
        }))
    })
}

fn push_entry(bundle: &mut Vec<u8>, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(body);
}

fn concat(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}
