//! How a running session stands and what was said in it, as the session's own page shows it: for the worker, too.

use super::control::session;
use crate::call::{Call, Ctx};
use crate::pages::log::controlled;
use crate::pages::plans::written;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use minijinja::{Value, context};
use sekisho_core::control::{Control, Standstill};
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_core::target::Witness;
use serde::Serialize;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/sessions/{id}/talk", Access::May(Action::ReadSession), show)]
}

/// One line of what was said and done.
#[derive(Debug, Serialize)]
struct Line {
    place: String,
    by: String,
    kind: &'static str,
    text: String,
}

async fn show(call: Call) -> Reply {
    let id = session(&call)?;
    let told = told(&call.ctx, &id).await?;
    call.fragment("sessions/talk.html", context! { told })
}

/// What the part of the page shows.
pub(super) async fn told(ctx: &Ctx, id: &SessionId) -> Result<Value, Stop> {
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let Some(standing) = store.standing(actor, id).await? else {
        return Ok(context! { running => false });
    };
    let state = match standing.state {
        Standstill::None => "live",
        Standstill::NoWitness => "no_witness",
        Standstill::Paused => "paused",
    };
    let witnesses: Vec<String> = standing.watchers.iter().filter(|watcher| watcher.witness).map(|watcher| watcher.name.clone()).collect();
    let lines: Vec<Line> = store.talk(actor, id).await?.iter().map(|told| line(ctx, told.at_ms, &told.control)).collect();
    Ok(context! {
        running => true,
        state,
        pause => standing.paused.as_ref().map(|pause| context! { by => pause.by.as_str(), reason => pause.reason.as_str() }),
        demanded => standing.witness != Witness::None,
        witnesses,
        held => standing.held.iter().map(|held| context! { line => held.line.as_str(), reason => held.reason.as_str() }).collect::<Vec<_>>(),
        held_files => standing.held_files.iter().map(|held| context! { path => held.path.as_str(), size => written::size(held.bytes) }).collect::<Vec<_>>(),
        lines => value(lines),
    })
}

fn line(ctx: &Ctx, at_ms: u64, control: &Control) -> Line {
    let (by, text) = match control {
        Control::Chat { by, text, .. } | Control::Said { by, text } => (by.as_str(), text.clone()),
        Control::Paused { by, .. } | Control::Resumed { by } | Control::Marker { by, .. } | Control::Decided { by, .. } | Control::FileDecided { by, .. } => (by.as_str(), controlled(ctx.lang, control)),
        Control::WitnessCame { .. } | Control::WitnessLeft { .. } | Control::Ruled { .. } | Control::FileHeld { .. } | Control::Alert { .. } => ("", controlled(ctx.lang, control)),
    };
    let kind = match control {
        Control::Chat { worker: true, .. } => "worker",
        Control::Chat { .. } | Control::Said { .. } => "hospital",
        _ => "act",
    };
    Line { place: written::position(at_ms), by: by.to_owned(), kind, text }
}
