//! A command line taken apart into its simple commands, as a shell or a database would read it.
//!
//! It reads more than it must: what might be a command counts as one. Nothing is expanded, so a line that builds its
//! command out of variables is not understood; that is why rules are an aid and no boundary.

use crate::limits;

/// The line is too large or too deep to be read within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// One simple command in the forms by which a rule can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Simple {
    /// The words as they were written, then without each wrapper (`sudo`, `env`, …), the name without its folder.
    pub forms: Vec<Form>,
    /// It stands inside a text that another command runs (`sh -c '…'`); a plan covers it with that command.
    pub nested: bool,
}

/// The words of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub words: Vec<String>,
    /// It does the same as what was written (`sudo X` is X; `xargs X` is not).
    pub same: bool,
}

/// Words that introduce a command and are none.
const KEYWORDS: [&str; 9] = ["if", "then", "else", "elif", "do", "while", "until", "!", "{"];

/// Commands that run what stands behind them: name, option letters that take a value, words to pass over, whether it is
/// the same work as without them.
const WRAPPERS: [(&str, &str, usize, bool); 22] = [
    ("sudo", "ughpCTrtDR", 0, true),
    ("doas", "uC", 0, true),
    ("pkexec", "", 0, true),
    ("env", "uCS", 0, true),
    ("nohup", "", 0, true),
    ("time", "fo", 0, true),
    ("exec", "a", 0, true),
    ("command", "", 0, true),
    ("builtin", "", 0, true),
    ("nice", "n", 0, true),
    ("ionice", "cnp", 0, true),
    ("timeout", "ks", 1, true),
    ("setsid", "", 0, true),
    ("stdbuf", "ioe", 0, true),
    ("busybox", "", 0, true),
    ("strace", "eopus", 0, true),
    ("runuser", "ug", 0, true),
    ("systemd-run", "puEM", 0, true),
    ("xargs", "aEeIiLlnPsd", 0, false),
    ("watch", "n", 0, false),
    ("chroot", "", 1, false),
    ("nsenter", "t", 0, false),
];

/// Shells, whose `-c` takes a command line.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "csh", "tcsh", "su"];

/// Whether a command of this name does the work of the command behind it, so that a rule for either names both.
pub(super) fn is_transparent(name: &str) -> bool {
    WRAPPERS.iter().any(|(wrapper, .., same)| *wrapper == name && *same)
}

/// A command line as a Unix shell reads it.
pub(super) fn shell(line: &str) -> Result<Vec<Simple>, TooMuch> {
    let mut all = Vec::new();
    read(line, 0, &mut all)?;
    Ok(all)
}

fn read(line: &str, depth: usize, all: &mut Vec<Simple>) -> Result<(), TooMuch> {
    for words in Reader::default().read(line)? {
        let (forms, texts) = forms(words);
        if !forms.is_empty() {
            all.push(Simple { forms, nested: depth > 0 });
        }
        if all.len() > limits::COMMAND_PARTS {
            return Err(TooMuch);
        }
        for text in texts {
            if depth >= limits::COMMAND_DEPTH {
                return Err(TooMuch);
            }
            read(&text, depth + 1, all)?;
        }
    }
    Ok(())
}

/// A command inside another one: the words so far, and what ends it.
#[derive(Default)]
struct Frame {
    words: Vec<String>,
    word: Option<String>,
    /// Between double quotes.
    quoted: bool,
    /// What ends it: `)` or a backtick; a line's end for the outermost.
    closer: Option<char>,
}

impl Frame {
    fn put(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }
}

#[derive(Default)]
struct Reader {
    outer: Vec<Frame>,
    frame: Frame,
    done: Vec<Vec<String>>,
}

