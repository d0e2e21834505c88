//! `sekisho log …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::{LogFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Commands on the tamper-evident log.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogCommand {
    /// Show entries, the newest first
    List {
        /// Only of this kind: entered, left, plan_acted, refused, …
        #[arg(long)]
        kind: Option<String>,
        /// Only entries before this number, to go on from an earlier page
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Print the newest signed checkpoint, to be kept outside this box
    Checkpoint,
    /// Print the log's public key, which a verifier needs
    PublicKey,
}

/// Does a command.
///
/// # Errors
/// The store's refusal.
pub async fn answer(store: &Store, by: &Actor, command: LogCommand) -> Result<Reply, Trouble> {
    match command {
        LogCommand::List { kind, before } => {
            let entries = store.log_entries(by, &LogFilter { kind, before_seq: before, ..LogFilter::default() }).await?;
            let mut cells = Vec::new();
            for entry in &entries {
                let fact = serde_json::to_value(&entry.fact)?;
                let kind = fact.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
                let detail = fact.as_object().map(|map| map.iter().filter(|(name, _)| *name != "kind").map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
                cells.push(vec![entry.seq.to_string(), entry.at.second(), entry.actor.login.clone(), kind, detail.unwrap_or_default()]);
            }
            Ok(Reply::done(serde_json::to_value(&entries)?, table(&["no", "at", "by", "kind", "detail"], &cells)))
        }
        LogCommand::Checkpoint => {
            let text = store.checkpoint().map_err(sekisho_store::Denied::from)?;
            Ok(Reply::done(json!({ "checkpoint": text }), text))
        }
        LogCommand::PublicKey => {
            let key = store.log_public_key();
            Ok(Reply::done(json!({ "public_key": key }), key))
        }
    }
}
