//! Facts and their alarms, as a table.

use super::*;
use crate::around::AroundRule;
use crate::command::RuleAct;
use crate::control::Control;
use crate::desk::{Cause, RefusedAsk};
use crate::facts::{Entry, Fact};
use crate::ids::{DeviceId, SessionId};
use crate::people::{Actor, Role, Via};
use crate::policy::Policy;
use crate::reconcile::FileSeen;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// Friday 2026-11-20, 14:00 and 23:30 JST.
const DAY: &str = "2026-11-20T14:00";
const NIGHT: &str = "2026-11-20T23:30";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_local(text).unwrap()
}

fn worker() -> Actor {
    Actor { person: Some(PersonId::from_random([1; 10])), login: "sato".into(), name: "佐藤 健".into(), roles: BTreeSet::from([Role::Worker]), vendor: None, via: Via::Ssh, source: Some("10.20.0.5".into()), token: None, emergency: false }
}

fn session() -> SessionId {
    SessionId::from_random([2; 10])
}

fn entered(device: Option<DeviceId>) -> Fact {
    Fact::Entered {
        session: session(),
        plan: PlanId::from_random([3; 10]),
        target: TargetId::from_random([4; 10]),
        target_name: "ehr-db01".into(),
        username: "maint".into(),
        recording_header_digest: String::new(),
        line: None,
        line_name: String::new(),
        device,
        device_name: "保守端末1".into(),
        device_proof: String::new(),
        deviation: String::new(),
    }
}

fn seen(fact: Fact, when: &str, known: &Known) -> Vec<Raised> {
    derive(&Entry { seq: 7, at: at(when), actor: worker(), fact }, known, &Thresholds::of(&Policy::default()))
}

fn short(raised: &[Raised]) -> Vec<(Rule, Level)> {
    raised.iter().map(|one| (one.what.rule(), one.level)).collect()
}

fn used(sessions: usize, hour: u8) -> Habit {
    Habit { sessions, sources: BTreeSet::from([near("10.20.0.99")]), devices: BTreeSet::new(), targets: BTreeSet::from([TargetId::from_random([4; 10]).to_string()]), hours: vec![hour; sessions] }
}

fn scene(undeclared: bool) -> Known {
    let session = SessionKnown {
        person: PersonId::from_random([1; 10]),
        who: "佐藤 健".into(),
        target: TargetId::from_random([4; 10]),
        place: "ehr-db01".into(),
        plan: PlanId::from_random([3; 10]),
        vendor: VendorId::from_random([5; 10]),
        undeclared,
    };
    Known { session: Some(session), ..Known::default() }
}

#[test]
fn who_comes_at_an_unusual_hour_raises_an_alarm_by_what_is_known_of_them() {
    let with = |habit| Known { habit, ..Known::default() };
    let hours = |when, habit| short(&seen(entered(None), when, &with(habit)));
    assert_eq!(hours(DAY, used(3, 14)), []);
    assert_eq!(hours(NIGHT, used(3, 14)), [(Rule::OutsideHours, Level::Notice)], "no baseline yet");
    assert_eq!(hours(NIGHT, used(12, 14)), [(Rule::OutsideHours, Level::Warning)], "never at this hour");
    assert_eq!(hours(NIGHT, used(12, 22)), [], "who always works at night does nothing unusual");
    let nights = |nights: usize, days: usize| Habit { hours: [vec![23; nights], vec![14; days]].concat(), ..used(nights + days, 14) };
    assert_eq!(hours(NIGHT, nights(1, 12)), [(Rule::OutsideHours, Level::Warning)], "one night makes the next one no usual one");
    assert_eq!(hours(NIGHT, nights(2, 12)), []);
    let long_ago = Habit { hours: [vec![14; 30], vec![23; 9]].concat(), ..used(39, 14) };
    assert_eq!(hours(NIGHT, long_ago), [(Rule::OutsideHours, Level::Warning)], "it was usual long ago");
    assert_eq!(hours("2026-11-20T00:10", used(12, 23)), [], "an hour before midnight is near midnight");
    assert_eq!(hours("2026-11-21T14:00", used(3, 14)), [(Rule::OutsideHours, Level::Notice)], "a Saturday is outside of office hours");
    assert_eq!(hours("2026-11-20T18:59", used(3, 14)), []);
    assert_eq!(hours("2026-11-20T19:00", used(3, 14)), [(Rule::OutsideHours, Level::Notice)]);
    let raised = seen(entered(None), NIGHT, &with(used(3, 14)));
    assert!(raised[0].what.ja().why.contains("判断できません"), "a missing baseline is said");
}

