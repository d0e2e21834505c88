//! A row of the comparison as a page shows it: values of our own short forms become words of the reader's language.

use super::shapes::FindingView;
use super::written;
use crate::words::{self, Lang};
use sekisho_core::reconcile::{Decision, Finding, Item, RIGHT, Verdict};

/// The name of a cause in keys of words. Facts carry it as text, which may be of a later version.
#[must_use]
pub fn cause_name(text: &str) -> &'static str {
    const KNOWN: [&str; 13] = [
        "closed", "target_gone", "worker_gone", "dial_failed", "window_ended", "cut", "recalled", "idle", "recording_lost", "breach", "shutdown",
        "vanished", "running",
    ];
    KNOWN.into_iter().find(|known| *known == text).unwrap_or("other")
}

/// The name of an item in keys of words.
#[must_use]
pub fn item_name(item: Item) -> &'static str {
    match item {
        Item::Time => "time",
        Item::Worker => "worker",
        Item::Source => "source",
        Item::Device => "device",
        Item::Target => "target",
        Item::Function => "function",
        Item::Rights => "rights",
        Item::Volume => "volume",
        Item::Forward => "forward",
        Item::KeyWindow => "key_window",
        Item::Witness => "witness",
        Item::Pause => "pause",
        Item::Command => "command",
        Item::File => "file",
        Item::PersonalData => "personal_data",
        Item::Ending => "ending",
        Item::Change => "change",
    }
}

/// One row.
pub(super) fn finding(index: usize, row: &Finding, lang: Lang) -> FindingView {
    let verdict = match row.verdict {
        Verdict::Match => "match",
        Verdict::NotDone => "not_done",
        Verdict::NotPlanned => "not_planned",
        Verdict::Different => "different",
    };
    let decision = match row.decision {
        None => "",
        Some(Decision::NoProblem) => "no_problem",
        Some(Decision::Correct) => "correct",
        Some(Decision::Incident) => "incident",
    };
    let shown = |text: &str| if row.is_folded() || text.is_empty() { text.to_owned() } else { in_words(row.item, text, lang) };
    FindingView {
        index,
        item: item_name(row.item),
        verdict,
        different: row.verdict != Verdict::Match,
        planned: shown(&row.planned),
        fact: shown(&row.actual),
        session: row.session.as_ref().map(ToString::to_string).unwrap_or_default(),
        seconds: row.at_ms.map(|ms| ms / 1000),
        place: row.at_ms.map(written::position).unwrap_or_default(),
        reason: row.reason.clone(),
        decision,
        decided_by: row.decided.as_ref().map(|mark| mark.name.clone()).unwrap_or_default(),
        decided_at: row.decided.as_ref().map(|mark| written::brief(mark.at, lang)).unwrap_or_default(),
    }
}

/// A value in words. What does not have the form that the comparison writes is shown as it is.
fn in_words(item: Item, text: &str, lang: Lang) -> String {
    let set = |name: &str| {
        let words: Vec<String> = text.split(", ").map(|word| words::word(lang, &format!("{name}.{word}"))).collect();
        words.join(if lang == Lang::Ja { "、" } else { ", " })
    };
    let told = match item {
        Item::Function => Some(set("function")),
        Item::Rights => Some(set("right")),
        Item::Ending => Some(words::word(lang, &format!("cause.{}", cause_name(text)))),
        Item::KeyWindow => words::find(lang, &format!("key_window.{text}")).map(str::to_owned),
        // As planned stands a degree, as fact the names of those who were there.
        Item::Witness => words::find(lang, &format!("witness.{text}")).map(str::to_owned),
        Item::File => file(text, lang),
        Item::Volume => volume(text, lang),
        Item::Forward => forward(text, lang),
        Item::Pause => pause(text, lang),
        Item::Device => device(text, lang),
        _ => None,
    };
    told.unwrap_or_else(|| text.to_owned())
}

/// `SKS-4028 NOTE-01`: what was not in order with the device, and its name if it is known.
fn device(text: &str, lang: Lang) -> Option<String> {
    let (code, name) = text.split_once(' ').unwrap_or((text, ""));
    let why = words::device_deviation(lang, code)?;
    Some(if name.is_empty() { why } else { format!("{name}: {why}") })
}

