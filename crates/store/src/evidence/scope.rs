//! Which entries a bundle holds: chosen by what the signed entries say, and never by the columns of a table, which whoever can
//! write to the database can change for a moment.

use super::EvidenceCase;
use crate::Store;
use crate::fault::{Done, Fault};
use crate::log::blocking;
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::hold::Hold;
use sekisho_core::ids::{CaseId, LogReviewId, PeriodReportId, PlanId, SessionId};
use sekisho_core::limits;
use sekisho_core::log_review::LogReview;
use sekisho_core::people::Actor;
use sekisho_core::period_report::PeriodReport;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::bundle::walk;
use sekisho_evidence::checkpoint::Checkpoint;
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::OwnedSemaphorePermit;

/// What the entries in scope came to.
#[derive(Default)]
pub(super) struct Found {
    /// Their numbers, ascending.
    pub seqs: Vec<u64>,
    /// Sessions that entered and left among them, in the order of their beginning.
    pub ended: Vec<String>,
    /// Sessions that entered and have not left.
    pub running: Vec<String>,
    /// Plans of its sessions, or the one it is about.
    pub plans: BTreeSet<PlanId>,
    /// SHA-256 of the line that opened the case, hex.
    pub line: String,
    /// Of a time: reviews of the log that were signed in it, with the digests that their entries name.
    pub reviews: BTreeMap<LogReviewId, BTreeSet<String>>,
    /// Of a time: reports that were issued in it.
    pub reports: BTreeSet<PeriodReportId>,
}

/// Reviews of the log and reports that go into the bundle of a time.
#[derive(Default)]
pub(super) struct Papers {
    pub reviews: Vec<LogReview>,
    pub reports: Vec<PeriodReport>,
    pub lost: Vec<String>,
}

/// What is looked for.
enum Wanted {
    /// Entries of these sessions, and those of this plan that belong to no session. With `whole`, all sessions of the plan.
    About { sessions: BTreeSet<SessionId>, plan: Option<PlanId>, whole: bool, case: Option<CaseId> },
    /// Entries from one moment until before another.
    Time(Timestamp, Timestamp),
}

struct Walker {
    wanted: Wanted,
    all_entries: bool,
    exchanges: BTreeSet<u64>,
    size: u64,
    found: Found,
    entered: BTreeMap<SessionId, u64>,
    left: BTreeSet<SessionId>,
    case_seen: bool,
    plan_seen: bool,
    /// Of a time: its first entry and the one behind its last.
    begins: Option<u64>,
    ends: u64,
    /// Of a time: where sessions entered and left, reviews were signed and reports issued, from the entry before it on.
    doors: Vec<(u64, Fact)>,
    trouble: Option<Fault>,
}

/// The moment of an entry, without reading the rest of it.
#[derive(serde::Deserialize)]
struct Moment {
    at: Timestamp,
}

impl Walker {
    fn new(wanted: Wanted, all_entries: bool, exchanges: Vec<u64>, size: u64) -> Self {
        Self {
            wanted,
            all_entries,
            exchanges: exchanges.into_iter().collect(),
            size,
            found: Found::default(),
            entered: BTreeMap::new(),
            left: BTreeSet::new(),
            case_seen: false,
            plan_seen: false,
            begins: None,
            ends: 0,
            doors: Vec::new(),
            trouble: None,
        }
    }

    fn entry(&mut self, seq: u64, body: &[u8]) {
        if self.trouble.is_some() {
            return;
        }
        let taken = match &self.wanted {
            Wanted::About { .. } => self.about(seq, body),
            Wanted::Time(from, until) => self.in_time(*from, *until, seq, body),
        };
        match taken {
            Ok(true) => self.found.seqs.push(seq),
            Ok(false) => {}
            Err(fault) => self.trouble = Some(fault),
        }
        if self.found.seqs.len() > limits::EVIDENCE_ENTRIES {
            self.trouble = Some(Fault::Damaged(String::new()));
        }
    }