#[test]
fn a_new_source_and_a_new_device_are_told_once_there_is_something_to_compare() {
    let elsewhere = |sessions| Habit { sources: BTreeSet::from([near("192.0.2.1")]), ..used(sessions, 14) };
    let with = |habit| Known { habit, ..Known::default() };
    assert_eq!(short(&seen(entered(None), DAY, &with(Habit::default()))), [], "the first time there is nothing to compare");
    assert_eq!(short(&seen(entered(None), DAY, &with(elsewhere(1)))), [(Rule::NewSource, Level::Notice)]);
    assert_eq!(short(&seen(entered(None), DAY, &with(elsewhere(10)))), [(Rule::NewSource, Level::Warning)]);
    let device = DeviceId::from_random([9; 10]);
    assert_eq!(short(&seen(entered(Some(device.clone())), DAY, &with(used(2, 14)))), [(Rule::NewDevice, Level::Notice)]);
    let known = Habit { devices: BTreeSet::from([device.as_str().to_owned()]), ..used(2, 14) };
    assert_eq!(short(&seen(entered(Some(device)), DAY, &with(known))), []);
    let login = Fact::LoggedIn { proof: None, through: String::new(), device: None, device_name: String::new() };
    assert_eq!(short(&seen(login, DAY, &with(elsewhere(10)))), [(Rule::NewSource, Level::Warning)]);
}

#[test]
fn who_works_where_they_never_worked_is_seen_once_they_are_known() {
    let elsewhere = |sessions| Habit { targets: BTreeSet::from(["tgt-other".to_owned()]), ..used(sessions, 14) };
    let raised = |habit| short(&seen(entered(None), DAY, &Known { habit, ..Known::default() }));
    assert_eq!(raised(elsewhere(12)), [(Rule::NewTarget, Level::Notice)]);
    assert_eq!(raised(elsewhere(9)), [], "nine sessions tell nothing");
    assert_eq!(raised(used(12, 14)), []);
}

#[test]
fn what_a_stranger_typed_is_not_told_in_full() {
    let typed = Fact::Refused { stage: "login".into(), login: "MyPassw0rd!".into(), code: "SKS-1001".into(), detail: String::new() };
    let known = Known { refused_name: 5, refused_source: 5, refused_all: 50, stranger: true, ..Known::default() };
    for one in seen(typed.clone(), DAY, &known) {
        assert!(!serde_json::to_string(&one.what).unwrap().contains("MyPass"), "{:?}", one.what);
        assert!(one.what.ja().what.contains("My…(11文字)"), "{}", one.what.ja().what);
    }
    assert!(seen(typed, DAY, &Known { stranger: false, ..known })[0].what.ja().what.contains("MyPassw0rd!"));
}

#[test]
fn refusals_raise_an_alarm_from_the_threshold_on() {
    let refused = || Fact::Refused { stage: "login".into(), login: "sato".into(), code: "SKS-1001".into(), detail: String::new() };
    let with = |name, source| Known { refused_name: name, refused_source: source, ..Known::default() };
    assert_eq!(short(&seen(refused(), DAY, &with(4, 4))), []);
    assert_eq!(short(&seen(refused(), DAY, &with(5, 4))), [(Rule::Refusals, Level::Warning)]);
    assert_eq!(short(&seen(refused(), DAY, &with(1, 5))), [(Rule::Refusals, Level::Warning)]);
    assert_eq!(short(&seen(refused(), DAY, &with(1, 20))), [(Rule::Refusals, Level::Critical)], "a storm from one place");
    let all = |all| Known { refused_name: 1, refused_source: 1, refused_all: all, ..Known::default() };
    assert_eq!(short(&seen(refused(), DAY, &all(49))), []);
    let sprayed = seen(refused(), DAY, &all(50));
    assert_eq!(short(&sprayed), [(Rule::Refusals, Level::Warning)], "ever new names from ever new places");
    assert!(matches!(&sprayed[0].what, What::RefusedAll { count: 50, .. }));
    let groups: BTreeSet<String> = (5..30).flat_map(|n| seen(refused(), DAY, &with(n, 0))).map(|one| one.group).collect();
    assert_eq!(groups.len(), 1, "a flood is one group");
}

