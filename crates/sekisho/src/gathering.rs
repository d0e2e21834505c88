//! Section `[log_sources]`: targets' logs, and the listener that takes them.

use crate::config::Config;
use anyhow::{Context, Result};
use sekisho_core::source::Network;
use sekisho_core::time::Clock;
use sekisho_gateway::{LogEar, TargetLogSettings, bind_target_logs};
use sekisho_store::Store;
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;

/// Section `[log_sources]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSources {
    /// Where to listen for syslog over TLS, as address and port; empty for nowhere.
    pub listen: String,
    /// Name or address and port that the sources send to; empty to derive it.
    pub address: String,
    /// Days for which lines are kept.
    pub keep_days: u32,
    /// Mebibytes that they may take.
    pub keep_mib: u64,
    /// Name of the network whose devices cannot send by TLS; empty for none.
    pub clear_network: String,
    /// Where to listen in clear for it, TCP and UDP.
    pub clear_listen: String,
    /// The addresses of that network.
    pub clear_sources: Vec<Network>,
}

impl Default for LogSources {
    fn default() -> Self {
        Self { listen: String::new(), address: String::new(), keep_days: 400, keep_mib: 20_480, clear_network: String::new(), clear_listen: String::new(), clear_sources: Vec::new() }
    }
}

impl LogSources {
    /// What is wrong with the section.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.listen.is_empty() && self.listen.parse::<SocketAddr>().is_err() {
            found.push("log_sources.listen は、\"0.0.0.0:6514\" のようにアドレスとポートで書いてください。 / log_sources.listen must be an address and a port, such as \"0.0.0.0:6514\"".into());
        }
        if self.listen.is_empty() && !self.clear_listen.is_empty() {
            found.push("log_sources.listen が空のため、[log_sources] の他の項目は効きません。 / log_sources.listen is empty, so the other keys of [log_sources] have no effect".into());
        }
        let clear = [self.clear_network.is_empty(), self.clear_listen.is_empty(), self.clear_sources.is_empty()];
        if clear.iter().any(|empty| *empty) && !clear.iter().all(|empty| *empty) {
            found.push("log_sources の clear_network、clear_listen、clear_sources は三つとも書いてください。平文のログは、名前を付けた網からだけ受け取ります。 / log_sources.clear_network, clear_listen and clear_sources go together: logs in clear are taken from a named network alone".into());
        }
        match self.clear_listen.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_unspecified() => found.push("log_sources.clear_listen は、その網での関所のアドレスにしてください。すべてのアドレスでは待ち受けられません。 / log_sources.clear_listen must be the address of this box in that one network, not all of its addresses".into()),
            Err(_) if !self.clear_listen.is_empty() => found.push("log_sources.clear_listen は、\"192.168.90.1:514\" のようにアドレスとポートで書いてください。 / log_sources.clear_listen must be an address and a port, such as \"192.168.90.1:514\"".into()),
            _ => {}
        }
        if self.clear_sources.iter().any(Network::is_vast) {
            found.push("log_sources.clear_sources に、広すぎて限定にならない網があります。 / log_sources.clear_sources holds a network so large that it is none".into());
        }
        if !(1..=3660).contains(&self.keep_days) || self.keep_mib < 256 {
            found.push("log_sources.keep_days は 1～3660、keep_mib は 256 以上にしてください。 / log_sources.keep_days must be 1 to 3660, keep_mib at least 256".into());
        }
        found
    }

    /// Where to listen, if anywhere.
    #[must_use]
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

/// What the store is told.
#[must_use]
pub fn store_settings(config: &Config) -> Option<sekisho_store::TargetLogSettings> {
    let own = &config.log_sources;
    let listen = own.listen()?;
    let host = config.web.hosts.first().cloned().unwrap_or_default();
    let address = if own.address.is_empty() { format!("{host}:{}", listen.port()) } else { own.address.clone() };
    Some(sekisho_store::TargetLogSettings { address, legacy: own.clear_sources.clone(), keep_days: own.keep_days, keep_bytes: own.keep_mib.saturating_mul(1024 * 1024) })
}

/// Opens the listener, if one is configured. It shows the certificate of the pages' names by our own authority, which sources
/// are given with their own.
///
/// # Errors
/// The address is taken, or the authority cannot be read.
pub async fn open(config: &Config, store: &Store, clock: Arc<dyn Clock>) -> Result<Option<LogEar>> {
    let Some(listen) = config.log_sources.listen() else { return Ok(None) };
    store.open_gathering().await.context("targets' logs cannot be taken")?;
    let own = store.tls_certificate(&config.web.hosts)?;
    let legacy = config.log_sources.clear_listen.parse().ok();
    let settings = TargetLogSettings { listen, legacy, certificates: own.chain, key: own.key.to_vec() };
    let ear = bind_target_logs(settings, Arc::new(store.clone()), clock).await;
    Ok(Some(ear.with_context(|| format!("targets' logs cannot be listened for on {listen}"))?))
}
