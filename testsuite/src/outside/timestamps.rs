//! Time stamps: a real authority (`openssl ts`) behind a web server that is right, wrong, slow and away; the box's own; and what
//! verifiers say of both.

use super::gate::{Gate, PATIENCE};
use crate::house::base::Base;
use crate::house::ward::facts_of;
use crate::street::program::{copy_folder, output, root, run, said, wait_for};
use sekisho::config::Config;
use sekisho_core::people::Actor;
use sekisho_store::{OutsidePlace, Store, TimestampAuthority, VendorAsk};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TSA: &str = "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\ndefault_policy=1.2.3.4.1\ndigests=sha256\naccuracy=secs:1\nclock_precision_digits=3\nordering=yes\ntsa_name=yes\ness_cert_id_chain=no\nsigner_digest=sha256\n";

/// What the authority does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Does {
    Right,
    OtherBytes,
    OtherNonce,
    Garbage,
    TooLarge,
    Silent,
    ServerError,
    Expired,
    /// The same token, signed once more by whoever stamps.
    SignedAgain,
    /// The same, by a certificate of the same authority that is for web servers.
    OtherUsage,
}

const ALL: [Does; 10] = [Does::Right, Does::OtherBytes, Does::OtherNonce, Does::Garbage, Does::TooLarge, Does::Silent, Does::ServerError, Does::Expired, Does::SignedAgain, Does::OtherUsage];

/// A folder with an authority above (`ca.pem`) and certificates that stamp, one that has ended, and one that is for more.
pub(super) struct Authority {
    folder: TempDir,
    does: AtomicU8,
    turn: Mutex<()>,
}

impl Authority {
    pub(super) fn new() -> Arc<Self> {
        Self::named("Time root")
    }

    /// One whose certificate above has this name.
    pub(super) fn named(name: &str) -> Arc<Self> {
        let folder = tempfile::Builder::new().prefix("tsa-").tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("tsa.cnf", TSA.into());
        write("serial", "01\n".into());
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        write("ca.pem", params.self_signed(&key).unwrap().pem());
        let issuer = rcgen::Issuer::new(params, key);
        for (name, oids, until) in [("good", &b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x08"[..], 2090), ("ended", b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x08", 2020), ("other", b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", 2090)] {
            let pair = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, "Time of others");
            (params.not_before, params.not_after) = (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(until, 1, 1));
            let mut usage = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 37], oids.to_vec());
            usage.set_criticality(true);
            params.custom_extensions = vec![usage];
            params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
            write(&format!("{name}.pem"), params.signed_by(&pair, &issuer).unwrap().pem());
            write(&format!("{name}.key"), pair.serialize_pem());
        }
        Arc::new(Self { folder, does: AtomicU8::new(0), turn: Mutex::new(()) })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn does(&self, what: Does) {
        self.does.store(what as u8, Ordering::SeqCst);
    }

    pub(super) fn openssl(&self, args: &[&str]) -> Output {
        output(Command::new("openssl").args(args).current_dir(self.folder.path()), Duration::from_secs(60))
    }

    /// The answer over these bytes.
    pub(super) fn over(&self, bytes: &[u8]) -> Vec<u8> {
        std::fs::write(self.path("bytes"), bytes).unwrap();
        assert!(self.openssl(&["ts", "-query", "-data", "bytes", "-sha256", "-cert", "-out", "asked"]).status.success());
        self.stamp(&std::fs::read(self.path("asked")).unwrap(), Does::Right)
    }

    /// The answer of openssl to a question.
    fn stamp(&self, question: &[u8], what: Does) -> Vec<u8> {
        let _turn = self.turn.lock().unwrap();
        std::fs::write(self.path("q"), question).unwrap();
        // The hash in the question.
        let at = question.windows(2).position(|two| two == [4, 32]).unwrap() + 2;
        let hash: String = question[at..at + 32].iter().map(|byte| format!("{byte:02x}")).collect();
        let other = "ab".repeat(32);
        match what {
            Does::OtherBytes => assert!(self.openssl(&["ts", "-query", "-digest", &other, "-sha256", "-cert", "-out", "q"]).status.success()),
            Does::OtherNonce => assert!(self.openssl(&["ts", "-query", "-digest", &hash, "-sha256", "-cert", "-out", "q"]).status.success()),
            _ => {}
        }
        let name = match what {
            Does::Expired => "ended",
            _ => "good",
        };
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        let done = self.openssl(&["ts", "-reply", "-queryfile", "q", "-config", "tsa.cnf", "-signer", &certificate, "-inkey", &key, "-out", "r"]);
        assert!(done.status.success(), "{}", said(&done));
        match what {
            Does::SignedAgain => self.signed_by("good"),
            Does::OtherUsage => self.signed_by("other"),
            _ => std::fs::read(self.path("r")).unwrap(),
        }
    }

    /// The last answer with its token signed by this certificate. `openssl ts` signs by none that is not for time stamps; `openssl
    /// cms` does.
    fn signed_by(&self, name: &str) -> Vec<u8> {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        for args in [
            &["ts", "-reply", "-in", "r", "-token_out", "-out", "token"][..],
            &["cms", "-verify", "-noverify", "-inform", "DER", "-in", "token", "-out", "told"],
            &["cms", "-sign", "-binary", "-nodetach", "-cades", "-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", &certificate, "-inkey", &key, "-in", "told", "-outform", "DER", "-out", "token"],
        ] {
            let done = self.openssl(args);
            assert!(done.status.success(), "{args:?}: {}", said(&done));
        }
        // TimeStampResp: granted, and the token (RFC 3161 section 2.4.2).
        let body = [&[0x30, 3, 2, 1, 0][..], &std::fs::read(self.path("token")).unwrap()].concat();
        let [_, _, length @ ..] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82][..], &length, &body].concat()
    }

    /// Answers at an address of its own.
    pub(super) async fn listen(self: &Arc<Self>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let own = Arc::clone(&own);
                tokio::spawn(async move {
                    let mut taken = Vec::new();
                    let question = loop {
                        let mut room = [0; 4096];
                        let count = stream.read(&mut room).await.unwrap_or(0);
                        taken.extend_from_slice(&room[..count]);
                        if let Some(end) = taken.windows(4).position(|four| four == b"\r\n\r\n") {
                            let head = String::from_utf8_lossy(&taken[..end]).to_lowercase();
                            assert!(head.starts_with("post /tsr http/1.1") && head.contains("content-type: application/timestamp-query"), "{head}");
                            let length: usize = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                            if taken.len() >= end + 4 + length {
                                break taken[end + 4..].to_vec();
                            }
                        }
                        if count == 0 {
                            return;
                        }
                    };
                    let what = ALL[usize::from(own.does.load(Ordering::SeqCst))];
                    let (status, body) = match what {
                        Does::Silent => std::future::pending().await,
                        Does::Garbage => ("200 OK", b"<html>login first</html>".to_vec()),
                        Does::TooLarge => ("200 OK", vec![0x30; 200_000]),
                        Does::ServerError => ("503 Busy", Vec::new()),
                        what => ("200 OK", tokio::task::spawn_blocking(move || own.stamp(&question, what)).await.unwrap()),
                    };
                    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                });
            }
        });
        port
    }

    pub(super) fn toml(&self, port: u16) -> String {
        format!("[timestamps]\nurl = \"http://127.0.0.1:{port}/tsr\"\nca_file = \"{}\"\n", self.path("ca.pem").display())
    }
}

