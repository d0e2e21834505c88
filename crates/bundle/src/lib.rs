//! Evidence bundles as ZIP files: one is put together while it is sent, and one that others hand in is read with nothing
//! taken on trust.
//!
//! The formats are the evidence crate's; this crate owns the archive and the page of instructions.

mod pack;
mod readme;
mod unpack;

pub use pack::{Content, Document, PackFault, Sign, pack};
pub use readme::readme;
pub use unpack::{Unpack, ZipFiles};
