//! 今すること: what this person must do now, what runs at this moment, and for workers the line to copy.

use crate::call::{Call, Ctx};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::control::Control;
use sekisho_core::duty::{Duty, DutyKind};
use sekisho_core::ids::{PlanId, SessionId};
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_core::road::Barrier;
use sekisho_core::time::Timestamp;
use sekisho_store::{AlertRow, SessionFilter, SessionRow};
use serde::Serialize;
use std::collections::BTreeMap;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/", Access::LoggedIn, show),
        Route::page("/now", Access::LoggedIn, now),
        Route::form("/alerts/{n}/seen", Access::May(Action::ControlSession), see_alert),
        Route::api(Method::GET, "/api/v1/alerts", Access::May(Action::WatchSession), "Alerts that nobody has seen, the oldest first.", api_alerts).gives::<Vec<AlertShape>>(),
        Route::api(Method::POST, "/api/v1/alerts/{n}/seen", Access::May(Action::ControlSession), "Note an alert as seen.", api_see_alert).gives::<bool>(),
    ]
}

/// Plans whose details are looked up for one page: the rest of a long list stands there by number and title.
const DETAILS: usize = 8;

/// What stands against the log from outside, for those of the hospital who keep it.
async fn outside(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.may(Action::ReadLedger) {
        return Ok(Vec::new());
    }
    let (places, contradictions) = ctx.store().outside(ctx.actor()?).await?;
    let mut found: Vec<Value> = contradictions
        .iter()
        .map(|one| context! { tone => "error", title => ctx.t("outside.contradicted_title"), text => ctx.t_with("outside.contradicted_text", &[("place", &one.place), ("there", &one.there.to_string())]) })
        .collect();
    if let Some(held) = ctx.store().clock_state().held_ms {
        found.push(context! { tone => "error", title => ctx.t("outside.clock_held_title"), text => ctx.t_with("outside.clock_held", &[("by", &(held / 1000).to_string())]) });
    }
    for place in places.iter().filter(|place| place.told) {
        let since = place.failing_since.map(|at| at.minute()).unwrap_or_default();
        let text = ctx.t_with("outside.failing_text", &[("place", &place.name), ("since", &since), ("entries", &place.entries.to_string()), ("trouble", place.trouble.as_deref().unwrap_or_default())]);
        found.push(context! { tone => "warning", title => ctx.t("outside.failing_title"), text });
    }
    Ok(found)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let duties = ctx.store().duties(ctx.actor()?).await?;
    let moving = moving(ctx, &duties).await?;
    call.page("first/show.html", "first.title", context! { hello => hello(ctx)?, cards => [super::emergency::cards(ctx).await?, cards(ctx, &duties), super::log_reviews::cards(ctx).await?, super::reports::cards(ctx).await?].concat(), rows => rows(ctx, &duties), work => work(ctx, &duties).await?, door => ctx.house.settings.door.as_deref(), set_up => set_up(ctx)?, logs_in => ctx.store().policy().ssh_login_hours > 0, outside => outside(ctx).await?, notices => super::account::factors::notices(ctx).await?, reviews => super::reviews::waiting(ctx).await?, deviations => deviations(ctx).await?, kept_out => kept_out(ctx).await?, observed_devices => ctx.store().policy().devices == sekisho_core::policy::DeviceRule::Observed && ctx.actor()?.is_hospital(), ..moving })
}

/// The part that is fetched anew every few seconds: emergencies and running sessions.
async fn now(call: Call) -> Reply {
    let ctx = &call.ctx;
    let duties = ctx.store().duties(ctx.actor()?).await?;
    let moving = moving(ctx, &duties).await?;
    call.fragment("first/now.html", moving)
}

fn hello(ctx: &Ctx) -> Result<String, Stop> {
    let hour = ctx.now().jst().hour();
    let key = match hour {
        4..=10 => "first.hello_morning",
        11..=16 => "first.hello_day",
        _ => "first.hello_evening",
    };
    Ok(ctx.t_with(key, &[("name", &ctx.login()?.person.name)]))
}

