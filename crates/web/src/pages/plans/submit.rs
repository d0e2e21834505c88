//! 申請する, 作業を終了する, 副署する: acts of one button.

use super::act;
use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = act::press("/plans/{id}/submit", Action::WritePlan, submit);
    routes.extend(act::press("/plans/{id}/finish", Action::FinishWork, finish));
    routes.extend(act::press("/plans/{id}/countersign", Action::CountersignReport, countersign));
    routes
}

async fn submit(call: Call) -> Reply {
    act::done(&call, PlanAct::Submit).await
}

async fn finish(call: Call) -> Reply {
    act::done(&call, PlanAct::FinishWork).await
}

async fn countersign(call: Call) -> Reply {
    act::done(&call, PlanAct::Countersign).await
}