/// `put /opt/app.war (1200 bytes, SHA-256 0123456789ab…)`.
fn file(text: &str, lang: Lang) -> Option<String> {
    if let Some(right) = text.strip_prefix(RIGHT) {
        return words::find(lang, &format!("right.{right}")).map(str::to_owned);
    }
    let (op, rest) = text.split_once(' ')?;
    // A path may hold anything; what we wrote behind it is found from the end.
    let (path, tail) = rest.rsplit_once(" (")?;
    let (bytes, more) = tail.strip_suffix(')')?.split_once(" bytes")?;
    let bytes: u64 = bytes.parse().ok()?;
    let op = words::word(lang, &format!("file.{}", super::files::op_name(op)));
    Some(match (bytes, more) {
        (0, "") => format!("{op} {path}"),
        _ => format!("{op} {path} ({}{more})", written::size(bytes)),
    })
}

/// `upload 1200 B, 3 files`, or one of the two figures alone.
fn volume(text: &str, lang: Lang) -> Option<String> {
    let (way, figures) = text.split_once(' ')?;
    let mut told = Vec::new();
    for figure in figures.split(", ") {
        let (value, unit) = figure.split_once(' ')?;
        let value: u64 = value.parse().ok()?;
        told.push(if unit == "B" { written::size(value) } else { words::word_with(lang, "plans.n_files", &[("n", &value.to_string())]) });
    }
    Some(format!("{} {}", words::find(lang, &format!("right.{way}"))?, told.join(if lang == Lang::Ja { "・" } else { ", " })))
}

/// `db01:5432 3 times, 10 B up, 20 B down`.
fn forward(text: &str, lang: Lang) -> Option<String> {
    let (place, rest) = text.split_once(' ')?;
    let mut parts = rest.split(", ");
    let times = parts.next()?.strip_suffix(" times")?;
    let up = written::size(parts.next()?.strip_suffix(" B up")?.parse().ok()?);
    let down = written::size(parts.next()?.strip_suffix(" B down")?.parse().ok()?);
    Some(words::word_with(lang, "plans.forwarded", &[("place", place), ("times", times), ("up", &up), ("down", &down)]))
}

/// `2 times, 63 s`.
fn pause(text: &str, lang: Lang) -> Option<String> {
    let (times, seconds) = text.split_once(" times, ")?;
    let seconds = seconds.strip_suffix(" s")?;
    Some(words::word_with(lang, "plans.paused", &[("times", times), ("seconds", seconds)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_words_and_not_our_short_forms() {
        let ja = |item, text: &str| in_words(item, text, Lang::Ja);
        assert_eq!(ja(Item::File, "put /opt/app (1).war (12345678 bytes, SHA-256 0123456789ab…)"), "送信(病院へ) /opt/app (1).war (12.3 MB, SHA-256 0123456789ab…)");
        assert_eq!(ja(Item::File, "remove /opt/old log (0 bytes)"), "削除 /opt/old log");
        assert_eq!(ja(Item::File, "right:delete"), "削除");
        assert_eq!(ja(Item::File, "reindex-7.2.sql"), "reindex-7.2.sql", "a planned file stands by its name");
        assert_eq!(ja(Item::Rights, "download, delete"), "取得、削除");
        assert_eq!(ja(Item::Volume, "upload 1200 B, 3 files"), "送信 1.2 KB・3 ファイル");
        assert_eq!(ja(Item::Volume, "download 3 files"), "取得 3 ファイル");
        assert_eq!(ja(Item::Forward, "db01:5432 3 times, 10 B up, 2000 B down"), "db01:5432(3 回、送信 10 B・受信 2.0 KB)");
        assert_eq!(ja(Item::Pause, "2 times, 63 s"), "2 回、合計 63 秒");
        assert_eq!(ja(Item::Witness, "watch"), "立会い必須");
        assert_eq!(ja(Item::Witness, "佐藤 由美"), "佐藤 由美");
        assert_eq!(ja(Item::KeyWindow, "used"), "使われた");
        assert_eq!(ja(Item::Ending, "idle"), words::word(Lang::Ja, "cause.idle"));
        assert_eq!(in_words(Item::Rights, "download", Lang::En), "Download");
    }
}
