//! 照合: plan against fact, item by item. Pure; a difference is a finding, never an error.

use crate::ids::{PersonId, SessionId, TargetId};
use crate::limits;
use crate::plan::{Mark, Plan};
use crate::target::Function;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod granted;
mod seen;

pub use seen::{CommandSeen, FileSeen, ForwardSeen, Kept, PUT_REFUSED, RefusedSeen, SessionFacts};

/// The item that was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// 作業時間
    Time,
    /// 作業者
    Worker,
    /// 接続元
    Source,
    /// 端末
    Device,
    /// 接続先
    Target,
    /// 利用機能
    Function,
    /// ファイルの操作
    Rights,
    /// 転送量
    Volume,
    /// ポート転送
    Forward,
    /// 鍵だけの接続
    KeyWindow,
    /// 立会い
    Witness,
    /// 一時停止
    Pause,
    /// コマンド
    Command,
    /// ファイル
    File,
    /// 拒否したファイル操作
    Refused,
    /// 個人情報
    PersonalData,
    /// 作業日誌
    Diary,
    /// How the session ended (切断・中断)
    Ending,
    /// 計画変更メモ
    Change,
}

/// What the comparison of one item showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As planned.
    Match,
    /// Planned, and did not happen.
    NotDone,
    /// Happened, and was not planned.
    NotPlanned,
    /// Happened otherwise than planned.
    Different,
}

/// The hospital's decision on a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// 問題なし
    NoProblem,
    /// 是正
    Correct,
    /// インシデント
    Incident,
}

/// One row of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What was compared.
    pub item: Item,
    /// The result.
    pub verdict: Verdict,
    /// As planned, in words or values; empty if nothing was.
    pub planned: String,
    /// As it was; empty if nothing was.
    pub actual: String,
    /// The session concerned, if one is.
    pub session: Option<SessionId>,
    /// Milliseconds into the recording, where there is a moment to look at.
    pub at_ms: Option<u64>,
    /// Why it differs.
    #[serde(default)]
    pub reason: String,
    /// What the hospital decided.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Who decided.
    #[serde(default)]
    pub decided: Option<Mark>,
}

impl Finding {
    /// True for a difference without decision.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdict != Verdict::Match && self.decision.is_none()
    }

    /// True for a row that stands for several whose own rows had no room.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.session.is_none() && self.actual.starts_with(FOLDED)
    }
}

/// Names that plan and facts refer to by identifier.
pub struct Names<'a> {
    /// Persons: id and display name.
    pub persons: &'a [(PersonId, String)],
    /// Targets: id and short name.
    pub targets: &'a [(TargetId, String)],
}

/// Compares a plan with what happened.
#[must_use]
pub fn reconcile(plan: &Plan, sessions: &[SessionFacts], names: &Names<'_>) -> Vec<Finding> {
    let mut rows = Rows(Vec::new());
    time(plan, sessions, &mut rows);
    workers(plan, sessions, names, &mut rows);
    sources(plan, sessions, &mut rows);
    targets(plan, sessions, names, &mut rows);
    functions(plan, sessions, &mut rows);
    granted::compare(plan, sessions, &mut rows);
    commands(plan, sessions, &mut rows);
    files(plan, sessions, &mut rows);
    endings(sessions, &mut rows);
    for change in &plan.changes {
        let verdict = if change.accepted.is_some() { Verdict::Match } else { Verdict::Different };
        rows.add(Item::Change, verdict, "", &change.text, None, None);
    }
    folded(rows.0)
}

