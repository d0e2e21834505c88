//! Who keeps the index up with the record.
//!
//! The log is what the index follows: each line that tells of a plan's change or of a session's end is looked at once,
//! and the number of the next line to look at lies in the index's own commit. So a crash repeats a little and misses
//! nothing, and an index that is gone or damaged is made again by looking at every line. Nothing waits for this: there
//! is no queue that a session could fill, and no write that it could hold up.
//!
//! Of a running session commands and files are taken from their rows as they come. When it ends, its recording is read
//! through, and everything of it is put in anew, with the exact place of each.

use super::take::{self, Origin, Taken, unsearchable};
use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use crate::secrets::random_bytes;
use sekisho_core::ids::{PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::reconcile::{CommandSeen, FileSeen};
use sekisho_search::{Index, Key};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Folder of the index in the data folder, and the file of the keys folder that opens it.
const FOLDER: &str = "search";
const KEY_FILE: &str = "search.key";
/// Between two looks at what is new. A command of a running session is found about twice this after it was entered.
const ROUND: Duration = Duration::from_secs(3);
/// The same after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(30);
/// Lines of the log that are looked at in one round, before what they brought is made findable.
const LINES: i64 = 64;
/// Rows of one running session that are taken in one round.
const ROWS: i64 = 1_000;
/// Lines without anything to take after which the place is written down all the same.
const QUIET_LINES: u64 = 20_000;

/// The index and where it stands.
#[derive(Default)]
pub(crate) struct Keeper {
    index: Mutex<Option<Arc<Index>>>,
    /// Held while the index is opened, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
    /// Held by the one who takes in; running sessions and how many of their rows were taken.
    taking: tokio::sync::Mutex<BTreeMap<SessionId, i64>>,
    /// Lines of the log that were not looked at yet.
    behind: AtomicU64,
    /// The index gave an answer that it should not have; the next round makes it anew.
    broken: AtomicBool,
    closed: Arc<AtomicBool>,
}

impl Keeper {
    fn open_one(&self) -> Option<Arc<Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, index: Option<Arc<Index>>, size: u64) {
        if let Some(index) = &index {
            self.behind.store(size.saturating_sub(index.cursor().unwrap_or(0)), Ordering::SeqCst);
        }
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = index;
    }

    /// An index that failed is made anew by the next round.
    pub(super) fn give_up(&self, failed: &Arc<Index>) {
        if self.open_one().is_some_and(|index| Arc::ptr_eq(&index, failed)) {
            tracing::error!("the search index failed and is made anew");
            self.broken.store(true, Ordering::SeqCst);
        }
    }

    /// Lines of the log that may matter and were not looked at yet.
    pub(super) fn behind(&self) -> u64 {
        self.behind.load(Ordering::SeqCst)
    }

    /// Lets go of the folder. What is under way stops soon; nothing is written after this returns.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let _taking = self.taking.lock().await;
        let _opening = self.opening.lock().await;
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Its threads are waited for, which is no work for the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(index)).await;
    }
}

fn lost(error: tokio::task::JoinError) -> Fault {
    Fault::Damaged(format!("the search index broke off: {error}"))
}

impl Store {
    /// The index, opened if it is not.
    pub(super) async fn index(&self) -> Result<Arc<Index>, Fault> {
        let keeper = &self.inner.keeper;
        if let Some(index) = keeper.open_one() {
            return Ok(index);
        }
        let _opening = keeper.opening.lock().await;
        if let Some(index) = keeper.open_one() {
            return Ok(index);
        }
        if keeper.closed.load(Ordering::SeqCst) {
            return Err(Fault::Closed);
        }
        let (folder, key) = (self.data_dir().join(FOLDER), self.search_key()?);
        let opened = tokio::task::spawn_blocking(move || Index::open(&folder, &key)).await.map_err(lost)?;
        let index = Arc::new(opened.map_err(unsearchable)?);
        keeper.set(Some(Arc::clone(&index)), self.inner.log.size());
        Ok(index)
    }

    /// The key of the index. If it is lost, so is the index, and both are made anew.
    fn search_key(&self) -> Result<Key, Fault> {
        let kept = self.inner.keys.load_file(KEY_FILE).ok().flatten().and_then(|kept| <[u8; 32]>::try_from(kept.as_slice()).ok());
        let key = match kept {
            Some(key) => Zeroizing::new(key),
            None => {
                let key = Zeroizing::new(random_bytes::<32>()?);
                self.inner.keys.keep_file(KEY_FILE, key.as_slice())?;
                key
            }
        };
        Ok(Key::from_bytes(*key))
    }

