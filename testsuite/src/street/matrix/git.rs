//! git over SSH: a repository on the target.

use super::exec::noise;
use super::outcome::Outcome;
use super::site::{Site, both, run};
use super::{compare, house, row};
use std::path::Path;
use std::process::Command;

fn git(site: &Site<'_>, folder: &Path, words: &[&str]) -> Command {
    let mut command = site.plain("git");
    command.current_dir(folder).env("GIT_SSH_COMMAND", site.ssh_line()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "保守").env(format!("GIT_{role}_EMAIL"), "a@example.invalid").env(format!("GIT_{role}_DATE"), "1700000000 +0900");
    }
    command.args(["-c", "init.defaultBranch=main", "-c", "protocol.version=2"]).args(words);
    command
}

fn life(site: &Site<'_>) -> Outcome {
    let (here, there) = (site.fresh("git-here"), site.fresh("git-there"));
    let url = format!("ssh://{}{}", site.place(), there.join("r.git").display());
    let mut outcome = Outcome::new();
    let mut step = |name: &str, folder: &Path, words: &[&str]| {
        let done = run(&mut git(site, folder, words));
        // Progress goes to the errors, with speeds in it; the outcome is what counts.
        outcome = std::mem::replace(&mut outcome, Outcome::new()).fact(&format!("{name}.exit"), done.status).bytes(&format!("{name}.out"), &done.stdout);
    };
    step("init", &there, &["init", "--quiet", "--bare", "r.git"]);
    let (one, two) = (here.join("one"), here.join("two"));
    step("clone of nothing", &here, &["clone", "--quiet", &url, "one"]);
    std::fs::write(one.join("大きい.bin"), noise(6_000_000)).expect("a large file");
    for number in 0..200 {
        std::fs::write(one.join(format!("f{number}")), format!("{number}\n")).expect("a file");
    }
    step("add", &one, &["add", "--all"]);
    step("commit", &one, &["commit", "--quiet", "-m", "一"]);
    step("push", &one, &["push", "--quiet", "origin", "HEAD:main"]);
    step("clone", &here, &["clone", "--quiet", "--branch", "main", &url, "two"]);
    step("shallow clone", &here, &["clone", "--quiet", "--depth", "1", "--branch", "main", &url, "three"]);
    std::fs::write(two.join("f0"), "changed\n").expect("a change");
    step("commit in two", &two, &["commit", "--quiet", "-am", "二"]);
    step("push from two", &two, &["push", "--quiet", "origin", "main"]);
    step("fetch", &one, &["fetch", "--quiet"]);
    step("amend", &one, &["commit", "--quiet", "--amend", "-m", "別"]);
    step("refused push", &one, &["push", "--quiet", "origin", "HEAD:main"]);
    step("log", &two, &["log", "--format=%H %s"]);
    step("fsck", &there.join("r.git"), &["fsck", "--strict"]);
    step("ls-remote", &one, &["ls-remote", &url]);
    site.neutral(outcome)
}

#[test]
fn git_does_through_the_gateway_what_it_does_directly() {
    let (direct, through) = both(house(), "mxg");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row("git", "clone, push, fetch, shallow, refused push", life),
        row("git", "repository that is not there", |site| {
            let here = site.fresh("git-absent");
            let url = format!("ssh://{}/absent/r.git", site.place());
            site.neutral(Outcome::of(&run(&mut git(site, &here, &["clone", "--quiet", &url, "x"]))))
        }),
    ]);
}
