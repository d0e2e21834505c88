//! `sekisho ca …`: the authority that certifies devices, and its root away from the box.

use super::{Reply, Trouble};
use crate::clock::SystemClock;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use sekisho_core::people::Actor;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock;
use sekisho_store::{DeviceAuthority, RootLock, Store, sign_device_issuing};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Commands on the authority for devices (端末用の認証局).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaCommand {
    /// Show how the authority stands: its root, the part that signs, and when that is to be exchanged
    Show,
    /// Take the root's key off this box: encrypt it into a new file on another medium, read that back, remove the key here
    ExportRoot {
        /// The new file, on a medium that is taken away
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// Encrypt to this age recipient (age1…) in place of a passphrase
        #[arg(long, value_name = "RECIPIENT")]
        recipient: Option<String>,
        /// A file that holds the passphrase [default: asked from standard input]
        #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
        #[serde(skip)]
        passphrase_file: Option<PathBuf>,
        /// Filled from the file or from standard input, never from the command line.
        #[arg(skip)]
        secret: String,
    },
    /// Make a new key for the part that certifies devices, and the request for its certificate
    #[command(after_help = "Next: sign the request where the root is (`ca sign`), and bring the certificate back (`ca import`).")]
    Request {
        /// Where the request is written
        #[arg(long, value_name = "FILE")]
        #[serde(skip)]
        output: PathBuf,
    },
    /// On a machine without a network: sign a request with the exported root. Needs no configuration and no data folder
    #[serde(skip)]
    Sign(SignArgs),
    /// Bring the signed certificate: it certifies devices from then on
    Import {
        /// The file that `ca sign` wrote
        #[arg(value_name = "FILE")]
        #[serde(skip)]
        certificate: PathBuf,
        /// Filled from the file.
        #[arg(skip)]
        pem: String,
    },
}

/// Arguments of `sign`.
#[derive(Debug, Default, Args)]
pub struct SignArgs {
    /// The file that `ca export-root` wrote
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The file that `ca request` wrote
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where the certificate is written
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// The age identity that opens the root, in place of a passphrase
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// A file that holds the passphrase [default: asked from standard input]
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("{0} を読めません。 / cannot read {0}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        bail!("{0} は {MAX_FILE} バイトを超えています。 / {0} is larger than {MAX_FILE} bytes", path.display());
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).with_context(|| format!("{0} は文字のファイルではありません。 / {0} is no text", path.display()))
}

/// Writes a new file; nothing is overwritten.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).with_context(|| format!("{0} を作れません。 / cannot make {0}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn passphrase(file: Option<&Path>) -> Result<String> {
    let mut text = match file {
        Some(path) => read_text(path)?,
        None => {
            eprintln!("パスフレーズを入力してください。 / Type the passphrase.");
            let mut text = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(std::io::stdin().take(MAX_FILE)), &mut text)?;
            text
        }
    };
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

impl CaCommand {
    /// Takes what a command needs from this terminal.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn gather(self) -> Result<Self> {
        Ok(match self {
            Self::ExportRoot { output, recipient, passphrase_file, .. } => {
                let secret = if recipient.is_some() { String::new() } else { passphrase(passphrase_file.as_deref())? };
                // The Sekisho that runs has another working folder.
                Self::ExportRoot { output: std::path::absolute(&output)?, recipient, passphrase_file: None, secret }
            }
            Self::Import { certificate, .. } => Self::Import { pem: read_text(&certificate)?, certificate },
            other => other,
        })
    }

    /// The file into which the answer's text goes, if it does.
    #[must_use]
    pub fn output(&self) -> Option<PathBuf> {
        match self {
            Self::Request { output } => Some(output.clone()),
            _ => None,
        }
    }
}

/// Signs on this machine, whatever it is.
///
/// # Errors
/// A file does not serve.
pub fn sign(args: &SignArgs) -> Result<()> {
    let lock = match &args.identity {
        Some(path) => RootLock::Age(Secret::new(read_text(path)?)),
        None => RootLock::Passphrase(Secret::new(passphrase(args.passphrase_file.as_deref())?)),
    };
    let pem = sign_device_issuing(&read(&args.root)?, &lock, &read_text(&args.request)?, SystemClock.now())?;
    write(&args.output, &pem)?;
    println!("{}", args.output.display());
    Ok(())
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: CaCommand) -> Result<Reply, Trouble> {
    match command {
        CaCommand::Show => told(&store.device_authority_state(by).await?),
        CaCommand::ExportRoot { output, recipient, secret, .. } => {
            let lock = match recipient {
                Some(recipient) => RootLock::Age(Secret::new(recipient)),
                None => RootLock::Passphrase(Secret::new(secret)),
            };
            let state = store.export_device_root(by, &output, &lock).await?;
            let text = format!(
                "{}\nルート鍵はこの機械にもうありません。媒体を外し、施錠できる場所に保管してください。\nThe root's key is not on this machine any more. Take the medium away and lock it up.",
                output.display()
            );
            Ok(Reply::done(serde_json::to_value(&state)?, text))
        }
        CaCommand::Request { .. } => {
            let pem = store.ask_device_issuing(by).await?;
            Ok(Reply::done(serde_json::json!({ "request": pem }), pem))
        }
        CaCommand::Import { pem, .. } => {
            let state = store.bring_device_issuing(by, &pem).await?;
            let Reply { value, text, .. } = told(&state)?;
            let more = "関所を起動し直すまで、外側の入口は新しい証明書の端末を知りません。いま起動し直してください。\nThe outer door knows devices with the new certificates from the next start on: restart Sekisho now.";
            Ok(Reply::done(value, format!("{text}\n{more}")))
        }
        CaCommand::Sign(_) => Err(Trouble::Words("this is done on the machine where it is typed".into())),
    }
}

fn told(state: &DeviceAuthority) -> Result<Reply, Trouble> {
    let place = if state.root_here { "この機械にある / on this machine" } else { "この機械にない / taken off this machine" };
    let text = format!(
        "ルート / root:      {}\n  期限 / until {}  {place}\n発行用 / issuing:   {}\n  期限 / until {}  交換の時期 / to be exchanged from {}{}{}",
        state.root,
        state.root_until.minute(),
        state.issuing,
        state.issuing_until.minute(),
        state.exchange_from.minute(),
        match (state.in_token, state.signs) {
            (false, true) => "",
            (true, true) => "\n  鍵はトークンにある / its key is in the token",
            (_, false) => "\n  鍵が使えない / its key cannot be used",
        },
        if state.waiting { "\n署名を待つ要求があります / a request waits for its certificate" } else { "" },
    );
    Ok(Reply::done(serde_json::to_value(state)?, text))
}
