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
    /// Entries in the log.
    log_size: u64,
    /// When the last checkpoint was published.
    last_checkpoint: Option<Timestamp>,
    /// Sessions running now.
    running_sessions: u64,
    /// `sqlite` or `postgres`.
    database: String,
    /// What the box takes for the present moment.
    clock: Timestamp,
    /// What needs a hand, one sentence each.
    problems: Vec<String>,
}

async fn read(call: &Call) -> Result<HealthAnswer, crate::stop::Stop> {
    let health = call.ctx.store().health().await;
    Ok(HealthAnswer {
        disk_free: health.disk_free,
        disk_reserve: limits::DISK_RESERVE_BYTES as u64,
        log_size: health.log_size,
        last_checkpoint: health.last_checkpoint,
        running_sessions: health.running_sessions as u64,
        database: health.database,
        clock: health.clock,
        problems: health.problems,
    })
}

async fn show(call: Call) -> Reply {
    let health = read(&call).await?;
    let is_tight = health.disk_free < health.disk_reserve.saturating_mul(4);
    call.page("health.html", "health.title", context! { health => value(health), is_tight })
}

async fn api_show(call: Call) -> Reply {
    call.answer(&read(&call).await?)
}
