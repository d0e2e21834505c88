//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match sekisho::help::parse(sekisho::config::language()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match sekisho::run(cli) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("sekisho: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
