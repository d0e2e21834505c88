//! Work plans: drawn up, acted on, read. The rules are in the core; this loads, asks them, saves and writes the fact.

mod acts;
mod attachments;
mod gather;
mod lists;
mod time;
mod view;

pub use lists::{Page, PlanChoices, PlanFilter, PlanRow, VendorChoices};
pub use view::PlanView;

use crate::Store;
use crate::fault::Fault;
use crate::log::as_i64;
use crate::write::Tx;
use sekisho_core::ids::PlanId;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::refusal::Refusal;
use sqlx::{Any, Executor};

/// Whether the actor may read a plan: by right, or because a subcontractor's worker is named in it.
pub(crate) fn may_read(actor: &Actor, plan: &Plan) -> Result<(), Refusal> {
    let named = actor.person.as_ref().is_some_and(|person| plan.content.workers.contains(person));
    let by_right = may(actor, Action::ReadPlan, Some(&plan.vendor));
    if named { by_right.or_else(|_| may(actor, Action::ReadPlan, None)) } else { by_right }
}

impl Store {
    /// A plan, if there is one.
    pub(crate) async fn load_plan(&self, executor: impl Executor<'_, Database = Any>, id: &PlanId) -> Result<Option<Plan>, Fault> {
        let since = self.since();
        let row = sqlx::query("SELECT body, seal FROM plans WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }

    /// Saves a plan that has a row, as part of a change. The next fact of the change must be one that tells of it.
    pub(crate) async fn save_plan(&self, tx: &mut Tx, plan: &Plan) -> Result<(), Fault> {
        let body = serde_json::to_string(plan)?;
        let seal = self.seal_of::<Plan>(plan.id.as_str(), &body, tx.next_seq())?;
        let (from, until) = plan.window();
        let id = plan.id.as_str().to_owned();
        let saved = sqlx::query("UPDATE plans SET state = $2, title = $3, from_at = $4, until_at = $5, version = $6, is_open = $7, body = $8, seal = $9 WHERE id = $1")
            .bind(id.clone())
            .bind(plan.state.as_str())
            .bind(plan.content.title.clone())
            .bind(from.0)
            .bind(until.0)
            .bind(as_i64(plan.version))
            .bind(i64::from(!plan.state.is_final() || plan.owes_after_fact()))
            .bind(body)
            .bind(seal)
            .execute(tx.sql())
            .await?;
        if saved.rows_affected() != 1 {
            return Err(Fault::Damaged(format!("plan {} has no row to save it in", plan.number)));
        }
        sqlx::query("DELETE FROM plan_workers WHERE plan = $1").bind(id.clone()).execute(tx.sql()).await?;
        for person in plan.content.workers.iter().collect::<std::collections::BTreeSet<_>>() {
            sqlx::query("INSERT INTO plan_workers (plan, person) VALUES ($1, $2)").bind(id.clone()).bind(person.as_str().to_owned()).execute(tx.sql()).await?;
        }
        Ok(())
    }

    /// Makes the row of a new plan, which [`Store::save_plan`] then fills.
    async fn insert_plan(&self, tx: &mut Tx, plan: &Plan) -> Result<(), Fault> {
        let text = "INSERT INTO plans (id, number, vendor, applicant, state, title, from_at, until_at, created_at, version, is_open, body, seal) \
            VALUES ($1, $2, $3, $4, '', '', 0, 0, $5, 0, 1, '', $6)";
        sqlx::query(text)
            .bind(plan.id.as_str().to_owned())
            .bind(plan.number.clone())
            .bind(plan.vendor.as_str().to_owned())
            .bind(plan.applicant.as_str().to_owned())
            .bind(plan.created_at.0)
            .bind(Vec::<u8>::new())
            .execute(tx.sql())
            .await?;
        self.save_plan(tx, plan).await
    }
}
