//! Checkpoints leave a real box for a folder, a syslog server and a witness, and stand against a copy that was put back.

use crate::rsyslog::{ClientCertificate, Rsyslog};
use super::gate::{Gate, PATIENCE};
use super::witness::Witness;
use crate::street::program::{copy_folder, run, said, wait_for};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn heads_leave_the_box_and_stand_against_a_copy_that_was_put_back() {
    let witness = Witness::new();
    let siem = Rsyslog::receiver(ClientCertificate::Asked);
    let share = tempfile::tempdir().unwrap();
    let more = format!(
        "[[checkpoints.folder]]\nname = \"share\"\npath = \"{}\"\nmounted = false\n[[checkpoints.syslog]]\nname = \"siem\"\nserver = \"127.0.0.1:{}\"\nca_file = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n{}",
        share.path().display(),
        siem.tls_port,
        siem.path("ca.pem").display(),
        siem.path("client.pem").display(),
        siem.path("client-key.pem").display(),
        witness.toml()
    );
    let mut gate = Gate::new(&more);
    witness.trust(&gate.key);
    gate.start();
    gate.add("北斗システム");
    gate.sent("every place has a checkpoint");
    let second = gate.ask(&["serve"]);
    assert!(!second.status.success() && said(&second).contains("another instance"), "{}", said(&second));

    // What each of them has is a head of this log.
    let taken = siem.wait_for("a checkpoint at the syslog server", |taken| taken.msgid == "checkpoint");
    let note = taken.data.split("note=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let by_syslog = gate.path("by-syslog");
    std::fs::write(&by_syslog, STANDARD.decode(note).unwrap()).unwrap();
    let latest = share.path().join("sekisho-aoba/latest");
    gate.kill();
    let copy = gate.path("copy");
    copy_folder(&gate.data(), &copy);
    let first_key = gate.key.clone();
    let verify = |folder: &PathBuf, extra: &[&str]| {
        let folder = folder.display().to_string();
        let args: Vec<&str> = ["verify", &folder, "--key", &first_key].into_iter().chain(extra.iter().copied()).collect();
        run(&args)
    };
    let (latest_text, syslog_text) = (latest.display().to_string(), by_syslog.display().to_string());
    let sound = verify(&copy, &["--checkpoint", &latest_text, "--checkpoint", &syslog_text, "--witness", &witness.key]);
    assert!(sound.status.success() && said(&sound).contains("WITNESS witness.test"), "{}", said(&sound));

    // The box goes on, and then yesterday's copy of all of it is put back.
    gate.start();
    for n in 0..5 {
        gate.add(&format!("会社{n}"));
    }
    let before = gate.outside()["places"][0]["entries"].as_u64().unwrap();
    gate.ask(&["log", "send"]);
    wait_for("the newer head left", PATIENCE, || (gate.outside()["places"].as_array().unwrap().iter().all(|place| place["entries"].as_u64() > Some(before + 4))).then_some(()));
    gate.kill();
    let cut = verify(&copy, &["--checkpoint", &latest_text]);
    assert!(!cut.status.success() && said(&cut).contains("log-cut"), "{}", said(&cut));
    std::fs::rename(gate.data(), gate.path("today")).unwrap();
    copy_folder(&copy, &gate.data());
    gate.start();
    let told = gate.outside();
    let against: Vec<&str> = told["contradictions"].as_array().unwrap().iter().filter_map(|one| one["place"].as_str()).collect();
    assert!(against.contains(&"share") && against.contains(&"witness"), "{told}");
    assert!(std::fs::read_to_string(gate.path("errors.txt")).unwrap().contains("ALARM: the log contradicts"));
    assert_eq!(gate.kinds("log_contradicted"), 2);

    // It stays so over a restart, and until somebody at the console decides.
    gate.kill();
    gate.start();
    assert_eq!(gate.outside()["contradictions"].as_array().unwrap().len(), 2);
    let silent = gate.ask(&["log", "accept-restore", "--reason", " "]);
    assert!(!silent.status.success(), "{}", said(&silent));
    let accepted = gate.ask(&["--json", "log", "accept-restore", "--reason", "ディスクの故障で昨夜の写しから戻した"]);
    assert!(accepted.status.success(), "{}", said(&accepted));
    let accepted: Value = serde_json::from_slice(&accepted.stdout).unwrap();
    let after_restore = accepted["key"].as_str().unwrap().to_owned();
    assert_eq!(gate.kinds("restore_accepted"), 2);
    assert!(gate.outside()["contradictions"].as_array().unwrap().is_empty());
    // The witness does not take the box's word for it.
    wait_for("the witness refuses", PATIENCE, || gate.outside()["places"].as_array().unwrap().iter().find(|place| place["name"] == "witness" && place["trouble"].as_str().is_some_and(|why| why.contains("sekisho witness"))).map(|_| ()));
    let here = gate.path("here");
    std::fs::write(&here, gate.ask(&["log", "checkpoint"]).stdout).unwrap();
    witness.trust(&after_restore);
    let pinned = witness.accept("sekisho/aoba", &here);
    assert!(pinned.status.success(), "{}", said(&pinned));
    gate.sent("every place has the new log");
    gate.kill();
    gate.start();
    assert!(gate.outside()["contradictions"].as_array().unwrap().is_empty(), "it was decided on, and the key was exchanged with it");

    // The key is exchanged; the first key still verifies, and the witness is told of the new one by its own operator.
    let turned = gate.ask(&["--json", "log", "rotate-key"]);
    assert!(turned.status.success(), "{}", said(&turned));
    let turned: Value = serde_json::from_slice(&turned.stdout).unwrap();
    witness.trust(turned["new"].as_str().unwrap());
    gate.add("交換の後");
    gate.sent("the head of the new key left");
    let proof = gate.ask(&["--json", "log", "prove", "3"]);
    let proof: Value = serde_json::from_slice(&proof.stdout).unwrap();
    assert!(proof["body"].as_str().unwrap().contains("\"seq\":3") && !proof["proof"].as_array().unwrap().is_empty(), "{proof}");
    gate.kill();
    let copy = gate.path("rotated");
    copy_folder(&gate.data(), &copy);
    for key in [gate.key.as_str(), &after_restore, turned["new"].as_str().unwrap()] {
        let verdict = run(&["verify", &copy.display().to_string(), "--key", key, "--key", &gate.key, "--witness", &witness.key, "--checkpoint", &latest_text]);
        assert!(verdict.status.success(), "{}", said(&verdict));
    }
    std::fs::remove_dir_all(copy.join("log/rotations")).unwrap();
    let broken = verify(&copy, &[]);
    assert!(!broken.status.success(), "{}", said(&broken));
}

#[test]
fn a_place_that_cannot_be_reached_holds_nobody_up_and_is_told() {
    let share = tempfile::tempdir().unwrap();
    let gone = share.path().join("not-there");
    // Nothing listens at port 9, and the folder lies on the disk of the data.
    let more = format!(
        "[[checkpoints.folder]]\nname = \"gone\"\npath = \"{}\"\nmounted = false\n[[checkpoints.folder]]\nname = \"same-disk\"\npath = \"{}\"\n[[checkpoints.witness]]\nname = \"deaf\"\nurl = \"http://127.0.0.1:9\"\nkey = \"{}\"\n",
        gone.display(),
        share.path().display(),
        sekisho_evidence::cosignature::WitnessKey::from_seed("deaf", &[1; 32]).unwrap().public()
    );
    let mut gate = Gate::new(&more);
    gate.start();
    gate.ask(&["log", "send"]);
    let told = wait_for("each failure is known", PATIENCE, || {
        let told = gate.outside();
        told["places"].as_array().unwrap().iter().all(|place| place["failing_since"].is_i64()).then_some(told)
    });
    let why = |name: &str| told["places"].as_array().unwrap().iter().find(|place| place["name"] == name).and_then(|place| place["trouble"].as_str()).unwrap_or_default().to_owned();
    assert!(why("same-disk").contains("not mounted"), "{told}");
    assert!(why("deaf").contains("cannot be reached"), "{told}");
    std::fs::create_dir(&gone).unwrap();
    gate.ask(&["log", "send"]);
    wait_for("the place that came back has the head", PATIENCE, || gate.outside()["places"].as_array().unwrap().iter().find(|place| place["name"] == "gone" && place["entries"].as_u64() > Some(0)).map(|_| ()));
    let unknown = Gate::new("").ask(&["log", "send"]);
    assert!(!unknown.status.success(), "nothing runs that could send: {}", said(&unknown));
}

#[test]
fn whoever_can_write_to_the_folder_leads_the_box_to_no_file_of_its_own() {
    let share = tempfile::tempdir().unwrap();
    let more = format!("[[checkpoints.folder]]\nname = \"share\"\npath = \"{}\"\nmounted = false\n", share.path().display());
    let mut gate = Gate::new(&more);
    let own = share.path().join("sekisho-aoba");
    let victim = gate.path("victim");
    std::fs::write(&victim, "a key of the box").unwrap();
    // The log's folder itself is a link.
    std::fs::create_dir(gate.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(gate.path("elsewhere"), &own).unwrap();
    gate.start();
    gate.ask(&["log", "send"]);
    let failing = |what: &str| wait_for(what, PATIENCE, || gate.outside()["places"][0]["failing_since"].is_i64().then_some(()));
    failing("a link is no folder");
    assert_eq!(std::fs::read_dir(gate.path("elsewhere")).unwrap().count(), 0);
    std::fs::remove_file(&own).unwrap();
    std::fs::create_dir(&own).unwrap();
    // Links under the names that are written, and a pipe under the one that is read.
    for name in ["latest.new", "checkpoint-000000000004.new", "checkpoint-000000000004", "checkpoint-000000000005"] {
        std::os::unix::fs::symlink(&victim, own.join(name)).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(own.join("latest")).status().unwrap().success());
    gate.ask(&["log", "send"]);
    failing("a pipe is no checkpoint, and nobody waits for it");
    std::fs::remove_file(own.join("latest")).unwrap();
    std::os::unix::fs::symlink(&victim, own.join("latest")).unwrap();
    gate.ask(&["log", "send"]);
    failing("a link is no checkpoint");
    std::fs::remove_file(own.join("latest")).unwrap();
    gate.sent("the folder takes checkpoints again");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "a key of the box");
    assert!(std::fs::read_to_string(own.join("latest")).unwrap().starts_with("sekisho/aoba\n"));
}
