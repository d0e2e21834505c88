//! What the channels of one session share: the way to the target, what may be done, and what was refused.

use super::arrive::Sign;
use super::dial::Target;
use super::wish::Wish;
use super::words;
use super::worker::Worker;
use crate::session::Session;
use bytes::Bytes;
use russh::ChannelReadHalf;
use sekisho_core::authorize::Grant;
use sekisho_core::command::Judge;
use sekisho_core::desk::{Desk, RefusedAsk};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::FileRight;
use sekisho_protocol::files::{Quota, Rights, Rule};
use sekisho_protocol::keep::Keeper;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What the channels of one session share.
pub struct Carrier {
    pub session: Arc<Session>,
    pub target: Arc<Target>,
    pub desk: Arc<dyn Desk>,
    /// What may be done with files in this session, and what went over so far.
    pub(super) rule: Rule,
    /// What is said of commands.
    pub(super) judge: Judge,
    /// Places for local forwards.
    pub(super) forwards: Arc<Semaphore>,
    /// Refusals that are being written down.
    notes: Mutex<JoinSet<()>>,
    refusals: AtomicUsize,
    pub(super) forward_to_tell: Mutex<Option<String>>,
    forward_told: AtomicBool,
    pub(super) welcomed: AtomicBool,
}

fn rule_of(grant: &Grant) -> Rule {
    let may = |right| grant.files.contains(&right);
    let (limits, keep, waits) = (&grant.limits, &grant.keep, !grant.screen.quarantine.is_never());
    let keeper = if waits { Some(Keeper::staging(keep.downloads, keep.file_bytes, keep.session_bytes)) } else { Keeper::new((keep.uploads, keep.downloads), keep.file_bytes, keep.session_bytes) };
    Rule {
        rights: Rights {
            download: may(FileRight::Download),
            upload: may(FileRight::Upload),
            delete: may(FileRight::Delete),
            rename: may(FileRight::Rename),
        },
        quota: Quota::new((limits.upload_bytes, limits.upload_files), (limits.download_bytes, limits.download_files)),
        words: |why| words::refusal_line(&words::why(why)),
        keeper,
        room: waits.then(Arc::default),
    }
}

/// How a channel ended, as the worker's side saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Closed by one of the two sides.
    Orderly,
    /// The worker's connection broke.
    Broken,
}

/// A worker's channel whose work can start.
pub struct Opening {
    pub worker: Worker,
    pub reader: ChannelReadHalf,
    pub sign: Arc<Sign>,
    pub wish: Wish,
    /// Input that was typed before the target was reached.
    pub early: Bytes,
}

impl Carrier {
    pub fn new(session: Arc<Session>, target: Arc<Target>, desk: Arc<dyn Desk>) -> Self {
        Self {
            rule: rule_of(session.grant()),
            judge: Judge::of(session.grant()),
            forwards: Arc::new(Semaphore::new(limits::SESSION_FORWARDS)),
            notes: Mutex::default(),
            session,
            target,
            desk,
            refusals: AtomicUsize::new(0),
            forward_to_tell: Mutex::new(None),
            forward_told: AtomicBool::new(false),
            welcomed: AtomicBool::new(false),
        }
    }

    /// Has a refused forward written down and told. Nobody waits for it but the session's end.
    pub fn tell_refused(self: &Arc<Self>, ask: String, refusal: Refusal) {
        let carrier = Arc::clone(self);
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        while notes.try_join_next().is_some() {}
        if notes.len() < limits::SESSION_REFUSALS {
            notes.spawn(async move { carrier.refuse_forward(ask, refusal).await });
        }
    }

    /// Waits until what was refused is written down, also for a client that left at once.
    pub async fn written(&self) {
        let mut notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while notes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(limits::REFUSAL_SECONDS as u64), all).await;
    }

    /// A forward was asked for and refused: written down, and told on the terminal once.
    async fn refuse_forward(&self, ask: String, refusal: Refusal) {
        let text = words::refusal(&refusal);
        self.note(ask, refusal).await;
        if !self.forward_told.swap(true, Ordering::SeqCst) && !self.session.notify(&text) {
            // No terminal yet: the next channel tells it.
            *self.forward_to_tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
    }

    pub(super) async fn note(&self, ask: String, refusal: Refusal) {
        if self.refusals.fetch_add(1, Ordering::SeqCst) < limits::SESSION_REFUSALS {
            self.desk.refused(self.session.id(), RefusedAsk { ask, refusal }).await;
        }
    }
}
