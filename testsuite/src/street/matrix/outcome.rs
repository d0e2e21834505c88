//! What a row came to: named facts that are compared one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;

/// Bytes of a fact that are shown as they are; of longer ones length and hash.
const SHOWN: usize = 900;
/// Bytes of a fact that are kept as they are, so that a folder's name can be taken out of them.
const KEPT: usize = 1 << 20;

/// Whether the row could be run.
#[derive(Debug)]
pub enum Done {
    /// It ran.
    Ran,
    /// This machine lacks what it needs.
    NotHere(String),
}

/// Named facts, in order.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it ran.
    pub done: Done,
    facts: Vec<(String, String)>,
    unmet: Vec<String>,
}

impl Outcome {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { done: Done::Ran, facts: Vec::new(), unmet: Vec::new() }
    }

    /// This machine cannot run it.
    pub fn not_here(why: &str) -> Self {
        Self { done: Done::NotHere(why.to_owned()), facts: Vec::new(), unmet: Vec::new() }
    }

    /// What a program came to: exit, output and errors apart.
    pub fn of(output: &Output) -> Self {
        Self::new().program("", output)
    }

    /// Adds what a program came to.
    pub fn program(self, name: &str, output: &Output) -> Self {
        let dot = if name.is_empty() { String::new() } else { format!("{name}.") };
        let exit = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
        self.fact(&format!("{dot}exit"), exit).bytes(&format!("{dot}out"), &output.stdout).bytes(&format!("{dot}err"), &output.stderr)
    }

    /// Adds a fact.
    pub fn fact(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.facts.push((name.to_owned(), value.to_string()));
        self
    }

    /// Says what must be so on this way whatever the other does, with the words that show it.
    pub fn must(mut self, what: &str, so: bool, words: impl fmt::Display) -> Self {
        if !so {
            self.unmet.push(format!("{what}: {words}"));
        }
        self
    }

    /// What was not as it must be.
    pub fn unmet(&self) -> &[String] {
        &self.unmet
    }

    /// Adds bytes: short ones as they are, long ones by length and hash.
    pub fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.fact(name, digest(bytes))
    }

    /// Adds what lies in a folder: names, kinds, modes, sizes, contents.
    pub fn tree(mut self, name: &str, folder: &Path) -> Self {
        self.facts.push((name.to_owned(), tree(folder, false)));
        self
    }

    /// The same with the times of the files, for transfers that keep them.
    pub fn tree_with_times(mut self, name: &str, folder: &Path) -> Self {
        self.facts.push((name.to_owned(), tree(folder, true)));
        self
    }

    /// Replaces a text that must differ, like a folder of the site's own, in every fact.
    pub fn without(mut self, text: &str, by: &str) -> Self {
        for (_, value) in &mut self.facts {
            if value.contains(text) {
                *value = value.replace(text, by);
            }
        }
        self
    }

    /// Each fact that is not the same, for people.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let ours: BTreeMap<_, _> = self.facts.iter().map(|(name, value)| (name, value)).collect();
        let theirs: BTreeMap<_, _> = other.facts.iter().map(|(name, value)| (name, value)).collect();
        let mut names: Vec<_> = ours.keys().chain(theirs.keys()).collect();
        names.sort();
        names.dedup();
        let differs = names.into_iter().filter(|name| ours.get(**name) != theirs.get(**name));
        let show = |value: Option<&&String>| value.map_or("nothing".to_owned(), |value| shown(value));
        differs.map(|name| format!("  {name}:\n    direct:  {}\n    through: {}", show(ours.get(*name)), show(theirs.get(*name)))).collect()
    }

    /// A few words for the table.
    pub fn short(&self) -> String {
        if matches!(self.done, Done::NotHere(_)) {
            return "-".to_owned();
        }
        let words: Vec<String> = self.facts.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name} {}", cut(value))).collect();
        words.join(", ").chars().take(110).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.iter().try_for_each(|(name, value)| writeln!(f, "  {name}: {}", shown(value)))
    }
}

fn cut(value: &str) -> String {
    let value = if value.len() > SHOWN { weight(value.as_bytes()) } else { value.replace('\n', " ") };
    let line: String = value.chars().take(28).collect();
    if line.len() < value.len() { format!("{line}…") } else { line }
}

/// A fact for people. Of a long one both ends, between which the difference may lie.
fn shown(value: &str) -> String {
    if value.len() <= SHOWN {
        return value.to_owned();
    }
    let head: String = value.chars().take(SHOWN / 2).collect();
    let tail: String = value.chars().rev().take(SHOWN / 2).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{} {head} … {tail}", weight(value.as_bytes()))
}

/// Length and hash.
fn weight(bytes: &[u8]) -> String {
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    format!("{} bytes #{:016x}", bytes.len(), hash.finish())
}

fn digest(bytes: &[u8]) -> String {
    if bytes.len() > KEPT {
        return weight(bytes);
    }
    // Reversible, so that no two texts look the same; Japanese stays readable where it is whole.
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace('\\', "\\\\"),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

fn tree(folder: &Path, times: bool) -> String {
    let mut lines = Vec::new();
    walk(folder, folder, times, &mut lines);
    lines.sort();
    lines.join("\n")
}

fn walk(top: &Path, folder: &Path, times: bool, lines: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(data) = std::fs::symlink_metadata(&path) else { continue };
        let name = path.strip_prefix(top).unwrap_or(&path).as_os_str().as_bytes().escape_ascii().to_string();
        let time = if times { format!(" {}", data.mtime()) } else { String::new() };
        let what = if data.is_dir() {
            "folder".to_owned()
        } else if data.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).map(|to| to.as_os_str().as_bytes().escape_ascii().to_string()).unwrap_or_default())
        } else {
            weight(&std::fs::read(&path).unwrap_or_default())
        };
        lines.push(format!("{name} {:o}{time} {what}", data.mode() & 0o7777));
        if data.is_dir() {
            walk(top, &path, times, lines);
        }
    }
}
