//! Directories and sign-in providers outside of Sekisho: what they say of a person, and what follows from it.
//!
//! A directory (LDAP, Active Directory) proves a password, a provider (OpenID Connect) proves a sign-in. Neither gives
//! anything: whom an answer belongs to, and what that person may do, stands in Sekisho's own ledger. A directory only
//! takes away.

use crate::desk::Answer;
use crate::factors::Proof;
use crate::ids::{LinkId, PersonId, VendorId};
use crate::people::{Person, Role};
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What kind of place a person is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// LDAP or Active Directory: a password is proved there.
    Directory,
    /// OpenID Connect: the browser signs in there.
    Provider,
}

impl SourceKind {
    /// The name in log and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Provider => "provider",
        }
    }
}

/// A place that is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceInfo {
    /// Its short name in the configuration; links name it.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Which kind.
    pub kind: SourceKind,
    /// The vendor whose provider it is; `None` for the hospital's own. A directory is always the hospital's.
    pub vendor: Option<VendorId>,
    /// The claim by which a person is found at the first sign-in; `sub` if it is the subject itself.
    pub claim: String,
    /// The roles that hang on groups of this directory.
    pub mapped: BTreeSet<Role>,
}

impl SourceInfo {
    /// Whether a person may be linked to it. Vendors stay local or come by their own provider.
    #[must_use]
    pub fn may_serve(&self, person: &Person) -> bool {
        person.robot.is_none() && self.vendor == person.vendor
    }
}

/// The link of a person to such a place. While it stands, the person has no password in Sekisho.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Identifier.
    pub id: LinkId,
    /// Whose.
    pub person: PersonId,
    /// Which kind.
    pub kind: SourceKind,
    /// Name of the directory or provider.
    pub source: String,
    /// What an administrator typed: the login name in the directory, or the value of the provider's claim.
    pub known_as: String,
    /// What the place itself calls the person and never gives to another one (`objectGUID`, `entryUUID`, `sub`). Known from
    /// the beginning for a directory; for a provider that is asked by another claim, from the first sign-in on.
    pub subject: Option<String>,
    /// The person ended a sign-in through it once by a code or passkey of their own. Until then a provider's own several
    /// factors do not count alone: an administrator typed the link, and nobody else has said that it is theirs.
    #[serde(default)]
    pub confirmed: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub made_by: String,
}

/// Checks what an administrator types as a person's name elsewhere.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_known_as(text: &str) -> Result<&str, Refusal> {
    let text = text.trim();
    let sound = !text.is_empty() && text.len() <= crate::limits::DIRECTORY_VALUE_BYTES && !text.chars().any(char::is_control);
    if sound { Ok(text) } else { Err(Refusal::bad_field("known_as")) }
}

/// Why a directory does not let an account in although the password may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// Disabled.
    Disabled,
    /// Its last day is over.
    Expired,
    /// Locked after wrong passwords.
    Locked,
    /// The password must be changed in the directory first.
    PasswordExpired,
}

impl Closed {
    /// The name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Locked => "locked",
            Self::PasswordExpired => "password_expired",
        }
    }

    /// True if the account has ended, false for what passes by itself or by its holder's doing.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Disabled | Self::Expired)
    }
}

/// An account as a directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What the directory never gives to another one.
    pub subject: String,
    /// Its distinguished name.
    pub dn: String,
    /// Its display name, for the administrator who links it.
    pub name: String,
    /// Why it is closed, if it is.
    pub closed: Option<Closed>,
    /// The roles whose groups it is in, of those that the configuration maps.
    pub roles: BTreeSet<Role>,
}

/// An account whose password the directory took. Not `Clone`: one proof serves one login.
#[derive(Debug)]
pub struct ProvedAccount(Account);

impl ProvedAccount {
    /// An `assertion`: over a connection whose certificate was verified, a bind with the distinguished name that a search
    /// for exactly one entry gave, and with a password that is not empty, was answered with success.
    #[must_use]
    pub fn assertion(account: Account) -> Self {
        Self(account)
    }

    /// What the directory shows of it.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.0
    }
}

/// What a provider says of somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it never gives to another one.
    pub subject: String,
    /// The value of the claim that the configuration names.
    pub known_as: Option<String>,
    /// The provider itself asked for several factors, by the values that the configuration names.
    pub several_factors: bool,
}

