//! Trusted time: how far the clock stands from time servers, and whether it jumped. What moves the clock gives nobody time.

use crate::Store;
use crate::fault::{Done, Fault};
use sekisho_core::desk::Answer;
use sekisho_core::facts::{Entry, Fact};
use sekisho_core::letter::one_line;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Sample, Timestamp};
use sekisho_evidence::checkpoint::{Signature, sign_bytes, verify_bytes};
use sekisho_evidence::decisive::{Term, in_force};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two rounds of questions (NTP asks not more often without need).
const EVERY: Duration = Duration::from_secs(64);
/// Between two looks at the clock beside the monotonic one.
const LOOK: Duration = Duration::from_secs(1);
/// A difference between them that is no jump, in milliseconds: a disk or a busy machine holds up the look, but not the reading.
const JUMP_MS: i64 = 1000;
/// Longest time between two readings that count as one moment.
const AT_ONCE: Duration = Duration::from_millis(200);
/// A doubt of before is the same if the clock is ahead by as much, but for this.
const SLACK_MS: i64 = 60_000;
/// What a clock may gain on the monotonic one without being set forward: one part in so many (RFC 5905 allows 500 in a million).
const DRIFT: u128 = 2000;
/// Without an answer for this long the offset tells nothing of the present.
const STALE: Duration = Duration::from_secs(15 * 60);

/// A server that can be asked for the time. Implementations bound how long they wait.
pub trait TimeSource: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &str;

    /// Asks.
    ///
    /// # Errors
    /// In words of one line, why there is no time.
    fn ask(&self) -> Answer<'_, Result<Sample, String>>;
}

/// How the clock stands to the servers.
#[derive(Clone, Debug, Default)]
pub struct ClockState {
    /// Servers that are configured.
    pub servers: usize,
    /// Servers that answered in the last round.
    pub answered: usize,
    /// Milliseconds that the clock is behind the servers (negative: before them): the middle one of the answers.
    pub offset_ms: Option<i64>,
    /// When that was.
    pub at: Option<Timestamp>,
    /// The offset is beyond the limit.
    pub off: bool,
    /// No server has answered for some time.
    pub stale: bool,
    /// The clock was set forward by so many milliseconds, and is not believed.
    pub held_ms: Option<i64>,
    /// The log is so many milliseconds ahead of the clock, which is more than a clock is corrected by: a false time was believed.
    pub ahead_ms: Option<i64>,
}

impl ClockState {
    /// Whether what is due by the clock may be deleted or moved: not by a clock that is in doubt or known to be wrong.
    #[must_use]
    pub fn may_delete(&self) -> bool {
        self.held_ms.is_none() && self.ahead_ms.is_none() && !self.off
    }
}

/// What the box goes by: the clock, unless it was set forward by more than is believed; then the moment before, and the time that
/// has passed since by the monotonic clock.
struct Belief {
    since: Instant,
    at: Timestamp,
    /// Since when steps forward are added up, and how many milliseconds they are.
    counted: Instant,
    steps_ms: i64,
    /// By how many milliseconds the clock stands beyond it.
    doubt: Option<i64>,
}

impl Belief {
    fn of(at: Timestamp, doubt: Option<i64>) -> Self {
        let now = Instant::now();
        Self { since: now, at, counted: now, steps_ms: 0, doubt }
    }

    fn expected(&self) -> Timestamp {
        self.at.plus(self.since.elapsed())
    }
}

/// What the entries of the log tell of the clock, for a box that starts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClockStory {
    /// Time of the last entry that a signed head covers.
    at: Timestamp,
    /// The clock was not believed by so many milliseconds, and nothing ended that.
    held_ms: Option<i64>,
    /// Time servers called the clock wrong, and nothing ended that.
    off: bool,
    /// Time of the last entry, whoever wrote it.
    last: Timestamp,
    /// For so many milliseconds in all the clock went on while the box was off, and was believed at its start, since the clock was
    /// last confirmed: each start alone may be short, and many of them add up.
    rested_ms: i64,
}

