//! The shapes that the templates of a plan's page read: plain values, already written in the reader's language.

use super::powers::{LoosenedView, RuleView, TargetView};
use super::revised::RevisedView;
use serde::Serialize;

/// One session in a list.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct SessionLine {
    /// How it stands while it runs: `live`, `no_witness`, `paused`.
    pub state: &'static str,
    /// Commands that wait for a person.
    pub held: usize,
    pub held_files: usize,
    pub id: String,
    pub person: String,
    pub target: String,
    pub source: String,
    pub account: String,
    pub time: String,
    pub running: bool,
    pub cause: &'static str,
    pub commands: usize,
    pub files: usize,
    pub plan: String,
    pub plan_number: String,
    pub until_ms: i64,
    pub until: String,
}

/// The page.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct PlanPage {
    pub id: String,
    pub number: String,
    pub revision: u32,
    pub version: u64,
    pub digest: String,
    pub digest_short: String,
    pub state: &'static str,
    pub title: String,
    pub vendor: String,
    pub applicant: String,
    pub is_emergency: bool,
    pub delegated: bool,
    pub step: usize,
    pub stopped: bool,
    pub window: Option<Window>,
    pub content: ContentView,
    /// What changed against the edition that the hospital had before.
    pub revised: Option<RevisedView>,
    /// Rules of classes that the plan's own make laxer.
    pub loosened: Vec<LoosenedView>,
    pub marks: Vec<MarkView>,
    pub missing: Vec<&'static str>,
    /// Approvals of the present content: words and names, for one line.
    pub approvals_given: String,
    pub duties: Vec<DutyView>,
    pub acts: Vec<ActView>,
    pub allowed: Vec<&'static str>,
    pub ssh: Vec<SshLine>,
    pub sessions: Vec<SessionLine>,
    pub running: bool,
    pub changes: Vec<ChangeView>,
    pub trail: Vec<TrailView>,
    pub findings: Vec<FindingView>,
    pub differences: usize,
    pub open_findings: usize,
    /// Commands that are not compared: those with any arguments, and those that stand alone.
    pub quiet: (String, String),
    pub report: Option<ReportView>,
    pub extension: Option<ExtensionView>,
    pub emergency: Option<EmergencyView>,
    pub work: Work,
    pub created: String,
}

/// The window of the work.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct Window {
    pub text: String,
    pub era: String,
    pub from: String,
    pub until: String,
    pub until_local: String,
    pub from_ms: i64,
    pub until_ms: i64,
    pub phase: &'static str,
    pub extended: bool,
    pub admits: bool,
}

/// What was planned, with names for identifiers.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ContentView {
    pub class: &'static str,
    pub purpose: String,
    pub targets: Vec<TargetView>,
    pub privileged: bool,
    pub privileged_reason: String,
    pub personal: Option<(String, String)>,
    pub files: Vec<(String, String, String)>,
    pub carry_out: Option<CarryView>,
    pub workers: Vec<WorkerView>,
    pub sources: Vec<String>,
    pub line: String,
    pub steps: String,
    pub commands: Vec<String>,
    pub impact: String,
    pub stop_minutes: u32,
    pub rollback: String,
    pub acceptance: String,
    pub witness: &'static str,
    pub unplanned: &'static str,
    pub rules: Vec<RuleView>,
    pub contact: String,
    pub subcontractor: String,
    pub attachments: Vec<AttachmentView>,
    pub emergency_reason: String,
}

/// A worker of the plan.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct WorkerView {
    pub name: String,
    pub login: String,
    pub org: String,
}

/// Take-out.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct CarryView {
    pub purpose: String,
    pub number: String,
    pub fields: String,
    pub storage: String,
}

/// An attached file.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct AttachmentView {
    pub id: String,
    pub name: String,
    pub size: String,
    pub sha256: String,
}

/// A box for a stamp. `role` is the end of the key of its word; an empty date is a box without a stamp.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct MarkView {
    pub role: &'static str,
    pub name: String,
    pub short: String,
    pub date: String,
    pub at: String,
    pub era: String,
}

/// Something the reader must do.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct DutyView {
    pub kind: String,
    pub due: String,
    pub overdue: bool,
}

/// A button: an act that the reader may do.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ActView {
    pub act: &'static str,
    pub path: &'static str,
    pub look: &'static str,
    pub icon: &'static str,
}

/// A line to copy into a terminal.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct SshLine {
    pub worker: String,
    pub target: String,
    pub shell: String,
    pub files: String,
    /// One for each place that the plan's forwards may reach.
    pub forwards: Vec<String>,
    pub mine: bool,
}

/// 計画変更メモ
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ChangeView {
    pub index: usize,
    pub text: String,
    pub by: String,
    pub at: String,
    pub accepted_by: String,
    pub accepted_at: String,
}

/// One line of the trail.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct TrailView {
    pub act: &'static str,
    pub who: String,
    pub at: String,
    pub era: String,
    pub note: String,
    pub icon: &'static str,
    pub tone: &'static str,
}

/// One row of the reconciliation.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct FindingView {
    pub index: usize,
    pub item: &'static str,
    /// `match`, `not_compared` (the plan says nothing), `no_deviation`, or how it differs.
    pub standing: &'static str,
    pub different: bool,
    pub planned: String,
    pub fact: String,
    /// The same for paper, where dates stand with the era.
    pub planned_era: String,
    pub fact_era: String,
    /// What of the plan an act on a file was held against; nothing if that is plain.
    pub why: &'static str,
    pub session: String,
    pub seconds: Option<u64>,
    pub place: String,
    pub reason: String,
    pub decision: &'static str,
    pub decided_by: String,
    pub decided_at: String,
    pub decided_era: String,
}

/// 完了報告
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ReportView {
    pub result: String,
    pub cause: String,
    pub prevention: String,
    pub remaining: String,
    pub versions: String,
    pub personal_data_used: bool,
    pub personal_data_detail: String,
    pub written_by: String,
    pub written_at: String,
    pub written_era: String,
    pub countersigned_by: String,
    pub countersigned_at: String,
    pub countersigned_era: String,
}

/// A wish for a longer window.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ExtensionView {
    pub by: String,
    pub at: String,
    pub until: String,
    pub reason: String,
}

/// The emergency path.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct EmergencyView {
    pub allowed_by: String,
    pub allowed_at: String,
    pub decide_by: String,
    pub late: bool,
    pub decided: bool,
    pub approved: bool,
    pub decided_by: String,
    pub decided_at: String,
    pub reason: String,
}

/// What was done, in figures; fills the report in.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct Work {
    pub sessions: usize,
    pub commands: usize,
    pub files: usize,
    pub ended: String,
}
