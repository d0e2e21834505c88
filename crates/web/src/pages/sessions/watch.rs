//! 立会い: the page around the live view. It works for a clerk on a telephone: who, where, until when, and 切断.

use super::facts;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::limits;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/sessions/{id}/watch", Access::May(Action::WatchSession), show)]
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
    call.page_titled("sessions/watch.html", &title, context! { s => value(s), can_cut, can_withdraw, can_control, can_chat, can_mark, can_take, line_chars })
}
