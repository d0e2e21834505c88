//! The acts on a plan: the one place where a plan changes.

use super::approval::{self, Approval};
use super::content::{PlanContent, check_text};
use super::state::PlanState;
use super::{AfterFact, ChangeNote, Edition, Emergency, ExtensionWish, Mark, Plan, Report, ReportContent, TrailEntry};
use crate::calendar::business_deadline;
use crate::emergency::is_among;
use crate::ids::{PersonId, SessionId, VendorId};
use crate::limits;
use crate::people::{Actor, Person, Role};
use crate::permission::may;
use crate::policy::Policy;
use crate::reconcile::{Decision, Finding, Item, SessionFacts, diary, personal_data, renewed};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What somebody asks to be done to a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum PlanAct {
    /// Change the content. An approved plan goes back to 申請中 and loses its approvals.
    Edit {
        /// The new content.
        content: Box<PlanContent>,
    },
    /// 申請
    Submit,
    /// 差戻し
    Return {
        /// What has to be corrected.
        reason: String,
    },
    /// 却下
    Reject {
        /// Why.
        reason: String,
    },
    /// 承認, of the plan as it was shown.
    Approve {
        /// Digest of the plan that the approver read.
        digest: String,
    },
    /// 取下げ by the vendor, 承認取消 by the hospital. A running session ends.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// Allow an emergency plan to start at once.
    AllowEmergency {
        /// Length of the window from this moment, in hours.
        hours: u32,
    },
    /// 事後承認
    DecideAfterFact {
        /// Approved, or treated as an incident.
        approved: bool,
        /// Remark; needed if not approved.
        reason: String,
    },
    /// 延長申請
    AskExtension {
        /// New end of the window.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Decide on an extension.
    DecideExtension {
        /// Allowed or not.
        allowed: bool,
    },
    /// 計画変更メモ during the work.
    NoteChange {
        /// What is different.
        text: String,
    },
    /// Accept a deviation.
    AcceptChange {
        /// Its position.
        index: usize,
    },
    /// 作業終了
    FinishWork,
    /// The reason of a difference.
    ExplainFinding {
        /// Its position.
        index: usize,
        /// The reason.
        reason: String,
    },
    /// The decision on a difference.
    DecideFinding {
        /// Its position.
        index: usize,
        /// 問題なし, 是正 or インシデント.
        decision: Decision,
        /// Reason, if nobody gave one before.
        reason: String,
    },
    /// 照合完了
    FinishReconcile,
    /// 完了報告
    SubmitReport {
        /// What the worker adds to the facts.
        content: Box<ReportContent>,
    },
    /// The vendor manager's countersignature.
    Countersign,
    /// Back to the worker.
    ReturnReport {
        /// What is missing.
        reason: String,
    },
    /// 確認
    Confirm,
}

/// What the rules need to know besides plan, act, actor and time. The store gathers it.
pub struct Context<'a> {
    /// The hospital's settings.
    pub policy: &'a Policy,
    /// SHA-256 of [`Plan::signed_bytes`] of the plan as stored, hex.
    pub digest: String,
    /// The persons named as workers, as the ledger has them.
    pub workers: &'a [Person],
    /// Targets named: id, short name, vendor that maintains them.
    pub targets: &'a [(crate::ids::TargetId, String, VendorId)],
    /// Vendors on whose account the plan's vendor may work: itself and those it is a subcontractor of.
    pub principals: &'a [VendorId],
    /// The plan's own subcontractors, whose workers may be named too.
    pub subcontractors: &'a [VendorId],
    /// True if one of the accounts named has all rights on its target.
    pub privileged: bool,
    /// Whether vendor and contract are in force.
    pub vendor_active: bool,
    /// True while a session of the plan runs.
    pub session_running: bool,
    /// Names that those typed who opened the emergency account by which the plan was allowed; none where a person allowed it
    /// under a login of their own.
    pub openers: &'a [String],
    /// What reconciliation finds at this moment; used when the work ends.
    pub findings: Vec<Finding>,
    /// The plan's sessions on targets without a log, which the report tells of; used when it is written.
    pub diary: &'a [SessionFacts],
}

