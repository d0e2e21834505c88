//! Making emergency accounts, printing their envelopes, looking at these, and the return to normal.

use super::{find, row};
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::emergency::{EmergencyAccount, Half, ROLES};
use sekisho_core::ids::{EmergencyId, PersonId};
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_store::EmergencyAsk;
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) fn routes() -> Vec<Route> {
    let (may_keep, may_tend) = (Access::May(Action::KeepLedger), Access::May(Action::KeepEmergency));
    let (keep, tend) = (Access::MayStepUp(Action::KeepLedger), Access::MayStepUp(Action::KeepEmergency));
    vec![
        Route::page("/emergency_accounts/new", may_keep, show_add),
        Route::form("/emergency_accounts/new", keep, add).again(show_add),
        Route::page("/emergency_accounts/{id}/edit", may_keep, show_edit),
        Route::form("/emergency_accounts/{id}/edit", keep, edit).again(show_edit),
        Route::page("/emergency_accounts/{id}/retire", may_keep, show_retire),
        Route::form("/emergency_accounts/{id}/retire", keep, retire).again(show_retire),
        Route::page("/emergency_accounts/{id}/envelopes/{half}", may_tend, show_make),
        Route::form("/emergency_accounts/{id}/envelopes/{half}", tend, make).again(show_make),
        Route::page("/emergency_accounts/{id}/sheet", may_tend, show_sheet),
        Route::page("/emergency_accounts/{id}/look", may_tend, show_look),
        Route::form("/emergency_accounts/{id}/look", tend, look).again(show_look),
        Route::page("/emergency_accounts/{id}/close", may_tend, show_close),
        Route::form("/emergency_accounts/{id}/close", tend, close).again(show_close),
        Route::api(Method::POST, "/api/v1/emergency_accounts", keep, "Make an emergency account; its envelopes are printed by persons at a page.", api_add).takes::<AccountAsk>().gives::<super::EmergencyAnswer>(),
        Route::api(Method::POST, "/api/v1/emergency_accounts/{id}/close", tend, "Declare the return to normal: what opened the account ends.", api_close).takes::<CloseAsk>(),
    ]
}

/// An emergency account to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccountAsk {
    /// Login name, as it is printed on the envelopes.
    login: String,
    /// Display name.
    name: String,
    /// Its duties.
    roles: BTreeSet<Role>,
    /// What it is for, and where the procedure lies.
    #[serde(default)]
    purpose: String,
    /// Who is told at once when it is opened.
    told: Vec<PersonId>,
}

/// The return to normal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CloseAsk {
    /// What was done and how things stand.
    note: String,
}

fn id_of(call: &Call) -> Result<EmergencyId, Stop> {
    call.id("id", EmergencyId::parse)
}

fn half_of(call: &Call) -> Result<Half, Stop> {
    call.id("half", Half::parse)
}

fn read(form: &Form) -> Result<EmergencyAsk, Stop> {
    let roles = form.all("roles").into_iter().map(|text| Role::parse(text).ok_or_else(|| Stop::bad_field("roles"))).collect::<Result<_, _>>()?;
    let told = form.all("told").into_iter().map(|text| PersonId::parse(text).ok_or_else(|| Stop::bad_field("told"))).collect::<Result<_, _>>()?;
    Ok(EmergencyAsk { login: form.text("login").to_owned(), name: form.text("name").to_owned(), roles, purpose: form.text("purpose").to_owned(), told })
}

/// Who can be named, and the duties that can be given.
async fn choices(ctx: &Ctx) -> Result<Value, Stop> {
    let now = ctx.now();
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let fits = |row: &&sekisho_store::PersonRow| row.person.vendor.is_none() && row.person.robot.is_none() && !row.person.emergency && row.person.may_act(now);
    let persons: Vec<(String, String, String)> = persons
        .iter()
        .filter(fits)
        .map(|row| (row.person.id.to_string(), row.person.name.clone(), if row.person.mail.is_empty() { ctx.t("emergency.no_address") } else { row.person.mail.clone() }))
        .collect();
    let roles: Vec<(&str, &str)> = ROLES.into_iter().map(|role| (role.as_str(), words::role(ctx.lang, role))).collect();
    Ok(context! { persons => value(persons), roles => value(roles) })
}

async fn show_add(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    call.page("emergency/form.html", "emergency.add", context! { form => Value::from_object(form), row => (), ..choices(&call.ctx).await? })
}

async fn add(call: Call) -> Reply {
    let account = call.ctx.store().add_emergency(call.ctx.actor()?, read(call.form())?).await?;
    call.done(&format!("/emergency_accounts/{}", account.id), "emergency.added")
}

