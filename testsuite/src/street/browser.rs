//! The pages in a real Chromium: the operator's whole job, the clerk's night on a telephone, the fresh code.

use super::api::text;
use super::demo;
use super::house::{House, TARGET};
use super::program::{root, wait_for};
use super::terminal::Shell;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a script told, by the name of the step; pages are kept apart.
#[derive(Default)]
pub(super) struct Told {
    steps: BTreeMap<String, Value>,
    pages: Vec<Value>,
}

impl Told {
    pub(super) fn step(&self, name: &str) -> &Value {
        self.steps.get(name).unwrap_or_else(|| panic!("the script did not reach {name:?}; it reached {:?}", self.steps.keys()))
    }

    pub(super) fn text(&self, name: &str, field: &str) -> String {
        text(self.step(name), field)
    }

    pub(super) fn number(&self, name: &str, field: &str) -> f64 {
        self.step(name).get(field).and_then(Value::as_f64).unwrap_or_else(|| panic!("{name} has no {field}"))
    }

    /// No page owes its reader anything, and no browser complained.
    pub(super) fn nothing_owed(&self) {
        let owing: Vec<String> = self.pages.iter().filter(|page| page.get("debts").and_then(Value::as_array).is_none_or(|debts| !debts.is_empty())).map(ToString::to_string).collect();
        assert!(owing.is_empty(), "pages with debts:\n{}", owing.join("\n"));
        let faults = self.step("out").get("faults").cloned().unwrap_or(Value::Null);
        assert_eq!(faults, json!([]), "the browser complained");
    }
}

/// Runs a script of `ui/street`, answers what it asks, and gives what it told.
pub(super) fn play(script: &str, given: &Value, mut answer: impl FnMut(&str, &Value) -> Value) -> Told {
    let child = Command::new("node")
        .arg(root().join("ui/street").join(script))
        .arg(given.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut child = child.expect("node is missing: install nodejs");
    let (mut stdin, stdout) = (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
    let mut told = Told::default();
    let mut failure = None;
    for line in BufReader::new(stdout).lines() {
        let line = line.expect("the script's line");
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
        if let Some(what) = value.get("ask").and_then(Value::as_str) {
            let reply = answer(what, &value);
            // A script that died while it was being answered has told why.
            let _ = writeln!(stdin, "{reply}");
        } else if let Some(step) = value.get("step").and_then(Value::as_str) {
            if step == "page" {
                told.pages.push(value);
            } else {
                told.steps.insert(step.to_owned(), value);
            }
        } else {
            failure = Some(value);
        }
    }
    let status = child.wait().expect("the script's end");
    if let Some(failure) = failure {
        let words = |value: Option<&Value>| value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
        panic!("{script} failed after {:?}: {}\n{}", told.steps.keys(), words(failure.get("fail")), words(failure.get("pages")).replace("\\n", "\n"));
    }
    assert!(status.success() && told.steps.contains_key("done"), "{script} ended with {status}");
    told
}

/// What the scripts ask of a worker at a terminal.
struct AtWork<'a> {
    demo: &'a demo::Demo,
    worker: &'a str,
    target: &'a str,
    watcher: String,
    shell: Option<Shell>,
}

impl AtWork<'_> {
    fn running(&self) -> Option<String> {
        let rows = self.demo.api.get(&self.watcher, "/api/v1/sessions?running=true");
        let rows = rows.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
        rows.iter().find(|row| row.pointer("/facts/target_name").and_then(Value::as_str) == Some(self.target)).map(|row| text(row, "facts.session"))
    }

    fn answer(&mut self, what: &str, asked: &Value) -> Value {
        match what {
            "code" => json!({ "code": self.demo.person(&text(asked, "who")).phone.code() }),
            "cookie" => json!({ "cookie": self.demo.cookie(&text(asked, "who")) }),
            "worker in" => {
                let mut shell = self.demo.terminal.shell(self.demo.person(self.worker), self.target);
                shell.type_line("echo tsu''nagatta");
                shell.wait_for("tsunagatta");
                self.shell = Some(shell);
                json!({ "session": wait_for("the session runs", Duration::from_secs(10), || self.running()) })
            }
            "worker types" => {
                self.shell.as_mut().expect("the worker is in").type_line(&text(asked, "line"));
                json!({})
            }
            "worker still in" => json!({ "running": self.running().is_some() }),
            "worker out" => {
                let shell = self.shell.as_mut().expect("the worker is in");
                let (status, took) = shell.wait_for_end(Duration::from_secs(10));
                json!({ "status": status.code(), "ended_after": took.as_millis() as u64, "screen": shell.screen() })
            }
            "sealed" => {
                let session = text(asked, "session");
                wait_for("the recording is sealed", Duration::from_secs(20), || {
                    let told = self.demo.api.get(&self.watcher, &format!("/api/v1/sessions/{session}"));
                    (told.pointer("/recording/sealed") == Some(&json!(true))).then_some(())
                });
                json!({})
            }
            other => panic!("the script asks for {other:?}"),
        }
    }
}

