//! What a person typed: pairs of names and texts, and files, as they came.

use crate::stop::Stop;
use axum::body::Bytes;
use minijinja::value::{Enumerator, Object, Value};
use sekisho_core::secret::Secret;
use sekisho_core::time::{Timestamp, parse_date};
use std::sync::Arc;

/// A file of a form.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Name of the field.
    pub field: String,
    /// File name as it was sent; for display only, never a path.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Fields of a form or of a query, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pairs: Vec<(String, String)>,
    files: Vec<Upload>,
}

impl Form {
    /// A form from pairs, as for the first showing of a form with values of the ledger.
    pub fn of<N: Into<String>, T: Into<String>>(pairs: impl IntoIterator<Item = (N, T)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(name, text)| (name.into(), text.into())).collect(), files: Vec::new() }
    }

    /// Adds a field.
    pub fn push(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.pairs.push((name.into(), text.into()));
    }

    /// Adds a file.
    pub fn push_file(&mut self, file: Upload) {
        self.files.push(file);
    }

    /// The first text of a field, trimmed; empty if it is missing.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).map_or("", str::trim)
    }

    /// The first text of a field as it was typed.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }

    /// All texts of a field, trimmed, in order; empty ones included.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, text)| text.trim()).collect()
    }

    /// All pairs.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// True if the field was sent at all, as a ticked box is.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Files, in order; fields in which no file was chosen are left out.
    #[must_use]
    pub fn files(&self) -> &[Upload] {
        &self.files
    }

    /// A secret as it was typed: never trimmed, never kept in the form that is shown again.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.raw(name).unwrap_or_default())
    }

    /// A text that must not be empty.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn need(&self, name: &str) -> Result<&str, Stop> {
        let text = self.text(name);
        if text.is_empty() { Err(Stop::bad_field(name)) } else { Ok(text) }
    }

    /// Something that is read from the text by `read`.
    ///
    /// # Errors
    /// [`Refusal::BadField`] if it is empty or does not read.
    pub fn parse<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Stop> {
        read(self.need(name)?).ok_or_else(|| Stop::bad_field(name))
    }

    /// Like [`Form::parse`]; an empty field is `None`.
    ///
    /// # Errors
    /// [`Refusal::BadField`] if it does not read.
    pub fn parse_opt<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Stop> {
        if self.text(name).is_empty() { Ok(None) } else { self.parse(name, read).map(Some) }
    }

    /// A date `YYYY-MM-DD`, kept as text; empty is `None`.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn date_opt(&self, name: &str) -> Result<Option<String>, Stop> {
        self.parse_opt(name, |text| parse_date(text).map(sekisho_core::time::format_date))
    }

    /// The end (midnight) of a day given as `YYYY-MM-DD`, for "valid until" fields; empty is `None`.
    ///
    /// # Errors
    /// [`Refusal::BadField`].
    pub fn end_of_day_opt(&self, name: &str) -> Result<Option<Timestamp>, Stop> {
        self.parse_opt(name, |text| parse_date(text)?.next_day().map(|day| Timestamp::from_jst(day, 0, 0)))
    }

    /// A form for showing again: without secrets, codes and the anti-forgery field.
    #[must_use]
    pub fn typed(&self) -> Self {
        const SECRET: [&str; 14] = ["csrf", "code", "card", "passkey", "recovery", "handover", "new_code", "password", "password2", "old_password", "new_password", "new_password2", "credential_password", "credential_key"];
        let pairs = self.pairs.iter().filter(|(name, _)| !SECRET.contains(&name.as_str())).cloned().collect();
        Self { pairs, files: Vec::new() }
    }
}

/// In templates `form.login` is the text of a field, empty if it is missing, and `form.all("roles")` are all texts.
impl Object for Form {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(self.raw(key.as_str()?).unwrap_or_default()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(self: &Arc<Self>, _state: &mut minijinja::State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, minijinja::Error> {
        match (method, args.first().and_then(Value::as_str)) {
            ("all", Some(name)) => Ok(self.all(name).into_iter().map(Value::from).collect()),
            _ => Err(minijinja::ErrorKind::UnknownMethod.into()),
        }
    }
}
