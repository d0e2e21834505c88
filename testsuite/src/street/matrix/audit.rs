//! What an auditor's program finds in the algorithms that the gateway speaks.

use super::python::{text, tool};
use super::site::script;
use crate::street::house;
use crate::street::program::{output, said};
use std::process::Command;
use std::time::Duration;

/// What ssh-audit's own opinion complains of. Each stands with its reason in `ssh-audit.policy`; a new complaint is a
/// failure, and so is one that is gone.
const KNOWN: &[&str] = &["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "ecdsa-sha2-nistp256"];

fn audit(words: &[&str]) -> std::process::Output {
    let port = house::shared().terminal.port.to_string();
    let mut audit = Command::new(tool("ssh-audit"));
    // The rate of new connections is the affair of the hostile clients' tests.
    output(audit.args(["--skip-rate-test", "--no-colors", "-p", &port]).args(words).arg("127.0.0.1"), Duration::from_secs(60))
}

#[test]
fn ssh_audit_finds_what_was_decided_and_nothing_else() {
    let policy = script("ssh-audit.policy").display().to_string();
    let done = audit(&["--policy", &policy]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let opinion = text(&audit(&["--level=fail"]).stdout);
    let failed: Vec<&str> = opinion.lines().filter(|line| line.contains("[fail]")).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(failed, KNOWN, "{opinion}");
}
