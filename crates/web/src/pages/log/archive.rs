//! Sentences about copies of recordings, and about the keys that open them.

use crate::words::{self, Lang};
use sekisho_core::facts::Fact;

/// The sentence of a fact of this room; `None` for the others.
pub(super) fn sentence(lang: Lang, fact: &Fact) -> Option<String> {
    let say = |key: &str, values: &[(&str, &str)]| words::word_with(lang, &format!("fact.{key}"), values);
    Some(match fact {
        Fact::AuditorKeyKept { name, key, change, reason, .. } => say(&format!("auditor_key_{change}"), &[("name", name), ("key", key), ("reason", reason)]),
        Fact::RecordingArchived { place, bytes, sha256, locked_until, .. } => {
            let until = locked_until.map(sekisho_core::time::Timestamp::minute).unwrap_or_default();
            let key = if locked_until.is_some() { "recording_archived_locked" } else { "recording_archived" };
            say(key, &[("place", place), ("bytes", &crate::view::bytes(*bytes)), ("sha256", sha256), ("until", &until)])
        }
        Fact::RecordingMovedOut { place, .. } => say("recording_moved_out", &[("place", place)]),
        Fact::RecordingFetched { place, .. } => say("recording_fetched", &[("place", place)]),
        Fact::ArchiveCopyBad { place, code, why, .. } => say("archive_copy_bad", &[("place", place), ("code", code), ("why", why)]),
        Fact::ArchiveLockProlonged { place, until, .. } => say("archive_lock_prolonged", &[("place", place), ("until", &until.minute())]),
        Fact::ArchiveCopyRemoved { place, .. } => say("archive_copy_removed", &[("place", place)]),
        Fact::ArchiveTrouble { place, code, why } => say("archive_trouble", &[("place", place), ("code", code), ("why", why)]),
        Fact::ArchiveWorks { place } => say("archive_works", &[("place", place)]),
        Fact::ArchiveBehind { place, waiting, since } => say("archive_behind", &[("place", place), ("n", &waiting.to_string()), ("since", &since.minute())]),
        _ => return None,
    })
}
