//! `sekisho rules …`

use super::table::table;
use super::{Reply, Trouble};
use clap::{Subcommand, ValueEnum};
use sekisho_core::command::Judge;
use sekisho_core::people::Actor;
use sekisho_core::target::{TargetClass, Witness};
use sekisho_store::{ClassRules, RulesChange, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A class of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Unix servers.
    Linux,
    /// Databases.
    Database,
    /// Switches, routers, firewalls.
    Network,
    /// Everything else.
    Other,
}

impl From<Class> for TargetClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Linux => Self::Linux,
            Class::Database => Self::Database,
            Class::Network => Self::Network,
            Class::Other => Self::Other,
        }
    }
}

/// Which rules shall be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The whole ready-made set.
    Whole,
    /// Its basic part.
    Basic,
    /// No rules.
    None,
}

/// Commands on the rules for commands.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulesCommand {
    /// List the rules of a class of targets; the first that names a command decides
    List {
        /// Class of targets
        class: Class,
    },
    /// Show what happens to a command line; nothing is sent anywhere
    Try {
        /// Class of targets
        class: Class,
        /// The command line
        line: String,
    },
    /// Put ready-made rules in the place of all rules of a class
    Set {
        /// Class of targets
        class: Class,
        /// Which rules: the whole ready-made set, its basic part, or none
        which: Which,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal.
pub async fn answer(store: &Store, by: &Actor, command: RulesCommand) -> Result<Reply, Trouble> {
    match command {
        RulesCommand::List { class } => Ok(list(&of(store, by, class).await?)?),
        RulesCommand::Try { class, line } => {
            let kept = of(store, by, class).await?;
            let ruling = Judge::new(kept.class, &kept.rules, &[], None, Witness::None).judge(&line);
            Ok(match ruling {
                Some(ruling) => Reply::done(
                    json!({ "act": ruling.act, "pattern": ruling.pattern, "reason": ruling.reason, "part": ruling.part }),
                    format!("{}  {}  {}", ruling.act.as_str(), ruling.pattern, ruling.reason),
                ),
                None => Reply::done(json!({ "act": null }), "当てはまるルールはありません。そのまま実行されます。 / No rule names it: it runs."),
            })
        }
        RulesCommand::Set { class, which } => {
            let version = of(store, by, class).await?.version;
            let change = match which {
                Which::Whole => RulesChange::Whole,
                Which::Basic => RulesChange::Basic,
                Which::None => RulesChange::Clear,
            };
            Ok(list(&store.change_rules(by, class.into(), version, change).await?)?)
        }
    }
}

async fn of(store: &Store, by: &Actor, class: Class) -> Result<ClassRules, Trouble> {
    let class = TargetClass::from(class);
    let all = store.command_rules(by).await?;
    all.into_iter().find(|kept| kept.class == class).ok_or_else(|| Trouble::Words("その区分はありません。 / no such class".into()))
}

fn list(kept: &ClassRules) -> Result<Reply, serde_json::Error> {
    let rows: Vec<Vec<String>> = kept.rules.iter().map(|rule| vec![rule.act.as_str().to_owned(), rule.pattern.clone(), rule.reason.clone()]).collect();
    Ok(Reply::done(serde_json::to_value(kept)?, table(&["ACT", "PATTERN", "REASON"], &rows)))
}
