//! A use of an emergency account: what was said, what was done, and the review by another person.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::pages::log::{LogNames, entry};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::{self, Lang};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::emergency::EmergencyUse;
use sekisho_core::ids::EmergencyUseId;
use sekisho_core::permission::Action;
use serde::Deserialize;

pub(super) fn routes() -> Vec<Route> {
    let review = Access::MayStepUp(Action::ReviewEmergency);
    vec![
        Route::page("/emergency_uses/{id}", super::READ, show),
        Route::form("/emergency_uses/{id}/review", review, sign).again(show),
        Route::api(Method::GET, "/api/v1/emergency_uses", super::READ, "Uses of emergency accounts, the newest first, with their reviews.", api_list).gives::<Vec<EmergencyUse>>(),
        Route::api(Method::POST, "/api/v1/emergency_uses/{id}/review", review, "Sign the review of a use.", api_sign).takes::<ReviewAsk>(),
    ]
}

/// A review.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReviewAsk {
    /// True if the use was in order.
    sound: bool,
    /// What was looked at and found.
    note: String,
}

pub(super) fn row(lang: Lang, usage: &EmergencyUse) -> Value {
    let state = match (usage.closed_at, &usage.review) {
        (None, _) => "open",
        (Some(_), None) => "unreviewed",
        (Some(_), Some(_)) => "reviewed",
    };
    let first = usage.openings.first();
    context! { id => usage.id.as_str(), login => usage.login.as_str(), at => usage.opened_at().0, closed_at => usage.closed_at.map(|at| at.0), state, openers => first.map(|opening| words::listed(lang, &opening.openers)), cause => first.map(|opening| opening.cause.as_str()), reason => first.map(|opening| opening.reason.as_str()) }
}

fn id_of(call: &Call) -> Result<EmergencyUseId, Stop> {
    call.id("id", EmergencyUseId::parse)
}

async fn entries(ctx: &Ctx, id: &EmergencyUseId, page: u64) -> Result<Value, Stop> {
    if !ctx.may(Action::ReadLog) {
        return Ok(Value::from(()));
    }
    let found = ctx.store().emergency_entries(ctx.actor()?, id, page).await?;
    let names = LogNames::read(ctx).await?;
    let rows: Vec<Value> = found.entries.iter().map(|held| entry(ctx, &names, held)).collect();
    Ok(context! { rows, total => found.total, pages => found.pages, page })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = id_of(&call)?;
    let usage = ctx.store().emergency_use(ctx.actor()?, &id).await?;
    let form = call.typed_or(Form::default());
    let page = call.query().text("page").parse().unwrap_or(1).clamp(1, u64::from(u32::MAX));
    let may_review = ctx.may(Action::ReviewEmergency) && usage.closed_at.is_some() && usage.review.is_none();
    let is_opener = may_review && usage.may_review(ctx.actor()?).is_err();
    call.page("emergency/use.html", "emergency.use", context! { form => Value::from_object(form), row => row(ctx.lang, &usage), account => usage.account.as_str(), usage => value(&usage), entries => entries(ctx, &id, page).await?, may_review, is_opener, may_tend => ctx.may(Action::KeepEmergency) })
}

async fn sign(call: Call) -> Reply {
    let id = id_of(&call)?;
    let sound = match call.form().text("sound") {
        "yes" => true,
        "no" => false,
        _ => return Err(Stop::bad_field("sound")),
    };
    call.ctx.store().review_emergency(call.ctx.actor()?, &id, sound, call.form().text("reason")).await?;
    call.done(&format!("/emergency_uses/{id}"), "emergency.reviewed")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().emergency_uses(call.ctx.actor()?, None).await?)
}

async fn api_sign(call: Call) -> Reply {
    let ask: ReviewAsk = call.json()?;
    call.ctx.store().review_emergency(call.ctx.actor()?, &id_of(&call)?, ask.sound, &ask.note).await?;
    call.nothing()
}
