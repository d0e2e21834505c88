//! From the entries of a span to the list: what is grouped, and from which number on a group is looked at.

use super::fold::{self, Weighed};
use super::watched::Watching;
use super::{ReviewedLine, Section, SectionCount};
use crate::alarm::{Level, Thresholds, is_question};
use crate::command::RuleAct;
use crate::control::Control;
use crate::facts::{Entry, Fact, ViewMode};
use crate::ids::{AlarmId, CaseId, PersonId, PlanId, SessionId, VendorId};
use crate::letter::one_line;
use crate::limits;
use crate::plan::state::PlanState;
use crate::policy::Policy;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The numbers from which on something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Office hours.
    pub hours: Thresholds,
    /// Refusals of one name within the span.
    pub refusals: u64,
    /// Bytes that one session took out.
    pub bytes_out: u64,
}

impl Bounds {
    /// From the policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self { hours: Thresholds::of(policy), refusals: u64::from(policy.log_review_refusals), bytes_out: u64::from(policy.log_review_files_mib) << 20 }
    }
}

impl Bounds {
    /// The thresholds, as the configuration writes them: part of the list that is signed.
    #[must_use]
    pub fn words(&self) -> String {
        format!("office_hours={}-{} log_review_refusals={} log_review_files_mib={}", self.hours.from_hour, self.hours.until_hour, self.refusals, self.bytes_out >> 20)
    }
}

/// What the log says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionBrief {
    /// Who works.
    pub person: Option<PersonId>,
    /// Their name.
    pub who: String,
    /// Their vendor.
    pub vendor: Option<VendorId>,
    /// The plan.
    pub plan: PlanId,
    /// Name of the target.
    pub target: String,
    /// When it began.
    pub at: Timestamp,
}

/// What entries before the span say of those within.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Sessions that had begun.
    pub sessions: BTreeMap<SessionId, SessionBrief>,
    /// Whose login name is whose.
    pub logins: BTreeMap<String, PersonId>,
    /// Who had looked at which session, and for how long.
    pub watching: Watching,
    /// Alarms that were open, with the number of the entry that raised each.
    pub alarms: BTreeMap<AlarmId, (Level, u64)>,
    /// Bytes that sessions took out that have not ended: what one took before midnight counts for what it takes after it.
    pub taken_out: BTreeMap<SessionId, u64>,
}

impl Known {
    /// Takes what has to be known of files and ends of sessions before the span.
    pub fn moved(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::FileMoved { session, file, .. } if file.takes_out() => {
                let held = self.taken_out.entry(session.clone()).or_default();
                *held = held.saturating_add(file.bytes);
            }
            Fact::Left { session, .. } => drop(self.taken_out.remove(session)),
            _ => {}
        }
    }
}

/// A group on its way to a line.
struct Group {
    what: &'static str,
    values: BTreeMap<String, String>,
    at: Timestamp,
    who: String,
    about: BTreeSet<PersonId>,
    vendor: Option<VendorId>,
    session: Option<SessionId>,
    plan: Option<PlanId>,
    seqs: Vec<u64>,
    /// How much each of `seqs` took, where the largest are named.
    named: Vec<u64>,
    entries: u64,
    /// What its threshold counts, where that is not the number of entries.
    weight: u64,
    /// Set by what needs no threshold.
    shown: bool,
}

/// What is left of a span.
pub struct Screened {
    /// The lines; they have no numbers yet, and the sample is not among them.
    pub lines: Vec<ReviewedLine>,
    /// What was looked at.
    pub counts: BTreeMap<Section, SectionCount>,
    /// Sessions that ended in the span.
    pub ended: BTreeSet<SessionId>,
    /// Those of them that nobody else watched for a substantial part.
    pub unwatched: BTreeSet<SessionId>,
    /// What is known of sessions.
    pub sessions: BTreeMap<SessionId, SessionBrief>,
}

/// Reads the entries of a span, one after the other.
pub struct Screen {
    bounds: Bounds,
    known: Known,
    groups: BTreeMap<(Section, String), Group>,
    counts: BTreeMap<Section, SectionCount>,
    /// Whose entries are whose, for alarms that name the entry that raised them.
    authors: HashMap<u64, PersonId>,
    alarms: BTreeMap<AlarmId, String>,
    cases: BTreeMap<CaseId, String>,
    ended: BTreeMap<SessionId, Timestamp>,
    /// Alarms whose raising entry was written before the span.
    unasked: BTreeMap<AlarmId, u64>,
}

