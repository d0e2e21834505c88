//! The keys of a log: each exchange has its entry and its file, and the one before signed the one after.

use super::entries::Entries;
use super::findings::{Findings, printable};
use super::outside::{Head, Kind};
use crate::checkpoint::PublicKey;
use crate::log::{Files, read_bounded};
use crate::rotation::{self, MAX_ROTATION_BYTES, MAX_ROTATIONS, ROTATIONS_DIR, Rotation, path_of};

/// Reads every exchange, in the order of their entries.
pub(super) fn read(files: &dyn Files, findings: &mut Findings) -> Vec<Rotation> {
    let mut names = match files.list(ROTATIONS_DIR) {
        Ok(names) => names,
        Err(fault) => {
            findings.error("unreadable", ROTATIONS_DIR, printable(&fault.to_string()), "フォルダーを読み取れません。");
            return Vec::new();
        }
    };
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names.into_iter().take(MAX_ROTATIONS) {
        let place = format!("{ROTATIONS_DIR}/{}", printable(&name));
        // What is no number was written by nobody of ours; its name never becomes a path.
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            findings.warning("unknown-file", place, "The file does not belong to the log.", "ログに属さないファイルです。");
            continue;
        }
        let text = match read_bounded(files, &format!("{ROTATIONS_DIR}/{name}"), MAX_ROTATION_BYTES) {
            Ok(bytes) => String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default(),
            Err(fault) => {
                findings.error("unreadable", place, printable(&fault.to_string()), "ファイルを読み取れません。");
                continue;
            }
        };
        match rotation::read(&name, &text) {
            Ok(rotation) => found.push(rotation),
            Err(breach) => findings.error(
                "rotation",
                place,
                format_args!("The exchange of the key was not accepted: {breach}."),
                "鍵の交換の記録の形式または署名が正しくありません。",
            ),
        }
    }
    found.sort_by_key(|rotation| rotation.seq);
    found
}

/// The keys in their order, or a finding if not all of the trusted ones are among them.
pub(super) fn keys(rotations: &[Rotation], trusted: &[PublicKey], findings: &mut Findings) -> Option<Vec<PublicKey>> {
    let chain = rotation::chain_over(rotations, trusted);
    chain
        .inspect_err(|breach| {
            findings.error(
                "key-chain",
                ROTATIONS_DIR,
                format_args!("The keys of the log do not follow from the given one: {breach}."),
                "与えられた公開鍵から現在の鍵まで、鍵の交換の記録がつながりません。",
            );
        })
        .ok()
}

/// The head that both keys of an exchange signed, which the log must continue like one from outside.
pub(super) fn head(rotation: &Rotation) -> Head {
    Head { place: path_of(rotation.seq), checkpoint: rotation.checkpoint.clone(), kind: Kind::Rotation, key: None, seen: None, stamp: None }
}

/// The entries must tell of the same exchanges as the files, and the first of the first key.
pub(super) fn compare(rotations: &[Rotation], entries: &Entries, first: &PublicKey, findings: &mut Findings) {
    if let Some(key) = entries.first_key.as_ref().filter(|key| **key != first.to_string()) {
        findings.error(
            "first-key",
            "log entry 0",
            format_args!("The log calls \"{}\" its first key, and its keys begin with another one.", printable(key)),
            "ログの最初の鍵が、鍵の交換の記録の始まりと一致しません。",
        );
    }
    for (seq, old, new) in &entries.rotated {
        let told = rotations.iter().any(|rotation| rotation.seq == *seq && rotation.old.to_string() == *old && rotation.new.to_string() == *new);
        if !told {
            findings.error(
                "rotation-missing",
                format_args!("log entry {seq}"),
                "The entry tells of an exchange of the key, and no checkpoint signed by the earlier key covers it.",
                "鍵の交換の項目に対応する、交換前の鍵の署名がありません。",
            );
        }
    }
    for rotation in rotations {
        if !entries.rotated.iter().any(|(seq, ..)| *seq == rotation.seq) {
            findings.error(
                "rotation-without-entry",
                path_of(rotation.seq),
                "The key was exchanged, and the log has no entry of it.",
                "鍵の交換に対応する項目がログにありません。",
            );
        }
    }
}
