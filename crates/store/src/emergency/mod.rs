//! Emergency accounts: the ledger of them, their envelopes, their uses and the reviews of these. How one is opened stands in
//! `logins/envelopes.rs`.

mod keep;
mod secret;
mod uses;

use crate::Store;
use crate::fault::{Done, Fault};
use crate::held::Held;
use crate::logins::Stripes;
use crate::write::Tx;
pub use keep::{EmergencyAsk, EnvelopeSheet};
pub use uses::UseEntries;
use sekisho_core::emergency::{EmergencyAccount, EmergencyState, EmergencyUse};
use sekisho_core::ids::{EmergencyId, EmergencyUseId, PersonId};
use sekisho_core::letter::Letter;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two letters about attempts on one account; every attempt stands in the log.
const TRIED_LETTER: Duration = Duration::from_secs(3600);
/// Uses that are listed.
const LISTED: i64 = 100;

impl Held for EmergencyAccount {
    const TABLE: &'static str = "emergency_accounts";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

impl Held for EmergencyUse {
    const TABLE: &'static str = "emergency_uses";
    fn key(&self) -> &str {
        self.id.as_str()
    }
}

/// What the memory holds of emergencies: for the banner of every page, and against a flood of letters. Nothing is decided
/// by it.
#[derive(Default)]
pub(crate) struct Watchfire {
    open: Mutex<Vec<OpenEmergency>>,
    tried: Mutex<HashMap<EmergencyId, Timestamp>>,
    /// Openings of one account wait for each other, and for nobody's login.
    pub(crate) turns: Stripes,
}

/// An emergency account that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEmergency {
    /// Which.
    pub account: EmergencyId,
    /// Login name.
    pub login: String,
    /// The use.
    pub usage: EmergencyUseId,
    /// Since when.
    pub since: Timestamp,
}

/// What waits to be done about emergency accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmergencyDuties {
    /// Accounts that are open: the return to normal is to be declared when it has come.
    pub open: usize,
    /// Accounts in service whose envelopes are not both there.
    pub unprepared: usize,
    /// Accounts whose envelopes must be looked at.
    pub look_due: usize,
    /// Uses that are over and were not reviewed.
    pub unreviewed: Vec<EmergencyUseId>,
}

impl Watchfire {
    /// True once an hour for each account.
    pub fn may_write_of(&self, account: &EmergencyId, now: Timestamp) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let due = tried.get(account).is_none_or(|last| now >= last.plus(TRIED_LETTER));
        if due {
            tried.insert(account.clone(), now);
        }
        due
    }
}

impl Store {
    /// The emergency accounts that are open, for the banner of every page.
    #[must_use]
    pub fn open_emergencies(&self) -> Vec<OpenEmergency> {
        self.inner.watchfire.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads anew which accounts are open. A damaged row is told and keeps nobody's page from being shown.
    pub(crate) async fn light_watchfire(&self) -> Result<(), Fault> {
        let mut open = Vec::new();
        for account in self.load_emergencies(true).await? {
            let Some(usage) = account.open else { continue };
            let since = self.load_use(self.read(), &usage).await?.map_or(Timestamp(0), |found| found.opened_at());
            open.push(OpenEmergency { account: account.id, login: account.login, usage, since });
        }
        *self.inner.watchfire.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        Ok(())
    }

    async fn load_emergencies(&self, open: bool) -> Result<Vec<EmergencyAccount>, Fault> {
        let since = self.since();
        let text = if open { "SELECT body, seal FROM emergency_accounts WHERE is_open = 1 ORDER BY login" } else { "SELECT body, seal FROM emergency_accounts ORDER BY login" };
        let rows = sqlx::query(text).fetch_all(self.read()).await?;
        let sound = |row: &AnyRow| self.held::<EmergencyAccount>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: an emergency account is passed over")).ok();
        Ok(rows.iter().filter_map(sound).collect())
    }

    /// The same after a change that stands: what it did is not undone by a banner that cannot be read.
    pub(crate) async fn relight_watchfire(&self) {
        if let Err(fault) = self.light_watchfire().await {
            tracing::error!(%fault, "ALARM: which emergency accounts are open could not be read; the banner of pages may be wrong");
        }
    }

    pub(crate) async fn load_use(&self, executor: impl Executor<'_, Database = Any>, id: &EmergencyUseId) -> Result<Option<EmergencyUse>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM emergency_uses WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
        row.map(|row| self.held(&row, since)).transpose()
    }

    pub(crate) async fn load_emergency(&self, executor: impl Executor<'_, Database = Any>, id: &EmergencyId) -> Result<Option<EmergencyAccount>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM emergency_accounts WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
        row.map(|row| self.held(&row, since)).transpose()
    }

    /// Whether the account in whose name this person acts is open at this moment.
    pub(crate) async fn emergency_in_force(&self, person: &PersonId) -> Result<bool, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM emergency_accounts WHERE person = $1").bind(person.as_str().to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(false) };
        let account: EmergencyAccount = self.held(&row, since)?;
        Ok(account.person == *person && account.is_in_force(self.now()))
    }

