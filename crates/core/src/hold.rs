//! 証拠保全 (hold): while one is in force, nothing within its scope is deleted, whatever rule or limit asks for it. Pure: what
//! stands follows from the entries of the log alone.

use crate::ids::{HoldId, PersonId, PlanId, SessionId, TargetId, VendorId};
use crate::limits;
use crate::plan::content::{check_line, check_text};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a hold is about. Whoever verifies a copy reads the same from the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldScope {
    /// One session.
    Session {
        /// Its id.
        session: SessionId,
    },
    /// One plan with its sessions and attachments.
    Plan {
        /// Its id.
        plan: PlanId,
    },
    /// All that was done on one target.
    Target {
        /// Its id.
        target: TargetId,
    },
    /// All that was done by persons of one vendor.
    Vendor {
        /// Its id.
        vendor: VendorId,
    },
    /// All that one person did.
    Person {
        /// Their id.
        person: PersonId,
    },
    /// All that lies in a time, wholly or in part.
    Period {
        /// From this moment on.
        from: Timestamp,
        /// Before this moment.
        until: Timestamp,
    },
    /// Everything.
    Everything,
}

/// Something that could be deleted, with all that a hold can know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thing {
    /// Its sessions.
    pub sessions: Vec<SessionId>,
    /// Its plans.
    pub plans: Vec<PlanId>,
    /// Its targets.
    pub targets: Vec<TargetId>,
    /// Its vendors.
    pub vendors: Vec<VendorId>,
    /// Its persons.
    pub persons: Vec<PersonId>,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub until: Timestamp,
    /// Lines of targets' logs: nobody can say beforehand whom they tell of, so each hold on a target, a vendor or a person
    /// covers them, and one on a session or a plan those of its time ([`crate::retention::Board::holds_on`]).
    pub is_lines: bool,
}

impl HoldScope {
    /// The name of the kind in forms, API and log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Session { .. } => "session",
            Self::Plan { .. } => "plan",
            Self::Target { .. } => "target",
            Self::Vendor { .. } => "vendor",
            Self::Person { .. } => "person",
            Self::Period { .. } => "period",
            Self::Everything => "everything",
        }
    }

    /// The id of what it is about, if that has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Session { session } => Some(session.as_str()),
            Self::Plan { plan } => Some(plan.as_str()),
            Self::Target { target } => Some(target.as_str()),
            Self::Vendor { vendor } => Some(vendor.as_str()),
            Self::Person { person } => Some(person.as_str()),
            Self::Period { .. } | Self::Everything => None,
        }
    }

    /// The session, if it is about one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        if let Self::Session { session } = self { Some(session) } else { None }
    }

    /// The plan, if it is about one.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanId> {
        if let Self::Plan { plan } = self { Some(plan) } else { None }
    }

    /// Whether it covers a thing, wholly or in part.
    #[must_use]
    pub fn covers(&self, thing: &Thing) -> bool {
        match self {
            Self::Session { session } => thing.sessions.contains(session),
            Self::Plan { plan } => thing.plans.contains(plan),
            Self::Target { target } => thing.is_lines || thing.targets.contains(target),
            Self::Vendor { vendor } => thing.is_lines || thing.vendors.contains(vendor),
            Self::Person { person } => thing.is_lines || thing.persons.contains(person),
            Self::Period { from, until } => thing.from < *until && thing.until >= *from,
            Self::Everything => true,
        }
    }
}

/// On what a hold rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldBasis {
    /// The hospital's own decision; it has no end until it is lifted.
    Own,
    /// A request of the police (保全要請): 30 days at most, 60 with its extension (Code of Criminal Procedure art. 197(3), (4)).
    Police,
}

impl HoldBasis {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Own, Self::Police];

    /// The name in forms, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Police => "police",
        }
    }

    /// Reads what [`HoldBasis::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == text)
    }
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldEnd {
    /// When.
    pub at: Timestamp,
    /// Who lifted it; empty if its time was over.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A hold as the log tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Identifier.
    pub id: HoldId,
    /// What it covers.
    pub scope: HoldScope,
    /// What that is called.
    pub about: String,
    /// On what it rests.
    pub basis: HoldBasis,
    /// Number of the case, of the police or the hospital.
    pub case_number: String,
    /// Why.
    pub reason: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Who placed it; none for the console.
    pub placed_by: Option<PersonId>,
    /// Their name.
    pub placed_name: String,
    /// Its end; none until it is lifted.
    pub until: Option<Timestamp>,
    /// It was extended.
    pub extended: bool,
    /// How it ended, once somebody lifted it or the box wrote that its time was over.
    pub ended: Option<HoldEnd>,
}

