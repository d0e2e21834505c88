//! What the rules need to know besides plan, act, actor and time.

use crate::Store;
use crate::approvals::digest_of;
use crate::fault::Fault;
use crate::ledger::{principals, subcontractors};
use sekisho_core::ids::{TargetId, VendorId};
use sekisho_core::people::Person;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::Context;
use sekisho_core::plan::content::PlanContent;
use sekisho_core::policy::Policy;
use sekisho_core::plan::state::PlanState;
use sekisho_core::reconcile::{Finding, Names, SessionFacts, reconcile};
use sekisho_core::time::Timestamp;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// The things gathered; a [`Context`] borrows from them.
pub(super) struct Gathered {
    digest: String,
    workers: Vec<Person>,
    targets: Vec<(TargetId, String, VendorId)>,
    principals: Vec<VendorId>,
    subcontractors: Vec<VendorId>,
    vendor_active: bool,
    privileged: bool,
    openers: Vec<String>,
    pub session_running: bool,
    pub findings: Vec<Finding>,
    diary: Vec<SessionFacts>,
}

impl Gathered {
    /// The form in which the rules take them.
    pub fn context<'a>(&'a self, policy: &'a Policy) -> Context<'a> {
        Context {
            policy,
            digest: self.digest.clone(),
            workers: &self.workers,
            targets: &self.targets,
            principals: &self.principals,
            subcontractors: &self.subcontractors,
            vendor_active: self.vendor_active,
            privileged: self.privileged,
            session_running: self.session_running,
            openers: &self.openers,
            findings: self.findings.clone(),
            diary: &self.diary,
        }
    }
}

impl Store {
    /// Gathers for a plan, and for a content that is about to take the place of its own. `compare` also computes what
    /// reconciliation finds at this moment.
    pub(super) async fn gather(&self, conn: &mut AnyConnection, plan: &Plan, next: Option<&PlanContent>, now: Timestamp, compare: bool) -> Result<Gathered, Fault> {
        let contents = || [Some(&plan.content), next].into_iter().flatten();
        let mut workers = Vec::new();
        for id in contents().flat_map(|content| &content.workers).collect::<BTreeSet<_>>() {
            workers.extend(self.load_person(&mut *conn, id).await?);
        }
        let mut targets = Vec::new();
        for id in contents().flat_map(|content| &content.targets).map(|used| &used.target).collect::<BTreeSet<_>>() {
            let target = self.load_target(&mut *conn, id).await?.filter(|target| target.active);
            targets.extend(target.map(|target| (target.id, target.name, target.vendor)));
        }
        // The content that is about to take the place of the plan's own is the one that its words belong to.
        let mut privileged = false;
        for used in &next.unwrap_or(&plan.content).targets {
            privileged |= self.load_account(&mut *conn, &used.account).await?.is_some_and(|account| account.is_privileged());
        }
        let vendors = self.load_vendors(&mut *conn).await?;
        let vendor = vendors.iter().find(|vendor| vendor.id == plan.vendor);
        let running = sqlx::query("SELECT COUNT(*) AS n FROM sessions WHERE plan = $1 AND ended_at IS NULL").bind(plan.id.as_str().to_owned()).fetch_one(&mut *conn).await?;
        let openers = match plan.emergency.as_ref().filter(|emergency| emergency.decision.is_none()) {
            Some(emergency) => self.openers_at(&mut *conn, &emergency.allowed.by, emergency.allowed.at).await?,
            None => Vec::new(),
        };
        let mut gathered = Gathered {
            digest: digest_of(plan),
            principals: principals(&vendors, &plan.vendor),
            subcontractors: subcontractors(&vendors, &plan.vendor),
            vendor_active: vendor.is_some_and(|vendor| vendor.is_in_force(now)),
            session_running: running.try_get::<i64, _>("n")? > 0,
            openers,
            findings: Vec::new(),
            // Only a plan whose report is due owes words about its sessions.
            diary: if plan.state == PlanState::Report { self.facts_of_plan(&plan.id).await?.into_iter().filter(|facts| facts.diary).collect() } else { Vec::new() },
            privileged,
            workers,
            targets,
        };
        if compare {
            let sessions = self.facts_of_plan(&plan.id).await?;
            let persons: Vec<_> = gathered.workers.iter().map(|person| (person.id.clone(), person.name.clone())).collect();
            let targets: Vec<_> = gathered.targets.iter().map(|(id, name, _)| (id.clone(), name.clone())).collect();
            gathered.findings = reconcile(plan, &sessions, &Names { persons: &persons, targets: &targets });
        }
        Ok(gathered)
    }
}
