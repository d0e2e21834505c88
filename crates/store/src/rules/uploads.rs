//! Uploads that wait for a person of the hospital (隔離). The gateway has staged them and asks here whether they may go
//! on; this is where the decision comes from, and where the content can be taken out before it.

use crate::Store;
use crate::control::{HeldFile, note_in_recording};
use crate::fault::{Done, Fault};
use crate::log::as_i64;
use crate::recordings::Writer;
use crate::spool::SpoolFile;
use crate::taking::TakenFile;
use sekisho_core::control::{Control, HowDecided};
use sekisho_core::desk::HeldUpload;
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the clock is looked at while an upload waits.
const TURN: Duration = Duration::from_millis(500);
/// Rows of one session that its page shows.
const SHOWN_FILES: i64 = 200;
/// What stands for Sekisho itself where a name is asked for.
const SEKISHO: &str = "Sekisho";

/// What a person decided.
struct Verdict {
    passed: bool,
    reason: String,
}

/// One upload that waits.
struct Waiter {
    sender: oneshot::Sender<Verdict>,
    spool: Arc<SpoolFile>,
    held: HeldUpload,
}

/// The uploads that wait, of all sessions.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<BTreeMap<(SessionId, u32), Waiter>>);

impl Uploads {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(SessionId, u32), Waiter>> {
        // A panic in here leaves at worst an upload that waits until its time is over.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, session: &SessionId, hold: u32, spool: Arc<SpoolFile>, held: HeldUpload) -> Option<oneshot::Receiver<Verdict>> {
        let mut waiting = self.waiting();
        if waiting.keys().filter(|(of, _)| of == session).count() >= limits::HELD_UPLOADS {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.insert((session.clone(), hold), Waiter { sender, spool, held });
        Some(receiver)
    }

    /// Takes the right to decide. Whoever has it is the only one.
    fn claim(&self, session: &SessionId, hold: u32) -> Option<Waiter> {
        self.waiting().remove(&(session.clone(), hold))
    }

    fn give_back(&self, session: &SessionId, hold: u32, waiter: Waiter) {
        self.waiting().insert((session.clone(), hold), waiter);
    }

    fn find(&self, session: &SessionId, hold: u32) -> Option<(Arc<SpoolFile>, HeldUpload)> {
        self.waiting().get(&(session.clone(), hold)).map(|waiter| (Arc::clone(&waiter.spool), waiter.held.clone()))
    }

    /// Forgets the sessions that have ended.
    pub(crate) fn keep_only(&self, running: &[SessionId]) {
        self.waiting().retain(|(session, _), _| running.contains(session));
    }
}

/// An upload that waits, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldFileRow {
    /// The session.
    pub session: SessionId,
    /// Who sent it.
    pub person_name: String,
    /// Whereto.
    pub target_name: String,
    /// Number of the plan.
    pub plan_number: String,
    /// The file.
    #[serde(flatten)]
    pub held: HeldFile,
}

/// An upload that waited, and what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldFileView {
    /// Its number within the session.
    pub hold: u32,
    /// The path on the target.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// True if the plan lists this content.
    pub listed: bool,
    /// When it was complete.
    pub at: Timestamp,
    /// What was decided; `None` while it waits.
    pub decided: Option<FileDecision>,
}

/// What was decided on an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDecision {
    /// When.
    pub at: Timestamp,
    /// True if it went on to the target.
    pub passed: bool,
    /// How it came to it.
    pub how: String,
    /// Who.
    pub by: String,
    /// The person's reason.
    pub reason: String,
}

/// A wait that may break off: the worker gives the upload up, or the session ends.
struct Waiting {
    store: Store,
    writer: Arc<Writer>,
    hold: u32,
    path: String,
}

impl Waiting {
    fn decided(&self, by: &str, how: HowDecided) -> Control {
        Control::FileDecided { hold: self.hold, path: self.path.clone(), by: by.to_owned(), how, passed: false, reason: String::new() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(_claim) = self.store.inner.uploads.claim(self.writer.session(), self.hold) else { return };
        let (store, writer) = (self.store.clone(), Arc::clone(&self.writer));
        let by = writer.worker().clone();
        let decided = self.decided(&by.name, HowDecided::GivenUp);
        note_in_recording(&writer, &decided);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(fault) = store.write_upload(&by, &writer, &[decided]).await {
                    tracing::error!(%fault, session = %writer.session(), "that an upload was given up could not be written down; the next start does it");
                }
            });
        }
    }
}

