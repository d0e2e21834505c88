//! The whole job, once by the pages and once by the API, and what both refuse.

use super::visitor::{Open, Visitor, hidden};
use crate::house::base::{Resident, Town};
use sekisho_core::authorize::Principal;
use sekisho_core::desk::{Cause, Desk, Entry, Event, FirstProof};
use sekisho_core::reconcile::FileSeen;
use sekisho_core::secret::Secret;
use sekisho_core::target::Function;
use serde_json::{Value, json};
use std::time::Duration;

/// The worker comes in by SSH, types two commands, brings a file and leaves. The gateway is not part of this ring; what it
/// asks the desk is.
async fn work(town: &Town) -> String {
    let code = town.code(&town.worker);
    let source = crate::house::base::source();
    let half = town.store.first_factor(&town.worker.person.login, &sekisho_core::desk::Arrival::plain(source), FirstProof::Password(Secret::new(crate::house::ward::PASSWORD))).await.unwrap();
    let principal: Principal = town.store.second_factor(half, code).await.map_err(|(_, refusal)| refusal).unwrap();
    let Entry::Open(admission) = town.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("asked for a plan") };
    let open = |function, text| Event::Open { function, text, size: Some((80, 24)) };
    admission.recording.append(0, open(Function::Shell, "")).unwrap();
    admission.recording.append(0, Event::Output(&bytes::Bytes::from_static(b"$ systemctl status db\r\n\x1b[32mactive\x1b[m\r\n"))).unwrap();
    admission.recording.append(0, Event::Command("systemctl status db")).unwrap();
    admission.recording.append(0, Event::Command("rm -rf /var/tmp/old")).unwrap();
    let file = FileSeen { at_ms: 900, op: "put".into(), path: "/tmp/patch.sql".into(), bytes: 1200, sha256: Some("ab".repeat(32)), ok: true, kept: None };
    admission.recording.append(1, Event::File(&file)).unwrap();
    admission.recording.append(0, Event::Close { exit: "exit 0" }).unwrap();
    town.store.leave(&admission.session, admission.recording, Cause::Closed).await;
    admission.session.to_string()
}

/// The fields of a sound form.
fn typed(open: &Open) -> Vec<(&'static str, String)> {
    let town = &open.town;
    vec![
        ("vendor", town.vendor.id.to_string()),
        ("title", "電子カルテDB 定期保守".into()),
        ("class", "periodic".into()),
        ("purpose", "四半期の点検".into()),
        ("account.0", format!("{}/{}", town.target, town.account)),
        ("function.0", "shell".into()),
        ("function.0", "sftp".into()),
        ("right.0", "upload".into()),
        ("workers", town.worker.id().to_string()),
        ("from", town.now().minus(Duration::from_secs(600)).local()),
        ("until", town.now().plus(Duration::from_secs(4 * 3600)).local()),
        ("steps", "1. 状態を確認\r\n2. 修正を適用".into()),
        ("commands", "systemctl status db\r\n".into()),
        ("file_name.0", "patch.sql".into()),
        ("file_sha256.0", "ab".repeat(32)),
        ("impact", "なし".into()),
        ("stop_minutes", "0".into()),
        ("rollback", "修正を外す".into()),
        ("contact", "03-0000-0000".into()),
        ("personal_data", "no".into()),
        ("carry_out", "no".into()),
    ]
}