impl ClockStory {
    /// Takes the next entry. One that no signed head covers may be anybody's: it gives doubt, and ends none.
    pub fn take(&mut self, entry: &Entry, at: Timestamp, signed: bool) {
        if matches!(entry.fact, Fact::Started { .. }) && self.last.0 > 0 {
            self.rested_ms = self.rested_ms.saturating_add(at.0.saturating_sub(self.last.0).max(0));
        }
        self.last = at;
        match &entry.fact {
            Fact::ClockHeld { by_ms } => self.held_ms = Some(*by_ms),
            Fact::ClockOff { off: true, .. } => self.off = true,
            _ if !signed => return,
            Fact::ClockOff { off: false, .. } => (self.off, self.rested_ms) = (false, 0),
            Fact::ClockConfirmed { .. } => self.rested_ms = 0,
            Fact::ClockAccepted { .. } | Fact::ClockCorrected { .. } => (self.held_ms, self.off, self.rested_ms) = (None, false, 0),
            Fact::ClockMoved { by_ms } => self.held_ms = self.held_ms.map(|held| held.saturating_add(*by_ms)).filter(|held| *held > step_ms()),
            _ => {}
        }
        if signed {
            self.at = at;
        }
    }

    /// By how many milliseconds a clock stands beyond what a box that was off may find: a number of days, of which what earlier starts
    /// believed since the clock was confirmed is taken off; where the clock was in
    /// doubt before, as much as it was ahead then, for a clock that is still wrong shows at least that.
    fn doubt(&self, wall: Timestamp) -> Option<i64> {
        let by = wall.0.saturating_sub(self.at.0);
        let rest = ms(limits::CLOCK_REST_DAYS.saturating_mul(24 * 3600)).saturating_sub(self.rested_ms).max(SLACK_MS);
        let most = self.held_ms.map_or(rest, |held| rest.min(held.saturating_sub(SLACK_MS)));
        (self.at.0 > 0 && by > most).then_some(by)
    }
}

fn ms(seconds: usize) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

fn step_ms() -> i64 {
    ms(limits::CLOCK_STEP_SECONDS)
}

/// What memory holds of the time.
#[derive(Default)]
pub(crate) struct Watch {
    state: Mutex<ClockState>,
    /// The latest moment that was seen, and when, by the monotonic clock.
    steady: Mutex<Option<(Instant, Timestamp)>>,
    belief: Mutex<Option<Belief>>,
    /// What was believed at starts since the clock was confirmed, in milliseconds.
    rested_ms: AtomicI64,
}

impl Watch {
    /// What a box that starts believes: its own log, if the clock is further from it than a box is off.
    pub fn begin(story: ClockStory, clock: &dyn sekisho_core::time::Clock) -> Self {
        let watch = Self::default();
        if !clock.is_of_the_machine() {
            return watch;
        }
        watch.state.lock().unwrap_or_else(PoisonError::into_inner).off = story.off;
        let wall = clock.now();
        let doubt = story.doubt(wall);
        let rested = if doubt.is_none() && story.last.0 > 0 { wall.0.saturating_sub(story.last.0).max(0) } else { 0 };
        watch.rested_ms.store(story.rested_ms.saturating_add(rested), Ordering::SeqCst);
        let belief = doubt.map_or(Belief::of(wall, None), |by| Belief::of(story.at, Some(by)));
        *watch.belief.lock().unwrap_or_else(PoisonError::into_inner) = Some(belief);
        watch
    }
}

/// The context of the signature over a correction of the log's time.
const CONTEXT: &str = "clock/v1";

fn correction(seq: u64, at: Timestamp, by_ms: i64, reason: &str) -> String {
    format!("{seq}\n{}\n{by_ms}\n{reason}\n", at.0)
}

/// Whether an entry sets the log's time back, as a key of the log signed that was in force.
pub(crate) fn is_correction(entry: &Entry, keys: &[Term]) -> bool {
    let Fact::ClockCorrected { by_ms, reason, signature } = &entry.fact else { return false };
    let Ok(signature) = signature.parse::<Signature>() else { return false };
    let said = correction(entry.seq, entry.at, *by_ms, reason);
    in_force(keys, entry.seq).any(|key| verify_bytes(key, CONTEXT, said.as_bytes(), &signature).is_ok())
}

