//! What a work plan says (作業計画書): all fields of domain.md section 4.2.

use crate::ids::{AccountId, AttachmentId, PersonId, TargetId, VendorId};
use crate::limits;
use crate::refusal::Refusal;
use crate::source::Network;
use crate::command::{CommandRule, RuleAct};
use crate::target::{FileRight, ForwardTo, Function, TransferLimits, Witness, check_host};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Class of work (作業区分).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkClass {
    /// 障害対応
    Fault,
    /// 定期保守
    #[default]
    Periodic,
    /// 改修
    Change,
    /// 脆弱性対応
    Vulnerability,
    /// 調査
    Investigation,
    /// 移行
    Migration,
}

impl WorkClass {
    /// All classes.
    pub const ALL: [Self; 6] = [Self::Fault, Self::Periodic, Self::Change, Self::Vulnerability, Self::Investigation, Self::Migration];

    /// The name in API and forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Periodic => "periodic",
            Self::Change => "change",
            Self::Vulnerability => "vulnerability",
            Self::Investigation => "investigation",
            Self::Migration => "migration",
        }
    }

    /// Reads the name that [`WorkClass::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// The content of a plan. Its digest is what approvers sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanContent {
    /// Title (件名).
    pub title: String,
    /// Class of work.
    pub class: WorkClass,
    /// Cause and purpose (目的・経緯).
    pub purpose: String,
    /// Targets, from the ledger only.
    pub targets: Vec<TargetUse>,
    /// Why a privileged right is needed; empty if none is.
    #[serde(default)]
    pub privileged_reason: String,
    /// Use of charts or other personal data.
    #[serde(default)]
    pub personal_data: Option<PersonalDataUse>,
    /// Files to bring in.
    #[serde(default)]
    pub bring_in: Vec<FileIn>,
    /// Take-out of data (持出し).
    #[serde(default)]
    pub carry_out: Option<CarryOut>,
    /// The workers, by person.
    pub workers: Vec<PersonId>,
    /// Networks they come from, within those registered for the vendor; empty means all registered ones.
    #[serde(default)]
    pub sources: Vec<Network>,
    /// Line and terminal in words (回線・端末).
    #[serde(default)]
    pub line: String,
    /// Beginning of the window.
    pub from: Timestamp,
    /// End of the window.
    pub until: Timestamp,
    /// Steps of the work (作業手順).
    pub steps: String,
    /// Commands that are planned, one a line; empty means that commands are not compared.
    #[serde(default)]
    pub commands: Vec<String>,
    /// What happens to a command that is not among the planned ones; `None` leaves it to the reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unplanned: Option<RuleAct>,
    /// Command rules of this plan, before those of the target's class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<CommandRule>,
    /// Whether a witness must be there (立会い必須).
    #[serde(default, skip_serializing_if = "Witness::is_none")]
    pub witness: Witness,
    /// Expected impact (影響範囲).
    pub impact: String,
    /// Minutes for which a system stands still; 0 if none does.
    #[serde(default)]
    pub stop_minutes: u32,
    /// Way back (切戻し手順).
    pub rollback: String,
    /// Test and acceptance (確認方法).
    #[serde(default)]
    pub acceptance: String,
    /// A person of the hospital is asked to watch (立会い希望).
    #[serde(default)]
    pub supervision: bool,
    /// Contact during the work.
    pub contact: String,
    /// The subcontractor that takes part, if any.
    #[serde(default)]
    pub subcontractor: Option<VendorId>,
    /// Attached files (作業手順書 and the like).
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Why the work must start at once; `None` for ordinary plans (緊急理由).
    #[serde(default)]
    pub emergency_reason: Option<String>,
}

/// One target and what is used on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetUse {
    /// The target.
    pub target: TargetId,
    /// The account on it.
    pub account: AccountId,
    /// Functions switched on; whatever is not here is refused.
    pub functions: BTreeSet<Function>,
    /// What may be done with files by those functions that move them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub files: BTreeSet<FileRight>,
    /// How much may go over.
    #[serde(default, skip_serializing_if = "TransferLimits::is_none")]
    pub limits: TransferLimits,
    /// Where local forwards may lead, if [`Function::Forward`] is on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<ForwardTo>,
    /// A worker may open a key window for programs that can answer no prompt (鍵だけの接続).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_window: bool,
}

