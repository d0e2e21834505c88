//! Accepting at the door: limits, the handshake beside the accept loop, and the way to what is behind.

use super::exchange;
use super::verify::Seen;
use super::{Behind, Lock, is_older};
use crate::line::{Cut, Line};
use crate::lobby::{Lobby, Seat};
use crate::ssh::{self, House};
use sekisho_core::desk::{Arrival, ClientCertificate};
use sekisho_core::ids::DeviceId;
use sekisho_core::limits;
use sekisho_core::ssh_login::ALPN_LOGIN;
use sekisho_core::porter::{ALPN_ENROL, ALPN_RENEW, ALPN_SSH, Porter, Standing, TurnedAway};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Pause after a failed accept, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a connection is held against its certificate.
const LOOK: Duration = Duration::from_secs(1);
/// The line that names a tunnel's target: this, the name or a hyphen, a line feed.
const TARGET_WORD: &str = "TARGET ";

/// The outer door, listening. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    listener: Mutex<Option<TcpListener>>,
    address: SocketAddr,
    lock: Lock,
    lobby: Arc<Lobby>,
    places: Arc<Places>,
    house: Arc<House>,
    porter: Arc<dyn Porter>,
    behind: Arc<dyn Behind>,
    host_keys: Vec<String>,
    stopping: watch::Sender<bool>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, address: SocketAddr, lock: Lock, house: Arc<House>, porter: Arc<dyn Porter>, behind: Arc<dyn Behind>, host_keys: Vec<String>) -> Self {
        let lobby = Lobby::new(limits::DOOR_HANDSHAKES, limits::DOOR_HANDSHAKES_PER_SOURCE);
        let listener = Mutex::new(Some(listener));
        let inner = Inner { listener, address, lock, lobby, places: Arc::default(), house, porter, behind, host_keys, stopping: watch::Sender::new(false) };
        Self(Arc::new(inner))
    }

    /// The address it listens on, with the port that the system chose if the settings said 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    /// Accepts connections until [`Door::shutdown`], then closes the port. Never waits for a connection. Returns at once
    /// if it runs already.
    pub async fn run(&self) {
        let Some(listener) = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut stopping = self.0.stopping.subscribe();
        loop {
            let accepted = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted at the outer door");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let cut = Cut::default();
            let Some(seat) = self.0.lobby.enter(peer.ip(), cut.clone()) else { continue };
            tokio::spawn(Arc::clone(&self.0).serve(stream, peer, cut, seat));
        }
    }

    /// Accepts nobody any more and sends those away who have not come through. What is behind ends by itself.
    pub fn shutdown(&self) {
        self.0.stopping.send_replace(true);
        self.0.lobby.clear();
    }
}

