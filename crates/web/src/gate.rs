//! The one way in: every request passes here before a handler sees it, and no handler checks again what is checked
//! here (login, permission, fresh code, anti-forgery). What belongs to whom is checked by the store's verbs.

pub(crate) mod credentials;
mod origin;
pub(crate) mod refuse;

use crate::call::{Asked, Call, Ctx, House, reaches};
use crate::form::{Form, Upload};
use crate::routes::{Access, Kind, Route, RouteInfo, Scope, scope_of};
use crate::stop::Stop;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequest, FromRequestParts, Multipart, RawPathParams, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::FutureExt;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::Instrument as _;

pub use origin::back_of;

/// Fields of one form, files included.
const FORM_FIELDS: usize = 2_000;

/// Answers one request to a known route.
pub(crate) async fn pass(house: Arc<House>, route: &'static Route, request: Request) -> Response {
    // For who traces how long answers take: the route as it is written in the table, and never the address that was asked for.
    let step = tracing::info_span!(target: "road", "request", method = route.info.method.as_str(), route = route.info.path, status = tracing::field::Empty);
    let response = answer(house, route, request).instrument(step.clone()).await;
    step.record("status", u64::from(response.status().as_u16()));
    response
}

async fn answer(house: Arc<House>, route: &'static Route, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut ctx = credentials::nobody(&house, route.info.kind, &parts);
    if !origin::is_known_host(&house.settings, &parts) {
        return origin::misdirected();
    }
    let outcome = match credentials::find(&mut ctx, &parts).await {
        Ok(proved) => match checked(&ctx, route, &mut parts, body, proved).await {
            Ok(call) => run(route, call).await,
            Err(stop) => {
                write_down(&ctx, route, &stop).await;
                Err((None, stop))
            }
        },
        Err(stop) => Err((None, stop)),
    };
    let response = match outcome {
        Ok(response) => response,
        Err((call, stop)) => refuse::answer(&ctx, route, call, stop, &parts).await,
    };
    refuse::finish(&ctx, route.info.kind, &parts, response)
}

/// A right that was missing, and a request that another site sent with this person's cookie, are facts.
async fn write_down(ctx: &Ctx, route: &Route, stop: &Stop) {
    let what = || format!("{} {}", route.info.method, route.info.path);
    if let (Some(login), Stop::Refused(refusal @ (Refusal::NotAllowed | Refusal::TokenScope | Refusal::TokenNeedsPerson))) = (&ctx.login, stop)
        && login.actor.token.is_some()
    {
        ctx.store().note_token_act(&login.actor, ctx.source, &what(), refusal).await;
        return;
    }
    if let (Some(login), Stop::Refused(refusal @ (Refusal::NotAllowed | Refusal::ForeignRequest))) = (&ctx.login, stop) {
        ctx.store().note_refused_act(&login.actor, &what(), refusal).await;
    }
}

/// Answers a request to no route of ours.
pub(crate) async fn lost(house: Arc<House>, refusal: Refusal, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !origin::is_known_host(&house.settings, &parts) {
        return origin::misdirected();
    }
    let kind = if parts.uri.path().starts_with("/api/") { Kind::Api } else { Kind::Page };
    let mut ctx = credentials::nobody(&house, kind, &parts);
    // A stranger to the login learns nothing from an address that does not exist.
    let _ = credentials::find(&mut ctx, &parts).await;
    let response = refuse::plain(&ctx, &refusal, &parts);
    refuse::finish(&ctx, kind, &parts, response)
}

/// The checks, in order; each later one rests on the earlier ones.
async fn checked(ctx: &Ctx, route: &Route, parts: &mut Parts, body: axum::body::Body, proved: credentials::Proof) -> Result<Call, Stop> {
    let info = &route.info;
    let changes = !matches!(info.method, Method::GET | Method::HEAD);
    if changes || info.kind == Kind::Socket {
        origin::check(parts, proved)?;
    } else if proved == credentials::Proof::Cookie && !origin::may_look(parts, info.kind) {
        return Err(Refusal::ForeignRequest.into());
    }
    let actor = match info.access {
        Access::Public => None,
        _ => Some(ctx.actor()?),
    };
    if let Some(actor) = actor {
        check_token(actor, info)?;
    }
    // The body is read after the origin and the login are known to be ours, so that a stranger cannot make us hold it.
    let body = read(body, route.body_limit).await?;
    let is_form = changes && info.kind == Kind::Page;
    let form = if is_form { form_of(parts, &body).await? } else { Form::default() };
    if changes && proved != credentials::Proof::Bearer {
        credentials::check_csrf(ctx, parts, &form, info)?;
    }
    if let (Some(actor), Access::May(action) | Access::MayStepUp(action)) = (actor, info.access)
        && !reaches(actor, action)
    {
        return Err(Refusal::NotAllowed.into());
    }
    if let Some(login) = ctx.login.as_deref()
        && login.confined
        && !matches!(info.access, Access::Public | Access::SettingUp | Access::MayStepUp(Action::KeepOwnFactors))
    {
        return Err(Refusal::FactorRequired { kinds: factors_asked(ctx, login) }.into());
    }
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Stop::not_found())?;
    let params = params.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let socket = if info.kind == Kind::Socket { WebSocketUpgrade::from_request_parts(parts, &()).await.ok() } else { None };
    let asked = Asked {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        params,
        query: query_of(parts),
        form,
        body: if is_form { Bytes::new() } else { body },
        socket: Mutex::new(socket),
    };
    Ok(Call { ctx: ctx.clone(), asked: Arc::new(asked), problem: None })
}

