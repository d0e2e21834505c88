//! Carries one channel between worker and target.
//!
//! Two loops, one for each direction, in one task: each takes a message, has it recorded and understood, and waits
//! until the other side has room for it. What is not taken stays in the sender's window, so a slow side slows the
//! other one, and nothing but its own channel.

use super::arrive::Sign;
use super::carrier::{Carrier, Finish, Opening};
use super::hold::{Echo, Intake, Script};
use super::observe::{Observer, Passed, Seen, kept};
use super::quarantine::{Ask, Yard};
use super::wish::{Start, Terminal, Transfer, Wish};
use super::words;
use super::worker::{STDERR, Worker};
use crate::session::{Place, Session};
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client};
use sekisho_core::control::Standstill;
use sekisho_core::desk::{Cause, Event};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_protocol::files::Why;
use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Time for the target to answer the start of a channel.
pub(super) const START: Duration = Duration::from_secs(limits::DIAL_SECONDS as u64);
/// Time to bring input to the target after the worker closed the channel.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest name of a signal that is passed on.
const SIGNAL_BYTES: usize = 32;
/// Greatest window that is passed on, in columns, rows or pixels.
const SIZE: u32 = 65_535;
/// Messages of the target that may come before its answer to the start.
const EARLY: usize = 16;

impl Carrier {
    /// Carries one channel to its end.
    pub async fn carry(&self, opening: Opening) -> Finish {
        let Opening { mut worker, reader, sign, mut wish, early } = opening;
        let allowed = match wish.judge(&self.session.grant().functions, &self.rule) {
            Ok(allowed) => allowed,
            Err(refusal) => {
                worker.has_terminal(wish.terminal.is_some());
                let text = words::refusal(&refusal);
                self.note(wish.ask_text(), refusal).await;
                worker.farewell(Some(&text)).await;
                return Finish::Orderly;
            }
        };
        let files = allowed.function.moves_files();
        if files {
            // A terminal would change the bytes.
            wish.terminal = None;
        }
        worker.has_terminal(wish.terminal.is_some());
        let observer = match (&wish.terminal, allowed.transfer) {
            (_, Some(Transfer::Scp(transfer))) => Observer::scp(transfer, self.rule.clone()),
            (_, Some(Transfer::Rsync(transfer))) => Observer::rsync(transfer, &self.rule),
            (Some(terminal), None) => Observer::terminal(terminal.columns, terminal.rows),
            (None, None) if files && self.rule.room.is_some() => Observer::quarantined(self.rule.clone()),
            (None, None) if files => Observer::sftp(self.rule.clone()),
            (None, None) => Observer::Plain,
        };
        let (place, notices) = self.session.place(wish.terminal.is_some());
        let command = wish.command_text();
        let size = observer.size();
        let mut opened = place.record(Event::Open { function: allowed.function, text: &command, size });
        if allowed.function == Function::Exec {
            opened = opened.and_then(|()| place.record(Event::Command(&command)));
        }
        // A shell without a terminal takes its commands from the input, line by line.
        let is_script = wish.terminal.is_none() && (allowed.function == Function::Shell || (allowed.function == Function::Exec && wish.reads_commands()));
        let may_stop = self.judge.may_stop();
        let (yard, asks) = observer.is_staging().then(Yard::new).unzip();
        let lane = Lane {
            guards: may_stop && wish.terminal.is_some(),
            script: may_stop && is_script,
            echo: Echo::default(),
            early: Mutex::default(),
            carrier: self,
            place,
            worker,
            observer: Mutex::new(observer),
            terminal: wish.terminal.is_some(),
            files,
            counted: allowed.function == Function::Rsync,
            yard,
            due: Notify::new(),
            due_up: Notify::new(),
            told: Mutex::default(),
            texts: Mutex::default(),
            halted: Mutex::new(None),
            halt: Notify::new(),
        };
        // If it could not be recorded the session has ended, which the lane finds before anything else.
        let _ = opened;
        lane.run(reader, notices, asks, &sign, wish, early).await
    }
}

