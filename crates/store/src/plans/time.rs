//! What passing time does to plans that nobody touches: windows close, deadlines escalate.

use super::acts::acted;
use crate::Store;
use crate::fault::Fault;
use sekisho_core::calendar::business_deadline;
use sekisho_core::facts::Fact;
use sekisho_core::ids::PlanId;
use sekisho_core::people::Actor;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::pass_time;
use sekisho_core::plan::state::PlanState;
use sekisho_core::policy::Policy;
use sekisho_core::time::Timestamp;

impl Store {
    /// Closes the windows that have passed, and writes down each deadline that has, once.
    pub(crate) async fn pass_time(&self) -> Result<(), Fault> {
        let now = self.now();
        for (plan, running) in self.open_plans_with_running().await? {
            if is_due(&plan, running, now) && self.inner.gauge.is_news(&plan) {
                self.pass_time_of(&plan.id).await?;
            }
            for (duty, due) in deadlines(&plan, self.policy()) {
                if now > due {
                    self.escalate(&plan.id, duty).await?;
                }
            }
        }
        Ok(())
    }

    async fn pass_time_of(&self, id: &PlanId) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        let Some(plan) = self.load_plan(tx.sql(), id).await? else { return Ok(()) };
        let gathered = self.gather(tx.sql(), &plan, None, now, true).await?;
        let Some(next) = pass_time(&plan, now, &gathered.context(self.policy())) else { return Ok(()) };
        self.save_plan(&mut tx, &next).await?;
        let name = next.trail.last().map_or("window_closed", |entry| entry.act.as_str()).to_owned();
        tx.fact(acted(&plan, &next, &name, String::new(), ""));
        let compared = plan.ended_at != next.ended_at || plan.findings != next.findings;
        self.follow(&mut tx, &plan, &next, compared, "").await?;
        tx.commit().await
    }

    async fn escalate(&self, plan: &PlanId, duty: &'static str) -> Result<(), Fault> {
        let id = plan.as_str().to_owned();
        let known = sqlx::query("SELECT at FROM escalations WHERE plan = $1 AND duty = $2").bind(id.clone()).bind(duty).fetch_optional(self.read()).await?;
        if known.is_some() {
            return Ok(());
        }
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now().0;
        let text = "INSERT INTO escalations (plan, duty, at) VALUES ($1, $2, $3) ON CONFLICT (plan, duty) DO NOTHING";
        let added = sqlx::query(text).bind(id).bind(duty).bind(now).execute(tx.sql()).await?;
        if added.rows_affected() == 1 {
            tx.fact(Fact::Escalated { plan: plan.clone(), duty: duty.to_owned() });
        }
        tx.commit().await
    }
}

/// Whether time alone may change the plan. The rules decide; this spares them most plans.
fn is_due(plan: &Plan, running: bool, now: Timestamp) -> bool {
    let over = now >= plan.window().1;
    match plan.state {
        PlanState::Submitted | PlanState::Approved => over,
        PlanState::Emergency | PlanState::InProgress => over && !running,
        PlanState::Aborted => !running,
        _ => false,
    }
}

/// The deadlines that run on a plan.
fn deadlines(plan: &Plan, policy: &Policy) -> Vec<(&'static str, Timestamp)> {
    let mut list = Vec::new();
    let ended = |days| plan.ended_at.map(|at| business_deadline(at, days));
    match plan.state {
        PlanState::Reconcile | PlanState::Aborted => list.extend(ended(policy.reconcile_days).map(|due| ("reconcile", due))),
        PlanState::Report => list.extend(ended(policy.report_days).map(|due| ("report", due))),
        PlanState::Confirm => list.extend(plan.report.as_ref().map(|report| ("confirm", business_deadline(report.written.at, policy.confirm_days)))),
        _ => {}
    }
    if let Some(emergency) = plan.emergency.as_ref().filter(|emergency| emergency.decision.is_none()) {
        list.push(("after_fact", emergency.decide_by));
    }
    list
}
