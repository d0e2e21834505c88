use super::*;
use crate::alarm::Thresholds;
use crate::desk::Cause;
use crate::ids::TargetId;
use crate::people::Via;
use crate::policy::Policy;

fn vendor(n: u8) -> VendorId {
    VendorId::from_random([n; 10])
}

fn worker(n: u8, of: u8) -> Actor {
    Actor { person: Some(PersonId::from_random([n; 10])), login: format!("w{n}"), name: format!("人{n}"), vendor: Some(vendor(of)), via: Via::Ssh, ..Actor::system() }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_local(text).unwrap()
}

fn plan(n: u8) -> PlanId {
    PlanId::from_random([n; 10])
}

/// Entries of a small story: vendor 1 works under its plan across the end of September, vendor 2 by day in October.
fn story() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut tell = |actor: Actor, when: &str, fact: Fact| entries.push(Entry { seq: entries.len() as u64, at: at(when), actor, fact });
    let acted = |n: u8, from: PlanState, to: PlanState| Fact::PlanActed { plan: plan(n), number: format!("2026-000{n}"), act: String::new(), from, to, revision: 1, digest: String::new(), signature: String::new(), remark: String::new() };
    let entered = |n: u8, of: u8| Fact::Entered {
        session: SessionId::from_random([n; 10]),
        plan: plan(of),
        target: TargetId::from_random([1; 10]),
        target_name: format!("server-{of}"),
        username: "root".into(),
        recording_header_digest: String::new(),
        line: None,
        line_name: String::new(),
        device: None,
        device_name: String::new(),
        device_proof: String::new(),
        deviation: String::new(),
    };
    let left = |n: u8| Fact::Left { session: SessionId::from_random([n; 10]), cause: Cause::WorkerGone, digest: String::new(), bytes: 1 };
    for n in [1, 2] {
        tell(worker(n, n), "2026-09-29T10:00", Fact::PlanDrawn { plan: plan(n), number: format!("2026-000{n}"), vendor: vendor(n) });
    }
    tell(worker(1, 1), "2026-09-29T10:00", acted(1, PlanState::Draft, PlanState::Submitted));
    tell(Actor::system(), "2026-09-29T11:00", acted(1, PlanState::Submitted, PlanState::Emergency));
    tell(worker(1, 1), "2026-09-30T23:00", entered(1, 1));
    tell(worker(1, 1), "2026-10-01T01:30", left(1));
    tell(Actor::system(), "2026-10-01T01:31", acted(1, PlanState::Emergency, PlanState::Reconcile));
    tell(worker(2, 2), "2026-10-05T10:00", acted(2, PlanState::Draft, PlanState::Submitted));
    tell(Actor::system(), "2026-10-06T10:00", entered(2, 2));
    entries.last_mut().unwrap().actor = worker(2, 2);
    let mut tell = |actor: Actor, when: &str, fact: Fact| entries.push(Entry { seq: entries.len() as u64, at: at(when), actor, fact });
    tell(worker(2, 2), "2026-10-06T10:30", Fact::ViewBegan { session: SessionId::from_random([2; 10]), mode: ViewMode::Live });
    tell(worker(2, 2), "2026-10-06T11:00", left(2));
    tell(Actor::system(), "2026-10-06T12:00", Fact::Reconciled { plan: plan(2), rows: 5, differences: 3, digest: String::new() });
    tell(Actor::system(), "2026-10-06T13:00", Fact::Reconciled { plan: plan(2), rows: 5, differences: 2, digest: String::new() });
    tell(worker(2, 2), "2026-10-07T12:00", Fact::Refused { stage: "login".into(), login: "w2".into(), code: "SKS-1001".into(), detail: String::new() });
    tell(worker(2, 2), "2026-10-31T23:30", entered(3, 2));
    entries
}

fn count(kind: SpanKind, text: &str, of: Option<VendorId>) -> Content {
    count_of(&story(), kind, text, of)
}

fn count_of(entries: &[Entry], kind: SpanKind, text: &str, of: Option<VendorId>) -> Content {
    let span = Span::parse(kind, text).unwrap();
    let mut before = Before::default();
    entries.iter().filter(|entry| entry.at < span.from).for_each(|entry| before.take(entry));
    let mut counter = Counter::new(kind, span, of, Thresholds::of(&Policy::default()), before);
    entries.iter().filter(|entry| span.holds(entry.at)).for_each(|entry| counter.take(entry));
    counter.finish()
}

#[test]
fn a_session_across_midnight_counts_in_each_month_for_its_own_time() {
    let (september, october) = (count(SpanKind::Month, "2026-09", None), count(SpanKind::Month, "2026-10", None));
    assert_eq!((september.numbers.sessions, september.numbers.minutes()), (1, 60));
    // An hour and a half of the night, an hour by day, and half an hour that runs on.
    assert_eq!((october.numbers.sessions, october.numbers.minutes()), (2, 180));
    assert_eq!((october.numbers.outside, october.numbers.watched, october.numbers.workers), (1, 1, 1));
    let year = count(SpanKind::FiscalYear, "FY2026", None);
    assert!(year.numbers.minutes() > 240, "what runs counts to the end of the span");
    assert_eq!((year.parts.len(), year.parts[0].name.as_str(), year.parts[6].sessions), (12, "2026-04", 2));
    assert_eq!((october.parts.len(), october.parts[5].name.as_str(), october.parts[5].sessions), (31, "2026-10-06", 1));
}

