//! Commands that a rule names: they are judged before the target can run them.
//!
//! On a terminal the line that stands on the screen is judged when its Enter comes, and the Enter waits for the outcome.
//! What is typed unseen stands on no screen, so it is judged by nobody and its text is told to nobody; where every command
//! waits for the witness, the witness is asked about it all the same. Rules are an aid and no boundary: a program may read
//! its keys without showing them.

use super::carry::{Lane, Stop};
use super::observe::Observer;
use super::words;
use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client};
use sekisho_core::command::{RuleAct, Ruling};
use sekisho_core::desk::{Event, RuledCommand};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_protocol::terminal::Present;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Longest wait for the echo of what was typed, besides what the target's answers take.
const ECHO: Duration = Duration::from_millis(150);
/// Longest wait in all.
const ECHO_MOST: Duration = Duration::from_secs(2);
/// The target has drawn all that it will if nothing came for so long.
const QUIET: Duration = Duration::from_millis(25);
/// Input that comes within this time after a line that was stopped belongs to the same paste.
const SAME_PASTE: Duration = Duration::from_millis(100);
/// The key that kills a line.
const KILL: u8 = 0x15;
/// The key by which a worker gives a waiting command up, and that ends a line where the program knows no kill.
const INTERRUPT: u8 = 0x03;
/// Lines that were judged and whose echo has not come back.
const JUDGED: usize = 64;

/// What is known of the target's drawing, to tell whether the echo of the last key is still on its way.
#[derive(Default)]
pub(super) struct Echo {
    times: Mutex<Times>,
    drawn: Notify,
    /// The worker takes no output, so nothing more can be seen of what the target draws.
    stuck: AtomicBool,
    /// Milliseconds that the target took to answer.
    answer: AtomicU64,
    judged: Mutex<VecDeque<String>>,
}

#[derive(Clone, Copy, Default)]
struct Times {
    passed: Option<Instant>,
    drawn: Option<Instant>,
}

impl Echo {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target answered a question after this time.
    pub(super) fn answered(&self, after: Duration) {
        self.answer.store(u64::try_from(after.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The target drew something.
    pub(super) fn draws(&self) {
        self.times().drawn = Some(Instant::now());
        self.drawn.notify_waiters();
    }

    /// Whether the worker takes what the target drew.
    pub(super) fn is_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::SeqCst);
        self.drawn.notify_waiters();
    }

    fn patience(&self) -> Duration {
        if self.times().drawn.is_none() {
            return ECHO_MOST;
        }
        (ECHO + Duration::from_millis(self.answer.load(Ordering::Relaxed).saturating_mul(2))).min(ECHO_MOST)
    }

    /// How long the picture must stay as it is before it counts as whole; `None` if nothing came since the last key.
    fn quiet_in(&self) -> Option<Duration> {
        let Times { passed, drawn } = *self.times();
        let drawn = drawn.filter(|drawn| passed.is_none_or(|passed| *drawn >= passed))?;
        Some(QUIET.saturating_sub(drawn.elapsed()))
    }

    fn judged(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, line: &str) {
        let mut judged = self.judged();
        judged.push_back(bare(line));
        if judged.len() > JUDGED {
            judged.pop_front();
        }
    }

    /// Whether this line was judged before it was entered. Those before it are forgotten: lines come in order.
    fn was_judged(&self, line: &str) -> bool {
        let mut judged = self.judged();
        let at = judged.iter().position(|known| *known == bare(line));
        if let Some(at) = at {
            judged.drain(..=at);
        }
        at.is_some()
    }
}

fn bare(line: &str) -> String {
    line.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The worker's messages, with those that came while a command waited.
pub(super) struct Intake<'a> {
    reader: &'a mut ChannelReadHalf,
    kept: VecDeque<ChannelMsg>,
    bytes: usize,
    /// The connection broke while a command waited.
    broken: bool,
}

/// What came while a command waited.
enum Heard {
    /// Nothing that matters now.
    Later,
    /// The worker gives the command up.
    GivenUp,
    /// Nobody waits any more.
    Gone,
}

impl<'a> Intake<'a> {
    pub(super) fn new(reader: &'a mut ChannelReadHalf) -> Self {
        Self { reader, kept: VecDeque::new(), bytes: 0, broken: false }
    }

