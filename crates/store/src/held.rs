//! Rows that give rights bear a seal: who can write to the database, and has no key, can neither make such a row nor
//! change one nor put an older one back.
//!
//! The seal binds table, identifier and body, and holds the number of the log's line that tells of the row's last
//! change. Which line that is for each row is known from the log alone, which is read through and held against its
//! signed checkpoints at the start.

use crate::Store;
use crate::fault::Fault;
use crate::secrets::{Place, Sealed};
use crate::write::Tx;
use crate::archive::ArchiveCopy;
use sekisho_core::auditor_key::AuditorKey;
use sekisho_core::around::{Case, LogImport, LogSource, LoginAllow};
use sekisho_core::device::Device;
use sekisho_core::exposure::Service;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::line::Line;
use sekisho_core::people::{Actor, Person, Vendor};
use sekisho_core::plan::Plan;
use sekisho_core::target::{Account, Target};
use sekisho_evidence::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::borrow::Cow;
use std::sync::PoisonError;

/// File of the keys folder that stands for: every row of this box was sealed.
const DONE: &str = "rows.sealed";
/// Rows that do not hold and are told of, from one start to the next.
const DAMAGED_ROWS: usize = 1_000;

/// What a sealed row holds.
pub(crate) trait Held: Serialize + DeserializeOwned {
    /// Its table.
    const TABLE: &'static str;
    /// Its identifier, which is the row's key.
    fn key(&self) -> &str;
}

macro_rules! held {
    ($($kind:ty: $table:literal),*) => {
        $(impl Held for $kind {
            const TABLE: &'static str = $table;
            fn key(&self) -> &str {
                self.id.as_str()
            }
        })*
    };
}

held!(Plan: "plans", Person: "persons", Vendor: "vendors", Target: "targets", Account: "accounts", Line: "lines", Device: "devices", Service: "exposure_services", LogSource: "log_sources", Case: "cases", LoginAllow: "login_allows", AuditorKey: "auditor_keys", ArchiveCopy: "archive_copies", LogImport: "log_imports");

/// What the recovery codes of a person are called: they are one row, and have no identifier of their own.
pub(crate) fn recovery_row(person: &PersonId) -> String {
    format!("recovery:{person}")
}

