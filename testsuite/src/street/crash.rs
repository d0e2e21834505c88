//! What a power cut, a stop and a full disk leave behind.

use super::api::text;
use super::house::{House, TARGET};
use super::phone::Phone;
use super::program::{run, said, wait_for};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The greatest N of `tick-N` in a text.
fn last_tick(text: &str) -> u32 {
    text.split("tick-").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).max().unwrap_or(0)
}

/// Twenty ticks a second, each written once.
const TICKS: &str = "for i in $(seq 1 2000); do echo tick-$i; sleep 0.05; done";

fn verified(house: &House, name: &str) {
    let copy = house.evidence(name);
    let verdict = run(&["verify", &copy.display().to_string(), "--key", &house.log_key]);
    assert!(verdict.status.success(), "{}", said(&verdict));
}

fn cause_and_recording(house: &House, session: &str) -> (String, Value) {
    let told = house.session(session);
    (text(&told, "facts.cause"), told.get("recording").cloned().unwrap_or(Value::Null))
}

#[test]
fn a_kill_in_mid_session_loses_at_most_a_second_and_the_restart_closes_the_session() {
    let house = House::own();
    let (worker, _) = house.at_work("kil", &["shell", "exec"]);
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line(TICKS);
    shell.wait_for("tick-60");
    let session = house.running("kil");
    house.end("KILL", Duration::from_secs(10));
    let (status, _) = shell.wait_for_end(Duration::from_secs(20));
    assert!(!status.success());
    let seen = last_tick(&shell.screen());

    let restarted = Instant::now();
    house.start_again();
    let ended = house.ended("kil", 1);
    assert!(restarted.elapsed() < Duration::from_secs(60), "the session was closed after {:?}", restarted.elapsed());
    assert_eq!(ended, [session.clone()]);
    let (cause, recording) = cause_and_recording(&house, &session);
    assert_eq!(cause, "vanished");
    assert_eq!(recording.get("sealed"), Some(&json!(true)), "{recording}");
    let export = house.console(&["recording", "export", &session]);
    let kept = last_tick(&String::from_utf8_lossy(&export.stdout));
    assert!(kept + 20 >= seen, "the worker saw tick {seen}, the recording ends at {kept}: more than a second is lost");

    // The house is usable: the plan is still open, and the same worker comes in again.
    let again = house.terminal.exec(&worker, TARGET, "echo mata");
    assert_eq!(String::from_utf8_lossy(&again.stdout), "mata\n", "{}", said(&again));
    assert!(house.end("TERM", Duration::from_secs(30)).success());
    verified(&house, "copy");
}

#[test]
fn a_stop_seals_what_runs_within_thirty_seconds_and_says_so_to_the_worker() {
    let house = House::own();
    let (worker, _) = house.at_work("ter", &["shell"]);
    let mut shell = house.terminal.shell(&worker, TARGET);
    shell.type_line(TICKS);
    shell.wait_for("tick-20");
    let session = house.running("ter");
    let began = Instant::now();
    let status = house.end("TERM", Duration::from_secs(30));
    assert!(status.success(), "serve ended with {status}");
    let took = began.elapsed();
    let (status, _) = shell.wait_for_end(Duration::from_secs(10));
    assert!(!status.success() && took < Duration::from_secs(30), "{status} after {took:?}");
    verified(&house, "copy");
    house.start_again();
    let (cause, recording) = cause_and_recording(&house, &session);
    assert_eq!((cause.as_str(), recording.get("sealed")), ("shutdown", Some(&json!(true))), "{recording}");
    let export = house.console(&["recording", "export", &session]);
    let (kept, seen) = (last_tick(&String::from_utf8_lossy(&export.stdout)), last_tick(&shell.screen()));
    assert!(kept >= seen, "the worker saw tick {seen}, and the sealed recording ends at {kept}");
}

/// Sessions that are killed with the box at any moment. A handful of times here, hundreds by `cargo xtask crash`.
#[test]
fn sessions_that_are_killed_at_any_moment_lose_at_most_a_second_and_are_closed() {
    let times = crate::outside::kills::runs(2);
    let mut dice = crate::outside::kills::Dice(0x5eed_0000_0000_0003);
    let house = House::own();
    // A one-time code serves once: with few runs everybody works once, with many their turn comes again after it has changed.
    let crew: Vec<_> = (0..times.min(6)).map(|n| (format!("kil{n}"), house.at_work(&format!("kil{n}"), &["shell"]).0)).collect();
    let (mut worst, mut ended) = (0, vec![0; crew.len()]);
    for nth in 0..times {
        let place = nth as usize % crew.len();
        let (login, worker) = &crew[place];
        let mut shell = house.terminal.shell(worker, TARGET);
        shell.type_line(TICKS);
        shell.wait_for("tick-5");
        let session = house.running(login);
        std::thread::sleep(Duration::from_millis(dice.below(2500)));
        house.end("KILL", Duration::from_secs(10));
        shell.wait_for_end(Duration::from_secs(20));
        let seen = last_tick(&shell.screen());
        let restarted = Instant::now();
        house.start_again();
        ended[place] += 1;
        house.ended(login, ended[place]);
        assert!(restarted.elapsed() < Duration::from_secs(60), "run {nth}: the session was closed after {:?}", restarted.elapsed());
        let (cause, recording) = cause_and_recording(&house, &session);
        assert_eq!((cause.as_str(), recording.get("sealed")), ("vanished", Some(&json!(true))), "run {nth}: {recording}");
        let kept = last_tick(&String::from_utf8_lossy(&house.console(&["recording", "export", &session]).stdout));
        assert!(kept + 20 >= seen, "run {nth}: the worker saw tick {seen}, the recording ends at {kept}: more than a second is lost");
        worst = worst.max(seen.saturating_sub(kept));
    }
    house.end("TERM", Duration::from_secs(30));
    verified(&house, "copy");
    println!("killed {times} times with a session: each was closed with its cause, and at most {} ms of a recording were lost", worst * 50);
}

