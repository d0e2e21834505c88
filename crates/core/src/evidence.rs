//! What an evidence bundle may be asked for.

use crate::ids::{PlanId, SessionId};
use crate::people::{Actor, Role, Via};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl EvidenceScope {
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
}

/// Whether the actor may have all entries of the log put into a bundle. Whoever gets it learns of everybody what they did,
/// so that stays with those who answer for the whole: the planner and the auditor, and the box's own console.
///
/// # Errors
/// [`Refusal::NotAllowed`].
pub fn may_take_all(actor: &Actor) -> Result<(), Refusal> {
    let answers = actor.roles.contains(&Role::Planner) || actor.roles.contains(&Role::Auditor);
    if answers || matches!(actor.via, Via::Console | Via::System) { Ok(()) } else { Err(Refusal::NotAllowed) }
}
