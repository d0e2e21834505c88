//! 切断: ends a running session at once.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use std::time::Duration;

/// How long the page after a cut waits for the session's end to be written. A session that takes longer is shown as it is.
const SEALED_WITHIN: Duration = Duration::from_secs(3);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::form("/sessions/{id}/cut", Access::May(Action::CutSession), cut)]
}

async fn cut(call: Call) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    // Whoever presses the button in a fright is not asked to write; what they add is kept.
    let typed = call.form().text("reason");
    let reason = if typed.is_empty() { call.ctx.t("sessions.cut_reason") } else { typed.to_owned() };
    call.ctx.store().cut(call.ctx.actor()?, &id, &reason).await?;
    // Whoever cut it looks at the next page for one thing: that it is over.
    call.ctx.store().wait_until_sealed(&id, SEALED_WITHIN).await;
    call.done(&format!("/sessions/{id}"), "sessions.cut_done")
}