impl Hold {
    /// Whether it stands at a moment.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        self.freed_at().is_none_or(|end| now < end)
    }

    /// When it ended or ends, if that is known.
    #[must_use]
    pub fn freed_at(&self) -> Option<Timestamp> {
        match (&self.ended, self.until) {
            (Some(end), Some(until)) => Some(end.at.min(until)),
            (Some(end), None) => Some(end.at),
            (None, until) => until,
        }
    }

    /// The latest end that an extension can give it.
    #[must_use]
    pub fn longest(&self) -> Timestamp {
        self.placed_at.plus(DAY * limits::HOLD_POLICE_LONGEST_DAYS as u32)
    }
}

/// The wish to place one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldAsk {
    /// What it covers.
    pub scope: HoldScope,
    /// On what it rests.
    pub basis: HoldBasis,
    /// Number of the case.
    pub case_number: String,
    /// Why.
    pub reason: String,
    /// Days that it holds; for a request of the police alone.
    #[serde(default)]
    pub days: Option<u32>,
}

impl HoldAsk {
    /// Checks what was said and gives the end.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        check_line("case_number", &self.case_number)?;
        if self.case_number.trim().is_empty() {
            return Err(Refusal::bad_field("case_number"));
        }
        check_text("reason", &self.reason)?;
        if self.reason.trim().is_empty() {
            return Err(Refusal::bad_field("reason"));
        }
        if let HoldScope::Period { from, until } = &self.scope
            && until <= from
        {
            return Err(Refusal::bad_field("until"));
        }
        match (self.basis, self.days) {
            (HoldBasis::Own, None) => Ok(None),
            (HoldBasis::Police, Some(days)) if (1..=limits::HOLD_POLICE_DAYS).contains(&(days as usize)) => Ok(Some(now.plus(DAY * days))),
            _ => Err(Refusal::bad_field("days")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_covers_what_is_named_and_nothing_beside_it() {
        let (session, other) = (SessionId::from_random([1; 10]), SessionId::from_random([2; 10]));
        let thing = Thing {
            sessions: vec![session.clone()],
            plans: vec![PlanId::from_random([3; 10])],
            targets: vec![TargetId::from_random([4; 10])],
            vendors: vec![VendorId::from_random([5; 10])],
            persons: vec![PersonId::from_random([6; 10])],
            from: Timestamp(100),
            until: Timestamp(200),
            is_lines: false,
        };
        let lines = Thing { is_lines: true, from: Timestamp(100), until: Timestamp(200), ..Thing::default() };
        let period = |from, until| HoldScope::Period { from: Timestamp(from), until: Timestamp(until) };
        for (scope, covers, covers_lines) in [
            (HoldScope::Session { session }, true, false),
            (HoldScope::Session { session: other }, false, false),
            (HoldScope::Plan { plan: PlanId::from_random([3; 10]) }, true, false),
            (HoldScope::Target { target: TargetId::from_random([4; 10]) }, true, true),
            (HoldScope::Vendor { vendor: VendorId::from_random([9; 10]) }, false, true),
            (HoldScope::Person { person: PersonId::from_random([6; 10]) }, true, true),
            (period(0, 100), false, false),
            (period(0, 101), true, true),
            (period(200, 300), true, true),
            (period(201, 300), false, false),
            (HoldScope::Everything, true, true),
        ] {
            assert_eq!((scope.covers(&thing), scope.covers(&lines)), (covers, covers_lines), "{scope:?}");
        }
    }

    #[test]
    fn a_request_of_the_police_has_an_end_and_an_own_hold_has_none() {
        let ask = |basis, days| HoldAsk { scope: HoldScope::Everything, basis, case_number: "県警 令8-12".into(), reason: "照会".into(), days };
        let now = Timestamp(0);
        assert_eq!(ask(HoldBasis::Own, None).check(now), Ok(None));
        assert_eq!(ask(HoldBasis::Police, Some(30)).check(now), Ok(Some(now.plus(DAY * 30))));
        for bad in [ask(HoldBasis::Own, Some(5)), ask(HoldBasis::Police, None), ask(HoldBasis::Police, Some(31)), ask(HoldBasis::Police, Some(0))] {
            assert_eq!(bad.check(now), Err(Refusal::bad_field("days")));
        }
        assert_eq!(HoldAsk { case_number: " ".into(), ..ask(HoldBasis::Own, None) }.check(now), Err(Refusal::bad_field("case_number")));
    }
}
