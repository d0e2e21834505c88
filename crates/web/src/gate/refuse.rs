//! What a person sees instead of their page, and the headers that every answer carries.

use super::credentials::{FORM_COOKIE, LOGIN_COOKIE, cookie};
use super::origin::back_of;
use crate::call::{Asked, Call, Ctx, Problem, see_other};
use crate::form::Form;
use crate::routes::{Access, Kind, Route};
use crate::stop::{Stop, status_of};
use crate::words::{self, Lang};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use minijinja::context;
use sekisho_core::people::Role;
use sekisho_core::permission::{Action, Reach, reach};
use sekisho_core::refusal::Refusal;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// The answer to a request that was stopped: the form again, the way to the login, the question for a code, or a page
/// that says why.
pub(super) async fn answer(ctx: &Ctx, route: &Route, call: Option<Call>, stop: Stop, parts: &Parts) -> Response {
    if let Stop::Fault(detail) = &stop {
        tracing::error!(path = route.info.path, detail, "a request failed");
    }
    let refusal = stop.refusal();
    if route.info.kind != Kind::Page {
        return plain(ctx, &refusal, parts);
    }
    if refusal == Refusal::LoginNeeded {
        return to_login(parts);
    }
    // Whoever came by less than their role asks for is led to where they set up the rest.
    if matches!(refusal, Refusal::FactorRequired { .. }) && ctx.login.as_ref().is_some_and(|login| login.confined) && !parts.uri.path().starts_with("/account/") && parts.uri.path() != "/step-up" {
        return see_other("/account/factors").unwrap_or_else(|_| bare(StatusCode::FORBIDDEN));
    }
    if let (Some(call), Some(again), true) = (&call, &route.again, shows_again(&refusal)) {
        let mut call = call.clone().with_problem(&refusal);
        if let Some(problem) = call.problem.as_mut().filter(|_| is_about_code(&refusal, call.asked.form.text("code"))) {
            problem.field = "code".to_owned();
        }
        match again(call).await {
            Ok(response) => return response,
            Err(Stop::Fault(detail)) => tracing::error!(path = route.info.path, detail, "a form could not be shown again"),
            Err(Stop::Refused(_)) => {}
        }
    }
    if refusal == Refusal::StepUpNeeded {
        // What was sent is not repeated after the code: the person goes back to the page and presses again.
        let next = if parts.method == Method::GET { parts.uri.path_and_query().map(ToString::to_string) } else { back_of(&parts.headers, &parts.uri) };
        return page(ctx, "step_up.html", "step_up.title", StatusCode::FORBIDDEN, context! { next => next.unwrap_or_else(|| "/".to_owned()) }, None, parts);
    }
    if let (Refusal::NotAllowed, Access::May(action) | Access::MayStepUp(action)) = (&refusal, route.info.access) {
        // Whoever has the right was refused for another reason, of which the roles say nothing.
        if ctx.login.is_some() && !ctx.may(action) {
            return without_right(ctx, action, parts);
        }
    }
    plain(ctx, &refusal, parts)
}

/// Names the right that is missing, and the roles that have it, so that the person knows whom to ask.
fn without_right(ctx: &Ctx, action: Action, parts: &Parts) -> Response {
    let refusal = Refusal::NotAllowed;
    let (text, next) = words::refusal(ctx.lang, &refusal);
    let holders: Vec<&str> = Role::ALL.into_iter().filter(|role| reach(*role, action) != Reach::None).map(|role| words::role(ctx.lang, role)).collect();
    page(ctx, "refused.html", "refused.title", status_of(&refusal), context! { text, next, code => refusal.code(), right => right_in_words(ctx.lang, action), holders => words::listed(ctx.lang, &holders) }, None, parts)
}

/// What may be done by a right, in words.
fn right_in_words(lang: Lang, action: Action) -> String {
    let name = serde_json::to_value(action).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    words::word(lang, &format!("right.{name}"))
}

