//! The decision to let a worker in. The only minter of [`Principal`] and [`Grant`].

use crate::device::{self, Device, DeviceProof};
use crate::ids::{DeviceId, LineId, PersonId, PlanId, SshLoginId, TargetId};
use crate::line::{Line, line_of};
use crate::people::{Person, Role, Vendor};
use crate::plan::Plan;
use crate::plan::approval::{self};
use crate::plan::content::TargetUse;
use crate::policy::{KeepFiles, Policy};
use crate::refusal::Refusal;
use crate::command::{CommandRule, RuleAct};
use crate::country::Place;
use crate::target::{Account, FileRight, ForwardTo, Function, Quarantine, Target, TargetClass, TransferLimits, Witness};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// A person whose two factors were proved in this one login. Not `Clone`: one proof, one connection.
#[derive(Debug)]
pub struct Principal {
    person: PersonId,
    login: String,
    source: IpAddr,
    only: Option<TargetId>,
    device: Option<DeviceProof>,
    ssh_login: Option<SshLoginId>,
}

impl Principal {
    /// Mints a principal, for the target `only` if there is one, on the device that showed itself by `device`.
    ///
    /// An `assertion`: the caller has verified a first factor AND a second factor of a different kind in this same
    /// login, or in the login that opened the key window for `only`, or in the browser's login that confirmed a login by
    /// certificate; and `device` was shown by this very connection. The
    /// list of callers is kept in `xtask/assertions.txt`.
    #[must_use]
    pub fn assertion(person: PersonId, login: String, source: IpAddr, only: Option<TargetId>, device: Option<DeviceProof>) -> Self {
        Self { person, login, source, only, device, ssh_login: None }
    }

    /// Names the login by certificate that was proved. It gives nothing: what it let in ends with it.
    #[must_use]
    pub fn by_ssh_login(self, id: SshLoginId) -> Self {
        Self { ssh_login: Some(id), ..self }
    }

    /// The login by certificate that was proved, if it was one.
    #[must_use]
    pub fn ssh_login(&self) -> Option<&SshLoginId> {
        self.ssh_login.as_ref()
    }

    /// The device that the connection comes from, and how it showed itself; `None` for one that nobody knows.
    #[must_use]
    pub fn device(&self) -> Option<&DeviceProof> {
        self.device.as_ref()
    }

    /// The one target for which the proof holds; `None` for any.
    #[must_use]
    pub fn only(&self) -> Option<&TargetId> {
        self.only.as_ref()
    }

    /// Who.
    #[must_use]
    pub fn person(&self) -> &PersonId {
        &self.person
    }

    /// Login name.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// Where the connection comes from.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.source
    }
}

/// Permission for one session: one worker, one target, one plan, until one moment. Not `Clone`.
#[derive(Debug)]
pub struct Grant {
    /// The plan that permits it.
    pub plan: PlanId,
    /// Its number, for banners.
    pub plan_number: String,
    /// Its title, for banners.
    pub plan_title: String,
    /// The target.
    pub target: TargetId,
    /// Short name of the target.
    pub target_name: String,
    /// What kind of machine it is.
    pub class: TargetClass,
    /// Host to dial.
    pub host: String,
    /// Port to dial.
    pub port: u16,
    /// Accepted host keys, OpenSSH lines.
    pub host_keys: Vec<String>,
    /// Account on the target.
    pub username: String,
    /// Functions switched on.
    pub functions: BTreeSet<Function>,
    /// What may be done with files.
    pub files: BTreeSet<FileRight>,
    /// How much may go over.
    pub limits: TransferLimits,
    /// Where local forwards may lead.
    pub forwards: Vec<ForwardTo>,
    /// Bytes of shells and commands after which the session is paused.
    pub volume: Volume,
    /// Which contents of files are kept in the recording.
    pub keep: Keep,
    /// Which uploads wait.
    pub screen: Screen,
    /// Command rules, those of the plan before those of the target's class; the first that names a command decides.
    pub rules: Vec<CommandRule>,
    /// The planned commands; those not among them meet `unplanned`.
    pub commands: Vec<String>,
    /// What happens to commands that are not planned.
    pub unplanned: Option<RuleAct>,
    /// The stricter of what plan and target demand.
    pub witness: Witness,
    /// End of the window, or of the time in which the line may be used, if that comes first.
    pub until: Timestamp,
    /// Idle time after which the session is closed.
    pub idle: Duration,
    /// Moments before the end at which the worker is warned.
    pub warn_before: Vec<Duration>,
    /// The road that it came by.
    pub road: Road,
    // Keeps literal construction inside this module.
    _minted: (),
}

