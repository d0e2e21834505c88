//! Logins: passwords, one-time codes, lock-outs, enrolment, browsers' logins, workers' keys.

mod enrolment;
mod hashing;

pub use enrolment::EnrolmentLink;
pub(crate) use hashing::Hashing;
