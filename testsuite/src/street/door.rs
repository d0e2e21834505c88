//! The outer door, from outside: a device enrols, its worker works through it, and everybody else stays out.

use super::api::text;
use super::house::{self, House, TARGET};
use super::program::{self, free_port, noise, output, said, wait_for};
use super::terminal::Person;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// One device is shared by the tests of the shared house; who enrols it anew ends what it held.
static DEVICE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    DEVICE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn device(house: &House) -> String {
    let devices = house.api.get(&house.admin, "/api/v1/devices");
    text(devices.get(0).expect("a device"), "id")
}

pub(super) fn new_code(house: &House) -> String {
    text(&house.api.post(&house.admin, &format!("/api/v1/devices/{}/codes", device(house)), &json!({})), "code")
}

pub(super) fn server(house: &House) -> String {
    format!("127.0.0.1:{}", house.door)
}

pub(super) fn connect(dir: &Path, words: &[&str]) -> Output {
    output(program::command(&["connect"]).args(words).arg("--dir").arg(dir), PATIENCE)
}

pub(super) fn enrol(house: &House, dir: &Path) {
    let done = connect(dir, &["enrol", "--server", &server(house), "--code", &new_code(house)]);
    assert!(done.status.success() && words(&done.stdout).contains("street"), "{}", said(&done));
}

/// The device's key and certificate as PEM, for programs of others.
pub fn pem(dir: &Path) -> (PathBuf, PathBuf) {
    let kept: Value = serde_json::from_slice(&std::fs::read(dir.join("street/identity.json")).unwrap()).unwrap();
    let (key, certificate) = (dir.join("key.pem"), dir.join("certificate.pem"));
    std::fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", text(&kept, "key"))).unwrap();
    let chain = kept.get("chain").and_then(Value::as_array).unwrap();
    let chain: String = chain.iter().map(|der| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", der.as_str().unwrap())).collect();
    std::fs::write(&certificate, chain).unwrap();
    (key, certificate)
}

/// `ssh` or `scp` as the written configuration has it.
fn client(house: &House, program: &str, who: &Person, dir: &Path, more: &[&str]) -> Command {
    let mut command = house.terminal.command(program, who);
    let config = dir.join("home/.ssh/config");
    let key = who.key_file.as_ref().expect("a key");
    command.arg("-F").arg(config).args(["-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o"]);
    command.arg(format!("IdentityFile={}", key.display())).args(more);
    command
}

fn ssh_config(dir: &Path, worker: &str) {
    let home = dir.join("home");
    std::fs::create_dir_all(&home).unwrap();
    let written = output(program::command(&["ssh-config", "--worker", worker, "--dir"]).arg(dir).env("HOME", &home), PATIENCE);
    assert!(written.status.success(), "{}", said(&written));
}

#[test]
fn a_device_enrols_by_a_code_and_its_worker_just_says_ssh() {
    let _alone = alone();
    let house = house::shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let code = new_code(house);
    // A letter of the check is wrong: the device does not know this server, and tells it nothing.
    let last = code.chars().last().unwrap();
    let other = format!("{}{}", &code[..code.len() - 1], if last == 'X' { 'Y' } else { 'X' });
    let refused = connect(dir, &["enrol", "--server", &server(house), "--code", &other]);
    assert!(!refused.status.success() && words(&refused.stderr).contains("SKC-04"), "{}", said(&refused));
    let plain = connect(dir, &["enrol", "--server", house.url().trim_start_matches("https://"), "--code", &code]);
    assert!(!plain.status.success(), "another listener took a code: {}", said(&plain));
    let mut typed = program::command(&["connect", "enrol", "--server", &server(house), "--dir"]).arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    typed.stdin.take().unwrap().write_all(format!("{}\n", code.to_lowercase().replace('-', " ")).as_bytes()).unwrap();
    let done = typed.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let again = connect(dir, &["enrol", "--server", &server(house), "--code", &code]);
    assert!(!again.status.success() && words(&again.stderr).contains("SKS-1031"), "{}", said(&again));
    let status = connect(dir, &["status"]);
    assert!(status.status.success() && words(&status.stdout).contains("青葉記念病院"), "{}", said(&status));

    let (worker, _) = house.at_work("dra", &["exec", "sftp"]);
    ssh_config(dir, "dra");
    let socket = format!("ControlPath={}", dir.join("m").display());
    let host = format!("{TARGET}.street");
    let mut line = client(house, "ssh", &worker, dir, &["-M", "-N", "-o", &socket]).arg(&host).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the connection through the door stands", PATIENCE, || {
        assert!(line.try_wait().unwrap().is_none(), "ssh ended: {}", said(&line_output(&mut line)));
        dir.join("m").exists().then_some(())
    });
    let ran = output(client(house, "ssh", &worker, dir, &["-o", &socket]).args([&host, "--", "printf 'out:%s' $((6*7)); cat; exit 3"]).stdin(Stdio::null()), PATIENCE);
    assert_eq!((words(&ran.stdout).as_str(), ran.status.code()), ("out:42", Some(3)), "{}", said(&ran));
    let (sent, got) = (dir.join("sent"), dir.join("got"));
    std::fs::write(&sent, noise(40_000_000, 7)).unwrap();
    let there = house.folder.join("through-the-door");
    let up = output(client(house, "scp", &worker, dir, &["-o", &socket]).arg(&sent).arg(format!("{host}:{}", there.display())), PATIENCE * 4);
    assert!(up.status.success(), "{}", said(&up));
    let down = output(client(house, "scp", &worker, dir, &["-o", &socket]).arg(format!("{host}:{}", there.display())).arg(&got), PATIENCE * 4);
    assert!(down.status.success(), "{}", said(&down));
    assert!(std::fs::read(&sent).unwrap() == std::fs::read(&got).unwrap(), "what went through the tunnel twice is not what was sent");
    let session = house.session(&house.running("dra")).to_string();
    assert!(session.contains("certificate"), "the device's proof: {session}");
    line.kill().unwrap();
    line.wait().unwrap();
    let _ = std::fs::remove_file(there);
}

