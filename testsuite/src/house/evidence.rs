//! Evidence bundles: what goes in is what the signed log says, an outsider can verify it, and who took it is written down.

use super::base::{Base, on_both};
use super::ward::{Ward, shell};
use sekisho_bundle::ZipFiles;
use sekisho_core::desk::{Admission, Cause, Desk as _, Entry as Door};
use sekisho_core::evidence::EvidenceScope;
use sekisho_core::facts::{self, Fact};
use sekisho_core::ids::PlanId;
use sekisho_core::people::{Actor, Role, Via};
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use sekisho_evidence::Digest;
use sekisho_evidence::bundle::{BundleVerdict, verify_bundle};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::log::Files as _;
use sekisho_evidence::verify::Trust;
use sekisho_store::{EvidenceAsk, NewPerson, Store};
use sekisho_web::pages::evidence::{Hand, Wish, write_bundle};
use sekisho_web::view::Views;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

on_both! {
    a_session_and_its_plan_go_out_whole_and_an_outsider_verifies_them,
    a_period_is_whole_at_its_edges_and_bounded,
    nobody_takes_a_bundle_without_right_reason_and_place,
}

pub(super) fn ask(scope: EvidenceScope) -> EvidenceAsk {
    EvidenceAsk { scope, all_entries: false, reason: "弁護士 <b>立会</b>".into(), outside: String::new() }
}

/// The ZIP of what was asked for.
pub(super) async fn taken(store: &Store, actor: &Actor, ask: &EvidenceAsk) -> Result<Vec<u8>, Refusal> {
    let evidence = store.take_evidence(actor, ask).await.map_err(|denied| denied.refusal())?;
    let hand = Hand::gather(store, actor).await.map_err(|denied| denied.refusal())?;
    let done = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        write_bundle(&Wish { evidence: &evidence, hand: &hand, views: &Views::new() }, &mut out).map(|()| out)
    });
    Ok(done.await.unwrap().unwrap())
}

/// A session under a plan of its own, beside others that are open.
async fn entered(ward: &Ward) -> Admission {
    let plan = ward.approved(ward.content()).await;
    let principal = ward.principal().await;
    match ward.store.enter(&principal, "ehr-db01", Some(&plan.number)).await.unwrap() {
        Door::Open(admission) => *admission,
        Door::Choose(choices) => panic!("asked to choose among {choices:?}"),
    }
}

pub(super) fn opened(zip: &[u8]) -> ZipFiles {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(zip).unwrap();
    ZipFiles::open(file.path()).unwrap_or_else(|breach| panic!("{}: {}", breach.place, breach.what))
}

pub(super) fn judged(store: &Store, files: &impl sekisho_evidence::log::Files, outside: &[String]) -> BundleVerdict {
    let key = PublicKey::parse(&store.log_public_key()).unwrap();
    verify_bundle(files, &Trust { keys: &[key], outside, witnesses: &[], timestamps: None })
}

pub(super) fn text(files: &ZipFiles, path: &str) -> String {
    String::from_utf8(files.read(path).unwrap().unwrap_or_else(|| panic!("no {path}"))).unwrap()
}

fn kinds(files: &ZipFiles) -> Vec<String> {
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
    text(files, "log/entries.jsonl").lines().map(value).collect()
}

