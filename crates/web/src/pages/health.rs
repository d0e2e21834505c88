//! Whether the box is well: disk, log, recordings, clock, and what needs a hand.

use crate::call::Call;
use crate::routes::{Access, Route};
use crate::stop::Reply;
use crate::view::value;
use axum::http::Method;
use minijinja::context;
use schemars::JsonSchema;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_core::time::Timestamp;
use serde::Serialize;

const READ: Access = Access::May(Action::ReadLedger);
/// Free space at which the page warns, as a multiple of the reserve below which no session is admitted.
const WARN_AT: u64 = 4;
/// Milliseconds by which a clock may stand behind the log before somebody should look.
const CLOCK_SLACK_MS: u64 = 1000;

/// The routes.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::page("/health", READ, show),
        Route::api(Method::GET, "/api/v1/health", READ, "Whether the box is well.", api_show).gives::<HealthAnswer>(),
    ]
}

/// The state of the box.
#[derive(Serialize, JsonSchema)]
struct HealthAnswer {
    /// Free bytes on the disk of the data folder.
    disk_free: u64,
    /// Free bytes below which no session is admitted.
    disk_reserve: u64,
    /// Size of that disk.
    disk_size: u64,
    /// Entries in the log.
    log_size: u64,
    /// Entries that the published checkpoint covers.
    log_published: u64,
    /// When the last checkpoint was published.
    last_checkpoint: Option<Timestamp>,
    /// Sessions running now.
    running_sessions: u64,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// What the box takes for the present moment.
    clock: Timestamp,
    /// Milliseconds by which the clock stands behind the last entry of the log.
    clock_behind_ms: u64,
    /// Persons who are locked out.
    locked: u64,
    /// What needs a hand, one sentence each.
    problems: Vec<String>,
}

async fn read(call: &Call) -> Result<HealthAnswer, crate::stop::Stop> {
    let health = call.ctx.store().health(call.ctx.actor()?).await?;
    Ok(HealthAnswer {
        disk_free: health.disk_free,
        disk_size: health.disk_size,
        disk_reserve: limits::DISK_RESERVE_BYTES as u64,
        log_size: health.log_size,
        log_published: health.log_published,
        last_checkpoint: health.last_checkpoint,
        running_sessions: health.running_sessions,
        database: health.database,
        clock: health.clock,
        clock_behind_ms: health.clock_behind_ms,
        locked: health.locked,
        problems: health.problems,
    })
}