impl Inner {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, cut: Cut, seat: Seat) {
        let deadline = Duration::from_secs(limits::DOOR_HANDSHAKE_SECONDS as u64);
        let begun = tokio::time::timeout(deadline, self.greet(stream, peer, &cut)).await;
        let Ok(Some(mut came)) = begun else {
            cut.sever();
            return;
        };
        let Some(certificate) = came.certificate.take() else {
            // The seat stays taken: whoever enrols is a stranger until it is done.
            self.enrol(came.stream, peer).await;
            cut.sever();
            return;
        };
        let Some(_place) = self.places.take(&came.device) else {
            tracing::warn!(%peer, device = ?came.device, "too many tunnels");
            cut.sever();
            return;
        };
        // A tunnel to the gateway takes its place there at once, so that it is known when somebody has proved themselves in it.
        let inner = matches!(came.want, Want::Ssh(_)).then(|| self.house.lobby.enter(peer.ip(), cut.clone())).flatten();
        let proved = inner.as_ref().map(Seat::proof);
        let served = async {
            match came.want {
                Want::Pages => {
                    drop(seat);
                    self.behind.pages(Box::new(came.stream), peer, certificate.clone()).await;
                }
                Want::Ssh(target) => {
                    drop(seat);
                    let arrival = Arrival { source: peer.ip().to_canonical(), certificate: Some(certificate.clone()) };
                    if let Some(seat) = inner {
                        ssh::serve(Arc::clone(&self.house), came.stream, cut.clone(), arrival, target, seat).await;
                    }
                }
                Want::Login => {
                    drop(seat);
                    self.log_in(came.stream, peer, certificate.serial()).await;
                }
                Want::Renewal => {
                    drop(seat);
                    self.renew(came.stream, peer, certificate.serial()).await;
                }
            }
        };
        tokio::select! {
            () = served => {}
            () = self.fall(certificate.serial(), proved.as_ref()) => tracing::info!(%peer, "the certificate of a tunnel does not hold any more"),
            () = self.outlive(peer.ip().to_canonical()), if came.is_older => tracing::info!(%peer, "the exception for TLS 1.2 of a tunnel's line has ended"),
        }
        cut.sever();
    }

    /// Ends when a certificate has been revoked, with a little time in which the worker reads why. It is asked and not told,
    /// so that nothing that was said can be lost. One that has ended by its time ends what nobody has proved themselves in;
    /// a session that was entered in its time goes on, to the end of its own.
    async fn fall(&self, serial: &str, proved: Option<&watch::Receiver<bool>>) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let falls = match self.porter.standing(serial) {
                Standing::Revoked | Standing::Unknown => true,
                Standing::Good { until, .. } => self.house.clock.now() >= until && !proved.is_some_and(|proved| *proved.borrow()),
            };
            if falls {
                tokio::time::sleep(Duration::from_secs(limits::DOOR_GOODBYE_SECONDS as u64)).await;
                return;
            }
        }
    }

    /// Ends when the exception by which a tunnel speaks TLS 1.2 has ended, also for a session within it: it has an end that is
    /// known beforehand, and whoever withdraws it wants the old channel closed.
    async fn outlive(&self, source: IpAddr) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if !self.porter.admits_tls12(source) {
                tokio::time::sleep(Duration::from_secs(limits::DOOR_GOODBYE_SECONDS as u64)).await;
                return;
            }
        }
    }

    /// The handshake, and the line that names a target.
    async fn greet(&self, stream: TcpStream, peer: SocketAddr, cut: &Cut) -> Option<Came> {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), Line::new(stream, cut.clone())).await;
        let hello = hello.inspect_err(|error| tracing::debug!(%peer, %error, "no handshake at the outer door")).ok()?;
        let seen = Arc::new(Seen::default());
        let tls12 = is_older(&hello.client_hello()) && self.porter.admits_tls12(peer.ip().to_canonical());
        let rules = self.lock.rules(&hello.client_hello(), &seen, tls12).inspect_err(|error| tracing::error!(%error, "the outer door cannot answer")).ok()?;
        let accepted = hello.into_stream(Arc::new(rules)).await;
        let mut stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%peer, %error, "no handshake at the outer door");
                if let Some((serial, fault)) = seen.failure() {
                    self.porter.turned_away(TurnedAway { source: peer.ip().to_canonical(), serial, fault }).await;
                }
                return None;
            }
        };
        let spoken = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        if spoken.as_deref() == Some(ALPN_ENROL) {
            return Some(Came { stream, certificate: None, device: None, is_older: false, want: Want::Renewal });
        }
        let (certificate, device) = seen.proof()?;
        // By its address alone somebody else's device would speak it, too.
        let is_older = stream.get_ref().1.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3);
        if is_older && !self.porter.admits_tls12_of(peer.ip().to_canonical(), &device).await {
            tracing::info!(%peer, device = %device, "TLS 1.2 by the line of another vendor");
            return None;
        }
        let want = match spoken.as_deref() {
            None | Some(b"h2" | b"http/1.1") => Want::Pages,
            Some(ALPN_SSH) => Want::Ssh(target_line(&mut stream).await?),
            Some(ALPN_RENEW) => Want::Renewal,
            Some(ALPN_LOGIN) => Want::Login,
            Some(_) => return None,
        };
        Some(Came { stream, certificate: Some(certificate), device: Some(device), is_older, want })
    }

    async fn enrol(&self, stream: TlsStream<Line>, peer: SocketAddr) {
        let source = peer.ip().to_canonical();
        let done = exchange::serve(stream, |ask| async move {
            match ask.ticket {
                Some(ticket) => self.porter.enrol(source, ticket, ask.request).await.map(|issued| self.with_host_keys(issued)),
                None => Err(sekisho_core::refusal::Refusal::CertificateAskBad),
            }
        });
        done.await;
    }

    async fn renew(&self, stream: TlsStream<Line>, peer: SocketAddr, serial: &str) {
        let source = peer.ip().to_canonical();
        exchange::serve(stream, |ask| async move { self.porter.renew(source, serial, ask.request).await.map(|issued| self.with_host_keys(issued)) }).await;
    }

    async fn log_in(&self, stream: TlsStream<Line>, peer: SocketAddr, serial: &str) {
        let source = peer.ip().to_canonical();
        exchange::log_in(stream, |ask| self.porter.ask_login(source, serial, ask)).await;
    }

    fn with_host_keys(&self, issued: sekisho_core::porter::Issued) -> sekisho_core::porter::Issued {
        sekisho_core::porter::Issued { ssh_host_keys: self.host_keys.clone(), ..issued }
    }
}

/// A connection after its handshake.
struct Came {
    stream: TlsStream<Line>,
    /// `None` for who enrols.
    certificate: Option<ClientCertificate>,
    device: Option<DeviceId>,
    /// True if it speaks TLS 1.2, by the exception of a line.
    is_older: bool,
    want: Want,
}

enum Want {
    Pages,
    /// A tunnel, for the target that was named, if one was.
    Ssh(Option<String>),
    Renewal,
    /// A login of the device's person.
    Login,
}

/// Reads `TARGET name` or `TARGET -`. `None` if it is neither: the connection ends.
async fn target_line(stream: &mut TlsStream<Line>) -> Option<Option<String>> {
    let most = TARGET_WORD.len() + limits::TARGET_NAME_CHARS;
    let mut line = Vec::with_capacity(most);
    loop {
        match stream.read_u8().await.ok()? {
            b'\n' => break,
            byte if line.len() < most => line.push(byte),
            _ => return None,
        }
    }
    let name = std::str::from_utf8(&line).ok()?.strip_prefix(TARGET_WORD)?;
    Some((name != "-").then(|| name.to_owned()))
}

/// Counts connections behind the door, all together and for each device.
#[derive(Default)]
struct Places(Mutex<HashMap<DeviceId, usize>>);

struct Place {
    places: Arc<Places>,
    device: DeviceId,
}

impl Places {
    fn take(self: &Arc<Self>, device: &Option<DeviceId>) -> Option<Place> {
        let device = device.as_ref()?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.get(device).copied().unwrap_or(0);
        if own >= limits::DOOR_TUNNELS_PER_DEVICE || held.values().sum::<usize>() >= limits::DOOR_TUNNELS {
            return None;
        }
        held.insert(device.clone(), own + 1);
        Some(Place { places: Arc::clone(self), device: device.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.device);
            }
        }
    }
}
