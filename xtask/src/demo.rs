//! `cargo xtask demo`: everything that must be built, then the demo itself in this process's place.

use crate::system::Group;
use crate::{clone, setup, shell, ui};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// Builds and becomes `sekisho demo ARGS`.
pub fn run(root: &Path, args: &[String]) -> Result<()> {
    setup::run(root, &[Group::Build, Group::Demo])?;
    ui::run(root)?;
    let binary = build(root)?;
    // The demo takes this process's place: its exit code, Ctrl-C and signals are its own, and the number of the
    // process that a script started stays true.
    let mut command = shell::command(&binary, root);
    command.arg("demo").args(args);
    Err(command.exec()).with_context(|| format!("cannot start {}", binary.display()))
}

/// Builds the binary and gives its path.
pub fn build(root: &Path) -> Result<PathBuf> {
    shell::run(shell::cargo(root).args(["build", "--locked", "-p", "sekisho"]))?;
    Ok(clone::target(root).join("debug").join("sekisho"))
}
