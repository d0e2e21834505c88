//! The work plan (作業計画書): one aggregate from draft to closing.
//!
//! [`act`](act::act) is the only way to change one. It is pure: plan, act, actor, time and context go in, the
//! changed plan or a refusal comes out. The store loads, calls it, saves and logs.

pub mod act;
mod act_told;
pub mod approval;
pub mod content;
pub mod offer;
pub mod state;

use crate::ids::{PersonId, PlanId, SessionId, VendorId};
use crate::people::Actor;
use crate::permission::Action;
use crate::reconcile::Finding;
use crate::time::Timestamp;
use approval::Approval;
use content::PlanContent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::PlanState;

/// A work plan with everything that was decided on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Identifier.
    pub id: PlanId,
    /// Number that people say: `2026-0042`.
    pub number: String,
    /// The vendor that applies.
    pub vendor: VendorId,
    /// Who applied. An operator may apply on a vendor's behalf.
    pub applicant: PersonId,
    /// Where it stands.
    pub state: PlanState,
    /// Counts changes of the content; printed on forms as 版.
    pub revision: u32,
    /// What is planned.
    pub content: PlanContent,
    /// The edition that the hospital had last, if the content was changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Edition>>,
    /// Approvals given for the present content.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// The emergency path, once allowed.
    #[serde(default)]
    pub emergency: Option<Emergency>,
    /// A wish for a longer window that waits for a decision.
    #[serde(default)]
    pub extension: Option<ExtensionWish>,
    /// End of the window after extensions.
    #[serde(default)]
    pub extended_until: Option<Timestamp>,
    /// Deviations that the worker wrote down during the work (計画変更メモ).
    #[serde(default)]
    pub changes: Vec<ChangeNote>,
    /// Sessions opened under this plan.
    #[serde(default)]
    pub sessions: Vec<SessionId>,
    /// When the work ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Plan and fact, item by item, once reconciled.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// When findings were all decided.
    #[serde(default)]
    pub reconciled_at: Option<Timestamp>,
    /// The completion report.
    #[serde(default)]
    pub report: Option<Report>,
    /// The planner's confirmation.
    #[serde(default)]
    pub confirmation: Option<Mark>,
    /// Who did what, in order; shown as the trail of the plan.
    #[serde(default)]
    pub trail: Vec<TrailEntry>,
    /// When it was drawn up.
    pub created_at: Timestamp,
    /// Grows by one with each change; guards against two people changing at once.
    #[serde(default)]
    pub version: u64,
}

/// An edition of the content that another one took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edition {
    /// Its number.
    pub revision: u32,
    /// What was planned.
    pub content: PlanContent,
}

/// A person's mark with its time, as a stamp on paper would be (申請者・承認者・確認者).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Who.
    pub by: PersonId,
    /// Display name at that time.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

/// The emergency path: allowed at once, approved after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Emergency {
    /// Who allowed it.
    pub allowed: Mark,
    /// End of the emergency window.
    pub until: Timestamp,
    /// By when it must be approved after the fact; passing it escalates to the safety manager.
    pub decide_by: Timestamp,
    /// The decision after the fact.
    pub decision: Option<AfterFact>,
}

/// A decision after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AfterFact {
    /// The planner's mark.
    pub mark: Mark,
    /// True if the work is approved; false makes it an incident.
    pub approved: bool,
    /// What the planner wrote.
    pub reason: String,
}

/// A wish for a longer window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExtensionWish {
    /// Who wishes.
    pub by: Mark,
    /// The new end.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// A deviation written down during the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeNote {
    /// Who wrote it.
    pub by: Mark,
    /// What is different.
    pub text: String,
    /// The hospital's acceptance, if given.
    pub accepted: Option<Mark>,
}

/// The completion report (完了報告書). Facts are not typed: they are taken from the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// What the worker wrote.
    pub content: ReportContent,
    /// Who wrote it.
    pub written: Mark,
    /// The vendor manager's countersignature, if given.
    pub countersigned: Option<Mark>,
}

/// What the worker adds to the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportContent {
    /// What was done, and with what result (作業結果).
    pub result: String,
    /// Cause, for fault work (原因).
    #[serde(default)]
    pub cause: String,
    /// How it is kept from coming back (再発防止).
    #[serde(default)]
    pub prevention: String,
    /// Remaining tasks (残課題).
    #[serde(default)]
    pub remaining: String,
    /// Versions after the work.
    #[serde(default)]
    pub versions: String,
    /// Whether personal data was seen or used; the worker must say so either way.
    pub personal_data_used: bool,
    /// Whose, what, how many; needed if it was used.
    #[serde(default)]
    pub personal_data_detail: String,
    /// The work diary (作業日誌): what was done in each session on a target that has no log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diary: Vec<DiaryEntry>,
}

