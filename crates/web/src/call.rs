//! One request on its way through the house: who asks, in which language, with what.

use crate::pages::plans::KeptFiles;
use crate::form::Form;
use crate::routes::Kind;
use crate::settings::WebSettings;
use crate::stop::{Reply, Stop, field_of};
use crate::view::{Views, base, notes};
use crate::words::{self, Lang};
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use minijinja::value::Value;
use sekisho_core::ids::{DeviceId, WebLoginId};
use sekisho_core::people::Actor;
use sekisho_core::permission::{Action, Reach, reach};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_store::{Origin, Store, WebLogin};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What all requests share.
pub struct House {
    /// The store.
    pub store: Store,
    /// Settings.
    pub settings: WebSettings,
    /// Templates.
    pub views: Views,
    /// Files of forms that came back with errors.
    pub(crate) kept_files: KeptFiles,
    notes: Notes,
}

impl House {
    /// Puts the house together.
    #[must_use]
    pub fn new(store: Store, settings: WebSettings) -> Self {
        Self { store, settings, views: Views::new(), kept_files: KeptFiles::default(), notes: Notes::default() }
    }
}

/// A word for the next page of the same login: what was done, or a link that is shown once.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// `success`, `info`, `warning` or `error`.
    pub kind: String,
    /// The sentence.
    pub text: String,
    /// Code, if it is a refusal.
    pub code: String,
    /// Next step, if there is one.
    pub next: String,
}

/// Notes by login. Held in memory only: a restart forgets them, and nothing depends on them.
#[derive(Default)]
struct Notes(Mutex<HashMap<WebLoginId, Kept>>);

#[derive(Default)]
struct Kept {
    notes: Vec<Note>,
    once: Option<(String, String)>,
}

/// Logins that may have a note waiting; beyond it the oldest state is dropped rather than grown.
const NOTES_HELD: usize = 1_000;

impl Notes {
    fn with<T>(&self, login: &WebLoginId, act: impl FnOnce(&mut Kept) -> T) -> T {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= NOTES_HELD && !held.contains_key(login) {
            held.clear();
        }
        act(held.entry(login.clone()).or_default())
    }

    fn take(&self, login: &WebLoginId) -> Vec<Note> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = held.get_mut(login) else { return Vec::new() };
        let notes = std::mem::take(&mut kept.notes);
        if kept.once.is_none() {
            held.remove(login);
        }
        notes
    }
}

/// Who asks, and how to answer them.
#[derive(Clone)]
pub struct Ctx {
    /// What all requests share.
    pub house: Arc<House>,
    /// The login, if there is one.
    pub login: Option<Arc<WebLogin>>,
    /// The language to answer in.
    pub lang: Lang,
    /// The anti-forgery value for forms of this answer.
    pub csrf: String,
    /// The peer's address.
    pub source: IpAddr,
    /// The device whose certificate opened the outer door for this connection.
    pub device: Option<DeviceId>,
    /// Page or API.
    pub kind: Kind,
    /// The path asked for, for marking the menu.
    pub path: String,
}

impl Ctx {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.house.store
    }

    /// From where a login is asked for: a login through the outer door holds from its device alone.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { source: self.source, device: self.device.clone() }
    }

    /// The login.
    ///
    /// # Errors
    /// [`Refusal::LoginNeeded`].
    pub fn login(&self) -> Result<&WebLogin, Stop> {
        self.login.as_deref().ok_or(Stop::Refused(Refusal::LoginNeeded))
    }

    /// Who acts.
    ///
    /// # Errors
    /// [`Refusal::LoginNeeded`].
    pub fn actor(&self) -> Result<&Actor, Stop> {
        self.login().map(|login| &login.actor)
    }

    /// Whether any role of the person asks for this action at all; what belongs to whom is the store's to decide.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.login.as_ref().is_some_and(|login| reaches(&login.actor, action))
    }

    /// True while a one-time code given lately still counts.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let now = self.now();
        self.login.as_ref().and_then(|login| login.stepped_up_until).is_some_and(|until| now < until)
    }

    /// The present moment, by the store's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.store().clock().now()
    }

    /// The word for a key in the language of this answer.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        words::word(self.lang, key)
    }

    /// The word for a key, with values.
    #[must_use]
    pub fn t_with(&self, key: &str, values: &[(&str, &str)]) -> String {
        words::word_with(self.lang, key, values)
    }

    /// Leaves a sentence for the next page: `kind` is `success`, `info` or `warning`.
    pub fn note(&self, kind: &str, text: String) {
        if let Some(login) = &self.login {
            let note = Note { kind: kind.to_owned(), text, code: String::new(), next: String::new() };
            self.house.notes.with(&login.id, |kept| kept.notes.push(note));
        }
    }

    /// Keeps a text that exactly one later page of the same login may take.
    pub fn keep_once(&self, name: &str, text: String) {
        if let Some(login) = &self.login {
            self.house.notes.with(&login.id, |kept| kept.once = Some((name.to_owned(), text)));
        }
    }

    /// Takes what [`Ctx::keep_once`] kept under this name.
    #[must_use]
    pub fn take_once(&self, name: &str) -> Option<String> {
        let login = self.login.as_ref()?;
        self.house.notes.with(&login.id, |kept| match kept.once.take() {
            Some((held, text)) if held == name => Some(text),
            other => {
                kept.once = other;
                None
            }
        })
    }

    /// The notes that wait for this page.
    #[must_use]
    pub fn take_notes(&self) -> Vec<Note> {
        self.login.as_ref().map(|login| self.house.notes.take(&login.id)).unwrap_or_default()
    }
}

