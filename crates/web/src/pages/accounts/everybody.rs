//! 全員のログイン: how many are logged in, and the end of all of them at once.

use crate::call::Call;
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::permission::Action;
use serde::{Deserialize, Serialize};

const PATH: &str = "/accounts/logins";

pub(super) fn routes() -> Vec<Route> {
    let keep = Access::MayStepUp(Action::KeepLedger);
    vec![
        Route::page(PATH, super::READ, show),
        Route::form(PATH, keep, end).again(show),
        Route::api(Method::POST, "/api/v1/logins/end", keep, "End the logins of everybody but the one by which this is asked.", api_end).takes::<EndBody>().gives::<Ended>(),
    ]
}

/// Why everybody is logged out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndBody {
    /// Why.
    reason: String,
    /// Also the tokens for automation.
    #[serde(default)]
    tokens: bool,
}

/// What ended.
#[derive(Serialize, JsonSchema)]
struct Ended {
    /// Logins and tokens together.
    ended: u64,
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let found = ctx.store().everybodys_logins(ctx.actor()?).await?;
    let form = call.typed_or(Form::default());
    let rows = [("web", found.web), ("api", found.api), ("certificates", found.certificates), ("tokens", found.tokens)];
    let rows: Vec<Value> = rows.into_iter().map(|(kind, n)| context! { kind, n }).collect();
    call.page("accounts/everybody.html", "logins.everybody", context! { form => Value::from_object(form), rows, tokens => found.tokens, may_keep => ctx.may(Action::KeepLedger) })
}

async fn end(call: Call) -> Reply {
    let login = call.ctx.login()?;
    let ended = call.ctx.store().end_everybodys_logins(&login.actor, Some(&login.id), call.form().has("tokens"), call.form().text("reason")).await?;
    call.ctx.note("success", call.ctx.t_with("logins.everybody_done", &[("n", &ended.to_string())]));
    call.see(PATH)
}

async fn api_end(call: Call) -> Reply {
    let (login, body) = (call.ctx.login()?, call.json::<EndBody>()?);
    let ended = call.ctx.store().end_everybodys_logins(&login.actor, Some(&login.id), body.tokens, &body.reason).await?;
    call.answer(&Ended { ended })
}
