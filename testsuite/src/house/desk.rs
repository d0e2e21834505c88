//! The desk: who comes in, who does not, and that nothing is opened that could not be written down first.

use super::base::{Base, on_both};
use super::ward::{PASSWORD, Ward, WORKER_KEY, recalled, shell, source, until};
use sekisho_core::desk::{Cause, Desk, Dialled, Entry, FirstProof, RecallWord, RefusedAsk, TargetCredential};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::plan::state::PlanState;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_core::time::Clock as _;
use sekisho_store::{PersonChange, SessionFilter};
use std::net::IpAddr;
use std::time::Duration;

on_both! {
    a_worker_with_both_factors_and_a_plan_comes_in_and_the_log_tells_it_in_order,
    after_three_wrong_codes_the_first_factor_is_asked_again,
    a_spent_code_and_a_ticket_of_another_connection_prove_nothing,
    only_a_registered_key_is_a_first_factor,
    each_refusal_says_what_helps_and_is_written_down,
    with_several_plans_open_the_worker_chooses,
    a_withdrawn_plan_opens_nothing,
    whichever_write_fails_nobody_comes_in,
    a_log_that_cannot_be_written_stops_the_dialling,
    nobody_comes_in_while_the_log_cannot_be_published,
    a_withdrawn_plan_and_a_disabled_worker_end_the_session_within_two_seconds,
    a_clerk_cuts_and_the_log_names_clerk_and_cause,
    an_admission_that_is_dropped_counts_as_vanished,
    a_worker_sees_only_the_own_sessions_and_refusals_inside_are_written,
}

async fn a_worker_with_both_factors_and_a_plan_comes_in_and_the_log_tells_it_in_order(base: Base) {
    let ward = Ward::over(base).await;
    let plan = ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let admission = ward.try_enter(&principal).await.unwrap();
    assert_eq!((admission.grant.username.as_str(), admission.grant.until), ("maint", plan.content.until));
    assert!(matches!(&admission.credential, TargetCredential::Password(secret) if secret.expose() == "db-secret"));
    assert!(ward.recording(&admission.session).is_file());
    ward.store.dialled(&admission.session, Dialled::Connected { host_key: "SHA256:x".into(), local: None, peer: None }).await.unwrap();
    shell(&admission);
    let session = ward.left(admission, Cause::Closed).await;

    let view = ward.store.session(&ward.planner, &session).await.unwrap();
    let kinds: Vec<&str> = view
        .entries
        .iter()
        .map(|entry| match &entry.fact {
            Fact::Entered { .. } => "entered",
            Fact::Dialled { .. } => "dialled",
            Fact::Left { .. } => "left",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["entered", "dialled", "left"]);
    assert_eq!(view.recording.verified, Some(true));
    assert!(!view.row.running);
    assert_eq!(view.row.facts.functions.len(), 1);
    assert_eq!(ward.facts("identified").await.len(), 1);
    let plan = ward.store.plan(&ward.planner, &plan.id).await.unwrap().plan;
    assert_eq!((plan.state, plan.sessions), (PlanState::InProgress, vec![session]));
    let verdict = ward.store.verify_now().await.unwrap();
    assert!(verdict.ok && verdict.recordings == 1, "{verdict}");
}

async fn after_three_wrong_codes_the_first_factor_is_asked_again(base: Base) {
    let ward = Ward::over(base).await;
    let mut half = ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), FirstProof::Password(Secret::new(PASSWORD))).await.unwrap();
    for left in [true, true, false] {
        let (again, refusal) = ward.store.second_factor(half, Secret::new("000000")).await.unwrap_err();
        assert_eq!((again.is_some(), refusal), (left, Refusal::LoginFailed));
        match again {
            Some(again) => half = again,
            None => return,
        }
    }
}

async fn a_spent_code_and_a_ticket_of_another_connection_prove_nothing(base: Base) {
    let ward = Ward::over(base).await;
    let code = ward.code();
    let password = || FirstProof::Password(Secret::new(PASSWORD));
    let half = ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), password()).await.unwrap();
    ward.store.second_factor(half, code.clone()).await.unwrap();
    let half = ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), password()).await.unwrap();
    assert!(ward.store.second_factor(half, code).await.is_err(), "the code was spent");
    let mut half = ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), password()).await.unwrap();
    half.arrival = sekisho_core::desk::Arrival::plain(IpAddr::from([10, 20, 0, 99]));
    assert!(matches!(ward.store.second_factor(half, ward.code()).await, Err((None, Refusal::LoginFailed))));
}

