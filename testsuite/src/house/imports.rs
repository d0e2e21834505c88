//! Files of targets' logs that somebody brings: what joins, what becomes a case, and that nothing counts twice. The records of
//! Linux are written by `utmpdump`, and read by `last` beside us.

use super::around::{GATEWAY, Scene};
use super::base::{Base, on_both, told};
use sekisho_core::around::{AroundRule, Decision, ImportAsk, ImportForm, LogImport, Weight};
use sekisho_core::desk::Cause;
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_core::time::Timestamp;
use std::io::Write as _;
use std::process::{Command, Stdio};

#[path = "../../../crates/detect/src/import/evtx_writer.rs"]
mod evtx_writer;
use evtx_writer::{Event, evtx, logon};

on_both! {
    a_wtmp_is_read_once_joined_by_its_times_and_told_as_imported,
    an_event_log_is_judged_as_lines_are_and_a_case_that_there_is_grows_no_twin,
    a_session_that_an_event_log_does_not_tell_of_is_a_case,
    who_may_import_and_what,
    a_file_of_logins_that_is_called_one_of_attempts_is_refused_and_spends_nothing,
    logins_that_were_read_in_as_attempts_are_judged_once_they_are_read_in_as_logins,
    a_forged_record_takes_the_place_of_no_real_one_and_a_decision_covers_what_it_was_about,
    a_forged_file_opens_few_cases_and_leaves_room_for_what_happens,
}

