//! The listener: TLS 1.3 only, handshakes with a deadline beside the accept loop, limits for each source.

use crate::call::House;
use crate::gate::credentials::{Peer, Through};
use crate::routes;
use crate::settings::WebSettings;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sekisho_core::limits;
use sekisho_core::porter::{Porter, Standing};
use sekisho_core::refusal::Refusal;
use sekisho_store::Store;
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Time that open requests have to finish after the box is told to stop.
const SHUTDOWN_SECONDS: u64 = 5;
/// Pause after a failed accept, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the web face cannot be put up.
#[derive(Debug, thiserror::Error)]
pub enum WebFault {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Certificate and key do not serve.
    #[error("certificate or key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// No name is configured under which to answer.
    #[error("web.hosts is empty: name at least one host under which browsers reach this box")]
    NoHosts,
}

/// The web face, listening.
pub struct Web {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    face: Face,
}

/// The pages for connections that the outer door has let in. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Face {
    router: Router,
    store: Store,
    door: Arc<Door>,
    stopping: watch::Sender<bool>,
}

/// Begins to listen. Nothing is answered before [`Web::run`].
///
/// # Errors
/// See [`WebFault`].
pub async fn bind(settings: WebSettings, store: Store) -> Result<Web, WebFault> {
    if settings.hosts.is_empty() {
        return Err(WebFault::NoHosts);
    }
    let acceptor = TlsAcceptor::from(Arc::new(tls(&settings)?));
    let address = settings.listen;
    let listen = |source| WebFault::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let router = routes::router(&Arc::new(House::new(store.clone(), settings)));
    let face = Face { router: router.clone(), store, door: Arc::default(), stopping: watch::Sender::new(false) };
    Ok(Web { listener, address, acceptor, router, face })
}

fn tls(settings: &WebSettings) -> Result<ServerConfig, rustls::Error> {
    let chain: Vec<_> = settings.certificates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(settings.key.clone()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // The order of the suites is ours, the strongest first.
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Early data can be replayed by whoever recorded it.
    config.max_early_data_size = 0;
    Ok(config)
}

impl Web {
    /// Where it listens, with the port that the operating system chose if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The same pages, for connections that come through the outer door.
    #[must_use]
    pub fn face(&self) -> Face {
        self.face.clone()
    }

    /// Answers until `shutdown` is done, then lets open requests finish for a few seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let door = Arc::clone(&self.face.door);
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Beyond the limits the connection is closed at once; the others go on.
            let Some(place) = door.enter(peer.ip().to_canonical()) else { continue };
            let (acceptor, router, watcher) = (self.acceptor.clone(), self.router.clone(), graceful.watcher());
            tokio::spawn(async move {
                serve(acceptor, stream, peer, router, watcher).await;
                drop(place);
            });
        }
        drop(self.listener);
        self.face.stopping.send_replace(true);
        if tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECONDS), graceful.shutdown()).await.is_err() {
            tracing::info!("some requests were still open when the web face stopped");
        }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr, router: Router, watcher: Watcher) {
    let deadline = Duration::from_secs(limits::WEB_HANDSHAKE_SECONDS as u64);
    // Small answers of the live view must not wait for the next packet.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(deadline, acceptor.accept(stream)).await else { return };
    let builder = builder();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

impl Face {
    /// Serves a connection that came through the outer door with a certificate of this serial number, until it is over.
    pub async fn serve<S>(&self, stream: S, peer: SocketAddr, serial: String)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(place) = self.door.enter(peer.ip().to_canonical()) else { return };
        let (router, store) = (self.router.clone(), self.store.clone());
        let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            // Asked for each request: a connection may live longer than its certificate.
            let standing = match Porter::standing(&store, &serial) {
                Standing::Good { device, until } if store.now() < until => Some(device),
                _ => None,
            };
            let router = router.clone();
            async move {
                let Some(device) = standing else { return Ok(ended()) };
                request.extensions_mut().insert(Peer(peer));
                request.extensions_mut().insert(Through(device));
                router.oneshot(request.map(axum::body::Body::new)).await
            }
        });
        let builder = builder();
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = self.stopping.subscribe();
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(Duration::from_secs(SHUTDOWN_SECONDS), connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection through the outer door ended with an error");
        }
        drop(place);
    }
}

/// What a device reads whose certificate ended while its connection stood.
fn ended() -> axum::response::Response {
    let words = Refusal::CertificateEnded.words();
    let text = format!("{} {} {} / {} {}\n", words.code, words.ja, words.next_ja, words.en, words.next_en);
    crate::gate::refuse::line(axum::http::StatusCode::FORBIDDEN, text)
}

/// What HTTP is spoken, and within which bounds.
fn builder() -> Builder<TokioExecutor> {
    let head = Duration::from_secs(limits::WEB_HEAD_SECONDS as u64);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(limits::WEB_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::WEB_HEAD_BYTES as u32)
        .max_concurrent_streams(64)
        .keep_alive_interval(head)
        .keep_alive_timeout(head);
    builder
}

/// Counts connections, all together and for each source.
struct Door {
    all: Arc<Semaphore>,
    sources: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Door {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(limits::WEB_CONNECTIONS)), sources: Arc::default() }
    }
}

struct Place {
    source: IpAddr,
    sources: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _one: OwnedSemaphorePermit,
}

impl Door {
    fn enter(&self, source: IpAddr) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source).or_default();
        if *count >= limits::WEB_CONNECTIONS_PER_SOURCE {
            return None;
        }
        *count += 1;
        Some(Place { source, sources: Arc::clone(&self.sources), _one: one })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_every_place() {
        let door = Door::default();
        let busy: IpAddr = "192.0.2.1".parse().unwrap();
        let held: Vec<_> = (0..limits::WEB_CONNECTIONS_PER_SOURCE).map(|_| door.enter(busy).unwrap()).collect();
        assert!(door.enter(busy).is_none());
        assert!(door.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(held);
        assert!(door.enter(busy).is_some());
        assert_eq!(door.sources.lock().unwrap().len(), 0);
    }
}
