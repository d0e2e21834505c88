//! The tasks that send: every 60 seconds or 100 entries, whichever comes first, and only what the place does not have.

use super::{Head, Kept, OutsideSettings, Place};
use crate::Store;
use crate::fault::Fault;
use crate::log::{blocking, write_durably};
use sekisho_core::letter::Letter;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_evidence::checkpoint;
use sekisho_evidence::rotation::open_by_any;
use sekisho_evidence::verify::COSIGNED_DIR;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Longest time after which a new head is sent.
const EVERY: Duration = Duration::from_secs(60);
/// Entries after which it is sent at once.
const ENTRIES: u64 = 100;
/// Between two looks at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(30);
/// Time for one place to be asked and sent to.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time for each place to be asked at the start; all are asked at once.
const START: Duration = Duration::from_secs(15);
const OTHER_LOG: &str = "it has seen a log that this one does not continue";
/// The name under which mail stands among the places.
const MAIL: &str = "mail";

impl Store {
    /// Holds the log against what the places have, before anybody is let in. A place that does not answer in time is asked
    /// again by its task, before anything is sent to it.
    pub async fn check_outside(&self, places: &[Arc<dyn Place>]) {
        let mut names: Vec<(String, Option<String>)> = places.iter().map(|place| (place.name().to_owned(), place.clear_network().map(str::to_owned))).collect();
        names.dedup();
        *self.inner.outside.configured.lock().unwrap_or_else(PoisonError::into_inner) = names;
        let asked = places.iter().map(|place| {
            let (store, place) = (self.clone(), Arc::clone(place));
            tokio::spawn(async move { store.look_at_start(&*place).await })
        });
        let asked: Vec<_> = asked.collect();
        for one in asked {
            let _ = one.await;
        }
    }

    async fn look_at_start(&self, place: &dyn Place) {
        let asked = async {
            let newest = place.newest().await?;
            Ok::<_, String>((newest, place.others().await?))
        };
        let asked = tokio::time::timeout(START, asked).await.unwrap_or_else(|_| Err("it did not answer in time".into()));
        match asked {
            Ok((newest, others)) => {
                self.has_forgotten(place, newest.iter().chain(&others)).await;
                for note in newest.iter().chain(&others) {
                    match self.compare_outside(place, note).await {
                        Ok(true) => tracing::info!(place = place.name(), "the log continues what was seen of it outside"),
                        // What else lies there is of the same branch.
                        Ok(false) => return,
                        Err(why) => tracing::error!(place = place.name(), why, "ALARM: a place outside has something that is no checkpoint of this log"),
                    }
                }
            }
            // Whoever put an older copy back would silence the place as well: it is told at once, and not after some minutes.
            Err(why) => {
                tracing::error!(place = place.name(), why, "ALARM: a place outside could not be asked at the start for what it has seen of the log");
                self.tell_now(place.name(), &format!("it could not be asked at the start: {why}")).await;
            }
        }
    }

    /// Tells at once if a place has less than it had: somebody took away what stands against an older copy.
    async fn has_forgotten(&self, place: &dyn Place, notes: impl Iterator<Item = &String>) {
        if !place.remembers() {
            return;
        }
        // What none of our keys signed is not had.
        let keys = self.inner.keys.log_keys();
        let sizes = notes.filter_map(|note| if place.vouches() { checkpoint::unproved(note).ok() } else { open_by_any(note, &keys).ok().map(|(head, _)| head) });
        let has = sizes.map(|head| head.size).max().unwrap_or(0);
        match self.place_row(place.name()).await {
            Ok(row) if has < row.entries => self.tell_now(place.name(), &format!("it had a head of {} entries, and has one of {has}: what it kept was taken away or put back", row.entries)).await,
            Ok(_) => {}
            Err(fault) => tracing::error!(%fault, "it cannot be told what a place had"),
        }
    }

