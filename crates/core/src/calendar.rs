//! Japanese business days. Deadlines of the paper trail are counted in them.
//!
//! Holidays follow the Act on National Holidays (国民の祝日に関する法律) as in force from 2022; days between two
//! holidays and substitutes for Sundays are included. Offices also rest from 29 December to 3 January.

use crate::time::Timestamp;
use ::time::{Date, Month, Weekday};

/// True on Saturdays, Sundays, national holidays and the days around New Year.
#[must_use]
pub fn is_day_off(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) || year_end(date) || is_holiday(date)
}

/// The end of office hours (17:15 JST) of the `days`-th business day after `from`'s date.
#[must_use]
pub fn business_deadline(from: Timestamp, days: u32) -> Timestamp {
    let mut date = from.date();
    let mut left = days;
    while left > 0 {
        date = date.next_day().unwrap_or(Date::MAX);
        if date == Date::MAX {
            break;
        }
        if !is_day_off(date) {
            left -= 1;
        }
    }
    Timestamp::from_jst(date, 17, 15)
}

fn year_end(date: Date) -> bool {
    matches!((date.month(), date.day()), (Month::December, 29..=31) | (Month::January, 1..=3))
}

/// True on a national holiday, a substitute holiday or a citizens' holiday.
#[must_use]
pub fn is_holiday(date: Date) -> bool {
    if is_named_holiday(date) {
        return true;
    }
    // Article 3(2): a holiday on a Sunday moves to the next day that is not itself a holiday.
    let mut before = date.previous_day();
    while let Some(day) = before {
        if !is_named_holiday(day) {
            break;
        }
        if day.weekday() == Weekday::Sunday {
            return true;
        }
        before = day.previous_day();
    }
    // Article 3(3): a day between two holidays is one too.
    let between = |d: Option<Date>| d.is_some_and(is_named_holiday);
    between(date.previous_day()) && between(date.next_day())
}

fn is_named_holiday(date: Date) -> bool {
    let nth_monday = |n: u8| date.weekday() == Weekday::Monday && (date.day() - 1) / 7 + 1 == n;
    match (date.month(), date.day()) {
        (Month::January, 1) | (Month::February, 11 | 23) | (Month::April, 29) | (Month::May, 3..=5) => true,
        (Month::August, 11) | (Month::November, 3 | 23) => true,
        (Month::January, _) => nth_monday(2),
        (Month::March, day) => day == equinox(date.year(), 20.8431),
        (Month::July, _) => nth_monday(3),
        (Month::September, day) => nth_monday(3) || day == equinox(date.year(), 23.2488),
        (Month::October, _) => nth_monday(2),
        _ => false,
    }
}

/// Day of the equinox, by the usual approximation that holds from 1980 to 2099.
fn equinox(year: i32, base: f64) -> u8 {
    let years = f64::from(year - 1980);
    let day = base + 0.242_194 * years - f64::from((year - 1980) / 4);
    // The result lies between 19 and 24 for every year that the approximation covers.
    day as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_date;

    fn day(text: &str) -> Date {
        parse_date(text).unwrap()
    }

    #[test]
    fn holidays_of_2026_and_2027_are_known() {
        let expected = [
            "2026-01-01", "2026-01-12", "2026-02-11", "2026-02-23", "2026-03-20", "2026-04-29", "2026-05-03", "2026-05-04",
            "2026-05-05", "2026-05-06", "2026-07-20", "2026-08-11", "2026-09-21", "2026-09-22", "2026-09-23", "2026-10-12",
            "2026-11-03", "2026-11-23", "2027-01-01", "2027-01-11", "2027-02-11", "2027-02-23", "2027-03-21", "2027-03-22",
            "2027-04-29", "2027-05-03", "2027-05-04", "2027-05-05", "2027-07-19", "2027-08-11", "2027-09-20", "2027-09-23",
            "2027-10-11", "2027-11-03", "2027-11-23",
        ];
        let mut found = Vec::new();
        let mut date = day("2026-01-01");
        while date < day("2028-01-01") {
            if is_holiday(date) {
                found.push(crate::time::format_date(date));
            }
            date = date.next_day().unwrap();
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn one_business_day_after_friday_skips_weekend_and_holiday() {
        // 2026-11-20 is a Friday and 2026-11-23 a holiday, so the next business day is Tuesday.
        let friday = Timestamp::parse_local("2026-11-20T22:00").unwrap();
        assert_eq!(business_deadline(friday, 1).minute(), "2026-11-24 17:15");
        let year_end = Timestamp::parse_local("2026-12-28T10:00").unwrap();
        assert_eq!(business_deadline(year_end, 1).minute(), "2027-01-04 17:15");
    }
}