fn line_output(child: &mut std::process::Child) -> Output {
    use std::io::Read as _;
    let mut stderr = Vec::new();
    let _ = child.stderr.take().map(|mut from| from.read_to_end(&mut stderr));
    Output { status: child.wait().unwrap(), stdout: Vec::new(), stderr }
}

/// Runs `openssl s_client` and gives what it said.
pub fn s_client(house: &House, more: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("openssl").args(["s_client", "-connect", &server(house), "-ign_eof"]).args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("openssl is missing");
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input);
    let done = child.wait_with_output().unwrap();
    drop(stdin);
    words(&done.stdout) + &words(&done.stderr)
}

#[test]
fn whoever_has_no_certificate_of_ours_and_whoever_speaks_old_tls_stays_outside() {
    let house = house::shared();
    let without = s_client(house, &["-alpn", "http/1.1"], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(without.contains("certificate required") && !without.contains("HTTP/1.1 "), "{without}");
    let old = s_client(house, &["-tls1_2"], b"");
    assert!(old.contains("protocol version"), "{old}");
    let weak = s_client(house, &["-tls1_3", "-groups", "P-521"], b"");
    assert!(weak.contains("handshake failure"), "{weak}");
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("k"), folder.path().join("c"));
    let san = format!("subjectAltName=URI:urn:sekisho:device:{}", device(house));
    let made = output(
        Command::new("openssl").args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-days", "5", "-addext", &san, "-addext", "extendedKeyUsage=clientAuth", "-keyout"]).arg(&key).arg("-out").arg(&certificate),
        PATIENCE,
    );
    assert!(made.status.success(), "{}", said(&made));
    let own = s_client(house, &["-alpn", "http/1.1", "-key", key.to_str().unwrap(), "-cert", certificate.to_str().unwrap()], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(own.contains("access denied") && !own.contains("HTTP/1.1 "), "{own}");
    let curl = output(Command::new("curl").args(["-sk", "--max-time", "20", &format!("https://{}/login", server(house))]), PATIENCE);
    assert!(!curl.status.success() && curl.stdout.is_empty(), "{}", said(&curl));
    wait_for("the refusal stands in the log", PATIENCE, || {
        // The certificate that openssl makes by itself says that it is an authority's.
        house.api.get(&house.planner, "/api/v1/log?kind=certificate_refused").to_string().contains("\"authority\"").then_some(())
    });
}

#[test]
fn without_a_certificate_one_exchange_is_spoken_and_nothing_else() {
    let house = house::shared();
    let nonsense = s_client(house, &["-quiet", "-alpn", "sekisho-enrol/1"], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(nonsense.contains("SKS-1033") && !nonsense.contains("html"), "{nonsense}");
    let request = json!({ "ticket": "ABCDEFGHJKMN", "request": STANDARD.encode([0x30; 100]) });
    let unreadable = s_client(house, &["-quiet", "-alpn", "sekisho-enrol/1"], format!("{request}\n").as_bytes());
    assert!(unreadable.contains("SKS-1033"), "{unreadable}");
    let endless = s_client(house, &["-quiet", "-alpn", "sekisho-enrol/1"], &vec![b'x'; 20_000]);
    assert!(endless.contains("SKS-1033"), "what is too long is answered and not kept: {endless}");
    let beside = s_client(house, &["-alpn", "sekisho-enrol/1,http/1.1"], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert!(beside.contains("certificate required"), "{beside}");
}

#[test]
fn a_login_through_the_door_holds_from_its_device_alone() {
    let _alone = alone();
    let house = house::shared();
    let folder = tempfile::tempdir().unwrap();
    enrol(house, folder.path());
    let (key, certificate) = pem(folder.path());
    let curl = |token: &str, through: bool, more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sk", "--max-time", "20", "-w", "\n%{http_code}", "-H", "Content-Type: application/json"]);
        if !token.is_empty() {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let base = if through {
            command.arg("--key").arg(&key).arg("--cert").arg(&certificate);
            format!("https://{}", server(house))
        } else {
            house.url()
        };
        let done = output(command.args(&more[1..]).arg(format!("{base}{}", more[0])), PATIENCE);
        let all = words(&done.stdout);
        let (body, status) = all.rsplit_once('\n').map(|(body, status)| (body.to_owned(), status.to_owned())).unwrap_or_default();
        (body, status, said(&done))
    };
    let page = curl("", true, &["/login"]);
    assert_eq!(page.1, "200", "{}", page.2);
    let person = house.worker("drb").0;
    let ask = json!({ "login": "drb", "password": person.password, "code": person.phone.code() }).to_string();
    let login = curl("", true, &["/api/v1/logins", "-d", &ask]);
    let token = serde_json::from_str::<Value>(&login.0).map(|value| text(&value, "token")).unwrap_or_else(|_| panic!("{}", login.2));
    assert_eq!(curl(&token, true, &["/api/v1/me/keys"]).1, "200");
    assert_eq!(curl(&token, false, &["/api/v1/me/keys"]).1, "401", "the token left its device");
    assert_eq!(curl(&house.admin, true, &["/api/v1/devices"]).1, "401", "a login of the inner listener came in at the door");
}

#[test]
fn a_revocation_ends_what_runs_and_keeps_the_device_out() {
    let house = House::own();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    enrol(&house, dir);
    let (worker, _) = house.at_work("drc", &["exec"]);
    ssh_config(dir, "drc");
    let host = format!("{TARGET}.street");
    let mut running = client(&house, "ssh", &worker, dir, &[]).args([&host, "--", "sleep 300"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let session = house.running("drc");
    // One that has come through and has not logged in.
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut waiting = program::command(&["connect", "open", "--target", TARGET, "--listen", &listen, "--dir"]).arg(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stream = wait_for("the local port answers", PATIENCE, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let mut hello = [0; 4];
    std::io::Read::read_exact(&mut &stream, &mut hello).unwrap();
    assert_eq!(&hello, b"SSH-");
    let held = house.api.get(&house.admin, &format!("/api/v1/devices/{}/certificates", device(&house)));
    let id = text(held.get(0).expect("a certificate"), "id");
    house.api.post(&house.admin, &format!("/api/v1/devices/{}/certificates/{id}/revoke", device(&house)), &json!({ "reason": "紛失の疑い" }));
    let done = wait_for("the session through the door ends", PATIENCE, || running.try_wait().unwrap());
    assert!(!done.success(), "{}", said(&line_output(&mut running)));
    wait_for("the session is left", PATIENCE, || house.session(&session).to_string().contains("recalled").then_some(()));
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The tunnel is cut: its end comes, by a goodbye or without one.
    let _ = std::io::Read::read_to_end(&mut &stream, &mut rest);
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    let refused = output(client(&house, "ssh", &worker, dir, &[]).args([&host, "--", "true"]), PATIENCE);
    assert!(!refused.status.success() && words(&refused.stderr).contains("SKC-06"), "{}", said(&refused));
}

/// A tool of PuTTY with a saved session alone: nothing on its command line says where, who, or which host key.
fn putty(house: &House, who: &Person, dir: &Path, tool: &str) -> Command {
    let key = dir.join("worker.ppk");
    if !key.exists() {
        let made = Command::new("puttygen").arg(who.key_file.as_ref().expect("a key")).args(["-O", "private", "-o"]).arg(&key).status();
        assert!(made.is_ok_and(|status| status.success()), "puttygen cannot read the key");
    }
    let mut command = Command::new(super::matrix::tool("python3"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/street/matrix/on_terminal.py")).arg("answer").arg(who.phone.code());
    command.arg(tool).args(["-load", &format!("{TARGET}.street"), "-i"]).arg(&key).args(["-noagent", "-noshare"]);
    command.env("HOME", dir.join("home")).env("PUTTYDIR", dir.join("home/.putty")).current_dir(&house.folder);
    command
}

#[test]
fn putty_works_by_the_saved_session_that_was_written_for_it() {
    let _alone = alone();
    let house = house::shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    enrol(house, dir);
    std::fs::create_dir_all(dir.join("home")).unwrap();
    let (worker, _) = house.at_work("dru", &["exec", "sftp"]);
    let written = |more: &[&str]| {
        let mut command = program::command(&["connect", "putty-config", "--worker", "dru", "--dir"]);
        let done = output(command.arg(dir).args(more).env("HOME", dir.join("home")).env("PUTTYDIR", dir.join("home/.putty")), PATIENCE);
        assert!(done.status.success(), "{}", said(&done));
    };
    let nowhere = output(program::command(&["connect", "putty-config", "--worker", "dru", "--dir"]).arg(dir).env("HOME", dir.join("home")), PATIENCE);
    assert!(words(&nowhere.stderr).contains("SKC-17"), "no plan is known on this device: {}", said(&nowhere));

    // The session runs the program of the device by itself, as ssh does.
    written(&["--target", TARGET]);
    let ran = output(putty(house, &worker, dir, "plink").args(["-ssh", "printf 'out:%s' $((6*7))"]), PATIENCE);
    assert!(ran.status.success() && words(&ran.stdout).contains("out:42"), "{}", said(&ran));

    // Through a port of this machine, where the program waits.
    let port = free_port();
    written(&["--target", TARGET, "--port", &port.to_string()]);
    let mut waits = program::command(&["connect", "open", "--listen", &format!("127.0.0.1:{port}"), "--dir"]).arg(dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0; 1];
    std::io::Read::read_exact(waits.stdout.as_mut().unwrap(), &mut first).unwrap();
    let (sent, there, batch) = (dir.join("sent"), house.folder.join("by-psftp"), dir.join("batch"));
    std::fs::write(&sent, noise(300_000, 9)).unwrap();
    std::fs::write(&batch, format!("put {} {}\n", sent.display(), there.display())).unwrap();
    let put = output(putty(house, &worker, dir, "psftp").arg("-b").arg(&batch), PATIENCE);
    assert!(put.status.success() && std::fs::read(&there).ok() == std::fs::read(&sent).ok(), "{}", said(&put));

    // A gateway of another key is none: the session holds the key that came with the enrolment, and nobody is asked.
    let session = dir.join("home/.putty/sessions").join(format!("{TARGET}.street"));
    let text = std::fs::read_to_string(&session).unwrap();
    let (before, rest) = text.split_once("SSHManualHostKeys=SHA256:").unwrap();
    std::fs::write(&session, format!("{before}SSHManualHostKeys=SHA256:{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..])).unwrap();
    let other = output(putty(house, &worker, dir, "plink").args(["-ssh", "-batch", "echo hairimashita"]), PATIENCE);
    assert!(!other.status.success() && !words(&other.stdout).contains("hairimashita"), "{}", said(&other));
    waits.kill().unwrap();
    waits.wait().unwrap();
    let _ = std::fs::remove_file(there);
}
