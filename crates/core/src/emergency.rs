//! Emergency accounts (非常時用アカウント): sealed in envelopes in quiet times, opened with an alarm, ended and renewed afterwards.
//!
//! Guideline 11 ①(1) to (3) and 11.2: a procedure, use that is always detected, credentials that cannot go on being used
//! after the return to normal. The two factors are two envelopes: a password, and a card of one-time codes. Whoever keeps
//! the one does not keep the other where the hospital asks for two persons.

use crate::ids::{EmergencyId, EmergencyUseId, PersonId};
use crate::limits;
use crate::people::{Actor, Role};
use crate::permission::Action;
use crate::plan::content::{check_line, check_text};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization as _;

/// The roles that an emergency account may hold. None of them keeps ledgers: whoever needs that has the box's own console.
pub const ROLES: [Role; 5] = [Role::DutyClerk, Role::Operator, Role::Supervisor, Role::Planner, Role::SafetyManager];

/// What an emergency account never does, whatever its roles: nothing that would outlive the emergency, nothing about
/// emergency accounts, and none of the decisions for which another person than the applicant or the first approver is asked.
/// Who sits behind the account the box does not know, so it cannot keep these apart. To allow an emergency stays: that is what
/// the account is for, and the decision after the fact is made under a login of one's own.
#[must_use]
pub fn is_shut(action: Action) -> bool {
    use Action as A;
    matches!(action, A::KeepLedger | A::KeepOwnLogin | A::KeepOwnFactors | A::OpenKeyWindow | A::CertifyDevice | A::KeepEmergency | A::ReviewEmergency | A::KeepAuditorKeys | A::UnlockPerson)
        || matches!(action, A::JudgeLogReview | A::SignLogReview | A::ConfirmLogReview | A::TakeNoteOfReport | A::IssueReport | A::ApprovePlan | A::ApproveAfterFact | A::DecideFinding | A::ConfirmReport | A::DecideExtension | A::LiftHold | A::AskRetention | A::DecideRetention | A::ResumeDeleting | A::AgreeViewing)
}

/// One half of what opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// The password.
    Password,
    /// The card of one-time codes.
    Card,
}

impl Half {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Password, Self::Card];

    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Card => "card",
        }
    }

    /// Reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|half| half.as_str() == text)
    }
}

/// Why an account is opened: the causes of table 11-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyCause {
    /// 災害.
    Disaster,
    /// サイバー攻撃.
    Attack,
    /// システム障害.
    Failure,
    /// 訓練.
    Drill,
    /// Something else.
    Other,
}

impl EmergencyCause {
    /// All.
    pub const ALL: [Self; 5] = [Self::Disaster, Self::Attack, Self::Failure, Self::Drill, Self::Other];

    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disaster => "disaster",
            Self::Attack => "attack",
            Self::Failure => "failure",
            Self::Drill => "drill",
            Self::Other => "other",
        }
    }

    /// Reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// In Japanese, for letters.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Disaster => "災害",
            Self::Attack => "サイバー攻撃",
            Self::Failure => "システム障害",
            Self::Drill => "訓練",
            Self::Other => "その他",
        }
    }

    /// In English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Disaster => "disaster",
            Self::Attack => "cyber attack",
            Self::Failure => "system failure",
            Self::Drill => "drill",
            Self::Other => "other",
        }
    }
}

/// An envelope with one half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// The number on it.
    pub number: String,
    /// Who printed what is in it.
    pub made_by: PersonId,
    /// Their name.
    pub made_by_name: String,
    /// When.
    pub made_at: Timestamp,
    /// Who keeps it.
    pub holder: String,
    /// Where it lies.
    pub place: String,
    /// When somebody last saw it sealed: the making counts.
    pub seen_at: Timestamp,
    /// Who.
    pub seen_by: String,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyState {
    /// Envelopes are missing: nobody can open it.
    Unprepared,
    /// Both envelopes are there.
    Sealed,
    /// It was opened and the return to normal was not declared.
    Opened,
    /// It was taken out of service.
    Retired,
}

impl EmergencyState {
    /// The name in API and words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unprepared => "unprepared",
            Self::Sealed => "sealed",
            Self::Opened => "opened",
            Self::Retired => "retired",
        }
    }
}

/// An emergency account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyAccount {
    /// Identifier.
    pub id: EmergencyId,
    /// The person in whose name it acts: an entry of the ledger that belongs to no one.
    pub person: PersonId,
    /// Login name, as on the envelopes.
    pub login: String,
    /// Display name.
    pub name: String,
    /// What it is for, and where the procedure stands.
    pub purpose: String,
    /// Who is told at once when it is opened.
    pub told: Vec<PersonId>,
    /// Taken out of service.
    pub retired: bool,
    /// Envelopes made so far; numbers them, and binds the secrets to one making.
    pub serial: u32,
    /// The envelope with the password.
    pub password: Option<Envelope>,
    /// The envelope with the card.
    pub card: Option<Envelope>,
    /// Which codes of the card were used, one bit each.
    pub spent: u32,
    /// The use that goes on.
    pub open: Option<EmergencyUseId>,
    /// Until when a login of this use holds; a new opening by the envelopes, with its alarm, goes on from there.
    pub open_until: Option<Timestamp>,
}

