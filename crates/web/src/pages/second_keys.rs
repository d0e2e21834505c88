//! 第二の鍵: the keys without whose holders nobody opens recordings of the targets that they are for.

use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::auditor_key::KeyStep;
use sekisho_core::ids::{PersonId, SecondKeyId, TargetId};
use sekisho_core::permission::{Action, reach};
use sekisho_core::permission::Reach;
use sekisho_core::two_person::{SecondKey, SecondKeyAsk, SecondKeyState, SecondKeyStep, may_confirm};
use serde::Deserialize;
use std::collections::BTreeMap;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepAuditorKeys);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/second_keys", READ, show),
        Route::form("/second_keys", KEEP, ask).again(show),
        Route::page("/second_keys/{id}/text", READ, text),
        Route::form("/second_keys/{id}/confirm", KEEP, |call| step(call, SecondKeyStep::Confirm, "two.confirmed_done")).again(show),
        Route::form("/second_keys/{id}/refuse", KEEP, |call| step(call, SecondKeyStep::Refuse, "two.refused_done")).again(show),
        Route::form("/second_keys/{id}/ask_end", KEEP, |call| step(call, SecondKeyStep::AskEnd, "two.end_asked_done")).again(show),
        Route::form("/second_keys/{id}/keep", KEEP, |call| step(call, SecondKeyStep::Keep, "two.kept_done")).again(show),
        Route::form("/second_keys/{id}/end", KEEP, |call| step(call, SecondKeyStep::End, "two.ended_done")).again(show),
        Route::api(Method::GET, "/api/v1/second-keys", READ, "Keys without whose holders nobody opens recordings of their targets.", api_list).gives::<Vec<SecondKey>>(),
        Route::api(Method::POST, "/api/v1/second-keys", KEEP, "Ask for a second key. It counts after another person confirmed it.", api_ask).takes::<SecondKeyAsk>().gives::<SecondKey>(),
        Route::api(Method::GET, "/api/v1/second-keys/{id}/text", READ, "The signed text by whose answer a holder shows that they have the private half of a second key.", text).gives_file("text/plain"),
        Route::api(Method::POST, "/api/v1/second-keys/{id}/step", KEEP, "Confirm or refuse a second key, ask for its end, decline or confirm that.", api_step).takes::<StepBody>().gives::<SecondKey>(),
    ]
}

/// A step with a key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StepBody {
    /// Which.
    step: SecondKeyStep,
    /// Why.
    reason: String,
    /// To confirm: the answer that the holder made from the text of the key, an armored file of age.
    #[serde(default)]
    proof: String,
}

fn told_step(step: &KeyStep) -> Value {
    context! { name => step.name.as_str(), at => step.at.0, reason => step.reason.as_str() }
}

/// Whether no other key in force is for everything that this one is for: then recordings are made that open with it alone.
fn is_alone(key: &SecondKey, all: &[SecondKey]) -> bool {
    let covers = |other: &&SecondKey| other.targets.is_empty() || (!key.targets.is_empty() && key.targets.iter().all(|target| other.targets.contains(target)));
    key.state.in_force() && !all.iter().filter(|other| other.id != key.id && other.state.in_force()).any(|other| covers(&other))
}

fn told(ctx: &Ctx, key: &SecondKey, titles: &BTreeMap<TargetId, String>, alone: bool) -> Value {
    let me = ctx.login.as_ref().and_then(|login| login.actor.person.clone());
    let is_mine = |step: &Option<&KeyStep>| step.is_some_and(|step| me.as_ref() == Some(&step.person));
    let targets: Vec<String> = key.targets.iter().map(|id| titles.get(id).cloned().unwrap_or_else(|| id.to_string())).collect();
    context! {
        id => key.id.as_str(),
        holder => key.name.as_str(),
        key => key.key.as_str(),
        targets,
        state => key.state.as_str(),
        chip => match key.state {
            SecondKeyState::Asked => "waiting",
            SecondKeyState::Active | SecondKeyState::EndAsked => "active",
            SecondKeyState::Refused | SecondKeyState::Ended => "disabled",
        },
        asked => told_step(&key.asked),
        decided => key.decided.as_ref().map(told_step),
        end_asked => key.end_asked.as_ref().map(told_step),
        ended => key.ended.as_ref().map(told_step),
        own => is_mine(&Some(&key.asked)),
        own_end => is_mine(&key.end_asked.as_ref()),
        alone,
    }
}

/// Keys and ends that wait for this person, for the first page.
pub(super) async fn first(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.may(Action::KeepAuditorKeys) || may_confirm(ctx.actor()?).is_err() {
        return Ok(Vec::new());
    }
    let actor = ctx.actor()?;
    let keys = ctx.store().second_keys(actor).await?;
    let waits = |key: &&SecondKey| match key.state {
        SecondKeyState::Asked => !actor.is_person(&key.asked.person),
        SecondKeyState::EndAsked => key.end_asked.as_ref().is_some_and(|step| !actor.is_person(&step.person)),
        _ => false,
    };
    Ok(keys.iter().filter(waits).map(|key| told(ctx, key, &BTreeMap::new(), false)).collect())
}

