//! Targets' logs: taken in, written down as they came, then read for logins, which are held against the sessions.
//!
//! One task does all of it in this order: what came is on the disk before anybody reads it. Who sends faster than that waits.

mod authority;
mod cases;
mod gatherer;
mod imports;
mod judge;
mod led;
mod listed;
mod segments;
mod sources;

pub use led::KnownFrom;
pub use sources::{LogSourceRow, NewLogSource};

use crate::Store;
use crate::certificates::AwayCount;
use crate::fault::{Done, Fault};
use crate::log::blocking;
use crate::write::Tx;
use cases::Board;
use judge::{Desk, Told};
use led::Seen;
use segments::{RawLine, Segment, Whole};
use sekisho_core::around::{LineRef, LogSource};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{CaseId, LogSourceId, LoginAllowId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sources::Known;
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{MutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};

/// The row of `meta` that holds up to where lines were judged.
const JUDGED: &str = "target_logs_judged";
/// Between two rounds of judging without anything new.
const ROUND: Duration = Duration::from_secs(1);
/// Between two rounds of what need not be seen at once: silence, sessions without a word, the age of parts, the counts.
const SLOW: Duration = Duration::from_secs(10);
/// Between two entries that tell how far the part in work has come.
const GREW: Duration = Duration::from_secs(600);
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
    /// Connections of each source that had one, and since when there is none.
    links: Mutex<HashMap<LogSourceId, (usize, Timestamp)>>,
    /// Uses of the list of allowed logins that are not written down yet: how many, and the last.
    used: Mutex<HashMap<LoginAllowId, (u64, Timestamp)>>,
    /// The day, and what was taken of each source on it.
    taken: Mutex<(i64, HashMap<LogSourceId, u64>)>,
    door: OnceLock<mpsc::UnboundedSender<Parcel>>,
    room: Arc<Semaphore>,
    away: AwayCount,
    authority: OnceLock<Vec<u8>>,
    board: tokio::sync::Mutex<Board>,
    /// The addresses at which targets answered, as the task knows them.
    seen: RwLock<Arc<Seen>>,
    /// Files of logs are read in one at a time.
    imports: tokio::sync::Mutex<()>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            heard: Mutex::default(),
            lost: Mutex::default(),
            links: Mutex::default(),
            used: Mutex::default(),
            taken: Mutex::default(),
            door: OnceLock::new(),
            room: Arc::new(Semaphore::new(limits::LOG_WAITING_KIB)),
            away: AwayCount::default(),
            authority: OnceLock::new(),
            board: tokio::sync::Mutex::default(),
            seen: RwLock::default(),
            imports: tokio::sync::Mutex::default(),
        }
    }
}

impl Gathering {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_seen(&self, seen: &Seen) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen.clone());
    }

    pub(crate) fn put_sources(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    pub(crate) fn heard(&self, source: &LogSourceId) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(source).copied()
    }

    /// Whether a source that had a connection has had none for too long.
    fn is_unlinked(&self, source: &LogSourceId, now: Timestamp) -> bool {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(source).is_some_and(|(count, since)| *count == 0 && since.plus(sekisho_detect::join::UNLINKED) <= now)
    }

    /// The board, if nobody is at it.
    fn board_now(&self) -> Option<MutexGuard<'_, Board>> {
        self.board.try_lock().ok()
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
    /// Parts that nothing more goes into and of which the log does not tell yet.
    ended: Vec<(u64, Whole)>,
    /// The last line that is on the disk.
    end: Option<LineRef>,
    desk: Desk,
    judged: Option<LineRef>,
    slow_at: Timestamp,
    /// How much of the part in work the log tells of, and when it was told.
    grew: (u64, Timestamp),
    stuck: bool,
}

/// The parts of which the log tells.
#[derive(Default)]
struct SegmentsTold {
    closed: HashSet<u64>,
    /// The newest that was told of a part: lines, and digest of the chain.
    grew: HashMap<u64, (u64, String)>,
}

