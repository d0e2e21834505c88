use super::*;
use crate::files::{Quota, Rights};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A guard that allows everything, seen through the acts that it reports.
struct Observer(Guard);

impl Observer {
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

fn guard(direction: ScpDirection, path: &str) -> Observer {
    let rule = Rule { rights: Rights::ALL, ..Rule::default() };
    Observer(Guard::new(ScpTransfer { direction, path: path.into() }, rule))
}

fn upload() -> Observer {
    let mut observer = guard(ScpDirection::Upload, "/tmp");
    observer.from_target(b"\0").unwrap();
    observer
}

fn sha(data: &[u8]) -> Content {
    Content::Sha256(Sha256::digest(data).into())
}

#[test]
fn an_upload_is_seen_with_its_digest_when_the_sink_confirms() {
    let mut observer = upload();
    assert!(observer.from_worker(b"T1 0 2 0\n").unwrap().is_empty());
    observer.from_target(b"\0").unwrap();
    observer.from_worker(b"C0644 5 a b.txt\n").unwrap();
    observer.from_target(b"\0").unwrap();
    assert!(observer.from_worker(b"hel").unwrap().is_empty());
    assert!(observer.from_worker(b"lo\0").unwrap().is_empty());
    let acts = observer.from_target(b"\0").unwrap();
    assert_eq!(acts.len(), 1);
    assert_eq!((acts[0].path.as_slice(), acts[0].path2.as_deref()), (&b"a b.txt"[..], Some(&b"/tmp"[..])));
    assert_eq!((acts[0].bytes, acts[0].content, acts[0].outcome), (5, sha(b"hello"), Outcome::Done));
    assert!(observer.finish().is_empty());
}

#[test]
fn folders_and_empty_files_of_a_download_are_seen() {
    let mut observer = guard(ScpDirection::Download, "logs");
    observer.from_worker(b"\0").unwrap();
    observer.from_target(b"D0755 0 logs\n").unwrap();
    assert_eq!(observer.from_worker(b"\0").unwrap()[0].op, Op::List);
    observer.from_target(b"C0600 0 empty\n").unwrap();
    observer.from_worker(b"\0").unwrap();
    observer.from_target(b"\0").unwrap();
    let acts = observer.from_worker(b"\0").unwrap();
    assert_eq!((acts[0].path.as_slice(), acts[0].content), (&b"logs/empty"[..], sha(b"")));
    observer.from_target(b"E\n").unwrap();
    observer.from_worker(b"\0").unwrap();
    assert!(observer.finish().is_empty());
}

#[test]
fn a_refused_file_is_followed_by_the_next_line_and_not_by_its_content() {
    let mut observer = upload();
    observer.from_worker(b"C0644 5 x\n").unwrap();
    let acts = observer.from_target(b"\x01scp: x: Permission denied\n").unwrap();
    assert_eq!(acts[0].outcome, Outcome::Failed(FAILURE));
    observer.from_worker(b"C0644 2 y\n").unwrap();
    observer.from_target(b"\0").unwrap();
    observer.from_worker(b"ab\0").unwrap();
    assert_eq!(observer.from_target(b"\0").unwrap()[0].content, sha(b"ab"));
}

#[test]
fn a_source_that_does_not_wait_is_followed_up_to_a_limit() {
    let mut observer = upload();
    observer.from_worker(b"C0644 2 y\nab\0C0644 1 z\nc\0").unwrap();
    observer.from_target(b"\0").unwrap();
    assert_eq!(observer.from_target(b"\0").unwrap()[0].content, sha(b"ab"));
    let acts = observer.from_target(b"\0\0").unwrap();
    assert_eq!(acts[0].content, sha(b"c"));
    let mut far = upload();
    far.from_worker(b"C0644 9999999 y\n").unwrap();
    assert_eq!(far.from_worker(&vec![0; limits::SCP_EAGER_BYTES + 1]), Err(Breach::Eager));
}

#[test]
fn a_sink_that_answers_before_the_sources_word_as_putty_does_is_followed() {
    let mut observer = guard(ScpDirection::Download, "logs");
    observer.from_worker(b"\0").unwrap();
    for name in ["one", "two"] {
        observer.from_target(format!("C0644 3 {name}\n").as_bytes()).unwrap();
        observer.from_worker(b"\0").unwrap();
        observer.from_target(b"abc").unwrap();
        assert!(observer.from_worker(b"\0").unwrap().is_empty());
        let acts = observer.from_target(b"\0").unwrap();
        assert_eq!((acts[0].path.as_slice(), acts[0].content, acts[0].outcome), (name.as_bytes(), sha(b"abc"), Outcome::Done));
    }
    assert!(observer.finish().is_empty());
}

#[test]
fn what_is_under_way_at_the_end_is_cut() {
    let mut observer = upload();
    observer.from_worker(b"C0644 5 x\n").unwrap();
    observer.from_target(b"\0").unwrap();
    observer.from_worker(b"he").unwrap();
    let acts = observer.finish();
    assert_eq!((acts[0].bytes, acts[0].outcome), (2, Outcome::Cut));
    assert_eq!(acts[0].content, Content::Unknown(NoDigest::NotWhole));
}

#[test]
fn lines_and_names_that_are_none_are_breaches() {
    for (line, breach) in [
        (&b"X\n"[..], Breach::Line),
        (b"C644 1 x\n", Breach::Line),
        (b"C0644 -1 x\n", Breach::Line),
        (b"C0644 99999999999999999999 x\n", Breach::Line),
        (b"C0644 1 ../x\n", Breach::Name),
        (b"C0644 1 ..\n", Breach::Name),
        (b"D0755 0 .\n", Breach::Name),
        (b"C0644 1 \n", Breach::Name),
        (b"E\n", Breach::Line),
        (b"\n", Breach::Line),
    ] {
        let mut observer = upload();
        assert_eq!(observer.from_worker(line), Err(breach), "{:?}", String::from_utf8_lossy(line));
        assert_eq!(observer.from_target(b"\0"), Err(breach), "a broken channel stays broken");
    }
    assert_eq!(upload().from_worker(&vec![b'C'; limits::SCP_LINE_BYTES + 1]), Err(Breach::TooLong));
    assert_eq!(upload().from_target(b"x"), Err(Breach::Line));
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic(download in any::<bool>(), pieces in proptest::collection::vec((any::<bool>(), "[CDET\\x00\\x01\\x02 0-7a\\n]{0,40}"), 0..40)) {
        let direction = if download { ScpDirection::Download } else { ScpDirection::Upload };
        let mut observer = guard(direction, "x");
        for (worker, text) in pieces {
            let _ = if worker { observer.from_worker(text.as_bytes()) } else { observer.from_target(text.as_bytes()) };
        }
        let _ = observer.finish();
    }
}

fn held(direction: ScpDirection, rights: Rights, quota: std::sync::Arc<Quota>) -> Guard {
    let mut guard = Guard::new(ScpTransfer { direction, path: b"/tmp".to_vec() }, Rule { rights, quota, words: |_| "SKS-0".into(), ..Rule::default() });
    // The sink says that it is ready.
    let _ = match direction {
        ScpDirection::Upload => guard.from_target(Bytes::from_static(b"\0")),
        ScpDirection::Download => guard.from_worker(Bytes::from_static(b"\0")),
    };
    guard
}

#[test]
fn without_the_right_no_line_of_a_file_goes_on_and_the_source_reads_why() {
    let up = Rights { upload: true, ..Rights::default() };
    let down = Rights { download: true, ..Rights::default() };
    for (direction, wrong, right) in [(ScpDirection::Upload, down, up), (ScpDirection::Download, up, down)] {
        for line in [&b"C0644 5 x\n"[..], b"D0755 0 d\n"] {
            let mut guard = held(direction, wrong, Arc::default());
            let (passed, reply) = match direction {
                ScpDirection::Upload => (guard.from_worker(Bytes::copy_from_slice(line)).unwrap(), guard.due_to_worker()),
                ScpDirection::Download => (guard.from_target(Bytes::copy_from_slice(line)).unwrap(), guard.due_to_target()),
            };
            assert_eq!(reply, [Bytes::from_static(b"\x01SKS-0\n")]);
            assert_eq!(passed.refused.len(), 1);
            let told: &[&[u8]] = if direction == ScpDirection::Download { &[b"\x01SKS-0\n"] } else { &[] };
            assert_eq!(passed.on, told, "a worker that is the sink is told, and nothing else goes on");
            let mut guard = held(direction, right, Arc::default());
            let passed = match direction {
                ScpDirection::Upload => guard.from_worker(Bytes::copy_from_slice(line)).unwrap(),
                ScpDirection::Download => guard.from_target(Bytes::copy_from_slice(line)).unwrap(),
            };
            assert_eq!((passed.on, passed.refused.len()), (vec![Bytes::copy_from_slice(line)], 0));
        }
    }
}

#[test]
fn a_file_above_the_limit_is_refused_and_the_next_one_that_fits_goes_over() {
    let quota = Quota::new((Some(10), Some(2)), (None, None));
    let mut guard = held(ScpDirection::Upload, Rights::ALL, quota);
    let send = |guard: &mut Guard, bytes: &'static [u8]| guard.from_worker(Bytes::from_static(bytes)).unwrap();
    let refused = send(&mut guard, b"C0644 11 big\n");
    assert_eq!((refused.on.len(), refused.refused[0].why), (0, Why::Bytes(Direction::Upload)));
    assert_eq!(guard.due_to_worker().len(), 1);
    for name in [&b"C0644 5 one\n"[..], b"C0644 5 two\n"] {
        assert_eq!(guard.from_worker(Bytes::copy_from_slice(name)).unwrap().on.len(), 1);
        guard.from_target(Bytes::from_static(b"\0")).unwrap();
        send(&mut guard, b"12345\0");
        assert_eq!(guard.from_target(Bytes::from_static(b"\0")).unwrap().done[0].outcome, Outcome::Done);
    }
    assert_eq!(send(&mut guard, b"C0644 0 three\n").refused[0].why, Why::Files(Direction::Upload));
}

#[test]
fn content_goes_on_without_a_copy_and_what_comes_too_early_waits() {
    let mut guard = held(ScpDirection::Upload, Rights::ALL, Arc::default());
    let eager = Bytes::from_static(b"C0644 9 x\n12345");
    let passed = guard.from_worker(eager).unwrap();
    assert_eq!(passed.on, [Bytes::from_static(b"C0644 9 x\n")]);
    assert!(guard.due_to_target().is_empty());
    assert!(guard.from_target(Bytes::from_static(b"\0")).unwrap().due);
    assert_eq!(guard.due_to_target(), [Bytes::from_static(b"12345")]);
    let content = Bytes::from_static(b"6789");
    let passed = guard.from_worker(content.clone()).unwrap();
    assert_eq!(passed.on[0].as_ptr(), content.as_ptr());
}
