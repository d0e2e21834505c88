//! The page of a plan: where it stands, what the reader must do, everything that was planned, done and decided.

use super::told;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/plans/{id}", Access::May(Action::ReadPlan), show)]
}

pub(super) async fn show(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let plan = told::page(&call.ctx, &view)?;
    let can_attach = view.allowed.contains(&"edit");
    let title = format!("{} {}", plan.number, plan.title);
    call.page_titled("plans/show.html", &title, context! { plan => value(plan), can_attach })
}
