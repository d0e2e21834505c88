//! A recording as lines of JSON, sent while it is read: memory stays bounded however long the session was.

use super::messages;
use crate::call::{Call, answer};
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::words::{self, Lang};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use sekisho_core::ids::SessionId;
use sekisho_core::permission::Action;
use sekisho_store::{Mark, Replay, ViewEvent};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// Lines are gathered to pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page("/sessions/{id}/recording", Access::MayStepUp(Action::ViewRecording), fetch)]
}

pub(super) async fn fetch(call: Call) -> Reply {
    let id = call.id("id", SessionId::parse)?;
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let facts = store.session(actor, &id).await?.row.facts;
    let replay = store.replay(actor, &id).await?;
    let marks = store.marks(actor, &id).await?.into();
    let end = facts.ended.unwrap_or_else(|| call.ctx.now());
    send(&call, &id, facts.started.until(end), replay, marks)
}

/// Sends a recording with the marks that were set on it.
pub(in crate::pages) fn send(call: &Call, id: &SessionId, duration: Duration, replay: Replay, marks: VecDeque<Mark>) -> Reply {
    let duration = u64::try_from(duration.as_millis()).unwrap_or(0);
    let head = messages::head(id.as_str(), replay.started_at, duration);
    let reading = Reading { replay, marks, lang: call.ctx.lang, last_ms: 0, first: Some(format!("{head}\n")), done: false };
    let stream = futures_util::stream::unfold(reading, |mut reading| async move {
        let piece = reading.piece().await?;
        Some((Ok::<Bytes, Infallible>(piece), reading))
    });
    answer(StatusCode::OK, "application/x-ndjson", Body::from_stream(stream))
}

struct Reading {
    replay: Replay,
    /// Marks that were set after the session and are not sent yet, by their moments.
    marks: VecDeque<Mark>,
    lang: Lang,
    last_ms: u64,
    first: Option<String>,
    done: bool,
}

impl Reading {
    /// The next piece; `None` when all was sent. A damaged recording ends without its `end` line, which the viewer tells.
    async fn piece(&mut self) -> Option<Bytes> {
        let mut piece = self.first.take().unwrap_or_default();
        while !self.done && piece.len() < PIECE_BYTES {
            match self.replay.next().await {
                Some(Ok(event)) => {
                    self.marks_until(event.at_ms().unwrap_or(u64::MAX), &mut piece);
                    self.line(&event, &mut piece);
                }
                Some(Err(_)) | None => {
                    self.marks_until(u64::MAX, &mut piece);
                    self.done = true;
                }
            }
        }
        if piece.is_empty() { None } else { Some(Bytes::from(piece)) }
    }

    /// Puts the later marks between the lines, where their moments are.
    fn marks_until(&mut self, at_ms: u64, piece: &mut String) {
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.at_ms <= at_ms) {
            piece.push_str(&messages::later_mark(&mark).to_string());
            piece.push('\n');
        }
    }

    fn line(&mut self, event: &ViewEvent, piece: &mut String) {
        self.last_ms = event.at_ms().unwrap_or(self.last_ms);
        let lang = self.lang;
        let message = messages::of(event, self.last_ms, &|key| words::word(lang, key));
        piece.push_str(&message.to_string());
        piece.push('\n');
    }
}
