//! 修正: the same form over a plan that exists. A change of an approved plan asks for approval again.

use super::choices;
use super::form::{Errors, PlanForm};
use super::kept;
use super::new::{Sheet, UPLOAD_BYTES, after, judge, place, sheet};
use super::told;
use super::written;
use crate::call::Call;
use crate::form::Upload;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::context;
use minijinja::value::Value;
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::state::PlanState;
use sekisho_core::refusal::Refusal;
use sekisho_store::PlanView;
use serde::Serialize;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/plans/{id}/edit", Access::May(Action::WritePlan), show),
        Route::form("/plans/{id}/edit", Access::May(Action::WritePlan), submit).up_to(UPLOAD_BYTES),
    ]
}

#[derive(Serialize)]
struct Attached {
    name: String,
    size: String,
}

fn more(plan: &Plan) -> Value {
    let attachments: Vec<Attached> =
        plan.content.attachments.iter().map(|file| Attached { name: file.name.clone(), size: written::size(file.bytes) }).collect();
    let last = plan.trail.iter().rev().find(|entry| entry.act == "return");
    let returned = last.filter(|_| plan.state == PlanState::Returned).map(|entry| entry.remark.clone());
    context! {
        is_new => false,
        is_draft => matches!(plan.state, PlanState::Draft | PlanState::Returned),
        action => format!("/plans/{}/edit", plan.id),
        id => plan.id.as_str(),
        number => plan.number.as_str(),
        state => plan.state.as_str(),
        attachments => value(attachments),
        returned,
    }
}

async fn page(call: &Call, view: &PlanView, form: &PlanForm, errors: Errors, refusal: Option<Refusal>, files: Vec<Upload>) -> Reply {
    let all = call.ctx.store().choices(call.ctx.actor()?).await?;
    let vendor = all.vendors.iter().find(|of| of.vendor.id == view.plan.vendor).ok_or_else(Stop::not_found)?;
    let choices = choices::of(&call.ctx, &all, vendor);
    sheet(call, form, Sheet { vendor: &vendor.vendor, choices, errors, refusal, files, more: more(&view.plan) })
}

async fn show(call: Call) -> Reply {
    let view = told::view(&call).await?;
    if !view.allowed.contains(&"edit") {
        return Err(Refusal::WrongState { state: view.plan.state }.into());
    }
    let form = PlanForm::of(&view.plan.vendor, &view.plan.content, Some(view.plan.version));
    page(&call, &view, &form, Errors::new(), None, Vec::new()).await
}

async fn submit(call: Call) -> Reply {
    let view = told::view(&call).await?;
    let form = PlanForm::read(call.form().pairs());
    let (content, errors) = form.content(view.plan.content.attachments.clone());
    let brought = kept::brought(&call)?;
    let mut errors = judge(&call, &content, &brought, errors, call.ctx.now());
    let mut refusal = None;
    if errors.is_empty() {
        let version = form.expected_version().ok_or_else(|| Stop::bad_field("version"))?;
        let act = PlanAct::Edit { content: Box::new(content) };
        match call.ctx.store().act_on_plan(call.ctx.actor()?, &view.plan.id, act, Some(version)).await.map_err(Stop::from) {
            Ok(plan) => return after(&call, &plan.id, &brought.files, false).await,
            Err(Stop::Refused(refused)) => refusal = place(refused, &mut errors),
            Err(fault) => return Err(fault),
        }
    }
    page(&call, &view, &form, errors, refusal, brought.files).await
}