fn pairs<'a>(fields: &'a [(&'static str, String)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

/// Applies by the form and gives the path of the plan.
async fn applied(open: &Open, worker: &Visitor) -> String {
    let fields = typed(open);
    let answer = worker.post("/plans/new", &pairs(&fields, &[("then", "submit")])).await;
    let path = answer.location().to_owned();
    assert!(worker.get(&path).await.html().contains("data-state=\"submitted\""));
    path
}

async fn approve(who: &Visitor, plan: &str) -> super::visitor::Shown {
    let page = who.get(&format!("{plan}/approve")).await.html();
    let (version, digest) = (hidden(&page, "version"), hidden(&page, "digest"));
    who.post(&format!("{plan}/approve"), &[("version", &version), ("digest", &digest)]).await
}

#[tokio::test]
async fn the_whole_job_by_the_pages() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    let plan = applied(&open, &worker).await;

    let operator = open.browser(&town.operator).await;
    assert!(operator.get(&plan).await.html().contains(&format!("{plan}/approve")));
    let reason = [("reason", "切戻しを詳しく")];
    assert_eq!(operator.act(&format!("{plan}/return"), &format!("{plan}/return"), &reason).await.location(), plan);
    let returned = worker.get(&format!("{plan}/edit")).await.html();
    assert!(returned.contains("切戻しを詳しく"), "the worker reads why");
    let version = hidden(&returned, "version");
    let fields = typed(&open);
    worker.post(&format!("{plan}/edit"), &pairs(&fields, &[("then", "submit"), ("version", &version), ("acceptance", "検索できること")])).await.location();

    assert_eq!(approve(&operator, &plan).await.location(), plan);
    let planner = open.browser(&town.planner).await;
    assert_eq!(approve(&planner, &plan).await.location(), plan);
    let page = worker.get(&plan).await.html();
    assert!(page.contains("ssh -p 2222 sato+ehr-db01@gateway.example"), "{page}");
    assert!(page.contains("data-state=\"approved\""));

    let session = work(town).await;
    let page = worker.get(&plan).await.html();
    assert!(page.contains("data-state=\"in_progress\"") && page.contains(&format!("/sessions/{session}")));
    worker.act(&format!("{plan}/change"), &format!("{plan}/change"), &[("text", "古いファイルを消しました")]).await.location();
    let version = hidden(&operator.get(&plan).await.html(), "version");
    operator.post(&format!("{plan}/change/0/accept"), &[("version", &version)]).await.location();
    let version = hidden(&worker.get(&plan).await.html(), "version");
    worker.post(&format!("{plan}/finish"), &[("version", &version)]).await.location();

    let table = operator.get(&format!("{plan}/reconcile")).await.html();
    assert!(table.contains("rm -rf /var/tmp/old") && table.contains("/replay#t="), "{table}");
    let early = operator.act(&format!("{plan}/reconcile"), &format!("{plan}/reconcile"), &[("then", "finish")]).await;
    assert_eq!(early.refused(), "SKS-3010");
    let mut fields = vec![("version".to_owned(), hidden(&table, "version")), ("then".to_owned(), "finish".to_owned())];
    for part in table.split("name=\"decision.").skip(1) {
        let index = part.split('"').next().unwrap();
        fields.push((format!("decision.{index}"), "no_problem".into()));
        fields.push((format!("reason.{index}"), "手順の範囲内".into()));
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(operator.post(&format!("{plan}/reconcile"), &fields).await.location(), plan);

    let report = format!("{plan}/report");
    let page = worker.get(&report).await.html();
    assert!(page.contains("/tmp/patch.sql"), "the facts stand there already: {page}");
    let silent = worker.act(&report, &report, &[("result", "完了"), ("cause", "書きかけ")]).await;
    assert_eq!(silent.status, 422);
    assert!(silent.text.contains("書きかけ"), "what was typed is kept");
    worker.act(&report, &report, &[("result", "点検を終えた"), ("personal", "no")]).await.location();

    let confirm = format!("{plan}/confirm");
    planner.act(&confirm, &confirm, &[]).await.location();
    let closed = worker.get(&plan).await.html();
    assert!(closed.contains("data-state=\"closed\""));
    for paper in ["print", "report/print"] {
        let paper = planner.get(&format!("{plan}/{paper}")).await.html();
        assert!(paper.contains("令和") && paper.contains("SHA-256"), "{paper}");
    }
    assert!(planner.get("/plans?state=closed&text=DB").await.html().contains(&plan));
    assert!(!planner.get("/plans?state=draft").await.html().contains(&plan));
}

#[tokio::test]
async fn the_whole_job_by_the_api() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.api(&town.worker).await;
    let choices = worker.get("/api/v1/plans/choices").await.json();
    assert_eq!(choices["workers"][0]["login"], "sato");
    let content = serde_json::to_value(town.content()).unwrap();
    let drawn = worker.post("/api/v1/plans", &json!({ "vendor": town.vendor.id, "content": content })).await.json();
    let plan = drawn["id"].as_str().unwrap();
    let state = |answer: &Value| answer["state"].as_str().unwrap_or_default().to_owned();
    assert_eq!(state(&worker.act(plan, json!({ "act": "submit" })).await.json()), "submitted");
    let operator = open.api(&town.operator).await;
    let planner = open.api(&town.planner).await;
    let digest = operator.digest(plan).await;
    assert_eq!(state(&operator.act(plan, json!({ "act": "approve", "digest": digest })).await.json()), "submitted");
    // Some minutes later the planner's code of the login no longer counts.
    town.pass(Duration::from_secs(400));
    let stale = planner.act(plan, json!({ "act": "approve", "digest": digest })).await;
    assert_eq!((stale.status, stale.refused().as_str()), (403, "SKS-1005"));
    let code = town.code(&town.planner);
    planner.post("/api/v1/step-up", &json!({ "code": code.expose() })).await.json();
    assert_eq!(state(&planner.act(plan, json!({ "act": "approve", "digest": digest })).await.json()), "approved");

    let session = work(town).await;
    let rows = operator.get("/api/v1/sessions?running=false").await.json();
    assert_eq!(rows["rows"][0]["facts"]["session"], session.as_str());
    let one = operator.get(&format!("/api/v1/sessions/{session}")).await.json();
    assert_eq!(one["facts"]["commands"][1]["text"], "rm -rf /var/tmp/old");
    assert_eq!(one["recording"]["verified"], true);
    let ended = worker.act(plan, json!({ "act": "finish_work" })).await.json();
    for (index, finding) in ended["findings"].as_array().unwrap().iter().enumerate().filter(|(_, finding)| finding["verdict"] != "match") {
        let act = json!({ "act": "decide_finding", "index": index, "decision": "correct", "reason": "次回から計画に書く" });
        operator.act(plan, act).await.json();
        assert_ne!(finding["item"], "");
    }
    assert_eq!(state(&operator.act(plan, json!({ "act": "finish_reconcile" })).await.json()), "report");
    let report = json!({ "result": "完了", "personal_data_used": false });
    assert_eq!(state(&worker.act(plan, json!({ "act": "submit_report", "content": report })).await.json()), "confirm");
    assert_eq!(state(&planner.act(plan, json!({ "act": "confirm" })).await.json()), "closed");
}

#[tokio::test]
async fn a_recording_is_read_with_a_fresh_code_and_as_lines() {
    let open = Open::new().await;
    let town = &open.town;
    town.approved().await;
    let session = work(town).await;
    let operator = open.browser(&town.operator).await;
    let page = operator.get(&format!("/sessions/{session}/replay")).await.html();
    assert!(page.contains(&format!("data-replay=\"/sessions/{session}/recording\"")));
    let lines = operator.get(&format!("/sessions/{session}/recording")).await;
    let lines: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["t"].as_str()).collect();
    assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("head", "open", "end"), "{kinds:?}");
    assert!(lines.iter().any(|line| line["t"] == "cmd" && line["text"] == "systemctl status db"));
    let cast = operator.get(&format!("/sessions/{session}/asciicast?tab=0")).await;
    assert!(cast.status == 200 && cast.text.contains("\"version\":2"), "{} {}", cast.status, cast.text);
    town.pass(Duration::from_secs(600));
    for path in ["replay", "recording", "asciicast?tab=0"] {
        assert_eq!(operator.get(&format!("/sessions/{session}/{path}")).await.status, 403, "{path}");
    }
    let worker = open.browser(&town.worker).await;
    assert_eq!(worker.get(&format!("/sessions/{session}/recording")).await.status, 403, "a worker views no recording");
    assert!(worker.get(&format!("/sessions/{session}")).await.html().contains("ehr-db01"));
    let stranger = open.browser(&town.stranger).await;
    assert_eq!(stranger.get(&format!("/sessions/{session}")).await.status, 404);
}

