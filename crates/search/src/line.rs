//! One line of an ordinary terminal, as it stood when the next began.

use crate::limits::LINE_CHARS;

/// Stands behind a character of two columns.
const FILLER: char = '\0';
/// Numbers of one control sequence that are kept.
const NUMBERS: usize = 8;

/// What a byte brought besides text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Nothing.
    Nothing,
    /// A program takes the whole screen.
    WholeScreen,
    /// It gives it back.
    OrdinaryScreen,
}

/// Where in an escape sequence the stream stands.
#[derive(Default)]
enum State {
    #[default]
    Text,
    /// After ESC, perhaps with intermediates.
    Escape,
    /// After ESC [.
    Control { private: bool, numbers: Vec<u32> },
    /// Inside a string (OSC, DCS, …), which no screen shows.
    Hidden,
}

/// The line being written.
#[derive(Default)]
pub(crate) struct Line {
    state: State,
    /// Bytes of a character that is not whole yet.
    partial: Vec<u8>,
    cells: Vec<char>,
    /// Where the row of the cursor begins: a long line goes on in the next row.
    row: usize,
    /// Where the cursor stands, counted from the beginning of the line.
    cursor: usize,
    /// Columns of the window; 0 if there is none.
    columns: usize,
    /// When the latest character was printed.
    printed: u64,
}

impl Line {
    /// The window has this many columns.
    pub(crate) fn columns(&mut self, columns: u32) {
        self.columns = columns as usize;
    }

    /// Takes a byte. While a program has the whole screen (`hidden`), nothing is printed here.
    pub(crate) fn byte(&mut self, at_ms: u64, byte: u8, hidden: bool, lines: &mut Vec<(u64, String)>) -> Met {
        match (&mut self.state, byte) {
            (_, 0x1b) => self.state = State::Escape,
            (State::Text, _) if hidden => {}
            (State::Text, _) => self.text(at_ms, byte, lines),
            (_, 0x18 | 0x1a) => self.state = State::Text,
            (State::Hidden, 0x07) => self.state = State::Text,
            (State::Hidden, _) => {}
            (State::Escape, b'[') => self.state = State::Control { private: false, numbers: vec![0] },
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.state = State::Hidden,
            (State::Escape, 0x20..=0x2f) => {}
            (State::Escape, _) => {
                self.state = State::Text;
                // Index, next line, reverse index and reset leave the line.
                if matches!(byte, b'D' | b'E' | b'M' | b'c') && !hidden {
                    self.flush(lines);
                }
            }
            (State::Control { numbers, .. }, b'0'..=b'9') => {
                if let Some(number) = numbers.last_mut() {
                    *number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0')).min(9_999);
                }
            }
            (State::Control { numbers, .. }, b';' | b':') => {
                if numbers.len() < NUMBERS {
                    numbers.push(0);
                }
            }
            (State::Control { private, .. }, b'?') => *private = true,
            (State::Control { .. }, 0x20..=0x3f) => {}
            (State::Control { private, numbers }, _) => {
                let (private, numbers) = (*private, std::mem::take(numbers));
                self.state = State::Text;
                return self.control(byte, private, &numbers, hidden, lines);
            }
        }
        Met::Nothing
    }

    fn text(&mut self, at_ms: u64, byte: u8, lines: &mut Vec<(u64, String)>) {
        if byte >= 0x80 {
            return self.part(at_ms, byte, lines);
        }
        if !self.partial.is_empty() {
            self.partial.clear();
            self.print(at_ms, char::REPLACEMENT_CHARACTER, lines);
        }
        match byte {
            b'\n' | 0x0b | 0x0c => self.flush(lines),
            b'\r' => self.cursor = self.row,
            0x08 => self.cursor = self.cursor.saturating_sub(1).max(self.row),
            b'\t' => self.cursor = (self.cursor - self.row) / 8 * 8 + 8 + self.row,
            0x20..=0x7e => self.print(at_ms, char::from(byte), lines),
            _ => {}
        }
    }

