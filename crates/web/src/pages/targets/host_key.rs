//! The alarm about a host key: what was seen, and what an administrator decides.

use super::scan::{chosen, look, with_seen};
use super::{KEEP, fingerprint, find, key_lines};
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::context;
use schemars::JsonSchema;
use sekisho_core::ids::TargetId;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{HostKeyDecision, Target};
use serde::Deserialize;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/targets/{id}/host-key", Access::May(Action::KeepLedger), show),
        Route::form("/targets/{id}/host-key", KEEP, decide).again(show),
        Route::form("/targets/{id}/host-key/scan", KEEP, scan).again(show),
        Route::api(Method::POST, "/api/v1/targets/{id}/host-key", KEEP, "Decide on the alarm about a target's host key.", api_decide).takes::<DecideBody>().gives::<Target>(),
    ]
}

/// A decision with its reason.
#[derive(Deserialize, JsonSchema)]
struct DecideBody {
    /// `pin` with `host_keys`, or `keep`.
    #[serde(flatten)]
    decision: HostKeyDecision,
    /// Why. Stays in the log.
    reason: String,
}

async fn page(call: &Call, form: Form) -> Reply {
    let found = find(call).await?;
    let Some(alarm) = found.target.host_key_alarm.clone() else {
        // Somebody else has decided meanwhile.
        return call.see(&format!("/targets/{}", found.target.id));
    };
    let pinned: Vec<_> = found.target.host_keys.iter().filter_map(|line| fingerprint(line)).collect();
    let (seen, form) = with_seen(form);
    // An exchange of a credential has its own page.
    let store = call.ctx.store();
    let by_exchange = match &alarm.session {
        Some(session) => store.robot_session(call.ctx.actor()?, session).await.is_ok(),
        None => false,
    };
    let context = context! { by_exchange, target => value(&found.target), alarm => value(&alarm), pinned => value(pinned), seen, form };
    call.page("targets/host_key.html", "alarm.title", context)
}

async fn show(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    page(&call, form).await
}

async fn scan(call: Call) -> Reply {
    let found = find(&call).await?;
    let form = look(&call, &found.target.host, found.target.port).await?;
    page(&call, form).await
}

async fn decide(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let form = call.form();
    let decision = match form.text("decision") {
        "pin" => {
            let mut host_keys = key_lines(form.text("host_keys"))?;
            host_keys.extend(chosen(form)?);
            if host_keys.is_empty() {
                return Err(Stop::bad_field("host_keys"));
            }
            HostKeyDecision::Pin { host_keys }
        }
        "keep" => HostKeyDecision::Keep,
        _ => return Err(Stop::bad_field("decision")),
    };
    if form.text("reason").is_empty() {
        return Err(Refusal::ReasonNeeded.into());
    }
    let done = if decision == HostKeyDecision::Keep { "alarm.kept" } else { "alarm.pinned" };
    call.ctx.store().decide_host_key(call.ctx.actor()?, &id, decision, form.text("reason")).await?;
    call.done(&format!("/targets/{id}"), done)
}

async fn api_decide(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let DecideBody { decision, reason } = call.json()?;
    call.answer(&call.ctx.store().decide_host_key(call.ctx.actor()?, &id, decision, &reason).await?)
}
