//! Sentences about second keys, and about viewings that take two persons.

use super::LogNames;
use super::sentence::because;
use crate::words::{self, Lang};
use sekisho_core::facts::Fact;

/// The sentence of a fact of this room; `None` for the others.
pub(super) fn sentence(lang: Lang, names: &LogNames, fact: &Fact) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    Some(match fact {
        Fact::SecondKeyKept { name, key, targets, change, reason, .. } => {
            let named: Vec<String> = targets.iter().map(|target| names.of(target.as_str())).collect();
            let targets = if named.is_empty() { words::word(lang, "two.all_targets") } else { named.join(if lang == Lang::Ja { "・" } else { ", " }) };
            say(&format!("second_key_{}", change.as_str()), &[("name", name), ("key", key), ("targets", &targets), ("because", &because(lang, reason))])
        }
        Fact::ViewingAsked { viewing, sessions, hours, reason, .. } => {
            say("viewing_asked", &[("n", &sessions.len().to_string()), ("hours", &hours.to_string()), ("id", viewing.as_str()), ("because", &because(lang, reason))])
        }
        Fact::ViewingAgreed { viewing, until, .. } => say("viewing_agreed", &[("id", viewing.as_str()), ("until", &until.minute())]),
        Fact::ViewingDeclined { viewing, reason } => say("viewing_declined", &[("id", viewing.as_str()), ("because", &because(lang, reason))]),
        Fact::ViewingWithdrawn { viewing } => say("viewing_withdrawn", &[("id", viewing.as_str())]),
        Fact::ViewingEnded { viewing } => say("viewing_ended", &[("id", viewing.as_str())]),
        _ => return None,
    })
}