#[test]
fn what_a_session_across_midnight_took_out_counts_once_in_the_month_in_which_it_went() {
    let file = |bytes: u64| crate::reconcile::FileSeen { at_ms: 0, op: "get".into(), path: "/a".into(), bytes, sha256: None, ok: true, kept: None };
    let mut entries = story();
    for (n, when, bytes) in [(0, "2026-09-30T23:30", 10), (1, "2026-10-01T01:00", 7)] {
        let place = entries.iter().position(|entry| entry.at > at(when)).unwrap();
        entries.insert(place, Entry { seq: 90 + n, at: at(when), actor: worker(1, 1), fact: Fact::FileMoved { session: SessionId::from_random([1; 10]), file: file(bytes) } });
    }
    let out = |text: &str| {
        let numbers = count_of(&entries, SpanKind::Month, text, None).numbers;
        (numbers.files_out, numbers.bytes_out)
    };
    assert_eq!((out("2026-09"), out("2026-10")), ((1, 10), (1, 7)));
    assert_eq!(count_of(&entries, SpanKind::FiscalYear, "FY2026", None).numbers.bytes_out, 17);
}

#[test]
fn a_vendor_reads_of_its_own_work_alone() {
    let (one, two) = (count(SpanKind::Month, "2026-10", Some(vendor(1))), count(SpanKind::Month, "2026-10", Some(vendor(2))));
    assert_eq!((one.numbers.sessions, one.numbers.minutes(), one.numbers.refused, one.numbers.differences), (0, 90, 0, 0));
    assert_eq!((two.numbers.sessions, two.numbers.minutes(), two.numbers.refused, two.numbers.differences), (2, 90, 1, 3));
    assert_eq!(one.jobs.iter().map(|job| job.number.as_str()).collect::<Vec<_>>(), ["2026-0001"]);
    assert!(one.vendors.is_empty() && two.targets.iter().all(|row| row.key == "server-2"));
    let nobody = count(SpanKind::Month, "2026-10", Some(vendor(9)));
    assert!(Counter::is_empty(&nobody));
}

#[test]
fn the_comparison_that_found_most_counts_and_open_jobs_stand_at_the_end_of_the_span() {
    let october = count(SpanKind::Month, "2026-10", None);
    assert_eq!((october.numbers.compared, october.numbers.different, october.numbers.differences), (1, 1, 3));
    let open: Vec<(&str, PlanState, bool)> = october.jobs.iter().filter(|job| job.is_open()).map(|job| (job.number.as_str(), job.state, job.emergency)).collect();
    assert_eq!(open, [("2026-0001", PlanState::Reconcile, true), ("2026-0002", PlanState::Submitted, false)]);
    assert_eq!(count(SpanKind::Month, "2026-09", None).numbers.emergencies, 1);
}

#[test]
fn equal_entries_give_equal_content() {
    assert_eq!(count(SpanKind::Month, "2026-10", None), count(SpanKind::Month, "2026-10", None));
}

#[test]
fn the_planner_takes_note_of_the_hospitals_and_a_manager_of_the_own() {
    let report = |of: Option<u8>| PeriodReport {
        id: PeriodReportId::from_random([1; 10]),
        number: "2026-10-H".into(),
        edition: 1,
        kind: SpanKind::Month,
        span: Span::parse(SpanKind::Month, "2026-10").unwrap(),
        vendor: of.map(vendor),
        vendor_name: String::new(),
        issued_at: at("2026-11-01T00:05"),
        reason: String::new(),
        counted: Counted { first: 0, end: 1, size: 2, root: String::new(), note: String::new() },
        content: Content::default(),
        before: None,
        digest: String::new(),
        due: at("2026-11-09T17:15"),
        taken: None,
    };
    let holder = |role, of: Option<u8>| Actor { roles: BTreeSet::from([role]), vendor: of.map(vendor), ..worker(7, 1) };
    let now = at("2026-11-02T09:00");
    assert_eq!(report(None).take_note(&holder(Role::Operator, None), "", now), Err(Refusal::NotAllowed));
    assert_eq!(report(Some(1)).take_note(&holder(Role::Planner, None), "", now), Err(Refusal::NotAllowed));
    assert_eq!(report(Some(1)).take_note(&holder(Role::VendorManager, Some(2)), "", now), Err(Refusal::NotAllowed));
    assert_eq!(report(Some(1)).take_note(&holder(Role::VendorManager, Some(1)), "", now), Ok(()));
    let mut hospital = report(None);
    let bytes = hospital.issued_bytes();
    assert_eq!(hospital.take_note(&holder(Role::Planner, None), "", now), Ok(()));
    assert_eq!(hospital.take_note(&holder(Role::Planner, None), "", now), Err(Refusal::ReportTaken));
    assert_eq!(hospital.issued_bytes(), bytes, "who read it changes nothing in it");
}
