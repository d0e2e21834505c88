//! The language of the command line is that of the environment.

use super::program::{command, output, said};
use std::process::Output;
use std::time::Duration;

fn run_with(set: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = command(args);
    for name in ["SEKISHO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"] {
        command.env_remove(name);
    }
    output(command.envs(set.iter().copied()), Duration::from_secs(60))
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const JA: &[(&str, &str)] = &[("LANG", "ja_JP.UTF-8")];
const C: &[(&str, &str)] = &[("LANG", "C")];

#[test]
fn help_and_mistakes_are_said_in_the_language_of_the_environment() {
    for set in [JA, &[("SEKISHO_LANG", "ja"), ("LANG", "C")]] {
        let help = run_with(set, &["target", "add", "--help"]);
        let text = words(&help);
        assert!(help.status.success() && text.contains("使い方: sekisho target add [オプション]") && text.contains("[既定: 22]"), "{}", said(&help));
        let left = ["Usage", "Options", "Print", "[OPTIONS]", "default"].into_iter().find(|english| text.contains(english));
        assert!(left.is_none() && !text.chars().any(|letter| ('\u{e000}'..='\u{f8ff}').contains(&letter)), "{left:?}: {text}");
        let wrong = run_with(set, &["persn"]);
        let text = words(&wrong);
        assert!(wrong.status.code() == Some(2) && text.contains("「persn」というコマンドはありません") && text.contains("「person」ではありませんか"), "{}", said(&wrong));
    }
    for set in [C, &[("SEKISHO_LANG", "en"), ("LANG", "ja_JP.UTF-8")], &[]] {
        let help = run_with(set, &["target", "add", "--help"]);
        let text = words(&help);
        assert!(help.status.success() && text.contains("Usage: sekisho target add [OPTIONS]") && text.contains("[default: 22]") && !text.contains("使い方"), "{}", said(&help));
        let wrong = run_with(set, &["persn"]);
        assert!(wrong.status.code() == Some(2) && words(&wrong).contains("unrecognized subcommand 'persn'"), "{}", said(&wrong));
    }
}

#[test]
fn doctor_manual_pages_and_completions_follow_the_language() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sekisho.toml").display().to_string();
    std::fs::write(&file, format!("[data]\ndir = \"{}\"\n", folder.path().join("nowhere").display())).unwrap();
    let ja = run_with(JA, &["--config", &file, "doctor"]);
    let text = words(&ja);
    assert!(!ja.status.success() && text.contains("sekisho init を実行してください") && text.contains("SESSIONS = 512 セッション  この機器で同時に開けるセッション"), "{text}");
    assert!(text.trim_end().ends_with("その下の -> をご覧ください。"), "the end says that something is not well: {text}");
    let en = run_with(C, &["--config", &file, "doctor"]);
    assert!(words(&en).contains("run `sekisho init`") && words(&en).contains("SESSIONS = 512 sessions  Sessions open at once on this box."), "{}", said(&en));

    let pages = folder.path().join("man").display().to_string();
    for (set, heading, about) in [(JA, ".SH 名前", "接続先を登録する"), (C, ".SH NAME", "Register a target")] {
        let written = run_with(set, &["man", &pages]);
        let page = std::fs::read_to_string(folder.path().join("man/sekisho-target-add.1")).unwrap();
        assert!(written.status.success() && page.contains(heading) && page.contains(about), "{page}");
        let completions = words(&run_with(set, &["completions", "zsh"]));
        assert!(completions.contains(about), "{about} is missing in what zsh completes");
    }
}
