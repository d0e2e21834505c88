//! Lines of many makers, read for what they tell of logins.

mod eve;
mod network;
mod postgres;
mod unix;
mod windows;

use crate::header::{self, Header};
use crate::login::{TargetLogin, bounded};
use crate::limits;
use sekisho_core::time::Timestamp;
use serde_json::Value;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which host it says it is of; empty if it does not say.
    pub host: String,
    /// When, by the device's clock.
    pub at: Option<Timestamp>,
    /// The login that it tells of, if it tells of one.
    pub login: Option<TargetLogin>,
}

/// Reads one message. `zone_minutes` is the offset of a source that writes none.
#[must_use]
pub fn read(line: &[u8], received: Timestamp, zone_minutes: i32) -> Reading {
    let cut = line.get(..limits::MESSAGE_BYTES).unwrap_or(line);
    let text = String::from_utf8_lossy(cut);
    let header = header::read(&text, received, zone_minutes);
    // What these programs write is never an object; whoever makes it look like one hides something.
    let json = if is_of_unix(header.program) { None } else { json_of(header.text) };
    let (host, at, login) = match &json {
        Some(value) => of_json(value, zone_minutes),
        None => (String::new(), None, of_text(&header)),
    };
    // An event that was forwarded names its own host; the head is that of whoever passed it on.
    let host = if host.is_empty() { bounded(header.host, limits::NAME_CHARS) } else { host };
    let at = at.or(header.at);
    let login = login.map(|login| TargetLogin { at: login.at.or(at), host: if login.host.is_empty() { host.clone() } else { login.host.clone() }, ..login });
    Reading { host, at, login }
}

/// The message as JSON, if it is an object; some senders put a word such as `@cee:` before it.
fn json_of(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.strip_prefix("@cee:").map_or(text, str::trim_start);
    // NXLog and others put their tag before it: one word.
    let object = match text.split_once(char::is_whitespace) {
        _ if text.starts_with('{') => text,
        Some((tag, rest)) if tag.chars().count() <= limits::NAME_CHARS && !tag.contains(['{', '"', '=']) && rest.trim_start().starts_with('{') => rest.trim_start(),
        _ => return None,
    };
    let value: Value = serde_json::from_str(object).ok()?;
    value.is_object().then_some(value)
}

/// Programs of Unix systems whose words are read.
fn is_of_unix(program: &str) -> bool {
    matches!(program, "sshd" | "sshd-session" | "sshd-auth" | "dropbear" | "sudo" | "su" | "su-l" | "login" | "gdm-password" | "lightdm" | "sddm" | "systemd-logind")
}

fn of_json(value: &Value, zone_minutes: i32) -> (String, Option<Timestamp>, Option<TargetLogin>) {
    if value.get("event_type").is_some() && value.get("src_ip").is_some() {
        return eve::read(value);
    }
    windows::read(value, zone_minutes)
}

/// An event of Windows whose names stand beside each other. Its own time is UTC.
pub(crate) fn of_windows(value: &Value) -> (String, Option<Timestamp>, Option<TargetLogin>) {
    windows::read(value, 0)
}

fn of_text(header: &Header<'_>) -> Option<TargetLogin> {
    let login = match header.program {
        program if is_of_unix(program) => unix::read(header),
        program if program.starts_with("postgres") => postgres::read(header.text),
        // Devices of the network name no program; some put a number in its place. Whatever has a name is not theirs.
        program if program.bytes().all(|byte| byte.is_ascii_digit()) => network::read(header.text).or_else(|| postgres::read(header.text)),
        _ => None,
    };
    login.map(|login| {
        let handle = header.process.map(|process| process.to_string()).filter(|_| login.handle.is_empty());
        match handle {
            Some(handle) => login.handle(&handle),
            None => login,
        }
    })
}

#[cfg(test)]
mod golden_test;
