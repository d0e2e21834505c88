//! 追跡: from one address or one person to their sessions, commands, files and refusals in a span of days.

use super::log::{LogNames, entry};
use crate::call::{Call, Ctx};
use crate::pages::plans::{files, written};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::facts::Fact;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use sekisho_store::{SessionRow, Trace, TraceOf};
use serde::Deserialize;
use std::time::Duration;

/// It shows what the search shows.
const TRACE: Access = Access::MayStepUp(Action::SearchRecords);
/// The span if none is named.
const LATELY: Duration = Duration::from_secs(30 * 86_400);
/// Commands and files of one session on the page; its own page has all.
const SHOWN: usize = 100;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/trace", TRACE, show),
        Route::api(Method::GET, "/api/v1/trace", TRACE, "Follow an address or a person: sessions with commands and files, logins, refusals. Each trace is written into the log.", api)
            .query::<TraceAsk>()
            .gives::<serde_json::Value>(),
    ]
}

/// The query.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct TraceAsk {
    /// An address, or a person's id, login name or name.
    who: String,
    /// First day, `YYYY-MM-DD`, Japanese time [default: 30 days ago].
    from: Option<String>,
    /// Last day, `YYYY-MM-DD`, Japanese time [default: today].
    until: Option<String>,
}

async fn followed(call: &Call) -> Result<(Trace, Timestamp, Timestamp), Stop> {
    let (ctx, query) = (&call.ctx, call.query());
    let now = ctx.now();
    let from = query.parse_opt("from", |text| parse_date(text).map(|date| Timestamp::from_jst(date, 0, 0)))?.unwrap_or_else(|| now.minus(LATELY));
    // The last moment is not within the span: what has just happened must be.
    let until = query.end_of_day_opt("until")?.unwrap_or_else(|| now.plus(Duration::from_secs(1)));
    Ok((ctx.store().trace(ctx.actor()?, query.raw("who").unwrap_or_default(), from, until).await?, from, until))
}

async fn show(call: Call) -> Reply {
    let (ctx, query) = (&call.ctx, call.query());
    let mut problem = None;
    let mut found = None;
    if query.raw("who").is_some_and(|who| !who.trim().is_empty()) {
        match followed(&call).await {
            Ok((trace, from, until)) => found = Some(page_of(&call, &trace, from, until).await?),
            Err(stop) => match problem_of(ctx, &stop) {
                Some(words) => problem = Some(words),
                None => return Err(stop),
            },
        }
    }
    let form = Value::from_object(query.clone());
    call.page("trace.html", "trace.title", context! { found, form, problem_words => problem.unwrap_or_default() })
}

/// What is wrong with the query, in words; `None` for what the page of refusals tells.
fn problem_of(ctx: &Ctx, stop: &Stop) -> Option<String> {
    match stop.refusal() {
        Refusal::NotFound => Some(ctx.t("trace.nobody")),
        Refusal::BadField { field } if field == "who" => Some(ctx.t("trace.several")),
        Refusal::BadField { field } if field == "from" || field == "until" => Some(ctx.t("search.bad_day")),
        _ => None,
    }
}

async fn page_of(call: &Call, trace: &Trace, from: Timestamp, until: Timestamp) -> Result<Value, Stop> {
    let ctx = &call.ctx;
    let names = LogNames::read(ctx).await?;
    let (about, person) = match &trace.of {
        TraceOf::Address(address) => (address.to_string(), None),
        TraceOf::Person(person) => (names.of(person.as_str()), Some(person.as_str())),
    };
    let others: Vec<Value> = match &trace.of {
        TraceOf::Address(_) => trace.persons.iter().map(|(person, entries)| context! { who => person.as_str(), shown => names.of(person.as_str()), entries }).collect(),
        TraceOf::Person(_) => trace.addresses.iter().map(|(address, entries)| context! { who => address.to_string(), shown => address.to_string(), entries }).collect(),
    };
    let (commands, moved) = trace.sessions.iter().fold((0, 0), |(commands, moved), row| (commands + row.facts.commands.len(), moved + row.facts.files.len()));
    let refused = trace.entries.iter().filter(|held| is_refusal(&held.fact)).count();
    Ok(context! {
        about,
        person,
        is_address => person.is_none(),
        span => written::span(from, until, ctx.lang),
        others,
        commands,
        files => moved,
        refused,
        sessions => trace.sessions.iter().map(|row| session(ctx, row)).collect::<Vec<Value>>(),
        more_sessions => trace.more_sessions,
        entries => trace.entries.iter().map(|held| entry(ctx, &names, held)).collect::<Vec<Value>>(),
        more_entries => trace.more_entries,
        read_back_to => trace.read_back_to.map(|at| at.0),
        only_the_road => !ctx.may(Action::ReadLog),
    })
}

fn is_refusal(fact: &Fact) -> bool {
    matches!(fact, Fact::Refused { .. } | Fact::RefusedInside { .. } | Fact::ConnectDenied { .. } | Fact::CertificateRefused { .. } | Fact::TokenRefused { .. })
}

fn session(ctx: &Ctx, row: &SessionRow) -> Value {
    let facts = &row.facts;
    let commands: Vec<Value> = facts.commands.iter().take(SHOWN).map(|seen| context! { at => written::position(seen.at_ms), text => seen.text.as_str() }).collect();
    let moved: Vec<Value> = facts
        .files
        .iter()
        .take(SHOWN)
        .map(|file| context! { at => written::position(file.at_ms), op => words::word(ctx.lang, &format!("file.{}", files::op_name(&file.op))), path => file.path.as_str(), sha256 => file.sha256.as_deref() })
        .collect();
    context! {
        id => facts.session.as_str(),
        target => facts.target_name.as_str(),
        account => facts.account.as_str(),
        person => facts.person_name.as_str(),
        person_id => facts.person.as_str(),
        source => facts.source.as_str(),
        started => facts.started.0,
        ended => facts.ended.map(|at| at.0),
        plan => row.plan.as_str(),
        number => row.plan_number.as_str(),
        title => row.plan_title.as_str(),
        commands,
        commands_all => facts.commands.len(),
        files => moved,
        files_all => facts.files.len(),
    }
}

async fn api(call: Call) -> Reply {
    let (trace, ..) = followed(&call).await?;
    call.answer(&trace)
}