#[tokio::test]
async fn an_approval_without_a_fresh_code_asks_for_one_and_takes_it() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    let plan = applied(&open, &worker).await;
    let operator = open.browser(&town.operator).await;
    town.pass(Duration::from_secs(400));
    let page = operator.get(&format!("{plan}/approve")).await.html();
    assert!(page.contains("name=\"code\""));
    let fields = [("version", hidden(&page, "version")), ("digest", hidden(&page, "digest"))];
    let refused = operator.post(&format!("{plan}/approve"), &pairs(&fields, &[])).await;
    assert_eq!(refused.refused(), "SKS-1005");
    let code = town.code(&town.operator);
    assert_eq!(operator.post(&format!("{plan}/approve"), &pairs(&fields, &[("code", code.expose())])).await.location(), plan);
}

#[tokio::test]
async fn a_page_that_has_gone_stale_changes_nothing() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    let plan = applied(&open, &worker).await;
    let operator = open.browser(&town.operator).await;
    let page = operator.get(&format!("{plan}/approve")).await.html();
    let (version, digest) = (hidden(&page, "version"), hidden(&page, "digest"));
    let edit = worker.get(&format!("{plan}/edit")).await.html();
    let fields = typed(&open);
    let old = hidden(&edit, "version");
    worker.post(&format!("{plan}/edit"), &pairs(&fields, &[("version", &old), ("line", "別の回線")])).await.location();
    let stale = operator.post(&format!("{plan}/approve"), &[("version", &version), ("digest", &digest)]).await;
    assert_eq!((stale.status, stale.refused().as_str()), (422, "SKS-2004"));
    let again = worker.post(&format!("{plan}/edit"), &pairs(&fields, &[("version", &old), ("line", "三つ目の回線")])).await;
    assert_eq!(again.refused(), "SKS-2004");
    assert!(again.text.contains("三つ目の回線"), "what was typed is kept");
    // With the present version, but a digest of what was read before.
    let version = hidden(&operator.get(&format!("{plan}/approve")).await.html(), "version");
    let unread = operator.post(&format!("{plan}/approve"), &[("version", &version), ("digest", &digest)]).await;
    assert_eq!(unread.refused(), "SKS-3006");
}

