//! A small Sekisho of a test's own: `init`, `serve`, people, a vendor, a real server. Made through the doors that people use.

use super::api::{Api, text};
use super::keeper::Keeper;
use super::phone::Phone;
use super::program::{self, free_port, said, signal, wait_for};
use super::sshd::{self, Sshd};
use super::terminal::{Person, Terminal};
use sekisho_core::time::{Clock, Timestamp, format_date};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// Name of the one target.
pub const TARGET: &str = "ehr-db01";

/// The house.
pub struct House {
    /// Everything that the test may throw away.
    pub folder: PathBuf,
    /// `sekisho.toml`.
    pub config: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// The log's public key, as `init` printed it.
    pub log_key: String,
    /// Pages and API.
    pub api: Api,
    /// The workers' side.
    pub terminal: Terminal,
    /// The target.
    pub host: Sshd,
    /// Token of the administrator.
    pub admin: String,
    /// Token of the operator.
    pub operator: String,
    /// Token of the planner.
    pub planner: String,
    /// The operator, to log in again.
    pub operator_person: Person,
    /// The planner, to log in again.
    pub planner_person: Person,
    web: u16,
    /// Port of the outer door.
    pub door: u16,
    vendor: String,
    pub target: String,
    account: String,
    server: Mutex<Option<Server>>,
    _temporary: Option<TempDir>,
}

/// Log of the server, for the words of a failure.
fn log_file(folder: &Path) -> PathBuf {
    folder.join("sekisho.log")
}

/// What the server's clock stands beside the real one, for a timed house.
fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

/// The configuration of a house's token.
fn token_file(folder: &Path) -> PathBuf {
    folder.join("softhsm2.conf")
}

/// The library that stands between a program and its clock.
fn faketime() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|path| path.is_file()).expect("libfaketime is missing")
}

fn now() -> Timestamp {
    sekisho::clock::SystemClock.now()
}

/// The days of a terminal check that holds.
pub fn a_check() -> (String, String) {
    let day = |from_now: u64| format_date(now().plus(Duration::from_secs(from_now * 86_400)).date());
    (day(0), day(100))
}

/// The moment in so many hours.
pub fn in_hours(hours: u64) -> Timestamp {
    now().plus(Duration::from_secs(hours * 3600))
}

/// An hour of every day that is far from this one.
pub fn other_hours() -> String {
    let hour = (now().jst().hour() + 12) % 24;
    format!("* {hour:02}:00-{hour:02}:30")
}

/// The house that the tests share which do not end it.
pub fn shared() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(House::kept)
}

impl House {
    /// A house that ends with the test.
    pub fn own() -> Self {
        let temporary = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_path_buf();
        Self::open(folder.clone(), folder.join("data"), Some(temporary), "")
    }

    /// A house that ends with the test process, for a test's static.
    pub fn kept() -> Self {
        let folder = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder").keep();
        // The tests that share it take longer together than a code stays fresh.
        Self::open(folder.clone(), folder.join("data"), None, "step_up_minutes = 60")
    }

    /// The same with lines of its own in `[policy]`.
    pub fn own_with(policy: &str) -> Self {
        let temporary = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_path_buf();
        Self::open(folder.clone(), folder.join("data"), Some(temporary), policy)
    }

    /// The same by a clock that the test sets: see [`House::set_clock`].
    pub fn own_timed() -> Self {
        let temporary = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_path_buf();
        std::fs::write(clock_file(&folder), "+0s").expect("the clock");
        Self::open(folder.clone(), folder.join("data"), Some(temporary), "")
    }

