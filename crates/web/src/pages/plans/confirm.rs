//! 確認: the planner closes the job after reading the report.

use super::act::{self, Verb};
use super::{matters, told};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/confirm.html", title: "plans.confirm.title", action: Action::ConfirmReport, act: "confirm" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/confirm", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let matters = value(matters::of(&call, &view).await?);
    VERB.ask_with(call, &view, context! { matters })
}

async fn submit(call: Call) -> Reply {
    act::done(&call, PlanAct::Confirm).await
}
