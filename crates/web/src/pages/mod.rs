//! The pages and the API, one folder or file for each address.

pub mod account;
pub mod accounts;
mod alarms;
pub mod connect;
mod countries;
pub mod devices;
pub mod cases;
pub mod exposure;
pub mod log_sources;
pub mod emergency;
pub mod enrol;
pub mod first;
pub mod health;
pub mod lines;
pub mod log;
pub mod login;
pub mod mail;
pub mod menu;
mod metrics;
pub mod persons;
pub mod plans;
pub mod reviews;
pub mod rules;
pub mod search;
pub mod sessions;
pub mod sign_in;
pub mod ssh_authority;
pub mod targets;
pub mod tokens;
pub mod vendors;

use crate::routes::Route;
use sekisho_core::time::{Timestamp, format_date};
use std::time::Duration;

/// Every page's routes.
pub(crate) fn routes() -> Vec<Route> {
    let parts = [first::routes, login::routes, sign_in::routes, enrol::routes, account::routes, accounts::routes, reviews::routes, tokens::routes, connect::routes, persons::routes, vendors::routes, lines::routes, countries::routes, devices::routes, targets::routes, ssh_authority::routes, log::routes, health::routes, exposure::routes, cases::routes, log_sources::routes, alarms::routes, metrics::routes, mail::routes, emergency::routes, rules::routes, plans::routes, sessions::routes, search::routes];
    parts.into_iter().flat_map(|part| part()).collect()
}

/// The last whole day before a moment: what "valid until" means to people, as `YYYY-MM-DD`.
pub(crate) fn last_day(end: Timestamp) -> String {
    format_date(end.minus(Duration::from_millis(1)).date())
}
