//! Targets' logs: taken in, written down as they came, then read for logins, which are held against the sessions.
//!
//! One task does all of it in this order: what came is on the disk before anybody reads it. Who sends faster than that waits.

mod authority;
mod cases;
mod gatherer;
mod judge;
mod led;
mod segments;
mod sources;

pub use sources::{LogSourceRow, NewLogSource};

use crate::Store;
use crate::certificates::AwayCount;
use crate::fault::{Done, Fault};
use crate::log::blocking;
use cases::Board;
use judge::{Desk, Told};
use segments::{RawLine, Segment};
use sekisho_core::around::{LineRef, LogSource};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{CaseId, LogSourceId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sources::Known;
use sqlx::Row;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};

/// The row of `meta` that holds up to where lines were judged.
const JUDGED: &str = "target_logs_judged";
/// Between two rounds of judging without anything new.
const ROUND: Duration = Duration::from_secs(1);
/// Between two rounds of what need not be seen at once: silence, sessions without a word, the age of parts, the counts.
const SLOW: Duration = Duration::from_secs(10);
/// A part is closed when it is this old.
const SEGMENT_AGE: Duration = Duration::from_secs(24 * 3600);
/// Parcels that are taken at once.
const PARCELS: usize = 512;

/// What the store knows of targets' logs; the listener is the gateway's.
#[derive(Clone, Debug)]
pub struct TargetLogSettings {
    /// Name and port that sources send to.
    pub address: String,
    /// The networks whose lines are taken in clear.
    pub legacy: Vec<Network>,
    /// Days for which lines are kept.
    pub keep_days: u32,
    /// Bytes that they may take on the disk.
    pub keep_bytes: u64,
}

/// What is heard of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// The first line since the start.
    pub first: Timestamp,
    /// The last line.
    pub last: Timestamp,
    /// The usual pause between two bursts of lines.
    pub pause: Duration,
    /// Lines since the row was written.
    pub unsaved: u64,
    /// Seconds by which its clock is off, if that is too much.
    pub skew: Option<i64>,
}

/// Lines on their way to the disk, and the room that they take in memory.
struct Parcel {
    lines: Vec<RawLine>,
    room: OwnedSemaphorePermit,
}

/// What is shared between the listener's questions, the task and the pages.
pub(crate) struct Gathering {
    known: RwLock<Arc<Known>>,
    heard: Mutex<HashMap<LogSourceId, Heard>>,
    lost: Mutex<HashMap<LogSourceId, u64>>,
    /// The day, and what was taken of each source on it.
    taken: Mutex<(i64, HashMap<LogSourceId, u64>)>,
    door: OnceLock<mpsc::UnboundedSender<Parcel>>,
    room: Arc<Semaphore>,
    away: AwayCount,
    authority: OnceLock<Vec<u8>>,
    board: tokio::sync::Mutex<Board>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            heard: Mutex::default(),
            lost: Mutex::default(),
            taken: Mutex::default(),
            door: OnceLock::new(),
            room: Arc::new(Semaphore::new(limits::LOG_WAITING_KIB)),
            away: AwayCount::default(),
            authority: OnceLock::new(),
            board: tokio::sync::Mutex::default(),
        }
    }
}

impl Gathering {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn put_sources(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    pub(crate) fn heard(&self, source: &LogSourceId) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(source).copied()
    }

    pub(crate) async fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().await
    }

    /// Takes out of one day's room what still fits: how many of these messages may be kept.
    fn fits(&self, source: &LogSourceId, messages: &[Vec<u8>], now: Timestamp) -> usize {
        let day = now.0.div_euclid(24 * 3600 * 1000);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.0 != day {
            *taken = (day, HashMap::new());
        }
        let used = taken.1.entry(source.clone()).or_default();
        let fitting = messages.iter().take_while(|message| {
            let after = used.saturating_add(message.len() as u64);
            let fits = after <= limits::LOG_DAY_BYTES as u64;
            if fits {
                *used = after;
            }
            fits
        });
        fitting.count()
    }

    fn hear(&self, told: &[Told], counts: &HashMap<LogSourceId, (u64, Timestamp)>) {
        let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, (lines, at)) in counts {
            let heard = all.entry(source.clone()).or_insert(Heard { first: *at, last: *at, pause: Duration::ZERO, unsaved: 0, skew: None });
            let gap = heard.last.until(*at);
            // An eighth of the new one: a mean that follows, and that one burst does not throw over.
            heard.pause = if heard.pause.is_zero() { gap } else { heard.pause - heard.pause / 8 + gap / 8 };
            (heard.last, heard.unsaved) = (*at, heard.unsaved + lines);
        }
        for told in told {
            if let (Some(heard), Some(skew)) = (all.get_mut(&told.line.source), told.skew) {
                heard.skew = (skew.unsigned_abs() > limits::LOG_SKEW_SECONDS as u64).then_some(skew);
            }
        }
    }
}

