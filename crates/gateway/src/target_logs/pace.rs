//! How much one source may send, and how many connections it may hold.

use crate::line::Cut;
use sekisho_core::ids::LogSourceId;
use sekisho_core::limits;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Seconds of its rate that a source may send at once.
const BURST: usize = 10;

/// What one source may still send at this moment.
#[derive(Debug)]
pub struct Pace {
    left: f64,
    left_bytes: f64,
    at: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { left: most(), left_bytes: most_bytes(), at: Instant::now() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn most() -> f64 {
    (limits::LOG_RATE * BURST) as f64
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn most_bytes() -> f64 {
    limits::LOG_BURST_BYTES as f64
}

impl Pace {
    /// Takes messages and their bytes into account.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn take(&mut self, messages: usize, bytes: usize, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * limits::LOG_RATE as f64).min(most()) - messages as f64;
        self.left_bytes = (self.left_bytes + passed * limits::LOG_RATE_BYTES as f64).min(most_bytes()) - bytes as f64;
        self.at = self.at.max(now);
    }

    /// How long the sender is to be left waiting before anything more of it is read.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn owed(&mut self, now: Instant) -> Duration {
        self.take(0, 0, now);
        let seconds = (-self.left / limits::LOG_RATE as f64).max(-self.left_bytes / limits::LOG_RATE_BYTES as f64);
        Duration::from_secs_f64(seconds.clamp(0.0, 60.0))
    }

    /// Whether one more may be taken, where nobody can be made to wait.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn admits(&mut self, bytes: usize, now: Instant) -> bool {
        self.take(0, 0, now);
        if self.left < 1.0 || self.left_bytes < bytes as f64 {
            return false;
        }
        self.take(1, bytes, now);
        true
    }
}

/// The connections of all sources. One that comes anew takes the place of its source's oldest: a host that was switched off
/// leaves its connections behind, and must not be kept out by them.
#[derive(Debug, Default)]
pub struct Places(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    held: HashMap<LogSourceId, VecDeque<(u64, Cut)>>,
    /// One for each source that ever came: as many as are registered.
    paces: HashMap<LogSourceId, Arc<Mutex<Pace>>>,
}

/// A place. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    source: LogSourceId,
    number: u64,
    pace: Arc<Mutex<Pace>>,
}

impl Place {
    /// Takes what was read into account, of all connections of its source together.
    pub fn count(&self, messages: usize, bytes: usize) {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(messages, bytes, Instant::now());
    }

    /// How long the sender is to be left waiting before more is read. A new connection owes what the ones before it did.
    pub fn owed(&self) -> Duration {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).owed(Instant::now())
    }
}

impl Places {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a source; `None` if all are taken by others.
    pub fn take(self: &Arc<Self>, source: &LogSourceId, cut: Cut) -> Option<Place> {
        let mut state = self.state();
        if state.held.values().map(VecDeque::len).sum::<usize>() >= limits::LOG_CONNECTIONS && !state.held.contains_key(source) {
            return None;
        }
        state.next += 1;
        let number = state.next;
        let own = state.held.entry(source.clone()).or_default();
        own.push_back((number, cut));
        if own.len() > limits::LOG_CONNECTIONS_SOURCE
            && let Some((_, oldest)) = own.pop_front()
        {
            oldest.sever();
        }
        let pace = Arc::clone(state.paces.entry(source.clone()).or_default());
        Some(Place { places: Arc::clone(self), source: source.clone(), number, pace })
    }

    /// Whether a datagram of this source may be taken: of connections and datagrams together.
    pub fn admits(&self, source: &LogSourceId, bytes: usize) -> bool {
        let pace = Arc::clone(self.state().paces.entry(source.clone()).or_default());
        pace.lock().unwrap_or_else(PoisonError::into_inner).admits(bytes, Instant::now())
    }

    /// Ends all of them.
    pub fn clear(&self) {
        for (_, own) in self.state().held.drain() {
            own.iter().for_each(|(_, cut)| cut.sever());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        if let Some(own) = state.held.get_mut(&self.source) {
            own.retain(|(number, _)| *number != self.number);
            if own.is_empty() {
                state.held.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_more_than_the_rate_waits_as_long_as_it_takes() {
        let mut pace = Pace::default();
        let now = pace.at;
        pace.take(limits::LOG_RATE * BURST, 0, now);
        assert_eq!(pace.owed(now), Duration::ZERO);
        pace.take(limits::LOG_RATE, 0, now);
        assert_eq!(pace.owed(now).as_secs(), 1);
        assert!(!pace.admits(1, now));
        assert!(pace.admits(1, now + Duration::from_secs(3)));
    }

    #[test]
    fn few_long_messages_wait_like_many_short_ones_and_a_new_connection_pays_what_is_owed() {
        let places = Arc::<Places>::default();
        let source = LogSourceId::from_random([1; 10]);
        let first = places.take(&source, Cut::default()).unwrap();
        first.count(128, limits::LOG_BURST_BYTES);
        assert!(first.owed() < Duration::from_secs(1));
        first.count(80, limits::LOG_RATE_BYTES * 20);
        drop(first);
        assert!(!places.admits(&source, 1), "nor by a datagram");
        let owed = places.take(&source, Cut::default()).unwrap().owed();
        assert!(owed > Duration::from_secs(10) && owed <= Duration::from_secs(20), "{owed:?}");
        assert!(places.admits(&LogSourceId::from_random([2; 10]), 65_535), "others owe nothing");
    }

    #[test]
    fn a_new_connection_takes_the_place_of_the_oldest_of_its_source() {
        let places = Arc::<Places>::default();
        let source = LogSourceId::from_random([1; 10]);
        let held: Vec<_> = (0..limits::LOG_CONNECTIONS_SOURCE + 3).map(|_| places.take(&source, Cut::default()).unwrap()).collect();
        assert_eq!(places.state().held[&source].len(), limits::LOG_CONNECTIONS_SOURCE);
        drop(held);
        assert!(places.state().held.is_empty());
    }
}
