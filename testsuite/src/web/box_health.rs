//! The health page and the small facility's deviations.

use super::browser::Browser;
use super::clinic::Clinic;
use sekisho_core::people::{Actor, Role};
use sekisho_core::policy::Policy;
use sekisho_store::{NewPerson, PersonChange, VendorAsk};
use std::collections::BTreeSet;

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

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_names_the_vendors_that_cannot_come_in() {
    let clinic = Clinic::with(&["operator", "keeper", "clerk", "worker"]).await;
    let vendor = clinic.store.add_vendor(&Actor::console(), VendorAsk { name: "新星システム".into(), ..VendorAsk::default() }).await.unwrap();
    let worker = NewPerson { login: "mori".into(), name: "森 明".into(), vendor: Some(vendor.id.clone()), roles: BTreeSet::from([Role::Worker]), ..NewPerson::default() };
    clinic.store.add_person(&Actor::console(), worker).await.unwrap();
    for (who, told) in [("operator", true), ("keeper", true), ("clerk", false), ("worker", false)] {
        let page = Browser::of(&clinic, who).await.get("/").await;
        assert_eq!(page.text.contains("新星システム") && page.text.contains("有効な回線がありません"), told, "{who}: {}", page.text);
    }
}
