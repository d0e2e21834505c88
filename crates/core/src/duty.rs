//! 今すること: what each person must do next, and by when. Computed from the plans; nothing is stored.

use crate::calendar::business_deadline;
use crate::ids::PlanId;
use crate::people::{Actor, Role};
use crate::plan::Plan;
use crate::plan::approval;
use crate::plan::state::PlanState;
use crate::policy::Policy;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DutyKind {
    /// An emergency waits to be allowed.
    AllowEmergency,
    /// A wish for a longer window waits.
    DecideExtension,
    /// Something is running that this person may watch or cut.
    RunningNow,
    /// Approve, return or reject.
    Approve,
    /// Decide on an emergency after the fact.
    ApproveAfterFact,
    /// The window is open: work.
    Work,
    /// Correct a returned plan.
    Correct,
    /// Give reasons for differences.
    Explain,
    /// Reconcile.
    Reconcile,
    /// Write the completion report.
    Report,
    /// Countersign it.
    Countersign,
    /// Confirm it.
    Confirm,
    /// Finish a draft and submit it.
    Submit,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Duty {
    /// What.
    pub kind: DutyKind,
    /// On which plan.
    pub plan: PlanId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// By when, if there is a deadline.
    pub due: Option<Timestamp>,
    /// True once the deadline has passed.
    pub overdue: bool,
}

/// Whether the duty ends in one of the decisions that are shut to emergency accounts ([`crate::emergency::is_shut`]).
fn is_decision(kind: DutyKind) -> bool {
    matches!(kind, DutyKind::Approve | DutyKind::ApproveAfterFact | DutyKind::Reconcile | DutyKind::Confirm | DutyKind::DecideExtension)
}

/// Everything that this actor must do on this plan. `digest` is that of the plan's signed bytes.
#[must_use]
pub fn duties(plan: &Plan, actor: &Actor, policy: &Policy, digest: &str, session_running: bool, now: Timestamp) -> Vec<Duty> {
    let mut list = Vec::new();
    let mut add = |kind: DutyKind, due: Option<Timestamp>| {
        let overdue = due.is_some_and(|due| now > due);
        list.push(Duty { kind, plan: plan.id.clone(), number: plan.number.clone(), title: plan.content.title.clone(), due, overdue });
    };
    let own_vendor = actor.vendor.as_ref() == Some(&plan.vendor);
    let named = actor.person.as_ref().is_some_and(|person| plan.content.workers.contains(person));
    let vendor_side = own_vendor || named;
    let (_, window_end) = plan.window();
    if plan.state.admits() && session_running && actor.is_hospital() && crate::permission::may(actor, crate::permission::Action::WatchSession, None).is_ok() {
        add(DutyKind::RunningNow, Some(window_end));
    }
    if plan.state.admits() && plan.extension.is_some() && crate::permission::may(actor, crate::permission::Action::DecideExtension, None).is_ok() {
        add(DutyKind::DecideExtension, Some(window_end));
    }
    match plan.state {
        PlanState::Draft if actor.is_person(&plan.applicant) => add(DutyKind::Submit, None),
        PlanState::Returned if vendor_side || actor.is_person(&plan.applicant) => add(DutyKind::Correct, Some(plan.content.from)),
        PlanState::Submitted if plan.is_emergency() => {
            let may_allow = [Role::DutyClerk, Role::Operator, Role::Planner, Role::SafetyManager].into_iter().any(|role| actor.is(role));
            if may_allow && !actor.person.as_ref().is_some_and(|person| plan.is_by(person)) {
                add(DutyKind::AllowEmergency, None);
            }
        }
        PlanState::Submitted if approval::slot_for(plan, actor, policy, digest).is_ok() => add(DutyKind::Approve, Some(plan.content.from)),
        PlanState::Approved | PlanState::InProgress | PlanState::Emergency if named => add(DutyKind::Work, Some(window_end)),
        PlanState::Reconcile | PlanState::Aborted => {
            let due = plan.ended_at.map(|ended| business_deadline(ended, policy.reconcile_days));
            let open = plan.findings.iter().any(crate::reconcile::Finding::is_open);
            let unexplained = plan.findings.iter().any(|finding| finding.is_open() && finding.reason.trim().is_empty());
            if actor.is(Role::Operator) || (actor.is(Role::Planner) && open) {
                add(DutyKind::Reconcile, due);
            }
            if vendor_side && unexplained {
                add(DutyKind::Explain, due);
            }
        }
        PlanState::Report if vendor_side => add(DutyKind::Report, plan.ended_at.map(|ended| business_deadline(ended, policy.report_days))),
        PlanState::Confirm => {
            let written = plan.report.as_ref().map(|report| report.written.at);
            let due = written.map(|at| business_deadline(at, policy.confirm_days));
            if actor.is(Role::Planner) {
                add(DutyKind::Confirm, due);
            }
            if own_vendor && actor.is(Role::VendorManager) && plan.report.as_ref().is_some_and(|report| report.countersigned.is_none()) {
                add(DutyKind::Countersign, due);
            }
        }
        _ => {}
    }
    if let Some(emergency) = plan.emergency.as_ref().filter(|emergency| emergency.decision.is_none()) {
        let late = now > emergency.decide_by;
        // A passed deadline escalates to the safety manager.
        if actor.is(Role::Planner) || (late && actor.is(Role::SafetyManager)) {
            add(DutyKind::ApproveAfterFact, Some(emergency.decide_by));
        }
    }
    // What an emergency account may not do is no duty of it.
    list.retain(|duty| !actor.emergency || !is_decision(duty.kind));
    list
}
