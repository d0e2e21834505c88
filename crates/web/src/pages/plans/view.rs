//! What the page of a plan shows, taken from the plan and what the store tells about it. Pure.
//!
//! Words are chosen by the templates: a view holds the names of states, acts and classes, and times already written.

pub use super::findings::{cause_name, item_name};
pub use super::powers::{ForwardView, RuleView, TargetView};
pub use super::shapes::*;
use super::findings::rows;
use super::powers;
use super::revised;
use super::written;
use crate::words::{self, Lang};
use sekisho_core::command::Loosened;
use sekisho_core::duty::Duty;
use sekisho_core::ids::{AccountId, PersonId, TargetId, VendorId};
use sekisho_core::plan::approval::{self, Slot};
use sekisho_core::plan::content::PlanContent;
use sekisho_core::plan::state::PlanState;
use sekisho_core::plan::{Plan, TrailEntry};
use sekisho_core::policy::Policy;
use sekisho_core::reconcile::{HARMLESS, HARMLESS_ALONE};
use sekisho_core::target::{ForwardTo, Quarantine, Witness};
use sekisho_core::time::Timestamp;
use std::collections::BTreeMap;

/// A person whom a plan names.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Display name.
    pub name: String,
    /// Login name, the first part of an SSH login.
    pub login: String,
    /// Name of the vendor, empty for the hospital's staff.
    pub org: String,
}

/// A target that a plan names.
#[derive(Clone, Debug, Default)]
pub struct NamedTarget {
    /// Short name.
    pub name: String,
    /// What staff call it.
    pub title: String,
    /// What it demands of a witness by itself.
    pub witness: Witness,
    /// Which uploads wait there: the stricter of what it and the policy say.
    pub quarantine: Quarantine,
    /// Holds personal data of patients.
    pub personal_data: bool,
}

/// Names of everything that a plan refers to by identifier.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Persons.
    pub persons: BTreeMap<PersonId, Named>,
    /// Targets.
    pub targets: BTreeMap<TargetId, NamedTarget>,
    /// Accounts: login name on the target, and whether it is privileged.
    pub accounts: BTreeMap<AccountId, (String, bool)>,
    /// Vendors.
    pub vendors: BTreeMap<VendorId, String>,
}

impl Names {
    fn person(&self, id: &PersonId) -> Named {
        self.persons.get(id).cloned().unwrap_or_else(|| Named { name: id.to_string(), ..Named::default() })
    }

    fn vendor(&self, id: &VendorId) -> String {
        self.vendors.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// Where a worker's client connects.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Host name of the gateway.
    pub host: String,
    /// Its SSH port.
    pub port: u16,
}

/// Everything that the page rests on.
pub struct Told<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Digest of its signed bytes, hex.
    pub digest: &'a str,
    /// Names of what it refers to.
    pub names: &'a Names,
    /// Rules of classes that its own make laxer.
    pub loosened: &'a [Loosened],
    /// Approvals still missing.
    pub missing: &'a [Slot],
    /// Its sessions, newest first.
    pub sessions: Vec<SessionLine>,
    /// True while one of them runs.
    pub running: bool,
    /// Names of the acts that the reader may do.
    pub allowed: &'a [&'static str],
    /// What the reader must do.
    pub duties: &'a [Duty],
    /// The hospital's settings.
    pub policy: &'a Policy,
    /// Where workers connect.
    pub gate: &'a Gate,
    /// The reader.
    pub me: Option<&'a PersonId>,
    /// The present moment.
    pub now: Timestamp,
    /// The language of the page.
    pub lang: Lang,
}

