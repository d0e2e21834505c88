//! 警報: what somebody must look at, what happened, why it matters, what to press; taken on and closed with a note.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::gate::credentials::fresh_factor;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::words::Lang;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::alarm::{AlarmState, Level, Rule, Subject, What};
use sekisho_core::ids::AlarmId;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::{AlarmEntry, AlarmFilter, AlarmRow};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadAlarms);
const HANDLE: Access = Access::May(Action::HandleAlarms);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/alarms", READ, list),
        Route::page("/alarms/{id}", READ, show),
        Route::form("/alarms/{id}/acknowledge", HANDLE, acknowledge),
        Route::form("/alarms/{id}/close", HANDLE, close).again(show),
        Route::api(Method::GET, "/api/v1/alarms", READ, "Alarms, those that nobody took on first.", api_list).query::<AlarmsAsk>().gives::<AlarmsAnswer>(),
        Route::api(Method::GET, "/api/v1/alarms/{id}", READ, "An alarm and the entries that it stands for.", api_show).gives::<AlarmAnswer>(),
        Route::api(Method::POST, "/api/v1/alarms/{id}/acknowledge", HANDLE, "Take an alarm on.", api_acknowledge),
        Route::api(Method::POST, "/api/v1/alarms/{id}/close", HANDLE, "Close an alarm.", api_close).takes::<CloseAsk>(),
    ]
}

/// Which alarms.
#[derive(Serialize, Deserialize, JsonSchema)]
struct AlarmsAsk {
    /// `standing` (the default), `open`, `acknowledged`, `closed` or `all`.
    state: Option<String>,
    /// The least level: `notice`, `warning`, `critical`.
    level: Option<String>,
    /// Page, from 1.
    page: Option<u64>,
}

/// Alarms.
#[derive(Serialize, JsonSchema)]
struct AlarmsAnswer {
    /// How many there are in all.
    total: u64,
    /// One page of them.
    alarms: Vec<AlarmShape>,
}

/// An alarm with its words.
#[derive(Serialize, JsonSchema)]
struct AlarmShape {
    /// Which.
    id: AlarmId,
    /// By which rule.
    rule: Rule,
    /// How grave it is.
    level: Level,
    /// How it stands.
    state: AlarmState,
    /// When it was raised; Unix milliseconds.
    opened_at: Timestamp,
    /// The last of its entries.
    last_at: Timestamp,
    /// How many entries it stands for.
    count: u64,
    /// What happened, and why it matters.
    words: [String; 2],
    /// The page on which one looks further.
    press: String,
    /// What happened, as values.
    what: What,
    /// What it is about.
    subject: Subject,
    /// Who took it on.
    acknowledged_by: Option<String>,
    /// When.
    acknowledged_at: Option<Timestamp>,
    /// Who closed it.
    closed_by: Option<String>,
    /// When.
    closed_at: Option<Timestamp>,
    /// What they found.
    note: Option<String>,
}

/// An alarm with its entries.
#[derive(Serialize, JsonSchema)]
struct AlarmAnswer {
    /// The alarm.
    alarm: AlarmShape,
    /// The first entries of the log that it stands for.
    entries: Vec<EntryShape>,
}

/// An entry of the log that an alarm stands for.
#[derive(Serialize, JsonSchema)]
struct EntryShape {
    /// Its number.
    seq: u64,
    /// When; Unix milliseconds.
    at: Timestamp,
    /// What happened.
    text: String,
}

/// What is said at the end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CloseAsk {
    /// What was found.
    note: String,
}

fn words(lang: Lang, what: &What) -> [String; 2] {
    let told = if lang == Lang::Ja { what.ja() } else { what.en() };
    [told.what, told.why]
}

fn shape(lang: Lang, row: AlarmRow) -> AlarmShape {
    let press = row.what.press(&row.subject).href;
    let AlarmRow { id, rule, level, state, opened_at, last_at, count, what, subject, acknowledged_at, acknowledged_by, closed_at, closed_by, note } = row;
    AlarmShape { id, rule, level, state, opened_at, last_at, count, words: words(lang, &what), press, what, subject, acknowledged_by, acknowledged_at, closed_by, closed_at, note }
}

fn entry_shape(lang: Lang, entry: &AlarmEntry) -> EntryShape {
    let [text, _] = words(lang, &entry.what);
    EntryShape { seq: entry.seq, at: entry.at, text }
}

/// The chip of a level.
fn chip(level: Level) -> &'static str {
    match level {
        Level::Notice => "note",
        Level::Warning => "difference",
        Level::Critical => "incident",
    }
}

