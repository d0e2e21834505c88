//! 事後承認 of emergency work.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/after_fact.html", title: "do.decide_after_fact", action: Action::ApproveAfterFact, act: "decide_after_fact" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/after_fact", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    let approved = call.form().parse("decision", |text| match text {
        "approve" => Some(true),
        "refuse" => Some(false),
        _ => None,
    })?;
    act::done(&call, PlanAct::DecideAfterFact { approved, reason: act::reason(&call) }).await
}
