//! A worker's own clients: ssh, sftp, scp and rsync of the system, answered by a program where a person would type.

use super::phone::Phone;
use super::program::{output, wait_for};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A person with what is needed to log in.
pub struct Person {
    /// Login name.
    pub login: String,
    /// Password.
    pub password: String,
    /// Secret of the one-time codes, base32.
    pub secret: String,
    /// Authenticator.
    pub phone: Phone,
    /// Private key of a worker.
    pub key_file: Option<PathBuf>,
}

/// The worker's side of one gateway.
pub struct Terminal {
    folder: PathBuf,
    /// Port of the gateway.
    pub port: u16,
}

/// Answers by what is asked: the password's prompt names it, the code's does not.
const ANSWER: &str = "#!/bin/sh\ncase \"$1\" in\n*assword:*) printf '%s\\n' \"$STREET_PASSWORD\" ;;\n*) printf '%s\\n' \"$STREET_CODE\" ;;\nesac\n";

impl Terminal {
    /// Learns the gateway's host keys, as a worker would from the vendor's handbook.
    pub fn new(folder: &Path, port: u16) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the terminal");
        let ask = folder.join("answer");
        std::fs::write(&ask, ANSWER).expect("the answering program");
        std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700)).expect("its mode");
        let keys = wait_for("the gateway shows its host keys", Duration::from_secs(20), || {
            let scan = Command::new("ssh-keyscan").args(["-T", "5", "-p", &port.to_string(), "127.0.0.1"]).output().ok()?;
            (!scan.stdout.is_empty()).then_some(scan.stdout)
        });
        std::fs::write(folder.join("known_hosts"), keys).expect("known_hosts");
        Self { folder: folder.to_path_buf(), port }
    }

    /// A client program with everything but its own arguments. `master` is a control socket to share.
    pub fn command(&self, program: &str, who: &Person) -> Command {
        let mut command = Command::new(program);
        command
            .env("SSH_ASKPASS", self.folder.join("answer"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", "none:0")
            .env("STREET_PASSWORD", &who.password)
            .env("STREET_CODE", who.phone.code())
            .env_remove("SSH_AUTH_SOCK")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Options for `ssh`, `scp` and `sftp` alike.
    pub fn options(&self, who: &Person) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.folder.join("known_hosts").display());
        let fixed = ["GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "NumberOfPasswordPrompts=1", "LogLevel=ERROR", "ConnectTimeout=20"];
        let mut options = vec!["-F".to_owned(), "/dev/null".to_owned(), "-o".into(), known];
        for option in fixed {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        match &who.key_file {
            Some(key) => options.extend(["-o".into(), format!("IdentityFile={}", key.display()), "-o".into(), "IdentitiesOnly=yes".into()]),
            None => options.extend(["-o".into(), "PubkeyAuthentication=no".into()]),
        }
        options
    }

    /// `WORKER+TARGET@127.0.0.1`
    pub fn place(who: &Person, target: &str) -> String {
        format!("{}+{target}@127.0.0.1", who.login)
    }

    /// `ssh` with further options, without the command line yet.
    pub fn ssh(&self, who: &Person, target: &str, more: &[&str]) -> Command {
        let mut command = self.command("ssh", who);
        command.args(self.options(who)).args(["-p", &self.port.to_string()]).args(more).arg(Self::place(who, target));
        command
    }

    /// Runs one command on a target.
    pub fn exec(&self, who: &Person, target: &str, line: &str) -> Output {
        output(self.ssh(who, target, &[]).arg("--").arg(line), Duration::from_secs(60))
    }

    /// Opens an interactive shell with a terminal.
    pub fn shell(&self, who: &Person, target: &str) -> Shell {
        Shell::start(&mut self.ssh(who, target, &["-tt"]))
    }

    /// Opens one connection that further clients share, so that one code serves them all.
    pub fn master<'a>(&'a self, who: &'a Person, target: &str) -> Master<'a> {
        let socket = self.folder.join(format!("m-{}", who.login));
        let path = format!("ControlPath={}", socket.display());
        let mut command = self.ssh(who, target, &["-M", "-N", "-o", &path]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ssh starts");
        wait_for("the shared connection stands", Duration::from_secs(60), || {
            if let Some(status) = child.try_wait().expect("its state") {
                let mut words = String::new();
                let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut words));
                panic!("ssh -M ended with {status}: {words}");
            }
            socket.exists().then_some(())
        });
        Master { terminal: self, who, target: target.to_owned(), path, child }
    }
}

/// A connection that several clients share.
pub struct Master<'a> {
    terminal: &'a Terminal,
    who: &'a Person,
    target: String,
    path: String,
    child: Child,
}

