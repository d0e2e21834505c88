//! 延長: asking for a longer window, and deciding on it.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::time::Timestamp;

const VERB: Verb = Verb { template: "plans/extension.html", title: "do.ask_extension", action: Action::AskExtension, act: "ask_extension" };

const DECIDE: Verb = Verb { template: "plans/extension/decide.html", title: "do.decide_extension", action: Action::DecideExtension, act: "decide_extension" };

pub(super) fn routes() -> Vec<Route> {
    let mut routes = act::pair("/plans/{id}/extension", &VERB, ask, submit);
    routes.extend(act::pair("/plans/{id}/extension/decide", &DECIDE, ask_decision, decide));
    routes
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    let until = call.form().parse("until", Timestamp::parse_local)?;
    act::done(&call, PlanAct::AskExtension { until, reason: act::reason(&call) }).await
}

async fn ask_decision(call: Call) -> Reply {
    DECIDE.ask(call, context! {}).await
}

async fn decide(call: Call) -> Reply {
    let allowed = call.form().parse("decision", |text| match text {
        "allow" => Some(true),
        "refuse" => Some(false),
        _ => None,
    })?;
    act::done(&call, PlanAct::DecideExtension { allowed }).await
}
