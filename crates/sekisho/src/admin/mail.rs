//! `sekisho mail …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on outgoing mail.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailCommand {
    /// List mails that wait, and those of the last weeks
    List,
    /// Try all waiting mails again at once
    Retry,
    /// Hand a test letter to the mail server, from this terminal, and say what came of it
    Test {
        /// Mail address to which the test letter goes
        address: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's, or words.
pub async fn answer(store: &Store, by: &Actor, command: MailCommand) -> Result<Reply, Trouble> {
    match command {
        MailCommand::List => {
            let outbox = store.outbox(by).await?;
            let rows: Vec<Vec<String>> = outbox
                .rows
                .iter()
                .map(|row| vec![row.made_at.minute(), row.state.as_str().to_owned(), row.letter.clone(), row.to.clone(), row.tries.to_string(), row.trouble.clone().unwrap_or_default()])
                .collect();
            let mut text = table(&["written", "state", "letter", "to", "tries", "trouble"], &rows);
            if !outbox.set_up {
                text.push_str("\nメールの送信は設定されていません。 / Mail is not set up.\n");
            }
            Ok(Reply::done(serde_json::to_value(&outbox)?, text))
        }
        MailCommand::Retry => {
            let n = store.retry_mail(by).await?;
            Ok(Reply::done(json!({ "mails": n }), format!("{n} 通を、すぐに送り直します。 / tried again at once")))
        }
        // It is done where the configuration is read, and does not come here.
        MailCommand::Test { .. } => Err(Trouble::Words("a test is sent from the terminal".into())),
    }
}
