//! Approvals: which are needed, who may give which.

use super::Plan;
use super::content::PlanContent;
use crate::ids::PersonId;
use crate::people::{Actor, Role};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the approvals that a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// 技術確認 by an operator: is it sound, does it disturb care, is there a backup.
    Technical,
    /// 最終承認 by the planner, or by an operator for classes that the planner delegated.
    Final,
}

impl Slot {
    /// The label of the pages.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Technical => "技術確認",
            Self::Final => "最終承認",
        }
    }
}

/// An approval that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Which one.
    pub slot: Slot,
    /// Who gave it.
    pub by: PersonId,
    /// Display name at that time.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the plan's signed bytes, as hex.
    pub digest: String,
    /// The box's signature over slot, approver, time and digest; filled in by the store.
    #[serde(default)]
    pub signature: String,
}

impl Approval {
    /// The bytes that the box signs on the approver's behalf after their two factors.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        format!("{:?}\n{}\n{}\n{}\n", self.slot, self.by, self.at.0, self.digest).into_bytes()
    }
}

/// True if the planner delegated plans of this kind: a delegated class and nothing sensitive in it.
#[must_use]
pub fn is_delegated(content: &PlanContent, policy: &Policy) -> bool {
    policy.delegated_classes.contains(&content.class) && !content.needs_planner() && content.privileged_reason.trim().is_empty()
}

/// The approvals that a plan needs, in their order.
#[must_use]
pub fn required(content: &PlanContent, policy: &Policy) -> Vec<Slot> {
    if is_delegated(content, policy) { vec![Slot::Final] } else { vec![Slot::Technical, Slot::Final] }
}

/// The approvals still missing for the present content, whose digest is `digest`.
#[must_use]
pub fn missing(plan: &Plan, policy: &Policy, digest: &str) -> Vec<Slot> {
    let given = |slot: &Slot| plan.approvals.iter().any(|approval| approval.slot == *slot && approval.digest == digest);
    required(&plan.content, policy).into_iter().filter(|slot| !given(slot)).collect()
}

/// Which approval this actor would give to this plan by pressing 承認.
///
/// # Errors
/// The separation rule that forbids it (domain.md section 3), or [`Refusal::NotAllowed`].
pub fn slot_for(plan: &Plan, by: &Actor, policy: &Policy, digest: &str) -> Result<Slot, Refusal> {
    if by.vendor.is_some() {
        return Err(Refusal::ApproverIsVendor);
    }
    let Some(person) = &by.person else { return Err(Refusal::NotAllowed) };
    if plan.is_by(person) {
        return Err(Refusal::ApproverIsApplicant);
    }
    let open = missing(plan, policy, digest);
    let may_fill = |slot: &&Slot| match slot {
        Slot::Technical => by.is(Role::Operator),
        Slot::Final => by.is(Role::Planner) || (by.is(Role::Operator) && is_delegated(&plan.content, policy)),
    };
    let Some(slot) = open.iter().find(may_fill) else {
        let planner_only = by.is(Role::Operator) && open == [Slot::Final] && plan.content.needs_planner();
        return Err(if planner_only { Refusal::PlannerOnly } else { Refusal::NotAllowed });
    };
    let twice = plan.approvals.iter().any(|approval| approval.by == *person && approval.digest == digest);
    if twice && !policy.small_facility {
        return Err(Refusal::AlreadyApproved);
    }
    Ok(*slot)
}
