//! What persons do to a running session: pause, speak, mark, decide. Each act stands in the recording.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One act upon a running session, as the recording keeps it (a marker frame holds it as JSON). `by` is a display name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// The session stands still; bytes wait on both sides.
    Paused {
        /// Who, or `Sekisho` for a rule.
        by: String,
        /// Why; empty if a person gave no reason.
        reason: String,
    },
    /// It goes on.
    Resumed {
        /// Who.
        by: String,
    },
    /// A mark with a note.
    Marker {
        /// Who.
        by: String,
        /// The note.
        text: String,
    },
    /// A line of the chat between hospital and worker.
    Chat {
        /// Who.
        by: String,
        /// True if the worker wrote it.
        worker: bool,
        /// The line.
        text: String,
    },
    /// A message that was written to the worker's terminal.
    Said {
        /// Who.
        by: String,
        /// The message.
        text: String,
    },
    /// A witness began to watch.
    WitnessCame {
        /// Who.
        by: String,
    },
    /// A witness stopped watching.
    WitnessLeft {
        /// Who.
        by: String,
    },
    /// A rule named a command (`note` and `alert` let it pass, `hold` makes it wait, `refuse` stops it).
    Ruled {
        /// Number of the waiting command within the session; 0 if it does not wait.
        hold: u32,
        /// What the rule does.
        act: crate::command::RuleAct,
        /// The command.
        line: String,
        /// The rule's reason.
        reason: String,
    },
    /// A person decided on a waiting command.
    Decided {
        /// Its number.
        hold: u32,
        /// Who, or `Sekisho` when nobody decided in time.
        by: String,
        /// True if it may go on.
        allowed: bool,
    },
    /// Something that the hospital should look at (volume, limits).
    Alert {
        /// What, in one sentence.
        text: String,
    },
}

/// Why a session stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standstill {
    /// It does not.
    #[default]
    None,
    /// Its plan or target demands a witness and none is there.
    NoWitness,
    /// A person or a rule paused it.
    Paused,
}