/// Does one act, or refuses it.
///
/// # Errors
/// The refusal, with nothing changed.
pub fn act(plan: &Plan, act: &PlanAct, by: &Actor, now: Timestamp, context: &Context<'_>) -> Result<Plan, Refusal> {
    may(by, act.action(), Some(plan.vendor_for(by, act.action())))?;
    check_text("reason", act.remark())?;
    let mut next = plan.clone();
    step(&mut next, act, by, now, context)?;
    next.trail.push(TrailEntry { at: now, by: by.name.clone(), person: by.person.clone(), act: act.name().to_owned(), state: next.state, remark: act.said(plan) });
    next.version += 1;
    Ok(next)
}

fn step(plan: &mut Plan, act: &PlanAct, by: &Actor, now: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    use PlanState as S;
    match act {
        PlanAct::Edit { content } => {
            expect(plan, &[S::Draft, S::Returned, S::Submitted, S::Approved])?;
            content.check_bounds()?;
            check_choices(content, context)?;
            if plan.is_known_edition() {
                plan.before = Some(Box::new(Edition { revision: plan.revision, content: plan.content.clone() }));
            }
            plan.content = (**content).clone();
            plan.revision += 1;
            void(plan);
            if plan.state == S::Approved {
                plan.content.check_complete(now)?;
                check_privileged(&plan.content, context)?;
                plan.state = S::Submitted;
            }
        }
        PlanAct::Submit => {
            expect(plan, &[S::Draft, S::Returned])?;
            plan.content.check_complete(now)?;
            check_privileged(&plan.content, context)?;
            check_choices(&plan.content, context)?;
            check_workers(plan, now, context)?;
            plan.state = S::Submitted;
        }
        PlanAct::Return { reason } => {
            expect(plan, &[S::Submitted, S::Approved])?;
            not_own(plan, by)?;
            need(reason)?;
            void(plan);
            plan.state = S::Returned;
        }
        PlanAct::Reject { reason } => {
            expect(plan, &[S::Submitted])?;
            not_own(plan, by)?;
            need(reason)?;
            plan.state = S::Rejected;
        }
        PlanAct::Approve { digest } => approve(plan, digest, by, now, context)?,
        PlanAct::Withdraw { reason } => {
            need(reason)?;
            plan.state = match plan.state {
                S::Draft | S::Submitted | S::Returned | S::Approved => S::Withdrawn,
                S::Emergency if plan.sessions.is_empty() => S::Withdrawn,
                S::InProgress | S::Emergency => {
                    plan.findings = context.findings.clone();
                    plan.ended_at = Some(now);
                    S::Aborted
                }
                state => return Err(Refusal::WrongState { state }),
            };
        }
        PlanAct::AllowEmergency { hours } => allow_emergency(plan, *hours, by, now, context)?,
        PlanAct::DecideAfterFact { approved, reason } => {
            not_written(plan, by)?;
            if !approved {
                need(reason)?;
            }
            let mark = mark(by, now)?;
            let Some(emergency) = plan.emergency.as_mut().filter(|emergency| emergency.decision.is_none()) else {
                return Err(Refusal::WrongState { state: plan.state });
            };
            if emergency.allowed.by == mark.by && !context.policy.small_facility {
                // Who opened the emergency does not review it (domain.md section 3).
                return Err(Refusal::AlreadyApproved);
            }
            if is_among(context.openers, by) && !context.policy.small_facility {
                // An emergency account acts for those who opened it.
                return Err(Refusal::SameHand);
            }
            emergency.decision = Some(AfterFact { mark, approved: *approved, reason: reason.clone() });
        }
        PlanAct::AskExtension { until, reason } => {
            expect(plan, &[S::Approved, S::InProgress, S::Emergency])?;
            need(reason)?;
            let (_, end) = plan.window();
            let longest = Duration::from_secs(limits::EMERGENCY_HOURS as u64 * 3600);
            if *until <= end || *until <= now || end.until(*until) > longest {
                return Err(Refusal::BadExtension);
            }
            plan.extension = Some(ExtensionWish { by: mark(by, now)?, until: *until, reason: reason.clone() });
        }
        PlanAct::DecideExtension { allowed } => {
            expect(plan, &[S::Approved, S::InProgress, S::Emergency])?;
            let Some(wish) = plan.extension.take() else { return Err(Refusal::WrongState { state: plan.state }) };
            if by.vendor.is_some() || by.is_person(&wish.by.by) {
                return Err(Refusal::ApproverIsApplicant);
            }
            if plan.content.needs_planner() && !by.is(Role::Planner) {
                return Err(Refusal::PlannerOnly);
            }
            if *allowed {
                plan.extended_until = Some(wish.until);
            }
        }
        PlanAct::NoteChange { text } => {
            expect(plan, &[S::InProgress, S::Emergency])?;
            need(text)?;
            if plan.changes.len() >= limits::PLAN_FILES {
                return Err(Refusal::too_many("PLAN_FILES"));
            }
            plan.changes.push(ChangeNote { by: mark(by, now)?, text: text.clone(), accepted: None });
        }
        PlanAct::AcceptChange { index } => {
            expect(plan, &[S::InProgress, S::Emergency, S::Reconcile, S::Aborted])?;
            let accepted = mark(by, now)?;
            let note = plan.changes.get_mut(*index).ok_or(Refusal::NotFound)?;
            if note.by.by == accepted.by {
                return Err(Refusal::ApproverIsApplicant);
            }
            note.accepted = Some(accepted);
        }
        PlanAct::FinishWork => {
            expect(plan, &[S::InProgress, S::Emergency])?;
            if context.session_running {
                return Err(Refusal::SessionRunning);
            }
            end_work(plan, now, context);
        }
        PlanAct::ExplainFinding { index, reason } => {
            expect(plan, &[S::Reconcile, S::Aborted])?;
            need(reason)?;
            let finding = plan.findings.get_mut(*index).ok_or(Refusal::NotFound)?;
            if !finding.is_open() {
                // The reason that somebody decided on is not changed behind them.
                return Err(Refusal::WrongState { state: plan.state });
            }
            finding.reason.clone_from(reason);
        }
        PlanAct::DecideFinding { index, decision, reason } => {
            // In 確認待ち only rows on what the report says can be new: on personal data, and on its diary.
            expect(plan, &[S::Reconcile, S::Aborted, S::Confirm])?;
            not_own(plan, by)?;
            let decided = mark(by, now)?;
            let finding = plan.findings.get_mut(*index).ok_or(Refusal::NotFound)?;
            if plan.state == S::Confirm && !finding.is_open() {
                // The report rests on what was decided before it.
                return Err(Refusal::WrongState { state: plan.state });
            }
            if !reason.trim().is_empty() {
                finding.reason.clone_from(reason);
            }
            need(&finding.reason)?;
            finding.decision = Some(*decision);
            finding.decided = Some(decided);
        }
        PlanAct::FinishReconcile => {
            expect(plan, &[S::Reconcile, S::Aborted])?;
            not_own(plan, by)?;
            if context.session_running {
                return Err(Refusal::SessionRunning);
            }
            if plan.state == S::Aborted && !context.findings.is_empty() {
                // The comparison made at the withdrawal saw sessions that still ran.
                plan.findings = renewed(&plan.findings, context.findings.clone());
            }
            if plan.findings.iter().any(Finding::is_open) {
                return Err(Refusal::FindingsOpen);
            }
            plan.reconciled_at = Some(now);
            plan.state = S::Report;
        }
        PlanAct::SubmitReport { content } => {
            expect(plan, &[S::Report])?;
            check_report(content)?;
            // Of two entries about one session the second would stand in the report uncompared.
            let mut told = std::collections::BTreeSet::new();
            if !content.diary.iter().all(|entry| told.insert(&entry.session)) {
                return Err(Refusal::bad_field("diary"));
            }
            // Words about a session that owes none would stand in the report unseen.
            if content.diary.iter().any(|entry| !context.diary.iter().any(|facts| facts.session == entry.session)) {
                return Err(Refusal::bad_field("diary"));
            }
            plan.report = Some(Report { content: (**content).clone(), written: mark(by, now)?, countersigned: None });
            // What the hospital decided on an earlier report stays; a report written again does not erase it.
            plan.findings.retain(|finding| !matches!(finding.item, Item::PersonalData | Item::Diary) || finding.decision.is_some());
            let said = |row: &Finding| plan.findings.iter().any(|held| held.item == row.item && held.verdict == row.verdict && held.actual == row.actual && held.session == row.session);
            let rows: Vec<Finding> = personal_data(plan).into_iter().chain(diary(plan, context.diary)).filter(|row| !said(row)).collect();
            plan.findings.extend(rows);
            plan.state = S::Confirm;
        }
        PlanAct::Countersign => {
            expect(plan, &[S::Confirm])?;
            let countersigned = mark(by, now)?;
            let report = plan.report.as_mut().ok_or(Refusal::NotFound)?;
            if report.written.by == countersigned.by {
                return Err(Refusal::ApproverIsApplicant);
            }
            report.countersigned = Some(countersigned);
        }
        PlanAct::ReturnReport { reason } => {
            expect(plan, &[S::Confirm])?;
            need(reason)?;
            plan.state = S::Report;
        }
        PlanAct::Confirm => {
            expect(plan, &[S::Confirm])?;
            not_own(plan, by)?;
            if plan.owes_after_fact() {
                return Err(Refusal::AfterFactOpen);
            }
            if plan.findings.iter().any(Finding::is_open) {
                return Err(Refusal::FindingsOpen);
            }
            plan.confirmation = Some(mark(by, now)?);
            plan.state = S::Closed;
        }
    }
    Ok(())
}

