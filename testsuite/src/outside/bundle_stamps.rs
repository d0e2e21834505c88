//! Time stamps in evidence bundles: what two verifiers and `openssl` say of them, and of what is put in their place.

use super::bundles::{Log, Parts, Zip, honest, log, sealed, second};
use super::gate::{Gate, PATIENCE};
use super::timestamps::{Authority, stamps};
use crate::street::program::{output, root, run, said, wait_for};
use sekisho_evidence::bundle::Scope;
use sekisho_evidence::checkpoint;
use sekisho_evidence::log::Publisher;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Both verifiers, which must agree; what the first says.
fn judged(zip: &Path, key: &str, more: &[&str]) -> (bool, String) {
    let file = zip.display().to_string();
    let args: Vec<&str> = ["--key", key].into_iter().chain(more.iter().copied()).collect();
    let ours = run(&["verify", "--bundle", &file].into_iter().chain(args.iter().copied()).collect::<Vec<_>>());
    let other = output(Command::new("python3").arg(root().join("testsuite/verifier/bundle.py")).arg(&file).args(&args), Duration::from_secs(120));
    assert_eq!(ours.status.success(), other.status.success(), "the verifiers disagree: {}\n{}", said(&ours), said(&other));
    (ours.status.success(), said(&ours))
}

/// The log of the attacks on bundles, with two heads under time stamps of an authority.
fn stamped(authority: &Authority) -> Log {
    let mut log = log();
    for (size, note) in [(3, log.early.clone()), (9, log.mailed.clone())] {
        let answer = authority.over(note.as_bytes());
        log.stamps.push((size, note.into_bytes(), answer));
    }
    log
}

#[test]
fn stamps_date_the_entries_of_a_bundle_and_what_is_put_in_their_place_is_found() {
    let work = tempfile::Builder::new().prefix("stamped-").tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.path("ca.pem").display().to_string();
    let key = super::bundles::first_key();
    let (whole, parts) = honest(&stamped(&authority), Scope::Session { session: "S-2".into() }, vec![3, 4, 5, 7, 8], &["S-2"]);
    let zip = work.path().join("bundle.zip");
    std::fs::write(&zip, &whole).unwrap();
    let (sound, text) = judged(&zip, &key, &["--tsa-ca", &ca]);
    assert!(sound && text.contains("entries 0 to 2 existed at 20") && text.contains("entries 3 to 8 existed at 20") && text.contains("outside authority"), "{text}");
    let (sound, text) = judged(&zip, &key, &[]);
    assert!(sound && text.contains("2 time stamps lie in the bundle and were not checked"), "{text}");

    // The instructions in the bundle, word for word, by somebody who has the files and OpenSSL.
    for (path, bytes) in &parts {
        let place = work.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
    }
    let instructions = String::from_utf8(parts["README.txt"].clone()).unwrap();
    let lines: Vec<&str> = instructions.lines().map(|line| line.trim_start_matches(['\u{3000}', ' '])).filter(|line| line.starts_with("openssl ts -verify ")).collect();
    assert_eq!(lines.len(), 2, "in both languages: {instructions}");
    for line in lines {
        let words: Vec<&str> = line.split(' ').skip(1).map(|word| if word == "AUTHORITY.pem" { ca.as_str() } else { word }).collect();
        let checked = output(Command::new("openssl").args(&words).current_dir(work.path()), Duration::from_secs(60));
        assert!(checked.status.success(), "{line}: {}", said(&checked));
    }

    let attack = |what: &str, code: &str, act: &dyn Fn(&mut Parts)| {
        let mut copy = parts.clone();
        act(&mut copy);
        // Whoever attacks holds the key of the log, and makes a manifest that fits.
        sealed(&mut copy, &second(), |_| {});
        std::fs::write(&zip, Zip::of(&copy).end(0)).unwrap();
        let (sound, text) = judged(&zip, &key, &["--tsa-ca", &ca]);
        assert!(!sound && text.contains(code), "{what}: {text}");
    };
    attack("the stamps are exchanged", "[timestamp]", &|parts| drop(parts.insert("log/timestamps/9.tsr".into(), parts["log/timestamps/3.tsr"].clone())));
    attack("what was stamped is gone", "[timestamp]", &|parts| drop(parts.remove("log/timestamps/3.checkpoint")));
    attack("a byte of a stamp is flipped", "[timestamp]", &|parts| {
        let bytes = parts.get_mut("log/timestamps/9.tsr").unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
    });
    attack("a head under another number", "[timestamp]", &|parts| {
        for end in ["tsr", "checkpoint"] {
            let bytes = parts.remove(&format!("log/timestamps/3.{end}")).unwrap();
            parts.insert(format!("log/timestamps/4.{end}"), bytes);
        }
    });
    attack("all stamps are gone", "[timestamp-missing]", &|parts| parts.retain(|path, _| !path.starts_with("log/timestamps/")));
    attack("nothing joins the stamped head to the log", "[timestamp-unjoined]", &|parts| {
        let text = String::from_utf8(parts["log/consistency.txt"].clone()).unwrap();
        parts.insert("log/consistency.txt".into(), text.lines().filter(|line| !line.starts_with("3 ")).map(|line| format!("{line}\n")).collect::<String>().into_bytes());
    });
    let mut other = Publisher::new();
    for n in 0..9 {
        other.append(format!("{{\"another\":{n}}}").as_bytes()).unwrap();
    }
    let forged = checkpoint::sign(super::bundles::origin(), other.size(), &other.root(), &second()).unwrap();
    let answer = authority.over(forged.as_bytes());
    attack("another history was stamped", "[log-forked]", &|parts| {
        parts.insert("log/timestamps/9.checkpoint".into(), forged.clone().into_bytes());
        parts.insert("log/timestamps/9.tsr".into(), answer.clone());
    });
    std::fs::write(&zip, &whole).unwrap();
    let stranger = Authority::new();
    let theirs = stranger.path("ca.pem").display().to_string();
    let (sound, text) = judged(&zip, &key, &["--tsa-ca", &theirs]);
    assert!(!sound && text.contains("[timestamp-authority]") && text.contains("[timestamp-missing]"), "{text}");
    let (sound, text) = judged(&zip, &key, &["--tsa-ca", &ca, "--tsa-ca", &theirs]);
    assert!(sound && text.contains("entries 3 to 8 existed at 20"), "{text}");
}

