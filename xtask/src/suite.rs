//! `cargo xtask test`: tidy, every test, then the demo's whole job, and one line that sums it up.

use crate::system::Group;
use crate::{clients, clone, demo, setup, shell, tidy, ui};
use anyhow::Result;
use std::path::Path;

/// How many checks passed and failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs everything and prints `N passed, N failed` alone on the last line. True if nothing failed.
///
/// With a filter, only the workspace's tests whose name holds it.
pub fn run(root: &Path, args: &[String]) -> Result<bool> {
    setup::run(root, &[Group::Build, Group::Demo, Group::Test])?;
    let _turn = clone::take_turn(root)?;
    ui::run(root)?;
    let clients = clients::ensure(root)?;
    let mut sum = Tally::default();
    if args.is_empty() {
        sum.add(laws(root)?);
    }
    let binary = demo::build(root)?;
    sum.add(workspace(root, &binary, &clients, args)?);
    if args.is_empty() {
        sum.add(whole_job(root, &binary)?);
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0 && sum.passed > 0)
}

/// The laws, and the tests of the program that checks them.
fn laws(root: &Path) -> Result<Tally> {
    let mut sum = Tally::default();
    match tidy::check(root) {
        Ok(rules) => {
            for rule in &rules {
                rule.print();
                if rule.broken.is_empty() {
                    sum.passed += 1
                } else {
                    sum.failed += 1
                }
            }
        }
        Err(fault) => {
            println!("tidy: {fault:#}");
            sum.failed += 1;
        }
    }
    sum.add(tests(shell::cargo(root).args([
        "test",
        "--quiet",
        "--locked",
        "--manifest-path",
        "xtask/Cargo.toml",
        "--target-dir",
        "target/xtask",
    ]))?);
    Ok(sum)
}

fn workspace(root: &Path, binary: &Path, clients: &Path, args: &[String]) -> Result<Tally> {
    tests(
        shell::cargo(root)
            .args(["test", "--locked", "--workspace", "--no-fail-fast"])
            .args(args)
            .env("SEKISHO_BIN", binary)
            .env("SEKISHO_CLIENTS", clients),
    )
}

fn whole_job(root: &Path, binary: &Path) -> Result<Tally> {
    println!("\n     Running the demo's whole job (sekisho demo --check)");
    let mut last = None;
    let status = shell::follow(
        shell::command(binary, root).args(["demo", "--check"]),
        |line| match summary(line) {
            // The suite prints one line of this form; the demo's own must not be taken for it.
            Some(tally) => {
                println!("demo: {line}");
                last = Some(tally);
            }
            None => println!("{line}"),
        },
    )?;
    Ok(judge(last, status.success()))
}

/// Runs `cargo test` and adds up its `test result:` lines.
fn tests(command: &mut std::process::Command) -> Result<Tally> {
    let mut sum: Option<Tally> = None;
    let status = shell::follow(command, |line| {
        println!("{line}");
        if let Some(tally) = result(line) {
            sum.get_or_insert_default().add(tally);
        }
    })?;
    Ok(judge(sum, status.success()))
}

/// A run that failed without naming a failure (it did not compile, it was killed) is a failure of its own, and so
/// is one that ended well without saying what it did.
fn judge(told: Option<Tally>, success: bool) -> Tally {
    let mut sum = told.unwrap_or_default();
    if (!success && sum.failed == 0) || told.is_none() {
        sum.failed += 1;
    }
    sum
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
fn result(line: &str) -> Option<Tally> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let rest = rest.split_once(". ")?.1;
    let mut tally = Tally::default();
    for part in rest.split(';') {
        match part.trim().split_once(' ') {
            Some((count, "passed")) => tally.passed = count.parse().ok()?,
            Some((count, "failed")) => tally.failed = count.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

/// Reads `5 passed, 0 failed`.
fn summary(line: &str) -> Option<Tally> {
    let (passed, failed) = line.trim().split_once(", ")?;
    Some(Tally {
        passed: passed.strip_suffix(" passed")?.parse().ok()?,
        failed: failed.strip_suffix(" failed")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_lines_are_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            result(line),
            Some(Tally {
                passed: 12,
                failed: 3
            })
        );
        assert_eq!(result("test some::name ... ok"), None);
    }

    #[test]
    fn only_the_exact_form_is_a_summary() {
        assert_eq!(
            summary("5 passed, 1 failed"),
            Some(Tally {
                passed: 5,
                failed: 1
            })
        );
        assert_eq!(summary("step 5 passed, 1 failed"), None);
        assert_eq!(summary("5 passed"), None);
    }

    #[test]
    fn a_run_that_says_nothing_or_dies_is_a_failure() {
        assert_eq!(judge(None, true).failed, 1);
        assert_eq!(judge(None, false).failed, 1);
        assert_eq!(
            judge(
                Some(Tally {
                    passed: 4,
                    failed: 0
                }),
                false
            )
            .failed,
            1
        );
        assert_eq!(
            judge(
                Some(Tally {
                    passed: 4,
                    failed: 2
                }),
                false
            )
            .failed,
            2
        );
        assert_eq!(
            judge(
                Some(Tally {
                    passed: 4,
                    failed: 0
                }),
                true
            )
            .failed,
            0
        );
    }
}