/// A sign-in that a provider proved. Not `Clone`: one code serves one login.
#[derive(Debug)]
pub struct SignedIn(Claims);

impl SignedIn {
    /// An `assertion`: the ID token came from the token endpoint for a code of our own request, its signature holds under a
    /// key of the issuer and an algorithm of the list, and issuer, audience, authorised party, times and nonce are right.
    #[must_use]
    pub fn assertion(claims: Claims) -> Self {
        Self(claims)
    }

    /// What the provider says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}

/// Why a directory or provider gave no proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// It does not answer, or not in a way that can be trusted: network, time, certificate, an answer that cannot be read.
    Down(String),
    /// It answers, and says no: wrong password, no such account, more than one, another account under this name.
    No(&'static str),
    /// It answers, and what it says of this one account cannot be used. Of others it may speak soundly.
    Odd(&'static str),
    /// The password may be right, and the account is closed.
    Closed(Closed),
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Down(why) => f.write_str(why),
            Self::No(why) | Self::Odd(why) => f.write_str(why),
            Self::Closed(closed) => f.write_str(closed.as_str()),
        }
    }
}

/// What a sign-in carries to the provider. All of it is drawn anew for each one.
pub struct SignInAsk {
    /// Comes back with the answer.
    pub state: Secret,
    /// Comes back in the ID token.
    pub nonce: Secret,
    /// The PKCE verifier (RFC 7636); what goes out is its SHA-256.
    pub verifier: Secret,
    /// Where the browser comes back to.
    pub redirect: String,
    /// When the person pressed the button.
    pub begun_at: Timestamp,
}

/// Who speaks to directories and providers implements this; the store asks it. Every answer is bounded in size and time.
pub trait Directory: Send + Sync {
    /// What is configured.
    fn sources(&self) -> &[SourceInfo];

    /// Looks for an account by its login name, without its password.
    fn look<'a>(&'a self, source: &'a str, login: &'a str) -> Answer<'a, Result<Account, Away>>;

    /// Proves a password. `subject` is what the link says; another account under the same login name is not taken.
    fn prove<'a>(&'a self, source: &'a str, login: &'a str, subject: &'a str, password: Secret) -> Answer<'a, Result<ProvedAccount, Away>>;

    /// Looks for many accounts at once by what the directory never gives to another one: `None` for one that is gone.
    fn survey<'a>(&'a self, source: &'a str, subjects: Vec<String>) -> Answer<'a, Result<BTreeMap<String, Option<Account>>, Away>>;

    /// The address at the provider that the browser is sent to.
    fn begin<'a>(&'a self, source: &'a str, ask: &'a SignInAsk) -> Answer<'a, Result<String, Away>>;

    /// Takes the code that the browser brought back.
    fn redeem<'a>(&'a self, source: &'a str, ask: &'a SignInAsk, code: Secret, issuer: Option<&'a str>) -> Answer<'a, Result<SignedIn, Away>>;

    /// Looks whether it can be reached and used, for `doctor`: one sentence in either case.
    fn check<'a>(&'a self, source: &'a str) -> Answer<'a, Result<String, Away>>;
}

/// What follows from an account for the person linked to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Nothing.
    Nothing,
    /// The groups no longer hold the account: these roles are left.
    Lose {
        /// The roles that are lost.
        lost: BTreeSet<Role>,
        /// The roles that are left; never empty.
        left: BTreeSet<Role>,
    },
    /// The account is gone or closed for good, or no role is left.
    End {
        /// `gone`, `disabled`, `expired`, `no_group`.
        why: &'static str,
    },
}

/// What follows for a person, given their account (`None`: it is gone). Roles that hang on no group stay as the ledger has
/// them; the directory gives none.
#[must_use]
pub fn follows(person: &Person, mapped: &BTreeSet<Role>, account: Option<&Account>) -> Follows {
    let Some(account) = account else { return Follows::End { why: "gone" } };
    if let Some(closed) = account.closed.filter(|closed| closed.is_end()) {
        return Follows::End { why: closed.as_str() };
    }
    let (left, lost): (BTreeSet<Role>, BTreeSet<Role>) = person.roles.iter().partition(|role| !mapped.contains(role) || account.roles.contains(role));
    match (lost.is_empty(), left.is_empty()) {
        (true, _) => Follows::Nothing,
        (false, true) => Follows::End { why: "no_group" },
        (false, false) => Follows::Lose { lost, left },
    }
}

