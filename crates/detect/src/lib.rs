//! Logins as the targets' own logs tell of them, and what they have to do with the sessions that Sekisho led.
//!
//! Three pure steps: a stream becomes messages ([`frame`]), a message becomes a [`login::TargetLogin`] if it tells of
//! one ([`read`]), and a login is held against the sessions and rules ([`join`]). Whoever writes into these logs is
//! hostile, and may be the very person who went round the gateway: every length is bounded, no input makes a panic, and
//! nothing that a line says of itself is taken for proof of where it came from.

pub mod clock;
pub mod frame;
pub mod header;
pub mod import;
pub mod join;
pub mod limits;
pub mod login;
pub mod read;
