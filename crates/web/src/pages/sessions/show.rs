//! One session: who, when, from where, to which system, what.

use super::facts;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use minijinja::context;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/sessions/{id}", Access::May(Action::ReadSession), show)]
}

async fn show(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let title = format!("{} → {}", s.person, s.target);
    let gone = call.ctx.store().recording_fate(&view.row.facts.session).deleted.is_some();
    let (can_watch, can_cut, can_replay) = (call.ctx.may(Action::WatchSession), call.ctx.may(Action::CutSession), call.ctx.may(Action::ViewRecording) && !gone);
    let can_search = call.ctx.may(Action::SearchRecords);
    let can_take = call.ctx.may(Action::TakeContent) && !gone;
    let told = if view.row.running { super::talk::told(&call.ctx, &view.row.facts.session).await? } else { context! { running => false } };
    let can_chat = call.ctx.may(Action::ChatSession) && !can_watch;
    let uploads: Vec<_> = call.ctx.store().uploads_of(call.ctx.actor()?, &view.row.facts.session).await?.iter().map(super::uploads::row).collect();
    let session = &view.row.facts.session;
    let holds = call.ctx.store().holds_of_session(session).await.map_err(sekisho_store::Denied::from)?;
    let kept = call.ctx.store().recording_fate(session);
    let need = if gone { context! { kind => "none" } } else { crate::pages::viewings::need(&call.ctx, session).await? };
    call.page_titled("sessions/show.html", &title, context! { need, holds => crate::pages::holds::marks(&call.ctx, &holds), deleted => kept.deleted.map(|(seq, at)| context! { seq, at => at.0 }), aside => kept.aside.map(|at| at.0), can_hold => call.ctx.may(Action::PlaceHold), s => value(s), can_watch, can_cut, can_replay, can_search, can_take, can_chat, told, uploads, can_take_evidence => call.ctx.may(Action::TakeEvidence) })
}
