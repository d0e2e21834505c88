//! What the browser's viewer reads: one JSON message for each event (`ui/src/terminal/messages.ts`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::target::Function;
use sekisho_store::{Mark, Standing, Told, ViewEvent};
use serde_json::{Value, json};

/// The viewer knows terminals and file transfers; what SCP moves is shown as the latter.
fn kind(function: Function) -> &'static str {
    match function {
        Function::Shell => "shell",
        Function::Exec => "exec",
        Function::Sftp | Function::Scp | Function::Rsync => "sftp",
        Function::Forward => "forward",
    }
}

/// The first message of a live view, and the one after which the screens begin anew.
#[must_use]
pub fn hello() -> Value {
    json!({ "t": "hello", "at": 0, "channels": [] })
}

/// The first line of a recording. Times are milliseconds.
#[must_use]
pub fn head(session: &str, started: i64, duration: u64) -> Value {
    json!({ "t": "head", "session": session, "started": started, "duration": duration, "channels": [] })
}

/// A sentence of ours to the worker's terminal, which may have been written over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How the session stands: sent at the beginning and after each change.
#[must_use]
pub fn state(at_ms: u64, standing: &Standing) -> Value {
    json!({
        "t": "state", "at": at_ms, "stand": standing.state, "paused": standing.paused, "witness": standing.witness,
        "watchers": standing.watchers, "held": standing.held, "files": standing.held_files,
    })
}

/// What was said and done before the viewer came.
#[must_use]
pub fn talk(lines: &[Told]) -> Value {
    let lines: Vec<Value> = lines.iter().map(|told| json!({ "at": told.at_ms, "control": told.control })).collect();
    json!({ "t": "talk", "at": 0, "lines": lines })
}

/// A mark that was set after the session, as a line of the recording.
#[must_use]
pub fn later_mark(mark: &Mark) -> Value {
    json!({ "t": "control", "at": mark.at_ms, "later": true, "control": { "control": "marker", "by": mark.by, "text": mark.text } })
}

/// The last message, for an end whose event is missing. `cause` is in words.
#[must_use]
pub fn end(at_ms: u64, cause: &str) -> Value {
    json!({ "t": "end", "at": at_ms, "cause": cause })
}

/// The message for an event. `word` gives the words for a cause; `last_ms` is the time of the event before it, for
/// the events that have none of their own. `None` for what the viewer has no message for.
#[must_use]
pub fn of(event: &ViewEvent, last_ms: u64, word: &dyn Fn(&str) -> String) -> Value {
    match event {
        ViewEvent::Open { ch, at_ms, function, text, size } => {
            let (cols, rows) = size.unwrap_or((80, 24));
            json!({ "t": "open", "at": at_ms, "ch": ch, "kind": kind(*function), "text": text, "cols": cols, "rows": rows })
        }
        ViewEvent::Output { ch, at_ms, bytes } => json!({ "t": "out", "at": at_ms, "ch": ch, "data": STANDARD.encode(bytes) }),
        ViewEvent::Error { ch, at_ms, bytes } => json!({ "t": "err", "at": at_ms, "ch": ch, "data": STANDARD.encode(bytes) }),
        ViewEvent::Resize { ch, at_ms, cols, rows } => json!({ "t": "size", "at": at_ms, "ch": ch, "cols": cols, "rows": rows }),
        ViewEvent::Command { ch, at_ms, text } => json!({ "t": "cmd", "at": at_ms, "ch": ch, "text": text }),
        ViewEvent::File { ch, at_ms, file } => json!({
            "t": "file", "at": at_ms, "ch": ch, "op": file.op, "path": file.path, "bytes": file.bytes,
            "sha256": file.sha256.as_deref().unwrap_or_default(), "status": if file.ok { "ok" } else { "failed" },
        }),
        ViewEvent::Message { at_ms, text, .. } => json!({ "t": "note", "at": at_ms, "text": one_line(text) }),
        ViewEvent::Control { at_ms, control } => json!({ "t": "control", "at": at_ms, "control": control }),
        ViewEvent::Flow { ch, at_ms, to_target, to_worker } => json!({ "t": "flow", "at": at_ms, "ch": ch, "up": to_target, "down": to_worker }),
        ViewEvent::Close { ch, at_ms, exit } => json!({ "t": "close", "at": at_ms, "ch": ch, "exit": exit.strip_prefix("exit ").unwrap_or(exit) }),
        ViewEvent::Restart => hello(),
        ViewEvent::End { cause } => end(last_ms, &word(&format!("cause.{}", cause.as_str()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::desk::Cause;

    fn said(event: &ViewEvent) -> Value {
        of(event, 900, &|key| format!("<{key}>"))
    }

    #[test]
    fn bytes_travel_as_base64_and_never_as_text() {
        let event = ViewEvent::Output { ch: 1, at_ms: 5, bytes: vec![0xff, 0x1b, b'[', b'm'].into() };
        assert_eq!(said(&event), json!({ "t": "out", "at": 5, "ch": 1, "data": "/xtbbQ==" }));
    }

    #[test]
    fn a_channel_without_a_terminal_has_a_size_all_the_same() {
        let event = ViewEvent::Open { ch: 2, at_ms: 0, function: Function::Scp, text: "scp -t /tmp".into(), size: None };
        assert_eq!(said(&event), json!({ "t": "open", "at": 0, "ch": 2, "kind": "sftp", "text": "scp -t /tmp", "cols": 80, "rows": 24 }));
    }

    #[test]
    fn a_note_is_one_line() {
        let event = ViewEvent::Message { ch: 1, at_ms: 0, text: "録画中\r\nThis session is recorded.\r\n".into() };
        assert_eq!(said(&event)["text"], "録画中 This session is recorded.");
    }

    #[test]
    fn the_end_has_a_time_and_words() {
        assert_eq!(said(&ViewEvent::End { cause: Cause::WindowEnded }), json!({ "t": "end", "at": 900, "cause": "<cause.window_ended>" }));
        assert_eq!(said(&ViewEvent::Restart), hello());
    }
}
