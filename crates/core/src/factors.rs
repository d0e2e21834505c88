//! What proves a login in the browser: the kinds of second factor, what each role asks for, and how far a login reaches.

use crate::people::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// A one-time code of an authenticator app (RFC 6238).
    Totp,
    /// A passkey or security key (WebAuthn), always with user verification.
    Passkey,
    /// One of ten recovery codes on paper.
    Recovery,
    /// What a sign-in provider asked for besides its password, where the configuration takes its word for it.
    Provider,
    /// A code of the card of an emergency account.
    Card,
}

impl FactorKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Totp, Self::Passkey, Self::Recovery, Self::Provider, Self::Card];

    /// The name in configuration, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
            Self::Provider => "provider",
            Self::Card => "card",
        }
    }

    /// True for what a person holds every day; a recovery code only leads back to one of these.
    #[must_use]
    pub fn is_strong(self) -> bool {
        self != Self::Recovery
    }

    /// True for what is registered with Sekisho itself, so that everybody can hold it.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Self::Totp | Self::Passkey)
    }
}

/// How a login was proved.
///
/// INVARIANT: every value names two factors of different kinds in one authentication (guideline 14 ⑤, 14.1.1 table 14-1):
/// knowledge and possession, or possession and the PIN or biometry that the authenticator verified itself. A login with
/// less has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Password and one-time code.
    PasswordTotp,
    /// Password and passkey.
    PasswordPasskey,
    /// A passkey alone: possession of the key, and PIN or biometry verified by its authenticator.
    Passkey,
    /// Password and a recovery code.
    PasswordRecovery,
    /// A password that a directory took, and a one-time code.
    DirectoryTotp,
    /// A password that a directory took, and a passkey.
    DirectoryPasskey,
    /// A password that a directory took, and a recovery code.
    DirectoryRecovery,
    /// A sign-in at a provider that asked for several factors itself, and whose word for that the configuration takes.
    Provider,
    /// A sign-in at a provider, and a one-time code of Sekisho.
    ProviderTotp,
    /// A sign-in at a provider, and a passkey of Sekisho.
    ProviderPasskey,
    /// The two envelopes of an emergency account: the password of the one, a code of the card in the other.
    Envelopes,
}

impl Proof {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::PasswordTotp,
        Self::PasswordPasskey,
        Self::Passkey,
        Self::PasswordRecovery,
        Self::DirectoryTotp,
        Self::DirectoryPasskey,
        Self::DirectoryRecovery,
        Self::Provider,
        Self::ProviderTotp,
        Self::ProviderPasskey,
        Self::Envelopes,
    ];

    /// The name in the log and in the sealed row of a login.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordTotp => "password_totp",
            Self::PasswordPasskey => "password_passkey",
            Self::Passkey => "passkey",
            Self::PasswordRecovery => "password_recovery",
            Self::DirectoryTotp => "directory_totp",
            Self::DirectoryPasskey => "directory_passkey",
            Self::DirectoryRecovery => "directory_recovery",
            Self::Provider => "provider",
            Self::ProviderTotp => "provider_totp",
            Self::ProviderPasskey => "provider_passkey",
            Self::Envelopes => "envelopes",
        }
    }

    /// Reads what [`Proof::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == text)
    }

    /// True if a directory or provider proved the first factor.
    #[must_use]
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Self::DirectoryTotp | Self::DirectoryPasskey | Self::DirectoryRecovery | Self::Provider | Self::ProviderTotp | Self::ProviderPasskey)
    }

    /// The kind that policy asks about.
    #[must_use]
    pub fn kind(self) -> FactorKind {
        match self {
            Self::PasswordTotp | Self::DirectoryTotp | Self::ProviderTotp => FactorKind::Totp,
            Self::PasswordPasskey | Self::Passkey | Self::DirectoryPasskey | Self::ProviderPasskey => FactorKind::Passkey,
            Self::PasswordRecovery | Self::DirectoryRecovery => FactorKind::Recovery,
            Self::Provider => FactorKind::Provider,
            Self::Envelopes => FactorKind::Card,
        }
    }

    /// The proof of the same login after a fresh factor of another kind was given in it.
    #[must_use]
    pub fn with(self, kind: FactorKind) -> Self {
        match (self, kind) {
            (Self::Passkey, FactorKind::Passkey) => Self::Passkey,
            // A passkey login proved two kinds; a code given in it is one more possession, not a password.
            (Self::Passkey | Self::Envelopes, _) | (_, FactorKind::Recovery | FactorKind::Provider | FactorKind::Card) => self,
            (Self::DirectoryTotp | Self::DirectoryPasskey | Self::DirectoryRecovery, FactorKind::Totp) => Self::DirectoryTotp,
            (Self::DirectoryTotp | Self::DirectoryPasskey | Self::DirectoryRecovery, FactorKind::Passkey) => Self::DirectoryPasskey,
            (Self::Provider | Self::ProviderTotp | Self::ProviderPasskey, FactorKind::Totp) => Self::ProviderTotp,
            (Self::Provider | Self::ProviderTotp | Self::ProviderPasskey, FactorKind::Passkey) => Self::ProviderPasskey,
            (_, FactorKind::Totp) => Self::PasswordTotp,
            (_, FactorKind::Passkey) => Self::PasswordPasskey,
        }
    }
}

