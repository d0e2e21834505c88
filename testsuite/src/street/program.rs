//! The programs that the street uses: the built binary, and those of the system.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Top folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the testsuite lies in the repository").to_path_buf()
}

/// The built `sekisho`. Never skipped: a street without a house is a failure.
#[allow(clippy::disallowed_methods, reason = "the test command names the binary that it built")]
pub fn sekisho() -> PathBuf {
    let named = std::env::var_os("SEKISHO_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| root().join("target/debug/sekisho"));
    assert!(path.is_file(), "{} is missing: run `cargo build -p sekisho`, or name the binary in SEKISHO_BIN", path.display());
    path
}

/// `sekisho` with the arguments given, in English, whatever the language of whoever runs the tests.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(sekisho());
    command.args(args).env("SEKISHO_LANG", "en").stdin(Stdio::null());
    command
}

/// Runs `sekisho` to its end.
pub fn run(args: &[&str]) -> Output {
    output(&mut command(args), Duration::from_secs(60))
}

/// Runs a program to its end, which must come within `patience`.
pub fn output(command: &mut Command, patience: Duration) -> Output {
    let name = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|fault| panic!("{name} cannot be started: {fault}"));
    let out = child.stdout.take().map(drain);
    let err = child.stderr.take().map(drain);
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{name} took longer than {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let take = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    Output { status, stdout: take(out), stderr: take(err) }
}

fn drain(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// Bytes that no compression makes small, in which every value stands beside every other; the same at each call with
/// this seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    next.flatten().take(length).collect()
}

/// What a program said, both ways, for the words of a failure.
pub fn said(output: &Output) -> String {
    format!("{}\n--- stdout\n{}\n--- stderr\n{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send {name} to {pid}");
}

/// Waits until `is` holds, and tells what was awaited if it does not within `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut is: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = is() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", patience.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener.local_addr().expect("its address").port()
}

/// Copies a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy {} to {}", from.display(), to.display());
}
