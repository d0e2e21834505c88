//! What leaves the box and comes back to it: syslog, checkpoints, witnesses.

mod attacks;
mod database;
mod deletions;
mod bundle_stamps;
mod bundles;
pub mod gate;
pub mod kills;
mod leaving;
mod syslog;
mod time;
mod timestamps;
mod witness;
