//! `sekisho vendor …`

use super::table::table;
use super::{Reply, Trouble};
use clap::Subcommand;
use sekisho_core::people::{Actor, Vendor};
use sekisho_core::time::Timestamp;
use sekisho_store::{Store, VendorAsk};
use serde::{Deserialize, Serialize};

/// Commands on vendors.
#[derive(Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorCommand {
    /// List all vendors
    List,
    /// Register a vendor or a subcontractor
    Add {
        /// Registered company name
        #[arg(long)]
        name: String,
        /// The vendor for which this one works as a subcontractor
        #[arg(long, value_name = "VENDOR")]
        subcontractor_of: Option<String>,
        /// 24-hour contact
        #[arg(long, default_value = "")]
        contact: String,
        /// Last day of the contract, YYYY-MM-DD
        #[arg(long, value_name = "DATE")]
        contract_until: Option<String>,
    },
    /// Change a vendor; what is not named stays
    Change {
        /// Id or name
        vendor: String,
        /// Registered company name
        #[arg(long)]
        name: Option<String>,
        /// 24-hour contact
        #[arg(long)]
        contact: Option<String>,
        /// Last day of the contract, YYYY-MM-DD
        #[arg(long, value_name = "DATE")]
        contract_until: Option<String>,
    },
    /// Disable a vendor: its people's sessions end at once
    Disable {
        /// Id or name
        vendor: String,
    },
    /// Enable a vendor again
    Enable {
        /// Id or name
        vendor: String,
    },
}

/// Does a command.
///
/// # Errors
/// The store's refusal, or words about the input.
pub async fn answer(store: &Store, by: &Actor, command: VendorCommand) -> Result<Reply, Trouble> {
    let kept = match command {
        VendorCommand::List => {
            let rows = store.vendors(by).await?;
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            return Ok(Reply::done(serde_json::to_value(&rows)?, table(&["id", "name", "contract until", "state"], &cells)));
        }
        VendorCommand::Add { name, subcontractor_of, contact, contract_until } => {
            let principal = match subcontractor_of {
                Some(name) => Some(find(store, by, &name).await?.id),
                None => None,
            };
            let contract_until = contract_until.as_deref().map(super::person::day_end).transpose()?;
            let ask = VendorAsk { name, subcontractor_of: principal, contact, contract_until, active: true, subcontract: None };
            store.add_vendor(by, ask).await?
        }
        VendorCommand::Change { vendor, name, contact, contract_until } => {
            let row = find(store, by, &vendor).await?;
            let mut ask = as_ask(row.clone());
            ask.name = name.unwrap_or(ask.name);
            ask.contact = contact.unwrap_or(ask.contact);
            if let Some(date) = contract_until {
                ask.contract_until = Some(super::person::day_end(&date)?);
            }
            store.change_vendor(by, &row.id, ask).await?
        }
        VendorCommand::Disable { vendor } => switch(store, by, &vendor, false).await?,
        VendorCommand::Enable { vendor } => switch(store, by, &vendor, true).await?,
    };
    let text = format!("{}  {}  {}", kept.id, kept.name, if kept.active { "有効 / active" } else { "無効 / disabled" });
    Ok(Reply::done(serde_json::to_value(&kept)?, text))
}

async fn switch(store: &Store, by: &Actor, vendor: &str, active: bool) -> Result<Vendor, Trouble> {
    let row = find(store, by, vendor).await?;
    let mut ask = as_ask(row.clone());
    ask.active = active;
    Ok(store.change_vendor(by, &row.id, ask).await?)
}

/// Finds a vendor by id or by name.
///
/// # Errors
/// None or several fit.
pub(super) async fn find(store: &Store, by: &Actor, wanted: &str) -> Result<Vendor, Trouble> {
    let rows = store.vendors(by).await?;
    let mut hits = rows.into_iter().filter(|row| row.id.as_str() == wanted || row.name == wanted);
    match (hits.next(), hits.next()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(Trouble::Words(format!("{wanted:?} という事業者はありません。 / no vendor is called {wanted:?}"))),
        (Some(_), Some(_)) => Err(Trouble::Words(format!("{wanted:?} という事業者が複数あります。識別子で指定してください。 / several vendors are called {wanted:?}: give the id"))),
    }
}

/// The present entry as what it could be changed to.
fn as_ask(vendor: Vendor) -> VendorAsk {
    let Vendor { id: _, name, subcontractor_of, contact, contract_until, active, subcontract } = vendor;
    VendorAsk { name, subcontractor_of, contact, contract_until, active, subcontract }
}

fn cells(vendor: &Vendor) -> Vec<String> {
    let state = if vendor.active { "active" } else { "disabled" };
    vec![vendor.id.to_string(), vendor.name.clone(), vendor.contract_until.map(Timestamp::minute).unwrap_or_default(), state.into()]
}
