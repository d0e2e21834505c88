//! `sekisho emergency …`: how emergency accounts stand, and the return to normal from the box itself.
//!
//! Envelopes are printed by persons at a page, because a terminal keeps what it showed.

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on emergency accounts.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyCommand {
    /// List the accounts and how they stand
    List,
    /// List the uses, with their reviews
    Uses,
    /// Declare the return to normal: what opened the account ends
    #[command(after_help = "Next: print new envelopes on the pages, and have another person review the use.")]
    Close {
        /// Login name of the account
        login: String,
        /// What was done and how things stand; it stands in the log
        #[arg(long)]
        note: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's, or words.
pub async fn answer(store: &Store, by: &Actor, command: EmergencyCommand) -> Result<Reply, Trouble> {
    match command {
        EmergencyCommand::List => {
            let accounts = store.emergencies(by).await?;
            let rows: Vec<Vec<String>> = accounts
                .iter()
                .map(|account| {
                    let due = account.look_due(store.policy()).map(|at| at.minute()).unwrap_or_default();
                    vec![account.login.clone(), account.name.clone(), account.state().as_str().to_owned(), account.codes_left().to_string(), due]
                })
                .collect();
            Ok(Reply::done(serde_json::to_value(&accounts)?, table(&["login", "name", "state", "codes", "look due"], &rows)))
        }
        EmergencyCommand::Uses => {
            let uses = store.emergency_uses(by, None).await?;
            let rows: Vec<Vec<String>> = uses
                .iter()
                .map(|usage| {
                    let first = usage.openings.first();
                    let state = match (usage.closed_at, &usage.review) {
                        (None, _) => "open",
                        (Some(_), None) => "to be reviewed",
                        (Some(_), Some(_)) => "reviewed",
                    };
                    vec![usage.opened_at().minute(), usage.login.clone(), state.to_owned(), first.map(|opening| opening.openers.join(", ")).unwrap_or_default(), first.map(|opening| opening.reason.clone()).unwrap_or_default()]
                })
                .collect();
            Ok(Reply::done(serde_json::to_value(&uses)?, table(&["opened", "login", "state", "openers", "reason"], &rows)))
        }
        EmergencyCommand::Close { login, note } => {
            let account = store.emergencies(by).await?.into_iter().find(|account| account.login == login);
            let account = account.ok_or_else(|| Trouble::Words(format!("{login} という非常時用アカウントはありません。 / no emergency account of this name")))?;
            let usage = store.close_emergency(by, &account.id, &note).await?;
            Ok(Reply::done(json!({ "use": usage.id }), format!("{login}: 通常復帰を行い、封筒の中身を使えなくしました。新しい封筒を印刷し、別の人が使用を確認してください。 / closed; print new envelopes, and have the use reviewed")))
        }
    }
}
