//! Tokens for automation: a program acts for one person or one robot, with a part of what that one may do.
//!
//! A token never reaches further than the roles of its holder at that moment *and* its own scopes: both are asked at each
//! act ([`crate::permission::may`]). What needs a fresh proof of a person is in no scope at all.

use crate::ids::{PersonId, TokenId};
use crate::people::{Person, Role};
use crate::permission::{Action, Reach, reach};
use crate::refusal::Refusal;
use crate::source::Network;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a token may be good for: reading, drawing up a plan that people then decide on, and the one act that only makes
/// things safer.
///
/// Approving, allowing, deciding, confirming and everything that asks for a fresh code is left out, because there a person
/// answers with their name for what they saw.
pub const SCOPES: [Action; 8] = [Action::ReadPlan, Action::WritePlan, Action::ReadSession, Action::CutSession, Action::ReadLedger, Action::ReadLog, Action::ReadAlarms, Action::ReadMetrics];

/// Scopes that an administrator gives to a robot, with a reason, and that nobody gives to a token of their own: who reads
/// the log reads of everybody what they did, and a person does that by a login that asks for both factors each day.
pub const GUARDED: [Action; 1] = [Action::ReadLog];

/// Roles that a robot can hold. None of them approves, enters or keeps the gateway.
pub const ROBOT_ROLES: [Role; 3] = [Role::VendorManager, Role::DutyClerk, Role::Auditor];

/// What every token begins with, so that programs that look for leaked secrets find it.
pub const PREFIX: &str = "sekisho_";
/// Characters of the secret part: 32 bytes in base32.
const SECRET_CHARS: usize = 52;
/// Characters of the check digits: CRC-32 in base32.
const CHECK_CHARS: usize = 7;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a token is good for nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEnd {
    /// Its holder or an administrator ended it.
    Revoked,
    /// Its time came.
    Expired,
    /// Its holder was disabled.
    Disabled,
    /// Password and second factor of its holder were taken away.
    Reset,
    /// Its holder lost a role that one of its scopes rested on.
    RoleLost,
    /// Its holder was linked to an account elsewhere, or such a link ended.
    Linked,
}

impl TokenEnd {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Reset => "reset",
            Self::RoleLost => "role_lost",
            Self::Linked => "linked",
        }
    }
}

/// A token as it is kept. The code itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Identifier; it stands in the log beside each act.
    pub id: TokenId,
    /// For whom it acts.
    pub person: PersonId,
    /// What its maker called it.
    pub name: String,
    /// What it may be good for.
    pub scopes: BTreeSet<Action>,
    /// Networks it may be used from; never empty.
    pub sources: Vec<Network>,
    /// SHA-256 of the code, hex.
    pub hash: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Login name of whoever made it.
    pub made_by: String,
    /// Its end.
    pub ends_at: Timestamp,
    /// Why it was given, where a guarded scope asks for a reason.
    pub reason: String,
    /// When and why it ended before that, or at that time.
    pub ended: Option<(Timestamp, TokenEnd)>,
}

impl ApiToken {
    /// True while it can be used at all.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.ends_at
    }

    /// True if it may be used from this address.
    #[must_use]
    pub fn answers(&self, source: IpAddr) -> bool {
        self.sources.iter().any(|network| network.contains(source))
    }

    /// True if each of its scopes rests on a role of the person.
    #[must_use]
    pub fn rests_on(&self, roles: &BTreeSet<Role>) -> bool {
        self.scopes.iter().all(|scope| reaches(roles, *scope))
    }
}

/// The token that an act came in by, as a part of the [`crate::people::Actor`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// Which.
    pub id: TokenId,
    /// What it is good for. The log names the token, whose making tells of the scopes; a token that was read back from
    /// there is good for nothing.
    #[serde(skip)]
    pub scopes: BTreeSet<Action>,
}

/// Whether any of these roles reaches the action.
#[must_use]
pub fn reaches(roles: &BTreeSet<Role>, action: Action) -> bool {
    roles.iter().any(|role| reach(*role, action) != Reach::None)
}

/// The scopes that a token of this person can have.
#[must_use]
pub fn offered(person: &Person) -> Vec<Action> {
    SCOPES.into_iter().filter(|scope| reaches(&person.roles, *scope) && (person.robot.is_some() || !GUARDED.contains(scope))).collect()
}

/// Checks the scopes of a token that is made.
///
/// # Errors
/// [`Refusal::BadField`]; [`Refusal::ReasonNeeded`] where a guarded scope is given without one.
pub fn check_scopes(person: &Person, scopes: &BTreeSet<Action>, reason: &str) -> Result<(), Refusal> {
    let offered = offered(person);
    if scopes.is_empty() || !scopes.iter().all(|scope| offered.contains(scope)) {
        return Err(Refusal::bad_field("scopes"));
    }
    if scopes.iter().any(|scope| GUARDED.contains(scope)) && reason.trim().is_empty() {
        return Err(Refusal::ReasonNeeded);
    }
    Ok(())
}

