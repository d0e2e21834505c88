//! The Python clients of the street tests, in a folder of their own beside what cargo builds.

use crate::{clone, setup, shell};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Installs what `testsuite/requirements.txt` names and gives the folder of its programs.
///
/// Touches nothing when the stamp says that the same list was installed by the same Python.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    let list = root.join("testsuite").join("requirements.txt");
    let wanted = fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let version = shell::read(shell::command("python3", root).arg("-VV"))?;
    let mut hash = Sha256::new();
    hash.update(version.as_bytes());
    hash.update(&wanted);
    let digest = setup::hex(&hash.finalize());

    let folder = clone::target(root).join("clients");
    let programs = folder.join("bin");
    let stamp = folder.join("stamp");
    if fs::read_to_string(&stamp).unwrap_or_default() == digest && programs.join("python3").exists()
    {
        return Ok(programs);
    }
    eprintln!(
        "xtask: installing the Python clients into {}",
        folder.display()
    );
    // The programs in it hold the folder's name, so it is made in its place, and the stamp is written last.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    shell::run(
        shell::command("python3", root)
            .args(["-m", "venv"])
            .arg(&folder),
    )?;
    shell::run(
        shell::command(programs.join("python3"), root)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary=:all:",
                "-r",
            ])
            .arg(&list),
    )?;
    fs::write(&stamp, digest)?;
    Ok(programs)
}
