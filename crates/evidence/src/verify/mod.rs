//! Offline verification of a copy: the log, its checkpoint, and the recordings that it names.
//!
//! It needs the public key and, against a log that was cut or forked, a checkpoint that left the house earlier. It reads
//! one bundle, one tile a level and one recording segment at a time. The same copy gives the same text every time.

mod attachments;
mod entries;
mod findings;
mod keeping;
mod log;
mod outside;
mod recordings;
mod rotations;
mod seconds;
mod stamps;

pub use keeping::DeletedByRule;
pub use outside::{COSIGNED_DIR, cosigned_path};
pub use stamps::{LOCAL_AUTHORITY, Stamp, StampBreach, Stamped, TIMESTAMPS_DIR, Timestamps, answer_path, stamped_path};

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::checkpoint::PublicKey;
use crate::cosignature::WitnessPublic;
use crate::digest::Digest;
use crate::log::Files;
pub(crate) use entries::Entries;
pub(crate) use findings::{Findings, printable};
pub(crate) use log::{Met, Reached};
pub(crate) use recordings::{Found, compare, ended, read};
pub(crate) use stamps::{heads as stamped_heads, lines as stamp_lines, numbers as stamp_numbers, parts as stamped_parts};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A person should know, and the evidence holds.
    Warning,
    /// The evidence does not hold at this place.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// A word for it that never changes, such as `entry-altered`.
    pub code: &'static str,
    /// Where: `log entry 17`, or a path in the data folder.
    pub place: String,
    /// What, in an English sentence.
    pub what: String,
    /// What, in a Japanese sentence.
    pub ja: String,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// No finding is an error.
    pub ok: bool,
    /// Origin of the log, if its checkpoint holds.
    pub origin: Option<String>,
    /// Entries that the signed checkpoint covers.
    pub entries: u64,
    /// Root of the signed checkpoint.
    pub root: Option<Digest>,
    /// Recordings examined.
    pub recordings: u64,
    /// Recordings that are gone by a rule, as entries of the log tell; at most [`crate::limits::MAX_FINDINGS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<DeletedByRule>,
    /// Recordings that are gone by a rule beyond that number.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_deleted: u64,
    /// What the witnesses that were named saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenBy>,
    /// When each part of the log existed at the latest, as time stamps show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<Stamped>,
    /// Time stamps that lie there and were not checked, because no authority was given.
    #[serde(skip_serializing_if = "is_zero")]
    pub stamps_unchecked: u64,
    /// Place of the first error: the log first, then the recordings in the order of their sessions.
    pub first_bad: Option<String>,
    /// What was found, in the order of the log, at most [`crate::limits::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Findings beyond that number.
    pub more_findings: u64,
}

/// What to do with the recordings.
#[derive(Debug, Clone, Copy)]
pub enum Recordings<'a> {
    /// The copy has none: check the log alone.
    Skip,
    /// Check each against the log.
    Check {
        /// Ids of sessions known to run at this moment; their recordings need no end. Empty for a copy.
        running: &'a BTreeSet<String>,
    },
}

/// A head of the log that a witness signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenBy {
    /// Name of the witness.
    pub witness: String,
    /// Entries that the log had.
    pub entries: u64,
    /// When the witness signed, in seconds since 1970.
    pub second: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a verifier brings from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Keys of the log, at least one, and best all that the verifier knows: the first and the newest. Exchanges must lead over
    /// each of them. Who has a former key alone makes no log that leads to a newer one.
    pub keys: &'a [PublicKey],
    /// Texts of checkpoints that were seen elsewhere, in a mail or on paper: the log must continue each of them.
    pub outside: &'a [String],
    /// Witnesses that must have signed a head of this log.
    pub witnesses: &'a [WitnessPublic],
    /// Authorities that must have stamped heads of this log, if the verifier believes any.
    pub timestamps: Option<&'a dyn Timestamps>,
}

/// Verifies a copy of the data folder. `outside` is the text of a checkpoint that was seen elsewhere: in a mail, on
/// paper, at a witness; the log must continue it.
pub fn verify(
    files: &dyn Files,
    key: &PublicKey,
    outside: Option<&str>,
    recordings: Recordings<'_>,
) -> Verdict {
    let outside: Vec<String> = outside.map(str::to_owned).into_iter().collect();
    verify_with(files, &Trust { keys: std::slice::from_ref(key), outside: &outside, witnesses: &[], timestamps: None }, recordings)
}

/// Verifies a copy of the data folder against all that the verifier brings.
pub fn verify_with(files: &dyn Files, trust: &Trust<'_>, recordings: Recordings<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut report = log::check(files, trust, &mut findings);
    let mut examined = recordings::Examined::default();
    // Without a log that can be read, there is nothing to compare recordings with.
    if let (Recordings::Check { running }, Some(report)) = (recordings, &report) {
        examined = recordings::check(files, report, running, &mut findings);
    }
    Verdict {
        ok: findings.first_error.is_none(),
        origin: report
            .as_ref()
            .map(|report| report.checkpoint.origin.clone()),
        entries: report.as_ref().map_or(0, |report| report.checkpoint.size),
        root: report.as_ref().map(|report| report.checkpoint.root),
        recordings: examined.recordings,
        deleted: examined.deleted,
        more_deleted: examined.more_deleted,
        first_bad: findings.first_error,
        findings: findings.list,
        more_findings: findings.more,
        stamps_unchecked: report.as_ref().map_or(0, |report| report.stamps_unchecked),
        stamps: report.as_mut().map(|report| std::mem::take(&mut report.stamps)).unwrap_or_default(),
        seen: report.map_or_else(Vec::new, |report| report.seen),
    }
}

/// A time in seconds since 1970 as `2026-11-22T16:09:11Z`: civil days from the count of days, by the leap cycle of 400 years.
pub(crate) fn utc(second: u64) -> String {
    let (days, rest) = (second / 86_400 + 719_468, second % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(origin), Some(root)) = (&self.origin, &self.root) {
            writeln!(
                f,
                "{origin}: {} entries, {} recordings, root {root}",
                self.entries, self.recordings
            )?;
        }
        for seen in &self.seen {
            writeln!(
                f,
                "WITNESS {}: {} entries, signed at {} / 立会人が{}件の時点で署名",
                seen.witness,
                seen.entries,
                utc(seen.second),
                seen.entries
            )?;
        }
        keeping::lines(f, &self.deleted, self.more_deleted)?;
        stamps::lines(f, &self.stamps)?;
        for finding in &self.findings {
            let word = match finding.severity {
                Severity::Error => "ERROR  ",
                Severity::Warning => "WARNING",
            };
            writeln!(
                f,
                "{word} {}: {} [{}]\n        {}",
                finding.place, finding.what, finding.code, finding.ja
            )?;
        }
        if self.more_findings > 0 {
            writeln!(
                f,
                "... and {} more findings / ほか{}件",
                self.more_findings, self.more_findings
            )?;
        }
        match &self.first_bad {
            None => writeln!(f, "OK: the evidence holds. / 記録は改ざんされていません。"),
            Some(place) => {
                writeln!(
                    f,
                    "NOT OK: the evidence does not hold, first at {place}. / 記録に異常があります（最初の箇所: {place}）。"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seconds_are_written_as_people_read_them() {
        for (second, text) in [(0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_795_363_751, "2026-11-22T16:09:11Z"), (4_102_444_799, "2099-12-31T23:59:59Z")] {
            assert_eq!(super::utc(second), text);
        }
    }
}
