//! Signing in at a real OpenID provider: what lets in, what is asked for after it, and every answer that must not be believed.

use super::browser::{Browser, Seen};
use super::clinic::Clinic;
use crate::house::slapd::Authority;
use reqwest::{Certificate, Client, StatusCode, redirect};
use rustls_pki_types::pem::PemObject as _;
use sekisho_core::facts::Fact;
use sekisho_core::factors::{FactorKind, Proof};
use sekisho_core::ids::VendorId;
use sekisho_core::people::{Actor, Role};
use sekisho_core::policy::Policy;
use sekisho_core::refusal::Refusal;
use sekisho_core::secret::Secret;
use sekisho_directory::{Directories, ProviderSettings, Trust};
use sekisho_store::{Denied, LogFilter};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const SECRET: &str = "a-secret-of-this-box-that-is-long-enough";

/// The provider, in a process of its own. It ends with the value.
struct Idp {
    child: Child,
    port: u16,
    ca: String,
}

impl Drop for Idp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Idp {
    fn start(clinic: &Clinic) -> Self {
        let authority = Authority::new();
        let redirects = ["aoba-id", "hokuto"].map(|name| format!("https://localhost/login/callback/{name}"));
        let given = json!({ "chain": authority.chain, "key": authority.key, "now": clinic.clock_now().0, "client": "sekisho", "secret": SECRET, "redirects": redirects });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/street/provider.mjs");
        let mut child = Command::new("node").arg(script).arg(given.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).expect("the provider starts (npm ci in ui)");
        let ahead = said["now"].as_i64().unwrap() - clinic.clock_now().0;
        clinic.clock.pass(Duration::from_millis(u64::try_from(ahead).unwrap_or(0)));
        Self { port: u16::try_from(said["port"].as_u64().unwrap()).unwrap(), child, ca: authority.ca }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn settings(&self) -> ProviderSettings {
        ProviderSettings {
            name: "aoba-id".into(),
            label: "青葉病院 ID".into(),
            issuer: self.url(""),
            client_id: "sekisho".into(),
            scopes: vec!["profile".into()],
            several_factors_amr: vec!["mfa".into()],
            ..ProviderSettings::default()
        }
    }

    /// A browser at the provider.
    fn client(&self) -> Client {
        let ca = Certificate::from_pem(self.ca.as_bytes()).unwrap();
        Client::builder().tls_certs_only([ca]).cookie_store(true).redirect(redirect::Policy::none()).build().unwrap()
    }

    async fn bend(&self, how: &str) {
        let seen = self.client().get(self.url(&format!("/bend?how={how}"))).send().await.unwrap();
        assert_eq!(seen.text().await.unwrap(), how);
    }
}

fn join(clinic: &Clinic, ca: &str, settings: Vec<ProviderSettings>) {
    let clock: Arc<dyn sekisho_core::time::Clock> = clinic.clock.clone();
    let anchors = || rustls_pki_types::CertificateDer::pem_slice_iter(ca.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let providers = settings.into_iter().map(|settings| (settings, Trust { anchors: anchors(), secret: Secret::new(SECRET) })).collect();
    clinic.store.join_directories(Arc::new(Directories::new(Vec::new(), providers, &clock, |name, why| panic!("{name}: {why}"))));
}

async fn link(clinic: &Clinic, login: &str, source: &str, known_as: &str) {
    clinic.store.link_person(&Actor::console(), &clinic.people[login].0.id, source, known_as).await.unwrap();
}

/// What the provider sends the browser back with, as a path of ours.
async fn at_provider(idp: &Idp, begun: &Seen, account: &[(&str, &str)]) -> String {
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let (client, mut next) = (idp.client(), begun.location().to_owned());
    for _ in 0..8 {
        let seen = match next.split_once("/interaction/") {
            Some(_) => Seen::of(client.post(&next).form(&account).send().await.unwrap()).await,
            None => Seen::of(client.get(&next).send().await.unwrap()).await,
        };
        assert!(seen.status.is_redirection(), "{next}: {} {}", seen.status, seen.text);
        next = seen.location().to_owned();
        if let Some(path) = next.strip_prefix("https://localhost/") {
            return format!("/{path}");
        }
        if next.starts_with('/') {
            next = idp.url(&next);
        }
    }
    panic!("the provider does not send the browser back: {next}");
}

async fn sign_in(idp: &Idp, browser: &mut Browser<'_>, source: &str, account: &[(&str, &str)]) -> Seen {
    let begun = browser.get(&format!("/login/with/{source}?next=/plans")).await;
    let back = at_provider(idp, &begun, account).await;
    browser.get(&back).await
}

/// The first sign-in after a link, which the person ends by a code of their own.
async fn confirm(clinic: &Clinic, idp: &Idp, login: &str, source: &str, account: &str) {
    let mut browser = Browser::new(clinic);
    let seen = sign_in(idp, &mut browser, source, &[("account", account), ("amr", "mfa")]).await;
    assert_eq!(seen.location(), "/login/second", "{}", seen.text);
    browser.get("/login/second").await;
    let seen = browser.post("/login/second", &[("code", &clinic.code(login))]).await;
    assert_eq!(seen.location(), "/plans", "{}", seen.text);
}

async fn causes(clinic: &Clinic) -> Vec<(String, String)> {
    let entries = clinic.store.log_entries(&Actor::console(), &LogFilter { kind: Some("refused".into()), ..LogFilter::default() }).await.unwrap();
    entries.into_iter().filter_map(|entry| match entry.fact {
        Fact::Refused { code, detail, .. } => Some((code, detail)),
        _ => None,
    }).collect()
}

#[tokio::test]
async fn a_provider_with_its_own_several_factors_lets_in_and_grave_acts_ask_for_ours() {
    let clinic = Clinic::with(&["operator"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![idp.settings()]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    // What the administrator typed, the person confirms; the provider's word alone is not enough for it.
    confirm(&clinic, &idp, "operator", "aoba-id", "ono").await;
    let mut browser = Browser::new(&clinic);
    let page = browser.get("/login").await;
    assert!(page.text.contains("青葉病院 ID でログイン") && page.text.contains("/login/with/aoba-id"), "{}", page.text);
    let seen = sign_in(&idp, &mut browser, "aoba-id", &[("account", "ono"), ("amr", "pwd"), ("amr", "mfa")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    // The page leads on by itself, because the browser sends no strict cookie with what another site began.
    assert_eq!(seen.headers["refresh"], "0; url=/plans");
    let home = browser.get("/account").await;
    assert!(home.text.contains("試験 operator"), "{}", home.text);
    let token = browser_token(&seen);
    let login = clinic.store.login_of(&token, [127, 0, 0, 1].into()).await.unwrap();
    assert_eq!((login.proof, login.stepped_up_until), (Some(Proof::Provider), None), "nobody here knows when the provider asked");
    clinic.store.step_up(&login, Secret::new(clinic.code("operator"))).await.unwrap();
    let login = clinic.store.login_of(&token, [127, 0, 0, 1].into()).await.unwrap();
    assert_eq!(login.proof, Some(Proof::ProviderTotp));
    // The password here ended with the link.
    let mut other = Browser::new(&clinic);
    other.get("/login").await;
    let refused = other.post("/login", &[("login", "operator"), ("password", super::clinic::PASSWORD), ("code", &clinic.code("operator"))]).await;
    assert!(refused.text.contains("SKS-1001"), "{}", refused.text);
    // The link's end is the login's end.
    clinic.store.unlink_person(&Actor::console(), &clinic.people["operator"].0.id).await.unwrap();
    assert!(clinic.store.login_of(&token, [127, 0, 0, 1].into()).await.is_err());
}

fn browser_token(seen: &Seen) -> String {
    let cookies = seen.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    cookies.filter_map(|line| line.strip_prefix("__Host-sekisho=")).filter_map(|rest| rest.split(';').next()).next().expect("a login").to_owned()
}

#[tokio::test]
async fn without_the_providers_word_our_own_factor_is_asked_for() {
    let clinic = Clinic::with(&["operator", "planner"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![idp.settings()]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    let mut browser = Browser::new(&clinic);
    let seen = sign_in(&idp, &mut browser, "aoba-id", &[("account", "ono"), ("amr", "pwd")]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/login/second"));
    assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "a half is no login");
    let page = browser.get("/login/second").await;
    assert!(page.text.contains("試験 operator") && page.text.contains("青葉病院 ID"), "{}", page.text);
    let wrong = browser.post("/login/second", &[("code", "000000")]).await;
    assert!(wrong.text.contains("SKS-1001"), "{}", wrong.text);
    // Another person's code is none of theirs.
    let others = browser.post("/login/second", &[("code", &clinic.code("planner"))]).await;
    assert!(others.text.contains("SKS-1001"), "{}", others.text);
    let seen = browser.post("/login/second", &[("code", &clinic.code("operator"))]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/plans"), "{}", seen.text);
    let login = clinic.store.login_of(&browser_token(&seen), [127, 0, 0, 1].into()).await.unwrap();
    assert_eq!(login.proof, Some(Proof::ProviderTotp));
    // Used up.
    let again = browser.post("/login/second", &[("code", &clinic.code("operator"))]).await;
    assert!(!again.status.is_redirection() || again.location() != "/plans", "{}", again.text);
}

#[tokio::test]
async fn a_role_that_asks_for_a_passkey_is_not_satisfied_by_a_provider() {
    let mut policy = Policy::default();
    policy.factors.insert(Role::Operator, BTreeSet::from([FactorKind::Totp]));
    let clinic = Clinic::under(policy, &["operator"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![idp.settings()]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    let seen = sign_in(&idp, &mut Browser::new(&clinic), "aoba-id", &[("account", "ono"), ("amr", "mfa")]).await;
    assert_eq!(seen.location(), "/login/second", "{}", seen.text);
}

#[tokio::test]
async fn a_token_that_is_wrong_in_anything_lets_nobody_in() {
    let clinic = Clinic::with(&["operator"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![idp.settings()]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    confirm(&clinic, &idp, "operator", "aoba-id", "ono").await;
    let bends = [
        ("nonce", "nonce"), ("no nonce", "nonce"), ("audience", "audience"), ("audiences", "audience"), ("party", "authorised_party"), ("issuer", "issuer"), ("expired", "expired"),
        ("old", "expired"), ("early", "expired"), ("unsigned", "algorithm"), ("symmetric", "algorithm"), ("key", "signature"), ("unknown key", "unknown_key"), ("malformed", ""),
        ("no sign-in time", "auth_time"), ("old sign-in", "auth_time"), ("later sign-in", "auth_time"),
    ];
    for (how, cause) in bends {
        idp.bend(how).await;
        let seen = sign_in(&idp, &mut Browser::new(&clinic), "aoba-id", &[("account", "ono"), ("amr", "mfa")]).await;
        assert!(seen.text.contains("SKS-1065"), "{how}: {} {}", seen.status, seen.text);
        assert!(!seen.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().starts_with("__Host-sekisho=")), "{how}");
        let told = causes(&clinic).await;
        assert!(cause.is_empty() || told.contains(&("SKS-1065".into(), cause.into())), "{how}: {told:?}");
        clinic.clock.pass(Duration::from_secs(1));
    }
    idp.bend("").await;
    clinic.clock.pass(Duration::from_secs(60));
    let seen = sign_in(&idp, &mut Browser::new(&clinic), "aoba-id", &[("account", "ono"), ("amr", "mfa")]).await;
    assert_eq!(seen.headers["refresh"], "0; url=/plans", "straight again");
}

#[tokio::test]
async fn an_answer_is_good_once_for_the_browser_that_asked() {
    let clinic = Clinic::with(&["operator"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![idp.settings()]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    confirm(&clinic, &idp, "operator", "aoba-id", "ono").await;
    let account = [("account", "ono"), ("amr", "mfa")];
    let mut browser = Browser::new(&clinic);
    let begun = browser.get("/login/with/aoba-id").await;
    let back = at_provider(&idp, &begun, &account).await;
    // Somebody else's browser, with and without a sign-in of its own.
    let mut other = Browser::new(&clinic);
    assert!(other.get(&back).await.text.contains("SKS-1064"));
    other.get("/login/with/aoba-id").await;
    assert!(other.get(&back).await.text.contains("SKS-1064"), "the state of another sign-in");
    // The right one, twice.
    assert_eq!(browser.get(&back).await.status, StatusCode::OK);
    let mut replay = Browser::new(&clinic);
    let begun = replay.get("/login/with/aoba-id").await;
    let state = begun.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let issuer = idp.url("");
    // A used code with a fresh state: the provider itself refuses it, for it was spent and for another verifier.
    let seen = replay.get(&format!("/login/callback/aoba-id?code={code}&state={state}&iss={issuer}")).await;
    assert!(seen.text.contains("SKS-1065"), "{}", seen.text);
    assert!(replay.get(&format!("/login/callback/aoba-id?code={code}&state={state}&iss={issuer}")).await.text.contains("SKS-1064"), "and the state is spent");
    // Another provider's name in the answer (RFC 9207), and no code at all.
    let mut mixed = Browser::new(&clinic);
    let begun = mixed.get("/login/with/aoba-id").await;
    let back = at_provider(&idp, &begun, &account).await;
    let bent = back.replace(&format!("localhost%3A{}", idp.port), "evil.test");
    assert_ne!(bent, back);
    assert!(mixed.get(&bent).await.text.contains("SKS-1065"));
    // Without its name, though this provider says that it gives it.
    let begun = mixed.get("/login/with/aoba-id").await;
    let back = at_provider(&idp, &begun, &account).await;
    let bare = back.split("&iss=").next().unwrap();
    assert_ne!(bare, back);
    assert!(mixed.get(bare).await.text.contains("SKS-1065"));
    assert!(causes(&clinic).await.contains(&("SKS-1065".into(), "no_issuer".into())));
    let mut refused = Browser::new(&clinic);
    let begun = refused.get("/login/with/aoba-id").await;
    let back = at_provider(&idp, &begun, &[("refuse", "1")]).await;
    assert!(refused.get(&back).await.text.contains("SKS-1065"));
    // Too late.
    let mut late = Browser::new(&clinic);
    let begun = late.get("/login/with/aoba-id").await;
    let back = at_provider(&idp, &begun, &account).await;
    clinic.clock.pass(Duration::from_secs(600));
    assert!(late.get(&back).await.text.contains("SKS-1064"));
}

/// A vendor's provider that is hostile would send the browser on to the hospital's provider, and have the code that comes back.
/// Each has an address of its own, so an answer that comes to the wrong one is nobody's.
#[tokio::test]
async fn an_answer_at_another_providers_address_is_refused_before_its_code_is_redeemed() {
    let clinic = Clinic::with(&["operator"]).await;
    let idp = Idp::start(&clinic);
    let of = |name: &str, vendor: Option<VendorId>| ProviderSettings { name: name.into(), vendor, ..idp.settings() };
    join(&clinic, &idp.ca, vec![of("hokuto", Some(clinic.vendor.clone())), of("aoba-id", None)]);
    link(&clinic, "operator", "aoba-id", "ono").await;
    for account in [&[("account", "ono"), ("amr", "mfa")][..], &[("refuse", "1")]] {
        let mut browser = Browser::new(&clinic);
        let begun = browser.get("/login/with/aoba-id").await;
        let back = at_provider(&idp, &begun, account).await;
        assert!(back.starts_with("/login/callback/aoba-id?"), "{back}");
        let before = causes(&clinic).await.len();
        let seen = browser.get(&back.replace("/callback/aoba-id", "/callback/hokuto")).await;
        assert!(seen.text.contains("SKS-1064"), "{}", seen.text);
        let told = causes(&clinic).await;
        assert!(told.len() == before + 1 && told.contains(&("SKS-1064".into(), "mix_up".into())), "{told:?}");
        // The sign-in is over with it, at the right address, too.
        assert!(browser.get(&back).await.text.contains("SKS-1064"));
    }
}

#[tokio::test]
async fn a_vendors_provider_lets_in_its_own_persons_alone() {
    let clinic = Clinic::with(&["worker", "stranger", "operator"]).await;
    let idp = Idp::start(&clinic);
    let of = |name: &str, vendor: Option<VendorId>| ProviderSettings { name: name.into(), vendor, ..idp.settings() };
    join(&clinic, &idp.ca, vec![of("hokuto", Some(clinic.vendor.clone())), of("aoba-id", None)]);
    link(&clinic, "worker", "hokuto", "w").await;
    confirm(&clinic, &idp, "worker", "hokuto", "w").await;
    for (login, source) in [("stranger", "hokuto"), ("operator", "hokuto"), ("worker", "aoba-id")] {
        let refused = clinic.store.link_person(&Actor::console(), &clinic.people[login].0.id, source, login).await;
        assert!(matches!(refused, Err(Denied::Refusal(Refusal::LinkRefused))), "{login} {source}");
    }
    let seen = sign_in(&idp, &mut Browser::new(&clinic), "hokuto", &[("account", "w"), ("amr", "mfa")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    // The same subject by the other provider's entry is nobody, and so is a subject that nobody is linked to.
    for (source, account) in [("aoba-id", "w"), ("hokuto", "operator")] {
        let seen = sign_in(&idp, &mut Browser::new(&clinic), source, &[("account", account), ("amr", "mfa")]).await;
        assert!(seen.text.contains("SKS-1066"), "{source}: {}", seen.text);
    }
    // A contract that has ended ends this way in, too.
    clinic.store.change_person(&Actor::console(), &clinic.people["worker"].0.id, sekisho_store::PersonChange { active: false, ..sekisho_store::PersonChange::of(&clinic.people["worker"].0) }).await.unwrap();
    let seen = sign_in(&idp, &mut Browser::new(&clinic), "hokuto", &[("account", "w"), ("amr", "mfa")]).await;
    assert!(seen.text.contains("SKS-1004"), "{}", seen.text);
}

#[tokio::test]
async fn a_claim_finds_the_person_once_and_the_subject_counts_from_then_on() {
    let clinic = Clinic::with(&["operator"]).await;
    let idp = Idp::start(&clinic);
    join(&clinic, &idp.ca, vec![ProviderSettings { claim: "employee_number".into(), ..idp.settings() }]);
    link(&clinic, "operator", "aoba-id", "E-ono").await;
    let held = async || clinic.store.link_of_person(&Actor::console(), &clinic.people["operator"].0.id).await.unwrap().unwrap();
    // Somebody else of the same number, whose sign-in waits for the second factor, pins nothing.
    let mut other = Browser::new(&clinic);
    let seen = sign_in(&idp, &mut other, "aoba-id", &[("account", "ono.2"), ("amr", "mfa")]).await;
    assert_eq!(seen.location(), "/login/second", "{}", seen.text);
    assert_eq!(held().await.subject, None);
    let mut browser = Browser::new(&clinic);
    let seen = sign_in(&idp, &mut browser, "aoba-id", &[("account", "ono"), ("amr", "mfa")]).await;
    assert_eq!(seen.location(), "/login/second", "a claim alone names nobody: {}", seen.text);
    for waits in [&mut browser, &mut other] {
        assert_eq!(waits.get("/login/second").await.status, StatusCode::OK);
    }
    let seen = browser.post("/login/second", &[("code", &clinic.code("operator"))]).await;
    assert_eq!(seen.location(), "/plans", "{}", seen.text);
    let late = other.post("/login/second", &[("code", &clinic.code("operator"))]).await;
    assert!(late.text.contains("SKS-1066"), "pinned to another subject in the meantime: {}", late.text);
    let entries = clinic.store.log_entries(&Actor::console(), &LogFilter { kind: Some("link_pinned".into()), ..LogFilter::default() }).await.unwrap();
    assert!(matches!(&entries[0].fact, Fact::LinkPinned { subject, .. } if subject == "ono"));
    assert_eq!((entries.len(), held().await.subject.as_deref()), (1, Some("ono")));
    // Linked anew while a sign-in waits for the second factor: another statement, though it names the same provider.
    let mut waiting = Browser::new(&clinic);
    sign_in(&idp, &mut waiting, "aoba-id", &[("account", "ono"), ("amr", "pwd")]).await;
    assert_eq!(waiting.get("/login/second").await.status, StatusCode::OK);
    link(&clinic, "operator", "aoba-id", "E-kato").await;
    let over = waiting.post("/login/second", &[("code", &clinic.code("operator"))]).await;
    assert!(over.text.contains("SKS-1064"), "{}", over.text);
}

#[tokio::test]
async fn a_provider_that_is_down_says_so_and_keeps_nobody_else_out() {
    let clinic = Clinic::with(&["operator", "planner"]).await;
    let idp = Idp::start(&clinic);
    let other_ca = Authority::new().ca;
    join(&clinic, &other_ca, vec![idp.settings(), ProviderSettings { name: "gone".into(), issuer: "https://localhost:1".into(), ..idp.settings() }]);
    for name in ["aoba-id", "gone"] {
        let seen = Browser::new(&clinic).get(&format!("/login/with/{name}")).await;
        assert!(seen.text.contains("SKS-1065"), "{name}: {}", seen.text);
    }
    assert!(Browser::new(&clinic).get("/login/with/nobody").await.text.contains("SKS-2002"));
    Browser::of(&clinic, "planner").await;
}
