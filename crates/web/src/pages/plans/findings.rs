//! A row of the comparison as a page shows it: values of our own short forms become words of the reader's language.

use super::shapes::FindingView;
use super::written;
use crate::words::{self, Lang};
use sekisho_core::reconcile::{Decision, FAILED, Finding, Item, PUT_REFUSED, RIGHT, Verdict};
use sekisho_core::time::Timestamp;

/// The name of a cause in keys of words. Facts carry it as text, which may be of a later version.
#[must_use]
pub fn cause_name(text: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "closed", "target_gone", "worker_gone", "dial_failed", "window_ended", "cut", "recalled", "idle", "recording_lost", "breach", "shutdown",
        "vanished", "unread", "running",
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
        Item::Refused => "refused",
        Item::PersonalData => "personal_data",
        Item::Diary => "diary",
        Item::Ending => "ending",
        Item::Change => "change",
    }
}

/// All rows as a page shows them. What several connections have alike and as planned is one row; a difference stays a
/// row of its own, because each is explained and decided by itself.
pub(super) fn rows(findings: &[Finding], lang: Lang) -> Vec<FindingView> {
    let mut shown: Vec<(FindingView, Vec<(String, String, u32)>)> = Vec::new();
    for (index, row) in findings.iter().enumerate() {
        let view = finding(index, row, lang);
        let joins = !view.different && view.decision.is_empty() && view.seconds.is_none() && !view.session.is_empty();
        let known = shown.iter_mut().find(|(other, _)| {
            joins && !other.different && other.decision.is_empty() && other.seconds.is_none() && (other.item, other.standing, &other.planned) == (view.item, view.standing, &view.planned)
        });
        match known {
            Some((_, facts)) => match facts.iter_mut().find(|(fact, ..)| *fact == view.fact) {
                Some((_, _, times)) => *times += 1,
                None => facts.push((view.fact, view.fact_era, 1)),
            },
            None => {
                let facts = vec![(view.fact.clone(), view.fact_era.clone(), 1)];
                shown.push((view, facts));
            }
        }
    }
    let times = |text: &str, times: u32| if times == 1 { text.to_owned() } else { words::word_with(lang, "plans.n_connections", &[("fact", text), ("n", &times.to_string())]) };
    let joined = |(mut view, facts): (FindingView, Vec<(String, String, u32)>)| {
        view.fact = facts.iter().map(|(fact, _, n)| times(fact, *n)).collect::<Vec<_>>().join("\n");
        view.fact_era = facts.iter().map(|(_, era, n)| times(era, *n)).collect::<Vec<_>>().join("\n");
        view
    };
    shown.into_iter().map(joined).collect()
}

/// What a row without a difference stands for. Where the plan says nothing there is nothing that could agree.
fn standing(row: &Finding) -> &'static str {
    match (row.verdict, row.item) {
        (Verdict::Match, Item::Source | Item::Device) if row.planned.is_empty() => "not_compared",
        (Verdict::Match, Item::Worker) if row.actual.is_empty() => "no_deviation",
        (Verdict::Match, Item::File) if row.actual.ends_with(&format!("({FAILED})")) => "no_deviation",
        (Verdict::Match, _) => "match",
        (Verdict::NotDone, _) => "not_done",
        (Verdict::NotPlanned, _) => "not_planned",
        (Verdict::Different, _) => "different",
    }
}

/// Why an act on a file is compared as it is: what of the plan it was held against.
fn why(row: &Finding) -> &'static str {
    if row.item == Item::Refused {
        return "refused";
    }
    if row.item != Item::File || row.is_folded() {
        return "";
    }
    let op = row.actual.split(' ').next().unwrap_or_default();
    match (row.verdict, op) {
        (Verdict::Match, _) if row.actual.ends_with(&format!("({FAILED})")) => "failed",
        (Verdict::Match, _) if row.planned.starts_with(RIGHT) => "right_only",
        (Verdict::NotPlanned, "put" | "rsync-put" | PUT_REFUSED) => "unlisted",
        (Verdict::NotPlanned, "get" | "rsync-get") => "no_carry_out",
        (Verdict::NotPlanned, "remove" | "rmdir" | "rename" | "mkdir") => "no_right",
        _ => "",
    }
}

