//! Watching a running session. The session never waits for a watcher: what a watcher does not fetch in time is dropped,
//! and the watcher is told to begin again from a picture of the present.

use bytes::Bytes;
use sekisho_core::control::Control;
use sekisho_core::desk::Cause;
use sekisho_core::limits;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::target::Function;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of the latest events that are kept to redraw the screen of somebody who begins to watch.
const TAIL_BYTES: usize = 256 * 1024;
/// Bytes that may wait for one watcher before it must begin again.
const QUEUE_BYTES: usize = 512 * 1024;
/// What an event costs besides its text.
const EVENT_OVERHEAD: usize = 96;

/// One thing to see in a session, live or replayed. `at_ms` counts from the start of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewEvent {
    /// A channel opened.
    Open {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// What it is used for.
        function: Function,
        /// The exec command; empty for shell and SFTP.
        text: String,
        /// Columns and rows, if there is a terminal.
        size: Option<(u16, u16)>,
    },
    /// Bytes of the target's standard output. Hostile: for a terminal emulator only, never markup.
    Output {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes of the target's standard error, likewise.
    Error {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The worker's window changed.
    Resize {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// A command was seen.
    Command {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// The line.
        text: String,
    },
    /// A file operation was seen.
    File {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// What was done.
        file: FileSeen,
    },
    /// Sekisho told the worker something.
    Message {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// The sentence.
        text: String,
    },
    /// A person did something to the session, or a rule named a command.
    Control {
        /// When.
        at_ms: u64,
        /// What.
        control: Control,
    },
    /// Bytes carried whose content is not in the recording.
    Flow {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// From the worker to the target.
        to_target: u64,
        /// From the target to the worker.
        to_worker: u64,
    },
    /// A channel closed.
    Close {
        /// Channel.
        ch: u32,
        /// When.
        at_ms: u64,
        /// `exit 0`, `signal TERM`, or empty.
        exit: String,
    },
    /// The watcher was too slow: forget all channels; what follows draws the present again.
    Restart,
    /// The session ended.
    End {
        /// Why.
        cause: Cause,
    },
}

impl ViewEvent {
    /// When it happened, in milliseconds from the start; `None` for what has no moment.
    #[must_use]
    pub fn at_ms(&self) -> Option<u64> {
        match self {
            Self::Open { at_ms, .. }
            | Self::Output { at_ms, .. }
            | Self::Error { at_ms, .. }
            | Self::Resize { at_ms, .. }
            | Self::Command { at_ms, .. }
            | Self::File { at_ms, .. }
            | Self::Message { at_ms, .. }
            | Self::Control { at_ms, .. }
            | Self::Flow { at_ms, .. }
            | Self::Close { at_ms, .. } => Some(*at_ms),
            Self::Restart | Self::End { .. } => None,
        }
    }

    fn cost(&self) -> usize {
        let content = match self {
            Self::Output { bytes, .. } | Self::Error { bytes, .. } => bytes.len(),
            Self::Open { text, .. } | Self::Command { text, .. } | Self::Message { text, .. } => text.len(),
            Self::Close { exit, .. } => exit.len(),
            Self::File { file, .. } => file.path.len() + file.op.len() + 64,
            Self::Control { .. } => 512,
            Self::Resize { .. } | Self::Flow { .. } | Self::Restart | Self::End { .. } => 0,
        };
        content + EVENT_OVERHEAD
    }
}

/// Why nobody more can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CannotWatch {
    /// The session has ended.
    Ended,
    /// [`limits::WATCHERS`] are watching.
    Crowded,
}

/// The watchers of one session, and what a newcomer needs to see.
#[derive(Default)]
pub(crate) struct Hub(Mutex<Present>);

#[derive(Default)]
struct Present {
    /// The latest events, at most [`TAIL_BYTES`].
    tail: VecDeque<ViewEvent>,
    tail_bytes: usize,
    /// Channels whose opening has left the tail, as they were when the tail begins.
    base: BTreeMap<u32, Base>,
    watchers: Vec<Arc<Queue>>,
    ended: bool,
}

struct Base {
    at_ms: u64,
    function: Function,
    text: String,
    size: Option<(u16, u16)>,
    /// Output of this channel has left the tail, so what remains may begin inside a line.
    cut: bool,
}

impl Hub {
    /// Shows an event to everybody. Never waits.
    pub(crate) fn publish(&self, event: ViewEvent) {
        let mut present = self.present();
        for queue in &present.watchers {
            queue.put(&event);
        }
        present.keep(event);
    }

    /// Shows the end, after which nothing follows.
    pub(crate) fn end(&self, cause: Cause) {
        let mut present = self.present();
        present.ended = true;
        present.tail = VecDeque::new();
        for queue in std::mem::take(&mut present.watchers) {
            queue.put(&ViewEvent::End { cause });
        }
    }

    /// Lets somebody watch. The picture and the queue join without a gap.
    pub(crate) fn join(self: &Arc<Self>) -> Result<(Vec<ViewEvent>, Seat), CannotWatch> {
        let mut present = self.present();
        if present.ended {
            return Err(CannotWatch::Ended);
        }
        if present.watchers.len() >= limits::WATCHERS {
            return Err(CannotWatch::Crowded);
        }
        let queue = Arc::new(Queue::default());
        present.watchers.push(Arc::clone(&queue));
        Ok((present.picture(), Seat { hub: Arc::clone(self), queue, picture: VecDeque::new() }))
    }

    /// The picture for a watcher that fell behind; its queue begins anew at the same moment.
    fn rejoin(&self, queue: &Queue) -> Vec<ViewEvent> {
        let present = self.present();
        queue.empty();
        present.picture()
    }

    fn leave(&self, queue: &Arc<Queue>) {
        self.present().watchers.retain(|other| !Arc::ptr_eq(other, queue));
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        // A panic elsewhere leaves at worst a picture that lacks an event; the recording itself is kept elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    fn keep(&mut self, event: ViewEvent) {
        self.tail_bytes += event.cost();
        self.tail.push_back(event);
        while self.tail_bytes > TAIL_BYTES {
            let Some(event) = self.tail.pop_front() else { break };
            self.tail_bytes -= event.cost();
            self.forget(event);
        }
    }

    fn forget(&mut self, event: ViewEvent) {
        match event {
            ViewEvent::Open { ch, at_ms, function, text, size } => {
                self.base.insert(ch, Base { at_ms, function, text, size, cut: false });
            }
            ViewEvent::Resize { ch, cols, rows, .. } => {
                if let Some(base) = self.base.get_mut(&ch) {
                    base.size = Some((cols, rows));
                }
            }
            ViewEvent::Output { ch, .. } => {
                if let Some(base) = self.base.get_mut(&ch) {
                    base.cut = true;
                }
            }
            ViewEvent::Close { ch, .. } => {
                self.base.remove(&ch);
            }
            _ => {}
        }
    }

    fn picture(&self) -> Vec<ViewEvent> {
        let opened = self.base.iter().map(|(ch, base)| ViewEvent::Open {
            ch: *ch,
            at_ms: base.at_ms,
            function: base.function,
            text: base.text.clone(),
            size: base.size,
        });
        let mut cut: Vec<u32> = self.base.iter().filter(|(_, base)| base.cut).map(|(ch, _)| *ch).collect();
        let mut events: Vec<ViewEvent> = opened.collect();
        for event in &self.tail {
            let event = match event {
                ViewEvent::Output { ch, at_ms, bytes } if cut.contains(ch) => {
                    cut.retain(|other| other != ch);
                    // The tail may begin inside a character or an escape sequence; a line's beginning is safe.
                    let from = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    ViewEvent::Output { ch: *ch, at_ms: *at_ms, bytes: bytes.slice(from..) }
                }
                other => other.clone(),
            };
            events.push(event);
        }
        events
    }
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<ViewEvent>,
    bytes: usize,
    lagged: bool,
    closed: bool,
}

enum Next {
    Event(ViewEvent),
    Lagged,
    Closed,
    Nothing,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, event: &ViewEvent) {
        let mut waiting = self.waiting();
        let last = matches!(event, ViewEvent::End { .. });
        waiting.closed |= last;
        if last || !waiting.lagged {
            waiting.bytes += event.cost();
            waiting.events.push_back(event.clone());
        }
        if waiting.bytes > QUEUE_BYTES && !last {
            *waiting = Waiting { lagged: true, ..Waiting::default() };
        }
        drop(waiting);
        self.ready.notify_one();
    }

    fn empty(&self) {
        let mut waiting = self.waiting();
        // The end may have come meanwhile and must still be seen.
        if !waiting.closed {
            *waiting = Waiting::default();
        }
    }

    fn take(&self) -> Next {
        let mut waiting = self.waiting();
        // After the end there is no picture to begin again from; the end itself is what matters.
        if waiting.lagged && !waiting.closed {
            return Next::Lagged;
        }
        match waiting.events.pop_front() {
            Some(event) => {
                waiting.bytes -= event.cost();
                Next::Event(event)
            }
            None if waiting.closed => Next::Closed,
            None => Next::Nothing,
        }
    }
}