#[test]
fn volumes_are_measured_by_the_persons_own_past() {
    let left = || Fact::Left { session: session(), cause: Cause::Closed, digest: String::new(), bytes: 0 };
    let usual = |values: &[u64]| Usual::of(values);
    let mib = 1024 * 1024;
    let known = |volume, person, target| Known { volume, usual_person: person, usual_target: target, ..scene(false) };
    let small = vec![20 * mib; 12];
    assert_eq!(short(&seen(left(), DAY, &known(30 * mib, usual(&small), None))), [], "a little more is nothing");
    assert_eq!(short(&seen(left(), DAY, &known(100 * mib, usual(&small), None))), [(Rule::Volume, Level::Warning)]);
    let rare = [vec![mib; 30], vec![200 * mib]].concat();
    assert_eq!(short(&seen(left(), DAY, &known(150 * mib, usual(&rare), None))), [(Rule::Volume, Level::Warning)], "that there was more once makes it no usual one");
    assert_eq!(usual(&small[..9]), None, "nine sessions tell nothing");
    assert_eq!(short(&seen(left(), DAY, &known(100 * mib, None, usual(&small)))), [(Rule::Volume, Level::Warning)], "a new person is measured by the target");
    assert_eq!(short(&seen(left(), DAY, &known(1025 * mib, None, None))), [(Rule::Volume, Level::Warning)], "without a baseline the policy's number counts");
    assert_eq!(short(&seen(left(), DAY, &known(1023 * mib, None, None))), []);
    assert_eq!(short(&seen(left(), DAY, &known(9 * mib, usual(&[0; 12]), None))), [], "small is never unusual");
}

#[test]
fn what_a_session_does_is_one_alarm_for_each_session() {
    let ruled = |act, line: &str| Fact::Controlled { session: session(), control: Control::Ruled { hold: 0, act, line: line.into(), reason: String::new() } };
    assert_eq!(short(&seen(ruled(RuleAct::Note, "ls"), DAY, &scene(true))), [(Rule::Command, Level::Notice)]);
    assert_eq!(short(&seen(ruled(RuleAct::Refuse, "rm -rf /"), DAY, &scene(true))), [(Rule::Command, Level::Warning)]);
    assert_eq!(short(&seen(ruled(RuleAct::Alert, "pg_dump karte"), DAY, &scene(true))), [(Rule::Command, Level::Warning), (Rule::PersonalData, Level::Warning)]);
    assert_eq!(short(&seen(ruled(RuleAct::Refuse, "pg_dump karte"), DAY, &scene(true))), [(Rule::Command, Level::Warning)], "what was refused touched nothing");
    assert_eq!(short(&seen(ruled(RuleAct::Alert, "pg_dump karte"), DAY, &scene(false))), [(Rule::Command, Level::Warning)], "it was declared");
    let got = |op: &str, bytes| Fact::FileMoved { session: session(), file: FileSeen { at_ms: 0, op: op.into(), path: "/srv/karte.csv".into(), bytes, sha256: None, ok: true, kept: None } };
    assert_eq!(short(&seen(got("get", 10), DAY, &scene(true))), [(Rule::PersonalData, Level::Warning)]);
    assert_eq!(short(&seen(got("put", 10), DAY, &scene(true))), []);
    assert_eq!(short(&seen(got("get", 10), DAY, &scene(false))), []);
    let inside = Fact::RefusedInside { session: session(), asked: RefusedAsk { ask: "direct-tcpip 10.0.0.5:3306".into(), refusal: Refusal::NotAllowed } };
    assert_eq!(short(&seen(inside, DAY, &scene(false))), [(Rule::Inside, Level::Notice)]);
    for (cause, wanted) in [(Cause::RecordingLost, vec![(Rule::Recording, Level::Critical)]), (Cause::Vanished, vec![(Rule::Recording, Level::Warning)]), (Cause::Closed, vec![])] {
        assert_eq!(short(&seen(Fact::Left { session: session(), cause, digest: String::new(), bytes: 0 }, DAY, &scene(false))), wanted, "{cause:?}");
    }
}

