//! Connections that forwards carried, and the bytes of those that were kept in full. Looking at them is viewing the
//! recording: the same right, the same fresh code, the same entries in the log.

use super::facts;
use crate::call::{Call, Ctx, download};
use crate::pages::plans::written;
use crate::routes::{Access, Route};
use crate::stop::{Reply, Stop};
use crate::view::value;
use axum::body::{Body, Bytes};
use axum::http::Method;
use minijinja::context;
use schemars::JsonSchema;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::permission::Action;
use sekisho_store::{FlowSeen, TakenFlow};
use serde::{Deserialize, Serialize};

/// Bytes in one line of the dump.
const LINE_BYTES: usize = 16;

pub(super) fn routes() -> Vec<Route> {
    let view = Access::MayStepUp(Action::ViewRecording);
    vec![
        Route::page("/sessions/{id}/forwards", view, list),
        Route::page("/sessions/{id}/forwards/{channel}", view, show),
        Route::page("/sessions/{id}/forwards/{channel}/bytes", view, take),
        Route::api(Method::GET, "/api/v1/sessions/{id}/forwards", view, "Connections that forwards carried. Asks for a fresh one-time code.", api_list).gives::<FlowsAnswer>(),
        Route::api(Method::GET, "/api/v1/sessions/{id}/forwards/{channel}/bytes", view, "What a forward kept in full carried in one direction. Asks for a fresh one-time code.", take)
            .query::<BytesAsk>()
            .gives_file("application/octet-stream"),
    ]
}

/// The query for the bytes of a connection.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read field by field from the query; this type describes them")]
struct BytesAsk {
    /// `up`, from the worker, or `down`, to the worker.
    way: String,
}

/// One connection.
#[derive(Serialize, JsonSchema)]
struct FlowAnswer {
    /// Number of its channel.
    channel: u32,
    /// Milliseconds from the start of the session.
    at_ms: u64,
    /// When it was closed.
    closed_ms: Option<u64>,
    /// `host:port`.
    place: String,
    /// Bytes from the worker.
    to_target: u64,
    /// Bytes to the worker.
    to_worker: u64,
    /// Bytes from the worker that the recording holds.
    kept_to_target: u64,
    /// Bytes to the worker that the recording holds.
    kept_to_worker: u64,
}

impl From<FlowSeen> for FlowAnswer {
    fn from(flow: FlowSeen) -> Self {
        let FlowSeen { channel, at_ms, closed_ms, place, to_target, to_worker, kept_to_target, kept_to_worker } = flow;
        Self { channel, at_ms, closed_ms, place, to_target, to_worker, kept_to_target, kept_to_worker }
    }
}

/// The connections of a session.
#[derive(Serialize, JsonSchema)]
struct FlowsAnswer {
    flows: Vec<FlowAnswer>,
    /// There were more than are listed.
    more: bool,
}

/// A connection as the pages show it.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "shown as they are")]
pub struct ConnectionView {
    pub channel: u32,
    pub at: String,
    pub seconds: u64,
    pub duration: String,
    pub place: String,
    pub up: String,
    pub down: String,
    pub kept_up: u64,
    pub kept_down: u64,
}

fn flow(ctx: &Ctx, seen: &FlowSeen) -> ConnectionView {
    ConnectionView {
        channel: seen.channel,
        at: written::position(seen.at_ms),
        seconds: seen.at_ms / 1000,
        duration: match seen.closed_ms {
            Some(closed) => written::position(closed.saturating_sub(seen.at_ms)),
            None => ctx.t("forwards.open"),
        },
        place: seen.place.clone(),
        up: written::size(seen.to_target.max(seen.kept_to_target)),
        down: written::size(seen.to_worker.max(seen.kept_to_worker)),
        kept_up: seen.kept_to_target,
        kept_down: seen.kept_to_worker,
    }
}

fn session(call: &Call) -> Result<SessionId, Stop> {
    call.id("id", SessionId::parse)
}

fn channel(call: &Call) -> Result<u32, Stop> {
    call.id("channel", |text| text.parse().ok())
}

/// True for `up`, from the worker to the target.
fn way(call: &Call) -> Result<bool, Stop> {
    call.query().parse("way", |text| match text {
        "up" => Some(true),
        "down" => Some(false),
        _ => None,
    })
}

