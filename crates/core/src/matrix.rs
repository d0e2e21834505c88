//! The decision matrices as texts that a person can read. A change of a rule changes a text, in the commit that does it.

use crate::authorize::{Case, Principal, authorize};
use crate::device::{Device, DeviceCheck, DeviceContent, DeviceProof};
use crate::ids::{AccountId, DeviceId, LineId, PersonId, PlanId, TargetId, VendorId};
use crate::line::{Hours, Line, LineClass, LineContent};
use crate::people::{Actor, Person, Role, Vendor, Via};
use crate::plan::act::{Context, PlanAct, act};
use crate::plan::approval::{Approval, Slot};
use crate::plan::content::{PersonalDataUse, PlanContent, TargetUse};
use crate::plan::state::PlanState;
use crate::plan::{AfterFact, Emergency, Mark, Plan, Report, ReportContent};
use crate::policy::{DeviceRule, Policy};
use crate::reconcile::{Decision, Finding, Item, Verdict};
use crate::refusal::Refusal;
use crate::source::Network;
use crate::target::{Account, CredentialKind, Function, Protocol, Target};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;

mod guards;

const DIGEST: &str = "d1";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_local(text).unwrap()
}

fn now() -> Timestamp {
    at("2026-11-24T14:00")
}

fn person(n: u8, role: Role, vendor: Option<&VendorId>) -> Person {
    Person {
        id: PersonId::from_random([n; 10]),
        login: format!("{}{n}", role.as_str().replace('_', "-")),
        name: format!("{} {n}", role.ja()),
        vendor: vendor.cloned(),
        department: String::new(),
        mail: String::new(),
        phone: String::new(),
        roles: BTreeSet::from([role]),
        active: true,
        valid_until: None,
        pledged_until: Some("2027-03-31".into()),
        trained_until: Some("2027-03-31".into()),
        robot: None, emergency: false,
    }
}

