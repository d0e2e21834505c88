//! Keeping and deleting: holds, times of keeping by class, what is due, the deleting itself, and looking after recordings that are
//! kept.
//!
//! What stands follows from the log alone ([`sekisho_core::retention::Board`], which the head of the log keeps in memory from its
//! verified start on). Rows give lists and the order of work; they neither allow a deletion nor end a hold.

mod care;
mod doubt;
mod due;
mod erase;
mod holds;
mod ledger;
mod lines;
mod times;

pub use doubt::{DoubtState, DoubtedEntry};
pub use due::{DuePage, DueRow, DueThing};
pub use ledger::{DeletionRow, DeletionsPage, LedgerFilter};
pub use times::{CareState, ClassState, RetentionState, TimeSet};

use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::hold::Thing;
use sekisho_core::ids::SessionId;
use sekisho_core::plan::Plan;
use sekisho_core::retention::{Board, KeepClass, StopCause};
use sekisho_core::time::Timestamp;
use sekisho_core::two_person::Book;
use sekisho_evidence::checkpoint;
use sekisho_evidence::Digest;
use sekisho_evidence::log::{leaf_hash, prove, verify_inclusion};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::sync::atomic::AtomicBool;

/// What the rounds remember.
#[derive(Default)]
pub(crate) struct Keeping {
    /// One round at a time.
    round: tokio::sync::Mutex<()>,
    /// That database and log disagree was told.
    told: AtomicBool,
    /// A limit that a hold stands against was told on this day.
    pressed: std::sync::Mutex<Option<i64>>,
    /// When the age of parts of targets' logs was looked at.
    looked: std::sync::Mutex<Option<Timestamp>>,
}

/// What the log says of one session, as far as deleting asks for it.
pub(crate) struct SessionTold {
    pub session: SessionId,
    /// The entry with which it began, and its bytes.
    pub entered: (Entry, Vec<u8>),
    /// The entry with which it ended.
    pub left: Option<(Entry, Vec<u8>)>,
    /// Its plan; none for a session of the box itself.
    pub plan: Option<Plan>,
}

impl SessionTold {
    /// When it ended, the digest and size of its recording.
    pub fn ended(&self) -> Option<(Timestamp, &str, u64)> {
        let (entry, _) = self.left.as_ref()?;
        let Fact::Left { digest, bytes, .. } = &entry.fact else { return None };
        Some((entry.at, digest, *bytes))
    }

    /// What a hold can know it by.
    pub fn thing(&self, now: Timestamp) -> Thing {
        let entry = &self.entered.0;
        let (plan, target) = match &entry.fact {
            Fact::Entered { plan, target, .. } => (Some(plan.clone()), Some(target.clone())),
            Fact::RobotEntered { target, .. } => (None, Some(target.clone())),
            _ => (None, None),
        };
        Thing {
            sessions: vec![self.session.clone()],
            plans: plan.into_iter().collect(),
            targets: target.into_iter().collect(),
            vendors: entry.actor.vendor.iter().chain(self.plan.as_ref().map(|plan| &plan.vendor)).cloned().collect(),
            persons: entry.actor.person.iter().cloned().collect(),
            from: entry.at,
            until: self.ended().map_or(now, |(at, ..)| at),
            is_lines: false,
        }
    }

    /// Who worked where, for lists.
    pub fn about(&self) -> (String, String) {
        let place = match &self.entered.0.fact {
            Fact::Entered { target_name, .. } | Fact::RobotEntered { target_name, .. } => target_name.clone(),
            _ => String::new(),
        };
        (self.entered.0.actor.name.clone(), place)
    }
}

pub(crate) fn entry_of(row: &AnyRow) -> Result<(Entry, Vec<u8>), Fault> {
    let body: Vec<u8> = row.try_get("body")?;
    Ok((serde_json::from_slice(&body)?, body))
}

/// What became of a session's recording, as the log tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingFate {
    /// It was deleted: the entry, and when.
    pub deleted: Option<(u64, Timestamp)>,
    /// It was found damaged and set aside.
    pub aside: Option<Timestamp>,
}

impl Store {
    /// What became of a session's recording.
    #[must_use]
    pub fn recording_fate(&self, session: &SessionId) -> RecordingFate {
        self.board(|board| RecordingFate { deleted: board.erased(session).map(|erased| (erased.seq, erased.at)), aside: board.set_aside(session) })
    }

