//! Baselines: what is usual for a person and for a target, from their own sessions of the past. Plain counts, a maximum and a
//! 95th percentile: numbers that a person can check by hand.

use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Sessions from which on a baseline is believed.
pub const HABIT_SESSIONS: usize = 10;
/// Bytes below which no volume is unusual, whatever was usual.
const SMALL_BYTES: u64 = 10 * 1024 * 1024;
/// Hours on either side of an hour that count as around it.
const AROUND: u8 = 1;

/// Sessions of which the hours are looked at.
const NEWEST: usize = 30;
/// Sessions around an hour from which on it is usual.
pub(super) const USUAL_HOUR: usize = 2;

/// How a person came in the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habit {
    /// How often, this time left out.
    pub sessions: usize,
    /// Where they came from: what [`near`] makes of addresses.
    pub sources: BTreeSet<String>,
    /// Devices that they came with.
    pub devices: BTreeSet<String>,
    /// Targets that they worked on.
    pub targets: BTreeSet<String>,
    /// When, as hours of the day in Japan, one for each time, the newest first.
    pub hours: Vec<u8>,
}

impl Habit {
    /// How many of the newest began around the hour of a moment; `None` while there are too few to tell. A visit of long ago
    /// makes no hour usual.
    #[must_use]
    pub fn around(&self, at: Timestamp) -> Option<usize> {
        let hour = at.jst().hour();
        let near = |other: &&u8| {
            let apart = hour.abs_diff(**other);
            apart.min(24 - apart) <= AROUND
        };
        (self.hours.len() >= HABIT_SESSIONS).then(|| self.hours.iter().take(NEWEST).filter(near).count())
    }
}

/// The neighbourhood of an address: its /24, or /64 for IPv6. An office whose addresses change comes from one place; a thief
/// comes from another one.
#[must_use]
pub fn near(source: &str) -> String {
    match source.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Err(_) => source.to_owned(),
    }
}

/// What is usual of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// Sessions that it is measured by.
    pub sessions: usize,
    /// What 95 of 100 stay at or below (nearest rank).
    pub p95: u64,
}

impl Usual {
    /// Measures values; `None` while there are too few to tell.
    #[must_use]
    pub fn of(values: &[u64]) -> Option<Self> {
        if values.len() < HABIT_SESSIONS {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        Some(Self { sessions: sorted.len(), p95: sorted.get(rank).copied().unwrap_or(0) })
    }

    /// More than four times the usual. The largest there ever was is no measure: one theft would hide the next.
    #[must_use]
    pub fn is_exceeded_by(&self, bytes: u64) -> bool {
        bytes > SMALL_BYTES && bytes > self.p95.saturating_mul(4)
    }
}
