//! One line, from its first key to the moment when the target leaves it.

use super::screen::Screen;
use crate::limits;

/// What can be said of a line when the target leaves a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The command as it stood there, and the prompt before it.
    Command { line: String, prompt: String },
    /// Nothing was shown, and nothing will be.
    Nothing,
    /// Not this row; a later one may show it.
    NotYet,
}

/// The line that stands at the cursor, before Enter is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// None: nothing was typed and nothing stands there.
    Blank,
    /// Something was typed and nothing of it stands there: a password, or the echo is on its way.
    Unseen,
    /// This stands there.
    Shown {
        /// The line without its prompt.
        line: String,
        /// All that was typed stands there, so nothing is on its way.
        whole: bool,
    },
    /// This stands there, and it is not what was typed: a program drew it, the echo is late or off, or the shell writes more
    /// than its keys.
    Unlike(String),
    /// This stands there, and more belongs to the line: its beginning has left the screen, or it is longer than
    /// [`crate::limits::LINE_CHARS`].
    Part(String),
}

/// The place where a line begins: the prompt's end.
#[derive(Clone, Debug)]
struct Anchor {
    /// The row of the logical line's beginning; below zero when it scrolled away.
    start: i64,
    /// The prompt's end.
    row: i64,
    column: u16,
    prompt: String,
    /// What stood right of the cursor: a prompt at the right edge.
    right: String,
}

/// A line that is being typed.
#[derive(Debug)]
pub(super) struct Line {
    anchor: Option<Anchor>,
    /// What was typed, as long as only characters and backspaces were.
    plain: Option<String>,
    /// A paste of several rows is part of it.
    rows: bool,
    /// The row of the cursor when Enter was pressed; below zero when it scrolled away.
    bottom: i64,
}

impl Line {
    /// A line whose first key is pressed on this screen. `early`: before its prompt can stand there.
    pub(super) fn at(screen: &Screen, early: bool) -> Self {
        let anchor = (!early).then(|| {
            let (row, column) = screen.cursor();
            let start = screen.line_start(row);
            let (columns, _) = screen.size();
            Anchor {
                start: i64::from(start),
                row: i64::from(row),
                column,
                prompt: screen.between((start, 0), (row, column)),
                right: screen.between((row, column), (row, columns)).trim().to_owned(),
            }
        });
        Self { anchor, plain: Some(String::new()), rows: false, bottom: 0 }
    }

    pub(super) fn character(&mut self, c: char) {
        if let Some(plain) = &mut self.plain {
            plain.push(c);
            if plain.chars().count() > limits::LINE_CHARS {
                self.plain = None;
            }
        }
    }

    pub(super) fn backspace(&mut self) {
        if let Some(plain) = &mut self.plain {
            plain.pop();
        }
    }

    pub(super) fn edit(&mut self) {
        self.plain = None;
    }

    pub(super) fn pasted_rows(&mut self) {
        self.rows = true;
        self.edit();
    }

    /// What stands there at this moment.
    pub(super) fn present(&self, screen: &Screen, last_prompt: &str) -> Present {
        let (text, partly) = self.standing(screen, last_prompt);
        let text = text.trim_end();
        let right = self.anchor.as_ref().map_or("", |anchor| anchor.right.as_str());
        let text = if right.is_empty() { text } else { text.strip_suffix(right).map_or(text, str::trim_end) };
        let shown = |line: &str, whole: bool| {
            let line = line.trim();
            let cut: String = line.chars().take(limits::LINE_CHARS).collect();
            if cut.len() < line.len() { Present::Part(cut) } else { Present::Shown { line: cut, whole } }
        };
        let Some(plain) = self.plain.as_deref() else {
            return match text.trim() {
                "" => Present::Unseen,
                _ if partly => Present::Part(text.trim().to_owned()),
                _ => shown(text, false),
            };
        };
        let typed = plain.trim_end();
        if typed.trim().is_empty() {
            return Present::Blank;
        }
        if bare(text).eq(bare(typed)) || text.ends_with(typed) {
            return shown(typed, true);
        }
        let is_veil = |c: char| matches!(c, '*' | '•' | '●');
        if text.trim().chars().all(is_veil) {
            return Present::Unseen;
        }
        if partly && !text.trim().is_empty() {
            // What is on the screen of it is what was typed, so none of it is a secret.
            let (all, part): (String, String) = (bare(typed).collect(), bare(text).collect());
            return if all.ends_with(&part) || all.starts_with(&part) { shown(typed, true) } else { Present::Part(text.trim().to_owned()) };
        }
        // The beginning stands there, so it is no secret, and the rest is on its way.
        let begins = bare(typed).map(Some).chain(std::iter::once(None)).zip(bare(text).map(Some)).all(|(typed, text)| typed == text);
        if begins {
            return shown(typed, false);
        }
        match shown(text, false) {
            Present::Shown { line, .. } => Present::Unlike(line),
            part => part,
        }
    }

