//! `cargo xtask bench log`: how long it takes to verify a log of a million entries, and to prove one of them.
//!
//! The peer is `sha256sum` over the same files: nobody can say that a file is unchanged without reading and hashing it.

use super::table::{Goal, Table};
use super::{build, proc};
use crate::{clone, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const USAGE: &str = "\
cargo xtask bench log [--entries N] [--binary FILE] [--json FILE]

  --entries N     how long the log is [default: 1000000, about 400 MB on disk for the time of the run]
  --binary FILE   measure this program instead of building one
  --json FILE     where the figures go [default: target/bench/log.json]
";
/// Turns of each program.
const TURNS: usize = 5;
/// Proofs that are made and checked.
const PROOFS: u64 = 2_000;
/// Seconds that verifying a million entries may take.
const WANTED: f64 = 10.0;

/// Runs the bench and prints its table.
pub fn run(root: &Path, args: &[String]) -> Result<()> {
    let mut entries = 1_000_000_u64;
    let mut binary = None;
    let mut json = clone::target(root).join("bench").join("log.json");
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args
            .next()
            .with_context(|| format!("{option} needs a value\n\n{USAGE}"))?;
        match option.as_str() {
            "--entries" => {
                entries = value
                    .parse()
                    .with_context(|| format!("{value} is no number"))?
            }
            "--binary" => binary = Some(std::path::absolute(value)?),
            "--json" => json = std::path::absolute(value)?,
            _ => bail!("{USAGE}"),
        }
    }
    let binary = match binary {
        Some(binary) => binary,
        None => build(root)?,
    };
    shell::run(shell::cargo(root).args([
        "build",
        "--locked",
        "--release",
        "-p",
        "sekisho-evidence",
        "--features",
        "bench",
        "--example",
        "long_log",
    ]))?;
    let scribe = clone::target(root).join("release/examples/long_log");
    let folder = Swept(
        clone::target(root)
            .join("bench")
            .join(format!("log-{}", std::process::id())),
    );
    fs::create_dir_all(&folder.0)?;
    let load = proc::load();
    eprintln!("xtask: writing {entries} entries");
    let key = said(
        Command::new(&scribe)
            .arg("write")
            .arg(&folder.0)
            .arg(entries.to_string()),
    )?;
    let files = files(&folder.0)?;
    let mut each: [Vec<f64>; 3] = Default::default();
    for _ in 0..TURNS {
        let began = Instant::now();
        said(Command::new("sha256sum").args(&files))?;
        each[0].push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        said(Command::new(&binary).arg("verify").arg(&folder.0).args([
            "--log-only",
            "--key",
            key.trim(),
        ]))?;
        each[2].push(began.elapsed().as_secs_f64());
    }
    let mut table = Table::default();
    let goal = Goal::AtMost(WANTED * entries as f64 / 1e6);
    table.add(
        format!("verify {entries} entries; direct is sha256sum"),
        "s",
        each,
        goal,
    );
    let micros = said(
        Command::new(&scribe)
            .arg("prove")
            .arg(&folder.0)
            .arg(PROOFS.to_string()),
    )?;
    let micros: f64 = micros.trim().parse().context("the time of a proof")?;
    table.add_own(
        "prove one entry and check it",
        "ms",
        None,
        micros / 1e3,
        Goal::AtMost(100.0),
    );
    let heading = format!(
        "cargo xtask bench log: load before {load}, after {}",
        proc::load()
    );
    print!("{}", table.text(&heading));
    table.write(&json, &heading)?;
    println!("\n{}", json.display());
    Ok(())
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Runs a program to its good end and gives what it printed.
fn said(command: &mut Command) -> Result<String> {
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{command:?}`"))?;
    if !out.status.success() {
        bail!(
            "`{}` ended with {}",
            command.get_program().display(),
            out.status
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A folder that goes with this value.
struct Swept(PathBuf);

impl Drop for Swept {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
