//! Time stamps of authorities (RFC 3161) over checkpoints: the time at which each part of the log existed at the latest.
//!
//! How a token is checked, and whom one believes, is the business of whoever brings [`Timestamps`]; what the token is over, and
//! that the log continues it, is judged here.

use std::fmt;

use serde::Serialize;

use super::findings::{Findings, printable};
use super::log::Reached;
use super::outside::{Head, Kind};
use crate::checkpoint::PublicKey;
use crate::limits::{MAX_CHECKPOINT_BYTES, MAX_TIMESTAMP_BYTES, MAX_TIMESTAMPS};
use crate::log::{Files, read_bounded};
use crate::rotation::open_by_any;

/// Folder of the time stamps: `N.checkpoint` is a signed checkpoint of N entries, `N.tsr` an authority's answer over its bytes.
pub const TIMESTAMPS_DIR: &str = "log/timestamps";
/// The certificate of the box's own authority, in that folder.
pub const LOCAL_AUTHORITY: &str = "local.pem";
/// An entry may call itself this much later than the stamp over it, in milliseconds: two clocks.
const TOLERANCE_MS: i64 = 5 * 60 * 1000;
/// Without a stamp over what was written for this long, in milliseconds, the end of the log is told as unstamped.
const BEHIND_MS: i64 = 25 * 3600 * 1000;
/// Most parts that the text of a verdict lists.
const LINES: usize = 24;

/// What a token that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time in it, in milliseconds since 1970.
    pub at_ms: i64,
    /// How far that may be off, in milliseconds, as the authority says.
    pub accuracy_ms: i64,
    /// Who stamped.
    pub authority: String,
    /// The box stamped itself: order, and no time of others.
    pub local: bool,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StampBreach {
    /// None of the authorities that are believed issued it. It says nothing, and nothing is wrong with it.
    Unknown,
    /// In words.
    Bad(String),
}

/// What checks tokens.
pub trait Timestamps: fmt::Debug {
    /// Checks an authority's answer over these bytes.
    ///
    /// # Errors
    /// A [`StampBreach`].
    fn check(&self, answer: &[u8], over: &[u8]) -> Result<Stamp, StampBreach>;
}

/// A part of the log, and when it existed at the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stamped {
    /// First entry of the part: those before it were stamped earlier.
    pub from: u64,
    /// Entries of the log that were stamped.
    pub entries: u64,
    /// The time, in milliseconds since 1970.
    pub at_ms: i64,
    /// How far it may be off, in milliseconds.
    pub accuracy_ms: i64,
    /// Who stamped.
    pub authority: String,
    /// The box stamped itself.
    pub local: bool,
}

/// The path of a stamped checkpoint.
pub fn stamped_path(entries: u64) -> String {
    format!("{TIMESTAMPS_DIR}/{entries}.checkpoint")
}

/// The path of the answer over it.
pub fn answer_path(entries: u64) -> String {
    format!("{TIMESTAMPS_DIR}/{entries}.tsr")
}

/// Numbers of the stamps that lie there, in order.
pub(crate) fn numbers(files: &dyn Files, findings: &mut Findings) -> Vec<u64> {
    let names = match files.list(TIMESTAMPS_DIR) {
        Ok(names) => names,
        Err(fault) => {
            findings.error("unreadable", TIMESTAMPS_DIR, printable(&fault.to_string()), "フォルダーを読み取れません。");
            return Vec::new();
        }
    };
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| {
            let number = name.strip_suffix(".tsr")?;
            number.parse::<u64>().ok().filter(|parsed| parsed.to_string() == number)
        })
        .collect();
    numbers.sort_unstable();
    if numbers.len() > MAX_TIMESTAMPS {
        findings.error("too-many-files", TIMESTAMPS_DIR, "There are too many time stamps.", "タイムスタンプの数が上限を超えています。");
        numbers.truncate(MAX_TIMESTAMPS);
    }
    numbers
}

/// The stamped heads, with what was found of each.
pub(crate) fn heads(numbers: &[u64], checks: &dyn Timestamps, keys: &[PublicKey], files: &dyn Files, findings: &mut Findings) -> Vec<Head> {
    let mut heads = Vec::new();
    for number in numbers {
        let place = answer_path(*number);
        match one(*number, checks, keys, files) {
            Ok(head) => heads.push(head),
            Err(StampBreach::Unknown) => findings.warning(
                "timestamp-authority",
                place,
                "The time stamp is of an authority that was not given to the verifier; it was not counted.",
                "検証者が指定していない時刻認証局のタイムスタンプのため、証拠に数えていません。",
            ),
            Err(StampBreach::Bad(why)) => findings.error(
                "timestamp",
                place,
                format_args!("The time stamp was not accepted: {}.", printable(&why)),
                "タイムスタンプの形式・署名・対象のいずれかが正しくありません。",
            ),
        }
    }
    if heads.is_empty() {
        findings.error(
            "timestamp-missing",
            TIMESTAMPS_DIR,
            "No checkpoint of this copy bears a time stamp of an authority that was given.",
            "指定された時刻認証局のタイムスタンプがこの写しにありません。",
        );
    }
    heads
}

