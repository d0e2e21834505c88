use super::*;
use crate::alarm::{Level, Rule};
use crate::desk::Cause;
use crate::facts::{Entry, Fact, ViewMode};
use crate::ids::{AlarmId, TargetId};
use crate::people::Via;
use crate::reconcile::FileSeen;

fn person(n: u8) -> PersonId {
    PersonId::from_random([n; 10])
}

fn session(n: u8) -> SessionId {
    SessionId::from_random([n; 10])
}

fn actor(n: u8, role: Role) -> Actor {
    Actor { person: Some(person(n)), login: format!("p{n}"), name: format!("人{n}"), roles: BTreeSet::from([role]), via: Via::Web, ..Actor::system() }
}

/// A Monday at ten in the morning.
const MONDAY: Timestamp = Timestamp(1_794_186_000_000);

struct Story {
    screen: Screen,
    seq: u64,
}

impl Story {
    fn new() -> Self {
        let policy = Policy { log_review_refusals: 3, log_review_files_mib: 1, ..Policy::default() };
        Self { screen: Screen::new(Bounds::of(&policy), Known::default()), seq: 0 }
    }

    fn tell(&mut self, actor: &Actor, at: Timestamp, fact: Fact) -> u64 {
        let seq = self.seq;
        self.screen.take(&Entry { seq, at, actor: actor.clone(), fact });
        self.seq += 1;
        seq
    }

    fn enter(&mut self, who: u8, n: u8, at: Timestamp) {
        let fact = Fact::Entered {
            session: session(n),
            plan: PlanId::from_random([n; 10]),
            target: TargetId::from_random([1; 10]),
            target_name: "emr-db".into(),
            username: "root".into(),
            recording_header_digest: String::new(),
            line: None,
            line_name: String::new(),
            device: None,
            device_name: String::new(),
            device_proof: String::new(),
            deviation: String::new(),
        };
        self.tell(&actor(who, Role::Worker), at, fact);
    }

    fn leave(&mut self, n: u8) {
        self.tell(&Actor::system(), MONDAY, Fact::Left { session: session(n), cause: Cause::WorkerGone, digest: String::new(), bytes: 1 });
    }

    fn refuse(&mut self, login: &str) {
        self.tell(&Actor { source: Some("192.0.2.7".into()), ..Actor::system() }, MONDAY, Fact::Refused { stage: "login".into(), login: login.into(), code: "SKS-1001".into(), detail: String::new() });
    }
}

fn fetched(n: u8, bytes: u64) -> Fact {
    Fact::FileMoved { session: session(n), file: FileSeen { at_ms: 0, op: "get".into(), path: "/a".into(), bytes, sha256: None, ok: true, kept: None } }
}

fn section(screened: &Screened, section: Section) -> (SectionCount, Vec<&ReviewedLine>) {
    (screened.counts[&section], screened.lines.iter().filter(|line| line.section == section).collect())
}

#[test]
fn thresholds_leave_a_short_list_and_count_all_that_they_screen_away() {
    let mut story = Story::new();
    for login in ["yamada", "suzuki", "yamada", "yamada", "suzuki"] {
        story.refuse(login);
    }
    story.enter(5, 1, MONDAY);
    story.tell(&actor(5, Role::Worker), MONDAY, fetched(1, 600 << 10));
    story.tell(&actor(5, Role::Worker), MONDAY, fetched(1, 600 << 10));
    story.enter(5, 2, Timestamp(MONDAY.0 + 12 * 3_600_000));
    story.tell(&actor(5, Role::Worker), MONDAY, fetched(2, 10));
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::Refused);
    assert_eq!((count.entries, count.groups, count.lines), (5, 2, 1));
    assert_eq!((lines[0].who.as_str(), lines[0].entries, lines[0].seqs.as_slice()), ("yamada", 3, [0, 2, 3].as_slice()));
    let (count, lines) = section(&screened, Section::FilesOut);
    assert_eq!((count.entries, count.groups, count.lines), (3, 2, 1));
    assert_eq!((lines[0].session.clone(), lines[0].values["bytes"].as_str()), (Some(session(1)), "1228800"));
    let (count, lines) = section(&screened, Section::Outside);
    assert_eq!((count.lines, lines[0].session.clone(), lines[0].values["target"].as_str()), (1, Some(session(2)), "emr-db"));
    assert!(lines[0].about.contains(&person(5)));
    assert_eq!(section(&screened, Section::Emergency).0, SectionCount::default(), "nothing is told as nothing");
}

