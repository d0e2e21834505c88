//! 照合: reasons by the vendor, decisions by the hospital, all on one page and in one sending.

use super::told;
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::reconcile::{Decision, Verdict};
use sekisho_core::refusal::Refusal;
use std::collections::BTreeMap;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/plans/{id}/reconcile", Access::May(Action::ReadPlan), show),
        // Whoever may give reasons or decisions may read; each single act asks for its own right in the store.
        Route::form("/plans/{id}/reconcile", Access::May(Action::ReadPlan), submit).again(show),
    ]
}

async fn show(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let plan = told::page(&call.ctx, &view)?;
    let may = |act: &str| view.allowed.contains(&act);
    let form = call.typed_or(Form::default());
    let missing = if call.problem.is_some() { gaps(&view.plan, &form, may("decide_finding")) } else { BTreeMap::new() };
    let typed: BTreeMap<String, String> = form.pairs().iter().cloned().collect();
    call.page(
        "plans/reconcile.html",
        "plans.reconcile.title",
        context! {
            plan => value(plan),
            typed => value(typed),
            missing => value(missing),
            can_explain => may("explain_finding"),
            can_decide => may("decide_finding"),
            // Finishing is offered before the last row is decided, because it comes with the rows of the same form.
            can_finish => may("finish_reconcile") || (may("decide_finding") && view.plan.state != sekisho_core::plan::state::PlanState::Confirm),
        },
    )
}

fn decision(text: &str) -> Option<Decision> {
    match text {
        "no_problem" => Some(Decision::NoProblem),
        "correct" => Some(Decision::Correct),
        "incident" => Some(Decision::Incident),
        _ => None,
    }
}

/// The acts that a form asks for: one for each row that differs from what the plan holds.
///
/// # Errors
/// [`Refusal::BadField`] for a decision that is none, [`Refusal::ReasonNeeded`] for one without a reason.
pub(super) fn acts(plan: &Plan, form: &Form) -> Result<Vec<PlanAct>, Stop> {
    let mut acts = Vec::new();
    for (index, finding) in plan.findings.iter().enumerate().filter(|(_, finding)| finding.verdict != Verdict::Match) {
        let reason = form.text(&format!("reason.{index}")).to_owned();
        let name = format!("decision.{index}");
        let chosen = form.parse_opt(&name, decision)?;
        match chosen {
            Some(decision) if finding.decision != Some(decision) || (!reason.is_empty() && reason != finding.reason) => {
                if reason.is_empty() && finding.reason.trim().is_empty() {
                    return Err(Refusal::ReasonNeeded.into());
                }
                acts.push(PlanAct::DecideFinding { index, decision, reason });
            }
            None if !reason.is_empty() && reason != finding.reason => acts.push(PlanAct::ExplainFinding { index, reason }),
            _ => {}
        }
    }
    Ok(acts)
}

/// What a form that came back still lacks: by the name of the field, the key of the words for it.
fn gaps(plan: &Plan, form: &Form, decides: bool) -> BTreeMap<String, &'static str> {
    let mut gaps = BTreeMap::new();
    for (index, finding) in plan.findings.iter().enumerate().filter(|(_, finding)| finding.verdict != Verdict::Match) {
        let (reason, choice) = (format!("reason.{index}"), format!("decision.{index}"));
        let chosen = !form.text(&choice).is_empty() || finding.decision.is_some();
        let said = !form.text(&reason).is_empty() || !finding.reason.trim().is_empty();
        if chosen && !said {
            gaps.insert(reason, "plans.reconcile.reason_missing");
        }
        if decides && !chosen && form.text("then") == "finish" {
            gaps.insert(choice, "plans.reconcile.decision_missing");
        }
    }
    gaps
}

async fn submit(call: Call) -> Reply {
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let mut plan = told::view(&call).await?.plan;
    let version: u64 = call.form().parse("version", |text| text.parse().ok())?;
    if version != plan.version {
        return Err(Refusal::ChangedMeanwhile.into());
    }
    for act in acts(&plan, call.form())? {
        plan = store.act_on_plan(actor, &plan.id, act, Some(plan.version)).await?;
    }
    if call.form().text("then") == "finish" {
        plan = store.act_on_plan(actor, &plan.id, PlanAct::FinishReconcile, Some(plan.version)).await?;
        return call.done(&format!("/plans/{}", plan.id), "plans.done.finish_reconcile");
    }
    call.done(&format!("/plans/{}/reconcile", plan.id), "plans.done.reconcile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::plans::sample;
    use sekisho_core::plan::state::PlanState;

    #[test]
    fn a_form_that_came_back_tells_each_field_that_it_lacks() {
        let mut plan = sample::plan(PlanState::Reconcile);
        for row in &mut plan.findings {
            row.reason.clear();
            row.decision = None;
        }
        let open: Vec<usize> = plan.findings.iter().enumerate().filter(|(_, row)| row.is_open()).map(|(index, _)| index).collect();
        let [first, second, third, ..] = open.as_slice() else { panic!("{open:?}") };
        let pairs = [(format!("decision.{first}"), "no_problem"), (format!("decision.{second}"), "correct"), (format!("reason.{second}"), "手順の変更"), ("then".to_owned(), "save")];
        let form = |then: &str| Form::of(pairs.iter().map(|(name, text)| (name.as_str(), if name == "then" { then } else { text })));
        assert_eq!(gaps(&plan, &form("save"), true).keys().collect::<Vec<_>>(), [&format!("reason.{first}")], "what was left alone may wait");
        let finishing = gaps(&plan, &form("finish"), true);
        assert!(finishing.contains_key(&format!("decision.{third}")) && finishing.contains_key(&format!("reason.{first}")));
        assert!(!finishing.keys().any(|name| name.ends_with(&format!(".{second}"))), "{finishing:?}");
    }
}
