//! The listener for targets' logs: syslog over TLS with a certificate that is one source's alone (RFC 5425), and in clear from
//! the addresses of a named legacy network where somebody configured that.
//!
//! INVARIANT: over TLS a message is taken as a source's only if that source's certificate held in this very handshake and
//! stands at this very moment. What the message says of itself is not looked at here.

mod pace;
mod plain;
mod tls;

use crate::GatewayFault;
use crate::lobby::Lobby;
use pace::Places;
use rustls::ServerConfig;
use sekisho_core::gather::Gatherer;
use sekisho_core::limits;
use sekisho_core::time::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

/// What the listener is told at its start.
pub struct TargetLogSettings {
    /// Where to listen for TLS.
    pub listen: SocketAddr,
    /// Where to listen in clear, TCP and UDP; `None` for nowhere.
    pub legacy: Option<SocketAddr>,
    /// Certificate chain of this server, DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
    /// Private key of the leaf, PKCS #8 DER.
    pub key: Vec<u8>,
}

/// The listener. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct LogEar(Arc<Ear>);

struct Ear {
    listener: TcpListener,
    legacy: Option<(TcpListener, UdpSocket)>,
    config: Arc<ServerConfig>,
    lobby: Arc<Lobby>,
    places: Arc<Places>,
    gatherer: Arc<dyn Gatherer>,
    stopping: watch::Sender<bool>,
}

/// Opens the listener. Messages are taken once [`LogEar::run`] runs.
///
/// # Errors
/// [`GatewayFault`].
pub async fn bind_target_logs(settings: TargetLogSettings, gatherer: Arc<dyn Gatherer>, clock: Arc<dyn Clock>) -> Result<LogEar, GatewayFault> {
    let config = Arc::new(tls::rules(&settings, &*gatherer, clock)?);
    let fault = |address| move |error| GatewayFault::Listen(address, error);
    let listener = TcpListener::bind(settings.listen).await.map_err(fault(settings.listen))?;
    let legacy = match settings.legacy {
        Some(address) => {
            let tcp = TcpListener::bind(address).await.map_err(fault(address))?;
            // With port 0 both get the one that the system chose.
            let address = tcp.local_addr().map_err(fault(address))?;
            Some((tcp, UdpSocket::bind(address).await.map_err(fault(address))?))
        }
        None => None,
    };
    let lobby = Lobby::new(limits::LOG_HANDSHAKES, limits::LOG_HANDSHAKES_PER_SOURCE);
    Ok(LogEar(Arc::new(Ear { listener, legacy, config, lobby, places: Arc::default(), gatherer, stopping: watch::Sender::new(false) })))
}

impl LogEar {
    /// The address of the listener for TLS.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.listener.local_addr()
    }

    /// The address of the listener in clear, if there is one.
    #[must_use]
    pub fn legacy_addr(&self) -> Option<SocketAddr> {
        self.0.legacy.as_ref().and_then(|(tcp, _)| tcp.local_addr().ok())
    }

    /// Takes messages until [`LogEar::shutdown`].
    pub async fn run(&self) {
        let mut stopping = self.0.stopping.subscribe();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tls::accept(&self.0) => {}
            () = plain::accept(&self.0) => {}
            () = plain::datagrams(&self.0) => {}
        }
        self.0.places.clear();
        self.0.lobby.clear();
    }

    /// Takes nothing any more.
    pub fn shutdown(&self) {
        self.0.stopping.send_replace(true);
    }
}
