//! How a page writes moments, lengths of time and names of people.

use crate::words::Lang;
use sekisho_core::time::Timestamp;

const DAYS_JA: [&str; 7] = ["月", "火", "水", "木", "金", "土", "日"];
const DAYS_EN: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `2026年11月22日(日) 15:00`, or `Sun 2026-11-22 15:00`.
#[must_use]
pub fn moment(at: Timestamp, lang: Lang) -> String {
    let jst = at.jst();
    let day = usize::from(jst.weekday().number_days_from_monday());
    let clock = format!("{:02}:{:02}", jst.hour(), jst.minute());
    match lang {
        Lang::Ja => {
            let name = DAYS_JA.get(day).copied().unwrap_or_default();
            format!("{}年{}月{}日({name}) {clock}", jst.year(), u8::from(jst.month()), jst.day())
        }
        Lang::En => {
            let name = DAYS_EN.get(day).copied().unwrap_or_default();
            format!("{name} {} {clock}", sekisho_core::time::format_date(jst.date()))
        }
    }
}

/// The same without the year, for lists and trails: `11月22日(日) 15:00`.
#[must_use]
pub fn brief(at: Timestamp, lang: Lang) -> String {
    let text = moment(at, lang);
    match lang {
        Lang::Ja => text.split_once('年').map_or(text.clone(), |(_, rest)| rest.to_owned()),
        Lang::En => text,
    }
}

/// From one moment to another; the day is written once if it is the same.
#[must_use]
pub fn span(from: Timestamp, until: Timestamp, lang: Lang) -> String {
    format!("{} 〜 {}", moment(from, lang), end_of_span(from, until, lang))
}

/// As [`span`], without the year.
#[must_use]
pub fn brief_span(from: Timestamp, until: Timestamp, lang: Lang) -> String {
    let end = if from.date() == until.date() { clock(until) } else { brief(until, lang) };
    format!("{} 〜 {end}", brief(from, lang))
}

/// As [`span`], with the era, for printed forms.
#[must_use]
pub fn era_span(from: Timestamp, until: Timestamp) -> String {
    let end = if from.date() == until.date() { clock(until) } else { until.era() };
    format!("{} 〜 {end}", from.era())
}

fn end_of_span(from: Timestamp, until: Timestamp, lang: Lang) -> String {
    if from.date() == until.date() { clock(until) } else { moment(until, lang) }
}

/// `15:00`.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    let jst = at.jst();
    format!("{:02}:{:02}", jst.hour(), jst.minute())
}

/// `R8.11.22` for the middle of a stamp; before the era of Reiwa the western year.
#[must_use]
pub fn stamp_date(at: Timestamp) -> String {
    let date = at.date();
    let reiwa = (date.year(), u8::from(date.month())) >= (2019, 5);
    let year = if reiwa { format!("R{}", date.year() - 2018) } else { date.year().to_string() };
    format!("{year}.{}.{}", u8::from(date.month()), date.day())
}

/// The family name, which stands in a stamp: `田中 健一` gives `田中`. A name without a space is cut to fit.
#[must_use]
pub fn family_name(name: &str) -> String {
    let first = name.split([' ', '\u{3000}']).find(|part| !part.is_empty()).unwrap_or_default();
    if first.len() == name.trim().len() { first.chars().take(4).collect() } else { first.chars().take(7).collect() }
}

/// `0:07`, `12:30`, `1:02:03`: a place in a recording.
#[must_use]
pub fn position(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A size as people read it: `512 B`, `1.5 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_local(text).unwrap()
    }

    #[test]
    fn a_window_on_one_day_names_the_day_once() {
        let (from, until) = (at("2026-11-22T15:00"), at("2026-11-22T17:00"));
        assert_eq!(span(from, until, Lang::Ja), "2026年11月22日(日) 15:00 〜 17:00");
        assert_eq!(span(from, until, Lang::En), "Sun 2026-11-22 15:00 〜 17:00");
        assert_eq!(era_span(from, until), "令和8年11月22日 15:00 〜 17:00");
        assert_eq!(brief_span(from, at("2026-11-23T02:00"), Lang::Ja), "11月22日(日) 15:00 〜 11月23日(月) 02:00");
    }

    #[test]
    fn stamps_carry_the_family_name_and_the_era() {
        assert_eq!(stamp_date(at("2026-11-20T09:00")), "R8.11.20");
        assert_eq!(family_name("田中 健一"), "田中");
        assert_eq!(family_name("長谷川\u{3000}次郎"), "長谷川");
        assert_eq!(family_name("システム運用担当者"), "システ".to_owned() + "ム");
        assert_eq!(family_name(""), "");
    }

    #[test]
    fn places_and_sizes_are_short() {
        assert_eq!(position(7_900), "0:07");
        assert_eq!(position(3_723_000), "1:02:03");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500), "1.5 KB");
        assert_eq!(size(10 * 1024 * 1024), "10.4 MB");
        assert_eq!(size(u64::MAX), "18446744.0 TB");
    }
}
