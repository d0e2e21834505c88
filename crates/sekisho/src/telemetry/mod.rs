//! Traces for a collector of the hospital: OpenTelemetry's own form (OTLP 1, protobuf over HTTP), off unless the configuration
//! names a collector.
//!
//! What the gateway and the pages mark as steps of a road (target `road`) is gathered by a layer of the subscriber, which lives
//! here alone. It takes the attributes of a closed list, none of which is a name, an address or a secret; where the collector is
//! slow or away, spans are dropped and counted, and nobody waits.

mod wire;

use crate::clock::nanoseconds;
use crate::config::Config;
use crate::post::read;
use anyhow::{Context as _, Result};
use sekisho_courier::exchange::Exchange;
use serde::Deserialize;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What marks a step of a road.
pub const ROAD: &str = "road";
/// Spans that wait for the collector.
const WAITING: usize = 4_096;
/// Spans of one message.
const AT_ONCE: usize = 256;
/// Time for which spans are gathered into one message.
const GATHER: Duration = Duration::from_secs(5);
/// Tries of one message.
const TRIES: u32 = 3;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two sentences of the program's log about what is wrong.
const QUIET: Duration = Duration::from_secs(600);
/// Answer of the collector that is read.
const ANSWER: usize = 16 * 1024;
/// Characters of an attribute.
const CHARS: usize = 96;
/// The attributes that leave: identifiers and closed words. Whatever else a step is marked with stays here.
const ATTRIBUTES: [&str; 6] = ["session", "method", "route", "status", "outcome", "kind"];

/// Section `[telemetry]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySection {
    /// The collector: `https://…` or `http://…`; `/v1/traces` is put behind it. Empty for none.
    pub url: String,
    /// Authorities that may have issued its certificate, PEM; for `https://`.
    pub ca_file: PathBuf,
}

impl TelemetrySection {
    /// What keeps the section from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.url.is_empty() && !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            found.push("telemetry.url は https:// か http:// で始めてください。 / telemetry.url must begin with https:// or http://".into());
        }
        if self.url.starts_with("https://") == self.ca_file.as_os_str().is_empty() {
            found.push("telemetry.url が https:// のときは、収集先の証明書を発行した認証局のファイルを telemetry.ca_file に書いてください。http:// のときは消してください。 / telemetry.ca_file goes with an https:// address: the authority that issued the collector's certificate".into());
        }
        if self.url.is_empty() { Vec::new() } else { found }
    }
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    name: &'static str,
    /// Nanoseconds since 1970.
    began: u64,
    ended: u64,
    attributes: Vec<(&'static str, String)>,
}

/// A layer of the subscriber that gathers the steps of roads.
pub struct Traces {
    sender: Sender<Span>,
    dropped: Arc<AtomicU64>,
}

/// Hands over what the layer gathers.
pub struct Exporter {
    receiver: Receiver<Span>,
    dropped: Arc<AtomicU64>,
    way: Exchange,
    resource: Vec<(&'static str, String)>,
}

/// The layer, and who hands over; `None` where no collector is named.
///
/// # Errors
/// A file cannot be read, or what it holds cannot be used.
pub fn prepare(config: &Config) -> Result<Option<(Traces, Exporter)>> {
    let section = &config.telemetry;
    if section.url.is_empty() {
        return Ok(None);
    }
    let authorities = if section.ca_file.as_os_str().is_empty() { None } else { Some(read(&section.ca_file).context("telemetry.ca_file cannot be read")?) };
    let url = format!("{}/v1/traces", section.url.trim_end_matches('/'));
    let way = Exchange::new(&url, authorities.as_deref()).map_err(anyhow::Error::msg).context("telemetry.url")?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let resource = vec![("service.name", "sekisho".to_owned()), ("service.version", env!("CARGO_PKG_VERSION").to_owned()), ("service.instance.id", config.facility.id.clone())];
    Ok(Some((Traces { sender, dropped: Arc::clone(&dropped) }, Exporter { receiver, dropped, way, resource })))
}

/// A number that is not the one before; nothing rests on whether somebody guesses it.
fn number() -> [u8; 8] {
    loop {
        let number = RandomState::new().build_hasher().finish();
        if number != 0 {
            return number.to_be_bytes();
        }
    }
}

/// Whether a span or an event is a step of a road.
#[must_use]
pub fn is_road(metadata: &Metadata<'_>) -> bool {
    metadata.target() == ROAD
}

/// Takes the attributes that may leave.
struct Taking<'a>(&'a mut Vec<(&'static str, String)>);

impl Taking<'_> {
    fn take(&mut self, field: &Field, text: &str) {
        let Some(name) = ATTRIBUTES.into_iter().find(|name| *name == field.name()) else { return };
        let text = text.chars().take(CHARS).collect();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = text,
            None => self.0.push((name, text)),
        }
    }
}

