//! Privileged rights: who holds them, who approved, until when, on one page.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::bodies;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{AccountId, PersonId};
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{Account, Target};
use sekisho_core::time::{Timestamp, parse_date};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the register says of one right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// `administrator:PERSON`, `planner:PERSON` or `account:ACCOUNT`.
    pub subject: String,
    /// Who holds it.
    pub holder: PersonId,
    /// Name of the holder.
    pub holder_name: String,
    /// Who approved.
    pub approver: PersonId,
    /// Name of the approver.
    pub approver_name: String,
    /// When it was written down.
    pub at: Timestamp,
    /// Its last day, `YYYY-MM-DD`.
    pub until: String,
    /// Why it is held.
    pub reason: String,
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct PrivilegeAsk {
    /// Which right.
    pub subject: String,
    /// Who holds it: for a role its person, for an account somebody of the hospital who answers for it.
    pub holder: PersonId,
    /// Who approved: a planner or safety manager, and not the holder.
    pub approver: PersonId,
    /// Its last day, `YYYY-MM-DD`.
    pub until: String,
    /// Why it is held.
    pub reason: String,
}

/// A right that somebody holds, and its row of the register, if it has one.
#[derive(Clone, Debug)]
pub struct PrivilegeRow {
    /// Which right, as the register calls it.
    pub subject: String,
    /// The role; `None` for an account of a target.
    pub role: Option<Role>,
    /// The person who holds the role.
    pub person: Option<Person>,
    /// The account and its target.
    pub account: Option<(Account, Target)>,
    /// What the register says.
    pub register: Option<Privilege>,
    /// The row has a last day that has not passed, and its holder may act.
    pub in_force: bool,
}

impl Store {
    /// Every privileged right there is, whether or not the register knows it.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn privileges(&self, actor: &Actor) -> Done<Vec<PrivilegeRow>> {
        may(actor, Action::ReadLedger, None)?;
        let now = self.now();
        let rows = sqlx::query("SELECT body FROM privileges").fetch_all(self.read()).await?;
        let register: BTreeMap<String, Privilege> = bodies::<Privilege>(&rows)?.into_iter().map(|row| (row.subject.clone(), row)).collect();
        let rows = sqlx::query("SELECT body FROM persons WHERE active = 1 ORDER BY login").fetch_all(self.read()).await?;
        let persons: Vec<Person> = bodies(&rows)?;
        let acts = |id: &PersonId| persons.iter().any(|person| person.id == *id && person.may_act(now));
        let standing = |subject: &str| {
            let row = register.get(subject).cloned();
            let in_force = row.as_ref().is_some_and(|row| acts(&row.holder) && parse_date(&row.until).is_some_and(|last| now.date() <= last));
            (row, in_force)
        };
        let mut found = Vec::new();
        for role in [Role::Administrator, Role::Planner] {
            for person in persons.iter().filter(|person| person.is(role) && person.may_act(now)) {
                let subject = format!("{}:{}", role.as_str(), person.id);
                let (row, in_force) = standing(&subject);
                found.push(PrivilegeRow { role: Some(role), person: Some(person.clone()), account: None, register: row, in_force, subject });
            }
        }
        let rows = sqlx::query("SELECT body FROM targets WHERE active = 1 ORDER BY name").fetch_all(self.read()).await?;
        let targets: Vec<Target> = bodies(&rows)?;
        let rows = sqlx::query("SELECT body FROM accounts ORDER BY id").fetch_all(self.read()).await?;
        for account in bodies::<Account>(&rows)?.into_iter().filter(Account::is_privileged) {
            let Some(target) = targets.iter().find(|target| target.id == account.target) else { continue };
            let subject = format!("account:{}", account.id);
            let (row, in_force) = standing(&subject);
            found.push(PrivilegeRow { role: None, person: None, account: Some((account, target.clone())), register: row, in_force, subject });
        }
        Ok(found)
    }

    /// Writes a row of the register.
    ///
    /// # Errors
    /// Without the right; [`Refusal::NotFound`] for a right that nobody holds; the field that is wrong. Nobody approves
    /// their own.
    pub async fn keep_privilege(&self, actor: &Actor, ask: PrivilegeAsk) -> Done<Privilege> {
        self.require(actor, Action::KeepLedger, None, "keep_privilege").await?;
        check_text("reason", &ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let last = parse_date(&ask.until).filter(|last| *last >= self.now().date()).ok_or_else(|| Refusal::bad_field("privilege_until"))?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let holder = self.load_person(tx.sql(), &ask.holder).await?.filter(|person| person.may_act(now) && person.vendor.is_none()).ok_or_else(|| Refusal::bad_field("holder"))?;
        match ask.subject.split_once(':') {
            Some(("account", id)) => {
                let id = AccountId::parse(id).ok_or(Refusal::NotFound)?;
                self.load_account(tx.sql(), &id).await?.filter(Account::is_privileged).ok_or(Refusal::NotFound)?;
            }
            Some((role, id)) => {
                let role = Role::parse(role).filter(|role| matches!(role, Role::Administrator | Role::Planner)).ok_or(Refusal::NotFound)?;
                if holder.id.as_str() != id || !holder.is(role) {
                    return Err(Refusal::bad_field("holder").into());
                }
            }
            None => return Err(Refusal::NotFound.into()),
        }
        let approves = |person: &Person| person.may_act(now) && (person.is(Role::Planner) || person.is(Role::SafetyManager)) && person.id != holder.id;
        let approver = self.load_person(tx.sql(), &ask.approver).await?.filter(approves).ok_or_else(|| Refusal::bad_field("approver"))?;
        let row = Privilege {
            subject: ask.subject,
            holder_name: holder.name,
            holder: holder.id,
            approver_name: approver.name,
            approver: approver.id,
            at: now,
            until: sekisho_core::time::format_date(last),
            reason: ask.reason,
        };
        let body = serde_json::to_string(&row).map_err(Fault::from)?;
        sqlx::query("INSERT INTO privileges (subject, body) VALUES ($1, $2) ON CONFLICT (subject) DO UPDATE SET body = excluded.body").bind(row.subject.clone()).bind(body).execute(tx.sql()).await?;
        tx.fact(Fact::PrivilegeKept { subject: row.subject.clone(), holder: row.holder.clone(), approver: row.approver.clone(), until: row.until.clone(), reason: row.reason.clone() });
        tx.commit().await?;
        Ok(row)
    }
}
