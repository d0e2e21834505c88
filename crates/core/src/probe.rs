//! Looking at a target without a session: which host keys it shows, and whether a credential opens it.
//!
//! Whoever has sockets to targets implements [`Probe`]; whoever keeps the credentials asks it.

use crate::desk::{Answer, Dialled, TargetCredential};
use crate::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is dialled in a test.
pub struct TestAsk {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Accepted host keys, one OpenSSH public-key line each.
    pub host_keys: Vec<String>,
    /// Login name on the target.
    pub username: String,
    /// What Sekisho proves itself with. Never shown, never logged.
    pub credential: TargetCredential,
}

/// How far a test came. A login that succeeded was ended at once: no channel was opened and nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tested {
    /// Address and port that took the connection; `None` if none did.
    pub address: Option<String>,
    /// SHA-256 fingerprint of the host key that was shown; `None` if it did not come to that.
    pub host_key: Option<String>,
    /// How it ended.
    pub outcome: Dialled,
}

/// Sees targets from where this box stands.
pub trait Probe: Send + Sync {
    /// The host keys that a server shows, one OpenSSH line each. Logs in nowhere. `Err` says why none was seen.
    fn host_keys<'a>(&'a self, host: &'a str, port: u16) -> Answer<'a, Result<Vec<String>, String>>;

    /// Dials, compares the host key, logs in, and ends. Nothing of the credential is sent unless the key is a pinned one.
    fn test(&self, ask: TestAsk) -> Answer<'_, Tested>;

    /// The public half of a private key, as one OpenSSH line without comment; `None` if the text is no private key.
    fn public_line(&self, pem: &Secret) -> Option<String>;
}
