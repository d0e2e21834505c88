//! A real OpenSSH server that plays a host of the hospital.

use super::keeper::Keeper;
use super::program::{free_port, wait_for};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server on a port of its own.
pub struct Sshd {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Its public host key, without comment.
    pub host_key: String,
    /// Private key that it accepts for the account that runs the tests.
    pub key_file: PathBuf,
    folder: PathBuf,
    child: Child,
    _keeper: Keeper,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key pair and gives its public line without comment.
pub fn make_key(file: &Path) -> String {
    let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(file).status();
    assert!(status.is_ok_and(|status| status.success()), "ssh-keygen failed: install openssh-client");
    let line = std::fs::read_to_string(file.with_extension("pub")).expect("the public key");
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The account that runs the tests.
pub fn account() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Sshd {
    /// Starts one in `folder`.
    pub fn start(folder: &Path) -> Self {
        Self::launch(folder, "", &[])
    }

    /// Starts it by a program in front, with lines before its settings.
    fn launch(folder: &Path, first: &str, front: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the server");
        let host_key = make_key(&folder.join("host_key"));
        let key_file = folder.join("client_key");
        let authorized = make_key(&key_file);
        std::fs::write(folder.join("authorized_keys"), format!("{authorized}\n")).expect("authorized_keys");
        if account() == "root" {
            // The server insists on this folder when it runs as root.
            std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        }
        let port = free_port();
        // A home of its own: the start-up files of this machine's account are not the target's, neither their words nor the
        // locks they leave behind when a shell is cut within them.
        std::fs::create_dir_all(folder.join("home")).expect("a home");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nAcceptEnv LANG LC_*\nPrintMotd no\nPrintLastLog no\nMaxStartups 100\nMaxSessions 100\nRekeyLimit 16M\nSetEnv HOME={dir}/home\n",
            dir = folder.display()
        );
        std::fs::write(folder.join("sshd_config"), format!("{first}{config}")).expect("sshd_config");
        let log = folder.join("sshd.log");
        let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).is_file());
        let program = program.expect("sshd is missing: install openssh-server");
        let mut words = front.iter().copied().chain([program]);
        let mut child = Command::new(words.next().unwrap_or(program))
            .args(words)
            .args(["-D", "-f"])
            .arg(folder.join("sshd_config"))
            .arg("-E")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        let keeper = Keeper::of(child.id(), None);
        wait_for("sshd listens", Duration::from_secs(10), || {
            assert!(child.try_wait().expect("its state").is_none(), "sshd ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, host_key, key_file, folder: folder.to_owned(), child, _keeper: keeper }
    }

    /// What the server has written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }

    /// Puts lines before the settings, where the first of a kind counts, and lets the running server read them.
    pub fn set_first(&self, lines: &str) {
        let file = self.folder.join("sshd_config");
        let config = std::fs::read_to_string(&file).expect("sshd_config");
        std::fs::write(&file, format!("{lines}{config}")).expect("sshd_config");
        self.reload("");
    }

    /// Starts one with an account and a password of its own. It sees a copy of `/etc`, in a mount namespace of its own, so
    /// that nothing of this machine is changed. Needs root.
    pub fn start_apart(folder: &Path, account: &str, password: &str) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the server");
        let etc = folder.join("etc");
        std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let prepare = format!(
            "set -e; cp -a /etc {etc}; mount --bind {etc} /etc; useradd -M -d /tmp -s /bin/sh {account}; echo '{account}:{password}' | chpasswd; exec \"$@\"",
            etc = etc.display()
        );
        Self::launch(folder, "PasswordAuthentication yes\n", &["unshare", "-m", "sh", "-c", &prepare, "sh"])
    }

    /// Adds lines to the end of the settings and lets the running server read them, as `systemctl reload` does.
    pub fn reload(&self, lines: &str) {
        let file = self.folder.join("sshd_config");
        let config = std::fs::read_to_string(&file).expect("sshd_config") + lines;
        std::fs::write(&file, config).expect("sshd_config");
        let heard = self.log().matches("Server listening").count();
        super::program::signal(self.child.id(), "HUP");
        wait_for("sshd has read its settings", Duration::from_secs(10), || (self.log().matches("Server listening").count() > heard).then_some(()));
    }
}
