//! Staged uploads between a worker who writes in every manner and a target that remembers what reached it.

mod bounds;

use super::*;
use crate::files::{Content, FileOp, Op, Outcome, Passed, Rights, Rule};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn text(text: &[u8]) -> Vec<u8> {
    string(text)
}

fn ask(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    packet(kind, id, &fields.concat()).to_vec()
}

fn n(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn q(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = 4 + u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (one, after) = rest.split_at(length);
        found.push(one.to_vec());
        rest = after;
    }
    found
}

/// A server that keeps files in memory.
#[derive(Default)]
struct Server {
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    modes: BTreeMap<Vec<u8>, u32>,
    handles: BTreeMap<Vec<u8>, Vec<u8>>,
    opened: u32,
    heard: Vec<u8>,
    refuse_writes: bool,
    refuse_opens: bool,
}

impl Server {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let mut fields = Fields::new(request);
        let kind = fields.byte().unwrap();
        self.heard.push(kind);
        if kind == INIT {
            return string(&[&[VERSION][..], &n(3)].concat());
        }
        let id = fields.u32().unwrap();
        let done = |code| status(id, code, "target");
        match kind {
            OPEN => {
                let (path, flags) = (fields.path().unwrap(), fields.u32().unwrap());
                if self.refuse_opens {
                    return done(2);
                }
                if flags & file::TRUNCATE != 0 {
                    self.files.insert(path.clone(), Vec::new());
                }
                self.opened += 1;
                let handle = self.opened.to_be_bytes().to_vec();
                self.handles.insert(handle.clone(), path);
                ask(HANDLE, id, &[&string(&handle)])
            }
            WRITE => {
                let (handle, offset) = (fields.handle().unwrap(), fields.u64().unwrap() as usize);
                let data = fields.string().unwrap();
                if self.refuse_writes {
                    return done(4);
                }
                let file = self.files.entry(self.handles[&handle].clone()).or_default();
                file.resize(file.len().max(offset + data.len()), 0);
                file[offset..offset + data.len()].copy_from_slice(data);
                done(0)
            }
            FSETSTAT => {
                let path = self.handles[&fields.handle().unwrap()].clone();
                assert_eq!(fields.u32().unwrap(), 4);
                self.modes.insert(path, fields.u32().unwrap());
                done(0)
            }
            CLOSE => {
                self.handles.remove(&fields.handle().unwrap());
                done(0)
            }
            17 => ask(super::super::packet::NAME, id, &[&n(0)]),
            _ => done(0),
        }
    }
}

/// Worker, stage and target.
struct Scene {
    stage: Quarantined,
    server: Server,
    spools: BTreeMap<u32, Vec<u8>>,
    held: Vec<(u32, Vec<u8>, u64, [u8; 32])>,
    /// What the worker got.
    got: Vec<Vec<u8>>,
    done: Vec<FileOp>,
    refused: Vec<Refused>,
    /// Most parts under way at once.
    most: usize,
    /// The stage said that something waits for the other way; nobody asks it otherwise.
    due: bool,
}

impl Scene {
    fn new() -> Self {
        Self::in_room(Arc::default())
    }

    fn in_room(room: Arc<Room>) -> Self {
        let rule = Rule { rights: Rights::ALL, room: Some(Arc::clone(&room)), ..Rule::default() };
        let stage = Quarantined::new(rule, room);
        let mut scene =
            Self { stage, server: Server::default(), spools: BTreeMap::new(), held: Vec::new(), got: Vec::new(), done: Vec::new(), refused: Vec::new(), most: 0, due: false };
        scene.says(&string(&[&[INIT][..], &n(3)].concat()));
        scene
    }

    fn took(&mut self, passed: Passed, to_target: bool) {
        self.done.extend(passed.done);
        self.refused.extend(passed.refused);
        self.due |= passed.due;
        if to_target {
            self.to_target(&passed.on.concat());
        } else {
            self.got.extend(packets(&passed.on.concat()));
        }
        let due = self.stage.due_to_worker().concat();
        self.got.extend(packets(&due));
    }

