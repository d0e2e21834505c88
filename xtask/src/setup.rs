//! What a fresh clone needs before cargo can build it: the patched SSH library and the system's packages.

use crate::shell;
use crate::system::{self, Group};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path that Cargo.toml names. Its odd name is the hint that cargo prints when it is missing.
const LAID: &str = ".patched/run--cargo-xtask-setup--first";

/// Installs the packages of `groups` that are missing and lays the patched crates.
pub fn run(root: &Path, groups: &[Group]) -> Result<()> {
    system::ensure(root, groups)?;
    lay(root, "russh")
}

/// Copies the published source of `name` beside the project and applies `patches/NAME/*.patch` to it.
///
/// Touches nothing when the stamp says that the same version and the same patches lie there.
fn lay(root: &Path, name: &str) -> Result<()> {
    let wanted = root.join("patches").join(name);
    let patches = patches(&wanted)?;
    let mut hash = Sha256::new();
    for file in [wanted.join("Cargo.toml"), wanted.join("Cargo.lock")]
        .iter()
        .chain(&patches)
    {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    let digest = hex(&hash.finalize());
    let laid = root.join(LAID).join(name);
    let stamp = root.join(LAID).join(format!("{name}.stamp"));
    if laid.join("Cargo.toml").is_file() && fs::read_to_string(&stamp).unwrap_or_default() == digest
    {
        return Ok(());
    }

    let published = published(&wanted, name)?;
    eprintln!(
        "xtask: laying {name} from {} with {} patch(es)",
        published.display(),
        patches.len()
    );
    // Laid under another name first: an interrupted run leaves no half-patched crate behind the stamp.
    let fresh = root.join(LAID).join(format!("{name}.fresh"));
    remove(&fresh)?;
    remove(&stamp)?;
    copy(&published, &fresh)?;
    for patch in &patches {
        apply(patch, &fresh)?;
    }
    remove(&laid)?;
    fs::rename(&fresh, &laid)?;
    fs::write(&stamp, digest)?;
    Ok(())
}

fn patches(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "patch") {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} holds no patch", folder.display());
    }
    found.sort();
    Ok(found)
}

/// The folder in cargo's registry cache; cargo verifies the download against the checksum in the lock file.
fn published(wanted: &Path, name: &str) -> Result<PathBuf> {
    let manifest = wanted.join("Cargo.toml");
    // Without the filter cargo downloads what only other systems need, too.
    let version = shell::read(shell::command("rustc", wanted).arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    let text = shell::read(
        shell::cargo(wanted)
            .args([
                "metadata",
                "--format-version=1",
                "--locked",
                "--filter-platform",
                host,
                "--manifest-path",
            ])
            .arg(&manifest),
    )?;
    let metadata: Value = serde_json::from_str(&text)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == name && package["source"].is_string())
        .and_then(|package| {
            Path::new(package["manifest_path"].as_str()?)
                .parent()
                .map(Path::to_path_buf)
        })
        .with_context(|| format!("cargo knows no published {name} for {}", manifest.display()))
}

fn apply(patch: &Path, to: &Path) -> Result<()> {
    let mut command: Command = if shell::find("patch").is_some() {
        let mut command = shell::command("patch", to);
        command
            .args([
                "-p1",
                "--quiet",
                "--no-backup-if-mismatch",
                "--fuzz=0",
                "-i",
            ])
            .arg(patch);
        command
    } else {
        let mut command = shell::command("git", to);
        // Outside any repository, else git resolves the paths against the clone and skips them in silence.
        command
            .env("GIT_DIR", "/nonexistent")
            .args(["apply", "-p1", "--unidiff-zero"])
            .arg(patch);
        command
    };
    shell::run(&mut command).with_context(|| format!("{} does not apply", patch.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else if name != ".cargo-ok" && name != ".cargo_vcs_info.json" {
            // Contents only: the registry's files may be read-only and old, and cargo goes by the times.
            fs::write(to.join(name), fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let gone = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match gone {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
            Err(fault).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
