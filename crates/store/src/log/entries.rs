//! Reading the log, and verifying it in place.

use super::as_i64;
use super::publish::blocking;
use crate::Store;
use crate::fault::{Done, Fault};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{PersonId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::verify::{Recordings, Verdict, verify};
use sqlx::Row;
use std::collections::BTreeSet;

/// Which entries to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// About this session.
    pub session: Option<SessionId>,
    /// About this plan.
    pub plan: Option<PlanId>,
    /// By this person.
    pub person: Option<PersonId>,
    /// Of this kind, such as `entered`.
    pub kind: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Numbers below this one: the next page begins at the last number of this one.
    pub before_seq: Option<u64>,
    /// Rows of a page; at most [`limits::PAGE_ROWS`] times ten, which is also the default's upper bound for exports.
    pub rows: Option<usize>,
}

impl Store {
    /// Entries of the log, the newest first.
    ///
    /// # Errors
    /// Without the right to read the log.
    pub async fn log_entries(&self, actor: &Actor, filter: &LogFilter) -> Done<Vec<Entry>> {
        may(actor, Action::ReadLog, None)?;
        self.entries(filter).await
    }

    /// Entries that leave the box as a file, the oldest first and at most [`limits::LOG_EXPORT_ENTRIES`], the newest of what was chosen. Who
    /// took which is in the log before this gives them. `chosen` says in words of the address what the filter is.
    ///
    /// # Errors
    /// Without the right to read the log; [`limits::LOG_EXPORTS_HOUR`] by one login within an hour.
    pub async fn export_log(&self, actor: &Actor, filter: &LogFilter, form: &'static str, chosen: &str) -> Done<Vec<Entry>> {
        self.require(actor, Action::ReadLog, None, "export the log").await?;
        // Each leaves an entry for good: nobody fills the log, and the list of those who review it, by asking again and again.
        let hour = self.now().0.saturating_sub(3_600_000);
        let text = "SELECT COUNT(*) AS n FROM log WHERE kind = 'log_taken' AND at >= $1 AND ($2 IS NULL OR person = $2)";
        let row = sqlx::query(text).bind(hour).bind(actor.person.as_ref().map(|id| id.as_str().to_owned())).fetch_one(self.read()).await?;
        if row.try_get::<i64, _>("n")? >= as_i64(limits::LOG_EXPORTS_HOUR as u64) {
            return Err(Refusal::too_many("LOG_EXPORTS_HOUR").into());
        }
        let step = limits::PAGE_ROWS * 10;
        let mut filter = LogFilter { rows: Some(step), ..filter.clone() };
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let entries = self.entries(&filter).await?;
            let is_last = entries.len() < step;
            filter.before_seq = entries.last().map(|last| last.seq);
            all.extend(entries);
            if is_last || all.len() >= limits::LOG_EXPORT_ENTRIES {
                break;
            }
        }
        all.truncate(limits::LOG_EXPORT_ENTRIES);
        all.reverse();
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::LogTaken { form: form.to_owned(), entries: all.len() as u64, first: all.first().map(|entry| entry.seq), last: all.last().map(|entry| entry.seq), chosen: chosen.to_owned() });
        tx.commit().await?;
        Ok(all)
    }

    /// The same without a right, for verbs that have checked their own.
    pub(crate) async fn entries(&self, filter: &LogFilter) -> Done<Vec<Entry>> {
        let count = filter.rows.unwrap_or(limits::PAGE_ROWS).min(limits::PAGE_ROWS * 10);
        let text = "SELECT body FROM log \
            WHERE ($1 IS NULL OR session = $1) AND ($2 IS NULL OR plan = $2) AND ($3 IS NULL OR person = $3) AND ($4 IS NULL OR kind = $4) \
            AND at >= $5 AND at < $6 AND seq < $7 ORDER BY seq DESC LIMIT $8";
        let rows = sqlx::query(text)
            .bind(filter.session.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.plan.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.person.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.kind.clone())
            .bind(filter.from.map_or(i64::MIN, |at| at.0))
            .bind(filter.until.map_or(i64::MAX, |at| at.0))
            .bind(filter.before_seq.map_or(i64::MAX, as_i64))
            .bind(as_i64(count as u64))
            .fetch_all(self.read())
            .await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<Entry, Fault> { Ok(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?) };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Publishes what is new, then verifies the published log and its recordings as an auditor's program would.
    ///
    /// # Errors
    /// A fault if it could not be published. What is wrong with the evidence is in the verdict, not an error.
    pub async fn verify_now(&self) -> Done<Verdict> {
        self.publish().await?;
        let rows = sqlx::query("SELECT id FROM sessions WHERE ended_at IS NULL UNION ALL SELECT id FROM robot_sessions WHERE ended_at IS NULL").fetch_all(self.read()).await?;
        let running: BTreeSet<String> = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        let (files, key) = (self.folder(), self.inner.keys.log().public().clone());
        Ok(blocking(move || Ok(verify(&files, &key, None, Recordings::Check { running: &running }))).await?)
    }
}
