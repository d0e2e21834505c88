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
    at: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { left: most(), at: Instant::now() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn most() -> f64 {
    (limits::LOG_RATE * BURST) as f64
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn take(&mut self, messages: usize, now: Instant) -> f64 {
        self.left = (self.left + now.duration_since(self.at).as_secs_f64() * limits::LOG_RATE as f64).min(most());
        self.at = now;
        self.left -= messages as f64;
        self.left
    }

    /// Takes messages into account, and says how long their sender is to be left waiting.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn wait(&mut self, messages: usize, now: Instant) -> Duration {
        let left = self.take(messages, now);
        Duration::from_secs_f64((-left / limits::LOG_RATE as f64).clamp(0.0, 60.0))
    }

    /// Whether one more may be taken, where nobody can be made to wait.
    pub fn admits(&mut self, now: Instant) -> bool {
        if self.take(1, now) < 0.0 {
            self.left += 1.0;
            return false;
        }
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
    /// How long the sender of these messages is to be left waiting, all connections of its source together.
    pub fn wait(&self, messages: usize) -> Duration {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).wait(messages, Instant::now())
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
        assert_eq!(pace.wait(limits::LOG_RATE * BURST, now), Duration::ZERO);
        assert_eq!(pace.wait(limits::LOG_RATE, now).as_secs(), 1);
        assert!(!pace.admits(now));
        assert!(pace.admits(now + Duration::from_secs(3)));
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
