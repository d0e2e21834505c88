//! What happened: one variant for each kind of alarm, and the rule that it belongs to.

use super::{EndingThing, Rule};
use crate::around::AroundRule;
use crate::command::RuleAct;
use crate::ids::CaseId;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// A person entered a target on which they never worked.
    NewTarget {
        /// Who.
        who: String,
        /// The target.
        place: String,
        /// Sessions of this person so far.
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
    /// Many were refused, under whatever names and from wherever.
    RefusedAll {
        /// The last source.
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
    /// Copies of recordings do not reach the archive.
    ArchiveTrouble {
        /// The archive.
        place: String,
        /// The code of why.
        code: String,
        /// Why.
        why: String,
    },
    /// Copies of recordings have waited for the archive for too long.
    ArchiveBehind {
        /// The archive.
        place: String,
        /// How many wait.
        waiting: u64,
        /// Since when.
        since: Timestamp,
    },
    /// The copy of a recording in the archive is not what was handed over.
    ArchiveCopyBad {
        /// The archive.
        place: String,
        /// Which recording.
        session: String,
        /// The code of what is wrong.
        code: String,
    },
    /// Somebody outside of the box can open the recordings that begin from here on.
    AuditorKey {
        /// Whose key.
        name: String,
        /// Who confirmed it.
        who: String,
    },
    /// Who must agree before recordings open was changed: a second key was confirmed, or its end was asked for or confirmed.
    SecondKey {
        /// Whose key.
        name: String,
        /// Who did it.
        who: String,
        /// What.
        change: crate::two_person::SecondKeyChange,
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
    /// Somebody at the console went on after a restore.
    RestoreAccepted {
        /// The place outside.
        place: String,
        /// Entries here.
        here: u64,
        /// Entries there.
        there: u64,
    },
    /// The key that signs the log was exchanged.
    KeyRotated {
        /// The new one.
        new: String,
    },
    /// A key that was laid down signed another log.
    FormerKeySigned {
        /// The place outside.
        place: String,
        /// Entries of that log.
        entries: u64,
    },
    /// There are no time stamps.
    TimestampStuck {
        /// The authority.
        authority: String,
        /// Why.
        why: String,
    },
    /// The clock was set forward further than is believed.
    ClockHeld {
        /// By so many milliseconds.
        by_ms: i64,
    },
    /// The log's time was set back at the console.
    ClockCorrected {
        /// By so many milliseconds.
        by_ms: i64,
    },
    /// The clock was moved.
    ClockMoved {
        /// By so many milliseconds; negative for back.
        by_ms: i64,
    },
    /// The clock stands too far from the time servers.
    ClockOff {
        /// Milliseconds that it is behind them; negative if it is before them.
        offset_ms: i64,
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
    /// A review of the log or a report waits beyond its deadline.
    ReviewLate {
        /// `sign`, `confirm`, `note`.
        duty: String,
        /// Which.
        number: String,
    },
    /// Somebody judged a line of a review of the log to be an incident.
    ReviewIncident {
        /// Which review.
        number: String,
        /// Who.
        who: String,
        /// Why.
        note: String,
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
    /// A receiver refuses what it is sent.
    ReceiverSkipped {
        /// Its name in the configuration.
        name: String,
        /// The number of the piece.
        number: u64,
        /// Why.
        why: String,
        /// It was left out, and not only its details.
        left_out: bool,
    },
    /// A login on a target that no session explains, or a log that is not as it should be.
    Around {
        /// Which case.
        case: CaseId,
        /// The rule.
        rule: AroundRule,
        /// Short name of the target or host.
        place: String,
        /// The account; empty if it is not known.
        account: String,
        /// From where; empty if it has no place.
        from: String,
    },
    /// Lines of a target's log were lost.
    LogLost {
        /// The host.
        host: String,
        /// How many.
        lines: u64,
    },
    /// Lines of targets' logs were deleted before their time, because there were too many.
    LogDropped {
        /// The first part.
        first: u64,
        /// The last part.
        last: u64,
    },
    /// Lines of targets' logs take more than they may, and a hold keeps them.
    HoldPressed {
        /// Bytes that they take.
        bytes: u64,
        /// Bytes that they may take.
        limit: u64,
    },
    /// A recording was found damaged and set aside.
    SetAside {
        /// What was found.
        why: String,
    },
    /// Copies of what is held can be deleted in the archive.
    HoldUnlocked {
        /// The archive.
        place: String,
        /// How many.
        copies: u64,
        /// The code of why.
        code: String,
    },
    /// A hold that was placed at the console was lifted: the console names nobody, and it may have been the same hand.
    ConsoleHoldLifted {
        /// Who lifted it.
        who: String,
        /// Who placed it, as they say.
        said: String,
    },
    /// A time of keeping was shortened by a planner alone: it was asked for at the console, which names nobody.
    ShortenedAlone {
        /// The class.
        class: crate::retention::KeepClass,
        /// Days from here on.
        days: u32,
        /// Who agreed.
        who: String,
    },
    /// Nothing is deleted, because database and log disagree on holds and times.
    RetentionStopped {
        /// What was found, in English.
        why: String,
        /// What was found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<crate::retention::StopCause>,
    },
    /// A report that was counted again is not the one that the log names.
    ReportOther {
        /// Its number.
        number: String,
        /// Its edition.
        edition: u32,
    },
    /// A report that was counted again came out otherwise.
    ReportDiffers {
        /// Its number.
        number: String,
        /// Its edition.
        edition: u32,
    },
    /// Two persons let deleting go on, although entries of the log that decide are not signed.
    DeletingResumed {
        /// How many entries.
        entries: usize,
        /// Who asked.
        asked_by: String,
        /// Who agreed.
        who: String,
    },
    /// A source of logs found no place, because others hold all of them.
    LogPlaces {
        /// From where.
        from: String,
    },
    /// A row that bears a seal does not hold.
    RowDamaged {
        /// The table.
        table: String,
        /// The row.
        row: String,
        /// It was put back to an older state; else it was changed.
        older: bool,
    },
    /// Somebody used a certificate of a log source that is ended or that nobody knows.
    LogAway {
        /// From where.
        from: String,
        /// It was ended; else it was never given out by this box.
        ended: bool,
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
            Self::NewTarget { .. } => Rule::NewTarget,
            Self::RefusedName { .. } | Self::RefusedSource { .. } | Self::RefusedAll { .. } => Rule::Refusals,
            Self::UnusualVolume { .. } | Self::VolumeLimit { .. } => Rule::Volume,
            Self::Command { .. } => Rule::Command,
            Self::Inside { .. } => Rule::Inside,
            Self::PersonalData { .. } => Rule::PersonalData,
            Self::EmergencyOpened { .. } | Self::EmergencyTried { .. } => Rule::Emergency,
            Self::RecordingLost { .. } | Self::RecordingTorn { .. } | Self::ArchiveTrouble { .. } | Self::ArchiveBehind { .. } | Self::ArchiveCopyBad { .. } | Self::HoldUnlocked { .. } | Self::AuditorKey { .. } | Self::SecondKey { .. } | Self::Orphan { .. } | Self::RecordingTrouble { .. } | Self::SetAside { .. } => Rule::Recording,
            Self::PublisherStuck { .. } | Self::CheckpointStuck { .. } | Self::LogContradicted { .. } | Self::RestoreAccepted { .. } | Self::KeyRotated { .. } | Self::FormerKeySigned { .. } | Self::TimestampStuck { .. } | Self::RetentionStopped { .. } | Self::DeletingResumed { .. } | Self::ReportOther { .. } | Self::ReportDiffers { .. } | Self::ConsoleHoldLifted { .. } | Self::ShortenedAlone { .. } | Self::RowDamaged { .. } => Rule::Log,
            Self::ClockMoved { .. } | Self::ClockOff { .. } | Self::ClockJumped { .. } | Self::ClockHeld { .. } | Self::ClockCorrected { .. } => Rule::Clock,
            Self::Ending { .. } => Rule::Ending,
            Self::HostKey { .. } => Rule::HostKey,
            Self::Exposed { .. } => Rule::Exposure,
            Self::DirectoryDoubted { .. } => Rule::Directory,
            Self::Mail { .. } => Rule::Mail,
            Self::PasskeyCloned { .. } | Self::TokenRefused { .. } | Self::CertificateRefused { .. } | Self::NotMine { .. } | Self::DeviceLost { .. } => Rule::Credential,
            Self::Overdue { .. } | Self::ReviewLate { .. } => Rule::Overdue,
            Self::ReviewIncident { .. } => Rule::Log,
            Self::DiskLow { .. } | Self::HoldPressed { .. } => Rule::Disk,
            Self::ReceiverDown { .. } | Self::ReceiverSkipped { .. } => Rule::Receiver,
            Self::Around { .. } | Self::LogLost { .. } | Self::LogDropped { .. } | Self::LogAway { .. } | Self::LogPlaces { .. } => Rule::Around,
        }
    }
}
