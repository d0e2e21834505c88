//! A worker's visit from the first channel to the end: enter, dial, carry, leave.

use super::arrive::{Arrival, Ask, Sign, Visitor};
use super::carrier::{Carrier, Finish, Opening};
use super::choose;
use super::dial::{self, Target};
use super::forward::ForwardAsk;
use super::login::Claim;
use super::wish::Wish;
use super::worker::Worker;
use super::{GOODBYE, House, words};
use crate::line::Cut;
use crate::session::{Opened, Session};
use bytes::Bytes;
use russh::server::{Handle, Msg, RunningSession};
use russh::{Channel, ChannelReadHalf};
use sekisho_core::authorize::Principal;
use sekisho_core::control::Standstill;
use sekisho_core::desk::{Cause, Dialled, Entry, RefusedAsk, TargetCredential};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Refused forwards that are remembered before there is a session to write them into.
const EARLY_REFUSALS: usize = 16;
/// Time for the orderly end of a channel whose connection has ended.
const SETTLE: Duration = Duration::from_millis(300);

/// Serves a worker whose login is complete.
pub async fn visit(house: &Arc<House>, arrival: Arrival, asked: mpsc::Receiver<Ask>, running: RunningSession<Visitor>, cut: &Cut) {
    let Arrival { principal, claim, handle } = arrival;
    let mut hall = Hall { house: Arc::clone(house), handle, asked, running, refused: Vec::new(), over: false };
    // A client that only forwards asks for nothing until somebody uses the forward.
    let patience = Duration::from_secs(limits::FIRST_ASK_SECONDS as u64);
    let first = tokio::time::timeout(patience, hall.first_ask()).await;
    let entered = match first {
        Ok(Some(first)) => {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(limits::LOGIN_SECONDS as u64);
            let step = tracing::info_span!(target: "road", "enter", outcome = tracing::field::Empty);
            let entered = enter(&mut hall, &principal, &claim, first, deadline).instrument(step.clone()).await;
            step.record("outcome", if entered.is_some() { "entered" } else { "refused" });
            entered
        }
        Ok(None) => None,
        Err(_) => {
            tracing::debug!(worker = principal.login(), "no channel in time");
            None
        }
    };
    match entered {
        Some((opened, first, credential)) => {
            tracing::Span::current().record("session", opened.session().id().as_str());
            hall.work(opened, first, credential, cut).await;
        }
        None => {
            while let Ok(ask) = hall.asked.try_recv() {
                if let Ask::Refused(ask) = ask {
                    hall.remember(ask);
                }
            }
            // There is no session to write it into.
            for ask in std::mem::take(&mut hall.refused) {
                let refused = RefusedAsk { ask, refusal: Refusal::ForwardingRefused };
                house.desk.refused_before(&principal, &claim.target, refused).await;
            }
            hall.goodbye().await;
        }
    }
}

/// What a connection asks for first; it decides whether there is a session.
enum First {
    Channel(Box<Opening>),
    Forward(Box<ForwardAsk>),
}

impl First {
    /// The worker is told why nothing begins.
    async fn refuse(self, refusal: &Refusal) {
        match self {
            Self::Channel(opening) => opening.worker.farewell(Some(&words::refusal(refusal))).await,
            Self::Forward(ask) => ask.refuse(refusal).await,
        }
    }
}

/// The worker's connection between login and leave.
struct Hall {
    house: Arc<House>,
    handle: Handle,
    asked: mpsc::Receiver<Ask>,
    running: RunningSession<Visitor>,
    refused: Vec<String>,
    /// The connection has ended; its future must not be asked again.
    over: bool,
}

