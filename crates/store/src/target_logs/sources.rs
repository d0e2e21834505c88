//! The register of sources of targets' logs.

use crate::Store;
use crate::fault::{Done, Fault};
use crate::ledger::LEDGER_ROWS;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::around::{LogSource, SourceAsk, SourceWay};
use sekisho_core::facts::Fact;
use sekisho_core::gather::SourceStanding;
use sekisho_core::ids::LogSourceId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_text;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The register in memory, for the listener.
#[derive(Default)]
pub(crate) struct Known {
    pub all: HashMap<LogSourceId, LogSource>,
    by_serial: HashMap<String, LogSourceId>,
    by_address: HashMap<IpAddr, LogSourceId>,
}

impl Known {
    fn new(sources: Vec<LogSource>) -> Self {
        let mut known = Self::default();
        for source in sources {
            if !source.serial.is_empty() {
                known.by_serial.insert(source.serial.clone(), source.id.clone());
            }
            if let (SourceWay::Legacy { address }, true) = (&source.way, source.active) {
                known.by_address.insert(address.to_canonical(), source.id.clone());
            }
            known.all.insert(source.id.clone(), source);
        }
        known
    }

    pub fn standing(&self, serial: &str) -> SourceStanding {
        let Some(source) = self.by_serial.get(serial).and_then(|id| self.all.get(id)) else { return SourceStanding::Unknown };
        if source.active { SourceStanding::Good(source.id.clone()) } else { SourceStanding::Ended }
    }

    pub fn legacy(&self, address: IpAddr) -> Option<LogSourceId> {
        self.by_address.get(&address.to_canonical()).cloned()
    }
}

/// A source as a page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct LogSourceRow {
    /// The source.
    pub source: LogSource,
    /// Short name of its target; empty for a sensor.
    pub target_name: String,
    /// The last line.
    pub last: Option<Timestamp>,
    /// Lines since it was registered.
    pub lines: u64,
    /// It has said nothing for longer than it may.
    pub silent: bool,
    /// Difference between its clock and ours in the last line with a time, in seconds, if that is too much.
    pub skew: Option<i64>,
}

/// A source that was just given a certificate. Key and certificate are shown once.
#[derive(Debug)]
pub struct NewLogSource {
    /// The source.
    pub source: LogSource,
    /// Its certificate, PEM; empty for a source of the legacy network.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: Secret,
    /// The certificate of the authority by which it knows this box, PEM.
    pub server_ca: String,
    /// Name and port to send to.
    pub address: String,
}

impl NewLogSource {
    /// A configuration for rsyslog that sends the lines of logins, and holds them while this box is away.
    #[must_use]
    pub fn rsyslog(&self) -> String {
        if self.certificate.is_empty() {
            return String::new();
        }
        let (host, port) = self.address.rsplit_once(':').unwrap_or((&self.address, "6514"));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        format!(
            "# Logins go to Sekisho, over TLS with this host's own certificate.\nauth,authpriv.* action(type=\"omfwd\" target=\"{host}\" port=\"{port}\" protocol=\"tcp\"\n    TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\"\n    StreamDriver=\"ossl\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"{host}\"\n    StreamDriver.CAFile=\"/etc/rsyslog.d/sekisho/ca.pem\" StreamDriver.CertFile=\"/etc/rsyslog.d/sekisho/cert.pem\" StreamDriver.KeyFile=\"/etc/rsyslog.d/sekisho/key.pem\"\n    action.resumeRetryCount=\"-1\" queue.type=\"LinkedList\" queue.filename=\"sekisho\" queue.maxDiskSpace=\"256m\" queue.saveOnShutdown=\"on\")\n"
        )
    }
}

impl Store {
    /// Whether targets' logs are taken at all.
    #[must_use]
    pub fn takes_target_logs(&self) -> bool {
        self.inner.settings.target_logs.is_some()
    }

    /// Whether there is a legacy network whose lines are taken in clear.
    #[must_use]
    pub fn takes_legacy_logs(&self) -> bool {
        self.inner.settings.target_logs.as_ref().is_some_and(|settings| !settings.legacy.is_empty())
    }

    /// Reads the register into memory.
    pub(crate) async fn load_log_sources(&self) -> Result<(), Fault> {
        let sources = self.log_sources_held().await?;
        self.inner.gathering.put_sources(Known::new(sources));
        Ok(())
    }

