//! The words of a command line, in the language that the environment asks for.
//!
//! The English words are the doc comments of the commands. The Japanese ones stand in tables whose keys are those sentences,
//! grouped by command: `{ "person": { "List all persons": "…" }, "*": { … } }`. A value's name is kept as `<NAME>`. What
//! stands under `*` holds for every command that has no words of its own.

mod dress;
mod fill;
mod mistake;

pub use fill::columns;

use clap::builder::StyledStr;
use clap::error::{Error, ErrorKind};
use clap::{Command, CommandFactory, Parser};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// The words of the commands of this crate.
pub const TABLE: &str = include_str!("../help.ja.json");

/// The group of words that every command has.
const EVERYWHERE: &str = "*";

/// What clap itself says.
const BUILT_IN: &[(&str, &str)] = &[
    ("Print help", "使い方を表示する"),
    ("Print help (see more with '--help')", "使い方を表示する(詳しくは --help)"),
    ("Print help (see a summary with '-h')", "使い方を表示する(要約は -h)"),
    ("Print version", "版を表示する"),
    ("Print this message or the help of the given subcommand(s)", "この説明、または指定したコマンドの使い方を表示する"),
    ("Print help for the subcommand(s)", "使い方を表示するコマンド"),
    ("<COMMAND>", "コマンド"),
];

/// A language of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Language {
    /// The language that an environment asks for: `SEKISHO_LANG` if it is `ja` or `en`, else the first of `LC_ALL`, `LC_MESSAGES`
    /// and `LANG` that holds something (POSIX.1-2024, section 8.2).
    #[must_use]
    pub fn of(value: impl Fn(&str) -> Option<String>) -> Self {
        let asked = |name: &str| value(name).filter(|value| !value.is_empty());
        match asked("SEKISHO_LANG").as_deref() {
            Some("ja") => return Self::Ja,
            Some("en") => return Self::En,
            _ => {}
        }
        match ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(asked) {
            Some(locale) if locale.starts_with("ja") => Self::Ja,
            Some(_) => Self::En,
            // Windows names its language nowhere in the environment, and those who sit there are vendors of a hospital in Japan.
            None if cfg!(windows) => Self::Ja,
            None => Self::En,
        }
    }
}

type Table = BTreeMap<String, BTreeMap<String, String>>;

/// The Japanese words.
#[derive(Debug)]
pub struct Words {
    tables: Vec<Table>,
}

impl Words {
    /// Reads tables, the nearest first. They are part of the program and tests read them; of one that is none, nothing is taken.
    #[must_use]
    pub fn read(tables: &[&str]) -> Self {
        Self { tables: tables.iter().map(|text| serde_json::from_str(text).unwrap_or_default()).collect() }
    }

    /// The place of a sentence: number of the table, and group.
    fn place(&self, group: &str, sentence: &str) -> Option<(usize, &str, &str)> {
        [group, EVERYWHERE].into_iter().find_map(|group| {
            self.tables.iter().enumerate().find_map(|(number, table)| {
                let (group, words) = table.get_key_value(group)?;
                Some((number, group.as_str(), words.get(sentence)?.as_str()))
            })
        })
    }

    /// The Japanese words for a sentence of a group of commands.
    fn say(&self, group: &str, sentence: &str) -> Option<&str> {
        self.place(group, sentence).map(|(_, _, words)| words).or_else(|| BUILT_IN.iter().find(|(en, _)| *en == sentence).map(|(_, ja)| *ja))
    }

    /// What is wrong between this and a command line: sentences without words, as the table would have them, and words of the first
    /// table that no command has.
    #[must_use]
    pub fn gaps(&self, command: Command) -> Vec<String> {
        let mut built = command;
        built.build();
        let mut used = BTreeSet::new();
        let mut missing = BTreeSet::new();
        dress::sentences(&built, &mut Vec::new(), &mut |group, sentence| match self.place(group, sentence) {
            Some((0, group, words)) if !words.trim().is_empty() => {
                used.insert((group.to_owned(), sentence.to_owned()));
            }
            Some((_, _, words)) if words.trim().is_empty() => {
                missing.insert(format!("{group:?}: {sentence:?}: has empty words"));
            }
            Some(_) => {}
            None if self.say(group, sentence).is_some() => {}
            None => {
                missing.insert(format!("{group:?}: {sentence:?}: has no words"));
            }
        });
        let stale = self.tables.first().into_iter().flatten().flat_map(|(group, words)| words.keys().map(move |sentence| (group.clone(), sentence.clone())));
        missing.into_iter().chain(stale.filter(|key| !used.contains(key)).map(|(group, sentence)| format!("{group:?}: {sentence:?}: no command says it"))).collect()
    }
}

