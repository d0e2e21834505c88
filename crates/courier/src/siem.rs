//! A syslog server as a receiver of pieces.
//!
//! Syslog has no acknowledgement. A batch counts as taken once the server, which has read everything by then, ended the connection
//! too; if that is missing the batch goes once more, and each piece has a number by which doubles can be told.

use crate::syslog::{ELEMENT, Element, Facility, Message, Severity, Syslog};
use sekisho_core::alarm::Level;
use sekisho_core::desk::Answer;
use sekisho_core::limits;
use sekisho_core::outgoing::{Handed, Piece, Receiver};
use std::time::Duration;

/// Names of parameters that are ours; a field of another name is left to the text.
const PARAMS: &[&str] = &["seq", "kind", "log", "actor", "via", "source", "session", "plan", "alarm", "event", "rule", "level", "count", "url"];

/// A syslog server that takes pieces.
pub struct Siem {
    server: Syslog,
    host: String,
}

impl Siem {
    /// Over a server; `host` is the name of this box in messages.
    #[must_use]
    pub fn new(server: Syslog, host: String) -> Self {
        Self { server, host }
    }

    fn message(&self, piece: &Piece) -> Message {
        let mut params = vec![("number", piece.number.to_string())];
        params.extend(piece.fields.iter().filter_map(|(name, value)| PARAMS.iter().find(|known| *known == name).map(|known| (*known, value.clone()))));
        Message {
            facility: if piece.kind == "alarm" { Facility::Alert } else { Facility::Audit },
            severity: match piece.level {
                Level::Notice => Severity::Notice,
                Level::Warning => Severity::Warning,
                Level::Critical => Severity::Critical,
            },
            at: piece.at,
            host: self.host.clone(),
            app: "sekisho".into(),
            msgid: piece.kind.clone(),
            data: vec![Element { id: ELEMENT, params }],
            text: piece.text.clone(),
        }
    }
}

impl Receiver for Siem {
    fn hand(&self, pieces: Vec<Piece>) -> Answer<'_, Handed> {
        Box::pin(async move {
            let messages: Vec<Message> = pieces.iter().map(|piece| self.message(piece)).collect();
            match tokio::time::timeout(Duration::from_secs(limits::RECEIVER_SECONDS as u64), self.server.hand_over(&messages)).await {
                Ok(Ok(())) => Handed::Taken,
                Ok(Err(why)) => Handed::Later(why),
                Err(_) => Handed::Later("it did not answer in time".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syslog::{SyslogSettings, Transport};
    use sekisho_core::time::Timestamp;

    #[test]
    fn a_piece_is_one_message_with_its_number_and_our_names_alone() {
        let transport = Transport::ClearTcp { network: "test".into() };
        let server = Syslog::new(SyslogSettings { server: "127.0.0.1".into(), port: 514, transport }).unwrap();
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let piece = Piece {
            number: 9,
            at: Timestamp(1_795_237_200_123),
            sent: Timestamp(0),
            level: Level::Warning,
            kind: "refused".into(),
            fields: vec![field("seq", "9"), field("actor", "a\"]b"), field("exampleOfOthers", "x")],
            text: "CEF:0|Sekisho".into(),
        };
        let written = String::from_utf8(Siem::new(server, "gateway.example".into()).message(&piece).written(None)).unwrap();
        assert_eq!(written, "<108>1 2026-11-21T14:00:00.123+09:00 gateway.example sekisho - refused [sekisho@32473 number=\"9\" seq=\"9\" actor=\"a\\\"\\]b\"] \u{feff}CEF:0|Sekisho");
    }
}
