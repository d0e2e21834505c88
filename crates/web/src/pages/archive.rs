//! 録画の保管: where copies of recordings lie, and the keys of auditors that open recordings without the box.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::auditor_key::{AuditorKey, AuditorKeyAsk, KeyState, KeyStep};
use sekisho_core::ids::AuditorKeyId;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepAuditorKeys);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/archive", READ, show),
        Route::form("/archive/keys", KEEP, ask).again(show),
        Route::form("/archive/keys/{id}/confirm", KEEP, confirm),
        Route::form("/archive/keys/{id}/refuse", KEEP, refuse),
        Route::form("/archive/keys/{id}/end", KEEP, end),
        Route::api(Method::GET, "/api/v1/archive", READ, "How the archive of recordings stands.", api_archive).gives::<ArchiveAnswer>(),
        Route::api(Method::GET, "/api/v1/auditor-keys", READ, "Keys of auditors that open recordings.", api_keys).gives::<Vec<AuditorKey>>(),
        Route::api(Method::POST, "/api/v1/auditor-keys", KEEP, "Ask for the key of an auditor. It counts after another person confirmed it.", api_ask).takes::<AuditorKeyAsk>().gives::<AuditorKey>(),
        Route::api(Method::POST, "/api/v1/auditor-keys/{id}/decide", KEEP, "Confirm or refuse a key that another person asked for.", api_decide).takes::<DecideBody>().gives::<AuditorKey>(),
        Route::api(Method::POST, "/api/v1/auditor-keys/{id}/end", KEEP, "End a key: it opens no recording that begins from here on.", api_end).takes::<EndBody>().gives::<AuditorKey>(),
    ]
}

/// How the archive stands.
#[derive(Serialize, JsonSchema)]
struct ArchiveAnswer {
    /// What the configuration calls it; none without one.
    name: Option<String>,
    /// Recordings that it was seen to have.
    kept: u64,
    /// Recordings that lie there alone.
    away: u64,
    /// Recordings that wait for it.
    waiting: u64,
    /// When the session of the oldest of them ended.
    waiting_since: Option<Timestamp>,
    /// Since when it fails.
    failing_since: Option<Timestamp>,
    /// The code of why.
    code: Option<String>,
    /// Why.
    why: Option<String>,
}

/// A decision on a key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    /// Whether recordings may be opened with it.
    confirmed: bool,
    /// Why.
    reason: String,
}

/// Why a key is ended.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndBody {
    /// The reason.
    reason: String,
}

fn step(step: &KeyStep) -> Value {
    context! { name => step.name.as_str(), at => step.at.0, reason => step.reason.as_str() }
}

fn told(ctx: &Ctx, key: &AuditorKey) -> Value {
    let own = ctx.actor().is_ok_and(|actor| actor.person.as_ref() == Some(&key.asked.person));
    context! {
        id => key.id.as_str(),
        name => key.name.as_str(),
        key => key.key.as_str(),
        state => key.state.as_str(),
        chip => match key.state {
            KeyState::Asked => "waiting",
            KeyState::Active => "active",
            KeyState::Ended | KeyState::Refused => "disabled",
        },
        asked => step(&key.asked),
        decided => key.decided.as_ref().map(step),
        ended => key.ended.as_ref().map(step),
        own,
    }
}

/// Keys that wait for this person, for the first page.
pub(super) async fn first(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.may(Action::KeepAuditorKeys) {
        return Ok(Vec::new());
    }
    let actor = ctx.actor()?;
    let keys = ctx.store().auditor_keys(actor).await?;
    let waits = |key: &&AuditorKey| key.state == KeyState::Asked && actor.person.as_ref() != Some(&key.asked.person);
    Ok(keys.iter().filter(waits).map(|key| told(ctx, key)).collect())
}