/// Persons who can hold a key: those of the hospital whom a request can reach and who may agree to it.
async fn holders(ctx: &Ctx) -> Result<Vec<(String, String)>, Stop> {
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let can = |person: &sekisho_core::people::Person| {
        person.active && person.vendor.is_none() && person.robot.is_none() && !person.emergency && person.roles.iter().any(|role| reach(*role, Action::AgreeViewing) != Reach::None)
    };
    Ok(persons.iter().map(|row| &row.person).filter(|person| can(person)).map(|person| (person.id.to_string(), format!("{} ({})", person.name, person.login))).collect())
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let mut keys = ctx.store().second_keys(actor).await?;
    let rank = |state: SecondKeyState| match state {
        SecondKeyState::Asked | SecondKeyState::EndAsked => 0,
        SecondKeyState::Active => 1,
        SecondKeyState::Ended | SecondKeyState::Refused => 2,
    };
    keys.sort_by_key(|key| (rank(key.state), std::cmp::Reverse(key.asked.at)));
    let targets = ctx.store().targets(actor).await?;
    let titles: BTreeMap<TargetId, String> = targets.iter().map(|row| (row.target.id.clone(), row.target.title.clone())).collect();
    let told_keys: Vec<Value> = keys.iter().map(|key| told(ctx, key, &titles, is_alone(key, &keys))).collect();
    let may_keep = ctx.may(Action::KeepAuditorKeys);
    let holders = if may_keep { holders(ctx).await? } else { Vec::new() };
    let choices: Vec<(String, String)> = targets.iter().filter(|row| row.target.active).map(|row| (row.target.id.to_string(), format!("{} ({})", row.target.title, row.target.name))).collect();
    // The form that was refused is open again, with what was typed, and no other has it.
    let open_form = call.problem.is_some() && call.param("id").is_empty();
    let refused = call.problem.is_some().then(|| call.asked.uri.path().to_owned());
    let blank = Form::of([("holder", ""), ("key", ""), ("cover", "all"), ("reason", ""), ("proof", "")]);
    let asked = if open_form { call.typed_or(blank.clone()) } else { blank.clone() };
    let form = call.typed_or(blank);
    let context = context! {
        keys => told_keys,
        holders => crate::view::value(holders),
        targets => crate::view::value(choices),
        chosen => crate::view::value(asked.all("targets")),
        may_keep,
        may_confirm => may_confirm(actor).is_ok(),
        log_key => ctx.store().log_public_key(),
        hospital_key => ctx.store().recordings_public_key(),
        open_form,
        refused,
        asked => Value::from_object(asked),
        form => Value::from_object(form),
        may_read_viewings => ctx.may(Action::ReadViewing),
    };
    call.page("second_keys/show.html", "two.keys_title", context)
}

async fn ask(call: Call) -> Reply {
    let form = call.form();
    let mut targets = Vec::new();
    match form.text("cover") {
        "all" => {}
        "some" => {
            for text in form.all("targets") {
                targets.push(TargetId::parse(text).ok_or_else(|| Stop::bad_field("targets"))?);
            }
            // No target chosen must not become every target.
            if targets.is_empty() {
                return Err(Stop::bad_field("targets"));
            }
        }
        _ => return Err(Stop::bad_field("cover")),
    }
    let ask = SecondKeyAsk { holder: form.parse("holder", PersonId::parse)?, key: form.need("key")?.to_owned(), targets, reason: form.need("reason")?.to_owned() };
    call.ctx.store().ask_second_key(call.ctx.actor()?, ask).await?;
    call.done("/second_keys", "two.asked_done")
}

async fn step(call: Call, step: SecondKeyStep, word: &'static str) -> Reply {
    let id = call.id("id", SecondKeyId::parse)?;
    call.ctx.store().step_second_key(call.ctx.actor()?, &id, step, call.form().need("reason")?, call.form().text("proof")).await?;
    call.done("/second_keys", word)
}

async fn text(call: Call) -> Reply {
    let id = call.id("id", SecondKeyId::parse)?;
    let text = call.ctx.store().second_key_text(call.ctx.actor()?, &id).await?;
    download(&format!("key-check-{id}.txt"), "text/plain; charset=utf-8", text)
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().second_keys(call.ctx.actor()?).await?)
}

async fn api_ask(call: Call) -> Reply {
    call.answer(&call.ctx.store().ask_second_key(call.ctx.actor()?, call.json()?).await?)
}

async fn api_step(call: Call) -> Reply {
    let StepBody { step, reason, proof } = call.json()?;
    call.answer(&call.ctx.store().step_second_key(call.ctx.actor()?, &call.id("id", SecondKeyId::parse)?, step, &reason, &proof).await?)
}
