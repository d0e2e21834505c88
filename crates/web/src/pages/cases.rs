//! 迂回ログイン: logins that no session explains, and what was decided about them.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::around::{AllowAsk, AroundRule, Case, Decision, LoginAllow, Weight};
use sekisho_core::ids::{CaseId, LoginAllowId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::source::Network;
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadLedger);
const DECIDE: Access = Access::MayStepUp(Action::DecideCase);
/// Days for which the form proposes to allow a login.
const DAYS: u32 = 90;
/// Open cases that the first page names.
const NAMED: usize = 3;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/cases", READ, list),
        Route::page("/cases/{id}", READ, show),
        Route::form("/cases/{id}/decide", DECIDE, decide).again(show),
        Route::page("/login-allows", READ, allows),
        Route::form("/login-allows", DECIDE, allow).again(allows),
        Route::form("/login-allows/{id}/end", DECIDE, end),
        Route::api(Method::GET, "/api/v1/cases", READ, "Logins that no session explains: those that wait for a decision, and the last that were decided on.", api_list).gives::<CasesAnswer>(),
        Route::api(Method::GET, "/api/v1/cases/{id}", READ, "One case.", api_show).gives::<Case>(),
        Route::api(Method::POST, "/api/v1/cases/{id}/decide", DECIDE, "Decide on a case.", api_decide).takes::<DecideBody>().gives::<Case>(),
        Route::api(Method::GET, "/api/v1/login-allows", READ, "The logins that may go round the gateway.", api_allows).gives::<Vec<LoginAllow>>(),
        Route::api(Method::POST, "/api/v1/login-allows", DECIDE, "Allow logins round the gateway.", api_allow).takes::<AllowAsk>().gives::<LoginAllow>(),
        Route::api(Method::POST, "/api/v1/login-allows/{id}/end", DECIDE, "Take the leave back.", api_end).takes::<EndBody>().gives::<LoginAllow>(),
    ]
}

/// Cases.
#[derive(Serialize, JsonSchema)]
struct CasesAnswer {
    /// Those that wait for a decision, gravest first.
    open: Vec<Case>,
    /// The last of the others.
    decided: Vec<Case>,
}

/// A decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    /// What.
    decision: Decision,
    /// How many logins the case had when it was looked at.
    logins: u64,
    /// How many attempts.
    attempts: u64,
    /// Why.
    reason: String,
    /// To allow logins like it: from where.
    #[serde(default)]
    network: Option<Network>,
    /// For how many days.
    #[serde(default)]
    days: Option<u32>,
}

/// Why a leave is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndBody {
    /// The reason.
    reason: String,
}

fn chip(weight: Weight) -> &'static str {
    match weight {
        Weight::Critical => "incident",
        Weight::High => "difference",
        Weight::Notice => "note",
    }
}

/// A case for a template.
pub(super) fn told(ctx: &Ctx, case: &Case) -> Value {
    let accounts: Vec<&str> = case.accounts.iter().map(String::as_str).collect();
    let methods: Vec<&str> = case.methods.iter().map(String::as_str).collect();
    let (way, by) = case.way.split_once(" ← ").unwrap_or((case.way.as_str(), ""));
    context! {
        id => case.id.as_str(),
        rule => case.key.rule.as_str(),
        short => case.key.rule.short(),
        weight => case.weight.as_str(),
        chip => chip(case.weight),
        about => case.about.as_str(),
        target => case.key.target.as_ref().map(TargetId::as_str),
        from => case.key.from.as_str(),
        accounts => accounts.join(", "),
        methods => methods.join(", "),
        way => if way.is_empty() { String::new() } else { ctx.t(&format!("cases.way_{way}")) },
        by,
        logins => case.logins,
        attempts => case.attempts,
        first => case.first.0,
        last => case.last.0,
        line => case.line.as_str(),
        line_cut => case.line_cut,
        kept => case.kept.as_ref().map(|kept| format!("{}-{}", kept.segment, kept.line)),
        unauthenticated => case.unauthenticated,
        device_time => case.device_time.map(|at| at.0),
        session => case.key.session.as_ref().or(case.nearest.as_ref()).map(sekisho_core::ids::SessionId::as_str),
        is_its_own => case.key.session.is_some(),
        latest => if case.latest.len() > 1 { case.latest.iter().rev().map(|line| context! { at => line.at.second(), account => line.account.as_str(), from => line.from.as_str(), success => line.success, line => line.line.as_str() }).collect::<Vec<_>>() } else { Vec::new() },
        import => case.imported.as_ref().map(|imported| context! { id => imported.import.as_str(), clock => imported.clock_seconds }),
        decided => case.decided.as_ref().map(|decided| context! { what => decided.what.as_str(), name => decided.name.as_str(), at => decided.at.0, reason => decided.reason.as_str() }),
        can_be_allowed => case.key.rule.can_be_allowed() && !case.key.from.is_empty(),
    }
}

