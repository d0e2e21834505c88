//! Space that is kept for a full disk: the ends of the cut sessions are written, and whoever comes to make room logs in.
//!
//! What is merely set free is anybody's: a program that goes on writing takes it. So the database's own part of it is
//! never set free but lies inside its write-ahead file, and the rest is set free once nothing else fills the disk.

use super::Shelf;
use crate::db;
use rustix::fs::{FallocateFlags, fallocate};
use sekisho_core::limits;
use std::fs::{self, File};
use std::sync::atomic::Ordering;

/// Space that the write-ahead file of an `SQLite` database holds beyond its end: some hundred entries of the log. While
/// the database itself cannot grow, all changes go there.
const WAL_BYTES: u64 = 16 * 1024 * 1024;
/// Space for what is written beside the database, such as the published log.
const FILE_BYTES: u64 = 32 * 1024 * 1024;
const FILE: &str = "reserve";
/// Free space below which running sessions are cut while there is still room to write that down.
const FLOOR_BYTES: u64 = 16 * 1024 * 1024;
/// Free space below which a disk is full.
const FULL_BYTES: u64 = 4 * 1024 * 1024;

impl Shelf {
    /// Keeps the reserve, if there is room for more than it.
    pub(super) fn keep_reserve(&self) {
        if self.free_bytes().unwrap_or(0) < WAL_BYTES + FILE_BYTES + limits::DISK_RESERVE_BYTES as u64 {
            return;
        }
        // No lock of SQLite's lies on this file, so closing it takes none away. PostgreSQL has no such file here.
        if let Ok(wal) = File::options().write(true).open(db::sqlite_wal(&self.data_dir)) {
            // Where a file system cannot do this, the reserve beside it is all there is.
            let _ = fallocate(&wal, FallocateFlags::KEEP_SIZE, 0, WAL_BYTES);
        }
        let path = self.data_dir.join(FILE);
        if !path.exists() {
            let taken = File::create(&path).and_then(|file| Ok(fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES)?));
            if taken.is_err() {
                // A file system that cannot occupy space beforehand: the floor alone protects.
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Cuts the sessions while there is room left to write down that they ended, and sets the reserve free on a disk that
    /// stays full.
    pub(super) fn watch_space(&self) {
        let free = match self.free_bytes() {
            Ok(free) => free,
            Err(fault) => {
                tracing::error!(%fault, "the disk cannot be watched");
                return;
            }
        };
        if free < FLOOR_BYTES {
            for writer in self.writers() {
                writer.lose(&"the disk is full");
            }
        }
        // At the first look whoever fills the disk may still be at it.
        let full = free < FULL_BYTES;
        let stays_full = self.was_full.swap(full, Ordering::SeqCst) && full;
        if stays_full && fs::remove_file(self.data_dir.join(FILE)).is_ok() {
            tracing::error!("the disk is full: the reserve was set free so that the log can be published");
        }
        if free > 2 * limits::DISK_RESERVE_BYTES as u64 {
            self.keep_reserve();
        }
    }
}
