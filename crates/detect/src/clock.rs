//! The moments that devices write, in their many forms.

use sekisho_core::time::Timestamp;
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// How far ahead of the receiver a time without a year may lie before it is taken for one of last year.
const AHEAD_MS: i64 = 2 * 24 * 3600 * 1000;

/// Number `text` of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn at(date: Date, time: Time, offset: UtcOffset) -> Timestamp {
    let at = PrimitiveDateTime::new(date, time).assume_offset(offset);
    Timestamp(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
}

/// `HH:MM:SS`, with a fraction or without.
fn time_of_day(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let mut next = || number(parts.next()?, 2).and_then(|value| u8::try_from(value).ok());
    let (hour, minute, second) = (next()?, next()?, next()?);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return None;
    }
    let milli: String = fraction.chars().chain("000".chars()).take(3).collect();
    // A leap second is the last moment before it.
    Time::from_hms_milli(hour, minute, second.min(59), milli.parse().ok()?).ok()
}

fn date_of(text: &str) -> Option<Date> {
    let mut parts = text.split(['-', '/']);
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    parts.next().is_none().then(|| Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()).flatten()
}

fn offset_of(text: &str) -> Option<UtcOffset> {
    if text.eq_ignore_ascii_case("z") || text == "UTC" || text == "GMT" {
        return Some(UtcOffset::UTC);
    }
    if text == "JST" {
        return UtcOffset::from_hms(9, 0, 0).ok();
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits = text.get(1..)?.replace(':', "");
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..).filter(|rest| !rest.is_empty()).unwrap_or("00"));
    let (hours, minutes) = (i8::try_from(number(hours, 2)?).ok()?, i8::try_from(number(minutes, 2)?).ok()?);
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// RFC 3339 and its neighbours: `2026-11-22T08:00:00.123+09:00`, `2026-11-22T08:00:00.123456+0900` (Suricata), without an offset
/// (Winlogbeat's older forms) in the source's own.
#[must_use]
pub fn iso(text: &str, zone_minutes: i32) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at_checked(end)?;
    let offset = match offset.trim() {
        "" => zone(zone_minutes),
        offset => offset_of(offset)?,
    };
    Some(at(date_of(date)?, time_of_day(clock)?, offset))
}

/// The offset of a source in minutes; Greenwich if it is none.
fn zone(minutes: i32) -> UtcOffset {
    UtcOffset::from_whole_seconds(minutes.saturating_mul(60)).unwrap_or(UtcOffset::UTC)
}

/// `Nov 22 08:00:00`: the year is that in which the moment lies nearest to the receiver's.
#[must_use]
pub fn bsd(month: &str, day: &str, clock: &str, received: Timestamp, zone_minutes: i32) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let day: u8 = day.parse().ok()?;
    let (clock, year) = (time_of_day(clock)?, received.jst().year());
    // The day after a turn of the year two years are possible; 29 February is in one of them alone.
    let moments = [year - 1, year, year + 1].into_iter().filter_map(|year| Date::from_calendar_date(year, month, day).ok()).map(|date| at(date, clock, zone(zone_minutes)));
    moments.filter(|moment| moment.0 <= received.0.saturating_add(AHEAD_MS)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_moment() {
        let moment = iso("2026-11-22T08:00:00.500Z", 0).unwrap();
        for (text, zone) in [("2026-11-22T17:00:00.5+09:00", 0), ("2026-11-22T17:00:00.500000+0900", 0), ("2026-11-22 17:00:00.500 JST", 0), ("2026/11/22 17:00:00.500", 540)] {
            assert_eq!(iso(text, zone), Some(moment), "{text}");
        }
        for bad in ["", "2026-11-22", "2026-13-22T00:00:00Z", "2026-11-22T25:00:00Z", "2026-11-22T08:00:00+99:00", "2026-11-22T08:00Z", "２０２６-11-22T08:00:00Z"] {
            assert_eq!(iso(bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn a_time_without_a_year_is_the_nearest_that_can_be() {
        let received = iso("2027-01-01T00:00:05Z", 0).unwrap();
        assert_eq!(bsd("Dec", "31", "23:59:58", received, 0), iso("2026-12-31T23:59:58Z", 0));
        assert_eq!(bsd("Jan", "1", "09:00:05", received, 540), Some(received));
        assert_eq!(bsd("Feb", "30", "00:00:00", received, 0), None);
        assert_eq!(bsd("Foo", "1", "00:00:00", received, 0), None);
    }
}
