//! Templates: embedded, escaped, strict. In a debug build they are read from disk, so that a change shows at once.

use crate::assets;
use crate::call::Call;
use crate::pages::menu;
use crate::words::{self, Lang};
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, context};
use rust_embed::RustEmbed;
use sekisho_core::time::{Timestamp, era_date, parse_date};
use serde::Serialize;

#[derive(RustEmbed)]
#[folder = "templates"]
pub(crate) struct Files;

/// The templates.
pub struct Views {
    ready: Environment<'static>,
    is_live: bool,
}

/// A value of ours for a template.
pub fn value<T: Serialize>(of: T) -> Value {
    Value::from(minijinja::value::Serde(of))
}

impl Views {
    /// Reads nothing yet; templates are compiled when first asked for.
    #[must_use]
    pub fn new() -> Self {
        Self { ready: environment(), is_live: cfg!(debug_assertions) }
    }

    /// Renders a template with the base of every page and its own context.
    ///
    /// # Errors
    /// What the template engine says.
    pub fn render(&self, template: &str, base: Value, context: Value) -> Result<String, Error> {
        let all = minijinja::value::merge_maps([base, context]);
        if self.is_live {
            return environment().get_template(template)?.render(all);
        }
        self.ready.get_template(template)?.render(all)
    }
}

impl Default for Views {
    fn default() -> Self {
        Self::new()
    }
}

/// The notes that wait for this login, for whole pages only: a part that is fetched anew must not take them away.
#[must_use]
pub fn notes(call: &Call) -> Value {
    context! { flash => value(call.ctx.take_notes()) }
}

/// What every page has: words, facility, person, menu, the form's problem.
#[must_use]
pub fn base(call: &Call, title: &str) -> Value {
    let ctx = &call.ctx;
    let policy = ctx.store().policy();
    let logged_in = context! {
        me => ctx.login.as_ref().map(|login| menu::person(ctx, login)),
        person_links => menu::person_links(ctx),
        nav => menu::items(ctx),
        idle_seconds => ctx.login.as_ref().map(|_| policy.login_idle_minutes * 60),
        fresh => ctx.is_fresh(),
        held => ctx.login.as_ref().map(|login| value(login.held)),
        by_card => ctx.login.as_ref().is_some_and(|login| login.person.emergency),
        open_accounts => emergencies(ctx),
        confined => ctx.login.as_ref().is_some_and(|login| login.confined),
        passkey_origins => value(ctx.store().passkey_origins()),
        small_facility => policy.small_facility,
    };
    let problem = call.problem.clone();
    let field = problem.as_ref().map(|problem| (problem.field.clone(), format!("{} {}", problem.text, problem.next)));
    let error_at = Value::from_function(move |name: String| match &field {
        Some((field, text)) if *field == name => text.clone(),
        _ => String::new(),
    });
    context! {
        t => words_function(ctx.lang),
        lang => ctx.lang.as_str(),
        title,
        now_ms => ctx.now().0,
        facility => ctx.store().facility(),
        release => ctx.house.settings.version.as_str(),
        assets => value(assets::manifest()),
        csrf => ctx.csrf.as_str(),
        keepalive => "/keepalive",
        problem => problem.map(value),
        error_at,
        ..logged_in
    }
}

/// Emergency accounts that are open, for everybody of the hospital to see on every page.
fn emergencies(ctx: &crate::call::Ctx) -> Vec<Value> {
    if !ctx.login.as_ref().is_some_and(|login| login.actor.is_hospital()) {
        return Vec::new();
    }
    let may_read = ctx.may(sekisho_core::permission::Action::ReadLedger);
    ctx.store().open_emergencies().into_iter().map(|open| context! { login => open.login, since => open.since.0, href => may_read.then(|| format!("/emergency_uses/{}", open.usage)) }).collect()
}