    /// Sends checkpoints until the store is closed or the task is ended. Run it once, as a task.
    pub async fn run_outside(&self, places: Vec<Arc<dyn Place>>, settings: OutsideSettings) {
        let mut tasks = tokio::task::JoinSet::new();
        for place in places {
            let (store, patience) = (self.clone(), settings.patience);
            tasks.spawn(async move { store.keep_sending(place, patience).await });
        }
        if !settings.mail.is_empty() {
            self.inner.outside.configured.lock().unwrap_or_else(PoisonError::into_inner).push((MAIL.to_owned(), None));
            let store = self.clone();
            tasks.spawn(async move { store.keep_mailing(settings).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Has every place sent to at once.
    pub fn send_outside_now(&self) {
        self.inner.outside.mails_now.store(true, Ordering::SeqCst);
        self.inner.outside.asked.notify_waiters();
    }

    async fn keep_sending(&self, place: Arc<dyn Place>, patience: Duration) {
        let mut has = self.place_row(place.name()).await.map_or(0, |row| row.entries);
        let mut last: Option<Instant> = None;
        let mut failed = false;
        loop {
            let asked = tokio::time::timeout(LOOK, self.inner.outside.asked.notified()).await.is_ok();
            if self.inner.log.is_closed() {
                return;
            }
            let head = self.inner.log.published();
            let rested = last.is_none_or(|last| last.elapsed() >= if failed { RETRY } else { EVERY });
            let due = failed && rested || head != has && (rested || !failed && head.saturating_sub(has) >= ENTRIES);
            if !due && !asked {
                continue;
            }
            last = Some(Instant::now());
            let sent = tokio::time::timeout(PATIENCE, self.send(&*place)).await;
            let sent = sent.unwrap_or_else(|_| Err("it did not answer in time".into()));
            let noted = match sent {
                Ok(entries) => {
                    failed = false;
                    has = entries;
                    self.place_has(place.name(), entries).await
                }
                Err(why) => {
                    failed = true;
                    tracing::warn!(place = place.name(), why, "a checkpoint did not leave the box");
                    self.place_fails(place.name(), &why, patience).await
                }
            };
            if let Err(fault) = noted
                && !matches!(fault, Fault::Closed)
            {
                tracing::error!(%fault, "ALARM: how a place outside stands could not be written down");
            }
        }
    }

    async fn send(&self, place: &dyn Place) -> Result<u64, String> {
        let newest = place.newest().await?;
        let others = place.others().await?;
        self.has_forgotten(place, newest.iter().chain(&others)).await;
        if let Some(note) = newest
            && !self.compare_outside(place, &note).await?
        {
            return Err(OTHER_LOG.into());
        }
        self.compare_others(place, &others).await?;
        let head = self.head().map_err(|fault| fault.to_string())?;
        let kept = place.keep(&head).await?;
        if let Kept::Beside(others) = &kept {
            self.compare_others(place, others).await?;
        }
        if let Kept::Cosigned { id, note } = kept {
            // The id becomes a name of a file.
            if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("its key hash is none".into());
            }
            let path = self.data_dir().join(COSIGNED_DIR).join(&id);
            blocking(move || write_durably(&path, note.as_bytes(), 0o644, None)).await.map_err(|fault| fault.to_string())?;
        }
        Ok(head.entries)
    }

    /// Holds the log against heads that lie under names of their own. What is no head of this log is told, and keeps nothing from
    /// being sent: it lies there under a name that anybody can give.
    async fn compare_others(&self, place: &dyn Place, notes: &[String]) -> Result<(), String> {
        for note in notes {
            if !self.compare_outside(place, note).await.unwrap_or(true) {
                return Err(OTHER_LOG.into());
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self) -> Result<Head, Fault> {
        let note = self.checkpoint()?;
        let seen = checkpoint::unproved(&note).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        Ok(Head { origin: seen.origin, entries: seen.size, root: seen.root.to_string(), note, data_dir: self.data_dir().to_owned() })
    }

    /// By mail more rarely: a letter each minute is read by nobody, and one a day narrows what can be rewritten unseen to that day.
    async fn keep_mailing(&self, settings: OutsideSettings) {
        loop {
            let asked = tokio::time::timeout(LOOK * 10, self.inner.outside.asked.notified()).await.is_ok() || self.inner.outside.mails_now.swap(false, Ordering::SeqCst);
            if self.inner.log.is_closed() {
                return;
            }
            let due = match self.place_row(MAIL).await {
                Ok(row) => row.sent_at.is_none_or(|at| at.plus(settings.mail_every) <= self.now()),
                Err(fault) => {
                    tracing::error!(%fault, "it cannot be told when a checkpoint was mailed");
                    false
                }
            };
            if (due || asked)
                && let Err(fault) = self.mail_checkpoint(&settings.mail).await
            {
                tracing::error!(%fault, "a checkpoint could not be mailed");
            }
        }
    }

    async fn mail_checkpoint(&self, to: &[String]) -> Result<(), Fault> {
        let head = self.head()?;
        let mut tx = self.write(&Actor::system()).await?;
        let at: Timestamp = tx.now();
        let letter = Letter::Checkpoint { note: head.note.clone(), entries: head.entries, at };
        for address in to {
            self.post(&mut tx, None, address, &letter).await?;
        }
        tx.commit().await?;
        self.place_has(MAIL, head.entries).await
    }
}
