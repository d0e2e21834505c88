//! `sekisho target …`

use super::table::table;
use super::{Reply, Trouble};
use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use sekisho_core::desk::Dialled;
use sekisho_core::people::Actor;
use sekisho_core::secret::Secret;
use sekisho_core::target::{HostKeyDecision, Protocol, Quarantine, Target, TargetClass, TargetLogs, Witness};
use sekisho_gateway::Lookout;
use sekisho_store::{AccountAsk, AuthorityAct, CredentialAsk, Store, TargetAsk, TargetRow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Longest credential that is read from a file or from standard input, in bytes.
const MAX_CREDENTIAL: u64 = 64 * 1024;

/// Commands on targets.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetCommand {
    /// List all targets with their accounts
    List,
    /// Ask a host for its SSH host keys and print them with fingerprints, to compare and pin
    #[command(after_help = "Next: compare the fingerprints with what stands on the target itself, then give the line to `target add --host-key` or `target pin`.")]
    Scan {
        /// Host name or address
        host: String,
        /// Port of its SSH server
        #[arg(long, default_value_t = 22)]
        port: u16,
    },
    /// Register a target
    #[command(after_help = "Next: register an account (`target account`), then try it (`target test`).")]
    Add {
        /// Short name, the second part of the SSH login: a-z, 0-9, dot, hyphen
        #[arg(long)]
        name: String,
        /// What hospital staff call it
        #[arg(long)]
        title: String,
        /// Host name or address
        #[arg(long)]
        host: String,
        /// Port of its SSH server
        #[arg(long, default_value_t = 22)]
        port: u16,
        /// Owning department
        #[arg(long, default_value = "")]
        owner: String,
        /// Id or name of the vendor that maintains it
        #[arg(long)]
        vendor: String,
        /// A host key to pin, as `target scan` prints it; several are possible
        #[arg(long = "host-key", value_name = "LINE")]
        host_keys: Vec<String>,
        /// It holds charts or other personal data of patients
        #[arg(long)]
        personal_data: bool,
        /// Kind of machine: linux, database, network or other
        #[arg(long, default_value = "linux", value_parser = |text: &str| TargetClass::parse(text).ok_or("linux, database, network or other"))]
        class: TargetClass,
        /// Whether every session needs a witness: none, watch or step
        #[arg(long, default_value = "none", value_parser = |text: &str| Witness::parse(text).ok_or("none, watch or step"))]
        witness: Witness,
        /// Which uploads wait for a person of the hospital, where the policy is not stricter: never, unlisted or always
        #[arg(long, default_value = "never", value_parser = |text: &str| Quarantine::parse(text).ok_or("never, unlisted or always"))]
        quarantine: Quarantine,
    },
    /// Replace the pinned host keys, after the target was rebuilt
    Pin {
        /// Short name
        name: String,
        /// The host keys; they replace all present ones
        #[arg(long = "host-key", value_name = "LINE", required = true)]
        host_keys: Vec<String>,
        /// Why; needed while an alarm stands, which it lifts
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lift the alarm about a host key and keep the pinned ones, after it was looked into
    KeepKey {
        /// Short name
        name: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Print the keys of Sekisho's SSH authority for TrustedUserCAKeys, or take a step of their exchange
    Ca {
        /// A step of the exchange: prepare, finish or cancel
        #[arg(long, value_name = "STEP", requires = "reason")]
        step: Option<String>,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Dial a target with an account, compare the host key, log in, run nothing, and end
    Test {
        /// Short name
        name: String,
        /// Login name on the target
        account: String,
    },
    /// Say by which further addresses sensors know a target, and whether it has a log of its own
    #[command(after_help = "What is not given is taken away: name all further addresses each time.")]
    Logs {
        /// Short name
        name: String,
        /// A further address of the machine; several are possible
        #[arg(long = "address", value_name = "ADDRESS")]
        addresses: Vec<IpAddr>,
        /// It has no log: reports owe an entry of the work diary for each session there
        #[arg(long, requires = "reason")]
        no_log: bool,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take a target out of service: sessions on it end at once
    Disable {
        /// Short name
        name: String,
    },
    /// Put a target back into service
    Enable {
        /// Short name
        name: String,
    },
    /// Register an account on a target, or replace its credential
    Account(AccountArgs),
}

/// An account on a target.
#[derive(Debug, Args, Serialize, Deserialize)]
#[command(group(ArgGroup::new("credential").required(true).args(["password_stdin", "key_file", "certificate"])))]
pub struct AccountArgs {
    /// Short name of the target
    pub name: String,
    /// Login name on the target
    #[arg(long)]
    pub username: String,
    /// Administrator or root right on the target
    #[arg(long)]
    pub privileged: bool,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Read an unencrypted private key (OpenSSH form) from this file
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Keep nothing: each session gets a certificate of Sekisho's own authority
    #[arg(long)]
    pub certificate: bool,
    /// What was read; never given on the command line, where others could see it
    #[arg(skip)]
    pub secret: String,
}

impl TargetCommand {
    /// Reads a credential where the command names one.
    ///
    /// # Errors
    /// It cannot be read, is too large or empty.
    pub fn gather(self) -> Result<Self> {
        let Self::Account(mut args) = self else { return Ok(self) };
        if args.certificate {
            return Ok(Self::Account(args));
        }
        let mut text = String::new();
        match &args.key_file {
            Some(path) => {
                let file = std::fs::File::open(path).with_context(|| format!("{0} を読めません。 / cannot read {0}", path.display()))?;
                file.take(MAX_CREDENTIAL).read_to_string(&mut text)?;
            }
            None => {
                std::io::stdin().take(MAX_CREDENTIAL).read_to_string(&mut text)?;
                text.truncate(text.trim_end_matches(['\n', '\r']).len());
            }
        }
        if text.is_empty() || text.len() as u64 >= MAX_CREDENTIAL {
            bail!("認証情報が空か、{MAX_CREDENTIAL} バイトを超えています。 / the credential is empty or larger than {MAX_CREDENTIAL} bytes");
        }
        args.secret = text;
        Ok(Self::Account(args))
    }
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: TargetCommand) -> Result<Reply, Trouble> {
    let kept = match command {
        TargetCommand::List => {
            let rows = store.targets(by).await?;
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            return Ok(Reply::done(serde_json::to_value(&rows)?, table(&["name", "title", "address", "vendor", "accounts", "host keys", "state"], &cells)));
        }
        TargetCommand::Scan { host, port } => return scan(store, by, &host, port).await,
        TargetCommand::Ca { step, reason } => return authority(store, by, step.as_deref(), reason.as_deref().unwrap_or_default()).await,
        TargetCommand::Test { name, account } => return test(store, by, &name, &account).await,
        TargetCommand::Add { name, title, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine } => {
            let vendor = super::vendor::find(store, by, &vendor).await?.id;
            let ask = TargetAsk { name, title, protocol: Protocol::Ssh, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active: true };
            store.add_target(by, ask).await?
        }
        TargetCommand::Pin { name, host_keys, reason } => match find(store, by, &name).await?.target {
            // A key that is pinned while an alarm stands is the answer to it, and has its reason.
            target if target.host_key_alarm.is_some() => {
                store.decide_host_key(by, &target.id, HostKeyDecision::Pin { host_keys }, reason.as_deref().unwrap_or_default()).await?
            }
            _ => change(store, by, &name, |ask| ask.host_keys = host_keys).await?,
        },
        TargetCommand::KeepKey { name, reason } => {
            let target = find(store, by, &name).await?.target;
            store.decide_host_key(by, &target.id, HostKeyDecision::Keep, &reason).await?
        }
        TargetCommand::Logs { name, addresses, no_log, reason } => {
            let target = find(store, by, &name).await?.target;
            let logs = TargetLogs { addresses: addresses.into_iter().collect(), none: no_log };
            store.set_target_logs(by, &target.id, logs, reason.as_deref().unwrap_or_default()).await?
        }
        TargetCommand::Disable { name } => change(store, by, &name, |ask| ask.active = false).await?,
        TargetCommand::Enable { name } => change(store, by, &name, |ask| ask.active = true).await?,
        TargetCommand::Account(args) => return account(store, by, args).await,
    };
    let text = format!("{}  {}  {}:{}  {}", kept.name, kept.title, kept.host, kept.port, if kept.active { "有効 / active" } else { "停止 / out of service" });
    Ok(Reply::done(serde_json::to_value(&kept)?, text))
}

async fn scan(store: &Store, by: &Actor, host: &str, port: u16) -> Result<Reply, Trouble> {
    let keys = store.see_host_keys(by, host, port, Arc::new(Lookout)).await?;
    let mut text = String::from("控えの指紋と一致することを確かめてから登録してください。 / Compare before you pin:\n\n");
    let mut rows = Vec::new();
    for line in keys {
        let fingerprint = sekisho_gateway::fingerprint(&line).unwrap_or_default();
        text.push_str(&format!("{fingerprint}\n  --host-key '{line}'\n"));
        rows.push(json!({ "line": line, "fingerprint": fingerprint }));
    }
    Ok(Reply::done(json!(rows), text))
}

async fn authority(store: &Store, by: &Actor, step: Option<&str>, reason: &str) -> Result<Reply, Trouble> {
    let authority = match step {
        None => store.ssh_authority(by)?,
        Some(step) => {
            let act = AuthorityAct::parse(step).ok_or_else(|| Trouble::Words("手順は prepare、finish、cancel のどれかです。 / the steps are prepare, finish and cancel".to_owned()))?;
            store.act_on_ssh_authority(by, act, reason).await?
        }
    };
    // Nothing but the lines: the output can go into the file as it is.
    Ok(Reply::done(serde_json::to_value(&authority)?, authority.lines().join("\n")))
}

async fn test(store: &Store, by: &Actor, name: &str, username: &str) -> Result<Reply, Trouble> {
    let row = find(store, by, name).await?;
    let account = row.accounts.iter().find(|account| account.username == username);
    let account = account.ok_or_else(|| Trouble::Words(format!("{name} に {username:?} というアカウントはありません。 / {name} has no account {username:?}")))?;
    let test = store.test_account(by, &account.id, Arc::new(Lookout)).await?;
    let value = serde_json::to_value(&test)?;
    let Some(tested) = test.tested else { return Ok(Reply::failed("接続の確認が終わりませんでした。もう一度実行してください。 / the test did not end")) };
    let address = tested.address.as_deref().unwrap_or("-");
    let print = tested.host_key.as_deref().unwrap_or("-");
    let (ok, end) = match &tested.outcome {
        Dialled::Connected { .. } => (true, "ログインできました。 / the login was accepted".to_owned()),
        Dialled::CredentialRefused => (false, "接続先が認証情報を拒否しました。 / the target refused the credential".to_owned()),
        Dialled::HostKeyChanged { .. } => (false, "ホスト鍵が登録と違います。接続先を止めました。 / the host key is not a pinned one; the target is stopped".to_owned()),
        Dialled::Unreachable { detail } => (false, format!("つながりません。 / not reached: {detail}")),
    };
    Ok(Reply { ok, ..Reply::done(value, format!("1. {address}\n2. {print}\n3. {end}")) })
}

async fn change(store: &Store, by: &Actor, name: &str, edit: impl FnOnce(&mut TargetAsk)) -> Result<Target, Trouble> {
    let row = find(store, by, name).await?;
    let mut ask = as_ask(row.target.clone());
    edit(&mut ask);
    Ok(store.change_target(by, &row.target.id, ask).await?)
}

/// The present entry as what it could be changed to.
fn as_ask(target: Target) -> TargetAsk {
    let Target { id: _, host_key_alarm: _, logs: _, name, title, protocol, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active } = target;
    TargetAsk { name, title, protocol, host, port, owner, vendor, host_keys, personal_data, class, witness, quarantine, active }
}

async fn account(store: &Store, by: &Actor, args: AccountArgs) -> Result<Reply, Trouble> {
    let row = find(store, by, &args.name).await?;
    let secret = Secret::new(args.secret);
    let credential = if args.certificate {
        CredentialAsk::Certificate
    } else if args.key_file.is_some() {
        CredentialAsk::PrivateKey(secret)
    } else {
        CredentialAsk::Password(secret)
    };
    let account = match row.accounts.iter().find(|account| account.username == args.username) {
        Some(account) => store.set_credential(by, &account.id, credential).await?,
        None => store.add_account(by, &row.target.id, AccountAsk { username: args.username, privileged: args.privileged, credential }).await?,
    };
    let text = if args.certificate {
        format!("{}@{}: 接続ごとに証明書を発行します。接続先に置く行は画面で見られます。 / a certificate for each session", account.username, args.name)
    } else {
        format!("{}@{}: 認証情報を保存しました。 / credential stored", account.username, args.name)
    };
    Ok(Reply::done(serde_json::to_value(&account)?, text))
}

async fn find(store: &Store, by: &Actor, name: &str) -> Result<TargetRow, Trouble> {
    let rows = store.targets(by).await?;
    rows.into_iter().find(|row| row.target.name == name).ok_or_else(|| Trouble::Words(format!("{name:?} という接続先はありません。 / no target is called {name:?}")))
}

fn cells(row: &TargetRow) -> Vec<String> {
    let target = &row.target;
    let accounts = row.accounts.iter().map(|account| account.username.clone()).collect::<Vec<_>>().join(",");
    vec![
        target.name.clone(),
        target.title.clone(),
        format!("{}:{}", target.host, target.port),
        row.vendor_name.clone(),
        accounts,
        target.host_keys.len().to_string(),
        match (&target.host_key_alarm, target.active) {
            (Some(_), _) => "HOST KEY ALARM",
            (None, true) => "active",
            (None, false) => "out of service",
        }
        .into(),
    ]
}
