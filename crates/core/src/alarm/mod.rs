//! 警報 (alarms): what follows from a fact for the people who must look at once. Pure: a fact and what is known of the past go
//! in, alarms with their words come out. Nobody calls the alarms: what happens is a fact, and they are derived from it.

mod derive;
mod habit;
#[cfg(test)]
mod tests;
mod words;

pub use derive::{Known, Raised, SessionKnown, Thresholds, derive, is_question};
pub use habit::{HABIT_SESSIONS, Habit, Usual, near};
pub use words::{Press, Told};

use crate::command::RuleAct;
use crate::ids::{DeviceId, LineId, PersonId, PlanId, SessionId, TargetId, VendorId};
use crate::time::Timestamp;
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
    /// 認証手段の悪用.
    Credential,
    /// 手続きの遅れ.
    Overdue,
    /// ディスクの残り.
    Disk,
    /// 通知先の不達: a receiver of alarms or events.
    Receiver,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 21] = [
        Self::OutsideHours,
        Self::NewSource,
        Self::NewDevice,
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
    ];

    /// The name in rows, API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutsideHours => "outside_hours",
            Self::NewSource => "new_source",
            Self::NewDevice => "new_device",
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
}

/// What happened, with the values that its words need. Words are made when they are shown, in the reader's language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A session began outside of office hours.
    OutsideHours {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// When.
        at: Timestamp,
        /// Sessions of this person so far, as far as they are looked at.
        sessions: usize,
        /// How many of them began around this hour; none while there is no baseline.
        around: Option<usize>,
    },
    /// A person came from an address that was not seen before.
    NewSource {
        /// Who.
        who: String,
        /// The address.
        source: String,
        /// The target, or empty for the pages.
        place: String,
        /// How often the person came so far.
        sessions: usize,
    },
    /// A person came with a device that was not seen with them before.
    NewDevice {
        /// Who.
        who: String,
        /// The device.
        name: String,
        /// The target.
        place: String,
        /// How often the person came so far.
        sessions: usize,
    },
    /// One login name was refused again and again.
    RefusedName {
        /// The name that was given.
        login: String,
        /// The last source.
        source: String,
        /// The last code.
        code: String,
        /// How often.
        count: usize,
        /// Within so many minutes.
        minutes: u32,
    },
    /// One source was refused again and again.
    RefusedSource {
        /// The source.
        source: String,
        /// The last name.
        login: String,
        /// The last code.
        code: String,
        /// How often.
        count: usize,
        /// Within so many minutes.
        minutes: u32,
    },
    /// More was moved than usual.
    UnusualVolume {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// Bytes of files and forwards.
        bytes: u64,
        /// What 95 of 100 sessions stay below; none while there is no baseline.
        usual: Option<u64>,
        /// Sessions that this is measured by.
        sessions: usize,
    },
    /// A session met a limit of volume, and the hospital is told.
    VolumeLimit {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// The sentence.
        text: String,
    },
    /// A rule named a command.
    Command {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// The command.
        line: String,
        /// What the rule does.
        act: RuleAct,
        /// Its reason.
        reason: String,
    },
    /// Something was refused inside a session.
    Inside {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// What.
        ask: String,
        /// The code.
        code: String,
    },
    /// Something was taken from a target that holds personal data, and the plan declares none.
    PersonalData {
        /// Who.
        who: String,
        /// Where.
        place: String,
        /// The command or the file.
        touched: String,
    },
    /// An emergency account was opened.
    EmergencyOpened {
        /// Its login name.
        login: String,
        /// Who opened it.
        openers: String,
        /// Why.
        reason: String,
    },
    /// Somebody tried to open one.
    EmergencyTried {
        /// Its login name.
        login: String,
        /// From where.
        source: String,
    },
    /// A session ended because it could not be recorded.
    RecordingLost {
        /// Who.
        who: String,
        /// Where.
        place: String,
    },
    /// A session was torn off when Sekisho or the machine died.
    RecordingTorn {
        /// Who.
        who: String,
        /// Where.
        place: String,
    },
    /// A recording that no entry names was set aside.
    Orphan {
        /// The file.
        file: String,
    },
    /// Something else about recordings needs a hand.
    RecordingTrouble {
        /// One sentence, as the box says it.
        text: String,
    },
    /// The log is not published.
    PublisherStuck {
        /// Entries that nobody outside can check.
        behind: u64,
        /// Why.
        why: String,
    },
    /// Checkpoints do not leave the box.
    CheckpointStuck {
        /// The place outside.
        place: String,
        /// Why.
        why: String,
    },
    /// The log is not the one that was seen outside.
    LogContradicted {
        /// The place outside.
        place: String,
        /// Entries here.
        here: u64,
        /// Entries there.
        there: u64,
    },
    /// The clock went back.
    ClockJumped {
        /// By so many seconds.
        seconds: u64,
    },
    /// Something ends, or has ended.
    Ending {
        /// What.
        thing: EndingThing,
        /// Its name.
        name: String,
        /// When.
        until: Timestamp,
        /// Days left; 0 if it has ended.
        days: u32,
    },
    /// A target showed another host key.
    HostKey {
        /// The target.
        place: String,
        /// The key.
        seen: String,
    },
    /// Something answers on this machine that nobody confirmed.
    Exposed {
        /// Where.
        place: String,
        /// The program.
        program: String,
    },
    /// Many accounts fell away from a directory at once.
    DirectoryDoubted {
        /// The directory.
        source: String,
        /// How many.
        changed: u64,
        /// Of how many.
        linked: u64,
    },
    /// A letter does not arrive.
    Mail {
        /// To whom.
        to: String,
        /// Why.
        why: String,
        /// It is tried on.
        tried_on: bool,
    },
    /// A passkey may have been copied.
    PasskeyCloned {
        /// Whose.
        who: String,
        /// The passkey.
        name: String,
    },
    /// A token of ours was used where it is not good.
    TokenRefused {
        /// The token.
        name: String,
        /// Why it was refused.
        why: String,
        /// From where.
        source: String,
    },
    /// A certificate was shown at the outer door that is known and does not count.
    CertificateRefused {
        /// Why.
        why: String,
        /// From where.
        source: String,
        /// How many in all.
        count: u32,
    },
    /// A person said that a request for a login was not theirs.
    NotMine {
        /// Who.
        who: String,
        /// The device.
        name: String,
        /// From where it asked.
        source: String,
    },
    /// A device was declared lost.
    DeviceLost {
        /// The device.
        name: String,
    },
    /// A deadline of a plan passed.
    Overdue {
        /// `report`, `confirm`, `after_fact`, `reconcile`.
        duty: String,
    },
    /// The disk fills up.
    DiskLow {
        /// MiB free.
        free_mib: u64,
        /// No session is admitted any more.
        shut: bool,
    },
    /// A receiver of alarms or events does not take them.
    ReceiverDown {
        /// Its name in the configuration.
        name: String,
        /// Why.
        why: String,
        /// How many wait for it.
        waiting: u64,
    },
}

