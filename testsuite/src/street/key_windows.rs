//! A key window with the real programs: they run as a job would run them, and can answer no prompt.

use super::house::{self, House, TARGET};
use super::program::{output, said};
use super::terminal::Person;
use serde_json::{Value, json};
use std::process::Output;
use std::time::Duration;

/// Runs a client that asks for nothing.
fn quiet(house: &House, worker: &Person, program: &str, port: &str, args: &[&str], line: &[&str]) -> Output {
    let mut command = house.terminal.command(program, worker);
    // The program that would answer a prompt is taken away, so that a login that asks cannot succeed.
    command.env_remove("SSH_ASKPASS").env("SSH_ASKPASS_REQUIRE", "never").args(["-o", "BatchMode=yes"]).args(house.terminal.options(worker)).arg(port).arg(house.terminal.port.to_string());
    output(command.args(args).arg(format!("{}+{TARGET}@127.0.0.1", worker.login)).args(line), Duration::from_secs(60))
}

fn exec(house: &House, worker: &Person) -> Output {
    quiet(house, worker, "ssh", "-p", &[], &["--", "echo hai''tta"])
}

fn sftp(house: &House, worker: &Person) -> Output {
    let batch = house.folder.join("key-window-batch");
    std::fs::write(&batch, "pwd\n").unwrap();
    quiet(house, worker, "sftp", "-P", &["-q", "-b", &batch.display().to_string()], &[])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn a_program_that_can_answer_no_prompt_works_inside_a_key_window_and_not_before_or_after() {
    let house = house::shared();
    let (worker, token) = house.worker("kwa");
    let plan = house.plan(&token, "kwa", &["exec", "sftp"]);
    for before in [exec(house, &worker), sftp(house, &worker)] {
        assert!(!before.status.success(), "nothing is open yet: {}", said(&before));
    }
    let at = |value: &Value, place: &str| value.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("no {place}: {value}")).to_owned();
    let target = at(&house.api.get(&token, &format!("/api/v1/plans/{plan}")), "/plan/content/targets/0/target");
    let key = at(&house.api.get(&token, "/api/v1/me/keys"), "/0/id");
    let window = house.api.post(&token, "/api/v1/key_windows", &json!({ "plan": plan, "target": target, "key": key, "minutes": 5 }));
    let ran = exec(house, &worker);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "haitta\n", "{}", said(&ran));
    let listed = sftp(house, &worker);
    assert!(listed.status.success(), "{}", said(&listed));
    // The hospital sees the open window, and what came through it.
    let open = house.api.get(&house.operator, "/api/v1/key_windows");
    let id = super::api::text(&window, "id");
    let seen = list(&open).iter().find(|one| super::api::text(one, "id") == id).expect("the operator sees it");
    assert_eq!(seen.get("used").and_then(Value::as_u64), Some(2), "{seen}");
    for session in house.ended("kwa", 2) {
        assert_eq!(house.session(&session).pointer("/facts/key_window").and_then(Value::as_bool), Some(true));
    }
    // Another key of the same worker is asked for its code as ever.
    let mut other = house.worker("kwb").0;
    other.login.clone_from(&worker.login);
    assert!(!exec(house, &other).status.success(), "a key of somebody else came in");
    house.api.try_call(reqwest::Method::DELETE, &format!("/api/v1/key_windows/{id}"), Some(&token), None).expect("it is closed").done();
    for after in [exec(house, &worker), sftp(house, &worker)] {
        assert!(!after.status.success(), "it was closed: {}", said(&after));
    }
}
