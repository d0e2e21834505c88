//! Connections that have not logged in: how many are held, and which one goes when there are too many.
//!
//! A newcomer is always let in as long as somebody can be sent away who proved nothing: otherwise a handful of
//! half-open connections would keep everybody out. Who proved a first factor is never sent away for a newcomer.

use crate::line::Cut;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The connections before login.
#[derive(Debug)]
pub struct Lobby {
    all: usize,
    per_source: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// By order of arrival.
    waiting: BTreeMap<u64, Visitor>,
}

#[derive(Debug)]
struct Visitor {
    source: IpAddr,
    cut: Cut,
    proved: bool,
}

/// A place in the lobby. Dropping it gives the place back.
#[derive(Debug)]
pub struct Seat {
    lobby: Arc<Lobby>,
    number: u64,
    proof: watch::Sender<bool>,
}

impl Seat {
    /// The first factor holds: the place is no longer given to a newcomer.
    pub fn proved(&self) {
        if let Some(visitor) = self.lobby.lock().waiting.get_mut(&self.number) {
            visitor.proved = true;
        }
        self.proof.send_replace(true);
    }

    /// Becomes true when the first factor holds.
    pub fn proof(&self) -> watch::Receiver<bool> {
        self.proof.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lobby.lock().waiting.remove(&self.number);
    }
}

impl Lobby {
    /// A lobby with room for `all` connections, and `per_source` from one source.
    pub fn new(all: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self { all, per_source, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place. If there is none, the longest waiting connection that proved nothing is severed: of the same
    /// source, or, when the whole lobby is full, of the source that holds the most. `None` if all have proved
    /// something.
    pub fn enter(self: &Arc<Self>, source: IpAddr, cut: Cut) -> Option<Seat> {
        let source = network(source);
        let mut state = self.lock();
        if state.held_by(source) >= self.per_source {
            state.send_away(source)?;
        } else if state.waiting.len() >= self.all {
            let crowd = state.greatest()?;
            state.send_away(crowd)?;
        }
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, Visitor { source, cut, proved: false });
        Some(Seat { lobby: Arc::clone(self), number, proof: watch::Sender::new(false) })
    }

    /// Severs everybody.
    pub fn clear(&self) {
        for visitor in std::mem::take(&mut self.lock().waiting).into_values() {
            visitor.cut.sever();
        }
    }
}

impl State {
    fn held_by(&self, source: IpAddr) -> usize {
        self.waiting.values().filter(|visitor| visitor.source == source).count()
    }

    fn greatest(&self) -> Option<IpAddr> {
        let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for visitor in self.waiting.values().filter(|visitor| !visitor.proved) {
            *held.entry(visitor.source).or_default() += 1;
        }
        held.into_iter().max_by_key(|(_, held)| *held).map(|(source, _)| source)
    }

    fn send_away(&mut self, source: IpAddr) -> Option<()> {
        let (number, _) = self.waiting.iter().find(|(_, visitor)| visitor.source == source && !visitor.proved)?;
        let number = *number;
        self.waiting.remove(&number)?.cut.sever();
        Some(())
    }
}

/// One source: an IPv4 address, or the /64 that one IPv6 customer has to himself.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_of_its_source_that_proved_nothing() {
        let lobby = Lobby::new(10, 2);
        let first = lobby.enter(ip(1), Cut::default()).unwrap();
        let _second = lobby.enter(ip(1), Cut::default()).unwrap();
        first.proved();
        let third = lobby.enter(ip(1), Cut::default()).unwrap();
        assert_eq!(lobby.lock().waiting.keys().copied().collect::<Vec<_>>(), [0, 2]);
        third.proved();
        assert!(lobby.enter(ip(1), Cut::default()).is_none());
        assert!(lobby.enter(ip(2), Cut::default()).is_some());
        drop(first);
        assert!(lobby.enter(ip(1), Cut::default()).is_some());
    }

    #[test]
    fn a_full_lobby_makes_room_at_the_expense_of_the_greatest_crowd() {
        let lobby = Lobby::new(3, 3);
        let held: Vec<_> = [1, 2, 2].map(|last| lobby.enter(ip(last), Cut::default()).unwrap()).into();
        let newcomer = lobby.enter(ip(3), Cut::default()).unwrap();
        assert_eq!(lobby.lock().held_by(ip(2)), 1);
        assert_eq!(lobby.lock().held_by(ip(1)), 1);
        drop((held, newcomer));
        assert!(lobby.lock().waiting.is_empty());
    }

    #[test]
    fn one_ipv6_customer_is_one_source() {
        let lobby = Lobby::new(10, 1);
        let _one = lobby.enter("2001:db8::1".parse().unwrap(), Cut::default()).unwrap();
        let _two = lobby.enter("2001:db8::2".parse().unwrap(), Cut::default()).unwrap();
        assert_eq!(lobby.lock().waiting.len(), 1);
    }
}