/// Whoever believes two authorities is told of a bad stamp of either of them, whichever is named first. One of a third is told and not
/// counted, if it is one.
#[test]
fn a_bad_stamp_of_one_of_two_authorities_is_not_taken_for_a_strangers() {
    let work = tempfile::Builder::new().prefix("two-").tempdir().unwrap();
    // The third calls itself as the first does.
    let (one, other, third) = (Authority::new(), Authority::named("Time root of another house"), Authority::new());
    let [first, second_ca] = [&one, &other].map(|authority| authority.path("ca.pem").display().to_string());
    let key = super::bundles::first_key();
    let mut log = log();
    for (size, note, authority) in [(3, log.early.clone(), &one), (9, log.mailed.clone(), &other)] {
        let answer = authority.over(note.as_bytes());
        log.stamps.push((size, note.into_bytes(), answer));
    }
    let (_, parts) = honest(&log, Scope::Session { session: "S-2".into() }, vec![3, 4, 5, 7, 8], &["S-2"]);
    let zip = work.path().join("bundle.zip");
    let both_ways = |size: u64, answer: Vec<u8>| {
        let mut copy = parts.clone();
        copy.insert(format!("log/timestamps/{size}.tsr"), answer);
        sealed(&mut copy, &second(), |_| {});
        std::fs::write(&zip, Zip::of(&copy).end(0)).unwrap();
        [[&first, &second_ca], [&second_ca, &first]].map(|order| judged(&zip, &key, &["--tsa-ca", order[0], "--tsa-ca", order[1]]))
    };
    let flipped = |mut answer: Vec<u8>| {
        let last = answer.len() - 3;
        answer[last] ^= 1;
        answer
    };
    for (sound, text) in both_ways(9, log.stamps[1].2.clone()) {
        assert!(sound && text.contains("entries 0 to 2 existed at 20") && text.contains("entries 3 to 8 existed at 20"), "{text}");
    }
    for (size, authority) in [(3, &one), (9, &other)] {
        for (sound, text) in both_ways(size, authority.over(b"other bytes")) {
            assert!(!sound && text.contains("[timestamp]") && !text.contains("[timestamp-authority]"), "over other bytes: {text}");
        }
    }
    for (sound, text) in both_ways(3, flipped(log.stamps[0].2.clone())) {
        assert!(!sound && text.contains("[timestamp]"), "signed by nobody: {text}");
    }
    let of_a_third = third.over(log.mailed.as_bytes());
    for (sound, text) in both_ways(9, of_a_third.clone()) {
        assert!(sound && text.contains("[timestamp-authority]") && text.contains("entries 0 to 2 existed at 20"), "of a third: {text}");
    }
    for (sound, text) in both_ways(9, flipped(of_a_third)) {
        assert!(!sound && text.contains("[timestamp]"), "of a third, signed by nobody: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_the_box_makes_brings_its_stamps() {
    let authority = Authority::new();
    let port = authority.listen().await;
    let ca = authority.path("ca.pem").display().to_string();
    tokio::task::spawn_blocking(move || {
        let mut gate = Gate::new(&authority.toml(port));
        gate.start();
        wait_for("the first stamp", PATIENCE, || (!stamps(&gate.data()).is_empty()).then_some(()));
        gate.add("北斗システム");
        let zip = gate.path("period.zip");
        gate.ask(&["bundle", "period", "--from", "2026-01-01T00:00", "--until", "2099-01-01T00:00", "--reason", "監査", "--out", &zip.display().to_string()]);
        let (sound, text) = judged(&zip, &gate.key, &["--tsa-ca", &ca]);
        assert!(sound && text.contains("entries 0 to") && text.contains("existed at 20") && text.contains("outside authority"), "{text}");
        gate.kill();
    })
    .await
    .unwrap();
}
