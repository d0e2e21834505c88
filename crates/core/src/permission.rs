//! Who may do what: one table of roles and actions (domain.md section 3), and the scope in which it holds.

use crate::ids::VendorId;
use crate::people::{Actor, Role, Via};
use crate::refusal::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something a person can ask Sekisho to do. Each route of pages and API names one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Draw up, change and submit plans of one's own vendor (an operator on any vendor's behalf).
    WritePlan,
    /// Read a plan.
    ReadPlan,
    /// Withdraw or revoke a plan.
    WithdrawPlan,
    /// Return, reject or approve.
    ApprovePlan,
    /// Allow an emergency at once.
    AllowEmergency,
    /// Decide on an emergency after the fact.
    ApproveAfterFact,
    /// Ask for a longer window.
    AskExtension,
    /// Decide on a longer window.
    DecideExtension,
    /// Write down a deviation during the work.
    NoteChange,
    /// Accept a deviation.
    AcceptChange,
    /// Declare that the work has ended.
    FinishWork,
    /// Give the reason of a difference.
    ExplainFinding,
    /// Decide on a difference and finish the reconciliation.
    DecideFinding,
    /// Write the completion report.
    WriteReport,
    /// Countersign it for the vendor.
    CountersignReport,
    /// Confirm or return it.
    ConfirmReport,
    /// Enter a target.
    EnterTarget,
    /// Open a key window, and close one's own.
    OpenKeyWindow,
    /// Confirm that a device of one's own may log in by certificate.
    ConnectDevice,
    /// See the list of sessions and a session's facts.
    ReadSession,
    /// Watch a running session.
    WatchSession,
    /// Cut a running session.
    CutSession,
    /// Pause a running session, let it go on, write to the worker's terminal, decide on a waiting command.
    ControlSession,
    /// Write a line of a running session's chat.
    ChatSession,
    /// Set a mark with a note, live or on a replay.
    MarkSession,
    /// Replay or export a recording.
    ViewRecording,
    /// Take the content of a transferred file out of a recording.
    TakeContent,
    /// Take an evidence bundle.
    TakeEvidence,
    /// Search commands, output, files, notes and plans of the whole record.
    SearchRecords,
    /// Read the log.
    ReadLog,
    /// Read the ledgers of persons, vendors and targets.
    ReadLedger,
    /// Change persons, vendors, targets and credentials.
    KeepLedger,
    /// Decide on a login that went round the gateway, and which may.
    DecideCase,
    /// Read the registers of lines and devices.
    ReadRoads,
    /// Declare a device lost; that only makes things safer.
    DeclareLoss,
    /// Issue codes for devices and revoke their certificates.
    CertifyDevice,
    /// Unlock a person after failures.
    UnlockPerson,
    /// Keep one's own password and keys.
    KeepOwnLogin,
    /// Set up, replace and remove one's own second factors.
    KeepOwnFactors,
    /// Read the ledger of identity checks.
    ReadIdentityChecks,
    /// Have waiting mail tried again at once, and send a test.
    KeepMail,
    /// Print envelopes of emergency accounts, look after them, declare the return to normal.
    KeepEmergency,
    /// Review a use of an emergency account.
    ReviewEmergency,
    /// Ask for keys of auditors that open recordings, confirm those that another asked for, and end them.
    KeepAuditorKeys,
    /// Read alarms.
    ReadAlarms,
    /// Take alarms on and close them.
    HandleAlarms,
    /// Read the box's numbers, for monitoring.
    ReadMetrics,
    /// Read reviews of the log.
    ReadLogReview,
    /// Judge lines of a review of the log.
    JudgeLogReview,
    /// Sign a review of the log.
    SignLogReview,
    /// Confirm a signed review of the log, or give it back.
    ConfirmLogReview,
    /// Read reports on months and years.
    ReadPeriodReport,
    /// Take note of a report.
    TakeNoteOfReport,
    /// Have a report issued outside of its turn, or another edition of it.
    IssueReport,
    /// Read holds, times of keeping, what will be deleted and what was.
    ReadRetention,
    /// Place a hold, and extend one.
    PlaceHold,
    /// Lift a hold that another person placed.
    LiftHold,
    /// Ask for another time of keeping; a longer one is set at once.
    AskRetention,
    /// Decide on a shorter time that another person asked for.
    DecideRetention,
    /// Ask that deleting goes on, which unsigned entries of the log stopped, or agree to what another person asked.
    ResumeDeleting,
    /// Read requests for a viewing by two persons, as far as they are one's own matter.
    ReadViewing,
    /// Agree to a viewing as the holder of a second key, or decline it.
    AgreeViewing,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 62] = [
        Self::WritePlan,
        Self::ReadPlan,
        Self::WithdrawPlan,
        Self::ApprovePlan,
        Self::AllowEmergency,
        Self::ApproveAfterFact,
        Self::AskExtension,
        Self::DecideExtension,
        Self::NoteChange,
        Self::AcceptChange,
        Self::FinishWork,
        Self::ExplainFinding,
        Self::DecideFinding,
        Self::WriteReport,
        Self::CountersignReport,
        Self::ConfirmReport,
        Self::EnterTarget,
        Self::OpenKeyWindow,
        Self::ConnectDevice,
        Self::ReadSession,
        Self::WatchSession,
        Self::CutSession,
        Self::ControlSession,
        Self::ChatSession,
        Self::MarkSession,
        Self::ViewRecording,
        Self::TakeContent,
        Self::TakeEvidence,
        Self::SearchRecords,
        Self::ReadLog,
        Self::ReadLedger,
        Self::KeepLedger,
        Self::DecideCase,
        Self::ReadRoads,
        Self::DeclareLoss,
        Self::CertifyDevice,
        Self::UnlockPerson,
        Self::KeepOwnLogin,
        Self::KeepOwnFactors,
        Self::ReadIdentityChecks,
        Self::KeepMail,
        Self::KeepEmergency,
        Self::ReviewEmergency,
        Self::KeepAuditorKeys,
        Self::ReadAlarms,
        Self::HandleAlarms,
        Self::ReadMetrics,
        Self::ReadLogReview,
        Self::JudgeLogReview,
        Self::SignLogReview,
        Self::ConfirmLogReview,
        Self::ReadPeriodReport,
        Self::TakeNoteOfReport,
        Self::IssueReport,
        Self::ReadRetention,
        Self::PlaceHold,
        Self::LiftHold,
        Self::AskRetention,
        Self::DecideRetention,
        Self::ResumeDeleting,
        Self::ReadViewing,
        Self::AgreeViewing,
    ];

    /// True if the act is refused without a one-time code given a few minutes ago at most.
    #[must_use]
    pub fn needs_step_up(self) -> bool {
        matches!(self, Self::SignLogReview | Self::ConfirmLogReview | Self::ApprovePlan | Self::ApproveAfterFact | Self::ViewRecording | Self::TakeContent | Self::TakeEvidence | Self::SearchRecords | Self::ReadIdentityChecks | Self::KeepLedger | Self::DecideCase | Self::KeepOwnLogin | Self::KeepOwnFactors | Self::OpenKeyWindow | Self::ConnectDevice | Self::CertifyDevice | Self::KeepEmergency | Self::ReviewEmergency | Self::KeepAuditorKeys | Self::LiftHold | Self::AskRetention | Self::DecideRetention | Self::ResumeDeleting | Self::AgreeViewing)
    }
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not at all.
    None,
    /// What belongs to one's own vendor.
    OwnVendor,
    /// Everything.
    All,
}

