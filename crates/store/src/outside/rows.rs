//! How each place stands, kept so that a restart forgets no failure.

use super::Contradiction;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::timestamps::ROW;
use sekisho_core::facts::Fact;
use sekisho_core::letter::one_line;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use std::sync::PoisonError;
use std::time::Duration;

/// How a place stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutsidePlace {
    /// What the configuration calls it.
    pub name: String,
    /// Entries of the newest checkpoint that it has.
    pub entries: u64,
    /// When that went.
    pub sent_at: Option<Timestamp>,
    /// Since when it has failed.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub trouble: Option<String>,
    /// It has failed for so long that it stands in the log.
    pub told: bool,
    /// It is spoken to in clear through this legacy network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear_network: Option<String>,
}

impl Store {
    /// How the places outside stand, in the order of the configuration, and what of them contradicts the log.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn outside(&self, actor: &Actor) -> Done<(Vec<OutsidePlace>, Vec<Contradiction>)> {
        may(actor, Action::ReadLedger, None).or_else(|_| may(actor, Action::ReadLog, None))?;
        let names = self.inner.outside.configured.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut places = Vec::new();
        for (name, clear_network) in names {
            places.push(OutsidePlace { clear_network, ..self.place_row(&name).await? });
        }
        Ok((places, self.contradictions()))
    }

    pub(crate) async fn place_row(&self, name: &str) -> Result<OutsidePlace, Fault> {
        let row = sqlx::query("SELECT entries, sent_at, failing_since, told, trouble FROM outside_places WHERE name = $1").bind(name.to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(OutsidePlace { name: name.to_owned(), ..OutsidePlace::default() }) };
        Ok(OutsidePlace {
            name: name.to_owned(),
            entries: u64::try_from(row.try_get::<i64, _>("entries")?).unwrap_or(0),
            sent_at: row.try_get::<Option<i64>, _>("sent_at")?.map(Timestamp),
            failing_since: row.try_get::<Option<i64>, _>("failing_since")?.map(Timestamp),
            trouble: row.try_get("trouble")?,
            told: row.try_get::<i64, _>("told")? != 0,
            clear_network: None,
        })
    }

    /// Writes down that a place has a head, and, if its failure was told, that it is over.
    pub(crate) async fn place_has(&self, name: &str, entries: u64) -> Result<(), Fault> {
        let before = self.place_row(name).await?;
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let text = "INSERT INTO outside_places (name, entries, sent_at, failing_since, told, trouble) VALUES ($1, $2, $3, NULL, 0, NULL) \
            ON CONFLICT (name) DO UPDATE SET entries = $2, sent_at = $3, failing_since = NULL, told = 0, trouble = NULL";
        sqlx::query(text).bind(name.to_owned()).bind(as_i64(entries)).bind(now.0).execute(tx.sql()).await?;
        if before.told {
            tx.fact(match name {
                ROW => Fact::TimestampGoesOn { authority: self.timestamp_authority(), entries },
                _ => Fact::CheckpointLeaves { place: name.to_owned(), entries },
            });
        }
        tx.commit().await
    }

    /// Writes down that a place failed; once it has for longer than `patience`, in the log.
    pub(crate) async fn place_fails(&self, name: &str, why: &str, patience: Duration) -> Result<(), Fault> {
        let before = self.place_row(name).await?;
        let why = one_line(why);
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let since = before.failing_since.unwrap_or(now);
        let tell = !before.told && since.until(now) >= patience;
        let text = "INSERT INTO outside_places (name, entries, sent_at, failing_since, told, trouble) VALUES ($1, 0, NULL, $2, $3, $4) \
            ON CONFLICT (name) DO UPDATE SET failing_since = $2, told = $3, trouble = $4";
        sqlx::query(text).bind(name.to_owned()).bind(since.0).bind(i64::from(tell || before.told)).bind(why.clone()).execute(tx.sql()).await?;
        if tell {
            tracing::error!(place = name, why, "ALARM: heads of the log do not leave the box, or are not stamped");
            tx.fact(match name {
                ROW => Fact::TimestampStuck { authority: self.timestamp_authority(), why },
                _ => Fact::CheckpointStuck { place: name.to_owned(), entries: before.entries, why },
            });
        }
        tx.commit().await
    }
}
