//! sshfs: the target's folder as a folder of the worker's own.

use super::exec::noise;
use super::files::{odd, sample};
use super::outcome::Outcome;
use super::site::{Site, both, run};
use super::{compare, house, row};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted folder, which is let go at the end.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").args(["-u", "-z"]).arg(&self.0).status();
    }
}

/// Why no folder can be mounted on this machine.
fn missing() -> Option<String> {
    match std::fs::File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => None,
        Err(fault) => Some(format!("/dev/fuse cannot be opened: {fault}")),
    }
}

fn mounted(site: &Site<'_>, name: &str, work: impl Fn(&Path, &Path) -> Outcome) -> Outcome {
    if let Some(why) = missing() {
        return Outcome::not_here(&why);
    }
    let (mount, there) = (site.fresh(&format!("{name}-mount")), site.fresh(&format!("{name}-there")));
    let mut sshfs = site.plain("sshfs");
    sshfs.arg(site.at(&there)).arg(&mount).args(["-o", &format!("ssh_command={}", site.ssh_line())]);
    let done = run(&mut sshfs);
    let guard = Mount(mount.clone());
    if !done.status.success() && String::from_utf8_lossy(&done.stderr).contains("Operation not permitted") {
        return Outcome::not_here("this sandbox does not let a folder be mounted");
    }
    let outcome = work(&mount, &there).program("mount", &done);
    drop(guard);
    site.neutral(outcome.tree("there", &there))
}

fn kind<T>(result: std::io::Result<T>) -> String {
    result.map_or_else(|fault| format!("{:?}", fault.kind()), |_| "done".to_owned())
}

#[test]
fn sshfs_does_through_the_gateway_what_it_does_directly() {
    const SSHFS: &str = "sshfs";
    let (direct, through) = both(house(), "mxm");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row(SSHFS, "files in, out, renamed, removed", |site| {
            mounted(site, "acts", |mount, _| {
                sample(&mount.join("s"));
                let read = std::fs::read(mount.join("s/inner/noise.bin")).unwrap_or_default();
                Outcome::new()
                    .bytes("read", &read)
                    .fact("rename", kind(std::fs::rename(mount.join("s/plain.txt"), mount.join("s/renamed"))))
                    .fact("over another", kind(std::fs::rename(mount.join("s/renamed"), mount.join("s/empty"))))
                    .fact("link", kind(std::os::unix::fs::symlink("empty", mount.join("s/link"))))
                    .fact("absent", kind(std::fs::read(mount.join("absent"))))
                    .fact("remove", kind(std::fs::remove_file(mount.join("s/inner/deeper/script.sh"))))
                    .fact("folder not empty", kind(std::fs::remove_dir(mount.join("s"))))
                    .fact("folder", kind(std::fs::remove_dir(mount.join("s/inner/deeper"))))
                    .fact("size", kind(std::fs::File::options().write(true).open(mount.join("s/inner/noise.bin")).and_then(|file| file.set_len(1000))))
                    .fact("append", kind(std::fs::File::options().append(true).open(mount.join("s/inner/noise.bin")).and_then(|mut file| std::io::Write::write_all(&mut file, b"more"))))
            })
        }),
        row(SSHFS, "large file both ways", |site| {
            mounted(site, "large", |mount, there| {
                let bytes = noise(30_000_000);
                let wrote = kind(std::fs::write(mount.join("in"), &bytes));
                std::fs::write(there.join("out"), &bytes).expect("a file");
                let read = std::fs::read(mount.join("out")).unwrap_or_default();
                Outcome::new().fact("wrote", wrote).fact("same", read == bytes)
            })
        }),
        row(SSHFS, "odd names", |site| {
            mounted(site, "odd", |mount, _| {
                odd(mount);
                Outcome::new().tree("seen", mount)
            })
        }),
    ]);
}
