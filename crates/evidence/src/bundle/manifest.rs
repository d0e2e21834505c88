//! What a bundle says of itself.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The name of the format, with its version.
pub const FORMAT: &str = "sekisho-bundle-v1";
/// Purpose of the signature over the manifest.
pub const SIGN_CONTEXT: &str = "bundle/v1";

/// What a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    /// One session.
    Session {
        /// Its id.
        session: String,
    },
    /// One plan with its sessions.
    Plan {
        /// Its id.
        plan: String,
    },
    /// All that happened in a time.
    Period {
        /// From this moment on, in milliseconds since 1970.
        from: i64,
        /// Before this moment.
        until: i64,
    },
    /// A login that went round the gateway, with the session that stands nearest to it.
    Case {
        /// Its id.
        case: String,
    },
}

impl Scope {
    /// The id of what it is about, if it is about one thing.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Session { session: id } | Self::Plan { plan: id } | Self::Case { case: id } => Some(id),
            Self::Period { .. } => None,
        }
    }
}

/// A recording that belongs into the bundle and is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Its session.
    pub session: String,
    /// Why: `running`, `absent`, or a word of a later version.
    pub why: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLine {
    /// Its path.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// How many entries, from where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How many.
    pub count: u64,
    /// Sequence number of the first.
    pub first: Option<u64>,
    /// Of the last.
    pub last: Option<u64>,
}

/// The head that all proofs lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of entries of the log.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Origin of the log.
    pub origin: String,
    /// When the bundle was made, in milliseconds since 1970, by the clock of its maker.
    pub made_at: i64,
    /// What it is about.
    pub scope: Scope,
    /// All entries of the log are in it, not only those of the scope.
    pub all_entries: bool,
    /// The entries in it.
    pub entries: Span,
    /// The checkpoint in it.
    pub checkpoint: Head,
    /// Sessions whose recordings are in it.
    pub sessions: Vec<String>,
    /// Recordings that belong into it and are not there.
    pub lacking: Vec<Lacking>,
    /// Plans that are in it.
    pub plans: Vec<String>,
    /// Every file but the manifest and its signature.
    pub files: Vec<FileLine>,
}

impl Manifest {
    /// True if its entries follow each other without a gap.
    pub fn is_contiguous(&self) -> bool {
        self.all_entries || matches!(self.scope, Scope::Period { .. })
    }
}

/// The approvals of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// The plan.
    pub plan: String,
    /// The approvals.
    pub approvals: Vec<SignedApproval>,
}

/// One approval with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedApproval {
    /// `Technical` or `Final`.
    pub slot: String,
    /// Id of who gave it.
    pub by: String,
    /// Their name at that time.
    pub name: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// SHA-256 of what was approved.
    pub digest: Digest,
    /// The signature over [`SignedApproval::signed`], context `approve/v1`, base64.
    pub signature: String,
}

impl SignedApproval {
    /// What the signature covers.
    pub fn signed(&self) -> String {
        format!("{}\n{}\n{}\n{}\n", self.slot, self.by, self.at, self.digest)
    }
}
