//! The memory of shares that holders handed in. It is never written anywhere: a restart of the box forgets them.

use sekisho_core::ids::{PersonId, SessionId, ViewingRequestId};
use sekisho_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A share of a data key.
pub(crate) type Share = Zeroizing<[u8; 32]>;

/// The shares of one request.
pub(crate) struct Handed {
    /// Who asked.
    pub by: PersonId,
    /// Who agreed.
    pub holder: PersonId,
    /// Until when, by the clock.
    pub until: Timestamp,
    /// For how long from this moment on: who sets the clock back gains nothing.
    pub span: Duration,
    /// The share of each recording.
    pub shares: BTreeMap<SessionId, Share>,
}

/// With the end by the monotonic clock. What is reached first counts.
struct Kept {
    handed: Handed,
    deadline: Instant,
}

/// All that were handed in and whose time is not over.
#[derive(Default)]
pub(crate) struct Shares(Mutex<BTreeMap<ViewingRequestId, Kept>>);

impl Shares {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ViewingRequestId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the shares of a request for the person who asked.
    pub fn keep(&self, request: ViewingRequestId, handed: Handed) {
        let deadline = Instant::now() + handed.span;
        self.lock().insert(request, Kept { handed, deadline });
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
        let at = Instant::now();
        self.lock().retain(|_, kept| now < kept.handed.until && at < kept.deadline);
    }

    /// Whether those of a request are here.
    pub fn has(&self, request: &ViewingRequestId, now: Timestamp) -> bool {
        self.pass(now);
        self.lock().contains_key(request)
    }

    /// The requests whose shares are here, each with who asked and who agreed.
    pub fn pairs(&self) -> Vec<(ViewingRequestId, [PersonId; 2])> {
        self.lock().iter().map(|(id, kept)| (id.clone(), [kept.handed.by.clone(), kept.handed.holder.clone()])).collect()
    }

    /// The share of a session that this person may use, with its request and its end; of several, the one that lasts longest.
    pub fn of(&self, person: &PersonId, session: &SessionId, now: Timestamp) -> Option<(ViewingRequestId, Timestamp, Share)> {
        self.pass(now);
        let all = self.lock();
        let mine = all.iter().map(|(id, kept)| (id, &kept.handed)).filter(|(_, handed)| handed.by == *person);
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
        let handed = |byte, until, span| Handed { by: person.clone(), holder: other.clone(), until: Timestamp(until), span, shares: BTreeMap::from([(session.clone(), Zeroizing::new([byte; 32]))]) };
        let hour = Duration::from_secs(3600);
        shares.keep(short.clone(), handed(1, 10, hour));
        shares.keep(long.clone(), handed(2, 20, hour));
        assert_eq!(shares.of(&person, &session, Timestamp(0)).map(|(id, ..)| id), Some(long.clone()));
        assert!(shares.of(&other, &session, Timestamp(0)).is_none());
        assert!(shares.of(&person, &foreign, Timestamp(0)).is_none());
        assert!(!shares.has(&short, Timestamp(10)), "its time is over");
        assert!(shares.has(&long, Timestamp(10)));
        shares.forget(&long);
        assert!(shares.of(&person, &session, Timestamp(10)).is_none());
        shares.keep(long.clone(), handed(2, 20, hour));
        shares.clear();
        assert!(!shares.has(&long, Timestamp(0)));
        // A clock that stands still, or is set back, keeps nothing for longer than the hours that were agreed to.
        shares.keep(long.clone(), handed(2, 20, Duration::ZERO));
        assert!(!shares.has(&long, Timestamp(0)));
    }
}
