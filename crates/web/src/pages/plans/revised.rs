//! What a revised plan changed against the edition that the hospital had before it: field by field, what went and what came.

use super::powers::TargetView;
use super::shapes::ContentView;
use super::view::{self, Names};
use super::written;
use crate::words::{self, Lang};
use sekisho_core::plan::Plan;
use sekisho_core::plan::content::PlanContent;
use serde::Serialize;
use std::collections::BTreeMap;

/// The changes against an earlier edition.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct RevisedView {
    /// Number of the edition that is compared with.
    pub from: u32,
    pub rows: Vec<RevisedRow>,
}

/// One field that is not the same.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RevisedRow {
    /// Key of the field's label.
    pub label: &'static str,
    /// Lines or items that went.
    pub removed: Vec<String>,
    /// Lines or items that came.
    pub added: Vec<String>,
}

/// The fields of an edition in the order of the page: key of the label, and what the field holds, item by item.
type Fields = Vec<(&'static str, Vec<String>)>;

/// Compares the present edition with the one before, if there is one.
pub(super) fn revised(plan: &Plan, names: &Names, lang: Lang) -> Option<RevisedView> {
    let before = plan.before.as_deref()?;
    let (old, new) = (fields(&before.content, names, lang), fields(&plan.content, names, lang));
    let rows = old.into_iter().zip(new).filter_map(|((label, old), (_, new))| row(label, old, new)).collect();
    Some(RevisedView { from: before.revision, rows })
}

fn row(label: &'static str, old: Vec<String>, new: Vec<String>) -> Option<RevisedRow> {
    if old == new {
        return None;
    }
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for item in &new {
        *counts.entry(item).or_default() += 1;
    }
    let mut removed = Vec::new();
    for item in &old {
        let left = counts.entry(item).or_default();
        *left -= 1;
        if *left < 0 {
            removed.push(item.clone());
        }
    }
    let mut left: BTreeMap<&str, i64> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    let mut added = Vec::new();
    // Of items that stand there several times the last are the new ones.
    for item in new.iter().rev() {
        if let Some(count) = left.get_mut(item.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            added.push(item.clone());
        }
    }
    added.reverse();
    if removed.is_empty() && added.is_empty() {
        // The same items in another order: steps and commands mean something else then.
        return Some(RevisedRow { label, removed: old, added: new });
    }
    Some(RevisedRow { label, removed, added })
}

fn fields(content: &PlanContent, names: &Names, lang: Lang) -> Fields {
    let it = view::content(content, names, lang);
    let word = |key: &str| words::word(lang, key);
    let minutes = |n: u32| if n == 0 { word("plans.no_stop") } else { words::word_with(lang, "plans.minutes", &[("n", &n.to_string())]) };
    let personal = match &it.personal {
        Some((whose, why)) => vec![word("plans.personal_yes"), whose.clone(), why.clone()],
        None => vec![word("plans.personal_no")],
    };
    vec![
        ("plans.title", lines(&content.title)),
        ("plans.subcontractor", lines(&it.subcontractor)),
        ("plans.class", vec![word(&format!("class.{}", it.class))]),
        ("plans.emergency_reason", lines(&it.emergency_reason)),
        ("plans.purpose", lines(&it.purpose)),
        ("plans.targets", it.targets.iter().flat_map(|used| target(used, lang)).collect()),
        ("plans.privileged_reason", lines(&it.privileged_reason)),
        ("plans.window", vec![written::span(content.from, content.until, lang)]),
        ("plans.workers", it.workers.iter().map(|worker| if worker.org.is_empty() { worker.name.clone() } else { format!("{} / {}", worker.name, worker.org) }).collect()),
        ("plans.line", lines(&it.line)),
        ("plans.sources", it.sources.clone()),
        ("plans.supervision", vec![word(&format!("witness.{}", it.witness))]),
        ("plans.contact", lines(&it.contact)),
        ("plans.steps", lines(&it.steps)),
        ("plans.commands", it.commands.clone()),
        ("plans.unplanned", if it.unplanned.is_empty() { Vec::new() } else { vec![word(&format!("rule_act.{}", it.unplanned))] }),
        ("plans.rules", it.rules.iter().map(|rule| format!("{} → {} {}", rule.pattern, word(&format!("rule_act.{}", rule.act)), rule.reason).trim_end().to_owned()).collect()),
        ("plans.impact", lines(&it.impact)),
        ("plans.stop_minutes", vec![minutes(it.stop_minutes)]),
        ("plans.rollback", lines(&it.rollback)),
        ("plans.acceptance", lines(&it.acceptance)),
        ("plans.personal_data", personal),
        ("plans.carry_out", carry(&it, &word)),
        ("plans.files", it.files.iter().map(|(name, sha256, sanitised)| [name.as_str(), sanitised, sha256].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" / ")).collect()),
        ("plans.group.attachments", it.attachments.iter().map(|file| format!("{} ({}, SHA-256 {})", file.name, file.size, file.sha256)).collect()),
    ]
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A target with each of its switches as an item of its own, so that one switch more is one item more.
fn target(used: &TargetView, lang: Lang) -> Vec<String> {
    let word = |key: &str| words::word(lang, key);
    let name = if used.title.is_empty() { used.name.clone() } else { format!("{} ({})", used.title, used.name) };
    let item = |label: &str, text: &str| format!("{name} ・ {}: {text}", word(label));
    let mut items = vec![item("plans.account", &if used.privileged { format!("{} ({})", used.account, word("plans.privileged")) } else { used.account.clone() })];
    items.extend(used.functions.iter().map(|function| item("plans.functions", &word(&format!("function.{function}")))));
    items.extend(used.rights.iter().map(|right| item("plans.rights", right)));
    items.extend(used.forwards.iter().map(|to| item("plans.forwards", &if to.full { format!("{} ({})", to.place, word("plans.forward_full")) } else { to.place.clone() })));
    if used.key_window {
        items.push(item("plans.key_window", &word("key_window.allowed")));
    }
    items
}

fn carry(it: &ContentView, word: &dyn Fn(&str) -> String) -> Vec<String> {
    let Some(out) = &it.carry_out else { return vec![word("plans.carry_no")] };
    let pairs = [("plans.carry_purpose", &out.purpose), ("plans.carry_number", &out.number), ("plans.carry_fields", &out.fields), ("plans.carry_storage", &out.storage)];
    std::iter::once(word("plans.carry_yes")).chain(pairs.into_iter().map(|(label, text)| format!("{}: {text}", word(label)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_went_and_what_came_is_told_item_by_item() {
        let changed = row("x", items(&["a", "b", "b", "c"]), items(&["a", "b", "d", "d"])).unwrap();
        assert_eq!((changed.removed, changed.added), (items(&["b", "c"]), items(&["d", "d"])));
        assert_eq!(row("x", items(&["a"]), items(&["a"])), None);
        let turned = row("x", items(&["stop", "start"]), items(&["start", "stop"])).unwrap();
        assert_eq!((turned.removed, turned.added), (items(&["stop", "start"]), items(&["start", "stop"])));
    }
}
