//! 証跡レビューと報告: the clockwork that makes the list of each span and issues the reports of each month, and what people do with them.
//!
//! What is due follows from the log alone: the spans that were opened and issued are read from its entries, and a row that somebody takes
//! away is not made a second time. Each is made in one transaction with its entry, so that a crash leaves neither a gap nor a double.

mod reading;
mod reports;
mod reviews;

pub use reports::{PeriodReportView, Recount};
pub use reviews::{LogReviewDuty, LogReviewView};

use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::write::Tx;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::letter::Letter;
use sekisho_core::limits;
use sekisho_core::log_review::LogReview;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::span::{Span, SpanKind};
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Between two looks at whether something is due.
const ROUND: Duration = Duration::from_secs(15);
/// The same after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(600);
/// Spans that one round makes at most, after the box was off for long; the next round goes on.
const SPANS_A_ROUND: usize = 120;
/// Entries that one query reads by their numbers.
const AT_ONCE: usize = 500;
/// Persons that are looked through for holders of a role.
const PERSONS: i64 = 2_000;

/// What the clockwork remembers.
#[derive(Default)]
pub(crate) struct Clockwork {
    /// Held by whoever makes lists and reports.
    turn: tokio::sync::Mutex<()>,
    /// Held by the one recount that runs; when each vendor last had one.
    recount: tokio::sync::Mutex<std::collections::BTreeMap<sekisho_core::ids::VendorId, Timestamp>>,
    /// The next moment at which something is due; 0 after a start and after each act.
    next: AtomicI64,
    /// How often a review was made or changed since the start.
    changes: AtomicU64,
    /// Reviews that are not confirmed, as they were at that count: pages of every person ask for them.
    waiting: std::sync::Mutex<Option<(u64, Arc<Vec<LogReview>>)>>,
}

/// How reviews are held from some moment on, as the log says.
struct Schedule {
    cycle: SpanKind,
    from: Timestamp,
    sample: u32,
    at: Timestamp,
}

impl Store {
    /// Makes what is due, until the store is closed or the task is ended.
    pub(crate) async fn keep_reviews(&self) {
        loop {
            if self.inner.log.is_closed() {
                return;
            }
            if let Err(denied) = self.review_round().await {
                tracing::error!(%denied, "ALARM: reviews of the log or reports could not be made; the next round tries again");
            }
            self.rest(ROUND).await;
        }
    }

    /// Something was done, so what is due next has to be looked up.
    fn reviewing_changed(&self) {
        self.inner.reviewing.changes.fetch_add(1, Ordering::SeqCst);
        self.inner.reviewing.next.store(0, Ordering::SeqCst);
    }

    /// Makes the lists and reports of all spans that have ended, and tells of deadlines that have passed.
    pub(crate) async fn review_round(&self) -> Done<()> {
        if self.now().0 < self.inner.reviewing.next.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _turn = self.inner.reviewing.turn.lock().await;
        // An act that comes in between sets it back.
        self.inner.reviewing.next.store(i64::MAX, Ordering::SeqCst);
        let made = self.make_what_is_due().await;
        match made {
            Ok(next) => {
                let _ = self.inner.reviewing.next.compare_exchange(i64::MAX, next.0, Ordering::SeqCst, Ordering::SeqCst);
                Ok(())
            }
            Err(denied) => {
                if let Denied::Fault(Fault::LogBroken(what)) = &denied {
                    self.inner.shelf.alarm(format!("Nothing is reviewed or reported: {what}."));
                }
                // A pass over the whole log is not made anew every few seconds.
                self.inner.reviewing.next.store(self.now().plus(AFTER_FAULT).0, Ordering::SeqCst);
                Err(denied)
            }
        }
    }

    /// Gives the moment at which the next thing is due.
    async fn make_what_is_due(&self) -> Done<Timestamp> {
        let Some(began) = self.log_began().await? else { return Ok(Timestamp(0)) };
        let schedule = self.settle_schedule(began).await?;
        let mut next = Timestamp(i64::MAX);
        for n in 0..=SPANS_A_ROUND {
            let span = self.next_review(&schedule).await?;
            if self.now() < span.until {
                next = next.min(span.until);
                break;
            }
            if n == SPANS_A_ROUND {
                return Ok(Timestamp(0));
            }
            let sample = self.sample_for(span, &schedule).await?;
            self.open_log_review(schedule.cycle, span, sample).await?;
            self.inner.reviewing.changes.fetch_add(1, Ordering::SeqCst);
        }
        for kind in self.policy().report_years.kinds() {
            for n in 0..=SPANS_A_ROUND {
                let span = self.next_report(kind, schedule.at, began).await?;
                if self.now() < span.until {
                    next = next.min(span.until);
                    break;
                }
                if n == SPANS_A_ROUND {
                    return Ok(Timestamp(0));
                }
                self.issue_in_turn(kind, span).await?;
            }
        }
        let reviews = self.tell_late_reviews().await?;
        let reports = self.tell_late_reports().await?;
        Ok(next.min(reviews).min(reports))
    }

    /// The moment of the first entry of the log.
    async fn log_began(&self) -> Result<Option<Timestamp>, Fault> {
        Ok(self.entry_at(0).await?.map(|entry| entry.at))
    }

    async fn entry_at(&self, seq: u64) -> Result<Option<Entry>, Fault> {
        let row = sqlx::query("SELECT body FROM log WHERE seq = $1").bind(crate::log::as_i64(seq)).fetch_optional(self.read()).await?;
        row.map(|row| Ok(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?)).transpose()
    }

