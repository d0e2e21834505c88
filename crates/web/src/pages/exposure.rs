//! 露出の点検: which ports of this machine answer, how Sekisho's own doors speak, and what to do about what is not as it
//! should be. For a reader who is no expert.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::Lang;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::exposure::{Finding, Kind, Level, Look, Place, Service, ServiceAsk, Transport, is_outer};
use sekisho_core::ids::ServiceId;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::Exposure;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/exposure", READ, show),
        Route::form("/exposure/check", READ, check),
        Route::form("/exposure/services", KEEP, confirm).again(show),
        Route::form("/exposure/services/{id}/end", KEEP, end),
        Route::api(Method::GET, "/api/v1/exposure", READ, "What this machine answers, and how that stands to what should be.", api_show).gives::<ExposureAnswer>(),
        Route::api(Method::POST, "/api/v1/exposure/check", READ, "Look at once.", api_check).gives::<ExposureAnswer>(),
        Route::api(Method::POST, "/api/v1/exposure/services", KEEP, "Confirm a service of this machine beside Sekisho.", api_confirm).takes::<ServiceAsk>().gives::<Service>(),
        Route::api(Method::POST, "/api/v1/exposure/services/{id}/end", KEEP, "Take a confirmation back.", api_end).takes::<EndBody>().gives::<Service>(),
    ]
}

/// Why a confirmation is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndBody {
    /// The reason.
    reason: String,
}

/// A finding with its sentences.
#[derive(Serialize, JsonSchema)]
struct FindingAnswer {
    /// What it is.
    #[serde(flatten)]
    finding: Finding,
    /// This is so, this is why it matters, do this.
    words: [String; 3],
}

/// The machine as it was seen.
#[derive(Serialize, JsonSchema)]
struct ExposureAnswer {
    /// When it was looked at.
    at: Option<Timestamp>,
    /// The look is too old to tell of the present, or there is none.
    stale: bool,
    /// What is not as it should be, worst first.
    findings: Vec<FindingAnswer>,
    /// What was seen.
    look: Look,
    /// The services that a person confirmed.
    services: Vec<Service>,
}

fn answer(lang: Lang, exposure: Exposure) -> ExposureAnswer {
    let findings = exposure.findings.into_iter().map(|finding| FindingAnswer { words: sentences(lang, &finding), finding }).collect();
    ExposureAnswer { at: exposure.at, stale: exposure.stale, findings, look: exposure.look, services: exposure.services }
}

fn sentences(lang: Lang, finding: &Finding) -> [String; 3] {
    let words = if lang == Lang::Ja { finding.what.ja() } else { finding.what.en() };
    [words.so, words.why, words.act]
}

/// The chip that a weight is shown with.
fn chip(level: Level) -> &'static str {
    match level {
        Level::Alarm => "incident",
        Level::Deviation => "difference",
        Level::Note => "note",
    }
}

fn at(ctx: &Ctx, place: &Place) -> String {
    let transport = place.transport.as_str().to_uppercase();
    if place.address.is_unspecified() { format!("{} {transport} {}", ctx.t("exposure.every"), place.port) } else { format!("{} {transport} {}", place.address, place.port) }
}

