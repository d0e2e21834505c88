//! Alarms on the street: a rule fires in a worker's own ssh, and a webhook and a mailbox hear of it; a collector that is down for a
//! while misses nothing.

use super::house::{House, TARGET};
use super::program::{free_port, wait_for};
use crate::postbox::{Mode, Postbox};
use crate::rsyslog::{ClientCertificate, Rsyslog};
use sekisho_core::secret::Secret;
use sekisho_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRET: &str = "webhook-no-himitsu-77";

/// A request as it came.
#[derive(Clone, Debug)]
struct Posted {
    signature: String,
    body: String,
}

impl Posted {
    fn alarm(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// When it was sent, by the box's own clock.
    fn sent(&self) -> i64 {
        self.signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).and_then(|at| at.parse().ok()).unwrap()
    }
}

/// A receiver of webhooks that answers as the test says.
struct Hook {
    port: u16,
    well: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<Posted>>>,
}

impl Hook {
    fn open() -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (well, taken) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let hook = Self { port, well: well.clone(), taken: taken.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(posted) = read(&stream) {
                    let is_well = well.load(Ordering::SeqCst);
                    if is_well {
                        taken.lock().unwrap().push(posted);
                    }
                    let status = if is_well { "204 No Content" } else { "503 Service Unavailable" };
                    let _ = (&stream).write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
                }
            }
        });
        hook
    }

    fn set_well(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }

    fn taken(&self) -> Vec<Posted> {
        self.taken.lock().unwrap().clone()
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Posted {
        wait_for(what, Duration::from_secs(120), || self.taken().into_iter().find(|posted| is_it(&posted.alarm())))
    }
}

fn read(stream: &TcpStream) -> Option<Posted> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(stream);
    let (mut length, mut signature) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-sekisho-signature" => signature = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Posted { signature, body: String::from_utf8(body).ok()? })
}

fn is_command(alarm: &Value, event: &str) -> bool {
    alarm["event"] == event && alarm["alarm"]["rule"] == "command"
}

#[test]
fn a_command_that_a_rule_refuses_is_told_by_webhook_and_mail_within_seconds() {
    let (hook, postbox) = (Hook::open(), Postbox::new(Mode::StartTls));
    let files = tempfile::tempdir().unwrap();
    let secret = files.path().join("webhook.secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let receiver = format!("[[receiver]]\nname = \"soc\"\nurl = \"http://127.0.0.1:{}/sekisho\"\nsecret_file = \"{}\"\n", hook.port, secret.display());
    let house = House::own_with(&format!("step_up_minutes = 60\n{}alarm = [\"soc@guard.example\"]\n{receiver}", postbox.toml()));
    // The machine that tests may be busy; the best of three is what the box does.
    let mut seconds = Vec::new();
    for login in ["hara", "hirai", "hotta"] {
        let (worker, _) = house.at_work(login, &["shell", "exec"]);
        let _ = house.terminal.exec(&worker, TARGET, "history -c");
        let posted = hook.wait_for("the alarm at the webhook", |alarm| is_command(alarm, "raised") && alarm["alarm"]["what"]["en"].as_str().is_some_and(|what| what.contains("history -c")) && alarm["alarm"]["url"].as_str().is_some());
        let told = posted.alarm();
        assert_eq!((told["alarm"]["level"].as_str(), told["alarm"]["state"].as_str()), (Some("warning"), Some("open")));
        assert!(told["alarm"]["subject"]["session"].as_str().is_some_and(|id| id.starts_with("ses-")), "{told}");
        let sent = Timestamp(posted.sent());
        assert_eq!(posted.signature, sekisho_courier::webhook::signature(&Secret::new(SECRET), sent, posted.body.as_bytes()), "signed with the secret of the file");
        let opened = time_of(told["alarm"]["last_at"].as_str().unwrap());
        seconds.push((sent.0 - opened) / 1000);
        hook.taken.lock().unwrap().clear();
    }
    assert!(seconds.iter().any(|seconds| *seconds < 10), "from the fact to the webhook: {seconds:?} s");
    let letter = wait_for("the letter", Duration::from_secs(120), || postbox.letters().into_iter().find(|letter| letter.text.contains("history -c")));
    assert!(letter.to.contains(&"soc@guard.example".to_owned()) && letter.subject.contains("【警告】"), "{letter:?}");
    // A webhook that refuses for a while gets what it missed, in order.
    hook.set_well(false);
    let alarms = house.api.get(&house.operator, "/api/v1/alarms?state=open");
    let id = alarms["alarms"].as_array().unwrap().iter().find(|alarm| alarm["rule"] == "command").unwrap()["id"].as_str().unwrap().to_owned();
    let answer = house.console(&["alarms", "ack", &id]);
    assert!(answer.status.success(), "{answer:?}");
    let answer = house.console(&["alarms", "close", &id, "--note", "計画どおりの確認だった"]);
    assert!(answer.status.success(), "{answer:?}");
    wait_for("the receiver counts as down", Duration::from_secs(60), || {
        let said: Value = serde_json::from_slice(&house.console(&["--json", "alarms", "receivers"]).stdout).ok()?;
        (said[0]["waiting"].as_u64() == Some(2) && !said[0]["down_since"].is_null()).then_some(())
    });
    hook.set_well(true);
    hook.wait_for("the end of the alarm", |alarm| is_command(alarm, "closed"));
    let events: Vec<String> = hook.taken().iter().map(|posted| posted.alarm()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["acknowledged", "closed"]);
}

/// Unix milliseconds of `2026-11-21T14:00:00.123+09:00`.
fn time_of(text: &str) -> i64 {
    let at = Timestamp::parse_local(text).unwrap();
    let rest: f64 = text[17..23].parse().unwrap();
    at.0 + (rest * 1000.0) as i64
}

#[test]
fn a_collector_that_was_down_gets_every_entry_by_tls() {
    let mut collector = Rsyslog::receiver(ClientCertificate::Asked);
    let at = |name: &str| collector.path(name).display().to_string();
    let receiver = format!(
        "[[receiver]]\nname = \"siem\"\ntakes = \"events\"\nformat = \"ocsf\"\nfrom_start = true\nsyslog = \"127.0.0.1:{}\"\nca_file = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        collector.tls_port,
        at("ca.pem"),
        at("client.pem"),
        at("client-key.pem")
    );
    let house = House::own_with(&format!("step_up_minutes = 60\n{receiver}"));
    collector.wait_for("the first entry", |message| message.msgid == "initialised");
    collector.stop();
    let (worker, _) = house.at_work("ishii", &["shell", "exec"]);
    let _ = house.terminal.exec(&worker, TARGET, "id");
    house.ended("ishii", 1);
    collector.start_again();
    let left = collector.wait_for("the end of the session", |message| message.msgid == "left");
    assert_eq!(left.by, "tls");
    let event: Value = serde_json::from_str(left.text.trim_start_matches('\u{feff}')).unwrap_or_else(|fault| panic!("{fault}: {}", left.text));
    assert_eq!((event["class_uid"].as_u64(), event["metadata"]["event_code"].as_str()), (Some(4007), Some("left")));
    let last = event["metadata"]["sequence"].as_u64().unwrap();
    let numbers: BTreeSet<u64> = collector.messages().iter().filter_map(|message| message.data.split("seq=\"").nth(1)?.split('"').next()?.parse().ok()).collect();
    let missing: Vec<u64> = (0..=last).filter(|seq| !numbers.contains(seq)).collect();
    assert!(missing.is_empty(), "entries that never arrived: {missing:?}");
}