/// The row that a line of the log tells the last change of.
pub(crate) fn row_of(fact: &Fact) -> Option<Cow<'_, str>> {
    if let Fact::RecoveryMade { person } | Fact::RecoveryUsed { person, .. } | Fact::IdentityChecked { person, .. } = fact {
        // A reset takes the codes away, and an identity check is part of each.
        return Some(Cow::Owned(recovery_row(person)));
    }
    Some(Cow::Borrowed(match fact {
        Fact::PasskeyAdded { passkey, .. } | Fact::PasskeyUsed { passkey, .. } | Fact::PasskeyCloned { passkey, .. } | Fact::PasskeyRemoved { passkey, .. } => passkey.as_str(),
        Fact::PlanDrawn { plan, .. } | Fact::PlanActed { plan, .. } | Fact::Entered { plan, .. } => plan.as_str(),
        Fact::PersonAdded { person, .. } | Fact::PersonChanged { person, .. } => person.as_str(),
        Fact::VendorKept { vendor, .. } => vendor.as_str(),
        Fact::PersonLinked { link, .. } | Fact::LinkPinned { link, .. } | Fact::PersonUnlinked { link, .. } => link.as_str(),
        Fact::LineKept { line, .. } => line.as_str(),
        Fact::CountriesTaken { .. } => crate::ledger::COUNTRIES_ROW,
        Fact::ExposureLooked { .. } => crate::exposure::LOOKS_ROW,
        Fact::DeviceKept { device, .. } => device.as_str(),
        Fact::ServiceKept { service, .. } => service.as_str(),
        Fact::LogSourceKept { source, .. } => source.as_str(),
        Fact::CaseOpened { case, .. } | Fact::CaseGrew { case, .. } | Fact::CaseDecided { case, .. } => case.as_str(),
        Fact::LoginAllowKept { allow, .. } => allow.as_str(),
        Fact::AuditorKeyKept { auditor_key, .. } => auditor_key.as_str(),
        Fact::RecordingArchived { session, .. } | Fact::RecordingMovedOut { session, .. } | Fact::ArchiveCopyRemoved { session, .. } | Fact::ArchiveLockProlonged { session, .. } => session.as_str(),
        Fact::LogImported { import, .. } | Fact::LogImportRead { import, .. } => import.as_str(),
        Fact::DeviceCodeIssued { device_code, .. } | Fact::DeviceCodeFailed { device_code, .. } | Fact::DeviceCodeEnded { device_code, .. } => device_code.as_str(),
        Fact::DeviceCertified { certificate, .. } | Fact::DeviceCertificateEnded { certificate, .. } => certificate.as_str(),
        Fact::ReviewStarted { review, .. } | Fact::ReviewAnswered { review, .. } | Fact::ReviewClosed { review, .. } | Fact::ReviewDisabled { review, .. } => review.as_str(),
        Fact::LogReviewOpened { review, .. } | Fact::LogReviewJudged { review, .. } | Fact::LogReviewSigned { review, .. } | Fact::LogReviewReturned { review, .. } | Fact::LogReviewConfirmed { review, .. } => review.as_str(),
        Fact::ReportIssued { report, .. } | Fact::ReportNoted { report, .. } => report.as_str(),
        Fact::SshLoginIssued { ssh_login, .. } | Fact::SshLoginEnded { ssh_login, .. } => ssh_login.as_str(),
        Fact::EmergencyKept { account, .. } | Fact::EnvelopeMade { account, .. } | Fact::EnvelopesSeen { account, .. } | Fact::EmergencyCodeUsed { account, .. } | Fact::EmergencyEnded { account, .. } => account.as_str(),
        Fact::EmergencyOpened { usage, .. } | Fact::EmergencyClosed { usage, .. } | Fact::EmergencyReviewed { usage, .. } => usage.as_str(),
        Fact::TokenMade { token, .. } | Fact::TokenEnded { token, .. } => token.as_str(),
        Fact::KeyWindowOpened { window, .. } | Fact::KeyWindowUsed { window, .. } | Fact::KeyWindowClosed { window, .. } | Fact::KeyWindowExpired { window, .. } => window.as_str(),
        Fact::TargetKept { target, .. } | Fact::HostKeyAlarmed { target, .. } | Fact::HostKeyDecided { target, .. } => target.as_str(),
        Fact::CredentialKept { account, .. } | Fact::CredentialRotated { account, .. } => account.as_str(),
        Fact::RulesKept { class, .. } => crate::rules::row_id(*class),
        _ => return None,
    }))
}

/// Identifier and body, in a form that has one reading only: identifiers hold no colon.
fn bound(id: &str, body: &str) -> String {
    format!("{id}:{}", Digest::of(body.as_bytes()))
}

impl Store {
    /// The moment to name to [`Store::held`], taken before the row is read.
    pub(crate) fn since(&self) -> u64 {
        self.inner.log.size()
    }

    /// The seal of a row whose last change the log's line `seq` tells of.
    pub(crate) fn seal_of<T: Held>(&self, id: &str, body: &str, seq: u64) -> Result<Vec<u8>, Fault> {
        let row = bound(id, body);
        let sealed = self.inner.keys.seal(Place { table: T::TABLE, row: &row, column: "body" }, &seq.to_be_bytes())?;
        Ok(sealed.into_bytes())
    }

    /// Seals the row as it was just written, as part of a change. The next fact of the change must be the one that tells
    /// of it.
    pub(crate) async fn seal_row<T: Held>(&self, tx: &mut Tx, held: &T, body: &str) -> Result<(), Fault> {
        let seal = self.seal_of::<T>(held.key(), body, tx.next_seq())?;
        let text = sqlx::AssertSqlSafe(format!("UPDATE {} SET seal = $1 WHERE id = $2", T::TABLE));
        sqlx::query(text).bind(seal).bind(held.key().to_owned()).execute(tx.sql()).await?;
        Ok(())
    }

    /// Reads what the columns `body` and `seal` hold.
    pub(crate) fn held<T: Held>(&self, row: &AnyRow, since: u64) -> Result<T, Fault> {
        self.held_as(row, "body", "seal", since)
    }