/// Beyond [`limits::FINDINGS`] the rows of one item and verdict are folded into one that tells their number. Differences
/// have the first claim to room, and no kind of them takes the room of another: whoever repeats a planned command a
/// thousand times hides nothing behind it.
fn folded(rows: Vec<Finding>) -> Vec<Finding> {
    if rows.len() <= limits::FINDINGS {
        return rows;
    }
    let mut kinds: Vec<Kind> = Vec::new();
    for row in &rows {
        match kinds.iter_mut().find(|kind| kind.holds(row)) {
            Some(kind) => kind.size += 1,
            None => kinds.push(Kind { item: row.item, verdict: row.verdict, size: 1, kept: 0, met: 0 }),
        }
    }
    // Each kind may need one row that folds the rest.
    let mut room = limits::FINDINGS.saturating_sub(kinds.len());
    kinds.sort_by_key(|kind| (kind.verdict == Verdict::Match, kind.size));
    for matches in [false, true] {
        // A quarter stays for what went as planned, so that a reader sees what the differences lie among.
        let kept_back = if matches { 0 } else { room / 4 };
        room -= kept_back;
        let mut left = kinds.iter().filter(|kind| (kind.verdict == Verdict::Match) == matches).count();
        for kind in kinds.iter_mut().filter(|kind| (kind.verdict == Verdict::Match) == matches) {
            kind.kept = kind.size.min(room / left.max(1));
            room -= kind.kept;
            left -= 1;
        }
        room += kept_back;
    }
    let mut list = Vec::with_capacity(limits::FINDINGS);
    for mut row in rows {
        let Some(kind) = kinds.iter_mut().find(|kind| kind.holds(&row)) else { continue };
        kind.met += 1;
        let rest = kind.size - kind.kept;
        if kind.met == kind.kept + 1 && rest > 1 {
            row.actual = format!("{FOLDED}{rest} 件 / {rest} more");
            row.planned = String::new();
            (row.session, row.at_ms) = (None, None);
        } else if kind.met > kind.kept + 1 {
            continue;
        }
        list.push(row);
    }
    list
}

/// Rows of one item and verdict.
struct Kind {
    item: Item,
    verdict: Verdict,
    size: usize,
    kept: usize,
    met: usize,
}

impl Kind {
    fn holds(&self, row: &Finding) -> bool {
        self.item == row.item && self.verdict == row.verdict
    }
}

/// What stands as planned for an operation on a file whose right, and no more, was planned; the right follows.
pub const RIGHT: &str = "right:";

/// What stands in place of the bytes of an operation that failed and changed nothing.
pub const FAILED: &str = "failed";

/// What a row says that stands for several; the number of them follows.
const FOLDED: &str = "他 ";

/// The rows of a comparison that was made again, with what was said about them before. A row that somebody decided on
/// stays in any case.
#[must_use]
pub fn renewed(before: &[Finding], mut now: Vec<Finding>) -> Vec<Finding> {
    let same = |a: &Finding, b: &Finding| (a.item, a.verdict, &a.planned, &a.actual, &a.session, a.at_ms) == (b.item, b.verdict, &b.planned, &b.actual, &b.session, b.at_ms);
    for old in before {
        match now.iter_mut().find(|row| same(row, old) && row.reason.is_empty() && row.decision.is_none()) {
            Some(row) => *row = old.clone(),
            None if old.decision.is_some() => now.push(old.clone()),
            None => {}
        }
    }
    now
}

struct Rows(Vec<Finding>);

impl Rows {
    fn add(&mut self, item: Item, verdict: Verdict, planned: &str, actual: &str, session: Option<&SessionId>, at_ms: Option<u64>) {
        self.0.push(Finding {
            item,
            verdict,
            planned: planned.to_owned(),
            actual: actual.to_owned(),
            session: session.cloned(),
            at_ms,
            reason: String::new(),
            decision: None,
            decided: None,
        });
    }
}

fn span(from: Timestamp, until: Timestamp) -> String {
    let end = if from.date() == until.date() { until.minute().split_off(11) } else { until.minute() };
    format!("{}–{end}", from.minute())
}

fn time(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    let (from, until) = plan.window();
    let planned = span(from, until);
    if sessions.is_empty() {
        rows.add(Item::Time, Verdict::NotDone, &planned, "", None, None);
    }
    // The cut at the end of the window takes a moment; that moment is not a deviation of the worker.
    let grace = std::time::Duration::from_secs(5);
    for facts in sessions {
        let end = facts.ended.unwrap_or(facts.started);
        let inside = from <= facts.started && end <= until.plus(grace);
        let verdict = if inside { Verdict::Match } else { Verdict::Different };
        rows.add(Item::Time, verdict, &planned, &span(facts.started, end), Some(&facts.session), None);
    }
}