async fn authority(toml: &str, store: &Store) -> Arc<dyn TimestampAuthority> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sekisho.toml");
    std::fs::write(&path, toml).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    sekisho::timestamps::authority(&config, store).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_wrong_is_never_believed_and_said_in_words() {
    let base = Base::sqlite();
    let store = base.store().await;
    let real = Authority::new();
    let port = real.listen().await;
    let asked = authority(&real.toml(port), &store).await;
    let note = store.checkpoint().unwrap();
    let right = asked.stamp(note.as_bytes()).await.unwrap();
    assert!((right.at.0 - sekisho_core::time::Clock::now(&sekisho::clock::SystemClock).0).abs() < 120_000);
    real.does(Does::SignedAgain);
    asked.stamp(note.as_bytes()).await.expect("a token is believed whoever's program signed it, so that the usage alone is at fault below");
    for (what, word) in [(Does::OtherBytes, "of other bytes"), (Does::OtherNonce, "another question"), (Does::Garbage, "another form"), (Does::TooLarge, "too long"), (Does::ServerError, "503"), (Does::Expired, "expired"), (Does::OtherUsage, "not made for time stamps alone")] {
        real.does(what);
        let why = asked.stamp(note.as_bytes()).await.err().unwrap_or_else(|| panic!("{what:?} was believed"));
        assert!(why.contains(word), "{what:?}: {why}");
    }
    // One that we do not believe, with a certificate of the same name.
    let stranger = Authority::new();
    let strangers_port = stranger.listen().await;
    let mixed = authority(&real.toml(strangers_port), &store).await;
    assert!(mixed.stamp(note.as_bytes()).await.is_err());
    let wrong = Config::default();
    assert!(wrong.problems().is_empty());
    for (text, word) in [("url = \"http://x/\"", "ca_file"), ("ca_file = \"/x\"", "names nobody"), ("url = \"http://x/\"\nca_file = \"/x\"\nlocal = true", "local"), ("url = \"https://x/\"\nca_file = \"/x\"", "tls_ca_file"), ("every_minutes = 0", "every_minutes"), ("url = \"http://x/\"\nca_file = \"/x\"\npolicy = \"mine\"", "policy")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sekisho.toml");
        std::fs::write(&path, format!("[timestamps]\n{text}\n")).unwrap();
        let fault = Config::load(Some(&path)).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
        assert!(fault.contains(word), "{text}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_fails_stops_nothing_and_is_told_once_and_so_is_its_end() {
    let base = Base::sqlite();
    let clock = Arc::new(sekisho::clock::SystemClock);
    Store::init(base.settings(), clock.clone(), sekisho_store::FirstAdministrator::default()).await.unwrap();
    let store = Store::open(base.settings(), clock).await.unwrap();
    let real = Authority::new();
    let port = real.listen().await;
    // Slow, and then busy: the first question waits for its fifteen seconds.
    real.does(Does::Silent);
    let asked = authority(&real.toml(port), &store).await;
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.run_timestamps(asked, Duration::from_secs(3600), Duration::ZERO).await }
    });
    // Work goes on meanwhile.
    store.add_vendor(&Actor::console(), VendorAsk { name: "北斗".into(), ..VendorAsk::default() }).await.unwrap();
    let until = async |what: &str, kind: &'static str, count: usize| {
        for _ in 0..900 {
            if facts_of(&store, kind).await.len() == count {
                return;
            }
            store.send_outside_now();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what}: {:?}", store.timestamps().await.unwrap());
    };
    until("it is told", "timestamp_stuck", 1).await;
    let state = store.timestamps().await.unwrap().unwrap();
    assert!(state.failing_since.is_some() && state.entries == 0 && !state.local && state.authority == "127.0.0.1", "{state:?}");
    real.does(Does::Right);
    until("there are stamps again", "timestamp_goes_on", 1).await;
    let state = store.timestamps().await.unwrap().unwrap();
    assert!(state.entries > 0 && state.at.is_some(), "{state:?}");
    assert_eq!(facts_of(&store, "timestamp_stuck").await.len(), 1);
    assert!(state.offset_ms.abs() < 60_000 && state.trouble.is_none(), "{state:?}");
    assert!(store.data_dir().join(format!("log/timestamps/{}.tsr", state.entries)).is_file());
    task.abort();
    let places: Vec<OutsidePlace> = store.outside(&Actor::console()).await.unwrap().0;
    assert!(places.is_empty(), "an authority is no place outside");
}

