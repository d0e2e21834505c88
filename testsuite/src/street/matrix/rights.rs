//! The rights with files, one by one: what a plan allows goes as it goes directly, and what it does not allow is refused
//! with its code and stands in the log, whatever the client.

use super::outcome::Outcome;
use super::putty;
use super::python;
use super::site::{Site, run};
use super::{Row, compare, house, row};
use crate::street::program::wait_for;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// The rows that policy makes differ.
pub const REFUSED: &str = "a right that the plan does not give";
/// The code of the refusal.
const CODE: &str = "SKS-4301";

/// Something done with a file, by the name of the right that it needs.
struct Act {
    right: &'static str,
    /// How the log names it.
    asked: &'static str,
    sftp: &'static str,
    psftp: &'static str,
}

const ACTS: [Act; 4] = [
    Act { right: "download", asked: "sftp get", sftp: "get THERE/down HERE/down", psftp: "get THERE/down HERE/down" },
    Act { right: "upload", asked: "sftp put", sftp: "put HERE/up THERE/up", psftp: "put HERE/up THERE/up" },
    Act { right: "delete", asked: "sftp remove", sftp: "rm THERE/gone", psftp: "del THERE/gone" },
    Act { right: "rename", asked: "sftp rename", sftp: "rename THERE/old THERE/new", psftp: "mv THERE/old THERE/new" },
];

