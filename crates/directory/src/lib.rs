//! Speaks to the directories and sign-in providers of others: LDAP with certificates, and OpenID Connect.
//!
//! It proves and reports, it decides nothing: to whom an answer belongs and what follows from it is the store's. Whatever a
//! server sends is bounded in size, depth, number and time before it is believed.

mod account;
mod frames;
mod house;
mod http;
mod ldap;
mod line;
mod oidc;
mod settings;

pub use house::Directories;
pub use settings::{DirectoryKind, DirectorySettings, ProviderSettings, Trust, problems};