/// Which strong factors a person holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    /// An authenticator app.
    pub totp: bool,
    /// A passkey that may be used.
    pub passkey: bool,
}

impl Held {
    /// Whether the person holds this kind.
    #[must_use]
    pub fn holds(self, kind: FactorKind) -> bool {
        match kind {
            FactorKind::Totp => self.totp,
            FactorKind::Passkey => self.passkey,
            FactorKind::Recovery | FactorKind::Provider | FactorKind::Card => false,
        }
    }
}

/// What each role asks for; a role without an entry asks for nothing in particular.
pub type RoleFactors = BTreeMap<Role, BTreeSet<FactorKind>>;

/// The kinds that a person of these roles may use: what every one of the roles accepts.
#[must_use]
pub fn allowed(asked: &RoleFactors, roles: &BTreeSet<Role>) -> BTreeSet<FactorKind> {
    let mut kinds = BTreeSet::from(FactorKind::ALL);
    for role in roles {
        if let Some(of_role) = asked.get(role) {
            kinds.retain(|kind| of_role.contains(kind));
        }
    }
    kinds
}

/// How far a factor reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The roles accept it.
    Full,
    /// The roles ask for another kind that the person does not hold: good for setting that up, and for nothing else.
    SettingUp,
    /// The roles ask for another kind, and the person holds it: the weaker way is shut.
    Shut,
}

/// How far a factor of this kind reaches for a person of these roles.
#[must_use]
pub fn standing(asked: &RoleFactors, roles: &BTreeSet<Role>, kind: FactorKind, held: Held) -> Standing {
    let allowed = allowed(asked, roles);
    if allowed.contains(&kind) {
        Standing::Full
    } else if !kind.is_strong() || allowed.iter().any(|kind| held.holds(*kind)) {
        // A line of paper sets up nothing where the roles do not accept it.
        Standing::Shut
    } else {
        Standing::SettingUp
    }
}

/// Whether strong factors that are left over suffice for the roles.
#[must_use]
pub fn suffices(asked: &RoleFactors, roles: &BTreeSet<Role>, held: Held) -> bool {
    allowed(asked, roles).into_iter().any(|kind| kind.is_strong() && held.holds(kind))
}

