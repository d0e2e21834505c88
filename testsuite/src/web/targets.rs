//! The pages of a target that tell of its log: known addresses, a target without a log, its work diary, and files that are read in.

use super::visitor::{Open, Visitor, hidden};
use crate::house::base::source;
use crate::house::imports::wtmp;
use crate::house::ward::PASSWORD;
use sekisho_core::around::SourceAsk;
use sekisho_core::desk::{Admission, Arrival, Cause, Desk, Dialled, Entry, FirstProof};
use sekisho_core::gather::Gatherer;
use sekisho_core::limits;
use sekisho_core::people::Actor;
use sekisho_core::plan::Plan;
use sekisho_core::plan::act::PlanAct;
use sekisho_core::reconcile::Decision;
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use std::time::Duration;

/// A plan of which the worker did the work, and in which the hospital found nothing wrong.
async fn worked(open: &Open) -> Plan {
    let town = &open.town;
    let plan = town.approved().await;
    let admission = entered(open).await;
    town.store.leave(&admission.session, admission.recording, Cause::Closed).await;
    let mut plan = town.act(&town.worker, &plan, PlanAct::FinishWork).await.unwrap();
    for index in 0..plan.findings.len() {
        if plan.findings[index].is_open() {
            let decide = PlanAct::DecideFinding { index, decision: Decision::NoProblem, reason: "確認済".into() };
            plan = town.act(&town.operator, &plan, decide).await.unwrap();
        }
    }
    town.act(&town.operator, &plan, PlanAct::FinishReconcile).await.unwrap()
}

/// The worker enters by the one plan that there is.
async fn entered(open: &Open) -> Admission {
    let town = &open.town;
    let half = town.store.first_factor("sato", &Arrival::plain(source()), FirstProof::Password(Secret::new(PASSWORD))).await.unwrap();
    let principal = town.store.second_factor(half, town.code(&town.worker)).await.unwrap();
    let Entry::Open(admission) = town.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("there is one plan") };
    *admission
}