    fn about(&mut self, seq: u64, body: &[u8]) -> Result<bool, Fault> {
        let is_exchange = self.exchanges.contains(&seq);
        let Wanted::About { sessions, plan, whole, case } = &mut self.wanted else { return Ok(false) };
        // Identifiers stand in an entry as they are: what does not hold one needs no closer look.
        let text = std::str::from_utf8(body).unwrap_or_default();
        let named = plan.as_ref().is_some_and(|plan| text.contains(plan.as_str())) || case.as_ref().is_some_and(|case| text.contains(case.as_str()));
        if !named && !sessions.iter().any(|session| text.contains(session.as_str())) {
            return Ok(is_exchange);
        }
        let entry: Entry = serde_json::from_slice(body)?;
        let (session, of_plan) = (entry.fact.session().cloned(), entry.fact.plan().cloned());
        if let Fact::Entered { session, plan: its, .. } = &entry.fact {
            if *whole && plan.as_ref() == Some(its) {
                sessions.insert(session.clone());
            }
            if sessions.contains(session) {
                if plan.as_ref() != Some(its) {
                    return Err(Fault::Damaged(format!("session {session} entered under {its}, and its row says otherwise")));
                }
                self.found.plans.insert(its.clone());
            }
        }
        let of_case = case.is_some() && entry.fact.case() == case.as_ref();
        if let Fact::CaseOpened { line, .. } = &entry.fact
            && of_case
        {
            self.case_seen = true;
            self.found.line.clone_from(line);
        }
        self.plan_seen |= plan.is_some() && of_plan == *plan;
        let mine = session.as_ref().is_some_and(|session| sessions.contains(session));
        if mine {
            self.trace(seq, &entry.fact);
        }
        let of_plan = session.is_none() && of_plan.is_some() && of_plan == *plan_of(&self.wanted);
        Ok(is_exchange || mine || of_plan || of_case)
    }

    fn in_time(&mut self, from: Timestamp, until: Timestamp, seq: u64, body: &[u8]) -> Result<bool, Fault> {
        let Moment { at } = serde_json::from_slice(body)?;
        if at >= from {
            self.begins.get_or_insert(seq);
        }
        if at < until {
            self.ends = seq.saturating_add(1);
        }
        let text = std::str::from_utf8(body).unwrap_or_default();
        if ["\"entered\"", "\"robot_entered\"", "\"left\"", "\"log_review_signed\"", "\"log_review_confirmed\"", "\"report_issued\""].iter().any(|kind| text.contains(kind)) {
            let entry: Entry = serde_json::from_slice(body)?;
            // The entry before the time is the bundle's, too, and the ones before that are not.
            if self.begins.is_none() {
                self.doors.clear();
            }
            if matches!(entry.fact, Fact::Entered { .. } | Fact::RobotEntered { .. } | Fact::Left { .. } | Fact::LogReviewSigned { .. } | Fact::LogReviewConfirmed { .. } | Fact::ReportIssued { .. }) {
                self.doors.push((seq, entry.fact));
            }
        }
        Ok(false)
    }

    fn trace(&mut self, seq: u64, fact: &Fact) {
        match fact {
            Fact::Entered { session, .. } | Fact::RobotEntered { session, .. } => drop(self.entered.insert(session.clone(), seq)),
            Fact::Left { session, .. } => drop(self.left.insert(session.clone())),
            _ => {}
        }
    }

