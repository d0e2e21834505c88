//! What leaves the box and comes back to it: syslog, checkpoints, witnesses, time.

mod syslog;
