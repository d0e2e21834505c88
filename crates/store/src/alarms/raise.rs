//! An alarm is opened, or added to the one of its group; those who have to know are told in the same change.

use super::{COLUMNS, rank, read};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::alarm::{Level, Raised, Rule};
use sekisho_core::facts::Fact;
use sekisho_core::ids::AlarmId;
use sekisho_core::letter::Letter;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role};
use sekisho_core::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Persons of the hospital that are looked through at once for holders of a role.
const PERSONS: i64 = 2_000;

impl Store {
    /// Opens an alarm or adds to the one of its group, as part of a change.
    pub(super) async fn raise(&self, tx: &mut Tx, seq: u64, at: Timestamp, one: Raised) -> Result<(), Fault> {
        let mut group = one.group.clone();
        let mut standing = self.alarm_of(tx, &group, one.level, at).await?;
        if standing.is_none() && self.is_flood(tx, one.what.rule(), one.level, at).await? {
            // A flood of different ones is told as one for each level: its count says how many.
            group = format!("{}:*:{}", one.what.rule().as_str(), one.level.as_str());
            standing = self.alarm_of(tx, &group, one.level, at).await?;
        }
        let (what, subject) = (serde_json::to_string(&one.what)?, serde_json::to_string(&one.subject)?);
        let (id, graver) = match standing {
            Some((id, level)) => {
                let graver = rank(one.level) > level;
                sqlx::query("UPDATE alarms SET count = count + 1, last_at = $2, what = $3, subject = $4, level = CASE WHEN level < $5 THEN $5 ELSE level END WHERE id = $1")
                    .bind(id.as_str().to_owned())
                    .bind(at.0)
                    .bind(what.clone())
                    .bind(subject)
                    .bind(rank(one.level))
                    .execute(tx.sql())
                    .await?;
                (id, graver)
            }
            None => {
                let id: AlarmId = random_id()?;
                let text = "INSERT INTO alarms (id, rule, level, grp, state, opened_at, last_at, count, what, subject) VALUES ($1, $2, $3, $4, 'open', $5, $5, 1, $6, $7)";
                sqlx::query(text)
                    .bind(id.as_str().to_owned())
                    .bind(one.what.rule().as_str())
                    .bind(rank(one.level))
                    .bind(group)
                    .bind(at.0)
                    .bind(what.clone())
                    .bind(subject)
                    .execute(tx.sql())
                    .await?;
                (id, true)
            }
        };
        let kept = "INSERT INTO alarm_entries (alarm, seq, at, what) SELECT $1, $2, $3, $4 WHERE (SELECT COUNT(*) FROM alarm_entries WHERE alarm = $1) < $5 ON CONFLICT (alarm, seq) DO NOTHING";
        sqlx::query(kept).bind(id.as_str().to_owned()).bind(as_i64(seq)).bind(at.0).bind(what).bind(as_i64(limits::ALARM_ENTRIES as u64)).execute(tx.sql()).await?;
        if !graver {
            return Ok(());
        }
        let minutes = self.policy().alarm_escalate_minutes;
        if one.level == Level::Critical && minutes > 0 {
            let until = tx.now().plus(Duration::from_secs(u64::from(minutes) * 60));
            sqlx::query("UPDATE alarms SET escalate_at = $2 WHERE id = $1 AND state = 'open'").bind(id.as_str().to_owned()).bind(until.0).execute(tx.sql()).await?;
        }
        // Of emergency accounts their own letters tell, at once and to those who are named for them.
        let by_mail = one.level >= self.policy().alarm_mail && one.what.rule() != Rule::Emergency;
        let letter = Letter::Alarm { what: Box::new(one.what.clone()), level: one.level, url: self.alarm_url(&id), at, waited: None };
        let roles = self.policy().alarm_roles.clone();
        let mails = if by_mail { self.mail_alarm(tx, &roles, true, &letter).await? } else { 0 };
        tx.fact(Fact::AlarmRaised { alarm: id.clone(), rule: one.what.rule(), level: one.level, entry: seq, text: one.what.en().what, mails });
        self.queue_alarm(tx, "raised", &id, "", "").await
    }

    pub(super) fn alarm_url(&self, id: &AlarmId) -> String {
        format!("{}/alarms/{id}", self.base_url())
    }

