//! Holds and deletions on the pages, as the people of the hospital meet them.

use super::browser::Browser;
use super::clinic::{AFTERNOON, Clinic};
use crate::house::resumed::{forged, spoilt_hold};
use sekisho_core::people::Actor;
use sekisho_core::time::Timestamp;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_placed_by_one_person_and_lifted_by_another() {
    let clinic = Clinic::with(&["operator", "planner", "safety", "worker"]).await;
    clinic.store.keep_round().await.unwrap();
    let mut planner = Browser::of(&clinic, "planner").await;
    let fields = [("of", "everything"), ("basis", "own"), ("case_number", "<b>院内-7</b>"), ("reason", "調査のため")];
    let missing = planner.post("/holds", &[("of", "vendor"), ("basis", "own"), ("case_number", "1"), ("reason", "x")]).await;
    assert!(missing.text.contains("SKS-2003"), "a scope without its vendor: {}", missing.text);
    let placed = planner.post("/holds", &fields).await;
    assert!(placed.status.is_redirection(), "{}", placed.text);
    let path = placed.location().to_owned();
    let shown = planner.get(&path).await.text;
    assert!(shown.contains("証拠保全中") && shown.contains("指定した人は解除できません"), "{shown}");
    assert!(!shown.contains("<b>院内"), "a number is no markup");
    let code = clinic.code("planner");
    let own = planner.post(&format!("{path}/lift"), &[("reason", "済"), ("code", &code)]).await;
    assert!(own.text.contains("SKS-2046"), "{}", own.text);
    let mut worker = Browser::of(&clinic, "worker").await;
    assert!(worker.get("/holds").await.text.contains("SKS-2001"));
    let mut safety = Browser::of(&clinic, "safety").await;
    let code = clinic.code("safety");
    let lifted = safety.post(&format!("{path}/lift"), &[("reason", "関係がないと分かった"), ("code", &code)]).await;
    assert!(lifted.status.is_redirection(), "{}", lifted.text);
    assert!(safety.get("/holds").await.text.contains("終了した証拠保全"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_time_waits_for_a_planner_who_did_not_ask() {
    let clinic = Clinic::with(&["operator", "planner"]).await;
    clinic.store.keep_round().await.unwrap();
    let mut operator = Browser::of(&clinic, "operator").await;
    let code = clinic.code("operator");
    let low = operator.post("/retention/recordings", &[("days", "89"), ("reason", "x"), ("code", &code)]).await;
    assert!(low.text.contains("SKS-2003"), "{}", low.text);
    let asked = operator.post("/retention/recordings", &[("days", "120"), ("reason", "ディスクの不足")]).await;
    assert!(asked.status.is_redirection(), "{}", asked.text);
    assert!(operator.get("/retention").await.text.contains("申請を取り下げる"));
    let mut planner = Browser::of(&clinic, "planner").await;
    let page = planner.get("/retention").await.text;
    assert!(page.contains("365 日から 120 日に短縮") && page.contains("短縮を承認する"), "{page}");
    let code = clinic.code("planner");
    let done = planner.post("/retention/recordings/decide", &[("decision", "yes"), ("days", "120"), ("reason", ""), ("code", &code)]).await;
    assert!(done.status.is_redirection(), "{}", done.text);
    assert!(planner.get("/retention").await.text.contains("120 日"));
    let csv = planner.get("/deletions/csv").await;
    assert!(csv.text.contains("番号") && csv.status.is_success(), "{}", csv.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unsigned_entry_says_is_shown_as_text_and_two_persons_let_deleting_go_on() {
    let hostile = spoilt_hold(&format!("<script>alert(1)</script>\u{202e}{}", "長".repeat(5000)));
    let text = forged(false, Timestamp(AFTERNOON), &Actor::console(), "hold_placed", &hostile);
    let clinic = Clinic::forged(&text, &["operator", "planner", "safety", "keeper"]).await;
    clinic.store.keep_round().await.unwrap();
    let mut planner = Browser::of(&clinic, "planner").await;
    let mut safety = Browser::of(&clinic, "safety").await;
    let page = planner.get("/retention").await.text;
    assert!(page.contains("削除を止めています") && page.contains("先に証拠保全を指定し直してください") && page.contains(">hold_placed</code>"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert(1)") && !page.contains('\u{202e}') && !page.contains(&"長".repeat(500)), "{page}");
    let field = |page: &str, name: &str| page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1.split('"').next().unwrap().to_owned();
    let last = field(&page, "last");
    let mut operator = Browser::of(&clinic, "operator").await;
    let shown = operator.get("/retention").await.text;
    assert!(shown.contains("削除を止めています") && !shown.contains("/deletions/resume"), "{shown}");
    assert!(operator.get("/deletions/ahead").await.text.contains("署名のない項目を確かめる"));
    let mut keeper = Browser::of(&clinic, "keeper").await;
    let shown = keeper.get("/retention").await.text;
    assert!(shown.contains(">hold_placed</code>") && !shown.contains("alert(1)"), "who may not read the log sees number, time and kind: {shown}");

    clinic.clock.pass(Duration::from_secs(360));
    let stale = planner.post("/deletions/resume", &[("last", &last), ("reason", "調べた")]).await;
    assert!(!stale.status.is_redirection(), "it takes a fresh factor");
    let code = clinic.code("planner");
    let asked = planner.post("/deletions/resume", &[("last", &last), ("reason", "調べた"), ("code", &code)]).await;
    assert!(asked.status.is_redirection(), "{}", asked.text);
    let page = planner.get("/retention").await.text;
    assert!(page.contains("申請を取り下げる") && !page.contains("削除の再開を承認する"), "{page}");
    let number = field(&page, "asked");
    let own = planner.post("/deletions/resume/decide", &[("asked", &number), ("decision", "yes"), ("reason", "")]).await;
    assert!(own.text.contains("SKS-2046"), "{}", own.text);
    assert!(safety.get("/retention").await.text.contains("削除の再開を承認する"));
    let code = clinic.code("safety");
    let done = safety.post("/deletions/resume/decide", &[("asked", &number), ("decision", "yes"), ("reason", ""), ("code", &code)]).await;
    assert!(done.status.is_redirection(), "{}", done.text);
    assert!(!safety.get("/retention").await.text.contains("削除を止めています"));
    assert!(planner.get("/log").await.text.contains("止まっていた削除の再開を承認しました"));
}