impl PlanPage {
    /// Gathers the page.
    #[must_use]
    pub fn of(told: Told<'_>) -> Self {
        let Told { plan, digest, names, policy, now, lang, .. } = told;
        let findings: Vec<FindingView> = rows(&plan.findings, lang);
        let work = Work {
            sessions: told.sessions.len(),
            commands: told.sessions.iter().map(|line| line.commands).sum(),
            files: told.sessions.iter().map(|line| line.files).sum(),
            ended: plan.ended_at.map(|at| written::moment(at, lang)).unwrap_or_default(),
        };
        let (step, stopped) = step(plan);
        Self {
            id: plan.id.to_string(),
            number: plan.number.clone(),
            revision: plan.revision,
            version: plan.version,
            digest: digest.to_owned(),
            digest_short: digest.get(..16).unwrap_or(digest).to_owned(),
            state: plan.state.as_str(),
            title: plan.content.title.clone(),
            vendor: names.vendor(&plan.vendor),
            applicant: names.person(&plan.applicant).name,
            is_emergency: plan.is_emergency(),
            delegated: approval::is_delegated(&plan.content, policy),
            step,
            stopped,
            window: window(plan, now, lang),
            content: content(&plan.content, names, lang),
            revised: revised::revised(plan, names, lang),
            marks: marks(plan, digest, names, policy, lang),
            loosened: powers::loosened(told.loosened),
            approvals_given: approvals_given(plan, digest, lang),
            missing: told.missing.iter().map(|slot| slot_name(*slot)).collect(),
            duties: told.duties.iter().map(|duty| duty_view(duty, lang)).collect(),
            acts: acts(told.allowed),
            allowed: told.allowed.to_vec(),
            ssh: if plan.admits() { ssh_lines(&plan.content, names, told.gate, told.me) } else { Vec::new() },
            running: told.running,
            sessions: told.sessions,
            changes: changes(plan, lang),
            trail: plan.trail.iter().map(|entry| trail(entry, lang)).collect(),
            differences: findings.iter().filter(|row| row.different).count(),
            open_findings: plan.findings.iter().filter(|row| row.is_open()).count(),
            findings,
            quiet: (HARMLESS.join(" "), HARMLESS_ALONE.join(" ")),
            report: plan.report.as_ref().map(|report| ReportView {
                result: report.content.result.clone(),
                cause: report.content.cause.clone(),
                prevention: report.content.prevention.clone(),
                remaining: report.content.remaining.clone(),
                versions: report.content.versions.clone(),
                personal_data_used: report.content.personal_data_used,
                personal_data_detail: report.content.personal_data_detail.clone(),
                written_by: report.written.name.clone(),
                written_at: written::moment(report.written.at, lang),
                written_era: report.written.at.era(),
                countersigned_by: report.countersigned.as_ref().map(|mark| mark.name.clone()).unwrap_or_default(),
                countersigned_at: report.countersigned.as_ref().map(|mark| written::moment(mark.at, lang)).unwrap_or_default(),
                countersigned_era: report.countersigned.as_ref().map(|mark| mark.at.era()).unwrap_or_default(),
            }),
            extension: plan.extension.as_ref().map(|wish| ExtensionView {
                by: wish.by.name.clone(),
                at: written::brief(wish.by.at, lang),
                until: written::moment(wish.until, lang),
                reason: wish.reason.clone(),
            }),
            emergency: plan.emergency.as_ref().map(|emergency| EmergencyView {
                allowed_by: emergency.allowed.name.clone(),
                allowed_at: written::moment(emergency.allowed.at, lang),
                decide_by: written::moment(emergency.decide_by, lang),
                late: emergency.decision.is_none() && now > emergency.decide_by,
                decided: emergency.decision.is_some(),
                approved: emergency.decision.as_ref().is_some_and(|decision| decision.approved),
                decided_by: emergency.decision.as_ref().map(|decision| decision.mark.name.clone()).unwrap_or_default(),
                decided_at: emergency.decision.as_ref().map(|decision| written::moment(decision.mark.at, lang)).unwrap_or_default(),
                reason: emergency.decision.as_ref().map(|decision| decision.reason.clone()).unwrap_or_default(),
            }),
            work,
            created: written::moment(plan.created_at, lang),
        }
    }
}