fn a_case(rule: AroundRule) -> Fact {
    let case = crate::ids::CaseId::from_random([6; 10]);
    Fact::CaseOpened { case, rule, weight: rule.weight(), about: "ehr-db01".into(), target: None, account: "maint".into(), from: "192.0.2.7".into(), source: None, near: None, line: String::new(), import: None }
}

fn auditor_key(change: &str) -> Fact {
    Fact::AuditorKeyKept { auditor_key: crate::ids::AuditorKeyId::from_random([8; 10]), name: "監査".into(), key: "age1q".into(), change: change.into(), reason: String::new() }
}

#[test]
fn the_key_of_an_auditor_is_an_alarm_when_it_counts_and_not_before_or_after() {
    for change in ["asked", "refused", "ended"] {
        assert_eq!(short(&seen(auditor_key(change), DAY, &scene(false))), [], "{change}");
    }
}

#[test]
fn a_second_key_is_an_alarm_when_it_counts_and_when_its_end_is_asked_for_or_comes() {
    use crate::two_person::SecondKeyChange as C;
    let key = |change| Fact::SecondKeyKept {
        second_key: crate::ids::SecondKeyId::from_random([8; 10]),
        holder: PersonId::from_random([7; 10]),
        name: "院長".into(),
        key: "age1q".into(),
        targets: Vec::new(),
        change,
        reason: String::new(),
    };
    for change in [C::Asked, C::Refused, C::Kept] {
        assert_eq!(short(&seen(key(change), DAY, &scene(false))), [], "{change:?}");
    }
    for change in [C::Confirmed, C::EndAsked, C::Ended] {
        assert_eq!(short(&seen(key(change), DAY, &scene(false))), [(Rule::Recording, Level::Notice)], "{change:?}");
    }
}

