//! What the bytes mean, without touching them: SSH channel policy, login names, SFTP, SCP, terminals.
//!
//! Everything here is a pure state machine over bytes that somebody else carries. Both sides of a session are
//! hostile: every length is bounded before it is believed, every table has a limit in [`limits`], and no input
//! makes a panic.

pub mod files;
pub mod keep;
pub mod limits;
pub mod login;
pub mod passwd;
pub mod scp;
pub mod sftp;
pub mod ssh;
pub mod terminal;
pub mod tls;

mod content;
mod stream;