/// A content that changes, or goes back to be changed, takes everything with it that was decided on the old one: an
/// extension that outlived it would open the window longer than the approvers of the new one read.
fn void(plan: &mut Plan) {
    plan.approvals.clear();
    plan.extension = None;
    plan.extended_until = None;
}

fn approve(plan: &mut Plan, digest: &str, by: &Actor, now: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    let slot = approval::slot_for(plan, by, context.policy, &context.digest)?;
    expect(plan, &[PlanState::Submitted])?;
    if plan.is_emergency() {
        return Err(Refusal::WrongState { state: plan.state });
    }
    if digest != context.digest {
        return Err(Refusal::DigestChanged);
    }
    plan.content.check_complete(now)?;
    check_privileged(&plan.content, context)?;
    check_choices(&plan.content, context)?;
    check_workers(plan, now, context)?;
    let Mark { by, name, at } = mark(by, now)?;
    plan.approvals.push(Approval { slot, by, name, at, digest: context.digest.clone(), signature: String::new() });
    if approval::missing(plan, context.policy, &context.digest).is_empty() {
        plan.state = PlanState::Approved;
    }
    Ok(())
}

fn allow_emergency(plan: &mut Plan, hours: u32, by: &Actor, now: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    expect(plan, &[PlanState::Submitted])?;
    if !plan.is_emergency() {
        return Err(Refusal::WrongState { state: plan.state });
    }
    not_written(plan, by)?;
    if hours == 0 || hours as usize > limits::EMERGENCY_HOURS {
        return Err(Refusal::bad_field("hours"));
    }
    // It may have been changed since it was submitted.
    plan.content.check_complete(now)?;
    check_choices(&plan.content, context)?;
    check_workers(plan, now, context)?;
    let until = now.plus(Duration::from_secs(u64::from(hours) * 3600));
    let decide_by = business_deadline(now, context.policy.after_fact_days);
    plan.emergency = Some(Emergency { allowed: mark(by, now)?, until, decide_by, decision: None });
    plan.state = PlanState::Emergency;
    Ok(())
}

