//! What is known of a running session beside its bytes: whether it stands still and why, who watches, which commands
//! wait, what was said. The one place that computes whether a session stands still.

use sekisho_core::control::{Control, Standstill};
use sekisho_core::command::RuleAct;
use sekisho_core::ids::PersonId;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::target::Witness;
use sekisho_core::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Time without a sign after which a watcher does not count as present.
const LOST: Duration = Duration::from_secs(limits::WITNESS_LOST_SECONDS as u64);
const MINUTE: Duration = Duration::from_secs(60);

/// Who paused a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Display name.
    pub by: String,
    /// The reason; may be empty.
    pub reason: String,
}

/// A command that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldCommand {
    /// Its number within the session.
    pub hold: u32,
    /// The command. A worker's text.
    pub line: String,
    /// Why it waits.
    pub reason: String,
    /// Since when, in milliseconds from the start of the session.
    pub at_ms: u64,
}

/// An upload that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldFile {
    /// Its number within the session.
    pub hold: u32,
    /// The path on the target. A worker's text.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// True if the plan lists this content.
    pub listed: bool,
    /// Since when, in milliseconds from the start of the session.
    pub at_ms: u64,
}

/// Somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watcher {
    /// Display name.
    pub name: String,
    /// Counts as a witness at this moment: the page is visible before a person of the hospital.
    pub witness: bool,
}

/// How a running session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Whether it stands still.
    pub state: Standstill,
    /// The pause, if a person or a rule paused it. It can hold beside a missing witness.
    pub paused: Option<Pause>,
    /// What plan and target demand.
    pub witness: Witness,
    /// Who watches.
    pub watchers: Vec<Watcher>,
    /// Commands that wait, the oldest first.
    pub held: Vec<HeldCommand>,
    /// Uploads that wait, the oldest first.
    pub held_files: Vec<HeldFile>,
}

/// One act upon the session, with its moment in milliseconds from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When.
    pub at_ms: u64,
    /// What.
    pub control: Control,
}

/// What has a number within one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Pause,
    Saying,
    Chat,
    Mark,
}

impl Kind {
    pub(crate) fn limit(self) -> (usize, &'static str) {
        match self {
            Self::Pause => (limits::SESSION_PAUSES, "SESSION_PAUSES"),
            Self::Saying => (limits::SESSION_SAYINGS, "SESSION_SAYINGS"),
            Self::Chat => (limits::SESSION_CHAT, "SESSION_CHAT"),
            Self::Mark => (limits::SESSION_MARKS, "SESSION_MARKS"),
        }
    }
}

/// The reins of one session.
pub(crate) struct Reins {
    inside: Mutex<Inside>,
    changed: watch::Sender<u64>,
    /// Held by the verb that acts, so that acts follow each other in log, recording and gateway alike.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// A task looks after the witnesses at this moment.
    attending: AtomicBool,
}

#[derive(Default)]
struct Inside {
    witness: Witness,
    paused: Option<Pause>,
    /// What the gateway was told last.
    sent: Standstill,
    seats: BTreeMap<u64, Place>,
    next_seat: u64,
    /// Witnesses whose coming is in the log and whose going is not.
    written: BTreeMap<PersonId, Actor>,
    held: Vec<HeldCommand>,
    held_files: Vec<HeldFile>,
    talk: VecDeque<Told>,
    counts: BTreeMap<Kind, usize>,
    chat_lately: BTreeMap<String, VecDeque<Timestamp>>,
}

struct Place {
    actor: Actor,
    may_witness: bool,
    heard: Option<Timestamp>,
}

impl Place {
    fn present(&self, now: Timestamp) -> Option<&PersonId> {
        // A clock that was set back tells nothing about how long ago it was; the next sign does.
        let fresh = self.heard.is_some_and(|heard| heard <= now && heard.until(now) < LOST);
        if self.may_witness && fresh { self.actor.person.as_ref() } else { None }
    }
}

impl Inside {
    fn present(&self, now: Timestamp) -> BTreeMap<PersonId, Actor> {
        self.seats.values().filter_map(|place| Some((place.present(now)?.clone(), place.actor.clone()))).collect()
    }

