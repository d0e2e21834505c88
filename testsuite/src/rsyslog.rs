//! A real rsyslog for the tests: as a receiver by TLS, TCP and UDP that keeps what it took as JSON, one message a line, or with a
//! configuration of the test's own.
//!
//! `Rsyslog::receiver(ClientCertificate::Asked)` gives one that runs; `messages()` is what it took, `wait_for(…)` waits. Its
//! authority, its own certificate and one for a client lie in its folder: `ca.pem`, `cert.pem`, `key.pem`, `client.pem`,
//! `client-key.pem`.

use crate::street::program::{free_port, wait_for};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sekisho_courier::syslog::{Syslog, SyslogSettings, Transport};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Whether the receiver asks clients for a certificate of its authority.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It does not.
    NotAsked,
    /// Without one it takes nothing.
    Asked,
}

/// A message as it arrived.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Taken {
    pub pri: String,
    pub host: String,
    pub app: String,
    pub msgid: String,
    pub data: String,
    pub text: String,
    /// `tls`, `tcp` or `udp`: by which input.
    pub by: String,
}

/// The daemon.
pub struct Rsyslog {
    pub folder: TempDir,
    pub tls_port: u16,
    pub clear_port: u16,
    config: String,
    daemon: Option<Child>,
}

impl Rsyslog {
    /// A receiver that runs.
    pub fn receiver(client: ClientCertificate) -> Self {
        let folder = tempfile::Builder::new().prefix("rsyslog-").tempdir().unwrap();
        certify(folder.path());
        let (tls_port, clear_port) = (free_port(), free_port());
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mode = if client == ClientCertificate::Asked { "x509/certvalid" } else { "anon" };
        let config = format!(
            r#"global(workDirectory="{work}" maxMessageSize="16k" DefaultNetstreamDriverCAFile="{ca}" DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp")
module(load="imudp")
template(name="taken" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
  property(outname="by" name="inputname" format="jsonf")
}}
ruleset(name="keep") {{ action(type="omfile" file="{taken}" template="taken") }}
input(type="imtcp" name="tls" address="127.0.0.1" port="{tls_port}" ruleset="keep" streamDriver.Name="ossl" streamDriver.Mode="1" streamDriver.AuthMode="{mode}")
input(type="imtcp" name="tcp" address="127.0.0.1" port="{clear_port}" ruleset="keep")
input(type="imudp" name="udp" address="127.0.0.1" port="{clear_port}" ruleset="keep")
"#,
            work = folder.path().display(),
            ca = at("ca.pem"),
            cert = at("cert.pem"),
            key = at("key.pem"),
            taken = at("taken.json"),
        );
        let mut made = Self { folder, tls_port, clear_port, config, daemon: None };
        made.start();
        made.until_it_listens(tls_port);
        made
    }

    /// A daemon with a configuration of the test's own, in which `{folder}` stands for its folder. Certificates lie there.
    pub fn with(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("rsyslog-").tempdir().unwrap();
        certify(folder.path());
        let config = config.replace("{folder}", &folder.path().display().to_string());
        let mut made = Self { folder, tls_port: 0, clear_port: 0, config, daemon: None };
        made.start();
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it, at the same ports as before.
    pub fn start(&mut self) {
        std::fs::write(self.path("rsyslog.conf"), &self.config).unwrap();
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(self.path("errors.txt")).unwrap();
        let daemon = Command::new("/usr/sbin/rsyslogd")
            .arg("-n")
            .arg("-f")
            .arg(self.path("rsyslog.conf"))
            .arg("-i")
            .arg(self.path("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("rsyslog is installed (cargo xtask setup)");
        self.daemon = Some(daemon);
    }

    /// Starts it again after [`Rsyslog::stop`] and waits until it takes messages.
    pub fn start_again(&mut self) {
        self.start();
        self.until_it_listens(self.tls_port);
    }

    fn until_it_listens(&self, port: u16) {
        wait_for("rsyslog listens", Duration::from_secs(30), || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// What it took, in the order of arrival.
    pub fn messages(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.path("taken.json")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a message.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Taken) -> bool) -> Taken {
        wait_for(what, Duration::from_secs(60), || self.messages().into_iter().find(&is_it))
    }

    /// The way to it by TLS, with or without our own certificate.
    pub fn by_tls(&self, identified: bool) -> Syslog {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let identity = identified.then(|| (read("client.pem"), read("client-key.pem")));
        self.by(self.tls_port, Transport::Tls { authorities: read("ca.pem"), identity, bare_close: false })
    }

    /// The way to it by some other transport.
    pub fn by(&self, port: u16, transport: Transport) -> Syslog {
        Syslog::new(SyslogSettings { server: "127.0.0.1".into(), port, transport }).unwrap()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An authority, a certificate for 127.0.0.1 and one for a client, in `folder`.
pub fn certify(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "rsyslog test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (name, usage, certificate, key_file) in [("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, "cert.pem", "key.pem"), ("sekisho.test", ExtendedKeyUsagePurpose::ClientAuth, "client.pem", "client-key.pem")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        std::fs::write(folder.join(certificate), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(folder.join(key_file), key.serialize_pem()).unwrap();
    }
}