/// Whether any of the actor's roles reaches the action, be it for the own vendor only.
#[must_use]
pub fn reaches(actor: &Actor, action: Action) -> bool {
    let named = actor.token.as_ref().is_none_or(|token| token.scopes.contains(&action));
    let shut = actor.emergency && sekisho_core::emergency::is_shut(action);
    named && !shut && actor.roles.iter().any(|role| reach(*role, action) != Reach::None)
}

/// One request, checked by the gate. Cheap to clone.
#[derive(Clone)]
pub struct Call {
    /// Who asks.
    pub ctx: Ctx,
    /// The rest.
    pub asked: Arc<Asked>,
    /// Why the form is shown again, if it is.
    pub problem: Option<Problem>,
}

/// What was asked.
pub struct Asked {
    /// Method.
    pub method: Method,
    /// Address.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Parts of the path, by name.
    pub params: Vec<(String, String)>,
    /// The query.
    pub query: Form,
    /// The form, for page requests that carry one.
    pub form: Form,
    /// The body, for API requests.
    pub body: Bytes,
    /// The upgrade, for socket routes.
    pub socket: Mutex<Option<WebSocketUpgrade>>,
}

/// A refusal that is shown within a form.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Its code.
    pub code: String,
    /// What happened.
    pub text: String,
    /// What to do.
    pub next: String,
    /// At which field; empty if at none.
    pub field: String,
}

impl Problem {
    /// Words for a refusal.
    #[must_use]
    pub fn of(refusal: &Refusal, lang: Lang) -> Self {
        let (text, next) = words::refusal(lang, refusal);
        Self { code: refusal.code().to_owned(), text, next, field: field_of(refusal).unwrap_or_default().to_owned() }
    }
}

