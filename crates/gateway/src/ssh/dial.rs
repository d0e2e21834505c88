//! The target's leg: reaches the target, compares its key with the pinned ones, logs in with the stored credential.
//!
//! INVARIANT: nothing of the credential is sent before the host key equals a pinned one.

use super::{KEEPALIVE, PACKET, SSH_ID, WINDOW, algorithms};
use crate::keys;
use crate::line::{Cut, Line};
use crate::session::Session;
use russh::client::{self, AuthResult, DisconnectReason, KeyboardInteractiveAuthResponse};
use russh::keys::{Certificate, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, MethodKind, SshId};
use sekisho_core::desk::{Cause, Dialled, TargetCredential};
use sekisho_core::limits;
use sekisho_core::probe::{TestAsk, Tested};
use sekisho_core::secret::Secret;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Questions of the target's keyboard-interactive that are answered.
const QUESTIONS: usize = 4;

/// The connection to the target, logged in. Dropping it severs it.
pub struct Target {
    handle: client::Handle<Pinned>,
    cut: Cut,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.cut.sever();
    }
}

impl Target {
    /// Opens a channel on the target.
    pub async fn open(&self) -> Result<Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// Opens a local forward on the target, which is told where it really comes from.
    pub async fn forward(&self, host: &str, port: u16, from: (&str, u32)) -> Result<Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_direct_tcpip(host, u32::from(port), from.0, from.1).await
    }

    /// Says goodbye, so that the target's log shows an orderly end.
    pub async fn disconnect(&self) {
        let _ = self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
    }
}

/// Where to, as whom, and for which session if there is one.
struct Errand<'a> {
    host: &'a str,
    port: u16,
    host_keys: &'a [String],
    username: &'a str,
    session: Option<Arc<Session>>,
}

/// How far an errand came, for whoever wants to know the steps.
#[derive(Default)]
struct Steps {
    address: Option<SocketAddr>,
    local: Option<SocketAddr>,
    host_key: Option<String>,
}

/// Dials the session's target. The outcome is what the log is told; with [`Dialled::Connected`] comes the connection.
pub async fn dial(session: &Arc<Session>, credential: TargetCredential) -> (Dialled, Option<Target>) {
    let grant = session.grant();
    let errand = Errand { host: &grant.host, port: grant.port, host_keys: &grant.host_keys, username: &grant.username, session: Some(Arc::clone(session)) };
    in_time(&errand, credential, &Mutex::default()).await
}

/// Dials and logs in for an errand that is no worker's session.
pub async fn open(host: &str, port: u16, host_keys: &[String], username: &str, credential: TargetCredential) -> (Dialled, Option<Target>) {
    let errand = Errand { host, port, host_keys, username, session: None };
    in_time(&errand, credential, &Mutex::default()).await
}

/// Dials, logs in and says goodbye. No channel is opened.
pub async fn test(ask: TestAsk) -> Tested {
    let TestAsk { host, port, host_keys, username, credential } = ask;
    let errand = Errand { host: &host, port, host_keys: &host_keys, username: &username, session: None };
    let steps = Mutex::default();
    let (outcome, target) = in_time(&errand, credential, &steps).await;
    if let Some(target) = target {
        // Dropping it severs the connection in any case.
        let _ = tokio::time::timeout(super::GOODBYE, target.disconnect()).await;
    }
    let Steps { address, host_key, .. } = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
    Tested { address: address.map(|address| address.to_string()), host_key, outcome }
}

async fn in_time(errand: &Errand<'_>, credential: TargetCredential, steps: &Mutex<Steps>) -> (Dialled, Option<Target>) {
    let limit = Duration::from_secs(limits::DIAL_SECONDS as u64);
    let cut = Cut::default();
    // Dropped without being taken over, the connection is severed by whoever holds the other end of the cut.
    let outcome = tokio::time::timeout(limit, reach(errand, credential, cut.clone(), steps)).await;
    match outcome {
        Ok(Ok((target, host_key))) => {
            let (address, local) = {
                let steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
                (steps.address, steps.local)
            };
            (Dialled::Connected { host_key, local, peer: address.map(|address| address.ip().to_canonical()) }, Some(target))
        }
        Ok(Err(outcome)) => {
            cut.sever();
            (outcome, None)
        }
        Err(_) => {
            cut.sever();
            (unreachable(&"no answer in time"), None)
        }
    }
}

fn unreachable(detail: &dyn std::fmt::Display) -> Dialled {
    Dialled::Unreachable { detail: super::words::visible(&detail.to_string()) }
}

