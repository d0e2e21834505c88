use super::*;
use crate::files::{Content, Direction, NoDigest, Op, Outcome, Rights};
use crate::limits;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

fn packet(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = [&[kind][..], &fields.concat()].concat();
    string(&body)
}

fn n(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn q(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// A guard that allows everything, seen through the acts that it reports.
struct Observer(Guard);

impl Observer {
    fn new() -> Self {
        Self(Guard::new(Rule { rights: Rights::ALL, ..Rule::default() }))
    }

    fn from_worker(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        self.0.from_worker(Bytes::copy_from_slice(bytes)).map(|passed| passed.done)
    }

    fn from_target(&mut self, bytes: &[u8]) -> Result<Vec<FileOp>, Breach> {
        self.0.from_target(Bytes::copy_from_slice(bytes)).map(|passed| passed.done)
    }

    fn finish(self) -> Vec<FileOp> {
        self.0.finish()
    }
}

fn ready() -> Observer {
    let mut observer = Observer::new();
    observer.from_worker(&packet(1, &[&n(3)])).unwrap();
    observer.from_target(&packet(2, &[&n(3)])).unwrap();
    observer
}

fn opened(flags: u32) -> Observer {
    let mut observer = ready();
    assert!(observer.from_worker(&packet(3, &[&n(1), &string(b"/tmp/f"), &n(flags), &n(0)])).unwrap().is_empty());
    assert!(observer.from_target(&packet(102, &[&n(1), &string(b"h")])).unwrap().is_empty());
    observer
}

fn close(observer: &mut Observer) -> Vec<FileOp> {
    observer.from_worker(&packet(4, &[&n(99), &string(b"h")])).unwrap();
    observer.from_target(&status(99, 0)).unwrap()
}

fn status(id: u32, code: u32) -> Vec<u8> {
    packet(101, &[&n(id), &n(code), &string(b""), &string(b"")])
}

fn sha(data: &[u8]) -> Content {
    Content::Sha256(Sha256::digest(data).into())
}

const UPLOAD: u32 = 2 | 8 | 16;

#[test]
fn an_upload_with_pipelined_writes_has_its_digest() {
    let mut observer = opened(UPLOAD);
    let mut bytes = Vec::new();
    for (id, part) in [b"abc", b"def", b"ghi"].iter().enumerate() {
        bytes.extend(packet(6, &[&n(10 + id as u32), &string(b"h"), &q(3 * id as u64), &string(*part)]));
    }
    // Byte by byte: the channel's pieces have nothing to do with packets.
    for byte in bytes {
        observer.from_worker(&[byte]).unwrap();
    }
    for id in [12, 10, 11] {
        observer.from_target(&status(id, 0)).unwrap();
    }
    let acts = close(&mut observer);
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].op, Op::Upload);
    assert_eq!(acts[0].direction, Some(Direction::Upload));
    assert_eq!((acts[0].bytes, acts[0].content, acts[0].outcome), (9, sha(b"abcdefghi"), Outcome::Done));
    assert_eq!(acts[0].path, b"/tmp/f");
    assert!(observer.finish().is_empty());
}

#[test]
fn a_download_with_answers_out_of_order_and_a_short_read_has_its_digest() {
    let mut observer = opened(1);
    let read = |id, offset| packet(5, &[&n(id), &string(b"h"), &q(offset), &n(4)]);
    for (id, offset) in [(10, 0), (11, 4), (12, 8)] {
        observer.from_worker(&read(id, offset)).unwrap();
    }
    let data = |id, part: &[u8]| packet(103, &[&n(id), &string(part)]);
    observer.from_target(&data(11, b"efgh")).unwrap();
    observer.from_target(&data(10, b"ab")).unwrap();
    observer.from_target(&status(12, 1)).unwrap();
    observer.from_worker(&read(13, 2)).unwrap();
    observer.from_target(&data(13, b"cd")).unwrap();
    let acts = close(&mut observer);
    assert_eq!((acts[0].op.clone(), acts[0].bytes, acts[0].content), (Op::Download, 8, sha(b"abcdefgh")));
}

#[test]
fn content_that_is_not_whole_or_was_refused_has_a_reason_instead() {
    let mut resumed = opened(2);
    resumed.from_worker(&packet(6, &[&n(10), &string(b"h"), &q(100), &string(b"x")])).unwrap();
    assert_eq!(close(&mut resumed)[0].content, Content::Unknown(NoDigest::NotWhole));

    let mut refused = opened(UPLOAD);
    refused.from_worker(&packet(6, &[&n(10), &string(b"h"), &q(0), &string(b"x")])).unwrap();
    refused.from_target(&status(10, 4)).unwrap();
    assert_eq!(close(&mut refused)[0].content, Content::Unknown(NoDigest::Failed));

    let mut resized = opened(UPLOAD);
    resized.from_worker(&packet(10, &[&n(10), &string(b"h"), &n(1), &q(5)])).unwrap();
    let acts = resized.from_target(&status(10, 0)).unwrap();
    assert_eq!((acts[0].op.clone(), acts[0].path.as_slice()), (Op::SetAttributes, &b"/tmp/f"[..]));
    assert_eq!(close(&mut resized)[0].content, Content::Unknown(NoDigest::ChangedOnTarget));
}

