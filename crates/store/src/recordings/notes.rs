//! What lists and the reconciliation show of a session without opening its recording.

use sekisho_core::limits;
use sekisho_core::reconcile::{CommandSeen, FileSeen};
use sekisho_core::target::Function;
use sekisho_evidence::recording::Frame;
use std::collections::BTreeSet;

/// Longest name or line that a note keeps in bytes; the recording has it whole.
const NOTE_BYTES: usize = 2_000;

/// One thing worth listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// A function was used for the first time.
    Used(Function),
    /// A command was seen.
    Command(CommandSeen),
    /// A file was moved or changed.
    File(FileSeen),
}

/// Collects notes up to [`limits::SESSION_NOTES`].
#[derive(Default)]
pub(crate) struct Notes {
    /// Notes that were not yet kept.
    pub waiting: Vec<Note>,
    noted: usize,
    used: BTreeSet<Function>,
}

impl Notes {
    /// A channel opened for this function.
    pub(crate) fn used(&mut self, function: Function) {
        if self.used.insert(function) {
            self.waiting.push(Note::Used(function));
        }
    }

    /// A command was seen.
    pub(crate) fn command(&mut self, at_ms: u64, text: &str) {
        self.note(at_ms, Note::Command(CommandSeen { at_ms, text: shortened(text) }));
    }

    /// A file operation was seen.
    pub(crate) fn file(&mut self, file: &FileSeen) {
        self.note(file.at_ms, Note::File(short_file(file)));
    }

    /// The first note beyond the limit leaves notes that nobody planned, so that the reconciliation cannot be flooded
    /// in silence.
    fn note(&mut self, at_ms: u64, note: Note) {
        self.noted += 1;
        if self.noted < limits::SESSION_NOTES {
            self.waiting.push(note);
        } else if self.noted == limits::SESSION_NOTES {
            let text = format!("SESSION_NOTES {}", limits::SESSION_NOTES);
            self.waiting.push(Note::Command(CommandSeen { at_ms, text: text.clone() }));
            self.waiting.push(Note::File(FileSeen { at_ms, op: "limit".into(), path: text, bytes: 0, sha256: None, ok: true }));
        }
    }

    /// The same, from a frame of a recording.
    pub(crate) fn frame(&mut self, at_ms: u64, frame: &Frame) {
        match frame {
            Frame::ChannelOpen { kind, .. } => {
                if let Some(function) = super::function_of(*kind) {
                    self.used(function);
                }
            }
            Frame::Command { text, .. } => self.command(at_ms, text),
            Frame::FileOp { json } => {
                if let Ok(file) = serde_json::from_str::<FileSeen>(json) {
                    self.file(&file);
                }
            }
            _ => {}
        }
    }
}

/// A file operation with names of bounded length.
pub(super) fn short_file(file: &FileSeen) -> FileSeen {
    FileSeen { op: shortened(&file.op), path: shortened(&file.path), ..file.clone() }
}

/// Names and lines from outside, at a length that rows and entries of the log can take.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= NOTE_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(NOTE_BYTES);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notes_ends_in_one_that_nobody_planned() {
        let mut notes = Notes::default();
        for at in 0..(limits::SESSION_NOTES as u64 + 500) {
            notes.command(at, "true");
        }
        assert_eq!(notes.waiting.len(), limits::SESSION_NOTES + 1);
        assert!(matches!(notes.waiting.last(), Some(Note::File(file)) if file.op == "limit"));
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let file = FileSeen { at_ms: 1, op: "put".into(), path: "録".repeat(5_000), bytes: 1, sha256: None, ok: true };
        let short = short_file(&file);
        assert!(short.path.len() <= NOTE_BYTES + 3 && short.path.ends_with('…'));
    }
}
