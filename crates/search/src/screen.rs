//! What a person read on the screen, as lines with the moment at which each stood there.
//!
//! An ordinary terminal is followed line by line, in [`crate::line`]. A program that takes the whole screen (an editor,
//! a pager) is drawn by the terminal model of the protocol crate, and its rows are taken whenever the picture stood
//! still.

use crate::limits::{CHANNELS, ROWS_REMEMBERED};
use crate::line::{Line, Met};
use sekisho_protocol::terminal::Watcher;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};

/// A picture that stood still this long was read.
const STILL_MS: u64 = 100;
/// A picture that never stands still is taken this often.
const MOVING_MS: u64 = 500;
/// Lines of one page, its bytes and its duration: small enough that a hit is near its words, large enough that a
/// phrase over the end of a line is found.
const PAGE_LINES: usize = 8;
const PAGE_BYTES: usize = 2_000;
const PAGE_MS: u64 = 30_000;
/// What makes the terminal model take the whole screen.
const WHOLE_SCREEN: &[u8] = b"\x1b[?1049h";

/// A few lines of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The channel.
    pub channel: u32,
    /// When each line stood on the screen, in milliseconds from the start of the recording.
    pub moments: Vec<u64>,
    /// The lines.
    pub text: String,
}

/// The screens of one session. Text of a target is hostile: whatever it holds, the lines have no control characters.
#[derive(Default)]
pub struct Screens {
    open: Vec<Screen>,
    pages: Vec<Page>,
    cells: usize,
}

impl Screens {
    /// The window of a channel has this size from here on.
    pub fn size(&mut self, channel: u32, columns: u32, rows: u32) {
        let mut screen = self.leave(channel, false);
        screen.columns = columns;
        screen.rows = rows;
        screen.line.columns(columns);
        if let Some(full) = &mut screen.full {
            full.resize(columns, rows);
        }
        self.open.push(screen);
    }

    /// The target wrote. `error` tells the two streams of a command without a terminal apart.
    pub fn output(&mut self, channel: u32, error: bool, at_ms: u64, bytes: &[u8]) {
        let mut screen = self.leave(channel, error);
        screen.output(at_ms, bytes);
        self.gather(&mut screen);
        if self.open.len() >= CHANNELS {
            let mut oldest = self.open.remove(0);
            oldest.end();
            self.gather(&mut oldest);
        }
        self.open.push(screen);
    }

    /// A channel closed.
    pub fn close(&mut self, channel: u32) {
        for error in [false, true] {
            let mut screen = self.leave(channel, error);
            screen.end();
            self.gather(&mut screen);
        }
    }

    /// The recording ends here.
    pub fn end(&mut self) {
        for mut screen in std::mem::take(&mut self.open) {
            screen.end();
            self.gather(&mut screen);
        }
    }

    /// The pages so far.
    pub fn take(&mut self) -> Vec<Page> {
        std::mem::take(&mut self.pages)
    }

    /// Cells of whole screens that were made or read since this was asked last. Sixteen bytes of a target can ask for a
    /// hundred thousand of them, so whoever bounds the work counts them beside the bytes.
    pub fn take_cells(&mut self) -> usize {
        std::mem::take(&mut self.cells)
    }

    /// Takes a screen out of the open ones, or makes it.
    fn leave(&mut self, channel: u32, error: bool) -> Screen {
        let known = self.open.iter().position(|screen| (screen.channel, screen.error) == (channel, error));
        known.map_or_else(|| Screen { channel, error, ..Screen::default() }, |at| self.open.remove(at))
    }

    fn gather(&mut self, screen: &mut Screen) {
        let channel = screen.channel;
        self.cells = self.cells.saturating_add(std::mem::take(&mut screen.cells));
        for (at_ms, line) in std::mem::take(&mut screen.lines) {
            let fits = |page: &&mut Page| {
                let near = page.moments.first().is_some_and(|first| at_ms.saturating_sub(*first) <= PAGE_MS);
                page.channel == channel && page.moments.len() < PAGE_LINES && page.text.len() + line.len() < PAGE_BYTES && near
            };
            match self.pages.last_mut().filter(fits) {
                Some(page) => {
                    page.text.push('\n');
                    page.text.push_str(&line);
                    page.moments.push(at_ms);
                }
                None => self.pages.push(Page { channel, moments: vec![at_ms], text: line }),
            }
        }
    }
}

#[derive(Default)]
struct Screen {
    channel: u32,
    error: bool,
    columns: u32,
    rows: u32,
    line: Line,
    /// The terminal model, while a program has the whole screen.
    full: Option<Watcher>,
    /// The picture changed since it was taken; when it changed, and when it was taken.
    changed: bool,
    drawn: u64,
    taken: u64,
    /// Rows that were taken already, and their order.
    seen: HashSet<u64>,
    order: VecDeque<u64>,
    lines: Vec<(u64, String)>,
    /// Cells that were made or read.
    cells: usize,
}