impl Store {
    /// Answers the gateway about an upload that is complete.
    pub(crate) async fn screen(&self, session: &SessionId, upload: HeldUpload) -> Result<(), Refusal> {
        let writer = self.inner.shelf.writer(session).ok_or(Refusal::Cut)?;
        let number = self.inner.holds.count(session);
        if number > limits::SESSION_RULINGS {
            return Err(Refusal::UploadTooMuch { limit: "SESSION_RULINGS".to_owned() });
        }
        let hold = u32::try_from(number).unwrap_or(u32::MAX);
        let path: String = upload.path.chars().filter(|c| !c.is_control()).take(limits::HELD_PATH_CHARS).collect();
        let held = Control::FileHeld { hold, path: path.clone(), bytes: upload.bytes, sha256: upload.sha256.clone(), listed: upload.listed };
        let unavailable = |fault: &Fault| {
            tracing::error!(%fault, %session, "an upload could not be written down, so it is not passed on");
            Refusal::LogUnavailable
        };
        if upload.passes {
            let decided = Control::FileDecided { hold, path, by: SEKISHO.to_owned(), how: HowDecided::Listed, passed: true, reason: String::new() };
            let _turn = writer.reins().turn.lock().await;
            let both = [held, decided];
            self.write_upload(writer.worker(), &writer, &both).await.map_err(|fault| unavailable(&fault))?;
            both.iter().for_each(|control| note_in_recording(&writer, control));
            return Ok(());
        }
        // Whoever decides must see all of where it goes.
        if upload.path.chars().count() > limits::HELD_PATH_CHARS {
            return Err(Refusal::UploadTooMuch { limit: "HELD_PATH_CHARS".to_owned() });
        }
        let spool = self.inner.spools.find(upload.spool).ok_or(Refusal::UploadLost)?;
        let too_many = || Refusal::UploadTooMuch { limit: "HELD_UPLOADS".to_owned() };
        let decision = self.inner.uploads.wait(session, hold, spool, upload).ok_or_else(too_many)?;
        // From here on, whatever goes wrong gives the place back.
        let waiting = Waiting { store: self.clone(), writer: Arc::clone(&writer), hold, path };
        {
            let _turn = writer.reins().turn.lock().await;
            if let Err(fault) = self.write_upload(writer.worker(), &writer, std::slice::from_ref(&held)).await {
                self.inner.uploads.claim(session, hold);
                return Err(unavailable(&fault));
            }
            note_in_recording(&writer, &held);
        }
        self.upload_decision(decision, &waiting).await
    }

    async fn upload_decision(&self, mut decision: oneshot::Receiver<Verdict>, waiting: &Waiting) -> Result<(), Refusal> {
        let outcome = |verdict: Result<Verdict, _>| match verdict {
            Ok(Verdict { passed: true, .. }) => Ok(()),
            Ok(Verdict { reason, .. }) => Err(Refusal::UploadRefused { reason }),
            Err(oneshot::error::RecvError { .. }) => Err(Refusal::UploadUndecided),
        };
        let deadline = self.now().plus(Duration::from_secs(limits::HOLD_FILE_SECONDS as u64));
        loop {
            match tokio::time::timeout(TURN, &mut decision).await {
                Ok(verdict) => return outcome(verdict),
                Err(_) if self.now() < deadline => {}
                // Whoever has claimed the decision in this very moment is waited for, and may give it back.
                Err(_) if self.inner.uploads.claim(waiting.writer.session(), waiting.hold).is_none() => {}
                Err(_) => break,
            }
        }
        let decided = waiting.decided(SEKISHO, HowDecided::Late);
        note_in_recording(&waiting.writer, &decided);
        if let Err(fault) = self.write_upload(&Actor::system(), &waiting.writer, &[decided]).await {
            tracing::error!(%fault, session = %waiting.writer.session(), "that nobody decided could not be written down; the upload was refused all the same");
        }
        Err(Refusal::UploadUndecided)
    }

