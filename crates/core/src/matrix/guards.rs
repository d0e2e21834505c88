//! Ways around the separation of duties, each of which must be closed.

use super::*;
use crate::plan::ExtensionWish;
use crate::plan::offer::offered;
use std::time::Duration;

fn edit(plan: &Plan) -> PlanAct {
    PlanAct::Edit { content: Box::new(PlanContent { steps: "別の手順".into(), ..plan.content.clone() }) }
}

#[test]
fn whoever_rewrote_a_plan_does_not_approve_it() {
    let mut world = world();
    world.policy.delegated_classes = vec![world.plan.content.class];
    let operator = world.actor("operator");
    let plan = world.does(&world.plan, &PlanAct::Submit, &world.actor("the applicant"), now()).unwrap();
    let approve = PlanAct::Approve { digest: DIGEST.into() };
    assert!(world.does(&plan, &approve, &operator, now()).is_ok());
    let rewritten = world.does(&plan, &edit(&plan), &operator, now()).unwrap();
    assert_eq!(world.does(&rewritten, &approve, &operator, now()), Err(Refusal::ApproverIsApplicant));
    assert!(world.does(&rewritten, &approve, &world.actor("planner"), now()).is_ok());
}

#[test]
fn whoever_rewrote_an_emergency_neither_allows_nor_reviews_it() {
    let mut world = world();
    emergency(&mut world, false);
    world.plan.state = PlanState::Submitted;
    let rewritten = world.does(&world.plan, &edit(&world.plan), &world.actor("operator"), now()).unwrap();
    let allow = PlanAct::AllowEmergency { hours: 2 };
    assert_eq!(world.does(&rewritten, &allow, &world.actor("operator"), now()), Err(Refusal::ApproverIsApplicant));
    assert!(world.does(&rewritten, &allow, &world.actor("duty clerk"), now()).is_ok());
}

#[test]
fn an_emergency_that_was_emptied_after_its_submission_is_not_allowed() {
    let mut world = world();
    emergency(&mut world, false);
    world.plan.state = PlanState::Submitted;
    let content = PlanContent { emergency_reason: Some(String::new()), ..world.plan.content.clone() };
    let emptied = world.does(&world.plan, &PlanAct::Edit { content: Box::new(content) }, &world.actor("the applicant"), now()).unwrap();
    let allow = PlanAct::AllowEmergency { hours: 2 };
    assert_eq!(world.does(&emptied, &allow, &world.actor("duty clerk"), now()), Err(Refusal::bad_field("emergency_reason")));
}

#[test]
fn whoever_wants_all_rights_on_a_target_says_why() {
    for (username, privileged) in [("root", false), ("Administrator", false), ("postgres", true)] {
        let mut world = world();
        world.account.username = username.into();
        world.account.privileged = privileged;
        let applicant = world.actor("the applicant");
        assert_eq!(world.does(&world.plan, &PlanAct::Submit, &applicant, now()), Err(Refusal::bad_field("privileged_reason")), "{username}");
        world.plan.content.privileged_reason = "サービスの再起動に必要".into();
        let plan = world.does(&world.plan, &PlanAct::Submit, &applicant, now()).unwrap();
        // An edit that takes the reason out again reaches no approval.
        let content = PlanContent { privileged_reason: " ".into(), ..plan.content.clone() };
        let emptied = world.does(&plan, &PlanAct::Edit { content: Box::new(content) }, &applicant, now()).unwrap();
        let approve = PlanAct::Approve { digest: DIGEST.into() };
        assert_eq!(world.does(&emptied, &approve, &world.actor("operator"), now()), Err(Refusal::bad_field("privileged_reason")));
    }
    let mut world = world();
    world.account.username = "root".into();
    world.plan.content.emergency_reason = Some("画面が開かない".into());
    assert!(world.does(&world.plan, &PlanAct::Submit, &world.actor("the applicant"), now()).is_ok(), "an emergency says why by itself");
}

/// An extension was granted to one content; the approvers of the next one read its window and nothing else.
#[test]
fn an_extension_does_not_outlive_the_content_that_it_was_given_to() {
    let world = world();
    let mut plan = world.approved();
    plan.extended_until = Some(at("2026-11-25T05:00"));
    plan.extension = Some(ExtensionWish { by: Mark { by: world.worker.id.clone(), name: "w".into(), at: now() }, until: at("2026-11-25T09:00"), reason: "長引く".into() });
    let content = PlanContent { until: at("2026-11-24T15:00"), ..plan.content.clone() };
    let edited = world.does(&plan, &PlanAct::Edit { content: Box::new(content) }, &world.actor("the applicant"), now()).unwrap();
    assert_eq!((edited.window().1, edited.extension), (at("2026-11-24T15:00"), None));
    let back = world.does(&plan, &PlanAct::Return { reason: "確認".into() }, &world.actor("planner"), now()).unwrap();
    assert_eq!((back.window().1, back.extension), (at("2026-11-24T17:00"), None));
}