/// What a command line is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// A terminal: clap breaks the lines.
    Terminal,
    /// A manual page or completions: somebody else does.
    Other,
}

/// A command line in a language, for manual pages and completions.
#[must_use]
pub fn dressed(command: Command, language: Language, words: &Words) -> Command {
    dress::dress(command, language, words, Medium::Other)
}

/// Reads the command line of this program. Help, versions and mistakes are printed in the language.
///
/// # Errors
/// There is nothing to do; how the program ends.
pub fn parse<P: Parser>(language: Language, words: &Words) -> Result<P, ExitCode> {
    let mut command = dress::dress(P::command(), language, words, Medium::Terminal);
    let read = command.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| P::from_arg_matches(&matches).map_err(|error| error.format(&mut command)));
    read.map_err(|error| {
        // Nobody is left to be told that the terminal is gone.
        let _ = match language {
            Language::En => error.print(),
            Language::Ja => print(&error),
        };
        u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
    })
}

fn print(error: &Error) -> std::io::Result<()> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = dress::finish(&error.render().ansi().to_string());
            // Clap knows whether this terminal takes colours, and prints a page that is given as it stands.
            Command::new("page").override_help(StyledStr::from(text)).print_help()
        }
        _ => {
            eprint!("{}", mistake::told(error));
            Ok(())
        }
    }
}

/// Every page of help as a terminal of so many columns shows it, with the words that lead to it.
#[must_use]
pub fn pages<P: CommandFactory>(language: Language, words: &Words, columns: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    dress::pages(dress::dress(P::command(), language, words, Medium::Terminal), language, columns, &mut found);
    found
}

/// What is wrong with the pages of help in Japanese as a terminal of so many columns shows them: lines that are too wide or begin
/// with a mark, and what is left of English or of the layout.
#[must_use]
pub fn flaws<P: CommandFactory>(words: &Words, columns: usize) -> Vec<String> {
    let mut flaws = Vec::new();
    for (command, page) in pages::<P>(Language::Ja, words, columns) {
        let mut before = "";
        for line in page.lines() {
            let text = line.trim_start();
            // Clap never breaks the line of usage.
            let is_too_wide = fill::columns(line) > columns && !line.starts_with("使い方:");
            let begins_badly = !before.trim().is_empty() && text.chars().next().is_some_and(|letter| !letter.is_ascii() && !fill::may_begin(letter));
            let is_left = ["Usage:", "Options:", "Arguments:", "Commands:", "[OPTIONS]", "[default:", "[possible", "[aliases", "Print "].iter().any(|english| line.contains(english)) || fill::bare(line) != line;
            if is_too_wide || begins_badly || is_left {
                flaws.push(format!("{command}: {line}"));
            }
            before = line;
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_first_variable_that_says_something() {
        let of = |set: &[(&str, &str)]| Language::of(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        assert_eq!(of(&[("LANG", "ja_JP.UTF-8")]), Language::Ja);
        assert_eq!(of(&[("LANG", "C")]), Language::En);
        assert_eq!(of(&[("LC_ALL", "C.UTF-8"), ("LANG", "ja_JP.UTF-8")]), Language::En);
        assert_eq!(of(&[("LC_ALL", ""), ("LC_MESSAGES", "ja_JP.UTF-8"), ("LANG", "en_US.UTF-8")]), Language::Ja);
        assert_eq!(of(&[("SEKISHO_LANG", "ja"), ("LC_ALL", "C")]), Language::Ja);
        assert_eq!(of(&[("SEKISHO_LANG", "en"), ("LANG", "ja_JP.UTF-8")]), Language::En);
        assert_eq!(of(&[("SEKISHO_LANG", "fr"), ("LANG", "ja_JP.UTF-8")]), Language::Ja);
        assert_eq!(of(&[]), if cfg!(windows) { Language::Ja } else { Language::En });
    }

    #[test]
    fn the_table_of_this_crate_is_one() {
        assert!(serde_json::from_str::<Table>(TABLE).is_ok_and(|table| !table.is_empty()));
    }
}
