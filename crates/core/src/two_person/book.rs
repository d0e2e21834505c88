//! What the log tells of second keys and of requests to view.

use super::{SecondKey, SecondKeyChange, SecondKeyState, ViewingRequest, ViewingState};
use crate::auditor_key::KeyStep;
use crate::facts::{Entry, Fact};
use crate::ids::{PersonId, SecondKeyId, TargetId, ViewingRequestId};
use std::collections::BTreeMap;

/// All that the log tells of two-person viewing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    keys: BTreeMap<SecondKeyId, SecondKey>,
    requests: BTreeMap<ViewingRequestId, ViewingRequest>,
}

/// Who did it. The console has no person, and so takes no step.
fn step(entry: &Entry, reason: &str) -> Option<KeyStep> {
    let person = entry.actor.person.clone()?;
    Some(KeyStep { person, name: entry.actor.name.clone(), at: entry.at, reason: reason.to_owned() })
}

impl Book {
    /// Takes the next entry. One that does not fit what stands changes nothing.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::SecondKeyKept { second_key, holder, name, key, targets, change, reason } => {
                let Some(step) = step(entry, reason) else { return };
                if *change == SecondKeyChange::Asked {
                    let asked = SecondKey {
                        id: second_key.clone(),
                        holder: holder.clone(),
                        name: name.clone(),
                        key: key.clone(),
                        targets: targets.clone(),
                        state: SecondKeyState::Asked,
                        asked: step,
                        decided: None,
                        end_asked: None,
                        ended: None,
                    };
                    self.keys.entry(second_key.clone()).or_insert(asked);
                } else if let Some(held) = self.keys.get_mut(second_key) {
                    turn(held, *change, step);
                }
            }
            Fact::ViewingAsked { viewing, sessions, keys, hours, reason } => {
                let Some(by) = entry.actor.person.clone() else { return };
                let asked = ViewingRequest {
                    id: viewing.clone(),
                    sessions: sessions.clone(),
                    keys: keys.clone(),
                    by,
                    by_name: entry.actor.name.clone(),
                    asked_at: entry.at,
                    hours: *hours,
                    reason: reason.clone(),
                    state: ViewingState::Asked,
                    decided: None,
                    second_key: None,
                    until: None,
                    ended: None,
                };
                self.requests.entry(viewing.clone()).or_insert(asked);
            }
            Fact::ViewingAgreed { viewing, until, second_key } => {
                let (step, request) = (step(entry, ""), self.requests.get_mut(viewing));
                if let Some(request) = request.filter(|request| matches!(request.state, ViewingState::Asked | ViewingState::Agreed)) {
                    // A later agreement, after a restart, lengthens nothing.
                    request.until = Some(request.until.map_or(*until, |first| first.min(*until)));
                    (request.state, request.decided, request.second_key) = (ViewingState::Agreed, step, Some(second_key.clone()));
                }
            }
            Fact::ViewingDeclined { viewing, reason } => {
                if let Some(request) = self.requests.get_mut(viewing).filter(|request| request.state == ViewingState::Asked) {
                    (request.state, request.decided) = (ViewingState::Declined, step(entry, reason));
                }
            }
            Fact::ViewingWithdrawn { viewing } => {
                if let Some(request) = self.requests.get_mut(viewing).filter(|request| request.state == ViewingState::Asked) {
                    (request.state, request.ended) = (ViewingState::Withdrawn, step(entry, ""));
                }
            }
            Fact::ViewingEnded { viewing } => {
                if let Some(request) = self.requests.get_mut(viewing).filter(|request| request.state == ViewingState::Agreed) {
                    (request.state, request.ended) = (ViewingState::Ended, step(entry, ""));
                }
            }
            _ => {}
        }
    }

    /// All second keys, also those that were refused or ended.
    pub fn keys(&self) -> impl Iterator<Item = &SecondKey> {
        self.keys.values()
    }

    /// One second key.
    #[must_use]
    pub fn key(&self, id: &SecondKeyId) -> Option<&SecondKey> {
        self.keys.get(id)
    }

    /// The keys with which a recording of this target that begins is sealed.
    pub fn in_force<'a>(&'a self, target: &'a TargetId) -> impl Iterator<Item = &'a SecondKey> {
        self.keys.values().filter(move |key| key.state.in_force() && key.covers(target))
    }

    /// Who holds a public key: by the key that was confirmed last, because a key file can be handed on.
    #[must_use]
    pub fn holding(&self, public: &str) -> Option<&SecondKey> {
        let all = self.keys.values().filter(|key| key.key == public && key.state.was_confirmed());
        all.max_by_key(|key| key.decided.as_ref().map(|step| step.at))
    }

    /// The second keys whose holders can agree to a request.
    #[must_use]
    pub fn holding_all(&self, request: &ViewingRequest) -> Vec<&SecondKey> {
        let named = request.keys.iter().filter_map(|id| self.keys.get(id));
        let mut held: Vec<&SecondKey> = named.filter_map(|key| self.holding(&key.key)).collect();
        held.sort_by(|one, other| one.id.cmp(&other.id));
        held.dedup_by(|one, other| one.id == other.id);
        held
    }

    /// The second key by which a person can agree to a request; whether they asked for it themselves is another question.
    #[must_use]
    pub fn held_by(&self, request: &ViewingRequest, person: &PersonId) -> Option<&SecondKey> {
        self.holding_all(request).into_iter().find(|key| key.holder == *person)
    }

    /// All requests.
    pub fn requests(&self) -> impl Iterator<Item = &ViewingRequest> {
        self.requests.values()
    }

    /// One request.
    #[must_use]
    pub fn request(&self, id: &ViewingRequestId) -> Option<&ViewingRequest> {
        self.requests.get(id)
    }
}

/// Turns a key as its entry says, if that fits where it stands. That two persons did it, the box saw to when it signed the entry, and
/// it is looked at once more here: what is read is not believed to be better than what is written.
fn turn(key: &mut SecondKey, change: SecondKeyChange, step: KeyStep) {
    match (key.state, change) {
        (SecondKeyState::Asked, SecondKeyChange::Confirmed) if step.person != key.asked.person => (key.state, key.decided) = (SecondKeyState::Active, Some(step)),
        (SecondKeyState::Asked, SecondKeyChange::Refused) => (key.state, key.decided) = (SecondKeyState::Refused, Some(step)),
        (SecondKeyState::Active, SecondKeyChange::EndAsked) => (key.state, key.end_asked) = (SecondKeyState::EndAsked, Some(step)),
        (SecondKeyState::EndAsked, SecondKeyChange::Kept) => (key.state, key.end_asked) = (SecondKeyState::Active, None),
        (SecondKeyState::EndAsked, SecondKeyChange::Ended) if key.end_asked.as_ref().is_some_and(|asked| asked.person != step.person) => {
            (key.state, key.ended) = (SecondKeyState::Ended, Some(step));
        }
        _ => {}
    }
}
