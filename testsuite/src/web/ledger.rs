//! The ledgers by their pages: register, change, disable, re-enrol.

use super::browser::Browser;
use super::clinic::{Clinic, PASSWORD};
use reqwest::StatusCode;
use sekisho_core::people::Actor;

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_person_gets_a_link_that_is_shown_once() {
    let clinic = Clinic::with(&["keeper"]).await;
    let mut browser = Browser::of(&clinic, "keeper").await;
    browser.get("/persons/new").await;
    let hostile = "<script>alert(1)</script>";
    let seen = browser.post("/persons/new", &[("name", hostile), ("login", "mori"), ("roles", "operator"), ("department", "\"><img src=x>")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let path = seen.location().to_owned();
    let page = browser.get(&path).await;
    assert!(page.text.contains("https://localhost/enrol/"), "{}", page.text);
    assert!(!page.text.contains(hostile) && page.text.contains("&lt;script&gt;") && !page.text.contains("<img src=x"));
    let page = browser.get(&path).await;
    assert!(!page.text.contains("/enrol/"), "shown twice");
    let list = browser.get("/persons").await;
    assert!(!list.text.contains(hostile) && list.text.contains("mori"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_kept_and_the_error_stands_at_its_field() {
    let clinic = Clinic::with(&["keeper"]).await;
    let mut browser = Browser::of(&clinic, "keeper").await;
    browser.get("/persons/new").await;
    let seen = browser.post("/persons/new", &[("name", "森 さくら"), ("login", "Mori Sakura"), ("roles", "operator"), ("phone", "090-0000-0000")]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.text.contains("SKS-2003") && seen.text.contains("f-login-error") && seen.text.contains("value=\"森 さくら\"") && seen.text.contains("090-0000-0000"), "{}", seen.text);
    let seen = browser.post("/persons/new", &[("name", "森 さくら"), ("login", "keeper"), ("roles", "operator")]).await;
    assert!(seen.text.contains("SKS-2005"), "{}", seen.text);
    let seen = browser.post("/persons/new", &[("name", "森 さくら"), ("login", "mori"), ("roles", "auditor"), ("roles", "operator")]).await;
    assert!(seen.text.contains("SKS-2008"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_is_out_at_once() {
    let clinic = Clinic::with(&["keeper", "planner"]).await;
    let mut planner = Browser::of(&clinic, "planner").await;
    let mut keeper = Browser::of(&clinic, "keeper").await;
    let id = clinic.people["planner"].0.id.to_string();
    let page = keeper.get(&format!("/persons/{id}/edit")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let seen = keeper.post(&format!("/persons/{id}/edit"), &[("name", "試験 planner"), ("roles", "planner")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(planner.get("/account").await.status, StatusCode::SEE_OTHER);
    planner.get("/login").await;
    let code = clinic.code("planner");
    let seen = planner.post("/login", &[("login", "planner"), ("password", PASSWORD), ("code", &code)]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_registered_with_its_fingerprint_and_its_secret_never_shown() {
    let clinic = Clinic::with(&["keeper"]).await;
    let mut browser = Browser::of(&clinic, "keeper").await;
    browser.get("/targets/new").await;
    let vendor = clinic.vendor.to_string();
    let key = "10.0.0.5 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
    let fields = [("title", "電子カルテ DBサーバ"), ("name", "ehr-db01"), ("host", "10.0.0.5"), ("port", "22"), ("vendor", vendor.as_str()), ("host_keys", key), ("class", "linux"), ("witness", "none"), ("quarantine", "never"), ("active", "1")];
    let seen = browser.post("/targets/new", &fields).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let path = seen.location().to_owned();
    let page = browser.get(&path).await;
    assert!(page.text.contains("SHA256:") && page.text.contains("アカウントが登録されていません"), "{}", page.text);
    let secret = "db-secret-of-the-target";
    let seen = browser.post(&format!("{path}/accounts/new"), &[("username", "maint"), ("credential", "password"), ("credential_password", secret)]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let page = browser.get(&path).await;
    assert!(page.text.contains("maint") && !page.text.contains(secret), "{}", page.text);
    let row = clinic.store.targets(&Actor::console()).await.unwrap().remove(0);
    assert_eq!((row.target.host_keys.len(), row.accounts.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_every_login() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut here = Browser::of(&clinic, "planner").await;
    let mut there = Browser::of(&clinic, "planner").await;
    here.get("/account/password").await;
    let new = "kaze-no-oto-77?x";
    let seen = here.post("/account/password", &[("old_password", "wrong-one-12345!"), ("new_password", new), ("new_password2", new)]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", seen.text);
    let seen = here.post("/account/password", &[("old_password", PASSWORD), ("new_password", new), ("new_password2", new)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/login?changed=1"), "{}", seen.text);
    assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_stays_with_the_login() {
    let clinic = Clinic::with(&["planner"]).await;
    let mut browser = Browser::of(&clinic, "planner").await;
    assert!(browser.get("/").await.text.contains("今すること"));
    browser.post("/language", &[("lang", "en")]).await;
    let page = browser.get("/").await;
    assert!(page.text.contains("To do now") && page.text.contains("<html lang=\"en\""));
}
