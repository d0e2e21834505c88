//! Every request under every right: what passes, and what the worker reads in its place.

use super::*;
use crate::files::{Direction, Outcome, Quota, Right, Rights, Why};
use proptest::prelude::*;

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

fn packet(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    string(&[&[kind][..], &id.to_be_bytes(), &fields.concat()].concat())
}

fn n(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn q(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn guard(rights: Rights, quota: std::sync::Arc<Quota>) -> Guard {
    let mut guard = Guard::new(Rule { rights, quota, words: |why| format!("SKS {why:?}"), ..Rule::default() });
    worker(&mut guard, &string(&[&[1][..], &n(3)].concat()));
    target(&mut guard, &string(&[&[2][..], &n(3)].concat()));
    guard
}

fn worker(guard: &mut Guard, bytes: &[u8]) -> Passed {
    guard.from_worker(Bytes::copy_from_slice(bytes)).unwrap()
}

fn target(guard: &mut Guard, bytes: &[u8]) -> Passed {
    guard.from_target(Bytes::copy_from_slice(bytes)).unwrap()
}

fn only(right: Option<Right>) -> Rights {
    Rights {
        download: right == Some(Right::Download),
        upload: right == Some(Right::Upload),
        delete: right == Some(Right::Delete),
        rename: right == Some(Right::Rename),
    }
}

/// Id and code of statuses.
fn statuses(pieces: &[Bytes]) -> Vec<(u32, u32)> {
    let bytes = pieces.concat();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (packet, after) = rest[4..].split_at(length);
        if packet[0] == 101 {
            found.push((u32::from_be_bytes(packet[1..5].try_into().unwrap()), u32::from_be_bytes(packet[5..9].try_into().unwrap())));
        }
        rest = after;
    }
    found
}

#[test]
fn each_request_passes_with_its_right_and_with_no_other() {
    let path = string(b"/a");
    let two = [path.clone(), string(b"/b")].concat();
    let extended = |name: &[u8], fields: &[u8]| [string(name), fields.to_vec()].concat();
    let open = |flags: u32| [path.clone(), n(flags).to_vec(), n(0).to_vec()].concat();
    let attributes = |flags: u32| [path.clone(), n(flags).to_vec(), vec![0; 16]].concat();
    let any = Some(None);
    let needs = |right| Some(Some(right));
    // `None` at the end: nobody may.
    let requests: Vec<(u8, Vec<u8>, Option<Option<Right>>, u32)> = vec![
        (3, open(1), needs(Right::Download), 3),
        (3, open(0), needs(Right::Download), 3),
        (3, open(2 | 8 | 16), needs(Right::Upload), 3),
        (3, open(2), needs(Right::Upload), 3),
        (3, open(2 | 4), needs(Right::Upload), 3),
        (3, open(2 | 8 | 32), needs(Right::Upload), 3),
        (7, path.clone(), any, 0),
        (8, string(b"h"), any, 0),
        (9, attributes(4), needs(Right::Upload), 3),
        (11, path.clone(), any, 0),
        (12, string(b"h"), any, 0),
        (13, path.clone(), needs(Right::Delete), 3),
        (14, attributes(0), needs(Right::Upload), 3),
        (15, path.clone(), needs(Right::Delete), 3),
        (16, path.clone(), any, 0),
        (17, path.clone(), any, 0),
        (18, two.clone(), needs(Right::Rename), 3),
        (19, path.clone(), any, 0),
        (20, two.clone(), needs(Right::Upload), 3),
        (200, extended(b"posix-rename@openssh.com", &two), needs(Right::Rename), 3),
        (200, extended(b"hardlink@openssh.com", &two), needs(Right::Rename), 3),
        (200, extended(b"lsetstat@openssh.com", &attributes(4)), needs(Right::Upload), 3),
        (200, extended(b"statvfs@openssh.com", &path), any, 0),
        (200, extended(b"fsync@openssh.com", &string(b"h")), any, 0),
        (200, extended(b"limits@openssh.com", b""), any, 0),
        (200, extended(b"expand-path@openssh.com", &path), any, 0),
        (200, extended(b"home-directory", &path), any, 0),
        (200, extended(b"users-groups-by-id@openssh.com", &two), any, 0),
        (200, extended(b"copy-file", &two), None, 8),
        (200, extended(b"check-file-name", &path), None, 8),
    ];
    for right in [None, Some(Right::Download), Some(Right::Upload), Some(Right::Delete), Some(Right::Rename)] {
        for (kind, fields, needs, code) in &requests {
            let mut guard = guard(only(right), std::sync::Arc::default());
            let bytes = packet(*kind, 7, &[fields]);
            let passed = worker(&mut guard, &bytes);
            let allowed = match needs {
                None => false,
                Some(None) => true,
                Some(needed) => *needed == right,
            };
            if allowed {
                assert_eq!((passed.on.concat(), passed.refused.len()), (bytes, 0), "{kind} under {right:?}");
                assert!(guard.due_to_worker().is_empty());
            } else {
                assert!(passed.on.is_empty() && passed.due, "{kind} under {right:?}");
                assert_eq!(passed.refused.len(), 1);
                assert_eq!(statuses(&guard.due_to_worker()), [(7, *code)], "{kind} under {right:?}");
            }
        }
    }
}

#[test]
fn an_open_for_both_ways_needs_both_rights_and_one_that_empties_a_file_is_no_reading() {
    let open = |rights, flags| worker(&mut guard(rights, std::sync::Arc::default()), &packet(3, 1, &[&string(b"/a"), &n(flags), &n(0)])).refused;
    let both = Rights { download: true, upload: true, ..Rights::default() };
    assert!(open(both, 3).is_empty());
    for right in [Right::Download, Right::Upload] {
        assert_eq!(open(only(Some(right)), 3).len(), 1);
        // Without the flag for writing OpenSSH's server opens for reading, and empties the file all the same.
        assert_eq!(open(only(Some(right)), 1 | 16).len(), 1);
        assert_eq!(open(only(Some(right)), 4).len(), 1);
    }
}

/// A guard with a file open by these flags under the handle `h`.
fn opened(flags: u32, quota: std::sync::Arc<Quota>) -> Guard {
    let mut guard = guard(Rights::ALL, quota);
    worker(&mut guard, &packet(3, 1, &[&string(b"/f"), &n(flags), &n(0)]));
    target(&mut guard, &packet(102, 1, &[&string(b"h")]));
    guard
}

fn write(id: u32, handle: &[u8], offset: u64, data: &[u8]) -> Vec<u8> {
    packet(6, id, &[&string(handle), &q(offset), &string(data)])
}

fn read(id: u32, handle: &[u8], offset: u64, length: u32) -> Vec<u8> {
    packet(5, id, &[&string(handle), &q(offset), &n(length)])
}

#[test]
fn a_handle_serves_the_way_it_was_opened_for() {
    let mut reading = opened(1, std::sync::Arc::default());
    let passed = worker(&mut reading, &write(9, b"h", 0, b"evil"));
    assert!(passed.on.is_empty() && passed.refused[0].why == Why::Handle && passed.refused[0].path == b"/f");
    assert!(worker(&mut reading, &write(10, b"h", 4, b"evil")).refused.is_empty(), "told once");
    assert_eq!(statuses(&reading.due_to_worker()), [(9, 4), (10, 4)]);
    let mut writing = opened(2 | 8, std::sync::Arc::default());
    assert!(worker(&mut writing, &read(9, b"h", 0, 10)).on.is_empty());
    for unknown in [write(11, b"other", 0, b"x"), read(12, b"other", 0, 1)] {
        assert!(worker(&mut writing, &unknown).on.is_empty());
    }
    assert_eq!(statuses(&writing.due_to_worker()), [(9, 4), (11, 4), (12, 4)]);
}

#[test]
fn what_is_asked_behind_a_close_is_no_use_of_the_handle_that_was_closed() {
    let mut guard = opened(2 | 8 | 16, std::sync::Arc::default());
    // OpenSSH's server gives a handle's name to the next file, and the client need not wait to know it.
    let asked = [
        write(2, b"h", 0, b"shown"),
        packet(4, 3, &[&string(b"h")]),
        packet(3, 4, &[&string(b"/other"), &n(2 | 8 | 16), &n(0)]),
        write(5, b"h", 0, b"hidden"),
        packet(10, 6, &[&string(b"h"), &n(1), &q(0)]),
        packet(4, 7, &[&string(b"h")]),
    ];
    let on = worker(&mut guard, &asked.concat()).on.concat();
    assert_eq!(on, asked[..3].concat());
    let done = |id| packet(101, id, &[&n(0), &string(b""), &string(b"")]);
    let answers = [done(2), done(3), packet(102, 4, &[&string(b"h")])].concat();
    let answered = target(&mut guard, &answers);
    let acts = answered.done;
    assert_eq!((acts.len(), acts[0].path.as_slice(), acts[0].bytes), (1, &b"/f"[..], 5));
    assert_eq!(statuses(&answered.on), [(2, 0), (3, 0), (5, 4), (6, 4), (7, 4)]);
    let again = write(8, b"h", 0, b"abc");
    assert_eq!(worker(&mut guard, &again).on.concat(), again);
    target(&mut guard, &done(8));
    worker(&mut guard, &packet(4, 9, &[&string(b"h")]));
    let acts = target(&mut guard, &done(9)).done;
    assert_eq!((acts[0].path.as_slice(), acts[0].bytes, acts[0].outcome), (&b"/other"[..], 3, Outcome::Done));
}

#[test]
fn attributes_of_an_open_file_need_the_right_too() {
    let mut guard = opened(1, std::sync::Arc::default());
    let set = packet(10, 2, &[&string(b"h"), &n(8), &q(0)]);
    assert_eq!(worker(&mut guard, &set).on.concat(), set);
    guard.rule.rights.upload = false;
    assert!(worker(&mut guard, &packet(10, 3, &[&string(b"h"), &n(8), &q(0)])).on.is_empty());
    let answered = target(&mut guard, &packet(101, 2, &[&n(0), &string(b""), &string(b"")]));
    assert_eq!(statuses(&answered.on), [(2, 0), (3, 3)]);
}

#[test]
fn an_answer_of_ours_waits_for_the_answers_before_it_and_never_stands_inside_a_packet() {
    let mut guard = opened(1, std::sync::Arc::default());
    worker(&mut guard, &read(2, b"h", 0, 4));
    worker(&mut guard, &packet(13, 3, &[&string(b"/x")]));
    let mut denied = guard;
    denied.rule.rights.delete = false;
    worker(&mut denied, &packet(13, 4, &[&string(b"/y")]));
    worker(&mut denied, &packet(17, 5, &[&string(b"/z")]));
    assert!(denied.due_to_worker().is_empty());
    let data = packet(103, 2, &[&string(b"abcd")]);
    let (head, tail) = data.split_at(15);
    let mut seen = target(&mut denied, head).on;
    assert!(denied.due_to_worker().is_empty());
    seen.extend(target(&mut denied, tail).on);
    let status = |id| packet(101, id, &[&n(0), &string(b""), &string(b"")]);
    seen.extend(target(&mut denied, &[status(3), status(5)].concat()).on);
    assert_eq!(statuses(&seen), [(3, 0), (4, 3), (5, 0)]);
    assert_eq!(denied.from_target(Bytes::from(status(4))).err(), Some(Breach::RequestId), "what was not passed on has no answer");
}

#[test]
fn content_stops_at_the_byte_where_the_limit_lies() {
    let mut up = opened(2 | 8 | 16, Quota::new((Some(6), None), (None, None)));
    assert_eq!(worker(&mut up, &write(2, b"h", 0, b"abcdef")).on.len(), 1);
    let over = worker(&mut up, &write(3, b"h", 6, b"g"));
    assert_eq!((over.on.len(), over.refused[0].why), (0, Why::Bytes(Direction::Upload)));
    assert!(worker(&mut up, &write(4, b"h", 7, b"h")).refused.is_empty(), "told once");
    target(&mut up, &packet(101, 2, &[&n(0), &string(b""), &string(b"")]));
    worker(&mut up, &packet(4, 9, &[&string(b"h")]));
    let acts = target(&mut up, &packet(101, 9, &[&n(0), &string(b""), &string(b"")])).done;
    assert_eq!((acts[0].bytes, acts[0].outcome), (6, Outcome::Failed(4)), "what was stopped is not done");

    let mut down = opened(1, Quota::new((None, None), (Some(6), None)));
    for id in [2, 3, 4] {
        worker(&mut down, &read(id, b"h", u64::from(id), 4));
    }
    let data = |id| packet(103, id, &[&string(b"abcd")]);
    assert_eq!(target(&mut down, &data(2)).on.concat(), data(2));
    let over = target(&mut down, &data(3));
    assert_eq!((statuses(&over.on), over.refused[0].why), (vec![(3, 4)], Why::Bytes(Direction::Download)));
    assert!(!over.on.concat().windows(4).any(|part| part == b"abcd"));
    assert_eq!(statuses(&target(&mut down, &data(4)).on), [(4, 4)]);
    assert!(worker(&mut down, &read(5, b"h", 0, 1)).on.is_empty());
}

#[test]
fn files_are_counted_when_they_open_and_given_back_when_they_do_not() {
    let quota = Quota::new((None, Some(1)), (None, Some(1)));
    let mut guard = guard(Rights::ALL, quota);
    let open = |id, flags| packet(3, id, &[&string(b"/f"), &n(flags), &n(0)]);
    worker(&mut guard, &open(1, 1));
    target(&mut guard, &packet(101, 1, &[&n(2), &string(b""), &string(b"")]));
    assert!(worker(&mut guard, &open(2, 1)).refused.is_empty());
    assert_eq!(worker(&mut guard, &open(3, 1)).refused[0].why, Why::Files(Direction::Download));
    assert!(worker(&mut guard, &open(4, 2)).refused.is_empty());
    assert_eq!(worker(&mut guard, &open(5, 2)).refused[0].why, Why::Files(Direction::Upload));
}

#[test]
fn what_a_copying_program_sets_is_part_of_the_bringing_and_a_special_bit_is_an_act() {
    let done = |guard: &mut Guard, id: u32| target(guard, &packet(101, id, &[&n(0), &string(b""), &string(b"")])).done;
    for (mode, acts) in [(0o100_644, 1), (0o104_755, 2)] {
        let mut guard = opened(2 | 8, std::sync::Arc::default());
        worker(&mut guard, &write(2, b"h", 0, b"abc"));
        done(&mut guard, 2);
        worker(&mut guard, &packet(10, 3, &[&string(b"h"), &n(1 | 8), &q(3), &q(0)]));
        assert!(done(&mut guard, 3).is_empty());
        worker(&mut guard, &packet(4, 4, &[&string(b"h")]));
        let mut seen = done(&mut guard, 4);
        worker(&mut guard, &packet(9, 5, &[&string(b"/f"), &n(4), &n(mode)]));
        seen.extend(done(&mut guard, 5));
        assert_eq!(seen.len(), acts);
        // Of another file, and of this one later, it is an act.
        worker(&mut guard, &packet(9, 6, &[&string(b"/g"), &n(8), &q(0)]));
        assert_eq!(done(&mut guard, 6).len(), 1);
        worker(&mut guard, &packet(9, 7, &[&string(b"/f"), &n(8), &q(0)]));
        assert_eq!(done(&mut guard, 7).len(), 1);
    }
}

#[test]
fn what_is_allowed_goes_on_in_the_memory_it_came_in() {
    let mut guard = opened(2 | 8, std::sync::Arc::default());
    let bytes = Bytes::from([write(2, b"h", 0, &[7; 1000]), write(3, b"h", 1000, &[8; 1000])].concat());
    let passed = guard.from_worker(bytes.clone()).unwrap();
    assert_eq!(passed.on.len(), 1);
    assert_eq!((passed.on[0].as_ptr(), passed.on[0].len()), (bytes.as_ptr(), bytes.len()));
}

/// What goes on to the target of bytes that arrive in pieces of these sizes.
fn in_pieces(guard: &mut Guard, sent: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut rest = sent;
    let mut on = Vec::new();
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (part, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        on.extend(worker(guard, part).on);
    }
    on.concat()
}

proptest! {
    #[test]
    fn allowed_bytes_go_on_unchanged_however_they_are_cut(cuts in proptest::collection::vec(1usize..60, 1..60), name in proptest::collection::vec(any::<u8>(), 1..40)) {
        let mut up = opened(2 | 8, std::sync::Arc::default());
        let sent = [
            packet(17, 20, &[&string(&name)]),
            write(21, b"h", 0, &[1; 90]),
            packet(13, 22, &[&string(&name)]),
            write(23, b"h", 90, &[2; 3]),
            write(24, b"h", 93, b""),
            packet(200, 25, &[&string(b"statvfs@openssh.com"), &string(&name)]),
        ].concat();
        prop_assert_eq!(in_pieces(&mut up, &sent, &cuts), sent);
    }

    #[test]
    fn refused_requests_leave_no_trace_between_allowed_ones(cuts in proptest::collection::vec(1usize..60, 1..60)) {
        let mut guard = guard(only(Some(Right::Upload)), std::sync::Arc::default());
        let (first, last) = (packet(17, 2, &[&string(b"/a")]), packet(17, 4, &[&string(b"/b")]));
        let sent = [first.clone(), packet(13, 3, &[&string(b"/secret")]), last.clone()].concat();
        prop_assert_eq!(in_pieces(&mut guard, &sent, &cuts), [first, last].concat());
    }
}
