//! Syslog over TLS (RFC 5425), with the certificate of a source.

use super::pace::Place;
use super::{Ear, TargetLogSettings};
use crate::door::serial_of;
use crate::line::{Cut, Line};
use crate::lobby::Seat;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, version};
use sekisho_core::gather::{AwayWhy, Gatherer, SourceStanding};
use sekisho_core::ids::LogSourceId;
use sekisho_core::limits;
use sekisho_core::time::Clock;
use sekisho_detect::frame::{Framer, Framing};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Pause after a failed accept, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// The house's clock, for the times of certificates.
#[derive(Debug)]
struct HouseTime(Held);

struct Held(Arc<dyn Clock>);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeProvider for HouseTime {
    fn current_time(&self) -> Option<UnixTime> {
        u64::try_from(self.0.0.now().0.div_euclid(1000)).ok().map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// TLS 1.3, and 1.2 with ECDHE and authenticated encryption: the senders are whatever a hospital's servers run, and what they
/// say is protected by either (IPA guide 3.1.2).
fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

/// The rules of every handshake. There is no resumption, because a resumed handshake asks for no certificate.
pub fn rules(settings: &TargetLogSettings, gatherer: &dyn Gatherer, clock: Arc<dyn Clock>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(gatherer.authority()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let chain = settings.certificates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(settings.key.clone()));
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(HouseTime(Held(clock))))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// Accepts connections for ever. Never waits for one.
pub async fn accept(ear: &Arc<Ear>) {
    loop {
        match ear.listener.accept().await {
            Ok((stream, peer)) => {
                let cut = Cut::default();
                if let Some(seat) = ear.lobby.enter(peer.ip(), cut.clone()) {
                    tokio::spawn(serve(Arc::clone(ear), stream, peer.ip().to_canonical(), cut, seat));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of a log source could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(ear: Arc<Ear>, stream: TcpStream, from: IpAddr, cut: Cut, seat: Seat) {
    // A host that was switched off says no goodbye.
    let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_secs(120)));
    let acceptor = TlsAcceptor::from(Arc::clone(&ear.config));
    let deadline = Duration::from_secs(limits::LOG_HANDSHAKE_SECONDS as u64);
    let stream = match tokio::time::timeout(deadline, acceptor.accept(Line::new(stream, cut.clone()))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%from, %error, "no handshake of a log source");
            if is_about_the_certificate(&error) {
                ear.gatherer.turned_away(from, AwayWhy::Chain).await;
            }
            cut.sever();
            return;
        }
        Err(_) => return cut.sever(),
    };
    drop(seat);
    let serial = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|leaf| serial_of(leaf)).unwrap_or_default();
    let source = match ear.gatherer.standing(&serial) {
        SourceStanding::Good(source) => source,
        other => {
            let why = if other == SourceStanding::Ended { AwayWhy::Ended } else { AwayWhy::Unknown };
            ear.gatherer.turned_away(from, why).await;
            return cut.sever();
        }
    };
    match ear.places.take(&source, cut.clone()) {
        Some(place) => {
            let stands = || ear.gatherer.standing(&serial) == SourceStanding::Good(source.clone());
            ear.gatherer.linked(&source, true);
            carry(&ear, stream, &source, from, Framing::Counted, &place, stands).await;
            ear.gatherer.linked(&source, false);
        }
        None => ear.gatherer.turned_away(from, AwayWhy::Full).await,
    }
    cut.sever();
}

fn is_about_the_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)))
}

/// Hands over the messages of a stream until it ends, or its source does.
pub async fn carry(ear: &Ear, mut stream: impl AsyncRead + Unpin, source: &LogSourceId, from: IpAddr, framing: Framing, place: &Place, stands: impl Fn() -> bool) {
    let (mut framer, mut buffer) = (Framer::new(framing), vec![0; READ]);
    loop {
        // Before it is read, so that who hangs up and comes again gains nothing.
        tokio::time::sleep(place.owed()).await;
        let read = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        framer.push(buffer.get(..read).unwrap_or_default());
        let mut messages = Vec::new();
        let breach = loop {
            match framer.next() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if !stands() {
            return;
        }
        place.count(messages.len(), read);
        if !messages.is_empty() && ear.gatherer.take(source, messages).await.is_err() {
            return;
        }
        if breach {
            tracing::warn!(%from, %source, "a stream of logs does not keep to its form");
            return ear.gatherer.turned_away(from, AwayWhy::Form).await;
        }
    }
    if let Some(rest) = framer.finish()
        && !rest.is_empty()
        && stands()
    {
        let _ = ear.gatherer.take(source, vec![rest]).await;
    }
}
