//! PuTTY's command-line tools: plink, psftp, pscp. A person types the code on the terminal; the later ones share the
//! connection of the first, as PuTTY does it itself.

use super::exec::noise;
use super::files::{odd, sample};
use super::outcome::Outcome;
use super::python::on_terminal;
use super::site::{PATIENCE, Site, both, run};
use super::{compare, house, row};
use crate::street::program::{output, wait_for};
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The words that every tool of PuTTY gets.
fn words(site: &Site<'_>, share: bool) -> Vec<OsString> {
    let key = site.folder.with_extension("ppk");
    if !key.exists() {
        let made = Command::new("puttygen").arg(&site.key).args(["-O", "private", "-o"]).arg(&key).status();
        assert!(made.is_ok_and(|status| status.success()), "puttygen cannot read the key");
    }
    let mut words: Vec<OsString> = ["-ssh", "-P"].iter().map(Into::into).collect();
    words.extend([site.port.to_string().into(), "-l".into(), site.login.clone().into(), "-i".into(), key.into()]);
    words.extend(["-hostkey".into(), site.fingerprint.clone().into(), "-noagent".into()]);
    words.push(if share { "-share".into() } else { "-noshare".into() });
    words
}

/// A tool with a login of its own: the code is typed on its terminal.
fn alone(site: &Site<'_>, tool: &str, share: bool) -> Command {
    let mut command = on_terminal(site);
    command.env("HOME", &site.folder).arg("answer").arg(site.code()).arg(tool).args(words(site, share));
    command
}

/// A tool on the connection that stands.
fn shared(site: &Site<'_>, tool: &str) -> Command {
    let mut command = site.plain(tool);
    command.env("HOME", &site.folder).args(words(site, true)).arg("-batch");
    command
}

/// A tool with a login of its own that asks for nothing.
pub fn quiet(site: &Site<'_>, tool: &str) -> Command {
    let mut command = site.plain(tool);
    command.env("HOME", &site.folder).args(words(site, false)).arg("-batch");
    command
}

