//! The ledgers: persons, vendors, targets and the accounts on them.

mod persons;
mod targets;
mod vendors;

pub use persons::{NewPerson, PersonChange, PersonRow};
pub use targets::{AccountAsk, CredentialAsk, TargetAsk, TargetRow};
pub use vendors::VendorAsk;
pub(crate) use persons::recall_sessions;

use crate::fault::Fault;
use sekisho_core::ids::{AccountId, PersonId, TargetId, VendorId};
use sekisho_core::people::{Person, Vendor};
use sekisho_core::target::{Account, Target};
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row};

/// Most rows of a ledger that one answer holds.
pub(crate) const LEDGER_ROWS: i64 = 5000;

/// The aggregate in the `body` of a row.
pub(crate) fn body<T: DeserializeOwned>(row: &AnyRow) -> Result<T, Fault> {
    Ok(serde_json::from_str(row.try_get("body")?)?)
}

/// The aggregates in the `body` of rows.
pub(crate) fn bodies<T: DeserializeOwned>(rows: &[AnyRow]) -> Result<Vec<T>, Fault> {
    rows.iter().map(body).collect()
}

/// A person, if there is one.
pub(crate) async fn load_person(executor: impl Executor<'_, Database = Any>, id: &PersonId) -> Result<Option<Person>, Fault> {
    let row = sqlx::query("SELECT body FROM persons WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
    row.as_ref().map(body).transpose()
}

/// A vendor, if there is one.
pub(crate) async fn load_vendor(executor: impl Executor<'_, Database = Any>, id: &VendorId) -> Result<Option<Vendor>, Fault> {
    let row = sqlx::query("SELECT body FROM vendors WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
    row.as_ref().map(body).transpose()
}

/// All vendors.
pub(crate) async fn load_vendors(executor: impl Executor<'_, Database = Any>) -> Result<Vec<Vendor>, Fault> {
    let rows = sqlx::query("SELECT body FROM vendors ORDER BY name, id LIMIT $1").bind(LEDGER_ROWS).fetch_all(executor).await?;
    bodies(&rows)
}

/// A target, if there is one.
pub(crate) async fn load_target(executor: impl Executor<'_, Database = Any>, id: &TargetId) -> Result<Option<Target>, Fault> {
    let row = sqlx::query("SELECT body FROM targets WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
    row.as_ref().map(body).transpose()
}

/// An account, if there is one.
pub(crate) async fn load_account(executor: impl Executor<'_, Database = Any>, id: &AccountId) -> Result<Option<Account>, Fault> {
    let row = sqlx::query("SELECT body FROM accounts WHERE id = $1").bind(id.as_str().to_owned()).fetch_optional(executor).await?;
    row.as_ref().map(body).transpose()
}

/// The vendors on whose account a vendor may work: itself first, then those it is a subcontractor of, up the chain.
pub(crate) fn principals(vendors: &[Vendor], vendor: &VendorId) -> Vec<VendorId> {
    let mut chain = vec![vendor.clone()];
    let mut at = vendor;
    while let Some(above) = vendors.iter().find(|one| one.id == *at).and_then(|one| one.subcontractor_of.as_ref()) {
        // A ring cannot be entered, but rows are rows.
        if chain.contains(above) {
            break;
        }
        chain.push(above.clone());
        at = above;
    }
    chain
}

/// The vendors that work for a vendor.
pub(crate) fn subcontractors(vendors: &[Vendor], vendor: &VendorId) -> Vec<VendorId> {
    vendors.iter().filter(|one| one.subcontractor_of.as_ref() == Some(vendor)).map(|one| one.id.clone()).collect()
}
