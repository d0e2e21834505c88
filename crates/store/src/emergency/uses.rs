//! The end of a use: the return to normal, with which everything that opened the account ends, and the review by another
//! person.

use super::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::logins::end_web_logins;
use sekisho_core::emergency::{EmergencyState, EmergencyUse, UseReview};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{EmergencyId, EmergencyUseId, PersonId};
use sekisho_core::letter::Letter;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor, Row};

/// A page of what was done during a use.
#[derive(Clone, Debug)]
pub struct UseEntries {
    /// The entries of the page, the oldest first.
    pub entries: Vec<Entry>,
    /// Entries on all pages.
    pub total: u64,
    /// Pages; at least one.
    pub pages: u64,
}

/// From when to when entries belong to a use. The fact of the end and those that it brings with it bear the same moment.
fn span(usage: &EmergencyUse) -> (i64, i64) {
    (usage.opened_at().0, usage.closed_at.map_or(i64::MAX, |at| at.0.saturating_add(1)))
}

impl Store {
    /// Declares the return to normal: logins of the account end, what was in its envelopes opens nothing any more, those who
    /// are named are told, and new envelopes and the review wait to be done.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::EmergencyState`] unless it is open; [`Refusal::ReasonNeeded`].
    pub async fn close_emergency(&self, actor: &Actor, id: &EmergencyId, note: &str) -> Done<EmergencyUse> {
        self.require(actor, Action::KeepEmergency, None, "close_emergency").await?;
        check_text("note", note)?;
        if note.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let mut account = self.load_emergency(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let Some(usage) = account.open.clone().filter(|_| account.state() == EmergencyState::Opened) else { return Err(Refusal::EmergencyState.into()) };
        let mut usage = self.load_use(tx.sql(), &usage).await?.ok_or(Refusal::NotFound)?;
        let now = tx.now();
        (account.open, account.open_until) = (None, None);
        self.end_envelopes(&mut tx, &mut account, "returned").await?;
        usage.closed_at = Some(now);
        (usage.closed_by, usage.closed_by_id) = (Some(actor.name.clone()), actor.person.clone());
        usage.closing_note = note.trim().to_owned();
        self.save_use(&mut tx, &usage).await?;
        tx.fact(Fact::EmergencyClosed { usage: usage.id.clone(), login: account.login.clone(), note: usage.closing_note.clone() });
        end_web_logins(&mut tx, &account.person, None, "emergency_closed").await?;
        self.raise_alarm(&mut tx, &account, &Letter::EmergencyClosed { login: account.login.clone(), by: actor.name.clone(), at: now }).await?;
        tx.commit().await?;
        self.relight_watchfire().await;
        tracing::warn!(account = account.login, "the use of an emergency account ended");
        Ok(usage)
    }

    /// A page of what the account did during a use, as the log has it, the oldest first, and how much it did in all. Pages
    /// begin with 1, and hold [`limits::PAGE_ROWS`] entries each.
    ///
    /// # Errors
    /// Without the right to read the log; [`Refusal::NotFound`].
    pub async fn emergency_entries(&self, actor: &Actor, id: &EmergencyUseId, page: u64) -> Done<UseEntries> {
        let usage = self.emergency_use(actor, id).await?;
        may(actor, Action::ReadLog, None)?;
        let total = self.count_entries(self.read(), &usage).await?;
        let rows = limits::PAGE_ROWS as u64;
        let text = "SELECT body FROM log WHERE person = $1 AND at >= $2 AND at < $3 ORDER BY seq LIMIT $4 OFFSET $5";
        let (from, until) = span(&usage);
        let found = sqlx::query(text)
            .bind(usage.person.as_str().to_owned())
            .bind(from)
            .bind(until)
            .bind(as_i64(rows))
            .bind(as_i64(page.saturating_sub(1).saturating_mul(rows)))
            .fetch_all(self.read())
            .await?;
        let read = |row: &AnyRow| -> Result<Entry, Fault> { Ok(serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?) };
        Ok(UseEntries { entries: found.iter().map(read).collect::<Result<_, _>>()?, total, pages: total.div_ceil(rows).max(1) })
    }

    async fn count_entries(&self, executor: impl Executor<'_, Database = Any>, usage: &EmergencyUse) -> Result<u64, Fault> {
        let (from, until) = span(usage);
        let row = sqlx::query("SELECT COUNT(*) AS n FROM log WHERE person = $1 AND at >= $2 AND at < $3").bind(usage.person.as_str().to_owned()).bind(from).bind(until).fetch_one(executor).await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
    }

    /// Names that those typed who opened the emergency account in whose name this person acted at a moment; none for anybody
    /// else. An emergency account that acted without a use is no state that the box makes: then nothing is decided.
    pub(crate) async fn openers_at(&self, conn: &mut AnyConnection, person: &PersonId, at: Timestamp) -> Result<Vec<String>, Fault> {
        if !self.load_person(&mut *conn, person).await?.is_some_and(|person| person.emergency) {
            return Ok(Vec::new());
        }
        let since = self.since();
        let text = "SELECT u.body, u.seal FROM emergency_uses u JOIN emergency_accounts a ON a.id = u.account WHERE a.person = $1 AND u.opened_at <= $2 ORDER BY u.opened_at DESC LIMIT 1";
        let row = sqlx::query(text).bind(person.as_str().to_owned()).bind(at.0).fetch_optional(&mut *conn).await?;
        let usage = row.map(|row| self.held::<EmergencyUse>(&row, since)).transpose()?;
        let usage = usage.filter(|usage| usage.person == *person && usage.opened_at() <= at && usage.closed_at.is_none_or(|closed| at <= closed));
        let usage = usage.ok_or_else(|| Fault::Damaged(format!("the emergency account {person} acted without a use of it")))?;
        Ok(usage.openings.into_iter().flat_map(|opening| opening.openers).collect())
    }

    /// Signs the review of a use.
    ///
    /// # Errors
    /// The rule that forbids it; [`EmergencyUse::may_review`]; [`Refusal::ReasonNeeded`].
    pub async fn review_emergency(&self, actor: &Actor, id: &EmergencyUseId, sound: bool, note: &str) -> Done<EmergencyUse> {
        self.require(actor, Action::ReviewEmergency, None, "review_emergency").await?;
        check_text("note", note)?;
        if note.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let by = actor.person.clone().filter(|_| actor.token.is_none()).ok_or(Refusal::NotAllowed)?;
        may(actor, Action::ReadLog, None)?;
        let mut tx = self.write(actor).await?;
        let mut usage = self.load_use(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        usage.may_review(actor)?;
        let entries = self.count_entries(tx.sql(), &usage).await?;
        let note = note.trim().to_owned();
        usage.review = Some(UseReview { by, name: actor.name.clone(), at: tx.now(), sound, note: note.clone(), entries });
        self.save_use(&mut tx, &usage).await?;
        tx.fact(Fact::EmergencyReviewed { usage: usage.id.clone(), login: usage.login.clone(), sound, note, entries });
        tx.commit().await?;
        Ok(usage)
    }
}
