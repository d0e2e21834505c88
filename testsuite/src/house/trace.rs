//! The trace: one address or one person leads to everything of theirs, for those who may, and for nobody else.

use super::base::{Base, on_both, told};
use super::ward::{Ward, shell, source};
use sekisho_core::desk::{Cause, Event};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::reconcile::FileSeen;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_core::time::{Clock, Timestamp};
use sekisho_store::{Store, Trace, TraceOf};
use std::time::Duration;

on_both! {
    an_address_and_a_person_lead_to_sessions_commands_files_and_refusals,
}

async fn of(store: &Store, actor: &Actor, who: &str, until: Timestamp) -> Result<Trace, Refusal> {
    told(store.trace(actor, who, Timestamp(0), until).await)
}

fn refusals(trace: &Trace) -> usize {
    trace.entries.iter().filter(|entry| matches!(entry.fact, Fact::Refused { .. })).count()
}

async fn an_address_and_a_person_lead_to_sessions_commands_files_and_refusals(base: Base) {
    let ward = Ward::over(base).await;
    let admission = ward.entered().await;
    shell(&admission);
    admission.recording.append(1, Event::Output(&"$ tar x\r\n".to_owned().into())).unwrap();
    admission.recording.append(1, Event::Command("tar x")).unwrap();
    let file = FileSeen { at_ms: 0, op: "put".into(), path: "/opt/patch.tar".into(), bytes: 42, sha256: Some("ab".repeat(32)), ok: true, kept: None };
    admission.recording.append(2, Event::Open { function: Function::Sftp, text: "", size: None }).unwrap();
    admission.recording.append(2, Event::File(&file)).unwrap();
    let session = ward.left(admission, Cause::Closed).await;
    // Somebody tries what the worker may not, which is refused and written down.
    assert_eq!(told(ward.store.trace(&ward.worker_actor(), "sato", Timestamp(0), Timestamp(1)).await).err(), Some(Refusal::NotAllowed));

    let (store, operator) = (ward.store.clone(), ward.operator.clone());
    let until = ward.clock.now().plus(Duration::from_secs(60));
    let address = source().to_string();
    let found = of(&store, &operator, &address, until).await.unwrap();
    let [row] = &found.sessions[..] else { panic!("{:?}", found.sessions) };
    assert_eq!(row.facts.session, session);
    assert_eq!(row.facts.commands.iter().map(|seen| seen.text.as_str()).collect::<Vec<_>>(), ["tar x"]);
    assert_eq!(row.facts.files.iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>(), ["/opt/patch.tar"]);
    assert!(found.persons.contains_key(&ward.worker.id), "who acted from there: {:?}", found.persons);
    assert!(found.entries.iter().any(|entry| matches!(&entry.fact, Fact::FileMoved { file, .. } if file.path == "/opt/patch.tar")));

    // A person is found by login name, by id, and by name with or without its space; the refusal is theirs as well.
    let plain: String = ward.worker.name.split_whitespace().collect();
    for who in [ward.worker.login.as_str(), ward.worker.id.as_str(), ward.worker.name.as_str(), &plain] {
        let found = of(&store, &operator, who, until).await.unwrap();
        assert_eq!(found.of, TraceOf::Person(ward.worker.id.clone()), "{who}");
        assert_eq!(found.sessions.len(), 1, "{who}");
        assert!(refusals(&found) >= 1, "{who}");
    }
    // An address that begins alike is another address, and a span that has passed holds nothing.
    let longer = format!("{address}0");
    if longer.parse::<std::net::IpAddr>().is_ok() {
        assert!(of(&store, &operator, &longer, until).await.unwrap().sessions.is_empty());
    }
    assert!(of(&store, &operator, &address, Timestamp(1)).await.unwrap().sessions.is_empty());

    // An operator does not read the whole log by this door; a planner does.
    let told_of = |trace: &Trace| trace.entries.iter().any(|entry| matches!(entry.fact, Fact::PersonAdded { .. } | Fact::PlanActed { .. }));
    assert!(!told_of(&of(&store, &operator, &ward.worker.login, until).await.unwrap()));
    assert!(told_of(&of(&store, &ward.planner, &ward.worker.login, until).await.unwrap()));

    // Each trace is in the log; whoever is not known is not found; whoever has no right learns nothing.
    assert!(ward.facts("searched").await.iter().any(|entry| matches!(&entry.fact, Fact::Searched { query, .. } if query.contains(&address))));
    assert_eq!(of(&store, &operator, "誰でもない", until).await.err(), Some(Refusal::NotFound));
    assert_eq!(of(&store, &operator, " ", until).await.err(), Some(Refusal::bad_field("who")));
    assert_eq!(of(&store, &ward.clerk, &address, until).await.err(), Some(Refusal::NotAllowed));
}
