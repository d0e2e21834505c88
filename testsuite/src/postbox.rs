//! A real mail server for the tests (aiosmtpd): started, stopped and started again at the same port, with the letters that it
//! took in a folder.
//!
//! `Postbox::new(Mode::StartTls)` gives one that runs; `toml()` is the `[mail]` section for a Sekisho that sends to it, and
//! `letter_to(address)` waits for a letter. The link in an invitation is what [`Letter::link`] gives.

use crate::street::program::{free_port, root, wait_for};
use sekisho_core::letter::Address;
use sekisho_core::secret::Secret;
use sekisho_courier::{CourierSettings, Protection, Smtp};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How the server protects its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    StartTls,
    Implicit,
    /// Says nothing of STARTTLS, as behind somebody who took the word out.
    Stripped,
}

/// A letter as it arrived.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Arrived {
    pub to: Vec<String>,
    pub from: String,
    pub from_header: String,
    pub subject: String,
    pub text: String,
    pub headers: Vec<String>,
    pub message_id: String,
    pub tls: bool,
    pub account: Option<String>,
}

impl Arrived {
    /// The enrolment link in it.
    pub fn link(&self) -> String {
        self.text.lines().map(str::trim).find(|line| line.contains("/enrol/")).unwrap_or_else(|| panic!("no link: {}", self.text)).to_owned()
    }

    /// The token at the end of that link.
    pub fn token(&self) -> String {
        self.link().rsplit('/').next().unwrap().to_owned()
    }
}

/// The server.
pub struct Postbox {
    pub mode: Mode,
    pub port: u16,
    pub folder: TempDir,
    account: Option<(&'static str, &'static str)>,
    server: Option<Child>,
}

impl Postbox {
    pub fn new(mode: Mode) -> Self {
        Self::with(mode, None)
    }

    pub fn with(mode: Mode, account: Option<(&'static str, &'static str)>) -> Self {
        let folder = tempfile::Builder::new().prefix("postbox-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("letters")).unwrap();
        let mut postbox = Self { mode, port: free_port(), folder, account, server: None };
        postbox.certify("127.0.0.1", "ca.pem");
        postbox.start();
        postbox
    }

    /// A certificate of a fresh authority, which is written beside it under `authority`.
    pub fn certify(&self, name: &str, authority: &str) {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "試験の認証局");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).unwrap();
        std::fs::write(self.path(authority), root.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let server = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        std::fs::write(self.path("cert.pem"), params.signed_by(&server, &issuer).unwrap().pem()).unwrap();
        std::fs::write(self.path("key.pem"), server.serialize_pem()).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn start(&mut self) {
        let mode = match self.mode {
            Mode::Plain => "plain",
            Mode::StartTls => "starttls",
            Mode::Implicit => "implicit",
            Mode::Stripped => "stripped",
        };
        let (account, secret) = self.account.unwrap_or_default();
        let mut server = Command::new(python())
            .arg(root().join("testsuite/smtp/postbox.py"))
            .arg(self.port.to_string())
            .args([self.path("letters"), PathBuf::from(mode), self.path("cert.pem"), self.path("key.pem")])
            .args([account, secret])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python clients are installed (cargo xtask test)");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "the mail server said {line:?}");
        self.server = Some(server);
    }

    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// What it took, in the order of arrival.
    pub fn letters(&self) -> Vec<Arrived> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.path("letters")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
    }

    /// Waits for a letter to an address.
    pub fn letter_to(&self, address: &str) -> Arrived {
        let found = || self.letters().into_iter().rev().find(|letter| letter.to.iter().any(|to| to == address));
        wait_for("a letter arrives", Duration::from_secs(60), found)
    }

    /// The courier for it.
    pub fn courier(&self) -> Smtp {
        self.courier_trusting("ca.pem", self.account)
    }

    pub fn courier_trusting(&self, authority: &str, account: Option<(&str, &str)>) -> Smtp {
        let settings = CourierSettings {
            server: "127.0.0.1".into(),
            port: self.port,
            protection: match self.mode {
                Mode::Plain => Protection::None,
                Mode::Implicit => Protection::Implicit,
                Mode::StartTls | Mode::Stripped => Protection::StartTls,
            },
            authorities: Some(std::fs::read(self.path(authority)).unwrap()),
            account: account.map(|(name, secret)| (name.to_owned(), Secret::new(secret))),
            from: Address::parse("sekisho@aoba.example").unwrap(),
            from_name: "青葉病院 関所".into(),
        };
        Smtp::new(settings).unwrap()
    }

    /// The section of `sekisho.toml` for it.
    pub fn toml(&self) -> String {
        let tls = match self.mode {
            Mode::Plain => "none",
            Mode::Implicit => "implicit",
            Mode::StartTls | Mode::Stripped => "starttls",
        };
        let mut text = format!("[mail]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"{tls}\"\nca_file = \"{}\"\nfrom = \"sekisho@aoba.example\"\n", self.port, self.path("ca.pem").display());
        if let Some((account, secret)) = self.account {
            use std::os::unix::fs::PermissionsExt;
            let file = self.path("secret");
            std::fs::write(&file, secret).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            text.push_str(&format!("account = \"{account}\"\nsecret_file = \"{}\"\n", file.display()));
        }
        text
    }
}

impl Drop for Postbox {
    fn drop(&mut self) {
        self.stop();
    }
}

#[allow(clippy::disallowed_methods, reason = "the test command names the folder of the clients")]
pub fn python() -> PathBuf {
    std::env::var_os("SEKISHO_CLIENTS").map_or_else(|| root().join("target/clients/bin"), PathBuf::from).join("python3")
}