/// The connection that the others share.
struct Upstream(Child);

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn upstream(site: &Site<'_>) -> Upstream {
    let mut command = alone(site, "plink", true);
    command.args(["127.0.0.1", "echo up; cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("plink starts");
    let mut first = [0; 3];
    let stdout = child.stdout.as_mut().expect("its output");
    std::io::Read::read_exact(stdout, &mut first).expect("the shared connection of plink stands");
    wait_for("plink takes others in", Duration::from_secs(20), || shared(site, "plink").args(["127.0.0.1", "true"]).status().ok()?.success().then_some(()));
    Upstream(child)
}

fn plink(site: &Site<'_>, line: &str) -> std::process::Output {
    run(shared(site, "plink").args(["127.0.0.1", line]))
}

fn psftp(site: &Site<'_>, name: &str, prepare: fn(&std::path::Path), lines: &[&str]) -> Outcome {
    let (here, there) = (site.fresh(&format!("{name}-here")), site.fresh(&format!("{name}-there")));
    prepare(&here);
    let text = lines.join("\n").replace("THERE", &there.display().to_string()).replace("HERE", &here.display().to_string()) + "\n";
    let file = site.folder.join(format!("{name}.batch"));
    std::fs::write(&file, text).expect("the batch");
    let done = run(shared(site, "psftp").arg("-b").arg(&file).arg("127.0.0.1"));
    site.neutral(Outcome::of(&done).tree("here", &here).tree("there", &there))
}

fn pscp(site: &Site<'_>, name: &str, flags: &[&str], prepare: fn(&std::path::Path)) -> Outcome {
    let (here, there) = (site.fresh(&format!("{name}-here")), site.fresh(&format!("{name}-there")));
    prepare(&here.join("s"));
    std::fs::create_dir(here.join("back")).expect("a folder");
    let place = |path: &std::path::Path| format!("127.0.0.1:{}", path.display());
    let up = run(shared(site, "pscp").arg("-q").args(flags).arg(here.join("s")).arg(place(&there)));
    let down = run(shared(site, "pscp").arg("-q").args(flags).arg(place(&there.join("s"))).arg(here.join("back")));
    site.neutral(Outcome::new().program("up", &up).program("down", &down).tree("here", &here).tree("there", &there))
}

#[test]
fn putty_does_through_the_gateway_what_it_does_directly() {
    const PLINK: &str = "PuTTY plink";
    let (direct, through) = both(house(), "mxp");
    let _upstreams = (upstream(&direct), upstream(&through));
    compare(&direct, &through, &[
        row(PLINK, "exit status, output and errors apart", |site| Outcome::of(&plink(site, "printf out; printf err >&2; exit 7"))),
        row(PLINK, "exit by a signal", |site| {
            let done = plink(site, "kill -TERM $$");
            Outcome::new().fact("exit", done.status).bytes("out", &done.stdout)
        }),
        row(PLINK, "binary bytes both ways, input that ends", |site| {
            let file = site.folder.join("putty-input");
            std::fs::write(&file, noise(2_000_000)).expect("the input");
            let mut command = shared(site, "plink");
            command.args(["127.0.0.1", "cat; echo end"]).stdin(Stdio::from(std::fs::File::open(&file).expect("the input")));
            Outcome::of(&output(&mut command, PATIENCE))
        }),
        row(PLINK, "terminal", |site| {
            let done = run(shared(site, "plink").args(["-t", "127.0.0.1", "printf BE''GIN; stty -a | grep -c rows; echo $TERM; echo END"]));
            let seen = String::from_utf8_lossy(&done.stdout).into_owned();
            Outcome::new().fact("exit", done.status).fact("screen", seen.split_once("BEGIN").map(|(_, rest)| rest.to_owned()).unwrap_or(seen))
        }),
        row("PuTTY psftp", "put, get, whole folders", |site| {
            psftp(site, "copy", |here| sample(&here.join("s")), &["put -r HERE/s THERE/up", "get -r THERE/up HERE/back", "ls THERE/absent"])
        }),
        row("PuTTY psftp", "folders, names, modes", |site| {
            psftp(site, "names", sample, &[
                "mkdir THERE/a", "put HERE/plain.txt THERE/a/p", "mv THERE/a/p THERE/a/q", "chmod 640 THERE/a/q", "cd THERE/a", "pwd", "put HERE/inner/noise.bin n", "del n", "cd ..", "mkdir b", "rmdir b",
            ])
        }),
        row("PuTTY psftp", "large file", |site| {
            psftp(site, "large", |here| std::fs::write(here.join("l"), noise(12_000_000)).expect("a large file"), &["put HERE/l THERE/l", "get THERE/l HERE/back"])
        }),
        row("PuTTY pscp -sftp", "folder both ways", |site| pscp(site, "sftp", &["-sftp", "-r"], sample)),
        row("PuTTY pscp -scp", "folder both ways", |site| pscp(site, "scp", &["-scp", "-r"], sample)),
        row("PuTTY pscp -sftp", "odd names", |site| pscp(site, "sftp-odd", &["-sftp", "-r"], odd)),
        row("PuTTY pscp -sftp", "large file", |site| pscp(site, "sftp-large", &["-sftp"], |path| std::fs::write(path, noise(12_000_000)).expect("a large file"))),
        row("PuTTY pscp -scp", "large file", |site| pscp(site, "scp-large", &["-scp"], |path| std::fs::write(path, noise(12_000_000)).expect("a large file"))),
    ]);
}

/// With a login of its own each: the banner and the question go by the way that the tool chose for them.
#[test]
fn each_tool_of_putty_logs_in_by_itself() {
    let own = |tool: &'static str, login: &'static str, more: &'static [&'static str]| {
        let (direct, through) = both(house(), login);
        compare(&direct, &through, &[row("PuTTY alone", tool, move |site| {
            let batch = site.folder.join("alone.batch");
            std::fs::write(&batch, "pwd\n").expect("the batch");
            let more: Vec<String> = more.iter().map(|word| word.replace("BATCH", &batch.display().to_string()).replace("FOLDER", &site.folder.display().to_string())).collect();
            let done = run(alone(site, tool, false).args(more));
            let copied = std::fs::read(site.folder.join("hostname")).unwrap_or_default();
            site.neutral(Outcome::new().fact("exit", done.status).bytes("out", &done.stdout).bytes("copied", &copied))
        })]);
    };
    own("plink", "mxpa", &["127.0.0.1", "echo in; exit 5"]);
    own("psftp", "mxpb", &["-b", "BATCH", "127.0.0.1"]);
    own("pscp", "mxpc", &["-q", "127.0.0.1:/etc/hostname", "FOLDER/hostname"]);
}