/// A small hospital: every role once, a vendor with two workers, another vendor, one target, one plan.
struct World {
    vendor: Vendor,
    other: Vendor,
    worker: Person,
    people: Vec<(&'static str, Person)>,
    target: Target,
    account: Account,
    lines: Vec<Line>,
    device: Device,
    plan: Plan,
    policy: Policy,
    openers: Vec<String>,
}

fn line(vendor: &VendorId) -> Line {
    let content = LineContent {
        name: "本社 VPN".into(),
        class: LineClass::IpVpn,
        addresses: vec![Network::parse("192.0.2.0/24").unwrap()],
        destinations_limited: true,
        route_managed: true,
        ..LineContent::default()
    };
    Line { id: LineId::from_random([50; 10]), vendor: vendor.clone(), content, active: true }
}

fn device(vendor: &VendorId) -> Device {
    let check = DeviceCheck { on: "2026-11-01".into(), until: "2027-03-31".into(), by: "点検者".into(), protection: true, updates: true, usb_restricted: true };
    let content = DeviceContent { name: "NOTE-01".into(), addresses: vec!["192.0.2.7".parse().unwrap()], check: Some(check), ..DeviceContent::default() };
    Device { id: DeviceId::from_random([51; 10]), vendor: vendor.clone(), content, active: true, lost_at: None, lost_by: None }
}

fn vendor(n: u8) -> Vendor {
    Vendor {
        id: VendorId::from_random([n; 10]),
        name: format!("事業者{n}"),
        subcontractor_of: None,
        contact: String::new(),
        contract_until: Some(at("2027-04-01T00:00")),
        active: true,
        subcontract: None,
    }
}

fn world() -> World {
    let (own, other) = (vendor(1), vendor(2));
    let worker = person(10, Role::Worker, Some(&own.id));
    let people = vec![
        ("the applicant", worker.clone()),
        ("a worker of the same vendor", person(11, Role::Worker, Some(&own.id))),
        ("the vendor's manager", person(12, Role::VendorManager, Some(&own.id))),
        ("a worker of another vendor", person(13, Role::Worker, Some(&other.id))),
        ("duty clerk", person(20, Role::DutyClerk, None)),
        ("operator", person(21, Role::Operator, None)),
        ("supervisor", person(22, Role::Supervisor, None)),
        ("planner", person(23, Role::Planner, None)),
        ("safety manager", person(24, Role::SafetyManager, None)),
        ("auditor", person(25, Role::Auditor, None)),
        ("administrator", person(26, Role::Administrator, None)),
    ];
    let target = Target {
        id: TargetId::from_random([30; 10]),
        name: "ehr-db01".into(),
        title: "電子カルテ DB".into(),
        protocol: Protocol::Ssh,
        host: "10.0.0.5".into(),
        port: 22,
        owner: "医事課".into(),
        vendor: own.id.clone(),
        host_keys: vec!["ssh-ed25519 AAAA".into()],
        personal_data: true,
        class: crate::target::TargetClass::default(),
        witness: crate::target::Witness::None,
        quarantine: crate::target::Quarantine::Never,
        logs: crate::target::TargetLogs::default(),
        active: true,
        host_key_alarm: None,
    };
    let account = Account {
        id: AccountId::from_random([31; 10]),
        target: target.id.clone(),
        username: "maint".into(),
        privileged: false,
        credential: CredentialKind::PrivateKey,
    };
    let content = PlanContent {
        title: "月次点検".into(),
        purpose: "定期保守".into(),
        targets: vec![TargetUse { target: target.id.clone(), account: account.id.clone(), functions: BTreeSet::from([Function::Shell]), files: BTreeSet::new(), limits: Default::default(), forwards: Vec::new(), key_window: false }],
        workers: vec![worker.id.clone()],
        from: at("2026-11-24T13:00"),
        until: at("2026-11-24T17:00"),
        steps: "点検".into(),
        impact: "なし".into(),
        rollback: "なし".into(),
        contact: "03-0000-0000".into(),
        ..PlanContent::default()
    };
    let plan = Plan {
        revision: 1,
        content,
        ..Plan::blank(PlanId::from_random([40; 10]), "2026-0001".into(), own.id.clone(), worker.id.clone(), at("2026-11-17T09:00"))
    };
    World { lines: vec![line(&own.id)], device: device(&own.id), vendor: own, other, worker, people, target, account, plan, policy: Policy::default(), openers: Vec::new() }
}

impl World {
    fn actor(&self, who: &str) -> Actor {
        let (_, person) = self.people.iter().find(|(name, _)| *name == who).unwrap();
        Actor::of(person, Via::Web, None)
    }

    fn does(&self, plan: &Plan, what: &PlanAct, by: &Actor, when: Timestamp) -> Result<Plan, Refusal> {
        let workers: Vec<Person> = self.people.iter().map(|(_, person)| person.clone()).collect();
        let context = Context {
            diary: &[],
            policy: &self.policy,
            digest: DIGEST.into(),
            workers: &workers,
            targets: &[(self.target.id.clone(), self.target.name.clone(), self.target.vendor.clone())],
            principals: std::slice::from_ref(&self.vendor.id),
            subcontractors: &[],
            privileged: self.account.is_privileged(),
            vendor_active: true,
            session_running: false,
            openers: &self.openers,
            findings: Vec::new(),
        };
        act(plan, what, by, when, &context)
    }

    fn approved(&self) -> Plan {
        let mut plan = self.plan.clone();
        plan.state = PlanState::Approved;
        for (slot, who) in [(Slot::Technical, 5), (Slot::Final, 7)] {
            let by = &self.people[who].1;
            plan.approvals.push(Approval { slot, by: by.id.clone(), name: by.name.clone(), at: now(), digest: DIGEST.into(), signature: String::new() });
        }
        plan
    }

