//! The page around the replay. Opening it asks for a fresh one-time code; the recording itself asks again.

use super::facts;
use crate::call::{Call, download};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::context;
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    let access = Access::MayStepUp(Action::ViewRecording);
    vec![Route::page("/sessions/{id}/replay", access, show), Route::page("/sessions/{id}/asciicast", access, export_tab)]
}

async fn show(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let title = call.ctx.t_with("sessions.replay_title", &[("person", &s.person), ("target", &s.target)]);
    let need = crate::pages::viewings::need(&call.ctx, &view.row.facts.session).await?;
    call.page_titled("sessions/replay.html", &title, context! { need, s => value(s), can_replay => true, can_mark => call.ctx.may(Action::MarkSession) })
}

/// The number on a tab of the viewer is that of the channel.
async fn export_tab(call: Call) -> Reply {
    let tab: u32 = call.query().parse("tab", |text| text.parse().ok())?;
    export_channel(&call, tab).await
}

pub(super) async fn export(call: Call) -> Reply {
    let channel = call.query().parse("channel", |text| text.parse().ok())?;
    export_channel(&call, channel).await
}

async fn export_channel(call: &Call, channel: u32) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    let bytes = call.ctx.store().export_asciicast(call.ctx.actor()?, &id, channel).await.map_err(Stop::from)?;
    download(&format!("{id}-{channel}.cast"), "application/x-asciicast", bytes)
}
