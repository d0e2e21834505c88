//! What may be chosen in the form of a plan, for one vendor.

use crate::call::Ctx;
use sekisho_core::ids::VendorId;
use sekisho_core::plan::content::WorkClass;
use sekisho_store::{PlanChoices, VendorChoices};
use serde::Serialize;

/// The choices as the form shows them.
#[derive(Debug, Serialize)]
pub(super) struct Choices {
    /// Target and account: value, label.
    pub targets: Vec<(String, String)>,
    /// Workers.
    pub workers: Vec<WorkerChoice>,
    /// Subcontractors: value, name.
    pub subcontractors: Vec<(String, String)>,
    /// Longest key window that the hospital allows; 0 for none.
    pub key_window_minutes: u32,
}

/// A worker that may be named.
#[derive(Debug, Serialize)]
pub(super) struct WorkerChoice {
    id: String,
    name: String,
    org: String,
    ready: bool,
}

/// The vendor of a new plan: the only one there is, or for the hospital's staff the one that was chosen.
pub(super) fn vendor<'a>(all: &'a PlanChoices, asked: Option<&VendorId>) -> Option<&'a VendorChoices> {
    match (asked, all.vendors.as_slice()) {
        (Some(id), many) => many.iter().find(|of| of.vendor.id == *id),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// What this vendor's plans may name.
pub(super) fn of(ctx: &Ctx, all: &PlanChoices, vendor: &VendorChoices) -> Choices {
    let name_of = |id: &VendorId| all.vendors.iter().find(|of| of.vendor.id == *id).map(|of| of.vendor.name.clone()).unwrap_or_default();
    let mut targets = Vec::new();
    for row in all.targets.iter().filter(|row| vendor.targets.contains(&row.target.id)) {
        for account in &row.accounts {
            let privileged = if account.is_privileged() { format!(" / {}", ctx.t("plans.privileged")) } else { String::new() };
            let label = format!("{}({}) ・ {}{privileged}", row.target.title, row.target.name, account.username);
            targets.push((format!("{}/{}", row.target.id, account.id), label));
        }
    }
    let now = ctx.now();
    let workers = all
        .workers
        .iter()
        .filter(|person| vendor.workers.contains(&person.id))
        .map(|person| WorkerChoice {
            id: person.id.to_string(),
            name: person.name.clone(),
            org: person.vendor.as_ref().map(name_of).unwrap_or_default(),
            ready: person.is_ready_for_work(now),
        })
        .collect();
    let subcontractors = vendor.subcontractors.iter().map(|id| (id.to_string(), name_of(id))).collect();
    Choices { targets, workers, subcontractors, key_window_minutes: ctx.store().policy().key_window_minutes }
}

/// The classes of work: value, label.
pub(super) fn classes(ctx: &Ctx) -> Vec<(&'static str, String)> {
    WorkClass::ALL.into_iter().map(|class| (class.as_str(), ctx.t(&format!("class.{}", class.as_str())))).collect()
}
