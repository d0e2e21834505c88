//! A person looks for a table and a file by name, and stands at the moment at which each was touched.

use super::api::text;
use super::browser::play;
use super::house::{self, TARGET};
use super::program::{output, root, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

/// Every hit of an answer with its session.
fn hits(answer: &Value) -> Vec<(String, Value)> {
    let groups = answer.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |group: &Value| group.get("hits").and_then(Value::as_array).cloned().unwrap_or_default();
    groups.iter().flat_map(|group| of(group).into_iter().map(|hit| (group.get("session").and_then(Value::as_str).unwrap_or_default().to_owned(), hit))).collect()
}

#[test]
fn a_named_table_and_a_named_file_lead_to_the_moment_they_were_touched() {
    let house = house::shared();
    let (worker, plan) = house.at_work("sagasu", &["shell", "sftp"]);
    let search = |words: &str| house.api.get(&house.operator, &format!("/api/v1/search?q={words}"));
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line("echo drop table kanja_master; echo de''nryoku 電源ユニット");
    shell.wait_for("denryoku");
    let running = wait_for("the command of a running session is found", Duration::from_secs(10), || {
        let found = hits(&search("kanja_master"));
        found.into_iter().find(|(_, hit)| hit.get("kind") == Some(&json!("command")))
    });
    assert!(text(&running.1, "text").contains("drop table kanja_master"), "{running:?}");
    shell.type_line("exit");
    shell.wait_for_end(Duration::from_secs(10));

    let (local, remote) = (house.folder.join("sagasu-patch.bin"), house.folder.join("hoshu-patch-7731.bin"));
    std::fs::write(&local, b"patch").expect("a file");
    let batch = house.folder.join("sagasu.batch");
    std::fs::write(&batch, format!("put {} {}\n", local.display(), remote.display())).expect("the batch");
    let mut sftp = house.terminal.command("sftp", &worker);
    // Without -b the client may still ask; the batch comes by its standard input.
    sftp.args(house.terminal.options(&worker)).args(["-P", &house.terminal.port.to_string(), &super::terminal::Terminal::place(&worker, TARGET)]);
    sftp.stdin(std::fs::File::open(&batch).expect("the batch"));
    let done = output(&mut sftp, Duration::from_secs(60));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    house.ended("sagasu", 2);

    // Each hit names the very millisecond of its event in the replay.
    let exact = |words: &str, kind: &str, message: &str, field: &str, part: &str| {
        let (session, hit) = wait_for(&format!("{words} is found with its channel"), Duration::from_secs(15), || {
            hits(&search(words)).into_iter().find(|(_, hit)| hit.get("kind") == Some(&json!(kind)) && hit.get("channel").is_some_and(Value::is_number))
        });
        let at = hit.get("at_ms").and_then(Value::as_u64).expect("a moment");
        let replay = house.api.ask(&house.operator, &format!("/api/v1/sessions/{session}/recording"));
        let there = replay.text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|line| {
            line.get("t") == Some(&json!(message)) && line.get("at").and_then(Value::as_u64) == Some(at) && line.get(field).and_then(Value::as_str).is_some_and(|text| text.contains(part))
        });
        assert!(there, "the replay does not hold {words} at {at} ms");
        assert_eq!(hit.get("replay").and_then(Value::as_str), Some(format!("/sessions/{session}/replay?t={at}&ch={}", hit["channel"]).as_str()));
        (session, at)
    };
    let (session, at) = exact("kanja_master&kind=command", "command", "cmd", "text", "kanja_master");
    exact("hoshu-patch-7731", "file", "file", "path", "hoshu-patch-7731.bin");
    // What the screen showed, in two characters of Japanese.
    let screens = search("%E9%9B%BB%E6%BA%90&kind=output");
    assert!(hits(&screens).iter().any(|(of, hit)| *of == session && text(hit, "text").contains("電源ユニット")), "{screens}");
    assert!(hits(&search(&format!("sagasu&kind=plan&plan={plan}"))).len() == 1);

    // The console finds the same, and a worker finds nothing.
    let console = house.console(&["search", "kanja_master", "--kind", "command"]);
    assert!(String::from_utf8_lossy(&console.stdout).contains("drop table kanja_master"), "{}", super::program::said(&console));
    let token = house.api.log_in("sagasu", &worker.password, &worker.phone.code());
    assert_eq!(house.api.ask(&token, "/api/v1/search?q=kanja_master").status, 403);

    // In the browser: from the words to the moment.
    let pictures = root().join("target/search-pictures");
    let operator = &house.planner_person;
    let cookie = house.api.web_log_in(&operator.login, &operator.password, &operator.phone.code());
    let given = json!({ "url": house.url(), "cookie": cookie, "words": "kanja_master", "pictures": pictures });
    let told = play("search.mjs", &given, |_, _| json!({ "code": operator.phone.code() }));
    assert_eq!(told.number("replayed", "position") as u64, at);
    assert!(told.text("replayed", "command").contains("drop table kanja_master"), "{}", told.step("replayed"));
    assert_eq!(told.step("found").get("marked"), Some(&json!(["kanja_master"])));
    assert!(told.text("nothing", "text").contains("見つかりませんでした"));
    told.nothing_owed();
}