async fn only_a_registered_key_is_a_first_factor(base: Base) {
    let ward = Ward::over(base).await;
    let key = || FirstProof::VerifiedKey(WORKER_KEY.into());
    assert!(!ward.store.knows_key("sato", source(), WORKER_KEY).await);
    assert_eq!(ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), key()).await.unwrap_err(), Refusal::LoginFailed);
    ward.store.add_key(&ward.worker_actor(), &format!("{WORKER_KEY} laptop")).await.unwrap();
    assert!(ward.store.knows_key("sato", source(), WORKER_KEY).await);
    assert!(!ward.store.knows_key("nobody", source(), WORKER_KEY).await);
    let half = ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), key()).await.unwrap();
    ward.store.second_factor(half, ward.code()).await.unwrap();
    let person = ward.store.person(&Actor::console(), &ward.worker.id).await.unwrap().person;
    let change = PersonChange { active: false, ..PersonChange::of(&person) };
    ward.store.change_person(&Actor::console(), &ward.worker.id, change).await.unwrap();
    assert!(!ward.store.knows_key("sato", source(), WORKER_KEY).await);
    assert!(ward.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(source()), key()).await.is_err());
}

async fn each_refusal_says_what_helps_and_is_written_down(base: Base) {
    let ward = Ward::over(base).await;
    let principal = ward.principal().await;
    let hour = Duration::from_secs(3600);
    let refused = async |target: &str, plan: Option<&str>| ward.store.enter(&principal, target, plan).await.err().unwrap();
    assert_eq!(refused("ehr-db01", None).await, Refusal::NoPlan);
    assert_eq!(refused("no-such-host", None).await, Refusal::NoPlan);

    let mut content = ward.content();
    (content.from, content.until) = (ward.clock.now().plus(hour), ward.clock.now().plus(hour * 2));
    let later = ward.approved(content).await;
    assert_eq!(refused("ehr-db01", None).await, Refusal::WindowNotOpen { opens: later.content.from.minute() });
    assert_eq!(refused("ehr-db01", Some("2020-9999")).await, Refusal::PlanNotOpen);

    let mut content = ward.content();
    content.sources = vec![sekisho_core::source::Network::parse("10.20.7.0/24").unwrap()];
    ward.approved(content).await;
    // Coming from the right line helps at once; waiting for the other plan does not.
    assert_eq!(refused("ehr-db01", None).await, Refusal::SourceNotAllowed);

    let codes: Vec<String> = ward
        .facts("refused")
        .await
        .into_iter()
        .filter_map(|entry| match entry.fact {
            Fact::Refused { stage, code, login, .. } if stage == "enter" && login == "sato" => Some(code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["SKS-4001", "SKS-4001", "SKS-4002", "SKS-4018", "SKS-4006"]);
    assert_eq!(std::fs::read_dir(ward.dir.join("recordings")).unwrap().count(), 0, "nothing was opened");
}

async fn with_several_plans_open_the_worker_chooses(base: Base) {
    let ward = Ward::over(base).await;
    let first = ward.approved(ward.content()).await;
    let second = ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let Entry::Choose(choices) = ward.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("not asked") };
    let mut numbers: Vec<&str> = choices.iter().map(|choice| choice.number.as_str()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [first.number.as_str(), second.number.as_str()]);
    let Entry::Open(admission) = ward.store.enter(&principal, "ehr-db01", Some(&second.number)).await.unwrap() else { panic!("asked again") };
    assert_eq!(admission.grant.plan, second.id);
}

async fn a_withdrawn_plan_opens_nothing(base: Base) {
    let ward = Ward::over(base).await;
    let plan = ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    ward.store.act_on_plan(&ward.planner, &plan.id, PlanAct::Withdraw { reason: "中止".into() }, None).await.unwrap();
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::NoPlan));
}

/// Every write on the way in is made to fail in turn. Whatever fails, there is no admission, so nothing can be dialled,
/// and what was begun is cleared away.
async fn whichever_write_fails_nobody_comes_in(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    let mut failed = 0;
    loop {
        ward.store.faults().fail_nth_write(failed);
        let before = ward.store.faults().writes();
        let answer = ward.try_enter(&principal).await;
        let passed = ward.store.faults().writes() - before;
        ward.store.faults().clear();
        match answer {
            Ok(admission) => {
                assert!(passed <= failed, "write {failed} of {passed} failed and somebody came in all the same");
                ward.left(admission, Cause::Closed).await;
                break;
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::NoRecording | Refusal::LogUnavailable), "{refusal:?}");
                failed += 1;
            }
        }
        until("the half-opened session is cleared away", || std::fs::read_dir(ward.dir.join("recordings")).unwrap().count() == 0).await;
        assert_eq!(ward.facts("entered").await.len(), 0);
    }
    assert!(failed >= 4, "header, file, folder and transaction are four writes; only {failed} were seen");
    assert!(ward.store.verify_now().await.unwrap().ok);
}

async fn a_log_that_cannot_be_written_stops_the_dialling(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    ward.store.faults().fail_from_nth_write(0);
    let outcome = Dialled::Connected { host_key: "SHA256:x".into(), local: None, peer: None };
    assert_eq!(ward.store.dialled(&admission.session, outcome).await, Err(Refusal::LogUnavailable));
    ward.store.faults().clear();
    ward.left(admission, Cause::DialFailed).await;
}

