//! Time stamps after RFC 3161: the question to an authority, its answer read as from an enemy, and an authority of our own for
//! networks that reach none.
//!
//! Nothing here reads a clock, draws chance or speaks to anybody: whoever calls brings the time, the nonce and the bytes.

mod asn1;
mod certificate;
mod local;
mod query;
mod token;

pub use certificate::Anchors;
pub use local::{EKU_CONTENT, LOCAL_NAME, LOCAL_POLICY, Signer, answer};
pub use query::{Query, policy_of};
pub use token::{Breach, Token, open};

/// Longest answer of an authority in bytes, with its certificates.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