/// The table: what one role may do, and how far.
#[must_use]
pub fn reach(role: Role, action: Action) -> Reach {
    use Action as A;
    use Role as R;
    let all = |yes: bool| if yes { Reach::All } else { Reach::None };
    match role {
        R::Worker => match action {
            A::WritePlan | A::ReadPlan | A::WithdrawPlan | A::AskExtension | A::NoteChange | A::FinishWork => Reach::OwnVendor,
            A::ExplainFinding | A::WriteReport | A::EnterTarget | A::OpenKeyWindow | A::ConnectDevice | A::ReadSession | A::ChatSession | A::ReadRoads | A::DeclareLoss => Reach::OwnVendor,
            A::KeepOwnLogin | A::KeepOwnFactors => Reach::All,
            _ => Reach::None,
        },
        R::VendorManager => match action {
            A::WritePlan | A::ReadPlan | A::WithdrawPlan | A::AskExtension | A::ExplainFinding => Reach::OwnVendor,
            A::WriteReport | A::CountersignReport | A::ReadSession | A::ReadRoads | A::DeclareLoss | A::ReadPeriodReport | A::TakeNoteOfReport => Reach::OwnVendor,
            A::KeepOwnLogin | A::KeepOwnFactors => Reach::All,
            _ => Reach::None,
        },
        R::DutyClerk => all(matches!(
            action,
            A::ReadPlan
                | A::AllowEmergency
                | A::ReadSession
                | A::WatchSession
                | A::CutSession
                | A::ReadRoads
                | A::DeclareLoss
                | A::ControlSession
                | A::ChatSession
                | A::MarkSession
                | A::ReadAlarms | A::HandleAlarms | A::KeepOwnLogin
                | A::KeepOwnFactors | A::ReadViewing | A::AgreeViewing
        )),
        R::Operator => all(matches!(
            action,
            A::WritePlan
                | A::ReadPlan
                | A::WithdrawPlan
                | A::ApprovePlan
                | A::AllowEmergency
                | A::DecideExtension
                | A::AcceptChange
                | A::FinishWork
                | A::ExplainFinding
                | A::DecideFinding
                | A::ReadSession
                | A::WatchSession
                | A::CutSession
                | A::ReadRoads
                | A::DeclareLoss
                | A::ControlSession
                | A::ChatSession
                | A::MarkSession
                | A::ViewRecording
                | A::TakeContent
                | A::SearchRecords
                | A::ReadLedger
                | A::DecideCase
                | A::CertifyDevice
                | A::UnlockPerson
                | A::KeepMail
                | A::KeepEmergency
                | A::ReadAlarms | A::HandleAlarms | A::ReadMetrics | A::ReadRetention | A::PlaceHold | A::AskRetention | A::KeepOwnLogin
                | A::ReadLogReview | A::JudgeLogReview | A::SignLogReview | A::ReadPeriodReport | A::KeepOwnFactors
                | A::ReadViewing | A::AgreeViewing
        )),
        R::Supervisor => all(matches!(
            action,
            A::ReadPlan
                | A::AcceptChange
                | A::ExplainFinding
                | A::ReadSession
                | A::WatchSession
                | A::CutSession
                | A::ControlSession
                | A::ChatSession
                | A::MarkSession
                | A::ViewRecording
                | A::SearchRecords
                | A::KeepOwnLogin
                | A::KeepOwnFactors
                | A::ReadViewing | A::AgreeViewing
        )),
        R::Planner => all(matches!(
            action,
            A::ReadPlan
                | A::WithdrawPlan
                | A::ApprovePlan
                | A::AllowEmergency
                | A::ApproveAfterFact
                | A::DecideExtension
                | A::AcceptChange
                | A::DecideFinding
                | A::ConfirmReport
                | A::ReadSession
                | A::WatchSession
                | A::CutSession
                | A::ReadRoads
                | A::DeclareLoss
                | A::ControlSession
                | A::ChatSession
                | A::MarkSession
                | A::ViewRecording
                | A::TakeContent
                | A::TakeEvidence
                | A::SearchRecords
                | A::ReadLog
                | A::ReadLedger
                | A::KeepEmergency
                | A::KeepAuditorKeys
                | A::ReviewEmergency
                | A::ReadAlarms | A::HandleAlarms | A::ReadRetention | A::PlaceHold | A::LiftHold | A::AskRetention | A::DecideRetention | A::ResumeDeleting | A::KeepOwnLogin
                | A::ReadLogReview | A::JudgeLogReview | A::ConfirmLogReview | A::ReadPeriodReport | A::TakeNoteOfReport | A::IssueReport | A::KeepOwnFactors
                | A::ReadViewing | A::AgreeViewing
        )),
        R::SafetyManager => all(matches!(
            action,
            A::ReadPlan
                | A::WithdrawPlan
                | A::AllowEmergency
                | A::ApproveAfterFact
                | A::ReadSession
                | A::WatchSession
                | A::CutSession
                | A::ReadRoads
                | A::DeclareLoss
                | A::ControlSession
                | A::ChatSession
                | A::MarkSession
                | A::ViewRecording
                | A::TakeContent
                | A::TakeEvidence
                | A::SearchRecords
                | A::ReadLog
                | A::ReadLedger
                | A::KeepEmergency
                | A::KeepAuditorKeys
                | A::ReviewEmergency
                | A::ReadAlarms | A::HandleAlarms | A::ReadRetention | A::PlaceHold | A::LiftHold | A::AskRetention | A::ResumeDeleting | A::KeepOwnLogin
                | A::ReadLogReview | A::JudgeLogReview | A::ReadPeriodReport | A::KeepOwnFactors
                | A::ReadViewing | A::AgreeViewing
        )),
        R::Auditor => all(matches!(
            action,
            A::ReadPlan
                | A::ReadSession
                | A::WatchSession
                | A::ChatSession
                | A::MarkSession
                | A::ViewRecording
                | A::TakeContent
                | A::TakeEvidence
                | A::SearchRecords
                | A::ReadRoads
                | A::ReadLog
                | A::ReadLedger
                | A::ReadAlarms | A::ReadMetrics | A::ReadRetention | A::KeepOwnLogin
                | A::ReadLogReview | A::ReadPeriodReport | A::KeepOwnFactors
                | A::ReadIdentityChecks | A::ReadViewing
        )),
        R::Administrator => all(matches!(action, A::ReadLedger | A::KeepLedger | A::ReadRoads | A::DeclareLoss | A::CertifyDevice | A::UnlockPerson | A::ReadAlarms | A::HandleAlarms | A::ReadMetrics | A::ReadRetention | A::AskRetention | A::KeepOwnLogin | A::KeepOwnFactors | A::ReadIdentityChecks | A::KeepAuditorKeys | A::KeepMail | A::KeepEmergency | A::ReadViewing | A::AgreeViewing)),
    }
}

