//! Places that keep copies of recordings: a folder of another machine ([`Folder`]), and an object store ([`S3`]).
//!
//! They are handed files and names, and know nothing of what is in them.

mod carry;
mod folder;
mod s3;

pub use folder::{Folder, FolderSettings};
pub use s3::{S3, S3Settings};

use sekisho_core::limits;
use std::time::Duration;

/// Bytes that are read and sent at a time.
const PIECE: usize = 128 * 1024;
/// The slowest pace that is waited for, in bytes a second: a copy of this length has so long in all.
const SLOWEST: u64 = 64 * 1024;

/// Time that a place may say nothing.
fn quiet() -> Duration {
    Duration::from_secs(limits::ARCHIVE_SECONDS as u64)
}

/// Time for a whole copy of this length.
fn whole(bytes: u64) -> Duration {
    quiet() + Duration::from_secs(bytes / SLOWEST)
}