    /// A look at what the log tells of holds, times and deletions. `look` runs under the lock of the log, and must not ask the store for anything.
    pub(crate) fn board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        self.inner.log.board(look)
    }

    /// What the log says of a session; `None` if it never entered.
    pub(crate) async fn session_told(&self, session: &SessionId) -> Result<Option<SessionTold>, Fault> {
        let text = "SELECT seq, kind, body FROM log WHERE session = $1 AND kind IN ('entered', 'robot_entered', 'left') ORDER BY seq";
        let rows = sqlx::query(text).bind(session.as_str().to_owned()).fetch_all(self.read()).await?;
        let (mut entered, mut left) = (None, None);
        for row in &rows {
            let (entry, body) = entry_of(row)?;
            // Columns only say where to look: a row that was moved below another session says nothing of it.
            let same = entry.fact.session() == Some(session) && entry.fact.kind() == row.try_get::<&str, _>("kind")? && as_i64(entry.seq) == row.try_get::<i64, _>("seq")?;
            if !same {
                let what = format!("entry {} of the log stands in the database under session {session}, and is not about it", entry.seq);
                self.inner.shelf.alarm(format!("The database was altered: {what}."));
                return Err(Fault::LogBroken(what));
            }
            match &entry.fact {
                Fact::Entered { .. } | Fact::RobotEntered { .. } => entered = entered.or(Some((entry, body))),
                Fact::Left { .. } => left = left.or(Some((entry, body))),
                _ => {}
            }
        }
        let Some(entered) = entered else { return Ok(None) };
        let plan = match entered.0.fact.plan() {
            // Without it nobody knows whether it was an emergency, and whom a hold could know it by.
            Some(plan) => Some(self.load_plan(self.read(), plan).await?.ok_or_else(|| Fault::Damaged(format!("plan {plan} of session {session} has no row")))?),
            None => None,
        };
        Ok(Some(SessionTold { session: session.clone(), entered, left, plan }))
    }

    /// The class of a session's recording: by what it was, and of two the one that is kept longer.
    pub(crate) fn class_of(&self, told: &SessionTold) -> KeepClass {
        let emergency = told.plan.as_ref().is_some_and(|plan| plan.is_emergency() || plan.emergency.is_some());
        self.board(|board| {
            let mut class = KeepClass::Recordings;
            if board.has_contents(&told.session) {
                class = board.longer(class, KeepClass::Contents);
            }
            if emergency || board.is_incident(&told.session) {
                class = board.longer(class, KeepClass::Emergency);
            }
            class
        })
    }

    /// Whether an entry, as a row gave it, is the one in the signed log; `None` while the log is not published up to there. What is
    /// deleted goes by such entries alone.
    fn is_proved(&self, entry: &Entry, body: &[u8]) -> Result<Option<bool>, Fault> {
        let head = checkpoint::unproved(&self.checkpoint()?).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        if entry.seq >= head.size {
            return Ok(None);
        }
        let proof = prove(entry.seq, head.size, &self.folder()).map_err(|breach| Fault::LogBroken(breach.to_string()))?;
        Ok(Some(verify_inclusion(&leaf_hash(body), entry.seq, head.size, &head.root, &proof).is_ok()))
    }

    /// Whether the header of a recording is the one that the log tells of since the session entered.
    pub(crate) async fn is_header_told(&self, session: &SessionId, header: &Digest) -> Result<bool, Fault> {
        let Some(told) = self.session_told(session).await? else { return Ok(false) };
        let (entry, body) = &told.entered;
        let (Fact::Entered { recording_header_digest: said, .. } | Fact::RobotEntered { recording_header_digest: said, .. }) = &entry.fact else { return Ok(false) };
        // An entry that is not published yet is taken as the row has it.
        Ok(*said == header.to_string() && self.is_proved(entry, body)? != Some(false))
    }

    /// Whether the entry of a session's end is the one in the signed log; `None` while the log is not published up to there.
    pub(crate) fn end_is_proved(&self, told: &SessionTold) -> Result<Option<bool>, Fault> {
        told.left.as_ref().map_or(Ok(None), |(left, body)| self.is_proved(left, body))
    }

    /// What a hold can know a plan's files by.
    fn thing_of_plan(plan: &Plan, until: Timestamp) -> Thing {
        Thing {
            sessions: plan.sessions.clone(),
            plans: vec![plan.id.clone()],
            targets: plan.content.targets.iter().map(|used| used.target.clone()).collect(),
            vendors: vec![plan.vendor.clone()],
            persons: plan.content.workers.iter().chain([&plan.applicant]).cloned().collect(),
            from: plan.created_at,
            until,
            is_lines: false,
        }
    }

    /// Compares what the rows of the log tell of holds, times and two-person viewing with what the log told. Rows that somebody took out or changed
    /// while the box runs let nothing be deleted.
    async fn rows_differ(&self) -> Result<Option<StopCause>, Fault> {
        if let Some(seq) = self.board(|board| board.doubted().first().copied()) {
            return Ok(Some(StopCause::Unsigned { seq }));
        }
        let names: Vec<String> = Board::KINDS.iter().chain(&Book::KINDS).map(|kind| format!("'{kind}'")).collect();
        let size = self.inner.log.size();
        let text = format!("SELECT body FROM log WHERE kind IN ({}) AND seq < $1 ORDER BY seq", names.join(", "));
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).bind(as_i64(size)).fetch_all(self.read()).await?;
        let (mut read, mut aside, keys) = (Board::default(), Book::default(), self.inner.keys.terms());
        for row in &rows {
            let Ok((entry, body)) = entry_of(row) else { return Ok(Some(StopCause::Malformed)) };
            crate::log::fold(&mut read, &mut aside, &entry, &body, &keys);
        }
        let now = self.inner.log.size();
        if now != size {
            // Something was written meanwhile; the next round compares again.
            let same = self.board(|board| read.holds().all(|hold| board.hold(&hold.id).is_some()) && board.holds().count() >= read.holds().count());
            return Ok((!same).then_some(StopCause::Holds));
        }
        if !self.book(|book| *book == aside) && self.inner.log.size() == size {
            return Ok(Some(StopCause::TwoPerson));
        }
        Ok(self.board(|board| {
            let ((rules, holds), (read_rules, read_holds)) = (board.decisive(), read.decisive());
            if holds != read_holds {
                Some(StopCause::Holds)
            } else if rules != read_rules {
                Some(StopCause::Times)
            } else {
                None
            }
        }))
    }
}
