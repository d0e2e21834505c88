//! That somebody has the private half of a second key, before it is put in force: a key that nobody has shuts every recording for good.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::recordings::recipient::close_for;
use sekisho_core::ids::SecondKeyId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::Action;
use sekisho_core::refusal::Refusal;
use sekisho_core::two_person::{SecondKey, SecondKeyState};
use sekisho_evidence::Digest;
use sekisho_evidence::digest::Hasher;
use sekisho_evidence::recording::{Recipient, RecipientKind, RequestText, Wanted};

/// What stands in the place of a session: no session has such an id.
const KEY_CHECK: &str = "key-check";
/// What stands in the place of the reason.
const REASON: &str = "鍵の確認";

impl Store {
    /// A text in the form of a request to view, signed by the log's key. Only who has the private half of the key can answer it, with the
    /// command by which they will agree to viewings.
    ///
    /// # Errors
    /// Without the right to read the ledgers; [`Refusal::NotFound`]; [`Refusal::SecondKeyStep`] for a key that waits for nobody.
    pub async fn second_key_text(&self, actor: &Actor, id: &SecondKeyId) -> Done<String> {
        self.require(actor, Action::ReadLedger, None, "second_key_text").await?;
        let key = self.second_key(id)?;
        if key.state != SecondKeyState::Asked {
            return Err(Refusal::SecondKeyStep.into());
        }
        let to = Recipient { kind: RecipientKind::Second, name: String::new(), key: key.key.clone() };
        let wrapped_share = close_for(&[to], self.challenge(&key).as_bytes())?;
        let text = RequestText {
            origin: self.inner.settings.origin.clone(),
            id: key.id.as_str().to_owned(),
            asked_at: key.asked.at.rfc3339_utc(),
            hours: 1,
            by: sekisho_core::letter::one_line(&key.asked.name),
            reason: REASON.to_owned(),
            to: self.inner.keys.recordings_public(),
            recordings: vec![Wanted { session: KEY_CHECK.to_owned(), header: Digest::of(key.key.as_bytes()), wrapped_share }],
        };
        Ok(text.signed(&self.inner.keys.log()).map_err(|breach| Fault::Crypto(breach.to_string()))?)
    }

    /// What the answer holds: the same each time, and known to nobody without the box's keys or the private half of this one.
    fn challenge(&self, key: &SecondKey) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(self.inner.keys.derived("second key check").as_slice());
        hasher.update(key.id.as_str().as_bytes());
        hasher.update(b"\0");
        hasher.update(key.key.as_bytes());
        hasher.finish()
    }

    /// Whether an answer is that of whoever has the private half of the key.
    pub(super) fn check_proof(&self, key: &SecondKey, proof: &str) -> Result<(), Refusal> {
        if proof.len() > limits::VIEWING_AGREEMENT_BYTES {
            return Err(Refusal::AgreementWrong);
        }
        let opened = self.inner.keys.open_for_recordings(proof.trim().as_bytes(), 32);
        // Digests of both are compared, so that the time it takes says nothing of the challenge.
        let is_it = opened.is_some_and(|(plain, _)| Digest::of(&plain) == Digest::of(self.challenge(key).as_bytes()));
        if is_it { Ok(()) } else { Err(Refusal::AgreementWrong) }
    }
}