/// What is not signed and published is no evidence yet.
async fn nobody_comes_in_while_the_log_cannot_be_published(base: Base) {
    let ward = Ward::over(base).await;
    ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    ward.store.faults().fail_from_nth_write(0);
    assert!(ward.store.publish().await.is_err());
    ward.store.faults().clear();
    assert_eq!(ward.try_enter(&principal).await.err(), Some(Refusal::LogUnavailable));
    ward.store.publish().await.unwrap();
    assert!(ward.try_enter(&principal).await.is_ok());
}

async fn a_withdrawn_plan_and_a_disabled_worker_end_the_session_within_two_seconds(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let mut recalls = ward.store.recalls();
    let withdraw = PlanAct::Withdraw { reason: "中止".into() };
    ward.store.act_on_plan(&ward.planner, &admission.grant.plan, withdraw, None).await.unwrap();
    let recall = recalled(&mut recalls, Duration::from_secs(2)).await;
    assert!(recall.session.is_none_or(|session| session == admission.session));
    assert!(matches!(recall.word, RecallWord::End(Cause::Recalled | Cause::Cut)), "{:?}", recall.word);
    ward.left(admission, Cause::Recalled).await;

    let admission = ward.entered().await;
    let mut recalls = ward.store.recalls();
    let person = ward.store.person(&Actor::console(), &ward.worker.id).await.unwrap().person;
    let change = PersonChange { active: false, ..PersonChange::of(&person) };
    ward.store.change_person(&Actor::console(), &ward.worker.id, change).await.unwrap();
    let recall = recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((recall.session, recall.word), (Some(admission.session.clone()), RecallWord::End(Cause::Recalled)));
    ward.left(admission, Cause::Recalled).await;
}

async fn a_clerk_cuts_and_the_log_names_clerk_and_cause(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let mut recalls = ward.store.recalls();
    assert!(ward.store.cut(&ward.worker_actor(), &admission.session, "").await.is_err(), "a worker cuts nobody");
    ward.store.cut(&ward.clerk, &admission.session, "様子がおかしい").await.unwrap();
    let recall = recalled(&mut recalls, Duration::from_secs(2)).await;
    assert_eq!((recall.session, recall.word), (Some(admission.session.clone()), RecallWord::End(Cause::Cut)));
    let session = ward.left(admission, Cause::Cut).await;
    let asked = ward.facts("cut_asked").await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].actor.login, "toda");
    let row = ward.store.session(&ward.clerk, &session).await.unwrap().row;
    assert_eq!(row.facts.cause.as_deref(), Some("cut"));
    assert!(ward.store.cut(&ward.clerk, &session, "").await.is_err(), "what has ended cannot be cut");
}

async fn an_admission_that_is_dropped_counts_as_vanished(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let session = admission.session.clone();
    drop(admission);
    let mut left = Vec::new();
    for _ in 0..200 {
        left = ward.facts("left").await;
        if !left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(matches!(&left[0].fact, Fact::Left { session: gone, cause: Cause::Vanished, .. } if *gone == session));
    assert!(ward.store.verify_now().await.unwrap().ok);
}

async fn a_worker_sees_only_the_own_sessions_and_refusals_inside_are_written(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    let ask = RefusedAsk { ask: "direct-tcpip 10.0.0.5:3306\n".into(), refusal: Refusal::ForwardingRefused };
    ward.store.refused(&admission.session, ask).await;
    let inside = ward.facts("refused_inside").await;
    assert!(matches!(&inside[0].fact, Fact::RefusedInside { asked, .. } if asked.ask == "direct-tcpip 10.0.0.5:3306"));
    let running = SessionFilter { running: Some(true), ..SessionFilter::default() };
    assert_eq!(ward.store.sessions(&ward.worker_actor(), &running).await.unwrap().rows.len(), 1);
    let mut colleague = ward.worker_actor();
    colleague.person = Some(sekisho_core::ids::PersonId::from_random([9; 10]));
    assert!(ward.store.sessions(&colleague, &running).await.unwrap().rows.is_empty());
    assert_eq!(ward.store.session(&colleague, &admission.session).await.unwrap_err().refusal(), Refusal::NotFound);
    let mut stranger = colleague;
    stranger.vendor = Some(sekisho_core::ids::VendorId::from_random([8; 10]));
    stranger.roles = [sekisho_core::people::Role::VendorManager].into();
    assert!(ward.store.sessions(&stranger, &running).await.unwrap().rows.is_empty());
    assert_eq!(ward.store.session(&stranger, &admission.session).await.unwrap_err().refusal(), Refusal::NotFound);
    ward.left(admission, Cause::Closed).await;
    assert!(ward.store.sessions(&ward.clerk, &running).await.unwrap().rows.is_empty());
}
