//! One-time links by which a person sets password and second factor.

use crate::fault::Done;
use crate::settings::FirstAdministrator;
use crate::write::Tx;
use crate::Store;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;

/// A one-time link. Shown once; the store keeps only the hash of its token.
#[derive(Clone, Debug)]
pub struct EnrolmentLink {
    /// The address to open.
    pub url: Secret,
    /// The token in it.
    pub token: Secret,
    /// Until when it works.
    pub expires_at: Timestamp,
}

impl Store {
    pub(crate) async fn add_first_administrator(&self, _tx: &mut Tx, _first: &FirstAdministrator) -> Done<EnrolmentLink> {
        todo!()
    }
}
