//! An emergency account in a real browser, while the mail server is down.

use super::api::text;
use super::browser::play;
use super::house::House;
use super::program::wait_for;
use crate::postbox::{Mode, Postbox};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn two_envelopes_open_it_while_mail_is_down_and_everybody_learns_of_it() {
    let mut postbox = Postbox::new(Mode::StartTls);
    postbox.stop();
    let house = House::own_with(&format!("step_up_minutes = 60\n{}alarm = [\"alarm@aoba.example\"]\n", postbox.toml()));
    let persons = house.api.get(&house.admin, "/api/v1/persons");
    let id = |login: &str| persons.as_array().unwrap().iter().find(|person| person["login"] == login).map(|person| text(person, "id")).unwrap_or_else(|| panic!("no {login} in {persons}"));
    let told = [id(&house.planner_person.login), id(&house.operator_person.login)];
    let ask = json!({ "login": "hijo-01", "name": "非常時用 事務当直室", "roles": ["duty_clerk", "operator"], "purpose": "手順書は赤いファイル", "told": told });
    let account = text(&house.api.post(&house.admin, "/api/v1/emergency_accounts", &ask), "id");
    let cookie = |person: &super::terminal::Person| house.api.web_log_in(&person.login, &person.password, &person.phone.code());
    let given = json!({ "url": house.url(), "account": account, "operator": cookie(&house.operator_person), "planner": cookie(&house.planner_person) });
    let told = play("emergency.mjs", &given, |what, _| panic!("the script asks for {what}"));
    assert_eq!((told.number("printed", "password"), told.number("printed", "codes"), told.number("printed", "offered")), (23.0, 20.0, 0.0), "{}", told.step("printed"));
    assert!(told.text("inside", "text").contains("非常時用アカウントが使われています"));
    let seen = told.text("seen", "text");
    assert!(seen.contains("「hijo-01」が") && seen.contains("通常復帰"), "{seen}");
    assert_eq!(told.text("after", "path"), "/login", "the return to normal ends its logins");
    let used = told.text("use", "text");
    for word in ["戸田 当直、原 看護", "サイバー攻撃", "職員認証基盤が停止した", "開封しました", "alarm@aoba.example"] {
        assert!(used.contains(word), "{word} is missing:\n{used}");
    }
    assert!(told.text("reviewed", "text").contains("適切な使用だった"));
    assert_eq!(told.number("refusals", "count"), 1.0, "the wrong code is the only refusal");
    told.nothing_owed();
    // The letters waited for the mail server, and none was lost.
    let waiting = house.api.get(&house.admin, "/api/v1/mail");
    assert!(waiting["waiting"].as_u64().is_some_and(|n| n >= 3), "{waiting}");
    postbox.start();
    let answer = house.console(&["--json", "mail", "retry"]);
    let retried: Value = serde_json::from_slice(&answer.stdout).unwrap_or_else(|fault| panic!("{fault}: {answer:?}"));
    assert!(retried["mails"].as_u64().is_some(), "{retried}");
    let letter = postbox.letter_to("alarm@aoba.example");
    assert!(letter.tls, "{letter:?}");
    // They are carried one after the other.
    wait_for("the letter about the opening", Duration::from_secs(60), || postbox.letters().into_iter().find(|letter| letter.subject.contains("開封されました")));
}