async fn show_edit(call: Call) -> Reply {
    let account = find(&call).await?;
    let mut first = Form::of([("name", account.name.as_str()), ("purpose", account.purpose.as_str())]);
    for id in &account.told {
        first.push("told", id.as_str());
    }
    let form = call.typed_or(first);
    call.page("emergency/form.html", "emergency.edit", context! { form => Value::from_object(form), row => row(&call.ctx, &account), ..choices(&call.ctx).await? })
}

async fn edit(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().change_emergency(call.ctx.actor()?, &id, read(call.form())?).await?;
    call.done(&format!("/emergency_accounts/{id}"), "emergency.changed")
}

async fn act_page(call: &Call, template: &str, title: &str, account: &EmergencyAccount, more: Value) -> Reply {
    let form = call.typed_or(Form::default());
    call.page(template, title, context! { form => Value::from_object(form), row => row(&call.ctx, account), ..more })
}

async fn show_retire(call: Call) -> Reply {
    let account = find(&call).await?;
    act_page(&call, "emergency/retire.html", "emergency.retire", &account, context! {}).await
}

async fn retire(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().retire_emergency(call.ctx.actor()?, &id).await?;
    call.done(&format!("/emergency_accounts/{id}"), "emergency.retired")
}

async fn show_make(call: Call) -> Reply {
    let half = half_of(&call)?;
    let account = find(&call).await?;
    act_page(&call, "emergency/make.html", &format!("emergency.make_{}", half.as_str()), &account, context! { half => half.as_str(), persons => call.ctx.store().policy().emergency_persons, replaces => account.envelope(half).is_some() }).await
}

async fn make(call: Call) -> Reply {
    let (id, half) = (id_of(&call)?, half_of(&call)?);
    let sheet = call.ctx.store().make_envelope(call.ctx.actor()?, &id, half, call.form().text("holder"), call.form().text("place")).await?;
    let mut kept = vec![half.as_str().to_owned()];
    kept.extend(sheet.secrets.iter().map(|secret| secret.expose().to_owned()));
    call.ctx.keep_once(&format!("envelope {id}"), kept.join(" "));
    call.see(&format!("/emergency_accounts/{id}/sheet"))
}

/// The sheet for the envelope, this once. Shown again it says that it is gone, and a new envelope is made.
async fn show_sheet(call: Call) -> Reply {
    let ctx = &call.ctx;
    let account = find(&call).await?;
    let Some(kept) = ctx.take_once(&format!("envelope {}", account.id)) else {
        ctx.note("warning", ctx.t("emergency.sheet_gone"));
        return call.see(&format!("/emergency_accounts/{}", account.id));
    };
    let mut parts = kept.split(' ');
    let half = parts.next().and_then(Half::parse).ok_or_else(Stop::not_found)?;
    let secrets: Vec<String> = parts.map(str::to_owned).collect();
    let envelope = account.envelope(half).ok_or_else(Stop::not_found)?;
    call.page("emergency/sheet.html", "emergency.sheet", context! { row => row(ctx, &account), half => half.as_str(), secrets, envelope => value(envelope), address => format!("{}/emergency", ctx.store().base_url()) })
}

async fn show_look(call: Call) -> Reply {
    let account = find(&call).await?;
    act_page(&call, "emergency/look.html", "emergency.look", &account, context! {}).await
}

async fn look(call: Call) -> Reply {
    let id = id_of(&call)?;
    let intact = match call.form().text("intact") {
        "yes" => true,
        "no" => false,
        _ => return Err(Stop::bad_field("intact")),
    };
    call.ctx.store().see_envelopes(call.ctx.actor()?, &id, intact, call.form().text("reason")).await?;
    call.done(&format!("/emergency_accounts/{id}"), if intact { "emergency.looked" } else { "emergency.broken" })
}

async fn show_close(call: Call) -> Reply {
    let account = find(&call).await?;
    if account.open.is_none() {
        return Err(Refusal::EmergencyState.into());
    }
    act_page(&call, "emergency/close.html", "emergency.close", &account, context! {}).await
}

async fn close(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().close_emergency(call.ctx.actor()?, &id, call.form().text("reason")).await?;
    call.done(&format!("/emergency_accounts/{id}"), "emergency.closed")
}

async fn api_add(call: Call) -> Reply {
    let AccountAsk { login, name, roles, purpose, told } = call.json()?;
    let account = call.ctx.store().add_emergency(call.ctx.actor()?, EmergencyAsk { login, name, roles, purpose, told }).await?;
    call.answer(&super::EmergencyAnswer::of(&call.ctx, account))
}

async fn api_close(call: Call) -> Reply {
    let ask: CloseAsk = call.json()?;
    call.ctx.store().close_emergency(call.ctx.actor()?, &id_of(&call)?, &ask.note).await?;
    call.nothing()
}
