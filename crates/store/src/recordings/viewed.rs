//! What pages show of viewings by two persons, beside the verbs themselves.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::sessions::SessionRow;
use sekisho_core::ids::ViewingRequestId;
use sekisho_core::people::Actor;

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
}
