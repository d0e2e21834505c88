//! One plan with everything that its page shows.

use super::may_read;
use crate::Store;
use crate::approvals::digest_of;
use crate::fault::{Denied, Done};
use crate::sessions::{SessionFilter, SessionRow};
use sekisho_core::command::{Loosened, loosened};
use sekisho_core::duty::{Duty, duties};
use sekisho_core::ids::{AccountId, PersonId, PlanId, TargetId, VendorId};
use sekisho_core::people::{Actor, Person};
use sekisho_core::plan::Plan;
use sekisho_core::plan::approval::{Slot, missing};
use sekisho_core::plan::offer::offered;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{Account, Target, TargetClass};
use std::collections::{BTreeMap, BTreeSet};

/// A plan and what belongs to it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlanView {
    /// The plan.
    pub plan: Plan,
    /// Digest of what approvers sign, hex. An approval names it.
    pub digest: String,
    /// Persons that the plan names or who acted on it.
    pub persons: BTreeMap<PersonId, Person>,
    /// Targets that the plan names.
    pub targets: BTreeMap<TargetId, Target>,
    /// Accounts that the plan names.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Names of vendors: the plan's, its subcontractor, those of its persons.
    pub vendors: BTreeMap<VendorId, String>,
    /// Approvals still missing.
    pub missing: Vec<Slot>,
    /// Rules of the classes of its targets that its own rules make laxer, as both stand at this moment. Told to the
    /// hospital only: what a class refuses is no vendor's business before it meets it.
    pub loosened: Vec<Loosened>,
    /// Every approval's signature holds.
    pub signatures_hold: bool,
    /// Sessions under it that the actor may see, the newest first.
    pub sessions: Vec<SessionRow>,
    /// One of them runs, seen or not.
    pub session_running: bool,
    /// Names of the acts that the actor can do now.
    pub allowed: Vec<&'static str>,
    /// What the actor must do on it.
    pub duties: Vec<Duty>,
}

impl Store {
    /// One plan.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], also for a plan of others.
    pub async fn plan(&self, actor: &Actor, id: &PlanId) -> Done<PlanView> {
        let mut conn = self.read().acquire().await?;
        let plan = self.load_plan(&mut *conn, id).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &plan)?;
        let now = self.now();
        let gathered = self.gather(&mut conn, &plan, None, now, false).await?;
        let digest = digest_of(&plan);
        let mut persons = BTreeMap::new();
        for id in named_persons(&plan) {
            if let Some(person) = self.load_person(&mut *conn, &id).await? {
                persons.insert(id, person);
            }
        }
        let (mut targets, mut accounts) = (BTreeMap::new(), BTreeMap::new());
        let before = plan.before.as_deref().map(|edition| &edition.content);
        for used in before.into_iter().chain([&plan.content]).flat_map(|content| &content.targets) {
            if let Some(target) = self.load_target(&mut *conn, &used.target).await? {
                targets.insert(used.target.clone(), target);
            }
            if let Some(account) = self.load_account(&mut *conn, &used.account).await? {
                accounts.insert(used.account.clone(), account);
            }
        }
        let of_persons = persons.values().filter_map(|person: &Person| person.vendor.clone());
        let near: BTreeSet<VendorId> = [plan.vendor.clone()].into_iter().chain(plan.content.subcontractor.clone()).chain(before.and_then(|content| content.subcontractor.clone())).chain(of_persons).collect();
        let vendors = self.load_vendors(&mut *conn).await?.into_iter().filter(|vendor| near.contains(&vendor.id)).map(|vendor| (vendor.id, vendor.name)).collect();
        let mut loosened_rules = Vec::new();
        if actor.vendor.is_none() && !plan.content.rules.is_empty() {
            let used = plan.content.targets.iter().filter_map(|used| targets.get(&used.target));
            let classes: BTreeSet<TargetClass> = used.map(|target: &Target| target.class).collect();
            for class in classes {
                let of_class = self.load_rules(&mut *conn, class).await?.rules;
                loosened_rules.extend(loosened(class, &plan.content.rules, &of_class));
            }
        }
        drop(conn);
        let filter = SessionFilter { plan: Some(plan.id.clone()), ..SessionFilter::default() };
        let sessions = match self.sessions(actor, &filter).await {
            Ok(page) => page.rows,
            Err(Denied::Refusal(_)) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        let context = gathered.context(self.policy());
        Ok(PlanView {
            missing: missing(&plan, self.policy(), &digest),
            signatures_hold: self.signatures_hold(&plan),
            allowed: offered(&plan, actor, now, &context),
            duties: duties(&plan, actor, self.policy(), &digest, gathered.session_running, now),
            loosened: loosened_rules,
            session_running: gathered.session_running,
            plan,
            digest,
            persons,
            targets,
            accounts,
            vendors,
            sessions,
        })
    }
}

fn named_persons(plan: &Plan) -> BTreeSet<PersonId> {
    let mut named: BTreeSet<PersonId> = plan.content.workers.iter().cloned().collect();
    named.extend(plan.before.iter().flat_map(|edition| edition.content.workers.iter().cloned()));
    named.insert(plan.applicant.clone());
    named.extend(plan.approvals.iter().map(|approval| approval.by.clone()));
    named
}
