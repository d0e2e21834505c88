//! 本人確認の手段: one's own passkeys, authenticator app and recovery codes, and what happened to them lately.

use super::super::enrol::{in_groups, qr_svg};
use super::super::login::PasskeyQuestionAnswer;
use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::factors::FactorKind;
use sekisho_core::ids::PasskeyId;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use sekisho_store::PasskeyRow;
use serde::Serialize;

const KEEP: Access = Access::MayStepUp(Action::KeepOwnFactors);
const PAGE: &str = "/account/factors";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(PAGE, Access::SettingUp, show),
        Route::form("/account/notices/seen", Access::SettingUp, seen),
        Route::page("/account/passkeys/new", KEEP, show_new),
        Route::form("/account/passkeys/new", KEEP, add).again(show_new),
        Route::page("/account/passkeys/{id}/remove", Access::SettingUp, show_remove),
        Route::form("/account/passkeys/{id}/remove", KEEP, remove).again(show_remove),
        Route::page("/account/authenticator", KEEP, show_authenticator),
        Route::form("/account/authenticator", KEEP, replace).again(show_authenticator),
        Route::page("/account/recovery", Access::LoggedIn, show_recovery),
        Route::form("/account/recovery", Access::MayStepUp(Action::KeepOwnLogin), make_recovery).again(show_recovery),
        Route::api(Method::GET, "/api/v1/me/passkeys", Access::SettingUp, "One's own passkeys.", api_list).gives::<Vec<PasskeyShape>>(),
        Route::api(Method::POST, "/api/v1/me/passkeys/question", KEEP, "Ask the browser to make a passkey for oneself; the page sends its answer.", api_ask_new).gives::<PasskeyQuestionAnswer>(),
    ]
}

/// A passkey as the API shows it.
#[derive(Serialize, JsonSchema)]
struct PasskeyShape {
    /// Identifier.
    id: PasskeyId,
    /// What its owner calls it.
    name: String,
    /// When it was registered; Unix milliseconds.
    added_at: Timestamp,
    /// When it last proved its owner.
    used_at: Option<Timestamp>,
    /// Suspended: it may have been copied.
    suspended: bool,
}

impl From<PasskeyRow> for PasskeyShape {
    fn from(row: PasskeyRow) -> Self {
        Self { id: row.id, name: row.name, added_at: row.added_at, used_at: row.used_at, suspended: row.suspended }
    }
}

/// What the page of one's own factors and the account page show.
pub(super) async fn context(call: &Call) -> Result<Value, Stop> {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let own = store.own_factors(actor).await?;
    let demanded: Vec<String> = if own.allowed.len() == FactorKind::ALL.len() { Vec::new() } else { own.allowed.iter().map(|kind| ctx.t(&format!("log.factor_{}", kind.as_str()))).collect() };
    Ok(context! {
        totp => own.held.totp,
        passkeys => value(store.my_passkeys(actor).await?),
        most => limits::PASSKEYS,
        accepts_passkey => own.allowed.contains(&FactorKind::Passkey),
        accepts_totp => own.allowed.contains(&FactorKind::Totp),
        accepts_recovery => own.allowed.contains(&FactorKind::Recovery),
        demanded,
        recovery_left => own.recovery_left,
        recovery_made_at => own.recovery_made_at.map(|at| at.0),
        here => is_here(ctx, call),
        notices => notices(ctx).await?,
    })
}

/// Whether this page was opened under an origin at which passkeys work.
fn is_here(ctx: &Ctx, call: &Call) -> bool {
    let host = call.asked.uri.authority().map(|authority| authority.as_str().to_owned()).or_else(|| call.asked.headers.get("host")?.to_str().ok().map(str::to_owned));
    host.is_some_and(|host| ctx.store().passkey_origins().iter().any(|origin| origin.strip_prefix("https://").is_some_and(|authority| authority.eq_ignore_ascii_case(&host))))
}