#[test]
fn who_looked_at_what_is_a_line_of_its_own_about_who_looked() {
    let mut story = Story::new();
    story.enter(5, 1, MONDAY);
    let planner = actor(2, Role::Planner);
    for mode in [ViewMode::Replay, ViewMode::Replay, ViewMode::Export] {
        story.tell(&planner, MONDAY, Fact::ViewBegan { session: session(1), mode });
    }
    story.tell(&planner, MONDAY, Fact::Searched { query: "患者".into(), hits: 3 });
    let screened = story.screen.finish();
    let (_, viewed) = section(&screened, Section::Viewed);
    let said: Vec<(&str, u64)> = viewed.iter().map(|line| (line.what.as_str(), line.entries)).collect();
    assert_eq!(said, [("view_replay", 2), ("searched", 1)], "the heavier first");
    assert!(viewed.iter().all(|line| line.about == BTreeSet::from([person(2)])), "the worker who was looked at may not be the one who judges, but is no party here");
    assert_eq!(section(&screened, Section::Taken).1[0].what, "export");
}

#[test]
fn a_change_for_somebody_is_a_line_that_others_can_judge() {
    let mut story = Story::new();
    let admin = actor(9, Role::Administrator);
    for n in [1, 2, 3] {
        story.tell(&admin, MONDAY, Fact::PersonChanged { person: person(n), roles: BTreeSet::new(), active: true });
        story.tell(&admin, MONDAY, Fact::Unlocked { person: person(n), reason: String::new() });
    }
    story.tell(&Actor::system(), MONDAY, Fact::PersonChanged { person: person(4), roles: BTreeSet::new(), active: false });
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::Privileged);
    assert_eq!((count.entries, count.groups, count.lines), (7, 4, 3), "what the box does by itself is counted");
    assert!(lines.iter().all(|line| line.about.len() == 2 && line.about.contains(&person(9)) && line.values["kind"] == "person_changed,unlocked"));
}

#[test]
fn an_alarm_says_how_it_was_closed_and_is_about_whoever_raised_it() {
    let mut story = Story::new();
    let alarm = AlarmId::from_random([4; 10]);
    let seq = story.tell(&actor(5, Role::Worker), MONDAY, Fact::Started { version: "1".into() });
    let raised = |level| Fact::AlarmRaised { alarm: alarm.clone(), rule: Rule::Volume, level, entry: seq, text: String::new(), mails: 0 };
    story.tell(&Actor::system(), MONDAY, raised(Level::Warning));
    story.tell(&actor(3, Role::Operator), MONDAY, Fact::AlarmClosed { alarm: alarm.clone(), rule: Rule::Volume, note: "計画どおり".into(), count: 1 });
    let mut quiet = Story::new();
    quiet.tell(&Actor::system(), MONDAY, raised(Level::Notice));
    let screened = story.screen.finish();
    let (_, lines) = section(&screened, Section::Alarm);
    assert_eq!((lines[0].what.as_str(), lines[0].values["note"].as_str(), lines[0].values["by"].as_str()), ("alarm_closed", "計画どおり", "人3"));
    assert!(lines[0].about.contains(&person(5)));
    assert_eq!(section(&quiet.screen.finish(), Section::Alarm).0, SectionCount { entries: 1, groups: 1, lines: 0 });
}

#[test]
fn a_flood_makes_one_line_more_and_no_endless_list() {
    let mut story = Story::new();
    for n in 0..200 {
        (0..3).for_each(|_| story.refuse(&format!("name{n}")));
    }
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::Refused);
    assert_eq!(lines.len(), crate::limits::LOG_REVIEW_SECTION_LINES + 1);
    let last = lines.last().unwrap();
    assert_eq!((last.what.as_str(), last.values["n"].as_str(), last.entries), ("more", "140", 420));
    assert_eq!((count.entries, count.groups), (600, 200));
}

