//! New sessions a second, and many terminals that draw.

use super::client::{Running, on_terminal, run, ssh};
use super::house::{House, Login, WAYS, Way, wait_for};
use super::table::{Goal, Table};
use super::{Size, proc};
use anyhow::{Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Sessions that are opened at once.
const AT_ONCE: usize = 20;
/// Bytes that each terminal draws in a second, and in how many pieces.
const DRAWN: usize = 2000;
const PIECES: usize = 10;

/// Opens sessions, one after the other and twenty at once.
pub fn opened(house: &House, size: &Size, table: &mut Table) -> Result<()> {
    let mut serial: [Vec<f64>; 3] = Default::default();
    let mut at_once: [Vec<f64>; 3] = Default::default();
    for _ in 0..size.rounds.min(3) {
        for ((way, serial), at_once) in WAYS.into_iter().zip(&mut serial).zip(&mut at_once) {
            serial.push(rate(house, way, size.serial, 1)?);
            at_once.push(rate(house, way, size.at_once, AT_ONCE)?);
        }
    }
    table.add("new sessions, serial", "1/s", serial, Goal::None);
    table.add(
        "new sessions, 20 at once",
        "1/s",
        at_once,
        Goal::RatioAtLeast(0.85),
    );
    Ok(())
}

/// Sessions a second: connection, login, `true`, end.
fn rate(house: &House, way: Way, count: usize, at_once: usize) -> Result<f64> {
    // The codes are read off before the clock runs: waiting for the next one is not the gateway's time.
    let logins: Vec<Login> = (0..count).map(|_| house.login(way)).collect();
    let logins = Mutex::new(logins);
    let faults = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(login) = logins.lock().ok().and_then(|mut logins| logins.pop()) {
                    let mut command = Command::new("ssh");
                    login.apply(&mut command, &house.folder);
                    command
                        .args(["box", "true"])
                        .stdin(Stdio::null())
                        .stdout(Stdio::null());
                    if let Err(fault) = run(&mut command)
                        && let Ok(mut faults) = faults.lock()
                    {
                        faults.push(fault);
                    }
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    match faults.into_inner().ok().and_then(|mut faults| faults.pop()) {
        Some(fault) => Err(fault.context(format!("a session on the road {}", way.name()))),
        None => Ok(count as f64 / took),
    }
}

/// Many terminals, each on a session of its own, that all draw the lines of one file as it grows.
pub fn terminals(house: &House, size: &Size, table: &mut Table) -> Result<()> {
    let mut figures = [None; 3];
    for (way, figure) in WAYS.into_iter().zip(&mut figures) {
        let Some(middle) = house.middle(way) else {
            continue;
        };
        let feed = house.files.join(format!("feed-{}", way.name()));
        let mut feeding = fs::File::create(&feed)?;
        let line = format!("echo ready; exec tail -n0 -f {}", feed.display());
        let open = open(house, way, size.terminals, &line)?;
        let before = proc::cpu_seconds(middle);
        let began = Instant::now();
        let piece = piece();
        while began.elapsed() < Duration::from_secs(size.drawing) {
            feeding.write_all(piece.as_bytes())?;
            std::thread::sleep(Duration::from_millis(1000 / PIECES as u64));
        }
        *figure = Some(proc::cpu_seconds(middle) - before);
        drop(open);
    }
    let name = format!(
        "{} terminals of 2 KB/s for {} s: gateway CPU",
        size.terminals, size.drawing
    );
    // The goal is for the whole measure; the small one gives a part of it.
    let part = (size.terminals as u64 * size.drawing) as f64 / 6000.0;
    let goal = (part * 500.0).round() / 100.0;
    table.add_figures(name, "s", figures, Default::default(), Goal::AtMost(goal));
    Ok(())
}

fn piece() -> String {
    let mut piece = String::new();
    while piece.len() < DRAWN / PIECES {
        piece.push_str("\u{1b}[33mcpu\u{1b}[0m 12.5% mem 43.1% 負荷 0.42  /var/log/messages\n");
    }
    piece
}

/// Opens `count` sessions with a terminal that runs `line`, at most twenty logins at a time, and waits until all have
/// said something. What they say later is thrown away as it comes.
pub fn open(house: &House, way: Way, count: usize, line: &str) -> Result<Vec<Running>> {
    let left = Mutex::new(count);
    let opened = Mutex::new(Vec::new());
    let fault = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while take_one(&left) {
                    match open_one(house, way, line) {
                        Ok(one) => opened.lock().map(|mut all| all.push(one)).unwrap_or(()),
                        Err(error) => {
                            fault.lock().map(|mut first| *first = Some(error)).ok();
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(fault) = fault.into_inner().ok().flatten() {
        return Err(fault);
    }
    opened
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a thread died"))
}

fn take_one(left: &Mutex<usize>) -> bool {
    left.lock().is_ok_and(|mut left| {
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    })
}

fn open_one(house: &House, way: Way, line: &str) -> Result<Running> {
    let mut child = on_terminal(&mut ssh(house, way), line)?;
    let mut out = child.stdout.take().context("ssh has an output")?;
    let child = Running(child);
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = out.read(&mut buffer) {
            if count == 0 {
                return;
            }
            let _ = said.send(());
        }
    });
    wait_for("a terminal", || heard.try_recv().ok())?;
    Ok(child)
}
