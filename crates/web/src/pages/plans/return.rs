//! 差戻し: back to the applicant for correction.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/return.html", title: "do.return", action: Action::ApprovePlan, act: "return" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/return", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    act::done(&call, PlanAct::Return { reason: act::reason(&call) }).await
}