    /// A plan in a given state, with what such a plan has behind it.
    fn plan_in(&self, state: PlanState) -> Plan {
        let mut plan = if matches!(state, PlanState::Draft | PlanState::Submitted | PlanState::Returned) { self.plan.clone() } else { self.approved() };
        plan.state = state;
        let mark = Mark { by: self.worker.id.clone(), name: "w".into(), at: now() };
        if state == PlanState::Confirm {
            let content = ReportContent { result: "正常".into(), ..ReportContent::default() };
            plan.report = Some(Report { content, written: mark, countersigned: None });
        }
        if matches!(state, PlanState::Reconcile | PlanState::Aborted) {
            plan.findings = vec![difference()];
        }
        plan
    }
}

fn difference() -> Finding {
    Finding {
        item: Item::Command,
        verdict: Verdict::NotPlanned,
        planned: String::new(),
        actual: "rm -rf /tmp/x".into(),
        session: None,
        at_ms: None,
        reason: String::new(),
        decision: None,
        decided: None,
    }
}

fn acts() -> Vec<PlanAct> {
    let reason = || "理由".to_owned();
    vec![
        PlanAct::Submit,
        PlanAct::Approve { digest: DIGEST.into() },
        PlanAct::Return { reason: reason() },
        PlanAct::Reject { reason: reason() },
        PlanAct::Withdraw { reason: reason() },
        PlanAct::AllowEmergency { hours: 2 },
        PlanAct::DecideAfterFact { approved: true, reason: String::new() },
        PlanAct::AskExtension { until: at("2026-11-24T18:00"), reason: reason() },
        PlanAct::NoteChange { text: "手順3を追加".into() },
        PlanAct::FinishWork,
        PlanAct::ExplainFinding { index: 0, reason: reason() },
        PlanAct::DecideFinding { index: 0, decision: Decision::NoProblem, reason: reason() },
        PlanAct::FinishReconcile,
        PlanAct::SubmitReport { content: Box::new(ReportContent { result: "正常".into(), ..ReportContent::default() }) },
        PlanAct::Countersign,
        PlanAct::ReturnReport { reason: reason() },
        PlanAct::Confirm,
    ]
}

#[test]
fn who_may_do_what_to_a_plan_in_which_state_is_the_golden_text() {
    let world = world();
    let mut text = String::from("# state | act, and below it each outcome with the persons who meet it\n");
    for state in PlanState::ALL {
        for what in acts() {
            let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
            for (who, person) in &world.people {
                let actor = Actor::of(person, Via::Web, None);
                let outcome = match world.does(&world.plan_in(state), &what, &actor, now()) {
                    Ok(next) => format!("-> {}", next.state.as_str()),
                    Err(refusal) => refusal.code().to_owned(),
                };
                match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, people)) => people.push(who),
                    None => outcomes.push((outcome, vec![who])),
                }
            }
            text.push_str(&format!("{} | {}\n", state.as_str(), what.name()));
            for (outcome, people) in outcomes {
                text.push_str(&format!("    {outcome}: {}\n", people.join(", ")));
            }
        }
    }
    assert_eq!(text, include_str!("../golden/plan-acts.txt"), "\n{text}");
}