impl Reader {
    fn read(mut self, line: &str) -> Result<Vec<Vec<String>>, TooMuch> {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let (this, after) = rest.split_at(c.len_utf8());
            rest = after;
            match c {
                '\\' if !self.frame.quoted || after.starts_with(['$', '`', '"', '\\', '\n']) => {
                    if let Some(next) = rest.chars().next() {
                        rest = rest.get(next.len_utf8()..).unwrap_or_default();
                        if next != '\n' {
                            self.frame.put(next);
                        }
                    }
                }
                '"' => {
                    self.frame.quoted = !self.frame.quoted;
                    self.frame.word.get_or_insert_default();
                }
                '\'' if !self.frame.quoted => {
                    let (text, after) = rest.split_once('\'').unwrap_or((rest, ""));
                    self.frame.word.get_or_insert_default().push_str(text);
                    rest = after;
                }
                '$' if rest.starts_with('(') => {
                    rest = rest.get(1..).unwrap_or_default();
                    self.frame.word.get_or_insert_default().push_str("$()");
                    self.open(')')?;
                }
                // The shell's own way to write a blank without one.
                '$' if rest.starts_with("{IFS}") => {
                    rest = rest.get(5..).unwrap_or_default();
                    self.frame.end_word();
                }
                '$' if rest.starts_with("IFS") && !rest.get(3..).is_some_and(|more| more.starts_with(|c: char| c.is_alphanumeric() || c == '_')) => {
                    rest = rest.get(3..).unwrap_or_default();
                    self.frame.end_word();
                }
                '`' if self.frame.closer == Some('`') => self.close(),
                '`' => {
                    self.frame.word.get_or_insert_default().push_str("$()");
                    self.open('`')?;
                }
                _ if self.frame.quoted => self.frame.put(c),
                '(' => self.open(')')?,
                ')' if self.frame.closer == Some(')') => self.close(),
                '>' | '<' => {
                    self.frame.word.take_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                    self.frame.end_word();
                    let more = rest.bytes().take_while(|byte| *byte == this.as_bytes()[0]).count();
                    self.frame.words.push(this.repeat(1 + more.min(2)));
                    rest = rest.get(more..).unwrap_or_default();
                    // `2>&1` and `>|file` name a place, not a new command.
                    if let Some(after) = rest.strip_prefix(['&', '|']) {
                        rest = after;
                    }
                }
                '&' if rest.starts_with('>') => self.frame.end_word(),
                ';' | '|' | '&' | '\n' | '\r' | ')' => self.end_command()?,
                c if c.is_whitespace() => self.frame.end_word(),
                c => self.frame.put(c),
            }
        }
        while !self.outer.is_empty() {
            self.close();
        }
        self.end_command()?;
        Ok(self.done)
    }

    fn end_command(&mut self) -> Result<(), TooMuch> {
        self.frame.end_word();
        let words = std::mem::take(&mut self.frame.words);
        if !words.is_empty() {
            self.done.push(words);
        }
        if self.done.len() > limits::COMMAND_PARTS { Err(TooMuch) } else { Ok(()) }
    }

    fn open(&mut self, closer: char) -> Result<(), TooMuch> {
        if self.outer.len() >= limits::COMMAND_DEPTH * 8 {
            return Err(TooMuch);
        }
        let inner = Frame { closer: Some(closer), ..Frame::default() };
        self.outer.push(std::mem::replace(&mut self.frame, inner));
        Ok(())
    }

    fn close(&mut self) {
        self.frame.end_word();
        let words = std::mem::take(&mut self.frame.words);
        if !words.is_empty() {
            self.done.push(words);
        }
        if let Some(outer) = self.outer.pop() {
            self.frame = outer;
        }
    }
}

/// Whether these words start a shell that takes its commands from the input: none was given, and no file.
pub(super) fn reads_input(words: &[String]) -> bool {
    let Some((name, rest)) = words.split_first().filter(|(name, _)| SHELLS.contains(&name.as_str())) else { return false };
    let mut rest = rest.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" => return true,
            ">" | ">>" | "--rcfile" | "--init-file" => drop(rest.next()),
            "<" | "<<" | "<<<" => return false,
            _ if word.starts_with("--") => {}
            _ => match word.strip_prefix(['-', '+']) {
                Some(letters) if letters.contains('c') => return false,
                Some(letters) if letters.contains('s') => return true,
                // `-o pipefail`
                Some(letters) if letters.ends_with(['o', 'O']) => drop(rest.next()),
                Some(_) => {}
                // For `su` it is whose shell, for others a file with commands.
                None => return name == "su",
            },
        }
    }
    true
}