#[test]
fn the_box_itself_raises_alarms_and_alarms_raise_none() {
    let device = DeviceId::from_random([9; 10]);
    let vendor = VendorId::from_random([5; 10]);
    let ends = |days| Fact::EndsSoon { thing: EndingThing::Contract, id: vendor.to_string(), name: "北斗".into(), until: at(DAY), days };
    let refused = |why: &str, serial: &str| Fact::CertificateRefused { why: why.into(), serial: serial.into(), source: "198.51.100.7".into(), others: 0 };
    let recounted = |n, holds, same| {
        let report = crate::ids::PeriodReportId::from_random([n; 10]);
        Fact::ReportRecounted { report, number: "2026-10-H".into(), edition: 1, holds, same, entries: 5, size: 9, root: String::new() }
    };
    let loud = [
        (Fact::OrphanFound { file: "x".into() }, Rule::Recording, Level::Warning),
        (Fact::RecordingTrouble { text: "x".into() }, Rule::Recording, Level::Critical),
        (Fact::PublisherStuck { behind: 3, why: String::new() }, Rule::Log, Level::Critical),
        (Fact::CheckpointStuck { place: "witness".into(), entries: 3, why: String::new() }, Rule::Log, Level::Warning),
        (Fact::ArchiveTrouble { place: "nas".into(), code: "SKA-03".into(), why: String::new() }, Rule::Recording, Level::Warning),
        (Fact::ArchiveBehind { place: "nas".into(), waiting: 3, since: at(DAY) }, Rule::Recording, Level::Warning),
        (Fact::ArchiveCopyBad { session: session(), place: "nas".into(), code: "SKA-04".into(), why: String::new() }, Rule::Recording, Level::Critical),
        (auditor_key("confirmed"), Rule::Recording, Level::Notice),
        (Fact::LogContradicted { place: "witness".into(), here: 3, there: 9, root: String::new() }, Rule::Log, Level::Critical),
        (Fact::RestoreAccepted { place: "witness".into(), here: 3, there: 9, root: String::new(), reason: String::new(), signature: String::new() }, Rule::Log, Level::Critical),
        (Fact::KeyRotated { old: String::new(), new: "sekisho/x+1+2".into() }, Rule::Log, Level::Warning),
        (Fact::FormerKeySigned { place: "share".into(), entries: 9, root: String::new() }, Rule::Log, Level::Critical),
        (Fact::TimestampStuck { authority: "tsa.example".into(), why: String::new() }, Rule::Log, Level::Warning),
        (recounted(1, false, true), Rule::Log, Level::Critical),
        (recounted(1, true, false), Rule::Log, Level::Notice),
        (Fact::DeletingResumed { entries: vec![5, 7], asked_by: "企画 一郎".into(), reason: String::new() }, Rule::Log, Level::Warning),
        (Fact::ClockHeld { by_ms: 7_200_000 }, Rule::Clock, Level::Critical),
        (Fact::ClockCorrected { by_ms: 7_200_000, reason: String::new(), signature: String::new() }, Rule::Clock, Level::Warning),
        (Fact::ClockMoved { by_ms: -5000 }, Rule::Clock, Level::Warning),
        (Fact::ClockOff { offset_ms: 9000, servers: 3, off: true }, Rule::Clock, Level::Warning),
        (Fact::ClockJumped { back_ms: 5000 }, Rule::Clock, Level::Warning),
        (ends(30), Rule::Ending, Level::Notice),
        (ends(7), Rule::Ending, Level::Warning),
        (ends(0), Rule::Ending, Level::Warning),
        (Fact::HostKeyAlarmed { target: TargetId::from_random([4; 10]), session: None, seen: "SHA256:x".into() }, Rule::HostKey, Level::Critical),
        (Fact::ExposureNew { place: "0.0.0.0:23 tcp".into(), program: String::new() }, Rule::Exposure, Level::Critical),
        (Fact::DirectoryDoubted { source: "ad".into(), changed: 8, linked: 10 }, Rule::Directory, Level::Critical),
        (Fact::EmergencyTried { login: "hijo-1".into() }, Rule::Emergency, Level::Critical),
        (Fact::ConnectDenied { device: device.clone(), device_name: "保守端末1".into(), asked_from: "198.51.100.7".into() }, Rule::Credential, Level::Critical),
        (refused("revoked", "0a"), Rule::Credential, Level::Warning),
        (Fact::Escalated { plan: PlanId::from_random([3; 10]), duty: "report".into() }, Rule::Overdue, Level::Notice),
        (Fact::DiskLow { free_mib: 900, shut: false }, Rule::Disk, Level::Warning),
        (Fact::DiskLow { free_mib: 200, shut: true }, Rule::Disk, Level::Critical),
        (a_case(AroundRule::NoSession), Rule::Around, Level::Critical),
        (a_case(AroundRule::Elsewhere), Rule::Around, Level::Warning),
        (a_case(AroundRule::Silent), Rule::Around, Level::Notice),
        (Fact::LogLost { source: crate::ids::LogSourceId::from_random([6; 10]), host: "rtx1220".into(), lines: 9 }, Rule::Around, Level::Warning),
        (Fact::LogSegmentsDropped { first: 1, last: 3, why: "size".into() }, Rule::Around, Level::Critical),
        (Fact::LogTurnedAway { why: "ended".into(), from: "10.0.0.9".into(), others: 0 }, Rule::Around, Level::Warning),
        (Fact::LogTurnedAway { why: "full".into(), from: "10.0.0.9".into(), others: 0 }, Rule::Around, Level::Warning),
        (Fact::RowDamaged { table: "accounts".into(), row: "acc-1".into(), how: "changed".into() }, Rule::Log, Level::Critical),
        (Fact::ReceiverSkipped { name: "siem".into(), number: 4, why: "x".into(), left_out: true }, Rule::Receiver, Level::Warning),
        (Fact::ReceiverDown { name: "siem".into(), why: "x".into(), waiting: 4 }, Rule::Receiver, Level::Warning),
    ];
    for (fact, rule, level) in loud {
        let raised = seen(fact.clone(), DAY, &Known::default());
        assert_eq!(short(&raised), [(rule, level)], "{fact:?}");
        let one = &raised[0];
        assert!(one.group.starts_with(&format!("{}:", rule.as_str())), "{}", one.group);
        assert!(one.what.press(&one.subject).href.starts_with('/'));
        // The words go through rows and API as values.
        let json = serde_json::to_string(&one.what).unwrap();
        assert_eq!(serde_json::from_str::<What>(&json).unwrap(), one.what);
        for told in [one.what.ja(), one.what.en()] {
            assert!(!told.what.is_empty() && !told.why.is_empty());
        }
    }
    let id = crate::ids::AlarmId::from_random([8; 10]);
    let quiet = [
        Fact::AlarmRaised { alarm: id.clone(), rule: Rule::Disk, level: Level::Critical, entry: 1, text: String::new(), mails: 1 },
        Fact::AlarmEscalated { alarm: id.clone(), rule: Rule::Disk, roles: BTreeSet::new(), mails: 0 },
        Fact::AlarmAcknowledged { alarm: id.clone(), rule: Rule::Disk },
        Fact::AlarmClosed { alarm: id, rule: Rule::Disk, note: String::new(), count: 1 },
        Fact::ReceiverBack { name: "siem".into() },
        refused("unknown", "0a"),
        refused("malformed", ""),
        Fact::Stopped,
    ];
    assert_eq!(short(&seen(recounted(1, true, true), DAY, &Known::default())), [], "a report that was counted again with the same result");
    for fact in quiet {
        assert_eq!(short(&seen(fact.clone(), DAY, &Known::default())), [], "{fact:?}");
    }
}

