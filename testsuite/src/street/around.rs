//! Targets' own logs by a real rsyslog over TLS, of a real sshd: sessions join exactly, and whoever goes round the gateway
//! stands on the operator's page within a minute.

use super::api::text;
use super::house::{House, TARGET};
use super::program::{free_port, output, said, wait_for};
use super::sshd::{self, Sshd};
use crate::rsyslog::Rsyslog;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Within a minute of the login.
const A_MINUTE: Duration = Duration::from_secs(60);

fn house() -> House {
    let port = free_port();
    House::own_with(&format!("\n[log_sources]\nlisten = \"127.0.0.1:{port}\"\naddress = \"localhost:{port}\"\n"))
}

fn register(house: &House, host: &str, target: &str) -> Value {
    house.api.post(&house.admin, "/api/v1/log-sources", &json!({ "hosts": [host], "target": target }))
}

/// A daemon on the target: what sshd writes goes to Sekisho, by the very configuration that Sekisho hands out. `called` is the
/// name by which the host calls itself.
fn daemon(made: &Value, called: &str, log: &Path) -> Rsyslog {
    let folder = log.parent().expect("the folder of the server").join(format!("rsyslog-{called}"));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, part) in [("ca.pem", "server_ca"), ("cert.pem", "certificate"), ("key.pem", "key")] {
        std::fs::write(folder.join(name), text(made, part)).unwrap();
    }
    let own = text(made, "rsyslog").replace("/etc/rsyslog.d/sekisho", &folder.display().to_string());
    assert!(own.contains("omfwd"), "{own}");
    Rsyslog::with(&format!(
        "global(workDirectory=\"{{folder}}\" localHostname=\"{called}\")\nmodule(load=\"imfile\")\ninput(type=\"imfile\" File=\"{}\" Tag=\"sshd:\" facility=\"auth\")\n{own}",
        log.display()
    ))
}

fn told(house: &House, session: &str) -> Option<Value> {
    let session = house.session(session);
    let entries = session.get("entries").and_then(Value::as_array)?;
    entries.iter().filter_map(|entry| entry.get("fact")).find(|fact| text(fact, "kind") == "session_told").cloned()
}

fn open(house: &House, rule: &str) -> Option<Value> {
    let cases = house.api.get(&house.operator, "/api/v1/cases");
    cases.get("open").and_then(Value::as_array)?.iter().find(|case| text(case, "key.rule") == rule).cloned()
}

/// Logs in on the target directly, with a credential that nobody but Sekisho should have.
fn directly(sshd: &Sshd, from: &str) {
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-b", from, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]);
    command.arg(&sshd.key_file).args(["-p", &sshd.port.to_string(), &format!("{}@127.0.0.1", sshd::account()), "true"]);
    let done = output(&mut command, Duration::from_secs(30));
    assert!(done.status.success(), "{}\n{}", said(&done), sshd.log());
}

#[test]
fn a_login_made_directly_on_a_target_stands_before_the_operator_within_a_minute() {
    let house = house();
    let made = register(&house, TARGET, &house.target);
    let _rsyslog = daemon(&made, TARGET, &house.folder.join("host/sshd.log"));
    // A session through the gateway is told of by the connection.
    let (worker, _) = house.at_work("aroa", &["exec"]);
    let done = house.terminal.exec(&worker, TARGET, "true");
    assert!(done.status.success(), "{}", said(&done));
    let session = house.ended("aroa", 1).remove(0);
    let entry = wait_for("the session is told of", A_MINUTE, || told(&house, &session));
    assert_eq!((text(&entry, "by"), text(&entry, "from")), ("connection".to_owned(), "127.0.0.1".to_owned()), "{entry}");
    assert_eq!(open(&house, "no_session"), None, "a session is no case");

    directly(&house.host, "127.0.0.5");
    let case = wait_for("the login is a case", A_MINUTE, || open(&house, "kept_account"));
    assert_eq!((text(&case, "weight"), text(&case, "key.from"), text(&case, "about")), ("critical".to_owned(), "127.0.0.5".to_owned(), TARGET.to_owned()), "{case}");
    assert!(text(&case, "line").contains("Accepted publickey for") && text(&case, "line").contains("from 127.0.0.5 port "), "{case}");
    // On the gateway's own machine somebody goes to the target, too.
    directly(&house.host, "127.0.0.1");
    let case = wait_for("the login from the gateway is a case", A_MINUTE, || open(&house, "no_session"));
    assert_eq!(text(&case, "nearest"), session, "{case}");
    let listed = house.console(&["cases", "list", "--json"]);
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains(&text(&case, "id")), "{}", said(&listed));
    let seen = format!("{}+{}", case["logins"], case["attempts"]);
    let decided = house.console(&["cases", "decide", &text(&case, "id"), "--decision", "incident", "--seen", &seen, "--reason", "踏み台の疑い"]);
    assert!(decided.status.success(), "{}", said(&decided));
    assert_eq!(open(&house, "no_session"), None);
}

#[test]
fn a_session_by_certificate_is_joined_by_its_serial_number() {
    let house = house();
    let sshd = Sshd::start(&house.folder.join("cert02"));
    let vendor = text(house.api.get(&house.admin, "/api/v1/targets").pointer("/0").expect("the house's own target"), "vendor");
    let target = json!({
        "name": "cert02", "title": "証明書の cert02", "protocol": "ssh", "host": "127.0.0.1", "port": sshd.port, "owner": "医療情報室",
        "vendor": vendor, "host_keys": [sshd.host_key], "active": true,
    });
    let target = text(&house.api.post(&house.admin, "/api/v1/targets", &target), "id");
    let account = json!({ "username": sshd::account(), "credential": "certificate" });
    let account = text(&house.api.post(&house.admin, &format!("/api/v1/targets/{target}/accounts"), &account), "id");
    let lines = house.api.get(&house.admin, &format!("/api/v1/accounts/{account}/setup"));
    let authority = house.folder.join("sekisho_ca.pub");
    std::fs::write(&authority, text(&lines, "files.authority")).unwrap();
    sshd.reload(&text(&lines, "files.config").replace(&text(&lines, "files.authority_path"), &authority.display().to_string()));
    let made = register(&house, "cert02", &target);
    let _rsyslog = daemon(&made, "cert02", &house.folder.join("cert02/sshd.log"));

    let (worker, token) = house.worker("arob");
    house.plan_on(&token, "arob", &target, &account, &["exec"]);
    let done = house.terminal.exec(&worker, "cert02", "true");
    assert!(done.status.success(), "{}\n{}", said(&done), sshd.log());
    let session = house.ended("arob", 1).remove(0);
    let entry = wait_for("the session is told of", A_MINUTE, || told(&house, &session));
    assert_eq!(text(&entry, "by"), "certificate", "{entry}");

    // The same host with its own certificate, in the name of another one.
    let forger = daemon(&made, "pacs-sv01", &house.folder.join("cert02/sshd.log"));
    let case = wait_for("the forged name is a case", A_MINUTE, || open(&house, "forged_name"));
    assert_eq!((case.pointer("/accounts/0").and_then(Value::as_str), text(&case, "about")), (Some("pacs-sv01"), "cert02".to_owned()), "{case}");
    drop(forger);
    assert!(open(&house, "kept_account").is_none() && open(&house, "no_session").is_none(), "a forged line accuses nobody");
}
