//! Drawing up a plan and acting on it.

use super::may_read;
use crate::Store;
use crate::approvals::digest_of;
use crate::fault::{Denied, Done, Fault};
use crate::ledger::recall_sessions;
use crate::log::as_i64;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PlanId, SessionId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::{PlanAct, act};
use sekisho_core::plan::content::{Attachment, PlanContent};
use sekisho_core::refusal::Refusal;
use sekisho_evidence::Digest;
use sqlx::Row;

const RUNNING: &str = "SELECT id FROM sessions WHERE ended_at IS NULL AND plan = $1";

impl Store {
    /// Draws up a plan as a draft.
    ///
    /// # Errors
    /// Without the right; a field out of bounds; a target or worker that is not this vendor's.
    pub async fn draw_plan(&self, actor: &Actor, vendor: &VendorId, content: PlanContent) -> Done<Plan> {
        self.require(actor, Action::WritePlan, Some(vendor), "draw_plan").await?;
        let applicant = actor.person.clone().ok_or(Refusal::NotAllowed)?;
        content.check_bounds()?;
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        self.load_vendor(tx.sql(), vendor).await?.filter(|vendor| vendor.active).ok_or(Refusal::VendorInactive)?;
        let open = sqlx::query("SELECT COUNT(*) AS n FROM plans WHERE vendor = $1 AND is_open = 1").bind(vendor.as_str().to_owned()).fetch_one(tx.sql()).await?;
        if open.try_get::<i64, _>("n")? >= as_i64(limits::VENDOR_OPEN_PLANS as u64) {
            return Err(Refusal::too_many("VENDOR_OPEN_PLANS").into());
        }
        let blank = Plan::blank(random_id()?, next_number(&mut tx).await?, vendor.clone(), applicant, now);
        // The first content passes the same rules as every later one.
        self.check_content(&mut tx, &blank.id, &content).await?;
        let gathered = self.gather(tx.sql(), &blank, Some(&content), now, false).await?;
        let mut plan = act(&blank, &PlanAct::Edit { content: Box::new(content) }, actor, now, &gathered.context(self.policy()))?;
        if let Some(entry) = plan.trail.last_mut() {
            entry.act = "draw".to_owned();
        }
        self.insert_plan(&mut tx, &plan).await?;
        tx.fact(Fact::PlanDrawn { plan: plan.id.clone(), number: plan.number.clone(), vendor: vendor.clone() });
        tx.commit().await?;
        Ok(plan)
    }

    /// Does one act. `expected` is the version that the person saw; with `None` the present one counts.
    ///
    /// # Errors
    /// The rule that forbids it, which is written down too where it guards a right; [`Refusal::ChangedMeanwhile`].
    pub async fn act_on_plan(&self, actor: &Actor, id: &PlanId, what: PlanAct, expected: Option<u64>) -> Done<Plan> {
        let done = self.act_now(actor, id, &what, expected).await;
        if let Err(Denied::Refusal(refusal)) = &done {
            self.note_refused_act(actor, &format!("{} {id}", what.name()), refusal).await;
        }
        done
    }

