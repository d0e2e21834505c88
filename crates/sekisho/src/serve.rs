//! `sekisho serve`: joins store, gateway and pages, and ends them in order.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control;
use anyhow::{Context, Result};
use sekisho_core::desk::{Answer, Cause, ClientCertificate, Recall, RecallWord};
use sekisho_core::exposure::Part;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use sekisho_gateway::{Behind, Door, DoorSettings, DoorStream, Gateway, GatewaySettings, LogEar, Sentry};
use sekisho_store::{DeviceToken, MailSettings, Settings, Store};
use sekisho_web::{Face, Web, WebSettings};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use crate::telemetry::Traces;
use tokio::sync::{broadcast, oneshot};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// SIGTERM seals all sessions within this time (threats.md: 30 s in all).
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Starts the program's own log on standard error. It is for operating the program and never becomes evidence.
pub fn start_tracing(level: &str, traces: Option<Traces>) {
    // The steps of roads are for the collector of traces, and say nothing to whoever reads this.
    let filter = tracing_subscriber::EnvFilter::new(format!("{level},sqlx=warn,russh=error,{}=off", crate::telemetry::ROAD));
    // A second start in one process (the demo) finds the first still in place, which is as well.
    // Colours are for eyes: in a file or a journal they are bytes that a search stumbles over.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let words = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false).with_filter(filter);
    let traces = traces.map(|traces| traces.with_filter(tracing_subscriber::filter::filter_fn(crate::telemetry::is_road)));
    let _ = tracing_subscriber::registry().with(words).with(traces).try_init();
}

/// What the store needs to know, from the configuration.
#[must_use]
pub fn store_settings(config: &Config) -> Settings {
    Settings {
        data_dir: config.data.dir.clone(),
        database: config.database(),
        key_file: (!config.data.key_file.as_os_str().is_empty()).then(|| config.data.key_file.clone()),
        facility: config.facility.name.clone(),
        origin: config.origin(),
        policy: config.policy(),
        base_url: config.base_url(),
        passkey_origins: config.passkey_origins(),
        door_name: config.door.name.clone(),
        door_address: config.door_listen().map(|listen| config.door_address(listen.port())).unwrap_or_default(),
        receivers: crate::receivers::asked(config),
        mail: (!config.mail.server.is_empty()).then(|| MailSettings { alarm: config.mail.alarm.clone() }),
        device_token: config.device_ca.pkcs11.clone().map(|token| DeviceToken { module: token.module, token: token.token, pin_file: token.pin_file }),
        ssh_sources: config.ssh.sources.clone(),
        target_logs: crate::gathering::store_settings(config),
        leaked_passwords: (!config.data.leaked_passwords.as_os_str().is_empty()).then(|| config.data.leaked_passwords.clone()),
    }
}

/// Room with which a box starts for certain, in MiB.
const ROOM_TO_START_MIB: u64 = 64;

/// What is said before the reason for which a data folder cannot be opened. A database on a full disk gives none that helps.
fn unopened(dir: &Path) -> String {
    let free = rustix::fs::statvfs(dir).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >> 20);
    match free {
        Ok(free) if free < ROOM_TO_START_MIB => format!(
            "{0} のあるディスクに空きがありません(残り {free} MiB)。{ROOM_TO_START_MIB} MiB 以上空けてから、もう一度起動してください\n\
             The disk of {0} is full ({free} MiB are free). Make {ROOM_TO_START_MIB} MiB of room or more, and start again",
            dir.display()
        ),
        _ => format!("cannot open the data in {}", dir.display()),
    }
}

/// Opens the store.
///
/// # Errors
/// Not initialised, in use by another process, or its log does not hold.
pub async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Store> {
    let store = Store::open(store_settings(config), clock.clone())
        .await
        .with_context(|| unopened(&config.data.dir))?;
    let (directories, broken) = crate::directories::read(config, &clock);
    for (name, why) in broken {
        tracing::error!(name, why, "ALARM: a directory or sign-in provider cannot be used; its persons cannot log in by it");
    }
    store.join_directories(Arc::new(directories));
    Ok(store)
}

