//! What persons do to a running session: pause, resume, message, chat, mark; and marks on a replay.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use schemars::JsonSchema;
use sekisho_core::control::{Control, Standstill};
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_core::target::Witness;
use sekisho_core::time::Timestamp;
use sekisho_store::{Standing, Told};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Vec<Route> {
    let (control, chat, mark) = (Access::May(Action::ControlSession), Access::May(Action::ChatSession), Access::May(Action::MarkSession));
    let view = Access::MayStepUp(Action::ViewRecording);
    vec![
        Route::form("/sessions/{id}/pause", control, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().pause(call.ctx.actor()?, &id, call.form().text("reason")).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/pause_plan", control, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().pause_plan_of(call.ctx.actor()?, &id, call.form().text("reason")).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/resume", control, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().resume(call.ctx.actor()?, &id).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/say", control, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().say(call.ctx.actor()?, &id, call.form().text("text")).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/chat", chat, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().chat(call.ctx.actor()?, &id, call.form().text("text")).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/mark", mark, |call: Call| async move {
            let id = session(&call)?;
            call.ctx.store().mark(call.ctx.actor()?, &id, call.form().text("text")).await?;
            back(&call, &id)
        }),
        Route::form("/sessions/{id}/marks", view, mark_replay),
        Route::api(Method::GET, "/api/v1/sessions/{id}/standing", Access::May(Action::ReadSession), "Whether a running session stands still, who watches, which commands wait, and what was said.", api_standing)
            .gives::<StandingAnswer>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/pause", control, "Let a running session stand still; nothing is lost.", api_pause).takes::<PauseAsk>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/pause_plan", control, "Let every running session of this session's plan stand still.", |call: Call| async move {
            let ask: PauseAsk = call.json()?;
            call.ctx.store().pause_plan_of(call.ctx.actor()?, &session(&call)?, &ask.reason).await?;
            call.nothing()
        })
        .takes::<PauseAsk>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/resume", control, "Let a paused session go on.", |call: Call| async move {
            call.ctx.store().resume(call.ctx.actor()?, &session(&call)?).await?;
            call.nothing()
        }),
        Route::api(Method::POST, "/api/v1/sessions/{id}/say", control, "Write a line to the worker's terminals.", |call: Call| async move {
            let ask: LineAsk = call.json()?;
            call.ctx.store().say(call.ctx.actor()?, &session(&call)?, &ask.text).await?;
            call.nothing()
        })
        .takes::<LineAsk>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/chat", chat, "Write a line of the chat between hospital and worker.", |call: Call| async move {
            let ask: LineAsk = call.json()?;
            call.ctx.store().chat(call.ctx.actor()?, &session(&call)?, &ask.text).await?;
            call.nothing()
        })
        .takes::<LineAsk>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/mark", mark, "Set a mark at the present moment of a running session.", |call: Call| async move {
            let ask: LineAsk = call.json()?;
            call.ctx.store().mark(call.ctx.actor()?, &session(&call)?, &ask.text).await?;
            call.nothing()
        })
        .takes::<LineAsk>(),
        Route::api(Method::GET, "/api/v1/sessions/{id}/marks", view, "Marks that were set on the recording after the session. Asks for a fresh one-time code.", api_marks).gives::<MarksAnswer>(),
        Route::api(Method::POST, "/api/v1/sessions/{id}/marks", view, "Set a mark on the recording of a session that has ended. Asks for a fresh one-time code.", api_mark_afterwards).takes::<MarkAsk>(),
    ]
}

pub(super) fn session(call: &Call) -> Result<SessionId, Stop> {
    call.id("id", SessionId::parse)
}

/// Back to where the button was, for a browser without scripts; the page itself shows what changed.
pub(super) fn back(call: &Call, id: &SessionId) -> Reply {
    if call.ctx.may(Action::WatchSession) { call.see(&format!("/sessions/{id}/watch")) } else { call.see(&format!("/sessions/{id}#talk")) }
}

async fn mark_replay(call: Call) -> Reply {
    let id = session(&call)?;
    let at_ms: u64 = call.form().text("at").parse().map_err(|_| Stop::bad_field("at"))?;
    call.ctx.store().mark_afterwards(call.ctx.actor()?, &id, at_ms, call.form().text("text")).await?;
    call.see(&format!("/sessions/{id}/replay#t={}", at_ms / 1000))
}

/// Why a session is paused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PauseAsk {
    /// The reason; the worker reads it.
    #[serde(default)]
    reason: String,
}

/// One line.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LineAsk {
    /// The line.
    text: String,
}

