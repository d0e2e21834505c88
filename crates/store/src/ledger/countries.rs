//! 国の表: the table by which the country of a source is told. It comes as files that a person brings, because a clinic may
//! have no internet, and lies sealed in one row.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::secrets::{Place as SealPlace, Sealed};
use sekisho_core::country::{Country, CountryBreach, CountryTable, Place, Reading, read};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_evidence::Digest;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// What the one row is called.
pub(crate) const COUNTRIES_ROW: &str = "countries";

/// What is known of the table of countries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countries {
    /// The row's name; there is one.
    id: String,
    /// SHA-256 of the table as it is given out, hex.
    pub digest: String,
    /// The registries that it is of; none for a list of one's own.
    pub registries: Vec<String>,
    /// Date of the data, `YYYY-MM-DD`.
    pub dated: String,
    /// Rows that named a country.
    pub rows: usize,
    /// Spans of IPv4 addresses, after neighbours were joined.
    pub v4: usize,
    /// Spans of IPv6 addresses.
    pub v6: usize,
    /// Places that rows gave to different countries; they belong to none.
    pub conflicts: usize,
    /// Rows fewer than the files said that they had.
    pub missing: usize,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// By whom.
    pub taken_by: String,
}

impl Countries {
    /// Whole days since the date of its data.
    #[must_use]
    pub fn age_days(&self, now: Timestamp) -> u64 {
        let dated = parse_date(&self.dated).map_or(self.taken_at, |day| Timestamp::from_jst(day, 0, 0));
        dated.until(now).as_secs() / (24 * 3600)
    }

    /// True for one that is too old to be relied upon.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.age_days(now) > limits::COUNTRY_AGE_DAYS as u64
    }
}

impl Held for Countries {
    const TABLE: &'static str = "country_tables";
    fn key(&self) -> &str {
        &self.id
    }
}

/// The table in memory: what is known of it, and itself.
pub(crate) type Chart = Arc<(Countries, CountryTable)>;

/// Where the table of the moment lies. Logins and handshakes ask it.
#[derive(Default)]
pub(crate) struct Atlas(RwLock<Option<Chart>>);

impl Atlas {
    /// The table as it is from here on.
    pub fn put(&self, chart: Option<Chart>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = chart;
    }

    fn get(&self) -> Option<Chart> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn place(digest: &str) -> SealPlace<'_> {
    SealPlace { table: "country_tables", row: digest, column: "data" }
}

/// Reads files into a table. It takes a second or two for those of all registries: not on a thread that others wait for.
///
/// # Errors
/// [`Refusal::CountryFileBad`] with the place, [`Refusal::TooLarge`], [`Refusal::TooMany`].
pub fn read_countries(files: &[&[u8]]) -> Result<Reading, Refusal> {
    read(files).map_err(|breach| match breach {
        CountryBreach::Line { file, line } => Refusal::CountryFileBad { at: format!("file {file}, line {line}") },
        CountryBreach::Empty => Refusal::CountryFileBad { at: "empty".to_owned() },
        CountryBreach::TooLarge => Refusal::TooLarge,
        CountryBreach::TooMany(limit) => Refusal::too_many(limit),
    })
}

impl Store {
    /// Where an address belongs, by the table of the moment.
    pub(crate) fn place_of(&self, address: IpAddr) -> Place {
        let chart = self.chart();
        Place::of(chart.as_deref().map(|chart| &chart.1), address)
    }

    pub(crate) fn chart(&self) -> Option<Chart> {
        self.inner.atlas.get()
    }

    /// The country of an address, for whoever reads addresses.
    #[must_use]
    pub fn country_of(&self, address: IpAddr) -> Option<Country> {
        self.place_of(address).country()
    }

    /// Whether the table is too old to be relied upon; `None` while there is none.
    #[must_use]
    pub fn countries_are_old(&self) -> Option<bool> {
        self.chart().map(|chart| chart.0.is_old(self.now()))
    }

