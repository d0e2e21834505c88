//! SSH above the transport: what a channel may be used for.

pub mod command;
pub mod policy;
mod rsync;

pub use rsync::RsyncTransfer;
