//! The hospital's settings that rules depend on. Defaults are the safe ones; `sekisho.toml` documents each.

use crate::alarm::Level;
use crate::factors::{self, RoleFactors};
use crate::limits;
use crate::password::{PasswordProfile, PasswordRule};
use crate::people::Role;
use crate::plan::content::WorkClass;
use crate::span::SpanKind;
use crate::target::Quarantine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which contents of transferred files are kept in the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeepFiles {
    /// None.
    None,
    /// What a worker brings to a target.
    #[default]
    Uploads,
    /// What a worker takes from a target; it may be patients' data.
    Downloads,
    /// Both.
    Both,
}

/// What a connection from a device that is not in order meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRule {
    /// It is refused.
    #[default]
    Required,
    /// It is let in, and the session is marked as a deviation wherever it is shown. Known as bad (lost, ended, another's)
    /// is refused all the same.
    Observed,
}

/// How often the log is reviewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewCycle {
    /// Each week, from Monday to Sunday.
    #[default]
    Weekly,
    /// Each month.
    Monthly,
}

impl ReviewCycle {
    /// Its spans.
    #[must_use]
    pub fn kind(self) -> SpanKind {
        match self {
            Self::Weekly => SpanKind::Week,
            Self::Monthly => SpanKind::Month,
        }
    }
}

/// Which years are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportYears {
    /// 年度: from April.
    #[default]
    Fiscal,
    /// 暦年: from January.
    Calendar,
    /// Both.
    Both,
}

impl ReportYears {
    /// The spans that are reported: months, and these years.
    #[must_use]
    pub fn kinds(self) -> Vec<SpanKind> {
        match self {
            Self::Fiscal => vec![SpanKind::Month, SpanKind::FiscalYear],
            Self::Calendar => vec![SpanKind::Month, SpanKind::Year],
            Self::Both => vec![SpanKind::Month, SpanKind::FiscalYear, SpanKind::Year],
        }
    }
}