async fn reach(errand: &Errand<'_>, credential: TargetCredential, cut: Cut, steps: &Mutex<Steps>) -> Result<(Target, String), Dialled> {
    let note = |fill: &dyn Fn(&mut Steps)| fill(&mut steps.lock().unwrap_or_else(PoisonError::into_inner));
    let pinned: Vec<PublicKey> = errand.host_keys.iter().filter_map(|line| keys::read_line(line)).collect();
    if pinned.is_empty() {
        return Err(unreachable(&"no pinned host key"));
    }
    let config = client::Config {
        client_id: SshId::Standard(Cow::Borrowed(SSH_ID)),
        preferred: algorithms::preferred_for(&pinned),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    };
    let stream = TcpStream::connect((errand.host, errand.port)).await.map_err(|error| unreachable(&error))?;
    let (address, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
    note(&|steps| (steps.address, steps.local) = (address, local));
    let seen = Arc::new(Mutex::new(None));
    let carrying = Arc::new(AtomicBool::new(false));
    let handler = Pinned { keys: pinned, seen: Arc::clone(&seen), session: errand.session.clone(), carrying: Arc::clone(&carrying) };
    let connected = client::connect_stream(Arc::new(config), Line::new(stream, cut.clone()), handler).await;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Seen::Pinned(print) | Seen::Other(print)) = &seen {
        note(&|steps| steps.host_key = Some(print.clone()));
    }
    let handle = match (connected, seen) {
        (_, Some(Seen::Other(seen))) => return Err(Dialled::HostKeyChanged { seen }),
        (Ok(handle), Some(Seen::Pinned(key))) => (handle, key),
        (Ok(_), None) => return Err(unreachable(&"no host key was shown")),
        (Err(error), _) => return Err(unreachable(&error)),
    };
    let (mut handle, key) = handle;
    log_in(&mut handle, errand.username, credential).await?;
    // From here on the end of this connection is the end of the session; before, it is an outcome of dialling.
    carrying.store(true, Ordering::SeqCst);
    if handle.is_closed() {
        return Err(unreachable(&"the target closed the connection"));
    }
    Ok((Target { handle, cut }, key))
}

async fn log_in(handle: &mut client::Handle<Pinned>, username: &str, credential: TargetCredential) -> Result<(), Dialled> {
    let result = match credential {
        TargetCredential::Password(password) => {
            let result = handle.authenticate_password(username, password.expose()).await.map_err(|error| unreachable(&error))?;
            match result {
                AuthResult::Failure { ref remaining_methods, .. }
                    if remaining_methods.contains(&MethodKind::KeyboardInteractive) && !remaining_methods.contains(&MethodKind::Password) =>
                {
                    return interactive(handle, username, &password).await;
                }
                result => result,
            }
        }
        TargetCredential::PrivateKey(pem) => {
            // A key that cannot be read is a credential that will not be accepted.
            let key = russh::keys::decode_secret_key(pem.expose(), None).map_err(|_| Dialled::CredentialRefused)?;
            let hash = if key.algorithm().is_rsa() {
                let best = handle.best_supported_rsa_hash().await.map_err(|error| unreachable(&error))?;
                // Never SHA-1: a target that knows nothing better refuses.
                Some(best.flatten().unwrap_or(russh::keys::HashAlg::Sha256))
            } else {
                None
            };
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            handle.authenticate_publickey(username, key).await.map_err(|error| unreachable(&error))?
        }
        TargetCredential::Certificate { key, certificate } => {
            let key = russh::keys::decode_secret_key(key.expose(), None).map_err(|_| Dialled::CredentialRefused)?;
            let certificate = Certificate::from_openssh(&certificate).map_err(|_| Dialled::CredentialRefused)?;
            handle.authenticate_openssh_cert(username, Arc::new(key), certificate).await.map_err(|error| unreachable(&error))?
        }
    };
    if result.success() { Ok(()) } else { Err(Dialled::CredentialRefused) }
}

/// Many targets take a password only as the answer to a question (PAM).
async fn interactive(handle: &mut client::Handle<Pinned>, username: &str, password: &Secret) -> Result<(), Dialled> {
    let mut answer =
        handle.authenticate_keyboard_interactive_start(username, None::<String>).await.map_err(|error| unreachable(&error))?;
    for _ in 0..QUESTIONS {
        match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(()),
            KeyboardInteractiveAuthResponse::Failure { .. } => break,
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                if prompts.iter().any(|prompt| prompt.echo) || prompts.len() > 1 {
                    // Not the question for a password; it is not given away as the answer to another one.
                    break;
                }
                let answers = prompts.iter().map(|_| password.expose().to_owned()).collect();
                answer = handle.authenticate_keyboard_interactive_respond(answers).await.map_err(|error| unreachable(&error))?;
            }
        }
    }
    Err(Dialled::CredentialRefused)
}

enum Seen {
    Pinned(String),
    Other(String),
}

/// The target, as the library's loop sees it: its key must be a pinned one, and it may open nothing towards us.
struct Pinned {
    keys: Vec<PublicKey>,
    seen: Arc<Mutex<Option<Seen>>>,
    session: Option<Arc<Session>>,
    carrying: Arc<AtomicBool>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let (known, seen) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let known = self.keys.iter().any(|pinned| pinned.key_data() == key.key_data());
                let print = keys::fingerprint_of(key);
                (known, if known { Seen::Pinned(print) } else { Seen::Other(print) })
            }
            PublicKeyOrCertificate::Certificate(_) => (false, Seen::Other("certificate".to_owned())),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(known)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let Some(session) = &self.session else { return Ok(()) };
        tracing::debug!(session = %session.id(), ?reason, "the target closed the connection");
        if self.carrying.load(Ordering::SeqCst) {
            session.end(Cause::TargetGone);
        }
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        // Dropping the reply refuses.
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<client::Msg>,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<client::Msg>,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: client::ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