    fn finish(mut self) -> Done<Found> {
        if self.found.seqs.len() > limits::EVIDENCE_ENTRIES {
            return Err(Refusal::too_many("EVIDENCE_ENTRIES").into());
        }
        if let Some(fault) = self.trouble {
            return Err(fault.into());
        }
        match &self.wanted {
            Wanted::Time(..) => {
                let first = self.begins.unwrap_or(self.size).saturating_sub(1);
                let end = self.ends.max(self.begins.unwrap_or(self.size)).saturating_add(1).min(self.size);
                if end.saturating_sub(first) > limits::EVIDENCE_ENTRIES as u64 {
                    return Err(Refusal::too_many("EVIDENCE_ENTRIES").into());
                }
                self.found.seqs = (first..end).collect();
                for (seq, fact) in std::mem::take(&mut self.doors).into_iter().filter(|(seq, _)| (first..end).contains(seq)) {
                    match &fact {
                        Fact::Entered { plan, .. } => drop(self.found.plans.insert(plan.clone())),
                        Fact::LogReviewSigned { review, digest, .. } | Fact::LogReviewConfirmed { review, digest, .. } => drop(self.found.reviews.entry(review.clone()).or_default().insert(digest.clone())),
                        Fact::ReportIssued { report, .. } => drop(self.found.reports.insert(report.clone())),
                        _ => {}
                    }
                    self.trace(seq, &fact);
                }
            }
            Wanted::About { case: Some(_), .. } if !self.case_seen => return Err(Refusal::NotFound.into()),
            Wanted::About { whole: true, .. } if !self.plan_seen => return Err(Refusal::NotFound.into()),
            Wanted::About { whole: false, case: None, .. } if self.entered.is_empty() => return Err(Refusal::NotFound.into()),
            Wanted::About { whole, plan, .. } => {
                if *whole {
                    self.found.plans.extend(plan.clone());
                }
            }
        }
        if self.found.plans.len() > limits::EVIDENCE_PLANS {
            return Err(Refusal::too_many("EVIDENCE_PLANS").into());
        }
        if self.all_entries {
            self.found.seqs = (0..self.size).collect();
        }
        let mut order: Vec<(u64, SessionId)> = self.entered.into_iter().map(|(session, seq)| (seq, session)).collect();
        order.sort_unstable();
        for (_, session) in order {
            let to = if self.left.contains(&session) { &mut self.found.ended } else { &mut self.found.running };
            to.push(session.to_string());
        }
        Ok(self.found)
    }
}

fn plan_of(wanted: &Wanted) -> &Option<PlanId> {
    match wanted {
        Wanted::About { plan, .. } => plan,
        Wanted::Time(..) => &None,
    }
}

impl Store {
    /// Walks over the published log and finds what is in scope. The place goes with the walk: one whose asker went away counts
    /// until it has ended.
    pub(super) async fn in_scope(&self, scope: &EvidenceScope, all_entries: bool, head: &Checkpoint, exchanges: Vec<u64>, place: OwnedSemaphorePermit) -> Done<(Found, OwnedSemaphorePermit)> {
        let (wanted, place) = match scope {
            EvidenceScope::Session { session } => {
                let plan = self.plan_of_session(session).await?;
                (Wanted::About { sessions: [session.clone()].into(), plan, whole: false, case: None }, place)
            }
            EvidenceScope::Plan { plan } => (Wanted::About { sessions: BTreeSet::new(), plan: Some(plan.clone()), whole: true, case: None }, place),
            EvidenceScope::Period { from, until } => (Wanted::Time(*from, *until), place),
            EvidenceScope::Case { case } => {
                let (near, place) = self.near_of_case(case, head, place).await?;
                let plan = match &near {
                    Some(session) => self.plan_of_session(session).await?,
                    None => None,
                };
                (Wanted::About { sessions: near.into_iter().collect(), plan, whole: false, case: Some(case.clone()) }, place)
            }
        };
        let (files, size, root) = (self.folder(), head.size, head.root);
        let walked = blocking(move || {
            let mut walker = Walker::new(wanted, all_entries, exchanges, size);
            let held = walk(&files, size, &root, &mut |seq, body| walker.entry(seq, body));
            held.map_err(|breach| Fault::LogBroken(format!("a bundle could not be gathered: {breach}")))?;
            Ok((walker.finish(), place))
        });
        let (found, place) = walked.await?;
        Ok((found?, place))
    }