/// A session was opened under the plan.
pub fn began(plan: &mut Plan, session: SessionId) {
    if plan.state == PlanState::Approved {
        plan.state = PlanState::InProgress;
    }
    plan.sessions.push(session);
    plan.version += 1;
}

/// What passing time does to a plan that nobody touches: the window closes on unused and on running plans.
/// `None` if nothing changes.
#[must_use]
pub fn pass_time(plan: &Plan, now: Timestamp, context: &Context<'_>) -> Option<Plan> {
    let (_, until) = plan.window();
    let over = now >= until;
    let mut next = plan.clone();
    let mut name = "window_closed";
    match plan.state {
        // A plan was withdrawn while a session ran: what that session did until it ended belongs to the comparison.
        PlanState::Aborted if !context.session_running => {
            next.findings = renewed(&plan.findings, context.findings.clone());
            if next.findings == plan.findings {
                return None;
            }
            name = "facts_completed";
        }
        PlanState::Submitted if over && !plan.is_emergency() => next.state = PlanState::Expired,
        PlanState::Approved if over => next.state = PlanState::Expired,
        PlanState::Emergency if over && plan.sessions.is_empty() => next.state = PlanState::Expired,
        PlanState::InProgress | PlanState::Emergency if over && !context.session_running => end_work(&mut next, until, context),
        _ => return None,
    }
    let by = Actor::system();
    next.trail.push(TrailEntry { at: now, by: by.name, person: None, act: name.into(), state: next.state, remark: String::new() });
    next.version += 1;
    Some(next)
}

fn end_work(plan: &mut Plan, at: Timestamp, context: &Context<'_>) {
    plan.findings = context.findings.clone();
    plan.extension = None;
    plan.ended_at = Some(at);
    plan.state = PlanState::Reconcile;
}

