//! The keys of the configuration that describe a syslog server: those of a place for checkpoints and of a receiver alike.

use crate::post::read;
use anyhow::{Context, Result};
use sekisho_courier::syslog::{Syslog, SyslogSettings, Transport};
use std::path::Path;

/// The keys, wherever they stand.
#[derive(Clone, Copy, Debug)]
pub struct SyslogKeys<'a> {
    /// `host:port`.
    pub server: &'a str,
    /// Authorities that may have issued its certificate, PEM.
    pub ca_file: &'a Path,
    /// Our own certificate for it, PEM; empty for none.
    pub certificate: &'a Path,
    /// Its key, PEM.
    pub key: &'a Path,
    /// An end of the connection without `close_notify` counts as its end.
    pub bare_close: bool,
    /// Name of the legacy network into which messages go without TLS; empty for TLS.
    pub clear_network: &'a str,
    /// By UDP.
    pub udp: bool,
}

impl SyslogKeys<'_> {
    /// What keeps them from being used; `whose` names the section.
    #[must_use]
    pub fn problems(&self, whose: &str) -> Vec<String> {
        let mut found = Vec::new();
        if self.clear_network.is_empty() == self.ca_file.as_os_str().is_empty() {
            found.push(format!("{whose} には、TLS のための ca_file か、TLS を使えない網の名前 clear_network のどちらか一方が要ります。 / {whose} needs ca_file for TLS, or clear_network for a named legacy network without it"));
        }
        if self.certificate.as_os_str().is_empty() != self.key.as_os_str().is_empty() {
            found.push(format!("{whose} の certificate と key は、両方を書くか、両方を空にしてください。 / certificate and key of {whose} go together"));
        }
        found
    }

    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// A file cannot be read, or what it holds cannot be used.
    pub fn way(&self) -> Result<Syslog> {
        let transport = match self.clear_network {
            "" => Transport::Tls {
                authorities: read(self.ca_file).context("ca_file cannot be read")?,
                identity: if self.certificate.as_os_str().is_empty() { None } else { Some((read(self.certificate)?, read(self.key)?)) },
                bare_close: self.bare_close,
            },
            network if self.udp => Transport::ClearUdp { network: network.to_owned() },
            network => Transport::ClearTcp { network: network.to_owned() },
        };
        let (server, port) = self.server.rsplit_once(':').context("the syslog server names no port")?;
        let settings = SyslogSettings { server: server.to_owned(), port: port.parse().context("the syslog server names no port")?, transport };
        Ok(Syslog::new(settings)?)
    }
}
