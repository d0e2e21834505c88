//! Points in time, and how hospital staff write them: JST, 24 hours, with the era where forms use it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use ::time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Timestamp(pub i64);

/// Where the time comes from. The one real clock is `sekisho::clock`; tests bring their own.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// True for the clock of the machine, which is watched for being moved; false for one that a story moves.
    fn is_of_the_machine(&self) -> bool {
        true
    }
}

/// What a time server says of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Milliseconds that the clock is behind the server; negative if it is before it.
    pub offset_ms: i64,
    /// Milliseconds of the way there and back; the offset is that uncertain at most.
    pub delay_ms: i64,
    /// Servers between it and a clock of reference.
    pub stratum: u8,
}

const JST: UtcOffset = match UtcOffset::from_hms(9, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

impl Timestamp {
    /// Later by `span`; stays at the end of time rather than wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time from `self` until `later`; zero if that has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Civil date and time in Japan.
    #[must_use]
    pub fn jst(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(JST)
    }

    /// The civil date in Japan.
    #[must_use]
    pub fn date(self) -> Date {
        self.jst().date()
    }

    /// The moment at which a civil date and time in Japan is reached.
    #[must_use]
    pub fn from_jst(date: Date, hour: u8, minute: u8) -> Self {
        let clock = Time::from_hms(hour, minute, 0).unwrap_or(Time::MIDNIGHT);
        let at = PrimitiveDateTime::new(date, clock).assume_offset(JST);
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
    }

    /// Reads what `<input type="datetime-local">` sends (`2026-11-21T14:05`), as Japanese time.
    #[must_use]
    pub fn parse_local(text: &str) -> Option<Self> {
        let (date, clock) = text.trim().split_once(['T', ' '])?;
        let date = parse_date(date)?;
        let mut parts = clock.split(':');
        let hour: u8 = parts.next()?.parse().ok()?;
        let minute: u8 = parts.next()?.parse().ok()?;
        (hour < 24 && minute < 60).then(|| Self::from_jst(date, hour, minute))
    }

    /// `2026-11-21T14:05`, for `<input type="datetime-local">`.
    #[must_use]
    pub fn local(self) -> String {
        let at = self.jst();
        format!("{}T{:02}:{:02}", format_date(at.date()), at.hour(), at.minute())
    }

    /// `2026-11-21 14:05`.
    #[must_use]
    pub fn minute(self) -> String {
        self.local().replace('T', " ")
    }

    /// `2026-11-21 14:05:09`.
    #[must_use]
    pub fn second(self) -> String {
        format!("{}:{:02}", self.minute(), self.jst().second())
    }

    /// `令和8年11月21日 14:05`, as printed forms write it.
    #[must_use]
    pub fn era(self) -> String {
        let at = self.jst();
        format!("{} {:02}:{:02}", era_date(at.date()), at.hour(), at.minute())
    }

    /// RFC 3339 in UTC, to the second, for formats that others read.
    #[must_use]
    pub fn rfc3339_utc(self) -> String {
        let at = self.jst().to_offset(time::UtcOffset::UTC);
        format!("{}T{:02}:{:02}:{:02}Z", format_date(at.date()), at.hour(), at.minute(), at.second())
    }

    /// RFC 3339 in Japanese time, for the log and for machines.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let at = self.jst();
        format!("{}T{:02}:{:02}:{:02}.{:03}+09:00", format_date(at.date()), at.hour(), at.minute(), at.second(), at.millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.second())
    }
}

/// Reads `2026-11-21`.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.trim().splitn(3, '-');
    let year: i32 = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day: u8 = parts.next()?.parse().ok()?;
    (1970..=9998).contains(&year).then_some(())?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// Writes `2026-11-21`.
#[must_use]
pub fn format_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// `令和8年11月21日`; before 2019-05-01 the western year.
#[must_use]
pub fn era_date(date: Date) -> String {
    let reiwa = (date.year(), u8::from(date.month())) >= (2019, 5);
    let year = match date.year() - 2018 {
        _ if !reiwa => format!("{}", date.year()),
        1 => "令和元".to_owned(),
        n => format!("令和{n}"),
    };
    format!("{year}年{}月{}日", u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_time_is_read_and_written() {
        let at = Timestamp::parse_local("2026-11-21T14:05").unwrap();
        assert_eq!(at.rfc3339(), "2026-11-21T14:05:00.000+09:00");
        assert_eq!(at.era(), "令和8年11月21日 14:05");
        assert_eq!(at.local(), "2026-11-21T14:05");
        assert_eq!(Timestamp::parse_local("2026-11-21T24:00"), None);
        assert_eq!(Timestamp::parse_local("9999999-11-21T14:05"), None);
    }

    #[test]
    fn the_era_begins_in_may_2019() {
        assert_eq!(era_date(parse_date("2019-04-30").unwrap()), "2019年4月30日");
        assert_eq!(era_date(parse_date("2019-05-01").unwrap()), "令和元年5月1日");
        assert_eq!(era_date(parse_date("2027-04-01").unwrap()), "令和9年4月1日");
    }
}
