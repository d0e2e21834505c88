//! Lists of plans, what each person must do next, and what may be named in a plan.

use super::may_read;
use crate::Store;
use crate::approvals::digest_of;
use crate::fault::{Done, Fault};
use crate::ledger::{TargetRow, bodies, principals, subcontractors};
use crate::log::as_i64;
use sekisho_core::duty::{Duty, DutyKind, duties};
use sekisho_core::ids::{PersonId, PlanId, TargetId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::{Actor, Person, Role, Vendor};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::plan::state::PlanState;
use sekisho_core::time::Timestamp;
use sqlx::Row;
use std::collections::BTreeSet;

/// Open plans that are looked through for duties. A hospital has some dozens.
const OPEN_PLANS: i64 = 2000;

/// Which plans to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct PlanFilter {
    /// In this state.
    pub state: Option<PlanState>,
    /// With these words in number or title.
    pub text: Option<String>,
    /// Page, from 0, of [`limits::PAGE_ROWS`] rows.
    pub page: usize,
}

/// One page of a list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Which page, from 0.
    pub page: usize,
    /// There are more on the next one.
    pub more: bool,
}

/// One plan in a list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlanRow {
    /// Identifier.
    pub id: PlanId,
    /// Number.
    pub number: String,
    /// Title.
    pub title: String,
    /// State.
    pub state: PlanState,
    /// The vendor that applies.
    pub vendor: VendorId,
    /// Its name.
    pub vendor_name: String,
    /// The window, with extensions.
    pub window: (Timestamp, Timestamp),
    /// Asks to start at once.
    pub emergency: bool,
    /// A session runs under it.
    pub session_running: bool,
    /// Counts changes of the content.
    pub revision: u32,
}

/// What may be named in a plan.
#[derive(Clone, Debug)]
pub struct PlanChoices {
    /// Vendors on whose behalf the actor may apply, with what each may name.
    pub vendors: Vec<VendorChoices>,
    /// Targets in service, with their accounts.
    pub targets: Vec<TargetRow>,
    /// Workers who may act.
    pub workers: Vec<Person>,
}

/// What one vendor may name.
#[derive(Clone, Debug)]
pub struct VendorChoices {
    /// The vendor.
    pub vendor: Vendor,
    /// Targets of its own and of those it works for.
    pub targets: Vec<TargetId>,
    /// Workers of its own and of its subcontractors.
    pub workers: Vec<PersonId>,
    /// Its subcontractors.
    pub subcontractors: Vec<VendorId>,
}

impl Store {
    /// Plans that the actor may read, the newest first.
    ///
    /// # Errors
    /// Without the right to read any.
    pub async fn plans(&self, actor: &Actor, filter: &PlanFilter) -> Done<Page<PlanRow>> {
        may(actor, Action::ReadPlan, None)?;
        let since = self.since();
        let text = "SELECT p.body, p.seal, v.name AS vendor_name, \
            (SELECT COUNT(*) FROM sessions s WHERE s.plan = p.id AND s.ended_at IS NULL) AS running \
            FROM plans p JOIN vendors v ON v.id = p.vendor \
            WHERE ($1 IS NULL OR p.vendor = $1 OR EXISTS (SELECT 1 FROM plan_workers w WHERE w.plan = p.id AND w.person = $2)) \
            AND ($3 IS NULL OR p.state = $3) AND ($4 IS NULL OR LOWER(p.title) LIKE $4 ESCAPE '!' OR p.number LIKE $4 ESCAPE '!') \
            ORDER BY p.created_at DESC, p.number DESC LIMIT $5 OFFSET $6";
        let rows = sqlx::query(text)
            .bind(actor.vendor.as_ref().map(|id| id.as_str().to_owned()))
            .bind(actor.person.as_ref().map(|id| id.as_str().to_owned()))
            .bind(filter.state.map(PlanState::as_str))
            .bind(filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(pattern))
            .bind(as_i64(limits::PAGE_ROWS as u64 + 1))
            .bind(as_i64((filter.page as u64).saturating_mul(limits::PAGE_ROWS as u64)))
            .fetch_all(self.read())
            .await?;
        let more = rows.len() > limits::PAGE_ROWS;
        let mut list = Vec::new();
        for row in rows.iter().take(limits::PAGE_ROWS) {
            let plan: Plan = self.held(row, since)?;
            list.push(PlanRow {
                window: plan.window(),
                emergency: plan.is_emergency(),
                vendor_name: row.try_get("vendor_name")?,
                session_running: row.try_get::<i64, _>("running")? > 0,
                id: plan.id,
                number: plan.number,
                title: plan.content.title,
                state: plan.state,
                vendor: plan.vendor,
                revision: plan.revision,
            });
        }
        Ok(Page { rows: list, page: filter.page, more })
    }