    fn effects(&mut self) {
        for effect in self.stage.effects() {
            match effect {
                Effect::Begin { file } => {
                    self.spools.insert(file, Vec::new());
                }
                Effect::Content { file, bytes } => self.spools.get_mut(&file).unwrap().extend_from_slice(&bytes),
                Effect::Hold { file, path, bytes, sha256 } => self.held.push((file, path, bytes, sha256)),
                Effect::Drop { file } => {
                    self.spools.remove(&file);
                }
            }
        }
    }

    /// The worker says something.
    fn says(&mut self, bytes: &[u8]) {
        let passed = self.stage.from_worker(Bytes::copy_from_slice(bytes)).unwrap();
        self.effects();
        self.took(passed, true);
        self.pour();
    }

    fn to_target(&mut self, bytes: &[u8]) {
        for request in packets(bytes) {
            let answer = self.server.answer(&request);
            let passed = self.stage.from_target(&answer).unwrap();
            self.took(passed, false);
        }
    }

    /// All that the target can be sent.
    fn pour(&mut self) {
        while std::mem::take(&mut self.due) {
            let due = self.stage.due_to_target().concat();
            let mut wants = Vec::new();
            while let Some(want) = self.stage.wants() {
                wants.push(want);
            }
            self.most = self.most.max(wants.len());
            self.to_target(&due);
            for want in wants {
                let bytes = self.spools.get(&want.file).map(|spool| Bytes::copy_from_slice(&spool[want.offset as usize..want.offset as usize + want.length]));
                let passed = self.stage.content(want, bytes).unwrap();
                assert!(passed.on.is_empty());
                self.took(passed, false);
            }
        }
        self.effects();
    }

    fn decide(&mut self, passed: bool) {
        let (file, ..) = self.held.remove(0);
        let decision = if passed { Ok(()) } else { Err("SKS-4306".to_owned()) };
        let passed = self.stage.decided(file, decision).unwrap();
        self.took(passed, false);
        self.pour();
    }

    fn open(&mut self, id: u32, path: &[u8], flags: u32) -> Vec<u8> {
        self.says(&ask(OPEN, id, &[&text(path), &n(flags), &n(0)]));
        let answer = self.got.pop().unwrap();
        assert_eq!(answer[4], HANDLE, "{answer:?}");
        let mut fields = Fields::new(&answer);
        fields.byte().unwrap();
        fields.u32().unwrap();
        fields.handle().unwrap()
    }

    fn write(&mut self, id: u32, handle: &[u8], offset: u64, data: &[u8]) -> u32 {
        self.says(&ask(WRITE, id, &[&text(handle), &q(offset), &text(data)]));
        self.code(id)
    }

    fn close(&mut self, id: u32, handle: &[u8]) {
        self.says(&ask(CLOSE, id, &[&text(handle)]));
    }

    /// The status that the worker got for a request.
    fn code(&mut self, id: u32) -> u32 {
        let at = self.got.iter().position(|answer| answer[4] == STATUS && answer[5..9] == n(id)).unwrap_or_else(|| panic!("no status for {id}: {:?}", self.got));
        u32::from_be_bytes(self.got.remove(at)[9..13].try_into().unwrap())
    }

    fn is_answered(&self, id: u32) -> bool {
        self.got.iter().any(|answer| answer[5..9] == n(id))
    }
}