/// Asks the desk, and the worker where the desk leaves a choice.
async fn enter(
    hall: &mut Hall,
    principal: &Principal,
    claim: &Claim,
    mut first: First,
    deadline: tokio::time::Instant,
) -> Option<(Opened, First, TargetCredential)> {
    let mut plan = claim.plan.clone();
    let house = Arc::clone(&hall.house);
    loop {
        // Announced first: a recall that comes between the desk's answer and our table must find the session.
        let entering = house.running.entering();
        let answer = if house.is_stopping() {
            Err(Refusal::Cut)
        } else {
            house.desk.enter(principal, &claim.target, plan.as_deref()).await
        };
        match answer {
            Ok(Entry::Open(admission)) => {
                let (desk, clock, running) = (Arc::clone(&house.desk), Arc::clone(&house.clock), Arc::clone(&house.running));
                let (opened, credential) = Opened::new(*admission, desk, clock, running);
                drop(entering);
                return Some((opened, first, credential));
            }
            Ok(Entry::Choose(choices)) => match first {
                First::Channel(mut opening) if plan.is_none() && opening.wish.is_interactive() => {
                    // A worker may take minutes to choose. Nothing was opened, so no recall is waited for.
                    drop(entering);
                    let choice = choose::choose(&opening.worker, &mut opening.reader, &mut opening.wish, &choices);
                    match tokio::time::timeout_at(deadline, hall.unless_over(choice)).await {
                        Ok(Some(Some(chosen))) => {
                            plan = Some(chosen.number);
                            opening.early = chosen.rest;
                            first = First::Channel(opening);
                        }
                        _ => {
                            opening.worker.farewell(Some(&words::refusal(&Refusal::PlanNotOpen))).await;
                            return None;
                        }
                    }
                }
                First::Channel(opening) => {
                    opening.worker.farewell(Some(&words::choose_by_login(&choices, &claim.login()))).await;
                    return None;
                }
                // There is no terminal to choose on, so the login must name the plan.
                forward => {
                    forward.refuse(&Refusal::PlanNotOpen).await;
                    return None;
                }
            },
            Err(refusal) => {
                first.refuse(&refusal).await;
                return None;
            }
        }
    }
}

impl Hall {
    /// The first channel that asks for something, or the first local forward.
    async fn first_ask(&mut self) -> Option<First> {
        loop {
            let asked = tokio::select! {
                _ = &mut self.running => {
                    self.over = true;
                    return None;
                }
                asked = self.asked.recv() => asked?,
            };
            match asked {
                Ask::Refused(ask) => self.remember(ask),
                Ask::Forward(ask) => return Some(First::Forward(ask)),
                Ask::Channel(channel, sign) => {
                    let handle = self.handle.clone();
                    if let Some(opening) = self.unless_over(open(channel, sign, handle)).await? {
                        return Some(First::Channel(Box::new(opening)));
                    }
                }
            }
        }
    }

    fn remember(&mut self, ask: String) {
        if self.refused.len() < EARLY_REFUSALS {
            self.refused.push(ask);
        }
    }

