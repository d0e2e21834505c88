//! What a person keeps themselves: who they are here, password, SSH public keys.

use super::enrol::twice;
use crate::call::{Call, see_other};
use crate::form::Form;
use crate::gate::credentials::{LOGIN_COOKIE, cookie};
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use crate::words;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::WorkerKeyId;
use sekisho_core::limits;
use sekisho_core::people::Role;
use sekisho_core::permission::Action;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_store::WorkerKey;
use serde::{Deserialize, Serialize};

pub(crate) mod factors;
pub(crate) mod key_windows;
mod logins;

const KEEP: Access = Access::MayStepUp(Action::KeepOwnLogin);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::page("/account", Access::LoggedIn, show),
        Route::page("/account/password", Access::LoggedIn, show_password),
        Route::form("/account/password", KEEP, change_password).again(show_password),
        Route::page("/account/keys/new", Access::LoggedIn, show_new_key),
        Route::form("/account/keys/new", KEEP, add_key).again(show_new_key),
        Route::page("/account/keys/{id}/remove", Access::LoggedIn, show_remove_key),
        Route::form("/account/keys/{id}/remove", KEEP, remove_key).again(show_remove_key),
        Route::api(Method::PUT, "/api/v1/me/password", KEEP, "Change one's own password; all other logins of the person end, and the tokens unless they are kept.", api_password).takes::<PasswordAsk>(),
        Route::api(Method::GET, "/api/v1/me/keys", Access::LoggedIn, "One's own SSH public keys.", api_keys).gives::<Vec<Key>>(),
        Route::api(Method::POST, "/api/v1/me/keys", KEEP, "Register an SSH public key.", api_add_key).takes::<KeyAsk>().gives::<Key>(),
        Route::api(Method::DELETE, "/api/v1/me/keys/{id}", KEEP, "Remove an SSH public key.", api_remove_key),
    ];
    routes.extend(factors::routes());
    routes.extend(key_windows::routes());
    routes.extend(logins::routes());
    routes
}

/// A public key as it is shown.
#[derive(Serialize, JsonSchema)]
struct Key {
    /// Identifier.
    id: WorkerKeyId,
    /// `ssh-ed25519` and the like.
    algorithm: String,
    /// SHA-256 fingerprint as `ssh-keygen -l` prints it.
    fingerprint: String,
    /// Comment.
    comment: String,
    /// When it was registered.
    added_at: Timestamp,
}

impl From<WorkerKey> for Key {
    fn from(key: WorkerKey) -> Self {
        Self { id: key.id, algorithm: key.algorithm, fingerprint: key.fingerprint, comment: key.comment, added_at: key.added_at }
    }
}

/// A public key to register.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyAsk {
    /// One line of an OpenSSH `.pub` file.
    key: String,
}

/// A change of password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PasswordAsk {
    /// The present password.
    old: Secret,
    /// The new one.
    new: Secret,
    /// Leave one's own tokens for automation in force; otherwise they end with the old password.
    #[serde(default)]
    keep_tokens: bool,
}

async fn keys(call: &Call) -> Result<Vec<Key>, Stop> {
    let actor = call.ctx.actor()?;
    Ok(call.ctx.store().my_keys(actor).await?.into_iter().map(Key::from).collect())
}

async fn show(call: Call) -> Reply {
    let login = call.ctx.login()?;
    let person = &login.person;
    let roles: Vec<&str> = person.roles.iter().map(|role| words::role(call.ctx.lang, *role)).collect();
    let vendor = match &person.vendor {
        Some(id) => super::vendors::name(&call.ctx, id).await,
        None => None,
    };
    call.page(
        "account/show.html",
        "account.title",
        context! {
            person => value(person),
            elsewhere => elsewhere(&call).await?,
            factors => factors::context(&call).await?,
            roles,
            vendor,
            is_worker => person.is(Role::Worker),
            keys => value(keys(&call).await?),
            may_open_window => call.ctx.may(Action::OpenKeyWindow) && call.ctx.store().policy().key_window_minutes > 0,
            ends_at => login.ends_at.0,
        },
    )
}

/// What people call the place that keeps this person's password, if Sekisho does not.
async fn elsewhere(call: &Call) -> Result<Option<String>, Stop> {
    let store = call.ctx.store();
    let link = store.link_of_person(call.ctx.actor()?, &call.ctx.login()?.person.id).await?;
    Ok(link.map(|link| store.source(&link.source).map_or(link.source.clone(), |source| source.label.clone())))
}

async fn show_password(call: Call) -> Reply {
    let rule = call.ctx.store().policy().password_rule();
    let tokens = call.ctx.store().my_tokens(call.ctx.actor()?).await?.iter().any(|row| row.token.ended.is_none());
    call.page("account/password.html", "account.password", context! { least => rule.least, symbols => rule.symbols, tokens })
}

async fn change_password(call: Call) -> Reply {
    let form = call.form();
    let new = twice(form, "new_password")?;
    call.ctx.store().change_password(call.ctx.login()?, form.secret("old_password"), new, form.has("keep_tokens")).await?;
    // The others ended with the change; whoever has a copy of this one's cookie is out too.
    if let Some(token) = cookie(&call.asked.headers, LOGIN_COOKIE) {
        call.ctx.store().log_out(token).await?;
    }
    let mut response = see_other("/login?changed=1")?;
    crate::pages::login::clear_cookie(&mut response, LOGIN_COOKIE);
    Ok(response)
}

async fn show_new_key(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    call.page("account/key.html", "account.key_add", context! { form => Value::from_object(form), most => limits::WORKER_KEYS })
}

async fn add_key(call: Call) -> Reply {
    call.ctx.store().add_key(call.ctx.actor()?, call.form().need("key")?).await?;
    call.done("/account", "account.key_added")
}

async fn show_remove_key(call: Call) -> Reply {
    let id = call.id("id", WorkerKeyId::parse)?;
    let key = keys(&call).await?.into_iter().find(|key| key.id == id).ok_or_else(Stop::not_found)?;
    call.page("account/key_remove.html", "account.key_remove", context! { key => value(key) })
}

async fn remove_key(call: Call) -> Reply {
    let id = call.id("id", WorkerKeyId::parse)?;
    call.ctx.store().remove_key(call.ctx.actor()?, &id).await?;
    call.done("/account", "account.key_removed")
}

async fn api_password(call: Call) -> Reply {
    let ask: PasswordAsk = call.json()?;
    call.ctx.store().change_password(call.ctx.login()?, ask.old, ask.new, ask.keep_tokens).await?;
    call.nothing()
}

async fn api_keys(call: Call) -> Reply {
    call.answer(&keys(&call).await?)
}

async fn api_add_key(call: Call) -> Reply {
    let ask: KeyAsk = call.json()?;
    let key = call.ctx.store().add_key(call.ctx.actor()?, &ask.key).await?;
    call.answer(&Key::from(key))
}

async fn api_remove_key(call: Call) -> Reply {
    let id = call.id("id", WorkerKeyId::parse)?;
    call.ctx.store().remove_key(call.ctx.actor()?, &id).await?;
    call.nothing()
}
