//! The log page: sentences, filters, export, verification.

use super::browser::Browser;
use super::clinic::Clinic;
use reqwest::StatusCode;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_reads_as_sentences_and_verifies() {
    let clinic = Clinic::with(&["auditor", "keeper"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    let page = browser.get("/log").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for text in ["ログインしました。", "試験 keeper がパスワードと認証アプリを登録しました。", "北斗メディカル", "sekisho.example/aoba"] {
        assert!(page.text.contains(text), "{text} is missing: {}", page.text);
    }
    let page = browser.get("/log?kind=vendor_kept").await;
    assert!(page.text.contains("南十字システム") && !page.text.contains("ログインしました。"));
    let seen = browser.post("/log/verify", &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    assert!(seen.text.contains("記録は正しく保たれています"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_is_whole_and_in_order() {
    let clinic = Clinic::with(&["auditor"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    let seen = browser.get("/log/export").await;
    assert!(seen.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let numbers: Vec<u64> = seen.text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()).collect();
    assert!(numbers.len() > 5);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_log_out_stands_in_it_with_how_much() {
    let clinic = Clinic::with(&["auditor", "worker"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    let lines = browser.get("/log/export").await.text.lines().count() as u64;
    let csv = browser.get("/log/csv?kind=logged_in&from=2026-01-01").await.text.lines().count() as u64 - 1;
    let token = browser.get("/api/v1/log/export?kind=person_added").await;
    assert_eq!(token.status, StatusCode::OK);
    assert_eq!(Browser::of(&clinic, "worker").await.get("/log/csv").await.status, StatusCode::FORBIDDEN);
    let filter = sekisho_store::LogFilter { kind: Some("log_taken".into()), ..Default::default() };
    let mut told = clinic.store.log_entries(&sekisho_core::people::Actor::console(), &filter).await.unwrap();
    told.reverse();
    let of = |at: usize| match &told[at].fact {
        sekisho_core::facts::Fact::LogTaken { form, entries, first, last, chosen } => (told[at].actor.login.as_str(), form.as_str(), *entries, *first, last.is_some(), chosen.as_str()),
        other => panic!("{other:?}"),
    };
    assert_eq!(told.len(), 3, "who was refused took nothing: {told:?}");
    assert_eq!(of(0), ("auditor", "jsonl", lines, Some(0), true, ""));
    let (login, form, entries, _, _, chosen) = of(1);
    assert_eq!((login, form, entries, chosen), ("auditor", "csv", csv, "kind=logged_in&from=2026-01-01"));
    assert_eq!(of(2).5, "kind=person_added");
    let page = browser.get("/log?kind=log_taken").await.text;
    assert!(page.contains("証跡の書出し") && page.contains(&format!("証跡を JSONL で書き出しました({lines} 件")), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_filter_is_refused_in_words() {
    let clinic = Clinic::with(&["auditor"]).await;
    let mut browser = Browser::of(&clinic, "auditor").await;
    for query in ["session=../../etc", "from=yesterday", "kind=%27%20OR%201=1", "before=-1"] {
        let seen = browser.get(&format!("/log?{query}")).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(seen.text.contains("SKS-2003"), "{query}");
    }
}
