//! Every route, walked as nobody and as each role. The golden text is the permission table as strangers meet it.

use super::browser::{ApiClient, Browser, Seen, map};
use super::clinic::Clinic;
use reqwest::{Method, StatusCode};
use sekisho_web::{Access, Kind, RouteInfo, table};

/// Walked by tests of their own, because they end the login that walks.
const ENDS_LOGIN: [&str; 2] = ["/logout", "/api/v1/logins/current"];

/// Something of the right form that does not exist.
fn filled(path: &str) -> String {
    let id = match path {
        path if path.contains("/persons/") => "per-aaaaaaaaaaaaaaaa",
        path if path.contains("/vendors/") => "ven-aaaaaaaaaaaaaaaa",
        path if path.contains("/targets/") => "tgt-aaaaaaaaaaaaaaaa",
        path if path.contains("/lines/") => "lin-aaaaaaaaaaaaaaaa",
        path if path.contains("/devices/") => "dev-aaaaaaaaaaaaaaaa",
        path if path.contains("/sessions/") => "ses-aaaaaaaaaaaaaaaa",
        path if path.contains("/passkeys/") => "psk-aaaaaaaaaaaaaaaa",
        path if path.contains("/identity_checks/") => "idc-aaaaaaaaaaaaaaaa",
        path if path.contains("/keys/") => "key-aaaaaaaaaaaaaaaa",
        _ => "pln-aaaaaaaaaaaaaaaa",
    };
    path.replace("{id}", id).replace("{account}", "acc-aaaaaaaaaaaaaaaa").replace("{certificate}", "crt-aaaaaaaaaaaaaaaa").replace("{file}", "att-aaaaaaaaaaaaaaaa").replace("{index}", "0").replace("{name}", "nothing").replace("{token}", "nothing").replace("{class}", "linux").replace("{at}", "999").replace("{n}", "999")
}

/// `login` if a login is asked for, `no` if the role is refused, `ok` for everything else.
fn verdict(seen: &Seen) -> &'static str {
    assert!(seen.status != StatusCode::INTERNAL_SERVER_ERROR, "a fault: {}", seen.text);
    let to_login = seen.status == StatusCode::SEE_OTHER && seen.location().starts_with("/login");
    match () {
        () if to_login || seen.text.contains("SKS-1011") => "login",
        () if seen.status == StatusCode::FORBIDDEN && seen.text.contains("SKS-1012") => "foreign",
        // The log's own page tells of refusals, so the code alone is no sign of one.
        () if seen.status == StatusCode::FORBIDDEN && seen.text.contains("SKS-2001") => "no",
        () => "ok",
    }
}

async fn walk(browser: &Browser<'_>, api: Option<&ApiClient<'_>>, route: &RouteInfo) -> &'static str {
    let path = filled(route.path);
    let origin = browser.clinic.origin();
    let seen = match (route.kind, &route.method) {
        (Kind::Page, &Method::POST) => browser.post(&path, &[]).await,
        (Kind::Api, method) => match api {
            Some(api) => api.send(method.clone(), &path, None, &[]).await,
            None => Seen::of(browser.client.request(method.clone(), browser.clinic.url(&path)).headers(map(&[("origin", &origin), ("x-csrf-token", &browser.csrf)])).send().await.unwrap()).await,
        },
        (Kind::Socket, _) => {
            let headers = [("origin", origin.as_str()), ("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
            Seen::of(browser.client.get(browser.clinic.url(&path)).headers(map(&headers)).send().await.unwrap()).await
        }
        _ => Seen::of(browser.client.get(browser.clinic.url(&path)).send().await.unwrap()).await,
    };
    verdict(&seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_as_every_role() {
    let clinic = Clinic::with(&Clinic::everybody()).await;
    let mut nobody = Browser::new(&clinic);
    nobody.get("/login").await;
    let mut walkers = Vec::new();
    for login in Clinic::everybody() {
        walkers.push((login, Browser::of(&clinic, login).await, ApiClient::of(&clinic, login).await));
    }
    // A fresh code would let grave acts through; what is asked here is whether the role is let through at all.
    clinic.clock.pass(std::time::Duration::from_secs(360));
    let mut text = String::new();
    for route in table().iter().filter(|route| !ENDS_LOGIN.contains(&route.path)) {
        let mut passed = Vec::new();
        let outside = walk(&nobody, None, route).await;
        match route.access {
            Access::Public => assert_eq!(outside, "ok", "{} {}", route.method, route.path),
            _ => assert_eq!(outside, "login", "{} {} lets nobody in", route.method, route.path),
        }
        for (login, browser, api) in &walkers {
            match walk(browser, Some(api), route).await {
                "ok" => passed.push(*login),
                "no" => {}
                other => panic!("{} {} as {login}: {other}", route.method, route.path),
            }
        }
        let who = if passed.len() == walkers.len() { "all".to_owned() } else { passed.join(" ") };
        let step = if matches!(route.access, Access::MayStepUp(_)) { " (code)" } else { "" };
        let outside = if outside == "ok" { "nobody+" } else { "" };
        text.push_str(&format!("{:6} {}{step}: {outside}{who}\n", route.method.as_str(), route.path));
    }
    let golden = include_str!("../../golden/routes.txt");
    assert!(text == golden, "the table of routes and roles changed; if that is meant, put this into testsuite/golden/routes.txt:\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_every_role_renders_in_both_languages() {
    let clinic = Clinic::with(&Clinic::everybody()).await;
    for login in Clinic::everybody() {
        let mut browser = Browser::of(&clinic, login).await;
        for lang in ["en", "ja"] {
            let seen = browser.post("/language", &[("lang", lang)]).await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER);
            for route in table().iter().filter(|route| route.kind == Kind::Page && route.method == Method::GET && !route.path.contains('{')) {
                let seen = browser.get(route.path).await;
                assert!(seen.status != StatusCode::INTERNAL_SERVER_ERROR, "{} as {login} in {lang}: {}", route.path, seen.text);
                if seen.status == StatusCode::OK && seen.text.contains("<html") {
                    assert!(seen.text.contains(&format!("<html lang=\"{lang}\"")), "{} as {login} in {lang}", route.path);
                }
            }
        }
    }
}
