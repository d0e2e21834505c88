//! A small data folder that the tests build, keep as a fixture, and damage.
#![allow(clippy::unwrap_used, dead_code)]

mod scribe;

use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::log::{MemoryFiles, Publisher};
use sekisho_evidence::recording::{
    ChannelKind, DataKey, Exit, Frame, Header, Seal, Sealed, path_of,
};

pub const ORIGIN: &str = "sekisho/kita-hospital";
pub const START: i64 = 1_790_000_000_000;

pub fn signing_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

pub fn data_key() -> DataKey {
    DataKey::from_bytes([5; 32])
}

pub fn header(session: &str) -> Header {
    Header {
        session: session.into(),
        plan: "P-17".into(),
        target: "ehr-db".into(),
        person: "W-3".into(),
        protocol: "ssh".into(),
        started_at: START,
        log_origin: ORIGIN.into(),
        wrapped_key: b"age-wrapped key".to_vec(),
        recipients: Vec::new(),
        second: None,
    }
}

/// A sealed recording of one shell.
pub fn recording(session: &str, output: &[u8]) -> (Vec<u8>, Sealed) {
    let (mut encoder, mut file) = scribe::Scribe::start(&header(session), data_key()).unwrap();
    encoder
        .push(
            0,
            0,
            Frame::ChannelOpen {
                kind: ChannelKind::Shell,
                text: "xterm".into(),
            },
        )
        .unwrap();
    encoder
        .push(1, 0, Frame::Resize { cols: 80, rows: 24 })
        .unwrap();
    encoder.push(40, 0, Frame::Output(output.to_vec())).unwrap();
    file.extend(encoder.cut().unwrap());
    encoder
        .push(
            900,
            0,
            Frame::Command {
                text: "exit".into(),
                line: "$ exit".into(),
            },
        )
        .unwrap();
    encoder
        .push(
            950,
            0,
            Frame::ChannelClose {
                exit: Some(Exit::Status(0)),
            },
        )
        .unwrap();
    let (bytes, sealed) = encoder
        .seal(Seal {
            cause: "peer_gone".into(),
            ended_at: START + 1000,
        })
        .unwrap();
    file.extend(bytes);
    (file, sealed)
}

pub struct Folder {
    pub files: MemoryFiles,
    pub bodies: Vec<Vec<u8>>,
    published: usize,
    publisher: Publisher,
}

impl Folder {
    pub fn new() -> Self {
        Self {
            files: MemoryFiles::new(),
            bodies: Vec::new(),
            published: 0,
            publisher: Publisher::new(),
        }
    }

    pub fn entry(&mut self, kind: &str, rest: &str) {
        let seq = self.bodies.len();
        let at = START + seq as i64 * 10;
        let body =
            format!(r#"{{"seq":{seq},"at":{at},"actor":{{"system":true}},"kind":"{kind}"{rest}}}"#);
        self.bodies.push(body.into_bytes());
    }

    pub fn note(&mut self, kind: &str) {
        self.entry(kind, "");
    }

    /// A session that entered, and left if it ended; the recording of one that did not has no seal.
    pub fn session(&mut self, session: &str, ended: bool) {
        let (mut file, sealed) = recording(session, b"Welcome\r\n$ ");
        let header_digest = sealed.header_digest;
        self.entry("entered", &format!(r#","session":"{session}","recording_header_digest":"{header_digest}","plan":"P-17""#));
        if ended {
            let digest = sealed.digest;
            self.entry(
                "left",
                &format!(r#","session":"{session}","digest":"{digest}","cause":"peer_gone""#),
            );
        } else {
            file.truncate(file.len() - 300);
        }
        self.files.put(path_of(session).unwrap(), file);
    }

    pub fn publisher(&self) -> Publisher {
        let mut publisher = Publisher::new();
        for body in &self.bodies {
            publisher.append(body).unwrap();
        }
        publisher
    }

    /// Publishes as if the log had grown at once.
    pub fn publish(&mut self) {
        self.files.files.retain(|path, _| !path.starts_with("log/"));
        let mut publisher = self.publisher();
        for file in publisher.take_files() {
            self.files.put(file.path, file.bytes);
        }
        self.sign(&publisher);
    }

    pub fn publish_keeping_partials(&mut self) {
        for body in &self.bodies[self.published..] {
            self.publisher.append(body).unwrap();
        }
        self.published = self.bodies.len();
        for file in self.publisher.take_files() {
            self.files.put(file.path, file.bytes);
        }
        let publisher = self.publisher.clone();
        self.sign(&publisher);
    }

    fn sign(&mut self, publisher: &Publisher) {
        let text =
            checkpoint::sign(ORIGIN, publisher.size(), &publisher.root(), &signing_key()).unwrap();
        self.files.put("log/checkpoint", text);
    }

    pub fn checkpoint(&self) -> String {
        String::from_utf8(self.files.files["log/checkpoint"].clone()).unwrap()
    }
}
