//! What the roof tells the store when it opens it.

use sekisho_core::policy::Policy;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use std::path::PathBuf;

/// Where the rows live.
#[derive(Clone, Debug)]
pub enum Database {
    /// `sekisho.db` in the data folder.
    Sqlite,
    /// A database of a PostgreSQL server, which belongs to this box alone.
    Postgres {
        /// `postgres://…`, with its password.
        url: Secret,
    },
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that holds keys, log, recordings and, with SQLite, the rows.
    pub data_dir: PathBuf,
    /// Where the rows live.
    pub database: Database,
    /// Where `store.key` lies if not in the keys folder (another disk, a mounted token).
    pub key_file: Option<PathBuf>,
    /// Name of the facility: 青葉病院.
    pub facility: String,
    /// Origin line of the log, such as `sekisho.example/aoba`. Fixed by `init`.
    pub origin: String,
    /// The hospital's settings.
    pub policy: Policy,
    /// Address under which browsers reach this box, for links: `https://gateway.example:8443`.
    pub base_url: String,
    /// Origins (`https://name:port`) under which browsers may use passkeys, best first. Empty: none, because the box is
    /// reached by an address of numbers alone.
    pub passkey_origins: Vec<String>,
    /// A file of leaked passwords that nobody may choose: lines sorted by SHA-1. `None` for no such check.
    pub leaked_passwords: Option<PathBuf>,
    /// Addresses from which this box reaches its targets; certificates are bound to them. Empty: they are not bound.
    pub ssh_sources: Vec<Network>,
}

/// The person for whom `init` prints the first enrolment link.
#[derive(Clone, Debug)]
pub struct FirstAdministrator {
    /// Login name.
    pub login: String,
    /// Display name.
    pub name: String,
}

impl Default for FirstAdministrator {
    fn default() -> Self {
        Self { login: "admin".into(), name: "関所管理者".into() }
    }
}