fn workers(plan: &Plan, sessions: &[SessionFacts], names: &Names<'_>, rows: &mut Rows) {
    for id in &plan.content.workers {
        let name = names.persons.iter().find(|(person, _)| person == id).map_or(id.as_str(), |(_, name)| name);
        let there = sessions.iter().find(|facts| facts.person == *id);
        match there {
            Some(facts) => rows.add(Item::Worker, Verdict::Match, name, &facts.person_name, Some(&facts.session), None),
            // Several workers may be named so that any of them can come; one who stayed away is no deviation.
            None if sessions.is_empty() => rows.add(Item::Worker, Verdict::NotDone, name, "", None, None),
            None => rows.add(Item::Worker, Verdict::Match, name, "", None, None),
        }
    }
    for facts in sessions.iter().filter(|facts| !plan.content.workers.contains(&facts.person)) {
        rows.add(Item::Worker, Verdict::NotPlanned, "", &facts.person_name, Some(&facts.session), None);
    }
}

fn sources(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    let planned: Vec<String> = plan.content.sources.iter().map(ToString::to_string).collect();
    for facts in sessions {
        let inside = |network: &crate::source::Network| facts.source.parse().is_ok_and(|ip| network.contains(ip));
        let fits = plan.content.sources.is_empty() || plan.content.sources.iter().any(inside);
        let verdict = if fits { Verdict::Match } else { Verdict::NotPlanned };
        rows.add(Item::Source, verdict, &planned.join(", "), &facts.source, Some(&facts.session), None);
        if !facts.device_deviation.is_empty() {
            rows.add(Item::Device, Verdict::Different, "", &format!("{} {}", facts.device_deviation, facts.device), Some(&facts.session), None);
        } else if !facts.device.is_empty() {
            rows.add(Item::Device, Verdict::Match, "", &facts.device, Some(&facts.session), None);
        }
    }
}

fn targets(plan: &Plan, sessions: &[SessionFacts], names: &Names<'_>, rows: &mut Rows) {
    for used in &plan.content.targets {
        let name = names.targets.iter().find(|(id, _)| *id == used.target).map_or(used.target.as_str(), |(_, name)| name);
        match sessions.iter().find(|facts| facts.target == used.target) {
            Some(facts) => rows.add(Item::Target, Verdict::Match, name, &facts.target_name, Some(&facts.session), None),
            None => rows.add(Item::Target, Verdict::NotDone, name, "", None, None),
        }
    }
    for facts in sessions.iter().filter(|facts| plan.content.target(&facts.target).is_none()) {
        rows.add(Item::Target, Verdict::NotPlanned, "", &facts.target_name, Some(&facts.session), None);
    }
}

fn functions(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    let list = |set: &BTreeSet<Function>| set.iter().map(|f| f.as_str()).collect::<Vec<_>>().join(", ");
    for facts in sessions {
        let planned = plan.content.target(&facts.target).map(|used| used.functions.clone()).unwrap_or_default();
        let verdict = if facts.functions.is_subset(&planned) { Verdict::Match } else { Verdict::NotPlanned };
        rows.add(Item::Function, verdict, &list(&planned), &list(&facts.functions), Some(&facts.session), None);
    }
}

fn commands(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    let planned: Vec<Vec<&str>> = plan.content.commands.iter().map(|line| line.split_whitespace().collect()).filter(|words: &Vec<&str>| !words.is_empty()).collect();
    if planned.is_empty() {
        return;
    }
    let mut done = vec![false; planned.len()];
    for facts in sessions {
        for command in &facts.commands {
            let words: Vec<&str> = command.text.split_whitespace().collect();
            if words.is_empty() {
                continue;
            }
            // A planned line covers every command that begins with its words: `systemctl restart` covers any unit.
            // It covers nothing that the shell would run besides: `systemctl restart app; rm -rf /data` begins alike.
            let covers = |plan: &Vec<&str>| match words.strip_prefix(plan.as_slice()) {
                Some([]) => !command.text.trim().contains(['\n', '\r']),
                Some(rest) => is_one_command(&command.text, rest),
                None => false,
            };
            let hit = planned.iter().position(covers);
            match hit {
                Some(index) => {
                    let line = planned.get(index).map(|words| words.join(" ")).unwrap_or_default();
                    if let Some(seen) = done.get_mut(index) {
                        *seen = true;
                    }
                    rows.add(Item::Command, Verdict::Match, &line, &command.text, Some(&facts.session), Some(command.at_ms));
                }
                // A planned look at the shell was found above and counts as done; an unplanned one is not worth a row.
                None if is_harmless(&command.text, &words) => {}
                None => rows.add(Item::Command, Verdict::NotPlanned, "", &command.text, Some(&facts.session), Some(command.at_ms)),
            }
        }
    }
    for (words, _) in planned.iter().zip(done).filter(|(_, seen)| !seen) {
        rows.add(Item::Command, Verdict::NotDone, &words.join(" "), "", None, None);
    }
}