    /// The session that a case names as the nearest, as the entry that opened it has it.
    async fn near_of_case(&self, case: &CaseId, head: &Checkpoint, place: OwnedSemaphorePermit) -> Done<(Option<SessionId>, OwnedSemaphorePermit)> {
        let (files, size, root, case) = (self.folder(), head.size, head.root, case.clone());
        let walked = blocking(move || {
            let mut found = None;
            let held = walk(&files, size, &root, &mut |_, body| {
                if !std::str::from_utf8(body).is_ok_and(|text| text.contains(case.as_str())) {
                    return;
                }
                if let Ok(Entry { fact: Fact::CaseOpened { case: opened, near, .. }, .. }) = serde_json::from_slice(body)
                    && opened == case
                {
                    found = Some(near);
                }
            });
            held.map_err(|breach| Fault::LogBroken(format!("a bundle could not be gathered: {breach}")))?;
            Ok((found, place))
        });
        let (found, place) = walked.await?;
        Ok((found.ok_or(Refusal::NotFound)?, place))
    }

    /// The plan that the row of a session names. It only says which entries to look for: what the session's own entry says decides.
    async fn plan_of_session(&self, session: &SessionId) -> Result<Option<PlanId>, Fault> {
        let row = sqlx::query("SELECT plan FROM sessions WHERE id = $1").bind(session.as_str().to_owned()).fetch_optional(self.read()).await?;
        let plan: Option<String> = row.map(|row| row.try_get("plan")).transpose()?;
        Ok(plan.as_deref().and_then(PlanId::parse))
    }

    /// The reviews and reports of a time, as they were signed and issued; and what the log tells of and nobody can show any more.
    pub(super) async fn papers_in(&self, found: &Found) -> Done<Papers> {
        let mut papers = Papers::default();
        for (id, digests) in &found.reviews {
            // A long time has more of them than go in: the entries stay evidence, and the bundle says which papers it lacks.
            if papers.reviews.len() >= limits::EVIDENCE_PAPERS {
                papers.lost.push(id.to_string());
                continue;
            }
            match self.review_paper(id).await? {
                // One that was given back and signed otherwise after this time is not the one of which these entries tell.
                Some((review, digest)) if digests.contains(&digest) => papers.reviews.push(review),
                _ => papers.lost.push(id.to_string()),
            }
        }
        for id in &found.reports {
            if papers.reviews.len() + papers.reports.len() >= limits::EVIDENCE_PAPERS {
                papers.lost.push(id.to_string());
                continue;
            }
            match self.report_paper(id).await? {
                Some(report) => papers.reports.push(report),
                None => papers.lost.push(id.to_string()),
            }
        }
        papers.reviews.sort_by_key(|review| review.span.from);
        papers.reports.sort_by(|a, b| (a.span.from, &a.number, a.edition).cmp(&(b.span.from, &b.number, b.edition)));
        Ok(papers)
    }

    /// The holds that keep what is in scope.
    pub(super) async fn holds_in(&self, found: &Found) -> Result<Vec<Hold>, Fault> {
        let mut holds: Vec<Hold> = Vec::new();
        let mut add = |more: Vec<Hold>| {
            for hold in more {
                if holds.iter().all(|known| known.id != hold.id) {
                    holds.push(hold);
                }
            }
        };
        for plan in &found.plans {
            add(self.holds_of_plan(plan).await?);
        }
        for session in found.ended.iter().chain(&found.running).take(super::HELD_ASKED).filter_map(|session| SessionId::parse(session)) {
            add(self.holds_of_session(&session).await?);
        }
        holds.sort_by_key(|hold| hold.placed_at);
        Ok(holds)
    }

    /// A case with its lines. The line goes in where it is the one of which the log tells.
    pub(super) async fn case_of_evidence(&self, actor: &Actor, id: &CaseId, found: &Found) -> Done<EvidenceCase> {
        let case = self.case(actor, id).await?;
        let around = self.case_lines(actor, id).await.unwrap_or_default();
        let line = Some(case.line.clone()).filter(|line| !line.is_empty() && Digest::of(line.as_bytes()).to_string() == found.line);
        Ok(EvidenceCase { case, line, around })
    }
}
