//! A worker's terminal, as the target draws it: the screen for those who watch, and the command lines for the log.
//!
//! A command is what the target *showed* between the prompt's end and the line's end when Enter was pressed. So
//! history, completion and line editing come out as the shell understood them, and what is typed without echo (a
//! password) cannot appear, because it never stood on the screen. It is a help for readers, not a proof: a
//! program may draw what it likes. The recording holds every byte.

mod keys;
mod line;
mod screen;

use keys::{Key, Keys};
pub use line::Present;
use line::{Entered, Line, Shown};
use screen::Screen;
use std::collections::VecDeque;

use crate::limits;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line was entered, as it stood on the screen.
    Command {
        /// The line without its prompt.
        line: String,
    },
    /// A full-screen program took the screen (the alternate screen) or gave it back. What is typed into it is no
    /// command line.
    FullScreen {
        /// Whether it began.
        entered: bool,
    },
}

/// Follows one terminal.
pub struct Watcher {
    screen: Screen,
    keys: Keys,
    /// The line that is being typed; none before its first key.
    current: Option<Line>,
    /// Lines that were entered and whose end has not come back.
    entered: VecDeque<Entered>,
    entered_chars: usize,
    /// The prompt of the last command, for lines that were typed before their prompt stood there.
    prompt: String,
    full_screen: bool,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What was typed may be a password: it is in no debug output.
        f.debug_struct("Watcher").field("full_screen", &self.full_screen).finish_non_exhaustive()
    }
}

impl Watcher {
    /// A terminal of the size that the worker asked for, brought within the limits.
    #[must_use]
    pub fn new(columns: u32, rows: u32) -> Self {
        Self {
            screen: Screen::new(columns, rows),
            keys: Keys::default(),
            current: None,
            entered: VecDeque::new(),
            entered_chars: 0,
            prompt: String::new(),
            full_screen: false,
        }
    }

    /// The worker's window changed.
    pub fn resize(&mut self, columns: u32, rows: u32) {
        self.screen.resize(columns, rows);
    }

    /// The size in use: columns, rows.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.screen.size()
    }

    /// Keys that go from the worker to the target; call it before they are sent on, so that the screen is the
    /// one that the worker saw when the key was pressed.
    pub fn input(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Some(key) = self.keys.next(*byte, self.screen.takes_pastes()) else { continue };
            if self.full_screen {
                continue;
            }
            match key {
                Key::Enter => self.enter(),
                // Interrupt, suspend, quit: the line is given up, and what was entered before may be, too.
                Key::Abandon => self.current = None,
                Key::Character(c) => self.line().character(c),
                Key::Backspace => self.line().backspace(),
                Key::Edit => self.line().edit(),
                Key::PastedEnter => self.line().pasted_rows(),
            }
        }
    }

    /// The same, but only up to the first key that enters a line, which is left out. Gives how many bytes were taken: all
    /// of them if no line is entered, as in a full-screen program.
    pub fn input_up_to_enter(&mut self, bytes: &[u8]) -> usize {
        if self.full_screen {
            self.input(bytes);
            return bytes.len();
        }
        for (at, byte) in bytes.iter().enumerate() {
            if self.keys.would_enter(*byte, self.screen.takes_pastes()) {
                return at;
            }
            self.input(std::slice::from_ref(byte));
        }
        bytes.len()
    }

    /// The line that Enter would enter at this moment.
    #[must_use]
    pub fn present(&self) -> Present {
        match &self.current {
            Some(line) => line.present(&self.screen, &self.prompt),
            None => line::unasked(&self.screen, &self.prompt),
        }
    }

    /// True if lines were entered that the target has not left yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.entered.is_empty()
    }

    /// The line was taken back instead of entered.
    pub fn take_back(&mut self) {
        self.current = None;
    }

    fn line(&mut self) -> &mut Line {
        let screen = &self.screen;
        // Behind a line that has not come back, the prompt of this one does not stand there yet.
        let early = !self.entered.is_empty();
        self.current.get_or_insert_with(|| Line::at(screen, early))
    }

    fn enter(&mut self) {
        self.line();
        let Some(line) = self.current.take() else { return };
        let Some(entered) = line.enter(&self.screen) else { return };
        self.entered_chars += entered.chars();
        self.entered.push_back(entered);
        while self.entered.len() > limits::WAITING_LINES || self.entered_chars > limits::WAITING_CHARS {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(gone) = self.entered.pop_front() {
            self.entered_chars = self.entered_chars.saturating_sub(gone.chars());
        }
    }

    /// Bytes that the target drew. Gives what was entered, once the target moved on from the line.
    pub fn output(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut seen = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            // Cut before each line feed, because it may push the line off the screen, and before each escape,
            // because it may change to the other screen.
            let next = rest.iter().skip(1).position(|byte| matches!(byte, b'\n' | 0x1b)).map_or(rest.len(), |at| at + 1);
            let (part, after) = rest.split_at(next);
            rest = after;
            if part.first() == Some(&b'\n') && !self.full_screen {
                seen.extend(self.line_fed());
            }
            let scrolled = self.screen.draw(part);
            if scrolled > 0 {
                if let Some(line) = &mut self.current {
                    line.scrolled(scrolled);
                }
                for entered in &mut self.entered {
                    entered.scrolled(scrolled);
                }
            }
            let full_screen = self.screen.is_alternate();
            if full_screen != self.full_screen {
                self.full_screen = full_screen;
                self.current = None;
                self.entered.clear();
                self.entered_chars = 0;
                seen.push(Typed::FullScreen { entered: full_screen });
            }
        }
        seen
    }

    /// The target is about to leave the line that the cursor is in.
    fn line_fed(&mut self) -> Option<Typed> {
        let shown = self.entered.front()?.shown(&self.screen, &self.prompt);
        if let Shown::Command { line, prompt } = shown {
            self.drop_first();
            return self.command(line, prompt);
        }
        // A later line may have come back first: a paste whose beginning was not echoed.
        let later = (1..self.entered.len().min(LOOK_AHEAD)).find_map(|at| match self.entered.get(at)?.shown(&self.screen, &self.prompt) {
            Shown::Command { line, prompt } => Some((at, line, prompt)),
            Shown::Nothing | Shown::NotYet => None,
        });
        if let Some((at, line, prompt)) = later {
            for _ in 0..=at {
                self.drop_first();
            }
            return self.command(line, prompt);
        }
        if shown == Shown::Nothing || self.entered.front_mut().is_some_and(Entered::grow_old) {
            self.drop_first();
        }
        None
    }

    fn command(&mut self, line: String, prompt: String) -> Option<Typed> {
        if !prompt.trim().is_empty() {
            self.prompt = prompt;
        }
        (!line.is_empty()).then_some(Typed::Command { line })
    }

    /// Whether a full-screen program has the screen.
    #[must_use]
    pub fn is_full_screen(&self) -> bool {
        self.full_screen
    }

    /// The screen as text, one line for each row.
    #[must_use]
    pub fn screen_text(&self) -> String {
        self.screen.text()
    }

    /// Bytes that draw the present screen on an empty terminal of the same size.
    #[must_use]
    pub fn screen_restore(&self) -> Vec<u8> {
        self.screen.restore()
    }
}

/// How many entered lines a line of output is compared with.
const LOOK_AHEAD: usize = 8;

#[cfg(test)]
mod tests;
