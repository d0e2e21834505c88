//! Connections: one that writes, a few that read, and the frozen migrations.

use crate::fault::Fault;
use crate::settings::{Database, Settings};
use sekisho_core::secret::Secret;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection, Row};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

/// Connections for reading. More would wait for the disk, not for each other.
const READERS: u32 = 4;
/// Longest wait for a free reader.
const READER_WAIT: Duration = Duration::from_secs(10);
/// Number of the advisory lock that keeps a second instance away from a PostgreSQL database: "sekisho" as bytes.
const ADVISORY_LOCK: i64 = 0x0073_656b_6973_686f;

/// Tries to take it, and the wait between two.
const LOCK_TRIES: u32 = 15;
const LOCK_WAIT: Duration = Duration::from_millis(200);

/// The frozen migrations, in their order: name, SQLite text, PostgreSQL text.
const MIGRATIONS: &[(&str, &str, &str)] = &[
    ("0001_foundation", include_str!("../migrations/sqlite/0001_foundation.sql"), include_str!("../migrations/postgres/0001_foundation.sql")),
    ("0002_sealed_rows", include_str!("../migrations/sqlite/0002_sealed_rows.sql"), include_str!("../migrations/postgres/0002_sealed_rows.sql")),
    ("0003_ssh_in_full", include_str!("../migrations/sqlite/0003_ssh_in_full.sql"), include_str!("../migrations/postgres/0003_ssh_in_full.sql")),
    ("0004_held_files", include_str!("../migrations/sqlite/0004_held_files.sql"), include_str!("../migrations/postgres/0004_held_files.sql")),
    ("0005_factors", include_str!("../migrations/sqlite/0005_factors.sql"), include_str!("../migrations/postgres/0005_factors.sql")),
    ("0006_lines_devices", include_str!("../migrations/sqlite/0006_lines_devices.sql"), include_str!("../migrations/postgres/0006_lines_devices.sql")),
    ("0007_accounts", include_str!("../migrations/sqlite/0007_accounts.sql"), include_str!("../migrations/postgres/0007_accounts.sql")),
    ("0008_device_certificates", include_str!("../migrations/sqlite/0008_device_certificates.sql"), include_str!("../migrations/postgres/0008_device_certificates.sql")),
    ("0009_links", include_str!("../migrations/sqlite/0009_links.sql"), include_str!("../migrations/postgres/0009_links.sql")),
    ("0010_mail_emergency", include_str!("../migrations/sqlite/0010_mail_emergency.sql"), include_str!("../migrations/postgres/0010_mail_emergency.sql")),
    ("0011_exposure", include_str!("../migrations/sqlite/0011_exposure.sql"), include_str!("../migrations/postgres/0011_exposure.sql")),
    ("0012_ssh_logins", include_str!("../migrations/sqlite/0012_ssh_logins.sql"), include_str!("../migrations/postgres/0012_ssh_logins.sql")),
    ("0013_countries", include_str!("../migrations/sqlite/0013_countries.sql"), include_str!("../migrations/postgres/0013_countries.sql")),
    ("0014_outside", include_str!("../migrations/sqlite/0014_outside.sql"), include_str!("../migrations/postgres/0014_outside.sql")),
    ("0015_alarms", include_str!("../migrations/sqlite/0015_alarms.sql"), include_str!("../migrations/postgres/0015_alarms.sql")),
    ("0016_target_logs", include_str!("../migrations/sqlite/0016_target_logs.sql"), include_str!("../migrations/postgres/0016_target_logs.sql")),
    ("0019_keeping", include_str!("../migrations/sqlite/0019_keeping.sql"), include_str!("../migrations/postgres/0019_keeping.sql")),
    ("0020_archive", include_str!("../migrations/sqlite/0020_archive.sql"), include_str!("../migrations/postgres/0020_archive.sql")),
    ("0021_reviewing", include_str!("../migrations/sqlite/0021_reviewing.sql"), include_str!("../migrations/postgres/0021_reviewing.sql")),
    ("0022_log_imports", include_str!("../migrations/sqlite/0022_log_imports.sql"), include_str!("../migrations/postgres/0022_log_imports.sql")),
];

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// How to reach the database, and the pool for reading.
pub(crate) struct Db {
    dialect: Dialect,
    url: Secret,
    readers: AnyPool,
}

