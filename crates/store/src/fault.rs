//! What can go wrong inside the store, and how it is told apart from a refusal.

use crate::faults::Write;
use sekisho_core::refusal::Refusal;

/// Something of ours failed. A fault refuses: whatever was asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database failed.
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// Which file and what was done with it.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A key, seal or random number failed.
    #[error("{0}")]
    Crypto(String),
    /// The log in the database is not the one that was published. Nothing starts on it.
    #[error("{0}; nothing was started. See what is wrong with: sekisho verify")]
    LogBroken(String),
    /// A row does not hold what the store once wrote there.
    #[error("{0}")]
    Damaged(String),
    /// The data folder is in use, not initialised, or initialised already.
    #[error("{0}")]
    Folder(String),
    /// The settings do not fit.
    #[error("{0}")]
    Settings(String),
    /// An entry is longer than the log can take.
    #[error("an entry for the log is too long ({0} bytes)")]
    EntryTooLong(usize),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A test asked for this write to fail.
    #[error("a fault was injected at a write ({0:?})")]
    Injected(Write),
}

impl Fault {
    /// An `Io` fault with the words for its place.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(format!("a stored value has not the form it was written in: {error}"))
    }
}

/// Why a verb did not do what it was asked.
#[derive(Debug)]
pub enum Denied {
    /// A rule said no. Nothing is broken.
    Refusal(Refusal),
    /// Something of ours failed.
    Fault(Fault),
}

/// The answer of a verb.
pub type Done<T> = Result<T, Denied>;

impl Denied {
    /// What a person is told: a fault shows as [`Refusal::Fault`], its words go to the technical log.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refusal(refusal) => refusal.clone(),
            Self::Fault(fault) => {
                tracing::error!(%fault, "a fault refused an act");
                Refusal::Fault
            }
        }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refusal(refusal) => {
                let words = refusal.words();
                write!(f, "{} {}", words.code, words.en)
            }
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Denied {}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<sqlx::Error> for Denied {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<serde_json::Error> for Denied {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(error.into())
    }
}