    /// The same with a token (SoftHSM) for the key that certifies devices.
    pub fn own_with_token() -> Self {
        let temporary = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_path_buf();
        let (tokens, pin) = (folder.join("tokens"), folder.join("token.pin"));
        std::fs::create_dir(&tokens).expect("a folder for the token");
        std::fs::write(token_file(&folder), format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display())).expect("its configuration");
        std::fs::write(&pin, "4711-0815\n").expect("its PIN");
        let made = Command::new("softhsm2-util").args(["--init-token", "--free", "--label", "sekisho", "--so-pin", "12345678", "--pin", "4711-0815"]).env("SOFTHSM2_CONF", token_file(&folder)).output().expect("softhsm2-util is missing");
        assert!(made.status.success(), "{}", said(&made));
        let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"].into_iter().find(|path| Path::new(path).is_file()).expect("libsofthsm2 is missing");
        let section = format!("\n[device_ca]\npkcs11 = {{ module = \"{module}\", token = \"sekisho\", pin_file = \"{}\" }}", pin.display());
        Self::open(folder.clone(), folder.join("data"), Some(temporary), &section)
    }

    /// Sets the clock of a timed house so many seconds beside the real one.
    pub fn set_clock(&self, beside: i64) {
        // Put in its place at once, because the server reads it at any moment.
        let next = self.folder.join("clock.next");
        std::fs::write(&next, format!("{beside:+}s")).expect("the clock");
        std::fs::rename(next, clock_file(&self.folder)).expect("the clock");
        // So far forward the box believes no clock by itself.
        self.console(&["clock", "accept", "--reason", "The test sets the clock"]);
    }

    /// The same with its data in a folder elsewhere.
    pub fn own_at(data: PathBuf) -> Self {
        let temporary = tempfile::Builder::new().prefix("street-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_path_buf();
        Self::open(folder, data, Some(temporary), "")
    }

    fn open(folder: PathBuf, data: PathBuf, temporary: Option<TempDir>, policy: &str) -> Self {
        let (web, ssh, door) = (free_port(), free_port(), free_port());
        let config = folder.join("sekisho.toml");
        let text_of = format!(
            "[facility]\nname = \"青葉記念病院\"\nid = \"street\"\n\n[data]\ndir = \"{}\"\n\n[ssh]\nlisten = \"127.0.0.1:{ssh}\"\n\n\
             [web]\nlisten = \"127.0.0.1:{web}\"\nhosts = [\"127.0.0.1\", \"localhost\"]\n\n[door]\nlisten = \"127.0.0.1:{door}\"\n\n[log]\nlevel = \"info\"\n\n[policy]\n{policy}\n",
            data.display()
        );
        std::fs::write(&config, text_of).expect("the configuration");
        let init = program::run(&["--config", &config.display().to_string(), "--json", "init", "--admin", "aoki", "--admin-name", "青木 誠"]);
        assert!(init.status.success(), "init: {}", said(&init));
        let report: Value = serde_json::from_slice(&init.stdout).expect("init --json prints JSON");
        let server = start(&folder, &config, web, temporary.is_none());
        let api = Api::new(&format!("https://127.0.0.1:{web}"), Path::new(&text(&report, "ca_file")));
        let aoki = enrol(&api, &text(&report, "enrolment_url"), "aoki");
        let admin = api.log_in("aoki", &aoki.password, &aoki.phone.code());
        let year = now().plus(Duration::from_secs(365 * 86_400));
        let vendor = json!({ "name": "北斗メディカルシステム株式会社", "contact": "03-5550-0101", "contract_until": year, "active": true });
        let vendor = text(&api.post(&admin, "/api/v1/vendors", &vendor), "id");
        let line = serde_json::to_value(crate::roads::line("保守センター", "127.0.0.0/8")).expect("JSON");
        text(&api.post(&admin, "/api/v1/lines", &json!({ "vendor": vendor, "line": line })), "id");
        let mut device = serde_json::to_value(crate::roads::device("NOTE-01", [127, 0, 0, 1].into())).expect("JSON");
        // The street has the real clock.
        let (on, until) = a_check();
        (device["check"]["on"], device["check"]["until"]) = (json!(on), json!(until));
        text(&api.post(&admin, "/api/v1/devices", &json!({ "vendor": vendor, "device": device })), "id");
        let host = Sshd::start(&folder.join("host"));
        let target = json!({
            "name": TARGET, "title": "電子カルテ DBサーバ", "protocol": "ssh", "host": "127.0.0.1", "port": host.port, "owner": "医療情報室", "vendor": vendor,
            "host_keys": [host.host_key], "personal_data": false, "active": true,
        });
        let target = text(&api.post(&admin, "/api/v1/targets", &target), "id");
        let private = std::fs::read_to_string(&host.key_file).expect("the target's key");
        let account = json!({ "username": sshd::account(), "privileged": false, "credential": { "private_key": private } });
        let account = text(&api.post(&admin, &format!("/api/v1/targets/{target}/accounts"), &account), "id");
        let staff = |login: &str, name: &str, role: &str| {
            let body = json!({ "login": login, "name": name, "roles": [role] });
            enrol(&api, &text(&api.post(&admin, "/api/v1/persons", &body), "enrolment.url"), login)
        };
        let ueda = staff("ueda", "上田 健", "operator");
        let ishikawa = staff("ishikawa", "石川 由美", "planner");
        let operator = api.log_in("ueda", &ueda.password, &ueda.phone.code());
        let planner = api.log_in("ishikawa", &ishikawa.password, &ishikawa.phone.code());
        let terminal = Terminal::new(&folder.join("terminal"), ssh);
        let log_key = text(&report, "log_public_key");
        Self {
            folder, config, data, log_key, api, terminal, host, admin, operator, planner, operator_person: ueda, planner_person: ishikawa, web, door, vendor, target, account,
            server: Mutex::new(Some(server)), _temporary: temporary,
        }
    }

    /// A new worker with an SSH key, and their token.
    pub fn worker(&self, login: &str) -> (Person, String) {
        let year = format_date(now().plus(Duration::from_secs(365 * 86_400)).date());
        let body = json!({ "login": login, "name": format!("保守 {login}"), "vendor": self.vendor, "roles": ["worker"], "pledged_until": year, "trained_until": year });
        let added = self.api.post(&self.admin, "/api/v1/persons", &body);
        let mut person = enrol(&self.api, &text(&added, "enrolment.url"), login);
        let token = self.api.log_in(login, &person.password, &person.phone.code());
        let key = self.folder.join(format!("{login}_ed25519"));
        let line = sshd::make_key(&key);
        self.api.post(&token, "/api/v1/me/keys", &json!({ "key": line }));
        person.key_file = Some(key);
        (person, token)
    }

    /// One more planner, logged in: their token.
    pub fn planner_of(&self, login: &str, name: &str) -> String {
        let body = json!({ "login": login, "name": name, "roles": ["planner"] });
        let person = enrol(&self.api, &text(&self.api.post(&self.admin, "/api/v1/persons", &body), "enrolment.url"), login);
        self.api.log_in(login, &person.password, &person.phone.code())
    }

    /// A worker with an approved plan whose window is open.
    pub fn at_work(&self, login: &str, functions: &[&str]) -> (Person, String) {
        let (person, token) = self.worker(login);
        let plan = self.plan(&token, login, functions);
        (person, plan)
    }

    /// Applies and approves; gives the plan's id.
    pub fn plan(&self, token: &str, login: &str, functions: &[&str]) -> String {
        let plan = self.checked(token, login, functions);
        let done = self.api.approve(&self.planner, &plan);
        assert_eq!(text(&done, "state"), "approved", "{done}");
        plan
    }

    /// A worker with an approved plan that demands a witness.
    pub fn witnessed(&self, login: &str) -> Person {
        let (person, token) = self.worker(login);
        let plan = self.checked_with(&token, login, &["shell"], &json!({ "witness": "watch" }));
        let done = self.api.approve(&self.planner, &plan);
        assert_eq!(text(&done, "state"), "approved", "{done}");
        person
    }

    /// The same with more in the plan's content.
    pub fn plan_with(&self, token: &str, login: &str, functions: &[&str], more: &Value) -> String {
        let plan = self.checked_with(token, login, functions, more);
        let done = self.api.approve(&self.planner, &plan);
        assert_eq!(text(&done, "state"), "approved", "{done}");
        plan
    }

    /// The same for another target.
    pub fn plan_on(&self, token: &str, login: &str, target: &str, account: &str, functions: &[&str]) -> String {
        let targets = json!([{ "target": target, "account": account, "functions": functions, "files": [] }]);
        let plan = self.checked_with(token, login, functions, &json!({ "targets": targets }));
        let done = self.api.approve(&self.planner, &plan);
        assert_eq!(text(&done, "state"), "approved", "{done}");
        plan
    }

    /// A worker whose plan says for itself what may be done on the house's target, with a key window that stands open: every
    /// client comes in without a prompt.
    pub fn in_key_window(&self, login: &str, used: &Value) -> Person {
        let (person, token) = self.worker(login);
        let mut target = json!({ "target": self.target, "account": self.account, "files": [], "key_window": true });
        for (name, value) in used.as_object().into_iter().flatten() {
            target[name] = value.clone();
        }
        let plan = self.checked_with(&token, login, &[], &json!({ "targets": [target] }));
        let done = self.api.approve(&self.planner, &plan);
        assert_eq!(text(&done, "state"), "approved", "{done}");
        let keys = self.api.get(&token, "/api/v1/me/keys");
        let key = keys.pointer("/0/id").and_then(Value::as_str).expect("the worker's key");
        self.api.post(&token, "/api/v1/key_windows", &json!({ "plan": plan, "target": self.target, "key": key, "minutes": 10 }));
        person
    }

    /// A plan that waits for the planner only.
    pub fn half_approved(&self, token: &str, login: &str) -> String {
        self.checked(token, login, &["shell"])
    }

    /// The vendor's id.
    pub fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Address of the pages.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.web)
    }

    fn checked(&self, token: &str, login: &str, functions: &[&str]) -> String {
        self.checked_with(token, login, functions, &json!({}))
    }

    fn checked_with(&self, token: &str, login: &str, functions: &[&str], more: &Value) -> String {
        let choices = self.api.get(token, "/api/v1/plans/choices");
        let workers = choices.get("workers").and_then(Value::as_array).cloned().unwrap_or_default();
        let worker = workers.iter().find(|worker| worker.get("login").and_then(Value::as_str) == Some(login));
        let worker = text(worker.unwrap_or_else(|| panic!("{login} cannot be named in a plan: {choices}")), "id");
        // A right that no function carries is refused.
        let moves = functions.iter().any(|function| matches!(*function, "sftp" | "scp" | "rsync"));
        let files: &[&str] = if moves { &["download", "upload", "delete", "rename"] } else { &[] };
        let mut content = json!({
            "title": format!("保守作業 {login}"), "class": "investigation", "purpose": "街路の試験",
            "targets": [{ "target": self.target, "account": self.account, "functions": functions, "files": files, "key_window": true }],
            "workers": [worker], "from": now().minus(Duration::from_secs(60)), "until": now().plus(Duration::from_secs(3600)),
            "privileged_reason": "試験のアカウントが root のことがあるため", "steps": "1. 試験する", "impact": "なし", "rollback": "不要", "contact": "090-0000-0000",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            content[name] = value.clone();
        }
        let plan = text(&self.api.post(token, "/api/v1/plans", &json!({ "vendor": self.vendor, "content": content })), "id");
        self.api.act(token, &plan, &json!({ "act": "submit" }));
        self.api.approve(&self.operator, &plan);
        plan
    }

    /// Sessions of a worker, the newest first, with what the list tells of them.
    pub fn sessions(&self, login: &str) -> Vec<Value> {
        let value = self.api.get(&self.operator, "/api/v1/sessions");
        let rows = value.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
        let name = format!("保守 {login}");
        rows.into_iter().filter(|row| row.pointer("/facts/person_name").and_then(Value::as_str) == Some(&name)).collect()
    }

    /// Waits until a worker has `count` sessions that have ended, and gives their ids, the newest first.
    pub fn ended(&self, login: &str, count: usize) -> Vec<String> {
        wait_for(&format!("{count} ended sessions of {login}"), Duration::from_secs(30), || {
            let rows = self.sessions(login);
            let over = rows.iter().all(|row| row.get("running").and_then(Value::as_bool) == Some(false));
            (over && rows.len() >= count).then(|| rows.iter().map(|row| text(row, "facts.session")).collect())
        })
    }

    /// Waits for the running session of a worker.
    pub fn running(&self, login: &str) -> String {
        wait_for(&format!("a running session of {login}"), Duration::from_secs(20), || {
            let rows = self.sessions(login);
            rows.iter().find(|row| row.get("running").and_then(Value::as_bool) == Some(true)).map(|row| text(row, "facts.session"))
        })
    }

    /// A session with everything that is known of it.
    pub fn session(&self, id: &str) -> Value {
        self.api.get(&self.operator, &format!("/api/v1/sessions/{id}"))
    }

    /// A `sekisho` command on this house's configuration.
    pub fn console(&self, args: &[&str]) -> std::process::Output {
        let config = self.config.display().to_string();
        let mut all = vec!["--config", &config];
        all.extend(args);
        program::run(&all)
    }

    /// Sends the server a signal, waits for its end and gives its status.
    pub fn end(&self, name: &str, patience: Duration) -> ExitStatus {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = server.take().expect("the server runs");
        signal(server.child.id(), name);
        wait_for(&format!("the server ends on {name}"), patience, || server.child.try_wait().expect("its state"))
    }

    /// Starts the server again on the same data.
    pub fn start_again(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(server.is_none(), "the server runs");
        *server = Some(start(&self.folder, &self.config, self.web, false));
    }

    /// Copies what an outsider is given: log and recordings, no keys.
    pub fn evidence(&self, name: &str) -> PathBuf {
        let copy = self.folder.join(name);
        std::fs::create_dir_all(&copy).expect("a folder for the copy");
        for part in ["log", "recordings"] {
            program::copy_folder(&self.data.join(part), &copy);
        }
        copy
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(log_file(&self.folder)).unwrap_or_default());
        }
    }
}

