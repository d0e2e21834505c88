//! Logins: passwords, one-time codes, passkeys, recovery codes, lock-outs, enrolment, browsers' logins, workers' keys.

mod ceremonies;
mod decoy;
mod enrolment;
mod factors;
mod failures;
mod hashing;
mod leaked;
mod locks;
mod own_factors;
mod passkey_proof;
mod passkeys;
mod password;
mod recovery;
mod site;
mod totp;
mod web;
mod worker_keys;

pub(crate) use ceremonies::Ceremonies;
pub use enrolment::{Enrolment, EnrolmentLink, EnrolmentOffer, NewPasskey};
pub(crate) use enrolment::{FIRST_LINK_SPAN, LINK_SPAN};
pub(crate) use factors::PersonRecord;
pub(crate) use failures::{Stripes, count_source, count_token_source, forget_old, locked_until, source_waits, token_source_waits};
pub(crate) use hashing::Hashing;
pub use own_factors::{Notice, NoticeKind, OwnFactors};
pub(crate) use passkeys::remove_all_factors;
pub use passkeys::{PasskeyQuestion, PasskeyRow};
pub(crate) use site::Site;
pub use failures::Subject as LockSubject;
pub use locks::Lock;
pub use leaked::looks_sound as leaked_list_is_sound;
pub use web::{NewLogin, WebLogin};
pub(crate) use web::end_web_logins;
pub use worker_keys::WorkerKey;
pub(crate) use worker_keys::{KeyLine, remove_all_keys};
