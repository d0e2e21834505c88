//! The search: what was typed, seen, moved, noted and planned is found, at its moment, by those who may, and by nobody
//! who has only the disk.

use super::base::{Base, on_both, told};
use super::ward::{Ward, shell, until};
use sekisho_core::control::Control;
use sekisho_core::desk::{Admission, Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_store::{RecordHit, RecordKind, RecordQuery, RecordsFound, Store, ViewEvent};
use std::fs;
use std::path::{Path, PathBuf};

on_both! {
    what_was_typed_seen_moved_and_noted_is_found_at_its_moment,
    what_a_plan_says_is_found_as_it_stands,
    the_index_is_made_again_when_it_is_lost_damaged_or_behind,
}

fn output(admission: &Admission, text: &str) {
    admission.recording.append(1, Event::Output(&text.to_owned().into())).unwrap();
}

fn command(admission: &Admission, text: &str) {
    admission.recording.append(1, Event::Command(text)).unwrap();
}

async fn search(store: &Store, actor: &Actor, words: &str) -> RecordsFound {
    store.search_records(actor, &RecordQuery { words: words.into(), ..RecordQuery::default() }).await.unwrap()
}

async fn hits(store: &Store, actor: &Actor, words: &str) -> Vec<RecordHit> {
    search(store, actor, words).await.groups.into_iter().flat_map(|group| group.hits).collect()
}

fn shown(hit: &RecordHit) -> String {
    hit.snippet.iter().map(|piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text.clone() }).collect()
}

async fn replayed(ward: &Ward, session: &sekisho_core::ids::SessionId) -> Vec<ViewEvent> {
    let mut replay = ward.store.replay(&ward.operator, session).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = replay.next().await {
        events.push(event.unwrap());
    }
    events
}

/// A session in which something of each kind happened.
async fn worked(ward: &Ward) -> Admission {
    let admission = ward.entered().await;
    work(&admission);
    admission
}

fn work(admission: &Admission) {
    shell(admission);
    output(admission, "$ psql ehr\r\nehr=# drop table patients;\r\nDROP TABLE\r\n");
    command(admission, "drop table patients;");
    output(admission, "\x1b[31mエラー\x1b[0m: 電源ユニット2が停止しました\r\n");
    let file = FileSeen { at_ms: 0, op: "put".into(), path: "/opt/保守/patch-2026.tar.gz".into(), bytes: 42, sha256: Some("ab".repeat(32)), ok: true, kept: None };
    admission.recording.append(2, Event::Open { function: Function::Sftp, text: "", size: None }).unwrap();
    admission.recording.append(2, Event::File(&file)).unwrap();
    let marker = Control::Marker { by: "小野".into(), text: "ここで再起動の判断".into() };
    admission.recording.append(0, Event::Control(&marker)).unwrap();
}