async fn show(call: Call) -> Reply {
    let health = read(&call).await?;
    let mut problems = Vec::new();
    if health.disk_free < health.disk_reserve {
        problems.push(call.ctx.t_with("health.full", &[("free", &crate::view::bytes(health.disk_free))]));
    }
    if health.clock_behind_ms > CLOCK_SLACK_MS {
        problems.push(call.ctx.t_with("health.clock_behind", &[("n", &(health.clock_behind_ms / 1000).to_string())]));
    }
    if health.problems.len() > problems.len() {
        problems.push(call.ctx.t("health.log_trouble"));
    }
    let (places, contradictions) = call.ctx.store().outside(call.ctx.actor()?).await?;
    let failing: Vec<&str> = places.iter().filter(|place| place.failing_since.is_some()).map(|place| place.name.as_str()).collect();
    let outside = match (places.len(), failing.len()) {
        (0, _) => call.ctx.t("outside.none"),
        (n, 0) => call.ctx.t_with("outside.well", &[("n", &n.to_string())]),
        _ => call.ctx.t_with("outside.failing", &[("places", &failing.join(", "))]),
    };
    problems.extend(contradictions.iter().map(|one| call.ctx.t_with("outside.contradicted_text", &[("place", &one.place), ("there", &one.there.to_string())])));
    problems.extend(places.iter().filter(|place| place.told).map(|place| {
        let since = place.failing_since.map(|at| at.minute()).unwrap_or_default();
        call.ctx.t_with("outside.failing_text", &[("place", &place.name), ("since", &since), ("entries", &place.entries.to_string()), ("trouble", place.trouble.as_deref().unwrap_or_default())])
    }));
    let state = call.ctx.store().clock_state();
    let by = |ms: i64| format!("{}{}.{}", if ms < 0 { "-" } else { "+" }, ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000 / 100);
    let time = match (state.servers, state.offset_ms) {
        (0, _) => call.ctx.t("outside.clock_none"),
        _ if state.stale => call.ctx.t("outside.clock_stale"),
        (n, None) => call.ctx.t_with("outside.clock_never", &[("n", &n.to_string())]),
        // The offset is what would have to be added to the clock; people say how far the clock itself is beside.
        (_, Some(offset)) => call.ctx.t_with("outside.clock_is", &[("by", &by(-offset)), ("n", &state.answered.to_string())]),
    };
    if let Some(offset) = state.offset_ms.filter(|_| state.off) {
        problems.push(call.ctx.t_with("outside.clock_off", &[("by", &by(-offset))]));
    }
    if let Some(held) = state.held_ms {
        problems.push(call.ctx.t_with("outside.clock_held", &[("by", &(held / 1000).to_string())]));
    }
    if !state.may_delete() {
        problems.push(call.ctx.t("keeping.clock_stops"));
    }
    let clear: Vec<String> = places.iter().filter_map(|place| place.clear_network.as_ref().map(|network| format!("{} ({network})", place.name))).collect();
    let outside = if clear.is_empty() { outside } else { format!("{outside} {}", call.ctx.t_with("outside.clear", &[("places", &clear.join(", "))])) };
    let stamps = stamps(&call).await?;
    let (archive, archive_trouble) = super::archive::health(&call.ctx).await?;
    problems.extend(archive_trouble);
    let care = call.ctx.store().care_state().await.map_err(sekisho_store::Denied::from)?;
    let mut checks = call.ctx.t_with("keeping.care_of", &[("checked", &care.checked.to_string()), ("kept", &care.kept.to_string())]);
    if let Some(last) = care.last {
        checks = format!("{checks} {}", call.ctx.t_with("keeping.care_last", &[("at", &last.minute())]));
    }
    if care.aside > 0 {
        problems.push(format!("{}: {}", call.ctx.t("keeping.aside"), call.ctx.t_with("keeping.n_recordings", &[("n", &care.aside.to_string())])));
    }
    let exposure = call.ctx.store().exposure(call.ctx.actor()?).await?;
    let found = exposure.findings.len();
    let exposure = match (exposure.at, found) {
        (None, _) => call.ctx.t("health.exposure_never"),
        (Some(_), 0) => call.ctx.t("health.exposure_well"),
        (Some(_), n) => call.ctx.t_with("health.exposure_found", &[("n", &n.to_string())]),
    };
    let outbox = call.ctx.store().outbox(call.ctx.actor()?).await?;
    let mail = match (outbox.set_up, outbox.waiting, outbox.failed) {
        (false, ..) => call.ctx.t("mail.not_set_up"),
        (true, 0, 0) => call.ctx.t("mail.well"),
        (true, 0, n) => call.ctx.t_with("mail.failed_text", &[("n", &n.to_string())]),
        (true, n, _) => call.ctx.t_with("mail.waiting_text", &[("n", &n.to_string())]),
    };
    if outbox.late > 0 {
        problems.push(call.ctx.t_with("mail.late_text", &[("n", &outbox.late.to_string()), ("hours", &limits::MAIL_LATE_HOURS.to_string())]));
    }
    // What works and is not yet as it should be: nothing fails, and yet nobody should read that all is well.
    let lacks = usize::from(places.is_empty()) + usize::from(state.servers == 0) + usize::from(!outbox.set_up) + found;
    let is_tight = health.disk_free < health.disk_reserve.saturating_mul(WARN_AT);
    call.page("health.html", "health.title", context! { checks, details => health.problems.clone(), problems, mail, exposure, archive, outside, time, stamps, health => value(health), is_tight, lacks })
}

/// How the time stamps stand.
async fn stamps(call: &Call) -> Result<String, crate::stop::Stop> {
    let ctx = &call.ctx;
    let Some(state) = ctx.store().timestamps().await.map_err(sekisho_store::Denied::from)? else { return Ok(ctx.t("outside.stamps_none")) };
    let mut text = match state.at {
        None => ctx.t_with("outside.stamps_never", &[("authority", &state.authority)]),
        Some(at) if state.local => ctx.t_with("outside.stamps_local", &[("entries", &state.entries.to_string()), ("at", &at.minute())]),
        Some(at) => {
            let by = format!("{:+.1}", -(state.offset_ms as f64) / 1000.0);
            ctx.t_with("outside.stamps_is", &[("entries", &state.entries.to_string()), ("at", &at.minute()), ("authority", &state.authority), ("by", &by)])
        }
    };
    if let Some(since) = state.failing_since {
        let failing = ctx.t_with("outside.stamps_failing", &[("since", &since.minute()), ("trouble", state.trouble.as_deref().unwrap_or_default())]);
        text = format!("{text} {failing}");
    }
    Ok(text)
}

async fn api_show(call: Call) -> Reply {
    call.answer(&read(&call).await?)
}
