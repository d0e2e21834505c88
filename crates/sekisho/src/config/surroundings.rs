//! The one place of the server's side where the environment is read.

use sekisho_connect::help::Language;

/// The language that the environment of this command asks for.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place of the server's side where the environment is read")]
pub fn language() -> Language {
    Language::of(|name| std::env::var(name).ok())
}
