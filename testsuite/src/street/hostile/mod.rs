//! Hostile clients in front of the built gateway. After each of them an honest login succeeds within two seconds, what they
//! said never stands raw in a log, and the gateway's memory does not keep it.

mod raw;
mod sealed;

use super::house::{House, TARGET};
use super::matrix::tool;
use super::program::{output, root, said};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// How long an honest login may take after whatever was done.
const HONEST: f64 = 2.0;

/// The login of somebody whose code was not used yet.
fn credentials(house: &House, login: &str) -> Value {
    let (worker, _) = house.at_work(login, &["shell", "exec", "sftp", "scp"]);
    json!({ "login": format!("{login}+{TARGET}"), "key": worker.key_file, "code": worker.phone.code() })
}

/// Runs `hostile.py` with what it shall do, and gives its lines.
fn script(house: &House, how: &Value) -> Value {
    let mut command = Command::new(tool("python3"));
    command.arg(root().join("testsuite/src/street/hostile/hostile.py")).arg(house.terminal.port.to_string()).arg(how.to_string());
    let done = output(&mut command, Duration::from_secs(240));
    assert!(done.status.success(), "{}", said(&done));
    serde_json::from_slice(&done.stdout).unwrap_or_else(|fault| panic!("no JSON: {fault}: {}", said(&done)))
}

/// Logs in as anybody would and runs a command; tells how long the login took.
fn honest(house: &House, login: &str) -> f64 {
    let told = script(house, &json!([{ "attack": "honest", "who": credentials(house, login) }]));
    told.pointer("/0/login_seconds").and_then(Value::as_f64).unwrap_or_else(|| panic!("no login: {told}"))
}

/// The gateway's own log has whole lines of its own only, and no byte that moves a cursor.
fn log_is_clean(house: &House) {
    let log = std::fs::read_to_string(house.folder.join("sekisho.log")).expect("the log is text");
    assert!(!log.contains('\u{1b}'), "an escape stands in the log");
    assert!(log.lines().all(|line| line.len() < 8_000), "a line of what a stranger sent stands in the log");
    assert!(log.lines().all(|line| !line.trim_start().starts_with("FORGED")), "a stranger wrote a line of the log");
}