impl TargetUse {
    /// True if a function is on that moves files.
    #[must_use]
    pub fn moves_files(&self) -> bool {
        self.functions.iter().any(|function| function.moves_files())
    }

    /// Limits that can be kept: more than nothing, and within what a plan may name.
    fn check_limits(&self) -> Result<(), Refusal> {
        let TransferLimits { upload_bytes, upload_files, download_bytes, download_files } = self.limits;
        let within = |limit: Option<u64>, most: usize| limit.is_none_or(|limit| limit > 0 && usize::try_from(limit).is_ok_and(|limit| limit <= most));
        let sound = [upload_bytes, download_bytes].into_iter().all(|limit| within(limit, limits::PLAN_TRANSFER_BYTES))
            && [upload_files, download_files].into_iter().all(|limit| within(limit, limits::PLAN_TRANSFER_FILES));
        if sound { Ok(()) } else { Err(Refusal::bad_field("targets.limits")) }
    }

    /// What is switched on must mean something: no rights that nothing carries, no function without what it may do.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for the first that does not.
    pub fn check_complete(&self) -> Result<(), Refusal> {
        let need = |sound: bool, field: &str| if sound { Ok(()) } else { Err(Refusal::bad_field(field)) };
        need(self.moves_files() != self.files.is_empty(), "targets.files")?;
        need(self.functions.contains(&Function::Forward) != self.forwards.is_empty(), "targets.forwards")?;
        let TransferLimits { upload_bytes, upload_files, download_bytes, download_files } = self.limits;
        let limited = |bytes: Option<u64>, files: Option<u64>| bytes.is_some() || files.is_some();
        let idle = |right: FileRight| !self.files.contains(&right);
        let vain = limited(upload_bytes, upload_files) && idle(FileRight::Upload) || limited(download_bytes, download_files) && idle(FileRight::Download);
        need(!vain, "targets.limits")
    }
}

/// Declared use of personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonalDataUse {
    /// Whose data.
    pub whose: String,
    /// Why.
    pub why: String,
}

/// A file that is brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileIn {
    /// File name.
    pub name: String,
    /// SHA-256 as 64 hex digits; empty if it is not known yet.
    #[serde(default)]
    pub sha256: String,
    /// Where and with what it was sanitised (無害化).
    #[serde(default)]
    pub sanitised: String,
}

/// Take-out of data from the hospital.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CarryOut {
    /// Purpose.
    pub purpose: String,
    /// Number of persons or records.
    pub number: String,
    /// Fields.
    pub fields: String,
    /// Where it is stored.
    pub storage: String,
}

/// A file attached to the plan. The bytes lie encrypted in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Identifier.
    pub id: AttachmentId,
    /// File name as the vendor gave it; for display only, never a path.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 as hex.
    pub sha256: String,
}

impl PlanContent {
    /// True if approval belongs to the planner alone (domain.md section 3).
    #[must_use]
    pub fn needs_planner(&self) -> bool {
        self.personal_data.is_some() || self.carry_out.is_some()
    }

    /// The entry for a target, if the plan lists it.
    #[must_use]
    pub fn target(&self, id: &TargetId) -> Option<&TargetUse> {
        self.targets.iter().find(|used| &used.target == id)
    }

