//! Which crate may depend on which: the floors, and the owners of heavy crates.

use crate::shell;
use anyhow::Result;
use serde_json::Value;
use std::path::Path;

const FLOOR_ZERO: &[&str] = &["sekisho-core", "sekisho-evidence", "sekisho-protocol", "sekisho-detect"];

/// Our crates and which of our crates each may use. A crate that is not listed may use none.
const FLOORS: &[(&str, &[&str])] = &[
    ("sekisho-core", &[]),
    ("sekisho-evidence", &[]),
    ("sekisho-protocol", &[]),
    // Rules over what targets tell of logins; the words of the domain are core's.
    ("sekisho-detect", &["sekisho-core"]),
    // What a person read on a screen is the terminal model's knowledge.
    ("sekisho-search", &["sekisho-core", "sekisho-protocol"]),
    // Evidence as one ZIP file, written and read.
    ("sekisho-bundle", &["sekisho-evidence"]),
    // Time stamps of others, read and asked for, and our own.
    ("sekisho-timestamp", &["sekisho-evidence"]),
    ("sekisho-store", &["sekisho-core", "sekisho-evidence", "sekisho-search", "sekisho-detect"]),
    ("sekisho-gateway", &["sekisho-core", "sekisho-protocol", "sekisho-detect"]),
    // The pages show fingerprints of host keys, and evidence owns the hash.
    ("sekisho-web", &["sekisho-core", "sekisho-evidence", "sekisho-store", "sekisho-bundle"]),
    // Speaks to directories and providers of others; it proves, and the store decides.
    ("sekisho-directory", &["sekisho-core"]),
    // Runs on workers' machines; it shares with the server what both say to each other.
    ("sekisho-connect", &["sekisho-core"]),
    // Hands letters to the mail server and knows nothing of what they are about.
    ("sekisho-courier", &["sekisho-core"]),
    ("sekisho", EVERY_ROOM),
    ("sekisho-testsuite", ROOMS_AND_ROOF),
];
const EVERY_ROOM: &[&str] = &[
    "sekisho-core",
    "sekisho-evidence",
    "sekisho-protocol",
    "sekisho-detect",
    "sekisho-store",
    "sekisho-gateway",
    "sekisho-web",
    "sekisho-connect",
    "sekisho-directory",
    "sekisho-courier",
    "sekisho-bundle",
    "sekisho-timestamp",
];
const ROOMS_AND_ROOF: &[&str] = &[
    "sekisho-core",
    "sekisho-evidence",
    "sekisho-protocol",
    "sekisho-detect",
    "sekisho-store",
    "sekisho-gateway",
    "sekisho-web",
    "sekisho-directory",
    "sekisho-courier",
    "sekisho-bundle",
    "sekisho-timestamp",
    "sekisho",
];

/// Heavy crates and the one crate that may name them. The tests may name any: they play the stranger.
const OWNERS: &[(&str, &str)] = &[
    ("sqlx", "sekisho-store"),
    ("argon2", "sekisho-store"),
    ("zxcvbn", "sekisho-store"),
    ("webauthn-rs", "sekisho-store"),
    ("age", "sekisho-store"),
    ("rcgen", "sekisho-store"),
    // A device makes its own key and request.
    ("rcgen", "sekisho-connect"),
    ("x509-parser", "sekisho-gateway"),
    ("procfs", "sekisho-gateway"),
    ("cryptoki", "sekisho-store"),
    ("if-addrs", "sekisho-gateway"),
    ("ssh-key", "sekisho-store"),
    ("russh", "sekisho-gateway"),
    ("axum", "sekisho-web"),
    ("minijinja", "sekisho-web"),
    ("prometheus-client", "sekisho-web"),
    ("zip", "sekisho-bundle"),
    ("cms", "sekisho-timestamp"),
    ("der", "sekisho-timestamp"),
    ("x509-cert", "sekisho-timestamp"),
    ("rustls-webpki", "sekisho-timestamp"),
    ("lettre", "sekisho-courier"),
    ("hmac", "sekisho-courier"),
    ("rusty-s3", "sekisho-courier"),
    ("jiff", "sekisho-courier"),
    ("clap", "sekisho"),
    ("clap", "sekisho-connect"),
    ("tracing-subscriber", "sekisho"),
    ("signed_note", "sekisho-evidence"),
    ("tlog_tiles", "sekisho-evidence"),
    ("ed25519-dalek", "sekisho-evidence"),
    ("vt100", "sekisho-protocol"),
    ("tantivy", "sekisho-search"),
    ("ldap3", "sekisho-directory"),
    ("openidconnect", "sekisho-directory"),
    ("chrono", "sekisho-directory"),
];

