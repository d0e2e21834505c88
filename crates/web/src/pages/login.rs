//! Coming in and going out: one form for password and code together, and the same for API clients.

use crate::call::{Call, Ctx, local_path, see_other};
use crate::form::Form;
use crate::gate::credentials::{LANG_COOKIE, LOGIN_COOKIE, cookie};
use crate::gate::back_of;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words::Lang;
use axum::http::header::{AUTHORIZATION, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use minijinja::context;
use schemars::JsonSchema;
use sekisho_core::people::{Role, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use serde::{Deserialize, Serialize};

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/login", Access::Public, show),
        Route::form("/login", Access::Public, submit).again(show),
        Route::page("/login/recovery", Access::Public, show_recovery),
        Route::form("/login/recovery", Access::Public, recover).again(show_recovery),
        Route::form("/logout", Access::SettingUp, leave),
        Route::form("/keepalive", Access::SettingUp, stay),
        Route::form("/language", Access::Public, language),
        Route::page("/step-up/factors", Access::SettingUp, show_step_up_factors),
        Route::form("/step-up", Access::SettingUp, step_up).again(show_step_up),
        Route::api(Method::POST, "/api/v1/logins", Access::Public, "Log in with password and one-time code; gives the bearer token.", api_log_in).takes::<LoginAsk>().gives::<LoginAnswer>(),
        Route::api(Method::POST, "/api/v1/passkeys/login", Access::Public, "Ask for a passkey login: what the browser hands to the authenticator.", api_ask_login).takes::<PasskeyLoginAsk>().gives::<PasskeyQuestionAnswer>(),
        Route::api(Method::POST, "/api/v1/passkeys/step-up", Access::SettingUp, "Ask for a passkey as a fresh factor of this login.", api_ask_step_up).gives::<PasskeyQuestionAnswer>(),
        Route::api(Method::GET, "/api/v1/me", Access::SettingUp, "Who this login is.", api_me).gives::<Me>(),
        Route::api(Method::DELETE, "/api/v1/logins/current", Access::SettingUp, "Log out; the token is dead afterwards.", api_log_out),
        Route::api(Method::POST, "/api/v1/step-up", Access::SettingUp, "Give a fresh one-time code.", api_step_up).takes::<CodeAsk>(),
    ]
}

async fn show(call: Call) -> Reply {
    let next = match call.problem {
        Some(_) => call.form().text("next").to_owned(),
        None => call.query().text("next").to_owned(),
    };
    if call.problem.is_none() && call.ctx.login.is_some() {
        return call.see(local_path(&next).unwrap_or("/"));
    }
    let why = ["ended", "enrolled", "changed"].into_iter().find(|why| call.problem.is_none() && call.query().has(why));
    let form = call.typed_or(Form::default());
    let with_password = call.ctx.store().policy().passkey_with_password;
    let providers = super::sign_in::providers(&call, &next);
    call.page("login.html", "login.title", context! { form => minijinja::Value::from_object(form), next, why, with_password, providers })
}

async fn submit(call: Call) -> Reply {
    let form = call.form();
    let ctx = &call.ctx;
    let new = match form.text("passkey") {
        "" => ctx.store().log_in(form.text("login"), form.secret("password"), Secret::new(form.text("code")), ctx.origin(), Via::Web).await?,
        answer => {
            let password = form.raw("password").filter(|typed| !typed.is_empty()).map(|_| form.secret("password"));
            ctx.store().log_in_with_passkey(&ctx.csrf, answer, password, ctx.origin()).await?
        }
    };
    begun(&call, new).await
}

async fn show_recovery(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    call.page("login_recovery.html", "login.recovery_title", context! { form => minijinja::Value::from_object(form) })
}

/// A login by a recovery code leads to where the lost factor is replaced.
async fn recover(call: Call) -> Reply {
    let form = call.form();
    let new = call.ctx.store().log_in_with_recovery(form.text("login"), form.secret("password"), Secret::new(form.text("recovery")), call.ctx.origin()).await?;
    let mut response = begun(&call, new).await?;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/account/factors"));
    Ok(response)
}

/// Gives the browser its new login.
pub(super) async fn begun(call: &Call, new: sekisho_store::NewLogin) -> Reply {
    let (form, ctx) = (call.form(), &call.ctx);
    // The login that this browser held before ends, so that one browser never holds two.
    if let Some(old) = cookie(&call.asked.headers, LOGIN_COOKIE) {
        end(ctx, old).await?;
    }
    let mut response = see_other(local_path(form.text("next")).unwrap_or("/"))?;
    set_cookie(&mut response, LOGIN_COOKIE, new.token.expose())?;
    if let Ok(login) = ctx.store().login_of(new.token.expose(), ctx.source).await {
        ctx.store().set_lang(&login, ctx.lang.as_str()).await?;
    }
    Ok(response)
}