/// The server's process. Ended even if the house is never finished.
struct Server {
    child: Child,
    _keeper: Keeper,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: &Path, config: &Path, web: u16, sweep: bool) -> Server {
    let log = std::fs::File::options().append(true).create(true).open(log_file(folder)).expect("the server's log");
    let mut command = Command::new(program::sekisho());
    let clock = clock_file(folder);
    if clock.exists() {
        // Timers go on by the machine's own: a jump of the clock is no jump of time.
        command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", clock).env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    if token_file(folder).exists() {
        command.env("SOFTHSM2_CONF", token_file(folder));
    }
    let child = command
        .arg("--config")
        .arg(config)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sekisho starts");
    let keeper = Keeper::of(child.id(), sweep.then_some(folder));
    let mut server = Server { child, _keeper: keeper };
    wait_for("the pages answer", Duration::from_secs(30), || {
        assert!(server.child.try_wait().expect("its state").is_none(), "serve ended: {}", std::fs::read_to_string(log_file(folder)).unwrap_or_default());
        std::net::TcpStream::connect(("127.0.0.1", web)).ok()
    });
    server
}

/// Sets password and code by a one-time link.
fn enrol(api: &Api, link: &str, login: &str) -> Person {
    let token = link.rsplit('/').next().expect("the link has a token");
    let offer = api.try_call(reqwest::Method::GET, &format!("/api/v1/enrolments/{token}"), None, None).expect("the enrolment answers").done();
    let url = text(&offer, "totp_url");
    let secret = url.split_once("secret=").map(|(_, rest)| rest.split('&').next().unwrap_or_default().to_owned()).expect("the address for the authenticator holds the secret");
    let phone = Phone::new(&secret);
    let password = format!("Machi-kado-{}7!", login.chars().rev().collect::<String>());
    let password = if password.contains(login) { format!("Tori-no-uta-{}!", login.len() + 4711) } else { password };
    let body = json!({ "password": password, "code": phone.code() });
    let answer = api.try_post(None, &format!("/api/v1/enrolments/{token}"), &body);
    assert!((200..300).contains(&answer.status), "enrolment of {login}: HTTP {} {}", answer.status, answer.text);
    Person { login: login.to_owned(), password, secret, phone, key_file: None }
}