    /// Reads what two columns hold, if the seal is ours and the row is not older than the log knows it to be.
    pub(crate) fn held_as<T: Held>(&self, row: &AnyRow, body: &str, seal: &str, since: u64) -> Result<T, Fault> {
        let body: &str = row.try_get(body)?;
        let held: T = serde_json::from_str(body)?;
        let broken = |what: &str| {
            self.note_damaged(T::TABLE, held.key(), what);
            Fault::Damaged(format!("the row of {} in {} was {what} by somebody else", held.key(), T::TABLE))
        };
        let seal: Option<Vec<u8>> = row.try_get(seal)?;
        let bound = bound(held.key(), body);
        let place = Place { table: T::TABLE, row: &bound, column: "body" };
        let seq = self.inner.keys.unseal(place, &Sealed::from_bytes(seal.unwrap_or_default())).map_err(|_| broken("changed"))?;
        let seq: [u8; 8] = seq.as_slice().try_into().map_err(|_| broken("changed"))?;
        let older = self.is_older(held.key(), u64::from_be_bytes(seq), since);
        if older { Err(broken("put back to an older state")) } else { Ok(held) }
    }

    /// Remembers a row that does not hold, for the next look around to tell of it: once a row, and not without bound.
    pub(crate) fn note_damaged(&self, table: &str, row: &str, what: &str) {
        let how = if what.starts_with("changed") { "changed" } else { "older" };
        let mut damaged = self.inner.bells.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if damaged.len() < DAMAGED_ROWS {
            damaged.entry((table.to_owned(), row.chars().take(64).collect())).or_insert((how, false));
        }
    }

    /// Whether a row that says it was written with the log's line `seq` is older than the log knows it to be, by a look at the log
    /// that was taken at `since`, before the row was read.
    pub(crate) fn is_older(&self, row: &str, seq: u64, since: u64) -> bool {
        // A change that came between the look at the log and the row proves nothing against the row.
        self.inner.log.last_told(row).is_some_and(|last| seq < last && last < since)
    }

    /// Marks a new box as one whose rows were sealed from the beginning.
    pub(crate) fn mark_sealed(&self) -> Result<(), Fault> {
        self.inner.keys.keep_file(DONE, b"")
    }

    /// Seals the rows of a box that was set up before rows were sealed; once. The mark lies with the keys, so who has the
    /// database alone cannot ask for it again.
    pub(crate) async fn seal_all_once(&self) -> Result<(), Fault> {
        if self.inner.keys.load_file(DONE)?.is_some() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        self.seal_table::<Person>(&mut tx).await?;
        self.seal_table::<Vendor>(&mut tx).await?;
        self.seal_table::<Target>(&mut tx).await?;
        self.seal_table::<Account>(&mut tx).await?;
        self.seal_table::<Plan>(&mut tx).await?;
        tx.commit().await?;
        self.mark_sealed()
    }

    async fn seal_table<T: Held>(&self, tx: &mut Tx) -> Result<(), Fault> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT body, seal FROM {}", T::TABLE))).fetch_all(tx.sql()).await?;
        for row in rows {
            let body: String = row.try_get("body")?;
            let held: T = serde_json::from_str(&body)?;
            // Plans were sealed from the first day on; one whose seal does not hold gets no better one.
            let seal: Option<Vec<u8>> = row.try_get("seal")?;
            let bound = bound(held.key(), &body);
            let place = Place { table: T::TABLE, row: &bound, column: "body" };
            if seal.is_some_and(|seal| self.inner.keys.unseal(place, &Sealed::from_bytes(seal)).is_err()) {
                self.inner.shelf.alarm(format!("The row of {} in {} was changed by somebody else.", held.key(), T::TABLE));
                continue;
            }
            let seal = self.seal_of::<T>(held.key(), &body, self.inner.log.last_told(held.key()).unwrap_or(0))?;
            let text = sqlx::AssertSqlSafe(format!("UPDATE {} SET seal = $1 WHERE id = $2", T::TABLE));
            sqlx::query(text).bind(seal).bind(held.key().to_owned()).execute(tx.sql()).await?;
        }
        Ok(())
    }
}
