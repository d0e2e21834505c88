//! Holds and deletions on the pages, as the people of the hospital meet them.

use super::browser::Browser;
use super::clinic::Clinic;

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
