//! How much of a session may be staged.

use crate::limits;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What one session may stage. All channels share one.
#[derive(Debug, Default)]
pub struct Room {
    bytes: AtomicU64,
    all: AtomicU64,
    files: AtomicUsize,
}

impl Room {
    pub(super) fn take(&self, more: u64) -> bool {
        let add = |counter: &AtomicU64, most: u64| {
            let fits = |used: u64| used.checked_add(more).filter(|sum| *sum <= most);
            counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
        };
        if !add(&self.bytes, limits::STAGED_SESSION_BYTES) {
            return false;
        }
        let fits = add(&self.all, limits::STAGED_TOTAL_BYTES);
        if !fits {
            self.give(more);
        }
        fits
    }

    pub(super) fn give(&self, less: u64) {
        let _ = self.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| Some(used.saturating_sub(less)));
    }

    pub(super) fn enter(&self) -> bool {
        let fits = |files: usize| (files < limits::STAGED_FILES).then_some(files + 1);
        self.files.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
    }

    /// Files and bytes that are staged.
    #[cfg(test)]
    pub(super) fn taken(&self) -> (usize, u64) {
        (self.files.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst))
    }

    pub(super) fn leave(&self) {
        let _ = self.files.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |files| Some(files.saturating_sub(1)));
    }
}
