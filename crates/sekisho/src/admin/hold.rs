//! `sekisho hold …`: 証拠保全. The console places and extends; a person lifts, on the pages, who is not the one who placed it.

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::hold::{Hold, HoldAsk, HoldBasis, HoldScope};
use sekisho_core::ids::{HoldId, PersonId, PlanId, SessionId, TargetId, VendorId};
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use sekisho_store::{DueThing, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Commands on holds.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCommand {
    /// List holds: those that stand first
    List,
    /// Place a hold: nothing within its scope is deleted from here on
    Place {
        /// What it covers: ses-…, pln-…, tgt-…, ven-…, per-…, everything, or FROM..UNTIL such as 2026-11-01T00:00..2026-11-20T18:00, Japanese time
        scope: String,
        /// Number of the case, of the police or the hospital
        #[arg(long)]
        number: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// On a request of the police, for so many days, 30 at most
        #[arg(long, value_name = "DAYS")]
        police: Option<u32>,
    },
    /// Give a hold on a request of the police a later end
    Extend {
        /// Id of the hold
        hold: String,
        /// Days from its placing, 60 at most
        #[arg(long)]
        days: u32,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Show what will be deleted within 14 days, and what a hold keeps
    Ahead {
        /// Page, from 1
        #[arg(long, default_value_t = 1)]
        page: usize,
    },
}

fn scope_of(text: &str) -> Option<HoldScope> {
    if text == "everything" {
        return Some(HoldScope::Everything);
    }
    if let Some((from, until)) = text.split_once("..") {
        return Some(HoldScope::Period { from: Timestamp::parse_local(from)?, until: Timestamp::parse_local(until)? });
    }
    let session = SessionId::parse(text).map(|session| HoldScope::Session { session });
    session
        .or_else(|| PlanId::parse(text).map(|plan| HoldScope::Plan { plan }))
        .or_else(|| TargetId::parse(text).map(|target| HoldScope::Target { target }))
        .or_else(|| VendorId::parse(text).map(|vendor| HoldScope::Vendor { vendor }))
        .or_else(|| PersonId::parse(text).map(|person| HoldScope::Person { person }))
}

fn line(store: &Store, hold: &Hold) -> Vec<String> {
    let covers = match &hold.scope {
        HoldScope::Period { from, until } => format!("{} .. {}", from.minute(), until.minute()),
        HoldScope::Everything => "everything".to_owned(),
        scope => format!("{} {}", scope.as_str(), hold.about),
    };
    let state = if hold.stands(store.now()) { "held" } else { "over" };
    let until = hold.until.map_or_else(|| "-".to_owned(), Timestamp::minute);
    vec![hold.id.to_string(), state.to_owned(), hold.basis.as_str().to_owned(), hold.case_number.clone(), until, covers]
}

/// Does a command.
///
/// # Errors
/// The store's, or words.
pub async fn answer(store: &Store, by: &Actor, command: HoldCommand) -> Result<Reply, Trouble> {
    match command {
        HoldCommand::List => {
            let holds = store.holds(by).await?;
            let rows: Vec<Vec<String>> = holds.iter().map(|hold| line(store, hold)).collect();
            let text = if rows.is_empty() { "証拠保全はありません。 / nothing is held".to_owned() } else { table(&["hold", "state", "basis", "number", "until", "covers"], &rows) };
            Ok(Reply::done(serde_json::to_value(&holds)?, text))
        }
        HoldCommand::Place { scope, number, reason, police } => {
            let scope = scope_of(&scope).ok_or_else(|| Trouble::Words(format!("{scope:?}: ses-…, pln-…, tgt-…, ven-…, per-…, everything, FROM..UNTIL")))?;
            let basis = if police.is_some() { HoldBasis::Police } else { HoldBasis::Own };
            let hold = store.place_hold(by, HoldAsk { scope, basis, case_number: number, reason, days: police }).await?;
            let text = format!("証拠保全を指定しました: {} / held", hold.id);
            Ok(Reply::done(serde_json::to_value(&hold)?, text))
        }
        HoldCommand::Extend { hold, days, reason } => {
            let id = HoldId::parse(&hold).ok_or_else(|| Trouble::Words(format!("{hold:?} は証拠保全の識別子ではありません。 / not the identifier of a hold")))?;
            let hold = store.extend_hold(by, &id, days, &reason).await?;
            let until = hold.until.map(Timestamp::minute).unwrap_or_default();
            Ok(Reply::done(serde_json::to_value(&hold)?, format!("期限を {until} まで延長しました。 / extended")))
        }
        HoldCommand::Ahead { page } => {
            let list = store.deletions_ahead(by, page.saturating_sub(1)).await?;
            let rows: Vec<Vec<String>> = list
                .rows
                .iter()
                .map(|row| {
                    let (what, about) = match &row.thing {
                        DueThing::Recording { session, who, place } => ("recording", format!("{session} {who} {place}")),
                        DueThing::Attachment { number, name, .. } => ("attachment", format!("{number} {name}")),
                        DueThing::Lines { segment } => ("lines", segment.to_string()),
                    };
                    let due = if row.held.is_empty() { row.due.minute() } else { format!("held: {}", row.held.join(", ")) };
                    vec![due, what.to_owned(), row.class.as_str().to_owned(), row.days.to_string(), about]
                })
                .collect();
            let text = if rows.is_empty() { "削除予定の記録はありません。 / nothing will be deleted".to_owned() } else { table(&["due", "what", "class", "days", "about"], &rows) };
            Ok(Reply::done(json!({ "rows": list.rows, "more": list.more }), text))
        }
    }
}
