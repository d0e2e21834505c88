//! The box in numbers, in the text form of Prometheus (OpenMetrics 1.0): for a token of monitoring, and for nobody without the
//! right. No name of a person, vendor or target stands in it.

use crate::call::{Call, answer};
use crate::routes::{Access, Route};
use crate::stop::Reply;
use axum::http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};
use sekisho_core::permission::Action;
use sekisho_store::Gauges;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route.
pub(crate) fn routes() -> Vec<Route> {
    vec![Route::api(Method::GET, "/api/v1/metrics", Access::May(Action::ReadMetrics), "The box in numbers, for Prometheus.", show).gives_file(TEXT)]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

type Labels = Vec<(String, String)>;

fn label(name: &str, value: &str) -> Labels {
    vec![(name.to_owned(), value.to_owned())]
}

/// A name, its explanation, its unit and its value.
type Plain = (&'static str, &'static str, Option<Unit>, u64);

fn written(gauges: &Gauges, version: &str) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("sekisho");
    let plain: [Plain; 9] = [
        ("sessions", "Sessions that run", None, gauges.sessions),
        ("log_entries", "Entries of the log", None, gauges.log_entries),
        ("log_unpublished_entries", "Entries that the published checkpoint does not cover", None, gauges.log_unpublished),
        ("recordings", "Recordings of sessions that ended", None, gauges.recordings),
        ("recordings_size", "Size of these recordings", Some(Unit::Bytes), gauges.recordings_bytes),
        ("disk_free", "Free space where the data folder lies", Some(Unit::Bytes), gauges.disk_free),
        ("disk_size", "Size of that disk", Some(Unit::Bytes), gauges.disk_size),
        ("mails_waiting", "Letters that wait for the mail server", None, gauges.mails_waiting),
        ("clock_behind", "How far the clock stands behind the last entry of the log", Some(Unit::Seconds), gauges.clock_behind),
    ];
    for (name, help, unit, value) in plain {
        let gauge = ConstGauge::new(number(value));
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, gauge),
            None => registry.register(name, help, gauge),
        }
    }
    if let Some(age) = gauges.checkpoint_age {
        registry.register_with_unit("checkpoint_age", "Time since the last checkpoint was signed", Unit::Seconds, ConstGauge::new(number(age)));
    }
    let build = Family::<Labels, Gauge>::default();
    build.get_or_create(&label("version", version)).set(1);
    registry.register("build", "The version of the program", build);
    let alarms = Family::<Labels, Gauge>::default();
    for (level, count) in &gauges.alarms {
        alarms.get_or_create(&label("level", level.as_str())).set(number(*count));
    }
    registry.register("alarms", "Alarms that are not closed", alarms);
    let refusals = Family::<Labels, Counter>::default();
    for (code, count) in &gauges.refusals {
        refusals.get_or_create(&label("code", code)).inc_by(*count);
    }
    registry.register("refusals", "Refusals since the start of the program", refusals);
    let (waiting, up) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for receiver in &gauges.receivers {
        waiting.get_or_create(&label("receiver", &receiver.name)).set(number(receiver.waiting));
        up.get_or_create(&label("receiver", &receiver.name)).set(i64::from(receiver.down_since.is_none()));
    }
    registry.register("receiver_waiting", "What waits for a receiver of alarms or events", waiting);
    registry.register("receiver_up", "1 if a receiver takes what it is handed", up);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

async fn show(call: Call) -> Reply {
    let gauges = call.ctx.store().gauges(call.ctx.actor()?).await?;
    let text = written(&gauges, &call.ctx.house.settings.version).unwrap_or_default();
    answer(StatusCode::OK, TEXT, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::alarm::Level;
    use sekisho_core::outgoing::Takes;
    use sekisho_store::ReceiverRow;
    use std::collections::BTreeMap;

    /// What Prometheus reads, line by line.
    #[test]
    fn the_numbers_are_written_as_monitoring_reads_them() {
        let gauges = Gauges {
            sessions: 2,
            log_entries: 1500,
            log_unpublished: 3,
            checkpoint_age: Some(42),
            recordings: 7,
            recordings_bytes: 123_456,
            disk_free: 1 << 30,
            disk_size: 1 << 34,
            mails_waiting: 1,
            alarms: BTreeMap::from([(Level::Notice, 4), (Level::Critical, 1)]),
            refusals: BTreeMap::from([("SKS-1001".to_owned(), 9)]),
            receivers: vec![ReceiverRow { name: "siem".into(), takes: Takes::Events, waiting: 12, down_since: None, trouble: None }],
            clock_behind: 0,
        };
        let text = written(&gauges, "0.1.0").unwrap();
        for line in [
            "sekisho_sessions 2",
            "sekisho_log_entries 1500",
            "sekisho_log_unpublished_entries 3",
            "sekisho_checkpoint_age_seconds 42",
            "sekisho_recordings_size_bytes 123456",
            "sekisho_disk_free_bytes 1073741824",
            "sekisho_alarms{level=\"critical\"} 1",
            "sekisho_refusals_total{code=\"SKS-1001\"} 9",
            "sekisho_receiver_waiting{receiver=\"siem\"} 12",
            "sekisho_receiver_up{receiver=\"siem\"} 1",
            "sekisho_build{version=\"0.1.0\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is missing in\n{text}");
        }
    }
}
