//! The words of pages, in both languages: flat JSON files `locales/AREA.LANG.json`, embedded.

use rust_embed::RustEmbed;
use sekisho_core::people::Role;
use sekisho_core::refusal::Refusal;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "locales"]
struct Files;

/// A language of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Japanese, the default.
    #[default]
    Ja,
    /// English.
    En,
}

impl Lang {
    /// `ja` or `en`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// Reads what [`Lang::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ja" => Some(Self::Ja),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The better of the two for an `Accept-Language` header: the first of `ja` and `en` that it names.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        header.split(',').filter_map(|part| part.trim().get(..2)).find_map(|tag| Self::parse(&tag.to_ascii_lowercase())).unwrap_or_default()
    }
}

type Table = BTreeMap<String, String>;

static JA: LazyLock<Table> = LazyLock::new(|| load("ja"));
static EN: LazyLock<Table> = LazyLock::new(|| load("en"));

fn load(lang: &str) -> Table {
    let ending = format!(".{lang}.json");
    let mut table = Table::new();
    for name in Files::iter().filter(|name| name.ends_with(&ending)) {
        let Some(file) = Files::get(&name) else { continue };
        // The files are part of the program; the tests below read every one of them.
        match serde_json::from_slice::<Table>(&file.data) {
            Ok(words) => table.extend(words),
            Err(error) => tracing::error!(%name, %error, "words cannot be read"),
        }
    }
    table
}

/// All words of a language.
#[must_use]
pub fn all(lang: Lang) -> &'static BTreeMap<String, String> {
    match lang {
        Lang::Ja => &JA,
        Lang::En => &EN,
    }
}

/// The word for a key, if there is one.
#[must_use]
pub fn find(lang: Lang, key: &str) -> Option<&'static str> {
    all(lang).get(key).map(String::as_str)
}

/// The word for a key; the key itself where none exists, so that a gap is seen and nothing fails.
#[must_use]
pub fn word(lang: Lang, key: &str) -> String {
    find(lang, key).unwrap_or(key).to_owned()
}

/// The word for a key with `{name}` replaced by its value.
#[must_use]
pub fn word_with(lang: Lang, key: &str, values: &[(&str, &str)]) -> String {
    fill(&word(lang, key), values)
}

/// Several things in a row, as they are told in a sentence.
pub fn listed<S: std::borrow::Borrow<str>>(lang: Lang, things: &[S]) -> String {
    things.join(if lang == Lang::Ja { "、" } else { ", " })
}

/// Replaces each `{name}` in one pass, so that a value that looks like a placeholder stays what it is.
#[must_use]
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let known = after.split_once('}').and_then(|(name, tail)| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value, tail)));
        match known {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What a person reads about a refusal: the sentence (with its detail) and the next step.
#[must_use]
pub fn refusal(lang: Lang, refusal: &Refusal) -> (String, String) {
    let words = refusal.words();
    let (text, next) = match lang {
        Lang::Ja => (words.ja, words.next_ja),
        Lang::En => (words.en, words.next_en),
    };
    let detail = match refusal {
        Refusal::BadField { field } => find(lang, &format!("field.{field}")).map(str::to_owned),
        Refusal::WrongState { state } => Some(if lang == Lang::Ja { state.ja().to_owned() } else { state.en().to_owned() }),
        Refusal::TooMany { .. } => None,
        other => other.detail(),
    };
    let text = match (detail, lang) {
        (Some(detail), Lang::Ja) => format!("{}({detail})", text.trim_end_matches('。')) + "。",
        (Some(detail), Lang::En) => format!("{} ({detail}).", text.trim_end_matches('.')),
        (None, _) => text.to_owned(),
    };
    (text, next.to_owned())
}

/// What was not in order with a device, by the code that facts of sessions keep; `None` if everything was.
#[must_use]
pub fn device_deviation(lang: Lang, code: &str) -> Option<String> {
    let found = Refusal::of_device(code)?;
    let words = found.words();
    let text = if lang == Lang::Ja { words.ja } else { words.en };
    Some(format!("{} {}", words.code, text.trim_end_matches(['。', '.'])))
}

/// A role's name.
#[must_use]
pub fn role(lang: Lang, role: Role) -> &'static str {
    match lang {
        Lang::Ja => role.ja(),
        Lang::En => role.en(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_sound_and_no_key_stands_twice() {
        for lang in ["ja", "en"] {
            let mut seen = BTreeMap::new();
            for name in Files::iter().filter(|name| name.ends_with(&format!(".{lang}.json"))) {
                let file = Files::get(&name).unwrap();
                let words: Table = serde_json::from_slice(&file.data).unwrap_or_else(|error| panic!("{name}: {error}"));
                for key in words.keys() {
                    assert_eq!(seen.insert(key.clone(), name.clone()), None, "{key} stands twice");
                }
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let holes = |text: &str| {
            let mut found: Vec<String> = text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned())).collect();
            found.sort();
            found
        };
        let missing: Vec<_> = JA.keys().filter(|key| !EN.contains_key(*key)).chain(EN.keys().filter(|key| !JA.contains_key(*key))).collect();
        assert!(missing.is_empty(), "only in one language: {missing:?}");
        for (key, ja) in JA.iter() {
            assert_eq!(holes(ja), holes(&EN[key]), "{key}");
        }
    }

    #[test]
    fn japanese_words_are_japanese() {
        let is_japanese = |text: &str| text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'));
        // Names of things that are written the same in both languages.
        let same = ["SSH", "IP", "SHA-256", "QR", "JSON Lines", "{"];
        let bare: Vec<_> = JA.iter().filter(|(key, text)| !key.starts_with("rules.try_example_") && !is_japanese(text) && !same.iter().any(|word| text.contains(word))).collect();
        assert!(bare.is_empty(), "without Japanese: {bare:?}");
        let mixed: Vec<_> = EN.iter().filter(|(key, text)| *key != "search.start_text" && is_japanese(text)).collect();
        assert!(mixed.is_empty(), "Japanese in English: {mixed:?}");
    }

    #[test]
    fn a_value_never_becomes_a_placeholder() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
        assert_eq!(fill("open { brace", &[]), "open { brace");
    }

    #[test]
    fn accept_language_takes_the_first_known() {
        assert_eq!(Lang::accepted("fr, en-GB;q=0.9, ja;q=0.5"), Lang::En);
        assert_eq!(Lang::accepted("ja-JP"), Lang::Ja);
        assert_eq!(Lang::accepted("é"), Lang::Ja);
    }
}
