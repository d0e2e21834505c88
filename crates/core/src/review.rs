//! Reviews of accounts (棚卸): line by line somebody who knows the people says whether each account stays, and signs.
//!
//! The hospital's persons are answered for by a reviewer of their department, a vendor's by its manager. Nobody answers for
//! themselves. What nobody answered until the deadline is told as that, and is never taken for a yes.

use crate::ids::{PersonId, ReviewId, VendorId};
use crate::people::{Actor, Person, Role};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What becomes of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// It stays as it is.
    Keep,
    /// It stays, and something about it is wrong.
    Change,
    /// It is not needed any more.
    End,
}

impl ReviewVerdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Change, Self::End];

    /// The name in forms and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Change => "change",
            Self::End => "end",
        }
    }

    /// Reads what [`ReviewVerdict::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewMark {
    /// Who.
    pub by: PersonId,
    /// Their name at that moment.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

/// An answer to one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewAnswer {
    /// What becomes of the account.
    pub verdict: ReviewVerdict,
    /// Why; needed for a change and an end.
    pub reason: String,
    /// Who said so.
    pub mark: ReviewMark,
}

/// One account, as it was when the review began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewLine {
    /// Who.
    pub person: PersonId,
    /// Login name.
    pub login: String,
    /// Name.
    pub name: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// A robot.
    pub robot: bool,
    /// Last login or use, if there was one.
    pub last_use: Option<Timestamp>,
    /// End of contract or appointment.
    pub valid_until: Option<Timestamp>,
    /// What was answered.
    pub answer: Option<ReviewAnswer>,
    /// When the account was disabled because of this review.
    pub disabled_at: Option<Timestamp>,
}

/// The accounts that one reviewer answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewGroup {
    /// The vendor, for a vendor's persons.
    pub vendor: Option<VendorId>,
    /// Name of the department or the vendor.
    pub name: String,
    /// The person of the hospital who answers; `None` where the vendor's managers do.
    pub reviewer: Option<PersonId>,
    /// Their name, or that of the vendor's managers.
    pub reviewer_name: String,
    /// Who signed, and when.
    pub signed: Option<ReviewMark>,
    /// The accounts.
    pub lines: Vec<ReviewLine>,
}

impl ReviewGroup {
    /// True if this person is the one who answers here.
    #[must_use]
    pub fn is_of(&self, actor: &Actor) -> bool {
        match (&self.reviewer, &self.vendor) {
            (Some(reviewer), _) => actor.is_person(reviewer),
            (None, Some(vendor)) => actor.is(Role::VendorManager) && actor.vendor.as_ref() == Some(vendor),
            (None, None) => false,
        }
    }

    /// True if nothing is left to answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.lines.iter().all(|line| line.answer.is_some())
    }
}

/// A review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// Identifier.
    pub id: ReviewId,
    /// What it is called: 2026年度下期 棚卸.
    pub title: String,
    /// Who began it.
    pub started: ReviewMark,
    /// Until when it can be answered.
    pub deadline: Timestamp,
    /// When it was closed; the result stands since then.
    pub closed_at: Option<Timestamp>,
    /// Departments and vendors.
    pub groups: Vec<ReviewGroup>,
}

/// What somebody says about one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewSaid {
    /// Who it is about.
    pub person: PersonId,
    /// What becomes of the account.
    pub verdict: ReviewVerdict,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Which accounts one act disables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewEnding {
    /// Those that nobody answered for.
    Unanswered,
    /// Those of which it was said that they are not needed.
    Ended,
}

impl ReviewEnding {
    /// The name in forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Ended => "ended",
        }
    }

    /// Reads what [`ReviewEnding::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unanswered, Self::Ended].into_iter().find(|which| which.as_str() == text)
    }
}

/// Numbers of a review.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewCount {
    /// Accounts.
    pub lines: usize,
    /// Kept.
    pub keep: usize,
    /// To be changed.
    pub change: usize,
    /// To be ended.
    pub end: usize,
    /// Without an answer.
    pub open: usize,
    /// Groups without a signature.
    pub unsigned: usize,
}

