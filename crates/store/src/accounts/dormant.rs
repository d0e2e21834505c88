//! Accounts that nobody uses are disabled by the box once a day.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::{LEDGER_ROWS, bodies};
use sekisho_core::facts::Fact;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Accounts that one look may disable whatever part of all they are. The look is made every day, so that more are a sign of
/// a clock that ran ahead.
const FEW: usize = 1;
/// More than this part of all accounts is never disabled at once.
const PART: usize = 3;

/// Who is there for the night on which something breaks. They are idle for as long as nothing does, and without them nobody
/// can allow an emergency; a review looks at their accounts (棚卸).
fn stands_by(person: &Person) -> bool {
    person.emergency || person.is(Role::DutyClerk) || person.is(Role::Planner) || person.is(Role::SafetyManager)
}

impl Store {
    /// Accounts that were disabled because nobody used them, the last ones first, with the moment it happened.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn dormant(&self, actor: &Actor) -> Done<Vec<(Person, Timestamp)>> {
        may(actor, Action::ReadLedger, None)?;
        let text = "SELECT p.body, s.dormant_at FROM account_states s JOIN persons p ON p.id = s.person WHERE s.dormant_at IS NOT NULL AND p.active = 0 ORDER BY s.dormant_at DESC LIMIT $1";
        let rows = sqlx::query(text).bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<(Person, Timestamp), Fault> { Ok((crate::ledger::body(row)?, Timestamp(row.try_get("dormant_at")?))) };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Disables what nobody used for the days that the hospital set.
    pub(crate) async fn disable_dormant(&self) -> Done<()> {
        let days = self.policy().dormant_days;
        let now = self.now();
        let rows = sqlx::query("SELECT body FROM persons WHERE active = 1 ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let persons: Vec<Person> = bodies(&rows)?;
        let active = persons.len();
        let rows = sqlx::query("SELECT person, kept_at FROM account_states").fetch_all(self.read()).await?;
        let kept: BTreeMap<String, i64> = rows.iter().map(|row| Ok((row.try_get("person")?, row.try_get("kept_at")?))).collect::<Result<_, Fault>>()?;
        // An account from before this was kept counts as looked after today.
        let unknown: Vec<&Person> = persons.iter().filter(|person| !kept.contains_key(person.id.as_str())).collect();
        if !unknown.is_empty() {
            let mut tx = self.write(&Actor::system()).await?;
            for person in unknown {
                self.account_kept(&mut tx, &person.id).await?;
            }
            tx.commit().await?;
        }
        if days == 0 {
            return Ok(());
        }
        let last = self.last_uses().await?;
        // Nobody at all was here for so long, nor did anybody register an account: the box was asleep, or its clock is wrong,
        // and neither says anything of one account.
        let newest = last.values().copied().chain(kept.values().map(|at| Timestamp(*at))).max();
        if newest.is_some_and(|newest| now >= newest.plus(DAY * days)) {
            self.inner.shelf.alarm(format!("nobody has used this box for {days} days, or its clock is wrong; no account is disabled for not being used"));
            return Ok(());
        }
        let mut due = Vec::new();
        for person in persons {
            let used = last.get(person.id.as_str()).copied();
            let Some(kept) = kept.get(person.id.as_str()).map(|at| Timestamp(*at)) else { continue };
            if now >= used.map_or(kept, |used| used.max(kept)).plus(DAY * days) && !stands_by(&person) {
                due.push((person, used));
            }
        }
        if due.len() > FEW && due.len() * PART > active {
            let many = due.len();
            self.inner.shelf.alarm(format!("{many} of {active} accounts have not been used for {days} days. None is disabled by that: look at the clock, and end the accounts in a review"));
            return Ok(());
        }
        for (person, used) in due {
            let mut tx = self.write(&Actor::system()).await?;
            let held = match self.load_person(tx.sql(), &person.id).await {
                Ok(held) => held,
                // A row that somebody damaged lets nobody in; it must not keep the others open.
                Err(fault) => {
                    tracing::error!(%fault, person = %person.id, "ALARM: an account that nobody uses could not be looked at; the others go on");
                    continue;
                }
            };
            let Some(held) = held.filter(|held| held.active) else { continue };
            if self.disable_account(&mut tx, &held).await?.is_none() {
                continue;
            }
            let at = tx.now().0;
            sqlx::query("UPDATE account_states SET dormant_at = $2 WHERE person = $1").bind(held.id.as_str().to_owned()).bind(at).execute(tx.sql()).await?;
            tx.fact(Fact::DormantDisabled { person: held.id.clone(), last_use: used, days });
            tx.commit().await?;
        }
        Ok(())
    }
}
