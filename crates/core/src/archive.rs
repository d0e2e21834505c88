//! Copies of recordings outside of the box: what the store asks of the place that keeps them, and what the place answers.

use crate::desk::Answer;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// How a lock of the place can be lifted before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// By whoever has a right of their own for that.
    Governance,
    /// By nobody.
    #[default]
    Compliance,
}

impl LockMode {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// Reads the word of the protocol.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Until when a copy may not be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// How.
    pub mode: LockMode,
    /// Until when, in whole seconds.
    pub until: Timestamp,
}

/// What is handed over.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// The file.
    pub path: &'a Path,
    /// What the place shall call it.
    pub object: &'a str,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'a [u8; 32],
    /// The lock that is asked for.
    pub lock: Option<Lock>,
}

/// A copy that the place has, as the place itself says after it was asked anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What tells this copy from others under the same name; empty where there are none.
    pub version: String,
    /// Its lock.
    pub lock: Option<Lock>,
}

/// What became of a wish to delete a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// It is gone.
    Gone,
    /// There was none.
    NotThere,
    /// Its lock holds until then.
    LockedUntil(Timestamp),
}

/// Why the place does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not answer, or broke off.
    Unreachable(String),
    /// It does not accept who asks.
    Denied(String),
    /// It cannot keep a copy from being deleted, and that was asked for.
    NoLock(String),
    /// What it has is not what was handed over.
    Differs(String),
    /// It does not have it.
    Missing,
    /// The copy is larger than one upload may be.
    TooLarge,
    /// The copy is there, and its lock is less than what was asked for.
    WeakLock(String),
    /// Anything else.
    Other(String),
}

impl Trouble {
    /// The code in log, pages and docs/codes.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "SKA-01",
            Self::Denied(_) => "SKA-02",
            Self::NoLock(_) => "SKA-03",
            Self::Differs(_) => "SKA-04",
            Self::Missing => "SKA-05",
            Self::TooLarge => "SKA-06",
            Self::WeakLock(_) => "SKA-07",
            Self::Other(_) => "SKA-08",
        }
    }

    /// True if it concerns one copy and not the whole place.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        matches!(self, Self::Differs(_) | Self::Missing | Self::TooLarge)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Denied(why) | Self::NoLock(why) | Self::Differs(why) | Self::WeakLock(why) | Self::Other(why) => f.write_str(why),
            Self::Missing => f.write_str("it does not have the copy"),
            Self::TooLarge => f.write_str("the recording is larger than one upload may be"),
        }
    }
}

/// A place outside of the box that keeps copies: a folder of another machine, or an object store.
///
/// Each answer is bounded in time and size by whoever implements this. Nothing that the place says is believed but what a
/// digest or a lock, asked for anew, proves.
pub trait Vault: Send + Sync {
    /// What pages and log call it.
    fn name(&self) -> &str;

    /// Looks whether copies can be kept there as they shall be.
    fn check(&self) -> Answer<'_, Result<(), Trouble>>;

    /// Hands a copy over and asks anew what is there.
    fn put<'a>(&'a self, parcel: Parcel<'a>) -> Answer<'a, Result<Kept, Trouble>>;

    /// Asks whether a copy is there, with this length and digest, without carrying it back if the place can prove them.
    fn look<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>>;

    /// Reads a copy back from its first byte to its last and compares it, whatever the place says of it: asked before the only
    /// other one goes. A place whose [`Vault::look`] reads all of it needs no other answer.
    fn read_back<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32]) -> Answer<'a, Result<Kept, Trouble>> {
        self.look(object, version, bytes, sha256)
    }

    /// Carries a copy back into a new file. At most `bytes` are written; their digest is the caller's to check.
    fn fetch<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, into: &'a Path) -> Answer<'a, Result<(), Trouble>>;

    /// Makes the lock of a copy last until a later moment, because what it is a copy of is held. Never shortens one; gives what the
    /// place says of the copy after it was asked anew. A place without locks has none to prolong.
    fn prolong<'a>(&'a self, object: &'a str, version: &'a str, bytes: u64, sha256: &'a [u8; 32], lock: Lock) -> Answer<'a, Result<Kept, Trouble>> {
        let _ = (object, version, bytes, sha256, lock);
        Box::pin(async { Err(Trouble::NoLock("it cannot keep a copy from being deleted".into())) })
    }

    /// Deletes a copy, if no lock holds it. A lock is never lifted.
    fn remove<'a>(&'a self, object: &'a str, version: &'a str) -> Answer<'a, Result<Removed, Trouble>>;
}