impl Screen {
    fn output(&mut self, at_ms: u64, bytes: &[u8]) {
        if at_ms.saturating_sub(self.drawn) >= STILL_MS || at_ms.saturating_sub(self.taken) >= MOVING_MS {
            self.picture();
        }
        // Up to here the model has been fed, and here the latest escape sequence began.
        let (mut fed, mut escape) = (0, 0);
        for (at, byte) in bytes.iter().copied().enumerate() {
            if byte == 0x1b {
                escape = at;
            }
            match self.line.byte(at_ms, byte, self.full.is_some(), &mut self.lines) {
                Met::WholeScreen if self.full.is_none() => {
                    let mut full = Watcher::new(self.columns, self.rows);
                    full.output(WHOLE_SCREEN);
                    self.cells = self.cells.saturating_add(cells(&full));
                    self.full = Some(full);
                    fed = at + 1;
                }
                // What stood there last is taken before the sequence wipes it.
                Met::OrdinaryScreen => {
                    self.draw(at_ms, bytes.get(fed..escape).unwrap_or_default());
                    self.picture();
                    self.full = None;
                }
                _ => {}
            }
        }
        self.draw(at_ms, bytes.get(fed..).unwrap_or_default());
    }

    fn draw(&mut self, at_ms: u64, bytes: &[u8]) {
        if let Some(full) = &mut self.full
            && !bytes.is_empty()
        {
            full.output(bytes);
            self.changed = true;
            self.drawn = at_ms;
        }
    }

    /// Takes the rows that were not taken before.
    fn picture(&mut self) {
        self.taken = self.drawn;
        let Some(full) = self.full.as_ref().filter(|_| std::mem::take(&mut self.changed)) else { return };
        self.cells = self.cells.saturating_add(cells(full));
        let text = full.screen_text();
        for row in text.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let mut hasher = DefaultHasher::new();
            row.hash(&mut hasher);
            let hash = hasher.finish();
            if !self.seen.insert(hash) {
                continue;
            }
            self.order.push_back(hash);
            if self.order.len() > ROWS_REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
            let shown: String = row.chars().filter(|char| !char.is_control()).collect();
            self.lines.push((self.drawn, shown));
        }
    }

    fn end(&mut self) {
        self.picture();
        self.full = None;
        self.line.end(&mut self.lines);
    }
}

fn cells(screen: &Watcher) -> usize {
    let (columns, rows) = screen.size();
    usize::from(columns) * usize::from(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_has_drawn_by_a_few_bytes_is_counted() {
        let mut screens = Screens::default();
        screens.size(1, 500, 300);
        screens.output(1, false, 1, &b"\x1b[?1049hx\x1b[?1049l".repeat(10));
        assert_eq!(screens.take_cells(), 2 * 10 * 500 * 300, "made and read, each time");
        screens.output(1, false, 2, b"ordinary\n");
        assert_eq!(screens.take_cells(), 0);
    }

    fn lines(parts: &[(u64, &str)]) -> Vec<(u64, String)> {
        let mut screens = Screens::default();
        screens.size(1, 20, 6);
        for (at, part) in parts {
            screens.output(1, false, *at, part.as_bytes());
        }
        screens.end();
        screens.take().into_iter().flat_map(|page| page.moments.into_iter().zip(page.text.split('\n').map(str::to_owned).collect::<Vec<_>>())).collect()
    }

    fn texts(parts: &[(u64, &str)]) -> Vec<String> {
        lines(parts).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn what_an_editor_draws_in_pieces_is_read_whole() {
        let shown = lines(&[
            (10, "$ vi\r\n\x1b[?1049h\x1b[2J\x1b[1;1Hs"),
            (30, "\x1b[6;10H1,2\x1b[1;2He"),
            (60, "\x1b[6;10H1,3\x1b[1;3Hcret_table"),
            (400, "\x1b[2;1Hbye"),
            (900, "\x1b[?10"),
            (950, "49l$ exit\r\n"),
        ]);
        let texts: Vec<&str> = shown.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(texts, ["$ vi", "secret_table", "1,3", "bye", "$ exit"]);
        assert_eq!(shown.iter().find(|(_, line)| line == "secret_table").map(|(at, _)| *at), Some(60));
    }

    #[test]
    fn the_last_picture_before_the_ordinary_screen_comes_back_is_read() {
        assert_eq!(texts(&[(0, "\x1b[?1049h\x1b[Hquick\x1b[?1049lafter")]), ["quick", "after"]);
    }

    #[test]
    fn a_picture_that_is_drawn_again_is_read_once() {
        let mut parts = vec![(0, "\x1b[?1049h")];
        for at in 1..50 {
            parts.push((at * 1000, "\x1b[2J\x1b[Hload average\x1b[2;1Hsame"));
        }
        assert_eq!(texts(&parts), ["load average", "same"]);
    }

    #[test]
    fn channels_and_streams_do_not_mix() {
        let mut screens = Screens::default();
        screens.output(1, false, 1, b"one ");
        screens.output(2, false, 2, b"two\n");
        screens.output(1, true, 3, b"fault\n");
        screens.output(1, false, 4, b"more\n");
        screens.close(1);
        screens.end();
        let pages: Vec<(u32, String)> = screens.take().into_iter().map(|page| (page.channel, page.text)).collect();
        assert_eq!(pages, [(2, "two".into()), (1, "fault\none more".into())]);
    }

    #[test]
    fn hostile_bytes_break_nothing() {
        let mut screens = Screens::default();
        let mut seed = 1_u32;
        for at in 0..20_000_u64 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = if seed & 0x300 == 0 { 0x1b } else { (seed >> 16) as u8 };
            screens.output(seed >> 29, false, at, &[byte, b'[', byte]);
            screens.size(seed >> 29, seed & 0xff, seed >> 24);
        }
        screens.output(1, false, 30_000, "\x1b]0;never ended".repeat(1000).as_bytes());
        screens.end();
        assert!(screens.take().iter().all(|page| page.text.split('\n').all(|line| !line.chars().any(char::is_control))));
    }
}