    /// Runs it unless the worker's connection ends first.
    async fn unless_over<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        if self.over {
            return None;
        }
        tokio::select! {
            done = future => Some(done),
            _ = &mut self.running => {
                self.over = true;
                None
            }
        }
    }

    /// Gives the worker's client the time to end by itself, then ends the connection.
    async fn goodbye(&mut self) {
        if self.over {
            return;
        }
        if tokio::time::timeout(SETTLE, &mut self.running).await.is_err() {
            let ended = self.handle.disconnect(russh::Disconnect::ByApplication, String::new(), String::new());
            let _ = tokio::time::timeout(SETTLE, ended).await;
            let _ = tokio::time::timeout(SETTLE, &mut self.running).await;
        }
        self.over = true;
    }

    /// Dials, carries, leaves.
    async fn work(mut self, opened: Opened, first: First, credential: TargetCredential, cut: &Cut) {
        let session = Arc::clone(opened.session());
        if self.house.is_stopping() {
            session.end(Cause::Shutdown);
        }
        let mut tasks = JoinSet::new();
        let worker = match &first {
            First::Channel(opening) => Some(&opening.worker),
            First::Forward(_) => None,
        };
        let step = tracing::info_span!(target: "road", "dial", outcome = tracing::field::Empty);
        let dialled = self.dial(&session, credential, worker).instrument(step.clone()).await;
        step.record("outcome", if dialled.is_ok() { "connected" } else { "failed" });
        drop(step);
        let last_words = match dialled {
            Ok(target) => {
                self.carry(&session, Arc::new(target), first, &mut tasks).instrument(tracing::info_span!(target: "road", "carry")).await;
                session.ended().await.refusal()
            }
            Err(refusal) => {
                match first {
                    First::Channel(opening) => opening.worker.farewell(refusal.as_ref().map(words::refusal).as_deref()).await,
                    First::Forward(ask) => ask.refuse(refusal.as_ref().unwrap_or(&Refusal::TargetUnreachable)).await,
                }
                refusal
            }
        };
        let last_words = last_words.as_ref().map(words::refusal);
        let farewell = async {
            // The channels' tasks say goodbye by themselves, each within its own time.
            let _ = tokio::time::timeout(GOODBYE + SETTLE / 2, async { while tasks.join_next().await.is_some() {} }).await;
            tasks.abort_all();
            self.goodbye().await;
            cut.sever();
        };
        // The end is written whatever the worker's side does meanwhile.
        let leave = opened.leave(last_words.as_deref()).instrument(tracing::info_span!(target: "road", "leave"));
        tokio::join!(leave, farewell);
    }

    /// Reaches the target and has the outcome written down. Nothing is carried before that is done, and a session that
    /// stands still does not even reach it.
    async fn dial(&mut self, session: &Arc<Session>, credential: TargetCredential, worker: Option<&Worker>) -> Result<Target, Option<Refusal>> {
        let reach = async {
            wait_still(session, worker).await;
            dial::dial(session, credential).await
        };
        let dialling = async {
            tokio::select! {
                dialled = reach => Some(dialled),
                _ = session.watch(words::warning) => None,
            }
        };
        let Some(dialled) = self.unless_over(dialling).await else {
            session.end(Cause::WorkerGone);
            return Err(None);
        };
        let Some((outcome, target)) = dialled else { return Err(session.ended().await.refusal()) };
        let (cause, refusal) = match &outcome {
            Dialled::HostKeyChanged { .. } => (Cause::HostKeyChanged, Refusal::HostKeyChanged),
            _ => (Cause::DialFailed, Refusal::TargetUnreachable),
        };
        match (self.house.desk.dialled(session.id(), outcome).await, target) {
            (Ok(()), Some(target)) => Ok(target),
            (Ok(()), None) => {
                session.end(cause);
                Err(Some(refusal))
            }
            (Err(refusal), _) => {
                session.end(Cause::DialFailed);
                Err(Some(refusal))
            }
        }
    }

    /// Lets one ask of the running session begin. Never waits.
    fn begin(&self, carrier: &Arc<Carrier>, ask: Ask, tasks: &mut JoinSet<Finish>) {
        match ask {
            Ask::Refused(ask) => carrier.tell_refused(ask, Refusal::ForwardingRefused),
            Ask::Forward(ask) => {
                tasks.spawn(Arc::clone(carrier).forward(*ask));
            }
            Ask::Channel(channel, sign) => {
                tasks.spawn(later(Arc::clone(carrier), channel, sign, self.handle.clone()));
            }
        }
    }

    /// Carries channels until the session has ended.
    async fn carry(&mut self, session: &Arc<Session>, target: Arc<Target>, first: First, tasks: &mut JoinSet<Finish>) {
        let carrier = Arc::new(Carrier::new(Arc::clone(session), target, Arc::clone(&self.house.desk)));
        let mut waiting = Vec::new();
        while let Ok(ask) = self.asked.try_recv() {
            match ask {
                Ask::Refused(ask) => self.remember(ask),
                other => waiting.push(other),
            }
        }
        for ask in std::mem::take(&mut self.refused) {
            carrier.tell_refused(ask, Refusal::ForwardingRefused);
        }
        // What was refused before the first channel is told on it.
        tokio::select! {
            _ = session.watch(words::warning) => {}
            () = carrier.written() => {}
        }
        match first {
            First::Channel(opening) => {
                let begin = Arc::clone(&carrier);
                tasks.spawn(async move { begin.carry(*opening).await });
            }
            First::Forward(ask) => {
                tasks.spawn(Arc::clone(&carrier).forward(*ask));
            }
        }
        for ask in waiting {
            self.begin(&carrier, ask, tasks);
        }
        let mut watch = pin!(session.watch(words::warning));
        loop {
            tokio::select! {
                _ = &mut watch => break,
                _ = &mut self.running => {
                    self.over = true;
                    let cause = if settle(tasks).await == Finish::Orderly { Cause::Closed } else { Cause::WorkerGone };
                    session.end(cause);
                    break;
                }
                Some(ask) = self.asked.recv() => self.begin(&carrier, ask, tasks),
                Some(done) = tasks.join_next() => match done {
                    Ok(Finish::Orderly) => {}
                    // A channel breaks off with its connection, whose own end may be seen a moment later.
                    Ok(Finish::Broken) => session.end(Cause::WorkerGone),
                    Err(error) => {
                        tracing::error!(session = %session.id(), %error, "a channel's task died");
                        session.end(Cause::Breach);
                    }
                },
            }
        }
        // What was refused is written down, however fast the client left.
        while let Ok(ask) = self.asked.try_recv() {
            match ask {
                Ask::Refused(ask) => carrier.tell_refused(ask, Refusal::ForwardingRefused),
                Ask::Forward(ask) => carrier.forward_late(&ask),
                Ask::Channel(..) => {}
            }
        }
        tokio::join!(carrier.written(), async {
            // What was under way on each channel stands in the recording before it is sealed.
            let _ = tokio::time::timeout(SETTLE, session.settled()).await;
            let _ = tokio::time::timeout(SETTLE, carrier.target.disconnect()).await;
        });
    }
}