impl Store {
    /// How the clock stands to the servers.
    #[must_use]
    pub fn clock_state(&self) -> ClockState {
        let state = self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let held_ms = self.clock_doubt();
        let ahead = self.inner.log.last_at().0.saturating_sub(self.inner.clock.now().0);
        let ahead_ms = (self.inner.clock.is_of_the_machine() && ahead > step_ms()).then_some(ahead);
        ClockState { held_ms, ahead_ms, ..state }
    }

    /// Whether what is due by the clock may be deleted or moved.
    pub(crate) fn clock_deletes(&self) -> bool {
        self.clock_state().may_delete()
    }

    /// The clock as it is believed. Steps forward of more than [`limits::CLOCK_STEP_SECONDS`] in all are one forged answer to a
    /// client of the time service away, and what is written with it can never be taken back: it is held until a majority of the
    /// time servers or a person at the console confirms it, or the clock is right again.
    pub(crate) fn believed_now(&self) -> Timestamp {
        let wall = self.inner.clock.now();
        if !self.inner.clock.is_of_the_machine() {
            return wall;
        }
        let mut belief = self.inner.watch.belief.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(belief) = belief.as_mut() else {
            *belief = Some(Belief::of(wall, None));
            return wall;
        };
        let expected = belief.expected();
        let by = wall.0.saturating_sub(expected.0);
        let drift = i64::try_from(belief.counted.elapsed().as_millis() / DRIFT).unwrap_or(i64::MAX);
        if by > 0 && belief.steps_ms.saturating_add(by) > step_ms().saturating_add(drift) {
            belief.doubt = Some(by);
            return expected;
        }
        belief.doubt = None;
        // Set back, the moment that was reached stays the measure, so that the way back to it is no step forward.
        if by >= 0 {
            (belief.since, belief.at, belief.steps_ms) = (Instant::now(), wall, belief.steps_ms.saturating_add(by));
        }
        wall
    }

