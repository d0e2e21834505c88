//! The street that is measured: a target, a jump host, a Sekisho with recording on, and workers with keys and codes.
//! Everything is made through the doors that people use.

use super::api::{self, Api, Phone, text};
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Workers of one plan, at most (`core::limits::PLAN_WORKERS`).
const PLAN_WORKERS: usize = 32;
/// The key exchange of all connections of the client. OpenSSH's own favourite, sntrup761, is not spoken by Sekisho, and
/// costs so much more that a session through Sekisho would open faster than a direct one.
const KEX: &str = "curve25519-sha256";
/// MiB that a session of the bench may move as output or input: it moves more than a worker would, and the rule
/// against transfers in disguise would stop it.
const VOLUME: u32 = 1_000_000;
/// Name of the target.
const TARGET: &str = "box01";

/// One of the three roads to the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Direct,
    Jump,
    Sekisho,
}

/// All of them, in the order of the table.
pub const WAYS: [Way; 3] = [Way::Direct, Way::Jump, Way::Sekisho];

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Jump => "jump",
            Self::Sekisho => "sekisho",
        }
    }
}

/// A process that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // The server is asked first: it has children of its own.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A worker who can log in.
struct Worker {
    login: String,
    key: PathBuf,
    phone: Phone,
}

/// The whole street.
pub struct House {
    pub folder: PathBuf,
    /// Files that the target holds, and where copies go: in memory if the system has such a folder.
    pub files: PathBuf,
    data: PathBuf,
    sekisho: Server,
    _target: Server,
    jump: Server,
    workers: Mutex<Vec<Worker>>,
    _keeper: Keeper,
    _swept: Swept,
}

/// Folders that go when the servers that write into them have ended: the last field is dropped last.
struct Swept([PathBuf; 2]);

/// Ends the servers and removes the folders, however this process ends: a shell that waits for its input to close.
struct Keeper(Child);

const KEEPER: &str = "trap '' INT TERM; read -r _ && exit 0; kill \"$3\" \"$4\" \"$5\" 2>/dev/null; sleep 2; rm -rf -- \"$1\" \"$2\"";

impl Keeper {
    fn of(folders: [&Path; 2], servers: [&Server; 3]) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(folders)
            .args(servers.map(|server| server.0.id().to_string()))
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Whoever drops it has ended the servers: a line says so.
        if let Some(mut stdin) = self.0.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = self.0.wait();
    }
}

