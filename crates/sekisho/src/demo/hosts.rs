//! Real OpenSSH servers that play the hospital's hosts: each its own port, host key and log, run by this account.

use anyhow::{Context, Result, bail};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One server.
pub struct Host {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Its public host key, OpenSSH line without comment.
    pub host_key: String,
    child: Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where programs that are not on every account's search path lie.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];

fn program(name: &str) -> Result<PathBuf> {
    let found = PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is missing: install openssh-server and openssh-client"))
}

/// Makes an Ed25519 key pair and returns the public line without comment.
///
/// # Errors
/// `ssh-keygen` is missing or fails.
pub fn make_key(file: &Path) -> Result<String> {
    let output = Command::new(program("ssh-keygen")?).args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(file).output()?;
    if !output.status.success() {
        bail!("ssh-keygen: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let line = std::fs::read_to_string(file.with_extension("pub"))?;
    Ok(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Name of the account that runs this process.
///
/// # Errors
/// The system does not tell.
pub fn own_account() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("cannot ask for the account's name")?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if name.is_empty() {
        bail!("the account has no name");
    }
    Ok(name)
}

/// A port that was free a moment ago.
///
/// # Errors
/// None is.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// What a shell of the demo does at its start: it stands in the throw-away home. bash reads `.bashrc` for the commands of a
/// login by SSH too, other shells read `.profile` for terminals alone.
const AT_START: &str = "cd \"$HOME\"\nPS1='[demo \\w]\\$ '\n";

/// A home that ends with the demo: what is tried out there does not touch the files of the account that runs it.
fn furnish(home: &Path) -> Result<()> {
    std::fs::create_dir_all(home.join("logs"))?;
    std::fs::write(home.join(".profile"), AT_START)?;
    std::fs::write(home.join(".bashrc"), AT_START)?;
    std::fs::write(home.join("README.txt"), "デモ用の作業フォルダです。デモを終えると消えます。\n")?;
    std::fs::write(home.join("logs/batch.log"), "02:00:01 夜間バッチ 開始\n02:14:37 夜間バッチ 正常終了 (受付 412件)\n")?;
    Ok(())
}

/// Starts a server in `folder` that accepts `authorized` for this account, whose home there is a throw-away one.
///
/// # Errors
/// `sshd` is missing or does not come up; its own words are in the error.
pub fn start(folder: &Path, authorized: &str) -> Result<Host> {
    std::fs::create_dir_all(folder)?;
    let host_key = make_key(&folder.join("host_key"))?;
    std::fs::write(folder.join("authorized_keys"), format!("{authorized}\n"))?;
    if rustix::process::geteuid().is_root() {
        // The server insists on this folder when it runs as root.
        std::fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
    }
    furnish(&folder.join("home"))?;
    let port = free_port()?;
    let log = folder.join("sshd.log");
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
         Subsystem sftp internal-sftp -d {dir}/home\nSetEnv HOME={dir}/home\nAcceptEnv LANG LC_*\nPrintMotd no\nMaxStartups 100\nMaxSessions 100\nLogLevel VERBOSE\n",
        dir = folder.display()
    );
    let config = folder.join("sshd_config");
    std::fs::write(&config, text)?;
    let mut child = Command::new(program("sshd")?)
        .arg("-D")
        .arg("-f")
        .arg(&config)
        .arg("-E")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start sshd")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            bail!("sshd did not start: {}", std::fs::read_to_string(&log).unwrap_or_default().trim());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Host { port, host_key, child })
}
