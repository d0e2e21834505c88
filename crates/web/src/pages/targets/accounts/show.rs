//! One account: how Sekisho gets in with it, what its target must be told, and the test that shows whether it does.

use super::setup::{authorized_keys, certified, files};
use crate::call::{Call, Ctx};
use crate::routes::Route;
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::desk::Dialled;
use sekisho_core::ids::{AccountId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::probe::Tested;
use sekisho_core::target::CredentialKind;
use sekisho_core::time::Timestamp;
use sekisho_store::AccountTest;
use serde::Serialize;
use std::sync::Arc;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/targets/{id}/accounts/{account}", super::super::READ, show),
        Route::form("/targets/{id}/accounts/{account}/test", super::super::KEEP, test).again(show),
        Route::api(Method::POST, "/api/v1/accounts/{account}/test", super::super::KEEP, "Dial the account's target, compare the host key, log in, run nothing, and end.", api_test).gives::<TestAnswer>(),
    ]
}

/// What a test saw.
#[derive(Serialize, JsonSchema)]
struct TestAnswer {
    /// When.
    at: Timestamp,
    /// Login name of whoever asked.
    by: String,
    /// How far it came; missing if it did not end.
    tested: Option<Tested>,
}

/// The word for a credential's kind.
pub(in crate::pages) fn way(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Password => "target.by_password",
        CredentialKind::PrivateKey => "target.by_key",
        CredentialKind::Certificate => "target.by_certificate",
    }
}

/// `ok`, `bad` or `none`, for one step.
fn step(ctx: &Ctx, name: &str, state: &str, detail: &str, help: &str) -> Value {
    let chip = match state {
        "ok" => "ok",
        "bad" => "incident",
        _ => "disabled",
    };
    context! {
        name => ctx.t(&format!("test.{name}")),
        chip,
        word => ctx.t(&format!("test.state_{state}")),
        detail,
        help => if help.is_empty() { String::new() } else { ctx.t(&format!("test.help_{help}")) },
    }
}

/// A test as its three steps.
pub(in crate::pages) fn steps(ctx: &Ctx, tested: &Tested, kind: CredentialKind) -> Vec<Value> {
    let address = tested.address.as_deref().unwrap_or_default();
    let print = tested.host_key.as_deref().unwrap_or_default();
    let refused = match kind {
        CredentialKind::Certificate => "certificate",
        CredentialKind::PrivateKey => "private_key",
        CredentialKind::Password => "password",
    };
    let reach = |state: &str, detail: &str, help: &str| step(ctx, "reach", state, detail, help);
    let key = |state: &str, detail: &str, help: &str| step(ctx, "host_key", state, detail, help);
    let login = |state: &str, detail: &str, help: &str| step(ctx, "login", state, detail, help);
    match &tested.outcome {
        Dialled::Connected { .. } => vec![reach("ok", address, ""), key("ok", print, ""), login("ok", "", "")],
        Dialled::CredentialRefused => vec![reach("ok", address, ""), key("ok", print, ""), login("bad", "", refused)],
        Dialled::HostKeyChanged { seen } => vec![reach("ok", address, ""), key("bad", seen, "changed"), login("none", "", "")],
        Dialled::Unreachable { detail } if address.is_empty() => vec![reach("bad", detail, "reach"), key("none", "", ""), login("none", "", "")],
        Dialled::Unreachable { detail } if print.is_empty() => vec![reach("ok", address, ""), key("bad", detail, "no_ssh"), login("none", "", "")],
        Dialled::Unreachable { detail } => vec![reach("ok", address, ""), key("ok", print, ""), login("bad", detail, "broke")],
    }
}

/// A test for a page; the chip and the word tell its end.
pub(in crate::pages) fn told(ctx: &Ctx, test: &AccountTest, kind: CredentialKind) -> Value {
    let (chip, word) = match test.tested.as_ref().map(|tested| &tested.outcome) {
        Some(Dialled::Connected { .. }) => ("ok", "test.passed"),
        Some(_) => ("incident", "test.failed"),
        None => ("disabled", "test.unfinished"),
    };
    let steps = test.tested.as_ref().map(|tested| steps(ctx, tested, kind)).unwrap_or_default();
    context! { at => test.at.0, by => test.by.as_str(), authority => test.authority.as_str(), chip, word => ctx.t(word), steps }
}

pub(super) async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let found = super::super::find(&call).await?;
    let id = call.id("account", AccountId::parse)?;
    let account = found.accounts.iter().find(|held| held.id == id).ok_or_else(Stop::not_found)?;
    let may_keep = ctx.may(Action::KeepLedger);
    let authority = ctx.store().ssh_authority(ctx.actor()?)?;
    let files = if account.credential == CredentialKind::Certificate { files(&authority, &certified(&found)) } else { None };
    let line = if may_keep { authorized_keys(&call, &id).await? } else { None };
    let tests = ctx.store().account_tests(ctx.actor()?).await?;
    let rotation = match account.credential {
        CredentialKind::Certificate => None,
        CredentialKind::Password | CredentialKind::PrivateKey => Some(super::rotation::told(ctx, &found.target.id, &id).await?),
    };
    let others = certified(&found).len() > 1;
    let context = context! {
        row => super::super::row(ctx, &found),
        target => value(&found.target),
        account => context! { id => id.as_str(), username => account.username.as_str(), privileged => account.is_privileged(), kind => value(account.credential), way => ctx.t(way(account.credential)) },
        files => value(files),
        authority => value(&authority),
        line,
        others,
        test => tests.get(&id).map(|test| told(ctx, test, account.credential)),
        rotation,
        may_keep,
    };
    call.page_titled("targets/account_show.html", &format!("{} — {}", account.username, found.target.title), context)
}

async fn test(call: Call) -> Reply {
    let target = call.id("id", TargetId::parse)?;
    let account = call.id("account", AccountId::parse)?;
    let probe = Arc::clone(&call.ctx.house.settings.probe);
    call.ctx.store().test_account(call.ctx.actor()?, &account, probe).await?;
    call.see(&format!("/targets/{target}/accounts/{account}#test"))
}

async fn api_test(call: Call) -> Reply {
    let account = call.id("account", AccountId::parse)?;
    let probe = Arc::clone(&call.ctx.house.settings.probe);
    let AccountTest { at, by, tested, .. } = call.ctx.store().test_account(call.ctx.actor()?, &account, probe).await?;
    call.answer(&TestAnswer { at, by, tested })
}
