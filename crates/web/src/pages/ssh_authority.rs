//! Sekisho's SSH authority: the keys that targets trust, and the exchange of them without a moment in which nobody gets in.

use super::targets::accounts::setup::AUTHORITY_PATH;
use super::targets::accounts::show::told;
use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::desk::Dialled;
use sekisho_core::permission::Action;
use sekisho_core::target::CredentialKind;
use sekisho_core::time::Timestamp;
use sekisho_store::{AuthorityAct, AuthorityKey, SshAuthority};
use serde::{Deserialize, Serialize};

const READ: Access = Access::May(Action::ReadLedger);
const KEEP: Access = Access::MayStepUp(Action::KeepLedger);

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/ssh-authority", READ, show),
        Route::form("/ssh-authority", KEEP, act).again(show),
        Route::api(Method::GET, "/api/v1/ssh-authority", READ, "The keys that targets are to trust.", api_show).gives::<AuthorityAnswer>(),
        Route::api(Method::POST, "/api/v1/ssh-authority", KEEP, "A step of the exchange of the authority's key.", api_act).takes::<ActBody>().gives::<AuthorityAnswer>(),
    ]
}

/// One key.
#[derive(Serialize, JsonSchema)]
struct KeyAnswer {
    /// The line for `TrustedUserCAKeys`.
    line: String,
    /// SHA-256 fingerprint.
    fingerprint: String,
    /// When it was made.
    made_at: Timestamp,
}

/// The authority.
#[derive(Serialize, JsonSchema)]
struct AuthorityAnswer {
    /// The key that signs certificates of sessions.
    signing: KeyAnswer,
    /// The key that will follow it, if an exchange has begun. Connection tests use it already.
    next: Option<KeyAnswer>,
}

impl From<AuthorityKey> for KeyAnswer {
    fn from(key: AuthorityKey) -> Self {
        Self { line: key.line, fingerprint: key.fingerprint, made_at: key.made_at }
    }
}

impl From<SshAuthority> for AuthorityAnswer {
    fn from(authority: SshAuthority) -> Self {
        Self { signing: authority.signing.into(), next: authority.next.map(KeyAnswer::from) }
    }
}

/// A step with its reason.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActBody {
    /// `prepare`, `finish` or `cancel`.
    act: String,
    /// Why. Stays in the log.
    reason: String,
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let actor = ctx.actor()?;
    let authority = ctx.store().ssh_authority(actor)?;
    let tests = ctx.store().account_tests(actor).await?;
    let mut rows = Vec::new();
    let mut open = 0;
    for row in ctx.store().targets(actor).await? {
        for account in row.accounts.iter().filter(|account| account.credential == CredentialKind::Certificate) {
            let test = tests.get(&account.id);
            let passed = test.is_some_and(|test| matches!(test.tested.as_ref().map(|tested| &tested.outcome), Some(Dialled::Connected { .. })));
            let is_ready = passed && authority.next.as_ref().is_none_or(|next| test.is_some_and(|test| test.authority == next.fingerprint));
            open += usize::from(!is_ready);
            rows.push(context! {
                target => row.target.id.as_str(),
                title => row.target.title.as_str(),
                account => account.id.as_str(),
                username => account.username.as_str(),
                is_ready,
                test => test.map(|test| told(ctx, test, account.credential)),
            });
        }
    }
    let path = AUTHORITY_PATH;
    let file = authority.lines().join("\n");
    let form = call.typed_or(Form::default());
    let context = context! { authority => value(&authority), file, path, rows, open, form => Value::from_object(form), may_keep => ctx.may(Action::KeepLedger) };
    call.page("ssh_authority.html", "authority.title", context)
}

async fn act(call: Call) -> Reply {
    let form = call.form();
    let act = form.parse("act", AuthorityAct::parse)?;
    call.ctx.store().act_on_ssh_authority(call.ctx.actor()?, act, form.text("reason")).await?;
    let key = match act {
        AuthorityAct::Prepare => "authority.prepared",
        AuthorityAct::Finish => "authority.finished",
        AuthorityAct::Cancel => "authority.cancelled",
    };
    call.done("/ssh-authority", key)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&AuthorityAnswer::from(call.ctx.store().ssh_authority(call.ctx.actor()?)?))
}

async fn api_act(call: Call) -> Reply {
    let ActBody { act, reason } = call.json()?;
    let act = AuthorityAct::parse(&act).ok_or_else(|| Stop::bad_field("act"))?;
    call.answer(&AuthorityAnswer::from(call.ctx.store().act_on_ssh_authority(call.ctx.actor()?, act, &reason).await?))
}
