//! What a channel does beside passing bytes: it refuses, answers in the target's place, stops, and counts.

use super::carry::{Lane, Stop};
use super::words;
use bytes::Bytes;
use russh::{ChannelWriteHalf, client};
use sekisho_core::control::Standstill;
use sekisho_core::desk::Event;
use sekisho_core::refusal::Refusal;
use sekisho_protocol::files::{Refused, Why};
use std::sync::PoisonError;

impl Lane<'_> {
    /// Sends pieces on to the target, in their order.
    pub(super) async fn to_target(&self, pieces: Vec<Bytes>, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        for piece in pieces {
            if self.counted {
                self.place.count_flow(true, piece.len());
            }
            to_target.data_bytes(piece).await.map_err(|_| Stop)?;
        }
        Ok(())
    }

    /// What was not let pass: written down, and told once for each reason.
    pub(super) async fn refused(&self, refused: Vec<Refused>) {
        for refused in refused {
            let refusal = words::why(refused.why);
            let first = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(refused.why);
            if first {
                self.texts.lock().unwrap_or_else(PoisonError::into_inner).push(words::refusal(&refusal));
                self.due.notify_one();
            }
            self.carrier.note(words::visible(&refused.display()), refusal).await;
        }
    }

    /// Ends the channel's work, if there is a reason to.
    pub(super) fn stop(&self, why: Option<Why>) -> Result<(), Stop> {
        let Some(why) = why else { return Ok(()) };
        self.halted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| words::why(why));
        self.halt.notify_one();
        Err(Stop)
    }

    /// Counts bytes of shells and commands, and has the session paused where they come to too much.
    pub(super) async fn volume(&self, to_target: bool, bytes: usize) {
        if self.files || !self.session().volume(to_target, bytes) {
            return;
        }
        let session = self.session();
        session.stand(Standstill::Paused, None);
        self.carrier.desk.pause(session.id(), &words::volume(to_target)).await;
        let text = words::refusal(&Refusal::VolumePassed);
        session.notify(&text);
        if !self.terminal {
            let _ = self.place.record(Event::Message(&text));
            let _ = self.worker.say(&text).await;
        }
    }

    /// What waits for the worker besides what the target sends.
    pub(super) async fn due_down(&self) -> Result<(), Stop> {
        let texts = std::mem::take(&mut *self.texts.lock().unwrap_or_else(PoisonError::into_inner));
        for text in texts {
            self.place.record(Event::Message(&text)).map_err(|_| Stop)?;
            self.worker.say(&text).await.map_err(|_| Stop)?;
        }
        let due = self.observer.lock().unwrap_or_else(PoisonError::into_inner).due_to_worker();
        for piece in due {
            self.worker.output(piece).await.map_err(|_| Stop)?;
        }
        Ok(())
    }
}
