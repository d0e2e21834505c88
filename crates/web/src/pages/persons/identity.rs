//! 本人確認台帳: read and printed by auditor and administrator.

use crate::call::{Call, download};
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use sekisho_core::identity::IdentityCheck;
use sekisho_core::ids::IdentityCheckId;
use sekisho_core::permission::Action;

pub(super) fn routes() -> Vec<Route> {
    // Copies of papers that show who somebody is.
    let read = Access::MayStepUp(Action::ReadIdentityChecks);
    vec![
        Route::page("/persons/identity_checks", read, list),
        Route::page("/persons/identity_checks/{id}/proof", read, proof),
        Route::api(Method::GET, "/api/v1/identity_checks", read, "The ledger of identity checks, newest first.", api_list).gives::<Vec<IdentityCheck>>(),
    ]
}

async fn list(call: Call) -> Reply {
    let ctx = &call.ctx;
    let checks = ctx.store().identity_checks(ctx.actor()?).await?;
    let rows: Vec<Value> = checks.iter().map(|check| context! { check => value(check), method => ctx.t(&format!("identity.method_{}", check.claim.method.as_str())), size => check.proof.as_ref().map(|proof| crate::view::bytes(proof.bytes)) }).collect();
    call.page("persons/identity_checks.html", "identity.title", context! { rows })
}

/// Never shown in the browser, whatever the file says it is.
async fn proof(call: Call) -> Reply {
    let id = call.id("id", IdentityCheckId::parse)?;
    let (file, bytes) = call.ctx.store().identity_proof(call.ctx.actor()?, &id).await?;
    download(&file.name, "application/octet-stream", bytes)
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().identity_checks(call.ctx.actor()?).await?)
}