    /// By how many milliseconds the clock stands beyond what is believed.
    fn clock_doubt(&self) -> Option<i64> {
        self.believed_now();
        self.inner.watch.belief.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|belief| belief.doubt)
    }

    /// Whether sessions may be admitted, as far as the clock is concerned: a window that opens tomorrow must not open today.
    pub(crate) fn clock_stands(&self) -> Result<(), Refusal> {
        if self.clock_doubt().is_some() { Err(Refusal::ClockHeld) } else { Ok(()) }
    }

    /// Believes the clock as it stands. Gives by how many milliseconds it was beyond what was believed.
    fn believe(&self) -> Option<i64> {
        let wall = self.inner.clock.now();
        let mut belief = self.inner.watch.belief.lock().unwrap_or_else(PoisonError::into_inner);
        let doubt = belief.as_ref().and_then(|belief| belief.doubt);
        *belief = Some(Belief::of(wall, None));
        doubt
    }

    /// For how many milliseconds the box was off since the clock was last confirmed, if that is worth an entry. None while the
    /// clock is in doubt: what ends that is `clock_accepted` alone.
    pub(crate) fn clock_to_confirm(&self) -> Option<i64> {
        let rested_ms = self.inner.watch.rested_ms.load(Ordering::SeqCst);
        (rested_ms >= step_ms() && self.clock_doubt().is_none()).then_some(rested_ms)
    }

    /// The entry that confirms the clock is committed: what was believed at starts is added up anew.
    pub(crate) fn clock_is_confirmed(&self) {
        self.inner.watch.rested_ms.store(0, Ordering::SeqCst);
    }

    /// Goes by a clock that was set forward, because a person at the console knows that it is right. Gives by how many
    /// milliseconds it was.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] elsewhere; [`Refusal::BadField`] without a reason; [`Refusal::NotFound`] if it is believed.
    pub async fn accept_clock(&self, actor: &Actor, reason: &str) -> Done<i64> {
        let reason = at_the_console(actor, reason)?;
        let by_ms = self.clock_doubt().ok_or(Refusal::NotFound)?;
        let mut tx = self.write(actor).await?;
        tx.fact(Fact::ClockAccepted { by_ms, servers: 0, reason });
        tx.commit().await?;
        self.inner.shares.clear();
        self.believe();
        self.inner.watch.rested_ms.store(0, Ordering::SeqCst);
        Ok(by_ms)
    }

    /// Sets the time of the log back to the clock, after a false time was believed: without that, every window stays over until
    /// the calendar has caught up. The entries keep their false times, and this one says so. Gives by how many milliseconds.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] elsewhere; [`Refusal::BadField`] without a reason; [`Refusal::NotFound`] if the log is not ahead
    /// of the clock; [`Refusal::ClockHeld`] while the clock is not believed.
    pub async fn correct_clock(&self, actor: &Actor, reason: &str) -> Done<i64> {
        let reason = at_the_console(actor, reason)?;
        self.clock_stands()?;
        let clock = self.believed_now();
        let by_ms = self.inner.log.last_at().0.saturating_sub(clock.0);
        if by_ms <= JUMP_MS {
            return Err(Refusal::NotFound.into());
        }
        let before = self.inner.log.set_last_at(clock);
        let written = async {
            let mut tx = self.write(actor).await?;
            let said = correction(tx.next_seq(), tx.now(), by_ms, &reason);
            let signature = sign_bytes(&self.inner.keys.deciding(), CONTEXT, said.as_bytes()).map_err(|breach| Fault::Crypto(breach.to_string()))?;
            tx.fact(Fact::ClockCorrected { by_ms, reason: reason.clone(), signature: signature.to_string() });
            // By the time that it is again, an agreement of before would hold for longer than a holder agreed to.
            let held: Vec<_> = self.book(|book| book.requests().filter(|one| one.is_open(clock)).map(|one| one.id.clone()).collect());
            for viewing in held {
                tx.fact(Fact::ViewingEnded { viewing });
            }
            tx.commit().await
        };
        if let Err(fault) = written.await {
            self.inner.log.set_last_at(before);
            return Err(fault.into());
        }
        self.inner.shares.clear();
        *self.inner.watch.steady.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.believe();
        self.inner.watch.rested_ms.store(0, Ordering::SeqCst);
        Ok(by_ms)
    }

    /// The present moment for windows and approvals: it goes on by the monotonic clock when the clock is set back, so that a
    /// window that has ended stays ended.
    pub(crate) fn steady_now(&self) -> Timestamp {
        let now = self.now();
        if self.clock_doubt().is_some() {
            // Nobody is admitted, and nothing of it is remembered.
            return now.max(self.inner.clock.now());
        }
        let mut steady = self.inner.watch.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = steady.map_or(now, |(since, at)| at.plus(since.elapsed()));
        if now >= floor {
            *steady = Some((Instant::now(), now));
            return now;
        }
        floor
    }

    /// Watches the clock until the store is closed or the task is ended. Run it once, as a task.
    pub async fn watch_clock(&self, sources: Vec<Arc<dyn TimeSource>>, limit: Duration) {
        {
            let mut state = self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.servers = sources.len();
            // Without servers nobody could ever say that it is right again.
            state.off &= !sources.is_empty();
        }
        if !self.inner.clock.is_of_the_machine() {
            return;
        }
        let mut last = self.both();
        let mut asked: Option<Instant> = None;
        let mut heard = Instant::now();
        let mut held = false;
        loop {
            tokio::time::sleep(LOOK).await;
            if self.inner.log.is_closed() {
                return;
            }
            let next = self.both();
            let by = match (last, next) {
                (Some((wall, since)), Some((now, at))) => now.0.saturating_sub(wall.plus(at.duration_since(since)).0),
                _ => 0,
            };
            // Each look begins anew, so that slow slewing by the system's own time service is no jump.
            last = next.or(last);
            if by.abs() > JUMP_MS {
                tracing::error!(by_ms = by, "ALARM: the clock of this machine was moved");
                self.tell_of_clock(Fact::ClockMoved { by_ms: by }).await;
                asked = None;
            }
            match self.clock_doubt() {
                Some(by_ms) if !held => {
                    held = true;
                    tracing::error!(by_ms, "ALARM: the clock was set forward further than is believed; no session is admitted. If it is right: sekisho clock accept --reason \"...\"");
                    self.tell_of_clock(Fact::ClockHeld { by_ms }).await;
                    asked = None;
                }
                Some(_) => {}
                None => held = false,
            }
            self.steady_now();
            if !sources.is_empty() && asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
                asked = Some(Instant::now());
                if self.ask_round(&sources, limit).await {
                    heard = Instant::now();
                }
                self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).stale = heard.elapsed() >= STALE;
            }
        }
    }

    /// Both clocks at one moment; `None` if the machine was busy with something else between the two readings.
    fn both(&self) -> Option<(Timestamp, Instant)> {
        let before = Instant::now();
        let wall = self.inner.clock.now();
        (before.elapsed() < AT_ONCE).then_some((wall, before))
    }

    /// Asks every server. Gives whether one answered.
    async fn ask_round(&self, sources: &[Arc<dyn TimeSource>], limit: Duration) -> bool {
        let mut tasks = tokio::task::JoinSet::new();
        for source in sources {
            let source = Arc::clone(source);
            tasks.spawn(async move {
                let answer = source.ask().await;
                (source.name().to_owned(), answer)
            });
        }
        let mut offsets = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok((_, Ok(sample))) => offsets.push(sample.offset_ms),
                Ok((server, Err(why))) => tracing::warn!(server, why, "a time server gave no time"),
                Err(_) => {}
            }
        }
        offsets.sort_unstable();
        // The middle one: of three servers, one that lies moves nothing.
        let Some(offset) = offsets.get(offsets.len() / 2).copied() else {
            self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner).answered = 0;
            return false;
        };
        let beyond = offset.unsigned_abs() > u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        // Who keeps two of three from answering leaves the liar as the middle one: fewer than most of them decide nothing.
        let most = offsets.len() * 2 > sources.len();
        if most && !beyond {
            self.believed_now();
            // What they confirm is where steps are counted from anew.
            if let Some(by_ms) = self.believe() {
                self.tell_of_clock(Fact::ClockAccepted { by_ms, servers: offsets.len(), reason: String::new() }).await;
                self.inner.watch.rested_ms.store(0, Ordering::SeqCst);
            }
            // Less is told with the next of it: each entry is a new head that goes outside.
            if let Some(rested_ms) = self.clock_to_confirm() {
                self.clock_is_confirmed();
                self.tell_of_clock(Fact::ClockConfirmed { rested_ms, servers: offsets.len() }).await;
            }
        }
        let (before, off) = {
            let mut state = self.inner.watch.state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = state.off;
            let off = if most { beyond } else { before };
            *state = ClockState { answered: offsets.len(), offset_ms: Some(offset), at: Some(self.inner.clock.now()), off, ..state.clone() };
            (before, off)
        };
        if off != before {
            if off {
                tracing::error!(offset_ms = offset, "ALARM: the clock of this machine is wrong");
            }
            self.tell_of_clock(Fact::ClockOff { offset_ms: offset, servers: offsets.len(), off }).await;
        }
        true
    }

    async fn tell_of_clock(&self, fact: Fact) {
        let told = async {
            let mut tx = self.write(&Actor::system()).await?;
            tx.fact(fact);
            tx.commit().await
        };
        match told.await {
            Ok(()) | Err(Fault::Closed) => {}
            Err(fault) => tracing::error!(%fault, "ALARM: what the clock did could not be written down"),
        }
    }
}

/// The reason of a person at the console.
fn at_the_console(actor: &Actor, reason: &str) -> Result<String, Refusal> {
    if actor.via != Via::Console {
        return Err(Refusal::NotAllowed);
    }
    let reason = one_line(reason);
    if reason.chars().count() < 4 { Err(Refusal::bad_field("reason")) } else { Ok(reason) }
}
