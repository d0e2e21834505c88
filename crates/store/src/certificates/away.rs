//! How many certificates that did not count are written down: scanners bring thousands.

use crate::logins::by_source;
use sekisho_core::limits;
use sekisho_core::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Certificates that did not count are told of over this time.
const SPAN: Duration = Duration::from_secs(600);

/// What of one kind of certificate was written down lately.
///
/// What anybody can show and what only an authority of ours can have signed are counted apart: whoever shows a hundred
/// certificates of their own making must not make the use of a stolen one go unwritten.
#[derive(Default)]
pub(crate) struct AwayCount(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    since: Timestamp,
    strangers: Budget,
    ours: Budget,
}

impl AwayCount {
    /// Whether this one is written down, and how many of its kind were not since the last that was.
    pub(crate) fn take(&self, source: IpAddr, is_ours: bool, now: Timestamp) -> Option<u32> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= counted.since.plus(SPAN) {
            counted.since = now;
            counted.strangers.begin();
            counted.ours.begin();
        }
        let budget = if is_ours { &mut counted.ours } else { &mut counted.strangers };
        budget.take(by_source(source))
    }
}

/// What may be written down within one span. It holds no more sources than entries that were written.
#[derive(Default)]
struct Budget {
    all: usize,
    /// By network of the source: written.
    sources: HashMap<String, usize>,
    /// Left out since the last one that was written.
    left_out: u32,
}

impl Budget {
    /// Whether one from here is written down, and how many were left out since the last that was.
    fn take(&mut self, source: String) -> Option<u32> {
        let full = self.all >= limits::CERTIFICATE_REFUSALS_ALL;
        let written = self.sources.get(&source).copied().unwrap_or(0);
        if full || written >= limits::CERTIFICATE_REFUSALS {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.sources.insert(source, written + 1);
        self.all += 1;
        Some(std::mem::take(&mut self.left_out))
    }

    /// A new span. What was left out of the last one is told with the first of this one.
    fn begin(&mut self) {
        self.all = 0;
        self.sources.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn of_a_flood_the_first_few_are_written_and_the_others_counted() {
        let count = AwayCount::default();
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        let written = (0..1000).filter(|_| count.take(source, false, START).is_some()).count();
        assert_eq!(written, limits::CERTIFICATE_REFUSALS);
        assert_eq!(count.take("192.0.2.2".parse().unwrap(), false, START), Some(1000 - limits::CERTIFICATE_REFUSALS as u32), "another source is told of");
        assert_eq!(count.take(source, false, START.plus(SPAN)), Some(0));
    }

    #[test]
    fn a_stranger_with_many_addresses_does_not_silence_the_use_of_one_of_ours() {
        let count = AwayCount::default();
        for n in 0..5_000_u32 {
            let source = IpAddr::from(std::net::Ipv4Addr::from_bits(0xC633_6400 + n));
            let _ = count.take(source, false, START);
        }
        let thief: IpAddr = "203.0.113.7".parse().unwrap();
        assert_eq!(count.take(thief, false, START), None);
        assert_eq!(count.take(thief, true, START), Some(0));
        assert!(count.0.lock().unwrap().strangers.sources.len() <= limits::CERTIFICATE_REFUSALS_ALL, "memory is bounded");
        // A network of IPv6 is one source, however many addresses it has.
        let six = AwayCount::default();
        let written = (0..100_u128).filter(|n| six.take(IpAddr::from(std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + n)), false, START).is_some()).count();
        assert_eq!(written, limits::CERTIFICATE_REFUSALS);
    }
}