/// The clients, each with how it does some of the acts: what it said is a fact for each.
type Client = fn(&Site<'_>, &[&Act], &Path, &Path) -> Vec<(String, String)>;
const CLIENTS: [(&str, Client); 4] = [("OpenSSH sftp", openssh), ("PuTTY psftp", psftp), ("asyncssh", asyncssh), ("Paramiko", paramiko)];

fn script(site: &Site<'_>, lines: impl Iterator<Item = &'static str>, here: &Path, there: &Path) -> std::path::PathBuf {
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let file = site.folder.join("acts.batch");
    std::fs::write(&file, text.replace("THERE", &there.display().to_string()).replace("HERE", &here.display().to_string())).expect("the batch");
    file
}

fn told(done: &Output) -> Vec<(String, String)> {
    vec![("exit".into(), done.status.to_string()), ("out".into(), python::text(&done.stdout)), ("err".into(), python::text(&done.stderr))]
}

fn openssh(site: &Site<'_>, acts: &[&Act], here: &Path, there: &Path) -> Vec<(String, String)> {
    // One failure ends a batch, so each act has one of its own.
    let each = acts.iter().flat_map(|act| {
        let file = script(site, std::iter::once(act.sftp), here, there);
        told(&run(site.alone("sftp").arg("-q").arg("-b").arg(file).arg(site.place())))
    });
    each.enumerate().map(|(number, (name, words))| (format!("{number}.{name}"), words)).collect()
}

fn psftp(site: &Site<'_>, acts: &[&Act], here: &Path, there: &Path) -> Vec<(String, String)> {
    let file = script(site, acts.iter().map(|act| act.psftp), here, there);
    // `-be`: the batch goes on after a failure.
    let mut facts = told(&run(putty::quiet(site, "psftp").arg("-be").arg("-b").arg(file).arg("127.0.0.1")));
    // What stands before the login is of the login: the name, and the words of the house.
    let greeting = |line: &&str| !["Using username", "Pre-auth", "| ", "End of banner"].iter().any(|start| line.starts_with(start));
    for (_, words) in facts.iter_mut().filter(|(name, _)| name == "err") {
        *words = words.lines().filter(greeting).collect::<Vec<_>>().join("\n");
    }
    facts
}

fn by_library(site: &Site<'_>, library: &str, acts: &[&Act], here: &Path, there: &Path) -> Vec<(String, String)> {
    let acts: Vec<&str> = acts.iter().map(|act| act.right).collect();
    python::single(site, library, &json!({ "acts": acts, "here": here, "there": there }))
}

fn asyncssh(site: &Site<'_>, acts: &[&Act], here: &Path, there: &Path) -> Vec<(String, String)> {
    by_library(site, "asyncssh", acts, here, there)
}

fn paramiko(site: &Site<'_>, acts: &[&Act], here: &Path, there: &Path) -> Vec<(String, String)> {
    by_library(site, "Paramiko", acts, here, there)
}

/// Does these acts with fresh files, and tells what was said and what lies where.
fn done(site: &Site<'_>, client: Client, acts: &[&Act]) -> (Outcome, String) {
    let (here, there) = (site.fresh("acts-here"), site.fresh("acts-there"));
    for (folder, name) in [(&here, "up"), (&there, "down"), (&there, "gone"), (&there, "old")] {
        std::fs::write(folder.join(name), super::exec::noise(200_000)).expect("a file");
    }
    let facts = client(site, acts, &here, &there);
    let said: String = facts.iter().map(|(name, words)| format!("{name}: {words}\n")).collect();
    let outcome = facts.into_iter().fold(Outcome::new(), |outcome, (name, words)| outcome.fact(&name, words));
    (site.neutral(outcome.tree("here", &here).tree("there", &there)), said)
}

/// What the log holds of refusals in all sessions of the site's worker.
fn refusals(site: &Site<'_>) -> Vec<String> {
    let sessions = site.house.sessions(site.worker());
    let ids = sessions.iter().filter_map(|row| row.pointer("/facts/session").and_then(Value::as_str));
    let entries = ids.flat_map(|id| site.house.session(id).pointer("/entries").and_then(Value::as_array).cloned().unwrap_or_default());
    entries.map(|entry| entry.to_string()).filter(|entry| entry.contains("refused_inside")).collect()
}

/// Waits for an entry about a refusal that names this.
fn written(site: &Site<'_>, before: usize, needle: &str) {
    wait_for(&format!("the log tells of {needle}"), Duration::from_secs(15), || refusals(site).into_iter().skip(before).any(|entry| entry.contains(needle)).then_some(()));
}

fn rows(allowed: &'static [&'static str]) -> Vec<Row> {
    let split = move |wanted: bool| ACTS.iter().filter(move |act| allowed.contains(&act.right) == wanted).collect::<Vec<_>>();
    let each = CLIENTS.into_iter().flat_map(|(name, client)| {
        [
            row(name, format!("rights that the plan gives: {}", allowed.join(", ")), move |site| done(site, client, &split(true)).0),
            row(name, REFUSED, move |site| {
                let acts = split(false);
                let before = if site.is_guarded() { refusals(site).len() } else { 0 };
                let (outcome, said) = done(site, client, &acts);
                if !site.is_guarded() {
                    return outcome;
                }
                for act in &acts {
                    written(site, before, act.asked);
                }
                let there = site.folder.join("acts-there");
                let untouched = ["down", "gone", "old"].iter().all(|name| there.join(name).exists()) && !there.join("up").exists() && !there.join("new").exists();
                let taken = std::fs::metadata(site.folder.join("acts-here/down")).is_ok_and(|data| data.len() > 0);
                outcome.must("the code is told", said.contains(CODE), &said).must("nothing was done", untouched && !taken, &said)
            }),
        ]
    });
    each.collect()
}

/// One plan with these rights, every client under it.
fn all(login: &str, allowed: &'static [&'static str]) {
    let direct = Site::direct(house(), login);
    let through = Site::in_key_window(house(), login, &json!({ "functions": ["sftp"], "files": allowed }));
    compare(&direct, &through, &rows(allowed));
}

#[test]
fn a_plan_that_allows_only_taking_files() {
    all("mxra", &["download"]);
}

#[test]
fn a_plan_that_allows_only_bringing_files() {
    all("mxrb", &["upload"]);
}

#[test]
fn a_plan_that_allows_everything_but_deleting() {
    all("mxrc", &["download", "upload", "rename"]);
}

#[test]
fn a_plan_that_allows_everything_but_renaming() {
    all("mxrd", &["download", "upload", "delete"]);
}