    /// Bounds of every field, before anything is stored. A draft may still be incomplete.
    ///
    /// # Errors
    /// [`Refusal::BadField`] or [`Refusal::TooMany`] for the first field out of bounds.
    pub fn check_bounds(&self) -> Result<(), Refusal> {
        let lines = [
            ("title", &self.title),
            ("line", &self.line),
            ("contact", &self.contact),
        ];
        for (field, text) in lines {
            check_line(field, text)?;
        }
        let texts = [
            ("purpose", &self.purpose),
            ("privileged_reason", &self.privileged_reason),
            ("steps", &self.steps),
            ("impact", &self.impact),
            ("rollback", &self.rollback),
            ("acceptance", &self.acceptance),
        ];
        for (field, text) in texts {
            check_text(field, text)?;
        }
        if let Some(reason) = &self.emergency_reason {
            check_text("emergency_reason", reason)?;
        }
        if let Some(data) = &self.personal_data {
            check_text("personal_data.whose", &data.whose)?;
            check_text("personal_data.why", &data.why)?;
        }
        if let Some(out) = &self.carry_out {
            for (field, text) in [("purpose", &out.purpose), ("number", &out.number), ("fields", &out.fields), ("storage", &out.storage)] {
                check_text(&format!("carry_out.{field}"), text)?;
            }
        }
        at_most("PLAN_TARGETS", self.targets.len(), limits::PLAN_TARGETS)?;
        at_most("PLAN_WORKERS", self.workers.len(), limits::PLAN_WORKERS)?;
        at_most("PLAN_FILES", self.bring_in.len(), limits::PLAN_FILES)?;
        at_most("PLAN_COMMANDS", self.commands.len(), limits::PLAN_COMMANDS)?;
        at_most("PLAN_SOURCES", self.sources.len(), limits::PLAN_SOURCES)?;
        at_most("PLAN_ATTACHMENTS", self.attachments.len(), limits::PLAN_ATTACHMENTS)?;
        at_most("PLAN_RULES", self.rules.len(), limits::PLAN_RULES)?;
        for command in &self.commands {
            check_line("commands", command)?;
        }
        for rule in &self.rules {
            rule.check()?;
        }
        for used in &self.targets {
            at_most("PLAN_FORWARDS", used.forwards.len(), limits::PLAN_FORWARDS)?;
            let mut places = BTreeSet::new();
            for to in &used.forwards {
                let sound = to.port > 0 && check_host(&to.host).is_ok() && places.insert((to.host.to_ascii_lowercase(), to.port));
                sound.then_some(()).ok_or_else(|| Refusal::bad_field("targets.forwards"))?;
            }
            used.check_limits()?;
        }
        for file in &self.bring_in {
            check_line("bring_in.name", &file.name)?;
            check_line("bring_in.sanitised", &file.sanitised)?;
            let hex = file.sha256.is_empty() || (file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            if !hex {
                return Err(Refusal::bad_field("bring_in.sha256"));
            }
        }
        for file in &self.attachments {
            check_line("attachments.name", &file.name)?;
        }
        let mut seen = BTreeSet::new();
        if !self.targets.iter().all(|used| seen.insert(&used.target)) {
            return Err(Refusal::bad_field("targets"));
        }
        Ok(())
    }

    /// What a plan must say before it can be submitted. An emergency needs less: whom, where, why.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for the first field that is missing, [`Refusal::BadWindow`] for the window.
    pub fn check_complete(&self, now: Timestamp) -> Result<(), Refusal> {
        self.check_bounds()?;
        let filled = |field: &str, text: &str| if text.trim().is_empty() { Err(Refusal::bad_field(field)) } else { Ok(()) };
        filled("title", &self.title)?;
        if self.workers.is_empty() {
            return Err(Refusal::bad_field("workers"));
        }
        if self.targets.is_empty() || self.targets.iter().any(|used| used.functions.is_empty()) {
            return Err(Refusal::bad_field("targets"));
        }
        for used in &self.targets {
            used.check_complete()?;
        }
        // Without planned commands every command would be an unplanned one, which a witness step says more plainly.
        if self.unplanned.is_some() && self.commands.is_empty() {
            return Err(Refusal::bad_field("unplanned"));
        }
        filled("contact", &self.contact)?;
        if let Some(data) = &self.personal_data {
            filled("personal_data.whose", &data.whose)?;
            filled("personal_data.why", &data.why)?;
        }
        if let Some(out) = &self.carry_out {
            filled("carry_out.purpose", &out.purpose)?;
            filled("carry_out.number", &out.number)?;
            filled("carry_out.fields", &out.fields)?;
            filled("carry_out.storage", &out.storage)?;
        }
        if let Some(reason) = &self.emergency_reason {
            return filled("emergency_reason", reason);
        }
        filled("purpose", &self.purpose)?;
        filled("steps", &self.steps)?;
        filled("impact", &self.impact)?;
        filled("rollback", &self.rollback)?;
        let longest = std::time::Duration::from_secs(limits::PLAN_WINDOW_HOURS as u64 * 3600);
        let sound = self.from < self.until && now < self.until && self.from.until(self.until) <= longest;
        if sound { Ok(()) } else { Err(Refusal::BadWindow) }
    }
}

/// Checks a one-line field from outside: length, and no control characters (they could forge lines in print or log).
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_line(field: &str, text: &str) -> Result<(), Refusal> {
    let sound = text.chars().count() <= limits::LINE_CHARS && !text.chars().any(is_unprintable);
    if sound { Ok(()) } else { Err(Refusal::bad_field(field)) }
}

/// Checks a field of several lines from outside.
///
/// # Errors
/// [`Refusal::BadField`].
pub fn check_text(field: &str, text: &str) -> Result<(), Refusal> {
    let control = |c: char| !matches!(c, '\n' | '\r' | '\t') && is_unprintable(c);
    let sound = text.chars().count() <= limits::TEXT_CHARS && !text.chars().any(control);
    if sound { Ok(()) } else { Err(Refusal::bad_field(field)) }
}

/// Control characters and those that turn the direction of text, by which a name can pose as another.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn at_most(name: &str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count <= limit { Ok(()) } else { Err(Refusal::too_many(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(functions: &[Function], files: &[FileRight]) -> TargetUse {
        TargetUse {
            target: TargetId::from_random([1; 10]),
            account: AccountId::from_random([1; 10]),
            functions: functions.iter().copied().collect(),
            files: files.iter().copied().collect(),
            limits: TransferLimits::default(),
            forwards: Vec::new(),
            key_window: false,
        }
    }

    #[test]
    fn a_switch_that_means_nothing_is_refused() {
        let place = |port| ForwardTo { host: "db01".into(), port, full: false };
        let field = |used: &TargetUse| match used.check_complete() {
            Ok(()) => String::new(),
            Err(refusal) => refusal.detail().unwrap_or_default(),
        };
        use {FileRight as R, Function as F};
        assert_eq!(field(&used(&[F::Shell], &[])), "");
        assert_eq!(field(&used(&[F::Sftp], &[R::Download])), "");
        assert_eq!(field(&used(&[F::Rsync], &[])), "targets.files");
        assert_eq!(field(&used(&[F::Shell, F::Exec], &[R::Upload])), "targets.files");
        assert_eq!(field(&used(&[F::Forward], &[])), "targets.forwards");
        assert_eq!(field(&TargetUse { forwards: vec![place(1)], ..used(&[F::Shell], &[]) }), "targets.forwards");
        assert_eq!(field(&TargetUse { forwards: vec![place(1)], ..used(&[F::Forward], &[]) }), "");
        let limited = TransferLimits { upload_files: Some(1), ..TransferLimits::default() };
        assert_eq!(field(&TargetUse { limits: limited, ..used(&[F::Sftp], &[R::Download]) }), "targets.limits");
        assert_eq!(field(&TargetUse { limits: limited, ..used(&[F::Sftp], &[R::Upload]) }), "");
    }

    #[test]
    fn limits_and_places_are_bounded() {
        let bounds = |change: fn(&mut TargetUse)| {
            let mut one = used(&[Function::Sftp], &[FileRight::Upload]);
            change(&mut one);
            PlanContent { targets: vec![one], ..PlanContent::default() }.check_bounds().err().and_then(|refusal| refusal.detail()).unwrap_or_default()
        };
        assert_eq!(bounds(|_| ()), "");
        assert_eq!(bounds(|one| one.limits.upload_bytes = Some(0)), "targets.limits");
        assert_eq!(bounds(|one| one.limits.download_bytes = Some(u64::MAX)), "targets.limits");
        assert_eq!(bounds(|one| one.limits.upload_files = Some(1_000_001)), "targets.limits");
        assert_eq!(bounds(|one| one.forwards = vec![ForwardTo { host: "db01".into(), port: 22, full: false }, ForwardTo { host: "DB01".into(), port: 22, full: true }]), "targets.forwards");
        assert_eq!(bounds(|one| one.forwards = vec![ForwardTo { host: "-oProxyCommand".into(), port: 22, full: false }]), "targets.forwards");
        assert_eq!(bounds(|one| one.forwards = vec![ForwardTo { host: "db01".into(), port: 0, full: false }]), "targets.forwards");
    }
}
