//! Deleting: the entry first, then the file with every copy of it. What a crash leaves half done is finished by the next round.

use super::SessionTold;
use super::due::FileCandidate;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::CopyRemoval;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::retention::{Erased, KeepClass, StopCause};
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before a copy is asked for again, at the longest.
const AGAIN: Duration = Duration::from_secs(24 * 3600);
/// The least time of keeping.
const FLOOR: Duration = Duration::from_secs(limits::RETENTION_FLOOR_DAYS as u64 * 24 * 3600);

impl Store {
    /// One round: ends of holds, new sessions, what is due, and copies that had to wait.
    ///
    /// # Errors
    /// The first fault. What was written down and not done is done by the next round.
    pub async fn keep_round(&self) -> Done<()> {
        let _round = self.inner.keeping.round.lock().await;
        // By a clock that is in doubt nothing is due and no hold has ended; the page of the box's health says so.
        if !self.clock_deletes() {
            return Ok(());
        }
        // First of all: what is begun or ended by what is in doubt stays when the doubt is gone.
        if let Some(cause) = self.rows_differ().await? {
            return Ok(self.stop_deleting(cause).await?);
        }
        self.begin_times().await?;
        self.end_holds().await?;
        self.class_new().await?;
        self.inner.keeping.told.store(false, Ordering::SeqCst);
        let mut left = limits::DELETIONS_AT_ONCE;
        self.finish_erasing().await?;
        self.delete_recordings(&mut left).await?;
        self.delete_attachments(&mut left).await?;
        Ok(())
    }

    /// Tells once that nothing is deleted.
    async fn stop_deleting(&self, cause: StopCause) -> Result<(), Fault> {
        if self.inner.keeping.told.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        tx.fact(Fact::RetentionStopped { why: cause.en(), cause: Some(cause) });
        tx.commit().await
    }

