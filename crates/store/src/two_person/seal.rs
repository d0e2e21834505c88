//! The key of a recording that begins: whole for the hospital and the auditors, or in two shares where a second person must agree.

use super::shares::Share;
use crate::Store;
use crate::fault::Fault;
use crate::secrets::random_bytes;
use sekisho_core::ids::TargetId;
use sekisho_core::limits;
use sekisho_evidence::recording::{DataKey, Recipient, RecipientKind, SecondShare};
use zeroize::Zeroizing;

/// A data key that was just made, and what the header of its recording says of it.
pub(crate) struct SealedKey {
    pub key: DataKey,
    pub wrapped_key: Vec<u8>,
    pub recipients: Vec<Recipient>,
    pub second: Option<SecondShare>,
}

impl Store {
    /// Makes the key of a recording of a target. Where second keys are in force for it, neither the hospital's key nor an auditor's
    /// opens the recording alone from here on; nothing on the box remembers the other share.
    pub(crate) async fn recording_key(&self, target: &TargetId) -> Result<SealedKey, Fault> {
        let auditors = self.auditor_recipients().await?;
        let keys = &self.inner.keys;
        let mut recipients = vec![Recipient { kind: RecipientKind::Hospital, name: String::new(), key: keys.recordings_public() }];
        recipients.extend(auditors);
        let key = Zeroizing::new(random_bytes::<32>()?);
        let named = |key: &sekisho_core::two_person::SecondKey| Recipient { kind: RecipientKind::Second, name: key.name.clone(), key: key.key.clone() };
        let seconds: Vec<Recipient> = self.book(|book| book.in_force(target).map(named).take(limits::SECOND_KEYS).collect());
        if seconds.is_empty() {
            let wrapped_key = crate::keys::wrap_for(&recipients, &key)?;
            return Ok(SealedKey { key: DataKey::from_bytes(*key), wrapped_key, recipients, second: None });
        }
        // The first share is drawn, so that it says nothing of the key; the other one is what is missing of it.
        let first: Share = Zeroizing::new(random_bytes::<32>()?);
        let mut other: Share = Zeroizing::new([0_u8; 32]);
        for (byte, (whole, one)) in other.iter_mut().zip(key.iter().zip(first.iter())) {
            *byte = whole ^ one;
        }
        let wrapped_key = crate::keys::wrap_for(&recipients, &first)?;
        let second = SecondShare { wrapped_share: crate::keys::wrap_for(&seconds, &other)?, share_digest: SecondShare::digest_of(&other) };
        recipients.extend(seconds);
        Ok(SealedKey { key: DataKey::from_bytes(*key), wrapped_key, recipients, second: Some(second) })
    }
}
