//! The only ear on the outside: listens, proves who calls, dials the target, carries what both say.
//!
//! The gateway decides nothing: it asks the [`Desk`], which writes down what it answers before it answers. It holds
//! no SQL, no signing key and no HTML.

mod door;
mod exposure;
mod keys;
mod line;
mod listen;
mod lobby;
mod recall;
mod session;
mod ssh;
mod target_logs;

pub use door::{Behind, Door, DoorSettings, DoorStream, Duplex, bind_door};
pub use exposure::Sentry;
pub use keys::{KeyFault, check_public_key_line, fingerprint, generate_host_keys, public_line};
pub use listen::Gateway;
pub use ssh::scan::{ScanFault, scan_host_keys};
pub use target_logs::{LogEar, TargetLogSettings, bind_target_logs};

use sekisho_core::desk::{Answer, TargetCredential};
use sekisho_core::rotation::{Opening, RotationEnd, RotationOrder, Rotator};
use sekisho_core::probe::{Probe, TestAsk, Tested};

use sekisho_core::desk::Desk;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the gateway is told at its start.
#[derive(Debug)]
pub struct GatewaySettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Our host keys in OpenSSH PEM form, as [`generate_host_keys`] makes them.
    pub host_keys: Vec<Secret>,
    /// The facility's name, for the banner.
    pub facility: String,
}

/// Looks at targets from where this box stands. The roof hands it to whoever asks on a person's behalf.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookout;

impl Probe for Lookout {
    fn host_keys<'a>(&'a self, host: &'a str, port: u16) -> Answer<'a, Result<Vec<String>, String>> {
        Box::pin(async move { scan_host_keys(host, port).await.map_err(|fault| fault.to_string()) })
    }

    fn test(&self, ask: TestAsk) -> Answer<'_, Tested> {
        Box::pin(ssh::dial::test(ask))
    }

    fn public_line(&self, pem: &Secret) -> Option<String> {
        public_line(pem).ok()
    }
}

impl Rotator for Lookout {
    fn rotate(&self, order: RotationOrder) -> Answer<'_, RotationEnd> {
        Box::pin(ssh::exchange::rotate(order))
    }

    fn which<'a>(&'a self, host: &'a str, port: u16, host_keys: &'a [String], username: &'a str, tried: Vec<TargetCredential>) -> Answer<'a, Opening> {
        Box::pin(ssh::exchange::which(host, port, host_keys, username, tried))
    }

    fn new_key(&self) -> Result<Secret, String> {
        ssh::exchange::new_key()
    }
}

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayFault {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A host key cannot be read.
    #[error("host key: {0}")]
    HostKey(#[from] KeyFault),
    /// The outer door's certificate, its key or the authority for devices cannot be used.
    #[error("the outer door: {0}")]
    Tls(#[from] rustls::Error),
    /// There is no host key.
    #[error("no host key")]
    NoHostKey,
}

/// Opens the listener. Connections are accepted once [`Gateway::run`] runs.
///
/// # Errors
/// [`GatewayFault`].
pub async fn bind(settings: GatewaySettings, desk: Arc<dyn Desk>, clock: Arc<dyn Clock>) -> Result<Gateway, GatewayFault> {
    let keys = settings.host_keys.iter().map(keys::read_host_key).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(GatewayFault::NoHostKey);
    }
    let listener = tokio::net::TcpListener::bind(settings.listen).await.map_err(|error| GatewayFault::Listen(settings.listen, error))?;
    let address = listener.local_addr().map_err(|error| GatewayFault::Listen(settings.listen, error))?;
    Ok(Gateway::new(listener, address, ssh::House::new(keys, &settings.facility, desk, clock)))
}
