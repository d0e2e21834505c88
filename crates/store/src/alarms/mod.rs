//! 警報 (alarms): derived from the log by whoever follows it, grouped, told, taken on and closed.
//!
//! Alarms are rows beside the log and decide nothing. Whoever changes them in the database hides no fact: each raised alarm
//! stands in the log, and so does each act upon it.

mod follow;
mod gauges;
mod known;
mod post;
mod raise;
mod sweep;

pub use gauges::Gauges;
pub use post::ReceiverRow;

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::write::Tx;
use sekisho_core::alarm::{AlarmState, Level, Rule, Subject, What};
use sekisho_core::facts::Fact;
use sekisho_core::ids::AlarmId;
use sekisho_core::limits;
use crate::ledger::LEDGER_ROWS;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the memory holds of alarms: for the number in the menu, and what a look around has told already.
#[derive(Default)]
pub(crate) struct Bells {
    /// Alarms that nobody took on, notices left out.
    open: AtomicU64,
    /// Held by the one who follows the log; the number of the next entry to look at, if it is ahead of the row.
    following: tokio::sync::Mutex<Option<u64>>,
    /// What the looks around told.
    pub(super) told: tokio::sync::Mutex<sweep::ToldBefore>,
    /// Refusals since the start, by code.
    pub(super) refusals: std::sync::Mutex<std::collections::BTreeMap<String, u64>>,
    /// Of each receiver the piece that it refuses: its number, how often, and since when.
    pub(super) balking: std::sync::Mutex<std::collections::BTreeMap<String, (u64, usize, Timestamp)>>,
    /// Rows whose seals do not hold: table and row, how, and whether that was told.
    pub(crate) damaged: std::sync::Mutex<std::collections::BTreeMap<(String, String), (&'static str, bool)>>,
    /// Rings when something waits for a receiver.
    pub(super) queued: tokio::sync::Notify,
}

/// An alarm.
#[derive(Clone, Debug, Serialize)]
pub struct AlarmRow {
    /// Which.
    pub id: AlarmId,
    /// By which rule.
    pub rule: Rule,
    /// How grave it is.
    pub level: Level,
    /// How it stands.
    pub state: AlarmState,
    /// When it was raised.
    pub opened_at: Timestamp,
    /// The last entry of its group.
    pub last_at: Timestamp,
    /// How many entries it stands for.
    pub count: u64,
    /// What happened, the last of them.
    pub what: What,
    /// What it is about.
    pub subject: Subject,
    /// When somebody took it on.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// By whom.
    pub closed_by: Option<String>,
    /// What they found.
    pub note: Option<String>,
}

/// One page of alarms.
#[derive(Clone, Debug, Serialize)]
pub struct AlarmPage {
    /// How many there are in all.
    pub total: u64,
    /// Those of this page.
    pub rows: Vec<AlarmRow>,
}

/// An entry that an alarm stands for.
#[derive(Clone, Debug, Serialize)]
pub struct AlarmEntry {
    /// Its number in the log.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}

/// Which alarms to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct AlarmFilter {
    /// In this state.
    pub state: Option<AlarmState>,
    /// At least this grave.
    pub level: Option<Level>,
    /// Not closed.
    pub standing: bool,
    /// Rows to pass over.
    pub skip: usize,
}

const COLUMNS: &str = "SELECT id, rule, level, state, opened_at, last_at, count, what, subject, acknowledged_at, acknowledged_by, closed_at, closed_by, note FROM alarms";

pub(super) fn rank(level: Level) -> i64 {
    match level {
        Level::Notice => 0,
        Level::Warning => 1,
        Level::Critical => 2,
    }
}

fn level_of(rank: i64) -> Option<Level> {
    Level::ALL.into_iter().find(|level| self::rank(*level) == rank)
}

fn read(row: &AnyRow) -> Result<AlarmRow, Fault> {
    let id: &str = row.try_get("id")?;
    let damaged = || Fault::Damaged(format!("the alarm {id} is malformed"));
    let what: What = serde_json::from_str(row.try_get("what")?)?;
    let moment = |name: &str| row.try_get::<Option<i64>, _>(name).map(|at| at.map(Timestamp));
    Ok(AlarmRow {
        id: AlarmId::parse(id).ok_or_else(damaged)?,
        rule: what.rule(),
        level: level_of(row.try_get("level")?).ok_or_else(damaged)?,
        state: AlarmState::parse(row.try_get("state")?).ok_or_else(damaged)?,
        opened_at: Timestamp(row.try_get("opened_at")?),
        last_at: Timestamp(row.try_get("last_at")?),
        count: u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or(0),
        what,
        subject: serde_json::from_str(row.try_get("subject")?)?,
        acknowledged_at: moment("acknowledged_at")?,
        acknowledged_by: row.try_get("acknowledged_by")?,
        closed_at: moment("closed_at")?,
        closed_by: row.try_get("closed_by")?,
        note: row.try_get("note")?,
    })
}

impl Store {
    /// Alarms: those that nobody took on first, the gravest and newest before others; one page of them.
    ///
    /// # Errors
    /// Without the right to read alarms.
    pub async fn alarms(&self, actor: &Actor, filter: &AlarmFilter) -> Done<AlarmPage> {
        may(actor, Action::ReadAlarms, None)?;
        let which = "($1 IS NULL OR state = $1) AND level >= $2 AND ($3 = 0 OR state <> 'closed')";
        let counted = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS n FROM alarms WHERE {which}")))
            .bind(filter.state.map(AlarmState::as_str))
            .bind(filter.level.map_or(0, rank))
            .bind(i64::from(filter.standing))
            .fetch_one(self.read())
            .await?;
        let text = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE {which} \
            ORDER BY CASE state WHEN 'open' THEN 0 WHEN 'acknowledged' THEN 1 ELSE 2 END, CASE WHEN state = 'open' THEN level ELSE 0 END DESC, last_at DESC, id LIMIT $4 OFFSET $5"
        ));
        let rows = sqlx::query(text)
            .bind(filter.state.map(AlarmState::as_str))
            .bind(filter.level.map_or(0, rank))
            .bind(i64::from(filter.standing))
            .bind(as_i64(limits::PAGE_ROWS as u64))
            .bind(as_i64(filter.skip as u64))
            .fetch_all(self.read())
            .await?;
        Ok(AlarmPage { total: u64::try_from(counted.try_get::<i64, _>("n")?).unwrap_or(0), rows: rows.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// One alarm, with the first entries that it stands for.
    ///
    /// # Errors
    /// Without the right to read alarms; [`Refusal::NotFound`].
    pub async fn alarm(&self, actor: &Actor, id: &AlarmId) -> Done<(AlarmRow, Vec<AlarmEntry>)> {
        may(actor, Action::ReadAlarms, None)?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"))).bind(id.as_str().to_owned()).fetch_optional(self.read()).await?;
        let alarm = read(&row.ok_or(Refusal::NotFound)?)?;
        let rows = sqlx::query("SELECT seq, at, what FROM alarm_entries WHERE alarm = $1 ORDER BY seq").bind(id.as_str().to_owned()).fetch_all(self.read()).await?;
        let entry = |row: &AnyRow| -> Result<AlarmEntry, Fault> {
            Ok(AlarmEntry { seq: u64::try_from(row.try_get::<i64, _>("seq")?).unwrap_or(0), at: Timestamp(row.try_get("at")?), what: serde_json::from_str(row.try_get("what")?)? })
        };
        Ok((alarm, rows.iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Takes an alarm on: it goes to nobody further.
    ///
    /// # Errors
    /// Without the right to handle alarms; [`Refusal::NotFound`] unless it is open.
    pub async fn acknowledge_alarm(&self, actor: &Actor, id: &AlarmId) -> Done<()> {
        self.require(actor, Action::HandleAlarms, None, "acknowledge_alarm").await?;
        let mut tx = self.write(actor).await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND state = 'open'"))).bind(id.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        let alarm = read(&row.ok_or(Refusal::NotFound)?)?;
        self.require_other(&mut tx, &alarm).await?;
        let now = tx.now();
        sqlx::query("UPDATE alarms SET state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3, escalate_at = NULL WHERE id = $1")
            .bind(id.as_str().to_owned())
            .bind(now.0)
            .bind(actor.name.clone())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::AlarmAcknowledged { alarm: id.clone(), rule: alarm.rule });
        self.queue_alarm(&mut tx, "acknowledged", id, &actor.name, "").await?;
        tx.commit().await?;
        self.count_open_alarms().await?;
        Ok(())
    }

    /// Closes an alarm, with a note of what was found.
    ///
    /// # Errors
    /// Without the right to handle alarms; [`Refusal::NotFound`] if there is none that stands; a note that is empty or too
    /// long.
    pub async fn close_alarm(&self, actor: &Actor, id: &AlarmId, note: &str) -> Done<()> {
        self.require(actor, Action::HandleAlarms, None, "close_alarm").await?;
        let note = note.trim();
        if note.is_empty() {
            return Err(Refusal::bad_field("note").into());
        }
        check_text("note", note)?;
        let mut tx = self.write(actor).await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND state <> 'closed'"))).bind(id.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        let alarm = read(&row.ok_or(Refusal::NotFound)?)?;
        self.require_other(&mut tx, &alarm).await?;
        self.close_in(&mut tx, &alarm, note).await?;
        tx.commit().await?;
        self.count_open_alarms().await?;
        Ok(())
    }

    /// Nobody deals with what is about themselves, as long as somebody else can.
    async fn require_other(&self, tx: &mut Tx, alarm: &AlarmRow) -> Done<()> {
        let actor = tx.actor().clone();
        let (Some(person), true) = (&actor.person, actor.person == alarm.subject.person) else { return Ok(()) };
        let (since, now) = (self.since(), tx.now());
        let rows = sqlx::query("SELECT body, seal FROM persons WHERE vendor IS NULL AND active = 1 AND id <> $1 ORDER BY id LIMIT $2").bind(person.as_str().to_owned()).bind(LEDGER_ROWS).fetch_all(tx.sql()).await?;
        let mut others = rows.iter().filter_map(|row| self.held::<Person>(row, since).ok()).filter(|other| other.may_act(now) && !other.emergency);
        let can = |other: &Person| may(&Actor { person: Some(other.id.clone()), roles: other.roles.clone(), vendor: None, ..actor.clone() }, Action::HandleAlarms, None).is_ok();
        if others.any(|other| can(&other)) { Err(Refusal::OwnMatter.into()) } else { Ok(()) }
    }

    /// Closes an alarm as part of a change, in the name of whoever makes it.
    async fn close_in(&self, tx: &mut Tx, alarm: &AlarmRow, note: &str) -> Result<(), Fault> {
        let (now, by) = (tx.now(), tx.actor().name.clone());
        sqlx::query("UPDATE alarms SET state = 'closed', closed_at = $2, closed_by = $3, note = $4, escalate_at = NULL WHERE id = $1")
            .bind(alarm.id.as_str().to_owned())
            .bind(now.0)
            .bind(by.clone())
            .bind(note.to_owned())
            .execute(tx.sql())
            .await?;
        tx.fact(Fact::AlarmClosed { alarm: alarm.id.clone(), rule: alarm.rule, note: note.to_owned(), count: alarm.count });
        self.queue_alarm(tx, "closed", &alarm.id, &by, note).await
    }

    /// Closes the alarms of one group as part of the change that settles what they told of. The caller counts what is open
    /// after its commit ([`Store::count_open_alarms`]).
    pub(crate) async fn settle_alarms(&self, tx: &mut Tx, rule: Rule, about: &str, note: &str) -> Result<(), Fault> {
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE grp = $1 AND state <> 'closed'"));
        let rows = sqlx::query(text).bind(format!("{}:{about}", rule.as_str())).fetch_all(tx.sql()).await?;
        for row in &rows {
            self.close_in(tx, &read(row)?, note).await?;
        }
        Ok(())
    }

    /// Alarms that nobody took on, notices left out: the number in the menu. From memory, at most a moment old.
    #[must_use]
    pub fn open_alarms(&self) -> u64 {
        self.inner.bells.open.load(Ordering::SeqCst)
    }

    pub(crate) async fn count_open_alarms(&self) -> Result<(), Fault> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM alarms WHERE state = 'open' AND level >= 1").fetch_one(self.read()).await?;
        self.inner.bells.open.store(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0), Ordering::SeqCst);
        Ok(())
    }
}
