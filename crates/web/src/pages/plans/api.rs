//! `/api/v1/plans…`: everything that the pages do, with the same verbs and the same checks.

use super::attachments;
use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use schemars::JsonSchema;
use sekisho_core::duty::Duty;
use sekisho_core::ids::{PersonId, PlanId, TargetId, VendorId};
use sekisho_core::limits;
use sekisho_core::people::{Person, Vendor};
use sekisho_core::permission::Action;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::approval::Slot;
use sekisho_core::plan::content::{Attachment, PlanContent};
use sekisho_core::plan::state::PlanState;
use sekisho_core::secret::Secret;
use sekisho_core::target::{Account, Target};
use sekisho_core::time::Timestamp;
use sekisho_store::PlanFilter;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Vec<Route> {
    let read = Access::May(Action::ReadPlan);
    let write = Access::May(Action::WritePlan);
    vec![
        Route::api(Method::GET, "/api/v1/plans", read, "Plans that this person may see, the newest first.", list).query::<PlansAsk>().gives::<PlansAnswer>(),
        Route::api(Method::POST, "/api/v1/plans", write, "Draw up a plan as a draft.", draw).takes::<DrawAsk>().gives::<Plan>(),
        Route::api(Method::GET, "/api/v1/plans/choices", write, "Vendors, targets and workers that a plan may name.", choices).gives::<ChoicesAnswer>(),
        Route::api(Method::GET, "/api/v1/plans/{id}", read, "A plan with its digest and what this person may do.", show).gives::<PlanAnswer>(),
        Route::api(
            Method::POST,
            "/api/v1/plans/{id}/acts",
            read,
            "Do one act on a plan. Approvals ask for a fresh one-time code (header x-step-up-code).",
            act,
        )
        .takes::<ActAsk>()
        .gives::<Plan>(),
        Route::api(Method::POST, "/api/v1/plans/{id}/attachments", write, "Attach a file: its bytes are the body, its name is in the query.", attach)
            .query::<AttachAsk>()
            .up_to(limits::ATTACHMENT_BYTES)
            .gives::<Attachment>(),
        Route::api(Method::GET, "/api/v1/plans/{id}/attachments/{file}", read, "An attached file.", attachments::fetch).gives_file("application/octet-stream"),
    ]
}

/// The query of the list.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct PlansAsk {
    /// Only plans in this state.
    state: Option<PlanState>,
    /// Only plans whose title or number has these words.
    text: Option<String>,
    /// Page, from 1.
    page: Option<usize>,
}

/// One plan of the list.
#[derive(Serialize, JsonSchema)]
struct PlanLine {
    id: PlanId,
    number: String,
    title: String,
    state: PlanState,
    vendor: VendorId,
    vendor_name: String,
    /// Beginning of the window.
    from: Timestamp,
    /// End of the window.
    until: Timestamp,
    emergency: bool,
    /// True while a session runs under it.
    session_running: bool,
    revision: u32,
}

/// A page of plans.
#[derive(Serialize, JsonSchema)]
struct PlansAnswer {
    rows: Vec<PlanLine>,
    /// There are more on the next page.
    more: bool,
}

/// A plan to draw up.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DrawAsk {
    /// The vendor that applies.
    vendor: VendorId,
    /// What is planned.
    content: PlanContent,
}

/// An act, and the version of the plan that it was decided on.
#[derive(Deserialize, JsonSchema)]
struct ActAsk {
    /// The act.
    #[serde(flatten)]
    act: PlanAct,
    /// Refuse if the plan has another version meanwhile.
    #[serde(default)]
    expected_version: Option<u64>,
}

/// The query of an attachment.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct AttachAsk {
    /// File name, for display.
    name: Option<String>,
}

/// A plan with what the reader needs to act on it.
#[derive(Serialize, JsonSchema)]
struct PlanAnswer {
    plan: Plan,
    /// SHA-256 of what approvers sign, hex. An approval repeats it.
    digest: String,
    /// Approvals still missing.
    missing: Vec<Slot>,
    /// Names of the acts that this person may do.
    allowed: Vec<&'static str>,
    /// What this person must do on it.
    duties: Vec<Duty>,
    /// Its sessions.
    sessions: Vec<crate::pages::sessions::api::SessionLine>,
    /// True while one of them runs.
    session_running: bool,
}

