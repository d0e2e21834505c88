//! トークン: what programs hold in place of a login; one's own, those of robots, and the list of all.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words::{self, Lang};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{PersonId, TokenId};
use sekisho_core::people::Person;
use sekisho_core::permission::Action;
use sekisho_core::source::Network;
use sekisho_core::time::Timestamp;
use sekisho_core::token::{GUARDED, TokenEnd, offered};
use sekisho_store::{NewToken, TokenAsk, TokenRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

const OWN: Access = Access::MayStepUp(Action::KeepOwnLogin);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);
const READ: Access = Access::May(Action::ReadLedger);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/account/tokens", Access::LoggedIn, show_own),
        Route::page("/account/tokens/new", Access::LoggedIn, show_make_own),
        Route::form("/account/tokens/new", OWN, make_own).again(show_make_own),
        Route::form("/account/tokens/{id}/revoke", Access::LoggedIn, revoke_own),
        Route::page("/tokens", READ, list),
        Route::page("/tokens/{id}/revoke", may_keep, show_revoke),
        Route::form("/tokens/{id}/revoke", KEEP, revoke).again(show_revoke),
        Route::page("/persons/{id}/tokens/new", may_keep, show_make_robots),
        Route::form("/persons/{id}/tokens/new", KEEP, make_robots).again(show_make_robots),
        Route::api(Method::GET, "/api/v1/me/tokens", Access::LoggedIn, "One's own tokens for automation.", api_own).gives::<Vec<TokenLine>>(),
        Route::api(Method::POST, "/api/v1/me/tokens", OWN, "Make a token for automation; its code is given here and never again.", api_make_own).takes::<MakeAsk>().gives::<Made>(),
        Route::api(Method::DELETE, "/api/v1/me/tokens/{id}", Access::LoggedIn, "End a token of one's own.", api_revoke_own),
        Route::api(Method::GET, "/api/v1/tokens", READ, "All tokens for automation.", api_list).gives::<Vec<TokenLine>>(),
        Route::api(Method::DELETE, "/api/v1/tokens/{id}", KEEP, "End any token.", api_revoke_own),
        Route::api(Method::POST, "/api/v1/persons/{id}/tokens", KEEP, "Make a token for a robot; its code is given here and never again.", api_make_robots).takes::<MakeAsk>().gives::<Made>(),
    ]
}

/// A token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeAsk {
    /// What it is called.
    name: String,
    /// What it is good for.
    scopes: BTreeSet<Action>,
    /// Networks it can be used from, such as `192.0.2.0/24`; at least one.
    sources: Vec<Network>,
    /// Its end; Unix milliseconds.
    until: Timestamp,
    /// Why; needed for a scope that only robots are given.
    #[serde(default)]
    reason: String,
}

/// A token as the API shows it.
#[derive(Serialize, JsonSchema)]
struct TokenLine {
    /// Identifier; it stands in the log beside each act.
    id: TokenId,
    /// For whom it acts.
    person: PersonId,
    /// Login name of the holder.
    login: String,
    /// The holder is a robot.
    robot: bool,
    /// What it is called.
    name: String,
    /// What it is good for.
    scopes: BTreeSet<Action>,
    /// Where it can be used from.
    sources: Vec<Network>,
    /// When it was made.
    made_at: Timestamp,
    /// Login name of whoever made it.
    made_by: String,
    /// Its end.
    until: Timestamp,
    /// Why it ended, if it has.
    ended: Option<TokenEnd>,
    /// When it ended.
    ended_at: Option<Timestamp>,
    /// It can be used.
    in_force: bool,
    /// When it was used last.
    used_at: Option<Timestamp>,
    /// From where.
    used_from: Option<String>,
    /// It can be used and has not been for 90 days.
    unused: bool,
}