#[tokio::test]
async fn four_eyes_hold_on_pages_and_api() {
    let open = Open::new().await;
    let town = &open.town;
    // An operator applies on the vendor's behalf and cannot check it.
    let operator = open.api(&town.operator).await;
    let content = serde_json::to_value(town.content()).unwrap();
    let drawn = operator.post("/api/v1/plans", &json!({ "vendor": town.vendor.id, "content": content })).await.json();
    let plan = drawn["id"].as_str().unwrap();
    operator.act(plan, json!({ "act": "submit" })).await.json();
    let digest = operator.digest(plan).await;
    assert_eq!(operator.act(plan, json!({ "act": "approve", "digest": digest })).await.refused(), "SKS-3002");
    assert_eq!(operator.act(plan, json!({ "act": "reject", "reason": "x" })).await.refused(), "SKS-3002");
    let worker = open.api(&town.worker).await;
    assert_eq!(worker.act(plan, json!({ "act": "approve", "digest": digest })).await.status, 403);
    let clerk = open.browser(&town.clerk).await;
    assert_eq!(clerk.get(&format!("/plans/{plan}/approve")).await.status, 403);
    let stranger = open.api(&town.stranger).await;
    assert_eq!(stranger.get(&format!("/api/v1/plans/{plan}")).await.status, 404);
    assert!(!stranger.get("/api/v1/plans").await.text.contains(plan));
}

