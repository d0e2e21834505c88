//! The demo's configuration, as a file that the demo and every command of the program read.

use crate::cli::DemoArgs;
use crate::config::Config;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes `sekisho.toml` and reads it, so that a visitor's commands act on the same hospital:
/// `sekisho --config FOLDER/sekisho.toml session list`.
///
/// # Errors
/// No port is free, the file cannot be written, or a value cannot work.
pub(super) fn write(args: &DemoArgs, folder: &Path) -> Result<(Config, PathBuf)> {
    let here = |port: u16| Value::from(format!("127.0.0.1:{port}"));
    let log_port = super::hosts::free_port()?;
    let archive = folder.join("archive");
    std::fs::create_dir(&archive).with_context(|| format!("cannot make {}", archive.display()))?;
    let sections = [
        ("facility", vec![("id", json!("aoba-demo")), ("name", json!("青葉記念病院"))]),
        ("data", vec![("dir", json!(folder.join("data"))), ("database", json!(args.database))]),
        ("web", vec![("listen", here(super::port(args.web_port)?)), ("hosts", json!(["127.0.0.1", "localhost"]))]),
        ("ssh", vec![("listen", here(super::port(args.ssh_port)?))]),
        ("door", vec![("listen", here(super::port(args.door_port)?))]),
        ("archive", vec![("name", json!("nas")), ("folder", json!(archive)), ("same_disk", json!(true))]),
        ("log_sources", vec![("listen", here(log_port)), ("address", json!(format!("localhost:{log_port}")))]),
    ];
    let mut text = String::from("# 関所デモ病院の設定 / the demo hospital\n");
    for (section, keys) in sections {
        text.push_str(&format!("\n[{section}]\n"));
        for (key, value) in keys {
            // Texts and lists of texts are written in JSON as in TOML.
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    let path = folder.join("sekisho.toml");
    // The URL of a database names its password.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((Config::load(Some(&path))?, path))
}