/// The chip of a state.
fn state_chip(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Open => "waiting",
        AlarmState::Acknowledged => "in_progress",
        AlarmState::Closed => "closed",
    }
}

/// Who may open the page that a button leads to.
fn may_press(ctx: &Ctx, href: &str) -> bool {
    let action = match href.split('/').nth(1).unwrap_or_default() {
        "sessions" => Action::ReadSession,
        "plans" => Action::ReadPlan,
        "lines" | "devices" => Action::ReadRoads,
        "log" => Action::ReadLog,
        _ => Action::ReadLedger,
    };
    ctx.may(action)
}

fn row(ctx: &Ctx, alarm: &AlarmRow) -> Value {
    let ja = ctx.lang == Lang::Ja;
    let [what, why] = words(ctx.lang, &alarm.what);
    let press = alarm.what.press(&alarm.subject);
    context! {
        id => alarm.id.as_str(),
        title => if ja { alarm.rule.ja() } else { alarm.rule.en() },
        level => alarm.level.as_str(),
        chip => chip(alarm.level),
        state => alarm.state.as_str(),
        state_chip => state_chip(alarm.state),
        what, why,
        press => if may_press(ctx, &press.href) { Some(context! { href => press.href, label => if ja { press.ja } else { press.en } }) } else { None },
        count => alarm.count,
        opened_at => alarm.opened_at.0,
        last_at => alarm.last_at.0,
        acknowledged_at => alarm.acknowledged_at.map(|at| at.0),
        acknowledged_by => alarm.acknowledged_by.as_deref(),
        closed_at => alarm.closed_at.map(|at| at.0),
        closed_by => alarm.closed_by.as_deref(),
        note => alarm.note.as_deref(),
    }
}

fn filter(query: &Form, page: usize) -> Result<AlarmFilter, Stop> {
    let mut filter = AlarmFilter { level: query.parse_opt("level", Level::parse)?, skip: (page - 1) * limits::PAGE_ROWS, ..AlarmFilter::default() };
    match query.text("state") {
        "" | "standing" => filter.standing = true,
        "all" => {}
        state => filter.state = Some(AlarmState::parse(state).ok_or_else(|| Stop::bad_field("state"))?),
    }
    Ok(filter)
}

async fn list(call: Call) -> Reply {
    let (ctx, page) = (&call.ctx, call.page_number());
    let query = call.query();
    let filter = filter(query, page)?;
    let found = ctx.store().alarms(ctx.actor()?, &filter).await?;
    let rows: Vec<Value> = found.rows.iter().map(|alarm| row(ctx, alarm)).collect();
    let pages = usize::try_from(found.total).unwrap_or(usize::MAX).div_ceil(limits::PAGE_ROWS).max(1);
    let (state, level) = (query.text("state"), query.text("level"));
    let link = format!("/alarms?state={state}&level={level}&page=");
    let states: Vec<[String; 2]> = ["open", "acknowledged", "closed", "all"].iter().map(|name| [(*name).to_owned(), ctx.t(&format!("alarms.state_{name}"))]).collect();
    let levels: Vec<[String; 2]> = ["warning", "critical"].iter().map(|name| [(*name).to_owned(), ctx.t(&format!("alarms.least_{name}"))]).collect();
    let receivers = ctx.store().receivers(ctx.actor()?).await?;
    let receivers: Vec<Value> = receivers.iter().map(|one| context! { name => one.name.as_str(), waiting => one.waiting, down_since => one.down_since.map(|at| at.0), trouble => one.trouble.as_deref() }).collect();
    call.page("alarms/list.html", "alarms.title", context! { rows, page, pages, link, states, levels, receivers, total => found.total, filter => context! { state, level }, mails => ctx.store().mails() })
}