    /// A byte of a character of several.
    fn part(&mut self, at_ms: u64, byte: u8, lines: &mut Vec<(u64, String)>) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let char = text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                self.partial.clear();
                self.print(at_ms, char, lines);
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                // The latest byte may begin the next character.
                let again = self.partial.len() > 1;
                self.partial.clear();
                self.print(at_ms, char::REPLACEMENT_CHARACTER, lines);
                if again {
                    self.part(at_ms, byte, lines);
                }
            }
        }
    }

    fn print(&mut self, at_ms: u64, char: char, lines: &mut Vec<(u64, String)>) {
        if char.is_control() {
            return;
        }
        if self.cells.len() >= LINE_CHARS || self.cursor >= LINE_CHARS {
            self.flush(lines);
        }
        let width = if is_wide(char) { 2 } else { 1 };
        // The terminal wraps when the next character has no room.
        if self.columns > 0 && self.cursor + width > self.row + self.columns {
            self.row = self.cursor;
        }
        for cell in [char, FILLER].into_iter().take(width) {
            if self.cells.len() <= self.cursor {
                self.cells.resize(self.cursor + 1, ' ');
            }
            if let Some(place) = self.cells.get_mut(self.cursor) {
                *place = cell;
            }
            self.cursor += 1;
        }
        self.printed = at_ms;
    }

    fn control(&mut self, last: u8, private: bool, numbers: &[u32], hidden: bool, lines: &mut Vec<(u64, String)>) -> Met {
        if private && matches!(last, b'h' | b'l') && numbers.iter().any(|number| matches!(number, 47 | 1047 | 1049)) {
            self.flush(lines);
            return if last == b'h' { Met::WholeScreen } else { Met::OrdinaryScreen };
        }
        if hidden || private {
            return Met::Nothing;
        }
        let first = numbers.first().copied().unwrap_or_default();
        let count = (first as usize).clamp(1, LINE_CHARS);
        let end = self.cells.len();
        match last {
            b'C' | b'a' => self.cursor = (self.cursor + count).min(self.row + self.columns.max(LINE_CHARS)),
            b'D' => self.cursor = self.cursor.saturating_sub(count).max(self.row),
            b'G' | b'`' => self.cursor = self.row + count - 1,
            b'K' | b'J' if first == 0 => self.cells.truncate(self.cursor),
            b'K' if first == 1 => self.blank(self.row..self.cursor.saturating_add(1)),
            b'K' => self.blank(self.row..end),
            b'X' => self.blank(self.cursor..self.cursor.saturating_add(count)),
            b'P' => drop(self.cells.drain(self.cursor.min(end)..self.cursor.saturating_add(count).min(end))),
            b'@' if self.cursor < end => {
                let blanks = std::iter::repeat_n(' ', count.min(LINE_CHARS.saturating_sub(end)));
                drop(self.cells.splice(self.cursor..self.cursor, blanks));
            }
            // The cursor goes to another row, or the screen is wiped or moves: the line is left as it stands.
            b'A' | b'B' | b'E' | b'F' | b'J' | b'S' | b'T' | b'L' | b'M' | b'd' => self.flush(lines),
            b'H' | b'f' => {
                self.flush(lines);
                self.cursor = (numbers.get(1).copied().unwrap_or_default() as usize).clamp(1, LINE_CHARS) - 1;
            }
            _ => {}
        }
        Met::Nothing
    }

    fn blank(&mut self, range: std::ops::Range<usize>) {
        for cell in self.cells.iter_mut().take(range.end).skip(range.start) {
            *cell = ' ';
        }
    }

    /// The line is over.
    fn flush(&mut self, lines: &mut Vec<(u64, String)>) {
        let line: String = self.cells.drain(..).filter(|cell| *cell != FILLER).collect();
        self.row = 0;
        self.cursor = 0;
        let line = line.trim();
        let broken = line.chars().filter(|char| *char == char::REPLACEMENT_CHARACTER).count();
        // A line that is mostly no text is a file that was sent to the screen.
        if !line.is_empty() && broken * 3 <= line.chars().count() {
            lines.push((self.printed, line.to_owned()));
        }
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self, lines: &mut Vec<(u64, String)>) {
        self.flush(lines);
    }
}

/// Characters of two columns (Unicode East Asian Width W and F, in the ranges that terminals agree on).
fn is_wide(char: char) -> bool {
    matches!(u32::from(char),
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
        | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(columns: u32, text: &[u8]) -> Vec<String> {
        let (mut line, mut lines) = (Line::default(), Vec::new());
        line.columns(columns);
        for byte in text {
            line.byte(0, *byte, false, &mut lines);
        }
        line.end(&mut lines);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn corrections_colours_and_bars_leave_what_was_read() {
        let cases: [(&str, &[&str]); 9] = [
            ("\x1b[1;31mdrop\x1b[0m table\r\nok\r\n", &["drop table", "ok"]),
            ("$ lz\x08s -l\r\n", &["$ ls -l"]),
            ("$ rm x\x08 \x08y\r\n", &["$ rm y"]),
            ("10%\r50%\r100% done\n", &["100% done"]),
            ("\x1b]0;title of a window\x07text\n", &["text"]),
            ("\x1b]0;title\x1b\\text\n", &["text"]),
            ("abc\x1b[2D\x1b[Kx\n", &["ax"]),
            ("abcd\x1b[3D\x1b[P\x1b[@-\n", &["a-cd"]),
            ("one\x1b[5;1Htwo\x1b[2J\x1b[H three", &["one", "two", "three"]),
        ];
        for (written, shown) in cases {
            assert_eq!(read(80, written.as_bytes()), shown, "{written:?}");
        }
    }

    #[test]
    fn japanese_is_two_columns_wide_and_comes_in_any_pieces() {
        // Going back over one character takes two columns.
        assert_eq!(read(80, "電源\x08\x08流\n".as_bytes()), ["電流"]);
        assert_eq!(read(80, b"\xe9\x9b\xbb\xe6\xba off, \xffon\n"), ["電\u{fffd} off, \u{fffd}on"]);
        assert_eq!(read(80, "停止した\u{1b}[0m。\n".as_bytes()), ["停止した。"]);
    }

    #[test]
    fn a_line_that_the_terminal_wraps_is_one_line() {
        assert_eq!(read(10, b"/var/lib/pgsql/data/base\n"), ["/var/lib/pgsql/data/base"]);
        // As a shell redraws the row that it wrapped into.
        assert_eq!(read(10, b"0123456789ab\rAB\n"), ["0123456789AB"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_binary_is_left_out() {
        let lines = read(0, &b"x".repeat(LINE_CHARS * 3));
        assert_eq!(lines.len(), 3);
        assert_eq!(read(80, &[0xff, 0xfe, b'a', 0x90, b'\n']), [""; 0]);
    }
}
