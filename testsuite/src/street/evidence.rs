//! `sekisho verify` on copies that somebody has worked over.

use super::house::{House, TARGET};
use super::program::{copy_folder, run, said};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The text of the verdict, its JSON, and whether it holds.
fn verdict(folder: &Path, key: &str, checkpoint: Option<&Path>) -> (String, Value, bool) {
    let folder = folder.display().to_string();
    let outside = checkpoint.map(|path| path.display().to_string());
    let mut args = vec!["verify", folder.as_str(), "--key", key];
    if let Some(outside) = &outside {
        args.extend(["--checkpoint", outside.as_str()]);
    }
    let first = run(&args);
    let second = run(&args);
    assert_eq!(first.stdout, second.stdout, "the same copy gave two texts");
    args.push("--json");
    let json = run(&args);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap_or_else(|fault| panic!("{fault}: {}", said(&json)));
    assert_eq!(first.status.success(), value.get("ok").and_then(Value::as_bool).unwrap_or(false), "{}", said(&first));
    (String::from_utf8_lossy(&first.stdout).into_owned(), value, first.status.success())
}

fn files(folder: &Path, under: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.join(under)];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap().flatten() {
            if entry.path().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The widest of the partial files, which is the one that counts.
fn widest(mut found: Vec<PathBuf>) -> PathBuf {
    found.sort_by_key(|path| std::fs::metadata(path).map(|meta| meta.len()).unwrap_or(0));
    found.pop().expect("a file")
}

#[test]
fn every_change_of_a_copy_is_found_at_its_place_and_told_the_same_way_twice() {
    let house = House::own();
    let (worker, _) = house.at_work("evi", &["exec"]);
    for line in ["echo hitotsu", "echo futatsu"] {
        let done = house.terminal.exec(&worker, TARGET, line);
        assert!(done.status.success(), "{}", said(&done));
        house.ended("evi", 1);
    }
    house.ended("evi", 2);
    let early = {
        house.end("TERM", Duration::from_secs(30));
        let early = house.evidence("early");
        house.start_again();
        early
    };
    house.worker("evj");
    house.end("TERM", Duration::from_secs(30));
    let whole = house.evidence("whole");
    let key = house.log_key.as_str();
    let outside = whole.join("log/checkpoint");

    let (text, value, ok) = verdict(&whole, key, Some(&outside));
    assert!(ok && value.get("recordings") == Some(&Value::from(2)), "{text}");

    let recordings: Vec<PathBuf> = files(&whole, "recordings").into_iter().filter(|path| path.extension().is_some_and(|end| end == "skr")).collect();
    let names: Vec<String> = recordings.iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let [one, two] = names.as_slice() else { panic!("{names:?}") };

    let tampered = |name: &str, work: &dyn Fn(&Path)| -> (String, String) {
        let copy = house.folder.join(name);
        copy_folder(&whole, &copy);
        work(&copy);
        let (text, value, ok) = verdict(&copy, key, Some(&outside));
        assert!(!ok, "{name} was not found: {text}");
        let first = value.get("first_bad").and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(!first.is_empty() && text.contains(&first), "{name}: {first:?} {text}");
        (first, text)
    };

    let (first, text) = tampered("entry", &|copy| {
        let bundle = widest(files(copy, "log/tile/entries"));
        flip(&bundle, 300);
    });
    assert!(first.starts_with("log entry "), "{first}: {text}");
    let (first, text) = tampered("tile", &|copy| flip(&widest(files(copy, "log/tile/0")), 5 * 32 + 3));
    assert!(first.contains("log"), "{first}: {text}");
    let (first, text) = tampered("checkpoint", &|copy| flip(&copy.join("log/checkpoint"), 20));
    assert!(first.contains("checkpoint"), "{first}: {text}");
    let (first, text) = tampered("recording", &|copy| {
        let path = copy.join(format!("recordings/{two}.skr"));
        let middle = std::fs::metadata(&path).unwrap().len() / 2;
        flip(&path, usize::try_from(middle).unwrap());
    });
    assert!(first.contains(two.as_str()), "{first}: {text}");
    let (first, text) = tampered("deleted", &|copy| std::fs::remove_file(copy.join(format!("recordings/{one}.skr"))).unwrap());
    assert!(first.contains(one.as_str()), "{first}: {text}");
    let (first, text) = tampered("exchanged", &|copy| {
        let (a, b) = (copy.join(format!("recordings/{one}.skr")), copy.join(format!("recordings/{two}.skr")));
        let bytes = std::fs::read(&a).unwrap();
        std::fs::rename(&b, &a).unwrap();
        std::fs::write(&b, bytes).unwrap();
    });
    assert!(first.contains(one.as_str()) || first.contains(two.as_str()), "{first}: {text}");
    let (first, text) = tampered("shortened", &|copy| {
        let path = copy.join(format!("recordings/{one}.skr"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 40]).unwrap();
    });
    assert!(first.contains(one.as_str()), "{first}: {text}");

    // An older state of the same log is sound by itself; only what was kept outside shows that its end was cut.
    let (text, _, ok) = verdict(&early, key, None);
    assert!(ok && text.contains("--checkpoint"), "{text}");
    let (text, _, ok) = verdict(&early, key, Some(&outside));
    assert!(!ok, "a log whose end was cut passed: {text}");

    let stranger = format!("{}AA", &key[..key.len() - 2]);
    let wrong = run(&["verify", &whole.display().to_string(), "--key", &stranger]);
    assert!(!wrong.status.success(), "another key was accepted: {}", said(&wrong));
}
