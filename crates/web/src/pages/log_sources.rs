//! 機器ログの送信元: who may hand in lines, with which certificate, and how to set a host up.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::around::{LogSource, SourceAsk, SourceWay};
use sekisho_core::ids::{LogSourceId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::target::Target;
use sekisho_store::{LogSourceRow, NewLogSource};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/log-sources", READ, list),
        Route::form("/log-sources", KEEP, add).again(list),
        Route::form("/log-sources/{id}/certificate", KEEP, certify),
        Route::form("/log-sources/{id}/end", KEEP, end),
        Route::page("/log-sources/{id}", READ, show),
        Route::api(Method::GET, "/api/v1/log-sources", READ, "The sources of targets' logs.", api_list).gives::<Vec<LogSource>>(),
        Route::api(Method::POST, "/api/v1/log-sources", KEEP, "Register a source; its key is told this once.", api_add).takes::<SourceAsk>().gives::<MadeAnswer>(),
        Route::api(Method::POST, "/api/v1/log-sources/{id}/certificate", KEEP, "Give a source a new certificate; the one before ends at once.", api_certify).gives::<MadeAnswer>(),
        Route::api(Method::POST, "/api/v1/log-sources/{id}/end", KEEP, "End a source.", api_end).takes::<EndBody>().gives::<LogSource>(),
    ]
}

/// Why a source is ended.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndBody {
    /// The reason.
    reason: String,
}

/// A source with its new certificate.
#[derive(Serialize, Deserialize, JsonSchema)]
struct MadeAnswer {
    /// The source.
    source: LogSource,
    /// Its certificate, PEM; empty for a source of the legacy network.
    certificate: String,
    /// Its key, PEM. It is kept nowhere.
    key: String,
    /// The authority by which it knows this box, PEM.
    server_ca: String,
    /// Name and port to send to.
    address: String,
    /// A configuration for rsyslog.
    rsyslog: String,
}

impl MadeAnswer {
    fn of(made: NewLogSource) -> Self {
        let rsyslog = made.rsyslog();
        Self { source: made.source, certificate: made.certificate, key: made.key.expose().to_owned(), server_ca: made.server_ca, address: made.address, rsyslog }
    }
}

/// The chip of a source, and its word.
fn state(row: &LogSourceRow) -> (&'static str, &'static str) {
    match (row.source.active, row.last, row.silent) {
        (false, ..) => ("ended", "ended"),
        (true, _, true) => ("overdue", "silent"),
        (true, None, false) => ("waiting", "waiting"),
        (true, Some(_), false) => ("active", "active"),
    }
}

