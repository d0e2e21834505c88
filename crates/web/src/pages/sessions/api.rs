//! `/api/v1/sessions…`: lists, facts, recordings, exports and the cut for clients.

use super::facts::{place_name, recipient_kind};
use super::{content, recording, replay};
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use axum::http::Method;
use schemars::JsonSchema;
use sekisho_core::ids::{PersonId, PlanId, SessionId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::time::Timestamp;
use sekisho_store::{SessionFilter, SessionRow};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Vec<Route> {
    let read = Access::May(Action::ReadSession);
    let view = Access::MayStepUp(Action::ViewRecording);
    vec![
        Route::api(Method::GET, "/api/v1/sessions", read, "Sessions that this person may see, the newest first.", list).query::<SessionsAsk>().gives::<SessionsAnswer>(),
        Route::api(Method::GET, "/api/v1/sessions/{id}", read, "A session with its commands, files, recording and log entries.", show).gives::<SessionAnswer>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/cut", Access::May(Action::CutSession), "End a running session at once.", cut).takes::<CutAsk>(),
        Route::api(Method::GET, "/api/v1/sessions/{id}/recording", view, "The recording as lines of JSON. Asks for a fresh one-time code.", recording::fetch).gives_file("application/x-ndjson"),
        Route::api(Method::GET, "/api/v1/sessions/{id}/asciicast", view, "One channel as asciicast v2. Asks for a fresh one-time code.", replay::export)
            .query::<CastAsk>()
            .gives_file("application/x-asciicast"),
        Route::api(
            Method::GET,
            "/api/v1/sessions/{id}/files/{file}",
            Access::MayStepUp(Action::TakeContent),
            "The content of a transferred file, by the number in its `kept`. Asks for a fresh one-time code; who took it goes into the log first.",
            content::fetch,
        )
        .gives_file("application/octet-stream"),
    ]
}

/// The query of the list.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct SessionsAsk {
    /// Only running, or only ended ones.
    running: Option<bool>,
    /// Only under this plan.
    plan: Option<PlanId>,
    /// Only by this worker.
    person: Option<PersonId>,
    /// Only on this target.
    target: Option<TargetId>,
    /// Page, from 1.
    page: Option<usize>,
}

/// The query of an export.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct CastAsk {
    /// Number of the channel.
    channel: Option<u32>,
}

/// Why a session is cut.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CutAsk {
    /// The reason; it goes into the log.
    #[serde(default)]
    reason: String,
}

/// One session of a list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SessionLine {
    /// Who, where, when; in lists without the commands and files themselves.
    facts: SessionFacts,
    /// Commands seen.
    commands: u64,
    /// File operations seen.
    files: u64,
    plan: PlanId,
    plan_number: String,
    plan_title: String,
    running: bool,
}

impl SessionLine {
    /// The line of a row.
    pub(crate) fn of(row: &SessionRow) -> Self {
        Self {
            facts: row.facts.clone(),
            commands: row.commands,
            files: row.files,
            plan: row.plan.clone(),
            plan_number: row.plan_number.clone(),
            plan_title: row.plan_title.clone(),
            running: row.running,
        }
    }
}

/// A page of sessions.
#[derive(Serialize, JsonSchema)]
struct SessionsAnswer {
    rows: Vec<SessionLine>,
    /// There are more on the next page.
    more: bool,
}

/// A recording.
#[derive(Serialize, JsonSchema)]
struct RecordingAnswer {
    /// Size in bytes.
    bytes: u64,
    /// It has ended and bears its seal.
    sealed: bool,
    /// SHA-256 of its header, hex.
    header_digest: String,
    /// Digest in the log, hex.
    digest: Option<String>,
    /// Whether the file agrees with the log; unknown while it runs.
    verified: Option<bool>,
    /// Whose keys open it. Empty for one that was made before this was told, which the hospital's key alone opens.
    recipients: Vec<RecipientAnswer>,
    /// Where its copies lie.
    copies: Vec<CopyAnswer>,
}

/// A key that opens a recording.
#[derive(Serialize, JsonSchema)]
struct RecipientAnswer {
    /// `hospital`, `auditor`, or `second`: whose holder has to agree, and who opens nothing alone.
    kind: &'static str,
    /// Its holder; empty for the hospital.
    name: String,
    /// The public key of age.
    key: String,
}

/// A copy of a recording.
#[derive(Serialize, JsonSchema)]
struct CopyAnswer {
    /// Name of the archive; empty for the box itself.
    place: String,
    /// Size in bytes.
    bytes: u64,
    /// Until when it cannot be deleted there, in milliseconds since 1970.
    locked_until: Option<i64>,
}

/// One entry of the log about the session.
#[derive(Serialize, JsonSchema)]
struct EntryAnswer {
    seq: u64,
    at: Timestamp,
    /// Display name of who did it.
    by: String,
    /// The fact, as in the log.
    fact: serde_json::Value,
}

/// A session with everything.
#[derive(Serialize, JsonSchema)]
struct SessionAnswer {
    #[serde(flatten)]
    line: SessionLine,
    recording: RecordingAnswer,
    entries: Vec<EntryAnswer>,
}

async fn list(call: Call) -> Reply {
    let query = call.query();
    let filter = SessionFilter {
        running: query.parse_opt("running", |text| text.parse().ok())?,
        plan: query.parse_opt("plan", PlanId::parse)?,
        person: query.parse_opt("person", PersonId::parse)?,
        target: query.parse_opt("target", TargetId::parse)?,
        page: call.page_number() - 1,
    };
    let found = call.ctx.store().sessions(call.ctx.actor()?, &filter).await?;
    call.answer(&SessionsAnswer { rows: found.rows.iter().map(SessionLine::of).collect(), more: found.more })
}

async fn show(call: Call) -> Reply {
    let view = super::facts::view(&call).await?;
    let mut entries = Vec::new();
    for entry in &view.entries {
        entries.push(EntryAnswer { seq: entry.seq, at: entry.at, by: entry.actor.name.clone(), fact: serde_json::to_value(&entry.fact)? });
    }
    call.answer(&SessionAnswer {
        line: SessionLine::of(&view.row),
        recording: RecordingAnswer {
            bytes: view.recording.bytes,
            sealed: view.recording.sealed,
            header_digest: view.recording.header_digest,
            digest: view.recording.digest,
            verified: view.recording.verified,
            recipients: view.recording.recipients.into_iter().map(|one| RecipientAnswer { kind: recipient_kind(one.kind), name: one.name, key: one.key }).collect(),
            copies: view.recording.copies.iter().map(|copy| CopyAnswer { place: place_name(&copy.place), bytes: copy.bytes, locked_until: copy.locked_until.map(|at| at.0) }).collect(),
        },
        entries,
    })
}

async fn cut(call: Call) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    let ask: CutAsk = call.json()?;
    let reason = if ask.reason.trim().is_empty() { call.ctx.t("sessions.cut_reason") } else { ask.reason };
    call.ctx.store().cut(call.ctx.actor()?, &id, &reason).await?;
    call.nothing()
}
