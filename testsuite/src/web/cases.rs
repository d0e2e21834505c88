//! Logins round the gateway on the pages: they stand on the first page of whoever decides, and go when that was done.

use super::browser::Browser;
use super::clinic::Clinic;
use sekisho_core::alarm::{AlarmState, Rule};
use sekisho_core::around::SourceAsk;
use sekisho_core::gather::Gatherer;
use sekisho_core::people::Actor;
use sekisho_evidence::log::Files as _;
use std::io::Write as _;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_case_stands_on_the_operators_first_page_until_it_is_decided() {
    let clinic = Clinic::with(&["operator", "keeper", "worker", "auditor"]).await;
    let ask = SourceAsk { target: None, hosts: ["ids01".to_owned()].into(), legacy: None, zone_minutes: 540, silent_minutes: None, tells_logins: false };
    let source = clinic.store.add_log_source(&Actor::console(), ask).await.unwrap().source.id;
    clinic.store.open_gathering().await.unwrap();
    let task = tokio::spawn({
        let store = clinic.store.clone();
        async move { store.run_gathering().await }
    });
    let mut operator = Browser::of(&clinic, "operator").await;
    assert!(!operator.get("/").await.text.contains("関所を通らないログイン"));
    let line = b"<38>1 - <b>ehr-db01 sshd 9 - - Accepted password for root from 10.0.0.1 port 1 ssh2".to_vec();
    let mut page = String::new();
    for round in 0..400 {
        if round == 0 || clinic.store.cases(&Actor::console()).await.unwrap().0.is_empty() {
            let _ = clinic.store.take(&source, vec![line.clone()]).await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        } else {
            page = operator.get("/now").await.text;
            break;
        }
    }
    assert!(page.contains("関所を通らないログインが 1 件") && page.contains("他の機器を名乗るログ"), "{page}");
    assert!(!page.contains("<b>ehr"), "what a line says is no markup: {page}");
    task.abort();
    let case = clinic.store.cases(&Actor::console()).await.unwrap().0.remove(0);
    let path = format!("/cases/{}", case.id);
    let shown = operator.get(&path).await.text;
    assert!(shown.contains("R8") && shown.contains("Accepted password for root") && shown.contains("判断する"), "{shown}");
    for (who, told) in [("keeper", false), ("worker", false)] {
        assert_eq!(Browser::of(&clinic, who).await.get("/").await.text.contains("判断を待っています"), told, "{who} does not decide");
    }
    clinic.store.raise_due().await.unwrap();
    let open = async || {
        let filter = sekisho_store::AlarmFilter::default();
        clinic.store.alarms(&Actor::console(), &filter).await.unwrap().rows.into_iter().filter(|alarm| alarm.rule == Rule::Around && alarm.state != AlarmState::Closed).count()
    };
    assert_eq!(open().await, 1);
    let (logins, attempts, code) = (case.logins.to_string(), case.attempts.to_string(), clinic.code("operator"));
    let done = operator.post(&format!("{path}/decide"), &[("decision", "legitimate"), ("logins", &logins), ("attempts", &attempts), ("reason", "ホスト名を変更した"), ("code", &code)]).await;
    assert!(done.status.is_redirection() || done.status.is_success(), "{}", done.text);
    assert!(!operator.get("/").await.text.contains("判断を待っています"));
    assert_eq!(open().await, 0, "the decision answers the alarm");
    assert!(operator.get("/cases").await.text.contains("問題なし"));
    // The case goes out as evidence, with the very line that opened it and what was decided.
    let mut auditor = Browser::of(&clinic, "auditor").await;
    let form = auditor.get(&format!("/evidence/new?case={}", case.id)).await.text;
    assert!(form.contains("R8") && form.contains(case.id.as_str()), "{form}");
    let code = clinic.code("auditor");
    let (status, name, zip) = super::evidence::sent(&auditor, &[("case", case.id.as_str()), ("reason", "警察に相談する"), ("code", &code)]).await;
    assert!(status == reqwest::StatusCode::OK && name.contains(case.id.as_str()), "{status} {name}");
    let verdict = super::evidence::verdict(&clinic, &zip);
    assert!(verdict.ok && verdict.entries > 0, "{verdict}");
    assert!(verdict.to_string().contains(&format!("case {}", case.id)), "{verdict}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&zip).unwrap();
    let files = sekisho_bundle::ZipFiles::open(file.path()).unwrap_or_else(|breach| panic!("{}", breach.what));
    let line = files.read(&format!("cases/{}.line", case.id)).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&line).contains("Accepted password for root from 10.0.0.1"));
    let report = String::from_utf8(files.read("report.html").unwrap().unwrap()).unwrap();
    assert!(report.contains("ホスト名を変更した") && report.contains("警察に相談する") && !report.contains("<b>ehr"), "{report}");
    assert!(auditor.get("/evidence").await.text.contains("警察に相談する"));
}