/// Tests that make with a crate what the code under test must refuse.
const STRANGERS: &[(&str, &str)] = &[("sekisho-gateway", "rcgen"), ("sekisho-timestamp", "rcgen")];

/// What no crate of floor 0 may name: chance, time and the outside come with them.
const NOT_ON_FLOOR_ZERO: &[&str] = &[
    "tokio",
    "rand",
    "tracing",
    "getrandom",
    "futures",
    "async-trait",
    "rustix",
    "libc",
    "socket2",
    "tempfile",
];

/// The workspace as cargo sees it, without what it depends on.
pub fn metadata(root: &Path) -> Result<Value> {
    let text = shell::read(shell::cargo(root).args([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--offline",
    ]))?;
    Ok(serde_json::from_str(&text)?)
}

/// Applies a rule to each dependency that a crate of the workspace declares.
pub fn check(
    metadata: &Result<Value>,
    rule: fn(&str, &str, bool) -> Option<String>,
) -> Vec<String> {
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(fault) => return vec![format!("cargo metadata does not answer: {fault:#}")],
    };
    let mut broken = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(from) = package["name"].as_str() else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if let Some(to) = dependency["name"].as_str() {
                broken.extend(rule(from, to, dependency["kind"] == "dev"));
            }
        }
    }
    broken.sort();
    broken.dedup();
    broken
}

/// A crate depends only on the crates of ours that its floor allows.
pub fn floors(from: &str, to: &str, _dev: bool) -> Option<String> {
    if !FLOORS.iter().any(|(name, _)| *name == to) {
        return None;
    }
    let allowed = FLOORS
        .iter()
        .find(|(name, _)| *name == from)
        .map_or(&[][..], |(_, allowed)| allowed);
    (!allowed.contains(&to)).then(|| {
        let may = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
        format!("{from} depends on {to}; it may depend on {may} (a new room gets its row in xtask/src/tidy/edges.rs)")
    })
}

/// A heavy crate is named by its owner alone; floor 0 names nothing that reaches outside.
pub fn owners(from: &str, to: &str, dev: bool) -> Option<String> {
    if FLOOR_ZERO.contains(&from) && NOT_ON_FLOOR_ZERO.contains(&to) && !dev {
        return Some(format!("{from} depends on {to}; floor 0 is pure"));
    }
    let owners: Vec<&str> = OWNERS.iter().filter(|(name, _)| *name == to).map(|(_, owner)| *owner).collect();
    let plays_the_stranger = from == "sekisho-testsuite" || (dev && STRANGERS.contains(&(from, to)));
    (!owners.is_empty() && !owners.contains(&from) && !plays_the_stranger).then(|| {
        format!("{from} depends on {to}, which only {0} may name; ask {0} for a function", owners.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(from: &str, to: &str) -> Result<Value> {
        Ok(json!({"packages": [{"name": from, "dependencies": [{"name": to, "kind": null}]}]}))
    }

    #[test]
    fn an_edge_upwards_or_sideways_is_red() {
        for (from, to) in [
            ("sekisho-core", "sekisho-evidence"),
            ("sekisho-store", "sekisho-gateway"),
            ("sekisho-gateway", "sekisho-store"),
            ("sekisho-web", "sekisho-protocol"),
            ("sekisho-unheard-of", "sekisho-core"),
        ] {
            assert_eq!(
                check(&workspace(from, to), floors).len(),
                1,
                "{from} -> {to}"
            );
        }
        assert!(check(&workspace("sekisho-store", "sekisho-core"), floors).is_empty());
        assert!(check(&workspace("sekisho-testsuite", "sekisho"), floors).is_empty());
    }

    #[test]
    fn a_heavy_crate_outside_its_owner_is_red() {
        assert_eq!(check(&workspace("sekisho-web", "sqlx"), owners).len(), 1);
        assert_eq!(check(&workspace("sekisho-core", "tokio"), owners).len(), 1);
        assert!(check(&workspace("sekisho-store", "sqlx"), owners).is_empty());
        assert!(check(&workspace("sekisho-testsuite", "russh"), owners).is_empty());
    }

    #[test]
    fn silence_of_cargo_is_red() {
        assert_eq!(
            check(&Err(anyhow::anyhow!("no lock file")), floors).len(),
            1
        );
    }
}