impl Call {
    /// A part of the path; empty if the route has none of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> &str {
        self.asked.params.iter().find(|(key, _)| key == name).map_or("", |(_, text)| text.as_str())
    }

    /// An identifier in the path: `call.id("id", PlanId::parse)`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if it has not the form of one.
    pub fn id<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Stop> {
        read(self.param(name)).ok_or_else(Stop::not_found)
    }

    /// The form that was sent.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.asked.form
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> &Form {
        &self.asked.query
    }

    /// A page number of the query, from 1.
    #[must_use]
    pub fn page_number(&self) -> usize {
        self.asked.query.text("page").parse().ok().filter(|page| (1..=1_000_000).contains(page)).unwrap_or(1)
    }

    /// The JSON body.
    ///
    /// # Errors
    /// [`Refusal::BadField`] that names what does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Stop> {
        serde_json::from_slice(&self.asked.body).map_err(|error| {
            let mut text = error.to_string();
            text.truncate(text.floor_char_boundary(200));
            Stop::bad_field(&text)
        })
    }

    /// The socket of a socket route; once.
    ///
    /// # Errors
    /// [`Refusal::BadField`] if the request does not ask for one.
    pub fn socket(&self) -> Result<WebSocketUpgrade, Stop> {
        let mut held = self.asked.socket.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().ok_or_else(|| Stop::bad_field("upgrade"))
    }

    /// The same call with a refusal to show in its form.
    #[must_use]
    pub fn with_problem(mut self, refusal: &Refusal) -> Self {
        self.problem = Some(Problem::of(refusal, self.ctx.lang));
        self
    }

    /// What the form shows: what was typed if it comes back with a problem, else `first`.
    #[must_use]
    pub fn typed_or(&self, first: Form) -> Form {
        if self.problem.is_some() { self.asked.form.typed() } else { first }
    }

    /// A page. `title` is a key of the words; `context` holds what the template asks for beyond the base.
    ///
    /// # Errors
    /// A fault if the template fails.
    pub fn page(&self, template: &str, title: &str, context: Value) -> Reply {
        self.page_titled(template, &self.ctx.t(title), context)
    }

    /// A page whose title is a ready text (a plan's number, a person's name).
    ///
    /// # Errors
    /// A fault if the template fails.
    pub fn page_titled(&self, template: &str, title: &str, context: Value) -> Reply {
        let status = if self.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let base = minijinja::value::merge_maps([base(self, title), notes(self)]);
        let html = self.ctx.house.views.render(template, base, context)?;
        answer(status, "text/html; charset=utf-8", html)
    }

    /// A part of a page, for `data-refresh`.
    ///
    /// # Errors
    /// A fault if the template fails.
    pub fn fragment(&self, template: &str, context: Value) -> Reply {
        let html = self.ctx.house.views.render(template, base(self, ""), context)?;
        answer(StatusCode::OK, "text/html; charset=utf-8", html)
    }

    /// On to another page of ours, with GET.
    ///
    /// # Errors
    /// A fault if `path` cannot stand in a header.
    pub fn see(&self, path: &str) -> Reply {
        see_other(path)
    }

    /// Leaves the word `key` as a success note and goes on to another page of ours.
    ///
    /// # Errors
    /// A fault if `path` cannot stand in a header.
    pub fn done(&self, path: &str, key: &str) -> Reply {
        self.ctx.note("success", self.ctx.t(key));
        see_other(path)
    }

    /// An API answer.
    ///
    /// # Errors
    /// A fault if the value cannot be written as JSON.
    pub fn answer<T: Serialize>(&self, value: &T) -> Reply {
        answer(StatusCode::OK, "application/json", serde_json::to_vec(value)?)
    }

    /// An API answer without content.
    ///
    /// # Errors
    /// None in practice.
    pub fn nothing(&self) -> Reply {
        Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).map_err(|error| Stop::Fault(error.to_string()))
    }
}

/// An answer with a body of a given kind.
///
/// # Errors
/// A fault if the parts do not make a response.
pub fn answer(status: StatusCode, kind: &str, body: impl Into<Body>) -> Reply {
    Response::builder().status(status).header(CONTENT_TYPE, kind).body(body.into()).map_err(|error| Stop::Fault(error.to_string()))
}

/// A redirect that is followed with GET.
///
/// # Errors
/// A fault if the path cannot stand in a header.
pub fn see_other(path: &str) -> Reply {
    Response::builder().status(StatusCode::SEE_OTHER).header(LOCATION, path).body(Body::empty()).map_err(|error| Stop::Fault(error.to_string()))
}

/// A file for download. The name is written so that any text of others stays inside its quotes.
///
/// # Errors
/// A fault if the parts do not make a response.
pub fn download(name: &str, kind: &str, body: impl Into<Body>) -> Reply {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).take(100).collect();
    let encoded: String = name
        .bytes()
        .take(400)
        .map(|byte| if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    Response::builder()
        .header(CONTENT_TYPE, kind)
        .header("content-disposition", format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .body(body.into())
        .map_err(|error| Stop::Fault(error.to_string()))
}

/// A path of ours to go to afterwards, from a text of others: `None` for anything that a browser could read as
/// another origin.
#[must_use]
pub fn local_path(text: &str) -> Option<&str> {
    let sound = text.len() <= sekisho_core::limits::RETURN_PATH_BYTES
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\')
        && !text.starts_with("/api/")
        && !text.starts_with("/login")
        && !text.starts_with("/logout");
    sound.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_is_a_local_path_only() {
        for good in ["/", "/plans/pln-aaaaaaaaaaaaaaaa?tab=1#x", "/log?kind=left"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in ["", "plans", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/\tx", "javascript:alert(1)", "/api/v1/plans", "/logout", "/ü"] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}
