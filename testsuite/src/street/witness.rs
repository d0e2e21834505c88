//! 立会い on the street: a real worker's ssh, a real Chromium that watches, the built binary between them.

use super::api::text;
use super::browser::play;
use super::house::{House, TARGET};
use super::program::wait_for;
use super::terminal::Shell;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn the_work_goes_on_only_before_the_eyes_of_a_witness() {
    let house = House::own();
    let worker = house.witnessed("sada");
    let (operator, clerk) = (&house.operator_person, &house.planner_person);
    let cookie = house.api.web_log_in(&operator.login, &operator.password, &operator.phone.code());
    let clerk = house.api.web_log_in(&clerk.login, &clerk.password, &clerk.phone.code());
    let mut shell: Option<Shell> = None;
    let given = json!({ "url": house.url(), "cookie": cookie, "clerk": clerk });
    let told = play("witness.mjs", &given, |what, asked| {
        if what == "worker waits" {
            let mut opened = house.terminal.shell(&worker, TARGET);
            opened.wait_for("立会いを待っています");
            opened.type_line("PS1=; echo haji''matta");
            shell = Some(opened);
            return json!({ "session": house.running("sada") });
        }
        let shell = shell.as_mut().expect("the worker waits");
        match what {
            "nothing dialled" => {
                let id = house.running("sada");
                let session = house.session(&id).to_string();
                json!({ "dialled": session.contains("\"dialled\""), "screen": shell.screen() })
            }
            "worker begins" => {
                shell.wait_for("hajimatta");
                json!({})
            }
            "worker types" => {
                shell.type_line(&text(asked, "line"));
                json!({})
            }
            "worker reads" => {
                let words = text(asked, "text");
                let nth = asked.get("nth").and_then(Value::as_u64).unwrap_or(1) as usize;
                wait_for(&format!("{words} for the {nth}. time"), Duration::from_secs(20), || (shell.screen().matches(&words).count() >= nth).then_some(()));
                json!({})
            }
            "worker screen" => {
                // Long enough for a byte that should not have gone over.
                std::thread::sleep(Duration::from_millis(700));
                json!({ "screen": shell.screen() })
            }
            "worker leaves" => {
                shell.type_line("exit");
                shell.wait_for_end(Duration::from_secs(10));
                let session = text(asked, "session");
                wait_for("the recording is sealed", Duration::from_secs(20), || (house.session(&session).pointer("/recording/sealed") == Some(&json!(true))).then_some(()));
                json!({})
            }
            other => panic!("the script asks for {other:?}"),
        }
    });
    assert!(told.text("waiting", "text").contains("立会いを待っています"), "{}", told.step("waiting"));
    assert_eq!(told.step("nothing yet").get("dialled"), Some(&json!(false)), "the target was dialled before the witness came");
    assert!(!told.text("nothing yet", "screen").contains("hajimatta"));
    assert!(told.text("began", "watchers").contains("上田"), "{}", told.step("began"));
    assert!(!told.text("held", "screen").contains("matteita"), "what was typed during the pause went over");
    assert!(told.text("held", "screen").contains("上田 健: 三分お待ちください"));
    assert!(!told.text("frozen", "screen").contains("modotta"), "the work went on although nobody watched");
    assert!(told.text("frozen", "text").contains("立会い待ち"), "{}", told.step("frozen"));
    assert!(told.number("clerk", "cut") < 844.0, "切断 lies below the first screen of a telephone");
    assert!(told.text("two", "watchers").contains("石川"), "{}", told.step("two"));
    assert!(told.text("two", "said").contains("三分お待ちください"), "whoever comes later does not see what was said");
    for word in ["一時停止", "再開", "立会い開始", "立会い終了", "ここで止めた"] {
        assert!(told.text("replay", "acts").contains(word), "{word} is not on the replay: {}", told.step("replay"));
    }
    assert!(told.number("replay", "spans") >= 2.0 && told.number("replay", "marks") >= 6.0, "{}", told.step("replay"));
    let position: u64 = told.text("jumped", "position").parse().expect("a position");
    assert!(position > 0, "the mark leads nowhere");
    told.nothing_owed();
}