/// Records as `utmpdump` reads them: kind, name, line, address, time.
pub(crate) fn wtmp(records: &[(u8, &str, &str, &str, Timestamp)]) -> Vec<u8> {
    let mut text = String::new();
    for (kind, name, line, address, at) in records {
        // Its letters are those of Japan; nine hours before, they are those of Greenwich.
        let moment = Timestamp(at.0 - 9 * 3600 * 1000).rfc3339();
        let moment = moment.split(['.', 'Z', '+']).next().unwrap();
        text.push_str(&format!("[{kind}] [04711] [ts/0] [{name:<8}] [{line:<12}] [{address:<20}] [{address:<15}] [{moment},000000+00:00]\n"));
    }
    let mut child = Command::new("utmpdump").arg("-r").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("util-linux is there");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn ask(scene: &Scene, name: &str) -> ImportAsk {
    ImportAsk { target: scene.ward.target.id.clone(), name: name.into(), failed: name.starts_with("btmp"), clock_seconds: 30 }
}

async fn import(scene: &Scene, name: &str, bytes: &[u8]) -> LogImport {
    scene.ward.store.import_log(&Actor::console(), ask(scene, name), bytes.to_vec()).await.unwrap()
}

async fn a_wtmp_is_read_once_joined_by_its_times_and_told_as_imported(base: Base) {
    let scene = Scene::new(base).await;
    let admission = scene.session(50_001).await;
    // Their records know whole seconds.
    let at = scene.ward.store.now();
    let at = Timestamp(at.0 - at.0.rem_euclid(1000));
    scene.ward.left(admission, Cause::Closed).await;
    scene.pass(7200);
    let later = |seconds: i64| Timestamp(at.0 + seconds * 1000);
    let records = [
        (2, "reboot", "~", "0.0.0.0", later(-9000)),
        // The machine's clock is behind by more than lines take on their way, and by less than was said.
        (7, "maint", "pts/0", GATEWAY, later(-140)),
        (7, "maint", "pts/1", "192.168.30.7", later(60)),
        (7, "yamada", "pts/2", "192.168.30.8", later(90)),
        (7, "root", "tty1", "0.0.0.0", later(95)),
    ];
    let file = wtmp(&records);
    let path = scene.ward.dir.join("wtmp");
    std::fs::write(&path, &file).unwrap();
    let last = Command::new("last").arg("-f").arg(&path).output().unwrap();
    let last = String::from_utf8_lossy(&last.stdout).into_owned();
    assert!(last.contains("yamada") && last.contains("192.168.30.8"), "another reader reads the same: {last}");

    let read = import(&scene, "wtmp", &file).await;
    assert_eq!((read.form, read.records, read.logins, read.joined, read.hits, read.known), (ImportForm::Wtmp, 5, 4, 1, 2, 0), "{read:?}");
    let told = scene.fact("session_told_by_import", 1).await;
    assert!(matches!(&told[..], [Fact::SessionToldByImport { import, by, record, clock_seconds: 30, .. }] if *import == read.id && by == "time" && *record == later(-140)), "{told:?}");
    let facts = scene.fact("log_imported", 1).await;
    assert!(matches!(&facts[..], [Fact::LogImported { digest, bytes, .. }] if *digest == read.digest && *bytes == file.len() as u64), "{facts:?}");
    let kept = scene.case("R3", |case| case.key.rule == AroundRule::KeptAccount).await;
    assert_eq!((kept.weight, kept.key.from.as_str(), kept.last), (Weight::Critical, "192.168.30.7", later(60)));
    assert!(kept.imported.as_ref().is_some_and(|imported| imported.import == read.id && imported.clock_seconds == 30), "{kept:?}");
    assert!(kept.line.contains("maint") && kept.line.contains("192.168.30.7"), "{}", kept.line);
    assert_eq!(scene.open().await.len(), 2);

    // The same file once more, and the file as it has grown: each record counts once.
    assert_eq!(import(&scene, "wtmp (2)", &file).await.id, read.id);
    let grown = [records.as_slice(), &[(7, "tanaka", "pts/3", "192.168.30.9", later(100))]].concat();
    let second = import(&scene, "wtmp", &wtmp(&grown)).await;
    assert_eq!((second.logins, second.known, second.joined, second.hits), (5, 4, 0, 1), "{second:?}");
    assert_eq!(scene.open().await.len(), 3);
    let failed = wtmp(&[0_u8; 6].map(|_| (6, "admin", "ssh:notty", "203.0.113.9", later(10))));
    let attempts = import(&scene, "btmp", &failed).await;
    assert_eq!((attempts.logins, attempts.known, attempts.hits), (6, 5, 0), "one and the same attempt is one");
    let failed: Vec<_> = (0..7).map(|n| (6, "admin", "ssh:notty", "203.0.113.9", later(10 + n))).collect();
    let attempts = import(&scene, "btmp.1", &wtmp(&failed)).await;
    assert_eq!((attempts.logins, attempts.known, attempts.hits), (7, 1, 6), "{attempts:?}");
    let case = scene.case("attempts", |case| case.key.from == "203.0.113.9").await;
    assert_eq!((case.weight, case.logins, case.attempts), (Weight::Notice, 0, 6));
}

async fn an_event_log_is_judged_as_lines_are_and_a_case_that_there_is_grows_no_twin(base: Base) {
    let scene = Scene::new(base).await;
    let now = scene.ward.store.now();
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    scene.pass(11);
    let live = scene.case("from the line", |case| case.key.rule == AroundRule::Elsewhere).await;
    scene.ward.store.decide_case(&scene.ward.operator, &live.id, (1, 0), Decision::Legitimate, "本人に確認", None).await.unwrap();
    let forged = Event { provider: "Harmless", channel: "Application", ..logon(4624, "ehr-db01.aoba.local", now.0, 10, "maint", "192.168.30.66", "1") };
    let file = evtx(
        500,
        &[
            logon(4624, "ehr-db01.aoba.local", now.0 + 2000, 10, "yamada", "192.168.30.7", "4000"),
            logon(4624, "ehr-db01.aoba.local", now.0 + 400_000, 10, "yamada", "192.168.30.7", "4001"),
            logon(4624, "pacs-sv01.aoba.local", now.0, 10, "maint", "192.168.30.8", "4002"),
            logon(4624, "ehr-db01.aoba.local", now.0, 3, "anybody", "192.168.30.9", "4003"),
            forged,
        ],
    );
    let read = import(&scene, "Security.evtx", &file).await;
    assert_eq!((read.form, read.records, read.logins, read.known, read.foreign, read.hits), (ImportForm::Evtx, 5, 4, 1, 1, 1), "{read:?}");
    let open = scene.open().await;
    assert!(matches!(&open[..], [case] if case.key.rule == AroundRule::Elsewhere && case.last.0 == now.0 + 400_000 && case.line.contains("EventID=4624")), "{open:?}");
    assert!(read.troubles.is_empty(), "{:?}", read.troubles);
    // Damaged chunks are named, and nothing is doubled by reading the rest.
    let mut damaged = file.clone();
    damaged[4096 + 512 + 1500] ^= 1;
    let again = import(&scene, "Security.evtx", &damaged).await;
    assert!(again.troubles.iter().any(|trouble| trouble.contains("checksum")), "{:?}", again.troubles);
    assert_eq!(scene.open().await.len(), 1);
}

async fn a_session_that_an_event_log_does_not_tell_of_is_a_case(base: Base) {
    let scene = Scene::new(base).await;
    // Nothing tells of its logins as they happen.
    scene.ward.store.end_log_source(&Actor::console(), &scene.source, "x").await.unwrap();
    scene.pass(3600);
    let admission = scene.session(50_001).await;
    let (session, at) = (admission.session.clone(), scene.ward.store.now());
    scene.ward.left(admission, Cause::Closed).await;
    scene.pass(3600);
    let around = |account: &str, port: &str, seconds: i64| logon(4624, "ehr-db01", at.0 + seconds * 1000, 10, account, "192.168.30.7", port);
    let whole = evtx(1, &[around("a", "1", -3000), logon(4624, "ehr-db01", at.0 + 500, 10, "maint", GATEWAY, "50001"), around("b", "2", 3000)]);
    let without = evtx(7, &[around("c", "3", -3100), around("d", "4", 3100)]);
    let read = import(&scene, "without.evtx", &without).await;
    assert_eq!(read.hits, 3, "{read:?}");
    let case = scene.case("R4", |case| case.key.rule == AroundRule::Untold && case.imported.is_some()).await;
    assert_eq!(case.key.session.as_ref(), Some(&session));
    let read = import(&scene, "whole.evtx", &whole).await;
    assert_eq!(read.joined, 1, "{read:?}");
}

#[tokio::test]
async fn what_was_kept_cannot_be_changed_unseen() {
    let scene = Scene::new(Base::postgres()).await;
    let at = scene.ward.store.now();
    let file = wtmp(&[(7, "yamada", "pts/0", "192.168.30.7", at)]);
    let read = import(&scene, "wtmp", &file).await;
    let store = &scene.ward.store;
    assert_eq!(store.log_import_file(&scene.ward.operator, &read.id).await.unwrap().1, file);
    let path = scene.ward.dir.join("target-logs/imports").join(read.id.as_str());
    let mut sealed = std::fs::read(&path).unwrap();
    assert!(!sealed.windows(6).any(|window| window == b"yamada"), "it lies sealed");
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    std::fs::write(&path, sealed).unwrap();
    assert!(store.log_import_file(&scene.ward.operator, &read.id).await.is_err());
    scene.ward.db().sql("UPDATE log_imports SET body = REPLACE(body, '\"hits\":1', '\"hits\":0')");
    assert!(store.log_imports(&Actor::console()).await.unwrap().is_empty());
    store.watch_time().await.unwrap();
    assert!(scene.fact("row_damaged", 1).await.iter().any(|fact| matches!(fact, Fact::RowDamaged { table, .. } if table == "log_imports")));
}

async fn who_may_import_and_what(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    let refused = async |actor: &Actor, name: &str, clock: u32, bytes: Vec<u8>| told(store.import_log(actor, ImportAsk { clock_seconds: clock, ..ask(&scene, name) }, bytes).await).err();
    let file = wtmp(&[(7, "yamada", "pts/0", "192.168.30.7", store.now())]);
    assert_eq!(refused(&scene.ward.worker_actor(), "wtmp", 0, file.clone()).await, Some(Refusal::NotAllowed));
    for bad in [Vec::new(), b"MZ".to_vec(), b"2026-11-22 somebody logged in\n".to_vec()] {
        assert!(matches!(refused(&Actor::console(), "x", 0, bad).await, Some(Refusal::BadField { .. })));
    }
    assert!(matches!(refused(&Actor::console(), "wtmp", 3601, file.clone()).await, Some(Refusal::BadField { .. })));
    assert!(matches!(refused(&Actor::console(), "a\nb", 0, file.clone()).await, Some(Refusal::BadField { .. })));
    assert_eq!(refused(&Actor::console(), "wtmp", 0, vec![0; sekisho_core::limits::LOG_IMPORT_BYTES + 1]).await, Some(Refusal::TooLarge));
    assert!(store.log_imports(&Actor::console()).await.unwrap().is_empty(), "nothing of it is kept");
}

async fn a_file_of_logins_that_is_called_one_of_attempts_is_refused_and_spends_nothing(base: Base) {
    let scene = Scene::new(base).await;
    let (store, at) = (&scene.ward.store, scene.ward.store.now());
    let logins = wtmp(&[(7, "maint", "pts/0", "192.168.30.7", at), (8, "", "pts/0", "0.0.0.0", at)]);
    let attempts = wtmp(&[0_i64; 6].map(|n| (6, "admin", "ssh:notty", "203.0.113.9", Timestamp(at.0 + n))));
    for (name, file) in [("btmp", &logins), ("wtmp", &attempts)] {
        assert_eq!(told(store.import_log(&Actor::console(), ask(&scene, name), file.clone()).await).err(), Some(Refusal::LogKindDiffers), "{name}");
    }
    assert!(store.log_imports(&Actor::console()).await.unwrap().is_empty() && scene.ward.facts("log_imported").await.is_empty(), "nothing of it is kept");
    let right = import(&scene, "wtmp", &logins).await;
    assert_eq!((right.known, right.hits), (0, 1), "{right:?}");
    assert_eq!(scene.case("R3", |case| case.key.rule == AroundRule::KeptAccount).await.weight, Weight::Critical);
}

async fn logins_that_were_read_in_as_attempts_are_judged_once_they_are_read_in_as_logins(base: Base) {
    let scene = Scene::new(base).await;
    let at = scene.ward.store.now();
    // Of a desktop, which writes logins and attempts alike.
    let file = wtmp(&[(7, "maint", "tty2", "192.168.30.7", at)]);
    let wrong = import(&scene, "btmp", &file).await;
    assert_eq!((wrong.logins, wrong.hits), (1, 0), "one attempt is no case: {wrong:?}");
    let right = import(&scene, "wtmp", &file).await;
    assert_eq!((right.known, right.hits), (0, 1), "{right:?}");
    assert_eq!(scene.case("R3", |case| case.key.rule == AroundRule::KeptAccount).await.weight, Weight::Critical);
    let forms: Vec<_> = scene.fact("log_imported", 2).await.into_iter().filter_map(|fact| if let Fact::LogImported { form, .. } = fact { Some(form) } else { None }).collect();
    assert_eq!(forms.len(), 2);
    assert!(forms.iter().any(|form| form == "btmp") && forms.iter().any(|form| form == "wtmp"), "the log tells as what it was read: {forms:?}");
}

async fn a_forged_record_takes_the_place_of_no_real_one_and_a_decision_covers_what_it_was_about(base: Base) {
    let scene = Scene::new(base).await;
    let at = scene.ward.store.now();
    let one = |account: &str, seconds: i64, from: &str| logon(4624, "ehr-db01", at.0 + seconds * 1000, 10, account, from, "1");
    let forged = import(&scene, "forged.evtx", &evtx(7, &[one("yamada", 0, "192.168.30.8")])).await;
    assert_eq!((forged.hits, forged.troubles.len()), (1, 0), "{forged:?}");
    let real = import(&scene, "real.evtx", &evtx(7, &[one("maint", 0, "192.168.30.66")])).await;
    assert_eq!((real.known, real.hits), (0, 1), "{real:?}");
    assert!(real.troubles.iter().any(|trouble| trouble.contains("say something else")), "{:?}", real.troubles);
    let case = scene.case("the real one", |case| case.key.from == "192.168.30.66").await;
    scene.ward.store.decide_case(&scene.ward.operator, &case.id, (1, 0), Decision::Legitimate, "本人に確認", None).await.unwrap();
    // The same person a minute later, and another at the same time: nobody decided on these.
    let later = import(&scene, "later.evtx", &evtx(20, &[one("maint", 1, "192.168.30.66"), one("maint", 60, "192.168.30.66"), one("root", 0, "192.168.30.66")])).await;
    assert_eq!((later.known, later.hits), (1, 2), "{later:?}");
}

async fn a_forged_file_opens_few_cases_and_leaves_room_for_what_happens(base: Base) {
    let scene = Scene::new(base).await;
    let at = scene.ward.store.now();
    let addresses: Vec<String> = (0..200).map(|n| format!("10.9.{}.{}", n / 100, n % 100 + 1)).collect();
    let records: Vec<_> = addresses.iter().map(|address| (7, "yamada", "pts/0", address.as_str(), at)).collect();
    let read = import(&scene, "wtmp", &wtmp(&records)).await;
    assert_eq!(read.hits, 200, "{read:?}");
    let open = scene.open().await;
    assert!((sekisho_core::limits::CASES_IMPORTED..=sekisho_core::limits::CASES_IMPORTED + 1).contains(&open.len()), "the rest is one case together: {}", open.len());
    assert_eq!(open.iter().map(|case| case.logins).sum::<u64>(), 200, "and none of them is lost");
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    scene.pass(11);
    let live = scene.case("from the line", |case| case.imported.is_none()).await;
    assert_eq!(live.key.from, "192.168.30.7", "what happens has a case of its own");
}
