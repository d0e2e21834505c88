//! What the past says about an entry: asked of rows and log, as far as the entry needs it.

use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use sekisho_core::alarm::{Habit, Known, SessionKnown, Usual, near};
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::reconcile::{FileSeen, SessionFacts};
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far back what is usual is looked for.
const PAST: Duration = Duration::from_secs(90 * 24 * 3600);
/// Sessions and logins that it is looked for in.
const VISITS: i64 = 500;
/// Refusals that are counted at most.
const REFUSALS: i64 = 2_000;
/// Rows of files that one session is summed up from.
const FILES: i64 = 20_000;

/// Sessions that warnings are about which nobody closed: they teach nothing of what is usual until somebody has looked at them.
/// Notices do, or a baseline would never begin.
const ALARMED: &str = "SELECT l.session FROM alarms a JOIN alarm_entries e ON e.alarm = a.id JOIN log l ON l.seq = e.seq WHERE a.state <> 'closed' AND a.level >= 1 AND l.session IS NOT NULL";

/// What was asked already for the entries of one round.
#[derive(Default)]
pub(super) struct Cache {
    sessions: BTreeMap<SessionId, Option<SessionKnown>>,
    refusals: Option<VecDeque<(Timestamp, String, String)>>,
}

/// A row that somebody damaged tells nothing; a database that does not answer is asked again.
fn or_nothing<T>(found: Result<Option<T>, Fault>) -> Result<Option<T>, Fault> {
    match found {
        Err(Fault::Damaged(_)) => Ok(None),
        other => other,
    }
}

impl Store {
    pub(super) async fn known(&self, entry: &Entry, cache: &mut Cache) -> Result<Known, Fault> {
        let mut known = Known::default();
        match &entry.fact {
            Fact::Entered { session, .. } => {
                if let Some(person) = &entry.actor.person {
                    known.habit = self.visits(person, session, entry.at).await?;
                }
            }
            Fact::LoggedIn { .. } => {
                if let Some(person) = &entry.actor.person {
                    known.habit = self.logins(person, entry).await?;
                }
            }
            Fact::Refused { login, code, .. } => {
                let minutes = u64::from(self.policy().alarm_refusal_minutes);
                let from = entry.at.minus(Duration::from_secs(minutes * 60));
                let source = entry.actor.source.clone().unwrap_or_default();
                known.stranger = !self.is_login(login).await?;
                let recent = match &mut cache.refusals {
                    Some(recent) => recent,
                    None => cache.refusals.insert(self.refusals_before(entry, from).await?),
                };
                if !sekisho_core::alarm::is_question(code) {
                    let place = near(&source);
                    recent.push_back((entry.at, login.clone(), place.clone()));
                    while recent.len() > REFUSALS as usize {
                        recent.pop_front();
                    }
                    let fresh = || recent.iter().filter(|(at, _, _)| *at > from);
                    known.refused_name = fresh().filter(|(_, name, _)| name == login).count();
                    known.refused_source = fresh().filter(|(_, _, from)| *from == place).count();
                    known.refused_all = fresh().count();
                }
            }
            Fact::Left { session, .. } => {
                known.session = self.session_known(session, cache).await?;
                if let Some(of) = known.session.clone() {
                    known.volume = self.volume_of(session).await?;
                    known.usual_person = self.usual("person", of.person.as_str(), session, entry.at).await?;
                    known.usual_target = self.usual("target", of.target.as_str(), session, entry.at).await?;
                }
            }
            Fact::Controlled { session, .. } | Fact::RefusedInside { session, .. } | Fact::FileMoved { session, .. } => known.session = self.session_known(session, cache).await?,
            Fact::HostKeyAlarmed { target, .. } => known.target_name = or_nothing(self.load_target(self.read(), target).await)?.map(|target| target.name),
            Fact::PasskeyCloned { person, .. } => known.named = or_nothing(self.load_person(self.read(), person).await)?.map(|person| person.name),
            _ => {}
        }
        Ok(known)
    }

    /// Whether somebody here has this login name.
    pub(super) async fn is_login(&self, login: &str) -> Result<bool, Fault> {
        Ok(sqlx::query("SELECT id FROM persons WHERE login = $1").bind(login.to_owned()).fetch_optional(self.read()).await?.is_some())
    }

    async fn session_known(&self, session: &SessionId, cache: &mut Cache) -> Result<Option<SessionKnown>, Fault> {
        if let Some(known) = cache.sessions.get(session) {
            return Ok(known.clone());
        }
        let row = sqlx::query("SELECT person, target, plan, vendor, facts FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        let known = match row {
            None => None,
            Some(row) => {
                let ids = (PersonId::parse(row.try_get("person")?), TargetId::parse(row.try_get("target")?), PlanId::parse(row.try_get("plan")?), VendorId::parse(row.try_get("vendor")?));
                let (Some(person), Some(target), Some(plan), Some(vendor)) = ids else { return Ok(None) };
                let facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
                let holds = or_nothing(self.load_target(self.read(), &target).await)?.is_some_and(|target| target.personal_data);
                // A plan that cannot be read declares nothing.
                let declared = or_nothing(self.load_plan(self.read(), &plan).await)?.is_some_and(|plan| plan.content.personal_data.is_some());
                Some(SessionKnown { person, who: facts.person_name, target, place: facts.target_name, plan, vendor, undeclared: holds && !declared })
            }
        };
        cache.sessions.insert(session.clone(), known.clone());
        Ok(known)
    }

