//! The demo's clock. While the hospital's past is being told it shows a time in the past, and it steps on where a
//! person would have waited for the next one-time code; then it shows the time of day.

use crate::clock::SystemClock;
use sekisho_core::time::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The system's clock, so many milliseconds off. It never goes back.
#[derive(Debug, Default)]
pub struct DemoClock {
    offset: AtomicI64,
}

impl DemoClock {
    /// A clock that is `behind` the system's.
    #[must_use]
    pub fn behind(behind: Duration) -> Self {
        Self { offset: AtomicI64::new(-i64::try_from(behind.as_millis()).unwrap_or(0)) }
    }

    /// Steps on to `moment`; does nothing if it has passed.
    pub fn advance_to(&self, moment: Timestamp) {
        let missing = moment.0 - self.now().0;
        if missing > 0 {
            self.offset.fetch_add(missing, Ordering::SeqCst);
        }
    }

    /// Shows the time of day from here on.
    pub fn catch_up(&self) {
        self.offset.fetch_max(0, Ordering::SeqCst);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.offset.load(Ordering::SeqCst))
    }

    fn is_of_the_machine(&self) -> bool {
        false
    }
}
