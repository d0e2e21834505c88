//! What documents and frozen files promise about the source.

use super::tree::Tree;
use crate::setup::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Papers whose paths are held.
const MAPS: [&str; 2] = ["ARCHITECTURE.md", "docs/asvs.md"];
const CODES: &str = "docs/codes.md";
const MIGRATIONS: &str = "crates/store/migrations/";
const FROZEN: &str = "crates/store/migrations/FROZEN";
const LOCALES: &str = "crates/web/locales/";

/// Every path in backticks in the papers that say where things are exists.
pub fn maps(tree: &Tree) -> Vec<String> {
    MAPS.into_iter().flat_map(|map| lost(tree, map)).collect()
}

fn lost(tree: &Tree, map: &str) -> Vec<String> {
    let Some(text) = tree.text(map) else {
        return vec![format!("{map} is missing")];
    };
    let mut broken = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            if is_path(quoted) && !exists(tree, quoted) {
                broken.push(format!("{map}:{}: `{quoted}` does not exist", number + 1));
            }
        }
    }
    broken
}

/// A word with a slash or a known ending, but no address of a page, pattern or command.
fn is_path(quoted: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let ended = [".rs", ".md", ".toml"]
        .iter()
        .any(|end| quoted.ends_with(end));
    !quoted.starts_with(['/', '.']) && quoted.chars().all(plain) && (quoted.contains('/') || ended)
}

fn exists(tree: &Tree, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let folder = format!("{path}/");
    match &tree.root {
        Some(root) => root.join(path).exists(),
        None => tree.text(path).is_some() || tree.under(&folder).next().is_some(),
    }
}

/// The codes that the source speaks are the codes that `docs/codes.md` explains.
pub fn codes(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(CODES) else {
        return vec![format!("{CODES} is missing")];
    };
    let mut rows = BTreeSet::new();
    for line in text.lines() {
        let Some(row) = line.trim().strip_prefix('|') else {
            continue;
        };
        rows.extend(codes_in(row.split('|').next().unwrap_or_default()));
    }
    let mut spoken: BTreeMap<String, &str> = BTreeMap::new();
    for (path, source) in tree.under("crates/").chain(tree.under("ui/")) {
        for code in codes_in(source) {
            spoken.entry(code).or_insert(path);
        }
    }
    let unexplained = spoken
        .iter()
        .filter(|(code, _)| !rows.contains(*code))
        .map(|(code, path)| format!("{code} is spoken in {path} and has no row in {CODES}"));
    let silent = rows
        .iter()
        .filter(|code| !spoken.contains_key(*code))
        .map(|code| format!("{code} has a row in {CODES} and is spoken nowhere"));
    unexplained.chain(silent).collect()
}

fn codes_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("SKS-") {
        let digits: String = text
            .get(at + 4..)
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        if digits.len() == 4 {
            found.insert(format!("SKS-{digits}"));
        }
    }
    found
}

/// The migrations and their digests, as `freeze` writes them: path from the migrations' folder to digest.
pub fn frozen(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path.trim().to_owned(), digest.to_owned()))
        .collect()
}

/// A migration that was once released never changes: a database out there has already run it.
pub fn migrations(tree: &Tree) -> Vec<String> {
    let list = tree.text(FROZEN).map(frozen);
    let present: BTreeMap<&str, String> = tree
        .under(MIGRATIONS)
        .filter(|(path, _)| path.ends_with(".sql"))
        .map(|(path, text)| {
            (
                path.trim_start_matches(MIGRATIONS),
                hex(&Sha256::digest(text)),
            )
        })
        .collect();
    let Some(list) = list else {
        return vec![format!(
            "{FROZEN} is missing; `cargo xtask freeze` writes it from the migrations"
        )];
    };
    let mut broken = Vec::new();
    if present.is_empty() {
        broken.push(format!("{MIGRATIONS} holds no migration"));
    }
    for (path, digest) in &present {
        match list.get(*path) {
            None => broken.push(format!(
                "{MIGRATIONS}{path} is not frozen; run `cargo xtask freeze`"
            )),
            Some(known) if known != digest => {
                broken.push(format!(
                    "{MIGRATIONS}{path} changed after it was frozen; write a new migration instead"
                ));
            }
            Some(_) => {}
        }
    }
    for path in list.keys() {
        if !present.contains_key(path.as_str()) {
            broken.push(format!("{FROZEN} names {path}, which does not exist"));
        }
    }
    broken
}