/// What kept lines from being written down.
enum Broken {
    /// Nothing was written.
    Before(Fault),
    /// Something may have been, and no more goes into this part.
    Torn(Fault),
}

type Written = (Vec<Told>, HashMap<LogSourceId, (u64, Timestamp)>);

/// Writes lines into the part in work, beginning one if there is none.
fn append_lines(store: &Store, segment: &mut Option<Segment>, lines: &[RawLine], known: &Known, now: Timestamp) -> Result<Written, Broken> {
    let data_dir = &store.inner.settings.data_dir;
    if store.inner.shelf.free_bytes().map_err(Broken::Before)? < limits::LOG_RESERVE_BYTES as u64 {
        return Err(Broken::Before(Fault::Folder("the disk is full".into())));
    }
    let segment = match segment {
        Some(segment) => segment,
        None => {
            let number = segments::list(data_dir).map_err(Broken::Before)?.last().map_or(1, |(number, _)| number + 1);
            segment.insert(Segment::begin(data_dir, number, now).map_err(Broken::Before)?)
        }
    };
    let (mut told, mut counts) = (Vec::new(), HashMap::new());
    for piece in segments::pieces(lines) {
        let first = segment.append(&store.inner.keys, piece).map_err(Broken::Torn)?;
        for (place, line) in (first.line..).zip(piece) {
            let count = counts.entry(line.source.clone()).or_insert((0_u64, line.received));
            *count = (count.0 + 1, line.received);
            told.extend(judge::tell(known, LineRef { segment: first.segment, line: place }, line));
        }
    }
    Ok((told, counts))
}

/// The parts that lie on the disk, the oldest first: number, size, and when it was begun.
pub(crate) fn parts_on_disk(data_dir: &std::path::Path) -> Result<Vec<(u64, u64, Option<Timestamp>)>, Fault> {
    let parts = segments::list(data_dir)?;
    Ok(parts.into_iter().map(|(number, bytes)| (number, bytes, segments::began(data_dir, number).ok())).collect())
}

