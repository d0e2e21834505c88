//! `sekisho witness`: sees the heads of logs on another host than theirs, and signs each that continues the one before (C2SP
//! tlog-witness). It refuses forks and shrinking logs, and needs nothing of the box whose log it follows but its public key.

mod serve;
mod state;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use sekisho_core::time::Clock;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::PublicKey;
use serde_json::json;
use state::Folder;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where a witness gives the newest head that it signed of a log.
#[must_use]
pub fn checkpoint_path(origin: &str) -> String {
    format!("/checkpoint/{}", Digest::of(origin.as_bytes()))
}

/// Commands of a witness.
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a folder with a key of its own for a witness
    #[command(after_help = "Next: give the printed public key to the hospital ([checkpoints]), follow its log (`witness trust`), then `witness serve`.")]
    Init {
        /// The folder of the witness, which must be empty or not there yet
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The name of the witness, such as witness.hospital.example
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Follow a log, or know a further key of one after its key was exchanged
    Trust {
        /// The folder of the witness
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The public key of the log (`sekisho log public-key`); its name is that of the log
        key: String,
    },
    /// Show the logs and what was seen of them
    List {
        /// The folder of the witness
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
    },
    /// Let a log begin again at any head, after a restore that somebody knows of; what was seen before is kept beside
    AcceptRestore {
        /// The folder of the witness
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The log, such as sekisho/aoba
        origin: String,
        /// Why; it stands in the witness's journal
        #[arg(long)]
        reason: String,
        /// The checkpoint at which it goes on (`sekisho log checkpoint` on the box). Without it the next head that anybody brings
        /// is taken
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Answer the Sekishos whose logs this witness follows
    Serve(ServeArgs),
}

/// Arguments of `witness serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The folder of the witness
    #[arg(long, value_name = "FOLDER")]
    pub dir: PathBuf,
    /// Address and port to listen at
    #[arg(long, default_value = "0.0.0.0:8447", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// A certificate chain, PEM; without one it answers by HTTP, which its signatures bear
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, requires = "certificate", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}

/// Does a command.
///
/// # Errors
/// Whatever stands in the way, as a sentence for the person at the console.
pub fn run(command: WitnessCommand, json: bool) -> Result<ExitCode> {
    match command {
        WitnessCommand::Init { dir, name } => {
            let mut seed = [0_u8; 32];
            rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut seed).context("the operating system gives no random numbers")?;
            let public = Folder::create(&dir, &name, &seed)?;
            let text = format!("立会人(witness)の鍵を作りました。関所の [[checkpoints.witness]] の key に書きます。 / The public key, for the configuration of the box and for `sekisho verify --witness`:\n\n   {public}\n");
            crate::print(json, &json!({ "dir": dir, "key": public.to_string() }), &text)?;
        }
        WitnessCommand::Trust { dir, key } => {
            let key = PublicKey::parse(key.trim()).map_err(|breach| anyhow::anyhow!("the key of the log is not usable: {breach}"))?;
            let keys = Folder::open(&dir)?.trust(&key)?;
            crate::print(json, &json!({ "origin": key.name(), "keys": keys }), &format!("{}: {keys} 個の鍵を信頼します。 / follows this log by {keys} key(s).", key.name()))?;
        }
        WitnessCommand::List { dir } => {
            let logs = Folder::open(&dir)?.list()?;
            let mut text = String::new();
            for log in &logs {
                let seen = log.entries.map_or_else(|| "まだ見ていない / nothing seen yet".to_owned(), |entries| format!("{entries} 件 / entries"));
                text.push_str(&format!("{}  {seen}\n", log.origin));
            }
            if logs.is_empty() {
                text.push_str("見ている台帳はありません。 / No log is followed; `sekisho witness trust KEY` adds one.");
            }
            crate::print(json, &serde_json::to_value(&logs)?, &text)?;
        }
        WitnessCommand::AcceptRestore { dir, origin, reason, checkpoint } => {
            if reason.trim().chars().count() < 4 {
                bail!("理由を --reason で書いてください。 / Say why with --reason.");
            }
            let at = crate::clock::SystemClock.now();
            let first = checkpoint.as_ref().map(crate::verify::read).transpose()?;
            let entries = Folder::open(&dir)?.accept_restore(&origin, reason.trim(), first.as_deref(), at)?;
            let text = if first.is_some() { format!("{origin} を渡されたチェックポイントから見直します(これまでに見た {entries} 件の控えは残します)。 / This log goes on from the given checkpoint; what was seen before ({entries} entries) is kept beside.") } else { format!("{origin} を次に来るチェックポイントから見直します(これまでに見た {entries} 件の控えは残します)。 / The next head of this log is taken as it comes; what was seen before ({entries} entries) is kept beside.") };
            crate::print(json, &json!({ "origin": origin, "entries": entries }), &text)?;
        }
        WitnessCommand::Serve(args) => {
            crate::serve::start_tracing("info", None);
            return crate::runtime()?.block_on(serve::run(args));
        }
    }
    Ok(ExitCode::SUCCESS)
}