const NEW: u32 = file::WRITE | file::CREATE | file::TRUNCATE;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn nothing_reaches_the_target_before_the_decision_and_then_the_very_bytes_do() {
    let mut scene = Scene::new();
    let bytes = content(2_000_000);
    let handle = scene.open(1, b"/opt/patch", NEW);
    for (at, part) in bytes.chunks(32_000).enumerate() {
        assert_eq!(scene.write(2, &handle, (at * 32_000) as u64, part), 0);
    }
    scene.says(&ask(FSETSTAT, 3, &[&text(&handle), &n(4), &n(0o100_755)]));
    assert_eq!(scene.code(3), 0);
    scene.close(4, &handle);
    assert!(scene.server.files.is_empty() && scene.server.heard == [INIT] && !scene.is_answered(4) && scene.stage.is_busy());
    assert_eq!(scene.held, [(1, b"/opt/patch".to_vec(), bytes.len() as u64, Sha256::digest(&bytes).into())]);
    scene.decide(true);
    assert_eq!(scene.code(4), 0);
    assert!(scene.server.files[&b"/opt/patch".to_vec()] == bytes && scene.server.handles.is_empty());
    assert_eq!(scene.server.modes[&b"/opt/patch".to_vec()], 0o100_755);
    assert_eq!(scene.most, limits::STAGED_PARTS);
    assert!(scene.spools.is_empty() && !scene.stage.is_busy());
    let act = &scene.done[0];
    assert_eq!((act.op.clone(), act.outcome, act.content), (Op::Upload, Outcome::Done, Content::Sha256(Sha256::digest(&bytes).into())));
}

#[test]
fn what_is_refused_leaves_nothing_and_says_so() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/opt/evil", NEW);
    scene.write(2, &handle, 0, b"evil");
    scene.close(3, &handle);
    scene.decide(false);
    assert_eq!((scene.code(3), scene.server.heard.as_slice()), (DENIED, &[INIT][..]));
    assert!(scene.spools.is_empty() && !scene.stage.is_busy());
    assert_eq!((scene.done[0].outcome, scene.done[0].bytes), (Outcome::Refused, 4));
    let decided_again = scene.stage.decided(1, Ok(())).unwrap();
    assert!(decided_again.on.is_empty() && scene.stage.due_to_target().is_empty(), "a decision counts once");
}

#[test]
fn other_requests_flow_while_one_waits_and_refused_ones_are_answered_too() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/a", NEW);
    scene.close(2, &handle);
    scene.says(&ask(17, 3, &[&text(b"/")]));
    assert!(scene.is_answered(3) && !scene.is_answered(2));
    // An extension that nobody knows is answered in the target's place, and not behind the close that waits.
    scene.says(&ask(EXTENDED, 4, &[&text(b"evil@example.com")]));
    assert_eq!(scene.code(4), UNSUPPORTED);
    let second = scene.open(5, b"/b", NEW);
    scene.write(6, &second, 0, b"b");
    scene.close(7, &second);
    assert_eq!(scene.held.len(), 2);
    scene.held.reverse();
    scene.decide(true);
    assert_eq!(scene.code(7), 0);
    scene.decide(true);
    assert_eq!(scene.code(2), 0);
    assert_eq!(scene.server.files.len(), 2);
}

#[test]
fn request_numbers_of_the_worker_never_meet_ours() {
    let mut scene = Scene::new();
    let handle = scene.open(0, b"/a", NEW);
    scene.write(0, &handle, 0, b"x");
    scene.close(0, &handle);
    let (file, ..) = scene.held.remove(0);
    let passed = scene.stage.decided(file, Ok(())).unwrap();
    assert!(passed.on.is_empty());
    let open = scene.stage.due_to_target().concat();
    // The target takes its time; the worker uses every number around, its own of the close excepted.
    let mut sent = Vec::new();
    for id in 1..200_u32 {
        let passed = scene.stage.from_worker(Bytes::from(ask(17, id, &[&text(b"/")]))).unwrap();
        sent.extend(packets(&passed.on.concat()));
    }
    let numbers: std::collections::BTreeSet<[u8; 4]> = sent.iter().chain(&packets(&open)).map(|request| request[5..9].try_into().unwrap()).collect();
    assert_eq!(numbers.len(), 200);
    for request in sent {
        scene.to_target(&request);
    }
    scene.to_target(&open);
    scene.pour();
    assert!((1..200).all(|id| scene.is_answered(id)));
    assert_eq!((scene.code(0), scene.server.files[&b"/a".to_vec()].as_slice()), (0, &b"x"[..]));
}

