//! OpenSSH's `ssh` with a terminal: Ctrl-C in a flood, window changes under output, full-screen bytes.
//!
//! On a shared connection, and without a terminal of its own, `ssh` asks for one whose every mode is off; `stty sane` makes
//! it one that a person sits at.

use super::outcome::Outcome;
use super::python::{on_terminal, text};
use super::site::{Site, both, run};
use super::{compare, house, row};
use crate::street::program::wait_for;
use std::io::{Read, Write};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A terminal of the target whose keys are typed here.
struct Keys {
    site: &'static str,
    child: std::process::Child,
    stdin: std::process::ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Keys {
    fn new(site: &Site<'_>, line: &str) -> Self {
        let mut command = site.client("ssh");
        command.arg("-tt").arg(site.place());
        if !line.is_empty() {
            command.arg(line);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ssh starts");
        let (stdin, mut stdout) = (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
        let screen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
            }
        });
        Self { site: site.name, child, stdin, screen }
    }

    fn press(&mut self, keys: &str) {
        self.stdin.write_all(keys.as_bytes()).and_then(|()| self.stdin.flush()).expect("ssh takes keys");
    }

    fn seen(&self) -> Vec<u8> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn length(&self) -> usize {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a word at the end of what came: all of a flood is too much to look through again and again.
    fn wait(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let end = {
                let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
                text(&screen[screen.len().saturating_sub(4096)..])
            };
            if end.contains(what) {
                return;
            }
            assert!(Instant::now() < deadline, "{}: the screen does not show {what} after {} bytes, but {end:?}", self.site, self.length());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self) -> ExitStatus {
        wait_for("ssh ends", Duration::from_secs(30), || self.child.try_wait().expect("its state"))
    }
}

/// What stands between two marks; the gateway's own words of welcome come before the first.
fn between(seen: &[u8], from: &str, to: &str) -> String {
    let seen = text(seen);
    let rest = seen.split_once(from).map(|(_, rest)| rest.to_owned()).unwrap_or_else(|| format!("no {from} in {seen}"));
    rest.split_once(to).map_or(rest.clone(), |(middle, _)| middle.to_owned())
}

fn ctrl_c_in_a_flood(site: &Site<'_>) -> Outcome {
    let mut keys = Keys::new(site, "");
    keys.press("PS1=; stty sane -echo; echo rea''dy\n");
    keys.wait("ready");
    keys.press("yes flood\n");
    wait_for("a flood", Duration::from_secs(30), || (keys.length() > 5_000_000).then_some(()));
    let begun = Instant::now();
    keys.press("\u{3}");
    keys.press("echo over''now\n");
    keys.wait("overnow");
    let took = begun.elapsed();
    keys.press("exit 9\n");
    Outcome::new().fact("exit", keys.end()).fact("within 10 s", took < Duration::from_secs(10))
}

fn typed(site: &Site<'_>) -> Outcome {
    let mut keys = Keys::new(site, "");
    keys.press("PS1=; stty sane -echo; echo rea''dy\n");
    keys.wait("ready");
    keys.press("echo '電子カルテ'; printf 'BEG''IN'; tty | cut -c1-9; echo $TERM; cat\n");
    keys.wait("BEGIN");
    keys.press("一行\n\u{4}printf 'E''ND'; exit 5\n");
    let status = keys.end();
    Outcome::new().fact("exit", status).fact("screen", between(&keys.seen(), "BEGIN", "END"))
}

fn job_control(site: &Site<'_>) -> Outcome {
    let mut keys = Keys::new(site, "");
    keys.press("PS1=; stty sane -echo; echo rea''dy\n");
    keys.wait("ready");
    keys.press("sh -c 'echo runs''now; sleep 60'\n");
    keys.wait("runsnow");
    keys.press("\u{1a}");
    keys.wait("Stopped");
    // Short sleeps: a signal that finds the shell just before it forks is told after the sleep only.
    keys.press("kill %1; wait; sh -c 'trap \"echo got-int; exit\" INT; echo trap''set; while :; do sleep 0.2; done'\n");
    keys.wait("trapset");
    keys.press("\u{3}");
    keys.wait("got-int");
    keys.press("exit 6\n");
    Outcome::new().fact("exit", keys.end())
}

#[test]
fn a_terminal_behaves_through_the_gateway_as_it_does_directly() {
    const SSH: &str = "OpenSSH ssh -t";
    let (direct, through) = both(house(), "mxt");
    let (direct, through) = (direct.with_line(), through.with_line());
    compare(&direct, &through, &[
        row(SSH, "Ctrl-C in a flood", ctrl_c_in_a_flood),
        row(SSH, "typing, Japanese, end of input", typed),
        row(SSH, "Ctrl-Z, Ctrl-C to a trap", job_control),
        row(SSH, "bytes of a full-screen program", |site| {
            let line = "printf BEGIN; printf '\\033[?1049h\\033[2J\\033[1;31m'; seq 500; head -c 4096 /bin/sh | tr -d '\\0\\n\\r'; printf '\\033[?1049l'; printf END";
            let mut keys = Keys::new(site, line);
            let status = keys.end();
            let seen = keys.seen();
            Outcome::new().fact("exit", status).bytes("screen", between(&seen, "BEGIN", "END").as_bytes())
        }),
        row(SSH, "window changes under output", |site| {
            let mut words = vec!["resize".to_owned(), "ssh".to_owned()];
            words.extend(site.shared());
            words.extend(["-tt".to_owned(), site.place()]);
            words.push("printf BE''GIN; echo READY; for i in $(seq 150); do echo line$i; sleep 0.02; done; stty size; echo E''ND".to_owned());
            let done = run(on_terminal(site).args(words));
            Outcome::new().fact("exit", done.status).fact("screen", between(&done.stdout, "BEGIN", "END"))
        }),
    ]);
}
