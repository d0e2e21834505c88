//! The one binary.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = sekisho::cli::Cli::parse();
    match sekisho::run(cli) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("sekisho: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