#[test]
fn a_file_that_is_cut_off_behind_its_new_content_is_whole() {
    // As OpenSSH's `scp` uploads: it opens without emptying and sets the size at the end.
    for (size, status_of_size, content) in [
        (3, 0, sha(b"abc")),
        (3, 4, Content::Unknown(NoDigest::NotWhole)),
        (2, 0, Content::Unknown(NoDigest::ChangedOnTarget)),
    ] {
        let mut observer = opened(2 | 8);
        observer.from_worker(&packet(6, &[&n(10), &string(b"h"), &q(0), &string(b"abc")])).unwrap();
        observer.from_target(&status(10, 0)).unwrap();
        observer.from_worker(&packet(10, &[&n(11), &string(b"h"), &n(1), &q(size)])).unwrap();
        let acts = observer.from_target(&status(11, status_of_size)).unwrap();
        // What fits and was done is part of the bringing; anything else is an act of its own.
        let part = size == 3 && status_of_size == 0;
        assert!(if part { acts.is_empty() } else { acts[0].op == Op::SetAttributes });
        assert_eq!(close(&mut observer)[0].content, content, "size {size}, status {status_of_size}");
    }
}

#[test]
fn acts_are_reported_with_the_targets_answer() {
    let mut observer = ready();
    let two = [string(b"/a"), string(b"/b")].concat();
    let cases: Vec<(u8, Vec<u8>, Op)> = vec![
        (13, string(b"/a"), Op::Remove),
        (14, string(b"/a"), Op::MakeFolder),
        (15, string(b"/a"), Op::RemoveFolder),
        (18, two.clone(), Op::Rename),
        (9, [string(b"/a"), n(8).to_vec(), q(0).to_vec()].concat(), Op::SetAttributes),
        (200, [string(b"posix-rename@openssh.com"), two.clone()].concat(), Op::Rename),
        (200, [string(b"hardlink@openssh.com"), two.clone()].concat(), Op::Hardlink),
        (200, [string(b"lsetstat@openssh.com"), string(b"/a"), n(0).to_vec()].concat(), Op::SetAttributes),
    ];
    for (id, (kind, fields, op)) in cases.into_iter().enumerate() {
        let id = id as u32;
        assert!(observer.from_worker(&packet(kind, &[&n(id), &fields])).unwrap().is_empty(), "nothing before the answer");
        let acts = observer.from_target(&status(id, if id.is_multiple_of(2) { 0 } else { 3 })).unwrap();
        assert_eq!(acts[0].op, op);
        assert_eq!(acts[0].outcome, if id.is_multiple_of(2) { Outcome::Done } else { Outcome::Failed(3) });
    }
    observer.from_worker(&packet(20, &[&n(50), &string(b"/says"), &string(b"/link")])).unwrap();
    let link = &observer.from_target(&status(50, 0)).unwrap()[0];
    assert_eq!((link.path.as_slice(), link.path2.as_deref()), (&b"/link"[..], Some(&b"/says"[..])));
}

#[test]
fn shift_jis_names_stay_as_they_are() {
    let mut observer = ready();
    let name = [0x95, 0xf1, 0x8d, 0x90, 0x5c, 0xff];
    observer.from_worker(&packet(13, &[&n(1), &string(&name)])).unwrap();
    assert_eq!(observer.from_target(&status(1, 0)).unwrap()[0].path, name);
}

#[test]
fn what_is_under_way_at_the_end_is_cut() {
    let mut observer = opened(UPLOAD);
    observer.from_worker(&packet(6, &[&n(10), &string(b"h"), &q(0), &string(b"half")])).unwrap();
    observer.from_worker(&packet(13, &[&n(11), &string(b"/gone")])).unwrap();
    let acts = observer.finish();
    assert_eq!(acts.len(), 2);
    assert!(acts.iter().all(|act| act.outcome == Outcome::Cut));
    assert_eq!(acts[0].bytes, 4);
}