fn check_report(content: &ReportContent) -> Result<(), Refusal> {
    let texts = [
        ("result", &content.result),
        ("cause", &content.cause),
        ("prevention", &content.prevention),
        ("remaining", &content.remaining),
        ("versions", &content.versions),
        ("personal_data_detail", &content.personal_data_detail),
    ];
    for (field, text) in texts {
        check_text(field, text)?;
    }
    if content.diary.len() > limits::FINDINGS {
        return Err(Refusal::too_many("FINDINGS"));
    }
    for entry in &content.diary {
        check_text("diary", &entry.text)?;
    }
    if content.result.trim().is_empty() {
        return Err(Refusal::bad_field("result"));
    }
    if content.personal_data_used && content.personal_data_detail.trim().is_empty() {
        return Err(Refusal::bad_field("personal_data_detail"));
    }
    Ok(())
}

/// Targets and workers belong to the vendor, or to those it works for or has work for it.
/// Whoever works with all rights says why (guideline: a privileged account is the exception). In an emergency its reason
/// says that, too.
fn check_privileged(content: &PlanContent, context: &Context<'_>) -> Result<(), Refusal> {
    let unsaid = context.privileged && content.emergency_reason.is_none() && content.privileged_reason.trim().is_empty();
    if unsaid { Err(Refusal::bad_field("privileged_reason")) } else { Ok(()) }
}

fn check_choices(content: &PlanContent, context: &Context<'_>) -> Result<(), Refusal> {
    for used in &content.targets {
        let Some((_, name, vendor)) = context.targets.iter().find(|(id, ..)| *id == used.target) else {
            return Err(Refusal::bad_field("targets"));
        };
        if !context.principals.contains(vendor) {
            return Err(Refusal::TargetNotVendors { target: name.clone() });
        }
    }
    for id in &content.workers {
        let Some(person) = context.workers.iter().find(|person| person.id == *id) else {
            return Err(Refusal::bad_field("workers"));
        };
        let ours = |vendor: &VendorId| context.principals.first() == Some(vendor) || context.subcontractors.contains(vendor);
        if !person.is(Role::Worker) || !person.vendor.as_ref().is_some_and(ours) {
            return Err(Refusal::bad_field("workers"));
        }
    }
    Ok(())
}

/// Every worker is active, pledged and trained on the day of the work.
fn check_workers(plan: &Plan, now: Timestamp, context: &Context<'_>) -> Result<(), Refusal> {
    if !context.vendor_active {
        return Err(Refusal::VendorInactive);
    }
    let day = if plan.is_emergency() { now } else { plan.content.until };
    for person in context.workers.iter().filter(|person| plan.content.workers.contains(&person.id)) {
        if !person.may_act(now) || !person.is_ready_for_work(day) {
            return Err(Refusal::WorkerNotReady { worker: person.name.clone() });
        }
    }
    Ok(())
}

fn expect(plan: &Plan, states: &[PlanState]) -> Result<(), Refusal> {
    if states.contains(&plan.state) { Ok(()) } else { Err(Refusal::WrongState { state: plan.state }) }
}

/// Four eyes: whoever applied, or works under the plan, does not decide on it.
fn not_own(plan: &Plan, by: &Actor) -> Result<(), Refusal> {
    if by.vendor.is_some() {
        return Err(Refusal::ApproverIsVendor);
    }
    let own = |person: &PersonId| *person == plan.applicant || plan.content.workers.contains(person);
    if by.person.as_ref().is_some_and(own) { Err(Refusal::ApproverIsApplicant) } else { Ok(()) }
}

/// The same where work is permitted: whoever wrote any of the content does not permit it either.
fn not_written(plan: &Plan, by: &Actor) -> Result<(), Refusal> {
    not_own(plan, by)?;
    if by.person.as_ref().is_some_and(|person| plan.is_by(person)) { Err(Refusal::ApproverIsApplicant) } else { Ok(()) }
}

fn need(reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() { Err(Refusal::ReasonNeeded) } else { Ok(()) }
}

fn mark(by: &Actor, at: Timestamp) -> Result<Mark, Refusal> {
    // The box and its console carry no person's mark, so they can decide nothing that needs one.
    let person = by.person.clone().ok_or(Refusal::NotAllowed)?;
    Ok(Mark { by: person, name: by.name.clone(), at })
}
