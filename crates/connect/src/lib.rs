//! The worker's side of the outer door: a device enrols by a one-time code, keeps its key and certificate, opens tunnels to
//! the SSH gateway, and renews the certificate by itself.
//!
//! Floor 1. Knows neither store nor gateway nor pages; what it shares with them is the form of the exchange
//! (`sekisho_core::porter`). It runs on machines that are not the hospital's, so it holds one secret, the device's key,
//! and proves nobody's person.

mod clock;
mod enrol;
pub mod help;
mod home;
mod browser;
mod line;
mod login;
mod login_key;
mod putty;
mod renew;
mod ssh_config;
mod surroundings;
mod tls;
mod trouble;
mod tunnel;

pub use surroundings::language;
pub use trouble::Trouble;

use clap::{Args, Subcommand};
use home::Home;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// What can be asked for.
#[derive(Clone, Debug, Subcommand)]
pub enum Ask {
    /// Register this device with the one-time code from the hospital
    #[command(after_help = "Next: run `login`, then connect with your usual ssh.")]
    Enrol(EnrolArgs),
    /// Log in by the browser, so that ssh from this device asks for nothing more
    Login(LoginArgs),
    /// Open a tunnel to a target: for ssh as its ProxyCommand, for PuTTY with --listen
    Open(OpenArgs),
    /// Write the ssh configuration of this device, so that `ssh TARGET.HOSPITAL` finds its way
    SshConfig(SshConfigArgs),
    /// Write saved sessions for PuTTY, which WinSCP can import
    PuttyConfig(PuttyArgs),
    /// Show the registrations of this device, and when its certificates end
    Status(Where),
}

/// Which registration.
#[derive(Args, Clone, Debug)]
pub struct Where {
    /// Short name of the hospital; needed only if this device is registered at several
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Folder that holds key and certificate [default: in the person's own configuration]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

/// Arguments of `enrol`.
#[derive(Args, Clone, Debug)]
pub struct EnrolArgs {
    /// Name and port of the hospital's Sekisho
    #[arg(long, value_name = "HOST:PORT")]
    pub server: String,
    /// The one-time code [default: asked for, so that it stays out of the shell's history]
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Which registration.
    #[command(flatten)]
    pub at: Where,
}

/// Arguments of `login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// Do nothing if a login stands; give up in silence without terminal or browser (the ssh configuration calls this)
    #[arg(long)]
    pub if_needed: bool,
    /// Show the address of the page and open no browser
    #[arg(long)]
    pub no_browser: bool,
    /// Which registration.
    #[command(flatten)]
    pub at: Where,
}

/// Arguments of `open`.
#[derive(Args, Clone, Debug)]
pub struct OpenArgs {
    /// Name of the target, with or without the hospital's name behind it
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Wait at this address of this device instead of using standard input and output
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub listen: Option<SocketAddr>,
    /// Which registration.
    #[command(flatten)]
    pub at: Where,
}

/// Arguments of `ssh-config`.
#[derive(Args, Clone, Debug)]
pub struct SshConfigArgs {
    /// Your login name at Sekisho [default: asked of Sekisho, by a login in the browser]
    #[arg(long, value_name = "LOGIN")]
    pub worker: Option<String>,
    /// Print the configuration and write nothing
    #[arg(long)]
    pub print: bool,
    /// Which registration.
    #[command(flatten)]
    pub at: Where,
}

/// Arguments of `putty-config`.
#[derive(Args, Clone, Debug)]
pub struct PuttyArgs {
    /// Your login name at Sekisho [default: that of the last login]
    #[arg(long, value_name = "LOGIN")]
    pub worker: Option<String>,
    /// Name of a target; may be given several times [default: the targets of your approved plans]
    #[arg(long, value_name = "TARGET")]
    pub target: Vec<String>,
    /// Go through this port of this device, where `open --listen` waits
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Write a file for the registry of Windows here
    #[arg(long, value_name = "FILE")]
    pub reg: Option<PathBuf>,
    /// Which registration.
    #[command(flatten)]
    pub at: Where,
}

/// Whether a text is a server's name or address with its port.
#[must_use]
pub fn is_server(text: &str) -> bool {
    tls::Server::parse(text).is_ok()
}

/// Does what is asked and says on standard error what stands in the way. `before` is what stands between the program's name
/// and these commands on its command line, for the line that ssh is told.
#[must_use]
pub fn run(ask: &Ask, before: &[&str]) -> ExitCode {
    let done = match ask {
        Ask::Status(at) => Home::of(at.dir.as_deref()).and_then(|home| home.status()).map(|text| println!("{text}")),
        Ask::SshConfig(args) => block_on(ssh_config::run(args, before)).map(|text| println!("{text}")),
        Ask::PuttyConfig(args) => block_on(putty::run(args, before)).map(|text| println!("{text}")),
        Ask::Login(args) => block_on(login::run(args, before)).map(|text| eprint!("{text}")),
        Ask::Enrol(args) => block_on(enrol::run(args)).map(|text| println!("{text}")),
        Ask::Open(args) => block_on(tunnel::run(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Silent) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Enrols a device and gives the words for its person.
///
/// # Errors
/// What stands in the way.
pub async fn enrol(args: &EnrolArgs) -> Result<String, Trouble> {
    enrol::run(args).await
}

fn block_on<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Trouble::here)?;
    let done = runtime.block_on(work);
    // A thread may stand in a read of the keyboard for ever.
    runtime.shutdown_background();
    done
}
