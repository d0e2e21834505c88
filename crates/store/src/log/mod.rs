//! The audit log: lines in the database, their Merkle frontier in memory, tiles and signed checkpoints on disk.
//!
//! A line is written in the same transaction as the change it tells of. The publisher then writes the files that
//! anybody can check; what it needs after a crash is in the database, so it goes on from there.

mod entries;
mod folder;
mod prove;
mod publish;
mod recover;
mod rotate;

pub use entries::LogFilter;
pub use folder::{DataFolder, write_file};
pub(crate) use folder::{sync_folder, write_durably};
pub(crate) use publish::{Press, blocking};
pub use prove::LogProof;
pub use rotate::KeyRotation;
pub(crate) use recover::{Recovered, read_checkpoint, recover};
pub(crate) use rotate::{log_keys, settle_log_key};

use crate::fault::Fault;
use crate::held::row_of;
use crate::write::Writer;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::people::Actor;
use sekisho_core::retention::Board;
use sekisho_core::two_person::Book;
use sekisho_core::time::Timestamp;
use sekisho_evidence::checkpoint::SigningKey;
use sekisho_evidence::decisive::{self, Term};
use sekisho_evidence::Digest;
use sekisho_evidence::limits::MAX_ENTRY_BYTES;
use sekisho_evidence::log::{Tree, leaf_hash};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A clock that is behind the log by more than this has been set back; less is the rounding of two readings.
const JUMP_MS: i64 = 1000;

/// The head of the log. Whoever holds the writer owns the next sequence number.
pub(crate) struct Head {
    writer: Arc<tokio::sync::Mutex<Writer>>,
    state: Mutex<State>,
    press: tokio::sync::Mutex<Press>,
    grown: Notify,
    published: AtomicU64,
    trouble: Mutex<Option<String>>,
    closed: AtomicBool,
}

struct State {
    /// The last line that tells of each sealed row, and the first that tells of each approval.
    told: HashMap<String, u64>,
    /// What the lines tell of holds, times of keeping and deletions.
    board: Board,
    /// What they tell of second keys and of requests to view.
    book: Book,
    tree: Tree,
    /// The tree at the last size that somebody asked the root of, and the leaves since then.
    behind: Tree,
    since: VecDeque<Digest>,
    last_at: Timestamp,
    /// A jump of the clock was written down, and the clock has not caught up yet.
    jumped: bool,
}

impl State {
    fn grow(&mut self, leaf: Digest) {
        self.tree.append(leaf);
        self.since.push_back(leaf);
    }
}

impl Head {
    /// The head over what was found in the database.
    pub fn new(writer: Writer, found: Recovered) -> Self {
        Self {
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            state: Mutex::new(State { told: found.told, board: found.board, book: found.book, behind: found.tree.clone(), since: VecDeque::new(), tree: found.tree, last_at: found.last_at, jumped: false }),
            published: AtomicU64::new(found.published),
            press: tokio::sync::Mutex::new(found.press),
            grown: Notify::new(),
            trouble: Mutex::new(None),
            closed: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that writes.
    pub fn writer(&self) -> Arc<tokio::sync::Mutex<Writer>> {
        self.writer.clone()
    }

    /// Number of lines that are durable.
    pub fn size(&self) -> u64 {
        self.state().tree.size()
    }

    /// The root over the first `size` lines as they were when they were written, whatever the rows say by now. Sizes
    /// must not go back; `None` for one that memory does not reach.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        let mut state = self.state();
        while state.behind.size() < size {
            let leaf = state.since.pop_front()?;
            state.behind.append(leaf);
        }
        (state.behind.size() == size).then(|| state.behind.root())
    }

    /// The first line that tells of an approval or a review with this signature.
    pub fn signature_told(&self, signature: &str) -> Option<u64> {
        self.state().told.get(&signature_row(signature)).copied()
    }

    /// The last line that tells of a sealed row.
    pub fn last_told(&self, row: &str) -> Option<u64> {
        self.state().told.get(row).copied()
    }

    /// The sealed rows whose identifier begins so, of which lines before `since` tell.
    pub fn told_rows(&self, prefix: &str, since: u64) -> Vec<String> {
        self.state().told.iter().filter(|(row, seq)| **seq < since && row.starts_with(prefix)).map(|(row, _)| row.clone()).collect()
    }

    /// What the lines tell of holds, times of keeping and deletions: from the log as it was verified at the start and written
    /// since, whatever the rows say by now.
    pub fn board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.state().board)
    }

    /// The same for what they tell of second keys and of requests to view.
    pub fn book<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.state().book)
    }

    /// Number of lines that the published checkpoint covers.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Why the last attempt to publish failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Time of the last line.
    pub fn last_at(&self) -> Timestamp {
        self.state().last_at
    }

    /// Sets the time of the last line, which a person at the console corrects. Gives the one before.
    pub fn set_last_at(&self, at: Timestamp) -> Timestamp {
        std::mem::replace(&mut self.state().last_at, at)
    }

    /// The moment for the next lines, and by how much the clock was set back if that has not been written down.
    pub fn tick(&self, clock: Timestamp) -> (Timestamp, Option<u64>) {
        let mut state = self.state();
        let back = state.last_at.0.saturating_sub(clock.0);
        if back <= 0 {
            state.jumped = false;
            return (clock, None);
        }
        let told = back > JUMP_MS && !state.jumped;
        (state.last_at, told.then(|| u64::try_from(back).unwrap_or(0)))
    }

    /// Takes lines whose transaction was committed.
    pub fn advance(&self, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        let mut state = self.state();
        for line in lines {
            state.grow(leaf_hash(&line.body));
            note(&mut state.told, &line.entry);
            state.board.take(&line.entry);
            state.book.take(&line.entry);
            state.last_at = state.last_at.max(line.entry.at);
            state.jumped |= matches!(line.entry.fact, Fact::ClockJumped { .. });
        }
        drop(state);
        self.grown.notify_one();
    }

    /// Reads lines that were committed without memory learning of it.
    pub async fn catch_up(&self, conn: &mut AnyConnection, keys: &[Term]) -> Result<(), Fault> {
        let from = self.size();
        let rows = sqlx::query("SELECT seq, at, kind, session, plan, person, body FROM log WHERE seq >= $1 ORDER BY seq").bind(as_i64(from)).fetch_all(&mut *conn).await?;
        let count = sqlx::query("SELECT COUNT(*) AS n FROM log").fetch_one(&mut *conn).await?.try_get::<i64, _>("n")?;
        if count != as_i64(from) + rows.len() as i64 {
            return Err(Fault::LogBroken(format!("the log has {count} entries in the database and had {from}: rows were removed while it ran")));
        }
        // All of them are read before memory takes the first.
        let mut read = Vec::with_capacity(rows.len());
        for (seq, row) in (from..).zip(&rows) {
            read.push(recover::read_row(row, seq)?);
        }
        let mut state = self.state();
        for (entry, body) in read {
            state.grow(leaf_hash(body));
            note(&mut state.told, &entry);
            let State { board, book, .. } = &mut *state;
            fold(board, book, &entry, body, keys);
            state.last_at = state.last_at.max(entry.at);
        }
        drop(state);
        self.grown.notify_one();
        Ok(())
    }

    /// Ends the tasks that wait for the log to grow.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.grown.notify_one();
    }

    /// True once the store was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Returns when there is something to publish.
    pub async fn grown(&self) {
        self.grown.notified().await;
    }
}