/// What they take together.
pub(crate) fn bytes_on_disk(data_dir: &std::path::Path) -> Result<u64, Fault> {
    Ok(segments::list(data_dir)?.iter().map(|(_, bytes)| bytes).sum())
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

    /// Tells of what a crash left untold, and reads again what was not judged.
    async fn begin_gathering(&self) -> Result<Work, Fault> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(JUDGED).fetch_optional(self.read()).await?;
        let judged: Option<String> = row.map(|row| row.try_get("value")).transpose()?;
        let judged = judged.as_deref().and_then(|text| text.split_once(' ')).and_then(|(segment, line)| Some(LineRef { segment: segment.parse().ok()?, line: line.parse().ok()? }));
        let store = self.clone();
        let parts = blocking(move || segments::list(&store.inner.settings.data_dir)).await?;
        self.load_board(&mut *self.inner.gathering.board().await).await?;
        let mut work = Work { segment: None, ended: Vec::new(), end: None, desk: Desk::default(), judged, slow_at: self.now(), grew: (0, self.now()), stuck: false };
        let told = self.segments_told().await?;
        for (number, _) in parts {
            let after = match &work.judged {
                Some(judged) if judged.segment > number => None,
                Some(judged) if judged.segment == number => Some(judged.line.saturating_add(1)),
                _ => Some(0),
            };
            if after.is_none() && told.closed.contains(&number) {
                continue;
            }
            match self.read_again(&mut work, number, after.unwrap_or(u64::MAX)).await {
                Ok((whole, marks)) => {
                    // What the log told of its beginning must be there still.
                    if let Some((lines, digest)) = told.grew.get(&number)
                        && marks.get(lines) != Some(digest)
                    {
                        self.inner.shelf.alarm(format!("Part {number} of targets' logs was changed by somebody else: its first {lines} lines are others than the log tells."));
                    }
                    if !told.closed.contains(&number) {
                        work.ended.push((number, whole));
                    }
                }
                Err(Fault::Damaged(fault)) => self.inner.shelf.alarm(format!("Part {number} of targets' logs is damaged: {fault}.")),
                Err(fault) => return Err(fault),
            }
        }
        self.tell_ended(&mut work).await?;
        Ok(work)
    }

    /// Reads a part again and judges what it tells from a line on, in rounds of bounded size. Gives what the part holds, and the
    /// digest of its chain after each batch, by the number of lines.
    async fn read_again(&self, work: &mut Work, number: u64, mut after: u64) -> Result<(Whole, HashMap<u64, String>), Fault> {
        loop {
            let (store, known) = (self.clone(), self.inner.gathering.known());
            let (whole, told, marks) = blocking(move || {
                let (mut told, mut marks) = (Vec::new(), HashMap::new());
                let each = |at: u64, line: RawLine| {
                    if at >= after && told.len() < limits::LOG_PENDING {
                        told.extend(judge::tell(&known, LineRef { segment: number, line: at }, &line).filter(Told::says_something));
                    }
                };
                let whole = segments::read_marked(&store.inner.settings.data_dir, number, &store.inner.keys, each, |lines, digest| drop(marks.insert(lines, digest.to_string())))?;
                Ok((whole, told, marks))
            })
            .await?;
            let full = told.len() >= limits::LOG_PENDING;
            let end = match told.last() {
                Some(last) if full => last.at.line,
                _ => whole.lines.saturating_sub(1),
            };
            work.desk.waiting.extend(told);
            work.end = Some(LineRef { segment: number, line: end });
            self.judge_waiting(&mut work.desk, false, work.end.as_ref()).await?;
            if !full {
                return Ok((whole, marks));
            }
            after = end + 1;
        }
    }

    /// The parts of which the log tells: that they are closed, or how far they came.
    async fn segments_told(&self) -> Result<SegmentsTold, Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE kind IN ('log_segment_closed', 'log_segment_grew') ORDER BY seq DESC LIMIT 20000").fetch_all(self.read()).await?;
        let mut told = SegmentsTold::default();
        for row in rows {
            let entry: sekisho_core::facts::Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            match entry.fact {
                Fact::LogSegmentClosed { segment, .. } => drop(told.closed.insert(segment)),
                Fact::LogSegmentGrew { segment, lines, digest } => drop(told.grew.entry(segment).or_insert((lines, digest))),
                _ => {}
            }
        }
        Ok(told)
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
        if work.segment.as_ref().is_some_and(|segment| segment.bytes >= segments::SEGMENT_BYTES || segment.began.plus(SEGMENT_AGE) <= now) {
            work.ended.extend(work.segment.take().map(|segment| (segment.number, segment.whole())));
        }
        self.tell_ended(work).await?;
        let (store, lines, known, mut segment) = (self.clone(), Arc::clone(lines), self.inner.gathering.known(), work.segment.take());
        let (segment, written) = blocking(move || {
            let written = append_lines(&store, &mut segment, &lines, &known, now);
            Ok((segment, written))
        })
        .await?;
        match (segment, &written) {
            // What was half written cannot be gone on with; the next part begins anew.
            (Some(segment), Err(Broken::Torn(_))) => work.ended.push((segment.number, segment.whole())),
            (segment, _) => work.segment = segment,
        }
        let (told, counts) = written.map_err(|(Broken::Torn(fault) | Broken::Before(fault))| fault)?;
        work.end = work.segment.as_ref().filter(|segment| segment.lines > 0).map(|segment| LineRef { segment: segment.number, line: segment.lines - 1 }).or(work.end.take());
        self.inner.gathering.hear(&told, &counts);
        work.desk.waiting.extend(told.into_iter().filter(|told| told.says_something()));
        Ok(())
    }

    /// Tells of the parts that nothing more goes into.
    async fn tell_ended(&self, work: &mut Work) -> Result<(), Fault> {
        if work.ended.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for (number, whole) in &work.ended {
            tx.fact(Fact::LogSegmentClosed { segment: *number, lines: whole.lines, bytes: whole.bytes, digest: whole.digest.clone() });
        }
        tx.commit().await?;
        work.ended.clear();
        Ok(())
    }

    /// Tells how far the part in work has come, so that its beginning cannot be changed from here on.
    async fn tell_growth(&self, work: &mut Work, now: Timestamp) -> Result<(), Fault> {
        let Some(segment) = work.segment.as_ref().filter(|segment| segment.lines != work.grew.0 && work.grew.1.plus(GREW) <= now) else { return Ok(()) };
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogSegmentGrew { segment: segment.number, lines: segment.lines, digest: segment.whole().digest });
        tx.commit().await?;
        work.grew = (segment.lines, now);
        Ok(())
    }

    async fn judge_round(&self, work: &mut Work) -> Result<(), Fault> {
        let now = self.now();
        let slow = now >= work.slow_at;
        if work.desk.waiting.is_empty() && !slow {
            return Ok(());
        }
        let done = self.judge_waiting(&mut work.desk, slow, work.end.as_ref()).await?;
        if slow {
            work.slow_at = now.plus(SLOW);
            let done = done.filter(|done| Some(done) > work.judged.as_ref());
            self.save_judged(done.as_ref()).await?;
            work.judged = done.or(work.judged.take());
            self.tell_lost().await?;
            self.tell_ended(work).await?;
            self.tell_growth(work, now).await?;
            self.drop_old_segments(work.segment.as_ref().map(|segment| segment.number)).await?;
        }
        Ok(())
    }

    pub(super) async fn put_judged(&self, tx: &mut Tx, done: &LineRef) -> Result<(), Fault> {
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(JUDGED)
            .bind(format!("{} {}", done.segment, done.line))
            .execute(tx.sql())
            .await?;
        Ok(())
    }

    /// Writes down how far lines were judged, and what was counted of the sources.
    async fn save_judged(&self, done: Option<&LineRef>) -> Result<(), Fault> {
        let counted: Vec<(LogSourceId, Heard)> = self.inner.gathering.heard.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(_, heard)| heard.unsaved > 0).map(|(id, heard)| (id.clone(), *heard)).collect();
        let used: Vec<(LoginAllowId, (u64, Timestamp))> = self.inner.gathering.used.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        if done.is_none() && counted.is_empty() && used.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        if let Some(done) = done {
            self.put_judged(&mut tx, done).await?;
        }
        for (id, (count, last)) in &used {
            sqlx::query("UPDATE login_allows SET used = used + $1, used_at = $2 WHERE id = $3").bind(i64::try_from(*count).unwrap_or(i64::MAX)).bind(last.0).bind(id.as_str().to_owned()).execute(tx.sql()).await?;
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

    /// Deletes parts that are older than they are kept, and the oldest where all together are too large; none that a hold keeps.
    /// The log is told first.
    async fn drop_old_segments(&self, current: Option<u64>) -> Result<(), Fault> {
        if !self.clock_deletes() {
            return Ok(());
        }
        let Some(settings) = self.inner.settings.target_logs.clone() else { return Ok(()) };
        let Some(gone) = self.droppable(current, settings.keep_bytes).await? else { return Ok(()) };
        let (Some(first), Some(last)) = (gone.numbers.first(), gone.numbers.last()) else { return Ok(()) };
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::LogSegmentsDropped { first: *first, last: *last, why: gone.why.to_owned() });
        tx.commit().await?;
        let store = self.clone();
        blocking(move || gone.numbers.iter().try_for_each(|number| segments::remove(&store.inner.settings.data_dir, *number))).await
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
