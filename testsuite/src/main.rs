//! One binary for all tests that need more than one crate.

mod fuzz;
mod gateway;
mod house;
mod object_store;
mod outside;
mod postbox;
mod roads;
mod rsyslog;
mod street;
mod web;
