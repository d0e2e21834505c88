//! 二人での閲覧: recordings that nobody opens without the holder of a second key.

use super::base::{Base, HOST_KEY, on_both, target_ask};
use super::ward::{Ward, facts_of, shell, until};
use sekisho_core::auditor_key::AuditorKeyAsk;
use sekisho_core::desk::{Admission, Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::ids::{PersonId, SecondKeyId, SessionId, TargetId, ViewingRequestId};
use sekisho_core::people::{Actor, Role};
use sekisho_core::reconcile::{FileSeen, Kept};
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_core::two_person::{SecondKey, SecondKeyAsk, SecondKeyState, SecondKeyStep, ViewingAsk, ViewingNeed, ViewingRequest, ViewingState};
use sekisho_evidence::Digest;
use sekisho_evidence::recording::RecipientKind;
use sekisho_store::{Agreeing, Denied, NewAuditorKey, PersonChange, RecordQuery, Store, TargetAsk, agree_to_request, new_auditor_key, open_recording, read_agreeing};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// A host key of another machine than the ward's.
const OTHER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

on_both! {
    nobody_opens_such_a_recording_alone_by_any_road,
    a_holder_agrees_for_one_person_some_recordings_and_some_hours,
    what_is_no_agreement_to_this_request_changes_nothing,
    a_second_key_comes_and_goes_by_two_persons,
    a_key_for_a_machine_is_not_got_around_by_another_entry_of_it,
    after_a_crash_what_could_not_be_read_is_told,
    a_session_that_began_before_a_key_does_not_enter_after_it,
    a_clock_that_is_set_back_lengthens_no_agreement,
    an_agreement_is_good_for_one_request,
    what_was_agreed_to_ends_by_the_planner_and_with_an_account,
}

fn refused<T>(done: Result<T, Denied>) -> Option<Refusal> {
    match done {
        Err(Denied::Refusal(refusal)) => Some(refusal),
        Err(Denied::Fault(fault)) => panic!("{fault}"),
        Ok(_) => None,
    }
}

/// Somebody else, of this role.
fn another(actor: &Actor, role: Role, number: u8) -> Actor {
    Actor { person: Some(PersonId::from_random([number; 10])), login: "betsu".into(), name: "別 人".into(), roles: [role].into(), ..actor.clone() }
}

fn chief(ward: &Ward) -> Actor {
    another(&ward.planner, Role::SafetyManager, 91)
}

fn ask_of(holder: &Actor, key: &NewAuditorKey, targets: Vec<TargetId>) -> SecondKeyAsk {
    SecondKeyAsk { holder: holder.person.clone().unwrap(), key: key.public.clone(), targets, reason: "録画は二人で見ると決めた。".into() }
}

/// A second key in force, held by this person.
pub(super) async fn in_force(ward: &Ward, holder: &Actor) -> (SecondKey, NewAuditorKey) {
    let made = new_auditor_key("2026-11-21");
    let key = ward.store.ask_second_key(&ward.planner, ask_of(holder, &made, Vec::new())).await.unwrap();
    let proof = proof(ward, &key.id, &made).await;
    let key = ward.store.step_second_key(&chief(ward), &key.id, SecondKeyStep::Confirm, "本人に読み上げてもらった。", &proof).await.unwrap();
    (key, made)
}

async fn begun(ward: &Ward) -> Admission {
    let first = ward.facts("entered").await.is_empty();
    let admission = if first { ward.entered().await } else { ward.try_enter(&ward.principal().await).await.unwrap() };
    works(&admission);
    admission
}

fn works(admission: &Admission) {
    shell(admission);
    let put = |event: Event<'_>| admission.recording.append(2, event).unwrap();
    admission.recording.append(1, Event::Output(&"kanja ichiran\r\n".to_owned().into())).unwrap();
    admission.recording.append(1, Event::Command("systemctl restart ehr")).unwrap();
    put(Event::Open { function: Function::Sftp, text: "", size: None });
    put(Event::KeepFile { file: 1, to_target: true, path: b"/opt/patch.bin" });
    put(Event::Content { file: 1, offset: 0, bytes: b"content" });
    let (sha256, kept) = (Some(Digest::of(b"content").to_string()), Some(Kept { file: 1, bytes: 7, whole: true }));
    put(Event::File(&FileSeen { at_ms: 0, op: "put".into(), path: "/opt/patch.bin".into(), bytes: 7, sha256, ok: true, kept }));
}

async fn worked(ward: &Ward) -> SessionId {
    let admission = begun(ward).await;
    ward.left(admission, Cause::Closed).await
}

/// Opens a recording by every road there is; what each said, if it did not open.
async fn opened(store: &Store, actor: &Actor, session: &SessionId) -> Vec<Option<Refusal>> {
    let replay = async {
        let mut replay = store.replay(actor, session).await?;
        while let Some(event) = replay.next().await {
            event?;
        }
        Ok::<_, Denied>(())
    };
    let content = async {
        let mut taken = store.take_file(actor, session, 1).await?;
        while let Some(piece) = taken.next().await {
            piece?;
        }
        Ok::<_, Denied>(())
    };
    vec![
        refused(replay.await),
        refused(store.export_asciicast(actor, session, 1).await),
        refused(content.await),
        refused(store.flows(actor, session).await),
        refused(store.flow_part(actor, session, 1, true, 0).await).filter(|refusal| *refusal != Refusal::NotFound),
        refused(store.take_flow(actor, session, 1, true).await).filter(|refusal| *refusal != Refusal::NotFound),
    ]
}

fn shut() -> Vec<Option<Refusal>> {
    vec![Some(Refusal::TwoPersons); 6]
}

fn open() -> Vec<Option<Refusal>> {
    vec![None; 6]
}

pub(super) async fn asked(ward: &Ward, actor: &Actor, session: &SessionId) -> ViewingRequest {
    let ask = ViewingAsk { session: session.clone(), whole_plan: false, hours: 8, reason: "照合のため、操作を確かめる。".into() };
    ward.store.ask_viewing(actor, ask).await.unwrap()
}

/// The key of a holder as a file on a machine of their own.
fn file_of(key: &NewAuditorKey) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.key");
    fs::write(&path, key.file.as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, path)
}

