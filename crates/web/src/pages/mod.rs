//! The pages and the API, one folder or file for each address.

pub mod account;
pub mod accounts;
mod alarms;
mod archive;
pub mod connect;
mod countries;
pub mod devices;
pub mod cases;
pub mod evidence;
pub mod exposure;
mod log_imports;
pub mod log_sources;
pub mod emergency;
pub mod enrol;
pub mod first;
pub mod health;
pub mod holds;
pub mod lines;
pub mod log;
mod log_reviews;
pub mod login;
pub mod mail;
pub mod menu;
mod metrics;
pub mod persons;
pub mod plans;
mod reports;
pub mod retention;
pub mod reviews;
pub mod rules;
pub mod search;
mod second_keys;
mod trace;
pub mod sessions;
mod spreadsheet;
pub mod sign_in;
pub mod ssh_authority;
pub mod targets;
pub mod tokens;
pub mod vendors;
mod viewings;

use crate::routes::Route;
use sekisho_core::time::{Timestamp, format_date};
use std::time::Duration;

/// Every page's routes.
pub(crate) fn routes() -> Vec<Route> {
    let parts = [first::routes, login::routes, sign_in::routes, enrol::routes, account::routes, accounts::routes, reviews::routes, tokens::routes, connect::routes, persons::routes, vendors::routes, lines::routes, countries::routes, devices::routes, targets::routes, ssh_authority::routes, log::routes, log_reviews::routes, reports::routes, evidence::routes, health::routes, holds::routes, retention::routes, archive::routes, second_keys::routes, viewings::routes, exposure::routes, cases::routes, log_sources::routes, log_imports::routes, alarms::routes, metrics::routes, mail::routes, emergency::routes, rules::routes, plans::routes, sessions::routes, search::routes, trace::routes];
    parts.into_iter().flat_map(|part| part()).collect()
}

/// The last whole day before a moment: what "valid until" means to people, as `YYYY-MM-DD`.
pub(crate) fn last_day(end: Timestamp) -> String {
    format_date(end.minus(Duration::from_millis(1)).date())
}