#[test]
fn the_sample_is_of_what_nobody_watched_and_follows_from_the_seed_alone() {
    let mut story = Story::new();
    for n in 1..=9 {
        story.enter(5, n, MONDAY);
        story.leave(n);
    }
    let screened = story.screen.finish();
    assert_eq!((screened.ended.len(), screened.unwatched.len()), (9, 9));
    // Any function stands for the hash here; the store's is SHA-256.
    let hash = |bytes: &[u8]| format!("{:016x}", bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(1_000_003).wrapping_add(u64::from(*byte))));
    let draw = |root: &str| Draw { number: "2026-W47", seed: root, hash: &hash }.draw(screened.unwatched.clone(), 2);
    assert_eq!(draw("aa"), draw("aa"), "drawn again, it is the same");
    assert!((0..20).any(|n| draw(&n.to_string()) != draw("aa")), "another seed draws others");
    for (all, percent, drawn) in [(0, 10, 0), (1, 10, 1), (9, 10, 1), (10, 10, 1), (11, 10, 2), (8, 100, 8)] {
        assert_eq!(how_many(all, percent), drawn, "{all} {percent}");
    }
    let drawn = draw("aa");
    let (lines, counts) = screened.with_sample(&drawn);
    assert_eq!(counts[&Section::Sample], SectionCount { entries: 9, groups: 9, lines: 2 });
    assert_eq!(lines.iter().map(|line| line.n).collect::<Vec<_>>(), (1..=lines.len() as u32).collect::<Vec<_>>());
}

fn review() -> LogReview {
    let line = |n: u32, about: u8| ReviewedLine {
        n,
        section: Section::Outside,
        what: "outside".into(),
        values: BTreeMap::new(),
        at: MONDAY,
        who: String::new(),
        about: BTreeSet::from([person(about)]),
        vendor: None,
        session: None,
        plan: None,
        seqs: vec![1],
        entries: 1,
        judged: None,
        earlier: Vec::new(),
    };
    LogReview {
        id: LogReviewId::from_random([1; 10]),
        number: "2026-W45".into(),
        kind: SpanKind::Week,
        span: Span::holding(SpanKind::Week, MONDAY),
        opened_at: MONDAY,
        due: MONDAY,
        first: 0,
        end: 9,
        root: String::new(),
        seed: String::new(),
        bounds: String::new(),
        rate: 10,
        ended: 0,
        unwatched: 0,
        counts: BTreeMap::new(),
        lines: vec![line(1, 9), line(2, 3)],
        signed: None,
        confirm_due: None,
        confirmed: None,
    }
}

fn said(line: u32, verdict: LineVerdict, note: &str) -> Vec<LineSaid> {
    vec![LineSaid { line, verdict, note: note.into() }]
}

#[test]
fn nobody_judges_themselves_and_no_line_is_left_out() {
    use LineVerdict as V;
    let mut review = review();
    let (operator, planner) = (actor(3, Role::Operator), actor(2, Role::Planner));
    assert_eq!(review.judge(&operator, &said(2, V::Fine, ""), MONDAY), Err(Refusal::OwnMatter));
    assert_eq!(review.judge(&operator, &said(1, V::Mend, " "), MONDAY), Err(Refusal::ReasonNeeded));
    assert_eq!(review.judge(&operator, &said(7, V::Fine, ""), MONDAY), Err(Refusal::NotFound));
    assert_eq!(review.judge(&operator, &said(1, V::Mend, "夜間の連絡先を直す"), MONDAY).map(|told| told.len()), Ok(1));
    assert_eq!(review.judge(&operator, &said(1, V::Mend, "夜間の連絡先を直す"), MONDAY).map(|told| told.len()), Ok(0), "the same again is no news");
    assert_eq!(review.sign(&operator, "d", "d", "", MONDAY, MONDAY), Err(Refusal::LogReviewOpenLines));
    assert!(review.judge(&planner, &said(2, V::Fine, ""), MONDAY).is_ok());
    assert_eq!(review.sign(&planner, "d", "d", "", MONDAY, MONDAY), Err(Refusal::NotAllowed), "the operator signs");
    assert_eq!(review.sign(&operator, "old", "d", "", MONDAY, MONDAY), Err(Refusal::DigestChanged));
    assert_eq!(review.sign(&operator, "d", "d", "", MONDAY, MONDAY), Ok(()));
    assert_eq!(review.judge(&operator, &said(1, V::Fine, ""), MONDAY), Err(Refusal::LogReviewSigned), "what was signed stands");
}

