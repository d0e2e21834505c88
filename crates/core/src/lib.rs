//! The rules of Sekisho: people, vendors, targets, work plans, who may do what, and what is compared afterwards.
//!
//! Floor 0. Knows nothing about disks, networks, clocks, chance, SQL, SSH or HTML: time comes in as a
//! [`time::Timestamp`], identifiers come in ready made, and every rule is a pure function that gives a decision
//! and its reason.

pub mod alarm;
pub mod archive;
pub mod around;
pub mod auditor_key;
pub mod authorize;
pub mod calendar;
pub mod command;
pub mod control;
pub mod country;
pub mod desk;
pub mod device;
pub mod directory;
pub mod duty;
pub mod evidence;
pub mod exposure;
pub mod emergency;
pub mod factors;
pub mod facts;
pub mod gather;
pub mod hold;
pub mod identity;
pub mod ids;
pub mod key_window;
pub mod letter;
pub mod limits;
pub mod line;
pub mod log_import;
pub mod log_review;
#[cfg(test)]
mod matrix;
pub mod outgoing;
pub mod password;
pub mod people;
pub mod permission;
pub mod period_report;
pub mod plan;
pub mod probe;
pub mod policy;
pub mod porter;
pub mod reconcile;
pub mod refusal;
pub mod retention;
pub mod review;
pub mod road;
pub mod rotation;
pub mod secret;
pub mod source;
pub mod span;
pub mod ssh_login;
pub mod target;
pub mod time;
pub mod token;
pub mod two_person;
