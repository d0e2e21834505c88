//! What lists and the reconciliation show of a session without opening its recording.

use sekisho_core::limits;
use sekisho_core::control::Control;
use sekisho_core::reconcile::{CommandSeen, FileSeen, ForwardSeen, SessionFacts};
use sekisho_core::target::Function;
use sekisho_evidence::recording::Frame;
use std::collections::{BTreeMap, BTreeSet};

/// Longest name or line that a note keeps in bytes; the recording has it whole.
const NOTE_BYTES: usize = 2_000;
/// Who paused, where no person did.
const SEKISHO: &str = "Sekisho";

/// One thing worth listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// A function was used for the first time.
    Used(Function),
    /// A command was seen.
    Command(CommandSeen),
    /// A file was moved or changed.
    File(FileSeen),
    /// A forward began, or carried bytes; to be added to what is known of its place.
    Forward(ForwardSeen),
    /// A person made the session stand still at this moment.
    Paused(u64),
    /// It stood still for so many milliseconds.
    PauseOver(u64),
    /// Somebody watched as a witness.
    Witness(String),
}

impl Note {
    /// True for a note that has a row of its own; false for one that is kept in the facts alone.
    pub(crate) fn has_row(&self) -> bool {
        matches!(self, Self::Command(_) | Self::File(_))
    }

    /// Enters a note that is kept in the facts alone. False for one that has a row of its own.
    pub(crate) fn enter(&self, facts: &mut SessionFacts) -> bool {
        match self {
            Self::Used(function) => {
                facts.functions.insert(*function);
            }
            Self::Forward(more) => {
                if let Some(seen) = facts.forwards.iter_mut().find(|seen| seen.place == more.place) {
                    add(seen, more);
                } else if facts.forwards.len() < limits::PLAN_FORWARDS {
                    facts.forwards.push(more.clone());
                }
            }
            Self::Paused(at_ms) => {
                facts.pauses = facts.pauses.saturating_add(1);
                facts.paused_at_ms.get_or_insert(*at_ms);
            }
            Self::PauseOver(ms) => facts.paused_ms = facts.paused_ms.saturating_add(*ms),
            Self::Witness(name) => {
                if facts.witnesses.len() < limits::WATCHERS && !facts.witnesses.contains(name) {
                    facts.witnesses.push(name.clone());
                }
            }
            Self::Command(_) | Self::File(_) => return false,
        }
        true
    }
}

fn add(seen: &mut ForwardSeen, more: &ForwardSeen) {
    seen.times = seen.times.saturating_add(more.times);
    seen.to_target = seen.to_target.saturating_add(more.to_target);
    seen.to_worker = seen.to_worker.saturating_add(more.to_worker);
}

/// Collects notes up to [`limits::SESSION_NOTES`].
#[derive(Default)]
pub(crate) struct Notes {
    /// Notes that were not yet kept.
    pub waiting: Vec<Note>,
    noted: usize,
    used: BTreeSet<Function>,
    /// Where the open forwards lead, by channel.
    places: BTreeMap<u32, String>,
    /// Bytes that each open channel has put out.
    outputs: BTreeMap<u32, u64>,
    paused_at: Option<u64>,
}

impl Notes {
    /// A channel opened for this function.
    pub(crate) fn used(&mut self, function: Function) {
        if self.used.insert(function) {
            self.waiting.push(Note::Used(function));
        }
    }

    /// A forward to this place was opened on the channel.
    pub(crate) fn forward(&mut self, at_ms: u64, channel: u32, place: &str) {
        let place = shortened(place);
        self.places.insert(channel, place.clone());
        self.carried(ForwardSeen { at_ms, place, times: 1, to_target: 0, to_worker: 0 });
    }

    /// Bytes went over the channel; counted if it is a forward.
    pub(crate) fn flow(&mut self, at_ms: u64, channel: u32, to_target: u64, to_worker: u64) {
        if let Some(place) = self.places.get(&channel) {
            let place = place.clone();
            self.carried(ForwardSeen { at_ms, place, times: 0, to_target, to_worker });
        }
    }

    /// Bytes of a forward that is recorded in full.
    pub(crate) fn forwarded(&mut self, at_ms: u64, channel: u32, to_target: bool, bytes: usize) {
        let bytes = bytes as u64;
        let (up, down) = if to_target { (bytes, 0) } else { (0, bytes) };
        self.flow(at_ms, channel, up, down);
    }

    /// The channel closed.
    pub(crate) fn closed(&mut self, channel: u32) {
        self.places.remove(&channel);
        self.outputs.remove(&channel);
    }

    /// Adds to a note that waits, so that a busy forward leaves one note and not one for each packet.
    fn carried(&mut self, more: ForwardSeen) {
        let waiting = self.waiting.iter_mut().rev().take(limits::SESSION_CHANNELS);
        let same = waiting.filter_map(|note| if let Note::Forward(seen) = note { Some(seen) } else { None }).find(|seen| seen.place == more.place);
        match same {
            Some(seen) => add(seen, &more),
            None => self.waiting.push(Note::Forward(more)),
        }
    }