async fn list(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let seen = call.ctx.store().flows(call.ctx.actor()?, &session(&call)?).await?;
    let flows: Vec<ConnectionView> = seen.flows.iter().map(|seen| flow(&call.ctx, seen)).collect();
    call.page("sessions/forwards.html", "forwards.title", context! { s => value(&s), flows => value(flows), more => seen.more })
}

async fn show(call: Call) -> Reply {
    let view = facts::view(&call).await?;
    let s = facts::page(&call, &view).await?;
    let to_target = if call.query().text("way").is_empty() { true } else { way(&call)? };
    let from = call.query().parse_opt("from", |text| text.parse::<u64>().ok())?.unwrap_or(0);
    let as_text = call.query().text("as") == "text";
    let part = call.ctx.store().flow_part(call.ctx.actor()?, &session(&call)?, channel(&call)?, to_target, from).await?;
    let total = if to_target { part.flow.kept_to_target } else { part.flow.kept_to_worker };
    let step = limits::FLOW_SHOWN_BYTES as u64;
    let end = from.saturating_add(part.bytes.len() as u64);
    let context = context! {
        s => value(&s),
        flow => value(flow(&call.ctx, &part.flow)),
        way => if to_target { "up" } else { "down" },
        shape => if as_text { "text" } else { "hex" },
        dump => if as_text { text(&part.bytes) } else { dump(from, &part.bytes) },
        total, from, end,
        first => from.saturating_add(1).min(end),
        before => (from > 0).then(|| from.saturating_sub(step)),
        after => (end < total && !part.bytes.is_empty()).then_some(end),
    };
    call.page("sessions/forward.html", "forwards.bytes_title", context)
}

async fn take(call: Call) -> Reply {
    let (id, channel, to_target) = (session(&call)?, channel(&call)?, way(&call)?);
    let taken = call.ctx.store().take_flow(call.ctx.actor()?, &id, channel, to_target).await?;
    let name = format!("{id}-{channel}-{}.bin", if to_target { "up" } else { "down" });
    download(&name, "application/octet-stream", Body::from_stream(pieces(taken)))
}

/// The pieces as they come. A recording that cannot be read further breaks the answer off, so that nobody takes the part
/// for the whole.
fn pieces(taken: TakenFlow) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold(Some(taken), |taken| async move {
        let mut taken = taken?;
        match taken.next().await? {
            Ok(piece) => Some((Ok(Bytes::from(piece)), Some(taken))),
            Err(denied) => Some((Err(std::io::Error::other(denied.to_string())), None)),
        }
    })
}

async fn api_list(call: Call) -> Reply {
    let seen = call.ctx.store().flows(call.ctx.actor()?, &session(&call)?).await?;
    call.answer(&FlowsAnswer { flows: seen.flows.into_iter().map(FlowAnswer::from).collect(), more: seen.more })
}

/// Lines of place, bytes and what of them can be printed, as dumps have them everywhere.
fn dump(from: u64, bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(LINE_BYTES).enumerate() {
        let at = from.saturating_add((number * LINE_BYTES) as u64);
        let mut hex: String = line.iter().enumerate().map(|(at, byte)| format!("{}{byte:02x}", if at == LINE_BYTES / 2 { "  " } else { " " })).collect();
        while hex.len() < LINE_BYTES * 3 + 1 {
            hex.push(' ');
        }
        let printed: String = line.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }).collect();
        text.push_str(&format!("{at:08x} {hex}  {printed}\n"));
    }
    text
}

/// The bytes as UTF-8, with a sign for whatever would act on a screen or is no text.
fn text(bytes: &[u8]) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => c,
        // The pictures of the control characters stand in their order.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() || is_direction(c) => '\u{fffd}',
        c => c,
    };
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars().map(visible).collect()
}

/// Characters that turn the order of what is read.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_place_bytes_and_letters() {
        let bytes: Vec<u8> = b"GET / HTTP/1.0\r\n\xff".to_vec();
        let expected = "00000010  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 30 0d 0a  GET / HTTP/1.0..\n00000020  ff                                                .\n";
        assert_eq!(dump(16, &bytes), expected);
        assert_eq!(dump(0, b""), "");
    }

    #[test]
    fn text_shows_what_would_act_on_a_screen() {
        assert_eq!(text("select 1;\r\n電子\x1b[31m\u{202e}x\0".as_bytes()), "select 1;\n電子\u{241b}[31m\u{fffd}x\u{2400}");
    }
}