/// More than this many of the linked persons may not fall away in one look, unless they are few: a base that was mistyped
/// or a right that the service account lost looks like everybody's leaving.
const PART: usize = 3;
/// So many may always fall away.
const FEW: usize = 2;

/// Whether so many changes at once are believed.
#[must_use]
pub fn is_believable(changed: usize, linked: usize) -> bool {
    changed <= FEW || changed * PART <= linked
}

/// The proof of a login whose password was proved elsewhere, or whose browser signed in elsewhere.
#[must_use]
pub fn proof_elsewhere(here: Proof) -> Proof {
    match here {
        Proof::PasswordTotp => Proof::DirectoryTotp,
        Proof::PasswordPasskey => Proof::DirectoryPasskey,
        Proof::PasswordRecovery => Proof::DirectoryRecovery,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(roles: &[Role]) -> Person {
        Person {
            id: PersonId::from_random([1; 10]),
            login: "suzuki".into(),
            name: "鈴木".into(),
            vendor: None,
            department: String::new(),
            mail: String::new(),
            phone: String::new(),
            roles: roles.iter().copied().collect(),
            active: true,
            valid_until: None,
            pledged_until: None,
            trained_until: None,
            robot: None, emergency: false,
        }
    }

    fn account(roles: &[Role], closed: Option<Closed>) -> Account {
        Account { subject: "1".into(), dn: "cn=suzuki".into(), name: "鈴木".into(), closed, roles: roles.iter().copied().collect() }
    }

    #[test]
    fn a_directory_takes_away_and_never_gives() {
        let mapped = BTreeSet::from([Role::Operator, Role::Planner, Role::Administrator]);
        let both = person(&[Role::Operator, Role::Supervisor]);
        // Groups of roles that the ledger does not give change nothing.
        assert_eq!(follows(&both, &mapped, Some(&account(&[Role::Operator, Role::Administrator], None))), Follows::Nothing);
        // Who left the group loses its role, and keeps the one that hangs on none.
        let lost = Follows::Lose { lost: BTreeSet::from([Role::Operator]), left: BTreeSet::from([Role::Supervisor]) };
        assert_eq!(follows(&both, &mapped, Some(&account(&[Role::Administrator], None))), lost);
        assert_eq!(follows(&person(&[Role::Planner]), &mapped, Some(&account(&[], None))), Follows::End { why: "no_group" });
    }

    #[test]
    fn an_account_that_has_ended_ends_the_person_and_a_locked_one_does_not() {
        let none = BTreeSet::new();
        let one = person(&[Role::Operator]);
        assert_eq!(follows(&one, &none, None), Follows::End { why: "gone" });
        assert_eq!(follows(&one, &none, Some(&account(&[], Some(Closed::Disabled)))), Follows::End { why: "disabled" });
        assert_eq!(follows(&one, &none, Some(&account(&[], Some(Closed::Expired)))), Follows::End { why: "expired" });
        for passes in [Closed::Locked, Closed::PasswordExpired] {
            assert_eq!(follows(&one, &none, Some(&account(&[], Some(passes)))), Follows::Nothing);
        }
    }

    #[test]
    fn everybody_at_once_is_not_believed() {
        for (changed, linked, believed) in [(1, 1, true), (2, 2, true), (3, 3, false), (3, 9, true), (4, 9, false), (0, 0, true)] {
            assert_eq!(is_believable(changed, linked), believed, "{changed} of {linked}");
        }
    }

    #[test]
    fn a_provider_serves_its_own_side_alone() {
        let (ours, theirs) = (VendorId::from_random([1; 10]), VendorId::from_random([2; 10]));
        let source = |vendor: Option<VendorId>| SourceInfo { name: "a".into(), label: "a".into(), kind: SourceKind::Provider, vendor, claim: "sub".into(), mapped: BTreeSet::new() };
        let of = |vendor: Option<VendorId>| Person { vendor, ..person(&[Role::Worker]) };
        assert!(source(None).may_serve(&of(None)) && source(Some(ours.clone())).may_serve(&of(Some(ours.clone()))));
        assert!(!source(None).may_serve(&of(Some(ours.clone()))) && !source(Some(ours.clone())).may_serve(&of(Some(theirs))) && !source(Some(ours)).may_serve(&of(None)));
    }
}
