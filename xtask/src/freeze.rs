//! `cargo xtask freeze`: the digest of a new migration goes into the list, and none ever changes there.

use crate::setup::hex;
use crate::tidy;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Adds new migrations to `crates/store/migrations/FROZEN`; a changed one is an error.
pub fn run(root: &Path) -> Result<()> {
    let folder = root.join("crates/store/migrations");
    let list = folder.join("FROZEN");
    let mut frozen = tidy::frozen(&fs::read_to_string(&list).unwrap_or_default());
    let mut found = Vec::new();
    collect(&folder, &folder, &mut found)?;
    for (path, digest) in found {
        match frozen.get(&path) {
            Some(known) if *known != digest => {
                bail!(
                    "{path} changed after it was frozen; a database out there has run it: write a new migration"
                );
            }
            Some(_) => {}
            None => {
                println!("frozen: {path}");
                frozen.insert(path, digest);
            }
        }
    }
    let mut text =
        "# SHA-256 of each migration. `cargo xtask freeze` adds lines; a line never changes.\n"
            .to_owned();
    for (path, digest) in &frozen {
        text.push_str(&format!("{digest}  {path}\n"));
    }
    fs::write(&list, text).with_context(|| format!("cannot write {}", list.display()))
}

fn collect(base: &Path, folder: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            collect(base, &path, found)?;
        } else if path.extension().is_some_and(|end| end == "sql") {
            let name = path
                .strip_prefix(base)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            found.push((name, hex(&Sha256::digest(fs::read(&path)?))));
        }
    }
    Ok(())
}
