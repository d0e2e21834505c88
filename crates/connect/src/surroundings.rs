//! The one place of the worker's side where the environment is read.

use crate::help::Language;

/// A value of the environment that holds something.
#[allow(clippy::disallowed_methods, reason = "the one place of the worker's side where the environment is read")]
pub fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The language that the environment of this worker asks for.
#[must_use]
pub fn language() -> Language {
    Language::of(value)
}
