#![doc = include_str!("../../../../docs/formats/log.md")]

mod files;
mod path;
mod proof;
mod prover;
mod publish;
mod tree;

pub use files::{Files, MemoryFiles, ReadFault, read_bounded};
pub use path::{CHECKPOINT_PATH, Tile, TileKind};
pub(crate) use proof::{read_tile, width_at};
pub use proof::{ProofBreach, prove, prove_consistency, verify_consistency, verify_inclusion};
pub use prover::Prover;
pub use publish::{Bodies, Publisher, TileFile, split_bundle, tiles};
pub use tree::{Tree, empty_root, leaf_hash, node_hash};

/// Why the published log could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogBreach {
    /// The body is longer than [`crate::limits::MAX_ENTRY_BYTES`].
    #[error("the entry is {0} bytes long, more than an entry may be")]
    EntryTooLong(usize),
    /// A sequence number or size lies outside the log.
    #[error("{0} lies outside the log")]
    OutOfRange(u64),
    /// A file of the log that must exist does not.
    #[error("the file {0} is missing")]
    Missing(String),
    /// A file of the log has the wrong length or form.
    #[error("the file {0} has the wrong length or form")]
    Malformed(String),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadFault),
}