/// The step of the road from 1 (申請) to 7 (完了), 8 when all are behind; true if the road ended there.
#[must_use]
pub fn step(plan: &Plan) -> (usize, bool) {
    use PlanState as S;
    match plan.state {
        S::Draft | S::Returned => (1, false),
        S::Submitted => (2, false),
        S::Approved | S::Emergency | S::InProgress => (3, false),
        S::Reconcile | S::Aborted => (4, false),
        S::Report => (5, false),
        S::Confirm => (6, false),
        S::Closed => (8, false),
        S::Rejected => (2, true),
        S::Withdrawn | S::Expired => {
            let reached = |name: &str| plan.trail.iter().any(|entry| entry.act == name);
            let allowed = !plan.approvals.is_empty() || plan.emergency.is_some();
            (if allowed { 3 } else if reached("submit") { 2 } else { 1 }, true)
        }
    }
}

fn window(plan: &Plan, now: Timestamp, lang: Lang) -> Option<Window> {
    let (from, until) = plan.window();
    if until == Timestamp::default() {
        return None;
    }
    let phase = if now < from { "before" } else if now < until { "open" } else { "over" };
    Some(Window {
        text: written::span(from, until, lang),
        era: written::era_span(from, until),
        from: written::moment(from, lang),
        until: written::moment(until, lang),
        until_local: until.local(),
        from_ms: from.0,
        until_ms: until.0,
        phase,
        extended: plan.extended_until.is_some(),
        admits: plan.admits(),
    })
}

pub(super) fn content(content: &PlanContent, names: &Names, lang: Lang) -> ContentView {
    let targets: Vec<TargetView> = content.targets.iter().map(|used| powers::target(used, names, lang)).collect();
    ContentView {
        class: content.class.as_str(),
        purpose: content.purpose.clone(),
        privileged: targets.iter().any(|target| target.privileged) || !content.privileged_reason.trim().is_empty(),
        targets,
        privileged_reason: content.privileged_reason.clone(),
        personal: content.personal_data.as_ref().map(|data| (data.whose.clone(), data.why.clone())),
        files: content.bring_in.iter().map(|file| (file.name.clone(), file.sha256.clone(), file.sanitised.clone())).collect(),
        carry_out: content.carry_out.as_ref().map(|out| CarryView {
            purpose: out.purpose.clone(),
            number: out.number.clone(),
            fields: out.fields.clone(),
            storage: out.storage.clone(),
        }),
        workers: content
            .workers
            .iter()
            .map(|id| {
                let Named { name, login, org } = names.person(id);
                WorkerView { name, login, org }
            })
            .collect(),
        sources: content.sources.iter().map(ToString::to_string).collect(),
        line: content.line.clone(),
        steps: content.steps.clone(),
        commands: content.commands.clone(),
        impact: content.impact.clone(),
        stop_minutes: content.stop_minutes,
        rollback: content.rollback.clone(),
        acceptance: content.acceptance.clone(),
        witness: powers::witness(content),
        unplanned: content.unplanned.map(|act| act.as_str()).unwrap_or_default(),
        rules: powers::rules(content),
        contact: content.contact.clone(),
        subcontractor: content.subcontractor.as_ref().map(|id| names.vendor(id)).unwrap_or_default(),
        attachments: content
            .attachments
            .iter()
            .map(|file| AttachmentView { id: file.id.to_string(), name: file.name.clone(), size: written::size(file.bytes), sha256: file.sha256.clone() })
            .collect(),
        emergency_reason: content.emergency_reason.clone().unwrap_or_default(),
    }
}

pub(crate) fn slot_name(slot: Slot) -> &'static str {
    match slot {
        Slot::Technical => "technical",
        Slot::Final => "final",
    }
}

fn approvals_given(plan: &Plan, digest: &str, lang: Lang) -> String {
    let given = plan.approvals.iter().filter(|approval| approval.digest == digest);
    let told: Vec<String> = given.map(|approval| format!("{} {}", words::word(lang, &format!("mark.{}", slot_name(approval.slot))), approval.name)).collect();
    words::listed(lang, &told)
}