/// "User" names nobody: the keys of the pages' words name the role.
pub fn locale_keys(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.under(LOCALES) {
        let mut keys = Vec::new();
        if path.ends_with(".json") {
            match serde_json::from_str::<Value>(text) {
                Ok(value) => collect(&value, &mut keys),
                Err(fault) => broken.push(format!("{path} is no JSON: {fault}")),
            }
        } else {
            keys.extend(
                text.lines()
                    .filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())),
            );
        }
        for key in keys {
            if key
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "user" || word == "users")
            {
                broken.push(format!(
                    "{path}: the key {key:?} says user; say worker, vendor manager, operator, ..."
                ));
            }
        }
    }
    broken
}

fn collect(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                keys.push(key.clone());
                collect(inner, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, keys)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_red_and_an_address_is_no_path() {
        let text = "`crates/core/src/plan.rs` `crates/core/` `/plans/{id}` `core::plan` `crates/gone.rs` `README.md`";
        let [architecture, asvs] = MAPS;
        let tree = Tree::of(&[
            (architecture, text),
            (asvs, "`crates/core/src/plan.rs` `docs/gone.md`"),
            ("crates/core/src/plan.rs", ""),
        ]);
        assert_eq!(maps(&tree).len(), 3);
        assert_eq!(maps(&Tree::of(&[])).len(), 2);
    }

    #[test]
    fn a_code_without_row_and_a_row_without_code_are_red() {
        let tree = Tree::of(&[
            (
                CODES,
                "| code | worker |\n|---|---|\n| `SKS-1001` | wait |\n| SKS-1002 | see SKS-1009 |",
            ),
            (
                "crates/core/src/code.rs",
                "const A: &str = \"SKS-1001\"; const B: &str = \"SKS-1003\"; // SKS-12",
            ),
        ]);
        let broken = codes(&tree);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken.iter().any(|line| line.starts_with("SKS-1003")));
        assert!(broken.iter().any(|line| line.starts_with("SKS-1002")));
    }

    #[test]
    fn a_changed_a_new_and_a_lost_migration_are_red() {
        let sql = "create table a (b integer);";
        let digest = hex(&Sha256::digest(sql));
        let path = format!("{MIGRATIONS}sqlite/0001.sql");
        let list = format!("{digest}  sqlite/0001.sql\n");
        let with = |sql: &str, list: &str| {
            migrations(&Tree::of(&[(path.as_str(), sql), (FROZEN, list)])).len()
        };
        assert_eq!(with(sql, &list), 0);
        assert_eq!(with("create table a (b text);", &list), 1);
        assert_eq!(with(sql, ""), 1);
        assert_eq!(with(sql, &format!("{list}{digest}  sqlite/0002.sql\n")), 1);
        assert_eq!(migrations(&Tree::of(&[(path.as_str(), sql)])).len(), 1);
    }

    #[test]
    fn a_key_that_says_user_is_red() {
        let json = (
            format!("{LOCALES}ja.json"),
            "{\"login\": {\"user-name\": \"x\", \"browser\": \"user\"}}",
        );
        let toml = (
            format!("{LOCALES}en.toml"),
            "user_name = \"x\"\nabuser = \"user = x\"",
        );
        assert_eq!(locale_keys(&Tree::of(&[(&json.0, json.1)])).len(), 1);
        assert_eq!(locale_keys(&Tree::of(&[(&toml.0, toml.1)])).len(), 1);
    }
}
