//! What every answer carries, and what the listener speaks.

use super::browser::{Browser, Seen, builder};
use super::clinic::{Clinic, PASSWORD};
use reqwest::StatusCode;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn asset(page: &str) -> String {
    page.split("src=\"/assets/").nth(1).and_then(|rest| rest.split('"').next()).map(|name| format!("/assets/{name}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_policy() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::of(&clinic, "planner").await;
    let page = browser.get("/").await;
    let script = asset(&page.text);
    for path in ["/", "/login", "/nowhere", "/api/v1/me", "/api/v1/nowhere", &script] {
        let seen = browser.get(path).await;
        let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("content-security-policy"), POLICY, "{path}");
        assert!(header("strict-transport-security").contains("max-age=31536000; includeSubDomains"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(!header("permissions-policy").is_empty(), "{path}");
        let kept = if path == script { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(header("cache-control"), kept, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_stays_with_this_host_and_out_of_scripts() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::new(&clinic);
    browser.get("/login").await;
    let code = clinic.code("planner");
    let seen = browser.post("/login", &[("login", "planner"), ("password", PASSWORD), ("code", &code)]).await;
    let cookies: Vec<&str> = seen.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let login = cookies.iter().find(|line| line.starts_with("__Host-sekisho=")).unwrap();
    for part in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(login.contains(part), "{login}");
    }
    assert!(!login.contains("Domain"), "{login}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_3_is_spoken() {
    let clinic = Clinic::with(&[]).await;
    let old = builder(&clinic).tls_version_max(reqwest::tls::Version::TLS_1_2).build().unwrap();
    assert!(old.get(clinic.url("/login")).send().await.is_err());
    let new = builder(&clinic).tls_version_min(reqwest::tls::Version::TLS_1_3).build().unwrap();
    assert_eq!(new.get(clinic.url("/login")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_do_not_keep_an_honest_one_out() {
    let clinic = Clinic::with(&[]).await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(tokio::net::TcpStream::connect(clinic.address).await.unwrap());
    }
    let client = builder(&clinic).build().unwrap();
    let seen = tokio::time::timeout(std::time::Duration::from_secs(5), client.get(clinic.url("/login")).send()).await.unwrap().unwrap();
    assert_eq!(Seen::of(seen).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_api_names_every_route() {
    let clinic = Clinic::with(&[]).await;
    let mut browser = Browser::new(&clinic);
    let seen = browser.get("/api/v1/openapi.json").await;
    let document = seen.json();
    for route in sekisho_web::table().iter().filter(|route| route.kind == sekisho_web::Kind::Api) {
        let method = route.method.as_str().to_lowercase();
        assert!(document["paths"][route.path][&method]["summary"].is_string(), "{method} {}", route.path);
    }
    let text = seen.text;
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name} is named and not described");
    }
}
