//! 切断: ends a running session at once.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::form("/sessions/{id}/cut", Access::May(Action::CutSession), cut)]
}

async fn cut(call: Call) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    // Whoever presses the button in a fright is not asked to write; what they add is kept.
    let typed = call.form().text("reason");
    let reason = if typed.is_empty() { call.ctx.t("sessions.cut_reason") } else { typed.to_owned() };
    call.ctx.store().cut(call.ctx.actor()?, &id, &reason).await?;
    call.done(&format!("/sessions/{id}"), "sessions.cut_done")
}
