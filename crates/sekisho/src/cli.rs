//! The command line: what can be asked of the one binary. Completions and manual pages come from here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sekisho (関所): the checkpoint that every maintenance vendor passes to reach a hospital's servers.
#[derive(Debug, Parser)]
#[command(name = "sekisho", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: ./sekisho.toml, else /etc/sekisho/sekisho.toml, else the defaults]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print machine-readable JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up the data folder: keys, private CA, log, and a one-time link for the first administrator
    Init(InitArgs),
    /// Run the gateway and the pages
    Serve,
    /// Start a small hospital with real servers to try everything
    Demo(DemoArgs),
    /// Look for what is wrong on this machine and say what to do about it
    Doctor,
    /// Check log and recordings offline, on a copy, with only the public key
    Verify(VerifyArgs),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Persons: list, add, change, reset, unlock
    #[command(subcommand)]
    Person(crate::admin::person::PersonCommand),
    /// Directories (LDAP, Active Directory) and sign-in providers: check, test, link, unlink
    #[command(subcommand)]
    Directory(crate::admin::directory::DirectoryCommand),
    /// The connection register: the lines by which vendors come
    #[command(subcommand)]
    Line(crate::admin::line::LineCommand),
    /// The table by which the country of a source is told
    #[command(subcommand)]
    Country(crate::admin::country::CountryCommand),
    /// The register of devices from which workers come
    #[command(subcommand)]
    Device(crate::admin::device::DeviceCommand),
    /// The authority that certifies devices, and its root away from this box
    #[command(subcommand)]
    Ca(crate::admin::ca::CaCommand),
    /// Which ports of this machine answer, how Sekisho's own doors speak, and what to do about it
    Exposure {
        /// What is asked [default: look at once]
        #[command(subcommand)]
        command: Option<crate::admin::exposure::ExposureCommand>,
    },
    /// Sources of targets' logs: who may hand in lines, and with which certificate
    #[command(subcommand)]
    Sources(crate::admin::sources::SourcesCommand),
    /// Logins that went round the gateway, as the targets' logs tell of them
    #[command(subcommand)]
    Cases(crate::admin::sources::CasesCommand),
    /// Vendors and subcontractors
    #[command(subcommand)]
    Vendor(crate::admin::vendor::VendorCommand),
    /// Targets, their host keys, accounts and credentials
    #[command(subcommand)]
    Target(crate::admin::target::TargetCommand),
    /// Work plans: list and show (approving needs a person with two factors, on the pages or by the API)
    #[command(subcommand)]
    Plan(crate::admin::plan::PlanCommand),
    /// Sessions: list, show, pause, resume, say, cut
    #[command(subcommand)]
    Session(crate::admin::session::SessionCommand),
    /// Recordings: list, export as asciicast
    #[command(subcommand)]
    Recording(crate::admin::recording::RecordingCommand),
    /// The tamper-evident log: read, prove, checkpoint, places outside, keys
    #[command(subcommand)]
    Log(crate::admin::log::LogCommand),
    /// Follow the log of a Sekisho on another host, and sign what continues what was seen
    #[command(subcommand)]
    Witness(crate::witness::WitnessCommand),
    /// Emergency accounts: list, uses, return to normal
    #[command(subcommand)]
    Emergency(crate::admin::emergency::EmergencyCommand),
    /// Outgoing mail: list, try again, send a test
    #[command(subcommand)]
    Mail(crate::admin::mail::MailCommand),
    /// Alarms: list, show, take on, close
    #[command(subcommand)]
    Alarms(crate::admin::alarms::AlarmsCommand),
    /// Search commands, output, files, notes and plans; each search is written into the log
    Search(crate::admin::search::SearchCommand),
    /// Rules for commands: list, try, switch a ready-made set on
    #[command(subcommand)]
    Rules(crate::admin::rules::RulesCommand),
    /// A worker's device: enrol it, open tunnels through the outer door
    #[command(subcommand)]
    Connect(sekisho_connect::Ask),
    /// Write the ssh configuration of an enrolled device
    SshConfig(sekisho_connect::SshConfigArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder
    Man {
        /// The folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Login name of the first administrator
    #[arg(long, default_value = "admin", value_name = "LOGIN")]
    pub admin: String,
    /// Name of the first administrator
    #[arg(long, default_value = "関所管理者", value_name = "NAME")]
    pub admin_name: String,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Run the whole job without a person, print each step, and end
    #[arg(long)]
    pub check: bool,
    /// Write addresses, logins and keys as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,
    /// Keep the data in this folder, which must be empty [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Port of the pages; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    pub web_port: u16,
    /// Port of the SSH gateway; 0 takes a free one
    #[arg(long, default_value_t = 2222)]
    pub ssh_port: u16,
    /// Port of the outer door; 0 takes a free one
    #[arg(long, default_value_t = 8444)]
    pub door_port: u16,
    /// Database: "sqlite", or the URL of an empty PostgreSQL database
    #[arg(long, default_value = "sqlite")]
    pub database: String,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A copy of the data folder [default: the configured one]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The log's public key (`name+hash+base64`), or a file that holds it [default: log/public-key in the folder, which
    /// proves less: whoever could change the folder could change the key]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A checkpoint that was seen outside; shows whether the log was cut or rewritten since. May be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The public key of a witness that must have signed a head of this log, or a file that holds it. May be given several times
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<String>,
    /// Check the log only, not the recordings
    #[arg(long)]
    pub log_only: bool,
}

/// `config` commands.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and report every problem
    Check,
    /// Print a documented example with all keys
    Example,
}

/// A yes or no that must be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}