async fn fresh(open: &Open) -> Visitor {
    open.browser(&open.town.admin).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_log_is_handed_in_by_the_page_and_a_wrong_one_is_refused_in_words() {
    let open = Open::new().await;
    let admin = fresh(&open).await;
    let page = admin.get("/log-imports").await.html();
    assert!(page.contains("enctype=\"multipart/form-data\"") && page.contains("失敗したログインの記録(btmp)"), "{page}");
    let target = open.town.target.to_string();
    let at = open.town.now();
    let file = wtmp(&[(7, "yamada", "pts/0", "192.168.30.7", Timestamp(at.0 - 60_000)), (8, "", "pts/0", "0.0.0.0", at)]);
    let send = async |name: &str, more: &[(&str, &str)], bytes: &[u8]| {
        let fields = [&[("target", target.as_str()), ("clock_seconds", "60")], more].concat();
        admin.upload("/log-imports", &fields, ("file", name, bytes)).await
    };
    // Neither a photograph, nor nothing, nor an attempt that is none.
    for (name, bytes) in [("wtmp", &b"\x89PNG\r\n\x1a\n and so on"[..]), ("wtmp", b"")] {
        let refused = send(name, &[], bytes).await;
        assert_eq!(refused.refused(), "SKS-2003", "{}", refused.text);
        assert!(refused.text.contains("このファイルは読めません"), "it says at the file what is wrong: {}", refused.text);
    }
    let called = send("wtmp", &[("failed", "1")], &file).await;
    assert_eq!(called.refused(), "SKS-2095");
    assert!(called.text.contains("選んだ種類とファイルの中身が違います") && called.text.contains("value=\"60\""), "the form stands there again: {}", called.text);
    let large = send("wtmp", &[], &vec![0; limits::LOG_IMPORT_BYTES + 1]).await;
    assert_eq!(large.refused(), "SKS-2011");
    assert!(open.town.store.log_imports(&Actor::console()).await.unwrap().is_empty(), "nothing of it is kept");

    let taken = send("../../etc/<b>wtmp", &[], &file).await;
    let place = taken.location().to_owned();
    let shown = admin.get(&place).await.html();
    assert!(shown.contains("Linux の wtmp") && !shown.contains("<b>wtmp"), "{shown}");
    assert!(shown.contains("192.168.30.7"), "what it found stands on its page: {shown}");
    assert_eq!(send("wtmp", &[], &file).await.location(), place, "the same file is the same");
    assert_eq!(open.town.store.log_imports(&Actor::console()).await.unwrap().len(), 1);
    // Who only reads hands in nothing.
    let operator = open.browser(&open.town.operator).await;
    assert!(operator.get("/log-imports").await.html().contains("wtmp"));
    assert_eq!(operator.upload("/log-imports", &[("target", &target), ("clock_seconds", "60")], ("file", "wtmp", &file)).await.refused(), "SKS-2001");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_a_log_is_told_of_in_the_diary_of_the_report() {
    let open = Open::new().await;
    let (admin, target) = (fresh(&open).await, open.town.target.to_string());
    let page = format!("/targets/{target}/logs");
    assert!(admin.get("/log-sources").await.html().contains("送信元の登録なし"));
    let refused = admin.post(&page, &[("addresses", "not an address"), ("none", "1"), ("reason", "x")]).await;
    assert_eq!(refused.refused(), "SKS-2003");
    assert!(refused.text.contains("not an address"), "what was typed is still there: {}", refused.text);
    assert_eq!(admin.post(&page, &[("addresses", ""), ("none", "1")]).await.refused(), "SKS-3012");
    let done = admin.post(&page, &[("addresses", "10.30.0.11\n2001:db8::11"), ("none", "1"), ("reason", "機器にログの機能がない")]).await;
    assert_eq!(done.location(), format!("/targets/{target}"));
    let shown = admin.get(&format!("/targets/{target}")).await.html();
    for text in ["ログ機能なし(作業日誌で残す)", "10.30.0.11", "2001:db8::11", "登録"] {
        assert!(shown.contains(text), "{text} is missing: {shown}");
    }
    let sources = admin.get("/log-sources").await.html();
    assert!(sources.contains("作業日誌で記録") && !sources.contains("送信元の登録なし") && sources.contains("1 台のうち 1 台(100%)"), "{sources}");
    let log = open.browser(&open.town.planner).await.get("/log?kind=target_kept").await.html();
    assert!(log.contains("ログ機能なし(作業日誌で記録)") && log.contains("機器にログの機能がない"), "{log}");

    let plan = worked(&open).await;
    let worker = open.browser(&open.town.worker).await;
    let report = format!("/plans/{}/report", plan.id);
    let form = worker.get(&report).await.html();
    assert!(form.contains("作業日誌") && form.contains("接続ごとに、何をしたかを書いてください"), "{form}");
    let field = form.split("name=\"diary_").nth(1).and_then(|rest| rest.split('"').next()).expect("a field for the session").to_owned();
    let version = hidden(&form, "version");
    let sent = worker.post(&report, &[("version", &version), ("result", "正常"), ("personal", "no"), (&format!("diary_{field}"), "基板を交換した")]).await;
    assert_eq!(sent.location(), format!("/plans/{}", plan.id));
    let printed = worker.get(&format!("/plans/{}/report/print", plan.id)).await.html();
    assert!(printed.contains("作業日誌") && printed.contains("基板を交換した"), "{printed}");
    let plan = open.town.store.plan(&open.town.planner.actor, &plan.id).await.unwrap().plan;
    assert!(plan.findings.iter().all(|row| !row.is_open()), "{:?}", plan.findings);
    open.town.store.act_on_plan(&open.town.planner.actor, &plan.id, PlanAct::Confirm, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_session_says_how_far_the_clock_of_its_target_was_off() {
    let open = Open::new().await;
    let store = &open.town.store;
    let ask = SourceAsk { target: Some(open.town.target.clone()), hosts: ["ehr-db01".to_owned()].into(), legacy: None, zone_minutes: 540, silent_minutes: None, tells_logins: true };
    let source = store.add_log_source(&Actor::console(), ask).await.unwrap().source.id;
    store.open_gathering().await.unwrap();
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.run_gathering().await }
    });
    open.town.approved().await;
    let admission = entered(&open).await;
    let local = Some("10.20.0.9:50001".parse().unwrap());
    store.dialled(&admission.session, Dialled::Connected { host_key: "SHA256:x".into(), local, peer: None }).await.unwrap();
    let operator = open.browser(&open.town.operator).await;
    let path = format!("/sessions/{}", admission.session);
    assert!(!operator.get(&path).await.html().contains("接続先の時計"), "nothing is known yet");
    let its_clock = Timestamp(open.town.now().0 - 40_000).rfc3339();
    let line = format!("<38>1 {its_clock} ehr-db01 sshd 9 - - Accepted password for maint from 10.20.0.9 port 50001 ssh2");
    let told = async {
        // The task says that it is there by taking something.
        while store.take(&source, vec![line.clone().into_bytes()]).await.is_err() || open.town.facts("session_told").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("the session is told of");
    let page = operator.get(&path).await.html();
    assert!(page.contains("接続先の時計") && page.contains("関所より 40 秒遅れています"), "{page}");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_a_right_reads_which_and_who_has_it() {
    let open = Open::new().await;
    let refused = open.browser(&open.town.operator).await.get("/log").await;
    assert_eq!((refused.status, refused.refused().as_str()), (403, "SKS-2001"));
    for text in ["必要な権限", "証跡を読む", "企画管理者、安全管理責任者、監査者", "これらの役割の人に頼んで"] {
        assert!(refused.text.contains(text), "{text} is missing: {}", refused.text);
    }
}
