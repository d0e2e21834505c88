//! What happens to a command that a rule names: it is written down, and where the rule says so it waits for a person.
//!
//! Which commands wait is known from the acts in the recording (`control::reins`); here is only the way back to the
//! gateway that waits for the decision.

use crate::Store;
use crate::control::{HeldCommand, note_in_recording};
use crate::fault::{Done, Fault};
use crate::recordings::Writer;
use sekisho_core::command::RuleAct;
use sekisho_core::control::Control;
use sekisho_core::desk::RuledCommand;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the clock is looked at while a command waits.
const TURN: Duration = Duration::from_millis(500);
/// Longest command line in log and lists, in characters; the recording shows it whole.
const SHOWN_CHARS: usize = 500;

/// The commands that wait, of all sessions: where the decision goes.
#[derive(Default)]
pub(crate) struct Holds(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: BTreeMap<(SessionId, u32), oneshot::Sender<bool>>,
    /// Rulings of each running session.
    counts: BTreeMap<SessionId, usize>,
}

impl Holds {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here leaves at worst a command that waits until its time is over.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a ruling of the session, or an upload that waits; gives its number.
    pub(super) fn count(&self, session: &SessionId) -> usize {
        let mut state = self.state();
        let count = state.counts.entry(session.clone()).or_default();
        *count += 1;
        *count
    }

    fn wait(&self, session: &SessionId, hold: u32) -> Option<oneshot::Receiver<bool>> {
        let mut state = self.state();
        if state.waiting.keys().filter(|(of, _)| of == session).count() >= limits::HELD_COMMANDS {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert((session.clone(), hold), sender);
        Some(receiver)
    }

    /// Takes the right to decide. Whoever has it is the only one.
    fn claim(&self, session: &SessionId, hold: u32) -> Option<oneshot::Sender<bool>> {
        self.state().waiting.remove(&(session.clone(), hold))
    }

    fn give_back(&self, session: &SessionId, hold: u32, sender: oneshot::Sender<bool>) {
        self.state().waiting.insert((session.clone(), hold), sender);
    }

    /// Forgets the sessions that have ended.
    pub(crate) fn keep_only(&self, running: &[SessionId]) {
        let mut state = self.state();
        state.counts.retain(|session, _| running.contains(session));
        state.waiting.retain(|(session, _), _| running.contains(session));
    }
}

/// A command that waits, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldRow {
    /// The session.
    pub session: SessionId,
    /// Who entered it.
    pub person_name: String,
    /// Where.
    pub target_name: String,
    /// The command.
    #[serde(flatten)]
    pub held: HeldCommand,
}

/// A wait that may break off: the worker gives the command up, or the session ends.
struct Waiting {
    store: Store,
    writer: Arc<Writer>,
    hold: u32,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(_claim) = self.store.inner.holds.claim(self.writer.session(), self.hold) else { return };
        let (store, writer, hold) = (self.store.clone(), Arc::clone(&self.writer), self.hold);
        let by = writer.worker().clone();
        let decided = Control::Decided { hold, by: by.name.clone(), allowed: false };
        note_in_recording(&writer, &decided);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(fault) = store.write_control(&by, &writer, &decided).await {
                    tracing::error!(%fault, session = %writer.session(), "that a command was given up could not be written down");
                }
            });
        }
    }
}

