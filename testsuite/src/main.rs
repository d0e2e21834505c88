//! One binary for all tests that need more than one crate.

mod fuzz;
mod gateway;
mod house;
mod postbox;
mod roads;
mod street;
mod web;