/// What the holder does on a machine of their own with the text of a request.
pub(super) async fn agreement(ward: &Ward, actor: &Actor, id: &ViewingRequestId, key: &NewAuditorKey) -> String {
    answer(ward, &ward.store.viewing_text(actor, id).await.unwrap(), key)
}

/// The same with the text of a key that waits to be confirmed.
async fn proof(ward: &Ward, id: &SecondKeyId, key: &NewAuditorKey) -> String {
    answer(ward, &ward.store.second_key_text(&ward.planner, id).await.unwrap(), key)
}

fn answer(ward: &Ward, text: &str, key: &NewAuditorKey) -> String {
    let (folder, own) = file_of(key);
    let path = folder.path().join("request.txt");
    fs::write(&path, text).unwrap();
    let log_key = sekisho_evidence::checkpoint::PublicKey::parse(&ward.store.log_public_key()).unwrap();
    let Agreeing::Request(request) = read_agreeing(&path, Some(&log_key)).unwrap() else { panic!("{text}") };
    agree_to_request(&request, &own).unwrap()
}

async fn nobody_opens_such_a_recording_alone_by_any_road(base: Base) {
    let ward = Ward::over(base).await;
    let auditor = new_auditor_key("2026-11-21");
    let ask = AuditorKeyAsk { name: "みどり監査法人".into(), key: auditor.public.clone(), reason: "年次監査".into() };
    let key = ward.store.ask_auditor_key(&ward.planner, ask).await.unwrap();
    ward.store.decide_auditor_key(&chief(&ward), &key.id, true, "電話で確認").await.unwrap();
    let before = worked(&ward).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let session = worked(&ward).await;

    // What began before opens as it did; what begins from here on opens for nobody: not the planner, not an auditor, not the console.
    assert_eq!(opened(&ward.store, &ward.operator, &before).await, open());
    for actor in [&ward.operator, &ward.planner, &another(&ward.planner, Role::Auditor, 92), &Actor::console()] {
        assert_eq!(opened(&ward.store, actor, &session).await[..2], shut()[..2], "{}", actor.login);
    }
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    assert_eq!(ward.facts("view_began").await.iter().filter(|entry| entry.fact.session() == Some(&session)).count(), 0);
    assert!(ward.facts("refused").await.iter().any(|entry| matches!(&entry.fact, Fact::Refused { code, .. } if code == Refusal::TwoPersons.code())));

    // Neither does the auditor's key or the holder's open the file away from the box.
    for key in [&auditor, &holder] {
        let (_folder, own) = file_of(key);
        assert!(open_recording(&ward.recording(&session), &own, None, None).is_err());
    }
    let kinds: Vec<RecipientKind> = ward.store.session(&ward.operator, &session).await.unwrap().recording.recipients.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [RecipientKind::Hospital, RecipientKind::Auditor, RecipientKind::Second]);

    // The index has what stands in the rows, and nothing that stood on the screen.
    ward.store.index_now().await.unwrap();
    let hits = async |words: &str| {
        let query = RecordQuery { words: words.into(), session: Some(session.clone()), ..RecordQuery::default() };
        ward.store.search_records(&ward.operator, &query).await.unwrap().total
    };
    assert_eq!((hits("kanja").await, hits("systemctl").await), (0, 1));

    // A running session is watched as ever; its recording so far is one like any other.
    let running = begun(&ward).await;
    assert!(ward.store.watch(&ward.clerk, &running.session).await.is_ok());
    assert_eq!(opened(&ward.store, &ward.operator, &running.session).await[0], Some(Refusal::TwoPersons));
    ward.left(running, Cause::Closed).await;
    ward.store.publish().await.unwrap();
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok && !verdict.to_string().contains("second-key-missing"), "{verdict}");
}