fn short(text: &str) -> String {
    one_line(text).chars().take(160).collect()
}

/// Changes of rights, keys and registers, and whom they name beside the one who acts.
fn privileged(fact: &Fact) -> Option<Option<&PersonId>> {
    Some(match fact {
        Fact::PersonAdded { person, .. }
        | Fact::PersonChanged { person, .. }
        | Fact::EnrolmentIssued { person, .. }
        | Fact::MailAddressChanged { person, .. }
        | Fact::AuthenticatorReplaced { person }
        | Fact::RecoveryUsed { person, .. }
        | Fact::PersonLinked { person, .. }
        | Fact::PersonUnlinked { person, .. }
        | Fact::Unlocked { person, .. }
        | Fact::IdentityChecked { person, .. }
        | Fact::TokenMade { person, .. } => Some(person),
        Fact::PrivilegeKept { holder, .. } => Some(holder),
        Fact::VendorKept { .. }
        | Fact::LineKept { .. }
        | Fact::DeviceKept { .. }
        | Fact::TargetKept { .. }
        | Fact::CredentialKept { .. }
        | Fact::RotationSet { .. }
        | Fact::HostKeyDecided { .. }
        | Fact::SshAuthority { .. }
        | Fact::DeviceAuthority { .. }
        | Fact::DeviceRootTaken { .. }
        | Fact::DeviceIssuingBrought { .. }
        | Fact::RulesKept { .. }
        | Fact::SourceUnlocked { .. }
        | Fact::EverybodyLoggedOut { .. }
        | Fact::ReviewDisabled { .. }
        | Fact::CountriesTaken { .. }
        | Fact::ServiceKept { .. }
        | Fact::LogSourceKept { .. }
        | Fact::LoginAllowKept { .. }
        | Fact::KeyRotated { .. }
        | Fact::RestoreAccepted { .. }
        | Fact::EmergencyKept { .. }
        | Fact::EnvelopeMade { .. }
        | Fact::HoldPlaced { .. }
        | Fact::HoldExtended { .. }
        | Fact::HoldLifted { .. }
        | Fact::RetentionAsked { .. }
        | Fact::RetentionSet { .. }
        | Fact::RetentionStopped { .. }
        | Fact::DeletingAsked { .. }
        | Fact::DeletingResumed { .. }
        | Fact::RecordingDeleted { .. }
        | Fact::ArchiveCopyRemoved { .. }
        | Fact::AuditorKeyKept { .. }
        | Fact::SecondKeyKept { .. }
        | Fact::LogImported { .. }
        | Fact::LogReviewScheduled { .. }
        | Fact::ClockAccepted { .. } => None,
        _ => return None,
    })
}

impl Screen {
    /// A screen with these thresholds.
    #[must_use]
    pub fn new(bounds: Bounds, known: Known) -> Self {
        Self { bounds, known, groups: BTreeMap::new(), counts: BTreeMap::new(), authors: HashMap::new(), alarms: BTreeMap::new(), cases: BTreeMap::new(), ended: BTreeMap::new(), unasked: BTreeMap::new() }
    }

    fn group(&mut self, section: Section, key: String, what: &'static str, entry: &Entry) -> &mut Group {
        let count = self.counts.entry(section).or_default();
        count.entries += 1;
        let session = entry.fact.session().cloned();
        let brief = session.as_ref().and_then(|session| self.known.sessions.get(session));
        let group = self.groups.entry((section, key)).or_insert_with(|| Group {
            what,
            values: BTreeMap::new(),
            at: entry.at,
            who: brief.map_or_else(|| short(&entry.actor.name), |brief| brief.who.clone()),
            about: BTreeSet::new(),
            vendor: brief.and_then(|brief| brief.vendor.clone()).or_else(|| entry.actor.vendor.clone()),
            plan: entry.fact.plan().cloned().or_else(|| brief.map(|brief| brief.plan.clone())),
            session,
            seqs: Vec::new(),
            named: Vec::new(),
            entries: 0,
            weight: 0,
            shown: false,
        });
        group.entries += 1;
        if group.seqs.len() < limits::LOG_REVIEW_LINE_ENTRIES {
            group.seqs.push(entry.seq);
        }
        group.about.extend(entry.actor.person.clone());
        group.about.extend(brief.and_then(|brief| brief.person.clone()));
        group
    }

