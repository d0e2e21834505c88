//! 月次報告・年次報告: what a span was like, in numbers that anybody can count again from the entries of the log.
//!
//! One report for the hospital, one for each vendor. An edition that was issued stays as it is; what changed stands in the next one.

use crate::alarm::{Level, Thresholds};
use crate::command::RuleAct;
use crate::control::Control;
use crate::facts::{Entry, Fact, ViewMode};
use crate::ids::{PeriodReportId, PersonId, PlanId, SessionId, VendorId};
use crate::letter::one_line;
use crate::limits;
use crate::log_review::SessionBrief;
use crate::people::{Actor, Role};
use crate::plan::state::PlanState;
use crate::refusal::Refusal;
use crate::span::{Span, SpanKind};
use crate::time::{Timestamp, format_date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The numbers of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Numbers {
    /// Plans that were submitted.
    pub submitted: u64,
    /// Plans that were approved.
    pub approved: u64,
    /// Plans that were returned or rejected.
    pub turned_down: u64,
    /// Plans that were closed.
    pub closed: u64,
    /// Sessions that began.
    pub sessions: u64,
    /// Workers who had one.
    pub workers: u64,
    /// Milliseconds of sessions within the span, also of those that began before it or ended after it.
    pub millis: u64,
    /// Sessions that began outside of office hours.
    pub outside: u64,
    /// Sessions of the span that somebody watched live.
    pub watched: u64,
    /// Sessions that a person cut.
    pub cut: u64,
    /// Emergency work that was allowed at once.
    pub emergencies: u64,
    /// Openings of emergency accounts.
    pub emergency_accounts: u64,
    /// Plans that were compared with what happened, each by the comparison in the span that found most.
    pub compared: u64,
    /// Of these, with differences.
    pub different: u64,
    /// Differences in all.
    pub differences: u64,
    /// Refused logins and entries.
    pub refused: u64,
    /// Refusals inside of sessions.
    pub refused_inside: u64,
    /// Files brought in.
    pub files_in: u64,
    /// Bytes of them.
    pub bytes_in: u64,
    /// Files taken out.
    pub files_out: u64,
    /// Bytes of them.
    pub bytes_out: u64,
    /// Commands that waited for the hospital.
    pub held: u64,
    /// Commands that a rule refused.
    pub denied: u64,
    /// Deadlines that passed.
    pub overdue: u64,
    /// Critical alarms.
    pub critical: u64,
    /// Warnings.
    pub warnings: u64,
    /// Logins round the gateway that became cases.
    pub cases: u64,
    /// Recordings that were looked at, live or later.
    pub views: u64,
    /// Contents, exports (of the log, too) and bundles that were taken out.
    pub taken: u64,
}

impl Numbers {
    /// Minutes of sessions.
    #[must_use]
    pub fn minutes(&self) -> u64 {
        self.millis.div_ceil(60_000)
    }
}

/// One bar of the chart: a day of a month, a month of a year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// `2026-10-05` or `2026-10`.
    pub name: String,
    /// Sessions that began in it.
    pub sessions: u64,
    /// Of these, outside of office hours.
    pub outside: u64,
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShareRow {
    /// Name of the target, or identifier of the vendor or worker.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// Sessions.
    pub sessions: u64,
    /// Milliseconds.
    pub millis: u64,
}

/// A job of the span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRow {
    /// The plan.
    pub plan: PlanId,
    /// Its number.
    pub number: String,
    /// Its title as it stood when the report was made; empty where it could not be read.
    #[serde(default)]
    pub title: String,
    /// The vendor.
    pub vendor: Option<VendorId>,
    /// How it stood at the end of the span.
    pub state: PlanState,
    /// Since when.
    pub since: Timestamp,
    /// Sessions in the span.
    pub sessions: u64,
    /// Milliseconds of them.
    pub millis: u64,
    /// Differences that were found in the span.
    pub differences: u64,
    /// It was emergency work.
    pub emergency: bool,
}

impl JobRow {
    /// True if somebody has to do something about it at the end of the span.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, PlanState::Submitted | PlanState::Emergency | PlanState::Aborted | PlanState::Reconcile | PlanState::Report | PlanState::Confirm)
    }
}