/// Entries that would shut somebody out for good, one sentence each.
#[must_use]
pub fn problems(asked: &RoleFactors) -> Vec<String> {
    let strong = |role: Role| -> BTreeSet<FactorKind> { asked.get(&role).map_or_else(|| BTreeSet::from(FactorKind::ALL), Clone::clone).into_iter().filter(|kind| kind.is_own()).collect() };
    let mut found = Vec::new();
    for role in asked.keys() {
        if strong(*role).is_empty() {
            found.push(format!("policy.factors.{} names neither totp nor passkey: nobody of this role could log in", role.as_str()));
        }
    }
    // Roles of one side may be held by one person, who meets the strictest: with nothing in common they could not log in.
    for (place, one) in Role::ALL.into_iter().enumerate() {
        for other in Role::ALL.into_iter().skip(place + 1) {
            let together = one.is_vendors() == other.is_vendors() && one != Role::Auditor && other != Role::Auditor;
            let (first, second) = (strong(one), strong(other));
            if together && !first.is_empty() && !second.is_empty() && first.is_disjoint(&second) {
                found.push(format!("policy.factors: {} and {} accept no factor in common: a person who holds both roles could not log in", one.as_str(), other.as_str()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(Role, &[FactorKind])]) -> RoleFactors {
        pairs.iter().map(|(role, kinds)| (*role, kinds.iter().copied().collect())).collect()
    }

    #[test]
    fn without_an_entry_every_kind_is_accepted() {
        let roles = BTreeSet::from([Role::Worker]);
        for kind in FactorKind::ALL {
            assert_eq!(standing(&RoleFactors::new(), &roles, kind, Held::default()), Standing::Full);
        }
    }

    #[test]
    fn several_roles_meet_the_strictest() {
        let asked = asked(&[(Role::Administrator, &[FactorKind::Passkey]), (Role::Operator, &[FactorKind::Totp, FactorKind::Passkey])]);
        let both = BTreeSet::from([Role::Administrator, Role::Operator]);
        let (nothing, code, key) = (Held::default(), Held { totp: true, passkey: false }, Held { totp: true, passkey: true });
        assert_eq!(standing(&asked, &both, FactorKind::Passkey, key), Standing::Full);
        // Who has no passkey comes as far as setting one up; who has one cannot go around it.
        assert_eq!(standing(&asked, &both, FactorKind::Totp, code), Standing::SettingUp);
        assert_eq!(standing(&asked, &both, FactorKind::Totp, key), Standing::Shut);
        assert_eq!(standing(&asked, &both, FactorKind::Recovery, key), Standing::Shut);
        // Paper sets nothing up where a role does not accept it.
        assert_eq!(standing(&asked, &both, FactorKind::Recovery, nothing), Standing::Shut);
        let operator = BTreeSet::from([Role::Operator]);
        assert_eq!(standing(&asked, &operator, FactorKind::Totp, key), Standing::Full);
        assert!(suffices(&asked, &operator, code) && !suffices(&asked, &both, code) && !suffices(&asked, &operator, nothing));
    }

    #[test]
    fn settings_that_shut_somebody_out_are_told() {
        assert!(problems(&RoleFactors::new()).is_empty());
        assert_eq!(problems(&asked(&[(Role::Planner, &[FactorKind::Recovery])])).len(), 1);
        assert_eq!(problems(&asked(&[(Role::Planner, &[])])).len(), 1);
        assert_eq!(problems(&asked(&[(Role::Operator, &[FactorKind::Totp]), (Role::Administrator, &[FactorKind::Passkey])])).len(), 1);
        // The sides are never in one hand, and an auditor is nothing else.
        assert!(problems(&asked(&[(Role::Worker, &[FactorKind::Totp]), (Role::Administrator, &[FactorKind::Passkey]), (Role::Auditor, &[FactorKind::Totp])])).is_empty());
    }

    #[test]
    fn every_proof_is_two_kinds_and_a_step_up_never_makes_it_less() {
        for proof in Proof::ALL {
            assert_eq!(Proof::parse(proof.as_str()), Some(proof));
            for kind in [FactorKind::Totp, FactorKind::Passkey] {
                assert!(proof.with(kind).kind().is_strong());
            }
            assert_eq!(proof.with(FactorKind::Recovery), proof);
        }
        assert_eq!(Proof::PasswordRecovery.with(FactorKind::Passkey), Proof::PasswordPasskey);
        assert_eq!(Proof::Passkey.with(FactorKind::Totp), Proof::Passkey);
        assert_eq!(Proof::parse("password"), None);
    }
}
