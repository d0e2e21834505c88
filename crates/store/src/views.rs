//! Looking at a session is itself a fact: begun before the first byte is handed out, ended when it is put down.

use crate::Store;
use crate::control::{Chair, Standing, Told};
use crate::fault::{Done, Fault};
use crate::live::{CannotWatch, Seat, ViewEvent};
use crate::recordings::{Replay, play};
use crate::two_person::Opener;
use sekisho_core::facts::{Fact, ViewMode};
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::recording::{ExportFault, Header, asciicast};
use std::io::{self, Write};

/// Largest export. It is handed out whole, so it must fit beside everything else in memory.
const EXPORT_BYTES: usize = 64 * 1024 * 1024;

/// A view under way. Its end is written down when it is dropped.
pub(crate) struct Viewing {
    store: Store,
    actor: Actor,
    session: SessionId,
    mode: ViewMode,
}

impl Viewing {
    /// What could not be read because it is damaged is looked at once more, and set aside if the log says otherwise.
    pub(crate) fn look_again(&self, fault: &Fault) {
        if matches!(fault, Fault::Damaged(_)) {
            self.store.look_again_at(&self.session);
        }
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        let (store, actor) = (self.store.clone(), self.actor.clone());
        let fact = Fact::ViewEnded { session: self.session.clone(), mode: self.mode };
        // Outside a runtime the box is going down; the sweep of the next start ends the view.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let ended = async {
                    let mut tx = store.write(&actor).await?;
                    tx.fact(fact);
                    tx.commit().await
                };
                if let Err(fault) = ended.await {
                    tracing::warn!(%fault, "the end of a view could not be written; the next start writes it");
                }
            });
        }
    }
}

/// Watching a running session.
pub struct Watch {
    /// What draws the present: hand this out first.
    pub backlog: Vec<ViewEvent>,
    seat: Seat,
    chair: Chair,
    viewing: Viewing,
}

impl Watch {
    /// The next event; `None` after the end of the session.
    pub async fn next(&mut self) -> Option<ViewEvent> {
        self.seat.next().await
    }

    /// The page is visible before the person at this moment. Who may be a witness is one for as long as this is said
    /// every few seconds ([`sekisho_core::limits::WITNESS_LOST_SECONDS`]).
    pub fn here(&self) {
        self.chair.here(self.viewing.store.now());
    }

    /// How the session stands; `None` once it has ended.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.viewing.store.standing_of(&self.viewing.actor, &self.viewing.session)
    }

    /// The latest acts upon the session, the oldest first.
    #[must_use]
    pub fn talk(&self) -> Vec<Told> {
        self.viewing.store.inner.shelf.writer(&self.viewing.session).map(|writer| writer.reins().talk()).unwrap_or_default()
    }

    /// Tells of each change of [`Watch::standing`].
    #[must_use]
    pub fn news(&self) -> tokio::sync::watch::Receiver<u64> {
        self.chair.news()
    }
}

impl Store {
    async fn begin_view(&self, actor: &Actor, session: &SessionId, mode: ViewMode) -> Result<Viewing, Fault> {
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::ViewBegan { session: session.clone(), mode });
        tx.commit().await?;
        Ok(Viewing { store: self.clone(), actor: actor.clone(), session: session.clone(), mode })
    }

    /// Watches a running session.
    ///
    /// # Errors
    /// Without the right, for a session that does not run, or with [`sekisho_core::limits::WATCHERS`] watching.
    pub async fn watch(&self, actor: &Actor, session: &SessionId) -> Done<Watch> {
        self.allowed(actor, Action::WatchSession, session, "watch").await?;
        let writer = self.inner.shelf.writer(session).ok_or(Refusal::NotFound)?;
        let may_witness = self.may_witness(actor, session).await?;
        let viewing = self.begin_view(actor, session, ViewMode::Live).await?;
        let (backlog, seat) = writer.hub().join().map_err(|cannot| match cannot {
            CannotWatch::Ended => Refusal::NotFound,
            CannotWatch::Crowded => Refusal::too_many("WATCHERS"),
        })?;
        let chair = writer.reins().sit(actor, may_witness);
        Ok(Watch { backlog, seat, chair, viewing })
    }

    /// Replays a recording; of a running session, what there is of it so far.
    ///
    /// # Errors
    /// Without the right, or if the recording cannot be opened.
    pub async fn replay(&self, actor: &Actor, session: &SessionId) -> Done<Replay> {
        let (viewing, opener) = self.viewing(actor, session, ViewMode::Replay).await?;
        let path = self.at_hand(session).await?;
        Ok(play(path, move |header: &Header| opener.open(header), viewing).await?)
    }

    /// Exports one channel as asciicast v2.
    ///
    /// # Errors
    /// Without the right, if the recording cannot be read, or [`Refusal::TooLarge`].
    pub async fn export_asciicast(&self, actor: &Actor, session: &SessionId, channel: u32) -> Done<Vec<u8>> {
        let (viewing, opener) = self.viewing(actor, session, ViewMode::Export).await?;
        let path = self.at_hand(session).await?;
        let work = tokio::task::spawn_blocking(move || {
            let mut decoder = crate::recordings::frames(&path, |header| opener.open(header))?;
            let header = decoder.header().clone();
            let mut out = Bounded(Vec::new());
            match asciicast(&header, &mut decoder, channel, &mut out) {
                Ok(_) => Ok(Ok(out.0)),
                Err(ExportFault::Write(_)) => Ok(Err(Refusal::TooLarge)),
                Err(ExportFault::Recording(breach)) => Err(Fault::Damaged(breach.to_string())),
            }
        });
        let done = work.await.map_err(|lost| Fault::Damaged(format!("an export could not be finished: {lost}")))?;
        Ok(done.inspect_err(|fault| viewing.look_again(fault))??)
    }

    /// Begins a view of a recording: the right is there, and who has to agree did; the log tells of it, and the file is up to the
    /// present. Gives what opens it.
    pub(crate) async fn viewing(&self, actor: &Actor, session: &SessionId, mode: ViewMode) -> Done<(Viewing, Opener)> {
        self.allowed(actor, Action::ViewRecording, session, if mode == ViewMode::Export { "export" } else { "replay" }).await?;
        if self.board(|board| board.erased(session).is_some()) {
            return Err(Refusal::RecordingDeleted.into());
        }
        let opener = self.opener(actor, session).await?;
        let viewing = self.begin_view(actor, session, mode).await?;
        self.write_out(session).await;
        Ok((viewing, opener))
    }

    /// Brings a running recording's file up to the present.
    pub(crate) async fn write_out(&self, session: &SessionId) {
        if let Some(writer) = self.inner.shelf.writer(session) {
            // If it fails, the recording is lost and says so itself; what is on the disk can still be read.
            let _ = tokio::task::spawn_blocking(move || writer.flush()).await;
        }
    }

    /// Checks the right to a session, and writes down that it was missing. A vendor's person reaches the own vendor's
    /// sessions, a worker the own ones.
    pub(crate) async fn allowed(&self, actor: &Actor, action: Action, session: &SessionId, what: &str) -> Done<()> {
        let detail = format!("{what} {session}");
        // Whoever may not do it to any session learns nothing about this one.
        self.require(actor, action, None, &detail).await?;
        let owner = self.owner_of(session).await?.ok_or(Refusal::NotFound)?;
        if let Err(refusal) = owner.may(actor, action) {
            self.note_refused_act(actor, &detail, &refusal).await;
            return Err(refusal.into());
        }
        Ok(())
    }
}

/// Memory with an end.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > EXPORT_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