/// `t("key")` and `t("key", name=value)`.
#[must_use]
pub fn words_function(lang: Lang) -> Value {
    Value::from_function(move |key: String, kwargs: Kwargs| -> Result<String, Error> {
        let Some(text) = words::find(lang, &key) else {
            return Err(Error::new(ErrorKind::UndefinedError, format!("no word for {key:?} in {}", lang.as_str())));
        };
        let mut values = Vec::new();
        for name in kwargs.args() {
            values.push((name.to_owned(), kwargs.get::<Value>(name)?.to_string()));
        }
        kwargs.assert_all_used()?;
        let pairs: Vec<(&str, &str)> = values.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Ok(words::fill(text, &pairs))
    })
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_loader(|name| Ok(source(name)));
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    // The blocks ask for optional parts (`{% if item.note %}`); printing what is missing is an error.
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.add_filter("jst", |at: Value| at_of(&at).map(Timestamp::second));
    env.add_filter("jst_min", |at: Value| at_of(&at).map(Timestamp::minute));
    env.add_filter("local", |at: Value| at_of(&at).map(Timestamp::local));
    env.add_filter("era", |at: Value| at_of(&at).map(Timestamp::era));
    env.add_filter("last_day", |at: Value| at_of(&at).map(crate::pages::last_day));
    env.add_filter("date", |at: Value| at_of(&at).map(|at| sekisho_core::time::format_date(at.date())));
    env.add_filter("era_date", |text: String| parse_date(&text).map_or(text, era_date));
    env.add_filter("bytes", |size: u64| bytes(size));
    env
}

fn source(name: &str) -> Option<String> {
    if cfg!(debug_assertions) && !name.contains("..") && !name.starts_with('/') {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(name);
        if let Ok(text) = std::fs::read_to_string(path) {
            return Some(text);
        }
    }
    Files::get(name).and_then(|file| String::from_utf8(file.data.into_owned()).ok())
}

fn at_of(value: &Value) -> Result<Timestamp, Error> {
    value.as_i64().map(Timestamp).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{value:?} is no time in milliseconds")))
}

/// `1.5 MB`, by thousands as file managers count.
#[must_use]
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut shown = size as f64;
    while shown >= 1000.0 && unit + 1 < UNITS.len() {
        shown /= 1000.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{size} {name}") } else { format!("{shown:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates() -> Vec<(String, String)> {
        Files::iter().map(|name| (name.to_string(), source(&name).unwrap())).collect()
    }

    #[test]
    fn every_template_compiles() {
        let env = environment();
        for (name, _) in templates() {
            env.get_template(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }

    #[test]
    fn every_word_that_a_template_asks_for_exists() {
        for (name, text) in templates() {
            for quote in ['"', '\''] {
                let call = format!("t({quote}");
                for (at, _) in text.match_indices(&call) {
                    let is_other_name = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                    let key = text[at + call.len()..].split(quote).next().unwrap();
                    let is_begun = text[at + call.len() + key.len()..].trim_start_matches(quote).trim_start().starts_with('~');
                    if is_other_name || is_begun || key.ends_with('…') {
                        continue;
                    }
                    for lang in [Lang::Ja, Lang::En] {
                        assert!(words::find(lang, key).is_some(), "{name} asks for {key:?}, which has no word in {}", lang.as_str());
                    }
                }
            }
        }
    }

    #[test]
    fn no_template_trusts_a_text_or_breaks_the_policy() {
        for (name, text) in templates() {
            // icon draws our own shapes and qr our own squares.
            assert!(name == "components.html" || !text.contains("|safe"), "{name} marks a text as safe");
            for bad in ["style=\"", "onclick", "javascript:", "<style", "<script>", "autoescape"] {
                assert!(!text.contains(bad), "{name} contains {bad}");
            }
            let posts = text.matches("method=\"post\"").count();
            assert!(text.matches("csrf_field()").count() >= posts, "{name} has a form without the anti-forgery field");
        }
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }

    #[test]
    fn texts_of_others_are_escaped_everywhere() {
        let env = environment();
        let html = env.render_str("{{ name }}", context! { name => "<script>&\"'" }).unwrap();
        assert!(!html.contains('<') && !html.contains('"'), "{html}");
    }
}
