//! OpenSSH's `sftp` and `scp`, the latter by both protocols.

use super::exec::noise;
use super::outcome::Outcome;
use super::site::{Site, both, run};
use super::{compare, house, row};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Names that a target really has, and that break what takes names for text.
pub fn odd_names() -> Vec<OsString> {
    let long: Vec<u8> = "長".repeat(85).into_bytes();
    [
        "電子カルテ.txt".as_bytes(),
        b"two words",
        b"quote's \"and\" $dollar `tick` ;semi",
        b"new\nline",
        b"\xff\xfe\x83e\x83X\x83g",
        b"-leading-dash",
        b"tab\tand\x1b[31mescape",
        b"star*question?[set]",
        b"back\\slash",
        &long,
    ]
    .into_iter()
    .map(|name| OsString::from_vec(name.to_vec()))
    .collect()
}

/// A folder with files of many kinds.
pub fn sample(folder: &Path) {
    std::fs::create_dir_all(folder.join("inner/deeper")).expect("folders");
    std::fs::write(folder.join("plain.txt"), "一\n二\n").expect("a file");
    std::fs::write(folder.join("empty"), "").expect("a file");
    std::fs::write(folder.join("inner/noise.bin"), noise(1_300_001)).expect("a file");
    std::fs::write(folder.join("inner/deeper/script.sh"), "#!/bin/sh\n").expect("a file");
    let set = |name: &str, mode| std::fs::set_permissions(folder.join(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("a mode");
    set("inner/deeper/script.sh", 0o750);
    set("empty", 0o600);
    old(folder);
}

/// Gives a folder and all in it one time, long ago: times that a transfer keeps must be the same on both ways.
pub fn old(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            old(&entry.path());
        } else {
            aged(&entry.path());
        }
    }
    aged(folder);
}

fn aged(path: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    std::fs::File::open(path).and_then(|file| file.set_modified(time)).expect("a time");
}

/// A folder with odd names.
pub fn odd(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (number, name) in odd_names().into_iter().enumerate() {
        std::fs::write(folder.join(name), format!("content {number}\n")).expect("a file with an odd name");
    }
    old(folder);
}

/// A folder with very many small files.
pub fn many(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    for number in 0..count {
        std::fs::write(folder.join(format!("f{number:05}")), format!("{number}\n")).expect("a small file");
    }
    old(folder);
}

/// Runs an sftp batch; the words `HERE` and `THERE` stand for two fresh folders.
fn batch(site: &Site<'_>, name: &str, prepare: fn(&Path, &Path), lines: &[&str]) -> Outcome {
    let (here, there) = (site.fresh(&format!("{name}-here")), site.fresh(&format!("{name}-there")));
    prepare(&here, &there);
    let text = lines.join("\n").replace("THERE", &there.display().to_string()).replace("HERE", &here.display().to_string()) + "\n";
    let file = site.folder.join(format!("{name}.batch"));
    std::fs::write(&file, text).expect("the batch");
    let done = run(site.client("sftp").arg("-q").arg("-b").arg(&file).arg(site.place()));
    site.neutral(Outcome::of(&done).tree("here", &here).tree("there", &there))
}

fn nothing(_: &Path, _: &Path) {}

/// The rows of `sftp`.
#[test]
fn sftp_does_through_the_gateway_what_it_does_directly() {
    const SFTP: &str = "OpenSSH sftp";
    let (direct, through) = both(house(), "mxf");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row(SFTP, "put, get, whole folders, kept times", |site| {
            let prepare = |here: &Path, _: &Path| sample(&here.join("s"));
            let lines = ["put -rp HERE/s THERE/up", "get -rp THERE/up HERE/back", "put HERE/s/plain.txt THERE/again", "get THERE/again HERE/again"];
            batch(site, "copy", prepare, &lines)
        }),
        row(SFTP, "folders, names, links, modes", |site| {
            let prepare = |here: &Path, _: &Path| sample(here);
            let lines = [
                "mkdir THERE/a", "mkdir THERE/a/b", "put HERE/plain.txt THERE/a/p", "rename THERE/a/p THERE/a/q", "ln -s q THERE/a/soft",
                "ln THERE/a/q THERE/a/hard", "chmod 640 THERE/a/q", "ls -1 THERE/a", "cd THERE/a", "pwd", "rm soft", "rmdir b", "copy q r", "ls -1",
            ];
            batch(site, "names", prepare, &lines)
        }),
        row(SFTP, "file that is not there", |site| batch(site, "absent", nothing, &["get THERE/absent HERE/absent"])),
        row(SFTP, "folder that stands already", |site| batch(site, "twice", nothing, &["mkdir THERE/a", "mkdir THERE/a"])),
        row(SFTP, "free space, server's folder", |site| {
            let done = batch(site, "space", nothing, &["df THERE", "ls -d /etc/passwd"]);
            // The numbers move by themselves.
            Outcome::new().fact("known", done.to_string().contains("%Capacity") && done.to_string().contains("/etc/passwd"))
        }),
        row(SFTP, "large file, default outstanding requests", |site| {
            let prepare = |_: &Path, there: &Path| std::fs::write(there.join("large"), noise(64_000_000)).expect("a large file");
            batch(site, "large", prepare, &["get THERE/large HERE/large", "put HERE/large THERE/back"])
        }),
        row(SFTP, "large file, 500 requests of 256 kB", |site| {
            let (here, there) = (site.fresh("wide-here"), site.fresh("wide-there"));
            std::fs::write(there.join("large"), noise(48_000_000)).expect("a large file");
            let from = site.at(&there.join("large"));
            let done = run(site.client("sftp").args(["-q", "-B", "262144", "-R", "500"]).arg(from).arg(&here));
            site.neutral(Outcome::of(&done).tree("here", &here))
        }),
        row(SFTP, "resumed get and put", |site| {
            let prepare = |here: &Path, there: &Path| {
                std::fs::write(there.join("all"), noise(3_000_000)).expect("a file");
                std::fs::write(here.join("part"), noise(1_000_000)).expect("a file");
                std::fs::write(here.join("all"), noise(3_000_000)).expect("a file");
                std::fs::write(there.join("part"), noise(2_000_000)).expect("a file");
            };
            batch(site, "resume", prepare, &["reget THERE/all HERE/part", "reput HERE/all THERE/part"])
        }),
        row(SFTP, "odd names both ways", |site| {
            let prepare = |here: &Path, _: &Path| odd(&here.join("o"));
            batch(site, "odd", prepare, &["put -r HERE/o THERE/o", "get -r THERE/o HERE/back", "ls -1 THERE/o"])
        }),
        row(SFTP, "1,000 small files both ways", |site| {
            let prepare = |here: &Path, _: &Path| many(&here.join("m"), 1_000);
            let (here, there) = (site.fresh("many-here"), site.fresh("many-there"));
            prepare(&here, &there);
            let file = site.folder.join("many.batch");
            std::fs::write(&file, format!("put -r {0}/m {1}/m\nget -r {1}/m {0}/back\n", here.display(), there.display())).expect("the batch");
            let done = run(site.client("sftp").arg("-q").arg("-b").arg(&file).arg(site.place()));
            Outcome::new().fact("exit", done.status).tree("here", &here).tree("there", &there)
        }),
        row(SFTP, "client that dies in a transfer", |site| {
            let (here, there) = (site.fresh("dies-here"), site.fresh("dies-there"));
            std::fs::write(there.join("large"), noise(40_000_000)).expect("a large file");
            let mut child = site.client("sftp").arg("-q").arg(site.at(&there.join("large"))).arg(&here).spawn().expect("sftp starts");
            let some = || std::fs::metadata(here.join("large")).is_ok_and(|data| data.len() > 0).then_some(());
            crate::street::program::wait_for("the transfer runs", std::time::Duration::from_secs(20), some);
            child.kill().expect("it can be killed");
            let _ = child.wait();
            Outcome::of(&site.exec("echo goes on"))
        }),
    ]);
}

