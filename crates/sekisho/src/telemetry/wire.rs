//! The bytes of an `ExportTraceServiceRequest` (opentelemetry-proto 1, `trace_service.proto` and `trace.proto`). Protocol buffers
//! are fields, each a number with its kind and a value; these few need no generated code. The street test reads them with the
//! classes that OpenTelemetry publishes.

use super::Span;

/// Name of the part of the program that marks the steps.
const SCOPE: &str = "sekisho.road";
/// A step within the program; one that answers somebody from outside.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
/// An error, as a state.
const ERROR: u64 = 2;

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field whose value is a number.
fn varint(out: &mut Vec<u8>, field: u64, value: u64) {
    number(out, field << 3);
    number(out, value);
}

/// One of eight bytes.
fn fixed(out: &mut Vec<u8>, field: u64, value: u64) {
    number(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// One of bytes: a text, or a message of its own.
fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    number(out, field << 3 | 2);
    number(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn attribute(name: &str, text: &str) -> Vec<u8> {
    let (mut value, mut pair) = (Vec::new(), Vec::new());
    bytes(&mut value, 1, text.as_bytes());
    bytes(&mut pair, 1, name.as_bytes());
    bytes(&mut pair, 2, &value);
    pair
}

fn span(one: &Span) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, &one.trace);
    bytes(&mut out, 2, &one.id);
    if let Some(parent) = one.parent {
        bytes(&mut out, 4, &parent);
    }
    bytes(&mut out, 5, one.name.as_bytes());
    varint(&mut out, 6, if one.parent.is_none() { SERVER } else { INTERNAL });
    fixed(&mut out, 7, one.began);
    fixed(&mut out, 8, one.ended);
    for (name, text) in &one.attributes {
        bytes(&mut out, 9, &attribute(&format!("sekisho.{name}"), text));
    }
    let failed = one.attributes.iter().any(|(name, text)| *name == "status" && text.starts_with('5') || *name == "outcome" && text == "fault");
    if failed {
        let mut state = Vec::new();
        varint(&mut state, 3, ERROR);
        bytes(&mut out, 15, &state);
    }
    out
}

/// One message of spans.
pub fn message(resource: &[(&'static str, String)], version: &str, spans: &[Span]) -> Vec<u8> {
    let (mut source, mut scope, mut by_scope, mut by_source, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, text) in resource {
        bytes(&mut source, 1, &attribute(name, text));
    }
    bytes(&mut scope, 1, SCOPE.as_bytes());
    bytes(&mut scope, 2, version.as_bytes());
    bytes(&mut by_scope, 1, &scope);
    for one in spans {
        bytes(&mut by_scope, 2, &span(one));
    }
    bytes(&mut by_source, 1, &source);
    bytes(&mut by_source, 2, &by_scope);
    bytes(&mut whole, 1, &by_source);
    whole
}