/// Checks the networks of a token: at least one, and none that is the whole world.
///
/// # Errors
/// [`Refusal::BadField`] or [`Refusal::TooMany`].
pub fn check_sources(sources: &[Network]) -> Result<(), Refusal> {
    if sources.len() > crate::limits::TOKEN_SOURCES {
        return Err(Refusal::too_many("TOKEN_SOURCES"));
    }
    if sources.is_empty() || sources.iter().any(|network| network.is_everything()) {
        return Err(Refusal::bad_field("sources"));
    }
    Ok(())
}

/// Checks what is special about a robot: its roles, and that somebody of its own side answers for it.
///
/// # Errors
/// [`Refusal::BadField`] with the field's name.
pub fn check_robot(robot: &Person, responsible: Option<&Person>, now: Timestamp) -> Result<(), Refusal> {
    if !robot.roles.iter().all(|role| ROBOT_ROLES.contains(role)) {
        return Err(Refusal::bad_field("robot_roles"));
    }
    match responsible {
        Some(person) if person.robot.is_none() && person.vendor == robot.vendor && person.may_act(now) => Ok(()),
        _ => Err(Refusal::bad_field("responsible")),
    }
}

/// The text of a token, from 32 bytes that the caller drew from the operating system.
#[must_use]
pub fn write(bytes: &[u8; 32]) -> String {
    let secret = base32(bytes);
    let check = check_of(&secret);
    format!("{PREFIX}{secret}{check}")
}

/// True if a text has the form of a token and its check digits fit. Whether it is one, only the store knows.
#[must_use]
pub fn has_form(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else { return false };
    if rest.len() != SECRET_CHARS + CHECK_CHARS || !rest.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return false;
    }
    rest.split_at_checked(SECRET_CHARS).is_some_and(|(secret, check)| check_of(secret) == check)
}

fn check_of(secret: &str) -> String {
    let mut text = base32(&crc32(secret.as_bytes()).to_be_bytes());
    text.truncate(CHECK_CHARS);
    text
}

/// CRC-32 as in ISO 3309, reflected, polynomial 0xEDB88320. It finds slips of the hand; it proves nothing.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// RFC 4648 base32 in lower case without padding.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u32, 0_u32);
    let digit = |value: u32| ALPHABET.get((value & 31) as usize).copied().map_or('a', char::from);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(digit(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(digit(held << (5 - bits)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_by_its_form_alone() {
        let text = write(&[7; 32]);
        assert!(text.starts_with("sekisho_") && text.len() == 67, "{text}");
        assert!(has_form(&text));
        // One wrong character anywhere in it is seen.
        for at in PREFIX.len()..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            assert!(!has_form(std::str::from_utf8(&bytes).unwrap()), "character {at}");
        }
        for bad in ["", "sekisho_", "sekisho_é", &text[1..], &format!("{text}a"), &text.to_uppercase()] {
            assert!(!has_form(bad), "{bad}");
        }
    }

    #[test]
    fn the_check_digits_are_those_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(base32(&[0xff; 32]).len(), SECRET_CHARS);
    }

    #[test]
    fn no_scope_asks_for_a_fresh_code_or_decides_anything() {
        for scope in SCOPES {
            assert!(!scope.needs_step_up(), "{scope:?}");
        }
        use Action as A;
        for act in [A::ApprovePlan, A::AllowEmergency, A::DecideExtension, A::DecideFinding, A::ConfirmReport, A::CountersignReport, A::ControlSession, A::KeepLedger, A::UnlockPerson, A::EnterTarget, A::KeepOwnLogin] {
            assert!(!SCOPES.contains(&act), "{act:?}");
        }
    }

    #[test]
    fn the_scopes_of_each_role_are_the_golden_text() {
        let mut text = String::new();
        for role in Role::ALL {
            let roles = BTreeSet::from([role]);
            let names: Vec<String> = SCOPES.into_iter().filter(|scope| reaches(&roles, *scope)).map(|scope| format!("{scope:?}{}", if GUARDED.contains(&scope) { " (robots, by an administrator)" } else { "" })).collect();
            let robot = if ROBOT_ROLES.contains(&role) { " | robots too" } else { "" };
            text.push_str(&format!("{}: {}{robot}\n", role.as_str(), if names.is_empty() { "-".to_owned() } else { names.join(", ") }));
        }
        assert_eq!(text, include_str!("../golden/token-scopes.txt"), "\n{text}");
    }
}