/// One that is taken on or harmless must not take the next one in, which is of something else.
#[test]
fn different_happenings_are_different_alarms() {
    let group = |fact: Fact| seen(fact, DAY, &scene(false)).remove(0).group;
    let left = |session: u8, cause| Fact::Left { session: SessionId::from_random([session; 10]), cause, digest: String::new(), bytes: 0 };
    let trouble = |text: &str| Fact::RecordingTrouble { text: text.into() };
    for (one, other) in [
        (trouble("Targets' logs cannot be written down."), trouble("The row of the line x was changed by somebody else.")),
        (left(1, Cause::RecordingLost), left(2, Cause::RecordingLost)),
        (left(1, Cause::Vanished), left(2, Cause::Vanished)),
        (Fact::OrphanFound { file: "a".into() }, Fact::OrphanFound { file: "b".into() }),
    ] {
        assert_eq!(group(one.clone()), group(one.clone()));
        assert_ne!(group(one), group(other));
    }
    let at_night = |target: u8| {
        let mut fact = entered(None);
        if let Fact::Entered { target: place, .. } = &mut fact {
            *place = TargetId::from_random([target; 10]);
        }
        seen(fact, NIGHT, &Known { habit: used(12, 14), ..Known::default() }).remove(0).group
    };
    assert_ne!(at_night(1), at_night(2));
}

#[test]
fn what_others_wrote_is_cut_to_one_line() {
    let long = format!("{}\r\n\u{202e}x", "あ".repeat(500));
    let raised = seen(Fact::ExposureNew { place: long.clone(), program: long }, DAY, &Known::default());
    let text = raised[0].what.ja().what;
    assert!(text.chars().count() < 500 && !text.contains(['\n', '\r', '\u{202e}']), "{text}");
    assert!(raised[0].group.chars().count() < 200);
}

#[test]
fn the_neighbourhood_of_an_address_is_its_network() {
    assert_eq!(near("10.20.0.5"), near("10.20.0.99"));
    assert_ne!(near("10.20.0.5"), near("10.20.1.5"));
    assert_eq!(near("::ffff:10.20.0.5"), near("10.20.0.5"));
    assert_eq!(near("2001:db8:0:1::5"), near("2001:db8:0:1:ffff::9"));
    assert_ne!(near("2001:db8:0:1::5"), near("2001:db8:0:2::5"));
}

#[test]
fn a_percentile_is_that_of_the_nearest_rank() {
    let values: Vec<u64> = (1..=100).collect();
    assert_eq!(Usual::of(&values), Some(Usual { sessions: 100, p95: 95 }));
    assert_eq!(Usual::of(&values[..10]), Some(Usual { sessions: 10, p95: 10 }));
}
