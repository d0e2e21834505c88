//! SSH: the worker's leg, the target's leg, and what goes between them.

pub mod algorithms;
mod arrive;
mod carrier;
mod carry;
mod choose;
pub mod dial;
pub mod exchange;
mod files;
mod forward;
mod hold;
mod login;
mod observe;
mod quarantine;
pub mod scan;
mod veil;
mod visit;
mod wish;
pub mod words;
mod worker;

use crate::line::Cut;
use crate::lobby::{Lobby, Seat};
use crate::recall::Running;
use russh::keys::PrivateKey;
use russh::server;
use sekisho_core::desk::{Arrival, Desk};
use sekisho_core::limits;
use sekisho_core::time::Clock;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::Instrument as _;

/// What we call ourselves in the protocol. The comment tells clients (asyncssh for one) whose habits stand behind the
/// name: OpenSSH takes the two names of a symbolic link in the other order than the draft of SFTP has them.
const SSH_ID: &str = "SSH-2.0-Sekisho OpenSSH";
/// The window of one channel, in bytes: what one direction of one channel may keep in memory.
const WINDOW: u32 = 2 * 1024 * 1024;
/// The longest data packet.
const PACKET: u32 = 32 * 1024;
/// Silence after which a peer is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a task may take to say goodbye before its connection is severed.
const GOODBYE: Duration = Duration::from_millis(700);
/// Channels and refusals that may wait for the visit's task.
const ASKS: usize = 32;

/// What all connections share.
pub struct House {
    pub desk: Arc<dyn Desk>,
    pub clock: Arc<dyn Clock>,
    pub lobby: Arc<Lobby>,
    pub running: Arc<Running>,
    config: Arc<server::Config>,
    banner: String,
    stopping: AtomicBool,
}

impl House {
    pub fn new(keys: Vec<PrivateKey>, facility: &str, desk: Arc<dyn Desk>, clock: Arc<dyn Clock>) -> Self {
        let config = server::Config {
            server_id: russh::SshId::Standard(Cow::Borrowed(SSH_ID)),
            methods: login::first_methods(),
            // The login makes its own delay, on failures only: the library's would slow the partial success too.
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys,
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            preferred: algorithms::preferred(),
            // Offers of keys and wrong codes are counted by the login itself.
            max_auth_attempts: limits::KEY_OFFERS + limits::LOGIN_TRIES + limits::CODE_TRIES,
            // Idle time is the session's affair, and before login the deadline's.
            inactivity_timeout: None,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: 3,
            nodelay: true,
            ..server::Config::default()
        };
        Self {
            desk,
            clock,
            lobby: Lobby::new(limits::HANDSHAKES, limits::HANDSHAKES_PER_SOURCE),
            running: Arc::default(),
            config: Arc::new(config),
            banner: words::banner(facility),
            stopping: AtomicBool::new(false),
        }
    }

    /// From here on nobody enters.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Ends when a login has taken too long: soon for who has shown nothing, later for a person who looks for the code.
async fn lapse(mut proof: watch::Receiver<bool>) {
    let begun = Instant::now();
    let first = begun + Duration::from_secs(limits::FIRST_FACTOR_SECONDS as u64);
    if tokio::time::timeout_at(first, proof.wait_for(|proved| *proved)).await.is_ok() {
        tokio::time::sleep_until(begun + Duration::from_secs(limits::LOGIN_SECONDS as u64)).await;
    }
}

/// Serves one connection until it is over. `target` is the one that the outer door was told, for login names that tell none.
pub async fn serve<L>(house: Arc<House>, line: L, cut: Cut, arrival: Arrival, target: Option<String>, seat: Seat)
where
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The steps of a road, for who traces how long each takes: identifiers and closed words alone, never who or from where.
    let road = tracing::info_span!(target: "road", "arrive", session = tracing::field::Empty);
    walk(house, line, cut, arrival, target, seat).instrument(road).await;
}

async fn walk<L>(house: Arc<House>, line: L, cut: Cut, arrival: Arrival, target: Option<String>, seat: Seat)
where
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let source = arrival.source;
    let lapsed = lapse(seat.proof());
    let login = login::Login::new(Arc::clone(&house.desk), arrival, target, seat);
    let (arrived, arrival) = oneshot::channel();
    let (asks, asked) = mpsc::channel(ASKS);
    let visitor = arrive::Visitor::new(login, house.banner.clone(), arrived, asks);
    let served = async {
        let mut running = server::run_stream(Arc::clone(&house.config), line, visitor).await?;
        tokio::select! {
            // The connection's end drops the sender, so this arm sees it too.
            arrival = arrival => Ok(arrival.ok().map(|arrival| (arrival, running))),
            ended = &mut running => ended.map(|()| None),
        }
    };
    let identify = tracing::info_span!(target: "road", "identify", outcome = tracing::field::Empty);
    let served = served.instrument(identify.clone());
    let served = tokio::select! {
        served = served => Some(served),
        () = lapsed => None,
    };
    identify.record("outcome", if matches!(served, Some(Ok(Some(_)))) { "identified" } else { "gone" });
    drop(identify);
    match served {
        Some(Ok(Some((arrival, running)))) => visit::visit(&house, arrival, asked, running, &cut).await,
        Some(Ok(None)) => {}
        Some(Err(error)) => tracing::debug!(%source, %error, "the connection ended before login"),
        None => tracing::debug!(%source, "no login in time"),
    }
    // Whatever its task waits for, the connection is over.
    cut.sever();
}