    /// The alarm of a group that takes a further entry of this level. What somebody has taken on takes nothing critical in:
    /// who is at it looks at what there was, and nobody would be told of the rest.
    async fn alarm_of(&self, tx: &mut Tx, group: &str, level: Level, at: Timestamp) -> Result<Option<(AlarmId, i64)>, Fault> {
        // A flood that is critical is told again and again while it lasts.
        let critical_flood = level == Level::Critical && group.ends_with(":*:critical");
        let from = at.minus(if critical_flood { MINUTE * limits::ALARM_FLOOD_MINUTES as u32 } else { HOUR * limits::ALARM_GROUP_HOURS as u32 });
        let text = "SELECT id, level FROM alarms WHERE grp = $1 AND (state = 'open' OR (state = 'acknowledged' AND $3 < 2)) AND opened_at > $2 ORDER BY opened_at DESC, state DESC LIMIT 1";
        let row = sqlx::query(text).bind(group.to_owned()).bind(from.0).bind(rank(level)).fetch_optional(tx.sql()).await?;
        row.map(|row| {
            let id = AlarmId::parse(row.try_get("id")?).ok_or_else(|| Fault::Damaged("an alarm has a malformed identifier".into()))?;
            Ok((id, row.try_get("level")?))
        })
        .transpose()
    }

    /// Many of a level hide what is graver from nobody: what is less grave is not counted, and what is critical has more room.
    async fn is_flood(&self, tx: &mut Tx, rule: Rule, level: Level, at: Timestamp) -> Result<bool, Fault> {
        let text = "SELECT COUNT(*) AS n FROM alarms WHERE rule = $1 AND opened_at > $2 AND level >= $3";
        let row = sqlx::query(text).bind(rule.as_str()).bind(at.minus(HOUR).0).bind(rank(level)).fetch_one(tx.sql()).await?;
        let room = if level == Level::Critical { limits::CRITICAL_ALARMS_AN_HOUR } else { limits::ALARMS_AN_HOUR };
        Ok(row.try_get::<i64, _>("n")? >= as_i64(room as u64))
    }

    /// Writes a letter to everybody of the hospital who holds one of the roles, and to the addresses of the configuration if
    /// `addresses`. Gives how many go.
    async fn mail_alarm(&self, tx: &mut Tx, roles: &BTreeSet<Role>, addresses: bool, letter: &Letter) -> Result<usize, Fault> {
        if !self.mails() {
            return Ok(0);
        }
        let (since, now) = (self.since(), tx.now());
        let (mut told, mut after) = (Vec::<Person>::new(), String::new());
        // Page by page: a holder of the role behind thousands of others is told all the same.
        while told.len() < limits::ALARM_MAILS {
            let rows = sqlx::query("SELECT id, body, seal FROM persons WHERE vendor IS NULL AND active = 1 AND id > $1 ORDER BY id LIMIT $2").bind(after.clone()).bind(PERSONS).fetch_all(tx.sql()).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("id")?;
            let persons = rows.iter().filter_map(|row| self.held::<Person>(row, since).ok());
            told.extend(persons.filter(|person| person.may_act(now) && !person.emergency && person.roles.iter().any(|role| roles.contains(role))));
        }
        told.truncate(limits::ALARM_MAILS);
        let mut mails = 0;
        for person in &told {
            mails += usize::from(tx.mail(person, letter).await?.to().is_some());
        }
        let named = self.inner.settings.mail.as_ref().filter(|_| addresses).map(|mail| mail.alarm.clone()).unwrap_or_default();
        for address in named.iter().filter(|address| told.iter().all(|person| person.mail != **address)) {
            mails += usize::from(self.post(tx, None, address, letter).await?.to().is_some());
        }
        Ok(mails)
    }

    /// Tells further people of critical alarms that nobody took on in time.
    pub(super) async fn escalate_due(&self) -> Done<()> {
        let due = sqlx::query("SELECT id FROM alarms WHERE state = 'open' AND escalate_at <= $1 ORDER BY escalate_at LIMIT 50").bind(self.now().0).fetch_all(self.read()).await?;
        for row in &due {
            let Some(id) = AlarmId::parse(row.try_get("id")?) else { continue };
            let mut tx = self.write(&Actor::system()).await?;
            let now = tx.now();
            // Looked at again inside: somebody may have taken it on meanwhile.
            let row: Option<AnyRow> =
                sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 AND state = 'open' AND escalate_at <= $2"))).bind(id.as_str().to_owned()).bind(now.0).fetch_optional(tx.sql()).await?;
            let Some(row) = row else { continue };
            let alarm = read(&row)?;
            sqlx::query("UPDATE alarms SET escalate_at = NULL WHERE id = $1").bind(id.as_str().to_owned()).execute(tx.sql()).await?;
            let roles = self.policy().alarm_escalate_roles.clone();
            let letter = Letter::Alarm { what: Box::new(alarm.what.clone()), level: alarm.level, url: self.alarm_url(&id), at: alarm.last_at, waited: Some(self.policy().alarm_escalate_minutes) };
            let mails = self.mail_alarm(&mut tx, &roles, false, &letter).await?;
            tx.fact(Fact::AlarmEscalated { alarm: id.clone(), rule: alarm.rule, roles, mails });
            self.queue_alarm(&mut tx, "escalated", &id, "", "").await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