async fn a_session_and_its_plan_go_out_whole_and_an_outsider_verifies_them(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    // Somebody else's session, of which the bundle tells nothing.
    let other = entered(&ward).await;
    let other = ward.left(other, Cause::Closed).await;
    let early = store.checkpoint().unwrap();
    let admission = entered(&ward).await;
    shell(&admission);
    let running = admission.session.clone();
    let zip = taken(store, &ward.planner, &ask(EvidenceScope::Session { session: running.clone() })).await.unwrap();
    let live = judged(store, &opened(&zip), &[]);
    assert!(live.ok && live.recordings == 0 && live.findings.iter().any(|finding| finding.code == "session-unfinished"), "{live}");
    let session = ward.left(admission, Cause::Closed).await;

    let zip = taken(store, &ward.planner, &EvidenceAsk { outside: early.clone(), ..ask(EvidenceScope::Session { session: session.clone() }) }).await.unwrap();
    let files = opened(&zip);
    let verdict = judged(store, &files, &[early.clone()]);
    assert!(verdict.ok && verdict.joined && verdict.recordings == 1 && verdict.approvals == 2, "{verdict}");
    let told = kinds(&files);
    for kind in ["plan_drawn", "plan_acted", "entered", "left", "evidence_taken", "evidence_signed"] {
        assert!(told.iter().any(|known| known == kind), "no {kind} in {told:?}");
    }
    assert!(!text(&files, "log/entries.jsonl").contains(other.as_str()), "somebody else's session is in the bundle");
    let lines = [text(&files, "README.txt"), text(&files, "report.html")];
    assert!(lines[0].contains("sekisho verify --bundle FILE --key KEY") && lines[0].contains("How to verify"), "{}", lines[0]);
    assert!(lines[1].contains("弁護士 &lt;b&gt;立会&lt;&#x2f;b&gt;") && !lines[1].contains("<script") && lines[1].contains("default-src 'none'"), "{}", lines[1]);
    assert!(lines[1].contains(&format!("recordings/{session}.skr")) || lines[1].contains(&format!("recordings&#x2f;{session}.skr")), "{}", lines[1]);
    // A checkpoint that was not handed in cannot be joined.
    let unjoined = taken(store, &ward.planner, &ask(EvidenceScope::Session { session: session.clone() })).await.unwrap();
    assert_eq!(judged(store, &opened(&unjoined), &[early]).findings[0].code, "outside-unjoined");

    // The plan: both sessions under it are none of the other plan's.
    let facts = ward.facts("entered").await;
    let plan_of = |wanted: &str| facts.iter().find_map(|entry| if let Fact::Entered { session, plan, .. } = &entry.fact { (session.as_str() == wanted).then(|| plan.clone()) } else { None }).unwrap();
    let plan: PlanId = plan_of(session.as_str());
    let zip = taken(store, &ward.planner, &ask(EvidenceScope::Plan { plan: plan.clone() })).await.unwrap();
    let files = opened(&zip);
    let verdict = judged(store, &files, &[]);
    assert!(verdict.ok && verdict.recordings == 1 && verdict.approvals == 2, "{verdict}");
    let page = text(&files, &format!("plans/{plan}.html"));
    assert!(page.contains("作業計画書") && page.contains("DB定期保守") && page.contains("SHA-256") && !page.contains("<script") && !page.contains("src="), "{page}");

    // Who took what, and the digest of what left.
    let signed = ward.facts("evidence_signed").await;
    let of = |entry: &facts::Entry| if let Fact::EvidenceSigned { taken, manifest, .. } = &entry.fact { (*taken, manifest.clone()) } else { panic!() };
    let wishes = ward.facts("evidence_taken").await;
    assert_eq!((wishes.len(), signed.len()), (4, 4));
    let (at, manifest) = signed.iter().map(of).max().unwrap();
    assert_eq!(manifest, Digest::of(&files.read("manifest.json").unwrap().unwrap()).to_string());
    assert!(wishes.iter().any(|entry| entry.seq == at && entry.actor.login == ward.planner.login && matches!(&entry.fact, Fact::EvidenceTaken { reason, .. } if reason.contains("弁護士"))));
}

async fn a_period_is_whole_at_its_edges_and_bounded(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    ward.clock.pass(Duration::from_secs(60));
    let from = store.now();
    let admission = entered(&ward).await;
    ward.left(admission, Cause::Closed).await;
    ward.clock.pass(Duration::from_secs(60));
    let until = store.now();
    ward.clock.pass(Duration::from_secs(60));
    let late = entered(&ward).await;
    let late = ward.left(late, Cause::Closed).await;
    let period = |from: Timestamp, until: Timestamp| ask(EvidenceScope::Period { from, until });
    let files = opened(&taken(store, &ward.planner, &period(from, until)).await.unwrap());
    let verdict = judged(store, &files, &[]);
    assert!(verdict.ok && verdict.recordings == 1 && verdict.approvals == 2, "{verdict}");
    assert!(!text(&files, "log/entries.jsonl").contains(&format!("\"session\":\"{late}\",\"digest\"")));
    // Nothing at all happened in this minute, and that is shown, too.
    let quiet = opened(&taken(store, &ward.planner, &period(until, Timestamp(until.0 + 1000))).await.unwrap());
    let verdict = judged(store, &quiet, &[]);
    assert!(verdict.ok, "{verdict}");
    // Until now, with all that is there.
    let all = EvidenceAsk { all_entries: true, ..period(Timestamp(0), Timestamp(i64::MAX)) };
    let verdict = judged(store, &opened(&taken(store, &ward.planner, &all).await.unwrap()), &[]);
    assert!(verdict.ok && verdict.entries == verdict.size && verdict.recordings == 2, "{verdict}");
    assert_eq!(taken(store, &ward.planner, &period(until, from)).await.err(), Some(Refusal::bad_field("until")));
}

