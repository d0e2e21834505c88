//! 休眠アカウント: what the box disabled because nobody used it, and what it will disable next.

use crate::call::Call;
use crate::routes::Route;
use crate::stop::Reply;
use minijinja::{Value, context};
use sekisho_core::people::Role;
use std::time::Duration;

/// Accounts are announced so long before they are disabled.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/accounts/dormant", super::READ, show)]
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let days = store.policy().dormant_days;
    let last = store.last_use_of_all(actor).await?;
    let used = |id: &str| last.get(id).map(|at| at.0);
    let rows: Vec<Value> = store
        .dormant(actor)
        .await?
        .iter()
        .map(|(person, at)| context! { id => person.id.as_str(), name => person.name.as_str(), login => person.login.as_str(), at => at.0, used => used(person.id.as_str()) })
        .collect();
    let now = ctx.now();
    let span = Duration::from_secs(24 * 3600) * days;
    let soon: Vec<Value> = store
        .persons(actor)
        .await?
        .iter()
        .filter(|row| days > 0 && row.person.may_act(now) && ![Role::DutyClerk, Role::Planner, Role::SafetyManager].into_iter().any(|role| row.person.is(role)))
        .filter_map(|row| {
            let used = last.get(row.person.id.as_str()).copied()?;
            (used.plus(span) <= now.plus(SOON)).then(|| context! { id => row.person.id.as_str(), name => row.person.name.as_str(), login => row.person.login.as_str(), used => used.0, at => used.plus(span).0 })
        })
        .collect();
    call.page("accounts/dormant.html", "dormant.title", context! { rows, soon, days })
}
