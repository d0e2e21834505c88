//! ログイン中の端末: where a person is logged in, and the ending of each login; an administrator sees and ends others'.

use crate::call::{Call, Ctx};
use crate::pages::tokens;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::PersonId;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::{OpenLogin, OpenLoginId};
use serde::Serialize;

const PATH: &str = "/account/logins";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    // Whoever sits at a login that was left open does not end the others of its person (ASVS 5.0, 7.5.2).
    let own = Access::MayStepUp(Action::KeepOwnLogin);
    let (read, keep) = (Access::May(Action::ReadLedger), Access::MayStepUp(Action::KeepLedger));
    vec![
        Route::page(PATH, Access::LoggedIn, show),
        Route::form(PATH, own, end).again(show),
        Route::page("/persons/{id}/logins", read, show_of),
        Route::form("/persons/{id}/logins", keep, end_of).again(show_of),
        Route::api(Method::GET, "/api/v1/me/logins", Access::LoggedIn, "Where one is logged in: browsers, API clients, devices with a login certificate.", api_own).gives::<Vec<LoginLine>>(),
        Route::api(Method::DELETE, "/api/v1/me/logins", own, "End all other logins of one's own; tokens for automation stay.", api_end_others),
        Route::api(Method::DELETE, "/api/v1/me/logins/{login}", own, "End a login of one's own.", api_end),
        Route::api(Method::GET, "/api/v1/persons/{id}/logins", read, "Where a person is logged in.", api_of).gives::<Vec<LoginLine>>(),
        Route::api(Method::DELETE, "/api/v1/persons/{id}/logins/{login}", keep, "End a login of a person.", api_end_of),
    ]
}

/// A login as the API shows it.
#[derive(Serialize, JsonSchema)]
struct LoginLine {
    /// Identifier.
    id: String,
    /// `web`, `api` or `certificate`.
    kind: &'static str,
    /// From where it was begun.
    source: String,
    /// Name of the device it is bound to; empty if to none.
    device: String,
    /// By which factors it was proved.
    proof: String,
    /// When it began; Unix milliseconds.
    started_at: Timestamp,
    /// When it was used last; not known for certificates.
    seen_at: Option<Timestamp>,
    /// When it ends by itself at the latest.
    ends_at: Timestamp,
    /// It is the one by which this is asked.
    current: bool,
    /// Numbers of the plans that a certificate was given for.
    plans: Vec<String>,
}

impl From<OpenLogin> for LoginLine {
    fn from(login: OpenLogin) -> Self {
        Self {
            id: login.id.as_str().to_owned(),
            kind: login.kind.as_str(),
            source: login.source,
            device: login.device,
            proof: login.proof,
            started_at: login.started_at,
            seen_at: login.seen_at,
            ends_at: login.ends_at,
            current: login.current,
            plans: login.plans,
        }
    }
}

fn row(ctx: &Ctx, login: &OpenLogin) -> Value {
    context! {
        id => login.id.as_str(),
        kind => ctx.t(&format!("logins.via_{}", login.kind.as_str())),
        source => login.source.as_str(),
        country => login.source.parse().ok().and_then(|source| ctx.store().country_of(source)).map(|country| country.to_string()),
        device => login.device.as_str(),
        proof => ctx.t(&format!("log.proof_{}", login.proof)),
        started_at => login.started_at.0,
        seen_at => login.seen_at.map(|at| at.0),
        ends_at => login.ends_at.0,
        current => login.current,
        plans => login.plans.join(", "),
    }
}

async fn show(call: Call) -> Reply {
    let (ctx, login) = (&call.ctx, call.ctx.login()?);
    let logins = ctx.store().open_logins(&login.actor, &login.person.id, Some(&login.id)).await?;
    let rows: Vec<Value> = logins.iter().map(|login| row(ctx, login)).collect();
    let others = logins.iter().filter(|login| !login.current).count();
    let tokens = open_tokens(ctx, &login.person.id).await?;
    call.page(
        "account/logins.html",
        "logins.title",
        context! { rows, others, tokens => value(tokens), idle => ctx.store().policy().login_idle_minutes },
    )
}

/// The tokens for automation that could be used.
async fn open_tokens(ctx: &Ctx, person: &PersonId) -> Result<Vec<Value>, Stop> {
    let rows = ctx.store().tokens_of(ctx.actor()?, person).await?;
    Ok(rows.iter().filter(|row| row.token.ended.is_none()).map(|row| tokens::row(ctx, row)).collect())
}

fn which(call: &Call) -> Result<OpenLoginId, Stop> {
    call.id("login", OpenLoginId::parse)
}

/// One login, or all others with the tokens.
async fn end(call: Call) -> Reply {
    let login = call.ctx.login()?;
    if call.form().text("login") != "others" {
        let one = OpenLoginId::parse(call.form().text("login")).ok_or_else(|| Stop::bad_field("login"))?;
        call.ctx.store().end_login(&login.actor, &login.person.id, &one).await?;
        return call.done(PATH, "logins.ended");
    }
    let tokens = call.form().has("tokens");
    let ended = call.ctx.store().end_other_logins(&login.actor, &login.person.id, Some(&login.id), tokens).await?;
    call.ctx.note("success", call.ctx.t_with("logins.others_ended", &[("n", &ended.to_string())]));
    call.see(PATH)
}

async fn show_of(call: Call) -> Reply {
    let (ctx, id) = (&call.ctx, call.id("id", PersonId::parse)?);
    let person = ctx.store().person(ctx.actor()?, &id).await?.person;
    let logins = ctx.store().open_logins(ctx.actor()?, &id, ctx.login.as_ref().map(|login| &login.id)).await?;
    let rows: Vec<Value> = logins.iter().map(|login| row(ctx, login)).collect();
    let tokens = open_tokens(ctx, &id).await?;
    call.page(
        "persons/logins.html",
        "logins.of_title",
        context! { person => value(person), rows, tokens => value(tokens), may_keep => ctx.may(Action::KeepLedger) },
    )
}

/// One login, or all of them with the tokens.
async fn end_of(call: Call) -> Reply {
    let (ctx, id) = (&call.ctx, call.id("id", PersonId::parse)?);
    match call.form().text("login") {
        "all" => {
            ctx.store().end_other_logins(ctx.actor()?, &id, None, call.form().has("tokens")).await?;
        }
        one => ctx.store().end_login(ctx.actor()?, &id, &OpenLoginId::parse(one).ok_or_else(|| Stop::bad_field("login"))?).await?,
    }
    call.done(&format!("/persons/{id}/logins"), "logins.ended")
}

async fn api_own(call: Call) -> Reply {
    let login = call.ctx.login()?;
    let logins = call.ctx.store().open_logins(&login.actor, &login.person.id, Some(&login.id)).await?;
    call.answer(&logins.into_iter().map(LoginLine::from).collect::<Vec<_>>())
}

async fn api_end_others(call: Call) -> Reply {
    let login = call.ctx.login()?;
    call.ctx.store().end_other_logins(&login.actor, &login.person.id, Some(&login.id), false).await?;
    call.nothing()
}

async fn api_end(call: Call) -> Reply {
    let login = call.ctx.login()?;
    call.ctx.store().end_login(&login.actor, &login.person.id, &which(&call)?).await?;
    call.nothing()
}

async fn api_of(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let logins = call.ctx.store().open_logins(call.ctx.actor()?, &id, None).await?;
    call.answer(&logins.into_iter().map(LoginLine::from).collect::<Vec<_>>())
}

async fn api_end_of(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    call.ctx.store().end_login(call.ctx.actor()?, &id, &which(&call)?).await?;
    call.nothing()
}