    /// Writes an account as part of a change. The next fact of the change must be the one that tells of it.
    pub(crate) async fn save_emergency(&self, tx: &mut Tx, account: &EmergencyAccount) -> Result<(), Fault> {
        let body = serde_json::to_string(account)?;
        sqlx::query("UPDATE emergency_accounts SET body = $1, is_open = $2 WHERE id = $3")
            .bind(body.clone())
            .bind(i64::from(account.open.is_some()))
            .bind(account.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, account, &body).await
    }

    /// The same for a use.
    pub(crate) async fn save_use(&self, tx: &mut Tx, usage: &EmergencyUse) -> Result<(), Fault> {
        let body = serde_json::to_string(usage)?;
        let is_due = usage.review.is_none();
        let text = "INSERT INTO emergency_uses (id, account, opened_at, is_due, body) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (id) DO UPDATE SET is_due = excluded.is_due, body = excluded.body";
        sqlx::query(text)
            .bind(usage.id.as_str().to_owned())
            .bind(usage.account.as_str().to_owned())
            .bind(usage.opened_at().0)
            .bind(i64::from(is_due))
            .bind(body.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, usage, &body).await
    }

    /// Writes a letter to everybody who is named for an account, and to the addresses of the configuration. Gives who is
    /// told, and how many letters go. Nobody's missing address keeps an account from being opened.
    pub(crate) async fn raise_alarm(&self, tx: &mut Tx, account: &EmergencyAccount, letter: &Letter) -> Result<(Vec<String>, usize), Fault> {
        let (mut told, mut mails) = (Vec::new(), 0);
        for id in &account.told {
            let Some(person) = self.load_person(tx.sql(), id).await? else { continue };
            mails += usize::from(tx.mail(&person, letter).await?.to().is_some());
            told.push(person.name);
        }
        let addresses = self.inner.settings.mail.as_ref().map(|mail| mail.alarm.clone()).unwrap_or_default();
        for address in addresses {
            mails += usize::from(self.post(tx, None, &address, letter).await?.to().is_some());
            told.push(address);
        }
        Ok((told, mails))
    }

    /// The emergency accounts.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn emergencies(&self, actor: &Actor) -> Done<Vec<EmergencyAccount>> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.load_emergencies(false).await?)
    }

    /// One of them.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`].
    pub async fn emergency(&self, actor: &Actor, id: &EmergencyId) -> Done<EmergencyAccount> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.load_emergency(self.read(), id).await?.ok_or(Refusal::NotFound)?)
    }

    /// The uses, the newest first: all, or those of one account.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn emergency_uses(&self, actor: &Actor, account: Option<&EmergencyId>) -> Done<Vec<EmergencyUse>> {
        may(actor, Action::ReadLedger, None)?;
        let since = self.since();
        let text = "SELECT body, seal FROM emergency_uses WHERE $1 IS NULL OR account = $1 ORDER BY opened_at DESC, id LIMIT $2";
        let rows = sqlx::query(text).bind(account.map(|id| id.as_str().to_owned())).bind(LISTED).fetch_all(self.read()).await?;
        let sound = |row: &AnyRow| self.held::<EmergencyUse>(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a use of an emergency account is passed over")).ok();
        Ok(rows.iter().filter_map(sound).collect())
    }

    /// One use.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`].
    pub async fn emergency_use(&self, actor: &Actor, id: &EmergencyUseId) -> Done<EmergencyUse> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.load_use(self.read(), id).await?.ok_or(Refusal::NotFound)?)
    }

    /// What waits to be done about them, for those who may do it.
    ///
    /// # Errors
    /// A fault.
    pub async fn emergency_duties(&self, actor: &Actor) -> Done<EmergencyDuties> {
        let mut duties = EmergencyDuties::default();
        let now = self.now();
        if may(actor, Action::KeepEmergency, None).is_ok() {
            for account in self.load_emergencies(false).await? {
                match account.state() {
                    EmergencyState::Opened => duties.open += 1,
                    EmergencyState::Unprepared => duties.unprepared += 1,
                    EmergencyState::Sealed => duties.look_due += usize::from(account.look_due(self.policy()).is_some_and(|due| due <= now)),
                    EmergencyState::Retired => {}
                }
            }
        }
        if may(actor, Action::ReviewEmergency, None).is_ok() {
            let since = self.since();
            let rows = sqlx::query("SELECT body, seal FROM emergency_uses WHERE is_due = 1 ORDER BY opened_at LIMIT $1").bind(LISTED).fetch_all(self.read()).await?;
            let due = rows.iter().filter_map(|row| self.held::<EmergencyUse>(row, since).ok());
            duties.unreviewed = due.filter(|usage| usage.may_review(actor).is_ok()).map(|usage| usage.id).collect();
        }
        Ok(duties)
    }
}
