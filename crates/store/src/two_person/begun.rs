//! Whether a recording that began is still sealed as it must be at the moment in which its session enters.

use crate::Store;
use crate::fault::Done;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Target;
use sekisho_evidence::recording::{Header, RecipientKind};
use std::collections::BTreeSet;

/// For which target a recording was begun, and with which second keys.
pub(crate) struct Begun {
    target: String,
    seconds: BTreeSet<String>,
}

impl Begun {
    /// As the header says it that was written.
    pub fn of(header: &Header) -> Self {
        let seconds = header.recipients.iter().filter(|one| one.kind == RecipientKind::Second).map(|one| one.key.clone()).collect();
        Self { target: header.target.clone(), seconds }
    }
}

impl Store {
    /// The header is written before its entry, and the log may tell of a second key between the two: a session that enters after
    /// that entry must need its holder. For whoever has the writer, so that nothing comes between.
    ///
    /// # Errors
    /// [`Refusal::SealChanged`].
    pub(crate) async fn still_sealed(&self, begun: &Begun, target: &Target) -> Done<()> {
        let due: BTreeSet<String> = self.second_keys_of(&target.id).await?.into_iter().map(|key| key.key).take(limits::SECOND_KEYS).collect();
        if begun.target == target.id.as_str() && begun.seconds == due { Ok(()) } else { Err(Refusal::SealChanged.into()) }
    }
}
