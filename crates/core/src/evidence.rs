//! What an evidence bundle may be asked for.

use crate::ids::{CaseId, PlanId, SessionId};
use crate::limits;
use crate::people::{Actor, Role, Via};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a bundle is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum EvidenceScope {
    /// One session.
    Session {
        /// Its id.
        session: SessionId,
    },
    /// One plan with its sessions.
    Plan {
        /// Its id.
        plan: PlanId,
    },
    /// All that happened in a time.
    Period {
        /// From this moment on.
        from: Timestamp,
        /// Before this moment.
        until: Timestamp,
    },
    /// A login that went round the gateway, with the session that stands nearest to it.
    Case {
        /// Its id.
        case: CaseId,
    },
}

impl EvidenceScope {
    /// The session, if it is about one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        if let Self::Session { session } = self { Some(session) } else { None }
    }

    /// The case, if it is about one.
    #[must_use]
    pub fn case(&self) -> Option<&CaseId> {
        if let Self::Case { case } = self { Some(case) } else { None }
    }

    /// The plan, if it is about one.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanId> {
        if let Self::Plan { plan } = self { Some(plan) } else { None }
    }
}

/// Whether the actor may have all entries of the log put into a bundle, or those of a long time. Whoever gets them learns of
/// everybody what they did, so that stays with those who answer for the whole: the planner and the auditor, and the box's own
/// console.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may_take_all(actor: &Actor) -> Result<(), Refusal> {
    let answers = actor.roles.contains(&Role::Planner) || actor.roles.contains(&Role::Auditor);
    if answers || matches!(actor.via, Via::Console | Via::System) { Ok(()) } else { Err(Refusal::NotAllowed) }
}

/// What a bundle that is asked for now can be about: a time ends at this moment at the latest. A long time is nearly all entries,
/// and asks for the same right.
///
/// # Errors
/// [`Refusal::BadField`] for a time that ends before it begins or lies ahead; [`Refusal::NotAllowed`].
pub fn bounded(scope: &EvidenceScope, all_entries: bool, actor: &Actor, now: Timestamp) -> Result<EvidenceScope, Refusal> {
    let mut scope = scope.clone();
    let mut much = all_entries;
    if let EvidenceScope::Period { from, until } = &mut scope {
        if from.0 < 0 || *from >= now {
            return Err(Refusal::bad_field("from"));
        }
        // The end is not part of it, and what happens at this very moment is.
        *until = (*until).min(now.plus(Duration::from_millis(1)));
        if *until <= *from {
            return Err(Refusal::bad_field("until"));
        }
        much |= from.until(*until) > Duration::from_secs(limits::EVIDENCE_PERIOD_DAYS as u64 * 86_400);
    }
    if much {
        may_take_all(actor)?;
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(role: Role) -> Actor {
        Actor { roles: [role].into(), ..Actor::console() }
    }

    #[test]
    fn a_long_time_asks_for_the_same_right_as_all_entries() {
        let (day, now) = (86_400_000, Timestamp(1_790_000_000_000));
        let period = |from: i64, until: i64| EvidenceScope::Period { from: Timestamp(from), until: Timestamp(until) };
        let mut safety = actor(Role::SafetyManager);
        safety.via = Via::Web;
        let mut auditor = actor(Role::Auditor);
        auditor.via = Via::Web;
        let month = period(now.0 - 31 * day, now.0);
        assert_eq!(bounded(&month, false, &safety, now), Ok(month.clone()));
        assert_eq!(bounded(&month, true, &safety, now), Err(Refusal::NotAllowed));
        assert_eq!(bounded(&period(now.0 - 32 * day, now.0), false, &safety, now), Err(Refusal::NotAllowed));
        assert_eq!(bounded(&period(0, i64::MAX), false, &safety, now), Err(Refusal::NotAllowed));
        assert_eq!(bounded(&period(0, i64::MAX), false, &auditor, now), Ok(period(0, now.0 + 1)));
        assert_eq!(bounded(&period(now.0 - day, i64::MAX), false, &safety, now), Ok(period(now.0 - day, now.0 + 1)));
        for (from, until, field) in [(-1, now.0, "from"), (now.0, now.0 + 5, "from"), (now.0 - 5, now.0 - 5, "until"), (now.0 - 5, 3, "until")] {
            assert_eq!(bounded(&period(from, until), false, &auditor, now), Err(Refusal::bad_field(field)));
        }
    }
}
