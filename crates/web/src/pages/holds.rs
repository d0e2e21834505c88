//! 証拠保全: holds, and how each is placed, extended and lifted.

use super::log::keeping::scope as scope_words;
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::hold::{Hold, HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{HoldId, PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Deserialize;

const READ: Access = Access::May(Action::ReadRetention);
const PLACE: Access = Access::May(Action::PlaceHold);
/// An end that is nearer stands out.
const SOON: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
const LIFT: Access = Access::MayStepUp(Action::LiftHold);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/holds", READ, list),
        Route::page("/holds/new", PLACE, new),
        Route::form("/holds", PLACE, place).again(new),
        Route::page("/holds/{id}", READ, show),
        Route::form("/holds/{id}/extend", PLACE, extend).again(show),
        Route::form("/holds/{id}/lift", LIFT, lift).again(show),
        Route::api(Method::GET, "/api/v1/holds", READ, "Holds: those that stand first, then those that ended.", api_list).gives::<Vec<Hold>>(),
        Route::api(Method::POST, "/api/v1/holds", PLACE, "Place a hold: nothing within its scope is deleted from here on.", api_place).takes::<HoldAsk>().gives::<Hold>(),
        Route::api(Method::GET, "/api/v1/holds/{id}", READ, "One hold.", api_show).gives::<Hold>(),
        Route::api(Method::POST, "/api/v1/holds/{id}/extend", PLACE, "Give a hold on a request of the police a later end.", api_extend).takes::<ExtendBody>().gives::<Hold>(),
        Route::api(Method::POST, "/api/v1/holds/{id}/lift", LIFT, "Lift a hold that another person placed.", api_lift).takes::<LiftBody>().gives::<Hold>(),
    ]
}

/// A later end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExtendBody {
    /// Days from the moment at which it was placed; 60 at most.
    days: u32,
    /// Why.
    reason: String,
}

/// Why a hold is lifted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LiftBody {
    /// The reason.
    reason: String,
    /// Of a hold that was placed at the console, which names nobody: who placed it.
    #[serde(default)]
    console: String,
}

/// A hold for a template.
pub(super) fn told(ctx: &Ctx, hold: &Hold) -> Value {
    let now = ctx.now();
    let link = match &hold.scope {
        // The words of a scope name what not everybody may open who sees the hold.
        HoldScope::Session { .. } if !ctx.may(Action::ReadSession) => None,
        HoldScope::Plan { .. } if !ctx.may(Action::ReadPlan) => None,
        HoldScope::Session { session } => Some(format!("/sessions/{session}")),
        HoldScope::Plan { plan } => Some(format!("/plans/{plan}")),
        HoldScope::Target { target } => Some(format!("/targets/{target}")),
        HoldScope::Vendor { vendor } => Some(format!("/vendors/{vendor}")),
        HoldScope::Person { person } => Some(format!("/persons/{person}")),
        HoldScope::Period { .. } | HoldScope::Everything => None,
    };
    let own = ctx.login.as_ref().is_some_and(|login| hold.placed_by.is_some() && hold.placed_by == login.actor.person);
    context! {
        id => hold.id.as_str(),
        scope => scope_words(ctx.lang, &hold.scope, &hold.about),
        link,
        stands => hold.stands(now),
        basis => hold.basis.as_str(),
        case_number => hold.case_number.as_str(),
        reason => hold.reason.as_str(),
        placed => hold.placed_at.0,
        placed_by => if hold.placed_by.is_none() { ctx.t("keeping.console") } else { hold.placed_name.clone() },
        until => hold.until.map(|at| at.0),
        soon => hold.until.is_some_and(|until| until <= now.plus(SOON)),
        extended => hold.extended,
        longest => hold.longest().0,
        can_extend => hold.basis == HoldBasis::Police && hold.stands(now) && hold.until.is_some_and(|until| until < hold.longest()),
        ended => hold.ended.as_ref().map(|end| context! { at => end.at.0, by => end.by.as_str(), reason => end.reason.as_str() }),
        over => !hold.stands(now),
        own,
        of_console => hold.placed_by.is_none(),
    }
}

/// The holds that keep a session or plan, for its page.
pub(super) fn marks(ctx: &Ctx, holds: &[Hold]) -> Vec<Value> {
    // An investigation is not told to those whom it may be about.
    if ctx.may(Action::ReadRetention) { holds.iter().map(|hold| told(ctx, hold)).collect() } else { Vec::new() }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let holds = ctx.store().holds(ctx.actor()?).await?;
    let now = ctx.now();
    let (standing, over): (Vec<&Hold>, Vec<&Hold>) = holds.iter().partition(|hold| hold.stands(now));
    let told_all = |holds: Vec<&Hold>| holds.into_iter().take(limits::HOLDS).map(|hold| told(ctx, hold)).collect::<Vec<_>>();
    call.page("holds/list.html", "keeping.holds_title", context! { standing => told_all(standing), over => told_all(over), may_place => ctx.may(Action::PlaceHold) })
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let hold = ctx.store().hold(ctx.actor()?, &call.id("id", HoldId::parse)?).await?;
    let days = limits::HOLD_POLICE_LONGEST_DAYS.to_string();
    let form = call.typed_or(Form::of([("days", days.as_str()), ("reason", ""), ("console", "")]));
    let copies = ctx.store().held_copies(ctx.actor()?, &hold.id).await?.filter(|_| hold.stands(ctx.now())).map(|held| {
        let (code, why) = held.trouble.unwrap_or_default();
        context! { n => held.copies, locks => held.locks, short => held.short, until => held.until.map(|at| at.0), code, why, at => held.at.0 }
    });
    let context = context! { hold => told(ctx, &hold), copies, form => Value::from_object(form), may_extend => ctx.may(Action::PlaceHold), may_lift => ctx.may(Action::LiftHold) };
    call.page("holds/show.html", "keeping.hold_title", context)
}

