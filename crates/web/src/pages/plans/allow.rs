//! 緊急作業の許可: for whoever is on duty at night.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/allow.html", title: "plans.allow.title", action: Action::AllowEmergency, act: "allow_emergency" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/allow", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    let hours = call.form().parse("hours", |text| text.parse().ok())?;
    act::done(&call, PlanAct::AllowEmergency { hours }).await
}
