//! Exchanging the credentials of targets: when it is due, who may ask for it, and how it stands.
//!
//! INVARIANT: a new credential is durable, as the `candidate` of its account, before a target is told of it; and while a
//! candidate stands there, nobody enters by the account and the credential in force is kept beside it. Whatever breaks off
//! leaves both, and the next round finds out which of them opens the account before it does anything else.

mod exchange;
mod robot;

use crate::Store;
use crate::fault::{Done, Fault};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{AccountId, SessionId, TargetId};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::refusal::Refusal;
use sekisho_core::rotation::{Rotated, RotationMode, Rotator};
use sekisho_core::target::CredentialKind;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what is due.
const ROUND: Duration = Duration::from_secs(5);
/// The hours of the night (JST) in which the nightly exchange begins.
const NIGHT: std::ops::Range<u8> = 2..5;
/// Wait after the first failure; it doubles with each one that follows.
const FIRST_WAIT: Duration = Duration::from_secs(5 * 60);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(12 * 3600);
/// Wait before it is found out again which of two credentials works.
const UNSURE_WAIT: Duration = Duration::from_secs(60);
/// Robot sessions that are listed for one target.
const LISTED: i64 = 20;

/// How the exchange of one account's credential stands.
#[derive(Clone, Debug, Serialize)]
pub struct Rotation {
    /// The account.
    pub account: AccountId,
    /// When it is exchanged.
    pub mode: RotationMode,
    /// A person asked for it, and it has not come about.
    pub asked: bool,
    /// Last end of a session that used the credential since the last exchange.
    pub used_at: Option<Timestamp>,
    /// An exchange is under way, or which of two credentials works is not known.
    pub under_way: bool,
    /// Failures in a row.
    pub tries: u32,
    /// Not tried again before.
    pub next_at: Timestamp,
    /// Last success.
    pub done_at: Option<Timestamp>,
    /// How the last exchange ended.
    pub last: Option<Rotated>,
}

/// A recorded session of Sekisho itself.
#[derive(Clone, Debug, Serialize)]
pub struct RobotSession {
    /// Its id, for the replay.
    pub session: SessionId,
    /// The account whose credential was exchanged.
    pub account: AccountId,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Rotated>,
}

fn read(row: &AnyRow) -> Result<Rotation, Fault> {
    let account: &str = row.try_get("account")?;
    let damaged = |what: &str| Fault::Damaged(format!("the rotation of account {account} has a malformed {what}"));
    let last: Option<String> = row.try_get("last")?;
    Ok(Rotation {
        account: AccountId::parse(account).ok_or_else(|| damaged("account"))?,
        mode: RotationMode::parse(row.try_get("mode")?).ok_or_else(|| damaged("mode"))?,
        asked: row.try_get::<i64, _>("asked")? != 0,
        used_at: row.try_get::<Option<i64>, _>("used_at")?.map(Timestamp),
        under_way: row.try_get::<i64, _>("under_way")? != 0,
        tries: u32::try_from(row.try_get::<i64, _>("tries")?).unwrap_or(u32::MAX),
        next_at: Timestamp(row.try_get("next_at")?),
        done_at: row.try_get::<Option<i64>, _>("done_at")?.map(Timestamp),
        last: last.map(|text| serde_json::from_str(&text)).transpose()?,
    })
}

const COLUMNS: &str = "SELECT r.account, r.mode, r.asked, r.used_at, CASE WHEN r.candidate IS NULL THEN 0 ELSE 1 END AS under_way, r.tries, r.next_at, \
    r.done_at, r.last FROM rotations r";

const ROBOTS: &str = "SELECT id, account, started_at, ended_at, outcome FROM robot_sessions";

fn read_robot(row: &AnyRow) -> Result<RobotSession, Fault> {
    let damaged = || Fault::Damaged("a row of robot_sessions is malformed".into());
    let outcome: Option<String> = row.try_get("outcome")?;
    Ok(RobotSession {
        session: SessionId::parse(row.try_get("id")?).ok_or_else(damaged)?,
        account: AccountId::parse(row.try_get("account")?).ok_or_else(damaged)?,
        started: Timestamp(row.try_get("started_at")?),
        ended: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        outcome: outcome.map(|text| serde_json::from_str(&text)).transpose()?,
    })
}

