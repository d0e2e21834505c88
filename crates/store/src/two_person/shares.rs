//! The memory of shares that holders handed in. It is never written anywhere: a restart of the box forgets them.

use sekisho_core::ids::{PersonId, SessionId, ViewingRequestId};
use sekisho_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A share of a data key.
pub(crate) type Share = Zeroizing<[u8; 32]>;

struct Handed {
    by: PersonId,
    until: Timestamp,
    shares: BTreeMap<SessionId, Share>,
}

/// All that were handed in and whose time is not over.
#[derive(Default)]
pub(crate) struct Shares(Mutex<BTreeMap<ViewingRequestId, Handed>>);

impl Shares {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ViewingRequestId, Handed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the shares of a request for the person who asked.
    pub fn keep(&self, request: ViewingRequestId, by: PersonId, until: Timestamp, shares: BTreeMap<SessionId, Share>) {
        self.lock().insert(request, Handed { by, until, shares });
    }

    /// Forgets those of a request.
    pub fn forget(&self, request: &ViewingRequestId) {
        self.lock().remove(request);
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Forgets those whose time is over.
    pub fn pass(&self, now: Timestamp) {
        self.lock().retain(|_, handed| now < handed.until);
    }

    /// Whether those of a request are here.
    pub fn has(&self, request: &ViewingRequestId, now: Timestamp) -> bool {
        self.pass(now);
        self.lock().contains_key(request)
    }

    /// The share of a session that this person may use, with its request and its end; of several, the one that lasts longest.
    pub fn of(&self, person: &PersonId, session: &SessionId, now: Timestamp) -> Option<(ViewingRequestId, Timestamp, Share)> {
        self.pass(now);
        let all = self.lock();
        let mine = all.iter().filter(|(_, handed)| handed.by == *person);
        let found = mine.filter_map(|(id, handed)| Some((id.clone(), handed.until, handed.shares.get(session)?.clone())));
        found.max_by_key(|(_, until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_for_one_person_one_session_and_its_time() {
        let (person, other) = (PersonId::from_random([1; 10]), PersonId::from_random([2; 10]));
        let (session, foreign) = (SessionId::from_random([3; 10]), SessionId::from_random([4; 10]));
        let (short, long) = (ViewingRequestId::from_random([5; 10]), ViewingRequestId::from_random([6; 10]));
        let shares = Shares::default();
        let one = |byte| BTreeMap::from([(session.clone(), Zeroizing::new([byte; 32]))]);
        shares.keep(short.clone(), person.clone(), Timestamp(10), one(1));
        shares.keep(long.clone(), person.clone(), Timestamp(20), one(2));
        assert_eq!(shares.of(&person, &session, Timestamp(0)).map(|(id, ..)| id), Some(long.clone()));
        assert!(shares.of(&other, &session, Timestamp(0)).is_none());
        assert!(shares.of(&person, &foreign, Timestamp(0)).is_none());
        assert!(!shares.has(&short, Timestamp(10)), "its time is over");
        assert!(shares.has(&long, Timestamp(10)));
        shares.forget(&long);
        assert!(shares.of(&person, &session, Timestamp(10)).is_none());
        shares.keep(long.clone(), person.clone(), Timestamp(20), one(2));
        shares.clear();
        assert!(!shares.has(&long, Timestamp(0)));
    }
}
