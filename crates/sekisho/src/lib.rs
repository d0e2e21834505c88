//! The roof: configuration, wiring, jobs and commands. Knows no rules of the domain.

pub mod admin;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod directories;
pub mod doctor;
pub mod gathering;
pub mod help;
pub mod outside;
pub mod post;
mod receivers;
pub mod serve;
pub mod setup;
mod syslog_keys;
pub mod telemetry;
pub mod timekeeping;
pub mod timestamps;
pub mod verify;
pub mod witness;

use anyhow::{Context, Result};
use cli::{Cli, Command, ConfigCommand};
use config::Config;
use std::io::Write;
use std::process::ExitCode;

/// Does what the command line asks.
///
/// # Errors
/// Whatever stands in the way, as a sentence for the person at the console.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut help::command(config::language()), "sekisho", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Man { folder } => {
            return help::manual(config::language(), folder).map(|()| ExitCode::SUCCESS);
        }
        Command::Config(ConfigCommand::Example) => {
            std::io::stdout().write_all(config::EXAMPLE.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        // These are a worker's: no configuration of the server is read.
        Command::Connect(ask) => return Ok(sekisho_connect::run(ask, &["connect"])),
        Command::SshConfig(args) => return Ok(sekisho_connect::run(&sekisho_connect::Ask::SshConfig(args.clone()), &["connect"])),
        // On a machine without a network there is no configuration.
        Command::Ca(admin::ca::CaCommand::Sign(args)) => return admin::ca::sign(args).map(|()| ExitCode::SUCCESS),
        // Neither is a server's: an auditor has the file and the key, and no configuration.
        Command::AuditorKey(command) => return admin::recording::auditor_key(command, cli.json).map(|()| ExitCode::SUCCESS),
        Command::Recording(admin::recording::RecordingCommand::Open { file, identity, agreement, output }) => {
            return admin::recording::open(file, identity, agreement.as_deref(), output.as_deref(), cli.json).map(|()| ExitCode::SUCCESS);
        }
        Command::Recording(admin::recording::RecordingCommand::Agree(args)) => return admin::recording::agree(args, cli.json).map(|()| ExitCode::SUCCESS),
        // A witness is another host's.
        Command::Witness(_) => {
            let Command::Witness(command) = cli.command else { unreachable!("it was looked at a line before") };
            return witness::run(command, cli.json);
        }
        Command::Verify(args) if args.folder.is_some() || args.bundle.is_some() => return verify::run(args, None, cli.json),
        _ => {}
    }
    if let Command::Demo(args) = &cli.command {
        serve::start_tracing("warn", None);
        return runtime()?.block_on(demo::run(args));
    }
    let config = Config::load(cli.config.as_deref())?;
    let traces = if matches!(cli.command, Command::Serve) { telemetry::prepare(&config)? } else { None };
    let (layer, exporter) = traces.map_or((None, None), |(layer, exporter)| (Some(layer), Some(exporter)));
    serve::start_tracing(&config.log.level, layer);
    match cli.command {
        Command::Config(_) => {
            // What can only be seen in the files that it names.
            post::courier(&config)?;
            outside::places(&config)?;
            let clock: std::sync::Arc<dyn sekisho_core::time::Clock> = std::sync::Arc::new(clock::SystemClock);
            archive::vault(&config, &clock)?;
            telemetry::prepare(&config)?;
            let mut text = "設定に問題はありません。 / The configuration is sound.".to_owned();
            if config.mail.server.is_empty() {
                text.push_str("\nメールの送信は設定されていません。 / Mail is not set up ([mail]).");
            }
            print(cli.json, &serde_json::json!({ "ok": true, "mail": !config.mail.server.is_empty() }), &text)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Init(args) => runtime()?.block_on(setup::run(&config, &args, cli.json)),
        Command::Serve => runtime()?.block_on(async {
            if let Some(exporter) = exporter {
                tokio::spawn(exporter.run());
            }
            serve::run(config).await
        }),
        Command::Doctor => runtime()?.block_on(doctor::run(&config, cli.json)),
        Command::Directory(admin::directory::DirectoryCommand::Check) => runtime()?.block_on(directories::check(&config, cli.json)),
        Command::Directory(admin::directory::DirectoryCommand::Test { login, source }) => runtime()?.block_on(directories::test(&config, &login, source.as_deref(), cli.json)),
        Command::Mail(admin::mail::MailCommand::Test { address }) => runtime()?.block_on(post::test(&config, &address, cli.json)),
        Command::Verify(args) => verify::run(&args, Some(&config), cli.json),
        other => {
            let ask = admin::Ask::from_command(other)?;
            runtime()?.block_on(admin::run(&config, ask, cli.json))
        }
    }
}

/// Prints the answer of a command. A reader that has seen enough (`| head`) is no fault.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(json: bool, value: &serde_json::Value, text: &str) -> Result<()> {
    let answer = if json { serde_json::to_string_pretty(value)? } else { text.trim_end().to_owned() };
    match writeln!(std::io::stdout().lock(), "{answer}") {
        Err(fault) if fault.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Turns of a thread of the runtime after which it looks at the sockets.
const SOCKETS_EVERY: u32 = 4;

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Half of the cores carry sessions; the others compress recordings, ask the database and hash passwords. More would
    // only hand each packet from core to core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    builder.worker_threads((cores / 2).max(1));
    // A disk that hangs takes up to three threads of each session that waits for it; the others must still find one.
    builder.max_blocking_threads(3 * sekisho_core::limits::SESSIONS);
    // Every few turns of a busy thread the sockets are asked (by default every 61): a keystroke does not wait until a
    // bulk transfer beside it pauses.
    builder.event_interval(SOCKETS_EVERY).enable_all().build().context("起動できません。 / cannot start the runtime")
}
