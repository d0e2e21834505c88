//! `cargo xtask crash`: the tests that kill the box and take the power from its disk, as often as it is asked.

use crate::system::Group;
use crate::{clients, clone, demo, setup, shell};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Each test of the testsuite that asks how often, and nothing else.
const TESTS: &[&str] = &[
    "outside::kills::",
    "street::crash::sessions_that_are_killed_at_any_moment",
];

/// Builds what they need and runs them one after the other, showing what they measured.
pub fn run(root: &Path, args: &[String]) -> Result<bool> {
    let runs: u32 = match args {
        [] => 300,
        [name, number] if name == "--runs" => {
            number.parse().context("--runs names a number")?
        }
        _ => bail!("crash [--runs N]"),
    };
    setup::run(root, &[Group::Build, Group::Demo, Group::Test])?;
    let _turn = clone::take_turn(root)?;
    let clients = clients::ensure(root)?;
    let binary = demo::build(root)?;
    let mut well = true;
    for test in TESTS {
        let status = shell::status(
            shell::cargo(root)
                .args(["test", "--locked", "--workspace", "--test", "testsuite"])
                .args([test, "--", "--nocapture", "--test-threads=1"])
                .env("SEKISHO_BIN", &binary)
                .env("SEKISHO_CLIENTS", &clients)
                .env("SEKISHO_CRASH_RUNS", runs.to_string()),
        )?;
        well &= status.success();
    }
    Ok(well)
}
