//! Evidence bundles at pages and API: who may, with what, and that what is saved is whole.

use super::browser::{Browser, client};
use super::clinic::Clinic;
use reqwest::StatusCode;
use sekisho_bundle::ZipFiles;
use sekisho_evidence::bundle::{BundleVerdict, verify_bundle};
use sekisho_evidence::checkpoint::PublicKey;
use sekisho_evidence::verify::Trust;
use serde_json::json;
use std::time::Duration;

/// A code given that long ago counts for nothing, and the login still stands.
const LAPSED: Duration = Duration::from_secs(6 * 60);

pub(super) fn verdict(clinic: &Clinic, zip: &[u8]) -> BundleVerdict {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.zip");
    std::fs::write(&path, zip).unwrap();
    let key = PublicKey::parse(&clinic.store.log_public_key()).unwrap();
    let files = ZipFiles::open(&path).unwrap_or_else(|breach| panic!("{}", breach.what));
    verify_bundle(&files, &Trust { keys: &[key], outside: &[], witnesses: &[], timestamps: None })
}

/// Sends the form and gives status, name of the file and bytes.
pub(super) async fn sent(browser: &Browser<'_>, fields: &[(&str, &str)]) -> (StatusCode, String, Vec<u8>) {
    let mut all = vec![("csrf", browser.csrf.as_str())];
    all.extend_from_slice(fields);
    let answer = browser.client.post(browser.clinic.url("/evidence/new")).header("origin", browser.clinic.origin()).form(&all).send().await.unwrap();
    let name = answer.headers().get("content-disposition").map_or(String::new(), |value| value.to_str().unwrap().to_owned());
    (answer.status(), name, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_saves_a_period_and_it_verifies() {
    let clinic = Clinic::with(&["auditor"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    assert!(browser.get("/log").await.text.contains("href=\"/evidence\""));
    assert!(browser.get("/evidence").await.text.contains("まだ取り出されていません"));
    let form = browser.get("/evidence/new").await;
    assert!(form.text.contains("期間の証拠一式") && form.text.contains("記録の全項目を入れる"), "{}", form.text);
    let (from, until) = ("2026-01-01T00:00", "2027-12-31T00:00");
    // The fresh code is asked for, and a reason; what was typed stays.
    clinic.clock.pass(LAPSED);
    browser.get("/evidence/new").await;
    let (status, _, page) = sent(&browser, &[("from", from), ("until", until), ("reason", "裁判所に提出")]).await;
    assert!(status.is_client_error() && String::from_utf8_lossy(&page).contains("裁判所に提出"), "{status}");
    let code = clinic.code("auditor");
    let (status, _, page) = sent(&browser, &[("from", from), ("until", until), ("reason", " "), ("code", &code)]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && String::from_utf8_lossy(&page).contains("error-summary\"") | String::from_utf8_lossy(&page).contains("f-reason-error"), "{status}");
    let (status, name, zip) = sent(&browser, &[("from", from), ("until", until), ("reason", "裁判所に提出")]).await;
    assert!(status == StatusCode::OK && name.contains("attachment; filename=\"evidence-aoba-2026-01-01_"), "{status} {name} {}", String::from_utf8_lossy(&zip));
    let verdict = verdict(&clinic, &zip);
    assert!(verdict.ok && verdict.entries == verdict.size, "{verdict}");
    let list = browser.get("/evidence").await.text;
    assert!(list.contains("裁判所に提出") && list.contains("目録の SHA-256") && list.contains("試験 auditor"), "{list}");
    assert!(browser.get("/log?kind=evidence_taken").await.text.contains("証拠一式を取り出しました"));
    let rows = browser.get("/api/v1/evidence").await.json();
    assert_eq!((rows[0]["scope"]["of"].as_str(), rows[0]["manifest"].as_str().map(str::len)), (Some("period"), Some(64)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_answer_for_the_record_take_one() {
    let clinic = Clinic::with(&Clinic::everybody()).await;
    for login in Clinic::everybody() {
        let may = ["planner", "safety", "auditor"].contains(&login);
        let mut browser = Browser::of(&clinic, login).await;
        for path in ["/evidence", "/evidence/new", "/api/v1/evidence"] {
            assert_eq!(browser.get(path).await.status, if may { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{login} {path}");
        }
        browser.get("/account").await;
        let code = clinic.code(login);
        let (status, _, zip) = sent(&browser, &[("from", "2026-11-01T00:00"), ("until", "2026-11-30T00:00"), ("reason", "調査"), ("code", &code)]).await;
        assert_eq!(status, if may { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{login}");
        assert!(!may || verdict(&clinic, &zip).ok, "{login}");
        // All of a long time stays with planner and auditor.
        let (status, ..) = sent(&browser, &[("from", "2026-01-01T00:00"), ("until", "2026-11-30T00:00"), ("reason", "調査")]).await;
        assert_eq!(status == StatusCode::OK, ["planner", "auditor"].contains(&login), "{login} {status}");
        let (status, ..) = sent(&browser, &[("from", "2026-11-20T00:00"), ("until", "2026-11-30T00:00"), ("all_entries", "1"), ("reason", "調査")]).await;
        assert_eq!(status == StatusCode::OK, ["planner", "auditor"].contains(&login), "{login} {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_gives_the_same_file_and_asks_for_the_same_code() {
    let clinic = Clinic::with(&["planner"]).await;
    let api = super::browser::ApiClient::of(&clinic, "planner").await;
    let body = json!({ "scope": { "of": "period", "from": 0, "until": i64::MAX }, "all_entries": true, "reason": "監査" });
    clinic.clock.pass(LAPSED);
    let refused = api.send(reqwest::Method::POST, "/api/v1/evidence", Some(body.clone()), &[]).await;
    assert_eq!((refused.status, refused.json()["code"].as_str().map(str::to_owned)), (StatusCode::FORBIDDEN, Some("SKS-1005".to_owned())), "{}", refused.text);
    let code = clinic.code("planner");
    let answer = client(&clinic).post(clinic.url("/api/v1/evidence")).bearer_auth(&api.token).header("x-step-up-code", &code).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(verdict(&clinic, &answer.bytes().await.unwrap()).ok);
    for bad in [json!({ "scope": { "of": "session", "session": "../x" }, "reason": "x" }), json!({ "scope": { "of": "world" }, "reason": "x" }), json!({ "reason": "x" })] {
        let refused = api.send(reqwest::Method::POST, "/api/v1/evidence", Some(bad.clone()), &[]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}
