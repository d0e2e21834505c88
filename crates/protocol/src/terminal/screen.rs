//! The screen that the target draws, behind a wall that no escape sequence gets over.

use crate::limits;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A place on the screen: row and column from zero.
pub(super) type Place = (u16, u16);

#[derive(Default)]
struct Scrolled {
    rows: u32,
}

impl vt100::Callbacks for Scrolled {
    fn on_scroll(&mut self, _: vt100::capture::RowContents<'_>, alternate_screen: bool) {
        if !alternate_screen {
            self.rows = self.rows.saturating_add(1);
        }
    }
}

/// Least, usual and most columns.
const COLUMNS: [u16; 3] = [limits::TERMINAL_COLUMNS_LEAST, 80, limits::TERMINAL_COLUMNS];
/// Least, usual and most rows.
const ROWS: [u16; 3] = [limits::TERMINAL_ROWS_LEAST, 24, limits::TERMINAL_ROWS];

/// The emulator without any history, always within the limits.
pub(super) struct Screen {
    parser: vt100::Parser<Scrolled>,
    columns: NonZeroU16,
    rows: NonZeroU16,
    #[cfg(test)]
    broken: u32,
}

/// A side that is zero is not told (RFC 4254 section 6.2), as by a script without a terminal. One that is tiny would
/// show a watcher nothing while the target works as ever, so there is a least size.
fn bounded(asked: u32, [least, usual, most]: [u16; 3]) -> NonZeroU16 {
    let within = if asked == 0 { usual } else { u16::try_from(asked).unwrap_or(u16::MAX).clamp(least, most) };
    NonZeroU16::new(within).unwrap_or(NonZeroU16::MIN)
}

impl Screen {
    pub(super) fn new(columns: u32, rows: u32) -> Self {
        let columns = bounded(columns, COLUMNS);
        let rows = bounded(rows, ROWS);
        Self {
            parser: Self::parser(columns, rows),
            columns,
            rows,
            #[cfg(test)]
            broken: 0,
        }
    }

    fn parser(columns: NonZeroU16, rows: NonZeroU16) -> vt100::Parser<Scrolled> {
        vt100::Parser::new_with_callbacks(rows, columns, 0, Scrolled::default())
    }

    /// Runs the emulator. Should hostile output ever break it, the session and its recording go on with an
    /// empty screen: the emulator only helps those who watch.
    fn guarded(&mut self, run: impl FnOnce(&mut vt100::Parser<Scrolled>)) {
        let parser = &mut self.parser;
        if catch_unwind(AssertUnwindSafe(|| run(parser))).is_err() {
            self.parser = Self::parser(self.columns, self.rows);
            #[cfg(test)]
            {
                self.broken += 1;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn broken(&self) -> u32 {
        self.broken
    }

    /// Draws, and gives by how many rows the ordinary screen scrolled.
    pub(super) fn draw(&mut self, bytes: &[u8]) -> u32 {
        self.guarded(|parser| parser.process(bytes));
        std::mem::take(&mut self.parser.callbacks_mut().rows)
    }

    pub(super) fn resize(&mut self, columns: u32, rows: u32) {
        self.columns = bounded(columns, COLUMNS);
        self.rows = bounded(rows, ROWS);
        let (columns, rows) = (self.columns, self.rows);
        self.guarded(|parser| parser.set_size(rows, columns));
    }

    pub(super) fn size(&self) -> (u16, u16) {
        (self.columns.get(), self.rows.get())
    }

    pub(super) fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Whether the target has asked for marks around a paste.
    pub(super) fn takes_pastes(&self) -> bool {
        self.parser.screen().bracketed_paste()
    }

    /// The last row that holds anything, from `row` on.
    pub(super) fn last_written(&self, row: u16) -> u16 {
        let last = self.rows.get() - 1;
        (row..=last).rev().find(|at| !self.row(*at, 0, self.columns.get()).trim().is_empty()).unwrap_or(row)
    }

    pub(super) fn cursor(&self) -> Place {
        let (row, column) = self.parser.screen().cursor_position();
        (row.min(self.rows.get() - 1), column.min(self.columns.get()))
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for row in 0..self.rows.get() {
            text.push_str(self.row(row, 0, self.columns.get()).trim_end());
            text.push('\n');
        }
        text
    }

    pub(super) fn restore(&self) -> Vec<u8> {
        let screen = self.parser.screen();
        catch_unwind(AssertUnwindSafe(|| screen.state_formatted().into_bytes())).unwrap_or_default()
    }

    /// Whether a row's text goes on in the next row.
    ///
    /// The emulator says so only of rows that are full. A wide character that finds one column left moves to the
    /// next row and leaves that column empty: that is the same line, too.
    fn runs_on(&self, row: u16) -> bool {
        let screen = self.parser.screen();
        if screen.row_wrapped(row) {
            return true;
        }
        let last = self.columns.get() - 1;
        let has = |column: u16| screen.cell(row, column).is_some_and(|cell| cell.has_contents() || cell.is_wide_continuation());
        last > 0 && !has(last) && has(last - 1) && screen.cell(row + 1, 0).is_some_and(vt100::Cell::is_wide)
    }

    /// The first row of the logical line that `row` belongs to.
    pub(super) fn line_start(&self, row: u16) -> u16 {
        let mut first = row;
        while first > 0 && row - first < limits::LINE_ROWS && self.runs_on(first - 1) {
            first -= 1;
        }
        first
    }

    /// The last row of the logical line that `row` belongs to.
    pub(super) fn line_end(&self, row: u16) -> u16 {
        let mut last = row.min(self.rows.get() - 1);
        while last + 1 < self.rows.get() && last.saturating_sub(row) < limits::LINE_ROWS && self.runs_on(last) {
            last += 1;
        }
        last
    }

    /// Text from one place up to another. Rows that do not run on are joined with a line feed and lose their
    /// trailing blanks; the last keeps them, because a prompt ends in one.
    pub(super) fn between(&self, from: Place, to: Place) -> String {
        let mut text = String::new();
        let last = to.0.min(from.0.saturating_add(limits::LINE_ROWS));
        for row in from.0..=last {
            let start = if row == from.0 { from.1 } else { 0 };
            let end = if row == to.0 { to.1 } else { self.columns.get() };
            text.push_str(&self.row(row, start, end));
            if row != last && !self.runs_on(row) {
                text.truncate(text.trim_end_matches(' ').len());
                text.push('\n');
            }
        }
        text
    }

    fn row(&self, row: u16, start: u16, end: u16) -> String {
        let screen = self.parser.screen();
        let mut text = String::new();
        for column in start..end.min(self.columns.get()) {
            let Some(cell) = screen.cell(row, column) else { break };
            if cell.is_wide_continuation() {
                continue;
            }
            let contents = cell.contents();
            // A wide character that did not fit leaves an empty cell at the end of a row that runs on.
            let gap = contents.is_empty() && column + 1 == self.columns.get() && self.runs_on(row);
            if contents.is_empty() && !gap {
                text.push(' ');
            } else {
                text.push_str(contents);
            }
        }
        text
    }
}
