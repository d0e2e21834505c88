//! The one clock of the worker's side.

use sekisho_core::time::{Clock, Timestamp};

/// The machine's clock.
pub struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one place of the worker's side where the time of day is read")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