#[test]
fn only_whole_new_content_can_be_sent() {
    for (flags, why) in [
        (NEW | file::READ, Staging::BothWays),
        (file::CREATE, Staging::BothWays),
        (file::WRITE | file::CREATE | file::APPEND, Staging::Append),
        (file::WRITE, Staging::InPlace),
    ] {
        let mut scene = Scene::new();
        scene.says(&ask(OPEN, 1, &[&text(b"/f"), &n(flags), &n(0)]));
        assert_eq!((scene.code(1), scene.refused[0].why), (DENIED, Why::Staging(why)), "{flags}");
        assert!(scene.server.heard == [INIT] && scene.spools.is_empty());
    }
    // OpenSSH's scp does not empty the file, and cuts it off behind its content.
    for (size, whole) in [(Some(3_u64), true), (None, false), (Some(9), false)] {
        let mut scene = Scene::new();
        let handle = scene.open(1, b"/f", file::WRITE | file::CREATE);
        scene.write(2, &handle, 0, b"abc");
        if let Some(size) = size {
            scene.says(&ask(FSETSTAT, 3, &[&text(&handle), &n(1), &q(size)]));
        }
        scene.close(4, &handle);
        if whole {
            scene.decide(true);
            assert_eq!((scene.code(4), scene.server.files[&b"/f".to_vec()].as_slice()), (0, &b"abc"[..]));
        } else {
            assert_eq!((scene.code(4), scene.refused[0].why, scene.held.len()), (DENIED, Why::Staging(Staging::NotWhole), 0));
            assert!(scene.server.heard == [INIT] && scene.spools.is_empty());
        }
    }
}

#[test]
fn hostile_writes_spoil_the_file_and_nothing_else() {
    let cases: [&[(u64, &[u8])]; 6] = [
        &[(0, b"abcd"), (2, b"xy")],
        &[(0, b"ab"), (0, b"ab")],
        &[(u64::MAX - 1, b"abc")],
        &[(limits::STAGED_FILE_BYTES, b"a")],
        &[(10, b"abcd"), (12, b"xy")],
        &[(1, b"gap")],
    ];
    for writes in cases {
        let mut scene = Scene::new();
        let handle = scene.open(1, b"/f", NEW);
        for (offset, data) in writes {
            scene.write(2, &handle, *offset, data);
        }
        scene.close(3, &handle);
        assert_eq!((scene.code(3), scene.held.len(), scene.refused.len()), (DENIED, 0, 1), "{writes:?}");
        assert!(scene.server.heard == [INIT] && scene.spools.is_empty(), "{writes:?}");
        assert_eq!(scene.done.last().map(|act| act.outcome), Some(Outcome::Refused));
        let next = scene.open(4, b"/g", NEW);
        scene.write(5, &next, 0, b"sound");
        scene.close(6, &next);
        scene.decide(true);
        assert_eq!(scene.code(6), 0);
    }
}

#[test]
fn far_apart_parts_are_bounded_in_memory() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/f", NEW);
    for at in 1..2_000_u64 {
        scene.write(2, &handle, at * 100_000, &[1; 30_000]);
    }
    assert_eq!(scene.refused.len(), 1);
    scene.close(3, &handle);
    assert_eq!(scene.code(3), DENIED);
}