    async fn act_now(&self, actor: &Actor, id: &PlanId, what: &PlanAct, expected: Option<u64>) -> Done<Plan> {
        let mut tx = self.write(actor).await?;
        let now = tx.now();
        let plan = self.load_plan(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        may_read(actor, &plan)?;
        // The right comes first, so that a wrong version tells nothing to those who have none.
        may(actor, what.action(), Some(plan.vendor_for(actor, what.action())))?;
        if expected.is_some_and(|version| version != plan.version) {
            return Err(Refusal::ChangedMeanwhile.into());
        }
        let next_content = match what {
            PlanAct::Edit { content } => {
                content.check_bounds()?;
                self.check_content(&mut tx, &plan.id, content).await?;
                Some(&**content)
            }
            _ => None,
        };
        let compare = matches!(what, PlanAct::FinishWork | PlanAct::FinishReconcile | PlanAct::Withdraw { .. });
        let gathered = self.gather(tx.sql(), &plan, next_content, now, compare).await?;
        let mut next = act(&plan, what, actor, now, &gathered.context(self.policy()))?;
        let mut signature = String::new();
        if matches!(what, PlanAct::Approve { .. })
            && let Some(approval) = next.approvals.last_mut()
        {
            signature = self.sign_approval(approval)?;
            approval.signature.clone_from(&signature);
        }
        self.save_plan(&mut tx, &next).await?;
        tx.fact(acted(&plan, &next, what.name(), signature, &what.said(&plan)));
        let compared = plan.ended_at != next.ended_at;
        self.follow(&mut tx, &plan, &next, compared, what.remark()).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// What a change of state brings with it: the comparison as a fact, and words to running sessions.
    pub(super) async fn follow(&self, tx: &mut Tx, before: &Plan, after: &Plan, compared: bool, reason: &str) -> Result<(), Fault> {
        if compared {
            tx.fact(compared_fact(after)?);
        }
        if before.admits() && !after.admits() {
            let rows = sqlx::query(RUNNING).bind(after.id.as_str().to_owned()).fetch_all(tx.sql()).await?;
            for row in rows {
                if let Some(session) = SessionId::parse(row.try_get("id")?) {
                    tx.fact(Fact::CutAsked { session, reason: reason.to_owned() });
                }
            }
            recall_sessions(tx, RUNNING, after.id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        } else if before.extended_until != after.extended_until {
            let (_, until) = after.window();
            recall_sessions(tx, RUNNING, after.id.as_str(), RecallWord::Until(until)).await?;
        }
        Ok(())
    }

    /// What only the store can check of a content: that accounts lie on their targets, and that attachments are those
    /// that were attached.
    async fn check_content(&self, tx: &mut Tx, plan: &PlanId, content: &PlanContent) -> Done<()> {
        for used in &content.targets {
            let account = self.load_account(tx.sql(), &used.account).await?;
            if account.is_none_or(|account| account.target != used.target) {
                return Err(Refusal::bad_field("targets").into());
            }
        }
        if let Some(subcontractor) = &content.subcontractor
            && self.load_vendor(tx.sql(), subcontractor).await?.is_none()
        {
            return Err(Refusal::bad_field("subcontractor").into());
        }
        let kept: Vec<Attachment> = self.attachments_of(tx, plan).await?;
        if content.attachments.iter().any(|named| !kept.contains(named)) {
            return Err(Refusal::bad_field("attachments").into());
        }
        Ok(())
    }
}

/// The fact of an act.
pub(super) fn acted(before: &Plan, after: &Plan, name: &str, signature: String, remark: &str) -> Fact {
    Fact::PlanActed {
        plan: after.id.clone(),
        number: after.number.clone(),
        act: name.to_owned(),
        from: before.state,
        to: after.state,
        revision: after.revision,
        digest: digest_of(after),
        signature,
        remark: remark.to_owned(),
    }
}

/// The fact of a comparison.
fn compared_fact(plan: &Plan) -> Result<Fact, Fault> {
    let differences = plan.findings.iter().filter(|finding| finding.is_open()).count();
    let digest = Digest::of(&serde_json::to_vec(&plan.findings)?).to_string();
    Ok(Fact::Reconciled { plan: plan.id.clone(), rows: plan.findings.len(), differences, digest })
}

/// The next number of this year, such as `2026-0042`. Numbers of plans that were not saved are not used up, because the
/// counter is part of the same change.
async fn next_number(tx: &mut Tx) -> Result<String, Fault> {
    let year = i64::from(tx.now().date().year());
    let row = sqlx::query("SELECT last FROM plan_numbers WHERE year = $1").bind(year).fetch_optional(tx.sql()).await?;
    let next = row.map(|row| row.try_get::<i64, _>("last")).transpose()?.unwrap_or(0) + 1;
    let text = "INSERT INTO plan_numbers (year, last) VALUES ($1, $2) ON CONFLICT (year) DO UPDATE SET last = excluded.last";
    sqlx::query(text).bind(year).bind(next).execute(tx.sql()).await?;
    Ok(format!("{year}-{next:04}"))
}
