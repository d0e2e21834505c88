//! Suricata's EVE: what a sensor saw on the wire of logins that a device does not tell of itself.

use crate::clock;
use crate::limits;
use crate::login::{Kind, TargetLogin, Way, address, bounded};
use sekisho_core::time::Timestamp;
use serde_json::Value;

/// First number of the rules that Sekisho's own rule files have.
const OWN_RULES: u64 = 9_000_000;

/// The sensor's name, the time, and the connection that it tells of.
pub fn read(value: &Value) -> (String, Option<Timestamp>, Option<TargetLogin>) {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let port = |name: &str| value.get(name).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let (host, at) = (bounded(text("host"), limits::NAME_CHARS), clock::iso(text("timestamp"), 0));
    let service = match text("event_type") {
        "ssh" => "ssh",
        "rdp" => "rdp",
        // A flow that ended: only one in which the other side spoke is a visit.
        "flow" if value.pointer("/flow/pkts_toclient").and_then(Value::as_u64).unwrap_or(0) > 0 => match text("app_proto") {
            // Shares and databases are everyday, and their own logs tell of them.
            proto @ ("ssh" | "rdp" | "telnet" | "rfb") => proto,
            _ => return (host, at, None),
        },
        "alert" if value.pointer("/alert/signature_id").and_then(Value::as_u64).is_some_and(|id| id >= OWN_RULES) => "alert",
        _ => return (host, at, None),
    };
    let handle = value.get("flow_id").and_then(Value::as_u64).map(|id| id.to_string()).unwrap_or_default();
    let login = TargetLogin::new(Kind::Opened, Way::Wire)
        .method(service)
        .from(address(text("src_ip")), port("src_port"))
        .to(address(text("dest_ip")), port("dest_port"))
        .handle(&handle);
    (host, at, Some(login))
}