/// What a token may ask for at all: routes that name an action in its scopes, and who it is. A route that asks for a fresh
/// code asks for a person.
fn check_token(actor: &Actor, info: &RouteInfo) -> Result<(), Stop> {
    let Some(token) = &actor.token else { return Ok(()) };
    match scope_of(info) {
        Scope::Any => Ok(()),
        Scope::Named(action) if token.scopes.contains(&action) => Ok(()),
        Scope::Named(_) => Err(Refusal::TokenScope.into()),
        Scope::Never => Err(Refusal::TokenNeedsPerson.into()),
    }
}

/// The kinds of factor that the person's roles ask for.
fn factors_asked(ctx: &Ctx, login: &sekisho_store::WebLogin) -> String {
    let kinds = ctx.store().accepted_factors(&login.person);
    kinds.into_iter().filter(|kind| kind.is_strong()).map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// Step-up and handler. A refusal comes back with the call, so that its form can be shown again.
async fn run(route: &Route, mut call: Call) -> Result<Response, (Option<Call>, Stop)> {
    let again = call.clone();
    if let Access::MayStepUp(_) = route.info.access
        && let Err(stop) = credentials::step_up(&mut call, route).await
    {
        return Err((Some(again), stop));
    }
    let work = AssertUnwindSafe((route.handler)(call)).catch_unwind();
    let deadline = Duration::from_secs(limits::WEB_REQUEST_SECONDS as u64);
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(reply)) => reply.map_err(|stop| (Some(again), stop)),
        Ok(Err(_)) => Err((None, Stop::Fault(format!("handler of {} panicked", route.info.path)))),
        Err(_) => Err((None, Stop::Fault(format!("handler of {} took too long", route.info.path)))),
    }
}

async fn read(body: axum::body::Body, limit: usize) -> Result<Bytes, Stop> {
    let deadline = Duration::from_secs(limits::WEB_BODY_SECONDS as u64);
    match tokio::time::timeout(deadline, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) | Err(_) => Err(Refusal::TooLarge.into()),
    }
}

fn query_of(parts: &Parts) -> Form {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|query| query.0).unwrap_or_default();
    Form::of(pairs.into_iter().take(100))
}

async fn form_of(parts: &Parts, body: &Bytes) -> Result<Form, Stop> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut request = Request::new(axum::body::Body::from(body.clone()));
    *request.method_mut() = Method::POST;
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        request.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    let malformed = || Stop::bad_field("form");
    // The body is in hand already, bounded by its route; the framework's own limit would cut uploads short.
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    if kind.starts_with("multipart/form-data") {
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| malformed())?;
        let mut form = Form::default();
        let mut count = 0;
        while let Some(field) = parts.next_field().await.map_err(|_| malformed())? {
            count += 1;
            if count > FORM_FIELDS {
                return Err(Refusal::too_many("FORM_FIELDS").into());
            }
            let name = field.name().unwrap_or_default().to_owned();
            match field.file_name().map(str::to_owned) {
                Some(file) => {
                    let bytes = field.bytes().await.map_err(|_| malformed())?;
                    if !file.is_empty() {
                        form.push_file(Upload { field: name, name: file, bytes });
                    }
                }
                None => form.push(name, field.text().await.map_err(|_| malformed())?),
            }
        }
        return Ok(form);
    }
    let axum::Form(pairs) = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await.map_err(|_| malformed())?;
    if pairs.len() > FORM_FIELDS {
        return Err(Refusal::too_many("FORM_FIELDS").into());
    }
    Ok(Form::of(pairs))
}
