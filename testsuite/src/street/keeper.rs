//! Ends what the tests started, however the test process itself ends: a shell waits for its standard input to close.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Watches one process (and a folder of its own) on behalf of this test process.
pub struct Keeper(Child);

/// A line tells that all is in order; the end of input tells that the test process is gone.
const SCRIPT: &str = r#"
read -r _ && exit 0
kill -TERM "$1" 2>/dev/null
n=0
while kill -0 "$1" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.2; n=$((n+1)); done
kill -KILL "$1" 2>/dev/null
[ -n "$2" ] && rm -rf -- "$2"
exit 0
"#;

impl Keeper {
    /// Ends process `pid` when this test process ends, then removes `folder`.
    pub fn of(pid: u32, folder: Option<&Path>) -> Self {
        let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "keeper", &pid.to_string(), &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("sh can be started"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        use std::io::Write;
        // Whoever drops the keeper has ended the process already.
        if let Some(mut stdin) = self.0.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = self.0.wait();
    }
}
