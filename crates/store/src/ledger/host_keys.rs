//! A target that shows another host key: everything on it stops, and nobody enters until an administrator has decided.

use super::targets::{check_host_keys, fingerprints};
use super::{LEDGER_ROWS, recall_sessions};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{SessionId, TargetId};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{HostKeyAlarm, HostKeyDecision, Target};
use sqlx::Row;

impl Store {
    /// Raises the alarm on the target of a session.
    pub(crate) async fn alarm_target_of(&self, tx: &mut Tx, session: &SessionId, seen: &str) -> Result<(), Fault> {
        let row = sqlx::query("SELECT target FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(tx.sql()).await?;
        let target = TargetId::parse(row.try_get("target")?).ok_or_else(|| Fault::Damaged("a session's target is no identifier".into()))?;
        self.alarm_target(tx, &target, Some(session), seen).await
    }

    /// Raises the alarm: marks the target and ends every session on it. A second sight of it changes nothing.
    pub(crate) async fn alarm_target(&self, tx: &mut Tx, target: &TargetId, session: Option<&SessionId>, seen: &str) -> Result<(), Fault> {
        let Some(mut target) = self.load_target(tx.sql(), target).await? else { return Ok(()) };
        // The keys may have been pinned anew between the dialling and this word about it.
        let is_pinned = fingerprints(&target.host_keys).iter().any(|pinned| pinned == seen);
        if target.host_key_alarm.is_some() || is_pinned {
            return Ok(());
        }
        target.host_key_alarm = Some(HostKeyAlarm { seen: seen.to_owned(), at: tx.now(), session: session.cloned() });
        self.save_target(tx, &target).await?;
        tx.fact(Fact::HostKeyAlarmed { target: target.id.clone(), session: session.cloned(), seen: seen.to_owned() });
        let running = "SELECT id FROM sessions WHERE ended_at IS NULL AND target = $1";
        recall_sessions(tx, running, target.id.as_str(), RecallWord::End(Cause::HostKeyChanged)).await
    }

    /// Decides on the alarm. Nobody enters before, and the reason stays in the log.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::ReasonNeeded`]; [`Refusal::ChangedMeanwhile`] if no alarm stands; a malformed
    /// or missing key.
    pub async fn decide_host_key(&self, actor: &Actor, id: &TargetId, decision: HostKeyDecision, reason: &str) -> Done<Target> {
        self.require(actor, Action::KeepLedger, None, "decide_host_key").await?;
        check_text("reason", reason)?;
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded.into());
        }
        let mut tx = self.write(actor).await?;
        let mut target = self.load_target(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        let alarm = target.host_key_alarm.take().ok_or(Refusal::ChangedMeanwhile)?;
        let pinned = match decision {
            HostKeyDecision::Pin { host_keys } => {
                target.host_keys = check_host_keys(&host_keys)?;
                if target.host_keys.is_empty() {
                    return Err(Refusal::bad_field("host_keys").into());
                }
                true
            }
            HostKeyDecision::Keep => false,
        };
        self.save_target(&mut tx, &target).await?;
        tx.fact(Fact::HostKeyDecided { target: id.clone(), seen: alarm.seen, pinned, host_keys: fingerprints(&target.host_keys), reason: reason.trim().to_owned() });
        tx.commit().await?;
        Ok(target)
    }

    /// The targets on which an alarm stands.
    ///
    /// # Errors
    /// Without the right to read the ledger.
    pub async fn host_key_alarms(&self, actor: &Actor) -> Done<Vec<Target>> {
        may(actor, Action::ReadLedger, None)?;
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM targets WHERE alarmed = 1 ORDER BY name LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        rows.iter().map(|row| Ok(self.held::<Target>(row, since)?)).collect()
    }
}