impl Store {
    /// Says when the credential of an account is exchanged.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`]; [`Refusal::BadField`] for an account by certificate, which has
    /// nothing to exchange.
    pub async fn set_rotation(&self, actor: &Actor, account: &AccountId, mode: RotationMode) -> Done<()> {
        self.require(actor, Action::KeepLedger, None, "set_rotation").await?;
        let mut tx = self.write(actor).await?;
        self.rotation_row(&mut tx, account).await?;
        sqlx::query("UPDATE rotations SET mode = $1 WHERE account = $2").bind(mode.as_str()).bind(account.as_str().to_owned()).execute(tx.sql()).await?;
        tx.fact(Fact::RotationSet { account: account.clone(), mode });
        tx.commit().await?;
        Ok(())
    }

    /// Asks for an exchange at once. It comes about within seconds, as soon as no session uses the account.
    ///
    /// # Errors
    /// As [`Store::set_rotation`].
    pub async fn ask_rotation(&self, actor: &Actor, account: &AccountId) -> Done<()> {
        self.require(actor, Action::KeepLedger, None, "ask_rotation").await?;
        let mut tx = self.write(actor).await?;
        self.rotation_row(&mut tx, account).await?;
        let now = tx.now();
        sqlx::query("UPDATE rotations SET asked = 1, next_at = $1 WHERE account = $2").bind(now.0).bind(account.as_str().to_owned()).execute(tx.sql()).await?;
        tx.fact(Fact::RotationAsked { account: account.clone() });
        tx.commit().await?;
        Ok(())
    }

    async fn rotation_row(&self, tx: &mut Tx, id: &AccountId) -> Done<()> {
        let account = self.load_account(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        if account.credential == CredentialKind::Certificate {
            return Err(Refusal::bad_field("rotation").into());
        }
        sqlx::query("INSERT INTO rotations (account, mode, asked, tries, next_at) VALUES ($1, 'off', 0, 0, 0) ON CONFLICT (account) DO NOTHING")
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        Ok(())
    }

    /// How the exchanges of a target's credentials stand; accounts that were never asked about are missing.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn rotations(&self, actor: &Actor, target: &TargetId) -> Done<Vec<Rotation>> {
        may(actor, Action::ReadLedger, None)?;
        let text = sqlx::AssertSqlSafe(format!("{COLUMNS} JOIN accounts a ON a.id = r.account WHERE a.target = $1 ORDER BY a.username"));
        let rows = sqlx::query(text).bind(target.as_str().to_owned()).fetch_all(self.read()).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The exchanges that failed last time, of all targets: what an operator should look at. Target's short name first,
    /// then the account's name.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn rotation_troubles(&self, actor: &Actor) -> Done<Vec<(String, String, Rotation)>> {
        may(actor, Action::ReadLedger, None)?;
        let text = COLUMNS.replacen("SELECT ", "SELECT t.name AS target_name, a.username, ", 1);
        let text = format!("{text} JOIN accounts a ON a.id = r.account JOIN targets t ON t.id = a.target WHERE r.tries > 0 ORDER BY t.name, a.username");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(self.read()).await?;
        let row = |row: &AnyRow| -> Result<_, Fault> { Ok((row.try_get("target_name")?, row.try_get("username")?, read(row)?)) };
        Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
    }

    /// The latest recorded sessions of Sekisho itself on a target, the newest first.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn robot_sessions(&self, actor: &Actor, target: &TargetId) -> Done<Vec<RobotSession>> {
        may(actor, Action::ReadLedger, None)?;
        let text = format!("{ROBOTS} WHERE target = $1 ORDER BY started_at DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(target.as_str().to_owned()).bind(LISTED).fetch_all(self.read()).await?;
        Ok(rows.iter().map(read_robot).collect::<Result<_, _>>()?)
    }

    /// One of them.
    ///
    /// # Errors
    /// Without the right to read the ledger; [`Refusal::NotFound`].
    pub async fn robot_session(&self, actor: &Actor, session: &SessionId) -> Done<RobotSession> {
        may(actor, Action::ReadLedger, None)?;
        let text = sqlx::AssertSqlSafe(format!("{ROBOTS} WHERE id = $1"));
        let row = sqlx::query(text).bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        Ok(read_robot(&row.ok_or(Refusal::NotFound)?)?)
    }

    /// True while a candidate stands beside the credential of the account, so that nobody can know which one opens it.
    pub(crate) async fn is_rotating(&self, conn: &mut AnyConnection, account: &AccountId) -> Result<bool, Fault> {
        let text = "SELECT account FROM rotations WHERE account = $1 AND candidate IS NOT NULL";
        Ok(sqlx::query(text).bind(account.as_str().to_owned()).fetch_optional(conn).await?.is_some())
    }