/// Where a duty is done, and how the button is called.
fn place(kind: DutyKind, plan: &PlanId) -> String {
    let act = match kind {
        DutyKind::AllowEmergency => "/allow",
        DutyKind::Approve => "/approve",
        DutyKind::ApproveAfterFact => "/after_fact",
        DutyKind::DecideExtension => "/extension/decide",
        DutyKind::Explain | DutyKind::Reconcile => "/reconcile",
        DutyKind::Report => "/report",
        DutyKind::Confirm => "/confirm",
        DutyKind::Correct => "/edit",
        DutyKind::RunningNow | DutyKind::Work | DutyKind::Submit | DutyKind::Countersign => "",
    };
    format!("/plans/{plan}{act}")
}

fn name_of(kind: DutyKind) -> &'static str {
    match kind {
        DutyKind::AllowEmergency => "allow_emergency",
        DutyKind::DecideExtension => "decide_extension",
        DutyKind::RunningNow => "running_now",
        DutyKind::Approve => "approve",
        DutyKind::ApproveAfterFact => "approve_after_fact",
        DutyKind::Work => "work",
        DutyKind::Correct => "correct",
        DutyKind::Explain => "explain",
        DutyKind::Reconcile => "reconcile",
        DutyKind::Report => "report",
        DutyKind::Countersign => "countersign",
        DutyKind::Confirm => "confirm",
        DutyKind::Submit => "submit",
    }
}

fn icon_of(kind: DutyKind) -> &'static str {
    match kind {
        DutyKind::AllowEmergency | DutyKind::ApproveAfterFact => "bolt",
        DutyKind::DecideExtension => "clock",
        DutyKind::RunningNow | DutyKind::Work => "screen",
        DutyKind::Approve => "stamp",
        DutyKind::Correct | DutyKind::Explain => "pen",
        DutyKind::Reconcile => "compare",
        DutyKind::Report => "report",
        DutyKind::Countersign | DutyKind::Confirm => "eye",
        DutyKind::Submit => "send",
    }
}

/// What runs has its own part of the page, and emergencies have theirs; neither is a card as well.
fn is_elsewhere(kind: DutyKind) -> bool {
    matches!(kind, DutyKind::RunningNow | DutyKind::AllowEmergency | DutyKind::Work)
}

/// One card for each kind, in the order in which the store sorted the duties.
fn cards(ctx: &Ctx, duties: &[Duty]) -> Vec<Value> {
    let mut kinds: Vec<DutyKind> = Vec::new();
    for duty in duties.iter().filter(|duty| !is_elsewhere(duty.kind)) {
        if !kinds.contains(&duty.kind) {
            kinds.push(duty.kind);
        }
    }
    let card = |kind: DutyKind| {
        let of: Vec<&Duty> = duties.iter().filter(|duty| duty.kind == kind).collect();
        let first = of.iter().min_by_key(|duty| duty.due.unwrap_or(Timestamp(i64::MAX))).copied()?;
        let name = name_of(kind);
        let tone = if first.overdue || kind == DutyKind::ApproveAfterFact { "urgent" } else { "" };
        Some(context! {
            title => ctx.t(&format!("first.duty_{name}")),
            action => ctx.t(&format!("first.duty_{name}_act")),
            n => of.len(),
            href => place(kind, &first.plan),
            icon => icon_of(kind),
            text => format!("{} {}", first.number, first.title),
            due => due(ctx, first),
            overdue => first.overdue,
            tone,
        })
    };
    kinds.into_iter().filter_map(card).collect()
}

fn due(ctx: &Ctx, duty: &Duty) -> String {
    let Some(at) = duty.due else { return String::new() };
    let key = if duty.overdue { "first.overdue" } else { "first.due" };
    ctx.t_with(key, &[("at", &at.minute())])
}

