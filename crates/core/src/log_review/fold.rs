//! Sections have an end: what is grave stands first and is not folded away, and whoever a folded line is about judges none of it.

use super::{ReviewedLine, Section, SectionCount};
use crate::limits;
use std::collections::BTreeMap;

/// Grave lines of a section that are shown one by one, as a multiple of the ordinary ones.
const GRAVE_ROOM: usize = 5;
/// Persons that one folded line is about at most, so that somebody is left to judge it.
const FOLD_PERSONS: usize = 20;
/// Names that a folded line tells.
const FOLD_NAMES: usize = 8;

/// A line, and what it weighs against others of its section.
pub(super) struct Weighed {
    /// The line.
    pub line: ReviewedLine,
    /// Nobody can bring a heap of these about unseen: it is shown by itself.
    pub grave: bool,
    /// The more, the earlier.
    pub weight: u64,
}

/// Brings the lines of one section into the order of their gravity, and folds what is beyond its room.
pub(super) fn fold(mut all: Vec<Weighed>, count: &mut SectionCount, into: &mut Vec<ReviewedLine>) {
    all.sort_by(|a, b| (b.grave, b.weight, a.line.at).cmp(&(a.grave, a.weight, b.line.at)));
    let (mut shown, mut rest, mut ordinary) = (Vec::new(), Vec::new(), 0);
    for Weighed { line, grave, .. } in all {
        let room = if grave { GRAVE_ROOM * limits::LOG_REVIEW_SECTION_LINES } else { limits::LOG_REVIEW_SECTION_LINES };
        let held = if grave { shown.len() } else { ordinary };
        if held < room {
            ordinary += usize::from(!grave);
            shown.push(line);
        } else {
            rest.push(line);
        }
    }
    // Those about the same persons lie beside each other, so that few lines are about many.
    rest.sort_by(|a, b| (&a.about, a.at).cmp(&(&b.about, b.at)));
    let mut more: Vec<(u64, Vec<String>, ReviewedLine)> = Vec::new();
    for line in rest {
        match more.last_mut() {
            Some((n, names, held)) if held.about.union(&line.about).count() <= FOLD_PERSONS => {
                *n += 1;
                held.entries += line.entries;
                held.at = held.at.min(line.at);
                held.about.extend(line.about);
                let free = limits::LOG_REVIEW_LINE_ENTRIES.saturating_sub(held.seqs.len());
                held.seqs.extend(line.seqs.into_iter().take(1.min(free)));
                if names.len() < FOLD_NAMES && !line.who.is_empty() && !names.contains(&line.who) {
                    names.push(line.who);
                }
            }
            _ => {
                let names = Some(line.who.clone()).filter(|who| !who.is_empty()).into_iter().collect();
                let seqs = line.seqs.iter().take(1).copied().collect();
                more.push((1, names, ReviewedLine { what: "more".into(), values: BTreeMap::new(), session: None, plan: None, vendor: None, who: String::new(), seqs, ..line }));
            }
        }
    }
    count.lines = (shown.len() + more.len()) as u64;
    into.extend(shown);
    into.extend(more.into_iter().map(|(n, names, mut line)| {
        line.values.extend([("n".to_owned(), n.to_string()), ("names".to_owned(), names.join("、"))]);
        line
    }));
}

/// Kinds of lines that are grave whatever their section.
pub(super) fn is_grave(section: Section, what: &str, values: &BTreeMap<String, String>) -> bool {
    matches!(section, Section::Emergency | Section::Around) || what == "refused_token" || values.get("level").is_some_and(|level| level == crate::alarm::Level::Critical.as_str())
}

