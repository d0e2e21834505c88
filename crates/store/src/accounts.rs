//! Accounts as a whole: when each was used last, those that nobody uses, leavers, privileged rights, reviews.

mod dormant;
mod leavers;
mod privileges;
mod reviews;

pub use leavers::{LeaveAsk, Leaver, LeaverSheet};
pub use privileges::{Privilege, PrivilegeAsk, PrivilegeRow};
pub use reviews::{ReviewAsk, ReviewGroupAsk, ReviewPlace};

use crate::Store;
use crate::fault::Fault;
use crate::ledger::recall_sessions;
use crate::logins::{end_web_logins, remove_all_keys};
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use sekisho_core::token::TokenEnd;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use std::collections::BTreeMap;

const SESSIONS: &str = "SELECT id FROM sessions WHERE ended_at IS NULL AND person = $1";

/// What was ended with an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Logins of browsers and API clients.
    pub logins: u64,
    /// SSH public keys.
    pub keys: u64,
    /// Tokens.
    pub tokens: u64,
    /// Unused enrolment links.
    pub links: u64,
    /// Sessions that were running and were told to end.
    pub sessions: u64,
}

impl Store {
    /// When each person logged in last, and each robot used a token last. Persons who never did are not in it.
    pub(crate) async fn last_uses(&self) -> Result<BTreeMap<String, Timestamp>, Fault> {
        let text = "SELECT person, MAX(at) AS at FROM log WHERE person IS NOT NULL AND kind IN ('logged_in', 'identified', 'stepped_up', 'enrolled') GROUP BY person \
            UNION ALL SELECT person, MAX(used_at) AS at FROM api_tokens WHERE used_at IS NOT NULL GROUP BY person";
        let rows = sqlx::query(text).fetch_all(self.read()).await?;
        let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
        for row in rows {
            let at = Timestamp(row.try_get("at")?);
            let held = last.entry(row.try_get("person")?).or_insert(at);
            *held = (*held).max(at);
        }
        Ok(last)
    }

    /// The same for those who may read the ledger.
    ///
    /// # Errors
    /// Without the right.
    pub async fn last_use_of_all(&self, actor: &Actor) -> crate::fault::Done<BTreeMap<String, Timestamp>> {
        may(actor, Action::ReadLedger, None)?;
        Ok(self.last_uses().await?)
    }

    /// Notes that somebody of the hospital looked after an account at this moment, so that it does not count as forgotten.
    pub(crate) async fn account_kept(&self, tx: &mut Tx, person: &PersonId) -> Result<(), Fault> {
        let text = "INSERT INTO account_states (person, kept_at) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET kept_at = excluded.kept_at, dormant_at = NULL";
        let now = tx.now().0;
        sqlx::query(text).bind(person.as_str().to_owned()).bind(now).execute(tx.sql()).await?;
        Ok(())
    }

    /// Disables an account and ends everything that it could be used by. Gives `None` for those who stay: the last
    /// administrator, and emergency accounts, which are retired with their envelopes and by no other act.
    pub(crate) async fn disable_account(&self, tx: &mut Tx, before: &Person) -> Result<Option<Ended>, Fault> {
        if before.emergency { Ok(None) } else { self.disable_any(tx, before).await }
    }

    /// The same for every account; called for an emergency account when it is retired.
    pub(crate) async fn disable_any(&self, tx: &mut Tx, before: &Person) -> Result<Option<Ended>, Fault> {
        let now = tx.now();
        if before.is(Role::Administrator) && before.may_act(now) && !self.leaves_an_administrator(tx, &before.id).await? {
            return Ok(None);
        }
        let after = Person { active: false, ..before.clone() };
        let text = serde_json::to_string(&after)?;
        let id = after.id.as_str().to_owned();
        sqlx::query("UPDATE persons SET active = 0, body = $1 WHERE id = $2").bind(text.clone()).bind(id.clone()).execute(tx.sql()).await?;
        self.seal_row(tx, &after, &text).await?;
        tx.fact(Fact::PersonChanged { person: after.id.clone(), roles: after.roles.clone(), active: false });
        let count = async |tx: &mut Tx, text: &'static str| -> Result<u64, Fault> {
            let row = sqlx::query(text).bind(after.id.as_str().to_owned()).fetch_one(tx.sql()).await?;
            Ok(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
        };
        let logins = count(tx, "SELECT COUNT(*) AS n FROM web_logins WHERE person = $1").await?;
        let keys = count(tx, "SELECT COUNT(*) AS n FROM worker_keys WHERE person = $1").await?;
        let sessions = count(tx, "SELECT COUNT(*) AS n FROM sessions WHERE ended_at IS NULL AND person = $1").await?;
        end_web_logins(tx, &after.id, None, "disabled").await?;
        self.end_ssh_logins(tx, &after.id, "disabled").await?;
        remove_all_keys(tx, &after.id).await?;
        let links = sqlx::query("DELETE FROM enrolments WHERE person = $1").bind(id).execute(tx.sql()).await?.rows_affected();
        let tokens = self.end_tokens(tx, &after.id, TokenEnd::Disabled, None).await? as u64;
        recall_sessions(tx, SESSIONS, after.id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        Ok(Some(Ended { logins, keys, tokens, links, sessions }))
    }
}
