//! The gateway with a desk in memory: real OpenSSH clients on one side, real sshd on the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod carry;
mod desk;
mod ending;
mod enter;
mod exchange;
mod files;
mod forwards;
mod hold;
mod house;
mod login;
mod rights;
mod standing;
mod worker;
