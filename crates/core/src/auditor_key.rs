//! Keys of auditors: whoever holds one reads the recordings of its time on a machine of their own, without the box.
//!
//! The private half is made and kept by the auditor. The box knows the public half alone, which two persons entered: one
//! who asks for it, and another who compared it with what the auditor said.

use crate::ids::{AuditorKeyId, PersonId};
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the key of an auditor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It was asked for, and waits for another person.
    Asked,
    /// Recordings that begin are wrapped for it.
    Active,
    /// It was not confirmed.
    Refused,
    /// Recordings that begin are wrapped for it no more; those of its time can still be opened with it.
    Ended,
}

impl KeyState {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// Who did a step, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyStep {
    /// Who.
    pub person: PersonId,
    /// Their name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// The public key of an auditor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditorKey {
    /// Identifier.
    pub id: AuditorKeyId,
    /// Whose it is: the name that stands in each recording.
    pub name: String,
    /// The public key of age (X25519): `age1…`.
    pub key: String,
    /// Where it stands.
    pub state: KeyState,
    /// Who asked for it.
    pub asked: KeyStep,
    /// Who confirmed or refused it.
    pub decided: Option<KeyStep>,
    /// Who ended it.
    pub ended: Option<KeyStep>,
}

/// What somebody enters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditorKeyAsk {
    /// Whose it is.
    pub name: String,
    /// The public key of age: `age1…`.
    pub key: String,
    /// Why.
    pub reason: String,
}

impl AuditorKeyAsk {
    /// Checks what was entered, as far as it can be without the cipher.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        let line = |text: &str| !text.trim().is_empty() && text.chars().count() <= limits::AUDITOR_NAME_CHARS && !text.chars().any(char::is_control);
        if !line(&self.name) {
            return Err(Refusal::bad_field("name"));
        }
        check_reason(&self.reason)
    }
}

/// A reason: one line that says something.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_reason(reason: &str) -> Result<(), Refusal> {
    let sound = !reason.trim().is_empty() && reason.chars().count() <= limits::LINE_CHARS && !reason.chars().any(char::is_control);
    if sound { Ok(()) } else { Err(Refusal::bad_field("reason")) }
}

impl AuditorKey {
    /// Confirms or refuses it.
    ///
    /// # Errors
    /// [`Refusal::AuditorKeyStep`] if it does not wait; [`Refusal::SameHand`] for whoever asked.
    pub fn decide(&mut self, step: KeyStep, yes: bool) -> Result<(), Refusal> {
        if self.state != KeyState::Asked {
            return Err(Refusal::AuditorKeyStep);
        }
        // To take one's own wish back needs nobody else.
        if yes && step.person == self.asked.person {
            return Err(Refusal::SameHand);
        }
        self.state = if yes { KeyState::Active } else { KeyState::Refused };
        self.decided = Some(step);
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Refusal::AuditorKeyStep`] if recordings are not wrapped for it.
    pub fn end(&mut self, step: KeyStep) -> Result<(), Refusal> {
        if self.state != KeyState::Active {
            return Err(Refusal::AuditorKeyStep);
        }
        self.state = KeyState::Ended;
        self.ended = Some(step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(person: u8) -> KeyStep {
        KeyStep { person: PersonId::from_random([person; 10]), name: String::new(), at: Timestamp(0), reason: "年次監査".into() }
    }

    #[test]
    fn a_key_counts_only_after_another_person_confirmed_it() {
        let asked = AuditorKey { id: AuditorKeyId::from_random([1; 10]), name: "監査法人".into(), key: "age1q".into(), state: KeyState::Asked, asked: step(1), decided: None, ended: None };
        let mut key = asked.clone();
        assert_eq!(key.decide(step(1), true), Err(Refusal::SameHand));
        assert_eq!(key, asked, "nothing changed");
        assert_eq!(key.decide(step(2), true), Ok(()));
        assert_eq!(key.state, KeyState::Active);
        assert_eq!(key.decide(step(3), false), Err(Refusal::AuditorKeyStep));
        assert_eq!(key.end(step(1)), Ok(()));
        assert_eq!(key.end(step(1)), Err(Refusal::AuditorKeyStep));
        let mut own = asked;
        assert_eq!(own.decide(step(1), false), Ok(()), "one's own wish is taken back alone");
        assert_eq!(own.state, KeyState::Refused);
    }
}
