//! Accounts: subcontractors, locks, passwords, leavers, dormant accounts, privileged rights and reviews.

use sekisho_core::people::Subcontract;

/// A row of the register of subcontractors that holds for years.
pub fn registered() -> Subcontract {
    Subcontract { approved_on: "2026-04-01".into(), approved_by: "企画管理者 木田".into(), pledged_until: "2028-03-31".into(), trained_until: "2028-03-31".into(), contract_until: "2028-03-31".into() }
}
