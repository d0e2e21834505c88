//! Credentials that Sekisho exchanges by itself, on real servers: the key that a session used, and a password of an
//! account that `passwd` changes.

use super::api::text;
use super::house::{House, TARGET};
use super::program::{output, run, said, wait_for};
use super::sshd::{self, Sshd};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

/// How long an exchange may take: the round of the job, the dialogue, and the logins that prove it.
const PATIENCE: Duration = Duration::from_secs(60);

fn state(house: &House, target: &str) -> Value {
    house.api.get(&house.admin, &format!("/api/v1/targets/{target}/rotations"))
}

fn target_and_account(house: &House) -> (String, String) {
    let row = house.api.get(&house.admin, "/api/v1/targets");
    let row = row.pointer("/0").expect("the house's own target");
    (text(row, "id"), row.pointer("/accounts/0/id").and_then(Value::as_str).expect("its account").to_owned())
}

/// Whether this key opens the server by a plain ssh, past Sekisho.
fn opens(key: &std::path::Path, port: u16) -> bool {
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]);
    command.arg(key).args(["-p", &port.to_string(), &format!("{}@127.0.0.1", sshd::account()), "true"]);
    output(&mut command, Duration::from_secs(30)).status.success()
}

#[test]
fn the_key_that_a_session_used_is_another_one_afterwards_and_the_next_session_works() {
    let house = House::own();
    // The account's home is a folder of the test: the file of keys that is exchanged is the one that the server reads.
    let home = house.folder.join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    let first = std::fs::read_to_string(house.host.key_file.with_extension("pub")).unwrap();
    std::fs::write(home.join(".ssh/authorized_keys"), format!("# kept\nenvironment=\"A=b\" {first}")).unwrap();
    house.host.set_first(&format!("AuthorizedKeysFile {home}/.ssh/authorized_keys\nSetEnv HOME={home}\n", home = home.display()));
    assert!(opens(&house.host.key_file, house.host.port), "the first key opens the server: {}", house.host.log());

    let (target, account) = target_and_account(&house);
    house.api.put(&house.admin, &format!("/api/v1/accounts/{account}/rotation"), &json!({ "mode": "after_session" }));
    let (worker, _) = house.at_work("rota", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "echo mae");
    assert!(String::from_utf8_lossy(&done.stdout).contains("mae"), "{}", said(&done));
    house.ended("rota", 1);

    let told = wait_for("the key was exchanged", PATIENCE, || {
        let told = state(&house, &target);
        told.pointer("/0/done_at").is_some_and(Value::is_number).then_some(told)
    });
    assert_eq!(told.pointer("/0/last/rotation"), Some(&json!("done")), "{told}");
    let keys = std::fs::read_to_string(home.join(".ssh/authorized_keys")).unwrap();
    let blob = first.split_whitespace().nth(1).unwrap();
    assert!(keys.contains("# kept") && keys.contains(" sekisho\n") && keys.contains("environment=\"A=b\" ssh-ed25519") && !keys.contains(blob), "{keys}");
    assert!(!opens(&house.host.key_file, house.host.port), "the old key still opens the server");

    let done = house.terminal.exec(&worker, TARGET, "echo ato");
    assert!(String::from_utf8_lossy(&done.stdout).contains("ato"), "{}", said(&done));
    // The recorded session of Sekisho itself stands in the log like any other.
    house.end("TERM", Duration::from_secs(30));
    let copy = house.evidence("rotated");
    let verified = run(&["verify", &copy.display().to_string(), "--key", &house.log_key]);
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn a_target_that_does_not_take_the_new_key_keeps_the_old_one_in_force() {
    let house = House::own();
    let home = house.folder.join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    let first = std::fs::read_to_string(house.host.key_file.with_extension("pub")).unwrap();
    // The server reads another file than the one that an account writes to.
    let read = house.folder.join("elsewhere");
    std::fs::write(&read, &first).unwrap();
    house.host.set_first(&format!("AuthorizedKeysFile {}\nSetEnv HOME={}\n", read.display(), home.display()));
    let (target, account) = target_and_account(&house);
    house.api.post(&house.admin, &format!("/api/v1/accounts/{account}/rotation/now"), &json!({}));
    let told = wait_for("the exchange was given up", PATIENCE, || {
        let told = state(&house, &target);
        told.pointer("/0/tries").and_then(Value::as_u64).is_some_and(|tries| tries > 0).then_some(told)
    });
    assert_eq!(told.pointer("/0/last"), Some(&json!({ "rotation": "taken_back", "why": "new_refused" })), "{told}");
    assert_eq!(told.pointer("/0/under_way"), Some(&json!(false)), "{told}");
    assert!(opens(&house.host.key_file, house.host.port), "the old key opens the server as before");
    let (worker, _) = house.at_work("rotb", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "echo mama");
    assert!(String::from_utf8_lossy(&done.stdout).contains("mama"), "{}", said(&done));
}

/// A server whose `/etc` is a copy of its own, so that the account and its password are the test's.
fn with_password(folder: &std::path::Path) -> Option<(Sshd, &'static str)> {
    if sshd::account() != "root" || !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success()) {
        return None;
    }
    Some((Sshd::start_apart(folder, "hoshu", "Mukashi-no-1-go"), "Mukashi-no-1-go"))
}

