//! What opens recordings: the one place where the store makes a data key of what a header holds.

use super::shares::Share;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::blocking;
use sekisho_core::ids::{PersonId, SessionId, ViewingRequestId};
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_core::two_person::{ViewingNeed, ViewingState};
use sekisho_evidence::Digest;
use sekisho_evidence::recording::{DataKey, Decoder, Header, RecipientKind, RecordingBreach};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

/// Opens the recording of one session, for one opening. Without an agreement it opens none that needs one.
#[derive(Clone)]
pub(crate) struct Opener {
    store: Store,
    session: SessionId,
    share: Option<Share>,
}

impl Opener {
    /// The data key of the recording with this header.
    pub fn open(&self, header: &Header) -> Result<DataKey, Fault> {
        if header.session != self.session.as_str() {
            return Err(Fault::Damaged(format!("the file of session {} is the recording of another one", self.session)));
        }
        let first = self.store.inner.keys.unwrap_recording_key(&header.wrapped_key)?;
        match (&header.second, &self.share) {
            (None, _) => Ok(DataKey::from_bytes(*first)),
            (Some(second), Some(share)) => second.join(&first, share).ok_or_else(|| Fault::Crypto("the share that was handed in is not that of this recording".into())),
            (Some(_), None) => Err(Fault::Crypto("the recording opens with the agreement of a second person alone".into())),
        }
    }
}

/// The header of a recording's file, with its digest; `None` if the file is not there or is no recording. A disk that does not
/// answer is a fault: what it holds may need an agreement.
pub(super) fn header_of(path: &Path) -> Result<Option<(Header, Digest)>, Fault> {
    let words = || Fault::io("the header of a recording cannot be read");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(words()(error)),
    };
    match Decoder::open(BufReader::new(file)) {
        Ok(decoder) => Ok(Some((decoder.header().clone(), decoder.header_digest()))),
        Err(RecordingBreach::Read(error)) => Err(words()(error)),
        Err(_) => Ok(None),
    }
}

impl Store {
    /// What opens the recording of a session for this person. Every opening for a person goes through here.
    ///
    /// # Errors
    /// [`Refusal::TwoPersons`] if the holder of a second key has to agree first.
    pub(crate) async fn opener(&self, actor: &Actor, session: &SessionId) -> Done<Opener> {
        let alone = self.opener_alone(session);
        if !self.needs_agreement(session).await? {
            return Ok(alone);
        }
        match self.agreed(actor, session).await? {
            Some((.., share)) => Ok(Opener { share: Some(share), ..alone }),
            None => {
                self.note_refused_act(actor, &format!("open {session}"), &Refusal::TwoPersons).await;
                Err(Refusal::TwoPersons.into())
            }
        }
    }

    /// What opens the recording of a session without anybody's agreement: for the box's own work, and only if it needs none.
    pub(crate) fn opener_alone(&self, session: &SessionId) -> Opener {
        Opener { store: self.clone(), session: session.clone(), share: None }
    }

    /// Whether a recording opens with an agreement alone. What its file says cannot be made to say less: without the other share
    /// its contents do not decrypt.
    pub(crate) async fn needs_agreement(&self, session: &SessionId) -> Result<bool, Fault> {
        let path = self.inner.shelf.path(session);
        if let Some((header, _)) = blocking(move || header_of(&path)).await? {
            return Ok(header.second.is_some());
        }
        let copy = self.archive_row(session).await?;
        Ok(copy.is_some_and(|copy| copy.recipients.iter().any(|one| one.kind == RecipientKind::Second)))
    }

    /// The share by which this person may open a recording at this moment.
    async fn agreed(&self, actor: &Actor, session: &SessionId) -> Result<Option<(ViewingRequestId, Timestamp, Share)>, Fault> {
        // Who sits behind an emergency account the box does not know: it could be the one who agreed.
        let Some(person) = actor.person.as_ref().filter(|_| !actor.emergency) else { return Ok(None) };
        self.drop_shares_of_the_gone().await?;
        let now = self.steady_now();
        let Some((id, kept, share)) = self.inner.shares.of(person, session, now) else { return Ok(None) };
        // What the log says counts; memory alone opens nothing.
        let told = self.book(|book| book.request(&id).filter(|request| request.is_open(now) && request.by == *person && request.sessions.contains(session)).and_then(|request| request.until));
        Ok(told.map(|told| (id, told.min(kept), share)))
    }

    /// Forgets what was handed in for or by somebody who may not act any more: an account that was closed agrees to nothing.
    pub(crate) async fn drop_shares_of_the_gone(&self) -> Result<(), Fault> {
        let now = self.steady_now();
        for (request, pair) in self.inner.shares.pairs() {
            for person in &pair {
                if !self.may_still_act(person, now).await? {
                    self.inner.shares.forget(&request);
                }
            }
        }
        Ok(())
    }

    async fn may_still_act(&self, person: &PersonId, now: Timestamp) -> Result<bool, Fault> {
        Ok(self.load_person(self.read(), person).await?.is_some_and(|person| person.may_act(now)))
    }

    /// What this person needs to open a session's recording.
    ///
    /// # Errors
    /// Without the right to read the session.
    pub async fn viewing_need(&self, actor: &Actor, session: &SessionId) -> Done<ViewingNeed> {
        self.allowed(actor, Action::ReadSession, session, "viewing_need").await?;
        if self.board(|board| board.erased(session).is_some()) {
            return Ok(ViewingNeed::None);
        }
        match self.needs_agreement(session).await {
            Ok(true) => {}
            Ok(false) => return Ok(ViewingNeed::None),
            Err(fault) => {
                // The page of the session stays readable; whoever opens the recording meets the fault.
                tracing::error!(%session, %fault, "it cannot be told whether a recording needs an agreement");
                return Ok(ViewingNeed::None);
            }
        }
        if let Some((request, until, _)) = self.agreed(actor, session).await? {
            return Ok(ViewingNeed::Open { request, until });
        }
        let now = self.steady_now();
        let waiting = self.book(|book| {
            let mine = book.requests().filter(|one| actor.is_person(&one.by) && one.sessions.contains(session));
            let waits = mine.filter(|one| one.waits(now) || one.is_open(now));
            waits.max_by_key(|one| (one.state == ViewingState::Agreed, one.asked_at)).map(|one| one.id.clone())
        });
        Ok(ViewingNeed::Needed { waiting })
    }
}