/// What the first page says of open cases.
pub(super) async fn first(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.may(Action::DecideCase) {
        return Ok(Vec::new());
    }
    let (open, _) = ctx.store().cases(ctx.actor()?).await?;
    let more = open.len().saturating_sub(NAMED);
    Ok(open.iter().take(NAMED).map(|case| context! { more, total => open.len(), ..told(ctx, case) }).collect())
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (open, decided) = ctx.store().cases(ctx.actor()?).await?;
    let sources = ctx.store().log_sources(ctx.actor()?).await?;
    let context = context! {
        open => open.iter().map(|case| told(ctx, case)).collect::<Vec<_>>(),
        decided => decided.iter().map(|case| told(ctx, case)).collect::<Vec<_>>(),
        sources => sources.iter().filter(|row| row.source.active).count(),
        silent => sources.iter().filter(|row| row.silent).count(),
    };
    call.page("cases/list.html", "cases.title", context)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", CaseId::parse)?;
    let case = ctx.store().case(ctx.actor()?, &id).await?;
    let lines = ctx.store().case_lines(ctx.actor()?, &id).await.unwrap_or_default();
    let lines: Vec<Value> = lines.iter().map(|(at, text, own)| context! { at => at.second(), text, own }).collect();
    let session = match case.key.session.as_ref().or(case.nearest.as_ref()) {
        Some(session) if ctx.may(Action::ReadSession) => ctx.store().session(ctx.actor()?, session).await.ok(),
        _ => None,
    };
    let session = session.map(|view| {
        let facts = &view.row.facts;
        context! { id => facts.session.as_str(), person => facts.person_name.as_str(), started => facts.started.0, ended => facts.ended.map(|at| at.0), number => view.row.plan_number.as_str(), title => view.row.plan_title.as_str() }
    });
    let days = DAYS.to_string();
    let form = call.typed_or(Form::of([("decision", ""), ("reason", ""), ("network", case.key.from.as_str()), ("days", days.as_str())]));
    let what = ctx.t(&format!("cases.what_{}", case.key.rule.as_str()));
    let why = ctx.t(&format!("cases.why_{}", case.key.rule.as_str()));
    let act = ctx.t(&format!("cases.act_{}", case.key.rule.as_str()));
    let one_account = case.key.rule == AroundRule::Elsewhere || case.accounts.len() == 1;
    let context = context! { case => told(ctx, &case), what, why, act, lines, session, one_account, form => Value::from_object(form), may_decide => ctx.may(Action::DecideCase), can_take_evidence => ctx.may(Action::TakeEvidence), can_search => ctx.may(Action::SearchRecords) };
    call.page("cases/show.html", "cases.case_title", context)
}

