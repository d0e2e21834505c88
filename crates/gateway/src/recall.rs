//! The sessions that are being carried, and the one word that reaches them from the store.

use crate::session::Session;
use crate::ssh::words;
use sekisho_core::desk::{Cause, Recall, RecallWord};
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All sessions of this gateway.
#[derive(Debug)]
pub struct Running {
    state: Mutex<State>,
    /// How many sessions have not written their end yet.
    open: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, Arc<Session>>,
    /// Connections that stand between the question to the desk and their entry into the table.
    entering: usize,
    /// Recalls that came while somebody was entering: their session may be one that is not in the table yet.
    early: Vec<Recall>,
}

impl Default for Running {
    fn default() -> Self {
        Self { state: Mutex::default(), open: watch::Sender::new(0) }
    }
}

/// Held while a connection asks to enter. Recalls that arrive meanwhile are kept for it.
pub struct Entering<'a>(&'a Running);

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.entering = state.entering.saturating_sub(1);
        if state.entering == 0 {
            state.early.clear();
        }
    }
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces that a connection asks to enter.
    pub fn entering(&self) -> Entering<'_> {
        self.lock().entering += 1;
        Entering(self)
    }

    /// Takes a session into the table and applies what was said about it before it got there.
    pub fn add(&self, session: &Arc<Session>) {
        let mut state = self.lock();
        state.sessions.insert(session.id().clone(), Arc::clone(session));
        self.open.send_modify(|open| *open += 1);
        for recall in &state.early {
            if recall.session.as_ref().is_none_or(|id| id == session.id()) {
                apply(session, &recall.word);
            }
        }
    }

    /// Forgets a session whose end is written down.
    pub fn remove(&self, id: &SessionId) {
        if self.lock().sessions.remove(id).is_some() {
            self.open.send_modify(|open| *open = open.saturating_sub(1));
        }
    }

    /// Passes a recall on. Returns at once: the sessions end by themselves.
    pub fn recall(&self, recall: Recall) {
        let mut state = self.lock();
        match &recall.session {
            Some(id) => {
                if let Some(session) = state.sessions.get(id) {
                    apply(session, &recall.word);
                    return;
                }
            }
            None => state.sessions.values().for_each(|session| apply(session, &recall.word)),
        }
        if state.entering == 0 {
            return;
        }
        if state.early.len() < limits::SESSIONS {
            state.early.push(recall);
        } else {
            // What cannot be kept may be the word for one who is entering, so whoever enters is ended.
            state.early = vec![Recall { session: None, word: RecallWord::End(Cause::Recalled) }];
        }
    }

    /// Ends every session.
    pub fn end_all(&self, cause: Cause) {
        self.recall(Recall { session: None, word: RecallWord::End(cause) });
    }

    /// Waits until every session's end is written down.
    pub async fn all_left(&self) {
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open == 0).await;
    }
}

fn apply(session: &Session, word: &RecallWord) {
    match word {
        RecallWord::End(cause) => session.end(*cause),
        RecallWord::Until(until) => session.extend(*until),
        // The recording has both from the store, as what a person did.
        RecallWord::Stand(standstill) => {
            session.stand(*standstill, Some(&words::standing(*standstill)));
        }
        RecallWord::Say(text) => session.say(&words::said(text)),
    }
}