/// What happened to one's factors and was not yet seen, in words.
pub(crate) async fn notices(ctx: &Ctx) -> Result<Vec<Value>, Stop> {
    let actor = ctx.actor()?;
    if actor.person.is_none() || actor.token.is_some() {
        return Ok(Vec::new());
    }
    let found = ctx.store().notices(actor).await?;
    Ok(found.into_iter().map(|notice| context! { seq => notice.seq, at => notice.at.0, text => ctx.t_with(&format!("factors.notice_{}", notice.kind.as_str()), &[("detail", &notice.detail)]) }).collect())
}

async fn show(call: Call) -> Reply {
    let factors = context(&call).await?;
    let login = call.ctx.login()?;
    let recovered = login.recovered_until.is_some();
    call.page("account/factors.html", "factors.title", context! { factors, recovered })
}

async fn seen(call: Call) -> Reply {
    let up_to = call.form().parse("seq", |text| text.parse::<u64>().ok())?;
    call.ctx.store().notices_seen(call.ctx.actor()?, up_to).await?;
    let back = crate::gate::back_of(&call.asked.headers, &call.asked.uri).unwrap_or_else(|| PAGE.to_owned());
    call.see(&back)
}

async fn show_new(call: Call) -> Reply {
    let form = call.typed_or(Form::default());
    let here = is_here(&call.ctx, &call);
    call.page("account/passkey.html", "factors.passkey_add", context! { form => Value::from_object(form), here, recovered => call.ctx.login()?.recovered_until.is_some() })
}

async fn add(call: Call) -> Reply {
    let form = call.form();
    call.ctx.store().add_passkey(call.ctx.login()?, form.need("passkey_name")?, form.text("made")).await?;
    call.done(PAGE, "factors.passkey_added")
}

async fn show_remove(call: Call) -> Reply {
    let id = call.id("id", PasskeyId::parse)?;
    let passkey = call.ctx.store().my_passkeys(call.ctx.actor()?).await?.into_iter().find(|row| row.id == id).ok_or_else(Stop::not_found)?;
    call.page("account/passkey_remove.html", "factors.passkey_remove", context! { passkey => value(passkey) })
}

async fn remove(call: Call) -> Reply {
    let id = call.id("id", PasskeyId::parse)?;
    call.ctx.store().remove_passkey(call.ctx.login()?, &id).await?;
    call.done(PAGE, "factors.passkey_removed")
}

async fn show_authenticator(call: Call) -> Reply {
    let offer = call.ctx.store().offer_authenticator(call.ctx.login()?).await?;
    call.page("account/authenticator.html", "factors.authenticator", context! { qr => qr_svg(offer.totp_url.expose()), secret => in_groups(offer.totp_secret_base32.expose()), has_one => call.ctx.login()?.held.totp })
}

async fn replace(call: Call) -> Reply {
    call.ctx.store().replace_authenticator(call.ctx.login()?, Secret::new(call.form().text("new_code"))).await?;
    call.done(PAGE, "factors.authenticator_replaced")
}

async fn show_recovery(call: Call) -> Reply {
    let factors = context(&call).await?;
    let codes: Option<Vec<String>> = call.ctx.take_once("recovery").map(|kept| kept.split(' ').map(str::to_owned).collect());
    call.page("account/recovery.html", "factors.recovery", context! { factors, codes, name => call.ctx.login()?.person.name.as_str(), login_name => call.ctx.login()?.person.login.as_str() })
}

async fn make_recovery(call: Call) -> Reply {
    let codes = call.ctx.store().make_recovery_codes(call.ctx.login()?).await?;
    call.ctx.keep_once("recovery", codes.iter().map(Secret::expose).collect::<Vec<_>>().join(" "));
    call.see("/account/recovery")
}

async fn api_list(call: Call) -> Reply {
    let rows = call.ctx.store().my_passkeys(call.ctx.actor()?).await?;
    call.answer(&rows.into_iter().map(PasskeyShape::from).collect::<Vec<_>>())
}

async fn api_ask_new(call: Call) -> Reply {
    let question = call.ctx.store().ask_new_passkey(call.ctx.login()?).await?;
    call.answer(&PasskeyQuestionAnswer::from(question))
}
