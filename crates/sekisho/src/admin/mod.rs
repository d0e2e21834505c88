//! Administration by command. What the console asks is data, so that it can be handed to a running Sekisho.
//!
//! The console has the rights of the box's own account: it keeps ledgers, reads and cuts. It approves nothing, because
//! an approval needs a person's two factors.

pub mod alarms;
pub mod bundle;
pub mod ca;
pub mod clock;
pub mod country;
pub mod device;
pub mod directory;
pub mod exposure;
pub mod emergency;
pub mod hold;
pub mod line;
pub mod log;
pub mod mail;
pub mod person;
pub mod plan;
pub mod recording;
pub mod report;
pub mod rules;
pub mod search;
pub mod session;
pub mod sources;
pub mod table;
pub mod target;
pub mod vendor;

use crate::cli::Command;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::{control, print, serve};
use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_core::people::Actor;
use sekisho_store::{Denied, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

/// A wish of the console.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Persons.
    Person(person::PersonCommand),
    /// Directories and providers.
    Directory(directory::DirectoryCommand),
    /// Vendors.
    Vendor(vendor::VendorCommand),
    /// The connection register.
    Line(line::LineCommand),
    /// The table of countries.
    Country(country::CountryCommand),
    /// The register of devices.
    Device(device::DeviceCommand),
    /// The authority for devices.
    Ca(ca::CaCommand),
    /// The exposure of this machine.
    Exposure(exposure::ExposureCommand),
    /// Targets.
    Target(target::TargetCommand),
    /// Plans.
    Plan(plan::PlanCommand),
    /// Sessions.
    Session(session::SessionCommand),
    /// Recordings.
    Recording(recording::RecordingCommand),
    /// The log.
    Log(log::LogCommand),
    /// The time that the box goes by.
    Clock(clock::ClockCommand),
    /// Outgoing mail.
    Mail(mail::MailCommand),
    /// Holds.
    Hold(hold::HoldCommand),
    /// Reports on months and years.
    Report(report::ReportCommand),
    /// Alarms.
    Alarms(alarms::AlarmsCommand),
    /// Sources of targets' logs.
    Sources(sources::SourcesCommand),
    /// Logins that went round the gateway.
    Cases(sources::CasesCommand),
    /// Emergency accounts.
    Emergency(emergency::EmergencyCommand),
    /// The search.
    Search(search::SearchCommand),
    /// Command rules.
    Rules(rules::RulesCommand),
    /// Evidence bundles.
    Bundle(bundle::BundleCommand),
    /// What `doctor` asks of an open store.
    Doctor,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    /// True if it was done.
    pub ok: bool,
    /// For machines.
    pub value: Value,
    /// For people.
    pub text: String,
    /// A file that is handed out, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Reply {
    /// Done.
    #[must_use]
    pub fn done(value: Value, text: impl Into<String>) -> Self {
        Self { ok: true, value, text: text.into(), file: None }
    }

    /// Not done.
    #[must_use]
    pub fn failed(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { ok: false, value: serde_json::json!({ "error": text }), text, file: None }
    }
}

/// Why a wish was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The store's rules or the store itself.
    Denied(Denied),
    /// Something in the wish, in words.
    Words(String),
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(fault: serde_json::Error) -> Self {
        Self::Words(fault.to_string())
    }
}

impl Ask {
    /// Takes what a command needs from this terminal (files, standard input), so that the wish is complete.
    ///
    /// # Errors
    /// A file cannot be read, or the command is not one of administration.
    pub fn from_command(command: Command) -> Result<Self> {
        Ok(match command {
            Command::Person(command) => Self::Person(command),
            Command::Directory(command) => Self::Directory(command),
            Command::Vendor(command) => Self::Vendor(command),
            Command::Line(command) => Self::Line(command),
            Command::Country(command) => Self::Country(command.gather()?),
            Command::Device(command) => Self::Device(command),
            Command::Ca(command) => Self::Ca(command.gather()?),
            Command::Exposure { command } => Self::Exposure(command.unwrap_or_default()),
            Command::Target(command) => Self::Target(command.gather()?),
            Command::Plan(command) => Self::Plan(command),
            Command::Session(command) => Self::Session(command),
            Command::Recording(command) => Self::Recording(command),
            Command::Log(command) => Self::Log(command),
            Command::Clock(command) => Self::Clock(command),
            Command::Mail(command) => Self::Mail(command),
            Command::Hold(command) => Self::Hold(command),
            Command::Report(command) => Self::Report(command),
            Command::Alarms(command) => Self::Alarms(command),
            Command::Sources(command) => Self::Sources(command.gather()?),
            Command::Cases(command) => Self::Cases(command),
            Command::Emergency(command) => Self::Emergency(command),
            Command::Search(command) => Self::Search(command),
            Command::Rules(command) => Self::Rules(command),
            Command::Bundle(command) => Self::Bundle(command.gather()?),
            other => bail!("{other:?} is no command of administration"),
        })
    }
}

