//! When the credential of an account is exchanged by Sekisho itself, how that went, and its recordings.

use crate::call::{Call, Ctx};
use crate::pages::log::sentence::rotated;
use crate::pages::sessions::recording;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::ids::{AccountId, SessionId, TargetId};
use sekisho_core::permission::Action;
use sekisho_core::rotation::{Rotated, RotationMode};
use sekisho_core::time::Timestamp;
use sekisho_store::{RobotSession, Rotation};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

pub(super) fn routes() -> Vec<Route> {
    let keep = super::KEEP;
    let view = Access::MayStepUp(Action::ViewRecording);
    vec![
        Route::form("/targets/{id}/accounts/{account}/rotation", keep, set).again(super::show::show),
        Route::form("/targets/{id}/accounts/{account}/rotation/now", keep, ask).again(super::show::show),
        Route::page("/targets/{id}/exchanges/{session}", view, replay),
        Route::page("/targets/{id}/exchanges/{session}/recording", view, fetch),
        Route::api(Method::GET, "/api/v1/targets/{id}/rotations", super::super::READ, "How the exchanges of a target's credentials stand.", api_list).gives::<Vec<RotationShape>>(),
        Route::api(Method::PUT, "/api/v1/accounts/{account}/rotation", keep, "Say when the credential of an account is exchanged by Sekisho itself.", api_set).takes::<RotationBody>(),
        Route::api(Method::POST, "/api/v1/accounts/{account}/rotation/now", keep, "Exchange the credential of an account at once, as soon as no session uses it.", api_ask),
    ]
}

/// When a credential is exchanged.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// When.
    mode: RotationMode,
}

/// How the exchange of one account's credential stands.
#[derive(Serialize, JsonSchema)]
struct RotationShape {
    /// The account.
    account: AccountId,
    /// When it is exchanged.
    mode: RotationMode,
    /// A person asked for it, and it has not come about.
    asked: bool,
    /// An exchange is under way, or which of two credentials works is not known.
    under_way: bool,
    /// Failures in a row.
    tries: u32,
    /// Last success.
    done_at: Option<Timestamp>,
    /// How the last exchange ended.
    last: Option<Rotated>,
}

/// What the account's page shows; nothing for an account that has nothing to exchange.
pub(super) async fn told(ctx: &Ctx, target: &TargetId, account: &AccountId) -> Result<Value, Stop> {
    let actor = ctx.actor()?;
    let rotations = ctx.store().rotations(actor, target).await?;
    let rotation = rotations.into_iter().find(|rotation| &rotation.account == account);
    let robots = ctx.store().robot_sessions(actor, target).await?;
    let rows: Vec<Value> = robots.iter().filter(|robot| &robot.account == account).map(|robot| row(ctx, robot)).collect();
    let modes: Vec<(&str, String)> = RotationMode::ALL.iter().map(|mode| (mode.as_str(), ctx.t(&format!("rotation.{}", mode.as_str())))).collect();
    let state = rotation.as_ref().map(|rotation| state(ctx, rotation));
    let mode = rotation.map_or(RotationMode::Off, |rotation| rotation.mode);
    Ok(context! { mode => mode.as_str(), modes, state, rows, may_view => ctx.may(Action::ViewRecording) })
}

fn state(ctx: &Ctx, rotation: &Rotation) -> Value {
    let failing = rotation.tries > 0;
    context! {
        waiting => rotation.asked && !rotation.under_way,
        under_way => rotation.under_way,
        used => rotation.used_at.is_some(),
        done_at => rotation.done_at.map(|at| at.0),
        last => rotation.last.as_ref().map(|last| rotated(ctx.lang, last)),
        failing,
        next_at => (failing && rotation.mode != RotationMode::Off).then_some(rotation.next_at.0),
    }
}

fn row(ctx: &Ctx, robot: &RobotSession) -> Value {
    let result = match (&robot.outcome, robot.ended) {
        (Some(outcome), _) => rotated(ctx.lang, outcome),
        (None, Some(_)) => ctx.t("rotation.interrupted"),
        (None, None) => ctx.t("rotation.running"),
    };
    context! { session => robot.session.as_str(), at => robot.started.0, result, ended => robot.ended.is_some() }
}

async fn set(call: Call) -> Reply {
    let target = call.id("id", TargetId::parse)?;
    let account = call.id("account", AccountId::parse)?;
    let mode = call.form().parse("mode", RotationMode::parse)?;
    call.ctx.store().set_rotation(call.ctx.actor()?, &account, mode).await?;
    call.done(&format!("/targets/{target}/accounts/{account}"), "rotation.saved")
}

async fn ask(call: Call) -> Reply {
    let target = call.id("id", TargetId::parse)?;
    let account = call.id("account", AccountId::parse)?;
    call.ctx.store().ask_rotation(call.ctx.actor()?, &account).await?;
    call.done(&format!("/targets/{target}/accounts/{account}"), "rotation.asked")
}

async fn replay(call: Call) -> Reply {
    let found = super::find(&call).await?;
    let session = call.id("session", SessionId::parse)?;
    let robot = call.ctx.store().robot_session(call.ctx.actor()?, &session).await?;
    let account = found.accounts.iter().find(|account| account.id == robot.account).ok_or_else(Stop::not_found)?;
    let context = context! {
        target => context! { id => found.target.id.as_str(), title => found.target.title.as_str() },
        account => context! { id => account.id.as_str(), username => account.username.as_str() },
        robot => row(&call.ctx, &robot),
        need => crate::pages::viewings::need(&call.ctx, &session).await?,
    };
    call.page_titled("targets/exchange.html", &call.ctx.t("rotation.sessions"), context)
}

async fn fetch(call: Call) -> Reply {
    let session = call.id("session", SessionId::parse)?;
    let (store, actor) = (call.ctx.store(), call.ctx.actor()?);
    let robot = store.robot_session(actor, &session).await?;
    let replay = store.replay(actor, &session).await?;
    let end = robot.ended.unwrap_or_else(|| call.ctx.now());
    recording::send(&call, &session, robot.started.until(end), replay, VecDeque::new())
}

async fn api_list(call: Call) -> Reply {
    let target = call.id("id", TargetId::parse)?;
    let rotations = call.ctx.store().rotations(call.ctx.actor()?, &target).await?;
    let shape = |rotation: Rotation| {
        let Rotation { account, mode, asked, under_way, tries, done_at, last, .. } = rotation;
        RotationShape { account, mode, asked, under_way, tries, done_at, last }
    };
    call.answer(&rotations.into_iter().map(shape).collect::<Vec<_>>())
}

async fn api_set(call: Call) -> Reply {
    let account = call.id("account", AccountId::parse)?;
    let body: RotationBody = call.json()?;
    call.ctx.store().set_rotation(call.ctx.actor()?, &account, body.mode).await?;
    call.nothing()
}

async fn api_ask(call: Call) -> Reply {
    let account = call.id("account", AccountId::parse)?;
    call.ctx.store().ask_rotation(call.ctx.actor()?, &account).await?;
    call.nothing()
}
