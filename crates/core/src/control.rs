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
    /// A file that a worker sent is complete and has reached nothing yet.
    FileHeld {
        /// Its number within the session.
        hold: u32,
        /// The path on the target, for people.
        path: String,
        /// Its length.
        bytes: u64,
        /// SHA-256 of its content.
        sha256: String,
        /// True if the plan lists this content.
        listed: bool,
    },
    /// It was decided on such a file.
    FileDecided {
        /// Its number.
        hold: u32,
        /// The path again, so that the line can be read by itself.
        path: String,
        /// Who, or `Sekisho`.
        by: String,
        /// Why `Sekisho` decided, or that a person did.
        how: HowDecided,
        /// True if it goes on to the target.
        passed: bool,
        /// The person's reason; may be empty.
        reason: String,
    },
    /// Something that the hospital should look at (volume, limits).
    Alert {
        /// What, in one sentence.
        text: String,
    },
}

/// How it came to a decision on an upload that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HowDecided {
    /// A person of the hospital decided.
    Person,
    /// The plan lists the content.
    Listed,
    /// Nobody decided in time.
    Late,
    /// The worker gave it up, or the session ended.
    GivenUp,
    /// Sekisho stopped while it waited.
    Vanished,
}

impl HowDecided {
    /// The name in words and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Listed => "listed",
            Self::Late => "late",
            Self::GivenUp => "given_up",
            Self::Vanished => "vanished",
        }
    }
}

impl Control {
    /// Whether the worker reads it on the session's own page, too. Marks and alerts are the hospital's notes.
    #[must_use]
    pub fn is_told_to_worker(&self) -> bool {
        !matches!(self, Self::Marker { .. } | Self::Alert { .. })
    }

    /// The name in words and lists, as the `control` of its JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Marker { .. } => "marker",
            Self::Chat { .. } => "chat",
            Self::Said { .. } => "said",
            Self::WitnessCame { .. } => "witness_came",
            Self::WitnessLeft { .. } => "witness_left",
            Self::Ruled { .. } => "ruled",
            Self::Decided { .. } => "decided",
            Self::FileHeld { .. } => "file_held",
            Self::FileDecided { .. } => "file_decided",
            Self::Alert { .. } => "alert",
        }
    }
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

impl Standstill {
    /// Both reasons can hold at once, and the session goes on only when neither is left. The missing witness is told
    /// first, because it is the one that ends the session when nobody comes.
    #[must_use]
    pub fn of(lacks_witness: bool, paused: bool) -> Self {
        match (lacks_witness, paused) {
            (true, _) => Self::NoWitness,
            (false, true) => Self::Paused,
            (false, false) => Self::None,
        }
    }

    /// The name in API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NoWitness => "no_witness",
            Self::Paused => "paused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_only_when_no_reason_is_left() {
        assert_eq!(Standstill::of(true, true), Standstill::NoWitness);
        assert_eq!(Standstill::of(true, false), Standstill::NoWitness);
        assert_eq!(Standstill::of(false, true), Standstill::Paused);
        assert_eq!(Standstill::of(false, false), Standstill::None);
    }

    #[test]
    fn the_name_is_that_of_the_json_and_marks_are_the_hospitals_own() {
        let by = String::from("上田");
        let all = [
            Control::Paused { by: by.clone(), reason: String::new() },
            Control::Marker { by: by.clone(), text: "x".into() },
            Control::Chat { by: by.clone(), worker: false, text: "x".into() },
            Control::WitnessLeft { by },
        ];
        for control in all {
            let json = serde_json::to_value(&control).unwrap();
            assert_eq!(json.get("control").and_then(|name| name.as_str()), Some(control.name()));
            assert_eq!(control.is_told_to_worker(), control.name() != "marker");
        }
    }
}