/// A watcher's place at a session.
pub(crate) struct Seat {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    picture: VecDeque<ViewEvent>,
}

impl Seat {
    /// The next event, or `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<ViewEvent> {
        loop {
            if let Some(event) = self.picture.pop_front() {
                return Some(event);
            }
            match self.queue.take() {
                Next::Event(event) => return Some(event),
                Next::Lagged => {
                    self.picture = self.hub.rejoin(&self.queue).into();
                    return Some(ViewEvent::Restart);
                }
                Next::Closed => return None,
                // A wake-up between `take` and here is kept by the notifier.
                Next::Nothing => self.queue.ready.notified().await,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(&self.queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(ch: u32, at_ms: u64, text: &str) -> ViewEvent {
        ViewEvent::Output { ch, at_ms, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn shell(ch: u32) -> ViewEvent {
        ViewEvent::Open { ch, at_ms: 0, function: Function::Shell, text: String::new(), size: Some((80, 24)) }
    }

    #[tokio::test]
    async fn a_newcomer_sees_what_was_and_then_what_comes() {
        let hub = Arc::new(Hub::default());
        hub.publish(shell(1));
        hub.publish(output(1, 5, "before"));
        let (picture, mut seat) = hub.join().unwrap();
        hub.publish(output(1, 9, "after"));
        hub.end(Cause::Closed);
        assert_eq!(picture, vec![shell(1), output(1, 5, "before")]);
        assert_eq!(seat.next().await, Some(output(1, 9, "after")));
        assert_eq!(seat.next().await, Some(ViewEvent::End { cause: Cause::Closed }));
        assert_eq!(seat.next().await, None);
        assert_eq!(hub.join().err(), Some(CannotWatch::Ended));
    }

    #[tokio::test]
    async fn a_watcher_that_falls_behind_begins_again_and_memory_stays_bounded() {
        let hub = Arc::new(Hub::default());
        hub.publish(shell(1));
        let (_, mut seat) = hub.join().unwrap();
        let line = "x".repeat(1023) + "\n";
        for at in 0..5000 {
            hub.publish(output(1, at, &line));
        }
        hub.publish(ViewEvent::Resize { ch: 1, at_ms: 6000, cols: 132, rows: 50 });
        assert!(seat.queue.waiting().bytes <= QUEUE_BYTES);
        assert_eq!(seat.next().await, Some(ViewEvent::Restart));
        assert_eq!(seat.next().await, Some(shell(1)));
        let mut last = None;
        while let Some(event) = seat.picture.pop_front() {
            last = Some(event);
        }
        assert_eq!(last, Some(ViewEvent::Resize { ch: 1, at_ms: 6000, cols: 132, rows: 50 }));
        hub.publish(output(1, 7000, "on"));
        assert_eq!(seat.next().await, Some(output(1, 7000, "on")));
        assert!(hub.present().tail_bytes <= TAIL_BYTES);
    }

    #[tokio::test]
    async fn the_room_is_limited_and_a_place_is_given_back() {
        let hub = Arc::new(Hub::default());
        let mut seats: Vec<Seat> = (0..limits::WATCHERS).map(|_| hub.join().unwrap().1).collect();
        assert_eq!(hub.join().err(), Some(CannotWatch::Crowded));
        seats.pop();
        assert!(hub.join().is_ok());
    }
}
