//! Exchanging the credential of an account on a target: by Sekisho itself, recorded, and never without one that works.
//!
//! Whoever has sockets to targets implements [`Rotator`]; whoever keeps the credentials orders. The new credential is
//! durable before the target is told of it, and the old one is kept until a login with the new one succeeded.

use crate::desk::{Answer, OpenRecording, TargetCredential};
use crate::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the credential of an account is exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotationMode {
    /// By hand only.
    #[default]
    Off,
    /// After each session that used it.
    AfterSession,
    /// Each night, if it was used since the last time.
    Nightly,
}

impl RotationMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Off, Self::AfterSession, Self::Nightly];

    /// The name in API, forms and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::AfterSession => "after_session",
            Self::Nightly => "nightly",
        }
    }

    /// Reads the name that [`RotationMode::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// One exchange.
pub struct RotationOrder {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Accepted host keys, OpenSSH lines.
    pub host_keys: Vec<String>,
    /// Account on the target.
    pub username: String,
    /// The credential in force.
    pub old: TargetCredential,
    /// The one that takes its place, of the same kind; durable where the order comes from.
    pub new: TargetCredential,
    /// Where every byte of it is recorded.
    pub recording: OpenRecording,
}

/// Why an exchange did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotationTrouble {
    /// The target did not answer.
    Unreachable,
    /// It showed a host key that is not pinned.
    HostKeyChanged,
    /// It does not accept the credential in force.
    OldRefused,
    /// It did not take the new one: `passwd` refused it, or the file of keys cannot be written.
    NotTaken,
    /// It took the new one, and a login with it failed.
    NewRefused,
    /// The recording broke off.
    NoRecording,
    /// A person set the account's credential meanwhile.
    SetMeanwhile,
    /// A certificate is issued anew for each session; there is nothing to exchange.
    NothingToExchange,
}

/// How an exchange ended, and which credential is known to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rotation", rename_all = "snake_case")]
pub enum Rotated {
    /// The new one works, and the old one no longer does.
    Done,
    /// The new one works. The old one may, too: it could not be taken away.
    DoneOldRemains,
    /// The old one is in force. A key that opens nothing may have been left on the target, if it did not answer in time.
    Unchanged {
        /// Why.
        why: RotationTrouble,
    },
    /// The change was taken back after it went wrong; a login with the old one succeeded.
    TakenBack {
        /// Why.
        why: RotationTrouble,
    },
    /// Which of the two works is not known. Both are kept, and the next try finds out before anything else.
    Unsure {
        /// Why.
        why: RotationTrouble,
    },
}

/// What an exchange came to.
pub struct RotationEnd {
    /// Which credential is known to work.
    pub outcome: Rotated,
    /// SHA-256 fingerprint of a host key that is not pinned, if the target showed one at any of the logins.
    pub other_host_key: Option<String>,
    /// The recording, for its end.
    pub recording: OpenRecording,
}

/// Which of several credentials opens an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The place of the first that does.
    pub at: Option<usize>,
    /// SHA-256 fingerprint of a host key that is not pinned, if the target showed one.
    pub other_host_key: Option<String>,
}

/// Changes credentials on targets.
pub trait Rotator: Send + Sync {
    /// Exchanges a credential. The recording is handed back for its end.
    fn rotate(&self, order: RotationOrder) -> Answer<'_, RotationEnd>;

    /// Which of these credentials opens the account, in their order; logs in and ends at once.
    fn which<'a>(&'a self, host: &'a str, port: u16, host_keys: &'a [String], username: &'a str, tried: Vec<TargetCredential>) -> Answer<'a, Opening>;

    /// A new private key in OpenSSH PEM form.
    ///
    /// # Errors
    /// The system gave no randomness.
    fn new_key(&self) -> Result<Secret, String>;
}