async fn nobody_takes_a_bundle_without_right_reason_and_place(base: Base) {
    let ward = Ward::over(base).await;
    let store = &ward.store;
    let admission = entered(&ward).await;
    let session = ward.left(admission, Cause::Closed).await;
    let one = ask(EvidenceScope::Session { session: session.clone() });
    for actor in [&ward.operator, &ward.clerk, &ward.worker_actor()] {
        assert_eq!(taken(store, actor, &one).await.err(), Some(Refusal::NotAllowed), "{}", actor.login);
    }
    let person = NewPerson { login: "anzen".into(), name: "安全".into(), roles: BTreeSet::from([Role::SafetyManager]), ..NewPerson::default() };
    let (person, _) = store.add_person(&Actor::console(), person).await.unwrap();
    let safety = Actor::of(&person, Via::Web, None);
    assert!(taken(store, &safety, &one).await.is_ok());
    let long = ask(EvidenceScope::Period { from: Timestamp(0), until: Timestamp(i64::MAX) });
    assert_eq!(taken(store, &safety, &long).await.err(), Some(Refusal::NotAllowed), "a long time is all entries by another name");
    assert_eq!(taken(store, &safety, &EvidenceAsk { all_entries: true, ..one.clone() }).await.err(), Some(Refusal::NotAllowed));
    assert_eq!(ward.facts("refused").await.iter().filter(|entry| entry.actor.login == "anzen").count(), 2);
    assert_eq!(taken(store, &ward.planner, &EvidenceAsk { reason: "  ".into(), ..one.clone() }).await.err(), Some(Refusal::ReasonNeeded));
    assert_eq!(taken(store, &ward.planner, &EvidenceAsk { outside: "hello".into(), ..one.clone() }).await.err(), Some(Refusal::bad_field("outside")));
    let nowhere = ask(EvidenceScope::Session { session: sekisho_core::ids::SessionId::parse("ses-aaaaaaaaaaaaaaaa").unwrap() });
    assert_eq!(taken(store, &ward.planner, &nowhere).await.err(), Some(Refusal::NotFound));
    // Two at once, and the third waits for its turn outside.
    let held = [store.take_evidence(&ward.planner, &one).await.unwrap(), store.take_evidence(&ward.planner, &one).await.unwrap()];
    assert_eq!(taken(store, &ward.planner, &one).await.err(), Some(Refusal::too_many("EVIDENCE_AT_ONCE")));
    drop(held);
    assert!(taken(store, &ward.planner, &one).await.is_ok());
}

/// Whoever can write to the database chooses nothing: what is in scope is what the signed entries say.
#[tokio::test]
async fn columns_of_the_database_leave_nothing_out() {
    let ward = Ward::over(Base::postgres()).await;
    let admission = entered(&ward).await;
    shell(&admission);
    let session = ward.left(admission, Cause::Closed).await;
    let one = ask(EvidenceScope::Session { session: session.clone() });
    let honest = opened(&taken(&ward.store, &ward.planner, &one).await.unwrap());
    ward.db().sql("UPDATE log SET session = NULL, plan = NULL, kind = 'login' WHERE kind IN ('entered', 'left', 'dialled', 'plan_acted')");
    let files = opened(&taken(&ward.store, &ward.planner, &one).await.unwrap());
    let (before, after) = (kinds(&honest), kinds(&files));
    assert_eq!(before, after[..before.len()], "entries went missing");
    assert!(judged(&ward.store, &files, &[]).ok);
    // A session that is put under another plan in its row is a fault, and no bundle with half of its entries.
    ward.approved(ward.content()).await;
    ward.db().sql("UPDATE sessions SET plan = (SELECT id FROM plans WHERE id <> sessions.plan LIMIT 1)");
    assert_eq!(taken(&ward.store, &ward.planner, &one).await.err(), Some(Refusal::Fault));
}