    /// A witness counts once the coming is in the log, and no longer than the page gives signs.
    fn standstill(&self, now: Timestamp) -> Standstill {
        let watched = || self.seats.values().filter_map(|place| place.present(now)).any(|person| self.written.contains_key(person));
        Standstill::of(!self.witness.is_none() && !watched(), self.paused.is_some())
    }
}

/// Whose coming and going is to be written down.
#[derive(Default)]
pub(crate) struct Moves {
    pub came: Vec<(PersonId, Actor)>,
    pub left: Vec<(PersonId, Actor)>,
}

impl Default for Reins {
    fn default() -> Self {
        Self { inside: Mutex::default(), changed: watch::Sender::new(0), turn: tokio::sync::Mutex::default(), attending: AtomicBool::new(false) }
    }
}

impl Reins {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A panic in here leaves at worst a list that lacks a line; the standstill is computed anew each time.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        let done = act(&mut self.inside());
        self.changed.send_modify(|version| *version += 1);
        done
    }

    /// Takes over what plan and target demand, before anybody is let in. Gives how the session begins.
    pub(crate) fn demand(&self, witness: Witness, now: Timestamp) -> Standstill {
        let mut inside = self.inside();
        inside.witness = witness;
        inside.sent = inside.standstill(now);
        inside.sent
    }

    /// How the session stands.
    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        let inside = self.inside();
        let mut watchers: Vec<Watcher> = Vec::new();
        for place in inside.seats.values() {
            let witness = !inside.witness.is_none() && place.present(now).is_some_and(|person| inside.written.contains_key(person));
            // One person with two windows is one watcher.
            match watchers.iter_mut().find(|known| known.name == place.actor.name) {
                Some(known) => known.witness |= witness,
                None => watchers.push(Watcher { name: place.actor.name.clone(), witness }),
            }
        }
        Standing { state: inside.standstill(now), paused: inside.paused.clone(), witness: inside.witness, watchers, held: inside.held.clone(), held_files: inside.held_files.clone() }
    }

    /// The latest acts, the oldest first.
    pub(crate) fn talk(&self) -> Vec<Told> {
        self.inside().talk.iter().cloned().collect()
    }

    /// Sets or lifts the pause. False if that is no change.
    pub(crate) fn set_pause(&self, pause: Option<Pause>) -> bool {
        let change = self.inside().paused.is_some() != pause.is_some();
        if change {
            self.change(|inside| inside.paused = pause);
        }
        change
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inside().paused.is_some()
    }

    /// Tells the gateway how the session stands, if it was told otherwise. `tell` must not wait. Nobody else can tell it
    /// anything meanwhile: a word to go on that is overtaken by one to stand still would be the last one.
    pub(crate) fn tell(&self, now: Timestamp, tell: impl FnOnce(Standstill)) {
        let mut inside = self.inside();
        let standstill = inside.standstill(now);
        if inside.sent != standstill {
            inside.sent = standstill;
            tell(standstill);
        }
    }

    /// Whether one more of this kind is below its limit.
    pub(crate) fn has_room(&self, kind: Kind) -> bool {
        self.inside().counts.get(&kind).copied().unwrap_or(0) < kind.limit().0
    }

    /// Counts one.
    pub(crate) fn count(&self, kind: Kind) {
        *self.inside().counts.entry(kind).or_default() += 1;
    }

    /// Whether this person may write one more chat line at this moment; counts it if so.
    pub(crate) fn may_chat(&self, login: &str, now: Timestamp) -> bool {
        let mut inside = self.inside();
        let lately = inside.chat_lately.entry(login.to_owned()).or_default();
        lately.retain(|at| *at <= now && at.until(now) < MINUTE);
        let room = lately.len() < limits::CHAT_A_MINUTE;
        if room {
            lately.push_back(now);
        }
        room
    }

    /// Takes note of an act that the recording has.
    pub(crate) fn saw(&self, at_ms: u64, control: &Control) {
        self.change(|inside| {
            match control {
                Control::Ruled { hold, act: RuleAct::Hold, line, reason } if *hold > 0 => {
                    inside.held.push(HeldCommand { hold: *hold, line: line.clone(), reason: reason.clone(), at_ms });
                }
                Control::FileHeld { hold, path, bytes, sha256, listed } => {
                    inside.held_files.push(HeldFile { hold: *hold, path: path.clone(), bytes: *bytes, sha256: sha256.clone(), listed: *listed, at_ms });
                }
                Control::FileDecided { hold, .. } => inside.held_files.retain(|held| held.hold != *hold),
                Control::Decided { hold, .. } => inside.held.retain(|held| held.hold != *hold),
                _ => {}
            }
            inside.talk.push_back(Told { at_ms, control: control.clone() });
            if inside.talk.len() > limits::SESSION_TALK {
                inside.talk.pop_front();
            }
        });
    }

    /// Gives somebody who watches a place.
    pub(crate) fn sit(self: &Arc<Self>, actor: &Actor, may_witness: bool) -> Chair {
        let number = self.change(|inside| {
            inside.next_seat += 1;
            let number = inside.next_seat;
            inside.seats.insert(number, Place { actor: actor.clone(), may_witness, heard: None });
            number
        });
        Chair { reins: Arc::clone(self), number }
    }

    /// Witnesses whose coming or going is not in the log yet.
    pub(crate) fn moves(&self, now: Timestamp) -> Moves {
        let inside = self.inside();
        if inside.witness.is_none() {
            return Moves::default();
        }
        let present = inside.present(now);
        let missing = |one: &BTreeMap<PersonId, Actor>, other: &BTreeMap<PersonId, Actor>| -> Vec<(PersonId, Actor)> {
            one.iter().filter(|(id, _)| !other.contains_key(*id)).map(|(id, actor)| (id.clone(), actor.clone())).collect()
        };
        Moves { came: missing(&present, &inside.written), left: missing(&inside.written, &present) }
    }

    /// Their coming and going is in the log.
    pub(crate) fn wrote(&self, moves: &Moves) {
        self.change(|inside| {
            for (id, _) in &moves.left {
                inside.written.remove(id);
            }
            for (id, actor) in &moves.came {
                inside.written.insert(id.clone(), actor.clone());
            }
        });
    }

    /// True for the one who is to look after the witnesses, until [`Reins::attended`].
    pub(crate) fn attend(&self, now: Timestamp) -> bool {
        let due = {
            let inside = self.inside();
            let moved = |present: &BTreeMap<PersonId, Actor>| !present.keys().eq(inside.written.keys());
            !inside.witness.is_none() && (inside.sent != inside.standstill(now) || moved(&inside.present(now)))
        };
        due && !self.attending.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn attended(&self) {
        self.attending.store(false, Ordering::SeqCst);
    }
}

