//! 許可 and 拒否: a person decides on a command that waits at the gateway.

use super::control::{back, session};
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use schemars::JsonSchema;
use sekisho_core::permission::Action;
use serde::Deserialize;

pub(super) fn routes() -> Vec<Route> {
    let control = Access::May(Action::ControlSession);
    vec![
        Route::form("/sessions/{id}/decide", control, decide),
        Route::api(Method::POST, "/api/v1/sessions/{id}/decide", control, "Decide on a command that waits for a person.", api_decide).takes::<DecideAsk>(),
    ]
}

/// A decision on a waiting command.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DecideAsk {
    /// Its number within the session.
    hold: u32,
    /// Whether it may go on.
    allowed: bool,
}

async fn decide(call: Call) -> Reply {
    let id = session(&call)?;
    let hold: u32 = call.form().text("hold").parse().map_err(|_| Stop::bad_field("hold"))?;
    let allowed = match call.form().text("decision") {
        "allow" => true,
        "deny" => false,
        _ => return Err(Stop::bad_field("decision")),
    };
    call.ctx.store().decide_command(call.ctx.actor()?, &id, hold, allowed).await?;
    back(&call, &id)
}

async fn api_decide(call: Call) -> Reply {
    let ask: DecideAsk = call.json()?;
    call.ctx.store().decide_command(call.ctx.actor()?, &session(&call)?, ask.hold, ask.allowed).await?;
    call.nothing()
}