/// Every act on a plan in a state that does not fit it, as somebody who has the right.
#[tokio::test]
async fn every_act_in_the_wrong_state_is_refused() {
    let open = Open::new().await;
    let town = &open.town;
    let draft = town.draft(town.content()).await.id.to_string();
    let (worker, operator, planner) = (open.api(&town.worker).await, open.api(&town.operator).await, open.api(&town.planner).await);
    let digest = operator.digest(&draft).await;
    let report = json!({ "result": "x", "personal_data_used": false });
    let until = town.now().plus(Duration::from_secs(5 * 3600));
    let acts = [
        (&operator, json!({ "act": "return", "reason": "x" })),
        (&operator, json!({ "act": "reject", "reason": "x" })),
        (&operator, json!({ "act": "approve", "digest": digest })),
        (&operator, json!({ "act": "allow_emergency", "hours": 2 })),
        (&planner, json!({ "act": "decide_after_fact", "approved": true, "reason": "" })),
        (&worker, json!({ "act": "ask_extension", "until": until, "reason": "x" })),
        (&operator, json!({ "act": "decide_extension", "allowed": true })),
        (&worker, json!({ "act": "note_change", "text": "x" })),
        (&operator, json!({ "act": "accept_change", "index": 0 })),
        (&worker, json!({ "act": "finish_work" })),
        (&worker, json!({ "act": "explain_finding", "index": 0, "reason": "x" })),
        (&operator, json!({ "act": "decide_finding", "index": 0, "decision": "correct", "reason": "x" })),
        (&operator, json!({ "act": "finish_reconcile" })),
        (&worker, json!({ "act": "submit_report", "content": report })),
        (&planner, json!({ "act": "return_report", "reason": "x" })),
        (&planner, json!({ "act": "confirm" })),
    ];
    let before = worker.get(&format!("/api/v1/plans/{draft}")).await.json()["plan"].clone();
    for (who, act) in acts {
        let refused = who.act(&draft, act.clone()).await;
        assert_eq!(refused.refused(), "SKS-3001", "{act}");
        assert_eq!(refused.status, 409, "{act}");
    }
    let pages = open.browser(&town.operator).await;
    for page in ["approve", "return", "reject", "allow", "extension/decide"] {
        assert_eq!(pages.get(&format!("/plans/{draft}/{page}")).await.refused(), "SKS-3001", "{page}");
    }
    assert_eq!(worker.get(&format!("/api/v1/plans/{draft}")).await.json()["plan"], before);
}

#[tokio::test]
async fn a_form_with_mistakes_comes_back_whole() {
    let open = Open::new().await;
    let worker = open.browser(&open.town.worker).await;
    let fields: Vec<_> = typed(&open).into_iter().filter(|(name, _)| !matches!(*name, "rollback" | "until")).collect();
    let answer = worker.post("/plans/new", &pairs(&fields, &[("then", "submit"), ("until", "2020-01-01T10:00"), ("sources", "社内LAN")])).await;
    assert_eq!(answer.status, 422);
    let html = answer.text.replace("&#x2f;", "/");
    for kept in ["電子カルテDB 定期保守", "社内LAN", "2020-01-01T10:00", "#f-rollback", "#f-until", "#f-sources", "systemctl status db", "patch.sql"] {
        assert!(html.contains(kept), "{kept}: {html}");
    }
    // As a draft it may be incomplete, but not unreadable.
    let draft: Vec<_> = fields.into_iter().filter(|(name, _)| *name == "title" || *name == "vendor" || *name == "class").collect();
    let path = worker.post("/plans/new", &pairs(&draft, &[("then", "save")])).await.location().to_owned();
    assert!(worker.get(&path).await.html().contains("data-state=\"draft\""));
}

