//! Which folder cargo builds into, and whether what lies there came from this clone.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where cargo puts the workspace's output: `CARGO_TARGET_DIR`, else `target` in the clone.
pub fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root.join(folder),
        _ => root.join("target"),
    }
}

/// Where this program keeps its stamps: always in the clone, because they speak of the clone's files.
pub fn stamps(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target").join("xtask").join("stamps");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Held while one clone tests in a shared target folder, so that another cannot exchange its binaries meanwhile.
pub struct Turn {
    _lock: Option<File>,
}

/// Takes the turn in a shared target folder and makes cargo's freshness true for this clone.
///
/// cargo compares modification times, and two clones of one path layout share fingerprints: a clone that was
/// checked out before another was built would look fresh although its text differs. When the last builder in
/// the folder was another clone, the times of this clone's sources move to the present, and cargo builds our
/// own crates again (the crates of others stay as they are).
pub fn take_turn(root: &Path) -> Result<Turn> {
    let target = target(root);
    if target == root.join("target") {
        return Ok(Turn { _lock: None });
    }
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let lock = File::create(target.join("sekisho-turn.lock"))?;
    if lock.try_lock().is_err() {
        eprintln!(
            "xtask: another clone is testing in {}; waiting for it",
            target.display()
        );
        lock.lock()?;
    }
    let mine = identity(root)?;
    let marker = target.join("sekisho-clone");
    if fs::read_to_string(&marker).unwrap_or_default() != mine {
        let moment = SystemTime::now();
        for folder in ["crates", "testsuite", "ui", ".patched"] {
            touch(&root.join(folder), moment)?;
        }
        fs::write(&marker, mine)?;
    }
    Ok(Turn { _lock: Some(lock) })
}

/// A word that no other clone has: the folder and the moment when this clone was first used.
fn identity(root: &Path) -> Result<String> {
    let path = stamps(root)?.join("clone");
    if let Ok(known) = fs::read_to_string(&path) {
        return Ok(known);
    }
    let moment = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let word = format!(
        "{} {} {}",
        root.display(),
        moment.as_nanos(),
        std::process::id()
    );
    fs::write(&path, &word)?;
    Ok(word)
}

fn touch(path: &Path, moment: SystemTime) -> Result<()> {
    let Ok(kind) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if kind.is_dir() {
        if path.file_name().is_some_and(|name| name == "node_modules") {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            touch(&entry?.path(), moment)?;
        }
    } else if kind.is_file() {
        File::open(path)?
            .set_modified(moment)
            .with_context(|| format!("cannot touch {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn touch_moves_every_file_to_the_moment_and_leaves_node_modules_alone() {
        let folder = std::env::temp_dir().join(format!("xtask-touch-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/node_modules")).unwrap();
        fs::write(folder.join("a/x.rs"), "x").unwrap();
        fs::write(folder.join("a/node_modules/y.js"), "y").unwrap();
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        touch(&folder, moment).unwrap();
        let of = |path: &str| fs::metadata(folder.join(path)).unwrap().modified().unwrap();
        assert_eq!(of("a/x.rs"), moment);
        assert_ne!(of("a/node_modules/y.js"), moment);
        fs::remove_dir_all(folder).unwrap();
    }
}
