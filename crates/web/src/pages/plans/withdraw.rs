//! 取下げ by the vendor, 承認取消 by the hospital. A running session ends.

use super::act::{self, Verb};
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::context;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

const VERB: Verb = Verb { template: "plans/withdraw.html", title: "do.withdraw", action: Action::WithdrawPlan, act: "withdraw" };

pub(super) fn routes() -> Vec<Route> {
    act::pair("/plans/{id}/withdraw", &VERB, ask, submit)
}

async fn ask(call: Call) -> Reply {
    VERB.ask(call, context! {}).await
}

async fn submit(call: Call) -> Reply {
    act::done(&call, PlanAct::Withdraw { reason: act::reason(&call) }).await
}
