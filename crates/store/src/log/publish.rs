//! Publishing: tiles and bundles first, then the signed checkpoint that covers them, then its row.

use super::{DataFolder, as_i64, write_durably};
use crate::Store;
use crate::fault::Fault;
use crate::faults::Write;
use sekisho_core::people::Actor;
use sekisho_evidence::checkpoint::{self, CheckpointBreach};
use sekisho_evidence::rotation;
use sekisho_evidence::log::{CHECKPOINT_PATH, Publisher, TileFile};
use sqlx::Row;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Lines that are turned into files at once. A multiple of the tile width, so that a rebuilt log has few partial files.
const BATCH: i64 = 4096;
/// Time for more lines to arrive before files are written for one.
const GATHER: Duration = Duration::from_millis(250);
/// Wait after a failed attempt.
const RETRY: Duration = Duration::from_secs(2);

/// The growing edge of the published files.
#[derive(Default)]
pub(crate) struct Press {
    publisher: Publisher,
    /// Files that were taken from the publisher and are not on disk yet.
    pending: Vec<TileFile>,
}

impl Press {
    /// The edge of files that are on disk.
    pub fn over(publisher: Publisher) -> Self {
        Self { publisher, pending: Vec::new() }
    }
}

impl Store {
    /// Publishes as the log grows, within a second of each line, until the store is closed.
    pub(crate) async fn keep_publishing(&self) {
        loop {
            if self.inner.log.published() >= self.inner.log.size() {
                self.inner.log.grown().await;
            }
            if self.inner.log.is_closed() {
                return;
            }
            tokio::time::sleep(GATHER).await;
            if let Err(fault) = self.publish().await {
                tracing::error!(%fault, "the log could not be published");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Brings the published files up to the log's head.
    ///
    /// # Errors
    /// A fault; the next attempt goes on where this one stopped.
    pub async fn publish(&self) -> Result<(), Fault> {
        let done = self.press().await;
        self.inner.log.set_trouble(done.as_ref().err().map(ToString::to_string));
        done
    }

    async fn press(&self) -> Result<(), Fault> {
        let head = &self.inner.log;
        let mut press = head.press.lock().await;
        loop {
            let rows = sqlx::query("SELECT body FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq")
                .bind(as_i64(press.publisher.size()))
                .bind(as_i64(press.publisher.size()).saturating_add(BATCH))
                .fetch_all(self.read())
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let appended = press.publisher.append(row.try_get::<&[u8], _>("body")?);
                appended.map_err(|breach| Fault::LogBroken(breach.to_string()))?;
            }
            let files = press.publisher.take_files();
            press.pending.extend(files);
            self.write_files(&mut press).await?;
        }
        self.write_files(&mut press).await?;
        let size = press.publisher.size();
        let turning = self.turning().await?.filter(|(seq, _)| *seq < size);
        if size <= head.published() && turning.is_none() {
            return Ok(());
        }
        let root = press.publisher.root();
        if head.size() < size {
            // Rows are read a moment before memory takes them over; whoever writes holds the writer until it has.
            drop(head.writer().lock().await);
        }
        if head.root_at(size) != Some(root) {
            // A trigger, or somebody with the database's password. Signing it would make it true.
            return Err(Fault::LogBroken("the entries in the database are not those that were written".into()));
        }
        let crypto = |breach: CheckpointBreach| Fault::Crypto(breach.to_string());
        let mut note = checkpoint::sign(&self.inner.settings.origin, size, &root, &self.inner.keys.log()).map_err(crypto)?;
        let mut exchange = None;
        if let Some((seq, next)) = &turning {
            note = checkpoint::sign_again(&note, next).map_err(crypto)?;
            exchange = Some((rotation::path_of(*seq), rotation::text_of(*seq, &self.inner.keys.log(), next, &note).map_err(crypto)?));
        }
        let (store, text) = (self.clone(), note.clone());
        blocking(move || {
            // The checkpoint of both keys first: what the new key signs alone is read with its help.
            if let Some((path, text)) = exchange {
                store.inner.faults.gate(Write::Tile)?;
                write_durably(&store.inner.settings.data_dir.join(path), text.as_bytes(), 0o644, Some(&store.inner.faults))?;
            }
            store.inner.faults.gate(Write::Tile)?;
            write_durably(&store.inner.settings.data_dir.join(CHECKPOINT_PATH), text.as_bytes(), 0o644, Some(&store.inner.faults))
        })
        .await?;
        head.published.store(size, Ordering::SeqCst);
        let mut tx = self.write(&Actor::system()).await?;
        let at = tx.now().0;
        sqlx::query("INSERT INTO checkpoints (size, root, at, note) VALUES ($1, $2, $3, $4) ON CONFLICT (size) DO UPDATE SET note = $4")
            .bind(as_i64(size))
            .bind(root.to_string())
            .bind(at)
            .bind(note)
            .execute(tx.sql())
            .await?;
        tx.commit().await?;
        if let Some((_, next)) = turning {
            self.turned(size, next)?;
        }
        Ok(())
    }

    async fn write_files(&self, press: &mut Press) -> Result<(), Fault> {
        if press.pending.is_empty() {
            return Ok(());
        }
        let (store, files) = (self.clone(), press.pending.clone());
        blocking(move || {
            let folder = &store.inner.settings.data_dir;
            for file in &files {
                store.inner.faults.gate(Write::Tile)?;
                write_durably(&folder.join(&file.path), &file.bytes, 0o644, Some(&store.inner.faults))?;
                if let Some(narrower) = file.supersedes() {
                    remove_folder(&folder.join(narrower));
                }
            }
            Ok(())
        })
        .await?;
        press.pending.clear();
        Ok(())
    }

    /// The text of the published checkpoint.
    ///
    /// # Errors
    /// A fault if there is none or it cannot be read.
    pub fn checkpoint(&self) -> Result<String, Fault> {
        let path = self.inner.settings.data_dir.join(CHECKPOINT_PATH);
        std::fs::read_to_string(&path).map_err(Fault::io(format!("reading {}", path.display())))
    }

    /// The public key of the log in C2SP verifier form.
    #[must_use]
    pub fn log_public_key(&self) -> String {
        self.inner.keys.log().public().to_string()
    }

    /// The data folder as the verifier reads it.
    pub(crate) fn folder(&self) -> DataFolder {
        DataFolder(self.inner.settings.data_dir.clone())
    }
}

/// The narrower forms of a full tile say nothing that it does not say; leaving one behind does no harm.
fn remove_folder(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "partial tiles could not be removed");
    }
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(lost) => Err(Fault::Crypto(format!("a task could not be finished: {lost}"))),
    }
}
