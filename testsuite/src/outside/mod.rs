//! What leaves the box and comes back to it: syslog, checkpoints, witnesses.

mod attacks;
mod leaving;
mod syslog;
mod time;
mod witness;