#[test]
fn a_staged_handle_is_good_for_its_writing_alone() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/f", NEW);
    scene.write(2, &handle, 0, b"abc");
    scene.says(&ask(FSTAT, 3, &[&text(&handle)]));
    let told = scene.got.pop().unwrap();
    assert_eq!((told[4], &told[9..13], &told[13..21]), (ATTRS, &n(1)[..], &q(3)[..]));
    scene.says(&ask(READ, 4, &[&text(&handle), &q(0), &n(3)]));
    scene.says(&ask(EXTENDED, 5, &[&text(b"fsync@openssh.com"), &text(&handle)]));
    assert_eq!((scene.code(4), scene.code(5)), (FAILURE, UNSUPPORTED));
    scene.close(6, &handle);
    assert_eq!(scene.write(7, &handle, 3, b"more"), FAILURE, "after its close");
    scene.says(&ask(CLOSE, 8, &[&text(&handle)]));
    assert_eq!((scene.code(8), scene.held.len()), (FAILURE, 1), "closed once");
    scene.decide(true);
    assert_eq!((scene.code(6), scene.server.files[&b"/f".to_vec()].as_slice()), (0, &b"abc"[..]));
    for guess in [[HANDLES, &n(77)].concat(), HANDLES.to_vec()] {
        assert_eq!(scene.write(9, &guess, 0, b"x"), FAILURE);
    }
}

#[test]
fn files_and_bytes_of_a_session_are_bounded_and_given_back() {
    let room = Arc::new(Room::default());
    let mut scene = Scene::in_room(Arc::clone(&room));
    let handles: Vec<_> = (0..limits::STAGED_FILES).map(|at| scene.open(at as u32, format!("/{at}").as_bytes(), NEW)).collect();
    scene.says(&ask(OPEN, 99, &[&text(b"/more"), &n(NEW), &n(0)]));
    assert_eq!((scene.code(99), scene.refused[0].why), (DENIED, Why::Staging(Staging::Files)));
    let mut other = Scene::in_room(Arc::clone(&room));
    other.says(&ask(OPEN, 1, &[&text(b"/other"), &n(NEW), &n(0)]));
    assert_eq!(other.code(1), DENIED, "channels share the room");
    scene.close(100, &handles[0]);
    scene.decide(false);
    assert_eq!(other.open(2, b"/other", NEW)[..HANDLES.len()], *HANDLES);
    drop((scene, other));
    assert_eq!(room.taken(), (0, 0));
    assert!(room.take(limits::STAGED_SESSION_BYTES) && !room.take(1));
    room.give(limits::STAGED_SESSION_BYTES);
    assert!(room.take(1));
}

#[test]
fn the_targets_own_refusal_is_what_the_close_says() {
    for opens in [true, false] {
        let mut scene = Scene::new();
        (scene.server.refuse_opens, scene.server.refuse_writes) = (opens, !opens);
        let handle = scene.open(1, b"/f", NEW);
        scene.write(2, &handle, 0, &content(100_000));
        scene.close(3, &handle);
        scene.decide(true);
        assert_eq!(scene.code(3), if opens { 2 } else { 4 });
        assert!(scene.server.handles.is_empty() && scene.spools.is_empty() && !scene.stage.is_busy());
        assert!(matches!(scene.done[0].outcome, Outcome::Failed(_)));
    }
}

#[test]
fn content_that_is_lost_does_not_pass() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/f", NEW);
    scene.write(2, &handle, 0, b"abc");
    let lost = scene.stage.lost(1).unwrap();
    assert_eq!(lost.refused[0].why, Why::Staging(Staging::Spool));
    assert_eq!(scene.write(3, &handle, 3, b"d"), FAILURE);
    scene.close(4, &handle);
    assert_eq!((scene.code(4), scene.held.len()), (DENIED, 0));
    // After the decision: the target gets no close of a whole file, and the worker hears of it.
    let handle = scene.open(5, b"/g", NEW);
    scene.write(6, &handle, 0, b"abc");
    scene.close(7, &handle);
    scene.spools.clear();
    scene.decide(true);
    assert_eq!(scene.code(7), FAILURE);
}

