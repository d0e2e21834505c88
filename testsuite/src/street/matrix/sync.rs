//! rsync over the shared connection.

use super::exec::noise;
use super::files::{many, odd, old, sample};
use super::outcome::Outcome;
use super::site::{Site, both, run};
use super::{compare, house, row};
use std::path::Path;
use std::process::Output;

fn rsync(site: &Site<'_>, flags: &[&str], from: &str, to: &str) -> Output {
    run(site.plain("rsync").args(["-e", &site.ssh_line()]).args(flags).args([from, to]))
}

/// Up, a change, up again, down.
fn there_and_back(site: &Site<'_>, name: &str, flags: &[&str], make: fn(&Path), change: fn(&Path)) -> Outcome {
    let (here, there) = (site.fresh(&format!("{name}-here")), site.fresh(&format!("{name}-there")));
    let source = here.join("s");
    make(&source);
    let (from, up) = (format!("{}/", source.display()), format!("{}/up/", site.at(&there)));
    let first = rsync(site, flags, &from, &up);
    change(&source);
    old_but_changed(&source);
    let second = rsync(site, flags, &from, &up);
    let down = rsync(site, flags, &up, &format!("{}/back/", here.display()));
    site.neutral(Outcome::new().program("up", &first).program("again", &second).program("down", &down).tree_with_times("here", &here).tree_with_times("there", &there))
}

/// One time for all, and another for what changed, by which rsync sees it.
fn old_but_changed(folder: &Path) {
    old(folder);
    for name in ["plain.txt", "large"] {
        if let Ok(file) = std::fs::File::open(folder.join(name)) {
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_777)).expect("a time");
        }
    }
}

fn none(_: &Path) {}

#[test]
fn rsync_does_through_the_gateway_what_it_does_directly() {
    const RSYNC: &str = "rsync";
    let (direct, through) = both(house(), "mxr");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row(RSYNC, "-a both ways, then only the change", |site| {
            there_and_back(site, "plain", &["-a"], sample, |folder| std::fs::write(folder.join("plain.txt"), "changed\n").expect("a change"))
        }),
        row(RSYNC, "-az --delete, a difference within a large file", |site| {
            let make = |folder: &Path| {
                sample(folder);
                std::fs::write(folder.join("large"), noise(20_000_000)).expect("a large file");
            };
            let change = |folder: &Path| {
                let mut bytes = noise(20_000_000);
                bytes[10_000_000..10_000_100].fill(7);
                std::fs::write(folder.join("large"), bytes).expect("a change");
                std::fs::remove_file(folder.join("empty")).expect("a file goes");
            };
            there_and_back(site, "delta", &["-az", "--delete"], make, change)
        }),
        row(RSYNC, "-a, odd names", |site| there_and_back(site, "odd", &["-a"], odd, none)),
        row(RSYNC, "-a, 3,000 small files", |site| there_and_back(site, "many", &["-a"], |folder| many(folder, 3_000), none)),
        row(RSYNC, "list, and a file that is not there", |site| {
            let there = site.fresh("list");
            std::fs::write(there.join("one"), "1").expect("a file");
            let absent = rsync(site, &["-a"], &site.at(&there.join("absent")), &there.join("x").display().to_string());
            let dry = rsync(site, &["-an", "--itemize-changes"], &format!("{}/", site.at(&there)), &format!("{}/copy/", there.display()));
            site.neutral(Outcome::new().program("absent", &absent).program("dry", &dry))
        }),
    ]);
}
