//! The outer door: TLS 1.3 (TLS 1.2 by the exception of a line) with the certificate of a registered device, and behind it everything that this box offers.
//!
//! What a connection wants is said by its protocol (ALPN): the pages, a tunnel to the SSH gateway, the renewal of a
//! certificate, a login of its person. One protocol needs no certificate: the exchange of a one-time code for a certificate, which speaks nothing
//! else and is bounded in everything.
//!
//! INVARIANT: nobody reaches pages or gateway through here whose certificate did not hold in this very handshake. There is
//! no resumption, because a resumed handshake asks for no certificate.

mod exchange;
mod form;
mod listen;
mod verify;
#[cfg(test)]
mod verify_test;

pub use listen::Door;
pub(crate) use form::serial_of;

use crate::{Gateway, GatewayFault};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, version};
use sekisho_core::desk::{Answer, ClientCertificate};
use sekisho_core::porter::{ALPN_ENROL, ALPN_RENEW, ALPN_SSH, Porter};
use sekisho_core::ssh_login::ALPN_LOGIN;
use sekisho_core::time::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use verify::{Judge, Seen, Verifier};

/// A connection that came through the door.
pub type DoorStream = Box<dyn Duplex>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// The pages behind the door. The roof joins them to it.
pub trait Behind: Send + Sync {
    /// Serves a connection of a browser or API client until it is over.
    fn pages(&self, stream: DoorStream, peer: SocketAddr, certificate: ClientCertificate) -> Answer<'_, ()>;
}

/// What the door is told at its start.
pub struct DoorSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate chain of this server, DER, leaf first and its private authority last.
    pub certificates: Vec<Vec<u8>>,
    /// Private key of the leaf, PKCS #8 DER.
    pub key: Vec<u8>,
    /// Public host keys of the SSH gateway, OpenSSH lines, for those who enrol.
    pub ssh_host_keys: Vec<String>,
}

/// What makes a handshake.
struct Lock {
    provider: Arc<CryptoProvider>,
    older: Arc<CryptoProvider>,
    server: Arc<dyn ResolvesServerCert>,
    judge: Arc<Judge>,
}

/// Suites and groups of the high-security type of the IPA's guide for TLS (TLS 暗号設定ガイドライン 3.1.1, 高セキュリティ型):
/// TLS 1.3 alone, AES-GCM and ChaCha20-Poly1305, ECDHE over X25519 or P-256; and before them the hybrid with ML-KEM-768,
/// against those who record what they cannot read yet.
fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

/// What an approved exception of a line lets its clients speak beside that: TLS 1.2 with ECDHE and authenticated encryption
/// (guideline 13 ⑥, IPA guide 3.1.2). The server's key is one of P-256, so the suites are those of ECDSA.
fn older_provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

/// True for a client that speaks nothing as new as TLS 1.3: it offers none of its suites (their numbers begin with 0x13).
fn is_older(hello: &ClientHello<'_>) -> bool {
    !hello.cipher_suites().iter().any(|suite| u16::from(*suite) >> 8 == 0x13)
}

impl Lock {
    fn new(settings: &DoorSettings, porter: Arc<dyn Porter>, clock: Arc<dyn Clock>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(provider());
        let chain = settings.certificates.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(settings.key.clone()));
        let server = Arc::new(SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &provider)?));
        let judge = Arc::new(Judge::new(porter, clock, Arc::clone(&provider))?);
        Ok(Self { provider, older: Arc::new(older_provider()), server, judge })
    }

    /// The rules for one handshake, by what its client offers to speak. Who offers the enrolment beside something else wants
    /// something else. `tls12` is true for a client that speaks nothing newer and comes by a line with an approved exception.
    fn rules(&self, hello: &ClientHello<'_>, seen: &Arc<Seen>, tls12: bool) -> Result<ServerConfig, rustls::Error> {
        let enrols = hello.alpn().is_some_and(|mut offered| offered.next() == Some(ALPN_ENROL) && offered.next().is_none());
        // Who has no certificate yet has a client of ours, and that speaks TLS 1.3.
        let builder = if tls12 && !enrols {
            ServerConfig::builder_with_provider(Arc::clone(&self.older)).with_protocol_versions(&[&version::TLS12])?
        } else {
            ServerConfig::builder_with_provider(Arc::clone(&self.provider)).with_protocol_versions(&[&version::TLS13])?
        };
        let mut config = if enrols {
            builder.with_no_client_auth().with_cert_resolver(Arc::clone(&self.server))
        } else {
            let verifier = Verifier { judge: Arc::clone(&self.judge), seen: Arc::clone(seen) };
            builder.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(Arc::clone(&self.server))
        };
        let protocols: &[&[u8]] = if enrols { &[ALPN_ENROL] } else { &[b"h2", b"http/1.1", ALPN_SSH, ALPN_RENEW, ALPN_LOGIN] };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        // Without it the keys of two handshakes of TLS 1.2 can be made the same by who stands between (RFC 7627).
        config.require_ems = true;
        Ok(config)
    }
}

/// Opens the door's listener. Connections are accepted once [`Door::run`] runs.
///
/// # Errors
/// [`GatewayFault`].
pub async fn bind_door(settings: DoorSettings, gateway: &Gateway, porter: Arc<dyn Porter>, behind: Arc<dyn Behind>, clock: Arc<dyn Clock>) -> Result<Door, GatewayFault> {
    let lock = Lock::new(&settings, Arc::clone(&porter), clock)?;
    let listener = tokio::net::TcpListener::bind(settings.listen).await.map_err(|error| GatewayFault::Listen(settings.listen, error))?;
    let address = listener.local_addr().map_err(|error| GatewayFault::Listen(settings.listen, error))?;
    Ok(Door::new(listener, address, lock, gateway.house(), porter, behind, settings.ssh_host_keys))
}