#[test]
fn a_reason_is_not_changed_behind_the_decision_on_it() {
    let world = world();
    let plan = world.plan_in(PlanState::Reconcile);
    let explain = |reason: &str| PlanAct::ExplainFinding { index: 0, reason: reason.into() };
    let explained = world.does(&plan, &explain("一時ファイルの削除"), &world.actor("the applicant"), now()).unwrap();
    let decide = |decision| PlanAct::DecideFinding { index: 0, decision, reason: String::new() };
    let decided = world.does(&explained, &decide(Decision::NoProblem), &world.actor("operator"), now()).unwrap();
    assert!(matches!(world.does(&decided, &explain("別の話"), &world.actor("the applicant"), now()), Err(Refusal::WrongState { .. })));
    let mut later = decided;
    later.state = PlanState::Confirm;
    assert!(matches!(world.does(&later, &decide(Decision::Correct), &world.actor("operator"), now()), Err(Refusal::WrongState { .. })));
}

#[test]
fn a_report_written_again_does_not_erase_the_incident_of_the_first() {
    let world = world();
    let report = |used: bool| {
        let personal_data_detail = if used { "患者1名の氏名".to_owned() } else { String::new() };
        PlanAct::SubmitReport { content: Box::new(ReportContent { result: "正常".into(), personal_data_used: used, personal_data_detail, ..ReportContent::default() }) }
    };
    let (applicant, planner) = (world.actor("the applicant"), world.actor("planner"));
    let mut plan = world.does(&world.plan_in(PlanState::Report), &report(true), &applicant, now()).unwrap();
    let index = plan.findings.iter().position(Finding::is_open).unwrap();
    plan = world.does(&plan, &PlanAct::DecideFinding { index, decision: Decision::Incident, reason: "無申請".into() }, &planner, now()).unwrap();
    plan = world.does(&plan, &PlanAct::ReturnReport { reason: "版を書く".into() }, &planner, now()).unwrap();
    let same = world.does(&plan, &report(true), &applicant, now()).unwrap();
    assert_eq!(same.findings.len(), 1, "what was decided is not asked again: {:?}", same.findings);
    let other = world.does(&plan, &report(false), &applicant, now()).unwrap();
    assert!(other.findings.iter().any(|row| row.decision == Some(Decision::Incident)));
}

/// What an act meets where neither persons nor ledgers matter.
fn bare(world: &World, findings: Vec<Finding>) -> Context<'_> {
    Context {
        diary: &[],
        policy: &world.policy,
        digest: DIGEST.into(),
        workers: &[],
        targets: &[],
        principals: &[],
        subcontractors: &[],
        privileged: false,
        vendor_active: true,
        session_running: false,
        openers: &[],
        findings,
    }
}

/// A worker who withdraws while a session runs, and explains any row at once, must not freeze the comparison there.
#[test]
fn words_on_an_aborted_plan_do_not_stop_its_facts_from_being_completed() {
    let world = world();
    let mut plan = world.plan_in(PlanState::Aborted);
    plan.findings[0].reason = "先に書いた理由".into();
    let late = Finding { actual: "rm -rf /data".into(), ..difference() };
    let context = bare(&world, vec![difference(), late.clone()]);
    let next = crate::plan::act::pass_time(&plan, now(), &context).unwrap();
    assert_eq!(next.findings, [plan.findings[0].clone(), late]);
    assert_eq!(crate::plan::act::pass_time(&next, now(), &context), None);
    plan.findings[0].decision = Some(Decision::NoProblem);
    assert_eq!(act(&plan, &PlanAct::FinishReconcile, &world.actor("operator"), now(), &context), Err(Refusal::FindingsOpen));
}

#[test]
fn a_subcontractors_worker_has_the_work_and_not_the_application() {
    let world = world();
    let theirs = world.actor("a worker of another vendor");
    let mut plan = world.approved();
    plan.state = PlanState::InProgress;
    plan.content.workers = vec![theirs.person.clone().unwrap()];
    let context = bare(&world, Vec::new());
    let until = plan.window().1.plus(Duration::from_secs(3600));
    assert_eq!(offered(&plan, &theirs, now(), &context), ["ask_extension", "note_change", "finish_work"]);
    assert!(world.does(&plan, &PlanAct::AskExtension { until, reason: "長引く".into() }, &theirs, now()).is_ok());
    assert_eq!(world.does(&plan, &PlanAct::Withdraw { reason: "x".into() }, &theirs, now()), Err(Refusal::NotFound));
}