async fn what_was_typed_seen_moved_and_noted_is_found_at_its_moment(base: Base) {
    let ward = Ward::over(base).await;
    let admission = worked(&ward).await;
    let session = admission.session.clone();
    let (store, operator) = (ward.store.clone(), ward.operator.clone());

    // While it runs, commands and names of files are found.
    let mut found = Vec::new();
    for _ in 0..200 {
        store.index_now().await.unwrap();
        found = hits(&store, &operator, "ＰＡＴＣＨ").await;
        if !found.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["/opt/保守/[patch]-2026.tar.gz"]);
    assert_eq!(hits(&store, &operator, "drop table").await.len(), 1);

    ward.left(admission, Cause::Closed).await;
    store.index_now().await.unwrap();
    let all = search(&store, &operator, "\"drop table\"").await;
    let [group] = &all.groups[..] else { panic!("{all:?}") };
    assert_eq!(group.session.as_ref().map(|row| &row.facts.session), Some(&session));
    let kinds: Vec<(RecordKind, String, Option<u32>)> = group.hits.iter().map(|hit| (hit.kind, shown(hit), hit.channel)).collect();
    assert!(kinds.contains(&(RecordKind::Command, "[drop table] patients;".into(), Some(1))), "{kinds:?}");
    assert!(kinds.iter().any(|(kind, text, _)| *kind == RecordKind::Output && text == "ehr=# [drop table] patients;"), "{kinds:?}");

    // The moment is that of the replay.
    let events = replayed(&ward, &session).await;
    let command = group.hits.iter().find(|hit| hit.kind == RecordKind::Command).unwrap();
    assert!(events.iter().any(|event| matches!(event, ViewEvent::Command { ch: 1, at_ms, text } if Some(*at_ms) == command.moment && text.contains("drop table"))));
    let [power] = &hits(&store, &operator, "電源").await[..] else { panic!("電源") };
    assert_eq!(shown(power), "エラー: [電源]ユニット2が停止しました");
    let at = |moment: Option<u64>| events.iter().filter(move |event| event.at_ms() == moment).cloned().collect::<Vec<_>>();
    assert!(at(power.moment).iter().any(|event| matches!(event, ViewEvent::Output { bytes, .. } if String::from_utf8_lossy(bytes).contains("電源ユニット2"))));
    let [file] = &hits(&store, &operator, "/opt/保守/").await[..] else { panic!("the file") };
    assert_eq!((file.kind, file.detail.as_str(), file.channel), (RecordKind::File, "put", Some(2)));
    assert!(at(file.moment).iter().any(|event| matches!(event, ViewEvent::File { file, .. } if file.path.ends_with("patch-2026.tar.gz"))));
    let [note] = &hits(&store, &operator, "再起動").await[..] else { panic!("the marker") };
    assert_eq!((note.kind, shown(note).as_str()), (RecordKind::Note, "小野: ここで[再起動]の判断"));

    // Filters.
    let query = |words: &str| RecordQuery { words: words.into(), ..RecordQuery::default() };
    let count = async |query: RecordQuery| store.search_records(&operator, &query).await.unwrap().total;
    assert_eq!(count(RecordQuery { kinds: vec![RecordKind::File], ..query("patch") }).await, 1);
    assert_eq!(count(RecordQuery { kinds: vec![RecordKind::Command], ..query("patch") }).await, 0);
    assert_eq!(count(RecordQuery { target: Some(ward.target.id.clone()), person: Some(ward.worker.id.clone()), ..query("patch") }).await, 1);
    assert_eq!(count(RecordQuery { session: Some(session.clone()), until: Some(sekisho_core::time::Timestamp(0)), ..query("patch") }).await, 0);

    // Each search is in the log, and those without the right learn nothing and are in it too.
    let searched = ward.facts("searched").await;
    assert!(searched.iter().any(|entry| entry.actor.login == "ono" && matches!(&entry.fact, Fact::Searched { query, hits: 1 } if query == "電源")));
    for nobody in [ward.worker_actor(), ward.clerk.clone()] {
        assert_eq!(told(store.search_records(&nobody, &query("patients")).await).err(), Some(Refusal::NotAllowed));
    }
    assert_eq!(ward.facts("searched").await.len(), searched.len());
    assert!(ward.facts("refused").await.iter().any(|entry| matches!(&entry.fact, Fact::Refused { detail, .. } if detail == "search")));
    for (words, refusal) in [
        ("\"\"", Refusal::bad_field("q")),
        (&"x".repeat(limits::SEARCH_CHARS + 1), Refusal::too_many("SEARCH_CHARS")),
        ("a b c d e f g h i j k l m", Refusal::too_many("SEARCH_WORDS")),
    ] {
        assert_eq!(told(store.search_records(&operator, &query(words)).await).err(), Some(refusal));
    }
}

async fn what_a_plan_says_is_found_as_it_stands(base: Base) {
    let ward = Ward::over(base).await;
    let mut content = ward.content();
    content.title = "患者マスタの移行".into();
    content.steps = "1. /var/lib/pgsql/data を退避する\n2. 切り替える".into();
    let worker = ward.worker_actor();
    let plan = ward.store.draw_plan(&worker, &ward.vendor.id, content.clone()).await.unwrap();
    ward.store.index_now().await.unwrap();
    let found = search(&ward.store, &ward.planner, "/var/lib/pgsql/data").await;
    let [group] = &found.groups[..] else { panic!("{found:?}") };
    assert_eq!((&group.plan, group.plan_number.as_str(), group.session.is_none(), group.hits[0].kind), (&plan.id, plan.number.as_str(), true, RecordKind::Plan));
    assert_eq!(hits(&ward.store, &ward.planner, &plan.number).await.len(), 1);
    content.title = "検査マスタの移行".into();
    let edit = PlanAct::Edit { content: Box::new(content) };
    ward.store.act_on_plan(&worker, &plan.id, edit, None).await.unwrap();
    ward.store.index_now().await.unwrap();
    assert_eq!(hits(&ward.store, &ward.planner, "患者マスタ").await.len(), 0);
    assert_eq!(hits(&ward.store, &ward.planner, "検査マスタ").await.len(), 1);
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_of(&path)) } else { files.push(path) }
    }
    files
}

