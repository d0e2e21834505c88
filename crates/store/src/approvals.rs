//! Signatures on approvals: the box signs on the approver's behalf, after their two factors, with the key of the log.

use crate::Store;
use crate::fault::Fault;
use sekisho_core::plan::Plan;
use sekisho_core::plan::approval::Approval;
use sekisho_evidence::Digest;
use sekisho_evidence::checkpoint::{Signature, sign_bytes, verify_bytes};
use sekisho_evidence::decisive::Term;

/// Purpose of these signatures; one made for it holds for nothing else.
const CONTEXT: &str = "approve/v1";

/// Digest of what a plan's approvers sign, hex.
pub(crate) fn digest_of(plan: &Plan) -> String {
    Digest::of(&plan.signed_bytes()).to_string()
}

impl Store {
    /// Signs one approval.
    pub(crate) fn sign_approval(&self, approval: &Approval) -> Result<String, Fault> {
        let signature = sign_bytes(&self.inner.keys.deciding(), CONTEXT, &approval.signed_bytes());
        signature.map(|signature| signature.to_string()).map_err(|breach| Fault::Crypto(breach.to_string()))
    }

    /// True if the signature of every approval of the plan holds.
    pub(crate) fn signatures_hold(&self, plan: &Plan) -> bool {
        plan.approvals.iter().all(|approval| self.signature_counts(CONTEXT, &approval.signed_bytes(), &approval.signature))
    }

    /// Whether what somebody signed with a key of the log counts. It outlives an exchange of the key if the log told of it
    /// while that key signed: a backup may hold the key.
    pub(crate) fn signature_counts(&self, context: &str, bytes: &[u8], signature: &str) -> bool {
        let Ok(parsed) = signature.parse::<Signature>() else { return false };
        let terms = self.inner.keys.terms();
        let signed = |term: &&Term| verify_bytes(&term.key, context, bytes, &parsed).is_ok();
        let Some(term) = terms.iter().rev().find(signed) else { return false };
        term.until == u64::MAX || self.inner.log.signature_told(signature).is_some_and(|seq| seq < term.until)
    }
}