/// Settings of the rules (section `[policy]` of `sekisho.toml`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// One person may be planner and operator; shown everywhere as a known deviation.
    pub small_facility: bool,
    /// Business days for the completion report after the work ended (our default, 院内設定).
    pub report_days: u32,
    /// Business days for the planner's confirmation after the report (院内設定).
    pub confirm_days: u32,
    /// Business days for the approval after the fact of emergency work (院内設定).
    pub after_fact_days: u32,
    /// Business days for the reconciliation after the work ended (院内設定).
    pub reconcile_days: u32,
    /// Minutes without a byte from the worker after which a session is closed.
    pub idle_minutes: u32,
    /// Minutes before the end of the window at which the worker is warned.
    pub warn_minutes: Vec<u32>,
    /// Work classes that the planner delegated to the operator's approval, if the plan is small:
    /// no personal data, no take-out, no privileged right.
    pub delegated_classes: Vec<WorkClass>,
    /// Which rules hold for passwords: the hospital's own numbers below, or one of the two papers by name.
    pub password_profile: PasswordProfile,
    /// Least length of a password. The 7.0 draft asks for 8 with two factors; 13 is safer and the default.
    pub password_min: usize,
    /// Ask for a symbol besides letters and digits (FY Reiwa 7 checklist item 2-⑦).
    pub password_symbols: bool,
    /// Names of the facility that no password may contain (MHLW minimum measures of 2024-08).
    pub facility_names: Vec<String>,
    /// Minutes for which a one-time code just given counts as fresh for the acts that need one ([`crate::permission::Action::needs_step_up`]).
    pub step_up_minutes: u32,
    /// Minutes without a request after which a browser's login ends.
    pub login_idle_minutes: u32,
    /// Hours after which a browser's login ends in any case.
    pub login_hours: u32,
    /// Minutes of waiting after too many failures.
    pub lockout_minutes: u32,
    /// Which kinds of second factor each role must use in the browser and by SSH; a role that is not named may use any.
    pub factors: RoleFactors,
    /// Ask for the password beside a passkey, which proves two factors by itself.
    pub passkey_with_password: bool,
    /// Longest key window in minutes; 0 for none at all (鍵だけの接続).
    pub key_window_minutes: u32,
    /// Hours for which a login of `sekisho connect` counts at most; 0 for none at all. It never outlives the last window of
    /// the plans that it was given for.
    pub ssh_login_hours: u32,
    /// Days without a login after which an account is disabled; 0 for never.
    pub dormant_days: u32,
    /// Longest life of a token for automation in days, at most 365.
    pub token_days: u32,
    /// MiB of output of shells and commands in one session after which it is paused and the hospital alerted; 0 for
    /// never. Whoever sends a file through a terminal meets this instead of the limits of transfers.
    pub volume_output_mib: u32,
    /// The same where the plan allows no download.
    pub volume_output_without_download_mib: u32,
    /// MiB of input of shells and commands, likewise.
    pub volume_input_mib: u32,
    /// The same where the plan allows no upload.
    pub volume_input_without_upload_mib: u32,
    /// Which contents of files, transferred by SFTP or SCP, are kept in the recording. What a vendor brings into the
    /// hospital is what is asked for after an incident; what is taken out may be patients' data, and is kept only if the
    /// hospital says so.
    pub keep_files: KeepFiles,
    /// MiB kept of one file at most; of a longer one the beginning is kept, and its entry says so.
    pub keep_file_mib: u32,
    /// MiB kept of all files of one session at most.
    pub keep_session_mib: u32,
    /// Days within which each recording that is kept is read through again and held against the log.
    pub recheck_days: u32,
    /// Days for which a device's certificate holds; it is renewed from the middle of its life on.
    pub device_certificate_days: u32,
    /// Minutes for which a one-time code for a device can be used.
    pub device_code_minutes: u32,
    /// Which uploads wait until a person of the hospital lets them pass (隔離). A target can be stricter.
    pub quarantine_uploads: Quarantine,
    /// Whether workers need a registered device (端末). `observed` lets others in and marks them; it is shown everywhere
    /// as a known deviation.
    pub devices: DeviceRule,
    /// On a closed line a registered fixed address is enough to know a device by. Off, every device needs a certificate.
    pub device_by_address: bool,
    /// Persons who must open an emergency account together, 1 or 2. With 2, no one person prints both envelopes.
    pub emergency_persons: u32,
    /// Hours for which an opening of an emergency account holds; another one, with its alarm, goes on from there.
    pub emergency_hours: u32,
    /// Days after which the envelopes of emergency accounts must be looked at again (院内設定).
    pub emergency_check_days: u32,
    /// First hour of the day inside of office hours; sessions outside of them raise an alarm (時間外).
    pub alarm_hours_from: u32,
    /// First hour after them.
    pub alarm_hours_until: u32,
    /// Refusals of one login name, or from one source, that raise an alarm.
    pub alarm_refusals: u32,
    /// Minutes within which they are counted.
    pub alarm_refusal_minutes: u32,
    /// MiB that went over in one session that raise an alarm while there are too few sessions to know what is usual.
    pub alarm_volume_mib: u32,
    /// Least level of alarms that are told by mail.
    pub alarm_mail: Level,
    /// Roles whose holders are told by mail, besides the addresses of `mail.alarm`.
    pub alarm_roles: BTreeSet<Role>,
    /// Minutes after which a critical alarm that nobody took on goes to further people; 0 for never.
    pub alarm_escalate_minutes: u32,
    /// Roles of those further people.
    pub alarm_escalate_roles: BTreeSet<Role>,
    /// How often the log is reviewed (証跡レビュー): each week or each month.
    pub log_review: ReviewCycle,
    /// Business days for the operator's signature after the end of the span (院内設定).
    pub log_review_days: u32,
    /// Business days for the planner's confirmation after it (院内設定).
    pub log_review_confirm_days: u32,
    /// Percent of the sessions that nobody watched which are drawn for the review; at least one is.
    pub log_review_sample: u32,
    /// Refusals of one name within the span from which on they stand in the list.
    pub log_review_refusals: u32,
    /// MiB that one session took out from which on it stands in the list; 0 for every file.
    pub log_review_files_mib: u32,
    /// Which years are reported besides months.
    pub report_years: ReportYears,
    /// Business days within which somebody should have taken note of a report (院内設定).
    pub report_note_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            small_facility: false,
            report_days: 1,
            confirm_days: 3,
            after_fact_days: 1,
            reconcile_days: 1,
            idle_minutes: 15,
            warn_minutes: vec![10, 2],
            delegated_classes: Vec::new(),
            password_profile: PasswordProfile::Own,
            password_min: 13,
            password_symbols: true,
            facility_names: Vec::new(),
            step_up_minutes: 5,
            login_idle_minutes: 30,
            login_hours: 10,
            lockout_minutes: 30,
            factors: RoleFactors::new(),
            passkey_with_password: false,
            key_window_minutes: 10,
            ssh_login_hours: 8,
            dormant_days: 90,
            token_days: 90,
            volume_output_mib: 1024,
            volume_output_without_download_mib: 64,
            volume_input_mib: 1024,
            volume_input_without_upload_mib: 64,
            keep_files: KeepFiles::Uploads,
            keep_file_mib: 256,
            keep_session_mib: 1024,
            recheck_days: 90,
            device_certificate_days: 180,
            device_code_minutes: 60,
            quarantine_uploads: Quarantine::Never,
            devices: DeviceRule::Required,
            device_by_address: true,
            emergency_persons: 2,
            emergency_hours: 24,
            emergency_check_days: 90,
            alarm_hours_from: 8,
            alarm_hours_until: 19,
            alarm_refusals: 5,
            alarm_refusal_minutes: 10,
            alarm_volume_mib: 1024,
            alarm_mail: Level::Warning,
            alarm_roles: BTreeSet::from([Role::Operator]),
            alarm_escalate_minutes: 30,
            alarm_escalate_roles: BTreeSet::from([Role::Planner, Role::SafetyManager]),
            log_review: ReviewCycle::Weekly,
            log_review_days: 3,
            log_review_confirm_days: 3,
            log_review_sample: 10,
            log_review_refusals: 3,
            log_review_files_mib: 10,
            report_years: ReportYears::Fiscal,
            report_note_days: 5,
        }
    }
}