impl EmergencyAccount {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> EmergencyState {
        match (self.retired, &self.open, &self.password, &self.card) {
            (true, ..) => EmergencyState::Retired,
            (_, Some(_), ..) => EmergencyState::Opened,
            (_, None, Some(_), Some(_)) => EmergencyState::Sealed,
            _ => EmergencyState::Unprepared,
        }
    }

    /// The envelope of a half.
    #[must_use]
    pub fn envelope(&self, half: Half) -> Option<&Envelope> {
        match half {
            Half::Password => self.password.as_ref(),
            Half::Card => self.card.as_ref(),
        }
    }

    /// True while a login of it holds.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        !self.retired && self.open.is_some() && self.open_until.is_some_and(|until| now < until)
    }

    /// Codes left on the card.
    #[must_use]
    pub fn codes_left(&self) -> usize {
        if self.card.is_some() { limits::EMERGENCY_CODES.saturating_sub(self.spent.count_ones() as usize) } else { 0 }
    }

    /// When the envelopes must be looked at next; `None` without envelopes.
    #[must_use]
    pub fn look_due(&self, policy: &Policy) -> Option<Timestamp> {
        let oldest = Half::ALL.into_iter().filter_map(|half| self.envelope(half)).map(|envelope| envelope.seen_at).min()?;
        Some(oldest.plus(Duration::from_secs(u64::from(policy.emergency_check_days) * 86_400)))
    }

    /// Whether this person may print the half, and by what rule not.
    ///
    /// # Errors
    /// [`Refusal::SameHand`] where two persons are asked for and the other half was printed by the same;
    /// [`Refusal::EmergencyState`] while it is opened or out of service.
    pub fn may_make(&self, half: Half, by: &PersonId, policy: &Policy) -> Result<(), Refusal> {
        if matches!(self.state(), EmergencyState::Opened | EmergencyState::Retired) {
            return Err(Refusal::EmergencyState);
        }
        let other = match half {
            Half::Password => &self.card,
            Half::Card => &self.password,
        };
        if policy.emergency_persons >= 2 && other.as_ref().is_some_and(|envelope| envelope.made_by == *by) {
            return Err(Refusal::SameHand);
        }
        Ok(())
    }
}

/// One opening by the envelopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opening {
    /// When.
    pub at: Timestamp,
    /// From which address.
    pub source: String,
    /// The names that those who opened it gave.
    pub openers: Vec<String>,
    /// The cause.
    pub cause: EmergencyCause,
    /// The reason, in words.
    pub reason: String,
}

/// The review of a use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UseReview {
    /// Who signed.
    pub by: PersonId,
    /// Their name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// True if the use was in order.
    pub sound: bool,
    /// What was looked at and found.
    pub note: String,
    /// Entries of the log by this account during the use, as they were shown.
    pub entries: u64,
}

/// One use: from the first opening to the return to normal, and its review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EmergencyUse {
    /// Identifier.
    pub id: EmergencyUseId,
    /// Which account.
    pub account: EmergencyId,
    /// The person in whose name it acted.
    pub person: PersonId,
    /// Its login name.
    pub login: String,
    /// Each opening by the envelopes, the first one first.
    pub openings: Vec<Opening>,
    /// Who was told: names of persons and addresses.
    pub told: Vec<String>,
    /// When the return to normal was declared.
    pub closed_at: Option<Timestamp>,
    /// By whom.
    pub closed_by: Option<String>,
    /// The same as an entry of the ledger; `None` where the console did it.
    #[serde(default)]
    pub closed_by_id: Option<PersonId>,
    /// What they said.
    #[serde(default)]
    pub closing_note: String,
    /// The review.
    pub review: Option<UseReview>,
}

impl EmergencyUse {
    /// When it began.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.openings.first().map_or(Timestamp(0), |opening| opening.at)
    }

    /// Whether this person may review the use: not while it goes on, not twice, and never one of those who opened or closed it.
    ///
    /// # Errors
    /// [`Refusal::EmergencyState`], [`Refusal::SameHand`].
    pub fn may_review(&self, actor: &Actor) -> Result<(), Refusal> {
        if self.closed_at.is_none() || self.review.is_some() {
            return Err(Refusal::EmergencyState);
        }
        let opened = is_among(self.openings.iter().flat_map(|opening| &opening.openers), actor);
        let closed = self.closed_by_id.as_ref().is_some_and(|person| actor.is_person(person));
        if opened || closed { Err(Refusal::SameHand) } else { Ok(()) }
    }
}

