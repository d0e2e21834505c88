//! `sekisho sources …` and `sekisho cases …`

use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::around::{AllowAsk, Case, Decision, SourceAsk};
use sekisho_core::ids::{CaseId, LogSourceId, LoginAllowId, TargetId};
use sekisho_core::people::Actor;
use sekisho_core::source::Network;
use sekisho_store::{NewLogSource, Store};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Commands on the sources of targets' logs (ログの送信元).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourcesCommand {
    /// List the sources
    List,
    /// Register a source; prints its certificate, its key and a configuration for rsyslog, once
    Add {
        /// Host name as it stands in its lines; may be given several times
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
        /// Short name of the target whose logins these are
        #[arg(long, required_unless_present = "sensor", conflicts_with = "sensor")]
        target: Option<String>,
        /// It watches the network (Suricata) and is no target: only its flows are looked at, not logins of its own
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
        /// It does not tell of every login
        #[arg(long)]
        partial: bool,
    },
    /// Make another certificate for a source; the present one ends at once
    Certify {
        /// Id or host name
        source: String,
    },
    /// End a source
    End {
        /// Id or host name
        source: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Commands on logins that went round the gateway (迂回ログイン).
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CasesCommand {
    /// List those that wait for a decision
    List {
        /// Also those that were decided on
        #[arg(long)]
        all: bool,
    },
    /// Show one, with the lines round it
    Show {
        /// Id
        case: String,
    },
    /// Decide on one
    Decide {
        /// Id
        case: String,
        /// legitimate or incident
        #[arg(long)]
        decision: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the logins that may go round the gateway
    Allows,
    /// Allow logins round the gateway
    Allow {
        /// Address or network
        #[arg(long)]
        network: String,
        /// Short name of the target [default: all]
        #[arg(long)]
        target: Option<String>,
        /// Account [default: all but those that are kept here]
        #[arg(long)]
        account: Option<String>,
        /// Days
        #[arg(long)]
        days: u32,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take such a leave back
    Disallow {
        /// Id
        allow: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

async fn target_named(store: &Store, by: &Actor, name: Option<String>) -> Result<Option<TargetId>, Trouble> {
    let Some(name) = name else { return Ok(None) };
    let found = store.targets(by).await?.into_iter().find(|row| row.target.name == name || row.target.id.as_str() == name);
    found.map(|row| Some(row.target.id)).ok_or_else(|| Trouble::Words(format!("there is no target {name}")))
}

async fn source_named(store: &Store, by: &Actor, name: &str) -> Result<LogSourceId, Trouble> {
    if let Some(id) = LogSourceId::parse(name) {
        return Ok(id);
    }
    let found = store.log_sources(by).await?.into_iter().find(|row| row.source.active && row.source.hosts.contains(name));
    found.map(|row| row.source.id).ok_or_else(|| Trouble::Words(format!("no source in force is called {name}")))
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
                return Err(Trouble::Words("[log_sources] of the configuration has no listen; nothing is taken".into()));
            }
            let target = target_named(store, by, target).await?;
            let ask = SourceAsk { target, hosts: hosts.into_iter().collect(), legacy, zone_minutes, silent_minutes, tells_logins: !partial };
            made(&store.add_log_source(by, ask).await?)
        }
        SourcesCommand::Certify { source } => made(&store.recertify_log_source(by, &source_named(store, by, &source).await?).await?),
        SourcesCommand::End { source, reason } => {
            let ended = store.end_log_source(by, &source_named(store, by, &source).await?, &reason).await?;
            Ok(Reply::done(serde_json::to_value(&ended)?, ended.id.to_string()))
        }
    }
}

fn line(case: &Case) -> String {
    let accounts: Vec<&str> = case.accounts.iter().map(String::as_str).collect();
    let decided = case.decided.as_ref().map(|decided| format!("  = {}", decided.what.as_str())).unwrap_or_default();
    format!("{}  {} {}  {}  {}  {}  {}  {}+{}{decided}", case.id, case.key.rule.short(), case.weight.as_str(), case.about, case.key.from, accounts.join(","), case.last.second(), case.logins, case.attempts)
}

fn case_id(text: &str) -> Result<CaseId, Trouble> {
    CaseId::parse(text).ok_or_else(|| Trouble::Words(format!("{text:?} is no id of a case")))
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
        CasesCommand::Decide { case, decision, reason } => {
            let what = Decision::parse(&decision).filter(|what| *what != Decision::Allowed).ok_or_else(|| Trouble::Words("the decision is legitimate or incident; to allow such logins, `sekisho cases allow`".into()))?;
            let case = store.decide_case(by, &case_id(&case)?, what, &reason, None).await?;
            Ok(Reply::done(serde_json::to_value(&case)?, line(&case)))
        }
        CasesCommand::Allows => {
            let allows = store.login_allows(by).await?;
            let text: Vec<String> = allows.iter().map(|allow| format!("{}  {}  {}  {}  -> {}  {}", allow.id, allow.target.as_ref().map_or("*", TargetId::as_str), allow.network, allow.account.as_deref().unwrap_or("*"), allow.until.minute(), allow.reason)).collect();
            Ok(Reply::done(serde_json::to_value(&allows)?, text.join("\n")))
        }
        CasesCommand::Allow { network, target, account, days, reason } => {
            let network = Network::parse(&network).ok_or_else(|| Trouble::Words(format!("{network:?} is neither an address nor a network")))?;
            let target = target_named(store, by, target).await?;
            let allow = store.allow_login(by, AllowAsk { target, network, account, reason, days }).await?;
            Ok(Reply::done(serde_json::to_value(&allow)?, allow.id.to_string()))
        }
        CasesCommand::Disallow { allow, reason } => {
            let id = LoginAllowId::parse(&allow).ok_or_else(|| Trouble::Words(format!("{allow:?} is no id of an allowed login")))?;
            let ended = store.end_login_allow(by, &id, &reason).await?;
            Ok(Reply::done(serde_json::to_value(&ended)?, ended.id.to_string()))
        }
    }
}
