//! The command line: what can be asked of the one binary. Completions and manual pages come from here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sekisho (関所): the checkpoint that every maintenance vendor passes to reach a hospital's servers.
#[derive(Debug, Parser)]
#[command(name = "sekisho", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: ./sekisho.toml, else /etc/sekisho/sekisho.toml, else the defaults]
    #[arg(long, short, global = true, value_name = "FILE", display_order = 900)]
    pub config: Option<PathBuf>,

    /// Print machine-readable JSON instead of text
    #[arg(long, global = true, display_order = 901)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up the data folder: keys, private CA, log, and a one-time link for the first administrator
    #[command(after_help = "Next: start `sekisho serve`, open the printed link in a browser, and set password and code.")]
    Init(InitArgs),
    /// Run the gateway and the pages
    #[command(after_help = "Next: `sekisho doctor` says whether all is well.")]
    Serve,
    /// Start a small hospital with real servers to try everything; it ends with Ctrl-C
    Demo(DemoArgs),
    /// Look for what is wrong on this machine and say what to do about it; list all limits
    Doctor,
    /// Check log and recordings offline, on a copy, with only the public key
    #[command(after_help = "Next: if something does not hold, keep the copy as it is and read SECURITY.md.")]
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
    /// The table that says to which country a source address belongs
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
    /// The key of an auditor, on the auditor's own machine
    #[command(subcommand)]
    AuditorKey(crate::admin::recording::AuditorKeyCommand),
    /// Recordings: list, export as asciicast, open with an auditor's key
    #[command(subcommand)]
    Recording(crate::admin::recording::RecordingCommand),
    /// The tamper-evident log: read, prove, checkpoint, places outside, keys
    #[command(subcommand)]
    Log(crate::admin::log::LogCommand),
    /// The clock: how it stands, and what to do after it was moved
    #[command(subcommand)]
    Clock(crate::admin::clock::ClockCommand),
    /// Evidence bundles: of a session, a plan, a login round the gateway, a time
    #[command(subcommand)]
    Bundle(crate::admin::bundle::BundleCommand),
    /// Follow the log of a Sekisho on another host, and sign what continues what was seen
    #[command(subcommand)]
    Witness(crate::witness::WitnessCommand),
    /// Emergency accounts: list, uses, return to normal
    #[command(subcommand)]
    Emergency(crate::admin::emergency::EmergencyCommand),
    /// Outgoing mail: list, try again, send a test
    #[command(subcommand)]
    Mail(crate::admin::mail::MailCommand),
    /// Holds (証拠保全): list, place, extend; what will be deleted
    #[command(subcommand)]
    Hold(crate::admin::hold::HoldCommand),
    /// Reports on months and years: list, issue, show, count again
    #[command(subcommand)]
    Report(crate::admin::report::ReportCommand),
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
    /// Write the ssh configuration of an enrolled device; the same as `connect ssh-config`
    SshConfig(sekisho_connect::SshConfigArgs),
    /// Print completions for a shell, to be loaded by it
    Completions {
        /// Name of the shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder, one for each command
    Man {
        /// Folder into which they go
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
    /// An evidence bundle (ZIP) in place of a folder; needs --key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folder", "log_only"], requires = "key")]
    pub bundle: Option<PathBuf>,
    /// A public key of the log (`name+hash+base64`), or a file that holds it. Give all that you know, the first and the newest:
    /// exchanges must lead over each of them [default: log/public-key in the folder, which proves less: whoever could change the
    /// folder could change the key]
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// A checkpoint that was seen outside; shows whether the log was cut or rewritten since. May be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The public key of a witness that must have signed a head of this log, or a file that holds it. May be given several times
    #[arg(long, value_name = "KEY")]
    pub witness: Vec<String>,
    /// Certificates (PEM) of time stamp authorities that are believed; a head of this log must bear a stamp of one. With
    /// log/timestamps/local.pem the box's own stamps are shown, which prove order and no time of others. May be given several times
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Vec<PathBuf>,
    /// A copy of the archive, or the archive itself if it is a folder: recordings that were taken off the box are looked for there.
    /// May be given several times
    #[arg(long, value_name = "FOLDER", conflicts_with = "bundle")]
    pub archive: Vec<PathBuf>,
    /// Check the log only, not the recordings
    #[arg(long)]
    pub log_only: bool,
}

/// `config` commands.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and report every problem
    #[command(after_help = "Next: `sekisho serve` takes a changed configuration when it starts again.")]
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
