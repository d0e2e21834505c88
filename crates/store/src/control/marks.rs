//! しおり: marks with a note. Of a running session they stand in the recording; afterwards the recording is sealed, so
//! they are kept beside it, and the log has each of them.

use super::reins::Kind;
use super::{line, note_in_recording, room_for};
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use sekisho_core::control::Control;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;

/// A mark that was set after its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The moment, in milliseconds from the start of the session.
    pub at_ms: u64,
    /// Display name of who set it.
    pub by: String,
    /// When it was set.
    pub made_at: Timestamp,
    /// The note.
    pub text: String,
}

impl Store {
    /// Sets a mark at the present moment of a running session.
    ///
    /// # Errors
    /// Without the right, if it does not run, for an empty or overlong text, or for one too many.
    pub async fn mark(&self, actor: &Actor, session: &SessionId, text: &str) -> Done<()> {
        let writer = self.reined(actor, Action::MarkSession, session, "mark").await?;
        let text = line("text", text)?;
        let _turn = writer.reins().turn.lock().await;
        room_for(&writer, Kind::Mark)?;
        let control = Control::Marker { by: actor.name.clone(), text: text.to_owned() };
        self.write_control(actor, &writer, &control).await?;
        writer.reins().count(Kind::Mark);
        note_in_recording(&writer, &control);
        Ok(())
    }

    /// Sets a mark on the recording of a session that has ended.
    ///
    /// # Errors
    /// Without the right to set marks and to view the recording, while the session runs, for a moment outside the
    /// session, for an empty or overlong text, or for one too many.
    pub async fn mark_afterwards(&self, actor: &Actor, session: &SessionId, at_ms: u64, text: &str) -> Done<()> {
        self.allowed(actor, Action::MarkSession, session, "mark").await?;
        self.allowed(actor, Action::ViewRecording, session, "mark").await?;
        let text = line("text", text)?;
        let mut tx = self.write(actor).await?;
        let id = session.as_str().to_owned();
        let row = sqlx::query("SELECT facts FROM sessions WHERE id = $1").bind(id.clone()).fetch_optional(tx.sql()).await.map_err(Fault::from)?;
        let row = row.ok_or(Refusal::NotFound)?;
        let facts: SessionFacts = serde_json::from_str(row.try_get("facts").map_err(Fault::from)?).map_err(Fault::from)?;
        let ended = facts.ended.ok_or(Refusal::SessionRunning)?;
        if u128::from(at_ms) > facts.started.until(ended).as_millis().saturating_add(1000) {
            return Err(Refusal::bad_field("at").into());
        }
        let counted = sqlx::query("SELECT COUNT(*) AS n FROM session_marks WHERE session = $1").bind(id.clone()).fetch_one(tx.sql()).await.map_err(Fault::from)?;
        let count: i64 = counted.try_get("n").map_err(Fault::from)?;
        if count >= as_i64(limits::SESSION_MARKS as u64) {
            return Err(Refusal::too_many("SESSION_MARKS").into());
        }
        let now = tx.now();
        sqlx::query("INSERT INTO session_marks (session, n, at_ms, made_by, made_at, note) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(id)
            .bind(count)
            .bind(as_i64(at_ms))
            .bind(actor.name.clone())
            .bind(now.0)
            .bind(text.to_owned())
            .execute(tx.sql())
            .await
            .map_err(Fault::from)?;
        tx.fact(Fact::Marked { session: session.clone(), at_ms, text: text.to_owned() });
        tx.commit().await?;
        Ok(())
    }

    /// The marks that were set after the session, by their moments.
    ///
    /// # Errors
    /// Without the right to view the recording.
    pub async fn marks(&self, actor: &Actor, session: &SessionId) -> Done<Vec<Mark>> {
        self.allowed(actor, Action::ViewRecording, session, "marks").await?;
        let text = "SELECT at_ms, made_by, made_at, note FROM session_marks WHERE session = $1 ORDER BY at_ms, n";
        let rows = sqlx::query(text).bind(session.as_str().to_owned()).fetch_all(self.read()).await.map_err(Fault::from)?;
        let mut marks = Vec::with_capacity(rows.len());
        for row in rows {
            let read = || -> Result<Mark, sqlx::Error> {
                let at_ms = u64::try_from(row.try_get::<i64, _>("at_ms")?).unwrap_or(0);
                Ok(Mark { at_ms, by: row.try_get("made_by")?, made_at: Timestamp(row.try_get("made_at")?), text: row.try_get("note")? })
            };
            marks.push(read().map_err(Fault::from)?);
        }
        Ok(marks)
    }
}