    /// Notes that a session used an account's credential. Part of the change that ends the session.
    pub(crate) async fn credential_used(tx: &mut Tx, session: &SessionId, ended_at: Timestamp) -> Result<(), Fault> {
        let text = "UPDATE rotations SET used_at = $1 WHERE account IN \
            (SELECT a.id FROM accounts a JOIN sessions s ON s.target = a.target AND s.account = a.username WHERE s.id = $2)";
        sqlx::query(text).bind(ended_at.0).bind(session.as_str().to_owned()).execute(tx.sql()).await?;
        Ok(())
    }

    /// Exchanges what is due, again and again, until the store is closed or the task is ended. Run it once, as a task.
    pub async fn run_rotations(&self, rotator: Arc<dyn Rotator>) {
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.inner.log.is_closed() {
                return;
            }
            if let Err(denied) = self.rotate_due(&rotator).await {
                tracing::error!(%denied, "the exchange of credentials cannot be looked after");
            }
        }
    }

    /// One round of [`Store::run_rotations`]: one account after the other, so that a wrong setting cannot lock out all
    /// targets at once.
    ///
    /// # Errors
    /// A fault of the database. What goes wrong with one account stands in its row and stops no other.
    pub async fn rotate_due(&self, rotator: &Arc<dyn Rotator>) -> Done<()> {
        for account in self.due().await? {
            if let Err(denied) = self.exchange(&account, rotator).await {
                tracing::error!(%account, %denied, "a credential could not be exchanged");
                let mut tx = self.write(&Actor::system()).await?;
                Self::put_off(&mut tx, &account, None).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    async fn due(&self) -> Result<Vec<AccountId>, Fault> {
        let now = self.now();
        let night = NIGHT.contains(&now.jst().hour());
        let text = "SELECT r.account, r.mode, r.asked, r.used_at, CASE WHEN r.candidate IS NULL THEN 0 ELSE 1 END AS under_way FROM rotations r \
            JOIN accounts a ON a.id = r.account JOIN targets t ON t.id = a.target WHERE r.next_at <= $1 AND t.active = 1 AND t.alarmed = 0 \
            AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.target = a.target AND s.account = a.username AND s.ended_at IS NULL) ORDER BY r.next_at";
        let rows = sqlx::query(text).bind(now.0).fetch_all(self.read()).await?;
        let mut due = Vec::new();
        for row in rows {
            let flag = |name: &str| -> Result<bool, Fault> { Ok(row.try_get::<i64, _>(name)? != 0) };
            let used = row.try_get::<Option<i64>, _>("used_at")?.is_some();
            let by_mode = match RotationMode::parse(row.try_get("mode")?) {
                Some(RotationMode::AfterSession) => used,
                Some(RotationMode::Nightly) => used && night,
                Some(RotationMode::Off) | None => false,
            };
            if (flag("under_way")? || flag("asked")? || by_mode)
                && let Some(account) = AccountId::parse(row.try_get("account")?)
            {
                due.push(account);
            }
        }
        Ok(due)
    }

    /// Whether a target is being told of a new credential of the account at this moment.
    pub(crate) async fn is_exchanging(&self, tx: &mut Tx, account: &AccountId) -> Result<bool, Fault> {
        let row = sqlx::query("SELECT id FROM robot_sessions WHERE account = $1 AND ended_at IS NULL").bind(account.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        Ok(row.is_some())
    }

    /// Forgets what an exchange made that broke off: the person who sets another kind of credential knows what opens the
    /// account.
    pub(crate) async fn drop_candidate(&self, tx: &mut Tx, account: &AccountId) -> Result<(), Fault> {
        sqlx::query("UPDATE rotations SET candidate = NULL WHERE account = $1").bind(account.as_str().to_owned()).execute(tx.sql()).await?;
        Ok(())
    }

    /// Notes a failure and when it is tried again, as part of a change. What was asked for by hand is not asked for any
    /// more: a person reads why it failed.
    async fn put_off(tx: &mut Tx, account: &AccountId, last: Option<&Rotated>) -> Result<(), Fault> {
        let row = sqlx::query("SELECT tries FROM rotations WHERE account = $1").bind(account.as_str().to_owned()).fetch_optional(tx.sql()).await?;
        let Some(row) = row else { return Ok(()) };
        let tries = row.try_get::<i64, _>("tries")?;
        let wait = match last {
            Some(Rotated::Unsure { .. }) => UNSURE_WAIT,
            _ => FIRST_WAIT.saturating_mul(1 << tries.clamp(0, 10)).min(LONGEST_WAIT),
        };
        let next = tx.now().plus(wait);
        sqlx::query("UPDATE rotations SET tries = tries + 1, asked = 0, next_at = $1, last = COALESCE($2, last) WHERE account = $3")
            .bind(next.0)
            .bind(last.map(serde_json::to_string).transpose()?)
            .bind(account.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        Ok(())
    }
}
