//! The ledger of persons: of the hospital and of vendors, with their roles, and the ways to lock and unlock them.

mod identity;
mod keep;
mod leave;
mod link;

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::PersonId;
use sekisho_core::people::{Person, Role};
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::PersonRow;
use serde::{Deserialize, Serialize};

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let read = Access::May(Action::ReadLedger);
    let mut routes = vec![
        Route::page("/persons", read, list),
        Route::page("/persons/{id}", read, show),
        Route::page("/persons/{id}/unlock", Access::May(Action::UnlockPerson), show_unlock),
        Route::form("/persons/{id}/unlock", Access::May(Action::UnlockPerson), unlock).again(show_unlock),
        Route::api(Method::GET, "/api/v1/persons", read, "The ledger of persons.", api_list).gives::<Vec<PersonAnswer>>(),
        Route::api(Method::GET, "/api/v1/persons/{id}", read, "One person.", api_show).gives::<PersonAnswer>(),
        Route::api(Method::POST, "/api/v1/persons/{id}/unlock", Access::May(Action::UnlockPerson), "Lift a lock after failures.", api_unlock).takes::<UnlockAsk>(),
    ];
    routes.extend(identity::routes());
    routes.extend(keep::routes());
    routes.extend(leave::routes());
    routes.extend(link::routes());
    routes
}

/// Why a lock is lifted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UnlockAsk {
    /// How it is known that the person themselves failed.
    reason: String,
}

/// A person as the API shows them.
#[derive(Serialize, JsonSchema)]
struct PersonAnswer {
    /// The entry.
    #[serde(flatten)]
    person: Person,
    /// Name of the vendor.
    vendor_name: Option<String>,
    /// Password and second factor are set.
    enrolled: bool,
    /// End of a lock after failures; Unix milliseconds.
    locked_until: Option<Timestamp>,
    /// Double roles, known deviations of a small facility.
    deviations: Vec<(Role, Role)>,
}

impl From<PersonRow> for PersonAnswer {
    fn from(row: PersonRow) -> Self {
        Self { person: row.person, vendor_name: row.vendor_name, enrolled: row.enrolled, locked_until: row.locked_until, deviations: row.deviations }
    }
}

/// A double role in words.
pub(super) fn deviation(ctx: &Ctx, name: &str, (a, b): (Role, Role)) -> String {
    ctx.t_with("person.deviation", &[("name", name), ("a", words::role(ctx.lang, a)), ("b", words::role(ctx.lang, b))])
}

