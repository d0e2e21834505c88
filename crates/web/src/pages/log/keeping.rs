//! Sentences of the facts about holds, times of keeping and deletions.

use super::sentence::{because, one_of};
use crate::words::{self, Lang};
use sekisho_core::facts::Fact;
use sekisho_core::hold::HoldScope;

/// What a hold covers, in words.
pub(in crate::pages) fn scope(lang: Lang, scope: &HoldScope, about: &str) -> String {
    match scope {
        HoldScope::Everything => words::word(lang, "keeping.scope_everything"),
        HoldScope::Period { from, until } => words::word_with(lang, "keeping.scope_period_of", &[("from", &from.minute()), ("until", &until.minute())]),
        scope => words::word_with(lang, "keeping.scope_of", &[("kind", &one_of(lang, "keeping.scope", scope.as_str())), ("about", about)]),
    }
}

/// Numbers of entries, as a list.
pub(in crate::pages) fn numbers(lang: Lang, entries: &[u64]) -> String {
    let numbers: Vec<String> = entries.iter().map(u64::to_string).collect();
    words::listed(lang, &numbers)
}

/// The sentence, if the fact is one of these.
pub(super) fn sentence(lang: Lang, fact: &Fact) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    let class = |class: sekisho_core::retention::KeepClass| one_of(lang, "keeping.class", class.as_str());
    Some(match fact {
        Fact::HoldPlaced { scope: covered, about, basis, case_number, reason, until, .. } => {
            let end = until.map_or_else(|| words::word(lang, "keeping.no_end"), |until| until.minute());
            let basis = one_of(lang, "keeping.basis", basis.as_str());
            say("hold_placed", &[("scope", &scope(lang, covered, about)), ("basis", &basis), ("number", case_number), ("until", &end), ("because", &because(lang, reason))])
        }
        Fact::HoldExtended { until, reason, .. } => say("hold_extended", &[("until", &until.minute()), ("because", &because(lang, reason))]),
        Fact::HoldLifted { reason, console, .. } if !console.is_empty() => say("hold_lifted_console", &[("said", console), ("because", &because(lang, reason))]),
        Fact::HoldLifted { reason, .. } => say("hold_lifted", &[("because", &because(lang, reason))]),
        Fact::HoldCopiesUnlocked { place, copies, code, why, .. } => say("hold_copies_unlocked", &[("place", place), ("n", &copies.to_string()), ("code", code), ("why", why)]),
        Fact::HoldEnded { .. } => say("hold_ended", &[]),
        Fact::HoldPressed { bytes, limit } => say("hold_pressed", &[("bytes", &crate::view::bytes(*bytes)), ("limit", &crate::view::bytes(*limit))]),
        Fact::RetentionSet { class: which, days, before, asked_by, reason, .. } => {
            let key = match before {
                None => "retention_began",
                Some(before) if before < days => "retention_longer",
                Some(_) => "retention_shorter",
            };
            let before = before.unwrap_or_default().to_string();
            say(key, &[("class", &class(*which)), ("days", &days.to_string()), ("before", &before), ("asked", asked_by), ("because", &because(lang, reason))])
        }
        Fact::RetentionAsked { class: which, days, before, reason } => {
            say("retention_asked", &[("class", &class(*which)), ("days", &days.to_string()), ("before", &before.to_string()), ("because", &because(lang, reason))])
        }
        Fact::RetentionDeclined { class: which, days, reason } => say("retention_declined", &[("class", &class(*which)), ("days", &days.to_string()), ("because", &because(lang, reason))]),
        Fact::RecordingDeleted { class: which, days, bytes, digest, ended, .. } => {
            say("recording_deleted", &[("class", &class(*which)), ("days", &days.to_string()), ("bytes", &crate::view::bytes(*bytes)), ("digest", digest), ("ended", &ended.minute())])
        }
        Fact::CopyWaits { place, until, .. } => {
            let until = until.map_or_else(|| words::word(lang, "keeping.until_unknown"), |until| until.minute());
            say("copy_waits", &[("place", place), ("until", &until)])
        }
        Fact::CopyErased { place, .. } => say("copy_erased", &[("place", place)]),
        Fact::AttachmentDeleted { class: which, days, bytes, sha256, ended, .. } => {
            say("attachment_deleted", &[("class", &class(*which)), ("days", &days.to_string()), ("bytes", &crate::view::bytes(*bytes)), ("digest", sha256), ("ended", &ended.minute())])
        }
        Fact::RecordingSetAside { why, digest, .. } => say("recording_set_aside", &[("why", why), ("digest", digest)]),
        Fact::RetentionStopped { why, cause } => {
            let told = cause.map(|cause| if lang == Lang::Ja { cause.ja() } else { cause.en() });
            say("retention_stopped", &[("why", told.as_ref().unwrap_or(why))])
        }
        Fact::DeletingAsked { entries, reason } => say("deleting_asked", &[("entries", &numbers(lang, entries)), ("because", &because(lang, reason))]),
        Fact::DeletingResumed { entries, asked_by, reason } => {
            say("deleting_resumed", &[("entries", &numbers(lang, entries)), ("asked", asked_by), ("because", &because(lang, reason))])
        }
        Fact::DeletingDeclined { entries, reason } => say("deleting_declined", &[("entries", &numbers(lang, entries)), ("because", &because(lang, reason))]),
        _ => return None,
    })
}