impl Drop for Master<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Master<'_> {
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Without the shared connection the client would ask, and nobody would answer.
        command.env("SSH_ASKPASS", "/bin/false").env("SSH_ASKPASS_REQUIRE", "force").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command.args(self.terminal.options(self.who)).args(["-o", &self.path, "-o", "ControlMaster=no"]);
        command
    }

    /// Runs one command.
    pub fn exec(&self, line: &str) -> Output {
        let mut command = self.client("ssh");
        command.args(["-p", &self.terminal.port.to_string()]).arg(Terminal::place(self.who, &self.target)).arg("--").arg(line);
        output(&mut command, Duration::from_secs(120))
    }

    /// Runs a batch of sftp commands.
    pub fn sftp(&self, batch: &str) -> Output {
        let file = self.terminal.folder.join(format!("batch-{}", self.who.login));
        std::fs::write(&file, batch).expect("the batch");
        let mut command = self.client("sftp");
        command.args(["-P", &self.terminal.port.to_string(), "-q", "-b"]).arg(&file).arg(Terminal::place(self.who, &self.target));
        output(&mut command, Duration::from_secs(120))
    }

    /// Copies with `scp`; `legacy` takes the old protocol. A path that begins with a colon is the target's.
    pub fn scp(&self, legacy: bool, from: &str, to: &str) -> Output {
        let place = |path: &str| match path.strip_prefix(':') {
            Some(path) => format!("{}:{path}", Terminal::place(self.who, &self.target)),
            None => path.to_owned(),
        };
        let mut command = self.client("scp");
        command.args(["-P", &self.terminal.port.to_string(), "-q"]);
        if legacy {
            command.arg("-O");
        }
        command.arg(place(from)).arg(place(to));
        output(&mut command, Duration::from_secs(120))
    }

    /// Copies with `rsync`.
    pub fn rsync(&self, from: &Path, to: &str) -> Output {
        let mut rsh = format!("ssh -p {} -o {} -o ControlMaster=no", self.terminal.port, self.path);
        for option in self.terminal.options(self.who) {
            rsh.push(' ');
            rsh.push_str(&option);
        }
        let mut command = Command::new("rsync");
        command.env("SSH_ASKPASS", "/bin/false").env("SSH_ASKPASS_REQUIRE", "force").stdin(Stdio::null());
        command.args(["-a", "-e", &rsh]).arg(from).arg(format!("{}:{to}", Terminal::place(self.who, &self.target)));
        output(&mut command, Duration::from_secs(60))
    }
}

/// An interactive shell: what is typed goes in, what the screen shows comes out.
pub struct Shell {
    child: Child,
    stdin: Option<ChildStdin>,
    screen: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shell {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ssh starts");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let readers = [child.stdout.take().map(|stdout| follow(stdout, screen.clone())), child.stderr.take().map(|stderr| follow(stderr, screen.clone()))];
        let readers = readers.into_iter().flatten().collect();
        let stdin = child.stdin.take();
        Self { child, stdin, screen, readers }
    }

    /// Everything that came so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the shell's input is open");
        // A shell that has ended shows it by its status, not by this.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
        let _ = stdin.flush();
    }

    /// Waits until the screen shows `text`.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while !self.screen().contains(text) {
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none() && Instant::now() < deadline, "the screen does not show {text:?} (ended: {ended:?}):\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits for the client's end and tells how long it took.
    pub fn wait_for_end(&mut self, patience: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = wait_for("ssh ends", patience, || self.child.try_wait().expect("its state"));
        let took = began.elapsed();
        // What it wrote last is read before anybody looks at the screen.
        wait_for("what ssh wrote is read", Duration::from_secs(10), || self.readers.iter().all(JoinHandle::is_finished).then_some(()));
        (status, took)
    }
}

fn follow(mut from: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                return;
            }
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    })
}
