//! 非常時用アカウント: the ledger of them, and the uses. How one is opened stands in `emergency/open.rs`.

mod keep;
mod open;
mod uses;

use crate::call::{Call, Ctx};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::emergency::{EmergencyAccount, EmergencyState, Envelope, Half};
use sekisho_core::ids::{EmergencyId, EmergencyUseId, PersonId};
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use serde::Serialize;

const READ: Access = Access::May(Action::ReadLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::page("/emergency_accounts", READ, list),
        Route::page("/emergency_accounts/{id}", READ, show),
        Route::api(Method::GET, "/api/v1/emergency_accounts", READ, "Emergency accounts: how each stands, and when its envelopes must be looked at.", api_list).gives::<Vec<EmergencyAnswer>>(),
    ];
    routes.extend(keep::routes());
    routes.extend(open::routes());
    routes.extend(uses::routes());
    routes
}

/// An emergency account as the API shows it.
#[derive(Serialize, JsonSchema)]
struct EmergencyAnswer {
    /// Which.
    id: EmergencyId,
    /// The entry of the ledger in whose name it acts.
    person: PersonId,
    /// Login name.
    login: String,
    /// Display name.
    name: String,
    /// How it stands.
    state: EmergencyState,
    /// What it is for.
    purpose: String,
    /// Who is told at once when it is opened.
    told: Vec<PersonId>,
    /// The envelope with the password.
    password: Option<Envelope>,
    /// The envelope with the card.
    card: Option<Envelope>,
    /// Codes left on the card.
    codes_left: usize,
    /// When the envelopes must be looked at; Unix milliseconds.
    look_due: Option<Timestamp>,
    /// The use that goes on.
    open: Option<EmergencyUseId>,
}

impl EmergencyAnswer {
    fn of(ctx: &Ctx, account: EmergencyAccount) -> Self {
        Self {
            state: account.state(),
            codes_left: account.codes_left(),
            look_due: account.look_due(ctx.store().policy()),
            id: account.id,
            person: account.person,
            login: account.login,
            name: account.name,
            purpose: account.purpose,
            told: account.told,
            password: account.password,
            card: account.card,
            open: account.open,
        }
    }
}

fn row(ctx: &Ctx, account: &EmergencyAccount) -> Value {
    let due = account.look_due(ctx.store().policy());
    let state = account.state();
    let envelopes: Vec<Value> = Half::ALL.into_iter().map(|half| context! { half => half.as_str(), envelope => account.envelope(half).map(value) }).collect();
    context! {
        id => account.id.as_str(),
        person => account.person.as_str(),
        login => account.login.as_str(),
        name => account.name.as_str(),
        purpose => account.purpose.as_str(),
        state => state.as_str(),
        envelopes,
        codes_left => account.codes_left(),
        look_due => due.map(|at| at.0),
        is_look_due => state == EmergencyState::Sealed && due.is_some_and(|at| at <= ctx.now()),
        open => account.open.as_ref().map(EmergencyUseId::as_str),
        open_until => account.open_until.map(|at| at.0),
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let rows: Vec<Value> = store.emergencies(actor).await?.iter().map(|account| row(ctx, account)).collect();
    let uses: Vec<Value> = store.emergency_uses(actor, None).await?.iter().map(|usage| uses::row(call.ctx.lang, usage)).collect();
    let set_up = store.mails();
    call.page("emergency/list.html", "emergency.title", context! { rows, uses, set_up, persons => store.policy().emergency_persons, may_keep => ctx.may(Action::KeepLedger) })
}

async fn find(call: &Call) -> Result<EmergencyAccount, Stop> {
    let id = call.id("id", EmergencyId::parse)?;
    Ok(call.ctx.store().emergency(call.ctx.actor()?, &id).await?)
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let account = find(&call).await?;
    let uses: Vec<Value> = store.emergency_uses(actor, Some(&account.id)).await?.iter().map(|usage| uses::row(call.ctx.lang, usage)).collect();
    let person = store.person(actor, &account.person).await?.person;
    let roles: Vec<&str> = person.roles.iter().map(|role| crate::words::role(ctx.lang, *role)).collect();
    let mut told = Vec::new();
    for id in &account.told {
        let named = store.person(actor, id).await?.person;
        told.push(context! { id => id.as_str(), name => named.name.as_str(), reached => store.reaches_by_mail(&named), phone => named.phone.as_str() });
    }
    let may_make = |half: Half| actor.person.as_ref().is_some_and(|by| account.may_make(half, by, store.policy()).is_ok());
    call.page_titled(
        "emergency/show.html",
        &account.name,
        context! {
            row => row(ctx, &account),
            roles,
            told,
            uses,
            set_up => store.mails(),
            persons => store.policy().emergency_persons,
            days => store.policy().emergency_check_days,
            may_keep => ctx.may(Action::KeepLedger),
            may_tend => ctx.may(Action::KeepEmergency),
            may_make_password => may_make(Half::Password),
            may_make_card => may_make(Half::Card),
        },
    )
}

/// What waits to be done about them, as cards of the first page.
pub(crate) async fn cards(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let duties = ctx.store().emergency_duties(ctx.actor()?).await?;
    let card = |key: &str, n: usize, href: String, tone: &str| {
        (n > 0).then(|| context! { title => ctx.t(&format!("emergency.duty_{key}")), action => ctx.t(&format!("emergency.duty_{key}_act")), n, href, icon => "bolt", text => ctx.t(&format!("emergency.duty_{key}_text")), due => "", overdue => false, tone })
    };
    let review = duties.unreviewed.first().map_or_else(String::new, |id| format!("/emergency_uses/{id}"));
    let list = || "/emergency_accounts".to_owned();
    let all = [
        card("open", duties.open, list(), "urgent"),
        card("review", duties.unreviewed.len(), review, "urgent"),
        card("unprepared", duties.unprepared, list(), ""),
        card("look", duties.look_due, list(), ""),
    ];
    Ok(all.into_iter().flatten().collect())
}

async fn api_list(call: Call) -> Reply {
    let accounts = call.ctx.store().emergencies(call.ctx.actor()?).await?;
    call.answer(&accounts.into_iter().map(|account| EmergencyAnswer::of(&call.ctx, account)).collect::<Vec<_>>())
}
