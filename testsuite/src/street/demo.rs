//! The demo hospital, started once for the tests that look at it with a browser.

use super::api::{Api, text};
use super::keeper::Keeper;
use super::phone::Phone;
use super::program::{self, wait_for};
use super::terminal::{Person, Terminal};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Logins are made anew after this time, so that their one-time code counts as fresh where that is asked for.
const FRESH: Duration = Duration::from_secs(200);

/// A running demo.
pub struct Demo {
    /// Address of the pages.
    pub url: String,
    /// Its API.
    pub api: Api,
    /// The workers' side.
    pub terminal: Terminal,
    people: Vec<Person>,
    cookies: Mutex<HashMap<String, (Instant, String)>>,
    tokens: Mutex<HashMap<String, (Instant, String)>>,
    _child: Child,
    _keeper: Keeper,
}

/// The demo that all tests share. The keeper ends it with the test process.
pub fn shared() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(start)
}

fn start() -> Demo {
    let folder = tempfile::Builder::new().prefix("street-demo-").tempdir().expect("a temporary folder").keep();
    let facts_file = folder.join("facts.json");
    let log_file = folder.join("demo.log");
    let log = std::fs::File::create(&log_file).expect("the demo's log");
    let mut child = Command::new(program::sekisho())
        .args(["demo", "--web-port", "0", "--ssh-port", "0", "--facts"])
        .arg(&facts_file)
        .arg("--dir")
        .arg(folder.join("hospital"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sekisho starts");
    let keeper = Keeper::of(child.id(), Some(&folder));
    let facts = wait_for("the demo is ready", Duration::from_secs(240), || {
        assert!(child.try_wait().expect("its state").is_none(), "the demo ended: {}", std::fs::read_to_string(&log_file).unwrap_or_default());
        serde_json::from_slice(&std::fs::read(&facts_file).ok()?).ok()
    });
    let url = text(&facts, "web.url");
    let api = Api::new(&url, Path::new(&text(&facts, "web.ca_file")));
    let port = facts.pointer("/ssh/port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).expect("the gateway's port");
    let terminal = Terminal::new(&folder.join("terminal"), port);
    let people = facts.get("people").and_then(Value::as_array).expect("the people").iter().map(person).collect();
    Demo { url, api, terminal, people, cookies: Mutex::default(), tokens: Mutex::default(), _child: child, _keeper: keeper }
}

fn person(value: &Value) -> Person {
    let secret = text(value, "totp_secret");
    let used = value.get("totp_last_step").and_then(Value::as_u64).expect("the newest code that the demo itself used");
    Person {
        login: text(value, "login"),
        password: text(value, "password"),
        phone: Phone::new(&secret).after(used),
        secret,
        key_file: value.get("ssh_key_file").and_then(Value::as_str).map(PathBuf::from),
    }
}

impl Demo {
    /// A person by login name.
    pub fn person(&self, login: &str) -> &Person {
        self.people.iter().find(|person| person.login == login).unwrap_or_else(|| panic!("{login} does not play in the demo"))
    }

    /// The cookie of a person's login, which all tests share: each login takes a code, and codes are few.
    pub fn cookie(&self, login: &str) -> String {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, cookie)) = cookies.get(login)
            && since.elapsed() < FRESH
        {
            return cookie.clone();
        }
        let person = self.person(login);
        let cookie = self.api.web_log_in(login, &person.password, &person.phone.code());
        cookies.insert(login.to_owned(), (Instant::now(), cookie.clone()));
        cookie
    }

    /// The API token of a person, shared likewise.
    pub fn token(&self, login: &str) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, token)) = tokens.get(login)
            && since.elapsed() < FRESH
        {
            return token.clone();
        }
        let person = self.person(login);
        let token = self.api.log_in(login, &person.password, &person.phone.code());
        tokens.insert(login.to_owned(), (Instant::now(), token.clone()));
        token
    }
}
