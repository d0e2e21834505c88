//! The key of a recording that begins: whole for the hospital and the auditors, or in two shares where a second person must agree.

use super::shares::Share;
use crate::Store;
use crate::fault::Fault;
use crate::recordings::recipient::close_for;
use crate::secrets::random_bytes;
use sekisho_core::ids::TargetId;
use sekisho_core::limits;
use sekisho_core::two_person::SecondKey;
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
        let named = |key: SecondKey| Recipient { kind: RecipientKind::Second, name: key.name, key: key.key };
        let seconds: Vec<Recipient> = self.second_keys_of(target).await?.into_iter().map(named).take(limits::SECOND_KEYS).collect();
        if seconds.is_empty() {
            let wrapped_key = close_for(&recipients, &key)?;
            return Ok(SealedKey { key: DataKey::from_bytes(*key), wrapped_key, recipients, second: None });
        }
        // The first share is drawn, so that it says nothing of the key; the other one is what is missing of it.
        let first: Share = Zeroizing::new(random_bytes::<32>()?);
        let mut other: Share = Zeroizing::new([0_u8; 32]);
        for (byte, (whole, one)) in other.iter_mut().zip(key.iter().zip(first.iter())) {
            *byte = whole ^ one;
        }
        let wrapped_key = close_for(&recipients, &first)?;
        // Without it the recording would open for nobody, or without a second person: nobody enters.
        let wrapped_share = close_for(&seconds, &other).inspect_err(|fault| {
            self.inner.shelf.alarm(format!("No session of target {} begins, because the second share of its recording cannot be closed: {fault}.", target));
        })?;
        let second = SecondShare { wrapped_share, share_digest: SecondShare::digest_of(&other) };
        recipients.extend(seconds);
        Ok(SealedKey { key: DataKey::from_bytes(*key), wrapped_key, recipients, second: Some(second) })
    }

    /// The second keys with which a recording of this target that begins is sealed: those that are for it, and those that are for
    /// another entry of the ledger which leads to the same machine. A second entry would be a way round otherwise.
    pub(crate) async fn second_keys_of(&self, target: &TargetId) -> Result<Vec<SecondKey>, Fault> {
        let all: Vec<SecondKey> = self.book(|book| book.keys().filter(|key| key.state.in_force()).cloned().collect());
        if all.iter().all(|key| key.covers(target)) {
            return Ok(all);
        }
        let mut conn = self.read().acquire().await?;
        let own = self.load_target(&mut *conn, target).await?;
        let mut kept = Vec::new();
        for key in all {
            let mut covers = key.covers(target);
            for id in key.targets.iter().filter(|_| !key.covers(target)) {
                let other = self.load_target(&mut *conn, id).await?;
                covers |= own.as_ref().zip(other).is_some_and(|(own, other)| own.is_same_machine(&other));
            }
            if covers {
                kept.push(key);
            }
        }
        Ok(kept)
    }
}
