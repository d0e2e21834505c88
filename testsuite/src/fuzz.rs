//! The bodies of the fuzzers without a fuzzer: over their committed corpus, and over changes to it.

#[path = "../../fuzz/src/bodies.rs"]
#[allow(clippy::expect_used, clippy::unwrap_used, reason = "a body that fails is what is looked for")]
mod bodies;

use super::street::program::root;
use std::time::{Duration, Instant};

/// Lines of others that the gateway reads: a worker's public key, and a target's. They need the SSH library, which the
/// folder `fuzz` leaves out.
fn key_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = sekisho_gateway::fingerprint(text);
    if let Ok(line) = sekisho_gateway::check_public_key_line(text) {
        assert_eq!(sekisho_gateway::check_public_key_line(&line).as_ref(), Ok(&line), "a line that was taken is spelled in one way");
        assert!(!line.contains(['\n', '\r']), "a key is one line");
    }
}

fn all() -> Vec<(&'static str, fn(&[u8]))> {
    let mut all = bodies::ALL.to_vec();
    all.push(("key", key_line));
    all
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

/// xorshift64*: the same changes at each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0) % sides.max(1)
    }

    fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        const VALUES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'/', 0x1b];
        let mut bytes = seeds[self.throw(seeds.len())].clone();
        for _ in 0..=self.throw(6) {
            let at = self.throw(bytes.len() + 1);
            match self.throw(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.throw(8),
                1 if at < bytes.len() => bytes[at] = VALUES[self.throw(VALUES.len())],
                2 => bytes.insert(at, VALUES[self.throw(VALUES.len())]),
                3 if at < bytes.len() => drop(bytes.remove(at)),
                4 => bytes.truncate(at),
                5 => {
                    let end = (at + self.throw(40)).min(bytes.len());
                    let part = bytes[at.min(end)..end].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => {
                    let other = &seeds[self.throw(seeds.len())];
                    let from = self.throw(other.len() + 1);
                    bytes.splice(at.., other[from..].iter().copied());
                }
            }
        }
        bytes.truncate(4096);
        bytes
    }
}

#[test]
fn every_seed_of_every_fuzzer_goes_through() {
    for (name, body) in all() {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        seeds.iter().for_each(|seed| body(seed));
    }
}

/// Longer by hand: `SEKISHO_FUZZ_SECONDS=300 cargo test -p sekisho-testsuite fuzz`.
#[test]
#[allow(clippy::disallowed_methods, reason = "how long a person wants to look")]
fn changed_seeds_make_no_fuzzer_fail() {
    let seconds = std::env::var("SEKISHO_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for (name, body) in all() {
        let seeds = corpus(name);
        let mut dice = Dice(0x5e61_5e61);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut rounds = 0_u64;
        while Instant::now() < until {
            let bytes = dice.change(&seeds);
            let begun = Instant::now();
            let went = std::panic::catch_unwind(|| body(&bytes));
            assert!(went.is_ok(), "{name} fails on {}", bytes.escape_ascii());
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} takes {:?} over {}", begun.elapsed(), bytes.escape_ascii());
            rounds += 1;
        }
        println!("{name}: {rounds} rounds");
    }
}
