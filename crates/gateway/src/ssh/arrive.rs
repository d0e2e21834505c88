//! The worker's leg: what the SSH library calls for one connection.
//!
//! These functions run inside the connection's own loop, so they wait for the desk before login and for nobody
//! after it: channels and their requests go to the visit's task.

use super::forward::ForwardAsk;
use super::login::{Claim, Login, LoginEnds};
use super::wish::ANY;
use super::words;
use russh::keys::Certificate;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use sekisho_core::authorize::Principal;
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_protocol::ssh::policy::{ChannelAsk, Decision, decide};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, mpsc, oneshot};

/// A worker whose two factors hold.
pub struct Arrival {
    pub principal: Principal,
    pub claim: Claim,
    /// The worker's connection.
    pub handle: server::Handle,
}

/// What a connection asks for after login.
pub enum Ask {
    /// A session channel was opened. The sign ends with the channel's task.
    Channel(Channel<Msg>, Arc<Sign>),
    /// A local forward was asked for; its answer is still owed.
    Forward(Box<ForwardAsk>),
    /// Another forward was asked for and refused.
    Refused(String),
}

/// What the connection's loop and a channel's task tell each other.
#[derive(Debug, Default)]
pub struct Sign {
    started: AtomicBool,
    variables: AtomicUsize,
    closed: Notify,
}

impl Sign {
    /// Waits until the worker closed the channel.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }
}

/// Longest name of a host (RFC 1035 section 2.3.4) that is looked at.
const HOST_BYTES: usize = 255;

/// One connection, as the library's loop sees it.
pub struct Visitor {
    login: Option<Login>,
    banner: Option<String>,
    arrived: Option<oneshot::Sender<Arrival>>,
    asks: mpsc::Sender<Ask>,
    signs: HashMap<ChannelId, Weak<Sign>>,
}

impl Visitor {
    pub fn new(login: Login, banner: String, arrived: oneshot::Sender<Arrival>, asks: mpsc::Sender<Ask>) -> Self {
        Self { login: Some(login), banner: Some(banner), arrived: Some(arrived), asks, signs: HashMap::new() }
    }

    fn login(&mut self) -> Result<&mut Login, russh::Error> {
        self.login.as_mut().ok_or(russh::Error::Inconsistent)
    }

    fn sign(&self, channel: ChannelId) -> Option<Arc<Sign>> {
        self.signs.get(&channel)?.upgrade()
    }