#[test]
fn a_password_is_changed_by_passwd_itself_and_nobody_sees_the_new_one() {
    let house = House::own();
    let Some((server, old)) = with_password(&house.folder.join("apart")) else {
        println!("NOT RUN: a server with a password of its own needs root and a mount namespace");
        return;
    };
    // What the terminal was like when the program began: some ask before they switch the echo off.
    let programs = std::env::temp_dir().join(format!("sekisho-passwd-{}", std::process::id()));
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::set_permissions(&programs, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = programs.join("passwd");
    std::fs::write(&program, format!("#!/bin/sh\nstty -a > {}/terminal\nexec /usr/bin/passwd\n", programs.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    server.set_first(&format!("SetEnv PATH={}:/usr/bin:/bin\n", programs.display()));
    let vendor = text(house.api.get(&house.admin, "/api/v1/targets").pointer("/0").expect("the house's own target"), "vendor");
    let target = json!({
        "name": "pass01", "title": "パスワードのサーバ", "protocol": "ssh", "host": "127.0.0.1", "port": server.port, "owner": "医療情報室",
        "vendor": vendor, "host_keys": [server.host_key], "active": true,
    });
    let target = text(&house.api.post(&house.admin, "/api/v1/targets", &target), "id");
    let account = json!({ "username": "hoshu", "credential": { "password": old } });
    let account = text(&house.api.post(&house.admin, &format!("/api/v1/targets/{target}/accounts"), &account), "id");
    house.api.post(&house.admin, &format!("/api/v1/accounts/{account}/rotation/now"), &json!({}));
    let told = wait_for("the password was exchanged", PATIENCE, || {
        let told = state(&house, &target);
        told.pointer("/0/last").is_some_and(Value::is_object).then_some(told)
    });
    assert_eq!(told.pointer("/0/last/rotation"), Some(&json!("done")), "{told}\n{}", server.log());
    let terminal = std::fs::read_to_string(programs.join("terminal")).unwrap_or_default();
    std::fs::remove_dir_all(&programs).unwrap();
    assert!(terminal.split_whitespace().any(|flag| flag == "-echo"), "nothing that is typed is drawn, and so recorded: {terminal}");
    let tested = house.api.post(&house.admin, &format!("/api/v1/accounts/{account}/test"), &json!({}));
    assert_eq!(text(&tested, "tested.outcome.dial"), "connected", "{tested}");
    assert!(server.log().contains("Accepted password for hoshu"), "{}", server.log());
}
