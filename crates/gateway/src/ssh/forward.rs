//! Local forwards: a connection that the worker's client hands over, to a place that the plan names.
//!
//! The bytes are the affair of two programs and are not understood. They are counted, and kept where the plan says so.

use super::carrier::{Carrier, Finish};
use super::carry::START;
use super::wish::switched;
use super::words;
use crate::session::{Place, Session};
use bytes::Bytes;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, client};
use sekisho_core::desk::Event;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::{ForwardTo, Function};
use sekisho_protocol::ssh::policy::{ChannelAsk, Decision, RefusedFunction, Use, decide};
use std::sync::Arc;

/// A local forward that was asked for and waits for its answer.
pub struct ForwardAsk {
    pub channel: Channel<Msg>,
    pub reply: ChannelOpenHandle,
    pub host: String,
    pub port: u32,
    /// Where the connection began, as the worker's client says.
    pub from: (String, u32),
}

impl ForwardAsk {
    /// What was asked for, for the log.
    pub fn text(&self) -> String {
        words::visible(&format!("direct-tcpip {}:{}", self.host, self.port))
    }

    /// The client is told why, where it shows it.
    pub async fn refuse(self, refusal: &Refusal) {
        self.reply.reject(ChannelOpenFailure::Other { code: 1, reason: words::refusal_ascii(refusal) }).await;
    }
}

impl Carrier {
    /// Judges a forward and carries it to its end.
    pub async fn forward(self: Arc<Self>, ask: ForwardAsk) -> Finish {
        let place = match self.place_for(&ask) {
            Ok(place) => place,
            Err(refusal) => {
                self.tell_refused(ask.text(), refusal.clone());
                ask.refuse(&refusal).await;
                return Finish::Orderly;
            }
        };
        let Ok(_room) = self.forwards.clone().try_acquire_owned() else {
            ask.reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Finish::Orderly;
        };
        let (recorded, _) = self.session.place(false);
        let text = format!("{}:{}", place.host, place.port);
        // If it could not be recorded the session has ended, which is found before anything else.
        let _ = recorded.record(Event::Open { function: Function::Forward, text: &text, size: None });
        let pipe = Pipe { session: &self.session, place: recorded, full: place.full };
        let finish = tokio::select! {
            biased;
            _ = self.session.ended() => {
                pipe.place.last_words(None);
                return Finish::Orderly;
            }
            finish = self.open_and_carry(ask, place, &pipe) => finish,
        };
        let _ = pipe.place.close("");
        finish
    }

    /// A forward that came too late to be opened; if it would have been refused, that is written down.
    pub fn forward_late(self: &Arc<Self>, ask: &ForwardAsk) {
        if let Err(refusal) = self.place_for(ask) {
            self.tell_refused(ask.text(), refusal);
        }
    }

    /// The place of the plan that the ask names letter by letter.
    fn place_for(&self, ask: &ForwardAsk) -> Result<&ForwardTo, Refusal> {
        let grant = self.session.grant();
        let named = grant.forwards.iter().find(|to| to.host.eq_ignore_ascii_case(&ask.host) && u32::from(to.port) == ask.port);
        let asked = ChannelAsk::DirectTcpip { host: &ask.host, port: ask.port, named: named.is_some() };
        match (decide(&asked, switched(&grant.functions)), named) {
            (Decision::Allow(Use::Forward), Some(to)) => Ok(to),
            (Decision::Refuse(RefusedFunction::Place), _) => Err(Refusal::ForwardNotInPlan),
            _ => Err(Refusal::ForwardingRefused),
        }
    }

    async fn open_and_carry(&self, ask: ForwardAsk, to: &ForwardTo, pipe: &Pipe<'_>) -> Finish {
        self.session.flowing().await;
        let opened = tokio::time::timeout(START, self.target.forward(&to.host, to.port, (&ask.from.0, ask.from.1))).await;
        let Ok(Ok(target)) = opened else {
            ask.reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Finish::Orderly;
        };
        ask.reply.accept().await;
        let (mut from_worker, to_worker) = ask.channel.split();
        let (mut from_target, to_target) = target.split();
        let finish = {
            let mut up = std::pin::pin!(pipe.up(&mut from_worker, &to_target));
            let mut down = std::pin::pin!(pipe.down(&mut from_target, &to_worker));
            tokio::select! {
                // Either side's close is the end of the connection; an end of input alone is not.
                finish = &mut up => finish,
                () = &mut down => Finish::Orderly,
            }
        };
        let _ = to_target.close().await;
        let _ = to_worker.close().await;
        finish
    }
}

/// One forward that is being carried.
struct Pipe<'a> {
    session: &'a Session,
    place: Place,
    full: bool,
}

impl Pipe<'_> {
    /// Worker to target.
    async fn up(&self, from: &mut ChannelReadHalf, to: &ChannelWriteHalf<client::Msg>) -> Finish {
        loop {
            let Some(message) = from.wait().await else { return Finish::Broken };
            self.session.flowing().await;
            let passed = match message {
                ChannelMsg::Data { data } => match self.keep(true, &data) {
                    Ok(()) => to.data_bytes(data).await.is_ok(),
                    Err(_) => false,
                },
                ChannelMsg::Eof => to.eof().await.is_ok(),
                ChannelMsg::Close => return Finish::Orderly,
                _ => true,
            };
            if !passed {
                return Finish::Orderly;
            }
        }
    }

    /// Target to worker.
    async fn down(&self, from: &mut ChannelReadHalf, to: &ChannelWriteHalf<Msg>) {
        while let Some(message) = from.wait().await {
            self.session.flowing().await;
            let passed = match message {
                ChannelMsg::Data { data } => match self.keep(false, &data) {
                    Ok(()) => to.data_bytes(data).await.is_ok(),
                    Err(_) => false,
                },
                ChannelMsg::Eof => to.eof().await.is_ok(),
                ChannelMsg::Close => return,
                _ => true,
            };
            if !passed {
                return;
            }
        }
    }

    /// Counts bytes before they go on, and keeps them where the plan wants that.
    fn keep(&self, to_target: bool, data: &Bytes) -> Result<(), crate::session::Ended> {
        if self.full {
            self.place.record(Event::Forwarded { to_target, bytes: data })?;
        } else if self.session.cause().is_some() {
            return Err(crate::session::Ended);
        }
        self.place.count_flow(to_target, data.len());
        Ok(())
    }
}