/// What was counted: equal entries give equal content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// The numbers.
    pub numbers: Numbers,
    /// The chart.
    pub parts: Vec<Part>,
    /// Targets, the longest work first.
    pub targets: Vec<ShareRow>,
    /// Vendors, likewise; for the hospital's report alone.
    pub vendors: Vec<ShareRow>,
    /// Workers, likewise.
    pub workers: Vec<ShareRow>,
    /// Plans with work in the span, or with something left to do at its end.
    pub jobs: Vec<JobRow>,
    /// Jobs beyond the limit of the list.
    pub more_jobs: u64,
}

/// Which part of the log was counted, and under which signed head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// Number of the first entry of the span.
    pub first: u64,
    /// Number of the first entry after it.
    pub end: u64,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// Its root, hex.
    pub root: String,
    /// The signed checkpoint as it is, for the paper.
    pub note: String,
}

/// Who took note of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// Who.
    pub by: PersonId,
    /// Their name at that moment.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// What they remarked.
    #[serde(default)]
    pub remark: String,
}

/// One edition of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeriodReport {
    /// Identifier.
    pub id: PeriodReportId,
    /// What people say: `2026-10-H`, `2026-10-V3`.
    pub number: String,
    /// The edition, from 1.
    pub edition: u32,
    /// How long its span is.
    pub kind: SpanKind,
    /// The span.
    pub span: Span,
    /// The vendor; `None` for the hospital as a whole.
    pub vendor: Option<VendorId>,
    /// Its name.
    pub vendor_name: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Why there is another edition; empty for the first, and for the one that is due by itself.
    pub reason: String,
    /// What was counted.
    pub counted: Counted,
    /// The content.
    pub content: Content,
    /// The numbers of the span before, if the log reaches back that far.
    pub before: Option<Numbers>,
    /// SHA-256 of the content, the counted range and the numbers before, hex.
    pub digest: String,
    /// By when somebody should have taken note.
    pub due: Timestamp,
    /// Who did.
    pub taken: Option<Taken>,
}

impl PeriodReport {
    /// The bytes whose digest the log names: everything that is read, without who read it.
    #[must_use]
    pub fn issued_bytes(&self) -> Vec<u8> {
        let bare = Self { digest: String::new(), taken: None, ..self.clone() };
        serde_json::to_vec(&bare).unwrap_or_default()
    }

    /// True if the two say the same, whenever each was made.
    #[must_use]
    pub fn says_what(&self, other: &Self) -> bool {
        self.content == other.content && self.before == other.before && self.counted.first == other.counted.first && self.counted.end == other.counted.end
    }

    /// True if no entry was written in the span: that tells of a box that was off, and of nothing else.
    #[must_use]
    pub fn is_without_data(&self) -> bool {
        self.counted.first == self.counted.end
    }

    /// Takes note of it: the planner of the hospital's, a manager of a vendor of that vendor's.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`]; [`Refusal::ReportTaken`] if somebody did.
    pub fn take_note(&mut self, actor: &Actor, remark: &str, now: Timestamp) -> Result<(), Refusal> {
        let by = actor.person.clone().filter(|_| self.waits_for(actor)).ok_or(Refusal::NotAllowed)?;
        if self.taken.is_some() {
            return Err(Refusal::ReportTaken);
        }
        self.taken = Some(Taken { by, name: actor.name.clone(), at: now, remark: remark.to_owned() });
        Ok(())
    }

    /// True for those who take note of it.
    #[must_use]
    pub fn waits_for(&self, actor: &Actor) -> bool {
        match &self.vendor {
            None => actor.is(Role::Planner),
            Some(vendor) => actor.is(Role::VendorManager) && actor.vendor.as_ref() == Some(vendor),
        }
    }
}

/// What the log says of a plan.
#[derive(Clone, Debug)]
struct PlanBrief {
    number: String,
    vendor: Option<VendorId>,
    state: PlanState,
    since: Timestamp,
    emergency: bool,
}

/// What entries before the span say of those within.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Sessions that had begun, and have not ended as far as is known.
    pub sessions: BTreeMap<SessionId, SessionBrief>,
    /// Whose login name belongs to which vendor.
    pub logins: BTreeMap<String, Option<VendorId>>,
    plans: BTreeMap<PlanId, PlanBrief>,
}

