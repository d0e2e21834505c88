//! Plans by way of the store: rules, versions, signatures, isolation of vendors, deadlines.

use super::base::{Base, on_both, told};
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::duty::DutyKind;
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::approval::Slot;
use sekisho_core::plan::content::{Attachment, PersonalDataUse, PlanContent};
use sekisho_core::plan::state::PlanState;
use sekisho_core::plan::ReportContent;
use sekisho_core::refusal::Refusal;
use sekisho_evidence::checkpoint::verify_bytes;
use sekisho_store::{Denied, PlanFilter};
use std::time::Duration;

on_both!(
    the_whole_road,
    approvals_are_separate_and_signed,
    a_change_asks_for_approval_anew,
    two_people_at_once_do_not_overwrite_each_other,
    a_plan_of_others_does_not_exist,
    an_emergency_is_allowed_watched_and_decided,
    windows_close_by_themselves_and_deadlines_escalate_once,
    attachments_are_kept_and_never_forged,
    lists_search_and_page,
    drafts_are_bounded_by_the_ledger,
    a_subcontractors_worker_has_the_acts_of_the_work,
);

const HOUR: Duration = Duration::from_secs(3600);

async fn the_whole_road(base: Base) {
    let town = base.town().await;
    let plan = town.draft(town.content()).await;
    assert_eq!((plan.number.as_str(), plan.state, plan.revision), ("2026-0001", PlanState::Draft, 1));
    assert_eq!(town.draft(town.content()).await.number, "2026-0002");
    town.act(&town.worker, &plan, PlanAct::Submit).await.unwrap();
    let first = town.store.duties(&town.operator.actor).await.unwrap();
    assert!(first.iter().any(|duty| duty.kind == DutyKind::Approve && duty.plan == plan.id), "{first:?}");
    town.approve(&town.operator, &plan).await.unwrap();
    let plan = town.approve(&town.planner, &plan).await.unwrap();
    assert_eq!(plan.state, PlanState::Approved);
    // Somebody worked: the state that a session brings is set by the desk, which has tests of its own.
    town.pass(HOUR * 5);
    town.store.run_jobs_once().await.unwrap();
    let view = town.store.plan(&town.planner.actor, &plan.id).await.unwrap();
    assert_eq!(view.plan.state, PlanState::Expired, "an unused window");
    assert!(view.allowed.is_empty() && view.duties.is_empty());
    let acts: Vec<(String, PlanState)> = town.facts("plan_acted").await.into_iter().filter_map(|entry| match entry.fact {
        Fact::PlanActed { plan: id, act, to, .. } if id == plan.id => Some((act, to)),
        _ => None,
    }).collect();
    let acts: Vec<(&str, PlanState)> = acts.iter().map(|(act, to)| (act.as_str(), *to)).collect();
    use PlanState as S;
    assert_eq!(acts, [("submit", S::Submitted), ("approve", S::Submitted), ("approve", S::Approved), ("window_closed", S::Expired)]);
}

async fn approvals_are_separate_and_signed(base: Base) {
    let town = base.town().await;
    let mut content = town.content();
    content.personal_data = Some(PersonalDataUse { whose: "患者 1 名".into(), why: "調査".into() });
    let plan = town.submitted(content).await;
    assert_eq!(town.approve(&town.worker, &plan).await, Err(Refusal::NotAllowed));
    assert_eq!(town.approve(&town.clerk, &plan).await, Err(Refusal::NotAllowed));
    let once = town.approve(&town.operator, &plan).await.unwrap();
    assert_eq!(town.approve(&town.operator, &plan).await, Err(Refusal::PlannerOnly));
    assert_eq!(town.store.plan(&town.planner.actor, &plan.id).await.unwrap().missing, [Slot::Final]);
    assert_eq!(once.state, PlanState::Submitted);
    let twice = town.approve(&town.planner, &plan).await.unwrap();
    assert_eq!(twice.state, PlanState::Approved);
    let view = town.store.plan(&town.planner.actor, &plan.id).await.unwrap();
    assert!(view.signatures_hold);
    let key = town.store.log_public_key().parse().unwrap();
    for approval in &twice.approvals {
        let signature = approval.signature.parse().unwrap();
        verify_bytes(&key, "approve/v1", &approval.signed_bytes(), &signature).unwrap();
        let mut other = approval.clone();
        other.by = town.worker.id().clone();
        assert!(verify_bytes(&key, "approve/v1", &other.signed_bytes(), &signature).is_err());
    }
    // What was tried without a right is in the log.
    let tried = town.facts("refused").await.iter().filter(|entry| matches!(&entry.fact, Fact::Refused { stage, .. } if stage == "web")).count();
    assert_eq!(tried, 3);
}

