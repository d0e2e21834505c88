//! Sessions: what runs at this moment first, then the past with its filters.

use crate::call::Call;
use crate::pages::plans::told;
use crate::pages::plans::view::SessionLine;
use crate::pages::plans::written;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::context;
use sekisho_core::ids::{PersonId, PlanId, TargetId};
use sekisho_core::permission::Action;
use sekisho_store::SessionFilter;
use std::collections::BTreeMap;

pub(super) fn routes() -> Vec<Route> {
    let access = Access::May(Action::ReadSession);
    vec![Route::page("/sessions", access, list), Route::page("/sessions/running", access, running)]
}

/// What runs, with the ends of the windows.
pub(crate) async fn lines_running(call: &Call) -> Result<Vec<SessionLine>, Stop> {
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let found = store.sessions(actor, &SessionFilter { running: Some(true), ..SessionFilter::default() }).await?;
    let mut ends = BTreeMap::new();
    let mut lines = Vec::new();
    for row in &found.rows {
        if !ends.contains_key(&row.plan) {
            let end = store.plan(actor, &row.plan).await.map(|view| view.plan.window().1).ok();
            ends.insert(row.plan.clone(), end);
        }
        let mut line = told::line(row, call.ctx.lang);
        if let Some(Some(end)) = ends.get(&row.plan) {
            line.until_ms = end.0;
            line.until = written::clock(*end);
        }
        lines.push(line);
    }
    Ok(lines)
}

async fn running(call: Call) -> Reply {
    let running = lines_running(&call).await?;
    call.fragment("sessions/running.html", context! { running => value(running), can_watch => call.ctx.may(Action::WatchSession) })
}

async fn list(call: Call) -> Reply {
    let query = call.query();
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let page = call.page_number();
    let (person, target, plan) = (PersonId::parse(query.text("person")), TargetId::parse(query.text("target")), PlanId::parse(query.text("plan")));
    let filter = SessionFilter { running: Some(false), plan: plan.clone(), person: person.clone(), target: target.clone(), page: page - 1 };
    let found = store.sessions(actor, &filter).await?;
    // The choices are those who worked lately and where; whoever reads no ledger can filter all the same.
    let lately = store.sessions(actor, &SessionFilter::default()).await?;
    let (mut persons, mut targets) = (BTreeMap::new(), BTreeMap::new());
    for row in lately.rows.iter().chain(&found.rows) {
        persons.insert(row.facts.person.to_string(), row.facts.person_name.clone());
        targets.insert(row.facts.target.to_string(), row.facts.target_name.clone());
    }
    let text = |id: Option<String>| id.unwrap_or_default();
    let (person, target, plan) = (text(person.map(|id| id.to_string())), text(target.map(|id| id.to_string())), text(plan.map(|id| id.to_string())));
    let past: Vec<SessionLine> = found.rows.iter().map(|row| told::line(row, call.ctx.lang)).collect();
    let running = lines_running(&call).await?;
    call.page(
        "sessions/list.html",
        "sessions.list.title",
        context! {
            running => value(running),
            past => value(past),
            page,
            // The store tells only whether there is more, so the last page known is the next one.
            pages => if found.more { page + 1 } else { page },
            link => format!("/sessions?person={person}&target={target}&plan={plan}&page="),
            filter => context! { person, target, plan },
            persons => value(persons.into_iter().collect::<Vec<_>>()),
            targets => value(targets.into_iter().collect::<Vec<_>>()),
            can_watch => call.ctx.may(Action::WatchSession),
        },
    )
}
