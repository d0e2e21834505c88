//! Contents of files in recordings: what was recorded is what is taken out, by those who may, and written down first.

use super::base::{Base, on_both};
use super::ward::{Ward, shell};
use sekisho_core::desk::{Admission, Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role};
use sekisho_core::permission::Action;
use sekisho_core::reconcile::{FileSeen, Kept};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_evidence::Digest;
use sekisho_store::{RecordQuery, Store};

on_both! {
    a_kept_file_is_taken_out_as_it_stood_and_who_took_it_is_written_down_first,
    what_is_not_the_file_is_not_handed_out,
}

/// Records a file of these parts; the entry names the digest, and whether all was kept.
fn recorded(admission: &Admission, file: u32, path: &str, parts: &[(u64, &[u8])], sha256: Option<String>, whole: bool) {
    let put = |event: Event<'_>| admission.recording.append(2, event).unwrap();
    put(Event::KeepFile { file, to_target: true, path: path.as_bytes() });
    for (offset, bytes) in parts {
        put(Event::Content { file, offset: *offset, bytes });
    }
    let bytes = parts.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let kept = Some(Kept { file, bytes, whole });
    put(Event::File(&FileSeen { at_ms: 0, op: "put".into(), path: path.into(), bytes, sha256, ok: true, kept }));
}

fn sha(content: &[u8]) -> Option<String> {
    Some(Digest::of(content).to_string())
}

async fn taken(store: &Store, actor: &Actor, session: &SessionId, file: u32) -> Result<Vec<u8>, Refusal> {
    let mut taken = store.take_file(actor, session, file).await.map_err(|denied| denied.refusal())?;
    let mut content = Vec::new();
    while let Some(piece) = taken.next().await {
        content.extend_from_slice(&piece.unwrap());
    }
    assert_eq!((taken.bytes, taken.sha256.clone()), (content.len() as u64, Digest::of(&content).to_string()));
    Ok(content)
}

async fn a_kept_file_is_taken_out_as_it_stood_and_who_took_it_is_written_down_first(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    shell(&admission);
    admission.recording.append(2, Event::Open { function: Function::Sftp, text: "", size: None }).unwrap();
    let large: Vec<u8> = (0..700_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let pieces: Vec<(u64, &[u8])> = large.chunks(100_000).enumerate().map(|(n, part)| (n as u64 * 100_000, part)).collect();
    recorded(&admission, 1, "/opt/保守/patch.bin", &pieces, sha(&large), true);
    // Parts that change places, parts that are written once more, a hole, and two files that go over at the same time.
    let mut swapped = pieces.clone();
    for pair in swapped.chunks_mut(2) {
        pair.reverse();
    }
    recorded(&admission, 2, "/tmp/swapped", &swapped, sha(&large), true);
    recorded(&admission, 3, "/tmp/again", &[(4, b"5678"), (0, b"1234"), (2, b"xy")], None, true);
    recorded(&admission, 4, "/tmp/hole", &[(0, b"ab"), (5, b"fg")], None, true);
    admission.recording.append(2, Event::Content { file: 9, offset: 0, bytes: b"another" }).unwrap();
    // The digest is that of the whole file, of which the beginning is kept.
    recorded(&admission, 5, "/tmp/part", &[(0, b"begin")], sha(b"beginning and end"), false);

    let session = admission.session.clone();
    let store = &ward.store;
    for _ in 0..100 {
        if store.session(&ward.operator, &session).await.unwrap().row.facts.files.len() == 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // While the work goes on, and after it.
    assert_eq!(taken(store, &ward.operator, &session, 1).await.as_deref(), Ok(&large[..]));
    ward.left(admission, Cause::Closed).await;
    for (file, content) in [(1, &large[..]), (2, &large[..]), (3, b"12xy5678"), (4, b"ab\0\0\0fg"), (5, b"begin")] {
        assert_eq!(taken(store, &ward.operator, &session, file).await.as_deref(), Ok(content), "file {file}");
    }
    let facts = ward.facts("file_taken").await;
    assert_eq!(facts.len(), 6);
    let last = facts.iter().find(|entry| matches!(&entry.fact, Fact::FileTaken { file: 5, .. })).unwrap();
    assert_eq!(last.actor.login, ward.operator.login);
    assert!(matches!(&last.fact, Fact::FileTaken { session: of, path, bytes: 5, whole: false, .. } if *of == session && path == "/tmp/part"));
    // The fact comes before the bytes: a reader who takes nothing has still taken it.
    drop(store.take_file(&ward.operator, &session, 3).await.unwrap());
    assert_eq!(ward.facts("file_taken").await.len(), 7);

    // By name: the search says that the content is there.
    store.index_now().await.unwrap();
    let found = store.search_records(&ward.operator, &RecordQuery { words: "patch.bin".into(), ..RecordQuery::default() }).await.unwrap();
    assert_eq!(found.groups[0].hits[0].kept, Some(Kept { file: 1, bytes: large.len() as u64, whole: true }));
}

async fn what_is_not_the_file_is_not_handed_out(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    admission.recording.append(2, Event::Open { function: Function::Sftp, text: "", size: None }).unwrap();
    recorded(&admission, 1, "/tmp/a", &[(0, b"what went over")], sha(b"something else"), true);
    let far = limits::KEPT_SCATTERED_BYTES as u64;
    recorded(&admission, 2, "/tmp/far", &[(far, b"x")], None, true);
    recorded(&admission, 3, "/tmp/sound", &[(0, b"sound")], sha(b"sound"), true);
    recorded(&admission, 4, "/tmp/empty", &[], None, false);
    let session = ward.left(admission, Cause::Closed).await;
    let store = &ward.store;
    assert_eq!(taken(store, &ward.operator, &session, 1).await, Err(Refusal::ContentDiffers));
    assert_eq!(taken(store, &ward.operator, &session, 2).await, Err(Refusal::ContentScattered));
    for nothing in [0, 4, 77] {
        assert_eq!(taken(store, &ward.operator, &session, nothing).await, Err(Refusal::NotFound));
    }
    assert!(ward.facts("file_taken").await.is_empty());

    // Who watches the work for the department does not take files out of it, and neither does who did the work.
    let supervisor = Actor { roles: [Role::Supervisor].into(), ..ward.operator.clone() };
    for refused in [&supervisor, &ward.worker_actor(), &ward.clerk] {
        assert_eq!(taken(store, refused, &session, 3).await, Err(Refusal::NotAllowed));
    }
    assert!(Action::TakeContent.needs_step_up());
    let console = Actor::console();
    assert_eq!(taken(store, &console, &session, 3).await.as_deref(), Ok(&b"sound"[..]));
    // More readers than there are places wait for nobody.
    let mut open = Vec::new();
    for _ in 0..limits::KEPT_TAKEN_AT_ONCE {
        open.push(store.take_file(&ward.operator, &session, 3).await.unwrap());
    }
    assert!(matches!(taken(store, &ward.planner, &session, 3).await, Err(Refusal::TooMany { .. })));
    drop(open);
    assert!(taken(store, &ward.planner, &session, 3).await.is_ok());
}