    async fn delete_recordings(&self, left: &mut usize) -> Result<(), Fault> {
        let now = self.now();
        let mut after: Option<(i64, String)> = None;
        while *left > 0 {
            let page = self.candidates(now, after.as_ref().map(|(ended, session)| (*ended, session.as_str())), 0, limits::PAGE_ROWS as i64).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.ended_at, last.session.to_string()));
            for candidate in page {
                if *left == 0 {
                    return Ok(());
                }
                match self.delete_recording(&candidate.session, &candidate.class).await {
                    Ok(true) => *left -= 1,
                    Ok(false) => {}
                    // One that cannot be read stays, and keeps no other from its turn.
                    Err(fault) => tracing::error!(session = %candidate.session, %fault, "a recording that is due cannot be deleted"),
                }
            }
        }
        Ok(())
    }

    /// Deletes one recording if it is due; false if it is not.
    async fn delete_recording(&self, session: &SessionId, classed: &str) -> Result<bool, Fault> {
        let Some(told) = self.session_told(session).await? else { return Ok(false) };
        let now = self.now();
        let Some((class, _, due, holds)) = self.due_of(&told, now) else { return Ok(false) };
        if class.as_str() != classed {
            self.set_class(session, class).await?;
        }
        if due > now || !holds.is_empty() {
            return Ok(false);
        }
        let Some((ended, digest, bytes)) = told.ended() else { return Ok(false) };
        if !self.both_proved(&told)? || !self.is_what_goes(&told).await? {
            return Ok(false);
        }
        let (digest, thing) = (digest.to_owned(), told.thing(now));
        let mut tx = self.write(&Actor::system()).await?;
        // Whoever holds the writer sees every hold that was placed; none comes between this look and the entry.
        let now = tx.now();
        let days = self.board(|board| {
            // What is on its way to the archive goes when it is there, with that copy.
            let free = board.erased(session).is_none() && !self.inner.archive.is_handing(session) && board.holds_on(&thing, now).is_empty() && board.due(class, ended, &thing).is_some_and(|due| due <= now);
            board.rule(class).filter(|_| free).map(|rule| rule.days)
        });
        let Some(days) = days else { return Ok(false) };
        tx.fact(Fact::RecordingDeleted { session: session.clone(), digest, bytes, class, days, ended });
        sqlx::query("UPDATE recording_care SET state = 'going', next_at = $2 WHERE session = $1").bind(session.as_str().to_owned()).bind(now.0).execute(tx.sql()).await?;
        tx.commit().await?;
        // A crash from here on leaves the file: the entry stands, and the next round removes it.
        self.erase(session, now, 0).await?;
        Ok(true)
    }

    async fn set_class(&self, session: &SessionId, class: KeepClass) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        sqlx::query("UPDATE recording_care SET class = $2 WHERE session = $1").bind(session.as_str().to_owned()).bind(class.as_str()).execute(tx.sql()).await?;
        tx.commit().await
    }

    /// Goes on where a round broke off, or a copy had to wait.
    async fn finish_erasing(&self) -> Result<(), Fault> {
        let rows = sqlx::query("SELECT session, next_at FROM recording_care WHERE state = 'going' AND next_at <= $1 ORDER BY next_at, session LIMIT $2")
            .bind(self.now().0)
            .bind(limits::DELETIONS_AT_ONCE as i64)
            .fetch_all(self.read())
            .await?;
        for row in &rows {
            let id: String = row.try_get("session")?;
            let Some(session) = SessionId::parse(&id) else { continue };
            // The row alone deletes nothing.
            let Some(erased) = self.board(|board| board.erased(&session)) else {
                self.inner.shelf.alarm(format!("The database calls the recording of session {session} deleted, and the log has no entry of it."));
                continue;
            };
            // What lay open since the entry: another one may have been told of, or a hold may keep what is left of it.
            match self.may_finish(&session, erased).await {
                Ok(true) => self.erase(&session, erased.at, row.try_get("next_at")?).await?,
                Ok(false) => {}
                Err(fault) => tracing::error!(%session, %fault, "a recording that the log calls deleted cannot be judged again; what is left of it stays"),
            }
        }
        Ok(())
    }

    /// Whether what the log tells of a deleted recording's session still lets the rest of it go.
    async fn may_finish(&self, session: &SessionId, erased: Erased) -> Result<bool, Fault> {
        let Some(told) = self.session_told(session).await? else { return Ok(false) };
        let now = self.now();
        let Some((ended, ..)) = told.ended() else { return Ok(false) };
        if !self.both_proved(&told)? {
            return Ok(false);
        }
        let thing = told.thing(now);
        // The days of the entry's own moment: a rule that was made longer afterwards brings nothing back.
        let old = erased.at.0.saturating_sub(ended.0) >= FLOOR.as_millis() as i64;
        if !old {
            self.inner.shelf.alarm(format!("The log calls the recording of session {session} deleted at entry {}, within the least time of keeping; what is left of it stays.", erased.seq));
        }
        Ok(old && self.board(|board| board.holds_on(&thing, now).is_empty()))
    }

    /// Whether both entries of a session are those of the signed log; an alarm if one is not.
    pub(super) fn both_proved(&self, told: &SessionTold) -> Result<bool, Fault> {
        let Some((left, left_body)) = told.left.as_ref() else { return Ok(false) };
        let (Some(end), Some(beginning)) = (self.is_proved(left, left_body)?, self.is_proved(&told.entered.0, &told.entered.1)?) else { return Ok(false) };
        if !end || !beginning {
            self.inner.shelf.alarm(format!("The entries of session {} in the database are not those of the signed log; its recording stays as it is.", told.session));
        }
        Ok(end && beginning)
    }

    /// Removes every copy of a recording that the log calls deleted, and says what had to stay.
    async fn erase(&self, session: &SessionId, deleted: Timestamp, before: i64) -> Result<(), Fault> {
        let removed = match self.remove_copies(session).await {
            Ok(removed) => removed,
            Err(fault) => {
                tracing::error!(%session, %fault, "a recording that the log calls deleted is still there; it is tried again");
                vec![(crate::recordings::CopyPlace::Local, CopyRemoval::Unknown(fault.to_string()))]
            }
        };
        let now = self.now();
        let waits: Vec<(String, Option<Timestamp>)> = removed
            .iter()
            .filter_map(|(place, removal)| match removal {
                CopyRemoval::Gone => None,
                CopyRemoval::LockedUntil(until) => Some((place_of(place), Some(*until))),
                CopyRemoval::Unknown(_) => Some((place_of(place), None)),
            })
            .collect();
        let waited = before > deleted.0;
        let mut tx = self.write(&Actor::system()).await?;
        if waits.is_empty() {
            sqlx::query("UPDATE recording_care SET state = 'gone', next_at = 0 WHERE session = $1").bind(session.as_str().to_owned()).execute(tx.sql()).await?;
            if waited {
                let place = removed.first().map(|(place, _)| place_of(place)).unwrap_or_default();
                tx.fact(Fact::CopyErased { session: session.clone(), place });
            }
            return tx.commit().await;
        }
        let next = waits.iter().filter_map(|(_, until)| *until).min().unwrap_or(now.plus(AGAIN)).min(now.plus(AGAIN)).max(now.plus(Duration::from_secs(3600)));
        sqlx::query("UPDATE recording_care SET next_at = $2 WHERE session = $1").bind(session.as_str().to_owned()).bind(next.0).execute(tx.sql()).await?;
        if !waited {
            for (place, until) in waits {
                tx.fact(Fact::CopyWaits { session: session.clone(), place, until });
            }
        }
        tx.commit().await
    }

    async fn delete_attachments(&self, left: &mut usize) -> Result<(), Fault> {
        for file in self.file_candidates(self.now()).await? {
            if *left == 0 {
                return Ok(());
            }
            match self.delete_attachment(&file).await {
                Ok(true) => *left -= 1,
                Ok(false) => {}
                Err(fault) => tracing::error!(attachment = %file.attachment, %fault, "a file that is due cannot be deleted"),
            }
        }
        Ok(())
    }

    async fn delete_attachment(&self, file: &FileCandidate) -> Result<bool, Fault> {
        let rows = sqlx::query("SELECT body FROM log WHERE plan = $1 AND kind = 'file_attached' ORDER BY seq").bind(file.plan.id.as_str().to_owned()).fetch_all(self.read()).await?;
        let mut attached = None;
        for row in &rows {
            let body: Vec<u8> = row.try_get("body")?;
            let entry: Entry = serde_json::from_slice(&body)?;
            if let Fact::FileAttached { plan, attachment, sha256 } = &entry.fact
                && *attachment == file.attachment
            {
                // The row calls it a file of this plan; what the entry says counts.
                if *plan != file.plan.id {
                    self.inner.shelf.alarm(format!("The database was altered: attachment {attachment} stands under plan {}, and the log calls it a file of plan {plan}.", file.plan.number));
                    return Ok(false);
                }
                attached = Some((sha256.clone(), entry, body));
            }
        }
        let Some((sha256, entry, body)) = attached else { return Ok(false) };
        let Some(proved) = self.is_proved(&entry, &body)? else { return Ok(false) };
        if !proved {
            self.inner.shelf.alarm(format!("The entry of attachment {} in the database is not that of the signed log; it is not deleted.", file.attachment));
            return Ok(false);
        }
        let class = KeepClass::Approvals;
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let days = self.board(|board| {
            let free = board.erased_attachment(&file.attachment).is_none() && board.holds_on(&file.thing, now).is_empty();
            // Nothing was done to the plan since the list was made.
            let free = free && board.plan_told_at(&file.plan.id) == Some(file.ended);
            let due = board.due(class, file.ended, &file.thing).is_some_and(|due| due <= now);
            board.rule(class).filter(|_| free && due).map(|rule| rule.days)
        });
        let Some(days) = days else { return Ok(false) };
        tx.fact(Fact::AttachmentDeleted { plan: file.plan.id.clone(), attachment: file.attachment.clone(), sha256, bytes: file.bytes, class, days, ended: file.ended });
        sqlx::query("UPDATE attachments SET content = $2, erased_at = $3 WHERE id = $1")
            .bind(file.attachment.as_str().to_owned())
            .bind(Vec::<u8>::new())
            .bind(now.0)
            .execute(tx.sql())
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn place_of(place: &crate::recordings::CopyPlace) -> String {
    match place {
        crate::recordings::CopyPlace::Local => "box".into(),
        crate::recordings::CopyPlace::Archive { name } => name.clone(),
    }
}
