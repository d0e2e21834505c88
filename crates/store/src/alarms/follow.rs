//! Who follows the log. The number of the next entry lies in the same transaction as the alarms that the entries before it
//! raised, so a crash loses none and doubles none. Entries that raise nothing are passed over without a write.

use super::known::Cache;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::log::as_i64;
use sekisho_core::alarm::{Known, Thresholds, derive};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::sync::PoisonError;
use std::time::Duration;

/// Between two looks at what is new.
const ROUND: Duration = Duration::from_secs(1);
/// The same after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(5);
/// Rounds between two looks around: at what no entry tells of.
const ROUNDS_TO_LOOK: u32 = 20;
/// Entries of one round.
const ENTRIES: i64 = 200;
/// Entries that raised nothing, after which the place is written down all the same.
const QUIET: u64 = 5_000;
/// Entries that are older than this at the first start of all raise nothing: they were seen by whoever was there.
const OLD: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Raises alarms until the store is closed or the task is ended. Run it once, as a task of its own.
    pub async fn run_alarms(&self) {
        let mut round = 0_u32;
        loop {
            if self.inner.log.is_closed() {
                return;
            }
            if round.is_multiple_of(ROUNDS_TO_LOOK)
                && let Err(denied) = self.watch_time().await
            {
                tracing::error!(%denied, "ALARM: the box could not look around; it tries again");
            }
            round = round.wrapping_add(1);
            let rest = match self.raise_due().await {
                Ok(()) => ROUND,
                Err(_) if self.inner.log.is_closed() => return,
                Err(denied) => {
                    tracing::error!(%denied, "ALARM: alarms cannot follow the log; the next round tries again");
                    AFTER_FAULT
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Looks at every entry that was not looked at, and tells of what nobody took on, as [`Store::run_alarms`] does each
    /// second.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn raise_due(&self) -> Done<()> {
        while self.follow_round().await? {}
        self.escalate_due().await?;
        Ok(())
    }

    /// The place after the entry of which the last alarm told.
    async fn last_raised(&self) -> Result<u64, Fault> {
        let row = sqlx::query("SELECT body FROM log WHERE kind = 'alarm_raised' ORDER BY seq DESC LIMIT 1").fetch_optional(self.read()).await?;
        let entry: Option<Entry> = row.map(|row| Ok::<_, Fault>(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?)).transpose()?;
        Ok(match entry.map(|entry| entry.fact) {
            Some(Fact::AlarmRaised { entry, .. }) => entry + 1,
            _ => 0,
        })
    }

    /// Looks at some entries; true if there are more.
    async fn follow_round(&self) -> Result<bool, Denied> {
        let mut ahead = self.inner.bells.following.lock().await;
        let size = self.inner.log.size();
        let kept = sqlx::query("SELECT next, since FROM alarm_cursor WHERE one = 1").fetch_optional(self.read()).await?;
        let Some(kept) = kept else {
            let mut tx = self.write(&Actor::system()).await?;
            let since = tx.now().minus(OLD);
            sqlx::query("INSERT INTO alarm_cursor (one, next, since) VALUES (1, 0, $1)").bind(since.0).execute(tx.sql()).await?;
            tx.commit().await?;
            return Ok(true);
        };
        let since = Timestamp(kept.try_get("since")?);
        // Whoever moves the place beyond the end silences what comes: then it is looked for again, from the last that was told.
        let mut written = u64::try_from(kept.try_get::<i64, _>("next")?).unwrap_or(0);
        if written > size {
            self.note_damaged("alarm_cursor", "1", "changed");
            written = self.last_raised().await?.min(size);
            let mut tx = self.write(&Actor::system()).await?;
            sqlx::query("UPDATE alarm_cursor SET next = $1 WHERE one = 1").bind(as_i64(written)).execute(tx.sql()).await?;
            tx.commit().await?;
        }
        let from = ahead.unwrap_or(written).clamp(written, size);
        if from >= size {
            return Ok(false);
        }
        let rows = sqlx::query("SELECT seq, body FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3").bind(as_i64(from)).bind(as_i64(size)).bind(ENTRIES).fetch_all(self.read()).await?;
        let Some(last) = rows.last() else { return Ok(false) };
        let next = u64::try_from(last.try_get::<i64, _>("seq")?).unwrap_or(from) + 1;
        let bounds = Thresholds::of(self.policy());
        let mut cache = Cache::default();
        let (mut raised, mut volumes) = (Vec::new(), Vec::new());
        for row in &rows {
            // Entries are the log's own; one that cannot be read is the publisher's matter and holds up no other.
            let Ok(entry) = serde_json::from_slice::<Entry>(row.try_get::<&[u8], _>("body")?) else { continue };
            let refused = match &entry.fact {
                Fact::Refused { code, .. } => Some(code.as_str()),
                Fact::RefusedInside { asked, .. } => Some(asked.refusal.code()),
                _ => None,
            };
            if let Some(code) = refused {
                *self.inner.bells.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(code.to_owned()).or_default() += 1;
            }
            // Whoever damages a row that tells of the past takes away what is usual, and silences nothing.
            let known = match self.known(&entry, &mut cache).await {
                Ok(known) => known,
                Err(Fault::Damaged(fault)) => {
                    tracing::warn!(seq = entry.seq, fault, "nothing is known of the past of an entry");
                    Known::default()
                }
                Err(fault) => return Err(fault.into()),
            };
            if let (Fact::Left { session, .. }, Some(of)) = (&entry.fact, &known.session) {
                volumes.push((session.clone(), of.person.clone(), of.target.clone(), entry.at, known.volume));
            }
            if entry.at >= since {
                raised.extend(derive(&entry, &known, &bounds).into_iter().map(|one| (entry.seq, entry.at, one)));
            }
        }
        if raised.is_empty() && volumes.is_empty() && next - written < QUIET {
            *ahead = Some(next);
            return Ok(next < size);
        }
        let mut tx = self.write(&Actor::system()).await?;
        for (session, person, target, at, bytes) in volumes {
            sqlx::query("INSERT INTO alarm_volumes (session, person, target, at, bytes) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session) DO NOTHING")
                .bind(session.as_str().to_owned())
                .bind(person.as_str().to_owned())
                .bind(target.as_str().to_owned())
                .bind(at.0)
                .bind(as_i64(bytes))
                .execute(tx.sql())
                .await?;
        }
        let any = !raised.is_empty();
        for (seq, at, one) in raised {
            self.raise(&mut tx, seq, at, one).await?;
        }
        sqlx::query("UPDATE alarm_cursor SET next = $1 WHERE one = 1").bind(as_i64(next)).execute(tx.sql()).await?;
        tx.commit().await?;
        *ahead = Some(next);
        if any {
            self.count_open_alarms().await?;
            self.inner.bells.queued.notify_waiters();
        }
        Ok(next < self.inner.log.size())
    }
}