/// Both verifiers; they must agree.
fn verified(folder: &Path, args: &[&str]) -> (bool, String) {
    let folder = folder.display().to_string();
    let all: Vec<&str> = [folder.as_str()].into_iter().chain(args.iter().copied()).collect();
    let ours = run(&["verify"].into_iter().chain(all.iter().copied()).collect::<Vec<_>>());
    let other = output(Command::new("python3").arg(root().join("testsuite/verifier/verify.py")).args(&all), Duration::from_secs(120));
    assert_eq!(ours.status.success(), other.status.success(), "the verifiers disagree: {}\n{}", said(&ours), said(&other));
    (ours.status.success(), said(&ours))
}

pub(super) fn stamps(data: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(data.join("log/timestamps")).map(|names| names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()).unwrap_or_default();
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".tsr")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_of_others_show_when_each_part_existed_and_what_was_put_in_their_place() {
    let real = Authority::new();
    let port = real.listen().await;
    let ca = real.path("ca.pem").display().to_string();
    tokio::task::spawn_blocking(move || {
        let mut gate = Gate::new(&real.toml(port));
        gate.start();
        wait_for("the first stamp", PATIENCE, || (stamps(&gate.data()).len() == 1).then_some(()));
        gate.add("北斗システム");
        std::thread::sleep(Duration::from_millis(1500));
        gate.ask(&["log", "send"]);
        wait_for("the second stamp", PATIENCE, || {
            gate.ask(&["log", "send"]);
            (stamps(&gate.data()).len() >= 2).then_some(())
        });
        let told = gate.ask(&["log", "outside"]);
        assert!(said(&told).contains("127.0.0.1") && said(&told).contains("entries stamped"), "{}", said(&told));
        gate.kill();
        let copy = gate.path("copy");
        copy_folder(&gate.data(), &copy);
        let (first, second) = (stamps(&copy)[0], *stamps(&copy).last().unwrap());
        let key = gate.key.clone();
        let (sound, text) = verified(&copy, &["--key", &key, "--tsa-ca", &ca]);
        assert!(sound && text.contains(&format!("entries 0 to {} existed at 20", first - 1)) && text.contains(&format!("to {} existed", second - 1)) && text.contains("outside authority") && text.contains("Time of others"), "{text}");
        assert!(verified(&copy, &["--key", &key]).1.contains("were not checked"));
        let note = copy.join(format!("log/timestamps/{second}.checkpoint"));
        let answer = copy.join(format!("log/timestamps/{second}.tsr"));
        let checked = real.openssl(&["ts", "-verify", "-data", &note.display().to_string(), "-in", &answer.display().to_string(), "-CAfile", "ca.pem"]);
        assert!(checked.status.success(), "openssl reads what lies there: {}", said(&checked));

        // A stamp over something else, of somebody else, altered, or none.
        let other = gate.path("other");
        let attack = |what: &str, code: &str, act: &dyn Fn(&Path)| {
            copy_folder(&copy, &other);
            act(&other);
            let (sound, text) = verified(&other, &["--key", &key, "--tsa-ca", &ca]);
            assert!(!sound && text.contains(code), "{what}: {text}");
            std::fs::remove_dir_all(&other).unwrap();
        };
        attack("the stamps are exchanged", "[timestamp]", &|folder| {
            std::fs::copy(folder.join(format!("log/timestamps/{first}.tsr")), folder.join(format!("log/timestamps/{second}.tsr"))).unwrap();
        });
        attack("what was stamped is gone", "[timestamp]", &|folder| std::fs::remove_file(folder.join(format!("log/timestamps/{first}.checkpoint"))).unwrap());
        attack("a byte of a stamp is flipped", "[timestamp]", &|folder| {
            let path = folder.join(format!("log/timestamps/{second}.tsr"));
            let mut bytes = std::fs::read(&path).unwrap();
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
            std::fs::write(path, bytes).unwrap();
        });
        attack("all stamps are gone", "[timestamp-missing]", &|folder| std::fs::remove_dir_all(folder.join("log/timestamps")).unwrap());
        let stranger = Authority::new();
        let (sound, text) = verified(&copy, &["--key", &key, "--tsa-ca", &stranger.path("ca.pem").display().to_string()]);
        assert!(!sound && text.contains("[timestamp-authority]") && text.contains("[timestamp-missing]"), "{text}");

        // Beside a second authority that is believed, a bad stamp of the first is still one.
        copy_folder(&copy, &other);
        std::fs::write(other.join(format!("log/timestamps/{second}.tsr")), real.over(b"other bytes")).unwrap();
        let believed_too = Authority::named("Time root of another house");
        let theirs = believed_too.path("ca.pem").display().to_string();
        for order in [[&ca, &theirs], [&theirs, &ca]] {
            let (sound, text) = verified(&other, &["--key", &key, "--tsa-ca", order[0], "--tsa-ca", order[1]]);
            assert!(!sound && text.contains("[timestamp]") && !text.contains("[timestamp-missing]"), "{text}");
            assert!(verified(&copy, &["--key", &key, "--tsa-ca", order[0], "--tsa-ca", order[1]]).0);
        }

        // The log is cut below what was stamped, and signed: whoever has the key cannot take the stamp back.
        let longer = gate.path("longer");
        copy_folder(&copy, &longer);
        std::fs::copy(copy.join(format!("log/timestamps/{first}.checkpoint")), longer.join("log/checkpoint")).unwrap();
        let (sound, text) = verified(&longer, &["--key", &key, "--tsa-ca", &ca]);
        assert!(!sound && text.contains("[log-cut]") && text.contains("time stamp"), "{text}");
    })
    .await
    .unwrap();
}

