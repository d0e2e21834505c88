//! Spans of the week, in Japanese time.

use super::Days;
use crate::time::Timestamp;
use ::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// 月
    Mon,
    /// 火
    Tue,
    /// 水
    Wed,
    /// 木
    Thu,
    /// 金
    Fri,
    /// 土
    Sat,
    /// 日
    Sun,
}

impl Weekday {
    /// All days, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    fn of(date: ::time::Date) -> Self {
        Self::ALL[usize::from(date.weekday().number_days_from_monday()) % 7]
    }

    /// `mon`, as API and commands write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }

    /// `月`.
    #[must_use]
    pub fn ja(self) -> &'static str {
        ["月", "火", "水", "木", "金", "土", "日"][self as usize]
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A span of the week: on these days, from a minute of the day until another. An end that does not lie after the
/// beginning lies on the following day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Hours {
    days: Days,
    from: u16,
    until: u16,
}

impl Hours {
    /// A span; `None` unless it has a day and its minutes lie in one.
    #[must_use]
    pub fn new(days: Days, from: u16, until: u16) -> Option<Self> {
        let hours = Self { days, from, until };
        hours.is_sound().then_some(hours)
    }

    /// Reads `mon,tue,fri 09:00-17:30` or `月火金 09:00-17:30`; `*` and `毎日` stand for all days, `24:00` for the end of a
    /// day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (days, clock) = text.trim().split_once(char::is_whitespace)?;
        let days = match days {
            "*" | "毎日" => Weekday::ALL.into_iter().collect(),
            japanese if !japanese.is_ascii() => japanese.chars().map(|day| Weekday::ALL.into_iter().find(|known| known.ja().starts_with(day))).collect::<Option<Days>>()?,
            named => named.split(',').map(|day| Weekday::ALL.into_iter().find(|known| known.as_str() == day)).collect::<Option<Days>>()?,
        };
        let (from, until) = clock.trim().split_once('-')?;
        Self::new(days, minute(from)?, minute(until)?)
    }

    /// True if it names a day and its minutes exist.
    #[must_use]
    pub(crate) fn is_sound(&self) -> bool {
        !self.days.is_empty() && self.from < DAY && self.until <= DAY
    }

    /// True if the moment lies in it.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.end(now).is_some()
    }

    /// The end of the span that the moment lies in.
    pub(super) fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let at = now.jst();
        let minute = u16::from(at.hour()) * 60 + u16::from(at.minute());
        let today = at.date();
        let ends = |day: ::time::Date, minute: u16| Some(Timestamp::from_jst(day, 0, 0).plus(std::time::Duration::from_secs(u64::from(minute) * 60)));
        let (starts, over_night) = (self.days.contains(&Weekday::of(today)), self.until <= self.from);
        if starts && minute >= self.from && (over_night || minute < self.until) {
            return if over_night { ends(today, DAY + self.until) } else { ends(today, self.until) };
        }
        let yesterday = today.checked_sub(Duration::days(1))?;
        let carried_over = over_night && minute < self.until && self.days.contains(&Weekday::of(yesterday));
        if carried_over { ends(today, self.until) } else { None }
    }

    /// `月火水木金 09:00-17:30`.
    #[must_use]
    pub fn ja(&self) -> String {
        let days: String = if self.days.len() == 7 { "毎日".into() } else { self.days.iter().map(|day| day.ja()).collect() };
        format!("{days} {}-{}", clock(self.from), clock(self.until))
    }
}

/// Reads `09:00`; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = if self.days.len() == 7 { "*".to_owned() } else { self.days.iter().map(|day| day.as_str()).collect::<Vec<_>>().join(",") };
        write!(f, "{days} {}-{}", clock(self.from), clock(self.until))
    }
}

impl TryFrom<String> for Hours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no span such as mon,tue,wed 09:00-17:30"))
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}
