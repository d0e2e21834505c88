//! How the box is, in numbers and sentences, for `sekisho doctor` and the operator's page.

use crate::db::Dialect;
use crate::Store;
use crate::fault::Done;
use rustix::fs::statvfs;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use sqlx::Row;

/// Space that one hour of a busy terminal session takes at most, for the warning before the refusal.
const WARN_BELOW_BYTES: u64 = 4 * limits::DISK_RESERVE_BYTES as u64;

/// How the box is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Bytes free where the data folder lies.
    pub disk_free: u64,
    /// Size of that disk.
    pub disk_size: u64,
    /// Entries of the log.
    pub log_size: u64,
    /// Entries that the published checkpoint covers.
    pub log_published: u64,
    /// When the last checkpoint was signed.
    pub last_checkpoint: Option<Timestamp>,
    /// Sessions that run.
    pub running_sessions: u64,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// The time that the box goes by.
    pub clock: Timestamp,
    /// Milliseconds by which the clock stands behind the last entry of the log; 0 on a sound clock.
    pub clock_behind_ms: u64,
    /// Persons who are locked out.
    pub locked: u64,
    /// What somebody should look at, one English sentence each.
    pub problems: Vec<String>,
}

impl Store {
    /// How the box is.
    ///
    /// # Errors
    /// Without the right to read the log or the ledgers; a database that does not answer.
    pub async fn health(&self, actor: &Actor) -> Done<Health> {
        may(actor, Action::ReadLog, None).or_else(|_| may(actor, Action::ReadLedger, None))?;
        let disk = statvfs(self.data_dir()).map_err(|error| crate::Fault::Io { what: "asking for free disk space".into(), source: error.into() })?;
        let disk_free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let running = sqlx::query("SELECT COUNT(*) AS n FROM sessions WHERE ended_at IS NULL").fetch_one(self.read()).await?.try_get::<i64, _>("n")?;
        let locked = sqlx::query("SELECT COUNT(*) AS n FROM failures WHERE subject LIKE 'login:%' AND locked_until > $1").bind(self.now().0).fetch_one(self.read()).await?;
        let last = sqlx::query("SELECT at FROM checkpoints ORDER BY size DESC LIMIT 1").fetch_optional(self.read()).await?;
        let clock = self.inner.clock.now();
        let behind = u64::try_from(self.inner.log.last_at().0.saturating_sub(clock.0)).unwrap_or(0);
        let mut health = Health {
            disk_free,
            disk_size: disk.f_blocks.saturating_mul(disk.f_frsize),
            log_size: self.inner.log.size(),
            log_published: self.inner.log.published(),
            last_checkpoint: last.map(|row| row.try_get("at").map(Timestamp)).transpose()?,
            running_sessions: u64::try_from(running).unwrap_or(0),
            database: if self.inner.db.dialect() == Dialect::Sqlite { "sqlite" } else { "postgres" },
            clock,
            clock_behind_ms: behind,
            locked: u64::try_from(locked.try_get::<i64, _>("n")?).unwrap_or(0),
            problems: Vec::new(),
        };
        health.problems = self.problems(&health);
        Ok(health)
    }

    fn problems(&self, health: &Health) -> Vec<String> {
        let mut found = Vec::new();
        if health.disk_free < limits::DISK_RESERVE_BYTES as u64 {
            found.push(format!("No session is admitted: only {} MiB are free on the disk.", health.disk_free >> 20));
        } else if health.disk_free < WARN_BELOW_BYTES {
            found.push(format!("The disk is filling up: {} MiB are free.", health.disk_free >> 20));
        }
        if let Some(trouble) = self.inner.log.trouble() {
            found.push(format!("The log cannot be published: {trouble}."));
        }
        if health.clock_behind_ms > 1000 {
            found.push(format!("The clock stands {} s behind the log; set it right.", health.clock_behind_ms / 1000));
        }
        found.extend(self.inner.shelf.alarms());
        found
    }
}
