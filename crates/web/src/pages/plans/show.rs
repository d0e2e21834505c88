//! The page of a plan: where it stands, what the reader must do, everything that was planned, done and decided.

use super::told;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::state::PlanState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/plans/{id}", Access::May(Action::ReadPlan), show)]
}

pub(super) async fn show(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let plan = told::page(&call.ctx, &view)?;
    // A file attached to an approved plan would take its approvals away; that is what 修正 is for.
    let can_attach = view.allowed.contains(&"edit") && view.plan.state != PlanState::Approved;
    let broken = !view.signatures_hold;
    let mut windows = crate::pages::account::key_windows::open(&call.ctx).await?;
    windows.retain(|window| window.plan == plan.id);
    let (may_cut, can_search) = (call.ctx.may(Action::CutSession), call.ctx.may(Action::SearchRecords));
    // Whoever has nothing to do is told whom the plan waits for, and why an act that they look for is not there.
    let running = plan.sessions.iter().filter(|line| line.running).count();
    let finish_waits = matches!(view.plan.state, PlanState::InProgress | PlanState::Emergency) && running > 0 && call.ctx.may(Action::FinishWork);
    let approval_waits = (view.plan.state == PlanState::Submitted && !plan.is_emergency && !view.allowed.contains(&"approve")).then(|| plan.missing.first().copied()).flatten();
    let title = format!("{} {}", plan.number, plan.title);
    let holds = call.ctx.store().holds_of_plan(&view.plan.id).await.map_err(sekisho_store::Denied::from)?;
    call.page_titled("plans/show.html", &title, context! { holds => crate::pages::holds::marks(&call.ctx, &holds), can_hold => call.ctx.may(Action::PlaceHold), plan => value(plan), can_attach, broken, windows => value(windows), running, finish_waits, approval_waits, may_cut, can_search, can_take_evidence => call.ctx.may(Action::TakeEvidence) })
}
