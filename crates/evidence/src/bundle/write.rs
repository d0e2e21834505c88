//! The parts of a bundle that come from the log, written from its published files.

use std::io::{self, Write};

use crate::digest::Digest;
use crate::limits::{MAX_BUNDLE_BYTES, TILE_WIDTH};
use crate::log::{Files, LogBreach, Prover, TileKind, Tree, leaf_hash, prove_consistency, read_tile, split_bundle};

/// A part could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteBreach {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogBreach),
    /// The body of an entry holds a line feed, which no entry of Sekisho does.
    #[error("the entry {0} holds a line feed")]
    LineFeed(u64),
    /// The bodies are not those that the head signs.
    #[error("the entries are not those of the signed checkpoint")]
    OtherRoot,
    /// Whoever takes the bytes does not.
    #[error(transparent)]
    Out(#[from] io::Error),
}

/// Writes the bodies of these entries, in this order, one a line.
///
/// # Errors
/// A [`WriteBreach`].
pub fn entries(files: &dyn Files, size: u64, seqs: &[u64], out: &mut dyn Write) -> Result<(), WriteBreach> {
    let mut held: Option<(u64, Vec<u8>)> = None;
    for seq in seqs {
        let index = seq / TILE_WIDTH;
        if held.as_ref().is_none_or(|(at, _)| *at != index) {
            held = Some((index, read_tile(files, TileKind::Entries, index, size, MAX_BUNDLE_BYTES)?));
        }
        let place = usize::try_from(seq % TILE_WIDTH).unwrap_or(usize::MAX);
        let body = held.as_ref().and_then(|(_, bytes)| split_bundle(bytes).nth(place).flatten());
        let body = body.filter(|_| *seq < size).ok_or(LogBreach::OutOfRange(*seq))?;
        if body.contains(&b'\n') {
            return Err(WriteBreach::LineFeed(*seq));
        }
        out.write_all(body)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads every entry of the log in order, and holds all of them against the root: what is chosen by what they say is chosen by what
/// was signed.
///
/// # Errors
/// A [`WriteBreach`], also after entries were shown.
pub fn walk(files: &dyn Files, size: u64, root: &Digest, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), WriteBreach> {
    let mut tree = Tree::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let bytes = read_tile(files, TileKind::Entries, index, size, MAX_BUNDLE_BYTES)?;
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH);
        for body in split_bundle(&bytes).take(usize::try_from(width).unwrap_or(usize::MAX)) {
            let body = body.ok_or(LogBreach::OutOfRange(tree.size()))?;
            visit(tree.size(), body);
            tree.append(leaf_hash(body));
        }
    }
    if tree.size() == size && tree.root() == *root { Ok(()) } else { Err(WriteBreach::OtherRoot) }
}

/// Writes the proofs of these entries, in this order, one a line.
///
/// # Errors
/// A [`WriteBreach`].
pub fn proofs(files: &dyn Files, size: u64, seqs: &[u64], out: &mut dyn Write) -> Result<(), WriteBreach> {
    let mut prover = Prover::new(size, files)?;
    for seq in seqs {
        line(*seq, &prover.prove(*seq)?, out)?;
    }
    Ok(())
}

/// Writes that the log of `size` entries continues those of these sizes.
///
/// # Errors
/// A [`WriteBreach`].
pub fn consistency(files: &dyn Files, size: u64, earlier: &[u64], out: &mut dyn Write) -> Result<(), WriteBreach> {
    for old in earlier {
        line(*old, &prove_consistency(*old, size, files)?, out)?;
    }
    Ok(())
}

fn line(number: u64, hashes: &[crate::Digest], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{number}")?;
    for hash in hashes {
        write!(out, " {hash}")?;
    }
    out.write_all(b"\n")
}
