//! Alerts: what the hospital should look at, until somebody has.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::write::Tx;
use sekisho_core::control::Control;
use sekisho_core::command::RuleAct;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;

/// An alert that nobody has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertRow {
    /// Its number.
    pub n: u64,
    /// The session that it came from.
    pub session: SessionId,
    /// When.
    pub at: Timestamp,
    /// What: a command that a rule names, or a sentence.
    pub control: Control,
    /// Who worked.
    pub person_name: String,
    /// Where.
    pub target_name: String,
}

/// Whether an act stands before the hospital until it was seen.
fn is_alert(control: &Control) -> bool {
    matches!(control, Control::Alert { .. } | Control::Ruled { act: RuleAct::Alert, .. })
}

impl Store {
    /// Alerts that nobody has seen, the oldest first, at most one page of them.
    ///
    /// # Errors
    /// Without the right to watch sessions.
    pub async fn alerts(&self, actor: &Actor) -> Done<Vec<AlertRow>> {
        may(actor, Action::WatchSession, None)?;
        let text = "SELECT a.n, a.session, a.at, a.note, s.facts FROM alerts a JOIN sessions s ON s.id = a.session \
            WHERE a.seen_at IS NULL ORDER BY a.n LIMIT $1";
        let rows = sqlx::query(text).bind(as_i64(limits::PAGE_ROWS as u64)).fetch_all(self.read()).await?;
        let mut alerts = Vec::with_capacity(rows.len());
        for row in rows {
            let facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
            alerts.push(AlertRow {
                n: u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0),
                session: facts.session,
                at: Timestamp(row.try_get("at")?),
                control: serde_json::from_str(row.try_get("note")?)?,
                person_name: facts.person_name,
                target_name: facts.target_name,
            });
        }
        Ok(alerts)
    }

    /// Takes note that a person has seen an alert.
    ///
    /// # Errors
    /// Without the right to control sessions; [`Refusal::NotFound`] if there is none that nobody has seen.
    pub async fn see_alert(&self, actor: &Actor, n: u64) -> Done<()> {
        self.require(actor, Action::ControlSession, None, "see_alert").await?;
        let mut tx = self.write(actor).await?;
        let found = sqlx::query("SELECT session, note FROM alerts WHERE n = $1 AND seen_at IS NULL").bind(as_i64(n)).fetch_optional(tx.sql()).await?;
        let found = found.ok_or(Refusal::NotFound)?;
        let damaged = || Fault::Damaged(format!("the row of alert {n} is malformed"));
        let session = SessionId::parse(found.try_get("session")?).ok_or_else(damaged)?;
        let text = match serde_json::from_str(found.try_get("note")?)? {
            Control::Ruled { line, .. } => line,
            Control::Alert { text } => text,
            _ => return Err(damaged().into()),
        };
        let now = tx.now();
        sqlx::query("UPDATE alerts SET seen_at = $2, seen_by = $3 WHERE n = $1").bind(as_i64(n)).bind(now.0).bind(actor.name.clone()).execute(tx.sql()).await?;
        tx.fact(Fact::AlertSeen { session, text });
        tx.commit().await?;
        Ok(())
    }

    /// Lets an act stand before the hospital if it is one that should. Part of the change that writes the act's fact,
    /// whose number becomes that of the alert.
    pub(crate) async fn keep_alert(tx: &mut Tx, session: &SessionId, control: &Control) -> Result<(), Fault> {
        if !is_alert(control) {
            return Ok(());
        }
        let (n, now) = (tx.next_seq(), tx.now());
        sqlx::query("INSERT INTO alerts (n, session, at, note) VALUES ($1, $2, $3, $4)")
            .bind(as_i64(n))
            .bind(session.as_str().to_owned())
            .bind(now.0)
            .bind(serde_json::to_string(control)?)
            .execute(tx.sql())
            .await?;
        Ok(())
    }
}
