//! 鍵だけの接続: a worker opens a key window with a fresh code, copies the lines, and closes it again.

use crate::call::{Call, Ctx};
use crate::form::Form;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::http::Method;
use minijinja::{Value, context};
use schemars::JsonSchema;
use sekisho_core::duty::DutyKind;
use sekisho_core::ids::{KeyWindowId, PlanId, TargetId, WorkerKeyId};
use sekisho_core::key_window::KeyWindow;
use sekisho_core::permission::Action;
use sekisho_core::plan::content::TargetUse;
use sekisho_core::target::Function;
use sekisho_store::KeyWindowAsk;
use serde::{Deserialize, Serialize};

const PATH: &str = "/account/key_windows";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let open = Access::MayStepUp(Action::OpenKeyWindow);
    vec![
        Route::page(PATH, Access::May(Action::OpenKeyWindow), show),
        Route::form(PATH, open, submit).again(show),
        Route::form("/account/key_windows/{id}/close", Access::LoggedIn, close),
        Route::api(Method::GET, "/api/v1/key_windows", Access::May(Action::ReadSession), "Key windows that are open: one's own, all of them for the hospital.", api_list).gives::<Vec<KeyWindow>>(),
        Route::api(Method::POST, "/api/v1/key_windows", open, "Open a key window from this address.", api_open).takes::<Ask>().gives::<KeyWindow>(),
        Route::api(Method::DELETE, "/api/v1/key_windows/{id}", Access::LoggedIn, "Close a key window: one's own, or any for those who may cut sessions.", api_close),
    ]
}

/// A key window to open.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The plan that allows it.
    plan: PlanId,
    /// The one target.
    target: TargetId,
    /// The one key.
    key: WorkerKeyId,
    /// For how many minutes.
    minutes: u32,
}

/// A window as a page shows it.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub(crate) struct Open {
    pub id: String,
    pub person: String,
    pub target: String,
    pub source: String,
    pub plan: String,
    pub number: String,
    pub fingerprint: String,
    pub until: i64,
    pub used: u32,
    pub mine: bool,
    pub lines: Vec<Line>,
}

/// A line to copy.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub(crate) struct Line {
    pub function: &'static str,
    pub text: String,
}

/// Where a window can be opened: a target of an open plan.
#[derive(Debug, Serialize)]
struct Place {
    value: String,
    label: String,
}

/// The windows that are open and that the reader may see.
pub(crate) async fn open(ctx: &Ctx) -> Result<Vec<Open>, Stop> {
    if !ctx.may(Action::ReadSession) {
        return Ok(Vec::new());
    }
    let actor = ctx.actor()?;
    let shown = |window: KeyWindow| Open {
        mine: actor.is_person(&window.person),
        id: window.id.to_string(),
        person: window.person_name,
        target: window.target_name,
        source: window.source.to_string(),
        plan: window.plan.to_string(),
        number: window.plan_number,
        fingerprint: window.fingerprint,
        until: window.ends_at.0,
        used: window.used,
        lines: Vec::new(),
    };
    Ok(ctx.store().key_windows(actor).await?.into_iter().map(shown).collect())
}

/// The lines that a worker copies, for the functions that the plan allows. All names have checked forms.
fn lines(ctx: &Ctx, window: &KeyWindow, used: &TargetUse) -> Vec<Line> {
    let settings = &ctx.house.settings;
    let (host, port) = (&settings.ssh_host, settings.ssh_port);
    let place = format!("{}+{}+{}@{host}", window.login, window.target_name, window.plan_number);
    let quiet = "-o BatchMode=yes";
    let line = |function: Function| {
        let text = match function {
            Function::Shell => format!("ssh -p {port} {quiet} {place}"),
            Function::Exec => format!("ssh -p {port} {quiet} {place} COMMAND"),
            Function::Sftp => format!("sftp -P {port} {quiet} -b BATCHFILE {place}"),
            Function::Scp => format!("scp -O -P {port} {quiet} FILE {place}:PATH"),
            Function::Rsync => format!("rsync -e 'ssh -p {port} {quiet}' FILE {place}:PATH"),
            Function::Forward => {
                let to = used.forwards.first()?;
                format!("ssh -p {port} {quiet} -N -L {}:{}:{} {place}", to.port, to.host, to.port)
            }
        };
        Some(Line { function: function.as_str(), text })
    };
    used.functions.iter().filter_map(|function| line(*function)).collect()
}

