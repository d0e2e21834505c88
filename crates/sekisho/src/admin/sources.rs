//! `sekisho sources …` and `sekisho cases …`

use super::{Reply, Trouble};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use sekisho_core::around::{AllowAsk, Case, Decision, ImportAsk, LogImport, SourceAsk};
use sekisho_core::ids::{CaseId, LogSourceId, LoginAllowId, TargetId};
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::source::Network;
use sekisho_store::{NewLogSource, Store};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;

/// Commands on the sources of targets' logs (ログの送信元).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourcesCommand {
    /// List the sources of logs
    List,
    /// Register a source; prints its certificate, its key and a configuration for rsyslog, once
    #[command(after_help = "Next: put what is printed on the source; its first line appears in `sources list`.")]
    Add {
        /// Host name as it stands in its lines; may be given several times
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
        /// Short name of the target whose logins these are
        #[arg(long, required_unless_present = "sensor", conflicts_with = "sensor")]
        target: Option<String>,
        /// The source watches the network (Suricata) and is no target: its flows are read, no logins of its own
        #[arg(long)]
        sensor: bool,
        /// Address of a device of the legacy network, which sends in clear
        #[arg(long)]
        legacy: Option<IpAddr>,
        /// Minutes from UTC of its clock, for lines that do not say
        #[arg(long, default_value_t = 540, allow_hyphen_values = true)]
        zone_minutes: i32,
        /// Minutes without a line after which it counts as silent [default: by what is usual]
        #[arg(long)]
        silent_minutes: Option<u32>,
        /// The source does not tell of every login
        #[arg(long)]
        partial: bool,
    },
    /// Make another certificate for a source; the present one ends at once
    Certify {
        /// Id or host name
        source: String,
    },
    /// Read in a file of a target's log: .evtx of Windows, wtmp or btmp of Linux
    Import {
        /// Short name of the target whose log it is
        #[arg(long)]
        target: String,
        /// The file that is read in
        file: PathBuf,
        /// The file holds failed attempts: a btmp [default: if its name begins with btmp]
        #[arg(long)]
        failed: bool,
        /// Seconds by which the machine's clock may be off
        #[arg(long, default_value_t = 60)]
        clock_seconds: u32,
        /// What it holds, Base64.
        #[arg(skip)]
        #[serde(default)]
        content: String,
    },
    /// List the files that were read in
    Imports,
    /// End a source: its certificate ends at once
    End {
        /// Id or host name
        source: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

impl SourcesCommand {
    /// Reads the file, so that the wish is complete.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub fn gather(self) -> anyhow::Result<Self> {
        let Self::Import { target, file, failed, clock_seconds, .. } = self else { return Ok(self) };
        let words = || format!("{0} を読めません。 / cannot read {0}", file.display());
        let mut bytes = Vec::new();
        File::open(&file).with_context(words)?.take(limits::LOG_IMPORT_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(words)?;
        if bytes.len() > limits::LOG_IMPORT_BYTES {
            anyhow::bail!("{0} は {1} バイトを超えています。期間を短くして書き出してください。 / {0} is larger than {1} bytes; export a shorter time", file.display(), limits::LOG_IMPORT_BYTES);
        }
        let failed = failed || file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("btmp"));
        Ok(Self::Import { target, file, failed, clock_seconds, content: STANDARD.encode(bytes) })
    }
}

