//! The command line, as the person at the box uses it.

use super::house::{self, TARGET};
use super::program::{run, said};
use serde_json::Value;
use std::process::Output;

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {}", said(output)))
}

#[test]
fn a_second_init_changes_nothing() {
    let house = house::shared();
    let before = std::fs::read(house.data.join("log/public-key")).ok();
    let again = house.console(&["init"]);
    assert!(!again.status.success(), "{}", said(&again));
    assert!(!words(&again).contains("https://"), "a second link was given: {}", said(&again));
    assert_eq!(std::fs::read(house.data.join("log/public-key")).ok(), before);
}

#[test]
fn the_configuration_is_checked_and_unknown_keys_are_refused_by_name() {
    let house = house::shared();
    let sound = house.console(&["config", "check"]);
    assert!(sound.status.success(), "{}", said(&sound));
    let file = house.folder.join("wrong.toml");
    std::fs::write(&file, "[web]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
    let wrong = run(&["--config", &file.display().to_string(), "config", "check"]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && told.contains("listen_on"), "{}", said(&wrong));
    std::fs::write(&file, "[policy]\npassword_min = 4\n").unwrap();
    let weak = run(&["--config", &file.display().to_string(), "config", "check"]);
    assert!(!weak.status.success() && String::from_utf8_lossy(&weak.stderr).contains("password_min"), "{}", said(&weak));
    let missing = run(&["--config", "/nonexistent/sekisho.toml", "config", "check"]);
    assert!(!missing.status.success(), "{}", said(&missing));
    let example = run(&["config", "example"]);
    std::fs::write(&file, &example.stdout).unwrap();
    let own = run(&["--config", &file.display().to_string(), "config", "check"]);
    assert!(own.status.success(), "the example is not sound: {}", said(&own));
}

#[test]
fn doctor_sees_a_running_house_and_its_limits() {
    let house = house::shared();
    let well = house.console(&["doctor"]);
    assert!(well.status.success() && words(&well).contains("DISK_RESERVE_BYTES"), "{}", said(&well));
    let value = json(&house.console(&["doctor", "--json"]));
    assert_eq!(value.get("ok"), Some(&Value::Bool(true)), "{value}");
    let file = house.folder.join("empty.toml");
    std::fs::write(&file, format!("[data]\ndir = \"{}\"\n", house.folder.join("nowhere").display())).unwrap();
    let ill = run(&["--config", &file.display().to_string(), "doctor"]);
    assert!(!ill.status.success() && words(&ill).contains("sekisho init"), "{}", said(&ill));
}

#[test]
fn administration_works_on_the_running_house_in_words_and_in_json() {
    let house = house::shared();
    let (worker, plan) = house.at_work("con", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "echo konsoru");
    assert!(done.status.success(), "{}", said(&done));
    let session = house.ended("con", 1).remove(0);
    let view = house.api.get(&house.operator, &format!("/api/v1/plans/{plan}"));
    let number = super::api::text(&view, "plan.number");
    let cases: [(&[&str], &str); 10] = [
        (&["person", "list"], "ueda"),
        (&["person", "show", "ueda"], "ueda"),
        (&["vendor", "list"], "北斗メディカルシステム株式会社"),
        (&["target", "list"], TARGET),
        (&["plan", "list"], &number),
        (&["plan", "show", &number], "保守作業 con"),
        (&["session", "list"], &session),
        (&["session", "show", &session], "echo konsoru"),
        (&["recording", "list"], &session),
        (&["log", "list"], "entered"),
    ];
    for (args, holds) in cases {
        let text = house.console(args);
        assert!(text.status.success() && words(&text).contains(holds), "{args:?} does not show {holds}: {}", said(&text));
        let mut with_json = args.to_vec();
        with_json.push("--json");
        let value = json(&house.console(&with_json));
        assert!(value.to_string().contains(holds), "{args:?} --json does not hold {holds}: {value}");
    }
    let checkpoint = house.console(&["log", "checkpoint"]);
    assert!(words(&checkpoint).starts_with("sekisho/street\n"), "{}", said(&checkpoint));
    assert_eq!(words(&house.console(&["log", "public-key"])).trim(), house.log_key);
    let cast = house.folder.join("con.cast");
    let export = house.console(&["recording", "export", &session, "--output", &cast.display().to_string()]);
    let text = std::fs::read_to_string(&cast).unwrap_or_default();
    let head: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or(Value::Null);
    assert!(export.status.success() && head.get("version") == Some(&Value::from(2)), "{}\n{text}", said(&export));
    assert!(text.contains("konsoru"), "{text}");
}

#[test]
fn the_console_adds_people_but_approves_nothing_and_says_no_with_codes() {
    let house = house::shared();
    let added = json(&house.console(&["person", "add", "--login", "hayashi", "--name", "林 明", "--roles", "auditor", "--json"]));
    assert!(added.to_string().contains("https://"), "no enrolment link: {added}");
    let twice = house.console(&["person", "add", "--login", "hayashi", "--name", "林 明", "--roles", "auditor"]);
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("SKS-2005"), "{}", said(&twice));
    let mixed = house.console(&["person", "add", "--login", "mori", "--name", "森 学", "--roles", "auditor,planner"]);
    assert!(!mixed.status.success() && String::from_utf8_lossy(&mixed.stderr).contains("SKS-2008"), "{}", said(&mixed));
    let none = house.console(&["plan", "approve", "2026-0001"]);
    assert!(!none.status.success(), "the console approves: {}", said(&none));
    let unknown = house.console(&["session", "show", "ses-nobody"]);
    assert!(!unknown.status.success(), "{}", said(&unknown));
    let off = house.console(&["person", "disable", "hayashi"]);
    assert!(off.status.success(), "{}", said(&off));
}

#[test]
fn completions_and_manual_pages_come_from_the_argument_parser() {
    let bash = run(&["completions", "bash"]);
    assert!(bash.status.success() && words(&bash).contains("_sekisho"), "{}", said(&bash));
    let folder = tempfile::tempdir().unwrap();
    let man = run(&["man", &folder.path().display().to_string()]);
    assert!(man.status.success(), "{}", said(&man));
    let pages: Vec<String> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    for wanted in ["sekisho.1", "sekisho-serve.1", "sekisho-verify.1"] {
        assert!(pages.iter().any(|page| page == wanted), "{wanted} is not among {pages:?}");
    }
}
