//! Second keys: who holds them, and the two persons that it takes to put one in force and to end it.

use crate::auditor_key::{KeyStep, check_reason};
use crate::ids::{PersonId, SecondKeyId, TargetId};
use crate::limits;
use crate::people::{Actor, Role};
use crate::refusal::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a second key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondKeyState {
    /// It was asked for, and waits for another person.
    Asked,
    /// Recordings that begin need the agreement of its holder, or that of another holder.
    Active,
    /// The same; somebody asked for its end, which waits for another person.
    EndAsked,
    /// It was not confirmed.
    Refused,
    /// Recordings that begin need it no more. Those of its time do.
    Ended,
}

impl SecondKeyState {
    /// The name in API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Active => "active",
            Self::EndAsked => "end_asked",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }

    /// Whether recordings that begin are sealed with it. Until its end is confirmed, they are.
    #[must_use]
    pub fn in_force(self) -> bool {
        matches!(self, Self::Active | Self::EndAsked)
    }

    /// Whether it was ever put in force.
    #[must_use]
    pub fn was_confirmed(self) -> bool {
        matches!(self, Self::Active | Self::EndAsked | Self::Ended)
    }
}

/// What became of a second key, as the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondKeyChange {
    /// It was asked for.
    Asked,
    /// Another person confirmed it.
    Confirmed,
    /// It was not confirmed.
    Refused,
    /// Its end was asked for.
    EndAsked,
    /// Its end was declined: it stays in force.
    Kept,
    /// Another person confirmed its end.
    Ended,
}

impl SecondKeyChange {
    /// The name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::EndAsked => "end_asked",
            Self::Kept => "kept",
            Self::Ended => "ended",
        }
    }
}

/// What somebody does with a second key that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondKeyStep {
    /// Confirms it: another person, who is planner or safety manager.
    Confirm,
    /// Does not confirm it.
    Refuse,
    /// Asks for its end.
    AskEnd,
    /// Declines its end.
    Keep,
    /// Confirms its end: another person than the one who asked for it, who is planner or safety manager.
    End,
}

impl SecondKeyStep {
    /// What the log says of it.
    #[must_use]
    pub fn change(self) -> SecondKeyChange {
        match self {
            Self::Confirm => SecondKeyChange::Confirmed,
            Self::Refuse => SecondKeyChange::Refused,
            Self::AskEnd => SecondKeyChange::EndAsked,
            Self::Keep => SecondKeyChange::Kept,
            Self::End => SecondKeyChange::Ended,
        }
    }
}

/// A second key. Its private half is on its holder's machine and never on the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondKey {
    /// Identifier.
    pub id: SecondKeyId,
    /// Whose it is: a person of the hospital.
    pub holder: PersonId,
    /// The holder's name, as it stands in the recordings.
    pub name: String,
    /// The public key of age (X25519): `age1…`.
    pub key: String,
    /// The targets whose recordings it is for; none named means all of them.
    pub targets: Vec<TargetId>,
    /// Where it stands.
    pub state: SecondKeyState,
    /// Who asked for it.
    pub asked: KeyStep,
    /// Who confirmed or refused it.
    pub decided: Option<KeyStep>,
    /// Who asked for its end, while that waits or after it was confirmed.
    pub end_asked: Option<KeyStep>,
    /// Who confirmed its end.
    pub ended: Option<KeyStep>,
}

/// What somebody enters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondKeyAsk {
    /// Who holds the private half.
    pub holder: PersonId,
    /// The public key of age: `age1…`.
    pub key: String,
    /// The targets whose recordings it is for; none named means all of them.
    #[serde(default)]
    pub targets: Vec<TargetId>,
    /// Why.
    pub reason: String,
}

impl SecondKeyAsk {
    /// Checks what was entered, as far as it can be without the cipher and the ledgers.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        let once = self.targets.iter().enumerate().all(|(n, one)| !self.targets.iter().take(n).any(|other| other == one));
        if self.targets.len() > limits::SECOND_KEY_TARGETS || !once {
            return Err(Refusal::bad_field("targets"));
        }
        check_reason(&self.reason)
    }
}

/// Whether somebody may confirm what decides who opens recordings: planner or safety manager. Who administers the box does not by that.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may_confirm(actor: &Actor) -> Result<(), Refusal> {
    if actor.is_hospital() && (actor.is(Role::Planner) || actor.is(Role::SafetyManager)) { Ok(()) } else { Err(Refusal::NotAllowed) }
}

impl SecondKey {
    /// Whether it is for the recordings of a target.
    #[must_use]
    pub fn covers(&self, target: &TargetId) -> bool {
        self.targets.is_empty() || self.targets.contains(target)
    }

    /// Whether this person may take this step now.
    ///
    /// # Errors
    /// [`Refusal::SecondKeyStep`] if it does not fit where the key stands; [`Refusal::NotAllowed`] and [`Refusal::SameHand`] for
    /// what another person, planner or safety manager, has to do.
    pub fn check(&self, step: SecondKeyStep, actor: &Actor) -> Result<(), Refusal> {
        let (from, first) = match step {
            SecondKeyStep::Confirm => (SecondKeyState::Asked, Some(&self.asked)),
            // To take one's own wish back needs nobody else, and to decline one switches nothing off.
            SecondKeyStep::Refuse => (SecondKeyState::Asked, None),
            SecondKeyStep::AskEnd => (SecondKeyState::Active, None),
            SecondKeyStep::Keep => (SecondKeyState::EndAsked, None),
            SecondKeyStep::End => (SecondKeyState::EndAsked, self.end_asked.as_ref()),
        };
        if self.state != from {
            return Err(Refusal::SecondKeyStep);
        }
        if matches!(step, SecondKeyStep::Confirm | SecondKeyStep::End) {
            may_confirm(actor)?;
            // Without a first person there is nobody who could be another one.
            let first = first.ok_or(Refusal::SecondKeyStep)?;
            if actor.is_person(&first.person) {
                return Err(Refusal::SameHand);
            }
        }
        Ok(())
    }
}