    /// The text that stands behind the prompt, as well as it can be told, and whether more belongs to it: its beginning has
    /// left the screen, or it takes more than [`limits::LINE_ROWS`].
    fn standing(&self, screen: &Screen, last_prompt: &str) -> (String, bool) {
        let (row, _) = screen.cursor();
        let (columns, _) = screen.size();
        let end = screen.line_end(row);
        let bottom = if self.rows { screen.last_written(row) } else { end };
        let start = screen.line_start(row);
        let long = bottom.max(end).saturating_sub(start) >= limits::LINE_ROWS;
        let whole = screen.between((start, 0), (end, columns));
        if let Some(anchor) = &self.anchor {
            if (self.rows || anchor.start == i64::from(start))
                && let Some(text) = anchored(anchor, screen, (bottom, columns))
            {
                return (text, long);
            }
            // The prompt was drawn anew on another row, with the line behind it.
            if let Some(text) = behind(&whole, &anchor.prompt) {
                return (text.to_owned(), long);
            }
        }
        if let Some(text) = behind(&whole, last_prompt) {
            return (text.to_owned(), long);
        }
        // A line that fills the screen from its first row on has begun above it.
        if start == 0 && self.anchor.as_ref().is_some_and(|anchor| anchor.start < 0) {
            return (whole, true);
        }
        let since = self.anchor.as_ref().and_then(|anchor| anchored(anchor, screen, (bottom, columns)));
        (since.unwrap_or_else(|| after_prompt(&whole).to_owned()), long)
    }

    pub(super) fn scrolled(&mut self, rows: u32) {
        self.bottom -= i64::from(rows);
        if let Some(anchor) = &mut self.anchor {
            anchor.row -= i64::from(rows);
            anchor.start -= i64::from(rows);
        }
    }

    /// Enter was pressed. A line of nothing is none.
    pub(super) fn enter(mut self, screen: &Screen) -> Option<Entered> {
        self.bottom = i64::from(screen.cursor().0);
        if self.plain.as_deref().is_some_and(|plain| plain.trim().is_empty()) {
            return None;
        }
        Some(Entered { line: self, age: 0 })
    }
}

/// A line that was entered and waits for the target to leave it.
#[derive(Debug)]
pub(super) struct Entered {
    line: Line,
    age: u16,
}

/// Rows of output after which a line that was not shown never will be (a password, an answer read silently).
const FORGOTTEN: u16 = 200;

impl Entered {
    pub(super) fn chars(&self) -> usize {
        self.line.plain.as_deref().map_or(0, str::len)
    }

    pub(super) fn scrolled(&mut self, rows: u32) {
        self.line.scrolled(rows);
    }

    /// Counts a row that did not show it. True when it is to be forgotten.
    pub(super) fn grow_old(&mut self) -> bool {
        self.age += 1;
        self.age > FORGOTTEN
    }

    /// Looks for the line on the screen, at the moment when the target leaves the row of the cursor.
    pub(super) fn shown(&self, screen: &Screen, last_prompt: &str) -> Shown {
        let (row, _) = screen.cursor();
        let (columns, _) = screen.size();
        let end = screen.line_end(row);
        let start = screen.line_start(row);
        let whole = screen.between((start, 0), (end, columns));
        if self.age == 0
            && let Some(anchor) = &self.line.anchor
        {
            // A shell that draws a line of several rows anew leaves its first row while the last is still below.
            // A list of completions stands between the first prompt and the one that was drawn anew below it.
            if i64::from(start) > anchor.start
                && let Some(text) = behind(&whole, &anchor.prompt)
            {
                return self.judge(text, anchor, last_prompt);
            }
            let bottom = u16::try_from(self.line.bottom).map_or(end, |bottom| screen.line_end(bottom).max(end));
            if let Some(text) = anchored(anchor, screen, (bottom, columns)) {
                return self.judge(&text, anchor, last_prompt);
            }
            // The screen was cleared and the prompt drawn anew somewhere else.
            if let Some(text) = behind(&whole, &anchor.prompt) {
                return self.judge(text, anchor, last_prompt);
            }
        }
        self.loose(&whole, last_prompt)
    }

