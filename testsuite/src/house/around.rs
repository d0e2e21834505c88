//! Targets' logs and logins that went round the gateway: what joins, what becomes a case, what people decide, and what
//! nobody can change unseen.

use super::base::{Base, on_both, told};
use super::ward::{Ward, shell};
use sekisho_core::around::{AllowAsk, AroundRule, Case, Decision, SourceAsk, Weight};
use sekisho_core::desk::{Cause, Desk, Dialled};
use sekisho_core::facts::Fact;
use sekisho_core::gather::{AwayWhy, Gatherer, SourceStanding};
use sekisho_core::ids::{LogSourceId, TargetId};
use sekisho_core::people::Actor;
use sekisho_core::refusal::Refusal;
use sekisho_core::source::Network;
use sekisho_gateway::{LogEar, TargetLogSettings as EarSettings, bind_target_logs};
use sekisho_store::{NewLogSource, TargetLogSettings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

on_both! {
    a_session_is_told_of_by_the_targets_own_log,
    a_login_that_did_not_come_through_is_a_case_until_a_person_decides,
    a_flood_is_one_case_and_who_gets_in_makes_it_grave,
    what_is_allowed_is_quiet_and_ends_with_its_time,
    lines_in_anothers_name_are_not_believed,
    a_session_that_no_log_tells_of_and_a_source_that_falls_silent,
    a_source_whose_connection_ends_under_a_session_is_told_at_once,
    a_decision_covers_what_was_seen_and_nothing_else,
    a_flood_of_cases_hides_nothing_that_is_critical,
    what_went_into_an_open_case_outlives_a_restart,
    what_was_not_judged_before_a_crash_is_judged_after_it,
    a_source_hands_in_lines_by_its_own_certificate_alone,
    who_may_decide_and_who_may_register,
    long_lines_all_at_once_can_be_read_again,
}

pub fn settings() -> TargetLogSettings {
    TargetLogSettings { address: "gateway.example:6514".into(), legacy: vec![Network::parse("127.0.0.0/8").unwrap()], keep_days: 400, keep_bytes: 1 << 30 }
}

pub(super) const GATEWAY: &str = "10.20.0.9";

fn source_ask(target: Option<&TargetId>, host: &str) -> SourceAsk {
    SourceAsk { target: target.cloned(), hosts: [host.to_owned()].into(), legacy: None, zone_minutes: 540, silent_minutes: Some(30), tells_logins: true }
}

pub(super) struct Scene {
    pub(super) ward: Ward,
    pub(super) source: LogSourceId,
    task: tokio::task::JoinHandle<()>,
}

impl Scene {
    pub(super) async fn new(base: Base) -> Self {
        let ward = Ward::over(base).await;
        let made = ward.store.add_log_source(&Actor::console(), source_ask(Some(&ward.target.id), "ehr-db01")).await.unwrap();
        Self::running(ward, made.source.id).await
    }

    async fn running(ward: Ward, source: LogSourceId) -> Self {
        ward.store.open_gathering().await.unwrap();
        let task = tokio::spawn({
            let store = ward.store.clone();
            async move { store.run_gathering().await }
        });
        let scene = Self { ward, source, task };
        // The task says so by taking something.
        for _ in 0..400 {
            if scene.ward.store.take(&scene.source, vec![b"<30>hello".to_vec()]).await.is_ok() {
                return scene;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it takes nothing");
    }

    /// The same after its box stopped and started.
    pub(super) async fn restarted(self) -> Self {
        let (ward, source) = self.taken();
        Self::running(ward.restarted().await, source).await
    }

    /// The ward alone, whose task has ended.
    fn taken(self) -> (Ward, LogSourceId) {
        self.task.abort();
        (self.ward, self.source)
    }

    pub(super) async fn say(&self, line: &str) {
        self.ward.store.take(&self.source, vec![format!("<38>1 - ehr-db01 sshd 9 - - {line}").into_bytes()]).await.unwrap();
    }

    /// Time goes by, so that nothing waits for its explanation any more.
    pub(super) fn pass(&self, seconds: u64) {
        self.ward.clock.pass(Duration::from_secs(seconds));
    }

    pub(super) async fn open(&self) -> Vec<Case> {
        self.ward.store.cases(&Actor::console()).await.unwrap().0
    }

    /// Waits for a case that is as it shall be.
    pub(super) async fn case(&self, what: &str, is: impl Fn(&Case) -> bool) -> Case {
        for _ in 0..800 {
            if let Some(case) = self.open().await.into_iter().find(|case| is(case)) {
                return case;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("in vain: {what}; there is {:?}", self.open().await);
    }

    pub(super) async fn fact(&self, kind: &str, count: usize) -> Vec<Fact> {
        for _ in 0..800 {
            let facts = self.ward.facts(kind).await;
            if facts.len() >= count {
                return facts.into_iter().map(|entry| entry.fact).collect();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("in vain: {count} of {kind}");
    }

    pub(super) async fn session(&self, port: u16) -> sekisho_core::desk::Admission {
        let admission = self.ward.entered().await;
        let local = Some(SocketAddr::new(GATEWAY.parse().unwrap(), port));
        self.ward.store.dialled(&admission.session, Dialled::Connected { host_key: "SHA256:x".into(), local, peer: None }).await.unwrap();
        shell(&admission);
        admission
    }
}

async fn a_session_is_told_of_by_the_targets_own_log(base: Base) {
    let scene = Scene::new(base).await;
    let admission = scene.session(50_001).await;
    scene.say(&format!("Accepted password for maint from {GATEWAY} port 50001 ssh2")).await;
    let told = scene.fact("session_told", 1).await;
    assert!(matches!(&told[..], [Fact::SessionTold { session, by, source, .. }] if *session == admission.session && by == "connection" && *source == scene.source), "{told:?}");
    // Another connection from the gateway's address is of no session, and the same one with another account neither.
    scene.say(&format!("Accepted password for maint from {GATEWAY} port 50002 ssh2")).await;
    scene.say(&format!("Accepted password for root from {GATEWAY} port 50001 ssh2")).await;
    scene.pass(11);
    let case = scene.case("R2", |case| case.key.rule == AroundRule::NoSession).await;
    assert_eq!((case.weight, case.nearest.as_ref()), (Weight::Critical, Some(&admission.session)));
    let case = scene.case("R6", |case| case.key.rule == AroundRule::OtherAccount).await;
    assert_eq!((case.key.session.as_ref(), case.accounts.first().map(String::as_str)), (Some(&admission.session), Some("root")));
    assert_eq!(scene.fact("session_told", 1).await.len(), 1, "told once");
    scene.ward.left(admission, Cause::Closed).await;
}

async fn a_login_that_did_not_come_through_is_a_case_until_a_person_decides(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.rule == AroundRule::Elsewhere).await;
    assert_eq!((case.weight, case.about.as_str(), case.key.from.as_str(), case.logins, case.way.as_str()), (Weight::High, "ehr-db01", "192.168.30.7", 1, "shell"));
    assert!(case.line.ends_with("Accepted password for yamada from 192.168.30.7 port 4000 ssh2"), "{}", case.line);
    let lines = store.case_lines(&scene.ward.operator, &case.id).await.unwrap();
    assert!(lines.iter().any(|(_, text, own)| *own && *text == case.line), "{lines:?}");
    assert!(matches!(&scene.fact("case_opened", 1).await[..], [Fact::CaseOpened { account, from, .. }] if account == "yamada" && from == "192.168.30.7"));
    // The kept account is another matter, and a graver one.
    scene.say("Accepted password for maint from 192.168.30.7 port 4002 ssh2").await;
    scene.pass(11);
    let kept = scene.case("R3", |case| case.key.rule == AroundRule::KeptAccount).await;
    assert_eq!(kept.weight, Weight::Critical);
    let decided = store.decide_case(&scene.ward.operator, &case.id, (case.logins, case.attempts), Decision::Legitimate, "山田さんに電話で確認", None).await.unwrap();
    assert_eq!(decided.decided.as_ref().map(|decided| (decided.what, decided.name.as_str())), Some((Decision::Legitimate, "ono")));
    assert_eq!(told(store.decide_case(&scene.ward.operator, &case.id, (case.logins, case.attempts), Decision::Incident, "x", None).await).err(), Some(Refusal::NotFound), "once");
    assert_eq!(scene.open().await.len(), 1);
    // The next one is a case of its own.
    scene.say("Accepted password for yamada from 192.168.30.7 port 4004 ssh2").await;
    scene.pass(11);
    assert_ne!(scene.case("R1 again", |case| case.key.rule == AroundRule::Elsewhere).await.id, case.id);
}

async fn a_flood_is_one_case_and_who_gets_in_makes_it_grave(base: Base) {
    let scene = Scene::new(base).await;
    for n in 0..4 {
        scene.say(&format!("Failed password for invalid user u{n} from 203.0.113.9 port {n} ssh2")).await;
    }
    scene.say("Failed password for root from 203.0.113.10 port 1 ssh2").await;
    scene.say("Accepted password for marker from 192.0.2.1 port 1 ssh2").await;
    scene.pass(11);
    scene.case("the marker", |case| case.key.from == "192.0.2.1").await;
    assert_eq!(scene.open().await.len(), 1, "a few wrong passwords are no matter");
    for n in 0..200 {
        scene.say(&format!("Failed password for root from 203.0.113.9 port {n} ssh2")).await;
    }
    let case = scene.case("the flood", |case| case.key.from == "203.0.113.9").await;
    assert_eq!((case.weight, case.logins), (Weight::Notice, 0));
    scene.pass(61);
    scene.say("Accepted password for root from 203.0.113.9 port 9 ssh2").await;
    scene.pass(11);
    let case = scene.case("who got in", |case| case.key.from == "203.0.113.9" && case.logins == 1).await;
    assert_eq!((case.weight, case.attempts), (Weight::High, 204));
    assert!(case.line.contains("Accepted password for root"), "the line that counts is shown: {}", case.line);
    assert_eq!(scene.fact("case_opened", 2).await.len(), 2);
}

async fn long_lines_all_at_once_can_be_read_again(base: Base) {
    let scene = Scene::new(base).await;
    let mut lines = vec![vec![b'x'; 65_536]; 600];
    lines.push(b"<38>1 - ehr-db01 sshd 9 - - Accepted password for yamada from 192.168.30.7 port 4000 ssh2".to_vec());
    scene.ward.store.take(&scene.source, lines).await.unwrap();
    scene.pass(11);
    let case = scene.case("behind the long lines", |case| case.key.rule == AroundRule::Elsewhere).await;
    let lines = scene.ward.store.case_lines(&scene.ward.operator, &case.id).await.unwrap();
    assert!(lines.iter().any(|(_, text, own)| *own && text.contains("yamada")));
}

async fn what_is_allowed_is_quiet_and_ends_with_its_time(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    scene.say("Accepted password for yamada from 192.168.30.7 port 1 ssh2").await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.rule == AroundRule::Elsewhere).await;
    let network = Network::parse("192.168.30.0/24").unwrap();
    store.decide_case(&scene.ward.operator, &case.id, (case.logins, case.attempts), Decision::Allowed, "院内の管理者", Some((network, 30))).await.unwrap();
    scene.say("Accepted password for yamada from 192.168.30.8 port 2 ssh2").await;
    scene.say("Accepted password for maint from 192.168.30.8 port 3 ssh2").await;
    scene.say("Accepted password for root from 192.168.30.9 port 3 ssh2").await;
    scene.pass(11);
    let kept = scene.case("a kept account is not meant", |case| case.key.rule == AroundRule::KeptAccount).await;
    scene.case("nor one that was not seen", |case| case.key.rule == AroundRule::Elsewhere && case.key.from == "192.168.30.9").await;
    assert_eq!(scene.open().await.len(), 2, "{kept:?}");
    scene.pass(11);
    let allow = store.login_allows(&Actor::console()).await.unwrap().remove(0);
    scene.say("Accepted password for yamada from 192.168.30.8 port 5 ssh2").await;
    scene.pass(11);
    for _ in 0..800 {
        if store.login_allow_uses(&Actor::console()).await.unwrap()[&allow.id].0 == 2 {
            break;
        }
        scene.pass(1);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(store.login_allow_uses(&Actor::console()).await.unwrap()[&allow.id].0, 2, "who reviews the list sees what is used");
    scene.pass(30 * 24 * 3600);
    scene.say("Accepted password for yamada from 192.168.30.8 port 4 ssh2").await;
    scene.pass(11);
    scene.case("its time is over", |case| case.key.rule == AroundRule::Elsewhere && case.key.from == "192.168.30.8").await;
    let everybody = AllowAsk { target: None, network: Network::parse("0.0.0.0/0").unwrap(), account: None, reason: "x".into(), days: 1 };
    assert!(matches!(told(store.allow_login(&scene.ward.operator, everybody).await), Err(Refusal::BadField { .. })));
}

async fn lines_in_anothers_name_are_not_believed(base: Base) {
    let scene = Scene::new(base).await;
    let admission = scene.session(50_001).await;
    // It would explain the session, and it would hide where it came from.
    scene.ward.store.take(&scene.source, vec![format!("<38>1 - pacs-sv01 sshd 9 - - Accepted password for maint from {GATEWAY} port 50001 ssh2").into_bytes()]).await.unwrap();
    let case = scene.case("a forged name", |case| case.key.rule == AroundRule::ForgedName).await;
    assert_eq!((case.accounts.first().map(String::as_str), case.source.as_ref()), (Some("pacs-sv01"), Some(&scene.source)));
    assert_eq!(scene.ward.facts("session_told").await.len(), 0);
    assert!(scene.ward.store.case_lines(&Actor::console(), &case.id).await.unwrap().iter().any(|(_, text, _)| text.contains("pacs-sv01")), "it is kept all the same");
    scene.ward.left(admission, Cause::Closed).await;
}

async fn a_session_that_no_log_tells_of_and_a_source_that_falls_silent(base: Base) {
    let scene = Scene::new(base).await;
    scene.pass(1);
    let admission = scene.session(50_001).await;
    scene.pass(125);
    let case = scene.case("R4", |case| case.key.rule == AroundRule::Untold).await;
    assert_eq!(case.key.session.as_ref(), Some(&admission.session));
    scene.ward.store.decide_case(&scene.ward.operator, &case.id, (case.logins, case.attempts), Decision::Incident, "rsyslogが止まっていた", None).await.unwrap();
    scene.pass(31 * 60);
    let silent = scene.case("R5", |case| case.key.rule == AroundRule::Silent).await;
    assert_eq!((silent.weight, silent.source.as_ref()), (Weight::Critical, Some(&scene.source)), "a session stands on what says nothing");
    scene.ward.store.decide_case(&scene.ward.operator, &silent.id, (silent.logins, silent.attempts), Decision::Legitimate, "停電", None).await.unwrap();
    scene.pass(3600);
    scene.say("Accepted password for marker from 192.0.2.1 port 1 ssh2").await;
    scene.pass(11);
    scene.case("the marker", |case| case.key.from == "192.0.2.1").await;
    assert_eq!(scene.open().await.len(), 1, "neither is told a second time");
    scene.pass(31 * 60);
    scene.case("it fell silent anew", |case| case.key.rule == AroundRule::Silent && case.id != silent.id).await;
    scene.ward.left(admission, Cause::Closed).await;
}

/// The first act of whoever has root is to stop what tells of it.
async fn a_source_whose_connection_ends_under_a_session_is_told_at_once(base: Base) {
    let scene = Scene::new(base).await;
    scene.ward.store.linked(&scene.source, true);
    let admission = scene.session(50_001).await;
    scene.say(&format!("Accepted password for maint from {GATEWAY} port 50001 ssh2")).await;
    scene.fact("session_told", 1).await;
    scene.ward.store.linked(&scene.source, false);
    scene.pass(30);
    scene.say("Accepted password for marker from 192.0.2.1 port 1 ssh2").await;
    scene.pass(11);
    scene.case("the marker", |case| case.key.from == "192.0.2.1").await;
    assert_eq!(scene.open().await.len(), 1, "half a minute without a connection is nothing");
    scene.pass(30);
    let case = scene.case("R5", |case| case.key.rule == AroundRule::Silent).await;
    assert_eq!(case.weight, Weight::Critical);
    scene.ward.left(admission, Cause::Closed).await;
}

async fn a_decision_covers_what_was_seen_and_nothing_else(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    scene.say("Accepted password for yamada from 192.168.30.7 port 1 ssh2").await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.rule == AroundRule::Elsewhere).await;
    for n in 2..30 {
        scene.say(&format!("Accepted password for root from 192.168.30.7 port {n} ssh2")).await;
    }
    scene.pass(11);
    // Once a later one is a case, all before it are in theirs.
    scene.say("Accepted password for marker from 192.0.2.1 port 1 ssh2").await;
    scene.pass(11);
    scene.case("the marker", |case| case.key.from == "192.0.2.1").await;
    let refused = told(store.decide_case(&scene.ward.operator, &case.id, (case.logins, case.attempts), Decision::Legitimate, "x", None).await).err();
    assert_eq!(refused, Some(Refusal::ChangedMeanwhile), "what came after the page was shown is not decided on with it");
    scene.pass(61);
    scene.say("Accepted password for root from 192.168.30.7 port 31 ssh2").await;
    scene.pass(11);
    let case = scene.case("all of it", |case| case.key.rule == AroundRule::Elsewhere && case.logins == 30).await;
    assert_eq!((case.latest.len(), case.latest.last().map(|line| (line.account.as_str(), line.line.contains("port 31 ")))), (20, Some(("root", true))), "the newest are shown");
    assert!(scene.fact("case_grew", 1).await.iter().any(|fact| matches!(fact, Fact::CaseGrew { account, from, .. } if account == "root" && from == "192.168.30.7")));
    store.decide_case(&scene.ward.operator, &case.id, (30, 0), Decision::Incident, "x", None).await.unwrap();
}

/// A flood on one target merges its own cases, and none that is critical.
async fn a_flood_of_cases_hides_nothing_that_is_critical(base: Base) {
    let scene = Scene::new(base).await;
    for n in 0..80 {
        scene.say(&format!("Accepted password for root from 198.51.{n}.7 port 1 ssh2")).await;
    }
    for n in 0..60 {
        scene.say(&format!("Accepted password for maint from 203.0.{n}.7 port 1 ssh2")).await;
    }
    scene.pass(11);
    scene.case("the last", |case| case.key.from == "203.0.59.7").await;
    let open = scene.open().await;
    let of = |rule| open.iter().filter(|case| case.key.rule == rule).count();
    assert_eq!((of(AroundRule::Elsewhere), of(AroundRule::KeptAccount)), (51, 60));
    assert_eq!(open.iter().filter(|case| case.key.rule == AroundRule::Elsewhere).map(|case| case.logins).sum::<u64>(), 80);
}

/// Growth that stands nowhere yet is found again, and what was judged and written is not counted twice.
async fn what_went_into_an_open_case_outlives_a_restart(base: Base) {
    let scene = Scene::new(base).await;
    let say = async |scene: &Scene, n: u16| scene.say(&format!("Accepted password for yamada from 192.168.30.7 port {n} ssh2")).await;
    say(&scene, 1).await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.from == "192.168.30.7").await;
    scene.pass(11);
    for n in 2..12 {
        say(&scene, n).await;
    }
    scene.say("Accepted password for marker from 192.0.2.1 port 1 ssh2").await;
    scene.pass(11);
    // The marker's case stands, so all lines before it were judged.
    scene.case("the marker", |case| case.key.from == "192.0.2.1").await;
    scene.say("Accepted password for late from 192.0.2.2 port 1 ssh2").await;
    let folder = scene.ward.dir.join("target-logs");
    let size = || std::fs::read_dir(&folder).map(|list| list.flatten().filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum::<u64>()).unwrap_or(0);
    let before = size();
    say(&scene, 12).await;
    super::ward::until("the line lies on the disk", || size() > before).await;
    let (mut ward, source) = scene.taken();
    ward.crash().await;
    let scene = Scene::running(ward, source).await;
    scene.pass(72);
    scene.say("Accepted password for marker from 192.0.2.3 port 1 ssh2").await;
    scene.pass(11);
    scene.case("the marker after it", |case| case.key.from == "192.0.2.3").await;
    scene.case("what was not judged", |case| case.key.from == "192.0.2.2").await;
    let after = scene.case("all of it", |after| after.id == case.id && after.logins >= 12).await;
    assert_eq!(after.logins, 12, "each once");
}

async fn what_was_not_judged_before_a_crash_is_judged_after_it(base: Base) {
    let scene = Scene::new(base).await;
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    let folder = scene.ward.dir.join("target-logs");
    let size = || std::fs::read_dir(&folder).map(|list| list.flatten().filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum::<u64>()).unwrap_or(0);
    super::ward::until("the line lies on the disk", || size() > 200).await;
    let bytes: Vec<u8> = std::fs::read_dir(&folder).unwrap().flatten().flat_map(|entry| std::fs::read(entry.path()).unwrap()).collect();
    assert!(!bytes.windows(6).any(|window| window == b"yamada"), "it lies encrypted");
    // It waits for its explanation; then the power goes.
    assert_eq!(scene.open().await.len(), 0);
    let (mut ward, source) = scene.taken();
    ward.crash().await;
    let scene = Scene::running(ward, source).await;
    scene.pass(11);
    let case = scene.case("after the crash", |case| case.key.from == "192.168.30.7").await;
    assert!(case.logins >= 1);
    assert!(matches!(&scene.fact("log_segment_closed", 1).await[..], [Fact::LogSegmentClosed { segment: 1, lines, .. }] if *lines >= 2));
    // What lies there cannot be changed unseen: the next start says so.
    let first = folder.join("0000000001.skl");
    let mut bytes = std::fs::read(&first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    assert_eq!(told(scene.ward.store.case_lines(&Actor::console(), &case.id).await).err(), Some(Refusal::NotFound), "lines of a damaged part are not shown");
}

#[tokio::test]
async fn a_case_that_somebody_changes_in_the_database_is_not_shown() {
    let scene = Scene::new(Base::postgres()).await;
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.from == "192.168.30.7").await;
    // Who takes it off the list hides it from nobody, and both are told.
    scene.ward.db().sql("UPDATE cases SET open = 0");
    assert_eq!(scene.open().await.len(), 1);
    scene.ward.db().sql("UPDATE cases SET body = REPLACE(body, '192.168.30.7', '10.20.0.9')");
    assert_eq!(scene.open().await.len(), 0);
    assert!(scene.ward.store.case(&Actor::console(), &case.id).await.is_err(), "it is a fault, not another case");
    for _ in 0..2 {
        scene.ward.store.watch_time().await.unwrap();
    }
    assert!(matches!(&scene.fact("row_damaged", 1).await[..], [Fact::RowDamaged { table, row, how }] if table == "cases" && *row == case.id.to_string() && how == "changed"), "once");
}

async fn ear(ward: &Ward) -> LogEar {
    let own = ward.store.tls_certificate(&["localhost".to_owned()]).unwrap();
    let settings = EarSettings { listen: ([127, 0, 0, 1], 0).into(), legacy: Some(([127, 0, 0, 1], 0).into()), certificates: own.chain, key: own.key.to_vec() };
    let ear = bind_target_logs(settings, Arc::new(ward.store.clone()), ward.clock.clone()).await.unwrap();
    tokio::spawn({
        let ear = ear.clone();
        async move { ear.run().await }
    });
    ear
}

async fn connect(ear: &LogEar, made: Option<&NewLogSource>, server_ca: &str) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server_ca.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider())).with_safe_default_protocol_versions().unwrap().dangerous().with_custom_certificate_verifier(super::around_trust::any(roots));
    let config = match made {
        Some(made) => builder.with_client_auth_cert(vec![CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()], PrivateKeyDer::from_pem_slice(made.key.expose().as_bytes()).unwrap()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = tokio::net::TcpStream::connect(ear.local_addr().unwrap()).await?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

/// Sends one message and waits until the other side has ended, if it does.
async fn send(stream: &mut tokio_rustls::client::TlsStream<tokio::net::TcpStream>, line: &str) -> bool {
    use tokio::io::AsyncReadExt;
    let sent = stream.write_all(format!("{} {line}", line.len()).as_bytes()).await.is_ok() && stream.flush().await.is_ok();
    let mut byte = [0];
    let ended = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut byte)).await.is_ok();
    sent && !ended
}

async fn a_source_hands_in_lines_by_its_own_certificate_alone(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    let made = store.recertify_log_source(&Actor::console(), &scene.source).await.unwrap();
    let ear = ear(&scene.ward).await;
    let mut stream = connect(&ear, Some(&made), &made.server_ca).await.unwrap();
    assert!(send(&mut stream, "<38>1 - ehr-db01 sshd 9 - - Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await);
    scene.pass(11);
    let case = scene.case("by TLS", |case| case.key.from == "192.168.30.7").await;
    assert!(!case.unauthenticated);
    // A stranger without a certificate says nothing.
    let refused = match connect(&ear, None, &made.server_ca).await {
        Ok(mut stream) => !send(&mut stream, "<38>x").await,
        Err(_) => true,
    };
    assert!(refused);
    assert!(matches!(&scene.fact("log_turned_away", 1).await[..], [Fact::LogTurnedAway { why, .. }] if why == AwayWhy::Chain.as_str()));
    // In clear nothing is taken from an address that is no source's, and what is taken is marked.
    let clear = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = ear.legacy_addr().unwrap();
    clear.send_to(b"<38>x", at).await.unwrap();
    scene.fact("log_turned_away", 2).await;
    let plain = SourceAsk { legacy: Some([127, 0, 0, 1].into()), ..source_ask(Some(&scene.ward.target.id), "rtx1220") };
    store.add_log_source(&Actor::console(), plain).await.unwrap();
    clear.send_to(b"<134>[LOGIN] Login succeeded for SSH: 192.168.30.99 netadmin", at).await.unwrap();
    let mut tcp = tokio::net::TcpStream::connect(at).await.unwrap();
    tcp.write_all(b"<134>Login succeeded for TELNET: 192.168.30.98 netadmin\n").await.unwrap();
    for from in ["192.168.30.99", "192.168.30.98"] {
        for _ in 0..40 {
            scene.pass(1);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if scene.open().await.iter().any(|case| case.key.from == from) {
                break;
            }
        }
        assert!(scene.case("in clear", |case| case.key.from == from).await.unauthenticated);
    }
    // Its end ends it in the middle of a connection, and for the next.
    store.end_log_source(&Actor::console(), &scene.source, "撤去").await.unwrap();
    assert_eq!(Gatherer::standing(store, &made.source.serial), SourceStanding::Ended);
    assert!(!send(&mut stream, "<38>y").await);
    let mut again = connect(&ear, Some(&made), &made.server_ca).await.unwrap();
    assert!(!send(&mut again, "<38>z").await);
    ear.shutdown();
}

async fn who_may_decide_and_who_may_register(base: Base) {
    let scene = Scene::new(base).await;
    let store = &scene.ward.store;
    scene.say("Accepted password for yamada from 192.168.30.7 port 4000 ssh2").await;
    scene.pass(11);
    let case = scene.case("R1", |case| case.key.from == "192.168.30.7").await;
    let worker = scene.ward.worker_actor();
    for actor in [&worker, &scene.ward.clerk] {
        assert!(matches!(told(store.decide_case(actor, &case.id, (case.logins, case.attempts), Decision::Legitimate, "x", None).await), Err(Refusal::NotAllowed | Refusal::NotFound)));
        assert!(told(store.add_log_source(actor, source_ask(None, "ids01")).await).is_err());
    }
    assert!(told(store.cases(&worker).await).is_err(), "a vendor's person reads none of it");
    assert_eq!(told(store.add_log_source(&Actor::console(), source_ask(None, "EHR-DB01")).await).err(), Some(Refusal::NameTaken), "two may not speak in one name");
}
