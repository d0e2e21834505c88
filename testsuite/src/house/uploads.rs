//! 隔離: uploads wait for a person of the hospital, pass by the plan's list, and never by a crash.

use super::base::{Base, on_both};
use super::ward::Ward;
use sekisho_core::control::{Control, HowDecided};
use sekisho_core::desk::{Cause, Desk, HeldUpload, Spool};
use sekisho_core::facts::Fact;
use sekisho_core::ids::SessionId;
use sekisho_core::limits;
use sekisho_core::people::{Actor, Role};
use sekisho_core::plan::content::FileIn;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Quarantine;
use sekisho_evidence::Digest;
use sekisho_store::{Denied, TargetAsk};
use std::time::Duration;

on_both!(
    an_upload_waits_for_a_person_of_the_hospital,
    whoever_decides_finds_what_waits_and_sees_all_of_its_path,
    what_the_plan_lists_passes_by_itself,
    an_upload_that_nobody_decides_on_does_not_pass,
    an_upload_that_is_given_up_does_not_pass,
    an_upload_that_waits_when_the_box_dies_has_not_passed,
    what_waits_can_be_taken_out_by_those_who_may_and_it_is_written_down,
    the_stricter_of_policy_and_target_holds,
);

fn refused<T>(done: Result<T, Denied>) -> Refusal {
    match done {
        Err(Denied::Refusal(refusal)) => refusal,
        Err(Denied::Fault(fault)) => panic!("{fault}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// A staged content and how the gateway tells of it.
async fn staged(ward: &Ward, session: &SessionId, path: &str, content: &[u8]) -> (Box<dyn Spool>, HeldUpload) {
    let spool = ward.store.stage(session).await.unwrap();
    spool.append(content).unwrap();
    let held = HeldUpload { spool: spool.number(), path: path.into(), bytes: content.len() as u64, sha256: Digest::of(content).to_string(), listed: false, passes: false };
    (spool, held)
}

/// An upload that waits, with its number.
async fn waiting(ward: &Ward, session: &SessionId, path: &str, content: &[u8]) -> (tokio::task::JoinHandle<Result<(), Refusal>>, u32, Box<dyn Spool>) {
    let (spool, held) = staged(ward, session, path, content).await;
    let (store, of) = (ward.store.clone(), session.clone());
    let waiting = tokio::spawn(async move { store.upload(&of, held).await });
    for _ in 0..400 {
        let rows = ward.store.held_uploads(&ward.operator).await.unwrap();
        if let Some(row) = rows.iter().find(|row| row.held.path == path && row.session == *session) {
            return (waiting, row.held.hold, spool);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} does not wait");
}

/// How it was decided on files, in the order of the log: path, how, passed, by.
async fn decided(ward: &Ward) -> Vec<(String, HowDecided, bool, String)> {
    let entries = ward.facts("controlled").await;
    let of = |entry: sekisho_core::facts::Entry| match entry.fact {
        Fact::Controlled { control: Control::FileDecided { path, how, passed, by, .. }, .. } => Some((path, how, passed, by)),
        _ => None,
    };
    entries.into_iter().filter_map(of).collect()
}

async fn an_upload_waits_for_a_person_of_the_hospital(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let (wait, hold, _spool) = waiting(&ward, &session, "/opt/patch", b"content").await;
    assert_eq!(refused(store.decide_upload(&ward.worker_actor(), &session, hold, true, "").await), Refusal::NotAllowed);
    let auditor = Actor { roles: [Role::Auditor].into(), ..ward.operator.clone() };
    assert_eq!(refused(store.decide_upload(&auditor, &session, hold, true, "").await), Refusal::NotAllowed, "who audits does not decide");
    assert_eq!(refused(store.decide_command(&ward.operator, &session, hold, true).await), Refusal::NotFound, "a file is no command");
    assert_eq!(refused(store.held_uploads(&ward.worker_actor()).await), Refusal::NotAllowed);
    let seen = store.uploads_of(&ward.worker_actor(), &session).await.unwrap();
    assert!(matches!(&seen[..], [one] if one.path == "/opt/patch" && one.bytes == 7 && one.decided.is_none()));
    assert!(!wait.is_finished());
    store.decide_upload(&ward.operator, &session, hold, true, "").await.unwrap();
    assert_eq!(wait.await.unwrap(), Ok(()));
    assert_eq!(refused(store.decide_upload(&ward.operator, &session, hold, false, "").await), Refusal::NotFound, "it is decided once");

    let (wait, hold, _spool) = waiting(&ward, &session, "/opt/evil", b"evil").await;
    store.decide_upload(&ward.clerk, &session, hold, false, " ウイルスの疑い ").await.unwrap();
    assert_eq!(wait.await.unwrap(), Err(Refusal::UploadRefused { reason: "ウイルスの疑い".into() }));
    assert!(store.held_uploads(&ward.operator).await.unwrap().is_empty());
    let (of, by) = (|path: &str| path.to_owned(), |actor: &Actor| actor.name.clone());
    assert_eq!(decided(&ward).await, [(of("/opt/patch"), HowDecided::Person, true, by(&ward.operator)), (of("/opt/evil"), HowDecided::Person, false, by(&ward.clerk))]);
    let rows = store.uploads_of(&ward.operator, &session).await.unwrap();
    let last = rows[1].decided.as_ref().unwrap();
    assert_eq!((last.passed, last.how.as_str(), last.by.as_str(), last.reason.as_str()), (false, "person", by(&ward.clerk).as_str(), "ウイルスの疑い"));

    // A decision to pass that cannot be written down is none, and can be made again; nothing passes meanwhile.
    let (wait, hold, _spool) = waiting(&ward, &session, "/opt/later", b"x").await;
    store.faults().fail_from_nth_write(0);
    assert!(matches!(store.decide_upload(&ward.operator, &session, hold, true, "").await, Err(Denied::Fault(_))));
    store.faults().clear();
    assert!(!wait.is_finished());
    store.decide_upload(&ward.operator, &session, hold, true, "").await.unwrap();
    assert_eq!(wait.await.unwrap(), Ok(()));
    store.leave(&session, admission.recording, Cause::Closed).await;
    assert_eq!(refused(store.decide_upload(&ward.operator, &session, hold, true, "").await), Refusal::NotFound);
}

async fn whoever_decides_finds_what_waits_and_sees_all_of_its_path(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    // What passes by itself is many files, and the one that matters comes behind them.
    for at in 0..201 {
        let (_spool, held) = staged(&ward, &session, &format!("/opt/{at}"), b"x").await;
        assert_eq!(store.upload(&session, HeldUpload { listed: true, passes: true, ..held }).await, Ok(()));
    }
    let deep = |chars: usize| format!("/opt/{}", "x".repeat(chars - 5));
    let whole = deep(limits::HELD_PATH_CHARS);
    let (_wait, hold, _spool) = waiting(&ward, &session, &whole, b"content").await;
    let list = store.uploads_of(&ward.operator, &session).await.unwrap();
    assert_eq!((list[0].hold, &list[0].path, list[1].hold), (hold, &whole, 1));
    let one = store.upload_of(&ward.operator, &session, hold).await.unwrap();
    assert!(one.path == whole && one.decided.is_none());
    for none in [0, hold + 1] {
        assert_eq!(refused(store.upload_of(&ward.operator, &session, none).await), Refusal::NotFound);
    }
    // Of a longer path nobody could see where it leads.
    let (_spool, held) = staged(&ward, &session, &deep(limits::HELD_PATH_CHARS + 1), b"content").await;
    assert_eq!(store.upload(&session, held).await, Err(Refusal::UploadTooMuch { limit: "HELD_PATH_CHARS".into() }));
    assert_eq!(store.held_uploads(&ward.operator).await.unwrap().len(), 1);
    drop(admission);
}

async fn what_the_plan_lists_passes_by_itself(base: Base) {
    let ward = Ward::over(base).await;
    let sha256 = Digest::of(b"listed").to_string();
    let mut content = ward.content();
    content.bring_in = vec![FileIn { name: "patch".into(), sha256: sha256.to_ascii_uppercase(), sanitised: String::new() }, FileIn { name: "other".into(), sha256: String::new(), sanitised: String::new() }];
    let ask = TargetAsk { quarantine: Quarantine::Unlisted, ..ask_of(&ward) };
    ward.store.change_target(&Actor::console(), &ward.target.id, ask).await.unwrap();
    ward.approved(content).await;
    let principal = ward.principal().await;
    let admission = ward.try_enter(&principal).await.unwrap();
    let screen = &admission.grant.screen;
    assert!(screen.passes(&sha256) && screen.lists(&sha256) && !screen.passes(&Digest::of(b"other").to_string()) && !screen.passes(""), "a name is no proof");
    assert!(admission.grant.keep.uploads, "what waited stands in the recording");
    let session = admission.session.clone();
    let (_spool, held) = staged(&ward, &session, "/opt/listed", b"listed").await;
    assert_eq!(ward.store.upload(&session, HeldUpload { listed: true, passes: true, ..held }).await, Ok(()));
    assert_eq!(decided(&ward).await, [("/opt/listed".to_owned(), HowDecided::Listed, true, "Sekisho".to_owned())]);
    assert!(ward.store.held_uploads(&ward.operator).await.unwrap().is_empty());
    // Without the log nothing passes, listed or not.
    let (_spool, held) = staged(&ward, &session, "/opt/again", b"listed").await;
    ward.store.faults().fail_from_nth_write(0);
    assert_eq!(ward.store.upload(&session, HeldUpload { listed: true, passes: true, ..held }).await, Err(Refusal::LogUnavailable));
    ward.store.faults().clear();
    drop(admission);
}

fn ask_of(ward: &Ward) -> TargetAsk {
    let target = ward.target.clone();
    TargetAsk {
        name: target.name, title: target.title, protocol: target.protocol, host: target.host, port: target.port, owner: target.owner, vendor: target.vendor,
        host_keys: target.host_keys, personal_data: target.personal_data, class: target.class, witness: target.witness, quarantine: target.quarantine, active: true,
    }
}

async fn an_upload_that_nobody_decides_on_does_not_pass(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let (wait, hold, _spool) = waiting(&ward, &session, "/opt/patch", b"content").await;
    ward.clock.pass(Duration::from_secs(limits::HOLD_FILE_SECONDS as u64 + 1));
    assert_eq!(wait.await.unwrap(), Err(Refusal::UploadUndecided));
    assert_eq!(refused(ward.store.decide_upload(&ward.operator, &session, hold, true, "").await), Refusal::NotFound);
    assert_eq!(decided(&ward).await, [("/opt/patch".to_owned(), HowDecided::Late, false, "Sekisho".to_owned())]);
    drop(admission);
}

async fn an_upload_that_is_given_up_does_not_pass(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let mut all = Vec::new();
    for at in 0..limits::HELD_UPLOADS {
        all.push(waiting(&ward, &session, &format!("/opt/{at}"), b"content").await);
    }
    let (_spool, held) = staged(&ward, &session, "/opt/more", b"x").await;
    assert_eq!(ward.store.upload(&session, held).await, Err(Refusal::UploadTooMuch { limit: "HELD_UPLOADS".into() }));
    for (wait, _, spool) in all {
        wait.abort();
        let _ = wait.await;
        drop(spool);
    }
    assert!(ward.store.held_uploads(&ward.operator).await.unwrap().is_empty());
    for _ in 0..400 {
        if decided(&ward).await.len() == limits::HELD_UPLOADS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rows = ward.store.uploads_of(&ward.operator, &session).await.unwrap();
    assert!(rows.iter().all(|row| row.decided.as_ref().is_some_and(|decided| !decided.passed && decided.how == "given_up")));
    assert_eq!(std::fs::read_dir(ward.dir.join("staged")).unwrap().count(), 0);
    drop(admission);
}

async fn an_upload_that_waits_when_the_box_dies_has_not_passed(base: Base) {
    let mut ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let (wait, ..) = waiting(&ward, &session, "/opt/patch", b"content").await;
    std::fs::write(ward.dir.join("staged/7"), b"left").unwrap();
    ward.crash().await;
    wait.abort();
    assert_eq!(decided(&ward).await, [("/opt/patch".to_owned(), HowDecided::Vanished, false, "Sekisho".to_owned())]);
    let rows = ward.store.uploads_of(&ward.operator, &session).await.unwrap();
    assert_eq!(rows[0].decided.as_ref().map(|decided| (decided.passed, decided.how.as_str())), Some((false, "vanished")));
    assert_eq!(std::fs::read_dir(ward.dir.join("staged")).unwrap().count(), 0, "the start clears what was staged");
    drop(admission);
}

async fn what_waits_can_be_taken_out_by_those_who_may_and_it_is_written_down(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    let (wait, hold, _spool) = waiting(&ward, &session, "/opt/patch", &content).await;
    let supervisor = Actor { roles: [Role::Supervisor].into(), ..ward.operator.clone() };
    for other in [&supervisor, &ward.worker_actor(), &ward.clerk] {
        assert_eq!(refused(store.take_held(other, &session, hold).await), Refusal::NotAllowed);
    }
    assert_eq!(refused(store.take_held(&ward.operator, &session, hold + 1).await), Refusal::NotFound);
    assert!(ward.facts("held_file_taken").await.is_empty());
    let mut taken = store.take_held(&ward.operator, &session, hold).await.unwrap();
    let facts = ward.facts("held_file_taken").await;
    assert!(matches!(&facts[..], [entry] if entry.actor.login == ward.operator.login && matches!(&entry.fact, Fact::HeldFileTaken { path, bytes: 1_200_000, .. } if path == "/opt/patch")));
    let mut got = Vec::new();
    while let Some(piece) = taken.next().await {
        got.extend(piece.unwrap());
    }
    assert!(got == content);
    store.decide_upload(&ward.operator, &session, hold, false, "").await.unwrap();
    assert_eq!(wait.await.unwrap(), Err(Refusal::UploadRefused { reason: String::new() }));
    assert_eq!(refused(store.take_held(&ward.operator, &session, hold).await), Refusal::NotFound);
    drop(admission);
}

async fn the_stricter_of_policy_and_target_holds(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    for quarantine in Quarantine::ALL {
        ward.store.change_target(&Actor::console(), &ward.target.id, TargetAsk { quarantine, ..ask_of(&ward) }).await.unwrap();
        let principal = ward.principal().await;
        let admission = ward.try_enter(&principal).await.unwrap();
        assert_eq!(admission.grant.screen.quarantine, quarantine);
        ward.left(admission, Cause::Closed).await;
    }
    let mut settings = ward.settings.clone();
    settings.policy.quarantine_uploads = Quarantine::Unlisted;
    let mut strict = ward;
    strict.settings = settings;
    let strict = strict.restarted().await;
    for (target, held) in [(Quarantine::Never, Quarantine::Unlisted), (Quarantine::Always, Quarantine::Always)] {
        strict.store.change_target(&Actor::console(), &strict.target.id, TargetAsk { quarantine: target, ..ask_of(&strict) }).await.unwrap();
        let principal = strict.principal().await;
        let admission = strict.try_enter(&principal).await.unwrap();
        assert_eq!(admission.grant.screen.quarantine, held);
        strict.left(admission, Cause::Closed).await;
    }
}