/// One row.
fn finding(index: usize, row: &Finding, lang: Lang) -> FindingView {
    let standing = standing(row);
    let decision = match row.decision {
        None => "",
        Some(Decision::NoProblem) => "no_problem",
        Some(Decision::Correct) => "correct",
        Some(Decision::Incident) => "incident",
    };
    let shown = |text: &str| if row.is_folded() || text.is_empty() { text.to_owned() } else { in_words(row.item, text, lang) };
    let (planned, fact) = match (standing, row.item) {
        ("not_compared", _) => (words::word(lang, "plans.not_in_plan"), shown(&row.actual)),
        ("no_deviation", Item::Worker) => (shown(&row.planned), words::word(lang, "plans.worker_stayed_away")),
        _ => (shown(&row.planned), shown(&row.actual)),
    };
    let era = |text: &str, shown: &str| if row.item == Item::Time { span(text).map_or_else(|| shown.to_owned(), |(from, until)| written::era_span(from, until)) } else { shown.to_owned() };
    FindingView {
        index,
        item: item_name(row.item),
        standing,
        different: row.verdict != Verdict::Match,
        planned_era: era(&row.planned, &planned),
        fact_era: era(&row.actual, &fact),
        planned,
        fact,
        why: why(row),
        session: row.session.as_ref().map(ToString::to_string).unwrap_or_default(),
        seconds: row.at_ms.map(|ms| ms / 1000),
        place: row.at_ms.map(written::position).unwrap_or_default(),
        reason: row.reason.clone(),
        decision,
        decided_by: row.decided.as_ref().map(|mark| mark.name.clone()).unwrap_or_default(),
        decided_at: row.decided.as_ref().map(|mark| written::brief(mark.at, lang)).unwrap_or_default(),
        decided_era: row.decided.as_ref().map(|mark| mark.at.era()).unwrap_or_default(),
    }
}

/// A value in words. What does not have the form that the comparison writes is shown as it is.
fn in_words(item: Item, text: &str, lang: Lang) -> String {
    let set = |name: &str| {
        let words: Vec<String> = text.split(", ").map(|word| words::word(lang, &format!("{name}.{word}"))).collect();
        words::listed(lang, &words)
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
        Item::Refused => refused(text, lang),
        Item::Time => span(text).map(|(from, until)| written::span(from, until, lang)),
        _ => None,
    };
    told.unwrap_or_else(|| text.to_owned())
}

/// `2026-11-22 15:00–17:00`, or with a second date behind the dash.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (from, until) = text.split_once('–')?;
    let moment = |text: &str| text.split_once(' ').and_then(|(date, clock)| Timestamp::parse_local(&format!("{date}T{clock}")));
    let date = from.split_once(' ')?.0;
    Some((moment(from)?, moment(until).or_else(|| moment(&format!("{date} {until}")))?))
}

