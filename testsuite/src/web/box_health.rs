//! The health page and the small facility's deviations.

use super::browser::Browser;
use super::clinic::Clinic;
use sekisho_core::people::{Actor, Role};
use sekisho_core::policy::Policy;
use sekisho_store::PersonChange;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_how_the_box_is() {
    let clinic = Clinic::with(&["operator"]).await;
    let mut browser = Browser::of(&clinic, "operator").await;
    let page = browser.get("/health").await;
    assert!(page.text.contains("空き容量") && page.text.contains("sqlite") && page.text.contains("2026-11-21"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_role_is_shown_and_not_hidden() {
    let policy = Policy { small_facility: true, ..Policy::default() };
    let clinic = Clinic::under(policy, &["planner"]).await;
    let (person, _) = &clinic.people["planner"];
    let mut change = PersonChange::of(person);
    change.roles.insert(Role::Operator);
    clinic.store.change_person(&Actor::console(), &person.id, change).await.unwrap();
    let mut browser = Browser::of(&clinic, "planner").await;
    let page = browser.get("/").await;
    assert!(page.text.contains("既知の逸脱") && page.text.contains("システム運用担当者と企画管理者を兼務"), "{}", page.text);
}