    /// 今すること: what the actor must do next; emergencies first, then what is overdue, then by deadline.
    ///
    /// # Errors
    /// A fault. Who may read no plan has no duties.
    pub async fn duties(&self, actor: &Actor) -> Done<Vec<Duty>> {
        if may(actor, Action::ReadPlan, None).is_err() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut list = Vec::new();
        for (plan, running) in self.open_plans_with_running().await? {
            if may_read(actor, &plan).is_ok() {
                list.extend(duties(&plan, actor, self.policy(), &digest_of(&plan), running, now));
            }
        }
        let urgency = |duty: &Duty| match duty.kind {
            DutyKind::AllowEmergency => 0,
            _ if duty.overdue => 1,
            _ => 2,
        };
        list.sort_by_key(|duty| (urgency(duty), duty.due.unwrap_or(Timestamp(i64::MAX)), duty.kind, duty.number.clone()));
        Ok(list)
    }

    /// Every plan on which something is left to do, and whether a session runs under it.
    pub(super) async fn open_plans_with_running(&self) -> Result<Vec<(Plan, bool)>, Fault> {
        let since = self.since();
        let text = "SELECT p.body, p.seal, (SELECT COUNT(*) FROM sessions s WHERE s.plan = p.id AND s.ended_at IS NULL) AS running \
            FROM plans p WHERE p.is_open = 1 ORDER BY p.until_at LIMIT $1";
        let rows = sqlx::query(text).bind(OPEN_PLANS).fetch_all(self.read()).await?;
        let mut list = Vec::with_capacity(rows.len());
        for row in rows {
            match self.held::<Plan>(&row, since) {
                Ok(plan) => list.push((plan, row.try_get::<i64, _>("running")? > 0)),
                // One row that somebody changed must not hide everybody's duties.
                Err(fault) => tracing::error!(%fault, "ALARM: a plan is left out"),
            }
        }
        Ok(list)
    }

    /// What the actor may name in a plan.
    ///
    /// # Errors
    /// Without the right to write one.
    pub async fn choices(&self, actor: &Actor) -> Done<PlanChoices> {
        may(actor, Action::WritePlan, None)?;
        let now = self.now();
        let vendors = self.load_vendors(self.read()).await?;
        let persons: Vec<Person> = bodies(&sqlx::query("SELECT body FROM persons WHERE active = 1 AND vendor IS NOT NULL ORDER BY login").fetch_all(self.read()).await?)?;
        let targets: Vec<TargetRow> = self.targets(actor).await?.into_iter().filter(|row| row.target.active).collect();
        let applies = |vendor: &&Vendor| vendor.active && actor.vendor.as_ref().is_none_or(|own| *own == vendor.id);
        let ready = |person: &&Person| person.is(Role::Worker) && person.may_act(now);
        let mut list = Vec::new();
        for vendor in vendors.iter().filter(applies) {
            let chain = principals(&vendors, &vendor.id);
            let below = subcontractors(&vendors, &vendor.id);
            let ours = |person: &&Person| person.vendor.as_ref().is_some_and(|of| *of == vendor.id || below.contains(of));
            list.push(VendorChoices {
                targets: targets.iter().filter(|row| chain.contains(&row.target.vendor)).map(|row| row.target.id.clone()).collect(),
                workers: persons.iter().filter(ready).filter(ours).map(|person| person.id.clone()).collect(),
                subcontractors: below,
                vendor: vendor.clone(),
            });
        }
        let named: BTreeSet<PersonId> = list.iter().flat_map(|choices| choices.workers.clone()).collect();
        let workers = persons.into_iter().filter(|person| named.contains(&person.id)).collect();
        let used: BTreeSet<TargetId> = list.iter().flat_map(|choices| choices.targets.clone()).collect();
        let targets = targets.into_iter().filter(|row| used.contains(&row.target.id)).collect();
        Ok(PlanChoices { vendors: list, targets, workers })
    }
}

/// A pattern that finds the text anywhere, with what has a meaning in patterns taken literally.
fn pattern(text: &str) -> String {
    let mut out = String::from("%");
    for c in text.chars().take(limits::LINE_CHARS).flat_map(char::to_lowercase) {
        if matches!(c, '%' | '_' | '!') {
            out.push('!');
        }
        out.push(c);
    }
    out.push('%');
    out
}