/// Numbers in rows are signed; no log grows beyond their range.
pub(crate) fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Takes an entry as a row gave it. Rows behind the last checkpoint are not proved by anything, so one that decides about keeping, or
/// about who must agree before recordings open, says nothing without a signature of its own.
pub(crate) fn fold(board: &mut Board, book: &mut Book, entry: &Entry, body: &[u8], keys: &[Term]) {
    if decisive::is_decisive(&entry.fact.kind()) && !decisive::is_signed(keys, entry.seq, body) {
        board.doubt(entry.seq);
    } else {
        board.take(entry);
        book.take(entry);
    }
}

/// The entry in a row, if it can be read and stands at the number that it says: rows are written by whoever has the database.
pub(crate) fn entry_in(row: &AnyRow) -> Result<Option<Entry>, Fault> {
    let entry: Option<Entry> = serde_json::from_slice(row.try_get("body")?).ok();
    let seq = row.try_get::<i64, _>("seq")?;
    Ok(entry.filter(|entry| as_i64(entry.seq) == seq))
}

/// The name under which what was signed is known. No row is called so: ids have no colon.
fn signature_row(signature: &str) -> String {
    format!("signature:{signature}")
}

/// Takes down which row an entry tells of, and which signature of an approval or a review.
pub(crate) fn note(told: &mut HashMap<String, u64>, entry: &Entry) {
    if let Some(row) = row_of(&entry.fact) {
        told.insert(row.into_owned(), entry.seq);
    }
    if let Fact::PlanActed { signature, .. } | Fact::LogReviewSigned { signature, .. } | Fact::LogReviewConfirmed { signature, .. } = &entry.fact
        && !signature.is_empty()
    {
        told.entry(signature_row(signature)).or_insert(entry.seq);
    }
}

/// One line on its way into the log.
pub(crate) struct Line {
    entry: Entry,
    body: Vec<u8>,
}

impl Line {
    /// Fixes the bytes of a line. One that decides ([`decisive::KINDS`]) is signed by this key of the log.
    pub fn new(seq: u64, at: Timestamp, actor: Actor, fact: Fact, key: &SigningKey) -> Result<Self, Fault> {
        let entry = Entry { seq, at, actor, fact };
        let mut body = serde_json::to_vec(&entry)?;
        if decisive::is_decisive(&entry.fact.kind()) {
            body = decisive::signed(key, body).map_err(|breach| Fault::Crypto(breach.to_string()))?;
        }
        if body.len() > MAX_ENTRY_BYTES {
            return Err(Fault::EntryTooLong(body.len()));
        }
        Ok(Self { entry, body })
    }

    /// Writes the row.
    pub async fn insert(&self, conn: &mut AnyConnection) -> Result<(), Fault> {
        let Entry { seq, at, actor, fact } = &self.entry;
        sqlx::query("INSERT INTO log (seq, at, kind, session, plan, person, body) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(as_i64(*seq))
            .bind(at.0)
            .bind(fact.kind())
            .bind(fact.session().map(|id| id.as_str().to_owned()))
            .bind(fact.plan().map(|id| id.as_str().to_owned()))
            .bind(actor.person.as_ref().map(|id| id.as_str().to_owned()))
            .bind(self.body.clone())
            .execute(conn)
            .await?;
        Ok(())
    }
}