#[test]
fn a_session_that_ends_leaves_what_waited_as_not_passed() {
    let mut scene = Scene::new();
    let handle = scene.open(1, b"/f", NEW);
    scene.write(2, &handle, 0, b"abc");
    scene.close(3, &handle);
    let open = scene.open(4, b"/g", NEW);
    scene.write(5, &open, 0, b"ab");
    let acts = scene.stage.finish();
    assert!(acts.len() == 2 && acts.iter().all(|act| act.outcome == Outcome::Refused), "{acts:?}");
    assert_eq!(scene.server.heard, [INIT]);
}

#[test]
fn a_target_that_gives_out_our_handles_or_answers_what_nobody_asked_is_not_followed() {
    let mut scene = Scene::new();
    let passed = scene.stage.from_worker(Bytes::from(ask(OPEN, 1, &[&text(b"/f"), &n(1), &n(0)]))).unwrap();
    let id = u32::from_be_bytes(passed.on.concat()[5..9].try_into().unwrap());
    let forged = ask(HANDLE, id, &[&text(&[HANDLES, &n(1)].concat())]);
    assert_eq!(scene.stage.from_target(&forged).err(), Some(Breach::Answer));
    assert_eq!(scene.stage.from_target(&[]).err(), Some(Breach::Answer), "from then on always the same");
    let mut scene = Scene::new();
    assert_eq!(scene.stage.from_target(&status(77, 0, "")).err(), Some(Breach::RequestId));
    let mut scene = Scene::new();
    assert_eq!(scene.stage.from_target(&n(u32::MAX)).err(), Some(Breach::PacketLength));
}

proptest! {
    #[test]
    fn every_split_of_the_input_comes_to_the_same(cuts in proptest::collection::vec(1usize..70, 1..60), length in 0usize..3000, size in 1usize..400, seed in any::<u64>()) {
        let bytes = content(length);
        let mut parts: Vec<(usize, &[u8])> = bytes.chunks(size).enumerate().map(|(at, part)| (at * size, part)).collect();
        // Out of order, as clients that write in parallel do.
        parts.sort_by_key(|(at, _)| (*at as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        prop_assume!(parts.len() <= limits::REORDER_PARTS);
        let mut scene = Scene::new();
        let handle = scene.open(1, b"/f", NEW);
        let mut said: Vec<u8> = parts.iter().enumerate().flat_map(|(id, (at, part))| ask(WRITE, id as u32 + 10, &[&text(&handle), &q(*at as u64), &text(part)])).collect();
        said.extend(ask(17, 5, &[&text(b"/")]));
        said.extend(ask(CLOSE, 6, &[&text(&handle)]));
        let mut rest = said.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            scene.says(part);
        }
        prop_assert_eq!(&scene.spools[&1], &bytes);
        prop_assert!(scene.is_answered(5) && scene.server.files.is_empty());
        scene.decide(true);
        prop_assert_eq!(scene.code(6), 0);
        prop_assert_eq!(&scene.server.files[&b"/f".to_vec()], &bytes);
    }

    #[test]
    fn no_bytes_of_either_side_can_break_it(worker in proptest::collection::vec(any::<u8>(), 0..300), target in proptest::collection::vec(any::<u8>(), 0..300), flags in any::<u32>(), offset in any::<u64>()) {
        let mut scene = Scene::new();
        let _ = scene.stage.from_worker(Bytes::from(ask(OPEN, 1, &[&text(b"/f"), &n(flags), &n(0)])));
        let handle = [HANDLES, &n(1)].concat();
        let _ = scene.stage.from_worker(Bytes::from(ask(WRITE, 2, &[&text(&handle), &q(offset), &text(&worker)])));
        let _ = scene.stage.from_worker(Bytes::from(ask(FSETSTAT, 3, &[&text(&handle), &n(flags), &target])));
        let _ = scene.stage.from_worker(Bytes::from(worker));
        let _ = scene.stage.from_target(&target);
        let _ = scene.stage.decided(1, Ok(()));
        prop_assert!(scene.server.files.is_empty());
    }
}
