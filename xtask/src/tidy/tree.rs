//! The files of the clone that the laws speak of, read once.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Text files by their path from the clone's folder, with `/` between the parts.
#[derive(Default)]
pub struct Tree {
    /// Path to text.
    pub files: BTreeMap<String, String>,
    /// Paths that ARCHITECTURE.md names are looked up here; empty in tests.
    pub root: Option<std::path::PathBuf>,
}

/// What the laws look at.
const ROOTS: &[&str] = &[
    "crates",
    "testsuite",
    "xtask/assertions.txt",
    "xtask/long-files.txt",
    "docs",
    "ui",
    "ARCHITECTURE.md",
];
/// Generated, or of others.
const SKIPPED: &[&str] = &["node_modules", "dist", "target", ".git", "fixtures"];
const ENDINGS: &[&str] = &[
    "rs", "md", "sql", "txt", "toml", "json", "ts", "js", "mjs", "html", "css", "ftl", "FROZEN",
];

impl Tree {
    /// Reads what is there; a file that is missing is for the rule that needs it to report.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut tree = Tree {
            files: BTreeMap::new(),
            root: Some(root.to_path_buf()),
        };
        for start in ROOTS {
            tree.enter(root, start)?;
        }
        Ok(tree)
    }

    fn enter(&mut self, root: &Path, path: &str) -> Result<()> {
        let full = root.join(path);
        let Ok(kind) = fs::symlink_metadata(&full) else {
            return Ok(());
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        if kind.is_dir() {
            if SKIPPED.contains(&name) {
                return Ok(());
            }
            for entry in fs::read_dir(&full).with_context(|| format!("cannot read {path}"))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                self.enter(root, &format!("{path}/{name}"))?;
            }
        } else if kind.is_file() && ENDINGS.contains(&name.rsplit('.').next().unwrap_or(name)) {
            let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            self.files.insert(
                path.to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            );
        }
        Ok(())
    }

    /// A tree for a test of a rule.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Tree { files, root: None }
    }

    /// The Rust files under `crates/`.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.under("crates/")
            .filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Everything whose path begins with `start`.
    pub fn under<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(move |(path, _)| path.starts_with(start))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file is code that ships: under `src/` of a crate and no out-of-line test module.
    pub fn ships(&self, path: &str) -> bool {
        let Some((krate, rest)) = path
            .strip_prefix("crates/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        let Some(inner) = rest.strip_prefix("src/") else {
            return false;
        };
        // `#[cfg(test)] mod tests;` puts the module into a file of its own: the parent says so.
        let stem = inner.trim_end_matches(".rs");
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let parents = if folder.is_empty() {
            vec!["lib.rs".to_owned(), "main.rs".to_owned()]
        } else {
            vec![format!("{folder}.rs"), format!("{folder}/mod.rs")]
        };
        !parents
            .iter()
            .filter_map(|parent| self.text(&format!("crates/{krate}/src/{parent}")))
            .any(|text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                words
                    .windows(3)
                    .any(|three| three == ["#[cfg(test)]", "mod", &format!("{name};")])
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_out_of_line_test_module_does_not_ship() {
        let tree = Tree::of(&[
            ("crates/core/src/lib.rs", "mod plan;"),
            ("crates/core/src/plan.rs", "#[cfg(test)]\nmod tests;"),
            ("crates/core/src/plan/tests.rs", ""),
            ("crates/core/tests/matrix.rs", ""),
        ]);
        assert!(tree.ships("crates/core/src/plan.rs"));
        assert!(!tree.ships("crates/core/src/plan/tests.rs"));
        assert!(!tree.ships("crates/core/tests/matrix.rs"));
    }
}
