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
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\nAcceptEnv LANG LC_*\nPrintMotd no\nPrintLastLog no\nMaxStartups 100\nMaxSessions 100\nRekeyLimit 16M\n",
            dir = folder.display()
        );
        std::fs::write(folder.join("sshd_config"), config).expect("sshd_config");
        let log = folder.join("sshd.log");
        let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).is_file());
        let mut child = Command::new(program.expect("sshd is missing: install openssh-server"))
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
        Self { port, host_key, key_file, child, _keeper: keeper }
    }
}