async fn a_holder_agrees_for_one_person_some_recordings_and_some_hours(base: Base) {
    let mut ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let (session, other) = (worked(&ward).await, worked(&ward).await);
    let request = asked(&ward, &ward.operator, &session).await;
    assert_eq!(ward.store.viewing_need(&ward.operator, &session).await.unwrap(), ViewingNeed::Needed { waiting: Some(request.id.clone()) });
    assert!(ward.store.viewing_request(&ward.clerk, &request.id).await.unwrap().may_agree);
    let text = agreement(&ward, &ward.clerk, &request.id, &holder).await;
    let agreed = ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    let until = agreed.until.unwrap();
    assert_eq!(agreed.state, ViewingState::Agreed);

    // Who asked opens it by every road; nobody else does, the one who agreed least of all, and no other recording opens.
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open());
    assert_eq!(opened(&ward.store, &ward.planner, &session).await[0], Some(Refusal::TwoPersons));
    assert_eq!(opened(&ward.store, &ward.operator, &other).await, shut());
    assert!(opened(&ward.store, &ward.clerk, &session).await[0].is_some());
    let emergency = Actor { emergency: true, ..ward.operator.clone() };
    assert_eq!(opened(&ward.store, &emergency, &session).await[0], Some(Refusal::TwoPersons), "who sits there could be the one who agreed");

    // A restart forgets the shares. The holder agrees once more, and that lengthens nothing.
    ward.clock.pass(HOUR);
    ward.crash().await;
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    assert_eq!(ward.store.viewing_need(&ward.operator, &session).await.unwrap(), ViewingNeed::Needed { waiting: Some(request.id.clone()) });
    assert!(!ward.store.viewing_request(&ward.operator, &request.id).await.unwrap().at_hand);
    let again = ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(again.until, Some(until));
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open());
    ward.clock.pass(HOUR * 8);
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut(), "the time is over");
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, &text).await), Some(Refusal::ViewingStep));

    // Before its time it is ended by either of the two.
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.operator, &request.id, &holder).await;
    ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open());
    assert_eq!(refused(ward.store.end_viewing(&another(&ward.planner, Role::Operator, 94), &request.id).await), Some(Refusal::NotFound));
    ward.store.end_viewing(&ward.clerk, &request.id).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    // All recordings of the plan go together.
    let ask = ViewingAsk { session: session.clone(), whole_plan: true, hours: 1, reason: "照合のため".into() };
    let request = ward.store.ask_viewing(&ward.operator, ask).await.unwrap();
    assert_eq!(request.sessions.len(), 2);
    let text = agreement(&ward, &ward.clerk, &request.id, &holder).await;
    ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    for session in [&session, &other] {
        assert_eq!(opened(&ward.store, &ward.operator, session).await, open());
    }
}

