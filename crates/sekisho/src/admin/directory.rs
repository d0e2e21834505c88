//! `sekisho directory`: try directories and providers out, and link persons to them.

use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_store::Store;
use serde::{Deserialize, Serialize};

/// What can be done.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryCommand {
    /// Try every configured directory and sign-in provider: connection, certificate, service account, groups
    Check,
    /// Look for an account in a directory, with its state and groups, as linking and logging in would see it
    Test {
        /// Login name in the directory
        login: String,
        /// Which directory, if several are configured
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
    /// Link a person to an account; their password in Sekisho ends
    Link {
        /// Login name in Sekisho
        login: String,
        /// Name of the directory or provider in the configuration
        #[arg(long, value_name = "NAME")]
        source: String,
        /// The login name there, or the value of the provider's claim
        #[arg(long = "as", value_name = "NAME")]
        known_as: String,
    },
    /// End the link of a person; they then need `sekisho person reset` to log in again
    Unlink {
        /// Login name in Sekisho
        login: String,
    },
}

/// Does it.
pub(super) async fn answer(store: &Store, actor: &Actor, command: DirectoryCommand) -> Result<Reply, Trouble> {
    match command {
        DirectoryCommand::Link { login, source, known_as } => {
            let person = super::person::find(store, actor, &login).await?.person;
            let link = store.link_person(actor, &person.id, &source, &known_as).await?;
            Ok(Reply::done(serde_json::to_value(&link)?, format!("{login} を {source} の {known_as} に結び付けました。関所のパスワードは使えなくなりました。 / {login} is linked to {known_as} of {source}; the password in Sekisho has ended")))
        }
        DirectoryCommand::Unlink { login } => {
            let person = super::person::find(store, actor, &login).await?.person;
            store.unlink_person(actor, &person.id).await?;
            Ok(Reply::done(serde_json::json!({ "unlinked": login }), format!("{login} の結び付けを外しました。新しいパスワードは `sekisho person reset {login}` で渡します。 / {login} is linked to nothing; `sekisho person reset {login}` gives a new password")))
        }
        DirectoryCommand::Check | DirectoryCommand::Test { .. } => Err(Trouble::Words("this is done without the store".into())),
    }
}
