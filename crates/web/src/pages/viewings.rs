//! 二人での閲覧: requests to see recordings that nobody opens alone, and the agreements of whoever holds a second key.

use crate::call::{Call, Ctx, download};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{SessionId, ViewingRequestId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_core::two_person::{ViewingAsk, ViewingDetail, ViewingNeed, ViewingRequest, ViewingState};
use sekisho_store::ViewedSession;
use serde::Deserialize;

const READ: Access = Access::May(Action::ReadViewing);
const ASK: Access = Access::MayStepUp(Action::ViewRecording);
const AGREE: Access = Access::MayStepUp(Action::AgreeViewing);
/// Requests whose detail the first page looks up.
const FIRST: usize = 8;
/// Requests that the list shows.
const LISTED: usize = 200;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/viewings", READ, list),
        Route::page("/viewings/new", ASK, new),
        Route::form("/viewings", ASK, ask).again(new),
        Route::page("/viewings/{id}", READ, show),
        Route::page("/viewings/{id}/text", READ, text),
        Route::form("/viewings/{id}/agree", AGREE, agree).again(show),
        Route::form("/viewings/{id}/decline", AGREE, decline).again(show),
        Route::form("/viewings/{id}/withdraw", READ, withdraw).again(show),
        Route::form("/viewings/{id}/end", READ, end).again(show),
        Route::api(Method::GET, "/api/v1/viewings", READ, "Requests for a viewing by two persons that concern this person.", api_list).gives::<Vec<ViewingRequest>>(),
        Route::api(Method::POST, "/api/v1/viewings", ASK, "Ask for a viewing by two persons.", api_ask).takes::<ViewingAsk>().gives::<ViewingRequest>(),
        Route::api(Method::GET, "/api/v1/viewings/{id}", READ, "One request, who can agree to it, and whether it can be opened.", api_show).gives::<ViewingDetail>(),
        Route::api(Method::GET, "/api/v1/viewings/{id}/text", READ, "The signed text of a request, for a holder's own machine.", text).gives_file("text/plain"),
        Route::api(Method::POST, "/api/v1/viewings/{id}/agree", AGREE, "Agree as the holder of a second key.", api_agree).takes::<AgreeBody>().gives::<ViewingRequest>(),
        Route::api(Method::POST, "/api/v1/viewings/{id}/decline", AGREE, "Decline as the holder of a second key.", api_decline).takes::<DeclineBody>().gives::<ViewingRequest>(),
        Route::api(Method::POST, "/api/v1/viewings/{id}/withdraw", READ, "Take one's own request back.", api_withdraw).gives::<ViewingRequest>(),
        Route::api(Method::POST, "/api/v1/viewings/{id}/end", READ, "End an agreement before its time.", api_end).gives::<ViewingRequest>(),
        Route::api(Method::GET, "/api/v1/sessions/{id}/viewing", READ, "What this person needs to open the recording of a session.", api_need).gives::<ViewingNeed>(),
    ]
}

/// An agreement.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AgreeBody {
    /// The armored file of age that the holder made from the text of the request.
    agreement: String,
}

/// Why a request is declined.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeclineBody {
    /// The reason.
    reason: String,
}

/// Where a request stands at this moment, as chip and word.
fn standing(request: &ViewingRequest, now: Timestamp, at_hand: bool) -> (&'static str, &'static str) {
    match request.state {
        ViewingState::Asked if request.waits(now) => ("waiting", "waits"),
        ViewingState::Asked => ("ended", "lapsed"),
        ViewingState::Agreed if !request.is_open(now) => ("ended", "over"),
        ViewingState::Agreed if !at_hand => ("waiting", "again"),
        ViewingState::Agreed => ("active", "open"),
        ViewingState::Declined => ("disabled", "declined"),
        ViewingState::Withdrawn => ("ended", "withdrawn"),
        ViewingState::Ended => ("ended", "over"),
    }
}

fn told(ctx: &Ctx, request: &ViewingRequest, at_hand: bool) -> Value {
    let (chip, word) = standing(request, ctx.now(), at_hand);
    let step = |step: &sekisho_core::auditor_key::KeyStep| context! { name => step.name.as_str(), at => step.at.0, reason => step.reason.as_str() };
    context! {
        id => request.id.as_str(),
        short => request.id.as_str().get(4..10).unwrap_or_default(),
        by => request.by_name.as_str(),
        asked_at => request.asked_at.0,
        hours => request.hours,
        reason => request.reason.as_str(),
        n => request.sessions.len(),
        until => request.until.map(|at| at.0),
        lapses => request.lapses().0,
        decided => request.decided.as_ref().map(step),
        ended => request.ended.as_ref().map(step),
        chip,
        standing => word,
    }
}

