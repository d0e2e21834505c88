//! What the gateway keeps in memory: for sessions that do nothing, and for one whose receiver does not read.

use super::client::{Master, Running};
use super::house::{House, Way};
use super::sessions;
use super::table::{Goal, Table};
use super::{Size, proc};
use anyhow::{Context, Result};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// For how long a receiver stalls.
const STALL: Duration = Duration::from_secs(5);
/// Sessions that stall at once.
const STALLED: usize = 3;

/// KiB of a session with a terminal on which nothing happens.
pub fn idle(house: &House, size: &Size, table: &mut Table) -> Result<()> {
    let each = |way: Way| -> Result<Option<f64>> {
        let Some(middle) = house.middle(way) else {
            return Ok(None);
        };
        let line = "echo ready; exec sleep 600";
        // What the first sessions bring up once is not theirs.
        drop(sessions::open(house, way, 8, line)?);
        std::thread::sleep(Duration::from_secs(2));
        let before = proc::memory_kib(middle);
        let open = sessions::open(house, way, size.idle, line)?;
        std::thread::sleep(Duration::from_secs(3));
        let after = proc::memory_kib(middle);
        drop(open);
        Ok(Some(after.saturating_sub(before) as f64 / size.idle as f64))
    };
    let (jump, own) = (each(Way::Jump)?, each(Way::Sekisho)?);
    table.add_own(
        format!("memory of an idle session, {} of them", size.idle),
        "KiB",
        jump,
        own.unwrap_or_default(),
        Goal::AtMost(256.0),
    );
    Ok(())
}

/// MiB by which the gateway grows while the reader of a transfer stands still.
pub fn stall(house: &House, _: &Size, table: &mut Table) -> Result<()> {
    for down in [true, false] {
        let name = if down {
            "growth while the worker does not read"
        } else {
            "growth while the target does not read"
        };
        let jump = stalled(house, Way::Jump, down)?;
        let own = stalled(house, Way::Sekisho, down)?;
        table.add_own(name, "MiB a session", Some(jump), own, Goal::AtMost(8.0));
    }
    Ok(())
}

fn stalled(house: &House, way: Way, down: bool) -> Result<f64> {
    let middle = house.middle(way).context("nothing stands in the middle")?;
    let masters: Vec<Master> = (0..STALLED)
        .map(|number| Master::open(house, way, &format!("stall{number}{down}")))
        .collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(1));
    let before = proc::memory_kib(middle);
    let mut stalled = Vec::new();
    for master in &masters {
        let mut command = master.client("ssh");
        if down {
            // Nobody reads the pipe.
            command
                .args(["box", "cat /dev/zero"])
                .stdout(Stdio::piped());
        } else {
            command
                .args(["box", "exec sleep 600"])
                .stdin(Stdio::from(fs::File::open("/dev/zero")?));
        }
        let child = command.stderr(Stdio::null()).spawn();
        stalled.push(Running(child.context("cannot start ssh")?));
    }
    let began = Instant::now();
    let mut most = before;
    while began.elapsed() < STALL {
        most = most.max(proc::memory_kib(middle));
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok((most - before) as f64 / 1024.0 / STALLED as f64)
}
