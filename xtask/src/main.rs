//! The project's commands: `cargo xtask demo`, `cargo xtask test` and their parts.
//!
//! It stands outside the workspace because the workspace resolves only after `setup` has laid the patched
//! SSH library, and it has few dependencies so that a fresh machine has it in seconds.

mod bench;
mod clients;
mod clone;
mod crash;
mod demo;
mod freeze;
mod setup;
mod shell;
mod suite;
mod system;
mod tidy;
mod ui;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const MENU: &str = "\
cargo xtask COMMAND

  setup               lay the patched SSH library, install what the machine and the tests' clients lack
  ui                  build the browser modules into ui/dist
  demo [OPTIONS]      build all, then run the small hospital (sekisho demo OPTIONS)
      --check           do the whole job without a person and print each step
      --facts FILE      write addresses, logins and secrets as JSON
  test [FILTER]       tidy, every test, then demo --check; FILTER runs only the tests whose name holds it
  ci                  what .ci/run calls: the same as test
  crash [--runs N]    kill the box and take the power from its disk N times (300), and say what was lost
  tidy                check the laws that a tool can check
  bench ssh [OPTIONS] how fast a session is, beside a direct connection and a jump host (--quick, --only MEASURE)
  bench log [OPTIONS] how long a log of a million entries takes to verify, beside sha256sum of its files (--entries N)
  freeze              add the digests of new SQL migrations to crates/store/migrations/FROZEN
  screenshots         take the screenshots of the README (npm run screens in ui/)
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let root = root();
    let done = match command.as_str() {
        "setup" => setup::run(
            &root,
            &[
                system::Group::Build,
                system::Group::Demo,
                system::Group::Test,
            ],
        )
        .and_then(|()| clients::ensure(&root).map(drop)),
        "ui" => ui::run(&root),
        "demo" => demo::run(&root, &rest),
        "test" | "ci" => return report(suite::run(&root, &rest)),
        "tidy" => return report(tidy::run(&root)),
        "crash" => return report(crash::run(&root, &rest)),
        "bench" => bench::run(&root, &rest),
        "freeze" => freeze::run(&root),
        "screenshots" => ui::screenshots(&root),
        "" | "help" | "--help" | "-h" => {
            print!("{MENU}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("xtask: there is no command {other:?}\n\n{MENU}");
            return ExitCode::from(2);
        }
    };
    report(done.map(|()| true))
}

fn report(done: anyhow::Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("xtask: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the clone: the parent of this package.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The compiled-in path is wrong when one target folder serves several clones, so cargo's word of this run
    // goes first.
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| here.to_path_buf(), PathBuf::from);
    here.parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
