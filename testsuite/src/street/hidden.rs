//! What a worker types while the target does not echo: a password for `sudo`, a database's pass phrase.

use super::house::{self, TARGET};
use super::program::{said, wait_for};
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "Himitsu-no-kotoba-4649";
const SHOWN: &str = "mieru-kotoba-5963";

fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), into),
            Ok(kind) if kind.is_file() => into.push(entry.path()),
            _ => {}
        }
    }
}

#[test]
fn what_is_typed_without_echo_is_neither_recorded_nor_listed_nor_on_the_disk() {
    let house = house::shared();
    let (worker, _) = house.at_work("hid", &["shell"]);
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line(&format!("echo ko''tae {SHOWN}"));
    shell.wait_for(&format!("kotae {SHOWN}"));
    shell.type_line("read -rs -p 'PASS''PHRASE: ' x; echo \"naga-sa ${#x}\"");
    shell.wait_for("PASSPHRASE:");
    shell.type_line(SECRET);
    shell.wait_for(&format!("naga-sa {}", SECRET.len()));
    shell.type_line("exit");
    shell.wait_for_end(Duration::from_secs(10));
    assert!(!shell.screen().contains(SECRET), "the target itself echoed it: the test proves nothing");

    let id = house.ended("hid", 1).remove(0);
    let told = house.session(&id).to_string();
    assert!(told.contains(SHOWN), "the list of commands does not hold what was shown: {told}");
    assert!(!told.contains(SECRET), "the secret stands in the session's facts");
    let export = house.console(&["recording", "export", &id]);
    let cast = String::from_utf8_lossy(&export.stdout).into_owned();
    assert!(export.status.success() && cast.contains(SHOWN), "{}", said(&export));
    assert!(!cast.contains(SECRET), "the secret stands in the recording");
    let replay = house.api.ask(&house.operator, &format!("/api/v1/sessions/{id}/recording"));
    assert!(!replay.text.contains(SECRET), "the secret stands in the replay");

    // A checkpoint later everything is on the disk; neither the secret nor, encrypted, the shown word is there in plain text.
    let size = || std::fs::metadata(house.data.join("log/checkpoint")).map(|meta| meta.modified().ok()).ok();
    let before = size();
    wait_for("the next checkpoint", Duration::from_secs(15), || (size() != before).then_some(()).or_else(|| {
        house.console(&["recording", "list"]);
        None
    }));
    let mut all = Vec::new();
    files(&house.data, &mut all);
    for file in all {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let holds = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!holds(SECRET), "{} holds the secret in plain text", file.display());
        let is_recording = file.extension().is_some_and(|end| end == "skr");
        assert!(!is_recording || !holds(SHOWN), "{} is not encrypted", file.display());
    }
}