/// One channel that is being carried.
pub(super) struct Lane<'a> {
    pub(super) carrier: &'a Carrier,
    pub(super) place: Place,
    pub(super) worker: Worker,
    pub(super) observer: Mutex<Observer>,
    pub(super) terminal: bool,
    /// Each line of the terminal is judged before its Enter goes on.
    pub(super) guards: bool,
    /// Each line of the input is a command and is judged before it goes on.
    script: bool,
    pub(super) echo: Echo,
    /// What came while the command waited that the channel shall run.
    pub(super) early: Mutex<VecDeque<ChannelMsg>>,
    pub(super) files: bool,
    /// What is carried stands in the recording as numbers only.
    pub(super) counted: bool,
    /// Where uploads wait, if they do.
    pub(super) yard: Option<Yard>,
    /// The observer has something for the way that is not its own turn, or a text waits.
    pub(super) due: Notify,
    pub(super) due_up: Notify,
    /// Why something was refused, each told once.
    pub(super) told: Mutex<BTreeSet<Why>>,
    pub(super) texts: Mutex<Vec<String>>,
    /// The work was stopped, and why.
    pub(super) halted: Mutex<Option<Refusal>>,
    pub(super) halt: Notify,
}

/// Why the way to the target ended.
enum Up {
    /// The worker closed the channel.
    Closed,
    /// The worker's connection broke.
    Broken,
    /// The target takes no more input.
    Full,
}

/// Nothing more may be carried on this channel.
pub(super) struct Stop;