fn one(number: u64, checks: &dyn Timestamps, keys: &[PublicKey], files: &dyn Files) -> Result<Head, StampBreach> {
    let bad = |what: &str| StampBreach::Bad(what.to_owned());
    let read = |path: String, limit: usize| read_bounded(files, &path, limit).map_err(|fault| StampBreach::Bad(fault.to_string()))?.ok_or_else(|| bad("what it is over is missing"));
    let over = read(stamped_path(number), MAX_CHECKPOINT_BYTES)?;
    let answer = read(answer_path(number), MAX_TIMESTAMP_BYTES)?;
    let stamp = checks.check(&answer, &over)?;
    let text = std::str::from_utf8(&over).map_err(|_| bad("what it is over is no checkpoint"))?;
    let (checkpoint, key) = open_by_any(text, keys).map_err(|breach| StampBreach::Bad(format!("what it is over is no checkpoint of this log: {breach}")))?;
    if checkpoint.size != number {
        return Err(bad("what it is over has another number of entries than its name"));
    }
    Ok(Head { place: answer_path(number), checkpoint, key: Some(key.clone()), kind: Kind::Stamp, seen: None, stamp: Some(stamp) })
}

/// The parts of the log, each with the earliest time at which a stamp shows it to have existed. `reached` tells the times of
/// the entries before and after each head.
pub(crate) fn parts(heads: &[Head], reached: &Reached, last_at: Option<i64>, findings: &mut Findings) -> Vec<Stamped> {
    let stamped: Vec<(&Head, &Stamp)> = heads.iter().filter_map(|head| head.stamp.as_ref().map(|stamp| (head, stamp))).collect();
    let mut parts: Vec<Stamped> = Vec::new();
    for (head, stamp) in &stamped {
        let size = head.checkpoint.size;
        if let Some(before) = reached.get(&size).and_then(|seen| seen.last_at)
            && before > stamp.at_ms.saturating_add(stamp.accuracy_ms).saturating_add(TOLERANCE_MS)
        {
            findings.warning(
                "timestamp-clock",
                &head.place,
                format_args!("The last entry under the time stamp calls itself {} s later than the time stamp.", (before - stamp.at_ms) / 1000),
                format_args!("項目の時刻がそれを含むタイムスタンプより{}秒後になっています（時計のずれ）。", (before - stamp.at_ms) / 1000),
            );
        }
        // What is larger and was stamped earlier shows the same for all before it.
        while parts.last().is_some_and(|part| part.at_ms >= stamp.at_ms) {
            parts.pop();
        }
        let from = parts.last().map_or(0, |part| part.entries);
        if size > from {
            parts.push(Stamped { from, entries: size, at_ms: stamp.at_ms, accuracy_ms: stamp.accuracy_ms, authority: stamp.authority.clone(), local: stamp.local });
        }
    }
    if let Some((head, _)) = stamped.last()
        && let (Some(after), Some(last)) = (reached.get(&head.checkpoint.size).and_then(|seen| seen.next_at), last_at)
        && last - after > BEHIND_MS
    {
        findings.warning(
            "timestamp-behind",
            &head.place,
            format_args!("What was written in the last {} h is under no time stamp.", (last - after) / 3_600_000),
            format_args!("最後の{}時間分の項目にタイムスタンプがありません。", (last - after) / 3_600_000),
        );
    }
    parts
}

/// The lines of a verdict: each part, or of many some, from the first to the last.
pub(crate) fn lines(f: &mut fmt::Formatter<'_>, parts: &[Stamped]) -> fmt::Result {
    let step = parts.len().div_ceil(LINES).max(1);
    let shown = parts.iter().enumerate().filter(|(n, _)| n % step == 0 || n + 1 == parts.len());
    let mut count = 0;
    for (_, part) in shown {
        count += 1;
        let (whose, ja) = if part.local { ("LOCAL: order, not outside time", "自局の時刻（順序の証明のみ）") } else { ("outside authority", "外部の時刻認証局") };
        writeln!(
            f,
            "TIME    entries {} to {} existed at {} ({whose}, {}) / {}〜{}番は遅くともこの時刻に存在（{ja}）",
            part.from,
            part.entries.saturating_sub(1),
            super::utc(u64::try_from(part.at_ms / 1000).unwrap_or(0)),
            printable(&part.authority),
            part.from,
            part.entries.saturating_sub(1)
        )?;
    }
    if count < parts.len() {
        writeln!(f, "TIME    ... and {} parts between them (--json has all) / 途中の{}区間は省略（--json で全部）", parts.len() - count, parts.len() - count)?;
    }
    Ok(())
}
