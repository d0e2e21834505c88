//! How sessions end, and the pulse that keeps recordings and notes moving while they run.

use crate::fault::Fault;
use crate::recordings::{Ending, Note, Pulse, Writer};
use crate::write::Tx;
use crate::{Inner, Store};
use sekisho_core::desk::Cause;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::reconcile::SessionFacts;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// One beat. Whatever is appended reaches the file within three of them, also on a busy box.
const BEAT: Duration = Duration::from_millis(250);
/// Most notes moved in one change, so that the one writer is not held for long.
const NOTES_AT_ONCE: usize = 256;
/// Time for which notes may fail to be kept before the session is cut: no log, no session.
const NOTES_PATIENCE: Duration = Duration::from_secs(4);
/// Permissions are looked at anew after every entry that can end one, and at least this often.
const PERMISSIONS_EVERY: Duration = Duration::from_secs(5);
/// Wait before an end that could not be written down is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Store {
    /// Ends a session: seals its recording, then writes `left`. The first who asks does it.
    pub(crate) async fn end_session(&self, session: &SessionId, cause: Cause) {
        let Some(writer) = self.inner.shelf.writer(session) else { return };
        if !writer.claim_end() {
            return;
        }
        // A task of its own: a gateway that drops the answer cannot leave a session half ended.
        let store = self.clone();
        let done = tokio::spawn(async move { store.finish(&writer, cause).await }).await;
        if let Err(lost) = done {
            tracing::error!(%session, %lost, "the end of a session broke off; the next start ends it");
        }
    }

    async fn finish(&self, writer: &Arc<Writer>, cause: Cause) {
        let (sealer, ended_at) = (Arc::clone(writer), self.now());
        let sealed = tokio::task::spawn_blocking(move || sealer.seal(cause, ended_at.0)).await;
        let Ok(ending) = sealed else {
            tracing::error!(session = %writer.session(), "sealing broke off; the next start seals the recording");
            return;
        };
        writer.hub().end(ending.cause);
        let mut complained = false;
        loop {
            match self.write_left(writer, &ending, ended_at).await {
                Ok(()) => break,
                Err(fault) if self.inner.shelf.is_halted() => {
                    tracing::error!(session = %writer.session(), %fault, "the end of a session was not written; the next start writes it");
                    break;
                }
                Err(fault @ Fault::Damaged(_)) => {
                    // Trying again would find the same row.
                    self.inner.shelf.alarm(format!("The end of session {} could not be written: {fault}.", writer.session()));
                    break;
                }
                Err(fault) => {
                    if !complained {
                        tracing::error!(session = %writer.session(), %fault, "the end of a session cannot be written yet");
                        complained = true;
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        self.inner.shelf.close(writer.session());
        let running = self.inner.shelf.running();
        self.inner.holds.keep_only(&running);
        self.inner.uploads.keep_only(&running);
    }

    async fn write_left(&self, writer: &Writer, ending: &Ending, ended_at: Timestamp) -> Result<(), Fault> {
        let _keeping = writer.keeping.lock().await;
        let notes = writer.take_notes();
        let left = async {
            let mut tx = self.write(writer.worker()).await?;
            let known = sqlx::query("SELECT id FROM sessions WHERE id = $1").bind(writer.session().as_str().to_owned()).fetch_optional(tx.sql()).await?;
            if known.is_none() && Self::robot_left(&mut tx, writer.session(), ending, ended_at).await? {
                return tx.commit().await;
            }
            if known.is_none() {
                // Nobody else writes, so `entered` was not written and never will be.
                self.inner.shelf.abandon(writer);
                return Ok(());
            }
            Self::keep_notes(&mut tx, writer.session(), writer.worker(), &notes).await?;
            let actor = writer.worker().clone();
            Self::left(&mut tx, actor, writer.session(), ending, ended_at).await?;
            tx.commit().await
        };
        let done = left.await;
        if done.is_err() {
            writer.put_back(notes);
        }
        done
    }

    /// Writes down that a session left. Part of a change.
    pub(crate) async fn left(tx: &mut Tx, actor: Actor, session: &SessionId, ending: &Ending, ended_at: Timestamp) -> Result<(), Fault> {
        let row = sqlx::query("SELECT facts, ended_at FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_one(tx.sql()).await?;
        if row.try_get::<Option<i64>, _>("ended_at")?.is_some() {
            // The answer to an earlier commit was lost, and the commit was not.
            return Ok(());
        }
        let mut facts: SessionFacts = serde_json::from_str(row.try_get("facts")?)?;
        facts.ended = Some(ended_at);
        facts.cause = Some(ending.cause.as_str().to_owned());
        sqlx::query("UPDATE sessions SET ended_at = $2, cause = $3, digest = $4, bytes = $5, facts = $6 WHERE id = $1")
            .bind(session.as_str().to_owned())
            .bind(ended_at.0)
            .bind(ending.cause.as_str())
            .bind(ending.digest.to_string())
            .bind(crate::log::as_i64(ending.bytes))
            .bind(serde_json::to_string(&facts)?)
            .execute(tx.sql())
            .await?;
        Self::credential_used(tx, session, ended_at).await?;
        let (digest, bytes) = (ending.digest.to_string(), ending.bytes);
        tx.fact_by(actor, Fact::Left { session: session.clone(), cause: ending.cause, digest, bytes });
        Ok(())
    }

    /// Starts the pulse. It ends with the last handle on the store.
    pub(crate) fn start_pulse(&self) {
        let Some(mut vanished) = self.inner.shelf.vanished() else { return };
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            let mut beat = Beat::default();
            let mut ticks = tokio::time::interval(BEAT);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                let gone = tokio::select! {
                    _ = ticks.tick() => None,
                    gone = vanished.recv() => gone,
                };
                let Some(store) = handle(&inner) else { return };
                match gone {
                    Some(session) => {
                        tokio::spawn(async move { store.end_session(&session, Cause::Vanished).await });
                    }
                    None => beat.once(&store),
                }
            }
        });
    }

    /// Moves waiting notes of one recording into the database.
    async fn move_notes(&self, writer: &Arc<Writer>) -> Result<(), Fault> {
        let _keeping = writer.keeping.lock().await;
        let mut notes = writer.take_notes();
        while !notes.is_empty() {
            let rest = notes.split_off(notes.len().min(NOTES_AT_ONCE));
            if let Err(fault) = self.move_some(writer, &notes).await {
                notes.extend(rest);
                writer.put_back(notes);
                return Err(fault);
            }
            notes = rest;
        }
        Ok(())
    }

    /// Looks at the permissions of running sessions if it is due, or if an entry from `seen` on can have ended one.
    async fn look_at_permissions(&self, due: bool, seen: u64) -> Result<(), Fault> {
        let text = "SELECT COUNT(*) AS n FROM log WHERE seq >= $1 AND kind IN ('plan_acted', 'person_changed', 'vendor_kept', 'target_kept')";
        let row = sqlx::query(text).bind(crate::log::as_i64(seen)).fetch_one(self.read()).await?;
        if due || row.try_get::<i64, _>("n")? > 0 { self.recall_what_ended().await } else { Ok(()) }
    }

    async fn move_some(&self, writer: &Writer, notes: &[Note]) -> Result<(), Fault> {
        let mut tx = self.write(writer.worker()).await?;
        Self::keep_notes(&mut tx, writer.session(), writer.worker(), notes).await?;
        tx.commit().await
    }
}

fn handle(inner: &Weak<Inner>) -> Option<Store> {
    let inner = inner.upgrade().filter(|inner| !inner.shelf.is_halted())?;
    Some(Store { inner })
}

/// What one beat needs to know of those before it.
#[derive(Default)]
struct Beat {
    pulse: Pulse,
    notes: JoinSet<SessionId>,
    moving: BTreeSet<SessionId>,
    permissions: Option<tokio::task::JoinHandle<()>>,
    looked_at: Option<(Instant, u64)>,
}

impl Beat {
    fn once(&mut self, store: &Store) {
        self.pulse.beat(&store.inner.shelf);
        self.move_notes(store);
        self.look_at_permissions(store);
        store.look_at_witnesses();
    }

    fn move_notes(&mut self, store: &Store) {
        while let Some(done) = self.notes.try_join_next() {
            match done {
                Ok(session) => {
                    self.moving.remove(&session);
                }
                // Which one it was is not told; each is asked again at the next beat.
                Err(_) => self.moving.clear(),
            }
        }
        for writer in store.inner.shelf.writers() {
            if writer.has_notes() && self.moving.insert(writer.session().clone()) {
                let store = store.clone();
                self.notes.spawn(async move {
                    let began = Instant::now();
                    while let Err(fault) = store.move_notes(&writer).await {
                        if began.elapsed() > NOTES_PATIENCE {
                            writer.lose(&fault);
                            break;
                        }
                        tokio::time::sleep(BEAT).await;
                    }
                    writer.session().clone()
                });
            }
        }
    }

    fn look_at_permissions(&mut self, store: &Store) {
        if self.permissions.as_ref().is_some_and(|task| !task.is_finished()) || store.inner.shelf.running().is_empty() {
            return;
        }
        let size = store.inner.log.size();
        let (at, seen) = self.looked_at.unwrap_or((Instant::now(), 0));
        let due = self.looked_at.is_none() || at.elapsed() >= PERMISSIONS_EVERY;
        if !due && seen == size {
            return;
        }
        self.looked_at = Some((if due { Instant::now() } else { at }, size));
        let store = store.clone();
        self.permissions = Some(tokio::spawn(async move {
            if let Err(fault) = store.look_at_permissions(due, seen).await {
                tracing::error!(%fault, "the permissions of running sessions cannot be looked at");
            }
        }));
    }
}
