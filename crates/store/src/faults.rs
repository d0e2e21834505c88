//! The gate that every write passes, so that a test can make each write fail in turn.

use crate::fault::Fault;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A transaction of the database is about to be committed.
    Sql,
    /// The header of a recording.
    RecordingHeader,
    /// A segment of a recording.
    RecordingSegment,
    /// A file or folder is about to be synced.
    Fsync,
    /// The content of an upload that waits.
    Spool,
    /// A tile, bundle or checkpoint of the published log.
    Tile,
}

/// Counts writes. In production nothing ever fails here: the gate compares two numbers.
#[derive(Debug)]
pub struct Faults {
    passed: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
    /// One more than the kind that fails each time; 0 for none.
    kind: AtomicU8,
}

impl Default for Faults {
    fn default() -> Self {
        Self { passed: AtomicU64::new(0), first: AtomicU64::new(u64::MAX), last: AtomicU64::new(0), kind: AtomicU8::new(0) }
    }
}

impl Faults {
    /// Every write asks here first.
    ///
    /// # Errors
    /// [`Fault::Injected`] if a test asked for it.
    pub(crate) fn gate(&self, write: Write) -> Result<(), Fault> {
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        let fails = (self.first.load(Ordering::SeqCst)..=self.last.load(Ordering::SeqCst)).contains(&number);
        let fails = fails || self.kind.load(Ordering::SeqCst) == write as u8 + 1;
        if fails { Err(Fault::Injected(write)) } else { Ok(()) }
    }

    /// Lets the `n`-th write from this moment fail (0 is the next one), and no other.
    pub fn fail_nth_write(&self, n: u64) {
        let number = self.passed.load(Ordering::SeqCst).saturating_add(n);
        self.first.store(number, Ordering::SeqCst);
        self.last.store(number, Ordering::SeqCst);
    }

    /// Lets the `n`-th write from this moment and all after it fail, until [`Faults::clear`].
    pub fn fail_from_nth_write(&self, n: u64) {
        self.last.store(u64::MAX, Ordering::SeqCst);
        self.first.store(self.passed.load(Ordering::SeqCst).saturating_add(n), Ordering::SeqCst);
    }

    /// Lets each write of this kind fail, and no other, until [`Faults::clear`].
    pub fn fail_each(&self, write: Write) {
        self.kind.store(write as u8 + 1, Ordering::SeqCst);
    }

    /// Lets everything succeed again.
    pub fn clear(&self) {
        self.kind.store(0, Ordering::SeqCst);
        self.first.store(u64::MAX, Ordering::SeqCst);
        self.last.store(0, Ordering::SeqCst);
    }

    /// Number of writes so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}
