//! Which acts make sense for a person on a plan at this moment, so that a page shows those buttons and no others.
//!
//! This gives no right: [`act`](super::act::act) decides when the button is pressed.

use super::Plan;
use super::act::Context;
use super::approval::slot_for;
use super::state::PlanState;
use crate::emergency::is_among;
use crate::limits;
use crate::people::{Actor, Role};
use crate::permission::{Action, may};
use crate::reconcile::Finding;
use crate::time::Timestamp;
use std::time::Duration;

/// Every act: its name and the right that it needs, in the order of the road.
const ACTS: [(&str, Action); 20] = [
    ("edit", Action::WritePlan),
    ("submit", Action::WritePlan),
    ("approve", Action::ApprovePlan),
    ("return", Action::ApprovePlan),
    ("reject", Action::ApprovePlan),
    ("allow_emergency", Action::AllowEmergency),
    ("ask_extension", Action::AskExtension),
    ("decide_extension", Action::DecideExtension),
    ("note_change", Action::NoteChange),
    ("accept_change", Action::AcceptChange),
    ("finish_work", Action::FinishWork),
    ("explain_finding", Action::ExplainFinding),
    ("decide_finding", Action::DecideFinding),
    ("finish_reconcile", Action::DecideFinding),
    ("submit_report", Action::WriteReport),
    ("countersign", Action::CountersignReport),
    ("confirm", Action::ConfirmReport),
    ("return_report", Action::ConfirmReport),
    ("decide_after_fact", Action::ApproveAfterFact),
    ("withdraw", Action::WithdrawPlan),
];