/// By which line and from which device a session comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Road {
    /// The line.
    pub line: LineId,
    /// Its name.
    pub line_name: String,
    /// The device, if it is known.
    pub device: Option<DeviceId>,
    /// Its name; empty if it is not known.
    pub device_name: String,
    /// How it showed itself: `certificate`, `address`; empty if it did not.
    pub device_proof: &'static str,
    /// What is not in order with the device, where the policy lets that pass.
    pub deviation: Option<Refusal>,
}

impl Road {
    fn of(principal: &Principal, line: &Line, device: Option<&Device>, deviation: Option<Refusal>) -> Self {
        let known = principal.device.as_ref().zip(device).filter(|(proof, device)| proof.device() == &device.id);
        Self {
            line: line.id.clone(),
            line_name: line.content.name.clone(),
            device: known.map(|(_, device)| device.id.clone()),
            device_name: known.map(|(_, device)| device.content.name.clone()).unwrap_or_default(),
            device_proof: known.map(|(proof, _)| proof.name()).unwrap_or_default(),
            deviation,
        }
    }
}

/// How much may go through shells and commands of one session before a person of the hospital looks at it. `None` is
/// any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Bytes from the target.
    pub output: Option<u64>,
    /// Bytes from the worker.
    pub input: Option<u64>,
}

impl Volume {
    fn of(policy: &Policy, files: &BTreeSet<FileRight>) -> Self {
        let bytes = |mib: u32| (mib > 0).then(|| u64::from(mib) * 1024 * 1024);
        let by = |right, with, without| bytes(if files.contains(&right) { with } else { without });
        Self {
            output: by(FileRight::Download, policy.volume_output_mib, policy.volume_output_without_download_mib),
            input: by(FileRight::Upload, policy.volume_input_mib, policy.volume_input_without_upload_mib),
        }
    }
}

/// Which contents of transferred files go into the recording, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What goes to the target; with a quarantine all of it that can be staged, beyond the bounds below.
    pub uploads: bool,
    /// What comes from the target.
    pub downloads: bool,
    /// Bytes of one file at most.
    pub file_bytes: u64,
    /// Bytes of the session at most.
    pub session_bytes: u64,
}

/// Which uploads wait until a person of the hospital lets them pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The stricter of what policy and target say.
    pub quarantine: Quarantine,
    /// SHA-256 of the files that the plan lists, in small hexadecimal letters.
    pub listed: BTreeSet<String>,
}

impl Screen {
    fn of(case: &Case<'_>) -> Self {
        let listed = case.plan.content.bring_in.iter().filter(|file| !file.sha256.is_empty()).map(|file| file.sha256.to_ascii_lowercase());
        Self { quarantine: case.policy.quarantine_uploads.max(case.target.quarantine), listed: listed.collect() }
    }

    /// Whether the plan lists a file of this digest.
    #[must_use]
    pub fn lists(&self, sha256: &str) -> bool {
        self.listed.contains(&sha256.to_ascii_lowercase())
    }

    /// Whether a file of this digest goes on by itself. Name and size are no proof of what is in it.
    #[must_use]
    pub fn passes(&self, sha256: &str) -> bool {
        match self.quarantine {
            Quarantine::Never => true,
            Quarantine::Unlisted => self.lists(sha256),
            Quarantine::Always => false,
        }
    }
}

impl Keep {
    fn of(policy: &Policy, quarantine: Quarantine) -> Self {
        let bytes = |mib: u32| u64::from(mib) * 1024 * 1024;
        Self {
            // What waited for a decision is evidence for it, whole and whatever else is kept.
            uploads: !quarantine.is_never() || matches!(policy.keep_files, KeepFiles::Uploads | KeepFiles::Both),
            downloads: matches!(policy.keep_files, KeepFiles::Downloads | KeepFiles::Both),
            file_bytes: bytes(policy.keep_file_mib),
            session_bytes: bytes(policy.keep_session_mib),
        }
    }
}

/// Everything that the decision rests on, gathered at the moment of the decision.
pub struct Case<'a> {
    /// The worker, as the ledger has them at this moment.
    pub person: &'a Person,
    /// The worker's vendor.
    pub vendor: &'a Vendor,
    /// The vendor that applied, which may have named a subcontractor's worker.
    pub plan_vendor: &'a Vendor,
    /// The lines of the worker's vendor.
    pub lines: &'a [Line],
    /// Where the principal's source belongs, by the table of countries.
    pub place: Place,
    /// The device that the principal's proof names, as the register has it at this moment.
    pub device: Option<&'a Device>,
    /// The target.
    pub target: &'a Target,
    /// The account named in the plan.
    pub account: Option<&'a Account>,
    /// The plan.
    pub plan: &'a Plan,
    /// Digest of the plan's signed bytes, hex.
    pub digest: &'a str,
    /// True if the signature of every approval of the plan verifies.
    pub signatures_hold: bool,
    /// The command rules of the target's class.
    pub rules: &'a [CommandRule],
    /// The hospital's settings.
    pub policy: &'a Policy,
    /// The present moment.
    pub now: Timestamp,
}