#[test]
fn a_failed_open_is_reported() {
    let mut observer = ready();
    observer.from_worker(&packet(3, &[&n(1), &string(b"/etc/shadow"), &n(1), &n(0)])).unwrap();
    let acts = observer.from_target(&status(1, 3)).unwrap();
    assert_eq!((acts[0].op.clone(), acts[0].outcome, acts[0].bytes), (Op::Download, Outcome::Failed(3), 0));
}

#[test]
fn a_handle_name_used_again_is_another_handle() {
    let mut observer = opened(1);
    observer.from_worker(&packet(5, &[&n(10), &string(b"h"), &q(0), &n(4)])).unwrap();
    close(&mut observer);
    observer.from_worker(&packet(3, &[&n(2), &string(b"/tmp/other"), &n(1), &n(0)])).unwrap();
    observer.from_target(&packet(102, &[&n(2), &string(b"h")])).unwrap();
    observer.from_target(&packet(103, &[&n(10), &string(b"late")])).unwrap();
    let acts = close(&mut observer);
    assert_eq!((acts[0].path.as_slice(), acts[0].bytes), (&b"/tmp/other"[..], 0));
}

#[test]
fn breaches_close_and_stay() {
    let long = string(&vec![b'a'; limits::PATH_BYTES + 1]);
    for (bytes, breach) in [
        (n(0).to_vec(), Breach::PacketLength),
        (n(u32::MAX).to_vec(), Breach::PacketLength),
        (packet(99, &[&n(1)]), Breach::PacketType),
        (packet(1, &[&n(3)]), Breach::Order),
        (packet(3, &[&n(1), &n(400)]), Breach::Truncated),
        (packet(13, &[&n(1), &long]), Breach::TooMany),
    ] {
        let mut observer = ready();
        assert_eq!(observer.from_worker(&bytes), Err(breach), "{breach:?}");
        assert_eq!(observer.from_target(&status(1, 0)), Err(breach), "a broken channel stays broken");
    }
    assert_eq!(ready().from_target(&status(7, 0)), Err(Breach::RequestId));
    assert_eq!(Observer::new().from_worker(&packet(13, &[&n(1), &string(b"x")])), Err(Breach::Order));
    let mut version = Observer::new();
    version.from_worker(&packet(1, &[&n(6)])).unwrap();
    assert_eq!(version.from_target(&packet(2, &[&n(6)])), Err(Breach::Version));
    let mut twice = ready();
    twice.from_worker(&packet(17, &[&n(1), &string(b"x")])).unwrap();
    assert_eq!(twice.from_worker(&packet(17, &[&n(1), &string(b"x")])), Err(Breach::RequestId));
    let mut more = opened(1);
    more.from_worker(&packet(5, &[&n(10), &string(b"h"), &q(0), &n(2)])).unwrap();
    assert_eq!(more.from_target(&packet(103, &[&n(10), &string(b"abc")])), Err(Breach::Answer));
}

#[test]
fn an_act_finished_beside_a_breach_is_not_lost() {
    let mut observer = ready();
    observer.from_worker(&packet(13, &[&n(1), &string(b"/a")])).unwrap();
    let both = [status(1, 0), n(0).to_vec()].concat();
    assert!(observer.from_target(&both).is_err());
    assert_eq!(observer.finish()[0].outcome, Outcome::Done);
}

#[test]
fn requests_and_handles_are_bounded() {
    let mut observer = ready();
    let mut last = Ok(Vec::new());
    for id in 0..=limits::SFTP_REQUESTS as u32 {
        last = observer.from_worker(&packet(17, &[&n(id), &string(b"x")]));
    }
    assert_eq!(last, Err(Breach::TooMany));
    let mut observer = ready();
    let mut last = Ok(Vec::new());
    for id in 0..=limits::SFTP_HANDLES as u32 {
        observer.from_worker(&packet(11, &[&n(id), &string(b"x")])).unwrap();
        last = observer.from_target(&packet(102, &[&n(id), &string(&n(id))]));
    }
    assert_eq!(last, Err(Breach::TooMany));
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic(pieces in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..40)) {
        let mut observer = ready();
        for (worker, bytes) in pieces {
            let _ = if worker { observer.from_worker(&bytes) } else { observer.from_target(&bytes) };
        }
        let _ = observer.finish();
    }

    #[test]
    fn no_packets_make_a_panic(packets in proptest::collection::vec((any::<bool>(), prop_oneof![1u8..21, 100u8..106, 200u8..202], 0u32..4, proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(4), any::<u8>()], 0..40)), 0..60)) {
        let mut observer = ready();
        for (worker, kind, id, body) in packets {
            let bytes = packet(kind, &[&n(id), &string(&body), &body]);
            let _ = if worker { observer.from_worker(&bytes) } else { observer.from_target(&bytes) };
        }
        let _ = observer.finish();
    }
}
