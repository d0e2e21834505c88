//! Evidence: what someone who trusts nobody can check.
//!
//! This crate knows the byte formats of the audit log and of the recordings, how they are chained, signed and sealed,
//! and how to verify a copy of them. It contains no I/O, no clock, no randomness and no logging: time, keys and nonces
//! come in as values, and files are read through [`log::Files`] or [`std::io::Read`].

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod decisive;
pub mod digest;
pub mod limits;
pub mod log;
pub mod recording;
pub mod rotation;
pub mod verify;

pub use digest::{Digest, Hasher};