async fn new(call: Call) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let asked = |name: &str| {
        let sent = call.form().text(name);
        if sent.is_empty() { call.query().text(name).to_owned() } else { sent.to_owned() }
    };
    // A session or a plan is named by its own page; what it is called is looked up, never taken from the address.
    let fixed = match (SessionId::parse(&asked("session")), PlanId::parse(&asked("plan"))) {
        (Some(session), _) => {
            let view = ctx.store().session(actor, &session).await?;
            let facts = &view.row.facts;
            Some(context! { name => "session", value => session.as_str(), about => format!("{} {} ({} {})", facts.started.minute(), facts.person_name, view.row.plan_number, view.row.plan_title), back => format!("/sessions/{session}") })
        }
        (None, Some(plan)) => {
            let view = ctx.store().plan(actor, &plan).await?;
            Some(context! { name => "plan", value => plan.as_str(), about => format!("{} {}", view.plan.number, view.plan.content.title), back => format!("/plans/{plan}") })
        }
        (None, None) => None,
    };
    let targets: Vec<(String, String)> = ctx.store().targets(actor).await?.iter().map(|row| (row.target.id.to_string(), format!("{} ({})", row.target.title, row.target.name))).collect();
    let vendors: Vec<(String, String)> = ctx.store().vendors(actor).await?.iter().map(|vendor| (vendor.id.to_string(), vendor.name.clone())).collect();
    let persons: Vec<(String, String)> = ctx.store().persons(actor).await?.iter().map(|row| (row.person.id.to_string(), format!("{} ({})", row.person.name, row.person.login))).collect();
    let days = limits::HOLD_POLICE_DAYS.to_string();
    let form = call.typed_or(Form::of([("of", ""), ("target", ""), ("vendor", ""), ("person", ""), ("from", ""), ("until", ""), ("basis", "own"), ("days", days.as_str()), ("case_number", ""), ("reason", "")]));
    let context = context! { fixed, targets => crate::view::value(targets), vendors => crate::view::value(vendors), persons => crate::view::value(persons), form => Value::from_object(form) };
    call.page("holds/new.html", "keeping.hold_place", context)
}

fn ask_of(form: &Form) -> Result<HoldAsk, Stop> {
    let moment = |name: &str| form.parse(name, Timestamp::parse_local);
    let scope = match (form.text("session"), form.text("plan"), form.text("of")) {
        (session, _, _) if !session.is_empty() => HoldScope::Session { session: form.parse("session", SessionId::parse)? },
        (_, plan, _) if !plan.is_empty() => HoldScope::Plan { plan: form.parse("plan", PlanId::parse)? },
        (.., "target") => HoldScope::Target { target: form.parse("target", TargetId::parse)? },
        (.., "vendor") => HoldScope::Vendor { vendor: form.parse("vendor", VendorId::parse)? },
        (.., "person") => HoldScope::Person { person: form.parse("person", PersonId::parse)? },
        (.., "period") => HoldScope::Period { from: moment("from")?, until: moment("until")? },
        (.., "everything") => HoldScope::Everything,
        _ => return Err(Refusal::bad_field("of").into()),
    };
    let basis = form.parse("basis", HoldBasis::parse)?;
    let days = if basis == HoldBasis::Police { Some(form.parse("days", |text| text.parse().ok())?) } else { None };
    Ok(HoldAsk { scope, basis, case_number: form.need("case_number")?.to_owned(), reason: form.need("reason")?.to_owned(), days })
}

async fn place(call: Call) -> Reply {
    let ask = ask_of(call.form())?;
    let hold = call.ctx.store().place_hold(call.ctx.actor()?, ask).await?;
    call.done(&format!("/holds/{}", hold.id), "keeping.hold_placed_done")
}

async fn extend(call: Call) -> Reply {
    let id = call.id("id", HoldId::parse)?;
    let form = call.form();
    call.ctx.store().extend_hold(call.ctx.actor()?, &id, form.parse("days", |text| text.parse().ok())?, form.need("reason")?).await?;
    call.done(&format!("/holds/{id}"), "keeping.hold_extended_done")
}

async fn lift(call: Call) -> Reply {
    let id = call.id("id", HoldId::parse)?;
    call.ctx.store().lift_hold(call.ctx.actor()?, &id, call.form().need("reason")?, call.form().text("console")).await?;
    call.done("/holds", "keeping.hold_lifted_done")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().holds(call.ctx.actor()?).await?)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&call.ctx.store().hold(call.ctx.actor()?, &call.id("id", HoldId::parse)?).await?)
}

async fn api_place(call: Call) -> Reply {
    let ask: HoldAsk = call.json()?;
    call.answer(&call.ctx.store().place_hold(call.ctx.actor()?, ask).await?)
}

async fn api_extend(call: Call) -> Reply {
    let body: ExtendBody = call.json()?;
    call.answer(&call.ctx.store().extend_hold(call.ctx.actor()?, &call.id("id", HoldId::parse)?, body.days, &body.reason).await?)
}

async fn api_lift(call: Call) -> Reply {
    let body: LiftBody = call.json()?;
    call.answer(&call.ctx.store().lift_hold(call.ctx.actor()?, &call.id("id", HoldId::parse)?, &body.reason, &body.console).await?)
}
