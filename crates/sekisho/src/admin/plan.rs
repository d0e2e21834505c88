//! `sekisho plan …`

use super::table::{pairs, table};
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::Actor;
use sekisho_core::plan::state::PlanState;
use sekisho_core::time::Timestamp;
use sekisho_store::{PlanFilter, Store};
use serde::{Deserialize, Serialize};

/// Commands on plans. Decisions need a person's two factors and so are not here.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanCommand {
    /// List plans, the newest first
    List {
        /// Only those in this state: draft, submitted, approved, in_progress, …
        #[arg(long)]
        state: Option<String>,
        /// Only those whose number or title holds this text
        #[arg(long)]
        text: Option<String>,
        /// Page of the list
        #[arg(long, default_value_t = 1)]
        page: usize,
    },
    /// Show a plan with its trail
    Show {
        /// Number, such as 2026-0042
        number: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: PlanCommand) -> Result<Reply, Trouble> {
    match command {
        PlanCommand::List { state, text, page } => {
            let state = match state {
                Some(name) => Some(PlanState::parse(&name).ok_or_else(|| Trouble::Words(format!("{name:?} は作業計画の状態ではありません。 / {name:?} is no state of a plan")))?),
                None => None,
            };
            let found = store.plans(by, &PlanFilter { state, text, page: page.saturating_sub(1) }).await?;
            let cells: Vec<Vec<String>> = found
                .rows
                .iter()
                .map(|row| vec![row.number.clone(), row.state.ja().into(), row.title.clone(), row.vendor_name.clone(), row.window.0.minute(), row.window.1.minute()])
                .collect();
            Ok(Reply::done(serde_json::to_value(&found)?, table(&["number", "state", "title", "vendor", "from", "until"], &cells)))
        }
        PlanCommand::Show { number } => {
            let found = store.plans(by, &PlanFilter { state: None, text: Some(number.clone()), page: 0 }).await?;
            let Some(row) = found.rows.iter().find(|row| row.number == number) else {
                return Err(Trouble::Words(format!("{number:?} という番号の作業計画はありません。 / no plan has the number {number:?}")));
            };
            let view = store.plan(by, &row.id).await?;
            let plan = &view.plan;
            let (from, until) = plan.window();
            let mut text = pairs(&[
                ("number", format!("{} (rev. {})", plan.number, plan.revision)),
                ("title", plan.content.title.clone()),
                ("state", plan.state.ja().into()),
                ("vendor", row.vendor_name.clone()),
                ("window", format!("{} – {}", from.minute(), until.minute())),
                ("digest", view.digest.clone()),
                ("ended", plan.ended_at.map(Timestamp::minute).unwrap_or_default()),
            ]);
            let trail: Vec<Vec<String>> =
                plan.trail.iter().map(|entry| vec![entry.at.minute(), entry.by.clone(), entry.act.clone(), entry.state.ja().into(), entry.remark.clone()]).collect();
            text.push('\n');
            text.push_str(&table(&["at", "by", "act", "state", "remark"], &trail));
            Ok(Reply::done(serde_json::to_value(&view)?, text))
        }
    }
}