/// `SKS-4301 2 times: sftp remove /etc/passwd`. As planned stand names of rights.
fn refused(text: &str, lang: Lang) -> Option<String> {
    let Some((head, ask)) = text.split_once(" times: ") else {
        let rights: Option<Vec<&str>> = text.split(", ").map(|right| words::find(lang, &format!("right.{right}"))).collect();
        return rights.map(|rights| words::word_with(lang, "plans.allowed_rights", &[("rights", &words::listed(lang, &rights))]));
    };
    let (code, times) = head.split_once(' ')?;
    // The first word is the way, the second the act; whatever else was refused stands as it was asked for.
    let act = ask.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')).and_then(|(op, path)| Some(format!("{} {path}", words::find(lang, &format!("file.{op}"))?)));
    Some(words::word_with(lang, "plans.refused_times", &[("ask", act.as_deref().unwrap_or(ask)), ("code", code), ("n", times)]))
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
    if tail.strip_suffix(')') == Some(FAILED) {
        return Some(format!("{} {path}({})", words::word(lang, &format!("file.{}", super::files::op_name(op))), words::word(lang, "sessions.file_failed")));
    }
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
        assert_eq!(ja(Item::File, "rename /srv/a → /srv/b (failed)"), "名前の変更 /srv/a → /srv/b(失敗)");
        assert_eq!(ja(Item::Refused, "SKS-4301 2 times: sftp remove /srv/data"), "削除 /srv/data(2 回、SKS-4301 で拒否)");
        assert_eq!(ja(Item::Refused, "SKS-4302 1 times: rsync"), "rsync(1 回、SKS-4302 で拒否)");
        assert_eq!(ja(Item::Refused, "download"), "許可した操作: 取得");
        assert_eq!(ja(Item::Time, "2026-11-22 15:00–17:00"), "2026年11月22日(日) 15:00 〜 17:00");
        assert_eq!(ja(Item::Time, "2026-11-22 23:00–2026-11-23 01:00"), "2026年11月22日(日) 23:00 〜 2026年11月23日(月) 01:00");
    }

    fn row(item: Item, verdict: Verdict, planned: &str, actual: &str) -> Finding {
        let session = Some(sekisho_core::ids::SessionId::from_random([1; 10]));
        Finding { item, verdict, planned: planned.into(), actual: actual.into(), session, at_ms: None, reason: String::new(), decision: None, decided: None }
    }

    #[test]
    fn what_connections_have_alike_is_one_row_and_differences_stay_apart() {
        let m = Verdict::Match;
        let shown = rows(
            &[
                row(Item::Time, m, "2026-11-22 15:00–17:00", "2026-11-22 15:01–15:02"),
                row(Item::Source, m, "", "127.0.0.1"),
                row(Item::Time, m, "2026-11-22 15:00–17:00", "2026-11-22 15:05–15:06"),
                row(Item::Source, m, "", "127.0.0.1"),
                row(Item::Ending, Verdict::Different, "closed", "cut"),
                row(Item::Ending, Verdict::Different, "closed", "cut"),
                row(Item::Worker, m, "田中", ""),
            ],
            Lang::Ja,
        );
        let told: Vec<(&str, &str, &str, &str, usize)> = shown.iter().map(|row| (row.item, row.standing, row.planned.as_str(), row.fact.as_str(), row.index)).collect();
        let cut = words::word(Lang::Ja, "cause.cut");
        let closed = words::word(Lang::Ja, "cause.closed");
        assert_eq!(
            told,
            [
                ("time", "match", "2026年11月22日(日) 15:00 〜 17:00", "2026年11月22日(日) 15:01 〜 15:02\n2026年11月22日(日) 15:05 〜 15:06", 0),
                ("source", "not_compared", "計画に指定なし", "127.0.0.1(接続 2 件)", 1),
                ("ending", "different", &closed, &cut, 4),
                ("ending", "different", &closed, &cut, 5),
                ("worker", "no_deviation", "田中", "この作業者の接続はなかった", 6),
            ]
        );
        assert_eq!(shown[0].fact_era, "令和8年11月22日 15:01 〜 15:02\n令和8年11月22日 15:05 〜 15:06");
    }

    #[test]
    fn a_row_of_a_file_says_what_it_was_held_against() {
        let of = |verdict, planned: &str, actual: &str| why(&row(Item::File, verdict, planned, actual));
        assert_eq!(of(Verdict::Match, "right:delete", "remove /tmp/a (0 bytes)"), "right_only");
        assert_eq!(of(Verdict::NotPlanned, "", "put /tmp/a (3 bytes)"), "unlisted");
        assert_eq!(of(Verdict::NotPlanned, "", "get /tmp/a (3 bytes)"), "no_carry_out");
        assert_eq!(of(Verdict::NotPlanned, "", "remove /tmp/a (0 bytes)"), "no_right");
        assert_eq!(of(Verdict::Match, "right:rename", "rename a → b (failed)"), "failed");
        assert_eq!(of(Verdict::Match, "app.war", "put /opt/app.war (3 bytes)"), "");
    }
}