    /// A group about the session of an entry, under the name of its target.
    fn of_session(&mut self, section: Section, what: &'static str, entry: &Entry) -> &mut Group {
        let session = entry.fact.session().map(ToString::to_string).unwrap_or_default();
        let target = entry.fact.session().and_then(|session| self.known.sessions.get(session)).map(|brief| brief.target.clone()).unwrap_or_default();
        let group = self.group(section, session, what, entry);
        group.values.insert("target".into(), short(&target));
        group
    }

    /// Reads one entry of the span.
    pub fn take(&mut self, entry: &Entry) {
        if let Some(person) = &entry.actor.person {
            self.authors.insert(entry.seq, person.clone());
        }
        match &entry.fact {
            Fact::PersonAdded { person, login, .. } => {
                self.known.logins.insert(login.clone(), person.clone());
            }
            Fact::Entered { session, plan, target_name, .. } => {
                let brief = SessionBrief { person: entry.actor.person.clone(), who: short(&entry.actor.name), vendor: entry.actor.vendor.clone(), plan: plan.clone(), target: short(target_name), at: entry.at };
                self.known.sessions.insert(session.clone(), brief);
            }
            _ => {}
        }
        self.sort(entry);
        if let Some(named) = privileged(&entry.fact) {
            let kind = entry.fact.kind();
            // What the box does by itself follows from a setting that somebody changed, and that stands here.
            let by_person = entry.actor.person.is_some() || entry.actor.via == crate::people::Via::Console;
            // A change for somebody is a line about them: one line for all of them would be about everybody, and nobody could judge it.
            let (key, what) = match named {
                Some(named) => (format!("{}/{named}", entry.actor.login), "privileged_person"),
                None => (format!("{}/{kind}", entry.actor.login), "privileged"),
            };
            let named = named.cloned();
            let group = self.group(Section::Privileged, key, what, entry);
            group.shown |= by_person;
            if let Some(named) = named {
                group.values.insert("named".into(), named.to_string());
                group.about.insert(named);
            }
            let kinds = group.values.entry("kind".to_owned()).or_default();
            if !kinds.split(',').any(|held| held == kind) && kinds.len() < 160 {
                *kinds = if kinds.is_empty() { kind } else { format!("{kinds},{kind}") };
            }
        }
    }

