//! One way to the target: straight to its server, or through the gateway. Everything else is the same on both.

use crate::street::house::{House, TARGET};
use crate::street::program::{output, root, wait_for};
use crate::street::sshd;
use crate::street::terminal::Person;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long one client may take for one row.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// A way to the target.
pub struct Site<'h> {
    /// `direct` or `through`.
    pub name: &'static str,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Login name there.
    pub login: String,
    /// Private key that is accepted there.
    pub key: PathBuf,
    /// A folder of the site's own, for both sides of a transfer.
    pub folder: PathBuf,
    /// The host key's fingerprint, as clients print it (`SHA256:…`).
    pub fingerprint: String,
    /// The house it stands in.
    pub house: &'h House,
    worker: Option<Person>,
    prompts: bool,
    known: PathBuf,
    line: Option<Child>,
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        if let Some(line) = &mut self.line {
            let _ = line.kill();
            let _ = line.wait();
        }
    }
}

/// The same rows on both ways: `name` is the worker's login, and the name of the folders.
pub fn both<'h>(house: &'h House, name: &str) -> (Site<'h>, Site<'h>) {
    (Site::direct(house, name), Site::through(house, name))
}

impl<'h> Site<'h> {
    /// The target's own server.
    pub fn direct(house: &'h House, name: &str) -> Self {
        Self::new(house, "direct", name, house.host.port, sshd::account(), house.host.key_file.clone(), None)
    }

    /// The gateway, with a worker of the site's own whose plan allows every function.
    pub fn through(house: &'h House, name: &str) -> Self {
        let (worker, _) = house.at_work(name, &["shell", "exec", "sftp", "scp", "rsync"]);
        let key = worker.key_file.clone().expect("a worker has a key");
        Self::new(house, "through", name, house.terminal.port, format!("{name}+{TARGET}"), key, Some(worker))
    }

    /// The gateway, with a worker whose plan says for itself what may be done, in a key window: no client is asked for a code.
    pub fn in_key_window(house: &'h House, name: &str, used: &Value) -> Self {
        let worker = house.in_key_window(name, used);
        let key = worker.key_file.clone().expect("a worker has a key");
        let mut site = Self::new(house, "through", name, house.terminal.port, format!("{name}+{TARGET}"), key, Some(worker));
        site.prompts = false;
        site
    }

    fn new(house: &'h House, kind: &'static str, name: &str, port: u16, login: String, key: PathBuf, worker: Option<Person>) -> Self {
        // Names of one length, so that no output differs by its width.
        let folder = house.folder.join(format!("{name}-{}", if kind == "direct" { "straight" } else { "guarded_" }));
        std::fs::create_dir_all(&folder).expect("a folder for the site");
        let known = folder.with_extension("known_hosts");
        let scan = Command::new("ssh-keyscan").args(["-T", "5", "-t", "ed25519", "-p", &port.to_string(), "127.0.0.1"]).output().expect("ssh-keyscan");
        std::fs::write(&known, &scan.stdout).expect("known_hosts");
        let print = Command::new("ssh-keygen").arg("-lf").arg(&known).output().expect("ssh-keygen");
        let print = String::from_utf8_lossy(&print.stdout).split_whitespace().nth(1).unwrap_or_default().to_owned();
        assert!(print.starts_with("SHA256:"), "{kind}: no host key was scanned");
        Self { name: kind, port, login, key, folder, fingerprint: print, house, prompts: worker.is_some(), worker, known, line: None }
    }

    /// True if it is the way through the gateway.
    pub fn is_guarded(&self) -> bool {
        self.worker.is_some()
    }

    /// A code that was not used yet; waits for the next if it must. Empty where none is asked for.
    pub fn code(&self) -> String {
        self.asked().map(|worker| worker.phone.code()).unwrap_or_default()
    }

    /// The worker, where a client is asked for something.
    fn asked(&self) -> Option<&Person> {
        self.worker.as_ref().filter(|_| self.prompts)
    }

    /// The worker's login name.
    pub fn worker(&self) -> &str {
        self.worker.as_ref().map(|worker| worker.login.as_str()).unwrap_or_default()
    }

