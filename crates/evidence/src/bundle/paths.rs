//! Names of the files in a bundle. No other name is accepted, so that no reader ever writes where it should not.

use crate::log::CHECKPOINT_PATH;
use crate::recording::{FILE_SUFFIX, is_session_id};
use crate::rotation::ROTATIONS_DIR;
use crate::verify::{COSIGNED_DIR, LOCAL_AUTHORITY, TIMESTAMPS_DIR};

/// The page of instructions.
pub const README: &str = "README.txt";
/// The entries as sentences, to read and print.
pub const REPORT: &str = "report.html";
/// What is in the bundle.
pub const MANIFEST: &str = "manifest.json";
/// The signature over it.
pub const SIGNATURE: &str = "manifest.sig";
/// The signed checkpoint that all proofs lead to.
pub const CHECKPOINT: &str = CHECKPOINT_PATH;
/// The public key, for comparing with one that came by another way.
pub const PUBLIC_KEY: &str = "log/public-key";
/// Bodies of entries, one a line.
pub const ENTRIES: &str = "log/entries.jsonl";
/// Their proofs, one a line.
pub const PROOFS: &str = "log/proofs.txt";
/// Proofs that the log continues earlier heads, one a line.
pub const CONSISTENCY: &str = "log/consistency.txt";

/// The part of a plan or the approvals of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanFile {
    /// The plan with its history.
    Json,
    /// The same to read and print.
    Html,
    /// The bytes whose digest its approvals name.
    Signed,
    /// Its approvals.
    Approvals,
}

/// The path of a part of a plan.
pub fn of_plan(plan: &str, part: PlanFile) -> Option<String> {
    is_session_id(plan).then(|| match part {
        PlanFile::Json => format!("plans/{plan}.json"),
        PlanFile::Html => format!("plans/{plan}.html"),
        PlanFile::Signed => format!("plans/{plan}.signed"),
        PlanFile::Approvals => format!("approvals/{plan}.json"),
    })
}

/// The path of the line with which a case was opened.
pub fn line_of_case(case: &str) -> Option<String> {
    is_session_id(case).then(|| format!("cases/{case}.line"))
}

/// The path of a review of the log or of a report, as a page (`html`) or as the bytes that were signed (`json`).
pub fn of_paper(folder: &str, id: &str, kind: &str) -> Option<String> {
    (PAPERS.iter().any(|(known, _)| *known == folder) && ["html", "json"].contains(&kind) && is_session_id(id)).then(|| format!("{folder}/{id}.{kind}"))
}

/// Folders of papers whose digest stands in entries, and the field of those that names the paper.
pub(super) const PAPERS: [(&str, &str); 2] = [("reviews", "review"), ("reports", "report")];

/// True for a name that a file of a bundle may have.
pub fn is_known(path: &str) -> bool {
    if [README, REPORT, MANIFEST, SIGNATURE, CHECKPOINT, PUBLIC_KEY, ENTRIES, PROOFS, CONSISTENCY].contains(&path) {
        return true;
    }
    let inside = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let plain = |number: &str| number.parse::<u64>().is_ok_and(|parsed| parsed.to_string() == number);
    if let Some(number) = inside(ROTATIONS_DIR) {
        return plain(number);
    }
    if let Some(name) = inside(TIMESTAMPS_DIR) {
        return name == LOCAL_AUTHORITY || name.strip_suffix(".tsr").or_else(|| name.strip_suffix(".checkpoint")).is_some_and(plain);
    }
    let id = |name: Option<&str>| name.is_some_and(is_session_id);
    if let Some(name) = inside(COSIGNED_DIR) {
        return name.len() == 8 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    }
    if let Some(name) = inside("cases") {
        return id(name.strip_suffix(".line"));
    }
    if let Some(name) = PAPERS.iter().find_map(|(folder, _)| inside(folder)) {
        return id(name.rsplit_once('.').filter(|(_, kind)| ["json", "html"].contains(kind)).map(|(id, _)| id));
    }
    if let Some(name) = inside("recordings") {
        return id(name.strip_suffix(FILE_SUFFIX));
    }
    if let Some(name) = inside("plans") {
        return id(name.rsplit_once('.').filter(|(_, kind)| ["json", "html", "signed"].contains(kind)).map(|(id, _)| id));
    }
    id(inside("approvals").and_then(|name| name.strip_suffix(".json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_format_are_known() {
        for path in ["README.txt", "log/checkpoint", "log/rotations/17", "recordings/ses-1.skr", "plans/pln-1.json", "plans/pln-1.signed", "approvals/pln-1.json", "report.html", "cases/cas-1.line", "log/cosigned/0a1b2c3d", "reviews/rvw-1.html", "reports/rpt-1.json", "log/timestamps/90.tsr", "log/timestamps/90.checkpoint", "log/timestamps/local.pem"] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "", "/README.txt", "./README.txt", "readme.txt", "../log/checkpoint", "log/rotations/017", "log/rotations/+1", "log/rotations/", "recordings/../x.skr", "recordings/a/b.skr",
            "recordings/.skr", "recordings/a.skr.exe", "plans/a.exe", "plans/.html", "approvals/a.html", "cases/a.html", "cases/.line", "log/cosigned/0A1B2C3D", "log/cosigned/x", "reviews/a.signed", "reports/.json", "log/timestamps/090.tsr", "log/timestamps/90.pem", "log/timestamps/a.tsr", "log/timestamps/", "report.htm", "approvals\\a.json", "recordings/a\u{202e}.skr", "log/entries.jsonl/",
        ] {
            assert!(!is_known(path), "{path}");
        }
    }
}