/// Decides whether the worker may enter the target under the plan. Deny by default: every line must agree.
///
/// # Errors
/// The first rule that does not agree, in the order in which a worker can do something about it.
pub fn authorize(principal: &Principal, case: &Case<'_>) -> Result<Grant, Refusal> {
    let Case { person, vendor, plan_vendor, target, plan, now, .. } = *case;
    if person.id != principal.person || !person.may_act(now) || !person.is(Role::Worker) {
        return Err(Refusal::PersonInactive);
    }
    let in_force = |vendor: &Vendor| vendor.is_in_force(now);
    if person.vendor.as_ref() != Some(&vendor.id) || !in_force(vendor) || !in_force(plan_vendor) || plan_vendor.id != plan.vendor {
        return Err(Refusal::VendorInactive);
    }
    if !person.is_ready_for_work(now) {
        return Err(Refusal::WorkerNotReady { worker: person.name.clone() });
    }
    if !plan.content.workers.contains(&person.id) {
        return Err(Refusal::WorkerNotInPlan);
    }
    if principal.only.as_ref().is_some_and(|only| only != &target.id) {
        return Err(Refusal::TargetNotInPlan);
    }
    let Some(used) = plan.content.target(&target.id) else { return Err(Refusal::TargetNotInPlan) };
    if !plan.admits() {
        return Err(Refusal::NoPlan);
    }
    approved(case)?;
    let (from, until) = plan.window();
    if now < from {
        return Err(Refusal::WindowNotOpen { opens: from.minute() });
    }
    if now >= until {
        return Err(Refusal::WindowClosed);
    }
    let line = line_of(case.lines, &vendor.id, principal.source, case.place, now)?;
    let planned = plan.content.sources.is_empty() || plan.content.sources.iter().any(|network| network.contains(principal.source));
    if !planned {
        return Err(Refusal::SourceNotAllowed);
    }
    let deviation = device::judge(principal, person, line, case.device, case.policy, now)?;
    let account = case.account.filter(|account| account.id == used.account && account.target == target.id);
    let Some(account) = account.filter(|_| target.active && !target.host_keys.is_empty()) else {
        return Err(Refusal::TargetNotReady);
    };
    if target.host_key_alarm.is_some() {
        return Err(Refusal::HostKeyChanged);
    }
    if principal.only.is_some() && !used.key_window {
        return Err(Refusal::NoPlan);
    }
    let until = line.usable_until(now).map_or(until, |rests| rests.min(until));
    Ok(assertion(case, used, account, until, Road::of(principal, line, case.device, deviation)))
}

/// The approval itself: complete for this very content and signed, or an emergency that a person allowed.
fn approved(case: &Case<'_>) -> Result<(), Refusal> {
    if !case.signatures_hold {
        return Err(Refusal::ApprovalBroken);
    }
    if case.plan.is_emergency() {
        return if case.plan.emergency.is_some() { Ok(()) } else { Err(Refusal::NoPlan) };
    }
    let missing = approval::missing(case.plan, case.policy, case.digest);
    if missing.is_empty() { Ok(()) } else { Err(Refusal::ApprovalBroken) }
}

/// Mints the grant. Called by [`authorize`] alone, after every rule agreed.
fn assertion(case: &Case<'_>, used: &TargetUse, account: &Account, until: Timestamp, road: Road) -> Grant {
    let Case { plan, target, policy, .. } = *case;
    let minutes = |n: u32| Duration::from_secs(u64::from(n) * 60);
    Grant {
        plan: plan.id.clone(),
        plan_number: plan.number.clone(),
        plan_title: plan.content.title.clone(),
        target: target.id.clone(),
        target_name: target.name.clone(),
        class: target.class,
        host: target.host.clone(),
        port: target.port,
        host_keys: target.host_keys.clone(),
        username: account.username.clone(),
        functions: used.functions.clone(),
        files: used.files.clone(),
        limits: used.limits,
        forwards: used.forwards.clone(),
        volume: Volume::of(policy, &used.files),
        keep: Keep::of(policy, policy.quarantine_uploads.max(target.quarantine)),
        screen: Screen::of(case),
        rules: plan.content.rules.iter().chain(case.rules).cloned().collect(),
        commands: plan.content.commands.clone(),
        unplanned: plan.content.unplanned,
        witness: plan.content.witness.max(target.witness),
        until,
        idle: minutes(policy.idle_minutes),
        warn_before: policy.warn_minutes.iter().copied().map(minutes).collect(),
        road,
        _minted: (),
    }
}
