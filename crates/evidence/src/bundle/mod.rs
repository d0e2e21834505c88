#![doc = include_str!("../../../../docs/formats/bundle.md")]

mod contents;
mod heads;
mod lines;
mod manifest;
mod paths;
mod verdict;
mod verify;
mod write;

pub use manifest::{Approvals, FORMAT, FileLine, Head, Lacking, Manifest, SIGN_CONTEXT, Scope, SignedApproval, Span};
pub use paths::{CHECKPOINT, CONSISTENCY, ENTRIES, MANIFEST, PROOFS, PUBLIC_KEY, PlanFile, README, REPORT, SIGNATURE, is_known, line_of_case, of_paper, of_plan};
pub use verdict::{BundleVerdict, refused, utc};
pub use verify::verify_bundle;
pub use write::{WriteBreach, consistency, entries, proofs, walk};