/// A mark on a recording.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MarkAsk {
    /// The moment, in milliseconds from the start of the session.
    at_ms: u64,
    /// The note.
    text: String,
}

async fn api_pause(call: Call) -> Reply {
    let ask: PauseAsk = call.json()?;
    call.ctx.store().pause(call.ctx.actor()?, &session(&call)?, &ask.reason).await?;
    call.nothing()
}

/// Who paused a session.
#[derive(Serialize, JsonSchema)]
struct PauseAnswer {
    by: String,
    reason: String,
}

/// Somebody who watches.
#[derive(Serialize, JsonSchema)]
struct WatcherAnswer {
    name: String,
    /// Counts as a witness at this moment.
    witness: bool,
}

/// A command that waits for a person.
#[derive(Serialize, JsonSchema)]
struct HeldAnswer {
    hold: u32,
    line: String,
    reason: String,
    /// Since when, in milliseconds from the start of the session.
    at_ms: u64,
}

/// An upload that waits for a person.
#[derive(Serialize, JsonSchema)]
struct HeldFileAnswer {
    hold: u32,
    path: String,
    bytes: u64,
    sha256: String,
    /// The plan lists this content.
    listed: bool,
    /// Since when, in milliseconds from the start of the session.
    at_ms: u64,
}

/// One act upon the session.
#[derive(Serialize, JsonSchema)]
struct ToldAnswer {
    /// When, in milliseconds from the start of the session.
    at_ms: u64,
    #[serde(flatten)]
    control: Control,
}

/// How a session stands.
#[derive(Serialize, JsonSchema)]
struct StandingAnswer {
    /// False once it has ended; then nothing else is told.
    running: bool,
    state: Standstill,
    paused: Option<PauseAnswer>,
    /// What plan and target demand.
    witness: Witness,
    watchers: Vec<WatcherAnswer>,
    held: Vec<HeldAnswer>,
    held_files: Vec<HeldFileAnswer>,
    /// The latest acts, the oldest first.
    talk: Vec<ToldAnswer>,
}

impl StandingAnswer {
    fn of(standing: Option<Standing>, talk: Vec<Told>) -> Self {
        let talk = talk.into_iter().map(|told| ToldAnswer { at_ms: told.at_ms, control: told.control }).collect();
        let Some(standing) = standing else {
            return Self { running: false, state: Standstill::None, paused: None, witness: Witness::None, watchers: Vec::new(), held: Vec::new(), held_files: Vec::new(), talk };
        };
        Self {
            running: true,
            state: standing.state,
            paused: standing.paused.map(|pause| PauseAnswer { by: pause.by, reason: pause.reason }),
            witness: standing.witness,
            watchers: standing.watchers.into_iter().map(|watcher| WatcherAnswer { name: watcher.name, witness: watcher.witness }).collect(),
            held: standing.held.into_iter().map(|held| HeldAnswer { hold: held.hold, line: held.line, reason: held.reason, at_ms: held.at_ms }).collect(),
            held_files: standing
                .held_files
                .into_iter()
                .map(|held| HeldFileAnswer { hold: held.hold, path: held.path, bytes: held.bytes, sha256: held.sha256, listed: held.listed, at_ms: held.at_ms })
                .collect(),
            talk,
        }
    }
}

async fn api_standing(call: Call) -> Reply {
    let (store, actor, id) = (call.ctx.store(), call.ctx.actor()?, session(&call)?);
    let talk = store.talk(actor, &id).await?;
    call.answer(&StandingAnswer::of(store.standing(actor, &id).await?, talk))
}

/// A mark that was set after the session.
#[derive(Serialize, JsonSchema)]
struct MarkAnswer {
    /// The moment, in milliseconds from the start of the session.
    at_ms: u64,
    by: String,
    made_at: Timestamp,
    text: String,
}

/// The marks of a recording.
#[derive(Serialize, JsonSchema)]
struct MarksAnswer {
    marks: Vec<MarkAnswer>,
}

async fn api_marks(call: Call) -> Reply {
    let marks = call.ctx.store().marks(call.ctx.actor()?, &session(&call)?).await?;
    let marks = marks.into_iter().map(|mark| MarkAnswer { at_ms: mark.at_ms, by: mark.by, made_at: mark.made_at, text: mark.text }).collect();
    call.answer(&MarksAnswer { marks })
}

async fn api_mark_afterwards(call: Call) -> Reply {
    let ask: MarkAsk = call.json()?;
    call.ctx.store().mark_afterwards(call.ctx.actor()?, &session(&call)?, ask.at_ms, &ask.text).await?;
    call.nothing()
}