fn mark(role: &'static str, given: Option<(&str, Timestamp)>, lang: Lang) -> MarkView {
    match given {
        Some((name, at)) => MarkView {
            role,
            name: name.to_owned(),
            short: written::family_name(name),
            date: written::stamp_date(at),
            at: written::moment(at, lang),
            era: at.era(),
        },
        None => MarkView { role, name: String::new(), short: String::new(), date: String::new(), at: String::new(), era: String::new() },
    }
}

/// The boxes of the form: applicant, approvals (or permission and approval after the fact), confirmation.
fn marks(plan: &Plan, digest: &str, names: &Names, policy: &Policy, lang: Lang) -> Vec<MarkView> {
    let applied = plan.trail.iter().rev().find(|entry| entry.act == "submit").map(|entry| entry.at);
    let applicant = names.person(&plan.applicant).name;
    let mut boxes = vec![mark("applicant", applied.map(|at| (applicant.as_str(), at)), lang)];
    if plan.is_emergency() {
        let emergency = plan.emergency.as_ref();
        boxes.push(mark("allowed", emergency.map(|emergency| (emergency.allowed.name.as_str(), emergency.allowed.at)), lang));
        let decision = emergency.and_then(|emergency| emergency.decision.as_ref()).filter(|decision| decision.approved);
        boxes.push(mark("after_fact", decision.map(|decision| (decision.mark.name.as_str(), decision.mark.at)), lang));
    } else {
        for slot in approval::required(&plan.content, policy) {
            let given = plan.approvals.iter().find(|approval| approval.slot == slot && approval.digest == digest);
            boxes.push(mark(slot_name(slot), given.map(|approval| (approval.name.as_str(), approval.at)), lang));
        }
    }
    boxes.push(mark("confirmed", plan.confirmation.as_ref().map(|mark| (mark.name.as_str(), mark.at)), lang));
    boxes
}

