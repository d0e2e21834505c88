//! Ring 5, the street: the built binary, driven from outside with the programs that people really use.

mod api;
mod keeper;
mod phone;
pub mod program;
pub mod sshd;
mod telemetry;
mod terminal;
mod two_person;

mod demo;
mod house;

mod alarms;
mod around;
mod auditor;
mod browser;
mod bundle;
mod console;
mod contents;
mod certificates;
mod copy;
mod crash;
mod door;
mod emergency;
mod evidence;
mod factors;
mod flood;
mod hidden;
mod hostile;
mod search;
mod key_windows;
mod language;
mod review;
mod rotation;
mod layers;
mod matrix;
mod newcomer;
mod outer;
mod quarantine;
mod ssh;
mod walk;
mod witness;