/// Waits until the session may begin, and tells the worker what is waited for: no channel is carried yet, so nobody
/// else tells it.
async fn wait_still(session: &Session, worker: Option<&Worker>) {
    let standing = session.standstill();
    if standing == Standstill::None {
        return;
    }
    let Some(worker) = worker else { return session.flowing().await };
    let mut notices = session.before_the_first_channel();
    let text = words::standing(standing);
    session.told(&text);
    // A worker that is gone is noticed by its connection.
    let _ = worker.say(&text).await;
    loop {
        tokio::select! {
            () = session.flowing() => break,
            Some(text) = notices.recv() => drop(worker.say(&text).await),
        }
    }
    while let Ok(text) = notices.try_recv() {
        let _ = worker.say(&text).await;
    }
}

/// The connection has ended: whether every channel had been closed before.
async fn settle(tasks: &mut JoinSet<Finish>) -> Finish {
    let all = async {
        while let Some(done) = tasks.join_next().await {
            if !matches!(done, Ok(Finish::Orderly)) {
                return Finish::Broken;
            }
        }
        Finish::Orderly
    };
    tokio::time::timeout(SETTLE, all).await.unwrap_or(Finish::Broken)
}

/// Reads what a channel asks for. `None` if it ended before.
async fn open(channel: Channel<Msg>, sign: Arc<Sign>, handle: Handle) -> Option<Opening> {
    let (mut reader, write): (ChannelReadHalf, _) = channel.split();
    let wish = Wish::read(&mut reader).await?;
    let mut worker = Worker::new(write, handle);
    worker.has_terminal(wish.terminal.is_some());
    Some(Opening { worker, reader, sign, wish, early: Bytes::new() })
}

/// A channel that was opened while the session runs.
async fn later(carrier: Arc<Carrier>, channel: Channel<Msg>, sign: Arc<Sign>, handle: Handle) -> Finish {
    let limit = Duration::from_secs(limits::LOGIN_SECONDS as u64);
    let opening = tokio::select! {
        opening = tokio::time::timeout(limit, open(channel, sign, handle)) => opening,
        _ = carrier.session.ended() => return Finish::Orderly,
    };
    match opening {
        Ok(Some(opening)) => carrier.carry(opening).await,
        Ok(None) | Err(_) => Finish::Orderly,
    }
}