fn row(ctx: &Ctx, row: &PersonRow) -> Value {
    let person = &row.person;
    let now = ctx.now();
    let state = if !person.may_act(now) {
        "disabled"
    } else if row.locked_until.is_some_and(|until| now < until) {
        "locked"
    } else if !row.enrolled && person.robot.is_none() {
        "waiting"
    } else {
        "active"
    };
    let is_worker = person.is(Role::Worker);
    context! {
        person => value(person),
        roles => person.roles.iter().map(|role| words::role(ctx.lang, *role)).collect::<Vec<_>>(),
        vendor => row.vendor_name.as_deref(),
        state,
        state_word => ctx.t(&format!("person.state_{state}")),
        locked_until => row.locked_until.filter(|until| now < *until).map(|until| until.0),
        enrolled => row.enrolled,
        is_worker,
        robot => person.robot.is_some(),
        not_ready => is_worker && !person.is_ready_for_work(now),
        deviations => row.deviations.iter().map(|pair| deviation(ctx, &person.name, *pair)).collect::<Vec<_>>(),
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let text = call.query().text("text").to_lowercase();
    let side = call.query().text("side");
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let fits = |row: &&PersonRow| {
        let side_fits = match side {
            "hospital" => row.person.vendor.is_none(),
            "vendor" => row.person.vendor.is_some(),
            _ => true,
        };
        let words = [&row.person.name, &row.person.login, &row.person.department];
        side_fits && (text.is_empty() || words.iter().any(|word| word.to_lowercase().contains(&text)) || row.vendor_name.as_ref().is_some_and(|name| name.to_lowercase().contains(&text)))
    };
    let rows: Vec<Value> = persons.iter().filter(fits).map(|person| row(ctx, person)).collect();
    call.page("persons/list.html", "person.title", context! { may_read_checks => ctx.may(Action::ReadIdentityChecks), rows, text => call.query().text("text"), side, may_keep => ctx.may(Action::KeepLedger) })
}

async fn find(call: &Call) -> Result<PersonRow, Stop> {
    let id = call.id("id", PersonId::parse)?;
    Ok(call.ctx.store().person(call.ctx.actor()?, &id).await?)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let found = find(&call).await?;
    let link = ctx.take_once(&format!("link {}", found.person.id)).and_then(|kept| {
        let mut parts = kept.split(' ');
        let at = parts.next()?.parse::<i64>().unwrap_or_default();
        let way = parts.next()?;
        Some(context! { at, url => way, sent_to => way.strip_prefix("mailto:"), handover => parts.next() })
    });
    let mail = ctx.store().last_mail(ctx.actor()?, &found.person.id).await?.map(|row| context! { letter => ctx.t(&format!("mail.letter_{}", row.letter)), state => ctx.t(&format!("mail.state_{}", row.state.as_str())), at => row.made_at.0 });
    let robot = match &found.person.robot {
        Some(responsible) => Some(robot_context(ctx, &found, responsible).await?),
        None => None,
    };
    call.page_titled(
        "persons/show.html",
        &found.person.name,
        context! { elsewhere => link::of_person(ctx, &found.person).await?, robot, mail, has_sheet => ctx.store().leaver_sheet(ctx.actor()?, &found.person.id).await?.is_some(), row => row(ctx, &found), link, may_keep => ctx.may(Action::KeepLedger), is_self => ctx.actor()?.is_person(&found.person.id), may_unlock => ctx.may(Action::UnlockPerson), may_trace => ctx.may(Action::SearchRecords) },
    )
}

/// What the page of a robot shows beside the entry: who answers for it, and its tokens.
async fn robot_context(ctx: &Ctx, found: &PersonRow, responsible: &PersonId) -> Result<Value, Stop> {
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let answers = store.person(actor, responsible).await?.person;
    let rows: Vec<Value> = store.tokens_of(actor, &found.person.id).await?.iter().map(|token| super::tokens::row(ctx, token)).collect();
    let names = context! { responsible => answers.name.as_str(), responsible_id => answers.id.as_str(), answers => answers.may_act(ctx.now()) };
    Ok(context! { rows, code => super::tokens::fresh(ctx, &found.person.id), ..names })
}

async fn show_unlock(call: Call) -> Reply {
    let found = find(&call).await?;
    let form = call.typed_or(Form::default());
    call.page("persons/unlock.html", "person.unlock", context! { form => Value::from_object(form), row => row(&call.ctx, &found) })
}

async fn unlock(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    call.ctx.store().unlock_person(call.ctx.actor()?, &id, call.form().text("reason")).await?;
    call.done(&format!("/persons/{id}"), "person.unlocked")
}

async fn api_list(call: Call) -> Reply {
    let persons = call.ctx.store().persons(call.ctx.actor()?).await?;
    call.answer(&persons.into_iter().map(PersonAnswer::from).collect::<Vec<_>>())
}

async fn api_show(call: Call) -> Reply {
    call.answer(&PersonAnswer::from(find(&call).await?))
}

async fn api_unlock(call: Call) -> Reply {
    let id = call.id("id", PersonId::parse)?;
    let ask: UnlockAsk = call.json()?;
    call.ctx.store().unlock_person(call.ctx.actor()?, &id, &ask.reason).await?;
    call.nothing()
}
