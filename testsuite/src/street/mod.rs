//! Ring 5, the street: the built binary, driven from outside with the programs that people really use.

mod api;
mod keeper;
mod phone;
mod program;
mod sshd;
mod terminal;

mod demo;
mod house;

mod browser;
mod console;
mod copy;
mod crash;
mod evidence;
mod hidden;
mod search;
mod hostile;
mod matrix;
mod ssh;
mod walk;
