//! Files of targets' logs that somebody brings (ログの取込み): what is said of one, and what is known of it.

use crate::ids::{LogImportId, TargetId};
use crate::limits;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// That something comes from a file that was read in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Which file.
    pub import: LogImportId,
    /// By so many seconds the clock of its machine may be off, as the person said who read it in.
    pub clock_seconds: u32,
}

/// The forms of files that can be read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportForm {
    /// Windows Event Log, `.evtx`.
    Evtx,
    /// `wtmp` and `btmp` of Linux.
    Wtmp,
}

impl ImportForm {
    /// The name in API and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evtx => "evtx",
            Self::Wtmp => "wtmp",
        }
    }
}

/// A file of a target's log that was read in. It is kept as it came, sealed, under its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogImport {
    /// Identifier.
    pub id: LogImportId,
    /// Whose log it is.
    pub target: TargetId,
    /// Short name of the target.
    pub about: String,
    /// Name of the file, as it was handed in.
    pub name: String,
    /// Its form.
    pub form: ImportForm,
    /// Its attempts failed: a `btmp`.
    #[serde(default)]
    pub failed: bool,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// Its length.
    pub bytes: u64,
    /// It was read to its end; else the box died in between, and the same file can be handed in again.
    pub read: bool,
    /// Records in it.
    pub records: u64,
    /// Those that tell of a login or an attempt.
    pub logins: u64,
    /// Those of them that were known already: by another file, or by a case.
    pub known: u64,
    /// Those of them that name another machine; they are not judged.
    pub foreign: u64,
    /// Logins that are sessions' own.
    pub joined: u64,
    /// Logins and attempts that went into cases.
    pub hits: u64,
    /// The machines that the records name, the first of them.
    pub hosts: BTreeSet<String>,
    /// Time of the first record.
    pub first: Option<Timestamp>,
    /// Time of the last.
    pub last: Option<Timestamp>,
    /// By so many seconds the machine's clock may be off.
    pub clock_seconds: u32,
    /// What could not be read, each in a sentence.
    pub troubles: Vec<String>,
    /// Who read it in.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What is said of a file that is read in.
#[derive(Clone, Debug)]
pub struct ImportAsk {
    /// Whose log it is.
    pub target: TargetId,
    /// Name of the file.
    pub name: String,
    /// Its attempts failed: a `btmp`.
    pub failed: bool,
    /// By so many seconds the machine's clock may be off.
    pub clock_seconds: u32,
}

impl ImportAsk {
    /// Checks what was said.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn check(&self) -> Result<(), Refusal> {
        let name = self.name.chars().count();
        if name == 0 || name > 255 || self.name.chars().any(char::is_control) {
            return Err(Refusal::bad_field("file"));
        }
        if self.clock_seconds as usize > limits::LOG_IMPORT_CLOCK_SECONDS {
            return Err(Refusal::bad_field("clock_seconds"));
        }
        Ok(())
    }
}