/// What the page of the box's health says of the archive, and what of it needs a hand.
pub(super) async fn health(ctx: &Ctx) -> Result<(String, Option<String>), Stop> {
    let Some(standing) = ctx.store().archive(ctx.actor()?).await? else { return Ok((ctx.t("archive.none"), None)) };
    let n = |count: u64| count.to_string();
    let line = ctx.t_with("archive.line", &[("name", &standing.name), ("kept", &n(standing.kept)), ("waiting", &n(standing.waiting))]);
    let trouble = standing.failing_since.map(|since| {
        let (code, why) = (standing.code.as_deref().unwrap_or_default(), standing.why.as_deref().unwrap_or_default());
        ctx.t_with("archive.failing", &[("name", &standing.name), ("since", &since.minute()), ("code", code), ("why", why)])
    });
    Ok((line, trouble))
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let standing = ctx.store().archive(ctx.actor()?).await?.map(|one| {
        context! {
            name => one.name,
            kept => one.kept,
            away => one.away,
            waiting => one.waiting,
            waiting_since => one.waiting_since.map(|at| at.0),
            failing_since => one.failing_since.map(|at| at.0),
            code => one.code,
            why => one.why,
            stuck => one.stuck.map(|(session, why)| context! { session, why }),
        }
    });
    let keys: Vec<Value> = ctx.store().auditor_keys(ctx.actor()?).await?.iter().map(|key| told(ctx, key)).collect();
    let form = call.typed_or(Form::of([("name", ""), ("key", ""), ("reason", "")]));
    let may_keep = ctx.may(Action::KeepAuditorKeys);
    call.page("archive/show.html", "archive.title", context! { standing, keys, form => Value::from_object(form), may_keep, open_form => call.problem.is_some() })
}

async fn ask(call: Call) -> Reply {
    let form = call.form();
    let ask = AuditorKeyAsk { name: form.need("name")?.to_owned(), key: form.need("key")?.to_owned(), reason: form.need("reason")?.to_owned() };
    call.ctx.store().ask_auditor_key(call.ctx.actor()?, ask).await?;
    call.done("/archive", "archive.asked_done")
}

async fn confirm(call: Call) -> Reply {
    let id = call.id("id", AuditorKeyId::parse)?;
    call.ctx.store().decide_auditor_key(call.ctx.actor()?, &id, true, call.form().need("reason")?).await?;
    call.done("/archive", "archive.confirmed_done")
}

async fn refuse(call: Call) -> Reply {
    let id = call.id("id", AuditorKeyId::parse)?;
    call.ctx.store().decide_auditor_key(call.ctx.actor()?, &id, false, call.form().need("reason")?).await?;
    call.done("/archive", "archive.refused_done")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", AuditorKeyId::parse)?;
    call.ctx.store().end_auditor_key(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done("/archive", "archive.ended_done")
}

async fn api_archive(call: Call) -> Reply {
    let standing = call.ctx.store().archive(call.ctx.actor()?).await?;
    let name = standing.as_ref().map(|one| one.name.clone());
    let one = standing.unwrap_or_default();
    call.answer(&ArchiveAnswer { name, kept: one.kept, away: one.away, waiting: one.waiting, waiting_since: one.waiting_since, failing_since: one.failing_since, code: one.code, why: one.why })
}

async fn api_keys(call: Call) -> Reply {
    call.answer(&call.ctx.store().auditor_keys(call.ctx.actor()?).await?)
}

async fn api_ask(call: Call) -> Reply {
    call.answer(&call.ctx.store().ask_auditor_key(call.ctx.actor()?, call.json()?).await?)
}

async fn api_decide(call: Call) -> Reply {
    let DecideBody { confirmed, reason } = call.json()?;
    call.answer(&call.ctx.store().decide_auditor_key(call.ctx.actor()?, &call.id("id", AuditorKeyId::parse)?, confirmed, &reason).await?)
}

async fn api_end(call: Call) -> Reply {
    let EndBody { reason } = call.json()?;
    call.answer(&call.ctx.store().end_auditor_key(call.ctx.actor()?, &call.id("id", AuditorKeyId::parse)?, &reason).await?)
}