#[test]
fn the_operator_logs_in_approves_watches_cuts_and_replays() {
    let demo = demo::shared();
    let ueda = demo.person("ueda");
    let mut at_work = AtWork { demo, worker: "tanaka", target: TARGET, watcher: demo.token("ohno"), shell: None };
    let given = json!({ "url": demo.url, "login": ueda.login, "password": ueda.password, "planner": "ishikawa", "auditor": "kimura" });
    let told = play("job.mjs", &given, |what, asked| at_work.answer(what, asked));

    let first = told.text("first", "text");
    assert!(first.contains("PACS 画像圧縮モジュールの更新"), "the waiting plan is not on the first page:\n{first}");
    assert!(told.text("approving", "text").contains("放射線科へ周知済み"), "the approver does not see the impact");
    assert_eq!(told.text("planner approved", "state"), "approved");
    assert_eq!(told.step("enter did nothing").get("running"), Some(&json!(true)), "a press of Enter cut the session");
    assert!(told.number("cut", "took") < 2500.0 && told.number("cut", "ended_after") < 2000.0, "{}", told.step("cut"));
    assert!(told.text("cut", "screen").contains("SKS-4102"), "the worker is not told why:\n{}", told.text("cut", "screen"));
    assert!(told.text("replayed", "commands").contains("echo mie"));
    assert_eq!(told.step("exported").get("holds"), Some(&json!(true)), "{}", told.step("exported"));
    assert!(told.text("exported", "head").contains("\"version\""));
    let log = told.text("log", "text");
    for word in ["上田", "切断"] {
        assert!(log.contains(word), "{word} is not in the log:\n{log}");
    }
    let japanese = |text: &str| text.chars().filter(|c| ('\u{3041}'..='\u{309f}').contains(c)).count();
    let english = told.text("english", "h1");
    assert_eq!(japanese(&english), 0, "the heading stays Japanese in English: {english}");
    told.nothing_owed();
}

#[test]
fn the_clerk_at_night_allows_watches_and_cuts_on_a_telephone() {
    let demo = demo::shared();
    let suzuki = demo.token("suzuki");
    let choices = demo.api.get(&suzuki, "/api/v1/plans/choices");
    let of = |list: &str, field: &str, value: &str| {
        let rows = choices.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        rows.into_iter().find(|row| row.pointer(field).and_then(Value::as_str) == Some(value)).unwrap_or_else(|| panic!("no {value} in {choices}"))
    };
    let target = of("targets", "/name", "pacs01");
    let account = target.pointer("/accounts/0/id").and_then(Value::as_str).expect("an account").to_owned();
    let content = json!({
        "title": "PACS 画像が表示できない", "class": "fault", "purpose": "", "targets": [{ "target": text(&target, "id"), "account": account, "functions": ["shell"] }],
        "workers": [text(&of("workers", "/login", "suzuki"), "id")], "from": 0, "until": 0, "steps": "", "impact": "", "rollback": "",
        "contact": "045-555-0202 鈴木", "emergency_reason": "救急外来でCT画像が開けないと連絡があった",
    });
    let vendor = target.pointer("/vendor").and_then(Value::as_str).expect("its vendor").to_owned();
    let plan = text(&demo.api.post(&suzuki, "/api/v1/plans", &json!({ "vendor": vendor, "content": content })), "id");
    demo.api.act(&suzuki, &plan, &json!({ "act": "submit" }));

    let mut at_work = AtWork { demo, worker: "suzuki", target: "pacs01", watcher: demo.token("ohno"), shell: None };
    let given = json!({ "url": demo.url, "cookie": demo.cookie("eguchi"), "plan": plan });
    let told = play("clerk.mjs", &given, |what, asked| at_work.answer(what, asked));
    // Who asks, why and where stand above the button; one short stroke of the thumb reaches it.
    assert!(told.number("first", "top") < 1000.0, "the way to allow lies far below the first screen: {}", told.step("first"));
    assert!(told.number("first", "height") >= 44.0, "the button is too small for a thumb");
    let allow = told.text("allow", "text");
    for word in ["鈴木 翔", "医用画像管理", "救急外来でCT画像が開けない", "045-555-0202"] {
        assert!(allow.contains(word), "{word} is not shown to the clerk:\n{allow}");
    }
    assert!(told.number("seen", "height") >= 44.0 && told.number("seen", "top") < 844.0, "切断 is small or below the screen: {}", told.step("seen"));
    assert!(told.number("cut", "took") < 2500.0, "{}", told.step("cut"));
    told.nothing_owed();
}

#[test]
fn an_older_login_is_asked_for_a_fresh_code_before_it_approves() {
    let house = House::own_with("step_up_minutes = 1");
    let (_, token) = house.worker("ste");
    let person = &house.planner_person;
    let cookie = house.api.web_log_in(&person.login, &person.password, &person.phone.code());
    let since = std::time::Instant::now();
    let plan = house.half_approved(&token, "ste");
    std::thread::sleep(Duration::from_secs(62).saturating_sub(since.elapsed()));
    let told = play("stepup.mjs", &json!({ "url": house.url(), "cookie": cookie, "plan": plan }), |_, _| json!({ "code": person.phone.code() }));
    assert!(told.text("wrong", "text").contains("SKS-1001") || told.text("wrong", "text").contains("ワンタイムコード"), "{}", told.step("wrong"));
    assert_eq!(told.step("asked").get("debts"), Some(&json!([])));
    assert_eq!(told.step("wrong").get("debts"), Some(&json!([])));
    assert_eq!(told.step("out").get("faults"), Some(&json!([])));
    let state = text(&house.api.get(&house.operator, &format!("/api/v1/plans/{plan}")), "plan.state");
    assert_eq!(state, "approved");
}
