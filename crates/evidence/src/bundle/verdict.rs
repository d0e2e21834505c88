//! What the verification of a bundle comes to.

use std::fmt;

use serde::Serialize;

use super::manifest::Scope;
use crate::digest::Digest;
use crate::verify::{Finding, SeenBy, Severity, Stamped, printable, stamp_lines};

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
    /// A checkpoint from outside was given, or a witness was named, and the log continues all of them.
    pub joined: bool,
    /// What the witnesses that were named saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenBy>,
    /// When each part of the log existed at the latest, as time stamps show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<Stamped>,
    /// Time stamps in the bundle that were not checked, because no authority was given.
    pub stamps_unchecked: u64,
    /// Place of the first error: entries first, then recordings, approvals, files, and the manifest.
    pub first_bad: Option<String>,
    /// What was found, at most [`crate::limits::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond that number.
    pub more_findings: u64,
}

/// The verdict on a file that is no bundle at all, or no archive that may be opened.
pub fn refused(code: &'static str, place: &str, what: &str, ja: &str) -> BundleVerdict {
    let place = printable(place);
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
        seen: Vec::new(),
        stamps: Vec::new(),
        stamps_unchecked: 0,
        first_bad: Some(place),
        findings: vec![finding],
        more_findings: 0,
    }
}

impl BundleVerdict {
    fn scope_words(&self) -> (String, String) {
        let words = match &self.scope {
            None => ("unknown".to_owned(), "不明".to_owned()),
            // Who made the manifest chose these texts; they are checked before and are still not printed as they are.
            Some(Scope::Session { session }) => (format!("session {}", printable(session)), format!("セッション {}", printable(session))),
            Some(Scope::Plan { plan }) => (format!("plan {}", printable(plan)), format!("作業計画 {}", printable(plan))),
            Some(Scope::Case { case }) => (format!("case {} of a login round the gateway", printable(case)), format!("迂回ログインの事案 {}", printable(case))),
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
            writeln!(f, "{}: checkpoint over {} entries, root {root}", shown(origin), self.size)?;
            let span = match (self.first, self.last) {
                (Some(first), Some(last)) => format!("{} entries ({first} to {last})", self.entries),
                _ => format!("{} entries", self.entries),
            };
            writeln!(f, "{span}, {} recordings, {} approvals hold", self.recordings, self.approvals)?;
        }
        for seen in &self.seen {
            let (name, at) = (printable(&seen.witness), utc(i64::try_from(seen.second).unwrap_or(i64::MAX).saturating_mul(1000)));
            writeln!(f, "WITNESS {name}: {} entries, signed at {at} / 立会人が{}件の時点で署名", seen.entries, seen.entries)?;
        }
        stamp_lines(f, &self.stamps)?;
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

/// The origin of a log: a name that a key's owner chose, in which letters of any language may stand and nothing that moves a
/// cursor or turns the direction of text.
fn shown(origin: &str) -> String {
    let moves = |c: char| c.is_control() || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if origin.chars().any(moves) { printable(origin) } else { origin.to_owned() }
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
    use super::{shown, utc};

    #[test]
    fn an_origin_moves_no_cursor_and_turns_no_text() {
        assert_eq!(shown("sekisho/北病院"), "sekisho/北病院");
        for bad in ["a\u{1b}[2J", "a\u{202e}b", "a\nOK", "a\u{2066}b"] {
            assert!(!shown(bad).chars().any(|c| c.is_control() || !c.is_ascii()), "{bad:?}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_790_000_000_123), "2026-09-21T14:13:20Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert!(!utc(i64::MIN).is_empty() && !utc(i64::MAX).is_empty());
    }
}
