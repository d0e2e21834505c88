//! A bundle is saved by a person in a browser and taken to a machine that has nothing but the key and a checkpoint.

use super::house::{House, TARGET};
use super::program::{root, said, sekisho};
use super::browser;
use serde_json::json;
use std::process::Command;

#[test]
fn an_outsider_with_the_file_and_the_key_sees_that_nothing_was_changed_or_what() {
    let house = House::own_with("step_up_minutes = 60");
    let (worker, _) = house.at_work("shoko", &["exec"]);
    // What was seen outside before the work.
    let outside = house.console(&["log", "checkpoint"]);
    assert!(outside.status.success(), "{}", said(&outside));
    let done = house.terminal.exec(&worker, TARGET, "echo 証拠");
    assert!(done.status.success(), "{}", said(&done));
    let session = house.ended("shoko", 1).remove(0);
    let note: String = String::from_utf8_lossy(&outside.stdout).into_owned();

    let planner = &house.planner_person;
    let cookie = house.api.web_log_in(&planner.login, &planner.password, &planner.phone.code());
    let far = tempfile::Builder::new().prefix("outsider-").tempdir().unwrap();
    let saved = far.path().join("bundle.zip");
    let given = json!({ "url": house.url(), "cookie": cookie, "session": session, "checkpoint": note, "to": saved, "period": far.path().join("week.zip"), "pictures": root().join("target/bundle-pictures") });
    let told = browser::play("bundle.mjs", &given, |_, _| json!({ "code": planner.phone.code() }));
    assert!(told.text("saved", "name").starts_with("evidence-"), "{}", told.step("saved"));
    assert!(told.number("documents", "count") >= 2.0, "{}", told.step("documents"));
    told.nothing_owed();

    // The outsider: an empty folder, the program, the key, the checkpoint.
    std::fs::write(far.path().join("checkpoint"), &note).unwrap();
    let verify = |file: &str| Command::new(sekisho()).current_dir(far.path()).env_clear().args(["verify", "--bundle", file, "--key", &house.log_key, "--checkpoint", "checkpoint"]).output().unwrap();
    let whole = verify("bundle.zip");
    let text = String::from_utf8_lossy(&whole.stdout).into_owned();
    assert!(whole.status.success() && text.contains("OK: what is in the bundle") && text.contains("1 recordings, 2 approvals hold") && text.contains(&session), "{}", said(&whole));
    // The week that the same browser saved: all that happened in it, and the session with its recording.
    assert!(told.text("week", "name").starts_with("evidence-"), "{}", told.step("week"));
    let week = Command::new(sekisho()).current_dir(far.path()).env_clear().args(["verify", "--bundle", "week.zip", "--key", &house.log_key]).output().unwrap();
    let text = String::from_utf8_lossy(&week.stdout).into_owned();
    assert!(week.status.success() && text.contains("Scope: period") && text.contains("1 recordings, 2 approvals hold") && text.contains("No entry between the first and the last is missing"), "{}", said(&week));
    // One byte of the recording, which lies in the archive as it is.
    let mut bytes = std::fs::read(&saved).unwrap();
    let name = format!("recordings/{session}.skr");
    let at = bytes.windows(name.len()).position(|part| part == name.as_bytes()).unwrap() + name.len() + 600;
    bytes[at] ^= 1;
    std::fs::write(far.path().join("changed.zip"), &bytes).unwrap();
    let changed = verify("changed.zip");
    let text = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert!(changed.status.code() == Some(1) && text.contains("NOT OK") && text.contains(&format!("first at {name}")), "{}", said(&changed));
    let key = verify("nothing.zip");
    assert!(!key.status.success() && key.stdout.is_empty(), "{}", said(&key));

    // By the console, of the period; nothing is written over.
    let out = far.path().join("period.zip").display().to_string();
    let args = ["bundle", "period", "--from", "2026-01-01T00:00", "--until", "2099-01-01T00:00", "--reason", "年次監査", "--out", &out];
    let done = house.console(&args);
    assert!(done.status.success(), "{}", said(&done));
    assert!(verify("period.zip").status.code() == Some(1), "a checkpoint that was not handed in is not joined");
    let alone = Command::new(sekisho()).args(["verify", "--bundle", &out, "--key", &house.log_key]).output().unwrap();
    assert!(alone.status.success(), "{}", said(&alone));
    assert!(!house.console(&args).status.success(), "the file is there already");
    assert!(!house.console(&["bundle", "session", "ses-aaaaaaaaaaaaaaaa", "--reason", "x", "--out", &format!("{out}.2")]).status.success());
    assert!(!std::path::Path::new(&format!("{out}.2")).exists(), "a refused bundle leaves no file");
    let listed = house.console(&["bundle", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("年次監査"), "{}", said(&listed));
}