async fn what_is_no_agreement_to_this_request_changes_nothing(base: Base) {
    let ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let (session, other) = (worked(&ward).await, worked(&ward).await);
    let foreign = asked(&ward, &ward.operator, &other).await;
    let foreign = agreement(&ward, &ward.operator, &foreign.id, &holder).await;
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.operator, &request.id, &holder).await;

    let long = text.replace('\n', &"\n".repeat(200));
    for bad in ["", "agreed", foreign.as_str(), &text[..text.len() / 2], &text.replace("AGE ENCRYPTED", "OTHER"), &long] {
        assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, bad).await), Some(Refusal::AgreementWrong), "{bad}");
    }
    // Only a holder agrees, and never to a wish of their own.
    assert_eq!(refused(ward.store.agree_viewing(&ward.operator, &request.id, &text).await), Some(Refusal::SameHand));
    assert_eq!(refused(ward.store.agree_viewing(&ward.planner, &request.id, &text).await), Some(Refusal::NotSecondHolder));
    assert!(ward.store.agree_viewing(&Actor::console(), &request.id, &text).await.is_err());
    assert_eq!(refused(ward.store.viewing_text(&ward.planner, &request.id).await), Some(Refusal::NotFound));
    // The holder of a key asks like anybody else, and finds nobody who agrees.
    let mut own = ward.clerk.clone();
    own.roles = [Role::Operator].into();
    let mine = asked(&ward, &own, &session).await;
    assert_eq!(refused(ward.store.agree_viewing(&own, &mine.id, &agreement(&ward, &own, &mine.id, &holder).await).await), Some(Refusal::SameHand));
    assert!(ward.store.viewing_request(&own, &mine.id).await.unwrap().holders.is_empty());
    let emergency = Actor { emergency: true, ..ward.operator.clone() };
    let ask = || ViewingAsk { session: session.clone(), whole_plan: false, hours: 8, reason: "照合".into() };
    assert_eq!(refused(ward.store.ask_viewing(&emergency, ask()).await), Some(Refusal::NotAllowed));
    for hours in [0, 25] {
        assert_eq!(refused(ward.store.ask_viewing(&ward.operator, ViewingAsk { hours, ..ask() }).await), Some(Refusal::bad_field("hours")));
    }
    assert!(ward.facts("viewing_agreed").await.is_empty());
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());

    // What was declined or taken back is agreed to by nobody.
    ward.store.decline_viewing(&ward.clerk, &request.id, "理由が足りない。").await.unwrap();
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, &text).await), Some(Refusal::ViewingStep));
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.operator, &request.id, &holder).await;
    ward.store.withdraw_viewing(&ward.operator, &request.id).await.unwrap();
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, &text).await), Some(Refusal::ViewingStep));
    // One that nobody answered for a week has lapsed.
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.operator, &request.id, &holder).await;
    ward.clock.pass(HOUR * 24 * 7);
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, &text).await), Some(Refusal::ViewingStep));
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
}