    /// A person, or a rule, did something to the session.
    pub(crate) fn control(&mut self, at_ms: u64, control: &Control) {
        match control {
            // A session that waits for its witness stands still by the plan and not by somebody's hand.
            Control::Paused { by, .. } if by != SEKISHO && self.paused_at.is_none() => {
                self.paused_at = Some(at_ms);
                self.waiting.push(Note::Paused(at_ms));
            }
            Control::Resumed { .. } => {
                if let Some(since) = self.paused_at.take() {
                    self.waiting.push(Note::PauseOver(at_ms.saturating_sub(since)));
                }
            }
            Control::WitnessCame { by } => self.waiting.push(Note::Witness(shortened(by))),
            _ => {}
        }
    }

    /// A command was seen.
    pub(crate) fn command(&mut self, at_ms: u64, channel: u32, text: &str) {
        let output = self.outputs.get(&channel).copied().unwrap_or(0);
        self.note(at_ms, Note::Command(CommandSeen { at_ms, text: shortened(text), channel, output }));
    }

    /// The channel put out bytes.
    pub(crate) fn output(&mut self, channel: u32, bytes: usize) {
        *self.outputs.entry(channel).or_default() += bytes as u64;
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
            self.waiting.push(Note::Command(CommandSeen { at_ms, text: text.clone(), channel: 0, output: 0 }));
            self.waiting.push(Note::File(FileSeen { at_ms, op: "limit".into(), path: text, bytes: 0, sha256: None, ok: true, kept: None }));
        }
    }

    /// The same, from a frame of a recording.
    pub(crate) fn frame(&mut self, at_ms: u64, channel: u32, frame: &Frame) {
        match frame {
            Frame::ChannelOpen { kind, text } => {
                if let Some(function) = super::function_of(*kind) {
                    self.used(function);
                    if function == Function::Forward {
                        self.forward(at_ms, channel, text);
                    }
                }
            }
            Frame::ChannelClose { .. } => self.closed(channel),
            Frame::Flow { to_target, to_worker } => self.flow(at_ms, channel, *to_target, *to_worker),
            Frame::Forwarded { to_target, data } => self.forwarded(at_ms, channel, *to_target, data.len()),
            Frame::Marker { text } => {
                if let Ok(control) = serde_json::from_str(text) {
                    self.control(at_ms, &control);
                }
            }
            Frame::Command { text, .. } => self.command(at_ms, channel, text),
            Frame::Output(bytes) => self.output(channel, bytes.len()),
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
            notes.command(at, 1, "true");
        }
        assert_eq!(notes.waiting.len(), limits::SESSION_NOTES + 1);
        assert!(matches!(notes.waiting.last(), Some(Note::File(file)) if file.op == "limit"));
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let file = FileSeen { at_ms: 1, op: "put".into(), path: "録".repeat(5_000), bytes: 1, sha256: None, ok: true, kept: None };
        let short = short_file(&file);
        assert!(short.path.len() <= NOTE_BYTES + 3 && short.path.ends_with('…'));
    }

    #[test]
    fn a_busy_forward_leaves_one_sum_and_a_pause_its_length() {
        let mut notes = Notes::default();
        notes.forward(5, 3, "db01:5432");
        for at in 0..1_000 {
            notes.flow(at, 3, 10, 20);
            notes.flow(at, 4, 1, 1);
        }
        notes.forwarded(9, 3, false, 5);
        notes.closed(3);
        notes.flow(2_000, 3, 7, 7);
        let pause = |by: &str| Control::Paused { by: by.into(), reason: String::new() };
        notes.control(10_000, &pause("Sekisho"));
        notes.control(11_000, &Control::Resumed { by: "Sekisho".into() });
        notes.control(20_000, &pause("佐藤 由美"));
        notes.control(26_500, &Control::Resumed { by: "佐藤 由美".into() });
        for _ in 0..2 {
            notes.control(30_000, &Control::WitnessCame { by: "佐藤 由美".into() });
        }
        let json = r#"{"session":"ses-aaaaaaaaaaaaaaaa","person":"per-aaaaaaaaaaaaaaaa","person_name":"","target":"tgt-aaaaaaaaaaaaaaaa","target_name":"","account":"","source":"","started":0,"ended":null,"cause":null,"functions":[],"commands":[],"files":[]}"#;
        let mut facts: SessionFacts = serde_json::from_str(json).unwrap();
        assert!(notes.waiting.len() < 10 && notes.waiting.iter().all(|note| !note.has_row() && note.enter(&mut facts)));
        assert_eq!(facts.forwards, [ForwardSeen { at_ms: 5, place: "db01:5432".into(), times: 1, to_target: 10_000, to_worker: 20_005 }]);
        assert_eq!((facts.pauses, facts.paused_ms, facts.paused_at_ms), (1, 6_500, Some(20_000)));
        assert_eq!(facts.witnesses, ["佐藤 由美"]);
    }
}