/// How a socket is regarded: the same order in which the judgement looks.
fn state(exposure: &Exposure, place: &Place) -> (&'static str, &'static str) {
    let unexpected = exposure.findings.iter().any(|finding| matches!(&finding.what, Kind::Unexpected { place: found, .. } if found == place));
    if unexpected {
        ("unexpected", "difference")
    } else if exposure.services.iter().any(|service| service.covers(place)) {
        ("confirmed", "ok")
    } else if exposure.look.own.iter().any(|own| own.port == place.port && (own.address == place.address || own.address.is_unspecified())) {
        ("own", "ok")
    } else {
        ("inner", "note")
    }
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let exposure = ctx.store().exposure(ctx.actor()?).await?;
    let findings: Vec<Value> = exposure
        .findings
        .iter()
        .map(|finding| {
            let [so, why, act] = sentences(ctx.lang, finding);
            let place = match &finding.what {
                Kind::Unexpected { place, .. } => Some(place),
                _ => None,
            };
            context! { level => finding.level.as_str(), chip => chip(finding.level), so, why, act, port => place.map(|place| place.port), transport => place.map(|place| place.transport.as_str()), address => place.map(|place| place.address.to_string()) }
        })
        .collect();
    let sockets: Vec<Value> = exposure
        .look
        .sockets
        .iter()
        .map(|heard| {
            let (state, chip) = state(&exposure, &heard.place);
            context! { at => at(ctx, &heard.place), program => heard.program.as_deref(), state, chip }
        })
        .collect();
    let part = |part: sekisho_core::exposure::Part| if ctx.lang == Lang::Ja { part.ja() } else { part.en() };
    let own: Vec<Value> = exposure
        .look
        .own
        .iter()
        .map(|own| {
            let listens = if own.address.is_unspecified() { ctx.t("exposure.every") } else { own.address.to_string() };
            let answers: Vec<Value> = own.answers.iter().map(|address| context! { address => address.to_string(), outer => is_outer(*address) }).collect();
            context! { part => part(own.part), at => format!("{listens} : {}", own.port), answers }
        })
        .collect();
    let tls: Vec<Value> = exposure
        .look
        .tls
        .iter()
        .map(|tls| context! { part => part(tls.part), tls => value(tls), safe => !tls.compresses && !tls.renegotiates_unsafely })
        .collect();
    let interfaces: Vec<Value> = exposure.look.interfaces.iter().map(|one| context! { name => one.name.as_str(), address => one.address.to_string(), outer => is_outer(one.address) }).collect();
    let query = call.query();
    let form = call.typed_or(Form::of([("transport", query.text("transport")), ("port", query.text("port")), ("address", query.text("address"))]));
    let context = context! {
        checked_at => value(exposure.at),
        stale => exposure.stale,
        can_look => exposure.can_look,
        findings, own, tls, sockets, interfaces,
        services => value(&exposure.services),
        open_form => call.problem.is_some() || !query.text("port").is_empty(),
        form => Value::from_object(form),
        may_keep => ctx.may(Action::KeepLedger),
    };
    call.page("exposure.html", "exposure.title", context)
}

async fn check(call: Call) -> Reply {
    call.ctx.store().check_exposure(call.ctx.actor()?).await?;
    call.done("/exposure", "exposure.checked")
}

async fn confirm(call: Call) -> Reply {
    let form = call.form();
    let ask = ServiceAsk {
        transport: form.parse("transport", Transport::parse)?,
        address: form.parse_opt("address", |text| text.parse::<IpAddr>().ok())?,
        port: form.parse("port", |text| text.parse().ok())?,
        name: form.need("name")?.to_owned(),
        reason: form.need("reason")?.to_owned(),
    };
    call.ctx.store().confirm_service(call.ctx.actor()?, ask).await?;
    call.done("/exposure", "exposure.added")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", ServiceId::parse)?;
    call.ctx.store().end_service(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done("/exposure", "exposure.ended")
}

async fn api_show(call: Call) -> Reply {
    call.answer(&answer(call.ctx.lang, call.ctx.store().exposure(call.ctx.actor()?).await?))
}

async fn api_check(call: Call) -> Reply {
    call.answer(&answer(call.ctx.lang, call.ctx.store().check_exposure(call.ctx.actor()?).await?))
}

async fn api_confirm(call: Call) -> Reply {
    call.answer(&call.ctx.store().confirm_service(call.ctx.actor()?, call.json()?).await?)
}

async fn api_end(call: Call) -> Reply {
    let EndBody { reason } = call.json()?;
    if reason.trim().is_empty() {
        return Err(Stop::bad_field("reason"));
    }
    call.answer(&call.ctx.store().end_service(call.ctx.actor()?, &call.id("id", ServiceId::parse)?, &reason).await?)
}
