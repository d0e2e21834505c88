//! 隔離: uploads that wait for the hospital. A page to look into one, its content, and the decision.

use super::content::{send_file, number};
use super::control::{back, session};
use super::facts;
use crate::call::Call;
use crate::pages::plans::written;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use sekisho_store::HeldFileView;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Vec<Route> {
    let (control, take, read) = (Access::May(Action::ControlSession), Access::MayStepUp(Action::TakeContent), Access::May(Action::ReadSession));
    vec![
        Route::page("/sessions/{id}/uploads/{hold}", take, show),
        Route::page("/sessions/{id}/uploads/{hold}/content", take, fetch),
        Route::form("/sessions/{id}/uploads", control, decide),
        Route::api(Method::GET, "/api/v1/sessions/{id}/uploads", read, "Uploads of the session that waited for a person, with what was decided.", api_list).gives::<UploadsAnswer>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/uploads/{hold}", control, "Decide on an upload that waits for a person.", api_decide).takes::<UploadAsk>(),
        Route::api(
            Method::GET,
            "/api/v1/sessions/{id}/uploads/{hold}/content",
            take,
            "The content of an upload that waits, to be checked before the decision. Asks for a fresh one-time code; who took it goes into the log first.",
            fetch,
        )
        .gives_file("application/octet-stream"),
    ]
}

async fn one(call: &Call) -> Result<HeldFileView, Stop> {
    let hold = call.id("hold", number)?;
    Ok(call.ctx.store().upload_of(call.ctx.actor()?, &session(call)?, hold).await?)
}

async fn show(call: Call) -> Reply {
    let held = one(&call).await?;
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let can_control = call.ctx.may(Action::ControlSession);
    call.page("sessions/upload.html", "uploads.page_title", context! { s => value(s), held => row(&held), can_control })
}

/// A held file as pages show it.
pub(super) fn row(held: &HeldFileView) -> Value {
    let decided = held.decided.as_ref().map(|decision| {
        let how = match (decision.how.as_str(), decision.passed) {
            ("person", true) => "person_passed",
            ("person", false) => "person_refused",
            ("listed", _) => "listed",
            ("late", _) => "late",
            ("vanished", _) => "vanished",
            _ => "given_up",
        };
        context! { how, passed => decision.passed, by => decision.by.as_str(), reason => decision.reason.as_str(), at => decision.at.0 }
    });
    context! {
        hold => held.hold,
        path => held.path.as_str(),
        size => written::size(held.bytes),
        sha256 => held.sha256.as_str(),
        listed => held.listed,
        at => held.at.0,
        decided,
    }
}

async fn fetch(call: Call) -> Reply {
    let (id, hold) = (session(&call)?, call.id("hold", number)?);
    send_file(call.ctx.store().take_held(call.ctx.actor()?, &id, hold).await?, hold)
}

async fn decide(call: Call) -> Reply {
    let id = session(&call)?;
    let hold: u32 = call.form().text("hold").parse().map_err(|_| Stop::bad_field("hold"))?;
    let passed = match call.form().text("decision") {
        "pass" => true,
        "refuse" => false,
        _ => return Err(Stop::bad_field("decision")),
    };
    call.ctx.store().decide_upload(call.ctx.actor()?, &id, hold, passed, call.form().text("reason")).await?;
    back(&call, &id)
}

/// A decision on an upload.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UploadAsk {
    /// Whether it goes on to the target.
    passed: bool,
    /// Why; the worker reads it.
    #[serde(default)]
    reason: String,
}

async fn api_decide(call: Call) -> Reply {
    let ask: UploadAsk = call.json()?;
    let hold = call.id("hold", number)?;
    call.ctx.store().decide_upload(call.ctx.actor()?, &session(&call)?, hold, ask.passed, &ask.reason).await?;
    call.nothing()
}

/// What was decided.
#[derive(Serialize, JsonSchema)]
struct UploadDecision {
    at: Timestamp,
    /// It went on to the target.
    passed: bool,
    /// `person`, `listed`, `late`, `given_up` or `vanished`.
    how: String,
    by: String,
    reason: String,
}

/// An upload.
#[derive(Serialize, JsonSchema)]
struct UploadAnswer {
    /// Its number within the session.
    hold: u32,
    path: String,
    bytes: u64,
    sha256: String,
    /// The plan lists this content.
    listed: bool,
    /// When it was complete.
    at: Timestamp,
    /// Nothing while it waits.
    decided: Option<UploadDecision>,
}

/// The uploads of a session.
#[derive(Serialize, JsonSchema)]
struct UploadsAnswer {
    uploads: Vec<UploadAnswer>,
}

async fn api_list(call: Call) -> Reply {
    let all = call.ctx.store().uploads_of(call.ctx.actor()?, &session(&call)?).await?;
    let shape = |held: HeldFileView| UploadAnswer {
        hold: held.hold,
        path: held.path,
        bytes: held.bytes,
        sha256: held.sha256,
        listed: held.listed,
        at: held.at,
        decided: held.decided.map(|decision| UploadDecision { at: decision.at, passed: decision.passed, how: decision.how, by: decision.by, reason: decision.reason }),
    };
    call.answer(&UploadsAnswer { uploads: all.into_iter().map(shape).collect() })
}