    /// The text stood behind the line's own prompt.
    fn judge(&self, text: &str, anchor: &Anchor, last_prompt: &str) -> Shown {
        let mut text = text.trim_end();
        if !anchor.right.is_empty()
            && let Some(left) = text.strip_suffix(anchor.right.as_str())
        {
            text = left.trim_end();
        }
        let shown = |text: &str, prompt: &str| Shown::Command { line: clean(text), prompt: prompt.to_owned() };
        let Some(plain) = self.line.plain.as_deref() else {
            return if text.trim().is_empty() { Shown::Nothing } else { shown(text, &anchor.prompt) };
        };
        let typed = plain.trim_end();
        // Shells fill the column that a wide character left empty at the edge with a blank that nobody typed.
        if bare(text).eq(bare(typed)) {
            return shown(typed, &anchor.prompt);
        }
        // Typed before the prompt came: the prompt stands between the beginning and the text.
        if let Some(before) = text.strip_suffix(typed) {
            return shown(typed, if before.is_empty() { &anchor.prompt } else { before });
        }
        if text.trim().is_empty() {
            return Shown::NotYet;
        }
        // Before the first prompt, what stands there is the target's greeting; the line comes behind its prompt.
        if anchor.prompt.trim().is_empty() && last_prompt.trim().is_empty() {
            return Shown::NotYet;
        }
        // The target shows something else than what was typed (an abbreviation that it spelled out).
        match text.strip_prefix(last_prompt) {
            Some(rest) if !last_prompt.trim().is_empty() => shown(rest, last_prompt),
            _ => shown(text, &anchor.prompt),
        }
    }

    /// A row that may show a line whose prompt was not there when it was typed.
    fn loose(&self, whole: &str, last_prompt: &str) -> Shown {
        let row = whole.trim_end();
        let behind = row.strip_prefix(last_prompt).filter(|_| !last_prompt.trim().is_empty());
        match (self.line.plain.as_deref().map(str::trim_end), behind) {
            (Some(typed), _) => match row.strip_suffix(typed) {
                Some(prompt) => Shown::Command { line: clean(typed), prompt: prompt.to_owned() },
                None => Shown::NotYet,
            },
            (None, Some(text)) if !text.trim().is_empty() => {
                Shown::Command { line: clean(text), prompt: last_prompt.to_owned() }
            }
            (None, _) => Shown::NotYet,
        }
    }
}

/// The text behind a prompt that says something.
fn behind<'a>(row: &'a str, prompt: &str) -> Option<&'a str> {
    row.strip_prefix(prompt).filter(|_| !prompt.trim().is_empty())
}

/// The text behind what looks like a prompt; all of it if nothing does.
fn after_prompt(row: &str) -> &str {
    // A search in the history stands in the prompt's place: (reverse-i-search)`what is looked for': what was found
    if row.trim_start().starts_with('(')
        && let Some((search, found)) = row.split_once("': ")
        && search.contains("-search)`")
    {
        return found;
    }
    let ends = ["$ ", "# ", "> ", "% "].into_iter().filter_map(|mark| row.find(mark).map(|at| at + mark.len()));
    ends.min().and_then(|at| row.get(at..)).unwrap_or(row)
}

/// The line at the cursor of which no key is known: what stands behind the last prompt.
pub(super) fn unasked(screen: &Screen, last_prompt: &str) -> Present {
    let (row, _) = screen.cursor();
    let whole = screen.between((screen.line_start(row), 0), (screen.line_end(row), screen.size().0));
    match behind(&whole, last_prompt).map(str::trim) {
        None | Some("") => Present::Blank,
        Some(text) => Present::Shown { line: text.chars().take(limits::LINE_CHARS).collect(), whole: false },
    }
}

/// The text from the anchor to `end`, if the prompt still stands before it.
fn anchored(anchor: &Anchor, screen: &Screen, end: (u16, u16)) -> Option<String> {
    let start = u16::try_from(anchor.start).ok()?;
    let row = u16::try_from(anchor.row).ok()?;
    if row > end.0 || screen.between((start, 0), (row, anchor.column)) != anchor.prompt {
        return None;
    }
    Some(screen.between((row, anchor.column), end))
}

/// The text without its blanks and line ends.
fn bare(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_whitespace())
}

fn clean(text: &str) -> String {
    text.trim().chars().take(limits::LINE_CHARS).collect()
}
