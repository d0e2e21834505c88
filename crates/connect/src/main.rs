//! `sekisho-connect`: what a worker's machine needs, and nothing of the server.

use clap::Parser;
use std::process::ExitCode;

/// 関所への接続: 端末の登録、SSH のトンネル、ssh の設定 / Connects a worker's device to Sekisho
#[derive(Debug, Parser)]
#[command(name = "sekisho-connect", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    ask: sekisho_connect::Ask,
}

fn main() -> ExitCode {
    sekisho_connect::run(&Cli::parse().ask, &[])
}
