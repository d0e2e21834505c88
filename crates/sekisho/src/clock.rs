//! The one real clock.

use sekisho_core::time::{Clock, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads the operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

fn since() -> Duration {
    #[allow(clippy::disallowed_methods, reason = "this is the one place where the time of day is read")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(since().as_millis()).unwrap_or(i64::MAX))
    }
}

/// Nanoseconds since 1970, for traces: steps of one road lie within a millisecond.
#[must_use]
pub fn nanoseconds() -> u64 {
    u64::try_from(since().as_nanos()).unwrap_or(u64::MAX)
}