/// Commands on logins that went round the gateway (迂回ログイン).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CasesCommand {
    /// List the cases that wait for a decision
    List {
        /// Also the cases that were decided on
        #[arg(long)]
        all: bool,
    },
    /// Show a case, with the lines of the log around it
    Show {
        /// Id of the case
        case: String,
    },
    /// Decide on a case
    Decide {
        /// Id of the case
        case: String,
        /// Decision: legitimate or incident
        #[arg(long)]
        decision: String,
        /// Logins and attempts that you saw, as `cases show` prints them: 3+0
        #[arg(long)]
        seen: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the logins that may go round the gateway
    Allows,
    /// Allow logins round the gateway
    Allow {
        /// Address or network from which they come
        #[arg(long)]
        network: String,
        /// Short name of the target [default: all]
        #[arg(long)]
        target: Option<String>,
        /// Account [default: all but those that are kept here]
        #[arg(long)]
        account: Option<String>,
        /// Days for which it holds
        #[arg(long)]
        days: u32,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take the permission of such logins back
    Disallow {
        /// Id of the permission
        allow: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

async fn target_named(store: &Store, by: &Actor, name: Option<String>) -> Result<Option<TargetId>, Trouble> {
    let Some(name) = name else { return Ok(None) };
    let found = store.targets(by).await?.into_iter().find(|row| row.target.name == name || row.target.id.as_str() == name);
    found.map(|row| Some(row.target.id)).ok_or_else(|| Trouble::Words(format!("{name} という接続先はありません。 / there is no target {name}")))
}

async fn source_named(store: &Store, by: &Actor, name: &str) -> Result<LogSourceId, Trouble> {
    if let Some(id) = LogSourceId::parse(name) {
        return Ok(id);
    }
    let found = store.log_sources(by).await?.into_iter().find(|row| row.source.active && row.source.hosts.contains(name));
    found.map(|row| row.source.id).ok_or_else(|| Trouble::Words(format!("{name} という有効なログの送信元はありません。 / no source in force is called {name}")))
}

fn made(made: &NewLogSource) -> Result<Reply, Trouble> {
    let rsyslog = made.rsyslog();
    let value = serde_json::json!({ "source": made.source, "certificate": made.certificate, "key": made.key.expose(), "server_ca": made.server_ca, "address": made.address, "rsyslog": rsyslog });
    let text = if made.certificate.is_empty() {
        format!("{}\n平文で届くログを受け取ります。送信者は確かめられません。 / Lines in clear are taken; nobody proves their sender.", made.source.id)
    } else {
        format!(
            "{}\n鍵は関所に残りません。 / The key is kept nowhere.\n\n# /etc/rsyslog.d/sekisho/ca.pem\n{}\n# /etc/rsyslog.d/sekisho/cert.pem\n{}\n# /etc/rsyslog.d/sekisho/key.pem\n{}\n# /etc/rsyslog.d/60-sekisho.conf\n{rsyslog}",
            made.source.id,
            made.server_ca,
            made.certificate,
            made.key.expose()
        )
    };
    Ok(Reply::done(value, text))
}

/// Does a command on sources.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn sources(store: &Store, by: &Actor, command: SourcesCommand) -> Result<Reply, Trouble> {
    match command {
        SourcesCommand::List => {
            let rows = store.log_sources(by).await?;
            let mut text = String::new();
            for row in &rows {
                let hosts: Vec<&str> = row.source.hosts.iter().map(String::as_str).collect();
                let state = if !row.source.active { "終了 / ended" } else if row.silent { "途絶 / silent" } else { "受信中 / taking" };
                let last = row.last.map_or_else(|| "-".to_owned(), sekisho_core::time::Timestamp::second);
                let plain = if row.source.way.is_unauthenticated() { "  平文 / in clear" } else { "" };
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{}  {}  {}  {last}  {}{plain}", row.source.id, hosts.join(","), row.target_name, state);
            }
            if rows.is_empty() {
                text.push_str("登録した送信元はありません。 / No source is registered.");
            }
            Ok(Reply::done(serde_json::to_value(&rows)?, text))
        }
        SourcesCommand::Add { hosts, target, sensor: _, legacy, zone_minutes, silent_minutes, partial } => {
            if !store.takes_target_logs() {
                return Err(Trouble::Words("設定の [log_sources] に listen がないため、何も受け取りません。 / [log_sources] of the configuration has no listen; nothing is taken".into()));
            }
            let target = target_named(store, by, target).await?;
            let ask = SourceAsk { target, hosts: hosts.into_iter().collect(), legacy, zone_minutes, silent_minutes, tells_logins: !partial };
            made(&store.add_log_source(by, ask).await?)
        }
        SourcesCommand::Import { target, file, failed, clock_seconds, content } => {
            let target = target_named(store, by, Some(target)).await?.ok_or_else(|| Trouble::Words("その接続先はありません。 / there is no such target".into()))?;
            let bytes = STANDARD.decode(content).map_err(|_| Trouble::Words("ファイルが途中で切れています。もう一度実行してください。 / the file did not arrive whole".into()))?;
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let import = store.import_log(by, ImportAsk { target, name, failed, clock_seconds }, bytes).await?;
            Ok(Reply::done(serde_json::to_value(&import)?, imported(&import)))
        }
        SourcesCommand::Imports => {
            let imports = store.log_imports(by).await?;
            let text: Vec<String> = imports.iter().map(imported).collect();
            let text = if text.is_empty() { "取り込んだログはありません。 / No log was read in.".to_owned() } else { text.join("\n") };
            Ok(Reply::done(serde_json::to_value(&imports)?, text))
        }
        SourcesCommand::Certify { source } => made(&store.recertify_log_source(by, &source_named(store, by, &source).await?).await?),
        SourcesCommand::End { source, reason } => {
            let ended = store.end_log_source(by, &source_named(store, by, &source).await?, &reason).await?;
            Ok(Reply::done(serde_json::to_value(&ended)?, ended.id.to_string()))
        }
    }
}

fn imported(import: &LogImport) -> String {
    let troubles = if import.troubles.is_empty() { String::new() } else { format!("\n  {}", import.troubles.join("\n  ")) };
    format!(
        "{}  {}  {}  {}  記録 / records {}  ログイン / logins {}  セッション / sessions {}  迂回 / cases {}  既知 / known {}  SHA-256 {}{troubles}",
        import.id,
        import.at.second(),
        import.about,
        import.name,
        import.records,
        import.logins,
        import.joined,
        import.hits,
        import.known,
        import.digest
    )
}

fn line(case: &Case) -> String {
    let accounts: Vec<&str> = case.accounts.iter().map(String::as_str).collect();
    let decided = case.decided.as_ref().map(|decided| format!("  = {}", decided.what.as_str())).unwrap_or_default();
    format!("{}  {} {}  {}  {}  {}  {}  {}+{}{decided}", case.id, case.key.rule.short(), case.weight.as_str(), case.about, case.key.from, accounts.join(","), case.last.second(), case.logins, case.attempts)
}

fn case_id(text: &str) -> Result<CaseId, Trouble> {
    CaseId::parse(text).ok_or_else(|| Trouble::Words(format!("{text:?} は事案の識別子ではありません。 / {text:?} is no id of a case")))
}

/// Does a command on cases.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn cases(store: &Store, by: &Actor, command: CasesCommand) -> Result<Reply, Trouble> {
    match command {
        CasesCommand::List { all } => {
            let (open, decided) = store.cases(by).await?;
            let decided = if all { decided } else { Vec::new() };
            let text: Vec<String> = open.iter().chain(&decided).map(line).collect();
            let text = if text.is_empty() { "判断を待つものはありません。 / Nothing waits for a decision.".to_owned() } else { text.join("\n") };
            Ok(Reply::done(serde_json::json!({ "open": open, "decided": decided }), text))
        }
        CasesCommand::Show { case } => {
            let id = case_id(&case)?;
            let case = store.case(by, &id).await?;
            let lines = store.case_lines(by, &id).await.unwrap_or_default();
            let mut text = format!("{}\n\n{}\n", line(&case), case.line);
            for (at, near, own) in &lines {
                let _ = write!(text, "\n{} {} {near}", if *own { ">" } else { " " }, at.second());
            }
            Ok(Reply::done(serde_json::json!({ "case": case, "lines": lines.iter().map(|(at, text, _)| serde_json::json!({ "at": at, "line": text })).collect::<Vec<_>>() }), text))
        }
        CasesCommand::Decide { case, decision, seen, reason } => {
            let counts = seen.split_once('+').and_then(|(logins, attempts)| Some((logins.parse().ok()?, attempts.parse().ok()?)));
            let counts = counts.ok_or_else(|| Trouble::Words("--seen には、`sekisho cases show` が表示する二つの数を 3+0 のように指定してください。 / --seen is the two numbers that `sekisho cases show` prints, such as 3+0".into()))?;
            let what = Decision::parse(&decision).filter(|what| *what != Decision::Allowed).ok_or_else(|| Trouble::Words("判断は legitimate か incident です。今後も認めるログインは `sekisho cases allow` で登録してください。 / the decision is legitimate or incident; to allow such logins, `sekisho cases allow`".into()))?;
            let case = store.decide_case(by, &case_id(&case)?, counts, what, &reason, None).await?;
            Ok(Reply::done(serde_json::to_value(&case)?, line(&case)))
        }
        CasesCommand::Allows => {
            let allows = store.login_allows(by).await?;
            let text: Vec<String> = allows.iter().map(|allow| format!("{}  {}  {}  {}  -> {}  {}", allow.id, allow.target.as_ref().map_or("*", TargetId::as_str), allow.network, allow.account.as_deref().unwrap_or("*"), allow.until.minute(), allow.reason)).collect();
            Ok(Reply::done(serde_json::to_value(&allows)?, text.join("\n")))
        }
        CasesCommand::Allow { network, target, account, days, reason } => {
            let network = Network::parse(&network).ok_or_else(|| Trouble::Words(format!("{network:?} はアドレスでもネットワークでもありません。 / {network:?} is neither an address nor a network")))?;
            let target = target_named(store, by, target).await?;
            let allow = store.allow_login(by, AllowAsk { target, network, account, reason, days }).await?;
            Ok(Reply::done(serde_json::to_value(&allow)?, allow.id.to_string()))
        }
        CasesCommand::Disallow { allow, reason } => {
            let id = LoginAllowId::parse(&allow).ok_or_else(|| Trouble::Words(format!("{allow:?} は認めたログインの識別子ではありません。 / {allow:?} is no id of an allowed login")))?;
            let ended = store.end_login_allow(by, &id, &reason).await?;
            Ok(Reply::done(serde_json::to_value(&ended)?, ended.id.to_string()))
        }
    }
}