async fn a_second_key_comes_and_goes_by_two_persons(base: Base) {
    let ward = Ward::over(base).await;
    let made = new_auditor_key("2026-11-21");
    let ask = |holder: &Actor| ask_of(holder, &made, vec![ward.target.id.clone()]);
    assert_eq!(refused(ward.store.ask_second_key(&ward.operator, ask(&ward.clerk)).await), Some(Refusal::NotAllowed));
    assert_eq!(refused(ward.store.ask_second_key(&ward.planner, ask(&ward.worker_actor())).await), Some(Refusal::bad_field("holder")), "a vendor's person holds none");
    let elsewhere = SecondKeyAsk { targets: vec![TargetId::from_random([9; 10])], ..ask(&ward.clerk) };
    assert_eq!(refused(ward.store.ask_second_key(&ward.planner, elsewhere).await), Some(Refusal::bad_field("targets")));
    let key = ward.store.ask_second_key(&ward.planner, ask(&ward.clerk)).await.unwrap();
    assert_eq!(refused(ward.store.ask_second_key(&ward.planner, ask(&ward.operator)).await), Some(Refusal::bad_field("key")), "it is here already");
    // Whoever held both kinds of key would open alone.
    let both = AuditorKeyAsk { name: "監査".into(), key: made.public.clone(), reason: "監査".into() };
    assert_eq!(refused(ward.store.ask_auditor_key(&ward.planner, both).await), Some(Refusal::bad_field("key")));

    let (chief, administrator) = (chief(&ward), another(&ward.planner, Role::Administrator, 93));
    let given = proof(&ward, &key.id, &made).await;
    let step = async |actor: &Actor, id: &SecondKeyId, step| ward.store.step_second_key(actor, id, step, "決定による", &given).await;
    let needs = async || {
        let session = worked(&ward).await;
        ward.store.viewing_need(&ward.operator, &session).await.unwrap() != ViewingNeed::None
    };
    assert!(!needs().await, "nobody confirmed it");
    assert_eq!(refused(step(&ward.planner, &key.id, SecondKeyStep::Confirm).await), Some(Refusal::SameHand));
    assert_eq!(refused(step(&administrator, &key.id, SecondKeyStep::Confirm).await), Some(Refusal::NotAllowed));
    // A key of which nobody has the private half would shut every recording for good.
    let other = ward.store.ask_second_key(&ward.planner, ask_of(&ward.clerk, &new_auditor_key("x"), Vec::new())).await.unwrap();
    for wrong in ["", "-----BEGIN AGE ENCRYPTED FILE-----", &given] {
        let done = ward.store.step_second_key(&chief, &other.id, SecondKeyStep::Confirm, "決定による", wrong).await;
        assert_eq!(refused(done), Some(Refusal::AgreementWrong), "{wrong}");
    }
    assert_eq!(step(&ward.planner, &other.id, SecondKeyStep::Refuse).await.unwrap().state, SecondKeyState::Refused);
    step(&chief, &key.id, SecondKeyStep::Confirm).await.unwrap();
    assert_eq!(refused(ward.store.second_key_text(&chief, &key.id).await), Some(Refusal::SecondKeyStep), "it waits for nobody");
    assert!(needs().await);
    // One person alone does not switch it off.
    assert_eq!(refused(step(&chief, &key.id, SecondKeyStep::End).await), Some(Refusal::SecondKeyStep));
    step(&chief, &key.id, SecondKeyStep::AskEnd).await.unwrap();
    assert_eq!(refused(step(&chief, &key.id, SecondKeyStep::End).await), Some(Refusal::SameHand));
    assert_eq!(refused(step(&administrator, &key.id, SecondKeyStep::End).await), Some(Refusal::NotAllowed));
    assert!(needs().await, "until the end is confirmed it stays in force");
    step(&ward.planner, &key.id, SecondKeyStep::Keep).await.unwrap();
    assert_eq!(refused(step(&ward.planner, &key.id, SecondKeyStep::End).await), Some(Refusal::SecondKeyStep));
    step(&chief, &key.id, SecondKeyStep::AskEnd).await.unwrap();
    let ended = step(&ward.planner, &key.id, SecondKeyStep::End).await.unwrap();
    assert_eq!(ended.state, SecondKeyState::Ended);
    assert!(!needs().await);

    // The same holds for keys of auditors.
    let auditor = AuditorKeyAsk { name: "監査".into(), key: new_auditor_key("x").public, reason: "監査".into() };
    let auditor = ward.store.ask_auditor_key(&ward.planner, auditor).await.unwrap();
    assert_eq!(refused(ward.store.decide_auditor_key(&administrator, &auditor.id, true, "確認").await), Some(Refusal::NotAllowed));
    ward.store.decide_auditor_key(&chief, &auditor.id, true, "確認").await.unwrap();
}

