//! Reviews of the log and reports on the pages: from the card on the first page to the confirmation, and who reads what.

use super::browser::Browser;
use super::clinic::Clinic;
use super::visitor::hidden;
use sekisho_core::people::Actor;
use sekisho_core::secret::Secret;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn months_later(clinic: &Clinic) {
    for _ in 0..3 {
        let wrong = clinic.store.log_in("=cmd|' /C calc'!A0", Secret::new("x"), Secret::new("000000"), IpAddr::from([127, 0, 0, 1]), sekisho_core::people::Via::Web).await;
        assert!(wrong.is_err());
    }
    clinic.store.run_jobs_once().await.unwrap();
    clinic.clock.pass(DAY * 33);
    clinic.store.run_jobs_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_goes_from_the_operators_card_to_the_planners_confirmation() {
    let clinic = Clinic::with(&["operator", "planner", "safety", "auditor", "worker"]).await;
    months_later(&clinic).await;
    let mut operator = Browser::of(&clinic, "operator").await;
    assert!(operator.get("/").await.text.contains("判断して署名する"));
    let reviews = clinic.store.log_reviews(&Actor::console()).await.unwrap();
    let review = reviews.last().unwrap();
    let path = format!("/log_reviews/{}", review.id);
    let page = operator.get(&path).await.text;
    assert!(page.contains("件中") && page.contains("の拒否 3 回") && page.contains("データなし"), "{page}");
    assert!(page.contains("(SKS-1001)") && !page.contains("SKS-1001 )"), "a refusal without more to say of it leaves no gap: {page}");
    assert_eq!(Browser::of(&clinic, "worker").await.get(&path).await.status, 403);
    let csv = operator.get(&format!("{path}/csv")).await.text;
    assert!(csv.starts_with('\u{feff}') && csv.contains("の拒否 3 回"), "{csv}");
    assert!(csv.lines().all(|line| !line.contains(",\"=")), "no cell is a formula: {csv}");
    for who in ["operator", "planner", "safety"] {
        let mut judge = Browser::of(&clinic, who).await;
        let page = judge.get(&path).await.text;
        let mine: Vec<String> = page.split("name=\"line\" value=\"").skip(1).filter_map(|part| part.split_once('"').map(|(n, _)| n.to_owned())).collect();
        let fields: Vec<(String, String)> = mine.iter().flat_map(|n| [("line".to_owned(), n.clone()), (format!("verdict_{n}"), "fine".to_owned())]).collect();
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        if !pairs.is_empty() {
            let done = judge.post(&path, &pairs).await;
            assert!(done.status.is_redirection() || done.status.is_success(), "{who}: {}", done.text);
        }
    }
    // A judgement that is changed stays to be seen, on the page and in the file.
    let line = review.lines.iter().find(|line| line.what == "refused").unwrap().n;
    let (line_field, verdict, note) = (line.to_string(), format!("verdict_{line}"), format!("note_{line}"));
    operator.post(&path, &[("line", &line_field), (&verdict, "mend"), (&note, "鍵を替える")]).await;
    operator.post(&path, &[("line", &line_field), (&verdict, "fine"), (&note, "替えた")]).await;
    let page = operator.get(&path).await.text;
    assert!(page.contains("前の判断: 要是正") && page.contains("鍵を替える") && page.contains("替えた"), "{page}");
    assert!(operator.get(&format!("{path}/csv")).await.text.contains("鍵を替える"));
    let digest = hidden(&page, "digest");
    let stale = operator.post(&format!("{path}/sign"), &[("digest", "00"), ("code", &clinic.code("operator"))]).await;
    assert!(stale.text.contains("SKS-3006"), "{}", stale.text);
    operator.post(&format!("{path}/sign"), &[("digest", &digest), ("code", &clinic.code("operator"))]).await;
    let mut planner = Browser::of(&clinic, "planner").await;
    assert!(planner.get("/").await.text.contains("見て確認する"));
    assert!(Browser::of(&clinic, "auditor").await.get(&path).await.text.contains("署名(運用担当者)"));
    planner.post(&format!("{path}/confirm"), &[("digest", &digest), ("code", &clinic.code("planner"))]).await;
    let done = planner.get(&path).await.text;
    assert!(done.contains("確認済み") && !done.contains("一致しません"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planner_reads_a_report_and_takes_note_of_it() {
    let clinic = Clinic::with(&["planner", "operator", "worker"]).await;
    months_later(&clinic).await;
    let mut planner = Browser::of(&clinic, "planner").await;
    assert!(planner.get("/").await.text.contains("読んで確認する"));
    let report = clinic.store.period_reports(&Actor::console()).await.unwrap().into_iter().find(|report| report.vendor.is_none()).unwrap();
    let path = format!("/reports/{}", report.id);
    let page = planner.get(&path).await.text;
    assert!(page.contains("月次報告書") && page.contains(&report.digest) && page.contains(report.counted.note.lines().next().unwrap()), "{page}");
    assert!(planner.get(&format!("{path}/csv")).await.text.contains("接続数"));
    assert_eq!(Browser::of(&clinic, "worker").await.get(&path).await.status, 403);
    let again = planner.post("/reports/new", &[("kind", "month"), ("span", &report.span.name(report.kind)), ("reason", "確認のため")]).await;
    assert!(again.status.is_redirection() || again.text.contains("新しい版は作られませんでした"), "{}", again.text);
    let early = planner.post("/reports/new", &[("kind", "month"), ("span", "2090-01")]).await;
    assert!(early.text.contains("SKS-2084"), "{}", early.text);
    planner.post(&format!("{path}/note"), &[("remark", "確認した")]).await;
    let noted = planner.get(&path).await.text;
    assert!(noted.contains("確認した") && !noted.contains("読んで確認しました"), "{noted}");
    let mut operator = Browser::of(&clinic, "operator").await;
    assert!(operator.get(&path).await.text.contains("月次報告書"));
    assert!(operator.post(&format!("{path}/note"), &[]).await.text.contains("SKS-2001"), "who only reads takes note of nothing");
}
