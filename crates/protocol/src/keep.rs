//! Which contents of files are kept, and the parts of them that go into the recording.

use crate::files::{Direction, FileOp};
use crate::limits;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Something that belongs into the recording before the bytes that it came with go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Content of this file is kept from here on.
    File {
        /// Its number within the session.
        file: u32,
        /// Which way content goes.
        direction: Direction,
        /// The name as raw bytes of the target's own encoding.
        path: Vec<u8>,
    },
    /// A part of its content, sharing the memory of what goes on.
    Content {
        /// The file's number.
        file: u32,
        /// Where the part begins in the file.
        offset: u64,
        /// The bytes.
        data: Bytes,
    },
}

/// What of one file's content was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file's number within the session.
    pub file: u32,
    /// Bytes that were kept (parts that went over twice count twice).
    pub bytes: u64,
    /// True if everything that went over was kept.
    pub whole: bool,
}

/// What is kept in one session. All its channels share one, so that numbers are unique and the bound holds for all.
#[derive(Debug)]
pub struct Keeper {
    uploads: bool,
    downloads: bool,
    bound: Bound,
    /// The bound of uploads that wait: what is decided on stands in the recording, whatever else is kept.
    staged: Option<Bound>,
    next: AtomicU32,
}

/// How much is kept.
#[derive(Debug)]
struct Bound {
    file_bytes: u64,
    left: AtomicU64,
}

impl Bound {
    fn new(file_bytes: u64, session_bytes: u64) -> Self {
        Self { file_bytes, left: AtomicU64::new(session_bytes) }
    }

    /// Takes what may still be kept in the session, up to `bytes`.
    fn take(&self, bytes: u64) -> u64 {
        let mut given = 0;
        let _ = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            given = left.min(bytes);
            (given > 0).then(|| left - given)
        });
        given
    }
}

impl Keeper {
    /// A keeper of content that goes these ways, of at most so many bytes of one file and of all together. Nothing is
    /// given if nothing is to be kept, so that what is switched off costs nothing.
    #[must_use]
    pub fn new((uploads, downloads): (bool, bool), file_bytes: u64, session_bytes: u64) -> Option<Arc<Self>> {
        let keeper = || Self { uploads, downloads, bound: Bound::new(file_bytes, session_bytes), staged: None, next: AtomicU32::new(1) };
        (uploads || downloads).then(|| Arc::new(keeper()))
    }

    /// A keeper for a session whose uploads wait: all of those that can be staged are kept, and the bounds are those of
    /// what comes from the target.
    #[must_use]
    pub fn staging(downloads: bool, file_bytes: u64, session_bytes: u64) -> Arc<Self> {
        let staged = Some(Bound::new(limits::STAGED_FILE_BYTES, limits::STAGED_TOTAL_BYTES));
        Arc::new(Self { uploads: true, downloads, bound: Bound::new(file_bytes, session_bytes), staged, next: AtomicU32::new(1) })
    }

    /// True if content that goes this way is kept.
    #[must_use]
    pub fn wants(&self, direction: Direction) -> bool {
        match direction {
            Direction::Upload => self.uploads,
            Direction::Download => self.downloads,
        }
    }

    /// Takes a part of a file's content, of which `kept` remembers what there is. Where a limit is met the rest of the
    /// file is left out, so that what is kept is its beginning.
    pub fn part(&self, kept: &mut Option<Kept>, (direction, path): (Direction, &[u8]), offset: u64, data: &Bytes, out: &mut Vec<Keep>) {
        if data.is_empty() || !self.wants(direction) {
            return;
        }
        let kept = kept.get_or_insert_with(|| {
            let file = self.next.fetch_add(1, Ordering::SeqCst);
            out.push(Keep::File { file, direction, path: path.to_vec() });
            Kept { file, bytes: 0, whole: true }
        });
        if !kept.whole {
            return;
        }
        let bound = self.staged.as_ref().filter(|_| direction == Direction::Upload).unwrap_or(&self.bound);
        let room = bound.file_bytes.saturating_sub(kept.bytes).min(data.len() as u64);
        let given = bound.take(room);
        kept.whole = given == data.len() as u64;
        kept.bytes = kept.bytes.saturating_add(given);
        if let (Ok(length @ 1..), file) = (usize::try_from(given), kept.file) {
            out.push(Keep::Content { file, offset, data: data.slice(..length.min(data.len())) });
        }
    }
}

/// Acts whose last bytes came with a breach: those went nowhere, and are in no recording.
pub(crate) fn broken(acts: &mut [FileOp]) {
    for kept in acts.iter_mut().filter_map(|act| act.kept.as_mut()) {
        kept.whole = false;
    }
}

#[cfg(test)]
mod tests;
