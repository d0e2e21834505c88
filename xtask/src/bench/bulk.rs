//! Bulk: exec, SFTP and legacy SCP, down and up, with the gateway's processor time and what the recording grows by.

use super::client::{Master, run};
use super::house::{House, WAYS, Way};
use super::table::{Goal, Table};
use super::{Size, proc};
use anyhow::{Context, Result};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const MIB: f64 = 1024.0 * 1024.0;
const GB: f64 = 1e9;
/// After this time a recording is in its file.
const SETTLED: Duration = Duration::from_millis(1500);

/// One kind of transfer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ExecZeros,
    ExecDown,
    ExecUp,
    SftpGet,
    SftpPut,
    ScpGet,
    Flood,
}

/// The kinds of one measure, each with its line's name and goal.
fn kinds(measure: &str) -> &'static [(Kind, &'static str, Goal)] {
    match measure {
        "exec" => &[
            (
                Kind::ExecZeros,
                "exec throughput down, zeros",
                Goal::RatioAtLeast(0.75),
            ),
            (
                Kind::ExecDown,
                "exec throughput down, a log",
                Goal::RatioAtLeast(0.75),
            ),
            (Kind::ExecUp, "exec throughput up", Goal::RatioAtLeast(0.75)),
        ],
        "sftp" => &[
            (Kind::SftpGet, "SFTP get", Goal::RatioAtLeast(0.9)),
            (Kind::SftpPut, "SFTP put", Goal::RatioAtLeast(0.9)),
        ],
        "scp" => &[(Kind::ScpGet, "SCP (legacy) get", Goal::RatioAtLeast(0.7))],
        _ => &[(Kind::Flood, "terminal flood", Goal::None)],
    }
}

/// Measures the kinds of one measure.
pub fn measure(house: &House, size: &Size, measure: &str, table: &mut Table) -> Result<()> {
    let bytes = size.mib * 1024 * 1024;
    let flood_bytes = bytes / 4;
    match measure {
        "exec" => text_file(&house.files.join("text"), bytes)?,
        "flood" => text_file(&house.files.join("flood"), flood_bytes)?,
        _ => noise_file(&house.files.join("noise"), bytes)?,
    }
    let masters = WAYS.map(|way| Master::open(house, way, measure));
    for (kind, name, goal) in kinds(measure).iter().copied() {
        let total = if kind == Kind::Flood {
            flood_bytes
        } else {
            bytes
        } as f64;
        let mut speed: [Vec<f64>; 3] = Default::default();
        let mut cost: [Vec<f64>; 3] = Default::default();
        let mut recorded = Vec::new();
        for round in 0..=size.rounds {
            for ((way, master), (speed, cost)) in WAYS
                .into_iter()
                .zip(&masters)
                .zip(speed.iter_mut().zip(&mut cost))
            {
                let master = master
                    .as_ref()
                    .map_err(|fault| anyhow::anyhow!("{fault:#}"))?;
                let middle = house.middle(way);
                let before = (middle.map(proc::cpu_seconds), house.recorded());
                let began = Instant::now();
                once(house, master, kind, bytes)
                    .with_context(|| format!("{name}, {}", way.name()))?;
                let took = began.elapsed().as_secs_f64();
                if way == Way::Sekisho {
                    std::thread::sleep(SETTLED);
                }
                let after = (middle.map(proc::cpu_seconds), house.recorded());
                // The first turn warms up.
                if round == 0 {
                    continue;
                }
                speed.push(total / MIB / took);
                if let (Some(before), Some(after)) = (before.0, after.0) {
                    cost.push((after - before) / (total / GB));
                }
                if way == Way::Sekisho {
                    recorded.push((after.1 - before.1) as f64 / total);
                }
            }
        }
        table.add(name, "MiB/s", speed, goal);
        let limit = match kind {
            Kind::ExecZeros | Kind::ExecDown | Kind::ExecUp => Goal::AtMost(2.5),
            _ => Goal::None,
        };
        table.add(
            format!("gateway CPU, {name}"),
            "s per GB, both legs",
            cost,
            limit,
        );
        let limit = match kind {
            Kind::Flood => Goal::AtMost(0.25),
            Kind::ExecZeros | Kind::ExecDown => Goal::AtMost(0.1),
            _ => Goal::None,
        };
        if matches!(kind, Kind::Flood | Kind::ExecZeros | Kind::ExecDown) {
            table.add(
                format!("recorded, {name}"),
                "bytes per byte",
                [Vec::new(), Vec::new(), recorded],
                limit,
            );
        }
    }
    Ok(())
}

