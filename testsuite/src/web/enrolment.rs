//! The one-time link: password and second factor together, once.

use super::browser::Browser;
use super::clinic::{Clinic, PASSWORD};
use reqwest::StatusCode;
use sekisho_core::people::{Actor, Role};
use sekisho_core::time::Clock;
use sekisho_store::NewPerson;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_enrols_once_and_logs_in() {
    let clinic = Clinic::with(&[]).await;
    let ask = NewPerson { login: "mori".into(), name: "森 さくら".into(), roles: BTreeSet::from([Role::Planner]), ..NewPerson::default() };
    let (_, link) = clinic.store.add_person(&Actor::console(), ask).await.unwrap();
    let path = link.url.expose().trim_start_matches("https://localhost").to_owned();
    let mut browser = Browser::new(&clinic);

    let page = browser.get(&path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("森 さくら") && page.text.contains("<svg") && page.text.contains("13文字以上"), "{}", page.text);
    let secret = page.text.split("data-copy=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().replace(' ', "");
    assert!(secret.len() >= 32 && secret.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()), "{secret}");
    // The secret stays the same while the link is not used.
    assert!(browser.get(&path).await.text.contains(&page.text.split("data-copy=\"").nth(1).unwrap()[..20]));

    let offer = clinic.store.enrolment(link.token.expose(), "", [127, 0, 0, 1].into()).await.unwrap();
    let codes = totp_rs::Totp::from_url(offer.totp_url.expose()).unwrap();
    let code = || {
        clinic.clock.pass(std::time::Duration::from_secs(30));
        codes.generate(clinic.clock.now().0 as u64 / 1000).to_string()
    };

    let (now, next) = (code(), code());
    let _ = now;
    for (first, second, code, error) in [
        ("short1!", "short1!", next.as_str(), "SKS-1007"),
        ("aaaabbbbccccdd", "aaaabbbbccccdd", &next, "SKS-1008"),
        (PASSWORD, "tsuki-no-michi-43!", &next, "SKS-2003"),
        (PASSWORD, PASSWORD, "000000", "SKS-1001"),
    ] {
        let seen = browser.post(&path, &[("new_password", first), ("new_password2", second), ("code", code)]).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{error}");
        assert!(seen.text.contains(error) && !seen.text.contains(first), "{error}: {}", seen.text);
    }
    let seen = browser.post(&path, &[("new_password", PASSWORD), ("new_password2", PASSWORD), ("code", &next)]).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/login?enrolled=1"), "{}", seen.text);

    // Used up, under every spelling.
    for spelling in [path.clone(), format!("{path}/"), path.replace("/enrol/", "//enrol/"), path.replace("enrol", "ENROL")] {
        let seen = browser.get(&spelling).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{spelling}");
        assert!(!seen.text.contains(&secret));
    }
    let fresh = code();
    browser.get("/login?enrolled=1").await;
    let seen = browser.post("/login", &[("login", "mori"), ("password", PASSWORD), ("code", &fresh)]).await;
    assert_eq!(seen.location(), "/", "{}", seen.text);
}
