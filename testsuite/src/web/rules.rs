//! ルール: read by those who read the ledgers, changed by administrators, tried before a worker meets them.

use super::browser::{ApiClient, Browser};
use super::clinic::Clinic;
use reqwest::{Method, StatusCode};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_keeps_the_rules_and_everybody_sees_what_they_do() {
    let clinic = Clinic::with(&["keeper", "operator"]).await;
    let mut keeper = Browser::of(&clinic, "keeper").await;
    let mut operator = Browser::of(&clinic, "operator").await;
    // A new box has the basic rules, and says what they are.
    let page = operator.get("/rules").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("防御の境界ではありません") && page.text.contains("mkfs*") && page.text.contains("まだ誰も変更していません"), "{}", page.text);
    assert!(!page.text.contains("/rules/linux/new"), "who reads is offered nothing to change");
    let tried = operator.get("/rules?class=linux&line=sudo+systemctl+stop+httpd").await;
    assert!(tried.text.contains("当てはまるルールはありません"), "{}", tried.text);
    // One press switches the whole set on.
    let page = keeper.get("/rules/linux/set").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let seen = keeper.post("/rules/linux/set", &[("version", "0"), ("set", "whole")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let tried = operator.get("/rules?class=linux&line=sudo+systemctl+stop+httpd").await;
    assert!(tried.text.contains("サービスが止まります。") && tried.text.contains("病院が許可するまで待たせます"), "{}", tried.text);
    // A rule of one's own stands before it; what is not a rule is told at its field.
    let hostile = "<script>alert(1)</script>";
    let seen = keeper.post("/rules/linux/new", &[("version", "1"), ("pattern", " "), ("act", "note"), ("reason", hostile)]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.text.contains("f-pattern-error"), "{}", seen.text);
    let seen = keeper.post("/rules/linux/new", &[("version", "1"), ("pattern", "systemctl stop httpd"), ("act", "note"), ("reason", hostile), ("first", "1")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let tried = operator.get("/rules?class=linux&line=sudo+systemctl+stop+httpd").await;
    assert!(tried.text.contains("証跡に残します") && !tried.text.contains(hostile), "{}", tried.text);
    // Somebody else changed it meanwhile: nothing is overwritten.
    let seen = keeper.post("/rules/linux/0/remove", &[("version", "1")]).await;
    assert!(seen.text.contains("SKS-2004"), "{}", seen.text);
    assert_eq!(keeper.post("/rules/linux/0/move", &[("version", "2"), ("to", "down")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(keeper.post("/rules/linux/1/remove", &[("version", "3")]).await.status, StatusCode::SEE_OTHER);
    assert!(!operator.get("/rules").await.text.contains("<code>systemctl stop httpd</code>"));
    let seen = operator.post("/rules/linux/set", &[("version", "4"), ("set", "clear")]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_tries_and_replaces_the_rules() {
    let clinic = Clinic::with(&["operator"]).await;
    let api = ApiClient::of(&clinic, "operator").await;
    let seen = api.send(Method::GET, "/api/v1/rules", None, &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    let all: serde_json::Value = serde_json::from_str(&seen.text).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    let seen = api.send(Method::POST, "/api/v1/rules/database/try", Some(serde_json::json!({ "line": "drop table patients" })), &[]).await;
    let ruling: serde_json::Value = serde_json::from_str(&seen.text).unwrap();
    assert_eq!((ruling["act"].as_str(), ruling["pattern"].as_str()), (Some("hold"), Some("DROP TABLE")), "{}", seen.text);
}
