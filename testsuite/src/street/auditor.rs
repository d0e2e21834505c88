//! An auditor with the file of a recording, a key that `age-keygen` made, and nothing of the hospital.

use super::house::{House, TARGET};
use super::program::{said, sekisho};
use base64::Engine as _;
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Output, Stdio};

#[test]
fn an_auditor_opens_a_recording_on_a_laptop_with_the_key_that_two_persons_entered() {
    let house = House::own_with("step_up_minutes = 60");
    let far = tempfile::Builder::new().prefix("auditor-").tempdir().unwrap();
    let out = |command: &mut Command| -> Output { command.current_dir(far.path()).output().unwrap() };
    let made = out(Command::new("age-keygen").args(["-o", "audit.key"]));
    assert!(made.status.success(), "{}", said(&made));
    let public = fs::read_to_string(far.path().join("audit.key")).unwrap();
    let public = public.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let other = out(Command::new(sekisho()).env_clear().args(["auditor-key", "new", "--output", "other.key", "--json"]));
    let told: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert!(told["public_key"].as_str().unwrap().starts_with("age1") && !String::from_utf8_lossy(&other.stdout).contains("SECRET"));
    assert!(!out(Command::new(sekisho()).env_clear().args(["auditor-key", "new", "--output", "other.key"])).status.success(), "a key is not written over");

    let asked = house.api.post(&house.admin, "/api/v1/auditor-keys", &json!({ "name": "みどり監査法人", "key": public, "reason": "年次監査" }));
    let decide = format!("/api/v1/auditor-keys/{}/decide", asked["id"].as_str().unwrap());
    let body = json!({ "confirmed": true, "reason": "電話で読み上げて照合" });
    assert!(house.api.try_post(Some(&house.admin), &decide, &body).status >= 400, "nobody confirms the own wish");
    let active = house.api.post(&house.planner, &decide, &body);
    assert_eq!(active["state"], "active");

    let (worker, _) = house.at_work("kaname", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "echo 監査の対象");
    assert!(done.status.success(), "{}", said(&done));
    let session = house.ended("kaname", 1).remove(0);
    let shown = house.session(&session);
    let names: Vec<&str> = shown["recording"]["recipients"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["", "みどり監査法人"]);
    fs::copy(house.data.join(format!("recordings/{session}.skr")), far.path().join("a.skr")).unwrap();

    // Sekisho's own program, in an empty environment.
    let opened = out(Command::new(sekisho()).env_clear().args(["recording", "open", "a.skr", "--identity", "audit.key", "--output", "opened"]));
    assert!(opened.status.success() && String::from_utf8_lossy(&opened.stdout).contains("みどり監査法人"), "{}", said(&opened));
    assert!(fs::read_to_string(far.path().join("opened/events.txt")).unwrap().contains("echo 監査の対象"));
    let casts: Vec<String> = fs::read_dir(far.path().join("opened")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(casts.iter().any(|text| text.contains("監査の対象") && text.contains("\"version\"")), "{casts:?}");
    let denied = out(Command::new(sekisho()).env_clear().args(["recording", "open", "a.skr", "--identity", "other.key"]));
    assert!(!denied.status.success(), "{}", said(&denied));

    // The standard tool over what the page of the format says.
    let bytes = fs::read(far.path().join("a.skr")).unwrap();
    let length = u32::from_be_bytes(bytes[10..14].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[14..14 + length]).unwrap();
    fs::write(far.path().join("wrapped.age"), base64::engine::general_purpose::STANDARD.decode(header["wrapped_key"].as_str().unwrap()).unwrap()).unwrap();
    let key = out(Command::new("age").args(["-d", "-i", "audit.key", "wrapped.age"]).stderr(Stdio::piped()));
    assert!(key.status.success() && key.stdout.len() == 32, "{}", String::from_utf8_lossy(&key.stderr));
    assert!(!out(Command::new("age").args(["-d", "-i", "other.key", "wrapped.age"])).status.success());
}
