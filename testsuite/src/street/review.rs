//! The review of the log and the monthly report in a real browser: judged by keyboard, printed on A4.

use super::browser::play;
use super::demo;
use serde_json::{Value, json};

#[test]
fn a_review_is_judged_by_keyboard_and_a_report_prints_on_a4() {
    let demo = demo::shared();
    let given = json!({ "url": demo.url, "operator": demo.cookie("ueda"), "planner": demo.cookie("ishikawa") });
    let told = play("review.mjs", &given, |what, _| panic!("nothing is asked: {what}"));
    let judged = told.step("judged");
    let number = |name: &str| judged.get(name).and_then(Value::as_u64).unwrap_or_default();
    // On Mondays the week before holds the job of the day before; on every day it holds the sample or the refusals.
    assert!(number("lines") >= 1 && number("mine") >= 1, "{judged}");
    assert_eq!(number("left"), number("lines") - number("mine"), "what was judged is judged: {judged}");
    assert_eq!(judged["debts"], json!([]), "{judged}");
    let report = told.step("report");
    let text = report["text"].as_str().unwrap_or_default();
    assert!(text.contains("月次報告書") && text.contains("sekisho/") && text.contains("SHA-256"), "{text}");
    assert!(report["bars"].as_u64().unwrap_or_default() > 1, "the month has a bar: {report}");
    let boxes = report["boxes"].as_array().cloned().unwrap_or_default();
    assert!(!boxes.is_empty() && boxes.iter().all(|page| *page == json!([595, 842])), "every page is A4: {boxes:?}");
    assert_eq!(report["debts"], json!([]), "{report}");
    assert_eq!(told.step("out")["faults"], json!([]));
}