/// Every duty as a row, where there is more than one of a kind.
fn rows(ctx: &Ctx, duties: &[Duty]) -> Vec<Value> {
    let many = |kind: DutyKind| duties.iter().filter(|duty| duty.kind == kind).count() > 1;
    let shown = duties.iter().filter(|duty| !is_elsewhere(duty.kind) && many(duty.kind));
    let row = |duty: &Duty| {
        let name = name_of(duty.kind);
        context! {
            what => ctx.t(&format!("first.duty_{name}")),
            action => ctx.t(&format!("first.duty_{name}_act")),
            number => duty.number.as_str(),
            title => duty.title.as_str(),
            href => place(duty.kind, &duty.plan),
            due => due(ctx, duty),
            overdue => duty.overdue,
        }
    };
    shown.map(row).collect()
}

/// Emergencies that wait and sessions that run.
async fn moving(ctx: &Ctx, duties: &[Duty]) -> Result<Value, Stop> {
    let mut emergencies = Vec::new();
    for duty in duties.iter().filter(|duty| duty.kind == DutyKind::AllowEmergency).take(DETAILS) {
        emergencies.push(emergency(ctx, duty).await?);
    }
    let ends: BTreeMap<&PlanId, Timestamp> =
        duties.iter().filter(|duty| matches!(duty.kind, DutyKind::RunningNow | DutyKind::Work)).filter_map(|duty| Some((&duty.plan, duty.due?))).collect();
    let running = if ctx.may(Action::ReadSession) {
        let filter = SessionFilter { running: Some(true), ..SessionFilter::default() };
        ctx.store().sessions(ctx.actor()?, &filter).await?.rows
    } else {
        Vec::new()
    };
    let running: Vec<Value> = running.iter().map(|row| session(row, ends.get(&row.plan).copied())).collect();
    let alarms = if ctx.may(Action::ReadLedger) { ctx.store().host_key_alarms(ctx.actor()?).await? } else { Vec::new() };
    let alarms: Vec<Value> = alarms.iter().map(|target| context! { id => target.id.as_str(), title => target.title.as_str(), at => target.host_key_alarm.as_ref().map(|alarm| alarm.at.0), seen => target.host_key_alarm.as_ref().map(|alarm| alarm.seen.as_str()) }).collect();
    let alerts = if ctx.may(Action::WatchSession) { ctx.store().alerts(ctx.actor()?).await? } else { Vec::new() };
    let (viewings_waiting, viewings_open) = super::viewings::first(ctx).await?;
    Ok(context! {
        urgent => super::alarms::urgent(ctx).await?,
        cases => super::cases::first(ctx).await?,
        auditor_keys => super::archive::first(ctx).await?,
        second_keys => super::second_keys::first(ctx).await?,
        viewings_waiting,
        viewings_open,
        may_handle => ctx.may(Action::HandleAlarms),
        alerts => alerts.iter().map(alert).collect::<Vec<Value>>(),
        may_control => ctx.may(Action::ControlSession),
        alarms,
        may_keep => ctx.may(Action::KeepLedger),
        emergencies,
        running,
        windows => value(super::account::key_windows::open(ctx).await?),
        may_watch => ctx.may(Action::WatchSession),
        may_cut => ctx.may(Action::CutSession),
        may_read => ctx.may(Action::ReadSession),
        is_clerk => ctx.actor()?.is(Role::DutyClerk),
        is_hospital => ctx.actor()?.is_hospital(),
    })
}

/// What an alert says: the command, or the sentence, and the reason.
fn alert_words(row: &AlertRow) -> (&str, &str) {
    match &row.control {
        Control::Ruled { line, reason, .. } => (line, reason),
        Control::Alert { text } => (text, ""),
        _ => ("", ""),
    }
}

