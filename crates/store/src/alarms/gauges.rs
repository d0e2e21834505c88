//! The box in numbers, for monitoring: what stands in memory and in rows, never a name of a person or a target.

use super::ReceiverRow;
use crate::Store;
use crate::fault::{Done, Fault};
use rustix::fs::statvfs;
use sekisho_core::alarm::Level;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sqlx::Row;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// The box in numbers.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Sessions that run.
    pub sessions: u64,
    /// Entries of the log.
    pub log_entries: u64,
    /// Entries that the published checkpoint does not cover.
    pub log_unpublished: u64,
    /// Seconds since the last checkpoint was signed; none if there is none.
    pub checkpoint_age: Option<u64>,
    /// Recordings of sessions that ended.
    pub recordings: u64,
    /// Their bytes.
    pub recordings_bytes: u64,
    /// Bytes free where the data folder lies.
    pub disk_free: u64,
    /// Size of that disk.
    pub disk_size: u64,
    /// Letters that wait.
    pub mails_waiting: u64,
    /// Alarms that are not closed, by level.
    pub alarms: BTreeMap<Level, u64>,
    /// Refusals since the start of the program, by code.
    pub refusals: BTreeMap<String, u64>,
    /// The receivers of alarms and events.
    pub receivers: Vec<ReceiverRow>,
    /// Seconds by which the clock stands behind the last entry of the log.
    pub clock_behind: u64,
}

impl Store {
    /// The box in numbers.
    ///
    /// # Errors
    /// Without the right to read them; a database that does not answer.
    pub async fn gauges(&self, actor: &Actor) -> Done<Gauges> {
        self.require(actor, Action::ReadMetrics, None, "metrics").await?;
        Ok(self.count_all().await?)
    }

    async fn count_all(&self) -> Result<Gauges, Fault> {
        let number = |query: &'static str| async move {
            let row = sqlx::query(query).fetch_one(self.read()).await?;
            Ok::<u64, Fault>(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
        };
        let disk = statvfs(self.data_dir()).map_err(|error| Fault::Io { what: "asking for free disk space".into(), source: error.into() })?;
        let last = sqlx::query("SELECT at FROM checkpoints ORDER BY size DESC LIMIT 1").fetch_optional(self.read()).await?;
        let now = self.now();
        let checkpoint_age = last.map(|row| row.try_get::<i64, _>("at")).transpose()?.map(|at| u64::try_from(now.0.saturating_sub(at) / 1000).unwrap_or(0));
        let mut alarms: BTreeMap<Level, u64> = Level::ALL.into_iter().map(|level| (level, 0)).collect();
        for row in sqlx::query("SELECT level, COUNT(*) AS n FROM alarms WHERE state <> 'closed' GROUP BY level").fetch_all(self.read()).await? {
            if let Some(level) = super::level_of(row.try_get("level")?) {
                alarms.insert(level, u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0));
            }
        }
        let refusals = self.inner.bells.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (size, published) = (self.inner.log.size(), self.inner.log.published());
        Ok(Gauges {
            sessions: number("SELECT COUNT(*) AS n FROM sessions WHERE ended_at IS NULL").await?,
            log_entries: size,
            log_unpublished: size.saturating_sub(published),
            checkpoint_age,
            recordings: number("SELECT COUNT(*) AS n FROM sessions WHERE ended_at IS NOT NULL").await?,
            recordings_bytes: number("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS n FROM sessions").await?,
            disk_free: disk.f_bavail.saturating_mul(disk.f_frsize),
            disk_size: disk.f_blocks.saturating_mul(disk.f_frsize),
            mails_waiting: number("SELECT COUNT(*) AS n FROM mails WHERE state = 'waiting'").await?,
            alarms,
            refusals,
            receivers: self.receiver_rows().await?,
            clock_behind: u64::try_from(self.inner.log.last_at().0.saturating_sub(self.inner.clock.now().0) / 1000).unwrap_or(0),
        })
    }
}