#[test]
fn what_keeps_a_worker_out_is_the_golden_text() {
    let mut text = String::new();
    let table = crate::country::read(&[b"192.0.2.0/29,JP\n192.0.2.8/29,US\n".as_slice()]).unwrap().table;
    let mut line = |what: &str, change: &dyn Fn(&mut World), when: Timestamp, source: &str| {
        let mut world = world();
        world.plan = world.approved();
        change(&mut world);
        let source: IpAddr = source.parse().unwrap();
        // The test's word for a connection that holds a certificate: the device's own serial number.
        let device = world.device.id.clone();
        let proof = match world.device.content.serial.as_str() {
            "" => DeviceProof::Address { device },
            serial => DeviceProof::Certificate { device, serial: serial.to_owned() },
        };
        let proof = Some(proof).filter(|_| world.device.is_at(source) || !world.device.content.serial.is_empty());
        let principal = Principal::assertion(PersonId::from_random([10; 10]), "worker10".into(), source, None, proof);
        let case = Case {
            rules: &[],
            lines: &world.lines,
            place: crate::country::Place::of(Some(&table), source),
            device: Some(&world.device),
            person: &world.worker,
            vendor: &world.vendor,
            plan_vendor: &world.vendor,
            target: &world.target,
            account: Some(&world.account),
            plan: &world.plan,
            digest: if world.other.active { DIGEST } else { "d2" },
            signatures_hold: world.other.contract_until.is_some(),
            policy: &world.policy,
            now: when,
        };
        let outcome = match authorize(&principal, &case) {
            Ok(grant) => match grant.road.deviation {
                None => format!("granted until {}", grant.until.minute()),
                Some(deviation) => format!("granted until {}, marked {}", grant.until.minute(), deviation.code()),
            },
            Err(refusal) => format!("{} {}", refusal.code(), refusal.words().en),
        };
        text.push_str(&format!("{what}: {outcome}\n"));
    };
    let (inside, home) = (now(), "192.0.2.7");
    line("everything in order", &|_| {}, inside, home);
    line("one minute before the window", &|_| {}, at("2026-11-24T12:59"), home);
    line("at the first moment of the window", &|_| {}, at("2026-11-24T13:00"), home);
    line("at the last moment of the window", &|_| {}, at("2026-11-24T17:00"), home);
    line("after the window, extended by an hour", &|w| w.plan.extended_until = Some(at("2026-11-24T18:00")), at("2026-11-24T17:30"), home);
    line("from an unregistered source", &|_| {}, inside, "198.51.100.7");
    line("from a registered source that the plan excludes", &|w| w.plan.content.sources = vec![Network::parse("192.0.2.128/25").unwrap()], inside, home);
    line("a vendor without registered lines", &|w| w.lines.clear(), inside, home);
    line("the line has been ended", &|w| w.lines[0].active = false, inside, home);
    line("the line is not valid yet", &|w| w.lines[0].content.valid_from = Some(at("2026-12-01T00:00")), inside, home);
    line("the line is not valid any more", &|w| w.lines[0].content.valid_until = Some(now()), inside, home);
    line("the line is another vendor's", &|w| w.lines[0].vendor = w.other.id.clone(), inside, home);
    line("the line rests at this time", &|w| w.lines[0].content.times = vec![Hours::parse("* 18:00-22:00").unwrap()], inside, home);
    let from_japan = |w: &mut World| w.lines[0].content.countries = BTreeSet::from([crate::country::Country::parse("JP").unwrap()]);
    line("the line allows the country of the source", &from_japan, inside, home);
    line("the line does not allow the country of the source", &from_japan, inside, "192.0.2.8");
    line("the line allows countries, and the table does not name the source", &from_japan, inside, "192.0.2.77");
    line("the line may be used until 15:00", &|w| w.lines[0].content.times = vec![Hours::parse("tue 09:00-15:00").unwrap()], inside, home);
    line("from another address of the closed line, without certificate", &|_| {}, inside, "192.0.2.8");
    line("from another address of the closed line, with certificate", &certified, inside, "192.0.2.8");
    line("the device shows its address, and policy asks for certificates", &|w| w.policy.device_by_address = false, inside, home);
    line("the device shows its certificate, and policy asks for certificates", &|w| { certified(w); w.policy.device_by_address = false; }, inside, home);
    for class in LineClass::ALL {
        line(&format!("over {}, the device shows its address", class.as_str()), &|w| w.lines[0].content.class = class, inside, home);
        line(&format!("over {}, the device shows its certificate", class.as_str()), &|w| { certified(w); w.lines[0].content.class = class; }, inside, home);
    }
    line("over a closed class whose route nobody manages, by address", &|w| w.lines[0].content.route_managed = false, inside, home);
    line("the device is lost", &|w| w.device.lost_at = Some(now()), inside, home);
    line("the device is out of service", &|w| w.device.active = false, inside, home);
    line("the device is another vendor's", &|w| w.device.vendor = w.other.id.clone(), inside, home);
    line("the device is for somebody else", &|w| w.device.content.persons = vec![PersonId::from_random([11; 10])], inside, home);
    line("the device is for this worker", &|w| w.device.content.persons = vec![w.worker.id.clone()], inside, home);
    line("the device was never checked", &|w| w.device.content.check = None, inside, home);
    line("the device's check has run out", &|w| checked(w, |check| check.until = "2026-11-23".into()), inside, home);
    line("the device's check holds today", &|w| checked(w, |check| check.until = "2026-11-24".into()), inside, home);
    line("the device's check found USB open", &|w| checked(w, |check| check.usb_restricted = false), inside, home);
    line("observed: from an unknown device", &observed, inside, "192.0.2.8");
    line("observed: over an undeclared line, by address", &|w| { observed(w); w.lines[0].content.class = LineClass::Undeclared; }, inside, home);
    line("observed: the device was never checked", &|w| { observed(w); w.device.content.check = None; }, inside, home);
    line("observed: the device is lost", &|w| { observed(w); w.device.lost_at = Some(now()); }, inside, home);
    line("observed: from an unregistered source", &observed, inside, "198.51.100.7");
    line("a worker whom the plan does not list", &|w| w.plan.content.workers = vec![PersonId::from_random([11; 10])], inside, home);
    line("a target that the plan does not list", &|w| w.target.id = TargetId::from_random([99; 10]), inside, home);
    line("another account than the plan's", &|w| w.account.id = AccountId::from_random([99; 10]), inside, home);
    line("the worker is disabled", &|w| w.worker.active = false, inside, home);
    line("the worker's time has ended", &|w| w.worker.valid_until = Some(now()), inside, home);
    line("the worker's pledge has ended", &|w| w.worker.pledged_until = Some("2026-11-23".into()), inside, home);
    line("the worker was never trained", &|w| w.worker.trained_until = None, inside, home);
    line("the person is no worker", &|w| w.worker.roles = BTreeSet::from([Role::VendorManager]), inside, home);
    line("the vendor is disabled", &|w| w.vendor.active = false, inside, home);
    line("the contract has ended", &|w| w.vendor.contract_until = Some(now()), inside, home);
    line("no host key is pinned", &|w| w.target.host_keys.clear(), inside, home);
    line("the target is out of service", &|w| w.target.active = false, inside, home);
    let alarm = crate::target::HostKeyAlarm { seen: "SHA256:x".into(), at: inside, session: None };
    line("the target has shown another host key", &|w| w.target.host_key_alarm = Some(alarm.clone()), inside, home);
    line("the technical approval is missing", &|w| w.plan.approvals.truncate(1), inside, home);
    line("the content changed after approval", &|w| w.other.active = false, inside, home);
    line("a signature does not verify", &|w| w.other.contract_until = None, inside, home);
    for state in PlanState::ALL {
        line(&format!("the plan is {}", state.as_str()), &|w| w.plan.state = state, inside, home);
    }
    line("an emergency that nobody allowed", &|w| emergency(w, false), inside, home);
    line("an emergency that was allowed", &|w| emergency(w, true), inside, home);
    line("an emergency whose window has closed", &|w| emergency(w, true), at("2026-11-24T16:00"), home);
    line("an emergency that was not approved after the fact", &disapproved, inside, home);
    assert_eq!(text, include_str!("../golden/authorize.txt"), "\n{text}");
}

