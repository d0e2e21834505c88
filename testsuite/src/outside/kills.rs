//! A box that is killed at any moment, and a disk from which all is taken that was not synced: what was acknowledged is there.
//!
//! A handful of times with the other tests; hundreds by `cargo xtask crash --runs N`, which names them in SEKISHO_CRASH_RUNS.

use super::gate::{Gate, PATIENCE};
use crate::street::program::{copy_folder, run, said, signal, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often.
#[allow(clippy::disallowed_methods, reason = "the xtask names the number")]
pub fn runs(few: u32) -> u32 {
    std::env::var("SEKISHO_CRASH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// Numbers that look like chance and are the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Names that the box acknowledged, by one who writes as fast as it can until the box is gone.
fn write_until(gate: &Gate, run: u32, ends: &Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<String>> {
    let (config, ends) = (gate.path("sekisho.toml").display().to_string(), Arc::clone(ends));
    std::thread::spawn(move || {
        let mut taken = Vec::new();
        for n in 0.. {
            let name = format!("会社-{run}-{n}");
            let done = crate::street::program::output(&mut crate::street::program::command(&["--config", &config, "vendor", "add", "--name", &name]), PATIENCE);
            if ends.load(Ordering::SeqCst) {
                // Whether the box answered before it went is not known here.
                break;
            }
            if done.status.success() {
                taken.push(name);
            }
        }
        taken
    })
}

fn vendors(gate: &Gate) -> Vec<String> {
    let told = gate.ask(&["--json", "vendor", "list"]);
    assert!(told.status.success(), "{}", said(&told));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let rows = told.as_array().or_else(|| told["vendors"].as_array()).unwrap_or_else(|| panic!("{told}"));
    rows.iter().map(|row| row["name"].as_str().or_else(|| row["vendor"]["name"].as_str()).unwrap_or_default().to_owned()).collect()
}

fn verifies(folder: &Path, key: &str, extra: &[&str]) {
    let folder = folder.display().to_string();
    let verdict = run(&["verify", &folder, "--key", key, "--log-only"].into_iter().chain(extra.iter().copied()).collect::<Vec<_>>());
    assert!(verdict.status.success(), "{}", said(&verdict));
}

#[test]
fn a_box_that_is_killed_at_any_moment_loses_nothing_that_it_acknowledged() {
    let mut dice = Dice(0x5eed_0000_0000_0001);
    let mut gate = Gate::new("");
    let mut taken: Vec<String> = Vec::new();
    let mut kept: Option<PathBuf> = None;
    for nth in 0..runs(4) {
        gate.start();
        // A head that left the box before: the log must continue it.
        let seen = gate.path("seen");
        std::fs::write(&seen, gate.ask(&["log", "checkpoint"]).stdout).unwrap();
        kept = Some(seen);
        let ends = Arc::new(AtomicBool::new(false));
        let writer = write_until(&gate, nth, &ends);
        std::thread::sleep(Duration::from_millis(dice.below(1200)));
        ends.store(true, Ordering::SeqCst);
        gate.kill();
        taken.extend(writer.join().unwrap());
    }
    gate.start();
    let there = vendors(&gate);
    for name in &taken {
        assert!(there.contains(name), "{name} was acknowledged and is gone");
    }
    gate.kill();
    let seen = kept.unwrap().display().to_string();
    verifies(&gate.data(), &gate.key, &["--checkpoint", &seen]);
    println!("killed {} times; {} entries were acknowledged and all are there", runs(4), taken.len());
    assert!(!taken.is_empty(), "nothing was written");
}

/// A file system in a file of the test's own. What the system holds back reaches the file only when it is synced or in its own time.
struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    /// `None` if this account may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("power-").tempdir().ok()?;
        let image = Self { folder };
        std::fs::create_dir(image.path("disk")).ok()?;
        std::fs::File::create(image.path("image")).ok()?.set_len(192 << 20).ok()?;
        // A journal that is written in its own time twice a minute and not oftener: what is not synced stays behind.
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path("image")).status().is_ok_and(|status| status.success());
        (made && image.loop_mount("image", "disk", "commit=600")).then_some(image)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn loop_mount(&self, image: &str, at: &str, options: &str) -> bool {
        let status = Command::new("mount").args(["-o", &format!("loop,{options}")]).arg(self.path(image)).arg(self.path(at)).stderr(std::process::Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// The disk at one moment: a call that was under way when the box was stopped ends in the system, and while it does, a copy
    /// would hold parts from before and after it, which no loss of power leaves.
    fn taken(&self, name: &str) {
        let copy = |name: &str| {
            let status = Command::new("cp").arg("--sparse=always").arg(self.path("image")).arg(self.path(name)).status();
            assert!(status.is_ok_and(|status| status.success()));
        };
        wait_for("the disk stands still", PATIENCE, || {
            copy(name);
            let before = std::fs::read(self.path(name)).ok()?;
            copy(name);
            (std::fs::read(self.path(name)).ok()? == before).then_some(())
        });
    }

    fn unmount(&self, at: &str) {
        let quiet = |args: &[&str]| Command::new("umount").args(args).arg(self.path(at)).stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        if !quiet(&[]) {
            quiet(&["-l"]);
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.unmount("after");
        self.unmount("disk");
    }
}

/// The power goes: the box stands still, and the disk is what was written to it by then. A file without a sync proves beside it
/// that what was not synced is really gone.
#[test]
fn a_disk_without_what_was_not_synced_has_all_that_was_acknowledged() {
    let Some(image) = Image::mount() else {
        println!("NOT RUN: this account may not mount a file system of its own, so the loss of power was not tried");
        return;
    };
    let mut dice = Dice(0x5eed_0000_0000_0002);
    let mut gate = Gate::at(image.path("disk").join("data"), "");
    std::fs::create_dir(image.path("after")).unwrap();
    let mut lost_unsynced = 0;
    let mut total = 0;
    let times = runs(3);
    gate.start();
    let mut taken: Vec<String> = Vec::new();
    for nth in 0..times {
        let ends = Arc::new(AtomicBool::new(false));
        let writer = write_until(&gate, nth, &ends);
        std::thread::sleep(Duration::from_millis(300 + dice.below(1200)));
        let unsynced = image.path("disk").join(format!("unsynced-{nth}"));
        std::fs::write(&unsynced, "nobody synced this").unwrap();
        ends.store(true, Ordering::SeqCst);
        signal(gate.pid(), "STOP");
        // What was acknowledged is what the writer knows of before the power goes; the one under way waits for the box.
        let began = Instant::now();
        image.taken("then");
        println!("the disk was taken in {} ms", began.elapsed().as_millis());
        signal(gate.pid(), "CONT");
        taken.extend(writer.join().unwrap());
        total = taken.len();

        // The disk as it was, in another machine.
        assert!(image.loop_mount("then", "after", "noatime"), "the file system itself is whole");
        let data = image.path("after").join("data");
        lost_unsynced += u32::from(!image.path("after").join(format!("unsynced-{nth}")).exists());
        let copy = image.path("copy");
        copy_folder(&data, &copy);
        image.unmount("after");
        let _ = std::fs::remove_file(copy.join("control.sock"));
        let told = open(&gate, &copy, &["--json", "vendor", "list"]);
        for name in &taken {
            assert!(told.contains(name.as_str()), "{name} was acknowledged and the power took it (after {nth} losses)");
        }
        verifies(&copy, &gate.key, &[]);
        std::fs::remove_dir_all(copy).unwrap();
        std::fs::remove_file(image.path("then")).unwrap();
    }
    gate.kill();
    println!("the power went {times} times; {total} entries were acknowledged and all are there; of {times} files that nobody synced, {lost_unsynced} were gone");
    assert!(total > 0 && lost_unsynced > 0, "the test takes nothing away");
}

/// A command over a copy of the data, by a configuration of its own.
fn open(gate: &Gate, data: &Path, args: &[&str]) -> String {
    let text = std::fs::read_to_string(gate.path("sekisho.toml")).unwrap();
    let config = data.with_extension("toml");
    std::fs::write(&config, text.replace(&gate.data().display().to_string(), &data.display().to_string())).unwrap();
    let config = config.display().to_string();
    let args: Vec<&str> = ["--config", &config].into_iter().chain(args.iter().copied()).collect();
    let done = wait_for("the box opens", PATIENCE, || Some(crate::street::program::output(&mut crate::street::program::command(&args), PATIENCE)));
    assert!(done.status.success(), "{}", said(&done));
    String::from_utf8_lossy(&done.stdout).into_owned()
}
