//! The pulse of the recordings: what waits is written, what was written is synced, and a disk that does not answer is
//! noticed.

use super::{DISK_FLOOR_BYTES, Shelf};
use sekisho_core::limits;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Syncs under way at once. More would only queue in the kernel.
const SYNCS: usize = 8;

/// One beat after the other; beats do not wait for a disk that hangs.
#[derive(Default)]
pub(crate) struct Pulse {
    cutting: Option<JoinHandle<()>>,
    syncing: Option<JoinHandle<()>>,
}

impl Pulse {
    /// One beat. Called about every quarter of a second, so that kill -9 loses less than a second.
    pub(crate) fn beat(&mut self, shelf: &Arc<Shelf>) {
        for writer in shelf.writers() {
            writer.watch_disk();
        }
        let idle = |task: &Option<JoinHandle<()>>| task.as_ref().is_none_or(JoinHandle::is_finished);
        if idle(&self.cutting) {
            let shelf = Arc::clone(shelf);
            self.cutting = Some(tokio::task::spawn_blocking(move || {
                for writer in shelf.writers() {
                    writer.cut();
                }
                shelf.watch_space();
            }));
        }
        if idle(&self.syncing) {
            let dirty: Vec<_> = shelf.writers().into_iter().filter(|writer| writer.is_dirty()).collect();
            if !dirty.is_empty() {
                self.syncing = Some(tokio::spawn(async move {
                    let hands = Arc::new(Semaphore::new(SYNCS));
                    let mut tasks = JoinSet::new();
                    for writer in dirty {
                        let Ok(hand) = Arc::clone(&hands).acquire_owned().await else { return };
                        tasks.spawn_blocking(move || {
                            writer.sync();
                            drop(hand);
                        });
                    }
                    while tasks.join_next().await.is_some() {}
                }));
            }
        }
    }
}

impl Shelf {
    /// Cuts the sessions while there is room left to write down that they ended.
    fn watch_space(&self) {
        match self.free_bytes() {
            Ok(free) if free < DISK_FLOOR_BYTES => {
                for writer in self.writers() {
                    writer.lose(&"the disk is full");
                }
                self.drop_ballast();
            }
            Ok(free) if free > 2 * limits::DISK_RESERVE_BYTES as u64 => self.take_ballast(),
            Ok(_) => {}
            Err(fault) => tracing::error!(%fault, "the disk cannot be watched"),
        }
    }
}
