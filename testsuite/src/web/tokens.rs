//! Tokens for automation at the door: every route of the API with a token of each scope, and what ends one.

use super::browser::{ApiClient, Browser, Seen, client};
use super::clinic::Clinic;
use reqwest::{Method, StatusCode};
use sekisho_core::people::{Actor, Role};
use sekisho_core::permission::Action;
use sekisho_core::source::Network;
use sekisho_core::token::SCOPES;
use sekisho_store::{NewRobot, PersonChange, TokenAsk, VendorAsk};
use sekisho_web::{Kind, table};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn filled(path: &str) -> String {
    let id = match path {
        path if path.contains("/persons/") => "per-aaaaaaaaaaaaaaaa",
        path if path.contains("/vendors/") => "ven-aaaaaaaaaaaaaaaa",
        path if path.contains("/targets/") => "tgt-aaaaaaaaaaaaaaaa",
        path if path.contains("/sessions/") => "ses-aaaaaaaaaaaaaaaa",
        _ => "pln-aaaaaaaaaaaaaaaa",
    };
    path.replace("{id}", id).replace("{account}", "acc-aaaaaaaaaaaaaaaa").replace("{file}", "att-aaaaaaaaaaaaaaaa").replace("{class}", "linux").replace("{n}", "999")
}

/// A token of a person, or of a robot for what only robots are given.
async fn token(clinic: &Clinic, login: &str, scope: Action, network: &str) -> String {
    let actor = |login: &str| Actor::of(&clinic.people[login].0, sekisho_core::people::Via::Web, None);
    let ask = |person| TokenAsk { person, name: "連携".into(), scopes: BTreeSet::from([scope]), sources: vec![Network::parse(network).unwrap()], until: clinic.clock_now().plus(DAY * 60), reason: "試験".into() };
    let made = if scope == Action::ReadLog {
        let robot = NewRobot { login: format!("robot-{login}"), name: "転送".into(), vendor: None, department: String::new(), roles: BTreeSet::from([Role::Auditor]), responsible: clinic.people[login].0.id.clone(), valid_until: None };
        let robot = clinic.store.add_robot(&actor("keeper"), robot).await.unwrap();
        clinic.store.make_token(&actor("keeper"), ask(robot.id)).await.unwrap()
    } else {
        clinic.store.make_token(&actor(login), ask(clinic.people[login].0.id.clone())).await.unwrap()
    };
    made.code.expose().to_owned()
}

fn with<'a>(clinic: &'a Clinic, token: &str) -> ApiClient<'a> {
    ApiClient { clinic, client: client(clinic), token: token.to_owned() }
}