/// What the box's own console may do without a person's two factors: keep the ledgers, read, pause, decide on
/// what waits in a session, and cut. Never approve a plan.
#[must_use]
pub fn console_reach(action: Action) -> bool {
    use Action as A;
    matches!(
        action,
        A::ReadPlan
            | A::ReadSession
            | A::CutSession
            | A::ControlSession
            | A::ViewRecording
            | A::TakeContent
            | A::TakeEvidence
            | A::SearchRecords
            | A::ReadLog
            | A::ReadLedger
            | A::ReadIdentityChecks
            | A::KeepLedger
            | A::DecideCase
            | A::ReadRoads
            | A::DeclareLoss
            | A::CertifyDevice
            | A::UnlockPerson
            | A::ReadAlarms
            | A::HandleAlarms
            | A::ReadMetrics
            | A::KeepMail
            | A::ReadLogReview
            | A::ReadPeriodReport
            | A::IssueReport
            | A::KeepEmergency
            | A::ReadRetention
            | A::PlaceHold
            | A::AskRetention
    )
}

/// Whether the actor may do `action` to something that belongs to `owner` (a vendor's plan or session), or to no vendor.
///
/// # Errors
/// [`Refusal::NotAllowed`], or [`Refusal::NotFound`] for another vendor's things, so that their existence is not told.
pub fn may(actor: &Actor, action: Action, owner: Option<&VendorId>) -> Result<(), Refusal> {
    match actor.via {
        Via::System => return Ok(()),
        Via::Console => return if console_reach(action) { Ok(()) } else { Err(Refusal::NotAllowed) },
        Via::Web | Via::Api | Via::Ssh => {}
    }
    // A token reaches what its scopes name and the roles of its holder reach: never more than either.
    if actor.token.as_ref().is_some_and(|token| !token.scopes.contains(&action)) {
        return Err(Refusal::TokenScope);
    }
    // What outlives an emergency is not done by an emergency account.
    if actor.emergency && crate::emergency::is_shut(action) {
        return Err(Refusal::NotAllowed);
    }
    let reaches = actor.roles.iter().map(|role| reach(*role, action));
    let mut best = Reach::None;
    for reach in reaches {
        match reach {
            Reach::All => best = Reach::All,
            Reach::OwnVendor if best == Reach::None => best = Reach::OwnVendor,
            _ => {}
        }
    }
    match best {
        Reach::All => Ok(()),
        Reach::OwnVendor => match (owner, &actor.vendor) {
            (None, Some(_)) => Ok(()),
            (Some(owner), Some(own)) if owner == own => Ok(()),
            _ => Err(Refusal::NotFound),
        },
        Reach::None => Err(Refusal::NotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix as a person can read it; a change of any right changes this text, in a commit that shows it.
    #[test]
    fn the_matrix_of_roles_and_actions_is_the_golden_text() {
        let mut text = String::from("action");
        for role in Role::ALL {
            text.push_str(&format!(" | {}", role.as_str()));
        }
        text.push('\n');
        for action in Action::ALL {
            text.push_str(&format!("{action:?}{}", if action.needs_step_up() { " (step-up)" } else { "" }));
            for role in Role::ALL {
                text.push_str(match reach(role, action) {
                    Reach::All => " | all",
                    Reach::OwnVendor => " | own",
                    Reach::None => " | -",
                });
            }
            text.push('\n');
        }
        assert_eq!(text, include_str!("../golden/permissions.txt"), "\n{text}");
    }
}
