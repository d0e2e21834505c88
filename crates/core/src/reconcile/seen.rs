//! What happened in a session, as far as a plan can be held against it.

use crate::ids::{PersonId, SessionId, TargetId};
use crate::refusal::Refusal;
use crate::target::{Function, Witness};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What happened in one session, as the recording and the log tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFacts {
    /// The session.
    pub session: SessionId,
    /// Who worked.
    pub person: PersonId,
    /// Display name.
    pub person_name: String,
    /// Where.
    pub target: TargetId,
    /// Short name of the target.
    pub target_name: String,
    /// Account on the target.
    pub account: String,
    /// Source address.
    pub source: String,
    /// Name of the line that it came by.
    #[serde(default)]
    pub line: String,
    /// Name of the device; empty for one that nobody knows.
    #[serde(default)]
    pub device: String,
    /// How the device showed itself: `certificate`, `address`.
    #[serde(default)]
    pub device_proof: String,
    /// Code of what is not in order with the device, where the policy let that pass.
    #[serde(default)]
    pub device_deviation: String,
    /// When it was opened.
    pub started: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// Why it ended (`closed`, `window_ended`, `cut`, …).
    pub cause: Option<String>,
    /// Functions that were used.
    pub functions: BTreeSet<Function>,
    /// Commands, from exec requests and from the echoed terminal. An aid to reading, not a boundary.
    pub commands: Vec<CommandSeen>,
    /// Files that went in or out or were changed.
    pub files: Vec<FileSeen>,
    /// Acts on files that were tried and not let pass, because the plan does not allow them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedSeen>,
    /// Places that local forwards reached.
    #[serde(default)]
    pub forwards: Vec<ForwardSeen>,
    /// A crash ended it, and what its recording has of the last moments could not be read: it opens with the agreement of a second
    /// person alone, or it is damaged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// The target had no log when it was opened: the report owes an entry of the work diary for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diary: bool,
    /// It was opened through a key window, without a prompt.
    #[serde(default)]
    pub key_window: bool,
    /// What plan and target demanded of a witness when it was opened.
    #[serde(default)]
    pub witness: Witness,
    /// Display names of those who watched as witnesses.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// How often a person made it stand still.
    #[serde(default)]
    pub pauses: u32,
    /// For how long in all, in milliseconds.
    #[serde(default)]
    pub paused_ms: u64,
    /// The first such moment, in milliseconds from the start of the session.
    #[serde(default)]
    pub paused_at_ms: Option<u64>,
}

/// A place that forwards of a session reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForwardSeen {
    /// Milliseconds from the start of the session to the first of them.
    pub at_ms: u64,
    /// `host:port` as the client asked for it.
    pub place: String,
    /// How many connections went there.
    pub times: u32,
    /// Bytes from the worker to that place.
    pub to_target: u64,
    /// Bytes from that place to the worker.
    pub to_worker: u64,
}

/// An act on a file that was tried and refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedSeen {
    /// Milliseconds from the start of the session to the first try.
    pub at_ms: u64,
    /// What was asked for: `sftp remove /etc/passwd`.
    pub ask: String,
    /// Code of the refusal.
    pub code: String,
    /// How often.
    pub times: u32,
}

impl SessionFacts {
    /// Takes in what was refused in the session, if it was an act on a file that the plan does not allow. The same act
    /// tried again counts, and is no further row.
    pub fn was_refused(&mut self, at: Timestamp, ask: &str, refusal: &Refusal) {
        let of_a_file = match refusal {
            // An answer to a handle that nobody gave out is a fault of a program, no wish of a person.
            Refusal::FileRightNotInPlan { right } => right != "handle",
            Refusal::TransferLimit { .. } | Refusal::TransferUncounted => true,
            _ => false,
        };
        if !of_a_file {
            return;
        }
        match self.refused.iter_mut().find(|seen| seen.ask == ask && seen.code == refusal.code()) {
            Some(seen) => seen.times = seen.times.saturating_add(1),
            None => {
                let at_ms = u64::try_from(self.started.until(at).as_millis()).unwrap_or(u64::MAX);
                self.refused.push(RefusedSeen { at_ms, ask: ask.to_owned(), code: refusal.code().to_owned(), times: 1 });
            }
        }
    }
}

/// A command that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandSeen {
    /// Milliseconds from the start of the session.
    pub at_ms: u64,
    /// The line.
    pub text: String,
    /// The channel.
    #[serde(default)]
    pub channel: u32,
    /// Bytes that the channel had put out before it: the exact place in the recording.
    #[serde(default)]
    pub output: u64,
}

/// The operation of an upload that waited for the hospital and was not let pass.
pub const PUT_REFUSED: &str = "put-refused";

/// A file operation that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSeen {
    /// Milliseconds from the start of the session.
    pub at_ms: u64,
    /// `put`, `get`, `remove`, `rename`, `mkdir`, …
    pub op: String,
    /// Path on the target.
    pub path: String,
    /// Bytes of content moved.
    pub bytes: u64,
    /// SHA-256 of the content, if it went through whole and in order.
    pub sha256: Option<String>,
    /// True if the target reported success.
    pub ok: bool,
    /// What of the content is in the recording; nothing if none of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Content of a file that is in the recording of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// The number by which the recording names the file.
    pub file: u32,
    /// Bytes of content that are there; parts that went over twice count twice.
    pub bytes: u64,
    /// True if everything that went over is there, false if a limit cut it.
    pub whole: bool,
}
