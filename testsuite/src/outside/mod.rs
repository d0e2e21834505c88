//! What leaves the box and comes back to it: syslog, checkpoints, witnesses.

mod leaving;
mod syslog;
mod witness;
