//! Stretches of time that are reviewed and reported: weeks, months, years from January and years from April.
//!
//! A span holds its first moment and not its end. Spans of one kind follow each other without a gap. Days are those of Japan.

use crate::time::{Timestamp, era_date, format_date};
use ::time::{Date, Month};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// From Monday to Sunday, as ISO 8601 counts them.
    Week,
    /// A month.
    Month,
    /// 暦年: from January.
    Year,
    /// 年度: from April, as Japanese institutions count.
    FiscalYear,
}

impl SpanKind {
    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::FiscalYear => "fiscal_year",
        }
    }

    /// Reads what [`SpanKind::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Week, Self::Month, Self::Year, Self::FiscalYear].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

fn midnight(date: Date) -> Timestamp {
    Timestamp::from_jst(date, 0, 0)
}

fn first_of(year: i32, month: Month) -> Date {
    Date::from_calendar_date(year, month, 1).unwrap_or(Date::MIN)
}

impl Span {
    /// The span of a kind that holds this moment.
    #[must_use]
    pub fn holding(kind: SpanKind, at: Timestamp) -> Self {
        let date = at.date();
        let year = date.year();
        let (first, after) = match kind {
            SpanKind::Week => {
                let first = date.saturating_sub(::time::Duration::days(i64::from(date.weekday().number_days_from_monday())));
                (first, first.saturating_add(::time::Duration::days(7)))
            }
            SpanKind::Month => {
                let next = date.month().next();
                (first_of(year, date.month()), first_of(if next == Month::January { year + 1 } else { year }, next))
            }
            SpanKind::Year => (first_of(year, Month::January), first_of(year + 1, Month::January)),
            SpanKind::FiscalYear => {
                let year = if u8::from(date.month()) < 4 { year - 1 } else { year };
                (first_of(year, Month::April), first_of(year + 1, Month::April))
            }
        };
        Self { from: midnight(first), until: midnight(after) }
    }

    /// The span of a kind that ends where this one begins.
    #[must_use]
    pub fn before(self, kind: SpanKind) -> Self {
        Self::holding(kind, Timestamp(self.from.0.saturating_sub(1)))
    }

    /// The span of a kind that begins where this one ends. If that is no beginning of one, because the kind was changed, it is the rest
    /// of the span that this one ends in: nothing is left out, and nothing is in two spans.
    #[must_use]
    pub fn after(self, kind: SpanKind) -> Self {
        Self { from: self.until, until: Self::holding(kind, self.until).until }
    }

    /// True if the moment lies within.
    #[must_use]
    pub fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Its last day.
    #[must_use]
    pub fn last_day(self) -> Date {
        Timestamp(self.until.0.saturating_sub(1)).date()
    }

    /// A short name that sorts by time: `2026-W47`, `2026-10`, `2026`, `FY2026`; for what is none of them, its first and last day.
    #[must_use]
    pub fn name(self, kind: SpanKind) -> String {
        let first = self.from.date();
        if Self::holding(kind, self.from) != self {
            return format!("{}_{}", format_date(first), format_date(self.last_day()));
        }
        match kind {
            SpanKind::Week => {
                let (year, week, _) = first.to_iso_week_date();
                format!("{year}-W{week:02}")
            }
            SpanKind::Month => format!("{}-{:02}", first.year(), u8::from(first.month())),
            SpanKind::Year => first.year().to_string(),
            SpanKind::FiscalYear => format!("FY{}", first.year()),
        }
    }

    /// Reads the name of a month or of a year of either kind: `2026-10`, `2026`, `FY2026`.
    #[must_use]
    pub fn parse(kind: SpanKind, text: &str) -> Option<Self> {
        let year = |text: &str| text.parse::<i32>().ok().filter(|year| text.len() == 4 && (1970..=9000).contains(year));
        let date = match kind {
            SpanKind::Week => return None,
            SpanKind::Month => {
                let (years, month) = text.trim().split_once('-')?;
                let month = month.parse::<u8>().ok().filter(|_| month.len() == 2)?;
                first_of(year(years)?, Month::try_from(month).ok()?)
            }
            SpanKind::Year => first_of(year(text.trim())?, Month::January),
            SpanKind::FiscalYear => first_of(year(text.trim().trim_start_matches("FY"))?, Month::April),
        };
        Some(Self::holding(kind, midnight(date)))
    }