/// How many of the targets with patients' data hand in their logins or are told of in the work diary, and which are not and why (guideline 17.1: the access logs
/// of every resource with personal data are collected).
fn coverage<'a>(sources: &[LogSourceRow], targets: impl Iterator<Item = &'a Target>) -> Value {
    let holding: Vec<&Target> = targets.filter(|target| target.active && target.personal_data).collect();
    let why = |target: &Target| {
        let own: Vec<&LogSourceRow> = sources.iter().filter(|row| row.source.active && row.source.tells_logins && row.source.target.as_ref() == Some(&target.id)).collect();
        if own.is_empty() && target.logs.none {
            // Nobody can hand in what is not written; the work diary stands in its place.
            None
        } else if own.is_empty() {
            Some("none")
        } else if own.iter().all(|row| row.last.is_none()) {
            Some("waiting")
        } else if own.iter().all(|row| row.last.is_none() || row.silent) {
            Some("silent")
        } else {
            None
        }
    };
    let gaps: Vec<Value> = holding.iter().filter_map(|target| why(target).map(|why| context! { id => target.id.as_str(), title => target.title.as_str(), name => target.name.as_str(), why })).collect();
    let told = holding.len() - gaps.len();
    let diaries: Vec<Value> = holding.iter().filter(|target| target.logs.none).map(|target| context! { id => target.id.as_str(), title => target.title.as_str(), name => target.name.as_str() }).collect();
    context! { all => holding.len(), told, diaries, percent => (told * 100).checked_div(holding.len()), gaps }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let sources = ctx.store().log_sources(ctx.actor()?).await?;
    let all_targets = ctx.store().targets(ctx.actor()?).await?;
    let coverage = coverage(&sources, all_targets.iter().map(|row| &row.target));
    let rows: Vec<Value> = sources
        .iter()
        .map(|row| {
            let hosts: Vec<&str> = row.source.hosts.iter().map(String::as_str).collect();
            let (state, word) = state(row);
            context! { id => row.source.id.as_str(), hosts => hosts.join(", "), target => row.target_name.as_str(), plain => row.source.way.is_unauthenticated(), last => row.last.map(|at| at.0), lines => row.lines, state, word => ctx.t(&format!("cases.source_{word}")), skew => row.skew }
        })
        .collect();
    let targets: Vec<(String, String)> = all_targets.iter().filter(|row| row.target.active).map(|row| (row.target.id.to_string(), format!("{}({})", row.target.title, row.target.name))).collect();
    let form = call.typed_or(Form::of([("target", ""), ("hosts", ""), ("legacy", ""), ("silent_minutes", ""), ("zone_minutes", "540"), ("tells_logins", "1")]));
    let context = context! { rows, coverage, targets => value(targets), form => Value::from_object(form), may_keep => ctx.may(Action::KeepLedger), open_form => call.problem.is_some(), taken => ctx.store().takes_target_logs(), legacy => ctx.store().takes_legacy_logs() };
    call.page("log_sources/list.html", "cases.sources_title", context)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let id = call.id("id", LogSourceId::parse)?;
    let rows = ctx.store().log_sources(ctx.actor()?).await?;
    let row = rows.iter().find(|row| row.source.id == id).ok_or(sekisho_core::refusal::Refusal::NotFound)?;
    let made: Option<MadeAnswer> = ctx.take_once(&made_key(&id)).and_then(|text| serde_json::from_str(&text).ok());
    let hosts: Vec<&str> = row.source.hosts.iter().map(String::as_str).collect();
    let legacy = match &row.source.way {
        SourceWay::Legacy { address } => Some(address.to_string()),
        SourceWay::Certificate => None,
    };
    let (state, word) = state(row);
    let context = context! {
        state, word => ctx.t(&format!("cases.source_{word}")),
        id => id.as_str(), hosts => hosts.join(", "), target => row.target_name.as_str(), legacy, row => value(row), last => row.last.map(|at| at.0), skew => row.skew,
        until => row.source.certificate_until.map(|at| at.0), since => row.source.since.0, active => row.source.active,
        made => value(made), may_keep => ctx.may(Action::KeepLedger),
    };
    call.page("log_sources/show.html", "cases.source_title", context)
}

async fn add(call: Call) -> Reply {
    let form = call.form();
    let ask = SourceAsk {
        target: form.parse_opt("target", TargetId::parse)?,
        hosts: form.need("hosts")?.split([',', ' ', '\u{3000}', '、']).map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect(),
        legacy: form.parse_opt("legacy", |text| text.parse::<IpAddr>().ok())?,
        zone_minutes: form.parse("zone_minutes", |text| text.parse().ok())?,
        silent_minutes: form.parse_opt("silent_minutes", |text| text.parse().ok())?,
        tells_logins: form.has("tells_logins"),
    };
    let made = call.ctx.store().add_log_source(call.ctx.actor()?, ask).await?;
    shown(&call, made, "cases.source_added")
}

/// Under which name the key of a new certificate waits to be shown once, on the page of its source alone.
fn made_key(source: &LogSourceId) -> String {
    format!("log source {source}")
}

fn shown(call: &Call, made: NewLogSource, word: &str) -> Reply {
    let path = format!("/log-sources/{}", made.source.id);
    call.ctx.keep_once(&made_key(&made.source.id), serde_json::to_string(&MadeAnswer::of(made)).unwrap_or_default());
    call.done(&path, word)
}

async fn certify(call: Call) -> Reply {
    let made = call.ctx.store().recertify_log_source(call.ctx.actor()?, &call.id("id", LogSourceId::parse)?).await?;
    shown(&call, made, "cases.source_certified")
}

async fn end(call: Call) -> Reply {
    call.ctx.store().end_log_source(call.ctx.actor()?, &call.id("id", LogSourceId::parse)?, call.form().need("reason")?).await?;
    call.done("/log-sources", "cases.source_end_done")
}

async fn api_list(call: Call) -> Reply {
    let rows = call.ctx.store().log_sources(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(|row| row.source).collect::<Vec<_>>())
}

async fn api_add(call: Call) -> Reply {
    call.answer(&MadeAnswer::of(call.ctx.store().add_log_source(call.ctx.actor()?, call.json()?).await?))
}

async fn api_certify(call: Call) -> Reply {
    call.answer(&MadeAnswer::of(call.ctx.store().recertify_log_source(call.ctx.actor()?, &call.id("id", LogSourceId::parse)?).await?))
}

async fn api_end(call: Call) -> Reply {
    let EndBody { reason } = call.json()?;
    call.answer(&call.ctx.store().end_log_source(call.ctx.actor()?, &call.id("id", LogSourceId::parse)?, &reason).await?)
}