/// The names of the acts that this actor can do on the plan now, given a sound content of the form.
#[must_use]
pub fn offered(plan: &Plan, actor: &Actor, now: Timestamp, context: &Context<'_>) -> Vec<&'static str> {
    let allowed = ACTS.into_iter().filter(|(_, action)| may(actor, *action, Some(plan.vendor_for(actor, *action))).is_ok());
    allowed.map(|(name, _)| name).filter(|name| makes_sense(name, plan, actor, now, context)).collect()
}

fn makes_sense(name: &str, plan: &Plan, actor: &Actor, now: Timestamp, context: &Context<'_>) -> bool {
    use PlanState as S;
    let is = |states: &[S]| states.contains(&plan.state);
    let has_person = actor.person.is_some();
    let own = |id: &crate::ids::PersonId| *id == plan.applicant || plan.content.workers.contains(id);
    let is_apart = actor.vendor.is_none() && !actor.person.as_ref().is_some_and(own);
    let is_writer = actor.person.as_ref().is_some_and(|person| plan.is_by(person));
    let settled = !plan.findings.iter().any(Finding::is_open);
    match name {
        "edit" => is(&[S::Draft, S::Returned, S::Submitted, S::Approved]),
        "submit" => is(&[S::Draft, S::Returned]),
        "approve" => is(&[S::Submitted]) && !plan.is_emergency() && slot_for(plan, actor, context.policy, &context.digest).is_ok(),
        "return" => is(&[S::Submitted, S::Approved]) && is_apart,
        "reject" => is(&[S::Submitted]) && is_apart,
        "withdraw" => is(&[S::Draft, S::Submitted, S::Returned, S::Approved, S::Emergency, S::InProgress]),
        "allow_emergency" => is(&[S::Submitted]) && plan.is_emergency() && is_apart && !is_writer && has_person,
        "decide_after_fact" => {
            let owed = plan.emergency.as_ref().filter(|emergency| emergency.decision.is_none());
            let review = |by| context.policy.small_facility || (!actor.is_person(by) && !is_among(context.openers, actor));
            is_apart && !is_writer && has_person && owed.is_some_and(|emergency| review(&emergency.allowed.by))
        }
        "ask_extension" => {
            let longest = Duration::from_secs(limits::EMERGENCY_HOURS as u64 * 3600);
            is(&[S::Approved, S::InProgress, S::Emergency]) && has_person && now < plan.window().1.plus(longest)
        }
        "decide_extension" => {
            let planner = !plan.content.needs_planner() || actor.is(Role::Planner);
            let others = plan.extension.as_ref().is_some_and(|wish| actor.vendor.is_none() && !actor.is_person(&wish.by.by));
            is(&[S::Approved, S::InProgress, S::Emergency]) && others && planner
        }
        "note_change" => is(&[S::InProgress, S::Emergency]) && has_person && plan.changes.len() < limits::PLAN_FILES,
        "accept_change" => {
            let waits = plan.changes.iter().any(|note| note.accepted.is_none() && !actor.is_person(&note.by.by));
            is(&[S::InProgress, S::Emergency, S::Reconcile, S::Aborted]) && has_person && waits
        }
        "finish_work" => is(&[S::InProgress, S::Emergency]) && !context.session_running,
        "explain_finding" => is(&[S::Reconcile, S::Aborted]) && !settled,
        "decide_finding" => is(&[S::Reconcile, S::Aborted, S::Confirm]) && is_apart && has_person && !settled,
        "finish_reconcile" => is(&[S::Reconcile, S::Aborted]) && is_apart && settled && !context.session_running,
        "submit_report" => is(&[S::Report]) && has_person,
        "countersign" => {
            let others = plan.report.as_ref().is_some_and(|report| report.countersigned.is_none() && !actor.is_person(&report.written.by));
            is(&[S::Confirm]) && has_person && others
        }
        "confirm" => is(&[S::Confirm]) && is_apart && has_person && settled && !plan.owes_after_fact(),
        "return_report" => is(&[S::Confirm]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, PersonId, PlanId, TargetId, VendorId};
    use crate::people::{Person, Via};
    use crate::plan::act::{PlanAct, act};
    use crate::plan::content::{PlanContent, TargetUse};
    use crate::plan::{ChangeNote, Emergency, ExtensionWish, Mark, Report, ReportContent};
    use crate::policy::Policy;
    use crate::reconcile::{Decision, Item, Verdict};
    use crate::target::Function;
    use std::collections::BTreeSet;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn person(n: u8, role: Role, vendor: Option<&VendorId>) -> Person {
        Person {
            id: PersonId::from_random([n; 10]),
            login: format!("p{n}"),
            name: format!("Person {n}"),
            vendor: vendor.cloned(),
            department: String::new(),
            mail: String::new(),
            phone: String::new(),
            roles: BTreeSet::from([role]),
            active: true,
            valid_until: None,
            pledged_until: Some("2099-01-01".into()),
            trained_until: Some("2099-01-01".into()),
            robot: None, emergency: false,
        }
    }

    fn mark(person: &Person) -> Mark {
        Mark { by: person.id.clone(), name: person.name.clone(), at: NOW }
    }

    /// A sound act for each name, with the content that a form would send.
    fn act_named(name: &str, plan: &Plan, digest: &str) -> PlanAct {
        let reason = "because".to_owned();
        let open = plan.findings.iter().position(Finding::is_open).unwrap_or(0);
        match name {
            "edit" => PlanAct::Edit { content: Box::new(plan.content.clone()) },
            "submit" => PlanAct::Submit,
            "approve" => PlanAct::Approve { digest: digest.to_owned() },
            "return" => PlanAct::Return { reason },
            "reject" => PlanAct::Reject { reason },
            "withdraw" => PlanAct::Withdraw { reason },
            "allow_emergency" => PlanAct::AllowEmergency { hours: 2 },
            "decide_after_fact" => PlanAct::DecideAfterFact { approved: true, reason },
            "ask_extension" => PlanAct::AskExtension { until: plan.window().1.plus(HOUR), reason },
            "decide_extension" => PlanAct::DecideExtension { allowed: true },
            "note_change" => PlanAct::NoteChange { text: reason },
            "accept_change" => PlanAct::AcceptChange { index: 0 },
            "finish_work" => PlanAct::FinishWork,
            "explain_finding" => PlanAct::ExplainFinding { index: open, reason },
            "decide_finding" => PlanAct::DecideFinding { index: open, decision: Decision::NoProblem, reason },
            "finish_reconcile" => PlanAct::FinishReconcile,
            "submit_report" => PlanAct::SubmitReport { content: Box::new(ReportContent { result: reason, ..ReportContent::default() }) },
            "countersign" => PlanAct::Countersign,
            "return_report" => PlanAct::ReturnReport { reason },
            "confirm" => PlanAct::Confirm,
            other => panic!("{other} is no act"),
        }
    }

    /// Buttons and rules agree: what is offered succeeds, and what is not offered is refused, for every state, role and
    /// variant. Acts that would succeed without any point (giving a reason for nothing, a second acceptance) are named.
    #[test]
    fn what_is_offered_succeeds_and_what_is_not_is_refused() {
        let vendor = VendorId::from_random([1; 10]);
        let target = TargetId::from_random([2; 10]);
        let worker = person(10, Role::Worker, Some(&vendor));
        let second = person(11, Role::Worker, Some(&vendor));
        let allower = person(12, Role::Planner, None);
        let mut actors = vec![worker.clone(), second.clone(), allower.clone(), person(13, Role::VendorManager, Some(&vendor))];
        let hospital = [Role::DutyClerk, Role::Operator, Role::Supervisor, Role::Planner, Role::SafetyManager, Role::Auditor, Role::Administrator];
        actors.extend((20..).zip(hospital).map(|(n, role)| person(n, role, None)));
        let openers = [person(23, Role::Planner, None).login];
        let policy = Policy::default();
        let (workers, targets, principals) = ([worker.clone()], [(target.clone(), "db".to_owned(), vendor.clone())], [vendor.clone()]);
        let content = PlanContent {
            title: "t".into(),
            purpose: "p".into(),
            steps: "s".into(),
            impact: "i".into(),
            rollback: "r".into(),
            contact: "c".into(),
            workers: vec![worker.id.clone()],
            targets: vec![TargetUse { target, account: AccountId::from_random([3; 10]), functions: BTreeSet::from([Function::Shell]), files: BTreeSet::new(), limits: Default::default(), forwards: Vec::new(), key_window: false }],
            from: NOW,
            until: NOW.plus(HOUR),
            ..PlanContent::default()
        };
        let mut seen = BTreeSet::new();
        for (state, variant, running) in PlanState::ALL.into_iter().flat_map(|s| (0..8).flat_map(move |v| [(s, v, false), (s, v, true)])) {
            let mut plan = Plan {
                state,
                content: content.clone(),
                ..Plan::blank(PlanId::from_random([4; 10]), "2026-0001".into(), vendor.clone(), worker.id.clone(), NOW)
            };
            if variant & 1 != 0 {
                plan.content.emergency_reason = Some("fire".into());
                let allowed = mark(&allower);
                plan.emergency = (state != PlanState::Submitted).then_some(Emergency { allowed, until: NOW.plus(HOUR), decide_by: NOW, decision: None });
            }
            if variant & 2 != 0 {
                plan.extension = Some(ExtensionWish { by: mark(&worker), until: NOW.plus(HOUR * 2), reason: "more".into() });
                plan.changes.push(ChangeNote { by: mark(&worker), text: "other".into(), accepted: None });
                plan.report = Some(Report { content: ReportContent::default(), written: mark(&worker), countersigned: None });
            }
            if variant & 4 != 0 {
                plan.findings.push(Finding {
                    item: Item::Command,
                    verdict: Verdict::NotPlanned,
                    planned: String::new(),
                    actual: "rm".into(),
                    session: None,
                    at_ms: None,
                    reason: String::new(),
                    decision: None,
                    decided: None,
                });
            }
            let context = Context {
                diary: &[],
                policy: &policy,
                digest: "d".into(),
                workers: &workers,
                targets: &targets,
                principals: &principals,
                subcontractors: &[],
                privileged: false,
                vendor_active: true,
                session_running: running,
                openers: if variant & 4 == 0 { &[] } else { &openers },
                findings: Vec::new(),
            };
            for who in &actors {
                let actor = Actor::of(who, Via::Web, None);
                let offers = offered(&plan, &actor, NOW, &context);
                seen.extend(offers.iter().copied());
                for (name, _) in ACTS {
                    let done = act(&plan, &act_named(name, &plan, "d"), &actor, NOW, &context);
                    let offer = offers.contains(&name);
                    let words = format!("{name} in {state:?} variant {variant} by {:?}, session running: {running}: {:?}", who.roles, done.as_ref().err());
                    if offer {
                        assert!(done.is_ok(), "offered and refused: {words}");
                    } else {
                        assert!(done.is_err(), "not offered and accepted: {words}");
                    }
                }
            }
        }
        assert_eq!(seen.len(), ACTS.len(), "every act is offered to somebody somewhere: {seen:?}");
    }
}