    fn sort(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::EmergencyOpened { login, .. } | Fact::EmergencyTried { login } | Fact::EmergencyClosed { login, .. } | Fact::EmergencyReviewed { login, .. } | Fact::EmergencyCodeUsed { login, .. } => {
                let group = self.group(Section::Emergency, format!("account/{login}"), "emergency_account", entry);
                group.shown = true;
                group.values.insert("login".into(), short(login));
            }
            Fact::PlanActed { number, from, to, .. } if *to == PlanState::Emergency && from != to => {
                let group = self.group(Section::Emergency, format!("plan/{number}"), "emergency_work", entry);
                group.shown = true;
                group.values.insert("number".into(), short(number));
            }
            Fact::CaseOpened { case, rule, about, .. } => {
                self.cases.insert(case.clone(), case.to_string());
                let group = self.group(Section::Around, case.to_string(), "around_open", entry);
                group.shown = true;
                group.values.extend([("place".to_owned(), short(about)), ("rule".to_owned(), rule.short().to_owned()), ("case".to_owned(), case.to_string())]);
            }
            Fact::CaseDecided { case, rule, about, decision, reason } => {
                // Also where an earlier list told of the case as open: the decision is looked at in the span in which it was made.
                let group = self.group(Section::Around, case.to_string(), "around_open", entry);
                group.shown = true;
                group.values.extend([("place".to_owned(), short(about)), ("rule".to_owned(), rule.short().to_owned()), ("case".to_owned(), case.to_string())]);
                self.decided(case, decision.as_str(), reason, entry);
            }
            Fact::AlarmRaised { alarm, rule, level, entry: raised_by, .. } => {
                let author = self.authors.get(raised_by).cloned();
                if author.is_none() {
                    self.unasked.insert(alarm.clone(), *raised_by);
                }
                self.alarms.insert(alarm.clone(), alarm.to_string());
                let group = self.group(Section::Alarm, alarm.to_string(), "alarm_open", entry);
                group.shown = *level >= Level::Warning;
                group.about.extend(author);
                group.who = rule.ja().to_owned();
                group.values.extend([("rule".to_owned(), rule.as_str().to_owned()), ("level".to_owned(), level.as_str().to_owned()), ("alarm".to_owned(), alarm.to_string())]);
                if group.seqs.len() < limits::LOG_REVIEW_LINE_ENTRIES {
                    group.seqs.push(*raised_by);
                }
            }
            Fact::AlarmAcknowledged { alarm, rule } | Fact::AlarmClosed { alarm, rule, .. } => {
                if !self.alarms.contains_key(alarm) {
                    // Raised before the span: an earlier list told of it as open.
                    let (level, raised_by) = self.known.alarms.get(alarm).copied().map_or((Level::Warning, None), |(level, seq)| (level, Some(seq)));
                    self.alarms.insert(alarm.clone(), alarm.to_string());
                    if let Some(seq) = raised_by {
                        self.unasked.insert(alarm.clone(), seq);
                    }
                    let group = self.group(Section::Alarm, alarm.to_string(), "alarm_open", entry);
                    group.shown = level >= Level::Warning;
                    group.who = rule.ja().to_owned();
                    group.values.extend([("rule".to_owned(), rule.as_str().to_owned()), ("level".to_owned(), level.as_str().to_owned()), ("alarm".to_owned(), alarm.to_string())]);
                }
                self.handled(alarm, entry);
            }
            Fact::Refused { login, code, .. } => {
                if is_question(code) {
                    return;
                }
                let person = self.known.logins.get(login).cloned();
                let source = entry.actor.source.clone().unwrap_or_default();
                let least = self.bounds.refusals;
                // Where no name was given, the place is what can be followed up.
                let name = if login.is_empty() { source.clone() } else { login.clone() };
                let group = self.group(Section::Refused, format!("name/{name}"), "refused", entry);
                group.about.extend(person);
                group.shown |= group.entries >= least;
                group.who = short(&name);
                let codes = group.values.entry("codes".to_owned()).or_default();
                if !codes.contains(code.as_str()) && codes.len() < 80 {
                    *codes = if codes.is_empty() { short(code) } else { format!("{codes}, {}", short(code)) };
                }
                group.values.insert("name".into(), short(&name));
                group.values.entry("source".to_owned()).or_insert_with(|| short(&source));
            }
            Fact::RefusedInside { .. } => {
                let least = self.bounds.refusals;
                let group = self.of_session(Section::Refused, "refused_inside", entry);
                group.shown |= group.entries >= least;
            }
            Fact::TokenRefused { name, person, .. } => {
                let (person, name) = (person.clone(), short(name));
                let group = self.group(Section::Refused, format!("token/{name}"), "refused_token", entry);
                group.about.insert(person);
                group.shown = true;
                group.values.insert("name".into(), name);
            }
            Fact::CertificateRefused { source, others, .. } => {
                let (source, others, least) = (short(source), u64::from(*others), self.bounds.refusals);
                let group = self.group(Section::Refused, format!("certificate/{source}"), "refused_certificate", entry);
                group.weight = group.weight.saturating_add(others).saturating_add(1);
                group.shown = group.weight >= least;
                group.values.insert("source".into(), source);
            }
            Fact::Entered { .. } if !self.bounds.hours.is_inside(entry.at) => {
                let group = self.of_session(Section::Outside, "outside", entry);
                group.shown = true;
            }
            Fact::Reconciled { plan, differences, .. } => {
                let (plan, differences) = (plan.clone(), *differences);
                let group = self.group(Section::Difference, plan.to_string(), "differences", entry);
                // A later comparison does not take back what an earlier one found; both are told.
                group.shown |= differences > 0;
                group.weight = group.weight.max(differences as u64);
                let told = group.values.entry("n".to_owned()).or_default();
                if told.len() < 80 {
                    *told = if told.is_empty() { differences.to_string() } else { format!("{told}, {differences}") };
                }
                if group.entries > 1 {
                    group.what = "differences_again";
                }
            }
            Fact::ReportRecounted { number, edition, holds, same, .. } if !(*holds && *same) => {
                let (number, edition) = (short(number), edition.to_string());
                let group = self.group(Section::Difference, format!("recounted/{number}/{edition}"), "recounted", entry);
                group.shown = true;
                // Whoever counted again found it and has no part in it.
                group.about.clear();
                group.values.extend([("number".to_owned(), number), ("edition".to_owned(), edition)]);
            }
            Fact::Escalated { plan, duty } => {
                let key = format!("{plan}/{duty}");
                let duty = short(duty);
                let group = self.group(Section::Difference, key, "overdue", entry);
                group.shown = true;
                group.values.insert("duty".into(), duty);
            }
            Fact::FileMoved { file, .. } if file.takes_out() => {
                let (bytes, least) = (file.bytes, self.bounds.bytes_out);
                let before = entry.fact.session().and_then(|session| self.known.taken_out.get(session)).copied().unwrap_or(0);
                let group = self.of_session(Section::FilesOut, if before > 0 { "files_out_across" } else { "files_out" }, entry);
                group.weight = group.weight.saturating_add(bytes);
                // A session that goes on over the end of a span is measured as a whole; each file stands in the span in which it went.
                group.shown = group.weight.saturating_add(before) >= least;
                let sum = group.weight;
                group.values.insert("bytes".into(), sum.to_string());
                if before > 0 {
                    group.values.insert("before".into(), before.to_string());
                }
            }
            Fact::Controlled { control: Control::Ruled { act, line, .. }, .. } => {
                let (act, line) = (*act, short(line));
                let group = self.of_session(Section::Command, "command", entry);
                group.shown |= act != RuleAct::Note;
                group.values.entry("line".to_owned()).or_insert(line);
            }
            Fact::ViewBegan { mode, .. } => {
                self.known.watching.take(entry);
                match mode {
                    ViewMode::Export => self.seen(Section::Taken, "export", entry),
                    ViewMode::Live => self.seen(Section::Viewed, "view_live", entry),
                    ViewMode::Replay => self.seen(Section::Viewed, "view_replay", entry),
                }
            }
            Fact::ViewEnded { .. } => self.known.watching.take(entry),
            Fact::Searched { .. } => self.seen(Section::Viewed, "searched", entry),
            Fact::IdentityProofRead { .. } => self.seen(Section::Viewed, "proof_read", entry),
            Fact::FileTaken { .. } | Fact::HeldFileTaken { .. } => self.seen(Section::Taken, "content", entry),
            Fact::EvidenceTaken { .. } => self.seen(Section::Taken, "evidence", entry),
            Fact::LogTaken { entries, .. } => self.log_taken(*entries, entry),
            Fact::Left { session, .. } => {
                self.ended.insert(session.clone(), entry.at);
            }
            _ => {}
        }
    }

    /// What a person looked at or took: one line for each person and kind.
    fn seen(&mut self, section: Section, what: &'static str, entry: &Entry) {
        let group = self.group(section, format!("{}/{what}", entry.actor.login), what, entry);
        group.shown = true;
        group.who = short(&entry.actor.name);
        // It is about who looked; the worker who was looked at has no part in it.
        group.about = entry.actor.person.iter().cloned().collect();
        group.vendor = entry.actor.vendor.clone();
        if group.entries > 1 {
            (group.session, group.plan) = (None, None);
        }
    }

    /// Exports of the log: how much they took is told, and the largest are named, so that none hides behind many small ones.
    fn log_taken(&mut self, entries: u64, entry: &Entry) {
        self.seen(Section::Taken, "log_sum", entry);
        let Some(group) = self.groups.get_mut(&(Section::Taken, format!("{}/log_sum", entry.actor.login))) else { return };
        group.weight = group.weight.saturating_add(entries);
        let largest = group.values.get("largest").and_then(|text| text.parse().ok()).unwrap_or(0).max(entries);
        group.values.extend([("sum".to_owned(), group.weight.to_string()), ("largest".to_owned(), largest.to_string())]);
        // INVARIANT: `named` has a size for each of `seqs`, in the same order.
        if group.named.len() < group.seqs.len() {
            group.named.push(entries);
        } else if let Some((at, _)) = group.named.iter().enumerate().min_by_key(|(_, size)| **size).filter(|(_, size)| **size < entries) {
            group.named.remove(at);
            group.seqs.remove(at);
            group.named.push(entries);
            group.seqs.push(entry.seq);
        }
    }

    /// Alarms of the list whose raising entry was written before the span, with its number: whoever wrote it is not known here.
    #[must_use]
    pub fn unasked(&self) -> Vec<(AlarmId, u64)> {
        self.unasked.iter().map(|(alarm, seq)| (alarm.clone(), *seq)).collect()
    }

    /// Says who wrote the entry that raised an alarm.
    pub fn authored(&mut self, alarm: &AlarmId, by: Option<PersonId>) {
        if let Some(group) = self.groups.get_mut(&(Section::Alarm, alarm.to_string())) {
            group.about.extend(by);
        }
    }

    /// Reads one entry after the span: how what was raised in it was dealt with.
    pub fn take_after(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::CaseDecided { case, decision, reason, .. } if self.cases.contains_key(case) => self.decided(case, decision.as_str(), reason, entry),
            Fact::AlarmAcknowledged { alarm, .. } | Fact::AlarmClosed { alarm, .. } if self.alarms.contains_key(alarm) => self.handled(alarm, entry),
            _ => {}
        }
    }

    fn decided(&mut self, case: &CaseId, decision: &str, reason: &str, entry: &Entry) {
        let Some(group) = self.groups.get_mut(&(Section::Around, case.to_string())) else { return };
        // Whoever decided it does not judge whether that was right.
        group.about.extend(entry.actor.person.clone());
        group.what = "around_decided";
        group.values.extend([("decision".to_owned(), decision.to_owned()), ("by".to_owned(), short(&entry.actor.name)), ("note".to_owned(), short(reason))]);
    }

    fn handled(&mut self, alarm: &AlarmId, entry: &Entry) {
        let Some(group) = self.groups.get_mut(&(Section::Alarm, alarm.to_string())) else { return };
        group.about.extend(entry.actor.person.clone());
        group.values.insert("by".into(), short(&entry.actor.name));
        match &entry.fact {
            Fact::AlarmClosed { note, .. } => {
                group.what = "alarm_closed";
                group.values.insert("note".into(), short(note));
            }
            _ if group.what == "alarm_open" => group.what = "alarm_acknowledged",
            _ => {}
        }
    }

    /// The list without its sample.
    #[must_use]
    pub fn finish(self) -> Screened {
        let Self { groups, mut counts, known, ended, .. } = self;
        let mut lines = Vec::new();
        let mut sections: BTreeMap<Section, Vec<Weighed>> = BTreeMap::new();
        for section in Section::ALL {
            counts.entry(section).or_default();
        }
        for ((section, _), group) in groups {
            counts.entry(section).or_default().groups += 1;
            if group.shown {
                let (weight, entries) = (group.weight, group.entries);
                let line = line_of(section, group);
                let grave = fold::is_grave(section, &line.what, &line.values);
                sections.entry(section).or_default().push(Weighed { line, grave, weight: weight.max(entries) });
            }
        }
        for (section, all) in sections {
            fold::fold(all, counts.entry(section).or_default(), &mut lines);
        }
        lines.sort_by_key(|line| line.section);
        let unwatched = ended.iter().filter(|(session, at)| !known.watching.is_watched(session, known.sessions.get(*session), **at)).map(|(session, _)| session.clone()).collect();
        let ended = ended.into_keys().collect();
        Screened { lines, counts, ended, unwatched, sessions: known.sessions }
    }
}

