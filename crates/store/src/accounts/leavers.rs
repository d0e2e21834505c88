//! Leavers: a last day, a reason, and on that day the end of everything that the account could be used by; the sheet that
//! confirms it is read from what is there, not from what was meant.

use super::Ended;
use crate::Store;
use crate::fault::{Denied, Done, Fault};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// Somebody leaves.
#[derive(Clone, Debug)]
pub struct LeaveAsk {
    /// Their last day, `YYYY-MM-DD`; a day of the past or today's, with `at_once`, ends the account at once.
    pub last_day: String,
    /// Everything ends at once, whatever the last day is.
    pub at_once: bool,
    /// Why: 退職, 異動, 契約終了.
    pub reason: String,
}

/// What is kept of a leaver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaver {
    /// Who.
    pub person: PersonId,
    /// Their last day, `YYYY-MM-DD`.
    pub last_day: String,
    /// Why.
    pub reason: String,
    /// Name of whoever wrote it down.
    pub noted_by: String,
    /// When.
    pub noted_at: Timestamp,
    /// When everything was ended.
    pub ended_at: Option<Timestamp>,
    /// What there was to end.
    pub ended: Ended,
}

/// The sheet of a leaver.
#[derive(Clone, Debug)]
pub struct LeaverSheet {
    /// The person as the ledger has them.
    pub person: Person,
    /// What was written down.
    pub leaver: Leaver,
    /// What is there at this moment: name of the thing and number. All of them are 0 for an account that has ended.
    pub left: Vec<(&'static str, u64)>,
    /// Robots that this person answers for, and that need somebody else.
    pub robots: Vec<(PersonId, String)>,
    /// Plans that are not finished and name them as a worker.
    pub plans: Vec<String>,
}

/// What the sheet counts, each by its own look at the rows.
const LEFT: [(&str, &str); 6] = [
    ("logins", "SELECT COUNT(*) AS n FROM web_logins WHERE person = $1"),
    ("keys", "SELECT COUNT(*) AS n FROM worker_keys WHERE person = $1"),
    ("tokens", "SELECT COUNT(*) AS n FROM api_tokens WHERE person = $1 AND is_open = 1"),
    ("links", "SELECT COUNT(*) AS n FROM enrolments WHERE person = $1"),
    ("windows", "SELECT COUNT(*) AS n FROM key_windows WHERE person = $1 AND is_open = 1"),
    ("sessions", "SELECT COUNT(*) AS n FROM sessions WHERE person = $1 AND ended_at IS NULL"),
];

impl Store {
    /// Writes down that somebody leaves. On their last day, or at once, the account ends.
    ///
    /// # Errors
    /// Without the right or a reason; [`Refusal::LastAdministrator`]; [`Refusal::NotAllowed`] for oneself.
    pub async fn person_leaves(&self, actor: &Actor, id: &PersonId, ask: LeaveAsk) -> Done<Leaver> {
        self.require(actor, Action::KeepLedger, None, "leave").await?;
        if actor.is_person(id) {
            return Err(Refusal::NotAllowed.into());
        }
        check_text("reason", &ask.reason)?;
        if ask.reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let end = parse_date(&ask.last_day).and_then(|day| day.next_day()).map(|day| Timestamp::from_jst(day, 0, 0)).ok_or_else(|| Refusal::bad_field("last_day"))?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let person = self.load_person(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if person.emergency {
            return Err(Refusal::NotAllowed.into());
        }
        let mut leaver = Leaver { person: id.clone(), last_day: ask.last_day, reason: ask.reason, noted_by: actor.name.clone(), noted_at: now, ended_at: None, ended: Ended::default() };
        tx.fact(Fact::LeaverNoted { person: id.clone(), last_day: leaver.last_day.clone(), reason: leaver.reason.clone() });
        if ask.at_once || end <= now {
            self.end_leaver(&mut tx, &person, &mut leaver).await?;
        } else {
            if person.is(Role::Administrator) && person.may_act(now) && !self.leaves_an_administrator(&mut tx, id).await? {
                return Err(Refusal::LastAdministrator.into());
            }
            let until = person.valid_until.map_or(end, |until| until.min(end));
            let after = Person { valid_until: Some(until), ..person };
            let text = serde_json::to_string(&after)?;
            sqlx::query("UPDATE persons SET body = $1 WHERE id = $2").bind(text.clone()).bind(id.as_str().to_owned()).execute(tx.sql()).await?;
            self.seal_row(&mut tx, &after, &text).await?;
            tx.fact(Fact::PersonChanged { person: id.clone(), roles: after.roles.clone(), active: after.active });
        }
        save(tx.sql(), &leaver).await?;
        tx.commit().await?;
        Ok(leaver)
    }

    /// The sheet of a leaver; `None` for somebody of whom no leaving was written down.
    ///
    /// # Errors
    /// Without the right to read the ledger; [`Refusal::NotFound`].
    pub async fn leaver_sheet(&self, actor: &Actor, id: &PersonId) -> Done<Option<LeaverSheet>> {
        may(actor, Action::ReadLedger, None)?;
        let person = self.load_person(self.read(), id).await?.ok_or(Refusal::NotFound)?;
        let row = sqlx::query("SELECT body FROM leavers WHERE person = $1").bind(id.as_str().to_owned()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let leaver: Leaver = crate::ledger::body(&row)?;
        let mut left = Vec::new();
        for (name, text) in LEFT {
            let row = sqlx::query(text).bind(id.as_str().to_owned()).fetch_one(self.read()).await?;
            left.push((name, u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0)));
        }
        let rows = sqlx::query("SELECT body FROM persons WHERE active = 1 ORDER BY login").fetch_all(self.read()).await?;
        let robots = crate::ledger::bodies::<Person>(&rows)?.into_iter().filter(|other| other.robot.as_ref() == Some(id)).map(|robot| (robot.id, robot.name)).collect();
        let rows = sqlx::query("SELECT body FROM plans WHERE body LIKE '%' || $1 || '%' ORDER BY id LIMIT 500").bind(id.as_str().to_owned()).fetch_all(self.read()).await?;
        let plans = crate::ledger::bodies::<sekisho_core::plan::Plan>(&rows)?.into_iter().filter(|plan| plan.admits() && plan.content.workers.contains(id)).map(|plan| plan.number).collect();
        Ok(Some(LeaverSheet { person, leaver, left, robots, plans }))
    }

    /// Ends the accounts of leavers whose last day has passed.
    pub(crate) async fn end_leavers(&self) -> Done<()> {
        let rows = sqlx::query("SELECT body FROM leavers WHERE ended_at IS NULL").fetch_all(self.read()).await?;
        let mut first = Ok(());
        for row in &rows {
            // A row that cannot be read keeps nobody else's account open.
            if let Err(denied) = self.end_if_due(row).await {
                tracing::error!(%denied, "ALARM: a leaver's account could not be ended; the others go on");
                if first.is_ok() && matches!(denied, Denied::Fault(_)) {
                    first = Err(denied);
                }
            }
        }
        first
    }

    async fn end_if_due(&self, row: &AnyRow) -> Done<()> {
        let mut leaver: Leaver = crate::ledger::body(row)?;
        let end = parse_date(&leaver.last_day).and_then(|day| day.next_day()).map(|day| Timestamp::from_jst(day, 0, 0));
        if end.is_none_or(|end| self.now() < end) {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let Some(person) = self.load_person(tx.sql(), &leaver.person).await? else { return Ok(()) };
        // The row of a leaver bears no seal. The person's does, and ends with the same day: so nobody who can only write to the
        // database ends an account by the box's own hand, and somebody who stays after all is the ledger's to say.
        if person.valid_until.is_none_or(|until| self.now() < until) {
            return Ok(());
        }
        self.end_leaver(&mut tx, &person, &mut leaver).await?;
        save(tx.sql(), &leaver).await?;
        Ok(tx.commit().await?)
    }

    async fn end_leaver(&self, tx: &mut Tx, person: &Person, leaver: &mut Leaver) -> Done<()> {
        let ended = self.disable_account(tx, person).await?.ok_or(Refusal::LastAdministrator)?;
        leaver.ended_at = Some(tx.now());
        leaver.ended = ended;
        tx.fact(Fact::LeaverEnded { person: person.id.clone(), logins: ended.logins, keys: ended.keys, tokens: ended.tokens, links: ended.links, sessions: ended.sessions });
        Ok(())
    }
}

async fn save(conn: &mut AnyConnection, leaver: &Leaver) -> Result<(), Fault> {
    let text = "INSERT INTO leavers (person, ended_at, body) VALUES ($1, $2, $3) ON CONFLICT (person) DO UPDATE SET ended_at = excluded.ended_at, body = excluded.body";
    sqlx::query(text).bind(leaver.person.as_str().to_owned()).bind(leaver.ended_at.map(|at| at.0)).bind(serde_json::to_string(leaver)?).execute(conn).await?;
    Ok(())
}
