//! `sekisho witness` as others speak to it: C2SP tlog-witness over HTTP.

use super::gate::{Gate, PATIENCE};
use crate::street::program::{command, free_port, run, said, wait_for};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::cosignature::WitnessPublic;
use sekisho_evidence::log::{MemoryFiles, Publisher, prove_consistency};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A witness that runs.
pub struct Witness {
    pub folder: TempDir,
    pub port: u16,
    pub key: String,
    process: Option<Child>,
    /// Its certificate and the authority that issued it, if it answers over TLS.
    certificate: Option<TempDir>,
}

impl Witness {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("witness-").tempdir().unwrap();
        let dir = folder.path().display().to_string();
        let made = run(&["--json", "witness", "init", "--dir", &dir, "--name", "witness.test"]);
        assert!(made.status.success(), "{}", said(&made));
        let value: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        let key = value["key"].as_str().unwrap().to_owned();
        let mut witness = Self { folder, port: free_port(), key, process: None, certificate: None };
        witness.start();
        witness
    }

    /// One that answers over TLS alone.
    pub fn over_tls() -> Self {
        let mut witness = Self::new();
        witness.certified_anew();
        witness
    }

    /// It starts again with a certificate of another authority.
    fn certified_anew(&mut self) {
        let folder = tempfile::Builder::new().prefix("witness-tls-").tempdir().unwrap();
        crate::rsyslog::certify(folder.path());
        self.stop();
        self.certificate = Some(folder);
        self.start();
    }

    fn file(&self, name: &str) -> Option<String> {
        self.certificate.as_ref().map(|folder| folder.path().join(name).display().to_string())
    }

    pub fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    pub fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut serve = command(&["witness", "serve", "--dir", &self.dir(), "--listen", &listen]);
        if let (Some(certificate), Some(key)) = (self.file("cert.pem"), self.file("key.pem")) {
            serve.args(["--certificate", &certificate, "--tls-key", &key]);
        }
        let child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.process = Some(child);
        wait_for("the witness answers", Duration::from_secs(30), || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn trust(&self, key: &str) {
        let trusted = run(&["witness", "trust", "--dir", &self.dir(), key]);
        assert!(trusted.status.success(), "{}", said(&trusted));
    }

    /// The same, going on from this checkpoint.
    pub fn accept(&self, origin: &str, checkpoint: &Path) -> std::process::Output {
        run(&["witness", "accept-restore", "--dir", &self.dir(), origin, "--reason", "写しから復元した", "--checkpoint", &checkpoint.display().to_string()])
    }

    pub fn accept_restore(&self, origin: &str) {
        let accepted = run(&["witness", "accept-restore", "--dir", &self.dir(), origin, "--reason", "写しから復元した"]);
        assert!(accepted.status.success(), "{}", said(&accepted));
    }

    pub fn toml(&self) -> String {
        let (scheme, authority) = match self.file("ca.pem") {
            Some(file) => ("https", format!("ca_file = \"{file}\"\n")),
            None => ("http", String::new()),
        };
        format!("[[checkpoints.witness]]\nname = \"witness\"\nurl = \"{scheme}://127.0.0.1:{}\"\nkey = \"{}\"\n{authority}", self.port, self.key)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A log of `size` entries whose entries from `fork` on are others.
fn log(size: u64, fork: u64, key: &SigningKey) -> (MemoryFiles, String) {
    let mut publisher = Publisher::new();
    for seq in 0..size {
        let kind = if seq >= fork { "forged" } else { "honest" };
        publisher.append(format!("{kind} {seq}").as_bytes()).unwrap();
    }
    let mut files = MemoryFiles::new();
    for file in publisher.take_files() {
        files.put(file.path, file.bytes);
    }
    (files, checkpoint::sign(key.public().name(), size, &publisher.root(), key).unwrap())
}

/// What is sent to go from `old` to the head of this log.
fn ask(old: u64, size: u64, fork: u64, key: &SigningKey) -> String {
    let (files, note) = log(size, fork, key);
    let proof = if old > 0 && old <= size { prove_consistency(old, size, &files).unwrap() } else { Vec::new() };
    let hashes: String = proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes()))).collect();
    format!("old {old}\n{hashes}\n{note}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_signs_what_continues_and_refuses_forks_shrinking_and_strangers() {
    let mut witness = Witness::new();
    let key = SigningKey::from_seed("sekisho/kita", &[1; 32]).unwrap();
    let public: WitnessPublic = witness.key.parse().unwrap();
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{}", witness.port);
    let post = async |body: String| {
        let answer = client.post(format!("{url}/add-checkpoint")).body(body).send().await.unwrap();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    assert_eq!(post(ask(0, 5, 99, &key)).await.0, 404, "an origin that nobody named");
    witness.trust(&key.public().to_string());
    let thief = SigningKey::from_seed("sekisho/kita", &[2; 32]).unwrap();
    assert_eq!(post(ask(0, 5, 99, &thief)).await.0, 403, "another key under the same name");

    let (status, _, line) = post(ask(0, 300, 999, &key)).await;
    assert_eq!(status, 200);
    let (_, note) = log(300, 999, &key);
    assert_eq!(public.open(&format!("{note}{line}")).unwrap().0.size, 300);
    // The same head again is signed again, with a fresh time.
    assert_eq!(post(ask(300, 300, 999, &key)).await.0, 200);
    assert_eq!(post(ask(300, 777, 999, &key)).await.0, 200);
    // A log that forgets: whoever names an older size learns the newest, and so does a shorter log.
    for (body, wanted) in [(ask(300, 800, 999, &key), 409), (ask(0, 800, 999, &key), 409), (ask(0, 500, 999, &key), 409), (ask(777, 500, 999, &key), 400)] {
        let (status, kind, size) = post(body).await;
        assert_eq!(status, wanted, "{size}");
        if wanted == 409 {
            assert_eq!((kind.as_str(), size.as_str()), ("text/x.tlog.size", "777\n"));
        }
    }
    // Forks: of the same size, and longer.
    assert_eq!(post(ask(777, 777, 100, &key)).await.0, 409);
    assert_eq!(post(ask(777, 900, 100, &key)).await.0, 422);
    // A proof that is none, too long, or missing.
    let (_, longer) = log(900, 999, &key);
    for proof in [String::new(), format!("{}\n", STANDARD.encode([0; 32])), format!("{}\n", STANDARD.encode([0; 32])).repeat(60)] {
        assert_eq!(post(format!("old 777\n{proof}\n{longer}")).await.0, 422);
    }
    for malformed in [String::new(), "old x\n\n".into(), format!("old 0777\n\n{longer}"), format!("old 777\nnot base64\n\n{longer}"), format!("old 777\n{}\n{longer}", format!("{}\n", STANDARD.encode([0; 32])).repeat(64)), format!("{longer}\n\n")] {
        assert_eq!(post(malformed.clone()).await.0, 400, "{malformed}");
    }
    assert_eq!(post("x".repeat(100_000)).await.0, 413);

    // What it signed outlives a power cut, and can be asked for.
    witness.stop();
    witness.start();
    let path = sekisho::witness::checkpoint_path("sekisho/kita");
    let seen = client.get(format!("{url}{path}")).send().await.unwrap().text().await.unwrap();
    assert_eq!(public.open(&seen).unwrap().0.size, 777);
    assert_eq!(checkpoint::open(&seen, key.public()).unwrap().size, 777);
    assert_eq!(post(ask(777, 900, 100, &key)).await.0, 422, "it still knows");
    for nothing in ["/checkpoint/..%2f..%2fwitness.key", "/checkpoint/xyz", "/witness.key", "/"] {
        assert_eq!(client.get(format!("{url}{nothing}")).send().await.unwrap().status().as_u16(), 404, "{nothing}");
    }
    assert_eq!(post(ask(777, 900, 999, &key)).await.0, 200);

    // Signature lines are under no signature: whoever has the newest head may send it with lines of theirs, and poisons nothing.
    let seen = async || client.get(format!("{url}{path}")).send().await.unwrap().text().await.unwrap();
    let (_, sound) = log(900, 999, &key);
    let id: String = witness.key.split('+').nth(1).unwrap().into();
    let id: Vec<u8> = (0..4).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    let own = format!("\u{2014} witness.test {}\n", STANDARD.encode([id, vec![7; 72]].concat()));
    let many: String = (0..31).map(|n| format!("\u{2014} junk{n} {}\n", STANDARD.encode([n; 68]))).collect();
    for junk in [own, many] {
        let (status, _, line) = post(format!("old 900\n\n{sound}{junk}")).await;
        assert_eq!(status, 200);
        assert_eq!(public.open(&format!("{sound}{line}")).unwrap().0.size, 900);
        let kept = seen().await;
        assert_eq!(kept, format!("{sound}{line}"), "it keeps what it judged, and its own line");
        assert_eq!(post(ask(900, 900, 999, &key)).await.0, 200);
    }

    // After a restore that somebody knows of, its own operator lets the log begin again; what was seen stays.
    witness.accept_restore("sekisho/kita");
    assert_eq!(post(ask(0, 800, 100, &key)).await.0, 200);
    let journal = std::fs::read_to_string(Path::new(&witness.dir()).join("journal")).unwrap();
    assert!(journal.contains("写しから復元した") && journal.contains("\"entries\":900"), "{journal}");
}

#[test]
fn a_box_speaks_to_its_witness_over_tls_and_believes_no_other_certificate() {
    let mut witness = Witness::over_tls();
    let mut gate = Gate::new(&witness.toml());
    witness.trust(&gate.key);
    gate.start();
    gate.add("北斗システム");
    gate.sent("the witness signed");
    let place = || gate.outside()["places"][0].clone();
    let signed = place()["entries"].as_u64().unwrap();
    // Whoever speaks in clear is answered nothing.
    let mut clear = std::net::TcpStream::connect(("127.0.0.1", witness.port)).unwrap();
    clear.write_all(b"GET /checkpoint/x HTTP/1.1\r\nHost: w\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    // The same witness with the same key, behind a certificate of another authority: it could be anybody between.
    let issued = witness.certificate.take();
    witness.certified_anew();
    gate.add("南十字システム");
    gate.ask(&["log", "send"]);
    let told = wait_for("the box refuses it", PATIENCE, || Some(place()).filter(|place| place["trouble"].as_str().is_some_and(|why| why.contains("certificate"))));
    assert_eq!(told["entries"].as_u64(), Some(signed), "it has signed nothing since: {told}");
    witness.stop();
    witness.certificate = issued;
    witness.start();
    gate.sent("the witness signed again");
    assert!(place()["entries"].as_u64() > Some(signed));
    gate.kill();
    let verdict = run(&["verify", &gate.data().display().to_string(), "--key", &gate.key, "--witness", &witness.key]);
    assert!(verdict.status.success() && said(&verdict).contains("WITNESS witness.test"), "{}", said(&verdict));
}

#[tokio::test]
async fn one_address_that_holds_connections_open_silences_no_other() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let witness = Witness::new();
    // Linux takes every address of 127.0.0.0/8 as its own.
    let from = async |host: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{host}:0").parse().unwrap()).unwrap();
        socket.connect(format!("127.0.0.1:{}", witness.port).parse().unwrap()).await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(from("127.0.0.7").await);
    }
    let mut other = from("127.0.0.8").await;
    other.write_all(b"GET /checkpoint/x HTTP/1.1\r\nHost: w\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    drop(held);
}