async fn a_change_asks_for_approval_anew(base: Base) {
    let town = base.town().await;
    let plan = town.approved().await;
    let stale = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
    let content = PlanContent { title: "DB緊急保守".into(), ..plan.content.clone() };
    let plan = town.act(&town.worker, &plan, PlanAct::Edit { content: Box::new(content) }).await.unwrap();
    assert!(plan.state == PlanState::Submitted && plan.approvals.is_empty() && plan.revision == 2);
    assert_eq!(town.act(&town.operator, &plan, PlanAct::Approve { digest: stale }).await, Err(Refusal::DigestChanged));
    town.approve(&town.operator, &plan).await.unwrap();
}

async fn two_people_at_once_do_not_overwrite_each_other(base: Base) {
    let town = base.town().await;
    let plan = town.submitted(town.content()).await;
    let back = PlanAct::Return { reason: "手順が足りない".into() };
    let first = told(town.store.act_on_plan(&town.operator.actor, &plan.id, back.clone(), Some(plan.version)).await).unwrap();
    let second = told(town.store.act_on_plan(&town.planner.actor, &plan.id, back, Some(plan.version)).await);
    assert_eq!(second, Err(Refusal::ChangedMeanwhile));
    assert_eq!(first.state, PlanState::Returned);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, actor, id) = (town.store.clone(), town.worker.actor.clone(), plan.id.clone());
        tasks.spawn(async move { store.act_on_plan(&actor, &id, PlanAct::Submit, Some(first.version)).await.is_ok() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|done| *done).count(), 1);
}