/// The forms of one simple command, and the texts in it that are command lines themselves.
fn forms(words: Vec<String>) -> (Vec<Form>, Vec<String>) {
    let mut forms: Vec<Form> = Vec::new();
    let mut texts = Vec::new();
    let mut ways = vec![(bare(&words), true)];
    while let Some((words, same)) = ways.pop() {
        let Some(name) = words.first() else { continue };
        if SHELLS.contains(&name.as_str()) {
            let at = words.iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
            texts.extend(at.and_then(|at| words.get(at + 1)).cloned());
        }
        match name.as_str() {
            "eval" => texts.push(words.get(1..).unwrap_or_default().join(" ")),
            "find" => {
                if let Some(at) = words.iter().position(|word| matches!(word.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir")) {
                    ways.push((bare(words.get(at + 1..).unwrap_or_default()), false));
                }
            }
            name => {
                if let Some((_, valued, skip, transparent)) = WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == name) {
                    for inner in behind(&words, valued, *skip) {
                        ways.push((inner, same && *transparent));
                    }
                }
            }
        }
        forms.push(Form { words, same });
        if forms.len() >= limits::COMMAND_FORMS {
            break;
        }
    }
    (forms, texts)
}

/// The words from the command's name on, the name without its folder.
fn bare(words: &[String]) -> Vec<String> {
    let start = words.iter().position(|word| !KEYWORDS.contains(&word.as_str()) && !is_assignment(word)).unwrap_or(words.len());
    let mut words = words.get(start..).unwrap_or_default().to_vec();
    if let Some(name) = words.first_mut()
        && let Some((_, last)) = name.rsplit_once('/')
        && !last.is_empty()
    {
        *name = last.to_owned();
    }
    words
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// What a wrapper runs. A long option may or may not take the next word, so there can be two readings.
fn behind(words: &[String], valued: &str, skip: usize) -> Vec<Vec<String>> {
    let mut at = 1;
    let mut unsure = false;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) else { break };
        at += 1;
        if let Some(long) = option.strip_prefix('-') {
            unsure |= !long.contains('=');
        } else if option.chars().last().is_some_and(|last| valued.contains(last)) {
            at += 1;
        }
    }
    let at = at + skip;
    let reading = |from: usize| bare(words.get(from..).unwrap_or_default());
    let mut readings = vec![reading(at)];
    if unsure {
        readings.push(reading(at + 1));
    }
    readings.retain(|words| !words.is_empty());
    readings
}

/// The texts in SQL that a client of a database gets with its call (`mysql -e 'DROP TABLE x'`), or that are written into
/// it (`echo 'DROP TABLE x' | mysql`).
pub(super) fn sql_texts(words: &[String]) -> impl Iterator<Item = &str> {
    let prints = words.first().is_some_and(|name| matches!(name.as_str(), "echo" | "printf"));
    let texts = words.iter().zip(words.iter().skip(1)).filter_map(move |(before, word)| match word.strip_prefix("--") {
        Some(long) => long.split_once('=').map(|(_, text)| text),
        None => (prints || before.starts_with('-')).then_some(word.as_str()),
    });
    texts.filter(|text| text.contains(' '))
}

/// The statements of a text in SQL. Comments are left out, except those that MySQL runs.
pub(super) fn sql(text: &str) -> Result<Vec<Vec<String>>, TooMuch> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let mut ends_word = true;
        match c {
            '\'' | '"' => {
                let (quoted, behind) = after.split_once(c).unwrap_or((after, ""));
                word.push(c);
                word.push_str(quoted);
                word.push(c);
                rest = behind;
                continue;
            }
            '-' if after.starts_with('-') => rest = after.find('\n').and_then(|at| after.get(at..)).unwrap_or_default(),
            '/' if after.starts_with("*!") => rest = after.get(2..).unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_digit()),
            '/' if after.starts_with('*') => rest = after.get(1..).and_then(|inner| inner.split_once("*/")).map_or("", |(_, behind)| behind),
            '*' if after.starts_with('/') => rest = after.get(1..).unwrap_or_default(),
            ';' => rest = after,
            c if c.is_whitespace() || matches!(c, '(' | ')' | ',') => rest = after,
            c => {
                word.push(c);
                rest = after;
                ends_word = false;
            }
        }
        if ends_word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c == ';' && !words.is_empty() {
            all.push(std::mem::take(&mut words));
            if all.len() > limits::COMMAND_PARTS {
                return Err(TooMuch);
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if !words.is_empty() {
        all.push(words);
    }
    Ok(all)
}
