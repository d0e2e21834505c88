//! 申請: a new plan, ordinary or in an emergency. Saved as a draft first, then submitted if that was asked.

use super::choices::{self, Choices};
use super::form::{self, Errors, ORDER, PlanForm};
use super::kept::{self, Brought};
use crate::call::{Call, Problem};
use crate::form::Upload;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::StatusCode;
use minijinja::context;
use minijinja::value::Value;
use sekisho_core::ids::{PlanId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::Vendor;
use sekisho_core::permission::Action;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::state::PlanState;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;

/// Files that one sending of the form may bring; more are attached on the page of the plan.
const FILES_AT_ONCE: usize = 3;

/// Largest body of a form with files.
pub(super) const UPLOAD_BYTES: usize = FILES_AT_ONCE * limits::ATTACHMENT_BYTES + limits::REQUEST_BYTES;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/plans/new", Access::May(Action::WritePlan), show),
        Route::form("/plans/new", Access::May(Action::WritePlan), submit).up_to(UPLOAD_BYTES),
    ]
}

/// One line of the list of errors above the form.
#[derive(Serialize)]
struct Mistake {
    href: String,
    text: String,
}

/// Everything that the page of the form needs besides the form.
pub(super) struct Sheet<'a> {
    pub vendor: &'a Vendor,
    pub choices: Choices,
    pub errors: Errors,
    pub refusal: Option<Refusal>,
    /// Files that the form brought and that wait for its next sending.
    pub files: Vec<Upload>,
    /// What the page of an existing plan adds.
    pub more: Value,
}

/// Shows the form.
pub(super) fn sheet(call: &Call, form: &PlanForm, sheet: Sheet<'_>) -> Reply {
    let ctx = &call.ctx;
    let mistakes: Vec<Mistake> = ORDER
        .iter()
        .filter_map(|field| sheet.errors.get(*field).map(|key| (field, key)))
        .map(|(field, key)| Mistake { href: format!("#f-{field}"), text: format!("{}: {}", ctx.t(&format!("field.{field}")), ctx.t(key)) })
        .collect();
    let (template, title) = if form.emergency { ("plans/emergency.html", "plans.emergency.title") } else { ("plans/form.html", "plans.new.title") };
    let wrong = !sheet.errors.is_empty() || sheet.refusal.is_some();
    let waiting = kept::wait(call, sheet.files)?;
    let mut response = call.page(
        template,
        title,
        context! {
            form => value(form),
            errors => value(&sheet.errors),
            summary => if mistakes.is_empty() { Value::UNDEFINED } else { value(mistakes) },
            refusal => sheet.refusal.map(|refusal| value(Problem::of(&refusal, ctx.lang))),
            choices => value(sheet.choices),
            classes => value(choices::classes(ctx)),
            waiting => waiting.map(|(number, files)| context! { number, files => value(files) }),
            vendor_name => sheet.vendor.name.as_str(),
            ..sheet.more
        },
    )?;
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

fn fresh() -> Value {
    context! { is_new => true, is_draft => true, action => "/plans/new", id => "", attachments => Vec::<String>::new() }
}

async fn show(call: Call) -> Reply {
    let all = call.ctx.store().choices(call.ctx.actor()?).await?;
    let emergency = call.query().text("emergency") == "1";
    let asked = VendorId::parse(call.query().text("vendor"));
    let Some(vendor) = choices::vendor(&all, asked.as_ref()) else {
        let vendors: Vec<(String, &str)> = all.vendors.iter().map(|of| (of.vendor.id.to_string(), of.vendor.name.as_str())).collect();
        return call.page("plans/vendor.html", "plans.new.title", context! { vendors => value(vendors), emergency });
    };
    let form = PlanForm::blank(Some(&vendor.vendor.id), emergency);
    let choices = choices::of(&call.ctx, &all, vendor);
    sheet(&call, &form, Sheet { vendor: &vendor.vendor, choices, errors: Errors::new(), refusal: None, files: Vec::new(), more: fresh() })
}

/// Errors of a form for what was asked: a draft may be incomplete, a submission may not.
pub(super) fn judge(call: &Call, content: &sekisho_core::plan::content::PlanContent, brought: &Brought, mut errors: Errors, now: Timestamp) -> Errors {
    if brought.lost {
        errors.insert("attachments".to_owned(), "plans.error.attachment_gone");
    }
    for file in &brought.files {
        if file.bytes.len() > limits::ATTACHMENT_BYTES {
            errors.insert("attachments".to_owned(), "plans.error.attachment");
        }
    }
    if call.form().text("then") == "submit" {
        for (field, why) in form::missing(content, now) {
            errors.entry(field).or_insert(why);
        }
    }
    errors
}

/// Splits a refusal of the rules into an error at its field and one for the whole form.
pub(super) fn place(refusal: Refusal, errors: &mut Errors) -> Option<Refusal> {
    match form::field_of(&refusal) {
        Some((field, why)) => {
            errors.insert(field.to_owned(), why);
            // The sentence at the field says it; where the refusal names a person or a target, its own words say more.
            refusal.detail().filter(|_| !matches!(refusal, Refusal::BadField { .. } | Refusal::TooMany { .. })).map(|_| refusal)
        }
        None => Some(refusal),
    }
}

async fn submit(call: Call) -> Reply {
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let form = PlanForm::read(call.form().pairs());
    let all = store.choices(actor).await?;
    let asked = form.vendor_id();
    let vendor = choices::vendor(&all, asked.as_ref()).ok_or_else(|| Stop::bad_field("vendor"))?;
    let (content, errors) = form.content(Vec::new());
    let brought = kept::brought(&call)?;
    let mut errors = judge(&call, &content, &brought, errors, call.ctx.now());
    let mut refusal = None;
    if errors.is_empty() {
        match store.draw_plan(actor, &vendor.vendor.id, content).await.map_err(Stop::from) {
            Ok(plan) => return after(&call, &plan.id, &brought.files, true).await,
            Err(Stop::Refused(refused)) => refusal = place(refused, &mut errors),
            Err(fault) => return Err(fault),
        }
    }
    let choices = choices::of(&call.ctx, &all, vendor);
    sheet(&call, &form, Sheet { vendor: &vendor.vendor, choices, errors, refusal, files: brought.files, more: fresh() })
}

/// After the content is saved: files, then the submission. What goes wrong from here on loses nothing that was typed,
/// because the plan is kept; the person finds it with a note of what is left to do.
pub(super) async fn after(call: &Call, id: &PlanId, files: &[Upload], is_new: bool) -> Reply {
    kept::done(call)?;
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let tell = |refusal: &Refusal| {
        let (text, next) = words::refusal(call.ctx.lang, refusal);
        call.ctx.note("warning", format!("{text} {next}"));
    };
    let mut done = if is_new { "plans.done.drawn" } else { "plans.done.edit" };
    for file in files {
        match store.attach(actor, id, &file.name, &file.bytes).await.map_err(Stop::from) {
            Ok(_) => {}
            Err(Stop::Refused(refused)) => {
                tell(&refused);
                return call.done(&format!("/plans/{id}"), done);
            }
            Err(fault) => return Err(fault),
        }
    }
    if call.form().text("then") == "submit" {
        let state = store.plan(actor, id).await?.plan.state;
        if matches!(state, PlanState::Draft | PlanState::Returned) {
            match store.act_on_plan(actor, id, PlanAct::Submit, None).await.map_err(Stop::from) {
                Ok(_) => done = "plans.done.submit",
                Err(Stop::Refused(refused)) => tell(&refused),
                Err(fault) => return Err(fault),
            }
        }
    }
    call.done(&format!("/plans/{id}"), done)
}