/// A session of a request. Nobody worked in one of Sekisho itself, which stands on the page of its target.
fn session_told(ctx: &Ctx, viewed: &ViewedSession) -> Value {
    let (person, plan) = viewed.worker.clone().unwrap_or_else(|| (ctx.t("two.robot"), String::new()));
    let (page, replay) = match &viewed.worker {
        Some(_) => (format!("/sessions/{}", viewed.session), format!("/sessions/{}/replay", viewed.session)),
        None => (format!("/targets/{}", viewed.target), format!("/targets/{}/exchanges/{}", viewed.target, viewed.session)),
    };
    context! { id => viewed.session.as_str(), person, target => viewed.target_name.as_str(), started => viewed.started.0, ended => viewed.ended.map(|at| at.0), plan, page, replay, robot => viewed.worker.is_none() }
}

/// What waits for this person's agreement, and what they asked for and can open now, for the first page.
pub(super) async fn first(ctx: &Ctx) -> Result<(Vec<Value>, Vec<Value>), Stop> {
    let (mut waiting, mut open) = (Vec::new(), Vec::new());
    if !ctx.may(Action::ReadViewing) || !ctx.store().uses_second_keys() {
        return Ok((waiting, open));
    }
    let (actor, now) = (ctx.actor()?, ctx.now());
    let all = ctx.store().viewing_requests(actor).await?;
    for request in all.iter().filter(|request| request.waits(now) || request.is_open(now)).take(FIRST) {
        let detail = ctx.store().viewing_request(actor, &request.id).await?;
        if detail.may_agree && !(request.is_open(now) && detail.at_hand) {
            waiting.push(told(ctx, request, detail.at_hand));
        } else if detail.mine && detail.at_hand && request.is_open(now) {
            open.push(told(ctx, request, true));
        }
    }
    Ok((waiting, open))
}

/// What a person needs to open the recording of a session, for its pages. Nothing for whoever may not see recordings at all.
pub(in crate::pages) async fn need(ctx: &Ctx, session: &SessionId) -> Result<Value, Stop> {
    if !ctx.may(Action::ViewRecording) || !ctx.may(Action::ReadViewing) {
        return Ok(context! { kind => "none" });
    }
    Ok(match ctx.store().viewing_need(ctx.actor()?, session).await? {
        ViewingNeed::None => context! { kind => "none" },
        ViewingNeed::Needed { waiting } => context! { kind => "needed", waiting => waiting.as_ref().map(ViewingRequestId::as_str), hours => limits::VIEWING_DEFAULT_HOURS, most => limits::VIEWING_HOURS, session => session.as_str() },
        ViewingNeed::Open { request, until } => context! { kind => "open", request => request.as_str(), until => until.0 },
    })
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let mut all = ctx.store().viewing_requests(ctx.actor()?).await?;
    all.sort_by_key(|request| std::cmp::Reverse(request.asked_at));
    let rows: Vec<Value> = all.iter().take(LISTED).map(|request| told(ctx, request, true)).collect();
    call.page("viewings/list.html", "two.list_title", context! { rows, may_keys => ctx.may(Action::ReadLedger), may_sessions => ctx.may(Action::ReadSession) })
}

async fn new(call: Call) -> Reply {
    let sent = call.form().text("session");
    let session = if sent.is_empty() { call.query().text("session") } else { sent };
    let session = SessionId::parse(session).ok_or_else(Stop::not_found)?;
    let ctx = &call.ctx;
    let viewed = ctx.store().session_to_view(ctx.actor()?, &session).await?;
    let hours = limits::VIEWING_DEFAULT_HOURS.to_string();
    let form = call.typed_or(Form::of([("hours", hours.as_str()), ("reason", "")]));
    let context = context! {
        need => need(ctx, &session).await?,
        session => session.as_str(),
        about => session_told(ctx, &viewed),
        whole_plan => form.has("whole_plan"),
        form => Value::from_object(form),
    };
    call.page("viewings/new.html", "two.ask_viewing", context)
}