/// Whether these words of a command are plain arguments: nothing that joins, redirects or substitutes.
fn is_one_command(text: &str, words: &[&str]) -> bool {
    // A line break ends a command as a semicolon does, and is lost once the text is taken apart into words.
    !text.trim().contains(['\n', '\r']) && words.iter().all(|word| !word.contains(['|', '>', '<', ';', '&', '`', '$', '(']))
}

/// Commands that only look around the shell itself, with any arguments.
pub const HARMLESS: [&str; 6] = ["exit", "logout", "cd", "ls", "pwd", "id"];

/// Commands that only look as long as they stand alone: with arguments these set what they otherwise show, or delete it.
pub const HARMLESS_ALONE: [&str; 6] = ["whoami", "clear", "history", "hostname", "uptime", "date"];

/// Whether a command only looks around the shell itself; listing those would bury what matters. Pages name them.
fn is_harmless(text: &str, words: &[&str]) -> bool {
    let looks = match words {
        [first, rest @ ..] if HARMLESS_ALONE.contains(first) => rest.iter().all(|word| *first == "date" && word.starts_with('+')),
        [first, ..] => HARMLESS.contains(first),
        [] => true,
    };
    looks && is_one_command(text, words)
}

fn files(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    let mut brought = vec![false; plan.content.bring_in.len()];
    for facts in sessions {
        let switched_on = plan.content.target(&facts.target).map(|used| used.files.clone()).unwrap_or_default();
        for file in &facts.files {
            // Copying programs set mode and time of what they have just brought; that is part of the bringing.
            let brought_here = |other: &FileSeen| other.op == "put" && other.path == file.path;
            if file.op == "setattr" && facts.files.iter().any(brought_here) {
                continue;
            }
            // Who looks into a folder has moved nothing; as with `ls`, listing it would bury what matters.
            if file.op == "list" {
                continue;
            }
            // What moved bytes happened, also if the target reported a failure at the end or never answered. What failed
            // before it changed anything is held against the right to try it, and against no list of names.
            if !granted::happened(file) && file.op != PUT_REFUSED {
                let right = granted::right_of(&file.op);
                let (verdict, planned) = match right.filter(|right| switched_on.contains(right)) {
                    Some(right) => (Verdict::Match, format!("{RIGHT}{}", right.as_str())),
                    None => (Verdict::NotPlanned, String::new()),
                };
                rows.add(Item::File, verdict, &planned, &format!("{} {} ({FAILED})", file.op, file.path), Some(&facts.session), Some(file.at_ms));
                continue;
            }
            let actual = match &file.sha256 {
                Some(hash) => format!("{} {} ({} bytes, SHA-256 {}…)", file.op, file.path, file.bytes, hash.get(..12).unwrap_or(hash)),
                None => format!("{} {} ({} bytes)", file.op, file.path, file.bytes),
            };
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            let expected = plan.content.bring_in.iter().position(|planned| planned.name == name);
            let (verdict, planned) = match (file.op.as_str(), expected.and_then(|index| plan.content.bring_in.get(index).map(|f| (index, f)))) {
                ("put" | "rsync-put", Some((index, planned))) => {
                    if let Some(seen) = brought.get_mut(index) {
                        *seen = true;
                    }
                    let same = planned.sha256.is_empty() || file.sha256.as_deref().is_some_and(|hash| hash.eq_ignore_ascii_case(&planned.sha256));
                    (if same { Verdict::Match } else { Verdict::Different }, planned.name.clone())
                }
                // It was sent and did not reach the target, so it is neither brought nor unsaid.
                (PUT_REFUSED, Some((index, planned))) => {
                    if let Some(seen) = brought.get_mut(index) {
                        *seen = true;
                    }
                    (Verdict::NotDone, planned.name.clone())
                }
                ("get" | "rsync-get", _) => match &plan.content.carry_out {
                    Some(out) => (Verdict::Match, out.fields.clone()),
                    None => (Verdict::NotPlanned, String::new()),
                },
                // No plan lists what will be deleted or renamed; the right to do it is what was approved.
                ("remove" | "rmdir" | "rename" | "mkdir", _) => match granted::right_of(&file.op).filter(|right| switched_on.contains(right)) {
                    Some(right) => (Verdict::Match, format!("{RIGHT}{}", right.as_str())),
                    None => (Verdict::NotPlanned, String::new()),
                },
                _ => (Verdict::NotPlanned, String::new()),
            };
            let verdict = if file.ok || verdict != Verdict::Match { verdict } else { Verdict::Different };
            rows.add(Item::File, verdict, &planned, &actual, Some(&facts.session), Some(file.at_ms));
        }
    }
    for facts in sessions {
        let switched_on = plan.content.target(&facts.target).map(|used| used.files.clone()).unwrap_or_default();
        let planned: Vec<&str> = switched_on.iter().map(|right| right.as_str()).collect();
        for seen in &facts.refused {
            let actual = format!("{} {} times: {}", seen.code, seen.times, seen.ask);
            rows.add(Item::Refused, Verdict::NotPlanned, &planned.join(", "), &actual, Some(&facts.session), Some(seen.at_ms));
        }
    }
    for (planned, _) in plan.content.bring_in.iter().zip(brought).filter(|(_, seen)| !seen) {
        rows.add(Item::File, Verdict::NotDone, &planned.name, "", None, None);
    }
}