#[test]
fn stamps_of_the_boxs_own_prove_order_and_every_place_says_so() {
    let mut gate = Gate::new("[timestamps]\nlocal = true\n");
    gate.start();
    wait_for("the first stamp", PATIENCE, || (stamps(&gate.data()).len() == 1).then_some(()));
    assert_eq!(gate.kinds("timestamp_authority"), 1);
    let told = gate.ask(&["log", "outside"]);
    assert!(said(&told).contains("order, not outside time"), "{}", said(&told));
    gate.kill();
    gate.start();
    assert_eq!(gate.kinds("timestamp_authority"), 1, "the key is made once");
    gate.kill();
    let copy = gate.path("copy");
    copy_folder(&gate.data(), &copy);
    let own = copy.join("log/timestamps/local.pem").display().to_string();
    let (sound, text) = verified(&copy, &["--key", &gate.key, "--tsa-ca", &own]);
    assert!(sound && text.contains("LOCAL: order, not outside time") && !text.contains("outside authority"), "{text}");
    let number = stamps(&copy)[0];
    let path = |end: &str| copy.join(format!("log/timestamps/{number}.{end}")).display().to_string();
    let checked = output(Command::new("openssl").args(["ts", "-verify", "-data", &path("checkpoint"), "-in", &path("tsr"), "-CAfile", &own]), Duration::from_secs(60));
    assert!(checked.status.success(), "{}", said(&checked));
}
