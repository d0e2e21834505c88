//! Uploads that wait for the hospital (隔離): staged content goes to the desk's spool, complete files to its decision,
//! and what is let pass from the spool to the target.

use super::carry::{Lane, Stop};
use super::words;
use bytes::Bytes;
use russh::{ChannelWriteHalf, client};
use sekisho_core::desk::{HeldUpload, Spool};
use sekisho_core::refusal::Refusal;
use sekisho_protocol::files::{self, Passed, hex};
use sekisho_protocol::limits;
use sekisho_protocol::sftp::{Breach, Effect, Quarantined};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often it is noted that somebody who waits for the hospital is not idle.
const TOUCH: Duration = Duration::from_secs(5);

/// A file whose decision is asked for.
pub(super) struct Ask {
    file: u32,
    path: String,
    held: HeldUpload,
}

/// The staged files of one channel.
pub(super) struct Yard {
    spools: Mutex<BTreeMap<u32, Arc<dyn Spool>>>,
    asks: mpsc::Sender<Ask>,
    /// The worker's input ended while a file waited: the target is told when none does.
    ended: AtomicBool,
}

impl Yard {
    /// A yard and the asks that come out of it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, receiver) = mpsc::channel(limits::STAGED_FILES);
        (Self { spools: Mutex::default(), asks, ended: AtomicBool::new(false) }, receiver)
    }

    fn spools(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<dyn Spool>>> {
        self.spools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self, file: u32) -> Option<Arc<dyn Spool>> {
        self.spools().get(&file).map(Arc::clone)
    }
}

impl Lane<'_> {
    fn with_stage<T>(&self, look: impl FnOnce(&mut Quarantined) -> T) -> Option<T> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).staged().map(look)
    }

    /// Lets the stage act and takes in what comes of it.
    async fn acted(&self, act: impl FnOnce(&mut Quarantined) -> Result<Passed, Breach>) -> Result<(), Stop> {
        let passed = self.understand(|observer, at_ms| observer.act(at_ms, act))?;
        if passed.due {
            self.due.notify_one();
            self.due_up.notify_one();
        }
        self.refused(passed.refused).await;
        Ok(())
    }

    /// Carries out what the stage wants done with staged content. Nothing but a breach stops the channel: a file whose
    /// content cannot be kept does not pass, and says so.
    pub(super) async fn stage(&self) -> Result<(), Stop> {
        let Some(yard) = &self.yard else { return Ok(()) };
        loop {
            let effects = self.with_stage(Quarantined::effects).unwrap_or_default();
            if effects.is_empty() {
                return Ok(());
            }
            for effect in effects {
                match effect {
                    Effect::Begin { file } => match self.carrier.desk.stage(self.session().id()).await {
                        Ok(spool) => {
                            yard.spools().insert(file, Arc::from(spool));
                        }
                        Err(_) => self.acted(|stage| stage.lost(file)).await?,
                    },
                    Effect::Content { file, bytes } => {
                        let Some(spool) = yard.spool(file) else { continue };
                        if spool.append(&bytes).is_err() {
                            yard.spools().remove(&file);
                            self.acted(|stage| stage.lost(file)).await?;
                        }
                    }
                    Effect::Hold { file, path, bytes, sha256 } => self.ask(yard, file, &path, bytes, hex(&sha256)).await?,
                    Effect::Drop { file } => {
                        yard.spools().remove(&file);
                    }
                }
            }
        }
    }

    async fn ask(&self, yard: &Yard, file: u32, path: &[u8], bytes: u64, sha256: String) -> Result<(), Stop> {
        let screen = &self.session().grant().screen;
        let path = words::visible(&files::display(path));
        let held = yard.spool(file).map(|spool| HeldUpload {
            spool: spool.number(),
            path: path.clone(),
            bytes,
            listed: screen.lists(&sha256),
            passes: screen.passes(&sha256),
            sha256,
        });
        let asked = held.is_some_and(|held| {
            if !held.passes {
                self.say_later(words::held_file(&path));
            }
            yard.asks.try_send(Ask { file, path, held }).is_ok()
        });
        if asked { Ok(()) } else { self.acted(|stage| stage.decided(file, Err(words::refusal_line(&Refusal::UploadLost)))).await }
    }

    /// Waits for decisions, until the channel ends; what still waits then is given up.
    pub(super) async fn decisions(&self, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Stop> {
        let mut waiting = JoinSet::new();
        let mut turn = tokio::time::interval(TOUCH);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(Ask { file, path, held }) = asks.recv() => {
                    let (desk, session, told) = (Arc::clone(&self.carrier.desk), self.session().id().clone(), !held.passes);
                    waiting.spawn(async move { (file, path, told, desk.upload(&session, held).await) });
                }
                Some(done) = waiting.join_next() => {
                    // A task that died has let nothing pass: its file waits until the channel ends.
                    let Ok((file, path, told, decision)) = done else { continue };
                    self.session().touch();
                    match &decision {
                        Ok(()) if told => self.say_later(words::file_passed(&path)),
                        Ok(()) => {}
                        Err(refusal) => self.say_later(words::file_refused(&path, refusal)),
                    }
                    self.acted(|stage| stage.decided(file, decision.map_err(|refusal| words::refusal_line(&refusal)))).await?;
                    self.stage().await?;
                }
                _ = turn.tick(), if !waiting.is_empty() => self.session().touch(),
            }
        }
    }

    fn say_later(&self, text: String) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        self.due.notify_one();
    }

    /// Sends the target what is due to it: the stage's own requests, and content of files that were let pass.
    pub(super) async fn pour(&self, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        let Some(yard) = &self.yard else { return Ok(()) };
        loop {
            self.session().flowing().await;
            let Some((due, want)) = self.with_stage(|stage| (stage.due_to_target(), stage.wants())) else { return Ok(()) };
            self.to_target(due, to_target).await?;
            let Some(want) = want else { break };
            let content = yard.spool(want.file).and_then(|spool| spool.read(want.offset, want.length).ok()).map(Bytes::from);
            self.acted(|stage| stage.content(want, content)).await?;
        }
        self.stage().await?;
        if yard.ended.load(Ordering::SeqCst) && !self.with_stage(|stage| stage.is_busy()).unwrap_or(false) && yard.ended.swap(false, Ordering::SeqCst) {
            to_target.eof().await.map_err(|_| Stop)?;
        }
        Ok(())
    }

    /// The worker's input ended. True if the target must not hear of it yet, because a file still waits.
    pub(super) fn keeps_open(&self) -> bool {
        let Some(yard) = &self.yard else { return false };
        let busy = self.with_stage(|stage| stage.is_busy()).unwrap_or(false);
        if busy {
            yard.ended.store(true, Ordering::SeqCst);
        }
        busy
    }
}
