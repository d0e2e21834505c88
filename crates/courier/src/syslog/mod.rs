//! The way to a syslog server: RFC 5424 over TLS (RFC 5425), and in clear only into a network that the configuration names.
//!
//! Syslog knows no acknowledgement. What comes nearest is the end of the connection: [`Line::close`] asks for it and waits
//! until the server, which has read everything by then, ends it too, in the words of TLS (RFC 5425 section 4.4): an end without
//! them is what anybody on the wire can make.

mod message;
mod wire;

pub use message::{ELEMENT, Element, Facility, Message, Severity};
pub use wire::Line;

use sekisho_core::limits;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// How messages travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS (RFC 5425).
    Tls {
        /// Authorities that may have issued the server's certificate, PEM. The certificate must name the server.
        authorities: Vec<u8>,
        /// Our own certificate chain and key, PEM, if the server asks who we are.
        identity: Option<(Vec<u8>, Vec<u8>)>,
        /// The server ends connections without the word of TLS for it (`close_notify`), and that is taken for its end. Somebody on
        /// the wire can then end it in the server's place, and what was sent last is crossed off without having arrived.
        bare_close: bool,
    },
    /// TCP in clear (RFC 6587), marked.
    ClearTcp {
        /// What the configuration calls the legacy network.
        network: String,
    },
    /// UDP in clear (RFC 5426), marked. Nobody can tell whether it arrives.
    ClearUdp {
        /// What the configuration calls the legacy network.
        network: String,
    },
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogSettings {
    /// Name or address.
    pub server: String,
    /// Port; 6514 is the usual one for TLS, 514 without.
    pub port: u16,
    /// How messages travel.
    pub transport: Transport,
}

/// Settings that cannot work, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadSyslog(String);

/// A syslog server that can be spoken to.
#[derive(Clone)]
pub struct Syslog {
    server: String,
    port: u16,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Tls { name: ServerName<'static>, connector: TlsConnector, bare_close: bool },
    ClearTcp { network: String },
    ClearUdp { network: String },
}

impl std::fmt::Debug for Syslog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Syslog({}:{})", self.server, self.port)
    }
}

impl Syslog {
    /// Prepares the way; nothing is sent.
    ///
    /// # Errors
    /// A file that holds no certificate or key, or a network without a name.
    pub fn new(settings: SyslogSettings) -> Result<Self, BadSyslog> {
        let way = match settings.transport {
            Transport::Tls { authorities, identity, bare_close } => {
                let name = ServerName::try_from(bare(&settings.server).to_owned()).map_err(|_| BadSyslog(format!("{:?} can stand in no certificate", settings.server)))?;
                Way::Tls { name, connector: connector(&authorities, identity.as_ref())?, bare_close }
            }
            Transport::ClearTcp { network } if named(&network) => Way::ClearTcp { network },
            Transport::ClearUdp { network } if named(&network) => Way::ClearUdp { network },
            Transport::ClearTcp { .. } | Transport::ClearUdp { .. } => return Err(BadSyslog("syslog without TLS needs the name of the legacy network into which it goes".into())),
        };
        Ok(Self { server: settings.server, port: settings.port, way })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// What stands in the way, in words of one line.
    pub async fn connect(&self) -> Result<Line, String> {
        wire::connect(self).await
    }

    /// Connects, sends, and waits for the end of the connection: what one wants for a few messages.
    ///
    /// # Errors
    /// What stood in the way, in words of one line. Some of the messages may have arrived.
    pub async fn hand_over(&self, messages: &[Message]) -> Result<(), String> {
        let mut line = self.connect().await?;
        line.send(messages).await?;
        line.close().await
    }

    /// True if nobody can tell whether a message arrived.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        matches!(self.way, Way::ClearUdp { .. })
    }
}

fn named(network: &str) -> bool {
    let letters = network.trim().chars().count();
    letters > 0 && letters <= limits::LINE_CHARS
}

/// An address without the brackets of IPv6.
fn bare(server: &str) -> &str {
    server.trim_start_matches('[').trim_end_matches(']')
}

/// The same with the authorities of the operating system, and without a certificate of our own.
pub(crate) fn connector_of_system() -> Result<TlsConnector, BadSyslog> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    with_roots(roots, None)
}

pub(crate) fn connector(authorities: &[u8], identity: Option<&(Vec<u8>, Vec<u8>)>) -> Result<TlsConnector, BadSyslog> {
    let bad = |what: &str, why: String| BadSyslog(format!("{what}: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let certificate = certificate.map_err(|fault| bad("the file of authorities", fault.to_string()))?;
        roots.add(certificate).map_err(|fault| bad("the file of authorities", fault.to_string()))?;
    }
    if roots.is_empty() {
        return Err(BadSyslog("the file of authorities holds no certificate".into()));
    }
    with_roots(roots, identity)
}

fn with_roots(roots: RootCertStore, identity: Option<&(Vec<u8>, Vec<u8>)>) -> Result<TlsConnector, BadSyslog> {
    let bad = |what: &str, why: String| BadSyslog(format!("{what}: {why}"));
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|fault| bad("TLS", fault.to_string()))?.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|fault| bad("the client certificate", fault.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|fault| bad("the key of the client certificate", fault.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|fault| bad("the client certificate", fault.to_string()))?
        }
    };
    // A message is sent when there is one; a resumed connection would save nothing and could be told from another.
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_needs_the_name_of_its_network() {
        for (network, sound) in [("", false), ("  ", false), ("旧館の機器監視", true)] {
            for transport in [Transport::ClearTcp { network: network.into() }, Transport::ClearUdp { network: network.into() }] {
                let made = Syslog::new(SyslogSettings { server: "10.0.0.9".into(), port: 514, transport });
                assert_eq!(made.is_ok(), sound, "{network:?}");
            }
        }
        let nobody = Transport::Tls { authorities: b"nothing".to_vec(), identity: None, bare_close: false };
        assert!(Syslog::new(SyslogSettings { server: "log.example".into(), port: 6514, transport: nobody }).is_err());
    }
}
