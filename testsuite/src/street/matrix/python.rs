//! asyncssh and Paramiko: libraries that vendors build their tools on. One script each does every case on one connection
//! and prints what it came to.

use super::outcome::Outcome;
use super::site::{Site, both, run, script};
use super::{compare, house, row};
use crate::street::program::{root, said};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// A program of the Python clients that `cargo xtask setup` installed.
#[allow(clippy::disallowed_methods, reason = "the test command names the folder that it filled")]
pub fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("SEKISHO_CLIENTS").map_or_else(|| root().join("target/clients/bin"), PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

/// `on_terminal.py`, whose own arguments follow.
pub fn on_terminal(site: &Site<'_>) -> Command {
    let mut command = site.plain(tool("python3"));
    command.arg(script("on_terminal.py"));
    command
}

/// What was said, for comparing with words.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a script on a site and gives its cases.
fn cases(site: &Site<'_>, name: &str) -> Value {
    let folder = site.fresh("work");
    let how = json!({
        "port": site.port, "login": site.login, "key": site.key, "code": site.code(), "folder": folder, "behind": house().host.port,
    });
    let mut command = site.plain(tool("python3"));
    let done = run(command.arg(script(name)).arg(how.to_string()));
    let said = said(&done);
    assert!(done.status.success(), "{name} on the way {}: {said}", site.name);
    let value: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|fault| panic!("{name} prints no JSON: {fault}: {said}"));
    let neutral = value.to_string().replace(&folder.display().to_string(), "FOLDER");
    serde_json::from_str(&neutral).expect("the same JSON")
}

/// Runs single acts by a library on a site, and gives what each came to.
pub fn single(site: &Site<'_>, library: &str, what: &Value) -> Vec<(String, String)> {
    let mut how = json!({ "library": library, "port": site.port, "login": site.login, "key": site.key });
    for (name, value) in what.as_object().into_iter().flatten() {
        how[name] = value.clone();
    }
    let mut command = site.plain(tool("python3"));
    let done = run(command.arg(script("with_rights.py")).arg(how.to_string()));
    assert!(done.status.success(), "{library} on the way {}: {}", site.name, said(&done));
    let value: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|fault| panic!("{library} prints no JSON: {fault}: {}", said(&done)));
    let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), words(value))).collect()
}

fn outcome(cases: &Value, name: &str) -> Outcome {
    let Some(facts) = cases.get(name).and_then(Value::as_object) else { return Outcome::new().fact("case", "missing") };
    facts.iter().fold(Outcome::new(), |outcome, (name, value)| outcome.fact(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn all(client: &'static str, file: &str, login: &str) {
    let (direct, through) = both(house(), login);
    let (straight, guarded) = (cases(&direct, file), cases(&through, file));
    let names: Vec<String> = straight.as_object().expect("cases by name").keys().cloned().collect();
    let rows: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (straight, guarded) = (straight.clone(), guarded.clone());
            let case = name.clone();
            row(client, name, move |site| outcome(if site.is_guarded() { &guarded } else { &straight }, &case))
        })
        .collect();
    compare(&direct, &through, &rows);
}

#[test]
fn asyncssh_does_through_the_gateway_what_it_does_directly() {
    all("asyncssh", "with_asyncssh.py", "mxy");
}

#[test]
fn paramiko_does_through_the_gateway_what_it_does_directly() {
    all("Paramiko", "with_paramiko.py", "mxk");
}