    /// Messages that came before all others.
    pub(super) fn begin_with(&mut self, messages: VecDeque<ChannelMsg>) {
        self.bytes = messages.iter().map(weight).sum();
        self.kept = messages;
    }

    /// The next message. Without effect if it is dropped before it is ready.
    pub(super) async fn next(&mut self) -> Option<ChannelMsg> {
        if let Some(message) = self.kept.pop_front() {
            self.bytes = self.bytes.saturating_sub(weight(&message));
            return Some(message);
        }
        if self.broken { None } else { self.reader.wait().await }
    }

    fn has_room(&self) -> bool {
        self.bytes < limits::HOLD_BYTES && !self.broken
    }

    /// Takes one message in and keeps it.
    async fn hear(&mut self, sees_interrupt: bool) -> Heard {
        match self.reader.wait().await {
            Some(ChannelMsg::Data { data }) if sees_interrupt && data.contains(&INTERRUPT) => {
                self.forget_typed();
                Heard::GivenUp
            }
            Some(message) => {
                let gone = matches!(message, ChannelMsg::Close);
                self.bytes += weight(&message);
                self.kept.push_back(message);
                if gone { Heard::Gone } else { Heard::Later }
            }
            None => {
                self.broken = true;
                Heard::Gone
            }
        }
    }

    fn forget_typed(&mut self) {
        self.kept.retain(|message| !matches!(message, ChannelMsg::Data { .. }));
        self.bytes = self.kept.iter().map(weight).sum();
    }

    /// Forgets the rest of a paste: what was typed for the moment after a command that did not come.
    async fn drop_paste(&mut self) {
        self.forget_typed();
        while self.has_room() && matches!(tokio::time::timeout(SAME_PASTE, self.hear(false)).await, Ok(Heard::Later)) {
            self.forget_typed();
        }
    }
}

/// What a message costs while it is kept.
fn weight(message: &ChannelMsg) -> usize {
    64 + if let ChannelMsg::Data { data } = message { data.len() } else { 0 }
}

/// What stands on the screen when Enter comes.
enum Stands {
    /// Nothing, and nothing was typed.
    Nothing,
    /// Nothing of what was typed, though its echo had time to come; perhaps something else.
    Unseen(String),
    /// This line; `whole` if that is all of it.
    Line { line: String, whole: bool },
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It goes on.
    Pass,
    /// It does not; the worker is to be told this.
    Drop(String),
}

impl Lane<'_> {
    /// Judges the command line of an exec request. Nothing was sent to the target before. False: it must not begin.
    pub(super) async fn may_begin(&self, command: &str, reader: &mut ChannelReadHalf) -> bool {
        let Some(ruling) = self.carrier.judge.judge(command) else { return true };
        let mut intake = Intake::new(reader);
        let outcome = self.ruled(ruling, command, &mut intake).await;
        // What came meanwhile is input of a command that has not begun; it is brought to it when it has.
        self.early.lock().unwrap_or_else(PoisonError::into_inner).append(&mut intake.kept);
        if let Outcome::Drop(text) = &outcome {
            self.tell(text).await;
        }
        outcome == Outcome::Pass && !intake.broken
    }

