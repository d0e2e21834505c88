//! 隔離 on the street: uploads of real clients wait for a real person at a real page, and what is refused never arrives.

use super::api::text;
use super::browser;
use super::house::{House, TARGET};
use super::program::{noise, root, said, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

fn hex(content: &[u8]) -> String {
    sekisho_evidence::Digest::of(content).to_string()
}

/// Waits for the next upload that waits in a session, and gives it.
fn held(house: &House, session: &str, name: &str) -> Value {
    wait_for(&format!("{name} waits"), Duration::from_secs(40), || {
        let told = house.api.get(&house.operator, &format!("/api/v1/sessions/{session}/uploads"));
        let all = told.get("uploads").and_then(Value::as_array).cloned().unwrap_or_default();
        all.into_iter().find(|held| text(held, "path").ends_with(name) && held.get("decided").is_some_and(Value::is_null))
    })
}

fn number(held: &Value) -> u64 {
    held.get("hold").and_then(Value::as_u64).expect("its number")
}

fn decide(house: &House, session: &str, hold: u64, passed: bool) {
    house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/uploads/{hold}"), &json!({ "passed": passed, "reason": if passed { "" } else { "検査で検出" } }));
}

/// Lets a client send while somebody looks at what comes of it.
fn while_sending<T>(send: impl FnOnce() -> Output + Send, look: impl FnOnce() -> T) -> (Output, T) {
    std::thread::scope(|scope| {
        let sending = scope.spawn(send);
        let looked = look();
        (sending.join().expect("the client"), looked)
    })
}

/// Files in a folder of the target, whatever they are called.
fn lies_in(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).map(|files| files.filter_map(Result::ok).map(|file| file.file_name().to_string_lossy().into_owned()).collect()).unwrap_or_default()
}

fn strict() -> House {
    House::own_with("step_up_minutes = 60\nquarantine_uploads = \"always\"\nkeep_files = \"none\"")
}

