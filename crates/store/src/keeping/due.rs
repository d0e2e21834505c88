//! What will be deleted: shown beforehand, and taken in the same order by the round that deletes.

use super::SessionTold;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use sekisho_core::hold::{Hold, Thing};
use sekisho_core::ids::{AttachmentId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::retention::{KeepClass, notice};
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Sessions that are classed at once.
const CLASSED: i64 = 500;
/// Classes that a recording can have.
const OF_RECORDINGS: [KeepClass; 3] = [KeepClass::Recordings, KeepClass::Contents, KeepClass::Emergency];

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum DueThing {
    /// The recording of a session.
    Recording {
        /// The session.
        session: SessionId,
        /// Who worked.
        who: String,
        /// Where.
        place: String,
    },
    /// A file attached to a plan.
    Attachment {
        /// Which.
        attachment: AttachmentId,
        /// The plan.
        plan: PlanId,
        /// Its number.
        number: String,
        /// Name of the file.
        name: String,
    },
    /// A part of targets' logs.
    Lines {
        /// Its number.
        segment: u64,
    },
}

/// One line of what is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DueRow {
    /// What.
    #[serde(flatten)]
    pub thing: DueThing,
    /// The class by which it is kept.
    pub class: KeepClass,
    /// Days that the class is kept.
    pub days: u32,
    /// When it ended.
    pub ended: Timestamp,
    /// From when on it is deleted.
    pub due: Timestamp,
    /// Its size.
    pub bytes: u64,
    /// Case numbers of the holds that keep it.
    pub held: Vec<String>,
}

/// A page of them, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DuePage {
    /// The lines.
    pub rows: Vec<DueRow>,
    /// There are more.
    pub more: bool,
}

/// A recording that its row says to be due.
pub(super) struct Candidate {
    pub session: SessionId,
    pub class: String,
    pub ended_at: i64,
}

/// A file that may be due.
pub(super) struct FileCandidate {
    pub attachment: AttachmentId,
    pub name: String,
    pub bytes: u64,
    pub plan: Plan,
    pub ended: Timestamp,
    pub thing: Thing,
}

impl Store {
    /// Classes the sessions that ended since the last time.
    pub(super) async fn class_new(&self) -> Result<(), Fault> {
        loop {
            let text = "SELECT id, ended_at FROM (SELECT id, ended_at FROM sessions WHERE ended_at IS NOT NULL UNION ALL SELECT id, ended_at FROM robot_sessions WHERE ended_at IS NOT NULL) AS s \
                WHERE NOT EXISTS (SELECT 1 FROM recording_care c WHERE c.session = s.id) ORDER BY ended_at, id LIMIT $1";
            let rows = sqlx::query(text).bind(CLASSED).fetch_all(self.read()).await?;
            let full = rows.len() as i64 == CLASSED;
            let mut classed = Vec::with_capacity(rows.len());
            for row in &rows {
                let id: String = row.try_get("id")?;
                let Some(session) = SessionId::parse(&id) else { continue };
                let told = match self.session_told(&session).await {
                    Ok(told) => told,
                    Err(fault) => {
                        tracing::error!(%session, %fault, "a session cannot be classed; nothing of it is deleted");
                        continue;
                    }
                };
                let Some(told) = told else { continue };
                let Some((ended, _, bytes)) = told.ended() else { continue };
                classed.push((id, self.class_of(&told), ended, bytes, self.board(|board| board.set_aside(&session).is_some())));
            }
            if classed.is_empty() {
                return Ok(());
            }
            let mut tx = self.write(&Actor::system()).await?;
            for (id, class, ended, bytes, aside) in classed {
                sqlx::query("INSERT INTO recording_care (session, class, ended_at, bytes, state) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session) DO NOTHING")
                    .bind(id)
                    .bind(class.as_str())
                    .bind(ended.0)
                    .bind(as_i64(bytes))
                    .bind(if aside { "aside" } else { "kept" })
                    .execute(tx.sql())
                    .await?;
            }
            tx.commit().await?;
            if !full {
                return Ok(());
            }
        }
    }

    /// Recordings whose days will be over at a moment, the oldest first, after the one named.
    pub(super) async fn candidates(&self, at: Timestamp, after: Option<(i64, &str)>, offset: i64, count: i64) -> Result<Vec<Candidate>, Fault> {
        let bounds: Vec<i64> = self.board(|board| {
            // Without a rule nothing of the class is due.
            OF_RECORDINGS.into_iter().map(|class| board.rule(class).map_or(i64::MIN, |rule| at.minus(DAY * rule.days).0)).collect()
        });
        let text = "SELECT session, class, ended_at FROM recording_care WHERE state IN ('kept', 'aside') \
            AND ((class = $1 AND ended_at <= $2) OR (class = $3 AND ended_at <= $4) OR (class = $5 AND ended_at <= $6)) \
            AND (ended_at > $7 OR (ended_at = $7 AND session > $8)) ORDER BY ended_at, session LIMIT $9 OFFSET $10";
        let (ended, session) = after.unwrap_or((i64::MIN, ""));
        let mut query = sqlx::query(text);
        for (class, bound) in OF_RECORDINGS.into_iter().zip(bounds) {
            query = query.bind(class.as_str()).bind(bound);
        }
        let rows = query.bind(ended).bind(session.to_owned()).bind(count).bind(offset).fetch_all(self.read()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("session")?;
            if let Some(session) = SessionId::parse(&id) {
                found.push(Candidate { session, class: row.try_get("class")?, ended_at: row.try_get("ended_at")? });
            }
        }
        Ok(found)
    }

