//! Rules for commands: what happens when a worker enters one that a rule names.
//!
//! A rule is an aid, not a boundary: a shell has a thousand ways to say the same thing. What holds is the plan, the
//! recording and the person who watches.

use crate::plan::content::check_line;
use crate::refusal::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rule does. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleAct {
    /// Written into the log (記録).
    Note,
    /// Written into the log and shown to the hospital at once (通知).
    Alert,
    /// Waits at the gateway until a person of the hospital allows it (保留).
    Hold,
    /// Never reaches the target (拒否).
    Refuse,
}

impl RuleAct {
    /// All acts.
    pub const ALL: [Self; 4] = [Self::Note, Self::Alert, Self::Hold, Self::Refuse];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Alert => "alert",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }

    /// Reads the name that [`RuleAct::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandRule {
    /// What it names: words of the command, `*` for any text.
    pub pattern: String,
    /// What happens.
    pub act: RuleAct,
    /// Why, in words for the worker and the person who decides.
    #[serde(default)]
    pub reason: String,
}

impl CommandRule {
    /// Bounds of what was written.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        check_line("rules.pattern", &self.pattern)?;
        check_line("rules.reason", &self.reason)?;
        if self.pattern.trim().is_empty() { Err(Refusal::bad_field("rules.pattern")) } else { Ok(()) }
    }
}