impl Db {
    /// Opens the readers. The writer is opened by [`Db::writer`].
    pub async fn open(settings: &Settings) -> Result<Self, Fault> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (dialect, url) = match &settings.database {
            Database::Sqlite => (Dialect::Sqlite, Secret::new(sqlite_url(&settings.data_dir))),
            Database::Postgres { url } => (Dialect::Postgres, url.clone()),
        };
        let read_only = match dialect {
            Dialect::Sqlite => "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000",
            Dialect::Postgres => "SET default_transaction_read_only = on",
        };
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_WAIT)
            .after_connect(move |conn, _| Box::pin(async move { sqlx::raw_sql(read_only).execute(conn).await.map(|_| ()) }))
            .connect_lazy_with(AnyConnectOptions::from_str(url.expose())?);
        Ok(Self { dialect, url, readers })
    }

    /// Connections that cannot write.
    pub fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// The dialect in use.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Opens the one connection that writes. On PostgreSQL it holds the lock that keeps a second instance away.
    pub async fn writer(&self) -> Result<AnyConnection, Fault> {
        let mut conn = AnyConnection::connect(self.url.expose()).await?;
        match self.dialect {
            // FULL, because NORMAL loses acknowledged rows when the power goes.
            Dialect::Sqlite => {
                let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; \
                    PRAGMA trusted_schema = OFF";
                sqlx::raw_sql(settings).execute(&mut conn).await?;
            }
            Dialect::Postgres => {
                sqlx::raw_sql("SET synchronous_commit = on").execute(&mut conn).await?;
                hold(&mut conn).await?;
            }
        }
        Ok(conn)
    }

    /// The words that begin a writing transaction.
    pub fn begin(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    /// Runs the migrations that this database has not seen.
    pub async fn migrate(&self, conn: &mut AnyConnection) -> Result<(), Fault> {
        let create = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY NOT NULL)";
        sqlx::raw_sql(create).execute(&mut *conn).await?;
        let seen = sqlx::query("SELECT name FROM migrations ORDER BY name").fetch_all(&mut *conn).await?;
        let seen: Vec<String> = seen.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?;
        if let Some(unknown) = seen.iter().find(|name| MIGRATIONS.iter().all(|(known, ..)| known != name)) {
            return Err(Fault::Folder(format!("the database is newer than this program: it has the migration {unknown}")));
        }
        for (name, sqlite, postgres) in MIGRATIONS.iter().filter(|(name, ..)| !seen.iter().any(|seen| seen == name)) {
            let text = if self.dialect == Dialect::Sqlite { *sqlite } else { *postgres };
            sqlx::raw_sql(self.begin()).execute(&mut *conn).await?;
            sqlx::raw_sql(text).execute(&mut *conn).await?;
            sqlx::query("INSERT INTO migrations (name) VALUES ($1)").bind(*name).execute(&mut *conn).await?;
            sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
        }
        Ok(())
    }

    /// True if the schema holds a trigger. Sekisho has none; one that is there was added to change rows unseen.
    pub async fn has_triggers(&self, conn: &mut AnyConnection) -> Result<bool, Fault> {
        let text = match self.dialect {
            Dialect::Sqlite => "SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'trigger'",
            Dialect::Postgres => "SELECT COUNT(*) AS n FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
                WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace",
        };
        let row = sqlx::query(text).fetch_one(conn).await?;
        Ok(row.try_get::<i64, _>("n")? > 0)
    }

    /// Closes the readers.
    pub async fn close(&self) {
        self.readers.close().await;
    }
}

/// Takes the lock that keeps a second instance away. The server lets go of it a moment after its holder's connection
/// ended, so a box that was just stopped is waited for.
async fn hold(conn: &mut AnyConnection) -> Result<(), Fault> {
    for _ in 0..LOCK_TRIES {
        let text = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END AS held";
        if sqlx::query(text).bind(ADVISORY_LOCK).fetch_one(&mut *conn).await?.try_get::<i32, _>("held")? == 1 {
            return Ok(());
        }
        tokio::time::sleep(LOCK_WAIT).await;
    }
    Err(Fault::Folder("another instance of Sekisho uses this database".into()))
}

/// The database's file in a data folder.
const SQLITE_FILE: &str = "sekisho.db";

/// Where `SQLite` writes its changes ahead.
pub(crate) fn sqlite_wal(data_dir: &Path) -> PathBuf {
    data_dir.join(format!("{SQLITE_FILE}-wal"))
}

/// The address of the database file, with every byte escaped that an address gives a meaning to.
fn sqlite_url(data_dir: &Path) -> String {
    let mut url = "sqlite://".to_owned();
    for byte in data_dir.join(SQLITE_FILE).as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') {
            url.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push_str("?mode=rwc");
    url
}
