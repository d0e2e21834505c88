//! Trusted time: how far the clock stands from time servers, and whether it jumped. What moves the clock gives nobody time.

use crate::Store;
use crate::fault::Fault;
use sekisho_core::desk::Answer;
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::time::{Sample, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds of questions (NTP asks not more often without need).
const EVERY: Duration = Duration::from_secs(64);
/// Between two looks at the clock beside the monotonic one.
const LOOK: Duration = Duration::from_secs(1);
/// A difference between them that is no jump, in milliseconds: a disk or a busy machine holds up the look, but not the reading.
const JUMP_MS: i64 = 1000;
/// Longest time between two readings that count as one moment.
const AT_ONCE: Duration = Duration::from_millis(200);
/// Without an answer for this long the offset tells nothing of the present.
const STALE: Duration = Duration::from_secs(15 * 60);

/// A server that can be asked for the time. Implementations bound how long they wait.
pub trait TimeSource: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &str;

    /// Asks.
    ///
    /// # Errors
    /// In words of one line, why there is no time.
    fn ask(&self) -> Answer<'_, Result<Sample, String>>;
}

/// How the clock stands to the servers.
#[derive(Clone, Debug, Default)]
pub struct ClockState {
    /// Servers that are configured.
    pub servers: usize,
    /// Servers that answered in the last round.
    pub answered: usize,
    /// Milliseconds that the clock is behind the servers (negative: before them): the middle one of the answers.
    pub offset_ms: Option<i64>,
    /// When that was.
    pub at: Option<Timestamp>,
    /// The offset is beyond the limit.
    pub off: bool,
    /// No server has answered for some time.
    pub stale: bool,
}

/// What memory holds of the time.
#[derive(Default)]
pub(crate) struct Watch {
    state: Mutex<ClockState>,
    /// The latest moment that was seen, and when, by the monotonic clock.
    steady: Mutex<Option<(Instant, Timestamp)>>,
}

impl Store {
    /// How the clock stands to the servers.
    #[must_use]
    pub fn clock_state(&self) -> ClockState {
        self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The present moment for windows and approvals: it goes on by the monotonic clock when the clock is set back, so that a
    /// window that has ended stays ended.
    pub(crate) fn steady_now(&self) -> Timestamp {
        let now = self.now();
        let mut steady = self.inner.watch.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = steady.map_or(now, |(since, at)| at.plus(since.elapsed()));
        if now >= floor {
            *steady = Some((Instant::now(), now));
            return now;
        }
        floor
    }

    /// Watches the clock until the store is closed or the task is ended. Run it once, as a task.
    pub async fn watch_clock(&self, sources: Vec<Arc<dyn TimeSource>>, limit: Duration) {
        self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).servers = sources.len();
        if !self.inner.clock.is_of_the_machine() {
            return;
        }
        let mut last = self.both();
        let mut asked: Option<Instant> = None;
        let mut heard = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            if self.inner.log.is_closed() {
                return;
            }
            let next = self.both();
            let by = match (last, next) {
                (Some((wall, since)), Some((now, at))) => now.0.saturating_sub(wall.plus(at.duration_since(since)).0),
                _ => 0,
            };
            // Each look begins anew, so that slow slewing by the system's own time service is no jump.
            last = next.or(last);
            if by.abs() > JUMP_MS {
                tracing::error!(by_ms = by, "ALARM: the clock of this machine was moved");
                self.tell_of_clock(Fact::ClockMoved { by_ms: by }).await;
                asked = None;
            }
            self.steady_now();
            if !sources.is_empty() && asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
                asked = Some(Instant::now());
                if self.ask_round(&sources, limit).await {
                    heard = Instant::now();
                }
                self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).stale = heard.elapsed() >= STALE;
            }
        }
    }

    /// Both clocks at one moment; `None` if the machine was busy with something else between the two readings.
    fn both(&self) -> Option<(Timestamp, Instant)> {
        let before = Instant::now();
        let wall = self.inner.clock.now();
        (before.elapsed() < AT_ONCE).then_some((wall, before))
    }

    /// Asks every server. Gives whether one answered.
    async fn ask_round(&self, sources: &[Arc<dyn TimeSource>], limit: Duration) -> bool {
        let mut tasks = tokio::task::JoinSet::new();
        for source in sources {
            let source = Arc::clone(source);
            tasks.spawn(async move {
                let answer = source.ask().await;
                (source.name().to_owned(), answer)
            });
        }
        let mut offsets = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok((_, Ok(sample))) => offsets.push(sample.offset_ms),
                Ok((server, Err(why))) => tracing::warn!(server, why, "a time server gave no time"),
                Err(_) => {}
            }
        }
        offsets.sort_unstable();
        // The middle one: of three servers, one that lies moves nothing.
        let Some(offset) = offsets.get(offsets.len() / 2).copied() else {
            self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).answered = 0;
            return false;
        };
        let off = offset.unsigned_abs() > u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let before = {
            let mut state = self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = state.off;
            *state = ClockState { answered: offsets.len(), offset_ms: Some(offset), at: Some(self.inner.clock.now()), off, ..state.clone() };
            before
        };
        if off != before {
            if off {
                tracing::error!(offset_ms = offset, "ALARM: the clock of this machine is wrong");
            }
            self.tell_of_clock(Fact::ClockOff { offset_ms: offset, servers: offsets.len(), off }).await;
        }
        true
    }

    async fn tell_of_clock(&self, fact: Fact) {
        let told = async {
            let mut tx = self.write(&Actor::system()).await?;
            tx.fact(fact);
            tx.commit().await
        };
        match told.await {
            Ok(()) | Err(Fault::Closed) => {}
            Err(fault) => tracing::error!(%fault, "ALARM: what the clock did could not be written down"),
        }
    }
}
