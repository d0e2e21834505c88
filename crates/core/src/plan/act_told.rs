//! What is told of an act: its name, the right that it needs, and the words that trail and log keep.

use super::Plan;
use super::act::PlanAct;
use crate::permission::Action;

impl PlanAct {
    /// The name in log and trail.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Submit => "submit",
            Self::Return { .. } => "return",
            Self::Reject { .. } => "reject",
            Self::Approve { .. } => "approve",
            Self::Withdraw { .. } => "withdraw",
            Self::AllowEmergency { .. } => "allow_emergency",
            Self::DecideAfterFact { .. } => "decide_after_fact",
            Self::AskExtension { .. } => "ask_extension",
            Self::DecideExtension { .. } => "decide_extension",
            Self::NoteChange { .. } => "note_change",
            Self::AcceptChange { .. } => "accept_change",
            Self::FinishWork => "finish_work",
            Self::ExplainFinding { .. } => "explain_finding",
            Self::DecideFinding { .. } => "decide_finding",
            Self::FinishReconcile => "finish_reconcile",
            Self::SubmitReport { .. } => "submit_report",
            Self::Countersign => "countersign",
            Self::ReturnReport { .. } => "return_report",
            Self::Confirm => "confirm",
        }
    }

    /// The right that the act needs.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Edit { .. } | Self::Submit => Action::WritePlan,
            Self::Return { .. } | Self::Reject { .. } | Self::Approve { .. } => Action::ApprovePlan,
            Self::Withdraw { .. } => Action::WithdrawPlan,
            Self::AllowEmergency { .. } => Action::AllowEmergency,
            Self::DecideAfterFact { .. } => Action::ApproveAfterFact,
            Self::AskExtension { .. } => Action::AskExtension,
            Self::DecideExtension { .. } => Action::DecideExtension,
            Self::NoteChange { .. } => Action::NoteChange,
            Self::AcceptChange { .. } => Action::AcceptChange,
            Self::FinishWork => Action::FinishWork,
            Self::ExplainFinding { .. } => Action::ExplainFinding,
            Self::DecideFinding { .. } | Self::FinishReconcile => Action::DecideFinding,
            Self::SubmitReport { .. } => Action::WriteReport,
            Self::Countersign => Action::CountersignReport,
            Self::ReturnReport { .. } | Self::Confirm => Action::ConfirmReport,
        }
    }

    /// What trail and log keep of the act besides its name: the outcome of a decision that could have gone either way,
    /// and the sentence that the person gave. `before` is the plan as it was decided on.
    #[must_use]
    pub fn said(&self, before: &Plan) -> String {
        let outcome = match self {
            Self::DecideExtension { allowed: true } => {
                let until = before.extension.as_ref().map(|wish| wish.until.minute()).unwrap_or_default();
                format!("許可 (終了 {until}) / allowed until {until}")
            }
            Self::DecideExtension { allowed: false } => "不許可 / not allowed".to_owned(),
            Self::DecideAfterFact { approved: true, .. } => "承認 / approved".to_owned(),
            Self::DecideAfterFact { approved: false, .. } => "不承認 / not approved".to_owned(),
            _ => return self.remark().to_owned(),
        };
        if self.remark().trim().is_empty() { outcome } else { format!("{outcome}: {}", self.remark()) }
    }

    /// The sentence that a person gave with the act.
    #[must_use]
    pub fn remark(&self) -> &str {
        match self {
            Self::Return { reason }
            | Self::Reject { reason }
            | Self::Withdraw { reason }
            | Self::DecideAfterFact { reason, .. }
            | Self::AskExtension { reason, .. }
            | Self::ExplainFinding { reason, .. }
            | Self::DecideFinding { reason, .. }
            | Self::ReturnReport { reason } => reason,
            Self::NoteChange { text } => text,
            _ => "",
        }
    }
}
