//! Vendors and subcontractors.

use super::{persons::recall_sessions, principals};
use crate::Store;
use crate::fault::Done;
use crate::secrets::random_id;
use crate::write::Tx;
use sekisho_core::desk::{Cause, RecallWord};
use sekisho_core::facts::Fact;
use sekisho_core::ids::VendorId;
use sekisho_core::people::{Actor, Subcontract, Vendor};
use sekisho_core::permission::{Action, may};
use sekisho_core::plan::content::check_line;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::{Timestamp, parse_date};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Vendors in one chain of subcontracting.
pub(super) const CHAIN: usize = 5;

/// A vendor as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VendorAsk {
    /// Registered company name.
    pub name: String,
    /// The vendor on whose behalf it works.
    pub subcontractor_of: Option<VendorId>,
    /// 24-hour contact.
    pub contact: String,
    /// End of the maintenance contract.
    pub contract_until: Option<Timestamp>,
    /// False ends the relation.
    pub active: bool,
    /// Its row of the register of subcontractors.
    pub subcontract: Option<Subcontract>,
}

impl Default for VendorAsk {
    fn default() -> Self {
        Self { name: String::new(), subcontractor_of: None, contact: String::new(), contract_until: None, active: true, subcontract: None }
    }
}

impl VendorAsk {
    fn into_vendor(self, id: VendorId) -> Vendor {
        let Self { name, subcontractor_of, contact, contract_until, active, subcontract } = self;
        Vendor { id, name, subcontractor_of, contact, contract_until, active, subcontract }
    }
}

impl Store {
    /// The ledger of vendors. A vendor's person sees the own vendor and those that stand in a contract with it.
    ///
    /// # Errors
    /// Without the right to read it.
    pub async fn vendors(&self, actor: &Actor) -> Done<Vec<Vendor>> {
        let all = self.load_vendors(self.read()).await?;
        let Some(own) = &actor.vendor else {
            may(actor, Action::ReadLedger, None).or_else(|_| may(actor, Action::ReadPlan, None))?;
            return Ok(all);
        };
        let chain: BTreeSet<VendorId> = principals(&all, own).into_iter().collect();
        let near = |vendor: &Vendor| chain.contains(&vendor.id) || vendor.subcontractor_of.as_ref() == Some(own);
        Ok(all.into_iter().filter(near).collect())
    }

    /// One vendor.
    ///
    /// # Errors
    /// As [`Store::vendors`]; [`Refusal::NotFound`].
    pub async fn vendor(&self, actor: &Actor, id: &VendorId) -> Done<Vendor> {
        let seen = self.vendors(actor).await?.into_iter().find(|vendor| vendor.id == *id);
        Ok(seen.ok_or(Refusal::NotFound)?)
    }

    /// Registers a vendor.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`].
    pub async fn add_vendor(&self, actor: &Actor, ask: VendorAsk) -> Done<Vendor> {
        self.require(actor, Action::KeepLedger, None, "add_vendor").await?;
        let vendor = ask.into_vendor(random_id()?);
        let mut tx = self.write(actor).await?;
        self.check_vendor(&mut tx, &vendor).await?;
        let text = serde_json::to_string(&vendor)?;
        sqlx::query("INSERT INTO vendors (id, name, subcontractor_of, active, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(vendor.id.as_str().to_owned())
            .bind(vendor.name.clone())
            .bind(vendor.subcontractor_of.as_ref().map(|id| id.as_str().to_owned()))
            .bind(i64::from(vendor.active))
            .bind(text.clone())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &vendor, &text).await?;
        tx.fact(Fact::VendorKept { vendor: vendor.id.clone(), name: vendor.name.clone(), active: vendor.active });
        tx.commit().await?;
        Ok(vendor)
    }

    /// Changes a vendor. One that is disabled is out at once, with all its sessions.
    ///
    /// # Errors
    /// The rule that forbids it; [`Refusal::NameTaken`]; [`Refusal::NotFound`].
    pub async fn change_vendor(&self, actor: &Actor, id: &VendorId, ask: VendorAsk) -> Done<Vendor> {
        self.require(actor, Action::KeepLedger, None, "change_vendor").await?;
        let vendor = ask.into_vendor(id.clone());
        let mut tx = self.write(actor).await?;
        self.load_vendor(tx.sql(), id).await?.ok_or(Refusal::NotFound)?;
        self.check_vendor(&mut tx, &vendor).await?;
        let text = serde_json::to_string(&vendor)?;
        sqlx::query("UPDATE vendors SET name = $1, subcontractor_of = $2, active = $3, body = $4 WHERE id = $5")
            .bind(vendor.name.clone())
            .bind(vendor.subcontractor_of.as_ref().map(|id| id.as_str().to_owned()))
            .bind(i64::from(vendor.active))
            .bind(text.clone())
            .bind(id.as_str().to_owned())
            .execute(tx.sql())
            .await?;
        self.seal_row(&mut tx, &vendor, &text).await?;
        tx.fact(Fact::VendorKept { vendor: vendor.id.clone(), name: vendor.name.clone(), active: vendor.active });
        let now = tx.now();
        if !vendor.is_in_force(now) {
            let sessions = "SELECT s.id FROM sessions s JOIN plans p ON p.id = s.plan WHERE s.ended_at IS NULL AND (s.vendor = $1 OR p.vendor = $1)";
            recall_sessions(&mut tx, sessions, id.as_str(), RecallWord::End(Cause::Recalled)).await?;
        }
        tx.commit().await?;
        Ok(vendor)
    }

    async fn check_vendor(&self, tx: &mut Tx, vendor: &Vendor) -> Done<()> {
        check_line("name", &vendor.name)?;
        check_line("contact", &vendor.contact)?;
        if vendor.name.trim().is_empty() {
            return Err(Refusal::bad_field("name").into());
        }
        if let Some(row) = &vendor.subcontract {
            if vendor.subcontractor_of.is_none() {
                return Err(Refusal::bad_field("subcontractor_of").into());
            }
            check_line("approved_by", &row.approved_by)?;
            if row.approved_by.trim().is_empty() {
                return Err(Refusal::bad_field("approved_by").into());
            }
            if let Some((field, _)) = row.dates().into_iter().find(|(_, date)| parse_date(date).is_none()) {
                return Err(Refusal::bad_field(field).into());
            }
        }
        let mut all = self.load_vendors(tx.sql()).await?;
        if all.iter().any(|other| other.name == vendor.name && other.id != vendor.id) {
            return Err(Refusal::NameTaken.into());
        }
        if let Some(above) = &vendor.subcontractor_of {
            let known = all.iter().any(|other| other.id == *above);
            all.retain(|other| other.id != vendor.id);
            let chain = principals(&all, above);
            // A ring of subcontractors would make each the other's principal.
            if !known || chain.contains(&vendor.id) || *above == vendor.id || chain.len() >= CHAIN {
                return Err(Refusal::bad_field("subcontractor_of").into());
            }
        }
        Ok(())
    }
}