    /// When a recording is due by the log, and which holds keep it.
    pub(super) fn due_of(&self, told: &SessionTold, now: Timestamp) -> Option<(KeepClass, u32, Timestamp, Vec<Hold>)> {
        let (ended, ..) = told.ended()?;
        let (class, thing) = (self.class_of(told), told.thing(now));
        self.board(|board| {
            let due = board.due(class, ended, &thing)?;
            Some((class, board.rule(class)?.days, due, board.holds_on(&thing, now).into_iter().cloned().collect()))
        })
    }

    /// Files of plans whose days will be over at a moment.
    pub(super) async fn file_candidates(&self, at: Timestamp) -> Result<Vec<FileCandidate>, Fault> {
        let Some(rule) = self.board(|board| board.rule(KeepClass::Approvals)) else { return Ok(Vec::new()) };
        let bound = at.minus(DAY * rule.days);
        let text = "SELECT a.id, a.name, a.bytes, a.plan FROM attachments a JOIN plans p ON p.id = a.plan WHERE a.erased_at IS NULL AND p.is_open = 0 AND a.added_at <= $1 AND p.until_at <= $1 ORDER BY a.added_at, a.id";
        let rows = sqlx::query(text).bind(bound.0).fetch_all(self.read()).await?;
        let mut found = Vec::new();
        for row in &rows {
            let (id, plan): (String, String) = (row.try_get("id")?, row.try_get("plan")?);
            let (Some(attachment), Some(plan)) = (AttachmentId::parse(&id), PlanId::parse(&plan)) else { continue };
            if self.board(|board| board.erased_attachment(&attachment).is_some()) {
                continue;
            }
            // A plan that cannot be read, or that somebody still works on, keeps its files.
            let Ok(Some(plan)) = self.load_plan(self.read(), &plan).await else { continue };
            if !plan.state.is_final() || plan.owes_after_fact() {
                continue;
            }
            let Some(ended) = self.board(|board| board.plan_told_at(&plan.id)).filter(|ended| *ended <= bound) else { continue };
            let thing = Self::thing_of_plan(&plan, ended);
            found.push(FileCandidate { attachment, name: row.try_get("name")?, bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0), plan, ended, thing });
        }
        Ok(found)
    }

    /// What will be deleted within the time of the announcement, the oldest first; what a hold keeps is among it and says so.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn deletions_ahead(&self, actor: &Actor, page: usize) -> Done<DuePage> {
        may(actor, Action::ReadRetention, None)?;
        let now = self.now();
        let until = now.plus(notice());
        let rows = as_i64(limits::PAGE_ROWS as u64);
        let mut found = self.candidates(until, None, rows.saturating_mul(i64::try_from(page).unwrap_or(i64::MAX)), rows + 1).await?;
        let more = found.len() as i64 > rows;
        found.truncate(limits::PAGE_ROWS);
        let mut list = DuePage { rows: Vec::new(), more };
        if page == 0 {
            self.other_things_ahead(&mut list, now, until).await?;
        }
        for candidate in found {
            let Ok(Some(told)) = self.session_told(&candidate.session).await else { continue };
            let (Some((class, days, due, holds)), Some((ended, _, bytes))) = (self.due_of(&told, now), told.ended()) else { continue };
            if due > until && holds.is_empty() {
                continue;
            }
            let (who, place) = told.about();
            let thing = DueThing::Recording { session: candidate.session, who, place };
            list.rows.push(DueRow { thing, class, days, ended, due, bytes, held: numbers(&holds) });
        }
        Ok(list)
    }

    /// Attachments and parts of targets' logs; there are few of them, and they stand on the first page.
    async fn other_things_ahead(&self, list: &mut DuePage, now: Timestamp, until: Timestamp) -> Result<(), Fault> {
        for file in self.file_candidates(until).await? {
            let class = KeepClass::Approvals;
            let seen = self.board(|board| Some((board.rule(class)?.days, board.due(class, file.ended, &file.thing)?, numbers_of(board.holds_on(&file.thing, now)))));
            let Some((days, due, held)) = seen.filter(|(_, due, held)| *due <= until || !held.is_empty()) else { continue };
            let thing = DueThing::Attachment { attachment: file.attachment, plan: file.plan.id.clone(), number: file.plan.number.clone(), name: file.name };
            list.rows.push(DueRow { thing, class, days, ended: file.ended, due, bytes: file.bytes, held });
        }
        for part in self.parts().await? {
            let class = KeepClass::TargetLogs;
            let Some(closed) = part.closed else { continue };
            let thing = part.thing();
            let seen = self.board(|board| Some((board.rule(class)?.days, board.due(class, closed, &thing)?, numbers_of(board.holds_on(&thing, now)))));
            let Some((days, due, held)) = seen.filter(|(_, due, _)| *due <= until) else { continue };
            list.rows.push(DueRow { thing: DueThing::Lines { segment: part.number }, class, days, ended: closed, due, bytes: part.bytes, held });
        }
        Ok(())
    }
}

fn numbers(holds: &[Hold]) -> Vec<String> {
    numbers_of(holds.iter().collect())
}

fn numbers_of(holds: Vec<&Hold>) -> Vec<String> {
    holds.into_iter().map(|hold| hold.case_number.clone()).collect()
}