    /// Where an address belongs, for whoever keeps or reads the ledgers.
    ///
    /// # Errors
    /// Without the right to read them.
    pub fn look_up_country(&self, actor: &Actor, address: IpAddr) -> Done<Place> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.place_of(address))
    }

    /// What is known of the table; `None` while there is none.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub fn countries(&self, actor: &Actor) -> Done<Option<Countries>> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.chart().map(|chart| chart.0.clone()))
    }

    /// The table as it is kept, for whoever wants to look into it: lines `first,last,country`.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`] while there is none.
    pub fn countries_csv(&self, actor: &Actor) -> Done<String> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.chart().ok_or(Refusal::NotFound)?.1.to_csv())
    }

    /// Takes a table in the place of the one before. Sessions that it puts into a country that their line does not allow end
    /// within seconds. `dated` says of which day the data are, where the files do not.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::BadField`] for a date that is missing, malformed or yet to come.
    pub async fn take_countries(&self, actor: &Actor, reading: Reading, dated: &str) -> Done<Countries> {
        self.require(actor, Action::KeepLedger, None, "take_countries").await?;
        let named = if reading.dated.is_empty() { dated } else { &reading.dated };
        let day = parse_date(named).ok_or_else(|| Refusal::bad_field("dated"))?;
        if day > self.now().plus(Duration::from_secs(24 * 3600)).date() {
            return Err(Refusal::bad_field("dated").into());
        }
        let csv = reading.table.to_csv();
        let digest = Digest::of(csv.as_bytes()).to_string();
        let data = self.inner.keys.seal(place(&digest), csv.as_bytes())?;
        let mut tx = self.write(actor).await?;
        let (v4, v6) = reading.table.spans();
        let kept = Countries {
            id: COUNTRIES_ROW.to_owned(),
            digest,
            registries: reading.registries,
            dated: named.to_owned(),
            rows: reading.rows,
            v4,
            v6,
            conflicts: reading.conflicts,
            missing: reading.missing,
            taken_at: tx.now(),
            taken_by: actor.name.clone(),
        };
        let text = serde_json::to_string(&kept)?;
        sqlx::query("DELETE FROM country_tables").execute(tx.sql()).await?;
        sqlx::query("INSERT INTO country_tables (id, body, data) VALUES ($1, $2, $3)").bind(COUNTRIES_ROW).bind(text.clone()).bind(data.into_bytes()).execute(tx.sql()).await?;
        self.seal_row(&mut tx, &kept, &text).await?;
        tx.fact(Fact::CountriesTaken { digest: kept.digest.clone(), registries: kept.registries.clone(), dated: kept.dated.clone(), rows: kept.rows, conflicts: kept.conflicts });
        tx.charted(Arc::new((kept.clone(), reading.table)));
        tx.commit().await?;
        self.recall_what_ended().await?;
        Ok(kept)
    }

    /// Fills what logins ask. A table that somebody else changed, put back or took away is none: lines that ask for countries
    /// then let nobody in from outside.
    pub(crate) async fn load_chart(&self) -> Result<(), Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal, data FROM country_tables WHERE id = $1").bind(COUNTRIES_ROW).fetch_optional(self.read()).await?;
        let Some(row) = row else {
            if self.inner.log.last_told(COUNTRIES_ROW).is_some() {
                tracing::error!("ALARM: the table of countries is gone from the database");
            }
            self.inner.atlas.put(None);
            return Ok(());
        };
        let read = || -> Result<Chart, Fault> {
            let kept: Countries = self.held(&row, since)?;
            let known = self.chart().filter(|chart| chart.0 == kept);
            if let Some(chart) = known {
                return Ok(chart);
            }
            let csv = self.inner.keys.unseal(place(&kept.digest), &Sealed::from_bytes(row.try_get("data")?))?;
            let damaged = || Fault::Damaged("the table of countries is not the one that its row names".into());
            if Digest::of(&csv).to_string() != kept.digest {
                return Err(damaged());
            }
            let reading = read_countries(&[&csv]).map_err(|_| damaged())?;
            Ok(Arc::new((kept, reading.table)))
        };
        let chart = read().inspect_err(|fault| tracing::error!(%fault, "ALARM: the table of countries is not used")).ok();
        self.inner.atlas.put(chart);
        Ok(())
    }
}