/// A Sekisho that runs in this process.
pub struct Running {
    /// Where the pages are.
    pub web: SocketAddr,
    /// Where the SSH gateway is.
    pub ssh: SocketAddr,
    /// Where targets' logs are taken, if they are.
    pub logs_address: Option<SocketAddr>,
    /// Where the outer door is, if there is one.
    pub door_address: Option<SocketAddr>,
    /// The store, for the demo's own look at it.
    pub store: Store,
    gateway: Arc<Gateway>,
    door: Option<Door>,
    logs: Option<LogEar>,
    stop_web: oneshot::Sender<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Starts everything. When this returns, both doors are open.
///
/// # Errors
/// An address is taken, a certificate cannot be used, or the store does not open.
pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Running> {
    // Another provider in the tree would make rustls panic on its first connection.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let courier = crate::post::courier(config)?;
    let receivers = crate::receivers::ways(config)?;
    let places = crate::outside::places(config)?;
    let vault = crate::archive::vault(config, &clock)?;
    let store = open_store(config, clock.clone()).await?;
    // Before any door opens.
    store.check_outside(&places).await;
    crate::doctor::alarm(&store).await;
    let settings = GatewaySettings { listen: config.ssh.listen, host_keys: host_keys(&store)?, facility: config.facility.name.clone() };
    let gateway = sekisho_gateway::bind(settings, Arc::new(store.clone()), clock.clone())
        .await
        .with_context(|| format!("the SSH gateway cannot listen on {}", config.ssh.listen))?;
    let gateway = Arc::new(gateway);
    let (certificates, key) = certificate(config, &store)?;
    let settings = WebSettings {
        listen: config.web.listen,
        hosts: config.web.hosts.clone(),
        certificates,
        key,
        base_url: config.base_url(),
        ssh_host: config.ssh_host(),
        ssh_port: gateway.local_addr().port(),
        door: config.door_listen().map(|listen| config.door_address(listen.port())),
        probe: Arc::new(sekisho_gateway::Lookout),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let web = sekisho_web::bind(settings, store.clone()).await.with_context(|| format!("the pages cannot listen on {}", config.web.listen))?;
    let logs = crate::gathering::open(config, &store, clock.clone()).await?;
    let door = door(config, &store, &gateway, web.face(), clock).await?;
    let control = control::listen(&config.data.dir)?;

    let mut own = vec![(Part::Pages, web.local_addr()), (Part::Ssh, gateway.local_addr())];
    own.extend(door.as_ref().map(|door| (Part::Door, door.local_addr())));
    own.extend(logs.iter().flat_map(|logs| [logs.local_addr().ok(), logs.legacy_addr()]).flatten().map(|address| (Part::Logs, address)));
    let sentry = Sentry::new(own);

    let (stop_web, stopped) = oneshot::channel();
    let addresses = (web.local_addr(), gateway.local_addr());
    let door_address = door.as_ref().map(Door::local_addr);
    let mut tasks = vec![
        tokio::spawn({
            let store = store.clone();
            async move { store.run_jobs().await }
        }),
        tokio::spawn({
            let store = store.clone();
            async move { store.run_surveys().await }
        }),
        tokio::spawn({
            let store = store.clone();
            async move { store.run_rotations(Arc::new(sekisho_gateway::Lookout)).await }
        }),
        tokio::spawn({
            let (store, sentry) = (store.clone(), Arc::new(sentry));
            async move { store.run_exposure(sentry).await }
        }),
        tokio::spawn(forward_recalls(store.recalls(), gateway.clone())),
        tokio::spawn(control::answer(control, store.clone())),
        tokio::spawn({
            let gateway = gateway.clone();
            async move { gateway.run().await }
        }),
        tokio::spawn(run_web(web, stopped)),
    ];
    tasks.push(tokio::spawn({
        let store = store.clone();
        async move { store.run_alarms().await }
    }));
    if let Some((vault, settings)) = vault {
        store.set_archive(vault, settings);
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.run_archive().await }));
    }
    tasks.push(tokio::spawn({
        let (store, settings) = (store.clone(), crate::outside::settings(config));
        async move { store.run_outside(places, settings).await }
    }));
    if let Some(authority) = crate::timestamps::authority(config, &store).await? {
        let (store, every, patience) = (store.clone(), config.timestamps.every(), crate::outside::settings(config).patience);
        tasks.push(tokio::spawn(async move { store.run_timestamps(authority, every, patience).await }));
    }
    tasks.push(tokio::spawn({
        let (store, sources, limit) = (store.clone(), config.time.sources(), Duration::from_secs(u64::from(config.time.limit_seconds)));
        async move { store.watch_clock(sources, limit).await }
    }));
    for (asked, receiver) in receivers {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.run_receiver(asked, receiver).await }));
    }
    if let Some(courier) = courier {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.run_mail(Arc::new(courier)).await }));
    }
    if let Some(logs) = logs.clone() {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.run_gathering().await }));
        tasks.push(tokio::spawn(async move { logs.run().await }));
    }
    if let Some(door) = door.clone() {
        tasks.push(tokio::spawn(async move { door.run().await }));
    }
    let logs_address = logs.as_ref().and_then(|logs| logs.local_addr().ok());
    Ok(Running { logs_address, web: addresses.0, ssh: addresses.1, door_address, store, gateway, door, logs, stop_web, tasks })
}

