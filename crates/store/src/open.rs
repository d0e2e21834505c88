//! Setting up a box, opening it, closing it.

use crate::db::Db;
use crate::fault::{Done, Fault};
use crate::faults::Faults;
use crate::keys::Keys;
use crate::recordings::Shelf;
use crate::log::{Head, Press, Recovered, recover};
use crate::settings::{FirstAdministrator, Settings};
use crate::write::Writer;
use crate::{Inner, RECALLS, Store};
use rustix::fs::{FlockOperation, flock};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_evidence::log::Tree;
use sqlx::{AnyConnection, Connection, Row};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::broadcast;

/// What `init` made, for the console.
#[derive(Clone, Debug)]
pub struct InitReport {
    /// The public key of the log in C2SP verifier form. Keep it outside: it verifies everything.
    pub log_public_key: String,
    /// The one-time link of the first administrator.
    pub first_admin: crate::logins::EnrolmentLink,
}

impl Store {
    /// Sets up a box: data folder, keys, tables, private CA, first entry, first administrator.
    ///
    /// # Errors
    /// A fault; a folder or database that is set up already is never touched.
    pub async fn init(settings: Settings, clock: Arc<dyn Clock>, first: FirstAdministrator) -> Done<InitReport> {
        check(&settings)?;
        prepare_folder(&settings.data_dir)?;
        let lock = lock(&settings.data_dir)?;
        if settings.data_dir.join("keys").exists() {
            return Err(Fault::Folder(format!("{} is set up already", settings.data_dir.display())).into());
        }
        let db = Db::open(&settings).await?;
        let mut conn = db.writer().await?;
        db.migrate(&mut conn).await?;
        if sqlx::query("SELECT value FROM meta WHERE key = 'origin'").fetch_optional(&mut conn).await?.is_some() {
            return Err(Fault::Folder("the database is set up already, with the keys of another data folder".into()).into());
        }
        let keys = Keys::create(&settings)?;
        let empty = Recovered { tree: Tree::new(), told: HashMap::new(), board: Default::default(), book: Default::default(), last_at: Timestamp(0), clock: Default::default(), published: 0, press: Press::default() };
        let store = Self::assemble(settings, clock, db, conn, keys, lock, empty);
        store.create_ca()?;
        store.mark_sealed()?;
        store.mark_numbered()?;
        let mut tx = store.write(&Actor::console()).await?;
        let (origin, key) = (store.inner.settings.origin.clone(), store.log_public_key());
        for (name, value) in [("origin", &origin), ("log_key", &key)] {
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2)").bind(name).bind(value.clone()).execute(tx.sql()).await?;
        }
        tx.fact(Fact::Initialised { origin, key: key.clone() });
        store.settle_ssh_authority(&mut tx).await?;
        store.settle_device_authority(&mut tx).await?;
        let first_admin = store.add_first_administrator(&mut tx, &first).await?;
        tx.commit().await?;
        store.publish().await?;
        // Beside the log for convenience; a verifier who trusts nobody brings the key from elsewhere.
        let place = store.inner.settings.data_dir.join("log/public-key");
        crate::log::write_durably(&place, format!("{key}\n").as_bytes(), 0o644, None)?;
        store.shut().await;
        Ok(InitReport { log_public_key: key, first_admin })
    }

    /// Opens a box that was set up: locks the folder, reads the log through, sweeps what a crash left behind.
    ///
    /// # Errors
    /// A fault: in use, not set up, or a log that does not hold.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        check(&settings)?;
        if !settings.data_dir.join("keys").is_dir() {
            return Err(Fault::Folder(format!("{} is not set up; run: sekisho init", settings.data_dir.display())));
        }
        // A copy that was put back may have come with wider rights.
        prepare_folder(&settings.data_dir)?;
        let lock = lock(&settings.data_dir)?;
        let keys = Keys::open(&settings)?;
        let db = Db::open(&settings).await?;
        let mut conn = db.writer().await?;
        db.migrate(&mut conn).await?;
        if db.has_triggers(&mut conn).await? {
            return Err(Fault::LogBroken("the database holds a trigger, which is not Sekisho's".into()));
        }
        for name in ["origin", "log_key"] {
            let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(name).fetch_optional(&mut conn).await?;
            let kept: Option<String> = row.map(|row| row.try_get("value")).transpose()?;
            let value = if name == "origin" { settings.origin.clone() } else { crate::log::settle_log_key(&mut conn, &keys, kept.as_deref()).await? };
            if kept.as_deref() != Some(value.as_str()) {
                return Err(Fault::Folder(format!("the database belongs to another box: its {name} is {}, here it is {value}", kept.unwrap_or_default())));
            }
        }
        let found = recover(&mut conn, &settings.data_dir, keys.log().public(), &keys.terms(), &settings.origin).await?;
        let store = Self::assemble(settings, clock, db, conn, keys, lock, found);
        store.hold_again().await?;
        let mut tx = store.write(&Actor::system()).await?;
        tx.fact(Fact::Started { version: env!("CARGO_PKG_VERSION").to_owned() });
        store.settle_ssh_authority(&mut tx).await?;
        store.settle_device_authority(&mut tx).await?;
        tx.commit().await?;
        store.seal_all_once().await?;
        store.number_factors_once().await?;
        store.take_over_sources().await?;
        store.load_certificates().await?;
        store.light_watchfire().await?;
        store.load_older_lines().await?;
        store.load_chart().await?;
        store.sweep().await?;
        store.publish().await?;
        Ok(store)
    }

    fn assemble(settings: Settings, clock: Arc<dyn Clock>, db: Db, conn: AnyConnection, keys: Keys, lock: File, found: Recovered) -> Self {
        let (recall, _) = broadcast::channel(RECALLS);
        let site = crate::logins::Site::of(&settings);
        let watch = crate::trusted_time::Watch::begin(found.clock, &*clock);
        let log = Head::new(Writer::new(conn), found);
        let faults = Arc::<Faults>::default();
        let shelf = Arc::new(Shelf::new(&settings.data_dir, Arc::clone(&faults), recall.clone()));
        let spools = crate::spool::Spools::new(&settings.data_dir, Arc::clone(&shelf), Arc::clone(&faults));
        let inner = Inner {
            settings,
            clock,
            db,
            log,
            keys,
            faults,
            recall,
            shelf,
            halves: crate::desk::Halves::default(),
            holds: crate::rules::Holds::default(),
            uploads: crate::rules::Uploads::default(),
            spools,
            gauge: crate::jobs::Gauge::default(),
            hashing: crate::logins::Hashing::default(),
            ceremonies: crate::logins::Ceremonies::default(),
            elsewhere: crate::links::Elsewhere::default(),
            sign_ins: crate::logins::SignIns::default(),
            site,
            stripes: crate::logins::Stripes::default(),
            takings: crate::taking::places(),
            bundles: crate::evidence::places(),
            keeper: crate::search::Keeper::default(),
            shares: crate::two_person::Shares::default(),
            keeping: crate::keeping::Keeping::default(),
            archive: crate::archive::Archive::default(),
            certified: crate::certificates::Registry::default(),
            away: crate::certificates::AwayCount::default(),
            requests: crate::ssh_logins::Requests::default(),
            ceremony: tokio::sync::Mutex::default(),
            login_refusals: crate::certificates::AwayCount::default(),
            older_lines: crate::ledger::OlderLines::default(),
            atlas: crate::ledger::Atlas::default(),
            tower: crate::exposure::Watchtower::default(),
            gathering: crate::target_logs::Gathering::default(),
            outside: crate::outside::Outside::default(),
            rotation: tokio::sync::Mutex::default(),
            tracing: tokio::sync::Mutex::default(),
            watch,
            timestamps: std::sync::Mutex::default(),
            watchfire: crate::emergency::Watchfire::default(),
            reviewing: crate::reviewing::Clockwork::default(),
            bells: crate::alarms::Bells::default(),
            bell: tokio::sync::Notify::new(),
            lock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Writes that the box stopped in order, publishes, and lets go of database and folder. Sessions have ended by then.
    ///
    /// # Errors
    /// A fault; the folder is let go of in any case.
    pub async fn close(&self) -> Result<(), Fault> {
        let stopped = async {
            let mut tx = self.write(&Actor::system()).await?;
            tx.fact(Fact::Stopped);
            tx.commit().await?;
            self.publish().await
        };
        let done = stopped.await;
        self.shut().await;
        done
    }

    /// Lets go of database and folder without a word, as a crash would.
    pub async fn shut(&self) {
        self.inner.log.close();
        self.inner.shelf.halt();
        self.inner.keeper.close().await;
        self.inner.shares.clear();
        let conn = self.inner.log.writer().lock().await.close();
        if let Some(conn) = conn
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "the writer did not close in order");
        }
        self.inner.db.close().await;
        if let Err(error) = flock(&self.inner.lock, FlockOperation::Unlock) {
            tracing::warn!(%error, "the data folder could not be unlocked");
        }
    }
}

fn check(settings: &Settings) -> Result<(), Fault> {
    let mut problems = settings.policy.problems();
    if settings.base_url.ends_with('/') || !settings.base_url.starts_with("https://") {
        problems.push("base_url must begin with https:// and have no slash at its end".into());
    }
    problems.extend(settings.database.problem());
    if problems.is_empty() { Ok(()) } else { Err(Fault::Settings(problems.join("; "))) }
}

fn prepare_folder(folder: &Path) -> Result<(), Fault> {
    let words = || format!("creating {}", folder.display());
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(Fault::io(words()))?;
    // The folder may have existed with wider rights; rows and recordings lie in it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(Fault::io(words()))
}

/// Takes the folder for this process. The lock goes with the file when the process ends, however it ends.
fn lock(folder: &Path) -> Result<File, Fault> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(Fault::io(format!("opening {}", path.display())))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Fault::Folder(format!("another instance of Sekisho uses {}", folder.display()))),
        Err(error) => Err(Fault::io(format!("locking {}", path.display()))(error.into())),
    }
}
