//! Requests that another site, another name or another door sends.

use super::browser::{ApiClient, Browser, Seen, client, map};
use super::clinic::{Clinic, PASSWORD};
use reqwest::{Method, StatusCode};
use sekisho_core::facts::Fact;
use sekisho_core::people::Actor;
use sekisho_store::LogFilter;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_our_token_or_origin_changes_nothing() {
    let clinic = Clinic::with(&["planner"]).await;
    let browser = Browser::of(&clinic, "planner").await;
    let origin = clinic.origin();
    let ours = [("origin", origin.as_str())];
    let fields = [("lang", "en")];
    let token = browser.csrf.clone();
    let mut other = token.clone();
    other.replace_range(..1, if token.starts_with('a') { "b" } else { "a" });
    let tries: Vec<(Option<&str>, Vec<(&str, &str)>)> = vec![
        (None, ours.to_vec()),
        (Some(""), ours.to_vec()),
        (Some(&other), ours.to_vec()),
        (Some(&token[..token.len() - 1]), ours.to_vec()),
        (Some(&token), vec![]),
        (Some(&token), vec![("origin", "null")]),
        (Some(&token), vec![("origin", "https://evil.example")]),
        (Some(&token), vec![("origin", "https://localhost")]),
        (Some(&token), vec![("origin", &origin), ("sec-fetch-site", "same-site")]),
        (Some(&token), vec![("origin", &origin), ("sec-fetch-site", "cross-site")]),
    ];
    for (csrf, headers) in tries {
        let seen = browser.post_with("/language", &fields, csrf, &headers).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{csrf:?} {headers:?}");
        assert!(seen.text.contains("SKS-1012"), "{}", seen.text);
    }
    let seen = browser.post_with("/language", &fields, Some(&token), &ours).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_form_is_guarded_too() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::new(&clinic);
    browser.get("/login").await;
    let code = clinic.code("planner");
    let fields = [("login", "planner"), ("password", PASSWORD), ("code", code.as_str())];
    let origin = clinic.origin();
    // Another browser's token is of no use here: the hidden value belongs to this browser's cookie.
    let mut stranger = Browser::new(&clinic);
    stranger.get("/login").await;
    let seen = browser.post_with("/login", &fields, Some(&stranger.csrf), &[("origin", &origin)]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.text);
    let seen = browser.post("/login", &fields).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_keeps_the_name_and_tells_nothing() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::new(&clinic);
    browser.get("/login?next=/plans").await;
    let code = clinic.code("planner");
    for (login, password, code) in [("planner", "wrong-password-1!", code.as_str()), ("planner", PASSWORD, "000000"), ("ghost", PASSWORD, "123456")] {
        let seen = browser.post("/login", &[("login", login), ("password", password), ("code", code), ("next", "/plans")]).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(seen.text.contains("SKS-1001") && seen.text.contains(&format!("value=\"{login}\"")), "{}", seen.text);
        assert!(seen.text.contains("value=\"/plans\"") && !seen.text.contains(password), "{}", seen.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_login_only_paths_of_ours_are_followed() {
    let clinic = Clinic::with(&["planner"]).await;
    for (next, goal) in [("/plans?state=draft", "/plans?state=draft"), ("//evil.example/", "/"), ("https://evil.example", "/"), ("/\\evil.example", "/"), ("/api/v1/me", "/")] {
        let mut browser = Browser::new(&clinic);
        browser.get("/login").await;
        let code = clinic.code("planner");
        let seen = browser.post("/login", &[("login", "planner"), ("password", PASSWORD), ("code", &code), ("next", next)]).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, goal), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_name_gets_no_answer() {
    let clinic = Clinic::with(&[]).await;
    let client = client(&clinic);
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1"] {
        let seen = Seen::of(client.get(clinic.url("/login")).headers(map(&[("host", host)])).send().await.unwrap()).await;
        assert_eq!(seen.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!seen.text.contains("csrf"));
        let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!((header("content-type"), header("x-content-type-options"), header("x-frame-options")), ("text/plain; charset=utf-8", "nosniff", "DENY"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_site_may_lead_here_and_reads_nothing_with_our_cookie() {
    let clinic = Clinic::with(&["planner"]).await;
    let browser = Browser::of(&clinic, "planner").await;
    let with = |mode: &'static str, dest: &'static str| [("sec-fetch-site", "same-site"), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
    assert_eq!(browser.get_with("/plans", &with("navigate", "document")).await.status, StatusCode::OK);
    for (path, mode, dest) in [("/plans", "no-cors", "image"), ("/plans", "navigate", "iframe"), ("/api/v1/me", "cors", "empty"), ("/api/v1/me", "navigate", "document")] {
        let seen = browser.get_with(path, &with(mode, dest)).await;
        assert!(seen.status == StatusCode::FORBIDDEN && seen.text.contains("SKS-1012"), "{path} {mode} {dest}: {}", seen.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_by_our_own_pages_alone() {
    let clinic = Clinic::with(&["operator"]).await;
    let browser = Browser::of(&clinic, "operator").await;
    let ours = clinic.origin();
    let path = "/sessions/ses_00000000000000000000000000/live";
    let ask = async |origin: &str| {
        let headers = [("origin", origin), ("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
        browser.get_with(path, &headers).await
    };
    assert_ne!(ask(&ours).await.status, StatusCode::FORBIDDEN);
    for origin in ["https://evil.example", "null", "http://localhost"] {
        let seen = ask(origin).await;
        assert!(seen.status == StatusCode::FORBIDDEN && seen.text.contains("SKS-1012"), "{origin}: {}", seen.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_only_the_door_it_was_made_for() {
    let clinic = Clinic::with(&["planner"]).await;
    let api = ApiClient::of(&clinic, "planner").await;
    assert_eq!(api.send(Method::GET, "/api/v1/me", None, &[]).await.status, StatusCode::OK);
    // On pages it is nothing, neither as header nor as cookie.
    let seen = api.send(Method::GET, "/account", None, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let cookie = format!("__Host-sekisho={}", api.token);
    let bare = client(&clinic);
    let seen = Seen::of(bare.get(clinic.url("/account")).headers(map(&[("cookie", &cookie)])).send().await.unwrap()).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    // A page of another site cannot use it even if it had it.
    let seen = api.send(Method::POST, "/api/v1/step-up", Some(json!({ "code": "000000" })), &[("origin", "https://evil.example")]).await;
    assert!(seen.text.contains("SKS-1012"), "{}", seen.text);
    // Dead after logging out.
    assert_eq!(api.send(Method::DELETE, "/api/v1/logins/current", None, &[]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.send(Method::GET, "/api/v1/me", None, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_with_a_cookie_asks_for_the_token_in_a_header() {
    let clinic = Clinic::with(&["planner"]).await;
    let browser = Browser::of(&clinic, "planner").await;
    let code = clinic.code("planner");
    let origin = clinic.origin();
    let call = |headers: Vec<(&'static str, String)>| {
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.client.post(clinic.url("/api/v1/step-up")).headers(map(&pairs)).json(&json!({ "code": code })).send()
    };
    let seen = Seen::of(call(vec![("origin", origin.clone())]).await.unwrap()).await;
    assert_eq!(seen.json()["code"], "SKS-1012");
    let seen = Seen::of(call(vec![("origin", origin.clone()), ("x-csrf-token", browser.csrf.clone())]).await.unwrap()).await;
    assert_eq!(seen.status, StatusCode::NO_CONTENT, "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_are_not_believed() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::new(&clinic);
    browser.get("/login").await;
    let code = clinic.code("planner");
    let origin = clinic.origin();
    let headers = [("origin", origin.as_str()), ("x-forwarded-for", "203.0.113.99"), ("forwarded", "for=203.0.113.99"), ("x-real-ip", "203.0.113.99")];
    let csrf = browser.csrf.clone();
    browser.post_with("/login", &[("login", "planner"), ("password", PASSWORD), ("code", &code)], Some(&csrf), &headers).await;
    let entries = clinic.store.log_entries(&Actor::console(), &LogFilter::default()).await.unwrap();
    let entry = entries.iter().find(|entry| matches!(entry.fact, Fact::LoggedIn { .. })).unwrap();
    assert_eq!(entry.actor.source.as_deref(), Some("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_written_down() {
    let clinic = Clinic::with(&["worker"]).await;
    let mut browser = Browser::of(&clinic, "worker").await;
    let seen = browser.get("/log").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.text.contains("SKS-2001"));
    let entries = clinic.store.log_entries(&Actor::console(), &LogFilter::default()).await.unwrap();
    assert!(entries.iter().any(|entry| matches!(&entry.fact, Fact::Refused { stage, code, detail, .. } if stage == "web" && code == "SKS-2001" && detail == "GET /log")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_when_it_is_idle() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::of(&clinic, "planner").await;
    clinic.clock.pass(std::time::Duration::from_secs(31 * 60));
    let seen = browser.get("/plans?state=draft").await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/login?ended=1&next=/plans%3Fstate%3Ddraft"));
    let seen = browser.get("/login?ended=1").await;
    assert!(seen.text.contains("ログインが終了しました"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refreshes_itself_keeps_no_login_alive() {
    let clinic = Clinic::with(&["planner"]).await;
    let browser = Browser::of(&clinic, "planner").await;
    for _ in 0..5 {
        clinic.clock.pass(std::time::Duration::from_secs(5 * 60));
        assert_eq!(browser.refresh("/now").await.status, StatusCode::OK);
    }
    clinic.clock.pass(std::time::Duration::from_secs(6 * 60));
    assert_ne!(browser.refresh("/now").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_a_body_is_refused() {
    let clinic = Clinic::with(&["planner"]).await;
    let browser = Browser::of(&clinic, "planner").await;
    let much = "x".repeat(300 * 1024);
    let seen = browser.post("/language", &[("lang", &much)]).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(seen.text.contains("SKS-2011"));
}
