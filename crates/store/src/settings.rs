//! What the roof tells the store when it opens it.

use sekisho_core::outgoing::ReceiverAsk;
use sekisho_core::policy::Policy;
use sekisho_core::secret::Secret;
use sekisho_core::source::Network;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

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

impl Database {
    /// What keeps this address from being used, if anything does. A server elsewhere is spoken to by TLS alone, and only if its
    /// certificate was verified with its name: the rows are the hospital's, and so is the password in the address.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self::Postgres { url } = self else { return None };
        if !url.expose().starts_with("postgres://") && !url.expose().starts_with("postgresql://") {
            return Some("data.database must be \"sqlite\" or a postgres:// URL".into());
        }
        let Ok(options) = PgConnectOptions::from_str(url.expose()) else {
            return Some("data.database is no postgres:// URL that can be read".into());
        };
        let host = options.get_host();
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let here = options.get_socket().is_some() || host == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        let proved = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
        (!here && !proved).then(|| {
            format!("data.database: the server {host} is not this machine, so the connection must be encrypted and the server proved: add ?sslmode=verify-full&sslrootcert=FILE to the address, FILE being the certificate of its authority")
        })
    }
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
    /// Short name under which devices of vendors keep this hospital; empty for the last part of `origin`.
    pub door_name: String,
    /// Name and port by which devices reach the outer door, for letters; empty without one.
    pub door_address: String,
    /// The hospital's settings.
    pub policy: Policy,
    /// Address under which browsers reach this box, for links: `https://gateway.example:8443`.
    pub base_url: String,
    /// Origins (`https://name:port`) under which browsers may use passkeys, best first. Empty: none, because the box is
    /// reached by an address of numbers alone.
    pub passkey_origins: Vec<String>,
    /// A file of leaked passwords that nobody may choose: lines sorted by SHA-1. `None` for no such check.
    pub leaked_passwords: Option<PathBuf>,
    /// Mail, if a server is configured.
    pub mail: Option<MailSettings>,
    /// Receivers of alarms and events.
    pub receivers: Vec<ReceiverAsk>,
    /// The token that holds the key which certifies devices; none for a file of the keys folder.
    pub device_token: Option<DeviceToken>,
    /// Addresses from which this box reaches its targets; certificates are bound to them. Empty: they are not bound.
    pub ssh_sources: Vec<Network>,
    /// Targets' logs, if they are taken.
    pub target_logs: Option<crate::TargetLogSettings>,
}

/// A token or HSM, by PKCS #11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToken {
    /// The library of its maker.
    pub module: PathBuf,
    /// Its label.
    pub token: String,
    /// A file that holds its PIN.
    pub pin_file: PathBuf,
}

/// What the store knows of mail; the way to the server is the courier's.
#[derive(Clone, Debug, Default)]
pub struct MailSettings {
    /// Addresses that are told of alarms besides the persons who are named.
    pub alarm: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_elsewhere_is_reached_by_verified_tls_alone() {
        let problem = |url: &str| Database::Postgres { url: Secret::new(url) }.problem();
        for url in [
            "postgres://a:b@127.0.0.1:5432/s",
            "postgres://a:b@localhost/s",
            "postgres://a:b@[::1]:5432/s",
            "postgres://a:b@localhost/s?host=/run/postgresql",
            "postgres://a:b@db.example.local/s?sslmode=verify-full&sslrootcert=/etc/sekisho/db-ca.pem",
        ] {
            assert_eq!(problem(url), None, "{url}");
        }
        for url in ["postgres://a:b@db.example.local/s", "postgres://a:b@10.0.0.5/s?sslmode=require", "postgres://a:b@db.example.local/s?sslmode=verify-ca", "postgres://a:b@localhost.example/s"] {
            assert!(problem(url).is_some_and(|words| words.contains("verify-full") && !words.contains("a:b")), "{url}");
        }
        assert!(problem("mysql://a:b@localhost/s").is_some());
        assert_eq!(Database::Sqlite.problem(), None);
    }
}