    /// Bytes of files and forwards of a session.
    async fn volume_of(&self, session: &SessionId) -> Result<u64, Fault> {
        let row = sqlx::query("SELECT facts FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(self.read()).await?;
        let facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
        let mut bytes = facts.forwards.iter().fold(0_u64, |sum, seen| sum.saturating_add(seen.to_target).saturating_add(seen.to_worker));
        let rows = sqlx::query("SELECT body FROM session_events WHERE session = $1 AND kind = 'file' ORDER BY n LIMIT $2").bind(session.as_str().to_owned()).bind(FILES).fetch_all(self.read()).await?;
        for row in rows {
            let seen: FileSeen = serde_json::from_str(row.try_get("body")?)?;
            bytes = bytes.saturating_add(seen.bytes);
        }
        Ok(bytes)
    }

    async fn usual(&self, column: &'static str, whose: &str, session: &SessionId, at: Timestamp) -> Result<Option<Usual>, Fault> {
        let query = format!("SELECT bytes FROM alarm_volumes WHERE {column} = $1 AND session <> $2 AND at >= $3 AND at <= $4 AND session NOT IN ({ALARMED} AND a.rule = 'volume') ORDER BY at DESC LIMIT $5");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(whose.to_owned()).bind(session.as_str().to_owned()).bind(at.minus(PAST).0).bind(at.0).bind(VISITS).fetch_all(self.read()).await?;
        let values: Vec<u64> = rows.iter().map(|row| row.try_get::<i64, _>("bytes").map(|bytes| u64::try_from(bytes).unwrap_or(0))).collect::<Result<_, _>>()?;
        Ok(Usual::of(&values))
    }

    /// The sessions of a person before this one.
    async fn visits(&self, person: &PersonId, session: &SessionId, at: Timestamp) -> Result<Habit, Fault> {
        let text = format!(
            "SELECT source, device, target, started_at FROM sessions WHERE person = $1 AND id <> $2 AND started_at >= $3 AND started_at <= $4 \
            AND id NOT IN ({ALARMED} AND a.rule IN ('outside_hours', 'new_source', 'new_device')) ORDER BY started_at DESC LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(person.as_str().to_owned()).bind(session.as_str().to_owned()).bind(at.minus(PAST).0).bind(at.0).bind(VISITS).fetch_all(self.read()).await?;
        let mut habit = Habit { sessions: rows.len(), ..Habit::default() };
        for row in rows {
            habit.sources.insert(near(row.try_get("source")?));
            habit.devices.extend(row.try_get::<Option<String>, _>("device")?);
            habit.targets.insert(row.try_get("target")?);
            habit.hours.push(Timestamp(row.try_get("started_at")?).jst().hour());
        }
        Ok(habit)
    }

    /// The logins of a person to the pages before this one.
    async fn logins(&self, person: &PersonId, entry: &Entry) -> Result<Habit, Fault> {
        let text = "SELECT body FROM log WHERE person = $1 AND kind = 'logged_in' AND seq < $2 AND at >= $3 \
            AND seq NOT IN (SELECT e.seq FROM alarms a JOIN alarm_entries e ON e.alarm = a.id WHERE a.state <> 'closed' AND a.level >= 1 AND a.rule = 'new_source') ORDER BY seq DESC LIMIT $4";
        let rows = sqlx::query(text).bind(person.as_str().to_owned()).bind(as_i64(entry.seq)).bind(entry.at.minus(PAST).0).bind(VISITS).fetch_all(self.read()).await?;
        let mut habit = Habit { sessions: rows.len(), ..Habit::default() };
        for row in rows {
            let before: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            habit.sources.extend(before.actor.source.as_deref().map(near));
        }
        Ok(habit)
    }

    async fn refusals_before(&self, entry: &Entry, from: Timestamp) -> Result<VecDeque<(Timestamp, String, String)>, Fault> {
        let text = "SELECT body FROM log WHERE kind = 'refused' AND seq < $1 AND at > $2 ORDER BY seq DESC LIMIT $3";
        let rows = sqlx::query(text).bind(as_i64(entry.seq)).bind(from.0).bind(REFUSALS).fetch_all(self.read()).await?;
        let mut recent = VecDeque::new();
        for row in rows {
            let before: Entry = serde_json::from_slice(row.try_get::<&[u8], _>("body")?)?;
            if let Fact::Refused { login, code, .. } = before.fact
                && !sekisho_core::alarm::is_question(&code)
            {
                recent.push_front((before.at, login, near(&before.actor.source.unwrap_or_default())));
            }
        }
        Ok(recent)
    }
}
