//! Puts the words of a language on a command line, and takes what clap laid out to its last form.

use super::fill::{GAP, bare, breakable, whole};
use super::{Language, Medium, Words};
use clap::builder::StyledStr;
use clap::{Arg, Command};

/// The headings of clap, and what stands in their place.
const HEADINGS: &[(&str, &str)] = &[("Commands:", "コマンド:"), ("Arguments:", "引数:"), ("Options:", "オプション:")];

/// The group of a command's words: the first of the words that lead to it, those of the built-in `help` left out.
fn group(path: &[String]) -> &str {
    path.iter().find(|word| *word != "help").map_or("", String::as_str)
}

/// Hands out every sentence of a built command line with its group.
pub(super) fn sentences(command: &Command, path: &mut Vec<String>, told: &mut dyn FnMut(&str, &str)) {
    let own = [command.get_about(), command.get_long_about(), command.get_before_help(), command.get_before_long_help(), command.get_after_help(), command.get_after_long_help()];
    for text in own.into_iter().flatten() {
        told(group(path), &text.to_string());
    }
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        for text in [arg.get_help(), arg.get_long_help()].into_iter().flatten() {
            told(group(path), &text.to_string());
        }
        if arg.get_action().takes_values() {
            for name in arg.get_value_names().unwrap_or_default() {
                told(group(path), &format!("<{name}>"));
            }
        }
    }
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        path.push(inner.get_name().to_owned());
        sentences(inner, path, told);
        path.pop();
    }
}

/// The command line in a language.
pub(super) fn dress(mut command: Command, language: Language, words: &Words, medium: Medium) -> Command {
    // Its own flags and its own `help` are there only afterwards.
    command.build();
    match language {
        Language::En => plain(command),
        Language::Ja => japanese(command, words, medium, &mut Vec::new()),
    }
}

/// Whether an argument has nothing but empty defaults, which are none for the person who reads.
fn has_empty_default(arg: &Arg) -> bool {
    arg.get_default_values().iter().all(|value| value.is_empty())
}

fn plain(command: Command) -> Command {
    command.mut_args(|arg| if has_empty_default(&arg) { arg.hide_default_value(true) } else { arg }).mut_subcommands(plain)
}

fn japanese(mut command: Command, words: &Words, medium: Medium, path: &mut Vec<String>) -> Command {
    let group = group(path).to_owned();
    let set = |text: &StyledStr| {
        let text = text.to_string();
        let text = words.say(&group, &text).unwrap_or(&text);
        StyledStr::from(if medium == Medium::Terminal { breakable(text) } else { text.to_owned() })
    };
    if let Some(text) = command.get_about().map(set) {
        command = command.about(text);
    }
    if let Some(text) = command.get_long_about().map(set) {
        command = command.long_about(text);
    }
    if let Some(text) = command.get_before_help().map(set) {
        command = command.before_help(text);
    }
    if let Some(text) = command.get_before_long_help().map(set) {
        command = command.before_long_help(text);
    }
    if let Some(text) = command.get_after_help().map(set) {
        command = command.after_help(text);
    }
    if let Some(text) = command.get_after_long_help().map(set) {
        command = command.after_long_help(text);
    }
    command = command.mut_args(|arg| argument(arg, words, medium, &group));
    if command.has_subcommands() {
        command = command.subcommand_value_name(name("コマンド", medium));
    }
    command.mut_subcommands(|inner| {
        path.push(inner.get_name().to_owned());
        let inner = japanese(inner, words, medium, path);
        path.pop();
        inner
    })
}

/// A value's name. Clap keeps names for the life of the program, and a program builds its command line once.
fn name(text: &str, medium: Medium) -> &'static str {
    if medium == Medium::Terminal { whole(text).leak() } else { text.to_owned().leak() }
}

fn argument(mut arg: Arg, words: &Words, medium: Medium, group: &str) -> Arg {
    let said = arg.get_help().map(|text| text.to_string()).and_then(|text| words.say(group, &text).map(str::to_owned)).unwrap_or_default();
    let tail = if medium == Medium::Terminal { tail(&arg, &said) } else { String::new() };
    let set = |text: &StyledStr| {
        let text = text.to_string();
        let text = format!("{}{tail}", words.say(group, &text).unwrap_or(&text));
        StyledStr::from(if medium == Medium::Terminal { breakable(text.trim_start()) } else { text })
    };
    if let Some(text) = arg.get_help().map(set) {
        arg = arg.help(text);
    } else if !tail.is_empty() {
        arg = arg.help(set(&StyledStr::new()));
    }
    if let Some(text) = arg.get_long_help().map(set) {
        arg = arg.long_help(text);
    }
    if arg.get_action().takes_values() {
        let names: Vec<&str> = arg.get_value_names().unwrap_or_default().iter().map(|value| name(words.say(group, &format!("<{value}>")).unwrap_or(value), medium)).collect();
        if !names.is_empty() {
            arg = arg.value_names(names);
        }
    }
    if medium == Medium::Terminal {
        // They stand behind the words.
        arg.hide_default_value(true).hide_possible_values(true)
    } else if has_empty_default(&arg) {
        arg.hide_default_value(true)
    } else {
        arg
    }
}

/// Default and possible values, as clap would put them behind the words; values that the words name are not told again.
fn tail(arg: &Arg, said: &str) -> String {
    let mut tail = String::new();
    if !arg.get_action().takes_values() {
        return tail;
    }
    if !arg.is_hide_default_value_set() && !has_empty_default(arg) {
        let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        tail.push_str(&format!(" [既定:{GAP}{}]", values.join(" ")));
    }
    let possible: Vec<_> = arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect();
    if !arg.is_hide_possible_values_set() && !possible.iter().all(|value| said.contains(value.as_str())) {
        tail.push_str(&format!(" [選べる値: {}]", possible.join(", ")));
    }
    tail
}

/// What clap laid out, with the words that it has of its own in Japanese. Colours stay.
pub(super) fn finish(text: &str) -> String {
    let mut finished = String::with_capacity(text.len());
    for line in bare(text).split_inclusive('\n') {
        let seen = without_colours(line);
        let seen = seen.trim();
        let line = match HEADINGS.iter().find(|(en, _)| *en == seen) {
            Some((en, ja)) => line.replacen(en, ja, 1),
            None if seen.starts_with("Usage:") => line.replacen("Usage:", "使い方:", 1),
            None => line.to_owned(),
        };
        finished.push_str(&line.replace("[OPTIONS]", "[オプション]"));
    }
    finished
}

/// The text without sequences of the form `ESC [ … m`.
fn without_colours(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .filter(|letter| {
            let was_inside = inside;
            inside = *letter == '\u{1b}' || (inside && *letter != 'm');
            !was_inside && *letter != '\u{1b}'
        })
        .collect()
}

/// Renders every page of a dressed command line.
pub(super) fn pages(command: Command, language: Language, columns: usize, found: &mut Vec<(String, String)>) {
    let mut command = command.term_width(columns);
    let path = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let texts = [command.render_help().to_string(), command.render_long_help().to_string()];
    for text in texts {
        found.push((path.clone(), if language == Language::Ja { finish(&text) } else { text }));
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        pages(inner.clone(), language, columns, found);
    }
}
