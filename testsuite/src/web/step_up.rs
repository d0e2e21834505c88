//! Grave acts ask for a fresh one-time code: within the form, on a page between, or by a header.

use super::browser::{ApiClient, Browser};
use super::clinic::Clinic;
use reqwest::{Method, StatusCode};
use sekisho_core::people::Actor;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_changes_with_a_fresh_code_only() {
    let clinic = Clinic::with(&["keeper"]).await;
    let mut browser = Browser::of(&clinic, "keeper").await;
    clinic.clock.pass(Duration::from_secs(360));
    let page = browser.get("/vendors/new").await;
    assert!(page.text.contains("one-time-code"), "{}", page.text);
    let fields = [("name", "西風ソフト"), ("active", "1")];
    let count = async || clinic.store.vendors(&Actor::console()).await.unwrap().len();
    let before = count().await;

    let seen = browser.post("/vendors/new", &fields).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", seen.text);
    assert!(seen.text.contains("SKS-1005") && seen.text.contains("value=\"西風ソフト\""), "{}", seen.text);
    let seen = browser.post("/vendors/new", &[fields[0], fields[1], ("code", "000000")]).await;
    assert!(seen.text.contains("SKS-1001") && seen.text.contains("f-code-error"), "{}", seen.text);
    assert_eq!(count().await, before);

    let code = clinic.code("keeper");
    let seen = browser.post("/vendors/new", &[fields[0], fields[1], ("code", &code)]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(count().await, before + 1);
    // Fresh for a while: the next form asks for no code.
    let page = browser.get("/vendors/new").await;
    assert!(!page.text.contains("one-time-code"));
    clinic.clock.pass(Duration::from_secs(360));
    assert!(browser.get("/vendors/new").await.text.contains("one-time-code"));
}

/// Verbs of the store look at the login as well: the code that came with the form counts for them, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_in_the_form_counts_for_what_the_form_asks() {
    let clinic = Clinic::with(&["keeper"]).await;
    let mut browser = Browser::of(&clinic, "keeper").await;
    clinic.clock.pass(Duration::from_secs(360));
    assert!(browser.get("/account/recovery").await.text.contains("one-time-code"));
    assert_eq!(browser.post("/account/recovery", &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = clinic.code("keeper");
    let seen = browser.post("/account/recovery", &[("code", &code)]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_client_gives_the_code_in_a_header_or_beforehand() {
    let clinic = Clinic::with(&["keeper"]).await;
    let api = ApiClient::of(&clinic, "keeper").await;
    clinic.clock.pass(Duration::from_secs(360));
    let ask = || Some(json!({ "name": "西風ソフト", "active": true }));
    let seen = api.send(Method::POST, "/api/v1/vendors", ask(), &[]).await;
    assert_eq!((seen.status, seen.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("SKS-1005")));
    assert_eq!(seen.json()["field"], "code");
    let code = clinic.code("keeper");
    let seen = api.send(Method::POST, "/api/v1/vendors", ask(), &[("x-step-up-code", &code)]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    clinic.clock.pass(Duration::from_secs(360));
    let code = clinic.code("keeper");
    assert_eq!(api.send(Method::POST, "/api/v1/step-up", Some(json!({ "code": code })), &[]).await.status, StatusCode::NO_CONTENT);
    let seen = api.send(Method::POST, "/api/v1/vendors", Some(json!({ "name": "東雲", "active": true })), &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    // A code is good once.
    clinic.clock.pass(Duration::from_secs(360));
    let seen = api.send(Method::POST, "/api/v1/vendors", ask(), &[("x-step-up-code", &code)]).await;
    assert_eq!(seen.json()["code"], "SKS-1001");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_between_leads_back_and_repeats_nothing() {
    let clinic = Clinic::with(&["auditor"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    clinic.clock.pass(Duration::from_secs(360));
    let path = "/sessions/ses-aaaaaaaaaaaaaaaa/replay";
    let seen = browser.get(path).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
    assert!(seen.text.contains(&format!("value=\"{path}\"")), "{}", seen.text);
    let seen = browser.post("/step-up", &[("code", "000000"), ("next", path)]).await;
    assert!(seen.text.contains("SKS-1001") && seen.text.contains(path));
    let code = clinic.code("auditor");
    let seen = browser.post("/step-up", &[("code", &code), ("next", path)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, path));
    assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND);
}

/// What a search shows stood on a worker's screen: it asks for the code that the recording asks for.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_for_a_fresh_code_and_keeps_its_words() {
    let clinic = Clinic::with(&["auditor"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    let api = ApiClient::of(&clinic, "auditor").await;
    assert_eq!(browser.get("/search?q=kanja").await.status, StatusCode::OK);
    clinic.clock.pass(Duration::from_secs(360));
    // As many characters as a search may have, as a browser writes them.
    let words = "%E6%82%A3".repeat(sekisho_core::limits::SEARCH_CHARS);
    let path = format!("/search?q={words}&kind=output&from=2026-04-01");
    let seen = browser.get(&path).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
    assert!(seen.text.contains("name=\"code\"") && seen.text.contains(&words), "{}", seen.text);
    let asked = api.send(Method::GET, "/api/v1/search?q=kanja", None, &[]).await;
    assert_eq!((asked.status, asked.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("SKS-1005")));
    let code = clinic.code("auditor");
    let seen = browser.post("/step-up", &[("code", &code), ("next", &path)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, path.as_str()));
    let seen = browser.get(&path).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text.contains(&format!("value=\"{}\"", "患".repeat(sekisho_core::limits::SEARCH_CHARS))), "{}", seen.text);
}
