//! What the plan switched on, against what was used: file rights, volumes, forwards, key windows, witnesses, pauses.
//!
//! Values stand in a short form of our own, which pages write out in the reader's language: names of rights, `upload
//! 1200 B, 3 files`, `db01:5432 3 times, 10 B up, 20 B down`, `2 times, 63 s`.

use super::{FileSeen, Item, PUT_REFUSED, Rows, SessionFacts, Verdict};
use crate::plan::Plan;
use crate::plan::content::TargetUse;
use crate::target::{FileRight, Witness};
use std::collections::BTreeSet;

pub(super) fn compare(plan: &Plan, sessions: &[SessionFacts], rows: &mut Rows) {
    for facts in sessions {
        let used = plan.content.target(&facts.target);
        rights(used, facts, rows);
        volumes(used, facts, rows);
        forwards(used, facts, rows);
        if facts.key_window {
            let planned = used.is_some_and(|used| used.key_window);
            let verdict = if planned { Verdict::Match } else { Verdict::NotPlanned };
            rows.add(Item::KeyWindow, verdict, if planned { "allowed" } else { "" }, "used", Some(&facts.session), None);
        }
        witnesses(plan, facts, rows);
        if facts.pauses > 0 {
            let actual = format!("{} times, {} s", facts.pauses, facts.paused_ms / 1000);
            rows.add(Item::Pause, Verdict::NotPlanned, "", &actual, Some(&facts.session), facts.paused_at_ms);
        }
    }
}

/// True for what happened to a file: bytes that moved count, also if the target reported a failure at the end.
pub(super) fn happened(file: &FileSeen) -> bool {
    file.ok || file.bytes > 0
}

/// The right that an operation needs; `None` for what only looks.
pub(super) fn right_of(op: &str) -> Option<FileRight> {
    Some(match op {
        "get" | "rsync-get" => FileRight::Download,
        "put" | PUT_REFUSED | "rsync-put" | "mkdir" | "symlink" | "copy" | "setattr" => FileRight::Upload,
        "remove" | "rmdir" => FileRight::Delete,
        "rename" | "hardlink" => FileRight::Rename,
        _ => return None,
    })
}

impl FileSeen {
    /// Content left the target, whatever the protocol calls it.
    #[must_use]
    pub fn takes_out(&self) -> bool {
        self.bytes > 0 && moves(&self.op) == Some(FileRight::Download)
    }

    /// Content came onto the target.
    #[must_use]
    pub fn brings_in(&self) -> bool {
        self.bytes > 0 && moves(&self.op) == Some(FileRight::Upload)
    }
}

/// The direction in which an operation moves content: the one place that says so.
fn moves(op: &str) -> Option<FileRight> {
    right_of(op).filter(|_| matches!(op, "get" | "put" | "rsync-get" | "rsync-put"))
}

fn rights(used: Option<&TargetUse>, facts: &SessionFacts, rows: &mut Rows) {
    let done: BTreeSet<FileRight> = facts.files.iter().filter(|file| happened(file)).filter_map(|file| right_of(&file.op)).collect();
    if done.is_empty() {
        return;
    }
    let planned = used.map(|used| used.files.clone()).unwrap_or_default();
    let list = |set: &BTreeSet<FileRight>| set.iter().map(|right| right.as_str()).collect::<Vec<_>>().join(", ");
    let verdict = if done.is_subset(&planned) { Verdict::Match } else { Verdict::NotPlanned };
    rows.add(Item::Rights, verdict, &list(&planned), &list(&done), Some(&facts.session), None);
}

fn volumes(used: Option<&TargetUse>, facts: &SessionFacts, rows: &mut Rows) {
    let Some(limits) = used.map(|used| used.limits) else { return };
    let directions = [
        ("upload", FileRight::Upload, limits.upload_bytes, limits.upload_files),
        ("download", FileRight::Download, limits.download_bytes, limits.download_files),
    ];
    for (name, right, bytes, files) in directions {
        if bytes.is_none() && files.is_none() {
            continue;
        }
        let moved: Vec<&FileSeen> = facts.files.iter().filter(|file| moves(&file.op) == Some(right) && happened(file)).collect();
        let (sum, count) = (moved.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes)), moved.len() as u64);
        let within = bytes.is_none_or(|limit| sum <= limit) && files.is_none_or(|limit| count <= limit);
        let figure = |value: Option<u64>, unit: &str| value.map(|value| format!("{value} {unit}"));
        let planned: Vec<String> = [figure(bytes, "B"), figure(files, "files")].into_iter().flatten().collect();
        let verdict = if within { Verdict::Match } else { Verdict::Different };
        rows.add(Item::Volume, verdict, &format!("{name} {}", planned.join(", ")), &format!("{name} {sum} B, {count} files"), Some(&facts.session), None);
    }
}

fn forwards(used: Option<&TargetUse>, facts: &SessionFacts, rows: &mut Rows) {
    for seen in &facts.forwards {
        let places = used.map(|used| used.forwards.as_slice()).unwrap_or_default();
        let planned = places.iter().map(|to| format!("{}:{}", to.host, to.port)).find(|place| place.eq_ignore_ascii_case(&seen.place));
        let verdict = if planned.is_some() { Verdict::Match } else { Verdict::NotPlanned };
        let actual = format!("{} {} times, {} B up, {} B down", seen.place, seen.times, seen.to_target, seen.to_worker);
        rows.add(Item::Forward, verdict, planned.as_deref().unwrap_or_default(), &actual, Some(&facts.session), Some(seen.at_ms));
    }
}

fn witnesses(plan: &Plan, facts: &SessionFacts, rows: &mut Rows) {
    let demanded = plan.content.witness.max(facts.witness);
    let there = facts.witnesses.join(", ");
    if demanded.is_none() && (!plan.content.supervision || there.is_empty()) {
        return;
    }
    let planned = if demanded.is_none() { "wish" } else { demanded.as_str() };
    let verdict = if demanded > Witness::None && there.is_empty() { Verdict::NotDone } else { Verdict::Match };
    rows.add(Item::Witness, verdict, planned, &there, Some(&facts.session), None);
}
