//! `sekisho-connect`: what a worker's machine needs, and nothing of the server.

use clap::Parser;
use sekisho_connect::help::{self, Words};
use std::process::ExitCode;

/// Connects a worker's device to the Sekisho (関所) of a hospital
#[derive(Debug, Parser)]
#[command(name = "sekisho-connect", version, max_term_width = 100, after_help = "Next: on a new device run `enrol` with the code from the hospital, then `login`.")]
struct Cli {
    #[command(subcommand)]
    ask: sekisho_connect::Ask,
}

fn main() -> ExitCode {
    match help::parse::<Cli>(sekisho_connect::language(), &Words::read(&[help::TABLE])) {
        Ok(cli) => sekisho_connect::run(&cli.ask, &[]),
        Err(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_sentence_of_the_help_has_japanese_words() {
        assert_eq!(Words::read(&[help::TABLE]).gaps(Cli::command()), [String::new(); 0]);
    }

    #[test]
    fn japanese_help_fits_the_terminal() {
        for width in [80, 100] {
            assert_eq!(help::flaws::<Cli>(&Words::read(&[help::TABLE]), width), [String::new(); 0]);
        }
    }
}