#[tokio::test]
async fn an_emergency_needs_one_press_of_the_clerk_and_the_planner_afterwards() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    assert!(worker.get("/plans/new?emergency=1").await.html().contains("name=\"emergency_reason\""));
    let account = format!("{}/{}", town.target, town.account);
    let (vendor, person) = (town.vendor.id.to_string(), town.worker.id().to_string());
    let fields = [
        ("vendor", vendor.as_str()), ("emergency", "1"), ("title", "電子カルテが起動しない"), ("class", "fault"), ("account.0", &account),
        ("function.0", "shell"), ("workers", &person), ("emergency_reason", "受付ができない"), ("contact", "03-0000-0000"), ("then", "submit"),
    ];
    let plan = worker.post("/plans/new", &fields).await.location().to_owned();
    let clerk = open.browser(&town.clerk).await;
    let allow = format!("{plan}/allow");
    let page = clerk.get(&allow).await.html();
    for word in ["受付ができない", "北斗メディカル", "sato 太郎", "電話で本人を確認"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert_eq!(clerk.act(&allow, &allow, &[("hours", "2")]).await.location(), plan);
    assert!(worker.get(&plan).await.html().contains("data-state=\"emergency\""));
    let session = work(town).await;
    let version = hidden(&worker.get(&plan).await.html(), "version");
    worker.post(&format!("{plan}/finish"), &[("version", &version)]).await.location();
    let planner = open.browser(&town.planner).await;
    let after = format!("{plan}/after_fact");
    assert!(planner.get(&after).await.html().contains(&session));
    let silent = planner.act(&after, &after, &[("decision", "refuse")]).await;
    assert_eq!(silent.refused(), "SKS-3012");
    planner.act(&after, &after, &[("decision", "approve")]).await.location();
    assert_eq!(planner.get(&after).await.refused(), "SKS-3001", "decided once");
}

#[tokio::test]
async fn an_attachment_comes_back_as_a_download_and_nothing_else() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    let fields = typed(&open);
    let html = b"<script>alert(1)</script>";
    let plan = worker.upload("/plans/new", &pairs(&fields, &[("then", "save")]), ("attachments", "手順書.html", html)).await.location().to_owned();
    let page = worker.get(&plan).await.html();
    let link = page.split("href=\"").filter_map(|part| part.split('"').next()).find(|link| link.contains("/attachments/att-")).expect("a link").to_owned();
    let file = worker.get(&link).await;
    assert_eq!(file.text.as_bytes(), html);
    let header = |name: &str| file.headers.get(name).and_then(|header| header.to_str().ok()).unwrap_or_default().to_owned();
    assert!(header("content-disposition").starts_with("attachment"), "{}", header("content-disposition"));
    assert_eq!((header("x-content-type-options").as_str(), header("content-type").as_str()), ("nosniff", "application/octet-stream"));
    let stranger = open.browser(&town.stranger).await;
    assert_eq!(stranger.get(&link).await.status, 404);
    let fine = vec![7_u8; 3 * 1024 * 1024];
    worker.upload(&format!("{plan}/attachments"), &[], ("attachments", "fine.bin", &fine)).await.location();
    let large = vec![0_u8; sekisho_core::limits::ATTACHMENT_BYTES + 1];
    let refused = worker.upload(&format!("{plan}/attachments"), &[], ("attachments", "big.bin", &large)).await;
    assert_eq!(refused.refused(), "SKS-2011");
}

