//! The connection register (接続台帳): the lines by which vendors come.

use super::persons::recall_sessions;
use super::{LEDGER_ROWS, body};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::country::Place;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{LineId, VendorId};
use sekisho_core::limits;
use sekisho_core::line::{Line, LineClass, LineContent, line_of};
use sekisho_core::people::{Actor, Person, Vendor};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use serde::Deserialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

/// The sessions that run over a line.
const RUNNING: &str = "SELECT id FROM sessions WHERE line = $1 AND ended_at IS NULL";

/// The lines of the class TLS 1.2, in memory: a handshake asks whether one of them admits it. They are few, and their times
/// are asked at each question, so an exception ends by itself.
#[derive(Default)]
pub(crate) struct OlderLines(RwLock<Vec<Line>>);

impl OlderLines {
    /// A line as it is from here on.
    pub fn put(&self, line: Line) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|other| other.id != line.id);
        if line.active && line.content.class == LineClass::Tls12 {
            held.push(line);
        }
    }

    /// Whether somebody from here, of this vendor if it is known, may speak TLS 1.2 at this moment.
    pub fn admit(&self, source: IpAddr, place: Place, vendor: Option<&VendorId>, now: Timestamp) -> bool {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().any(|line| line.admits_tls12(now) && line.carries(source) && line.admits(place).is_ok() && vendor.is_none_or(|vendor| line.vendor == *vendor))
    }

    /// All lines as they are, in the place of what was known: one that is not among them, or was changed by somebody else,
    /// admits nobody.
    fn fill(&self, lines: Vec<Line>) {
        let lines = lines.into_iter().filter(|line| line.active && line.content.class == LineClass::Tls12).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lines;
    }
}

