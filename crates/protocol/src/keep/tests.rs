use super::*;
use crate::files::{Op, Rights, Rule};
use crate::ssh::command::{ScpDirection, ScpTransfer};
use crate::{scp, sftp};

const PUT: (Direction, &[u8]) = (Direction::Upload, b"/tmp/a");

fn kept_bytes(out: &[Keep]) -> Vec<u8> {
    out.iter().flat_map(|keep| if let Keep::Content { data, .. } = keep { data.to_vec() } else { Vec::new() }).collect()
}

#[test]
fn nothing_is_kept_that_the_policy_does_not_name() {
    assert!(Keeper::new((false, false), 10, 10).is_none());
    let keeper = Keeper::new((true, false), 10, 10).unwrap();
    let (mut kept, mut out) = (None, Vec::new());
    keeper.part(&mut kept, (Direction::Download, b"/tmp/a"), 0, &Bytes::from_static(b"abc"), &mut out);
    assert_eq!((kept, out.len()), (None, 0));
}

#[test]
fn the_beginning_is_kept_where_a_limit_is_met() {
    let keeper = Keeper::new((true, false), 5, 8).unwrap();
    let (mut first, mut second, mut out) = (None, None, Vec::new());
    for (offset, part) in [(0, &b"abc"[..]), (3, b"def"), (6, b"ghi")] {
        keeper.part(&mut first, PUT, offset, &Bytes::copy_from_slice(part), &mut out);
    }
    assert_eq!(first, Some(Kept { file: 1, bytes: 5, whole: false }));
    assert_eq!(kept_bytes(&out), b"abcde");
    out.clear();
    // What the session has left is three bytes, and then nothing.
    keeper.part(&mut second, PUT, 0, &Bytes::from_static(b"1234"), &mut out);
    assert_eq!((second, kept_bytes(&out)), (Some(Kept { file: 2, bytes: 3, whole: false }), b"123".to_vec()));
    let (mut third, mut out) = (None, Vec::new());
    keeper.part(&mut third, PUT, 0, &Bytes::from_static(b"x"), &mut out);
    assert_eq!(third, Some(Kept { file: 3, bytes: 0, whole: false }));
    assert_eq!(out, [Keep::File { file: 3, direction: Direction::Upload, path: b"/tmp/a".to_vec() }]);
}

#[test]
fn what_comes_from_the_target_takes_nothing_from_uploads_that_wait() {
    let keeper = Keeper::staging(true, 5, 8);
    let (mut get, mut put, mut out) = (None, None, Vec::new());
    keeper.part(&mut get, (Direction::Download, b"/tmp/b"), 0, &Bytes::from_static(b"12345678"), &mut out);
    assert_eq!(get, Some(Kept { file: 1, bytes: 5, whole: false }));
    keeper.part(&mut put, PUT, 0, &Bytes::from_static(b"123456789"), &mut out);
    assert_eq!(put, Some(Kept { file: 2, bytes: 9, whole: true }));
    let mut none = None;
    Keeper::staging(false, 5, 8).part(&mut none, (Direction::Download, b"/tmp/b"), 0, &Bytes::from_static(b"1"), &mut out);
    assert!(none.is_none());
}

#[test]
fn a_part_shares_the_memory_of_what_goes_on() {
    let keeper = Keeper::new((true, true), 100, 100).unwrap();
    let data = Bytes::from(vec![7; 64]);
    let (mut kept, mut out) = (None, Vec::new());
    keeper.part(&mut kept, PUT, 0, &data, &mut out);
    assert!(matches!(out.last(), Some(Keep::Content { data: part, .. }) if part.as_ptr() == data.as_ptr()));
}

fn rule(keeper: Option<Arc<Keeper>>) -> Rule {
    Rule { rights: Rights::ALL, keeper, ..Rule::default() }
}

/// Contents as the frames of a recording give them: laid over each other in their order.
fn files(keeps: &[Keep]) -> Vec<(u32, Direction, Vec<u8>, Vec<u8>)> {
    let mut files: Vec<(u32, Direction, Vec<u8>, Vec<u8>)> = Vec::new();
    for keep in keeps {
        match keep {
            Keep::File { file, direction, path } => files.push((*file, *direction, path.clone(), Vec::new())),
            Keep::Content { file, offset, data } => {
                let content = &mut files.iter_mut().find(|(number, ..)| number == file).unwrap().3;
                let from = *offset as usize;
                content.resize(content.len().max(from + data.len()), 0);
                content[from..from + data.len()].copy_from_slice(data);
            }
        }
    }
    files
}

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

fn packet(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    string(&[&[kind][..], &id.to_be_bytes(), &fields.concat()].concat())
}