async fn a_key_for_a_machine_is_not_got_around_by_another_entry_of_it(base: Base) {
    let ward = Ward::over(base).await;
    let entry = async |name: &str, port, host_key: &str| {
        let ask = TargetAsk { port, host_keys: vec![host_key.to_owned()], ..target_ask(name, &ward.vendor) };
        ward.store.add_target(&Actor::console(), ask).await.unwrap()
    };
    let confirmed = async |targets: Vec<TargetId>| {
        let made = new_auditor_key("2026-11-21");
        let key = ward.store.ask_second_key(&ward.planner, ask_of(&ward.clerk, &made, targets)).await.unwrap();
        let proof = proof(&ward, &key.id, &made).await;
        ward.store.step_second_key(&chief(&ward), &key.id, SecondKeyStep::Confirm, "本人に照合", &proof).await.unwrap()
    };
    let needs = async || {
        let session = worked(&ward).await;
        ward.store.viewing_need(&ward.operator, &session).await.unwrap() != ViewingNeed::None
    };
    confirmed(vec![entry("other", 2222, OTHER_KEY).await.id]).await;
    assert!(!needs().await, "another machine");
    // The machine of the ward's own target under another name: by its port, or by its host key.
    for (name, port, host_key) in [("ehr-same-port", 22, OTHER_KEY), ("ehr-same-key", 2223, HOST_KEY)] {
        let key = confirmed(vec![entry(name, port, host_key).await.id]).await;
        assert!(needs().await, "{name}");
        ward.store.step_second_key(&chief(&ward), &key.id, SecondKeyStep::AskEnd, "確認", "").await.unwrap();
        ward.store.step_second_key(&ward.planner, &key.id, SecondKeyStep::End, "確認", "").await.unwrap();
    }
}

async fn after_a_crash_what_could_not_be_read_is_told(base: Base) {
    let mut ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    let header = fs::metadata(ward.recording(&session)).unwrap().len();
    works(&admission);
    ward.written(&session, header + 1).await;
    ward.crash().await;
    drop(admission);
    let view = ward.store.session(&ward.operator, &session).await.unwrap();
    assert_eq!((view.row.facts.cause.as_deref(), view.row.facts.unread, view.recording.verified), (Some("vanished"), true, Some(true)));
    let request = asked(&ward, &ward.operator, &session).await;
    let text = agreement(&ward, &ward.clerk, &request.id, &holder).await;
    ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await[0], None, "two persons look at what the box cannot");
}