/// A command line for people; one that is cut says so.
fn shown(line: &str, most: usize) -> String {
    let mut chars = line.chars().filter(|c| !c.is_control() || *c == '\n');
    let mut shown: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

impl Store {
    /// Answers the gateway about a command that a rule names.
    pub(crate) async fn rule_on(&self, session: &SessionId, ruled: RuledCommand) -> Result<(), Refusal> {
        let writer = self.inner.shelf.writer(session).ok_or(Refusal::Cut)?;
        let reason = ruled.reason.clone();
        let number = self.inner.holds.count(session);
        if number > limits::SESSION_RULINGS {
            return Err(Refusal::too_many("SESSION_RULINGS"));
        }
        let hold = if ruled.act == RuleAct::Hold { u32::try_from(number).unwrap_or(u32::MAX) } else { 0 };
        if hold > 0 && ruled.line.chars().count() > limits::HELD_LINE_CHARS {
            // Whoever decides must see all that would run.
            return Err(Refusal::too_many("HELD_LINE_CHARS"));
        }
        let line = shown(&ruled.line, if hold > 0 { limits::HELD_LINE_CHARS } else { SHOWN_CHARS });
        let control = Control::Ruled { hold, act: ruled.act, line, reason: ruled.reason };
        let waits = match ruled.act {
            RuleAct::Hold => Some(self.inner.holds.wait(session, hold).ok_or_else(|| Refusal::too_many("HELD_COMMANDS"))?),
            _ => None,
        };
        // From here on, whatever goes wrong gives the place back.
        let waiting = waits.is_some().then(|| Waiting { store: self.clone(), writer: Arc::clone(&writer), hold });
        {
            let _turn = writer.reins().turn.lock().await;
            if let Err(fault) = self.write_control(writer.worker(), &writer, &control).await {
                tracing::error!(%fault, %session, "a command that a rule names could not be written down, so it is not passed on");
                return Err(if ruled.act == RuleAct::Refuse { Refusal::CommandRefused { reason } } else { Refusal::LogUnavailable });
            }
            note_in_recording(&writer, &control);
        }
        match (waits, waiting) {
            (Some(decision), Some(waiting)) => self.decision(decision, &waiting, reason).await,
            _ if ruled.act == RuleAct::Refuse => Err(Refusal::CommandRefused { reason }),
            _ => Ok(()),
        }
    }

    async fn decision(&self, mut decision: oneshot::Receiver<bool>, waiting: &Waiting, reason: String) -> Result<(), Refusal> {
        let deadline = self.now().plus(Duration::from_secs(limits::HOLD_SECONDS as u64));
        loop {
            match tokio::time::timeout(TURN, &mut decision).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false) | Err(_)) => return Err(Refusal::CommandDenied { reason }),
                Err(_) if self.now() < deadline => {}
                // Whoever has claimed the decision in this very moment is waited for, and may give it back.
                Err(_) if self.inner.holds.claim(waiting.writer.session(), waiting.hold).is_none() => {}
                Err(_) => break,
            }
        }
        let decided = Control::Decided { hold: waiting.hold, by: String::from("Sekisho"), allowed: false };
        note_in_recording(&waiting.writer, &decided);
        if let Err(fault) = self.write_control(&Actor::system(), &waiting.writer, &decided).await {
            tracing::error!(%fault, session = %waiting.writer.session(), "that nobody decided could not be written down; the command was refused all the same");
        }
        Err(Refusal::CommandUndecided { reason })
    }

    /// Commands that wait in running sessions, for whoever may decide on them.
    ///
    /// # Errors
    /// Without the right to control sessions.
    pub async fn held_commands(&self, actor: &Actor) -> Done<Vec<HeldRow>> {
        self.require(actor, Action::ControlSession, None, "held_commands").await?;
        let mut rows = Vec::new();
        for session in self.inner.shelf.running() {
            let Some(writer) = self.inner.shelf.writer(&session) else { continue };
            let held = writer.reins().standing(self.now()).held;
            if held.is_empty() {
                continue;
            }
            let view = self.session(actor, &session).await?;
            let (person_name, target_name) = (view.row.facts.person_name, view.row.facts.target_name);
            rows.extend(held.into_iter().map(|held| HeldRow { session: session.clone(), person_name: person_name.clone(), target_name: target_name.clone(), held }));
        }
        Ok(rows)
    }

    /// Decides on a command that waits.
    ///
    /// # Errors
    /// Without the right to control this session; [`Refusal::NotFound`] if no such command waits, because somebody else
    /// decided, the worker gave it up or its time is over.
    pub async fn decide_command(&self, actor: &Actor, session: &SessionId, hold: u32, allowed: bool) -> Done<()> {
        self.allowed(actor, Action::ControlSession, session, "decide_command").await?;
        let writer = self.inner.shelf.writer(session).ok_or(Refusal::NotFound)?;
        let _turn = writer.reins().turn.lock().await;
        let sender = self.inner.holds.claim(session, hold).ok_or(Refusal::NotFound)?;
        if sender.is_closed() {
            return Err(Refusal::NotFound.into());
        }
        let decided = Control::Decided { hold, by: actor.name.clone(), allowed };
        let written: Result<(), Fault> = self.write_control(actor, &writer, &decided).await;
        match written {
            Err(fault) if allowed => {
                // What is not in the log is not allowed; it can be decided again.
                self.inner.holds.give_back(session, hold, sender);
                Err(fault.into())
            }
            written => {
                note_in_recording(&writer, &decided);
                // Nobody waits any more if the session ends at this moment.
                let _ = sender.send(allowed);
                Ok(written?)
            }
        }
    }
}
