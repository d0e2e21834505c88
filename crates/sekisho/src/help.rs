//! The words of this program's command line in the language that the environment asks for, and its manual pages.

use crate::cli::Cli;
use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use sekisho_connect::help::{self, Language, Words};
use std::path::Path;
use std::process::ExitCode;

/// The Japanese words of the commands that this crate has.
const TABLE: &str = include_str!("help.ja.json");

/// The headings of manual pages, and what stands in their place.
const HEADINGS: &[(&str, &str)] = &[
    (".SH NAME", ".SH 名前"),
    (".SH SYNOPSIS", ".SH 書式"),
    (".SH DESCRIPTION", ".SH 説明"),
    (".SH OPTIONS", ".SH オプション"),
    (".SH SUBCOMMANDS", ".SH コマンド"),
    (".SH EXTRA", ".SH 補足"),
    (".SH VERSION", ".SH 版"),
];

fn words() -> Words {
    Words::read(&[TABLE, help::TABLE])
}

/// Reads the command line of this program.
///
/// # Errors
/// Help, a version or a mistake was printed; how the program ends.
pub fn parse(language: Language) -> Result<Cli, ExitCode> {
    help::parse(language, &words())
}

/// The commands, for completions.
#[must_use]
pub fn command(language: Language) -> Command {
    help::dressed(Cli::command(), language, &words())
}

/// Writes a manual page for each command.
///
/// # Errors
/// The folder or a page cannot be written.
pub fn manual(language: Language, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    page(&help::dressed(without_help(Cli::command()), language, &words()), language, folder)
}

/// The built-in command `help` has no page.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn page(command: &Command, language: Language, folder: &Path) -> Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        page(inner, language, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone());
    let mut written = Vec::new();
    page.render(&mut written)?;
    let path = folder.join(page.get_filename());
    let text = String::from_utf8(written).context("a manual page is no text")?;
    let text = match language {
        Language::En => text,
        Language::Ja => in_japanese(&text),
    };
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn in_japanese(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let heading = HEADINGS.iter().find(|(en, _)| *en == line).map(|(_, ja)| (*ja).to_owned());
        text.push_str(&heading.unwrap_or_else(|| line.replace("[default: ", "[既定: ").replace("Possible values:", "選べる値:")));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_of_the_help_has_japanese_words_and_no_words_are_left_over() {
        assert!(serde_json::from_str::<serde_json::Value>(TABLE).is_ok(), "help.ja.json is no JSON");
        let gaps = words().gaps(Cli::command());
        assert!(gaps.is_empty(), "crates/sekisho/src/help.ja.json must say each sentence of the help in Japanese, and nothing else:\n{}", gaps.join("\n"));
    }

    #[test]
    fn japanese_help_is_whole_in_terminals_of_80_and_100_columns() {
        for columns in [80, 100] {
            let flaws = help::flaws::<Cli>(&words(), columns);
            assert!(flaws.is_empty(), "{}", flaws.join("\n"));
        }
    }

    #[test]
    fn manual_pages_follow_the_language() {
        let folder = tempfile::tempdir().unwrap();
        let read = |language| {
            manual(language, folder.path()).unwrap();
            std::fs::read_to_string(folder.path().join("sekisho-demo.1")).unwrap()
        };
        let ja = read(Language::Ja);
        assert!(ja.contains(".SH 名前") && ja.contains("[既定: 8443]") && !ja.contains("SYNOPSIS"), "{ja}");
        let en = read(Language::En);
        assert!(en.contains(".SH NAME") && en.contains("[default: 8443]"), "{en}");
        assert!(!folder.path().join("sekisho-help.1").exists());
    }
}