fn line_of(section: Section, group: Group) -> ReviewedLine {
    let Group { what, values, at, who, about, vendor, session, plan, seqs, entries, .. } = group;
    ReviewedLine { n: 0, section, what: what.to_owned(), values, at, who, about, vendor, session, plan, seqs, entries, judged: None, earlier: Vec::new() }
}

impl Screened {
    /// Puts the drawn sessions into the list and gives all lines their numbers.
    #[must_use]
    pub fn with_sample(mut self, drawn: &[SessionId]) -> (Vec<ReviewedLine>, BTreeMap<Section, SectionCount>) {
        for session in drawn {
            let brief = self.sessions.get(session);
            self.lines.push(ReviewedLine {
                n: 0,
                section: Section::Sample,
                what: "sample".into(),
                values: BTreeMap::from([("target".to_owned(), brief.map(|brief| brief.target.clone()).unwrap_or_default())]),
                at: brief.map(|brief| brief.at).unwrap_or_default(),
                who: brief.map(|brief| brief.who.clone()).unwrap_or_default(),
                about: brief.and_then(|brief| brief.person.clone()).into_iter().collect(),
                vendor: brief.and_then(|brief| brief.vendor.clone()),
                session: Some(session.clone()),
                plan: brief.map(|brief| brief.plan.clone()),
                seqs: Vec::new(),
                entries: 1,
                judged: None,
                earlier: Vec::new(),
            });
        }
        let all = self.ended.len() as u64;
        self.counts.insert(Section::Sample, SectionCount { entries: all, groups: self.unwatched.len() as u64, lines: drawn.len() as u64 });
        for (n, line) in (1_u32..).zip(self.lines.iter_mut()) {
            line.n = n;
        }
        (self.lines, self.counts)
    }
}