impl What {
    /// The rule that it belongs to.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::OutsideHours { .. } => Rule::OutsideHours,
            Self::NewSource { .. } => Rule::NewSource,
            Self::NewDevice { .. } => Rule::NewDevice,
            Self::RefusedName { .. } | Self::RefusedSource { .. } => Rule::Refusals,
            Self::UnusualVolume { .. } | Self::VolumeLimit { .. } => Rule::Volume,
            Self::Command { .. } => Rule::Command,
            Self::Inside { .. } => Rule::Inside,
            Self::PersonalData { .. } => Rule::PersonalData,
            Self::EmergencyOpened { .. } | Self::EmergencyTried { .. } => Rule::Emergency,
            Self::RecordingLost { .. } | Self::RecordingTorn { .. } | Self::Orphan { .. } | Self::RecordingTrouble { .. } => Rule::Recording,
            Self::PublisherStuck { .. } | Self::CheckpointStuck { .. } | Self::LogContradicted { .. } => Rule::Log,
            Self::ClockJumped { .. } => Rule::Clock,
            Self::Ending { .. } => Rule::Ending,
            Self::HostKey { .. } => Rule::HostKey,
            Self::Exposed { .. } => Rule::Exposure,
            Self::DirectoryDoubted { .. } => Rule::Directory,
            Self::Mail { .. } => Rule::Mail,
            Self::PasskeyCloned { .. } | Self::TokenRefused { .. } | Self::CertificateRefused { .. } | Self::NotMine { .. } | Self::DeviceLost { .. } => Rule::Credential,
            Self::Overdue { .. } => Rule::Overdue,
            Self::DiskLow { .. } => Rule::Disk,
            Self::ReceiverDown { .. } => Rule::Receiver,
        }
    }
}