impl Review {
    /// True while it can be answered.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closed_at.is_none() && now < self.deadline
    }

    /// All accounts.
    pub fn lines(&self) -> impl Iterator<Item = &ReviewLine> {
        self.groups.iter().flat_map(|group| group.lines.iter())
    }

    /// Its numbers.
    #[must_use]
    pub fn count(&self) -> ReviewCount {
        let mut count = ReviewCount { unsigned: self.groups.iter().filter(|group| group.signed.is_none()).count(), ..ReviewCount::default() };
        for line in self.lines() {
            count.lines += 1;
            match line.answer.as_ref().map(|answer| answer.verdict) {
                Some(ReviewVerdict::Keep) => count.keep += 1,
                Some(ReviewVerdict::Change) => count.change += 1,
                Some(ReviewVerdict::End) => count.end += 1,
                None => count.open += 1,
            }
        }
        count
    }

    /// Whether this person may answer for one account of a group: its reviewer, or an administrator; nobody for themselves.
    #[must_use]
    pub fn may_answer(&self, group: usize, actor: &Actor, person: &PersonId) -> bool {
        let named = self.groups.get(group).is_some_and(|group| group.is_of(actor));
        !actor.is_person(person) && (named || actor.is(Role::Administrator))
    }

    /// Takes answers for accounts of one group, and the signature beneath them.
    ///
    /// # Errors
    /// [`Refusal::ReviewOver`] after the deadline or the signature; [`Refusal::NotAllowed`]; [`Refusal::ReasonNeeded`]; a
    /// signature while a line is open is [`Refusal::ReviewOpenLines`].
    pub fn answer(&mut self, group: usize, actor: &Actor, said: &[ReviewSaid], sign: bool, now: Timestamp) -> Result<(), Refusal> {
        let open = self.is_open(now);
        let by = actor.person.clone().ok_or(Refusal::NotAllowed)?;
        for one in said {
            if !self.may_answer(group, actor, &one.person) {
                return Err(Refusal::NotAllowed);
            }
        }
        let held = self.groups.get_mut(group).ok_or(Refusal::NotFound)?;
        if !open || held.signed.is_some() {
            return Err(Refusal::ReviewOver);
        }
        let mark = ReviewMark { by, name: actor.name.clone(), at: now };
        for one in said {
            if one.verdict != ReviewVerdict::Keep && one.reason.trim().is_empty() {
                return Err(Refusal::ReasonNeeded);
            }
            let line = held.lines.iter_mut().find(|line| line.person == one.person).ok_or(Refusal::NotFound)?;
            let same = line.answer.as_ref().is_some_and(|answer| answer.verdict == one.verdict && answer.reason == one.reason);
            // Sending the form again does not put another name below an answer that stands.
            if !same {
                line.answer = Some(ReviewAnswer { verdict: one.verdict, reason: one.reason.clone(), mark: mark.clone() });
            }
        }
        if sign {
            // Only who answers here signs: an administrator helps with single lines and is not the one who knows them all.
            if !held.is_of(actor) {
                return Err(Refusal::NotAllowed);
            }
            if !held.is_answered() {
                return Err(Refusal::ReviewOpenLines);
            }
            held.signed = Some(mark);
        }
        Ok(())
    }

    /// The accounts that one act would disable.
    #[must_use]
    pub fn to_disable(&self, which: ReviewEnding) -> Vec<PersonId> {
        let fits = |line: &&ReviewLine| {
            line.disabled_at.is_none()
                && match which {
                    ReviewEnding::Unanswered => line.answer.is_none(),
                    ReviewEnding::Ended => line.answer.as_ref().is_some_and(|answer| answer.verdict == ReviewVerdict::End),
                }
        };
        self.lines().filter(fits).map(|line| line.person.clone()).collect()
    }
}

