//! `cargo xtask bench`: ratios against a direct connection or a peer, measured in the same run.
//!
//! `bench ssh` says how fast a session through Sekisho is, beside a direct connection and OpenSSH's ProxyJump. The three
//! roads lead to the same server, with the same clients and the same cipher, and take turns inside one run, so that
//! what else happens on the machine falls on all of them. Sekisho is the optimised program with recording on.

mod api;
mod bulk;
mod client;
mod echo;
mod house;
mod log;
mod memory;
mod proc;
mod sessions;
mod table;

use crate::{clone, setup, shell, system::Group, ui};
use anyhow::{Context, Result, bail};
use house::House;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::Table;

/// A run that takes longer hangs, and is ended.
const LONGEST: Duration = Duration::from_secs(12 * 60);

const USAGE: &str = "\
cargo xtask bench ssh [--quick] [--only MEASURE]... [--cipher NAME] [--keep WHICH] [--binary FILE] [--json FILE]

  --quick           smaller and fewer: a minute or two, for a first look
  --only MEASURE    memory, stall, exec, sftp, scp, flood, echo, sessions or terminals; may be said again
  --cipher NAME     what all legs of the client speak [default: aes256-gcm@openssh.com]
  --keep WHICH      contents of files that go into the recording, as policy.keep_files says [default: none]
  --binary FILE     measure this program instead of building one
  --json FILE       where the figures go [default: target/bench/ssh.json]
";

/// How much is measured.
pub struct Size {
    /// Times that each road is taken.
    pub rounds: usize,
    /// MiB of one transfer.
    pub mib: usize,
    /// Keystrokes.
    pub keys: usize,
    /// Workers that are made; each can log in once in half a minute.
    pub workers: usize,
    /// Idle sessions.
    pub idle: usize,
    /// Sessions opened one after the other, and by twenty at once, each round.
    pub serial: usize,
    pub at_once: usize,
    /// Terminals that draw.
    pub terminals: usize,
    /// Seconds for which they do.
    pub drawing: u64,
}

const FULL: Size = Size {
    rounds: 5,
    mib: 384,
    keys: 1000,
    workers: 96,
    idle: 60,
    serial: 10,
    at_once: 60,
    terminals: 200,
    drawing: 30,
};

const QUICK: Size = Size {
    rounds: 3,
    mib: 128,
    keys: 300,
    workers: 24,
    idle: 20,
    serial: 5,
    at_once: 20,
    terminals: 40,
    drawing: 10,
};

const MEASURES: [&str; 9] = [
    "memory",
    "stall",
    "exec",
    "sftp",
    "scp",
    "flood",
    "echo",
    "sessions",
    "terminals",
];

struct Options {
    size: Size,
    quick: bool,
    only: Vec<String>,
    cipher: String,
    keep: String,
    binary: Option<PathBuf>,
    json: PathBuf,
}

/// Runs one of the benches and prints its table.
pub fn run(root: &Path, args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "ssh" => ssh(root, rest),
        Some((what, rest)) if what == "log" => log::run(root, rest),
        _ => bail!("bench ssh or bench log"),
    }
}

/// A session beside two other roads.
fn ssh(root: &Path, args: &[String]) -> Result<()> {
    let options = options(root, args)?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build(root)?,
    };
    if shell::find("curl").is_none() {
        bail!("curl is missing: install it (Debian: curl)");
    }
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        eprintln!("xtask: the bench hangs and is ended");
        std::process::exit(1);
    });
    let began = Instant::now();
    let folder = clone::target(root)
        .join("bench")
        .join(format!("street-{}", std::process::id()));
    let load = proc::load();
    let chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|one| one == name);
    eprintln!(
        "xtask: building the street ({} workers)",
        options.size.workers
    );
    let house = House::open(
        &binary,
        folder,
        &options.cipher,
        options.size.workers,
        &options.keep,
    )?;
    let mut table = Table::default();
    // Memory first: a process that has carried much keeps room that would hide what a session takes.
    for name in MEASURES.into_iter().filter(|name| chosen(name)) {
        eprintln!("xtask: {name} ({} s)", began.elapsed().as_secs());
        let size = &options.size;
        let done = match name {
            "memory" => memory::idle(&house, size, &mut table),
            "stall" => memory::stall(&house, size, &mut table),
            "echo" => echo::measure(&house, size, &mut table),
            "sessions" => sessions::opened(&house, size, &mut table),
            "terminals" => sessions::terminals(&house, size, &mut table),
            bulk => bulk::measure(&house, size, bulk, &mut table),
        };
        done.with_context(|| format!("the measure {name}"))?;
    }
    drop(house);
    let heading = format!(
        "cargo xtask bench ssh{}: {} s, cipher {}, contents kept: {}, load before {load}, after {}",
        if options.quick { " --quick" } else { "" },
        began.elapsed().as_secs(),
        options.cipher,
        options.keep,
        proc::load()
    );
    print!("{}", table.text(&heading));
    table.write(&options.json, &heading)?;
    println!("\n{}", options.json.display());
    Ok(())
}

fn options(root: &Path, args: &[String]) -> Result<Options> {
    let mut args = args.iter();
    let mut options = Options {
        size: FULL,
        quick: false,
        only: Vec::new(),
        cipher: "aes256-gcm@openssh.com".to_owned(),
        keep: "none".to_owned(),
        binary: None,
        json: clone::target(root).join("bench").join("ssh.json"),
    };
    while let Some(option) = args.next() {
        let mut value = || {
            args.next()
                .with_context(|| format!("{option} needs a value\n\n{USAGE}"))
        };
        match option.as_str() {
            "--quick" => (options.size, options.quick) = (QUICK, true),
            "--only" => options.only.push(value()?.clone()),
            "--cipher" => options.cipher = value()?.clone(),
            "--keep" => options.keep = value()?.clone(),
            "--binary" => options.binary = Some(std::path::absolute(value()?)?),
            "--json" => options.json = std::path::absolute(value()?)?,
            _ => bail!("{USAGE}"),
        }
    }
    if let Some(unknown) = options
        .only
        .iter()
        .find(|name| !MEASURES.contains(&name.as_str()))
    {
        bail!("there is no measure {unknown:?}\n\n{USAGE}");
    }
    Ok(options)
}

/// Builds the optimised program, with its symbols, so that a profiler can name what it sees.
fn build(root: &Path) -> Result<PathBuf> {
    setup::run(root, &[Group::Build, Group::Demo])?;
    ui::run(root)?;
    shell::run(
        shell::cargo(root)
            .args(["rustc", "--locked", "--release", "-p", "sekisho"])
            .args(["--bin", "sekisho", "--", "-C", "strip=none"]),
    )?;
    Ok(clone::target(root).join("release").join("sekisho"))
}
