//! 特権の台帳: administrators, planners and privileged accounts of targets, with holder, approval and last day.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::PersonId;
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_store::{PrivilegeAsk, PrivilegeRow};
use serde::Serialize;

const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

pub(super) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    vec![
        Route::page("/accounts/privileges", super::READ, list),
        Route::page("/accounts/privileges/keep", may_keep, show_keep),
        Route::form("/accounts/privileges/keep", KEEP, keep).again(show_keep),
        Route::api(Method::GET, "/api/v1/privileges", super::READ, "Privileged rights with holder, approval and last day.", api_list).gives::<Vec<PrivilegeLine>>(),
    ]
}

/// A privileged right.
#[derive(Serialize, JsonSchema)]
struct PrivilegeLine {
    /// `administrator:PERSON`, `planner:PERSON` or `account:ACCOUNT`.
    subject: String,
    /// Who holds it, if the register says so.
    holder: Option<PersonId>,
    /// Who approved.
    approver: Option<PersonId>,
    /// Its last day, `YYYY-MM-DD`.
    until: Option<String>,
    /// Approved, and its last day has not passed.
    in_force: bool,
}

impl From<PrivilegeRow> for PrivilegeLine {
    fn from(row: PrivilegeRow) -> Self {
        let register = row.register;
        Self {
            subject: row.subject,
            holder: register.as_ref().map(|row| row.holder.clone()),
            approver: register.as_ref().map(|row| row.approver.clone()),
            until: register.map(|row| row.until),
            in_force: row.in_force,
        }
    }
}

fn shown(call: &Call, row: &PrivilegeRow) -> Value {
    let lang = call.ctx.lang;
    let what = match (&row.role, &row.account) {
        (Some(role), _) => words::role(lang, *role).to_owned(),
        (None, Some((account, target))) => format!("{} / {}", target.title, account.username),
        (None, None) => String::new(),
    };
    let holder = row.person.as_ref().map(|person| person.name.as_str()).or_else(|| row.register.as_ref().map(|row| row.holder_name.as_str()));
    let holder_id = row.person.as_ref().map(|person| person.id.as_str()).or_else(|| row.register.as_ref().map(|row| row.holder.as_str()));
    let state = match (&row.register, row.in_force) {
        (_, true) => "active",
        (Some(_), false) => "overdue",
        (None, false) => "difference",
    };
    context! {
        subject => row.subject.as_str(),
        what,
        kind => if row.role.is_some() { "role" } else { "account" },
        target => row.account.as_ref().map(|(_, target)| target.id.as_str()),
        holder,
        holder_id,
        approver => row.register.as_ref().map(|row| row.approver_name.as_str()),
        at => row.register.as_ref().map(|row| row.at.0),
        until => row.register.as_ref().map(|row| row.until.as_str()),
        reason => row.register.as_ref().map(|row| row.reason.as_str()),
        state,
    }
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let rows: Vec<Value> = ctx.store().privileges(ctx.actor()?).await?.iter().map(|row| shown(&call, row)).collect();
    call.page("accounts/privileges.html", "privilege.title", context! { rows, may_keep => ctx.may(Action::KeepLedger), now => ctx.now().0 })
}

async fn named(call: &Call) -> Result<PrivilegeRow, Stop> {
    let sent = call.form().text("subject");
    let subject = if sent.is_empty() { call.query().text("subject") } else { sent };
    let all = call.ctx.store().privileges(call.ctx.actor()?).await?;
    all.into_iter().find(|row| row.subject == subject).ok_or_else(Stop::not_found)
}

async fn show_keep(call: Call) -> Reply {
    let ctx = &call.ctx;
    let row = named(&call).await?;
    let now = ctx.now();
    let persons = ctx.store().persons(ctx.actor()?).await?;
    let acts = persons.iter().map(|row| &row.person).filter(|person| person.may_act(now) && person.vendor.is_none() && person.robot.is_none());
    let pair = |person: &sekisho_core::people::Person| (person.id.to_string(), person.name.clone());
    let approvers: Vec<(String, String)> = acts.clone().filter(|person| person.is(Role::Planner) || person.is(Role::SafetyManager)).map(pair).collect();
    let holders: Vec<(String, String)> = match &row.person {
        Some(person) => vec![pair(person)],
        None => acts.map(pair).collect(),
    };
    let mut first = Form::default();
    first.push("holder", row.person.as_ref().map_or_else(|| row.register.as_ref().map(|row| row.holder.to_string()).unwrap_or_default(), |person| person.id.to_string()));
    if let Some(held) = &row.register {
        first.push("approver", held.approver.as_str());
        first.push("privilege_until", &held.until);
        first.push("reason", &held.reason);
    }
    let context = context! { form => Value::from_object(call.typed_or(first)), row => shown(&call, &row), holders => value(holders), approvers => value(approvers) };
    call.page("accounts/privilege.html", "privilege.keep", context)
}

async fn keep(call: Call) -> Reply {
    let form = call.form();
    let ask = PrivilegeAsk {
        subject: form.need("subject")?.to_owned(),
        holder: form.parse("holder", PersonId::parse)?,
        approver: form.parse("approver", PersonId::parse)?,
        until: form.date_opt("privilege_until")?.ok_or_else(|| Stop::bad_field("privilege_until"))?,
        reason: form.text("reason").to_owned(),
    };
    call.ctx.store().keep_privilege(call.ctx.actor()?, ask).await?;
    call.done("/accounts/privileges", "privilege.kept")
}

async fn api_list(call: Call) -> Reply {
    let rows = call.ctx.store().privileges(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(PrivilegeLine::from).collect::<Vec<_>>())
}