/// A file that is read and written by SFTP, in pieces of `size` bytes, and what was kept of it.
fn by_sftp(keeper: Option<Arc<Keeper>>, size: usize) -> (Vec<Keep>, Vec<FileOp>) {
    let mut guard = sftp::Guard::new(rule(keeper));
    let (zero, both) = (0u32.to_be_bytes(), (1u32 | 2 | 8 | 16).to_be_bytes());
    let write = |id, offset: u64, part: &[u8]| packet(6, id, &[&string(b"h"), &offset.to_be_bytes(), &string(part)]);
    let read = |id, offset: u64| packet(5, id, &[&string(b"h"), &offset.to_be_bytes(), &4u32.to_be_bytes()]);
    let done = |id| packet(101, id, &[&zero, &string(b""), &string(b"")]);
    let init = |kind: u8| string(&[&[kind][..], &3u32.to_be_bytes()].concat());
    let talk = [
        (true, init(1)),
        (false, init(2)),
        (true, packet(3, 1, &[&string(b"/tmp/f"), &both, &zero])),
        (false, packet(102, 1, &[&string(b"h")])),
        // The end before the beginning, and two bytes once more.
        (true, [write(2, 4, b"5678"), write(3, 0, b"1234"), write(4, 2, b"xy")].concat()),
        (false, [done(2), done(3), done(4)].concat()),
        (true, [read(5, 0), read(6, 4)].concat()),
        (false, [packet(103, 6, &[&string(b"5678")]), packet(103, 5, &[&string(b"12xy")])].concat()),
        (true, packet(4, 7, &[&string(b"h")])),
        (false, done(7)),
    ];
    let (mut keeps, mut acts) = (Vec::new(), Vec::new());
    for (from_worker, bytes) in talk {
        for piece in bytes.chunks(size) {
            let piece = Bytes::copy_from_slice(piece);
            let passed = if from_worker { guard.from_worker(piece) } else { guard.from_target(piece) }.unwrap();
            keeps.extend(passed.keep);
            acts.extend(passed.done);
        }
    }
    (keeps, acts)
}

#[test]
fn sftp_keeps_both_ways_however_the_pieces_fall() {
    for size in [1, 7, 4096] {
        let (keeps, acts) = by_sftp(Keeper::new((true, true), 1000, 1000), size);
        let put = (1, Direction::Upload, b"/tmp/f".to_vec(), b"12xy5678".to_vec());
        let get = (2, Direction::Download, b"/tmp/f".to_vec(), b"12xy5678".to_vec());
        assert_eq!(files(&keeps), [put, get], "{size}");
        let kept: Vec<(Op, Option<Kept>)> = acts.into_iter().map(|act| (act.op, act.kept)).collect();
        let whole = |file, bytes| Some(Kept { file, bytes, whole: true });
        assert_eq!(kept, [(Op::Upload, whole(1, 10)), (Op::Download, whole(2, 8))]);
    }
}

#[test]
fn sftp_keeps_what_the_policy_names_and_nothing_else() {
    let (keeps, acts) = by_sftp(None, 4096);
    assert!(keeps.is_empty() && acts.iter().all(|act| act.kept.is_none()));
    let (keeps, acts) = by_sftp(Keeper::new((false, true), 6, 1000), 4096);
    assert_eq!(files(&keeps), [(1, Direction::Download, b"/tmp/f".to_vec(), b"12\0\x005678".to_vec())]);
    assert_eq!((acts[0].kept, acts[1].kept), (None, Some(Kept { file: 1, bytes: 6, whole: false })));
}

#[test]
fn scp_keeps_each_file_under_its_number() {
    let transfer = ScpTransfer { direction: ScpDirection::Upload, path: b"/tmp".to_vec() };
    let mut guard = scp::Guard::new(transfer, rule(Keeper::new((true, false), 4, 100)));
    let (mut keeps, mut acts) = (Vec::new(), Vec::new());
    let agreed = &b"\0"[..];
    // The second file's content comes before the sink agreed to it.
    for (from_worker, bytes) in
        [(false, agreed), (true, b"C0644 3 a\n"), (false, agreed), (true, b"one\0"), (false, agreed), (true, b"C0644 5 b\nthree\0"), (false, agreed), (false, agreed)]
    {
        let piece = Bytes::copy_from_slice(bytes);
        let passed = if from_worker { guard.from_worker(piece) } else { guard.from_target(piece) }.unwrap();
        keeps.extend(passed.keep);
        acts.extend(passed.done);
    }
    let up = Direction::Upload;
    assert_eq!(files(&keeps), [(1, up, b"a".to_vec(), b"one".to_vec()), (2, up, b"b".to_vec(), b"thre".to_vec())]);
    let kept: Vec<Option<Kept>> = acts.iter().map(|act| act.kept).collect();
    assert_eq!(kept, [Some(Kept { file: 1, bytes: 3, whole: true }), Some(Kept { file: 2, bytes: 4, whole: false })]);
}

#[test]
fn bytes_that_came_with_a_breach_do_not_count_as_kept() {
    let transfer = ScpTransfer { direction: ScpDirection::Upload, path: b"/tmp".to_vec() };
    let mut guard = scp::Guard::new(transfer, rule(Keeper::new((true, false), 100, 100)));
    guard.from_target(Bytes::from_static(b"\0")).unwrap();
    guard.from_worker(Bytes::from_static(b"C0644 3 a\n")).unwrap();
    guard.from_target(Bytes::from_static(b"\0")).unwrap();
    guard.from_worker(Bytes::from_static(b"onejunk")).unwrap();
    assert!(guard.from_worker(Bytes::from_static(b"\n")).is_err());
    let acts = guard.finish();
    assert_eq!(acts[0].kept, Some(Kept { file: 1, bytes: 3, whole: false }));
}
