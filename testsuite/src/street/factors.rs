//! Passkeys with the browser's own virtual authenticator: added, logged in with, confirmed by, and what is refused.

use super::browser::play;
use super::house::House;
use serde_json::{Value, json};

#[test]
fn a_passkey_is_added_used_and_refused_where_it_must_be() {
    let house = House::own();
    let person = &house.planner_person;
    let cookie = house.api.web_log_in(&person.login, &person.password, &person.phone.code());
    let port = house.url().rsplit(':').next().expect("a port").to_owned();
    let given = json!({ "url": format!("https://localhost:{port}"), "other": house.url(), "cookie": cookie });
    let told = play("passkey.mjs", &given, |what, _| panic!("the script asks for {what:?}"));

    assert!(told.text("added", "text").contains("試験の鍵"), "{}", told.step("added"));
    for page in ["factors", "new", "added", "login page", "step up page"] {
        assert_eq!(told.step(page).get("debts"), Some(&json!([])), "{page}");
    }
    assert!(told.text("in", "text").contains("石川"), "{}", told.step("in"));
    assert!(told.text("unverified", "told").contains("取り消されたか"), "{}", told.step("unverified"));
    assert!(told.text("unverified sent", "text").contains("SKS-1014"), "an answer without user verification: {}", told.step("unverified sent"));
    assert_eq!(told.text("first", "text"), "in");
    assert!(told.text("replayed", "text").contains("SKS-1015"), "{}", told.step("replayed"));
    assert!(told.text("elsewhere", "told").contains(&format!("https://localhost:{port}")), "{}", told.step("elsewhere"));
    assert_eq!(told.text("elsewhere", "foreign"), "SecurityError", "the browser gave a passkey to another origin");
    assert!(told.text("cloned", "text").contains("SKS-1016"), "{}", told.step("cloned"));
    assert_eq!(told.step("out").get("faults"), Some(&json!([])));

    // The login that the house held ended when the factors changed.
    let token = house.api.log_in(&person.login, &person.password, &person.phone.code());
    let kinds = |kind: &str| {
        let entries = house.api.get(&token, &format!("/api/v1/log?kind={kind}"));
        entries.get("entries").or(Some(&entries)).and_then(Value::as_array).map_or(0, Vec::len)
    };
    assert_eq!((kinds("passkey_added"), kinds("passkey_cloned")), (1, 1));
    assert!(kinds("passkey_used") >= 4, "logins and the fresh factor are in the log");
}