fn scp(site: &Site<'_>, flags: &[&str], from: &[String], to: &str) -> std::process::Output {
    run(site.client("scp").arg("-q").args(flags).args(from).arg(to))
}

/// Up, then down again, and what lies where.
fn there_and_back(site: &Site<'_>, name: &str, flags: &'static [&'static str], make: fn(&Path)) -> Outcome {
    let (here, there) = (site.fresh(&format!("{name}-here")), site.fresh(&format!("{name}-there")));
    make(&here.join("s"));
    let up = scp(site, flags, &[here.join("s").display().to_string()], &site.at(&there.join("up")));
    let down = scp(site, flags, &[site.at(&there.join("up"))], &here.join("back").display().to_string());
    let outcome = Outcome::new().program("up", &up).program("down", &down);
    let outcome = if flags.contains(&"-p") { outcome.tree_with_times("here", &here).tree_with_times("there", &there) } else { outcome.tree("here", &here).tree("there", &there) };
    site.neutral(outcome)
}

fn rows(client: &'static str, recursive: &'static [&'static str], single: &'static [&'static str]) -> Vec<super::Row> {
    vec![
        row(client, "folder both ways, kept times", move |site| there_and_back(site, "folder", recursive, sample)),
        row(client, "odd names both ways", move |site| there_and_back(site, "odd", recursive, odd)),
        row(client, "500 small files both ways", move |site| there_and_back(site, "many", recursive, |folder| many(folder, 500))),
        row(client, "large file both ways", move |site| there_and_back(site, "large", single, |path| std::fs::write(path, noise(24_000_000)).expect("a large file"))),
        row(client, "empty file both ways", move |site| there_and_back(site, "empty", single, |path| std::fs::write(path, "").expect("an empty file"))),
        row(client, "file that is not there", move |site| {
            let here = site.fresh("absent");
            site.neutral(Outcome::of(&scp(site, single, &[site.at(&PathBuf::from("/absent/file"))], &here.display().to_string())))
        }),
        row(client, "place that cannot be written", move |site| {
            let here = site.fresh("nowhere");
            std::fs::write(here.join("f"), "x").expect("a file");
            site.neutral(Outcome::of(&scp(site, single, &[here.join("f").display().to_string()], &site.at(&PathBuf::from("/absent/folder/f")))))
        }),
        row(client, "several files and a pattern", move |site| {
            let (here, there) = (site.fresh("several-here"), site.fresh("several-there"));
            for name in ["a.txt", "b.txt", "c.log"] {
                std::fs::write(there.join(name), name).expect("a file");
            }
            let done = scp(site, single, &[site.at(&there.join("*.txt")), site.at(&there.join("c.log"))], &here.display().to_string());
            site.neutral(Outcome::of(&done).tree("here", &here))
        }),
    ]
}

#[test]
fn scp_does_through_the_gateway_what_it_does_directly() {
    let (direct, through) = both(house(), "mxs");
    let (direct, through) = (direct.with_line(), through.with_line());
    let mut all = rows("OpenSSH scp", &["-r", "-p"], &["-C"]);
    all.extend(rows("OpenSSH scp -O", &["-O", "-r", "-p"], &["-O"]));
    compare(&direct, &through, &all);
}
