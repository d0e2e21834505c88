//! The box as others meet it from outside: what it says of itself, what a known scanner says of it, the one exception of a
//! line, and a clock that jumps.

use super::api::text;
use super::door::{self, enrol, pem, s_client};
use super::house::{self, House, TARGET};
use super::program::{output, said, wait_for};
use sekisho_core::time::{Clock as _, format_date};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// The scanner starts openssl some hundred times.
const SCAN: Duration = Duration::from_secs(600);
const DAY: i64 = 86_400;

fn in_days(days: u64) -> String {
    format_date(sekisho::clock::SystemClock.now().plus(Duration::from_secs(days * 86_400)).date())
}

#[test]
fn the_box_finds_its_own_doors_as_they_should_be() {
    let house = house::shared();
    let looked = house.console(&["exposure", "--json"]);
    let value: Value = serde_json::from_slice(&looked.stdout).unwrap_or_else(|_| panic!("{}", said(&looked)));
    let own = value.pointer("/look/own").and_then(Value::as_array).expect("own listeners");
    let parts: Vec<String> = own.iter().map(|own| text(own, "part")).collect();
    assert_eq!(parts, ["pages", "ssh", "door"]);
    assert!(own.iter().all(|own| own.pointer("/answers/0").and_then(Value::as_str) == Some("127.0.0.1")), "{own:?}");
    let tls = value.pointer("/look/tls").and_then(Value::as_array).expect("two listeners of TLS");
    assert_eq!(tls.len(), 2);
    for look in tls {
        assert_eq!((look.get("versions"), text(look, "trouble")), (Some(&json!(["TLS 1.3"])), String::new()), "{look}");
        assert_eq!(look.get("suites").and_then(Value::as_array).map(Vec::len), Some(3), "{look}");
        assert!(look.pointer("/chain/0/until").is_some(), "{look}");
    }
    assert_eq!(tls.iter().map(|look| look.get("lets_strangers_in").cloned()).collect::<Vec<_>>(), [Some(Value::Null), Some(json!(false))]);
    let findings = value.get("findings").and_then(Value::as_array).expect("findings");
    // What else runs on the machine of the test is no concern of it.
    let ours: Vec<String> = findings.iter().map(|finding| text(finding, "kind")).filter(|kind| kind != "unexpected").collect();
    assert_eq!(ours, Vec::<String>::new(), "{findings:?}");
    let words = house.console(&["exposure", "show"]);
    assert!(door::words(&words.stdout).contains("外側の入口"), "{}", said(&words));
    let page = house.api.ask(&house.admin, "/api/v1/exposure");
    assert_eq!(page.status, 200, "{}", page.text);
}

