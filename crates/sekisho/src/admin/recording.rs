//! `sekisho recording …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::{SessionFilter, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Commands on recordings.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingCommand {
    /// List recordings with size and digest
    List {
        /// Page of the list
        #[arg(long, default_value_t = 1)]
        page: usize,
    },
    /// Export one channel of a recording as asciicast v2; the export is written into the log
    Export {
        /// Id of the session, such as ses-…
        session: String,
        /// Channel number, as `session show` and the replay page name it
        #[arg(long, default_value_t = 1)]
        channel: u32,
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: RecordingCommand) -> Result<Reply, Trouble> {
    match command {
        RecordingCommand::List { page } => {
            let found = store.sessions(by, &SessionFilter { page: page.saturating_sub(1), ..SessionFilter::default() }).await?;
            let mut values = Vec::new();
            let mut cells = Vec::new();
            for row in &found.rows {
                let view = store.session(by, &row.facts.session).await?;
                let info = view.recording;
                cells.push(vec![
                    row.facts.session.to_string(),
                    row.facts.started.second(),
                    info.bytes.to_string(),
                    if info.sealed { "sealed" } else { "open" }.into(),
                    info.digest.clone().unwrap_or_default(),
                ]);
                values.push(json!({ "session": row.facts.session, "recording": info }));
            }
            Ok(Reply::done(Value::Array(values), table(&["session", "started", "bytes", "state", "digest"], &cells)))
        }
        RecordingCommand::Export { session, channel, .. } => {
            let bytes = store.export_asciicast(by, &super::session::id(&session)?, channel).await?;
            let text = String::from_utf8(bytes).map_err(|_| Trouble::Words("the export is not text".into()))?;
            Ok(Reply::done(json!({ "session": session, "channel": channel, "asciicast": text }), text))
        }
    }
}
