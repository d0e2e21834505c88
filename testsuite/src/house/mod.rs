//! Ring four: the store over a real database, with a clock that the test sets and writes that the test makes fail.
//!
//! Whatever depends on the database runs on SQLite and on PostgreSQL; see [`base`].

pub mod accounts;
mod alarms;
mod archive;
mod authenticator;
pub mod around;
mod around_trust;
mod authority;
pub mod base;
mod certificates;
mod contents;
mod control;
mod credentials;
mod desk;
mod directory;
mod exposure;
mod factors;
mod emergency;
mod evidence;
mod faults;
mod keeping;
pub mod imports;
mod key_windows;
mod ledger;
mod log;
mod logins;
mod mail;
mod outside;
mod outside_forged;
mod plans;
pub mod postgres;
mod recordings;
mod reviewing;
mod roads;
mod rotation;
pub mod slapd;
mod rules;
mod search;
mod uploads;
mod sealed;
pub mod ssh_logins;
mod target_logs;
mod tokens;
mod trace;
mod two_person;
pub mod ward;
