//! 立会いとコマンド: the witness, what happens to commands that are not planned, and rules of the plan's own.

use super::{Errors, PlanForm, RuleRow, line};
use sekisho_core::command::{CommandRule, RuleAct};
use sekisho_core::plan::content::PlanContent;
use sekisho_core::target::Witness;

/// The wish for a witness, beside the degrees in which one is demanded.
const WISH: &str = "wish";

impl RuleRow {
    pub(super) fn blank() -> Self {
        Self { key: "0".into(), act: RuleAct::Hold.as_str().into(), ..Self::default() }
    }

    pub(super) fn of((index, rule): (usize, &CommandRule)) -> Self {
        Self { key: index.to_string(), pattern: rule.pattern.clone(), act: rule.act.as_str().into(), reason: rule.reason.clone() }
    }

    pub(super) fn read(&mut self, group: &str, value: &str) {
        match group {
            "rule_pattern" => self.pattern = line(value),
            "rule_act" => self.act = line(value),
            _ => self.reason = line(value),
        }
    }
}

/// The choice that shows what the plan says of a witness.
pub(super) fn witness_of(content: &PlanContent) -> String {
    let name = if content.witness.is_none() && content.supervision { WISH } else { content.witness.as_str() };
    name.to_owned()
}

/// Reads the group into the plan.
pub(super) fn read_into(form: &PlanForm, content: &mut PlanContent, errors: &mut Errors) {
    let mut bad = |field: &str| {
        errors.entry(field.to_owned()).or_insert("plans.error.choose");
    };
    match (form.witness.as_str(), Witness::parse(&form.witness)) {
        ("", _) => {}
        (WISH, _) => content.supervision = true,
        // Who must be there is asked to be there.
        (_, Some(degree)) => (content.witness, content.supervision) = (degree, !degree.is_none()),
        (_, None) => bad("witness"),
    }
    match RuleAct::parse(&form.unplanned) {
        Some(act) => content.unplanned = Some(act),
        None if form.unplanned.is_empty() => {}
        None => bad("unplanned"),
    }
    for row in form.rules.iter().filter(|row| !row.pattern.is_empty() || !row.reason.is_empty()) {
        match RuleAct::parse(&row.act) {
            Some(act) => content.rules.push(CommandRule { pattern: row.pattern.clone(), act, reason: row.reason.clone() }),
            None => bad("rules"),
        }
    }
}
