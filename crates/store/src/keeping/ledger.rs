//! The ledger of deletions (削除台帳): read from the log, because that is where it stands.

use super::entry_of;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::{PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;

/// Lines that one export holds.
const EXPORTED: usize = 10_000;

/// Which lines. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Page, from 0.
    pub page: usize,
    /// All pages at once, for an export.
    pub all: bool,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletionRow {
    /// Number of the entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// `recording`, `attachment`, `lines`, `copy_waits` or `copy_erased`.
    pub what: &'static str,
    /// What it was called: who and where, plan and file, numbers of parts.
    pub about: String,
    /// The session.
    pub session: Option<SessionId>,
    /// The plan.
    pub plan: Option<PlanId>,
    /// The rule: the class, or `size` for parts beyond their limit.
    pub rule: String,
    /// Days that the class was kept.
    pub days: Option<u32>,
    /// When it had ended.
    pub ended: Option<Timestamp>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its digest.
    pub digest: String,
    /// Until when a copy waits.
    pub until: Option<Timestamp>,
}

/// A page of the ledger, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeletionsPage {
    /// The lines.
    pub rows: Vec<DeletionRow>,
    /// There are more.
    pub more: bool,
}

fn row_of(entry: &Entry) -> Option<DeletionRow> {
    let row = |what, rule: &str| DeletionRow {
        seq: entry.seq,
        at: entry.at,
        what,
        about: String::new(),
        session: entry.fact.session().cloned(),
        plan: entry.fact.plan().cloned(),
        rule: rule.to_owned(),
        days: None,
        ended: None,
        bytes: None,
        digest: String::new(),
        until: None,
    };
    Some(match &entry.fact {
        Fact::RecordingDeleted { digest, bytes, class, days, ended, .. } => {
            DeletionRow { days: Some(*days), ended: Some(*ended), bytes: Some(*bytes), digest: digest.clone(), ..row("recording", class.as_str()) }
        }
        Fact::AttachmentDeleted { attachment, sha256, bytes, class, days, ended, .. } => {
            DeletionRow { about: attachment.to_string(), days: Some(*days), ended: Some(*ended), bytes: Some(*bytes), digest: sha256.clone(), ..row("attachment", class.as_str()) }
        }
        Fact::LogSegmentsDropped { first, last, why } => {
            let rule = if why == "size" { "size" } else { "target_logs" };
            DeletionRow { about: if first == last { first.to_string() } else { format!("{first}-{last}") }, ..row("lines", rule) }
        }
        Fact::CopyWaits { place, until, .. } => DeletionRow { about: place.clone(), until: *until, ..row("copy_waits", "") },
        Fact::CopyErased { place, .. } => DeletionRow { about: place.clone(), ..row("copy_erased", "") },
        _ => return None,
    })
}

impl Store {
    /// What was deleted, the newest first.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn deletions(&self, actor: &Actor, filter: &LedgerFilter) -> Done<DeletionsPage> {
        may(actor, Action::ReadRetention, None)?;
        let (count, offset) = if filter.all { (EXPORTED, 0) } else { (limits::PAGE_ROWS, filter.page.saturating_mul(limits::PAGE_ROWS)) };
        let text = "SELECT body FROM log WHERE kind IN ('recording_deleted', 'attachment_deleted', 'log_segments_dropped', 'copy_waits', 'copy_erased') \
            AND at >= $1 AND at < $2 ORDER BY seq DESC LIMIT $3 OFFSET $4";
        let rows = sqlx::query(text)
            .bind(filter.from.map_or(i64::MIN, |at| at.0))
            .bind(filter.until.map_or(i64::MAX, |at| at.0))
            .bind(as_i64(count as u64 + 1))
            .bind(as_i64(offset as u64))
            .fetch_all(self.read())
            .await?;
        let mut page = DeletionsPage { rows: Vec::new(), more: rows.len() > count };
        for row in rows.iter().take(count) {
            let Some(mut line) = row_of(&entry_of(row)?.0) else { continue };
            self.name_line(&mut line).await?;
            page.rows.push(line);
        }
        Ok(page)
    }

    /// Says who and where it was.
    async fn name_line(&self, line: &mut DeletionRow) -> Result<(), Fault> {
        match (line.what, &line.session, &line.plan) {
            ("recording", Some(session), _) => {
                let row = sqlx::query("SELECT body FROM log WHERE session = $1 AND kind IN ('entered', 'robot_entered') ORDER BY seq LIMIT 1").bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
                let Some((entry, _)) = row.as_ref().map(entry_of).transpose()? else { return Ok(()) };
                if let Fact::Entered { target_name, .. } | Fact::RobotEntered { target_name, .. } = &entry.fact {
                    line.about = format!("{} {target_name}", entry.actor.name);
                }
            }
            ("attachment", _, Some(plan)) => {
                let row = sqlx::query("SELECT a.name, p.number FROM attachments a JOIN plans p ON p.id = a.plan WHERE a.id = $1 AND a.plan = $2")
                    .bind(line.about.clone())
                    .bind(plan.as_str().to_owned())
                    .fetch_optional(self.read())
                    .await?;
                if let Some(row) = row {
                    line.about = format!("{} {}", row.try_get::<&str, _>("number")?, row.try_get::<&str, _>("name")?);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
