//! What the system counts of a process and its children: time on the processor and memory.

use std::collections::HashMap;
use std::fs;

/// Ticks of a second in /proc, the same on every Linux that we build for.
const TICKS: f64 = 100.0;

/// Seconds of processor time of a process, with those of its children that have ended and of those that live.
pub fn cpu_seconds(root: u32) -> f64 {
    let all = processes();
    tree(root, &all)
        .iter()
        .filter_map(|pid| all.get(pid))
        .map(|one| one.ticks as f64 / TICKS)
        .sum()
}

/// KiB of anonymous memory (not shared files) of a process and its children.
pub fn memory_kib(root: u32) -> u64 {
    let all = processes();
    tree(root, &all).iter().map(|pid| anonymous(*pid)).sum()
}

/// The load average over one minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

struct Process {
    parent: u32,
    ticks: u64,
}

/// The process and everything below it.
fn tree(root: u32, all: &HashMap<u32, Process>) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            all.iter()
                .filter(|(_, one)| one.parent == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found
}

fn processes() -> HashMap<u32, Process> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(one) = process(pid) {
            all.insert(pid, one);
        }
    }
    all
}

fn process(pid: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), 11 to 14 behind the name.
    Some(Process {
        parent: u32::try_from(number(1)).ok()?,
        ticks: (11..15).map(number).sum(),
    })
}

fn anonymous(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix("RssAnon:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}