    /// Keeps the index up with the record until the store is closed.
    pub(crate) async fn keep_index(&self) {
        let mut complained = false;
        loop {
            let rest = match self.index_round().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => {
                    complained = false;
                    ROUND
                }
                Err(fault) => {
                    if !complained {
                        tracing::error!(%fault, "the search index cannot follow the record");
                        complained = true;
                    }
                    AFTER_FAULT
                }
            };
            if self.inner.log.is_closed() {
                return;
            }
            tokio::time::sleep(rest).await;
            if self.inner.log.is_closed() {
                return;
            }
        }
    }

    /// Brings the index up to the present, as [`Store::run_jobs`] does every few seconds.
    ///
    /// # Errors
    /// The first fault.
    pub async fn index_now(&self) -> Result<(), Fault> {
        while self.index_round().await? {}
        Ok(())
    }

    /// Takes in some of what is new; true if there is more.
    async fn index_round(&self) -> Result<bool, Fault> {
        let keeper = &self.inner.keeper;
        let mut running = keeper.taking.lock().await;
        if keeper.closed.load(Ordering::SeqCst) {
            return Ok(false);
        }
        if self.inner.shelf.free_bytes()? < limits::DISK_RESERVE_BYTES as u64 {
            // The record itself comes first.
            return Ok(false);
        }
        if keeper.broken.swap(false, Ordering::SeqCst) {
            running.clear();
            self.index_anew().await?;
        }
        let index = self.index().await?;
        let size = self.inner.log.size();
        if index.cursor().is_some_and(|cursor| cursor > size) {
            // The database was put back to an older state.
            running.clear();
            self.index_anew().await?;
            return Ok(true);
        }
        match self.take_round(&index, size, &mut running).await {
            Ok(more) => Ok(more),
            Err(fault) => {
                running.clear();
                let undone = tokio::task::spawn_blocking(move || index.roll_back()).await;
                if !matches!(undone, Ok(Ok(()))) {
                    keeper.broken.store(true, Ordering::SeqCst);
                }
                Err(fault)
            }
        }
    }

    async fn index_anew(&self) -> Result<(), Fault> {
        let keeper = &self.inner.keeper;
        let _opening = keeper.opening.lock().await;
        keeper.set(None, 0);
        let (folder, key) = (self.data_dir().join(FOLDER), self.search_key()?);
        let made = tokio::task::spawn_blocking(move || Index::create(&folder, &key)).await.map_err(lost)?;
        keeper.set(Some(Arc::new(made.map_err(unsearchable)?)), self.inner.log.size());
        Ok(())
    }

    async fn take_round(&self, index: &Arc<Index>, size: u64, running: &mut BTreeMap<SessionId, i64>) -> Result<bool, Fault> {
        let keeper = &self.inner.keeper;
        let seen = index.cursor().unwrap_or(0);
        let of_interest = "seq >= $1 AND seq < $2 AND kind IN ('plan_drawn', 'plan_acted', 'file_attached', 'reconciled', 'left', 'recording_deleted')";
        let text = format!("SELECT seq, kind, session, plan FROM log WHERE {of_interest} ORDER BY seq LIMIT $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(as_i64(seen)).bind(as_i64(size)).bind(LINES).fetch_all(self.read()).await?;
        let text = format!("SELECT COUNT(*) AS n FROM log WHERE {of_interest}");
        let all: i64 = sqlx::query(sqlx::AssertSqlSafe(text)).bind(as_i64(seen)).bind(as_i64(size)).fetch_one(self.read()).await?.try_get("n")?;
        keeper.behind.store(u64::try_from(all).unwrap_or(0), Ordering::SeqCst);
        let more = all > LINES;
        let mut next = size;
        let (mut plans, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for row in &rows {
            if more {
                next = u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0) + 1;
            }
            let kind: String = row.try_get("kind")?;
            if kind == "left" || kind == "recording_deleted" {
                ended.extend(row.try_get::<Option<String>, _>("session")?);
            } else {
                plans.extend(row.try_get::<Option<String>, _>("plan")?);
            }
        }
        let mut changed = !plans.is_empty() || !ended.is_empty();
        for plan in &plans {
            self.take_plan(index, plan).await?;
        }
        for session in &ended {
            if !self.take_recording(index, session).await? {
                return Ok(false);
            }
            running.retain(|id, _| id.as_str() != session);
        }
        let mut taken = running.clone();
        for session in self.inner.shelf.running() {
            changed |= self.take_running(index, &session, &mut taken).await?;
        }
        if changed || next - seen > QUIET_LINES {
            let index = Arc::clone(index);
            tokio::task::spawn_blocking(move || index.commit(Some(next))).await.map_err(lost)?.map_err(unsearchable)?;
            *running = taken;
        }
        keeper.behind.store(u64::try_from(all - rows.len() as i64).unwrap_or(0), Ordering::SeqCst);
        Ok(more)
    }

    async fn take_plan(&self, index: &Arc<Index>, plan: &str) -> Result<(), Fault> {
        let Some(id) = PlanId::parse(plan) else { return Ok(()) };
        let documents = match self.load_plan(self.read(), &id).await {
            Ok(Some(plan)) => take::plan(&plan),
            Ok(None) => Vec::new(),
            Err(fault @ Fault::Damaged(_)) => {
                tracing::warn!(%fault, "a plan cannot be searched");
                Vec::new()
            }
            Err(fault) => return Err(fault),
        };
        index.forget_plan(plan).map_err(unsearchable)?;
        for document in documents {
            index.add(&document).map_err(unsearchable)?;
        }
        Ok(())
    }

    async fn origin_of(&self, session: &str) -> Result<Option<Origin>, Fault> {
        let text = "SELECT plan, target, person, started_at FROM sessions WHERE id = $1";
        let row = sqlx::query(text).bind(session.to_owned()).fetch_optional(self.read()).await?;
        row.map(|row| {
            let (plan, target, person) = (row.try_get("plan")?, row.try_get("target")?, row.try_get("person")?);
            Ok(Origin { session: session.to_owned(), plan, target, person, started_at: row.try_get("started_at")? })
        })
        .transpose()
    }

    /// Takes a session that ended; false if the store is being closed.
    async fn take_recording(&self, index: &Arc<Index>, session: &str) -> Result<bool, Fault> {
        let (Some(origin), Some(id)) = (self.origin_of(session).await?, SessionId::parse(session)) else { return Ok(true) };
        // Of a deleted recording the rows stay to be found: commands and names of files, and nothing that stood on a screen.
        // So it is with one that nobody opens alone: the box does not, either.
        let rows_alone = self.board(|board| board.erased(&id).is_some()) || self.needs_agreement(&id).await?;
        let (path, opener) = (self.inner.shelf.path(&id), self.opener_alone(&id));
        let work = tokio::task::spawn_blocking({
            let (index, origin, stop) = (Arc::clone(index), origin.clone(), Arc::clone(&self.inner.keeper.closed));
            move || {
                index.forget_session(&origin.session);
                if rows_alone {
                    return Ok(Taken::RowsAlone);
                }
                take::recording(&path, |header| opener.open(header), &origin, &index, &stop)
            }
        });
        let from = match work.await.map_err(lost)? {
            Ok(Taken::Whole) => return Ok(true),
            Ok(Taken::Stopped) => return Ok(false),
            Ok(Taken::RowsAlone) => -1,
            Ok(Taken::UpTo(moment)) => as_i64(moment),
            Err(fault @ (Fault::Io { .. } | Fault::Crypto(_) | Fault::Damaged(_))) => {
                tracing::warn!(session, %fault, "a recording cannot be searched; its rows are");
                index.forget_session(session);
                -1
            }
            Err(fault) => return Err(fault),
        };
        // What the recording did not give is in the rows, without its channel.
        let text = "SELECT kind, body FROM session_events WHERE session = $1 AND at_ms > $2 ORDER BY n";
        let rows = sqlx::query(text).bind(session.to_owned()).bind(from).fetch_all(self.read()).await?;
        for row in rows {
            put_row(index, &origin, row.try_get("kind")?, row.try_get("body")?)?;
        }
        Ok(true)
    }

    /// Takes new rows of a running session; true if there were any.
    async fn take_running(&self, index: &Index, session: &SessionId, taken: &mut BTreeMap<SessionId, i64>) -> Result<bool, Fault> {
        let Some(origin) = self.origin_of(session.as_str()).await? else { return Ok(false) };
        let from = taken.get(session).copied();
        let text = "SELECT n, kind, body FROM session_events WHERE session = $1 AND n >= $2 ORDER BY n LIMIT $3";
        let rows = sqlx::query(text).bind(session.as_str().to_owned()).bind(from.unwrap_or(0)).bind(ROWS).fetch_all(self.read()).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        if from.is_none() {
            // Before a fault they may have been taken already.
            index.forget_session(session.as_str());
        }
        for row in rows {
            put_row(index, &origin, row.try_get("kind")?, row.try_get("body")?)?;
            taken.insert(session.clone(), row.try_get::<i64, _>("n")? + 1);
        }
        Ok(true)
    }
}

/// Puts a row of `session_events` in. Kinds that others add are theirs.
fn put_row(index: &Index, origin: &Origin, kind: String, body: String) -> Result<(), Fault> {
    let document = match kind.as_str() {
        "command" => serde_json::from_str::<CommandSeen>(&body).ok().map(|seen| origin.command(&seen, None)),
        "file" => serde_json::from_str::<FileSeen>(&body).ok().map(|seen| origin.file(&seen, None)),
        _ => None,
    };
    document.map_or(Ok(()), |document| index.add(&document).map_err(unsearchable))
}
