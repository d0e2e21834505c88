//! Accounts on targets. A credential is typed in once and never shown again.

mod rotation;
pub(in crate::pages) mod setup;
pub(in crate::pages) mod show;

use super::{KEEP, find};
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{AccountId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::secret::Secret;
use sekisho_core::target::Account;
use sekisho_store::{AccountAsk, CredentialAsk};
use serde::Deserialize;

pub(super) fn routes() -> Vec<Route> {
    let may_keep = Access::May(Action::KeepLedger);
    let mut routes = vec![
        Route::page("/targets/{id}/accounts/new", may_keep, show_add),
        Route::form("/targets/{id}/accounts/new", KEEP, add).again(show_add),
        Route::page("/targets/{id}/accounts/{account}/credential", may_keep, show_change),
        Route::form("/targets/{id}/accounts/{account}/credential", KEEP, change).again(show_change),
        Route::api(Method::POST, "/api/v1/targets/{id}/accounts", KEEP, "Register an account with its credential.", api_add).takes::<AccountBody>().gives::<Account>(),
        Route::api(Method::PUT, "/api/v1/accounts/{account}/credential", KEEP, "Store another credential for an account.", api_change).takes::<CredentialBody>(),
    ];
    routes.extend(setup::routes());
    routes.extend(show::routes());
    routes.extend(rotation::routes());
    routes
}

/// A credential. Taken, never given.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CredentialBody {
    /// A password.
    Password(Secret),
    /// A private key in OpenSSH form, without passphrase.
    PrivateKey(Secret),
    /// None is kept: each session gets a certificate of Sekisho's own authority.
    Certificate,
}

/// An account to register.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccountBody {
    /// Login name on the target.
    username: String,
    /// Administrator or root right.
    #[serde(default)]
    privileged: bool,
    /// The credential.
    credential: CredentialBody,
}

impl From<CredentialBody> for CredentialAsk {
    fn from(body: CredentialBody) -> Self {
        match body {
            CredentialBody::Password(secret) => Self::Password(secret),
            CredentialBody::PrivateKey(secret) => Self::PrivateKey(secret),
            CredentialBody::Certificate => Self::Certificate,
        }
    }
}

fn credential(form: &Form) -> Result<CredentialAsk, Stop> {
    let (field, make): (&str, fn(Secret) -> CredentialAsk) = match form.text("credential") {
        "certificate" => return Ok(CredentialAsk::Certificate),
        "password" => ("credential_password", CredentialAsk::Password),
        "private_key" => ("credential_key", CredentialAsk::PrivateKey),
        _ => return Err(Stop::bad_field("credential")),
    };
    let typed = form.raw(field).unwrap_or_default();
    if typed.trim().is_empty() {
        return Err(Stop::bad_field(field));
    }
    // Browsers send line breaks of text areas as CR LF; a private key has none of the CR.
    Ok(make(Secret::new(if field == "credential_key" { typed.replace("\r\n", "\n") } else { typed.to_owned() })))
}

async fn show_add(call: Call) -> Reply {
    let found = find(&call).await?;
    let form = call.typed_or(Form::of([("credential", "certificate")]));
    call.page("targets/account.html", "target.account_add", context! { form => Value::from_object(form), id => found.target.id.as_str(), name => found.target.title, username => () })
}

async fn add(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let form = call.form();
    let ask = AccountAsk { username: form.need("username")?.to_owned(), privileged: form.has("privileged"), credential: credential(form)? };
    let account = call.ctx.store().add_account(call.ctx.actor()?, &id, ask).await?;
    // What its target must be told, and the test, stand on its own page.
    call.done(&format!("/targets/{id}/accounts/{}", account.id), "target.account_added")
}

async fn show_change(call: Call) -> Reply {
    let found = find(&call).await?;
    let account = call.id("account", AccountId::parse)?;
    let account = found.accounts.iter().find(|held| held.id == account).ok_or_else(Stop::not_found)?;
    let form = call.typed_or(Form::of([("credential", "certificate")]));
    let context = context! { form => Value::from_object(form), id => found.target.id.as_str(), name => found.target.title, username => account.username.as_str(), account => account.id.as_str() };
    call.page("targets/account.html", "target.credential_change", context)
}

async fn change(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let account = call.id("account", AccountId::parse)?;
    call.ctx.store().set_credential(call.ctx.actor()?, &account, credential(call.form())?).await?;
    call.done(&format!("/targets/{id}/accounts/{account}"), "target.credential_changed")
}

async fn api_add(call: Call) -> Reply {
    let id = call.id("id", TargetId::parse)?;
    let body: AccountBody = call.json()?;
    let ask = AccountAsk { username: body.username, privileged: body.privileged, credential: body.credential.into() };
    call.answer(&call.ctx.store().add_account(call.ctx.actor()?, &id, ask).await?)
}

async fn api_change(call: Call) -> Reply {
    let account = call.id("account", AccountId::parse)?;
    let body: CredentialBody = call.json()?;
    call.ctx.store().set_credential(call.ctx.actor()?, &account, body.into()).await?;
    call.nothing()
}