#[test]
fn whoever_signed_does_not_confirm_except_as_a_deviation_that_is_shown() {
    let policy = Policy::default();
    let both = Actor { roles: BTreeSet::from([Role::Operator, Role::Planner]), ..actor(3, Role::Operator) };
    let mut review = review();
    review.lines.clear();
    assert_eq!(review.confirm(&both, &policy, "d", "d", "", MONDAY), Err(Refusal::LogReviewSigned), "before the signature");
    review.sign(&both, "d", "d", "", MONDAY, MONDAY).unwrap();
    assert_eq!(review.confirm(&both, &policy, "d", "d", "", MONDAY), Err(Refusal::SameHand));
    assert_eq!(review.confirm(&actor(4, Role::Operator), &policy, "d", "d", "", MONDAY), Err(Refusal::NotAllowed));
    assert_eq!(review.confirm(&actor(2, Role::Planner), &policy, "x", "x", "", MONDAY), Err(Refusal::DigestChanged), "not what was signed");
    let small = Policy { small_facility: true, ..Policy::default() };
    let mut alone = review.clone();
    assert_eq!(alone.confirm(&both, &small, "d", "d", "", MONDAY), Ok(()));
    assert!(alone.confirmed.unwrap().deviation);
    let mut back = review.clone();
    assert_eq!(back.give_back(&actor(2, Role::Planner), ""), Err(Refusal::ReasonNeeded));
    assert_eq!(back.give_back(&actor(2, Role::Planner), "録画を見直す"), Ok(()));
    assert_eq!(back.state(), LogReviewState::Open);
    assert_eq!(review.confirm(&actor(2, Role::Planner), &policy, "d", "d", "", MONDAY), Ok(()));
    assert!(!review.confirmed.as_ref().unwrap().deviation);
}

#[test]
fn a_span_without_entries_is_signed_with_the_reason_for_it() {
    let mut review = review();
    review.lines.clear();
    review.end = review.first;
    let operator = actor(3, Role::Operator);
    assert_eq!(review.sign(&operator, "d", "d", "", MONDAY, MONDAY), Err(Refusal::ReasonNeeded));
    assert_eq!(review.sign(&operator, "d", "d", "停電のため停止していた", MONDAY, MONDAY), Ok(()));
}

#[test]
fn the_signed_bytes_change_with_each_judgement_and_the_listed_ones_do_not() {
    let mut review = review();
    let (listed, signed) = (review.listed_bytes(), review.signed_bytes());
    review.judge(&actor(8, Role::Operator), &said(1, LineVerdict::Fine, ""), MONDAY).unwrap();
    assert_eq!(review.listed_bytes(), listed);
    let once = review.signed_bytes();
    assert_ne!(once, signed);
    review.judge(&actor(8, Role::Operator), &said(1, LineVerdict::Mend, "直す"), MONDAY).unwrap();
    review.judge(&actor(8, Role::Operator), &said(1, LineVerdict::Fine, ""), MONDAY).unwrap();
    assert_eq!(review.listed_bytes(), listed);
    assert_ne!(review.signed_bytes(), once, "that it was judged otherwise in between is signed, too");
}

/// A session of an hour that `viewer` has before them for `minutes`; true if it stays in the draw.
fn stays(viewer: &Actor, mode: ViewMode, minutes: i64) -> bool {
    let at = |minutes: i64| Timestamp(MONDAY.0 + minutes * 60_000);
    let mut story = Story::new();
    story.enter(5, 1, MONDAY);
    story.tell(viewer, at(1), Fact::ViewBegan { session: session(1), mode });
    story.tell(viewer, at(1 + minutes), Fact::ViewEnded { session: session(1), mode });
    story.tell(&Actor::system(), at(60), Fact::Left { session: session(1), cause: Cause::WorkerGone, digest: String::new(), bytes: 1 });
    story.screen.finish().unwatched.contains(&session(1))
}