impl From<TokenRow> for TokenLine {
    fn from(row: TokenRow) -> Self {
        let token = row.token;
        Self {
            id: token.id,
            person: token.person,
            login: row.login,
            robot: row.robot,
            name: token.name,
            scopes: token.scopes,
            sources: token.sources,
            made_at: token.made_at,
            made_by: token.made_by,
            until: token.ends_at,
            ended: token.ended.map(|(_, cause)| cause),
            ended_at: token.ended.map(|(at, _)| at),
            in_force: row.in_force,
            used_at: row.used_at,
            used_from: row.used_from,
            unused: row.unused,
        }
    }
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
struct Made {
    /// What the program sends as `Authorization: Bearer …`. It is given here and never again.
    token: String,
    /// Identifier.
    id: TokenId,
    /// Its end.
    until: Timestamp,
}

impl From<NewToken> for Made {
    fn from(made: NewToken) -> Self {
        Self { token: made.code.expose().to_owned(), id: made.token.id, until: made.token.ends_at }
    }
}

/// The name of a scope.
fn scope_word(lang: Lang, scope: Action) -> String {
    let name = serde_json::to_value(scope).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    words::word(lang, &format!("token.scope_{name}"))
}

/// Scopes in words.
#[must_use]
pub fn scope_words(lang: Lang, scopes: &BTreeSet<Action>) -> String {
    let names: Vec<String> = scopes.iter().map(|scope| scope_word(lang, *scope)).collect();
    names.join(if lang == Lang::Ja { "・" } else { ", " })
}

/// A token as the pages show it.
pub(super) fn row(ctx: &Ctx, row: &TokenRow) -> Value {
    let token = &row.token;
    let cause = token.ended.map(|(_, cause)| ctx.t(&format!("token.end_{}", cause.as_str())));
    context! {
        id => token.id.as_str(),
        name => token.name.as_str(),
        person => token.person.as_str(),
        holder => row.holder.as_str(),
        login => row.login.as_str(),
        robot => row.robot,
        scopes => token.scopes.iter().map(|scope| scope_word(ctx.lang, *scope)).collect::<Vec<_>>(),
        sources => token.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        made_at => token.made_at.0,
        made_by => token.made_by.as_str(),
        until => token.ends_at.0,
        ended => token.ended.is_some(),
        state => if row.in_force { "active" } else { "disabled" },
        state_word => cause.unwrap_or_else(|| ctx.t(if row.in_force { "token.in_force" } else { "token.at_rest" })),
        used_at => row.used_at.map(|at| at.0),
        used_from => row.used_from.as_deref(),
        unused => row.unused,
    }
}

/// The code of a token that was made a moment ago, for the one page that shows it.
pub(super) fn fresh(ctx: &Ctx, holder: &PersonId) -> Option<String> {
    ctx.take_once(&format!("token {holder}"))
}

fn keep_fresh(ctx: &Ctx, made: &NewToken) {
    ctx.keep_once(&format!("token {}", made.token.person), made.code.expose().to_owned());
}

fn read(person: PersonId, form: &Form) -> Result<TokenAsk, Stop> {
    let action = |text: &str| serde_json::from_value::<Action>(serde_json::Value::String(text.to_owned())).map_err(|_| Stop::bad_field("scopes"));
    let lines = form.text("sources").lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(TokenAsk {
        person,
        name: form.need("token_name")?.to_owned(),
        scopes: form.all("scopes").into_iter().map(action).collect::<Result<_, _>>()?,
        sources: lines.map(|line| Network::parse(line).ok_or_else(|| Stop::bad_field("sources"))).collect::<Result<_, _>>()?,
        until: form.end_of_day_opt("token_until")?.ok_or_else(|| Stop::bad_field("token_until"))?,
        reason: form.text("reason").to_owned(),
    })
}

fn form_page(call: &Call, person: &Person, post: &str, back: &str) -> Reply {
    let ctx = &call.ctx;
    let days = ctx.store().policy().token_days;
    let last = ctx.now().plus(DAY * days);
    let mut first = Form::default();
    first.push("sources", ctx.source.to_string());
    first.push("token_until", sekisho_core::time::format_date(last.date()));
    let name_of = |scope: Action| serde_json::to_value(scope).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let scopes = offered(person);
    let choices: Vec<(String, String, String)> = scopes
        .iter()
        .map(|scope| {
            let name = name_of(*scope);
            let help = ctx.t(&format!("token.scope_{name}_help"));
            (name, scope_word(ctx.lang, *scope), help)
        })
        .collect();
    let guarded = scopes.iter().any(|scope| GUARDED.contains(scope));
    let context = context! {
        form => Value::from_object(call.typed_or(first)),
        scopes => value(choices),
        guarded,
        days,
        last => sekisho_core::time::format_date(last.date()),
        holder => person.name.as_str(),
        robot => person.robot.is_some(),
        post,
        back,
    };
    call.page("tokens/form.html", "token.make", context)
}

async fn show_own(call: Call) -> Reply {
    let ctx = &call.ctx;
    let login = ctx.login()?;
    let rows: Vec<Value> = ctx.store().my_tokens(ctx.actor()?).await?.iter().map(|token| row(ctx, token)).collect();
    let offers = !offered(&login.person).is_empty();
    call.page("account/tokens.html", "token.title", context! { rows, offers, code => fresh(ctx, &login.person.id), base_url => ctx.house.settings.base_url.as_str() })
}

async fn show_make_own(call: Call) -> Reply {
    let person = call.ctx.login()?.person.clone();
    form_page(&call, &person, "/account/tokens/new", "/account/tokens")
}

async fn make_own(call: Call) -> Reply {
    let person = call.ctx.login()?.person.id.clone();
    let made = call.ctx.store().make_token(call.ctx.actor()?, read(person, call.form())?).await?;
    keep_fresh(&call.ctx, &made);
    call.done("/account/tokens", "token.made")
}

async fn revoke_own(call: Call) -> Reply {
    let id = call.id("id", TokenId::parse)?;
    call.ctx.store().revoke_token(call.ctx.actor()?, &id, "").await?;
    call.done("/account/tokens", "token.revoked")
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let which = call.query().text("which");
    let all = ctx.store().tokens(ctx.actor()?).await?;
    let fits = |token: &&TokenRow| match which {
        "unused" => token.unused,
        "all" => true,
        _ => token.in_force,
    };
    let rows: Vec<Value> = all.iter().filter(fits).map(|token| row(ctx, token)).collect();
    let unused = all.iter().filter(|token| token.unused).count();
    call.page("tokens/list.html", "token.all_title", context! { rows, which, unused, may_keep => ctx.may(Action::KeepLedger) })
}

async fn find(call: &Call) -> Result<TokenRow, Stop> {
    let id = call.id("id", TokenId::parse)?;
    let all = call.ctx.store().tokens(call.ctx.actor()?).await?;
    all.into_iter().find(|row| row.token.id == id).ok_or_else(Stop::not_found)
}

async fn show_revoke(call: Call) -> Reply {
    let found = find(&call).await?;
    let form = call.typed_or(Form::default());
    call.page("tokens/revoke.html", "token.revoke", context! { form => Value::from_object(form), row => row(&call.ctx, &found) })
}

async fn revoke(call: Call) -> Reply {
    let id = call.id("id", TokenId::parse)?;
    call.ctx.store().revoke_token(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done("/tokens", "token.revoked")
}

async fn robot(call: &Call) -> Result<Person, Stop> {
    let id = call.id("id", PersonId::parse)?;
    let person = call.ctx.store().person(call.ctx.actor()?, &id).await?.person;
    if person.robot.is_none() {
        return Err(Stop::not_found());
    }
    Ok(person)
}

async fn show_make_robots(call: Call) -> Reply {
    let robot = robot(&call).await?;
    let back = format!("/persons/{}", robot.id);
    form_page(&call, &robot, &format!("{back}/tokens/new"), &back)
}

async fn make_robots(call: Call) -> Reply {
    let robot = robot(&call).await?;
    let made = call.ctx.store().make_token(call.ctx.actor()?, read(robot.id.clone(), call.form())?).await?;
    keep_fresh(&call.ctx, &made);
    call.done(&format!("/persons/{}", robot.id), "token.made")
}

async fn api_own(call: Call) -> Reply {
    let rows = call.ctx.store().my_tokens(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(TokenLine::from).collect::<Vec<_>>())
}

async fn api_make_own(call: Call) -> Reply {
    let person = call.ctx.login()?.person.id.clone();
    api_make(&call, person).await
}

async fn api_make_robots(call: Call) -> Reply {
    let person = call.id("id", PersonId::parse)?;
    api_make(&call, person).await
}

async fn api_make(call: &Call, person: PersonId) -> Reply {
    let MakeAsk { name, scopes, sources, until, reason } = call.json()?;
    let made = call.ctx.store().make_token(call.ctx.actor()?, TokenAsk { person, name, scopes, sources, until, reason }).await?;
    call.answer(&Made::from(made))
}

async fn api_revoke_own(call: Call) -> Reply {
    let id = call.id("id", TokenId::parse)?;
    call.ctx.store().revoke_token(call.ctx.actor()?, &id, "").await?;
    call.nothing()
}

async fn api_list(call: Call) -> Reply {
    let rows = call.ctx.store().tokens(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(TokenLine::from).collect::<Vec<_>>())
}