impl Lane<'_> {
    pub(super) fn session(&self) -> &Session {
        &self.carrier.session
    }

    async fn run(
        self,
        mut reader: ChannelReadHalf,
        mut notices: mpsc::Receiver<String>,
        asks: Option<mpsc::Receiver<Ask>>,
        sign: &Sign,
        wish: Wish,
        early: Bytes,
    ) -> Finish {
        let session = Arc::clone(&self.carrier.session);
        // Every way out of here closes the channel, and a client that closes at the end of the output wants the status.
        reader.answer_close();
        let carried = self.start_and_carry(&mut reader, &mut notices, asks, sign, wish, early);
        let carried = tokio::select! {
            biased;
            _ = session.ended() => None,
            carried = carried => Some(carried),
        };
        // What ended the channel may have ended the session in the same breath: a lost recording, a breach.
        if let Some(cause) = session.cause() {
            let at_ms = session.elapsed_ms();
            let seen = self.observer.into_inner().unwrap_or_else(PoisonError::into_inner).finish(at_ms, "");
            self.place.last_events(&seen.iter().map(Seen::event).collect::<Vec<_>>());
            let text = cause.refusal().map(|refusal| words::refusal(&refusal));
            self.place.last_words(text.as_deref());
            self.worker.farewell(text.as_deref()).await;
            return if cause == Cause::WorkerGone { Finish::Broken } else { Finish::Orderly };
        }
        let Some((finish, exit)) = carried else { return Finish::Orderly };
        let observer = self.observer.into_inner().unwrap_or_else(PoisonError::into_inner);
        for seen in observer.finish(session.elapsed_ms(), &exit) {
            let _ = self.place.record(seen.event());
        }
        let _ = self.place.close(&exit);
        let _ = self.worker.close().await;
        finish
    }

    async fn start_and_carry(
        &self,
        reader: &mut ChannelReadHalf,
        notices: &mut mpsc::Receiver<String>,
        mut asks: Option<mpsc::Receiver<Ask>>,
        sign: &Sign,
        wish: Wish,
        early: Bytes,
    ) -> (Finish, String) {
        let refused = async |refusal: Refusal| {
            self.worker.farewell(Some(&words::refusal(&refusal))).await;
            (Finish::Orderly, String::new())
        };
        if self.greet().await.is_err() {
            return (Finish::Broken, String::new());
        }
        let still = tokio::select! {
            biased;
            still = self.still(notices) => still,
            // Whoever closes what has not begun is not kept waiting.
            () = sign.closed() => return (Finish::Orderly, String::new()),
        };
        if still.is_err() {
            return (Finish::Broken, String::new());
        }
        if let Start::Exec(command) = &wish.start
            && !self.files
            && !self.may_begin(&String::from_utf8_lossy(command), reader).await
        {
            self.worker.farewell(None).await;
            return (Finish::Orderly, String::new());
        }
        let Ok(Ok(channel)) = tokio::time::timeout(START, self.carrier.target.open()).await else {
            return refused(Refusal::TargetUnreachable).await;
        };
        let (mut from_target, to_target) = channel.split();
        let asked = tokio::time::Instant::now();
        let Ok(Ok(first)) = tokio::time::timeout(START, self.start(&wish, &to_target, &mut from_target)).await else {
            return refused(Refusal::TargetUnreachable).await;
        };
        self.echo.answered(asked.elapsed());
        let exit = Mutex::new(String::new());
        let finish = {
            let mut up = pin!(self.up(reader, &to_target, early, wish.input_ended));
            let mut down = pin!(self.down(&mut from_target, notices, first, &exit));
            let mut closed = pin!(async {
                sign.closed().await;
                // What was typed before a pause is brought over after it.
                self.session().flowing().await;
                tokio::time::sleep(DRAIN).await;
            });
            let mut decisions = pin!(async {
                match &mut asks {
                    Some(asks) => self.decisions(asks).await,
                    None => std::future::pending().await,
                }
            });
            let mut taking = true;
            loop {
                tokio::select! {
                    _ = &mut decisions => break Finish::Orderly,
                    () = self.halt.notified() => break Finish::Orderly,
                    // The end of the target's channel is the end of the work; what is still typed has no reader.
                    _ = &mut down => break Finish::Orderly,
                    ended = &mut up, if taking => match ended {
                        // Both sides have said all: only the status and the target's own close are still to come.
                        Up::Closed if self.worker.has_said_all() => taking = false,
                        Up::Closed => break Finish::Orderly,
                        Up::Broken => break Finish::Broken,
                        Up::Full => taking = false,
                    },
                    () = &mut closed, if !self.worker.has_said_all() => break Finish::Orderly,
                }
            }
        };
        let _ = to_target.close().await;
        let halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(refusal) = halted {
            let text = words::refusal(&refusal);
            let _ = self.place.record(Event::Message(&text));
            self.worker.farewell(Some(&text)).await;
        }
        (finish, exit.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the worker reads first.
    async fn greet(&self) -> Result<(), super::worker::Gone> {
        let mut texts = Vec::new();
        if self.terminal && !self.carrier.welcomed.swap(true, Ordering::SeqCst) {
            let grant = self.session().grant();
            texts.push(words::welcome(&grant.plan_number, &grant.plan_title, self.session().until()));
        }
        if !self.files {
            texts.extend(self.carrier.forward_to_tell.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        if self.session().standstill() != Standstill::None {
            texts.push(words::standing(self.session().standstill()));
        }
        for text in texts {
            let _ = self.place.record(Event::Message(&text));
            self.worker.say(&text).await?;
        }
        Ok(())
    }

    /// Waits while the session stands still. Messages reach the worker all the same, and before whatever comes after
    /// them.
    async fn still(&self, notices: &mut mpsc::Receiver<String>) -> Result<(), Stop> {
        loop {
            tokio::select! {
                biased;
                Some(text) = notices.recv() => self.worker.say(&text).await.map_err(|_| Stop)?,
                () = self.session().flowing() => return Ok(()),
            }
        }
    }

    /// Asks the target for terminal, environment and work, in the worker's order, and waits for its answers.
    async fn start(
        &self,
        wish: &Wish,
        to_target: &ChannelWriteHalf<client::Msg>,
        from_target: &mut ChannelReadHalf,
    ) -> Result<VecDeque<ChannelMsg>, Stop> {
        if let Some(Terminal { term, columns, rows, pixel_width, pixel_height, modes }) = &wish.terminal {
            let asked = to_target.request_pty(true, term, *columns, *rows, *pixel_width, *pixel_height, modes);
            asked.await.map_err(|_| Stop)?;
        }
        for (name, value) in &wish.variables {
            to_target.set_env(false, name.as_str(), value.as_str()).await.map_err(|_| Stop)?;
        }
        let asked = match &wish.start {
            Start::Shell => to_target.request_shell(true).await,
            Start::Exec(command) => to_target.exec(true, command.as_slice()).await,
            Start::Subsystem(name) => to_target.request_subsystem(true, name.as_str()).await,
        };
        asked.map_err(|_| Stop)?;
        let mut terminal_open = wish.terminal.is_some();
        let mut early = VecDeque::new();
        loop {
            match from_target.wait().await.ok_or(Stop)? {
                ChannelMsg::Success if terminal_open => terminal_open = false,
                ChannelMsg::Failure if terminal_open => {
                    terminal_open = false;
                    self.worker.say(&words::no_terminal()).await.map_err(|_| Stop)?;
                }
                ChannelMsg::Success => return Ok(early),
                ChannelMsg::Failure | ChannelMsg::Close => return Err(Stop),
                ChannelMsg::WindowAdjusted { .. } => {}
                other if early.len() < EARLY => early.push_back(other),
                _ => return Err(Stop),
            }
        }
    }

    /// Worker to target.
    async fn up(&self, reader: &mut ChannelReadHalf, to_target: &ChannelWriteHalf<client::Msg>, early: Bytes, ended: bool) -> Up {
        self.session().flowing().await;
        let mut script = Script::default();
        let mut intake = Intake::new(reader);
        if !early.is_empty() && self.input(early, &mut script, &mut intake, to_target).await.is_err() {
            return Up::Full;
        }
        intake.begin_with(std::mem::take(&mut *self.early.lock().unwrap_or_else(PoisonError::into_inner)));
        if ended && self.input_ended(&mut script, &mut intake, to_target).await.is_err() {
            return Up::Full;
        }
        loop {
            let message = tokio::select! {
                message = intake.next() => message,
                () = self.due_up.notified() => {
                    let due = self.observer.lock().unwrap_or_else(PoisonError::into_inner).due_to_target();
                    if self.to_target(due, to_target).await.is_err() || self.pour(to_target).await.is_err() {
                        return Up::Full;
                    }
                    continue;
                }
            };
            if !matches!(message, None | Some(ChannelMsg::Close)) {
                // Held here, the rest waits in the sender's window; signals and the end of input keep their place.
                self.session().flowing().await;
            }
            let passed = match message {
                Some(ChannelMsg::Data { data }) => self.input(data, &mut script, &mut intake, to_target).await,
                Some(ChannelMsg::Eof) => self.input_ended(&mut script, &mut intake, to_target).await,
                Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) if self.terminal => {
                    self.resize([col_width, row_height, pix_width, pix_height], to_target).await
                }
                Some(ChannelMsg::Signal { signal }) => self.signal(signal, to_target).await,
                Some(ChannelMsg::Close) => return Up::Closed,
                None => return Up::Broken,
                // Requests that were refused when they came, and data that a client may not send.
                Some(_) => Ok(()),
            };
            if passed.is_err() {
                return Up::Full;
            }
        }
    }

    async fn input_ended(&self, script: &mut Script, intake: &mut Intake<'_>, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        if self.keeps_open() {
            return Ok(());
        }
        if self.script { self.scripted(None, script, intake, to_target).await } else { to_target.eof().await.map_err(|_| Stop) }
    }

    async fn input(&self, data: Bytes, script: &mut Script, intake: &mut Intake<'_>, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        if self.guards {
            self.volume(true, data.len()).await;
            return self.guarded(data, intake, to_target).await;
        }
        if self.script {
            self.volume(true, data.len()).await;
            return self.scripted(Some(data), script, intake, to_target).await;
        }
        self.place.count_input(data.len());
        self.volume(true, data.len()).await;
        let passed = self.understand(|observer, at_ms| observer.worker_sends(data, at_ms))?;
        if passed.due {
            self.due.notify_one();
        }
        self.refused(passed.refused).await;
        let stop = passed.stop;
        self.to_target(passed.on, to_target).await?;
        self.stage().await?;
        self.stop(stop)
    }

    async fn resize(&self, size: [u32; 4], to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        let [columns, rows, width, height] = size.map(|side| side.min(SIZE));
        let shown = self.observer.lock().unwrap_or_else(PoisonError::into_inner).resize(columns, rows);
        if let Some((columns, rows)) = shown {
            self.place.record(Event::Resize(columns, rows)).map_err(|_| Stop)?;
        }
        to_target.window_change(columns, rows, width, height).await.map_err(|_| Stop)
    }

    async fn signal(&self, signal: Sig, to_target: &ChannelWriteHalf<client::Msg>) -> Result<(), Stop> {
        if matches!(&signal, Sig::Custom(name) if name.len() > SIGNAL_BYTES) {
            return Ok(());
        }
        to_target.signal(signal).await.map_err(|_| Stop)
    }

    /// Target to worker.
    async fn down(
        &self,
        from_target: &mut ChannelReadHalf,
        notices: &mut mpsc::Receiver<String>,
        mut early: VecDeque<ChannelMsg>,
        exit: &Mutex<String>,
    ) {
        loop {
            let message = match early.pop_front() {
                Some(message) => Some(message),
                None => tokio::select! {
                    message = from_target.wait() => message,
                    Some(text) = notices.recv() => {
                        if self.worker.say(&text).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    () = self.due.notified() => {
                        if self.due_down().await.is_err() {
                            return;
                        }
                        continue;
                    }
                },
            };
            let Some(message) = message else {
                // The connection to the target is gone; the session's end, which says so, is on its way.
                tokio::time::sleep(super::GOODBYE).await;
                return;
            };
            if self.still(notices).await.is_err() || self.pass_down(message, exit).await.is_err() {
                return;
            }
        }
    }

    async fn pass_down(&self, message: ChannelMsg, exit: &Mutex<String>) -> Result<(), Stop> {
        let note = |text: String| *exit.lock().unwrap_or_else(PoisonError::into_inner) = text;
        let passed = match message {
            ChannelMsg::Data { data } => {
                if !self.files {
                    self.place.record(Event::Output(&data)).map_err(|_| Stop)?;
                    self.volume(false, data.len()).await;
                }
                let passed = self.understand(|observer, at_ms| observer.target_sends(data, at_ms))?;
                if passed.due {
                    self.due_up.notify_one();
                    self.due.notify_one();
                }
                self.refused(passed.refused).await;
                self.busy();
                if self.terminal {
                    self.echo.draws();
                    for line in passed.seen.iter().filter_map(Seen::command) {
                        self.seen(line).await;
                    }
                }
                for piece in passed.on {
                    if self.counted {
                        self.place.count_flow(false, piece.len());
                    }
                    self.echo.is_stuck(true);
                    let taken = self.worker.output(piece).await;
                    self.echo.is_stuck(false);
                    taken.map_err(|_| Stop)?;
                }
                self.stop(passed.stop)?;
                Ok(())
            }
            ChannelMsg::ExtendedData { data, ext: STDERR } => {
                self.place.record(Event::Error(&data)).map_err(|_| Stop)?;
                self.busy();
                self.worker.error(data).await
            }
            ChannelMsg::ExitStatus { exit_status } => {
                note(format!("exit {exit_status}"));
                self.worker.exit_status(exit_status).await
            }
            ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, lang_tag } => {
                note(format!("signal {}", signal_text(&signal_name)));
                self.worker.exit_signal(signal_name, core_dumped, error_message, lang_tag).await
            }
            ChannelMsg::Eof => self.worker.eof().await,
            ChannelMsg::Close => return Err(Stop),
            _ => Ok(()),
        };
        passed.map_err(|_| Stop)
    }

    /// A transfer or a long command is work, too; a terminal that only draws is not.
    fn busy(&self) {
        if !self.terminal {
            self.session().touch();
        }
    }

    pub(super) fn understand(&self, look: impl FnOnce(&mut Observer, u64) -> Result<Passed, super::observe::Breach>) -> Result<Passed, Stop> {
        let at_ms = self.session().elapsed_ms();
        let passed = look(&mut self.observer.lock().unwrap_or_else(PoisonError::into_inner), at_ms);
        match passed {
            Ok(passed) => {
                let events = passed.keep.iter().map(kept).chain(passed.seen.iter().map(Seen::event));
                events.into_iter().try_for_each(|event| self.place.record(event)).map_err(|_| Stop)?;
                Ok(passed)
            }
            Err(_) => {
                self.session().end(Cause::Breach);
                Err(Stop)
            }
        }
    }
}

/// The signal's name as SSH writes it.
fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => words::visible(name).chars().take(SIGNAL_BYTES).collect(),
        known => format!("{known:?}"),
    }
}