#[test]
fn what_is_let_pass_arrives_as_it_was_and_what_is_refused_does_not_arrive() {
    let house = strict();
    let (worker, _) = house.at_work("kakuri", &["sftp", "scp", "rsync", "exec"]);
    let there = house.folder.join("there");
    std::fs::create_dir(&there).unwrap();
    let (patch, evil) = (noise(3_000_000, 1), noise(70_000, 2));
    let here = |name: &str| house.folder.join(name);
    std::fs::write(here("更新.bin"), &patch).unwrap();
    std::fs::write(here("evil.bin"), &evil).unwrap();
    let line = house.terminal.master(&worker, TARGET);
    // sftp: two files after one another, the first passes and the second does not.
    let batch = format!("put \"{}\" \"{}\"\nput {} {}\n", here("更新.bin").display(), there.join("更新.bin").display(), here("evil.bin").display(), there.join("evil.bin").display());
    let (done, session) = while_sending(
        || line.sftp(&batch),
        || {
            let session = house.running("kakuri");
            let first = held(&house, &session, "更新.bin");
            assert_eq!((text(&first, "sha256"), first.get("bytes").and_then(Value::as_u64)), (hex(&patch), Some(3_000_000)));
            assert!(lies_in(&there).is_empty(), "nothing reaches the target while it waits");
            assert_eq!(lies_in(&house.data.join("staged")), Vec::<String>::new(), "what is staged has no name");
            // The content can be looked into before the decision.
            let (status, _, content) = house.api.file(Ok(&house.operator), &format!("/api/v1/sessions/{session}/uploads/{}/content", number(&first)));
            assert!(status == 200 && content == patch);
            decide(&house, &session, number(&first), true);
            let second = held(&house, &session, "evil.bin");
            assert!(std::fs::read(there.join("更新.bin")).unwrap() == patch, "it arrived as it was");
            let by_console = house.console(&["session", "upload", &session, &number(&second).to_string(), "refuse", "--reason", "検査で検出"]);
            assert!(by_console.status.success(), "{}", said(&by_console));
            session
        },
    );
    assert!(!done.status.success(), "the client does not hear of success");
    let words = said(&done);
    assert!(words.contains("SKS-4306") && words.contains("検査で検出"), "{words}");
    assert_eq!(lies_in(&there), ["更新.bin"]);

    // scp as it is today does not empty the file before it writes.
    let (done, ()) = while_sending(
        || line.scp(false, &here("更新.bin").display().to_string(), &format!(":{}", there.join("scp.bin").display())),
        || {
            let one = held(&house, &session, "scp.bin");
            decide(&house, &session, number(&one), true);
        },
    );
    assert!(done.status.success() && std::fs::read(there.join("scp.bin")).unwrap() == patch, "{}", said(&done));

    // What cannot wait is refused with words: the old scp, rsync, appending.
    let done = line.scp(true, &here("evil.bin").display().to_string(), &format!(":{}", there.join("old.bin").display()));
    assert!(!done.status.success() && said(&done).contains("SKS-4310") && said(&done).contains("-O"), "{}", said(&done));
    let done = line.rsync(&here("evil.bin"), &there.join("rsynced.bin").display().to_string());
    assert!(!done.status.success() && said(&done).contains("SKS-4310"), "{}", said(&done));
    std::fs::write(here("scp.bin"), [&patch[..], b"more"].concat()).unwrap();
    let done = line.sftp(&format!("reput {} {}\n", here("scp.bin").display(), there.join("scp.bin").display()));
    assert!(!done.status.success() && said(&done).contains("SKS-4308"), "{}", said(&done));
    assert!(std::fs::read(there.join("scp.bin")).unwrap() == patch, "the file on the target is as it was");
    // Reading and the rest go on as ever.
    let done = line.sftp(&format!("get {} {}\nls {}\n", there.join("scp.bin").display(), here("back.bin").display(), there.display()));
    assert!(done.status.success() && std::fs::read(here("back.bin")).unwrap() == patch, "{}", said(&done));
    drop(line);

    let session = house.ended("kakuri", 1).remove(0);
    let told = house.session(&session);
    let files = told.pointer("/facts/files").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |op: &str, name: &str| files.iter().find(|file| text(file, "op") == op && text(file, "path").ends_with(name)).cloned().unwrap_or_else(|| panic!("no {op} {name}: {files:?}"));
    assert_eq!((text(&of("put", "更新.bin"), "sha256"), of("put", "更新.bin").get("ok")), (hex(&patch), Some(&json!(true))));
    // What was refused stands in the recording as evidence, although the policy keeps nothing else.
    let evidence = of("put-refused", "evil.bin");
    let kept = evidence.pointer("/kept/file").and_then(Value::as_u64).expect("its content is kept");
    let (status, _, content) = house.api.file(Ok(&house.operator), &format!("/api/v1/sessions/{session}/files/{kept}"));
    assert!(status == 200 && content == evil);
    let log = house.api.get(&house.planner, &format!("/api/v1/log?session={session}")).to_string();
    for part in ["file_held", "file_decided", "held_file_taken", "検査で検出"] {
        assert!(log.contains(part), "{part}");
    }
}

#[test]
fn what_the_plan_lists_goes_on_by_itself_and_what_waits_at_a_cut_is_gone() {
    let house = House::own_with("step_up_minutes = 60\nquarantine_uploads = \"unlisted\"");
    let listed = noise(500_000, 7);
    let (worker, token) = house.worker("ichiran");
    let files = json!({ "bring_in": [{ "name": "patch.bin", "sha256": hex(&listed).to_uppercase() }] });
    house.plan_with(&token, "ichiran", &["sftp"], &files);
    let there = house.folder.join("there");
    std::fs::create_dir(&there).unwrap();
    let here = |name: &str| house.folder.join(name);
    std::fs::write(here("renamed.bin"), &listed).unwrap();
    std::fs::write(here("patch.bin"), noise(500_000, 8)).unwrap();
    let line = house.terminal.master(&worker, TARGET);
    let done = line.sftp(&format!("put {} {}\n", here("renamed.bin").display(), there.join("renamed.bin").display()));
    assert!(done.status.success() && std::fs::read(there.join("renamed.bin")).unwrap() == listed, "the digest counts and not the name: {}", said(&done));
    let session = house.running("ichiran");
    // A file that only bears the listed name waits, and a cut while it waits leaves nothing anywhere.
    let (done, ()) = while_sending(
        || line.sftp(&format!("put {} {}\n", here("patch.bin").display(), there.join("patch.bin").display())),
        || {
            let one = held(&house, &session, "patch.bin");
            assert_eq!(one.get("listed"), Some(&json!(false)));
            // A pause holds what was decided meanwhile.
            house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/pause"), &json!({}));
            house.api.post(&house.operator, &format!("/api/v1/sessions/{session}/cut"), &json!({ "reason": "試験" }));
        },
    );
    assert!(!done.status.success(), "{}", said(&done));
    drop(line);
    house.ended("ichiran", 1);
    assert_eq!(lies_in(&there), ["renamed.bin"]);
    assert_eq!(lies_in(&house.data.join("staged")), Vec::<String>::new());
    let row = wait_for("the giving up is written down", Duration::from_secs(20), || {
        let told = house.api.get(&house.operator, &format!("/api/v1/sessions/{session}/uploads"));
        told.pointer("/uploads/1").filter(|row| row.pointer("/decided/how").is_some()).cloned()
    });
    assert_eq!((text(&row, "decided.how"), row.pointer("/decided/passed")), ("given_up".to_owned(), Some(&json!(false))));
}