fn duty_view(duty: &Duty, lang: Lang) -> DutyView {
    let kind = serde_json::to_value(duty.kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    DutyView { kind, due: duty.due.map(|due| written::brief(due, lang)).unwrap_or_default(), overdue: duty.overdue }
}

/// The buttons, the ones that move the plan forward first. What a list shows in its own rows has no button here.
const ACTS: [ActView; 17] = [
    button("allow_emergency", "allow", "danger", "bolt"),
    button("decide_after_fact", "after_fact", "primary", "stamp"),
    button("approve", "approve", "primary", "stamp"),
    button("decide_extension", "extension/decide", "primary", "clock"),
    button("submit", "submit", "primary", "send"),
    button("edit", "edit", "secondary", "pen"),
    button("return", "return", "secondary", "return"),
    button("reject", "reject", "danger-outline", "ban"),
    button("note_change", "change", "secondary", "pen"),
    button("ask_extension", "extension", "secondary", "clock"),
    button("finish_work", "finish", "primary", "check"),
    button("decide_finding", "reconcile", "primary", "compare"),
    button("submit_report", "report", "primary", "report"),
    button("countersign", "countersign", "primary", "stamp"),
    button("confirm", "confirm", "primary", "eye"),
    button("return_report", "report/return", "secondary", "return"),
    button("withdraw", "withdraw", "danger-outline", "x"),
];

const fn button(act: &'static str, path: &'static str, look: &'static str, icon: &'static str) -> ActView {
    ActView { act, path, look, icon }
}

fn acts(allowed: &[&'static str]) -> Vec<ActView> {
    let mut list: Vec<ActView> = ACTS.into_iter().filter(|view| allowed.contains(&view.act)).collect();
    // Reasons and decisions stand on the same page; whoever may give only reasons gets there by their own word.
    let explains = allowed.contains(&"explain_finding") && !allowed.contains(&"decide_finding");
    if explains {
        list.insert(0, button("explain_finding", "reconcile", "primary", "compare"));
    }
    if allowed.contains(&"finish_reconcile") && !allowed.contains(&"decide_finding") {
        list.insert(0, button("finish_reconcile", "reconcile", "primary", "compare"));
    }
    list
}

/// A word that a shell takes as it stands. Everything in a line to copy is checked by this.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
}

/// Ports below this one are open to nobody but the administrator of the worker's own machine.
const FIRST_FREE_PORT: u16 = 1024;

/// The line of a forward; `None` for a host that a shell or ssh itself would read in its own way.
fn forward_line(to: &ForwardTo, gate: &Gate, login: &str) -> Option<String> {
    let local = if to.port < FIRST_FREE_PORT { to.port + 10_000 } else { to.port };
    (is_plain(&to.host) && !to.host.contains(':')).then(|| format!("ssh -N -L {local}:{}:{} -p {} {login}", to.host, to.port, gate.port))
}

fn ssh_lines(content: &PlanContent, names: &Names, gate: &Gate, me: Option<&PersonId>) -> Vec<SshLine> {
    let mut lines = Vec::new();
    for worker in &content.workers {
        let person = names.person(worker);
        for used in &content.targets {
            let Some(super::view::NamedTarget { name: target, .. }) = names.targets.get(&used.target) else { continue };
            if !is_plain(&person.login) || !is_plain(target) || !is_plain(&gate.host) {
                continue;
            }
            let login = format!("{}+{target}@{}", person.login, gate.host);
            let has = |name: &str| used.functions.iter().any(|function| function.as_str() == name);
            lines.push(SshLine {
                worker: person.name.clone(),
                target: target.clone(),
                shell: if has("shell") || has("exec") { format!("ssh -p {} {login}", gate.port) } else { String::new() },
                files: if has("sftp") { format!("sftp -P {} {login}", gate.port) } else { String::new() },
                forwards: if has("forward") { used.forwards.iter().filter_map(|to| forward_line(to, gate, &login)).collect() } else { Vec::new() },
                mine: me == Some(worker),
            });
        }
    }
    // The reader's own lines come first.
    lines.sort_by_key(|line| !line.mine);
    lines
}

fn changes(plan: &Plan, lang: Lang) -> Vec<ChangeView> {
    plan.changes
        .iter()
        .enumerate()
        .map(|(index, note)| ChangeView {
            index,
            text: note.text.clone(),
            by: note.by.name.clone(),
            at: written::brief(note.by.at, lang),
            accepted_by: note.accepted.as_ref().map(|mark| mark.name.clone()).unwrap_or_default(),
            accepted_at: note.accepted.as_ref().map(|mark| written::brief(mark.at, lang)).unwrap_or_default(),
        })
        .collect()
}

fn trail(entry: &TrailEntry, lang: Lang) -> TrailView {
    let (icon, tone) = match entry.act.as_str() {
        "draw" | "edit" | "note_change" => ("pen", ""),
        "submit" => ("send", "key"),
        "return" | "return_report" => ("return", "warn"),
        "approve" | "countersign" | "accept_change" => ("stamp", "good"),
        "confirm" => ("done", "good"),
        "reject" => ("ban", "bad"),
        "withdraw" => ("x", "bad"),
        "allow_emergency" => ("bolt", "bad"),
        "decide_after_fact" => ("stamp", "key"),
        "ask_extension" | "decide_extension" | "window_closed" => ("clock", ""),
        "enter" => ("play", "key"),
        "finish_work" | "finish_reconcile" => ("check", "good"),
        "explain_finding" | "decide_finding" => ("compare", ""),
        "submit_report" => ("report", "key"),
        _ => ("info", ""),
    };
    TrailView {
        act: ACT_NAMES.iter().find(|known| **known == entry.act).map_or("other", |known| known),
        who: entry.by.clone(),
        at: written::brief(entry.at, lang),
        era: entry.at.era(),
        note: entry.remark.clone(),
        icon,
        tone,
    }
}

/// Acts of the trail that have words.
const ACT_NAMES: [&str; 24] = [
    "draw", "edit", "submit", "return", "reject", "approve", "withdraw", "allow_emergency", "decide_after_fact", "ask_extension", "decide_extension",
    "note_change", "accept_change", "finish_work", "explain_finding", "decide_finding", "finish_reconcile", "submit_report", "countersign",
    "return_report", "confirm", "window_closed", "enter", "attach",
];