fn once(house: &House, master: &Master, kind: Kind, bytes: usize) -> Result<()> {
    let file = |name: &str| house.files.join(name).display().to_string();
    let (text, noise, copy) = (file("text"), file("noise"), file("copy"));
    match kind {
        Kind::ExecZeros => {
            let line = format!("head -c {} /dev/zero", bytes);
            run(master.client("ssh").args(["box", &line]))
        }
        Kind::ExecDown => run(master.client("ssh").args(["box", &format!("cat {text}")])),
        Kind::Flood => {
            run(master
                .client("ssh")
                .args(["-tt", "box", &format!("cat {}", file("flood"))]))
        }
        Kind::ExecUp => run(master
            .client("ssh")
            .args(["box", "cat >/dev/null"])
            .stdin(Stdio::from(fs::File::open(&text)?))),
        Kind::SftpGet => sftp(house, master, &format!("get {noise} {copy}\n")),
        Kind::SftpPut => sftp(house, master, &format!("put {noise} {copy}\n")),
        Kind::ScpGet => {
            run(master
                .client("scp")
                .args(["-O", "-q", &format!("box:{noise}"), &copy]))
        }
    }
}

fn sftp(house: &House, master: &Master, batch: &str) -> Result<()> {
    let file = house.folder.join("batch");
    fs::write(&file, batch)?;
    run(master
        .client("sftp")
        .arg("-q")
        .arg("-b")
        .arg(&file)
        .arg("box"))
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        // Knuth's multiplier (MMIX); the low bits are weak and left out.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// Below `end` too, and as in life a few values come again and again.
    fn often_small(&mut self, end: u64) -> u64 {
        let part = self.below(1000);
        end * part * part / 1_000_000 * part / 1000
    }
}

/// A system's log as such logs are: dates, names, addresses, numbers, a few sentences. It becomes about a tenth in zstd.
fn text_file(path: &Path, bytes: usize) -> Result<()> {
    const WORDS: [&str; 6] = [
        "connection accepted from",
        "query finished for patient folder, source",
        "backup step done on",
        "cache miss while reading index of",
        "接続を受け付けました 送信元",
        "order written and acknowledged by",
    ];
    let mut dice = Dice(7);
    let mut out = BufWriter::new(fs::File::create(path)?);
    let (mut written, mut second) = (0, 0_u64);
    while written < bytes {
        second += dice.below(3);
        let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
        let words = WORDS
            .get(dice.below(6) as usize)
            .copied()
            .unwrap_or_default();
        let line = format!(
            "2026-11-{day:02}T{hour:02}:{minute:02}:{:02}.{:03} \u{1b}[32mINFO\u{1b}[0m emr-db{:02} postgres[{}]: {words} 10.20.{}.{} rows={} time={} ms\r\n",
            second % 60,
            dice.below(1000),
            dice.often_small(4),
            2000 + dice.often_small(40),
            dice.often_small(8),
            dice.often_small(250),
            dice.often_small(5000),
            dice.often_small(300),
            day = 1 + second / 86_400 % 28,
        );
        out.write_all(line.as_bytes())?;
        written += line.len();
    }
    out.flush()?;
    out.get_ref().set_len(bytes as u64)?;
    Ok(())
}

/// Bytes that no compressor makes smaller.
fn noise_file(path: &Path, bytes: usize) -> Result<()> {
    let mut dice = Dice(11);
    let mut out = BufWriter::new(fs::File::create(path)?);
    for _ in 0..bytes / 4 {
        out.write_all(&(dice.throw() as u32).to_le_bytes())?;
    }
    out.flush()?;
    Ok(())
}