async fn end(ctx: &Ctx, token: &str) -> Result<(), Stop> {
    match ctx.store().log_out(token).await.map_err(Stop::from) {
        Ok(()) | Err(Stop::Refused(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

async fn leave(call: Call) -> Reply {
    if let Some(token) = cookie(&call.asked.headers, LOGIN_COOKIE) {
        end(&call.ctx, token).await?;
    }
    let mut response = see_other("/login")?;
    clear_cookie(&mut response, LOGIN_COOKIE);
    // Whatever a page kept in this browser goes with the login.
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

/// Any request keeps a login alive; this one does nothing else.
async fn stay(call: Call) -> Reply {
    call.nothing()
}

async fn language(call: Call) -> Reply {
    let lang = Lang::parse(call.form().text("lang")).ok_or_else(|| Stop::bad_field("lang"))?;
    if let Some(login) = &call.ctx.login {
        call.ctx.store().set_lang(login, lang.as_str()).await?;
    }
    let back = back_of(&call.asked.headers, &call.asked.uri).or_else(|| referer_login(&call)).unwrap_or_else(|| "/".to_owned());
    let mut response = see_other(&back)?;
    set_cookie(&mut response, LANG_COOKIE, lang.as_str())?;
    Ok(response)
}

/// The login and enrolment pages are no place to go to after a login, but they are where a stranger changes language.
fn referer_login(call: &Call) -> Option<String> {
    let referer = call.asked.headers.get("referer")?.to_str().ok()?;
    let path = referer.splitn(4, '/').nth(3)?;
    (path == "login" || path.starts_with("login?")).then(|| "/login".to_owned())
}

async fn show_step_up(call: Call) -> Reply {
    let next = local_path(call.form().text("next")).unwrap_or("/").to_owned();
    call.page("step_up.html", "step_up.title", context! { next })
}

/// For whoever has just set up what their role asks for: proving it opens the other pages.
async fn show_step_up_factors(call: Call) -> Reply {
    call.page("step_up.html", "step_up.title", context! { next => "/" })
}

async fn step_up(call: Call) -> Reply {
    let form = call.form();
    match form.text("passkey") {
        "" => call.ctx.store().step_up(call.ctx.login()?, Secret::new(form.text("code"))).await?,
        answer => call.ctx.store().step_up_with_passkey(call.ctx.login()?, answer).await?,
    }
    call.see(local_path(form.text("next")).unwrap_or("/"))
}

pub(super) fn set_cookie(response: &mut Response, name: &str, value: &str) -> Result<(), Stop> {
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let line = HeaderValue::from_str(&line).map_err(|error| Stop::Fault(error.to_string()))?;
    response.headers_mut().append(SET_COOKIE, line);
    Ok(())
}

pub(crate) fn clear_cookie(response: &mut Response, name: &str) {
    if let Ok(line) = HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// Name, password and code of a client.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LoginAsk {
    /// Login name.
    login: String,
    /// Password.
    password: Secret,
    /// The six digits of the authenticator.
    code: Secret,
}

/// The token of a client.
#[derive(Serialize, JsonSchema)]
struct LoginAnswer {
    /// Goes into `Authorization: Bearer`.
    token: String,
    /// Who logged in.
    login: String,
    /// Display name.
    name: String,
    /// Roles.
    roles: Vec<Role>,
}

/// A fresh one-time code.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeAsk {
    /// The six digits.
    code: Secret,
}

/// Who a login is.
#[derive(Serialize, JsonSchema)]
struct Me {
    /// The person as the ledger holds them.
    person: sekisho_core::people::Person,
    /// Until when a one-time code just given counts; Unix milliseconds.
    stepped_up_until: Option<sekisho_core::time::Timestamp>,
    /// When the login ends in any case.
    ends_at: sekisho_core::time::Timestamp,
    /// The anti-forgery value that calls with the cookie carry in `X-CSRF-Token`.
    csrf: String,
}

async fn api_log_in(call: Call) -> Reply {
    let ask: LoginAsk = call.json()?;
    let new = call.ctx.store().log_in(ask.login.trim(), ask.password, ask.code, call.ctx.origin(), Via::Api).await?;
    let roles = new.actor.roles.iter().copied().collect();
    call.answer(&LoginAnswer { token: new.token.expose().to_owned(), login: new.actor.login, name: new.actor.name, roles })
}

/// Who wants to log in by a passkey.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PasskeyLoginAsk {
    /// Login name, if it was typed; without it the authenticator says whose passkey it is.
    #[serde(default)]
    login: String,
}

/// A question to a passkey.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PasskeyQuestionAnswer {
    /// Goes back with the answer; good for one.
    ceremony: String,
    /// For `navigator.credentials`, bytes as base64url.
    options: serde_json::Value,
}

impl From<sekisho_store::PasskeyQuestion> for PasskeyQuestionAnswer {
    fn from(question: sekisho_store::PasskeyQuestion) -> Self {
        Self { ceremony: question.ceremony, options: question.options }
    }
}

async fn api_ask_login(call: Call) -> Reply {
    let ask: PasskeyLoginAsk = call.json()?;
    let question = call.ctx.store().ask_passkey_login(&call.ctx.csrf, ask.login.trim(), call.ctx.source).await?;
    call.answer(&PasskeyQuestionAnswer::from(question))
}

async fn api_ask_step_up(call: Call) -> Reply {
    let question = call.ctx.store().ask_passkey_step_up(call.ctx.login()?).await?;
    call.answer(&PasskeyQuestionAnswer::from(question))
}

async fn api_me(call: Call) -> Reply {
    let login = call.ctx.login()?;
    call.answer(&Me { person: login.person.clone(), stepped_up_until: login.stepped_up_until, ends_at: login.ends_at, csrf: login.csrf.clone() })
}

async fn api_log_out(call: Call) -> Reply {
    let bearer = call.asked.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = bearer.or_else(|| cookie(&call.asked.headers, LOGIN_COOKIE)).ok_or(Refusal::LoginNeeded)?;
    end(&call.ctx, token.trim()).await?;
    call.nothing()
}

async fn api_step_up(call: Call) -> Reply {
    let ask: CodeAsk = call.json()?;
    call.ctx.store().step_up(call.ctx.login()?, ask.code).await?;
    call.nothing()
}
