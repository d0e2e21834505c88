//! 立会い: the page around the live view. It works for a clerk on a telephone: who, where, until when, and 切断.

use super::facts;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::pages::plans::told;
use crate::pages::plans::view::SessionLine;
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::context;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_store::{SessionFilter, SessionView};

pub(super) fn routes() -> Vec<Route> {
    let access = Access::May(Action::WatchSession);
    vec![Route::page("/sessions/{id}/watch", access, show), Route::page("/sessions/{id}/others", access, show_others)]
}

/// Connections of the same plan that run beside this one.
async fn others(call: &Call, view: &SessionView) -> Result<Vec<SessionLine>, Stop> {
    let filter = SessionFilter { running: Some(true), plan: Some(view.row.plan.clone()), ..SessionFilter::default() };
    let found = call.ctx.store().sessions(call.ctx.actor()?, &filter).await?;
    Ok(found.rows.iter().filter(|row| row.facts.session != view.row.facts.session).map(|row| told::line(row, call.ctx.lang)).collect())
}

async fn show_others(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let others = others(&call, &view).await?;
    call.fragment("sessions/others.html", context! { others => value(others) })
}

async fn show(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let title = call.ctx.t_with("sessions.watch_title", &[("person", &s.person)]);
    let can = |action| call.ctx.may(action);
    let (can_cut, can_withdraw) = (can(Action::CutSession), can(Action::WithdrawPlan));
    let can_take = can(Action::TakeContent);
    let (can_control, can_chat, can_mark) = (can(Action::ControlSession), can(Action::ChatSession), can(Action::MarkSession));
    let line_chars = limits::LINE_CHARS;
    let can_replay = can(Action::ViewRecording);
    let others = value(if view.row.running { others(&call, &view).await? } else { Vec::new() });
    call.page_titled("sessions/watch.html", &title, context! { s => value(s), can_cut, can_withdraw, can_control, can_chat, can_mark, can_take, line_chars, can_replay, others })
}