/// What the task holds.
struct Work {
    segment: Option<Segment>,
    desk: Desk,
    judged: Option<LineRef>,
    slow_at: Timestamp,
    stuck: bool,
}

impl Store {
    /// Makes ready to take targets' logs: the authority, the register, what a crash left.
    ///
    /// # Errors
    /// A fault; nothing is taken then.
    pub async fn open_gathering(&self) -> Result<(), Fault> {
        let authority = self.log_authority().await?;
        let _ = self.inner.gathering.authority.set(authority);
        self.load_log_sources().await
    }

    /// Takes targets' logs until the store is closed. Run it once, as a task, after [`Store::open_gathering`].
    pub async fn run_gathering(&self) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        if self.inner.gathering.door.set(sender).is_err() {
            return;
        }
        let mut work = loop {
            match self.begin_gathering().await {
                Ok(work) => break work,
                Err(fault) => tracing::error!(%fault, "ALARM: targets' logs cannot be taken"),
            }
            if self.inner.log.is_closed() {
                return;
            }
            tokio::time::sleep(SLOW).await;
        };
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut parcels = Vec::with_capacity(PARCELS);
        loop {
            tokio::select! {
                // What cannot be judged is not heaped up: who sends waits.
                count = receiver.recv_many(&mut parcels, PARCELS), if work.desk.waiting.len() <= limits::LOG_PENDING => if count == 0 { return },
                _ = ticks.tick() => {}
            }
            if self.inner.log.is_closed() {
                return;
            }
            if !parcels.is_empty() {
                self.write_parcels(&mut work, &mut parcels).await;
            }
            if let Err(fault) = self.judge_round(&mut work).await {
                tracing::error!(%fault, "ALARM: logins on targets cannot be judged; they are tried again");
                tokio::time::sleep(ROUND).await;
            }
        }
    }

    /// Closes what a crash left open, and reads again what was not judged.
    async fn begin_gathering(&self) -> Result<Work, Fault> {
        let mut desk = Desk::default();
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(JUDGED).fetch_optional(self.read()).await?;
        let judged: Option<String> = row.map(|row| row.try_get("value")).transpose()?;
        let judged = judged.as_deref().and_then(|text| text.split_once(' ')).and_then(|(segment, line)| Some(LineRef { segment: segment.parse().ok()?, line: line.parse().ok()? }));
        let store = self.clone();
        let parts = blocking(move || segments::list(&store.inner.settings.data_dir)).await?;
        for (number, _) in parts.iter().rev().take(1) {
            let (store, number, known) = (self.clone(), *number, self.inner.gathering.known());
            let after = judged.as_ref().filter(|judged| judged.segment == number).map_or(0, |judged| judged.line + 1);
            let read = blocking(move || {
                let mut told = Vec::new();
                let whole = segments::read(&store.inner.settings.data_dir, number, &store.inner.keys, |at, line| {
                    if at >= after
                        && told.len() < limits::LOG_PENDING
                        && let Some(one) = judge::tell(&known, LineRef { segment: number, line: at }, &line)
                    {
                        told.push(one);
                    }
                })?;
                Ok((whole, told))
            });
            match read.await {
                Ok((whole, told)) => {
                    desk.waiting.extend(told.into_iter().filter(Told::says_something));
                    if !self.is_segment_told(number).await? {
                        let mut tx = self.write(&Actor::system()).await?;
                        tx.fact(Fact::LogSegmentClosed { segment: number, lines: whole.lines, bytes: whole.bytes, digest: whole.digest });
                        tx.commit().await?;
                    }
                }
                Err(fault) => self.inner.shelf.alarm(format!("Part {number} of targets' logs is damaged: {fault}.")),
            }
        }
        *self.inner.gathering.board.lock().await = self.load_board().await?;
        Ok(Work { segment: None, desk, judged, slow_at: self.now(), stuck: false })
    }

    async fn is_segment_told(&self, number: u64) -> Result<bool, Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE kind = 'log_segment_closed' ORDER BY seq DESC LIMIT 3").fetch_all(self.read()).await?;
        for row in rows {
            let entry: sekisho_core::facts::Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            if matches!(entry.fact, Fact::LogSegmentClosed { segment, .. } if segment == number) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes lines down, then reads them. While the disk takes nothing they wait, and with them whoever sends.
    async fn write_parcels(&self, work: &mut Work, parcels: &mut Vec<Parcel>) {
        let (lines, _room): (Vec<_>, Vec<_>) = parcels.drain(..).map(|parcel| (parcel.lines, parcel.room)).unzip();
        let lines: Arc<Vec<RawLine>> = Arc::new(lines.into_iter().flatten().collect());
        loop {
            match self.write_lines(work, &lines).await {
                Ok(()) => {
                    work.stuck = false;
                    return;
                }
                Err(fault) => {
                    if !work.stuck {
                        self.inner.shelf.alarm(format!("Targets' logs cannot be written down: {fault}. Their sources wait."));
                        work.stuck = true;
                    }
                    // What was half written cannot be gone on with; the next part begins anew.
                    work.segment = None;
                    if self.inner.log.is_closed() {
                        return;
                    }
                    tokio::time::sleep(ROUND).await;
                }
            }
        }
    }

    async fn write_lines(&self, work: &mut Work, lines: &Arc<Vec<RawLine>>) -> Result<(), Fault> {
        let now = self.now();
        let full = work.segment.as_ref().is_some_and(|segment| segment.bytes >= segments::SEGMENT_BYTES || segment.began.plus(SEGMENT_AGE) <= now);
        if full {
            self.close_segment(work).await?;
        }
        let (store, lines, known, segment) = (self.clone(), Arc::clone(lines), self.inner.gathering.known(), work.segment.take());
        let (segment, told, counts) = blocking(move || {
            let data_dir = &store.inner.settings.data_dir;
            if store.inner.shelf.free_bytes()? < limits::LOG_RESERVE_BYTES as u64 {
                return Err(Fault::Folder("the disk is full".into()));
            }
            let mut segment = match segment {
                Some(segment) => segment,
                None => Segment::begin(data_dir, segments::list(data_dir)?.last().map_or(1, |(number, _)| number + 1), now)?,
            };
            let (mut told, mut counts) = (Vec::new(), HashMap::new());
            for piece in segments::pieces(&lines) {
                let first = segment.append(&store.inner.keys, piece)?;
                for (place, line) in (first.line..).zip(piece) {
                    let count = counts.entry(line.source.clone()).or_insert((0_u64, line.received));
                    *count = (count.0 + 1, line.received);
                    told.extend(judge::tell(&known, LineRef { segment: first.segment, line: place }, line));
                }
            }
            Ok((segment, told, counts))
        })
        .await?;
        work.segment = Some(segment);
        self.inner.gathering.hear(&told, &counts);
        work.desk.waiting.extend(told.into_iter().filter(|told| told.says_something()));
        Ok(())
    }

    async fn close_segment(&self, work: &mut Work) -> Result<(), Fault> {
        let Some(segment) = work.segment.take() else { return Ok(()) };
        let whole = segment.whole();
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogSegmentClosed { segment: segment.number, lines: whole.lines, bytes: whole.bytes, digest: whole.digest });
        tx.commit().await
    }

    async fn judge_round(&self, work: &mut Work) -> Result<(), Fault> {
        let now = self.now();
        let slow = now >= work.slow_at;
        if work.desk.waiting.is_empty() && !slow {
            return Ok(());
        }
        let last = self.judge_waiting(&mut work.desk, slow).await?;
        if slow {
            work.slow_at = now.plus(SLOW);
            // Up to the first that still waits, all were judged.
            let done = match work.desk.waiting.iter().map(|told| told.at.clone()).min() {
                Some(first) if first.line > 0 => Some(LineRef { line: first.line - 1, ..first }),
                Some(_) => None,
                None => work.segment.as_ref().filter(|segment| segment.lines > 0).map(|segment| LineRef { segment: segment.number, line: segment.lines - 1 }).or(last),
            };
            if done.is_some() && done > work.judged {
                self.save_judged(done.as_ref()).await?;
                work.judged = done;
            }
            self.tell_lost().await?;
            self.drop_old_segments(work.segment.as_ref().map(|segment| segment.number)).await?;
        }
        Ok(())
    }

    /// Writes down how far lines were judged, and what was counted of the sources.
    async fn save_judged(&self, done: Option<&LineRef>) -> Result<(), Fault> {
        let counted: Vec<(LogSourceId, Heard)> = self.inner.gathering.heard.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(_, heard)| heard.unsaved > 0).map(|(id, heard)| (id.clone(), *heard)).collect();
        let mut tx = self.write(&Actor::system()).await?;
        if let Some(done) = done {
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .bind(JUDGED)
                .bind(format!("{} {}", done.segment, done.line))
                .execute(tx.sql())
                .await?;
        }
        for (id, heard) in &counted {
            sqlx::query("UPDATE log_sources SET last_at = $1, pause_ms = $2, lines = lines + $3 WHERE id = $4")
                .bind(heard.last.0)
                .bind(i64::try_from(heard.pause.as_millis()).unwrap_or(i64::MAX))
                .bind(i64::try_from(heard.unsaved).unwrap_or(i64::MAX))
                .bind(id.as_str().to_owned())
                .execute(tx.sql())
                .await?;
        }
        tx.commit().await?;
        let mut all = self.inner.gathering.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, saved) in counted {
            if let Some(heard) = all.get_mut(&id) {
                heard.unsaved -= saved.unsaved.min(heard.unsaved);
            }
        }
        Ok(())
    }

    /// Tells of lines that were lost since the last time.
    async fn tell_lost(&self) -> Result<(), Fault> {
        let lost: Vec<(LogSourceId, u64)> = self.inner.gathering.lost.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        if lost.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for (source, lines) in lost {
            let host = self.source_known(&source).and_then(|source| source.hosts.first().cloned()).unwrap_or_default();
            tx.fact(Fact::LogLost { source, host, lines });
        }
        tx.commit().await
    }

    /// Deletes parts that are older than they are kept, and the oldest where all together are too large. The log is told first.
    async fn drop_old_segments(&self, current: Option<u64>) -> Result<(), Fault> {
        let Some(settings) = self.inner.settings.target_logs.clone() else { return Ok(()) };
        let store = self.clone();
        let parts = blocking(move || segments::list(&store.inner.settings.data_dir)).await?;
        let last = parts.last().map(|(number, _)| *number);
        let (mut total, oldest_kept) = (parts.iter().map(|(_, bytes)| bytes).sum::<u64>(), self.now().minus(Duration::from_secs(u64::from(settings.keep_days) * 24 * 3600)));
        let (mut gone, mut why) = (Vec::new(), "age");
        for (number, bytes) in &parts {
            if Some(*number) == current || Some(*number) == last {
                break;
            }
            let size = total > settings.keep_bytes;
            let age = self.segment_closed_at(*number).await?.is_some_and(|closed| closed < oldest_kept);
            if !size && !age {
                break;
            }
            if size {
                why = "size";
            }
            total -= bytes;
            gone.push(*number);
        }
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else { return Ok(()) };
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogSegmentsDropped { first: *first, last: *last, why: why.to_owned() });
        tx.commit().await?;
        let store = self.clone();
        blocking(move || gone.iter().try_for_each(|number| segments::remove(&store.inner.settings.data_dir, *number))).await
    }

    async fn segment_closed_at(&self, number: u64) -> Result<Option<Timestamp>, Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE kind = 'log_segment_closed' ORDER BY seq LIMIT 5000").fetch_all(self.read()).await?;
        for row in rows {
            let entry: sekisho_core::facts::Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            if matches!(entry.fact, Fact::LogSegmentClosed { segment, .. } if segment == number) {
                return Ok(Some(entry.at));
            }
        }
        Ok(None)
    }

    /// The lines round the one of a case, as they were kept, with the time of their receipt.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`] if there is none, or its part was deleted.
    pub async fn case_lines(&self, actor: &Actor, id: &CaseId) -> Done<Vec<(Timestamp, String, bool)>> {
        may(actor, Action::ReadLedger, None)?;
        let case = self.case(actor, id).await?;
        let at = case.kept.clone().ok_or(Refusal::NotFound)?;
        let store = self.clone();
        let source = case.source.clone();
        let lines = blocking(move || {
            let mut found = Vec::new();
            segments::read(&store.inner.settings.data_dir, at.segment, &store.inner.keys, |number, line| {
                if number.abs_diff(at.line) <= 5 && source.as_ref() == Some(&line.source) {
                    found.push((line.received, judge::shown(&line.bytes).0, number == at.line));
                }
            })?;
            Ok(found)
        });
        Ok(lines.await.map_err(|_| Refusal::NotFound)?)
    }

    /// A source by its identifier.
    pub(super) fn source_known(&self, id: &LogSourceId) -> Option<LogSource> {
        self.inner.gathering.known().all.get(id).cloned()
    }
}