impl Before {
    /// What one reader has to know of it; all of it for the hospital.
    #[must_use]
    pub fn of(&self, vendor: Option<&VendorId>) -> Self {
        let Some(vendor) = vendor else { return self.clone() };
        let plans: BTreeMap<PlanId, PlanBrief> = self.plans.iter().filter(|(_, held)| held.vendor.as_ref() == Some(vendor)).map(|(plan, held)| (plan.clone(), held.clone())).collect();
        let mine = |brief: &SessionBrief| brief.vendor.as_ref() == Some(vendor) || plans.contains_key(&brief.plan);
        let sessions: BTreeMap<SessionId, SessionBrief> = self.sessions.iter().filter(|(_, brief)| mine(brief)).map(|(session, brief)| (session.clone(), brief.clone())).collect();
        let logins = self.logins.iter().filter(|(_, of)| of.as_ref() == Some(vendor)).map(|(login, of)| (login.clone(), of.clone())).collect();
        // A subcontractor's session lies in another vendor's plan; its number is needed.
        let mut all = plans;
        all.extend(sessions.values().filter_map(|brief| self.plans.get(&brief.plan).map(|held| (brief.plan.clone(), held.clone()))));
        Self { sessions, logins, plans: all }
    }

    /// Reads one entry that lies before the span.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::PersonAdded { login, vendor, .. } => {
                self.logins.insert(login.clone(), vendor.clone());
            }
            Fact::PlanDrawn { plan, number, vendor } => {
                self.plans.insert(plan.clone(), PlanBrief { number: number.clone(), vendor: Some(vendor.clone()), state: PlanState::Draft, since: entry.at, emergency: false });
            }
            Fact::PlanActed { plan, number, to, .. } => {
                let held = self.plans.entry(plan.clone()).or_insert_with(|| PlanBrief { number: number.clone(), vendor: None, state: *to, since: entry.at, emergency: false });
                if held.state != *to {
                    (held.state, held.since) = (*to, entry.at);
                }
                held.emergency |= *to == PlanState::Emergency;
            }
            Fact::Entered { session, plan, target_name, .. } => {
                let brief = SessionBrief { person: entry.actor.person.clone(), who: short(&entry.actor.name), vendor: entry.actor.vendor.clone(), plan: plan.clone(), target: short(target_name), at: entry.at };
                self.sessions.insert(session.clone(), brief);
            }
            Fact::Left { session, .. } => {
                self.sessions.remove(session);
            }
            _ => {}
        }
    }
}

fn short(text: &str) -> String {
    one_line(text).chars().take(160).collect()
}

/// Counts the entries of a span for one reader.
pub struct Counter {
    kind: SpanKind,
    span: Span,
    vendor: Option<VendorId>,
    hours: Thresholds,
    before: Before,
    began: BTreeMap<SessionId, SessionBrief>,
    numbers: Numbers,
    parts: BTreeMap<String, (u64, u64)>,
    shares: BTreeMap<(u8, String), (String, u64, u64)>,
    work: BTreeMap<PlanId, (u64, u64)>,
    compared: BTreeMap<PlanId, u64>,
    watched: BTreeSet<SessionId>,
    people: BTreeSet<PersonId>,
}

const TARGET: u8 = 0;
const VENDOR: u8 = 1;
const WORKER: u8 = 2;

impl Counter {
    /// Counts for the hospital, or for one vendor.
    #[must_use]
    pub fn new(kind: SpanKind, span: Span, vendor: Option<VendorId>, hours: Thresholds, before: Before) -> Self {
        Self {
            kind,
            span,
            vendor,
            hours,
            before,
            began: BTreeMap::new(),
            numbers: Numbers::default(),
            parts: BTreeMap::new(),
            shares: BTreeMap::new(),
            work: BTreeMap::new(),
            compared: BTreeMap::new(),
            watched: BTreeSet::new(),
            people: BTreeSet::new(),
        }
    }

    fn is_of_plan(&self, plan: &PlanId) -> bool {
        self.vendor.is_none() || self.before.plans.get(plan).is_some_and(|held| held.vendor == self.vendor)
    }

    /// A session belongs to the vendor of its worker and to the vendor whose plan it is: a subcontractor and its principal both read of it.
    fn is_of(&self, brief: &SessionBrief) -> bool {
        self.vendor.is_none() || brief.vendor == self.vendor || self.is_of_plan(&brief.plan)
    }

    fn session(&self, session: &SessionId) -> Option<&SessionBrief> {
        self.before.sessions.get(session).or_else(|| self.began.get(session)).filter(|brief| self.is_of(brief))
    }

    fn part(&self, at: Timestamp) -> String {
        let day = format_date(at.date());
        if matches!(self.kind, SpanKind::Week | SpanKind::Month) { day } else { day.get(..7).unwrap_or_default().to_owned() }
    }

