//! Second keys: entered by one person, confirmed by another, and ended by two.

use crate::Store;
use crate::fault::Done;
use crate::recordings::recipient::is_key;
use crate::secrets::random_id;
use sekisho_core::auditor_key::{KeyState, check_reason};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SecondKeyId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person};
use sekisho_core::permission::{Action, Reach, reach};
use sekisho_core::refusal::Refusal;
use sekisho_core::two_person::{SecondKey, SecondKeyAsk, SecondKeyChange, SecondKeyState, SecondKeyStep};

/// Whether somebody can be the holder of a second key: a person of the hospital with a login of their own.
fn may_hold(person: &Person) -> bool {
    person.vendor.is_none() && person.robot.is_none() && !person.emergency && person.roles.iter().any(|role| reach(*role, Action::AgreeViewing) == Reach::All)
}

impl Store {
    /// All second keys, those that wait for somebody first, then those in force, then the others.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn second_keys(&self, actor: &Actor) -> Done<Vec<SecondKey>> {
        self.require(actor, Action::ReadLedger, None, "second_keys").await?;
        let mut all: Vec<SecondKey> = self.book(|book| book.keys().cloned().collect());
        let rank = |key: &SecondKey| match key.state {
            SecondKeyState::Asked | SecondKeyState::EndAsked => 0,
            SecondKeyState::Active => 1,
            SecondKeyState::Ended | SecondKeyState::Refused => 2,
        };
        all.sort_by_key(|key| (rank(key), std::cmp::Reverse(key.asked.at)));
        Ok(all)
    }

    /// Enters a second key, which then waits for another person.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::BadField`] for a key that is none or has another use, a holder who cannot be one, or a
    /// target that is not there; [`Refusal::too_many`].
    pub async fn ask_second_key(&self, actor: &Actor, ask: SecondKeyAsk) -> Done<SecondKey> {
        self.require(actor, Action::KeepAuditorKeys, None, "ask_second_key").await?;
        // The console has no person, and so cannot be one of two.
        actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        ask.check()?;
        let key = ask.key.trim();
        if !is_key(key) || key == self.inner.keys.recordings_public() {
            return Err(Refusal::bad_field("key").into());
        }
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let holder = self.load_person(&mut *tx.sql(), &ask.holder).await?.filter(|holder| may_hold(holder) && holder.may_act(now));
        let holder = holder.ok_or_else(|| Refusal::bad_field("holder"))?;
        for target in &ask.targets {
            self.load_target(&mut *tx.sql(), target).await?.ok_or_else(|| Refusal::bad_field("targets"))?;
        }
        // Who holds both shares opens alone.
        let auditors = self.auditor_keys_held().await?;
        if self.is_second_key(key) || auditors.iter().any(|one| one.key == key && matches!(one.state, KeyState::Asked | KeyState::Active)) {
            return Err(Refusal::bad_field("key").into());
        }
        if self.book(|book| book.keys().filter(|one| one.state == SecondKeyState::Asked || one.state.in_force()).count()) >= limits::SECOND_KEYS {
            return Err(Refusal::too_many("SECOND_KEYS").into());
        }
        let id: SecondKeyId = random_id()?;
        let (change, reason) = (SecondKeyChange::Asked, ask.reason.trim().to_owned());
        tx.fact(Fact::SecondKeyKept { second_key: id.clone(), holder: holder.id, name: holder.name, key: key.to_owned(), targets: ask.targets, change, reason });
        tx.commit().await?;
        self.second_key(&id)
    }

    /// Takes a step with a second key that was asked for. To confirm it takes the `proof` that somebody has its private half: the answer
    /// to the text of [`Store::second_key_text`]. Other steps take none.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::SecondKeyStep`]; [`Refusal::SameHand`]; [`Refusal::AgreementWrong`] for an answer that is
    /// none; [`Refusal::NotFound`].
    pub async fn step_second_key(&self, actor: &Actor, id: &SecondKeyId, step: SecondKeyStep, reason: &str, proof: &str) -> Done<SecondKey> {
        self.require(actor, Action::KeepAuditorKeys, None, "step_second_key").await?;
        let reason = reason.trim();
        check_reason(reason)?;
        actor.person.as_ref().ok_or(Refusal::NotAllowed)?;
        let mut tx = self.write(actor).await?;
        let key = self.second_key(id)?;
        let checked = key.check(step, actor).and_then(|()| if step == SecondKeyStep::Confirm { self.check_proof(&key, proof) } else { Ok(()) });
        if let Err(refusal) = checked {
            drop(tx);
            self.note_refused_act(actor, &format!("second key {}", step.change().as_str()), &refusal).await;
            return Err(refusal.into());
        }
        tx.fact(Fact::SecondKeyKept { second_key: key.id, holder: key.holder, name: key.name, key: key.key, targets: key.targets, change: step.change(), reason: reason.to_owned() });
        tx.commit().await?;
        self.second_key(id)
    }

    pub(super) fn second_key(&self, id: &SecondKeyId) -> Done<SecondKey> {
        Ok(self.book(|book| book.key(id).cloned()).ok_or(Refusal::NotFound)?)
    }

    /// Whether a public key is that of a second key which waits or is in force.
    pub(crate) fn is_second_key(&self, public: &str) -> bool {
        self.book(|book| book.keys().any(|one| one.key == public && (one.state == SecondKeyState::Asked || one.state.in_force())))
    }
}
