//! What the verification of a bundle comes to.

use std::fmt;

use serde::Serialize;

use super::manifest::Scope;
use crate::digest::Digest;
use crate::verify::{Finding, Severity};

/// The result of the verification of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleVerdict {
    /// No finding is an error.
    pub ok: bool,
    /// What the bundle says that it is about.
    pub scope: Option<Scope>,
    /// All entries of the log are in it.
    pub all_entries: bool,
    /// When it was made, by the clock of its maker, in milliseconds since 1970.
    pub made_at: Option<i64>,
    /// Origin of the log, if its checkpoint holds.
    pub origin: Option<String>,
    /// Entries that the signed checkpoint covers.
    pub size: u64,
    /// Root of the signed checkpoint.
    pub root: Option<Digest>,
    /// Entries in the bundle whose proofs hold.
    pub entries: u64,
    /// The first of them.
    pub first: Option<u64>,
    /// The last of them.
    pub last: Option<u64>,
    /// Recordings examined.
    pub recordings: u64,
    /// Approvals whose signatures hold.
    pub approvals: u64,
    /// A checkpoint from outside was given, and the log continues it.
    pub joined: bool,
    /// Place of the first error: entries first, then recordings, approvals, files, and the manifest.
    pub first_bad: Option<String>,
    /// What was found, at most [`crate::limits::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond that number.
    pub more_findings: u64,
}

/// The verdict on a file that is no bundle at all, or no archive that may be opened.
pub fn refused(code: &'static str, place: &str, what: &str, ja: &str) -> BundleVerdict {
    let place = crate::verify::printable(place);
    let finding = Finding { severity: Severity::Error, code, place: place.clone(), what: what.to_owned(), ja: ja.to_owned() };
    BundleVerdict {
        ok: false,
        scope: None,
        all_entries: false,
        made_at: None,
        origin: None,
        size: 0,
        root: None,
        entries: 0,
        first: None,
        last: None,
        recordings: 0,
        approvals: 0,
        joined: false,
        first_bad: Some(place),
        findings: vec![finding],
        more_findings: 0,
    }
}

impl BundleVerdict {
    fn scope_words(&self) -> (String, String) {
        let words = match &self.scope {
            None => ("unknown".to_owned(), "不明".to_owned()),
            Some(Scope::Session { session }) => (format!("session {session}"), format!("セッション {session}")),
            Some(Scope::Plan { plan }) => (format!("plan {plan}"), format!("作業計画 {plan}")),
            Some(Scope::Period { from, until }) => {
                let (from, until) = (utc(*from), utc(*until));
                (format!("period {from} to {until}"), format!("期間 {from} から {until} の前まで"))
            }
        };
        if self.all_entries { (format!("{}, with all entries of the log", words.0), format!("{}（記録の全項目つき）", words.1)) } else { words }
    }

    /// What a bundle of this scope does not show, as it stands in the text of the verdict.
    pub fn limits_of_proof(&self) -> (&'static str, &'static str) {
        match &self.scope {
            _ if self.all_entries => (
                "All entries of the log up to the checkpoint are here. Recordings of other sessions than those of the scope are not.",
                "チェックポイントまでの記録の全項目が入っています。範囲外のセッションの録画は入っていません。",
            ),
            Some(Scope::Period { .. }) => (
                "No entry between the first and the last is missing. What happened before and after is not shown.",
                "最初から最後の項目までに抜けはありません。この期間の前と後に何があったかは、この束からは分かりません。",
            ),
            _ => (
                "It does not show that nothing else happened: only entries about the scope are here.",
                "範囲に関する項目だけが入っています。ほかに何も起きていないことまでは、この束からは分かりません。",
            ),
        }
    }
}

impl fmt::Display for BundleVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_some() {
            let (en, ja) = self.scope_words();
            writeln!(f, "Scope: {en} / 範囲: {ja}")?;
        }
        if let Some(at) = self.made_at {
            writeln!(f, "Made: {} by the clock of its maker / 作成: {}（作成した装置の時計）", utc(at), utc(at))?;
        }
        if let (Some(origin), Some(root)) = (&self.origin, &self.root) {
            writeln!(f, "{origin}: checkpoint over {} entries, root {root}", self.size)?;
            let span = match (self.first, self.last) {
                (Some(first), Some(last)) => format!("{} entries ({first} to {last})", self.entries),
                _ => format!("{} entries", self.entries),
            };
            writeln!(f, "{span}, {} recordings, {} approvals hold", self.recordings, self.approvals)?;
        }
        for finding in &self.findings {
            let word = match finding.severity {
                Severity::Error => "ERROR  ",
                Severity::Warning => "WARNING",
            };
            writeln!(f, "{word} {}: {} [{}]\n        {}", finding.place, finding.what, finding.code, finding.ja)?;
        }
        if self.more_findings > 0 {
            writeln!(f, "... and {} more findings / ほか{}件", self.more_findings, self.more_findings)?;
        }
        match &self.first_bad {
            Some(place) => writeln!(f, "NOT OK: the bundle does not hold, first at {place}. / 証拠の束に異常があります（最初の箇所: {place}）。"),
            None => {
                writeln!(f, "OK: what is in the bundle is as the log has it. / 束の内容は、署名された記録と一致しています。")?;
                let (en, ja) = self.limits_of_proof();
                writeln!(f, "LIMIT: {en}\n       {ja}")
            }
        }
    }
}

/// A time in milliseconds since 1970 as `2026-11-22T06:30:00Z`.
pub fn utc(at: i64) -> String {
    let seconds = at.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, by eras of 400 years that begin in March.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + later;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_790_000_000_123), "2026-09-21T14:13:20Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert!(!utc(i64::MIN).is_empty() && !utc(i64::MAX).is_empty());
    }
}