    /// Reads one entry of the span.
    pub fn take(&mut self, entry: &Entry) {
        let all = self.vendor.is_none();
        match &entry.fact {
            Fact::PlanActed { plan, from, to, .. } => {
                self.before.take(entry);
                if from != to && self.is_of_plan(plan) {
                    let counted = match to {
                        PlanState::Submitted => Some(&mut self.numbers.submitted),
                        PlanState::Approved => Some(&mut self.numbers.approved),
                        PlanState::Returned | PlanState::Rejected => Some(&mut self.numbers.turned_down),
                        PlanState::Closed => Some(&mut self.numbers.closed),
                        PlanState::Emergency => Some(&mut self.numbers.emergencies),
                        _ => None,
                    };
                    if let Some(counted) = counted {
                        *counted += 1;
                    }
                }
            }
            Fact::PersonAdded { .. } | Fact::PlanDrawn { .. } => self.before.take(entry),
            Fact::Entered { session, .. } => {
                self.before.take(entry);
                let Some(brief) = self.before.sessions.get(session).filter(|brief| self.is_of(brief)).cloned() else { return };
                let is_outside = !self.hours.is_inside(entry.at);
                self.numbers.sessions += 1;
                self.numbers.outside += u64::from(is_outside);
                self.people.extend(brief.person.clone());
                let part = self.parts.entry(self.part(entry.at)).or_default();
                part.0 += 1;
                part.1 += u64::from(is_outside);
                self.share(&brief, 1, 0);
                self.began.insert(session.clone(), brief);
            }
            Fact::Left { session, .. } => {
                let Some(brief) = self.before.sessions.remove(session) else { return };
                self.spend(&brief, entry.at);
            }
            Fact::Reconciled { plan, differences, .. } if self.is_of_plan(plan) => {
                // A second comparison does not take back what the first found.
                let held = self.compared.entry(plan.clone()).or_default();
                *held = (*held).max(*differences as u64);
            }
            Fact::Refused { login, code, .. } => {
                let vendor = entry.actor.vendor.clone().or_else(|| self.before.logins.get(login).cloned().flatten());
                self.numbers.refused += u64::from((all || vendor == self.vendor) && !crate::alarm::is_question(code));
            }
            Fact::Escalated { plan, .. } if self.is_of_plan(plan) => self.numbers.overdue += 1,
            Fact::EmergencyOpened { .. } if all => self.numbers.emergency_accounts += 1,
            Fact::AlarmRaised { level, .. } if all => match level {
                Level::Critical => self.numbers.critical += 1,
                Level::Warning => self.numbers.warnings += 1,
                Level::Notice => {}
            },
            Fact::CaseOpened { .. } if all => self.numbers.cases += 1,
            Fact::EvidenceTaken { .. } | Fact::LogTaken { .. } if all => self.numbers.taken += 1,
            Fact::ViewBegan { mode: ViewMode::Export, .. } | Fact::FileTaken { .. } | Fact::HeldFileTaken { .. } => self.numbers.taken += u64::from(all),
            Fact::ViewBegan { session, mode } => {
                self.numbers.views += u64::from(all);
                if *mode == ViewMode::Live && self.began.contains_key(session) {
                    self.watched.insert(session.clone());
                }
            }
            fact => self.inside(fact),
        }
    }

    /// Facts about one session.
    fn inside(&mut self, fact: &Fact) {
        if fact.session().is_none_or(|session| self.session(session).is_none()) {
            return;
        }
        match fact {
            Fact::RefusedInside { .. } => self.numbers.refused_inside += 1,
            Fact::CutAsked { .. } => self.numbers.cut += 1,
            Fact::FileMoved { file, .. } if file.takes_out() => {
                self.numbers.files_out += 1;
                self.numbers.bytes_out = self.numbers.bytes_out.saturating_add(file.bytes);
            }
            Fact::FileMoved { file, .. } if file.brings_in() => {
                self.numbers.files_in += 1;
                self.numbers.bytes_in = self.numbers.bytes_in.saturating_add(file.bytes);
            }
            Fact::Controlled { control: Control::Ruled { act: RuleAct::Hold, .. }, .. } => self.numbers.held += 1,
            Fact::Controlled { control: Control::Ruled { act: RuleAct::Refuse, .. }, .. } => self.numbers.denied += 1,
            _ => {}
        }
    }

