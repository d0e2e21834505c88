//! A worker's own OpenSSH client, answered by a program where a person would type.

use super::cast::Player;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// How long one command of the demo may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The workers' side: known hosts and the program that gives the one-time code.
pub struct Terminal {
    folder: PathBuf,
    port: u16,
}

impl Terminal {
    /// Prepares `folder`; `host_keys` are the gateway's.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new(folder: &Path, port: u16, host_keys: &[String]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let known: String = host_keys.iter().map(|line| format!("[127.0.0.1]:{port} {line}\n")).collect();
        std::fs::write(folder.join("known_hosts"), known)?;
        let ask = folder.join("answer");
        std::fs::write(&ask, "#!/bin/sh\nprintf '%s\\n' \"$SEKISHO_DEMO_CODE\"\n")?;
        std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700))?;
        Ok(Self { folder: folder.to_path_buf(), port })
    }

    /// The known-hosts file, for the line that is shown to people.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    fn options(&self, worker: &Player) -> Result<Vec<String>> {
        let key = worker.ssh_key_file.as_ref().context("this person has no SSH key")?;
        let known = self.known_hosts();
        let pairs = [
            format!("IdentityFile={}", key.display()),
            format!("UserKnownHostsFile={}", known.display()),
            "GlobalKnownHostsFile=/dev/null".into(),
            "IdentitiesOnly=yes".into(),
            "StrictHostKeyChecking=yes".into(),
            "NumberOfPasswordPrompts=1".into(),
            "LogLevel=ERROR".into(),
            "ConnectTimeout=15".into(),
        ];
        let mut options = vec!["-F".to_owned(), "/dev/null".to_owned()];
        for pair in pairs {
            options.push("-o".into());
            options.push(pair);
        }
        Ok(options)
    }

    async fn command(&self, program: &str, worker: &Player) -> Result<Command> {
        let mut command = Command::new(program);
        command
            .env("SSH_ASKPASS", self.folder.join("answer"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", "none:0")
            .env("SEKISHO_DEMO_CODE", worker.phone.fresh())
            .env_remove("SSH_AUTH_SOCK")
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs one command on a target, or an interactive shell if `line` is empty (then with a terminal, and `typed` is
    /// what the worker types).
    ///
    /// # Errors
    /// The client cannot be started or takes too long. A refusal is an [`Output`], not an error.
    pub async fn run(&self, worker: &Player, target: &str, line: &str, typed: &[&str]) -> Result<Output> {
        let mut child = self.open(worker, target, line).await?;
        if let Some(mut stdin) = child.stdin.take() {
            // A person waits for the prompt; what is typed before it belongs to no line that the screen shows.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            for line in typed {
                tokio::time::sleep(Duration::from_millis(350)).await;
                stdin.write_all(format!("{line}\n").as_bytes()).await?;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(tokio::time::timeout(PATIENCE, child.wait_with_output()).await.context("ssh took too long")??)
    }

    /// Starts a client and leaves it running.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn open(&self, worker: &Player, target: &str, line: &str) -> Result<Child> {
        let mut command = self.command("ssh", worker).await?;
        command.args(self.options(worker)?).arg("-p").arg(self.port.to_string());
        if line.is_empty() {
            command.arg("-tt").stdin(Stdio::piped());
        }
        command.arg(format!("{}+{target}@127.0.0.1", worker.login));
        if !line.is_empty() {
            command.arg("--").arg(line);
        }
        command.spawn().context("cannot start ssh: install openssh-client")
    }

    /// Says something to a port behind a target, through the gateway (`ssh -W`), and hears the answer to its end.
    ///
    /// # Errors
    /// The client cannot be started or takes too long.
    pub async fn forward(&self, worker: &Player, target: &str, port: u16, say: &[u8]) -> Result<Output> {
        let mut command = self.command("ssh", worker).await?;
        // Of a level the first word counts; below this one ssh does not tell why a forward failed.
        command.args(["-o", "LogLevel=INFO"]).args(self.options(worker)?).arg("-p").arg(self.port.to_string()).arg("-W").arg(format!("127.0.0.1:{port}"));
        command.arg(format!("{}+{target}@127.0.0.1", worker.login));
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start ssh: install openssh-client")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A forward that is refused ends the client before it reads anything.
            let _ = stdin.write_all(say).await;
        }
        Ok(tokio::time::timeout(PATIENCE, child.wait_with_output()).await.context("ssh took too long")??)
    }

    /// Copies a file to a target with `scp`.
    ///
    /// # Errors
    /// `scp` cannot be started, takes too long or fails.
    pub async fn put(&self, worker: &Player, target: &str, from: &Path, to: &str) -> Result<()> {
        let mut command = self.command("scp", worker).await?;
        command.args(self.options(worker)?).arg("-P").arg(self.port.to_string()).arg("-q").arg(from).arg(format!("{}+{target}@127.0.0.1:{to}", worker.login));
        let output = tokio::time::timeout(PATIENCE, command.output()).await.context("scp took too long")??;
        if !output.status.success() {
            bail!("scp: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Asks for a file on a target to be deleted with `sftp`.
    ///
    /// # Errors
    /// `sftp` cannot be started or takes too long. A refusal is an [`Output`], not an error.
    pub async fn remove(&self, worker: &Player, target: &str, path: &str) -> Result<Output> {
        let mut command = self.command("sftp", worker).await?;
        // A batch asks for nothing unless told so first, and the one-time code must be asked for.
        command.args(self.options(worker)?).args(["-o", "BatchMode=no", "-q", "-b", "-", "-P"]).arg(self.port.to_string());
        command.arg(format!("{}+{target}@127.0.0.1", worker.login)).stdin(Stdio::piped());
        let mut child = command.spawn().context("cannot start sftp: install openssh-client")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(format!("rm \"{path}\"\n").as_bytes()).await?;
        }
        Ok(tokio::time::timeout(PATIENCE, child.wait_with_output()).await.context("sftp took too long")??)
    }
}