async fn show(call: Call) -> Reply {
    let ctx = &call.ctx;
    let (store, actor) = (ctx.store(), ctx.actor()?);
    let mut places = Vec::new();
    for duty in store.duties(actor).await?.iter().filter(|duty| duty.kind == DutyKind::Work) {
        let view = store.plan(actor, &duty.plan).await?;
        let (from, until) = view.plan.window();
        if from > ctx.now() || until <= ctx.now() {
            continue;
        }
        for used in view.plan.content.targets.iter().filter(|used| used.key_window) {
            let Some(target) = view.targets.get(&used.target) else { continue };
            places.push(Place { value: format!("{}/{}", duty.plan, used.target), label: format!("{}({}) ・ {} {}", target.title, target.name, duty.number, duty.title) });
        }
    }
    let mut windows = Vec::new();
    for (window, mut shown) in store.key_windows(actor).await?.into_iter().zip(open(ctx).await?).filter(|(_, shown)| shown.mine) {
        let view = store.plan(actor, &window.plan).await?;
        shown.lines = view.plan.content.target(&window.target).map(|used| lines(ctx, &window, used)).unwrap_or_default();
        windows.push(shown);
    }
    let most = store.policy().key_window_minutes;
    let minutes: Vec<(String, String)> = [1, 2, 5, 10, 15, 30, 60]
        .into_iter()
        .filter(|minutes| *minutes < most)
        .chain([most])
        .map(|minutes| (minutes.to_string(), ctx.t_with("plans.minutes", &[("n", &minutes.to_string())])))
        .collect();
    let keys: Vec<(String, String)> = store
        .my_keys(actor)
        .await?
        .into_iter()
        .map(|key| (key.id.to_string(), format!("{} {}", if key.comment.is_empty() { key.algorithm } else { key.comment }, key.fingerprint)))
        .collect();
    let mut first = Form::default();
    first.push("place", ctx_place(&call));
    first.push("minutes", most.min(5).to_string());
    let places: Vec<(String, String)> = places.into_iter().map(|place| (place.value, place.label)).collect();
    call.page(
        "account/key_windows.html",
        "key_window.title",
        context! {
            form => Value::from_object(call.typed_or(first)),
            windows => value(windows),
            places => value(places),
            keys => value(keys),
            minutes => value(minutes),
            most,
            source => actor.source.as_deref().unwrap_or_default(),
        },
    )
}

/// The place that the link to this page named.
fn ctx_place(call: &Call) -> String {
    call.query().text("place").chars().take(64).collect()
}

async fn submit(call: Call) -> Reply {
    let form = call.form();
    let place = |text: &str| {
        let (plan, target) = text.split_once('/')?;
        Some((PlanId::parse(plan)?, TargetId::parse(target)?))
    };
    let (plan, target) = form.parse("place", place)?;
    let key = form.parse("key", WorkerKeyId::parse)?;
    let minutes = form.parse("minutes", |text| text.parse().ok())?;
    call.ctx.store().open_key_window(call.ctx.actor()?, KeyWindowAsk { plan, target, key, minutes }).await?;
    call.done(PATH, "key_window.opened")
}

async fn close(call: Call) -> Reply {
    let id = call.id("id", KeyWindowId::parse)?;
    let actor = call.ctx.actor()?;
    call.ctx.store().close_key_window(actor, &id).await?;
    call.done(if actor.is_hospital() { "/" } else { PATH }, "key_window.closed")
}

async fn api_list(call: Call) -> Reply {
    call.answer(&call.ctx.store().key_windows(call.ctx.actor()?).await?)
}

async fn api_open(call: Call) -> Reply {
    let Ask { plan, target, key, minutes } = call.json()?;
    call.answer(&call.ctx.store().open_key_window(call.ctx.actor()?, KeyWindowAsk { plan, target, key, minutes }).await?)
}

async fn api_close(call: Call) -> Reply {
    let id = call.id("id", KeyWindowId::parse)?;
    call.ctx.store().close_key_window(call.ctx.actor()?, &id).await?;
    call.nothing()
}