async fn a_session_that_began_before_a_key_does_not_enter_after_it(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let made = new_auditor_key("2026-11-21");
    let key = ward.store.ask_second_key(&ward.planner, ask_of(&ward.clerk, &made, Vec::new())).await.unwrap();
    let proof = proof(&ward, &key.id, &made).await;
    let begun = || fs::read_dir(ward.dir.join("recordings")).is_ok_and(|mut files| files.any(|file| file.unwrap().path().extension().is_some_and(|end| end == "skr")));
    {
        let mut entering = pin!(ward.try_enter(&principal));
        // As far as its header, which names no second key; its entry is not written.
        std::future::poll_fn(|context| match begun() {
            true => Poll::Ready(()),
            false => entering.as_mut().poll(context).map(|_| panic!("it entered without a recording")),
        })
        .await;
        ward.store.step_second_key(&chief(&ward), &key.id, SecondKeyStep::Confirm, "本人に読み上げてもらった。", &proof).await.unwrap();
        let refusal = entering.await.err().expect("the log tells of the key before the session");
        assert_eq!((refusal.clone(), refusal.code()), (Refusal::SealChanged, "SKS-4044"));
    }
    assert!(ward.facts("entered").await.is_empty());
    until("the session that never was is cleared away", || !begun()).await;
    let admission = ward.try_enter(&principal).await.unwrap();
    let session = ward.left(admission, Cause::Closed).await;
    assert_eq!(ward.store.viewing_need(&ward.operator, &session).await.unwrap(), ViewingNeed::Needed { waiting: None });
}

/// A request that was agreed to, and the text of the agreement.
async fn agreed(ward: &Ward, session: &SessionId, holder: &NewAuditorKey) -> (ViewingRequest, String) {
    let request = asked(ward, &ward.operator, session).await;
    let text = agreement(ward, &ward.operator, &request.id, holder).await;
    let request = ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, session).await, open());
    (request, text)
}

async fn a_clock_that_is_set_back_lengthens_no_agreement(base: Base) {
    let ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let session = worked(&ward).await;
    let (request, text) = agreed(&ward, &session, &holder).await;
    ward.clock.pass(HOUR * 6);
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open());
    // The log goes on from where it was; nobody has more hours than before.
    ward.clock.set_back(HOUR * 5);
    ward.clock.pass(HOUR * 3);
    assert_eq!(ward.store.viewing_need(&ward.operator, &session).await.unwrap(), ViewingNeed::Open { request: request.id.clone(), until: request.until.unwrap() });
    // Whoever sets the time of the log back ends what was agreed to by the false one.
    ward.store.correct_clock(&Actor::console(), "時計が進んでいた。").await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    assert_eq!(ward.store.viewing_request(&ward.operator, &request.id).await.unwrap().request.state, ViewingState::Ended);
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &request.id, &text).await), Some(Refusal::ViewingStep));
    assert_eq!(ward.facts("viewing_ended").await.len(), 1);
    agreed(&ward, &session, &holder).await;
}

async fn an_agreement_is_good_for_one_request(base: Base) {
    let ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let session = worked(&ward).await;
    let (first, text) = agreed(&ward, &session, &holder).await;
    ward.store.end_viewing(&ward.operator, &first.id).await.unwrap();
    // Who has the old text, or the login of the holder, opens nothing with it, however it is written.
    let again = asked(&ward, &ward.operator, &session).await;
    for text in [text.clone(), text.replace('\n', "\r\n"), format!("\n{text}\n\n")] {
        assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &again.id, &text).await), Some(Refusal::AgreementWrong));
    }
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    let ward = ward.restarted().await;
    assert_eq!(refused(ward.store.agree_viewing(&ward.clerk, &again.id, &text).await), Some(Refusal::AgreementWrong), "the log remembers it");
    let text = agreement(&ward, &ward.operator, &again.id, &holder).await;
    ward.store.agree_viewing(&ward.clerk, &again.id, &text).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open());
}

async fn what_was_agreed_to_ends_by_the_planner_and_with_an_account(base: Base) {
    let ward = Ward::over(base).await;
    let (_, holder) = in_force(&ward, &ward.clerk).await;
    let session = worked(&ward).await;
    for who in [ward.planner.clone(), chief(&ward)] {
        let (request, _) = agreed(&ward, &session, &holder).await;
        assert!(ward.store.viewing_request(&who, &request.id).await.unwrap().may_end);
        ward.store.end_viewing(&who, &request.id).await.unwrap();
        assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    }
    // Whoever was sent away agrees to nothing any more, and being let in again brings nothing back.
    let (request, text) = agreed(&ward, &session, &holder).await;
    let console = Actor::console();
    let clerk = ward.store.person(&console, ward.clerk.person.as_ref().unwrap()).await.unwrap().person;
    let set = async |active| ward.store.change_person(&console, &clerk.id, PersonChange { active, ..PersonChange::of(&clerk) }).await.unwrap();
    set(false).await;
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    assert!(!ward.store.viewing_request(&ward.operator, &request.id).await.unwrap().at_hand);
    set(true).await;
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    ward.store.agree_viewing(&ward.clerk, &request.id, &text).await.unwrap();
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, open(), "who is back agrees once more, for the rest of the time");
}