    /// The entries of these numbers, read many at once.
    async fn entries_at(&self, seqs: &BTreeSet<u64>) -> Result<BTreeMap<u64, Entry>, Fault> {
        let seqs: Vec<i64> = seqs.iter().map(|seq| crate::log::as_i64(*seq)).collect();
        let mut found = BTreeMap::new();
        for some in seqs.chunks(AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
            let text = sqlx::AssertSqlSafe(format!("SELECT seq, body FROM log WHERE seq IN ({})", places.join(",")));
            let query = some.iter().fold(sqlx::query(text), |query, seq| query.bind(*seq));
            for row in query.fetch_all(self.read()).await? {
                found.insert(row.try_get::<i64, _>("seq")?.unsigned_abs(), serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?);
            }
        }
        Ok(found)
    }

    /// The last entry of a kind for which `wanted` gives something.
    async fn last_of<T>(&self, kind: &'static str, wanted: impl Fn(Entry) -> Option<T>) -> Result<Option<T>, Fault> {
        let mut below = i64::MAX;
        loop {
            let rows = sqlx::query("SELECT seq, body FROM log WHERE kind = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1000").bind(kind).bind(below).fetch_all(self.read()).await?;
            let Some(last) = rows.last() else { return Ok(None) };
            below = last.try_get("seq")?;
            for row in &rows {
                if let Some(found) = wanted(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?) {
                    return Ok(Some(found));
                }
            }
        }
    }

    /// The schedule that holds. It is written into the log when it begins and whenever the configuration changes it, so that nobody makes a
    /// draw smaller afterwards.
    async fn settle_schedule(&self, began: Timestamp) -> Done<Schedule> {
        let (cycle, sample) = (self.policy().log_review.kind(), self.policy().log_review_sample);
        let held = self
            .last_of("log_review_scheduled", |entry| match entry.fact {
                Fact::LogReviewScheduled { cycle, from, sample } => Some(Schedule { cycle, from, sample, at: entry.at }),
                _ => None,
            })
            .await?;
        let from = match held {
            Some(held) if held.cycle == cycle && held.sample == sample => return Ok(held),
            // What was opened so far stays; what comes goes on where it ends.
            Some(held) => self.last_review().await?.map_or(held.from, |span| span.until),
            // The last span that is over is reviewed, if the log reaches back to it.
            None => first_span(cycle, self.now(), began).from,
        };
        let mut tx = self.write(&Actor::system()).await?;
        let at = tx.now();
        tx.fact(Fact::LogReviewScheduled { cycle, from, sample });
        tx.commit().await?;
        Ok(Schedule { cycle, from, sample, at })
    }

    /// The rate that the log named before a span began: one that is changed later counts from the span after.
    async fn sample_for(&self, span: Span, running: &Schedule) -> Result<u32, Fault> {
        if running.at < span.from {
            return Ok(running.sample);
        }
        let rates = self.last_of("log_review_scheduled", |entry| match entry.fact {
            Fact::LogReviewScheduled { sample, .. } if entry.at < span.from => Some(sample),
            _ => None,
        });
        if let Some(before) = rates.await? {
            return Ok(before);
        }
        // The first schedule of all was written within the first span.
        let row = sqlx::query("SELECT body FROM log WHERE kind = 'log_review_scheduled' ORDER BY seq LIMIT 1").fetch_optional(self.read()).await?;
        let first: Option<Entry> = row.map(|row| Ok::<_, Fault>(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?)).transpose()?;
        Ok(match first.map(|entry| entry.fact) {
            Some(Fact::LogReviewScheduled { sample, .. }) => sample,
            _ => running.sample,
        })
    }

    /// Writes a letter to everybody who holds the role: of the hospital, or of one vendor.
    async fn mail_role(&self, tx: &mut Tx, role: Role, vendor: Option<&str>, letter: &Letter) -> Result<usize, Fault> {
        if !self.mails() {
            return Ok(0);
        }
        let (since, now) = (self.since(), tx.now());
        let rows = sqlx::query("SELECT body, seal FROM persons WHERE active = 1 AND (vendor = $1 OR ($1 IS NULL AND vendor IS NULL)) ORDER BY id LIMIT $2")
            .bind(vendor.map(str::to_owned))
            .bind(PERSONS)
            .fetch_all(tx.sql())
            .await?;
        let holders = rows.iter().filter_map(|row| self.held::<Person>(row, since).ok()).filter(|person| person.may_act(now) && !person.emergency && person.robot.is_none() && person.is(role));
        let mut mails = 0;
        for person in holders.take(limits::ALARM_MAILS).collect::<Vec<_>>() {
            mails += usize::from(tx.mail(&person, letter).await?.to().is_some());
        }
        Ok(mails)
    }

    /// Notes that a deadline passed, once; false if that was noted before.
    async fn note_late(&self, tx: &mut Tx, key: String) -> Result<bool, Fault> {
        let now = tx.now();
        let told = sqlx::query("INSERT INTO duties_late (duty, at) VALUES ($1, $2) ON CONFLICT (duty) DO NOTHING").bind(key).bind(now.0).execute(tx.sql()).await?;
        Ok(told.rows_affected() == 1)
    }
}

/// The first span of a kind: the last one that is over, if the log reaches back to it, or the one that runs.
fn first_span(kind: SpanKind, now: Timestamp, began: Timestamp) -> Span {
    let running = Span::holding(kind, now);
    let over = running.before(kind);
    if over.until > began { over } else { running }
}
