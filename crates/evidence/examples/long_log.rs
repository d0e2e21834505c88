//! Writes a long log, so that `cargo xtask bench log` can say how long it takes to verify one, and measures proofs on it.
//!
//! `long_log write DIR ENTRIES` prints the verifier key; `long_log prove DIR TIMES` prints microseconds for each proof.
//! Entries look like those of sessions, about 400 bytes each; no recording belongs to them.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use sekisho_evidence::checkpoint::{self, SigningKey};
use sekisho_evidence::log::{
    CHECKPOINT_PATH, Files, Publisher, ReadFault, leaf_hash, prove, verify_inclusion,
};
use sekisho_evidence::{Digest, log::Tile};
use std::path::{Path, PathBuf};

const ORIGIN: &str = "sekisho/bench";
/// Facts of one session.
const SESSION: [&str; 8] = [
    "identified",
    "noted",
    "dialled",
    "noted",
    "noted",
    "alert_raised",
    "reconciled",
    "searched",
];

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, dir, count) = (
        args.next().unwrap(),
        PathBuf::from(args.next().unwrap()),
        args.next().unwrap().parse::<u64>().unwrap(),
    );
    match what.as_str() {
        "write" => write(&dir, count),
        "prove" => proofs(&dir, count),
        other => panic!("write or prove, not {other}"),
    }
}

fn write(dir: &Path, count: u64) {
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    let mut log = Publisher::new();
    for seq in 0..count {
        log.append(body(seq).as_bytes()).unwrap();
        if log.size().is_multiple_of(65_536) {
            save(dir, &mut log);
        }
    }
    save(dir, &mut log);
    let text = checkpoint::sign(ORIGIN, log.size(), &log.root(), &key).unwrap();
    std::fs::write(dir.join(CHECKPOINT_PATH), text).unwrap();
    println!("{}", key.public());
}

fn body(seq: u64) -> String {
    let session = seq / SESSION.len() as u64;
    let kind = SESSION[(seq % SESSION.len() as u64) as usize];
    let digest = Digest::of(&seq.to_be_bytes());
    format!(
        "{{\"seq\":{seq},\"at\":{},\"kind\":\"{kind}\",\"v\":1,\"actor\":{{\"kind\":\"person\",\"id\":\"W-{}\",\"name\":\"山田 太郎\"}},\
         \"session\":\"S-{session:010}\",\"plan\":\"P-{}\",\"target\":\"電子カルテDBサーバ\",\"source\":\"192.0.2.{}\",\
         \"path\":\"/var/lib/ehr/export/{seq:09}.csv\",\"bytes\":{},\"digest\":\"{digest}\"}}",
        1_790_000_000_000_u64 + seq * 137,
        session % 97,
        session / 4,
        session % 250,
        seq * 31 % 1_000_003,
    )
}

fn save(dir: &Path, log: &mut Publisher) {
    for file in log.take_files() {
        let path = dir.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.bytes).unwrap();
        if let Some(partial) = file.supersedes() {
            let _ = std::fs::remove_dir_all(dir.join(partial));
        }
    }
}

fn proofs(dir: &Path, times: u64) {
    let files = Folder(dir.to_owned());
    let head =
        checkpoint::unproved(&std::fs::read_to_string(dir.join(CHECKPOINT_PATH)).unwrap()).unwrap();
    let began = std::time::Instant::now();
    for turn in 0..times {
        let seq = turn * 7_919 % head.size;
        let proof = prove(seq, head.size, &files).unwrap();
        let leaf = leaf_hash(body(seq).as_bytes());
        verify_inclusion(&leaf, seq, head.size, &head.root, &proof).unwrap();
    }
    println!("{}", began.elapsed().as_micros() as f64 / times as f64);
}

struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadFault> {
        assert!(path == CHECKPOINT_PATH || Tile::parse(path).is_some());
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadFault::new(path, error)),
        }
    }

    fn list(&self, _: &str) -> Result<Vec<String>, ReadFault> {
        Ok(Vec::new())
    }
}