#[test]
fn a_glance_or_the_own_eyes_take_no_session_out_of_the_draw() {
    let other = actor(2, Role::Supervisor);
    assert!(stays(&other, ViewMode::Live, 1), "a glance");
    assert!(stays(&other, ViewMode::Replay, 29));
    assert!(!stays(&other, ViewMode::Live, 30), "half of it");
    assert!(!stays(&other, ViewMode::Replay, 45));
    assert!(stays(&other, ViewMode::Export, 45), "a file that was taken is not seen");
    assert!(stays(&actor(5, Role::Operator), ViewMode::Live, 55), "whoever worked");
    let left = Actor::system();
    let mut story = Story::new();
    story.enter(5, 1, MONDAY);
    story.tell(&other, MONDAY, Fact::ViewBegan { session: session(1), mode: ViewMode::Live });
    story.tell(&left, Timestamp(MONDAY.0 + 3_600_000), Fact::ViewEnded { session: session(1), mode: ViewMode::Live });
    story.tell(&left, Timestamp(MONDAY.0 + 3_600_000), Fact::Left { session: session(1), cause: Cause::WorkerGone, digest: String::new(), bytes: 1 });
    assert_eq!(story.screen.finish().unwatched.len(), 1, "nobody knows how long a view lasted that a crash ended");
}

#[test]
fn what_rsync_takes_out_is_taken_out() {
    let mut story = Story::new();
    story.enter(5, 1, MONDAY);
    for op in ["rsync-get", "rsync-put", "put", "list", "remove"] {
        let Fact::FileMoved { session, mut file } = fetched(1, 2 << 20) else { unreachable!() };
        file.op = op.into();
        assert_eq!((file.takes_out(), file.brings_in()), (op == "rsync-get", op.ends_with("put")), "{op}");
        story.tell(&actor(5, Role::Worker), MONDAY, Fact::FileMoved { session, file });
    }
    let screened = story.screen.finish();
    let (_, lines) = section(&screened, Section::FilesOut);
    assert_eq!((lines.len(), lines[0].entries, lines[0].values["bytes"].as_str()), (1, 1, "2097152"));
}

#[test]
fn what_is_decided_a_week_later_stands_in_the_list_of_that_week_and_who_decided_does_not_judge_it() {
    let case = crate::ids::CaseId::from_random([7; 10]);
    let alarm = AlarmId::from_random([4; 10]);
    let known = Known { alarms: BTreeMap::from([(alarm.clone(), (Level::Critical, 2))]), ..Known::default() };
    let mut story = Story { screen: Screen::new(Bounds::of(&Policy::default()), known), seq: 9 };
    let operator = actor(3, Role::Operator);
    story.tell(&operator, MONDAY, Fact::CaseDecided { case, rule: crate::around::AroundRule::Elsewhere, about: "emr-db".into(), decision: crate::around::Decision::Allowed, reason: "保守".into() });
    story.tell(&operator, MONDAY, Fact::AlarmClosed { alarm: alarm.clone(), rule: Rule::Volume, note: "計画どおり".into(), count: 1 });
    assert_eq!(story.screen.unasked(), [(alarm.clone(), 2)]);
    story.screen.authored(&alarm, Some(person(5)));
    let screened = story.screen.finish();
    let (_, decided) = section(&screened, Section::Around);
    assert_eq!((decided.len(), decided[0].what.as_str(), &decided[0].about), (1, "around_decided", &BTreeSet::from([person(3)])));
    let (_, closed) = section(&screened, Section::Alarm);
    assert_eq!((closed.len(), closed[0].what.as_str(), &closed[0].about), (1, "alarm_closed", &BTreeSet::from([person(3), person(5)])));
}

#[test]
fn a_flood_folds_no_critical_alarm_and_its_last_line_is_about_all_whom_it_hides() {
    let mut story = Story::new();
    let raised = |n: u8, level| Fact::AlarmRaised { alarm: AlarmId::from_random([n; 10]), rule: Rule::Volume, level, entry: 0, text: String::new(), mails: 0 };
    for n in 0..90 {
        story.tell(&actor(100 + n, Role::Worker), MONDAY, raised(n, Level::Warning));
    }
    story.tell(&actor(1, Role::Worker), Timestamp(MONDAY.0 + 1), raised(200, Level::Critical));
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::Alarm);
    assert_eq!(lines[0].values["level"], "critical", "the grave one stands first");
    let more: Vec<_> = lines.iter().filter(|line| line.what == "more").collect();
    assert_eq!((lines.len() - more.len(), count.lines), (crate::limits::LOG_REVIEW_SECTION_LINES + 1, lines.len() as u64));
    assert_eq!(more.iter().map(|line| line.entries).sum::<u64>(), 30);
    let hidden: BTreeSet<_> = more.iter().flat_map(|line| line.about.clone()).collect();
    assert!(hidden.len() == 31 || hidden.len() == 30, "{}", hidden.len());
    assert!(more.iter().all(|line| !line.values["names"].is_empty() && line.about.len() <= 20));
}

