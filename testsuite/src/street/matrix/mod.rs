//! The matrix: real clients times functions, each row run against the target's own server and through the gateway. What
//! differs and is not on the list of what policy refuses is a failure.

mod ansible;
mod audit;
mod exec;
mod files;
mod forwards;
mod git;
mod large;
mod mount;
mod outcome;
mod putty;
mod python;
mod rights;
mod site;
mod sync;
mod terminals;

use super::house::House;
use outcome::{Done, Outcome};
pub use python::tool;
use site::Site;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

/// One thing that one client does.
struct Row {
    client: &'static str,
    function: String,
    run: Box<dyn Fn(&Site<'_>) -> Outcome>,
}

fn row(client: &'static str, function: impl Into<String>, run: impl Fn(&Site<'_>) -> Outcome + 'static) -> Row {
    Row { client, function: function.into(), run: Box::new(run) }
}

/// What policy refuses, or changes on purpose: the only differences that may be. A row stands here with its reason, and
/// must differ: what has become equal is taken off the list.
const BY_POLICY: &[(&str, &str, &str)] = &[
    ("OpenSSH ssh", "subsystem that nobody knows", "only the subsystem sftp can be switched on; the refusal is told by its code"),
    ("OpenSSH ssh", "command of 100 kB", "a command is bounded by EXEC_BYTES"),
    ("OpenSSH ssh", "local forward not in the plan", "forwards go to the hosts and ports that the plan names"),
    ("OpenSSH ssh", "remote forward", "refused always"),
    ("OpenSSH ssh", "dynamic forward", "refused always"),
    (ANY, rights::REFUSED, "the plan allows only some rights with files"),
    (ANY, forwards::ELSEWHERE, "forwards go to the hosts and ports that the plan names"),
    ("asyncssh", "forward not in the plan", "forwards go to the hosts and ports that the plan names"),
];

/// Every client, in the list above.
const ANY: &str = "any";

/// Why policy makes a row differ.
fn reason(row: &Row) -> Option<&'static str> {
    let fits = |client: &str, function: &str| (client == ANY || client == row.client) && function == row.function;
    BY_POLICY.iter().find(|(client, function, _)| fits(client, function)).map(|(_, _, reason)| *reason)
}

/// The house of the whole matrix; its sessions would crowd out those of other tests from the lists they read.
fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(House::kept)
}

/// Runs the rows of one client family on both ways, shows the table, and fails on what differs without a reason.
fn compare(direct: &Site<'_>, through: &Site<'_>, rows: &[Row]) {
    let mut table = String::new();
    let mut wrong = Vec::new();
    for row in rows {
        let begun = Instant::now();
        let straight = (row.run)(direct);
        let straight_took = begun.elapsed();
        let begun = Instant::now();
        let guarded = (row.run)(through);
        let guarded_took = begun.elapsed();
        let reason = reason(row);
        let differences = straight.differences(&guarded);
        wrong.extend(straight.unmet().iter().chain(guarded.unmet()).map(|unmet| format!("{} | {}\n  {unmet}", row.client, row.function)));
        let verdict = match (&straight.done, &guarded.done, reason) {
            (Done::NotHere(why), _, _) | (_, Done::NotHere(why), _) => format!("not run here: {why}"),
            (_, _, None) if differences.is_empty() => "none".to_owned(),
            (_, _, Some(reason)) if !differences.is_empty() => format!("policy: {reason}"),
            (_, _, Some(_)) => {
                wrong.push(format!("{} | {}: policy should refuse it, and nothing differs\n{guarded}", row.client, row.function));
                "NOT REFUSED".to_owned()
            }
            (_, _, None) => {
                wrong.push(format!("{} | {}\n{}", row.client, row.function, differences.join("\n")));
                "DIFFERENT".to_owned()
            }
        };
        let _ = writeln!(
            table,
            "{} | {} | {} ({:.1} s) | {} ({:.1} s) | {verdict}",
            row.client,
            row.function,
            straight.short(),
            straight_took.as_secs_f32(),
            guarded.short(),
            guarded_took.as_secs_f32()
        );
    }
    // Past the capturing of the test's own output: the table is what this test is for.
    let _ = std::io::stdout().lock().write_all(format!("\nclient | function | direct | through | difference\n{table}").as_bytes());
    assert!(wrong.is_empty(), "{} of {} rows differ without a reason:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}