/// A watcher's place in the session's company. Dropping it gives it back.
pub(crate) struct Chair {
    reins: Arc<Reins>,
    number: u64,
}

impl Chair {
    /// The page is before somebody's eyes at this moment.
    pub(crate) fn here(&self, now: Timestamp) {
        let mut inside = self.reins.inside();
        if let Some(place) = inside.seats.get_mut(&self.number) {
            place.heard = Some(now);
        }
    }

    /// Tells of each change from here on.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.reins.changed.subscribe()
    }
}

impl Drop for Chair {
    fn drop(&mut self) {
        self.reins.change(|inside| inside.seats.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_core::people::Via;

    fn nurse(number: u8) -> Actor {
        Actor { person: Some(PersonId::from_random([number; 10])), name: format!("立会い{number}"), via: Via::Web, ..Actor::system() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_795_237_200_000 + seconds * 1000)
    }

    fn told(reins: &Reins, now: Timestamp) -> Option<Standstill> {
        let mut told = None;
        reins.tell(now, |standstill| {
            assert!(reins.inside.try_lock().is_err(), "nobody else can tell the gateway anything at this moment");
            told = Some(standstill);
        });
        told
    }

    fn written(reins: &Reins, now: Timestamp) {
        let moves = reins.moves(now);
        reins.wrote(&moves);
    }

    #[test]
    fn it_goes_on_only_while_a_witness_looks_and_nobody_paused() {
        let reins = Arc::new(Reins::default());
        assert_eq!(reins.demand(Witness::Watch, at(0)), Standstill::NoWitness);
        let chair = reins.sit(&nurse(1), true);
        written(&reins, at(0));
        assert_eq!(reins.standing(at(0)).state, Standstill::NoWitness, "a page that was only opened is no witness");
        chair.here(at(1));
        assert_eq!(reins.standing(at(1)).state, Standstill::NoWitness, "the coming is not in the log");
        written(&reins, at(1));
        assert_eq!(told(&reins, at(1)), Some(Standstill::None));
        assert!(reins.set_pause(Some(Pause { by: "上田".into(), reason: String::new() })));
        assert_eq!(told(&reins, at(2)), Some(Standstill::Paused));
        drop(chair);
        assert_eq!(told(&reins, at(2)), Some(Standstill::NoWitness), "the going counts before it is written");
        assert!(reins.set_pause(None));
        assert_eq!(told(&reins, at(3)), None, "the other reason holds");
    }

    #[test]
    fn whoever_gives_no_sign_for_a_while_is_gone_and_a_clock_set_back_makes_nobody_present() {
        let reins = Arc::new(Reins::default());
        reins.demand(Witness::Watch, at(0));
        let chair = reins.sit(&nurse(1), true);
        chair.here(at(0));
        written(&reins, at(0));
        let lost = limits::WITNESS_LOST_SECONDS as i64;
        assert_eq!(reins.standing(at(lost - 1)).state, Standstill::None);
        assert_eq!(reins.standing(at(lost)).state, Standstill::NoWitness);
        assert_eq!(reins.standing(at(-5)).state, Standstill::NoWitness);
        assert!(reins.attend(at(lost)) && !reins.attend(at(lost)), "one looks after it at a time");
    }

    #[test]
    fn who_may_not_witness_lets_nothing_begin_and_two_windows_are_one_person() {
        let reins = Arc::new(Reins::default());
        reins.demand(Witness::Step, at(0));
        let stranger = reins.sit(&nurse(1), false);
        stranger.here(at(0));
        written(&reins, at(0));
        assert_eq!(reins.standing(at(0)).state, Standstill::NoWitness);
        let (one, two) = (reins.sit(&nurse(2), true), reins.sit(&nurse(2), true));
        one.here(at(0));
        two.here(at(0));
        assert_eq!(reins.moves(at(0)).came.len(), 1);
        written(&reins, at(0));
        drop(one);
        assert!(reins.moves(at(1)).left.is_empty());
        assert_eq!(reins.standing(at(1)).watchers.len(), 2);
        assert_eq!(reins.standing(at(1)).state, Standstill::None);
    }

    #[test]
    fn held_commands_come_and_go_and_the_talk_is_bounded() {
        let reins = Reins::default();
        let ruled = |hold| Control::Ruled { hold, act: RuleAct::Hold, line: "rm -rf /".into(), reason: "削除".into() };
        reins.saw(5, &ruled(1));
        reins.saw(6, &ruled(2));
        reins.saw(7, &Control::Ruled { hold: 0, act: RuleAct::Note, line: "ls".into(), reason: String::new() });
        reins.saw(8, &Control::Decided { hold: 1, by: "上田".into(), allowed: true });
        assert_eq!(reins.standing(at(0)).held.iter().map(|held| held.hold).collect::<Vec<_>>(), [2]);
        for at_ms in 0..1000 {
            reins.saw(at_ms, &Control::Resumed { by: "上田".into() });
        }
        assert_eq!(reins.talk().len(), limits::SESSION_TALK);
    }

    #[test]
    fn nobody_floods_the_chat() {
        let reins = Reins::default();
        let lines = (0..100).filter(|_| reins.may_chat("sato", at(0))).count();
        assert_eq!(lines, limits::CHAT_A_MINUTE);
        assert!(reins.may_chat("ueda", at(0)) && reins.may_chat("sato", at(61)));
    }
}