fn id_of(call: &Call) -> Result<AlarmId, Stop> {
    call.id("id", AlarmId::parse)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (alarm, entries) = ctx.store().alarm(ctx.actor()?, &id_of(&call)?).await?;
    let entries: Vec<Value> = entries
        .iter()
        .rev()
        .map(|entry| {
            let [text, _] = words(ctx.lang, &entry.what);
            context! { seq => entry.seq, next => entry.seq.saturating_add(1), at => entry.at.0, text }
        })
        .collect();
    let more = alarm.count.saturating_sub(entries.len() as u64);
    let subject = &alarm.subject;
    let mut links: Vec<Value> = Vec::new();
    let mut link = |id: Option<&str>, place: &str, key: &str, action| {
        if let Some(id) = id
            && ctx.may(action)
        {
            links.push(context! { href => format!("/{place}/{id}"), label => ctx.t(&format!("alarms.to_{key}")) });
        }
    };
    link(subject.session.as_ref().map(|id| id.as_str()), "sessions", "session", Action::ReadSession);
    link(subject.plan.as_ref().map(|id| id.as_str()), "plans", "plan", Action::ReadPlan);
    link(subject.person.as_ref().map(|id| id.as_str()), "persons", "person", Action::ReadLedger);
    link(subject.target.as_ref().map(|id| id.as_str()), "targets", "target", Action::ReadLedger);
    link(subject.vendor.as_ref().map(|id| id.as_str()), "vendors", "vendor", Action::ReadLedger);
    link(subject.device.as_ref().map(|id| id.as_str()), "devices", "device", Action::ReadRoads);
    link(subject.line.as_ref().map(|id| id.as_str()), "lines", "line", Action::ReadRoads);
    link(subject.log_review.as_ref().map(|id| id.as_str()), "log_reviews", "log_review", Action::ReadLogReview);
    link(subject.period_report.as_ref().map(|id| id.as_str()), "reports", "period_report", Action::ReadPeriodReport);
    let form = call.typed_or(Form::default());
    let handles = ctx.may(Action::HandleAlarms);
    call.page(
        "alarms/show.html",
        "alarms.one",
        context! {
            alarm => row(ctx, &alarm), entries, more, links,
            form => Value::from_object(form),
            may_log => ctx.may(Action::ReadLog),
            may_acknowledge => handles && alarm.state == AlarmState::Open,
            may_close => handles && alarm.state != AlarmState::Closed,
            asks_code => alarm.level == Level::Critical,
        },
    )
}

async fn acknowledge(call: Call) -> Reply {
    let id = id_of(&call)?;
    call.ctx.store().acknowledge_alarm(call.ctx.actor()?, &id).await?;
    call.done(&format!("/alarms/{id}"), "alarms.acknowledged")
}

async fn close(call: Call) -> Reply {
    let id = id_of(&call)?;
    prove_for(&call, &id).await?;
    call.ctx.store().close_alarm(call.ctx.actor()?, &id, call.form().need("note")?).await?;
    call.done("/alarms", "alarms.closed")
}

/// What is critical is closed by whoever proves anew that it is them.
async fn prove_for(call: &Call, id: &AlarmId) -> Result<(), Stop> {
    let (alarm, _) = call.ctx.store().alarm(call.ctx.actor()?, id).await?;
    if alarm.level == Level::Critical && call.ctx.actor()?.token.is_none() && !call.ctx.is_fresh() {
        fresh_factor(call).await?;
    }
    Ok(())
}

/// Critical alarms that nobody took on, for the first page.
pub(super) async fn urgent(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.may(Action::ReadAlarms) {
        return Ok(Vec::new());
    }
    let filter = AlarmFilter { state: Some(AlarmState::Open), level: Some(Level::Critical), ..AlarmFilter::default() };
    let found = ctx.store().alarms(ctx.actor()?, &filter).await?;
    // Who decides on logins round the gateway has a card for each already.
    let is_told = |alarm: &&AlarmRow| !(alarm.rule == Rule::Around && ctx.may(Action::DecideCase));
    Ok(found.rows.iter().filter(is_told).map(|alarm| row(ctx, alarm)).collect())
}

async fn api_list(call: Call) -> Reply {
    let found = call.ctx.store().alarms(call.ctx.actor()?, &filter(call.query(), call.page_number())?).await?;
    let lang = call.ctx.lang;
    call.answer(&AlarmsAnswer { total: found.total, alarms: found.rows.into_iter().map(|alarm| shape(lang, alarm)).collect() })
}

async fn api_show(call: Call) -> Reply {
    let (alarm, entries) = call.ctx.store().alarm(call.ctx.actor()?, &id_of(&call)?).await?;
    let lang = call.ctx.lang;
    call.answer(&AlarmAnswer { alarm: shape(lang, alarm), entries: entries.iter().map(|entry| entry_shape(lang, entry)).collect() })
}

async fn api_acknowledge(call: Call) -> Reply {
    call.ctx.store().acknowledge_alarm(call.ctx.actor()?, &id_of(&call)?).await?;
    call.nothing()
}

async fn api_close(call: Call) -> Reply {
    let CloseAsk { note } = call.json()?;
    prove_for(&call, &id_of(&call)?).await?;
    call.ctx.store().close_alarm(call.ctx.actor()?, &id_of(&call)?, &note).await?;
    call.nothing()
}