/// What somebody did in one session on a target without a log, in their own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiaryEntry {
    /// The session.
    pub session: SessionId,
    /// What was done.
    pub text: String,
}

/// One line of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrailEntry {
    /// When.
    pub at: Timestamp,
    /// Display name of who did it.
    pub by: String,
    /// Who did it; `None` for the box and its console.
    #[serde(default)]
    pub person: Option<PersonId>,
    /// The act's name.
    pub act: String,
    /// State after it.
    pub state: PlanState,
    /// Reason or remark.
    #[serde(default)]
    pub remark: String,
}

impl Plan {
    /// A draft without content, before its first edit.
    #[must_use]
    pub fn blank(id: PlanId, number: String, vendor: VendorId, applicant: PersonId, created_at: Timestamp) -> Self {
        Self {
            id,
            number,
            vendor,
            applicant,
            state: PlanState::Draft,
            revision: 0,
            content: PlanContent::default(),
            before: None,
            approvals: Vec::new(),
            emergency: None,
            extension: None,
            extended_until: None,
            changes: Vec::new(),
            sessions: Vec::new(),
            ended_at: None,
            findings: Vec::new(),
            reconciled_at: None,
            report: None,
            confirmation: None,
            trail: Vec::new(),
            created_at,
            version: 0,
        }
    }

    /// The window in which sessions may be open: as allowed in an emergency, as extended, else as planned.
    #[must_use]
    pub fn window(&self) -> (Timestamp, Timestamp) {
        let (from, until) = match &self.emergency {
            Some(emergency) => (emergency.allowed.at, emergency.until),
            None => (self.content.from, self.content.until),
        };
        (from, self.extended_until.unwrap_or(until))
    }

    /// The vendor as whose the plan counts for this actor: a worker named in it may belong to a subcontractor. The
    /// work is theirs too; what is applied for, and whether it stands, is the applying vendor's alone.
    #[must_use]
    pub fn vendor_for<'a>(&'a self, actor: &'a Actor, action: Action) -> &'a VendorId {
        let is_work = matches!(action, Action::AskExtension | Action::NoteChange | Action::FinishWork | Action::ExplainFinding | Action::WriteReport);
        let named = is_work && actor.person.as_ref().is_some_and(|person| self.content.workers.contains(person));
        actor.vendor.as_ref().filter(|_| named).unwrap_or(&self.vendor)
    }

    /// True for whoever applied, works under the plan, or wrote any of its content: they do not approve it.
    #[must_use]
    pub fn is_by(&self, person: &PersonId) -> bool {
        let wrote = |entry: &TrailEntry| matches!(entry.act.as_str(), "draw" | "edit") && entry.person.as_ref() == Some(person);
        *person == self.applicant || self.content.workers.contains(person) || self.trail.iter().any(wrote)
    }

    /// True if somebody of the hospital had the present edition in hand and did something with it, or if it is the first
    /// that they could have: what comes after is compared with it. Several changes in a row hide nothing, because the
    /// edition to compare with stays until the hospital acts again.
    #[must_use]
    pub fn is_known_edition(&self) -> bool {
        match self.state {
            PlanState::Submitted => !self.approvals.is_empty() || self.before.is_none(),
            PlanState::Approved => true,
            PlanState::Returned => self.trail.iter().rev().find(|entry| matches!(entry.act.as_str(), "edit" | "return")).is_some_and(|entry| entry.act == "return"),
            _ => false,
        }
    }

    /// True for plans that ask to start at once.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.content.emergency_reason.is_some()
    }

    /// True while sessions may be open under the plan, as far as its state goes. An emergency that was not approved
    /// after the fact is an incident: nobody goes on with it.
    #[must_use]
    pub fn admits(&self) -> bool {
        let disapproved = self.emergency.as_ref().and_then(|emergency| emergency.decision.as_ref()).is_some_and(|decision| !decision.approved);
        self.state.admits() && !disapproved
    }

    /// True while an approval after the fact is owed.
    #[must_use]
    pub fn owes_after_fact(&self) -> bool {
        self.emergency.as_ref().is_some_and(|emergency| emergency.decision.is_none())
    }

    /// The bytes whose digest approvers sign: everything that was applied for, and nothing that changes later.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let signed = (&self.id, &self.number, &self.vendor, &self.applicant, self.revision, &self.content);
        // A struct of plain data has no way to fail to serialise; an empty answer would match no approval.
        serde_json::to_vec(&signed).unwrap_or_default()
    }
}
