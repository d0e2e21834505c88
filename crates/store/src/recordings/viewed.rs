//! What pages show of viewings by two persons, beside the verbs themselves.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::sessions::SessionRow;
use crate::write::Tx;
use sekisho_core::ids::{PersonId, SecondKeyId, ViewingRequestId};
use sekisho_core::letter::{Letter, ViewingStage};
use sekisho_core::people::Actor;
use sekisho_core::two_person::{ViewingAsk, ViewingRequest};
use std::collections::BTreeSet;

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

    /// The sessions of a request, as lists show them: whoever is to agree must see to what, whatever else their roles let them see.
    ///
    /// # Errors
    /// As [`Store::viewing_request`].
    pub async fn sessions_of_viewing(&self, actor: &Actor, id: &ViewingRequestId) -> Done<Vec<SessionRow>> {
        let request = self.viewing_request(actor, id).await?.request;
        let mut rows = Vec::new();
        for session in &request.sessions {
            let row = self.session_row(session.as_str()).await?;
            rows.push(row.ok_or_else(|| Fault::Damaged(format!("session {session} of request {id} has no row")))?);
        }
        Ok(rows)
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
