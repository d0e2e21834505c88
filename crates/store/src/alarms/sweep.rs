//! What no entry tells of, because nothing happens: time that runs out, a disk that fills up, a publisher that stands still, and
//! what the recordings' own pulse found. It is written as a fact, once, and the alarm follows from that.

use crate::Store;
use crate::certificates::DeviceCertificate;
use crate::fault::{Done, Fault};
use crate::ledger::LEDGER_ROWS;
use rustix::fs::statvfs;
use sekisho_core::alarm::EndingThing;
use sekisho_core::exposure::Part;
use sekisho_core::facts::Fact;
use sekisho_core::letter::one_line;
use sekisho_core::limits;
use sekisho_core::line::Line;
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::sync::PoisonError;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days before an end at which it is told, the nearest first; 0 is the end itself.
const STAGES: [u32; 3] = [0, 7, 30];
/// What ended longer ago is told no more.
const LONG_AGO: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time for which entries may wait for the publisher.
const STUCK: Duration = Duration::from_secs(60);
/// Looks between two looks at what ends: about an hour.
const LOOKS_TO_ENDINGS: u32 = 180;
/// Room below which the disk is told of, as a multiple of the reserve.
const LOW: u64 = 4;

/// What the looks before this one told.
#[derive(Default)]
pub(crate) struct ToldBefore {
    looks: u32,
    /// Sentences of the recordings that were told.
    sentences: usize,
    /// How far the publisher was, and since when.
    published: Option<(u64, Timestamp)>,
    stuck: bool,
}

/// Something that ends.
struct End {
    thing: EndingThing,
    id: String,
    name: String,
    until: Timestamp,
}

/// The stage at which an end is to be told, if it is.
fn stage(until: Timestamp, now: Timestamp) -> Option<u32> {
    if until.plus(LONG_AGO) < now {
        return None;
    }
    STAGES.into_iter().find(|days| until <= now.plus(DAY * *days))
}

