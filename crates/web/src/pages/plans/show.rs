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
    let title = format!("{} {}", plan.number, plan.title);
    call.page_titled("plans/show.html", &title, context! { plan => value(plan), can_attach, broken, windows => value(windows), may_cut, can_search })
}