    /// Makes the facts and rows of acts on an upload durable.
    async fn write_upload(&self, actor: &Actor, writer: &Writer, controls: &[Control]) -> Result<(), Fault> {
        let mut tx = self.write(actor).await?;
        for control in controls {
            Self::keep_held_file(&mut tx, writer.session(), control).await?;
            tx.fact(Fact::Controlled { session: writer.session().clone(), control: control.clone() });
        }
        tx.commit().await
    }

    async fn keep_held_file(tx: &mut crate::write::Tx, session: &SessionId, control: &Control) -> Result<(), Fault> {
        let now = tx.now();
        match control {
            Control::FileHeld { hold, path, bytes, sha256, listed } => {
                sqlx::query("INSERT INTO held_files (session, hold, path, bytes, sha256, listed, at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                    .bind(session.as_str().to_owned())
                    .bind(i64::from(*hold))
                    .bind(path.clone())
                    .bind(as_i64(*bytes))
                    .bind(sha256.clone())
                    .bind(i64::from(*listed))
                    .bind(now.0)
                    .execute(tx.sql())
                    .await?;
            }
            Control::FileDecided { hold, by, how, passed, reason, .. } => {
                sqlx::query("UPDATE held_files SET decided_at = $3, passed = $4, how = $5, decided_by = $6, reason = $7 WHERE session = $1 AND hold = $2 AND decided_at IS NULL")
                    .bind(session.as_str().to_owned())
                    .bind(i64::from(*hold))
                    .bind(now.0)
                    .bind(i64::from(*passed))
                    .bind(how.as_str())
                    .bind(by.clone())
                    .bind(reason.clone())
                    .execute(tx.sql())
                    .await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Uploads that wait in running sessions, for whoever may decide on them.
    ///
    /// # Errors
    /// Without the right to control sessions.
    pub async fn held_uploads(&self, actor: &Actor) -> Done<Vec<HeldFileRow>> {
        self.require(actor, Action::ControlSession, None, "held_uploads").await?;
        let mut rows = Vec::new();
        for session in self.inner.shelf.running() {
            let Some(writer) = self.inner.shelf.writer(&session) else { continue };
            let held = writer.reins().standing(self.now()).held_files;
            if held.is_empty() {
                continue;
            }
            let row = self.session(actor, &session).await?.row;
            let place = |held| HeldFileRow {
                session: session.clone(),
                person_name: row.facts.person_name.clone(),
                target_name: row.facts.target_name.clone(),
                plan_number: row.plan_number.clone(),
                held,
            };
            rows.extend(held.into_iter().map(place));
        }
        Ok(rows)
    }

    /// Uploads of one session: those that wait, then those that waited, the oldest first.
    ///
    /// # Errors
    /// Without the right to the session.
    pub async fn uploads_of(&self, actor: &Actor, session: &SessionId) -> Done<Vec<HeldFileView>> {
        self.uploads(actor, session, None).await
    }

    /// One upload of a session that waits or waited.
    ///
    /// # Errors
    /// Without the right to the session; [`Refusal::NotFound`] if there is none of this number.
    pub async fn upload_of(&self, actor: &Actor, session: &SessionId, hold: u32) -> Done<HeldFileView> {
        Ok(self.uploads(actor, session, Some(hold)).await?.pop().ok_or(Refusal::NotFound)?)
    }

    async fn uploads(&self, actor: &Actor, session: &SessionId, hold: Option<u32>) -> Done<Vec<HeldFileView>> {
        self.allowed(actor, Action::ReadSession, session, "uploads_of").await?;
        // What waits comes first, so that no number of files before it can push it off the list.
        let text = "SELECT hold, path, bytes, sha256, listed, at, decided_at, passed, how, decided_by, reason FROM held_files WHERE session = $1 AND ($2 < 0 OR hold = $2) ORDER BY CASE WHEN decided_at IS NULL THEN 0 ELSE 1 END, hold LIMIT $3";
        let hold = hold.map_or(-1, i64::from);
        let rows = sqlx::query(text).bind(session.as_str().to_owned()).bind(hold).bind(SHOWN_FILES).fetch_all(self.read()).await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<HeldFileView, Fault> {
            let decided_at: Option<i64> = row.try_get("decided_at")?;
            let decided = match decided_at {
                None => None,
                Some(at) => Some(FileDecision {
                    at: Timestamp(at),
                    passed: row.try_get::<Option<i64>, _>("passed")? == Some(1),
                    how: row.try_get::<Option<String>, _>("how")?.unwrap_or_default(),
                    by: row.try_get::<Option<String>, _>("decided_by")?.unwrap_or_default(),
                    reason: row.try_get::<Option<String>, _>("reason")?.unwrap_or_default(),
                }),
            };
            Ok(HeldFileView {
                hold: u32::try_from(row.try_get::<i64, _>("hold")?).unwrap_or(0),
                path: row.try_get("path")?,
                bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0),
                sha256: row.try_get("sha256")?,
                listed: row.try_get::<i64, _>("listed")? != 0,
                at: Timestamp(row.try_get("at")?),
                decided,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Decides on an upload that waits.
    ///
    /// # Errors
    /// Without the right to control this session; [`Refusal::NotFound`] if no such upload waits, because somebody else
    /// decided, the worker gave it up or its time is over; a reason that is no line.
    pub async fn decide_upload(&self, actor: &Actor, session: &SessionId, hold: u32, passed: bool, reason: &str) -> Done<()> {
        self.allowed(actor, Action::ControlSession, session, "decide_upload").await?;
        check_line("reason", reason)?;
        let writer = self.inner.shelf.writer(session).ok_or(Refusal::NotFound)?;
        let _turn = writer.reins().turn.lock().await;
        let waiter = self.inner.uploads.claim(session, hold).ok_or(Refusal::NotFound)?;
        let path: String = waiter.held.path.chars().filter(|c| !c.is_control()).take(limits::HELD_PATH_CHARS).collect();
        if waiter.sender.is_closed() {
            // The one who gave it up found it claimed and wrote nothing down.
            let by = writer.worker().clone();
            let given_up = Control::FileDecided { hold, path, by: by.name.clone(), how: HowDecided::GivenUp, passed: false, reason: String::new() };
            note_in_recording(&writer, &given_up);
            self.write_upload(&by, &writer, &[given_up]).await?;
            return Err(Refusal::NotFound.into());
        }
        let reason = reason.trim().to_owned();
        let decided = Control::FileDecided { hold, path, by: actor.name.clone(), how: HowDecided::Person, passed, reason: reason.clone() };
        match self.write_upload(actor, &writer, std::slice::from_ref(&decided)).await {
            Err(fault) if passed => {
                // What is not in the log does not pass; it can be decided again.
                self.inner.uploads.give_back(session, hold, waiter);
                Err(fault.into())
            }
            written => {
                note_in_recording(&writer, &decided);
                // Nobody waits any more if the session ends at this moment.
                let _ = waiter.sender.send(Verdict { passed, reason });
                Ok(written?)
            }
        }
    }

    /// Takes the content of an upload that waits out, so that it can be looked into before the decision.
    ///
    /// # Errors
    /// Without the right to take contents out; [`Refusal::NotFound`] if no such upload waits.
    pub async fn take_held(&self, actor: &Actor, session: &SessionId, hold: u32) -> Done<TakenFile> {
        self.allowed(actor, Action::TakeContent, session, "take held file").await?;
        let (spool, held) = self.inner.uploads.find(session, hold).ok_or(Refusal::NotFound)?;
        let taken = self.hand_out_spool(spool, &held)?;
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::HeldFileTaken { session: session.clone(), hold, path: held.path, bytes: held.bytes, sha256: held.sha256 });
        tx.commit().await?;
        Ok(taken)
    }

    /// Closes uploads that a crash left waiting: with the program went their content, so none has passed.
    pub(crate) async fn sweep_held_files(&self) -> Result<(), Fault> {
        let rows = sqlx::query("SELECT session, hold, path FROM held_files WHERE decided_at IS NULL ORDER BY session, hold").fetch_all(self.read()).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        for row in rows {
            let id: String = row.try_get("session")?;
            let session = SessionId::parse(&id).ok_or_else(|| Fault::Damaged(format!("a held file names the malformed session {id:?}")))?;
            let hold = u32::try_from(row.try_get::<i64, _>("hold")?).unwrap_or(0);
            let decided = Control::FileDecided { hold, path: row.try_get("path")?, by: SEKISHO.to_owned(), how: HowDecided::Vanished, passed: false, reason: String::new() };
            Self::keep_held_file(&mut tx, &session, &decided).await?;
            tx.fact(Fact::Controlled { session, control: decided });
        }
        tx.commit().await
    }
}
