//! The clients: OpenSSH's own programs, the same for all three roads.

use super::house::{House, Way, wait_for};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A program that ends with this value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ssh` on a new connection, without options of its own and command line yet.
pub fn ssh(house: &House, way: Way) -> Command {
    let mut command = Command::new("ssh");
    house.login(way).apply(&mut command, &house.folder);
    command
}

/// One connection that further clients share.
pub struct Master {
    socket: String,
    config: String,
    _child: Running,
}

impl Master {
    /// Opens one. `name` tells it from others on the same road.
    pub fn open(house: &House, way: Way, name: &str) -> Result<Self> {
        let path = house.folder.join(format!("m-{}-{name}", way.name()));
        let socket = path.display().to_string();
        let child = ssh(house, way)
            .args(["-M", "-N", "-S", &socket, "box"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start ssh")?;
        let mut child = Running(child);
        wait_for("a shared connection", || {
            let ended = child.0.try_wait().ok().flatten();
            (ended.is_some() || path.exists()).then_some(())
        })?;
        if let Some(status) = child.0.try_wait()? {
            bail!("ssh on the road {} ended with {status}", way.name());
        }
        let config = house.folder.join(format!("ssh-{}", way.name()));
        Ok(Self {
            socket,
            config: config.display().to_string(),
            _child: child,
        })
    }

    /// A client program on this connection.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("ControlPath={}", self.socket);
        command
            .args(["-F", &self.config, "-o", &path, "-o", "ControlMaster=no"])
            // Without the shared connection the client must fail, not ask.
            .args(["-o", "BatchMode=yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// Runs to the end, which must be a success.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?
        .wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{:?} ended with {}: {}",
            command,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// A terminal that is typed on and read from.
pub struct Terminal {
    _child: Running,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

/// Starts `line` on a terminal of the far side.
pub fn on_terminal(command: &mut Command, line: &str) -> Result<Child> {
    let piped = command
        .args(["-tt", "box", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    piped.spawn().context("cannot start ssh")
}

impl Terminal {
    /// Runs `line` on a terminal and waits until it has said `ready`.
    pub fn start(mut command: Command, line: &str) -> Result<Self> {
        let mut child = on_terminal(&mut command, line)?;
        let stdin = child.stdin.take().context("the terminal has an input")?;
        let stdout = child.stdout.take().context("the terminal has an output")?;
        let mut terminal = Self {
            _child: Running(child),
            stdin,
            stdout,
        };
        let mut seen = Vec::new();
        while !seen.windows(5).any(|part| part == b"ready") {
            let mut buffer = [0; 512];
            let count = terminal.stdout.read(&mut buffer)?;
            if count == 0 {
                bail!("the terminal ended before it was ready");
            }
            seen.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
        // The rest of the line, so that what is read next is an answer.
        while !seen.ends_with(b"\n") {
            let mut one = [0];
            if terminal.stdout.read(&mut one)? == 0 {
                bail!("the terminal ended before it was ready");
            }
            seen.extend_from_slice(&one);
        }
        Ok(terminal)
    }

    /// Types one key and waits for its echo.
    pub fn key(&mut self) -> Result<()> {
        self.stdin.write_all(b"k")?;
        self.stdin.flush()?;
        let mut one = [0];
        if self.stdout.read(&mut one)? == 0 {
            bail!("the terminal ended");
        }
        Ok(())
    }
}