    /// Passes input on, line by line, each after it was judged.
    pub(super) async fn guarded(&self, mut data: Bytes, intake: &mut Intake<'_>, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        while !data.is_empty() {
            let taken = self.observer().up_to_enter(&data);
            let before = data.split_to(taken.min(data.len()));
            self.pass(before, to_target).await?;
            if data.is_empty() {
                return Ok(());
            }
            let enter = data.split_to(1);
            let outcome = self.line_passes(intake).await;
            if outcome == Outcome::Pass {
                self.session().flowing().await;
                self.understand(|observer, at_ms| observer.worker_sends(enter.clone(), at_ms))?;
                self.pass(enter, to_target).await?;
                if !data.is_empty() {
                    self.left_behind().await;
                }
            }
            if let Outcome::Drop(text) = outcome {
                // Told after the paste has ended and before the prompt is drawn anew: who reads it can go on at once.
                intake.drop_paste().await;
                // One after the other: a terminal that is interrupted forgets the keys that nobody has read.
                self.press(KILL, to_target).await?;
                self.tell(&text).await;
                self.press(INTERRUPT, to_target).await?;
                self.observer().take_back();
                return Ok(());
            }
        }
        Ok(())
    }

    async fn pass(&self, data: Bytes, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        if data.is_empty() {
            return Ok(());
        }
        self.place.count_input(data.len());
        self.echo.times().passed = Some(Instant::now());
        to_target.data_bytes(data).await.map_err(|_| Stop)
    }

    /// Presses a key for the worker and waits for what the target makes of it.
    async fn press(&self, key: u8, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        self.echo.times().passed = Some(Instant::now());
        to_target.data_bytes(Bytes::copy_from_slice(&[key])).await.map_err(|_| Stop)?;
        let deadline = Instant::now() + self.echo.patience();
        loop {
            let mut drawn = pin!(self.echo.drawn.notified());
            drawn.as_mut().enable();
            let quiet = self.echo.quiet_in();
            if quiet.is_some_and(|quiet| quiet.is_zero()) || Instant::now() >= deadline {
                return Ok(());
            }
            let rest = quiet.map_or(deadline, |quiet| deadline.min(Instant::now() + quiet));
            let _ = tokio::time::timeout_at(rest, drawn).await;
        }
    }

    /// Gives the target the time to leave the line that was entered, so that the next one finds its prompt.
    async fn left_behind(&self) {
        let deadline = Instant::now() + self.echo.patience();
        loop {
            let mut drawn = pin!(self.echo.drawn.notified());
            drawn.as_mut().enable();
            if !self.observer().is_behind() || tokio::time::timeout_at(deadline, drawn).await.is_err() {
                return;
            }
        }
    }

    async fn line_passes(&self, intake: &mut Intake<'_>) -> Outcome {
        let judge = &self.carrier.judge;
        let (line, whole) = match self.line().await {
            Stands::Nothing => return Outcome::Pass,
            Stands::Unseen(other) => {
                let Some(ruling) = judge.unseen() else { return Outcome::Pass };
                let shown = format!("{} {other}", ruling.part);
                return self.ruled(ruling, shown.trim_end(), intake).await;
            }
            Stands::Line { line, whole } => (line, whole),
        };
        self.echo.remember(&words::visible(&line));
        match if whole { judge.judge(&line) } else { Some(judge.too_much(&line)) } {
            Some(ruling) => self.ruled(ruling, &line, intake).await,
            None => Outcome::Pass,
        }
    }

    /// The line as it stands on the screen, after its echo has come back.
    async fn line(&self) -> Stands {
        let began = Instant::now();
        let by_steps = self.carrier.judge.unseen().is_some();
        loop {
            let mut drawn = pin!(self.echo.drawn.notified());
            drawn.as_mut().enable();
            let mut other = String::new();
            let (line, echoed, whole) = match self.observer().present() {
                Present::Blank => return Stands::Nothing,
                Present::Unseen => (None, false, true),
                Present::Shown { line, whole } => (Some(line), whole, true),
                Present::Part(line) => (Some(line), false, false),
                // A witness who allows line by line must not allow what a program drew in the place of the line.
                Present::Unlike(line) if by_steps => {
                    other = line;
                    (None, false, true)
                }
                Present::Unlike(line) => (Some(line), false, true),
            };
            let with = |line: Option<String>| line.map_or(Stands::Unseen(other), |line| Stands::Line { line, whole });
            if echoed {
                return with(line);
            }
            if self.echo.stuck.load(Ordering::SeqCst) {
                drawn.await;
                continue;
            }
            // Keys that came before their prompt are echoed raw, and turn into a line when the prompt is there.
            let raw = line.as_ref().is_some_and(|line| line.contains("^["));
            let patience = if raw { ECHO_MOST } else { self.echo.patience() };
            let mut left = patience.saturating_sub(began.elapsed());
            if line.is_some()
                && !raw
                && let Some(quiet) = self.echo.quiet_in()
            {
                left = left.min(quiet);
            }
            if left.is_zero() || tokio::time::timeout(left, drawn).await.is_err() && self.is_at_rest(began, patience, line.is_some() && !raw) {
                return with(line);
            }
        }
    }

    /// After a wait without any drawing: whether there is nothing more to wait for.
    fn is_at_rest(&self, began: Instant, patience: Duration, shown: bool) -> bool {
        began.elapsed() >= patience || (shown && self.echo.quiet_in().is_some_and(|quiet| quiet.is_zero()))
    }

    /// Tells the desk of a command that a rule names, and waits for what becomes of it.
    async fn ruled(&self, mut ruling: Ruling, line: &str, intake: &mut Intake<'_>) -> Outcome {
        if ruling.act == RuleAct::Hold && line.chars().count() > limits::HELD_LINE_CHARS {
            // Nobody allows what they do not see whole.
            ruling = self.carrier.judge.too_much(line);
        }
        let command = RuledCommand { channel: self.place.number(), line: words::visible(line), act: ruling.act, reason: ruling.reason.clone() };
        if ruling.act == RuleAct::Hold {
            self.tell(&words::held(&words::visible(&ruling.part), &ruling.reason, self.terminal)).await;
        }
        let mut answer = self.carrier.desk.command(self.session().id(), command);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                heard = intake.hear(self.terminal), if intake.has_room() => match heard {
                    Heard::Later => {}
                    Heard::GivenUp | Heard::Gone => return Outcome::Drop(words::given_up()),
                },
            }
        };
        self.session().touch();
        match answer {
            Ok(()) => {
                if ruling.act == RuleAct::Hold {
                    self.tell(&words::allowed()).await;
                }
                Outcome::Pass
            }
            Err(refusal) => Outcome::Drop(words::refusal(&refusal)),
        }
    }

    async fn tell(&self, text: &str) {
        let _ = self.place.record(Event::Message(text));
        let _ = self.worker.say(text).await;
    }

    /// A command line came out of the terminal. Tells the desk if a rule names it and nobody judged it before: where no
    /// rule can stop anything, commands are looked at only when the target has echoed them.
    pub(super) async fn seen(&self, line: &str) {
        if self.carrier.judge.is_silent() || (self.guards && self.echo.was_judged(line)) {
            return;
        }
        let Some(ruling) = self.carrier.judge.judge(line) else { return };
        // It has run: nothing can be stopped any more.
        let act = ruling.act.min(RuleAct::Alert);
        let command = RuledCommand { channel: self.place.number(), line: line.to_owned(), act, reason: ruling.reason };
        let _ = self.carrier.desk.command(self.session().id(), command).await;
    }

    fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Input of a shell without a terminal: each line is a command.
