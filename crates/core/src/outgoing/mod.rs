//! What goes out to other systems: alarms and entries of the log, as pieces that a receiver takes one after the other.
//!
//! The seam to whoever carries them is [`Receiver`]. A receiver that is slow, down or wrong holds up nobody else: each has a
//! queue of its own.

mod event;

pub use event::{Format, discreet, event, shortened};

use crate::alarm::{AlarmState, Level, Subject, What};
use crate::desk::Answer;
use crate::ids::AlarmId;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a receiver takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Alarms, and what becomes of them.
    #[default]
    Alarms,
    /// Every entry of the log.
    Events,
}

/// A receiver, as far as the store needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverAsk {
    /// Its name in the configuration.
    pub name: String,
    /// What it takes.
    pub takes: Takes,
    /// The least level of alarms that it takes.
    pub level: Level,
    /// The form in which entries go to it.
    pub format: Format,
    /// It takes the log from its first entry on, and not only what comes after it was named.
    pub from_start: bool,
}

/// One piece for a receiver. Its number is its own for ever: who gets a piece twice can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The number: of an entry, or of an alarm's piece in the queue of its receiver.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// When it is sent.
    pub sent: Timestamp,
    /// How grave it is.
    pub level: Level,
    /// Its kind: of a fact, or `alarm`.
    pub kind: String,
    /// Names and values, for receivers that know fields.
    pub fields: Vec<(String, String)>,
    /// The content, of one line.
    pub text: String,
}

/// What became of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed {
    /// The receiver took all of them.
    Taken,
    /// It did not, in words of one line; they stay in the queue.
    Later(String),
    /// It took those before this piece and refuses this very one, as it would each time.
    Refused {
        /// The number of the piece.
        number: u64,
        /// What it says, in words of one line.
        why: String,
    },
}

impl Piece {
    /// The same without any words of others, for a receiver that refuses those: the number, the kind, and where to look.
    #[must_use]
    pub fn bare(&self) -> Self {
        let ours = ["alarm", "event", "rule", "level", "url", "seq"];
        let fields: Vec<(String, String)> = self.fields.iter().filter(|(name, _)| ours.contains(&name.as_str())).cloned().collect();
        let mut json = serde_json::json!({ "version": 1, "number": self.number, "kind": self.kind, "bare": true });
        for (name, value) in &fields {
            json[name.as_str()] = value.as_str().into();
        }
        Self { fields, text: json.to_string(), ..self.clone() }
    }
}

/// Carries pieces to one receiver.
pub trait Receiver: Send + Sync {
    /// Hands pieces over, in their order. An answer of [`Handed::Later`] may mean that some arrived.
    fn hand(&self, pieces: Vec<Piece>) -> Answer<'_, Handed>;
}

/// What is told of an alarm.
pub struct AlarmTold<'a> {
    /// Name of the facility.
    pub facility: &'a str,
    /// `raised`, `escalated`, `acknowledged`, `closed`.
    pub event: &'a str,
    /// Which.
    pub id: &'a AlarmId,
    /// What happened.
    pub what: &'a What,
    /// How grave it is.
    pub level: Level,
    /// How it stands.
    pub state: AlarmState,
    /// How many entries it stands for.
    pub count: u64,
    /// When it was raised.
    pub opened_at: Timestamp,
    /// The last of its entries.
    pub last_at: Timestamp,
    /// What it is about.
    pub subject: &'a Subject,
    /// Address of its page.
    pub url: String,
    /// Who acted, if somebody did.
    pub by: &'a str,
    /// What they said.
    pub note: &'a str,
}

impl AlarmTold<'_> {
    /// As a piece with this number. Its text is JSON; `docs/formats/outgoing.md` describes it.
    #[must_use]
    pub fn piece(&self, number: u64, now: Timestamp) -> Piece {
        let (ja, en, rule) = (self.what.ja(), self.what.en(), self.what.rule());
        let json = serde_json::json!({
            "version": 1,
            "number": number,
            "event": self.event,
            "facility": self.facility,
            "alarm": {
                "id": self.id,
                "rule": rule,
                "title": { "ja": rule.ja(), "en": rule.en() },
                "level": self.level,
                "state": self.state,
                "count": self.count,
                "opened_at": self.opened_at.rfc3339(),
                "last_at": self.last_at.rfc3339(),
                "what": { "ja": ja.what, "en": en.what },
                "why": { "ja": ja.why, "en": en.why },
                "subject": self.subject,
                "url": self.url,
            },
            "by": self.by,
            "note": self.note,
        });
        let field = |name: &str, value: String| (name.to_owned(), value);
        let fields = vec![
            field("alarm", self.id.to_string()),
            field("event", self.event.to_owned()),
            field("rule", rule.as_str().to_owned()),
            field("level", self.level.as_str().to_owned()),
            field("count", self.count.to_string()),
            field("url", self.url.clone()),
        ];
        Piece { number, at: self.last_at, sent: now, level: self.level, kind: "alarm".into(), fields, text: json.to_string() }
    }
}
