//! Control of a running session: pause, message, chat, marks. Each act is a fact first, then stands in the recording,
//! then reaches the gateway.
//!
//! What makes things safer (a pause, a witness who is gone) does not wait for a log that cannot be written.

mod marks;
mod reins;
mod witness;

pub use marks::Mark;
pub(crate) use reins::{Chair, Reins};
pub use reins::{HeldCommand, HeldFile, Pause, Standing, Told, Watcher};

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::Writer;
use reins::Kind;
use sekisho_core::control::Control;
use sekisho_core::desk::{Event, Recall, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sqlx::Row;
use std::sync::Arc;

impl Store {
    /// Lets a running session stand still (一時停止): bytes wait on both sides, nothing is lost.
    ///
    /// # Errors
    /// Without the right, if it does not run, or if it was paused too often.
    pub async fn pause(&self, actor: &Actor, session: &SessionId, reason: &str) -> Done<()> {
        let writer = self.reined(actor, Action::ControlSession, session, "pause").await?;
        check_line("reason", reason)?;
        let _turn = writer.reins().turn.lock().await;
        if writer.reins().is_paused() {
            return Ok(());
        }
        room_for(&writer, Kind::Pause)?;
        let control = Control::Paused { by: actor.name.clone(), reason: reason.to_owned() };
        let written = self.write_control(actor, &writer, &control).await;
        writer.reins().count(Kind::Pause);
        writer.reins().set_pause(Some(Pause { by: actor.name.clone(), reason: reason.to_owned() }));
        note_in_recording(&writer, &control);
        self.tell_standing(&writer);
        if !reason.is_empty() {
            self.tell(&writer, RecallWord::Say(format!("{}: {reason}", actor.name)));
        }
        written.map_err(|fault| {
            tracing::error!(%fault, %session, "a pause could not be written down; the session stands still all the same");
            fault.into()
        })
    }

    /// Pauses every running session of the plan that this one belongs to. Each pause is a fact of its own; a session
    /// that cannot be paused keeps none of the others running.
    ///
    /// # Errors
    /// As [`Store::pause`] gives them: the first one, after every session was tried.
    pub async fn pause_plan_of(&self, actor: &Actor, session: &SessionId, reason: &str) -> Done<()> {
        self.reined(actor, Action::ControlSession, session, "pause").await?;
        check_line("reason", reason)?;
        let rows = sqlx::query("SELECT id FROM sessions WHERE ended_at IS NULL AND plan = (SELECT plan FROM sessions WHERE id = $1) ORDER BY started_at, id")
            .bind(session.as_str().to_owned())
            .fetch_all(self.read())
            .await
            .map_err(Fault::from)?;
        let mut outcome = Ok(());
        for row in rows {
            let id = SessionId::parse(row.try_get("id").map_err(Fault::from)?).ok_or_else(|| Fault::Damaged("a session's id cannot be read".into()))?;
            // One that ends in this moment stands still for good.
            if self.inner.shelf.writer(&id).is_none() {
                continue;
            }
            let paused = self.pause(actor, &id, reason).await;
            if outcome.is_ok() {
                outcome = paused;
            }
        }
        outcome
    }

    /// Sekisho itself pauses a session and alerts the hospital. A person lets it go on.
    pub(crate) async fn pause_by_rule(&self, session: &SessionId, reason: &str) {
        let Some(writer) = self.inner.shelf.writer(session) else { return };
        let _turn = writer.reins().turn.lock().await;
        let by = String::from("Sekisho");
        let alert = Control::Alert { text: reason.to_owned() };
        let mut controls = vec![alert];
        if !writer.reins().is_paused() {
            writer.reins().count(Kind::Pause);
            writer.reins().set_pause(Some(Pause { by: by.clone(), reason: reason.to_owned() }));
            controls.push(Control::Paused { by, reason: reason.to_owned() });
        }
        self.tell_standing(&writer);
        for control in &controls {
            note_in_recording(&writer, control);
            if let Err(fault) = self.write_control(&Actor::system(), &writer, control).await {
                tracing::error!(%fault, %session, "a pause could not be written down; the session stands still all the same");
            }
        }
    }

    /// Lets a paused session go on. It still stands still while a witness is missing.
    ///
    /// # Errors
    /// Without the right, or if it does not run.
    pub async fn resume(&self, actor: &Actor, session: &SessionId) -> Done<()> {
        let writer = self.reined(actor, Action::ControlSession, session, "resume").await?;
        let _turn = writer.reins().turn.lock().await;
        if !writer.reins().is_paused() {
            return Ok(());
        }
        let control = Control::Resumed { by: actor.name.clone() };
        self.write_control(actor, &writer, &control).await?;
        note_in_recording(&writer, &control);
        writer.reins().set_pause(None);
        self.tell_standing(&writer);
        Ok(())
    }

    /// Writes a line to the worker's terminals.
    ///
    /// # Errors
    /// Without the right, if it does not run, for an empty or overlong text, or for one too many.
    pub async fn say(&self, actor: &Actor, session: &SessionId, text: &str) -> Done<()> {
        let writer = self.reined(actor, Action::ControlSession, session, "say").await?;
        let text = line("text", text)?;
        let _turn = writer.reins().turn.lock().await;
        room_for(&writer, Kind::Saying)?;
        let control = Control::Said { by: actor.name.clone(), text: text.to_owned() };
        self.write_control(actor, &writer, &control).await?;
        writer.reins().count(Kind::Saying);
        note_in_recording(&writer, &control);
        self.tell(&writer, RecallWord::Say(format!("{}: {text}", actor.name)));
        Ok(())
    }

    /// Writes a line of the chat between the hospital and the session's worker. The hospital's lines also reach the
    /// worker's terminals.
    ///
    /// # Errors
    /// Without the right, if it does not run, for an empty or overlong text, or for too many in too short a time.
    pub async fn chat(&self, actor: &Actor, session: &SessionId, text: &str) -> Done<()> {
        let writer = self.reined(actor, Action::ChatSession, session, "chat").await?;
        let text = line("text", text)?;
        let worker = actor.vendor.is_some();
        let _turn = writer.reins().turn.lock().await;
        room_for(&writer, Kind::Chat)?;
        if !writer.reins().may_chat(&actor.login, self.now()) {
            return Err(Refusal::too_many("CHAT_A_MINUTE").into());
        }
        let control = Control::Chat { by: actor.name.clone(), worker, text: text.to_owned() };
        self.write_control(actor, &writer, &control).await?;
        writer.reins().count(Kind::Chat);
        note_in_recording(&writer, &control);
        if !worker {
            self.tell(&writer, RecallWord::Say(format!("{}: {text}", actor.name)));
        }
        Ok(())
    }

    /// How a running session stands; `None` once it has ended. A vendor's person is not told who else watches.
    ///
    /// # Errors
    /// Without the right to the session.
    pub async fn standing(&self, actor: &Actor, session: &SessionId) -> Done<Option<Standing>> {
        self.allowed(actor, Action::ReadSession, session, "standing").await?;
        Ok(self.standing_of(actor, session))
    }

    /// The latest acts upon a running session, the oldest first: what was said, paused, decided. A vendor's person does
    /// not see the hospital's notes among them.
    ///
    /// # Errors
    /// Without the right to the session.
    pub async fn talk(&self, actor: &Actor, session: &SessionId) -> Done<Vec<Told>> {
        self.allowed(actor, Action::ReadSession, session, "talk").await?;
        let mut talk = self.inner.shelf.writer(session).map(|writer| writer.reins().talk()).unwrap_or_default();
        if actor.vendor.is_some() {
            talk.retain(|told| told.control.is_told_to_worker());
        }
        Ok(talk)
    }

    /// How a session stands, for somebody whose right to it was checked.
    pub(crate) fn standing_of(&self, actor: &Actor, session: &SessionId) -> Option<Standing> {
        let mut standing = self.inner.shelf.writer(session)?.reins().standing(self.now());
        if actor.vendor.is_some() {
            standing.watchers.retain(|watcher| watcher.witness);
        }
        Some(standing)
    }

    /// The running session, for somebody who may do this to it.
    async fn reined(&self, actor: &Actor, action: Action, session: &SessionId, what: &str) -> Done<Arc<Writer>> {
        self.allowed(actor, action, session, what).await?;
        Ok(self.inner.shelf.writer(session).ok_or(Refusal::NotFound)?)
    }

    /// Makes the fact of an act durable.
    pub(crate) async fn write_control(&self, actor: &Actor, writer: &Writer, control: &Control) -> Result<(), Fault> {
        let mut tx = self.write(actor).await?;
        Self::keep_alert(&mut tx, writer.session(), control).await?;
        tx.fact(Fact::Controlled { session: writer.session().clone(), control: control.clone() });
        tx.commit().await
    }

    /// Tells the gateway whether the session stands still, if it was told otherwise.
    fn tell_standing(&self, writer: &Writer) {
        writer.reins().tell(self.now(), |standstill| self.tell(writer, RecallWord::Stand(standstill)));
    }

    fn tell(&self, writer: &Writer, word: RecallWord) {
        // Nobody listens while no gateway runs.
        let _ = self.inner.recall.send(Recall { session: Some(writer.session().clone()), word });
    }
}

/// Puts an act into the recording. If the recording is lost, its session ends by that.
pub(crate) fn note_in_recording(writer: &Writer, control: &Control) {
    let _ = writer.append(0, Event::Control(control));
}

fn room_for(writer: &Writer, kind: Kind) -> Result<(), Refusal> {
    if writer.reins().has_room(kind) { Ok(()) } else { Err(Refusal::too_many(kind.limit().1)) }
}

fn line<'a>(field: &str, text: &'a str) -> Result<&'a str, Refusal> {
    check_line(field, text)?;
    let text = text.trim();
    if text.is_empty() { Err(Refusal::bad_field(field)) } else { Ok(text) }
}
