//! 作業計画書: the plan on A4.

use super::told;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/plans/{id}/print", Access::May(Action::ReadPlan), print)]
}

async fn print(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let plan = told::page(&call.ctx, &view)?;
    let title = format!("{} {}", call.ctx.t("print.plan_title"), plan.number);
    call.page_titled("print/plan.html", &title, context! { plan => value(plan) })
}