/// The row on personal data. It can be compared once the report declares what was used; before that there is none.
#[must_use]
pub fn personal_data(plan: &Plan) -> Option<Finding> {
    let report = plan.report.as_ref()?;
    let planned = plan.content.personal_data.as_ref().map(|data| data.whose.clone()).unwrap_or_default();
    let verdict = match (plan.content.personal_data.is_some(), report.content.personal_data_used) {
        (false, true) => Verdict::NotPlanned,
        // Permission that was not needed is no deviation.
        _ => Verdict::Match,
    };
    let mut rows = Rows(Vec::new());
    rows.add(Item::PersonalData, verdict, &planned, &report.content.personal_data_detail, None, None);
    rows.0.pop()
}

/// The rows of the work diary, one for each session on a target without a log. They can be compared once there is a report.
#[must_use]
pub fn diary(plan: &Plan, sessions: &[SessionFacts]) -> Vec<Finding> {
    let Some(report) = &plan.report else { return Vec::new() };
    let mut rows = Rows(Vec::new());
    for facts in sessions.iter().filter(|facts| facts.diary) {
        let planned = format!("{} {} {}", facts.target_name, facts.person_name, facts.started.minute());
        let text = report.content.diary.iter().find(|entry| entry.session == facts.session).map_or("", |entry| entry.text.trim());
        let verdict = if text.chars().any(is_written) { Verdict::Match } else { Verdict::NotDone };
        rows.add(Item::Diary, verdict, &planned, text, Some(&facts.session), None);
    }
    rows.0
}

/// True for letters, digits, kana and kanji, which words are written with. Points, long vowels alone and signs that nobody sees are no diary.
fn is_written(c: char) -> bool {
    // The fillers of Hangul are letters by their class, and blank; the sound marks and long vowels say nothing alone.
    c.is_alphanumeric() && !matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | 'ー' | 'ｰ' | '\u{309b}'..='\u{309f}' | '\u{ff9e}' | '\u{ff9f}')
}

fn endings(sessions: &[SessionFacts], rows: &mut Rows) {
    for facts in sessions {
        let cause = facts.cause.as_deref().unwrap_or("running");
        let verdict = if cause == "closed" { Verdict::Match } else { Verdict::Different };
        rows.add(Item::Ending, verdict, "closed", cause, Some(&facts.session), None);
        if facts.unread {
            // Commands and files of the last moments may be missing from all rows above: somebody has to open the recording and look.
            rows.add(Item::Ending, Verdict::Different, "closed", "unread", Some(&facts.session), None);
        }
    }
}

#[cfg(test)]
#[path = "reconcile_test.rs"]
mod tests;
