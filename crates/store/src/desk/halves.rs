//! Logins that have proved one factor and wait for the other. They live in memory only: a restart asks again.

use crate::secrets::random_token;
use sekisho_core::desk::{Arrival, HalfPrincipal};
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time for the second factor: what the gateway gives to the whole login.
const PATIENCE: Duration = Duration::from_secs(limits::LOGIN_SECONDS as u64);

/// Tickets of one person. One who only proves the first factor again and again must not use up those of all others.
const PER_PERSON: usize = 4;

/// What a ticket stands for.
pub(super) struct Half {
    pub person: PersonId,
    pub login: String,
    pub arrival: Arrival,
    /// `password` or `key`.
    pub first: &'static str,
    /// Codes that may still be tried.
    pub tries: u32,
}

/// The tickets that were given out.
#[derive(Default)]
pub(crate) struct Halves(Mutex<HashMap<String, (Instant, Half)>>);

impl Halves {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, (Instant, Half)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a ticket out.
    pub(super) fn keep(&self, half: Half) -> Result<HalfPrincipal, Refusal> {
        let ticket = random_token().map_err(|fault| super::unavailable(&fault))?.expose().to_owned();
        let mut kept = self.kept();
        kept.retain(|_, (since, _)| since.elapsed() < PATIENCE);
        let oldest = kept.iter().filter(|(_, (_, other))| other.person == half.person).map(|(ticket, (since, _))| (*since, ticket.clone()));
        let mut oldest: Vec<_> = oldest.collect();
        if oldest.len() >= PER_PERSON {
            oldest.sort();
            oldest.truncate(oldest.len() + 1 - PER_PERSON);
            oldest.iter().for_each(|(_, ticket)| drop(kept.remove(ticket)));
        }
        if kept.len() >= limits::HANDSHAKES {
            return Err(Refusal::Busy);
        }
        let given = HalfPrincipal { ticket: ticket.clone(), login: half.login.clone(), arrival: half.arrival.clone() };
        kept.insert(ticket, (Instant::now(), half));
        Ok(given)
    }

    /// Takes a ticket back. It is good for one try, by the connection that it was given to.
    pub(super) fn take(&self, half: &HalfPrincipal) -> Option<Half> {
        let (since, kept) = self.kept().remove(&half.ticket)?;
        let same = kept.login == half.login && kept.arrival == half.arrival;
        (same && since.elapsed() < PATIENCE).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn half(tries: u32) -> Half {
        half_of([1; 10], tries)
    }

    fn half_of(person: [u8; 10], tries: u32) -> Half {
        Half { person: PersonId::from_random(person), login: "sato".into(), arrival: Arrival::plain(IpAddr::from([10, 0, 0, 5])), first: "key", tries }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_its_own_connection() {
        let halves = Halves::default();
        let given = halves.keep(half(3)).unwrap();
        let elsewhere = HalfPrincipal { arrival: Arrival::plain(IpAddr::from([10, 0, 0, 6])), ticket: given.ticket.clone(), login: given.login.clone() };
        assert!(halves.take(&elsewhere).is_none());
        assert!(halves.take(&given).is_none(), "a ticket that was shown from elsewhere is spent");
        let given = halves.keep(half(3)).unwrap();
        assert!(halves.take(&given).is_some());
        assert!(halves.take(&given).is_none());
    }

    #[test]
    fn the_number_of_tickets_is_bounded() {
        let halves = Halves::default();
        let somebody = |number: usize| half_of([(number / 250) as u8, (number % 250) as u8, 7, 7, 7, 7, 7, 7, 7, 7], 1);
        let given: Vec<_> = (0..limits::HANDSHAKES).map(|number| halves.keep(somebody(number)).unwrap()).collect();
        assert_eq!(halves.keep(half(1)).unwrap_err(), Refusal::Busy);
        halves.take(&given[0]).unwrap();
        assert!(halves.keep(half(1)).is_ok());
    }

    #[test]
    fn one_person_cannot_use_up_the_tickets_of_all() {
        let halves = Halves::default();
        let given: Vec<_> = (0..2 * limits::HANDSHAKES).map(|_| halves.keep(half(1)).unwrap()).collect();
        assert!(halves.keep(half_of([2; 10], 1)).is_ok());
        assert!(halves.take(&given[0]).is_none());
        assert!(halves.take(given.last().unwrap()).is_some());
    }
}