impl Policy {
    /// What a password must hold.
    #[must_use]
    pub fn password_rule(&self) -> PasswordRule {
        self.password_profile.rule(self)
    }

    /// Problems that make a set of settings unusable or unsafe, one sentence each; empty if sound.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut ask = |sound: bool, text: &str| {
            if !sound {
                found.push(text.to_owned());
            }
        };
        ask((8..=64).contains(&self.password_min), "policy.password_min は 8(ガイドライン14.1.1、二要素の場合)～64 にしてください。 / policy.password_min must lie between 8 (guideline 14.1.1, with two factors) and 64");
        ask((1..=240).contains(&self.idle_minutes), "policy.idle_minutes は 1～240 にしてください。 / policy.idle_minutes must lie between 1 and 240");
        ask((1..=60).contains(&self.step_up_minutes), "policy.step_up_minutes は 1～60 にしてください。 / policy.step_up_minutes must lie between 1 and 60");
        ask((1..=480).contains(&self.login_idle_minutes), "policy.login_idle_minutes は 1～480 にしてください。 / policy.login_idle_minutes must lie between 1 and 480");
        ask((1..=24).contains(&self.login_hours), "policy.login_hours は 1～24 にしてください。 / policy.login_hours must lie between 1 and 24");
        ask((1..=1440).contains(&self.lockout_minutes), "policy.lockout_minutes は 1～1440 にしてください。 / policy.lockout_minutes must lie between 1 and 1440");
        ask(usize::try_from(self.key_window_minutes).is_ok_and(|minutes| minutes <= limits::KEY_WINDOW_MINUTES), "policy.key_window_minutes は 0(行わない)～60 にしてください。 / policy.key_window_minutes must lie between 0 (never) and 60");
        ask(usize::try_from(self.ssh_login_hours).is_ok_and(|hours| hours <= limits::SSH_LOGIN_HOURS), "policy.ssh_login_hours は 0(行わない)～24 にしてください。 / policy.ssh_login_hours must lie between 0 (never) and 24");
        ask(self.dormant_days == 0 || (30..=1000).contains(&self.dormant_days), "policy.dormant_days は 30～1000 か、0(行わない)にしてください。 / policy.dormant_days must lie between 30 and 1000, or be 0 (never)");
        ask(usize::try_from(self.token_days).is_ok_and(|days| (1..=limits::TOKEN_DAYS).contains(&days)), "policy.token_days は 1～365 にしてください。 / policy.token_days must lie between 1 and 365");
        let keep = |mib: u32| usize::try_from(mib).is_ok_and(|mib| (1..=limits::KEEP_MIB).contains(&mib));
        ask(keep(self.keep_file_mib), "policy.keep_file_mib must lie between 1 and 16384; to keep nothing, say keep_files = \"none\"");
        ask(keep(self.keep_session_mib), "policy.keep_session_mib must lie between 1 and 16384; to keep nothing, say keep_files = \"none\"");
        let bounded = |value: u32, most: usize| value >= 1 && usize::try_from(value).is_ok_and(|value| value <= most);
        ask((7..=365).contains(&self.recheck_days), "policy.recheck_days は 7～365 にしてください。 / policy.recheck_days must lie between 7 and 365");
        ask(bounded(self.device_certificate_days, limits::DEVICE_CERTIFICATE_DAYS), "policy.device_certificate_days は 1～398 にしてください。 / policy.device_certificate_days must lie between 1 and 398");
        ask(bounded(self.device_code_minutes, limits::DEVICE_CODE_MINUTES), "policy.device_code_minutes は 1～1440 にしてください。 / policy.device_code_minutes must lie between 1 and 1440");
        ask((1..=2).contains(&self.emergency_persons), "policy.emergency_persons は 1 か 2 にしてください。 / policy.emergency_persons must be 1 or 2");
        ask((1..=72).contains(&self.emergency_hours), "policy.emergency_hours は 1～72 にしてください。 / policy.emergency_hours must lie between 1 and 72");
        ask((7..=400).contains(&self.emergency_check_days), "policy.emergency_check_days は 7～400 にしてください。 / policy.emergency_check_days must lie between 7 and 400");
        ask(self.alarm_hours_from < self.alarm_hours_until && self.alarm_hours_until <= 24, "policy.alarm_hours_from は policy.alarm_hours_until より前、policy.alarm_hours_until は 24 以下にしてください。 / policy.alarm_hours_from must lie before policy.alarm_hours_until, and that at 24 at most");
        ask((3..=100).contains(&self.alarm_refusals), "policy.alarm_refusals は 3～100 にしてください。 / policy.alarm_refusals must lie between 3 and 100");
        ask((1..=60).contains(&self.alarm_refusal_minutes), "policy.alarm_refusal_minutes は 1～60 にしてください。 / policy.alarm_refusal_minutes must lie between 1 and 60");
        ask((10..=1_048_576).contains(&self.alarm_volume_mib), "policy.alarm_volume_mib は 10～1048576 にしてください。 / policy.alarm_volume_mib must lie between 10 and 1048576");
        ask(self.alarm_escalate_minutes <= 1440, "policy.alarm_escalate_minutes は 0(行わない)～1440 にしてください。 / policy.alarm_escalate_minutes must lie between 0 (never) and 1440");
        let hospitals = |roles: &BTreeSet<Role>| roles.iter().all(|role| !role.is_vendors());
        ask(hospitals(&self.alarm_roles) && hospitals(&self.alarm_escalate_roles), "policy.alarm_roles と policy.alarm_escalate_roles には病院の役割だけを書いてください。 / policy.alarm_roles and policy.alarm_escalate_roles name roles of the hospital alone");
        ask((1..=100).contains(&self.log_review_sample), "policy.log_review_sample は 1～100 % にしてください。 / policy.log_review_sample must lie between 1 and 100 percent");
        ask((1..=100).contains(&self.log_review_refusals), "policy.log_review_refusals は 1～100 にしてください。 / policy.log_review_refusals must lie between 1 and 100");
        ask(self.log_review_files_mib <= 1_048_576, "policy.log_review_files_mib は 0～1048576 にしてください。 / policy.log_review_files_mib must lie between 0 and 1048576");
        ask(self.warn_minutes.len() <= 5, "policy.warn_minutes に書ける値は五つまでです。 / policy.warn_minutes takes at most five values");
        for (name, days) in [
            ("report_days", self.report_days),
            ("confirm_days", self.confirm_days),
            ("after_fact_days", self.after_fact_days),
            ("reconcile_days", self.reconcile_days),
            ("log_review_days", self.log_review_days),
            ("log_review_confirm_days", self.log_review_confirm_days),
            ("report_note_days", self.report_note_days),
        ] {
            ask((1..=30).contains(&days), &format!("policy.{name} must lie between 1 and 30 business days"));
        }
        found.extend(factors::problems(&self.factors));
        found
    }
}