/// Whether one of the names that were typed at an opening is this person's, be it the name or the login.
pub fn is_among<'a>(openers: impl IntoIterator<Item = &'a String>, actor: &Actor) -> bool {
    let own = [squeezed(&actor.name), squeezed(&actor.login)];
    openers.into_iter().any(|name| own.contains(&squeezed(name)))
}

/// A name by its letters and digits alone, whatever width and case they were typed in: 佐藤　健 and 佐藤健 are one, and so are
/// ｻﾄｳ and サトウ.
fn squeezed(name: &str) -> String {
    name.nfkc().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What those who open say before anything is looked at.
#[derive(Clone, Debug)]
pub struct OpeningClaim {
    /// Names of those who open it.
    pub openers: Vec<String>,
    /// The cause.
    pub cause: EmergencyCause,
    /// The reason.
    pub reason: String,
}

impl OpeningClaim {
    /// Checks the form: as many different names as policy asks for, and a reason.
    ///
    /// # Errors
    /// The field that is wrong; [`Refusal::ReasonNeeded`].
    pub fn check(&self, policy: &Policy) -> Result<Self, Refusal> {
        let openers: Vec<String> = self.openers.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        for name in &openers {
            check_line("opener", name)?;
        }
        if openers.is_empty() {
            return Err(Refusal::bad_field("opener"));
        }
        let different: BTreeSet<String> = openers.iter().map(|name| squeezed(name)).collect();
        if different.len() < policy.emergency_persons as usize || openers.len() > 4 {
            return Err(Refusal::bad_field("opener2"));
        }
        check_text("reason", &self.reason)?;
        if self.reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        Ok(Self { openers, cause: self.cause, reason: self.reason.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(persons: u32) -> Policy {
        Policy { emergency_persons: persons, ..Policy::default() }
    }

    fn claim(openers: &[&str]) -> OpeningClaim {
        OpeningClaim { openers: openers.iter().map(|&name| name.to_owned()).collect(), cause: EmergencyCause::Failure, reason: "電源断".into() }
    }

    #[test]
    fn two_persons_are_two_names() {
        assert!(claim(&["佐藤 健"]).check(&policy(1)).is_ok());
        assert!(claim(&["佐藤 健"]).check(&policy(2)).is_err());
        assert!(claim(&["佐藤 健", "佐藤　健"]).check(&policy(2)).is_err());
        assert!(claim(&["ｻﾄｳ･ｹﾝ", "サトウ ケン"]).check(&policy(2)).is_err());
        assert!(claim(&["sato", "ＳＡＴＯ\u{200b}"]).check(&policy(2)).is_err());
        assert!(claim(&["佐藤 健", "森 明"]).check(&policy(2)).is_ok());
        assert!(claim(&["", " "]).check(&policy(1)).is_err());
        let silent = OpeningClaim { reason: " ".into(), ..claim(&["佐藤 健", "森 明"]) };
        assert_eq!(silent.check(&policy(2)).err(), Some(Refusal::ReasonNeeded));
    }

    #[test]
    fn whoever_prints_one_half_does_not_print_the_other_where_two_are_asked_for() {
        let (one, other) = (PersonId::from_random([1; 10]), PersonId::from_random([2; 10]));
        let envelope = Envelope { number: "hijo-01-1".into(), made_by: one.clone(), made_by_name: "一".into(), made_at: Timestamp(0), holder: "a".into(), place: "b".into(), seen_at: Timestamp(0), seen_by: "一".into() };
        let mut account = EmergencyAccount {
            id: EmergencyId::from_random([3; 10]),
            person: PersonId::from_random([4; 10]),
            login: "hijo-01".into(),
            name: "非常時用 01".into(),
            purpose: String::new(),
            told: vec![one.clone()],
            retired: false,
            serial: 1,
            password: Some(envelope.clone()),
            card: None,
            spent: 0,
            open: None,
            open_until: None,
        };
        assert_eq!(account.state(), EmergencyState::Unprepared);
        assert_eq!(account.may_make(Half::Card, &one, &policy(2)), Err(Refusal::SameHand));
        assert_eq!(account.may_make(Half::Card, &one, &policy(1)), Ok(()));
        assert_eq!(account.may_make(Half::Card, &other, &policy(2)), Ok(()));
        account.card = Some(Envelope { made_by: other.clone(), ..envelope });
        assert_eq!(account.state(), EmergencyState::Sealed);
        account.open = Some(EmergencyUseId::from_random([5; 10]));
        assert_eq!(account.may_make(Half::Password, &one, &policy(1)), Err(Refusal::EmergencyState));
    }
}
