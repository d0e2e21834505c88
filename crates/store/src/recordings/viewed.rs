//! What pages show of viewings by two persons, beside the verbs themselves.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::write::Tx;
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, SecondKeyId, SessionId, TargetId, ViewingRequestId};
use sekisho_core::letter::{Letter, ViewingStage};
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_core::two_person::{ViewingAsk, ViewingRequest};
use std::collections::BTreeSet;

/// A session whose recording somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewedSession {
    /// Which.
    pub session: SessionId,
    /// Who worked, and number and title of the plan; nobody in a session of Sekisho itself.
    pub worker: Option<(String, String)>,
    /// The target.
    pub target: TargetId,
    /// Its name.
    pub target_name: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl Store {
    /// Whether anybody ever asked for a second key: pages of this kind are nothing to a hospital without one.
    #[must_use]
    pub fn uses_second_keys(&self) -> bool {
        self.book(|book| book.keys().next().is_some())
    }

    /// The public key of age for which recordings and agreements are closed that this box opens.
    #[must_use]
    pub fn recordings_public_key(&self) -> String {
        self.inner.keys.recordings_public()
    }

    /// The sessions of a request: whoever is to agree must see to what, whatever else their roles let them see.
    ///
    /// # Errors
    /// As [`Store::viewing_request`].
    pub async fn sessions_of_viewing(&self, actor: &Actor, id: &ViewingRequestId) -> Done<Vec<ViewedSession>> {
        let request = self.viewing_request(actor, id).await?.request;
        let mut all = Vec::new();
        for session in &request.sessions {
            all.push(self.viewed_session(session).await?.ok_or_else(|| Fault::Damaged(format!("session {session} of request {id} is not in the log")))?);
        }
        Ok(all)
    }

    /// A session whose recording this person may ask for.
    ///
    /// # Errors
    /// Without the right to read it; [`Refusal::NotFound`].
    pub async fn session_to_view(&self, actor: &Actor, session: &SessionId) -> Done<ViewedSession> {
        self.allowed(actor, Action::ReadSession, session, "session_to_view").await?;
        Ok(self.viewed_session(session).await?.ok_or(Refusal::NotFound)?)
    }

    async fn viewed_session(&self, session: &SessionId) -> Result<Option<ViewedSession>, Fault> {
        let Some(told) = self.session_told(session).await? else { return Ok(None) };
        let entered = &told.entered.0;
        let (Fact::Entered { target, target_name, .. } | Fact::RobotEntered { target, target_name, .. }) = &entered.fact else { return Ok(None) };
        Ok(Some(ViewedSession {
            session: session.clone(),
            worker: told.plan.as_ref().map(|plan| (entered.actor.name.clone(), format!("{} {}", plan.number, plan.content.title))),
            target: target.clone(),
            target_name: target_name.clone(),
            started: entered.at,
            ended: told.ended().map(|(at, ..)| at),
        }))
    }

    /// Writes to those who can agree to a request, as part of the change. Whoever asks cannot, and is told nothing.
    pub(crate) async fn tell_holders(&self, tx: &mut Tx, actor: &Actor, id: &ViewingRequestId, keys: &[SecondKeyId], recordings: usize, ask: &ViewingAsk) -> Result<(), Fault> {
        let holders: BTreeSet<PersonId> = self.book(|book| keys.iter().filter_map(|key| book.key(key)).map(|key| key.holder.clone()).collect());
        let letter = Letter::Viewing { stage: ViewingStage::Asked, by: actor.name.clone(), reason: ask.reason.clone(), recordings, hours: ask.hours, url: self.viewing_url(id) };
        for holder in holders.iter().filter(|holder| !actor.is_person(holder)) {
            if let Some(person) = self.load_person(tx.sql(), holder).await? {
                tx.mail(&person, &letter).await?;
            }
        }
        Ok(())
    }

    /// Writes to whoever asked what a holder decided, as part of the change.
    pub(crate) async fn tell_requester(&self, tx: &mut Tx, actor: &Actor, request: &ViewingRequest, stage: ViewingStage, reason: &str) -> Result<(), Fault> {
        let letter = Letter::Viewing { stage, by: actor.name.clone(), reason: reason.to_owned(), recordings: request.sessions.len(), hours: request.hours, url: self.viewing_url(&request.id) };
        if let Some(person) = self.load_person(tx.sql(), &request.by).await? {
            tx.mail(&person, &letter).await?;
        }
        Ok(())
    }

    fn viewing_url(&self, id: &ViewingRequestId) -> String {
        format!("{}/viewings/{id}", self.base_url())
    }
}