async fn a_plan_of_others_does_not_exist(base: Base) {
    let town = base.town().await;
    let plan = town.approved().await;
    let stranger = &town.stranger.actor;
    assert_eq!(told(town.store.plan(stranger, &plan.id).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(town.store.act_on_plan(stranger, &plan.id, PlanAct::Withdraw { reason: "x".into() }, None).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(town.store.draw_plan(stranger, &town.vendor.id, town.content()).await).err(), Some(Refusal::NotFound));
    assert_eq!(told(town.store.attach(stranger, &plan.id, "x.txt", b"x").await).err(), Some(Refusal::NotFound));
    assert!(town.store.plans(stranger, &PlanFilter::default()).await.unwrap().rows.is_empty());
    assert!(town.store.duties(stranger).await.unwrap().is_empty());
    assert!(town.store.targets(stranger).await.unwrap().is_empty());
    let names: Vec<String> = town.store.vendors(stranger).await.unwrap().into_iter().map(|vendor| vendor.name).collect();
    assert_eq!(names, [town.other.name.clone()]);
    let choices = town.store.choices(stranger).await.unwrap();
    assert!(choices.targets.is_empty() && choices.workers.iter().all(|worker| worker.id == *town.stranger.id()));
    // An administrator keeps ledgers and reads no plans.
    assert_eq!(told(town.store.plan(&town.admin.actor, &plan.id).await).err(), Some(Refusal::NotAllowed));
}

async fn an_emergency_is_allowed_watched_and_decided(base: Base) {
    let town = base.town().await;
    let mut content = town.content();
    content.emergency_reason = Some("電子カルテ停止".into());
    let plan = town.submitted(content).await;
    let duties = town.store.duties(&town.clerk.actor).await.unwrap();
    assert_eq!(duties.first().map(|duty| duty.kind), Some(DutyKind::AllowEmergency));
    assert!(town.store.plan(&town.clerk.actor, &plan.id).await.unwrap().allowed.contains(&"allow_emergency"));
    let plan = town.act(&town.clerk, &plan, PlanAct::AllowEmergency { hours: 2 }).await.unwrap();
    assert_eq!(plan.state, PlanState::Emergency);
    assert_eq!(town.act(&town.clerk, &plan, PlanAct::DecideAfterFact { approved: true, reason: String::new() }).await, Err(Refusal::NotAllowed));
    let mut recalls = town.store.recalls();
    let plan = town.act(&town.operator, &plan, PlanAct::FinishWork).await.unwrap();
    assert_eq!(plan.state, PlanState::Reconcile);
    assert!(recalls.try_recv().is_err(), "nothing ran, so nothing is recalled");
    assert_eq!(town.facts("reconciled").await.len(), 1);
    // The deadline of the decision passes, and the safety manager has it on the first page.
    town.pass(HOUR * 24 * 10);
    town.store.run_jobs_once().await.unwrap();
    let late = town.store.duties(&town.safety.actor).await.unwrap();
    assert!(late.iter().any(|duty| duty.kind == DutyKind::ApproveAfterFact && duty.overdue), "{late:?}");
    let plan = town.act(&town.planner, &plan, PlanAct::DecideAfterFact { approved: true, reason: String::new() }).await.unwrap();
    assert!(!plan.owes_after_fact());
}

async fn windows_close_by_themselves_and_deadlines_escalate_once(base: Base) {
    let town = base.town().await;
    let mut content = town.content();
    content.emergency_reason = Some("停止".into());
    let plan = town.submitted(content).await;
    let plan = town.act(&town.clerk, &plan, PlanAct::AllowEmergency { hours: 1 }).await.unwrap();
    let mut plan = town.act(&town.operator, &plan, PlanAct::FinishWork).await.unwrap();
    town.pass(HOUR * 24 * 10);
    for _ in 0..3 {
        town.store.run_jobs_once().await.unwrap();
    }
    let escalated = async || -> Vec<String> {
        let entries = town.facts("escalated").await;
        entries.into_iter().filter_map(|entry| if let Fact::Escalated { duty, .. } = entry.fact { Some(duty) } else { None }).collect()
    };
    let mut seen = escalated().await;
    seen.sort();
    assert_eq!(seen, ["after_fact", "reconcile"], "each once, however often it is looked at");
    for index in 0..plan.findings.len() {
        if plan.findings[index].is_open() {
            let decide = PlanAct::DecideFinding { index, decision: sekisho_core::reconcile::Decision::NoProblem, reason: "確認済".into() };
            plan = town.act(&town.operator, &plan, decide).await.unwrap();
        }
    }
    town.act(&town.operator, &plan, PlanAct::FinishReconcile).await.unwrap();
    town.store.run_jobs_once().await.unwrap();
    assert!(escalated().await.contains(&"report".to_owned()));
    let report = ReportContent { result: "復旧した".into(), ..ReportContent::default() };
    town.act(&town.worker, &plan, PlanAct::SubmitReport { content: Box::new(report) }).await.unwrap();
    assert_eq!(town.act(&town.planner, &plan, PlanAct::Confirm).await, Err(Refusal::AfterFactOpen));
    town.act(&town.planner, &plan, PlanAct::DecideAfterFact { approved: true, reason: String::new() }).await.unwrap();
    let plan = town.act(&town.planner, &plan, PlanAct::Confirm).await.unwrap();
    assert_eq!(plan.state, PlanState::Closed);
    assert!(town.store.duties(&town.planner.actor).await.unwrap().is_empty());
}

async fn attachments_are_kept_and_never_forged(base: Base) {
    let town = base.town().await;
    let store = &town.store;
    let plan = town.draft(town.content()).await;
    let bytes = vec![7_u8; 300_000];
    let kept = store.attach(&town.worker.actor, &plan.id, "C:\\work\\手順書.pdf", &bytes).await.unwrap();
    assert_eq!(kept.name, "手順書.pdf", "a name, never a path");
    let (found, back) = store.attachment(&town.operator.actor, &plan.id, &kept.id).await.unwrap();
    assert!(found == kept && back == bytes);
    assert_eq!(told(store.attachment(&town.stranger.actor, &plan.id, &kept.id).await).err(), Some(Refusal::NotFound));
    let other = town.draft(town.content()).await;
    assert_eq!(told(store.attachment(&town.worker.actor, &other.id, &kept.id).await).err(), Some(Refusal::NotFound));
    for forged in [
        Attachment { name: "other.pdf".into(), ..kept.clone() },
        Attachment { sha256: "0".repeat(64), ..kept.clone() },
    ] {
        let content = PlanContent { attachments: vec![forged], ..town.content() };
        assert_eq!(town.act(&town.worker, &plan, PlanAct::Edit { content: Box::new(content) }).await, Err(Refusal::bad_field("attachments")));
    }
    let borrowed = PlanContent { attachments: vec![kept.clone()], ..town.content() };
    assert_eq!(town.act(&town.worker, &other, PlanAct::Edit { content: Box::new(borrowed) }).await, Err(Refusal::bad_field("attachments")));
    assert_eq!(told(store.attach(&town.worker.actor, &plan.id, "big", &vec![0; 10 * 1024 * 1024 + 1]).await).err(), Some(Refusal::TooLarge));
    assert_eq!(told(store.attach(&town.worker.actor, &plan.id, "..", b"x").await).err(), Some(Refusal::bad_field("name")));
    for n in 0..9 {
        store.attach(&town.worker.actor, &plan.id, &format!("{n}.txt"), b"x").await.unwrap();
    }
    assert!(matches!(told(store.attach(&town.worker.actor, &plan.id, "one more", b"x").await), Err(Refusal::TooMany { .. })));
    // Taking files out again makes room in the plan, and not on the disk without end.
    let clear = async || town.act(&town.worker, &plan, PlanAct::Edit { content: Box::new(town.content()) }).await.unwrap();
    for n in 0..30 {
        clear().await;
        store.attach(&town.worker.actor, &plan.id, &format!("again {n}.txt"), b"x").await.unwrap();
    }
    clear().await;
    assert_eq!(told(store.attach(&town.worker.actor, &plan.id, "one more", b"x").await).err(), Some(Refusal::too_many("PLAN_FILES_KEPT")));
}

/// What one vendor leaves open must not crowd out the duties and windows of all others.
#[tokio::test]
async fn a_vendor_has_no_more_than_so_many_open_plans() {
    let town = Base::sqlite().town().await;
    for _ in 0..sekisho_core::limits::VENDOR_OPEN_PLANS {
        town.draft(town.content()).await;
    }
    let draw = async || told(town.store.draw_plan(&town.worker.actor, &town.vendor.id, town.content()).await);
    assert_eq!(draw().await.err(), Some(Refusal::too_many("VENDOR_OPEN_PLANS")));
    let first = town.store.plans(&town.worker.actor, &PlanFilter::default()).await.unwrap().rows.remove(0);
    let withdraw = PlanAct::Withdraw { reason: "不要".into() };
    town.store.act_on_plan(&town.worker.actor, &first.id, withdraw, None).await.unwrap();
    assert!(draw().await.is_ok());
}

async fn a_subcontractors_worker_has_the_acts_of_the_work(base: Base) {
    let town = base.town().await;
    let below = sekisho_store::VendorAsk { name: town.other.name.clone(), subcontractor_of: Some(town.vendor.id.clone()), subcontract: Some(super::accounts::registered()), ..sekisho_store::VendorAsk::default() };
    town.store.change_vendor(&town.admin.actor, &town.other.id, below).await.unwrap();
    let plan = town.submitted(PlanContent { workers: vec![town.stranger.id().clone()], ..town.content() }).await;
    town.approve(&town.operator, &plan).await.unwrap();
    let plan = town.approve(&town.planner, &plan).await.unwrap();
    let view = town.store.plan(&town.stranger.actor, &plan.id).await.unwrap();
    assert_eq!(view.allowed, ["ask_extension"]);
    let ask = PlanAct::AskExtension { until: plan.window().1.plus(HOUR), reason: "長引く".into() };
    assert!(town.act(&town.stranger, &plan, ask).await.unwrap().extension.is_some());
    assert_eq!(town.act(&town.stranger, &plan, PlanAct::Withdraw { reason: "x".into() }).await, Err(Refusal::NotFound));
}

async fn lists_search_and_page(base: Base) {
    let town = base.town().await;
    for n in 0..53 {
        town.draft(PlanContent { title: format!("定期点検 {n} 100%_DONE!"), ..town.content() }).await;
    }
    let page = |page, text: Option<&str>| PlanFilter { page, text: text.map(str::to_owned), ..PlanFilter::default() };
    let first = town.store.plans(&town.operator.actor, &page(0, None)).await.unwrap();
    assert!(first.rows.len() == 50 && first.more && first.rows[0].number == "2026-0053");
    let second = town.store.plans(&town.operator.actor, &page(1, None)).await.unwrap();
    assert!(second.rows.len() == 3 && !second.more);
    for (text, count) in [("点検 7 ", 1), ("2026-0007", 1), ("100%_done!", 50), ("100_", 0), ("%%", 0), ("'", 0)] {
        assert_eq!(town.store.plans(&town.operator.actor, &page(0, Some(text))).await.unwrap().rows.len(), count, "{text}");
    }
    let state = PlanFilter { state: Some(PlanState::Closed), ..PlanFilter::default() };
    assert!(town.store.plans(&town.operator.actor, &state).await.unwrap().rows.is_empty());
}

async fn drafts_are_bounded_by_the_ledger(base: Base) {
    let town = base.town().await;
    let draw = async |content: PlanContent| told(town.store.draw_plan(&town.worker.actor, &town.vendor.id, content).await).map(|_| ());
    let foreign = PlanContent { workers: vec![town.stranger.id().clone()], ..town.content() };
    assert_eq!(draw(foreign).await, Err(Refusal::bad_field("workers")));
    let long = PlanContent { title: "あ".repeat(201), ..town.content() };
    assert_eq!(draw(long).await, Err(Refusal::bad_field("title")));
    let sly = PlanContent { title: "safe\u{202e}cod.exe".into(), ..town.content() };
    assert_eq!(draw(sly).await, Err(Refusal::bad_field("title")));
    let theirs = told(town.store.draw_plan(&town.stranger.actor, &town.other.id, PlanContent { workers: vec![town.stranger.id().clone()], ..town.content() }).await);
    assert!(matches!(theirs, Err(Refusal::TargetNotVendors { .. })));
    // Nothing that was refused used up a number.
    assert_eq!(town.draft(town.content()).await.number, "2026-0001");
    assert_eq!(town.facts("plan_drawn").await.len(), 1);
}

/// Somebody who can write to the database, and has no key, cannot make a plan that admits.
#[tokio::test]
async fn a_plan_changed_in_the_database_is_refused() {
    let town = Base::postgres().town().await;
    let plan = town.submitted(town.content()).await;
    let db = town.base.db.as_ref().unwrap();
    db.sql("UPDATE plans SET state = 'approved', body = replace(body, '\"state\":\"submitted\"', '\"state\":\"approved\"')");
    assert!(matches!(town.store.plan(&town.operator.actor, &plan.id).await, Err(Denied::Fault(_))));
    let digest = sekisho_evidence::Digest::of(&plan.signed_bytes()).to_string();
    assert!(matches!(town.store.act_on_plan(&town.operator.actor, &plan.id, PlanAct::Approve { digest }, None).await, Err(Denied::Fault(_))));
    assert!(town.store.duties(&town.operator.actor).await.unwrap().is_empty(), "other people's lists go on");
}

/// Withdrawing a plan under which a session runs, and extending one, reach the session as words.
#[tokio::test]
async fn withdrawal_and_extension_reach_a_running_session() {
    let ward = super::ward::Ward::new().await;
    let mut recalls = ward.store.recalls();
    let admission = ward.entered().await;
    let plan = ward.store.plans(&ward.planner, &PlanFilter::default()).await.unwrap().rows.remove(0);
    let view = ward.store.plan(&ward.planner, &plan.id).await.unwrap();
    assert!(view.session_running && view.plan.state == PlanState::InProgress && view.sessions.len() == 1);
    let until = view.plan.window().1.plus(HOUR);
    ward.store.act_on_plan(&ward.worker_actor(), &plan.id, PlanAct::AskExtension { until, reason: "長引く".into() }, None).await.unwrap();
    ward.store.act_on_plan(&ward.planner, &plan.id, PlanAct::DecideExtension { allowed: true }, None).await.unwrap();
    let word = super::ward::recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((word.session.as_ref(), word.word), (Some(&admission.session), RecallWord::Until(until)));
    assert!(matches!(ward.store.act_on_plan(&ward.worker_actor(), &plan.id, PlanAct::FinishWork, None).await, Err(Denied::Refusal(Refusal::SessionRunning))));
    let aborted = ward.store.act_on_plan(&ward.planner, &plan.id, PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    assert_eq!(aborted.state, PlanState::Aborted);
    let word = super::ward::recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((word.session.as_ref(), word.word), (Some(&admission.session), RecallWord::End(Cause::Recalled)));
    assert_eq!(ward.facts("cut_asked").await.len(), 1);
    ward.left(admission, Cause::Recalled).await;
    // What the session did after the withdrawal belongs to the comparison.
    ward.store.run_jobs_once().await.unwrap();
    let plan = ward.store.plan(&ward.planner, &plan.id).await.unwrap().plan;
    assert!(plan.findings.iter().any(|finding| finding.actual == "recalled"), "{:?}", plan.findings);
}

/// What the planner does not approve after the fact ends at once, and nobody enters under it again.
#[tokio::test]
async fn an_emergency_that_is_not_approved_ends_its_sessions() {
    let ward = super::ward::Ward::new().await;
    let mut recalls = ward.store.recalls();
    let content = PlanContent { emergency_reason: Some("電子カルテ停止".into()), ..ward.content() };
    let plan = ward.store.draw_plan(&ward.worker_actor(), &ward.vendor.id, content).await.unwrap();
    let act = async |who: &Actor, what| ward.store.act_on_plan(who, &plan.id, what, None).await.unwrap();
    act(&ward.worker_actor(), PlanAct::Submit).await;
    act(&ward.clerk, PlanAct::AllowEmergency { hours: 2 }).await;
    let principal = ward.principal().await;
    let admission = ward.try_enter(&principal).await.unwrap();
    act(&ward.planner, PlanAct::DecideAfterFact { approved: false, reason: "不要".into() }).await;
    let word = super::ward::recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((word.session.as_ref(), word.word), (Some(&admission.session), RecallWord::End(Cause::Recalled)));
    ward.left(admission, Cause::Recalled).await;
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::NoPlan));
}
