//! What a plan lets a worker do, in words: for the approver at a glance, for the worker to the letter.

use super::view::Names;
use super::written;
use crate::words::{self, Lang};
use sekisho_core::command::Loosened;
use sekisho_core::plan::content::{PlanContent, TargetUse};
use sekisho_core::target::{FileRight, Function, Witness};
use serde::Serialize;

/// A target of the plan.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct TargetView {
    pub id: String,
    pub name: String,
    pub title: String,
    pub account: String,
    pub privileged: bool,
    pub functions: Vec<&'static str>,
    /// What may be done with files, each with its limit if it has one.
    pub rights: Vec<String>,
    pub forwards: Vec<ForwardView>,
    pub key_window: bool,
    /// What the target demands of a witness by itself; empty if nothing.
    pub witness: &'static str,
    /// Which uploads wait until the hospital lets them pass; empty if none, or if none may be sent.
    pub quarantine: &'static str,
    /// Ends of the keys of the words for what is more than ordinary (大きな権限).
    pub grave: Vec<&'static str>,
}

/// A place that forwards may reach.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ForwardView {
    pub place: String,
    pub full: bool,
}

/// Rules of a class that one rule of the plan makes laxer.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct LoosenedView {
    pub class: &'static str,
    /// The plan's rule, and what it makes of a command.
    pub by: String,
    pub to: &'static str,
    /// What the class wants.
    pub act: &'static str,
    pub patterns: Vec<String>,
}

/// A command rule of the plan.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct RuleView {
    pub pattern: String,
    pub act: &'static str,
    pub reason: String,
}

/// One target.
pub(super) fn target(used: &TargetUse, names: &Names, lang: Lang) -> TargetView {
    let named = names.targets.get(&used.target).cloned();
    let known = named.unwrap_or_else(|| super::view::NamedTarget { name: used.target.to_string(), ..Default::default() });
    let (account, privileged) = names.accounts.get(&used.account).cloned().unwrap_or_default();
    TargetView {
        id: used.target.to_string(),
        name: known.name,
        title: known.title,
        account,
        privileged,
        functions: used.functions.iter().map(|function| function.as_str()).collect(),
        rights: used.files.iter().map(|right| self::right(used, *right, lang)).collect(),
        forwards: used.forwards.iter().map(|to| ForwardView { place: format!("{}:{}", to.host, to.port), full: to.full }).collect(),
        key_window: used.key_window,
        witness: if known.witness.is_none() { "" } else { known.witness.as_str() },
        quarantine: if known.quarantine.is_never() || !used.files.contains(&FileRight::Upload) { "" } else { known.quarantine.as_str() },
        grave: grave(used, privileged, known.personal_data),
    }
}

/// A right with its limit: `送信(100.0 MB・10 ファイルまで)`.
fn right(used: &TargetUse, right: FileRight, lang: Lang) -> String {
    let word = words::word(lang, &format!("right.{}", right.as_str()));
    let (bytes, files) = match right {
        FileRight::Upload => (used.limits.upload_bytes, used.limits.upload_files),
        FileRight::Download => (used.limits.download_bytes, used.limits.download_files),
        FileRight::Delete | FileRight::Rename => (None, None),
    };
    let files = files.map(|files| words::word_with(lang, "plans.n_files", &[("n", &files.to_string())]));
    let figures: Vec<String> = bytes.map(written::size).into_iter().chain(files).collect();
    if figures.is_empty() {
        return word;
    }
    let most = figures.join(if lang == Lang::Ja { "・" } else { ", " });
    words::word_with(lang, "plans.right_limited", &[("right", &word), ("most", &most)])
}

/// What an approver should see before anything else: what cannot be undone, what leads elsewhere, what takes data out.
fn grave(used: &TargetUse, privileged: bool, personal_data: bool) -> Vec<&'static str> {
    let takes = used.files.contains(&FileRight::Download) && used.limits.download_bytes.is_none();
    [
        (privileged, "privileged"),
        (used.files.contains(&FileRight::Delete), "delete"),
        (takes && personal_data, "download"),
        (used.functions.contains(&Function::Forward), "forward"),
        (used.key_window, "key_window"),
    ]
    .into_iter()
    .filter_map(|(is, name)| is.then_some(name))
    .collect()
}

/// The end of the key of the words for what the plan says of a witness.
pub(super) fn witness(content: &PlanContent) -> &'static str {
    match content.witness {
        Witness::None if content.supervision => "wish",
        degree => degree.as_str(),
    }
}

/// The plan's own rules.
pub(super) fn rules(content: &PlanContent) -> Vec<RuleView> {
    content.rules.iter().map(|rule| RuleView { pattern: rule.pattern.clone(), act: rule.act.as_str(), reason: rule.reason.clone() }).collect()
}

/// Rules of classes that the plan makes laxer, by the plan's rule and what becomes of what.
pub(super) fn loosened(all: &[Loosened]) -> Vec<LoosenedView> {
    let mut views: Vec<LoosenedView> = Vec::new();
    for one in all {
        let known = views.iter_mut().find(|view| (view.class, view.by.as_str(), view.to, view.act) == (one.class.as_str(), one.by.as_str(), one.to.as_str(), one.act.as_str()));
        match known {
            Some(view) => view.patterns.push(one.pattern.clone()),
            None => views.push(LoosenedView {
                class: one.class.as_str(),
                by: one.by.clone(),
                to: one.to.as_str(),
                act: one.act.as_str(),
                patterns: vec![one.pattern.clone()],
            }),
        }
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::plans::sample;
    use sekisho_core::plan::state::PlanState;
    use sekisho_core::target::TransferLimits;

    #[test]
    fn what_is_more_than_ordinary_is_marked_and_a_limit_is_told() {
        let mut used = sample::plan(PlanState::Submitted).content.targets.remove(0);
        used.functions = [Function::Shell].into();
        used.files.clear();
        used.key_window = false;
        assert_eq!(grave(&used, false, true), Vec::<&str>::new());
        used.functions.extend([Function::Sftp, Function::Forward]);
        used.files = FileRight::ALL.into();
        used.key_window = true;
        assert_eq!(grave(&used, true, true), ["privileged", "delete", "download", "forward", "key_window"]);
        used.limits = TransferLimits { download_bytes: Some(100_000_000), download_files: Some(10), ..TransferLimits::default() };
        assert_eq!(grave(&used, true, true), ["privileged", "delete", "forward", "key_window"]);
        assert_eq!(right(&used, FileRight::Download, Lang::Ja), "取得(100.0 MB・10 ファイルまで)");
        assert_eq!(right(&used, FileRight::Upload, Lang::Ja), "送信");
    }
}
