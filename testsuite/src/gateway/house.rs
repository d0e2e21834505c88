//! One gateway with its desk, one real sshd behind it, and the worker's clients in front.

use super::desk::{CODE, FakeDesk, PASSWORD, TARGET, WORKER};
use sekisho_core::secret::Secret;
use sekisho_gateway::{Gateway, GatewaySettings, bind, generate_host_keys, scan_host_keys};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Longest run of one client program.
const RUN: Duration = Duration::from_secs(60);

pub struct House {
    pub gateway: Gateway,
    pub desk: Arc<FakeDesk>,
    pub folder: TempDir,
    pub key: PathBuf,
    pub port: u16,
    _sshd: Child,
}

/// How a client proves its first factor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Key,
    Password,
    /// A key file in the house's folder, and nothing else.
    Named(&'static str),
}

/// Making an RSA key takes a while, so one set serves all tests.
fn host_keys() -> Vec<Secret> {
    static KEYS: OnceLock<Vec<Secret>> = OnceLock::new();
    KEYS.get_or_init(|| generate_host_keys().unwrap()).clone()
}

pub async fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub async fn make_key(file: &Path, kind: &str) -> String {
    let _ = std::fs::remove_file(file);
    run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "", "-f", file.to_str().unwrap()]).await;
    let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

pub async fn start_sshd(folder: &Path, more: &str) -> (Child, u16) {
    // Found free and closed again: another program could take it, which the sshd would report.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let dir = folder.display();
    // A home of its own: shells that read, or are killed within, the start-up files of this machine's account are no test of ours.
    std::fs::create_dir_all(folder.join("home")).unwrap();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\nPidFile none\nUsePAM no\n\
         StrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv *\nMaxStartups 100\nPrintMotd no\nPrintLastLog no\n\
         Subsystem sftp internal-sftp\nSetEnv HOME={dir}/home\n{more}\n"
    );
    std::fs::write(folder.join("sshd_config"), config).unwrap();
    let _ = std::fs::create_dir_all("/run/sshd");
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("sshd.log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (child, port);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("sshd: {}", std::fs::read_to_string(folder.join("sshd.log")).unwrap());
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let host_key = make_key(&dir.join("host"), "ed25519").await;
        let authorized = make_key(&dir.join("stored"), "ed25519").await;
        std::fs::write(dir.join("authorized"), format!("{authorized}\n")).unwrap();
        let (sshd, target_port) = start_sshd(dir, "").await;
        let key = dir.join("worker");
        let worker_key = make_key(&key, "ed25519").await;
        let stored = Secret::new(std::fs::read_to_string(dir.join("stored")).unwrap());
        let account = run("id", &["-un"]).await;
        let desk = FakeDesk::new(vec![host_key], target_port, account, stored, Some(worker_key));
        let settings = GatewaySettings { listen: "127.0.0.1:0".parse().unwrap(), host_keys: host_keys(), facility: "青空病院".into() };
        let gateway = bind(settings, desk.clone(), desk.clock.clone()).await.unwrap();
        let running = gateway.clone();
        tokio::spawn(async move { running.run().await });
        let port = gateway.local_addr().port();
        let answers = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >> {}/asked\ncase \"$1\" in\n*assword*) echo \"${{TEST_PASSWORD:-{PASSWORD}}}\" ;;\n*) echo \"${{TEST_CODE:-{CODE}}}\" ;;\nesac\n",
            dir.display()
        );
        std::fs::write(dir.join("answers"), answers).unwrap();
        std::fs::set_permissions(dir.join("answers"), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { gateway, desk, key, port, folder, _sshd: sshd }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn place(&self) -> String {
        format!("{WORKER}+{TARGET}@127.0.0.1")
    }

    pub fn options(&self, by: By) -> Vec<String> {
        let mut options: Vec<String> = ["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"].map(str::to_owned).into();
        options.extend(["-o".to_owned(), format!("Port={}", self.port)]);
        match by {
            By::Key => options.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned(), "-i".to_owned(), self.key.display().to_string()]),
            By::Named(name) => {
                options.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned(), "-i".to_owned(), self.path(name)]);
                options.extend(["-o".to_owned(), "PreferredAuthentications=publickey".to_owned()]);
            }
            By::Password => options.extend(["-o".to_owned(), "PubkeyAuthentication=no".to_owned()]),
        }
        options
    }

    /// A client program that answers questions by itself.
    pub fn client(&self, program: &str, by: By) -> Command {
        let mut command = Command::new(program);
        command
            .args(self.options(by))
            .env("SSH_ASKPASS", self.path("answers"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":0")
            .env_remove("SSH_AUTH_SOCK")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// `ssh` to the target, with options before and a command behind.
    pub fn ssh(&self, options: &[&str], command: &str) -> Command {
        let mut ssh = self.client("ssh", By::Key);
        ssh.args(options).arg(self.place());
        if !command.is_empty() {
            ssh.arg(command);
        }
        ssh
    }

    pub async fn exec(&self, command: &str) -> Output {
        finish(self.ssh(&[], command)).await
    }

    pub async fn exec_with(&self, command: &str, input: Vec<u8>) -> Output {
        let mut ssh = self.ssh(&[], command);
        let mut child = ssh.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = tokio::spawn(async move {
            let _ = stdin.write_all(&input).await;
        });
        let output = tokio::time::timeout(RUN, child.wait_with_output()).await.expect("the client ends").unwrap();
        writing.await.unwrap();
        output
    }

    pub async fn scan(&self) -> Vec<String> {
        scan_host_keys("127.0.0.1", self.port).await.unwrap()
    }
}

pub async fn finish(mut command: Command) -> Output {
    tokio::time::timeout(RUN, command.output()).await.expect("the client ends").unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Looks again and again until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}
