//! 却下: the end of an application.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/reject.html", title: "do.reject", action: Action::ApprovePlan, act: "reject" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/reject", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    act::done(&call, PlanAct::Reject { reason: act::reason(&call) }).await
}