/// The code of a refusal. What was done may tell of codes, too: the log does.
fn code(seen: &Seen) -> &str {
    if seen.status.is_success() {
        return "";
    }
    seen.text.find("SKS-").and_then(|at| seen.text.get(at..at + 8)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_api_route_with_a_token_of_each_scope() {
    let clinic = Clinic::with(&["operator", "keeper"]).await;
    let mut walkers = Vec::new();
    for scope in SCOPES {
        walkers.push((scope, token(&clinic, "operator", scope, "127.0.0.0/8").await));
    }
    let mut text = String::new();
    for route in table().iter().filter(|route| route.kind == Kind::Api) {
        let mut passed = Vec::new();
        for (scope, token) in &walkers {
            let seen = with(&clinic, token).send(route.method.clone(), &filled(route.path), None, &[]).await;
            assert!(seen.status != StatusCode::INTERNAL_SERVER_ERROR, "{} {}: {}", route.method, route.path, seen.text);
            match code(&seen) {
                "SKS-1042" | "SKS-1043" => assert_eq!(seen.status, StatusCode::FORBIDDEN),
                "SKS-2001" => panic!("{} {} with {scope:?}: the scope fits and the holder's role does not: {}", route.method, route.path, seen.text),
                "SKS-1041" | "SKS-1003" | "SKS-1011" => panic!("{} {}: {}", route.method, route.path, seen.text),
                _ => passed.push(format!("{scope:?}")),
            }
        }
        let who = if passed.len() == SCOPES.len() { "any".to_owned() } else { passed.join(" ") };
        text.push_str(format!("{:6} {}: {who}", route.method.as_str(), route.path).trim_end());
        text.push('\n');
        // Each refusal is counted against the source, and many routes refuse.
        clinic.clock.pass(Duration::from_secs(601));
    }
    let golden = include_str!("../../golden/token-routes.txt");
    assert!(text == golden, "what tokens open has changed; if that is meant, put this into testsuite/golden/token-routes.txt:\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_api_alone_and_only_from_its_network() {
    let clinic = Clinic::with(&["operator"]).await;
    let good = token(&clinic, "operator", Action::ReadPlan, "127.0.0.0/8").await;
    let api = with(&clinic, &good);
    let me = api.send(Method::GET, "/api/v1/me", None, &[]).await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text);
    for page in ["/", "/plans", "/account", "/account/tokens"] {
        let seen = api.send(Method::GET, page, None, &[]).await;
        assert_eq!((seen.status, seen.location().starts_with("/login")), (StatusCode::SEE_OTHER, true), "{page}");
    }
    // As a cookie it is nothing.
    let cookie = format!("__Host-sekisho={good}");
    let seen = with(&clinic, "").send(Method::GET, "/api/v1/me", None, &[("cookie", &cookie)]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    let far = token(&clinic, "operator", Action::ReadPlan, "192.0.2.0/24").await;
    let seen = with(&clinic, &far).send(Method::GET, "/api/v1/me", None, &[("x-forwarded-for", "192.0.2.7")]).await;
    assert_eq!((seen.status, code(&seen)), (StatusCode::UNAUTHORIZED, "SKS-1041"), "no header of the client moves it");
    // A fresh code beside it makes no person of a program.
    let fresh = clinic.code("operator");
    let seen = api.send(Method::GET, "/api/v1/search?text=x", None, &[("x-step-up-code", &fresh)]).await;
    assert_eq!((seen.status, code(&seen)), (StatusCode::FORBIDDEN, "SKS-1043"));
    let seen = api.send(Method::POST, "/api/v1/me/tokens", Some(json!({ "name": "x", "scopes": ["read_plan"], "sources": ["127.0.0.1"], "until": clinic.clock_now().plus(DAY).0 })), &[("x-step-up-code", &fresh)]).await;
    assert_eq!((seen.status, code(&seen)), (StatusCode::FORBIDDEN, "SKS-1043"), "a token makes no token");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_person_ends_the_token_and_a_login_is_not_replayed() {
    let clinic = Clinic::with(&["operator", "worker", "keeper"]).await;
    let keeper = Actor::of(&clinic.people["keeper"].0, sekisho_core::people::Via::Web, None);
    let (of_operator, of_worker) = (token(&clinic, "operator", Action::ReadPlan, "127.0.0.1").await, token(&clinic, "worker", Action::ReadPlan, "127.0.0.1").await);
    let seen = async |token: &str| with(&clinic, token).send(Method::GET, "/api/v1/plans", None, &[]).await.status;
    assert_eq!((seen(&of_operator).await, seen(&of_worker).await), (StatusCode::OK, StatusCode::OK));
    let person = &clinic.people["operator"].0;
    clinic.store.change_person(&keeper, &person.id, PersonChange { active: false, ..PersonChange::of(person) }).await.unwrap();
    assert_eq!(seen(&of_operator).await, StatusCode::UNAUTHORIZED);
    let vendor = clinic.store.vendor(&keeper, &clinic.vendor).await.unwrap();
    clinic.store.change_vendor(&keeper, &clinic.vendor, VendorAsk { name: vendor.name, active: false, ..VendorAsk::default() }).await.unwrap();
    assert_eq!(seen(&of_worker).await, StatusCode::UNAUTHORIZED);
    // The token of a login, played again after its end.
    let api = ApiClient::of(&clinic, "keeper").await;
    assert_eq!(api.send(Method::GET, "/api/v1/me", None, &[]).await.status, StatusCode::OK);
    assert_eq!(api.send(Method::DELETE, "/api/v1/logins/current", None, &[]).await.status, StatusCode::NO_CONTENT);
    let again = api.send(Method::GET, "/api/v1/me", None, &[]).await;
    assert_eq!((again.status, code(&again)), (StatusCode::UNAUTHORIZED, "SKS-1011"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_makes_a_token_on_their_page_and_sees_it_once() {
    let clinic = Clinic::with(&["operator", "auditor"]).await;
    let mut browser = Browser::of(&clinic, "operator").await;
    let form = browser.get("/account/tokens/new").await;
    assert!(form.text.contains("read_plan") && !form.text.contains("read_log"), "{}", form.text);
    let until = sekisho_core::time::format_date(clinic.clock_now().plus(DAY * 20).date());
    let fields = [("token_name", "部門連携"), ("scopes", "read_plan"), ("sources", "127.0.0.1\n192.0.2.0/24"), ("token_until", until.as_str())];
    let sent = browser.post("/account/tokens/new", &fields).await;
    assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, "/account/tokens"), "{}", sent.text);
    let shown = browser.get("/account/tokens").await.text;
    let at = shown.find("sekisho_").expect("the code is shown");
    let code_text = shown[at..at + 67].to_owned();
    assert!(sekisho_core::token::has_form(&code_text));
    assert!(!browser.get("/account/tokens").await.text.contains("sekisho_"), "once");
    let me = with(&clinic, &code_text).send(Method::GET, "/api/v1/me", None, &[]).await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text);
    let mut auditor = Browser::of(&clinic, "auditor").await;
    let all = auditor.get("/tokens").await;
    assert!(all.text.contains("部門連携") && all.text.contains("127.0.0.1"), "{}", all.text);
}