#[derive(Default)]
pub(super) struct Script {
    line: BytesMut,
}

impl Lane<'_> {
    /// Passes the lines of a script on, each after it was judged. The first that is stopped ends the script: what stands
    /// behind it was written for the moment after it.
    pub(super) async fn scripted(&self, data: Option<Bytes>, script: &mut Script, intake: &mut Intake<'_>, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        let ended = data.is_none();
        script.line.extend_from_slice(&data.unwrap_or_default());
        loop {
            let end = script.line.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let Some(end) = end.or_else(|| ended.then_some(script.line.len())).filter(|end| *end > 0) else { break };
            let line = script.line.split_to(end).freeze();
            let text = String::from_utf8_lossy(&line);
            let outcome = match self.carrier.judge.judge(&text) {
                // What nobody sees may be a secret, so only the part that was named is told.
                Some(ruling) => {
                    let part = ruling.part.clone();
                    self.ruled(ruling, &part, intake).await
                }
                None => Outcome::Pass,
            };
            if let Outcome::Drop(text) = outcome {
                self.tell(&text).await;
                return self.end_script(script, to_target).await;
            }
            self.session().flowing().await;
            self.pass(line, to_target).await?;
        }
        if script.line.len() > limits::EXEC_BYTES {
            let refusal = Refusal::CommandRefused { reason: String::new() };
            self.tell(&words::refusal(&refusal)).await;
            return self.end_script(script, to_target).await;
        }
        if ended { to_target.eof().await.map_err(|_| Stop) } else { Ok(()) }
    }

    async fn end_script(&self, script: &mut Script, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        script.line.clear();
        let _ = to_target.eof().await;
        Err(Stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_as_judged_once() {
        let echo = Echo::default();
        echo.remember("rm -rf x");
        echo.remember("ls");
        assert!(echo.was_judged("rm  -rf x") && echo.was_judged("ls") && !echo.was_judged("ls"));
        for at in 0..JUDGED * 2 {
            echo.remember(&at.to_string());
        }
        assert!(echo.judged().len() <= JUDGED);
    }
}
