//! 立会い: the page around the live view. It works for a clerk on a telephone: who, where, until when, and 切断.

use super::facts;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/sessions/{id}/watch", Access::May(Action::WatchSession), show)]
}

async fn show(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let title = call.ctx.t_with("sessions.watch_title", &[("person", &s.person)]);
    let (can_cut, can_withdraw) = (call.ctx.may(Action::CutSession), call.ctx.may(Action::WithdrawPlan));
    call.page_titled("sessions/watch.html", &title, context! { s => value(s), can_cut, can_withdraw })
}