/// A target with its accounts.
#[derive(Serialize, JsonSchema)]
struct TargetChoice {
    #[serde(flatten)]
    target: Target,
    accounts: Vec<Account>,
}

/// A vendor, and what its plans may name.
#[derive(Serialize, JsonSchema)]
struct VendorChoice {
    #[serde(flatten)]
    vendor: Vendor,
    targets: Vec<TargetId>,
    workers: Vec<PersonId>,
    subcontractors: Vec<VendorId>,
}

/// What a plan may name.
#[derive(Serialize, JsonSchema)]
struct ChoicesAnswer {
    /// Vendors on whose behalf this person may apply.
    vendors: Vec<VendorChoice>,
    targets: Vec<TargetChoice>,
    workers: Vec<Person>,
}

async fn list(call: Call) -> Reply {
    let query = call.query();
    let state = query.parse_opt("state", PlanState::parse)?;
    let text = Some(query.text("text").chars().take(100).collect::<String>()).filter(|text| !text.is_empty());
    let filter = PlanFilter { state, text, page: call.page_number() - 1 };
    let found = call.ctx.store().plans(call.ctx.actor()?, &filter).await?;
    let rows = found
        .rows
        .into_iter()
        .map(|row| PlanLine {
            id: row.id,
            number: row.number,
            title: row.title,
            state: row.state,
            vendor: row.vendor,
            vendor_name: row.vendor_name,
            from: row.window.0,
            until: row.window.1,
            emergency: row.emergency,
            session_running: row.session_running,
            revision: row.revision,
        })
        .collect();
    call.answer(&PlansAnswer { rows, more: found.more })
}

async fn draw(call: Call) -> Reply {
    let ask: DrawAsk = call.json()?;
    call.answer(&call.ctx.store().draw_plan(call.ctx.actor()?, &ask.vendor, ask.content).await?)
}

async fn show(call: Call) -> Reply {
    let view = super::told::view(&call).await?;
    let sessions = view.sessions.iter().map(crate::pages::sessions::api::SessionLine::of).collect();
    call.answer(&PlanAnswer {
        digest: view.digest,
        missing: view.missing,
        allowed: view.allowed,
        duties: view.duties,
        sessions,
        session_running: view.session_running,
        plan: view.plan,
    })
}

async fn act(call: Call) -> Reply {
    let id = call.id("id", PlanId::parse)?;
    let ask: ActAsk = call.json()?;
    let action = ask.act.action();
    if action.needs_step_up() {
        step_up(&call, action).await?;
    }
    call.answer(&call.ctx.store().act_on_plan(call.ctx.actor()?, &id, ask.act, ask.expected_version).await?)
}

/// The route takes every act, so that the code is asked for by the act that is in the body.
async fn step_up(call: &Call, action: Action) -> Result<(), Stop> {
    let (store, login) = (call.ctx.store(), call.ctx.login()?);
    if !call.ctx.is_fresh() {
        let code = call.asked.headers.get("x-step-up-code").and_then(|code| code.to_str().ok());
        if let Some(code) = code.filter(|code| (1..=16).contains(&code.len())) {
            store.step_up(login, Secret::new(code)).await?;
            return Ok(());
        }
    }
    store.require_step_up(login, action)?;
    Ok(())
}

async fn attach(call: Call) -> Reply {
    let id = call.id("id", PlanId::parse)?;
    let name = call.query().need("name")?;
    call.answer(&call.ctx.store().attach(call.ctx.actor()?, &id, name, &call.asked.body).await?)
}

async fn choices(call: Call) -> Reply {
    let all = call.ctx.store().choices(call.ctx.actor()?).await?;
    let targets = all.targets.into_iter().map(|row| TargetChoice { target: row.target, accounts: row.accounts }).collect();
    let vendors = all
        .vendors
        .into_iter()
        .map(|of| VendorChoice { vendor: of.vendor, targets: of.targets, workers: of.workers, subcontractors: of.subcontractors })
        .collect();
    call.answer(&ChoicesAnswer { vendors, targets, workers: all.workers })
}
