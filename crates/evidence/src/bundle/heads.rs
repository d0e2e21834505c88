//! The keys and heads of a bundle: exchanges of the log's key, its checkpoint, and heads that were seen elsewhere.

use super::manifest::Manifest;
use super::paths::CHECKPOINT;
use super::verify::{Check, Seen};
use crate::checkpoint::{self, Checkpoint, PublicKey};
use crate::cosignature::WitnessPublic;
use crate::limits::MAX_CHECKPOINT_BYTES;
use crate::log::{read_bounded, verify_consistency};
use crate::rotation::{self, MAX_ROTATION_BYTES, MAX_ROTATIONS, ROTATIONS_DIR};
use crate::verify::{SeenBy, Timestamps, Trust, cosigned_path, stamped_heads, stamped_parts};

const OUTSIDE: &str = "outside checkpoint";

impl Check<'_> {
    /// Follows the log's exchanges of keys from the trusted ones.
    pub(super) fn rotations(&mut self, trusted: &[PublicKey]) {
        let prefix = format!("{ROTATIONS_DIR}/");
        let mut names: Vec<(u64, String)> = self.names.iter().filter_map(|path| path.strip_prefix(&prefix)).filter_map(|name| Some((name.parse().ok()?, name.to_owned()))).collect();
        names.sort_unstable();
        if names.len() > MAX_ROTATIONS {
            return self.findings.error("too-many-files", ROTATIONS_DIR, "No log has that many exchanges of its key.", "署名鍵の交代の数が上限を超えています。");
        }
        let mut rotations = Vec::new();
        for (seq, name) in names {
            let Some(bytes) = self.text(&rotation::path_of(seq), MAX_ROTATION_BYTES) else { return };
            let read = std::str::from_utf8(&bytes).ok().and_then(|text| rotation::read(&name, text).ok());
            let Some(rotation) = read else {
                return self.findings.error("rotation-malformed", rotation::path_of(seq), "The exchange of the key was not accepted.", "署名鍵の交代の記録が正しくありません。");
            };
            rotations.push(rotation);
        }
        match rotation::chain_over(&rotations, trusted) {
            Ok(keys) => (self.keys, self.rotations) = (keys, rotations),
            Err(breach) => self.findings.error("rotation-chain", ROTATIONS_DIR, breach, "署名鍵の交代のつながりが正しくないか、指定の鍵がこの記録の鍵ではありません。"),
        }
    }

    pub(super) fn checkpoint(&mut self) -> Option<Checkpoint> {
        let bytes = self.text(CHECKPOINT, MAX_CHECKPOINT_BYTES)?;
        let key = self.keys.last()?;
        let opened = std::str::from_utf8(&bytes).map_err(|_| checkpoint::CheckpointBreach::Form).and_then(|text| checkpoint::open(text, key));
        match opened {
            Ok(head) => Some(head),
            Err(breach) => {
                self.findings.error(
                    "checkpoint",
                    CHECKPOINT,
                    format_args!("The checkpoint was not accepted: {breach}."),
                    "チェックポイントの形式または署名が、指定の公開鍵では正しくありません。",
                );
                None
            }
        }
    }

    /// Each exchange has its entry, and each entry that tells of one its exchange. A bundle that is no stretch of the log holds
    /// the entries of all of them; a stretch those that lie in it.
    pub(super) fn exchanges(&mut self, manifest: Option<&Manifest>, seen: &Seen) {
        if seen.bad {
            return;
        }
        let stretch = manifest.is_none_or(Manifest::is_contiguous);
        for rotation in &self.rotations {
            let within = seen.first.is_some_and(|first| first <= rotation.seq) && seen.last.is_some_and(|last| rotation.seq <= last);
            let told = match seen.told.get(&rotation.seq) {
                Some(told) => *told,
                None => stretch && !within,
            };
            if !told {
                self.findings.error(
                    "rotation-without-entry",
                    rotation::path_of(rotation.seq),
                    "The key was exchanged, and the entry that should tell of it is another one or is not there.",
                    "鍵の交換に対応する項目がないか、別の内容です。",
                );
            }
        }
        for (seq, ..) in &seen.entries.rotated {
            if !self.rotations.iter().any(|rotation| rotation.seq == *seq) {
                self.findings.error(
                    "rotation-missing",
                    format_args!("log entry {seq}"),
                    "The entry tells of an exchange of the key, and the exchange is not in the bundle.",
                    "項目が示す鍵の交換が束に入っていません。",
                );
            }
        }
    }

    /// The exchanges of keys, the checkpoints from outside and those of the witnesses belong to the beginning of this log. True
    /// if there was one from outside, and all of them do.
    pub(super) fn heads(&mut self, head: &Checkpoint, seen: &Seen, trust: &Trust<'_>) -> bool {
        let exchanges: Vec<(String, Checkpoint)> = self.rotations.iter().map(|rotation| (rotation::path_of(rotation.seq), rotation.checkpoint.clone())).collect();
        for (path, checkpoint) in exchanges {
            self.continues(head, &checkpoint, seen, &path, ["rotation-forked", "rotation-unjoined"]);
        }
        let mut joined = !trust.outside.is_empty() || !trust.witnesses.is_empty();
        for text in trust.outside {
            match rotation::open_by_any(text, &self.keys).map(|(outside, _)| outside) {
                Ok(outside) => joined &= self.continues(head, &outside, seen, OUTSIDE, ["log-forked", "outside-unjoined"]),
                Err(breach) => {
                    joined = false;
                    self.findings.error(
                        "outside-checkpoint",
                        OUTSIDE,
                        format_args!("The checkpoint from outside was not accepted: {breach}."),
                        "外部で控えたチェックポイントの形式または署名が正しくありません。",
                    );
                }
            }
        }
        for witness in trust.witnesses {
            joined &= self.witnessed(head, witness, seen, trust.outside);
        }
        joined
    }

    /// The heads under time stamps belong to the beginning of this log, and show when its parts existed at the latest.
    pub(super) fn stamped(&mut self, head: &Checkpoint, seen: &Seen, numbers: &[u64], checks: &dyn Timestamps) {
        let mut heads = stamped_heads(numbers, checks, &self.keys, self.files, &mut self.findings);
        heads.retain(|stamped| self.continues(head, &stamped.checkpoint, seen, &stamped.place, ["log-forked", "timestamp-unjoined"]));
        // A stamp that shows nothing of this log dates nothing of it.
        self.stamps = stamped_parts(&heads, &seen.reached, seen.last_at, &mut self.findings);
    }

    /// The newest head that a witness signed: the one in the bundle, or one that came from outside with its signature.
    fn witnessed(&mut self, head: &Checkpoint, witness: &WitnessPublic, seen: &Seen, outside: &[String]) -> bool {
        let place = cosigned_path(witness);
        let inside = read_bounded(self.files, &place, MAX_CHECKPOINT_BYTES).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        let cosigned = |text: &String| {
            // Both must have signed the same head: the log, and the witness.
            rotation::open_by_any(text, &self.keys)?;
            witness.open(text)
        };
        let best = inside.iter().chain(outside).filter_map(|text| cosigned(text).ok()).max_by_key(|(checkpoint, second)| (checkpoint.size, *second));
        let Some((checkpoint, second)) = best else {
            self.findings.error(
                "witness-missing",
                place,
                format_args!("The witness {} has signed no checkpoint that is at hand.", witness.name()),
                format_args!("立会人(witness) {} が署名したチェックポイントがありません。", witness.name()),
            );
            return false;
        };
        self.seen.push(SeenBy { witness: witness.name().to_owned(), entries: checkpoint.size, second });
        self.continues(head, &checkpoint, seen, &place, ["log-forked", "outside-unjoined"])
    }

    fn continues(&mut self, head: &Checkpoint, old: &Checkpoint, seen: &Seen, place: &str, [forked, unjoined]: [&'static str; 2]) -> bool {
        if old.origin != head.origin {
            self.findings.error("outside-origin", place, "The checkpoint belongs to another log.", "別の記録のチェックポイントです。");
            return false;
        }
        let same = if old.size == head.size {
            Some(old.root == head.root)
        } else if let Some(root) = seen.roots.get(&old.size).filter(|_| !seen.bad) {
            Some(*root == old.root)
        } else {
            self.consistency.get(&old.size).map(|hashes| verify_consistency(old.size, &old.root, head.size, &head.root, hashes).is_ok())
        };
        match same {
            Some(true) => return true,
            Some(false) => self.findings.error(
                forked,
                place,
                format_args!("The first {} entries of this log are not those that the checkpoint signs: history was rewritten, or two logs were shown.", old.size),
                format_args!("この記録の先頭の{}件は、控えたチェックポイントが署名したものではありません。過去の書き換え、または二重の記録です。", old.size),
            ),
            None if old.size > head.size => self.findings.error(
                unjoined,
                place,
                format_args!("The checkpoint covers {} entries and the bundle's covers {}: the bundle is older. Ask for a new one.", old.size, head.size),
                format_args!("控えたチェックポイント({}件)のほうが、この束({}件)より新しいものです。束を作り直してもらってください。", old.size, head.size),
            ),
            None => self.findings.error(
                unjoined,
                place,
                format_args!("The bundle has no proof that its log continues the one of {} entries. Ask for a bundle made with this checkpoint.", old.size),
                format_args!("{}件の時点の記録からつながっていることの証明が、この束にありません。このチェックポイントを渡して束を作り直してもらってください。", old.size),
            ),
        }
        false
    }
}