/// The python that the set-up made, with the libraries of the matrix.
fn python() -> PathBuf {
    std::env::var_os("SEKISHO_CLIENTS").map_or_else(|| root().join("target/clients/bin"), PathBuf::from).join("python3")
}

#[test]
fn the_libraries_that_vendors_write_with_wait_as_the_others_do() {
    let house = strict();
    let worker = house.in_key_window("toshokan", &json!({ "functions": ["sftp"], "files": ["upload", "download"] }));
    let there = house.folder.join("there");
    std::fs::create_dir(&there).unwrap();
    let content = noise(2_000_000, 5);
    std::fs::write(house.folder.join("up"), &content).unwrap();
    let port = house.terminal.port;
    for (at, library) in ["asyncssh", "Paramiko"].into_iter().enumerate() {
        let how = json!({
            "library": library, "acts": ["upload"], "here": house.folder, "there": there, "port": port, "key": worker.key_file, "login": format!("toshokan+{TARGET}"),
        });
        let send = || Command::new(python()).arg(root().join("testsuite/src/street/matrix/with_rights.py")).arg(how.to_string()).output().expect("python");
        let (done, ()) = while_sending(send, || {
            let session = house.running("toshokan");
            let one = held(&house, &session, "up");
            assert!(lies_in(&there).is_empty());
            decide(&house, &session, number(&one), true);
        });
        assert!(String::from_utf8_lossy(&done.stdout).contains("done"), "{library}: {}", said(&done));
        assert!(std::fs::read(there.join("up")).unwrap() == content, "{library}");
        std::fs::remove_file(there.join("up")).unwrap();
        house.ended("toshokan", at + 1);
    }
}

#[test]
fn a_person_of_the_hospital_sees_it_at_once_looks_into_it_and_decides_on_the_page() {
    let house = strict();
    let (worker, plan) = house.at_work("gamen", &["sftp"]);
    let there = house.folder.join("there");
    std::fs::create_dir(&there).unwrap();
    let content = noise(1_234_567, 3);
    std::fs::write(house.folder.join("設定.tar"), &content).unwrap();
    let line = house.terminal.master(&worker, TARGET);
    let operator = &house.operator_person;
    let cookie = house.api.web_log_in(&operator.login, &operator.password, &operator.phone.code());
    let batch = format!("put {0} {1}\nput {0} {2}\n", house.folder.join("設定.tar").display(), there.join("一.tar").display(), there.join("二.tar").display());
    let (done, told) = while_sending(
        || line.sftp(&batch),
        || {
            let session = house.running("gamen");
            let given = json!({ "url": house.url(), "cookie": cookie, "session": session, "plan": plan, "target": house.target, "pictures": root().join("target/quarantine-pictures") });
            browser::play("quarantine.mjs", &given, |what, asked| match what {
                "waits" => {
                    held(&house, &session, &text(asked, "name"));
                    json!({ "there": lies_in(&there) })
                }
                "arrived" => {
                    wait_for("it arrives", Duration::from_secs(20), || (std::fs::read(there.join(text(asked, "name"))).ok()? == content).then_some(()));
                    json!({})
                }
                other => panic!("{other}"),
            })
        },
    );
    assert!(!done.status.success() && said(&done).contains("手順書にない"), "{}", said(&done));
    assert_eq!(lies_in(&there), ["一.tar"]);
    assert_eq!(told.number("saved", "bytes") as usize, content.len());
    told.nothing_owed();
}
