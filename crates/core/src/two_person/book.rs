//! What the log tells of second keys and of requests to view.

use super::{SecondKey, SecondKeyChange, SecondKeyState, ViewingRequest, ViewingState};
use crate::auditor_key::KeyStep;
use crate::facts::{Entry, Fact};
use crate::ids::{PersonId, SecondKeyId, TargetId, ViewingRequestId};
use crate::limits;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that the log tells of two-person viewing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    keys: BTreeMap<SecondKeyId, SecondKey>,
    requests: BTreeMap<ViewingRequestId, ViewingRequest>,
    /// Agreements by their SHA-256, and the request that each was given to.
    agreements: BTreeMap<String, ViewingRequestId>,
}

/// Who did it. The console has no person, and so takes no step.
fn step(entry: &Entry, reason: &str) -> Option<KeyStep> {
    let person = entry.actor.person.clone()?;
    Some(KeyStep { person, name: entry.actor.name.clone(), at: entry.at, reason: reason.to_owned() })
}

impl Book {
    /// The kinds of entries that it is made of.
    pub const KINDS: [&'static str; 6] = ["second_key_kept", "viewing_asked", "viewing_agreed", "viewing_declined", "viewing_withdrawn", "viewing_ended"];

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
                    sessions: sessions.iter().take(limits::VIEWING_SESSIONS).cloned().collect(),
                    keys: keys.clone(),
                    by,
                    by_name: entry.actor.name.clone(),
                    asked_at: entry.at,
                    hours: (*hours).clamp(1, limits::VIEWING_HOURS as u32),
                    reason: reason.clone(),
                    state: ViewingState::Asked,
                    decided: None,
                    second_key: None,
                    until: None,
                    ended: None,
                };
                self.requests.entry(viewing.clone()).or_insert(asked);
            }
            Fact::ViewingAgreed { viewing, until, second_key, agreement } => {
                let (Some(step), Some(request)) = (step(entry, ""), self.requests.get_mut(viewing)) else { return };
                if matches!(request.state, ViewingState::Asked | ViewingState::Agreed) && step.person != request.by {
                    // No agreement lasts longer than was asked for, and a later one, after a restart, lengthens nothing.
                    let until = (*until).min(entry.at.plus(Duration::from_secs(u64::from(request.hours) * 3600)));
                    request.until = Some(request.until.map_or(until, |first| first.min(until)));
                    (request.state, request.decided, request.second_key) = (ViewingState::Agreed, Some(step), Some(second_key.clone()));
                    if !agreement.is_empty() {
                        self.agreements.entry(agreement.clone()).or_insert_with(|| viewing.clone());
                    }
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

    /// Whether an agreement was given to another request: what a holder agreed to once opens nothing later.
    #[must_use]
    pub fn agreed_elsewhere(&self, agreement: &str, id: &ViewingRequestId) -> bool {
        self.agreements.get(agreement).is_some_and(|first| first != id)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{Actor, Role, Via};
    use crate::refusal::Refusal;
    use crate::time::Timestamp;
    use crate::two_person::{SecondKeyStep, ViewingRequest};
    use std::collections::BTreeSet;

    fn person(number: u8) -> PersonId {
        PersonId::from_random([number; 10])
    }

    fn actor(number: u8, role: Role) -> Actor {
        Actor { person: Some(person(number)), login: "x".into(), name: "x".into(), roles: BTreeSet::from([role]), vendor: None, via: Via::Web, source: None, token: None, emergency: false }
    }

    fn id(number: u8) -> SecondKeyId {
        SecondKeyId::from_random([number; 10])
    }

    fn told(book: &mut Book, at: i64, by: &Actor, fact: Fact) {
        book.take(&Entry { seq: 0, at: Timestamp(at), actor: by.clone(), fact });
    }

    fn kept(key: u8, holder: u8, public: &str, change: SecondKeyChange) -> Fact {
        Fact::SecondKeyKept { second_key: id(key), holder: person(holder), name: "持ち主".into(), key: public.into(), targets: Vec::new(), change, reason: "決定".into() }
    }

    fn state(book: &Book, key: u8) -> SecondKeyState {
        book.key(&id(key)).unwrap().state
    }

    #[test]
    fn it_takes_two_persons_to_put_a_key_in_force_and_two_to_end_it() {
        use SecondKeyChange as C;
        let (one, two, target) = (actor(1, Role::Planner), actor(2, Role::SafetyManager), TargetId::from_random([5; 10]));
        let mut book = Book::default();
        told(&mut book, 0, &Actor::console(), kept(1, 3, "age1a", C::Asked));
        assert_eq!(book.keys().count(), 0, "the console is no person");
        told(&mut book, 0, &one, kept(1, 3, "age1a", C::Asked));
        told(&mut book, 1, &one, kept(1, 3, "age1a", C::Confirmed));
        assert_eq!(state(&book, 1), SecondKeyState::Asked, "the same person");
        assert_eq!(book.in_force(&target).count(), 0);
        told(&mut book, 2, &two, kept(1, 3, "age1a", C::Confirmed));
        assert_eq!(book.in_force(&target).count(), 1);
        told(&mut book, 3, &two, kept(1, 3, "age1a", C::Ended));
        assert_eq!(state(&book, 1), SecondKeyState::Active, "nobody asked for its end");
        told(&mut book, 4, &two, kept(1, 3, "age1a", C::EndAsked));
        told(&mut book, 5, &two, kept(1, 3, "age1a", C::Ended));
        assert_eq!((state(&book, 1), book.in_force(&target).count()), (SecondKeyState::EndAsked, 1), "the same person");
        told(&mut book, 6, &two, kept(1, 3, "age1a", C::Kept));
        told(&mut book, 7, &one, kept(1, 3, "age1a", C::Ended));
        assert_eq!(state(&book, 1), SecondKeyState::Active, "its end was declined");
        told(&mut book, 8, &two, kept(1, 3, "age1a", C::EndAsked));
        told(&mut book, 9, &one, kept(1, 3, "age1a", C::Ended));
        assert_eq!((state(&book, 1), book.in_force(&target).count()), (SecondKeyState::Ended, 0));
        told(&mut book, 10, &one, kept(1, 3, "age1b", C::Asked));
        assert_eq!(state(&book, 1), SecondKeyState::Ended, "an id is used once");
    }

    #[test]
    fn planner_or_safety_manager_confirms_and_nobody_their_own_wish() {
        let mut book = Book::default();
        told(&mut book, 0, &actor(1, Role::Planner), kept(1, 3, "age1a", SecondKeyChange::Asked));
        let key = book.key(&id(1)).unwrap();
        assert_eq!(key.check(SecondKeyStep::Confirm, &actor(1, Role::Planner)), Err(Refusal::SameHand));
        assert_eq!(key.check(SecondKeyStep::Confirm, &actor(2, Role::Administrator)), Err(Refusal::NotAllowed));
        assert_eq!(key.check(SecondKeyStep::Confirm, &actor(2, Role::SafetyManager)), Ok(()));
        assert_eq!(key.check(SecondKeyStep::Confirm, &actor(3, Role::Planner)), Ok(()), "the holder may");
        assert_eq!(key.check(SecondKeyStep::Refuse, &actor(1, Role::Planner)), Ok(()), "one's own wish is taken back alone");
        for step in [SecondKeyStep::AskEnd, SecondKeyStep::Keep, SecondKeyStep::End] {
            assert_eq!(key.check(step, &actor(2, Role::Planner)), Err(Refusal::SecondKeyStep));
        }
    }

    #[test]
    fn a_key_names_its_targets_and_belongs_to_who_was_confirmed_for_it_last() {
        let (one, two) = (actor(1, Role::Planner), actor(2, Role::SafetyManager));
        let (target, other) = (TargetId::from_random([5; 10]), TargetId::from_random([6; 10]));
        let mut book = Book::default();
        let Fact::SecondKeyKept { second_key, holder, name, key, change, reason, .. } = kept(1, 3, "age1a", SecondKeyChange::Asked) else { unreachable!() };
        told(&mut book, 0, &one, Fact::SecondKeyKept { second_key, holder, name, key, targets: vec![target.clone()], change, reason });
        told(&mut book, 1, &two, kept(1, 3, "age1a", SecondKeyChange::Confirmed));
        assert_eq!((book.in_force(&target).count(), book.in_force(&other).count()), (1, 0));
        assert_eq!(book.holding("age1a").map(|key| key.holder.clone()), Some(person(3)));
        // The file of the key is handed on.
        told(&mut book, 2, &one, kept(1, 3, "age1a", SecondKeyChange::EndAsked));
        told(&mut book, 3, &two, kept(1, 3, "age1a", SecondKeyChange::Ended));
        told(&mut book, 4, &one, kept(2, 4, "age1a", SecondKeyChange::Asked));
        assert_eq!(book.holding("age1a").map(|key| key.holder.clone()), Some(person(3)), "until it is confirmed");
        told(&mut book, 5, &two, kept(2, 4, "age1a", SecondKeyChange::Confirmed));
        assert_eq!(book.holding("age1a").map(|key| key.holder.clone()), Some(person(4)));
        assert_eq!(book.holding("age1b"), None);
    }

    fn request(book: &Book) -> ViewingRequest {
        book.request(&ViewingRequestId::from_random([9; 10])).unwrap().clone()
    }

    #[test]
    fn an_agreement_lasts_for_its_hours_and_no_later_one_lengthens_it() {
        let (who, holder) = (actor(1, Role::Operator), actor(3, Role::Planner));
        let viewing = ViewingRequestId::from_random([9; 10]);
        let hour = 3_600_000;
        let asked = |hours| Fact::ViewingAsked { viewing: viewing.clone(), sessions: Vec::new(), keys: vec![id(1)], hours, reason: "照合".into() };
        let agreed = |until| Fact::ViewingAgreed { viewing: viewing.clone(), until: Timestamp(until), second_key: id(1), agreement: "a1".into() };
        let mut book = Book::default();
        told(&mut book, 0, &who, asked(2));
        told(&mut book, 1, &holder, asked(24));
        assert_eq!((request(&book).hours, request(&book).by), (2, person(1)), "a request is made once");
        assert_eq!(request(&book).agreed_until(Timestamp(hour)), Ok(Timestamp(3 * hour)));
        assert_eq!(request(&book).agreed_until(request(&book).lapses()), Err(Refusal::ViewingStep));
        told(&mut book, hour, &who, agreed(3 * hour));
        assert_eq!(request(&book).state, ViewingState::Asked, "nobody agrees to their own request");
        told(&mut book, hour, &holder, agreed(9 * hour));
        assert_eq!(request(&book).until, Some(Timestamp(3 * hour)), "for the hours that were asked for, whatever the entry says");
        assert!(request(&book).is_open(Timestamp(2 * hour)) && !request(&book).is_open(Timestamp(3 * hour)));
        assert_eq!(request(&book).agreed_until(Timestamp(2 * hour)), Ok(Timestamp(3 * hour)), "the same end, after a restart");
        assert!(!book.agreed_elsewhere("a1", &viewing), "the same text, after a restart");
        assert!(book.agreed_elsewhere("a1", &ViewingRequestId::from_random([8; 10])) && !book.agreed_elsewhere("a2", &viewing));
        told(&mut book, 2 * hour, &holder, agreed(9 * hour));
        assert_eq!(request(&book).until, Some(Timestamp(3 * hour)));
        assert_eq!(request(&book).agreed_until(Timestamp(3 * hour)), Err(Refusal::ViewingStep));
        told(&mut book, 2 * hour, &who, Fact::ViewingEnded { viewing: viewing.clone() });
        told(&mut book, 2 * hour, &holder, agreed(9 * hour));
        assert_eq!(request(&book).state, ViewingState::Ended, "what was ended stays so");
        assert!(!request(&book).is_open(Timestamp(2 * hour)));
    }
}
