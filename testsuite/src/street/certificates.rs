//! A target that is set up with exactly the lines that the page shows.

use super::api::text;
use super::house::House;
use super::program::{output, said};
use super::sshd::{self, Sshd};
use serde_json::{Value, json};
use std::time::Duration;

/// A second target of the house with an account that is entered by certificate.
struct Certified {
    sshd: Sshd,
    target: String,
    account: String,
}

fn setup(house: &House, name: &str) -> Certified {
    let sshd = Sshd::start(&house.folder.join(name));
    let vendor = text(house.api.get(&house.admin, "/api/v1/targets").pointer("/0").expect("the house's own target"), "vendor");
    let target = json!({
        "name": name, "title": format!("証明書の {name}"), "protocol": "ssh", "host": "127.0.0.1", "port": sshd.port, "owner": "医療情報室",
        "vendor": vendor, "host_keys": [sshd.host_key], "active": true,
    });
    let target = text(&house.api.post(&house.admin, "/api/v1/targets", &target), "id");
    let account = json!({ "username": sshd::account(), "credential": "certificate" });
    let account = text(&house.api.post(&house.admin, &format!("/api/v1/targets/{target}/accounts"), &account), "id");
    Certified { sshd, target, account }
}

fn outcome(house: &House, account: &str) -> Value {
    house.api.post(&house.admin, &format!("/api/v1/accounts/{account}/test"), &json!({}))
}

/// A worker with an approved plan on this target.
fn at_work(house: &House, login: &str, on: &Certified) -> super::terminal::Person {
    let (person, token) = house.worker(login);
    house.plan_on(&token, login, &on.target, &on.account, &["exec"]);
    person
}

#[test]
fn the_lines_of_the_page_open_a_real_server_to_each_session_and_its_log_names_it() {
    let house = House::own();
    let on = setup(&house, "cert01");
    assert_eq!(text(&outcome(&house, &on.account), "tested.outcome.dial"), "credential_refused", "before the lines are there");
    let told = house.api.get(&house.admin, &format!("/api/v1/accounts/{}/setup", on.account));
    // The paths of the page belong to the root of a server of its own; here they lie in the test's folder.
    let authority = house.folder.join("sekisho_ca.pub");
    std::fs::write(&authority, text(&told, "files.authority")).unwrap();
    let config = text(&told, "files.config").replace(&text(&told, "files.authority_path"), &authority.display().to_string());
    on.sshd.reload(&config);
    let tested = outcome(&house, &on.account);
    assert_eq!(text(&tested, "tested.outcome.dial"), "connected", "{tested}\n{}", on.sshd.log());

    let worker = at_work(&house, "cea", &on);
    let done = house.terminal.exec(&worker, "cert01", "echo hai''tta");
    assert!(String::from_utf8_lossy(&done.stdout).contains("haitta"), "{}\n{}", said(&done), on.sshd.log());
    let id = house.ended("cea", 1).remove(0);
    let session = house.session(&id).to_string();
    let accepted = on.sshd.log();
    let accepted = accepted.lines().rfind(|line| line.contains("Accepted publickey")).unwrap_or_default();
    assert!(accepted.contains(&format!("ID sekisho:{id}:")) && accepted.contains(":cea (serial "), "{accepted}");
    let serial = accepted.split_once("(serial ").and_then(|(_, rest)| rest.split_once(')')).map(|(serial, _)| serial.to_owned()).unwrap();
    assert!(session.contains(&format!("\"serial\":{serial}")), "the serial {serial} is not in {session}");

    // The key that the server knew before has no way in any more.
    let port = on.sshd.port.to_string();
    let mut command = std::process::Command::new("ssh");
    command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]);
    command.arg(&on.sshd.key_file).args(["-p", &port, &format!("{}@127.0.0.1", sshd::account()), "true"]);
    assert!(!output(&mut command, Duration::from_secs(30)).status.success(), "the old key still opens it");
}

#[test]
fn a_changed_host_key_cuts_who_is_in_and_keeps_all_out_until_it_is_pinned_anew() {
    let house = House::own();
    let (inside, _) = house.at_work("hka", &["shell"]);
    let (other, _) = house.at_work("hkb", &["exec"]);
    let mut shell = house.terminal.shell(&inside, super::house::TARGET);
    shell.type_line("echo na''ka");
    shell.wait_for("naka");
    // The server is exchanged: another key from here on.
    let file = house.folder.join("host/host_key");
    for path in [file.clone(), file.with_extension("pub")] {
        std::fs::remove_file(path).unwrap();
    }
    let new_key = sshd::make_key(&file);
    house.host.reload("");
    let refused = house.terminal.exec(&other, super::house::TARGET, "true");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("SKS-4015"), "{}", said(&refused));
    let (status, _) = shell.wait_for_end(Duration::from_secs(10));
    assert!(!status.success() && shell.screen().contains("SKS-4015"), "{}", shell.screen());
    let ended = house.ended("hka", 1).remove(0);
    assert_eq!(text(&house.session(&ended), "facts.cause"), "host_key_changed");
    let again = house.terminal.exec(&other, super::house::TARGET, "true");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("SKS-4015"), "{}", said(&again));

    let listed = house.console(&["target", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("HOST KEY ALARM"), "{}", said(&listed));
    let without = house.console(&["target", "pin", super::house::TARGET, "--host-key", &new_key]);
    assert!(!without.status.success(), "pinned without a reason: {}", said(&without));
    let pinned = house.console(&["target", "pin", super::house::TARGET, "--host-key", &new_key, "--reason", "入れ替えを確認"]);
    assert!(pinned.status.success(), "{}", said(&pinned));
    let done = house.terminal.exec(&other, super::house::TARGET, "echo hai''tta");
    assert!(String::from_utf8_lossy(&done.stdout).contains("haitta"), "{}", said(&done));
}

#[test]
fn the_console_prints_the_authority_sets_certificates_up_and_tests() {
    let house = House::own();
    let line = house.console(&["target", "ca"]);
    let line = String::from_utf8_lossy(&line.stdout).trim().to_owned();
    assert!(line.starts_with("ssh-ed25519 ") && line.lines().count() == 1, "{line}");
    let file = house.folder.join("ca.pub");
    std::fs::write(&file, format!("{line}\n")).unwrap();
    let account = sshd::account();
    let set = house.console(&["target", "account", super::house::TARGET, "--username", &account, "--certificate"]);
    assert!(set.status.success(), "{}", said(&set));
    let before = house.console(&["target", "test", super::house::TARGET, &account]);
    assert!(!before.status.success(), "{}", said(&before));
    house.host.reload(&format!("Match User {account}\n    TrustedUserCAKeys {}\n", file.display()));
    let tested = house.console(&["target", "test", super::house::TARGET, &account]);
    assert!(tested.status.success(), "{}", said(&tested));
    let seen = house.console(&["target", "scan", "127.0.0.1", "--port", &house.host.port.to_string()]);
    assert!(String::from_utf8_lossy(&seen.stdout).contains(&house.host.host_key), "{}", said(&seen));
}
