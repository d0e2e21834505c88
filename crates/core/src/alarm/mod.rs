//! 警報 (alarms): what follows from a fact for the people who must look at once. Pure: a fact and what is known of the past go
//! in, alarms with their words come out. Nobody calls the alarms: what happens is a fact, and they are derived from it.

mod derive;
mod habit;
mod press;
#[cfg(test)]
mod tests;
mod what;
mod words;

pub use derive::{Known, Raised, SessionKnown, Thresholds, derive, is_question};
pub use habit::{HABIT_SESSIONS, Habit, Usual, near};
pub use press::Press;
pub use what::What;
pub use words::Told;

use crate::ids::{DeviceId, LineId, LogReviewId, PeriodReportId, PersonId, PlanId, SessionId, TargetId, VendorId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How grave an alarm is. The order is that of gravity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 注意: to be seen on the page when somebody looks there.
    Notice,
    /// 警告: to be looked at today.
    #[default]
    Warning,
    /// 重大: to be looked at within minutes; it goes on to further people if nobody does.
    Critical,
}

impl Level {
    /// All, the gravest last.
    pub const ALL: [Self; 3] = [Self::Notice, Self::Warning, Self::Critical];

    /// The name in configuration, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Reads what [`Level::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// The Japanese word.
    #[must_use]
    pub fn ja(self) -> &'static str {
        match self {
            Self::Notice => "注意",
            Self::Warning => "警告",
            Self::Critical => "重大",
        }
    }
}

/// How an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Nobody has taken it on.
    Open,
    /// Somebody is at it.
    Acknowledged,
    /// It is over; a note says why.
    Closed,
}

impl AlarmState {
    /// All.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Closed];

    /// The name in rows, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }

    /// Reads what [`AlarmState::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A rule by which alarms are raised. A closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// 時間外: a session outside of office hours.
    OutsideHours,
    /// いつもと違う接続元.
    NewSource,
    /// いつもと違う端末.
    NewDevice,
    /// いつもと違う対象.
    NewTarget,
    /// 拒否の繰り返し.
    Refusals,
    /// いつもと違う転送量.
    Volume,
    /// コマンドの規則.
    Command,
    /// 計画にない要求: something was refused inside a session.
    Inside,
    /// 申告のない個人情報.
    PersonalData,
    /// 非常時用アカウント.
    Emergency,
    /// 録画の異常.
    Recording,
    /// 証跡の異常.
    Log,
    /// 時計の異常.
    Clock,
    /// 期限.
    Ending,
    /// ホスト鍵の相違.
    HostKey,
    /// 露出.
    Exposure,
    /// ディレクトリ.
    Directory,
    /// メールの不達.
    Mail,
    /// 端末・認証手段の異常: a device that is lost, or a means of logging in that may be in other hands.
    Credential,
    /// 手続きの遅れ.
    Overdue,
    /// ディスクの残り.
    Disk,
    /// 通知先の不達: a receiver of alarms or events.
    Receiver,
    /// 迂回ログイン: what the targets' own logs tell of.
    Around,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 23] = [
        Self::OutsideHours,
        Self::NewSource,
        Self::NewDevice,
        Self::NewTarget,
        Self::Refusals,
        Self::Volume,
        Self::Command,
        Self::Inside,
        Self::PersonalData,
        Self::Emergency,
        Self::Recording,
        Self::Log,
        Self::Clock,
        Self::Ending,
        Self::HostKey,
        Self::Exposure,
        Self::Directory,
        Self::Mail,
        Self::Credential,
        Self::Overdue,
        Self::Disk,
        Self::Receiver,
        Self::Around,
    ];

    /// The name in rows, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutsideHours => "outside_hours",
            Self::NewSource => "new_source",
            Self::NewDevice => "new_device",
            Self::NewTarget => "new_target",
            Self::Refusals => "refusals",
            Self::Volume => "volume",
            Self::Command => "command",
            Self::Inside => "inside",
            Self::PersonalData => "personal_data",
            Self::Emergency => "emergency",
            Self::Recording => "recording",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Ending => "ending",
            Self::HostKey => "host_key",
            Self::Exposure => "exposure",
            Self::Directory => "directory",
            Self::Mail => "mail",
            Self::Credential => "credential",
            Self::Overdue => "overdue",
            Self::Disk => "disk",
            Self::Receiver => "receiver",
            Self::Around => "around",
        }
    }
}

/// Something whose time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndingThing {
    /// The contract with a vendor.
    Contract,
    /// The contract of a line.
    Line,
    /// The certificate of a device.
    DeviceCertificate,
    /// The certificate that the pages show.
    PageCertificate,
    /// The certificate by which a target hands in its log.
    SourceCertificate,
    /// A hold on a request of the police.
    Hold,
}

impl EndingThing {
    /// The name in rows and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Line => "line",
            Self::DeviceCertificate => "device_certificate",
            Self::PageCertificate => "page_certificate",
            Self::Hold => "hold",
            Self::SourceCertificate => "source_certificate",
        }
    }
}

/// What an alarm is about, for links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Subject {
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetId>,
    /// The vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorId>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LineId>,
    /// The review of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_review: Option<LogReviewId>,
    /// The report on a month or year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_report: Option<PeriodReportId>,
}
