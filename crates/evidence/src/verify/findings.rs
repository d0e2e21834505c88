//! Collecting findings with a bound.

use super::{Finding, Severity};
use crate::limits::MAX_FINDINGS;

#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Finding>,
    pub(crate) more: u64,
    pub(crate) first_error: Option<String>,
}

impl Findings {
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        place: impl ToString,
        what: impl ToString,
        ja: impl ToString,
    ) {
        self.add(
            Severity::Error,
            code,
            place.to_string(),
            what.to_string(),
            ja.to_string(),
        );
    }

    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        place: impl ToString,
        what: impl ToString,
        ja: impl ToString,
    ) {
        self.add(
            Severity::Warning,
            code,
            place.to_string(),
            what.to_string(),
            ja.to_string(),
        );
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: String,
        what: String,
        ja: String,
    ) {
        if severity == Severity::Error && self.first_error.is_none() {
            self.first_error = Some(place.clone());
        }
        if self.list.len() < MAX_FINDINGS {
            self.list.push(Finding {
                severity,
                code,
                place,
                what,
                ja,
            });
        } else {
            self.more += 1;
        }
    }
}

/// A name that others wrote, made safe to print: no line feeds, no escapes, no marks that turn the direction of text.
pub(crate) fn printable(name: &str) -> String {
    let mut text: String = name
        .chars()
        .take(200)
        .flat_map(char::escape_default)
        .collect();
    if name.chars().nth(200).is_some() {
        text.push_str("...");
    }
    text
}
