//! Logins: passwords, one-time codes, lock-outs, enrolment, browsers' logins, workers' keys.

mod enrolment;
mod factors;
mod failures;
mod hashing;
mod password;
mod totp;
mod web;
mod worker_keys;

pub use enrolment::{EnrolmentLink, EnrolmentOffer};
pub(crate) use enrolment::{FIRST_LINK_SPAN, LINK_SPAN};
pub(crate) use factors::PersonRecord;
pub(crate) use failures::{Stripes, forget_old, locked_until, unlock};
pub(crate) use hashing::Hashing;
pub use web::{NewLogin, WebLogin};
pub(crate) use web::end_web_logins;
pub use worker_keys::WorkerKey;
pub(crate) use worker_keys::{KeyLine, remove_all_keys};