/// Refusals that the page itself answers for are no reason to show its form again.
fn shows_again(refusal: &Refusal) -> bool {
    !matches!(refusal, Refusal::NotAllowed | Refusal::NotFound | Refusal::ForeignRequest)
}

fn is_about_code(refusal: &Refusal, code: &str) -> bool {
    matches!(refusal, Refusal::StepUpNeeded) || (matches!(refusal, Refusal::LoginFailed) && !code.is_empty())
}

fn to_login(parts: &Parts) -> Response {
    let wanted = if parts.method == Method::GET { parts.uri.path_and_query().map(ToString::to_string) } else { back_of(&parts.headers, &parts.uri) };
    let next = wanted.filter(|path| path != "/").map(|path| encode(&path)).unwrap_or_default();
    let ended = if cookie(&parts.headers, LOGIN_COOKIE).is_some() { "ended=1&" } else { "" };
    let target = if next.is_empty() && ended.is_empty() { "/login".to_owned() } else { format!("/login?{ended}next={next}") };
    see_other(&target).unwrap_or_else(|_| bare(StatusCode::UNAUTHORIZED))
}

fn encode(path: &str) -> String {
    path.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A refusal as a page of its own, or as JSON.
pub(super) fn plain(ctx: &Ctx, refusal: &Refusal, parts: &Parts) -> Response {
    let status = status_of(refusal);
    if ctx.kind == Kind::Page {
        let (text, next) = words::refusal(ctx.lang, refusal);
        return page(ctx, "refused.html", "refused.title", status, context! { text, next, code => refusal.code() }, None, parts);
    }
    let problem = Problem::of(refusal, ctx.lang);
    let field = Some(problem.field).filter(|field| !field.is_empty());
    let body = json!({ "code": problem.code, "message": problem.text, "next": problem.next, "field": field });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn page(ctx: &Ctx, template: &str, title: &str, status: StatusCode, context: minijinja::Value, problem: Option<Problem>, parts: &Parts) -> Response {
    let asked = Asked {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        params: Vec::new(),
        query: Form::default(),
        form: Form::default(),
        body: Bytes::new(),
        socket: Mutex::new(None),
    };
    let call = Call { ctx: ctx.clone(), asked: Arc::new(asked), problem };
    match call.page(template, title, context) {
        Ok(mut response) => {
            *response.status_mut() = status;
            response
        }
        Err(stop) => {
            tracing::error!(?stop, template, "a page of a refusal could not be shown");
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn bare(status: StatusCode) -> Response {
    line(status, "SKS-9001\n".to_owned())
}

/// An answer of one line, for where no page can be drawn: with type, charset and the headers of every answer.
pub(crate) fn line(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    guard(response.headers_mut());
    response
}

/// The policy of every page. The browser obeys no inline script and no inline style, and fetches from nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers that every answer carries, also one that no page was drawn for.
fn guard(headers: &mut HeaderMap) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    set("strict-transport-security", "max-age=31536000; includeSubDomains");
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), display-capture=()");
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Puts the headers on that every answer carries, and the cookie of the forms.
pub(super) fn finish(ctx: &Ctx, kind: Kind, parts: &Parts, mut response: Response) -> Response {
    let headers = response.headers_mut();
    guard(headers);
    let needs_cookie = kind == Kind::Page && ctx.login.is_none() && cookie(&parts.headers, FORM_COOKIE) != Some(ctx.csrf.as_str());
    if needs_cookie && !ctx.csrf.is_empty() {
        let line = format!("{FORM_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict", ctx.csrf);
        if let Ok(line) = HeaderValue::from_str(&line) {
            headers.append(SET_COOKIE, line);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_its_words_in_both_languages() {
        for lang in [Lang::Ja, Lang::En] {
            for action in Action::ALL {
                let told = right_in_words(lang, action);
                assert!(!told.starts_with("right.") && told.contains(' ') != (lang == Lang::Ja), "{action:?}: {told}");
            }
        }
    }
}