fn certified(world: &mut World) {
    world.device.content.serial = "0a1b".into();
}

fn observed(world: &mut World) {
    world.policy.devices = DeviceRule::Observed;
}

fn checked(world: &mut World, change: impl Fn(&mut DeviceCheck)) {
    change(world.device.content.check.as_mut().unwrap());
}

fn emergency(world: &mut World, allowed: bool) {
    world.plan.approvals.clear();
    world.plan.content.emergency_reason = Some("停止".into());
    world.plan.state = PlanState::Emergency;
    let mark = Mark { by: PersonId::from_random([20; 10]), name: "当直".into(), at: at("2026-11-24T13:30") };
    world.plan.emergency = allowed.then(|| Emergency { allowed: mark, until: at("2026-11-24T15:30"), decide_by: at("2026-11-25T17:15"), decision: None });
}

fn disapproved(world: &mut World) {
    emergency(world, true);
    if let Some(emergency) = &mut world.plan.emergency {
        let mark = Mark { by: PersonId::from_random([21; 10]), name: "企画".into(), at: at("2026-11-24T13:50") };
        emergency.decision = Some(AfterFact { mark, approved: false, reason: "不要".into() });
    }
}

#[test]
fn a_whole_job_goes_from_draft_to_closed() {
    let world = world();
    let step = |plan: &Plan, what: PlanAct, who: &str| world.does(plan, &what, &world.actor(who), now()).unwrap();
    let approve = || PlanAct::Approve { digest: DIGEST.into() };
    let mut plan = step(&world.plan, PlanAct::Submit, "the applicant");
    plan = step(&plan, approve(), "operator");
    assert_eq!(plan.state, PlanState::Submitted);
    plan = step(&plan, approve(), "planner");
    assert_eq!(plan.state, PlanState::Approved);
    crate::plan::act::began(&mut plan, crate::ids::SessionId::from_random([1; 10]));
    plan = step(&plan, PlanAct::FinishWork, "the applicant");
    assert_eq!(plan.state, PlanState::Reconcile);
    plan = step(&plan, PlanAct::FinishReconcile, "operator");
    let report = ReportContent { result: "正常終了".into(), personal_data_used: true, personal_data_detail: "患者1名の氏名".into(), ..ReportContent::default() };
    plan = step(&plan, PlanAct::SubmitReport { content: Box::new(report) }, "the applicant");
    // Personal data was used without being planned: the planner decides on that difference before confirming.
    assert_eq!(world.does(&plan, &PlanAct::Confirm, &world.actor("planner"), now()), Err(Refusal::FindingsOpen));
    let index = plan.findings.iter().position(Finding::is_open).unwrap();
    plan = step(&plan, PlanAct::DecideFinding { index, decision: Decision::Correct, reason: "次回は申請する".into() }, "planner");
    plan = step(&plan, PlanAct::Countersign, "the vendor's manager");
    plan = step(&plan, PlanAct::Confirm, "planner");
    assert_eq!(plan.state, PlanState::Closed);
    assert_eq!(plan.trail.len() as u64, plan.version - 1);
}

