//! Viewing by two persons with the built program: a request whose text goes to the holder's machine, agreements that Sekisho's own
//! command makes there and that the standard age makes, and an auditor who opens the file of the recording.

use super::api::text;
use super::house::{House, TARGET};
use super::program::{root, said, sekisho};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn at(folder: &Path, command: &mut Command) -> Output {
    command.current_dir(folder).output().unwrap()
}

/// A key of age-keygen: its public half.
fn key(folder: &Path, file: &str) -> String {
    let made = at(folder, Command::new("age-keygen").args(["-o", file]));
    assert!(made.status.success(), "{}", said(&made));
    let lines = fs::read_to_string(folder.join(file)).unwrap();
    lines.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
}

#[test]
fn a_recording_that_nobody_opens_alone_opens_with_an_agreement_of_sekisho_or_of_age() {
    let house = House::own_with("step_up_minutes = 60");
    let (api, admin, planner, operator) = (&house.api, house.admin.as_str(), house.planner.as_str(), house.operator.as_str());
    let desk = tempfile::Builder::new().prefix("holder-").tempdir().unwrap();
    let desk = desk.path();
    let (second, audit) = (key(desk, "second.key"), key(desk, "audit.key"));
    key(desk, "other.key");

    // The planner holds the key; who confirms is another planner.
    let people = api.get(planner, "/api/v1/persons");
    let holder = people.as_array().unwrap().iter().find(|person| person["login"] == "ishikawa").map(|person| text(person, "id")).unwrap();
    let another = house.planner_of("kanno", "菅野 恵");
    let asked = api.post(admin, "/api/v1/second-keys", &json!({ "holder": holder, "key": second, "reason": "録画に患者情報が映るため" }));
    let step = format!("/api/v1/second-keys/{}/step", text(&asked, "id"));
    let confirm = json!({ "step": "confirm", "reason": "電話で読み上げて照合" });
    assert_eq!(api.try_post(Some(admin), &step, &confirm).status, 403, "who administers the box does not confirm");
    let agree = |file: &str, identity: &str, more: &[&str]| at(desk, Command::new(sekisho()).env_clear().args(["recording", "agree", file, "--identity", identity]).args(more));
    // Whoever has the private half answers the text of the key; nobody else can.
    assert_eq!(api.try_post(Some(&another), &step, &confirm).status, 422, "without the holder's answer");
    let check = api.ask(&another, &format!("/api/v1/second-keys/{}/text", text(&asked, "id")));
    fs::write(desk.join("check.txt"), &check.text).unwrap();
    assert!(!agree("check.txt", "other.key", &["--log-key", &house.log_key, "--yes"]).status.success());
    let proof = agree("check.txt", "second.key", &["--log-key", &house.log_key, "--yes"]);
    assert!(proof.status.success() && String::from_utf8_lossy(&proof.stderr).contains("鍵の確認"), "{}", said(&proof));
    // The standard tool answers it as well.
    let line = "grep '^recording ' check.txt | cut -d' ' -f4 | base64 -d | age -d -i second.key | age -a -r \"$(grep '^to ' check.txt | cut -d' ' -f2)\"";
    let by_age = at(desk, Command::new("sh").args(["-c", line]));
    assert!(by_age.status.success(), "{}", said(&by_age));
    let confirm = json!({ "step": "confirm", "reason": "電話で読み上げて照合", "proof": String::from_utf8(by_age.stdout).unwrap() });
    assert_eq!(text(&api.post(&another, &step, &confirm), "state"), "active");
    let auditor = api.post(admin, "/api/v1/auditor-keys", &json!({ "name": "みどり監査法人", "key": audit, "reason": "年次監査" }));
    api.post(&another, &format!("/api/v1/auditor-keys/{}/decide", text(&auditor, "id")), &json!({ "confirmed": true, "reason": "電話で照合" }));

    let (worker, _) = house.at_work("kaname", &["exec"]);
    for word in ["一回目", "二回目"] {
        let done = house.terminal.exec(&worker, TARGET, &format!("echo 二人で見る {word}"));
        assert!(done.status.success(), "{}", said(&done));
    }
    let sessions = house.ended("kaname", 2);
    let recording = |session: &str| api.ask(operator, &format!("/api/v1/sessions/{session}/recording"));
    for session in &sessions {
        let alone = recording(session);
        assert!(alone.status == 403 && alone.text.contains("SKS-2085"), "{} {}", alone.status, alone.text);
    }

    // Both recordings in one request; the holder's command checks who wrote it.
    let ask = json!({ "session": sessions[0], "whole_plan": true, "hours": 1, "reason": "手順の照合" });
    let request = text(&api.post(operator, "/api/v1/viewings", &ask), "id");
    let note = api.ask(planner, &format!("/api/v1/viewings/{request}/text"));
    fs::write(desk.join("request.txt"), &note.text).unwrap();
    fs::write(desk.join("forged.txt"), note.text.replace("手順の照合", "手順の確認")).unwrap();
    let unasked = agree("request.txt", "second.key", &["--log-key", &house.log_key]);
    assert!(!unasked.status.success() && unasked.stdout.is_empty(), "nobody said yes: {}", said(&unasked));
    let forged = agree("forged.txt", "second.key", &["--log-key", &house.log_key, "--yes"]);
    assert!(!forged.status.success() && forged.stdout.is_empty(), "{}", said(&forged));
    assert!(!agree("request.txt", "other.key", &["--log-key", &house.log_key, "--yes"]).status.success());
    for unproved in [&["--yes"][..], &["--yes", "--unchecked"]] {
        let agreed = agree("request.txt", "second.key", unproved);
        assert!(!agreed.status.success() && agreed.stdout.is_empty(), "nobody agrees to a request that nobody checked: {}", said(&agreed));
    }
    let agreed = agree("request.txt", "second.key", &["--log-key", &house.log_key, "--yes"]);
    let told = String::from_utf8_lossy(&agreed.stderr).into_owned();
    assert!(agreed.status.success() && told.contains("手順の照合") && told.contains("上田 健") && sessions.iter().all(|session| told.contains(session)), "{}", said(&agreed));
    let agreement = String::from_utf8(agreed.stdout).unwrap();
    assert!(agreement.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    let hand_in = |request: &str, agreement: &str| api.try_post(Some(planner), &format!("/api/v1/viewings/{request}/agree"), &json!({ "agreement": agreement }));
    let done = hand_in(&request, &agreement);
    assert_eq!(done.status, 200, "{}", done.text);
    for session in &sessions {
        assert_eq!(recording(session).status, 200);
    }
    assert_eq!(api.ask(admin, &format!("/api/v1/viewings/{request}")).status, 404, "it is nobody else's matter");
    api.post(operator, &format!("/api/v1/viewings/{request}/end"), &json!({}));
    assert_eq!(recording(&sessions[0]).status, 403);

    // The standard tool, as the page writes it down.
    let request = text(&api.post(operator, "/api/v1/viewings", &json!({ "session": sessions[1], "hours": 1, "reason": "もう一度" })), "id");
    fs::write(desk.join("single.txt"), api.ask(planner, &format!("/api/v1/viewings/{request}/text")).text).unwrap();
    let line = "grep '^recording ' single.txt | cut -d' ' -f4 | while read -r share; do echo \"$share\" | base64 -d | age -d -i second.key; done | age -a -r \"$(grep '^to ' single.txt | cut -d' ' -f2)\"";
    let by_age = at(desk, Command::new("sh").args(["-c", line]));
    assert!(by_age.status.success(), "{}", said(&by_age));
    let by_age = String::from_utf8(by_age.stdout).unwrap();
    assert_eq!(hand_in(&request, &agreement).status, 422, "the agreement of another request");
    let done = hand_in(&request, &by_age);
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!((recording(&sessions[0]).status, recording(&sessions[1]).status), (403, 200));

    // An auditor with the file, away from the box.
    fs::copy(house.data.join(format!("recordings/{}.skr", sessions[0])), desk.join("a.skr")).unwrap();
    let open = |more: &[&str]| at(desk, Command::new(sekisho()).env_clear().args(["recording", "open", "a.skr", "--identity", "audit.key"]).args(more));
    assert!(!open(&[]).status.success(), "an auditor alone opens nothing");
    let agreed = agree("a.skr", "second.key", &["--to", &audit, "--yes", "--output", "agreement.txt"]);
    assert!(agreed.status.success() && String::from_utf8_lossy(&agreed.stderr).contains("みどり監査法人"), "{}", said(&agreed));
    assert!(!agree("a.skr", "second.key", &["--to", &second, "--yes"]).status.success(), "for a key that opens nothing");
    let opened = open(&["--agreement", "agreement.txt", "--output", "opened"]);
    assert!(opened.status.success() && String::from_utf8_lossy(&opened.stdout).contains("第二の鍵"), "{}", said(&opened));
    assert!(fs::read_to_string(desk.join("opened/events.txt")).unwrap().contains("echo 二人で見る"));

    // Whoever verifies needs no key.
    let copy = house.evidence("copy");
    let verified = at(desk, Command::new(sekisho()).env("SEKISHO_LANG", "en").args(["verify", &copy.display().to_string(), "--key", &house.log_key, "--json"]));
    let other = at(desk, Command::new("python3").arg(root().join("testsuite/verifier/verify.py")).args([copy.to_str().unwrap(), "--key", &house.log_key]));
    assert!(other.status.success(), "{}", said(&other));
    let told: Value = serde_json::from_slice(&verified.stdout).unwrap_or_else(|_| panic!("{}", said(&verified)));
    assert!(verified.status.success(), "{told}");
    // Both know which key was in force, and that the recordings name it.
    assert!(!told.to_string().contains("second-key-missing") && !said(&other).contains("second key"), "{told} {}", said(&other));
}