/// A small file system of the test's own, taken away at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if this account may not mount.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("street-disk-").tempdir().ok()?.keep();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder).stderr(std::process::Stdio::null()).status();
        let disk = Self(folder);
        status.is_ok_and(|status| status.success()).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let quiet = std::process::Stdio::null;
        let unmounted = Command::new("umount").arg(&self.0).stderr(quiet()).status().is_ok_and(|status| status.success());
        if !unmounted {
            let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(quiet()).status();
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A program that goes on writing whatever happens, and so takes each byte that is set free.
struct Filler {
    path: PathBuf,
    done: Arc<AtomicBool>,
    hand: Option<JoinHandle<()>>,
}

impl Filler {
    fn start(folder: &Path) -> Self {
        let path = folder.join("filler");
        let mut file = std::fs::File::create(&path).expect("the filler");
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let hand = std::thread::spawn(move || {
            let block = vec![0x5a; 1024 * 1024];
            while !told.load(Ordering::SeqCst) {
                if file.write_all(&block).is_err() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self { path, done, hand: Some(hand) }
    }
}

impl Filler {
    /// Ends the program; what it wrote stays.
    fn stop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let _ = self.hand.take().map(JoinHandle::join);
    }

    /// Takes what is left.
    fn take_all(&self) {
        let mut file = std::fs::File::options().append(true).open(&self.path).expect("the filler");
        while file.write_all(&[0x5a; 4096]).is_ok() {}
    }

    /// Makes a little room, much less than a session asks for.
    fn give(&self, bytes: u64) {
        let file = std::fs::File::options().write(true).open(&self.path).expect("the filler");
        let length = file.metadata().expect("its length").len();
        file.set_len(length - bytes).expect("room");
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn a_full_disk_cuts_the_session_admits_nobody_and_still_lets_the_staff_in() {
    let Some(disk) = SmallDisk::mount("420m") else {
        println!("NOT RUN: this account may not mount a small file system, so the full disk was not tried");
        return;
    };
    {
        let house = House::own_at(disk.0.join("data"));
        let (worker, _) = house.at_work("ful", &["shell", "exec"]);
        let mut shell = house.terminal.shell(&worker, TARGET);
        shell.type_line(TICKS);
        shell.wait_for("tick-20");
        let session = house.running("ful");
        let mut filler = Filler::start(&disk.0);
        let (status, took) = shell.wait_for_end(Duration::from_secs(20));
        assert!(!status.success() && took < Duration::from_secs(6), "the session went on for {took:?} on a full disk");

        let refused = house.terminal.exec(&worker, TARGET, "true");
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && ["SKS-4010", "SKS-4011", "SKS-4012"].iter().any(|code| words.contains(code)), "{}", said(&refused));
        let person = &house.planner_person;
        let phone = Phone::new(&person.secret).after(person.phone.last_step());
        let token = house.api.log_in(&person.login, &person.password, &phone.code());
        assert_eq!(house.api.ask(&token, "/api/v1/me").status, 200);

        assert_eq!(house.ended("ful", 1), [session.clone()]);
        let (cause, recording) = cause_and_recording(&house, &session);
        assert_eq!((cause.as_str(), recording.get("sealed")), ("recording_lost", Some(&json!(true))), "{recording}");
        assert!(words.contains("病院の運用担当者に連絡してください"), "who is refused is told the next step: {words}");

        // Who comes to make room holds what must stay, and takes the evidence out onto another disk.
        let held = house.console(&["hold", "place", &session, "--number", "院内-1", "--reason", "ディスクが満杯になった件"]);
        assert!(held.status.success(), "{}", said(&held));
        filler.stop();
        filler.give(8 * 1024 * 1024);
        let bundle = house.folder.join("full-disk.zip");
        let taken = house.console(&["bundle", "session", &session, "--reason", "満杯になる前の記録", "--out", &bundle.display().to_string()]);
        assert!(taken.status.success(), "{}", said(&taken));
        let verdict = run(&["verify", "--bundle", &bundle.display().to_string(), "--key", &house.log_key]);
        assert!(verdict.status.success(), "{}", said(&verdict));
        let listed = house.console(&["hold", "list"]);
        assert!(said(&listed).contains("院内-1"), "{}", said(&listed));

        // A restart needs little room, and says so where there is none.
        house.end("TERM", Duration::from_secs(30));
        house.start_again();
        house.end("TERM", Duration::from_secs(30));
        filler.take_all();
        let unopened = run(&["--config", &house.config.display().to_string(), "serve"]);
        assert!(!unopened.status.success() && said(&unopened).contains("ディスクに空きがありません"), "{}", said(&unopened));
        drop(filler);
        house.start_again();
        let again = wait_for("work goes on once there is room", Duration::from_secs(60), || {
            let again = house.terminal.exec(&worker, TARGET, "echo mata");
            again.status.success().then_some(again)
        });
        assert_eq!(String::from_utf8_lossy(&again.stdout), "mata\n");
        house.ended("ful", 2);
        house.end("TERM", Duration::from_secs(30));
        verified(&house, "copy");
    }
}