#[test]
fn the_trail_tells_how_a_decision_went() {
    let world = world();
    let wish = PlanAct::AskExtension { until: at("2026-11-24T18:00"), reason: "確認に時間がかかる".into() };
    let asked = world.does(&world.approved(), &wish, &world.actor("the applicant"), now()).unwrap();
    for (allowed, told) in [(true, "許可 (終了 2026-11-24 18:00)"), (false, "不許可")] {
        let plan = world.does(&asked, &PlanAct::DecideExtension { allowed }, &world.actor("operator"), now()).unwrap();
        assert!(plan.trail.last().unwrap().remark.starts_with(told), "{:?}", plan.trail.last());
    }
}

#[test]
fn a_change_after_approval_voids_it() {
    let world = world();
    let mut content = world.plan.content.clone();
    content.steps = "別の手順".into();
    let plan = world.does(&world.approved(), &PlanAct::Edit { content: Box::new(content) }, &world.actor("the applicant"), now()).unwrap();
    assert_eq!((plan.state, plan.approvals.len(), plan.revision), (PlanState::Submitted, 0, 2));
}

#[test]
fn several_changes_in_a_row_hide_nothing_from_who_approves() {
    let world = world();
    let vendor = world.actor("the applicant");
    let edit = |plan: &Plan, steps: &str| {
        let content = PlanContent { steps: steps.into(), ..plan.content.clone() };
        world.does(plan, &PlanAct::Edit { content: Box::new(content) }, &vendor, now()).unwrap()
    };
    let before = |plan: &Plan| plan.before.as_ref().map(|edition| (edition.revision, edition.content.steps.clone()));
    let first = world.approved();
    let known = first.content.steps.clone();
    let twice = edit(&edit(&first, "二"), "三");
    assert_eq!(before(&twice), Some((first.revision, known)), "the edition that was approved, not the one between");
    // What was approved once more, or given back, is what the next change is compared with.
    let checked = world.does(&twice, &PlanAct::Approve { digest: DIGEST.into() }, &world.actor("operator"), now()).unwrap();
    assert_eq!(before(&edit(&checked, "四")), Some((twice.revision, "三".into())));
    let given_back = world.does(&twice, &PlanAct::Return { reason: "直してください".into() }, &world.actor("operator"), now()).unwrap();
    assert_eq!(before(&edit(&edit(&given_back, "四"), "五")), Some((twice.revision, "三".into())));
    // Nobody has seen a draft.
    let mut draft = world.plan.clone();
    draft.state = PlanState::Draft;
    assert_eq!(before(&edit(&draft, "二")), None);
}