async fn the_index_is_made_again_when_it_is_lost_damaged_or_behind(base: Base) {
    let mut ward = Ward::over(base).await;
    let admission = worked(&ward).await;
    ward.left(admission, Cause::Closed).await;
    ward.store.index_now().await.unwrap();
    let folder = ward.dir.join("search");
    let is_whole = async |ward: &Ward| {
        ward.store.index_now().await.unwrap();
        let found = search(&ward.store, &ward.operator, "patients").await;
        assert_eq!((found.behind, found.total), (0, 2), "{found:?}");
    };
    is_whole(&ward).await;

    // What lies on the disk tells nothing.
    let files = files_of(&folder);
    assert!(files.len() > 3);
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for word in ["patients", "drop", "patch-2026", "電源", "ehr-db01", "meta"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{} holds {word}", file.display());
        }
    }

    // Lost between two starts, as after a crash.
    ward.store.shut().await;
    fs::remove_dir_all(&folder).unwrap();
    ward.crash().await;
    is_whole(&ward).await;

    // Touched between two starts.
    ward.store.shut().await;
    for file in files_of(&folder) {
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    ward.crash().await;
    is_whole(&ward).await;

    // Its key is gone.
    ward.store.shut().await;
    fs::remove_file(ward.dir.join("keys/search.key")).unwrap();
    ward.crash().await;
    is_whole(&ward).await;

    // A crash while a session runs: what was taken of it is taken anew from its recording, and not twice.
    let principal = ward.principal().await;
    let admission = ward.try_enter(&principal).await.unwrap();
    let session = admission.session.clone();
    let header = fs::metadata(ward.recording(&session)).unwrap().len();
    work(&admission);
    for _ in 0..200 {
        ward.store.index_now().await.unwrap();
        if search(&ward.store, &ward.operator, "patients").await.total == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    ward.written(&session, header + 1).await;
    ward.crash().await;
    drop(admission);
    for _ in 0..200 {
        ward.store.index_now().await.unwrap();
        if search(&ward.store, &ward.operator, "patients").await.total == 4 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{:?}", search(&ward.store, &ward.operator, "patients").await);
}

#[tokio::test]
async fn a_flood_is_taken_in_part_and_says_so() {
    let ward = Ward::new().await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    shell(&admission);
    output(&admission, "before the flood\r\n");
    let piece = "\x1b[0m".repeat(8 * 1024);
    for _ in 0..=limits::SEARCH_OUTPUT_BYTES / piece.len() {
        output(&admission, &piece);
    }
    output(&admission, "behind the flood\r\n");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    command(&admission, "echo flood is over");
    ward.left(admission, Cause::Closed).await;
    ward.store.index_now().await.unwrap();
    let found = search(&ward.store, &ward.operator, "flood").await;
    let [group] = &found.groups[..] else { panic!("{found:?}") };
    assert_eq!((found.partial, group.partial, group.session.as_ref().map(|row| &row.facts.session)), (1, true, Some(&session)));
    assert_eq!(group.hits.iter().map(shown).collect::<Vec<_>>(), ["before the [flood]", "echo [flood] is over"]);
}

#[tokio::test]
async fn the_box_keeps_the_index_by_itself() {
    let ward = Ward::new().await;
    let jobs = tokio::spawn({
        let store = ward.store.clone();
        async move { store.run_jobs().await }
    });
    let admission = worked(&ward).await;
    ward.left(admission, Cause::Closed).await;
    let began = std::time::Instant::now();
    while search(&ward.store, &ward.operator, "patients").await.total < 2 {
        assert!(began.elapsed().as_secs() < 10, "within ten seconds");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let store = ward.store.clone();
    store.close().await.unwrap();
    until("the jobs end", || jobs.is_finished()).await;
}