#[test]
fn a_judgement_of_somebody_else_is_changed_with_words_and_a_grave_one_let_go_by_the_planner() {
    use LineVerdict as V;
    let mut review = review();
    review.judge(&actor(8, Role::Operator), &said(1, V::Incident, "覚えがない"), MONDAY).unwrap();
    assert_eq!(review.judge(&actor(4, Role::Operator), &said(1, V::Fine, ""), MONDAY), Err(Refusal::ReasonNeeded));
    assert_eq!(review.judge(&actor(4, Role::Operator), &said(1, V::Fine, "確認"), MONDAY), Err(Refusal::NotAllowed));
    assert!(review.judge(&actor(2, Role::Planner), &said(1, V::Fine, "本人に確認"), MONDAY).is_ok());
    let told: Vec<(V, &str, &str)> = review.lines[0].earlier.iter().map(|judged| (judged.verdict, judged.name.as_str(), judged.note.as_str())).collect();
    assert_eq!(told, [(V::Incident, "人8", "覚えがない")], "what was said before stays to be seen");
    for n in 0..60 {
        let now = if n % 2 == 0 { said(1, V::Mend, "直す") } else { said(1, V::Fine, "よい") };
        review.judge(&actor(2, Role::Planner), &now, MONDAY).unwrap();
    }
    let earlier = &review.lines[0].earlier;
    assert_eq!((earlier.len(), earlier[0].verdict, review.lines[0].judged.as_ref().map(|judged| judged.verdict)), (limits::LOG_REVIEW_CHANGES, V::Incident, Some(V::Fine)), "the first stays whoever goes on and on");
}

#[test]
fn no_number_of_steps_takes_away_what_another_person_held_to_be_grave() {
    use LineVerdict as V;
    let mut review = review();
    let operator = |n| actor(n, Role::Operator);
    review.judge(&operator(7), &said(1, V::Fine, ""), MONDAY).unwrap();
    review.judge(&operator(8), &said(1, V::Incident, "覚えがない"), MONDAY).unwrap();
    review.judge(&operator(4), &said(1, V::Mend, "手順を直す"), MONDAY).unwrap();
    assert_eq!(review.judge(&operator(4), &said(1, V::Fine, "直した"), MONDAY), Err(Refusal::NotAllowed), "a step between makes it nobody's own");
    for n in 0..60 {
        review.judge(&operator(4), &said(1, if n % 2 == 0 { V::Incident } else { V::Mend }, "迷う"), MONDAY).unwrap();
    }
    let line = &review.lines[0];
    assert_eq!(line.earlier.len(), limits::LOG_REVIEW_CHANGES);
    assert!(line.earlier.iter().any(|judged| judged.by == person(8) && judged.verdict == V::Incident), "not even where it is not the first");
    assert_eq!(review.judge(&operator(4), &said(1, V::Fine, "よい"), MONDAY), Err(Refusal::NotAllowed));
    // Where all that stands is of others, nothing gives way.
    let mut review = self::review();
    for n in 0..=u8::try_from(limits::LOG_REVIEW_CHANGES).unwrap() {
        review.judge(&operator(20 + n), &said(1, V::Incident, &format!("{n}")), MONDAY).unwrap();
    }
    assert_eq!(review.judge(&operator(4), &said(1, V::Incident, "もう1つ"), MONDAY), Err(Refusal::too_many("LOG_REVIEW_CHANGES")));
    assert_eq!(review.judge(&operator(4), &said(1, V::Incident, &"長".repeat(501)), MONDAY), Err(Refusal::too_many("LOG_REVIEW_NOTE_CHARS")));
}