#[tokio::test]
async fn who_can_write_to_the_database_ends_no_second_key_and_makes_none() {
    let mut ward = Ward::over(Base::postgres()).await;
    let (key, _) = in_force(&ward, &ward.clerk).await;
    let session = worked(&ward).await;
    let now = ward.store.now().0;
    ward.store.close().await.unwrap();
    let entry = |by: &Actor, id: &str, public: &str, change: &str| {
        let (actor, holder) = (serde_json::to_string(by).unwrap(), ward.clerk.person.clone().unwrap());
        format!(r#"{{"seq":' || n || ',"at":{now},"actor":{actor},"kind":"second_key_kept","second_key":"{id}","holder":"{holder}","name":"x","key":"{public}","targets":[],"change":"{change}","reason":"x"}}"#)
    };
    let viewing = |by: &Actor, kind: &str, more: &str| {
        let (actor, id) = (serde_json::to_string(by).unwrap(), ViewingRequestId::from_random([7; 10]));
        format!(r#"{{"seq":' || n || ',"at":{now},"actor":{actor},"kind":"{kind}","viewing":"{id}",{more}}}"#)
    };
    let (forged, public) = (SecondKeyId::from_random([7; 10]), new_auditor_key("x").public);
    let chief = chief(&ward);
    let rows = [
        (&ward.planner, "second_key_kept", entry(&ward.planner, key.id.as_str(), &key.key, "end_asked")),
        (&chief, "second_key_kept", entry(&chief, key.id.as_str(), &key.key, "ended")),
        (&ward.planner, "second_key_kept", entry(&ward.planner, forged.as_str(), &public, "asked")),
        (&chief, "second_key_kept", entry(&chief, forged.as_str(), &public, "confirmed")),
        (&ward.operator, "viewing_asked", viewing(&ward.operator, "viewing_asked", &format!(r#""sessions":["{session}"],"keys":["{}"],"hours":9999,"reason":"x""#, key.id))),
        (&ward.clerk, "viewing_agreed", viewing(&ward.clerk, "viewing_agreed", &format!(r#""until":{},"second_key":"{}""#, i64::MAX, key.id))),
    ];
    for (by, kind, body) in rows {
        let person = by.person.clone().unwrap();
        ward.db().sql(&format!("INSERT INTO log (seq, at, kind, session, plan, person, body) SELECT n, {now}, '{kind}', NULL, NULL, '{person}', convert_to('{body}', 'UTF8') FROM (SELECT MAX(seq) + 1 AS n FROM log) AS next"));
    }
    ward.store = Store::open(ward.settings.clone(), ward.clock.clone()).await.unwrap();
    let keys = ward.store.second_keys(&ward.planner).await.unwrap();
    assert_eq!(keys, [key], "entries without the key's signature neither end a key nor make one");
    assert!(ward.store.viewing_requests(&ward.planner).await.unwrap().is_empty(), "nor do they agree to anything");
    let session = worked(&ward).await;
    assert_eq!(opened(&ward.store, &ward.operator, &session).await, shut());
    let verdict = ward.store.verify_now().await.unwrap();
    assert_eq!(verdict.findings.iter().filter(|finding| finding.code == "decisive-unsigned").count(), 6, "{verdict}");
    assert_eq!(facts_of(&ward.store, "second_key_kept").await.len(), 6, "they stand in the log, and count for nothing");
}
