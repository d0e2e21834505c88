//! Deleting that unsigned entries of the log stopped: what they say, and two persons who let it go on.

use crate::call::{Call, Ctx};
use crate::pages::log::keeping::numbers;
use crate::pages::log::{LogNames, sentence};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::retention::ResumeWish;
use sekisho_core::time::Timestamp;
use sekisho_store::{DoubtState, DoubtedEntry};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadRetention);
const RESUME: Access = Access::MayStepUp(Action::ResumeDeleting);

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::form("/deletions/resume", RESUME, ask).again(super::times),
        Route::form("/deletions/resume/decide", RESUME, decide).again(super::times),
        Route::api(Method::GET, "/api/v1/deletions/stopped", READ, "Unsigned entries of the log that stop deleting, and the wish that waits for another person.", api_stopped).gives::<StoppedShape>(),
        Route::api(Method::POST, "/api/v1/deletions/resume", RESUME, "Ask that deleting goes on although entries of the log are not signed.", api_ask).takes::<AskBody>(),
        Route::api(Method::POST, "/api/v1/deletions/resume/decide", RESUME, "Decide on what another person asked: that deleting goes on.", api_decide).takes::<DecideBody>().gives::<DecideAnswer>(),
    ]
}

/// What stops deleting.
#[derive(Serialize, JsonSchema)]
struct StoppedShape {
    /// The first entries, as many as one wish can name; empty if none stops deleting.
    entries: Vec<StoppedEntry>,
    /// How many there are besides.
    more: usize,
    /// The wish that waits.
    wish: Option<ResumeWish>,
}

/// An entry that bears no signature of the log's key: somebody else may have written it.
#[derive(Serialize, JsonSchema)]
struct StoppedEntry {
    /// Its number.
    entry: u64,
    /// False if the row is by now another one than the log holds, or cannot be read.
    is_in_log: bool,
    /// The time that it says.
    at: Option<Timestamp>,
    /// The kind that it says.
    kind: Option<String>,
    /// Who, as it says; for those who may read the log.
    who: Option<String>,
    /// What it says; for those who may read the log.
    what: Option<String>,
}

/// A wish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskBody {
    /// Number of the last entry that was seen.
    last: u64,
    /// Why.
    reason: String,
}

/// A decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DecideBody {
    /// Number of the entry by which it was asked for, as it was seen.
    asked: u64,
    /// Yes or no.
    agreed: bool,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// What became of it.
#[derive(Serialize, JsonSchema)]
struct DecideAnswer {
    /// False while other entries stop deleting.
    goes_on: bool,
}

/// What others wrote, bounded, with a sign for what would act on a screen or turn the order of what is read.
fn shown(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut letters = text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c });
    let mut said: String = letters.by_ref().take(limits::DOUBTED_TEXT_CHARS).collect();
    if letters.next().is_some() {
        said.push('…');
    }
    said
}

/// The entries, with what they say for those who may read the log.
async fn told(ctx: &Ctx, entries: &[DoubtedEntry]) -> Result<Vec<StoppedEntry>, Stop> {
    let may_read = ctx.may(Action::ReadLog);
    let names = if may_read && !entries.is_empty() { LogNames::read(ctx).await? } else { LogNames::default() };
    let shape = |doubted: &DoubtedEntry| {
        let entry = doubted.entry.as_ref();
        StoppedEntry {
            entry: doubted.seq,
            is_in_log: doubted.is_in_log,
            at: entry.map(|entry| entry.at),
            kind: entry.map(|entry| shown(&entry.fact.kind())),
            who: entry.filter(|_| may_read).map(|entry| shown(&entry.actor.name)),
            what: entry.filter(|_| may_read).map(|entry| shown(&sentence(ctx.lang, &names, &entry.fact))),
        }
    };
    Ok(entries.iter().map(shape).collect())
}

/// What the page on times of keeping shows of it; none while nothing stops deleting.
pub(super) async fn on_page(ctx: &Ctx) -> Result<Option<Value>, Stop> {
    let Some(DoubtState { entries, more, wish }) = ctx.store().doubted(ctx.actor()?).await? else { return Ok(None) };
    let own = ctx.login.as_ref().and_then(|login| login.actor.person.clone());
    let rows: Vec<Value> = told(ctx, &entries)
        .await?
        .into_iter()
        .map(|row| context! { seq => row.entry, is_in_log => row.is_in_log, at => row.at.map(|at| at.0), kind => row.kind, who => row.who, what => row.what })
        .collect();
    Ok(Some(context! {
        rows,
        more,
        last => entries.last().map(|entry| entry.seq),
        may_resume => ctx.may(Action::ResumeDeleting),
        wish => wish.map(|wish| context! { seq => wish.seq, entries => numbers(ctx.lang, &wish.entries), reason => wish.reason.as_str(), at => wish.at.0, lapses => wish.lapses().0, name => wish.name.as_str(), own => wish.by.is_some() && wish.by == own }),
    }))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

async fn ask(call: Call) -> Reply {
    let form = call.form();
    call.ctx.store().ask_resume(call.ctx.actor()?, form.parse("last", number)?, form.need("reason")?).await?;
    call.done("/retention", "keeping.resume_asked_done")
}

async fn decide(call: Call) -> Reply {
    let form = call.form();
    let agreed = match form.need("decision")? {
        "yes" => true,
        "no" => false,
        _ => return Err(Refusal::bad_field("decision").into()),
    };
    let goes_on = call.ctx.store().decide_resume(call.ctx.actor()?, form.parse("asked", number)?, agreed, form.text("reason")).await?;
    call.done(
        "/retention",
        match (agreed, goes_on) {
            (false, _) => "keeping.declined_done",
            (true, true) => "keeping.resumed_done",
            (true, false) => "keeping.resumed_partly_done",
        },
    )
}

async fn api_stopped(call: Call) -> Reply {
    let ctx = &call.ctx;
    let shape = match ctx.store().doubted(ctx.actor()?).await? {
        Some(DoubtState { entries, more, wish }) => StoppedShape { entries: told(ctx, &entries).await?, more, wish },
        None => StoppedShape { entries: Vec::new(), more: 0, wish: None },
    };
    call.answer(&shape)
}

async fn api_ask(call: Call) -> Reply {
    let body: AskBody = call.json()?;
    call.ctx.store().ask_resume(call.ctx.actor()?, body.last, &body.reason).await?;
    call.nothing()
}

async fn api_decide(call: Call) -> Reply {
    let body: DecideBody = call.json()?;
    let goes_on = call.ctx.store().decide_resume(call.ctx.actor()?, body.asked, body.agreed, &body.reason).await?;
    call.answer(&DecideAnswer { goes_on })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unsigned_entry_says_is_bounded_and_turns_nothing_round() {
        assert_eq!(shown("保全\u{202e}除解\u{1b}[2J"), "保全\u{fffd}除解\u{fffd}[2J");
        let long = shown(&"あ".repeat(limits::DOUBTED_TEXT_CHARS + 1));
        assert!(long.ends_with('…') && long.chars().count() == limits::DOUBTED_TEXT_CHARS + 1);
        assert_eq!(shown("短い"), "短い");
    }
}
