//! What the box does by itself: publishing the log, passing time, expiring logins, keeping the search
//! index up with the record.
//!
//! Recordings have a pulse of their own, which beats whether or not these run.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::logins::forget_old;
use sekisho_core::ids::PlanId;
use sekisho_core::people::Actor;
use sekisho_core::plan::Plan;
use sekisho_core::plan::state::PlanState;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks of a resting job at whether the store was closed.
const PIECE: Duration = Duration::from_millis(500);
/// Between two rounds of the small jobs.
const ROUND: Duration = Duration::from_secs(3);
/// Rounds between two times of forgetting old failures: about an hour.
const ROUNDS_TO_FORGET: u32 = 1200;

/// What the jobs remember between rounds.
#[derive(Default)]
pub(crate) struct Gauge {
    /// Aborted plans that were looked at in this version.
    aborted: Mutex<BTreeMap<PlanId, u64>>,
}

impl Gauge {
    /// False for an aborted plan that was looked at and has not changed since; its comparison is not made again.
    pub fn is_news(&self, plan: &Plan) -> bool {
        if plan.state != PlanState::Aborted {
            return true;
        }
        let mut seen = self.aborted.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(plan.id.clone(), plan.version) != Some(plan.version)
    }
}

impl Store {
    /// Does what the box does by itself, until the store is closed or the task is ended. Run it once, as a task.
    pub async fn run_jobs(&self) {
        tokio::join!(self.keep_publishing(), self.rounds(), self.keep_index(), self.keep_checking(), self.keep_reviews());
    }

    /// A pause of a job, in short pieces, so that a store that is closed is let go of.
    pub(crate) async fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.inner.log.is_closed() {
            tokio::time::sleep(pause.min(PIECE)).await;
        }
    }

    async fn rounds(&self) {
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = 0_u32;
        loop {
            ticks.tick().await;
            if self.inner.log.is_closed() {
                return;
            }
            // The next round tries again; what this one could not do is late, not lost, and was told.
            let _ = self.do_round(round.is_multiple_of(ROUNDS_TO_FORGET)).await;
            round = round.wrapping_add(1);
        }
    }

    /// One round of the small jobs, as [`Store::run_jobs`] does every few seconds.
    ///
    /// # Errors
    /// The first fault; what comes after it is done all the same.
    pub async fn run_jobs_once(&self) -> Done<()> {
        let small = self.do_round(true).await;
        self.review_round().await.and(small)
    }

    /// Each of the jobs has its turn, whatever became of those before it: a row that somebody damaged must not keep the
    /// accounts of others open.
    async fn do_round(&self, forget: bool) -> Done<()> {
        let mut first = Ok(());
        let mut note = |job: &'static str, done: Done<()>| {
            if let Err(denied) = done {
                tracing::error!(job, %denied, "ALARM: a job of the box failed; the others go on");
                if first.is_ok() {
                    first = Err(denied);
                }
            }
        };
        note("web_logins", self.expire_web_logins().await);
        note("key_windows", self.expire_key_windows().await);
        note("tokens", self.expire_tokens().await);
        self.inner.shares.pass(self.steady_now());
        note("plans", self.pass_time().await.map_err(Into::into));
        if forget {
            note("forget", self.forget().await.map_err(Into::into));
            note("dormant", self.disable_dormant().await);
            note("leavers", self.end_leavers().await);
            note("reviews", self.close_reviews().await);
            note("keeping", self.keep_round().await);
        }
        first
    }

    async fn forget(&self) -> Result<(), Fault> {
        let mut tx = self.write(&Actor::system()).await?;
        let now = tx.now();
        forget_old(tx.sql(), now).await?;
        self.forget_ssh_logins(&mut tx).await?;
        sqlx::query("DELETE FROM enrolments WHERE expires_at <= $1").bind(now.0).execute(tx.sql()).await?;
        self.forget_mail(&mut tx).await?;
        tx.commit().await
    }
}