/// What `testssl.sh` says of a port: its findings by name.
fn scanned(house: &House, port: u16) -> Vec<(String, String, String)> {
    let file = house.folder.join(format!("testssl-{port}.json"));
    let program = ["testssl", "testssl.sh"].into_iter().find(|name| output(Command::new("sh").args(["-c", &format!("command -v {name}")]), PATIENCE).status.success()).expect("testssl.sh is missing");
    let done = output(Command::new(program).args(["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "-p", "-s", "-U", "--jsonfile"]).arg(&file).arg(format!("https://127.0.0.1:{port}")), SCAN);
    let report = std::fs::read(&file).unwrap_or_else(|_| panic!("{}", said(&done)));
    let rows: Vec<Value> = serde_json::from_slice(&report).unwrap_or_else(|_| panic!("{}", said(&done)));
    rows.iter().map(|row| (text(row, "id"), text(row, "severity"), text(row, "finding"))).collect()
}

#[test]
fn a_known_scanner_finds_tls_13_alone_and_no_known_weakness() {
    let house = house::shared();
    let pages: u16 = house.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    for port in [pages, house.door] {
        let rows = scanned(house, port);
        let of = |id: &str| rows.iter().find(|(name, ..)| name == id).map(|(_, _, finding)| finding.as_str()).unwrap_or_else(|| panic!("{port}: nothing on {id}: {rows:?}"));
        for old in ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"] {
            assert!(of(old).contains("not offered"), "{port} {old}: {}", of(old));
        }
        assert!(of("TLS1_3").starts_with("offered"), "{port}: {}", of("TLS1_3"));
        let bad: Vec<_> = rows.iter().filter(|(_, severity, _)| matches!(severity.as_str(), "LOW" | "MEDIUM" | "HIGH" | "CRITICAL")).collect();
        assert!(bad.is_empty(), "{port}: {bad:?}");
        for weakness in ["cipherlist_3DES_IDEA", "heartbleed", "CCS", "ROBOT", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"] {
            assert!(rows.iter().any(|(name, severity, _)| name == weakness && matches!(severity.as_str(), "OK" | "INFO")), "{port} {weakness}: {rows:?}");
        }
    }
}

#[test]
fn an_exception_of_a_line_admits_tls_12_until_it_ends() {
    let house = House::own();
    let folder = tempfile::tempdir().unwrap();
    enrol(&house, folder.path());
    let (key, certificate) = pem(folder.path());
    let get = |more: &[&str]| {
        let mut words = vec!["-alpn", "http/1.1", "-key", key.to_str().unwrap(), "-cert", certificate.to_str().unwrap()];
        words.extend(more);
        s_client(&house, &words, b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    };
    let before = get(&["-tls1_2"]);
    assert!(before.contains("protocol version") && !before.contains("HTTP/1.1 200"), "{before}");

    let lines = house.api.get(&house.admin, "/api/v1/lines");
    let vendor = text(lines.get(0).expect("a line"), "vendor");
    let mut line = serde_json::to_value(crate::roads::line("旧式端末", "127.0.0.0/8")).unwrap();
    line["class"] = json!("tls12");
    let plain = house.api.post(&house.admin, "/api/v1/lines", &json!({ "vendor": vendor, "line": line }));
    assert!(!get(&["-tls1_2"]).contains("HTTP/1.1 200"), "the class alone admits nothing: {plain}");
    line["exception"] = json!({ "reason": "装置の組込みOSが1.3に対応しない", "approved_by": "安全管理責任者", "until": in_days(30) });
    house.api.put(&house.admin, &format!("/api/v1/lines/{}", text(&plain, "id")), &line);

    let older = get(&["-tls1_2"]);
    assert!(older.contains("HTTP/1.1 200") && older.contains("ECDHE-ECDSA-AES"), "{older}");
    let newer = get(&[]);
    assert!(newer.contains("HTTP/1.1 200") && newer.contains("TLSv1.3") && !newer.contains("TLSv1.2,"), "who can speak more speaks it: {newer}");
    for weak in [&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"][..], &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:AES128-GCM-SHA256"], &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]] {
        let refused = get(weak);
        assert!(!refused.contains("HTTP/1.1 200"), "{weak:?}: {refused}");
    }
    let stranger = s_client(&house, &["-tls1_2", "-alpn", "http/1.1"], b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(!stranger.contains("HTTP/1.1 200"), "a certificate is asked for all the same: {stranger}");
    let enrolling = s_client(&house, &["-tls1_2", "-alpn", "sekisho-enrol/1"], b"{}\n");
    assert!(!enrolling.contains("SKS-"), "who enrols speaks TLS 1.3: {enrolling}");

    let mut tunnel = Command::new("openssl");
    tunnel.args(["s_client", "-connect", &door::server(&house), "-tls1_2", "-alpn", "sekisho-ssh/1", "-quiet", "-key"]).arg(&key).arg("-cert").arg(&certificate);
    let mut tunnel = tunnel.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = tunnel.stdin.take().unwrap();
    stdin.write_all(b"TARGET -\n").unwrap();
    let mut banner = [0; 8];
    tunnel.stdout.as_mut().unwrap().read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"SSH-2.0-");

    house.api.post(&house.admin, &format!("/api/v1/lines/{}/end", text(&plain, "id")), &json!({ "reason": "更新した" }));
    // Half of the time in which nobody has to log in.
    wait_for("the open tunnel ends with the line", PATIENCE, || tunnel.try_wait().unwrap());
    drop(stdin);
    assert!(!get(&["-tls1_2"]).contains("HTTP/1.1 200"), "it ends with the line");
}

#[test]
fn a_clock_that_jumps_lets_nobody_in_twice_and_nothing_in_too_late() {
    let house = House::own_timed();
    let folder = tempfile::tempdir().unwrap();
    enrol(&house, folder.path());
    let (key, certificate) = pem(folder.path());
    let door = || s_client(&house, &["-alpn", "http/1.1", "-key", key.to_str().unwrap(), "-cert", certificate.to_str().unwrap()], b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert!(door().contains("HTTP/1.1 200"));
    let (worker, _) = house.at_work("jump", &["exec"]);
    let ran = house.terminal.exec(&worker, TARGET, "echo here");
    assert!(ran.status.success(), "{}", said(&ran));

    // A code that was used, and the clock goes back into its thirty seconds.
    let person = &house.planner_person;
    let code = person.phone.code();
    let ask = json!({ "login": person.login, "password": person.password, "code": code });
    let first = house.api.try_post(None, "/api/v1/logins", &ask);
    assert_eq!(first.status, 200, "{}", first.text);
    house.set_clock(-20);
    for beside in [-20, -60, -90, -7 * DAY] {
        house.set_clock(beside);
        let again = house.api.try_post(None, "/api/v1/logins", &ask);
        assert_eq!(again.status, 401, "a code was taken twice at {beside}: {}", again.text);
    }
    // Seven days back, the certificate has not begun.
    let early = door();
    assert!(!early.contains("HTTP/1.1 200"), "{early}");
    house.set_clock(0);
    assert!(door().contains("HTTP/1.1 200"), "set right, it holds again");
    // A year ahead, and confirmed by the console, certificate and window have ended.
    house.set_clock(366 * DAY);
    let late = door();
    assert!(!late.contains("HTTP/1.1 200"), "{late}");
    let after = house.terminal.exec(&worker, TARGET, "echo late");
    assert!(!after.status.success() && !door::words(&after.stdout).contains("late"), "{}", said(&after));
    // By kind: the reviews and reports of the year that passed stand before them.
    let told = |kind: &str| door::words(&house.console(&["log", "list", "--json", "--kind", kind]).stdout);
    wait_for("the reasons stand in the log", PATIENCE, || {
        let refused = told("certificate_refused");
        (refused.contains("\"not_yet\"") && refused.contains("\"expired\"")).then_some(())
    });
    assert!(told("clock_jumped").contains("clock_jumped"), "the way back is in the log");
}

#[test]
fn a_token_certifies_devices_by_a_key_that_was_made_in_it() {
    let house = House::own_with_token();
    let file = |name: &str| house.folder.join(name).display().to_string();
    std::fs::write(file("passphrase"), "kaki no ki no shita de\n").unwrap();
    let done = |words: &[&str]| {
        let done = house.console(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        door::words(&done.stdout)
    };
    let medium = tempfile::tempdir().unwrap();
    let root = medium.path().join("root.age").display().to_string();
    assert!(done(&["ca", "show"]).contains("この機械にある"));
    done(&["ca", "export-root", "--output", &root, "--passphrase-file", &file("passphrase")]);
    assert!(done(&["ca", "show"]).contains("この機械にない"));
    done(&["ca", "request", "--output", &file("request.pem")]);
    // The offline machine has no configuration of Sekisho's.
    let signed = output(super::program::command(&["ca", "sign", "--root", &root, "--request", &file("request.pem"), "--output", &file("issuing.pem"), "--passphrase-file", &file("passphrase")]).env("HOME", medium.path()).current_dir(medium.path()), PATIENCE);
    assert!(signed.status.success(), "{}", said(&signed));
    done(&["ca", "import", &file("issuing.pem")]);
    let shown = done(&["ca", "show"]);
    assert!(shown.contains("鍵はトークンにある") && !shown.contains("署名を待つ"), "{shown}");
    let doctor = house.console(&["doctor"]);
    assert!(door::words(&doctor.stdout).contains("its key is in the token"), "{}", said(&doctor));

    let folder = tempfile::tempdir().unwrap();
    enrol(&house, folder.path());
    let (_, certificate) = pem(folder.path());
    let checked = output(Command::new("openssl").args(["verify", "-partial_chain", "-purpose", "sslclient", "-trusted"]).arg(file("issuing.pem")).arg(&certificate), PATIENCE);
    assert!(checked.status.success(), "the token signed what others can verify: {}", said(&checked));
    let log = done(&["log", "list", "--json"]);
    for kind in ["device_root_taken", "device_issuing_asked", "device_issuing_brought", "device_certified"] {
        assert!(log.contains(&format!("\"{kind}\"")), "{kind}");
    }
}