    fn share(&mut self, brief: &SessionBrief, sessions: u64, millis: u64) {
        let worker = brief.person.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut keys = vec![(TARGET, brief.target.clone(), brief.target.clone()), (WORKER, worker, brief.who.clone())];
        if let Some(vendor) = brief.vendor.as_ref().filter(|_| self.vendor.is_none()) {
            keys.push((VENDOR, vendor.to_string(), vendor.to_string()));
        }
        for (which, key, name) in keys {
            let held = self.shares.entry((which, key)).or_insert_with(|| (name, 0, 0));
            held.1 += sessions;
            held.2 = held.2.saturating_add(millis);
        }
        let work = self.work.entry(brief.plan.clone()).or_default();
        work.0 += sessions;
        work.1 = work.1.saturating_add(millis);
    }

    /// The time of a session that lies within the span.
    fn spend(&mut self, brief: &SessionBrief, end: Timestamp) {
        if !self.is_of(brief) {
            return;
        }
        let within = brief.at.max(self.span.from).until(end.min(self.span.until));
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.numbers.millis = self.numbers.millis.saturating_add(millis);
        self.share(brief, 0, millis);
    }

    fn rows(&self, which: u8) -> Vec<ShareRow> {
        let of = self.shares.iter().filter(|((kind, _), _)| *kind == which);
        let mut rows: Vec<ShareRow> = of.map(|((_, key), (name, sessions, millis))| ShareRow { key: key.clone(), name: name.clone(), sessions: *sessions, millis: *millis }).collect();
        rows.sort_by(|a, b| b.millis.cmp(&a.millis).then(b.sessions.cmp(&a.sessions)).then_with(|| a.key.cmp(&b.key)));
        rows.truncate(limits::REPORT_ROWS);
        rows
    }

    /// True if there is anything to tell this reader.
    #[must_use]
    pub fn is_empty(content: &Content) -> bool {
        content.numbers == Numbers::default() && content.jobs.is_empty()
    }

    /// The content. Sessions that run at the end of the span count until then.
    #[must_use]
    pub fn finish(mut self) -> Content {
        let running: Vec<SessionBrief> = self.before.sessions.values().cloned().collect();
        for brief in running {
            self.spend(&brief, self.span.until);
        }
        self.numbers.workers = self.people.len() as u64;
        self.numbers.watched = self.watched.len() as u64;
        self.numbers.compared = self.compared.len() as u64;
        self.numbers.different = self.compared.values().filter(|differences| **differences > 0).count() as u64;
        self.numbers.differences = self.compared.values().sum();
        let mut parts = Vec::new();
        let mut at = self.span.from;
        while at < self.span.until && parts.len() < 400 {
            let name = self.part(at);
            let (sessions, outside) = self.parts.get(&name).copied().unwrap_or_default();
            parts.push(Part { name, sessions, outside });
            let step = if matches!(self.kind, SpanKind::Week | SpanKind::Month) { Span { from: at, until: Timestamp::from_jst(at.date().saturating_add(::time::Duration::days(1)), 0, 0) } } else { Span::holding(SpanKind::Month, at) };
            at = step.until;
        }
        let mut jobs: Vec<JobRow> = Vec::new();
        for (plan, held) in &self.before.plans {
            let work = self.work.get(plan).copied();
            let mine = self.is_of_plan(plan) || work.is_some();
            let (sessions, millis) = work.unwrap_or_default();
            let row = JobRow {
                plan: plan.clone(),
                number: held.number.clone(),
                title: String::new(),
                vendor: held.vendor.clone(),
                state: held.state,
                since: held.since,
                sessions,
                millis,
                differences: self.compared.get(plan).copied().unwrap_or(0),
                emergency: held.emergency,
            };
            let moved = self.span.holds(held.since) && held.state != PlanState::Draft;
            if mine && (work.is_some() || moved || row.is_open()) {
                jobs.push(row);
            }
        }
        jobs.sort_by(|a, b| a.number.cmp(&b.number));
        let more_jobs = jobs.len().saturating_sub(limits::REPORT_ROWS) as u64;
        jobs.truncate(limits::REPORT_ROWS);
        Content { numbers: self.numbers, parts, targets: self.rows(TARGET), vendors: self.rows(VENDOR), workers: self.rows(WORKER), jobs, more_jobs }
    }
}

#[cfg(test)]
#[path = "period_report_test.rs"]
mod tests;