    /// Answers a request by what any plan could allow.
    fn answer(&self, ask: &ChannelAsk<'_>, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        match decide(ask, ANY) {
            Decision::Allow(_) => session.channel_success(channel),
            Decision::Refuse(_) => session.channel_failure(channel),
        }
    }

    /// Answers the request that starts a channel's work. The answer is given here, in the order of the requests: the
    /// library keeps one open answer per channel, so a later one would be given to another request. If the plan or
    /// the target refuses, the worker reads why on the channel, which ends with status 255.
    fn start(&self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let first = self.sign(channel).is_some_and(|sign| !sign.started.swap(true, Ordering::SeqCst));
        if first { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    fn refused(&self, ask: String) {
        // When the queue is full the refusal stands all the same; it is only not told again.
        let _ = self.asks.try_send(Ask::Refused(words::visible(&ask)));
    }

    async fn refuse_channel(&self, ask: String, reply: ChannelOpenHandle) -> Result<(), russh::Error> {
        self.refused(ask);
        reply.reject(ChannelOpenFailure::Other { code: 1, reason: words::refusal_ascii(&Refusal::ForwardingRefused) }).await;
        Ok(())
    }
}

impl From<LoginEnds> for russh::Error {
    fn from(_: LoginEnds) -> Self {
        Self::Disconnect
    }
}

impl server::Handler for Visitor {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.banner.take())
    }

    async fn auth_none(&mut self, name: &str) -> Result<Auth, Self::Error> {
        Ok(self.login()?.none(name)?)
    }

    async fn auth_password(&mut self, name: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.login()?.password(name, password).await?)
    }

    async fn auth_publickey_offered(&mut self, name: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.login()?.offered(name, offer.public_key, offer.algorithm).await?)
    }

    async fn auth_publickey(&mut self, name: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.login()?.signed(name, key.public_key, key.algorithm).await?)
    }

    async fn auth_openssh_certificate_offered(&mut self, name: &str, certificate: &Certificate, _: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.login()?.certificate_offered(name, certificate).await?)
    }

    async fn auth_openssh_certificate(&mut self, name: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        Ok(self.login()?.certificate_signed(name, certificate).await?)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        name: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let login = self.login()?;
        match response {
            None => Ok(login.begin_interactive(name)?),
            Some(mut answers) => {
                let answer = answers.next();
                Ok(login.answer(name, answer.as_deref()).await?)
            }
        }
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        // Taking the login out ends it: the library can ask nothing more, and the place in the lobby is given back.
        let (principal, claim) = self.login.take().and_then(|mut login| login.take()).ok_or(russh::Error::NotAuthenticated)?;
        let arrived = self.arrived.take().ok_or(russh::Error::Inconsistent)?;
        arrived.send(Arrival { principal, claim, handle: session.handle() }).map_err(|_| russh::Error::Disconnect)
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), Self::Error> {
        self.signs.retain(|_, sign| sign.strong_count() > 0);
        if self.signs.len() >= limits::SESSION_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let sign = Arc::new(Sign::default());
        let id = channel.id();
        match self.asks.try_send(Ask::Channel(channel, Arc::clone(&sign))) {
            Ok(()) => {
                self.signs.insert(id, Arc::downgrade(&sign));
                reply.accept().await;
            }
            Err(_) => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        // The place is free when the channel's task has ended, not before: its work on the target may go on.
        if let Some(sign) = self.sign(channel) {
            sign.closed.notify_one();
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let modes = modes.len().saturating_mul(5);
        self.answer(&ChannelAsk::Pty { term, columns, rows, modes }, channel, session)
    }

    async fn env_request(&mut self, channel: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), Self::Error> {
        let room = self.sign(channel).is_some_and(|sign| sign.variables.fetch_add(1, Ordering::SeqCst) < limits::CHANNEL_ENV);
        if room { self.answer(&ChannelAsk::Env { name, value }, channel, session) } else { session.channel_failure(channel) }
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.start(channel, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.start(channel, session)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, _: &str, session: &mut Session) -> Result<(), Self::Error> {
        self.start(channel, session)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn signal(&mut self, channel: ChannelId, _: Sig, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Session) -> Result<bool, Self::Error> {
        self.refused("auth-agent-req".to_owned());
        Ok(false)
    }

    async fn x11_request(&mut self, channel: ChannelId, _: bool, _: &str, _: &str, _: u32, session: &mut Session) -> Result<(), Self::Error> {
        self.refused("x11-req".to_owned());
        session.channel_failure(channel)
    }

    async fn channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel("x11".to_owned(), reply).await
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        origin: &str,
        origin_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if host.len() > HOST_BYTES || origin.len() > HOST_BYTES {
            return self.refuse_channel("direct-tcpip".to_owned(), reply).await;
        }
        let ask = ForwardAsk { channel, reply, host: host.to_owned(), port, from: (origin.to_owned(), origin_port) };
        // The plan decides, in the visit's task. When its queue is full the ask is dropped, which refuses it.
        let _ = self.asks.try_send(Ask::Forward(Box::new(ask)));
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(format!("forwarded-tcpip {host}:{port}"), reply).await
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.refuse_channel(format!("direct-streamlocal {path}"), reply).await
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Session) -> Result<bool, Self::Error> {
        self.refused(format!("tcpip-forward {address}:{port}"));
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Result<bool, Self::Error> {
        self.refused(format!("streamlocal-forward {path}"));
        Ok(false)
    }
}