async fn ask(call: Call) -> Reply {
    let form = call.form();
    let ask = ViewingAsk {
        session: form.parse("session", SessionId::parse)?,
        whole_plan: form.has("whole_plan"),
        hours: form.parse("hours", |text| text.parse().ok())?,
        reason: form.need("reason")?.to_owned(),
    };
    let made = call.ctx.store().ask_viewing(call.ctx.actor()?, ask).await?;
    call.done(&format!("/viewings/{}", made.id), "two.made_done")
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let id = call.id("id", ViewingRequestId::parse)?;
    let detail = ctx.store().viewing_request(actor, &id).await?;
    let now = ctx.now();
    let request = told(ctx, &detail.request, detail.at_hand);
    let may_open = ctx.may(Action::ReadSession);
    let sessions: Vec<Value> = ctx
        .store()
        .sessions_of_viewing(actor, &id)
        .await?
        .iter()
        .map(|viewed| session_told(ctx, viewed))
        .collect();
    let open = detail.request.is_open(now) && detail.at_hand;
    let holders: Vec<String> = detail.holders.iter().map(|(_, name)| name.clone()).collect();
    // What was typed stands in the form again that was refused.
    let form = call.typed_or(Form::of([("agreement", ""), ("reason", "")]));
    let context = context! {
        request,
        declining => call.problem.is_some() && call.asked.uri.path().ends_with("/decline"),
        form => Value::from_object(form),
        sessions,
        holders,
        mine => detail.mine,
        may_agree => detail.may_agree && !open,
        may_withdraw => detail.mine && detail.request.waits(now),
        may_end => detail.may_end,
        may_text => detail.mine || detail.may_agree,
        waits => detail.request.waits(now),
        open,
        may_open,
        log_key => ctx.store().log_public_key(),
        hospital_key => ctx.store().recordings_public_key(),
        file => file_name(&id),
    };
    call.page("viewings/show.html", "two.show_title", context)
}

/// Under which name the text of a request is saved.
fn file_name(id: &ViewingRequestId) -> String {
    format!("viewing-{id}.txt")
}

async fn text(call: Call) -> Reply {
    let id = call.id("id", ViewingRequestId::parse)?;
    let text = call.ctx.store().viewing_text(call.ctx.actor()?, &id).await?;
    download(&file_name(&id), "text/plain; charset=utf-8", text)
}

async fn agree(call: Call) -> Reply {
    let id = call.id("id", ViewingRequestId::parse)?;
    let pasted = call.form().text("agreement");
    let file = call.form().files().iter().find(|file| file.field == "agreement_file");
    let text = match file {
        _ if !pasted.is_empty() => pasted,
        Some(file) if file.bytes.len() <= limits::VIEWING_AGREEMENT_BYTES => std::str::from_utf8(&file.bytes).map_err(|_| Stop::bad_field("agreement"))?,
        Some(_) | None => return Err(Refusal::bad_field("agreement").into()),
    };
    call.ctx.store().agree_viewing(call.ctx.actor()?, &id, text).await?;
    call.done(&format!("/viewings/{id}"), "two.agreed_done")
}

async fn decline(call: Call) -> Reply {
    let id = call.id("id", ViewingRequestId::parse)?;
    call.ctx.store().decline_viewing(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done(&format!("/viewings/{id}"), "two.declined_done")
}

async fn withdraw(call: Call) -> Reply {
    let id = call.id("id", ViewingRequestId::parse)?;
    call.ctx.store().withdraw_viewing(call.ctx.actor()?, &id).await?;
    call.done(&format!("/viewings/{id}"), "two.withdrawn_done")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", ViewingRequestId::parse)?;
    call.ctx.store().end_viewing(call.ctx.actor()?, &id).await?;
    call.done(&format!("/viewings/{id}"), "two.over_done")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().viewing_requests(call.ctx.actor()?).await?)
}

async fn api_ask(call: Call) -> Reply {
    let ask: ViewingAsk = call.json()?;
    call.answer(&call.ctx.store().ask_viewing(call.ctx.actor()?, ask).await?)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().viewing_request(call.ctx.actor()?, &call.id("id", ViewingRequestId::parse)?).await?)
}

async fn api_agree(call: Call) -> Reply {
    let AgreeBody { agreement } = call.json()?;
    call.answer(&call.ctx.store().agree_viewing(call.ctx.actor()?, &call.id("id", ViewingRequestId::parse)?, &agreement).await?)
}

async fn api_decline(call: Call) -> Reply {
    let DeclineBody { reason } = call.json()?;
    call.answer(&call.ctx.store().decline_viewing(call.ctx.actor()?, &call.id("id", ViewingRequestId::parse)?, &reason).await?)
}

async fn api_withdraw(call: Call) -> Reply {
    call.answer(&call.ctx.store().withdraw_viewing(call.ctx.actor()?, &call.id("id", ViewingRequestId::parse)?).await?)
}

async fn api_end(call: Call) -> Reply {
    call.answer(&call.ctx.store().end_viewing(call.ctx.actor()?, &call.id("id", ViewingRequestId::parse)?).await?)
}

async fn api_need(call: Call) -> Reply {
    call.answer(&call.ctx.store().viewing_need(call.ctx.actor()?, &call.id("id", SessionId::parse)?).await?)
}