impl Store {
    /// Looks around once, as [`Store::run_alarms`] does every few seconds; at what ends, every hour.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn watch_time(&self) -> Done<()> {
        let mut told = self.inner.bells.told.lock().await;
        let due = told.looks.is_multiple_of(LOOKS_TO_ENDINGS);
        told.looks = told.looks.wrapping_add(1);
        self.look_at_recordings(&mut told).await?;
        self.look_at_publisher(&mut told).await?;
        drop(told);
        self.look_at_damage().await?;
        self.look_at_disk().await?;
        if due {
            self.look_at_endings().await?;
            self.forget_alarms().await?;
        }
        Ok(())
    }

    async fn write_one(&self, fact: Fact) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(fact);
        tx.commit().await
    }

    async fn look_at_recordings(&self, told: &mut ToldBefore) -> Result<(), Fault> {
        let (sentences, all) = self.inner.shelf.alarms_after(told.sentences);
        for (nth, sentence) in sentences.iter().enumerate() {
            self.write_one(Fact::RecordingTrouble { text: one_line(sentence) }).await?;
            told.sentences = all - sentences.len() + nth + 1;
        }
        Ok(())
    }

    /// Tells of rows that somebody changed beside the box.
    async fn look_at_damage(&self) -> Result<(), Fault> {
        let damaged = || self.inner.bells.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh: Vec<_> = damaged().iter().filter(|(_, (_, told))| !told).map(|(row, (how, _))| (row.clone(), *how)).collect();
        for (row, how) in fresh {
            self.write_one(Fact::RowDamaged { table: one_line(&row.0), row: one_line(&row.1), how: how.to_owned() }).await?;
            if let Some((_, told)) = damaged().get_mut(&row) {
                *told = true;
            }
        }
        Ok(())
    }

    async fn look_at_publisher(&self, told: &mut ToldBefore) -> Result<(), Fault> {
        let (size, published, now) = (self.inner.log.size(), self.inner.log.published(), self.now());
        if published >= size || told.published.is_none_or(|(before, _)| before != published) {
            told.published = Some((published, now));
            told.stuck = false;
            return Ok(());
        }
        let waited = told.published.is_some_and(|(_, since)| since.plus(STUCK) <= now);
        if waited && !told.stuck {
            self.write_one(Fact::PublisherStuck { behind: size - published, why: one_line(&self.inner.log.trouble().unwrap_or_default()) }).await?;
            told.stuck = true;
        }
        Ok(())
    }

    async fn look_at_disk(&self) -> Result<(), Fault> {
        let disk = statvfs(self.data_dir()).map_err(|error| Fault::Io { what: "asking for free disk space".into(), source: error.into() })?;
        let (free, reserve) = (disk.f_bavail.saturating_mul(disk.f_frsize), limits::DISK_RESERVE_BYTES as u64);
        let stage = match free {
            free if free < reserve => Some("disk/shut"),
            free if free < LOW * reserve => Some("disk/low"),
            _ => None,
        };
        let row = sqlx::query("SELECT stage FROM alarm_stages WHERE stage IN ('disk/shut', 'disk/low')").fetch_optional(self.read()).await?;
        let before: Option<String> = row.map(|row| row.try_get("stage")).transpose()?;
        if before.as_deref() == stage {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        sqlx::query("DELETE FROM alarm_stages WHERE stage IN ('disk/shut', 'disk/low')").execute(tx.sql()).await?;
        if let Some(stage) = stage {
            sqlx::query("INSERT INTO alarm_stages (stage, at) VALUES ($1, $2)").bind(stage).bind(now.0).execute(tx.sql()).await?;
            // From shut to low it gets better, and that is no alarm.
            if before.as_deref() != Some("disk/shut") {
                tx.fact(Fact::DiskLow { free_mib: free >> 20, shut: stage == "disk/shut" });
            }
        }
        tx.commit().await
    }

    async fn look_at_endings(&self) -> Result<(), Fault> {
        let now = self.now();
        for end in self.ends().await? {
            let Some(days) = stage(end.until, now) else { continue };
            let key = format!("{}/{}/{}/{days}", end.thing.as_str(), end.id, end.until.0);
            let mut tx = self.write(&Actor::system()).await?;
            let told = sqlx::query("INSERT INTO alarm_stages (stage, at) VALUES ($1, $2) ON CONFLICT (stage) DO NOTHING").bind(key).bind(now.0).execute(tx.sql()).await?;
            if told.rows_affected() == 1 {
                tx.fact(Fact::EndsSoon { thing: end.thing, id: end.id, name: one_line(&end.name), until: end.until, days });
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Contracts, lines and certificates that stand and have an end.
    async fn ends(&self) -> Result<Vec<End>, Fault> {
        let (since, now) = (self.since(), self.now());
        let mut ends = Vec::new();
        for vendor in self.load_vendors(self.read()).await?.into_iter().filter(|vendor| vendor.active) {
            ends.extend(vendor.contract_until.map(|until| End { thing: EndingThing::Contract, id: vendor.id.to_string(), name: vendor.name.clone(), until }));
        }
        let rows = sqlx::query("SELECT body, seal FROM lines WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        for line in rows.iter().filter_map(|row| self.held::<Line>(row, since).ok()).filter(|line| line.active) {
            ends.extend(line.content.valid_until.map(|until| End { thing: EndingThing::Line, id: line.id.to_string(), name: line.content.name.clone(), until }));
        }
        // One that was renewed ends with an overlap, and one that was revoked has ended: both on purpose.
        let rows = sqlx::query("SELECT c.body, c.seal, d.body AS device_body FROM device_certificates c JOIN devices d ON d.id = c.device WHERE d.active = 1 AND c.ends_at > $1 AND c.ends_at < $2 ORDER BY c.ends_at LIMIT $3")
            .bind(now.minus(LONG_AGO).0)
            .bind(now.plus(DAY * 31).0)
            .bind(LEDGER_ROWS)
            .fetch_all(self.read())
            .await?;
        for row in &rows {
            let Ok(certificate) = self.held::<DeviceCertificate>(row, since) else { continue };
            let device: sekisho_core::device::Device = serde_json::from_str(row.try_get("device_body")?)?;
            if certificate.ended.is_none() && certificate.ends_at == certificate.until {
                ends.push(End { thing: EndingThing::DeviceCertificate, id: device.id.to_string(), name: device.content.name.clone(), until: certificate.until });
            }
        }
        ends.extend(self.hold_ends(now).into_iter().map(|(hold, name, until)| End { thing: EndingThing::Hold, id: hold.to_string(), name, until }));
        for source in self.log_sources_held().await?.into_iter().filter(|source| source.active) {
            let name = source.hosts.first().cloned().unwrap_or_default();
            ends.extend(source.certificate_until.map(|until| End { thing: EndingThing::SourceCertificate, id: source.id.to_string(), name, until }));
        }
        // What the pages show is seen by the look at one's own exposure, whoever issued it.
        if let Ok(exposure) = self.exposure(&Actor::system()).await {
            let shown = exposure.look.tls.iter().filter(|tls| tls.part == Part::Pages).filter_map(|tls| tls.chain.first());
            ends.extend(shown.map(|shown| End { thing: EndingThing::PageCertificate, id: "pages".into(), name: shown.subject.clone(), until: shown.until }));
        }
        Ok(ends)
    }

    async fn forget_alarms(&self) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let old = tx.now().minus(DAY * limits::ALARM_DAYS as u32);
        let text = "DELETE FROM alarm_entries WHERE alarm IN (SELECT id FROM alarms WHERE state = 'closed' AND closed_at < $1)";
        sqlx::query(text).bind(old.0).execute(tx.sql()).await?;
        sqlx::query("DELETE FROM alarms WHERE state = 'closed' AND closed_at < $1").bind(old.0).execute(tx.sql()).await?;
        // Of receivers that the configuration names no more, at once; of all others after a time.
        let rows = sqlx::query("SELECT name FROM receivers").fetch_all(tx.sql()).await?;
        for row in rows {
            let name: String = row.try_get("name")?;
            if self.inner.settings.receivers.iter().all(|asked| asked.name != name) {
                sqlx::query("DELETE FROM alarm_queue WHERE receiver = $1").bind(name).execute(tx.sql()).await?;
            }
        }
        let unclaimed = tx.now().minus(LONG_AGO);
        sqlx::query("DELETE FROM alarm_queue WHERE made_at < $1").bind(unclaimed.0).execute(tx.sql()).await?;
        sqlx::query("DELETE FROM alarm_volumes WHERE at < $1").bind(old.0).execute(tx.sql()).await?;
        sqlx::query("DELETE FROM alarm_stages WHERE at < $1 AND stage NOT LIKE 'disk/%'").bind(old.0).execute(tx.sql()).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_a_month_and_a_week_before_and_when_it_has_come() {
        let now = Timestamp(1_795_237_200_000);
        let days = |days: i64| Timestamp(now.0 + days * 24 * 3600 * 1000);
        for (until, told) in [(31, None), (30, Some(30)), (8, Some(30)), (7, Some(7)), (1, Some(7)), (0, Some(0)), (-29, Some(0)), (-31, None)] {
            assert_eq!(stage(days(until), now), told, "{until}");
        }
    }
}