#[test]
fn a_review_is_never_larger_than_what_a_bundle_reads() {
    let mut review = review();
    review.lines[0].values.insert("big".into(), "x".repeat(limits::LOG_REVIEW_BYTES));
    assert_eq!(review.judge(&actor(4, Role::Operator), &said(1, LineVerdict::Mend, "直す"), MONDAY), Err(Refusal::too_many("LOG_REVIEW_BYTES")));
}

#[test]
fn a_report_that_counts_otherwise_stands_in_the_review_and_one_that_agrees_does_not() {
    let mut story = Story::new();
    for (n, holds, same) in [(1, true, true), (2, true, false), (3, false, true)] {
        let report = crate::ids::PeriodReportId::from_random([n; 10]);
        story.tell(&actor(9, Role::VendorManager), MONDAY, Fact::ReportRecounted { report, number: format!("2026-10-V{n}"), edition: 1, holds, same, entries: 5, size: 9, root: String::new() });
    }
    let screened = story.screen.finish();
    let (_, lines) = section(&screened, Section::Difference);
    let told: Vec<(&str, &str)> = lines.iter().map(|line| (line.what.as_str(), line.values["number"].as_str())).collect();
    assert_eq!(told, [("recounted", "2026-10-V2"), ("recounted", "2026-10-V3")]);
}

#[test]
fn one_large_export_does_not_hide_behind_many_empty_ones() {
    let mut story = Story::new();
    let taken = |entries| Fact::LogTaken { form: "csv".into(), entries, first: None, last: None, chosen: String::new() };
    for _ in 0..40 {
        story.tell(&actor(4, Role::Auditor), MONDAY, taken(0));
    }
    let large = story.tell(&actor(4, Role::Auditor), MONDAY, taken(100_000));
    story.tell(&actor(4, Role::Auditor), MONDAY, taken(5));
    let screened = story.screen.finish();
    let (_, lines) = section(&screened, Section::Taken);
    assert_eq!((lines[0].entries, lines[0].values["sum"].as_str(), lines[0].values["largest"].as_str()), (42, "100005", "100000"));
    assert!(lines[0].seqs.contains(&large) && lines[0].seqs.len() == limits::LOG_REVIEW_LINE_ENTRIES);
}

#[test]
fn a_second_comparison_hides_nothing_of_the_first() {
    let mut story = Story::new();
    let compared = |differences: usize| Fact::Reconciled { plan: PlanId::from_random([4; 10]), rows: 5, differences, digest: String::new() };
    for differences in [3, 0] {
        story.tell(&Actor::system(), MONDAY, compared(differences));
    }
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::Difference);
    assert_eq!((count.entries, count.lines), (2, 1));
    assert_eq!((lines[0].what.as_str(), lines[0].values["n"].as_str(), lines[0].seqs.len()), ("differences_again", "3, 0", 2));
    let mut story = Story::new();
    story.tell(&Actor::system(), MONDAY, compared(0));
    assert_eq!(section(&story.screen.finish(), Section::Difference).0.lines, 0);
}

#[test]
fn what_a_session_took_out_before_midnight_counts_for_what_it_takes_after_it() {
    // 600 KiB of 1 MiB on Sunday evening, 600 KiB on Monday.
    let mut known = Known::default();
    let entry = |fact: Fact| Entry { seq: 0, at: MONDAY, actor: Actor::system(), fact };
    for n in [1, 2] {
        known.moved(&entry(fetched(n, 600 << 10)));
    }
    known.moved(&entry(Fact::Left { session: session(2), cause: Cause::WorkerGone, digest: String::new(), bytes: 1 }));
    let policy = Policy { log_review_files_mib: 1, ..Policy::default() };
    let mut story = Story { screen: Screen::new(Bounds::of(&policy), known), seq: 0 };
    for n in [1, 2] {
        story.tell(&actor(5, Role::Worker), MONDAY, fetched(n, 600 << 10));
    }
    let screened = story.screen.finish();
    let (count, lines) = section(&screened, Section::FilesOut);
    assert_eq!((count.entries, count.lines), (2, 1), "the one that had ended began anew");
    let values = &lines[0].values;
    assert_eq!((lines[0].what.as_str(), lines[0].entries, values["bytes"].as_str(), values["before"].as_str()), ("files_out_across", 1, "614400", "614400"), "each file stands in one span");
}