async fn decide(call: Call) -> Reply {
    let id = call.id("id", CaseId::parse)?;
    let form = call.form();
    let what = form.parse("decision", Decision::parse)?;
    let allow = match what {
        Decision::Allowed => Some((form.parse("network", Network::parse)?, form.parse("days", |text| text.parse().ok())?)),
        _ => None,
    };
    let seen = (form.parse("logins", |text| text.parse().ok())?, form.parse("attempts", |text| text.parse().ok())?);
    call.ctx.store().decide_case(call.ctx.actor()?, &id, seen, what, form.need("reason")?, allow).await?;
    call.done("/cases", "cases.decided_done")
}

async fn allows(call: Call) -> Reply {
    let ctx = &call.ctx;
    let now = ctx.now();
    let targets = ctx.store().targets(ctx.actor()?).await?;
    let uses = ctx.store().login_allow_uses(ctx.actor()?).await?;
    let name = |id: &Option<TargetId>| id.as_ref().map_or_else(|| ctx.t("cases.every_target"), |id| targets.iter().find(|row| row.target.id == *id).map_or_else(|| id.to_string(), |row| row.target.title.clone()));
    let rows: Vec<Value> = ctx.store().login_allows(ctx.actor()?).await?.iter().map(|allow| context! { target_name => name(&allow.target), over => allow.until <= now, network => allow.network.to_string(), used => uses.get(&allow.id).map(|(used, last)| context! { n => used, last => last.map(|at| at.0) }), allow => value(allow) }).collect();
    let targets: Vec<(String, String)> = targets.iter().filter(|row| row.target.active).map(|row| (row.target.id.to_string(), format!("{}({})", row.target.title, row.target.name))).collect();
    let days = DAYS.to_string();
    let form = call.typed_or(Form::of([("target", ""), ("network", ""), ("account", ""), ("reason", ""), ("days", days.as_str())]));
    call.page("cases/allows.html", "cases.allows_title", context! { rows, targets => value(targets), form => Value::from_object(form), may_decide => ctx.may(Action::DecideCase), open_form => call.problem.is_some() })
}

async fn allow(call: Call) -> Reply {
    let form = call.form();
    let ask = AllowAsk {
        target: form.parse_opt("target", TargetId::parse)?,
        network: form.parse("network", Network::parse)?,
        account: form.parse_opt("account", |text| Some(text.to_owned()))?,
        reason: form.need("reason")?.to_owned(),
        days: form.parse("days", |text| text.parse().ok())?,
    };
    call.ctx.store().allow_login(call.ctx.actor()?, ask).await?;
    call.done("/login-allows", "cases.allow_done")
}

async fn end(call: Call) -> Reply {
    let id = call.id("id", LoginAllowId::parse)?;
    call.ctx.store().end_login_allow(call.ctx.actor()?, &id, call.form().need("reason")?).await?;
    call.done("/login-allows", "cases.allow_ended")
}

async fn api_list(call: Call) -> Reply {
    let (open, decided) = call.ctx.store().cases(call.ctx.actor()?).await?;
    call.answer(&CasesAnswer { open, decided })
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().case(call.ctx.actor()?, &call.id("id", CaseId::parse)?).await?)
}

async fn api_decide(call: Call) -> Reply {
    let DecideBody { decision, logins, attempts, reason, network, days } = call.json()?;
    let id = call.id("id", CaseId::parse)?;
    call.answer(&call.ctx.store().decide_case(call.ctx.actor()?, &id, (logins, attempts), decision, &reason, network.zip(days)).await?)
}

async fn api_allows(call: Call) -> Reply {
    call.answer(&call.ctx.store().login_allows(call.ctx.actor()?).await?)
}

async fn api_allow(call: Call) -> Reply {
    call.answer(&call.ctx.store().allow_login(call.ctx.actor()?, call.json()?).await?)
}

async fn api_end(call: Call) -> Reply {
    let EndBody { reason } = call.json()?;
    call.answer(&call.ctx.store().end_login_allow(call.ctx.actor()?, &call.id("id", LoginAllowId::parse)?, &reason).await?)
}
