//! 承認: technical check or final approval, over the digest of the plan that was shown.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::approval;
use super::view::slot_name;

const VERB: Verb = Verb { template: "plans/approve.html", title: "do.approve", action: Action::ApprovePlan, act: "approve" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/approve", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    let view = super::told::view(&call).await?;
    let policy = call.ctx.store().policy();
    // The kind of the approval follows from the reader's role; a reader who may give none is told so by the form.
    let slot = approval::slot_for(&view.plan, call.ctx.actor()?, policy, &view.digest).ok().or_else(|| view.missing.first().copied());
    VERB.ask(call, context! { slot => slot.map_or("final", slot_name) }).await
}

async fn submit(call: Call) -> Reply {
    let digest = call.form().text("digest").to_owned();
    act::done(&call, PlanAct::Approve { digest }).await
}