#[tokio::test]
async fn a_file_that_was_chosen_survives_an_error_of_the_form() {
    let open = Open::new().await;
    let town = &open.town;
    let worker = open.browser(&town.worker).await;
    let fields = typed(&open);
    let wrong: Vec<_> = fields.iter().map(|(name, value)| (*name, if *name == "title" { String::new() } else { value.clone() })).collect();
    let bytes = "手順 一".as_bytes();
    let back = worker.upload("/plans/new", &pairs(&wrong, &[("then", "submit")]), ("attachments", "手順書.txt", bytes)).await;
    assert_eq!(back.status, 422, "{}", back.text);
    let page = back.text.clone();
    assert!(page.contains("選択済みのファイル") && page.contains("手順書.txt"), "{page}");
    let kept = hidden(&page, "kept_files");
    // Somebody else asks for it by its number in vain, and is told so.
    let other = open.browser(&town.stranger).await;
    let theirs: Vec<_> = fields.iter().map(|(name, value)| (*name, if *name == "vendor" { town.other.id.to_string() } else { value.clone() })).collect();
    let stolen = other.post("/plans/new", &pairs(&theirs, &[("then", "save"), ("kept_files", &kept), ("keep_file", "0")])).await;
    assert!(stolen.status == 422 && stolen.text.contains("もう一度選んでください"), "{}", stolen.text);
    // A second error, with a second file, loses neither.
    let more: Vec<(&str, &str)> = vec![("then", "submit"), ("kept_files", &kept), ("keep_file", "0")];
    let back = worker.upload("/plans/new", &pairs(&wrong, &more), ("attachments", "図面.txt", b"figure")).await;
    let page = back.text.clone();
    assert!(page.contains("手順書.txt") && page.contains("図面.txt"), "{page}");
    let again = hidden(&page, "kept_files");
    assert_ne!(again, kept);
    // What is not ticked is not attached; what is, comes with the plan.
    let done = worker.post("/plans/new", &pairs(&fields, &[("then", "save"), ("kept_files", &again), ("keep_file", "0")])).await;
    let plan = done.location().to_owned();
    let page = worker.get(&plan).await.html();
    assert!(page.contains("手順書.txt") && !page.contains("図面.txt"), "{page}");
    let link = page.split("href=\"").filter_map(|part| part.split('"').next()).find(|link| link.contains("/attachments/att-")).expect("a link").to_owned();
    assert_eq!(worker.get(&link).await.text.as_bytes(), bytes);
    // It is handed out once.
    let twice = worker.post("/plans/new", &pairs(&fields, &[("then", "save"), ("kept_files", &again), ("keep_file", "0")])).await;
    assert!(twice.status == 422 && twice.text.contains("もう一度選んでください"), "{}", twice.text);
}

#[tokio::test]
async fn a_clerk_cuts_a_running_session_and_the_list_shows_it_first() {
    let open = Open::new().await;
    let town = &open.town;
    town.approved().await;
    let code = town.code(&town.worker);
    let half = town.store.first_factor("sato", &sekisho_core::desk::Arrival::plain(crate::house::base::source()), FirstProof::Password(Secret::new(crate::house::ward::PASSWORD))).await.unwrap();
    let principal = town.store.second_factor(half, code).await.map_err(|(_, refusal)| refusal).unwrap();
    let Entry::Open(admission) = town.store.enter(&principal, "ehr-db01", None).await.unwrap() else { panic!("asked for a plan") };
    let session = admission.session.to_string();
    let clerk = open.browser(&town.clerk).await;
    assert!(clerk.get("/sessions").await.html().contains(&format!("/sessions/{session}/watch")));
    let page = clerk.get(&format!("/sessions/{session}/watch")).await.html();
    assert!(page.contains(&format!("data-live=\"/sessions/{session}/live\"")) && page.contains("data-confirm"));
    let mut recalls = town.store.recalls();
    clerk.post(&format!("/sessions/{session}/cut"), &[]).await.location();
    let recall = recalls.try_recv().expect("the gateway is told");
    assert_eq!(recall.session.map(|id| id.to_string()), Some(session.clone()));
    let worker: &Resident = &town.worker;
    let other = open.browser(worker).await;
    assert_eq!(other.post(&format!("/sessions/{session}/cut"), &[]).await.status, 403, "a worker cuts nothing");
    town.store.leave(&admission.session, admission.recording, Cause::Cut).await;
    assert!(clerk.get(&format!("/sessions/{session}")).await.html().contains("病院が切断"));
}