impl Visit for Taking<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span.parent().and_then(|parent| parent.extensions().get::<Span>().map(|above| (above.trace, above.id)));
        let trace = above.map_or_else(
            || {
                let mut trace = [0; 16];
                trace[..8].copy_from_slice(&number());
                trace[8..].copy_from_slice(&number());
                trace
            },
            |(trace, _)| trace,
        );
        let mut taken = Vec::new();
        attributes.record(&mut Taking(&mut taken));
        let step = Span { trace, id: number(), parent: above.map(|(_, id)| id), name: span.name(), began: nanoseconds(), ended: 0, attributes: taken };
        span.extensions_mut().insert(step);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(step) = span.extensions_mut().get_mut::<Span>() {
            values.record(&mut Taking(&mut step.attributes));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(mut step) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Span>()) else { return };
        step.ended = nanoseconds().max(step.began);
        if self.sender.try_send(step).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exporter {
    /// Hands over until the program ends. Run it once, as a task.
    pub async fn run(mut self) {
        let mut spans = Vec::with_capacity(AT_ONCE);
        let (mut told, mut lost) = (None::<tokio::time::Instant>, 0_u64);
        loop {
            if self.receiver.recv_many(&mut spans, AT_ONCE).await == 0 {
                return;
            }
            // Some more of the same road go with it.
            let until = tokio::time::Instant::now() + GATHER;
            while spans.len() < AT_ONCE {
                let room = AT_ONCE - spans.len();
                match tokio::time::timeout_at(until, self.receiver.recv_many(&mut spans, room)).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            let count = spans.len() as u64;
            let body = wire::message(&self.resource, env!("CARGO_PKG_VERSION"), &spans);
            spans.clear();
            let mut why = String::new();
            let mut taken = false;
            for nth in 0..TRIES {
                if nth > 0 {
                    tokio::time::sleep(PAUSE).await;
                }
                match self.way.hand("application/x-protobuf", body.clone(), ANSWER).await {
                    Ok((status, _)) if (200..300).contains(&status) => {
                        taken = true;
                        break;
                    }
                    Ok((status, _)) => {
                        why = format!("it answered {status}");
                        // Of these no other try changes anything (OTLP: only 429, 502, 503 and 504 are tried again).
                        if !matches!(status, 429 | 502 | 503 | 504) {
                            break;
                        }
                    }
                    Err(words) => why = words,
                }
            }
            if !taken {
                lost += count;
            }
            lost += self.dropped.swap(0, Ordering::Relaxed);
            if lost > 0 && told.is_none_or(|told| told.elapsed() >= QUIET) {
                tracing::warn!(lost, why, "spans did not reach the collector of traces and are dropped");
                (told, lost) = (Some(tokio::time::Instant::now()), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn gathered(most: usize, steps: impl FnOnce()) -> (Vec<Span>, u64) {
        let (sender, mut receiver) = mpsc::channel(most);
        let dropped = Arc::new(AtomicU64::new(0));
        let layer = Traces { sender, dropped: Arc::clone(&dropped) }.with_filter(tracing_subscriber::filter::filter_fn(is_road));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), steps);
        let mut spans = Vec::new();
        while let Ok(span) = receiver.try_recv() {
            spans.push(span);
        }
        (spans, dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn steps_of_one_road_are_one_trace_and_nothing_but_identifiers_leaves() {
        let (spans, dropped) = gathered(10, || {
            let road = tracing::info_span!(target: "road", "arrive", session = tracing::field::Empty, login = "sato", password = "secret");
            let _in = road.enter();
            tracing::info_span!("elsewhere", session = "ses-0").in_scope(|| {});
            tracing::info_span!(target: "road", "dial", outcome = "connected", host = "10.0.0.1").in_scope(|| {});
            road.record("session", "ses-1");
        });
        assert_eq!((spans.len(), dropped), (2, 0));
        let (dial, road) = (&spans[0], &spans[1]);
        assert_eq!((dial.name, road.name, dial.trace, dial.parent, road.parent), ("dial", "arrive", road.trace, Some(road.id), None));
        assert_eq!((dial.attributes.as_slice(), road.attributes.as_slice()), ([("outcome", "connected".to_owned())].as_slice(), [("session", "ses-1".to_owned())].as_slice()));
        assert!(road.began <= dial.began && dial.ended <= road.ended);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let (spans, dropped) = gathered(3, || {
            for _ in 0..10 {
                tracing::info_span!(target: "road", "request").in_scope(|| {});
            }
        });
        assert_eq!((spans.len(), dropped), (3, 7));
    }

    #[test]
    fn a_collector_needs_an_authority_by_https_and_none_without() {
        let section = |url: &str, ca: &str| TelemetrySection { url: url.into(), ca_file: ca.into() }.problems().len();
        assert_eq!((section("", ""), section("http://127.0.0.1:4318", ""), section("https://otel.example", "/ca.pem")), (0, 0, 0));
        assert_eq!((section("https://otel.example", ""), section("ftp://x", ""), section("http://x", "/ca.pem")), (1, 1, 1));
    }
}