impl Store {
    /// Fills what handshakes ask.
    pub(crate) async fn load_older_lines(&self) -> Result<(), Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM lines WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        self.inner.older_lines.fill(self.sound_lines(&rows, since));
        Ok(())
    }

    /// The lines of a vendor. One whose row was changed by somebody else is passed over with an alarm: nobody comes by it.
    pub(crate) async fn load_lines(&self, executor: impl Executor<'_, Database = Any>, vendor: &VendorId) -> Result<Vec<Line>, Fault> {
        let since = self.since();
        let text = "SELECT body, seal FROM lines WHERE vendor = $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(text).bind(vendor.as_str().to_owned()).bind(LEDGER_ROWS).fetch_all(executor).await?;
        // The column finds the row; the vendor that counts is the sealed one.
        Ok(self.sound_lines(&rows, since).into_iter().filter(|line| line.vendor == *vendor).collect())
    }

    fn sound_lines(&self, rows: &[AnyRow], since: u64) -> Vec<Line> {
        rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a line is left out")).ok()).collect()
    }

    async fn load_line(&self, executor: impl Executor<'_, Database = Any>, id: &LineId) -> Result<Option<Line>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM lines WHERE id = $1", id.as_str()).await
    }

    /// The connection register; a vendor's person sees the own vendor's lines.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn lines(&self, actor: &Actor) -> Done<Vec<Line>> {
        if let Some(own) = &actor.vendor {
            may(actor, Action::ReadRoads, None)?;
            return Ok(by_name(self.load_lines(self.read(), own).await?));
        }
        may(actor, Action::ReadRoads, None)?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM lines ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(by_name(self.sound_lines(&rows, since)))
    }

    /// One line.
    ///
    /// # Errors
    /// As [`Store::lines`]; [`Refusal::NotFound`].
    pub async fn line(&self, actor: &Actor, id: &LineId) -> Done<Line> {
        may(actor, Action::ReadRoads, None)?;
        let line = self.load_line(self.read(), id).await?;
        let seen = line.filter(|line| actor.vendor.as_ref().is_none_or(|own| *own == line.vendor));
        Ok(seen.ok_or(Refusal::NotFound)?)
    }

    /// The vendors that the registers of lines and devices name, for those who read the registers.
    ///
    /// # Errors
    /// Without the right to read them.
    pub async fn road_vendors(&self, actor: &Actor) -> Done<Vec<Vendor>> {
        may(actor, Action::ReadRoads, None)?;
        let mut all = self.load_vendors(self.read()).await?;
        all.retain(|vendor| actor.vendor.as_ref().is_none_or(|own| *own == vendor.id));
        Ok(all)
    }

    /// The persons of a vendor whom the register of devices names or may name.
    ///
    /// # Errors
    /// Without the right to read it; [`Refusal::NotFound`] for another vendor.
    pub async fn road_workers(&self, actor: &Actor, vendor: &VendorId) -> Done<Vec<Person>> {
        may(actor, Action::ReadRoads, Some(vendor))?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM persons WHERE vendor = $1 ORDER BY login, id LIMIT $2").bind(vendor.as_str().to_owned()).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let read = rows.iter().filter_map(|row| self.held::<Person>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a person is left out")).ok());
        Ok(read.filter(|person| person.vendor.as_ref() == Some(vendor)).collect())
    }

    /// Registers a line.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_line(&self, actor: &Actor, vendor: &VendorId, content: LineContent) -> Done<Line> {
        self.require(actor, Action::KeepLedger, None, "add_line").await?;
        content.check()?;
        let line = Line { id: random_id()?, vendor: vendor.clone(), content, active: true };
        let mut tx = self.write(actor).await?;
        self.load_vendor(tx.sql(), vendor).await?.ok_or_else(|| Refusal::bad_field("vendor"))?;
        self.check_line(tx.sql(), &line).await?;
        insert(&mut tx, &line).await?;
        self.save_line(&mut tx, &line, "added", "").await?;
        tx.commit().await?;
        Ok(line)
    }

    /// Changes a line. What runs over it and does not fit it any more is ended within seconds.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`], also for one that was ended.
    pub async fn change_line(&self, actor: &Actor, id: &LineId, content: LineContent) -> Done<Line> {
        self.require(actor, Action::KeepLedger, None, "change_line").await?;
        content.check()?;
        let mut tx = self.write(actor).await?;
        let known = self.load_line(tx.sql(), id).await?.filter(|line| line.active).ok_or(Refusal::NotFound)?;
        let line = Line { content, ..known };
        self.check_line(tx.sql(), &line).await?;
        self.save_line(&mut tx, &line, "changed", "").await?;
        tx.commit().await?;
        self.recall_what_ended().await?;
        Ok(line)
    }

    /// Ends a line for good, with every session that runs over it.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`], also for one that was ended.
    pub async fn end_line(&self, actor: &Actor, id: &LineId, reason: &str) -> Done<Line> {
        self.require(actor, Action::KeepLedger, None, "end_line").await?;
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let known = self.load_line(tx.sql(), id).await?.filter(|line| line.active).ok_or(Refusal::NotFound)?;
        let line = Line { active: false, ..known };
        self.save_line(&mut tx, &line, "ended", reason).await?;
        recall_sessions(&mut tx, RUNNING, id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        tx.commit().await?;
        Ok(line)
    }

    /// Whether this person may be at this address: the hospital's own staff anywhere, a vendor's person where a line of
    /// the vendor is valid (guideline 14.1.1: sessions need factors, device and source together).
    ///
    /// # Errors
    /// [`Refusal::SourceNotAllowed`]; [`Refusal::CountryNotAllowed`] or [`Refusal::CountryTableMissing`] by what the line says of
    /// countries.
    pub(crate) async fn may_come_from(&self, executor: impl Executor<'_, Database = Any>, person: &Person, source: IpAddr) -> Done<()> {
        let Some(vendor) = &person.vendor else { return Ok(()) };
        let lines = self.load_lines(executor, vendor).await?;
        match line_of(&lines, vendor, source, self.place_of(source), self.now()) {
            // Times are those of work; plans and reports can be written outside them.
            Ok(_) | Err(Refusal::LineOutsideTimes { .. }) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn check_line(&self, conn: &mut AnyConnection, line: &Line) -> Done<()> {
        let others = self.load_lines(conn, &line.vendor).await?;
        if others.iter().any(|other| other.id != line.id && other.active && other.content.name == line.content.name) {
            return Err(Refusal::NameTaken.into());
        }
        if others.iter().filter(|other| other.id != line.id).count() >= limits::VENDOR_LINES {
            return Err(Refusal::too_many("VENDOR_LINES").into());
        }
        Ok(())
    }

    /// Saves a line that has a row, and writes the fact that tells of it.
    async fn save_line(&self, tx: &mut Tx, line: &Line, change: &str, reason: &str) -> Result<(), Fault> {
        let text = serde_json::to_string(line)?;
        sqlx::query("UPDATE lines SET active = $1, body = $2 WHERE id = $3")
            .bind(i64::from(line.active))
            .bind(text.clone())
            .bind(line.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, line, &text).await?;
        tx.lined(line.clone());
        tx.fact(Fact::LineKept {
            line: line.id.clone(),
            vendor: line.vendor.clone(),
            name: line.content.name.clone(),
            class: line.content.class,
            change: change.to_owned(),
            reason: reason.to_owned(),
        });
        Ok(())
    }

    /// Turns the sources that an older version kept with each vendor into one line whose class nobody has declared. The
    /// vendor's row is written anew without them, so it happens once.
    pub(crate) async fn take_over_sources(&self) -> Result<(), Fault> {
        /// What an older version kept.
        #[derive(Deserialize)]
        struct Older {
            sources: Option<Vec<Network>>,
        }
        let mut tx = self.write(&Actor::system()).await?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM vendors ORDER BY id").fetch_all(tx.sql()).await?;
        let mut found = false;
        for row in rows {
            let Some(sources) = body::<Older>(&row)?.sources else { continue };
            // A row that somebody else wrote gives no line.
            let vendor: Vendor = match self.held(&row, since) {
                Ok(vendor) => vendor,
                Err(fault) => {
                    tracing::error!(%fault, "ALARM: the sources of a vendor are not taken over");
                    continue;
                }
            };
            found = true;
            let text = serde_json::to_string(&vendor)?;
            sqlx::query("UPDATE vendors SET body = $1 WHERE id = $2").bind(text.clone()).bind(vendor.id.as_str().to_owned()).execute(tx.sql()).await?;
            self.seal_row(&mut tx, &vendor, &text).await?;
            tx.fact(Fact::VendorKept { vendor: vendor.id.clone(), name: vendor.name.clone(), active: vendor.active });
            if sources.is_empty() {
                continue;
            }
            let content = LineContent { name: "以前の接続元".to_owned(), class: LineClass::Undeclared, addresses: sources, ..LineContent::default() };
            let line = Line { id: random_id()?, vendor: vendor.id.clone(), content, active: true };
            insert(&mut tx, &line).await?;
            self.save_line(&mut tx, &line, "taken_over", "").await?;
        }
        if found { tx.commit().await } else { Ok(()) }
    }
}

/// A row to be filled by [`Store::save_line`].
async fn insert(tx: &mut Tx, line: &Line) -> Result<(), Fault> {
    sqlx::query("INSERT INTO lines (id, vendor, active, body) VALUES ($1, $2, 1, '')")
        .bind(line.id.as_str().to_owned())
        .bind(line.vendor.as_str().to_owned())
        .execute(tx.sql())
        .await?;
    Ok(())
}

fn by_name(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| (!a.active, &a.content.name).cmp(&(!b.active, &b.content.name)));
    lines
}