impl Drop for Swept {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// What must be added to a client's command line and environment to open a new connection.
pub struct Login {
    args: Vec<String>,
    code: Option<String>,
}

impl Login {
    pub fn apply(&self, command: &mut Command, folder: &Path) {
        command.args(&self.args);
        command.env_remove("SSH_AUTH_SOCK").env("LC_ALL", "C.UTF-8");
        if let Some(code) = &self.code {
            command
                .env("SSH_ASKPASS", folder.join("answer"))
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("DISPLAY", "none:0")
                .env("BENCH_CODE", code);
        }
    }
}

impl House {
    /// Builds the street in `folder`, which must not exist.
    pub fn open(
        binary: &Path,
        folder: PathBuf,
        cipher: &str,
        workers: usize,
        keep: &str,
    ) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let memory = Path::new("/dev/shm");
        let files = if memory.is_dir() {
            memory.join(format!("sekisho-bench-{}", std::process::id()))
        } else {
            folder.join("files")
        };
        fs::create_dir_all(&files)?;
        let key = folder.join("key");
        let public = api::make_key(&key, &folder)?;
        let (target, target_port, target_key) = sshd(&folder, "target", &public)?;
        let (jump, jump_port, jump_key) = sshd(&folder, "jump", &public)?;
        let (web, ssh) = (free_port()?, free_port()?);
        let config = folder.join("sekisho.toml");
        let data = folder.join("data");
        let lines = format!(
            "[facility]\nname = \"測定病院\"\nid = \"bench\"\n\n[data]\ndir = \"{}\"\n\n[ssh]\nlisten = \"127.0.0.1:{ssh}\"\n\n\
             [web]\nlisten = \"127.0.0.1:{web}\"\nhosts = [\"127.0.0.1\"]\n\n[log]\nlevel = \"warn\"\n\n\
             [policy]\nvolume_output_mib = {VOLUME}\nvolume_input_mib = {VOLUME}\nkeep_files = \"{keep}\"\n",
            data.display()
        );
        fs::write(&config, lines)?;
        let report = shell::read(
            shell::command(binary, &folder)
                .arg("--config")
                .arg(&config)
                .args([
                    "--json",
                    "init",
                    "--admin",
                    "aoki",
                    "--admin-name",
                    "青木 誠",
                ]),
        )?;
        let report: Value = serde_json::from_str(&report)?;
        let child = shell::command(binary, &folder)
            .arg("--config")
            .arg(&config)
            .arg("serve")
            // As packaging/sekisho.service runs it.
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("sekisho.log"))?)
            .spawn()
            .context("cannot start sekisho")?;
        let sekisho = Server(child);
        let keeper = Keeper::of([&folder, &files], [&target, &jump, &sekisho])?;
        wait_for_port(web)?;
        wait_for_port(ssh)?;
        let gate_key = wait_for("the gateway's host key", || {
            let scan = Command::new("ssh-keyscan")
                .args(["-T", "5", "-t", "ed25519", "-p", &ssh.to_string()])
                .arg("127.0.0.1")
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&scan.stdout).into_owned();
            (!text.is_empty()).then_some(text)
        })?;
        let known = format!(
            "[127.0.0.1]:{target_port} {target_key}\n[127.0.0.1]:{jump_port} {jump_key}\n{gate_key}"
        );
        fs::write(folder.join("known_hosts"), known)?;
        for way in WAYS {
            let port = match way {
                Way::Direct | Way::Jump => target_port,
                Way::Sekisho => ssh,
            };
            let through = match way {
                Way::Jump => "  ProxyJump gate\n",
                Way::Direct | Way::Sekisho => "",
            };
            let account = account()?;
            let lines = format!(
                "Host gate\n  Port {jump_port}\n  User {account}\n  IdentityFile {key}\nHost box\n  Port {port}\n{through}{own}Host *\n  HostName 127.0.0.1\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  LogLevel ERROR\n  Ciphers {cipher}\n  KexAlgorithms {KEX}\n  Compression no\n  \
                 IgnoreUnknown ObscureKeystrokeTiming\n  ObscureKeystrokeTiming no\n  ConnectTimeout 60\n",
                key = key.display(),
                known = folder.join("known_hosts").display(),
                own = if way == Way::Sekisho {
                    String::new()
                } else {
                    format!("  User {account}\n  IdentityFile {}\n", key.display())
                },
            );
            fs::write(folder.join(format!("ssh-{}", way.name())), lines)?;
        }
        let answer = folder.join("answer");
        fs::write(&answer, "#!/bin/sh\nprintf '%s\\n' \"$BENCH_CODE\"\n")?;
        fs::set_permissions(&answer, fs::Permissions::from_mode(0o700))?;
        let api = Api {
            base: format!("https://127.0.0.1:{web}"),
            authority: PathBuf::from(text(&report, "ca_file")?),
        };
        let workers = people(
            &api,
            &report,
            &folder,
            target_port,
            &target_key,
            &key,
            workers,
        )
        .with_context(|| {
            format!(
                "the house cannot be set up; its log: {}",
                fs::read_to_string(folder.join("sekisho.log")).unwrap_or_default()
            )
        })?;
        let swept = Swept([folder.clone(), files.clone()]);
        Ok(Self {
            folder,
            files,
            data,
            sekisho,
            _target: target,
            jump,
            workers: Mutex::new(workers),
            _keeper: keeper,
            _swept: swept,
        })
    }

    /// Process of the gateway.
    pub fn gateway(&self) -> u32 {
        self.sekisho.0.id()
    }

    /// Process of what stands in the middle of a road, if anything does.
    pub fn middle(&self, way: Way) -> Option<u32> {
        match way {
            Way::Direct => None,
            Way::Jump => Some(self.jump.0.id()),
            Way::Sekisho => Some(self.gateway()),
        }
    }

    /// A login for a new connection. On Sekisho's road it takes one worker's code, and waits for one if need be.
    pub fn login(&self, way: Way) -> Login {
        let config = self
            .folder
            .join(format!("ssh-{}", way.name()))
            .display()
            .to_string();
        let mut args = vec!["-F".to_owned(), config];
        if way != Way::Sekisho {
            return Login { args, code: None };
        }
        loop {
            let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            for _ in 0..workers.len() {
                workers.rotate_left(1);
                let Some(worker) = workers.last_mut() else {
                    continue;
                };
                if let Some(code) = worker.phone.try_code() {
                    let name = format!("User={}+{TARGET}", worker.login);
                    let key = format!("IdentityFile={}", worker.key.display());
                    args.extend(["-o".to_owned(), name, "-o".to_owned(), key]);
                    return Login {
                        args,
                        code: Some(code),
                    };
                }
            }
            drop(workers);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Bytes of all recordings.
    pub fn recorded(&self) -> u64 {
        let entries = fs::read_dir(self.data.join("recordings"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "skr"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|meta| meta.len())
            .sum()
    }
}

/// Persons, vendor, target and approved plans; gives the workers.
fn people(
    api: &Api,
    report: &Value,
    folder: &Path,
    port: u16,
    host_key: &str,
    key: &Path,
    count: usize,
) -> Result<Vec<Worker>> {
    let (year, from, until) = dates();
    let admin = enrol(api, &text(report, "enrolment_url")?, "aoki")?;
    let vendor = json!({ "name": "測定システム株式会社", "sources": ["127.0.0.0/8"], "contact": "03-5550-0101", "contract_until": until + 300 * 86_400_000_u64, "active": true });
    let vendor = text(&api.post(&admin.1, "/api/v1/vendors", &vendor)?, "id")?;
    let target = json!({
        "name": TARGET, "title": "測定サーバ", "protocol": "ssh", "host": "127.0.0.1", "port": port, "owner": "医療情報室", "vendor": vendor,
        "host_keys": [host_key], "personal_data": false, "active": true,
    });
    let target = text(&api.post(&admin.1, "/api/v1/targets", &target)?, "id")?;
    let private = fs::read_to_string(key)?;
    let account = json!({ "username": account()?, "privileged": false, "credential": { "private_key": private } });
    let account = text(
        &api.post(
            &admin.1,
            &format!("/api/v1/targets/{target}/accounts"),
            &account,
        )?,
        "id",
    )?;
    let staff = |login: &str, name: &str, role: &str| {
        let body = json!({ "login": login, "name": name, "roles": [role] });
        let added = api.post(&admin.1, "/api/v1/persons", &body)?;
        enrol(api, &text(&added, "enrolment.url")?, login)
    };
    let operator = staff("ueda", "上田 健", "operator")?;
    let planner = staff("ishikawa", "石川 由美", "planner")?;
    let mut workers = Vec::new();
    let mut tokens = Vec::new();
    for number in 0..count {
        let login = format!("w{number:03}");
        let body = json!({ "login": login, "name": format!("保守 {login}"), "vendor": vendor, "roles": ["worker"], "pledged_until": year, "trained_until": year });
        let added = api.post(&admin.1, "/api/v1/persons", &body)?;
        let (phone, token) = enrol(api, &text(&added, "enrolment.url")?, &login)?;
        let key = folder.join(format!("{login}-key"));
        let line = api::make_key(&key, folder)?;
        api.post(&token, "/api/v1/me/keys", &json!({ "key": line }))?;
        tokens.push(token);
        workers.push(Worker { login, key, phone });
    }
    for (group, token) in workers.chunks(PLAN_WORKERS).zip(
        tokens
            .chunks(PLAN_WORKERS)
            .filter_map(|tokens| tokens.first()),
    ) {
        let choices = api.get(token, "/api/v1/plans/choices")?;
        let known = choices["workers"].as_array().cloned().unwrap_or_default();
        let ids: Vec<Value> = known
            .iter()
            .filter(|one| group.iter().any(|worker| one["login"] == *worker.login))
            .map(|one| one["id"].clone())
            .collect();
        if ids.len() != group.len() {
            bail!(
                "{} of {} workers can be named in a plan",
                ids.len(),
                group.len()
            );
        }
        let content = json!({
            "title": "測定", "class": "investigation", "purpose": "速さの測定",
            "targets": [{ "target": target, "account": account, "functions": ["shell", "exec", "sftp", "scp"], "files": ["download", "upload", "delete", "rename"] }],
            "workers": ids, "from": from, "until": until,
            "steps": "1. 測定する", "impact": "なし", "rollback": "不要", "contact": "090-0000-0000",
        });
        let plan = json!({ "vendor": vendor, "content": content });
        let plan = text(&api.post(token, "/api/v1/plans", &plan)?, "id")?;
        let acts = format!("/api/v1/plans/{plan}/acts");
        api.post(token, &acts, &json!({ "act": "submit" }))?;
        for approver in [&operator.1, &planner.1] {
            let digest = text(
                &api.get(approver, &format!("/api/v1/plans/{plan}"))?,
                "digest",
            )?;
            api.post(
                approver,
                &acts,
                &json!({ "act": "approve", "digest": digest }),
            )?;
        }
        let state = text(
            &api.get(token, &format!("/api/v1/plans/{plan}"))?,
            "plan.state",
        )?;
        if state != "approved" {
            bail!("the plan is {state}");
        }
    }
    Ok(workers)
}

/// A day far ahead, the beginning and the end of the plans in milliseconds.
fn dates() -> (String, u64, u64) {
    let now = api::now();
    // 2026 and later: a year that is surely ahead and has this day.
    let year = 1970 + now / 31_556_952 + 1;
    (
        format!("{year}-06-15"),
        (now - 60) * 1000,
        (now + 3600) * 1000,
    )
}

/// Sets password and code by a one-time link, and logs in. Gives the authenticator and the token.
fn enrol(api: &Api, link: &str, login: &str) -> Result<(Phone, String)> {
    let token = link.rsplit('/').next().context("the link has a token")?;
    let path = format!("/api/v1/enrolments/{token}");
    let offer = api.call("GET", &path, None, None)?;
    let mut phone = Phone::from_url(&text(&offer, "totp_url")?)?;
    let mut code = || {
        loop {
            match phone.try_code() {
                Some(code) => return code,
                None => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    };
    let password = "Tori-no-uta-4711!";
    let body = json!({ "password": password, "code": code() });
    api.call("POST", &path, None, Some(&body))?;
    let body = json!({ "login": login, "password": password, "code": code() });
    let token = text(
        &api.call("POST", "/api/v1/logins", None, Some(&body))?,
        "token",
    )?;
    Ok((phone, token))
}

/// Starts an OpenSSH server and gives it with its port and public host key.
fn sshd(folder: &Path, name: &str, authorized: &str) -> Result<(Server, u16, String)> {
    let host = folder.join(format!("{name}-host"));
    let host_key = api::make_key(&host, folder)?;
    fs::write(folder.join("authorized_keys"), format!("{authorized}\n"))?;
    if account()? == "root" {
        // The server insists on this folder when it runs as root.
        fs::create_dir_all("/run/sshd")?;
    }
    let port = free_port()?;
    let config = folder.join(format!("{name}-config"));
    let lines = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\nAuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nPrintMotd no\n\
         PrintLastLog no\nMaxStartups 400\nMaxSessions 400\nLogLevel ERROR\n{quiet}",
        host = host.display(),
        folder = folder.display(),
        // bash below the first level reads no start-up file: what the account keeps there is not the road's time.
        quiet = "SetEnv SHLVL=2\n",
    );
    fs::write(&config, lines)?;
    let program = shell::find("sshd").context("sshd is missing: install openssh-server")?;
    let child = Command::new(program)
        .args(["-D", "-f"])
        .arg(&config)
        .arg("-E")
        .arg(folder.join(format!("{name}.log")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start sshd")?;
    let server = Server(child);
    wait_for_port(port)?;
    Ok((server, port, host_key))
}

fn account() -> Result<String> {
    let output = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn wait_for_port(port: u16) -> Result<()> {
    wait_for(&format!("port {port}"), || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    })
    .map(|_| ())
}

/// Waits until `is` holds.
pub fn wait_for<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(value) = is() {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within 40 s");
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}