    /// `LOGIN@127.0.0.1`
    pub fn place(&self) -> String {
        format!("{}@127.0.0.1", self.login)
    }

    /// A fresh folder below the site's own.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a fresh folder");
        path
    }

    /// Takes the site's folder out of what was said.
    pub fn neutral(&self, outcome: super::Outcome) -> super::Outcome {
        outcome.without(&self.folder.display().to_string(), "FOLDER").without(&self.place(), "PLACE").without(&format!("port {}", self.port), "port PORT")
    }

    /// Options for `ssh`, `scp` and `sftp` alike.
    pub fn options(&self) -> Vec<String> {
        let mut words = vec!["-F".to_owned(), "/dev/null".to_owned()];
        for option in [
            format!("Port={}", self.port),
            format!("UserKnownHostsFile={}", self.known.display()),
            "GlobalKnownHostsFile=/dev/null".into(),
            "StrictHostKeyChecking=yes".into(),
            "NumberOfPasswordPrompts=1".into(),
            "LogLevel=ERROR".into(),
            "ConnectTimeout=20".into(),
            format!("IdentityFile={}", self.key.display()),
            "IdentitiesOnly=yes".into(),
        ] {
            words.extend(["-o".to_owned(), option]);
        }
        words
    }

    /// Options that share the one connection of the site.
    pub fn shared(&self) -> Vec<String> {
        let mut words = self.options();
        words.extend(["-o".into(), format!("ControlPath={}", self.socket().display()), "-o".into(), "ControlMaster=no".into()]);
        words
    }

    fn socket(&self) -> PathBuf {
        self.folder.with_extension("line")
    }

    /// `ssh OPTIONS` as one word, for programs that start it by themselves.
    pub fn ssh_line(&self) -> String {
        let words = self.shared();
        assert!(words.iter().all(|word| !word.contains(' ')), "a folder with a blank in its name");
        format!("ssh {}", words.join(" "))
    }

    /// A client with a login of its own.
    pub fn alone(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.asked() {
            Some(worker) => self.house.terminal.command(&program.as_ref().to_string_lossy(), worker),
            None => self.plain(program),
        };
        command.env_remove("SSH_AUTH_SOCK").env("LC_ALL", "C.UTF-8").args(self.options()).stdin(Stdio::null());
        command
    }

    /// A client on the shared connection.
    pub fn client(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.plain(program);
        command.args(self.shared());
        command
    }

    /// A program that nobody answers and that gets no arguments yet.
    pub fn plain(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SSH_ASKPASS", "/bin/false").env("SSH_ASKPASS_REQUIRE", "force").env_remove("SSH_AUTH_SOCK").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).current_dir(&self.folder);
        command
    }

    /// Opens the shared connection.
    pub fn with_line(mut self) -> Self {
        let socket = self.socket();
        let mut command = self.alone("ssh");
        command.args(["-M", "-N", "-o", &format!("ControlPath={}", socket.display())]).arg(self.place());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ssh starts");
        wait_for("the shared connection stands", Duration::from_secs(60), || {
            if let Some(status) = child.try_wait().expect("its state") {
                let mut words = String::new();
                let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut words));
                panic!("{}: ssh -M ended with {status}: {words}", self.name);
            }
            socket.exists().then_some(())
        });
        self.line = Some(child);
        self
    }

    /// `ssh` on the shared connection, with the place; the command line follows.
    pub fn ssh(&self, more: &[&str]) -> Command {
        let mut command = self.client("ssh");
        command.args(more).arg(self.place()).arg("--");
        command
    }

    /// Runs one command on the shared connection.
    pub fn exec(&self, line: impl AsRef<OsStr>) -> Output {
        output(self.ssh(&[]).arg(line), PATIENCE)
    }

    /// A file's place on the target for `scp` and `rsync`.
    pub fn at(&self, path: &Path) -> String {
        format!("{}:{}", self.place(), path.display())
    }
}

/// A file that lies beside these tests.
pub fn script(name: &str) -> PathBuf {
    root().join("testsuite/src/street/matrix").join(name)
}

/// Runs a client to its end.
pub fn run(command: &mut Command) -> Output {
    output(command, PATIENCE)
}
