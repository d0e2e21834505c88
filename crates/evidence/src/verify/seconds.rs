//! Second keys, as entries tell of them: whose holders must agree before a recording opens that began while they were in force.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::limits::{MAX_RECIPIENT_KEY_BYTES, MAX_RECIPIENTS};

#[derive(Deserialize)]
struct Kept {
    second_key: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    targets: Vec<String>,
    change: String,
    #[serde(default)]
    actor: Actor,
}

#[derive(Default, Deserialize)]
struct Actor {
    #[serde(default)]
    person: Option<String>,
}

#[derive(PartialEq)]
enum State {
    Asked,
    Active,
    EndAsked,
    Over,
}

struct Second {
    key: String,
    targets: Vec<String>,
    state: State,
    /// Who asked for what waits: another person confirms it.
    asked: String,
}

/// All second keys so far.
#[derive(Default)]
pub(super) struct Seconds(BTreeMap<String, Second>);

impl Seconds {
    /// Reads an entry `second_key_kept` that a key of the log signed. One that does not fit what stands changes nothing.
    pub(super) fn read(&mut self, body: &[u8]) {
        let Ok(Kept { second_key, key, targets, change, actor: Actor { person: Some(by) } }) = serde_json::from_slice(body) else { return };
        // No header names a longer one.
        if key.len() > MAX_RECIPIENT_KEY_BYTES {
            return;
        }
        if change == "asked" {
            self.0.entry(second_key).or_insert(Second { key, targets, state: State::Asked, asked: by });
            return;
        }
        let Some(second) = self.0.get_mut(&second_key) else { return };
        match (&second.state, change.as_str()) {
            (State::Asked, "confirmed") | (State::EndAsked, "ended") if second.asked == by => {}
            (State::Asked, "confirmed") | (State::EndAsked, "kept") => second.state = State::Active,
            (State::Asked, "refused") | (State::EndAsked, "ended") => second.state = State::Over,
            (State::Active, "end_asked") => (second.state, second.asked) = (State::EndAsked, by),
            _ => {}
        }
    }

    /// The public keys in force for a target, no more than a header has. That a key also covers another name of the same machine, only the ledger knows.
    pub(super) fn due(&self, target: Option<&String>) -> Vec<String> {
        let holds = |one: &&Second| matches!(one.state, State::Active | State::EndAsked) && (one.targets.is_empty() || target.is_some_and(|target| one.targets.contains(target)));
        self.0.values().filter(holds).map(|one| one.key.clone()).take(MAX_RECIPIENTS).collect()
    }
}