/// The pages, as the outer door hands connections to them.
struct Inside(Face);

impl Behind for Inside {
    fn pages(&self, stream: DoorStream, peer: SocketAddr, certificate: ClientCertificate) -> Answer<'_, ()> {
        Box::pin(async move { self.0.serve(stream, peer, certificate.serial().to_owned()).await })
    }
}

/// The outer door, if one is configured. It shows a certificate of our own authority whatever the pages show: devices know
/// the box by it from their enrolment on.
async fn door(config: &Config, store: &Store, gateway: &Gateway, face: Face, clock: Arc<dyn Clock>) -> Result<Option<Door>> {
    let Some(listen) = config.door_listen() else { return Ok(None) };
    if !store.device_authority_stands() {
        // Without it nobody could be told from anybody else. Sessions from closed lines and the pages go on.
        tracing::error!("ALARM: the outer door stays shut: the authority for devices (keys/device-ca.keys) cannot be read; put it back from a backup and restart");
        return Ok(None);
    }
    let own = store.tls_certificate(&config.web.hosts)?;
    let keys = store.ssh_host_keys()?;
    let ssh_host_keys = keys.iter().map(sekisho_gateway::public_line).collect::<Result<Vec<_>, _>>().context("the SSH host keys cannot be read")?;
    let settings = DoorSettings { listen, certificates: own.chain, key: own.key.to_vec(), ssh_host_keys };
    let door = sekisho_gateway::bind_door(settings, gateway, Arc::new(store.clone()), Arc::new(Inside(face)), clock).await;
    Ok(Some(door.with_context(|| format!("the outer door cannot listen on {listen}"))?))
}

async fn run_web(web: Web, stopped: oneshot::Receiver<()>) {
    web.run(async {
        let _ = stopped.await;
    })
    .await;
}

/// The one word that flows backwards.
async fn forward_recalls(mut recalls: broadcast::Receiver<Recall>, gateway: Arc<Gateway>) {
    loop {
        match recalls.recv().await {
            Ok(recall) => gateway.recall(recall),
            // A lost recall could be the one that cuts; ending every session is the safe answer.
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::error!(lost, "recalls were lost; all sessions are ended");
                gateway.recall(Recall { session: None, word: RecallWord::End(Cause::Recalled) });
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// The gateway's host keys: made once, kept sealed.
fn host_keys(store: &Store) -> Result<Vec<Secret>> {
    let kept = store.ssh_host_keys()?;
    if !kept.is_empty() {
        return Ok(kept);
    }
    let made = sekisho_gateway::generate_host_keys().context("cannot make SSH host keys")?;
    store.keep_ssh_host_keys(&made)?;
    Ok(made)
}

/// The certificate chain and key for the pages, DER: our own CA's, or the one that is configured.
fn certificate(config: &Config, store: &Store) -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let (certificate, key) = (&config.web.certificate, &config.web.key);
    if certificate.as_os_str().is_empty() {
        let made = store.tls_certificate(&config.web.hosts)?;
        return Ok((made.chain, made.key.to_vec()));
    }
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.with_context(|| format!("cannot use the certificate {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot use the key {}", key.display()))?;
    Ok((chain.into_iter().map(|certificate| certificate.to_vec()).collect(), key.secret_der().to_vec()))
}

impl Running {
    /// Ends everything in order: no new visitors, sessions sealed, last checkpoint published.
    pub async fn stop(self) {
        if let Some(door) = &self.door {
            door.shutdown();
        }
        if let Some(logs) = &self.logs {
            logs.shutdown();
        }
        self.gateway.shutdown(SHUTDOWN).await;
        let _ = self.stop_web.send(());
        if let Err(fault) = self.store.close().await {
            tracing::error!(%fault, "the last entries of the log were not published");
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

/// Runs until the operating system asks to stop.
///
/// # Errors
/// It could not start.
pub async fn run(config: Config) -> Result<ExitCode> {
    let running = start(&config, Arc::new(SystemClock)).await?;
    tracing::info!(web = %running.web, ssh = %running.ssh, door = ?running.door_address, url = config.base_url(), "Sekisho is open");
    let socket = control::path(&config.data.dir);
    asked_to_stop().await?;
    tracing::info!("closing: sessions are being sealed");
    running.stop().await;
    let _ = std::fs::remove_file(socket);
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or Ctrl-C.
///
/// # Errors
/// Signals cannot be awaited on this system.
pub async fn asked_to_stop() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}
