//! 計画変更メモ: written down by the worker, accepted by the hospital.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::{Reply, Stop};
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/change.html", title: "do.note_change", action: Action::NoteChange, act: "note_change" };

pub(super) fn routes() -> Vec<Route> {
    let mut routes = act::pair("/plans/{id}/change", &VERB, ask, submit);
    routes.extend(act::press("/plans/{id}/change/{index}/accept", Action::AcceptChange, accept));
    routes
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    let text = call.form().text("text").replace("\r\n", "\n");
    act::done(&call, PlanAct::NoteChange { text }).await
}

async fn accept(call: Call) -> Reply {
    let index = call.param("index").parse().map_err(|_| Stop::not_found())?;
    act::done(&call, PlanAct::AcceptChange { index }).await
}
