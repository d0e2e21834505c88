//! The ledgers: persons, vendors, targets and the accounts on them.

mod countries;
mod devices;
mod host_keys;
mod identity;
mod lines;
mod persons;
mod probing;
mod roads;
mod targets;
mod vendors;

pub use countries::{Countries, read_countries};
pub use identity::ResetAsk;
pub use persons::{NewPerson, NewRobot, PersonChange, PersonRow};
pub use probing::AccountTest;
pub use targets::{AccountAsk, CredentialAsk, TargetAsk, TargetRow};
pub use roads::KeptOut;
pub use vendors::VendorAsk;
pub(crate) use countries::{Atlas, COUNTRIES_ROW, Chart};
pub(crate) use devices::recall_device_sessions;
pub(crate) use lines::OlderLines;
pub(crate) use persons::recall_sessions;
pub(crate) use targets::place_of;

use crate::Store;
use crate::fault::Fault;
use crate::held::Held;
use sekisho_core::ids::{AccountId, PersonId, TargetId, VendorId};
use sekisho_core::people::{Person, Vendor};
use sekisho_core::target::{Account, Target};
use sekisho_core::time::Timestamp;
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

impl Store {
    /// A person, if there is one.
    pub(crate) async fn load_person(&self, executor: impl Executor<'_, Database = Any>, id: &PersonId) -> Result<Option<Person>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM persons WHERE id = $1", id.as_str()).await
    }

    /// A vendor, if there is one.
    pub(crate) async fn load_vendor(&self, executor: impl Executor<'_, Database = Any>, id: &VendorId) -> Result<Option<Vendor>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM vendors WHERE id = $1", id.as_str()).await
    }

    /// All vendors. One whose row was changed by somebody else is passed over with an alarm: it stands in no contract.
    pub(crate) async fn load_vendors(&self, executor: impl Executor<'_, Database = Any>) -> Result<Vec<Vendor>, Fault> {
        let since = self.since();
        let rows = sqlx::query("SELECT body, seal FROM vendors ORDER BY name, id LIMIT $1").bind(LEDGER_ROWS).fetch_all(executor).await?;
        let read = |row: &AnyRow| self.held(row, since).inspect_err(|fault| tracing::error!(%fault, "ALARM: a vendor is left out")).ok();
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Whether a person's vendor stands in a contract at this moment: itself, and each one on whose behalf it works.
    /// The hospital's own persons need none.
    pub(crate) async fn vendor_in_force(&self, vendor: Option<&VendorId>, now: Timestamp) -> Result<bool, Fault> {
        let mut at = vendor.cloned();
        let mut left = vendors::CHAIN;
        while let Some(id) = at {
            let held = self.load_vendor(self.read(), &id).await?;
            let Some(vendor) = held.filter(|vendor| vendor.is_in_force(now)) else { return Ok(false) };
            // A longer chain cannot be entered, and a ring of rows must not be walked for ever.
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            at = vendor.subcontractor_of;
        }
        Ok(true)
    }

    /// A target, if there is one.
    pub(crate) async fn load_target(&self, executor: impl Executor<'_, Database = Any>, id: &TargetId) -> Result<Option<Target>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM targets WHERE id = $1", id.as_str()).await
    }

    /// A target by its short name, if there is one.
    pub(crate) async fn target_named(&self, executor: impl Executor<'_, Database = Any>, name: &str) -> Result<Option<Target>, Fault> {
        let target: Option<Target> = self.load_held(executor, "SELECT body, seal FROM targets WHERE name = $1", name).await?;
        // The column finds the row; the name that counts is the sealed one.
        Ok(target.filter(|target| target.name == name))
    }

    /// An account, if there is one.
    pub(crate) async fn load_account(&self, executor: impl Executor<'_, Database = Any>, id: &AccountId) -> Result<Option<Account>, Fault> {
        self.load_by_id(executor, "SELECT body, seal FROM accounts WHERE id = $1", id.as_str()).await
    }

    async fn load_by_id<T: Held>(&self, executor: impl Executor<'_, Database = Any>, text: &'static str, id: &str) -> Result<Option<T>, Fault> {
        let held: Option<T> = self.load_held(executor, text, id).await?;
        Ok(held.filter(|held| held.key() == id))
    }

    async fn load_held<T: Held>(&self, executor: impl Executor<'_, Database = Any>, text: &'static str, key: &str) -> Result<Option<T>, Fault> {
        let since = self.since();
        let row = sqlx::query(text).bind(key.to_owned()).fetch_optional(executor).await?;
        row.as_ref().map(|row| self.held(row, since)).transpose()
    }
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