/// The line of a person at the beginning of a review.
#[must_use]
pub fn line_of(person: &Person, last_use: Option<Timestamp>) -> ReviewLine {
    ReviewLine {
        person: person.id.clone(),
        login: person.login.clone(),
        name: person.name.clone(),
        roles: person.roles.clone(),
        robot: person.robot.is_some(),
        last_use,
        valid_until: person.valid_until,
        answer: None,
        disabled_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::Via;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn actor(n: u8, role: Role, vendor: Option<&VendorId>) -> Actor {
        Actor { person: Some(PersonId::from_random([n; 10])), name: format!("人{n}"), roles: BTreeSet::from([role]), vendor: vendor.cloned(), via: Via::Web, ..Actor::system() }
    }

    fn line(n: u8) -> ReviewLine {
        ReviewLine { person: PersonId::from_random([n; 10]), login: format!("p{n}"), name: format!("人{n}"), roles: BTreeSet::new(), robot: false, last_use: None, valid_until: None, answer: None, disabled_at: None }
    }

    fn review(vendor: &VendorId) -> Review {
        let department = ReviewGroup { vendor: None, name: "情報システム室".into(), reviewer: Some(PersonId::from_random([1; 10])), reviewer_name: "人1".into(), signed: None, lines: vec![line(1), line(2)] };
        let of_vendor = ReviewGroup { vendor: Some(vendor.clone()), name: "事業者".into(), reviewer: None, reviewer_name: "責任者".into(), signed: None, lines: vec![line(5)] };
        let started = ReviewMark { by: PersonId::from_random([9; 10]), name: "管理者".into(), at: NOW };
        Review { id: ReviewId::from_random([0; 10]), title: "棚卸".into(), started, deadline: Timestamp(NOW.0 + 1000), closed_at: None, groups: vec![department, of_vendor] }
    }

    fn said(n: u8, verdict: ReviewVerdict, reason: &str) -> Vec<ReviewSaid> {
        vec![ReviewSaid { person: PersonId::from_random([n; 10]), verdict, reason: reason.into() }]
    }

    #[test]
    fn each_group_is_answered_by_who_knows_it_and_nobody_answers_for_themselves() {
        let vendor = VendorId::from_random([7; 10]);
        let mut review = review(&vendor);
        let (head, admin) = (actor(1, Role::Operator, None), actor(9, Role::Administrator, None));
        let (manager, stranger) = (actor(4, Role::VendorManager, Some(&vendor)), actor(6, Role::VendorManager, Some(&VendorId::from_random([8; 10]))));
        use ReviewVerdict as V;
        assert_eq!(review.answer(0, &head, &said(2, V::Keep, ""), false, NOW), Ok(()));
        assert_eq!(review.answer(0, &head, &said(1, V::Keep, ""), false, NOW), Err(Refusal::NotAllowed), "oneself");
        assert_eq!(review.answer(0, &head, &[], true, NOW), Err(Refusal::ReviewOpenLines));
        assert_eq!(review.answer(0, &admin, &said(1, V::Keep, ""), false, NOW), Ok(()));
        assert_eq!(review.answer(0, &admin, &[], true, NOW), Err(Refusal::NotAllowed), "an administrator does not sign for a department");
        assert_eq!(review.answer(0, &head, &[], true, NOW), Ok(()));
        assert_eq!(review.answer(0, &head, &said(2, V::End, "x"), false, NOW), Err(Refusal::ReviewOver), "what was signed stands");
        for other in [&head, &stranger, &actor(4, Role::Worker, Some(&vendor))] {
            assert_eq!(review.answer(1, other, &said(5, V::Keep, ""), false, NOW), Err(Refusal::NotAllowed));
        }
        assert_eq!(review.answer(1, &manager, &said(5, V::End, " "), false, NOW), Err(Refusal::ReasonNeeded));
        assert_eq!(review.answer(1, &manager, &said(2, V::Keep, ""), false, NOW), Err(Refusal::NotFound), "a line of another group");
        assert_eq!(review.answer(1, &manager, &said(5, V::End, "退職"), true, NOW), Ok(()));
        assert_eq!(review.count(), ReviewCount { lines: 3, keep: 2, change: 0, end: 1, open: 0, unsigned: 0 });
        assert_eq!(review.to_disable(ReviewEnding::Ended), [PersonId::from_random([5; 10])]);
    }

    #[test]
    fn what_nobody_answered_is_no_yes() {
        let vendor = VendorId::from_random([7; 10]);
        let mut review = review(&vendor);
        let late = review.deadline;
        let head = actor(1, Role::Operator, None);
        assert_eq!(review.answer(0, &head, &said(2, ReviewVerdict::Keep, ""), false, late), Err(Refusal::ReviewOver));
        assert_eq!(review.to_disable(ReviewEnding::Unanswered).len(), 3);
        assert!(review.to_disable(ReviewEnding::Ended).is_empty());
    }
}