    pub(crate) async fn log_sources_held(&self) -> Result<Vec<LogSource>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM log_sources ORDER BY id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        Ok(rows.iter().filter_map(|row| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a source of logs is left out")).ok()).collect())
    }

    /// The sources, those in force first.
    ///
    /// # Errors
    /// Without the right to read the ledgers.
    pub async fn log_sources(&self, actor: &Actor) -> Done<Vec<LogSourceRow>> {
        may(actor, Action::ReadLedger, None)?;
        let (since, now) = (self.since(), self.now());
        let rows = sqlx::query("SELECT body, seal, last_at, pause_ms, lines FROM log_sources ORDER BY active DESC, id LIMIT $1").bind(LEDGER_ROWS).fetch_all(self.read()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(source) = self.held::<LogSource>(row, since) else { continue };
            let kept: Option<i64> = row.try_get("last_at")?;
            let pause = Duration::from_millis(u64::try_from(row.try_get::<Option<i64>, _>("pause_ms")?.unwrap_or(0)).unwrap_or(0));
            let heard = self.inner.gathering.heard(&source.id);
            let last = heard.map(|heard| heard.last).or(kept.map(Timestamp));
            let pause = heard.map_or(pause, |heard| heard.pause);
            let silent = source.active && last.unwrap_or(source.since).plus(sekisho_detect::join::silence(source.silent_minutes, pause, source.tells_logins)) < now;
            let target_name = match &source.target {
                Some(target) => self.load_target(self.read(), target).await?.map(|target| target.name).unwrap_or_default(),
                None => String::new(),
            };
            let lines = u64::try_from(row.try_get::<i64, _>("lines")?).unwrap_or(0) + heard.map_or(0, |heard| heard.unsaved);
            found.push(LogSourceRow { source, target_name, last, lines, silent, skew: heard.and_then(|heard| heard.skew) });
        }
        Ok(found)
    }

    /// Registers a source, and gives it a certificate unless it is one of the legacy network.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub async fn add_log_source(&self, actor: &Actor, ask: SourceAsk) -> Done<NewLogSource> {
        self.require(actor, Action::KeepLedger, None, "add_log_source").await?;
        ask.check()?;
        let Some(settings) = self.inner.settings.target_logs.clone() else { return Err(Refusal::NotFound.into()) };
        self.log_authority().await?;
        let mut tx = self.write(actor).await?;
        let known = self.log_sources_held().await?;
        if known.len() >= limits::LOG_SOURCES {
            return Err(Refusal::too_many("LOG_SOURCES").into());
        }
        // One host, one source: two that may speak in one name would each be able to speak for the other.
        if known.iter().any(|other| other.active && other.hosts.iter().any(|host| ask.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))) {
            return Err(Refusal::NameTaken.into());
        }
        if let Some(target) = &ask.target {
            self.load_target(tx.sql(), target).await?.filter(|target| target.active).ok_or(Refusal::NotFound)?;
        }
        let way = match ask.legacy {
            Some(address) if !settings.legacy.iter().any(|network| network.contains(address)) => return Err(Refusal::bad_field("legacy").into()),
            Some(address) if known.iter().any(|other| other.active && other.way == SourceWay::Legacy { address: address.to_canonical() }) => return Err(Refusal::NameTaken.into()),
            Some(address) => SourceWay::Legacy { address: address.to_canonical() },
            None => SourceWay::Certificate,
        };
        let SourceAsk { target, hosts, zone_minutes, silent_minutes, tells_logins, .. } = ask;
        let tells_logins = tells_logins && target.is_some();
        let id = random_id()?;
        let mut source = LogSource { id, target, hosts, way, zone_minutes, silent_minutes, tells_logins, serial: String::new(), certificate_until: None, since: tx.now(), active: true };
        sqlx::query("INSERT INTO log_sources (id, active, body) VALUES ($1, 1, '')").bind(source.id.as_str().to_owned()).execute(tx.sql()).await?;
        let made = self.with_certificate(&mut source, tx.now(), &settings.address)?;
        self.save_log_source(&mut tx, &source, "added", "").await?;
        tx.commit().await?;
        self.load_log_sources().await?;
        Ok(made)
    }

    fn with_certificate(&self, source: &mut LogSource, now: Timestamp, address: &str) -> Result<NewLogSource, Fault> {
        let server_ca = self.ca_certificate_pem()?;
        let (certificate, key) = if source.way == SourceWay::Certificate {
            let made = self.certify_source(&source.id, now)?;
            (source.serial, source.certificate_until) = (made.serial, Some(made.until));
            (made.certificate, made.key)
        } else {
            (String::new(), Secret::new(""))
        };
        Ok(NewLogSource { source: source.clone(), certificate, key, server_ca, address: address.to_owned() })
    }

    /// Gives a source a new certificate in the place of its present one, which ends at once.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`].
    pub async fn recertify_log_source(&self, actor: &Actor, id: &LogSourceId) -> Done<NewLogSource> {
        self.require(actor, Action::KeepLedger, None, "recertify_log_source").await?;
        let Some(settings) = self.inner.settings.target_logs.clone() else { return Err(Refusal::NotFound.into()) };
        self.log_authority().await?;
        let mut tx = self.write(actor).await?;
        let mut source = self.log_sources_held().await?.into_iter().find(|source| source.id == *id && source.active && source.way == SourceWay::Certificate).ok_or(Refusal::NotFound)?;
        let made = self.with_certificate(&mut source, tx.now(), &settings.address)?;
        self.save_log_source(&mut tx, &source, "certified", "").await?;
        tx.commit().await?;
        self.load_log_sources().await?;
        Ok(made)
    }

    /// Ends a source: nothing is taken from it any more. What it said is kept.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NotFound`].
    pub async fn end_log_source(&self, actor: &Actor, id: &LogSourceId, reason: &str) -> Done<LogSource> {
        self.require(actor, Action::KeepLedger, None, "end_log_source").await?;
        check_text("reason", reason)?;
        let mut tx = self.write(actor).await?;
        let source = self.log_sources_held().await?.into_iter().find(|source| source.id == *id && source.active).ok_or(Refusal::NotFound)?;
        let source = LogSource { active: false, ..source };
        self.save_log_source(&mut tx, &source, "ended", reason).await?;
        tx.commit().await?;
        self.load_log_sources().await?;
        Ok(source)
    }

    async fn save_log_source(&self, tx: &mut Tx, source: &LogSource, change: &str, reason: &str) -> Result<(), Fault> {
        let body = serde_json::to_string(source)?;
        sqlx::query("UPDATE log_sources SET active = $1, body = $2 WHERE id = $3")
            .bind(i64::from(source.active))
            .bind(body.clone())
            .bind(source.id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(tx, source, &body).await?;
        tx.fact(Fact::LogSourceKept {
            source: source.id.clone(),
            hosts: source.hosts.clone(),
            target: source.target.clone(),
            change: change.to_owned(),
            serial: source.serial.clone(),
            unauthenticated: source.way.is_unauthenticated(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}
