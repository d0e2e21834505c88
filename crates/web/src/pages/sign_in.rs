//! Signing in at a provider (OpenID Connect): there, back, and the second factor if the provider's word is not enough.
//!
//! The provider sends the browser back from its own site, and with such a request browsers send no cookie that is `Strict`.
//! So what belongs to a sign-in hangs on a cookie of its own, and the page after it leads on by itself: from there on the
//! browser is at home again.

use super::login::{begun, set_cookie};
use crate::call::{Call, local_path, see_other};
use crate::gate::credentials::{LOGIN_COOKIE, cookie};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::body::Body;
use axum::http::header::{HeaderName, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use minijinja::{Value, context};
use sekisho_core::directory::SourceKind;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_store::SignInEnd;

/// The cookie of a sign-in on its way.
const COOKIE: &str = "__Host-sekisho-sign-in";

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/login/with/{name}", Access::Public, begin),
        Route::page("/login/callback/{name}", Access::Public, finish),
        Route::page("/login/second", Access::Public, show_second),
        Route::form("/login/second", Access::Public, second).again(show_second),
    ]
}

/// The buttons of the login page, which lead to the page that was wanted.
pub(super) fn providers(call: &Call, next: &str) -> Vec<Value> {
    let onward = local_path(next).map_or_else(String::new, |next| format!("?next={}", escaped(next)));
    let sources = call.ctx.store().sources().iter().filter(|source| source.kind == SourceKind::Provider);
    sources.map(|source| context! { label => source.label.as_str(), href => format!("/login/with/{}{onward}", source.name) }).collect()
}

/// A path as the value of a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The address by which this browser came, of the two that are ours. A sign-in comes back to it and to no other.
fn base(call: &Call) -> String {
    let settings = &call.ctx.house.settings;
    match (&call.ctx.device, &settings.door) {
        (Some(_), Some(door)) => format!("https://{}", door.strip_suffix(":443").unwrap_or(door)),
        _ => settings.base_url.clone(),
    }
}

async fn begin(call: Call) -> Reply {
    let next = local_path(call.query().text("next")).unwrap_or("/").to_owned();
    let start = call.ctx.store().begin_sign_in(call.param("name"), &base(&call), &next, call.ctx.source).await?;
    let fault = |error: axum::http::Error| Stop::Fault(error.to_string());
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).header(LOCATION, start.address).body(Body::empty()).map_err(fault)?;
    keep(&mut response, start.browser.expose())?;
    Ok(response)
}

async fn finish(call: Call) -> Reply {
    let (query, ctx) = (call.query(), &call.ctx);
    let (name, browser) = (call.param("name"), cookie(&call.asked.headers, COOKIE).ok_or(Refusal::SignInOver)?);
    if query.has("error") || query.text("code").is_empty() {
        ctx.store().give_up_sign_in(name, browser, query.text("state"), ctx.source).await?;
    }
    let issuer = query.raw("iss");
    match ctx.store().finish_sign_in(name, browser, query.text("state"), Secret::new(query.text("code")), issuer, ctx.origin()).await? {
        SignInEnd::In(new, next) => {
            let next = local_path(&next).unwrap_or("/").to_owned();
            if let Ok(login) = ctx.store().login_of(new.token.expose(), ctx.source).await {
                ctx.store().set_lang(&login, ctx.lang.as_str()).await?;
            }
            let mut response = call.page("sign_in/done.html", "sign_in.done", context! { next => next.as_str() })?;
            set_cookie(&mut response, LOGIN_COOKIE, new.token.expose())?;
            clear(&mut response);
            let onward = HeaderValue::from_str(&format!("0; url={next}")).map_err(|error| Stop::Fault(error.to_string()))?;
            response.headers_mut().insert(HeaderName::from_static("refresh"), onward);
            Ok(response)
        }
        SignInEnd::Factor { browser } => {
            let mut response = see_other("/login/second")?;
            keep(&mut response, browser.expose())?;
            Ok(response)
        }
    }
}

async fn show_second(call: Call) -> Reply {
    let browser = cookie(&call.asked.headers, COOKIE).ok_or(Refusal::SignInOver)?;
    let half = call.ctx.store().sign_in_half(browser).await?;
    call.page("sign_in/second.html", "sign_in.second", context! { label => half.label, name => half.name })
}

async fn second(call: Call) -> Reply {
    let (form, ctx) = (call.form(), &call.ctx);
    let browser = cookie(&call.asked.headers, COOKIE).ok_or(Refusal::SignInOver)?;
    let (new, next) = match form.text("passkey") {
        "" => ctx.store().finish_with_code(browser, Secret::new(form.text("code")), ctx.origin()).await?,
        answer => ctx.store().finish_with_passkey(browser, &ctx.csrf, answer, ctx.origin()).await?,
    };
    let mut response = begun(&call, new).await?;
    let next = HeaderValue::from_str(local_path(&next).unwrap_or("/")).map_err(|error| Stop::Fault(error.to_string()))?;
    response.headers_mut().insert(LOCATION, next);
    clear(&mut response);
    Ok(response)
}

/// `Lax`: it is sent when the provider leads the browser back, and with nothing that another site loads or posts.
fn keep(response: &mut Response, value: &str) -> Result<(), Stop> {
    let line = format!("{COOKIE}={value}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax", limits::SIGN_IN_SECONDS);
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(&line).map_err(|error| Stop::Fault(error.to_string()))?);
    Ok(())
}

fn clear(response: &mut Response) {
    if let Ok(line) = HeaderValue::from_str(&format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_page_stays_one_value() {
        assert_eq!(escaped("/plans?state=open&x=あ#y"), "/plans%3Fstate%3Dopen%26x%3D%E3%81%82%23y");
    }
}
