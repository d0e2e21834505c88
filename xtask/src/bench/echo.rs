//! How long a key takes to come back, in an idle house and beside a bulk transfer.

use super::Size;
use super::client::{Master, Running, Terminal, ssh};
use super::house::{House, WAYS};
use super::table::{Goal, Table, quantile};
use anyhow::{Context, Result};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A terminal that echoes key by key. The server's own terminal does it; what reads behind it is never asked.
const LINE: &str = "stty -icanon; echo ready; exec cat >/dev/null";
/// Between two keys of one terminal: a fast typist's pause would make the run long and measure nothing more.
const PAUSE: Duration = Duration::from_millis(2);
/// Times that each road carries a bulk transfer.
const TURNS: usize = 4;
/// The bulk transfer is in its stride after this time.
const STRIDE: Duration = Duration::from_millis(700);

/// Measures both.
pub fn measure(house: &House, size: &Size, table: &mut Table) -> Result<()> {
    let mut terminals = WAYS.map(|way| Terminal::start(ssh(house, way), LINE));
    let mut took: [Vec<f64>; 3] = Default::default();
    for _ in 0..size.keys {
        for (terminal, took) in terminals.iter_mut().zip(&mut took) {
            let terminal = terminal
                .as_mut()
                .map_err(|fault| anyhow::anyhow!("{fault:#}"))?;
            took.push(key(terminal)?);
        }
        std::thread::sleep(PAUSE);
    }
    drop(terminals);
    for (part, name, goal) in [
        (0.5, "echo p50", Goal::RatioAtMost(1.6)),
        (0.95, "echo p95", Goal::None),
        (0.99, "echo p99", Goal::RatioAtMost(2.0)),
    ] {
        let figures = took.each_ref().map(|took| quantile(took, part));
        table.add_figures(name, "µs", figures, Default::default(), goal);
    }
    beside(house, size, table)
}

fn key(terminal: &mut Terminal) -> Result<f64> {
    let began = Instant::now();
    terminal.key()?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

/// The same while a bulk transfer runs on another connection of the same road. (OpenSSH's client itself starves one of
/// two channels that share a connection with a flood, whatever the road, so that tells nothing of the gateway.)
fn beside(house: &House, size: &Size, table: &mut Table) -> Result<()> {
    let mut took: [Vec<f64>; 3] = Default::default();
    for turn in 0..TURNS {
        for (way, took) in WAYS.into_iter().zip(&mut took) {
            let bulk = Master::open(house, way, &format!("echo{turn}"))?;
            let mut terminal = Terminal::start(ssh(house, way), LINE)?;
            let flood = bulk
                .client("ssh")
                .args(["box", "cat /dev/zero"])
                .stderr(Stdio::null())
                .spawn()
                .context("cannot start ssh")?;
            let flood = Running(flood);
            std::thread::sleep(STRIDE);
            for _ in 0..size.keys / TURNS {
                took.push(key(&mut terminal)?);
                std::thread::sleep(PAUSE);
            }
            drop(flood);
        }
    }
    for (part, name, goal) in [
        (
            0.5,
            "echo p50 beside a bulk transfer",
            Goal::RatioAtMost(2.0),
        ),
        (0.99, "echo p99 beside a bulk transfer", Goal::None),
    ] {
        let figures = took.each_ref().map(|took| quantile(took, part));
        table.add_figures(name, "µs", figures, Default::default(), goal);
    }
    Ok(())
}