    /// What people call it, with the era: `2026年10月(令和8年10月)`.
    #[must_use]
    pub fn ja(self, kind: SpanKind) -> String {
        let first = self.from.date();
        let era = |date: Date| era_date(date).split_once('年').map(|(year, _)| year.to_owned()).unwrap_or_default();
        let whole = Self::holding(kind, self.from) == self;
        match kind {
            SpanKind::Month if whole => format!("{}年{}月({}年{}月)", first.year(), u8::from(first.month()), era(first), u8::from(first.month())),
            SpanKind::Year if whole => format!("{}年({}年)", first.year(), era(self.last_day())),
            SpanKind::FiscalYear if whole => format!("{}年度({}年4月〜{}年3月)", era(first), first.year(), first.year() + 1),
            _ => format!("{}〜{}", era_date(first), era_date(self.last_day())),
        }
    }

    /// The same in English.
    #[must_use]
    pub fn en(self, kind: SpanKind) -> String {
        let first = self.from.date();
        let whole = Self::holding(kind, self.from) == self;
        match kind {
            SpanKind::Month if whole => format!("{} {}", first.month(), first.year()),
            SpanKind::Year if whole => first.year().to_string(),
            SpanKind::FiscalYear if whole => format!("fiscal year {} (April {} to March {})", first.year(), first.year(), first.year() + 1),
            _ => format!("{} to {}", format_date(first), format_date(self.last_day())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_local(text).unwrap()
    }

    #[test]
    fn spans_of_a_kind_follow_each_other_without_gap_and_overlap() {
        for kind in [SpanKind::Week, SpanKind::Month, SpanKind::Year, SpanKind::FiscalYear] {
            let mut span = Span::holding(kind, at("2023-12-31T23:59"));
            for _ in 0..70 {
                let next = span.after(kind);
                assert_eq!(next, Span::holding(kind, span.until), "{kind:?}");
                assert_eq!(next.before(kind), span);
                assert!(next.from < next.until && span.until == next.from);
                span = next;
            }
        }
    }

    #[test]
    fn spans_have_the_names_that_people_use() {
        let name = |kind, text: &str| Span::holding(kind, at(text)).name(kind);
        assert_eq!(name(SpanKind::Week, "2026-11-22T23:59"), "2026-W47");
        assert_eq!(name(SpanKind::Week, "2026-11-23T00:00"), "2026-W48");
        assert_eq!(name(SpanKind::Week, "2027-01-03T12:00"), "2026-W53");
        assert_eq!(name(SpanKind::Month, "2026-10-31T23:59"), "2026-10");
        assert_eq!(name(SpanKind::FiscalYear, "2027-03-31T12:00"), "FY2026");
        let said = |kind, text: &str| Span::holding(kind, at(text)).ja(kind);
        assert_eq!(said(SpanKind::Month, "2026-10-05T00:00"), "2026年10月(令和8年10月)");
        assert_eq!(said(SpanKind::FiscalYear, "2027-03-31T12:00"), "令和8年度(2026年4月〜2027年3月)");
        assert_eq!(said(SpanKind::Week, "2026-11-18T12:00"), "令和8年11月16日〜令和8年11月22日");
        for (kind, text) in [(SpanKind::Month, "2026-10"), (SpanKind::Year, "2026"), (SpanKind::FiscalYear, "FY2026")] {
            assert_eq!(Span::parse(kind, text).unwrap().name(kind), text);
        }
        for bad in ["", "2026-13", "2026-1", "26-10", "2026-10-01", "２０２６-10", "99999-10"] {
            assert_eq!(Span::parse(SpanKind::Month, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_changed_kind_leaves_nothing_out() {
        let week = Span::holding(SpanKind::Week, at("2026-11-18T12:00"));
        let rest = week.after(SpanKind::Month);
        assert_eq!((rest.from, rest.until), (week.until, at("2026-12-01T00:00")));
        assert_eq!(rest.name(SpanKind::Month), "2026-11-23_2026-11-30");
        assert_eq!(rest.after(SpanKind::Week).name(SpanKind::Week), "2026-12-01_2026-12-06");
    }
}
