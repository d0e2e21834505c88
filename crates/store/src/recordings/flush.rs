//! The pulse of the recordings: what waits is written, what was written is synced, and a disk that does not answer is
//! noticed.

use super::writer::STUCK_AFTER;
use super::{Shelf, Writer};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Syncs under way at once. Each recording has at most one, so that one that hangs delays no other.
const SYNCS: usize = 64;
/// The disk is looked at this often while nothing is recorded.
const SPACE_EVERY: Duration = Duration::from_secs(5);

/// Of so many beats one writes, and syncs what it wrote: few and larger pieces are few calls of the disk, and a session
/// that draws without a pause is still on the disk within a second.
const WRITE_EVERY: u32 = 3;

/// One beat after the other; no beat waits for the disk.
pub(crate) struct Pulse {
    beats: u32,
    writing: Option<(Instant, JoinHandle<()>)>,
    looked: Option<Instant>,
    syncs: Arc<Semaphore>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { beats: 0, writing: None, looked: None, syncs: Arc::new(Semaphore::new(SYNCS)) }
    }
}

impl Pulse {
    /// One beat. Called about every quarter of a second, so that kill -9 loses less than a second.
    pub(crate) fn beat(&mut self, shelf: &Arc<Shelf>) {
        let writers = shelf.writers();
        for writer in &writers {
            writer.watch_disk();
        }
        match &self.writing {
            Some((since, task)) if !task.is_finished() => {
                if since.elapsed() > STUCK_AFTER {
                    for writer in &writers {
                        writer.lose(&"the disk does not answer");
                    }
                }
            }
            _ => {
                let due = self.looked.is_none_or(|at| at.elapsed() >= SPACE_EVERY);
                self.beats = self.beats.wrapping_add(1);
                if due || (!writers.is_empty() && self.beats.is_multiple_of(WRITE_EVERY)) {
                    self.looked = Some(Instant::now());
                    let (shelf, writers, syncs) = (Arc::clone(shelf), writers.clone(), Arc::clone(&self.syncs));
                    let work = move || {
                        for writer in writers {
                            writer.cut();
                            sync(&writer, &syncs);
                        }
                        shelf.watch_space();
                    };
                    self.writing = Some((Instant::now(), tokio::task::spawn_blocking(work)));
                }
            }
        }
        // What filled up in between was written by itself.
        for writer in writers {
            sync(&writer, &self.syncs);
        }
    }
}

/// Has a recording synced, if something was written. Without a free hand the next beat does it.
fn sync(writer: &Arc<Writer>, syncs: &Arc<Semaphore>) {
    let Ok(hand) = Arc::clone(syncs).try_acquire_owned() else { return };
    if writer.wants_sync() {
        let writer = Arc::clone(writer);
        tokio::task::spawn_blocking(move || {
            writer.sync();
            drop(hand);
        });
    }
}