#[test]
fn personal_data_is_the_planners_alone_and_never_delegated() {
    let mut world = world();
    world.policy.delegated_classes = vec![world.plan.content.class];
    let mut plan = world.plan.clone();
    plan.state = PlanState::Submitted;
    let approve = PlanAct::Approve { digest: DIGEST.into() };
    let small = world.does(&plan, &approve, &world.actor("operator"), now()).unwrap();
    assert_eq!(small.state, PlanState::Approved, "a small plan of a delegated class needs the operator alone");
    plan.content.personal_data = Some(PersonalDataUse { whose: "外来患者".into(), why: "調査".into() });
    let checked = world.does(&plan, &approve, &world.actor("operator"), now()).unwrap();
    assert_eq!(checked.state, PlanState::Submitted);
    assert_eq!(world.does(&checked, &approve, &world.actor("operator"), now()), Err(Refusal::PlannerOnly));
}

#[test]
fn whoever_opened_the_emergency_does_not_review_it() {
    let mut world = world();
    emergency(&mut world, false);
    world.plan.state = PlanState::Submitted;
    let allowed = world.does(&world.plan, &PlanAct::AllowEmergency { hours: 2 }, &world.actor("planner"), now()).unwrap();
    assert_eq!(allowed.window().1, at("2026-11-24T16:00"));
    let decide = PlanAct::DecideAfterFact { approved: true, reason: String::new() };
    assert_eq!(world.does(&allowed, &decide, &world.actor("planner"), now()), Err(Refusal::AlreadyApproved));
    assert!(world.does(&allowed, &decide, &world.actor("safety manager"), now()).is_ok());
    // Allowed by an emergency account, it was allowed by those who opened that.
    let typed = world.actor("safety manager").name;
    world.openers = vec!["原 看護".into(), format!(" {typed}\u{3000}")];
    assert_eq!(world.does(&allowed, &decide, &world.actor("safety manager"), now()), Err(Refusal::SameHand));
}

#[test]
fn an_approval_of_what_was_not_shown_is_refused() {
    let world = world();
    let mut plan = world.plan.clone();
    plan.state = PlanState::Submitted;
    let stale = PlanAct::Approve { digest: "d0".into() };
    assert_eq!(world.does(&plan, &stale, &world.actor("operator"), now()), Err(Refusal::DigestChanged));
}

#[test]
fn an_operator_who_applied_for_a_vendor_decides_nothing_on_that_plan() {
    let world = world();
    let operator = world.actor("operator");
    let reason = || "理由".to_owned();
    for (state, what) in [
        (PlanState::Submitted, PlanAct::Return { reason: reason() }),
        (PlanState::Submitted, PlanAct::Reject { reason: reason() }),
        (PlanState::Reconcile, PlanAct::DecideFinding { index: 0, decision: Decision::NoProblem, reason: reason() }),
        (PlanState::Reconcile, PlanAct::FinishReconcile),
    ] {
        let mut plan = world.plan_in(state);
        plan.applicant = operator.person.clone().unwrap();
        assert_eq!(world.does(&plan, &what, &operator, now()), Err(Refusal::ApproverIsApplicant), "{}", what.name());
    }
}
