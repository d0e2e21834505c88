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
    let own = tests(shell::cargo(root).args([
        "test",
        "--quiet",
        "--locked",
        "--manifest-path",
        "xtask/Cargo.toml",
        "--target-dir",
        "target/xtask",
    ]))?;
    sum.add(own.tally);
    Ok(sum)
}

/// The workspace's tests. Real servers on a busy machine now and then let one test wait too long: up to
/// [`AGAIN`] red tests run once more, with nothing beside them, and what is green then is told as unsteady.
fn workspace(root: &Path, binary: &Path, clients: &Path, args: &[String]) -> Result<Tally> {
    let run = |args: &[String]| {
        tests(
            shell::cargo(root)
                .args(["test", "--locked", "--workspace", "--no-fail-fast"])
                .args(args)
                .env("SEKISHO_BIN", binary)
                .env("SEKISHO_CLIENTS", clients),
        )
    };
    let first = run(args)?;
    if !first.deserves_another_look() {
        return Ok(first.tally);
    }
    println!("\n     Running what was red once more, by itself");
    let again = ["--", "--exact", "--test-threads=1"].map(String::from);
    let second = run(&[&again[..], &first.red].concat())?;
    let told = first.after(&second);
    if told != first.tally {
        for name in first.red.iter().filter(|name| !second.red.contains(name)) {
            println!("UNSTEADY: {name} was red beside the others and green by itself: find out why");
        }
    }
    Ok(told)
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

/// The most red tests that run once more. More than that is no accident.
const AGAIN: usize = 3;

/// What a run of `cargo test` came to.
struct Run {
    tally: Tally,
    /// The names of the tests that failed.
    red: Vec<String>,
    /// A program of tests began and told no result: it was killed, and whom it had still to run nobody knows.
    cut_short: bool,
}

impl Run {
    /// Whether the failures are few, and all of them tests that have a name.
    fn deserves_another_look(&self) -> bool {
        !self.cut_short && (1..=AGAIN).contains(&self.red.len()) && self.tally.failed == self.red.len() as u64
    }

    /// The sum, once the red tests ran again: those that are green now have passed.
    fn after(&self, second: &Run) -> Tally {
        let still = second.tally.failed.min(self.tally.failed);
        let all_ran = second.tally.passed + second.tally.failed >= self.tally.failed;
        let green = if all_ran { self.tally.failed - still } else { 0 };
        Tally { passed: self.tally.passed + green, failed: self.tally.failed - green }
    }
}

/// Runs `cargo test`, adds up its `test result:` lines and notes who failed.
fn tests(command: &mut std::process::Command) -> Result<Run> {
    let mut sum: Option<Tally> = None;
    let (mut red, mut under_way) = (Vec::new(), 0_i64);
    let status = shell::follow(command, |line| {
        println!("{line}");
        if let Some(tally) = result(line) {
            sum.get_or_insert_default().add(tally);
            under_way -= 1;
        }
        under_way += i64::from(begins(line));
        red.extend(failure(line).map(str::to_owned));
    })?;
    Ok(Run { tally: judge(sum, status.success()), red, cut_short: under_way != 0 })
}

/// Reads the first line of a program of tests: `running 5 tests`.
fn begins(line: &str) -> bool {
    let count = line.strip_prefix("running ").and_then(|rest| rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test")));
    count.is_some_and(|count| count.parse::<u64>().is_ok())
}

/// Reads the heading of what a failed test said: `---- some::name stdout ----`.
fn failure(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" stdout ----")?;
    (!name.contains(' ')).then_some(name)
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
        assert_eq!(failure("---- some::name stdout ----"), Some("some::name"));
        assert_eq!(failure("---- some - (line 5) stdout ----"), None);
        assert!(begins("running 5 tests") && begins("running 1 test") && !begins("running some tests") && !begins("test running 5 tests ... ok"));
    }

    #[test]
    fn few_red_tests_run_again_and_many_do_not() {
        let run = |passed, failed, red: &[&str]| Run {
            tally: Tally { passed, failed },
            red: red.iter().map(|name| (*name).to_owned()).collect(),
            cut_short: false,
        };
        let first = run(10, 2, &["a", "b"]);
        assert!(first.deserves_another_look());
        assert_eq!(first.after(&run(2, 0, &[])), Tally { passed: 12, failed: 0 });
        assert_eq!(first.after(&run(1, 1, &["b"])), Tally { passed: 11, failed: 1 });
        assert_eq!(first.after(&run(0, 1, &[])), Tally { passed: 10, failed: 2 });
        assert!(!run(10, 0, &[]).deserves_another_look());
        assert!(!run(10, 4, &["a", "b", "c", "d"]).deserves_another_look());
        // One program was killed, and another one had a red test: what the first did not run is not forgotten.
        assert!(!Run { cut_short: true, ..run(10, 1, &["a"]) }.deserves_another_look());
        // It did not compile, or was killed: nobody to run again.
        assert!(!run(10, 1, &[]).deserves_another_look());
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
