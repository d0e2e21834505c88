//! A real box without anybody in it, for what leaves it and comes back.

use crate::street::program::{command, free_port, output, said, wait_for};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(90);

/// A box without anybody in it.
pub struct Gate {
    folder: TempDir,
    pub key: String,
    serve: Option<Child>,
    data: PathBuf,
}

impl Gate {
    pub fn new(more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("gate-").tempdir().unwrap();
        let data = folder.path().join("data");
        Self::made(folder, data, more)
    }

    /// The same with its data elsewhere.
    pub fn at(data: PathBuf, more: &str) -> Self {
        Self::made(tempfile::Builder::new().prefix("gate-").tempdir().unwrap(), data, more)
    }

    fn made(folder: TempDir, data: PathBuf, more: &str) -> Self {
        let mut made = Self { folder, key: String::new(), serve: None, data };
        let config = format!(
            "[facility]\nid = \"aoba\"\n[data]\ndir = \"{}\"\n[ssh]\nlisten = \"127.0.0.1:{}\"\n[web]\nlisten = \"127.0.0.1:{}\"\n{more}",
            made.data().display(),
            free_port(),
            free_port()
        );
        std::fs::write(made.path("sekisho.toml"), config).unwrap();
        let set_up = made.ask(&["--json", "init"]);
        assert!(set_up.status.success(), "{}", said(&set_up));
        let value: Value = serde_json::from_slice(&set_up.stdout).unwrap();
        made.key = value["log_public_key"].as_str().unwrap().to_owned();
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn ask(&self, args: &[&str]) -> Output {
        let config = self.path("sekisho.toml").display().to_string();
        let args: Vec<&str> = ["--config", &config].into_iter().chain(args.iter().copied()).collect();
        output(&mut command(&args), PATIENCE)
    }

    pub fn start(&mut self) {
        let config = self.path("sekisho.toml").display().to_string();
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(self.path("errors.txt")).unwrap();
        self.serve = Some(command(&["--config", &config, "serve"]).stdout(Stdio::null()).stderr(errors).spawn().unwrap());
        let socket = self.data().join("control.sock");
        wait_for("the box runs", PATIENCE, || std::os::unix::net::UnixStream::connect(&socket).ok());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.serve.as_ref().expect("it runs").id()
    }

    pub fn kill(&mut self) {
        if let Some(mut serve) = self.serve.take() {
            let _ = serve.kill();
            let _ = serve.wait();
        }
    }

    pub fn outside(&self) -> Value {
        let told = self.ask(&["--json", "log", "outside"]);
        assert!(told.status.success(), "{}", said(&told));
        serde_json::from_slice(&told.stdout).unwrap()
    }

    /// Has checkpoints sent, until every place has all `entries`.
    pub fn sent(&self, what: &str) {
        self.ask(&["log", "send"]);
        wait_for(what, PATIENCE, || {
            let told = self.outside();
            let places = told["places"].as_array().unwrap();
            let well = !places.is_empty() && places.iter().all(|place| place["entries"].as_u64() > Some(0) && place["failing_since"].is_null());
            well.then_some(())
        });
    }

    pub fn add(&self, name: &str) {
        let done = self.ask(&["vendor", "add", "--name", name]);
        assert!(done.status.success(), "{}", said(&done));
    }

    pub fn kinds(&self, kind: &str) -> usize {
        let told = self.ask(&["--json", "log", "list", "--kind", kind]);
        serde_json::from_slice::<Value>(&told.stdout).unwrap().as_array().unwrap().len()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.path("errors.txt")).unwrap_or_default());
        }
        self.kill();
    }
}