fn alert(row: &AlertRow) -> Value {
    let (line, reason) = alert_words(row);
    context! {
        n => row.n,
        line,
        reason,
        session => row.session.as_str(),
        person => row.person_name.as_str(),
        target => row.target_name.as_str(),
        at => row.at.0,
    }
}

/// An alert that nobody has seen.
#[derive(Serialize, JsonSchema)]
struct AlertShape {
    /// Its number.
    n: u64,
    /// The session that it came from.
    session: SessionId,
    /// When; Unix milliseconds.
    at: Timestamp,
    /// The command that a rule names, or a sentence.
    text: String,
    /// The rule's reason.
    reason: String,
    /// Who worked.
    person_name: String,
    /// Where.
    target_name: String,
}

async fn api_alerts(call: Call) -> Reply {
    let alerts = call.ctx.store().alerts(call.ctx.actor()?).await?;
    let shape = |row: &AlertRow| {
        let (text, reason) = alert_words(row);
        AlertShape { n: row.n, session: row.session.clone(), at: row.at, text: text.to_owned(), reason: reason.to_owned(), person_name: row.person_name.clone(), target_name: row.target_name.clone() }
    };
    call.answer(&alerts.iter().map(shape).collect::<Vec<_>>())
}

async fn see(call: &Call) -> Result<(), Stop> {
    let n = call.id("n", |text| text.parse().ok())?;
    Ok(call.ctx.store().see_alert(call.ctx.actor()?, n).await?)
}

async fn see_alert(call: Call) -> Reply {
    see(&call).await?;
    call.done("/", "alerts.seen")
}

async fn api_see_alert(call: Call) -> Reply {
    see(&call).await?;
    call.answer(&true)
}

fn session(row: &SessionRow, until: Option<Timestamp>) -> Value {
    context! {
        state => super::plans::told::state_of(row),
        held => row.standing.as_ref().map(|standing| standing.held.iter().map(|held| held.line.clone()).collect::<Vec<_>>()).unwrap_or_default(),
        held_files => row.standing.as_ref().map(|standing| standing.held_files.iter().map(|held| context! { path => held.path.as_str(), size => crate::pages::plans::written::size(held.bytes), listed => held.listed }).collect::<Vec<_>>()).unwrap_or_default(),
        id => row.facts.session.as_str(),
        person => row.facts.person_name.as_str(),
        target => row.facts.target_name.as_str(),
        started => row.facts.started.0,
        plan => row.plan.as_str(),
        number => row.plan_number.as_str(),
        title => row.plan_title.as_str(),
        until => until.map(|at| at.0),
    }
}

async fn emergency(ctx: &Ctx, duty: &Duty) -> Result<Value, Stop> {
    let view = ctx.store().plan(ctx.actor()?, &duty.plan).await?;
    let content = &view.plan.content;
    let workers: Vec<String> = content.workers.iter().filter_map(|id| view.persons.get(id)).map(|person| person.name.clone()).collect();
    let targets: Vec<String> = content.targets.iter().filter_map(|used| view.targets.get(&used.target)).map(|target| target.title.clone()).collect();
    Ok(context! {
        href => place(DutyKind::AllowEmergency, &duty.plan),
        plan => duty.plan.as_str(),
        number => duty.number.as_str(),
        title => duty.title.as_str(),
        vendor => view.vendors.get(&view.plan.vendor).map(String::as_str),
        workers,
        targets,
        reason => content.emergency_reason.as_deref().unwrap_or_default(),
        impact => content.impact.as_str(),
        contact => content.contact.as_str(),
        call => telephone(&content.contact),
        may_reject => view.allowed.contains(&"reject"),
    })
}

/// The first telephone number in a text, for a link that dials; empty if there is none.
fn telephone(text: &str) -> String {
    let is_part = |c: &char| c.is_ascii_digit() || matches!(c, '-' | '+' | '(' | ')');
    let mut best = String::new();
    for part in text.split(|c: char| !is_part(&c)) {
        let digits: String = part.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        if (9..=15).contains(&digits.len()) && best.is_empty() {
            best = digits;
        }
    }
    best
}

