//! What passkeys are bound to: the name of this box, and the origins under which browsers reach it.

use crate::Store;
use crate::settings::Settings;
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::Digest;
use std::time::Duration;
use webauthn_rs::prelude::{Url, Uuid, Webauthn, WebauthnBuilder};

/// The relying party. A passkey made for one name works under no other, so the name is the first origin's.
pub(crate) struct Site {
    pub(super) webauthn: Webauthn,
    /// The relying party's identifier.
    pub(super) name: String,
    origins: Vec<String>,
}

impl Site {
    /// `None` if no origin has a name: an address of numbers cannot be a relying party (WebAuthn, 5.1.3 step 7).
    pub fn of(settings: &Settings) -> Option<Self> {
        let urls: Vec<Url> = settings.passkey_origins.iter().filter_map(|origin| Url::parse(origin).ok()).filter(|url| url.scheme() == "https" && url.domain().is_some()).collect();
        let first = urls.first()?;
        let name = first.domain()?.to_owned();
        let facility = format!("関所 {}", settings.facility);
        let mut builder = WebauthnBuilder::new(&name, first).ok()?.rp_name(&facility).timeout(Duration::from_secs(limits::PASSKEY_SECONDS as u64));
        let below = format!(".{name}");
        let mut origins = vec![first.origin().ascii_serialization()];
        for url in urls.iter().skip(1).filter(|url| url.domain().is_some_and(|domain| domain == name || domain.ends_with(&below))) {
            builder = builder.append_allowed_origin(url);
            origins.push(url.origin().ascii_serialization());
        }
        Some(Self { webauthn: builder.build().ok()?, name, origins })
    }
}

/// What an authenticator is told in place of a name: the same for all passkeys of a person, and telling nothing of them.
pub(super) fn handle(person: &PersonId) -> Uuid {
    let digest = Digest::of(format!("sekisho passkey of {person}").as_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    Uuid::from_bytes(bytes)
}

impl Store {
    /// The relying party.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`] if this box has no name.
    pub(super) fn site(&self) -> Result<&Site, Refusal> {
        self.inner.site.as_ref().ok_or(Refusal::PasskeysUnavailable)
    }

    /// The origins under which passkeys can be used, best first; empty if there is none.
    #[must_use]
    pub fn passkey_origins(&self) -> &[String] {
        self.inner.site.as_ref().map_or(&[], |site| &site.origins)
    }
}
