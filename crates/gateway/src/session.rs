//! A session that is being carried: its permission, its recording, its end. Knows no protocol.
//!
//! INVARIANT: what [`Session::record`] has not accepted reaches nobody. Once the session has ended it accepts
//! nothing, and it ends with the first thing that it could not write.

use crate::recall::Running;
use sekisho_core::authorize::Grant;
use sekisho_core::control::Standstill;
use sekisho_core::desk::{Admission, Cause, Desk, Event, OpenRecording, TargetCredential};
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::time::{Clock, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// How often the grant is looked at again.
const TURN: Duration = Duration::from_millis(250);
/// While a channel is open, its input is written down in whole blocks of this size only. How many bytes were typed
/// between two moments would tell the length of a password that was typed between them.
const INPUT_BLOCK: u64 = 4096;
/// The input of a terminal is rounded up to this at its end: the whole less what the target echoed would tell the
/// length of what was typed unseen.
const TERMINAL_INPUT: u64 = 64;
/// How long a session waits for the witness that it needs.
const WITNESS_WAIT: Duration = Duration::from_secs(limits::WITNESS_WAIT_SECONDS as u64);
/// Time between two entries of what a channel carried.
const FLOW: Duration = Duration::from_secs(limits::FLOW_SECONDS as u64);
/// Messages that may wait for one terminal.
const NOTICES: usize = 8;

/// The session has ended; nothing more may be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// One session.
pub struct Session {
    id: SessionId,
    grant: Grant,
    clock: Arc<dyn Clock>,
    began: Timestamp,
    /// The same moment by the monotonic clock.
    since: tokio::time::Instant,
    until: AtomicI64,
    recording: RwLock<Option<OpenRecording>>,
    cause: watch::Sender<Option<Cause>>,
    stands: watch::Sender<Standstill>,
    /// Since when it stands still, in milliseconds; of no meaning while it does not.
    stood_since: AtomicI64,
    active: AtomicI64,
    warned: Mutex<Option<Duration>>,
    channels: Mutex<BTreeMap<u32, Arc<Gauge>>>,
    /// Bytes of shells and commands since a person last looked.
    output: AtomicU64,
    input: AtomicU64,
    /// A channel has said its last.
    fewer: Notify,
    flow_told: AtomicI64,
    /// Where messages go before there is a channel.
    first: Mutex<Option<mpsc::Sender<String>>>,
    /// What was said while nobody could read it: before the first channel, or between two.
    unread: Mutex<Vec<String>>,
    next: AtomicU32,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the session keeps of one channel.
#[derive(Debug)]
struct Gauge {
    input: AtomicU64,
    /// Bytes that are carried and not in the recording otherwise, each way, since they were told last.
    up: AtomicU64,
    down: AtomicU64,
    /// Where messages for this channel's terminal go; none if it has no terminal.
    terminal: Option<mpsc::Sender<String>>,
}

/// A channel's place in its session. Dropping it takes the channel out.
#[derive(Debug)]
pub struct Place {
    session: Arc<Session>,
    number: u32,
    gauge: Arc<Gauge>,
}

impl Place {
    /// The channel's number in the recording.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Counts bytes from the worker. They are not stored.
    pub fn count_input(&self, bytes: usize) {
        self.gauge.input.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.session.touch();
    }

    /// Counts bytes that go over and are not in the recording otherwise.
    pub fn count_flow(&self, to_target: bool, bytes: usize) {
        let counter = if to_target { &self.gauge.up } else { &self.gauge.down };
        counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.session.touch();
    }

    /// Writes one event of this channel into the recording.
    ///
    /// # Errors
    /// [`Ended`]: what the event describes must not go on.
    pub fn record(&self, event: Event<'_>) -> Result<(), Ended> {
        self.session.record(self.number, event)
    }

    /// Writes down how the channel closed, after the input that is still only counted.
    pub fn close(&self, exit: &str) -> Result<(), Ended> {
        self.session.tell_rest(self.number, &self.gauge)?;
        self.record(Event::Close { exit })
    }

    /// Writes down what was still under way when the session ended, unless somebody else wrote the channel's end.
    pub fn last_events(&self, events: &[Event<'_>]) {
        if self.session.channels().contains_key(&self.number) {
            for event in events {
                let _ = self.session.append(self.number, *event);
            }
        }
    }

    /// Writes down what the worker is told at the end of the session, before they are told: a client that hangs up at
    /// the first word must not take the word out of the recording.
    pub fn last_words(&self, words: Option<&str>) {
        if let Some(gauge) = self.session.channels().remove(&self.number) {
            self.session.tell_last(self.number, &gauge, words);
        }
        self.session.fewer.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.session.channels().remove(&self.number);
        self.session.fewer.notify_waiters();
    }
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Its permission.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// End of the window, extensions included.
    pub fn until(&self) -> Timestamp {
        Timestamp(self.until.load(Ordering::SeqCst))
    }

    /// Counts bytes of a shell or command. True when they come to more than passes without a look of the hospital; the
    /// next such amount counts from there.
    pub fn volume(&self, to_target: bool, bytes: usize) -> bool {
        let (counter, most) = match to_target {
            true => (&self.input, self.grant.volume.input),
            false => (&self.output, self.grant.volume.output),
        };
        let Some(most) = most else { return false };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = counter.fetch_add(bytes, Ordering::Relaxed);
        let passed = before <= most && before.saturating_add(bytes) > most;
        if passed {
            counter.store(0, Ordering::Relaxed);
        }
        passed
    }

    /// Milliseconds since the session began.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.until(self.clock.now()).as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends the session. The first cause stays.
    pub fn end(&self, cause: Cause) {
        self.cause.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(cause);
            }
            first
        });
    }

    /// Why it ended, if it did.
    pub fn cause(&self) -> Option<Cause> {
        *self.cause.borrow()
    }

    /// Waits for the end.
    pub async fn ended(&self) -> Cause {
        let mut cause = self.cause.subscribe();
        match cause.wait_for(Option::is_some).await {
            Ok(cause) => cause.unwrap_or(Cause::Vanished),
            Err(_) => Cause::Vanished,
        }
    }

    /// Lets the session stand still, or go on, and says `words` on every terminal, where the caller says no more than
    /// that. If it goes on, the words are on their way before the first byte is: what the worker reads is in the order
    /// in which it happened.
    pub fn stand(&self, standstill: Standstill, words: Option<&str>) {
        if self.standstill() == standstill {
            return;
        }
        self.stood_since.store(self.now().0, Ordering::SeqCst);
        // Whoever was made to wait was not idle.
        self.touch();
        let goes_on = standstill == Standstill::None;
        let say = || words.into_iter().for_each(|words| self.say(words));
        if goes_on {
            say();
        }
        self.stands.send_replace(standstill);
        if !goes_on {
            say();
        }
    }

    /// Whether it stands still, and why.
    pub fn standstill(&self) -> Standstill {
        *self.stands.borrow()
    }

    /// Waits while the session stands still. What is not carried meanwhile stays in the sender's window: nothing is
    /// lost, and nothing grows.
    pub async fn flowing(&self) {
        if self.standstill() == Standstill::None {
            return;
        }
        let mut stands = self.stands.subscribe();
        // The sender lives as long as the session, so this ends by the word alone.
        let _ = stands.wait_for(|stands| *stands == Standstill::None).await;
    }

    /// The messages for a worker whose first channel is not carried yet.
    pub fn before_the_first_channel(&self) -> mpsc::Receiver<String> {
        let (sender, notices) = mpsc::channel(NOTICES);
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        notices
    }

    /// Writes down what a channel without a terminal of its own is told, or one that is not carried yet.
    pub fn told(&self, text: &str) {
        let _ = self.record(0, Event::Message(text));
    }

    /// Writes a message to every terminal that the recording has already. Without any, the next one shows it first.
    pub fn say(&self, text: &str) {
        let channels = self.channels();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut told = false;
        for terminal in channels.values().filter_map(|gauge| gauge.terminal.clone()).chain(first) {
            told |= terminal.try_send(text.to_owned()).is_ok();
        }
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if !told && unread.len() < NOTICES {
            unread.push(text.to_owned());
        }
    }

    /// Moves the end of the window, later only.
    pub fn extend(&self, until: Timestamp) {
        if self.until.fetch_max(until.0, Ordering::SeqCst) < until.0 {
            *self.warned.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Notes that somebody is at work.
    pub fn touch(&self) {
        self.active.store(self.now().0, Ordering::Relaxed);
    }

    /// Waits until every channel has said its last.
    pub async fn settled(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.channels().is_empty() {
                return;
            }
            fewer.await;
        }
    }

    /// Gives a channel its number. With a terminal, messages for it come out of the receiver.
    pub fn place(self: &Arc<Self>, terminal: bool) -> (Place, mpsc::Receiver<String>) {
        let (sender, notices) = mpsc::channel(NOTICES);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let gauge = Arc::new(Gauge { input: AtomicU64::new(0), up: AtomicU64::new(0), down: AtomicU64::new(0), terminal: terminal.then_some(sender) });
        let mut channels = self.channels();
        if let Some(terminal) = &gauge.terminal {
            for text in std::mem::take(&mut *self.unread.lock().unwrap_or_else(PoisonError::into_inner)) {
                let _ = terminal.try_send(text);
            }
        }
        channels.insert(number, Arc::clone(&gauge));
        drop(channels);
        self.touch();
        (Place { session: Arc::clone(self), number, gauge }, notices)
    }

    /// Writes a message to every terminal and into the recording. False if there is no terminal.
    pub fn notify(&self, text: &str) -> bool {
        let terminals: Vec<_> =
            self.channels().iter().filter_map(|(number, gauge)| gauge.terminal.clone().map(|way| (*number, way))).collect();
        let told = !terminals.is_empty();
        for (number, terminal) in terminals {
            // A terminal that does not read for so long is not told; the recording keeps what was said.
            let _ = terminal.try_send(text.to_owned());
            let _ = self.record(number, Event::Message(text));
        }
        told
    }

    fn record(&self, channel: u32, event: Event<'_>) -> Result<(), Ended> {
        if self.cause().is_some() {
            return Err(Ended);
        }
        self.append(channel, event)
    }

    fn append(&self, channel: u32, event: Event<'_>) -> Result<(), Ended> {
        let recording = self.recording.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = recording.as_ref() else { return Err(Ended) };
        open.append(channel, event).map_err(|lost| {
            tracing::error!(session = %self.id, %lost, "the session ends");
            self.end(Cause::RecordingLost);
            Ended
        })
    }

    /// Writes down the whole blocks of input.
    fn tell_blocks(&self, number: u32, gauge: &Gauge) -> Result<(), Ended> {
        let bytes = gauge.input.load(Ordering::Relaxed) / INPUT_BLOCK * INPUT_BLOCK;
        if bytes == 0 {
            return Ok(());
        }
        gauge.input.fetch_sub(bytes, Ordering::Relaxed);
        self.append(number, Event::Input { bytes })
    }

    /// Writes down what was carried since the last time.
    fn tell_flow(&self, number: u32, gauge: &Gauge) -> Result<(), Ended> {
        let (to_target, to_worker) = (gauge.up.swap(0, Ordering::Relaxed), gauge.down.swap(0, Ordering::Relaxed));
        if to_target == 0 && to_worker == 0 { Ok(()) } else { self.append(number, Event::Flow { to_target, to_worker }) }
    }

    /// Writes down the rest of the input, at the end of the channel.
    fn tell_rest(&self, number: u32, gauge: &Gauge) -> Result<(), Ended> {
        self.tell_flow(number, gauge)?;
        let bytes = gauge.input.swap(0, Ordering::Relaxed);
        let bytes = if gauge.terminal.is_some() { bytes.next_multiple_of(TERMINAL_INPUT) } else { bytes };
        if bytes == 0 { Ok(()) } else { self.append(number, Event::Input { bytes }) }
    }

    /// Writes down the end of a channel that the end of the session found open. Whoever took it out of the list does it,
    /// so it happens once.
    fn tell_last(&self, number: u32, gauge: &Gauge, words: Option<&str>) {
        let _ = self.tell_rest(number, gauge);
        if let Some(words) = words {
            let _ = self.append(number, Event::Message(words));
        }
        let _ = self.append(number, Event::Close { exit: "" });
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Gauge>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the grant again and again until the session has ended. `warn` makes the words of a warning.
    pub async fn watch(&self, warn: impl Fn(Duration, Timestamp) -> String) -> Cause {
        let mut turn = tokio::time::interval(TURN);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut cause = self.cause.subscribe();
        loop {
            tokio::select! {
                ended = cause.wait_for(Option::is_some) => return ended.ok().and_then(|cause| *cause).unwrap_or(Cause::Vanished),
                _ = turn.tick() => self.look(&warn),
            }
        }
    }

    /// The present moment for window and rest: a clock that is set back gives a session no time.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.began.plus(self.since.elapsed()))
    }

    fn look(&self, warn: &impl Fn(Duration, Timestamp) -> String) {
        let (now, until) = (self.now(), self.until());
        if now >= until {
            return self.end(Cause::WindowEnded);
        }
        match self.standstill() {
            Standstill::None => {}
            Standstill::Paused => self.touch(),
            Standstill::NoWitness => {
                self.touch();
                if Timestamp(self.stood_since.load(Ordering::SeqCst)).until(now) >= WITNESS_WAIT {
                    return self.end(Cause::NoWitness);
                }
            }
        }
        if Timestamp(self.active.load(Ordering::Relaxed)).until(now) >= self.grant.idle {
            return self.end(Cause::Idle);
        }
        let left = now.until(until);
        // Of the warnings that are due, the one nearest to the end speaks for the others.
        if let Some(due) = self.grant.warn_before.iter().copied().filter(|before| left <= *before).min() {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.is_none_or(|given| due < given) {
                *warned = Some(due);
                drop(warned);
                self.notify(&warn(left, until));
            }
        }
        let gauges: Vec<_> = self.channels().iter().map(|(number, gauge)| (*number, Arc::clone(gauge))).collect();
        let told = Timestamp(self.flow_told.load(Ordering::Relaxed));
        let due = told.until(now) >= FLOW;
        if due {
            self.flow_told.store(now.0, Ordering::Relaxed);
        }
        for (number, gauge) in gauges {
            if self.tell_blocks(number, &gauge).is_err() || (due && self.tell_flow(number, &gauge).is_err()) {
                return;
            }
        }
    }
}

/// The one owner of a session's end: whoever holds it calls [`Opened::leave`], and if it is dropped without that
/// (a task panicked), the end is written all the same.
pub struct Opened {
    session: Arc<Session>,
    desk: Arc<dyn Desk>,
    running: Arc<Running>,
}

impl Opened {
    /// Opens a session from the permission and the open recording that came in one answer, and makes it known. It
    /// stands still from its first moment if the answer says so: a word that was said since must not be overruled.
    pub fn new(admission: Admission, desk: Arc<dyn Desk>, clock: Arc<dyn Clock>, running: Arc<Running>) -> (Self, TargetCredential) {
        let Admission { session: id, grant, recording, credential, standstill } = admission;
        let now = clock.now();
        let session = Arc::new(Session {
            until: AtomicI64::new(grant.until.0),
            id,
            grant,
            clock,
            began: now,
            since: tokio::time::Instant::now(),
            recording: RwLock::new(Some(recording)),
            cause: watch::Sender::new(None),
            stands: watch::Sender::new(standstill),
            stood_since: AtomicI64::new(now.0),
            active: AtomicI64::new(now.0),
            warned: Mutex::new(None),
            output: AtomicU64::new(0),
            input: AtomicU64::new(0),
            channels: Mutex::default(),
            fewer: Notify::new(),
            flow_told: AtomicI64::new(now.0),
            first: Mutex::default(),
            unread: Mutex::default(),
            next: AtomicU32::new(1),
        });
        running.add(&session);
        (Self { session, desk, running }, credential)
    }

    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Seals the recording and writes down the end. `last_words` is what the channels that are still open are told.
    pub async fn leave(self, last_words: Option<&str>) {
        self.session.end(Cause::Vanished);
        // Whoever still records may wait for a disk that does not answer: to wait for them must hold up no thread.
        while matches!(self.session.recording.try_write(), Err(TryLockError::WouldBlock)) {
            tokio::time::sleep(TURN).await;
        }
        if let Some((recording, cause)) = self.take(last_words) {
            self.desk.leave(&self.session.id, recording, cause).await;
        }
        self.running.remove(&self.session.id);
    }

    fn take(&self, last_words: Option<&str>) -> Option<(OpenRecording, Cause)> {
        self.session.end(Cause::Vanished);
        let open = std::mem::take(&mut *self.session.channels());
        for (number, gauge) in open {
            self.session.tell_last(number, &gauge, last_words);
        }
        let recording = self.session.recording.write().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((recording, self.session.cause().unwrap_or(Cause::Vanished)))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some((recording, cause)) = self.take(None) else { return };
        tracing::error!(session = %self.session.id, "the task that carried the session died");
        let (desk, running, id) = (Arc::clone(&self.desk), Arc::clone(&self.running), self.session.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                desk.leave(&id, recording, cause).await;
                running.remove(&id);
            });
        }
    }
}
