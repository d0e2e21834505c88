//! How a handler ends without its page: a refusal that a person reads, or a fault that they only hear of.

use sekisho_core::refusal::Refusal;
use sekisho_store::Denied;

/// Why there is no answer of the handler's own.
#[derive(Debug)]
pub enum Stop {
    /// Refused, with its code. A form is shown again with it, an API answers it.
    Refused(Refusal),
    /// Something of ours failed. The text goes to the program's log and to nobody's screen.
    Fault(String),
}

/// What every handler gives.
pub type Reply = Result<axum::response::Response, Stop>;

impl Stop {
    /// A malformed field.
    #[must_use]
    pub fn bad_field(name: &str) -> Self {
        Self::Refused(Refusal::bad_field(name))
    }

    /// Nothing there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::Refused(Refusal::NotFound)
    }

    /// What a person is told of it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal.clone(),
            Self::Fault(_) => Refusal::Fault,
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refusal(refusal) => Self::Refused(refusal),
            Denied::Fault(fault) => Self::Fault(fault.to_string()),
        }
    }
}

impl From<minijinja::Error> for Stop {
    fn from(error: minijinja::Error) -> Self {
        // The alternate form carries the template's name and line.
        Self::Fault(format!("{error:#}"))
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(error.to_string())
    }
}

/// The form field at which a refusal is shown, where it belongs to one.
#[must_use]
pub fn field_of(refusal: &Refusal) -> Option<&str> {
    match refusal {
        Refusal::BadField { field } => Some(field),
        Refusal::PasswordTooShort { .. } | Refusal::PasswordTooSimple | Refusal::PasswordGuessable | Refusal::PasswordLeaked | Refusal::PasswordReused => Some("new_password"),
        Refusal::StepUpNeeded => Some("code"),
        Refusal::HandoverNeeded => Some("handover"),
        Refusal::VendorHoldsHospitalRole | Refusal::HospitalHoldsVendorRole | Refusal::AuditorMayNotChange | Refusal::DoubleRole => Some("roles"),
        Refusal::NameTaken => Some("name"),
        Refusal::ReasonNeeded => Some("reason"),
        Refusal::BadWindow => Some("until"),
        Refusal::BadExtension => Some("until"),
        Refusal::TargetNotVendors { .. } => Some("targets"),
        Refusal::WorkerNotReady { .. } => Some("workers"),
        _ => None,
    }
}

/// The HTTP status that belongs to a refusal.
#[must_use]
pub fn status_of(refusal: &Refusal) -> axum::http::StatusCode {
    use axum::http::StatusCode as S;
    match refusal {
        Refusal::LoginNeeded | Refusal::LoginFailed | Refusal::TokenRefused | Refusal::PasskeyRefused | Refusal::PasskeyCloned | Refusal::CeremonyOver => S::UNAUTHORIZED,
        Refusal::FactorRequired { .. } | Refusal::HandoverNeeded => S::FORBIDDEN,
        Refusal::LastFactor => S::CONFLICT,
        Refusal::LockedOut | Refusal::SourceBlocked | Refusal::Busy | Refusal::TestedTooOften => S::TOO_MANY_REQUESTS,
        Refusal::PersonInactive | Refusal::StepUpNeeded | Refusal::ForeignRequest | Refusal::NotAllowed | Refusal::SecondFactorMissing | Refusal::TokenScope | Refusal::TokenNeedsPerson => S::FORBIDDEN,
        Refusal::ApproverIsApplicant | Refusal::ApproverIsVendor | Refusal::AlreadyApproved | Refusal::PlannerOnly | Refusal::TwoPersons | Refusal::NotSecondHolder => S::FORBIDDEN,
        Refusal::NotFound | Refusal::EnrolmentInvalid => S::NOT_FOUND,
        Refusal::TooLarge => S::PAYLOAD_TOO_LARGE,
        Refusal::ChangedMeanwhile | Refusal::NameTaken | Refusal::WrongState { .. } | Refusal::DigestChanged | Refusal::SessionRunning | Refusal::AuthorityStep | Refusal::MailNotSetUp | Refusal::AuditorKeyStep | Refusal::SecondKeyStep | Refusal::ViewingStep | Refusal::NoCommonSecondKey | Refusal::RecordingAway | Refusal::RecordingDiffers | Refusal::EmergencyState | Refusal::SameHand | Refusal::HoldOver | Refusal::NothingAsked | Refusal::RecordingDeleted | Refusal::ReviewOver | Refusal::ReviewOpenLines | Refusal::ReviewRunning | Refusal::LogReviewSigned | Refusal::LogReviewOpenLines | Refusal::ReportTaken | Refusal::SpanNotOver | Refusal::ContentDiffers => S::CONFLICT,
        Refusal::DiskFull | Refusal::LogUnavailable | Refusal::LogContradicted | Refusal::ClockHeld | Refusal::NoRecording => S::SERVICE_UNAVAILABLE,
        Refusal::Fault => S::INTERNAL_SERVER_ERROR,
        _ => S::UNPROCESSABLE_ENTITY,
    }
}