/// Hands the wish to the running Sekisho, or opens the store for this one wish.
///
/// # Errors
/// The store cannot be opened, or the answer cannot be printed.
pub async fn run(config: &Config, ask: Ask, json: bool) -> Result<ExitCode> {
    let ask = match ask {
        Ask::Bundle(command) if command.is_taking() => return bundle::run(config, command, json).await,
        ask => ask,
    };
    let file = match &ask {
        Ask::Recording(recording::RecordingCommand::Export { output, .. }) | Ask::Session(session::SessionCommand::File { output, .. }) => output.clone(),
        Ask::Ca(command) => command.output(),
        _ => None,
    };
    let reply = match control::ask(&config.data.dir, &ask).await? {
        Some(reply) => reply,
        None => {
            let store = serve::open_store(config, Arc::new(SystemClock)).await?;
            if matches!(ask, Ask::Log(log::LogCommand::Send)) {
                bail!("関所が動いていません。`sekisho serve` が動いている間に実行してください。 / No Sekisho runs that could send; start `sekisho serve` first.");
            }
            if matches!(ask, Ask::Log(log::LogCommand::AcceptRestore { .. } | log::LogCommand::Outside)) {
                // No Sekisho runs that would have asked them at its start.
                store.check_outside(&crate::outside::places(config)?).await;
            }
            if matches!(ask, Ask::Search(_)) {
                // No Sekisho runs that would have kept the index up with the record.
                store.index_now().await?;
            }
            let reply = answer(&store, ask).await;
            store.close().await?;
            reply
        }
    };
    if !reply.ok {
        if json {
            print(true, &reply.value, "")?;
        } else {
            eprintln!("sekisho: {}", reply.text);
        }
        return Ok(ExitCode::FAILURE);
    }
    if let Some(content) = &reply.file {
        let content = STANDARD.decode(content)?;
        match file {
            Some(path) => {
                std::fs::write(&path, content)?;
                print(json, &reply.value, &format!("{}\n{}", path.display(), reply.text))?;
            }
            // A terminal would take the bytes of others for commands.
            None if std::io::stdout().is_terminal() => bail!("内容をそのまま画面に出すと危険です。ファイルに書いてください(> ファイル名、または --output ファイル名)。 / the content may hold anything; write it to a file (> FILE, or --output FILE)"),
            None => std::io::stdout().write_all(&content)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    match file {
        Some(path) => {
            std::fs::write(&path, reply.text.as_bytes())?;
            print(json, &serde_json::json!({ "file": path, "bytes": reply.text.len() }), &format!("{} ({} bytes)", path.display(), reply.text.len()))?;
        }
        None => print(json, &reply.value, &reply.text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Does the wish.
pub async fn answer(store: &Store, ask: Ask) -> Reply {
    let console = Actor::console();
    let outcome = match ask {
        Ask::Person(command) => person::answer(store, &console, command).await,
        Ask::Directory(command) => directory::answer(store, &console, command).await,
        Ask::Vendor(command) => vendor::answer(store, &console, command).await,
        Ask::Line(command) => line::answer(store, &console, command).await,
        Ask::Country(command) => country::answer(store, &console, command).await,
        Ask::Device(command) => device::answer(store, &console, command).await,
        Ask::Ca(command) => ca::answer(store, &console, command).await,
        Ask::Exposure(command) => exposure::answer(store, &console, command).await,
        Ask::Target(command) => target::answer(store, &console, command).await,
        Ask::Plan(command) => plan::answer(store, &console, command).await,
        Ask::Session(command) => session::answer(store, &console, command).await,
        Ask::Recording(command) => recording::answer(store, &console, command).await,
        Ask::Log(command) => log::answer(store, &console, command).await,
        Ask::Clock(command) => clock::answer(store, &console, command).await,
        Ask::Mail(command) => mail::answer(store, &console, command).await,
        Ask::Hold(command) => hold::answer(store, &console, command).await,
        Ask::Report(command) => report::answer(store, &console, command).await,
        Ask::Alarms(command) => alarms::answer(store, &console, command).await,
        Ask::Sources(command) => sources::sources(store, &console, command).await,
        Ask::Cases(command) => sources::cases(store, &console, command).await,
        Ask::Emergency(command) => emergency::answer(store, &console, command).await,
        Ask::Search(command) => search::answer(store, &console, command).await,
        Ask::Rules(command) => rules::answer(store, &console, command).await,
        Ask::Bundle(command) => bundle::answer(store, &console, command).await,
        Ask::Doctor => crate::doctor::answer(store, &console).await,
    };
    outcome.unwrap_or_else(told)
}

/// What the console reads when a wish was not done.
#[must_use]
pub fn told(trouble: Trouble) -> Reply {
    match trouble {
        Trouble::Words(text) => Reply::failed(text),
        Trouble::Denied(Denied::Fault(fault)) => Reply::failed(format!("{fault}")),
        Trouble::Denied(Denied::Refusal(refusal)) => {
            let words = refusal.words();
            let detail = refusal.detail().map(|detail| format!(" [{detail}]")).unwrap_or_default();
            Reply {
                ok: false,
                value: serde_json::json!({ "code": words.code, "error": words.en, "next": words.next_en, "detail": refusal.detail() }),
                text: format!("{}{detail} {} {}\n         {} {}", words.code, words.ja, words.next_ja, words.en, words.next_en),
                file: None,
            }
        }
    }
}
