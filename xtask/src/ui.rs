//! The browser modules: npm's packages by the lock file, then one build into `ui/dist`.

use crate::setup::{self, hex};
use crate::system::Group;
use crate::{clone, demo, shell};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Builds `ui/dist` if anything that it is made of changed since the last time.
pub fn run(root: &Path) -> Result<()> {
    let ui = root.join("ui");
    if !ui.join("package.json").is_file() || !ui.join("package-lock.json").is_file() {
        bail!("ui/package.json or ui/package-lock.json is missing");
    }
    packages(root, &ui)?;

    let stamp = clone::stamps(root)?.join("ui-built");
    let sources = digest(&ui, &sources(&ui)?)?;
    if ui.join("dist").is_dir() && fs::read_to_string(&stamp).unwrap_or_default() == sources {
        return Ok(());
    }
    eprintln!("xtask: building ui/dist");
    shell::run(shell::command("npm", &ui).args(["run", "--silent", "build"]))?;
    if !ui.join("dist").is_dir() {
        bail!("`npm run build` succeeded but left no ui/dist");
    }
    fs::write(&stamp, sources)?;
    Ok(())
}

/// Takes the screenshots of README and guides against a demo that the script starts.
pub fn screenshots(root: &Path) -> Result<()> {
    setup::run(root, &[Group::Build, Group::Demo, Group::Test])?;
    run(root)?;
    let binary = demo::build(root)?;
    shell::run(
        shell::command("npm", &root.join("ui"))
            .args(["run", "--silent", "screens"])
            .env("SEKISHO_BIN", binary),
    )
}

fn packages(root: &Path, ui: &Path) -> Result<()> {
    let stamp = clone::stamps(root)?.join("ui-packages");
    let lock = digest(ui, &[ui.join("package.json"), ui.join("package-lock.json")])?;
    if ui.join("node_modules").is_dir() && fs::read_to_string(&stamp).unwrap_or_default() == lock {
        return Ok(());
    }
    eprintln!("xtask: installing the packages of ui/package-lock.json");
    // No package may run a script of its own on this machine.
    shell::run(shell::command("npm", ui).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]))?;
    fs::write(&stamp, lock)?;
    Ok(())
}

fn sources(ui: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![ui.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                if name != "node_modules" && name != "dist" {
                    folders.push(entry.path());
                }
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn digest(ui: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file
            .strip_prefix(ui)
            .unwrap_or(file)
            .to_string_lossy()
            .into_owned();
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(&bytes);
    }
    Ok(hex(&hash.finalize()))
}
