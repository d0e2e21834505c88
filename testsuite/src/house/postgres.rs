//! A PostgreSQL server for the length of the test run, on a free port of the loopback interface.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The account `nobody` of Debian and Ubuntu. The server refuses to run as root.
const NOBODY: u32 = 65534;

/// The server of this run. It ends when the pipe to its keeper closes, which happens however this process ends.
struct Server {
    port: u16,
    bin: PathBuf,
    _keeper: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// One fresh database of the server.
pub struct Db {
    name: String,
}

impl Db {
    /// Makes a database, and the server before the first one.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let server = SERVER.get_or_init(start);
        run(server, "postgres", &format!("CREATE DATABASE {name}"));
        Self { name }
    }

    /// Its address.
    pub fn url(&self) -> String {
        let server = SERVER.get_or_init(start);
        format!("postgres://sekisho:sekisho@127.0.0.1:{}/{}", server.port, self.name)
    }

    /// Runs SQL as somebody who has the database but not the keys.
    pub fn sql(&self, text: &str) {
        run(SERVER.get_or_init(start), &self.name, text);
    }

    /// The one value that a query gives, as text.
    pub fn value(&self, text: &str) -> String {
        run(SERVER.get_or_init(start), &self.name, text)
    }
}

impl Drop for Db {
    /// The databases of some hundred tests would fill the disk of a small machine.
    fn drop(&mut self) {
        if let Some(server) = SERVER.get() {
            let _ = psql(server, "postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

fn psql(server: &Server, database: &str, text: &str) -> std::io::Result<Output> {
    let port = server.port.to_string();
    let args = ["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "sekisho", "-p", &port, "-d", database, "-c", text];
    Command::new(server.bin.join("psql")).args(args).output()
}

fn run(server: &Server, database: &str, text: &str) -> String {
    let done = psql(server, database, text).expect("psql runs");
    assert!(done.status.success(), "{text}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn start() -> Server {
    let bin = newest().expect("PostgreSQL is installed below /usr/lib/postgresql (cargo xtask setup)");
    let folder = tempfile::Builder::new().prefix("sekisho-pg").tempdir().expect("a folder for the server").keep();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        chown(&folder, Some(NOBODY), Some(NOBODY)).expect("the folder changes its owner");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("rights of the folder");
    let data = folder.join("data");
    let as_nobody = |command: &mut Command| {
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
    };
    let mut init = Command::new(bin.join("initdb"));
    init.args(["-A", "trust", "-U", "sekisho", "-E", "UTF8", "--no-sync", "-D"]).arg(&data);
    as_nobody(&mut init);
    assert!(init.status().expect("initdb runs").success(), "initdb made a cluster");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    // The keeper waits for the end of its input. Nothing else would end the server if this process were killed.
    let script = "\"$1\" -D \"$2\" -p \"$3\" -h 127.0.0.1 -k \"$2\" -F -c max_wal_size=128MB & pid=$!; cat >/dev/null; kill -INT $pid; wait $pid; rm -rf \"$4\"";
    let mut keeper = Command::new("sh");
    keeper.args(["-c", script, "keeper"]).arg(bin.join("postgres")).arg(&data).arg(port.to_string()).arg(&folder).stdin(Stdio::piped());
    as_nobody(&mut keeper);
    let keeper = keeper.spawn().expect("the server starts");
    let ready = || {
        let asked = Command::new(bin.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
        asked.is_ok_and(|status| status.success())
    };
    for _ in 0..600 {
        if ready() {
            return Server { port, bin, _keeper: keeper };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the PostgreSQL server did not come up");
}

fn newest() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(Path::new("/usr/lib/postgresql"))
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}