/// The open plans of a worker, each with the exact line for each of its targets.
async fn work(ctx: &Ctx, duties: &[Duty]) -> Result<Vec<Value>, Stop> {
    let mut open = Vec::new();
    let login = ctx.login()?;
    for duty in duties.iter().filter(|duty| duty.kind == DutyKind::Work).take(DETAILS) {
        let view = ctx.store().plan(&login.actor, &duty.plan).await?;
        let (from, until) = view.plan.window();
        let targets = view.plan.content.targets.iter().filter_map(|used| view.targets.get(&used.target));
        let lines: Vec<Value> = targets.map(|target| context! { name => target.title.as_str(), line => ssh_line(ctx, &login.person.login, &target.name), door => door_line(ctx, &target.name) }).collect();
        let keyed = ctx.store().policy().key_window_minutes > 0 && view.plan.content.targets.iter().any(|used| used.key_window);
        let is_open = from <= ctx.now();
        open.push(context! { number => duty.number.as_str(), title => duty.title.as_str(), plan => duty.plan.as_str(), from => from.0, until => until.0, is_open, lines, keyed => keyed && is_open });
    }
    Ok(open)
}

/// What a worker types. The names come from the ledger, whose forms admit no blank and no quote.
#[must_use]
pub fn ssh_line(ctx: &Ctx, login: &str, target: &str) -> String {
    let settings = &ctx.house.settings;
    format!("ssh -p {} {login}+{target}@{}", settings.ssh_port, settings.ssh_host)
}

/// What a worker types once on a device: without logins by the browser, the name is given and nobody is asked.
fn set_up(ctx: &Ctx) -> Result<String, Stop> {
    let named = if ctx.store().policy().ssh_login_hours > 0 { String::new() } else { format!(" --worker {}", ctx.login()?.person.login) };
    Ok(format!("sekisho-connect ssh-config{named}"))
}

/// What a worker types on a device that came by its certificate, if there is an outer door.
fn door_line(ctx: &Ctx, target: &str) -> Option<String> {
    ctx.house.settings.door.as_ref().map(|_| format!("ssh {target}.{}", ctx.store().door_name()))
}

/// Vendors none of whose workers could come in, for those who keep the registers or are called when somebody cannot.
async fn kept_out(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let actor = ctx.actor()?;
    if !(actor.is(Role::Administrator) || actor.is(Role::Operator)) || !ctx.may(Action::ReadRoads) {
        return Ok(Vec::new());
    }
    let found = ctx.store().kept_out(actor).await?;
    Ok(found.iter().map(|out| context! { vendor => out.name.as_str(), why => ctx.t(&format!("road.kept_out_{}", out.why.as_str())), href => if out.why == Barrier::NoLine { "/lines" } else { "/devices" } }).collect())
}

/// Double roles in the small-facility profile: shown, never hidden.
async fn deviations(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    if !ctx.store().policy().small_facility || !ctx.actor()?.is_hospital() {
        return Ok(Vec::new());
    }
    if !ctx.may(Action::ReadLedger) {
        return Ok(vec![context! { text => ctx.t("first.deviation_general") }]);
    }
    let persons = ctx.store().persons(ctx.actor()?).await?;
    Ok(persons.iter().flat_map(|row| row.deviations.iter().map(|pair| context! { text => super::persons::deviation(ctx, &row.person.name, *pair) })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_found_among_words() {
        assert_eq!(telephone("サポート窓口 03-1234-5678(内線 12)"), "0312345678");
        assert_eq!(telephone("+81-90-1234-5678 田中"), "+819012345678");
        assert_eq!(telephone("内線 1234"), "");
        assert_eq!(telephone("javascript:alert(1)"), "");
    }
}
